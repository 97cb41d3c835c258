/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_HOLD_H_
#define JOBSRV_CORE_HOLD_H_

/*
 * What keeps a job scheduled: any number of holds, each somebody's to release.
 * With the last one the job is runnable. Loop thread.
 */

#include "core/job.h"

enum {
  JOBSRV__HOLD_TIME = 1 << 0,   /* delay_ms, run_at_wall_ns */
  JOBSRV__HOLD_STREAM = 1 << 1, /* JOBSRV_START_ON_STREAM */
  JOBSRV__HOLD_AFTER = 1 << 2,  /* other jobs */
  JOBSRV__HOLD_UNIQUE = 1 << 3  /* the one it replaces has not let go */
};

/*
 * Adds holds to a job that has a plan and is not seen yet, scheduled, or
 * queued, which it then is no more.
 */
void jobsrv__job_hold(jobsrv_job_t *job, unsigned int holds);

/* Takes holds off; one that it has not is no mistake. */
void jobsrv__job_release(jobsrv_job_t *job, unsigned int holds);

/* Makes a job queued that was in a state that waits, and has no hold. */
void jobsrv__job_runnable(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_HOLD_H_ */
