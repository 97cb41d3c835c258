/* SPDX-License-Identifier: MIT */

#include "core/schedule.h"

/*
 * What is done when a time has come, and the guard: whether the last job is
 * still live. While it is and something is put off, a hook waits for its end;
 * the submit itself comes at the end of that turn, when whoever else looks at
 * the end has seen it, and the job's key and group are free again.
 */

static jobsrv_job_t *last_job(const jobsrv_schedule_t *schedule) {
  return jobsrv_job_by_handle(schedule->srv, schedule->last_job);
}

static int is_live(const jobsrv_schedule_t *schedule) {
  const jobsrv_job_t *job = last_job(schedule);

  return schedule->submitting > 0 || (job != NULL && !jobsrv__job_ended(job));
}

static int try_submit(jobsrv_schedule_t *schedule, jobsrv_job_t **out);

/* The job that was waited for has ended. */
static void on_turn(jobsrv_turn_t *turn) {
  jobsrv_schedule_t *schedule =
      JOBSRV__CONTAINER(turn, jobsrv_schedule_t, turn);

  if (schedule->put_off == JOBSRV__PUT_OFF_NONE ||
      (is_live(schedule) && schedule->table->overlap != JOBSRV_OVERLAP_ALLOW))
    return;
  jobsrv__schedule_take_back(schedule);
  jobsrv__schedule_enter(schedule);
  (void) try_submit(schedule, NULL);
  jobsrv__schedule_leave(schedule);
}

static void on_transition(jobsrv_hook_t *hook,
                          jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  jobsrv_schedule_t *schedule =
      JOBSRV__CONTAINER(hook, jobsrv_schedule_t, hook);

  (void) from;
  if (jobsrv_state_terminal(to) && job == last_job(schedule))
    jobsrv_turn_ask(schedule->srv, &schedule->turn, on_turn);
}

void jobsrv__schedule_take_back(jobsrv_schedule_t *schedule) {
  if (schedule->put_off == JOBSRV__PUT_OFF_NONE)
    return;
  schedule->put_off = JOBSRV__PUT_OFF_NONE;
  jobsrv_hook_remove(&schedule->hook);
  jobsrv_turn_cancel(&schedule->turn);
}

void jobsrv__schedule_review(jobsrv_schedule_t *schedule) {
  if (schedule->put_off == JOBSRV__PUT_OFF_NONE)
    return;
  if (!is_live(schedule) || schedule->table->overlap == JOBSRV_OVERLAP_ALLOW)
    jobsrv_turn_ask(schedule->srv, &schedule->turn, on_turn);
}

static void cancel_last(jobsrv_schedule_t *schedule) {
  static const jobsrv_reason_t replaced = { .code = JOBSRV_REASON_REPLACED };
  jobsrv_job_t *job = last_job(schedule);

  /* One that cannot be cancelled, or was before, is waited for. */
  if (job != NULL)
    (void) jobsrv_job_cancel(job, &replaced);
}

static void put_off(jobsrv_schedule_t *schedule, int by) {
  schedule->put_off = by;
  jobsrv_hook_add(schedule->srv, &schedule->hook, on_transition);
  if (schedule->table->overlap == JOBSRV_OVERLAP_CANCEL_PREVIOUS)
    cancel_last(schedule);
}

/* What a hook inside jobsrv_submit() has put off waits for the job that it
 * could not know yet. */
static void submitted(jobsrv_schedule_t *schedule, jobsrv_job_t *job) {
  schedule->runs++;
  schedule->last_job =
      job != NULL ? jobsrv_job_handle(job) : (jobsrv_handle_t) { 0 };
  if (schedule->put_off == JOBSRV__PUT_OFF_NONE || schedule->removed)
    return;
  if (schedule->table->overlap == JOBSRV_OVERLAP_CANCEL_PREVIOUS)
    cancel_last(schedule);
}

/* Returns what jobsrv_submit() did. Inside enter and leave. */
static int try_submit(jobsrv_schedule_t *schedule, jobsrv_job_t **out) {
  jobsrv_t *srv = schedule->srv;
  jobsrv__timetable_t *table = schedule->table;
  uint64_t number = ++schedule->submits;
  jobsrv_job_t *job = NULL;
  int err;

  table->refs++;
  schedule->submitting++;
  err = jobsrv_submit(srv, &table->spec, NULL, &job);
  schedule->submitting--;
  if (err != 0) {
    schedule->refused++;
    schedule->last_error = err;
  } else if (number == schedule->submits) {
    submitted(schedule, job);
  } else { /* a hook has made a newer one */
    schedule->runs++;
  }
  if (!schedule->removed)
    jobsrv__schedule_review(schedule);
  jobsrv__timetable_unref(srv, table);
  if (err == 0 && out != NULL)
    *out = job;
  return err;
}

int jobsrv__schedule_act(jobsrv_schedule_t *schedule,
                         int by,
                         jobsrv_job_t **out) {
  if (schedule->srv->phase != JOBSRV__OPEN)
    return JOBSRV_EDRAINING;
  if (!is_live(schedule) || schedule->table->overlap == JOBSRV_OVERLAP_ALLOW)
    return try_submit(schedule, out);
  if (schedule->table->overlap == JOBSRV_OVERLAP_SKIP)
    return JOBSRV_ECONFLICT;
  if (schedule->put_off != JOBSRV__PUT_OFF_NONE)
    return JOBSRV_ECONFLICT;
  put_off(schedule, by);
  if (out != NULL)
    *out = NULL;
  return 0;
}
