/* SPDX-License-Identifier: MIT */

/*
 * Every problem of JOBSRV_SSE_PROBLEM_MAP, over the wire. One without a way to
 * it does not compile.
 */

#include "world.h"

#include "jobsrv/sse_auth.h"

#include <stdatomic.h>

static world w;
static peer_t peer;
static jobsrv_faults_t faults;
static atomic_int inside;
static atomic_int may_return;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  peer.fd = -1;
  return 0;
}

static int teardown(void **state) {
  (void) state;
  if (peer.fd >= 0)
    peer_close(&peer);
  atomic_store(&may_return, 1);
  world_close(&w);
  if (w.f.options.alloc != NULL)
    jobsrv_faults_free(&faults);
  return 0;
}

static void open_world(void) {
  world_open(&w);
  peer_open(&peer, w.port);
}

static void say(const char *bytes) {
  peer_send(&peer, bytes);
  assert_true(peer_wait(&peer, &w.f.loop, "\"code\":", 5000));
}

#define WORK "{\"operation\":\"work\"}"
#define WITH(options)                                                         \
  "{\"operation\":\"work\",\"options\":{" options "}}"

/* ---- 400 ... 408 ---- */

static void make_400_bad_request(void) {
  open_world();
  say("GET / HTTP/1.1\nHost: localhost\n\n");
}

static void make_400_bad_json(void) {
  open_world();
  post(&w, &peer, "{\"operation\":\"work\",");
}

static void make_400_bad_cursor(void) {
  open_world();
  ask(&w, &peer, line_of("GET", fixture_begin(&w.f), "/stream"),
      "Last-Event-ID: 4\r\n", NULL);
}

static void make_401_unauthorized(void) {
  w.options.bearer_token = "t0ken";
  open_world();
  post(&w, &peer, WORK);
  assert_contains(peer.text, "\r\nWWW-Authenticate: Bearer");
}

static void make_403_forbidden(void) {
  open_world();
  ask(&w, &peer, "GET /v1/jobs", "Origin: http://example.org\r\n", NULL);
}

static void make_404_not_found(void) {
  open_world();
  ask(&w, &peer, "GET /v1/job", "", NULL);
}

static void make_404_unknown_job(void) {
  open_world();
  ask(&w, &peer, "GET /v1/jobs/job-00000000-0000-4000-8000-000000000000", "",
      NULL);
}

static void make_405_method_not_allowed(void) {
  open_world();
  ask(&w, &peer, "PATCH /v1/jobs", "", NULL);
  assert_contains(peer.text, "\r\nAllow: ");
}

static void make_406_not_acceptable(void) {
  open_world();
  ask(&w, &peer, line_of("GET", fixture_begin(&w.f), "/stream"),
      "Accept: text/html\r\n", NULL);
}

static void make_408_timeout(void) {
  open_world();
  peer_send(&peer, "GET /health HTTP/1.1\r\n");
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 10000);
  say("Host: localhost\r\n");
}

/* ---- 409 ... 421 ---- */

static void make_411_length_required(void) {
  open_world();
  ask(&w, &peer, "POST /v1/jobs", JSON_TYPE, NULL);
}

static void make_409_not_cancellable(void) {
  jobsrv_job_t *job;

  open_world();
  job = post_job(&w, &peer, "stubborn");
  run_turns(&w.f.loop, 3);
  ask(&w, &peer, line_of("DELETE", job, ""), "", NULL);
}

static void make_409_conflict(void) {
  open_world();
  for (int i = 0; i < 2; i++)
    post(&w, &peer,
         WITH("\"unique_key\":\"k\",\"on_conflict\":\"reject\""));
}

static void make_410_expired(void) {
  char line[80];
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  w.f.options.retain_ms = 1000;
  open_world();
  job = fixture_begin(&w.f);
  snprintf(line, sizeof(line), "GET /v1/jobs/%s", jobsrv_job_id(job, id));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 1001);
  ask(&w, &peer, line, "", NULL);
}

