/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

/* Slow, silent, too many and leaving watchers, and how it all ends. */

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

static void say(jobsrv_job_t *job, int n, int size) {
  for (int i = 0; i < n; i++)
    assert_ok(jobsrv_narrate(job, "flood", "%0*d", size, i));
}

static int has_no_streams(void *data) {
  (void) data;
  return world_stats(&w).streams == 0;
}

/* ---- silence ---- */

static void a_silent_stream_beats(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 3);
  fixture_ms(&w.f, 14999);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->comments, 0);
  fixture_ms(&w.f, 1);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->comments, 1);

  /* what is said puts it off */
  fixture_ms(&w.f, 14000);
  say(job, 1, 10);
  run_turns(&w.f.loop, 2);
  fixture_ms(&w.f, 14000);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->comments, 1);
  fixture_ms(&w.f, 1000);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->comments, 2);
  assert_int_equal(watcher->n, 4);
  watcher_free(watcher);
}

static void an_old_clients_stream_beats_too(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  w.options.heartbeat_ms = 500;
  world_open(&w);
  job = fixture_begin(&w.f);
  watcher = watcher_open(&w, 0);
  watcher_ask(watcher, job, 0, "", "");
  watcher_wait(&w, watcher, 3);
  fixture_ms(&w.f, 501);
  fixture_ms(&w.f, 501);
  watcher_read(watcher, WATCHER_RAW);
  assert_int_equal(watcher->comments, 2);
  assert_bytes(watcher->raw + watcher->raw_len - 6, 6, ":\n\n:\n\n");
  watcher_free(watcher);
}

static void a_beat_does_not_fall_into_a_frame(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  w.f.options.max_bytes_per_job = 16u << 20;
  w.options.send_buffer = 8u << 20;
  world_open(&w);
  job = fixture_begin(&w.f);
  for (int i = 0; i < 3; i++) {
    char text[60001];

    snprintf(text, sizeof(text), "%060000d", i);
    for (int k = 0; k < 4; k++)
      assert_ok(jobsrv_narrate(job, "long", "%s", text));
  }
  watcher = watch(&w, job, "", "");
  for (int i = 0; i < 20 && watcher->raw_len < 1000; i++) {
    run_turns(&w.f.loop, 1);
    watcher_read(watcher, WATCHER_RAW);
  }
  /* its share of the turn was used up inside a frame */
  assert_true(watcher->raw_len < 500000);
  jobsrv_manual_clock_advance(&w.f.clock, UINT64_C(15000000000));
  watcher_wait(&w, watcher, 15);
  assert_int_equal(watcher->comments, 0);
  watcher_free(watcher);
}

/* ---- full sockets ---- */

static void open_narrow(void) {
  w.options.send_buffer = 4096;
  w.f.options.max_bytes_per_job = 16u << 20;
  w.f.options.max_events_per_job = 20000;
  world_open(&w);
}

static void a_slow_reader_gets_every_byte(void **state) {
  jobsrv_job_t *job;
  watcher_t *slow;
  watcher_t *fast;

  (void) state;
  open_narrow();
  job = fixture_begin(&w.f);
  slow = watcher_open(&w, 2048);
  watcher_ask(slow, job, 1, "", "");
  fast = watch(&w, job, "", "");
  watcher_wait(&w, fast, 3);
  for (int i = 0; i < 300; i++) {
    say(job, 10, i * 3);
    run_turns(&w.f.loop, 1);
    watcher_read(fast, WATCHER_RAW);
    watcher_read(slow, slow->raw_len + 700);
  }
  watcher_wait(&w, fast, 3000);
  assert_true(slow->body_len < fast->body_len);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, fast, 0);
  watcher_wait(&w, slow, 0);
  assert_same_events(fast, slow);
  assert_true(fast->n > 3000);
  watcher_free(fast);
  watcher_free(slow);
}

