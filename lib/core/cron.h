/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_CRON_H_
#define JOBSRV_CORE_CRON_H_

/*
 * Cron expressions: read into sets of bits, and asked for the next time that
 * is in all of them. What an expression may be, and what it means where local
 * time jumps, is in jobsrv/schedule.h.
 */

#include "base/zone.h"
#include "jobsrv/schedule.h"

#include <stdint.h>

/* Bit n stands for the value n; Sunday is 0. */
typedef struct jobsrv__cron_s {
  uint64_t seconds, minutes;
  uint32_t hours, days, months, weekdays;
  int either_day; /* day and weekday are both restricted: one will do */
  int elapsed;    /* the hour field begins with a star */
} jobsrv__cron_t;

/*
 * [any] Reads an expression. `mistake` may be NULL.
 *
 * Returns 0, or JOBSRV_ECRON with `*mistake` and `*cron` untouched.
 */
int jobsrv__cron_read(jobsrv__cron_t *cron,
                      const char *text,
                      jobsrv_cron_error_t *mistake);

/*
 * [any] The first civil time (see civil.h) after `after` that matches, found a
 * day at a time. Returns 1, or 0 when there is none until the year 2560.
 */
int jobsrv__cron_civil_after(const jobsrv__cron_t *cron,
                             int64_t after,
                             int64_t *civil);

/*
 * [any] The first second of UTC after `after` at which a job is due in `zone`
 * (NULL: UTC). Returns 1, or 0 when there is none that 64 bits of nanoseconds
 * could tell.
 */
int jobsrv__cron_after(const jobsrv__cron_t *cron,
                       const jobsrv__zone_t *zone,
                       int64_t after,
                       int64_t *utc);

/* [any] The same in nanoseconds. */
int jobsrv__cron_after_ns(const jobsrv__cron_t *cron,
                          const jobsrv__zone_t *zone,
                          uint64_t after_ns,
                          uint64_t *utc_ns);

#endif /* JOBSRV_CORE_CRON_H_ */