static void make_413_content_too_large(void) {
  w.options.max_body = sizeof(WORK) - 2;
  open_world();
  post(&w, &peer, WORK);
}

static void make_414_uri_too_long(void) {
  w.options.max_request_line = 64;
  open_world();
  say("GET /health?01234567890123456789012345678901234567890123456789012345");
}

static void make_415_unsupported_media_type(void) {
  open_world();
  ask(&w, &peer, "POST /v1/jobs", "Content-Type: text/plain\r\n", WORK);
}

static void make_417_expectation_failed(void) {
  open_world();
  ask(&w, &peer, "GET /health", "Expect: miracles\r\n", NULL);
}

static void make_421_misdirected(void) {
  open_world();
  say("GET /v1/jobs HTTP/1.1\r\nHost: example.org\r\n\r\n");
}

/* ---- 422 ... 431 ---- */

static void make_422_unknown_operation(void) {
  open_world();
  post(&w, &peer, "{\"operation\":\"hidden\"}");
}

static void make_422_invalid_options(void) {
  open_world();
  post(&w, &peer, WITH("\"speed\":1"));
}

static void make_422_invalid_payload(void) {
  open_world();
  post(&w, &peer, "{\"operation\":\"work\",\"wrong\":1}");
}

static void make_422_idempotency_mismatch(void) {
  static const char fields[] = JSON_TYPE "Idempotency-Key: a\r\n";

  open_world();
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", fields, WORK), 202);
  ask(&w, &peer, "POST /v1/jobs", fields, WORK " ");
}

static void make_429_queue_full(void) {
  w.f.options.max_running = 1;
  w.f.options.max_queued = 1;
  open_world();
  (void) post_job(&w, &peer, "work");
  run_turns(&w.f.loop, 3);
  (void) post_job(&w, &peer, "work");
  post(&w, &peer, WORK);
}

/* Asks for a stream on a connection of its own, which stays. */
static void open_stream(peer_t *other, const jobsrv_job_t *job) {
  peer_open(other, w.port);
  ask(&w, other, line_of("GET", job, "/stream"), "", NULL);
  assert_contains(other->text, "HTTP/1.1 200 ");
}

static void make_429_too_many_watchers(void) {
  static peer_t other;
  jobsrv_job_t *job;

  w.options.max_streams_per_job = 1;
  open_world();
  job = fixture_begin(&w.f);
  open_stream(&other, job);
  ask(&w, &peer, line_of("GET", job, "/stream"), "", NULL);
  peer_close(&other);
}

static jobsrv_sse_verdict_t limit_rate(void *self,
                                       jobsrv_sse_request_t *request) {
  const char *seconds = self;

  if (seconds != NULL)
    assert_ok(jobsrv_sse_add_header(request, "retry-after", seconds));
  assert_ok(jobsrv_sse_problem(request, 429, "rate_limited", "%d a minute", 5));
  return JOBSRV_SSE_ANSWERED;
}

static void rate_limited(char *seconds) {
  const jobsrv_sse_middleware_t ops = { .size = sizeof(ops),
                                        .request = limit_rate };

  open_world();
  assert_ok(jobsrv_sse_use(w.sse, &ops, seconds));
  post(&w, &peer, WORK);
}

static void make_429_rate_limited(void) {
  rate_limited(NULL);
  assert_contains(peer.text, "\r\nRetry-After: 1\r\n");
}

static void make_431_header_too_large(void) {
  w.options.max_header_fields = 2;
  open_world();
  say("GET /health HTTP/1.1\r\nHost: localhost\r\nA: b\r\nC: d\r\n");
}

/* ---- 500 ... 505 ---- */

static void forget(jobsrv_sse_request_t *request, void *data) {
  (void) request;
  (void) data;
}

static void be_late(jobsrv_sse_request_t *request, void *data) {
  jobsrv_sse_answer_later(request, NULL, data);
}

