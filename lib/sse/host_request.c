/* SPDX-License-Identifier: MIT */

#include "jobsrv/sse_route.h"

#include "sse/api.h"
#include "sse/proxy.h"
#include "sse/route_table.h"

#include <string.h>

/* What a host may ask of a request. */

static jobsrv_sse_text_t text_of(jobsrv__span_t span) {
  jobsrv_sse_text_t text = { span.data, span.len };

  return text;
}

jobsrv_sse_t *
jobsrv_sse_request_transport(const jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return request->sse;
}

jobsrv_sse_text_t jobsrv_sse_method(const jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return text_of(request->method_text);
}

jobsrv_sse_text_t jobsrv_sse_path(const jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return text_of(request->path);
}

jobsrv_sse_text_t jobsrv_sse_query(const jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return text_of(request->query);
}

jobsrv_sse_text_t jobsrv_sse_body(const jobsrv_sse_request_t *request) {
  static const jobsrv_sse_text_t empty = { "", 0 };

  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return request->body.data != NULL ? text_of(request->body) : empty;
}

jobsrv_sse_text_t jobsrv_sse_header(const jobsrv_sse_request_t *request,
                                    const char *name,
                                    size_t *count) {
  jobsrv_sse_text_t found = { NULL, 0 };
  size_t n = 0;

  JOBSRV__ASSERT_LOOP(request->sse->srv);
  for (size_t i = 0; i < request->n_headers; i++)
    if (jobsrv__span_is_nocase(request->headers[i].name, name) && n++ == 0)
      found = text_of(request->headers[i].value);
  if (count != NULL)
    *count = n;
  return found;
}

int jobsrv_sse_param(const jobsrv_sse_request_t *request,
                     const char *name,
                     char *to,
                     size_t cap) {
  jobsrv__span_t value = jobsrv__routes_param(request, name);

  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return value.data != NULL ? jobsrv__percent_decode(value, to, cap)
                            : UV_ENOENT;
}

int jobsrv_sse_query_param(const jobsrv_sse_request_t *request,
                           const char *name,
                           char *to,
                           size_t cap) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return jobsrv__query_find(request->query, name, to, cap);
}

const char *jobsrv_sse_pattern(const jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return request->route != NULL ? request->route->pattern : NULL;
}

const char *jobsrv_sse_request_id(jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  jobsrv__request_ids(request);
  return request->request_id;
}

const char *jobsrv_sse_correlation_id(jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  jobsrv__request_ids(request);
  return request->correlation_id;
}

void jobsrv_sse_peer(const jobsrv_sse_request_t *request,
                     char *to,
                     size_t cap) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  jobsrv__conn_peer(request->conn, to, cap);
}

void jobsrv_sse_client(const jobsrv_sse_request_t *request,
                       char *to,
                       size_t cap) {
  char client[JOBSRV__CLIENT_SIZE];
  size_t len;

  JOBSRV__ASSERT_LOOP(request->sse->srv);
  (void) jobsrv__client(request, client);
  len = strlen(client);
  if (len >= cap)
    len = cap - 1;
  memcpy(to, client, len);
  to[len] = '\0';
}

int jobsrv_sse_credentials(const jobsrv_sse_request_t *request,
                           jobsrv_sse_credentials_t *credentials) {
  jobsrv_sse_credentials_t all = { .size = credentials->size };
  size_t size = all.size < sizeof(all) ? all.size : sizeof(all);
  int err;

  JOBSRV__ASSERT_LOOP(request->sse->srv);
  err = jobsrv__conn_credentials(request->conn, &all);
  if (err == 0)
    memcpy(credentials, &all, size);
  return err;
}
