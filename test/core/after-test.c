/* SPDX-License-Identifier: MIT */

/* Row 11: jobs that wait for others. */

#include "fixture.h"

#include <stdio.h>

static void open_it(fixture *f) {
  fixture_open(f);
  fixture_add(f, "op", 0);
}

static int try_after(fixture *f,
                     jobsrv_job_t *const *after,
                     size_t n,
                     int any_end,
                     jobsrv_job_t **out) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.after = after;
  spec.nafter = n;
  spec.after_any_end = any_end;
  return jobsrv_submit(f->srv, &spec, NULL, out);
}

static jobsrv_job_t *after_all(fixture *f,
                               jobsrv_job_t *const *after,
                               size_t n) {
  jobsrv_job_t *job = NULL;

  assert_ok(try_after(f, after, n, 0, &job));
  return job;
}

static jobsrv_job_t *after_one(fixture *f, jobsrv_job_t *other) {
  return after_all(f, &other, 1);
}

static jobsrv_job_t *after_any(fixture *f, jobsrv_job_t *other) {
  jobsrv_job_t *job = NULL;

  assert_ok(try_after(f, &other, 1, 1, &job));
  return job;
}

static void is(const jobsrv_job_t *job, jobsrv_state_t state) {
  if (jobsrv_job_state(job) != state)
    fail_msg("%s where %s was due",
             jobsrv_state_name(jobsrv_job_state(job)),
             jobsrv_state_name(state));
}

static void it_runs_when_all_have_completed(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *two[2], *job;

  (void) state;
  open_it(&f);
  two[0] = fixture_begin(&f);
  two[1] = fixture_begin(&f);
  job = after_all(&f, two, 2);
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_complete(two[1], NULL, 0));
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_complete(two[0], NULL, 0));
  is(job, JOBSRV_STATE_QUEUED);
  fixture_ms(&f, 0);
  is(job, JOBSRV_STATE_RUNNING);
  fixture_close(&f);
}

static void fails_naming(const jobsrv_job_t *job, const jobsrv_job_t *other) {
  jobsrv_job_info_t info = fixture_info(job);
  char id[JOBSRV_ID_SIZE];

  is(job, JOBSRV_STATE_FAILED);
  assert_string_equal(info.error_code, "dependency_failed");
  assert_contains(info.error_message, jobsrv_job_id(other, id));
}

static void it_fails_when_one_of_them_does_not_complete(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *two[2], *job;

  (void) state;
  open_it(&f);
  two[0] = fixture_begin(&f);
  two[1] = fixture_begin(&f);
  job = after_all(&f, two, 2);
  assert_ok(jobsrv_job_fail(two[1], NULL, NULL));
  fails_naming(job, two[1]);
  assert_contains(fixture_info(job).error_message, "failed");
  assert_ok(jobsrv_job_complete(two[0], NULL, 0));
  is(job, JOBSRV_STATE_FAILED);
  two[0] = fixture_begin(&f);
  job = after_one(&f, two[0]);
  assert_ok(jobsrv_job_cancel(two[0], NULL));
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_fail(two[0], NULL, NULL));
  fails_naming(job, two[0]);
  assert_contains(fixture_info(job).error_message, "cancelled");
  fixture_close(&f);
}

