/* SPDX-License-Identifier: MIT */

#include "core/model-world.h"

#include <stdio.h>

/* What the library shows against what the model holds. */

static uint64_t ns(uint64_t ms) {
  return ms * 1000000;
}

static void same(world *w, const mjob *j, const char *what, uint64_t got,
                 uint64_t want) {
  if (got != want)
    differ(w, "job %d (%s): %s is %llu, due was %llu", j->number,
           jobsrv_state_name((jobsrv_state_t) j->state), what,
           (unsigned long long) got, (unsigned long long) want);
}

static uint64_t wall_of(const world *w, const mjob *j, mtimer_kind kind) {
  uint64_t at = j->timers[kind].at;

  return at == 0 ? 0 : ns(w->m.wall + at - w->m.now);
}

static void check_times(world *w, const mjob *j, const jobsrv_job_info_t *i) {
  uint64_t until = j->finished != 0 ? j->finished - 1 : w->m.now;

  same(w, j, "created", i->created_wall_ns, ns(j->wall_created));
  same(w, j, "started", i->started_wall_ns, ns(j->wall_started));
  same(w, j, "finished", i->finished_wall_ns, ns(j->wall_finished));
  if (has(w, F_INFO))
    same(w, j, "queued", i->queued_wall_ns, ns(j->wall_queued));
  same(w, j, "duration", i->duration_ns,
       j->started == 0 ? 0 : ns(until - (j->started - 1)));
  if (w->m.wall_set)
    return;
  if (j->run_at != 0 || j->hold == 0) /* one that has been may be told */
    same(w, j, "run_at", i->run_at_wall_ns, ns(j->run_at));
  same(w, j, "next_attempt", i->next_attempt_wall_ns, wall_of(w, j, T_RETRY));
  same(w, j, "expires", i->expires_wall_ns, wall_of(w, j, T_EXPIRE));
}

static void check_reason(world *w, const mjob *j, const jobsrv_job_info_t *i) {
  const char *code = i->error_code;
  const char *want = j->state == JOBSRV_STATE_FAILED ||
                             j->state == JOBSRV_STATE_RETRYING
                         ? j->code : NULL;
  int reason = i->cancel_reason == NULL ? 0 : (int) i->cancel_reason->code + 1;

  if (j->asked == 0 && (j->attempt_asked != 0 || want != NULL)) {
    /* A clock may be told as the reason, too. */
    if (reason != 0 && reason != j->attempt_asked &&
        (want == NULL || strcmp(want, jobsrv_reason_name(reason - 1)) != 0))
      same(w, j, "a clock's reason", (uint64_t) reason,
           (uint64_t) j->attempt_asked);
  } else {
    same(w, j, "the reason", (uint64_t) reason, (uint64_t) j->asked);
  }
  if (want != NULL && want[0] == '?') {
    if (code == NULL)
      differ(w, "job %d failed without a code", j->number);
  } else if (want != NULL && code != NULL ? strcmp(want, code) != 0
                                          : want != code) {
    differ(w, "job %d (%s): the error is %s, due was %s", j->number,
           jobsrv_state_name((jobsrv_state_t) j->state),
           code == NULL ? "none" : code, want == NULL ? "none" : want);
  }
  if (has(w, F_RETRY) && want != NULL && j->retryable >= 0)
    same(w, j, "retryable", (uint64_t) i->error_retryable,
         (uint64_t) j->retryable);
}

static int text_is(const char *text, const char *want) {
  return text == NULL || want == NULL ? text == want : strcmp(text, want) == 0;
}

static void check_texts(world *w, const mjob *j, const jobsrv_job_info_t *i) {
  if (!text_is(i->group, model_groups[j->spec.group]))
    differ(w, "job %d is of group %s", j->number, i->group);
  if (!text_is(i->unique_key, model_keys[j->spec.key]))
    differ(w, "job %d has the key %s", j->number, i->unique_key);
  if (!text_is(i->principal, model_values[j->spec.principal]))
    differ(w, "job %d belongs to %s", j->number, i->principal);
  if (i->ntags != (j->spec.tag != 0) ||
      (i->ntags == 1 && (!text_is(i->tags[0].key, "t") ||
                         !text_is(i->tags[0].value,
                                  model_values[j->spec.tag]))))
    differ(w, "job %d has other tags", j->number);
  if (j->prompt == 0 ? i->prompt != NULL
                     : i->prompt == NULL || i->prompt_len != 1 ||
                           i->prompt[0] != '0' + j->prompt)
    differ(w, "job %d has the prompt %s", j->number, i->prompt);
}

