/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_FAMILY_H_
#define JOBSRV_CORE_FAMILY_H_

/*
 * Parent and child jobs. A child's token stands below its parent's and keeps
 * the parent's slot; a parent knows nothing of its children but what they add
 * up to, so there is no circle. Loop thread.
 */

#include "core/job.h"

/*
 * What a new job's token has above it, NULL for a spec without a parent.
 * Returns 0; UV_ENOMEM; UV_EINVAL for a job of another server or a weight out
 * of range.
 */
int jobsrv__family_join(jobsrv_t *srv,
                        const jobsrv_spec_t *spec,
                        jobsrv__token_above_t **out);

/* The token above, or NULL. */
jobsrv_token_t *jobsrv__family_token(const jobsrv_spec_t *spec);

/* The job is made: its parent counts it in. */
void jobsrv__family_born(const jobsrv_job_t *job);

/*
 * A job has come this far, which is never taken back. Returns its parent when
 * that is live and what its children add up to has changed; else NULL.
 */
jobsrv_job_t *jobsrv__family_report(jobsrv_job_t *job, uint32_t millionths);

/* What its children add up to. Returns 1, or 0 for a job that never had one. */
int jobsrv__family_fold(const jobsrv_job_t *job, double *done, double *total);

#endif /* JOBSRV_CORE_FAMILY_H_ */
