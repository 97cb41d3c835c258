/* SPDX-License-Identifier: MIT */

#include "core/group.h"
#include "core/retry.h"
#include "core/server.h"
#include "core/suspend.h"

/*
 * What starts next. For each class the candidate is the longest runnable job
 * that nothing of its own keeps back; the class that has been passed over too
 * often has the next start, else the highest. If its candidate is too heavy for
 * the room in the server, all wait until it fits.
 *
 * Inside an operation the same holds for its own cap: a job that is too heavy
 * for the room there keeps those behind it waiting, and one that its own higher
 * classes have passed by too often keeps these waiting as well. Each start
 * costs a look at the operations that have jobs queued, whatever their number.
 */

enum { STARTS_A_TURN = 256, MAX_PASSED = 16 };

typedef struct candidates_s {
  jobsrv_job_t *job[JOBSRV__CLASSES];
} candidates_t;

void jobsrv__enqueue(jobsrv_job_t *job) {
  jobsrv__order_put(job);
  jobsrv__dispatch_wanted(job->srv);
}

static int is_queued(const jobsrv_job_t *job) {
  return job->ticket != 0 && !(job->flags & JOBSRV__JOB_HOLDS_SLOT) &&
         !jobsrv__job_ended(job);
}

void jobsrv__dequeue(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;

  if (is_queued(job)) {
    jobsrv__order_take(job);
    if (job->operation->nqueued == 0)
      jobsrv__wheel_disarm(&srv->wheel, &job->operation->rate_timer);
    if (srv->nqueued != 0) /* and may have waited behind it */
      jobsrv__dispatch_wanted(srv);
  }
  jobsrv__queue_remove(&job->in_state);
  if (job->flags & JOBSRV__JOB_HOLDS_SLOT) {
    job->flags &= (uint16_t) ~JOBSRV__JOB_HOLDS_SLOT;
    job->operation->running -= job->taken;
    srv->weight -= job->taken;
    job->taken = 0;
    jobsrv__dispatch_wanted(srv);
  }
}

void jobsrv__dispatch_reprioritise(jobsrv_job_t *job, uint8_t priority) {
  int queued = is_queued(job);

  if (priority == job->priority)
    return;
  if (queued)
    jobsrv__order_take(job);
  job->priority = priority;
  if (queued)
    jobsrv__enqueue(job);
}

/* ---- who may start ---- */

static uint32_t weight_of(const jobsrv_job_t *job) {
  return jobsrv__job_limits(job)->weight;
}

/* One that is heavier than the cap has it for itself. */
static int fits(uint64_t running, const jobsrv_job_t *job, uint32_t cap) {
  return cap == 0 || running == 0 || running + weight_of(job) <= cap;
}

static int fits_operation(const jobsrv_job_t *job) {
  return fits(job->operation->running, job, job->operation->def.max_running);
}

/* Whether new attempts may start; those that go on need only the cap. */
static int may_start(jobsrv_t *srv, jobsrv__operation_t *operation) {
  const jobsrv_operation_t *def = &operation->def;

  if (def->style == JOBSRV_THREAD && !jobsrv__thread_room(srv))
    return 0;
  if (def->rate.count != 0 &&
      jobsrv__rate_tokens(&operation->rate, jobsrv_now(srv)) == 0)
    return 0;
  return def->breaker.failures == 0 ||
         jobsrv__breaker_look(operation, jobsrv_now(srv)) !=
             JOBSRV__BREAKER_WAIT;
}

/* What an operation has to offer, best first; at its cap nothing. */
static void look_at(jobsrv_t *srv,
                    jobsrv__operation_t *operation,
                    candidates_t *candidates) {
  uint32_t cap = operation->def.max_running;
  jobsrv_job_t *fronts[JOBSRV__CLASSES];
  jobsrv_job_t **best;
  int starts, top = JOBSRV__CLASSES - 1;

  if (cap != 0 && operation->running >= cap)
    return;
  starts = may_start(srv, operation);
  for (int class = 0; class < JOBSRV__CLASSES; class++) {
    fronts[class] = operation->in_class[class] != 0
                        ? jobsrv__order_front(operation, class, starts)
                        : NULL;
    if (fronts[class] != NULL && operation->passed[class] >= MAX_PASSED)
      top = class;
  }
  for (int class = top; class >= 0; class--) {
    if (fronts[class] == NULL)
      continue;
    if (!fits_operation(fronts[class]))
      return;
    best = &candidates->job[class];
    if (*best == NULL || fronts[class]->ticket < (*best)->ticket)
      *best = fronts[class];
  }
}

