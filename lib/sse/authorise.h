/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_AUTHORISE_H_
#define JOBSRV_SSE_AUTHORISE_H_

/* The way of a request past the host's hook. */

#include "sse/request.h"

/* It is allowed: answers. `job` is lent; NULL where the verb has none. */
typedef void (*jobsrv__allowed_cb)(jobsrv__request_t *request,
                                   jobsrv_job_t *job);

/*
 * Asks the hook, if there is one, and calls `then`, now or later; or answers
 * itself. Whoever calls has nothing more to do with the request.
 */
void jobsrv__authorise(jobsrv__request_t *request,
                       jobsrv_sse_verb_t verb,
                       jobsrv_job_t *job,
                       jobsrv__allowed_cb then);

/*
 * Drops the headers that the hook has added since there were `extra_len` bytes
 * of them: it is asked about one job after the other, and they would pile up.
 */
void jobsrv__asked_before(jobsrv__request_t *request, size_t extra_len);

/* 1 when the caller may see this job, or watch it, at once; headers that are
   added are not kept. */
int jobsrv__may_read(jobsrv__request_t *request, jobsrv_job_t *job);
int jobsrv__may_watch(jobsrv__request_t *request, jobsrv_job_t *job);

#endif /* JOBSRV_SSE_AUTHORISE_H_ */
