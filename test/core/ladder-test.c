/* SPDX-License-Identifier: MIT */

/*
 * Row 29: the stuck ladder: grace, hook, abandon. And requests to stop that
 * come behind that of a clock.
 */

#include "core/work.h"

/* ---- a clock's request, and a user's behind it ---- */

static void count_requests(jobsrv_hook_t *hook,
                           jobsrv_job_t *job,
                           jobsrv_state_t from,
                           jobsrv_state_t to) {
  (void) job;
  *(int *) hook->data += from == to && to == JOBSRV_STATE_RUNNING;
}

static void timed(work *w, uint32_t attempts) {
  work_init(w);
  w->op.timeout_ms = 1000;
  w->op.grace_ms = 500;
  w->op.retry.max_attempts = attempts;
}

static void a_request_takes_the_place_of_an_attempts_timeout(void **state) {
  (void) state;
  for (uint32_t attempts = 1; attempts <= 2; attempts++) {
    fixture f = { 0 };
    int requests = 0;
    jobsrv_hook_t hook = { .data = &requests };
    work w;
    jobsrv_job_t *job;

    fixture_open(&f);
    timed(&w, attempts);
    work_add(&f, &w);
    jobsrv_hook_add(f.srv, &hook, count_requests);
    job = work_now(&f);
    fixture_ms(&f, 1000);
    assert_int_equal(requests, 0); /* a clock is no request to cancel */
    assert_int_equal(fixture_info(job).cancel_reason->code,
                     JOBSRV_REASON_ATTEMPT_TIMEOUT);
    assert_ok(jobsrv_job_cancel(job, NULL));
    assert_err(jobsrv_job_cancel(job, NULL), JOBSRV_ESETTLED);
    assert_int_equal(requests, 1);
    assert_int_equal(w.stops, 1);
    assert_int_equal(fixture_info(job).cancel_reason->code,
                     JOBSRV_REASON_REQUESTED);
    assert_ok(jobsrv_job_fail(job, NULL, NULL));
    assert_in(job, "cancelled");
    jobsrv_hook_remove(&hook);
    fixture_close(&f);
  }
}

static void its_grace_runs_from_the_first_of_the_two(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  timed(&w, 2);
  work_add(&f, &w);
  job = work_now(&f);
  fixture_ms(&f, 1400);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fixture_ms(&f, 99);
  assert_in(job, "running");
  fixture_ms(&f, 1);
  assert_in(job, "cancelled");
  assert_true(fixture_info(job).abandoned);
  fixture_close(&f);
}

static void a_request_that_was_first_is_not_replaced_by_a_clock(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  timed(&w, 2);
  w.op.grace_ms = 5000;
  work_add(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fixture_ms(&f, 2000);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_REQUESTED);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "cancelled");
  fixture_close(&f);
}

static void a_parents_request_takes_that_place_too(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *above;
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  timed(&w, 2);
  work_add(&f, &w);
  assert_ok(jobsrv_token_new(&above, f.srv, NULL));
  jobsrv_spec_init(&spec);
  spec.parent = above;
  job = work_run(&f, &spec);
  fixture_ms(&f, 1000);
  assert_ok(jobsrv_token_cancel(above, NULL));
  assert_int_equal(w.stops, 1);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "cancelled");
  jobsrv_token_unref(above);
  fixture_close(&f);
}

static void what_is_below_a_timed_out_attempt_stays_stopped(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *below;
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  timed(&w, 2);
  work_add(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_token_new(&below, f.srv, jobsrv_job_token(job)));
  fixture_ms(&f, 1000);
  assert_int_equal(jobsrv_token_reason(below)->code,
                   JOBSRV_REASON_ATTEMPT_TIMEOUT);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "retrying");
  assert_false(jobsrv_job_cancelled(job));
  assert_non_null(jobsrv_token_reason(below));
  jobsrv_token_unref(below);
  fixture_close(&f);
}

typedef struct {
  jobsrv_token_watch_t watch;
  jobsrv_job_t *lets_go; /* in the watch; NULL: does not */
  int calls;
} watcher;

static void on_watch(jobsrv_token_watch_t *watch,
                     const jobsrv_reason_t *reason) {
  watcher *at = watch->data;

  assert_non_null(reason);
  assert_int_equal(reason->code, JOBSRV_REASON_ATTEMPT_TIMEOUT);
  at->calls++;
  if (at->lets_go != NULL)
    assert_ok(jobsrv_job_fail(at->lets_go, NULL, NULL));
}

static int fail_when_stopped(jobsrv_job_t *job, void *data) {
  (void) data;
  return jobsrv_job_fail(job, NULL, NULL);
}

/* Whoever lets go, and where: all watches hear why, before the next attempt. */
static void letting_go_while_it_is_told_hides_it_from_nobody(void **state) {
  (void) state;
  for (int who = 0; who < 3; who++) {
    fixture f = { 0 };
    watcher watchers[3];
    jobsrv_token_t *below;
    work w;
    jobsrv_job_t *job;

    fixture_open(&f);
    timed(&w, 2);
    if (who == 2)
      w.in_stop = fail_when_stopped;
    work_add(&f, &w);
    job = work_now(&f);
    memset(watchers, 0, sizeof(watchers));
    for (int i = 0; i < 3; i++) {
      watchers[i].watch.data = &watchers[i];
      watchers[i].lets_go = who == i && who < 2 ? job : NULL;
      assert_ok(jobsrv_token_watch(jobsrv_job_token(job), &watchers[i].watch,
                                   on_watch));
    }
    assert_ok(jobsrv_token_new(&below, f.srv, jobsrv_job_token(job)));
    fixture_ms(&f, 1000);
    assert_in(job, "retrying");
    for (int i = 0; i < 3; i++)
      assert_int_equal(watchers[i].calls, 1);
    assert_non_null(jobsrv_token_reason(below));
    assert_false(jobsrv_job_cancelled(job));
    jobsrv_token_unref(below);
    fixture_close(&f);
  }
}