static jobsrv_job_t *next_job(jobsrv_t *srv, candidates_t *candidates) {
  jobsrv_job_t *highest = NULL, *owed = NULL, *job;
  uint32_t cap = srv->options.max_running;

  if (cap != 0 && srv->weight >= cap)
    return NULL;
  *candidates = (candidates_t) { { NULL } };
  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->busy); link != NULL;
       link = jobsrv__queue_next(&srv->busy, link))
    look_at(srv, JOBSRV__CONTAINER(link, jobsrv__operation_t, in_busy),
            candidates);
  for (int class = 0; class < JOBSRV__CLASSES; class++) {
    job = candidates->job[class];
    if (job == NULL)
      continue;
    highest = job;
    if (srv->passed[class] >= MAX_PASSED)
      owed = job;
  }
  job = owed != NULL ? owed : highest;
  return job != NULL && fits(srv->weight, job, cap) ? job : NULL;
}

static void pass(uint8_t *passed) {
  if (*passed < UINT8_MAX)
    (*passed)++;
}

/* Counts the start of `job` against those that had to let it go before. */
static void count_passed(const jobsrv_job_t *job,
                         const candidates_t *candidates) {
  jobsrv__operation_t *operation = job->operation;
  jobsrv_t *srv = job->srv;
  int starts = !jobsrv__goes_on(job);
  const jobsrv_job_t *front;
  int waits = 0;

  for (int class = jobsrv__class(job) - 1; class >= 0; class--) {
    if (candidates->job[class] != NULL)
      pass(&srv->passed[class]);
    if (operation->in_class[class] == 0 || waits)
      continue;
    front = jobsrv__order_front(operation, class, starts);
    waits = front != NULL && !fits_operation(front);
    if (waits || (front != NULL && front == candidates->job[class]))
      pass(&operation->passed[class]);
  }
  srv->passed[jobsrv__class(job)] = 0;
  operation->passed[jobsrv__class(job)] = 0;
}

/* ---- starting it ---- */

static int call_start(jobsrv_job_t *job) {
  const jobsrv_operation_t *def = &job->operation->def;
  int err = 0;

  switch (def->style) {
    case JOBSRV_ASYNC:
      JOBSRV__WITHIN(job, err = def->start(job, def->data));
      break;
    case JOBSRV_THREAD: err = jobsrv__thread_start(job); break;
    case JOBSRV_PROCESS: err = jobsrv__process_start(job); break;
  }
  return err;
}

static void take_slot(jobsrv_job_t *job) {
  uint32_t weight = weight_of(job);

  jobsrv__order_take(job);
  job->flags |= JOBSRV__JOB_HOLDS_SLOT;
  job->taken = weight;
  job->operation->running += weight;
  job->srv->weight += weight;
  jobsrv__queue_push_back(&job->srv->running, &job->in_state);
}

static void begin_attempt(jobsrv_job_t *job) {
  jobsrv__operation_t *operation = job->operation;

  jobsrv__group_enter(job);
  jobsrv__breaker_attempt_started(job);
  operation->starts++;
  jobsrv__metrics_attempt(job);
  jobsrv__attempt_open(job);
  if (operation->def.rate.count != 0)
    jobsrv__rate_take(&operation->rate, job->since_ns);
}

/* What it has said itself counts before what it has returned. */
static void start_failed(jobsrv_job_t *job, int err) {
  const char *code = err == UV_ENOMEM ? "no_memory" : "start_failed";
  const char *message = jobsrv_strerror(err);

  if (jobsrv_job_state(job) == JOBSRV_STATE_SUSPENDED)
    jobsrv__job_fail_waiting(job, code, message, 1);
  else if (jobsrv__job_say(job, 0, code, message) ||
           job->operation->def.style != JOBSRV_ASYNC)
    jobsrv__job_let_go(job); /* else async work does, by what it has said */
}

