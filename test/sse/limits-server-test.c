/* SPDX-License-Identifier: MIT */

/*
 * The limits of the server itself, as a client sees them: at each, one past
 * it, and, where nothing is set, at what is named as the default.
 */

#include "sse/watcher.h"

#include <stdatomic.h>

static world w;
static peer_t peer;

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
  world_close(&w);
  return 0;
}

/* Time passes, so what is idle is closed. */
static void connect_again(void) {
  if (peer.fd >= 0)
    peer_close(&peer);
  peer_open(&peer, w.port);
}

static void open_world(void) {
  world_open(&w);
  connect_again();
}

static void submit_many(const char *name, int n) {
  for (int i = 0; i < n; i++) {
    (void) fixture_submit(&w.f, name);
    if (i % 200 == 0)
      run_turns(&w.f.loop, 1);
  }
  run_turns(&w.f.loop, 3);
}

#define WORK "{\"operation\":\"work\"}"

/* ---- jobs ---- */

static void expect_room_for(uint32_t jobs) {
  submit_many("work", (int) jobs - 1);
  assert_int_equal(post(&w, &peer, WORK), 202);
  post(&w, &peer, WORK);
  assert_problem(&peer, 503, "too_many_jobs");
  assert_int_equal(fixture_stats(&w.f).live, jobs);
}

static void max_jobs_are_live(void **state) {
  (void) state;
  w.f.options.max_jobs = 3;
  open_world();
  expect_room_for(3);
}

static void ten_thousand_jobs_are_live(void **state) {
  (void) state;
  open_world();
  expect_room_for(10000);
}

static void expect_queue_for(uint32_t jobs) {
  assert_int_equal(post(&w, &peer, WORK), 202);
  run_turns(&w.f.loop, 3);
  submit_many("work", (int) jobs - 1);
  assert_int_equal(post(&w, &peer, WORK), 202);
  assert_contains(peer.text, "\"state\":\"queued\"");
  post(&w, &peer, WORK);
  assert_problem(&peer, 429, "queue_full");
  assert_int_equal(fixture_stats(&w.f).live, jobs + 1);
}

static void max_queued_wait(void **state) {
  (void) state;
  w.f.options.max_running = 1;
  w.f.options.max_queued = 3;
  open_world();
  expect_queue_for(3);
}

static void a_thousand_and_twenty_four_wait(void **state) {
  (void) state;
  w.f.options.max_running = 1;
  open_world();
  expect_queue_for(1024);
}

static uint32_t running(void) {
  return fixture_stats(&w.f).running;
}

static uint32_t queued(void) {
  return fixture_stats(&w.f).queued;
}

static void max_running_run_and_the_rest_queue(void **state) {
  (void) state;
  w.f.options.max_running = 2;
  open_world();
  for (int i = 0; i < 3; i++) {
    assert_int_equal(post(&w, &peer, WORK), 202);
    run_turns(&w.f.loop, 3);
  }
  assert_int_equal(running(), 2);
  assert_int_equal(queued(), 1);
}

static void as_many_run_as_there_are(void **state) {
  (void) state;
  open_world();
  submit_many("work", 2000);
  run_turns(&w.f.loop, 20);
  assert_int_equal(running(), 2000);
}

/* ---- threads ---- */

static atomic_int inside;
static atomic_int may_return;

static int stick(jobsrv_job_t *job, void *data) {
  struct timespec nap = { .tv_nsec = 1000000 };

  (void) job;
  (void) data;
  atomic_fetch_add(&inside, 1);
  while (!atomic_load(&may_return))
    nanosleep(&nap, NULL);
  return 0;
}

static int are_inside(void *data) {
  return atomic_load(&inside) >= *(const int *) data;
}

static void open_sticky(void) {
  jobsrv_operation_t op;

  atomic_store(&inside, 0);
  atomic_store(&may_return, 0);
  open_world();
  jobsrv_operation_init(&op);
  op.name = "stick";
  op.style = JOBSRV_THREAD;
  op.run = stick;
  op.expose = 1;
  assert_ok(jobsrv_operation_add(w.f.srv, &op));
}

