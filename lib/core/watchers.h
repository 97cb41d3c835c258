/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_WATCHERS_H_
#define JOBSRV_CORE_WATCHERS_H_

/* Who watches a job is counted: the first and the last of them matter. */

#include "core/job.h"

/* The last one left, and its grace is over. */
void jobsrv__watchers_gone(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_WATCHERS_H_ */
