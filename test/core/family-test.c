/* SPDX-License-Identifier: MIT */

/* Row 11: cancelling flows down from parent to child, progress folds up. */

#include "fixture.h"

#include <stdlib.h>

static jobsrv_job_t *child_of(fixture *f,
                              jobsrv_job_t *parent,
                              uint32_t weight) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = "child";
  spec.parent_job = parent;
  spec.progress_weight = weight;
  assert_ok(jobsrv_begin(f->srv, &spec, &job));
  return job;
}

static jobsrv_job_t *queued_child_of(fixture *f, jobsrv_job_t *parent) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.parent_job = parent;
  assert_ok(jobsrv_submit(f->srv, &spec, NULL, &job));
  return job;
}

static void is_parents(const jobsrv_reason_t *reason, const char *text) {
  assert_non_null(reason);
  assert_int_equal(reason->code, JOBSRV_REASON_PARENT);
  if (text == NULL)
    assert_null(reason->text);
  else
    assert_string_equal(reason->text, text);
}

static void a_child_knows_its_parent_as_long_as_that_is_retained(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;

  (void) state;
  f.options.retain_ms = 100;
  fixture_open(&f);
  parent = fixture_begin(&f);
  child = child_of(&f, parent, 0);
  assert_ptr_equal(jobsrv_job_parent(child), parent);
  assert_null(jobsrv_job_parent(parent));
  assert_ok(jobsrv_job_complete(parent, NULL, 0));
  assert_ptr_equal(jobsrv_job_parent(child), parent);
  fixture_ms(&f, 200);
  assert_null(jobsrv_job_parent(child));
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_RUNNING);
  assert_false(jobsrv_job_cancelled(child));
  fixture_close(&f);
}

static void a_request_goes_down_with_text_and_actor(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child, *grandchild, *queued;
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "enough", "ann" };
  const jobsrv_reason_t *seen;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  parent = fixture_begin(&f);
  child = child_of(&f, parent, 0);
  grandchild = child_of(&f, child, 0);
  queued = queued_child_of(&f, parent);
  assert_ok(jobsrv_job_cancel(parent, &why));
  seen = jobsrv_token_reason(jobsrv_job_token(child));
  is_parents(seen, "enough");
  assert_string_equal(seen->actor, "ann");
  is_parents(jobsrv_token_reason(jobsrv_job_token(grandchild)), "enough");
  assert_int_equal(jobsrv_job_state(queued), JOBSRV_STATE_CANCELLED);
  is_parents(fixture_info(queued).cancel_reason, "enough");
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_fail(grandchild, NULL, NULL));
  assert_ok(jobsrv_job_fail(child, NULL, NULL));
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_CANCELLED);
  assert_int_equal(jobsrv_job_state(grandchild), JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_info(parent).cancel_reason->code,
                   JOBSRV_REASON_REQUESTED);
  fixture_close(&f);
}

