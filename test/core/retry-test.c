/* SPDX-License-Identifier: MIT */

/* Rows 19, 20 and 80: retry, final failures, snooze, checkpoints. */

#include "core/work.h"

static int let_fail(jobsrv_job_t *job, void *data) {
  (void) data;
  return jobsrv_job_fail(job, "flaky", "not this time");
}

/* Attempts without jitter, so that times are exact. */
static void add(fixture *f, work *w, uint32_t attempts, uint64_t backoff_ms) {
  w->op.retry.max_attempts = attempts;
  w->op.retry.backoff_ms = backoff_ms;
  w->op.retry.jitter = JOBSRV_JITTER_NONE;
  work_add(f, w);
}

static void one_that_fails_waits_without_a_slot_and_comes_again(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job, *other;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.max_running = 1;
  add(&f, &w, 3, 100);
  job = work_now(&f);
  other = work_now(&f);
  assert_in(other, "queued");
  assert_ok(jobsrv_job_fail(job, "flaky", "not this time"));
  assert_in(job, "retrying");
  assert_string_equal(fixture_info(job).error_code, "flaky");
  assert_string_equal(fixture_info(job).error_message, "not this time");
  assert_true(fixture_info(job).error_retryable);
  assert_int_equal(fixture_info(job).attempt, 1);
  assert_int_equal(fixture_info(job).max_attempts, 3);
  assert_int_equal(fixture_info(job).next_attempt_wall_ns,
                   jobsrv_wall_now(f.srv) + 100000000);
  assert_int_equal(fixture_stats(&f).retrying, 1);
  run_turns(&f.loop, 1);
  assert_in(other, "running");
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  fixture_ms(&f, 99);
  assert_in(job, "retrying");
  fixture_ms(&f, 1);
  assert_in(job, "running");
  assert_int_equal(w.attempt, 2);
  assert_null(fixture_info(job).error_code);
  assert_int_equal(fixture_info(job).next_attempt_wall_ns, 0);
  assert_int_equal(fixture_stats(&f).retries, 1);
  assert_ok(jobsrv_job_complete(job, "1", 0));
  assert_in(job, "completed");
  assert_int_equal(fixture_info(job).attempt, 2);
  fixture_close(&f);
}

static void the_last_attempts_failure_is_the_jobs(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  add(&f, &w, 3, 100);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, "first", NULL));
  fixture_ms(&f, 100);
  assert_ok(jobsrv_job_fail(job, "second", NULL));
  fixture_ms(&f, 199);
  assert_in(job, "retrying");
  fixture_ms(&f, 1);
  assert_ok(jobsrv_job_fail(job, "third", "gave up"));
  assert_in(job, "failed");
  assert_int_equal(w.starts, 3);
  assert_string_equal(fixture_info(job).error_code, "third");
  assert_string_equal(fixture_info(job).error_message, "gave up");
  assert_true(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void by_default_there_is_one_attempt(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  work_add(&f, &w);
  job = work_now(&f);
  assert_int_equal(fixture_info(job).max_attempts, 1);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "failed");
  fixture_close(&f);
}

/* One second, doubled, at most an hour; equal jitter takes up to half away. */
static void the_backoff_has_its_defaults(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;
  uint64_t most = 1000, wait;
  int below = 0;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retry.max_attempts = 20;
  work_add(&f, &w);
  job = work_now(&f);
  for (int n = 1; n < 20; n++) {
    assert_ok(jobsrv_job_fail(job, NULL, NULL));
    wait = (fixture_info(job).next_attempt_wall_ns -
            jobsrv_wall_now(f.srv)) / 1000000;
    assert_true(wait >= most / 2 && wait <= most);
    below += wait < most;
    most = most < 1800000 ? most * 2 : 3600000;
    fixture_ms(&f, wait);
    assert_in(job, "running");
  }
  assert_true(below > 10);
  fixture_close(&f);
}

static void a_jobs_own_way_counts_before_its_operations(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  add(&f, &w, 2, 100);
  jobsrv_spec_init(&spec);
  spec.retry = (jobsrv_retry_t) {
    .max_attempts = 4, .factor = 10, .backoff_ms = 7, .max_backoff_ms = 300
  };
  job = work_run(&f, &spec);
  assert_int_equal(fixture_info(job).max_attempts, 4);
  for (uint64_t wait = 7; wait <= 700; wait *= 10) {
    assert_ok(jobsrv_job_fail(job, NULL, NULL));
    fixture_ms(&f, (wait < 300 ? wait : 300) - 1);
    assert_in(job, "retrying");
    fixture_ms(&f, 1);
    assert_in(job, "running");
  }
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "failed");
  fixture_close(&f);
}

