/* SPDX-License-Identifier: MIT */

#include "core/plan.h"
#include "core/server.h"
#include "core/suspend.h"

/*
 * Asking a job to stop, and what follows if it does not: grace, kill, hook,
 * abandon. Two facts, kept apart: the request (a reason in the token, set by
 * any thread) and the end (when the operation has let go, or is given up).
 *
 * A clock may ask only the present attempt to stop. Then the job itself may
 * still be asked, once: that is narrated, but nobody is told again.
 */

enum {
  KILL_MS = 2500, /* for a killed process to be reaped */
  STUCK_CALLS = 10
};

static int is_users(jobsrv_reason_code_t code) {
  return code == JOBSRV_REASON_REQUESTED || code == JOBSRV_REASON_REPLACED ||
         code == JOBSRV_REASON_LAST_WATCHER || code == JOBSRV_REASON_PARENT;
}

/* Narrates the request, once; a timeout is no request to cancel. */
void jobsrv__job_note_stop(jobsrv_job_t *job) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);
  int of_attempt = jobsrv__reason_of_attempt(reason);
  jobsrv_state_t state = jobsrv_job_state(job);

  if (job->flags & JOBSRV__JOB_TOLD) {
    if (!(job->flags & JOBSRV__JOB_TOLD_ATTEMPT) || of_attempt)
      return;
    job->flags &= (uint16_t) ~JOBSRV__JOB_TOLD_ATTEMPT;
    job->flags |= JOBSRV__JOB_OVERRIDDEN;
  } else {
    job->flags |= JOBSRV__JOB_TOLD;
    if (of_attempt)
      job->flags |= JOBSRV__JOB_TOLD_ATTEMPT;
    job->stop_ns = jobsrv_now(job->srv);
  }
  if (reason == NULL || reason->code > JOBSRV_REASON_PARENT)
    return;
  job->srv->observer->transition(job, state, state);
  jobsrv__hooks_call(job, state, state);
}

jobsrv_state_t jobsrv__job_stopped_as(const jobsrv_job_t *job) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);

  return reason != NULL && reason->code <= JOBSRV_REASON_PARENT
             ? JOBSRV_STATE_CANCELLED
             : JOBSRV_STATE_FAILED;
}

void jobsrv__job_tell(jobsrv_job_t *job) {
  const jobsrv_operation_t *def =
      job->operation != NULL ? &job->operation->def : NULL;

  if (def == NULL || !(job->flags & JOBSRV__JOB_STARTED))
    return;
  if (def->style == JOBSRV_PROCESS)
    jobsrv__process_stop(job);
  else if (def->style == JOBSRV_ASYNC && def->stop != NULL &&
           !jobsrv__job_has_said(job))
    JOBSRV__WITHIN(job, def->stop(job, jobsrv_token_reason(&job->token),
                                  def->data));
}

/* Told for the first time. */
static void act(jobsrv_job_t *job) {
  if (jobsrv__job_ended(job))
    return; /* a hook has closed the server */
  if (jobsrv_job_state(job) == JOBSRV_STATE_RUNNING) {
    jobsrv__job_clock(job);
    jobsrv__job_tell(job);
  } else if (job->flags & JOBSRV__JOB_PAUSED) {
    jobsrv__pause_stop(job);
  } else {
    jobsrv__job_end(job, jobsrv__job_stopped_as(job));
  }
}

void jobsrv__job_look(jobsrv_job_t *job) {
  int told = job->flags & JOBSRV__JOB_TOLD;

  if (jobsrv__job_ended(job) ||
      (told && !(job->flags & JOBSRV__JOB_TOLD_ATTEMPT)))
    return;
  jobsrv__token_adopt(&job->token);
  if (jobsrv_token_reason(&job->token) == NULL)
    return;
  jobsrv_job_ref(job);
  jobsrv__job_note_stop(job);
  if (!told)
    act(job);
  /* unless it was of an attempt that has let go by now */
  if (jobsrv_token_reason(&job->token) != NULL)
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
    jobsrv__job_judge(job); /* it has; only its message is on the way */
    return;
  }
  job->flags |= JOBSRV__JOB_ABANDONED;
  job->srv->stats.abandoned++;
  if (operation != NULL && operation->def.style == JOBSRV_THREAD)
    jobsrv__thread_abandon(job);
  jobsrv__token_adopt(&job->token);
  jobsrv__token_seal(&job->token);
  jobsrv__job_end(job, jobsrv__job_stopped_as(job));
}

/* ---- the ladder ---- */

uint64_t jobsrv__job_grace_end(const jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;
  uint64_t end = jobsrv__later(job->stop_ns, jobsrv__job_limits(job)->grace_ns);

  if (job->flags & JOBSRV__JOB_KILLED)
    end = jobsrv__later(end, jobsrv__ns_of(KILL_MS));
  return plan != NULL && plan->stuck_ns > end ? plan->stuck_ns : end;
}

/* Asks the hook; 1 when it gives more time, or has let go in there. */
static int is_given_more(jobsrv_job_t *job) {
  const jobsrv_operation_t *def =
      job->operation != NULL ? &job->operation->def : NULL;
  jobsrv__plan_t *plan;
  uint64_t ms = 0;

  if (def == NULL || def->stuck == NULL)
    return 0;
  plan = jobsrv__plan(job);
  if (plan == NULL || plan->stuck_calls == STUCK_CALLS)
    return 0;
  plan->stuck_calls++;
  JOBSRV__WITHIN(job, ms = def->stuck(job, def->data));
  if (jobsrv__job_ended(job) || job->stop_ns == 0)
    return 1;
  if (ms == 0)
    return 0;
  plan->stuck_ns = jobsrv__later(jobsrv_now(job->srv), jobsrv__ns_of(ms));
  jobsrv__job_clock(job);
  return 1;
}

void jobsrv__job_grace_over(jobsrv_job_t *job) {
  jobsrv_style_t style =
      job->operation != NULL ? job->operation->def.style : JOBSRV_ASYNC;

  if (style == JOBSRV_PROCESS && !(job->flags & JOBSRV__JOB_KILLED)) {
    job->flags |= JOBSRV__JOB_KILLED;
    jobsrv__job_clock(job);
    jobsrv__process_kill(job);
  } else if (style != JOBSRV_THREAD && jobsrv__job_has_said(job)) {
    return; /* in time: its message is on the way */
  } else if (!is_given_more(job)) {
    jobsrv__job_abandon(job);
  }
}
