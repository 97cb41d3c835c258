/* SPDX-License-Identifier: MIT */

/* Row 31: what a drain does with jobs that wait: for their next attempt, for
   their time, for another job, or for an answer. */

#include "fixture.h"

typedef struct {
  fixture f;
  jobsrv_job_t *retrying, *scheduled, *later, *suspended;
  int drained;
} scene_t;

static scene_t s;

static int teardown(void **state) {
  (void) state;
  fixture_close(&s.f);
  return 0;
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  ++*(int *) data;
}

static int is_set(void *data) {
  return *(int *) data != 0;
}

/* A job of each kind, of an operation of that policy. */
static void scene_open(jobsrv_on_drain_t policy) {
  jobsrv_operation_t op;
  jobsrv_spec_t spec;

  memset(&s, 0, sizeof(s));
  fixture_open(&s.f);
  jobsrv_operation_init(&op);
  op.name = "op";
  op.start = fixture_start;
  op.on_drain = policy;
  op.retry.max_attempts = 2;
  op.retry.backoff_ms = 5000;
  op.retry.jitter = JOBSRV_JITTER_NONE;
  assert_ok(jobsrv_operation_add(s.f.srv, &op));
  s.retrying = fixture_submit(&s.f, "op");
  s.suspended = fixture_submit(&s.f, "op");
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.delay_ms = 5000;
  assert_ok(jobsrv_submit(s.f.srv, &spec, NULL, &s.scheduled));
  spec.delay_ms = 0;
  spec.after = &s.scheduled;
  spec.nafter = 1;
  spec.after_any_end = 1;
  assert_ok(jobsrv_submit(s.f.srv, &spec, NULL, &s.later));
  run_turns(&s.f.loop, 2);
  assert_ok(jobsrv_job_fail(s.retrying, "busy", NULL));
  assert_ok(jobsrv_job_suspend(s.suspended, "1", 0));
  run_turns(&s.f.loop, 2);
  assert_int_equal(jobsrv_job_state(s.retrying), JOBSRV_STATE_RETRYING);
  assert_int_equal(jobsrv_job_state(s.suspended), JOBSRV_STATE_SUSPENDED);
  assert_int_equal(jobsrv_job_state(s.scheduled), JOBSRV_STATE_SCHEDULED);
  assert_int_equal(jobsrv_job_state(s.later), JOBSRV_STATE_SCHEDULED);
}

static void drain(void) {
  assert_ok(jobsrv_drain(s.f.srv, 60000, on_drained, &s.drained));
  run_turns(&s.f.loop, 3);
}

static void assert_shut(const jobsrv_job_t *job) {
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_SHUTDOWN);
}

static void all_but_the_retrying_one_are_cancelled_at_once(void) {
  assert_shut(s.suspended);
  assert_shut(s.scheduled);
  assert_shut(s.later);
}

static void a_retrying_job_that_may_finish_has_its_attempt(void **state) {
  (void) state;
  scene_open(JOBSRV_DRAIN_FINISH);
  drain();
  all_but_the_retrying_one_are_cancelled_at_once();
  assert_int_equal(jobsrv_job_state(s.retrying), JOBSRV_STATE_RETRYING);
  assert_int_equal(s.drained, 0);
  fixture_ms(&s.f, 5000);
  assert_int_equal(jobsrv_job_state(s.retrying), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_complete(s.retrying, "2", 0));
  assert_true(run_until(&s.f.loop, is_set, &s.drained, 2000));
  assert_int_equal(jobsrv_job_state(s.retrying), JOBSRV_STATE_COMPLETED);
}

static void a_job_that_is_cancelled_is_so_whatever_it_waits_for(void **state) {
  (void) state;
  scene_open(JOBSRV_DRAIN_CANCEL);
  drain();
  all_but_the_retrying_one_are_cancelled_at_once();
  assert_shut(s.retrying);
  assert_true(run_until(&s.f.loop, is_set, &s.drained, 2000));
}

static void a_job_that_is_left_alone_is_left_only_while_it_runs(void **state) {
  (void) state;
  scene_open(JOBSRV_DRAIN_LEAVE);
  drain();
  all_but_the_retrying_one_are_cancelled_at_once();
  assert_shut(s.retrying);
  assert_true(run_until(&s.f.loop, is_set, &s.drained, 2000));
}

static void at_the_deadline_a_retrying_one_is_cancelled_too(void **state) {
  (void) state;
  scene_open(JOBSRV_DRAIN_FINISH);
  assert_ok(jobsrv_drain(s.f.srv, 1000, on_drained, &s.drained));
  fixture_ms(&s.f, 999);
  assert_int_equal(jobsrv_job_state(s.retrying), JOBSRV_STATE_RETRYING);
  fixture_ms(&s.f, 1);
  assert_shut(s.retrying);
  assert_true(run_until(&s.f.loop, is_set, &s.drained, 2000));
}

static void a_second_call_does_not_wait_for_the_next_attempt(void **state) {
  (void) state;
  scene_open(JOBSRV_DRAIN_FINISH);
  drain();
  assert_int_equal(jobsrv_job_state(s.retrying), JOBSRV_STATE_RETRYING);
  assert_ok(jobsrv_drain(s.f.srv, 60000, NULL, NULL));
  assert_shut(s.retrying);
  assert_true(run_until(&s.f.loop, is_set, &s.drained, 2000));
}

/* What asks while the server drains would wait for ever. */
static void one_that_asks_while_draining_is_cancelled(void **state) {
  jobsrv_job_t *job;
  int err;

  (void) state;
  scene_open(JOBSRV_DRAIN_FINISH);
  job = fixture_submit(&s.f, "op");
  run_turns(&s.f.loop, 2);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  drain();
  err = jobsrv_job_suspend(job, "1", 0);
  assert_true(err == 0 || err == JOBSRV_CANCELLED);
  run_turns(&s.f.loop, 3);
  assert_shut(job);
}

/* An answer that comes too late is told so. */
static void one_that_was_cancelled_takes_no_answer(void **state) {
  (void) state;
  scene_open(JOBSRV_DRAIN_FINISH);
  drain();
  assert_err(jobsrv_job_answer(s.suspended, "1", 0), JOBSRV_ESTATE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, NULL, teardown)
static const struct CMUnitTest tests[] = {
  CASE(a_retrying_job_that_may_finish_has_its_attempt),
  CASE(a_job_that_is_cancelled_is_so_whatever_it_waits_for),
  CASE(a_job_that_is_left_alone_is_left_only_while_it_runs),
  CASE(at_the_deadline_a_retrying_one_is_cancelled_too),
  CASE(a_second_call_does_not_wait_for_the_next_attempt),
  CASE(one_that_asks_while_draining_is_cancelled),
  CASE(one_that_was_cancelled_takes_no_answer),
};

RUN(tests);
