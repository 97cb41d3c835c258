/* SPDX-License-Identifier: MIT */

#include "core/model-world.h"

/* Steps that make jobs, or are refused. */

typedef struct {
  jobsrv_spec_t spec;
  jobsrv_job_t *after[MODEL_AFTER];
  jobsrv_tag_t tag;
} call;

static void on_release(void *data) {
  ((mjob *) data)->released++;
}

/* Whose pointer can be handed to the library. */
static int is_at_hand(const mjob *j) {
  return j->known || j->held > 0;
}

/* One that may go into `after`, or be a parent. */
static mjob *pick_other(world *w, int live) {
  mjob *j = pick(w, live ? is_live : is_at_hand);

  return j != NULL && is_at_hand(j) ? j : NULL;
}

static void draw_order(world *w, mspec *s) {
  if (one_in(w, 3))
    s->priority = (int) below(w, 5);
  if (one_in(w, 3))
    s->weight = (uint32_t) below(w, 4);
  if (one_in(w, 8))
    s->group = (int) (1 + below(w, 3));
}

static void draw_clocks(world *w, mspec *s, int begun) {
  if (!begun && one_in(w, 4))
    s->queue = draw_ms(w);
  if (one_in(w, 4))
    s->timeout = draw_ms(w);
  if (one_in(w, 4))
    s->deadline = draw_ms(w);
  if (one_in(w, 4))
    s->silence = draw_ms(w);
}

static void draw_family(world *w, mspec *s, int begun) {
  int n = (int) below(w, 4);

  if (has(w, F_AFTER) && !begun && one_in(w, 4))
    while (n-- > 0 && (s->after[s->nafter] = pick_other(w, n > 0)) != NULL)
      s->nafter++;
  s->any_end = s->nafter > 0 && one_in(w, 3);
  if (!has(w, F_PARENT))
    return;
  if (one_in(w, 5))
    s->parent = pick_other(w, !one_in(w, 8));
  else if (one_in(w, 8))
    s->token = (int) (1 + below(w, MODEL_TOKENS));
}

static void draw_spec(world *w, mspec *s, int begun) {
  memset(s, 0, sizeof(*s));
  s->op = begun ? -1 : (int) below(w, MODEL_OPS);
  if (has(w, F_DELAY) && !begun && one_in(w, 4)) {
    if (one_in(w, 2))
      s->delay = draw_ms(w);
    else
      s->run_at = w->m.wall + draw_ms(w) - (one_in(w, 4) ? 200000 : 0);
  }
  if (has(w, F_ORDER) && !begun)
    draw_order(w, s);
  if (has(w, F_CLOCKS))
    draw_clocks(w, s, begun);
  if (has(w, F_RETRY) && !begun && one_in(w, 2)) {
    s->retry.max = (uint32_t) below(w, 5);
    s->retry.factor = (uint32_t) below(w, 4);
    s->retry.backoff = one_in(w, 2) ? draw_ms(w) : 0;
    s->retry.cap = one_in(w, 3) ? draw_ms(w) : 0;
  }
  draw_family(w, s, begun);
  if (has(w, F_UNIQUE) && !begun && one_in(w, 3)) {
    s->key = (int) (1 + below(w, 3));
    s->conflict = (int) below(w, 3);
  }
  if (has(w, F_WATCH)) {
    s->on_stream = !begun && one_in(w, 6);
    s->start_within = s->on_stream && one_in(w, 2) ? draw_ms(w) : 0;
    s->last_policy = (int) below(w, 3);
    s->last_grace = one_in(w, 2) ? draw_ms(w) : 0;
  }
  if (one_in(w, 4))
    s->retain = draw_ms(w);
  s->is_private = one_in(w, 8);
  s->tag = (int) below(w, 4);
  s->principal = (int) below(w, 4);
  s->stop = (mstop) below(w, 3);
  s->stuck = (int) (one_in(w, 4) ? 12 : below(w, 3));
  if (!begun && one_in(w, 4))
    s->start = (mstart) below(w, 4);
}

