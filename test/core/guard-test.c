/* SPDX-License-Identifier: MIT */

/* Row 24: a guard, and work that runs until it is cancelled. */

#include "fixture.h"

#include <stdlib.h>

static int fetch_one(jobsrv_token_t *token) {
  return jobsrv_token_reason(token) != NULL;
}

static int other_fails;

static int fetch_other(jobsrv_token_t *token) {
  return fetch_one(token) || other_fails;
}

/* As in the header. */
static int fetch_both(jobsrv_token_t *token) {
  JOBSRV_DROP_GUARD(guard, token);

  if (fetch_one(token) != 0 || fetch_other(token) != 0)
    return -1;
  jobsrv_drop_guard_disarm(&guard);
  return 0;
}

static void leaving_early_cancels_and_leaving_well_does_not(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  other_fails = 0;
  assert_int_equal(fetch_both(token), 0);
  assert_null(jobsrv_token_reason(token));
  other_fails = 1;
  assert_int_equal(fetch_both(token), -1);
  assert_int_equal(jobsrv_token_reason(token)->code, JOBSRV_REASON_REQUESTED);
  assert_int_equal(fetch_both(token), -1); /* set already: no harm */
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void a_guard_acts_once_and_a_zeroed_one_never(void **state) {
  fixture f = { 0 };
  jobsrv_drop_guard_t guard = { 0 }, other;
  jobsrv_token_t *token;

  (void) state;
  fixture_open(&f);
  jobsrv_drop_guard_drop(&guard);
  jobsrv_drop_guard_disarm(&guard);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  guard = jobsrv_token_drop_guard(token);
  other = jobsrv_token_drop_guard(token);
  jobsrv_token_unref(token); /* the guards keep it */
  jobsrv_drop_guard_disarm(&guard);
  jobsrv_drop_guard_drop(&guard);
  assert_null(jobsrv_token_reason(other.token));
  jobsrv_drop_guard_drop(&other);
  jobsrv_drop_guard_drop(&other);
  fixture_close(&f);
}

static void drop_a_jobs(void *arg) {
  jobsrv_drop_guard_t guard = jobsrv_token_drop_guard(arg);

  jobsrv_drop_guard_drop(&guard);
}

static void a_guard_of_a_job_asks_it_to_stop_from_any_thread(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  uv_thread_t thread;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_ok(uv_thread_create(&thread, drop_a_jobs, jobsrv_job_token(job)));
  assert_ok(uv_thread_join(&thread));
  assert_true(jobsrv_job_cancelled(job));
  fixture_close(&f);
}

/* ---- races ---- */

typedef struct {
  jobsrv_race_t race;
  int calls;
  int result;
  jobsrv_reason_code_t code;
} lookup;

static void on_looked_up(jobsrv_race_t *race,
                         const jobsrv_reason_t *reason,
                         int result) {
  lookup *l = race->data;

  l->calls++;
  l->result = result;
  l->code = reason != NULL ? reason->code : JOBSRV_REASON_MAX;
}

static void begin(lookup *l, jobsrv_token_t *token) {
  memset(l, 0, sizeof(*l));
  l->race.data = l;
  assert_ok(jobsrv_run_until_cancelled(&l->race, token, on_looked_up));
}

static void told(const lookup *l, int result, jobsrv_reason_code_t code) {
  assert_int_equal(l->calls, 1);
  assert_int_equal(l->result, result);
  assert_int_equal(l->code, code);
}

static void the_first_of_the_two_is_told_once(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;
  lookup done, late;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  begin(&done, token);
  begin(&late, token);
  assert_ok(jobsrv_race_done(&done.race, 7));
  told(&done, 7, JOBSRV_REASON_MAX);
  assert_err(jobsrv_race_done(&done.race, 8), JOBSRV_ESETTLED);
  assert_ok(jobsrv_token_cancel(token, NULL));
  told(&late, JOBSRV_CANCELLED, JOBSRV_REASON_REQUESTED);
  assert_err(jobsrv_race_done(&late.race, 9), JOBSRV_ESETTLED);
  told(&done, 7, JOBSRV_REASON_MAX);
  told(&late, JOBSRV_CANCELLED, JOBSRV_REASON_REQUESTED);
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void a_token_that_is_set_already_lets_nothing_begin(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;
  lookup l = { 0 };

  (void) state;
  fixture_open(&f);
  l.race.data = &l;
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  assert_ok(jobsrv_token_cancel(token, NULL));
  assert_err(jobsrv_run_until_cancelled(&l.race, token, on_looked_up),
             JOBSRV_ESETTLED);
  assert_err(jobsrv_race_done(&l.race, 1), JOBSRV_ESETTLED);
  jobsrv_race_stop(&l.race);
  assert_int_equal(l.calls, 0);
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void a_race_that_is_stopped_tells_nobody(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;
  lookup l;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  begin(&l, token);
  jobsrv_race_stop(&l.race);
  jobsrv_race_stop(&l.race);
  assert_err(jobsrv_race_done(&l.race, 1), JOBSRV_ESETTLED);
  assert_ok(jobsrv_token_cancel(token, NULL));
  assert_int_equal(l.calls, 0);
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void cancel_it(void *arg) {
  assert_ok(jobsrv_token_cancel(arg, NULL));
}

static void what_another_thread_said_first_counts(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;
  uv_thread_t thread;
  lookup l;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  begin(&l, token);
  assert_ok(uv_thread_create(&thread, cancel_it, token));
  assert_ok(uv_thread_join(&thread));
  assert_int_equal(l.calls, 0);
  assert_err(jobsrv_race_done(&l.race, 5), JOBSRV_ESETTLED);
  told(&l, JOBSRV_CANCELLED, JOBSRV_REASON_REQUESTED);
  fixture_ms(&f, 0);
  assert_int_equal(l.calls, 1);
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void free_it(jobsrv_race_t *race,
                    const jobsrv_reason_t *reason,
                    int result) {
  (void) reason;
  (void) result;
  jobsrv_token_unref(race->data);
  free(race);
}

static void the_callback_may_free_the_race_and_drop_the_token(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;
  jobsrv_race_t *race;

  (void) state;
  fixture_open(&f);
  for (int done = 0; done < 2; done++) {
    race = calloc(1, sizeof(*race));
    assert_non_null(race);
    assert_ok(jobsrv_token_new(&token, f.srv, NULL));
    race->data = token;
    assert_ok(jobsrv_run_until_cancelled(race, token, free_it));
    if (done)
      assert_ok(jobsrv_race_done(race, 0));
    else
      assert_ok(jobsrv_token_cancel(token, NULL));
  }
  fixture_close(&f);
}

static void run_again(jobsrv_race_t *race,
                      const jobsrv_reason_t *reason,
                      int result) {
  lookup *l = race->data;
  jobsrv_token_t *token = *(jobsrv_token_t **) (void *) (l + 1);

  on_looked_up(race, reason, result);
  if (l->calls == 1)
    assert_ok(jobsrv_run_until_cancelled(race, token, run_again));
}

static void the_callback_may_run_it_again(void **state) {
  struct {
    lookup l;
    jobsrv_token_t *token;
  } both = { 0 };
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&both.token, f.srv, NULL));
  both.l.race.data = &both.l;
  assert_ok(jobsrv_run_until_cancelled(&both.l.race, both.token, run_again));
  assert_ok(jobsrv_race_done(&both.l.race, 1));
  assert_int_equal(both.l.calls, 1);
  assert_ok(jobsrv_race_done(&both.l.race, 2));
  assert_int_equal(both.l.calls, 2);
  assert_int_equal(both.l.result, 2);
  jobsrv_token_unref(both.token);
  fixture_close(&f);
}

/* What an async operation makes of it: one race a job, on the job's token. */
static void looked_up_for_a_job(jobsrv_race_t *race,
                                const jobsrv_reason_t *reason,
                                int result) {
  jobsrv_job_t *job = race->data;

  (void) result;
  if (reason != NULL)
    assert_ok(jobsrv_job_fail(job, "cancelled", NULL));
  else
    assert_ok(jobsrv_job_complete(job, NULL, 0));
}

static void an_operation_ends_its_job_by_it(void **state) {
  fixture f = { 0 };
  jobsrv_race_t races[2] = { 0 };
  jobsrv_job_t *jobs[2];

  (void) state;
  fixture_open(&f);
  for (size_t i = 0; i < 2; i++) {
    jobs[i] = fixture_begin(&f);
    races[i].data = jobs[i];
    assert_ok(jobsrv_run_until_cancelled(&races[i], jobsrv_job_token(jobs[i]),
                                         looked_up_for_a_job));
  }
  assert_ok(jobsrv_race_done(&races[0], 0));
  assert_ok(jobsrv_job_cancel(jobs[1], NULL));
  assert_int_equal(jobsrv_job_state(jobs[0]), JOBSRV_STATE_COMPLETED);
  assert_int_equal(jobsrv_job_state(jobs[1]), JOBSRV_STATE_CANCELLED);
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(leaving_early_cancels_and_leaving_well_does_not),
  cmocka_unit_test(a_guard_acts_once_and_a_zeroed_one_never),
  cmocka_unit_test(a_guard_of_a_job_asks_it_to_stop_from_any_thread),
  cmocka_unit_test(the_first_of_the_two_is_told_once),
  cmocka_unit_test(a_token_that_is_set_already_lets_nothing_begin),
  cmocka_unit_test(a_race_that_is_stopped_tells_nobody),
  cmocka_unit_test(what_another_thread_said_first_counts),
  cmocka_unit_test(the_callback_may_free_the_race_and_drop_the_token),
  cmocka_unit_test(the_callback_may_run_it_again),
  cmocka_unit_test(an_operation_ends_its_job_by_it),
};

RUN(tests);
