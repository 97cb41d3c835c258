/* SPDX-License-Identifier: MIT */

/*
 * Rows 16 and 17 together: what starts next, in random company, against a
 * model that looks at every job for every start.
 */

#include "starts.h"

#include "core/server.h"

#include <stdio.h>

enum { OPS = 4, GROUPS = 4, PRIORITIES = 5 };
enum { JOBS = 400, QUEUED = 60, STEPS = 10000 };

typedef struct {
  jobsrv_job_t *job; /* NULL: a free place */
  int op;
  int priority;
  uint32_t weight;
  int group; /* 0: none */
  int runs;
  uint64_t since; /* its place in time */
} mjob;

typedef struct {
  starts s;
  mjob jobs[JOBS];
  uint64_t time;
  uint32_t passed[PRIORITIES];
  uint32_t op_passed[OPS][PRIORITIES];
  uint64_t seed;
  uint32_t server_cap;
  int mood; /* how much of what comes is critical, in 8 */
  int starts_owed; /* that a count has brought about */
  uint64_t weight;           /* of all that run, by look() */
  uint64_t weight_in[OPS];
  int group_runs[GROUPS];
  const mjob *first[OPS][PRIORITIES]; /* of those that may go */
} world;

static const char *const op_names[OPS] = { "any", "one", "three", "six" };
static const uint32_t op_caps[OPS] = { 0, 1, 3, 6 };
static const char *const group_names[GROUPS] = { NULL, "a", "b", "c" };

static uint32_t roll(world *w, uint32_t n) {
  w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (uint32_t) (w->seed >> 33) % n;
}

/* ---- the model ---- */

static int waits(const mjob *j) {
  return j->job != NULL && !j->runs;
}

/* Nothing but weight and order is in its way. */
static int free_to_go(const world *w, const mjob *j) {
  if (!waits(j))
    return 0;
  if (op_caps[j->op] != 0 && w->weight_in[j->op] >= op_caps[j->op])
    return 0;
  return j->group == 0 || !w->group_runs[j->group];
}

/* What all that follows asks about: it holds until a job starts or ends. */
static void look(world *w) {
  w->weight = 0;
  memset(w->weight_in, 0, sizeof(w->weight_in));
  memset(w->group_runs, 0, sizeof(w->group_runs));
  memset(w->first, 0, sizeof(w->first));
  for (const mjob *j = w->jobs; j < w->jobs + JOBS; j++) {
    if (j->job == NULL || !j->runs)
      continue;
    w->weight += j->weight;
    w->weight_in[j->op] += j->weight;
    w->group_runs[j->group] = 1;
  }
  for (const mjob *j = w->jobs; j < w->jobs + JOBS; j++) {
    const mjob **first = &w->first[j->op][j->priority];

    if (free_to_go(w, j) && (*first == NULL || j->since < (*first)->since))
      *first = j;
  }
}

static int room(uint64_t sum, uint32_t cap, const mjob *j) {
  return cap == 0 || sum == 0 || sum + j->weight <= cap;
}

static int room_in_op(const world *w, const mjob *j) {
  return room(w->weight_in[j->op], op_caps[j->op], j);
}

/* A lower priority of the operation, and no other, was passed too often. */
static int kept_back(const world *w, int op, int priority) {
  for (int p = PRIORITIES - 1; p > 0; p--)
    if (w->first[op][p] != NULL && w->op_passed[op][p] >= 16)
      return p < priority;
  return 0;
}

/* The job an operation has for a priority, if that may start. */
static const mjob *offer(const world *w, int op, int priority) {
  const mjob *j;

  for (int p = PRIORITIES - 1; p > priority; p--)
    if (w->first[op][p] != NULL && !room_in_op(w, w->first[op][p]) &&
        !kept_back(w, op, p))
      return NULL;
  if (kept_back(w, op, priority))
    return NULL;
  j = w->first[op][priority];
  return j != NULL && room_in_op(w, j) ? j : NULL;
}

static const mjob *candidate(const world *w, int priority) {
  const mjob *best = NULL, *j;

  for (int op = 0; op < OPS; op++) {
    j = offer(w, op, priority);
    if (j != NULL && (best == NULL || j->since < best->since))
      best = j;
  }
  return best;
}

static mjob *choose(world *w) {
  const mjob *chosen = NULL;

  look(w);
  if (w->weight >= w->server_cap)
    return NULL;
  for (int p = PRIORITIES - 1; p > 0 && chosen == NULL; p--)
    if (w->passed[p] >= 16)
      chosen = candidate(w, p);
  w->starts_owed += chosen != NULL;
  for (int p = PRIORITIES - 1; p > 0 && chosen == NULL; p--)
    chosen = candidate(w, p);
  if (chosen == NULL || !room(w->weight, w->server_cap, chosen))
    return NULL;
  return &w->jobs[chosen - w->jobs];
}

static void count(world *w, const mjob *chosen) {
  const mjob *first;
  int stop = 0;

  for (int p = chosen->priority - 1; p > 0; p--) {
    const mjob *c = candidate(w, p);

    first = w->first[chosen->op][p];
    w->passed[p] += c != NULL;
    if (first == NULL || stop)
      continue;
    stop = !room_in_op(w, first);
    w->op_passed[chosen->op][p] += stop || first == c;
  }
  w->passed[chosen->priority] = 0;
  w->op_passed[chosen->op][chosen->priority] = 0;
}

