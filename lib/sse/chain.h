/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_CHAIN_H_
#define JOBSRV_SSE_CHAIN_H_

/* What every request passes before a route sees it, ours and the host's. */

#include "sse/request.h"

struct jobsrv__middleware_s {
  jobsrv__queue_t link;
  jobsrv_sse_middleware_t ops;
  void *self;
  uint8_t is_hosts;
};

/* Puts the library's own in. Returns 0 or UV_ENOMEM. */
int jobsrv__chain_init(jobsrv_sse_t *sse);

/* 1 when the host has added links of its own. */
int jobsrv__chain_has_hosts(const jobsrv_sse_t *sse);

/* Closes all, the last first. */
void jobsrv__chain_free(jobsrv_sse_t *sse);

/*
 * Goes on with the chain where the request is in it, to its end or to a link
 * that answers or waits.
 */
jobsrv_sse_verdict_t jobsrv__chain_run(jobsrv__request_t *request);

/* An answer is about to be sent. */
void jobsrv__chain_response(jobsrv__request_t *request, int status);

#endif /* JOBSRV_SSE_CHAIN_H_ */
