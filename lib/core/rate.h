/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_RATE_H_
#define JOBSRV_CORE_RATE_H_

/*
 * A token bucket in whole nanoseconds. The n-th token of a period is there
 * n * period / count after its beginning, rounded up, and the last one at its
 * end: so nothing is lost or gained by rounding, however long it runs.
 */

#include "jobsrv/operation.h"

typedef struct jobsrv__rate_s {
  uint64_t period_ns;
  uint64_t base_ns;  /* when the present period began */
  uint32_t count;    /* a period, and the most there may be; 0: no limit */
  uint32_t made;     /* in this period */
  uint32_t tokens;
} jobsrv__rate_t;

/* A full one. */
void jobsrv__rate_init(jobsrv__rate_t *rate, const jobsrv_rate_t *def);

/* How many there are now; UINT32_MAX without a limit. */
uint32_t jobsrv__rate_tokens(jobsrv__rate_t *rate, uint64_t now);

/* Takes one, after jobsrv__rate_tokens() has said that there is one. */
void jobsrv__rate_take(jobsrv__rate_t *rate, uint64_t now);

/* When there is one more, of a bucket that is not full. */
uint64_t jobsrv__rate_next(const jobsrv__rate_t *rate);

#endif /* JOBSRV_CORE_RATE_H_ */
