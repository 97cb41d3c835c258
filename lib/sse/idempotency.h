/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_IDEMPOTENCY_H_
#define JOBSRV_SSE_IDEMPOTENCY_H_

/*
 * Idempotency-Key: the same request sent twice makes one job. A key is its
 * principal's, and is known as long as the job it has made.
 */

#include "sse/request.h"

enum { JOBSRV__IDEMPOTENCY_KEY_MAX = 128 };

typedef enum jobsrv__known_e {
  JOBSRV__KEY_NONE,    /* the request has none */
  JOBSRV__KEY_NEW,     /* nothing was made with it */
  JOBSRV__KEY_SAME,    /* the job that was made by the same body is `*job` */
  JOBSRV__KEY_OTHER,   /* it was another body */
  JOBSRV__KEY_BAD      /* not 1 to 128 visible ASCII characters, or twice */
} jobsrv__known_t;

void jobsrv__keys_free(jobsrv_sse_t *sse);

/* `*job` is lent. */
jobsrv__known_t jobsrv__key_find(const jobsrv__request_t *request,
                                 jobsrv_job_t **job);

/*
 * Makes room to remember one more, so that remembering cannot fail.
 * Returns 0 or UV_ENOMEM.
 */
int jobsrv__key_reserve(jobsrv_sse_t *sse);

/* The request, which has a new key, has made this job. */
void jobsrv__key_keep(const jobsrv__request_t *request,
                      const jobsrv_job_t *job);

#endif /* JOBSRV_SSE_IDEMPOTENCY_H_ */
