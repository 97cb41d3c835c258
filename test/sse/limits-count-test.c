/* SPDX-License-Identifier: MIT */

/*
 * How many there may be of what a transport has, and for how long: at each
 * limit and past it, where it is set and where it is not.
 */

#include "refusing.h"

#include "jobsrv/sse_route.h"

#include <sys/resource.h>

enum { MANY = 1100 };

static world w;
static jobsrv_memory_t *clients[MANY];
static size_t n_clients;
static struct rlimit descriptors;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  n_clients = 0;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  for (size_t i = 0; i < n_clients; i++)
    jobsrv_memory_free(clients[i]);
  world_close(&w);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  return 0;
}

static jobsrv_memory_t *connect_one(void) {
  assert_true(n_clients < MANY);
  assert_ok(jobsrv_memory_open(&clients[n_clients], w.sse));
  return clients[n_clients++];
}

static void feed(jobsrv_memory_t *client, const char *text) {
  assert_ok(jobsrv_memory_feed(client, text, strlen(text)));
  run_turns(&w.f.loop, 4);
}

static const char *output(const jobsrv_memory_t *client) {
  return jobsrv_memory_output(client, NULL);
}

static int status_of(const jobsrv_memory_t *client) {
  const char *text = output(client);

  return strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

static void expect(const jobsrv_memory_t *client,
                   int status,
                   const char *code) {
  char text[80];

  if (status_of(client) != status)
    fail_msg("%d where %s was due: %s", status_of(client), code,
             output(client));
  if (status == 429 || status == 503)
    assert_contains(output(client), "\r\nRetry-After: ");
  snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
  assert_contains(output(client), text);
}

/* Sends a request of a line without its version; returns the status. */
static int ask_over(jobsrv_memory_t *client,
                    const char *line,
                    const char *fields) {
  static char request[32768];

  jobsrv_memory_take(client, SIZE_MAX);
  snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
           line, fields);
  feed(client, request);
  return status_of(client);
}

/* ---- connections ---- */

