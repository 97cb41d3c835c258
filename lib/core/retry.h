/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_RETRY_H_
#define JOBSRV_CORE_RETRY_H_

/* Attempts: each opened when it starts, and what follows one that failed. */

#include "core/job.h"

/*
 * A job from the queue is about to run: counts the attempt, opens the door to
 * its finish, and has its clocks begin.
 */
void jobsrv__attempt_open(jobsrv_job_t *job);

/* A clock of the attempt has run out: this one is to stop, perhaps the job. */
void jobsrv__attempt_stop(jobsrv_job_t *job, jobsrv_reason_code_t code);

/*
 * The attempt has let go, `finished` or not, and its finish is closed. Returns
 * 1 if the job waits for the next, or has ended meanwhile, 0 if it is to end.
 */
int jobsrv__retry(jobsrv_job_t *job, int finished);

/*
 * A queued job cannot have its attempt, not before that time: it fails, or
 * waits if a failure of that attempt could have been followed by another.
 * `code` is a constant.
 */
void jobsrv__attempt_refused(jobsrv_job_t *job,
                             const char *code,
                             const char *message,
                             uint64_t not_before_ns);

/* The word for what went wrong in the last attempt. */
const char *jobsrv__failure_code(const jobsrv_job_t *job);

#endif /* JOBSRV_CORE_RETRY_H_ */
