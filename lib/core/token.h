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
  int is_family;                  /* a child job's: what is above it is told
                                     as its parent's fate */
  uint32_t weight;                /* family.c: its share of that one's progress,
                                     0 for none, */
  uint32_t millionths;            /* and how far it has come */
} jobsrv__token_above_t;

struct jobsrv_token_s {
  _Atomic(const jobsrv_reason_t *) reason;
  jobsrv__token_above_t *above;   /* NULL: no parent; owned by the maker */
  jobsrv_token_link_t watches;    /* head of a ring, oldest first */
  jobsrv__mail_t look;
  atomic_uint refs;               /* its own ones only */
  uint8_t kind;                   /* does not change */
  uint8_t walked;                 /* its watches are being called */
};

/* [any] */
jobsrv_t *jobsrv__token_server(const jobsrv_token_t *token);
struct jobsrv_job_s *jobsrv__token_job(const jobsrv_token_t *token);

/*
 * `parent` may be NULL for none at all; otherwise `above` is zeroed memory but
 * for `is_family` and `weight`, and stays until the token is cleared.
 */
void jobsrv__token_init(jobsrv_token_t *token,
                        unsigned int kind,
                        jobsrv_token_t *parent,
                        jobsrv__token_above_t *above);

/* Is not cancelled by what is above it any more, but keeps its reference. */
void jobsrv__token_detach(jobsrv_token_t *token);

/*
 * Leaves the tree and frees the reason. Returns the parent, whose reference is
 * now the caller's to drop, or NULL.
 */
jobsrv_token_t *jobsrv__token_clear(jobsrv_token_t *token);

/*
 * [any] Sets the token alone, without acting on it. A reason of an attempt
 * gives way to a request to cancel. Whoever sets it has the loop thread call
 * jobsrv__token_heard() when it has acted on it.
 * Returns 0, JOBSRV_ESETTLED, JOBSRV_EENDED when it was sealed, UV_ENOMEM or
 * UV_EINVAL.
 */
int jobsrv__token_set(jobsrv_token_t *token,
                      const jobsrv_alloc_t *alloc,
                      const jobsrv_reason_t *reason);

/* Takes over the reason of what is above, if there is one and it has none. */
void jobsrv__token_adopt(jobsrv_token_t *token);

/*
 * A job's token set for its present attempt alone, if nobody set it before:
 * JOBSRV_REASON_ATTEMPT_TIMEOUT or _SILENCE. `reset` takes that back; returns 1
 * when the token is not set then. Loop thread.
 */
void jobsrv__token_set_attempt(jobsrv_token_t *token,
                               jobsrv_reason_code_t code);
int jobsrv__token_reset_attempt(jobsrv_token_t *token);

/* 1 if a reason is that of an attempt only. [any] */
int jobsrv__reason_of_attempt(const jobsrv_reason_t *reason);

/* From now on it cannot be set any more; what is an attempt's is the job's. */
void jobsrv__token_seal(jobsrv_token_t *token);

/*
 * The job has ended, not completed, and nobody has asked it to: its token shows
 * no reason, but its child jobs have to go down with it, and do in this call.
 */
void jobsrv__token_lapse(jobsrv_token_t *token);

/*
 * Calls the watches, oldest first, the children among them. From inside one of
 * them it leaves the rest to whoever is calling them.
 */
void jobsrv__token_fire(jobsrv_token_t *token);

/* The same, and also when that is under way already: none is left then. */
void jobsrv__token_tell(jobsrv_token_t *token);

/* Fires; then what was set is known to all below, who need not look up. */
void jobsrv__token_heard(jobsrv_token_t *token);

#endif /* JOBSRV_CORE_TOKEN_H_ */
