/* SPDX-License-Identifier: MIT */

/* What a spec and an operation may say, and what is copied of them. */

#include "core/work.h"

#include "core/limits.h"

static void open_with(fixture *f, work *w) {
  fixture_open(f);
  work_init(w);
  work_add(f, w);
}

static void count_release(void *data) {
  ++*(int *) data;
}

/* Refused, and the data released; a good one right behind it is not. */
static void assert_refused(fixture *f, jobsrv_spec_t *spec, int due) {
  int released = 0;

  spec->operation = "work";
  spec->data = &released;
  spec->release = count_release;
  assert_err(jobsrv_submit(f->srv, spec, NULL, NULL), due);
  assert_int_equal(released, 1);
  jobsrv_spec_init(spec);
}

static void numbers_that_stand_for_nothing_are_refused(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.priority = JOBSRV_PRIORITY_MAX;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.priority = -1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.start = JOBSRV_START_ON_STREAM + 1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.start = -1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.on_conflict = JOBSRV_CONFLICT_REPLACE + 1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.on_conflict = -1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.on_last_watcher = JOBSRV_LAST_WATCHER_CANCEL + 1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.on_last_watcher = -1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.retry.jitter = JOBSRV_JITTER_NONE + 1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.retry.jitter = -1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.retry.factor = 101;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.weight = 65536;
  assert_refused(&f, &spec, UV_EINVAL);
  assert_int_equal(fixture_stats(&f).created, 0);
  assert_int_equal(fixture_stats(&f).refused, 0); /* not for want of room */
  spec.weight = 65535;
  spec.retry.factor = 100;
  spec.priority = JOBSRV_PRIORITY_CRITICAL;
  assert_in(work_run(&f, &spec), "running");
  fixture_close(&f);
}

static void there_is_one_time_and_one_parent(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  jobsrv_spec_init(&spec);
  spec.delay_ms = 1;
  spec.run_at_wall_ns = 1;
  assert_refused(&f, &spec, UV_EINVAL);
  spec.parent = jobsrv_job_token(job);
  spec.parent_job = job;
  assert_refused(&f, &spec, UV_EINVAL);
  fixture_close(&f);
}

static void texts_and_lists_have_their_bounds(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *after[65];
  jobsrv_spec_t spec;
  char text[130];
  work w;

  (void) state;
  open_with(&f, &w);
  memset(text, 'x', sizeof(text) - 1);
  text[129] = '\0';
  jobsrv_spec_init(&spec);
  spec.unique_key = text;
  assert_refused(&f, &spec, JOBSRV_ETOOBIG);
  spec.group = text + 64;
  assert_refused(&f, &spec, JOBSRV_ETOOBIG);
  after[0] = work_now(&f);
  for (int i = 1; i < 65; i++)
    after[i] = after[0];
  spec.after = after;
  spec.nafter = 65;
  assert_refused(&f, &spec, JOBSRV_ETOOBIG);
  spec.unique_key = text + 1;
  spec.group = text + 65;
  assert_in(work_run(&f, &spec), "running");
  fixture_close(&f);
}

/* ---- begin ---- */

static void assert_not_begun(fixture *f, jobsrv_spec_t *spec) {
  jobsrv_job_t *job;

  assert_err(jobsrv_begin(f->srv, spec, &job), UV_EINVAL);
  jobsrv_spec_init(spec);
}

static void a_begun_job_has_no_when_no_order_and_no_other_try(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job, *other;

  (void) state;
  fixture_open(&f);
  other = fixture_begin(&f);
  jobsrv_spec_init(&spec);
  spec.delay_ms = 1;
  assert_not_begun(&f, &spec);
  spec.run_at_wall_ns = 1;
  assert_not_begun(&f, &spec);
  spec.start = JOBSRV_START_ON_STREAM;
  assert_not_begun(&f, &spec);
  spec.start_within_ms = 1;
  assert_not_begun(&f, &spec);
  spec.after = &other;
  spec.nafter = 1;
  assert_not_begun(&f, &spec);
  spec.after_any_end = 1;
  assert_not_begun(&f, &spec);
  spec.priority = JOBSRV_PRIORITY_HIGH;
  assert_not_begun(&f, &spec);
  spec.weight = 1;
  assert_not_begun(&f, &spec);
  spec.group = "g";
  assert_not_begun(&f, &spec);
  spec.unique_key = "k";
  assert_not_begun(&f, &spec);
  spec.on_conflict = JOBSRV_CONFLICT_REJECT;
  assert_not_begun(&f, &spec);
  spec.queue_ms = 1;
  assert_not_begun(&f, &spec);
  spec.retry.max_attempts = 2;
  assert_not_begun(&f, &spec);
  spec.retry.factor = 2;
  assert_not_begun(&f, &spec);
  spec.retry.backoff_ms = 2;
  assert_not_begun(&f, &spec);
  spec.retry.max_backoff_ms = 2;
  assert_not_begun(&f, &spec);
  spec.retry.jitter = JOBSRV_JITTER_NONE;
  assert_not_begun(&f, &spec);
  spec.timeout_ms = spec.deadline_ms = spec.silence_ms = spec.retain_ms = 9;
  spec.on_last_watcher = JOBSRV_LAST_WATCHER_CANCEL;
  assert_ok(jobsrv_begin(f.srv, &spec, &job));
  fixture_close(&f);
}