static void a_parent_that_fails_takes_its_children_along(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child, *below;
  jobsrv_token_t *token;
  jobsrv_spec_t spec;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  child = child_of(&f, parent, 0);
  assert_ok(jobsrv_token_new(&token, f.srv, jobsrv_job_token(parent)));
  jobsrv_spec_init(&spec);
  spec.parent = jobsrv_job_token(parent);
  assert_ok(jobsrv_begin(f.srv, &spec, &below));
  assert_ok(jobsrv_job_fail(parent, "broken", "it broke"));
  assert_null(fixture_info(parent).cancel_reason);
  assert_string_equal(fixture_info(parent).error_code, "broken");
  is_parents(jobsrv_token_reason(jobsrv_job_token(child)), NULL);
  /* a plain token inherits requests, not fates */
  assert_null(jobsrv_token_reason(token));
  assert_null(jobsrv_token_reason(jobsrv_job_token(below)));
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void never_told(jobsrv_token_watch_t *watch,
                       const jobsrv_reason_t *reason) {
  (void) watch;
  (void) reason;
  fail_msg("told of a token that nobody has set");
}

typedef struct {
  jobsrv_hook_t hook;
  jobsrv_job_t *parent;
  jobsrv_token_watch_t watch;
} late_watch;

static void watch_the_parent(jobsrv_hook_t *hook,
                             jobsrv_job_t *job,
                             jobsrv_state_t from,
                             jobsrv_state_t to) {
  late_watch *late = hook->data;

  if (job != late->parent && from == to && to == JOBSRV_STATE_RUNNING)
    assert_ok(jobsrv_token_watch(jobsrv_job_token(late->parent), &late->watch,
                                 never_told));
}

/* It has failed by itself, and its children are being told so. */
static void a_watch_on_a_failed_parent_is_never_called(void **state) {
  fixture f = { 0 };
  late_watch late = { .hook.data = &late };
  jobsrv_job_t *child;

  (void) state;
  fixture_open(&f);
  late.parent = fixture_begin(&f);
  child = child_of(&f, late.parent, 0);
  jobsrv_hook_add(f.srv, &late.hook, watch_the_parent);
  assert_ok(jobsrv_job_fail(late.parent, NULL, NULL));
  assert_true(jobsrv_job_cancelled(child));
  jobsrv_hook_remove(&late.hook);
  jobsrv_token_unwatch(&late.watch);
  fixture_close(&f);
}

static void a_parent_that_completes_leaves_its_children_alone(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  child = child_of(&f, parent, 0);
  assert_ok(jobsrv_job_complete(parent, NULL, 0));
  assert_null(jobsrv_token_reason(jobsrv_job_token(child)));
  assert_ok(jobsrv_job_complete(child, NULL, 0));
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_COMPLETED);
  fixture_close(&f);
}

static void a_timeout_of_the_parent_cancels_its_children(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;
  jobsrv_spec_t spec;

  (void) state;
  fixture_open(&f);
  jobsrv_spec_init(&spec);
  spec.timeout_ms = 50;
  assert_ok(jobsrv_begin(f.srv, &spec, &parent));
  child = child_of(&f, parent, 0);
  fixture_ms(&f, 60);
  assert_true(jobsrv_job_cancelled(parent));
  is_parents(jobsrv_token_reason(jobsrv_job_token(child)), NULL);
  assert_ok(jobsrv_job_fail(child, NULL, NULL));
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_CANCELLED);
  fixture_close(&f);
}

static void a_child_of_one_that_has_ended_or_is_to_stop_is_cancelled(
    void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "late", NULL };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  parent = fixture_begin(&f);
  assert_ok(jobsrv_job_cancel(parent, &why));
  child = queued_child_of(&f, parent);
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_CANCELLED);
  is_parents(fixture_info(child).cancel_reason, "late");
  parent = fixture_begin(&f);
  assert_ok(jobsrv_job_complete(parent, NULL, 0));
  child = queued_child_of(&f, parent);
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_CANCELLED);
  is_parents(fixture_info(child).cancel_reason, NULL);
  parent = fixture_begin(&f);
  assert_ok(jobsrv_job_fail(parent, NULL, NULL));
  child = queued_child_of(&f, parent);
  assert_int_equal(jobsrv_job_state(child), JOBSRV_STATE_CANCELLED);
  fixture_close(&f);
}

static void a_parents_fate_is_not_refused(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  child = child_of(&f, parent, 0);
  jobsrv_job_cancellable(child, 0);
  assert_err(jobsrv_job_cancel(child, NULL), JOBSRV_ENOTCANCELLABLE);
  assert_err(jobsrv_job_cancel(child, &(jobsrv_reason_t) {
                                          .code = JOBSRV_REASON_PARENT }),
             JOBSRV_ENOTCANCELLABLE);
  assert_ok(jobsrv_job_cancel(parent, NULL));
  assert_true(jobsrv_job_cancelled(child));
  fixture_close(&f);
}

