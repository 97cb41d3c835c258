/* SPDX-License-Identifier: MIT */

#include "core/model-world.h"

/* Steps on jobs that are there, and how often each is taken. */

static int is_at_hand(const mjob *j) {
  return j->known || j->held > 0;
}

static mjob *mostly(world *w, pick_cb cb) {
  mjob *j = pick(w, one_in(w, 8) ? is_at_hand : cb);

  return j != NULL ? j : pick(w, is_at_hand);
}

static void result_of(world *w, int got) {
  say(w, " -> %s", got == 0 ? "ok" : jobsrv_err_name(got));
}

/* What a call that finishes the work is to give. */
static int may_finish(world *w, mjob *j, int got) {
  if (j->state == JOBSRV_STATE_RUNNING)
    return 0;
  if (m_terminal(j->state) || j->state == JOBSRV_STATE_RETRYING ||
      j->state == JOBSRV_STATE_SCHEDULED || j->state == JOBSRV_STATE_QUEUED) {
    /* It has been finished before, or never begun: both can be said. */
    if (m_terminal(j->state) && j->abandoned) {
      j->late = 1;
      w->m.stats.late++;
      return JOBSRV_ESETTLED;
    }
    return got == JOBSRV_ESETTLED ? got : JOBSRV_ESTATE;
  }
  return JOBSRV_ESTATE;
}

void step_finish(world *w) {
  static const char *const words[] = { "complete", "fail", "fail for good",
                                       "retry after", "snooze" };
  mjob *j = mostly(w, is_running);
  mgo how = (mgo) below(w, has(w, F_RETRY) ? 5 : 2);
  uint64_t delay = one_in(w, 8) ? 0 : draw_ms(w);
  int got, want;

  if (j == NULL)
    return;
  if (j->late) /* has been late before */
    return;
  if (how == GO_SNOOZE && j->spec.op < 0)
    how = GO_COMPLETE;
  if (how == GO_SNOOZE && w->m.draining)
    how = GO_FAIL;
  say(w, "%s job %d, %d", words[how], j->number, (int) delay);
  switch (how) {
    case GO_COMPLETE: got = jobsrv_job_complete(j->job, "7", 1); break;
    case GO_FAIL: got = jobsrv_job_fail(j->job, "lost", "it"); break;
    case GO_PERMANENT:
      got = jobsrv_job_fail_permanently(j->job, "lost", NULL);
      break;
    case GO_AFTER:
      got = jobsrv_job_retry_after(j->job, delay, "lost", NULL);
      break;
    default: got = jobsrv_job_snooze(j->job, delay); break;
  }
  result_of(w, got);
  want = may_finish(w, j, got);
  want_code(w, "finishing", got, want);
  if (want == 0)
    m_let_go(&w->m, j, how, "lost", delay);
}

static void step_cancel(world *w) {
  static const jobsrv_reason_code_t codes[] = {
    JOBSRV_REASON_REQUESTED, JOBSRV_REASON_REQUESTED, JOBSRV_REASON_REPLACED,
    JOBSRV_REASON_SHUTDOWN
  };
  mjob *j = mostly(w, is_live);
  jobsrv_reason_t reason = { codes[below(w, 4)], NULL, "me" };
  int got, want;

  if (j == NULL)
    return;
  say(w, "cancel job %d, %s", j->number, jobsrv_reason_name(reason.code));
  got = jobsrv_job_cancel(j->job, reason.code == JOBSRV_REASON_REQUESTED
                                      ? NULL : &reason);
  result_of(w, got);
  want = m_cancel(&w->m, j, (int) reason.code);
  if (want == JOBSRV_ESETTLED && got == JOBSRV_ENOTCANCELLABLE &&
      !j->cancellable)
    return; /* both are so */
  want_code(w, "cancel", got, want);
}

static void step_cancellable(world *w) {
  mjob *j = pick(w, is_live);
  int yes = one_in(w, 2);

  if (j == NULL)
    return;
  say(w, "job %d is%s cancellable", j->number, yes ? "" : " not");
  jobsrv_job_cancellable(j->job, yes);
  j->cancellable = yes;
}