static void add_route(jobsrv_sse_handler_cb handler) {
  jobsrv_sse_route_t route;

  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/mine";
  route.handler = handler;
  assert_ok(jobsrv_sse_route(w.sse, &route));
}

static void make_500_internal(void) {
  open_world();
  add_route(forget);
  ask(&w, &peer, "GET /mine", "", NULL);
}

static void make_501_not_implemented(void) {
  open_world();
  say("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
      "Transfer-Encoding: gzip, chunked\r\n\r\n");
}

static void make_503_too_many_jobs(void) {
  w.f.options.max_jobs = 1;
  open_world();
  (void) post_job(&w, &peer, "work");
  post(&w, &peer, WORK);
}

static void make_503_too_many_streams(void) {
  static peer_t other;

  w.options.max_streams = 1;
  open_world();
  open_stream(&other, fixture_begin(&w.f));
  ask(&w, &peer, line_of("GET", fixture_begin(&w.f), "/stream"), "", NULL);
  peer_close(&other);
}

static void make_503_too_many_connections(void) {
  static peer_t other;

  w.options.max_connections = 1;
  open_world();
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  other = peer;
  peer_open(&peer, w.port);
  assert_true(peer_wait(&peer, &w.f.loop, "\"code\":", 5000));
  peer_close(&other);
}

static void make_503_draining(void) {
  open_world();
  (void) post_job(&w, &peer, "work");
  run_turns(&w.f.loop, 3);
  assert_ok(jobsrv_drain(w.f.srv, 60000, NULL, NULL));
  run_turns(&w.f.loop, 3);
  post(&w, &peer, WORK);
}

static int stick(jobsrv_job_t *job, void *data) {
  struct timespec nap = { .tv_nsec = 1000000 };

  (void) job;
  (void) data;
  atomic_fetch_add(&inside, 1);
  while (!atomic_load(&may_return))
    nanosleep(&nap, NULL);
  return 0;
}

static int has_come_inside(void *data) {
  return atomic_load(&inside) == *(const int *) data;
}

static void make_503_lost_threads(void) {
  jobsrv_operation_t op;

  w.f.options.max_lost_threads = 1;
  atomic_store(&inside, 0);
  atomic_store(&may_return, 0);
  open_world();
  jobsrv_operation_init(&op);
  op.name = "stick";
  op.style = JOBSRV_THREAD;
  op.run = stick;
  assert_ok(jobsrv_operation_add(w.f.srv, &op));
  for (int n = 1; n <= 2; n++) { /* one is replaced */
    jobsrv_job_t *job = fixture_submit(&w.f, "stick");

    assert_true(run_until(&w.f.loop, has_come_inside, &n, 20000));
    assert_int_equal(ask(&w, &peer, "GET /ready", "", NULL), 200);
    assert_ok(jobsrv_job_cancel(job, NULL));
    run_turns(&w.f.loop, 3);
    fixture_ms(&w.f, 5001);
  }
  ask(&w, &peer, "GET /ready", "", NULL);
}

/* The first failure after which there is still memory enough to say so. */
static void make_503_no_memory(void) {
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  open_world();
  for (uint64_t n = 0; n < 50; n++) {
    int status;

    jobsrv_faults_fail(&faults, n, 1);
    peer_close(&peer);
    peer_open(&peer, w.port);
    peer_post(&peer, WORK);
    run_turns(&w.f.loop, 10);
    jobsrv_faults_fail(&faults, 0, 0);
    fixture_ms(&w.f, 100); /* accepting may have paused */
    peer_recv(&peer);
    status = peer.len > 0 ? atoi(peer.text + 9) : 0;
    if (status == 503)
      return;
  }
}

