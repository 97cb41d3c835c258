/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_TOKEN_H_
#define JOBSRV_CORE_TOKEN_H_

#include "base/mailbox.h"
#include "jobsrv/alloc.h"
#include "jobsrv/token.h"

#include <stdatomic.h>

/*
 * A token is its own, or embedded in a job: then `job` is set, references are
 * the job's, and acting on it is the job's business before its watches'.
 */
typedef struct jobsrv_token_s jobsrv__token_t;

struct jobsrv_token_s {
  _Atomic(const jobsrv_reason_t *) reason;
  jobsrv_token_t *parent;         /* referenced; does not change */
  jobsrv_token_watch_t *on_parent; /* NULL without one; owned by the maker */
  jobsrv_token_watch_t watches;   /* head of a ring, oldest first */
  jobsrv_t *srv;
  struct jobsrv_job_s *job;
  jobsrv__mail_t look;
  atomic_uint refs;               /* its own ones only */
};

/*
 * For the token in a job's slot. `parent` may be NULL for none at all;
 * otherwise `on_parent` is zeroed memory that stays until the token is cleared.
 */
void jobsrv__token_init(jobsrv_token_t *token,
                        jobsrv_t *srv,
                        struct jobsrv_job_s *job,
                        jobsrv_token_t *parent,
                        jobsrv_token_watch_t *on_parent);

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
