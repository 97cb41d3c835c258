/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_FUZZ_SERVED_H
#define JOBSRV_TEST_FUZZ_SERVED_H

/*
 * A whole server in memory: jobs in most of the states there are, host routes
 * that answer at once, late or never, and limits small enough to be reached.
 * Nothing in it depends on when it was made or on how often the loop turns: two
 * that are asked the same say the same.
 */

#include "fuzz.h"

#include "jobsrv/sse_auth.h"
#include "jobsrv/testing.h"
#include "jobsrv/testing_sse.h"

#include <uv.h>

/* Who may come in, and to what. */
typedef enum {
  SERVED_OPEN,
  SERVED_TOKEN,    /* asks for "secret" */
  SERVED_HOOK,     /* asks its hook, which goes by the field x-may */
  SERVED_DRAINING,
  SERVED_KINDS
} served_kind_t;

enum {
  JOB_RUNNING,   /* in the only slot of its operation: those behind it wait */
  JOB_COMPLETED,
  JOB_TRIMMED,   /* failed; its log has lost its beginning */
  JOB_SUSPENDED, /* of the same: answered, it waits for that slot */
  JOB_STUBBORN,  /* running, not to be cancelled */
  JOB_EXPIRED,
  JOB_PRIVATE,
  SERVED_JOBS
};

enum {
  SERVED_EVENTS = 24,   /* max_events_per_job */
  SERVED_SAID = 60,     /* by the one that is trimmed */
  SERVED_ANSWERS = 64
};

/* What the transport was about to answer, in its order. */
typedef struct {
  int status;
  int is_head;
  int is_forgotten;   /* by a handler that answers nothing */
  int is_measured;    /* /metrics: not the same twice */
} served_answer_t;

typedef struct served_s {
  uv_loop_t loop;
  jobsrv_manual_clock_t clock;
  jobsrv_seeded_random_t random;
  jobsrv_faults_t faults;
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  int is_open;
  int closed;
  char ids[SERVED_JOBS][JOBSRV_ID_SIZE];
  jobsrv_job_t *jobs[SERVED_JOBS]; /* NULL: it has expired */
  /* the one request that is put off, and what is to become of it */
  jobsrv_turn_t turn;
  jobsrv_sse_request_t *late;
  void (*then)(jobsrv_sse_request_t *request);
  served_answer_t answers[SERVED_ANSWERS];
  size_t n_answers;
} served_t;

/* ---- what is put off until the next turn ---- */

static inline void served_on_turn(jobsrv_turn_t *turn) {
  served_t *s = turn->data;
  jobsrv_sse_request_t *request = s->late;

  s->late = NULL;
  if (request != NULL)
    s->then(request);
}

static inline void served_on_gone(jobsrv_sse_request_t *request, void *data) {
  served_t *s = data;

  fuzz_check(s->late == request || s->late == NULL);
  s->late = NULL;
}

static inline void served_later(served_t *s,
                                jobsrv_sse_request_t *request,
                                void (*then)(jobsrv_sse_request_t *request)) {
  fuzz_check(s->late == NULL);
  s->late = request;
  s->then = then;
  if (then != NULL)
    jobsrv_turn_ask(s->srv, &s->turn, served_on_turn);
}

/* ---- host routes ---- */

static inline void served_say(jobsrv_sse_request_t *request) {
  fuzz_check(jobsrv_sse_respond(request, 200, "text/plain", "late\n", 5) == 0);
}

static inline void served_on_late(jobsrv_sse_request_t *request, void *data) {
  jobsrv_sse_answer_later(request, served_on_gone, data);
  served_later(data, request, served_say);
}

static inline void served_on_never(jobsrv_sse_request_t *request, void *data) {
  jobsrv_sse_answer_later(request, served_on_gone, data);
  served_later(data, request, NULL);
}

static inline void served_on_forget(jobsrv_sse_request_t *request,
                                    void *data) {
  (void) request;
  (void) data;
}

/* Gives back what it was asked with. */
static inline void served_on_echo(jobsrv_sse_request_t *request, void *data) {
  jobsrv_sse_text_t body = jobsrv_sse_body(request);
  char name[64];
  char text[1024];
  int n = jobsrv_sse_param(request, "name", name, sizeof(name));
  size_t len;

  (void) data;
  if (n < 0) {
    fuzz_check(jobsrv_sse_problem(request, 400, "bad_name", "%d", n) == 0);
    return;
  }
  len = body.len < sizeof(text) ? body.len : sizeof(text);
  if (len > 0)
    memcpy(text, body.data, len);
  fuzz_check(jobsrv_sse_respond(request, 200, NULL, text, len) == 0);
}

static inline int served_on_head(jobsrv_sse_request_t *request, void *data) {
  (void) data;
  if (jobsrv_sse_header(request, "x-body", NULL).data != NULL)
    return 1;
  fuzz_check(jobsrv_sse_problem(request, 403, "no_body", "unwanted") == 0);
  return 0;
}