static void two_parents_and_weights_out_of_range_are_refused(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *parent, *job;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  jobsrv_spec_init(&spec);
  spec.parent_job = parent;
  spec.parent = jobsrv_job_token(parent);
  assert_err(jobsrv_begin(f.srv, &spec, &job), UV_EINVAL);
  spec.parent = NULL;
  spec.progress_weight = 1000001;
  assert_err(jobsrv_begin(f.srv, &spec, &job), UV_EINVAL);
  spec.progress_weight = 1000000;
  assert_ok(jobsrv_begin(f.srv, &spec, &job));
  assert_err(jobsrv_submit_from(f.srv, &spec, NULL, NULL), UV_EINVAL);
  fixture_close(&f);
}

/* ---- another thread ---- */

typedef struct {
  jobsrv_job_t *job;
  jobsrv_job_t *asks;
  const jobsrv_reason_t *seen;
} from_thread;

static void cancel_and_look(void *arg) {
  from_thread *t = arg;
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "from afar", "bob" };

  assert_null(jobsrv_token_reason(jobsrv_job_token(t->job)));
  assert_ok(jobsrv_job_cancel(t->asks, &why));
  t->seen = jobsrv_token_reason(jobsrv_job_token(t->job));
}

static void another_thread_sees_it_below_at_once(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;
  from_thread t = { 0 };
  uv_thread_t thread;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  child = child_of(&f, parent, 0);
  t.asks = parent;
  t.job = child_of(&f, child, 0);
  assert_ok(uv_thread_create(&thread, cancel_and_look, &t));
  assert_ok(uv_thread_join(&thread));
  is_parents(t.seen, "from afar");
  assert_string_equal(t.seen->actor, "bob");
  assert_int_equal(fixture_info(child).cancel_reason->code,
                   JOBSRV_REASON_PARENT);
  fixture_ms(&f, 0);
  assert_ptr_equal(jobsrv_token_reason(jobsrv_job_token(t.job)), t.seen);
  fixture_close(&f);
}

static void watch_for_it(void *arg) {
  from_thread *t = arg;

  while ((t->seen = jobsrv_token_reason(jobsrv_job_token(t->job))) == NULL)
    ;
}

static void a_thread_that_polls_sees_what_the_loop_hands_down(void **state) {
  fixture f = { 0 };
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "handed down", NULL };
  from_thread t = { 0 };
  uv_thread_t thread;

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 20; i++) {
    t.asks = fixture_begin(&f);
    t.job = child_of(&f, child_of(&f, t.asks, 0), 0);
    assert_ok(uv_thread_create(&thread, watch_for_it, &t));
    if (i % 2 == 0)
      assert_ok(jobsrv_job_cancel(t.asks, &why));
    else
      assert_ok(jobsrv_job_fail(t.asks, NULL, NULL));
    assert_ok(uv_thread_join(&thread));
    is_parents(t.seen, i % 2 == 0 ? "handed down" : NULL);
  }
  fixture_close(&f);
}

/* ---- many ---- */

enum { MANY = 100000 };

static void open_for_many(fixture *f) {
  f->options.max_jobs = 2 * MANY;
  f->options.max_queued = 2 * MANY;
  fixture_open(f);
  fixture_add(f, "op", 0);
}

static void a_line_of_a_hundred_thousand_goes_down_together(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *job;

  (void) state;
  open_for_many(&f);
  first = job = fixture_begin(&f);
  for (int i = 0; i < MANY; i++)
    job = queued_child_of(&f, job);
  jobsrv_job_ref(job);
  assert_ok(jobsrv_job_cancel(first, NULL));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  is_parents(fixture_info(job).cancel_reason, NULL);
  jobsrv_job_unref(job);
  fixture_close(&f);
}

