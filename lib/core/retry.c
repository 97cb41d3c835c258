/* SPDX-License-Identifier: MIT */

#include "core/retry.h"

#include "core/backoff.h"
#include "core/breaker.h"
#include "core/hold.h"
#include "core/plan.h"
#include "core/server.h"

/*
 * The failure of the last attempt stays in job->finish while the job waits for
 * the next; the finish is opened again when that one starts, which is after
 * the last has let go. So there is one attempt at a time, and one finish.
 */

/* A drain has no more attempts but of what it lets finish. */
static int may_go_on(const jobsrv_job_t *job) {
  int phase = job->srv->phase;

  return phase == JOBSRV__OPEN ||
         (phase == JOBSRV__DRAINING &&
          job->operation->def.on_drain == JOBSRV_DRAIN_FINISH);
}

static int attempts_left(const jobsrv_job_t *job) {
  return job->operation != NULL && may_go_on(job) &&
         job->attempt_no < jobsrv__job_limits(job)->retry.max_attempts;
}

static void checkpoint_hand_over(jobsrv__plan_t *plan,
                                 const jobsrv_alloc_t *alloc) {
  if (plan->checkpoint.data == NULL)
    return;
  jobsrv__left_set(alloc, &plan->last_checkpoint, plan->checkpoint.data,
                   plan->checkpoint.len);
  plan->checkpoint = (jobsrv__left_t) { 0 };
}

/* What is left of an attempt before. */
static void clear_last(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;

  jobsrv__finish_clear(&job->srv->alloc, &job->finish);
  job->flags &= (uint16_t) ~(JOBSRV__JOB_FINISHED | JOBSRV__JOB_SNOOZED);
  job->exit_status = -1;
  job->signal = 0;
  if (plan != NULL) {
    checkpoint_hand_over(plan, &job->srv->alloc);
    plan->stuck_ns = 0;
    plan->stuck_calls = 0;
  }
  atomic_store(&job->finish_state, JOBSRV__FINISH_OPEN);
}

void jobsrv__attempt_open(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;

  if (!(job->flags & JOBSRV__JOB_SNOOZED)) {
    job->attempt_no++;
    srv->stats.retries += job->attempt_no > 1;
  }
  job->since_ns = jobsrv_now(srv);
  if (job->started_ns == 0) {
    job->started_ns = job->since_ns;
    job->started_wall = jobsrv__wall_at(srv, job->started_ns);
  }
  if (atomic_load(&job->finish_state) != JOBSRV__FINISH_OPEN)
    clear_last(job);
  jobsrv__job_listen(job, 0);
}

void jobsrv__attempt_stop(jobsrv_job_t *job, jobsrv_reason_code_t code) {
  jobsrv__token_set_attempt(&job->token, code);
  jobsrv__job_look(job);
}

const char *jobsrv__failure_code(const jobsrv_job_t *job) {
  const jobsrv__finish_t *finish = &job->finish;

  if (finish->reason != 0)
    return jobsrv_reason_name((jobsrv_reason_code_t) (finish->reason - 1));
  return finish->code != NULL ? finish->code : "failed";
}

/* Calls back: anything may have happened to the job behind it. */
static int is_retryable(jobsrv_job_t *job) {
  const jobsrv_operation_t *def = &job->operation->def;
  int yes = 1;

  if (def->retryable != NULL)
    JOBSRV__WITHIN(job, yes = def->retryable(job, jobsrv__failure_code(job),
                                             job->finish.text, def->data));
  return yes;
}

/*
 * The outcome is that of the clock which stopped the attempt, unless the
 * operation knows that no other would come to more.
 */
static void keep_reason(jobsrv_job_t *job, const jobsrv_reason_t *reason) {
  jobsrv__finish_t *finish = &job->finish;

  if (reason == NULL)
    return;
  if (job->flags & JOBSRV__JOB_FINISHED &&
      finish->how & JOBSRV__FAIL_PERMANENT) {
    (void) jobsrv__token_reset_attempt(&job->token);
    return;
  }
  finish->how &= (uint8_t) ~JOBSRV__FAIL_SNOOZE;
  finish->reason = (uint8_t) (reason->code + 1);
}

static uint64_t backoff_ns(jobsrv_job_t *job, uint32_t attempt) {
  return jobsrv__ns_of(jobsrv__backoff_ms(&jobsrv__job_limits(job)->retry,
                                          attempt,
                                          jobsrv__random_u64(job->srv)));
}

static uint64_t delay_of(jobsrv_job_t *job) {
  const jobsrv__finish_t *finish = &job->finish;

  if (finish->how & JOBSRV__FAIL_DELAYED)
    return jobsrv__ns_of(
        JOBSRV__CONTAINER(finish->code, jobsrv__delayed_t, code)->delay_ms);
  return backoff_ns(job, job->attempt_no);
}

