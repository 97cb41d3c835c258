/* SPDX-License-Identifier: MIT */

#include "sse/api.h"

static jobsrv__span_t trim(const char *from, const char *to) {
  while (from < to && (*from == ' ' || *from == '\t'))
    from++;
  while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
    to--;
  return jobsrv__span(from, (size_t) (to - from));
}

/* The next part up to `mark`, outside of quotes; 0 when none is left. */
static int next_part(jobsrv__span_t *rest, char mark, jobsrv__span_t *part) {
  const char *start = rest->data;
  const char *p = start;
  const char *end;
  int quoted = 0;

  if (start == NULL)
    return 0;
  end = start + rest->len;
  for (; p < end && (quoted || *p != mark); p++) {
    if (*p == '"')
      quoted = !quoted;
    else if (quoted && *p == '\\' && p + 1 < end)
      p++;
  }
  *part = trim(start, p);
  *rest = p < end ? jobsrv__span(p + 1, (size_t) (end - p - 1))
                  : jobsrv__span(NULL, 0);
  return 1;
}

/* Splits `name=value`, quotes taken off the value. 0 without a "=". */
static int parameter(jobsrv__span_t part,
                     jobsrv__span_t *name,
                     jobsrv__span_t *value) {
  const char *equals = memchr(part.data, '=', part.len);
  const char *end = part.data + part.len;

  if (equals == NULL)
    return 0;
  *name = trim(part.data, equals);
  *value = trim(equals + 1, end);
  if (value->len >= 2 && value->data[0] == '"' &&
      value->data[value->len - 1] == '"')
    *value = jobsrv__span(value->data + 1, value->len - 2);
  return 1;
}

int jobsrv__media_is_json(jobsrv__span_t content_type) {
  jobsrv__span_t rest = content_type;
  jobsrv__span_t part;
  jobsrv__span_t name;
  jobsrv__span_t value;

  if (!next_part(&rest, ';', &part) ||
      !jobsrv__span_is_nocase(part, "application/json"))
    return 0;
  while (next_part(&rest, ';', &part)) {
    if (part.len == 0)
      continue;
    if (!parameter(part, &name, &value))
      return 0;
    if (jobsrv__span_is_nocase(name, "charset") &&
        !jobsrv__span_is_nocase(value, "utf-8"))
      return 0;
  }
  return 1;
}

/* "0", "0.", "0.000": this range is what the client does not want. */
static int is_zero(jobsrv__span_t value) {
  if (value.len == 0 || value.data[0] != '0')
    return 0;
  for (size_t i = 1; i < value.len; i++)
    if (value.data[i] != (i == 1 ? '.' : '0'))
      return 0;
  return 1;
}

/* How exactly a range names the type: 3; 2 by its first half; 1 all; 0 no. */
static int exactness(jobsrv__span_t range,
                     const char *type,
                     const char *subtype) {
  const char *slash = memchr(range.data, '/', range.len);
  jobsrv__span_t first;
  jobsrv__span_t second;

  if (slash == NULL)
    return 0;
  first = jobsrv__span(range.data, (size_t) (slash - range.data));
  second = jobsrv__span(slash + 1, range.len - first.len - 1);
  if (jobsrv__span_is(first, "*") && jobsrv__span_is(second, "*"))
    return 1;
  if (!jobsrv__span_is_nocase(first, type))
    return 0;
  if (jobsrv__span_is(second, "*"))
    return 2;
  return jobsrv__span_is_nocase(second, subtype) ? 3 : 0;
}

int jobsrv__media_accepts(jobsrv__span_t accept,
                          const char *type,
                          const char *subtype) {
  jobsrv__span_t element;
  jobsrv__span_t part;
  jobsrv__span_t name;
  jobsrv__span_t value;
  int best = 0;
  int wanted = 0;
  int exact;
  int zero;

  if (accept.data == NULL)
    return 1;
  while (next_part(&accept, ',', &element)) {
    if (!next_part(&element, ';', &part))
      continue;
    exact = exactness(part, type, subtype);
    zero = 0;
    while (next_part(&element, ';', &part))
      if (parameter(part, &name, &value) && jobsrv__span_is_nocase(name, "q"))
        zero = is_zero(value);
    /* the most exact range decides (RFC 9110, 12.5.1) */
    if (exact > best) {
      best = exact;
      wanted = !zero;
    }
  }
  return wanted;
}
