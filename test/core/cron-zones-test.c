/* SPDX-License-Identifier: MIT */

/* Row 14: cron in local time, through the gap and the overlap of its zone. */

#include "test.h"

#include "base/civil.h"
#include "core/cron.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FOLDER "/usr/share/zoneinfo"

static uint64_t seed = 0x2545f4914f6cdd1du;

static uint64_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static jobsrv__zone_t *load(const char *name) {
  jobsrv__zone_t *zone;

  assert_ok(jobsrv__zone_load(&zone, NULL, FOLDER, name));
  return zone;
}

static int64_t utc_of(const char *text) {
  unsigned int y, mo, d, h, mi, s = 0;

  assert_true(sscanf(text, "%u-%u-%u %u:%u:%u", &y, &mo, &d, &h, &mi, &s) >= 5);
  return (int64_t) jobsrv__civil_days(y, mo, d) * 86400 + h * 3600 + mi * 60 +
         s;
}

/* ---- a table ---- */

static void both_changes_are_as_the_header_says(void **state) {
  /* all times are UTC; up to four that follow each other */
  static const struct {
    const char *zone, *cron, *after, *times[4];
  } cases[] = {
    /* the gap, 02:00 to 03:00 on 29 March 2026 */
    { "Europe/Berlin", "30 2 * * *", "2026-03-28 00:00",
      { "2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30" } },
    { "Europe/Berlin", "*/10 2 * * *", "2026-03-28 01:45",
      { "2026-03-28 01:50", "2026-03-29 01:00", "2026-03-30 00:00" } },
    { "Europe/Berlin", "0 2,3 * * *", "2026-03-28 01:30",
      { "2026-03-28 02:00", "2026-03-29 01:00", "2026-03-30 00:00" } },
    { "Europe/Berlin", "30 * * * *", "2026-03-28 23:00",
      { "2026-03-28 23:30", "2026-03-29 00:30", "2026-03-29 01:30" } },
    { "Europe/Berlin", "0 */2 * * *", "2026-03-28 22:00",
      { "2026-03-28 23:00", "2026-03-29 02:00", "2026-03-29 04:00" } },
    { "Europe/Berlin", "15 30 2 * * *", "2026-03-29 00:00",
      { "2026-03-29 01:00", "2026-03-30 00:30:15" } },
    /* the overlap, 02:00 to 03:00 on 25 October 2026 */
    { "Europe/Berlin", "30 2 * * *", "2026-10-24 12:00",
      { "2026-10-25 00:30", "2026-10-26 01:30" } },
    { "Europe/Berlin", "30 2 * * *", "2026-10-25 01:10",
      { "2026-10-26 01:30" } },
    { "Europe/Berlin", "*/30 1-3 * * *", "2026-10-24 23:20",
      { "2026-10-24 23:30", "2026-10-25 00:00", "2026-10-25 00:30",
        "2026-10-25 02:00" } },
    { "Europe/Berlin", "30 * * * *", "2026-10-24 23:00",
      { "2026-10-24 23:30", "2026-10-25 00:30", "2026-10-25 01:30",
        "2026-10-25 02:30" } },
    { "Europe/Berlin", "0 */2 * * *", "2026-10-24 22:30",
      { "2026-10-25 00:00", "2026-10-25 01:00", "2026-10-25 03:00" } },
    /* nothing happens: noon in both seasons, several years */
    { "Europe/Berlin", "0 12 1 1,7 *", "2027-01-01 00:00",
      { "2027-01-01 11:00", "2027-07-01 10:00", "2028-01-01 11:00",
        "2028-07-01 10:00" } },
    { "America/New_York", "30 2 8 3 *", "2026-01-01 00:00",
      { "2026-03-08 07:00", "2027-03-08 07:30" } },
    { "America/New_York", "30 1 * * *", "2026-10-31 12:00",
      { "2026-11-01 05:30", "2026-11-02 06:30" } },
    { "America/New_York", "15 * * * *", "2026-11-01 05:00",
      { "2026-11-01 05:15", "2026-11-01 06:15", "2026-11-01 07:15" } },
    { "America/New_York", "0 2 14 3 *", "2026-12-01 00:00",
      { "2027-03-14 07:00" } },
    /* half an hour: 02:00 to 02:30 on 4 October, 01:30 to 02:00 on 5 April */
    { "Australia/Lord_Howe", "15 2 * * *", "2026-10-02 16:00",
      { "2026-10-03 15:30", "2026-10-04 15:15" } },
    { "Australia/Lord_Howe", "45 2 * * *", "2026-10-02 17:00",
      { "2026-10-03 15:45", "2026-10-04 15:45" } },
    { "Australia/Lord_Howe", "45 1 * * *", "2026-04-04 00:00",
      { "2026-04-04 14:45", "2026-04-05 15:15" } },
    { "Australia/Lord_Howe", "45 * * * *", "2026-04-04 14:00",
      { "2026-04-04 14:45", "2026-04-04 15:15", "2026-04-04 16:15" } },
    { "Australia/Lord_Howe", "0 2 4 10 *", "2026-01-01 00:00",
      { "2026-10-03 15:30" } },
    /* no change at all, and a quarter and a half of an hour */
    { "Asia/Kolkata", "30 2 * * *", "2026-03-28 00:00",
      { "2026-03-28 21:00", "2026-03-29 21:00", "2026-03-30 21:00" } },
    { "Asia/Kolkata", "0 * * * *", "2026-10-25 00:00",
      { "2026-10-25 00:30", "2026-10-25 01:30" } },
    /* far away: by the rule at the end of the file */
    { "Europe/Berlin", "30 2 * * *", "2500-03-27 12:00",
      { "2500-03-28 01:00", "2500-03-29 00:30" } },
    { "Europe/Berlin", "30 2 * * *", "2500-10-30 12:00",
      { "2500-10-31 00:30", "2500-11-01 01:30" } },
    { "America/New_York", "30 2 * * *", "2100-03-13 12:00",
      { "2100-03-14 07:00", "2100-03-15 06:30" } },
    { "Australia/Lord_Howe", "15 2 * * *", "2100-10-02 12:00",
      { "2100-10-02 15:30", "2100-10-03 15:15" } },
    { "Asia/Kolkata", "0 0 1 1 *", "2553-06-01 00:00",
      { "2553-12-31 18:30" } },
    /* a day that a zone left out: at its end, once */
    { "Pacific/Apia", "0 9 * * *", "2011-12-29 18:00",
      { "2011-12-29 19:00", "2011-12-30 10:00", "2011-12-30 19:00" } },
    { NULL, "30 2 * * *", "2026-03-29 00:00",
      { "2026-03-29 02:30", "2026-03-30 02:30" } },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    jobsrv__zone_t *zone = cases[i].zone != NULL ? load(cases[i].zone) : NULL;
    int64_t at = utc_of(cases[i].after);
    jobsrv__cron_t cron;

    assert_ok(jobsrv__cron_read(&cron, cases[i].cron, NULL));
    for (int n = 0; n < 4 && cases[i].times[n] != NULL; n++) {
      assert_int_equal(jobsrv__cron_after(&cron, zone, at, &at), 1);
      if (at != utc_of(cases[i].times[n]))
        fail_msg("%s in %s: %lld, which is %+lld s of %s", cases[i].cron,
                 cases[i].zone, (long long) at,
                 (long long) (at - utc_of(cases[i].times[n])),
                 cases[i].times[n]);
    }
    jobsrv__zone_free(zone);
  }
}

