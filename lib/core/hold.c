/* SPDX-License-Identifier: MIT */

#include "core/hold.h"

#include "core/plan.h"
#include "core/server.h"

#include <assert.h>

void jobsrv__job_hold(jobsrv_job_t *job, unsigned int holds) {
  jobsrv__plan_t *plan = job->plan;

  plan->holds |= (uint8_t) holds;
  if (job->seq == 0)
    plan->was_held = 1; /* submit looks at the holds */
  if (job->seq == 0 || jobsrv_job_state(job) != JOBSRV_STATE_QUEUED)
    return;
  jobsrv_job_ref(job);
  jobsrv__dequeue(job);
  jobsrv__queue_push_back(&job->srv->waiting, &job->in_state);
  job->since_ns = jobsrv_now(job->srv);
  jobsrv__job_move(job, JOBSRV_STATE_SCHEDULED);
  if (jobsrv_job_state(job) == JOBSRV_STATE_SCHEDULED) { /* no hook's doing */
    jobsrv__job_clock(job);
    if (job->srv->phase != JOBSRV__OPEN) /* nothing is waited for any more */
      jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
  }
  jobsrv_job_unref(job);
}

void jobsrv__job_release(jobsrv_job_t *job, unsigned int holds) {
  jobsrv__plan_t *plan = job->plan;

  if (plan == NULL || (plan->holds & holds) == 0)
    return;
  plan->holds &= (uint8_t) ~holds;
  if (plan->holds != 0 || jobsrv_job_state(job) != JOBSRV_STATE_SCHEDULED)
    return;
  if (job->srv->phase != JOBSRV__OPEN) /* a drain ends what it waited for */
    jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
  else
    jobsrv__job_runnable(job);
}

void jobsrv__job_runnable(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;

  assert(!jobsrv__job_ended(job));
  jobsrv_job_ref(job);
  jobsrv__dequeue(job);
  job->since_ns = jobsrv_now(job->srv);
  plan->queued_wall = jobsrv__wall_at(job->srv, job->since_ns);
  jobsrv__enqueue(job);
  jobsrv__job_move(job, JOBSRV_STATE_QUEUED);
  if (!jobsrv__job_ended(job)) /* by a hook */
    jobsrv__job_clock(job);
  jobsrv_job_unref(job);
}