static void expect_inside(int n) {
  assert_true(run_until(&w.f.loop, are_inside, &n, 20000));
  run_turns(&w.f.loop, 20);
  assert_int_equal(atomic_load(&inside), n);
}

static void expect_threads(int n) {
  for (int i = 0; i <= n; i++)
    assert_int_equal(post(&w, &peer, "{\"operation\":\"stick\"}"), 202);
  expect_inside(n);
  assert_int_equal(running(), n);
  assert_int_equal(queued(), 1);
  assert_int_equal(ask(&w, &peer, "GET /ready", "", NULL), 200);
  atomic_store(&may_return, 1);
}

static void max_threads_are_in_operations(void **state) {
  (void) state;
  w.f.options.max_threads = 2;
  open_sticky();
  expect_threads(2);
}

static void eight_threads_are_in_operations(void **state) {
  (void) state;
  open_sticky();
  expect_threads(8);
}

/* Each that is stuck is replaced, until it is not. */
static void expect_replaced(int most) {
  for (int n = 1; n <= most + 1; n++) {
    jobsrv_job_t *job = fixture_submit(&w.f, "stick");

    expect_inside(n);
    connect_again();
    if (ask(&w, &peer, "GET /ready", "", NULL) != 200)
      fail_msg("not ready with %d lost: %s", n - 1, peer.text);
    assert_ok(jobsrv_job_cancel(job, NULL));
    run_turns(&w.f.loop, 3);
    fixture_ms(&w.f, 5001);
    assert_int_equal(fixture_stats(&w.f).lost_threads, n);
  }
  connect_again();
  ask(&w, &peer, "GET /ready", "", NULL);
  assert_problem(&peer, 503, "lost_threads");
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_int_equal(post(&w, &peer, "{\"operation\":\"stick\"}"), 202);
  run_turns(&w.f.loop, 20);
  assert_int_equal(queued(), 1);
  atomic_store(&may_return, 1);
}

static void max_lost_threads_are_replaced(void **state) {
  (void) state;
  w.f.options.max_threads = 1;
  w.f.options.max_lost_threads = 2;
  open_sticky();
  expect_replaced(2);
}

static void sixteen_lost_threads_are_replaced(void **state) {
  (void) state;
  w.f.options.max_threads = 1;
  open_sticky();
  expect_replaced(16);
}

/* ---- what a job says ---- */

static char *letters(size_t n) {
  char *text = malloc(n + 1);

  assert_non_null(text);
  memset(text, 'x', n);
  text[n] = '\0';
  return text;
}

/* The whole answer, which is longer than a peer keeps. */
static char *fetch(const char *line) {
  static char request[400];
  size_t cap = 4u << 20;
  char *text = malloc(cap);
  const char *body = NULL;
  uint64_t start = uv_hrtime();
  size_t len = 0;

  assert_non_null(text);
  snprintf(request, sizeof(request), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
           line);
  peer_send(&peer, request);
  do {
    ssize_t n;

    assert_true(uv_hrtime() - start < UINT64_C(20000000000));
    run_turns(&w.f.loop, 1);
    n = recv(peer.fd, text + len, cap - 1 - len, MSG_DONTWAIT);
    len += n > 0 ? (size_t) n : 0;
    text[len] = '\0';
    if (body == NULL && (body = strstr(text, "\r\n\r\n")) != NULL)
      body += 4;
  } while (body == NULL ||
           len - (size_t) (body - text) <
               (size_t) atol(strstr(text, "Content-Length: ") + 16));
  return text;
}

static size_t run_of(const char *text, char c) {
  size_t most = 0;

  for (; *text != '\0'; text++) {
    size_t n = 0;

    while (text[n] == c)
      n++;
    most = n > most ? n : most;
    text += n > 0 ? n - 1 : 0;
  }
  return most;
}

/* How much of a text of `n` letters comes to a client. */
static size_t text_of(size_t n) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  char *text = letters(n);
  size_t got;
  char *page;

  assert_ok(jobsrv_narrate(job, "say", "%s", text));
  page = fetch(line_of("GET", job, "/events"));
  got = run_of(page, 'x');
  free(text);
  free(page);
  return got;
}