/* The operation begins; nothing of it is running yet. */
static void start_work(jobsrv_job_t *job) {
  int err;

  if (jobsrv__job_has_said(job)) { /* by a hook; async work then lets go */
    if (job->operation->def.style != JOBSRV_ASYNC)
      jobsrv__job_let_go(job);
    return;
  }
  job->flags |= JOBSRV__JOB_STARTED;
  jobsrv__job_clock(job);
  err = call_start(job);
  if (err != 0)
    start_failed(job, err);
}

static void start(jobsrv_job_t *job) {
  int goes_on = jobsrv__goes_on(job);

  take_slot(job);
  if (goes_on)
    jobsrv__pause_over(job);
  else
    begin_attempt(job);
  jobsrv__job_move(job, JOBSRV_STATE_RUNNING);
  jobsrv__job_look(job); /* a hook, or a thread, may have asked it to stop */
  if (jobsrv_job_state(job) != JOBSRV_STATE_RUNNING) /* a hook's doing */
    return;
  if (goes_on)
    jobsrv__pause_resume(job);
  else if (jobsrv_token_reason(&job->token) != NULL)
    jobsrv__job_let_go(job); /* there is nothing yet that has to */
  else
    start_work(job);
}

/* ---- the loop ---- */

static int is_refused(jobsrv_job_t *job) {
  return !jobsrv__goes_on(job) &&
         job->operation->def.breaker.failures != 0 &&
         jobsrv__breaker_look(job->operation, jobsrv_now(job->srv)) ==
             JOBSRV__BREAKER_REFUSE;
}

static void refuse(jobsrv_job_t *job) {
  jobsrv__attempt_refused(job, "circuit_open",
                          "the operation has failed too often of late",
                          job->operation->breaker.until_ns);
}

static void on_token(jobsrv_timer_t *timer) {
  jobsrv__dispatch_wanted(
      JOBSRV__CONTAINER(timer, jobsrv__operation_t, rate_timer)->srv);
}

static int has_front(const jobsrv__operation_t *operation) {
  for (int class = 0; class < JOBSRV__CLASSES; class++)
    if (jobsrv__order_front(operation, class, 1) != NULL)
      return 1;
  return 0;
}

/* For those that only a token keeps back, the moment in which there is one. */
static void await_token(jobsrv_t *srv, jobsrv__operation_t *operation) {
  uint32_t cap = operation->def.max_running;
  int waits = operation->def.rate.count != 0 &&
              (cap == 0 || operation->running < cap) &&
              (srv->options.max_running == 0 ||
               srv->weight < srv->options.max_running) &&
              jobsrv__rate_tokens(&operation->rate, jobsrv_now(srv)) == 0;

  if (waits && has_front(operation))
    jobsrv_timer_arm(srv, &operation->rate_timer,
                     jobsrv__rate_next(&operation->rate), on_token);
  else
    jobsrv__wheel_disarm(&srv->wheel, &operation->rate_timer);
}

static void await_tokens(jobsrv_t *srv) {
  jobsrv__operation_t *operation;

  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->busy); link != NULL;
       link = jobsrv__queue_next(&srv->busy, link)) {
    operation = JOBSRV__CONTAINER(link, jobsrv__operation_t, in_busy);
    if (operation->def.rate.count != 0)
      await_token(srv, operation);
  }
}

void jobsrv__dispatch_close(jobsrv_t *srv) {
  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->operations);
       link != NULL; link = jobsrv__queue_next(&srv->operations, link))
    jobsrv__wheel_disarm(
        &srv->wheel,
        &JOBSRV__CONTAINER(link, jobsrv__operation_t, in_server)->rate_timer);
}

void jobsrv__dispatch(jobsrv_t *srv) {
  candidates_t candidates;
  jobsrv_job_t *job;

  srv->dispatch_wanted = 0;
  for (int n = 0; (job = next_job(srv, &candidates)) != NULL; n++) {
    if (n == STARTS_A_TURN) {
      jobsrv__dispatch_wanted(srv);
      return;
    }
    jobsrv_job_ref(job);
    if (jobsrv_token_reason(&job->token) != NULL) {
      jobsrv__job_look(job); /* its message is still on the way */
    } else if (is_refused(job)) {
      refuse(job);
    } else {
      count_passed(job, &candidates);
      start(job);
    }
    jobsrv_job_unref(job);
    if (srv->phase == JOBSRV__CLOSING)
      return;
  }
  await_tokens(srv);
}
