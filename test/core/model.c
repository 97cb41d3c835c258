/* SPDX-License-Identifier: MIT */

#include "core/model.h"

#include <uv.h>

/* States, time, the queue and the end. */

int m_terminal(int state) {
  return state == JOBSRV_STATE_COMPLETED || state == JOBSRV_STATE_FAILED ||
         state == JOBSRV_STATE_CANCELLED;
}

int m_live(const mjob *j) {
  return j->known && !m_terminal(j->state);
}

uint64_t m_later(uint64_t at, uint64_t ms) {
  return ms < UINT64_MAX - at ? at + ms : UINT64_MAX;
}

uint32_t m_count(const model *m, int state) {
  uint32_t n = 0;

  for (int i = m->first; i < m->njobs; i++)
    n += m->jobs[i].known && m->jobs[i].state == state;
  return n;
}

/* Every transition, every creation, every request to stop. */
void m_hook(model *m, mjob *j, int from, int to) {
  j->want.n++;
  j->want.hash = (j->want.hash ^ (uint64_t) (from * 16 + to + 1)) * 1099511;
  j->seq++;
  m->stats.events++;
  if (m->ntrail < MODEL_TRAIL)
    m->trail[m->ntrail++] = (mhook) { j, from, to };
}

/* A class without jobs has not been passed over. */
void m_left_class(model *m, int op, int priority) {
  int all = 0, own = 0;

  for (int i = m->first; i < m->njobs; i++)
    if (m->jobs[i].known && m->jobs[i].state == JOBSRV_STATE_QUEUED &&
        m->jobs[i].spec.priority == priority) {
      all++;
      own += m->jobs[i].spec.op == op;
    }
  if (own == 0)
    m->op_waited[op][priority] = 0;
  if (all == 0)
    m->passed[priority] = m->waited[priority] = 0;
}

void m_move(model *m, mjob *j, int to) {
  int from = j->state;

  j->state = to;
  m_hook(m, j, from, to);
  if (from == JOBSRV_STATE_QUEUED && j->spec.op >= 0)
    m_left_class(m, j->spec.op, j->spec.priority);
}

/* Where the library tells of the next transition of this job. */
int m_told_next(const model *m, const mjob *j) {
  uint64_t before = j->seen.n;

  for (int i = 0; i < *m->nseen; i++)
    before -= m->seen[i].job == j;
  for (int i = 0; i < *m->nseen; i++)
    if (m->seen[i].job == j && before++ == j->want.n)
      return i;
  return *m->nseen;
}

int m_is_asked(const model *m, const mjob *j) {
  int at = m_told_next(m, j);

  return at < *m->nseen && m->seen[at].from == m->seen[at].to;
}

int m_several(model *m, mjob **to, m_which which, const mjob *of) {
  int n = 0;

  for (int i = m->first; i < m->njobs; i++) {
    mjob *j = &m->jobs[i];
    int at = n;

    if (!m_live(j) || (which != NULL && !which(j, of)))
      continue;
    while (at > 0 && m_told_next(m, to[at - 1]) > m_told_next(m, j)) {
      to[at] = to[at - 1];
      at--;
    }
    to[at] = j;
    n++;
  }
  return n;
}

/* ---- time ---- */

void m_arm(model *m, mjob *j, mtimer_kind kind, uint64_t at) {
  j->timers[kind].at = at == UINT64_MAX ? 0 : at;
  j->timers[kind].order = ++m->orders;
}

void m_disarm(mjob *j, mtimer_kind kind) {
  j->timers[kind].at = 0;
}

static void earlier(const mtimer *timer, uint64_t *at) {
  if (timer->at != 0 && timer->at < *at)
    *at = timer->at;
}

uint64_t m_next(const model *m) {
  uint64_t at = UINT64_MAX, rate = m_next_rate(m);

  for (int i = m->first; i < m->njobs; i++) {
    const mjob *j = &m->jobs[i];

    if (!j->known)
      continue;
    for (int kind = 0; kind < T_MAX; kind++)
      earlier(&j->timers[kind], &at);
    if ((j->hold & H_WALL) && m_live(j)) {
      uint64_t due = j->run_at > m->wall ? m->now + j->run_at - m->wall
                                         : m->now;

      if (due < at)
        at = due;
    }
  }
  for (int i = 0; i < MODEL_WAITS; i++)
    if (m->waits[i].in_use)
      earlier(&m->waits[i].timer, &at);
  earlier(&m->drain, &at);
  return rate < at ? rate : at;
}