static void step_narrate(world *w) {
  mjob *j = mostly(w, is_live);
  jobsrv_progress_t progress = { .done = 1, .total = 2 };
  int words = one_in(w, 2), got, ended;

  if (j == NULL)
    return;
  ended = m_terminal(j->state);
  say(w, "%s job %d", words ? "narrate" : "progress of", j->number);
  got = words ? jobsrv_narrate(j->job, "say", "word")
              : jobsrv_progress(j->job, &progress);
  want_code(w, "narrating", got, ended ? JOBSRV_EENDED : 0);
  if (ended)
    return;
  m_heartbeat(&w->m, j);
  if (words) {
    j->seq++;
    w->m.stats.events++;
  }
}

static void step_tick(world *w) {
  uint64_t next = m_next(&w->m), to;

  switch (below(w, 4)) {
    case 0:
      to = next == UINT64_MAX ? w->m.now + 1 : next;
      break;
    case 1:
      to = next == UINT64_MAX || next <= w->m.now + 1 ? w->m.now + 1
                                                      : next - 1;
      break;
    case 2: to = w->m.now + 1 + below(w, 1000); break;
    default: to = w->m.now + 1 + below(w, 50000); break;
  }
  say(w, "tick %d", (int) (to - w->m.now));
  world_advance(w, to);
}

static void step_wall(world *w) {
  uint64_t span = draw_ms(w), to = w->m.wall;

  if (!one_in(w, 6))
    return;
  to = one_in(w, 2) ? to + span : to - span;
  say(w, "wall %+d", (int) (to - w->m.wall));
  world_settle(w); /* setting it looks for what is due */
  jobsrv_manual_clock_set_wall(&w->clock, to * 1000000);
  m_set_wall(&w->m, to);
}

static void step_hold(world *w) {
  mjob *j = pick(w, is_at_hand);

  if (j == NULL)
    return;
  if (j->held == 0) {
    say(w, "hold job %d", j->number);
    j->held = 1;
    jobsrv_job_ref(j->job);
  } else {
    say(w, "let job %d go", j->number);
    j->held = 0;
    jobsrv_job_unref(j->job);
  }
}

void step_watch(world *w) {
  mjob *j = mostly(w, is_live);

  if (j == NULL || !j->known)
    return;
  if (j->watchers > 0 && one_in(w, 2)) {
    say(w, "unwatch job %d", j->number);
    jobsrv_job_unwatch(j->job);
    m_unwatch(&w->m, j);
  } else {
    say(w, "watch job %d", j->number);
    jobsrv_job_watch(j->job);
    m_watch(&w->m, j);
  }
}

/* ---- questions and answers ---- */

void step_suspend(world *w) {
  static const char *const prompts[] = { NULL, "1", "2" };
  mjob *j = mostly(w, is_running);
  int prompt = (int) below(w, 3), want = JOBSRV_ESTATE, got;

  if (j == NULL || w->m.draining)
    return;
  if (j->state == JOBSRV_STATE_RUNNING)
    want = j->asked != 0 || j->attempt_asked != 0 ? JOBSRV_CANCELLED : 0;
  say(w, "suspend job %d, %d", j->number, prompt);
  got = jobsrv_job_suspend(j->job, prompts[prompt], prompt > 0);
  result_of(w, got);
  want_code(w, "suspend", got, want);
  if (want == 0)
    m_suspend(&w->m, j, prompt);
}

static int is_suspended(const mjob *j) {
  return j->known && j->state == JOBSRV_STATE_SUSPENDED;
}

void step_answer(world *w) {
  static const char *const answers[] = { NULL, "1", "2" };
  mjob *j = mostly(w, is_suspended);
  int answer = (int) below(w, 3), got, want;

  if (j == NULL)
    return;
  want = j->state == JOBSRV_STATE_SUSPENDED ? 0 : JOBSRV_ESTATE;
  say(w, "answer job %d, %d", j->number, answer);
  got = jobsrv_job_answer(j->job, answers[answer], answer > 0);
  result_of(w, got);
  want_code(w, "answer", got, want);
  if (want == 0)
    m_answer(&w->m, j, answer);
}

void step_checkpoint(world *w) {
  static const char *const points[] = { NULL, "1", "2", "3" };
  mjob *j = mostly(w, is_running);
  int point = (int) (1 + below(w, 3)), got;

  if (j == NULL)
    return;
  say(w, "checkpoint of job %d, %d", j->number, point);
  got = jobsrv_job_checkpoint(j->job, points[point], 1);
  want_code(w, "checkpoint", got,
            j->state == JOBSRV_STATE_RUNNING ? 0 : JOBSRV_ESTATE);
  if (j->state == JOBSRV_STATE_RUNNING)
    j->checkpoint = point;
}

