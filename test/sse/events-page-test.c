/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

#include <jansson.h>

/* The stream's events in pages. */

static world w;
static peer_t peer;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

static jobsrv_job_t *begin(void) {
  world_open(&w);
  peer_open(&peer, w.port);
  return fixture_begin(&w.f);
}

static void say(jobsrv_job_t *job, int from, int to) {
  for (int i = from; i <= to; i++)
    assert_ok(jobsrv_narrate(job, "count", "line \"%d\"", i));
}

static const char *path(const jobsrv_job_t *job, const char *query) {
  char rest[200];

  snprintf(rest, sizeof(rest), "/events%s", query);
  return line_of("GET", job, rest);
}

/* A page, parsed. */
static json_t *page(const jobsrv_job_t *job,
                    const char *query,
                    const char *fields) {
  json_error_t error;
  json_t *json;

  if (ask(&w, &peer, path(job, query), fields, NULL) != 200)
    fail_msg("%s: %.400s", query, peer.text);
  json = json_loads(answer_body(&peer), 0, &error);
  if (json == NULL)
    fail_msg("%s in %s", error.text, peer.text);
  return json;
}

static long long next_after(const json_t *json) {
  return json_integer_value(json_object_get(json, "next_after"));
}

static int ended(const json_t *json) {
  return json_is_true(json_object_get(json, "ended"));
}

static size_t count(const json_t *json) {
  return json_array_size(json_object_get(json, "events"));
}

static void pages_have_what_the_stream_has(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *watcher;
  size_t k = 1; /* behind the opening */
  long long after = 0;
  int over = 0;

  (void) state;
  say(job, 1, 50);
  assert_ok(jobsrv_data_event(job, "rows", "[1]", 0));
  assert_ok(jobsrv_job_complete(job, "{\"n\":1}", 0));
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 0);
  while (!over) {
    char query[60];
    json_t *json;

    snprintf(query, sizeof(query), "?after=%lld&limit=7", after);
    json = page(job, query, "");
    assert_true(count(json) > 0 && count(json) <= 7);
    for (size_t i = 0; i < count(json); i++, k++) {
      const char *data = strstr(watcher->events[k].text, "data: ") + 6;
      json_t *theirs = json_loads(data, 0, NULL);

      assert_true(json_equal(
          theirs, json_array_get(json_object_get(json, "events"), i)));
      json_decref(theirs);
    }
    after = next_after(json);
    over = ended(json);
    json_decref(json);
  }
  assert_int_equal(k, watcher->n - 1); /* all but the marker */
  assert_int_equal(after, fixture_info(job).last_seq);
  watcher_free(watcher);
}

static void behind_the_end_a_page_is_empty(void **state) {
  jobsrv_job_t *job = begin();
  char query[40];
  json_t *json;

  (void) state;
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  snprintf(query, sizeof(query), "?after=%llu",
           (unsigned long long) fixture_info(job).last_seq);
  json = page(job, query, "");
  assert_int_equal(count(json), 0);
  assert_true(ended(json));
  assert_int_equal(next_after(json), fixture_info(job).last_seq);
  json_decref(json);
}

static void a_page_has_a_hundred_events_unless_it_is_told(void **state) {
  jobsrv_job_t *job = begin();
  json_t *json;

  (void) state;
  say(job, 1, 1500);
  json = page(job, "", "");
  assert_int_equal(count(json), 100);
  assert_int_equal(next_after(json), 100);
  assert_false(ended(json));
  json_decref(json);
  json = page(job, "?limit=1000", "");
  assert_int_equal(count(json), 1000);
  json_decref(json);
  json = page(job, "?limit=1", "Last-Event-ID: 41\r\n");
  assert_int_equal(count(json), 1);
  assert_int_equal(next_after(json), 42);
  json_decref(json);
}

static void a_level_leaves_out_but_moves_on(void **state) {
  jobsrv_job_t *job = begin();
  json_t *json;

  (void) state;
  say(job, 1, 10);
  assert_ok(jobsrv_warn(job, "disk", "full"));
  say(job, 1, 10);
  json = page(job, "?level=warn", "");
  assert_int_equal(count(json), 1);
  assert_int_equal(next_after(json), 23);
  json_decref(json);
}

static void what_is_missing_is_a_gap_in_the_page(void **state) {
  jobsrv_job_t *job;
  json_t *json;
  json_t *gap;

  (void) state;
  w.f.options.max_events_per_job = 40;
  job = begin();
  say(job, 1, 500);
  json = page(job, "?limit=1", "");
  gap = json_array_get(json_object_get(json, "events"), 0);
  assert_string_equal(json_string_value(json_object_get(gap, "type")), "gap");
  assert_int_equal(json_integer_value(json_object_get(gap, "missed_from")), 1);
  assert_int_equal(json_integer_value(json_object_get(gap, "missed_to")),
                   next_after(json));
  json_decref(json);
  json = page(job, "?limit=1&after=zzzz-7", "");
  gap = json_array_get(json_object_get(json, "events"), 0);
  assert_string_equal(json_string_value(json_object_get(gap, "reason")),
                      "restart");
  assert_int_equal(next_after(json), 0);
  json_decref(json);
}

/* ---- waiting ---- */

/* Sends and takes what comes within a few turns; 0: no answer. */
static int begin_ask(const char *line) {
  char text[400];

  snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", line);
  peer.len = 0;
  peer.text[0] = '\0';
  peer_send(&peer, text);
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  return peer.len > 9 ? atoi(peer.text + 9) : 0;
}

