/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_auth.h"
#include "jobsrv/testing_sse.h"

#include <pthread.h>

/*
 * Streams of many jobs whose readers are slow, whose host does in its hook what
 * it likes, and whose jobs narrate from many threads.
 */

enum { JOBS = 8, BODY = 1 << 23 };

static world w;
static char body[BODY];
static size_t body_len;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.all_events = 1;
  body_len = 0;
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static jobsrv_memory_t *ask_for(const char *path, size_t window) {
  jobsrv_memory_t *client;
  char text[4000];

  assert_ok(jobsrv_memory_open(&client, w.sse));
  jobsrv_memory_window(client, window);
  snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
           path);
  assert_ok(jobsrv_memory_feed(client, text, strlen(text)));
  run_turns(&w.f.loop, 4);
  return client;
}

/* Takes what has come into `body`, chunks and all. */
static void take(jobsrv_memory_t *client) {
  size_t len;
  const char *bytes = jobsrv_memory_output(client, &len);

  assert_true(body_len + len < BODY);
  memcpy(body + body_len, bytes, len);
  body_len += len;
  body[body_len] = '\0';
  jobsrv_memory_take(client, len);
}

/* Of `body`. Sanitizers look at all that strstr() and memmem() are given. */
static char *find(char *from, const char *part) {
  char *end = body + body_len;
  size_t size = strlen(part);

  for (; (size_t) (end - from) >= size; from++) {
    from = memchr(from, part[0], (size_t) (end - from));
    if (from == NULL || (size_t) (end - from) < size)
      return NULL;
    if (memcmp(from, part, size) == 0)
      return from;
  }
  return NULL;
}

static unsigned long long number_in(const char *at) {
  char digits[21] = "";

  memcpy(digits, at, sizeof(digits) - 1); /* JSON goes on behind it */
  return strtoull(digits, NULL, 10);
}

static size_t count(const char *part) {
  size_t n = 0;

  for (char *at = body; (at = find(at, part)) != NULL; at++)
    n++;
  return n;
}

static void begin_all(jobsrv_job_t **jobs) {
  for (size_t i = 0; i < JOBS; i++)
    jobs[i] = fixture_begin(&w.f);
}

static const char *naming(jobsrv_job_t *const *jobs, const char *more) {
  static char path[700];
  char id[JOBSRV_ID_SIZE];
  size_t len = (size_t) snprintf(path, sizeof(path), "/v1/stream?jobs=");

  for (size_t i = 0; i < JOBS; i++)
    len += (size_t) snprintf(path + len, sizeof(path) - len, "%s%s",
                             i > 0 ? "," : "", jobsrv_job_id(jobs[i], id));
  snprintf(path + len, sizeof(path) - len, "%s", more);
  return path;
}

/* ---- what a turn may cost ---- */

enum { LARGE = 60 };

/* Records are rendered by the dozen; each is a part of the turn's share. */
static void records_take_turns(const char *path) {
  static char result[15 * 1024];
  char line[3000] = "";
  char id[JOBSRV_ID_SIZE];
  jobsrv_memory_t *client;
  uint64_t before;
  uint64_t most = 0;
  uint64_t sent;
  size_t len = (size_t) snprintf(line, sizeof(line), "%s", path);

  world_open(&w);
  memset(result, '1', sizeof(result));
  result[0] = result[sizeof(result) - 1] = '"';
  for (int i = 0; i < LARGE; i++) {
    jobsrv_job_t *job = fixture_begin(&w.f);

    assert_ok(jobsrv_job_complete(job, result, sizeof(result)));
    if (strchr(path, '=') != NULL)
      len += (size_t) snprintf(line + len, sizeof(line) - len, "%s%s",
                               i > 0 ? "," : "", jobsrv_job_id(job, id));
  }
  run_turns(&w.f.loop, 4);
  before = world_stats(&w).bytes_sent;
  client = ask_for(line, 0);
  jobsrv_memory_window(client, SIZE_MAX);
  for (int i = 0; i < 40; i++) {
    run_turns(&w.f.loop, 1);
    sent = world_stats(&w).bytes_sent - before;
    before += sent;
    most = sent > most ? sent : most;
  }
  take(client);
  assert_int_equal(count("event: end\n"), LARGE);
  assert_in_range(most, 128 * 1024, (256 + 48) * 1024);
  jobsrv_memory_free(client);
}

static void records_of_all_take_turns(void **state) {
  (void) state;
  records_take_turns("/v1/events");
}

static void records_of_many_take_turns(void **state) {
  (void) state;
  records_take_turns("/v1/stream?jobs=");
}