static void a_text_is_cut_at_max_text(void **state) {
  (void) state;
  w.f.options.max_text = 500;
  open_world();
  assert_int_equal(text_of(499), 499);
  assert_int_equal(text_of(500), 500);
  assert_int_equal(text_of(501), 500);
}

static void a_text_is_cut_at_64_kib(void **state) {
  (void) state;
  open_world();
  assert_int_equal(text_of(65535), 65535);
  assert_int_equal(text_of(65536), 65536);
  assert_int_equal(text_of(65537), 65536);
}

/* A JSON string of `n` bytes with its quotes. */
static char *string_of(size_t n) {
  char *text = letters(n);

  text[0] = text[n - 1] = '"';
  return text;
}

static void expect_result(size_t most) {
  for (int beside = -1; beside <= 1; beside++) {
    size_t n = most + (size_t) beside;
    jobsrv_job_t *job = fixture_begin(&w.f);
    char *result = string_of(n);
    char *record;

    if (beside > 0) {
      assert_err(jobsrv_job_complete(job, result, n), JOBSRV_ETOOBIG);
      assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
      assert_ok(jobsrv_job_complete(job, NULL, 0));
    } else {
      assert_ok(jobsrv_job_complete(job, result, n));
      run_turns(&w.f.loop, 3);
      record = fetch(line_of("GET", job, ""));
      assert_int_equal(run_of(record, 'x'), n - 2);
      free(record);
    }
    free(result);
  }
}

static void a_result_is_at_most_max_result(void **state) {
  (void) state;
  w.f.options.max_result = 100;
  open_world();
  expect_result(100);
}

static void a_result_is_at_most_256_kib(void **state) {
  (void) state;
  open_world();
  expect_result(256u * 1024);
}

/* Above it the record alone has it. */
static void an_end_has_a_result_of_16_kib(void **state) {
  (void) state;
  open_world();
  for (int beside = -1; beside <= 1; beside++) {
    size_t n = 16u * 1024 + (size_t) beside;
    jobsrv_job_t *job = fixture_begin(&w.f);
    char *result = string_of(n);
    char *page;

    assert_ok(jobsrv_job_complete(job, result, n));
    run_turns(&w.f.loop, 3);
    page = fetch(line_of("GET", job, "/events"));
    assert_int_equal(run_of(page, 'x') == n - 2, beside <= 0);
    assert_int_equal(strstr(page, "\"result_omitted\":true") != NULL,
                     beside > 0);
    free(page);
    page = fetch(line_of("GET", job, ""));
    assert_int_equal(run_of(page, 'x'), n - 2);
    free(page);
    free(result);
  }
}

/* The largest data that an event can have, and that it reaches the client. */
static void an_event_is_at_most_max_event_bytes(void **state) {
  jobsrv_job_t *job;
  size_t n = 4096;
  char *text;
  char *page;

  (void) state;
  w.f.options.max_event_bytes = 4096;
  open_world();
  job = fixture_begin(&w.f);
  text = string_of(n);
  while (n > 3000 && jobsrv_data_event(job, "rows", text, n) != 0) {
    free(text);
    text = string_of(--n);
  }
  assert_in_range(n, 4096 - 300, 4095); /* the rest of it is its head */
  page = fetch(line_of("GET", job, "/events"));
  assert_int_equal(run_of(page, 'x'), n - 2);
  free(page);
  free(text);
  text = string_of(n + 1);
  assert_err(jobsrv_data_event(job, "rows", text, n + 1), JOBSRV_ETOOBIG);
  free(text);
}

/* Which is what six digits of a chunk's size allow for. */
static void an_event_of_8_mib_comes_whole(void **state) {
  size_t n = (8u << 20) - 1024;
  jobsrv_job_t *job;
  watcher_t *watcher;
  char *text;

  (void) state;
  w.f.options.max_event_bytes = 8u << 20;
  w.f.options.max_bytes_per_job = 16u << 20;
  open_world();
  job = fixture_begin(&w.f);
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 3);
  text = string_of(n);
  assert_ok(jobsrv_data_event(job, "rows", text, n));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->n, 6);
  assert_int_equal(run_of(watcher->events[3].text, 'x'), n - 2);
  watcher_free(watcher);
  free(text);
}

