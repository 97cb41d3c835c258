/* SPDX-License-Identifier: MIT */

/* Rows 27 and 28: queue wait, attempt, total, silence; narration is heard. */

#include "core/work.h"

static jobsrv_job_t *run_spec(fixture *f,
                              uint64_t queue,
                              uint64_t timeout,
                              uint64_t deadline,
                              uint64_t silence) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.queue_ms = queue;
  spec.timeout_ms = timeout;
  spec.deadline_ms = deadline;
  spec.silence_ms = silence;
  return work_run(f, &spec);
}

static void open_with(fixture *f, work *w) {
  fixture_open(f);
  work_init(w);
  work_add(f, w);
}

static void assert_failed_by(jobsrv_job_t *job,
                             const char *code,
                             const char *message) {
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, code);
  assert_string_equal(fixture_info(job).error_message, message);
}

static void by_default_no_clock_runs(void **state) {
  fixture f = { .options = { .max_running = 1 } };
  work w;
  jobsrv_job_t *job, *waiting;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  waiting = work_now(&f);
  fixture_ms(&f, 1000000000);
  assert_in(job, "running");
  assert_false(jobsrv_job_cancelled(job));
  assert_in(waiting, "queued");
  fixture_close(&f);
}

static void one_that_waits_too_long_in_the_queue_fails(void **state) {
  fixture f = { .options = { .max_running = 1 } };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  work_now(&f);
  job = run_spec(&f, 100, 0, 0, 0);
  fixture_ms(&f, 99);
  assert_in(job, "queued");
  fixture_ms(&f, 1);
  assert_failed_by(job, "queue_timeout", "waited too long in the queue");
  assert_false(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void waiting_begins_when_it_is_runnable_each_time(void **state) {
  fixture f = { .options = { .max_running = 1 } };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *first, *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retry = (jobsrv_retry_t) { .max_attempts = 2, .backoff_ms = 500,
                                  .jitter = JOBSRV_JITTER_NONE };
  w.op.queue_ms = 100;
  work_add(&f, &w);
  jobsrv_spec_init(&spec);
  spec.delay_ms = 1000;
  job = work_run(&f, &spec);
  fixture_ms(&f, 1000);
  assert_in(job, "running");
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  first = work_now(&f);
  assert_in(first, "running");
  fixture_ms(&f, 500);
  assert_in(job, "queued");
  fixture_ms(&f, 99);
  assert_in(job, "queued");
  fixture_ms(&f, 1);
  assert_failed_by(job, "queue_timeout", "waited too long in the queue");
  fixture_close(&f);
}

static void the_deadline_runs_on_while_it_is_suspended(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = run_spec(&f, 0, 0, 1000, 0);
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  fixture_ms(&f, 999);
  assert_in(job, "suspended");
  fixture_ms(&f, 1);
  assert_failed_by(job, "deadline", "the deadline has passed");
  fixture_close(&f);
}

static void an_attempts_clock_stands_still_while_it_waits(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job, *other;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.max_running = 1;
  work_add(&f, &w);
  job = run_spec(&f, 0, 1000, 0, 0);
  fixture_ms(&f, 400);
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  fixture_ms(&f, 100000);
  other = work_now(&f);
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  fixture_ms(&f, 100000); /* also in the queue behind the answer */
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  run_turns(&f.loop, 1);
  assert_in(job, "running");
  fixture_ms(&f, 599);
  assert_int_equal(w.stops, 0);
  fixture_ms(&f, 1);
  assert_int_equal(w.stopped, JOBSRV_REASON_ATTEMPT_TIMEOUT);
  fixture_close(&f);
}

/* ---- silence ---- */

static void a_silent_attempt_is_stopped(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = run_spec(&f, 0, 0, 0, 100);
  fixture_ms(&f, 99);
  assert_int_equal(w.stops, 0);
  fixture_ms(&f, 1);
  assert_int_equal(w.stopped, JOBSRV_REASON_SILENCE);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_failed_by(job, "silence", "nothing was heard of it too long");
  assert_true(fixture_info(job).error_retryable);
  fixture_close(&f);
}

static void say(jobsrv_job_t *job) {
  assert_ok(jobsrv_narrate(job, "step", "still here"));
}

static void progress(jobsrv_job_t *job) {
  jobsrv_progress_t p = { .done = 1, .total = 2 };

  assert_ok(jobsrv_progress(job, &p));
}

static void data(jobsrv_job_t *job) {
  assert_ok(jobsrv_data_event(job, "point", "{}", 0));
}

static void any_narration_and_progress_is_heard(void **state) {
  static void (*const words[])(jobsrv_job_t *job) = { say, progress, data };

  (void) state;
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    fixture f = { 0 };
    work w;
    jobsrv_job_t *job;

    open_with(&f, &w);
    job = run_spec(&f, 0, 0, 0, 100);
    for (int n = 0; n < 5; n++) {
      fixture_ms(&f, 90);
      words[i](job);
    }
    fixture_ms(&f, 99);
    assert_int_equal(w.stops, 0);
    fixture_ms(&f, 1);
    assert_int_equal(w.stops, 1);
    fixture_close(&f);
  }
}

/* What is below the level is never made, and costs nothing: not even this. */
static void what_the_level_keeps_from_being_made_is_not_heard(void **state) {
  fixture f = { .options = { .level = JOBSRV_WARN } };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = run_spec(&f, 0, 0, 0, 100);
  fixture_ms(&f, 90);
  assert_ok(jobsrv_narrate(job, "step", "not made"));
  fixture_ms(&f, 10);
  assert_int_equal(w.stops, 1);
  fixture_close(&f);
}

static void say_elsewhere(void *arg) {
  say(arg);
}

static void a_word_from_another_thread_is_heard(void **state) {
  fixture f = { 0 };
  uv_thread_t thread;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = run_spec(&f, 0, 0, 0, 100);
  fixture_ms(&f, 90);
  assert_ok(uv_thread_create(&thread, say_elsewhere, job));
  assert_ok(uv_thread_join(&thread));
  fixture_ms(&f, 99);
  assert_int_equal(w.stops, 0);
  fixture_ms(&f, 1);
  assert_int_equal(w.stops, 1);
  fixture_close(&f);
}

static void silence_stands_still_too_and_an_answer_is_no_word(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = run_spec(&f, 0, 0, 0, 100);
  fixture_ms(&f, 60);
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  fixture_ms(&f, 5000);
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  run_turns(&f.loop, 1);
  fixture_ms(&f, 39);
  assert_int_equal(w.stops, 0);
  fixture_ms(&f, 1);
  assert_int_equal(w.stopped, JOBSRV_REASON_SILENCE);
  fixture_close(&f);
}

static void a_silent_attempt_is_tried_again(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retryable = work_retryable;
  w.op.silence_ms = 100;
  w.op.retry = (jobsrv_retry_t) { .max_attempts = 2, .backoff_ms = 500,
                                  .jitter = JOBSRV_JITTER_NONE };
  work_add(&f, &w);
  job = work_now(&f);
  fixture_ms(&f, 100);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "retrying");
  assert_string_equal(w.code, "silence");
  fixture_ms(&f, 500); /* waiting is no silence */
  assert_in(job, "running");
  fixture_ms(&f, 99);
  assert_int_equal(w.stops, 1);
  fixture_ms(&f, 1);
  assert_int_equal(w.stops, 2);
  fixture_close(&f);
}

