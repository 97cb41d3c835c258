/* SPDX-License-Identifier: MIT */

/*
 * What a target is taken apart into: percent-coding and parameters against a
 * reader that decodes all of it first, and routes against one that compares
 * lists of segments. The same bytes as a list of those that proxies speak for.
 */

#include "fuzz.h"
#include "proxied.h"

#include "base/alloc.h"
#include "sse/route_table.h"

enum { ROOM = 4096, PATTERNS = 6, SEGMENTS = 600 };

/* ---- percent-coding ---- */

static int hex_of(unsigned char c) {
  const char *all = "0123456789abcdef0123456789ABCDEF";
  const char *at = c != '\0' ? strchr(all, c) : NULL;

  return at != NULL ? (int) ((at - all) % 16) : -1;
}

/* The length, or -1 for what has no meaning. */
static int decoded(const char *p, size_t n, int plus, char *to) {
  int len = 0;

  for (size_t i = 0; i < n; i++) {
    int c = (unsigned char) p[i];

    if (c == '%') {
      if (i + 2 >= n || hex_of((unsigned char) p[i + 1]) < 0 ||
          hex_of((unsigned char) p[i + 2]) < 0)
        return -1;
      c = hex_of((unsigned char) p[i + 1]) * 16 +
          hex_of((unsigned char) p[i + 2]);
      if (c == 0)
        return -1;
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    to[len++] = (char) c;
  }
  return len;
}

static void check_decoded(int got, const char *to, size_t cap, int want,
                          const char *text) {
  if (want < 0) /* it may be seen too late that there is no room for it */
    fuzz_check(got == UV_EINVAL || got == UV_ENOBUFS);
  else if ((size_t) want >= cap)
    fuzz_check(got == UV_ENOBUFS);
  else
    fuzz_check(got == want && memcmp(to, text, (size_t) want) == 0 &&
               to[want] == '\0');
}

static void check_percent(const char *p, size_t n, size_t cap) {
  char *to = malloc(cap + 1);
  char text[ROOM], coded[3 * ROOM];
  int want = decoded(p, n, 0, text);
  size_t len = 0;

  fuzz_check(to != NULL);
  check_decoded(jobsrv__percent_decode(jobsrv__span(p, n), to, cap), to, cap,
                want, text);
  free(to);
  if (memchr(p, '\0', n) != NULL)
    return;
  for (size_t i = 0; i < n; i++, len += 3)
    snprintf(coded + len, 4, "%%%02X", (unsigned int) (unsigned char) p[i]);
  to = malloc(n + 1);
  fuzz_check(to != NULL);
  fuzz_check(jobsrv__percent_decode(jobsrv__span(coded, len), to, n + 1) ==
             (int) n);
  fuzz_check(memcmp(to, p, n) == 0);
  free(to);
}

static void check_query(const char *p, size_t n, const char *name,
                        size_t cap) {
  char *to = malloc(cap + 1);
  char text[ROOM];
  int got = jobsrv__query_find(jobsrv__span(p, n), name, to, cap);
  size_t at = 0;

  fuzz_check(to != NULL);
  for (; at < n; at++) {
    size_t end = at, eq;
    int len;

    while (end < n && p[end] != '&')
      end++;
    for (eq = at; eq < end && p[eq] != '='; eq++)
      ;
    len = decoded(p + at, eq - at, 1, text);
    if (len >= 0 && memchr(text, '\0', (size_t) len) == NULL &&
        (size_t) len == strlen(name) && memcmp(text, name, (size_t) len) == 0) {
      len = eq < end ? decoded(p + eq + 1, end - eq - 1, 1, text) : 0;
      check_decoded(got, to, cap, len, text);
      break;
    }
    at = end;
  }
  if (at >= n)
    fuzz_check(got == UV_ENOENT);
  free(to);
}

/* ---- routes ---- */

typedef struct {
  const char *p;
  size_t len;
  char kind; /* of jobsrv__route_s.rank */
} segment_t;

typedef struct {
  char text[300];
  const char *method;
  segment_t segments[SEGMENTS];
  size_t n;
} pattern_t;

/* Both begin with a slash. */
static size_t split(const char *p, size_t n, segment_t *to) {
  size_t count = 0;

  for (size_t at = 0; at < n && count < SEGMENTS; count++) {
    size_t end = at + 1;

    while (end < n && p[end] != '/')
      end++;
    to[count].p = p + at + 1;
    to[count].len = end - at - 1;
    to[count].kind = JOBSRV__SEGMENT_FIXED;
    at = end;
  }
  return count;
}

static int word(const char *p, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
               "0123456789_", p[i]) == NULL)
      return 0;
  return n >= 1 && n <= 64;
}

