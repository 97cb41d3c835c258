/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

#include <pthread.h>
#include <stdlib.h>

/* What watchers receive: from the start, late, again, and from elsewhere. */

static world w;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

/* Opens the world again with what has been set in it. */
static void reopen(void) {
  fixture_close(&w.f);
  memset(&w.f.loop, 0, sizeof(w.f.loop));
  world_open(&w);
}

static void *say_too_much(void *job) {
  for (int i = 0; i < 500; i++)
    (void) jobsrv_narrate(job, "count", "line %d", i);
  return NULL;
}

static void say(jobsrv_job_t *job, int from, int to) {
  for (int i = from; i <= to; i++)
    assert_ok(jobsrv_narrate(job, "count", "line %d of the job \"%d\"\n", i,
                             i));
}

/* ---- what was lost ---- */

static void what_was_dropped_is_told_where_it_is_missing(void **state) {
  unsigned long long seq = 0;
  watcher_t *watcher;
  jobsrv_job_t *job;
  pthread_t thread;
  int dropped = 0;

  (void) state;
  w.f.options.max_inbox_bytes = 16 * 1024;
  reopen();
  job = fixture_begin(&w.f);
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 3);
  assert_int_equal(pthread_create(&thread, NULL, say_too_much, job), 0);
  pthread_join(thread, NULL);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  for (size_t i = 1; i < watcher->n; i++) {
    const sse_event_t *event = &watcher->events[i];

    dropped += strstr(event->text, "\nevent: dropped\n") != NULL;
    if (event->seq != 0)
      assert_int_equal(event->seq, ++seq);
  }
  assert_int_equal(dropped, 1);
  watcher_free(watcher);
}

/* ---- the same for all ---- */

static void three_watchers_receive_the_same(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  jobsrv_progress_t progress = { .done = 1, .total = 2 };
  watcher_t *first = watch(&w, job, "", "");
  watcher_t *late;
  watcher_t *last;

  (void) state;
  watcher_wait(&w, first, 3); /* opening, created, running */
  assert_true(is_opening(&first->events[0]));
  say(job, 1, 20);
  watcher_wait(&w, first, 23);
  late = watch(&w, job, "", "");
  watcher_wait(&w, late, 10);
  say(job, 21, 40);
  assert_ok(jobsrv_data_event(job, "rows", "[1, 2, {\"a\": null}]", 0));
  assert_ok(jobsrv_progress(job, &progress));
  run_turns(&w.f.loop, 2);
  say(job, 41, 50);
  assert_ok(jobsrv_job_complete(job, "{\"n\":50}", 0));
  watcher_wait(&w, first, 0);
  watcher_wait(&w, late, 0);
  last = watch(&w, job, "", "");
  watcher_wait(&w, last, 0);

  assert_same_events(first, late);
  assert_same_events(first, last);
  assert_true(is_opening(&late->events[0]));
  assert_string_equal(last->events[last->n - 2].text + 0,
                      first->events[first->n - 2].text);
  assert_true(is_end(&last->events[last->n - 2]));
  assert_int_equal(last->events[last->n - 2].seq, 0);
  assert_contains(last->events[last->n - 1].text, "\ndata: [DONE]");
  assert_int_equal(last->events[last->n - 1].seq,
                   fixture_info(job).last_seq);
  watcher_free(first);
  watcher_free(late);
  watcher_free(last);
}

static void numbers_have_no_holes(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *watcher;
  unsigned long long seq = 0;

  (void) state;
  say(job, 1, 100);
  assert_ok(jobsrv_job_fail(job, "broken", "it broke"));
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 0);
  for (size_t i = 1; i < watcher->n; i++)
    if (!is_end(&watcher->events[i]))
      assert_int_equal(watcher->events[i].seq, ++seq);
  assert_int_equal(seq, fixture_info(job).last_seq);
  assert_contains(watcher->events[watcher->n - 1].text,
                  "data: [ERROR] it broke");
  watcher_free(watcher);
}

static void the_head_says_that_it_streams(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *watcher = watch(&w, job, "", "X-Request-Id: me\r\n");

  (void) state;
  watcher_wait(&w, watcher, 1);
  watcher->raw[watcher->raw_len] = '\0';
  assert_int_equal(watcher->status, 200);
  assert_contains(watcher->raw, "\r\nContent-Type: text/event-stream\r\n");
  assert_contains(watcher->raw,
                  "\r\nCache-Control: no-store, no-transform\r\n");
  assert_contains(watcher->raw, "\r\nX-Accel-Buffering: no\r\n");
  assert_contains(watcher->raw, "\r\nTransfer-Encoding: chunked\r\n");
  assert_contains(watcher->raw, "\r\nX-Request-Id: me\r\n");
  assert_contains(watcher->events[0].text, "\nretry: 2000\n");
  watcher_free(watcher);
}

