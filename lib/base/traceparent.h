/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_TRACEPARENT_H_
#define JOBSRV_BASE_TRACEPARENT_H_

/* W3C Trace Context, level 1: reading, writing, and making span ids. [any] */

#include <stddef.h>
#include <stdint.h>

enum {
  JOBSRV__TRACEPARENT_LEN = 55,
  JOBSRV__TRACEPARENT_SIZE = JOBSRV__TRACEPARENT_LEN + 1,
  JOBSRV__TRACESTATE_MAX = 512,
  JOBSRV__TRACE_SAMPLED = 1 /* the only flag there is at level 1 */
};

typedef struct jobsrv__traceparent_s {
  uint64_t hi; /* the trace id, its first eight bytes, */
  uint64_t lo; /* and the others */
  uint64_t span;
  uint8_t flags;
} jobsrv__traceparent_t;

/*
 * Reads a header's value. One of a later version is read as far as this one
 * knows it. Returns 0, or UV_EINVAL with `*to` untouched.
 */
int jobsrv__traceparent_read(const char *text,
                             size_t len,
                             jobsrv__traceparent_t *to);

/* Version 00, of nothing but the flags that are known; with a NUL. */
void jobsrv__traceparent_write(char to[JOBSRV__TRACEPARENT_SIZE],
                               const jobsrv__traceparent_t *from);

/*
 * 1 if a tracestate may be passed on: at most 512 bytes and 32 members of the
 * grammar, of which some may be empty, but not all.
 */
int jobsrv__tracestate_ok(const char *text, size_t len);

/* 16 lower case digits, without a NUL; returns what is behind them. */
char *jobsrv__hex64(char *to, uint64_t value);

/*
 * A span id for the `n`th thing of what has that 128-bit id. Of one id, none
 * comes twice, and none is 0.
 */
uint64_t jobsrv__span_id(uint64_t hi, uint64_t lo, uint64_t n);

#endif /* JOBSRV_BASE_TRACEPARENT_H_ */
