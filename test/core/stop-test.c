/* SPDX-License-Identifier: MIT */

#include "fixture.h"

static void a_queued_job_ends_at_once_when_it_is_cancelled(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "changed my mind", "me" };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  job = fixture_submit(&f, "op");
  assert_ok(jobsrv_job_cancel(job, &why));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  assert_string_equal(fixture_info(job).cancel_reason->text,
                      "changed my mind");
  assert_int_equal(fixture_info(job).attempt, 0);
  assert_err(jobsrv_job_cancel(job, NULL), JOBSRV_EENDED);
  fixture_close(&f);
}

static void a_running_job_ends_when_it_has_let_go(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_false(jobsrv_job_cancelled(job));
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(jobsrv_job_cancelled(job));
  assert_err(jobsrv_job_cancel(job, NULL), JOBSRV_ESETTLED);
  fixture_ms(&f, 4999);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  assert_null(fixture_info(job).error_code);
  assert_false(fixture_info(job).abandoned);
  fixture_close(&f);
}

static void success_after_a_request_to_cancel_has_won(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_COMPLETED);
  assert_non_null(fixture_info(job).cancel_reason);
  fixture_close(&f);
}

static void one_that_will_not_let_go_is_abandoned_and_frees_its_slot(
    void **state) {
  fixture f = { 0 };
  jobsrv_job_t *stuck, *next;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 1);
  stuck = fixture_submit(&f, "op");
  next = fixture_submit(&f, "op");
  jobsrv_run_turns(&f.loop, 1);
  assert_ok(jobsrv_job_cancel(stuck, NULL));
  fixture_ms(&f, 4999);
  assert_int_equal(jobsrv_job_state(next), JOBSRV_STATE_QUEUED);
  fixture_ms(&f, 2);
  assert_int_equal(jobsrv_job_state(stuck), JOBSRV_STATE_CANCELLED);
  assert_true(fixture_info(stuck).abandoned);
  assert_int_equal(jobsrv_job_state(next), JOBSRV_STATE_RUNNING);
  assert_err(jobsrv_job_complete(stuck, NULL, 0), JOBSRV_ESETTLED);
  assert_int_equal(jobsrv_job_state(stuck), JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_stats(&f).abandoned, 1);
  fixture_close(&f);
}

typedef struct {
  int calls;
  jobsrv_reason_code_t code;
} told;

static void on_stop(jobsrv_job_t *job,
                    const jobsrv_reason_t *reason,
                    void *data) {
  told *t = data;

  t->calls++;
  t->code = reason->code;
  assert_ptr_equal(jobsrv_context_job(), job);
  assert_ok(jobsrv_job_fail(job, "cancelled", NULL));
}

static void add_stoppable(fixture *f, told *t, uint64_t timeout_ms) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = "stoppable";
  op.start = fixture_start;
  op.stop = on_stop;
  op.data = t;
  op.timeout_ms = timeout_ms;
  assert_ok(jobsrv_operation_add(f->srv, &op));
}

static void the_operation_is_told_once_and_may_end_it_there(void **state) {
  fixture f = { 0 };
  told t = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  add_stoppable(&f, &t, 0);
  job = fixture_submit(&f, "stoppable");
  jobsrv_run_turns(&f.loop, 1);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_int_equal(t.calls, 1);
  assert_int_equal(t.code, JOBSRV_REASON_REQUESTED);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  fixture_close(&f);
}

static void an_attempt_past_its_timeout_fails(void **state) {
  fixture f = { 0 };
  told t = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  add_stoppable(&f, &t, 100);
  job = fixture_submit(&f, "stoppable");
  jobsrv_run_turns(&f.loop, 1);
  fixture_ms(&f, 99);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  fixture_ms(&f, 2);
  assert_int_equal(t.code, JOBSRV_REASON_ATTEMPT_TIMEOUT);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  assert_string_equal(fixture_info(job).error_code, "attempt_timeout");
  fixture_close(&f);
}

static void a_deadline_runs_from_creation_also_in_the_queue(void **state) {
  fixture f = { .options = { .max_running = 1 } };
  jobsrv_job_t *waiting;
  jobsrv_spec_t spec;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  fixture_submit(&f, "op");
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.deadline_ms = 50;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &waiting));
  fixture_ms(&f, 49);
  assert_int_equal(jobsrv_job_state(waiting), JOBSRV_STATE_QUEUED);
  fixture_ms(&f, 2);
  assert_int_equal(jobsrv_job_state(waiting), JOBSRV_STATE_FAILED);
  assert_string_equal(fixture_info(waiting).error_code, "deadline");
  fixture_close(&f);
}

static void a_timeout_that_is_not_heeded_abandons_as_failed(void **state) {
  fixture f = { .options = { .timeout_ms = 10, .grace_ms = 20 } };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  fixture_ms(&f, 11);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_err(jobsrv_job_cancel(job, NULL), JOBSRV_ESETTLED);
  fixture_ms(&f, 20);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  assert_string_equal(fixture_info(job).error_code, "attempt_timeout");
  assert_true(fixture_info(job).abandoned);
  fixture_close(&f);
}

static void one_that_is_not_cancellable_says_so_and_can_change(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  jobsrv_job_cancellable(job, 0);
  assert_err(jobsrv_job_cancel(job, NULL), JOBSRV_ENOTCANCELLABLE);
  assert_false(jobsrv_job_cancelled(job));
  jobsrv_job_cancellable(job, 1);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fixture_close(&f);
}

static void cancelling_a_parent_token_stops_its_jobs(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *group;
  jobsrv_spec_t spec;
  jobsrv_job_t *queued, *running;
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "all of them", NULL };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 1);
  assert_ok(jobsrv_token_new(&group, f.srv, NULL));
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.parent = group;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &running));
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &queued));
  jobsrv_run_turns(&f.loop, 1);
  assert_ok(jobsrv_token_cancel(group, &why));
  jobsrv_token_unref(group);
  assert_int_equal(jobsrv_job_state(queued), JOBSRV_STATE_CANCELLED);
  assert_true(jobsrv_job_cancelled(running));
  assert_ok(jobsrv_job_fail(running, NULL, NULL));
  assert_string_equal(fixture_info(running).cancel_reason->text,
                      "all of them");
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_queued_job_ends_at_once_when_it_is_cancelled),
  cmocka_unit_test(a_running_job_ends_when_it_has_let_go),
  cmocka_unit_test(success_after_a_request_to_cancel_has_won),
  cmocka_unit_test(one_that_will_not_let_go_is_abandoned_and_frees_its_slot),
  cmocka_unit_test(the_operation_is_told_once_and_may_end_it_there),
  cmocka_unit_test(an_attempt_past_its_timeout_fails),
  cmocka_unit_test(a_deadline_runs_from_creation_also_in_the_queue),
  cmocka_unit_test(a_timeout_that_is_not_heeded_abandons_as_failed),
  cmocka_unit_test(one_that_is_not_cancellable_says_so_and_can_change),
  cmocka_unit_test(cancelling_a_parent_token_stops_its_jobs),
};

RUN(tests);