static void progress_is_sent_and_its_last_value_before_the_end(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *watcher = watch(&w, job, "", "");
  jobsrv_progress_t progress = { .total = 9, .unit = "files" };
  const sse_event_t *last = NULL;

  (void) state;
  watcher_wait(&w, watcher, 3);
  for (int i = 0; i <= 9; i++) {
    progress.done = i;
    assert_ok(jobsrv_progress(job, &progress));
    run_turns(&w.f.loop, 1);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  for (size_t i = 0; i < watcher->n; i++)
    if (is_progress(&watcher->events[i]))
      last = &watcher->events[i];
  assert_non_null(last);
  assert_int_equal(last->seq, 0);
  assert_contains(last->text, "\"done\":9");
  assert_true(last < &watcher->events[watcher->n - 2]);
  watcher_free(watcher);
}

/* ---- coming back ---- */

static void append_new(watcher_t *all, const watcher_t *from) {
  size_t i = 0;
  const sse_event_t *event;

  while ((event = next_logged(from, &i)) != NULL) {
    /* the end may come again when the cut was before its marker */
    if (is_end(event) && all->n > 0 && is_end(&all->events[all->n - 1]))
      continue;
    all->events[all->n++] = *event;
  }
}

static void come_back(watcher_t *cut,
                      const jobsrv_job_t *job,
                      const watcher_t *whole) {
  static watcher_t all;
  char field[120] = "";
  watcher_t *again;

  memset(&all, 0, sizeof(all));
  append_new(&all, cut);
  if (cut->last_id[0] != '\0')
    snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", cut->last_id);
  again = watch(&w, job, "", field);
  watcher_wait(&w, again, 0);
  if (again->status == 204)
    assert_contains(all.events[all.n - 1].text, "[DONE]");
  else
    append_new(&all, again);
  assert_same_events(&all, whole);
  watcher_free(again);
  watcher_free(cut);
}

/* Every byte; a sanitizer's build, far slower, is given a longer step. */
static size_t step(void) {
  const char *text = getenv("JOBSRV_CUT_STEP");
  int n = text != NULL ? atoi(text) : 0;

  return n > 0 ? (size_t) n : 1;
}

static void a_watcher_cut_at_any_byte_comes_back_to_the_same(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *whole;

  (void) state;
  say(job, 1, 4);
  assert_ok(jobsrv_job_complete(job, "{\"n\":4}", 0));
  whole = watch(&w, job, "", "");
  watcher_wait(&w, whole, 0);
  for (size_t at = 0; at <= whole->raw_len; at += step()) {
    watcher_t *cut = watch(&w, job, "", "");

    watcher_wait_bytes(&w, cut, at);
    watcher_cut(cut);
    come_back(cut, job, whole);
  }
  run_turns(&w.f.loop, 5);
  assert_int_equal(world_stats(&w).streams, 0);
  watcher_free(whole);
}

static void a_watcher_cut_while_the_job_runs_comes_back(void **state) {
  (void) state;
  for (size_t at = 1; at < 1800; at += 13 * step()) {
    jobsrv_job_t *job = fixture_begin(&w.f);
    watcher_t *whole = watch(&w, job, "", "");
    watcher_t *cut = watch(&w, job, "", "");

    say(job, 1, 3);
    watcher_wait(&w, whole, 6);
    watcher_wait_bytes(&w, cut, at);
    watcher_cut(cut);
    say(job, 4, 6);
    run_turns(&w.f.loop, 1);
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    watcher_wait(&w, whole, 0);
    come_back(cut, job, whole);
    watcher_free(whole);
  }
}

static void the_header_wins_over_the_query(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *watcher;
  char text[120];

  (void) state;
  say(job, 1, 10);
  watcher = watch(&w, job, "?after=3", "");
  watcher_wait(&w, watcher, 2);
  snprintf(text, sizeof(text), "\nid: %s-3\n", jobsrv_boot(w.f.srv));
  assert_contains(watcher->events[0].text, text);
  assert_int_equal(watcher->events[1].seq, 4);
  watcher_free(watcher);

  snprintf(text, sizeof(text), "Last-Event-ID: %s-7\r\n",
           jobsrv_boot(w.f.srv));
  watcher = watch(&w, job, "?after=3", text);
  watcher_wait(&w, watcher, 2);
  assert_int_equal(watcher->events[1].seq, 8);
  watcher_free(watcher);
}

static void a_bad_cursor_is_refused(void **state) {
  static const char *const fields[] = {
    "Last-Event-ID: x\r\n", "Last-Event-ID: -1\r\n", "Last-Event-ID: 99\r\n",
    "Last-Event-ID:\r\n", "Last-Event-ID: 1\r\nLast-Event-ID: 1\r\n",
    "Last-Event-ID: abc-g4\r\n", "Last-Event-ID: 18446744073709551616\r\n",
  };
  static const char *const queries[] = {
    "?after=", "?after=x", "?after=4294967296", "?after=%00", "?after=%3",
    "?a=b&after=-1",
  };
  jobsrv_job_t *job = fixture_begin(&w.f);
  peer_t *peer = malloc(sizeof(*peer));
  char line[400];

  (void) state;
  peer_open(peer, w.port);
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    ask(&w, peer, line_of("GET", job, "/stream"), fields[i], NULL);
    assert_problem(peer, 400, "bad_cursor");
    ask(&w, peer, line_of("HEAD", job, "/stream"), fields[i], NULL);
    assert_int_equal(atoi(peer->text + 9), 400);
  }
  for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
    snprintf(line, sizeof(line), "/stream%s", queries[i]);
    ask(&w, peer, line_of("GET", job, line), "", NULL);
    assert_problem(peer, 400, "bad_cursor");
  }
  snprintf(line, sizeof(line), "/stream?after=%0129d", 1);
  ask(&w, peer, line_of("GET", job, line), "", NULL);
  assert_problem(peer, 400, "bad_cursor");
  snprintf(line, sizeof(line), "Last-Event-ID: %s-3\r\n",
           jobsrv_boot(w.f.srv));
  ask(&w, peer, line_of("GET", job, "/stream"), line, NULL);
  assert_problem(peer, 400, "bad_cursor");
  peer_close(peer);
  free(peer);
}

