/* SPDX-License-Identifier: MIT */

/* Row 9: how long, and how many, ended jobs are kept for each outcome. */

#include "fixture.h"

#include "jobsrv/list.h"

enum { COMPLETE, FAIL, CANCEL };

static jobsrv_job_t *ended(fixture *f, int how) {
  jobsrv_job_t *job = fixture_begin(f);

  jobsrv_job_ref(job);
  if (how == COMPLETE)
    assert_ok(jobsrv_job_complete(job, NULL, 0));
  else if (how == FAIL)
    assert_ok(jobsrv_job_fail(job, NULL, NULL));
  else {
    assert_ok(jobsrv_job_cancel(job, NULL));
    assert_ok(jobsrv_job_fail(job, NULL, NULL));
  }
  return job;
}

/* 0, or why not. Gives the reference back. */
static int is_there(fixture *f, jobsrv_job_t *job) {
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *found = NULL;
  int err = jobsrv_find(f->srv, jobsrv_job_id(job, id), &found);

  assert_true(err != 0 || found == job);
  jobsrv_job_unref(job);
  return err;
}

static void it_is_kept_for_ten_minutes_by_default(void **state) {
  fixture f = { 0 };

  (void) state;
  for (int how = COMPLETE; how <= CANCEL; how++) {
    jobsrv_job_t *job;

    fixture_open(&f);
    job = jobsrv_job_ref(ended(&f, how));
    assert_int_equal(fixture_info(job).expires_wall_ns -
                         fixture_info(job).finished_wall_ns,
                     UINT64_C(600000000000));
    fixture_ms(&f, 599999);
    assert_ok(is_there(&f, jobsrv_job_ref(job)));
    fixture_ms(&f, 1);
    assert_err(is_there(&f, job), JOBSRV_EEXPIRED);
    assert_int_equal(fixture_stats(&f).expired, 1);
    jobsrv_job_unref(job);
    fixture_close(&f);
  }
}

static void each_outcome_has_an_age_of_its_own(void **state) {
  fixture f = { .options = { .retain_ms = 10,
                             .retain_failed_ms = 20,
                             .retain_cancelled_ms = 30 } };
  jobsrv_job_t *jobs[3];

  (void) state;
  fixture_open(&f);
  for (int how = COMPLETE; how <= CANCEL; how++)
    jobs[how] = ended(&f, how);
  for (int how = COMPLETE; how <= CANCEL; how++) {
    fixture_ms(&f, 9);
    assert_ok(is_there(&f, jobsrv_job_ref(jobs[how])));
    fixture_ms(&f, 1);
    assert_err(is_there(&f, jobs[how]), JOBSRV_EEXPIRED);
  }
  fixture_close(&f);
}

static void the_options_in_force_say_what_was_left_out(void **state) {
  fixture f = { .options = { .retain_ms = 10, .max_retained = 7 } };
  const jobsrv_options_t *in_force;

  (void) state;
  fixture_open(&f);
  in_force = jobsrv_options(f.srv);
  assert_int_equal(in_force->retain_failed_ms, 10);
  assert_int_equal(in_force->retain_cancelled_ms, 10);
  assert_int_equal(in_force->max_retained_completed, 7);
  assert_int_equal(in_force->max_retained_failed, 7);
  assert_int_equal(in_force->max_retained_cancelled, 7);
  fixture_close(&f);
}

/* Ends a job of "op" in one way; says after how many ms it goes. */
static uint64_t kept_for(fixture *f, int how, uint64_t spec_ms) {
  jobsrv_spec_t spec;
  jobsrv_job_info_t info;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.retain_ms = spec_ms;
  assert_ok(jobsrv_submit(f->srv, &spec, NULL, &job));
  run_turns(&f->loop, 1);
  if (how == COMPLETE)
    assert_ok(jobsrv_job_complete(job, NULL, 0));
  else if (how == CANCEL)
    assert_ok(jobsrv_job_cancel(job, NULL));
  if (how != COMPLETE)
    assert_ok(jobsrv_job_fail(job, NULL, NULL));
  info = fixture_info(job);
  return (info.expires_wall_ns - info.finished_wall_ns) / 1000000;
}

