/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

#include "jobsrv/emit.h"

#include <pthread.h>

/* One job's events as different watchers ask to see them. */

static world w;
static peer_t peer;

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
  w.f.options.level = JOBSRV_DEBUG;
  world_open(&w);
  return fixture_begin(&w.f);
}

/* All kinds of events, and an end. */
static void tell(jobsrv_job_t *job) {
  assert_ok(jobsrv_narrate(job, "fetch", "line \"1\"\n"));
  assert_ok(jobsrv_debug(job, "look", "at it"));
  assert_ok(jobsrv_data_event(job, "rows", "[1, {\"a\": null}]", 0));
  assert_ok(jobsrv_warn(job, "disk", "nearly full"));
  assert_ok(jobsrv_info_voices(job, "build", "three parts", "three bricks",
                               "and then there were three"));
  assert_ok(jobsrv_job_complete(job, "{\"n\":4}", 0));
}

static watcher_t *watch_all(jobsrv_job_t *job,
                            const char *query,
                            const char *fields) {
  watcher_t *watcher = watch(&w, job, query, fields);

  watcher_wait(&w, watcher, 0);
  watcher->body[watcher->body_len] = '\0';
  return watcher;
}

/* The JSON of an event. */
static const char *data_of(const sse_event_t *event) {
  return strstr(event->text, "data: ") + 6;
}

/* ---- level ---- */

static void a_floor_leaves_out_what_is_below(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *whole;
  watcher_t *some;
  size_t k;

  (void) state;
  tell(job);
  whole = watch_all(job, "", "");
  some = watch_all(job, "?level=warn", "");
  assert_int_equal(some->n, 4); /* opening, warning, end, marker */
  assert_true(is_opening(&some->events[0]));
  for (k = 0; strstr(whole->events[k].text, "nearly") == NULL; k++)
    continue;
  assert_string_equal(some->events[1].text, whole->events[k].text);
  assert_true(is_end(&some->events[2]));
  assert_string_equal(some->last_id, whole->last_id);
  watcher_free(some);

  some = watch_all(job, "?level=info", "");
  assert_null(strstr(some->body, "at it"));
  assert_int_equal(some->n, whole->n - 1);
  watcher_free(some);
  some = watch_all(job, "?level=debug", "");
  assert_same_events(some, whole);
  assert_int_equal(some->raw_len, whole->raw_len);
  watcher_free(some);
  watcher_free(whole);
}

static void progress_passes_at_info(void **state) {
  jobsrv_job_t *job = begin();
  jobsrv_progress_t progress = { .done = 3, .total = 9, .unit = "files" };
  watcher_t *some;
  watcher_t *none;

  (void) state;
  assert_ok(jobsrv_progress(job, &progress));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  some = watch_all(job, "?level=info&format=text", "");
  none = watch_all(job, "?level=warn&format=text", "");
  assert_contains(some->raw, "event: progress\ndata: 3 of 9 files (33");
  assert_null(strstr(none->raw, "progress"));
  watcher_free(some);
  watcher_free(none);
}

static void a_beat_tells_who_is_not_sent_all_how_far_it_is(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  char beat[80];

  (void) state;
  w.options.heartbeat_ms = 500;
  job = begin();
  watcher = watch(&w, job, "?level=warn", "");
  watcher_wait(&w, watcher, 1);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 501);
  watcher_wait(&w, watcher, 2);
  snprintf(beat, sizeof(beat), "id: %s-3", jobsrv_boot(w.f.srv));
  assert_string_equal(watcher->events[1].text, beat);
  watcher_free(watcher);
}

/* ---- NDJSON ---- */

#define NDJSON "Accept: application/x-ndjson\r\n"

static void ndjson_has_the_same_events_a_line_each(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *stream;
  watcher_t *lines;
  const char *at;

  (void) state;
  tell(job);
  stream = watch_all(job, "", "");
  lines = watch_all(job, "", NDJSON);
  assert_contains(lines->raw, "\r\nContent-Type: application/x-ndjson\r\n");
  assert_contains(lines->raw, "\r\nVary: Accept\r\n");
  at = lines->body;
  for (size_t i = 0; i + 1 < stream->n; i++) {
    const char *data = data_of(&stream->events[i]);

    if (!is_opening(&stream->events[i])) { /* whose time may differ */
      assert_memory_equal(at, data, strlen(data));
      assert_int_equal(at[strlen(data)], '\n');
    }
    at = strchr(at, '\n') + 1;
  }
  assert_int_equal(*at, '\0'); /* no marker */
  watcher_free(stream);
  watcher_free(lines);
}