/* More than are looked at in a turn, as none has a log yet. */
static void a_drain_waits_for_what_is_still_looked_for(void **state) {
  static const char all[] =
      "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
  jobsrv_memory_t *client;
  char newest[40];

  (void) state;
  w.f.options.max_retained = 3000;
  world_open(&w);
  for (int i = 0; i < 3000; i++)
    assert_ok(jobsrv_job_complete(fixture_begin(&w.f), NULL, 0));
  snprintf(newest, sizeof(newest), "-g%llu\n",
           (unsigned long long) fixture_stats(&w.f).events);
  assert_ok(jobsrv_memory_open(&client, w.sse));
  jobsrv_memory_window(client, SIZE_MAX);
  assert_ok(jobsrv_memory_feed(client, all, sizeof(all) - 1));
  for (int i = 0; world_stats(&w).streams == 0; i++) {
    assert_true(i < 10);
    run_turns(&w.f.loop, 1);
  }
  assert_ok(jobsrv_drain(w.f.srv, 60000, NULL, NULL));
  run_turns(&w.f.loop, 60);
  take(client);
  assert_non_null(strstr(body, newest));
  assert_non_null(strstr(body, "\nretry: 2000\n\n\r\n0\r\n\r\n"));
  jobsrv_memory_free(client);
}

/* ---- jobs that go ---- */

/* Twice as many as are kept for who does not read. */
static void end_many(int is_private) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.is_private = is_private;
  for (int i = 0; i < 2048; i++) {
    assert_ok(jobsrv_begin(w.f.srv, &spec, &job));
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    if (i % 64 == 0)
      run_turns(&w.f.loop, 1);
  }
  run_turns(&w.f.loop, 4);
}

static void what_may_be_of_others_cuts_nobody(void **state) {
  jobsrv_memory_t *client;
  jobsrv_job_t *job;

  (void) state;
  w.f.options.max_retained = 1;
  world_open(&w);
  client = ask_for("/v1/events?lag=break", SIZE_MAX);
  for (int is_private = 1; is_private >= 0; is_private--) {
    take(client);
    jobsrv_memory_window(client, 0);
    job = fixture_begin(&w.f); /* it is not read any more */
    run_turns(&w.f.loop, 2);
    end_many(is_private);
    jobsrv_memory_window(client, SIZE_MAX);
    run_turns(&w.f.loop, 20);
    assert_ok(jobsrv_narrate(job, "say", "still there %d", is_private));
    run_turns(&w.f.loop, 4);
    take(client);
    assert_int_equal(count("\"reason\":\"forgotten\""), !is_private);
    assert_int_equal(count("event: gap"), !is_private);
    assert_int_equal(count("still there"), 2 - is_private);
  }
  jobsrv_memory_free(client);
}

/* ---- who reads slowly ---- */

/*
 * All events of a job are there, or told to be missing by a gap that begins
 * where they stop.
 */
static void assert_exact(const jobsrv_job_t *job) {
  unsigned long long next = 1;
  char mine[80];
  char id[JOBSRV_ID_SIZE];

  snprintf(mine, sizeof(mine), "\"job_id\":\"%s\"", jobsrv_job_id(job, id));
  for (char *at = body; (at = find(at, "\ndata: {")) != NULL;) {
    char *end = find(++at, "\n");
    const char *seq = memmem(at, (size_t) (end - at), "\"seq\":", 6);
    const char *from = memmem(at, (size_t) (end - at), "\"missed_from\":", 14);

    if (memmem(at, (size_t) (end - at), mine, strlen(mine)) == NULL)
      continue;
    if (from != NULL) {
      assert_int_equal(number_in(from + 14), next);
      from = memmem(from, (size_t) (end - from), "_to\":", 5);
      assert_non_null(from);
      next = number_in(from + 5) + 1;
    } else if (seq != NULL) {
      assert_int_equal(number_in(seq + 6), next);
      next++;
    }
  }
  assert_int_equal(next, fixture_info(job).last_seq + 1);
}

static void flood(jobsrv_job_t **jobs, int events) {
  for (int i = 0; i < events; i++) {
    assert_ok(jobsrv_narrate(jobs[i % JOBS], "say", "%0500d", i));
    if (i % 64 == 0)
      run_turns(&w.f.loop, 1);
  }
  run_turns(&w.f.loop, 4);
}

static void frozen(int all) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_memory_t *slow;
  jobsrv_memory_t *fast;

  w.f.options.max_bytes_total = 2u << 20;
  world_open(&w);
  begin_all(jobs);
  slow = ask_for(all ? "/v1/events" : naming(jobs, ""), SIZE_MAX);
  fast = ask_for("/v1/events", SIZE_MAX);
  take(slow);
  jobsrv_memory_window(slow, 0);
  flood(jobs, 20000); /* ten times as much as may be kept */
  assert_true(fixture_stats(&w.f).log_bytes < (3u << 20));
  assert_non_null(strstr(jobsrv_memory_output(fast, NULL), "019999\""));
  assert_null(strstr(jobsrv_memory_output(fast, NULL), "event: gap"));
  jobsrv_memory_window(slow, SIZE_MAX);
  run_turns(&w.f.loop, 60);
  take(slow);
  assert_in_range(count("event: gap\n"), JOBS, 2 * JOBS);
  for (size_t i = 0; i < JOBS; i++)
    assert_exact(jobs[i]);
  jobsrv_memory_free(slow);
  jobsrv_memory_free(fast);
}

