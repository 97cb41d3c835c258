/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/clock.h"

#include <time.h>
#include <uv.h>

#define SECOND UINT64_C(1000000000)

static void the_systems_clock_is_the_machines(void **state) {
  jobsrv_clock_t *clock = jobsrv__clock_system();
  uint64_t first = jobsrv__now(clock);
  uint64_t wall = jobsrv__wall(clock) / SECOND;
  uint64_t unix_time = (uint64_t) time(NULL);

  (void) state;
  assert_true(first > 0);
  assert_true(jobsrv__now(clock) >= first);
  assert_true(wall + 1 >= unix_time && wall <= unix_time + 1);
  assert_true(clock->attach == NULL && clock->detach == NULL);
}

static void check_format(uint64_t ns, const char *want) {
  char text[JOBSRV__RFC3339_SIZE];

  jobsrv__rfc3339(text, ns);
  assert_string_equal(text, want);
}

static void times_are_written_with_milliseconds(void **state) {
  (void) state;
  check_format(0, "1970-01-01T00:00:00.000Z");
  check_format(999999, "1970-01-01T00:00:00.000Z");
  check_format(1000000, "1970-01-01T00:00:00.001Z");
  check_format(951782400 * SECOND - 1, "2000-02-28T23:59:59.999Z");
  check_format(951782400 * SECOND, "2000-02-29T00:00:00.000Z");
  check_format(951868800 * SECOND, "2000-03-01T00:00:00.000Z");
  check_format(1795427089 * SECOND + 123456789, "2026-11-23T09:44:49.123Z");
  check_format(4107542399 * SECOND, "2100-02-28T23:59:59.000Z");
  check_format(4107542400 * SECOND, "2100-03-01T00:00:00.000Z");
  check_format(UINT64_MAX, "2554-07-21T23:34:33.709Z");
}

static void every_day_agrees_with_the_c_library(void **state) {
  char text[JOBSRV__RFC3339_SIZE], want[32];
  uint64_t seconds, back;
  struct tm tm;
  time_t t;

  (void) state;
  for (seconds = 0; seconds < UINT64_MAX / SECOND; seconds += 86399) {
    t = (time_t) seconds;
    assert_non_null(gmtime_r(&t, &tm));
    strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
    jobsrv__rfc3339(text, seconds * SECOND);
    if (strcmp(text, want) != 0)
      assert_string_equal(text, want);
    assert_ok(jobsrv__rfc3339_parse(text, strlen(text), &back));
    assert_true(back == seconds * SECOND);
  }
}

static void check_parse(const char *text, uint64_t want) {
  uint64_t ns = 1;

  if (jobsrv__rfc3339_parse(text, strlen(text), &ns) != 0 || ns != want)
    fail_msg("%s: %llu", text, (unsigned long long) ns);
}

static void offsets_and_fractions_are_read(void **state) {
  const uint64_t t = 1795427089 * SECOND;

  (void) state;
  check_parse("2026-11-23T09:44:49Z", t);
  check_parse("2026-11-23t09:44:49z", t);
  check_parse("2026-11-23T11:44:49+02:00", t);
  check_parse("2026-11-23T04:14:49-05:30", t);
  check_parse("2026-11-24T09:43:49+23:59", t);
  check_parse("2026-11-23T09:44:49.5Z", t + SECOND / 2);
  check_parse("2026-11-23T09:44:49.123456789Z", t + 123456789);
  check_parse("2026-11-23T09:44:49.1234567899999Z", t + 123456789);
  check_parse("1969-12-31T23:00:00-01:00", 0);
  check_parse("2016-12-31T23:59:60Z", 1483228800 * SECOND);
  check_parse("2554-07-21T23:34:33.709551615Z", UINT64_MAX);
}

static void what_is_no_time_is_refused(void **state) {
  static const char *const bad[] = {
    "", "2026", "2026-11-23", "2026-11-23T09:44:49", "2026-11-23 09:44:49Z",
    "2026-11-23T09:44Z", "2026-11-23T09:44:49.Z", "2026-11-23T09:44:49Zx",
    "2026-11-23T09:44:49Z ", " 2026-11-23T09:44:49Z", "2026-00-23T09:44:49Z",
    "2026-13-23T09:44:49Z", "2026-11-00T09:44:49Z", "2026-11-31T09:44:49Z",
    "2026-02-29T09:44:49Z", "2100-02-29T09:44:49Z", "2026-11-23T24:00:00Z",
    "2026-11-23T09:60:49Z", "2026-11-23T09:44:60Z", "2026-11-23T09:59:61Z",
    "2026-11-23T09:44:49+24:00", "2026-11-23T09:44:49+02:60",
    "2026-11-23T09:44:49+0200", "2026-11-23T09:44:49+02",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00+00:01", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "2554-07-21T23:34:33.709551616Z", "2026-1-23T09:44:49Z",
    "-026-11-23T09:44:49Z", "2026-11-23T+9:44:49Z",
    "2026-11-23T09\03244:49Z",
  };
  uint64_t ns = 77;
  size_t i;

  (void) state;
  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    if (jobsrv__rfc3339_parse(bad[i], strlen(bad[i]), &ns) != UV_EINVAL)
      fail_msg("%s was taken", bad[i]);
    assert_true(ns == 77);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_systems_clock_is_the_machines),
  cmocka_unit_test(times_are_written_with_milliseconds),
  cmocka_unit_test(every_day_agrees_with_the_c_library),
  cmocka_unit_test(offsets_and_fractions_are_read),
  cmocka_unit_test(what_is_no_time_is_refused),
};

RUN(tests);