static void a_beat_of_ndjson_is_an_object(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  char id[JOBSRV_ID_SIZE];
  char tail[120];

  (void) state;
  w.options.heartbeat_ms = 500;
  job = begin();
  watcher = watch(&w, job, "?level=warn", NDJSON);
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 501);
  watcher_wait_bytes(&w, watcher, 700);
  fixture_ms(&w.f, 501);
  watcher_read(watcher, WATCHER_RAW);
  watcher->body[watcher->body_len] = '\0';
  assert_contains(watcher->body, "\n{\"type\":\"heartbeat\",\"time\":\"");
  snprintf(tail, sizeof(tail), "\"job_id\":\"%s\",\"after\":2}\n",
           jobsrv_job_id(job, id));
  assert_contains(watcher->body, tail);
  watcher_free(watcher);
}

/* ---- text ---- */

static void text_is_for_people(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *watcher;

  (void) state;
  tell(job);
  watcher = watch_all(job, "?format=text", "");
  assert_contains(watcher->raw, "\r\nContent-Type: text/event-stream\r\n");
  assert_contains(watcher->raw, ": completed\n\n"); /* the opening */
  assert_contains(watcher->raw, "\nevent: state\ndata: running\n\n");
  assert_contains(watcher->raw, "] fetch : line \"1\"\ndata: \n\n");
  assert_contains(watcher->raw, "\nevent: data\ndata: rows : [1,{\"a\":null}]");
  assert_contains(watcher->raw, "\ndata: warn [");
  assert_contains(watcher->raw, "] build : three parts\n\n");
  assert_contains(watcher->events[watcher->n - 2].text, "event: end\ndata: ");
  assert_contains(watcher->events[watcher->n - 1].text, "\ndata: [DONE]");
  watcher_free(watcher);
}

static void *talk(void *data) {
  int err;

  for (int i = 0; i < 100; i++) {
    err = jobsrv_narrate(data, "talk", "line %d", i);
    assert_true(err == 0 || err == JOBSRV_EDROPPED);
  }
  return NULL;
}

static void what_was_dropped_is_told_in_text(void **state) {
  pthread_t thread;
  watcher_t *watcher;
  jobsrv_job_t *job;

  (void) state;
  w.f.options.max_inbox_bytes = 4096;
  job = begin();
  assert_int_equal(pthread_create(&thread, NULL, talk, job), 0);
  pthread_join(thread, NULL);
  run_turns(&w.f.loop, 5);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher = watch_all(job, "?format=text", "");
  assert_contains(watcher->raw, "line 0\n");
  assert_null(strstr(watcher->raw, "line 99\n"));
  assert_contains(watcher->raw, " events were dropped\n");
  watcher_free(watcher);
}

static void large_data_is_cut_for_people_alone(void **state) {
  static char text[70000];
  static char json[sizeof(text) + 10];
  jobsrv_job_t *job = begin();
  watcher_t *watcher;

  (void) state;
  memset(text, 'q', sizeof(text) - 1);
  snprintf(json, sizeof(json), "{\"a\":\"%s\"}", text);
  assert_ok(jobsrv_data_event(job, "rows", json, 0));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher = watch_all(job, "?format=text", "");
  assert_contains(watcher->raw, "qqq \xe2\x80\xa6\n");
  assert_null(strstr(watcher->raw, "q\"}"));
  watcher_free(watcher);
  watcher = watch_all(job, "", "");
  assert_contains(watcher->raw, "qqq\"}");
  watcher_free(watcher);
}

static void a_gap_is_told_in_text(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *watcher;

  (void) state;
  assert_ok(jobsrv_narrate(job, "say", "first"));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher = watch_all(job, "?format=text", "Last-Event-ID: 0boot0-2\r\n");
  assert_contains(watcher->raw, "data: the server was started anew\n");
  assert_contains(watcher->raw, "first\n");
  watcher_free(watcher);
}

static void an_end_without_words_has_its_code(void **state) {
  static const struct {
    const char *message;
    const char *marker;
  } cases[] = {
    { NULL, "data: [ERROR] odd_code\n" },
    { "", "data: [ERROR] odd_code\n" },
    { "in\r\nlines\x1b", "data: [ERROR] in  lines\\x1b\n" },
  };
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  job = begin();
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    if (i > 0)
      job = fixture_begin(&w.f);
    assert_ok(jobsrv_job_fail(job, "odd_code", cases[i].message));
    watcher = watch_all(job, "", "");
    assert_contains(watcher->raw, cases[i].marker);
    watcher_free(watcher);
  }
}

