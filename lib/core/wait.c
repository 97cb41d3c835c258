/* SPDX-License-Identifier: MIT */

#include "core/wait.h"

#include "base/alloc.h"
#include "core/plan.h"
#include "core/server.h"
#include "jobsrv/wait.h"

/*
 * A wait has one entry for each job it waits for, in that job's list. What an
 * end decides is called back in a turn of its own: later than the call that
 * waits, and outside of whatever has ended the job.
 */

typedef struct wait_state_s wait_state;

typedef struct entry_s {
  jobsrv__waiter_t waiter;
  jobsrv_job_t *job; /* referenced */
  wait_state *of;
} entry;

struct wait_state_s {
  jobsrv__queue_t in_server;
  jobsrv_t *srv;
  jobsrv_wait_t *wait;
  jobsrv_snapshot_t *context; /* of who waits */
  jobsrv_timer_t timer;
  jobsrv_turn_t turn;
  jobsrv_wait_for_t what;
  int decided;
  int status;
  jobsrv_job_t *job;  /* that decided it */
  size_t left;        /* that have not ended */
  size_t n;
  entry entries[];
};

/* ---- the list of a job ---- */

void jobsrv__waits_add(jobsrv_job_t *job, jobsrv__waiter_t *waiter) {
  waiter->next = job->plan->waits;
  waiter->prev = &job->plan->waits;
  if (waiter->next != NULL)
    waiter->next->prev = &waiter->next;
  job->plan->waits = waiter;
}

void jobsrv__waits_remove(jobsrv__waiter_t *waiter) {
  if (waiter->prev == NULL)
    return;
  *waiter->prev = waiter->next;
  if (waiter->next != NULL)
    waiter->next->prev = waiter->prev;
  waiter->prev = NULL;
}

void jobsrv__waits_ended(jobsrv_job_t *job) {
  jobsrv__waiter_t *waiter;

  if (job->plan == NULL)
    return;
  while ((waiter = job->plan->waits) != NULL) {
    jobsrv__waits_remove(waiter);
    waiter->ended(waiter);
  }
}

/* ---- waits ---- */

static void state_free(wait_state *state) {
  jobsrv_t *srv = state->srv;
  jobsrv__mailbox_t *mailbox = jobsrv__mailbox_ref(srv->mailbox);

  srv->observer->forget(state->context);
  for (size_t i = 0; i < state->n; i++)
    jobsrv_job_unref(state->entries[i].job);
  jobsrv__free(&srv->alloc, state);
  jobsrv__mailbox_unref(mailbox);
}

/* From here on nothing leads to it. */
static void detach(wait_state *state) {
  jobsrv__queue_remove(&state->in_server);
  jobsrv_timer_disarm(state->srv, &state->timer);
  jobsrv_turn_cancel(&state->turn);
  for (size_t i = 0; i < state->n; i++)
    jobsrv__waits_remove(&state->entries[i].waiter);
  state->wait->state = NULL;
}

/* The references go last: with them may go what the callback was lent. */
static void deliver(wait_state *state) {
  jobsrv_snapshot_t *context = state->context;

  detach(state);
  state->context = NULL;
  JOBSRV__RESUMED(state->srv->observer, context,
                  state->wait->cb(state->wait, state->status, state->job));
  state_free(state);
}

static void on_turn(jobsrv_turn_t *turn) {
  deliver(JOBSRV__CONTAINER(turn, wait_state, turn));
}

static void decide(wait_state *state, int status, jobsrv_job_t *job) {
  state->decided = 1;
  state->status = status;
  state->job = job;
  jobsrv_turn_ask(state->srv, &state->turn, on_turn);
}

static void on_timeout(jobsrv_timer_t *timer) {
  wait_state *state = JOBSRV__CONTAINER(timer, wait_state, timer);

  if (!state->decided)
    state->status = UV_ETIMEDOUT;
  deliver(state);
}

