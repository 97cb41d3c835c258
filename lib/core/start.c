/* SPDX-License-Identifier: MIT */

#include "core/start.h"

#include "core/hold.h"
#include "core/plan.h"
#include "core/server.h"

/*
 * A delay runs on the monotonic clock, in the job's own timer; a time of day on
 * the wall clock, in a timer of its own, and so follows that when it is set.
 */

enum { START_WITHIN_MS = 60000 };

int jobsrv__start_says(const jobsrv_spec_t *spec) {
  return spec->delay_ms != 0 || spec->run_at_wall_ns != 0 ||
         spec->start != JOBSRV_START_NOW;
}

int jobsrv__start_waits(const jobsrv_t *srv, const jobsrv_spec_t *spec) {
  return spec->delay_ms != 0 || spec->start != JOBSRV_START_NOW ||
         (spec->run_at_wall_ns != 0 &&
          spec->run_at_wall_ns > jobsrv_wall_now(srv));
}

static void on_wall(jobsrv_timer_t *timer) {
  jobsrv__plan_t *plan = JOBSRV__CONTAINER(timer, jobsrv__plan_t, wall);

  jobsrv__job_release(plan->job, JOBSRV__HOLD_TIME);
}

int jobsrv__start_plan(jobsrv_job_t *job, const jobsrv_spec_t *spec) {
  jobsrv_t *srv = job->srv;
  uint64_t now = jobsrv_now(srv);
  jobsrv__plan_t *plan = job->plan;
  uint64_t within = spec->start_within_ms;
  int err = 0;

  if (spec->delay_ms != 0) {
    plan->run_at_ns = jobsrv__later(now, jobsrv__ns_of(spec->delay_ms));
    plan->run_at_wall = jobsrv__later(jobsrv__wall_at(srv, now),
                                      jobsrv__ns_of(spec->delay_ms));
    jobsrv__job_hold(job, JOBSRV__HOLD_TIME);
  } else if (spec->run_at_wall_ns > jobsrv_wall_now(srv)) {
    err = jobsrv__wall_arm(srv, &plan->wall, spec->run_at_wall_ns, on_wall);
    if (err != 0)
      return err;
    plan->run_at_wall = spec->run_at_wall_ns;
    jobsrv__job_hold(job, JOBSRV__HOLD_TIME);
  }
  if (spec->start == JOBSRV_START_ON_STREAM) {
    if (within == 0)
      within = START_WITHIN_MS;
    plan->watch_by_ns = jobsrv__later(now, jobsrv__ns_of(within));
    jobsrv__job_hold(job, JOBSRV__HOLD_STREAM);
  }
  return 0;
}

/* By the job's own timer: what is on the wall has another. */
static uint64_t time_end(const jobsrv__plan_t *plan) {
  return plan->holds & JOBSRV__HOLD_TIME && plan->run_at_ns != 0
             ? plan->run_at_ns
             : UINT64_MAX;
}

static uint64_t watch_end(const jobsrv__plan_t *plan) {
  return plan->holds & JOBSRV__HOLD_STREAM ? plan->watch_by_ns : UINT64_MAX;
}

uint64_t jobsrv__start_next(const jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;
  uint64_t time = time_end(plan);
  uint64_t watch = watch_end(plan);

  return time < watch ? time : watch;
}

void jobsrv__start_due(jobsrv_job_t *job, uint64_t now) {
  const jobsrv__plan_t *plan = job->plan;

  if (now >= watch_end(plan)) {
    jobsrv__job_fail_waiting(job, "not_watched", "nobody came to watch it", 0);
    return;
  }
  jobsrv__job_release(job, JOBSRV__HOLD_TIME);
  if (!jobsrv__job_ended(job))
    jobsrv__job_clock(job); /* for what else it waits for */
}

void jobsrv__start_clear(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;

  if (plan != NULL)
    jobsrv__wall_disarm(job->srv, &plan->wall);
}

/* A time is when the next attempt comes, on the clock that this waits by. */
static void retry_at(jobsrv_job_t *job, uint64_t ns) {
  jobsrv__plan_t *plan = job->plan;

  plan->next_ns = jobsrv__later(jobsrv_now(job->srv), ns);
  plan->next_wall = jobsrv__later(jobsrv_wall_now(job->srv), ns);
  if (ns == 0)
    jobsrv__job_runnable(job);
  else
    jobsrv__job_clock(job);
}

int jobsrv__start_at(jobsrv_job_t *job, uint64_t wall_ns) {
  uint64_t now = jobsrv_wall_now(job->srv);
  jobsrv__plan_t *plan = jobsrv__plan(job);
  int err;

  if (plan == NULL)
    return UV_ENOMEM;
  if (jobsrv_job_state(job) == JOBSRV_STATE_RETRYING) {
    retry_at(job, wall_ns > now ? wall_ns - now : 0);
    return 0;
  }
  if (wall_ns <= now) {
    jobsrv__wall_disarm(job->srv, &plan->wall);
    plan->run_at_ns = 0;
    plan->run_at_wall = 0;
    jobsrv__job_release(job, JOBSRV__HOLD_TIME);
    return 0;
  }
  err = jobsrv__wall_arm(job->srv, &plan->wall, wall_ns, on_wall);
  if (err != 0)
    return err;
  plan->run_at_ns = 0;
  plan->run_at_wall = wall_ns;
  jobsrv__job_hold(job, JOBSRV__HOLD_TIME);
  return 0;
}
