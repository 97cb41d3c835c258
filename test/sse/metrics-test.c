/* SPDX-License-Identifier: MIT */

#include "exposition.h"
#include "sse/watcher.h"

#include "jobsrv/metrics.h"
#include "jobsrv/sse_auth.h"

/* Row 52: GET /metrics. */

static world w;
static peer_t peer;
static jobsrv_sse_grant_t grant;
static jobsrv_sse_verb_t asked;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  w.options.send_buffer = 4096;
  world_open(&w);
  peer_open(&peer, w.port);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

static const char *metrics(const char *fields) {
  assert_int_equal(ask(&w, &peer, "GET /metrics", fields, NULL), 200);
  return answer_body(&peer);
}

#define assert_value(series, value)                                           \
  assert_float_equal(exposition_value(metrics(""), (series)), (value), 1e-9)

static void it_is_not_there_unless_the_host_turns_it_on(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 404);
  assert_problem(&peer, 404, "not_found");
  (void) teardown(state);
}

/* ---- formats ---- */

#define TEXT "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
#define OPEN                                                                  \
  "\r\nContent-Type: application/openmetrics-text; version=1.0.0; "           \
  "charset=utf-8\r\n"

static void the_format_is_what_the_client_likes_best(void **state) {
  static const struct {
    const char *accept;
    int is_open;
  } cases[] = {
    { "", 0 },
    { "Accept: */*\r\n", 0 },
    { "Accept: text/plain\r\n", 0 },
    { "Accept: application/*\r\n", 0 },
    { "Accept: application/openmetrics-text\r\n", 1 },
    { "Accept: application/openmetrics-text;version=1.0.0;q=0.5,"
      "application/openmetrics-text;version=0.0.1;q=0.4,"
      "text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n", 1 },
    { "Accept: text/plain;q=0.9, application/openmetrics-text;q=0.8\r\n", 0 },
    { "Accept: application/openmetrics-text;q=0, */*\r\n", 0 },
    { "Accept: application/openmetrics-text;q=0.25, */*;q=0.125\r\n", 1 },
    { "Accept: application/openmetrics-text;q=0.125, */*;q=0.25\r\n", 0 },
    { "Accept: image/png\r\n", 0 },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const char *body = metrics(cases[i].accept);

    assert_contains(peer.text, cases[i].is_open ? OPEN : TEXT);
    assert_contains(peer.text, "\r\nVary: Accept\r\n");
    assert_contains(peer.text, "\r\nCache-Control: no-store\r\n");
    exposition_check(body, cases[i].is_open);
  }
  assert_int_equal(ask(&w, &peer, "HEAD /metrics", "", NULL), 200);
  assert_contains(peer.text, TEXT);
}

/* ---- what is in it ---- */

static void requests_are_counted_by_route_and_class(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), "", NULL), 200);
  assert_int_equal(ask(&w, &peer, line_of("HEAD", job, ""), "", NULL), 200);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs/none", "", NULL), 404);
  assert_int_equal(ask(&w, &peer, "GET /nothing/here", "", NULL), 404);
  assert_value("jobsrv_http_requests_total{method=\"GET\","
               "route=\"/v1/jobs/{id}\",code=\"2xx\"}", 2);
  assert_value("jobsrv_http_requests_total{method=\"GET\","
               "route=\"/v1/jobs/{id}\",code=\"4xx\"}", 1);
  assert_value("jobsrv_http_requests_total{method=\"POST\","
               "route=\"/v1/jobs\",code=\"2xx\"}", 1);
  assert_value("jobsrv_http_requests_total{method=\"\","
               "route=\"(none)\",code=\"4xx\"}", 1);
  assert_value("jobsrv_jobs_submitted_total{operation=\"work\"}", 1);
  assert_value("jobsrv_http_connections", 1);
  assert_null(strstr(answer_body(&peer), "nothing/here"));
  assert_true(exposition_value(answer_body(&peer),
                               "jobsrv_http_sent_bytes_total") > 1000);
}

static void how_long_an_answer_took_is_measured(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  char text[400];

  (void) state;
  snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
           line_of("GET", job, "?wait=9"));
  peer_send(&peer, text);
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 1250);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_value("jobsrv_http_request_duration_seconds_sum{method=\"GET\","
               "route=\"/v1/jobs/{id}\"}", 1.25);
}

