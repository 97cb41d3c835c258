/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_SUSPEND_H_
#define JOBSRV_CORE_SUSPEND_H_

/* A paused attempt: the job is suspended, or answered and queued again. */

#include "core/job.h"

/* The job was asked to stop meanwhile: ends, or wakes its thread to do so. */
void jobsrv__pause_stop(jobsrv_job_t *job);

/* It has a slot again, and is about to run: its clocks go on. */
void jobsrv__pause_over(jobsrv_job_t *job);

/* It runs again: tells so the one who waits for that. */
void jobsrv__pause_resume(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_SUSPEND_H_ */
