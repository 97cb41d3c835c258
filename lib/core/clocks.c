/* SPDX-License-Identifier: MIT */

#include "core/hold.h"
#include "core/plan.h"
#include "core/retry.h"
#include "core/server.h"
#include "core/start.h"
#include "core/watchers.h"

/*
 * A job has one timer, for whatever is next in its life. Its clocks are plain
 * times that are computed when it is armed and looked at again when it fires;
 * a clock that has been put off meanwhile (something was heard) only arms it
 * anew. Once an attempt has been told to stop only its grace counts.
 */

static const uint64_t NEVER = UINT64_MAX;

uint64_t jobsrv__job_retain_ns(const jobsrv_job_t *job) {
  return jobsrv__job_limits(job)->retain_ns[jobsrv_job_state(job) -
                                            JOBSRV_STATE_COMPLETED];
}

void jobsrv__job_listen(jobsrv_job_t *job, uint64_t quiet_ns) {
  jobsrv__plan_t *plan = job->plan;

  if (plan == NULL || plan->limits.silence_ns == 0)
    return;
  atomic_store_explicit(&plan->heard_ns, jobsrv_now(job->srv) - quiet_ns,
                        memory_order_relaxed);
  atomic_store_explicit(&plan->listens, 1, memory_order_relaxed);
}

uint64_t jobsrv__job_deafen(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;
  uint64_t now = jobsrv_now(job->srv);
  uint64_t heard;

  if (plan == NULL)
    return 0;
  atomic_store_explicit(&plan->listens, 0, memory_order_relaxed);
  heard = atomic_load_explicit(&plan->heard_ns, memory_order_relaxed);
  return heard != 0 && heard < now ? now - heard : 0;
}

/* 0 stands for no limit. */
static uint64_t after(uint64_t from, uint64_t limit) {
  return limit != 0 ? jobsrv__later(from, limit) : NEVER;
}

/* Counts from creation, whatever has been edited since. */
static uint64_t deadline(const jobsrv_job_t *job) {
  return after(job->created_ns, jobsrv__job_limits(job)->deadline_ns);
}

static uint64_t silence_end(const jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;

  if (plan == NULL ||
      !atomic_load_explicit(&plan->listens, memory_order_relaxed))
    return NEVER;
  return after(atomic_load_explicit(&plan->heard_ns, memory_order_relaxed),
               plan->limits.silence_ns);
}

static uint64_t first(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* When the state that it is in is over, for want of anything else. */
static uint64_t state_end(const jobsrv_job_t *job) {
  const jobsrv__limits_t *limits = jobsrv__job_limits(job);
  const jobsrv__plan_t *plan = job->plan;

  switch (jobsrv_job_state(job)) {
    case JOBSRV_STATE_SCHEDULED: return jobsrv__start_next(job);
    case JOBSRV_STATE_QUEUED: return after(job->since_ns, limits->queue_ns);
    case JOBSRV_STATE_RUNNING:
      return first(after(job->since_ns, limits->timeout_ns),
                   silence_end(job));
    case JOBSRV_STATE_RETRYING: return plan->next_ns;
    default: return NEVER;
  }
}

static void on_state_end(jobsrv_job_t *job, uint64_t now) {
  const jobsrv__limits_t *limits = jobsrv__job_limits(job);

  switch (jobsrv_job_state(job)) {
    case JOBSRV_STATE_SCHEDULED: jobsrv__start_due(job, now); break;
    case JOBSRV_STATE_QUEUED:
      jobsrv__job_stop(job, JOBSRV_REASON_QUEUE_TIMEOUT);
      break;
    case JOBSRV_STATE_RUNNING:
      jobsrv__attempt_stop(job, now >= after(job->since_ns,
                                             limits->timeout_ns)
                                    ? JOBSRV_REASON_ATTEMPT_TIMEOUT
                                    : JOBSRV_REASON_SILENCE);
      break;
    case JOBSRV_STATE_RETRYING: jobsrv__job_runnable(job); break;
    default: break;
  }
}

/* A request like any other: it comes too late only behind another. */
static uint64_t leave_end(const jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;

  if (plan == NULL || plan->leave_ns == 0 ||
      (job->stop_ns != 0 && !(job->flags & JOBSRV__JOB_TOLD_ATTEMPT)))
    return NEVER;
  return plan->leave_ns;
}

static void on_clock(jobsrv_timer_t *timer) {
  jobsrv_job_t *job = JOBSRV__CONTAINER(timer, jobsrv_job_t, timer);
  uint64_t now = jobsrv_now(job->srv);

  jobsrv_job_ref(job);
  if (jobsrv__job_ended(job))
    jobsrv__registry_expire(job);
  else if (job->stop_ns == 0 && now >= deadline(job))
    jobsrv__job_stop(job, JOBSRV_REASON_DEADLINE);
  else if (now >= leave_end(job))
    jobsrv__watchers_gone(job);
  else if (job->stop_ns != 0 && now >= jobsrv__job_grace_end(job))
    jobsrv__job_grace_over(job);
  else if (job->stop_ns == 0 && now >= state_end(job))
    on_state_end(job, now);
  else
    jobsrv__job_clock(job);
  jobsrv_job_unref(job);
}

void jobsrv__job_clock(jobsrv_job_t *job) {
  uint64_t next;

  if (jobsrv__job_ended(job))
    next = jobsrv__later(job->finished_ns, jobsrv__job_retain_ns(job));
  else if (job->stop_ns != 0)
    next = first(jobsrv__job_grace_end(job), leave_end(job));
  else
    next = first(first(deadline(job), leave_end(job)), state_end(job));
  if (next != NEVER)
    jobsrv_timer_arm(job->srv, &job->timer, next, on_clock);
  else
    jobsrv_timer_disarm(job->srv, &job->timer);
}
