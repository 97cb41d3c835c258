/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_CORS_H_
#define JOBSRV_SSE_CORS_H_

/* Pages of other origins (WHATWG Fetch, 3.2). */

#include "sse/request.h"

/* Why an origin may call. */
typedef enum jobsrv__origin_e {
  JOBSRV__ORIGIN_FOREIGN, /* it may not */
  JOBSRV__ORIGIN_SAME,    /* it is on this host and port */
  JOBSRV__ORIGIN_LISTED,  /* it is in the list as it stands */
  JOBSRV__ORIGIN_ANY      /* the list has "*" */
} jobsrv__origin_t;

/* `origins` is NULL-ended, or NULL. */
jobsrv__origin_t jobsrv__origin_of(jobsrv__span_t origin,
                                   jobsrv__span_t host,
                                   jobsrv__span_t port,
                                   char *const *origins);

/*
 * 0, or UV_EINVAL when an entry is neither "*", "null" nor scheme://host with a
 * port maybe, or "*" comes together with credentials.
 */
int jobsrv__origins_check(const char *const *origins, int credentials);

/* A link of the chain: refuses a foreign origin, answers a preflight. */
jobsrv_sse_verdict_t jobsrv__cors_request(void *self,
                                          jobsrv__request_t *request);
void jobsrv__cors_response(void *self,
                           jobsrv__request_t *request,
                           int status);

#endif /* JOBSRV_SSE_CORS_H_ */