/* ---- operations ---- */

static void assert_not_added(fixture *f, work *w, int due) {
  int released = 0;

  w->op.data = &released;
  w->op.release = count_release;
  assert_err(jobsrv_operation_add(f->srv, &w->op), due);
  assert_int_equal(released, 1);
  work_init(w);
}

static void an_operation_has_the_same_bounds(void **state) {
  fixture f = { 0 };
  char group[66];
  work w;

  (void) state;
  fixture_open(&f);
  work_init(&w);
  w.op.priority = JOBSRV_PRIORITY_MAX;
  assert_not_added(&f, &w, UV_EINVAL);
  w.op.on_last_watcher = JOBSRV_LAST_WATCHER_CANCEL + 1;
  assert_not_added(&f, &w, UV_EINVAL);
  w.op.on_drain = JOBSRV_DRAIN_LEAVE + 1;
  assert_not_added(&f, &w, UV_EINVAL);
  w.op.retry.jitter = JOBSRV_JITTER_NONE + 1;
  assert_not_added(&f, &w, UV_EINVAL);
  w.op.retry.factor = 101;
  assert_not_added(&f, &w, UV_EINVAL);
  w.op.weight = 65536;
  assert_not_added(&f, &w, UV_EINVAL);
  memset(group, 'g', sizeof(group) - 1);
  group[65] = '\0';
  w.op.group = group;
  assert_not_added(&f, &w, JOBSRV_ETOOBIG);
  w.op.group = group + 1;
  w.op.retry.factor = 100;
  w.op.weight = 65535;
  work_add(&f, &w);
  fixture_close(&f);
}

/* ---- defaults ---- */

static void what_is_not_said_has_the_default_that_is_named(void **state) {
  fixture f = { 0 };
  jobsrv_operation_t none;
  jobsrv__limits_t limits;
  jobsrv_job_info_t info;
  work w;

  (void) state;
  open_with(&f, &w);
  info = fixture_info(work_now(&f));
  assert_int_equal(info.max_attempts, 1);
  assert_int_equal(info.priority, JOBSRV_PRIORITY_NORMAL);
  assert_int_equal(info.weight, 1);
  assert_int_equal(info.watchers, 0);
  assert_int_equal(info.exit_status, -1);
  assert_null(info.group);
  assert_null(info.unique_key);
  assert_null(info.prompt);
  jobsrv_operation_init(&none);
  jobsrv__limits_of(&limits, &none, jobsrv_options(f.srv));
  assert_int_equal(limits.retry.max_attempts, 1);
  assert_int_equal(limits.retry.factor, 2);
  assert_int_equal(limits.retry.backoff_ms, 1000);
  assert_int_equal(limits.retry.max_backoff_ms, 3600000);
  assert_int_equal(limits.retry.jitter, JOBSRV_JITTER_EQUAL);
  assert_int_equal(limits.grace_ns, 5000000000);
  assert_int_equal(limits.queue_ns, 0);
  assert_int_equal(limits.timeout_ns, 0);
  assert_int_equal(limits.deadline_ns, 0);
  assert_int_equal(limits.silence_ns, 0);
  assert_int_equal(limits.on_last_watcher, JOBSRV_LAST_WATCHER_CONTINUE);
  assert_int_equal(limits.last_watcher_grace_ns, 0);
  fixture_close(&f);
}

/* ---- from another thread ---- */

