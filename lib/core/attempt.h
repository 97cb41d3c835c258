/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_ATTEMPT_H_
#define JOBSRV_CORE_ATTEMPT_H_

/* What job->attempt points to: the head of what the style keeps for a run. */

#include "core/job.h"
#include "jobsrv/operation.h"

struct jobsrv__attempt_s {
  jobsrv_style_t style; /* JOBSRV_THREAD or JOBSRV_PROCESS */
};

/*
 * Says what a callback returned: 0 is completed, JOBSRV_CANCELLED has the code
 * "cancelled", another code its name in lower case and its text. [any]
 */
void jobsrv__attempt_say(jobsrv_job_t *job, int result);

#endif /* JOBSRV_CORE_ATTEMPT_H_ */
