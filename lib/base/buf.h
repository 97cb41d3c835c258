/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_BUF_H_
#define JOBSRV_BASE_BUF_H_

/*
 * A growable run of bytes. A failure sticks: after the first one every append
 * does nothing and returns the same code, so a writer may append twenty times
 * and look once, at `failed`. What was there before the failure stays.
 */

#include "jobsrv/alloc.h"
#include "jobsrv/export.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct jobsrv__buf_s jobsrv__buf_t;

struct jobsrv__buf_s {
  const jobsrv_alloc_t *alloc;
  char *data; /* NULL until the first byte */
  size_t len;
  size_t cap;
  size_t max; /* bound of `len` */
  int failed; /* 0, UV_ENOMEM or JOBSRV_ETOOBIG */
};

/*
 * Allocates nothing. `alloc` (NULL: the C library) must outlive the buffer; a
 * `max` of 0 means no bound.
 */
void jobsrv__buf_init(jobsrv__buf_t *buf,
                      const jobsrv_alloc_t *alloc,
                      size_t max);

/* Gives the memory back; the buffer is as after init. */
void jobsrv__buf_free(jobsrv__buf_t *buf);

/* Empty and not failed, memory kept. */
void jobsrv__buf_reset(jobsrv__buf_t *buf);

/*
 * Room for `n` more bytes, at the end of what is there. The caller writes up
 * to `n` of them and adds what it wrote to `buf->len`. NULL on failure, which
 * sticks; never NULL otherwise, even for 0.
 */
static inline char *jobsrv__buf_reserve(jobsrv__buf_t *buf, size_t n);

/* Each returns `buf->failed`. All of what is given goes in, or nothing. */
static inline int jobsrv__buf_append(jobsrv__buf_t *buf,
                                     const void *p,
                                     size_t n);
static inline int jobsrv__buf_puts(jobsrv__buf_t *buf, const char *s);
static inline int jobsrv__buf_putc(jobsrv__buf_t *buf, char c);
int jobsrv__buf_putu64(jobsrv__buf_t *buf, uint64_t value);
int jobsrv__buf_puti64(jobsrv__buf_t *buf, int64_t value);
int jobsrv__buf_printf(jobsrv__buf_t *buf, const char *fmt, ...)
    JOBSRV_PRINTF(2, 3);
int jobsrv__buf_vprintf(jobsrv__buf_t *buf, const char *fmt, va_list args)
    JOBSRV_PRINTF(2, 0);

/* Removes the first `n` bytes (all, when there are fewer); moves the rest. */
void jobsrv__buf_consume(jobsrv__buf_t *buf, size_t n);

/*
 * The content as a string: puts a NUL behind it that is not counted. NULL when
 * the buffer has failed or there is no room for the NUL; that failure sticks.
 */
const char *jobsrv__buf_str(jobsrv__buf_t *buf);

/* Writes `value` in decimal, no NUL; returns the length, at most 20. */
size_t jobsrv__u64_format(char to[20], uint64_t value);

enum { JOBSRV__DOUBLE_SIZE = 40 };

/*
 * A finite number as JSON writes it, whatever the locale: the fewest digits
 * that read back as the same. Returns the length; no NUL is promised.
 */
size_t jobsrv__double_format(char to[JOBSRV__DOUBLE_SIZE], double value);

/* ---- in line: encoding is made of these ---- */

/* What reserve does when there is no room yet. */
char *jobsrv__buf_grow(jobsrv__buf_t *buf, size_t n);

static inline char *jobsrv__buf_reserve(jobsrv__buf_t *buf, size_t n) {
  if (buf->failed != 0 || buf->data == NULL || n > buf->max - buf->len ||
      n > buf->cap - buf->len)
    return jobsrv__buf_grow(buf, n);
  return buf->data + buf->len;
}

static inline int jobsrv__buf_append(jobsrv__buf_t *buf,
                                     const void *p,
                                     size_t n) {
  char *to;

  if (n == 0)
    return buf->failed;
  to = jobsrv__buf_reserve(buf, n);
  if (to == NULL)
    return buf->failed;
  memcpy(to, p, n);
  buf->len += n;
  return 0;
}

static inline int jobsrv__buf_puts(jobsrv__buf_t *buf, const char *s) {
  return jobsrv__buf_append(buf, s, strlen(s));
}

static inline int jobsrv__buf_putc(jobsrv__buf_t *buf, char c) {
  return jobsrv__buf_append(buf, &c, 1);
}

#endif /* JOBSRV_BASE_BUF_H_ */
