/* SPDX-License-Identifier: MIT */

#include "base/traceparent.h"

#include <string.h>

#include <uv.h>

enum { MAX_MEMBERS = 32, MAX_KEY = 256, MAX_TENANT = 241, MAX_SYSTEM = 14,
       MAX_VALUE = 256 };

/* Where things stand in "00-<32 digits>-<16 digits>-<2 digits>". */
enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };

/* Lower case digits alone. Returns 1, or 0 for anything else. */
static int read_hex(const char *text, size_t digits, uint64_t *to) {
  uint64_t value = 0;

  for (size_t i = 0; i < digits; i++) {
    char c = text[i];

    if (c >= '0' && c <= '9')
      value = value << 4 | (uint64_t) (c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value << 4 | (uint64_t) (c - 'a' + 10);
    else
      return 0;
  }
  *to = value;
  return 1;
}

int jobsrv__traceparent_read(const char *text,
                             size_t len,
                             jobsrv__traceparent_t *to) {
  jobsrv__traceparent_t read;
  uint64_t version;
  uint64_t flags;

  if (len < JOBSRV__TRACEPARENT_LEN || !read_hex(text, 2, &version) ||
      version == 0xff || text[TRACE_AT - 1] != '-' ||
      text[SPAN_AT - 1] != '-' || text[FLAGS_AT - 1] != '-')
    return UV_EINVAL;
  if (len > JOBSRV__TRACEPARENT_LEN &&
      (version == 0 || text[JOBSRV__TRACEPARENT_LEN] != '-'))
    return UV_EINVAL;
  if (!read_hex(text + TRACE_AT, 16, &read.hi) ||
      !read_hex(text + TRACE_AT + 16, 16, &read.lo) ||
      !read_hex(text + SPAN_AT, 16, &read.span) ||
      !read_hex(text + FLAGS_AT, 2, &flags))
    return UV_EINVAL;
  if ((read.hi == 0 && read.lo == 0) || read.span == 0)
    return UV_EINVAL;
  read.flags = (uint8_t) (flags & JOBSRV__TRACE_SAMPLED);
  *to = read;
  return 0;
}

char *jobsrv__hex64(char *to, uint64_t value) {
  static const char digits[] = "0123456789abcdef";

  for (int shift = 60; shift >= 0; shift -= 4)
    *to++ = digits[value >> shift & 15];
  return to;
}

void jobsrv__traceparent_write(char to[JOBSRV__TRACEPARENT_SIZE],
                               const jobsrv__traceparent_t *from) {
  char *at = to;

  memcpy(at, "00-", 3);
  at = jobsrv__hex64(at + 3, from->hi);
  at = jobsrv__hex64(at, from->lo);
  *at++ = '-';
  at = jobsrv__hex64(at, from->span);
  memcpy(at, from->flags & JOBSRV__TRACE_SAMPLED ? "-01" : "-00", 4);
}

/* ---- tracestate ---- */

static int is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* The rest of a key, behind its first character. */
static int rest_ok(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (!is_lower(text[i]) && !is_digit(text[i]) &&
        (text[i] == '\0' || strchr("_-*/", text[i]) == NULL))
      return 0;
  return 1;
}

/* `vendor`, or `tenant@vendor`. */
static int key_ok(const char *key, size_t len) {
  const char *at = len > 0 ? memchr(key, '@', len) : NULL;
  size_t tenant;
  size_t system;

  if (at == NULL)
    return len >= 1 && len <= MAX_KEY && is_lower(key[0]) &&
           rest_ok(key + 1, len - 1);
  tenant = (size_t) (at - key);
  system = len - tenant - 1;
  return tenant >= 1 && tenant <= MAX_TENANT && system >= 1 &&
         system <= MAX_SYSTEM && (is_lower(key[0]) || is_digit(key[0])) &&
         rest_ok(key + 1, tenant - 1) && is_lower(at[1]) &&
         rest_ok(at + 2, system - 1);
}

static int value_ok(const char *value, size_t len) {
  if (len < 1 || len > MAX_VALUE || value[len - 1] == ' ')
    return 0;
  for (size_t i = 0; i < len; i++)
    if (value[i] < 0x20 || value[i] > 0x7e || value[i] == '=')
      return 0;
  return 1;
}

static int is_blank(char c) {
  return c == ' ' || c == '\t';
}

/* Without the blanks around it. 0 when nothing is left. */
static size_t trim(const char **text, size_t len) {
  while (len > 0 && is_blank(**text)) {
    (*text)++;
    len--;
  }
  while (len > 0 && is_blank((*text)[len - 1]))
    len--;
  return len;
}

int jobsrv__tracestate_ok(const char *text, size_t len) {
  const char *end = text + len;
  size_t members = 0;

  if (len > JOBSRV__TRACESTATE_MAX)
    return 0;
  while (text < end) {
    const char *comma = memchr(text, ',', (size_t) (end - text));
    const char *stop = comma != NULL ? comma : end;
    size_t size = trim(&text, (size_t) (stop - text));
    const char *equals = size > 0 ? memchr(text, '=', size) : NULL;
    size_t key = equals != NULL ? (size_t) (equals - text) : 0;

    if (size > 0 && (equals == NULL || !key_ok(text, key) ||
                     !value_ok(equals + 1, size - key - 1)))
      return 0;
    members += size > 0;
    text = comma != NULL ? comma + 1 : end;
  }
  return members >= 1 && members <= MAX_MEMBERS;
}

/* ---- span ids ---- */

/* One to one. */
static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

uint64_t jobsrv__span_id(uint64_t hi, uint64_t lo, uint64_t n) {
  uint64_t from = mix(hi ^ mix(lo));
  uint64_t id = mix(from + n);

  /* 0 comes of one number in 2^64: it has the place of the last one */
  return id != 0 ? id : mix(from - 1);
}