/* Whoever asked it to stop says how it ends. */
void m_abandon(model *m, mjob *j) {
  int reason = (j->asked != 0 ? j->asked : j->attempt_asked) - 1;

  j->abandoned = 1;
  m->stats.abandoned++;
  if (reason <= JOBSRV_REASON_PARENT)
    m_end(m, j, JOBSRV_STATE_CANCELLED, NULL, 0);
  else
    m_end(m, j, JOBSRV_STATE_FAILED,
          reason == JOBSRV_REASON_DEADLINE          ? "deadline"
          : reason == JOBSRV_REASON_ATTEMPT_TIMEOUT ? "attempt_timeout"
                                                    : "silence",
          -1);
}

/* The grace is over. */
static void stuck(model *m, mjob *j) {
  const mop *op = j->spec.op >= 0 ? &m->ops[j->spec.op] : NULL;

  if (op != NULL && op->has_stuck && ++j->stuck_calls <= 10 &&
      j->stuck_calls <= j->spec.stuck)
    m_arm(m, j, T_GRACE, m->now + op->stuck_ms);
  else
    m_abandon(m, j);
}

static void ask_attempt(model *m, mjob *j, int reason);

static void fire(model *m, mjob *j, mtimer_kind kind) {
  m_disarm(j, kind);
  switch (kind) {
    case T_TIME: m_release(m, j, H_TIME); break;
    case T_RETRY: m_enqueue(m, j); break;
    case T_WATCHED:
      m_end(m, j, JOBSRV_STATE_FAILED, "not_watched", 0);
      break;
    case T_QUEUE:
      m_end(m, j, JOBSRV_STATE_FAILED, "queue_timeout", 0);
      break;
    case T_DEADLINE:
      if (j->state != JOBSRV_STATE_RUNNING)
        m_end(m, j, JOBSRV_STATE_FAILED, "deadline", 0);
      else if (j->attempt_asked != 0)
        j->deadline_over = 1;
      else
        m_ask(m, j, JOBSRV_REASON_DEADLINE);
      break;
    case T_ATTEMPT: ask_attempt(m, j, JOBSRV_REASON_ATTEMPT_TIMEOUT); break;
    case T_SILENCE: ask_attempt(m, j, JOBSRV_REASON_SILENCE); break;
    case T_GRACE: stuck(m, j); break;
    case T_LAST: m_cancel(m, j, JOBSRV_REASON_LAST_WATCHER); break;
    case T_EXPIRE:
      m_retain(m);
      if (j->known)
        m_expire(m, j);
      break;
    default: break;
  }
}

static void drain_is_over(model *m) {
  mjob *all[MODEL_LIVE];
  int n = m_several(m, all, NULL, NULL);

  m->drain.at = 0;
  m_sweep(m, all, n, JOBSRV_REASON_SHUTDOWN, 1);
}

static int related(const mjob *j) {
  return j->spec.parent != NULL || j->spec.nafter > 0 ||
         j->replaces[0] != NULL || j->spec.key != 0 || j->spec.token != 0;
}

/*
 * What of one job is due together with another clock of it may go either way,
 * and so may what is due of jobs that have to do with each other.
 */
static void look_for_ties(model *m, mjob *first, mtimer_kind kind) {
  uint64_t now = m->now;

  for (int i = m->first; i < m->njobs; i++) {
    mjob *j = &m->jobs[i];

    for (int k = 0; k < T_MAX; k++) {
      if (!j->known || j->timers[k].at == 0 || j->timers[k].at > now ||
          (j == first && k == (int) kind))
        continue;
      if (k == T_EXPIRE && kind == T_EXPIRE)
        continue;
      if (j == first || k != (int) kind || related(j) || related(first))
        m->ambiguous = 1; /* two clocks at once */
    }
    if ((j->hold & H_WALL) && m_live(j) && j->run_at == m->wall)
      m->ambiguous = 1; /* a clock and a wall time at once */
  }
  for (int i = 0; i < MODEL_WAITS; i++)
    if (m->waits[i].in_use && m->waits[i].timer.at == now)
      m->ambiguous = 1; /* a clock and a wait at once */
  if (m->drain.at == now)
    m->ambiguous = 1; /* a clock and the drain at once */
}

