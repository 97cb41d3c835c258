/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_METRICS_H_
#define JOBSRV_SSE_METRICS_H_

/* What is counted of requests and streams, and GET /metrics. */

#include "sse/access.h"

/* `request` has been answered. */
void jobsrv__http_metrics_answered(const jobsrv__request_t *request,
                                   int status);

/* A stream that has sent that many bytes is over. */
void jobsrv__http_metrics_stream_end(jobsrv_sse_t *sse,
                                     jobsrv__stream_end_t why,
                                     uint64_t bytes);

/* The handler. */
void jobsrv__metrics(jobsrv__request_t *request, void *data);

#endif /* JOBSRV_SSE_METRICS_H_ */
