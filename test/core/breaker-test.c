/* SPDX-License-Identifier: MIT */

/* Row 18: the circuit breaker of an operation. */

#include "starts.h"

static void add_breaker(starts *s,
                        uint32_t failures,
                        uint32_t trials,
                        uint64_t open_ms) {
  jobsrv_operation_t op = { .breaker = { failures, trials, open_ms } };

  starts_add_op(s, &op, "op");
}

static jobsrv_job_t *add(starts *s) {
  jobsrv_job_t *job = starts_job(s, "op", 'a', 0, 0, NULL);

  starts_turn(s);
  return job;
}

static void complete(starts *s, jobsrv_job_t *job) {
  starts_complete(s, job);
}

static void fail_it(starts *s, jobsrv_job_t *job) {
  assert_ok(jobsrv_job_fail(job, "broken", NULL));
  starts_turn(s);
}

static jobsrv_operation_stats_t stats_of(const starts *s) {
  jobsrv_operation_stats_t stats = { .size = sizeof(stats) };

  assert_ok(jobsrv_operation_stats(s->f.srv, "op", &stats));
  return stats;
}

static void open_it(starts *s, int failures) {
  for (int i = 0; i < failures; i++)
    fail_it(s, add(s));
  assert_int_equal(stats_of(s).breaker, JOBSRV_BREAKER_OPEN);
}

#define assert_runs(job)                                                      \
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING)
#define assert_waits(job)                                                     \
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_QUEUED)

static void so_many_failures_in_a_row_open_it(void **state) {
  starts s = { 0 };
  jobsrv_job_t *job;
  jobsrv_job_info_t info;

  (void) state;
  starts_open(&s);
  add_breaker(&s, 3, 0, 500);
  fail_it(&s, add(&s));
  fail_it(&s, add(&s));
  complete(&s, add(&s)); /* the row is broken */
  fail_it(&s, add(&s));
  fail_it(&s, add(&s));
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  fail_it(&s, add(&s));
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_OPEN);
  assert_int_equal(stats_of(&s).breaker_opens, 1);
  assert_int_equal(stats_of(&s).breaker_open_ns, 500000000);

  job = add(&s);
  info = fixture_info(job);
  assert_int_equal(info.state, JOBSRV_STATE_FAILED);
  assert_string_equal(info.error_code, "circuit_open");
  assert_int_equal(info.attempt, 0);
  assert_int_equal(info.started_wall_ns, 0);
  assert_int_equal(s.n, 6);
  assert_int_equal(stats_of(&s).starts, 6);
  starts_close(&s);
}

static void after_its_time_one_trial_closes_or_opens_it(void **state) {
  starts s = { 0 };
  jobsrv_job_t *trial, *next;

  (void) state;
  starts_open(&s);
  add_breaker(&s, 2, 0, 500); /* one trial unless it says more */
  open_it(&s, 2);
  fixture_ms(&s.f, 499);
  assert_int_equal(jobsrv_job_state(add(&s)), JOBSRV_STATE_FAILED);
  fixture_ms(&s.f, 1);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_HALF_OPEN);
  assert_int_equal(stats_of(&s).breaker_open_ns, 0);
  trial = add(&s);
  next = add(&s);
  assert_runs(trial);
  assert_waits(next);
  fail_it(&s, trial); /* open again: the next is not let in */
  assert_int_equal(stats_of(&s).breaker_opens, 2);
  assert_string_equal(fixture_info(next).error_code, "circuit_open");
  fixture_ms(&s.f, 500);
  trial = add(&s);
  next = add(&s);
  assert_waits(next);
  complete(&s, trial);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  assert_runs(next);
  fail_it(&s, next); /* and it counts from none */
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  starts_close(&s);
}

static void all_of_several_trials_have_to_complete(void **state) {
  starts s = { 0 };
  jobsrv_job_t *job[5];

  (void) state;
  starts_open(&s);
  add_breaker(&s, 1, 3, 500);
  open_it(&s, 1);
  fixture_ms(&s.f, 500);
  for (int i = 0; i < 5; i++)
    job[i] = add(&s);
  assert_runs(job[2]);
  assert_waits(job[3]);
  complete(&s, job[0]);
  complete(&s, job[1]);
  assert_waits(job[3]);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_HALF_OPEN);
  complete(&s, job[2]);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  assert_runs(job[3]);
  assert_runs(job[4]);
  starts_close(&s);
}

static void one_failed_trial_is_enough_and_the_others_count_no_more(
    void **state) {
  starts s = { 0 };
  jobsrv_job_t *job[4];

  (void) state;
  starts_open(&s);
  add_breaker(&s, 1, 2, 500);
  open_it(&s, 1);
  fixture_ms(&s.f, 500);
  job[0] = add(&s);
  job[1] = add(&s);
  fail_it(&s, job[0]);
  assert_int_equal(stats_of(&s).breaker_opens, 2);
  fixture_ms(&s.f, 500);
  job[2] = add(&s);
  job[3] = add(&s);
  assert_runs(job[2]);
  assert_runs(job[3]); /* the one of the round before takes no place */
  fail_it(&s, job[1]); /* nor has it anything more to say */
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_HALF_OPEN);
  complete(&s, job[2]);
  complete(&s, job[3]);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  starts_close(&s);
}

