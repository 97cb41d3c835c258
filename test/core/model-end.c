/* SPDX-License-Identifier: MIT */

#include "core/model.h"

/* The end, who is told of it, and what is forgotten when. */

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

static int seen_to_end(const model *m, const mjob *j) {
  int i = 0;

  while (i < *m->nseen &&
         (m->seen[i].job != j || !m_terminal(m->seen[i].to)))
    i++;
  return i;
}

/*
 * What ended together is as old as each other: it counts as retained in the
 * order in which the library ended it.
 */
void m_retain(model *m) {
  while (m->nfresh > 0) {
    int first = 0;
    mjob *j;

    for (int i = 1; i < m->nfresh; i++)
      if (seen_to_end(m, m->fresh[i]) < seen_to_end(m, m->fresh[first]))
        first = i;
    j = m->fresh[first];
    for (m->nfresh--; first < m->nfresh; first++)
      m->fresh[first] = m->fresh[first + 1];
    retain(m, j);
  }
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

static void tell_one(model *m, mjob *o) {
  const mjob *parent = o->spec.parent;
  int pending = 0, failed = 0;

  o->told = m->turns;
  if (parent != NULL && (parent->asked_in == m->turns ||
                         parent->ended_in == m->turns))
    m->crossed = 1;

  if ((o->hold & H_REPLACE) && o->replaces[0] == NULL &&
      o->replaces[1] == NULL && o->replaces[2] == NULL)
    m_release(m, o, H_REPLACE);
  if (!(o->hold & H_AFTER))
    return;
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

static int waits(const mjob *j) {
  return (j->hold & (H_AFTER | H_REPLACE)) != 0;
}

static int has_to_do(const mjob *j, const mjob *with) {
  return waits(j) || j->spec.parent == with;
}

/* Told that what it waits for has ended, or asked to stop as its child. */
static void end_other(model *m, mjob *j, mjob *o, int children) {
  int child = children && o->spec.parent == j, asked = m_is_asked(m, o);

  for (int k = 0; k < 3; k++)
    if (o->replaces[k] == j)
      o->replaces[k] = NULL;
  if (!m_live(o))
    return;
  if (waits(o) && !asked)
    tell_one(m, o);
  if (child && m_live(o))
    m_ask(m, o, JOBSRV_REASON_PARENT);
}

/*
 * Those that waited for it and its children. Which comes first is not said,
 * and makes a difference to one that has to do with another: it is as the
 * library has it.
 */
static void end_others(model *m, mjob *j, int children) {
  mjob *all[MODEL_LIVE];
  int n = m_several(m, all, has_to_do, j);

  while (n > 0) {
    int first = 0;
    mjob *o;

    for (int i = 1; i < n; i++)
      if (m_told_next(m, all[i]) < m_told_next(m, all[first]))
        first = i;
    o = all[first];
    for (n--; first < n; first++)
      all[first] = all[first + 1];
    end_other(m, j, o, children);
  }
}

void m_end(model *m, mjob *j, int outcome, const char *code, int retryable) {
  for (int kind = 0; kind < T_MAX; kind++)
    m_disarm(j, (mtimer_kind) kind);
  j->hold = 0;
  j->run_at = 0;
  j->code = code;
  j->retryable = retryable;
  m_cross(m, j);
  j->ended_in = m->turns;
  j->finished = m->now + 1;
  j->wall_finished = m->wall;
  j->end_order = ++m->end_orders;
  j->prompt = 0;
  m_move(m, j, outcome);
  m->stats.completed += outcome == JOBSRV_STATE_COMPLETED;
  m->stats.failed += outcome == JOBSRV_STATE_FAILED;
  m->stats.cancelled += outcome == JOBSRV_STATE_CANCELLED;
  m->fresh[m->nfresh++] = j;
  end_others(m, j, outcome != JOBSRV_STATE_COMPLETED || j->asked != 0 ||
                       j->attempt_asked != 0);
  m_arm(m, j, T_EXPIRE, m_later(m->now, retention(m, j)));
}
