/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_ACCESS_H_
#define JOBSRV_SSE_ACCESS_H_

/*
 * What the host's sinks are told of requests: one event for each that is
 * answered, actor "http", action "access", and one for each stream that is
 * over, action "stream_end". No query, no token and no header is in them but
 * the address that a proxy in front has put last into X-Forwarded-For, as the
 * field "forwarded_for", whoever that is. "peer" is who is connected; "client"
 * is there when that is a proxy that we believe, and is whom it speaks for.
 */

#include "sse/request.h"

/* Why a stream is over. */
#define JOBSRV__STREAM_END_MAP(XX)                                            \
  XX(DONE, "done")           /* it has had everything */                      \
  XX(CLIENT, "client_gone")                                                   \
  XX(STALLED, "stalled")     /* it did not read for write_stall_ms */         \
  XX(LAGGED, "lag")          /* it comes back, behind what it missed */       \
  XX(ROTATED, "rotated")     /* max_stream_ms was over */                     \
  XX(NO_MEMORY, "no_memory")                                                  \
  XX(CLOSED, "closed")       /* the transport closes */

typedef enum jobsrv__stream_end_e {
#define XX(name, text) JOBSRV__STREAM_##name,
  JOBSRV__STREAM_END_MAP(XX)
#undef XX
  JOBSRV__STREAM_END_MAX
} jobsrv__stream_end_t;

/* `request` has been answered with that many bytes. */
void jobsrv__access_answered(jobsrv__request_t *request,
                             int status,
                             size_t bytes);

/* A stream that was opened then has sent that many bytes. `job` may be NULL. */
void jobsrv__access_stream_end(jobsrv_sse_t *sse,
                               const jobsrv_job_t *job,
                               jobsrv__stream_end_t why,
                               uint64_t opened_ns,
                               uint64_t bytes);

#endif /* JOBSRV_SSE_ACCESS_H_ */