static void make_503_timeout(void) {
  open_world();
  add_route(be_late);
  peer_send(&peer, "GET /mine HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 120000);
  assert_true(peer_wait(&peer, &w.f.loop, "\"code\":", 5000));
}

static void make_505_version_not_supported(void) {
  open_world();
  say("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n");
}

/* ---- all of them ---- */

/* Nothing can come behind these, as nobody knows where it would begin. */
static int must_close(int status, const char *code) {
  switch (status) {
  case 400:
    return strcmp(code, "bad_request") == 0;
  case 408:
  case 413:
  case 414:
  case 417:
  case 431:
  case 501:
  case 505:
    return 1;
  default:
    return 0;
  }
}

static void expect(int status, const char *code) {
  int closes = strstr(peer.text, "\r\nConnection: close\r\n") != NULL;

  assert_problem(&peer, status, code);
  if (must_close(status, code))
    assert_true(closes);
  if (status < 500 && !must_close(status, code)) /* and it serves on */
    assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
}

#define XX(status, code, when)                                                \
  static void code##_comes_with_##status(void **state) {                      \
    (void) state;                                                             \
    make_##status##_##code();                                                 \
    expect(status, #code);                                                    \
  }
JOBSRV_SSE_PROBLEM_MAP(XX)
#undef XX

static void assert_about(const jobsrv_job_t *job) {
  char want[80];
  char id[JOBSRV_ID_SIZE];

  snprintf(want, sizeof(want), "\"job_id\":\"%s\"", jobsrv_job_id(job, id));
  assert_contains(answer_body(&peer), want);
}

static void a_problem_of_a_job_names_it(void **state) {
  char line[200];
  char one[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  w.options.max_streams_per_job = 1;
  open_world();
  job = fixture_begin(&w.f);
  ask(&w, &peer, line_of("GET", job, "?wait=0"), "", NULL);
  assert_problem(&peer, 400, "bad_request");
  assert_about(job);
  ask(&w, &peer, line_of("GET", job, "/stream?after=99"), "", NULL);
  assert_problem(&peer, 400, "bad_cursor");
  assert_about(job);
  ask(&w, &peer, line_of("GET", job, "/stream"), "Accept: text/html\r\n",
      NULL);
  assert_problem(&peer, 406, "not_acceptable");
  assert_about(job);
  ask(&w, &peer, line_of("POST", job, "/cancel"), JSON_TYPE, "{\"a\":1}");
  assert_problem(&peer, 422, "invalid_payload");
  assert_about(job);
  snprintf(line, sizeof(line), "GET /v1/stream?jobs=%s,job-x",
           jobsrv_job_id(job, one));
  ask(&w, &peer, line, "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  assert_null(strstr(answer_body(&peer), "job_id"));
}

static jobsrv_sse_grant_t only_read(jobsrv_sse_request_t *request,
                                    jobsrv_sse_verb_t verb,
                                    jobsrv_job_t *job,
                                    void *data) {
  (void) request;
  return verb == JOBSRV_SSE_READ && job == data ? JOBSRV_SSE_ALLOW
                                                : JOBSRV_SSE_DENY;
}

static void who_may_not_know_of_a_job_is_not_told_its_name(void **state) {
  jobsrv_job_t *known;
  jobsrv_job_t *other;

  (void) state;
  open_world();
  known = fixture_begin(&w.f);
  other = fixture_begin(&w.f);
  jobsrv_sse_authorise(w.sse, only_read, known);
  ask(&w, &peer, line_of("DELETE", known, ""), "", NULL);
  assert_problem(&peer, 403, "forbidden");
  assert_about(known);
  ask(&w, &peer, line_of("DELETE", other, ""), "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  assert_null(strstr(answer_body(&peer), "job_id"));
}

static void a_host_may_say_when_to_come_again(void **state) {
  static char seconds[] = "17";

  (void) state;
  rate_limited(seconds);
  assert_contains(peer.text, "\r\nretry-after: 17\r\n");
  assert_null(strstr(peer.text, "Retry-After"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
#define XX(status, code, when) CASE(code##_comes_with_##status),
  JOBSRV_SSE_PROBLEM_MAP(XX)
#undef XX
  CASE(a_problem_of_a_job_names_it),
  CASE(who_may_not_know_of_a_job_is_not_told_its_name),
  CASE(a_host_may_say_when_to_come_again),
};

RUN(tests);