static void one_that_fails_for_good_after_its_timeout_says_why(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  timed(&w, 3);
  work_add(&f, &w);
  job = work_now(&f);
  fixture_ms(&f, 1000);
  assert_ok(jobsrv_job_fail_permanently(job, "gone", NULL));
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "gone");
  fixture_close(&f);
}

static void a_snooze_after_a_timeout_has_stopped_like_any_other(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  timed(&w, 2);
  work_add(&f, &w);
  job = work_now(&f);
  fixture_ms(&f, 1000);
  assert_ok(jobsrv_job_snooze(job, 10));
  assert_in(job, "retrying");
  assert_string_equal(fixture_info(job).error_code, "attempt_timeout");
  fixture_ms(&f, 10);
  assert_int_equal(w.attempt, 2);
  fixture_ms(&f, 1000);
  assert_ok(jobsrv_job_snooze(job, 10));
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "attempt_timeout");
  fixture_close(&f);
}

/* ---- the hook of the stuck ---- */

static jobsrv_job_t *stuck_at_once(fixture *f, work *w) {
  jobsrv_job_t *job;

  fixture_open(f);
  work_init(w);
  w->op.grace_ms = 100;
  w->op.stuck = work_stuck;
  work_add(f, w);
  job = work_now(f);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fixture_ms(f, 99);
  assert_int_equal(w->stuck_calls, 0);
  return job;
}

static void the_hook_may_give_up_at_the_end_of_the_grace(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  job = stuck_at_once(&f, &w);
  fixture_ms(&f, 1);
  assert_int_equal(w.stuck_calls, 1);
  assert_in(job, "cancelled");
  assert_true(fixture_info(job).abandoned);
  fixture_close(&f);
}

static void the_hook_gives_more_time_ten_times_at_most(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  job = stuck_at_once(&f, &w);
  w.stuck_ms = 1000;
  fixture_ms(&f, 1);
  for (int n = 1; n <= 10; n++) {
    assert_int_equal(w.stuck_calls, n);
    fixture_ms(&f, 999);
    assert_in(job, "running");
    fixture_ms(&f, 1);
  }
  assert_int_equal(w.stuck_calls, 10);
  assert_in(job, "cancelled");
  assert_true(fixture_info(job).abandoned);
  fixture_close(&f);
}

static void one_that_lets_go_in_the_time_given_is_not_abandoned(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  job = stuck_at_once(&f, &w);
  w.stuck_ms = 1000;
  fixture_ms(&f, 500);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "cancelled");
  assert_false(fixture_info(job).abandoned);
  fixture_close(&f);
}

static uint64_t let_go_when_stuck(jobsrv_job_t *job, void *data) {
  (void) data;
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  return 1000;
}

static void the_hook_may_end_it_itself(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  timed(&w, 1);
  w.op.stuck = let_go_when_stuck;
  work_add(&f, &w);
  job = work_now(&f);
  fixture_ms(&f, 1500);
  assert_in(job, "completed");
  fixture_close(&f);
}

static void a_drains_deadline_does_not_wait_for_the_hook(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  job = stuck_at_once(&f, &w);
  w.stuck_ms = 100000;
  fixture_ms(&f, 1);
  assert_ok(jobsrv_drain(f.srv, 200, NULL, NULL));
  fixture_ms(&f, 200);
  assert_in(job, "cancelled");
  assert_true(fixture_info(job).abandoned);
  fixture_close(&f);
}

static void without_memory_the_stuck_are_abandoned(void **state) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  job = stuck_at_once(&f, &w);
  w.stuck_ms = 1000;
  jobsrv_faults_fail(&faults, 0, 1);
  fixture_ms(&f, 1);
  assert_true(jobsrv_faults_hit(&faults));
  assert_in(job, "cancelled");
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_request_takes_the_place_of_an_attempts_timeout),
  cmocka_unit_test(its_grace_runs_from_the_first_of_the_two),
  cmocka_unit_test(a_request_that_was_first_is_not_replaced_by_a_clock),
  cmocka_unit_test(a_parents_request_takes_that_place_too),
  cmocka_unit_test(what_is_below_a_timed_out_attempt_stays_stopped),
  cmocka_unit_test(letting_go_while_it_is_told_hides_it_from_nobody),
  cmocka_unit_test(one_that_fails_for_good_after_its_timeout_says_why),
  cmocka_unit_test(a_snooze_after_a_timeout_has_stopped_like_any_other),
  cmocka_unit_test(the_hook_may_give_up_at_the_end_of_the_grace),
  cmocka_unit_test(the_hook_gives_more_time_ten_times_at_most),
  cmocka_unit_test(one_that_lets_go_in_the_time_given_is_not_abandoned),
  cmocka_unit_test(the_hook_may_end_it_itself),
  cmocka_unit_test(a_drains_deadline_does_not_wait_for_the_hook),
  cmocka_unit_test(without_memory_the_stuck_are_abandoned),
};

RUN(tests);
