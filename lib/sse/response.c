/* SPDX-License-Identifier: MIT */

#include "sse/response.h"

#include "base/format.h"
#include "sse/conn_state.h"
#include "sse/problem.h"

#include <stdarg.h>
#include <string.h>

const char *jobsrv__status_text(int status) {
  static const struct {
    int status;
    const char *text;
  } table[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not " "Implemented"},
      {503, "Service Unavailable"},
      {505, "HTTP Version Not Supported"},
  };
  size_t i;

  for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
    if (table[i].status == status)
      return table[i].text;
  return "Unknown";
}

static void put_headers(jobsrv__buf_t *buf,
                        const jobsrv__header_t *headers,
                        size_t n) {
  size_t i;

  for (i = 0; i < n; i++) {
    (void) jobsrv__buf_append(buf, headers[i].name.data, headers[i].name.len);
    (void) jobsrv__buf_append(buf, ": ", 2);
    (void) jobsrv__buf_append(buf, headers[i].value.data,
                              headers[i].value.len);
    (void) jobsrv__buf_append(buf, "\r\n", 2);
  }
}

int jobsrv__put_header(jobsrv__request_t *request,
                       const char *name,
                       jobsrv__span_t value) {
  jobsrv__header_t header = {jobsrv__span(name, strlen(name)), value};
  jobsrv__buf_t *extra = &request->extra;

  if (jobsrv__buf_reserve(extra, header.name.len + value.len + 4) == NULL) {
    extra->failed = 0; /* what was there before still holds */
    return UV_ENOMEM;
  }
  put_headers(extra, &header, 1);
  return 0;
}

static void put_start(jobsrv__buf_t *buf,
                      jobsrv__request_t *request,
                      int status,
                      int closes) {
  (void) jobsrv__buf_printf(buf, "HTTP/1.1 %d %s\r\n", status,
                            jobsrv__status_text(status));
  if (closes)
    (void) jobsrv__buf_puts(buf, "Connection: close\r\n");
  else if (request->minor == 0)
    (void) jobsrv__buf_puts(buf, "Connection: keep-alive\r\n");
  jobsrv__route_headers(request, status, buf);
}

static int has_no_content(int status) {
  return status == 204 || status == 304;
}

/* What can be said without memory. */
static void respond_no_memory(jobsrv__request_t *request) {
  static const char head[] =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
      "Retry-After: 1\r\nContent-Type: application/problem+json\r\n"
      "Content-Length: 109\r\n\r\n";
  static const char body[] =
      "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
      "\"status\":503,\"detail\":\"out of memory\",\"code\":\"no_memory\"}";
  char all[sizeof(head) + sizeof(body)];
  size_t len = sizeof(head) - 1;

  _Static_assert(sizeof(body) - 1 == 109, "the length in the head");
  memcpy(all, head, len);
  if (request->method != JOBSRV__HEAD) {
    memcpy(all + len, body, sizeof(body) - 1);
    len += sizeof(body) - 1;
  }
  jobsrv__conn_answer(request, 503, all, len, 1);
}

void jobsrv__respond(jobsrv__request_t *request,
                     int status,
                     const jobsrv__header_t *headers,
                     size_t n,
                     const char *content_type,
                     const void *body,
                     size_t len) {
  jobsrv__buf_t buf;
  int closes = jobsrv__conn_closes(request);

  jobsrv__buf_init(&buf, request->sse->alloc, 0);
  (void) jobsrv__buf_reserve(&buf, 512 + len);
  put_start(&buf, request, status, closes);
  put_headers(&buf, headers, n);
  if (!has_no_content(status)) {
    if (content_type != NULL)
      (void) jobsrv__buf_printf(&buf, "Content-Type: %s\r\n", content_type);
    (void) jobsrv__buf_printf(&buf, "Content-Length: %zu\r\n", len);
  }
  (void) jobsrv__buf_append(&buf, "\r\n", 2);
  if (!has_no_content(status) && request->method != JOBSRV__HEAD && len > 0)
    (void) jobsrv__buf_append(&buf, body, len);
  if (buf.failed == 0)
    jobsrv__conn_answer(request, status, buf.data, buf.len, closes);
  else
    respond_no_memory(request);
  jobsrv__buf_free(&buf);
}

/* Appends the object; of the job that the request is about, if of no other. */
static int put_problem(const jobsrv__request_t *request,
                       const jobsrv__problem_t *problem,
                       const char *detail,
                       size_t len,
                       jobsrv__buf_t *buf) {
  jobsrv__problem_t told = *problem;

  if (told.job_id == NULL && request->job_id[0] != '\0')
    told.job_id = request->job_id;
  return jobsrv__problem_write(buf, &told, detail, len);
}

void jobsrv__respond_problem(jobsrv__request_t *request,
                             const jobsrv__problem_t *problem,
                             const char *fmt,
                             ...) {
  jobsrv__header_t headers[2];
  size_t n = 0;
  char detail[1024];
  char seconds[16];
  jobsrv__buf_t buf;
  va_list args;
  size_t len;

  va_start(args, fmt);
  len = jobsrv__vformat(detail, sizeof(detail), fmt, args);
  va_end(args);
  if (problem->must_close)
    request->must_close = 1;
  if (problem->retry_after_s != 0) {
    size_t digits = jobsrv__format(seconds, sizeof(seconds), "%u",
                                   problem->retry_after_s);

    headers[n].name = jobsrv__span("Retry-After", 11);
    headers[n++].value = jobsrv__span(seconds, digits);
  }
  if (problem->header_name != NULL) {
    headers[n].name = jobsrv__span(problem->header_name,
                                   strlen(problem->header_name));
    headers[n++].value = jobsrv__span(problem->header_value,
                                      strlen(problem->header_value));
  }
  jobsrv__buf_init(&buf, request->sse->alloc, 0);
  if (put_problem(request, problem, detail, (size_t) len, &buf) == 0)
    jobsrv__respond(request, problem->status, headers, n,
                    "application/problem+json", buf.data, buf.len);
  else
    respond_no_memory(request);
  jobsrv__buf_free(&buf);
}

void jobsrv__stream_head_write(jobsrv__request_t *request,
                               const jobsrv__header_t *headers,
                               size_t n,
                               int closes,
                               jobsrv__buf_t *to) {
  put_start(to, request, 200, closes);
  put_headers(to, headers, n);
  if (request->minor == 1)
    (void) jobsrv__buf_puts(to, "Transfer-Encoding: chunked\r\n");
  (void) jobsrv__buf_append(to, "\r\n", 2);
}

void jobsrv__respond_stream_head(jobsrv__request_t *request,
                                 const jobsrv__header_t *headers,
                                 size_t n) {
  jobsrv__buf_t buf;
  int closes = jobsrv__conn_closes(request);

  jobsrv__buf_init(&buf, request->sse->alloc, 0);
  if (request->minor == 0) /* GET would be answered until close */
    closes = 1;
  jobsrv__stream_head_write(request, headers, n, closes, &buf);
  if (buf.failed == 0)
    jobsrv__conn_answer(request, 200, buf.data, buf.len, closes);
  else
    respond_no_memory(request);
  jobsrv__buf_free(&buf);
}
