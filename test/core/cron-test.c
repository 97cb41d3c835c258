/* SPDX-License-Identifier: MIT */

/* Row 13: cron expressions; which times they match, and what is wrong. */

#include "test.h"

#include "base/civil.h"
#include "core/cron.h"

#include <stdio.h>
#include <stdlib.h>

/* "2026-01-31 23:59:58" as a civil time. */
static int64_t civil_of(const char *text) {
  unsigned int y, mo, d, h, mi, s;

  assert_int_equal(
      sscanf(text, "%u-%u-%u %u:%u:%u", &y, &mo, &d, &h, &mi, &s), 6);
  return (int64_t) jobsrv__civil_days(y, mo, d) * 86400 + h * 3600 + mi * 60 +
         s;
}

static const char *text_of(int64_t civil) {
  static char text[64];
  int64_t days = jobsrv__civil_day_of(civil);
  unsigned int rest = (unsigned int) (civil - days * 86400);
  uint32_t y, m, d;

  jobsrv__civil_date((int32_t) days, &y, &m, &d);
  snprintf(text, sizeof(text), "%04u-%02u-%02u %02u:%02u:%02u", y, m, d,
           rest / 3600, rest / 60 % 60, rest % 60);
  return text;
}

static jobsrv__cron_t read_cron(const char *text) {
  jobsrv_cron_error_t mistake = { 0 };
  jobsrv__cron_t cron;

  if (jobsrv__cron_read(&cron, text, &mistake) != 0)
    fail_msg("%s: at %zu: %s", text, mistake.offset, mistake.message);
  return cron;
}

static void the_next_time_is_the_first_that_matches(void **state) {
  static const struct {
    const char *cron, *after, *next;
  } cases[] = {
    { "* * * * *", "2026-01-01 00:00:00", "2026-01-01 00:01:00" },
    { "* * * * *", "2026-01-01 00:00:59", "2026-01-01 00:01:00" },
    { "* * * * * *", "2026-12-31 23:59:59", "2027-01-01 00:00:00" },
    { "*/15 * * * * *", "2026-01-01 00:00:00", "2026-01-01 00:00:15" },
    { "5/20 * * * * *", "2026-01-01 00:00:45", "2026-01-01 00:01:05" },
    { "30 2 * * *", "2026-01-01 02:30:00", "2026-01-02 02:30:00" },
    { "30 2 * * *", "2026-01-01 02:29:59", "2026-01-01 02:30:00" },
    { "30 2 * * *", "2026-01-01 02:31:00", "2026-01-02 02:30:00" },
    { "59 58 23 31 12 *", "2026-12-31 23:58:59", "2027-12-31 23:58:59" },
    { "10 5 4 * * *", "2026-01-01 04:05:11", "2026-01-02 04:05:10" },
    { "10 5 4 * * *", "2026-01-01 03:59:59", "2026-01-01 04:05:10" },
    { "10 5,50 4 * * *", "2026-01-01 04:05:10", "2026-01-01 04:50:10" },
    { "0-10/5 * * * *", "2026-01-01 00:10:00", "2026-01-01 01:00:00" },
    { "0-10/5 * * * *", "2026-01-01 00:00:01", "2026-01-01 00:05:00" },
    { "0 0 1 * *", "2026-01-01 00:00:00", "2026-02-01 00:00:00" },
    { "0 0 31 * *", "2026-01-31 00:00:00", "2026-03-31 00:00:00" },
    { "0 0 29 2 *", "2026-01-01 00:00:00", "2028-02-29 00:00:00" },
    { "0 0 29 2 *", "2096-03-01 00:00:00", "2104-02-29 00:00:00" },
    { "0 0 * * 0", "2026-01-01 00:00:00", "2026-01-04 00:00:00" },
    { "0 0 * * 7", "2026-01-01 00:00:00", "2026-01-04 00:00:00" },
    { "0 0 * * sun", "2026-01-01 00:00:00", "2026-01-04 00:00:00" },
    { "0 0 * * 5-7", "2026-01-04 00:00:00", "2026-01-09 00:00:00" },
    { "0 0 * * 5-7", "2026-01-10 00:00:00", "2026-01-11 00:00:00" },
    { "0 0 * * FRI-Sun", "2026-01-10 00:00:00", "2026-01-11 00:00:00" },
    { "0 0 * * mon-fri", "2026-01-02 00:00:00", "2026-01-05 00:00:00" },
    { "0 0 * * 1/2", "2026-01-02 00:00:00", "2026-01-05 00:00:00" },
    { "0 0 * * 7/2", "2026-01-02 00:00:00", "2026-01-04 00:00:00" },
    { "0 0 1 jan,Jul *", "2026-01-01 00:00:00", "2026-07-01 00:00:00" },
    { "0 0 1 JUN-aug/2 *", "2026-06-01 00:00:00", "2026-08-01 00:00:00" },
    { "0 0 1 10/2 *", "2026-10-01 00:00:00", "2026-12-01 00:00:00" },
    /* both restricted: either will do */
    { "0 0 13 * 5", "2026-01-01 00:00:00", "2026-01-02 00:00:00" },
    { "0 0 13 * 5", "2026-01-09 00:00:00", "2026-01-13 00:00:00" },
    { "0 0 30 2 1", "2026-01-01 00:00:00", "2026-02-02 00:00:00" },
    /* one begins with a star: both */
    { "0 0 */2 * 1", "2026-01-01 00:00:00", "2026-01-05 00:00:00" },
    { "0 0 */2 * 1", "2026-01-05 00:00:00", "2026-01-19 00:00:00" },
    { "0 0 13 * */5", "2026-01-01 00:00:00", "2026-02-13 00:00:00" },
    { "0 0 29 2 */7", "2026-01-01 00:00:00", "2032-02-29 00:00:00" },
    /* 2100 is no leap year */
    { "0 0 29 2 */7", "2088-03-01 00:00:00", "2128-02-29 00:00:00" },
    { " \t1\t2 3  4 * ", "2026-01-01 00:00:00", "2026-04-03 02:01:00" },
    { "@yearly", "2026-01-01 00:00:00", "2027-01-01 00:00:00" },
    { "@annually", "2026-01-01 00:00:00", "2027-01-01 00:00:00" },
    { "@monthly", "2026-01-01 00:00:00", "2026-02-01 00:00:00" },
    { "@weekly", "2026-01-01 00:00:00", "2026-01-04 00:00:00" },
    { "@daily", "2026-01-01 00:00:00", "2026-01-02 00:00:00" },
    { "@midnight", "2026-01-01 00:00:00", "2026-01-02 00:00:00" },
    { " @Hourly ", "2026-01-01 00:00:00", "2026-01-01 01:00:00" },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    jobsrv__cron_t cron = read_cron(cases[i].cron);
    int64_t next;

    assert_int_equal(
        jobsrv__cron_civil_after(&cron, civil_of(cases[i].after), &next), 1);
    if (next != civil_of(cases[i].next))
      fail_msg("%s after %s: %s, not %s", cases[i].cron, cases[i].after,
               text_of(next), cases[i].next);
  }
}

