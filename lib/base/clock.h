/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_CLOCK_H_
#define JOBSRV_BASE_CLOCK_H_

#include "jobsrv/timer.h"

#include <stddef.h>
#include <stdint.h>

enum {
  JOBSRV__RFC3339_SIZE = 25 /* with the NUL */
};

/*
 * [any] The machine's own clocks, CLOCK_MONOTONIC and CLOCK_REALTIME. Constant
 * storage behind a pointer that fits where a clock driven by hand goes;
 * `attach` and `detach` are NULL.
 */
jobsrv_clock_t *jobsrv__clock_system(void);

/* [any] */
static inline uint64_t jobsrv__now(const jobsrv_clock_t *clock) {
  return clock->monotonic_ns(clock);
}

/* [any] */
static inline uint64_t jobsrv__wall(const jobsrv_clock_t *clock) {
  return clock->wall_ns(clock);
}

/* [any] Writes "2026-11-23T09:44:49.123Z" and a NUL; cuts at milliseconds. */
void jobsrv__rfc3339(char to[JOBSRV__RFC3339_SIZE], uint64_t wall_ns);

/*
 * [any] Reads an RFC 3339 date and time with any offset and any number of
 * fraction digits (cut at nanoseconds); a leap second counts as the next.
 *
 * Returns 0, or UV_EINVAL for anything else, a day that does not exist, or a
 * time before 1970 or beyond 64 bits, with `*wall_ns` untouched.
 */
int jobsrv__rfc3339_parse(const char *text, size_t len, uint64_t *wall_ns);

#endif /* JOBSRV_BASE_CLOCK_H_ */
