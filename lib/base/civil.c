/* SPDX-License-Identifier: MIT */

#include "base/civil.h"

/*
 * In eras of 400 years that begin on 1 March, so that the leap day is the last
 * of its year.
 */
enum { DAYS_PER_ERA = 146097, DAYS_TO_EPOCH = 719468 };

void jobsrv__civil_date(int32_t days,
                        uint32_t *year,
                        uint32_t *month,
                        uint32_t *day) {
  uint32_t shifted = (uint32_t) days + DAYS_TO_EPOCH;
  uint32_t era = shifted / DAYS_PER_ERA;
  uint32_t in_era = shifted % DAYS_PER_ERA;
  uint32_t year_of_era =
      (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
  uint32_t in_year =
      in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint32_t from_march = (5 * in_year + 2) / 153;

  *day = in_year - (153 * from_march + 2) / 5 + 1;
  *month = from_march < 10 ? from_march + 3 : from_march - 9;
  *year = era * 400 + year_of_era + (*month <= 2);
}

int32_t jobsrv__civil_days(uint32_t year, uint32_t month, uint32_t day) {
  uint32_t shifted = year - (month <= 2);
  uint32_t era = shifted / 400;
  uint32_t year_of_era = shifted % 400;
  uint32_t from_march = month > 2 ? month - 3 : month + 9;
  uint32_t in_year = (153 * from_march + 2) / 5 + day - 1;
  uint32_t in_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + in_year;

  return (int32_t) (era * DAYS_PER_ERA + in_era) - DAYS_TO_EPOCH;
}

uint32_t jobsrv__civil_month_days(uint32_t year, uint32_t month) {
  if (month == 2)
    return jobsrv__civil_leap(year) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}
