/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_DEMO_STEPS_H
#define JOBSRVD_DEMO_STEPS_H

/*
 * The demo operations that go on for a while: `start` of async operations,
 * with their fields as `data`. Each job has one block of memory with a timer,
 * a turn and a watch on the job's token in it; it goes when the last step is
 * done or when the token is set, whichever comes first, and in both cases the
 * job has ended for its operation.
 */

#include "demo_fields.h"

int jobsrvd_demo_count(jobsrv_job_t *job, void *fields);
int jobsrvd_demo_sleep(jobsrv_job_t *job, void *fields);
int jobsrvd_demo_progress(jobsrv_job_t *job, void *fields);
int jobsrvd_demo_flood(jobsrv_job_t *job, void *fields);

#endif /* JOBSRVD_DEMO_STEPS_H */
