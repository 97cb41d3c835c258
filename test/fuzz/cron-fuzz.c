/* SPDX-License-Identifier: MIT */

/*
 * Cron expressions and zones from bytes: the times that come out rise, and
 * match the expression's own bits.
 */

#include "fuzz.h"

#include "base/civil.h"
#include "core/cron.h"

enum { TIMES = 6 };

static int bit(uint64_t set, int64_t n) {
  return (int) (set >> n & 1);
}

/* The one rule of crontab(5), written from the bits. */
static int matches(const jobsrv__cron_t *cron, int64_t civil) {
  int64_t days = jobsrv__civil_day_of(civil);
  int64_t second = civil - days * 86400;
  int64_t weekday = ((days + 4) % 7 + 7) % 7; /* day 0 was a Thursday */
  uint32_t y, m, d;
  int on_day, on_weekday;

  jobsrv__civil_date((int32_t) days, &y, &m, &d);
  on_day = bit(cron->days, d);
  on_weekday = bit(cron->weekdays, weekday);
  return bit(cron->seconds, second % 60) &&
         bit(cron->minutes, second / 60 % 60) &&
         bit(cron->hours, second / 3600) && bit(cron->months, m) &&
         (cron->either_day ? on_day || on_weekday : on_day && on_weekday);
}

static void check_civil(const jobsrv__cron_t *cron, int64_t after) {
  int64_t next;

  for (int i = 0; i < TIMES; i++) {
    if (!jobsrv__cron_civil_after(cron, after, &next))
      return;
    fuzz_check(next > after);
    fuzz_check(matches(cron, next));
    /* none in between, as far as is cheap to look */
    for (int64_t t = after + 1; t < next && t < after + 200; t++)
      fuzz_check(!matches(cron, t));
    after = next;
  }
}

static void check_utc(const jobsrv__cron_t *cron,
                      const jobsrv__zone_t *zone,
                      int64_t after) {
  int64_t next;

  for (int i = 0; i < TIMES; i++) {
    if (!jobsrv__cron_after(cron, zone, after, &next))
      return;
    fuzz_check(next > after);
    after = next;
  }
}

static void check_zone(const jobsrv__zone_t *zone, int64_t utc) {
  jobsrv__zone_span_t span;

  for (int i = 0; i < TIMES; i++) {
    jobsrv__zone_span(zone, utc, &span);
    fuzz_check(span.begin <= utc && utc < span.end);
    if (span.end == INT64_MAX)
      return;
    utc = span.end;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  int64_t after = 1700000000 + (int64_t) fuzz_byte(&in) * 86400 * 7 +
                  (int64_t) fuzz_byte(&in) * 337;
  char *text = fuzz_string(&in);
  char *bytes = fuzz_copy((const char *) in.p, in.n);
  jobsrv_cron_error_t mistake = { .offset = SIZE_MAX };
  jobsrv__zone_t *zone = NULL;
  jobsrv__cron_t cron;
  int read = jobsrv__cron_read(&cron, text, &mistake);

  if (jobsrv__zone_read(&zone, NULL, bytes, in.n) == 0)
    check_zone(zone, after);
  if (read == 0) {
    check_civil(&cron, after);
    check_utc(&cron, zone, after);
  } else {
    fuzz_check(read == JOBSRV_ECRON);
    fuzz_check(mistake.offset <= strlen(text));
  }
  jobsrv__zone_free(zone);
  free(text);
  free(bytes);
  return 0;
}