static void one_that_ends_cancelled_counts_for_neither(void **state) {
  starts s = { 0 };
  jobsrv_job_t *job, *next;

  (void) state;
  starts_open(&s);
  add_breaker(&s, 2, 1, 500);
  fail_it(&s, add(&s));
  job = add(&s);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fail_it(&s, job);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  fail_it(&s, add(&s)); /* the row was not broken by it */
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_OPEN);
  fixture_ms(&s.f, 500);
  job = add(&s);
  next = add(&s);
  assert_ok(jobsrv_job_cancel(job, NULL));
  fail_it(&s, job);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_HALF_OPEN);
  assert_runs(next); /* a trial in its place */
  complete(&s, next);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  starts_close(&s);
}

static void timeouts_and_refused_starts_are_failures(void **state) {
  starts s = { .f.options = { .timeout_ms = 100, .grace_ms = 10 } };
  jobsrv_job_t *job;

  (void) state;
  starts_open(&s);
  add_breaker(&s, 1, 1, 500);
  job = add(&s);
  fixture_ms(&s.f, 100);
  fixture_ms(&s.f, 10); /* abandoned */
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_OPEN);
  starts_close(&s);
}

static void what_started_before_it_opened_no_longer_matters(void **state) {
  starts s = { 0 };
  jobsrv_job_t *job[3];

  (void) state;
  starts_open(&s);
  add_breaker(&s, 1, 1, 500);
  for (int i = 0; i < 3; i++)
    job[i] = add(&s);
  fail_it(&s, job[0]);
  fixture_ms(&s.f, 300);
  fail_it(&s, job[1]); /* does not make it longer */
  assert_int_equal(stats_of(&s).breaker_opens, 1);
  assert_int_equal(stats_of(&s).breaker_open_ns, 200000000);
  fixture_ms(&s.f, 200);
  complete(&s, job[2]); /* is no trial */
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_HALF_OPEN);
  starts_close(&s);
}

static void it_is_open_for_a_minute_if_nothing_is_said(void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  add_breaker(&s, 1, 0, 0);
  open_it(&s, 1);
  fixture_ms(&s.f, 59999);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_OPEN);
  fixture_ms(&s.f, 1);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_HALF_OPEN);
  starts_close(&s);
}

static void without_one_failures_are_not_counted(void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  for (int i = 0; i < 100; i++)
    fail_it(&s, add(&s));
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  assert_int_equal(stats_of(&s).breaker_opens, 0);
  assert_runs(add(&s));
  starts_close(&s);
}

static void while_open_what_could_not_start_is_not_failed(void **state) {
  starts s = { .f.options.max_running = 1 };
  jobsrv_job_t *other, *job;

  (void) state;
  starts_open(&s);
  add_breaker(&s, 1, 1, 500);
  starts_add(&s, "other", 0);
  open_it(&s, 1);
  other = starts_job(&s, "other", 'o', 0, 0, NULL);
  starts_turn(&s);
  job = add(&s);
  assert_waits(job);
  fixture_ms(&s.f, 500);
  starts_complete(&s, other);
  assert_runs(job);
  starts_close(&s);
}

static void it_takes_no_tokens_while_it_is_open(void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { .breaker = { 1, 1, 500 }, .rate = { 2, 100000 } };

  (void) state;
  starts_open(&s);
  starts_add_op(&s, &op, "op");
  open_it(&s, 1);
  for (int i = 0; i < 10; i++)
    assert_int_equal(jobsrv_job_state(add(&s)), JOBSRV_STATE_FAILED);
  assert_int_equal(stats_of(&s).tokens, 1);
  starts_close(&s);
}

static void stats_tell_what_is_there_and_no_more_than_asked(void **state) {
  starts s = { 0 };
  jobsrv_operation_stats_t stats;
  jobsrv_operation_t op = { .max_running = 2, .rate = { 5, 1000 } };

  (void) state;
  starts_open(&s);
  starts_add_op(&s, &op, "op");
  for (int i = 0; i < 6; i++)
    (void) add(&s);
  stats = stats_of(&s);
  assert_int_equal(stats.size, sizeof(stats));
  assert_int_equal(stats.starts, 2);
  assert_int_equal(stats.running_weight, 2);
  assert_int_equal(stats.queued, 4);
  assert_int_equal(stats.tokens, 3);
  memset(&stats, 0xff, sizeof(stats));
  stats.size = offsetof(jobsrv_operation_stats_t, running_weight);
  assert_ok(jobsrv_operation_stats(s.f.srv, "op", &stats));
  assert_int_equal(stats.starts, 2);
  assert_int_equal(stats.running_weight, UINT64_MAX);
  assert_err(jobsrv_operation_stats(s.f.srv, "none", &stats),
             JOBSRV_ENOOPERATION);
  starts_close(&s);
}

