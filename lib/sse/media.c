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

/* A q in thousandths; what is none counts as 1 (RFC 9110, 12.4.2). */
static int quality(jobsrv__span_t value) {
  int q = 0;
  int unit = 1000;

  if (value.len == 0 || value.data[0] != '0')
    return 1000;
  for (size_t i = 2; i < value.len && unit > 1; i++) {
    if (value.data[i] < '0' || value.data[i] > '9')
      return 1000;
    unit /= 10;
    q += (value.data[i] - '0') * unit;
  }
  return value.len > 1 && value.data[1] != '.' ? 1000 : q;
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

int jobsrv__media_weight(jobsrv__span_t accept,
                         const char *type,
                         const char *subtype) {
  jobsrv__span_t element;
  jobsrv__span_t part;
  jobsrv__span_t name;
  jobsrv__span_t value;
  int best = 0;
  int weight = 0;
  int exact;
  int q;

  if (accept.data == NULL)
    return 1;
  while (next_part(&accept, ',', &element)) {
    if (!next_part(&element, ';', &part))
      continue;
    exact = exactness(part, type, subtype);
    q = 1000;
    while (next_part(&element, ';', &part))
      if (parameter(part, &name, &value) && jobsrv__span_is_nocase(name, "q"))
        q = quality(value);
    /* the most exact range decides (RFC 9110, 12.5.1) */
    if (exact > best) {
      best = exact;
      weight = q > 0 ? 4 * q + exact : 0;
    }
  }
  return weight;
}

int jobsrv__media_accepts(jobsrv__span_t accept,
                          const char *type,
                          const char *subtype) {
  return jobsrv__media_weight(accept, type, subtype) > 0;
}

/* ---- codings ---- */

enum { UNNAMED = -1 };

/* The qualities that codings have been given so far. */
typedef struct {
  int gzip;
  int identity;
  int any;
} codings_t;

/* The least counts of what is given more than one. */
static void rate(int *rated, int q) {
  if (*rated == UNNAMED || q < *rated)
    *rated = q;
}

static void read_codings(jobsrv__span_t field, codings_t *codings) {
  jobsrv__span_t element;
  jobsrv__span_t coding;
  jobsrv__span_t part;
  jobsrv__span_t name;
  jobsrv__span_t value;

  while (next_part(&field, ',', &element)) {
    int q = 1000;

    if (!next_part(&element, ';', &coding))
      continue;
    while (next_part(&element, ';', &part))
      if (parameter(part, &name, &value) && jobsrv__span_is_nocase(name, "q"))
        q = quality(value);
    if (jobsrv__span_is_nocase(coding, "gzip") ||
        jobsrv__span_is_nocase(coding, "x-gzip"))
      rate(&codings->gzip, q);
    else if (jobsrv__span_is_nocase(coding, "identity"))
      rate(&codings->identity, q);
    else if (jobsrv__span_is(coding, "*"))
      rate(&codings->any, q);
  }
}

/* RFC 9110, 12.5.3. */
int jobsrv__media_wants_gzip(const jobsrv__request_t *request) {
  codings_t codings = { UNNAMED, UNNAMED, UNNAMED };

  for (size_t i = 0; i < request->n_headers; i++)
    if (jobsrv__span_is(request->headers[i].name, "accept-encoding"))
      read_codings(request->headers[i].value, &codings);
  if (codings.gzip == UNNAMED)
    codings.gzip = codings.any;
  if (codings.identity == UNNAMED)
    codings.identity = codings.any;
  return codings.gzip > 0 && codings.gzip >= codings.identity;
}
