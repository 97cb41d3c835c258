/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_LAG_H_
#define JOBSRV_SSE_LAG_H_

/* How far the open streams are behind their jobs. */

#include "sse/internal.h"

/* At least 1, 10, 100, 1,000 and 10,000 events. */
enum { JOBSRV__LAG_STEPS = 5 };

typedef struct jobsrv__lag_s {
  uint64_t most;                      /* events, of one stream */
  uint64_t behind[JOBSRV__LAG_STEPS]; /* streams */
  uint64_t bytes;                     /* that they have sent */
} jobsrv__lag_t;

/* Looks at each of them. */
void jobsrv__lag_look(const jobsrv_sse_t *sse, jobsrv__lag_t *lag);

#endif /* JOBSRV_SSE_LAG_H_ */
