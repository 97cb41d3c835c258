/* SPDX-License-Identifier: MIT */

/* Row 10: suspended jobs, input, resume; async operations and begun jobs. */

#include "core/work.h"

static void open_with(fixture *f, work *w) {
  fixture_open(f);
  work_init(w);
  work_add(f, w);
}

static jobsrv_job_t *suspended(fixture *f) {
  jobsrv_job_t *job = work_now(f);

  assert_ok(jobsrv_job_suspend(job, "{\"ask\":\"name\"}", 0));
  assert_in(job, "suspended");
  return job;
}

static void one_that_asks_gives_up_its_slot_until_it_is_answered(
    void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job, *other;
  size_t len;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.max_running = 1;
  work_add(&f, &w);
  job = suspended(&f);
  assert_string_equal(fixture_info(job).prompt, "{\"ask\":\"name\"}");
  assert_int_equal(fixture_info(job).prompt_len, 14);
  assert_int_equal(fixture_stats(&f).suspended, 1);
  other = work_now(&f);
  assert_in(other, "running");
  assert_null(jobsrv_job_input(job, &len));
  assert_int_equal(len, 0);
  assert_ok(jobsrv_job_answer(job, "\"Ada\"", 0));
  assert_in(job, "queued");
  assert_null(fixture_info(job).prompt);
  run_turns(&f.loop, 1);
  assert_in(job, "queued");
  assert_int_equal(w.resumes, 0);
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  run_turns(&f.loop, 1);
  assert_in(job, "running");
  assert_int_equal(w.resumes, 1);
  assert_int_equal(w.starts, 2); /* of both, once each */
  assert_string_equal(jobsrv_job_input(job, &len), "\"Ada\"");
  assert_int_equal(len, 5);
  assert_int_equal(fixture_info(job).attempt, 1);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_in(job, "completed");
  fixture_close(&f);
}

static void an_operation_may_keep_its_slot_meanwhile(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job, *other;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.max_running = 1;
  w.op.keeps_slot = 1;
  work_add(&f, &w);
  job = suspended(&f);
  other = work_now(&f);
  assert_in(other, "queued");
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  assert_in(job, "running");
  assert_int_equal(w.resumes, 1);
  assert_null(jobsrv_job_input(job, NULL));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&f.loop, 1);
  assert_in(other, "running");
  fixture_close(&f);
}

static void a_begun_job_runs_on_at_once(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  assert_in(job, "suspended");
  assert_null(fixture_info(job).prompt);
  assert_ok(jobsrv_job_answer(job, "1", 0));
  assert_in(job, "running");
  assert_string_equal(jobsrv_job_input(job, NULL), "1");
  assert_ok(jobsrv_job_suspend(job, "2", 0));
  assert_null(jobsrv_job_input(job, NULL));
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_in(job, "completed");
  fixture_close(&f);
}

static void one_that_waits_cannot_be_finished(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = suspended(&f);
  assert_err(jobsrv_job_complete(job, NULL, 0), JOBSRV_ESTATE);
  assert_err(jobsrv_job_fail(job, NULL, NULL), JOBSRV_ESTATE);
  assert_err(jobsrv_job_suspend(job, NULL, 0), JOBSRV_ESTATE);
  assert_err(jobsrv_job_checkpoint(job, "1", 0), JOBSRV_ESTATE);
  assert_in(job, "suspended");
  fixture_close(&f);
}

static void only_one_that_waits_can_be_answered_and_once(void **state) {
  fixture f = { .options = { .max_payload = 8, .max_result = 16 } };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  assert_err(jobsrv_job_answer(job, "1", 0), JOBSRV_ESTATE);
  assert_err(jobsrv_job_suspend(job, "{oops", 0), JOBSRV_EJSON);
  assert_err(jobsrv_job_suspend(job, "\"0123456789abcdef\"", 0),
             JOBSRV_ETOOBIG);
  assert_in(job, "running");
  assert_ok(jobsrv_job_suspend(job, "\"0123456789abcd\"", 0));
  assert_err(jobsrv_job_answer(job, "{oops", 0), JOBSRV_EJSON);
  assert_err(jobsrv_job_answer(job, "\"1234567\"", 0), JOBSRV_ETOOBIG);
  assert_ok(jobsrv_job_answer(job, "\"123456\"", 0));
  assert_err(jobsrv_job_answer(job, "1", 0), JOBSRV_ESTATE);
  run_turns(&f.loop, 1);
  assert_string_equal(jobsrv_job_input(job, NULL), "\"123456\"");
  fixture_close(&f);
}

static void one_asked_to_stop_does_not_begin_to_wait(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_err(jobsrv_job_suspend(job, NULL, 0), JOBSRV_CANCELLED);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_err(jobsrv_job_suspend(job, NULL, 0), JOBSRV_ESTATE);
  fixture_close(&f);
}