/* The spec as the library gets it. */
static void make_call(const mspec *s, mjob *j, world *w, call *c) {
  jobsrv_spec_t *to = &c->spec;

  jobsrv_spec_init(to);
  to->operation = s->op >= 0 ? model_ops[s->op] : NULL;
  to->delay_ms = s->delay;
  to->run_at_wall_ns = s->run_at * 1000000;
  to->start = s->on_stream ? JOBSRV_START_ON_STREAM : JOBSRV_START_NOW;
  to->start_within_ms = s->start_within;
  for (size_t i = 0; i < s->nafter; i++)
    c->after[i] = s->after[i]->job;
  to->after = s->nafter > 0 ? c->after : NULL;
  to->nafter = s->nafter;
  to->after_any_end = s->any_end;
  to->priority = s->priority;
  to->weight = s->weight;
  to->group = model_groups[s->group];
  to->unique_key = model_keys[s->key];
  to->on_conflict = s->conflict;
  to->queue_ms = s->queue;
  to->timeout_ms = s->timeout;
  to->deadline_ms = s->deadline;
  to->silence_ms = s->silence;
  to->retain_ms = s->retain;
  to->retry = (jobsrv_retry_t) { s->retry.max, s->retry.factor,
                                 s->retry.backoff, s->retry.cap, 0 };
  to->parent = s->token != 0 ? w->tokens[s->token] : NULL;
  to->parent_job = s->parent != NULL ? s->parent->job : NULL;
  to->on_last_watcher = s->last_policy;
  to->last_watcher_grace_ms = s->last_grace;
  to->is_private = s->is_private;
  to->principal = model_values[s->principal];
  c->tag = (jobsrv_tag_t) { "t", model_values[s->tag] };
  to->tags = s->tag != 0 ? &c->tag : NULL;
  to->ntags = s->tag != 0;
  to->data = j;
  to->release = on_release;
}

static void first(uint64_t *to, uint64_t second, uint64_t third) {
  if (*to == 0)
    *to = second != 0 ? second : third;
}

/* Every zero is the operation's, else the server's, else the default. */
static void fill(world *w, mspec *s) {
  const moptions *o = &w->m.options;
  static const mop none;
  const mop *op = s->op >= 0 ? &w->m.ops[s->op] : &none;
  const mretry *r = &op->retry;

  first(&s->queue, op->queue, o->queue);
  first(&s->timeout, op->timeout, o->timeout);
  first(&s->deadline, op->deadline, o->deadline);
  first(&s->silence, op->silence, o->silence);
  first(&s->start_within, 0, 60000);
  if (s->priority == 0)
    s->priority = op->priority != 0 ? op->priority : JOBSRV_PRIORITY_NORMAL;
  if (s->weight == 0)
    s->weight = op->weight != 0 ? op->weight : 1;
  if (s->group == 0)
    s->group = op->group;
  if (s->retry.max == 0)
    s->retry.max = r->max != 0 ? r->max : 1;
  if (s->retry.factor == 0)
    s->retry.factor = r->factor != 0 ? r->factor : 2;
  first(&s->retry.backoff, r->backoff, 1000);
  first(&s->retry.cap, r->cap, 3600000);
  if (s->last_policy == 0)
    s->last_policy = op->last_policy;
  first(&s->last_grace, op->last_grace, 0);
}

static void tell(world *w, const mspec *s) {
  say(w, "%s", s->op < 0 ? "begin" : model_ops[s->op]);
  if (s->delay != 0)
    say(w, " delay=%d", (int) s->delay);
  if (s->run_at != 0)
    say(w, " run_at=now%+d", (int) (s->run_at - w->m.wall));
  if (s->on_stream)
    say(w, " on_stream within=%d", (int) s->start_within);
  for (size_t i = 0; i < s->nafter; i++)
    say(w, " after=%d%s", s->after[i]->number, s->any_end ? "(any)" : "");
  say(w, " priority=%d weight=%d", s->priority, (int) s->weight);
  if (s->group != 0)
    say(w, " group=%s", model_groups[s->group]);
  if (s->key != 0)
    say(w, " key=%s conflict=%d", model_keys[s->key], s->conflict);
  if (s->queue + s->timeout + s->deadline + s->silence != 0)
    say(w, " queue=%d timeout=%d deadline=%d silence=%d", (int) s->queue,
        (int) s->timeout, (int) s->deadline, (int) s->silence);
  if (s->retry.max > 1)
    say(w, " retry=%d,%d*%d<%d", (int) s->retry.max, (int) s->retry.backoff,
        (int) s->retry.factor, (int) s->retry.cap);
  if (s->parent != NULL)
    say(w, " parent=%d", s->parent->number);
  if (s->token != 0)
    say(w, " token=%d", s->token);
  if (s->last_policy == JOBSRV_LAST_WATCHER_CANCEL)
    say(w, " last_watcher=cancel,%d", (int) s->last_grace);
  if (s->start != START_LEAVES)
    say(w, " start=%d", (int) s->start);
  say(w, " stop=%d", (int) s->stop);
}

