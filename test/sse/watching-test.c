/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

/* What comes to a job by being watched, and by being left. */

static world w;
static peer_t peer;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
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

static jobsrv_job_t *make(const char *options) {
  char body[200];
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  snprintf(body, sizeof(body), "{\"operation\":\"work\",\"options\":{%s}}",
           options);
  assert_int_equal(post(&w, &peer, body), 202);
  assert_true(peer_job_id(&peer, id));
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  return job;
}

static int is_unwatched(void *data) {
  return fixture_info(data).watchers == 0;
}

static void leave(jobsrv_job_t *job, watcher_t *watcher) {
  watcher_cut(watcher);
  assert_true(run_until(&w.f.loop, is_unwatched, job, 5000));
}

static void is(const jobsrv_job_t *job, jobsrv_state_t state) {
  assert_string_equal(jobsrv_state_name(jobsrv_job_state(job)),
                      jobsrv_state_name(state));
}

static void the_first_stream_starts_a_job_that_waits_for_it(void **state) {
  jobsrv_job_t *job = make("\"start\":\"on_stream\"");
  watcher_t *watcher;

  (void) state;
  assert_int_equal(ask(&w, &peer, line_of("HEAD", job, "/stream"), "", NULL),
                   200);
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), "", NULL), 200);
  fixture_ms(&w.f, 59999);
  is(job, JOBSRV_STATE_SCHEDULED);
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 4); /* opening, created, queued, running */
  assert_true(is_opening(&watcher->events[0]));
  is(job, JOBSRV_STATE_RUNNING);
  assert_int_equal(fixture_info(job).watchers, 1);
  leave(job, watcher);
  is(job, JOBSRV_STATE_RUNNING); /* it goes on */
  assert_false(jobsrv_job_cancelled(job));
  watcher_free(watcher);
}

static void the_last_that_leaves_has_it_cancelled(void **state) {
  jobsrv_job_t *job = make("\"on_last_watcher\":\"cancel\"");
  watcher_t *first = watch(&w, job, "", "");
  watcher_t *second = watch(&w, job, "", "");

  (void) state;
  watcher_wait(&w, first, 2);
  watcher_wait(&w, second, 2);
  assert_int_equal(fixture_info(job).watchers, 2);
  watcher_cut(first);
  run_turns(&w.f.loop, 20);
  assert_false(jobsrv_job_cancelled(job));
  leave(job, second);
  assert_true(jobsrv_job_cancelled(job));
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_LAST_WATCHER);
  watcher_free(first);
  watcher_free(second);
}

static void a_grace_gives_time_to_come_back(void **state) {
  jobsrv_job_t *job = make("\"on_last_watcher\":\"cancel\","
                           "\"last_watcher_grace_ms\":100");
  watcher_t *first = watch(&w, job, "", "");
  watcher_t *again;

  (void) state;
  watcher_wait(&w, first, 2);
  leave(job, first);
  fixture_ms(&w.f, 99);
  again = watch(&w, job, "", "");
  watcher_wait(&w, again, 2);
  fixture_ms(&w.f, 500);
  assert_false(jobsrv_job_cancelled(job));
  leave(job, again);
  fixture_ms(&w.f, 99);
  assert_false(jobsrv_job_cancelled(job));
  fixture_ms(&w.f, 1);
  assert_true(jobsrv_job_cancelled(job));
  watcher_free(first);
  watcher_free(again);
}

static void an_ended_stream_has_left(void **state) {
  jobsrv_job_t *job = jobsrv_job_ref(make("\"on_last_watcher\":\"cancel\""));
  watcher_t *watcher = watch(&w, job, "", "");

  (void) state;
  watcher_wait(&w, watcher, 2);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_true(run_until(&w.f.loop, is_unwatched, job, 5000));
  is(job, JOBSRV_STATE_COMPLETED);
  watcher_free(watcher);
  jobsrv_job_unref(job);
}

/* ---- who watches, and who leaves ---- */

#define CANCEL "\"on_last_watcher\":\"cancel\""

static watcher_t *watch_path(const char *path, const char *fields) {
  watcher_t *watcher = watcher_open(&w, 0);
  char text[400];
  int len = snprintf(text, sizeof(text),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
                     fields);

  assert_int_equal(send(watcher->fd, text, (size_t) len, MSG_NOSIGNAL), len);
  return watcher;
}

