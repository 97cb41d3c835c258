/* SPDX-License-Identifier: MIT */

/* Row 7: changing a job that has not been started. */

#include "fixture.h"

#include "jobsrv/list.h"

#include <stdio.h>

static const uint64_t MS = 1000000;

static int check(const char *payload,
                 size_t len,
                 jobsrv_mistake_t *mistake,
                 void *data) {
  (void) data;
  if (memmem(payload, len, "wrong", 5) == NULL)
    return 0;
  snprintf(mistake->pointer, sizeof(mistake->pointer), "/wrong");
  return JOBSRV_EPAYLOAD;
}

/* One runs, so that what comes is queued until that is let go. */
static jobsrv_job_t *open_busy(fixture *f) {
  jobsrv_operation_t op;
  jobsrv_job_t *job;

  fixture_open(f);
  jobsrv_operation_init(&op);
  op.name = "op";
  op.start = fixture_start;
  op.check = check;
  op.max_running = 1;
  assert_ok(jobsrv_operation_add(f->srv, &op));
  job = fixture_submit(f, "op");
  run_turns(&f->loop, 1);
  return job;
}

static int edit_payload(jobsrv_job_t *job,
                        const char *payload,
                        jobsrv_mistake_t *mistake) {
  jobsrv_edit_t edit;

  jobsrv_edit_init(&edit);
  edit.payload = payload;
  return jobsrv_job_edit(job, &edit, mistake);
}

static int edit_time(jobsrv_job_t *job, uint64_t wall_ns) {
  jobsrv_edit_t edit;

  jobsrv_edit_init(&edit);
  edit.run_at_wall_ns = wall_ns;
  return jobsrv_job_edit(job, &edit, NULL);
}

static int edit_priority(jobsrv_job_t *job, int priority) {
  jobsrv_edit_t edit;

  jobsrv_edit_init(&edit);
  edit.priority = priority;
  return jobsrv_job_edit(job, &edit, NULL);
}

static void is(const jobsrv_job_t *job, jobsrv_state_t state) {
  assert_string_equal(jobsrv_state_name(jobsrv_job_state(job)),
                      jobsrv_state_name(state));
}

static void nothing_said_is_nothing_changed(void **state) {
  fixture f = { 0 };
  jobsrv_job_info_t before, after;
  jobsrv_edit_t edit;
  jobsrv_job_t *job;

  (void) state;
  open_busy(&f);
  job = fixture_submit(&f, "op");
  before = fixture_info(job);
  jobsrv_edit_init(&edit);
  assert_ok(jobsrv_job_edit(job, &edit, NULL));
  after = fixture_info(job);
  assert_memory_equal(&before, &after, sizeof(before));
  fixture_close(&f);
}

static void a_payload_is_checked_as_at_submit(void **state) {
  fixture f = { 0 };
  jobsrv_mistake_t mistake;
  jobsrv_job_t *first, *job;
  char text[] = "{\"a\":1}";
  size_t len;

  (void) state;
  f.options.max_payload = 20;
  first = open_busy(&f);
  job = fixture_submit(&f, "op");
  assert_ok(edit_payload(job, text, NULL));
  text[2] = 'x';
  assert_string_equal(jobsrv_job_payload(job, &len), "{\"a\":1}");
  assert_int_equal(len, 7);
  assert_err(edit_payload(job, "[]", &mistake), JOBSRV_EPAYLOAD);
  assert_err(edit_payload(job, "{\"a\":", &mistake), JOBSRV_EPAYLOAD);
  assert_contains(mistake.detail, "line 1");
  assert_err(edit_payload(job, "{\"wrong\":1}", &mistake), JOBSRV_EPAYLOAD);
  assert_string_equal(mistake.pointer, "/wrong");
  assert_err(edit_payload(job, "{\"a\":\"0123456789abc\"}", NULL),
             JOBSRV_ETOOBIG);
  assert_string_equal(jobsrv_job_payload(job, NULL), "{\"a\":1}");
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  run_turns(&f.loop, 1);
  assert_string_equal(jobsrv_job_payload(job, NULL), "{\"a\":1}");
  fixture_close(&f);
}

