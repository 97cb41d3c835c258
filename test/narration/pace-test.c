/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "narration/pace.h"

#define MS UINT64_C(1000000)

static int about(double a, double b, double part) {
  double off = a > b ? a - b : b - a;

  return off <= part * b;
}

static void a_constant_rate_is_found_whatever_the_steps(void **state) {
  static const uint64_t every_ms[] = { 1, 7, 100, 1000, 60000 };
  jobsrv__pace_t pace;

  (void) state;
  for (size_t i = 0; i < sizeof(every_ms) / sizeof(every_ms[0]); i++) {
    uint64_t now = 12345 * MS;
    double done = 3;

    jobsrv__pace_begin(&pace, now, done);
    for (int n = 0; n < 2000; n++) {
      now += every_ms[i] * MS;
      done += 2.5 * (double) every_ms[i] / 1000;
      jobsrv__pace_step(&pace, now, done);
    }
    assert_true(about(jobsrv__pace_rate(&pace), 2.5, 1e-6));
  }
}

static void little_that_was_seen_says_nothing(void **state) {
  jobsrv__pace_t pace;

  (void) state;
  jobsrv__pace_begin(&pace, 0, 0);
  assert_true(jobsrv__pace_rate(&pace) <= 0);
  jobsrv__pace_step(&pace, 500 * MS, 1);
  jobsrv__pace_step(&pace, 999 * MS, 2);
  assert_true(jobsrv__pace_rate(&pace) <= 0);
  jobsrv__pace_step(&pace, 1000 * MS, 2);
  assert_true(jobsrv__pace_rate(&pace) > 0);

  jobsrv__pace_begin(&pace, 0, 0);
  jobsrv__pace_step(&pace, 5000 * MS, 10); /* one step may be a burst */
  jobsrv__pace_step(&pace, 6000 * MS, 10);
  assert_true(jobsrv__pace_rate(&pace) <= 0);
  jobsrv__pace_step(&pace, 7000 * MS, 11);
  assert_true(jobsrv__pace_rate(&pace) > 0);
}

static void ten_seconds_back_counts_half(void **state) {
  jobsrv__pace_t pace;
  double done = 0;
  uint64_t now = 0;

  (void) state;
  jobsrv__pace_begin(&pace, now, done);
  for (; now < 3600 * 1000 * MS; now += 100 * MS, done += 1)
    jobsrv__pace_step(&pace, now, done);
  assert_true(about(jobsrv__pace_rate(&pace), 10, 1e-6));
  for (int n = 0; n < 100; n++) { /* twice as fast for ten seconds */
    now += 100 * MS;
    done += 2;
    jobsrv__pace_step(&pace, now, done);
  }
  assert_true(about(jobsrv__pace_rate(&pace), 15, 0.01));
}

static void steps_at_one_moment_count_together(void **state) {
  jobsrv__pace_t one, many;

  (void) state;
  jobsrv__pace_begin(&one, 0, 0);
  jobsrv__pace_begin(&many, 0, 0);
  for (int n = 1; n <= 30; n++) {
    uint64_t now = (uint64_t) n * 1000 * MS;

    for (int i = 1; i < 100; i++)
      jobsrv__pace_step(&many, now - 1000 * MS, 100 * (n - 1) + i);
    jobsrv__pace_step(&many, now, 100 * n);
    jobsrv__pace_step(&one, now, 100 * n);
  }
  assert_true(about(jobsrv__pace_rate(&one), 100, 1e-6));
  assert_true(about(jobsrv__pace_rate(&many), jobsrv__pace_rate(&one), 1e-9));
}

static void a_stall_brings_it_down_and_never_below_zero(void **state) {
  jobsrv__pace_t pace;
  double before = 100;

  (void) state;
  jobsrv__pace_begin(&pace, 0, 0);
  jobsrv__pace_step(&pace, 1000 * MS, 100);
  jobsrv__pace_step(&pace, 2000 * MS, 200);
  for (uint64_t s = 3; s < 1000; s++) {
    double rate;

    jobsrv__pace_step(&pace, s * 1000 * MS, 200);
    rate = jobsrv__pace_rate(&pace);
    assert_true(rate >= 0 && rate < before);
    before = rate;
  }
  assert_true(before < 1e-20);
  jobsrv__pace_step(&pace, 1000000 * 1000 * MS, 201); /* a week and more */
  assert_true(about(jobsrv__pace_rate(&pace), 1 / 999001.0, 1e-6));
}

static const struct {
  double rate, shown;
} rounds[] = {
  { 0, 0 },         { 1, 1 },           { 1.23456, 1.235 },
  { 999.96, 1000 }, { 12345, 12350 },   { 0.000123456, 0.0001235 },
  { 1e300, 1e300 }, { 1e-300, 1e-300 }, { 123456789, 123500000 },
  { 9999.9, 10000 },
};

static void a_person_is_shown_four_digits(void **state) {
  (void) state;
  for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
    double shown = jobsrv__pace_round(rounds[i].rate);

    if (shown < rounds[i].shown || shown > rounds[i].shown)
      fail_msg("%.17g where %.17g was due", shown, rounds[i].shown);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_constant_rate_is_found_whatever_the_steps),
  cmocka_unit_test(little_that_was_seen_says_nothing),
  cmocka_unit_test(ten_seconds_back_counts_half),
  cmocka_unit_test(steps_at_one_moment_count_together),
  cmocka_unit_test(a_stall_brings_it_down_and_never_below_zero),
  cmocka_unit_test(a_person_is_shown_four_digits),
};

RUN(tests);
