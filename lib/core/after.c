/* SPDX-License-Identifier: MIT */

#include "core/after.h"

#include "base/alloc.h"
#include "core/hold.h"
#include "core/plan.h"
#include "core/server.h"

#include <stdio.h>

enum { MAX_AFTER = 64 };

struct jobsrv__after_s {
  jobsrv_job_t *job;
  jobsrv__queue_t links;
  uint32_t count;
  uint8_t any_end;
  uint8_t failed;           /* one had ended, badly, when the job was made, */
  jobsrv_state_t failed_as; /* like this, */
  jobsrv__id_t failed_id;   /* and was this */
  uint64_t mark;            /* of the last search that came by */
  jobsrv__after_t *next;    /* in that search */
};

struct jobsrv__dependents_s {
  jobsrv__queue_t links;
  uint32_t count;
  uint8_t unsorted;         /* not in order of the waiting jobs' creation */
  jobsrv_state_t state;     /* how it ended */
  jobsrv__id_t id;
  jobsrv__queue_t in_server;
};

typedef struct edge_s {
  jobsrv__after_t *after;
  jobsrv_job_t *other; /* live; NULL once it has ended */
  jobsrv__dependents_t *dependents;
  jobsrv__queue_t in_after;
  jobsrv__queue_t in_dependents;
} edge;

static edge *of_dependents(jobsrv__queue_t *q) {
  return JOBSRV__CONTAINER(q, edge, in_dependents);
}

static void edge_free(jobsrv_t *srv, edge *l) {
  jobsrv__queue_remove(&l->in_after);
  jobsrv__queue_remove(&l->in_dependents);
  l->after->count--;
  l->dependents->count--;
  jobsrv__free(&srv->alloc, l);
}

/* ---- beginning to wait ---- */

static jobsrv__after_t *after_of(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = jobsrv__plan(job);

  if (plan == NULL || plan->after != NULL)
    return plan != NULL ? plan->after : NULL;
  plan->after = jobsrv__zalloc(&job->srv->alloc, sizeof(*plan->after));
  if (plan->after == NULL)
    return NULL;
  plan->after->job = job;
  jobsrv__queue_init(&plan->after->links);
  return plan->after;
}

static jobsrv__dependents_t *dependents_of(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = jobsrv__plan(job);

  if (plan == NULL || plan->dependents != NULL)
    return plan != NULL ? plan->dependents : NULL;
  plan->dependents = jobsrv__zalloc(&job->srv->alloc,
                                    sizeof(*plan->dependents));
  if (plan->dependents != NULL)
    jobsrv__queue_init(&plan->dependents->links);
  return plan->dependents;
}

/* Returns 0 or UV_ENOMEM. */
static int edge_add(jobsrv__after_t *after, jobsrv_job_t *other) {
  jobsrv__dependents_t *dependents = dependents_of(other);
  jobsrv__queue_t *last;
  edge *l;

  if (dependents == NULL)
    return UV_ENOMEM;
  l = jobsrv__zalloc(&other->srv->alloc, sizeof(*l));
  if (l == NULL)
    return UV_ENOMEM;
  l->after = after;
  l->other = other;
  l->dependents = dependents;
  last = jobsrv__queue_back(&dependents->links);
  if (last != NULL &&
      of_dependents(last)->after->job->number > after->job->number)
    dependents->unsorted = 1;
  jobsrv__queue_push_back(&after->links, &l->in_after);
  jobsrv__queue_push_back(&dependents->links, &l->in_dependents);
  after->count++;
  dependents->count++;
  return 0;
}

static int ended_well(const jobsrv__after_t *after, jobsrv_state_t state) {
  return after->any_end || state == JOBSRV_STATE_COMPLETED;
}

/* One that has ended counts at once. */
static void count_ended(jobsrv__after_t *after, const jobsrv_job_t *other) {
  jobsrv_state_t state = jobsrv_job_state(other);

  if (after->failed || ended_well(after, state))
    return;
  after->failed = 1;
  after->failed_as = state;
  after->failed_id = other->id;
}

