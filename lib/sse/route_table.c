/* SPDX-License-Identifier: MIT */

#include "sse/route_table.h"

#include "base/alloc.h"

#include <string.h>

/* ---- patterns ---- */

static int is_token(const char *text, size_t max) {
  static const char more[] = "!#$%&'*+-.^_`|~"; /* RFC 9110, 5.6.2 */
  size_t n;

  for (n = 0; text[n] != '\0'; n++) {
    char c = jobsrv__lower(text[n]);

    if (n == max || ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
                     strchr(more, c) == NULL))
      return 0;
  }
  return n > 0;
}

static int is_name(jobsrv__span_t segment) {
  return segment.len >= 2 && segment.data[0] == '{' &&
         segment.data[segment.len - 1] == '}';
}

/* A name is a word, and is there once. */
static int name_ok(const char *pattern, jobsrv__span_t segment) {
  if (segment.len < 3 || segment.len > 66)
    return 0;
  for (size_t i = 1; i + 1 < segment.len; i++) {
    char c = jobsrv__lower(segment.data[i]);

    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_')
      return 0;
  }
  return memmem(pattern, (size_t) (segment.data - pattern), segment.data,
                segment.len) == NULL;
}

/* A fixed segment is compared with what a path's has decoded to. */
static int fixed_ok(jobsrv__span_t segment) {
  for (size_t i = 0; i < segment.len; i++) {
    unsigned char c = (unsigned char) segment.data[i];

    if (c <= ' ' || c == 0x7f || strchr("{}?#%", c) != NULL)
      return 0;
  }
  return 1;
}

static char rank_of(jobsrv__span_t segment, int is_last) {
  if (is_last && jobsrv__span_is(segment, "*"))
    return JOBSRV__SEGMENT_REST;
  return is_name(segment) ? JOBSRV__SEGMENT_NAME : JOBSRV__SEGMENT_FIXED;
}

/* Writes the rank, as long as there are segments. Returns 0 or UV_EINVAL. */
static int pattern_read(const char *pattern, char *rank) {
  jobsrv__span_t rest = jobsrv__span(pattern, strlen(pattern));
  jobsrv__span_t segment;

  if (rest.len == 0 || pattern[0] != '/')
    return UV_EINVAL;
  while (jobsrv__path_next(&rest, &segment)) {
    *rank = rank_of(segment, rest.len == 0);
    if ((*rank == JOBSRV__SEGMENT_NAME && !name_ok(pattern, segment)) ||
        (*rank == JOBSRV__SEGMENT_FIXED && !fixed_ok(segment)))
      return UV_EINVAL;
    rank++;
  }
  *rank = '\0';
  return 0;
}

/* 1 when the two fit exactly the same paths; their ranks are equal. */
static int same_paths(const char *a, const char *b) {
  jobsrv__span_t rest_a = jobsrv__span(a, strlen(a));
  jobsrv__span_t rest_b = jobsrv__span(b, strlen(b));
  jobsrv__span_t x, y;

  while (jobsrv__path_next(&rest_a, &x) && jobsrv__path_next(&rest_b, &y)) {
    if (is_name(x))
      continue;
    if (x.len != y.len || memcmp(x.data, y.data, x.len) != 0)
      return 0;
  }
  return 1;
}

/* ---- the table ---- */

const jobsrv__route_t *jobsrv__routes_next(const jobsrv_sse_t *sse,
                                           const jobsrv__route_t *route) {
  const jobsrv__queue_t *link =
      route == NULL ? jobsrv__queue_front(&sse->routes)
                    : jobsrv__queue_next(&sse->routes, &route->link);

  return link != NULL ? JOBSRV__CONTAINER(link, jobsrv__route_t, link) : NULL;
}

int jobsrv__routes_same(const jobsrv__route_t *a, const jobsrv__route_t *b) {
  return strcmp(a->rank, b->rank) == 0 && same_paths(a->pattern, b->pattern);
}

