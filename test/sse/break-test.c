/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

/* Streams that break off before the job ends, and one that begins with it. */

static world w;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static jobsrv_job_t *begin(void) {
  world_open(&w);
  return fixture_begin(&w.f);
}

static void say(jobsrv_job_t *job, int from, int to) {
  for (int i = from; i <= to; i++)
    assert_ok(jobsrv_narrate(job, "count", "line %d", i));
}

/* The last event is the one that tells where to go on. */
static void assert_break(const watcher_t *watcher, unsigned long long after) {
  char text[80];

  snprintf(text, sizeof(text), "id: %s-%llu\nretry: 2000",
           jobsrv_boot(w.f.srv), after);
  assert_true(watcher->ended);
  assert_string_equal(watcher->events[watcher->n - 1].text, text);
}

/* ---- max_stream_ms ---- */

static void a_stream_that_is_old_breaks_off_with_its_next_event(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  watcher_t *again;
  char field[120];

  (void) state;
  w.options.max_stream_ms = 1000;
  job = begin();
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 3);
  fixture_ms(&w.f, 999);
  say(job, 1, 1);
  watcher_wait(&w, watcher, 4);
  assert_false(watcher->ended);
  fixture_ms(&w.f, 1);
  say(job, 2, 2);
  watcher_wait(&w, watcher, 0);
  assert_break(watcher, 3);
  snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", watcher->last_id);
  again = watch(&w, job, "", field);
  watcher_wait(&w, again, 2);
  assert_contains(again->events[1].text, "line 2");
  /* the connection can be used again */
  watcher->ended = 0;
  watcher_free(watcher);
  watcher_free(again);
}

static int has_beat(void *data) {
  watcher_t *watcher = data;

  watcher_read(watcher, WATCHER_RAW);
  return watcher->comments > 0;
}

static void a_silent_one_breaks_off_with_its_next_beat(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  watcher_t *lines;

  (void) state;
  w.options.max_stream_ms = 700;
  w.options.heartbeat_ms = 500;
  job = begin();
  watcher = watch(&w, job, "", "");
  lines = watch(&w, job, "", "Accept: application/x-ndjson\r\n");
  watcher_wait(&w, watcher, 3);
  fixture_ms(&w.f, 501);
  assert_true(run_until(&w.f.loop, has_beat, watcher, 10000));
  assert_int_equal(watcher->comments, 1);
  assert_false(watcher->ended);
  fixture_ms(&w.f, 501);
  watcher_wait(&w, watcher, 0);
  assert_break(watcher, 2);
  watcher_wait(&w, lines, 0);
  lines->body[lines->body_len] = '\0';
  assert_null(strstr(lines->body, "\"type\":\"end\""));
  assert_true(lines->body[lines->body_len - 1] == '\n');
  watcher_free(watcher);
  watcher_free(lines);
}

static void without_the_option_no_stream_is_too_old(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *watcher = watch(&w, job, "", "");

  (void) state;
  watcher_wait(&w, watcher, 3);
  for (int i = 0; i < 300; i++)
    fixture_ms(&w.f, 15001);
  say(job, 1, 1);
  watcher_read(watcher, WATCHER_RAW);
  watcher_wait(&w, watcher, 4);
  assert_false(watcher->ended);
  watcher_free(watcher);
}

/* ---- lag ---- */

/* A watcher that does not read while more is told than is kept. */
static watcher_t *lag(jobsrv_job_t *job, const char *query) {
  static char text[2001];
  watcher_t *watcher = watcher_open(&w, 2048);

  memset(text, 'z', 2000);
  watcher_ask(watcher, job, 1, query, "");
  watcher_wait(&w, watcher, 3);
  for (int i = 0; i < 3000; i++) {
    assert_ok(jobsrv_narrate(job, "say", "%d %s", i, text));
    if (i % 20 == 0)
      run_turns(&w.f.loop, 1);
  }
  return watcher;
}

static jobsrv_job_t *begin_small(void) {
  w.f.options.max_bytes_per_job = 64 * 1024;
  w.options.send_buffer = 4096;
  return begin();
}

