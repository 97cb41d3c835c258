/* SPDX-License-Identifier: MIT */

#include "core/cron.h"

#include "base/civil.h"

/*
 * A time of day is found in a day that matches by its bits, a day by stepping
 * through the months that match. So the cost is that of the months in between,
 * whatever the expression.
 */

#define NS_PER_SECOND UINT64_C(1000000000)
#define LAST_SECOND ((int64_t) (UINT64_MAX / NS_PER_SECOND))

enum { LAST_DAY = 215490 /* in 2559 */ };

/* The lowest of the bits from `from` on, or -1. */
static int bit_from(uint64_t bits, uint32_t from) {
  bits = from < 64 ? bits >> from << from : 0;
  return bits != 0 ? __builtin_ctzll(bits) : -1;
}

/* The first second of the day, from `from` on, that matches; -1: none. */
static int64_t second_from(const jobsrv__cron_t *cron, uint32_t from) {
  uint32_t hour = from / 3600, minute = from / 60 % 60, second = from % 60;
  int h, m, s;

  s = bit_from(cron->seconds, second);
  if (s < 0)
    minute++;
  m = bit_from(cron->minutes, minute);
  if (m < 0)
    hour++;
  h = bit_from(cron->hours, hour);
  if (h < 0)
    return -1;
  if (m < 0 || (uint32_t) h > from / 3600)
    m = bit_from(cron->minutes, 0);
  if (s < 0 || (uint32_t) h > from / 3600 || (uint32_t) m > from / 60 % 60)
    s = bit_from(cron->seconds, 0);
  return (int64_t) h * 3600 + (int64_t) m * 60 + s;
}

static int day_matches(const jobsrv__cron_t *cron,
                       uint32_t day,
                       uint32_t weekday) {
  int by_day = (cron->days >> day & 1) != 0;
  int by_weekday = (cron->weekdays >> weekday & 1) != 0;

  return cron->either_day ? by_day || by_weekday : by_day && by_weekday;
}

int jobsrv__cron_civil_after(const jobsrv__cron_t *cron,
                             int64_t after,
                             int64_t *civil) {
  int32_t days = (int32_t) jobsrv__civil_day_of(after + 1);
  uint32_t from = (uint32_t) (after + 1 - (int64_t) days * JOBSRV__DAY);
  uint32_t year, month, day, last;
  int64_t second;

  jobsrv__civil_date(days, &year, &month, &day);
  while (days <= LAST_DAY) {
    last = jobsrv__civil_month_days(year, month);
    for (; (cron->months >> month & 1) != 0 && day <= last; day++, days++) {
      if (day_matches(cron, day, jobsrv__civil_weekday(days))) {
        second = second_from(cron, from);
        if (second >= 0) {
          *civil = (int64_t) days * JOBSRV__DAY + second;
          return 1;
        }
      }
      from = 0;
    }
    days += (int32_t) (last + 1 - day);
    from = 0;
    day = 1;
    month = month % 12 + 1;
    year += month == 1;
  }
  return 0;
}

/* Every moment whose local time matches, span by span. */
static int elapsed_after(const jobsrv__cron_t *cron,
                         const jobsrv__zone_t *zone,
                         int64_t after,
                         int64_t *utc) {
  jobsrv__zone_span_t span;
  int64_t civil;

  while (after < LAST_SECOND) {
    jobsrv__zone_span(zone, after + 1, &span);
    if (!jobsrv__cron_civil_after(cron, after + span.offset, &civil))
      return 0;
    *utc = civil - span.offset;
    if (*utc < span.end)
      return *utc <= LAST_SECOND;
    after = span.end - 1;
  }
  return 0;
}

/*
 * Every time of day that matches, at its first coming or the end of the gap
 * that it falls into. In the second coming of a stretch of local time nothing
 * is due, so what is left of it need not be looked at.
 */
static int fixed_after(const jobsrv__cron_t *cron,
                       const jobsrv__zone_t *zone,
                       int64_t after,
                       int64_t *utc) {
  jobsrv__zone_span_t span, before;
  int64_t civil, last;

  jobsrv__zone_span(zone, after, &span);
  civil = after + span.offset;
  if (span.begin != INT64_MIN) {
    jobsrv__zone_span(zone, span.begin - 1, &before);
    if (civil < span.begin + before.offset)
      civil = span.begin + before.offset - 1;
  }
  do {
    if (!jobsrv__cron_civil_after(cron, civil, &civil))
      return 0;
    (void) jobsrv__zone_when(zone, civil, utc, &last);
  } while (*utc <= after);
  return *utc <= LAST_SECOND;
}

int jobsrv__cron_after(const jobsrv__cron_t *cron,
                       const jobsrv__zone_t *zone,
                       int64_t after,
                       int64_t *utc) {
  int64_t at = 0;

  if (!(cron->elapsed ? elapsed_after : fixed_after)(cron, zone, after, &at))
    return 0;
  *utc = at;
  return 1;
}

int jobsrv__cron_after_ns(const jobsrv__cron_t *cron,
                          const jobsrv__zone_t *zone,
                          uint64_t after_ns,
                          uint64_t *utc_ns) {
  int64_t utc;

  if (!jobsrv__cron_after(cron, zone, (int64_t) (after_ns / NS_PER_SECOND),
                          &utc))
    return 0;
  *utc_ns = (uint64_t) utc * NS_PER_SECOND;
  return 1;
}

int jobsrv_cron_next(const char *cron,
                     const char *zone,
                     const char *zoneinfo,
                     uint64_t after_wall_ns,
                     jobsrv_cron_error_t *mistake,
                     uint64_t *wall_ns) {
  jobsrv__zone_t *local = NULL;
  jobsrv__cron_t sets;
  int err = jobsrv__cron_read(&sets, cron, mistake);

  if (err == 0 && zone != NULL)
    err = jobsrv__zone_load(&local, NULL,
                            zoneinfo != NULL ? zoneinfo : JOBSRV__ZONEINFO,
                            zone);
  if (err == 0 && !jobsrv__cron_after_ns(&sets, local, after_wall_ns, wall_ns))
    err = JOBSRV_ENOJOB;
  jobsrv__zone_free(local);
  return err;
}
