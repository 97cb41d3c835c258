/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_TOKEN_H_
#define JOBSRV_CORE_TOKEN_H_

#include "base/mailbox.h"
#include "jobsrv/alloc.h"
#include "jobsrv/token.h"

#include <stdatomic.h>

/*
 * A token is its own, or embedded in a job: then references are the job's, and
 * acting on it is the job's business before its watches'.
 */
typedef struct jobsrv_token_s jobsrv__token_t;

enum {
  JOBSRV__TOKEN_ROOT, /* the server's */
  JOBSRV__TOKEN_OWN,
  JOBSRV__TOKEN_JOB   /* embedded in a job's slot */
};

/* What a token with a parent has beside: most jobs' have none. */
typedef struct jobsrv__token_above_s {
  jobsrv_token_t *parent;         /* referenced; does not change */
  jobsrv_token_watch_t watch;     /* on it */
} jobsrv__token_above_t;

struct jobsrv_token_s {
  _Atomic(const jobsrv_reason_t *) reason;
  jobsrv__token_above_t *above;   /* NULL: no parent; owned by the maker */
  jobsrv_token_link_t watches;    /* head of a ring, oldest first */
  jobsrv__mail_t look;
  atomic_uint refs;               /* its own ones only */
  unsigned int kind;
};

/* [any] */
jobsrv_t *jobsrv__token_server(const jobsrv_token_t *token);
struct jobsrv_job_s *jobsrv__token_job(const jobsrv_token_t *token);

/*
 * `parent` may be NULL for none at all; otherwise `above` is zeroed memory that
 * stays until the token is cleared.
 */
void jobsrv__token_init(jobsrv_token_t *token,
                        unsigned int kind,
                        jobsrv_token_t *parent,
                        jobsrv__token_above_t *above);

/* Is not cancelled by what is above it any more, but keeps its reference. */
void jobsrv__token_detach(jobsrv_token_t *token);

/* Leaves the tree and frees the reason. */
void jobsrv__token_clear(jobsrv_token_t *token);

/*
 * [any] Sets the token alone, without acting on it.
 * Returns 0, JOBSRV_ESETTLED, JOBSRV_EENDED when it was sealed, UV_ENOMEM or
 * UV_EINVAL.
 */
int jobsrv__token_set(jobsrv_token_t *token,
                      const jobsrv_alloc_t *alloc,
                      const jobsrv_reason_t *reason);

/* Takes over the reason of what is above, if there is one and it has none. */
void jobsrv__token_adopt(jobsrv_token_t *token);

/* From now on it cannot be set any more. */
void jobsrv__token_seal(jobsrv_token_t *token);

/* Calls the watches, oldest first, the children among them. */
void jobsrv__token_fire(jobsrv_token_t *token);

#endif /* JOBSRV_CORE_TOKEN_H_ */
