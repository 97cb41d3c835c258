/* SPDX-License-Identifier: MIT */

/* Rows 22 to 31: what ends a job how, a case for each row of that table. */

#include "core/work.h"

#include "jobsrv/process.h"

static void assert_failed(jobsrv_job_t *job, const char *code) {
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, code);
  assert_non_null(fixture_info(job).error_message);
  assert_null(fixture_info(job).result);
}

static void assert_cancelled(jobsrv_job_t *job, jobsrv_reason_code_t code) {
  assert_in(job, "cancelled");
  assert_null(fixture_info(job).error_code);
  assert_null(fixture_info(job).error_message);
  assert_false(fixture_info(job).error_retryable);
  assert_int_equal(fixture_info(job).cancel_reason->code, code);
}

static void open_with(fixture *f, work *w) {
  fixture_open(f);
  work_init(w);
  work_add(f, w);
}

static void an_operation_that_succeeds_is_completed(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_job_complete(job, "{\"n\":1}", 0));
  assert_in(job, "completed");
  assert_string_equal(fixture_info(job).result, "{\"n\":1}");
  assert_null(fixture_info(job).error_code);
  assert_null(fixture_info(job).cancel_reason);
  fixture_close(&f);
}

static void one_that_succeeds_after_a_request_to_stop_has_won(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_in(job, "completed");
  fixture_close(&f);
}

static void one_that_fails_has_its_own_code_or_failed(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, "no_disk", "the disk is full"));
  assert_failed(job, "no_disk");
  assert_string_equal(fixture_info(job).error_message, "the disk is full");
  job = work_now(&f);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_failed(job, "failed");
  fixture_close(&f);
}

/* ---- processes ---- */

static int run_script(jobsrv_job_t *job,
                      jobsrv_process_t *process,
                      void *data) {
  (void) data;
  return jobsrv_process_arg(process, "/bin/sh") != 0 ||
                 jobsrv_process_arg(process, "-c") != 0
             ? UV_ENOMEM
             : jobsrv_process_arg(process, jobsrv_job_data(job));
}

static void add_script(fixture *f, uint32_t attempts, uint64_t silence_ms) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = "script";
  op.style = JOBSRV_PROCESS;
  op.prepare = run_script;
  op.silence_ms = silence_ms;
  op.retry = (jobsrv_retry_t) { .max_attempts = attempts, .backoff_ms = 10,
                                .jitter = JOBSRV_JITTER_NONE };
  assert_ok(jobsrv_operation_add(f->srv, &op));
}

static jobsrv_job_t *script(fixture *f, const char *text) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = "script";
  spec.data = (char *) (uintptr_t) text;
  assert_ok(jobsrv_submit(f->srv, &spec, NULL, &job));
  return job;
}

static int is_waiting(void *data) {
  return jobsrv_job_state(data) == JOBSRV_STATE_RETRYING;
}