typedef struct {
  int n, code[6];
  mjob *existing;  /* the one that is given instead */
} verdict;

static void refuse(verdict *v, int code) {
  v->code[v->n++] = code;
}

static void judge_key(world *w, const mspec *s, verdict *v) {
  mjob *holder = s->key != 0 ? m_holder(&w->m, s->op, s->key) : NULL;

  if (holder == NULL)
    return;
  if (s->conflict == JOBSRV_CONFLICT_EXISTING)
    v->existing = holder;
  else if (s->conflict == JOBSRV_CONFLICT_REJECT)
    refuse(v, JOBSRV_ECONFLICT);
  else if (!holder->cancellable && holder->asked == 0)
    refuse(v, JOBSRV_ENOTCANCELLABLE);
}

static verdict judge(world *w, const mspec *s) {
  verdict v = { 0 };
  int holds = s->delay != 0 || s->run_at > w->m.wall || s->on_stream;
  uint32_t live = 0;

  for (int i = w->m.first; i < w->m.njobs; i++)
    live += (uint32_t) m_live(&w->m.jobs[i]);
  for (size_t i = 0; i < s->nafter; i++)
    holds |= !m_terminal(s->after[i]->state) ||
             (s->after[i]->state != JOBSRV_STATE_COMPLETED && !s->any_end);
  judge_key(w, s, &v);
  if (live >= w->m.options.max_jobs)
    refuse(&v, JOBSRV_EJOBSFULL);
  if (s->op >= 0 && !holds &&
      m_count(&w->m, JOBSRV_STATE_QUEUED) >= w->m.options.max_queued)
    refuse(&v, JOBSRV_EQUEUEFULL);
  if (w->m.draining)
    refuse(&v, JOBSRV_EDRAINING);
  return v;
}

/* A call that may have had several answers has had one of them. */
static int agree(world *w, const verdict *v, int got) {
  if (got == 0 && (v->existing != NULL || v->n == 0))
    return 1;

  for (int i = 0; i < v->n; i++)
    if (v->code[i] == got)
      return 1;
  want_code(w, "submit", got, v->n > 0 ? v->code[0] : 0);
  return 0;
}

static void note_new(world *w, mjob *j, jobsrv_job_t *job) {
  if (job == NULL) {
    if (j->known)
      differ(w, "job %d was made and not given", j->number);
    return;
  }
  if (jobsrv_job_data(job) != j)
    differ(w, "job %d was made and another given", j->number);
  if (one_in(w, 4)) {
    j->held = 1;
    jobsrv_job_ref(job);
    say(w, " held");
  }
}

typedef struct {
  int calls, err;
  jobsrv_job_t *job;
} answer_t;

static void on_submitted(jobsrv_t *srv,
                         jobsrv_job_t *job,
                         int err,
                         void *data) {
  answer_t *answer = data;

  (void) srv;
  answer->calls++;
  answer->err = err;
  answer->job = job != NULL ? jobsrv_job_ref(job) : NULL;
}

static int submit(world *w,
                  const call *c,
                  const mspec *s,
                  int from,
                  jobsrv_job_t **out) {
  answer_t answer = { 0 };
  int err;

  if (s->op < 0)
    return jobsrv_begin(w->srv, &c->spec, out);
  if (!from)
    return jobsrv_submit(w->srv, &c->spec, NULL, out);
  err = jobsrv_submit_from(w->srv, &c->spec, on_submitted, &answer);
  if (err != 0)
    return err;
  for (int i = 0; i < 20 && answer.calls == 0; i++)
    jobsrv_run_turns(&w->loop, 1);
  if (answer.calls != 1)
    differ(w, "a submit from anywhere was answered %d times", answer.calls);
  *out = answer.job;
  return answer.err;
}