static void a_slow_old_client_gets_every_byte(void **state) {
  jobsrv_job_t *job;
  watcher_t *slow;
  watcher_t *fast;

  (void) state;
  open_narrow();
  job = fixture_begin(&w.f);
  slow = watcher_open(&w, 2048);
  watcher_ask(slow, job, 0, "", "");
  for (int i = 0; i < 100; i++) {
    say(job, 5, i * 20);
    assert_ok(jobsrv_progress(job, &(jobsrv_progress_t) { .done = i }));
    fixture_ms(&w.f, 100);
    watcher_read(slow, slow->raw_len + 900);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, slow, 0);
  assert_true(slow->eof);
  fast = watch(&w, job, "", "");
  watcher_wait(&w, fast, 0);
  assert_same_events(fast, slow);
  watcher_free(fast);
  watcher_free(slow);
}

/* The end's bytes are rendered again for every part the socket takes. */
static void a_long_end_arrives_in_parts(void **state) {
  static char result[16000];
  static char message[5000];
  jobsrv_job_t *jobs[2];

  (void) state;
  open_narrow();
  jobs[0] = fixture_begin(&w.f);
  jobs[1] = fixture_begin(&w.f);
  snprintf(result, sizeof(result), "\"%015990d\"", 1);
  memset(message, 2, sizeof(message) - 1);
  for (int i = 0; i < 2; i++) {
    watcher_t *slow = watcher_open(&w, 2048);
    const sse_event_t *end;
    jobsrv_json_error_t error;

    watcher_ask(slow, jobs[i], 1, "", "");
    watcher_wait(&w, slow, 3);
    say(jobs[i], 20, 1000);
    run_turns(&w.f.loop, 3);
    if (i == 0)
      assert_ok(jobsrv_job_complete(jobs[i], result, 0));
    else
      assert_ok(jobsrv_job_fail(jobs[i], NULL, message));
    run_turns(&w.f.loop, 3);
    /* a second passes, and the record comes out the same */
    fixture_ms(&w.f, 1000);
    watcher_wait(&w, slow, 0);
    end = &slow->events[slow->n - 2];
    assert_true(is_end(end));
    assert_ok(jobsrv_json_check(end->text + 17, end->len - 17, 8, &error));
    if (i == 0)
      assert_contains(end->text, result);
    assert_contains(slow->events[slow->n - 1].text,
                    i == 0 ? "[DONE]" : "[ERROR] \\x02\\x02");
    watcher_free(slow);
  }
}

static void a_reader_that_lags_gets_a_gap_not_the_memory(void **state) {
  jobsrv_job_t *job;
  watcher_t *frozen;
  unsigned long long seq = 0;
  size_t gaps = 0;

  (void) state;
  w.options.send_buffer = 4096;
  w.f.options.max_bytes_per_job = 64 << 10;
  world_open(&w);
  job = fixture_begin(&w.f);
  frozen = watcher_open(&w, 2048);
  watcher_ask(frozen, job, 1, "", "");
  for (int i = 0; i < 500; i++) {
    say(job, 10, 500);
    run_turns(&w.f.loop, 1);
  }
  assert_true(fixture_stats(&w.f).log_bytes < 512 << 10);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, frozen, 0);
  for (size_t i = 1; i + 2 < frozen->n; i++) {
    const sse_event_t *event = &frozen->events[i];
    char text[60];

    if (!is_gap(event)) {
      assert_int_equal(event->seq, ++seq);
      continue;
    }
    snprintf(text, sizeof(text), "\"missed_from\":%llu,\"missed_to\":%llu,",
             seq + 1, event->seq);
    assert_contains(event->text, text);
    seq = event->seq;
    gaps++;
  }
  assert_true(gaps >= 1);
  assert_int_equal(seq + 1, fixture_info(job).last_seq);
  watcher_free(frozen);
}

