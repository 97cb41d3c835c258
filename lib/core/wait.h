/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_WAIT_H_
#define JOBSRV_CORE_WAIT_H_

/*
 * Who waits for a job to end stands in a list of the job's plan, which one that
 * nobody waits for does not have. Loop thread.
 */

#include "core/job.h"

typedef struct jobsrv__waiter_s jobsrv__waiter_t;

struct jobsrv__waiter_s {
  /* The job has ended; it is in no list any more. May not call the host. */
  void (*ended)(jobsrv__waiter_t *waiter);
  jobsrv__waiter_t *next;
  jobsrv__waiter_t **prev; /* what points to it; NULL: in no list */
};

/* Of a job that has a plan and has not ended. */
void jobsrv__waits_add(jobsrv_job_t *job, jobsrv__waiter_t *waiter);

/* Harmless on one that is in no list. */
void jobsrv__waits_remove(jobsrv__waiter_t *waiter);

/* The job has ended and its hooks have been called. */
void jobsrv__waits_ended(jobsrv_job_t *job);

/* The server closes, and all its jobs have ended: calls back every wait. */
void jobsrv__waits_close(jobsrv_t *srv);

#endif /* JOBSRV_CORE_WAIT_H_ */