/* ---- every minute, by the C library's own conversion ---- */

enum { WINDOW = 4 * 1440 };

/* What a clock on the wall showed, minute by minute. */
static struct {
  struct tm tm;
  int64_t civil;
  int second_coming;
} wall[WINDOW];
static int64_t wall_begin;
static int64_t wall_step;

static int64_t civil_of(const struct tm *tm) {
  return (int64_t) jobsrv__civil_days((uint32_t) tm->tm_year + 1900,
                                      (uint32_t) tm->tm_mon + 1,
                                      (uint32_t) tm->tm_mday) *
             86400 +
         tm->tm_hour * 3600 + tm->tm_min * 60 + tm->tm_sec;
}

static void watch_the_wall(int64_t begin, int64_t step) {
  int64_t latest = INT64_MIN;
  time_t t;

  wall_begin = begin;
  wall_step = step;
  for (int i = 0; i < WINDOW; i++) {
    t = (time_t) (begin + i * step);
    assert_non_null(localtime_r(&t, &wall[i].tm));
    wall[i].civil = civil_of(&wall[i].tm);
    wall[i].second_coming = wall[i].civil <= latest;
    if (wall[i].civil > latest)
      latest = wall[i].civil;
  }
}

/* An expression as lists of what is in it, and the text of the same. */
typedef struct {
  char text[2048];
  char in[6][64]; /* second, minute, hour, day, month, weekday */
  int star[6];
} expression_t;

