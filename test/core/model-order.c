/* SPDX-License-Identifier: MIT */

#include "core/model.h"

/* Which of those that are runnable starts next. */

static uint64_t rate_each(const mop *op) {
  return op->rate_ms / op->rate_count;
}

/* In ms, as much as `count` starts are worth at most. */
static uint64_t bucket_now(const model *m, const mop *op) {
  uint64_t full = rate_each(op) * op->rate_count;
  uint64_t in = op->bucket + (m->now - op->bucket_at);

  return in < full ? in : full;
}

/* It holds its slot, or would. */
static int has_slot(const model *m, const mjob *j) {
  if (!j->known || j->spec.op < 0)
    return 0;
  return j->state == JOBSRV_STATE_RUNNING ||
         (j->state == JOBSRV_STATE_SUSPENDED && m->ops[j->spec.op].keeps_slot);
}

static uint32_t used(const model *m, int op) {
  uint32_t n = 0;

  for (int i = m->first; i < m->njobs; i++)
    if (has_slot(m, &m->jobs[i]) && (op < 0 || m->jobs[i].spec.op == op))
      n += m->jobs[i].spec.weight;
  return n;
}

/* An attempt has it from its start to its end, suspended or not. */
static int group_is_busy(const model *m, const mjob *of) {
  if (of->spec.group == 0)
    return 0;
  for (int i = m->first; i < m->njobs; i++) {
    const mjob *j = &m->jobs[i];

    if (j != of && j->known && j->spec.group == of->spec.group &&
        (j->state == JOBSRV_STATE_RUNNING ||
         j->state == JOBSRV_STATE_SUSPENDED ||
         (j->state == JOBSRV_STATE_QUEUED && j->resumed)))
      return 1;
  }
  return 0;
}

static int fits(uint32_t cap, uint32_t in_use, uint32_t weight) {
  return cap == 0 || in_use == 0 || in_use + weight <= cap;
}

static int fits_its_op(const model *m, const mjob *j) {
  const mop *op = &m->ops[j->spec.op];

  return fits(op->max_running, used(m, j->spec.op), j->spec.weight);
}

/*
 * One of its operation that comes first and is too heavy for it; `in_front`
 * when it is its class's turn.
 */
static int op_waits(const model *m, const mjob *j, int in_front) {
  for (int i = m->first; i < m->njobs; i++) {
    const mjob *o = &m->jobs[i];

    if (o->known && o->state == JOBSRV_STATE_QUEUED &&
        o->spec.op == j->spec.op &&
        ((o->spec.priority > j->spec.priority && !in_front) ||
         (o->spec.priority == j->spec.priority && o->order < j->order)) &&
        !fits_its_op(m, o) && !group_is_busy(m, o))
      return 1;
  }
  return 0;
}

/* What lets others pass it by, the rate aside. */
static int passed_by(const model *m, const mjob *j, int in_front) {
  return group_is_busy(m, j) || !fits_its_op(m, j) ||
         op_waits(m, j, in_front);
}

static int rate_empty(const model *m, const mjob *j) {
  const mop *op = &m->ops[j->spec.op];

  return op->rate_count != 0 && !j->resumed &&
         bucket_now(m, op) < rate_each(op);
}

static mjob *first_of(const model *m, int priority, int in_front) {
  mjob *first = NULL;

  for (int i = m->first; i < m->njobs; i++) {
    mjob *j = &m->jobs[i];

    if (j->known && j->state == JOBSRV_STATE_QUEUED &&
        j->spec.priority == priority &&
        (first == NULL || j->order < first->order) &&
        !passed_by(m, j, in_front) && !rate_empty(m, j))
      first = j;
  }
  return first;
}

void m_start(model *m, mjob *j) {
  mop *op = &m->ops[j->spec.op];

  m_disarm(j, T_QUEUE);
  if (j->resumed) {
    m_resume(m, j);
    return;
  }
  if (op->rate_count != 0) {
    op->bucket = bucket_now(m, op) - rate_each(op);
    op->bucket_at = m->now;
  }
  j->checkpoint_seen = j->checkpoint;
  if (!j->snoozed)
    j->attempt++;
  m->stats.retries += j->attempt > 1 && !j->snoozed;
  j->snoozed = 0;
  if (j->started == 0) {
    j->started = m->now + 1;
    j->wall_started = m->wall;
  }
  m_move(m, j, JOBSRV_STATE_RUNNING);
  if (j->spec.timeout != 0)
    m_arm(m, j, T_ATTEMPT, m_later(m->now, j->spec.timeout));
  if (j->spec.silence != 0)
    m_arm(m, j, T_SILENCE, m_later(m->now, j->spec.silence));
  if (j->spec.start == START_COMPLETES)
    m_let_go(m, j, GO_COMPLETE, NULL, 0);
  else if (j->spec.start == START_FAILS)
    m_let_go(m, j, GO_FAIL, "early", 0);
  else if (j->spec.start == START_RETURNS)
    m_let_go(m, j, GO_FAIL, "?", 0);
}

static int has_room(const model *m, const mjob *j) {
  return fits(m->options.max_running, used(m, -1), j->spec.weight);
}

/* What the library started next; NULL: nothing more. */
static mjob *started_next(const model *m) {
  for (int i = m->started; i < *m->nseen; i++)
    if (m->seen[i].from == JOBSRV_STATE_QUEUED &&
        m->seen[i].to == JOBSRV_STATE_RUNNING && m->seen[i].job->spec.op >= 0)
      return m->seen[i].job;
  return NULL;
}

