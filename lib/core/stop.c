/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/server.h"

/*
 * Asking a job to stop, and what follows if it does not: grace, kill, abandon.
 * Two facts, kept apart: the request (a reason in the token, set once by any
 * thread) and the end (when the operation has let go, or is given up).
 */

enum { KILL_MS = 2500 }; /* for a killed process to be reaped */

static const uint64_t NS_PER_MS = 1000000;

static int is_users(jobsrv_reason_code_t code) {
  return code == JOBSRV_REASON_REQUESTED || code == JOBSRV_REASON_REPLACED ||
         code == JOBSRV_REASON_LAST_WATCHER || code == JOBSRV_REASON_PARENT;
}

/* Narrates the request, once; a timeout is no request to cancel. */
void jobsrv__job_note_stop(jobsrv_job_t *job) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);
  jobsrv_state_t state = jobsrv_job_state(job);

  if (job->flags & JOBSRV__JOB_TOLD)
    return;
  job->flags |= JOBSRV__JOB_TOLD;
  job->stop_ns = jobsrv_now(job->srv);
  if (reason == NULL || reason->code > JOBSRV_REASON_PARENT)
    return;
  job->srv->observer->transition(job, state, state);
  jobsrv__hooks_call(job, state, state);
}

static jobsrv_state_t outcome_of(const jobsrv_job_t *job) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);

  return reason != NULL && reason->code <= JOBSRV_REASON_PARENT
             ? JOBSRV_STATE_CANCELLED
             : JOBSRV_STATE_FAILED;
}

static void tell_operation(jobsrv_job_t *job) {
  const jobsrv_operation_t *def =
      job->operation != NULL ? &job->operation->def : NULL;

  if (def == NULL || !(job->flags & JOBSRV__JOB_STARTED))
    return;
  if (def->style == JOBSRV_PROCESS)
    jobsrv__process_stop(job);
  else if (def->style == JOBSRV_ASYNC && def->stop != NULL)
    JOBSRV__WITHIN(job, def->stop(job, jobsrv_token_reason(&job->token),
                                  def->data));
}

void jobsrv__job_look(jobsrv_job_t *job) {
  if (jobsrv__job_ended(job) || (job->flags & JOBSRV__JOB_TOLD))
    return;
  jobsrv__token_adopt(&job->token);
  if (jobsrv_token_reason(&job->token) == NULL)
    return;
  jobsrv_job_ref(job);
  jobsrv__job_note_stop(job);
  if (jobsrv__job_ended(job)) {
    /* a hook has closed the server */
  } else if (jobsrv_job_state(job) != JOBSRV_STATE_RUNNING) {
    jobsrv__job_end(job, outcome_of(job));
  } else {
    jobsrv__job_clock(job);
    tell_operation(job);
  }
  jobsrv__token_fire(&job->token);
  jobsrv_job_unref(job);
}

void jobsrv__job_stop(jobsrv_job_t *job, jobsrv_reason_code_t code) {
  jobsrv_reason_t reason = { .code = code };

  int err = jobsrv__token_set(&job->token, &job->srv->alloc, &reason);

  jobsrv_job_ref(job);
  jobsrv__job_look(job);
  if (err == 0)
    jobsrv__token_heard(&job->token);
  jobsrv_job_unref(job);
}

static void on_look(jobsrv__mail_t *mail, void *owner) {
  jobsrv_job_t *job = JOBSRV__CONTAINER(mail, jobsrv_job_t, token.look);

  if (owner != NULL) {
    jobsrv__job_look(job);
    jobsrv__token_heard(&job->token);
  }
  jobsrv_job_unref(job);
}

int jobsrv_job_cancel(jobsrv_job_t *job, const jobsrv_reason_t *reason) {
  jobsrv_reason_code_t code =
      reason != NULL ? reason->code : JOBSRV_REASON_REQUESTED;
  int err;

  if (jobsrv__job_ended(job))
    return JOBSRV_EENDED;
  if (is_users(code) && !atomic_load(&job->cancellable))
    return JOBSRV_ENOTCANCELLABLE;
  err = jobsrv__token_set(&job->token, &job->srv->alloc, reason);
  if (err != 0)
    return err;
  jobsrv_job_ref(job);
  if (jobsrv__on_loop(job->srv) && jobsrv__mailbox_empty(job->srv->mailbox)) {
    jobsrv__job_look(job);
    jobsrv__token_heard(&job->token);
    jobsrv_job_unref(job);
    return 0;
  }
  job->token.look.run = on_look;
  if (jobsrv__mailbox_post(job->srv->mailbox, &job->token.look) != 0)
    jobsrv_job_unref(job); /* the server has closed and ended the job */
  return 0;
}

