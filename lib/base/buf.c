/* SPDX-License-Identifier: MIT */

#include "base/buf.h"

#include "base/alloc.h"
#include "jobsrv/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

enum { SMALLEST = 64 };

void jobsrv__buf_init(jobsrv__buf_t *buf,
                      const jobsrv_alloc_t *alloc,
                      size_t max) {
  memset(buf, 0, sizeof(*buf));
  buf->alloc = jobsrv__alloc(alloc);
  buf->max = max > 0 ? max : SIZE_MAX;
}

void jobsrv__buf_free(jobsrv__buf_t *buf) {
  jobsrv__free(buf->alloc, buf->data);
  buf->data = NULL;
  buf->len = 0;
  buf->cap = 0;
  buf->failed = 0;
}

void jobsrv__buf_reset(jobsrv__buf_t *buf) {
  buf->len = 0;
  buf->failed = 0;
}

/* `need` is a capacity, not a length: the bound is the callers' business. */
static int grow(jobsrv__buf_t *buf, size_t need) {
  size_t cap = buf->cap > 0 ? buf->cap : SMALLEST;
  char *data;

  while (cap < need)
    cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;

  data = jobsrv__realloc(buf->alloc, buf->data, cap);
  if (data == NULL)
    return buf->failed = UV_ENOMEM;
  buf->data = data;
  buf->cap = cap;
  return 0;
}

char *jobsrv__buf_grow(jobsrv__buf_t *buf, size_t n) {
  if (buf->failed)
    return NULL;
  if (n > buf->max - buf->len) {
    buf->failed = JOBSRV_ETOOBIG;
    return NULL;
  }
  if (buf->data == NULL || n > buf->cap - buf->len)
    if (grow(buf, buf->len + n))
      return NULL;
  return buf->data + buf->len;
}

static size_t count_digits(uint64_t value) {
  size_t count = 1;

  for (; value >= 10000; value /= 10000)
    count += 4;
  return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* Two digits at a time, from the last. */
static void put_digits(char *to, size_t len, uint64_t value) {
  static const char pairs[] =
      "00010203040506070809101112131415161718192021222324"
      "25262728293031323334353637383940414243444546474849"
      "50515253545556575859606162636465666768697071727374"
      "75767778798081828384858687888990919293949596979899";
  char *at = to + len;

  for (; value >= 100; value /= 100) {
    at -= 2;
    memcpy(at, pairs + 2 * (value % 100), 2);
  }
  if (value >= 10)
    memcpy(to, pairs + 2 * value, 2);
  else
    *to = (char) ('0' + value);
}

size_t jobsrv__u64_format(char to[20], uint64_t value) {
  size_t len = count_digits(value);

  put_digits(to, len, value);
  return len;
}

int jobsrv__buf_putu64(jobsrv__buf_t *buf, uint64_t value) {
  size_t len = count_digits(value);
  char *to = jobsrv__buf_reserve(buf, len);

  if (to == NULL)
    return buf->failed;
  put_digits(to, len, value);
  buf->len += len;
  return 0;
}

int jobsrv__buf_puti64(jobsrv__buf_t *buf, int64_t value) {
  char text[21];

  if (value >= 0)
    return jobsrv__buf_putu64(buf, (uint64_t) value);
  text[0] = '-';
  return jobsrv__buf_append(
      buf, text, 1 + jobsrv__u64_format(text + 1, 0 - (uint64_t) value));
}

int jobsrv__buf_printf(jobsrv__buf_t *buf, const char *fmt, ...) {
  va_list args;

  va_start(args, fmt);
  (void) jobsrv__buf_vprintf(buf, fmt, args);
  va_end(args);
  return buf->failed;
}

int jobsrv__buf_vprintf(jobsrv__buf_t *buf, const char *fmt, va_list args) {
  size_t room = buf->cap - buf->len;
  va_list again;
  size_t n;
  int len;

  if (buf->failed)
    return buf->failed;

  va_copy(again, args);
  len = vsnprintf(room > 0 ? buf->data + buf->len : NULL, room, fmt, args);
  n = (size_t) len;
  if (len < 0)
    buf->failed = UV_EINVAL;
  else if (n > buf->max - buf->len)
    buf->failed = JOBSRV_ETOOBIG;
  else if (n >= room && grow(buf, buf->len + n + 1) == 0)
    (void) vsnprintf(buf->data + buf->len, n + 1, fmt, again);
  va_end(again);

  if (buf->failed == 0)
    buf->len += n;
  return buf->failed;
}

void jobsrv__buf_consume(jobsrv__buf_t *buf, size_t n) {
  if (n >= buf->len) {
    buf->len = 0;
    return;
  }
  buf->len -= n;
  memmove(buf->data, buf->data + n, buf->len);
}

const char *jobsrv__buf_str(jobsrv__buf_t *buf) {
  if (buf->failed)
    return NULL;
  if (buf->len == buf->cap && grow(buf, buf->len + 1))
    return NULL;
  buf->data[buf->len] = '\0';
  return buf->data;
}

size_t jobsrv__double_format(char to[JOBSRV__DOUBLE_SIZE], double value) {
  size_t len = 0;
  int point = 0;

  for (int digits = 15; digits <= 17; digits++) {
    (void) snprintf(to, JOBSRV__DOUBLE_SIZE, "%.*g", digits, value);
    if (digits == 17 || strtod(to, NULL) == value)
      break;
  }
  /* a locale's point may be a comma, or several bytes */
  for (const char *p = to; *p != '\0'; p++) {
    if (strchr("0123456789+-e", *p) != NULL)
      to[len++] = *p;
    else if (!point++)
      to[len++] = '.';
  }
  return len;
}
