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

static int rank(const model *m, const mjob *j) {
  int i = m->seen_from;

  while (i < *m->nseen && m->seen[i].job != j)
    i++;
  return i;
}

int m_several(model *m, mjob **to, m_which which, const mjob *of) {
  int n = 0;

  for (int i = m->first; i < m->njobs; i++) {
    mjob *j = &m->jobs[i];
    int at = n;

    if (!m_live(j) || (which != NULL && !which(j, of)))
      continue;
    while (at > 0 && rank(m, to[at - 1]) > rank(m, j)) {
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
    case T_LAST:
      if (j->attempt_asked != 0 && j->asked == 0)
        m->ambiguous = 1, m->why = "B8";
      m_cancel(m, j, JOBSRV_REASON_LAST_WATCHER);
      break;
    case T_EXPIRE: m_expire(m, j); break;
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
        m->ambiguous = 1, m->why = "two clocks at once";
    }
    if ((j->hold & H_WALL) && m_live(j) && j->run_at == m->wall)
      m->ambiguous = 1, m->why = "a clock and a wall time at once";
  }
  for (int i = 0; i < MODEL_WAITS; i++)
    if (m->waits[i].in_use && m->waits[i].timer.at == now)
      m->ambiguous = 1, m->why = "a clock and a wait at once";
  if (m->drain.at == now)
    m->ambiguous = 1, m->why = "a clock and the drain at once";
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
    m->ambiguous = 1, m->why = "two wall times at once";
  for (int i = m->first; i < m->njobs; i++) {
    mjob *j = &m->jobs[i];

    if (m_live(j) && (j->hold & H_WALL) && j->run_at <= m->wall)
      m_release(m, j, H_WALL);
  }
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
          (t->at == u->at && (rank(m, j) < rank(m, first) ||
                              (rank(m, j) == rank(m, first) &&
                               t->order < u->order))))
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
      m->ambiguous = 1, m->why = "the drain and a wait at once";
  due_waits(m);
  due_wall(m);
  if (m->drain.at != 0 && m->drain.at <= now)
    drain_is_over(m);
}

void m_set_wall(model *m, uint64_t wall) {
  m->wall = wall;
  m->wall_set = 1;
  due_wall(m);
}

/* ---- becoming runnable ---- */

void m_enqueue(model *m, mjob *j) {
  j->hold = 0;
  j->queued = m->now + 1;
  j->wall_queued = m->wall;
  j->order = ++m->queue_orders;
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
  stop(m, j);
  ask_children(m, j);
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
  j->asked = reason + 1;
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

/* ---- the end ---- */

void m_expire(model *m, mjob *j) {
  int at = 0;

  while (m->ended[at] != j)
    at++;
  for (m->nended--; at < m->nended; at++)
    m->ended[at] = m->ended[at + 1];
  j->known = 0;
  m_disarm(j, T_EXPIRE);
  j->gone = m->now;
  m->gone[m->ngone++] = j->number;
  m->stats.expired++;
}

static uint32_t retained_of(const model *m, int state, mjob **oldest) {
  uint32_t n = 0;

  *oldest = NULL;
  for (int i = 0; i < m->nended; i++) {
    if (state >= 0 && m->ended[i]->state != state)
      continue;
    if (n++ == 0)
      *oldest = m->ended[i];
  }
  return n;
}

static void retain(model *m, mjob *j) {
  uint32_t cap = m->options.max_of[j->state - JOBSRV_STATE_COMPLETED];
  mjob *oldest;

  m->ended[m->nended++] = j;
  if (cap != 0 && retained_of(m, j->state, &oldest) > cap)
    m_expire(m, oldest);
  if (retained_of(m, -1, &oldest) > m->options.max_retained)
    m_expire(m, oldest);
}

static uint64_t retention(const model *m, const mjob *j) {
  static const mop none;
  const mop *op = j->spec.op >= 0 ? &m->ops[j->spec.op] : &none;
  const moptions *o = &m->options;
  uint64_t own = j->state == JOBSRV_STATE_FAILED      ? op->retain_failed
                 : j->state == JOBSRV_STATE_CANCELLED ? op->retain_cancelled
                                                      : 0;
  uint64_t all = j->state == JOBSRV_STATE_FAILED      ? o->retain_failed
                 : j->state == JOBSRV_STATE_CANCELLED ? o->retain_cancelled
                                                      : 0;

  if (j->spec.retain != 0)
    return j->spec.retain;
  if (own != 0 || op->retain != 0)
    return own != 0 ? own : op->retain;
  return all != 0 ? all : o->retain;
}

static int waits_for_one(const mjob *j, const mjob *of) {
  (void) of;
  return (j->hold & (H_AFTER | H_REPLACE)) != 0;
}

/* Those that waited for it. */
static void tell_others(model *m, mjob *j) {
  mjob *all[MODEL_LIVE];
  int n = m_several(m, all, waits_for_one, NULL);

  for (int i = 0; i < n; i++) {
    mjob *o = all[i];
    int pending = 0, failed = 0;

    if (!m_live(o) || o->swept)
      continue;
    for (int k = 0; k < 3; k++)
      if (o->replaces[k] == j)
        o->replaces[k] = NULL;
    if ((o->hold & H_REPLACE) && o->replaces[0] == NULL &&
        o->replaces[1] == NULL && o->replaces[2] == NULL)
      m_release(m, o, H_REPLACE);
    if (!(o->hold & H_AFTER))
      continue;
    for (size_t k = 0; k < o->spec.nafter; k++) {
      pending += !m_terminal(o->spec.after[k]->state);
      failed += m_terminal(o->spec.after[k]->state) &&
                o->spec.after[k]->state != JOBSRV_STATE_COMPLETED;
    }
    if (failed > 0 && !o->spec.any_end)
      m_end(m, o, JOBSRV_STATE_FAILED, "dependency_failed", 0);
    else if (pending == 0)
      m_release(m, o, H_AFTER);
  }
}

void m_end(model *m, mjob *j, int outcome, const char *code, int retryable) {
  for (int kind = 0; kind < T_MAX; kind++)
    m_disarm(j, (mtimer_kind) kind);
  j->hold = 0;
  j->run_at = 0;
  j->code = code;
  j->retryable = retryable;
  j->finished = m->now + 1;
  j->wall_finished = m->wall;
  j->end_order = ++m->end_orders;
  j->prompt = 0;
  m_move(m, j, outcome);
  m->stats.completed += outcome == JOBSRV_STATE_COMPLETED;
  m->stats.failed += outcome == JOBSRV_STATE_FAILED;
  m->stats.cancelled += outcome == JOBSRV_STATE_CANCELLED;
  retain(m, j);
  if (outcome != JOBSRV_STATE_COMPLETED || j->asked != 0 ||
      j->attempt_asked != 0)
    ask_children(m, j);
  if (!m->closed)
    tell_others(m, j);
  /* What ends with it is due at the same time, and armed first. */
  if (j->known)
    m_arm(m, j, T_EXPIRE, m_later(m->now, retention(m, j)));
}
