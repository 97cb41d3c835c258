/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_HOLD_H_
#define JOBSRV_SSE_HOLD_H_

/*
 * Answers that wait for a job: held back until its state is another one, until
 * it has ended, or until a time is over.
 */

#include "sse/request.h"

enum { JOBSRV__HOLD_MAX_S = 60 };

/* Answers, at the end of a turn; `job` is lent. */
typedef void (*jobsrv__held_cb)(jobsrv__request_t *request, jobsrv_job_t *job);

/* Looks at transitions from now on. */
void jobsrv__holds_begin(jobsrv_sse_t *sse);

/* When no request is left; also when it has not begun. */
void jobsrv__holds_free(jobsrv_sse_t *sse);

/*
 * Holds `request` until the job is no more in state `seen` (JOBSRV_STATE_MAX:
 * until it has ended), for `seconds` at most and never past the time for an
 * answer, then calls `cb`. Returns 0 or UV_ENOMEM.
 */
int jobsrv__hold(jobsrv__request_t *request,
                 jobsrv_job_t *job,
                 jobsrv_state_t seen,
                 unsigned int seconds,
                 jobsrv__held_cb cb);

/*
 * The seconds of `wait` in the Prefer fields (RFC 7240), at most
 * JOBSRV__HOLD_MAX_S; 0 without one, or when it is no number.
 */
unsigned int jobsrv__prefer_wait(const jobsrv__request_t *request);

#endif /* JOBSRV_SSE_HOLD_H_ */