/* ---- changing what has not been started ---- */

static int may_edit(const mjob *j) {
  return j->known && j->asked == 0 && !j->resumed &&
         (j->state == JOBSRV_STATE_SCHEDULED ||
          j->state == JOBSRV_STATE_QUEUED ||
          j->state == JOBSRV_STATE_RETRYING);
}

static void edit_time(model *m, mjob *j, uint64_t run_at) {
  j->spec.run_at = run_at;
  m_disarm(j, T_TIME);
  if (j->state == JOBSRV_STATE_RETRYING) {
    if (run_at <= m->wall)
      m_enqueue(m, j);
    else
      m_arm(m, j, T_RETRY, m->now + (run_at - m->wall));
    return;
  }
  if (run_at > m->wall) {
    j->run_at = run_at;
    j->hold = (j->hold & ~H_TIME) | H_WALL;
    m_disarm(j, T_QUEUE);
    if (j->state != JOBSRV_STATE_SCHEDULED)
      m_move(m, j, JOBSRV_STATE_SCHEDULED);
  } else {
    j->run_at = 0;
    m_release(m, j, H_TIME | H_WALL);
  }
}

static void edit_model(world *w, mjob *j, const mspec *s) {
  model *m = &w->m;

  if (s->priority != 0) {
    int before = j->spec.priority;

    j->spec.priority = s->priority;
    j->order = m_queue_order(m, j);
    m_left_class(m, j->spec.op, before);
  }
  if (s->weight != 0)
    j->spec.weight = s->weight;
  if (s->timeout != 0)
    j->spec.timeout = s->timeout;
  if (s->silence != 0)
    j->spec.silence = s->silence;
  if (s->retain != 0)
    j->spec.retain = s->retain;
  if (s->retry.max != 0)
    j->spec.retry.max = s->retry.max;
  if (s->queue != 0)
    j->spec.queue = s->queue;
  if (s->queue != 0 && j->state == JOBSRV_STATE_QUEUED)
    m_arm(m, j, T_QUEUE, m_later(j->queued - 1, s->queue));
  if (s->deadline != 0) {
    j->spec.deadline = s->deadline;
    m_arm(m, j, T_DEADLINE, m_later(j->created - 1, s->deadline));
  }
  if (s->run_at != 0)
    edit_time(m, j, s->run_at);
}

static void draw_edit(world *w, mjob *j, mspec *s) {
  if (has(w, F_ORDER) && one_in(w, 3)) {
    s->priority = (int) (1 + below(w, 4));
    if (s->priority == j->spec.priority)
      s->priority = 0;
    s->weight = (uint32_t) below(w, 3);
  }
  if (has(w, F_CLOCKS)) {
    s->queue = one_in(w, 4) ? draw_ms(w) : 0;
    s->timeout = one_in(w, 4) ? draw_ms(w) : 0;
    s->deadline = one_in(w, 4) ? draw_ms(w) : 0;
    s->silence = one_in(w, 4) ? draw_ms(w) : 0;
  }
  s->retain = one_in(w, 4) ? draw_ms(w) : 0;
  if (has(w, F_RETRY))
    s->retry.max = one_in(w, 4) ? (uint32_t) (1 + below(w, 5)) : 0;
  if (has(w, F_DELAY) && one_in(w, 3)) {
    s->run_at = w->m.wall + draw_ms(w);
    if (j->state != JOBSRV_STATE_QUEUED && one_in(w, 2))
      s->run_at -= 200001;
  }
}