static int segment_ok(pattern_t *of, size_t at) {
  segment_t *s = &of->segments[at];

  if (at + 1 == of->n && s->len == 1 && *s->p == '*') {
    s->kind = JOBSRV__SEGMENT_REST;
    return 1;
  }
  if (s->len > 1 && s->p[0] == '{' && s->p[s->len - 1] == '}') {
    s->kind = JOBSRV__SEGMENT_NAME;
    for (size_t i = 0; i < at; i++)
      if (of->segments[i].len == s->len &&
          memcmp(of->segments[i].p, s->p, s->len) == 0)
        return 0;
    return word(s->p + 1, s->len - 2);
  }
  for (size_t i = 0; i < s->len; i++)
    if ((unsigned char) s->p[i] <= ' ' || strchr("{}?#%\x7f", s->p[i]) != NULL)
      return 0;
  return 1;
}

static int pattern_ok(pattern_t *pattern) {
  int ok = pattern->text[0] == '/';

  if (!ok)
    return 0;
  pattern->n = split(pattern->text, strlen(pattern->text), pattern->segments);
  for (size_t i = 0; i < pattern->n; i++)
    ok &= segment_ok(pattern, i);
  return ok;
}

static int same_segment(const segment_t *a, const segment_t *b) {
  return a->kind == b->kind &&
         (a->kind != JOBSRV__SEGMENT_FIXED ||
          (a->len == b->len && memcmp(a->p, b->p, a->len) == 0));
}

static int same_paths(const pattern_t *a, const pattern_t *b) {
  for (size_t i = 0; i < a->n && a->n == b->n; i++)
    if (!same_segment(&a->segments[i], &b->segments[i]))
      return 0;
  return a->n == b->n;
}

static int fits(const pattern_t *pattern, const segment_t *path, size_t n) {
  char text[ROOM];

  for (size_t i = 0; i < pattern->n; i++) {
    const segment_t *s = &pattern->segments[i];

    if (i == n)
      return 0;
    if (s->kind == JOBSRV__SEGMENT_REST)
      return 1;
    if (s->kind == JOBSRV__SEGMENT_NAME && path[i].len == 0)
      return 0;
    if (s->kind == JOBSRV__SEGMENT_FIXED &&
        (decoded(path[i].p, path[i].len, 0, text) != (int) s->len ||
         memcmp(text, s->p, s->len) != 0))
      return 0;
  }
  return n == pattern->n;
}

static int beats(const pattern_t *a, const pattern_t *b) {
  if (b == NULL)
    return 1;
  for (size_t i = 0; i < a->n && i < b->n; i++)
    if (a->segments[i].kind != b->segments[i].kind)
      return a->segments[i].kind < b->segments[i].kind;
  return 0;
}

static void check_params(const jobsrv__request_t *request,
                         const pattern_t *pattern, const segment_t *path) {
  for (size_t i = 0; i < pattern->n; i++) {
    const segment_t *s = &pattern->segments[i];
    char name[300] = "*";
    jobsrv__span_t got;

    if (s->kind == JOBSRV__SEGMENT_FIXED)
      continue;
    if (s->kind == JOBSRV__SEGMENT_NAME)
      snprintf(name, sizeof(name), "%.*s", (int) s->len - 2, s->p + 1);
    got = jobsrv__routes_param(request, name);
    fuzz_check(got.data == path[i].p);
    fuzz_check(got.len == (s->kind == JOBSRV__SEGMENT_NAME
                               ? path[i].len
                               : (size_t) (request->path.data +
                                           request->path.len - path[i].p)));
  }
}