static void an_exit_status_but_zero_fails_it(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  add_script(&f, 1, 0);
  job = script(&f, "exit 3");
  assert_true(run_until(&f.loop, jobsrv_until_ended, job, 10000));
  assert_failed(job, "exit_status");
  assert_int_equal(fixture_info(job).exit_status, 3);
  assert_true(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void death_by_a_signal_that_is_not_ours_fails_it(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  add_script(&f, 1, 0);
  job = script(&f, "kill -9 $$");
  assert_true(run_until(&f.loop, jobsrv_until_ended, job, 10000));
  assert_failed(job, "signal");
  assert_int_equal(fixture_info(job).signal, 9);
  fixture_close(&f);
}

static void a_process_that_fails_is_run_again(void **state) {
  fixture f = { 0 };
  char text[] = "exit 3   ";
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  add_script(&f, 2, 0);
  job = script(&f, text);
  assert_true(run_until(&f.loop, is_waiting, job, 10000));
  assert_int_equal(fixture_info(job).exit_status, 3);
  assert_string_equal(fixture_info(job).error_code, "exit_status");
  memcpy(text, "sleep 100", sizeof(text));
  fixture_ms(&f, 10);
  assert_in(job, "running");
  assert_int_equal(fixture_info(job).exit_status, -1);
  assert_int_equal(fixture_info(job).attempt, 2);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(run_until(&f.loop, jobsrv_until_ended, job, 10000));
  assert_in(job, "cancelled");
  fixture_close(&f);
}

static int has_spoken(void *data) {
  return fixture_info(data).last_seq >= 3;
}

static void a_line_of_output_is_heard_whatever_the_level(void **state) {
  static const int levels[] = { JOBSRV_INFO, JOBSRV_WARN };

  (void) state;
  for (int i = 0; i < 2; i++) {
    fixture f = { .options = { .level = levels[i] } };
    jobsrv_job_t *job;

    fixture_open(&f);
    add_script(&f, 1, 1000);
    job = script(&f, "echo here; sleep 100");
    run_turns(&f.loop, 1);
    fixture_ms(&f, 900);
    if (i == 0)
      assert_true(run_until(&f.loop, has_spoken, job, 10000));
    else /* nothing to be seen of it */
      (void) run_until(&f.loop, has_spoken, job, 300);
    fixture_ms(&f, 999);
    assert_false(jobsrv_job_cancelled(job));
    fixture_ms(&f, 1);
    assert_true(jobsrv_job_cancelled(job));
    assert_true(run_until(&f.loop, jobsrv_until_ended, job, 10000));
    assert_failed(job, "silence");
    fixture_close(&f);
  }
}

static int run_nothing(jobsrv_job_t *job,
                       jobsrv_process_t *process,
                       void *data) {
  (void) job;
  (void) data;
  return jobsrv_process_arg(process, "/no/such/program");
}

static void a_program_that_is_not_there_fails_it(void **state) {
  fixture f = { 0 };
  jobsrv_operation_t op;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  jobsrv_operation_init(&op);
  op.name = "nothing";
  op.style = JOBSRV_PROCESS;
  op.prepare = run_nothing;
  assert_ok(jobsrv_operation_add(f.srv, &op));
  job = fixture_submit(&f, "nothing");
  assert_true(run_until(&f.loop, jobsrv_until_ended, job, 10000));
  assert_failed(job, "spawn_failed");
  fixture_close(&f);
}

/* ---- requests ---- */

static void a_users_request_cancels_it(void **state) {
  fixture f = { 0 };
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "enough", "ada" };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_job_cancel(job, &why));
  assert_ok(jobsrv_job_fail(job, "whatever", "it says"));
  assert_cancelled(job, JOBSRV_REASON_REQUESTED);
  assert_string_equal(fixture_info(job).cancel_reason->text, "enough");
  assert_string_equal(fixture_info(job).cancel_reason->actor, "ada");
  fixture_close(&f);
}

static void one_that_takes_its_place_cancels_it(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job, *next;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.unique_key = "only one";
  spec.on_conflict = JOBSRV_CONFLICT_REPLACE;
  job = work_run(&f, &spec);
  next = work_run(&f, &spec);
  assert_in(next, "scheduled");
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_cancelled(job, JOBSRV_REASON_REPLACED);
  run_turns(&f.loop, 1);
  assert_in(next, "running");
  fixture_close(&f);
}

static void the_last_watcher_cancels_it(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.on_last_watcher = JOBSRV_LAST_WATCHER_CANCEL;
  job = work_run(&f, &spec);
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_cancelled(job, JOBSRV_REASON_LAST_WATCHER);
  fixture_close(&f);
}

static void a_shutdown_cancels_it(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_cancelled(job, JOBSRV_REASON_SHUTDOWN);
  fixture_close(&f);
}

static void a_parent_cancels_it_with_its_own_words(void **state) {
  fixture f = { 0 };
  jobsrv_reason_t why = { JOBSRV_REASON_PARENT, "all of it", NULL };
  jobsrv_token_t *parent;
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  assert_ok(jobsrv_token_new(&parent, f.srv, NULL));
  jobsrv_spec_init(&spec);
  spec.parent = parent;
  job = work_run(&f, &spec);
  assert_ok(jobsrv_token_cancel(parent, &why));
  jobsrv_token_unref(parent);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_cancelled(job, JOBSRV_REASON_PARENT);
  assert_string_equal(fixture_info(job).cancel_reason->text, "all of it");
  fixture_close(&f);
}

/* ---- clocks ---- */

