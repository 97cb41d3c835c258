/* SPDX-License-Identifier: MIT */

/* Row 30: the last watcher gone: continue, cancel, cancel after a grace. */

#include "core/work.h"

static int stop_at_once(jobsrv_job_t *job, void *data) {
  (void) data;
  return jobsrv_job_fail(job, NULL, NULL);
}

static jobsrv_job_t *run_with(fixture *f, int policy, uint64_t grace_ms) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.on_last_watcher = policy;
  spec.last_watcher_grace_ms = grace_ms;
  return work_run(f, &spec);
}

static void open_with(fixture *f, work *w, int policy, uint64_t grace_ms) {
  fixture_open(f);
  work_init(w);
  w->op.on_last_watcher = policy;
  w->op.last_watcher_grace_ms = grace_ms;
  work_add(f, w);
}

static void watchers_are_counted(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w, 0, 0);
  job = work_now(&f);
  assert_int_equal(fixture_info(job).watchers, 0);
  jobsrv_job_watch(job);
  jobsrv_job_watch(job);
  assert_int_equal(fixture_info(job).watchers, 2);
  jobsrv_job_unwatch(job);
  assert_int_equal(fixture_info(job).watchers, 1);
  fixture_close(&f);
}

static void by_default_a_job_goes_on_unwatched(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w, 0, 0);
  job = work_now(&f);
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 100000);
  assert_false(jobsrv_job_cancelled(job));
  fixture_close(&f);
}

static void the_last_to_leave_cancels_it_at_once(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w, JOBSRV_LAST_WATCHER_CANCEL, 0);
  job = work_now(&f);
  assert_false(jobsrv_job_cancelled(job)); /* nobody has left yet */
  jobsrv_job_watch(job);
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  assert_false(jobsrv_job_cancelled(job));
  jobsrv_job_unwatch(job);
  assert_int_equal(w.stops, 1);
  assert_int_equal(w.stopped, JOBSRV_REASON_LAST_WATCHER);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "cancelled");
  fixture_close(&f);
}

static void a_grace_is_waited_for_and_ends_with_a_new_watcher(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w, JOBSRV_LAST_WATCHER_CANCEL, 1000);
  job = work_now(&f);
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 999);
  assert_false(jobsrv_job_cancelled(job));
  jobsrv_job_watch(job);
  fixture_ms(&f, 5000);
  assert_false(jobsrv_job_cancelled(job));
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 999);
  assert_false(jobsrv_job_cancelled(job));
  fixture_ms(&f, 1);
  assert_true(jobsrv_job_cancelled(job));
  assert_int_equal(w.stopped, JOBSRV_REASON_LAST_WATCHER);
  fixture_close(&f);
}

static void a_jobs_own_policy_counts_before_its_operations(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *goes_on, *cancelled, *later;

  (void) state;
  open_with(&f, &w, JOBSRV_LAST_WATCHER_CANCEL, 500);
  goes_on = run_with(&f, JOBSRV_LAST_WATCHER_CONTINUE, 0);
  cancelled = run_with(&f, JOBSRV_LAST_WATCHER_DEFAULT, 0);
  later = run_with(&f, JOBSRV_LAST_WATCHER_DEFAULT, 900);
  jobsrv_job_watch(goes_on);
  jobsrv_job_unwatch(goes_on);
  jobsrv_job_watch(cancelled);
  jobsrv_job_unwatch(cancelled);
  jobsrv_job_watch(later);
  jobsrv_job_unwatch(later);
  fixture_ms(&f, 500);
  assert_false(jobsrv_job_cancelled(goes_on));
  assert_true(jobsrv_job_cancelled(cancelled));
  assert_false(jobsrv_job_cancelled(later));
  fixture_ms(&f, 400);
  assert_true(jobsrv_job_cancelled(later));
  fixture_close(&f);
}

static void one_that_is_not_cancellable_goes_on(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w, JOBSRV_LAST_WATCHER_CANCEL, 10);
  job = work_now(&f);
  jobsrv_job_cancellable(job, 0);
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 10);
  assert_false(jobsrv_job_cancelled(job));
  fixture_close(&f);
}

static void a_begun_job_has_the_policy_too(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  jobsrv_spec_init(&spec);
  spec.on_last_watcher = JOBSRV_LAST_WATCHER_CANCEL;
  spec.last_watcher_grace_ms = 10;
  assert_ok(jobsrv_begin(f.srv, &spec, &job));
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 10);
  assert_true(jobsrv_job_cancelled(job));
  fixture_close(&f);
}

static void leaving_takes_the_place_of_an_attempts_timeout(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w, JOBSRV_LAST_WATCHER_CANCEL, 100);
  jobsrv_spec_init(&spec);
  spec.timeout_ms = 50;
  job = work_run(&f, &spec);
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 50);
  assert_int_equal(w.stopped, JOBSRV_REASON_ATTEMPT_TIMEOUT);
  fixture_ms(&f, 49);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_ATTEMPT_TIMEOUT);
  fixture_ms(&f, 1);
  assert_int_equal(fixture_info(job).cancel_reason->code,
                   JOBSRV_REASON_LAST_WATCHER);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_in(job, "cancelled");
  fixture_close(&f);
}

static void leaving_an_ended_job_does_nothing(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w, JOBSRV_LAST_WATCHER_CANCEL, 10);
  job = work_now(&f);
  jobsrv_job_watch(job);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 100);
  assert_in(job, "completed");
  assert_null(fixture_info(job).cancel_reason);
  fixture_close(&f);
}

/* Ends another while the first is ending, so that it is retained before. */
static void end_the_other(jobsrv_hook_t *hook,
                          jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  jobsrv_job_t *other = hook->data;

  (void) job;
  (void) from;
  if (to != JOBSRV_STATE_CANCELLED || other == NULL)
    return;
  hook->data = NULL;
  (void) jobsrv_job_cancel(other, NULL);
}

static void one_that_is_forgotten_at_its_end_may_be_left(void **state) {
  fixture f = { .options.max_retained = 1 };
  jobsrv_hook_t hook = { 0 };
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;
  work w;

  (void) state;
  open_with(&f, &w, JOBSRV_LAST_WATCHER_CANCEL, 0);
  job = work_now(&f);
  (void) jobsrv_job_id(job, id);
  hook.data = work_now(&f);
  jobsrv_hook_add(f.srv, &hook, end_the_other);
  w.in_stop = stop_at_once;
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  assert_err(jobsrv_find(f.srv, id, &job), JOBSRV_EEXPIRED);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(watchers_are_counted),
  cmocka_unit_test(by_default_a_job_goes_on_unwatched),
  cmocka_unit_test(the_last_to_leave_cancels_it_at_once),
  cmocka_unit_test(a_grace_is_waited_for_and_ends_with_a_new_watcher),
  cmocka_unit_test(a_jobs_own_policy_counts_before_its_operations),
  cmocka_unit_test(one_that_is_not_cancellable_goes_on),
  cmocka_unit_test(a_begun_job_has_the_policy_too),
  cmocka_unit_test(leaving_takes_the_place_of_an_attempts_timeout),
  cmocka_unit_test(leaving_an_ended_job_does_nothing),
  cmocka_unit_test(one_that_is_forgotten_at_its_end_may_be_left),
};

RUN(tests);