static void a_permanent_failure_is_not_tried_again(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = work_retryable;
  add(&f, &w, 3, 100);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail_permanently(job, "gone", "for good"));
  assert_in(job, "failed");
  assert_int_equal(w.asked, 0);
  assert_string_equal(fixture_info(job).error_code, "gone");
  assert_string_equal(fixture_info(job).error_message, "for good");
  assert_false(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void the_operation_decides_what_is_worth_another(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = work_retryable;
  add(&f, &w, 3, 100);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, "flaky", NULL));
  assert_in(job, "retrying");
  assert_string_equal(w.code, "flaky");
  fixture_ms(&f, 100);
  w.retryable = 0;
  assert_ok(jobsrv_job_fail(job, "broken", NULL));
  assert_in(job, "failed");
  assert_int_equal(w.asked, 2);
  assert_false(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void nobody_is_asked_about_the_last_attempt(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = work_retryable;
  work_add(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_int_equal(w.asked, 0);
  fixture_close(&f);
}

static int close_server(jobsrv_job_t *job,
                        const char *code,
                        const char *message,
                        void *data) {
  (void) code;
  (void) message;
  (void) data;
  jobsrv_close(jobsrv_job_server(job), NULL, NULL);
  return 1;
}

static void who_is_asked_may_close_the_server(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = close_server;
  add(&f, &w, 3, 100);
  job = jobsrv_job_ref(work_now(&f));
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "cancelled");
  jobsrv_job_unref(job);
  f.closed = 1;
  fixture_close(&f);
}

static int cancel_it(jobsrv_job_t *job,
                     const char *code,
                     const char *message,
                     void *data) {
  (void) code;
  (void) message;
  (void) data;
  assert_ok(jobsrv_job_cancel(job, NULL));
  return 1;
}

static void one_cancelled_while_it_is_asked_about_is_cancelled(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = cancel_it;
  add(&f, &w, 3, 100);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "cancelled");
  assert_int_equal(w.stops, 0); /* it has let go */
  fixture_close(&f);
}

static void a_named_delay_counts_without_cap_or_jitter(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retry = (jobsrv_retry_t) { .max_attempts = 3, .max_backoff_ms = 10,
                                  .jitter = JOBSRV_JITTER_FULL };
  work_add(&f, &w);
  jobsrv_spec_init(&spec);
  job = work_run(&f, &spec);
  assert_ok(jobsrv_job_retry_after(job, 5000000, "busy", "come back later"));
  assert_string_equal(fixture_info(job).error_code, "busy");
  assert_string_equal(fixture_info(job).error_message, "come back later");
  fixture_ms(&f, 4999999);
  assert_in(job, "retrying");
  fixture_ms(&f, 1);
  assert_in(job, "running");
  assert_ok(jobsrv_job_retry_after(job, UINT64_MAX, NULL, NULL));
  assert_string_equal(fixture_info(job).error_code, "failed");
  assert_true(fixture_info(job).next_attempt_wall_ns == UINT64_MAX);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fixture_close(&f);
}

static void a_named_delay_of_nothing_is_no_waiting(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  add(&f, &w, 2, 100);
  job = work_now(&f);
  assert_ok(jobsrv_job_retry_after(job, 0, NULL, NULL));
  assert_in(job, "queued");
  run_turns(&f.loop, 1);
  assert_in(job, "running");
  assert_ok(jobsrv_job_retry_after(job, 0, "over", NULL));
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "over");
  fixture_close(&f);
}

static void a_snooze_costs_no_attempt(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = work_retryable;
  work_add(&f, &w);
  job = work_now(&f);
  for (int n = 0; n < 50; n++) {
    assert_ok(jobsrv_job_snooze(job, 60000));
    assert_in(job, "retrying");
    assert_null(fixture_info(job).error_code);
    assert_false(fixture_info(job).error_retryable);
    fixture_ms(&f, 59999);
    assert_in(job, "retrying");
    fixture_ms(&f, 1);
    assert_in(job, "running");
    assert_int_equal(w.attempt, 1);
  }
  assert_int_equal(w.starts, 51);
  assert_int_equal(w.asked, 0);
  assert_int_equal(fixture_stats(&f).retries, 0);
  assert_ok(jobsrv_job_fail(job, "flaky", NULL));
  assert_in(job, "failed");
  fixture_close(&f);
}

