/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_GUARD_H_
#define JOBSRV_SSE_GUARD_H_

/*
 * A check or a hook of the host may close the transport, and the request with
 * it, while we are inside a call of the server. Between these two a request
 * tells whether it is still there.
 */

#include "sse/request.h"

static inline void jobsrv__guard_gone(jobsrv__request_t *request) {
  *(int *) request->data = 1;
}

static inline void jobsrv__guard(jobsrv__request_t *request, int *is_gone) {
  *is_gone = 0;
  request->data = is_gone;
  request->gone = jobsrv__guard_gone;
}

/* 1 if the request is still there to be answered. */
static inline int jobsrv__unguard(jobsrv__request_t *request,
                                  const int *is_gone) {
  if (*is_gone)
    return 0;
  request->gone = NULL;
  request->data = NULL;
  return 1;
}

#endif /* JOBSRV_SSE_GUARD_H_ */