static void a_reader_that_stands_still_is_cut(void **state) {
  jobsrv_job_t *job;
  watcher_t *frozen;
  watcher_t *other;

  (void) state;
  open_narrow();
  job = fixture_begin(&w.f);
  frozen = watcher_open(&w, 2048);
  watcher_ask(frozen, job, 1, "", "");
  other = watch(&w, job, "", "");
  watcher_wait(&w, other, 3);
  say(job, 400, 1000);
  run_turns(&w.f.loop, 5);
  assert_int_equal(world_stats(&w).streams, 2);
  watcher_wait(&w, other, 403);
  fixture_ms(&w.f, 19000);
  assert_int_equal(world_stats(&w).stalled, 0);
  fixture_ms(&w.f, 1001);
  assert_int_equal(world_stats(&w).stalled, 1);
  assert_int_equal(world_stats(&w).streams, 1);
  say(job, 1, 10);
  watcher_wait(&w, other, 404);
  watcher_free(frozen);
  watcher_free(other);
}

static void a_turns_work_is_bounded(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  uint64_t before;
  uint64_t most = 0;

  (void) state;
  w.f.options.max_bytes_per_job = 16u << 20;
  w.options.send_buffer = 8u << 20;
  world_open(&w);
  job = fixture_begin(&w.f);
  say(job, 2000, 1000);
  watcher = watch(&w, job, "", "");
  for (int i = 0; i < 40; i++) {
    before = world_stats(&w).bytes_sent;
    run_turns(&w.f.loop, 1);
    watcher_read(watcher, WATCHER_RAW);
    before = world_stats(&w).bytes_sent - before;
    most = before > most ? before : most;
  }
  assert_int_equal(watcher->n, 2003);
  assert_true(most <= 256 * 1024 + 4096); /* and the opening */
  assert_true(most > 128 * 1024);
  watcher_free(watcher);
}

/* ---- too many ---- */

static void refused_stream(const jobsrv_job_t *job,
                           int status,
                           const char *code) {
  peer_t *peer = malloc(sizeof(*peer));

  peer_open(peer, w.port);
  ask(&w, peer, line_of("GET", job, "/stream"), "", NULL);
  assert_problem(peer, status, code);
  peer_close(peer);
  free(peer);
}

static int is_one_stream(void *data) {
  (void) data;
  return world_stats(&w).streams == 1;
}

static void streams_are_bounded_in_all(void **state) {
  jobsrv_job_t *a;
  jobsrv_job_t *b;
  watcher_t *one;
  watcher_t *two;

  (void) state;
  w.options.max_streams = 2;
  world_open(&w);
  a = fixture_begin(&w.f);
  b = fixture_begin(&w.f);
  one = watch(&w, a, "", "");
  two = watch(&w, b, "", "");
  watcher_wait(&w, one, 3);
  watcher_wait(&w, two, 3);
  refused_stream(a, 503, "too_many_streams");
  watcher_free(one);
  assert_true(run_until(&w.f.loop, is_one_stream, NULL, 10000));
  one = watch(&w, b, "", "");
  watcher_wait(&w, one, 3);
  assert_int_equal(world_stats(&w).streams, 2);
  watcher_free(one);
  watcher_free(two);
}

static void streams_are_bounded_per_job(void **state) {
  jobsrv_job_t *a;
  jobsrv_job_t *b;
  watcher_t *one;
  watcher_t *two;

  (void) state;
  w.options.max_streams_per_job = 1;
  world_open(&w);
  a = fixture_begin(&w.f);
  b = fixture_begin(&w.f);
  one = watch(&w, a, "", "");
  two = watch(&w, b, "", "");
  watcher_wait(&w, one, 3);
  watcher_wait(&w, two, 3);
  refused_stream(a, 429, "too_many_watchers");
  assert_ok(jobsrv_job_complete(a, NULL, 0));
  watcher_wait(&w, one, 0);
  watcher_free(one);
  one = watch(&w, a, "", "");
  watcher_wait(&w, one, 0);
  assert_int_equal(one->status, 200);
  watcher_free(one);
  watcher_free(two);
}

/* ---- leaving ---- */

