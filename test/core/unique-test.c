/* SPDX-License-Identifier: MIT */

/* Row 8: unique keys, and what a second job with one comes to. */

#include "fixture.h"

#include "jobsrv/list.h"

#include <stdlib.h>

static int try_submit(fixture *f,
                      const char *operation,
                      const char *key,
                      int on_conflict,
                      jobsrv_job_t **out) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = operation;
  spec.unique_key = key;
  spec.on_conflict = on_conflict;
  return jobsrv_submit(f->srv, &spec, NULL, out);
}

static jobsrv_job_t *submit(fixture *f, const char *key, int on_conflict) {
  jobsrv_job_t *job;

  assert_ok(try_submit(f, "op", key, on_conflict, &job));
  return job;
}

static jobsrv_job_t *holder(fixture *f, const char *key) {
  jobsrv_job_t *job = NULL;
  int err = jobsrv_find_unique(f->srv, "op", key, &job);

  assert_true(err == 0 || err == JOBSRV_ENOJOB);
  assert_true((err == 0) == (job != NULL));
  return job;
}

static void is(const jobsrv_job_t *job, jobsrv_state_t state) {
  assert_string_equal(jobsrv_state_name(jobsrv_job_state(job)),
                      jobsrv_state_name(state));
}

static void was_replaced(jobsrv_job_t *job) {
  jobsrv_job_info_t info = fixture_info(job);

  is(job, JOBSRV_STATE_CANCELLED);
  assert_non_null(info.cancel_reason);
  assert_int_equal(info.cancel_reason->code, JOBSRV_REASON_REPLACED);
}

static void open_with(fixture *f, uint32_t max_running) {
  fixture_open(f);
  fixture_add(f, "op", max_running);
  fixture_add(f, "other", 0);
}

static void count_release(void *data) {
  ++*(int *) data;
}

static void existing_is_the_default_and_gives_the_one_there_is(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job, *again;
  int released = 0;

  (void) state;
  open_with(&f, 0);
  job = submit(&f, "k", 0);
  assert_string_equal(fixture_info(job).unique_key, "k");
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.unique_key = "k";
  spec.data = &released;
  spec.release = count_release;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &again));
  assert_ptr_equal(again, job);
  assert_int_equal(released, 1);
  assert_int_equal(fixture_stats(&f).created, 1);
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, NULL));
  run_turns(&f.loop, 1);
  assert_ptr_equal(submit(&f, "k", JOBSRV_CONFLICT_EXISTING), job);
  fixture_close(&f);
  assert_int_equal(released, 2);
}

static void one_that_exists_needs_no_room(void **state) {
  fixture f = { .options = { .max_jobs = 1, .max_queued = 1 } };
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, 0);
  job = submit(&f, "k", 0);
  assert_ptr_equal(submit(&f, "k", 0), job);
  assert_err(try_submit(&f, "op", "k", JOBSRV_CONFLICT_REJECT, NULL),
             JOBSRV_ECONFLICT);
  assert_err(try_submit(&f, "op", "l", 0, NULL), JOBSRV_EJOBSFULL);
  assert_err(try_submit(&f, "op", "k", JOBSRV_CONFLICT_REPLACE, NULL),
             JOBSRV_EJOBSFULL);
  is(job, JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

static void the_scope_is_the_operation(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job, *other, *found;

  (void) state;
  open_with(&f, 0);
  job = submit(&f, "k", 0);
  assert_ok(try_submit(&f, "other", "k", JOBSRV_CONFLICT_REJECT, &other));
  assert_ptr_not_equal(other, job);
  assert_ok(jobsrv_find_unique(f.srv, "other", "k", &found));
  assert_ptr_equal(found, other);
  assert_ptr_equal(holder(&f, "k"), job);
  assert_null(holder(&f, "K"));
  assert_null(holder(&f, ""));
  assert_err(jobsrv_find_unique(f.srv, "none", "k", &found), JOBSRV_ENOJOB);
  assert_null(fixture_info(fixture_submit(&f, "op")).unique_key);
  fixture_close(&f);
}

static void reject_is_an_error_and_makes_nothing(void **state) {
  fixture f = { 0 };

  (void) state;
  open_with(&f, 0);
  submit(&f, "k", JOBSRV_CONFLICT_REJECT);
  assert_err(try_submit(&f, "op", "k", JOBSRV_CONFLICT_REJECT, NULL),
             JOBSRV_ECONFLICT);
  assert_int_equal(fixture_stats(&f).created, 1);
  fixture_close(&f);
}

static void a_key_goes_with_its_job_whatever_the_end(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, 0);
  for (int how = 0; how < 3; how++) {
    job = submit(&f, "k", JOBSRV_CONFLICT_REJECT);
    run_turns(&f.loop, 1);
    if (how == 0)
      assert_ok(jobsrv_job_complete(job, NULL, 0));
    else if (how == 1)
      assert_ok(jobsrv_job_fail(job, NULL, NULL));
    else {
      assert_ok(jobsrv_job_cancel(job, NULL));
      fixture_ms(&f, 6000); /* abandoned */
    }
    assert_null(holder(&f, "k"));
    assert_string_equal(fixture_info(job).unique_key, "k");
  }
  job = submit(&f, "k", JOBSRV_CONFLICT_REJECT);
  assert_ok(jobsrv_job_cancel(job, NULL)); /* while it is queued */
  assert_null(holder(&f, "k"));
  fixture_close(&f);
}

