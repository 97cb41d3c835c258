/* SPDX-License-Identifier: MIT */

#include "core/model-world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* An episode: a server, its operations and observers, and its end. */

const char *const model_ops[MODEL_OPS] = { "one", "two", "three", "four",
                                           "five" };
const char *const model_groups[5] = { NULL, "red", "green", "blue", NULL };
const char *const model_keys[4] = { NULL, "k1", "k2", "k3" };
const char *const model_values[4] = { NULL, "v1", "v2", "v3" };

/* ---- numbers and words ---- */

uint64_t draw(world *w) { /* splitmix64 */
  uint64_t z = w->draw += UINT64_C(0x9e3779b97f4a7c15);

  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

uint64_t below(world *w, uint64_t n) {
  return draw(w) % n;
}

int one_in(world *w, uint64_t n) {
  return draw(w) % n == 0;
}

/* Far apart for the most part, so that few clocks run out together. */
uint64_t draw_ms(world *w) {
  uint64_t kind = below(w, 8);

  if (kind == 0)
    return 1 + below(w, 20);
  if (kind == 1)
    return 1 + below(w, 2000);
  return 1 + below(w, 200000);
}

int has(const world *w, int feature) {
  return (w->m.features & feature) != 0;
}

void say(world *w, const char *format, ...) {
  char *line = w->lines[w->nlines % WORLD_LINES];
  size_t at = strlen(line);
  va_list list;

  va_start(list, format);
  vsnprintf(line + at, WORLD_LINE - at, format, list);
  va_end(list);
}

void differ(world *w, const char *format, ...) {
  va_list list;

  w->m.ambiguous |= w->m.crossed;
  if (w->fault[0] != '\0' || w->m.ambiguous)
    return;
  va_start(list, format);
  vsnprintf(w->fault, sizeof(w->fault), format, list);
  va_end(list);
}

void want_code(world *w, const char *what, int got, int want) {
  if (got != want)
    differ(w, "%s gave %d (%s), due was %d (%s)", what, got,
           got == 0 ? "ok" : jobsrv_err_name(got), want,
           want == 0 ? "ok" : jobsrv_err_name(want));
}

int is_live(const mjob *j) {
  return m_live(j);
}

int is_known(const mjob *j) {
  return j->known;
}

int is_running(const mjob *j) {
  return j->known && j->state == JOBSRV_STATE_RUNNING;
}

mjob *pick(world *w, pick_cb cb) {
  uint64_t n = 0;

  for (int i = w->m.first; i < w->m.njobs; i++)
    n += cb(&w->m.jobs[i]) != 0;
  if (n == 0)
    return NULL;
  n = below(w, n);
  for (int i = w->m.first; i < w->m.njobs; i++)
    if (cb(&w->m.jobs[i]) && n-- == 0)
      return &w->m.jobs[i];
  return NULL;
}

/* ---- the observers ---- */

static void on_hook(jobsrv_hook_t *hook,
                    jobsrv_job_t *job,
                    jobsrv_state_t from,
                    jobsrv_state_t to) {
  world *w = hook->data;
  mjob *j = jobsrv_job_data(job);

  w->activity++;
  if (j->seen.n++ == 0) {
    j->job = job;
    j->handle = jobsrv_job_handle(job);
    jobsrv_job_id(job, j->id);
  }
  j->seen.hash =
      (j->seen.hash ^ (uint64_t) ((int) from * 16 + (int) to + 1)) * 1099511;
  if (jobsrv_job_state(job) != to)
    differ(w, "a hook for job %d was told %s, and the job is %s", j->number,
           jobsrv_state_name(to), jobsrv_state_name(jobsrv_job_state(job)));
  if (from != to && jobsrv_state_terminal(from))
    differ(w, "job %d left %s", j->number, jobsrv_state_name(from));
  if (w->nseen < MODEL_TRAIL && !w->m.ambiguous)
    w->seen[w->nseen++] = (mhook) { j, (int) from, (int) to };
}

static void on_event(void *self, const jobsrv_event_t *event) {
  world *w = self;
  mjob *j;

  w->activity++;
  w->seen_states += event->kind == JOBSRV_KIND_STATE;
  w->seen_ends += event->kind == JOBSRV_KIND_END;
  if (event->job == NULL) {
    differ(w, "an event of no job");
    return;
  }
  j = jobsrv_job_data(event->job);
  if (event->seq != j->seen_seq + 1)
    differ(w, "job %d has event %d after %d", j->number, (int) event->seq,
           (int) j->seen_seq);
  if (j->seen_end)
    differ(w, "job %d has event %d after its end", j->number,
           (int) event->seq);
  j->seen_seq = event->seq;
  j->seen_end = event->kind == JOBSRV_KIND_END;
}

static void on_sink_closed(void *self) {
  ((world *) self)->sink_closed++;
}

static int on_start(jobsrv_job_t *job, void *data) {
  mjob *j = jobsrv_job_data(job);
  world *w = data;

  w->activity++;
  j->seen_stuck = 0;
  if (j->spec.start == START_COMPLETES)
    want_code(w, "complete in start", jobsrv_job_complete(job, "1", 1), 0);
  else if (j->spec.start == START_FAILS)
    want_code(w, "fail in start", jobsrv_job_fail(job, "early", NULL), 0);
  return j->spec.start == START_RETURNS ? UV_EIO : 0;
}

static void on_stop(jobsrv_job_t *job,
                    const jobsrv_reason_t *reason,
                    void *data) {
  mjob *j = jobsrv_job_data(job);
  world *w = data;

  w->activity++;
  if (reason == NULL)
    differ(w, "job %d is to stop without a reason", j->number);
  if (jobsrv_job_state(job) != JOBSRV_STATE_RUNNING)
    return; /* it was suspended: there is nothing to finish */
  if (j->spec.stop == STOP_LETS_GO)
    want_code(w, "fail in stop", jobsrv_job_fail(job, "stopped", NULL), 0);
  else if (j->spec.stop == STOP_COMPLETES)
    want_code(w, "complete in stop", jobsrv_job_complete(job, NULL, 0), 0);
}

static int on_retryable(jobsrv_job_t *job,
                        const char *code,
                        const char *message,
                        void *data) {
  (void) job, (void) code, (void) message, (void) data;
  return 0;
}

static uint64_t on_stuck(jobsrv_job_t *job, void *data) {
  mjob *j = jobsrv_job_data(job);

  ((world *) data)->activity++;
  j->seen_stuck++;
  return j->seen_stuck <= j->spec.stuck ? 700 : 0;
}

/* ---- opening ---- */

static void make_op(world *w, mop *op) {
  memset(op, 0, sizeof(*op));
  op->has_stop = one_in(w, 2);
  op->max_running = (uint32_t) (one_in(w, 2) ? 0 : 1 + below(w, 4));
  op->grace = one_in(w, 2) ? 0 : draw_ms(w);
  op->on_drain = (int) below(w, 3);
  op->not_cancellable = one_in(w, 10);
  if (has(w, F_CLOCKS)) {
    op->queue = one_in(w, 8) ? draw_ms(w) : 0;
    op->timeout = one_in(w, 8) ? draw_ms(w) : 0;
    op->deadline = one_in(w, 8) ? draw_ms(w) : 0;
    op->silence = one_in(w, 8) ? draw_ms(w) : 0;
  }
  if (has(w, F_ORDER)) {
    op->weight = (uint32_t) below(w, 3);
    op->priority = (int) (one_in(w, 2) ? below(w, 5) : 0);
    op->group = (int) (one_in(w, 6) ? 1 + below(w, 3) : 0);
  }
  if (has(w, F_RATE) && one_in(w, 4)) {
    op->rate_count = (uint32_t) (1 + below(w, 4));
    op->rate_ms = op->rate_count * (1 + below(w, 5000));
  }
  if (has(w, F_RETRY)) {
    op->retry.max = (uint32_t) below(w, 4);
    op->retry.factor = (uint32_t) below(w, 4);
    op->retry.backoff = one_in(w, 2) ? 0 : draw_ms(w);
    op->retry.cap = one_in(w, 2) ? 0 : draw_ms(w);
    op->refuses_retry = one_in(w, 5);
  }
  if (has(w, F_RETAIN)) {
    op->retain = one_in(w, 3) ? draw_ms(w) : 0;
    op->retain_failed = one_in(w, 3) ? draw_ms(w) : 0;
    op->retain_cancelled = one_in(w, 3) ? draw_ms(w) : 0;
  }
  if (has(w, F_WATCH) && one_in(w, 3)) {
    op->last_policy = JOBSRV_LAST_WATCHER_CANCEL;
    op->last_grace = one_in(w, 2) ? 0 : draw_ms(w);
  }
  op->keeps_slot = has(w, F_SUSPEND) && one_in(w, 2);
  op->has_stuck = has(w, F_STUCK) && one_in(w, 2);
  op->stuck_ms = 700;
}

static int add_op(world *w, const char *name, mop *op) {
  jobsrv_operation_t o;

  jobsrv_operation_init(&o);
  o.name = name;
  o.start = on_start;
  o.stop = op->has_stop ? on_stop : NULL;
  o.retryable = op->refuses_retry ? on_retryable : NULL;
  o.stuck = op->has_stuck ? on_stuck : NULL;
  o.data = w;
  o.max_running = op->max_running;
  o.weight = op->weight;
  o.priority = op->priority;
  o.group = model_groups[op->group];
  o.rate.count = op->rate_count;
  o.rate.per_ms = op->rate_ms;
  o.retry = (jobsrv_retry_t) { op->retry.max, op->retry.factor,
                               op->retry.backoff, op->retry.cap,
                               JOBSRV_JITTER_NONE };
  if (!has(w, F_RETRY))
    o.retry.jitter = 0;
  o.queue_ms = op->queue;
  o.timeout_ms = op->timeout;
  o.deadline_ms = op->deadline;
  o.silence_ms = op->silence;
  o.grace_ms = op->grace;
  o.retain_ms = op->retain;
  o.retain_failed_ms = op->retain_failed;
  o.retain_cancelled_ms = op->retain_cancelled;
  o.on_drain = (jobsrv_on_drain_t) op->on_drain;
  o.on_last_watcher = op->last_policy;
  o.last_watcher_grace_ms = op->last_grace;
  o.keeps_slot = op->keeps_slot;
  o.not_cancellable = op->not_cancellable;
  op->bucket_at = w->m.now;
  op->bucket = op->rate_ms;
  return jobsrv_operation_add(w->srv, &o);
}

static void make_options(world *w, jobsrv_options_t *o) {
  jobsrv_options_init(o);
  o->alloc = &w->faults.alloc;
  o->clock = &w->clock.clock;
  o->max_jobs = (uint32_t) (10 + below(w, 20));
  o->max_queued = (uint32_t) (3 + below(w, 12));
  o->max_running = (uint32_t) (one_in(w, 3) ? 0 : 1 + below(w, 6));
  o->max_retained = (uint32_t) (1 + below(w, 16));
  o->max_expired = (uint32_t) (1 + below(w, 12));
  o->grace_ms = one_in(w, 2) ? 0 : draw_ms(w);
  o->retain_ms = one_in(w, 2) ? 0 : draw_ms(w);
  if (has(w, F_RETAIN)) {
    o->retain_failed_ms = one_in(w, 2) ? 0 : draw_ms(w);
    o->retain_cancelled_ms = one_in(w, 2) ? 0 : draw_ms(w);
    o->max_retained_completed = (uint32_t) below(w, 6);
    o->max_retained_failed = (uint32_t) below(w, 6);
    o->max_retained_cancelled = (uint32_t) below(w, 6);
  }
  if (has(w, F_CLOCKS) && one_in(w, 3)) {
    o->queue_ms = one_in(w, 2) ? 0 : draw_ms(w);
    o->timeout_ms = one_in(w, 2) ? 0 : draw_ms(w);
    o->deadline_ms = one_in(w, 2) ? 0 : draw_ms(w);
    o->silence_ms = one_in(w, 2) ? 0 : draw_ms(w);
  }
}

static void note_options(world *w, const jobsrv_options_t *o) {
  moptions *to = &w->m.options;

  to->max_jobs = o->max_jobs;
  to->max_queued = o->max_queued;
  to->max_running = o->max_running;
  to->max_retained = o->max_retained;
  to->max_of[0] = o->max_retained_completed;
  to->max_of[1] = o->max_retained_failed;
  to->max_of[2] = o->max_retained_cancelled;
  to->max_expired = o->max_expired;
  to->queue = o->queue_ms;
  to->timeout = o->timeout_ms;
  to->deadline = o->deadline_ms;
  to->silence = o->silence_ms;
  to->grace = o->grace_ms != 0 ? o->grace_ms : 5000;
  to->retain = o->retain_ms != 0 ? o->retain_ms : 600000;
  to->retain_failed = o->retain_failed_ms;
  to->retain_cancelled = o->retain_cancelled_ms;
}

static int observe(world *w) {
  const jobsrv_sink_ops_t ops = { .size = sizeof(ops),
                                  .event = on_event,
                                  .close = on_sink_closed };
  int err = jobsrv_sink_add(w->srv, &ops, w, 0, NULL);

  w->hook.data = w;
  jobsrv_hook_add(w->srv, &w->hook, on_hook);
  if (err == 0)
    err = jobsrv_capture_new(&w->capture, w->srv, 0);
  for (int i = 1; err == 0 && i <= MODEL_TOKENS; i++)
    err = jobsrv_token_new(&w->tokens[i], w->srv, NULL);
  return err;
}

/* `w` is zeroed but for its lines; the jobs' memory is kept over episodes. */
int world_open(world *w, uint64_t seed, int features) {
  jobsrv_options_t options;
  mjob *jobs = w->m.jobs, **ended = w->m.ended;
  int *gone = w->m.gone, err;

  memset(w, 0, sizeof(*w));
  w->m.jobs = jobs != NULL ? jobs : calloc(MODEL_JOBS, sizeof(*jobs));
  w->m.ended = ended != NULL ? ended : calloc(MODEL_JOBS, sizeof(*ended));
  w->m.gone = gone != NULL ? gone : calloc(MODEL_JOBS, sizeof(*gone));
  if (w->m.jobs == NULL || w->m.ended == NULL || w->m.gone == NULL)
    return UV_ENOMEM;
  memset(w->m.jobs, 0, MODEL_JOBS * sizeof(*w->m.jobs));
  w->draw = seed;
  w->m.features = features;
  w->m.seen = w->seen;
  w->m.nseen = &w->nseen;
  jobsrv_manual_clock_init(&w->clock);
  err = uv_loop_init(&w->loop);
  if (err == 0)
    err = jobsrv_faults_init(&w->faults);
  make_options(w, &options);
  if (err == 0)
    err = jobsrv_new(&w->srv, &w->loop, &options);
  if (err != 0)
    return err;
  note_options(w, &options);
  w->m.now = jobsrv_now(w->srv) / 1000000;
  w->m.wall = jobsrv_wall_now(w->srv) / 1000000;
  for (int i = 0; err == 0 && i < MODEL_OPS; i++) {
    make_op(w, &w->m.ops[i]);
    err = add_op(w, model_ops[i], &w->m.ops[i]);
  }
  return err != 0 ? err : observe(w);
}

void world_free_jobs(world *w) {
  free(w->m.jobs);
  free(w->m.ended);
  free(w->m.gone);
  w->m.jobs = NULL;
  w->m.ended = NULL;
  w->m.gone = NULL;
}

/* ---- going on ---- */

/* What the library tells from here on belongs to the next calls. */
void world_mark(world *w) {
  w->m.seen_from = w->m.started = w->nseen;
  w->m.turns++;
}

static void world_quiet(world *w) {
  uint64_t before;
  int rounds = 0;

  do {
    before = w->activity;
    jobsrv_run_turns(&w->loop, 2);
    jobsrv_manual_clock_advance(&w->clock, 0);
    jobsrv_run_turns(&w->loop, 1);
  } while (w->activity != before && ++rounds < 100);
}

/* All that comes in this and the next turns, no time going by. */
void world_settle(world *w) {
  int rounds = 0;

  world_quiet(w);
  m_settle(&w->m);
  while (m_next(&w->m) <= w->m.now && ++rounds < 1000 && !w->m.ambiguous) {
    m_tick(&w->m, w->m.now);
    m_settle(&w->m);
  }
}

/* Stops wherever the model has something to come. */
void world_advance(world *w, uint64_t to) {
  do {
    uint64_t next = m_next(&w->m);
    uint64_t now = w->m.now;

    next = next < to ? next : to;
    if (next < now)
      next = now;
    world_mark(w);
    jobsrv_manual_clock_advance(&w->clock, (next - now) * 1000000);
    m_tick(&w->m, next);
    world_settle(w);
  } while (w->m.now < to && !w->m.ambiguous && w->fault[0] == '\0');
}

static void on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((world *) data)->closed++;
}

