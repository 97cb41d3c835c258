/* SPDX-License-Identifier: MIT */

#include "core/model.h"

/* What is done to jobs, and which of them starts next. */

mjob *m_holder(model *m, int op, int key) {
  for (int i = m->njobs - 1; i >= 0; i--) {
    mjob *j = &m->jobs[i];

    if (m_live(j) && j->spec.op == op && j->spec.key == key)
      return j;
  }
  return NULL;
}

static int reaches(const mjob *j, const mjob *other, char *been) {
  if (j == other)
    return 1;
  if (m_terminal(j->state) || been[j->number])
    return 0;
  been[j->number] = 1;
  for (size_t i = 0; i < j->spec.nafter; i++)
    if (reaches(j->spec.after[i], other, been))
      return 1;
  return 0;
}

int m_waits_for(const mjob *j, const mjob *other) {
  char been[MODEL_JOBS] = { 0 };

  return reaches(j, other, been);
}

/* ---- creation ---- */

static int holds_of(const model *m, const mjob *j, int *failed) {
  const mspec *s = &j->spec;
  int hold = 0;

  *failed = 0;
  if (s->delay != 0)
    hold |= H_TIME;
  if (s->run_at > m->wall)
    hold |= H_WALL;
  if (s->on_stream)
    hold |= H_WATCH;
  for (size_t i = 0; i < s->nafter; i++) {
    int state = s->after[i]->state;

    if (!m_terminal(state))
      hold |= H_AFTER;
    else if (state != JOBSRV_STATE_COMPLETED && !s->any_end)
      *failed = 1;
  }
  return hold;
}

/* All live ones with the key have to let go, and are asked to. */
static int to_replace(const model *m, const mjob *j, mjob **all) {
  int n = 0;

  if (j->spec.key == 0 || j->spec.conflict != JOBSRV_CONFLICT_REPLACE)
    return 0;
  for (int i = m->njobs - 1; i >= m->first && n < 3; i--) {
    mjob *o = &m->jobs[i];

    if (o != j && m_live(o) && o->spec.op == j->spec.op &&
        o->spec.key == j->spec.key)
      all[n++] = o;
  }
  return n;
}

static void arm_clocks(model *m, mjob *j) {
  const mspec *s = &j->spec;

  if (s->deadline != 0)
    m_arm(m, j, T_DEADLINE, m_later(m->now, s->deadline));
  if (j->hold & H_TIME)
    m_arm(m, j, T_TIME, m_later(m->now, s->delay));
  if (j->hold & H_WATCH)
    m_arm(m, j, T_WATCHED, m_later(m->now, s->start_within));
}

static void run(model *m, mjob *j) {
  j->attempt = 1;
  j->started = m->now + 1;
  j->wall_started = m->wall;
  if (j->spec.timeout != 0)
    m_arm(m, j, T_ATTEMPT, m_later(m->now, j->spec.timeout));
  if (j->spec.silence != 0)
    m_arm(m, j, T_SILENCE, m_later(m->now, j->spec.silence));
}

static void first_state(model *m, mjob *j) {
  if (j->spec.op < 0) {
    j->state = JOBSRV_STATE_QUEUED;
    j->queued = m->now + 1;
    j->wall_queued = m->wall;
    m_hook(m, j, j->state, j->state);
    arm_clocks(m, j);
    m_move(m, j, JOBSRV_STATE_RUNNING);
    run(m, j);
    return;
  }
  j->state = j->hold != 0 ? JOBSRV_STATE_SCHEDULED : JOBSRV_STATE_QUEUED;
  if (j->hold & H_TIME)
    j->run_at = m_later(m->wall, j->spec.delay);
  if (j->hold & H_WALL)
    j->run_at = j->spec.run_at;
  m_hook(m, j, j->state, j->state);
  arm_clocks(m, j);
  if (j->state != JOBSRV_STATE_QUEUED)
    return;
  j->queued = m->now + 1;
  j->wall_queued = m->wall;
  j->order = ++m->queue_orders;
  if (j->spec.queue != 0)
    m_arm(m, j, T_QUEUE, m_later(m->now, j->spec.queue));
}

void m_create(model *m, mjob *j, const mspec *spec) {
  const mop *op = spec->op >= 0 ? &m->ops[spec->op] : NULL;
  const mjob *parent = spec->parent;
  mjob *old[3];
  int failed, n;

  j->spec = *spec;
  j->created = m->now + 1;
  j->wall_created = m->wall;
  j->cancellable = op == NULL || !op->not_cancellable;
  j->retryable = 0;
  j->hold = holds_of(m, j, &failed);
  n = to_replace(m, j, j->replaces);
  if (n > 0)
    j->hold |= H_REPLACE;
  if (failed)
    j->hold |= H_AFTER;
  j->known = 1;
  m->njobs = j->number + 1;
  m->stats.created++;
  first_state(m, j);
  memcpy(old, j->replaces, sizeof(old));
  for (int i = 0; i < n; i++)
    m_ask(m, old[i], JOBSRV_REASON_REPLACED);
  if (parent != NULL && (m_terminal(parent->state) || parent->asked != 0 ||
                         parent->attempt_asked != 0))
    m_ask(m, j, JOBSRV_REASON_PARENT);
  else if (spec->token != 0 && m->tokens[spec->token] != 0)
    m_ask(m, j, m->tokens[spec->token] - 1);
  else if (failed)
    m_end(m, j, JOBSRV_STATE_FAILED, "dependency_failed", 0);
}