static void cancelling_one_that_waits_ends_it_at_once(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job, *answered;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.max_running = 1;
  work_add(&f, &w);
  job = suspended(&f);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_in(job, "cancelled");
  assert_int_equal(w.stops, 1); /* what it has can be let go */
  assert_false(fixture_info(job).abandoned);
  assert_null(fixture_info(job).prompt);

  answered = suspended(&f);
  work_now(&f);
  assert_ok(jobsrv_job_answer(answered, NULL, 0));
  assert_in(answered, "queued");
  assert_ok(jobsrv_job_cancel(answered, NULL));
  assert_in(answered, "cancelled");
  assert_int_equal(w.stops, 2);
  assert_int_equal(w.resumes, 0);
  fixture_close(&f);
}

static void retries_begin_anew_after_a_pause(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retry = (jobsrv_retry_t) { .max_attempts = 2, .backoff_ms = 10 };
  work_add(&f, &w);
  job = suspended(&f);
  assert_ok(jobsrv_job_answer(job, "1", 0));
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "retrying");
  fixture_ms(&f, 10);
  assert_in(job, "running");
  assert_int_equal(w.starts, 2);
  assert_int_equal(w.resumes, 1);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  fixture_close(&f);
}

static void suspend_at(jobsrv_hook_t *hook,
                       jobsrv_job_t *job,
                       jobsrv_state_t from,
                       jobsrv_state_t to) {
  (void) from;
  if (to == JOBSRV_STATE_RUNNING)
    *(int *) hook->data = jobsrv_job_suspend(job, NULL, 0);
}

static void what_has_not_started_yet_cannot_wait(void **state) {
  fixture f = { 0 };
  int err = 0;
  jobsrv_hook_t hook = { .data = &err };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  jobsrv_hook_add(f.srv, &hook, suspend_at);
  job = work_now(&f);
  assert_err(err, JOBSRV_ESTATE);
  assert_in(job, "running");
  assert_int_equal(w.starts, 1);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static int suspend_now(jobsrv_job_t *job, void *data) {
  (void) data;
  return jobsrv_job_suspend(job, "true", 0);
}

static void an_operation_may_ask_inside_its_start(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.in_start = suspend_now;
  work_add(&f, &w);
  job = work_now(&f);
  assert_in(job, "suspended");
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  run_turns(&f.loop, 1);
  assert_in(job, "running");
  assert_int_equal(w.resumes, 1);
  fixture_close(&f);
}

static int suspend_and_fail(jobsrv_job_t *job, void *data) {
  (void) data;
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  return UV_EIO;
}

static void a_start_that_asks_and_then_fails_has_failed(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.in_start = suspend_and_fail;
  work_add(&f, &w);
  job = work_now(&f);
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "start_failed");
  fixture_close(&f);
}

/* ---- from another thread ---- */

typedef struct {
  jobsrv_job_t *job;
  int suspend, complete, checkpoint;
} said;

static void say_all(void *arg) {
  said *s = arg;

  s->checkpoint = jobsrv_job_checkpoint(s->job, "{\"at\":1}", 0);
  s->suspend = jobsrv_job_suspend(s->job, "1", 0);
  s->complete = jobsrv_job_complete(s->job, NULL, 0);
}

static int is_suspended(void *data) {
  return jobsrv_job_state(data) == JOBSRV_STATE_SUSPENDED;
}

static void any_thread_may_suspend_and_nobody_then_finish(void **state) {
  fixture f = { 0 };
  uv_thread_t thread;
  work w;
  said s;

  (void) state;
  open_with(&f, &w);
  s.job = work_now(&f);
  assert_ok(uv_thread_create(&thread, say_all, &s));
  assert_ok(uv_thread_join(&thread));
  assert_ok(s.checkpoint);
  assert_ok(s.suspend);
  assert_err(s.complete, JOBSRV_ESTATE);
  assert_in(s.job, "running"); /* the loop has not heard of it yet */
  assert_err(jobsrv_job_suspend(s.job, NULL, 0), JOBSRV_ESTATE);
  assert_true(run_until(&f.loop, is_suspended, s.job, 5000));
  assert_ok(jobsrv_job_answer(s.job, NULL, 0));
  run_turns(&f.loop, 1);
  assert_in(s.job, "running");
  fixture_close(&f);
}

static void a_request_to_stop_may_overtake_the_pause(void **state) {
  fixture f = { 0 };
  uv_thread_t thread;
  work w;
  said s;

  (void) state;
  open_with(&f, &w);
  s.job = work_now(&f);
  assert_ok(uv_thread_create(&thread, say_all, &s));
  assert_ok(uv_thread_join(&thread));
  assert_ok(jobsrv_job_cancel(s.job, NULL));
  assert_true(run_until(&f.loop, jobsrv_until_ended, s.job, 5000));
  assert_in(s.job, "cancelled");
  assert_false(fixture_info(s.job).abandoned);
  assert_int_equal(w.stops, 1);
  fixture_close(&f);
}

