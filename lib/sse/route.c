/* SPDX-License-Identifier: MIT */

#include "sse/api.h"
#include "sse/chain.h"
#include "sse/metrics.h"
#include "sse/openapi.h"
#include "sse/route_table.h"
#include "sse/ticket.h"

#include "base/options.h"

#include <stdio.h>
#include <string.h>

/* ---- the library's own routes ---- */

int jobsrv__routes_init(jobsrv_sse_t *sse) {
  static const jobsrv_sse_route_t below[] = {
    { .method = "GET", .pattern = "/jobs", .handler = jobsrv__jobs_list },
    { .method = "GET", .pattern = "/jobs/{id}",
      .handler = jobsrv__jobs_record },
    { .method = "GET", .pattern = "/jobs/{id}/stream",
      .handler = jobsrv__jobs_stream },
    { .method = "GET", .pattern = "/jobs/{id}/events",
      .handler = jobsrv__jobs_events },
    { .method = "GET", .pattern = "/stream", .handler = jobsrv__jobs_many },
    { .method = "GET", .pattern = "/openapi.json",
      .handler = jobsrv__openapi },
    { .method = "POST", .pattern = "/jobs", .handler = jobsrv__jobs_create,
      .head = jobsrv__jobs_precheck },
    { .method = "POST", .pattern = "/jobs/{id}/cancel",
      .handler = jobsrv__jobs_cancel },
    { .method = "POST", .pattern = "/jobs/{id}/answer",
      .handler = jobsrv__jobs_answer },
    { .method = "POST", .pattern = "/jobs/{id}/ticket",
      .handler = jobsrv__jobs_ticket },
    { .method = "DELETE", .pattern = "/jobs/{id}",
      .handler = jobsrv__jobs_cancel },
  };
  static const jobsrv_sse_route_t at_top[] = {
    { .method = "GET", .pattern = "/health", .handler = jobsrv__health,
      .is_open = 1 },
    { .method = "GET", .pattern = "/ready", .handler = jobsrv__ready,
      .is_open = 1 },
  };
  static const jobsrv_sse_route_t metrics = {
    .method = "GET", .pattern = "/metrics", .handler = jobsrv__metrics,
  };
  static const jobsrv_sse_route_t all = {
    .method = "GET", .pattern = "/events", .handler = jobsrv__jobs_all,
  };
  int err = 0;

  for (size_t i = 0; err == 0 && i < sizeof(below) / sizeof(below[0]); i++)
    err = jobsrv__routes_add(sse, sse->prefix, &below[i]);
  for (size_t i = 0; err == 0 && i < sizeof(at_top) / sizeof(at_top[0]); i++)
    err = jobsrv__routes_add(sse, "", &at_top[i]);
  if (err == 0 && sse->options.all_events)
    err = jobsrv__routes_add(sse, sse->prefix, &all);
  if (err == 0 && sse->options.metrics)
    err = jobsrv__routes_add(sse, "", &metrics);
  return err;
}

int jobsrv_sse_route(jobsrv_sse_t *sse, const jobsrv_sse_route_t *route) {
  jobsrv_sse_route_t mine;
  int err;

  JOBSRV__ASSERT_LOOP(sse->srv);
  if (sse->is_closing)
    return JOBSRV_ECLOSED;
  err = jobsrv__options_read(&mine, sizeof(mine), sizeof(mine), route);
  if (err != 0)
    return err;
  if (mine.method == NULL || mine.pattern == NULL)
    return UV_EINVAL;
  return jobsrv__routes_add(sse, "", &mine);
}

int jobsrv__route_id(const jobsrv__request_t *request,
                     char id[JOBSRV__SEGMENT_SIZE]) {
  jobsrv__span_t segment = jobsrv__routes_param(request, "id");

  return jobsrv__percent_decode(segment, id, JOBSRV__SEGMENT_SIZE) >= 0;
}

/* ---- answers ---- */

static void respond_allow(jobsrv__request_t *request) {
  jobsrv__problem_t problem = { .status = 405, .code = "method_not_allowed" };
  jobsrv__header_t allow = JOBSRV__HEADER("Allow", "");
  char text[256];

  jobsrv__routes_allow(request, text, sizeof(text));
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

/* ---- from the HTTP half ---- */

/* The chain is passed: is there anybody for it? */
static jobsrv_sse_verdict_t ask_route(jobsrv__request_t *request) {
  const jobsrv__route_t *route = request->route;

  if (route != NULL)
    return route->head == NULL || route->head(request, route->data)
               ? JOBSRV_SSE_NEXT
               : JOBSRV_SSE_ANSWERED;
  if (jobsrv__span_is(request->path, "*") ||
      jobsrv__routes_find(request).any != NULL)
    respond_allow(request);
  else
    jobsrv__refuse(request, 404, "not_found", 0,
                   "there is nothing at this path");
  return JOBSRV_SSE_ANSWERED;
}

static jobsrv_sse_verdict_t go_on(jobsrv__request_t *request) {
  jobsrv_sse_verdict_t verdict = jobsrv__chain_run(request);

  return verdict == JOBSRV_SSE_NEXT ? ask_route(request) : verdict;
}

jobsrv_sse_verdict_t jobsrv__route_head(jobsrv__request_t *request) {
  jobsrv__found_t found = jobsrv__routes_find(request);
  const jobsrv__route_t *route =
      found.route != NULL ? found.route : found.any;

  request->route = found.route;
  /* each method by itself; for one that there is not, that of the path */
  request->is_open = route != NULL && route->is_open;
  return go_on(request);
}

void jobsrv_sse_next(jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  request->gone = NULL;
  if (go_on(request) == JOBSRV_SSE_NEXT)
    jobsrv__conn_pass(request);
}

void jobsrv__route_body(jobsrv__request_t *request) {
  request->route->handler(request, request->route->data);
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

void jobsrv__route_headers(jobsrv__request_t *request,
                           int status,
                           jobsrv__buf_t *head) {
  if (request->has_head)
    jobsrv__chain_response(request, status);
  jobsrv__request_ids(request);
  if (request->request_id[0] != '\0')
    jobsrv__buf_printf(head, "X-Request-Id: %s\r\n", request->request_id);
  if (request->correlation_id[0] != '\0')
    jobsrv__buf_printf(head, "X-Correlation-Id: %s\r\n",
                       request->correlation_id);
  if (request->extra.len > 0)
    (void) jobsrv__buf_append(head, request->extra.data, request->extra.len);
}