static void a_frozen_reader_of_all_costs_no_memory(void **state) {
  (void) state;
  frozen(1);
}

static void a_frozen_reader_of_many_costs_no_memory(void **state) {
  (void) state;
  frozen(0);
}

static void lagging(int all) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_memory_t *slow;
  size_t len;

  w.f.options.max_bytes_total = 2u << 20;
  world_open(&w);
  begin_all(jobs);
  slow = ask_for(all ? "/v1/events?lag=break" : naming(jobs, "&lag=break"),
                 SIZE_MAX);
  jobsrv_memory_window(slow, 0);
  flood(jobs, 20000);
  jobsrv_memory_window(slow, SIZE_MAX);
  run_turns(&w.f.loop, 60);
  take(slow);
  assert_int_equal(count("event: gap\n"), 0);
  len = strlen("\nretry: 2000\n\n\r\n0\r\n\r\n");
  assert_string_equal(body + body_len - len, "\nretry: 2000\n\n\r\n0\r\n\r\n");
  jobsrv_memory_free(slow);
}

static void lag_may_break_a_stream_of_all(void **state) {
  (void) state;
  lagging(1);
}

static void lag_may_break_a_stream_of_many(void **state) {
  (void) state;
  lagging(0);
}

/* What was trimmed before it came is a gap, and no reason to break off. */
static void what_was_gone_before_is_no_lag(void **state) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_memory_t *client;

  (void) state;
  w.f.options.max_events_per_job = 20;
  world_open(&w);
  begin_all(jobs);
  flood(jobs, 1000);
  client = ask_for("/v1/events?lag=break", SIZE_MAX);
  run_turns(&w.f.loop, 10);
  take(client);
  assert_int_equal(count("event: gap\n"), JOBS);
  assert_int_equal(jobsrv_memory_state(client), JOBSRV_MEMORY_OPEN);
  jobsrv_memory_free(client);
}

/* ---- what a hook may do ---- */

static jobsrv_job_t *told_of;
static int calls;
static int acts_at;

static void act(void) {
  jobsrv_job_t *job;

  for (int i = 0; i < 50; i++)
    assert_ok(jobsrv_narrate(told_of, "hook", "%0200d", i));
  job = fixture_begin(&w.f);
  assert_ok(jobsrv_narrate(job, "hook", "too"));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_ok(jobsrv_job_complete(told_of, NULL, 0));
}

static jobsrv_sse_grant_t acting(jobsrv_sse_request_t *request,
                                 jobsrv_sse_verb_t verb,
                                 jobsrv_job_t *job,
                                 void *data) {
  (void) request;
  (void) data;
  if (verb == JOBSRV_SSE_EVENTS)
    return JOBSRV_SSE_ALLOW;
  if (++calls == acts_at) {
    told_of = job;
    act();
  }
  return JOBSRV_SSE_ALLOW;
}

enum { CROWD = 300 };

static jobsrv_sse_grant_t every_other(jobsrv_sse_request_t *request,
                                      jobsrv_sse_verb_t verb,
                                      jobsrv_job_t *job,
                                      void *data) {
  (void) request;
  if (verb == JOBSRV_SSE_EVENTS)
    return JOBSRV_SSE_ALLOW;
  ++*(int *) data;
  return *(const int *) jobsrv_job_data(job) % 2 == 0 ? JOBSRV_SSE_ALLOW
                                                      : JOBSRV_SSE_DENY;
}

/* Once about each, however many there are. */
static void a_hook_is_asked_once_about_each_of_a_crowd(void **state) {
  static jobsrv_job_t *jobs[CROWD];
  static int numbers[CROWD];
  jobsrv_memory_t *client;
  jobsrv_spec_t spec;
  int asked = 0;

  (void) state;
  world_open(&w);
  jobsrv_sse_authorise(w.sse, every_other, &asked);
  client = ask_for("/v1/events", SIZE_MAX);
  for (int round = 1; round <= 2; round++) {
    for (int i = 0; i < CROWD; i++) {
      jobsrv_spec_init(&spec);
      numbers[i] = i;
      spec.data = &numbers[i];
      if (round == 1)
        assert_ok(jobsrv_begin(w.f.srv, &spec, &jobs[i]));
      assert_ok(jobsrv_narrate(jobs[i], "say", "%s in round %d",
                               i % 2 == 0 ? "shown" : "hidden", round));
    }
    run_turns(&w.f.loop, CROWD * 2);
    take(client);
    assert_int_equal(count("shown in round "), round * CROWD / 2);
    assert_int_equal(count("hidden in round "), 0);
    assert_int_equal(asked, CROWD);
  }
  jobsrv_memory_free(client);
}