static void only_the_deadline_bounds_snoozing(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  work_add(&f, &w);
  jobsrv_spec_init(&spec);
  spec.deadline_ms = 1000;
  job = work_run(&f, &spec);
  assert_ok(jobsrv_job_snooze(job, 5000));
  fixture_ms(&f, 999);
  assert_in(job, "retrying");
  fixture_ms(&f, 1);
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "deadline");
  fixture_close(&f);
}

static void a_begun_job_has_nothing_to_come_again(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_err(jobsrv_job_snooze(job, 10), JOBSRV_ESTATE);
  assert_ok(jobsrv_job_retry_after(job, 10, "late", NULL));
  assert_in(job, "failed");
  assert_err(jobsrv_job_snooze(job, 10), JOBSRV_ESETTLED);
  fixture_close(&f);
}

static void an_operation_that_fails_inside_its_start_is_tried_again(
    void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.in_start = let_fail;
  add(&f, &w, 3, 100);
  job = work_now(&f);
  assert_in(job, "retrying");
  fixture_ms(&f, 100);
  assert_in(job, "retrying");
  fixture_ms(&f, 200);
  assert_in(job, "failed");
  assert_int_equal(w.starts, 3);
  fixture_close(&f);
}

static int fail_and_return(jobsrv_job_t *job, void *data) {
  (void) let_fail(job, data);
  return UV_EIO;
}

static int only_return(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return UV_EIO;
}

static void what_a_start_returns_counts_only_if_it_said_nothing(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.in_start = fail_and_return;
  add(&f, &w, 3, 100);
  job = work_now(&f);
  assert_in(job, "retrying");
  assert_string_equal(fixture_info(job).error_code, "flaky");
  w.in_start = only_return;
  fixture_ms(&f, 100);
  assert_in(job, "retrying");
  assert_string_equal(fixture_info(job).error_code, "start_failed");
  assert_int_equal(fixture_info(job).attempt, 2);
  fixture_close(&f);
}

static void a_timed_out_attempt_is_told_and_tried_again(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = work_retryable;
  w.op.timeout_ms = 1000;
  add(&f, &w, 2, 100);
  job = work_now(&f);
  fixture_ms(&f, 1000);
  assert_in(job, "running");
  assert_int_equal(w.stops, 1);
  assert_int_equal(w.stopped, JOBSRV_REASON_ATTEMPT_TIMEOUT);
  assert_true(jobsrv_job_cancelled(job));
  assert_ok(jobsrv_job_fail(job, "cancelled", NULL));
  assert_in(job, "retrying");
  assert_string_equal(w.code, "attempt_timeout");
  assert_string_equal(fixture_info(job).error_code, "attempt_timeout");
  assert_string_equal(fixture_info(job).error_message,
                      "the attempt took too long");
  assert_false(jobsrv_job_cancelled(job));
  assert_null(fixture_info(job).cancel_reason);
  fixture_ms(&f, 100);
  assert_in(job, "running");
  fixture_ms(&f, 999);
  assert_int_equal(w.stops, 1);
  fixture_ms(&f, 1); /* the last: no other follows */
  assert_int_equal(w.stops, 2);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "attempt_timeout");
  assert_true(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void one_that_completes_after_its_timeout_has_completed(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.timeout_ms = 1000;
  add(&f, &w, 2, 100);
  job = work_now(&f);
  fixture_ms(&f, 1000);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_in(job, "completed");
  fixture_close(&f);
}

static void an_abandoned_attempt_is_the_last(void **state) {
  fixture f = { .options = { .grace_ms = 50 } };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.timeout_ms = 1000;
  add(&f, &w, 5, 100);
  job = work_now(&f);
  fixture_ms(&f, 1050);
  assert_in(job, "failed");
  assert_true(fixture_info(job).abandoned);
  assert_string_equal(fixture_info(job).error_code, "attempt_timeout");
  assert_err(jobsrv_job_fail(job, NULL, NULL), JOBSRV_ESETTLED);
  assert_int_equal(fixture_stats(&f).late_finishes, 1);
  fixture_close(&f);
}

static void one_cancelled_while_it_waits_ends_at_once(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  add(&f, &w, 5, 100);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, "flaky", NULL));
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_in(job, "cancelled");
  assert_null(fixture_info(job).error_code);
  assert_int_equal(w.stops, 0);
  fixture_ms(&f, 1000);
  assert_int_equal(w.starts, 1);
  fixture_close(&f);
}