void m_time_out(model *m, mwait *w) {
  if (!w->in_use || w->timer.at == 0 || w->timer.at > m->now)
    return;
  w->timer.at = 0;
  w->in_use = 0;
  w->calls++;
  w->status = UV_ETIMEDOUT;
  w->by = NULL;
}

static void due_waits(model *m) {
  m_settle_waits(m);
  for (int i = 0; i < MODEL_WAITS; i++)
    m_time_out(m, &m->waits[i]);
}

static void due_wall(model *m) {
  int n = 0;

  for (int i = m->first; i < m->njobs; i++)
    n += m_live(&m->jobs[i]) && (m->jobs[i].hold & H_WALL) &&
         m->jobs[i].run_at <= m->wall;
  if (n > 1)
    m->ambiguous = 1; /* two wall times at once */
  for (int i = m->first; i < m->njobs; i++) {
    mjob *j = &m->jobs[i];

    if (m_live(j) && (j->hold & H_WALL) && j->run_at <= m->wall)
      m_release(m, j, H_WALL);
  }
}

static int earlier_told(const model *m, const mjob *a, const mjob *b,
                        int otherwise) {
  int i = m_told_next(m, a), k = m_told_next(m, b);

  return i != k ? i < k : otherwise;
}

/* What is due next; of several at one time, what the library took first. */
static mjob *due(const model *m, mtimer_kind *kind) {
  mjob *first = NULL;

  for (int i = m->first; i < m->njobs; i++)
    for (int k = 0; k < T_MAX; k++) {
      mjob *j = &m->jobs[i];
      const mtimer *t = &j->timers[k], *u;

      if (!j->known || t->at == 0 || t->at > m->now)
        continue;
      u = first != NULL ? &first->timers[*kind] : t;
      if (first == NULL || t->at < u->at ||
          (t->at == u->at && earlier_told(m, j, first, t->order < u->order)))
        first = j, *kind = (mtimer_kind) k;
    }
  return first;
}

void m_tick(model *m, uint64_t now) {
  mtimer_kind kind = T_TIME;
  mjob *j;

  m->wall += now - m->now;
  m->now = now;
  while ((j = due(m, &kind)) != NULL) {
    look_for_ties(m, j, kind);
    fire(m, j, kind);
  }
  for (int i = 0; i < MODEL_WAITS; i++)
    if (m->drain.at == now && m->waits[i].in_use && m->waits[i].timer.at == now)
      m->ambiguous = 1; /* the drain and a wait at once */
  due_waits(m);
  due_wall(m);
  if (m->drain.at != 0 && m->drain.at <= now)
    drain_is_over(m);
  m_retain(m);
}

void m_set_wall(model *m, uint64_t wall) {
  m->wall = wall;
  m->wall_set = 1;
  due_wall(m);
}

/*
 * What becomes runnable at the same moment does so in the order in which the
 * library says so; what does later stands behind it.
 */
uint64_t m_queue_order(model *m, const mjob *j) {
  return (m->turns << 16) + (uint64_t) m_told_next(m, j);
}

/* ---- becoming runnable ---- */

void m_enqueue(model *m, mjob *j) {
  j->hold = 0;
  j->queued = m->now + 1;
  j->wall_queued = m->wall;
  j->order = m_queue_order(m, j);
  j->run_at = 0;
  m_disarm(j, T_WATCHED);
  m_disarm(j, T_RETRY);
  j->code = NULL;
  m_move(m, j, JOBSRV_STATE_QUEUED);
  if (j->spec.queue != 0)
    m_arm(m, j, T_QUEUE, m_later(m->now, j->spec.queue));
}

void m_release(model *m, mjob *j, int hold) {
  j->hold &= ~hold;
  if (!m->closed && j->state == JOBSRV_STATE_SCHEDULED && j->hold == 0)
    m_enqueue(m, j);
}

uint32_t m_position(const model *m, const mjob *j) {
  uint32_t n = 1;

  for (int i = m->first; i < m->njobs; i++) {
    const mjob *o = &m->jobs[i];

    if (!o->known || o->state != JOBSRV_STATE_QUEUED || o == j)
      continue;
    n += o->spec.priority > j->spec.priority ||
         (o->spec.priority == j->spec.priority && o->order < j->order);
  }
  return n;
}

