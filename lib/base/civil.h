/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_CIVIL_H_
#define JOBSRV_BASE_CIVIL_H_

/*
 * Days and dates of the Gregorian calendar, from the year 1 on. A civil time
 * is told in seconds, as if the clock on the wall showed UTC.
 */

#include <stdint.h>

enum { JOBSRV__DAY = 86400 };

/* [any] From days since 1970-01-01, negative before it. */
void jobsrv__civil_date(int32_t days,
                        uint32_t *year,
                        uint32_t *month,
                        uint32_t *day);

/* [any] And back. `month` is in 1..12; `day` may be beyond the month's. */
int32_t jobsrv__civil_days(uint32_t year, uint32_t month, uint32_t day);

/* [any] 28 to 31; `month` is in 1..12. */
uint32_t jobsrv__civil_month_days(uint32_t year, uint32_t month);

/* [any] */
static inline int jobsrv__civil_leap(uint32_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* [any] 0 is Sunday. */
static inline uint32_t jobsrv__civil_weekday(int32_t days) {
  int32_t weekday = (days + 4) % 7;

  return (uint32_t) (weekday < 0 ? weekday + 7 : weekday);
}

/* [any] The day that a civil time is in. */
static inline int64_t jobsrv__civil_day_of(int64_t seconds) {
  return seconds / JOBSRV__DAY - (seconds % JOBSRV__DAY < 0);
}

#endif /* JOBSRV_BASE_CIVIL_H_ */