static void a_priority_puts_it_behind_those_of_that_priority(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *jobs[4];

  (void) state;
  open_busy(&f);
  for (int i = 0; i < 4; i++)
    jobs[i] = fixture_submit(&f, "op");
  assert_ok(edit_priority(jobs[3], JOBSRV_PRIORITY_HIGH));
  assert_ok(edit_priority(jobs[1], JOBSRV_PRIORITY_HIGH));
  assert_int_equal(fixture_info(jobs[3]).priority, JOBSRV_PRIORITY_HIGH);
  assert_int_equal(fixture_info(jobs[3]).queue_position, 1);
  assert_int_equal(fixture_info(jobs[1]).queue_position, 2);
  assert_int_equal(fixture_info(jobs[0]).queue_position, 3);
  assert_ok(edit_priority(jobs[3], JOBSRV_PRIORITY_NORMAL));
  assert_int_equal(fixture_info(jobs[3]).queue_position, 4);
  assert_ok(edit_priority(jobs[0], JOBSRV_PRIORITY_NORMAL)); /* as it is */
  assert_int_equal(fixture_info(jobs[0]).queue_position, 2);
  assert_err(edit_priority(jobs[0], 5), UV_EINVAL);
  assert_err(edit_priority(jobs[0], -1), UV_EINVAL);
  fixture_close(&f);
}

static void a_time_moves_it_back_to_scheduled(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *job;
  uint64_t now;

  (void) state;
  first = open_busy(&f);
  job = fixture_submit(&f, "op");
  now = jobsrv_wall_now(f.srv);
  assert_ok(edit_time(job, now + 100 * MS));
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_int_equal(fixture_info(job).run_at_wall_ns, now + 100 * MS);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  fixture_ms(&f, 99);
  is(job, JOBSRV_STATE_SCHEDULED);
  /* later still, then sooner */
  assert_ok(edit_time(job, now + 300 * MS));
  fixture_ms(&f, 101);
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(edit_time(job, now + 201 * MS));
  fixture_ms(&f, 1);
  is(job, JOBSRV_STATE_RUNNING);
  fixture_close(&f);
}

static void a_past_time_has_it_runnable_now(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  open_busy(&f);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.delay_ms = 1000;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(edit_time(job, 1));
  is(job, JOBSRV_STATE_QUEUED);
  assert_ok(edit_time(job, 1)); /* it is */
  is(job, JOBSRV_STATE_QUEUED);
  /* but not what something else holds */
  spec.start = JOBSRV_START_ON_STREAM;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  assert_ok(edit_time(job, 1));
  is(job, JOBSRV_STATE_SCHEDULED);
  jobsrv_job_watch(job);
  is(job, JOBSRV_STATE_QUEUED);
  jobsrv_job_unwatch(job);
  fixture_close(&f);
}

static void clocks_count_from_where_they_did(void **state) {
  fixture f = { 0 };
  jobsrv_edit_t edit;
  jobsrv_job_t *job;

  (void) state;
  open_busy(&f);
  job = fixture_submit(&f, "op");
  fixture_ms(&f, 50);
  jobsrv_edit_init(&edit);
  edit.deadline_ms = 80;
  assert_ok(jobsrv_job_edit(job, &edit, NULL));
  fixture_ms(&f, 29);
  is(job, JOBSRV_STATE_QUEUED);
  fixture_ms(&f, 1);
  is(job, JOBSRV_STATE_FAILED);
  assert_string_equal(fixture_info(job).error_code, "deadline");

  job = fixture_submit(&f, "op");
  fixture_ms(&f, 50);
  jobsrv_edit_init(&edit);
  edit.queue_ms = 60;
  assert_ok(jobsrv_job_edit(job, &edit, NULL));
  fixture_ms(&f, 9);
  is(job, JOBSRV_STATE_QUEUED);
  edit.queue_ms = 70; /* put off once more */
  assert_ok(jobsrv_job_edit(job, &edit, NULL));
  fixture_ms(&f, 10);
  is(job, JOBSRV_STATE_QUEUED);
  fixture_ms(&f, 1);
  assert_string_equal(fixture_info(job).error_code, "queue_timeout");

  job = fixture_submit(&f, "op");
  fixture_ms(&f, 50);
  edit.queue_ms = 40; /* over already */
  assert_ok(jobsrv_job_edit(job, &edit, NULL));
  fixture_ms(&f, 0);
  is(job, JOBSRV_STATE_FAILED);
  fixture_close(&f);
}