static void the_mode_picks_the_voice_of_text(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *watcher;

  (void) state;
  tell(job);
  watcher = watch_all(job, "?format=text&mode=cute", "");
  assert_contains(watcher->raw, "] build : three bricks\n");
  assert_contains(watcher->raw, "] disk : nearly full\n"); /* has no other */
  watcher_free(watcher);
  watcher = watch_all(job, "?mode=story&format=text", "");
  assert_contains(watcher->raw, "] build : and then there were three\n");
  watcher_free(watcher);
  watcher = watch_all(job, "?mode=story", "");
  assert_contains(watcher->raw, "\"human\":\"three parts\"");
  watcher_free(watcher);
}

static void no_text_is_taken_for_a_marker_or_a_frame(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *watcher;
  size_t events;

  (void) state;
  assert_ok(jobsrv_narrate(
      job, "say", "%s", "a\n[DONE]\r\n[ERROR] x\r[CANCELLED]\n\nevent: end\n"
                        "id: 9\n\x1b[2J\xe2\x80\xae"));
  events = 1;
  assert_ok(jobsrv_info_with(job, (.action = "x", .actor = "DONE"), "y"));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher = watch_all(job, "?format=text", "");
  assert_contains(watcher->raw,
                  "a\ndata:  [DONE]\ndata:  [ERROR] x\ndata:  [CANCELLED]\n"
                  "data: \ndata: event: end\ndata: id: 9\n"
                  "data: \\x1b[2J\\u202e\n\n");
  assert_contains(watcher->raw, "\ndata:  [DONE] ");
  /* opening, two states, two lines, end, marker */
  assert_int_equal(watcher->n, 6 + events);
  watcher_free(watcher);
}

static void a_long_text_is_cut_for_people_alone(void **state) {
  static char text[100001];
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  w.f.options.max_text = 200000;
  job = begin();
  memset(text, 'x', 100000);
  assert_ok(jobsrv_narrate(job, "say", "%s", text));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher = watch_all(job, "?format=text", "");
  assert_in_range(watcher->raw_len, 64 * 1024, 68 * 1024);
  assert_contains(watcher->raw, "x \xe2\x80\xa6\n\n");
  watcher_free(watcher);
  watcher = watch_all(job, "?level=debug", "");
  assert_contains(watcher->raw, text);
  watcher_free(watcher);
}

/* ---- asking ---- */

static int status_of(jobsrv_job_t *job, const char *rest, const char *fields) {
  int status;

  peer_open(&peer, w.port);
  status = ask(&w, &peer, line_of("GET", job, rest), fields, NULL);
  peer_close(&peer);
  return status;
}

static void what_is_not_known_is_refused(void **state) {
  static const char *const bad[] = {
    "level=loud", "level=", "level=mute", "mode=sad", "format=xml", "format",
    "lag=2", "level=informational-and-more",
  };
  jobsrv_job_t *job = begin();
  char rest[80];

  (void) state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    snprintf(rest, sizeof(rest), "/stream?%s", bad[i]);
    if (status_of(job, rest, "") != 400)
      fail_msg("%s: %s", bad[i], peer.text);
    assert_problem(&peer, 400, "bad_request");
  }
  assert_int_equal(status_of(job, "/stream", "Accept: text/html\r\n"), 406);
  assert_int_equal(status_of(job, "/stream?format=text", NDJSON), 406);
  assert_int_equal(world_stats(&w).streams_opened, 0);
}

static void the_type_that_is_wanted_most_is_sent(void **state) {
  static const struct {
    const char *accept;
    int ndjson;
  } cases[] = {
    { "*/*", 0 },
    { "application/*, */*;q=0.9", 1 },
    { "application/x-ndjson, */*", 1 },
    { "application/x-ndjson;q=0.5, text/event-stream", 0 },
    { "application/x-ndjson;q=0.51, text/event-stream;q=0.505", 1 },
    { "application/x-ndjson, text/event-stream", 0 },
    { "application/x-ndjson;q=0, text/*;q=0.001", 0 },
  };
  jobsrv_job_t *job = begin();
  char field[120];

  (void) state;
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    watcher_t *watcher;

    snprintf(field, sizeof(field), "Accept: %s\r\n", cases[i].accept);
    watcher = watch_all(job, "", field);
    assert_int_equal(watcher->status, 200);
    if ((strstr(watcher->raw, "x-ndjson") != NULL) != cases[i].ndjson)
      fail_msg("%s: %.300s", cases[i].accept, watcher->raw);
    watcher_free(watcher);
  }
}

/* ---- the same from anywhere ---- */