static void check_path(jobsrv__request_t *request, const pattern_t *patterns,
                       size_t n) {
  static segment_t path[SEGMENTS + 1];
  const pattern_t *any = NULL, *best = NULL;
  jobsrv__found_t found = jobsrv__routes_find(request);
  const char *method = request->method == JOBSRV__HEAD
                           ? "GET" : request->method_text.data;
  char text[ROOM];
  size_t count = split(request->path.data, request->path.len, path);

  if (count == SEGMENTS)
    return;
  for (size_t i = 0; i < n; i++) {
    if (decoded(request->path.data, request->path.len, 0, text) < 0 ||
        !fits(&patterns[i], path, count))
      continue;
    if (beats(&patterns[i], any))
      any = &patterns[i];
    if (strcmp(patterns[i].method, method) == 0 && beats(&patterns[i], best))
      best = &patterns[i];
  }
  fuzz_check((found.any != NULL) == (any != NULL));
  fuzz_check((found.route != NULL) == (best != NULL));
  if (best == NULL)
    return;
  fuzz_check(strcmp(found.route->pattern, best->text) == 0);
  fuzz_check(strcmp(found.route->method, best->method) == 0);
  request->route = found.route;
  check_params(request, best, path);
}

static void on_request(jobsrv_sse_request_t *request, void *data) {
  (void) request;
  (void) data;
}

/* Adds it, if it may be added. */
static size_t add(jobsrv_sse_t *sse, pattern_t *patterns, size_t n) {
  pattern_t *last = &patterns[n];
  jobsrv_sse_route_t route = { .size = sizeof(route), .handler = on_request };
  int want = pattern_ok(last) ? 0 : UV_EINVAL;

  for (size_t i = 0; want == 0 && i < n; i++)
    if (strcmp(patterns[i].method, last->method) == 0 &&
        same_paths(&patterns[i], last))
      want = JOBSRV_EEXISTS;
  route.method = last->method;
  route.pattern = last->text;
  fuzz_check(jobsrv__routes_add(sse, "", &route) == want);
  return want == 0 ? n + 1 : n;
}

static void check_routes(fuzz_t *in) {
  static const char *const methods[] = { "GET", "POST", "PURGE" };
  static pattern_t patterns[PATTERNS];
  static char path[ROOM];
  jobsrv__request_t request;
  jobsrv_sse_t sse;
  size_t n = 0, len;
  unsigned int how;

  memset(&sse, 0, sizeof(sse));
  memset(&request, 0, sizeof(request));
  jobsrv__queue_init(&sse.routes);
  sse.alloc = jobsrv__alloc(NULL);
  for (int i = 0; i < PATTERNS && in->n > 0; i++) {
    const char *p;

    how = fuzz_byte(in);
    p = fuzz_bytes(in, &len);
    len = len < sizeof(patterns[n].text) ? len : sizeof(patterns[n].text) - 1;
    if (len > 0)
      memcpy(patterns[n].text, p, len);
    patterns[n].text[len] = '\0';
    patterns[n].method = methods[how % 3];
    n = add(&sse, patterns, n);
  }
  how = fuzz_byte(in);
  len = in->n < ROOM - 1 ? in->n : ROOM - 1;
  path[0] = '/';
  if (len > 0)
    memcpy(path + 1, in->p, len);
  request.sse = &sse;
  request.path = jobsrv__span(path, len + 1);
  request.method = how % 4 == 3 ? JOBSRV__HEAD : JOBSRV__OTHER;
  request.method_text = jobsrv__span(how % 4 == 3 ? "HEAD" : methods[how % 4],
                                     how % 4 == 3 ? 4
                                                  : strlen(methods[how % 4]));
  check_path(&request, patterns, n);
  jobsrv__routes_free(&sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = { "a", "limit", "x y", "\xc3\xa4", "" };
  fuzz_t in = { data, size };
  unsigned int how = fuzz_byte(&in);
  size_t cap;
  char *text;

  if (how % 2 == 0) {
    check_routes(&in);
    return 0;
  }
  cap = fuzz_byte(&in);
  in.n = in.n < ROOM ? in.n : ROOM;
  text = fuzz_copy((const char *) in.p, in.n);
  check_percent(text, in.n, cap);
  /* a raw NUL would not have come so far */
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) &&
                     memchr(text, '\0', in.n) == NULL; i++)
    check_query(text, in.n, names[i], cap);
  if (memchr(text, '\0', in.n) == NULL && memchr(text, '\n', in.n) == NULL &&
      memchr(text, '\r', in.n) == NULL)
    proxied_check(text, in.n, cap % 2 != 0);
  free(text);
  return 0;
}
