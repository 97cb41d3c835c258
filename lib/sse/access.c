/* SPDX-License-Identifier: MIT */

#include "sse/access.h"

#include "jobsrv/emit.h"
#include "sse/conn.h"
#include "sse/metrics.h"
#include "sse/proxy.h"
#include "sse/route_table.h"

#include <stdio.h>

enum { METHOD_SIZE = 33, PEER_SIZE = 64 };

static uint64_t since_ms(const jobsrv_sse_t *sse, uint64_t begun_ns) {
  uint64_t now_ns = jobsrv_now(sse->srv);

  return now_ns > begun_ns ? (now_ns - begun_ns) / 1000000 : 0;
}

/* Who looks whether we are alive does so all day. */
static int level_of(const jobsrv__request_t *request, int status) {
  if (status >= 500)
    return JOBSRV_WARN;
  return request->is_open ? JOBSRV_DEBUG : JOBSRV_INFO;
}

static void method_of(const jobsrv__request_t *request, char to[METHOD_SIZE]) {
  jobsrv__span_t method = request->method_text;

  if (method.data == NULL)
    method = jobsrv__span("-", 1);
  (void) snprintf(to, METHOD_SIZE, "%.*s", (int) method.len, method.data);
}

/*
 * The address that the nearest proxy has added: of the last field, the last.
 * Those before it are what the client made up. Writes "" when there is none,
 * or when it is something else: these records are about addresses.
 */
static void forwarded_for(const jobsrv__request_t *request,
                          char to[PEER_SIZE]) {
  static const char of_addresses[] = "0123456789abcdefABCDEF.:[]";
  jobsrv__span_t value = { "", 0 };
  size_t begin;
  size_t end;

  for (size_t i = 0; i < request->n_headers; i++)
    if (jobsrv__span_is(request->headers[i].name, "x-forwarded-for"))
      value = request->headers[i].value;
  for (end = value.len; end > 0; end--)
    if (value.data[end - 1] != ' ' && value.data[end - 1] != '\t')
      break;
  for (begin = end; begin > 0; begin--)
    if (value.data[begin - 1] == '\0' ||
        strchr(of_addresses, value.data[begin - 1]) == NULL)
      break;
  if (end - begin >= PEER_SIZE ||
      (begin > 0 && strchr(", \t", value.data[begin - 1]) == NULL))
    begin = end;
  memcpy(to, value.data + begin, end - begin);
  to[end - begin] = '\0';
}

enum { ABOUT_ANSWER = 5, ABOUT_CALLER = 4 };

typedef struct caller_s {
  char peer[PEER_SIZE];
  char client[JOBSRV__CLIENT_SIZE];
  char forwarded[PEER_SIZE];
} caller_t;

/* Who asks, as far as it is known. Returns how many fields that takes. */
static size_t add_caller(const jobsrv__request_t *request,
                         caller_t *caller,
                         jobsrv_field_t to[ABOUT_CALLER]) {
  size_t n = 0;

  jobsrv__conn_peer(request->conn, caller->peer, sizeof(caller->peer));
  to[n++] = jobsrv_field_string("peer", caller->peer);
  if (jobsrv__client(request, caller->client))
    to[n++] = jobsrv_field_string("client", caller->client);
  if (request->principal[0] != '\0')
    to[n++] = jobsrv_field_string("principal", request->principal);
  forwarded_for(request, caller->forwarded);
  if (caller->forwarded[0] != '\0')
    to[n++] = jobsrv_field_string("forwarded_for", caller->forwarded);
  return n;
}

void jobsrv__access_answered(jobsrv__request_t *request,
                             int status,
                             size_t bytes) {
  jobsrv_sse_t *sse = request->sse;
  const char *route = request->route != NULL ? request->route->pattern : "-";
  char method[METHOD_SIZE] = "";
  char human[METHOD_SIZE + JOBSRV__PATTERN_MAX + 8] = "";
  caller_t caller;
  jobsrv_field_t fields[ABOUT_ANSWER + ABOUT_CALLER] = {
    jobsrv_field_string("method", method),
    jobsrv_field_string("route", route),
    jobsrv_field_u64("status", (uint64_t) status),
    jobsrv_field_u64("bytes", bytes),
    jobsrv_field_u64("duration_ms", since_ms(sse, request->begun_ns)),
  };
  jobsrv_event_t event = {
    .size = sizeof(event),
    .level = level_of(request, status),
    .actor = "http",
    .action = "access",
    .target = route,
    .human = human,
    .request_id = request->request_id,
    .correlation_id = request->correlation_id,
    .fields = fields,
  };

  jobsrv__http_metrics_answered(request, status);
  if (!jobsrv_server_narrates(sse->srv, event.level))
    return;
  method_of(request, method);
  (void) snprintf(human, sizeof(human), "%s %s %d", method, route, status);
  event.nfields =
      ABOUT_ANSWER + add_caller(request, &caller, fields + ABOUT_ANSWER);
  (void) jobsrv_narrate_server(sse->srv, &event);
}

static const char *reason_of(jobsrv__stream_end_t why) {
  static const char *const reasons[] = {
#define XX(name, text) text,
    JOBSRV__STREAM_END_MAP(XX)
#undef XX
  };

  return reasons[why];
}

void jobsrv__access_stream_end(jobsrv_sse_t *sse,
                               const jobsrv_job_t *job,
                               jobsrv__stream_end_t why,
                               uint64_t opened_ns,
                               uint64_t bytes) {
  char id[JOBSRV_ID_SIZE] = "";
  char human[48] = "";
  jobsrv_field_t fields[] = {
    jobsrv_field_string("reason", reason_of(why)),
    jobsrv_field_u64("bytes", bytes),
    jobsrv_field_u64("duration_ms", since_ms(sse, opened_ns)),
  };
  jobsrv_event_t event = {
    .size = sizeof(event),
    .level = JOBSRV_INFO,
    .actor = "http",
    .action = "stream_end",
    .human = human,
    .fields = fields,
    .nfields = sizeof(fields) / sizeof(fields[0]),
  };

  jobsrv__http_metrics_stream_end(sse, why, bytes);
  if (!jobsrv_server_narrates(sse->srv, event.level))
    return;
  if (job != NULL)
    event.target = jobsrv_job_id(job, id);
  (void) snprintf(human, sizeof(human), "stream over: %s", reason_of(why));
  (void) jobsrv_narrate_server(sse->srv, &event);
}
