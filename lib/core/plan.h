/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_PLAN_H_
#define JOBSRV_CORE_PLAN_H_

/*
 * What a job has beyond its operation's way of running it: limits of its own, a
 * time, company, what is left between attempts. Most jobs have none, which is
 * what keeps a slot small. Made at submit, or when it is first needed, on the
 * loop; goes with the slot. Each part belongs to the file that is named.
 */

#include "core/job.h"
#include "core/limits.h"
#include "core/order.h"

struct jobsrv__plan_s {
  jobsrv__limits_t limits;
  struct jobsrv__waiter_s *waits; /* wait.c: to be told of its end */
  char *group;          /* group.c: the name of its own group */
  jobsrv__seat_t *seat; /* group.c: until it ends, where it waits for that */
  uint8_t holds;        /* hold.c: what keeps it scheduled */
};

/*
 * The job's plan, made if need be with its operation's limits.
 * Returns NULL without memory.
 */
jobsrv__plan_t *jobsrv__plan(jobsrv_job_t *job);

/* Frees it and what it holds; harmless without one. */
void jobsrv__plan_free(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_PLAN_H_ */
