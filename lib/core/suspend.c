/* SPDX-License-Identifier: MIT */

#include "core/suspend.h"

#include "base/alloc.h"
#include "core/errand.h"
#include "core/hold.h"
#include "core/server.h"
#include "jobsrv/work.h"

/*
 * The door to the finish doubles as the lock: who suspends holds it, from the
 * call on, and it is opened again when the job runs on. So a job cannot be
 * suspended twice, nor finished while it waits, whichever thread is faster.
 *
 * An async job that is asked to stop while it waits has nothing that runs, and
 * ends. A thread waits inside `run`: it is woken, and the job is running, with
 * its grace, until it has let go.
 */

static int is_thread(const jobsrv_job_t *job) {
  return job->operation != NULL &&
         job->operation->def.style == JOBSRV_THREAD;
}

/* Whether it may: claims the door. */
static int hold_door(jobsrv_job_t *job) {
  unsigned char open = JOBSRV__FINISH_OPEN;

  if (jobsrv_token_reason(&job->token) != NULL)
    return JOBSRV_CANCELLED;
  return atomic_compare_exchange_strong(&job->finish_state, &open,
                                        JOBSRV__FINISH_HELD)
             ? 0
             : JOBSRV_ESTATE;
}

static void open_door(jobsrv_job_t *job) {
  unsigned char held = JOBSRV__FINISH_HELD;

  atomic_compare_exchange_strong(&job->finish_state, &held,
                                 JOBSRV__FINISH_OPEN);
}

/* Off the running ones; the slot is kept only if the operation says so. */
static void leave_slot(jobsrv_job_t *job) {
  if (job->operation != NULL && job->operation->def.keeps_slot)
    jobsrv__queue_remove(&job->in_state);
  else
    jobsrv__dequeue(job);
  jobsrv__queue_push_back(&job->srv->waiting, &job->in_state);
}

static void suspend(jobsrv_job_t *job, jobsrv__left_t *prompt) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  jobsrv__plan_t *plan = job->plan;
  uint64_t now = jobsrv_now(job->srv);

  jobsrv__left_set(alloc, &plan->input, NULL, 0);
  jobsrv__left_set(alloc, &plan->prompt, prompt->data, prompt->len);
  prompt->data = NULL;
  plan->used_ns = now - job->since_ns;
  job->since_ns = now;
  job->flags |= JOBSRV__JOB_PAUSED;
  plan->quiet_ns = jobsrv__job_deafen(job);
  leave_slot(job);
  jobsrv__job_move(job, JOBSRV_STATE_SUSPENDED);
  if (jobsrv_job_state(job) != JOBSRV_STATE_SUSPENDED)
    return; /* a hook's doing */
  jobsrv__job_clock(job);
  if (job->srv->phase != JOBSRV__OPEN) /* nobody will answer any more */
    jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
}

/* On the loop: the request to wait for input. */
static void on_arrived(jobsrv__errand_t *errand, int closed) {
  jobsrv_job_t *job = errand->job;

  /* a thread's job that has ended was abandoned, which has woken it */
  if (closed || jobsrv__job_ended(job))
    return;
  jobsrv__job_look(job); /* a request to stop may be behind this one */
  if (jobsrv__job_ended(job))
    return;
  if (jobsrv_token_reason(&job->token) == NULL) {
    suspend(job, &errand->text);
  } else if (errand->data != NULL) {
    open_door(job);
    jobsrv__asker_wake(errand->data, 1);
  } else {
    jobsrv__job_let_go(job); /* it does nothing but wait */
  }
}

static int send_pause(jobsrv_job_t *job,
                      const char *prompt,
                      size_t len,
                      void *asker) {
  jobsrv__errand_t *errand;
  int err = jobsrv__json_fits(prompt, &len, job->srv->options.max_result);

  if (err != 0)
    return err;
  errand = jobsrv__errand_new(job, on_arrived, prompt, len);
  if (errand == NULL)
    return UV_ENOMEM;
  errand->data = asker;
  err = hold_door(job);
  if (err != 0) {
    jobsrv__errand_free(errand);
    return err;
  }
  /* a server that has closed has ended the job */
  return jobsrv__errand_go(errand) != 0 ? JOBSRV_ESTATE : 0;
}