static void the_clocks_of_an_attempt_are_of_its_next(void **state) {
  fixture f = { 0 };
  jobsrv_edit_t edit;
  jobsrv_job_t *first, *timed, *silent;

  (void) state;
  first = open_busy(&f);
  timed = fixture_submit(&f, "op");
  silent = fixture_submit(&f, "op");
  jobsrv_edit_init(&edit);
  edit.timeout_ms = 30;
  edit.retain_ms = 77;
  assert_ok(jobsrv_job_edit(timed, &edit, NULL));
  jobsrv_edit_init(&edit);
  edit.silence_ms = 40;
  assert_ok(jobsrv_job_edit(silent, &edit, NULL));
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  run_turns(&f.loop, 1);
  is(timed, JOBSRV_STATE_RUNNING);
  fixture_ms(&f, 29);
  assert_false(jobsrv_job_cancelled(timed));
  fixture_ms(&f, 1);
  assert_true(jobsrv_job_cancelled(timed));
  assert_ok(jobsrv_job_fail(timed, NULL, NULL));
  assert_string_equal(fixture_info(timed).error_code, "attempt_timeout");
  assert_int_equal(fixture_info(timed).expires_wall_ns -
                       fixture_info(timed).finished_wall_ns,
                   77 * MS);
  run_turns(&f.loop, 2);
  is(silent, JOBSRV_STATE_RUNNING);
  fixture_ms(&f, 40);
  assert_true(jobsrv_job_cancelled(silent));
  fixture_close(&f);
}

static void attempts_and_weight_are_changed(void **state) {
  fixture f = { .options = { .max_running = 4 } };
  jobsrv_edit_t edit;
  jobsrv_job_t *heavy, *job;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  fixture_submit(&f, "op");
  run_turns(&f.loop, 1);
  heavy = fixture_submit(&f, "op");
  jobsrv_edit_init(&edit);
  edit.weight = 4;
  edit.retry.max_attempts = 2;
  edit.retry.backoff_ms = 10;
  edit.retry.jitter = JOBSRV_JITTER_NONE;
  assert_ok(jobsrv_job_edit(heavy, &edit, NULL));
  assert_int_equal(fixture_info(heavy).weight, 4);
  assert_int_equal(fixture_info(heavy).max_attempts, 2);
  run_turns(&f.loop, 2);
  is(heavy, JOBSRV_STATE_QUEUED);
  edit.weight = 3; /* there is room now */
  assert_ok(jobsrv_job_edit(heavy, &edit, NULL));
  run_turns(&f.loop, 2);
  is(heavy, JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_fail(heavy, NULL, NULL));
  is(heavy, JOBSRV_STATE_RETRYING);
  fixture_ms(&f, 9);
  is(heavy, JOBSRV_STATE_RETRYING);
  fixture_ms(&f, 1);
  is(heavy, JOBSRV_STATE_RUNNING);
  job = fixture_submit(&f, "op");
  edit.retry.factor = 101;
  assert_err(jobsrv_job_edit(job, &edit, NULL), UV_EINVAL);
  assert_int_equal(fixture_info(job).weight, 1);
  fixture_close(&f);
}