void step_edit(world *w) {
  mjob *j = mostly(w, may_edit);
  jobsrv_edit_t edit;
  mspec s = { 0 };
  int got, want;

  if (j == NULL)
    return;
  draw_edit(w, j, &s);
  jobsrv_edit_init(&edit);
  edit.priority = s.priority;
  edit.weight = s.weight;
  edit.run_at_wall_ns = s.run_at * 1000000;
  edit.queue_ms = s.queue;
  edit.timeout_ms = s.timeout;
  edit.deadline_ms = s.deadline;
  edit.silence_ms = s.silence;
  edit.retain_ms = s.retain;
  edit.retry.max_attempts = s.retry.max;
  say(w, "edit job %d: priority=%d weight=%d run_at=%+d queue=%d timeout=%d "
      "deadline=%d silence=%d retain=%d retry=%d", j->number, s.priority,
      (int) s.weight, s.run_at == 0 ? 0 : (int) (s.run_at - w->m.wall),
      (int) s.queue, (int) s.timeout, (int) s.deadline, (int) s.silence,
      (int) s.retain, (int) s.retry.max);
  got = jobsrv_job_edit(j->job, &edit, NULL);
  result_of(w, got);
  want = may_edit(j) && !(w->m.draining && s.run_at > w->m.wall)
             ? 0 : JOBSRV_ESTATE;
  want_code(w, "edit", got, want);
  if (want == 0)
    edit_model(w, j, &s);
}

static int waits_to_start(const mjob *j) {
  return may_edit(j) && j->started == 0 && j->spec.nafter < MODEL_AFTER;
}

void step_after(world *w) {
  mjob *j = mostly(w, waits_to_start), *other = pick(w, is_at_hand);
  int got, want = 0;

  if (j == NULL || other == NULL || j->spec.nafter >= MODEL_AFTER ||
      w->m.draining)
    return;
  if (!may_edit(j) || j->started != 0)
    want = JOBSRV_ESTATE;
  else if (m_waits_for(other, j))
    want = JOBSRV_ECYCLE;
  say(w, "job %d after job %d", j->number, other->number);
  got = jobsrv_job_after(j->job, other->job);
  result_of(w, got);
  if (want == JOBSRV_ESTATE && got == JOBSRV_ECYCLE)
    return;
  want_code(w, "after", got, want);
  if (want == 0)
    m_after(&w->m, j, other);
}

/* ---- the table ---- */

static const struct {
  int features;
  unsigned int weight;
  void (*cb)(world *w);
} kinds[] = {
  { 0, 60, step_submit },
  { 0, 12, step_begin },
  { 0, 4, step_refused },
  { 0, 70, step_finish },
  { 0, 20, step_cancel },
  { 0, 4, step_cancellable },
  { 0, 10, step_narrate },
  { 0, 60, step_tick },
  { 0, 10, step_hold },
  { F_WALL, 6, step_wall },
  { F_WATCH, 24, step_watch },
  { F_SUSPEND, 16, step_suspend },
  { F_SUSPEND, 16, step_answer },
  { F_RETRY, 8, step_checkpoint },
  { F_EDIT, 24, step_edit },
  { F_AFTER, 12, step_after },
  { F_PARENT, 6, step_token },
  { F_WAIT, 16, step_wait },
  { F_LIST, 10, step_list },
  { F_LIST, 3, step_cancel_all },
  { F_UNIQUE, 6, step_find_unique },
  { F_DRAIN, 1, step_drain },
};

enum { NKINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void take(world *w) {
  unsigned int sum = 0, at;
  size_t i = 0;

  for (i = 0; i < NKINDS; i++)
    sum += (kinds[i].features & ~w->m.features) == 0 ? kinds[i].weight : 0;
  at = (unsigned int) below(w, sum);
  for (i = 0;; i++) {
    if ((kinds[i].features & ~w->m.features) != 0)
      continue;
    if (at < kinds[i].weight)
      break;
    at -= kinds[i].weight;
  }
  if (w->m.draining && kinds[i].cb == step_submit && one_in(w, 2))
    step_tick(w);
  else
    kinds[i].cb(w);
}

void world_step(world *w, uint64_t number) {
  char *line = w->lines[w->nlines % WORLD_LINES];
  int settled;

  line[0] = '\0';
  w->draw = number;
  world_mark(w);
  say(w, "%d at %d: ", w->step, (int) w->m.now);
  take(w);
  m_retain(&w->m);
  settled = !has(w, F_BURST) || !one_in(w, 3);
  if (!settled) {
    say(w, "  (same turn)");
  } else if (!w->m.ambiguous && w->fault[0] == '\0') {
    world_settle(w);
    world_compare(w);
  }
  if (w->fault[0] == '\0' && !w->m.ambiguous && settled) {
    w->m.ntrail = w->nseen = 0;
    w->m.crossed = 0;
    w->seen_states = w->seen_ends = 0;
    jobsrv_capture_clear(w->capture);
  }
  w->nlines++;
  w->step++;
}