static void forget_counts(world *w) {
  for (int p = 1; p < PRIORITIES; p++) {
    int any = 0, in_op[OPS] = { 0 };

    for (const mjob *j = w->jobs; j < w->jobs + JOBS; j++)
      if (waits(j) && j->priority == p)
        any = in_op[j->op] = 1;
    if (!any)
      w->passed[p] = 0;
    for (int op = 0; op < OPS; op++)
      if (!in_op[op])
        w->op_passed[op][p] = 0;
  }
}

static void dispatch(world *w) {
  mjob *j;

  while ((j = choose(w)) != NULL) {
    count(w, j);
    j->runs = 1;
    forget_counts(w);
  }
}

static uint32_t position(const world *w, const mjob *j) {
  uint32_t n = 1;

  for (const mjob *k = w->jobs; k < w->jobs + JOBS; k++)
    n += waits(k) && (k->priority > j->priority ||
                      (k->priority == j->priority && k->since < j->since));
  return n;
}

/* ---- both at once ---- */

static mjob *any_job(world *w, int runs) {
  mjob *found[JOBS];
  uint32_t n = 0;

  for (mjob *j = w->jobs; j < w->jobs + JOBS; j++)
    if (j->job != NULL && j->runs == runs)
      found[n++] = j;
  return n > 0 ? found[roll(w, n)] : NULL;
}

static void act_submit(world *w) {
  mjob *j = w->jobs;
  uint32_t n = 0;

  for (const mjob *k = w->jobs; k < w->jobs + JOBS; k++)
    n += waits(k);
  while (j->job != NULL)
    j++;
  if (n >= QUEUED)
    return;
  j->op = (int) roll(w, OPS);
  j->priority = (int) roll(w, 8) < w->mood ? 4 : 1 + (int) roll(w, 4);
  j->weight = roll(w, 6) == 0 ? 1 + roll(w, 9) : 1;
  j->group = roll(w, 3) == 0 ? (int) roll(w, GROUPS) : 0;
  j->runs = 0;
  j->since = ++w->time;
  j->job = starts_job(&w->s, op_names[j->op], 'x', j->priority, j->weight,
                      group_names[j->group]);
}

static void act_end(world *w) {
  mjob *j = any_job(w, 1);

  if (j == NULL)
    return;
  assert_ok(jobsrv_job_complete(j->job, NULL, 0));
  j->job = NULL;
}

static void act_cancel(world *w) {
  mjob *j = any_job(w, 0);

  if (j == NULL)
    return;
  assert_ok(jobsrv_job_cancel(j->job, NULL));
  j->job = NULL;
  forget_counts(w);
}

static void act_edit(world *w) {
  mjob *j = any_job(w, 0);
  int priority = 1 + (int) roll(w, 4);

  if (j == NULL || priority == j->priority)
    return;
  jobsrv__dispatch_reprioritise(j->job, (uint8_t) priority);
  j->runs = 1; /* out of its old place first */
  forget_counts(w);
  j->runs = 0;
  j->priority = priority;
  j->since = ++w->time;
}

static void compare(const world *w, int step) {
  jobsrv_job_info_t info;

  for (const mjob *j = w->jobs; j < w->jobs + JOBS; j++) {
    if (j->job == NULL)
      continue;
    info = fixture_info(j->job);
    if ((info.state == JOBSRV_STATE_RUNNING) != j->runs ||
        (!j->runs && info.queue_position != position(w, j)))
      fail_msg("step %d, %s, priority %d, weight %u, group %d: is %s, at %u, "
               "should be %s, at %u",
               step, op_names[j->op], j->priority, j->weight, j->group,
               jobsrv_state_name(info.state), info.queue_position,
               j->runs ? "running" : "queued", position(w, j));
  }
}

static void play(uint64_t seed, uint32_t server_cap, int *owed) {
  static world w;

  memset(&w, 0, sizeof(w));
  w.seed = seed;
  w.server_cap = server_cap;
  w.s.f.options.max_running = server_cap;
  starts_open(&w.s);
  for (int i = 0; i < OPS; i++)
    starts_add(&w.s, op_names[i], op_caps[i]);
  for (int step = 0; step < STEPS; step++) {
    uint32_t what = roll(&w, 20);

    if (step % 500 == 0)
      w.mood = (int) roll(&w, 9);
    if (what < 9)
      act_submit(&w);
    else if (what < 17)
      act_end(&w);
    else if (what < 18)
      act_cancel(&w);
    else
      act_edit(&w);
    if (roll(&w, 3) == 0) {
      w.s.n = 0; /* its log is of no use here */
      starts_turn(&w.s);
      dispatch(&w);
      compare(&w, step);
    }
  }
  *owed += w.starts_owed;
  starts_close(&w.s);
}

static void whatever_comes_starts_as_the_model_says(void **state) {
  int owed = 0;

  (void) state;
  play(1, 4, &owed);
  play(2, 8, &owed);
  play(3, 30, &owed);
  assert_true(owed > 20); /* else the counts have not been tried */
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(whatever_comes_starts_as_the_model_says),
};

RUN(tests);
