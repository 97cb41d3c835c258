/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_REQUEST_PARSE_H_
#define JOBSRV_SSE_REQUEST_PARSE_H_

#include "sse/head_check.h"
#include "sse/request.h"

/*
 * Fills a zeroed request from a checked head. `*memory` is what it points
 * into, to be freed with `alloc`, also after UV_EINVAL.
 *
 * Returns 0; UV_ENOMEM; UV_EINVAL when the parser objects to what the check let
 * through.
 */
int jobsrv__request_parse(jobsrv__request_t *request,
                          const jobsrv_alloc_t *alloc,
                          const jobsrv__head_t *head,
                          const char *data,
                          void **memory);

#endif /* JOBSRV_SSE_REQUEST_PARSE_H_ */