/* ---- attempts ---- */

static uint64_t backoff(const mretry *r, uint32_t attempt) {
  uint64_t ms = r->backoff;

  for (uint32_t i = 1; i < attempt && ms < r->cap; i++)
    ms = ms > UINT64_MAX / r->factor ? UINT64_MAX : ms * r->factor;
  return ms < r->cap ? ms : r->cap;
}

static void retry(model *m, mjob *j, const char *code, uint64_t delay) {
  for (int kind = 0; kind < T_MAX; kind++)
    if (kind != T_DEADLINE && kind != T_LAST)
      m_disarm(j, (mtimer_kind) kind);
  j->code = code;
  j->retryable = code != NULL;
  j->attempt_asked = 0;
  m_move(m, j, JOBSRV_STATE_RETRYING);
  if (j->deadline_over) /* it is looked at again */
    m_arm(m, j, T_DEADLINE, m->now);
  j->deadline_over = 0;
  if (delay == 0)
    m_enqueue(m, j);
  else
    m_arm(m, j, T_RETRY, m_later(m->now, delay));
}

static const char *code_of(int reason) {
  switch (reason) {
    case JOBSRV_REASON_ATTEMPT_TIMEOUT: return "attempt_timeout";
    case JOBSRV_REASON_SILENCE: return "silence";
    case JOBSRV_REASON_DEADLINE: return "deadline";
    default: return NULL;
  }
}

/* While a drain lets it finish, but begin nothing. */
static int may_go_on(const model *m, const mjob *j) {
  return !m->draining || j->spec.op < 0 ||
         m->ops[j->spec.op].on_drain == JOBSRV_DRAIN_FINISH;
}

/* The attempt has failed, and the job ends or tries again. */
static void failed(model *m, mjob *j, mgo how, const char *code,
                   uint64_t delay) {
  const mop *op = j->spec.op >= 0 ? &m->ops[j->spec.op] : NULL;
  int again = how != GO_PERMANENT;

  if (how != GO_AFTER && how != GO_SNOOZE)
    delay = backoff(&j->spec.retry, j->attempt);
  if (!again || j->attempt >= j->spec.retry.max || !may_go_on(m, j))
    m_end(m, j, JOBSRV_STATE_FAILED, code, again);
  else if (op != NULL && op->refuses_retry)
    m_end(m, j, JOBSRV_STATE_FAILED, code, 0);
  else
    retry(m, j, code, delay);
}

/* The work lets go: what it says counts, unless it was asked to stop. */
void m_let_go(model *m, mjob *j, mgo how, const char *code, uint64_t delay) {
  if (how == GO_COMPLETE) {
    m_end(m, j, JOBSRV_STATE_COMPLETED, NULL, 0);
  } else if (j->asked != 0) {
    code = code_of(j->asked - 1);
    m_end(m, j, code != NULL ? JOBSRV_STATE_FAILED : JOBSRV_STATE_CANCELLED,
          code, -1);
  } else if (how == GO_SNOOZE && j->attempt_asked == 0) {
    j->snoozed = 1;
    retry(m, j, NULL, delay);
  } else {
    if (j->attempt_asked != 0 && how != GO_PERMANENT)
      code = code_of(j->attempt_asked - 1);
    failed(m, j, how, code, delay);
  }
}

void m_heartbeat(model *m, mjob *j) {
  if (j->timers[T_SILENCE].at != 0)
    m_arm(m, j, T_SILENCE, m_later(m->now, j->spec.silence));
}

/* ---- watchers, questions, dependencies ---- */

void m_watch(model *m, mjob *j) {
  j->watchers++;
  if (!m_live(j))
    return;
  m_disarm(j, T_LAST);
  if (j->hold & H_WATCH) {
    m_disarm(j, T_WATCHED);
    m_release(m, j, H_WATCH);
  }
}

void m_unwatch(model *m, mjob *j) {
  if (--j->watchers > 0 || !m_live(j) ||
      j->spec.last_policy != JOBSRV_LAST_WATCHER_CANCEL || j->asked != 0)
    return;
  if (j->spec.last_grace == 0)
    m_cancel(m, j, JOBSRV_REASON_LAST_WATCHER);
  else
    m_arm(m, j, T_LAST, m_later(m->now, j->spec.last_grace));
}

static uint64_t left_of(const model *m, mjob *j, mtimer_kind kind) {
  uint64_t at = j->timers[kind].at;

  m_disarm(j, kind);
  return at == 0 ? 0 : at - m->now;
}

void m_suspend(model *m, mjob *j, int prompt) {
  j->left_attempt = left_of(m, j, T_ATTEMPT);
  j->left_silence = left_of(m, j, T_SILENCE);
  j->prompt = prompt;
  j->input = 0;
  j->answered = 0;
  m_move(m, j, JOBSRV_STATE_SUSPENDED);
}