static void an_operation_and_a_spec_may_say_otherwise(void **state) {
  fixture f = { .options = { .retain_ms = 1,
                             .retain_failed_ms = 2,
                             .retain_cancelled_ms = 3 } };
  jobsrv_operation_t op;

  (void) state;
  for (int says = 0; says < 3; says++) {
    fixture_open(&f);
    jobsrv_operation_init(&op);
    op.name = "op";
    op.start = fixture_start;
    if (says >= 1)
      op.retain_ms = 10;
    if (says >= 2) {
      op.retain_failed_ms = 20;
      op.retain_cancelled_ms = 30;
    }
    assert_ok(jobsrv_operation_add(f.srv, &op));
    assert_int_equal(kept_for(&f, COMPLETE, 0), says == 0 ? 1 : 10);
    assert_int_equal(kept_for(&f, FAIL, 0),
                     says == 0 ? 2 : says == 1 ? 10 : 20);
    assert_int_equal(kept_for(&f, CANCEL, 0),
                     says == 0 ? 3 : says == 1 ? 10 : 30);
    for (int how = COMPLETE; how <= CANCEL; how++)
      assert_int_equal(kept_for(&f, how, 77), 77);
    fixture_close(&f);
  }
}

static void a_thousand_are_kept_by_default(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *first, *second;

  (void) state;
  fixture_open(&f);
  first = ended(&f, COMPLETE);
  second = ended(&f, COMPLETE);
  for (int i = 2; i < 1000; i++)
    jobsrv_job_unref(ended(&f, i % 3));
  assert_int_equal(fixture_stats(&f).retained, 1000);
  assert_ok(is_there(&f, jobsrv_job_ref(first)));
  jobsrv_job_unref(ended(&f, FAIL));
  assert_int_equal(fixture_stats(&f).retained, 1000);
  assert_err(is_there(&f, first), JOBSRV_EEXPIRED);
  assert_ok(is_there(&f, second));
  fixture_close(&f);
}

static void each_outcome_has_a_cap_of_its_own(void **state) {
  fixture f = { .options = { .max_retained_completed = 1,
                             .max_retained_failed = 2,
                             .max_retained_cancelled = 3 } };
  jobsrv_job_t *jobs[3][4];

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 4; i++)
    for (int how = COMPLETE; how <= CANCEL; how++)
      jobs[how][i] = ended(&f, how);
  for (int how = COMPLETE; how <= CANCEL; how++)
    for (int i = 0; i < 4; i++)
      assert_err(is_there(&f, jobs[how][i]),
                 i >= 3 - how ? 0 : JOBSRV_EEXPIRED);
  assert_int_equal(fixture_stats(&f).retained, 6);
  assert_int_equal(fixture_stats(&f).expired, 6);
  fixture_close(&f);
}

static void the_cap_of_all_takes_whichever_ended_first(void **state) {
  fixture f = { .options = { .max_retained = 3 } };
  jobsrv_job_t *jobs[9];

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 9; i++) {
    jobs[i] = ended(&f, (i * 2) % 3);
    if (i % 2 == 0) /* some of them in the same moment */
      fixture_ms(&f, 1);
  }
  for (int i = 0; i < 9; i++)
    assert_err(is_there(&f, jobs[i]), i < 6 ? JOBSRV_EEXPIRED : 0);
  fixture_close(&f);
}

static void end_others(jobsrv_hook_t *hook,
                       jobsrv_job_t *job,
                       jobsrv_state_t from,
                       jobsrv_state_t to) {
  jobsrv_job_t *other = hook->data;

  (void) job;
  (void) from;
  if (!jobsrv_state_terminal(to) || other == NULL)
    return;
  hook->data = NULL;
  assert_ok(jobsrv_job_complete(other, NULL, 0));
}

/* The second ends inside the first one's hooks, but after it. */
static void the_order_is_that_of_the_ends_even_inside_a_hook(void **state) {
  fixture f = { .options = { .max_retained = 2 } };
  jobsrv_job_t *first, *second;
  jobsrv_hook_t hook = { 0 };

  (void) state;
  fixture_open(&f);
  first = jobsrv_job_ref(fixture_begin(&f));
  second = jobsrv_job_ref(fixture_begin(&f));
  hook.data = second;
  jobsrv_hook_add(f.srv, &hook, end_others);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  assert_true(jobsrv_state_terminal(jobsrv_job_state(second)));
  jobsrv_job_unref(ended(&f, COMPLETE));
  assert_err(is_there(&f, first), JOBSRV_EEXPIRED);
  assert_ok(is_there(&f, second));
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static void the_last_expired_ids_are_told_from_unknown_ones(void **state) {
  fixture f = { .options = { .max_retained = 1, .max_expired = 2 } };
  jobsrv_job_t *jobs[5], *found;

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 5; i++)
    jobs[i] = ended(&f, COMPLETE);
  for (int i = 0; i < 5; i++)
    assert_err(is_there(&f, jobs[i]), i < 2   ? JOBSRV_ENOJOB
                                      : i < 4 ? JOBSRV_EEXPIRED
                                              : 0);
  assert_err(jobsrv_find(f.srv, "job-none", &found), JOBSRV_ENOJOB);
  fixture_close(&f);
}

