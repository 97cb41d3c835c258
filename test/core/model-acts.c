/* SPDX-License-Identifier: MIT */

#include "core/model.h"

/* What is done to jobs, and with all of them. */

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
  j->order = m_queue_order(m, j);
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
  if (parent != NULL && (m_terminal(parent->state) || parent->asked != 0 ||
                         parent->attempt_asked != 0))
    m_ask(m, j, JOBSRV_REASON_PARENT);
  else if (spec->token != 0 && m->tokens[spec->token] != 0)
    m_ask(m, j, m->tokens[spec->token] - 1);
  else if (failed)
    m_end(m, j, JOBSRV_STATE_FAILED, "dependency_failed", 0);
  /* One that has ended already replaces none. */
  for (int i = 0; i < n && m_live(j); i++)
    m_ask(m, old[i], JOBSRV_REASON_REPLACED);
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

void m_resume(model *m, mjob *j) {
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
    m_resume(m, j);
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
  m_retain(m);
  m_dispatch(m);
  m_retain(m);
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

void m_sweep(model *m, mjob **all, int n, int reason, int abandon) {
  for (int i = 0; i < n; i++) {
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
