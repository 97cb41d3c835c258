/* SPDX-License-Identifier: MIT */

#include "otlp/json.h"

#include "base/decimal.h"
#include "base/json_scan.h"

#include <string.h>

/*
 * JSON as AnyValue. Each level of it is three messages of protobuf, whose
 * readers give up at a hundred.
 */
enum { MAX_DEPTH = 24 };

#define PUT(buf, text) ((void) jobsrv__buf_append(buf, text, sizeof(text) - 1))

static const char *put_value(jobsrv__buf_t *buf,
                             const char *p,
                             const char *end,
                             unsigned int depth);

static const char *put_list(jobsrv__buf_t *buf,
                            const char *p,
                            const char *end,
                            unsigned int depth) {
  int is_object = *p == '{';
  const char *name;
  int n = 0;

  if (is_object)
    PUT(buf, "{\"kvlistValue\":{\"values\":[");
  else
    PUT(buf, "{\"arrayValue\":{\"values\":[");
  p = jobsrv__json_skip_space(p + 1, end);
  while (p < end && *p != '}' && *p != ']') {
    if (n++ > 0)
      (void) jobsrv__buf_putc(buf, ',');
    if (is_object) {
      name = p;
      p = jobsrv__json_skip_string(p, end);
      PUT(buf, "{\"key\":");
      (void) jobsrv__buf_append(buf, name, (size_t) (p - name));
      PUT(buf, ",\"value\":");
      p = jobsrv__json_skip_space(p, end) + 1; /* the colon */
      p = jobsrv__json_skip_space(p, end);
    }
    p = put_value(buf, p, end, depth + 1);
    if (is_object)
      (void) jobsrv__buf_putc(buf, '}');
    p = jobsrv__json_skip_space(p, end);
    if (p < end && *p == ',')
      p = jobsrv__json_skip_space(p + 1, end);
  }
  PUT(buf, "]}}");
  return p < end ? p + 1 : end;
}

static void put_number(jobsrv__buf_t *buf, const char *text, size_t len) {
  int is_integer = memchr(text, '.', len) == NULL &&
                   memchr(text, 'e', len) == NULL &&
                   memchr(text, 'E', len) == NULL;
  int64_t value;

  if (is_integer && jobsrv__decimal_i64(text, len, &value) == 0) {
    PUT(buf, "{\"intValue\":");
    jobsrv__otlp_i64(buf, value);
  } else if (is_integer) {
    PUT(buf, "{\"stringValue\":");
    jobsrv__otlp_string(buf, text, len);
  } else {
    PUT(buf, "{\"doubleValue\":");
    (void) jobsrv__buf_append(buf, text, len);
  }
  (void) jobsrv__buf_putc(buf, '}');
}

static const char *put_value(jobsrv__buf_t *buf,
                             const char *p,
                             const char *end,
                             unsigned int depth) {
  const char *from = p;

  if (p >= end)
    return end;
  if ((*p == '{' || *p == '[') && depth < MAX_DEPTH)
    return put_list(buf, p, end, depth);
  p = jobsrv__json_skip_value(p, end);
  switch (*from) {
  case '{':
  case '[':
    PUT(buf, "{\"stringValue\":");
    jobsrv__otlp_string(buf, from, (size_t) (p - from));
    (void) jobsrv__buf_putc(buf, '}');
    break;
  case '"':
    PUT(buf, "{\"stringValue\":");
    (void) jobsrv__buf_append(buf, from, (size_t) (p - from));
    (void) jobsrv__buf_putc(buf, '}');
    break;
  case 't':
    PUT(buf, "{\"boolValue\":true}");
    break;
  case 'f':
    PUT(buf, "{\"boolValue\":false}");
    break;
  case 'n': /* a value that is not set */
    PUT(buf, "{}");
    break;
  default:
    put_number(buf, from, (size_t) (p - from));
    break;
  }
  return p;
}

void jobsrv__otlp_any(jobsrv__buf_t *buf, const char *json, size_t len) {
  const char *end = json + len;

  (void) put_value(buf, jobsrv__json_skip_space(json, end), end, 0);
}