static const sse_event_t *gap_of(const watcher_t *watcher) {
  for (size_t i = 0; i < watcher->n; i++)
    if (is_gap(&watcher->events[i]))
      return &watcher->events[i];
  return NULL;
}

static void who_lags_is_told_what_is_missing(void **state) {
  jobsrv_job_t *job = begin_small();
  watcher_t *watcher = lag(job, "");

  (void) state;
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_non_null(gap_of(watcher));
  assert_contains(watcher->events[watcher->n - 1].text, "[DONE]");
  watcher_free(watcher);
}

static void break_off_and_come_back(const char *query) {
  jobsrv_job_t *job = begin_small();
  watcher_t *watcher = lag(job, query);
  unsigned long long last;
  watcher_t *again;
  char field[120];

  watcher_wait(&w, watcher, 0);
  assert_null(gap_of(watcher));
  last = watcher->events[watcher->n - 2].seq;
  assert_break(watcher, last);
  snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", watcher->last_id);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  again = watch(&w, job, query, field);
  watcher_wait(&w, again, 0);
  /* a gap at its start is no lag, or it would never get on */
  assert_true(is_gap(&again->events[1]));
  snprintf(field, sizeof(field), "\"missed_from\":%llu,", last + 1);
  assert_contains(again->events[1].text, field);
  assert_contains(again->events[again->n - 1].text, "[DONE]");
  watcher_free(watcher);
  watcher_free(again);
}

static void who_asks_is_sent_away_for_it(void **state) {
  (void) state;
  break_off_and_come_back("?lag=break");
}

static void the_option_says_what_becomes_of_who_does_not_ask(void **state) {
  (void) state;
  w.options.lag = JOBSRV_SSE_LAG_BREAK;
  break_off_and_come_back("");
}

static void rendered_streams_break_off_alike(void **state) {
  (void) state;
  break_off_and_come_back("?lag=break&level=debug");
}

static void the_query_wins_over_the_option(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  w.options.lag = JOBSRV_SSE_LAG_BREAK;
  job = begin_small();
  watcher = lag(job, "?lag=gap");
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_non_null(gap_of(watcher));
  watcher_free(watcher);
}