static void what_is_no_request_is_counted_too(void **state) {
  peer_t other;

  (void) state;
  peer_open(&other, w.port);
  fixture_ms(&w.f, 500);
  assert_int_equal(ask_raw(&w, &other, "GET / HTTP/9\r\n\r\n"), 400);
  peer_close(&other);
  assert_value("jobsrv_http_requests_total{method=\"\","
               "route=\"(none)\",code=\"4xx\"}", 1);
  assert_value("jobsrv_http_request_duration_seconds_sum{method=\"\","
               "route=\"(none)\"}", 0);
}

static void streams_are_counted_with_why_they_ended(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  watcher_t *watcher = watcher_open(&w, 0);

  (void) state;
  watcher_ask(watcher, job, 1, "", "");
  run_turns(&w.f.loop, 5);
  assert_value("jobsrv_watchers", 1);
  assert_value("jobsrv_stream_ends_total{reason=\"done\"}", 0);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 10);
  assert_value("jobsrv_watchers", 0);
  assert_value("jobsrv_streams_opened_total", 1);
  assert_value("jobsrv_stream_ends_total{reason=\"done\"}", 1);
  assert_true(exposition_value(answer_body(&peer),
                               "jobsrv_stream_bytes_total") > 100);
  watcher_free(watcher);
}

static void say(jobsrv_job_t *job, int n) {
  for (int i = 0; i < n; i++)
    assert_ok(jobsrv_narrate(job, "step", "%d of %d", i, n));
}

/* Two that are not read from, and so are behind by whatever comes. */
static void how_far_streams_are_behind_is_told(void **state) {
  static char long_text[16 * 1024];
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  watcher_t *slow = watcher_open(&w, 4096);
  watcher_t *fast = watcher_open(&w, 0);
  double bytes;

  (void) state;
  memset(long_text, 'x', sizeof(long_text) - 1);
  watcher_ask(slow, job, 1, "", "");
  run_turns(&w.f.loop, 5);
  assert_value("jobsrv_watcher_lag_events", 0);
  assert_value("jobsrv_watchers_behind{events=\"1\"}", 0);
  bytes = exposition_value(metrics(""), "jobsrv_stream_bytes_total");
  assert_true(bytes > 100);
  for (int i = 0; i < 400; i++)
    assert_ok(jobsrv_narrate(job, "step", "%s", long_text));
  run_turns(&w.f.loop, 5);
  say(job, 20);
  watcher_ask(fast, job, 1, "?after=420", "");
  run_turns(&w.f.loop, 5);
  exposition_check(metrics(""), 0);
  assert_value("jobsrv_watchers", 2);
  assert_true(exposition_value(answer_body(&peer),
                               "jobsrv_watcher_lag_events") >= 20);
  assert_value("jobsrv_watchers_behind{events=\"1\"}", 1);
  assert_value("jobsrv_watchers_behind{events=\"10\"}", 1);
  assert_value("jobsrv_watchers_behind{events=\"10000\"}", 0);
  assert_true(exposition_value(metrics(""), "jobsrv_stream_bytes_total") >
              bytes);
  watcher_free(slow);
  watcher_free(fast);
}

static void many_jobs_on_one_stream_are_behind_by_the_sum(void **state) {
  static char long_text[16 * 1024];
  jobsrv_job_t *first = post_job(&w, &peer, "work");
  jobsrv_job_t *second = post_job(&w, &peer, "work");
  char a[JOBSRV_ID_SIZE];
  char b[JOBSRV_ID_SIZE];
  char text[400];
  peer_t slow;
  double all;

  (void) state;
  memset(long_text, 'x', sizeof(long_text) - 1);
  peer_open(&slow, w.port);
  snprintf(text, sizeof(text), "GET /v1/stream?jobs=%s,%s HTTP/1.1\r\n"
           "Host: localhost\r\n\r\n", jobsrv_job_id(first, a),
           jobsrv_job_id(second, b));
  peer_send(&slow, text);
  run_turns(&w.f.loop, 5);
  assert_value("jobsrv_watchers", 1);
  assert_value("jobsrv_watcher_lag_events", 0);
  for (int i = 0; i < 600; i++) {
    assert_ok(jobsrv_narrate(first, "step", "%s", long_text));
    assert_ok(jobsrv_narrate(second, "step", "%s", long_text));
  }
  run_turns(&w.f.loop, 50);
  all = exposition_value(metrics(""), "jobsrv_watcher_lag_events");
  assert_true(all >= 1);
  say(first, 7);
  say(second, 8);
  run_turns(&w.f.loop, 50);
  all = exposition_value(metrics(""), "jobsrv_watcher_lag_events") - all;
  assert_in_range((uint64_t) all, 9, 15); /* the socket may take some more */
  peer_close(&slow);
}

