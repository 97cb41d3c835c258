/* SPDX-License-Identifier: MIT */

/* Row 18: the rate of an operation's starts. */

#include "starts.h"

#include "core/rate.h"
#include "core/server.h"

static const uint64_t ms = 1000000;

static void add_rate(starts *s, uint32_t count, uint64_t per_ms) {
  jobsrv_operation_t op = { .rate = { count, per_ms } };

  starts_add_op(s, &op, "op");
}

static void submit(starts *s, int n) {
  for (int i = 0; i < n; i++)
    starts_job(s, "op", 'a', 0, 0, NULL);
  starts_turn(s);
}

static void ns(starts *s, uint64_t by) {
  jobsrv_manual_clock_advance(&s->f.clock, by);
  starts_turn(s);
}

static uint32_t tokens(const starts *s) {
  jobsrv_operation_stats_t stats = { .size = sizeof(stats) };

  assert_ok(jobsrv_operation_stats(s->f.srv, "op", &stats));
  return stats.tokens;
}

static void as_many_as_it_says_start_at_once_and_the_rest_evenly(
    void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  add_rate(&s, 4, 100);
  assert_int_equal(tokens(&s), 4);
  submit(&s, 10);
  assert_int_equal(s.n, 4);
  assert_int_equal(tokens(&s), 0);
  for (size_t i = 5; i <= 10; i++) {
    ns(&s, 24 * ms);
    assert_int_equal(s.n, i - 1);
    ns(&s, ms);
    assert_int_equal(s.n, i);
  }
  ns(&s, 1000 * ms);
  assert_int_equal(tokens(&s), 4); /* no more is saved up */
  submit(&s, 10);
  assert_int_equal(s.n, 14);
  starts_close(&s);
}

static void a_second_is_what_it_is_in_if_nothing_is_said(void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  add_rate(&s, 1, 0);
  submit(&s, 3);
  assert_int_equal(s.n, 1);
  ns(&s, 999 * ms);
  assert_int_equal(s.n, 1);
  ns(&s, ms);
  assert_int_equal(s.n, 2);
  starts_close(&s);
}

static void without_one_nothing_is_held_back(void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "op", 0);
  submit(&s, 300);
  assert_int_equal(s.n, 300);
  assert_int_equal(tokens(&s), 0);
  starts_close(&s);
}

static void those_over_it_let_other_operations_pass(void **state) {
  starts s = { .f.options.max_running = 3 };

  (void) state;
  starts_open(&s);
  add_rate(&s, 1, 1000);
  starts_add(&s, "other", 0);
  starts_job(&s, "op", 'a', JOBSRV_PRIORITY_CRITICAL, 0, NULL);
  starts_job(&s, "op", 'b', JOBSRV_PRIORITY_CRITICAL, 0, NULL);
  starts_job(&s, "other", 'c', JOBSRV_PRIORITY_LOW, 0, NULL);
  assert_started(&s, 0, "ac");
  ns(&s, 1000 * ms);
  assert_string_equal(s.log, "acb");
  starts_close(&s);
}

static void a_timer_is_armed_only_while_a_token_is_waited_for(void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { .rate = { 1, 1000 }, .max_running = 1 };
  const jobsrv__operation_t *operation;
  jobsrv_job_t *job;

  (void) state;
  starts_open(&s);
  starts_add_op(&s, &op, "op");
  operation = jobsrv__operation_find(s.f.srv, "op");
  submit(&s, 1);
  assert_false(jobsrv_timer_armed(&operation->rate_timer));
  job = starts_job(&s, "op", 'b', 0, 0, "g");
  starts_turn(&s);
  assert_false(jobsrv_timer_armed(&operation->rate_timer)); /* for the cap */
  starts_complete(&s, s.job[0]);
  assert_true(jobsrv_timer_armed(&operation->rate_timer));
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_false(jobsrv_timer_armed(&operation->rate_timer));
  submit(&s, 1);
  assert_true(jobsrv_timer_armed(&operation->rate_timer));
  ns(&s, 1000 * ms);
  assert_int_equal(s.n, 2);
  assert_false(jobsrv_timer_armed(&operation->rate_timer));
  starts_close(&s);
}

static void a_close_while_a_token_is_waited_for_is_in_order(void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  add_rate(&s, 1, 1000);
  submit(&s, 5);
  starts_close(&s);
}

static void each_attempt_takes_a_token_but_not_one_that_goes_on(
    void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { .rate = { 2, 60000 }, .retry.max_attempts = 3,
                            .retry.backoff_ms = 100,
                            .retry.jitter = JOBSRV_JITTER_NONE };
  jobsrv_job_t *job;

  (void) state;
  starts_open(&s);
  starts_add_op(&s, &op, "op");
  submit(&s, 1);
  job = s.job[0];
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  ns(&s, 100 * ms);
  assert_int_equal(fixture_info(job).attempt, 2);
  assert_int_equal(tokens(&s), 0);
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  starts_turn(&s);
  submit(&s, 1); /* it waits, and does not keep the other waiting */
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  starts_turn(&s);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_int_equal(s.n, 2);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  ns(&s, 200 * ms);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_QUEUED);
  ns(&s, 29700 * ms); /* the bucket began to fill with the first start */
  assert_int_equal(s.n, 3);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_QUEUED);
  ns(&s, 30000 * ms);
  assert_int_equal(fixture_info(job).attempt, 3);
  starts_close(&s);
}