static const unsigned int lows[] = { 0, 0, 0, 1, 1, 0 };
static const unsigned int highs[] = { 59, 59, 23, 31, 12, 6 };

static void add_field(expression_t *e, int field, int star) {
  unsigned int low = lows[field], high = highs[field], span = high - low + 1;
  char *to = e->text + strlen(e->text);
  unsigned int a, b, step;

  memset(e->in[field], 0, sizeof(e->in[field]));
  e->star[field] = star;
  if (star) {
    step = next_random() % 3 == 0 ? (unsigned int) (next_random() % 5) + 1 : 1;
    for (a = low; a <= high; a += step)
      e->in[field][a] = 1;
    sprintf(to, step == 1 ? "* " : "*/%u ", step);
    return;
  }
  for (int n = (int) (next_random() % 3); n >= 0; n--) {
    a = low + (unsigned int) (next_random() % span);
    b = a + (unsigned int) (next_random() % (high - a + 1));
    step = (unsigned int) (next_random() % 4) + 1;
    switch (next_random() % 4) {
      case 0:
        to += sprintf(to, "%u-%u/%u", a, b, step);
        break;
      case 1:
        to += sprintf(to, "%u-%u", a, b);
        step = 1;
        break;
      case 2:
        to += sprintf(to, "%u/%u", a, step);
        b = high;
        break;
      default:
        to += sprintf(to, "%u", a);
        b = a;
        break;
    }
    for (; a <= b; a += step)
      e->in[field][a] = 1;
    to += sprintf(to, n > 0 ? "," : " ");
  }
}

/* Hours around the usual changes are made likely. */
static void make_expression(expression_t *e, int seconds) {
  e->text[0] = '\0';
  memset(e->in[0], 0, sizeof(e->in[0]));
  e->in[0][0] = 1;
  if (seconds)
    add_field(e, 0, next_random() % 2);
  add_field(e, 1, next_random() % 3 == 0);
  if (next_random() % 2) {
    unsigned int hour = (unsigned int) (next_random() % 4);

    memset(e->in[2], 0, sizeof(e->in[2]));
    e->star[2] = 0;
    e->in[2][hour] = 1;
    sprintf(e->text + strlen(e->text), "%u ", hour);
  } else {
    add_field(e, 2, next_random() % 2);
  }
  add_field(e, 3, next_random() % 3 != 0);
  add_field(e, 4, next_random() % 4 != 0);
  add_field(e, 5, next_random() % 3 != 0);
}

static int shows(const expression_t *e, const struct tm *tm) {
  int day = e->in[3][tm->tm_mday], weekday = e->in[5][tm->tm_wday];

  return e->in[0][tm->tm_sec] && e->in[1][tm->tm_min] &&
         e->in[2][tm->tm_hour] && e->in[4][tm->tm_mon + 1] &&
         (!e->star[3] && !e->star[5] ? day || weekday : day && weekday);
}