static void the_time_of_a_retrying_job_is_its_next_attempts(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.retry.max_attempts = 3;
  spec.retry.backoff_ms = 1000;
  spec.retry.jitter = JOBSRV_JITTER_NONE;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  is(job, JOBSRV_STATE_RETRYING);
  assert_ok(edit_payload(job, "{\"again\":1}", NULL));
  assert_ok(edit_time(job, jobsrv_wall_now(f.srv) + 100 * MS));
  is(job, JOBSRV_STATE_RETRYING);
  fixture_ms(&f, 99);
  is(job, JOBSRV_STATE_RETRYING);
  fixture_ms(&f, 1);
  is(job, JOBSRV_STATE_RUNNING);
  assert_string_equal(jobsrv_job_payload(job, NULL), "{\"again\":1}");
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_ok(edit_time(job, 1));
  run_turns(&f.loop, 1);
  is(job, JOBSRV_STATE_RUNNING);
  fixture_close(&f);
}

static void what_has_been_started_or_asked_to_stop_is_refused(void **state) {
  fixture f = { 0 };
  jobsrv_edit_t edit;
  jobsrv_job_t *first, *ended, *begun;

  (void) state;
  first = open_busy(&f);
  jobsrv_edit_init(&edit);
  edit.timeout_ms = 5;
  assert_err(jobsrv_job_edit(first, &edit, NULL), JOBSRV_ESTATE);
  begun = fixture_begin(&f);
  assert_err(jobsrv_job_edit(begun, &edit, NULL), JOBSRV_ESTATE);
  ended = fixture_submit(&f, "op");
  assert_ok(jobsrv_job_cancel(ended, NULL));
  assert_err(jobsrv_job_edit(ended, &edit, NULL), JOBSRV_ESTATE);
  edit.size = 1;
  assert_err(jobsrv_job_edit(fixture_submit(&f, "op"), &edit, NULL),
             JOBSRV_EOPTIONS);
  fixture_close(&f);
}

static void edit_at_creation(jobsrv_hook_t *hook,
                             jobsrv_job_t *job,
                             jobsrv_state_t from,
                             jobsrv_state_t to) {
  fixture *f = hook->data;

  if (from != to)
    return;
  assert_err(edit_time(job, jobsrv_wall_now(f->srv) + MS), JOBSRV_ESTATE);
  assert_err(edit_payload(job, "{\"a\":1}", NULL), JOBSRV_ESTATE);
}