/* What the attempt can see of those before, and of answers. */
static void check_inputs(world *w, const mjob *j) {
  const char *text;

  if (j->state != JOBSRV_STATE_RUNNING)
    return;
  text = jobsrv_job_last_checkpoint(j->job, NULL);
  same(w, j, "the checkpoint", text == NULL ? 0 : (uint64_t) (*text - '0'),
       (uint64_t) j->checkpoint_seen);
  text = jobsrv_job_input(j->job, NULL);
  same(w, j, "the input", text == NULL ? 0 : (uint64_t) (*text - '0'),
       (uint64_t) j->input);
  same(w, j, "attempt", jobsrv_job_attempt(j->job), j->attempt);
}

void check_job(world *w, mjob *j) {
  jobsrv_job_info_t i = { .size = sizeof(i) };

  if (j->job == NULL) {
    differ(w, "job %d was never seen", j->number);
    return;
  }
  jobsrv_job_info(j->job, &i);
  same(w, j, "state", (uint64_t) i.state, (uint64_t) j->state);
  same(w, j, "transitions", j->seen.n, j->want.n);
  if (j->seen.hash != j->want.hash)
    differ(w, "job %d made other transitions", j->number);
  if (j->state != JOBSRV_STATE_RETRYING || !j->snoozed)
    same(w, j, "attempt", i.attempt, j->attempt);
  if (has(w, F_INFO))
    same(w, j, "max_attempts", i.max_attempts, j->spec.retry.max);
  check_reason(w, j, &i);
  check_times(w, j, &i);
  check_texts(w, j, &i);
  if (has(w, F_SUSPEND) || has(w, F_RETRY))
    check_inputs(w, j);
  same(w, j, "last_seq", i.last_seq, j->seq);
  same(w, j, "events", j->seen_seq, j->seq);
  same(w, j, "queue_position", i.queue_position,
       j->state == JOBSRV_STATE_QUEUED ? m_position(&w->m, j) : 0);
  if (has(w, F_INFO | F_ORDER)) {
    same(w, j, "priority", (uint64_t) i.priority, (uint64_t) j->spec.priority);
    same(w, j, "weight", i.weight, j->spec.weight);
    same(w, j, "watchers", i.watchers, j->watchers);
  }
  same(w, j, "abandoned", (uint64_t) i.abandoned, (uint64_t) j->abandoned);
  if (m_live(j))
    same(w, j, "cancellable", (uint64_t) i.cancellable,
         (uint64_t) j->cancellable);
  same(w, j, "private", (uint64_t) i.is_private, (uint64_t) j->spec.is_private);
  if (jobsrv_job_cancelled(j->job) !=
          (j->asked != 0 || j->attempt_asked != 0) &&
      !m_terminal(j->state))
    differ(w, "job %d says cancelled %d", j->number,
           jobsrv_job_cancelled(j->job));
  same(w, j, "releases", (uint64_t) j->released, 0);
  if (has(w, F_PARENT) && (j->spec.parent == NULL || j->spec.parent->known))
    if (jobsrv_job_parent(j->job) !=
        (j->spec.parent == NULL ? NULL : j->spec.parent->job))
      differ(w, "job %d has another parent", j->number);
}

/* By id, by handle, and that what went is told apart from what never was. */
static void check_found(world *w, const mjob *j) {
  jobsrv_job_t *found = NULL;

  want_code(w, "find", jobsrv_find(w->srv, j->id, &found), 0);
  if (found != j->job)
    differ(w, "job %d's id finds another", j->number);
  if (jobsrv_job_by_handle(w->srv, j->handle) != j->job)
    differ(w, "job %d's handle gives another", j->number);
}