static void set_descriptors(rlim_t n) {
  struct rlimit limit = descriptors;

  assert_true(n <= limit.rlim_max);
  limit.rlim_cur = n;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void expect_connections(uint32_t n) {
  jobsrv_memory_t *one;

  world_open(&w);
  for (uint32_t i = 0; i < n; i++)
    (void) connect_one();
  run_turns(&w.f.loop, 3);
  assert_int_equal(world_stats(&w).connections, n);
  one = clients[n_clients - 1];
  assert_int_equal(ask_over(one, "GET /health", ""), 200);
  expect(connect_one(), 503, "too_many_connections");
  assert_int_equal(world_stats(&w).connections, n);
  assert_int_equal(world_stats(&w).refused, 1);
  jobsrv_memory_abort(one); /* and there is room for another */
  run_turns(&w.f.loop, 3);
  assert_int_equal(ask_over(connect_one(), "GET /health", ""), 200);
}

static void max_connections_are_served(void **state) {
  (void) state;
  w.options.max_connections = 3;
  expect_connections(3);
}

static void a_thousand_and_twenty_four_connections_are_served(void **state) {
  rlim_t most = descriptors.rlim_max;

  (void) state;
  if (most > 4096)
    most = 4096;
  set_descriptors(most);
  expect_connections(most - 64 < 1024 ? (uint32_t) most - 64 : 1024);
}

static void connections_are_64_less_than_descriptors(void **state) {
  (void) state;
  set_descriptors(64 + 30);
  expect_connections(30);
}

/* ---- streams ---- */

static jobsrv_memory_t *stream_of(const jobsrv_job_t *job) {
  jobsrv_memory_t *client = connect_one();

  (void) ask_over(client, line_of("GET", job, "/stream"), "");
  return client;
}

static void expect_streams(uint32_t n) {
  jobsrv_memory_t *last = NULL;

  world_open(&w);
  for (uint32_t i = 0; i < n; i++) {
    last = stream_of(fixture_begin(&w.f));
    assert_int_equal(status_of(last), 200);
  }
  assert_int_equal(world_stats(&w).streams, n);
  expect(stream_of(fixture_begin(&w.f)), 503, "too_many_streams");
  jobsrv_memory_abort(last);
  run_turns(&w.f.loop, 3);
  assert_int_equal(status_of(stream_of(fixture_begin(&w.f))), 200);
}

static void max_streams_are_open(void **state) {
  (void) state;
  w.options.max_streams = 3;
  expect_streams(3);
}

static void streams_are_three_quarters_of_connections(void **state) {
  (void) state;
  w.options.max_connections = 8;
  expect_streams(6);
}

static void the_quarters_are_of_what_descriptors_leave(void **state) {
  (void) state;
  set_descriptors(64 + 40);
  expect_streams(30);
}

static void expect_watchers(uint32_t n) {
  jobsrv_job_t *job;
  jobsrv_memory_t *last = NULL;

  world_open(&w);
  job = fixture_begin(&w.f);
  for (uint32_t i = 0; i < n; i++) {
    last = stream_of(job);
    assert_int_equal(status_of(last), 200);
  }
  expect(stream_of(job), 429, "too_many_watchers");
  assert_int_equal(status_of(stream_of(fixture_begin(&w.f))), 200);
  jobsrv_memory_abort(last);
  run_turns(&w.f.loop, 3);
  assert_int_equal(status_of(stream_of(job)), 200);
}

static void max_streams_per_job_watch_it(void **state) {
  (void) state;
  w.options.max_streams_per_job = 2;
  expect_watchers(2);
}

static void two_hundred_and_fifty_six_watch_a_job(void **state) {
  (void) state;
  w.options.max_connections = 500;
  expect_watchers(256);
}

/* The line of a stream of so many jobs. */
static const char *naming(jobsrv_job_t *const *jobs, int n) {
  static char line[8192];
  char id[JOBSRV_ID_SIZE];
  int len = snprintf(line, sizeof(line), "GET /v1/stream?jobs=");

  for (int i = 0; i < n; i++)
    len += snprintf(line + len, sizeof(line) - (size_t) len, "%s%s",
                    i > 0 ? "," : "", jobsrv_job_id(jobs[i], id));
  return line;
}

static void expect_jobs_per_stream(int most) {
  jobsrv_job_t *jobs[65];
  jobsrv_memory_t *client;

  world_open(&w);
  for (int i = 0; i <= most; i++)
    jobs[i] = fixture_begin(&w.f);
  client = connect_one();
  assert_int_equal(ask_over(client, naming(jobs, most + 1), ""), 400);
  assert_contains(output(client), "\"code\":\"bad_request\"");
  assert_int_equal(ask_over(client, naming(jobs, most), ""), 200);
  assert_int_equal(ask_over(connect_one(), naming(jobs, most - 1), ""), 200);
}

static void max_jobs_are_on_a_stream(void **state) {
  (void) state;
  w.options.max_jobs_per_stream = 3;
  expect_jobs_per_stream(3);
}

static void sixty_four_jobs_are_on_a_stream(void **state) {
  (void) state;
  expect_jobs_per_stream(64);
}

/* ---- requests that wait ---- */

static jobsrv_sse_request_t *held;

static void be_late(jobsrv_sse_request_t *request, void *data) {
  held = request;
  jobsrv_sse_answer_later(request, NULL, data);
}

static void open_with_late_route(void) {
  jobsrv_sse_route_t route;

  world_open(&w);
  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/late";
  route.handler = be_late;
  assert_ok(jobsrv_sse_route(w.sse, &route));
}

#define LATE "GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n"

/* While one is answered, so many behind it are taken in; then reading pauses,
   until there is room again, and nothing is lost. */
static void expect_pipelined(uint32_t most) {
  jobsrv_memory_t *client;
  const char *at;
  const char *text;
  uint32_t answers = 0;

  open_with_late_route();
  client = connect_one();
  feed(client, LATE);
  for (uint32_t i = 0; i < most; i++) {
    feed(client, HEALTH);
    if (jobsrv_memory_unread(client) != 0)
      fail_msg("%u were not read", i + 1);
  }
  feed(client, HEALTH);
  feed(client, HEALTH);
  assert_int_equal(jobsrv_memory_unread(client), 2 * strlen(HEALTH));
  assert_ok(jobsrv_sse_respond(held, 200, NULL, NULL, 0));
  run_turns(&w.f.loop, 20);
  assert_int_equal(jobsrv_memory_unread(client), 0);
  at = output(client);
  while (next_answer(&at, &text) == 200)
    answers++;
  assert_int_equal(answers, most + 3);
  assert_int_equal(*at, '\0');
}

static void max_pipelined_wait(void **state) {
  (void) state;
  w.options.max_pipelined = 3;
  expect_pipelined(3);
}

static void a_hundred_wait(void **state) {
  (void) state;
  expect_pipelined(100);
}

/* ---- texts of a client's ---- */

#define JSON_POST                                                             \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE                   \
  "Content-Length: 20\r\n"

static void a_key_has_128_bytes(void **state) {
  char request[400];
  jobsrv_memory_t *client;

  (void) state;
  world_open(&w);
  client = connect_one();
  for (int n = 127; n <= 129; n++) {
    jobsrv_memory_take(client, SIZE_MAX);
    snprintf(request, sizeof(request),
             JSON_POST "Idempotency-Key: %0*d\r\n\r\n{\"operation\":\"work\"}",
             n, 1);
    feed(client, request);
    assert_int_equal(status_of(client), n > 128 ? 400 : 202);
  }
  expect(client, 400, "bad_request");
}

/* Leading zeros make a cursor as long as wanted. */
static void a_cursor_has_128_bytes(void **state) {
  jobsrv_memory_t *client;
  jobsrv_job_t *job;

  (void) state;
  world_open(&w);
  client = connect_one();
  job = fixture_begin(&w.f);
  for (int n = 127; n <= 130; n++) {
    char fields[200];
    char query[200];

    snprintf(fields, sizeof(fields), "Last-Event-ID: %0*d\r\n", n, 99);
    snprintf(query, sizeof(query), "/events?after=%0*d", n, 99);
    assert_int_equal(ask_over(client, line_of("GET", job, "/stream"), fields),
                     400);
    expect(client, 400, "bad_cursor");
    assert_int_equal(ask_over(client, line_of("GET", job, query), ""), 400);
    expect(client, 400, "bad_cursor");
  }
  assert_int_equal(ask_over(client, line_of("GET", job, "/events?after=2"), ""),
                   200);
}

static void an_id_of_any_length_is_not_found(void **state) {
  jobsrv_memory_t *client;

  (void) state;
  world_open(&w);
  client = connect_one();
  for (int n = 127; n <= 4000; n = n < 130 ? n + 1 : n * 2) {
    char line[5000];

    snprintf(line, sizeof(line), "GET /v1/jobs/%0*d", n, 1);
    assert_int_equal(ask_over(client, line, ""), 404);
    expect(client, 404, "unknown_job");
  }
}

static void retry_ms_is_told_and_bounded(void **state) {
  static const struct {
    uint32_t set;
    uint32_t told; /* 0: refused */
  } cases[] = { { 0, 2000 },      { 999, 0 },     { 1000, 1000 },
                { 1001, 1001 },   { 59999, 59999 }, { 60000, 60000 },
                { 60001, 0 } };
  jobsrv_job_t *job;
  char want[40];

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    jobsrv_sse_options_t options = { .size = sizeof(options),
                                     .retry_ms = cases[i].set };
    jobsrv_memory_t *client;
    jobsrv_sse_t *sse;

    if (cases[i].told == 0) {
      assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
      continue;
    }
    assert_ok(jobsrv_sse_new(&sse, w.f.srv, &options));
    assert_ok(jobsrv_memory_open(&client, sse));
    assert_int_equal(ask_over(client, line_of("GET", job, "/stream"), ""),
                     200);
    snprintf(want, sizeof(want), "\nretry: %u\n", cases[i].told);
    assert_contains(output(client), want);
    jobsrv_sse_close(sse, NULL, NULL);
    jobsrv_memory_free(client);
    run_turns(&w.f.loop, 3);
  }
}