/* Reads on, and keeps nothing. */
static int has_caught_up(void *data) {
  peer_t *slow = data;

  peer_recv(slow);
  slow->len = 0;
  return exposition_value(metrics(""), "jobsrv_watcher_lag_events") == 0;
}

/* All that is numbered counts, and what is sent counts no more. */
static void all_jobs_on_one_stream_are_behind_by_what_was_numbered(
    void **state) {
  static char long_text[16 * 1024];
  static peer_t slow;
  jobsrv_job_t *job;
  double all;

  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  w.options.all_events = 1;
  w.options.send_buffer = 4096;
  world_open(&w);
  peer_open(&peer, w.port);
  job = post_job(&w, &peer, "work");
  memset(long_text, 'x', sizeof(long_text) - 1);
  peer_open(&slow, w.port);
  peer_send(&slow, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  say(job, 5);
  run_turns(&w.f.loop, 5);
  assert_value("jobsrv_watchers", 1);
  assert_value("jobsrv_watcher_lag_events", 0);
  for (int i = 0; i < 600; i++)
    assert_ok(jobsrv_narrate(job, "step", "%s", long_text));
  run_turns(&w.f.loop, 50);
  say(job, 15);
  all = exposition_value(metrics(""), "jobsrv_watcher_lag_events");
  assert_in_range((uint64_t) all, 15, 615);
  assert_true(run_until(&w.f.loop, has_caught_up, &slow, 20000));
  peer_close(&slow);
  (void) teardown(state);
}

static int is_behind(void *data) {
  double lag = exposition_value(metrics(""), "jobsrv_watcher_lag_events");

  return lag >= *(double *) data;
}

static int has_sent(void *data) {
  return exposition_value(metrics(""), "jobsrv_stream_bytes_total") >=
         *(double *) data;
}

/* What another thread sends is known here all the same. */
static void a_stream_on_a_fanout_loop_is_seen_as_well(void **state) {
  static char long_text[16 * 1024];
  watcher_t *slow;
  jobsrv_job_t *job;
  double want = 100;

  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  w.options.fanout_loops = 1;
  w.options.send_buffer = 4096;
  world_open(&w);
  peer_open(&peer, w.port);
  job = post_job(&w, &peer, "work");
  memset(long_text, 'x', sizeof(long_text) - 1);
  slow = watcher_open(&w, 4096);
  watcher_ask(slow, job, 1, "", "");
  assert_true(run_until(&w.f.loop, has_sent, &want, 5000));
  for (int i = 0; i < 400; i++)
    assert_ok(jobsrv_narrate(job, "step", "%s", long_text));
  say(job, 20);
  want = 20;
  assert_true(run_until(&w.f.loop, is_behind, &want, 5000));
  assert_float_equal(exposition_value(answer_body(&peer),
                                      "jobsrv_watchers_behind{events=\"10\"}"),
                     1, 1e-9);
  watcher_free(slow);
  (void) teardown(state);
}

static void limits_in_force_are_told(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  w.options.max_connections = 40;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_value("jobsrv_http_connections_limit", 40);
  assert_value("jobsrv_watchers_limit", 30);
  (void) teardown(state);
}

static void serve(jobsrv_sse_request_t *request, void *data) {
  (void) data;
  jobsrv_sse_respond(request, 200, "text/plain", "x", 1);
}

static void routes_of_the_host_are_among_them(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/a\"b/{x}";
  route.handler = serve;
  assert_ok(jobsrv_sse_route(w.sse, &route));
  assert_int_equal(ask(&w, &peer, "GET /a%22b/1", "", NULL), 200);
  exposition_check(metrics(""), 0);
  assert_value("jobsrv_http_requests_total{method=\"GET\","
               "route=\"/a\\\"b/{x}\",code=\"2xx\"}", 1);
}

/* ---- who may ---- */

static jobsrv_sse_grant_t decide(jobsrv_sse_request_t *request,
                                 jobsrv_sse_verb_t verb,
                                 jobsrv_job_t *job,
                                 void *data) {
  (void) request;
  (void) data;
  assert_null(job);
  asked = verb;
  return grant;
}

static void the_hook_is_asked(void **state) {
  (void) state;
  jobsrv_sse_authorise(w.sse, decide, NULL);
  grant = JOBSRV_SSE_DENY;
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 403);
  assert_int_equal(asked, JOBSRV_SSE_METRICS);
  grant = JOBSRV_SSE_UNKNOWN;
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 401);
  grant = JOBSRV_SSE_ALLOW;
  exposition_check(metrics(""), 0);
}