static int is_closed(void *data) {
  return ((world *) data)->closed;
}

/* One that waited for others may have come a step further, or not. */
static int may_differ(const mjob *j, int was_live) {
  return was_live && (j->spec.nafter > 0 || j->spec.parent != NULL ||
                      j->spec.key != 0);
}

static void check_end(world *w, const char *was_live) {
  for (int i = 0; i < w->m.njobs; i++) {
    mjob *j = &w->m.jobs[i];

    if (j->held && !m_terminal((int) jobsrv_job_state(j->job)))
      differ(w, "job %d is %s after the close", j->number,
             jobsrv_state_name(jobsrv_job_state(j->job)));
    if (!j->seen_end)
      differ(w, "job %d had no end at the close", j->number);
    if (may_differ(j, was_live[i]))
      continue;
    if (j->held && (int) jobsrv_job_state(j->job) != j->state)
      differ(w, "the close left job %d %s, due was %s", j->number,
             jobsrv_state_name(jobsrv_job_state(j->job)),
             jobsrv_state_name((jobsrv_state_t) j->state));
    if (j->seen.n != j->want.n || j->seen.hash != j->want.hash)
      differ(w, "by the close job %d made %d transitions, due were %d",
             j->number, (int) j->seen.n, (int) j->want.n);
    if (j->seen_seq != j->seq)
      differ(w, "job %d has %d events at the close, due were %d", j->number,
             (int) j->seen_seq, (int) j->seq);
  }
}