/* ---- asking to stop ---- */

/*
 * A job that waits for others is told of their ends and asked to stop with its
 * parent in one and the same cascade, or a circle of both leads back to a
 * child: which comes first is not said. `parent` is asked, or ends.
 */
void m_cross(model *m, const mjob *parent) {
  int first = parent->asked_in != m->turns && parent->ended_in != m->turns;

  for (int i = m->first; i < m->njobs; i++) {
    const mjob *j = &m->jobs[i];

    if (j->spec.parent == parent &&
        (j->told == m->turns || (first && (j->asked_in == m->turns ||
                                           j->ended_in == m->turns))))
      m->crossed = 1;
  }
}

static void stop(model *m, mjob *j) {
  const mop *op = j->spec.op >= 0 ? &m->ops[j->spec.op] : NULL;
  uint64_t grace = op != NULL && op->grace != 0 ? op->grace : m->options.grace;

  m_disarm(j, T_ATTEMPT);
  m_disarm(j, T_SILENCE);
  m_arm(m, j, T_GRACE, m_later(m->now, grace));
  j->stuck_calls = 0;
  if (op == NULL || !op->has_stop)
    return;
  if (j->spec.stop == STOP_LETS_GO)
    m_let_go(m, j, GO_FAIL, "stopped", 0);
  else if (j->spec.stop == STOP_COMPLETES)
    m_let_go(m, j, GO_COMPLETE, NULL, 0);
}

static void ask_children(model *m, const mjob *parent);

/* This attempt is to stop; what becomes of the job is seen when it has. */
static void ask_attempt(model *m, mjob *j, int reason) {
  j->attempt_asked = reason + 1;
  j->asking = 1;
  m_cross(m, j);
  j->asked_in = m->turns;
  stop(m, j);
  ask_children(m, j);
  j->asking = 0;
}

static int is_child(const mjob *j, const mjob *parent) {
  return j->spec.parent == parent;
}

static void ask_children(model *m, const mjob *parent) {
  mjob *all[MODEL_LIVE];
  int n = m_several(m, all, is_child, parent);

  m_sweep(m, all, n, JOBSRV_REASON_PARENT, 0);
}

/* Whatever it says of being cancellable. */
int m_ask(model *m, mjob *j, int reason) {
  int stopping = j->attempt_asked != 0;

  if (m_terminal(j->state))
    return JOBSRV_EENDED;
  if (j->asked != 0)
    return JOBSRV_ESETTLED;
  if (j->asking) /* by what its own stop brought about */
    m->ambiguous = 1; /* asked while it is asked */
  j->asked = reason + 1;
  m_cross(m, j);
  j->asked_in = m->turns;
  m_disarm(j, T_LAST);
  if (reason <= JOBSRV_REASON_PARENT) /* a clock makes no request */
    m_hook(m, j, j->state, j->state);
  if (j->state == JOBSRV_STATE_RUNNING && !stopping)
    stop(m, j);
  else if (j->state == JOBSRV_STATE_RUNNING)
    ;
  else if (reason <= JOBSRV_REASON_PARENT)
    m_end(m, j, JOBSRV_STATE_CANCELLED, NULL, 0);
  else
    m_end(m, j, JOBSRV_STATE_FAILED, "deadline", 0);
  ask_children(m, j);
  return 0;
}

int m_cancel(model *m, mjob *j, int reason) {
  if (m_terminal(j->state))
    return JOBSRV_EENDED;
  if (j->asked != 0)
    return JOBSRV_ESETTLED;
  if (!j->cancellable && reason <= JOBSRV_REASON_LAST_WATCHER)
    return JOBSRV_ENOTCANCELLABLE;
  return m_ask(m, j, reason);
}

int m_token_cancel(model *m, int token, int reason) {
  mjob *all[MODEL_LIVE];
  int n, some = 0;

  if (m->tokens[token] != 0)
    return JOBSRV_ESETTLED;
  m->tokens[token] = reason + 1;
  n = m_several(m, all, NULL, NULL);
  for (int i = 0; i < n; i++)
    if (all[i]->spec.token == token)
      all[some++] = all[i];
  m_sweep(m, all, some, reason, 0);
  return 0;
}
