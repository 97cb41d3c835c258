/* SPDX-License-Identifier: MIT */

/* Rows 22 to 25: asking to stop, and the end of who does not. */

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
  run_turns(&f.loop, 1);
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
  run_turns(&f.loop, 1);
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
  run_turns(&f.loop, 1);
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
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_token_cancel(group, &why));
  jobsrv_token_unref(group);
  assert_int_equal(jobsrv_job_state(queued), JOBSRV_STATE_CANCELLED);
  assert_true(jobsrv_job_cancelled(running));
  assert_ok(jobsrv_job_fail(running, NULL, NULL));
  assert_string_equal(fixture_info(running).cancel_reason->text,
                      "all of them");
  fixture_close(&f);
}

static void cancel_at(jobsrv_hook_t *hook,
                      jobsrv_job_t *job,
                      jobsrv_state_t from,
                      jobsrv_state_t to) {
  const jobsrv_state_t *when = hook->data;

  (void) from;
  if (to == *when)
    (void) jobsrv_job_cancel(job, NULL);
}

static void a_hook_may_cancel_a_begun_job_at_its_creation(void **state) {
  fixture f = { 0 };
  jobsrv_state_t when = JOBSRV_STATE_QUEUED;
  jobsrv_hook_t hook = { .data = &when };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  jobsrv_hook_add(f.srv, &hook, cancel_at);
  job = fixture_begin(&f);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_stats(&f).queued, 0);
  assert_int_equal(fixture_stats(&f).live, 0);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static int count_start(jobsrv_job_t *job, void *data) {
  (void) job;
  ((told *) data)->calls += 100;
  return 0;
}

static void what_is_cancelled_before_its_start_is_never_started(
    void **state) {
  fixture f = { 0 };
  told t = { 0 };
  jobsrv_state_t when = JOBSRV_STATE_RUNNING;
  jobsrv_hook_t hook = { .data = &when };
  jobsrv_operation_t op;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  jobsrv_operation_init(&op);
  op.name = "counted";
  op.start = count_start;
  op.stop = on_stop;
  op.data = &t;
  assert_ok(jobsrv_operation_add(f.srv, &op));
  jobsrv_hook_add(f.srv, &hook, cancel_at);
  job = fixture_submit(&f, "counted");
  run_turns(&f.loop, 1);
  assert_int_equal(t.calls, 0);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static void nothing(jobsrv_t *srv, void *data) {
  (void) srv;
  (void) data;
}

/* The request is behind the finish on its way to the loop. */
static void a_finish_that_overtakes_a_cancel_still_stops_what_is_below(
    void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *parent, *child;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  jobsrv_spec_init(&spec);
  spec.parent = jobsrv_job_token(parent);
  assert_ok(jobsrv_begin(f.srv, &spec, &child));
  assert_ok(jobsrv_post(f.srv, nothing, NULL));
  assert_ok(jobsrv_job_complete(parent, NULL, 0));
  assert_ok(jobsrv_job_cancel(parent, NULL));
  run_turns(&f.loop, 3);
  assert_int_equal(jobsrv_job_state(parent), JOBSRV_STATE_COMPLETED);
  assert_true(jobsrv_job_cancelled(child));
  fixture_ms(&f, 5001);
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_CANCELLED);
  fixture_close(&f);
}

static void a_late_finish_of_an_abandoned_job_is_counted_once(void **state) {
  fixture f = { .options = { .grace_ms = 20 } };
  jobsrv_job_t *job, *other;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  other = fixture_begin(&f);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fixture_ms(&f, 21);
  assert_int_equal(fixture_stats(&f).late_finishes, 0);
  assert_err(jobsrv_job_complete(job, NULL, 0), JOBSRV_ESETTLED);
  assert_err(jobsrv_job_fail(job, NULL, NULL), JOBSRV_ESETTLED);
  assert_int_equal(fixture_stats(&f).late_finishes, 1);
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  assert_err(jobsrv_job_complete(other, NULL, 0), JOBSRV_ESETTLED);
  assert_int_equal(fixture_stats(&f).late_finishes, 1);
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
  cmocka_unit_test(a_hook_may_cancel_a_begun_job_at_its_creation),
  cmocka_unit_test(what_is_cancelled_before_its_start_is_never_started),
  cmocka_unit_test(a_finish_that_overtakes_a_cancel_still_stops_what_is_below),
  cmocka_unit_test(a_late_finish_of_an_abandoned_job_is_counted_once),
};

RUN(tests);
