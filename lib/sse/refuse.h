/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_REFUSE_H_
#define JOBSRV_SSE_REFUSE_H_

/* Saying no. Each call is the answer to its request. */

#include "jobsrv/operation.h"
#include "sse/response.h"

/* Answers with a problem; `retry_after_s` of 0 says nothing about it. */
void jobsrv__refuse(jobsrv__request_t *request,
                    int status,
                    const char *code,
                    unsigned int retry_after_s,
                    const char *detail);

/* 404 unknown_job. */
void jobsrv__refuse_unknown_job(jobsrv__request_t *request);

/* 503 no_memory. */
void jobsrv__refuse_no_memory(jobsrv__request_t *request);

/* 503 draining. */
void jobsrv__refuse_draining(jobsrv__request_t *request);

/* 422 with the pointer and detail of the mistake. */
void jobsrv__refuse_at(jobsrv__request_t *request,
                       const char *code,
                       const jobsrv_mistake_t *mistake);

/* 415: the body is not application/json. */
void jobsrv__refuse_media(jobsrv__request_t *request);

/* What jobsrv_submit() returned. */
void jobsrv__refuse_submit(jobsrv__request_t *request,
                           int err,
                           const jobsrv_mistake_t *mistake);

/* Checks that the body is JSON. Returns 1, or 0 when it has answered. */
int jobsrv__check_json(jobsrv__request_t *request);

#endif /* JOBSRV_SSE_REFUSE_H_ */