static void submit_step(world *w, int begun) {
  mjob *j = &w->m.jobs[w->m.njobs];
  jobsrv_job_t *job = NULL;
  mspec s;
  verdict v;
  call c;
  int err, from = 0;

  memset(j, 0, sizeof(*j));
  j->number = w->m.njobs;
  draw_spec(w, &s, begun);
  if (has(w, F_FROM) && !begun && s.nafter == 0 && s.parent == NULL &&
      s.token == 0 && one_in(w, 4)) {
    say(w, "from ");
    world_settle(w); /* as the turns that it takes will */
    from = 1;
  }
  say(w, "job %d: ", j->number);
  make_call(&s, j, w, &c);
  fill(w, &s);
  j->spec = s; /* for what it does when it starts */
  tell(w, &s);
  v = judge(w, &s);
  err = submit(w, &c, &s, from, &job);
  say(w, " -> %s", err == 0 ? "ok" : jobsrv_err_name(err));
  if (!agree(w, &v, err))
    return;
  if (err == 0 && v.existing == NULL) {
    m_create(&w->m, j, &s);
    m_retain(&w->m);
    note_new(w, j, job);
    if (from && job != NULL)
      jobsrv_job_unref(job);
    if (from)
      world_settle(w);
    return;
  }
  w->m.stats.refused += err == JOBSRV_EJOBSFULL || err == JOBSRV_EQUEUEFULL ||
                        err == JOBSRV_EDRAINING;
  if (err == 0 && job != v.existing->job)
    differ(w, "another than job %d holds the key", v.existing->number);
  if (err == 0 && from)
    jobsrv_job_unref(job);
  if (j->released != 1)
    differ(w, "a refused submit has released %d times", j->released);
  j->spec = (mspec) { 0 };
}

void step_submit(world *w) {
  submit_step(w, 0);
}

void step_begin(world *w) {
  submit_step(w, 1);
}

/* Specs that cannot be, one mistake at a time. */
void step_refused(world *w) {
  static const jobsrv_tag_t bad = { "not a key", "v" };
  mjob *j = &w->m.jobs[w->m.njobs];
  mspec s = { 0 };
  call c;
  int want = UV_EINVAL, err;

  memset(j, 0, sizeof(*j));
  make_call(&s, j, w, &c);
  c.spec.operation = model_ops[0];
  switch (below(w, has(w, F_INFO) ? 8 : 4)) {
    case 0: c.spec.operation = "none"; want = JOBSRV_ENOOPERATION; break;
    case 1: c.spec.payload = "[]"; want = JOBSRV_EPAYLOAD; break;
    case 2: c.spec.payload = "{"; want = JOBSRV_EPAYLOAD; break;
    case 3: c.spec.tags = &bad; c.spec.ntags = 1; break;
    case 4: c.spec.priority = 5; break;
    case 5: c.spec.delay_ms = c.spec.run_at_wall_ns = 1; break;
    case 6: c.spec.retry.factor = 101; break;
    default: c.spec.size = 1; want = JOBSRV_EOPTIONS; break;
  }
  err = jobsrv_submit(w->srv, &c.spec, NULL, NULL);
  say(w, "refused -> %s", jobsrv_err_name(err));
  if (err != want && !(err == JOBSRV_EDRAINING && w->m.draining) &&
      err != JOBSRV_EJOBSFULL && err != JOBSRV_EQUEUEFULL)
    want_code(w, "a refused submit", err, want);
  w->m.stats.refused += err == JOBSRV_EJOBSFULL || err == JOBSRV_EQUEUEFULL ||
                        err == JOBSRV_EDRAINING;
  if (j->released != (err != JOBSRV_EOPTIONS)) /* whose layout is unknown */
    differ(w, "a refused submit has released %d times", j->released);
}

void step_token(world *w) {
  int token = (int) (1 + below(w, MODEL_TOKENS));
  jobsrv_reason_t reason = { (jobsrv_reason_code_t) below(w, 5), "why", NULL };
  int got;

  /* Rarely, as they cannot be used again. */
  if (!one_in(w, 12))
    return;
  say(w, "cancel token %d, %s", token, jobsrv_reason_name(reason.code));
  got = jobsrv_token_cancel(w->tokens[token], &reason);
  want_code(w, "token_cancel", got,
            m_token_cancel(&w->m, token, (int) reason.code));
}