static void another_boot_is_a_gap_and_then_everything(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *whole;
  watcher_t *watcher;
  char id[64];

  (void) state;
  say(job, 1, 5);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  whole = watch(&w, job, "", "");
  watcher_wait(&w, whole, 0);
  watcher = watch(&w, job, "", "Last-Event-ID: zzzz-8\r\n");
  watcher_wait(&w, watcher, 0);
  assert_true(is_opening(&watcher->events[0]));
  snprintf(id, sizeof(id), "\nid: %s-0\n", jobsrv_boot(w.f.srv));
  assert_contains(watcher->events[0].text, id);
  assert_true(is_gap(&watcher->events[1]));
  assert_contains(watcher->events[1].text, id);
  assert_contains(watcher->events[1].text, "\"reason\":\"restart\"");
  /* without the gap it is the whole history */
  watcher->events[1] = watcher->events[0];
  assert_same_events(watcher, whole);
  watcher_free(whole);
  watcher_free(watcher);
}

static void what_was_trimmed_is_one_gap(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  const sse_event_t *gap;
  char text[100];

  (void) state;
  w.f.options.max_events_per_job = 40;
  reopen();
  job = fixture_begin(&w.f);
  say(job, 1, 500);
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 10);
  gap = &watcher->events[1];
  assert_true(is_gap(gap));
  assert_true(gap->seq > 400);
  snprintf(text, sizeof(text),
           "\"missed_from\":1,\"missed_to\":%llu,\"reason\":\"trimmed\"",
           gap->seq);
  assert_contains(gap->text, text);
  for (size_t i = 2; i < watcher->n; i++)
    assert_int_equal(watcher->events[i].seq, gap->seq + i - 1);
  watcher_free(watcher);

  /* who has seen all of it misses nothing */
  watcher = watch(&w, job, "?after=500", "");
  watcher_wait(&w, watcher, 3);
  assert_int_equal(watcher->events[1].seq, 501);
  watcher_free(watcher);
}

static void who_has_seen_the_end_is_sent_away(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  peer_t *peer = malloc(sizeof(*peer));
  char field[80];

  (void) state;
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  peer_open(peer, w.port);
  snprintf(field, sizeof(field), "Last-Event-ID: %s-%llu\r\n",
           jobsrv_boot(w.f.srv),
           (unsigned long long) fixture_info(job).last_seq);
  assert_int_equal(ask(&w, peer, line_of("GET", job, "/stream"), field, NULL),
                   204);
  assert_null(strstr(peer->text, "Content-Length"));
  assert_int_equal(ask(&w, peer, line_of("HEAD", job, "/stream"), field, NULL),
                   204);
  assert_int_equal(world_stats(&w).streams_opened, 0);
  peer_close(peer);
  free(peer);
}

