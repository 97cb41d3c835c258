/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_START_H_
#define JOBSRV_CORE_START_H_

/* When a job may start: its time, and whether it has to be watched first. */

#include "core/job.h"

/* 1 if the spec says anything of that. */
int jobsrv__start_says(const jobsrv_spec_t *spec);

/* 1 if it keeps the job from being runnable at once. */
int jobsrv__start_waits(const jobsrv_t *srv, const jobsrv_spec_t *spec);

/*
 * Puts what the spec says on a job with a plan that is not seen yet, as holds.
 * Returns 0, or what making a wall timer returned.
 */
int jobsrv__start_plan(jobsrv_job_t *job, const jobsrv_spec_t *spec);

/* Of a scheduled job, on the job's timer: when to look, and looking. */
uint64_t jobsrv__start_next(const jobsrv_job_t *job);
void jobsrv__start_due(jobsrv_job_t *job, uint64_t now);

/*
 * Gives a job that is scheduled, queued or retrying another time, now when it
 * has passed. Returns 0, UV_ENOMEM, or what making a wall timer returned.
 */
int jobsrv__start_at(jobsrv_job_t *job, uint64_t wall_ns);

/* The job has ended: it needs no time any more. */
void jobsrv__start_clear(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_START_H_ */
