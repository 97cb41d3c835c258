/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_TRACE_H_
#define JOBSRV_SSE_TRACE_H_

/* The trace that a request is part of: its traceparent and tracestate. */

#include "base/traceparent.h"
#include "sse/request.h"

/* What the spec borrows. */
typedef struct jobsrv__given_trace_s {
  char traceparent[JOBSRV__TRACEPARENT_SIZE];
  char tracestate[JOBSRV__TRACESTATE_MAX + 1];
} jobsrv__given_trace_t;

/*
 * As the standard has it, what is wrong is not there: a traceparent that does
 * not hold, or comes twice, takes the tracestate with it, which goes alone.
 */
void jobsrv__trace_read(const jobsrv__request_t *request,
                        jobsrv__given_trace_t *lent,
                        jobsrv_spec_t *spec);

#endif /* JOBSRV_SSE_TRACE_H_ */