static int status(void) {
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  return peer.len > 9 ? atoi(peer.text + 9) : 0;
}

static void a_page_is_not_longer_than_a_mebibyte_and_an_event(void **state) {
  static char text[50001];
  jobsrv_job_t *job;
  const char *length;

  (void) state;
  w.f.options.max_bytes_per_job = 8u << 20;
  job = begin();
  memset(text, 'x', 50000);
  for (int i = 0; i < 40; i++)
    assert_ok(jobsrv_narrate(job, "say", "%s", text));
  assert_int_equal(begin_ask(path(job, "?limit=1000")), 200);
  length = strstr(peer.text, "\r\nContent-Length: ");
  assert_non_null(length);
  assert_in_range(atol(length + 18), 1 << 20, (1 << 20) + 51000);
}

static void a_page_waits_for_its_first_event(void **state) {
  jobsrv_job_t *job = begin();

  (void) state;
  assert_int_equal(begin_ask(path(job, "?after=2&wait=60")), 0);
  fixture_ms(&w.f, 59000);
  assert_int_equal(status(), 0);
  say(job, 1, 1);
  assert_int_equal(status(), 200);
  assert_contains(peer.text, "line \\\"1\\\"");
  assert_contains(peer.text, "],\"next_after\":3,\"ended\":false}");

  assert_int_equal(begin_ask(path(job, "?after=3&wait=60&level=warn")), 0);
  say(job, 2, 2);
  assert_int_equal(status(), 0);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_int_equal(status(), 200);
  assert_contains(peer.text, "\"type\":\"end\"");
  assert_contains(peer.text, "],\"next_after\":5,\"ended\":true}");
}

static void after_its_time_it_is_sent_empty(void **state) {
  jobsrv_job_t *job = begin();

  (void) state;
  assert_int_equal(begin_ask(path(job, "?after=2&wait=3")), 0);
  fixture_ms(&w.f, 2999);
  assert_int_equal(status(), 0);
  fixture_ms(&w.f, 2);
  assert_int_equal(status(), 200);
  assert_contains(peer.text,
                  "{\"events\":[],\"next_after\":2,\"ended\":false}");
  assert_int_equal(begin_ask(path(job, "?after=1&wait=60")), 200);
}

static void it_is_sent_before_an_answer_would_be_late(void **state) {
  jobsrv_job_t *job;

  (void) state;
  w.options.answer_timeout_ms = 2000;
  job = begin();
  assert_int_equal(begin_ask(path(job, "?after=2&wait=3")), 0);
  fixture_ms(&w.f, 1998);
  assert_int_equal(status(), 0);
  fixture_ms(&w.f, 1);
  assert_int_equal(status(), 200);
  assert_contains(peer.text, "{\"events\":[],");
}

/* Whoever ends his side only may still read; a reset is the end of both. */
static void who_breaks_off_while_waiting_is_forgotten(void **state) {
  struct linger at_once = { .l_onoff = 1 };
  jobsrv_job_t *job = begin();

  (void) state;
  assert_int_equal(begin_ask(path(job, "?after=2&wait=60")), 0);
  assert_int_equal(setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &at_once,
                              sizeof(at_once)), 0);
  peer_close(&peer);
  run_turns(&w.f.loop, 10);
  assert_int_equal(world_stats(&w).connections, 0);
  say(job, 1, 3);
  fixture_ms(&w.f, 70000);
  peer_open(&peer, w.port);
  assert_int_equal(begin_ask(path(job, "?after=2")), 200);
  assert_contains(peer.text, "line \\\"3\\\"");
}

static void who_leaves_while_waiting_is_forgotten(void **state) {
  jobsrv_job_t *job = begin();

  (void) state;
  assert_int_equal(begin_ask(path(job, "?after=2&wait=60")), 0);
  peer_close(&peer);
  run_turns(&w.f.loop, 10);
  say(job, 1, 3);
  fixture_ms(&w.f, 70000);
  assert_int_equal(world_stats(&w).connections, 0);
  peer_open(&peer, w.port);
}

static void what_is_no_page_is_refused(void **state) {
  static const char *const bad[] = {
    "?limit=0", "?limit=1001", "?limit=x", "?limit=", "?wait=0", "?wait=61",
    "?level=x", "?limit=99999999",
  };
  jobsrv_job_t *job = begin();

  (void) state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    assert_int_equal(ask(&w, &peer, path(job, bad[i]), "", NULL), 400);
    assert_problem(&peer, 400, "bad_request");
  }
  assert_int_equal(ask(&w, &peer, path(job, "?after=3"), "", NULL), 400);
  assert_problem(&peer, 400, "bad_cursor");
  assert_int_equal(ask(&w, &peer, path(job, "?after=2"), "", NULL), 200);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(pages_have_what_the_stream_has),
  CASE(behind_the_end_a_page_is_empty),
  CASE(a_page_has_a_hundred_events_unless_it_is_told),
  CASE(a_page_is_not_longer_than_a_mebibyte_and_an_event),
  CASE(a_level_leaves_out_but_moves_on),
  CASE(what_is_missing_is_a_gap_in_the_page),
  CASE(a_page_waits_for_its_first_event),
  CASE(after_its_time_it_is_sent_empty),
  CASE(it_is_sent_before_an_answer_would_be_late),
  CASE(who_breaks_off_while_waiting_is_forgotten),
  CASE(who_leaves_while_waiting_is_forgotten),
  CASE(what_is_no_page_is_refused),
};

RUN(tests);
