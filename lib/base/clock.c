/* SPDX-License-Identifier: MIT */

#include "base/clock.h"

#include "base/civil.h"

#include <string.h>
#include <time.h>

#include <uv.h>

#define NS_PER_SECOND UINT64_C(1000000000)

static uint64_t read_clock(clockid_t which) {
  struct timespec ts;

  if (clock_gettime(which, &ts))
    return 0;
  return (uint64_t) ts.tv_sec * NS_PER_SECOND + (uint64_t) ts.tv_nsec;
}

static uint64_t system_monotonic_ns(const jobsrv_clock_t *clock) {
  (void) clock;
  return read_clock(CLOCK_MONOTONIC);
}

static uint64_t system_wall_ns(const jobsrv_clock_t *clock) {
  (void) clock;
  return read_clock(CLOCK_REALTIME);
}

static const jobsrv_clock_t system_clock = {
  .monotonic_ns = system_monotonic_ns,
  .wall_ns = system_wall_ns,
};

/* Never written through: only attach and detach take a clock that is not
 * const, and this one has neither. */
jobsrv_clock_t *jobsrv__clock_system(void) {
  return (jobsrv_clock_t *) &system_clock;
}

static void put_digits(char *to, unsigned int count, uint32_t value) {
  while (count-- > 0) {
    to[count] = (char) ('0' + value % 10);
    value /= 10;
  }
}

void jobsrv__rfc3339(char to[JOBSRV__RFC3339_SIZE], uint64_t wall_ns) {
  uint64_t seconds = wall_ns / NS_PER_SECOND;
  uint32_t ms = (uint32_t) (wall_ns % NS_PER_SECOND / 1000000);
  uint32_t of_day = (uint32_t) (seconds % JOBSRV__DAY);
  uint32_t year, month, day;

  jobsrv__civil_date((int32_t) (seconds / JOBSRV__DAY), &year, &month, &day);
  memcpy(to, "0000-00-00T00:00:00.000Z", JOBSRV__RFC3339_SIZE);
  put_digits(to, 4, year);
  put_digits(to + 5, 2, month);
  put_digits(to + 8, 2, day);
  put_digits(to + 11, 2, of_day / 3600);
  put_digits(to + 14, 2, of_day / 60 % 60);
  put_digits(to + 17, 2, of_day % 60);
  put_digits(to + 20, 3, ms);
}

/* The next `count` digits and `behind`, if that is not 0. 1 when there. */
static int take(const char **p,
                const char *end,
                unsigned int count,
                char behind,
                uint32_t *value) {
  uint32_t sum = 0;

  if ((size_t) (end - *p) < count + (behind != 0))
    return 0;
  for (; count > 0; count--, (*p)++) {
    if (**p < '0' || **p > '9')
      return 0;
    sum = sum * 10 + (uint32_t) (**p - '0');
  }
  if (behind != 0 && **p != behind && (behind != 'T' || **p != 't'))
    return 0;
  *p += behind != 0;
  *value = sum;
  return 1;
}

static int take_fraction(const char **p, const char *end, uint32_t *ns) {
  uint32_t unit = 100000000;

  *ns = 0;
  if (*p == end || **p != '.')
    return 1;
  ++*p;
  if (*p == end || **p < '0' || **p > '9')
    return 0;
  for (; *p < end && **p >= '0' && **p <= '9'; ++*p) {
    *ns += unit * (uint32_t) (**p - '0');
    unit /= 10;
  }
  return 1;
}

/* "Z" or "+hh:mm", in seconds east of Greenwich. 1 when there. */
static int take_offset(const char **p, const char *end, int64_t *seconds) {
  uint32_t hours, minutes;
  char sign;

  if (*p == end)
    return 0;
  sign = *(*p)++;
  *seconds = 0;
  if (sign == 'Z' || sign == 'z')
    return 1;
  if (sign != '+' && sign != '-')
    return 0;
  if (!take(p, end, 2, ':', &hours) || !take(p, end, 2, 0, &minutes))
    return 0;
  if (hours > 23 || minutes > 59)
    return 0;
  *seconds = (int64_t) hours * 3600 + (int64_t) minutes * 60;
  if (sign == '-')
    *seconds = -*seconds;
  return 1;
}

int jobsrv__rfc3339_parse(const char *text, size_t len, uint64_t *wall_ns) {
  const char *p = text;
  const char *end = text + len;
  uint32_t year, month, day, hour, minute, second, ns;
  int64_t offset, seconds;

  if (!take(&p, end, 4, '-', &year) || !take(&p, end, 2, '-', &month) ||
      !take(&p, end, 2, 'T', &day) || !take(&p, end, 2, ':', &hour) ||
      !take(&p, end, 2, ':', &minute) || !take(&p, end, 2, 0, &second) ||
      !take_fraction(&p, end, &ns) || !take_offset(&p, end, &offset))
    return UV_EINVAL;
  if (p != end || month < 1 || month > 12 || day < 1 ||
      day > jobsrv__civil_month_days(year, month) || hour > 23 || minute > 59)
    return UV_EINVAL;
  if (year < 1969 || second > 60 || (second == 60 && minute != 59))
    return UV_EINVAL;

  seconds = (int64_t) jobsrv__civil_days(year, month, day) * JOBSRV__DAY +
            (int64_t) hour * 3600 + (int64_t) minute * 60 + second - offset;
  if (seconds < 0 ||
      (uint64_t) seconds > (UINT64_MAX - ns) / NS_PER_SECOND)
    return UV_EINVAL;
  *wall_ns = (uint64_t) seconds * NS_PER_SECOND + ns;
  return 0;
}