static void refused_ones_are_retried_when_its_time_is_over(void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { .breaker = { 2, 1, 5000 },
                            .retry = { .max_attempts = 3, .backoff_ms = 100,
                                       .jitter = JOBSRV_JITTER_NONE } };
  jobsrv_job_t *job, *fresh, *last;
  jobsrv_spec_t once = { .retry.max_attempts = 1 };
  jobsrv_job_info_t info;

  (void) state;
  starts_open(&s);
  starts_add_op(&s, &op, "op");
  job = add(&s);
  fail_it(&s, job);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  fixture_ms(&s.f, 100);
  assert_int_equal(fixture_info(job).attempt, 2);
  fail_it(&s, job); /* attempts are what is counted, not jobs */
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_OPEN);
  fresh = add(&s);
  info = fixture_info(fresh);
  assert_int_equal(info.state, JOBSRV_STATE_RETRYING);
  assert_string_equal(info.error_code, "circuit_open");
  assert_int_equal(info.attempt, 0);
  assert_int_equal(info.next_attempt_wall_ns,
                   jobsrv_wall_now(s.f.srv) + 5000000000);
  last = starts_submit(&s, &once, "op", 'a');
  starts_turn(&s);
  assert_int_equal(jobsrv_job_state(last), JOBSRV_STATE_FAILED);
  fixture_ms(&s.f, 200); /* its third attempt, and it could not have more */
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  assert_string_equal(fixture_info(job).error_code, "circuit_open");
  assert_int_equal(fixture_info(job).attempt, 2);
  fixture_ms(&s.f, 4799);
  assert_int_equal(jobsrv_job_state(fresh), JOBSRV_STATE_RETRYING);
  fixture_ms(&s.f, 1);
  assert_runs(fresh);
  assert_int_equal(fixture_info(fresh).attempt, 1);
  complete(&s, fresh);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  starts_close(&s);
}

static void a_snoozed_attempt_counts_for_neither(void **state) {
  starts s = { 0 };
  jobsrv_job_t *job, *next;

  (void) state;
  starts_open(&s);
  add_breaker(&s, 2, 1, 500);
  fail_it(&s, add(&s));
  job = add(&s);
  assert_ok(jobsrv_job_snooze(job, 100));
  starts_turn(&s);
  fail_it(&s, add(&s));
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_OPEN);
  fixture_ms(&s.f, 100);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  fixture_ms(&s.f, 400);
  job = add(&s);
  next = add(&s);
  assert_runs(job);
  assert_waits(next);
  assert_ok(jobsrv_job_snooze(job, 1000));
  starts_turn(&s);
  assert_runs(next); /* a trial in its place */
  complete(&s, next);
  assert_int_equal(stats_of(&s).breaker, JOBSRV_BREAKER_CLOSED);
  starts_close(&s);
}

static void a_suspended_trial_is_still_one(void **state) {
  starts s = { 0 };
  jobsrv_job_t *trial, *next;

  (void) state;
  starts_open(&s);
  add_breaker(&s, 1, 1, 500);
  open_it(&s, 1);
  fixture_ms(&s.f, 500);
  trial = add(&s);
  assert_ok(jobsrv_job_suspend(trial, NULL, 0));
  starts_turn(&s);
  next = add(&s);
  assert_waits(next);
  assert_ok(jobsrv_job_answer(trial, NULL, 0));
  starts_turn(&s);
  assert_runs(trial); /* it goes on: it is not let in a second time */
  assert_waits(next);
  complete(&s, trial);
  assert_runs(next);
  starts_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(so_many_failures_in_a_row_open_it),
  cmocka_unit_test(after_its_time_one_trial_closes_or_opens_it),
  cmocka_unit_test(all_of_several_trials_have_to_complete),
  cmocka_unit_test(one_failed_trial_is_enough_and_the_others_count_no_more),
  cmocka_unit_test(one_that_ends_cancelled_counts_for_neither),
  cmocka_unit_test(timeouts_and_refused_starts_are_failures),
  cmocka_unit_test(what_started_before_it_opened_no_longer_matters),
  cmocka_unit_test(it_is_open_for_a_minute_if_nothing_is_said),
  cmocka_unit_test(without_one_failures_are_not_counted),
  cmocka_unit_test(while_open_what_could_not_start_is_not_failed),
  cmocka_unit_test(it_takes_no_tokens_while_it_is_open),
  cmocka_unit_test(refused_ones_are_retried_when_its_time_is_over),
  cmocka_unit_test(a_snoozed_attempt_counts_for_neither),
  cmocka_unit_test(a_suspended_trial_is_still_one),
  cmocka_unit_test(stats_tell_what_is_there_and_no_more_than_asked),
};

RUN(tests);
