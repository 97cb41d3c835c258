/* SPDX-License-Identifier: MIT */

#include "core/model-world.h"

/* Steps on many jobs at once: waits, lists, the drain. */

static int is_at_hand(const mjob *j) {
  return j->known || j->held > 0;
}

/* ---- waits ---- */

static void on_wait(jobsrv_wait_t *wait, int status, jobsrv_job_t *job) {
  mwait *u = wait->data;

  u->seen_calls++;
  u->seen_status = status;
  u->seen_by = job == NULL ? NULL : jobsrv_job_data(job);
}

static void begin_wait(world *w, mwait *u) {
  jobsrv_job_t *jobs[MODEL_WAITED];
  uint64_t timeout = draw_ms(w);
  size_t ended = 0;
  int in_use = u->in_use, got;
  mwait fresh = { 0 };

  fresh.n = below(w, MODEL_WAITED + 1);
  fresh.what = (int) below(w, 2);
  if (one_in(w, 4))
    timeout = one_in(w, 2) ? 0 : UINT64_MAX;
  for (size_t i = 0; i < fresh.n; i++) {
    mjob *j = pick(w, is_at_hand);

    if (j == NULL)
      return;
    fresh.jobs[i] = j;
    jobs[i] = j->job;
    ended += m_terminal(j->state) != 0;
  }
  say(w, "wait for %s of", fresh.what == JOBSRV_WAIT_ALL ? "all" : "any");
  for (size_t i = 0; i < fresh.n; i++)
    say(w, " %d", fresh.jobs[i]->number);
  say(w, ", %lld", (long long) timeout);
  if (!in_use) {
    *u = fresh;
    u->wait.data = u;
  }
  got = jobsrv_wait(w->srv, &u->wait, (jobsrv_wait_for_t) fresh.what, jobs,
                    fresh.n, timeout, on_wait);
  want_code(w, "wait", got, in_use ? JOBSRV_ESETTLED : 0);
  if (in_use)
    return;
  u->in_use = 1;
  u->settled_at_call =
      u->what == JOBSRV_WAIT_ALL ? ended == u->n : ended > 0;
  u->timer.order = ++w->m.orders;
  u->timer.at = m_later(w->m.now, timeout);
  if (u->timer.at == UINT64_MAX)
    u->timer.at = 0;
  if (timeout == 0) { /* it looks now, and tells later */
    m_settle_waits(&w->m);
    m_time_out(&w->m, u);
  }
}

void step_wait(world *w) {
  mwait *u = &w->m.waits[below(w, MODEL_WAITS)];

  if (u->in_use && one_in(w, 2)) {
    say(w, "take wait %d back", (int) (u - w->m.waits));
    jobsrv_wait_cancel(&u->wait);
    u->in_use = 0;
    return;
  }
  say(w, "[%d] ", (int) (u - w->m.waits));
  begin_wait(w, u);
  world_settle(w);
}

/* ---- lists ---- */

typedef struct {
  jobsrv_filter_t filter;
  int op, tag, any_tag, principal;
} filter;

static void draw_filter(world *w, filter *f) {
  memset(f, 0, sizeof(*f));
  jobsrv_filter_init(&f->filter);
  f->op = -1;
  if (one_in(w, 2))
    f->filter.states = (uint32_t) (1 + below(w, 255));
  if (one_in(w, 3))
    f->op = (int) below(w, MODEL_OPS);
  if (one_in(w, 3))
    f->tag = (int) below(w, 4);
  f->any_tag = f->tag == 0 && one_in(w, 4);
  if (one_in(w, 4))
    f->principal = (int) below(w, 4);
  f->filter.public_only = one_in(w, 3);
  f->filter.operation = f->op >= 0 ? model_ops[f->op] : NULL;
  f->filter.tag_key = f->tag != 0 || f->any_tag ? "t" : NULL;
  f->filter.tag_value = model_values[f->tag];
  f->filter.principal = model_values[f->principal];
  say(w, " states=%x op=%d tag=%d any=%d principal=%d public=%d",
      f->filter.states, f->op, f->tag, f->any_tag, f->principal,
      f->filter.public_only);
}

