/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_AUTH_H
#define JOBSRV_SSE_AUTH_H

/*
 * Who may do what to which job. A bearer token (sse.h) lets a caller in or
 * not; the hook here decides each action by itself, and whose a new job is.
 *
 *   static jobsrv_sse_grant_t decide(jobsrv_sse_request_t *request,
 *                                    jobsrv_sse_verb_t verb,
 *                                    jobsrv_job_t *job,
 *                                    void *data) {
 *     const char *user = user_of(jobsrv_sse_header(request, "cookie", NULL));
 *
 *     if (user == NULL)
 *       return JOBSRV_SSE_UNKNOWN;
 *     jobsrv_sse_set_principal(request, user);
 *     if (job == NULL)
 *       return JOBSRV_SSE_ALLOW;
 *     return owns(user, job) ? JOBSRV_SSE_ALLOW : JOBSRV_SSE_DENY;
 *   }
 *
 * All calls belong to the loop thread.
 */

#include "jobsrv/sse_route.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JOBSRV_SSE_VERB_MAP(XX)                                               \
  XX(CREATE, "create") /* no job yet: jobsrv_sse_operation() says of what */  \
  XX(LIST, "list")     /* no job: to ask for a list; each is then READ */     \
  XX(READ, "read")                                                            \
  XX(STREAM, "stream")                                                        \
  XX(CANCEL, "cancel")                                                        \
  XX(ANSWER, "answer")                                                        \
  XX(EVENTS, "events") /* no job: to watch all; each is then READ */          \
  XX(METRICS, "metrics")                                                      \
  XX(DESCRIBE, "describe") /* no job: to read openapi.json */

typedef enum {
#define XX(name, text) JOBSRV_SSE_##name,
  JOBSRV_SSE_VERB_MAP(XX)
#undef XX
  JOBSRV_SSE_VERB_MAX
} jobsrv_sse_verb_t;

/* [any] "create", ...; "unknown" for a number that is none. */
JOBSRV_EXTERN const char *jobsrv_sse_verb_name(jobsrv_sse_verb_t verb);

typedef enum {
  JOBSRV_SSE_DENY,
  JOBSRV_SSE_ALLOW,
  JOBSRV_SSE_UNKNOWN,     /* no credentials, or bad ones: 401 */
  JOBSRV_SSE_DECIDE_LATER /* jobsrv_sse_decide() will come */
} jobsrv_sse_grant_t;

/*
 * Decides. `job` is NULL where the verb has none, else lent for the call and
 * until a later decision. Who may not do something to a job that they may READ
 * is told 403, for which the hook is asked once more; who may not even that,
 * 404, as if there were no such job. Without a job it is 403.
 *
 * Where it is asked about the jobs of a list, or those that an answer would
 * name besides, it has to decide at once: LATER counts as DENY there, and what
 * was given to jobsrv_sse_undecided() is called when the hook has returned. So
 * it is for a stream of all jobs, which asks about each job once, when it first
 * has something of it, with the request that the stream was opened by, for as
 * long as the stream lives.
 *
 * It may read the request, set its principal and add headers; it does not
 * answer it. The answer has the headers that were added where it was asked
 * about the request as such or its one job; of several jobs that are named,
 * those that were added for the last it was asked about. What is added for the
 * jobs of a list, of a stream of all, or that are named besides, is dropped.
 */
typedef jobsrv_sse_grant_t (*jobsrv_sse_authorise_cb)(
    jobsrv_sse_request_t *request,
    jobsrv_sse_verb_t verb,
    jobsrv_job_t *job,
    void *data);

/*
 * From the next request on; NULL: everything is allowed, as it is without a
 * call of this. /health, /ready and open routes are never asked about, nor are
 * the host's own routes.
 */
JOBSRV_EXTERN void jobsrv_sse_authorise(jobsrv_sse_t *sse,
                                        jobsrv_sse_authorise_cb authorise,
                                        void *data);

/*
 * Decides after DECIDE_LATER. The request is gone when its client is, or when
 * the time for the answer (answer_timeout_ms) has run out and the client has
 * been told 503: it must not be used after that, not in this call either. So
 * who decides later has to ask for jobsrv_sse_undecided() before the hook
 * returns, and forget the request when that calls.
 */
JOBSRV_EXTERN void jobsrv_sse_decide(jobsrv_sse_request_t *request,
                                     jobsrv_sse_grant_t grant);

/* Has `gone` called when what was to be decided later is no longer of interest,
   for either reason; it does not answer. Not called once it is decided. */
JOBSRV_EXTERN void jobsrv_sse_undecided(jobsrv_sse_request_t *request,
                                        jobsrv_sse_gone_cb gone,
                                        void *data);

/*
 * Who asks: a job that is created belongs to them, which its record shows. At
 * most 128 bytes of UTF-8, copied. Returns 0, or UV_EINVAL.
 */
JOBSRV_EXTERN int jobsrv_sse_set_principal(jobsrv_sse_request_t *request,
                                           const char *principal);

/* "" when nobody has said. */
JOBSRV_EXTERN const char *
jobsrv_sse_principal(const jobsrv_sse_request_t *request);

/* What is to be created, while that is decided; else NULL. */
JOBSRV_EXTERN const char *
jobsrv_sse_operation(const jobsrv_sse_request_t *request);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SSE_AUTH_H */