/* ---- what is kept of it ---- */

static uint64_t first_seq(const jobsrv_job_t *job) {
  char *page = fetch(line_of("GET", job, "/events?limit=1"));
  const char *at = strstr(page, "\"missed_to\":");
  uint64_t first = at != NULL ? strtoull(at + 12, NULL, 10) + 1 : 1;

  free(page);
  return first;
}

static void expect_events(uint64_t most) {
  jobsrv_job_t *job = fixture_begin(&w.f);

  while (fixture_info(job).last_seq < most)
    assert_ok(jobsrv_narrate(job, "n", "x"));
  assert_int_equal(first_seq(job), 1);
  assert_ok(jobsrv_narrate(job, "n", "x"));
  assert_true(first_seq(job) > 1);
}

static void max_events_of_a_job_are_kept(void **state) {
  (void) state;
  w.f.options.max_events_per_job = 500;
  w.f.options.max_bytes_per_job = 16u << 20;
  open_world();
  expect_events(500);
}

static void eight_thousand_events_of_a_job_are_kept(void **state) {
  (void) state;
  w.f.options.max_bytes_per_job = 64u << 20;
  open_world();
  expect_events(8192);
}

/* Bytes are those of the frames; a chunk more is never kept. */
static void expect_bytes(size_t most) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  char *page = NULL;
  size_t each;

  assert_ok(jobsrv_narrate(job, "n", "%0900d", 1));
  page = fetch(line_of("GET", job, "/events?after=2"));
  each = strlen(strstr(page, "\r\n\r\n") + 4);
  free(page);
  while (each * fixture_info(job).last_seq < most - most / 16 - 65536)
    assert_ok(jobsrv_narrate(job, "n", "%0900d", 1));
  assert_int_equal(first_seq(job), 1);
  while (each * fixture_info(job).last_seq < most + most / 16 + 65536)
    assert_ok(jobsrv_narrate(job, "n", "%0900d", 1));
  assert_true(first_seq(job) > 1);
}

static void max_bytes_of_a_job_are_kept(void **state) {
  (void) state;
  w.f.options.max_bytes_per_job = 400000;
  open_world();
  expect_bytes(400000);
}

static void a_mebibyte_of_a_job_is_kept(void **state) {
  (void) state;
  open_world();
  expect_bytes(1u << 20);
}

/* ---- what is remembered ---- */

static char *line_for(jobsrv_job_t *job) {
  char line[80];
  char id[JOBSRV_ID_SIZE];
  char *copy;

  snprintf(line, sizeof(line), "GET /v1/jobs/%s", jobsrv_job_id(job, id));
  copy = strdup(line);
  assert_non_null(copy);
  return copy;
}

static char *end_one(void) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  char *line = line_for(job);

  assert_ok(jobsrv_job_complete(job, NULL, 0));
  return line;
}

static void end_many(uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    free(end_one());
    if (i % 1000 == 0)
      run_turns(&w.f.loop, 1);
  }
  run_turns(&w.f.loop, 5);
}

static void expect_retained_for(uint64_t ms) {
  char *line;

  open_world();
  line = end_one();
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, ms - 1);
  connect_again();
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  fixture_ms(&w.f, 1);
  ask(&w, &peer, line, "", NULL);
  assert_problem(&peer, 410, "expired");
  free(line);
}

static void an_ended_job_is_there_for_retain_ms(void **state) {
  (void) state;
  w.f.options.retain_ms = 1234;
  expect_retained_for(1234);
}

static void an_ended_job_is_there_for_ten_minutes(void **state) {
  (void) state;
  expect_retained_for(600000);
}

static void expect_retained(uint32_t n) {
  char *line;

  open_world();
  line = end_one();
  end_many(n - 1);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  end_many(1);
  ask(&w, &peer, line, "", NULL);
  assert_problem(&peer, 410, "expired");
  free(line);
}

static void max_retained_are_there(void **state) {
  (void) state;
  w.f.options.max_retained = 3;
  expect_retained(3);
}

static void a_thousand_are_retained(void **state) {
  (void) state;
  expect_retained(1000);
}