static void what_is_wrong_is_told_with_its_place(void **state) {
  static const struct {
    const char *cron;
    size_t offset;
    const char *message;
  } cases[] = {
    { "", 0, "5 or 6 fields are needed, not 0" },
    { "  ", 2, "5 or 6 fields are needed, not 0" },
    { "* * *", 5, "5 or 6 fields are needed, not 3" },
    { "* * * * ", 8, "5 or 6 fields are needed, not 4" },
    { "* * * * * * *", 12, "there are more than 6 fields" },
    { "* 24 * * *", 2, "hour 24 is not in 0..23" },
    { "60 * * * *", 0, "minute 60 is not in 0..59" },
    { "60 * * * * *", 0, "second 60 is not in 0..59" },
    { "1,2,61 * * * *", 4, "minute 61 is not in 0..59" },
    { "0 0 0 * *", 4, "day 0 is not in 1..31" },
    { "0 0 32 * *", 4, "day 32 is not in 1..31" },
    { "0 0 1 0 *", 6, "month 0 is not in 1..12" },
    { "0 0 1 13 *", 6, "month 13 is not in 1..12" },
    { "0 0 * * 8", 8, "weekday 8 is not in 0..7" },
    { "99999999999999999999 * * * *", 0,
      "minute 99999999999999999999 is not in 0..59" },
    { "*/0 * * * *", 2, "step 0 is not in 1..60" },
    { "*/61 * * * *", 2, "step 61 is not in 1..60" },
    { "0 0 * * */8", 10, "step 8 is not in 1..7" },
    { "*/ * * * *", 2, "a step is missing" },
    { "*/,1 * * * *", 2, "a step is missing" },
    { "*/x * * * *", 2, "unexpected 'x' in the minute" },
    { "1, * * * *", 2, "a minute is missing" },
    { ",1 * * * *", 0, "a minute is missing" },
    { "1- * * * *", 2, "a minute is missing" },
    { "20-10 * * * *", 3, "the range ends before it begins, 10 before 20" },
    { "0 0 * * sat-mon", 12, "the range ends before it begins, 1 before 6" },
    { "0 0 * * 5-0", 10, "the range ends before it begins, 0 before 5" },
    { "1-2-3 * * * *", 3, "unexpected '-' in the minute" },
    { "-1 * * * *", 0, "unexpected '-' in the minute" },
    { "*5 * * * *", 1, "unexpected '5' in the minute" },
    { "** * * * *", 1, "unexpected '*' in the minute" },
    { "5*/2 * * * *", 1, "unexpected '*' in the minute" },
    { "mon * * * *", 0, "unexpected 'm' in the minute" },
    { "0 0 * foo *", 6, "foo is not a month" },
    { "0 0 * ja *", 6, "ja is not a month" },
    { "0 0 * january *", 6, "january is not a month" },
    { "0 0 * mon *", 6, "mon is not a month" },
    { "0 0 * * mon,jan", 12, "jan is not a weekday" },
    { "0 0 * * ?", 8, "unexpected '?' in the weekday" },
    { "0 0 \xc3\xa9 * *", 4, "unexpected byte 0xc3 in the day" },
    { "0\n0 * * * *", 1, "unexpected byte 0x0a in the minute" },
    { "@reboot", 0, "@reboot is not known" },
    { "@", 0, "@ is not known" },
    { " @dailyy", 1, "@dailyy is not known" },
    { "@dail\xff", 0, "@dail is not known" },
    { "@daily * * * *", 0, "unexpected '@' in the minute" },
    { "0 0 30 2 *", 4, "day 30 does not come in any month given" },
    { "0 0 31 4,6,sep,11 *", 4, "day 31 does not come in any month given" },
    { "0 0 0 30,31 feb */2", 6, "day 30 does not come in any month given" },
  };
  char shown[2 * sizeof(jobsrv_cron_error_t)];

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    jobsrv_cron_error_t mistake = { 0 };
    jobsrv__cron_t cron;

    memset(&cron, 7, sizeof(cron));
    assert_err(jobsrv__cron_read(&cron, cases[i].cron, &mistake),
               JOBSRV_ECRON);
    snprintf(shown, sizeof(shown), "%s: %s", cases[i].cron, mistake.message);
    if (strcmp(mistake.message, cases[i].message) != 0 ||
        mistake.offset != cases[i].offset)
      fail_msg("at %zu: %s", mistake.offset, shown);
    assert_int_equal(cron.months, 0x07070707);
    assert_err(jobsrv__cron_read(&cron, cases[i].cron, NULL), JOBSRV_ECRON);
  }
}

