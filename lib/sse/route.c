/* SPDX-License-Identifier: MIT */

#include "sse/api.h"

#include <stdio.h>
#include <string.h>

/*
 * One table of all that is served. A pattern's segments are compared after
 * undoing percent-encoding; {id} takes any one segment.
 */
typedef struct route_s {
  jobsrv__method_t method;
  const char *pattern;
  jobsrv__handler_cb handler;
  jobsrv__precheck_cb precheck; /* NULL: none */
  unsigned int is_open : 1;     /* 1: at the top, for anyone who can connect */
} route_t;

static const route_t routes[] = {
  { JOBSRV__POST, "/jobs", jobsrv__jobs_create, jobsrv__jobs_precheck, 0 },
  { JOBSRV__GET, "/jobs", jobsrv__jobs_list, NULL, 0 },
  { JOBSRV__GET, "/jobs/{id}", jobsrv__jobs_record, NULL, 0 },
  { JOBSRV__DELETE, "/jobs/{id}", jobsrv__jobs_cancel, NULL, 0 },
  { JOBSRV__POST, "/jobs/{id}/cancel", jobsrv__jobs_cancel, NULL, 0 },
  { JOBSRV__GET, "/jobs/{id}/stream", jobsrv__jobs_stream, NULL, 0 },
  { JOBSRV__GET, "/health", jobsrv__health, NULL, 1 },
  { JOBSRV__GET, "/ready", jobsrv__ready, NULL, 1 },
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]) };

/* What a path leads to. */
typedef struct {
  unsigned int methods; /* bits of jobsrv__method_t */
  const route_t *route; /* for the method that was asked for; may be NULL */
  const route_t *any;   /* NULL: nothing is there */
} found_t;

/* ---- matching ---- */

/*
 * Takes the pattern off the front of `*path`, segment by segment.
 * Returns 1 if all of it was there; `id` then holds what {id} stood for.
 */
static int take(jobsrv__span_t *path, const char *pattern, char *id) {
  jobsrv__span_t want = jobsrv__span(pattern, strlen(pattern));
  jobsrv__span_t want_segment;
  jobsrv__span_t segment;
  char text[JOBSRV__SEGMENT_SIZE];
  int len;

  while (jobsrv__path_next(&want, &want_segment)) {
    if (!jobsrv__path_next(path, &segment))
      return 0;
    len = jobsrv__percent_decode(segment, text, sizeof(text));
    if (len < 0)
      return 0;
    if (jobsrv__span_is(want_segment, "{id}")) {
      if (id != NULL)
        memcpy(id, text, (size_t) len + 1);
      continue;
    }
    if ((size_t) len != want_segment.len ||
        memcmp(text, want_segment.data, want_segment.len) != 0)
      return 0;
  }
  return 1;
}

static int matches(const jobsrv__request_t *request,
                   const route_t *route,
                   char *id) {
  jobsrv__span_t path = request->path;

  if (!route->is_open && !take(&path, request->sse->prefix, NULL))
    return 0;
  return take(&path, route->pattern, id) && path.len == 0;
}

static void find(const jobsrv__request_t *request, found_t *found) {
  jobsrv__method_t method =
      request->method == JOBSRV__HEAD ? JOBSRV__GET : request->method;

  memset(found, 0, sizeof(*found));
  for (size_t i = 0; i < ROUTES; i++) {
    if (!matches(request, &routes[i], NULL))
      continue;
    found->any = &routes[i];
    found->methods |= 1u << routes[i].method;
    if (routes[i].method == method)
      found->route = &routes[i];
  }
}

/* ---- answers ---- */

static void respond_allow(jobsrv__request_t *request, unsigned int methods) {
  jobsrv__problem_t problem = { .status = 405, .code = "method_not_allowed" };
  jobsrv__header_t allow = JOBSRV__HEADER("Allow", "");
  char text[64];

  (void) snprintf(text, sizeof(text), "%s%s%sOPTIONS",
                  methods & (1u << JOBSRV__GET) ? "GET, HEAD, " : "",
                  methods & (1u << JOBSRV__POST) ? "POST, " : "",
                  methods & (1u << JOBSRV__DELETE) ? "DELETE, " : "");
  if (request->method == JOBSRV__OPTIONS) {
    allow.value = jobsrv__span(text, strlen(text));
    jobsrv__respond(request, 204, &allow, 1, NULL, NULL, 0);
    return;
  }
  problem.header_name = "Allow";
  problem.header_value = text;
  jobsrv__respond_problem(request, &problem, "allowed here: %s", text);
}