static void resume(model *m, mjob *j) {
  m_move(m, j, JOBSRV_STATE_RUNNING);
  j->resumed = 0;
  if (j->left_attempt != 0)
    m_arm(m, j, T_ATTEMPT, m_later(m->now, j->left_attempt));
  if (j->left_silence != 0)
    m_arm(m, j, T_SILENCE, m_later(m->now, j->left_silence));
}

void m_answer(model *m, mjob *j, int answer) {
  const mop *op = j->spec.op >= 0 ? &m->ops[j->spec.op] : NULL;

  j->input = answer;
  j->answered = 1;
  j->prompt = 0;
  j->resumed = 1;
  if (op == NULL || op->keeps_slot)
    resume(m, j);
  else
    m_enqueue(m, j);
}

void m_after(model *m, mjob *j, mjob *other) {
  j->spec.after[j->spec.nafter++] = other;
  if (m_terminal(other->state)) {
    if (other->state != JOBSRV_STATE_COMPLETED && !j->spec.any_end)
      m_end(m, j, JOBSRV_STATE_FAILED, "dependency_failed", 0);
    return;
  }
  j->hold |= H_AFTER;
  m_disarm(j, T_QUEUE);
  if (j->state == JOBSRV_STATE_QUEUED)
    m_move(m, j, JOBSRV_STATE_SCHEDULED);
}

/* ---- which one starts ---- */

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
    resume(m, j);
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

/* ---- waits, drain, close ---- */

static void settle_wait(mwait *w) {
  mjob *last = NULL, *first = NULL;
  size_t ended = 0;

  for (size_t i = 0; i < w->n; i++) {
    mjob *j = w->jobs[i];

    if (!m_terminal(j->state))
      continue;
    ended++;
    if (last == NULL || j->end_order > last->end_order)
      last = j;
    if (first == NULL || j->end_order < first->end_order)
      first = j;
  }
  if (w->what == JOBSRV_WAIT_ALL ? ended < w->n : ended == 0)
    return;
  w->in_use = 0;
  w->calls++;
  w->status = 0;
  w->by = w->settled_at_call ? NULL
          : w->what == JOBSRV_WAIT_ALL ? last : first;
}

void m_settle_waits(model *m) {
  for (int i = 0; i < MODEL_WAITS; i++)
    if (m->waits[i].in_use)
      settle_wait(&m->waits[i]);
}

void m_settle(model *m) {
  while (m->first < m->njobs && !m->jobs[m->first].known)
    m->first++;
  m_dispatch(m);
  m_settle_waits(m);
  if (!m->draining)
    return;
  m->drained = 1;
  for (int i = m->first; i < m->njobs; i++)
    if (m_live(&m->jobs[i]))
      m->drained = 0;
  if (m->drained)
    m->drain.at = 0;
}

static int drain_lets(const model *m, const mjob *j) {
  int policy = j->spec.op < 0 ? JOBSRV_DRAIN_CANCEL
                              : m->ops[j->spec.op].on_drain;

  if (policy == JOBSRV_DRAIN_FINISH)
    return j->state == JOBSRV_STATE_QUEUED ||
           j->state == JOBSRV_STATE_RUNNING ||
           j->state == JOBSRV_STATE_RETRYING;
  return policy == JOBSRV_DRAIN_LEAVE && j->state == JOBSRV_STATE_RUNNING;
}

/* All that are to stop are asked as they are, not as others' ends make them. */
void m_sweep(model *m, mjob **all, int n, int reason, int abandon) {
  for (int i = 0; i < n; i++)
    all[i]->swept++;
  for (int i = 0; i < n; i++) {
    all[i]->swept--;
    m_ask(m, all[i], reason);
    if (abandon && m_live(all[i]))
      m_abandon(m, all[i]);
  }
}

void m_drain(model *m, uint64_t deadline) {
  int again = m->draining, some = 0;
  uint64_t at = m_later(m->now, deadline);
  mjob *all[MODEL_LIVE];
  int n = m_several(m, all, NULL, NULL);

  m->draining = 1;
  if (!again || at < m->drain.at)
    m->drain.at = at;
  for (int i = 0; i < n; i++)
    if (again || !drain_lets(m, all[i]))
      all[some++] = all[i];
  m_sweep(m, all, some, JOBSRV_REASON_SHUTDOWN, 0);
}

void m_close(model *m) {
  mjob *all[MODEL_LIVE];
  int n = m_several(m, all, NULL, NULL);

  m->closed = 1;
  for (int i = 0; i < n; i++) {
    mjob *j = all[i];

    m_ask(m, j, JOBSRV_REASON_SHUTDOWN);
    if (m_live(j))
      m_abandon(m, j);
  }
  for (int i = 0; i < MODEL_WAITS; i++) {
    mwait *w = &m->waits[i];

    if (!w->in_use)
      continue;
    w->in_use = 0;
    w->calls++;
    w->status = JOBSRV_ECLOSED;
    w->by = NULL;
  }
}