static void cut_anywhere_text_and_levels_come_back_to_the_same(void **state) {
  static const char *const queries[] = { "?format=text", "?level=debug" };
  jobsrv_job_t *job = begin();

  (void) state;
  tell(job);
  for (size_t q = 0; q < 2; q++) {
    watcher_t *whole = watch_all(job, queries[q], "");

    for (size_t at = 1; at < whole->raw_len; at += 7) {
      watcher_t *cut = watch(&w, job, queries[q], "");
      char field[100] = "";
      watcher_t *again;
      size_t skip;

      watcher_wait_bytes(&w, cut, at);
      watcher_cut(cut);
      if (cut->last_id[0] != '\0')
        snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", cut->last_id);
      again = watch_all(job, queries[q], field);
      for (skip = 0; skip < whole->n && cut->last_id[0] != '\0'; skip++)
        if (strstr(whole->events[skip].text, cut->last_id) != NULL)
          break;
      if (again->status != 204) {
        if (cut->last_id[0] == '\0')
          skip = 0;
        assert_int_equal(again->n - 1, whole->n - 1 - skip);
        for (size_t i = 1; i < again->n; i++)
          assert_string_equal(again->events[i].text,
                              whole->events[skip + i].text);
      }
      watcher_free(again);
      watcher_free(cut);
    }
    watcher_free(whole);
  }
}

static void lines_are_resumed_by_their_seq(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *whole;

  (void) state;
  tell(job);
  whole = watch_all(job, "", NDJSON);
  for (int after = 0; after <= 7; after++) {
    char query[40];
    watcher_t *again;
    const char *line = strchr(whole->body, '\n') + 1;

    for (int i = 0; i < after; i++)
      line = strchr(line, '\n') + 1;
    snprintf(query, sizeof(query), "?after=%d", after);
    again = watch_all(job, query, NDJSON);
    assert_string_equal(strchr(again->body, '\n') + 1, line);
    watcher_free(again);
  }
  watcher_free(whole);
}

static void an_old_client_gets_lines_without_chunks(void **state) {
  jobsrv_job_t *job = begin();
  watcher_t *whole;
  watcher_t *old = watcher_open(&w, 0);

  (void) state;
  tell(job);
  whole = watch_all(job, "", NDJSON);
  watcher_ask(old, job, 0, "", NDJSON);
  watcher_wait(&w, old, 0);
  old->body[old->body_len] = '\0';
  assert_string_equal(strchr(old->body, '\n'), strchr(whole->body, '\n'));
  watcher_free(whole);
  watcher_free(old);
}

static void a_slow_reader_of_lines_loses_nothing(void **state) {
  jobsrv_job_t *job;
  watcher_t *slow;
  watcher_t *whole;
  static char text[3001];

  (void) state;
  w.options.send_buffer = 4096;
  w.f.options.max_bytes_per_job = 8u << 20;
  job = begin();
  memset(text, 'y', 3000);
  slow = watcher_open(&w, 4096);
  watcher_ask(slow, job, 1, "", NDJSON);
  run_turns(&w.f.loop, 5);
  for (int i = 0; i < 400; i++) {
    assert_ok(jobsrv_narrate(job, "say", "%d %s", i, text));
    run_turns(&w.f.loop, 1);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, slow, 0);
  slow->body[slow->body_len] = '\0';
  whole = watch_all(job, "?after=2", NDJSON);
  assert_non_null(strstr(slow->body, "\"seq\":3,"));
  assert_string_equal(strchr(strstr(slow->body, "\"seq\":3,"), '\n'),
                      strchr(strstr(whole->body, "\"seq\":3,"), '\n'));
  watcher_free(slow);
  watcher_free(whole);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_floor_leaves_out_what_is_below),
  CASE(progress_passes_at_info),
  CASE(a_beat_tells_who_is_not_sent_all_how_far_it_is),
  CASE(ndjson_has_the_same_events_a_line_each),
  CASE(a_beat_of_ndjson_is_an_object),
  CASE(text_is_for_people),
  CASE(what_was_dropped_is_told_in_text),
  CASE(large_data_is_cut_for_people_alone),
  CASE(a_gap_is_told_in_text),
  CASE(an_end_without_words_has_its_code),
  CASE(the_mode_picks_the_voice_of_text),
  CASE(no_text_is_taken_for_a_marker_or_a_frame),
  CASE(a_long_text_is_cut_for_people_alone),
  CASE(what_is_not_known_is_refused),
  CASE(the_type_that_is_wanted_most_is_sent),
  CASE(cut_anywhere_text_and_levels_come_back_to_the_same),
  CASE(lines_are_resumed_by_their_seq),
  CASE(an_old_client_gets_lines_without_chunks),
  CASE(a_slow_reader_of_lines_loses_nothing),
};

RUN(tests);
