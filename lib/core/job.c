/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/after.h"
#include "core/group.h"
#include "core/plan.h"
#include "core/retry.h"
#include "core/server.h"
#include "core/start.h"
#include "core/unique.h"
#include "core/wait.h"

#include <assert.h>
#include <string.h>

/*
 * References: the registry has one until the job expires; so has whoever took
 * one, and whatever is under way in the mailbox. The last one gives the slot
 * back, on the loop; off the loop it sends the slot home. After the server has
 * closed there is no home, and the slot only lets go of what it holds.
 */

jobsrv_job_t *jobsrv_job_ref(jobsrv_job_t *job) {
  atomic_fetch_add_explicit(&job->refs, 1, memory_order_relaxed);
  return job;
}

void jobsrv__finish_clear(const jobsrv_alloc_t *alloc,
                          jobsrv__finish_t *finish) {
  char *code = (char *) (uintptr_t) finish->code;

  if (finish->how & JOBSRV__FAIL_DELAYED)
    jobsrv__free(alloc, JOBSRV__CONTAINER(code, jobsrv__delayed_t, code));
  else if (finish->owns_code)
    jobsrv__free(alloc, code);
  jobsrv__free(alloc, finish->text);
  memset(finish, 0, sizeof(*finish));
}

static void payload_clear(jobsrv_job_t *job) {
  jobsrv__payload_drop(&job->srv->alloc, atomic_exchange(&job->payload, NULL));
}

/* In no job's context: this one is gone, and another's has nothing to do. */
static void call_release(const jobsrv_job_t *job) {
  const jobsrv__observer_t *observer = job->srv->observer;
  jobsrv_context_t none;

  observer->enter(&none, NULL);
  job->release(job->data);
  observer->leave(&none);
}

/* Frees all the slot holds; returns what is above, to be dropped. */
static jobsrv_token_t *job_free(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;
  jobsrv__mailbox_t *mailbox = job->srv->mailbox;
  jobsrv__token_above_t *above;
  jobsrv_token_t *parent;

  srv->observer->gone(job);
  above = job->token.above;
  parent = jobsrv__token_clear(&job->token);
  jobsrv__free(&srv->alloc, above);
  if (job->release != NULL)
    call_release(job);
  payload_clear(job);
  jobsrv__finish_clear(&srv->alloc, &job->finish);
  jobsrv__plan_free(job);
  jobsrv__free(&srv->alloc, job->labels);
  if (job->operation != NULL)
    jobsrv__operation_unref(job->operation);
  if (!atomic_load(&srv->closed))
    jobsrv__slab_give(&srv->registry.slab, job);
  jobsrv__mailbox_unref(mailbox);
  return parent;
}

static void on_unref(jobsrv__mail_t *mail, void *owner) {
  (void) owner;
  jobsrv_token_unref(job_free(JOBSRV__CONTAINER(mail, jobsrv_job_t, mail)));
}

jobsrv_token_t *jobsrv__job_drop(jobsrv_job_t *job) {
  if (atomic_fetch_sub_explicit(&job->refs, 1, memory_order_acq_rel) != 1)
    return NULL;
  if (!jobsrv__on_loop(job->srv)) {
    job->mail.run = on_unref;
    if (jobsrv__mailbox_post(job->srv->mailbox, &job->mail) == 0)
      return NULL;
  }
  return job_free(job);
}

void jobsrv_job_unref(jobsrv_job_t *job) {
  jobsrv_token_unref(&job->token);
}

uint64_t jobsrv__job_number(jobsrv_job_t *job, uint64_t *server_seq) {
  *server_seq = ++job->srv->server_seq;
  job->srv->stats.events++;
  return ++job->seq;
}

void jobsrv__job_move(jobsrv_job_t *job, jobsrv_state_t to) {
  jobsrv_state_t from = atomic_load_explicit(&job->state, memory_order_relaxed);

  assert(jobsrv_state_allowed(from, to));
  atomic_store_explicit(&job->state, (unsigned char) to, memory_order_release);
  job->srv->count[from]--;
  job->srv->count[to]++;
  if (to == JOBSRV_STATE_RETRYING)
    jobsrv__group_leave(job);
  if (jobsrv_state_terminal(to))
    job->srv->observer->ended(job, from);
  else
    job->srv->observer->transition(job, from, to);
  jobsrv__hooks_call(job, from, to);
}

static void count_end(jobsrv_t *srv, jobsrv_state_t how) {
  srv->live--;
  if (how == JOBSRV_STATE_COMPLETED)
    srv->stats.completed++;
  else if (how == JOBSRV_STATE_FAILED)
    srv->stats.failed++;
  else
    srv->stats.cancelled++;
}