int jobsrv_job_cancelled(const jobsrv_job_t *job) {
  return jobsrv_token_reason(&job->token) != NULL;
}

void jobsrv_job_cancellable(jobsrv_job_t *job, int yes) {
  atomic_store(&job->cancellable, yes != 0);
}

void jobsrv__job_abandon(jobsrv_job_t *job) {
  jobsrv__operation_t *operation = job->operation;

  if (jobsrv__job_ended(job))
    return;
  if (jobsrv__job_close_finish(job) &&
      (operation == NULL || operation->def.style != JOBSRV_THREAD)) {
    jobsrv__job_let_go(job); /* it has; only its message is on the way */
    return;
  }
  job->flags |= JOBSRV__JOB_ABANDONED;
  job->srv->stats.abandoned++;
  if (operation != NULL && operation->def.style == JOBSRV_THREAD)
    jobsrv__thread_abandon(job);
  jobsrv__job_end(job, outcome_of(job));
}

/* ---- the job's one timer ---- */

uint64_t jobsrv__job_retain_ns(const jobsrv_job_t *job) {
  return jobsrv__job_limits(job)->retain_ns[jobsrv_job_state(job) -
                                            JOBSRV_STATE_COMPLETED];
}

static uint64_t grace_end(const jobsrv_job_t *job) {
  uint64_t end = jobsrv__later(job->stop_ns, jobsrv__job_limits(job)->grace_ns);

  if (job->flags & JOBSRV__JOB_KILLED)
    end = jobsrv__later(end, KILL_MS * NS_PER_MS);
  return end;
}

static uint64_t attempt_end(const jobsrv_job_t *job) {
  uint64_t timeout = jobsrv__job_limits(job)->timeout_ns;

  return timeout != 0 && jobsrv_job_state(job) == JOBSRV_STATE_RUNNING
             ? jobsrv__later(job->since_ns, timeout)
             : UINT64_MAX;
}

/* Counts from creation, whatever has been edited since. */
static uint64_t deadline(const jobsrv_job_t *job) {
  uint64_t ns = jobsrv__job_limits(job)->deadline_ns;

  return ns != 0 ? jobsrv__later(job->created_ns, ns) : UINT64_MAX;
}

static void on_grace_end(jobsrv_job_t *job) {
  if (job->operation != NULL &&
      job->operation->def.style == JOBSRV_PROCESS &&
      !(job->flags & JOBSRV__JOB_KILLED)) {
    job->flags |= JOBSRV__JOB_KILLED;
    jobsrv__job_clock(job);
    jobsrv__process_kill(job);
  } else {
    jobsrv__job_abandon(job);
  }
}

static void on_clock(jobsrv_timer_t *timer) {
  jobsrv_job_t *job = JOBSRV__CONTAINER(timer, jobsrv_job_t, timer);
  uint64_t now = jobsrv_now(job->srv);

  jobsrv_job_ref(job);
  if (jobsrv__job_ended(job))
    jobsrv__registry_expire(job);
  else if (job->stop_ns != 0 && now >= grace_end(job))
    on_grace_end(job);
  else if (job->stop_ns != 0)
    jobsrv__job_clock(job);
  else if (now >= deadline(job))
    jobsrv__job_stop(job, JOBSRV_REASON_DEADLINE);
  else if (now >= attempt_end(job))
    jobsrv__job_stop(job, JOBSRV_REASON_ATTEMPT_TIMEOUT);
  else
    jobsrv__job_clock(job);
  jobsrv_job_unref(job);
}

void jobsrv__job_clock(jobsrv_job_t *job) {
  uint64_t next = UINT64_MAX;

  if (jobsrv__job_ended(job)) {
    next = jobsrv__later(job->finished_ns, jobsrv__job_retain_ns(job));
  } else if (job->stop_ns != 0) {
    next = grace_end(job);
  } else {
    next = deadline(job);
    if (attempt_end(job) < next)
      next = attempt_end(job);
  }
  if (next != UINT64_MAX)
    jobsrv_timer_arm(job->srv, &job->timer, next, on_clock);
}
