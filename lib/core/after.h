/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_AFTER_H_
#define JOBSRV_CORE_AFTER_H_

/*
 * Jobs that wait for others. Each such pair is a link, in a list of the one
 * that waits and in a list of the one that is waited for, and goes when either
 * of them ends: neither keeps the other. Loop thread.
 */

#include "core/job.h"

/* What a job waits for, and who waits for it. */
typedef struct jobsrv__after_s jobsrv__after_t;
typedef struct jobsrv__dependents_s jobsrv__dependents_t;

/* Whether it is more than what has been waited for already. */
int jobsrv__after_says(const jobsrv_spec_t *spec);

/*
 * Has a job that is being made wait for what its spec says.
 * Returns 0; UV_ENOMEM; JOBSRV_ETOOBIG; UV_EINVAL for a job of another server.
 */
int jobsrv__after_plan(jobsrv_job_t *job, const jobsrv_spec_t *spec);

/* It has been announced: fails it if one of those had ended badly before. */
void jobsrv__after_look(jobsrv_job_t *job);

/* It has ended: waits no more, and whoever waits for it goes on, or fails. */
void jobsrv__after_ended(jobsrv_job_t *job);

/* Of a plan: what is left of it. */
void jobsrv__after_free(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_AFTER_H_ */