void jobsrv__job_end(jobsrv_job_t *job, jobsrv_state_t how) {
  jobsrv_t *srv = job->srv;

  if (jobsrv__job_ended(job))
    return;
  jobsrv_job_ref(job); /* the registry may drop its own below */
  jobsrv__token_adopt(&job->token);
  jobsrv__token_seal(&job->token);
  if (job->flags & JOBSRV__JOB_ABANDONED)
    atomic_store(&job->finish_state, JOBSRV__FINISH_ABANDONED);
  else
    (void) jobsrv__job_close_finish(job);
  jobsrv__wheel_disarm(&srv->wheel, &job->timer);
  jobsrv__start_clear(job);
  jobsrv__token_detach(&job->token);
  jobsrv__breaker_attempt_ended(job, how);
  jobsrv__dequeue(job);
  jobsrv__group_part(job);
  /* what never ran ends in the moment in which it is asked to */
  job->finished_ns = job->stop_ns != 0 && job->started_ns == 0
                         ? job->stop_ns
                         : jobsrv_now(srv);
  job->finished_wall = jobsrv__wall_at(srv, job->finished_ns);
  if (!(job->flags & JOBSRV__JOB_ABANDONED)) {
    payload_clear(job);
    jobsrv__plan_settle(job);
  }
  count_end(srv, how);
  jobsrv__metrics_ended(job, how);
  jobsrv__unique_drop(job);
  jobsrv__job_move(job, how);
  if (jobsrv_token_reason(&job->token) != NULL)
    jobsrv__token_fire(&job->token); /* a finish may overtake the request */
  else if (how != JOBSRV_STATE_COMPLETED)
    jobsrv__token_lapse(&job->token);
  jobsrv__unique_next(job);
  jobsrv__after_ended(job);
  jobsrv__waits_ended(job);
  jobsrv__registry_retain(job);
  jobsrv__keep_alive(srv);
  jobsrv__drain_look(srv);
  jobsrv_job_unref(job);
}

/* Why it failed, or the last attempt: a clock's word, else the finish's. */
static const char *clock_code(const jobsrv_job_t *job) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);

  if (jobsrv_job_state(job) == JOBSRV_STATE_FAILED && reason != NULL)
    return jobsrv_reason_name(reason->code);
  if (jobsrv_job_state(job) == JOBSRV_STATE_RETRYING &&
      job->finish.reason != 0)
    return jobsrv__failure_code(job);
  return NULL;
}

static const char *clock_message(const char *code) {
  static const struct {
    jobsrv_reason_code_t code;
    const char *message;
  } table[] = {
    { JOBSRV_REASON_QUEUE_TIMEOUT, "waited too long in the queue" },
    { JOBSRV_REASON_ATTEMPT_TIMEOUT, "the attempt took too long" },
    { JOBSRV_REASON_DEADLINE, "the deadline has passed" },
    { JOBSRV_REASON_SILENCE, "nothing was heard of it too long" },
  };

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
    if (strcmp(code, jobsrv_reason_name(table[i].code)) == 0)
      return table[i].message;
  return code;
}

/* Whether there is an error to speak of. */
static int has_failed(const jobsrv_job_t *job) {
  jobsrv_state_t state = jobsrv_job_state(job);

  return state == JOBSRV_STATE_FAILED ||
         (state == JOBSRV_STATE_RETRYING &&
          !(job->finish.how & JOBSRV__FAIL_SNOOZE));
}

const char *jobsrv__job_error_code(const jobsrv_job_t *job) {
  const char *code = clock_code(job);

  if (!has_failed(job))
    return NULL;
  if (code != NULL)
    return code;
  return job->flags & JOBSRV__JOB_FINISHED ? jobsrv__failure_code(job)
                                           : "failed";
}

const char *jobsrv__job_error_message(const jobsrv_job_t *job) {
  const char *code = clock_code(job);

  if (!has_failed(job))
    return NULL;
  if (code != NULL)
    return clock_message(code);
  if ((job->flags & JOBSRV__JOB_FINISHED) && !job->finish.completed &&
      job->finish.text != NULL)
    return job->finish.text;
  return jobsrv__job_error_code(job);
}

int jobsrv__job_error_retryable(const jobsrv_job_t *job) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);

  if (!has_failed(job) || job->flags & JOBSRV__JOB_PERMANENT ||
      (job->flags & JOBSRV__JOB_FINISHED &&
       job->finish.how & JOBSRV__FAIL_PERMANENT))
    return 0;
  return reason == NULL || reason->code == JOBSRV_REASON_ATTEMPT_TIMEOUT ||
         reason->code == JOBSRV_REASON_SILENCE;
}

/* ---- what anyone may ask ---- */

const char *jobsrv_job_id(const jobsrv_job_t *job, char to[JOBSRV_ID_SIZE]) {
  jobsrv__id_format(&job->id, to);
  return to;
}

const char *jobsrv_job_operation(const jobsrv_job_t *job) {
  if (job->operation != NULL)
    return job->operation->def.name;
  return job->labels != NULL && job->labels->name != NULL ? job->labels->name
                                                          : "";
}

void *jobsrv_job_data(const jobsrv_job_t *job) {
  return job->data;
}

jobsrv_t *jobsrv_job_server(const jobsrv_job_t *job) {
  return atomic_load(&job->srv->closed) ? NULL : job->srv;
}

jobsrv_state_t jobsrv_job_state(const jobsrv_job_t *job) {
  return (jobsrv_state_t) atomic_load_explicit(&job->state,
                                               memory_order_acquire);
}

jobsrv_token_t *jobsrv_job_token(jobsrv_job_t *job) {
  return &job->token;
}