/* Gives up the slot, if it has one, and waits. */
static void wait_for_next(jobsrv_job_t *job, uint64_t delay_ns) {
  jobsrv__plan_t *plan = job->plan;
  jobsrv_t *srv = job->srv;

  jobsrv__breaker_attempt_ended(job, job->flags & JOBSRV__JOB_SNOOZED
                                         ? JOBSRV_STATE_CANCELLED
                                         : JOBSRV_STATE_FAILED);
  job->since_ns = jobsrv_now(srv);
  job->stop_ns = 0;
  job->flags &= (uint16_t) ~(JOBSRV__JOB_TOLD | JOBSRV__JOB_TOLD_ATTEMPT |
                             JOBSRV__JOB_KILLED | JOBSRV__JOB_STARTED |
                             JOBSRV__JOB_PAUSED);
  plan->next_ns = jobsrv__later(job->since_ns, delay_ns);
  plan->next_wall =
      jobsrv__later(jobsrv__wall_at(srv, job->since_ns), delay_ns);
  (void) jobsrv__job_deafen(job);
  jobsrv__dequeue(job);
  jobsrv__queue_push_back(&srv->waiting, &job->in_state);
  jobsrv__job_move(job, JOBSRV_STATE_RETRYING);
  if (jobsrv_job_state(job) != JOBSRV_STATE_RETRYING)
    return; /* by a hook */
  if (plan->next_ns <= job->since_ns) /* a hook may have given it a time */
    jobsrv__job_runnable(job);
  else
    jobsrv__job_clock(job);
}

/* Without memory to remember when it is to come again. */
static void snooze_lost(jobsrv_job_t *job) {
  jobsrv__finish_clear(&job->srv->alloc, &job->finish);
  job->finish.code = "no_memory";
}

/* 1 when an attempt that failed may be followed by another. */
static int may_try_again(jobsrv_job_t *job, unsigned int how) {
  if (how & JOBSRV__FAIL_PERMANENT || !attempts_left(job))
    return 0;
  if (is_retryable(job))
    return 1;
  job->flags |= JOBSRV__JOB_PERMANENT;
  return 0;
}

int jobsrv__retry(jobsrv_job_t *job, int finished) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);
  unsigned int how = finished ? job->finish.how : 0;
  int snoozed = how & JOBSRV__FAIL_SNOOZE && reason == NULL;
  jobsrv__plan_t *plan;

  if ((finished && job->finish.completed) ||
      (reason != NULL && !jobsrv__reason_of_attempt(reason)))
    return 0;
  if (reason != NULL) { /* who watches this attempt hears of it first */
    jobsrv__token_tell(&job->token);
    if (jobsrv__job_ended(job))
      return 1;
  }
  keep_reason(job, reason);
  if (job->operation == NULL)
    return 0;
  if (snoozed && !may_go_on(job)) { /* nothing wrong, but no time for more */
    jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
    return 0;
  }
  if (!snoozed && !may_try_again(job, how))
    return 0;
  if (jobsrv__job_ended(job)) /* by the one that was asked */
    return 1;
  plan = jobsrv__plan(job);
  if (plan == NULL && snoozed)
    snooze_lost(job);
  /* a request to stop that has come meanwhile keeps its place in the token */
  if (plan == NULL || !may_go_on(job) ||
      !jobsrv__token_reset_attempt(&job->token))
    return 0;
  if (snoozed)
    job->flags |= JOBSRV__JOB_SNOOZED;
  wait_for_next(job, delay_of(job));
  return 1;
}

void jobsrv__attempt_refused(jobsrv_job_t *job,
                             const char *code,
                             const char *message,
                             uint64_t not_before_ns) {
  const jobsrv_retry_t *retry = &jobsrv__job_limits(job)->retry;
  uint32_t attempt = job->attempt_no + !(job->flags & JOBSRV__JOB_SNOOZED);
  uint64_t now = jobsrv_now(job->srv);
  uint64_t delay_ns;

  if (attempt >= retry->max_attempts || !may_go_on(job) ||
      jobsrv__plan(job) == NULL) {
    jobsrv__job_fail_waiting(job, code, message, 1);
    return;
  }
  delay_ns = backoff_ns(job, attempt);
  if (not_before_ns > now && not_before_ns - now > delay_ns)
    delay_ns = not_before_ns - now;
  (void) jobsrv__job_close_finish(job);
  jobsrv__finish_set(job, code, message);
  wait_for_next(job, delay_ns);
}