typedef struct {
  jobsrv_hook_t first, second;
  jobsrv_state_t when;    /* the job is cancelled when it gets there */
  jobsrv_job_t *other;    /* and this one inside: the only one to be kept */
  jobsrv_handle_t handle;
  int seen;
} forgetting;

static void forget_it(jobsrv_hook_t *hook,
                      jobsrv_job_t *job,
                      jobsrv_state_t from,
                      jobsrv_state_t to) {
  forgetting *f = hook->data;
  jobsrv_job_t *other = f->other;

  (void) from;
  if (to == f->when && f->handle.generation == 0) {
    f->handle = jobsrv_job_handle(job);
    assert_ok(jobsrv_job_cancel(job, NULL));
  } else if (to == JOBSRV_STATE_CANCELLED && other != NULL) {
    f->other = NULL;
    assert_ok(jobsrv_job_cancel(other, NULL));
  }
}

static void see_it_still(jobsrv_hook_t *hook,
                         jobsrv_job_t *job,
                         jobsrv_state_t from,
                         jobsrv_state_t to) {
  forgetting *f = hook->data;
  jobsrv_handle_t handle = jobsrv_job_handle(job);

  (void) from;
  if (to != f->when || !jobsrv_state_terminal(jobsrv_job_state(job)))
    return;
  f->seen++;
  assert_null(jobsrv_job_by_handle(jobsrv_job_server(job), f->handle));
  assert_int_equal(handle.index, f->handle.index);
  assert_int_equal(handle.generation, f->handle.generation);
}

static void open_to_forget(fixture *f, forgetting *forget, jobsrv_state_t when) {
  memset(forget, 0, sizeof(*forget));
  f->options.max_retained = 1;
  fixture_open(f);
  fixture_add(f, "op", 0);
  forget->when = when;
  forget->first.data = forget;
  forget->second.data = forget;
}

static void hooks_to_forget(fixture *f, forgetting *forget) {
  jobsrv_hook_add(f->srv, &forget->first, forget_it);
  jobsrv_hook_add(f->srv, &forget->second, see_it_still);
}

static void close_forgotten(fixture *f, forgetting *forget) {
  assert_int_equal(forget->seen, 1);
  jobsrv_hook_remove(&forget->first);
  jobsrv_hook_remove(&forget->second);
  fixture_close(f);
}

static void one_forgotten_by_a_hook_is_there_for_the_next(void **state) {
  fixture f = { 0 };
  forgetting forget;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  open_to_forget(&f, &forget, JOBSRV_STATE_QUEUED);
  forget.other = fixture_submit(&f, "op");
  hooks_to_forget(&f, &forget);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  assert_null(job);
  close_forgotten(&f, &forget);
}

static void one_that_is_to_wait_may_be_forgotten_instead(void **state) {
  fixture f = { 0 };
  forgetting forget;
  jobsrv_job_t *job;

  (void) state;
  open_to_forget(&f, &forget, JOBSRV_STATE_SCHEDULED);
  forget.other = fixture_submit(&f, "op");
  job = fixture_submit(&f, "op");
  hooks_to_forget(&f, &forget);
  assert_ok(jobsrv_job_after(job, forget.other));
  close_forgotten(&f, &forget);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_is_kept_for_ten_minutes_by_default),
  cmocka_unit_test(each_outcome_has_an_age_of_its_own),
  cmocka_unit_test(the_options_in_force_say_what_was_left_out),
  cmocka_unit_test(an_operation_and_a_spec_may_say_otherwise),
  cmocka_unit_test(a_thousand_are_kept_by_default),
  cmocka_unit_test(each_outcome_has_a_cap_of_its_own),
  cmocka_unit_test(the_cap_of_all_takes_whichever_ended_first),
  cmocka_unit_test(the_order_is_that_of_the_ends_even_inside_a_hook),
  cmocka_unit_test(the_last_expired_ids_are_told_from_unknown_ones),
  cmocka_unit_test(one_forgotten_by_a_hook_is_there_for_the_next),
  cmocka_unit_test(one_that_is_to_wait_may_be_forgotten_instead),
};

RUN(tests);