static void a_hundred_thousand_children_go_down_together(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *job = NULL;

  (void) state;
  open_for_many(&f);
  parent = fixture_begin(&f);
  for (int i = 0; i < MANY; i++)
    job = queued_child_of(&f, parent);
  assert_ok(jobsrv_job_fail(parent, NULL, NULL));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_stats(&f).cancelled, MANY);
  fixture_close(&f);
}

/* ---- progress ---- */

static void says(jobsrv_job_t *job, double done, double total) {
  jobsrv_progress_t progress = { .done = done, .total = total };

  assert_ok(jobsrv_progress(job, &progress));
}

static void shows(jobsrv_job_t *job, double done, double total) {
  char record[4096];
  char *at;
  size_t len = jobsrv_job_record(job, 0, record, sizeof(record) - 1);
  double got_done, got_total = -1;

  assert_true(len < sizeof(record));
  record[len] = '\0';
  at = strstr(record, "\"progress\":{\"done\":");
  if (at == NULL)
    fail_msg("no progress in %s", record);
  got_done = strtod(at + 19, &at);
  if (strncmp(at, ",\"total\":", 9) == 0)
    got_total = strtod(at + 9, NULL);
  if (got_done != done || got_total != total)
    fail_msg("%g of %g where %g of %g was due", got_done, got_total, done,
             total);
}

static void shows_none(jobsrv_job_t *job) {
  char record[4096];
  size_t len = jobsrv_job_record(job, 0, record, sizeof(record) - 1);

  record[len] = '\0';
  assert_null(strstr(record, "\"progress\""));
}

static void a_parent_shows_the_weighted_sum_of_its_children(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *one, *three;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  one = child_of(&f, parent, 0);
  three = child_of(&f, parent, 3);
  shows_none(parent);
  says(one, 5, 10);
  shows(parent, 0.5, 4);
  says(three, 1, 4);
  shows(parent, 1.25, 4);
  assert_ok(jobsrv_job_complete(three, NULL, 0));
  shows(parent, 3.5, 4);
  says(one, 2, 10); /* what was reached stays */
  fixture_ms(&f, 200);
  shows(parent, 3.5, 4);
  assert_ok(jobsrv_job_complete(one, NULL, 0));
  shows(parent, 4, 4);
  fixture_close(&f);
}

static void a_child_that_fails_keeps_what_it_had_reached(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *a, *b;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  a = child_of(&f, parent, 0);
  b = child_of(&f, parent, 0);
  says(a, 1, 4);
  says(a, 2, 4); /* not shown yet when it ends */
  assert_ok(jobsrv_job_fail(a, NULL, NULL));
  shows(parent, 0.5, 2);
  assert_ok(jobsrv_job_complete(b, NULL, 0));
  shows(parent, 1.5, 2);
  fixture_close(&f);
}

static void one_more_child_does_not_take_any_of_it_back(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *a, *b;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  a = child_of(&f, parent, 0);
  says(a, 1, 2);
  shows(parent, 0.5, 1);
  b = child_of(&f, parent, 0);
  shows(parent, 1, 2); /* still one half */
  assert_ok(jobsrv_job_complete(a, NULL, 0));
  shows(parent, 1, 2);
  says(b, 1, 2);
  shows(parent, 1.5, 2);
  fixture_close(&f);
}

static void a_report_of_its_own_counts_alone(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  child = child_of(&f, parent, 0);
  says(child, 1, 2);
  shows(parent, 0.5, 1);
  says(parent, 7, 8);
  shows(parent, 7, 8);
  fixture_ms(&f, 200);
  assert_ok(jobsrv_job_complete(child, NULL, 0));
  shows(parent, 7, 8);
  fixture_close(&f);
}