/* ---- the bucket by itself ---- */

static void the_nth_token_is_never_early_nor_late_by_a_nanosecond(
    void **state) {
  static const struct {
    uint32_t count;
    uint64_t per_ms;
  } rates[] = { { 1, 1 }, { 3, 1 }, { 7, 1000 }, { 999983, 1000 },
                { 3, 86400000 }, { 1000, 7 } };

  (void) state;
  for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
    jobsrv__rate_t rate;
    jobsrv_rate_t def = { rates[i].count, rates[i].per_ms };
    uint64_t period = rates[i].per_ms * ms, start = 12345, at, n;

    jobsrv__rate_init(&rate, &def);
    for (n = 0; jobsrv__rate_tokens(&rate, start) > 0; n++)
      jobsrv__rate_take(&rate, start);
    assert_int_equal(n, rates[i].count);
    for (n = 1; n < 100000; n++) { /* each is taken as soon as it is there */
      at = start + n / rates[i].count * period +
           (n % rates[i].count * period + rates[i].count - 1) /
               rates[i].count;
      assert_int_equal(jobsrv__rate_next(&rate), at);
      assert_int_equal(jobsrv__rate_tokens(&rate, at - 1), 0);
      assert_int_equal(jobsrv__rate_tokens(&rate, at), 1);
      jobsrv__rate_take(&rate, at);
    }
  }
}

static void looking_often_or_seldom_comes_to_the_same(void **state) {
  uint32_t seed = 1;

  (void) state;
  for (int round = 0; round < 50; round++) {
    jobsrv_rate_t def = { 1 + seed % 1000, 1 + seed % 77 };
    jobsrv__rate_t often, seldom;
    uint64_t now = 1000;

    jobsrv__rate_init(&often, &def);
    jobsrv__rate_init(&seldom, &def);
    for (int i = 0; i < 500; i++) {
      seed = seed * 1664525 + 1013904223;
      now += seed % (def.per_ms * ms / (seed >> 8 & 63 ? def.count : 1) + 1);
      (void) jobsrv__rate_tokens(&often, now);
      if (seed >> 28 != 0)
        continue;
      assert_int_equal(jobsrv__rate_tokens(&often, now),
                       jobsrv__rate_tokens(&seldom, now));
      if (jobsrv__rate_tokens(&often, now) > 0) {
        jobsrv__rate_take(&often, now);
        jobsrv__rate_take(&seldom, now);
      }
    }
  }
}

static void the_greatest_numbers_do_not_overflow(void **state) {
  static const struct {
    uint32_t count;
    uint64_t per_ms;
  } rates[] = { { UINT32_MAX, UINT64_MAX }, { 1, UINT64_MAX },
                { UINT32_MAX, 1 }, { 2, UINT64_MAX / 2000000 } };

  (void) state;
  for (size_t i = 0; i < 4; i++) {
    jobsrv_rate_t def = { rates[i].count, rates[i].per_ms };
    jobsrv__rate_t rate;
    uint64_t start = UINT64_MAX / 2, next;

    jobsrv__rate_init(&rate, &def);
    assert_int_equal(jobsrv__rate_tokens(&rate, start), rates[i].count);
    jobsrv__rate_take(&rate, start);
    next = jobsrv__rate_next(&rate);
    assert_true(next > start);
    assert_int_equal(jobsrv__rate_tokens(&rate, next - 1),
                     rates[i].count - 1);
    if (next != UINT64_MAX)
      assert_int_equal(jobsrv__rate_tokens(&rate, next), rates[i].count);
    assert_true(jobsrv__rate_tokens(&rate, UINT64_MAX) >=
                rates[i].count - 1);
  }
}

static void an_unlimited_one_always_has_some(void **state) {
  jobsrv_rate_t def = { 0, 5 };
  jobsrv__rate_t rate;

  (void) state;
  jobsrv__rate_init(&rate, &def);
  for (uint64_t now = 0; now < 1000; now++) {
    assert_int_equal(jobsrv__rate_tokens(&rate, now), UINT32_MAX);
    jobsrv__rate_take(&rate, now);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(as_many_as_it_says_start_at_once_and_the_rest_evenly),
  cmocka_unit_test(a_second_is_what_it_is_in_if_nothing_is_said),
  cmocka_unit_test(without_one_nothing_is_held_back),
  cmocka_unit_test(those_over_it_let_other_operations_pass),
  cmocka_unit_test(a_timer_is_armed_only_while_a_token_is_waited_for),
  cmocka_unit_test(each_attempt_takes_a_token_but_not_one_that_goes_on),
  cmocka_unit_test(a_close_while_a_token_is_waited_for_is_in_order),
  cmocka_unit_test(the_nth_token_is_never_early_nor_late_by_a_nanosecond),
  cmocka_unit_test(looking_often_or_seldom_comes_to_the_same),
  cmocka_unit_test(the_greatest_numbers_do_not_overflow),
  cmocka_unit_test(an_unlimited_one_always_has_some),
};

RUN(tests);