static void a_hook_may_tell_and_end_what_it_is_asked_about(void **state) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_memory_t *client;

  (void) state;
  w.f.options.max_events_per_job = 40;
  w.f.options.max_retained = 3;
  world_open(&w);
  begin_all(jobs);
  jobsrv_sse_authorise(w.sse, acting, NULL);
  calls = 0;
  acts_at = 4;
  client = ask_for("/v1/events", SIZE_MAX);
  run_turns(&w.f.loop, 10);
  take(client);
  assert_int_equal(calls, JOBS + 1);
  assert_int_equal(count("event: end\n"), 2);
  assert_int_equal(count("\"action\":\"hook\",") > 10, 1);
  jobsrv_memory_free(client);
}

/* Its own request is still there when it has closed everything. */
static jobsrv_sse_grant_t closing(jobsrv_sse_request_t *request,
                                  jobsrv_sse_verb_t verb,
                                  jobsrv_job_t *job,
                                  void *data) {
  (void) verb;
  (void) job;
  (void) data;
  if (++calls == acts_at)
    jobsrv_close(w.f.srv, fixture_on_closed, &w.f);
  if (calls <= acts_at)
    assert_int_equal(jobsrv_sse_header(request, "host", NULL).len, 9);
  return calls % 2 ? JOBSRV_SSE_ALLOW : JOBSRV_SSE_DENY;
}

static void a_hook_may_close_the_server(void **state) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_memory_t *client;
  jobsrv_memory_t *other;

  (void) state;
  for (acts_at = 2; acts_at <= JOBS + 1; acts_at++) {
    world_open(&w);
    begin_all(jobs);
    other = ask_for("/v1/events", SIZE_MAX);
    jobsrv_sse_authorise(w.sse, closing, NULL);
    calls = 0;
    client = ask_for("/v1/events", SIZE_MAX);
    for (int i = 0; i < 20 && calls < acts_at; i++)
      run_turns(&w.f.loop, 2);
    assert_int_equal(calls >= acts_at, 1);
    jobsrv_memory_free(client);
    jobsrv_memory_free(other);
    world_close(&w);
    memset(&w.f, 0, sizeof(w.f));
  }
  world_open(&w);
}

/* ---- from many threads ---- */

enum { THREADS = 4, LINES = 400 };

static void *shout(void *data) {
  jobsrv_job_t *job = data;

  for (int i = 0; i < LINES; i++)
    assert_ok(jobsrv_narrate(job, "shout", "%0100d", i));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  return NULL;
}

static int all_have_ended(void *data) {
  (void) data;
  return fixture_stats(&w.f).completed == THREADS;
}

static void threads_may_tell_while_many_are_read(void **state) {
  jobsrv_job_t *jobs[JOBS];
  jobsrv_memory_t *clients[2];
  pthread_t threads[THREADS];
  char path[700];

  (void) state;
  world_open(&w);
  begin_all(jobs);
  snprintf(path, sizeof(path), "%s", naming(jobs, ""));
  for (int i = 0, n = 0; path[i] != '\0'; i++)
    if (path[i] == ',' && ++n == THREADS)
      path[i] = '\0'; /* those that the threads have */
  clients[0] = ask_for("/v1/events", SIZE_MAX);
  clients[1] = ask_for(path, SIZE_MAX);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, shout, jobs[i]), 0);
  assert_true(run_until(&w.f.loop, all_have_ended, NULL, 30000));
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  run_turns(&w.f.loop, 20);
  for (int i = 0; i < 2; i++) {
    body_len = 0;
    take(clients[i]);
    for (int k = 0; k < THREADS; k++)
      assert_exact(jobs[k]);
    assert_int_equal(count("event: end\n"), THREADS);
    jobsrv_memory_free(clients[i]);
  }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_frozen_reader_of_all_costs_no_memory),
  CASE(a_frozen_reader_of_many_costs_no_memory),
  CASE(lag_may_break_a_stream_of_all),
  CASE(lag_may_break_a_stream_of_many),
  CASE(what_was_gone_before_is_no_lag),
  CASE(a_hook_is_asked_once_about_each_of_a_crowd),
  CASE(a_hook_may_tell_and_end_what_it_is_asked_about),
  CASE(a_hook_may_close_the_server),
  CASE(threads_may_tell_while_many_are_read),
  CASE(what_may_be_of_others_cuts_nobody),
  CASE(records_of_all_take_turns),
  CASE(a_drain_waits_for_what_is_still_looked_for),
  CASE(records_of_many_take_turns),
};

RUN(tests);