/* Whether a time of day that matches lies in what was jumped over. */
static int jumped_over(const expression_t *e, int i) {
  for (int64_t civil = wall[i - 1].civil + wall_step; civil < wall[i].civil;
       civil += wall_step) {
    time_t t = (time_t) civil;
    struct tm tm;

    gmtime_r(&t, &tm);
    if (shows(e, &tm))
      return 1;
  }
  return 0;
}

static int is_due(const expression_t *e, int i) {
  if (e->star[2])
    return shows(e, &wall[i].tm);
  return (shows(e, &wall[i].tm) && !wall[i].second_coming) ||
         jumped_over(e, i);
}

static void compare(const expression_t *e, const jobsrv__zone_t *zone) {
  jobsrv_cron_error_t mistake;
  jobsrv__cron_t cron;
  int64_t next = INT64_MIN, after;

  if (jobsrv__cron_read(&cron, e->text, &mistake) != 0) {
    assert_contains(mistake.message, "does not come"); /* 31 April */
    return;
  }
  /* each step between two runs must give the same answer: ask at some */
  for (int i = 1; i < WINDOW; i++) {
    after = wall_begin + (i - 1) * wall_step;
    if (next <= after || next_random() % 64 == 0)
      if (!jobsrv__cron_after(&cron, zone, after, &next))
        return;
    assert_true(next > after);
    if (is_due(e, i) != (next == after + wall_step))
      fail_msg("\"%s\": at %lld %s", e->text, (long long) after + wall_step,
               is_due(e, i) ? "is due, and was not found" : "is not due");
  }
}

static const char *const zones[] = {
  "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata",
  "Europe/Dublin", "Africa/Casablanca", "America/Nuuk", "Antarctica/Troll",
};

/* The first change of the offset after `from`, to the minute; 0: none. */
static int64_t change_after(int64_t from) {
  time_t t = (time_t) from, end = t + 370 * 86400;
  struct tm a, b;

  localtime_r(&t, &a);
  for (; t < end; t += 3600) {
    time_t next = t + 3600;

    localtime_r(&next, &b);
    if (a.tm_gmtoff == b.tm_gmtoff)
      continue;
    for (next = t; localtime_r(&next, &b)->tm_gmtoff == a.tm_gmtoff;)
      next += 60;
    return next;
  }
  return 0;
}

static void use(const char *name) {
  setenv("TZ", name, 1);
  tzset();
}

static void each_change(int step, int rounds, int with_seconds) {
  static const int years[] = { 2024, 2026, 2027, 2036, 2051, 2200 };
  static expression_t e;
  int changes = 0;
  char text[32];

  for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
    jobsrv__zone_t *zone = load(zones[z]);

    use(zones[z]);
    for (size_t y = 0; y < sizeof(years) / sizeof(years[0]); y++) {
      int64_t at;

      snprintf(text, sizeof(text), "%d-01-03 00:00", years[y]);
      at = utc_of(text);
      for (int n = 0; n < 2; n++) {
        int64_t change = change_after(at);

        changes += change != 0;
        at = change != 0 ? change : at + 86400 * 90;
        watch_the_wall(at - WINDOW / 2 * step, step);
        for (int i = 0; i < rounds; i++) {
          make_expression(&e, with_seconds);
          compare(&e, zone);
        }
        at += 86400;
      }
    }
    jobsrv__zone_free(zone);
  }
  unsetenv("TZ");
  tzset();
  assert_true(changes >= 70);
}

static void every_minute_around_each_change_agrees(void **state) {
  (void) state;
  each_change(60, 40, 0);
}

static void every_second_around_each_change_agrees(void **state) {
  (void) state;
  each_change(1, 20, 1);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(both_changes_are_as_the_header_says),
  cmocka_unit_test(every_minute_around_each_change_agrees),
  cmocka_unit_test(every_second_around_each_change_agrees),
};

RUN(tests);