static void on_ended(jobsrv__waiter_t *waiter) {
  entry *mine = JOBSRV__CONTAINER(waiter, entry, waiter);
  wait_state *state = mine->of;

  state->left--;
  if (state->decided || state->srv->phase == JOBSRV__CLOSING)
    return;
  if (state->left == 0 || state->what == JOBSRV_WAIT_ANY)
    decide(state, 0, mine->job);
}

/* What jobs that ended before come to: of several, the first or the last. */
static void look(wait_state *state) {
  jobsrv_job_t *job, *best = NULL;
  int any = state->what == JOBSRV_WAIT_ANY;

  for (size_t i = 0; i < state->n; i++) {
    job = state->entries[i].job;
    if (jobsrv__job_ended(job) &&
        (best == NULL ||
         (job->end_server_seq < best->end_server_seq) == any))
      best = job;
  }
  if (any ? best != NULL : state->left == 0)
    decide(state, 0, best);
}

static int make(jobsrv_t *srv,
                jobsrv_job_t *const *jobs,
                size_t n,
                wait_state **out) {
  wait_state *state;

  if (n > (SIZE_MAX - sizeof(*state)) / sizeof(entry))
    return UV_ENOMEM;
  for (size_t i = 0; i < n; i++)
    if (!jobsrv__job_ended(jobs[i]) && jobsrv__plan(jobs[i]) == NULL)
      return UV_ENOMEM;
  state = jobsrv__zalloc(&srv->alloc, sizeof(*state) + n * sizeof(entry));
  if (state == NULL)
    return UV_ENOMEM;
  if (srv->observer->capture(&state->context) != 0) {
    jobsrv__free(&srv->alloc, state);
    return UV_ENOMEM;
  }
  state->srv = srv;
  state->n = n;
  for (size_t i = 0; i < n; i++) {
    entry *mine = &state->entries[i];

    mine->job = jobsrv_job_ref(jobs[i]);
    mine->of = state;
    mine->waiter.ended = on_ended;
    if (jobsrv__job_ended(jobs[i]))
      continue;
    jobsrv__waits_add(jobs[i], &mine->waiter);
    state->left++;
  }
  *out = state;
  return 0;
}

int jobsrv_wait(jobsrv_t *srv,
                jobsrv_wait_t *wait,
                jobsrv_wait_for_t what,
                jobsrv_job_t *const *jobs,
                size_t n,
                uint64_t timeout_ms,
                jobsrv_wait_cb cb) {
  wait_state *state;
  int err;

  JOBSRV__ASSERT_LOOP(srv);
  if (wait->state != NULL)
    return JOBSRV_ESETTLED;
  if (srv->phase == JOBSRV__CLOSING)
    return JOBSRV_ECLOSED;
  err = make(srv, jobs, n, &state);
  if (err != 0)
    return err;
  wait->cb = cb;
  wait->state = state;
  state->wait = wait;
  state->what = what;
  jobsrv__queue_push_back(&srv->waits, &state->in_server);
  look(state);
  if (!state->decided && timeout_ms == 0)
    decide(state, UV_ETIMEDOUT, NULL);
  else if (!state->decided && timeout_ms != UINT64_MAX)
    jobsrv_timer_arm(srv, &state->timer,
                     jobsrv__later(jobsrv_now(srv), jobsrv__ns_of(timeout_ms)),
                     on_timeout);
  return 0;
}

void jobsrv_wait_cancel(jobsrv_wait_t *wait) {
  wait_state *state = wait->state;

  if (state == NULL)
    return;
  JOBSRV__ASSERT_LOOP(state->srv);
  detach(state);
  state_free(state);
}

void jobsrv__waits_close(jobsrv_t *srv) {
  jobsrv__queue_t *link;
  wait_state *state;

  while ((link = jobsrv__queue_front(&srv->waits)) != NULL) {
    state = JOBSRV__CONTAINER(link, wait_state, in_server);
    if (!state->decided)
      state->status = JOBSRV_ECLOSED;
    deliver(state);
  }
}