/* Behind those that are retained. */
static void expect_expired(uint32_t n) {
  char *line;

  w.f.options.max_retained = 1;
  open_world();
  line = end_one();
  end_many(n);
  ask(&w, &peer, line, "", NULL);
  assert_problem(&peer, 410, "expired");
  end_many(1);
  ask(&w, &peer, line, "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  free(line);
}

static void max_expired_are_known(void **state) {
  (void) state;
  w.f.options.max_expired = 4;
  expect_expired(4);
}

static void sixty_five_thousand_expired_are_known(void **state) {
  (void) state;
  expect_expired(65536);
}

/* ---- tags ---- */

static int post_tags(int n, int key, int value) {
  static char body[8192];
  int len = snprintf(body, sizeof(body),
                     "{\"operation\":\"work\",\"options\":{\"tags\":{");

  for (int i = 0; i < n; i++)
    len += snprintf(body + len, sizeof(body) - (size_t) len,
                    "%s\"%0*d\":\"%0*d\"", i > 0 ? "," : "", key, i, value, 7);
  snprintf(body + len, sizeof(body) - (size_t) len, "}}}");
  return post(&w, &peer, body);
}

static void expect_tags(int most) {
  assert_int_equal(post_tags(most - 1, 64, 256), 202);
  assert_int_equal(post_tags(most, 64, 256), 202);
  assert_int_equal(post_tags(most + 1, 64, 256), 422);
  assert_problem(&peer, 422, "invalid_options");
}

static void there_are_max_tags(void **state) {
  (void) state;
  w.f.options.max_tags = 3;
  open_world();
  expect_tags(3);
}

static void there_are_sixteen_tags_of_64_and_256_bytes(void **state) {
  (void) state;
  open_world();
  expect_tags(16);
  assert_int_equal(post_tags(1, 63, 255), 202);
  assert_int_equal(post_tags(1, 65, 256), 422);
  assert_problem(&peer, 422, "invalid_options");
  assert_int_equal(post_tags(1, 64, 257), 422);
  assert_problem(&peer, 422, "invalid_options");
}

/* ---- what cannot be seen from outside in reasonable time ---- */

static void the_defaults_are_in_force(void **state) {
  const jobsrv_options_t *options;

  (void) state;
  open_world();
  options = jobsrv_options(w.f.srv);
  assert_int_equal(options->max_running, 0);
  assert_int_equal(options->max_payload, 1u << 20);
  assert_int_equal(options->max_event_bytes, 256u << 10);
  assert_int_equal(options->max_bytes_total, 256u << 20);
  assert_int_equal(options->max_inbox_bytes, 16u << 20);
  assert_int_equal(options->grace_ms, 5000);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(max_jobs_are_live),
  CASE(ten_thousand_jobs_are_live),
  CASE(max_queued_wait),
  CASE(a_thousand_and_twenty_four_wait),
  CASE(max_running_run_and_the_rest_queue),
  CASE(as_many_run_as_there_are),
  CASE(max_threads_are_in_operations),
  CASE(eight_threads_are_in_operations),
  CASE(max_lost_threads_are_replaced),
  CASE(sixteen_lost_threads_are_replaced),
  CASE(a_text_is_cut_at_max_text),
  CASE(a_text_is_cut_at_64_kib),
  CASE(a_result_is_at_most_max_result),
  CASE(a_result_is_at_most_256_kib),
  CASE(an_end_has_a_result_of_16_kib),
  CASE(an_event_is_at_most_max_event_bytes),
  CASE(an_event_of_8_mib_comes_whole),
  CASE(max_events_of_a_job_are_kept),
  CASE(eight_thousand_events_of_a_job_are_kept),
  CASE(max_bytes_of_a_job_are_kept),
  CASE(a_mebibyte_of_a_job_is_kept),
  CASE(an_ended_job_is_there_for_retain_ms),
  CASE(an_ended_job_is_there_for_ten_minutes),
  CASE(max_retained_are_there),
  CASE(a_thousand_are_retained),
  CASE(max_expired_are_known),
  CASE(sixty_five_thousand_expired_are_known),
  CASE(there_are_max_tags),
  CASE(there_are_sixteen_tags_of_64_and_256_bytes),
  CASE(the_defaults_are_in_force),
};

RUN(tests);