/* A wait holds on to its jobs, a job to its parent and to what it is after. */
static int may_be_referenced(const world *w, const mjob *j) {
  for (int i = 0; i < MODEL_WAITS; i++)
    for (size_t k = 0; w->m.waits[i].in_use && k < w->m.waits[i].n; k++)
      if (w->m.waits[i].jobs[k] == j)
        return 1;
  for (int i = 0; i < w->m.njobs; i++) {
    const mjob *o = &w->m.jobs[i];

    if (o->released != 0)
      continue; /* what has gone altogether holds nobody */
    if (o->spec.parent == j)
      return 1;
    for (size_t k = 0; k < o->spec.nafter; k++)
      if (o->spec.after[k] == j)
        return 1;
  }
  return 0;
}

/* Of those that went at one time, any may have been first. */
static void check_gone_one(world *w, int at) {
  const mjob *j = &w->m.jobs[w->m.gone[at]];
  uint32_t later = 0, same = 0, max = w->m.options.max_expired;
  jobsrv_job_t *found = NULL;
  int got = jobsrv_find(w->srv, j->id, &found);

  for (int i = 0; i < w->m.ngone; i++) {
    later += w->m.jobs[w->m.gone[i]].gone > j->gone;
    same += w->m.jobs[w->m.gone[i]].gone == j->gone;
  }
  if (got != JOBSRV_EEXPIRED && (got != JOBSRV_ENOJOB || later + same <= max))
    differ(w, "finding job %d, gone %d ago, gave %d", j->number,
           w->m.ngone - at, got);
  if (got == JOBSRV_EEXPIRED && later >= max)
    differ(w, "job %d, gone %d ago, is still told", j->number,
           w->m.ngone - at);
  if (jobsrv_job_by_handle(w->srv, j->handle) != NULL)
    differ(w, "job %d has gone and its handle gives one", j->number);
  if (j->released > 1 || (j->held > 0 && j->released != 0) ||
      (j->held == 0 && j->released == 0 && !may_be_referenced(w, j)))
    differ(w, "job %d has gone: %d references, %d releases", j->number,
           j->held, j->released);
}

void check_gone(world *w) {
  int n = w->m.ngone;

  if (n == 0)
    return;
  check_gone_one(w, n - 1);
  check_gone_one(w, n > 12 ? n - 12 + w->step % 12 : w->step % n);
  check_gone_one(w, w->step % n);
}

/* Newest first, no more and no less. */
void check_list(world *w) {
  jobsrv_job_t *jobs[64];
  jobsrv_page_t page = { 0 };
  size_t n, at = 0;
  int i = w->m.njobs;

  do {
    n = jobsrv_list(w->srv, NULL, &page, jobs, 64);
    for (at = 0; at < n; at++) {
      do
        i--;
      while (i >= w->m.first && !w->m.jobs[i].known);
      if (i < w->m.first || w->m.jobs[i].job != jobs[at]) {
        differ(w, "the list has another job where job %d was due", i);
        return;
      }
    }
  } while (n != 0 && page.number != 0);
  while (--i >= w->m.first)
    if (w->m.jobs[i].known)
      differ(w, "the list leaves out job %d", i);
}

void check_waits(world *w) {
  for (int i = 0; i < MODEL_WAITS; i++) {
    const mwait *u = &w->m.waits[i];
    int known = u->by == NULL;

    if (u->seen_calls != u->calls)
      differ(w, "wait %d was called back %d times, due were %d", i,
             u->seen_calls, u->calls);
    if (u->calls == 0 || u->in_use)
      continue;
    if (u->seen_status != u->status)
      differ(w, "wait %d was told %d, due was %d", i, u->seen_status,
             u->status);
    if (u->status == 0 && u->by == NULL && u->n > 0)
      for (size_t k = 0; k < u->n; k++)
        known += u->jobs[k] == u->seen_by && m_terminal(u->jobs[k]->state);
    if (u->by != NULL && u->seen_by != NULL && u->seen_by != u->by &&
        u->seen_by->finished == u->by->finished)
      continue; /* they ended together */
    if (u->status == 0 && u->by == NULL && u->n > 0 ? known < 2
                                                    : u->seen_by != u->by)
      differ(w, "wait %d was given job %d, due was %d", i,
             u->seen_by == NULL ? -1 : u->seen_by->number,
             u->by == NULL ? -1 : u->by->number);
  }
}

static void count(world *w, const char *what, uint64_t got, uint64_t want) {
  if (got != want)
    differ(w, "%s are %d, due were %d", what, (int) got, (int) want);
}