static void what_is_on_its_way_goes_with_the_server(void **state) {
  fixture f = { 0 };
  uv_thread_t thread;
  work w;
  said s;

  (void) state;
  open_with(&f, &w);
  s.job = work_now(&f);
  assert_ok(uv_thread_create(&thread, say_all, &s));
  assert_ok(uv_thread_join(&thread));
  fixture_close(&f);
}

/* ---- checkpoints ---- */

static void a_checkpoint_is_the_next_attempts_to_read(void **state) {
  fixture f = { .options = { .max_result = 16 } };
  work w;
  jobsrv_job_t *job;
  size_t len = 1;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.retry = (jobsrv_retry_t) { .max_attempts = 4, .backoff_ms = 10 };
  work_add(&f, &w);
  job = work_now(&f);
  assert_null(jobsrv_job_last_checkpoint(job, &len));
  assert_int_equal(len, 0);
  assert_err(jobsrv_job_checkpoint(job, "{oops", 0), JOBSRV_EJSON);
  assert_err(jobsrv_job_checkpoint(job, NULL, 0), JOBSRV_EJSON);
  assert_err(jobsrv_job_checkpoint(job, "\"0123456789abcdef\"", 0),
             JOBSRV_ETOOBIG);
  assert_ok(jobsrv_job_checkpoint(job, "1", 0));
  assert_ok(jobsrv_job_checkpoint(job, "\"0123456789abcd\"", 0));
  assert_null(jobsrv_job_last_checkpoint(job, NULL)); /* its own */
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_err(jobsrv_job_checkpoint(job, "3", 0), JOBSRV_ESTATE);
  fixture_ms(&f, 10);
  assert_string_equal(jobsrv_job_last_checkpoint(job, &len),
                      "\"0123456789abcd\"");
  assert_int_equal(len, 16);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  fixture_ms(&f, 20);
  assert_non_null(jobsrv_job_last_checkpoint(job, NULL)); /* still there */
  assert_ok(jobsrv_job_checkpoint(job, "[7]", 3));
  assert_ok(jobsrv_job_snooze(job, 10));
  fixture_ms(&f, 10);
  assert_string_equal(jobsrv_job_last_checkpoint(job, NULL), "[7]");
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_err(jobsrv_job_checkpoint(job, "1", 0), JOBSRV_ESTATE);
  fixture_close(&f);
}

/* ---- memory ---- */

typedef int (*attempt_cb)(jobsrv_job_t *job);

static int try_suspend(jobsrv_job_t *job) {
  return jobsrv_job_suspend(job, "1", 0);
}

static int try_checkpoint(jobsrv_job_t *job) {
  return jobsrv_job_checkpoint(job, "1", 0);
}

static int try_answer(jobsrv_job_t *job) {
  if (jobsrv_job_state(job) != JOBSRV_STATE_SUSPENDED)
    assert_ok(jobsrv_job_suspend(job, NULL, 0));
  return jobsrv_job_answer(job, "1", 0);
}

/* Fails each allocation once; the job stays as it was until it succeeds. */
static uint64_t fail_each(attempt_cb attempt) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;
  jobsrv_state_t before;
  uint64_t n = 0;
  int err;

  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  open_with(&f, &w);
  job = work_now(&f);
  if (attempt == try_answer)
    assert_ok(jobsrv_job_suspend(job, NULL, 0));
  before = jobsrv_job_state(job);
  for (;; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    err = attempt(job);
    if (err == 0)
      break;
    assert_err(err, UV_ENOMEM);
    assert_int_equal(jobsrv_job_state(job), before);
  }
  jobsrv_faults_fail(&faults, 0, 0);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
  return n;
}

static void without_memory_nothing_has_happened(void **state) {
  (void) state;
  assert_int_equal(fail_each(try_suspend), 3);    /* errand, text, plan */
  assert_int_equal(fail_each(try_checkpoint), 3);
  assert_int_equal(fail_each(try_answer), 1);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(one_that_asks_gives_up_its_slot_until_it_is_answered),
  cmocka_unit_test(an_operation_may_keep_its_slot_meanwhile),
  cmocka_unit_test(a_begun_job_runs_on_at_once),
  cmocka_unit_test(one_that_waits_cannot_be_finished),
  cmocka_unit_test(only_one_that_waits_can_be_answered_and_once),
  cmocka_unit_test(one_asked_to_stop_does_not_begin_to_wait),
  cmocka_unit_test(cancelling_one_that_waits_ends_it_at_once),
  cmocka_unit_test(retries_begin_anew_after_a_pause),
  cmocka_unit_test(what_has_not_started_yet_cannot_wait),
  cmocka_unit_test(an_operation_may_ask_inside_its_start),
  cmocka_unit_test(a_start_that_asks_and_then_fails_has_failed),
  cmocka_unit_test(any_thread_may_suspend_and_nobody_then_finish),
  cmocka_unit_test(a_request_to_stop_may_overtake_the_pause),
  cmocka_unit_test(what_is_on_its_way_goes_with_the_server),
  cmocka_unit_test(a_checkpoint_is_the_next_attempts_to_read),
  cmocka_unit_test(without_memory_nothing_has_happened),
};

RUN(tests);