/* A hook may know of it before its operation does. */
static int is_started(const jobsrv_job_t *job) {
  return job->operation == NULL || !jobsrv__on_loop(job->srv) ||
         job->flags & JOBSRV__JOB_STARTED;
}

int jobsrv_job_suspend(jobsrv_job_t *job, const char *prompt, size_t len) {
  if (jobsrv_job_state(job) != JOBSRV_STATE_RUNNING || !is_started(job) ||
      (job->operation != NULL && job->operation->def.style != JOBSRV_ASYNC))
    return JOBSRV_ESTATE;
  return send_pause(job, prompt, len, NULL);
}

int jobsrv_job_ask(jobsrv_job_t *job, const char *prompt, size_t len) {
  void *asker = jobsrv__asker(job);
  int err;

  if (asker == NULL)
    return JOBSRV_ESTATE;
  jobsrv__asker_begin(asker);
  err = send_pause(job, prompt, len, asker);
  if (err != 0)
    return jobsrv_token_reason(&job->token) != NULL ? JOBSRV_CANCELLED : err;
  return jobsrv__asker_wait(asker) ? JOBSRV_CANCELLED : 0;
}

/* ---- and on again ---- */

void jobsrv__pause_over(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;

  job->since_ns = jobsrv_now(job->srv) - plan->used_ns;
  job->flags &= (uint16_t) ~JOBSRV__JOB_PAUSED;
  jobsrv__job_listen(job, plan->quiet_ns);
  open_door(job);
}

void jobsrv__pause_resume(jobsrv_job_t *job) {
  const jobsrv_operation_t *def;

  jobsrv__job_clock(job);
  if (job->operation == NULL)
    return;
  def = &job->operation->def;
  if (def->style == JOBSRV_THREAD)
    jobsrv__asker_wake(job->attempt,
                       jobsrv_token_reason(&job->token) != NULL);
  else if (def->resume != NULL && jobsrv_token_reason(&job->token) == NULL)
    JOBSRV__WITHIN(job, def->resume(job, def->data));
}

/* From waiting to running, outside the queue. */
static void run_on(jobsrv_job_t *job) {
  jobsrv_job_ref(job);
  if (job->flags & JOBSRV__JOB_HOLDS_SLOT)
    jobsrv__queue_remove(&job->in_state);
  else
    jobsrv__dequeue(job);
  jobsrv__queue_push_back(&job->srv->running, &job->in_state);
  jobsrv__pause_over(job);
  jobsrv__job_move(job, JOBSRV_STATE_RUNNING);
  jobsrv__job_look(job); /* a hook, or a thread, may have asked it to stop */
  if (jobsrv_job_state(job) == JOBSRV_STATE_RUNNING)
    jobsrv__pause_resume(job);
  jobsrv_job_unref(job);
}

void jobsrv__pause_stop(jobsrv_job_t *job) {
  if (is_thread(job)) {
    run_on(job);
    return;
  }
  jobsrv__job_tell(job);
  if (!jobsrv__job_ended(job))
    jobsrv__job_end(job, jobsrv__job_stopped_as(job));
}

int jobsrv_job_answer(jobsrv_job_t *job, const char *answer, size_t len) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  jobsrv__plan_t *plan = job->plan;
  char *copy = NULL;
  int err;

  JOBSRV__ASSERT_LOOP(job->srv);
  if (jobsrv_job_state(job) != JOBSRV_STATE_SUSPENDED)
    return JOBSRV_ESTATE;
  err = jobsrv__json_fits(answer, &len, job->srv->options.max_payload);
  if (err != 0)
    return err;
  if (answer != NULL) {
    copy = jobsrv__strndup(alloc, answer, len);
    if (copy == NULL)
      return UV_ENOMEM;
  }
  jobsrv__left_set(alloc, &plan->input, copy, len);
  jobsrv__left_set(alloc, &plan->prompt, NULL, 0);
  if (job->operation == NULL || job->flags & JOBSRV__JOB_HOLDS_SLOT)
    run_on(job);
  else
    jobsrv__job_runnable(job);
  return 0;
}