static void replace_starts_when_the_one_before_has_let_go(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *second;

  (void) state;
  open_with(&f, 0);
  first = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  is(first, JOBSRV_STATE_QUEUED);
  run_turns(&f.loop, 1);
  second = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  assert_ptr_equal(holder(&f, "k"), second);
  assert_true(jobsrv_job_cancelled(first));
  run_turns(&f.loop, 3);
  is(first, JOBSRV_STATE_RUNNING);
  is(second, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_fail(first, NULL, NULL));
  was_replaced(first);
  is(second, JOBSRV_STATE_QUEUED);
  run_turns(&f.loop, 1);
  is(second, JOBSRV_STATE_RUNNING);
  assert_ptr_equal(holder(&f, "k"), second);
  fixture_close(&f);
}

static void one_that_has_not_started_is_replaced_at_once(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *second;

  (void) state;
  open_with(&f, 0);
  first = submit(&f, "k", 0);
  second = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  was_replaced(first);
  is(second, JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

static void of_several_in_a_row_only_the_newest_runs(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *jobs[5];

  (void) state;
  open_with(&f, 0);
  first = submit(&f, "k", 0);
  run_turns(&f.loop, 1);
  for (int i = 0; i < 5; i++) {
    jobs[i] = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
    if (i > 0)
      was_replaced(jobs[i - 1]);
    is(jobs[i], JOBSRV_STATE_SCHEDULED);
  }
  is(first, JOBSRV_STATE_RUNNING);
  /* the newest is what is there */
  assert_ptr_equal(submit(&f, "k", JOBSRV_CONFLICT_EXISTING), jobs[4]);
  assert_ok(jobsrv_job_fail(first, NULL, NULL));
  was_replaced(first);
  is(jobs[4], JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

static void one_that_does_not_let_go_is_waited_for_to_its_grace(void **state) {
  fixture f = { .options = { .grace_ms = 100 } };
  jobsrv_job_t *first, *second;

  (void) state;
  open_with(&f, 0);
  first = submit(&f, "k", 0);
  run_turns(&f.loop, 1);
  second = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  fixture_ms(&f, 99);
  is(second, JOBSRV_STATE_SCHEDULED);
  fixture_ms(&f, 1);
  was_replaced(first);
  assert_true(fixture_info(first).abandoned);
  is(second, JOBSRV_STATE_RUNNING);
  fixture_close(&f);
}

/* The first still has the key when those that came for it have gone. */
static void a_replacement_may_be_cancelled_itself(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *second, *third;

  (void) state;
  open_with(&f, 0);
  first = submit(&f, "k", 0);
  run_turns(&f.loop, 1);
  second = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  assert_ok(jobsrv_job_cancel(second, NULL));
  is(second, JOBSRV_STATE_CANCELLED);
  assert_ptr_equal(holder(&f, "k"), first);
  third = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  is(third, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  is(first, JOBSRV_STATE_COMPLETED); /* it won */
  is(third, JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

static void an_attempt_out_of_time_is_no_leave_to_replace_its_job(
    void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first;
  jobsrv_spec_t spec;

  (void) state;
  open_with(&f, 0);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.unique_key = "k";
  spec.timeout_ms = 15;
  spec.retry.max_attempts = 2;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &first));
  run_turns(&f.loop, 1);
  jobsrv_job_cancellable(first, 0);
  fixture_ms(&f, 15);
  assert_true(jobsrv_job_cancelled(first)); /* its attempt is */
  assert_err(try_submit(&f, "op", "k", JOBSRV_CONFLICT_REPLACE, NULL),
             JOBSRV_ENOTCANCELLABLE);
  fixture_close(&f);
}

static void one_that_cannot_be_cancelled_is_not_replaced(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *second;

  (void) state;
  open_with(&f, 0);
  first = submit(&f, "k", 0);
  run_turns(&f.loop, 1);
  jobsrv_job_cancellable(first, 0);
  assert_err(try_submit(&f, "op", "k", JOBSRV_CONFLICT_REPLACE, NULL),
             JOBSRV_ENOTCANCELLABLE);
  assert_int_equal(fixture_stats(&f).created, 1);
  assert_false(jobsrv_job_cancelled(first));
  assert_ptr_equal(submit(&f, "k", JOBSRV_CONFLICT_EXISTING), first);
  jobsrv_job_cancellable(first, 1);
  second = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  jobsrv_job_cancellable(first, 0); /* it has been asked */
  assert_ok(jobsrv_job_cancel(second, NULL));
  second = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  is(second, JOBSRV_STATE_SCHEDULED);
  fixture_close(&f);
}

static void bounds_are_checked(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  char key[130];

  (void) state;
  open_with(&f, 0);
  memset(key, 'k', 129);
  key[129] = '\0';
  assert_err(try_submit(&f, "op", key, 0, NULL), JOBSRV_ETOOBIG);
  assert_ok(try_submit(&f, "op", key + 1, 0, &job));
  assert_int_equal(strlen(fixture_info(job).unique_key), 128);
  assert_err(try_submit(&f, "op", "k", -1, NULL), UV_EINVAL);
  assert_err(try_submit(&f, "op", "k", 3, NULL), UV_EINVAL);
  jobsrv_spec_init(&spec);
  spec.unique_key = "k";
  assert_err(jobsrv_begin(f.srv, &spec, &job), UV_EINVAL);
  fixture_close(&f);
}

/* ---- hooks that meddle ---- */

typedef struct {
  fixture *f;
  jobsrv_job_t *seen;
  int is_done;
  int close;
} meddler;

static void on_end_of_first(jobsrv_hook_t *hook,
                            jobsrv_job_t *job,
                            jobsrv_state_t from,
                            jobsrv_state_t to) {
  meddler *m = hook->data;

  (void) job;
  if (from == to || !jobsrv_state_terminal(to) || m->is_done)
    return;
  m->is_done = 1;
  /* it has ended, so the key is free, or the next one's */
  m->seen = submit(m->f, "k", JOBSRV_CONFLICT_REPLACE);
  if (m->close)
    jobsrv_close(m->f->srv, fixture_on_closed, m->f);
}

static void a_hook_may_take_the_key_the_moment_it_is_free(void **state) {
  fixture f = { 0 };
  meddler m = { .f = &f };
  jobsrv_hook_t hook = { .data = &m };
  jobsrv_job_t *first, *second;

  (void) state;
  open_with(&f, 0);
  jobsrv_hook_add(f.srv, &hook, on_end_of_first);
  first = submit(&f, "k", 0);
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  assert_non_null(m.seen);
  assert_ptr_equal(holder(&f, "k"), m.seen);
  is(m.seen, JOBSRV_STATE_QUEUED);

  m.is_done = 0;
  first = holder(&f, "k");
  run_turns(&f.loop, 1);
  second = submit(&f, "k", JOBSRV_CONFLICT_REPLACE);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  was_replaced(second);
  assert_ptr_equal(holder(&f, "k"), m.seen);
  is(m.seen, JOBSRV_STATE_QUEUED);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static void a_hook_may_close_the_server_meanwhile(void **state) {
  fixture f = { 0 };
  meddler m = { .f = &f, .close = 1 };
  jobsrv_hook_t hook = { .data = &m };
  jobsrv_job_t *first, *second;

  (void) state;
  open_with(&f, 0);
  first = submit(&f, "k", 0);
  run_turns(&f.loop, 1);
  second = jobsrv_job_ref(submit(&f, "k", JOBSRV_CONFLICT_REPLACE));
  jobsrv_hook_add(f.srv, &hook, on_end_of_first);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  is(second, JOBSRV_STATE_CANCELLED);
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 5000));
  jobsrv_job_unref(second);
  fixture_close(&f);
}

/* ---- many, and too little memory ---- */

static void thousands_of_keys_come_and_go(void **state) {
  fixture f = { .options = { .max_queued = 5000 } };
  jobsrv_job_t *jobs[3000];
  char key[20];

  (void) state;
  open_with(&f, 1);
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 3000; i++) {
      snprintf(key, sizeof(key), "key-%d", i);
      jobs[i] = submit(&f, key, JOBSRV_CONFLICT_REJECT);
    }
    for (int i = 0; i < 3000; i++) {
      snprintf(key, sizeof(key), "key-%d", i);
      assert_ptr_equal(holder(&f, key), jobs[i]);
    }
    for (int i = 0; i < 3000; i++) {
      snprintf(key, sizeof(key), "key-%d", i);
      assert_ok(jobsrv_job_cancel(jobs[i], NULL));
      assert_null(holder(&f, key));
    }
  }
  fixture_close(&f);
}

static void without_memory_nothing_changes(void **state) {
  fixture f = { 0 };
  jobsrv_faults_t faults;
  jobsrv_job_t *first = NULL, *second = NULL;
  int err;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  open_with(&f, 0);
  for (int round = 0; round < 2; round++) {
    jobsrv_job_t **out = round == 0 ? &first : &second;

    err = UV_ENOMEM;
    for (uint64_t n = 0; err != 0; n++) {
      jobsrv_faults_fail(&faults, n, 1);
      err = try_submit(&f, "op", "k", JOBSRV_CONFLICT_REPLACE, out);
      jobsrv_faults_fail(&faults, 0, 0);
      if (err != 0) {
        assert_int_equal(err, UV_ENOMEM);
        assert_ptr_equal(holder(&f, "k"), first);
        assert_true(first == NULL || !jobsrv_job_cancelled(first));
      }
      assert_true(n < 20);
    }
    run_turns(&f.loop, 1);
  }
  is(second, JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  is(second, JOBSRV_STATE_QUEUED);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void on_submitted(jobsrv_t *srv,
                         jobsrv_job_t *job,
                         int err,
                         void *data) {
  (void) srv;
  assert_ok(err);
  *(jobsrv_job_t **) data = job;
}

static void a_spec_that_is_sent_keeps_its_key(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job = NULL;
  char key[] = "k";

  (void) state;
  open_with(&f, 0);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.unique_key = key;
  assert_ok(jobsrv_submit_from(f.srv, &spec, on_submitted, &job));
  key[0] = 'x';
  run_turns(&f.loop, 3);
  assert_non_null(job);
  assert_ptr_equal(holder(&f, "k"), job);
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(existing_is_the_default_and_gives_the_one_there_is),
  cmocka_unit_test(one_that_exists_needs_no_room),
  cmocka_unit_test(the_scope_is_the_operation),
  cmocka_unit_test(reject_is_an_error_and_makes_nothing),
  cmocka_unit_test(a_key_goes_with_its_job_whatever_the_end),
  cmocka_unit_test(replace_starts_when_the_one_before_has_let_go),
  cmocka_unit_test(one_that_has_not_started_is_replaced_at_once),
  cmocka_unit_test(of_several_in_a_row_only_the_newest_runs),
  cmocka_unit_test(one_that_does_not_let_go_is_waited_for_to_its_grace),
  cmocka_unit_test(a_replacement_may_be_cancelled_itself),
  cmocka_unit_test(one_that_cannot_be_cancelled_is_not_replaced),
  cmocka_unit_test(an_attempt_out_of_time_is_no_leave_to_replace_its_job),
  cmocka_unit_test(bounds_are_checked),
  cmocka_unit_test(a_hook_may_take_the_key_the_moment_it_is_free),
  cmocka_unit_test(a_hook_may_close_the_server_meanwhile),
  cmocka_unit_test(thousands_of_keys_come_and_go),
  cmocka_unit_test(without_memory_nothing_changes),
  cmocka_unit_test(a_spec_that_is_sent_keeps_its_key),
};

RUN(tests);