static inline void served_route(served_t *s,
                                const char *method,
                                const char *pattern,
                                jobsrv_sse_handler_cb handler,
                                jobsrv_sse_head_cb head) {
  jobsrv_sse_route_t route;

  jobsrv_sse_route_init(&route);
  route.method = method;
  route.pattern = pattern;
  route.handler = handler;
  route.head = head;
  route.data = s;
  fuzz_check(jobsrv_sse_route(s->sse, &route) == 0);
}

/* ---- the chain ---- */

static inline int served_is(jobsrv_sse_text_t text, const char *what) {
  return text.len == strlen(what) && memcmp(text.data, what, text.len) == 0;
}

static inline jobsrv_sse_verdict_t
served_on_request(void *self, jobsrv_sse_request_t *request) {
  if (!served_is(jobsrv_sse_header(request, "x-wait", NULL), "1"))
    return JOBSRV_SSE_NEXT;
  jobsrv_sse_answer_later(request, served_on_gone, self);
  served_later(self, request, jobsrv_sse_next);
  return JOBSRV_SSE_LATER;
}

static inline void served_on_response(void *self,
                                      jobsrv_sse_request_t *request,
                                      int status) {
  served_t *s = self;
  served_answer_t *answer = &s->answers[s->n_answers++];

  fuzz_check(s->n_answers <= SERVED_ANSWERS);
  answer->status = status;
  answer->is_head = served_is(jobsrv_sse_method(request), "HEAD");
  answer->is_forgotten = served_is(jobsrv_sse_path(request), "/forget");
  answer->is_measured = served_is(jobsrv_sse_path(request), "/metrics");
}

static inline void served_allow(jobsrv_sse_request_t *request) {
  jobsrv_sse_decide(request, JOBSRV_SSE_ALLOW);
}

static inline jobsrv_sse_grant_t served_decide(jobsrv_sse_request_t *request,
                                               jobsrv_sse_verb_t verb,
                                               jobsrv_job_t *job,
                                               void *data) {
  jobsrv_sse_text_t may = jobsrv_sse_header(request, "x-may", NULL);

  (void) job;
  if (served_is(may, "deny"))
    return JOBSRV_SSE_DENY;
  if (served_is(may, "read"))
    return verb == JOBSRV_SSE_READ ? JOBSRV_SSE_ALLOW : JOBSRV_SSE_DENY;
  if (served_is(may, "who"))
    return JOBSRV_SSE_UNKNOWN;
  if (!served_is(may, "later"))
    return JOBSRV_SSE_ALLOW;
  jobsrv_sse_undecided(request, served_on_gone, data);
  served_later(data, request, served_allow);
  return JOBSRV_SSE_DECIDE_LATER;
}

/* ---- opening ---- */

static inline int served_on_start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static inline void served_operation(served_t *s,
                                    const char *name,
                                    uint32_t max_running,
                                    int not_cancellable) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = name;
  op.start = served_on_start;
  op.max_running = max_running;
  op.not_cancellable = not_cancellable;
  op.expose = max_running > 0; /* when what waits is started is no matter */
  op.on_drain = JOBSRV_DRAIN_FINISH;
  fuzz_check(jobsrv_operation_add(s->srv, &op) == 0);
}

static inline void served_job(served_t *s, int which, const char *operation) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = operation;
  spec.retain_ms = which == JOB_EXPIRED ? 1 : UINT64_C(1) << 50;
  spec.is_private = which == JOB_PRIVATE;
  fuzz_check(jobsrv_submit(s->srv, &spec, NULL, &s->jobs[which]) == 0);
  jobsrv_job_id(s->jobs[which], s->ids[which]);
  jobsrv_run_turns(&s->loop, 3);
}

static inline void served_jobs(served_t *s) {
  served_job(s, JOB_SUSPENDED, "work");
  fuzz_check(jobsrv_job_suspend(s->jobs[JOB_SUSPENDED], "\"go?\"", 5) == 0);
  served_job(s, JOB_RUNNING, "work");
  jobsrv_narrate(s->jobs[JOB_RUNNING], "begin", "the %s", "work");
  jobsrv_warn(s->jobs[JOB_RUNNING], "slow", "\xc3\xa4 line\r\nof two");
  served_job(s, JOB_COMPLETED, "free");
  jobsrv_narrate(s->jobs[JOB_COMPLETED], "step", "data: [DONE]");
  fuzz_check(jobsrv_job_complete(s->jobs[JOB_COMPLETED], "{\"a\":1}", 7) == 0);
  served_job(s, JOB_TRIMMED, "free");
  for (int i = 0; i < SERVED_SAID; i++) {
    jobsrv_narrate(s->jobs[JOB_TRIMMED], "step", "step %d %0500d", i, i);
    jobsrv_run_turns(&s->loop, 1);
  }
  fuzz_check(jobsrv_job_fail(s->jobs[JOB_TRIMMED], "lost", "a\nb") == 0);
  served_job(s, JOB_STUBBORN, "stubborn");
  served_job(s, JOB_EXPIRED, "free");
  fuzz_check(jobsrv_job_complete(s->jobs[JOB_EXPIRED], NULL, 0) == 0);
  served_job(s, JOB_PRIVATE, "free");
  jobsrv_run_turns(&s->loop, 3);
  jobsrv_manual_clock_advance(&s->clock, UINT64_C(5000000));
  jobsrv_run_turns(&s->loop, 3);
  s->jobs[JOB_EXPIRED] = NULL;
}