static int matches(const filter *f, const mjob *j) {
  const mspec *s = &j->spec;

  return j->known &&
         (f->filter.states == 0 || (f->filter.states >> j->state & 1)) &&
         (f->op < 0 || s->op == f->op) && (f->tag == 0 || s->tag == f->tag) &&
         (!f->any_tag || s->tag != 0) &&
         (f->principal == 0 || s->principal == f->principal) &&
         (!f->filter.public_only || !s->is_private);
}

/* Page by page; what goes meanwhile is the caller's step of later. */
void step_list(world *w) {
  jobsrv_job_t *jobs[8];
  jobsrv_page_t page = { 0 };
  size_t max = (size_t) (1 + below(w, 8)), n;
  int i = w->m.njobs;
  filter f;

  say(w, "list");
  draw_filter(w, &f);
  do {
    n = jobsrv_list(w->srv, &f.filter, &page, jobs, max);
    for (size_t at = 0; at < n; at++) {
      do
        i--;
      while (i >= w->m.first && !matches(&f, &w->m.jobs[i]));
      if (i < w->m.first || w->m.jobs[i].job != jobs[at]) {
        differ(w, "a list has another job where job %d was due", i);
        return;
      }
    }
    if (n == 0 && page.number != 0)
      differ(w, "a list gives none and goes on");
    if (n < max && page.number != 0)
      differ(w, "a list gives %d of %d and goes on", (int) n, (int) max);
  } while (page.number != 0);
  while (--i >= w->m.first)
    if (matches(&f, &w->m.jobs[i]))
      differ(w, "a list leaves out job %d", i);
}

/*
 * One that the end of another brings into what matches, or out of it, may be
 * asked or not; what matches before and after is.
 */
void step_cancel_all(world *w) {
  mjob *all[MODEL_LIVE];
  char matched[MODEL_LIVE];
  size_t got, want = 0;
  filter f;
  int n;

  say(w, "cancel all");
  draw_filter(w, &f);
  got = jobsrv_cancel_all(w->srv, &f.filter, NULL);
  say(w, " -> %d", (int) got);
  n = m_several(&w->m, all, NULL, NULL);
  for (int i = 0; i < n; i++)
    matched[i] = (char) matches(&f, all[i]);
  for (int i = 0; i < n; i++)
    if ((matched[i] || matches(&f, all[i])) && m_is_asked(&w->m, all[i]))
      want += m_cancel(&w->m, all[i], JOBSRV_REASON_REQUESTED) == 0;
  for (int i = 0; i < n; i++)
    w->m.crossed |= all[i]->spec.parent != NULL || all[i]->spec.nafter > 0;
  if (got != want)
    differ(w, "cancel_all asked %d, due were %d", (int) got, (int) want);
  for (int i = 0; i < n; i++)
    if (matched[i] && matches(&f, all[i]) && m_live(all[i]) &&
        all[i]->cancellable && all[i]->asked == 0)
      differ(w, "cancel_all left out job %d", all[i]->number);
}

void step_find_unique(world *w) {
  int op = (int) below(w, MODEL_OPS), key = (int) (1 + below(w, 3)), got;
  mjob *holder = m_holder(&w->m, op, key);
  jobsrv_job_t *found = NULL;

  say(w, "find the holder of %s in %s", model_keys[key], model_ops[op]);
  got = jobsrv_find_unique(w->srv, model_ops[op], model_keys[key], &found);
  want_code(w, "find_unique", got, holder != NULL ? 0 : JOBSRV_ENOJOB);
  if (holder != NULL && found != holder->job)
    differ(w, "another than job %d holds the key", holder->number);
}

/* ---- the drain ---- */

static void on_drained(jobsrv_t *srv, void *data) {
  world *w = data;

  (void) srv;
  w->seen_drained++;
  w->activity++;
}

void step_drain(world *w) {
  uint64_t deadline = draw_ms(w);
  int got;

  /* Near the end of an episode, or again. */
  if (w->step < 200 && !w->m.draining)
    return;
  say(w, "drain %d", (int) deadline);
  got = jobsrv_drain(w->srv, deadline, on_drained, w);
  want_code(w, "drain", got, w->m.drained ? JOBSRV_ESETTLED : 0);
  if (w->m.drained)
    return;
  w->asked_to_drain = 1;
  m_drain(&w->m, deadline);
}