int jobsrv__after_says(const jobsrv_spec_t *spec) {
  for (size_t i = 0; i < spec->nafter; i++)
    if (!spec->after_any_end ? jobsrv_job_state(spec->after[i]) !=
                                   JOBSRV_STATE_COMPLETED
                             : !jobsrv__job_ended(spec->after[i]))
      return 1;
  return 0;
}

int jobsrv__after_plan(jobsrv_job_t *job, const jobsrv_spec_t *spec) {
  jobsrv__after_t *after;
  int err = 0;

  if (spec->nafter == 0 && !spec->after_any_end)
    return 0;
  after = after_of(job);
  if (after == NULL)
    return UV_ENOMEM;
  after->any_end = spec->after_any_end != 0;
  for (size_t i = 0; i < spec->nafter && err == 0; i++) {
    if (spec->after[i]->srv != job->srv)
      err = UV_EINVAL;
    else if (jobsrv__job_ended(spec->after[i]))
      count_ended(after, spec->after[i]);
    else
      err = edge_add(after, spec->after[i]);
  }
  if (err == 0 && (after->count > 0 || after->failed))
    jobsrv__job_hold(job, JOBSRV__HOLD_AFTER);
  return err; /* the plan goes, and the links with it */
}

/* ---- the ends ---- */

static void fail(jobsrv_job_t *job, jobsrv__id_t id, jobsrv_state_t state) {
  char text[JOBSRV_ID_SIZE];
  char message[96];

  jobsrv__id_format(&id, text);
  snprintf(message, sizeof(message), "it was to run after %s, which %s", text,
           state == JOBSRV_STATE_FAILED ? "failed" : "was cancelled");
  jobsrv__job_fail_waiting(job, "dependency_failed", message, 0);
}

void jobsrv__after_look(jobsrv_job_t *job) {
  jobsrv__after_t *after = job->plan != NULL ? job->plan->after : NULL;

  if (after != NULL && after->failed && !jobsrv__job_ended(job))
    fail(job, after->failed_id, after->failed_as);
}

static uint64_t number_of(jobsrv__queue_t *link) {
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): each edge has both */
  return of_dependents(link)->after->job->number;
}

/* Merges two sorted queues onto the end of an empty one. */
static void merge(jobsrv__queue_t *to, jobsrv__queue_t *a, jobsrv__queue_t *b) {
  jobsrv__queue_t *x, *y, *next;

  for (;;) {
    x = jobsrv__queue_front(a);
    y = jobsrv__queue_front(b);
    if (x == NULL && y == NULL)
      return;
    next = y == NULL || (x != NULL && number_of(x) <= number_of(y)) ? x : y;
    jobsrv__queue_remove(next);
    jobsrv__queue_push_back(to, next);
  }
}

static void sort(jobsrv__queue_t *links, uint32_t count) {
  jobsrv__queue_t a, b;

  if (count < 2)
    return;
  jobsrv__queue_init(&a);
  for (uint32_t i = 0; i < count / 2; i++)
    jobsrv__queue_push_back(&a, jobsrv__queue_pop(links));
  jobsrv__queue_move(&b, links);
  sort(&a, count / 2);
  sort(&b, count - count / 2);
  merge(links, &a, &b);
}

/* One of those who wait goes on, or fails. */
static void settle(jobsrv_t *srv, jobsrv__dependents_t *dependents, edge *l) {
  jobsrv__after_t *after = l->after;
  jobsrv_job_t *job = after->job;

  edge_free(srv, l);
  if (srv->phase != JOBSRV__OPEN) /* what waits is cancelled, come what may */
    jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
  else if (!ended_well(after, dependents->state))
    fail(job, dependents->id, dependents->state);
  else if (after->count == 0 && !after->failed)
    jobsrv__job_release(job, JOBSRV__HOLD_AFTER);
}

/*
 * Inside here others may end, whose dependents then wait for their turn in the
 * same queue: a chain of failures may be longer than the stack is deep.
 */