void world_close(world *w) {
  char was_live[MODEL_JOBS];

  for (int i = 0; i < w->m.njobs; i++)
    was_live[i] = (char) m_live(&w->m.jobs[i]);
  for (int i = 1; i <= MODEL_TOKENS; i++)
    jobsrv_token_unref(w->tokens[i]);
  world_mark(w);
  jobsrv_close(w->srv, on_closed, w);
  if (!jobsrv_run_until(&w->loop, is_closed, w, 20000))
    differ(w, "the close never called back");
  if (!w->m.ambiguous)
    m_close(&w->m);
  if (!w->m.ambiguous)
    check_end(w, was_live);
  check_waits(w);
  for (int i = 0; i < w->m.njobs; i++)
    while (w->m.jobs[i].held > 0) {
      w->m.jobs[i].held--;
      jobsrv_job_unref(w->m.jobs[i].job);
    }
  jobsrv_run_turns(&w->loop, 3);
  for (int i = 0; i < w->m.njobs; i++)
    if (w->m.jobs[i].released != 1)
      differ(w, "job %d's data was released %d times", i,
             w->m.jobs[i].released);
  jobsrv_capture_free(w->capture);
  if (w->sink_closed != 1)
    differ(w, "the sink was closed %d times", w->sink_closed);
  if (jobsrv_faults_live(&w->faults) != 0)
    differ(w, "%d blocks are left", (int) jobsrv_faults_live(&w->faults));
  else
    jobsrv_faults_free(&w->faults);
  if (uv_loop_close(&w->loop) != 0)
    differ(w, "handles are left");
}
