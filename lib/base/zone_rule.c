/* SPDX-License-Identifier: MIT */

#include "base/zone_rule.h"

#include "base/civil.h"

typedef struct reader_s {
  const char *at;
  const char *end;
} reader;

static int take(reader *in, char c) {
  if (in->at == in->end || *in->at != c)
    return 0;
  in->at++;
  return 1;
}

static int take_number(reader *in, uint32_t min, uint32_t max, uint32_t *to) {
  const char *start = in->at;

  *to = 0;
  while (in->at < in->end && *in->at >= '0' && *in->at <= '9' && *to < 10000)
    *to = *to * 10 + (uint32_t) (*in->at++ - '0');
  return in->at > start && *to >= min && *to <= max;
}

/* At least three letters, or anything of [A-Za-z0-9+-] in angle brackets. */
static int take_name(reader *in) {
  int quoted = take(in, '<');
  size_t len = 0;
  char c;

  for (; in->at < in->end; in->at++, len++) {
    c = *in->at;
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
      continue;
    if (!quoted || !((c >= '0' && c <= '9') || c == '+' || c == '-'))
      break;
  }
  return len >= 3 && (!quoted || take(in, '>'));
}

/* [+-]hh[:mm[:ss]] */
static int take_time(reader *in, uint32_t max_hours, int32_t *seconds) {
  uint32_t hours, minutes = 0, rest = 0;
  int minus = take(in, '-');

  if (!minus)
    (void) take(in, '+');
  if (!take_number(in, 0, max_hours, &hours))
    return 0;
  if (take(in, ':')) {
    if (!take_number(in, 0, 59, &minutes))
      return 0;
    if (take(in, ':') && !take_number(in, 0, 59, &rest))
      return 0;
  }
  *seconds = (int32_t) (hours * 3600 + minutes * 60 + rest);
  if (minus)
    *seconds = -*seconds;
  return 1;
}

static int take_day(reader *in, jobsrv__zone_day_t *day) {
  int sound;

  if (!take(in, ','))
    return 0;
  if (take(in, 'J')) {
    day->kind = JOBSRV__DAY_JULIAN;
    sound = take_number(in, 1, 365, &day->day);
  } else if (take(in, 'M')) {
    day->kind = JOBSRV__DAY_OF_WEEK;
    sound = take_number(in, 1, 12, &day->month) && take(in, '.') &&
            take_number(in, 1, 5, &day->week) && take(in, '.') &&
            take_number(in, 0, 6, &day->day);
  } else {
    day->kind = JOBSRV__DAY_OF_YEAR;
    sound = take_number(in, 0, 365, &day->day);
  }
  day->second = 2 * 3600;
  return sound && (!take(in, '/') || take_time(in, 167, &day->second));
}

int jobsrv__zone_rule_read(jobsrv__zone_rule_t *rule,
                           const char *text,
                           size_t len) {
  reader in = { text, text + len };

  if (!take_name(&in) || !take_time(&in, 24, &rule->standard))
    return 0;
  rule->standard = -rule->standard; /* there it is counted westward */
  rule->has_summer = in.at < in.end;
  if (!rule->has_summer)
    return 1;
  if (!take_name(&in))
    return 0;
  rule->summer = rule->standard + 3600;
  if (in.at < in.end && *in.at != ',') {
    if (!take_time(&in, 24, &rule->summer))
      return 0;
    rule->summer = -rule->summer;
  }
  return take_day(&in, &rule->begins) && take_day(&in, &rule->ends) &&
         in.at == in.end;
}

/* Civil time, in the clock valid until then. */
static int64_t when(const jobsrv__zone_day_t *day, uint32_t year) {
  int32_t first = jobsrv__civil_days(year, 1, 1);
  int32_t days = 0;
  uint32_t ahead;

  switch (day->kind) {
    case JOBSRV__DAY_JULIAN:
      days = first + (int32_t) day->day - 1 +
             (jobsrv__civil_leap(year) && day->day >= 60);
      break;
    case JOBSRV__DAY_OF_YEAR:
      days = first + (int32_t) day->day;
      break;
    case JOBSRV__DAY_OF_WEEK:
      first = jobsrv__civil_days(year, day->month, 1);
      ahead = (day->day + 7 - jobsrv__civil_weekday(first)) % 7 +
              (day->week - 1) * 7;
      if (ahead >= jobsrv__civil_month_days(year, day->month))
        ahead -= 7;
      days = first + (int32_t) ahead;
      break;
  }
  return (int64_t) days * JOBSRV__DAY + day->second;
}

/*
 * The changes of a year may lie up to nine days outside it, so those of two
 * years on either side have one before and one behind any time. Where summer
 * time ends and begins in one moment it goes on: a zone may have it all year.
 */
void jobsrv__zone_rule_span(const jobsrv__zone_rule_t *rule,
                            int64_t utc,
                            jobsrv__zone_span_t *span) {
  uint32_t year, month, day;
  int64_t begins, ends;

  span->begin = INT64_MIN;
  span->end = INT64_MAX;
  span->offset = rule->standard;
  if (!rule->has_summer)
    return;
  jobsrv__civil_date((int32_t) jobsrv__civil_day_of(utc), &year, &month, &day);
  for (uint32_t y = year - 2; y <= year + 2; y++) {
    begins = when(&rule->begins, y) - rule->standard;
    ends = when(&rule->ends, y) - rule->summer;
    if (ends <= utc && ends > span->begin) {
      span->begin = ends;
      span->offset = rule->standard;
    }
    if (begins <= utc && begins >= span->begin) {
      span->begin = begins;
      span->offset = rule->summer;
    }
    if (ends > utc && ends < span->end)
      span->end = ends;
    if (begins > utc && begins < span->end)
      span->end = begins;
  }
}
