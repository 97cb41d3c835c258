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
  cmocka_unit_test(a_hook_may_close_the_server_when_one_comes_or_leaves),
  CASE(a_transport_that_closes_leaves_its_jobs),
};

RUN(tests);