static int is_taken(const jobsrv_sse_t *sse, const jobsrv__route_t *route) {
  const jobsrv__route_t *other = NULL;

  while ((other = jobsrv__routes_next(sse, other)) != NULL)
    if (strcmp(other->method, route->method) == 0 &&
        jobsrv__routes_same(other, route))
      return 1;
  return 0;
}

int jobsrv__routes_add(jobsrv_sse_t *sse,
                       const char *prefix,
                       const jobsrv_sse_route_t *given) {
  size_t prefix_len = strlen(prefix);
  size_t pattern_len = prefix_len + strlen(given->pattern);
  size_t method_len = strlen(given->method);
  const char *summary = given->summary != NULL ? given->summary : "";
  jobsrv__route_t *route;
  char *text;
  int err;

  if (given->handler == NULL || pattern_len > JOBSRV__PATTERN_MAX ||
      !is_token(given->method, JOBSRV__METHOD_MAX) ||
      strcmp(given->method, "HEAD") == 0)
    return UV_EINVAL;
  /* no rank is longer than its pattern */
  route = jobsrv__zalloc(sse->alloc, sizeof(*route) + 2 * (pattern_len + 1) +
                                         method_len + 1 +
                                         strlen(summary) + 1);
  if (route == NULL)
    return UV_ENOMEM;
  text = (char *) (route + 1);
  memcpy(text, prefix, prefix_len);
  memcpy(text + prefix_len, given->pattern, pattern_len - prefix_len + 1);
  route->pattern = text;
  text += pattern_len + 1;
  memcpy(text, given->method, method_len + 1);
  route->method = text;
  text += method_len + 1;
  route->summary = memcpy(text, summary, strlen(summary) + 1);
  text += strlen(summary) + 1;
  route->rank = text;
  route->metrics = &route->own_metrics;
  route->handler = given->handler;
  route->head = given->head;
  route->data = given->data;
  route->is_open = given->is_open != 0;

  err = pattern_read(route->pattern, text);
  if (err == 0 && is_taken(sse, route))
    err = JOBSRV_EEXISTS;
  if (err != 0) {
    jobsrv__free(sse->alloc, route);
    return err;
  }
  jobsrv__queue_push_back(&sse->routes, &route->link);
  return 0;
}

void jobsrv__routes_free(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_pop(&sse->routes)) != NULL)
    jobsrv__free(sse->alloc, JOBSRV__CONTAINER(link, jobsrv__route_t, link));
}

/* ---- matching ---- */

static int hex(char c) {
  return c >= '0' && c <= '9' ? c - '0' : (jobsrv__lower(c) - 'a') + 10;
}

/* Compares what `given` decodes to; its escapes are well-formed. */
static int is_fixed(jobsrv__span_t want, jobsrv__span_t given) {
  size_t at = 0;

  for (size_t i = 0; i < given.len; i++, at++) {
    char c = given.data[i];

    if (c == '%') {
      c = (char) (hex(given.data[i + 1]) << 4 | hex(given.data[i + 2]));
      i += 2;
    }
    if (at == want.len || c != want.data[at])
      return 0;
  }
  return at == want.len;
}

static int is_hex(char c) {
  char lower = jobsrv__lower(c);

  return (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'f');
}

/* Every "%" begins an escape, and none is of NUL. */
static int escapes_ok(jobsrv__span_t path) {
  const char *at = path.data;
  const char *end = at + path.len;

  while ((at = memchr(at, '%', (size_t) (end - at))) != NULL) {
    if (end - at < 3 || !is_hex(at[1]) || !is_hex(at[2]) ||
        (at[1] == '0' && at[2] == '0'))
      return 0;
    at += 3;
  }
  return 1;
}