static void a_long_word_is_cut_in_the_message(void **state) {
  jobsrv_cron_error_t mistake;
  jobsrv__cron_t cron;
  char text[600];

  (void) state;
  memset(text, 'x', 500);
  strcpy(text + 500, " * * * *");
  assert_err(jobsrv__cron_read(&cron, text, &mistake), JOBSRV_ECRON);
  memset(text, '9', 500);
  assert_err(jobsrv__cron_read(&cron, text, &mistake), JOBSRV_ECRON);
  assert_true(strlen(mistake.message) < 100);
  snprintf(text, sizeof(text), "0 0 * ");
  memset(text + 6, 'x', 500);
  strcpy(text + 506, " *");
  assert_err(jobsrv__cron_read(&cron, text, &mistake), JOBSRV_ECRON);
  assert_int_equal(mistake.offset, 6);
  assert_true(strlen(mistake.message) < 100);
}

static void a_right_one_leaves_the_mistake_alone(void **state) {
  jobsrv_cron_error_t mistake = { 3, "as it was" };
  jobsrv__cron_t cron;

  (void) state;
  assert_ok(jobsrv__cron_read(&cron, "0 0 29 feb *", &mistake));
  assert_int_equal(mistake.offset, 3);
  assert_string_equal(mistake.message, "as it was");
}

static void time_ends_some_day(void **state) {
  jobsrv__cron_t cron = read_cron("* * * * * *");
  uint64_t at = 7;

  (void) state;
  assert_int_equal(jobsrv__cron_after_ns(&cron, NULL, UINT64_MAX, &at), 0);
  assert_int_equal(at, 7);
  assert_int_equal(
      jobsrv__cron_after_ns(&cron, NULL, UINT64_MAX - 2000000000, &at), 1);
  assert_true(at == UINT64_C(18446744072000000000));
  cron = read_cron("0 0 1 1 *");
  assert_int_equal(jobsrv__cron_after_ns(&cron, NULL, UINT64_MAX, &at), 0);
  cron = read_cron("0 0 1 1 *");
  assert_int_equal(
      jobsrv__cron_after_ns(&cron, NULL, UINT64_MAX - 5000000000, &at), 0);
}