static void the_deadline_runs_through_retries(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  add(&f, &w, 100, 400);
  jobsrv_spec_init(&spec);
  spec.deadline_ms = 1000;
  job = work_run(&f, &spec);
  assert_ok(jobsrv_job_fail(job, "flaky", NULL));
  fixture_ms(&f, 400);
  assert_in(job, "running");
  assert_ok(jobsrv_job_fail(job, "flaky", NULL));
  fixture_ms(&f, 599);
  assert_in(job, "retrying");
  fixture_ms(&f, 1);
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "deadline");
  assert_false(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void a_second_finish_of_an_attempt_is_refused(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  add(&f, &w, 5, 100);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, "flaky", NULL));
  assert_err(jobsrv_job_complete(job, NULL, 0), JOBSRV_ESTATE);
  fixture_ms(&f, 100);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_in(job, "completed");
  fixture_close(&f);
}

/* Each allocation fails once; what could not be remembered is not repeated. */
static void without_memory_it_fails_or_is_refused(void **state) {
  jobsrv_faults_t faults;
  int n, err;

  (void) state;
  for (n = 0;; n++) {
    fixture f = { 0 };
    work w;
    jobsrv_job_t *job;
    int hit;

    assert_ok(jobsrv_faults_init(&faults));
    f.options.alloc = &faults.alloc;
    fixture_open(&f);
    work_init(&w);
    add(&f, &w, 3, 100);
    job = work_now(&f);
    jobsrv_faults_fail(&faults, (uint64_t) n, 1);
    err = jobsrv_job_retry_after(job, 5, "a_code", "a message");
    hit = jobsrv_faults_hit(&faults);
    jobsrv_faults_fail(&faults, 0, 0);
    assert_true(err == 0 || (hit && err == UV_ENOMEM));
    assert_in(job, err != 0 ? "running" : hit ? "failed" : "retrying");
    if (err == 0)
      assert_string_equal(fixture_info(job).error_code, "a_code");
    fixture_close(&f);
    assert_int_equal(jobsrv_faults_live(&faults), 0);
    jobsrv_faults_free(&faults);
    if (!hit)
      break;
  }
  assert_int_equal(n, 3); /* code, message, plan */
}

static void without_memory_a_snooze_fails_the_job(void **state) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  fixture_open(&f);
  work_init(&w);
  work_add(&f, &w);
  job = work_now(&f);
  jobsrv_faults_fail(&faults, 0, 1);
  assert_err(jobsrv_job_snooze(job, 10), UV_ENOMEM);
  jobsrv_faults_fail(&faults, 1, 1);
  assert_ok(jobsrv_job_snooze(job, 10));
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "no_memory");
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(one_that_fails_waits_without_a_slot_and_comes_again),
  cmocka_unit_test(the_last_attempts_failure_is_the_jobs),
  cmocka_unit_test(by_default_there_is_one_attempt),
  cmocka_unit_test(the_backoff_has_its_defaults),
  cmocka_unit_test(a_jobs_own_way_counts_before_its_operations),
  cmocka_unit_test(a_permanent_failure_is_not_tried_again),
  cmocka_unit_test(the_operation_decides_what_is_worth_another),
  cmocka_unit_test(nobody_is_asked_about_the_last_attempt),
  cmocka_unit_test(who_is_asked_may_close_the_server),
  cmocka_unit_test(one_cancelled_while_it_is_asked_about_is_cancelled),
  cmocka_unit_test(a_named_delay_counts_without_cap_or_jitter),
  cmocka_unit_test(a_named_delay_of_nothing_is_no_waiting),
  cmocka_unit_test(a_snooze_costs_no_attempt),
  cmocka_unit_test(only_the_deadline_bounds_snoozing),
  cmocka_unit_test(a_begun_job_has_nothing_to_come_again),
  cmocka_unit_test(an_operation_that_fails_inside_its_start_is_tried_again),
  cmocka_unit_test(what_a_start_returns_counts_only_if_it_said_nothing),
  cmocka_unit_test(a_timed_out_attempt_is_told_and_tried_again),
  cmocka_unit_test(one_that_completes_after_its_timeout_has_completed),
  cmocka_unit_test(an_abandoned_attempt_is_the_last),
  cmocka_unit_test(one_cancelled_while_it_waits_ends_at_once),
  cmocka_unit_test(the_deadline_runs_through_retries),
  cmocka_unit_test(a_second_finish_of_an_attempt_is_refused),
  cmocka_unit_test(without_memory_it_fails_or_is_refused),
  cmocka_unit_test(without_memory_a_snooze_fails_the_job),
};

RUN(tests);
