/* SPDX-License-Identifier: MIT */

/* Row 19: how long to wait between attempts. */

#include "test.h"

#include "core/backoff.h"

static uint64_t plain(uint64_t backoff,
                      uint32_t factor,
                      uint64_t cap,
                      uint32_t attempt) {
  jobsrv_retry_t retry = { 9, factor, backoff, cap, JOBSRV_JITTER_NONE };

  return jobsrv__backoff_ms(&retry, attempt, 12345);
}

static void each_delay_is_the_one_before_times_the_factor(void **state) {
  uint64_t ms = 100;

  (void) state;
  for (uint32_t n = 1; n <= 20; n++, ms *= 3)
    assert_int_equal(plain(100, 3, UINT64_MAX, n), ms);
}

static void no_delay_is_above_the_cap(void **state) {
  (void) state;
  assert_int_equal(plain(100, 2, 399, 2), 200);
  assert_int_equal(plain(100, 2, 399, 3), 399);
  assert_int_equal(plain(100, 2, 400, 3), 400);
  assert_int_equal(plain(100, 2, 400, 4), 400);
  assert_int_equal(plain(100, 2, 50, 1), 50);
}

static void a_factor_of_one_keeps_the_delay_as_it_is(void **state) {
  (void) state;
  assert_int_equal(plain(100, 1, 1000, 1), 100);
  assert_int_equal(plain(100, 1, 1000, UINT32_MAX), 100);
  assert_int_equal(plain(100, 1, 70, UINT32_MAX), 70);
}

/* Doubling 1 ms: exact up to 2^63, then as much as there is. */
static void it_saturates_at_attempt_64_and_beyond(void **state) {
  (void) state;
  for (uint32_t n = 1; n <= 64; n++)
    assert_int_equal(plain(1, 2, UINT64_MAX, n), UINT64_C(1) << (n - 1));
  for (uint32_t n = 65; n < 200; n++)
    assert_true(plain(1, 2, UINT64_MAX, n) == UINT64_MAX);
  assert_true(plain(1, 2, UINT64_MAX, UINT32_MAX) == UINT64_MAX);
}

static void it_saturates_at_the_largest_delays(void **state) {
  static const uint64_t large[] = {
    UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 2, UINT64_MAX / 2 + 1,
    UINT64_MAX / 100, UINT64_MAX / 100 + 1,
  };

  (void) state;
  for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
    for (uint32_t factor = 2; factor <= 100; factor++)
      for (uint32_t n = 1; n <= 66; n++) {
        uint64_t ms = large[i];

        for (uint32_t k = 1; k < n; k++)
          ms = ms > UINT64_MAX / factor ? UINT64_MAX : ms * factor;
        assert_true(plain(large[i], factor, UINT64_MAX, n) == ms);
        assert_int_equal(plain(large[i], factor, 5000, n), 5000);
      }
}

static uint64_t jittered(int jitter, uint64_t ms, uint64_t random) {
  jobsrv_retry_t retry = { 9, 2, ms, UINT64_MAX, jitter };

  return jobsrv__backoff_ms(&retry, 1, random);
}

/* Every value of the range comes, and none beside it. */
static void assert_covers(int jitter, uint64_t ms, uint64_t from) {
  char seen[128] = { 0 };

  assert_true(ms < sizeof(seen));
  for (uint64_t random = 0; random < 1000; random++) {
    uint64_t got = jittered(jitter, ms, random);

    assert_true(got >= from && got <= ms);
    seen[got] = 1;
  }
  for (uint64_t i = from; i <= ms; i++)
    assert_true(seen[i]);
}

static void full_jitter_is_from_nothing_to_all_of_it(void **state) {
  (void) state;
  assert_covers(JOBSRV_JITTER_FULL, 0, 0);
  assert_covers(JOBSRV_JITTER_FULL, 1, 0);
  assert_covers(JOBSRV_JITTER_FULL, 100, 0);
}

static void equal_jitter_is_from_half_to_all_of_it(void **state) {
  (void) state;
  assert_covers(JOBSRV_JITTER_EQUAL, 0, 0);
  assert_covers(JOBSRV_JITTER_EQUAL, 1, 1);
  assert_covers(JOBSRV_JITTER_EQUAL, 100, 50);
  assert_covers(JOBSRV_JITTER_EQUAL, 101, 51);
}

static void jitter_is_right_at_the_largest_delay(void **state) {
  const uint64_t max = UINT64_MAX;

  (void) state;
  assert_true(jittered(JOBSRV_JITTER_FULL, max, 0) == 0);
  assert_true(jittered(JOBSRV_JITTER_FULL, max, max) == max);
  assert_true(jittered(JOBSRV_JITTER_EQUAL, max, 0) == max);
  assert_true(jittered(JOBSRV_JITTER_EQUAL, max, max / 2) == max - max / 2);
  assert_true(jittered(JOBSRV_JITTER_NONE, max, 7) == max);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(each_delay_is_the_one_before_times_the_factor),
  cmocka_unit_test(no_delay_is_above_the_cap),
  cmocka_unit_test(a_factor_of_one_keeps_the_delay_as_it_is),
  cmocka_unit_test(it_saturates_at_attempt_64_and_beyond),
  cmocka_unit_test(it_saturates_at_the_largest_delays),
  cmocka_unit_test(full_jitter_is_from_nothing_to_all_of_it),
  cmocka_unit_test(equal_jitter_is_from_half_to_all_of_it),
  cmocka_unit_test(jitter_is_right_at_the_largest_delay),
};

RUN(tests);