static void a_begun_job_has_its_clocks(void **state) {
  fixture f = { .options = { .silence_ms = 100, .timeout_ms = 150 } };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  fixture_ms(&f, 90);
  say(job);
  fixture_ms(&f, 59);
  assert_false(jobsrv_job_cancelled(job));
  fixture_ms(&f, 1);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_ATTEMPT_TIMEOUT);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  job = fixture_begin(&f);
  fixture_ms(&f, 100);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_SILENCE);
  fixture_close(&f);
}

/* Spec before operation before server, for each of the four. */
static void who_is_nearer_says_how_long(void **state) {
  jobsrv_job_t *job;
  work w;

  (void) state;
  for (int which = 0; which < 4; which++) {
    for (int own = 0; own < 2; own++) {
      fixture f = { .options = { .queue_ms = 5000, .timeout_ms = 5000,
                                 .deadline_ms = 5000, .silence_ms = 5000 } };
      uint64_t ms[4] = { 0 };

      fixture_open(&f);
      work_init(&w);
      w.op.queue_ms = which == 0 ? 300 : 0;
      w.op.timeout_ms = which == 1 ? 300 : 0;
      w.op.deadline_ms = which == 2 ? 300 : 0;
      w.op.silence_ms = which == 3 ? 300 : 0;
      w.op.max_running = 1;
      work_add(&f, &w);
      if (which == 0)
        (void) work_now(&f); /* has the only slot */
      if (own)
        ms[which] = 200;
      job = run_spec(&f, ms[0], ms[1], ms[2], ms[3]);
      fixture_ms(&f, own ? 199 : 299);
      assert_false(jobsrv_job_cancelled(job));
      fixture_ms(&f, 1);
      assert_true(jobsrv_job_cancelled(job));
      fixture_close(&f);
    }
  }
}

static void the_servers_limits_are_the_last_resort(void **state) {
  static const char *const codes[] = { "queue_timeout", "attempt_timeout",
                                       "deadline", "silence" };

  (void) state;
  for (int which = 0; which < 4; which++) {
    fixture f = { .options = { .max_running = 1 } };
    work w;
    jobsrv_job_t *job;

    f.options.queue_ms = which == 0 ? 300 : 0;
    f.options.timeout_ms = which == 1 ? 300 : 0;
    f.options.deadline_ms = which == 2 ? 300 : 0;
    f.options.silence_ms = which == 3 ? 300 : 0;
    open_with(&f, &w);
    job = work_now(&f);
    if (which == 0)
      job = work_now(&f);
    fixture_ms(&f, 299);
    assert_false(jobsrv_job_cancelled(job));
    fixture_ms(&f, 1);
    assert_true(jobsrv_job_cancelled(job));
    assert_string_equal(
        jobsrv_reason_name(fixture_info(job).cancel_reason->code),
        codes[which]);
    fixture_close(&f);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(by_default_no_clock_runs),
  cmocka_unit_test(one_that_waits_too_long_in_the_queue_fails),
  cmocka_unit_test(waiting_begins_when_it_is_runnable_each_time),
  cmocka_unit_test(the_deadline_runs_on_while_it_is_suspended),
  cmocka_unit_test(an_attempts_clock_stands_still_while_it_waits),
  cmocka_unit_test(a_silent_attempt_is_stopped),
  cmocka_unit_test(any_narration_and_progress_is_heard),
  cmocka_unit_test(what_the_level_keeps_from_being_made_is_not_heard),
  cmocka_unit_test(a_word_from_another_thread_is_heard),
  cmocka_unit_test(silence_stands_still_too_and_an_answer_is_no_word),
  cmocka_unit_test(a_silent_attempt_is_tried_again),
  cmocka_unit_test(a_begun_job_has_its_clocks),
  cmocka_unit_test(who_is_nearer_says_how_long),
  cmocka_unit_test(the_servers_limits_are_the_last_resort),
};

RUN(tests);