static void who_only_looks_is_no_watcher(void **state) {
  static const struct {
    const char *method, *rest, *fields;
    int status;
  } looks[] = {
    { "HEAD", "/stream", "", 200 },
    { "GET", "", "", 200 },
    { "GET", "/events", "", 200 },
    { "GET", "/events?after=1", "", 200 },
    { "GET", "/stream?after=999", "", 400 },
    { "GET", "/stream", "Accept: image/png\r\n", 406 },
  };
  jobsrv_job_t *job = make(CANCEL);
  watcher_t *watcher = NULL;

  (void) state;
  for (size_t watched = 0; watched < 2; watched++) {
    if (watched) {
      watcher = watch(&w, job, "", "");
      watcher_wait(&w, watcher, 2);
    }
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
      assert_int_equal(ask(&w, &peer,
                           line_of(looks[i].method, job, looks[i].rest),
                           looks[i].fields, NULL),
                       looks[i].status);
      assert_int_equal(fixture_info(job).watchers, watched);
    }
    run_turns(&w.f.loop, 20);
    assert_false(jobsrv_job_cancelled(job));
  }
  leave(job, watcher);
  assert_true(jobsrv_job_cancelled(job));
  watcher_free(watcher);
}

static int is_asked(void *data) {
  (void) data;
  return world_stats(&w).requests == 2;
}

/* Not as one that still reads what is to come, but as one that is gone. */
static void reset(int fd) {
  const struct linger linger = { .l_onoff = 1 };

  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
                              sizeof(linger)), 0);
}

static int has_one_connection(void *data) {
  (void) data;
  return world_stats(&w).connections == 1;
}

static void who_waits_for_a_record_is_no_watcher(void **state) {
  jobsrv_job_t *job = make(CANCEL);
  char text[500];
  peer_t waits;

  (void) state;
  peer_open(&waits, w.port);
  snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
           line_of("GET", job, "?wait=30"));
  peer_send(&waits, text);
  assert_true(run_until(&w.f.loop, is_asked, NULL, 20000));
  run_turns(&w.f.loop, 20);
  assert_int_equal(fixture_info(job).watchers, 0);
  reset(waits.fd);
  peer_close(&waits);
  assert_true(run_until(&w.f.loop, has_one_connection, NULL, 20000));
  assert_false(jobsrv_job_cancelled(job));
}

/* However the connection ends: it is reset, or half of it is closed. */
static void a_connection_that_is_cut_has_left(void **state) {
  (void) state;
  for (int half = 0; half < 2; half++) {
    jobsrv_job_t *job = make(CANCEL);
    watcher_t *watcher = watch(&w, job, "", "");

    watcher_wait(&w, watcher, 2);
    if (half)
      assert_int_equal(shutdown(watcher->fd, SHUT_WR), 0);
    if (!half) {
      reset(watcher->fd);
      watcher_cut(watcher);
    }
    assert_true(run_until(&w.f.loop, is_unwatched, job, 20000));
    assert_true(jobsrv_job_cancelled(job));
    watcher_free(watcher);
  }
}

static void who_is_cut_for_not_reading_has_left(void **state) {
  static char text[4000];
  watcher_t *watcher;
  jobsrv_job_t *job;

  teardown(state);
  memset(&w, 0, sizeof(w));
  w.options.send_buffer = 4096;
  w.options.write_stall_ms = 5000;
  world_open(&w);
  peer_open(&peer, w.port);
  job = make(CANCEL);
  watcher = watcher_open(&w, 4096);
  watcher_ask(watcher, job, 1, "", "");
  watcher_wait(&w, watcher, 2);
  memset(text, 'x', sizeof(text) - 1);
  for (int i = 0; i < 100; i++) {
    assert_ok(jobsrv_narrate(job, "much", "%s", text));
    run_turns(&w.f.loop, 1);
  }
  fixture_ms(&w.f, 4999);
  assert_int_equal(fixture_info(job).watchers, 1);
  fixture_ms(&w.f, 1);
  assert_true(run_until(&w.f.loop, is_unwatched, job, 20000));
  assert_true(jobsrv_job_cancelled(job));
  watcher_free(watcher);
}

