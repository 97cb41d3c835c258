/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_SPAN_H_
#define JOBSRV_SSE_SPAN_H_

#include <stddef.h>
#include <string.h>

/* A run of bytes that belongs to somebody else. No NUL behind it. */
typedef struct jobsrv__span_s jobsrv__span_t;

struct jobsrv__span_s {
  const char *data; /* NULL: not there, which is not the same as empty */
  size_t len;
};

static inline jobsrv__span_t jobsrv__span(const char *data, size_t len) {
  jobsrv__span_t span = {data, len};

  return span;
}

static inline char jobsrv__lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
}

/* 1 when the bytes are exactly `text`. */
static inline int jobsrv__span_is(jobsrv__span_t span, const char *text) {
  return span.data != NULL && span.len == strlen(text) &&
         memcmp(span.data, text, span.len) == 0;
}

/* The same for ASCII letters of either case. */
static inline int jobsrv__span_equal_nocase(jobsrv__span_t a,
                                            jobsrv__span_t b) {
  size_t i;

  if (a.len != b.len)
    return 0;
  for (i = 0; i < a.len; i++)
    if (jobsrv__lower(a.data[i]) != jobsrv__lower(b.data[i]))
      return 0;
  return 1;
}

static inline int jobsrv__span_is_nocase(jobsrv__span_t span,
                                         const char *text) {
  return span.data != NULL &&
         jobsrv__span_equal_nocase(span, jobsrv__span(text, strlen(text)));
}

#endif /* JOBSRV_SSE_SPAN_H_ */