static void the_token_is_asked_for(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  w.options.bearer_token = "s3cret";
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 401);
  exposition_check(metrics("Authorization: Bearer s3cret\r\n"), 0);
  (void) teardown(state);
}

static void a_token_of_its_own_opens_it_and_nothing_else(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  w.options.bearer_token = "s3cret";
  w.options.metrics_token = "scr4pe";
  world_open(&w);
  peer_open(&peer, w.port);
  exposition_check(metrics("Authorization: Bearer scr4pe\r\n"), 0);
  exposition_check(metrics("Authorization: Bearer s3cret\r\n"), 0);
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 401);
  assert_int_equal(ask(&w, &peer, "GET /metrics",
                       "Authorization: Bearer scr4p\r\n", NULL), 401);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs",
                       "Authorization: Bearer scr4pe\r\n", NULL), 401);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs",
                       "Authorization: Bearer s3cret\r\n", NULL), 200);
  (void) teardown(state);
}

static void its_own_token_is_asked_for_without_another(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  w.options.metrics_token = "scr4pe";
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 401);
  exposition_check(metrics("Authorization: Bearer scr4pe\r\n"), 0);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", "", NULL), 200);
  (void) teardown(state);
}

static void a_token_of_its_own_is_visible_ascii(void **state) {
  jobsrv_sse_options_t options;
  jobsrv_sse_t *sse;

  (void) state;
  jobsrv_sse_options_init(&options);
  options.metrics_token = "";
  assert_int_equal(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.metrics_token = "a b";
  assert_int_equal(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
}

/* ---- several transports, and no route ---- */

static int append(const char *text, size_t len, void *data) {
  char *to = data;

  strncat(to, text, len);
  return 0;
}

static void each_transport_tells_its_own(void **state) {
  static char text[1 << 18];
  jobsrv_sse_t *other;

  (void) state;
  assert_ok(jobsrv_sse_new(&other, w.f.srv, NULL));
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  text[0] = '\0';
  assert_ok(jobsrv_sse_metrics_write(other, JOBSRV_METRICS_OPENMETRICS, append,
                                     text));
  exposition_check(text, 1);
  assert_null(strstr(text, "/health"));
  assert_float_equal(exposition_value(text, "jobsrv_watchers"), 0, 0);
  text[0] = '\0';
  assert_ok(jobsrv_metrics_write(w.f.srv, JOBSRV_METRICS_TEXT, append, text));
  exposition_check(text, 0);
  assert_null(strstr(text, "jobsrv_http"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_is_not_there_unless_the_host_turns_it_on),
  CASE(the_format_is_what_the_client_likes_best),
  CASE(requests_are_counted_by_route_and_class),
  CASE(how_long_an_answer_took_is_measured),
  CASE(what_is_no_request_is_counted_too),
  CASE(streams_are_counted_with_why_they_ended),
  CASE(how_far_streams_are_behind_is_told),
  CASE(many_jobs_on_one_stream_are_behind_by_the_sum),
  cmocka_unit_test(all_jobs_on_one_stream_are_behind_by_what_was_numbered),
  cmocka_unit_test(a_stream_on_a_fanout_loop_is_seen_as_well),
  cmocka_unit_test(limits_in_force_are_told),
  CASE(routes_of_the_host_are_among_them),
  CASE(the_hook_is_asked),
  cmocka_unit_test(the_token_is_asked_for),
  cmocka_unit_test(a_token_of_its_own_opens_it_and_nothing_else),
  cmocka_unit_test(its_own_token_is_asked_for_without_another),
  CASE(a_token_of_its_own_is_visible_ascii),
  CASE(each_transport_tells_its_own),
};

RUN(tests);