static void a_watcher_that_leaves_stops_nothing(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 3);
  watcher_cut(watcher);
  assert_true(run_until(&w.f.loop, has_no_streams, NULL, 2000));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_false(jobsrv_job_cancelled(job));
  watcher_free(watcher);
}

static void a_watched_job_may_expire(void **state) {
  jobsrv_job_t *job;
  watcher_t *slow;

  (void) state;
  w.f.options.retain_ms = 15000;
  open_narrow();
  job = fixture_begin(&w.f);
  jobsrv_job_ref(job);
  slow = watcher_open(&w, 2048);
  watcher_ask(slow, job, 1, "", "");
  watcher_wait(&w, slow, 3);
  say(job, 300, 300);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  for (int i = 0; i < 4; i++) {
    fixture_ms(&w.f, 4000);
    watcher_read(slow, slow->raw_len + 4000);
  }
  assert_int_equal(fixture_stats(&w.f).expired, 1);
  watcher_wait(&w, slow, 0);
  assert_int_equal(slow->events[slow->n - 3].seq, 302);
  assert_contains(slow->events[slow->n - 1].text, "[DONE]");
  watcher_free(slow);
  jobsrv_job_unref(job);
}

/* ---- ends of the server ---- */

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static int flag_is_set(void *data) {
  return *(int *) data;
}

static void a_drain_gives_every_stream_its_end(void **state) {
  watcher_t *watchers[20];
  int drained = 0;

  (void) state;
  world_open(&w);
  for (int i = 0; i < 20; i++) {
    watchers[i] = watch(&w, fixture_submit(&w.f, "work"), "", "");
    watcher_wait(&w, watchers[i], 3);
  }
  assert_ok(jobsrv_drain(w.f.srv, 1000, on_drained, &drained));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 1000);
  for (int i = 0; i < 20; i++) {
    watcher_wait(&w, watchers[i], 0);
    assert_true(watchers[i]->ended);
    assert_contains(watchers[i]->events[watchers[i]->n - 1].text,
                    "[CANCELLED]");
    watcher_free(watchers[i]);
  }
  fixture_ms(&w.f, 1000);
  assert_true(run_until(&w.f.loop, flag_is_set, &drained, 2000));
  assert_int_equal(world_stats(&w).connections, 0);
}

static void on_sse_closed(jobsrv_sse_t *sse, void *data) {
  (void) sse;
  *(int *) data = 1;
}

static void a_closed_transport_cuts_its_streams(void **state) {
  jobsrv_job_t *job;
  watcher_t *watcher;
  int closed = 0;

  (void) state;
  world_open(&w);
  job = fixture_begin(&w.f);
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 3);
  say(job, 3, 10);
  jobsrv_sse_close(w.sse, on_sse_closed, &closed);
  say(job, 3, 10);
  assert_true(run_until(&w.f.loop, flag_is_set, &closed, 2000));
  watcher_wait(&w, watcher, 0);
  assert_true(watcher->eof);
  assert_false(watcher->ended);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_free(watcher);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  ON_LOOP(a_silent_stream_beats, setup, teardown),
  CASE(an_old_clients_stream_beats_too),
  ON_LOOP(a_beat_does_not_fall_into_a_frame, setup, teardown),
  CASE(a_slow_reader_gets_every_byte),
  CASE(a_slow_old_client_gets_every_byte),
  CASE(a_long_end_arrives_in_parts),
  CASE(a_reader_that_lags_gets_a_gap_not_the_memory),
  ON_LOOP(a_reader_that_stands_still_is_cut, setup, teardown),
  ON_LOOP(a_turns_work_is_bounded, setup, teardown),
  CASE(streams_are_bounded_in_all),
  CASE(streams_are_bounded_per_job),
  CASE(a_watcher_that_leaves_stops_nothing),
  CASE(a_watched_job_may_expire),
  CASE(a_drain_gives_every_stream_its_end),
  CASE(a_closed_transport_cuts_its_streams),
};

RUN(tests);
