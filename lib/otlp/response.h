/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_OTLP_RESPONSE_H_
#define JOBSRV_OTLP_RESPONSE_H_

/* Reading one answer, of which only so much is kept as matters. */

#include "base/buf.h"

#include <llhttp.h>

enum {
  JOBSRV__OTLP_HEAD_MAX = 16 * 1024, /* the head, and what comes before it */
  JOBSRV__OTLP_BODY_MAX = 64 * 1024  /* that is kept; what is longer is cut */
};

typedef struct jobsrv__otlp_response_s {
  llhttp_t parser;
  llhttp_settings_t settings;
  unsigned int status;   /* of the final answer; 0: not there yet */
  int keeps;             /* the connection can be used again */
  int has_begun;         /* a byte has come */
  char retry_after[64];  /* "": none */
  jobsrv__buf_t body;
  /* private */
  size_t head_len;
  size_t body_seen;
  char name[16];
  size_t name_len;
  size_t value_len;
  int in_value;
  int in_body;
  int is_complete;
} jobsrv__otlp_response_t;

void jobsrv__otlp_response_init(jobsrv__otlp_response_t *response,
                                const jobsrv_alloc_t *alloc);
void jobsrv__otlp_response_free(jobsrv__otlp_response_t *response);

/* For the next one; its memory is kept. */
void jobsrv__otlp_response_reset(jobsrv__otlp_response_t *response);

/*
 * Takes what has come. Returns 1 when the answer is complete, 0 when more is to
 * come, UV_EPROTO for what is none, or a bound that it goes past. Too little
 * memory only loses the body.
 */
int jobsrv__otlp_response_feed(jobsrv__otlp_response_t *response,
                               const char *data,
                               size_t len);

/* Nothing more will come. Returns 1 if that completes it, else UV_EOF. */
int jobsrv__otlp_response_end(jobsrv__otlp_response_t *response);

/*
 * How long a Retry-After asks to wait, in milliseconds, at most a day: seconds,
 * or a date in any of the three forms of RFC 9110, 5.6.7. 0 for what is none,
 * or is over.
 */
uint64_t jobsrv__otlp_retry_after(const char *text, uint64_t wall_ns);

#endif /* JOBSRV_OTLP_RESPONSE_H_ */