static void it_goes_up_all_generations_by_and_by(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *top, *middle, *leaf, *other;

  (void) state;
  fixture_open(&f);
  top = fixture_begin(&f);
  middle = child_of(&f, top, 0);
  other = child_of(&f, top, 0);
  leaf = child_of(&f, middle, 0);
  says(leaf, 1, 4);
  shows(middle, 0.25, 1);
  shows(top, 0.25, 2);
  says(leaf, 2, 4);
  shows(leaf, 2, 4);
  fixture_ms(&f, 99);
  shows(top, 0.25, 2); /* not more often than it is shown */
  fixture_ms(&f, 400);
  shows(middle, 0.5, 1);
  shows(top, 0.5, 2);
  assert_ok(jobsrv_job_complete(middle, NULL, 0));
  assert_ok(jobsrv_job_complete(other, NULL, 0));
  shows(top, 2, 2);
  fixture_close(&f);
}

static void a_family_may_fail_for_want_of_memory(void **state) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  jobsrv_job_t *parent, *child = NULL;
  jobsrv_spec_t spec;
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  fixture_open(&f);
  parent = fixture_begin(&f);
  jobsrv_spec_init(&spec);
  spec.operation = "child";
  spec.parent_job = parent;
  for (uint64_t i = 0; err != 0; i++) {
    jobsrv_faults_fail(&faults, i, 1);
    err = jobsrv_begin(f.srv, &spec, &child);
    assert_true(err == 0 || err == UV_ENOMEM);
  }
  jobsrv_faults_fail(&faults, 0, 0);
  assert_int_equal(fixture_stats(&f).created, 2);
  says(child, 1, 2);
  shows(parent, 0.5, 1); /* the failures have left no weight behind */
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_ok(jobsrv_job_cancel(parent, NULL));
  is_parents(jobsrv_token_reason(jobsrv_job_token(child)), NULL);
  jobsrv_faults_fail(&faults, 0, 0);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void a_child_outlives_parent_and_server(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *parent, *child;
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "kept", NULL };

  (void) state;
  fixture_open(&f);
  parent = fixture_begin(&f);
  child = jobsrv_job_ref(child_of(&f, parent, 0));
  assert_ok(jobsrv_job_cancel(parent, &why));
  assert_ok(jobsrv_job_fail(parent, NULL, NULL));
  fixture_close(&f);
  is_parents(jobsrv_token_reason(jobsrv_job_token(child)), "kept");
  jobsrv_job_unref(child);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_child_knows_its_parent_as_long_as_that_is_retained),
  cmocka_unit_test(a_request_goes_down_with_text_and_actor),
  cmocka_unit_test(a_parent_that_fails_takes_its_children_along),
  cmocka_unit_test(a_watch_on_a_failed_parent_is_never_called),
  cmocka_unit_test(a_parent_that_completes_leaves_its_children_alone),
  cmocka_unit_test(a_timeout_of_the_parent_cancels_its_children),
  cmocka_unit_test(a_child_of_one_that_has_ended_or_is_to_stop_is_cancelled),
  cmocka_unit_test(a_parents_fate_is_not_refused),
  cmocka_unit_test(two_parents_and_weights_out_of_range_are_refused),
  cmocka_unit_test(another_thread_sees_it_below_at_once),
  cmocka_unit_test(a_thread_that_polls_sees_what_the_loop_hands_down),
  cmocka_unit_test(a_line_of_a_hundred_thousand_goes_down_together),
  cmocka_unit_test(a_hundred_thousand_children_go_down_together),
  cmocka_unit_test(a_parent_shows_the_weighted_sum_of_its_children),
  cmocka_unit_test(a_child_that_fails_keeps_what_it_had_reached),
  cmocka_unit_test(one_more_child_does_not_take_any_of_it_back),
  cmocka_unit_test(a_report_of_its_own_counts_alone),
  cmocka_unit_test(it_goes_up_all_generations_by_and_by),
  cmocka_unit_test(a_family_may_fail_for_want_of_memory),
  cmocka_unit_test(a_child_outlives_parent_and_server),
};

RUN(tests);