static void a_begun_job_is_not_edited_even_inside_its_first_hook(void **state) {
  fixture f = { 0 };
  jobsrv_hook_t hook = { .data = &f };

  (void) state;
  fixture_open(&f);
  jobsrv_hook_add(f.srv, &hook, edit_at_creation);
  is(fixture_begin(&f), JOBSRV_STATE_RUNNING);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static void a_server_that_drains_takes_no_later_time(void **state) {
  fixture f = { 0 };
  jobsrv_operation_t op;
  jobsrv_job_t *job;

  (void) state;
  open_busy(&f);
  jobsrv_operation_init(&op);
  op.name = "kept";
  op.start = fixture_start;
  op.max_running = 1;
  op.on_drain = JOBSRV_DRAIN_FINISH;
  assert_ok(jobsrv_operation_add(f.srv, &op));
  fixture_submit(&f, "kept");
  job = fixture_submit(&f, "kept");
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  is(job, JOBSRV_STATE_QUEUED);
  assert_err(edit_time(job, jobsrv_wall_now(f.srv) + MS), JOBSRV_ESTATE);
  is(job, JOBSRV_STATE_QUEUED);
  assert_ok(edit_time(job, 1));
  assert_ok(edit_priority(job, JOBSRV_PRIORITY_HIGH));
  fixture_close(&f);
}

static void everything(jobsrv_edit_t *edit, fixture *f) {
  jobsrv_edit_init(edit);
  edit->priority = JOBSRV_PRIORITY_CRITICAL;
  edit->weight = 3;
  edit->run_at_wall_ns = jobsrv_wall_now(f->srv) + 500 * MS;
  edit->timeout_ms = 1;
  edit->retry.max_attempts = 9;
  edit->payload = "{\"new\":true}";
}

static void all_of_it_or_nothing(void **state) {
  fixture f = { 0 };
  jobsrv_faults_t faults;
  jobsrv_job_info_t before, after;
  jobsrv_edit_t edit;
  jobsrv_job_t *job;
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  open_busy(&f);
  job = fixture_submit(&f, "op");
  before = fixture_info(job);
  everything(&edit, &f);
  edit.payload = "{\"wrong\":true}";
  assert_err(jobsrv_job_edit(job, &edit, NULL), JOBSRV_EPAYLOAD);
  after = fixture_info(job);
  assert_memory_equal(&before, &after, sizeof(before));
  everything(&edit, &f);
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    err = jobsrv_job_edit(job, &edit, NULL);
    jobsrv_faults_fail(&faults, 0, 0);
    if (err != 0) {
      assert_int_equal(err, UV_ENOMEM);
      after = fixture_info(job);
      assert_memory_equal(&before, &after, sizeof(before));
      assert_string_equal(jobsrv_job_payload(job, NULL), "{}");
    }
    assert_true(n < 20);
  }
  after = fixture_info(job);
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_int_equal(after.priority, JOBSRV_PRIORITY_CRITICAL);
  assert_int_equal(after.weight, 3);
  assert_int_equal(after.max_attempts, 9);
  assert_string_equal(jobsrv_job_payload(job, NULL), "{\"new\":true}");
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void cancel_it(jobsrv_hook_t *hook,
                      jobsrv_job_t *job,
                      jobsrv_state_t from,
                      jobsrv_state_t to) {
  fixture *f = hook->data;

  if (from == to || to != JOBSRV_STATE_SCHEDULED)
    return;
  assert_ok(jobsrv_job_cancel(job, NULL));
  if (f != NULL)
    jobsrv_close(f->srv, fixture_on_closed, f);
}

static void a_hook_may_end_it_meanwhile_and_all(void **state) {
  jobsrv_edit_t edit;
  jobsrv_job_t *job;

  (void) state;
  for (int closes = 0; closes < 2; closes++) {
    fixture f = { .options = { .max_retained = 1 } };
    jobsrv_hook_t hook = { .data = closes ? &f : NULL };

    open_busy(&f);
    job = jobsrv_job_ref(fixture_submit(&f, "op"));
    jobsrv_hook_add(f.srv, &hook, cancel_it);
    everything(&edit, &f);
    assert_ok(jobsrv_job_edit(job, &edit, NULL));
    is(job, JOBSRV_STATE_CANCELLED);
    jobsrv_hook_remove(&hook);
    jobsrv_job_unref(job);
    if (closes)
      assert_true(run_until(&f.loop, fixture_is_closed, &f, 5000));
    fixture_close(&f);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(nothing_said_is_nothing_changed),
  cmocka_unit_test(a_payload_is_checked_as_at_submit),
  cmocka_unit_test(a_priority_puts_it_behind_those_of_that_priority),
  cmocka_unit_test(a_time_moves_it_back_to_scheduled),
  cmocka_unit_test(a_past_time_has_it_runnable_now),
  cmocka_unit_test(clocks_count_from_where_they_did),
  cmocka_unit_test(the_clocks_of_an_attempt_are_of_its_next),
  cmocka_unit_test(attempts_and_weight_are_changed),
  cmocka_unit_test(the_time_of_a_retrying_job_is_its_next_attempts),
  cmocka_unit_test(what_has_been_started_or_asked_to_stop_is_refused),
  cmocka_unit_test(a_begun_job_is_not_edited_even_inside_its_first_hook),
  cmocka_unit_test(a_server_that_drains_takes_no_later_time),
  cmocka_unit_test(all_of_it_or_nothing),
  cmocka_unit_test(a_hook_may_end_it_meanwhile_and_all),
};

RUN(tests);