/* ---- time, where nothing is set ---- */

static jobsrv_memory_t *fed(const char *text) {
  jobsrv_memory_t *client = connect_one();

  feed(client, text);
  return client;
}

static jobsrv_memory_t *say_nothing(void) {
  jobsrv_memory_t *client = connect_one();

  run_turns(&w.f.loop, 3);
  return client;
}

static jobsrv_memory_t *begin_a_head(void) {
  return fed("GET /health HTTP/1.1\r\nHost:");
}

static jobsrv_memory_t *begin_a_body(void) {
  return fed(JSON_POST "\r\n{\"operation");
}

static jobsrv_memory_t *be_idle(void) {
  jobsrv_memory_t *client = fed(HEALTH);

  assert_int_equal(status_of(client), 200);
  jobsrv_memory_take(client, SIZE_MAX);
  return client;
}

static jobsrv_memory_t *wait_for_an_answer(void) {
  return fed(LATE);
}

static jobsrv_memory_t *watch_a_job(void) {
  jobsrv_memory_t *client = stream_of(fixture_begin(&w.f));

  assert_int_equal(status_of(client), 200);
  jobsrv_memory_take(client, SIZE_MAX);
  return client;
}

static jobsrv_memory_t *take_no_answer(void) {
  jobsrv_memory_t *client = connect_one();

  jobsrv_memory_window(client, 20);
  feed(client, HEALTH);
  return client;
}