static void after_any_end_does_not_care_how(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *other, *job;

  (void) state;
  open_it(&f);
  other = fixture_begin(&f);
  job = after_any(&f, other);
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_fail(other, NULL, NULL));
  is(job, JOBSRV_STATE_QUEUED);
  is(after_any(&f, other), JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

static void what_has_ended_counts_at_once(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *well = NULL, *badly, *two[2], *job;

  (void) state;
  open_it(&f);
  well = fixture_begin(&f);
  badly = fixture_begin(&f);
  assert_ok(jobsrv_job_complete(well, NULL, 0));
  assert_ok(jobsrv_job_fail(badly, NULL, NULL));
  is(after_one(&f, well), JOBSRV_STATE_QUEUED);
  fails_naming(after_one(&f, badly), badly);
  two[0] = fixture_begin(&f);
  two[1] = badly;
  fails_naming(after_all(&f, two, 2), badly);
  two[1] = well;
  job = after_all(&f, two, 2);
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_complete(two[0], NULL, 0));
  is(job, JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

static void one_may_wait_for_another_later_on(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *other, *more, *job;

  (void) state;
  open_it(&f);
  other = fixture_begin(&f);
  more = fixture_begin(&f);
  job = fixture_submit(&f, "op");
  is(job, JOBSRV_STATE_QUEUED);
  assert_ok(jobsrv_job_after(job, other));
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_after(job, more));
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  is(job, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_after(job, other)); /* has completed: nothing to do */
  assert_ok(jobsrv_job_complete(more, NULL, 0));
  is(job, JOBSRV_STATE_QUEUED);
  assert_ok(jobsrv_job_after(job, other));
  is(job, JOBSRV_STATE_QUEUED);
  more = fixture_begin(&f);
  assert_ok(jobsrv_job_fail(more, NULL, NULL));
  assert_ok(jobsrv_job_after(job, more));
  fails_naming(job, more);
  assert_err(jobsrv_job_after(job, other), JOBSRV_ESTATE);
  job = fixture_submit(&f, "op");
  fixture_ms(&f, 0);
  assert_err(jobsrv_job_after(job, other), JOBSRV_ESTATE);
  fixture_close(&f);
}

static void a_circle_is_refused(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *a, *b, *c, *two[2];

  (void) state;
  open_it(&f);
  first = fixture_begin(&f);
  a = after_one(&f, first);
  assert_err(jobsrv_job_after(a, a), JOBSRV_ECYCLE);
  b = after_one(&f, a);
  two[0] = first;
  two[1] = b;
  c = after_all(&f, two, 2);
  assert_err(jobsrv_job_after(a, b), JOBSRV_ECYCLE);
  assert_err(jobsrv_job_after(a, c), JOBSRV_ECYCLE);
  assert_err(jobsrv_job_after(b, c), JOBSRV_ECYCLE);
  assert_ok(jobsrv_job_after(c, a));
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  is(a, JOBSRV_STATE_QUEUED);
  is(c, JOBSRV_STATE_SCHEDULED);
  fixture_ms(&f, 0);
  assert_ok(jobsrv_job_complete(a, NULL, 0));
  is(b, JOBSRV_STATE_QUEUED);
  is(c, JOBSRV_STATE_SCHEDULED);
  fixture_ms(&f, 0);
  assert_ok(jobsrv_job_complete(b, NULL, 0));
  is(c, JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

/* Two ways to each next one: a search without memory would double each time. */
static void the_search_looks_at_each_job_once(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *two[2], *next[2], *first;

  (void) state;
  open_it(&f);
  first = fixture_begin(&f);
  two[0] = after_one(&f, first);
  two[1] = after_one(&f, first);
  for (int i = 0; i < 60; i++) {
    next[0] = after_all(&f, two, 2);
    next[1] = after_all(&f, two, 2);
    memcpy(two, next, sizeof(two));
  }
  first = after_one(&f, fixture_begin(&f));
  assert_ok(jobsrv_job_after(first, two[0]));
  assert_err(jobsrv_job_after(two[1], first) == 0
                 ? jobsrv_job_after(first, two[1])
                 : JOBSRV_ESTATE,
             JOBSRV_ECYCLE);
  fixture_close(&f);
}

static void sixty_four_are_enough(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *others[65], *job;

  (void) state;
  open_it(&f);
  for (size_t i = 0; i < 65; i++)
    others[i] = fixture_begin(&f);
  assert_err(try_after(&f, others, 65, 0, &job), JOBSRV_ETOOBIG);
  job = after_all(&f, others, 64);
  assert_err(jobsrv_job_after(job, others[64]), JOBSRV_ETOOBIG);
  for (size_t i = 0; i < 64; i++) {
    is(job, JOBSRV_STATE_SCHEDULED);
    assert_ok(jobsrv_job_complete(others[i], NULL, 0));
  }
  is(job, JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

typedef struct {
  jobsrv_hook_t hook;
  jobsrv_job_t *order[2000];
  size_t n;
} recorder;

static void on_queued(jobsrv_hook_t *hook,
                      jobsrv_job_t *job,
                      jobsrv_state_t from,
                      jobsrv_state_t to) {
  recorder *r = hook->data;

  if (from == JOBSRV_STATE_SCHEDULED && to == JOBSRV_STATE_QUEUED)
    r->order[r->n++] = job;
}

static void they_go_on_in_order_of_creation(void **state) {
  static recorder r;
  static jobsrv_job_t *jobs[1200];
  fixture f = { 0 };
  jobsrv_job_t *other;

  (void) state;
  f.options.max_queued = 2000;
  memset(&r, 0, sizeof(r));
  open_it(&f);
  r.hook.data = &r;
  jobsrv_hook_add(f.srv, &r.hook, on_queued);
  other = fixture_begin(&f);
  for (size_t i = 0; i < 1200; i++)
    jobs[i] = i % 3 == 0 ? fixture_submit(&f, "op") : after_one(&f, other);
  for (size_t i = 1200; i-- > 0;)
    if (i % 3 == 0)
      assert_ok(jobsrv_job_after(jobs[i], other));
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  assert_int_equal(r.n, 1200);
  for (size_t i = 0; i < 1200; i++)
    assert_ptr_equal(r.order[i], jobs[i]);
  fixture_close(&f);
}

static void one_that_ends_first_waits_no_more(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *other, *job, *next;

  (void) state;
  f.options.retain_ms = 10;
  open_it(&f);
  other = fixture_begin(&f);
  job = after_one(&f, other);
  next = after_one(&f, job);
  assert_ok(jobsrv_job_cancel(job, NULL));
  is(job, JOBSRV_STATE_CANCELLED);
  fails_naming(next, job);
  fixture_ms(&f, 50); /* both have gone */
  assert_int_equal(fixture_stats(&f).expired, 2);
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  fixture_close(&f);
}

static void a_hook_may_end_those_that_come_next(jobsrv_hook_t *hook,
                                                jobsrv_job_t *job,
                                                jobsrv_state_t from,
                                                jobsrv_state_t to) {
  recorder *r = hook->data;

  (void) job;
  if (from == JOBSRV_STATE_SCHEDULED && to == JOBSRV_STATE_QUEUED)
    for (size_t i = 1; i < r->n; i++)
      (void) jobsrv_job_cancel(r->order[i], NULL);
}

static void a_callback_may_cancel_the_next_to_go_on(void **state) {
  static recorder r;
  fixture f = { 0 };
  jobsrv_job_t *other;

  (void) state;
  memset(&r, 0, sizeof(r));
  open_it(&f);
  other = fixture_begin(&f);
  for (r.n = 0; r.n < 3; r.n++)
    r.order[r.n] = after_one(&f, other);
  r.hook.data = &r;
  jobsrv_hook_add(f.srv, &r.hook, a_hook_may_end_those_that_come_next);
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  is(r.order[0], JOBSRV_STATE_QUEUED);
  is(r.order[1], JOBSRV_STATE_CANCELLED);
  is(r.order[2], JOBSRV_STATE_CANCELLED);
  fixture_close(&f);
}

enum { MANY = 50000 };

static void a_line_of_many_fails_together(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *job;

  (void) state;
  f.options.max_jobs = 2 * MANY;
  open_it(&f);
  first = job = fixture_begin(&f);
  for (int i = 0; i < MANY; i++)
    job = after_one(&f, job);
  jobsrv_job_ref(job);
  assert_ok(jobsrv_job_fail(first, NULL, NULL));
  is(job, JOBSRV_STATE_FAILED);
  jobsrv_job_unref(job);
  assert_int_equal(fixture_stats(&f).failed, MANY + 1);
  fixture_close(&f);
}

static void draining_cancels_what_waits(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *other, *job;

  (void) state;
  open_it(&f);
  other = fixture_begin(&f);
  job = after_one(&f, other);
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  is(job, JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_SHUTDOWN);
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  fixture_close(&f);
}

/* What it waits for ends before its own turn to be cancelled has come. */
static void draining_lets_nobody_go_on(void **state) {
  fixture f = { 0 };
  jobsrv_operation_t op;
  jobsrv_job_t *other, *job, *late;
  jobsrv_spec_t spec;

  (void) state;
  open_it(&f);
  jobsrv_operation_init(&op);
  op.name = "finishes";
  op.start = fixture_start;
  op.on_drain = JOBSRV_DRAIN_FINISH;
  assert_ok(jobsrv_operation_add(f.srv, &op));
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.delay_ms = 1000;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &other));
  spec.operation = "finishes";
  spec.delay_ms = 0;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &late));
  spec.after = &other;
  spec.nafter = 1;
  spec.after_any_end = 1;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  is(other, JOBSRV_STATE_CANCELLED);
  is(job, JOBSRV_STATE_CANCELLED);
  assert_err(jobsrv_job_after(late, other), JOBSRV_ESTATE);
  fixture_close(&f);
}

static void closing_cancels_what_waits(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  open_it(&f);
  job = jobsrv_job_ref(after_one(&f, fixture_begin(&f)));
  fixture_close(&f);
  is(job, JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_SHUTDOWN);
  jobsrv_job_unref(job);
}

static void waiting_may_fail_for_want_of_memory(void **state) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  jobsrv_job_t *two[2], *job = NULL;
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  open_it(&f);
  two[0] = fixture_begin(&f);
  two[1] = fixture_begin(&f);
  for (uint64_t i = 0; err != 0; i++) {
    jobsrv_faults_fail(&faults, i, 1);
    err = try_after(&f, two, 2, 0, &job);
    assert_true(err == 0 || err == UV_ENOMEM);
  }
  jobsrv_faults_fail(&faults, 0, 0);
  two[1] = fixture_begin(&f);
  for (uint64_t i = 0, again = 1; again; i++) {
    jobsrv_faults_fail(&faults, i, 1);
    err = jobsrv_job_after(job, two[1]);
    assert_true(err == 0 || err == UV_ENOMEM);
    again = err != 0;
  }
  /* its end says why, even when there is no memory for the name */
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_ok(jobsrv_job_fail(two[0], NULL, NULL));
  is(job, JOBSRV_STATE_FAILED);
  assert_string_equal(fixture_info(job).error_code, "dependency_failed");
  jobsrv_faults_fail(&faults, 0, 0);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_runs_when_all_have_completed),
  cmocka_unit_test(it_fails_when_one_of_them_does_not_complete),
  cmocka_unit_test(after_any_end_does_not_care_how),
  cmocka_unit_test(what_has_ended_counts_at_once),
  cmocka_unit_test(one_may_wait_for_another_later_on),
  cmocka_unit_test(a_circle_is_refused),
  cmocka_unit_test(the_search_looks_at_each_job_once),
  cmocka_unit_test(sixty_four_are_enough),
  cmocka_unit_test(they_go_on_in_order_of_creation),
  cmocka_unit_test(one_that_ends_first_waits_no_more),
  cmocka_unit_test(a_callback_may_cancel_the_next_to_go_on),
  cmocka_unit_test(a_line_of_many_fails_together),
  cmocka_unit_test(draining_cancels_what_waits),
  cmocka_unit_test(draining_lets_nobody_go_on),
  cmocka_unit_test(closing_cancels_what_waits),
  cmocka_unit_test(waiting_may_fail_for_want_of_memory),
};

RUN(tests);
