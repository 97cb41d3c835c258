/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_PROBLEM_H_
#define JOBSRV_SSE_PROBLEM_H_

#include "base/buf.h"
#include "sse/response.h"

/*
 * Appends a JSON string with its quotes: UTF-8 repaired, controls escaped.
 * Returns `buf->failed`.
 */
int jobsrv__problem_string(jobsrv__buf_t *buf, const char *text, size_t len);

/*
 * Appends a problem object (RFC 9457) of status, code, job_id, pointer, line
 * and column. Returns `buf->failed`.
 */
int jobsrv__problem_write(jobsrv__buf_t *buf,
                          const jobsrv__problem_t *problem,
                          const char *detail,
                          size_t detail_len);

#endif /* JOBSRV_SSE_PROBLEM_H_ */