/* One of SSE, one of lines of JSON, one of two jobs. */
static void every_kind_of_stream_watches(void **state) {
  jobsrv_job_t *job = make(CANCEL);
  jobsrv_job_t *other = make(CANCEL);
  jobsrv_job_t *calm = make("\"on_last_watcher\":\"continue\"");
  char path[3 * JOBSRV_ID_SIZE + 40];
  char ids[3][JOBSRV_ID_SIZE];
  watcher_t *of[3];

  (void) state;
  snprintf(path, sizeof(path), "/v1/stream?jobs=%s,%s,%s",
           jobsrv_job_id(job, ids[0]), jobsrv_job_id(other, ids[1]),
           jobsrv_job_id(calm, ids[2]));
  of[0] = watch(&w, job, "", "");
  watcher_wait(&w, of[0], 2);
  of[1] = watch(&w, job, "", "Accept: application/x-ndjson\r\n");
  watcher_wait_bytes(&w, of[1], 300);
  of[2] = watch_path(path, "");
  watcher_wait(&w, of[2], 6);
  assert_int_equal(fixture_info(job).watchers, 3);
  assert_int_equal(fixture_info(other).watchers, 1);
  assert_int_equal(fixture_info(calm).watchers, 1);
  watcher_cut(of[0]);
  watcher_cut(of[2]);
  assert_true(run_until(&w.f.loop, is_unwatched, other, 20000));
  assert_true(run_until(&w.f.loop, is_unwatched, calm, 20000));
  assert_true(jobsrv_job_cancelled(other));
  assert_false(jobsrv_job_cancelled(calm));
  assert_false(jobsrv_job_cancelled(job)); /* which has one left */
  leave(job, of[1]);
  assert_true(jobsrv_job_cancelled(job));
  for (size_t i = 0; i < 3; i++)
    watcher_free(of[i]);
}

static void the_grace_begins_when_the_last_has_left(void **state) {
  jobsrv_job_t *job = make(CANCEL ",\"last_watcher_grace_ms\":100");
  watcher_t *first = watch(&w, job, "", "");
  watcher_t *second = watch(&w, job, "", "");

  (void) state;
  watcher_wait(&w, first, 2);
  watcher_wait(&w, second, 2);
  watcher_cut(first);
  run_turns(&w.f.loop, 20);
  fixture_ms(&w.f, 1000);
  leave(job, second);
  fixture_ms(&w.f, 99);
  assert_int_equal(ask(&w, &peer, line_of("HEAD", job, "/stream"), "", NULL),
                   200); /* does not come back by that */
  assert_false(jobsrv_job_cancelled(job));
  fixture_ms(&w.f, 1);
  assert_true(jobsrv_job_cancelled(job));
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_LAST_WATCHER);
  watcher_free(first);
  watcher_free(second);
}

/* ---- hooks that close ---- */

static void close_all(jobsrv_hook_t *hook,
                      jobsrv_job_t *job,
                      jobsrv_state_t from,
                      jobsrv_state_t to) {
  int on_start = *(int *) hook->data;

  (void) job;
  if (on_start ? from == JOBSRV_STATE_SCHEDULED && to == JOBSRV_STATE_QUEUED
               : from == to && to == JOBSRV_STATE_RUNNING)
    jobsrv_close(w.f.srv, fixture_on_closed, &w.f);
}

static void a_hook_may_close_the_server_when_one_comes_or_leaves(void **state) {
  for (int on_start = 0; on_start < 2; on_start++) {
    jobsrv_hook_t hook = { .data = &on_start };
    jobsrv_job_t *job;
    watcher_t *watcher;

    setup(state);
    job = make(on_start ? "\"start\":\"on_stream\""
                        : "\"on_last_watcher\":\"cancel\"");
    jobsrv_hook_add(w.f.srv, &hook, close_all);
    watcher = watch(&w, job, "", "");
    if (!on_start) {
      watcher_wait(&w, watcher, 2);
      watcher_cut(watcher);
    }
    assert_true(run_until(&w.f.loop, fixture_is_closed, &w.f, 5000));
    watcher_free(watcher);
    jobsrv_hook_remove(&hook);
    teardown(state);
  }
}

static void a_transport_that_closes_leaves_its_jobs(void **state) {
  jobsrv_job_t *job = make("\"on_last_watcher\":\"cancel\"");
  watcher_t *watcher = watch(&w, job, "", "");

  (void) state;
  watcher_wait(&w, watcher, 2);
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_true(run_until(&w.f.loop, is_unwatched, job, 5000));
  assert_true(jobsrv_job_cancelled(job));
  watcher_free(watcher);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(the_first_stream_starts_a_job_that_waits_for_it),
  CASE(the_last_that_leaves_has_it_cancelled),
  CASE(a_grace_gives_time_to_come_back),
  CASE(an_ended_stream_has_left),
  CASE(who_only_looks_is_no_watcher),
  CASE(who_waits_for_a_record_is_no_watcher),
  CASE(a_connection_that_is_cut_has_left),
  CASE(who_is_cut_for_not_reading_has_left),
  CASE(every_kind_of_stream_watches),
  CASE(the_grace_begins_when_the_last_has_left),
  cmocka_unit_test(a_hook_may_close_the_server_when_one_comes_or_leaves),
  CASE(a_transport_that_closes_leaves_its_jobs),
};

RUN(tests);
