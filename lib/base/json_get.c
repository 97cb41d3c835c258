/* SPDX-License-Identifier: MIT */

#include "base/json_get.h"

#include "base/decimal.h"
#include "base/json_scan.h"
#include "base/utf8.h"
#include "jobsrv/error.h"

#include <string.h>

#include <uv.h>

/* RFC 6901: a tilde is followed by 0 or 1. */
static int is_pointer(const char *name) {
  for (; *name != '\0'; name++)
    if (*name == '~' && name[1] != '0' && name[1] != '1')
      return 0;
  return 1;
}

int jobsrv_json_value(const char *text,
                      size_t text_len,
                      const char *name,
                      const char **out,
                      size_t *len) {
  const char *end = text + text_len;
  const char *value;

  if (*name == '/' && !is_pointer(name))
    return UV_EINVAL;
  if (*name == '/' || *name == '\0')
    value = jobsrv__json_find(text, text_len, name);
  else
    value = jobsrv__json_find_member(text, text_len, name);
  if (value == NULL)
    return JOBSRV_ENOARG;
  *out = value;
  *len = (size_t) (jobsrv__json_skip_value(value, end) - value);
  return 0;
}

size_t jobsrv__json_unescape(char *to, const char *raw, size_t raw_len) {
  const char *end = raw + raw_len;
  const char *stop;
  char *at = to;

  while (raw < end) {
    stop = memchr(raw, '\\', (size_t) (end - raw));
    if (stop == NULL)
      stop = end;
    memcpy(at, raw, (size_t) (stop - raw));
    at += stop - raw;
    raw = stop;
    if (raw < end)
      at += jobsrv__utf8_encode(at, jobsrv__json_string_next(&raw, end));
  }
  return (size_t) (at - to);
}

/* What it comes to, without doing it. */
static void measure(jobsrv__json_raw_t *raw) {
  const char *p = raw->text;
  const char *end = p + raw->len;
  const char *stop;
  char one[4];
  uint32_t cp;

  raw->plain_len = 0;
  raw->has_nul = 0;
  while (p < end) {
    stop = memchr(p, '\\', (size_t) (end - p));
    raw->plain_len += (size_t) ((stop != NULL ? stop : end) - p);
    if (stop == NULL)
      return;
    p = stop;
    cp = jobsrv__json_string_next(&p, end);
    raw->has_nul |= cp == 0;
    raw->plain_len += jobsrv__utf8_encode(one, cp);
  }
}

int jobsrv__json_get_raw(const char *text,
                         size_t text_len,
                         const char *name,
                         jobsrv__json_raw_t *out) {
  const char *value;
  size_t len;
  int err = jobsrv_json_value(text, text_len, name, &value, &len);

  if (err != 0)
    return err;
  if (*value != '"' || len < 2)
    return JOBSRV_EARGTYPE;
  out->text = value + 1;
  out->len = len - 2;
  measure(out);
  return 0;
}

int jobsrv_json_string(const char *text,
                       size_t text_len,
                       const char *name,
                       char *to,
                       size_t cap,
                       size_t *len) {
  jobsrv__json_raw_t raw;
  int err = jobsrv__json_get_raw(text, text_len, name, &raw);

  if (err != 0)
    return err;
  if (raw.has_nul && len == NULL)
    return JOBSRV_EARGTYPE;
  if (raw.plain_len >= cap)
    return JOBSRV_ETOOBIG;
  to[jobsrv__json_unescape(to, raw.text, raw.len)] = '\0';
  if (len != NULL)
    *len = raw.plain_len;
  return 0;
}

/* The value where it is a number. */
static int get_number(const char *text,
                      size_t text_len,
                      const char *name,
                      const char **out,
                      size_t *len) {
  const char *value;
  size_t value_len;
  int err = jobsrv_json_value(text, text_len, name, &value, &value_len);

  if (err != 0)
    return err;
  if (*value != '-' && (*value < '0' || *value > '9'))
    return JOBSRV_EARGTYPE;
  *out = value;
  *len = value_len;
  return 0;
}

int jobsrv_json_i64(const char *text,
                    size_t text_len,
                    const char *name,
                    int64_t *out) {
  const char *value;
  size_t len;
  int err = get_number(text, text_len, name, &value, &len);

  if (err == 0 && jobsrv__decimal_i64(value, len, out) != 0)
    err = JOBSRV_EARGTYPE;
  return err;
}

int jobsrv_json_double(const char *text,
                       size_t text_len,
                       const char *name,
                       double *out) {
  const char *value;
  size_t len;
  int err = get_number(text, text_len, name, &value, &len);

  if (err == 0 && jobsrv__decimal_double(value, len, out) != 0)
    err = JOBSRV_EARGTYPE;
  return err;
}

int jobsrv_json_bool(const char *text,
                     size_t text_len,
                     const char *name,
                     int *out) {
  const char *value;
  size_t len;
  int err = jobsrv_json_value(text, text_len, name, &value, &len);

  if (err != 0)
    return err;
  if (*value != 't' && *value != 'f')
    return JOBSRV_EARGTYPE;
  *out = *value == 't';
  return 0;
}
