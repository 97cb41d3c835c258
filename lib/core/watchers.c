/* SPDX-License-Identifier: MIT */

#include "core/watchers.h"

#include "core/hold.h"
#include "core/plan.h"
#include "core/server.h"

#include <assert.h>

void jobsrv__watchers_gone(jobsrv_job_t *job) {
  jobsrv_reason_t reason = { .code = JOBSRV_REASON_LAST_WATCHER };
  jobsrv__plan_t *plan = job->plan;

  if (plan != NULL)
    plan->leave_ns = 0;
  jobsrv_job_ref(job); /* its hooks may have it forgotten */
  /* one that is not cancellable goes on */
  (void) jobsrv_job_cancel(job, &reason);
  if (!jobsrv__job_ended(job))
    jobsrv__job_clock(job);
  jobsrv_job_unref(job);
}

void jobsrv_job_watch(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;

  JOBSRV__ASSERT_LOOP(job->srv);
  job->watchers++;
  atomic_fetch_add_explicit(&job->lookers, 1, memory_order_relaxed);
  if (plan == NULL || jobsrv__job_ended(job))
    return;
  if (plan->leave_ns != 0) {
    plan->leave_ns = 0;
    jobsrv__job_clock(job);
  }
  jobsrv_job_ref(job); /* its hooks may have it forgotten */
  jobsrv__job_release(job, JOBSRV__HOLD_STREAM);
  if (jobsrv_job_state(job) == JOBSRV_STATE_SCHEDULED)
    jobsrv__job_clock(job); /* it waits for something else */
  jobsrv_job_unref(job);
}

void jobsrv_job_unwatch(jobsrv_job_t *job) {
  const jobsrv__limits_t *limits = jobsrv__job_limits(job);
  jobsrv__plan_t *plan = job->plan;

  JOBSRV__ASSERT_LOOP(job->srv);
  assert(job->watchers > 0);
  atomic_fetch_sub_explicit(&job->lookers, 1, memory_order_relaxed);
  if (--job->watchers > 0 || jobsrv__job_ended(job) ||
      limits->on_last_watcher != JOBSRV_LAST_WATCHER_CANCEL)
    return;
  if (limits->last_watcher_grace_ns == 0 || plan == NULL) {
    jobsrv__watchers_gone(job);
    return;
  }
  plan->leave_ns =
      jobsrv__later(jobsrv_now(job->srv), limits->last_watcher_grace_ns);
  jobsrv__job_clock(job);
}