void jobsrv__respond_json(jobsrv__request_t *request,
                          int status,
                          const char *location,
                          const char *json,
                          size_t len) {
  jobsrv__header_t headers[2] = {
    JOBSRV__HEADER("Cache-Control", "no-store"),
    JOBSRV__HEADER("Location", ""),
  };

  if (location != NULL)
    headers[1].value = jobsrv__span(location, strlen(location));
  jobsrv__respond(request, status, headers, location != NULL ? 2 : 1,
                  "application/json", json, len);
}

void jobsrv__refuse(jobsrv__request_t *request,
                    int status,
                    const char *code,
                    unsigned int retry_after_s,
                    const char *detail) {
  jobsrv__problem_t problem = {
    .status = status,
    .code = code,
    .retry_after_s = retry_after_s,
  };

  jobsrv__respond_problem(request, &problem, "%s", detail);
}

void jobsrv__refuse_no_memory(jobsrv__request_t *request) {
  jobsrv__refuse(request, 503, "no_memory", JOBSRV__RETRY_SOON,
                 "there is no memory for this now");
}

void jobsrv__refuse_draining(jobsrv__request_t *request) {
  jobsrv__refuse(request, 503, "draining", JOBSRV__RETRY_LATER,
                 "the server is shutting down and takes no new work");
}

/* ---- from the HTTP half ---- */

int jobsrv__route_head(jobsrv__request_t *request) {
  static const unsigned int all =
      1u << JOBSRV__GET | 1u << JOBSRV__POST | 1u << JOBSRV__DELETE;
  found_t found;
  int is_open;

  find(request, &found);
  is_open = found.any != NULL && found.any->is_open;
  if (!is_open && !jobsrv__auth_host(request))
    return 0;
  if (!jobsrv__auth_origin(request))
    return 0;
  if (!is_open && !jobsrv__auth_token(request))
    return 0;

  if (jobsrv__span_is(request->path, "*")) {
    respond_allow(request, all);
    return 0;
  }
  if (found.any == NULL) {
    jobsrv__refuse(request, 404, "not_found", 0,
                   "there is nothing at this path");
    return 0;
  }
  if (found.route == NULL) {
    respond_allow(request, found.methods);
    return 0;
  }
  return found.route->precheck == NULL || found.route->precheck(request);
}

void jobsrv__route_body(jobsrv__request_t *request) {
  char id[JOBSRV__SEGMENT_SIZE] = "";
  found_t found;

  find(request, &found);
  (void) matches(request, found.route, id);
  found.route->handler(request, id);
}

/* ---- the ids of a request ---- */

static int visible(jobsrv__span_t text) {
  if (text.data == NULL || text.len == 0 ||
      text.len > JOBSRV__REQUEST_ID_MAX)
    return 0;
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] <= ' ' || text.data[i] > '~')
      return 0;
  return 1;
}

static void make_id(jobsrv_sse_t *sse, char *to) {
  static const char digits[] = "0123456789abcdef";
  unsigned char random[16];

  /* an answer without an id is better than none */
  if (jobsrv__id_random(&sse->ids, random, sizeof(random)) != 0)
    return;
  for (size_t i = 0; i < sizeof(random); i++) {
    *to++ = digits[random[i] >> 4];
    *to++ = digits[random[i] & 15];
  }
  *to = '\0';
}

static void take_id(jobsrv__request_t *request, const char *name, char *to) {
  jobsrv__span_t given;
  size_t count = 0;

  if (*to != '\0')
    return;
  given = jobsrv__request_header(request, name, &count);
  if (count == 1 && visible(given)) {
    memcpy(to, given.data, given.len);
    to[given.len] = '\0';
    return;
  }
  make_id(request->sse, to);
}

void jobsrv__request_ids(jobsrv__request_t *request) {
  take_id(request, "x-request-id", request->request_id);
  take_id(request, "x-correlation-id", request->correlation_id);
}

void jobsrv__route_headers(jobsrv__request_t *request, jobsrv__buf_t *head) {
  jobsrv__request_ids(request);
  if (request->request_id[0] != '\0')
    jobsrv__buf_printf(head, "X-Request-Id: %s\r\n", request->request_id);
  if (request->correlation_id[0] != '\0')
    jobsrv__buf_printf(head, "X-Correlation-Id: %s\r\n",
                       request->correlation_id);
}