static void check_stats(world *w) {
  jobsrv_stats_t s = { .size = sizeof(s) };
  const mstats *m = &w->m.stats;
  uint32_t states[JOBSRV_STATE_MAX];

  for (int i = 0; i < JOBSRV_STATE_MAX; i++)
    states[i] = 0;
  for (int i = w->m.first; i < w->m.njobs; i++)
    if (w->m.jobs[i].known)
      states[w->m.jobs[i].state]++;
  jobsrv_stats(w->srv, &s);
  count(w, "stats.created", s.created, m->created);
  count(w, "stats.completed", s.completed, m->completed);
  count(w, "stats.failed", s.failed, m->failed);
  count(w, "stats.cancelled", s.cancelled, m->cancelled);
  count(w, "stats.expired", s.expired, m->expired);
  count(w, "stats.abandoned", s.abandoned, m->abandoned);
  if (has(w, F_INFO))
    count(w, "stats.refused", s.refused, m->refused);
  count(w, "stats.late_finishes", s.late_finishes, m->late);
  count(w, "stats.events", s.events, m->events);
  if (has(w, F_RETRY))
    count(w, "stats.retries", s.retries, m->retries);
  count(w, "stats.dropped", s.dropped, 0);
  count(w, "stats.scheduled", s.scheduled, states[JOBSRV_STATE_SCHEDULED]);
  count(w, "stats.queued", s.queued, states[JOBSRV_STATE_QUEUED]);
  count(w, "stats.running", s.running, states[JOBSRV_STATE_RUNNING]);
  count(w, "stats.retrying", s.retrying, states[JOBSRV_STATE_RETRYING]);
  count(w, "stats.suspended", s.suspended, states[JOBSRV_STATE_SUSPENDED]);
  count(w, "stats.retained", s.retained, (uint32_t) w->m.nended);
  count(w, "stats.live", s.live,
        s.scheduled + s.queued + s.running + s.retrying + s.suspended);
}

/* The sink's and the capture's share of the step, and the order of starts. */
static void check_step(world *w) {
  jobsrv_match_t states = { .has_kind = 1, .kind = JOBSRV_KIND_STATE };
  jobsrv_match_t ends = { .has_kind = 1, .kind = JOBSRV_KIND_END };
  size_t n = 0, e = 0;
  int a = 0, b = 0;

  for (int i = 0; i < w->m.ntrail; i++) {
    int end = m_terminal(w->m.trail[i].to);

    n += !end;
    e += end != 0;
  }
  if (w->m.ntrail < MODEL_TRAIL && w->seen_states + w->seen_ends < 4000) {
    count(w, "states seen by the sink", w->seen_states, n);
    count(w, "ends seen by the sink", w->seen_ends, e);
    count(w, "states captured", jobsrv_capture_count(w->capture, &states), n);
    count(w, "ends captured", jobsrv_capture_count(w->capture, &ends), e);
  }
  for (;;) {
    while (a < w->nseen && (w->seen[a].from == w->seen[a].to ||
                            w->seen[a].to != JOBSRV_STATE_RUNNING))
      a++;
    while (b < w->m.ntrail && (w->m.trail[b].from == w->m.trail[b].to ||
                               w->m.trail[b].to != JOBSRV_STATE_RUNNING))
      b++;
    if (a == w->nseen || b == w->m.ntrail)
      break;
    if (w->seen[a].job != w->m.trail[b].job)
      differ(w, "job %d was started where job %d was due",
             w->seen[a].job->number, w->m.trail[b].job->number);
    a++;
    b++;
  }
}

void world_compare(world *w) {
  if (w->m.ambiguous)
    return;
  check_step(w);
  for (int i = w->m.first; i < w->m.njobs; i++) {
    mjob *j = &w->m.jobs[i];

    if (!j->known)
      continue;
    check_job(w, j);
    if (i % 8 == w->step % 8)
      check_found(w, j);
  }
  check_gone(w);
  if (has(w, F_LIST))
    check_list(w);
  check_waits(w);
  check_stats(w);
  if (w->asked_to_drain && w->m.drained != (w->seen_drained > 0))
    differ(w, "drained %d times, due was %d", w->seen_drained, w->m.drained);
}