static jobsrv_memory_t *take_no_event(void) {
  jobsrv_memory_t *client = connect_one();

  jobsrv_memory_window(client, 500);
  feed(client, HEALTH); /* so that the window is in the middle of a frame */
  (void) ask_over(client, line_of("GET", fixture_begin(&w.f), "/stream"), "");
  return client;
}

static int is_closed(const jobsrv_memory_t *client) {
  return jobsrv_memory_state(client) == JOBSRV_MEMORY_CLOSED &&
         *output(client) == '\0';
}

static int is_reset(const jobsrv_memory_t *client) {
  return jobsrv_memory_state(client) == JOBSRV_MEMORY_RESET;
}

static int is_408(const jobsrv_memory_t *client) {
  return status_of(client) == 408 &&
         jobsrv_memory_state(client) == JOBSRV_MEMORY_SHUT;
}

static int is_503(const jobsrv_memory_t *client) {
  return status_of(client) == 503;
}

static int has_beaten(const jobsrv_memory_t *client) {
  return strstr(output(client), "\n:") != NULL;
}

static const struct {
  const char *name;
  jobsrv_memory_t *(*prepare)(void);
  uint64_t ms;
  int (*happened)(const jobsrv_memory_t *client);
} clocks[] = {
  { "silent_timeout_ms", say_nothing, 10000, is_closed },
  { "head_timeout_ms", begin_a_head, 10000, is_408 },
  { "body_timeout_ms", begin_a_body, 30000, is_408 },
  { "keepalive_idle_ms", be_idle, 60000, is_closed },
  { "answer_timeout_ms", wait_for_an_answer, 120000, is_503 },
  { "heartbeat_ms", watch_a_job, 15000, has_beaten },
  { "write_stall_ms", take_no_answer, 20000, is_reset },
  { "write_stall_ms of a stream", take_no_event, 20000, is_reset },
};

static void what_is_not_set_takes_as_long_as_is_named(void **state) {
  (void) state;
  open_with_late_route();
  for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
    jobsrv_memory_t *client = clocks[i].prepare();

    fixture_ms(&w.f, clocks[i].ms - 1);
    if (clocks[i].happened(client))
      fail_msg("%s: too early: %s", clocks[i].name, output(client));
    fixture_ms(&w.f, 1);
    if (!clocks[i].happened(client))
      fail_msg("%s: not in time: %s", clocks[i].name, output(client));
  }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(max_connections_are_served),
  CASE(a_thousand_and_twenty_four_connections_are_served),
  CASE(connections_are_64_less_than_descriptors),
  CASE(max_streams_are_open),
  CASE(streams_are_three_quarters_of_connections),
  CASE(the_quarters_are_of_what_descriptors_leave),
  CASE(max_streams_per_job_watch_it),
  CASE(two_hundred_and_fifty_six_watch_a_job),
  CASE(max_jobs_are_on_a_stream),
  CASE(sixty_four_jobs_are_on_a_stream),
  CASE(max_pipelined_wait),
  CASE(a_hundred_wait),
  CASE(a_key_has_128_bytes),
  CASE(a_cursor_has_128_bytes),
  CASE(an_id_of_any_length_is_not_found),
  CASE(retry_ms_is_told_and_bounded),
  CASE(what_is_not_set_takes_as_long_as_is_named),
};

RUN(tests);