static void nanoseconds_are_not_lost(void **state) {
  jobsrv__cron_t cron = read_cron("* * * * * *");
  uint64_t at;

  (void) state;
  assert_int_equal(jobsrv__cron_after_ns(&cron, NULL, 1999999999, &at), 1);
  assert_int_equal(at, 2000000000);
  assert_int_equal(jobsrv__cron_after_ns(&cron, NULL, 2000000000, &at), 1);
  assert_int_equal(at, 3000000000);
  assert_int_equal(jobsrv__cron_after_ns(&cron, NULL, 0, &at), 1);
  assert_int_equal(at, 1000000000);
}

/* Sound ones with bytes changed: refused with a place inside, or it matches. */
static void noise_is_refused_or_read(void **state) {
  static const char bytes[] = "0123456789**//--,,  janmonSUN@\t?x";
  static const char *const sound[] = {
    "*/5 0-12/3 1,15 jan-mar mon", "0 30 4 29 2 *", "@monthly", "0 0 31 1/2 7",
  };
  uint64_t seed = 88172645463325252u;
  unsigned int read = 0, refused = 0;
  char text[40];

  (void) state;
  for (int round = 0; round < 100000; round++) {
    jobsrv_cron_error_t mistake = { 999, "" };
    jobsrv__cron_t cron;
    int64_t next;

    strcpy(text, sound[round % 4]);
    for (int i = round / 4 % 4; i >= 0; i--) {
      seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
      text[seed % strlen(text)] = bytes[(seed >> 32) % (sizeof(bytes) - 1)];
    }
    if (jobsrv__cron_read(&cron, text, &mistake) == 0) {
      read++;
      assert_int_equal(jobsrv__cron_civil_after(&cron, 0, &next), 1);
      assert_true(next > 0);
    } else {
      refused++;
      assert_true(mistake.offset <= strlen(text));
      assert_true(mistake.message[0] != '\0');
    }
  }
  assert_true(read > 1000);
  assert_true(refused > 1000);
}

static void the_public_call_reads_finds_and_tells(void **state) {
  const uint64_t winter = UINT64_C(1767225600000000000); /* 2026-01-01 */
  jobsrv_cron_error_t mistake;
  uint64_t at = 7;

  (void) state;
  assert_ok(jobsrv_cron_next("0 2 * * *", NULL, NULL, winter, NULL, &at));
  assert_true(at == winter + UINT64_C(7200000000000));
  assert_ok(jobsrv_cron_next("0 2 * * *", "Europe/Berlin", NULL, winter,
                             &mistake, &at));
  assert_true(at == winter + UINT64_C(3600000000000));
  at = 7;
  assert_err(jobsrv_cron_next("0 25 * * *", "Europe/Berlin", NULL, winter,
                              &mistake, &at),
             JOBSRV_ECRON);
  assert_int_equal(mistake.offset, 2);
  assert_string_equal(mistake.message, "hour 25 is not in 0..23");
  assert_err(
      jobsrv_cron_next("0 0 30 2 *", NULL, NULL, winter, &mistake, &at),
      JOBSRV_ECRON);
  assert_int_equal(mistake.offset, 4);
  assert_err(
      jobsrv_cron_next("0 2 * * *", "Mars/Olympus", NULL, winter, NULL, &at),
      JOBSRV_EZONE);
  assert_err(jobsrv_cron_next("0 2 * * *", "Europe/Berlin", "/nowhere", winter,
                              NULL, &at),
             JOBSRV_EZONE);
  assert_ok(jobsrv_cron_next("0 2 * * *", "Berlin",
                             "/usr/share/zoneinfo/Europe", winter, NULL, &at));
  assert_true(at == winter + UINT64_C(3600000000000));
  at = 7;
  assert_err(jobsrv_cron_next("@yearly", NULL, NULL, UINT64_MAX, NULL, &at),
             JOBSRV_ENOJOB);
  assert_int_equal(at, 7);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_next_time_is_the_first_that_matches),
  cmocka_unit_test(what_is_wrong_is_told_with_its_place),
  cmocka_unit_test(a_long_word_is_cut_in_the_message),
  cmocka_unit_test(a_right_one_leaves_the_mistake_alone),
  cmocka_unit_test(time_ends_some_day),
  cmocka_unit_test(nanoseconds_are_not_lost),
  cmocka_unit_test(the_public_call_reads_finds_and_tells),
  cmocka_unit_test(noise_is_refused_or_read),
};

RUN(tests);