/*
 * Fills `may` with what may start next, and gives what has to if none of the
 * others does. A class that has been passed over by 16 has the next. What
 * exactly counts may be seen in more than one way (jobs that could not have
 * started, going on after an answer, which of one operation comes first while
 * another of it is too heavy), so that from 16 to 18 either is right; past
 * that it is the class that was passed over.
 */
static int candidates(const model *m, mjob **may, mjob **must) {
  mjob *top = NULL, *j;
  int n = 0;

  for (int p = JOBSRV_PRIORITY_CRITICAL; p >= JOBSRV_PRIORITY_LOW; p--)
    if (top == NULL && (j = first_of(m, p, 0)) != NULL)
      top = j;
  *must = top;
  for (int p = JOBSRV_PRIORITY_HIGH; p >= JOBSRV_PRIORITY_LOW; p--) {
    if (m->waited[p] < 16)
      continue;
    for (int in_front = 0; in_front < 2; in_front++)
      if ((j = first_of(m, p, in_front)) != NULL && j != top)
        may[n++] = j;
    if (m->passed[p] > 18 && (j = first_of(m, p, 0)) != NULL)
      *must = j;
  }
  if (*must == top && top != NULL)
    may[n++] = top;
  return n;
}

/* In one operation too a class that was passed over by 16 has the next. */
static int op_starves(const model *m, int op) {
  for (int p = JOBSRV_PRIORITY_LOW; p < JOBSRV_PRIORITY_CRITICAL; p++)
    if (m->op_waited[op][p] >= 16)
      return 1;
  return 0;
}

/* It is the first of its class in its operation, which could start it. */
static int may_in_its_op(const model *m, const mjob *j) {
  if (!m_live(j) || j->state != JOBSRV_STATE_QUEUED || group_is_busy(m, j) ||
      !fits_its_op(m, j) || rate_empty(m, j))
    return 0;
  for (int i = m->first; i < m->njobs; i++) {
    const mjob *o = &m->jobs[i];

    if (o->known && o->state == JOBSRV_STATE_QUEUED &&
        o->spec.op == j->spec.op && o->spec.priority == j->spec.priority &&
        o->order < j->order && !group_is_busy(m, o))
      return 0;
  }
  return 1;
}

/* While an operation sees to its own that starve, it may hold up another. */
static int held_up(const model *m, const mjob *must) {
  for (int op = 0; op < MODEL_OPS; op++) {
    if (!op_starves(m, op))
      continue;
    if (must->spec.op == op)
      return 1;
    for (int i = m->first; i < m->njobs; i++)
      if (m->jobs[i].spec.op == op && may_in_its_op(m, &m->jobs[i]) &&
          !has_room(m, &m->jobs[i]))
        return 1;
  }
  return 0;
}

/* NULL when nothing starts. */
static mjob *choose(const model *m) {
  mjob *may[2 * JOBSRV_PRIORITY_MAX], *must, *next = started_next(m);
  int n = candidates(m, may, &must), starves = 0;

  for (int i = 0; i < n; i++)
    if (may[i] == next && has_room(m, next))
      return next;
  if (next != NULL && next->resumed && m_live(next) &&
      next->state == JOBSRV_STATE_QUEUED && fits_its_op(m, next) &&
      has_room(m, next))
    return next; /* what goes on may pass what has not begun */
  for (int i = 0; i < n && next == NULL; i++)
    if (!has_room(m, may[i]))
      return NULL; /* it waits in front */
  for (int op = 0; op < MODEL_OPS; op++)
    starves |= op_starves(m, op);
  if (starves && next != NULL && may_in_its_op(m, next) && has_room(m, next))
    return next;
  if (must != NULL && next == NULL && held_up(m, must))
    return NULL;
  return must != NULL && has_room(m, must) ? must : NULL;
}

static void note_start(model *m, const mjob *j) {
  while (m->started < *m->nseen && started_next(m) == j) {
    const mhook *h = &m->seen[m->started++];

    if (h->job == j && h->from == JOBSRV_STATE_QUEUED &&
        h->to == JOBSRV_STATE_RUNNING)
      return;
  }
}

void m_dispatch(model *m) {
  mjob *j;

  while ((j = choose(m)) != NULL) {
    note_start(m, j);
    for (int p = JOBSRV_PRIORITY_LOW; p < j->spec.priority; p++) {
      m->passed[p] += !j->resumed && first_of(m, p, 0) != NULL;
      m->waited[p]++;
      m->op_waited[j->spec.op][p]++;
    }
    if (!j->resumed)
      m->op_waited[j->spec.op][j->spec.priority] = 0;
    m->passed[j->spec.priority] = 0;
    if (!j->resumed)
      m->waited[j->spec.priority] = 0;
    m_start(m, j);
  }
}

/* When the rate next lets one start that nothing else keeps. */
uint64_t m_next_rate(const model *m) {
  uint64_t at = UINT64_MAX;

  for (int i = m->first; i < m->njobs; i++) {
    const mjob *j = &m->jobs[i];
    const mop *op;
    uint64_t due;

    if (!j->known || j->state != JOBSRV_STATE_QUEUED)
      continue;
    op = &m->ops[j->spec.op];
    if (op->rate_count == 0 || !rate_empty(m, j) || passed_by(m, j, 0))
      continue;
    due = m->now + rate_each(op) - bucket_now(m, op);
    if (due < at)
      at = due;
  }
  return at;
}