static void head_answers_alike_and_attaches_nothing(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  peer_t *peer = malloc(sizeof(*peer));

  (void) state;
  peer_open(peer, w.port);
  assert_int_equal(ask(&w, peer, line_of("HEAD", job, "/stream"), "", NULL),
                   200);
  assert_contains(peer->text, "\r\nContent-Type: text/event-stream\r\n");
  assert_contains(peer->text, "\r\nTransfer-Encoding: chunked\r\n");
  assert_int_equal(strlen(answer_body(peer)), 0);
  assert_int_equal(world_stats(&w).streams, 0);
  assert_int_equal(world_stats(&w).streams_opened, 0);
  assert_int_equal(ask(&w, peer, "GET /health", "", NULL), 200);
  peer_close(peer);
  free(peer);
}

static void only_who_takes_event_streams_gets_one(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  peer_t *peer = malloc(sizeof(*peer));
  watcher_t *watcher;

  (void) state;
  peer_open(peer, w.port);
  ask(&w, peer, line_of("GET", job, "/stream"), "Accept: text/html\r\n", NULL);
  assert_problem(peer, 406, "not_acceptable");
  peer_close(peer);
  free(peer);
  watcher = watch(&w, job, "", "Accept: text/html, text/*;q=0.2\r\n");
  watcher_wait(&w, watcher, 1);
  assert_int_equal(watcher->status, 200);
  watcher_free(watcher);
}

static void an_old_client_gets_the_same_without_chunks(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  jobsrv_progress_t progress = { .done = 1, .total = 2 };
  watcher_t *live = watcher_open(&w, 0);
  watcher_t *whole;
  watcher_t *old;

  (void) state;
  watcher_ask(live, job, 0, "", "");
  watcher_wait(&w, live, 2);
  say(job, 1, 300);
  assert_ok(jobsrv_progress(job, &progress));
  run_turns(&w.f.loop, 2);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  whole = watch(&w, job, "", "");
  watcher_wait(&w, whole, 0);
  old = watcher_open(&w, 0);
  watcher_ask(old, job, 0, "", "");
  watcher_wait(&w, old, 0);
  watcher_wait(&w, live, 0);
  assert_true(live->eof);
  assert_true(old->eof);
  live->raw[live->raw_len] = '\0';
  assert_null(strstr(live->raw, "chunked"));
  assert_contains(live->raw, "\r\nConnection: close\r\n");
  assert_same_events(live, whole);
  assert_same_events(old, whole);
  watcher_free(live);
  watcher_free(old);
  watcher_free(whole);
}

static void after_the_end_the_connection_serves_on(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  peer_t *peer = malloc(sizeof(*peer));
  char request[200];

  (void) state;
  peer_open(peer, w.port);
  snprintf(request, sizeof(request),
           "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
           line_of("GET", job, "/stream"));
  peer_send(peer, request);
  assert_true(peer_wait(peer, &w.f.loop, "\"state\":\"running\"", 5000));
  /* sent ahead: answered behind the stream */
  peer_send(peer, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 3);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_true(peer_wait(peer, &w.f.loop, "\r\n0\r\n\r\nHTTP/1.1 200 OK", 5000));
  assert_int_equal(ask(&w, peer, "GET /ready", "", NULL), 200);
  peer_close(peer);
  free(peer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(what_was_dropped_is_told_where_it_is_missing),
  CASE(three_watchers_receive_the_same),
  CASE(numbers_have_no_holes),
  CASE(the_head_says_that_it_streams),
  CASE(progress_is_sent_and_its_last_value_before_the_end),
  ON_LOOP(a_watcher_cut_at_any_byte_comes_back_to_the_same, setup, teardown),
  ON_LOOP(a_watcher_cut_while_the_job_runs_comes_back, setup, teardown),
  CASE(the_header_wins_over_the_query),
  CASE(a_bad_cursor_is_refused),
  CASE(another_boot_is_a_gap_and_then_everything),
  CASE(what_was_trimmed_is_one_gap),
  CASE(who_has_seen_the_end_is_sent_away),
  CASE(head_answers_alike_and_attaches_nothing),
  CASE(only_who_takes_event_streams_gets_one),
  CASE(an_old_client_gets_the_same_without_chunks),
  CASE(after_the_end_the_connection_serves_on),
};

RUN(tests);