static inline void served_transport(served_t *s, served_kind_t kind) {
  static const jobsrv_sse_middleware_t middleware = {
    .size = sizeof(middleware), .request = served_on_request,
    .response = served_on_response, .for_open = 1,
  };
  jobsrv_sse_options_t options;

  jobsrv_sse_options_init(&options);
  options.max_request_line = 512;
  options.max_header_bytes = 1024;
  options.max_header_fields = 12;
  options.max_body = 400;
  options.max_chunk_extension = 40;
  options.max_trailer_bytes = 60;
  options.max_json_depth = 6;
  options.max_jobs_per_stream = 3;
  options.max_pipelined = 4;
  options.metrics = 1;
  options.all_events = 1;
  options.gzip = 1;
  options.bearer_token = kind == SERVED_TOKEN ? "secret" : NULL;
  if (jobsrv_sse_new(&s->sse, s->srv, &options) != 0) { /* built without */
    options.gzip = 0;
    fuzz_check(jobsrv_sse_new(&s->sse, s->srv, &options) == 0);
  }
  fuzz_check(jobsrv_sse_use(s->sse, &middleware, s) == 0);
  if (kind == SERVED_HOOK)
    jobsrv_sse_authorise(s->sse, served_decide, s);
  served_route(s, "GET", "/late", served_on_late, NULL);
  served_route(s, "POST", "/late", served_on_late, NULL);
  served_route(s, "GET", "/never", served_on_never, NULL);
  served_route(s, "GET", "/forget", served_on_forget, NULL);
  served_route(s, "POST", "/echo/{name}", served_on_echo, NULL);
  served_route(s, "PUT", "/echo/{name}/*", served_on_echo, served_on_head);
}

static inline void served_open(served_t *s, served_kind_t kind) {
  jobsrv_options_t options;

  memset(s, 0, sizeof(*s));
  s->turn.data = s;
  jobsrv_manual_clock_init(&s->clock);
  jobsrv_options_init(&options);
  jobsrv_seeded_random_init(&s->random, 7, &options);
  fuzz_check(jobsrv_faults_init(&s->faults) == 0);
  options.alloc = &s->faults.alloc;
  options.clock = &s->clock.clock;
  options.max_jobs = 10;
  options.max_queued = 2;
  options.max_events_per_job = SERVED_EVENTS;
  options.max_expired = 64;
  fuzz_check(uv_loop_init(&s->loop) == 0);
  fuzz_check(jobsrv_new(&s->srv, &s->loop, &options) == 0);
  served_operation(s, "work", 1, 0);
  served_operation(s, "free", 0, 0);
  served_operation(s, "stubborn", 1, 1);
  served_transport(s, kind);
  served_jobs(s);
  if (kind == SERVED_DRAINING)
    fuzz_check(jobsrv_drain(s->srv, UINT64_C(1) << 50, NULL, NULL) == 0);
  jobsrv_run_turns(&s->loop, 4);
  s->is_open = 1;
}

/* ---- closing ---- */

static inline void served_on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((served_t *) data)->closed = 1;
}

static inline int served_is_closed(void *data) {
  return ((served_t *) data)->closed;
}

/* Nothing may be left of it. */
static inline void served_close(served_t *s) {
  if (!s->is_open)
    return;
  s->is_open = 0;
  jobsrv_close(s->srv, served_on_closed, s);
  fuzz_check(jobsrv_run_until(&s->loop, served_is_closed, s, 20000));
  jobsrv_run_turns(&s->loop, 2);
  fuzz_check(uv_loop_close(&s->loop) == 0);
  fuzz_check(jobsrv_faults_live(&s->faults) == 0);
  jobsrv_faults_free(&s->faults);
}

/* How many events there have been: more of them after a request that changed
   something. */
static inline uint64_t served_events(const served_t *s) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(s->srv, &stats);
  return stats.events;
}

static inline uint64_t served_requests(const served_t *s) {
  jobsrv_sse_stats_t stats = { .size = sizeof(stats) };

  jobsrv_sse_stats(s->sse, &stats);
  return stats.requests;
}

/* Turns for as long as anything comes of them. */
static inline void served_settle(served_t *s, const jobsrv_memory_t *client) {
  size_t before, after = 0;
  uint64_t requests;
  int rounds = 0;

  do {
    requests = served_requests(s);
    (void) jobsrv_memory_output(client, &before);
    before += jobsrv_memory_unread(client);
    jobsrv_run_turns(&s->loop, 4);
    (void) jobsrv_memory_output(client, &after);
    after += jobsrv_memory_unread(client);
  } while ((after != before || served_requests(s) != requests) &&
           ++rounds < 1000);
  fuzz_check(rounds < 1000);
}

#endif /* JOBSRV_TEST_FUZZ_SERVED_H */