static void settle_all(jobsrv_t *srv) {
  jobsrv__dependents_t *dependents;
  jobsrv__queue_t *first, *q;

  if (srv->is_settling)
    return;
  srv->is_settling = 1;
  while ((first = jobsrv__queue_pop(&srv->settling)) != NULL) {
    dependents = JOBSRV__CONTAINER(first, jobsrv__dependents_t, in_server);
    while ((q = jobsrv__queue_front(&dependents->links)) != NULL)
      settle(srv, dependents, of_dependents(q));
    jobsrv__free(&srv->alloc, dependents);
  }
  srv->is_settling = 0;
}

static void leave(jobsrv_t *srv, jobsrv__after_t *after) {
  jobsrv__queue_t *q;

  while ((q = jobsrv__queue_front(&after->links)) != NULL)
    edge_free(srv, JOBSRV__CONTAINER(q, edge, in_after));
}

void jobsrv__after_ended(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;
  jobsrv__dependents_t *dependents;
  jobsrv_t *srv = job->srv;
  jobsrv__queue_t *q;

  if (plan == NULL)
    return;
  if (plan->after != NULL)
    leave(srv, plan->after);
  dependents = plan->dependents;
  if (dependents == NULL)
    return;
  plan->dependents = NULL;
  dependents->state = jobsrv_job_state(job);
  dependents->id = job->id;
  for (q = jobsrv__queue_front(&dependents->links); q != NULL;
       q = jobsrv__queue_next(&dependents->links, q))
    of_dependents(q)->other = NULL; /* its slot may go before its turn */
  if (dependents->unsorted)
    sort(&dependents->links, dependents->count);
  jobsrv__queue_push_back(&srv->settling, &dependents->in_server);
  settle_all(srv);
}

void jobsrv__after_free(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;

  if (plan->after != NULL)
    leave(job->srv, plan->after);
  jobsrv__free(&job->srv->alloc, plan->after);
  jobsrv__free(&job->srv->alloc, plan->dependents);
}

/* ---- one more ---- */

static jobsrv__after_t *waits(const jobsrv_job_t *job) {
  return job != NULL && job->plan != NULL ? job->plan->after : NULL;
}

/* Whether `from` waits for `job`, itself or through others. */
static int reaches(jobsrv_job_t *from, const jobsrv_job_t *job) {
  uint64_t mark = ++job->srv->after_mark;
  jobsrv__after_t *stack = waits(from);
  jobsrv__after_t *after, *below;
  jobsrv__queue_t *q;

  if (stack != NULL) {
    stack->mark = mark;
    stack->next = NULL;
  }
  while ((after = stack) != NULL) {
    stack = after->next;
    for (q = jobsrv__queue_front(&after->links); q != NULL;
         q = jobsrv__queue_next(&after->links, q)) {
      const edge *l = JOBSRV__CONTAINER(q, edge, in_after);

      if (l->other == job)
        return 1;
      below = waits(l->other);
      if (below == NULL || below->mark == mark)
        continue;
      below->mark = mark;
      below->next = stack;
      stack = below;
    }
  }
  return 0;
}

int jobsrv_job_after(jobsrv_job_t *job, jobsrv_job_t *other) {
  jobsrv_state_t state = jobsrv_job_state(job);
  jobsrv__after_t *after;
  int err;

  JOBSRV__ASSERT_LOOP(job->srv);
  if ((state != JOBSRV_STATE_SCHEDULED && state != JOBSRV_STATE_QUEUED) ||
      job->started_ns != 0 || job->srv->phase != JOBSRV__OPEN ||
      jobsrv_token_reason(&job->token) != NULL)
    return JOBSRV_ESTATE;
  if (other->srv != job->srv)
    return UV_EINVAL;
  if (other == job || reaches(other, job))
    return JOBSRV_ECYCLE;
  after = after_of(job);
  if (after == NULL)
    return UV_ENOMEM;
  if (jobsrv__job_ended(other)) {
    count_ended(after, other);
    jobsrv__after_look(job);
    return 0;
  }
  if (after->count >= MAX_AFTER)
    return JOBSRV_ETOOBIG;
  err = edge_add(after, other);
  if (err == 0)
    jobsrv__job_hold(job, JOBSRV__HOLD_AFTER);
  return err;
}
