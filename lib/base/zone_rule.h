/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_ZONE_RULE_H_
#define JOBSRV_BASE_ZONE_RULE_H_

/*
 * The rule for all time after the last change that a zone's file lists: what
 * POSIX says of TZ, with RFC 8536's hours from -167 to 167.
 */

#include "base/zone.h"

/* The day of a change, in any year, and the second of it. */
typedef struct jobsrv__zone_day_s {
  enum {
    JOBSRV__DAY_JULIAN, /* 1..365; 29 February is not counted */
    JOBSRV__DAY_OF_YEAR, /* 0..365 */
    JOBSRV__DAY_OF_WEEK  /* the week'th such weekday of the month; 5: last */
  } kind;
  uint32_t day;
  uint32_t month, week;
  int32_t second; /* of the clock that was valid until then */
} jobsrv__zone_day_t;

typedef struct jobsrv__zone_rule_s {
  int32_t standard, summer; /* seconds east */
  int has_summer;
  jobsrv__zone_day_t begins, ends; /* of summer time */
} jobsrv__zone_rule_t;

/* "CET-1CEST,M3.5.0,M10.5.0/3". Returns 1, or 0 when it is not sound. */
int jobsrv__zone_rule_read(jobsrv__zone_rule_t *rule,
                           const char *text,
                           size_t len);

/* As jobsrv__zone_span(), as if the rule had always held. */
void jobsrv__zone_rule_span(const jobsrv__zone_rule_t *rule,
                            int64_t utc,
                            jobsrv__zone_span_t *span);

#endif /* JOBSRV_BASE_ZONE_RULE_H_ */