typedef struct {
  jobsrv_job_t *job;
  int err;
  int calls;
} result;

static void on_submitted(jobsrv_t *srv,
                         jobsrv_job_t *job,
                         int err,
                         void *data) {
  result *r = data;

  (void) srv;
  r->job = job;
  r->err = err;
  r->calls++;
}

static int is_called(void *data) {
  return ((result *) data)->calls > 0;
}

static void submit_from_copies_every_text(void **state) {
  fixture f = { 0 };
  char group[] = "g", key[] = "k", operation[] = "work", payload[] = "{}";
  jobsrv_spec_t spec;
  result r = { 0 };
  work w;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.operation = operation;
  spec.payload = payload;
  spec.group = group;
  spec.unique_key = key;
  assert_ok(jobsrv_submit_from(f.srv, &spec, on_submitted, &r));
  operation[0] = payload[0] = group[0] = key[0] = '?';
  assert_true(run_until(&f.loop, is_called, &r, 5000));
  assert_ok(r.err);
  assert_string_equal(fixture_info(r.job).group, "g");
  assert_string_equal(fixture_info(r.job).unique_key, "k");
  fixture_close(&f);
}

static void submit_from_refuses_what_belongs_to_the_loop(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  result r = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = work_now(&f);
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.after = &job;
  spec.nafter = 1;
  assert_err(jobsrv_submit_from(f.srv, &spec, on_submitted, &r), UV_EINVAL);
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.parent_job = job;
  assert_err(jobsrv_submit_from(f.srv, &spec, on_submitted, &r), UV_EINVAL);
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.parent = jobsrv_job_token(job);
  assert_err(jobsrv_submit_from(f.srv, &spec, on_submitted, &r), UV_EINVAL);
  run_turns(&f.loop, 3);
  assert_int_equal(r.calls, 0);
  fixture_close(&f);
}

static void submit_from_without_memory_says_so(void **state) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  jobsrv_spec_t spec;
  result r = { 0 };
  uint64_t n;
  work w;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.payload = "{}";
  spec.group = "g";
  spec.unique_key = "k";
  spec.principal = "p";
  for (n = 0;; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    if (jobsrv_submit_from(f.srv, &spec, on_submitted, &r) == 0)
      break;
  }
  jobsrv_faults_fail(&faults, 0, 0);
  assert_int_equal(n, 6); /* itself, its five texts */
  assert_true(run_until(&f.loop, is_called, &r, 5000));
  assert_int_equal(r.calls, 1);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

/* ---- checks that do more than check ---- */

static int close_in_check(const char *payload,
                          size_t len,
                          jobsrv_mistake_t *mistake,
                          void *data) {
  (void) payload;
  (void) len;
  (void) mistake;
  jobsrv_close(*(jobsrv_t **) data, NULL, NULL);
  return 0;
}

static int drain_in_check(const char *payload,
                          size_t len,
                          jobsrv_mistake_t *mistake,
                          void *data) {
  (void) payload;
  (void) len;
  (void) mistake;
  return jobsrv_drain(*(jobsrv_t **) data, 1000, NULL, NULL);
}

static void a_check_that_ends_the_server_has_nothing_made(void **state) {
  (void) state;
  for (int closes = 0; closes < 2; closes++) {
    fixture f = { 0 };
    jobsrv_spec_t spec;
    work w;

    fixture_open(&f);
    work_init(&w);
    w.op.check = closes ? close_in_check : drain_in_check;
    w.op.data = &f.srv;
    work_add(&f, &w);
    jobsrv_spec_init(&spec);
    spec.operation = "work";
    assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EDRAINING);
    f.closed = closes;
    fixture_close(&f);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(numbers_that_stand_for_nothing_are_refused),
  cmocka_unit_test(there_is_one_time_and_one_parent),
  cmocka_unit_test(texts_and_lists_have_their_bounds),
  cmocka_unit_test(a_begun_job_has_no_when_no_order_and_no_other_try),
  cmocka_unit_test(an_operation_has_the_same_bounds),
  cmocka_unit_test(what_is_not_said_has_the_default_that_is_named),
  cmocka_unit_test(submit_from_copies_every_text),
  cmocka_unit_test(submit_from_refuses_what_belongs_to_the_loop),
  cmocka_unit_test(submit_from_without_memory_says_so),
  cmocka_unit_test(a_check_that_ends_the_server_has_nothing_made),
};

RUN(tests);
