/* SPDX-License-Identifier: MIT */

#include "otlp/response.h"

#include "base/civil.h"

#include <stdio.h>
#include <string.h>

#define A_DAY_MS (UINT64_C(1000) * JOBSRV__DAY)

static int month_of(const char *name) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

  for (size_t i = 0; i < 12; i++)
    if (memcmp(names + i * 3, name, 3) == 0)
      return (int) i + 1;
  return 0;
}

typedef struct {
  unsigned int year, day, hour, minute, second;
  char month[4];
} date_t;

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its two elders. */
static int read_date(const char *text, date_t *to) {
  int end = 0;

  if (sscanf(text, "%*3[A-Za-z], %2u %3[A-Za-z] %4u %2u:%2u:%2u GMT%n",
             &to->day, to->month, &to->year, &to->hour, &to->minute,
             &to->second, &end) == 6 &&
      end > 0)
    return text[end] == '\0';
  if (sscanf(text, "%*9[A-Za-z], %2u-%3[A-Za-z]-%2u %2u:%2u:%2u GMT%n",
             &to->day, to->month, &to->year, &to->hour, &to->minute,
             &to->second, &end) == 6 &&
      end > 0) {
    to->year += to->year < 70 ? 2000 : 1900;
    return text[end] == '\0';
  }
  return sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2u %2u:%2u:%2u %4u%n",
                to->month, &to->day, &to->hour, &to->minute, &to->second,
                &to->year, &end) == 6 &&
         end > 0 && text[end] == '\0';
}

static int64_t seconds_of(const date_t *date) {
  int month = month_of(date->month);

  if (month == 0 || date->year < 1970 || date->day < 1 || date->day > 31 ||
      date->hour > 23 || date->minute > 59 || date->second > 60)
    return -1;
  return (int64_t) jobsrv__civil_days(date->year, (uint32_t) month,
                                      date->day) * JOBSRV__DAY +
         (int64_t) date->hour * 3600 + (int64_t) date->minute * 60 +
         date->second;
}

uint64_t jobsrv__otlp_retry_after(const char *text, uint64_t wall_ns) {
  size_t digits = strspn(text, "0123456789");
  date_t date = { 0 };
  uint64_t value = 0;
  int64_t seconds;

  if (digits > 0 && text[digits] == '\0') {
    for (size_t i = 0; i < digits && value < JOBSRV__DAY; i++)
      value = value * 10 + (uint64_t) (text[i] - '0');
    return value < JOBSRV__DAY ? value * 1000 : A_DAY_MS;
  }
  if (!read_date(text, &date))
    return 0;
  seconds = seconds_of(&date);
  if (seconds < 0 || (uint64_t) seconds * 1000 <= wall_ns / 1000000)
    return 0;
  value = (uint64_t) seconds * 1000 - wall_ns / 1000000;
  return value < A_DAY_MS ? value : A_DAY_MS;
}
