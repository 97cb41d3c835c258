/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_RESPONSE_H_
#define JOBSRV_SSE_RESPONSE_H_

#include "sse/request.h"

/* Makes a jobsrv__header_t of two string literals. */
#define JOBSRV__HEADER(n, v)                                                  \
  {{(n), sizeof(n) - 1}, {(v), sizeof(v) - 1}}

/* "Not Found" for 404; "Unknown" for a status nobody defines. */
const char *jobsrv__status_text(int status);

/*
 * Answers: exactly one call of this or its kin for each request, which may be
 * gone when the call returns. Adds Content-Length, Connection and what
 * jobsrv__route_headers() adds; sends no body to HEAD and none with 204 or
 * 304. `headers` are the caller's own ones, checked: no CR, LF or NUL in them.
 * `content_type` may be NULL. All is copied. Without memory a small 503 goes
 * out instead and the connection closes.
 */
void jobsrv__respond(jobsrv__request_t *request,
                     int status,
                     const jobsrv__header_t *headers,
                     size_t n,
                     const char *content_type,
                     const void *body,
                     size_t len);

/*
 * Adds a header to the answer to come, of what has been checked: for links of
 * the chain. Returns 0 or UV_ENOMEM.
 */
int jobsrv__put_header(jobsrv__request_t *request,
                       const char *name,
                       jobsrv__span_t value);

typedef struct jobsrv__problem_s jobsrv__problem_t;

/* What is left zero is not told. Nothing here needs to be escaped. */
struct jobsrv__problem_s {
  int status;          /* 400 and above */
  const char *code;    /* a snake_case constant */
  const char *job_id;
  const char *pointer; /* JSON Pointer of the member that is wrong */
  unsigned int line;   /* where the body is not JSON */
  unsigned int column;
  unsigned int retry_after_s;
  const char *header_name; /* one more: Allow, WWW-Authenticate */
  const char *header_value;
  int must_close; /* the connection closes behind the answer */
};

/*
 * Answers with application/problem+json: type, title, status, detail, code and
 * what else the problem has. `fmt` makes `detail`, cut at 1,023 bytes.
 */
void jobsrv__respond_problem(jobsrv__request_t *request,
                             const jobsrv__problem_t *problem,
                             const char *fmt,
                             ...) JOBSRV_PRINTF(3, 4);

/* For HEAD: the head that jobsrv__conn_stream() would send, and no more. */
void jobsrv__respond_stream_head(jobsrv__request_t *request,
                                 const jobsrv__header_t *headers,
                                 size_t n);

#endif /* JOBSRV_SSE_RESPONSE_H_ */