static void options_that_are_none_are_refused(void **state) {
  jobsrv_sse_options_t options;
  jobsrv_sse_t *sse;

  (void) state;
  (void) begin();
  jobsrv_sse_options_init(&options);
  options.lag = 2;
  assert_int_equal(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.lag = -1;
  assert_int_equal(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.lag = 0;
  options.max_stream_ms = 1u << 31;
  assert_int_equal(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
}

/* ---- creating and streaming in one ---- */

static watcher_t *create(const char *query, const char *fields,
                         const char *body) {
  watcher_t *watcher = watcher_open(&w, 0);
  char text[600];

  snprintf(text, sizeof(text),
           "POST /v1/jobs%s HTTP/1.1\r\nHost: localhost\r\n"
           "Content-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
           query, fields, strlen(body), body);
  watcher_send(watcher, text);
  return watcher;
}

#define WORK "{\"operation\":\"work\",\"n\":1}"
#define EVENTS "Accept: text/event-stream\r\n"

/* The job that the answer's Location names. */
static jobsrv_job_t *located(watcher_t *watcher) {
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;
  const char *at;

  watcher->raw[watcher->raw_len] = '\0';
  at = strstr(watcher->raw, "\r\nLocation: /v1/jobs/");
  assert_non_null(at);
  snprintf(id, sizeof(id), "%.*s", JOBSRV_ID_SIZE - 1, at + 21);
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  return job;
}

static void a_post_may_be_answered_by_the_stream(void **state) {
  watcher_t *watcher;
  watcher_t *other;
  jobsrv_job_t *job;

  (void) state;
  world_open(&w);
  watcher = create("", EVENTS, WORK);
  watcher_wait(&w, watcher, 3);
  assert_int_equal(watcher->status, 200);
  assert_true(is_opening(&watcher->events[0]));
  job = located(watcher);
  say(job, 1, 5);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  other = watch(&w, job, "", "");
  watcher_wait(&w, other, 0);
  assert_same_events(watcher, other);
  watcher_free(watcher);
  watcher_free(other);
  watcher = create("?format=text", EVENTS, WORK);
  watcher_wait(&w, watcher, 3);
  assert_contains(watcher->events[2].text, "\ndata: running");
  watcher_free(watcher);
  watcher = create("", "Accept: application/x-ndjson\r\n", WORK);
  run_turns(&w.f.loop, 5);
  watcher_wait_bytes(&w, watcher, 300);
  assert_contains(watcher->raw, "\r\nContent-Type: application/x-ndjson\r\n");
  watcher_free(watcher);
}

static void who_takes_json_as_well_is_sent_json(void **state) {
  static const char *const fields[] = {
    "", "Accept: */*\r\n", "Accept: application/json, text/event-stream\r\n",
    "Accept: application/*\r\n",
  };

  (void) state;
  world_open(&w);
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    watcher_t *watcher = create("", fields[i], WORK);

    watcher_wait(&w, watcher, 0);
    assert_int_equal(watcher->status, 202);
    watcher_free(watcher);
  }
}

static int no_job_was_made(void) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(w.f.srv, &stats);
  return stats.created == 0;
}

static void without_room_for_a_stream_nothing_is_created(void **state) {
  watcher_t *other;
  watcher_t *watcher;

  (void) state;
  w.options.max_streams = 1;
  world_open(&w);
  watcher = create("?level=loud", EVENTS, WORK);
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->status, 400);
  watcher_free(watcher);
  assert_true(no_job_was_made());
  other = watch(&w, fixture_begin(&w.f), "", "");
  watcher_wait(&w, other, 3);
  watcher = create("", EVENTS, WORK);
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->status, 503);
  watcher_free(watcher);
  watcher_free(other);
}

static void a_key_that_is_known_streams_the_same_job(void **state) {
  watcher_t *first;
  watcher_t *second;

  (void) state;
  world_open(&w);
  first = create("", EVENTS "Idempotency-Key: k\r\n", WORK);
  watcher_wait(&w, first, 3);
  second = create("", EVENTS "Idempotency-Key: k\r\n", WORK);
  watcher_wait(&w, second, 3);
  assert_ptr_equal(located(first), located(second));
  watcher_free(first);
  watcher_free(second);
}

static void who_has_all_of_a_key_that_is_known_is_sent_nothing(void **state) {
  char fields[200];
  watcher_t *first;
  watcher_t *second;

  (void) state;
  world_open(&w);
  first = create("", EVENTS "Idempotency-Key: k\r\n", WORK);
  watcher_wait(&w, first, 3);
  assert_ok(jobsrv_job_complete(located(first), NULL, 0));
  watcher_wait(&w, first, 0);
  snprintf(fields, sizeof(fields),
           EVENTS "Idempotency-Key: k\r\nLast-Event-ID: %s\r\n",
           first->last_id);
  second = create("", fields, WORK);
  watcher_wait(&w, second, 0);
  assert_int_equal(second->status, 204);
  watcher_free(first);
  watcher_free(second);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_stream_that_is_old_breaks_off_with_its_next_event),
  CASE(a_silent_one_breaks_off_with_its_next_beat),
  CASE(without_the_option_no_stream_is_too_old),
  CASE(who_lags_is_told_what_is_missing),
  CASE(who_asks_is_sent_away_for_it),
  CASE(the_option_says_what_becomes_of_who_does_not_ask),
  CASE(rendered_streams_break_off_alike),
  CASE(the_query_wins_over_the_option),
  CASE(options_that_are_none_are_refused),
  CASE(a_post_may_be_answered_by_the_stream),
  CASE(who_takes_json_as_well_is_sent_json),
  CASE(without_room_for_a_stream_nothing_is_created),
  CASE(a_key_that_is_known_streams_the_same_job),
  CASE(who_has_all_of_a_key_that_is_known_is_sent_nothing),
};

RUN(tests);