static int fits(const jobsrv__route_t *route, jobsrv__span_t path) {
  jobsrv__span_t want = jobsrv__span(route->pattern, strlen(route->pattern));
  const char *rank = route->rank;
  jobsrv__span_t segment;
  jobsrv__span_t given;

  for (; *rank != '\0'; rank++) {
    (void) jobsrv__path_next(&want, &segment);
    if (!jobsrv__path_next(&path, &given))
      return 0;
    if (*rank == JOBSRV__SEGMENT_REST)
      return 1;
    if (*rank == JOBSRV__SEGMENT_NAME ? given.len == 0
                                      : !is_fixed(segment, given))
      return 0;
  }
  return path.len == 0;
}

static int takes(const jobsrv__route_t *route,
                 const jobsrv__request_t *request) {
  if (request->method == JOBSRV__HEAD)
    return strcmp(route->method, "GET") == 0;
  return jobsrv__span_is(request->method_text, route->method);
}

static int is_better(const jobsrv__route_t *route,
                     const jobsrv__route_t *than) {
  return than == NULL || strcmp(route->rank, than->rank) < 0;
}

jobsrv__found_t jobsrv__routes_find(const jobsrv__request_t *request) {
  jobsrv__found_t found = { NULL, NULL };
  const jobsrv__route_t *route = NULL;

  if (!escapes_ok(request->path))
    return found;
  while ((route = jobsrv__routes_next(request->sse, route)) != NULL) {
    if (!fits(route, request->path))
      continue;
    if (is_better(route, found.any))
      found.any = route;
    if (takes(route, request) && is_better(route, found.route))
      found.route = route;
  }
  return found;
}

/* ---- Allow ---- */

typedef struct {
  char *to;
  size_t cap;
  size_t len;
} allow_t;

/* 1 when it is among what is written. */
static int is_listed(const allow_t *allow, const char *method) {
  size_t len = strlen(method);
  const char *at = allow->to;

  while ((at = strstr(at, method)) != NULL) {
    if ((at == allow->to || at[-1] == ' ') &&
        (at[len] == ',' || at[len] == '\0'))
      return 1;
    at += len;
  }
  return 0;
}

static void list(allow_t *allow, const char *method) {
  size_t len = strlen(method);

  if (is_listed(allow, method) || allow->len + len + 3 > allow->cap)
    return;
  if (allow->len > 0) {
    memcpy(allow->to + allow->len, ", ", 2);
    allow->len += 2;
  }
  memcpy(allow->to + allow->len, method, len + 1);
  allow->len += len;
}

void jobsrv__routes_allow(const jobsrv__request_t *request,
                          char *to,
                          size_t cap) {
  int is_all = jobsrv__span_is(request->path, "*");
  const jobsrv__route_t *route = NULL;
  allow_t allow = { to, cap, 0 };

  to[0] = '\0';
  while ((route = jobsrv__routes_next(request->sse, route)) != NULL) {
    if (!is_all && !fits(route, request->path))
      continue;
    list(&allow, route->method);
    if (strcmp(route->method, "GET") == 0)
      list(&allow, "HEAD");
  }
  list(&allow, "OPTIONS");
}

/* ---- names ---- */

jobsrv__span_t jobsrv__routes_param(const jobsrv__request_t *request,
                                    const char *name) {
  static const jobsrv__span_t none = { NULL, 0 };
  const jobsrv__route_t *route = request->route;
  jobsrv__span_t path = request->path;
  jobsrv__span_t want, segment, given;
  size_t len = strlen(name);

  if (route == NULL)
    return none;
  want = jobsrv__span(route->pattern, strlen(route->pattern));
  for (const char *rank = route->rank; *rank != '\0'; rank++) {
    jobsrv__span_t rest = path;

    (void) jobsrv__path_next(&want, &segment);
    (void) jobsrv__path_next(&path, &given);
    if (*rank == JOBSRV__SEGMENT_REST && strcmp(name, "*") == 0)
      return jobsrv__span(rest.data + 1, rest.len - 1);
    if (*rank == JOBSRV__SEGMENT_NAME && segment.len == len + 2 &&
        memcmp(segment.data + 1, name, len) == 0)
      return given;
  }
  return none;
}