static void each_clock_fails_it_with_its_own_code(void **state) {
  fixture f = { .options = { .max_running = 3 } };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job[4];

  (void) state;
  open_with(&f, &w);
  for (int i = 0; i < 4; i++) {
    jobsrv_spec_init(&spec);
    spec.timeout_ms = i == 0 ? 100 : 0;
    spec.deadline_ms = i == 1 ? 100 : 0;
    spec.silence_ms = i == 2 ? 100 : 0;
    spec.queue_ms = i == 3 ? 100 : 0;
    job[i] = work_run(&f, &spec);
  }
  fixture_ms(&f, 100);
  for (int i = 0; i < 3; i++)
    assert_ok(jobsrv_job_fail(job[i], "whatever", "it says"));
  assert_failed(job[0], "attempt_timeout");
  assert_failed(job[1], "deadline");
  assert_failed(job[2], "silence");
  assert_failed(job[3], "queue_timeout");
  fixture_close(&f);
}

static void one_that_nobody_came_to_watch_fails(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.start = JOBSRV_START_ON_STREAM;
  job = work_run(&f, &spec);
  fixture_ms(&f, 60000);
  assert_failed(job, "not_watched");
  fixture_close(&f);
}

/* ---- the ladder, and what never began ---- */

static void one_abandoned_ends_as_it_was_asked_to(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *cancelled, *late;

  (void) state;
  open_with(&f, &w);
  cancelled = work_now(&f);
  assert_ok(jobsrv_job_cancel(cancelled, NULL));
  jobsrv_spec_init(&spec);
  spec.deadline_ms = 1;
  late = work_run(&f, &spec);
  fixture_ms(&f, 5001);
  assert_cancelled(cancelled, JOBSRV_REASON_REQUESTED);
  assert_true(fixture_info(cancelled).abandoned);
  assert_failed(late, "deadline");
  assert_true(fixture_info(late).abandoned);
  fixture_close(&f);
}

static void an_open_breaker_fails_it(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.breaker.failures = 1;
  work_add(&f, &w);
  assert_ok(jobsrv_job_fail(work_now(&f), NULL, NULL));
  job = work_now(&f);
  assert_failed(job, "circuit_open");
  assert_int_equal(fixture_info(job).attempt, 0);
  fixture_close(&f);
}

static void with_attempts_left_it_waits_for_the_breaker(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.breaker = (jobsrv_breaker_t) { .failures = 1, .open_ms = 5000 };
  w.op.retry = (jobsrv_retry_t) { .max_attempts = 2, .backoff_ms = 10,
                                  .jitter = JOBSRV_JITTER_NONE };
  work_add(&f, &w);
  assert_ok(jobsrv_job_fail_permanently(work_now(&f), NULL, NULL));
  job = work_now(&f);
  assert_in(job, "retrying");
  assert_string_equal(fixture_info(job).error_code, "circuit_open");
  assert_int_equal(fixture_info(job).attempt, 0);
  fixture_ms(&f, 4999);
  assert_in(job, "retrying");
  fixture_ms(&f, 1);
  assert_in(job, "running");
  assert_int_equal(fixture_info(job).attempt, 1);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "retrying");
  fixture_close(&f);
}

static int no_memory(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return UV_ENOMEM;
}

static void a_start_without_memory_fails_it(void **state) {
  fixture f = { 0 };
  work w;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.in_start = no_memory;
  work_add(&f, &w);
  assert_failed(work_now(&f), "no_memory");
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_operation_that_succeeds_is_completed),
  cmocka_unit_test(one_that_succeeds_after_a_request_to_stop_has_won),
  cmocka_unit_test(one_that_fails_has_its_own_code_or_failed),
  cmocka_unit_test(an_exit_status_but_zero_fails_it),
  cmocka_unit_test(death_by_a_signal_that_is_not_ours_fails_it),
  cmocka_unit_test(a_process_that_fails_is_run_again),
  cmocka_unit_test(a_line_of_output_is_heard_whatever_the_level),
  cmocka_unit_test(a_program_that_is_not_there_fails_it),
  cmocka_unit_test(a_users_request_cancels_it),
  cmocka_unit_test(one_that_takes_its_place_cancels_it),
  cmocka_unit_test(the_last_watcher_cancels_it),
  cmocka_unit_test(a_shutdown_cancels_it),
  cmocka_unit_test(a_parent_cancels_it_with_its_own_words),
  cmocka_unit_test(each_clock_fails_it_with_its_own_code),
  cmocka_unit_test(one_that_nobody_came_to_watch_fails),
  cmocka_unit_test(one_abandoned_ends_as_it_was_asked_to),
  cmocka_unit_test(an_open_breaker_fails_it),
  cmocka_unit_test(with_attempts_left_it_waits_for_the_breaker),
  cmocka_unit_test(a_start_without_memory_fails_it),
};

RUN(tests);
