/* SPDX-License-Identifier: MIT */

#include "jobsrv/sse_route.h"

#include "sse/api.h"

#include <stdarg.h>
#include <stdio.h>

/* How a host answers. */

enum {
  DETAIL_SIZE = 1024,
  CODE_MAX = 64
};

static int is_field_name(const char *name) {
  static const char more[] = "!#$%&'*+-.^_`|~"; /* RFC 9110, 5.6.2 */
  const char *at;

  for (at = name; *at != '\0'; at++) {
    char c = jobsrv__lower(*at);

    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
        strchr(more, c) == NULL)
      return 0;
  }
  return at != name;
}

/* Nothing that could end the line or be taken for its end (RFC 9110, 5.5). */
static int is_field_value(const char *value) {
  for (; *value != '\0'; value++) {
    unsigned char c = (unsigned char) *value;

    if ((c < 0x20 && c != '\t') || c == 0x7f)
      return 0;
  }
  return 1;
}

static int is_framing(const char *name) {
  static const char *const names[] = {
    "connection", "content-length", "content-type", "date", "trailer",
    "transfer-encoding", "upgrade",
  };
  jobsrv__span_t span = jobsrv__span(name, strlen(name));

  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (jobsrv__span_is_nocase(span, names[i]))
      return 1;
  return 0;
}

int jobsrv_sse_add_header(jobsrv_sse_request_t *request,
                          const char *name,
                          const char *value) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  if (!is_field_name(name) || !is_field_value(value) || is_framing(name))
    return UV_EINVAL;
  return jobsrv__put_header(request, name,
                            jobsrv__span(value, strlen(value)));
}

static int status_ok(int status, int least) {
  return status >= least && status <= 599;
}

int jobsrv_sse_respond(jobsrv_sse_request_t *request,
                       int status,
                       const char *content_type,
                       const void *body,
                       size_t len) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  if (!status_ok(status, 200) ||
      (content_type != NULL && !is_field_value(content_type)))
    return UV_EINVAL;
  jobsrv__respond(request, status, NULL, 0, content_type, body, len);
  return 0;
}

static int is_code(const char *code) {
  size_t n;

  for (n = 0; code[n] != '\0'; n++)
    if (n == CODE_MAX || ((code[n] < 'a' || code[n] > 'z') &&
                          (code[n] < '0' || code[n] > '9') && code[n] != '_'))
      return 0;
  return n > 0;
}

/* Whether the answer to come has a header of that name. */
static int has_header(const jobsrv__request_t *request, const char *name) {
  jobsrv__span_t rest = jobsrv__span(request->extra.data, request->extra.len);
  size_t len = strlen(name);

  while (rest.len > len) {
    const char *end = memchr(rest.data, '\n', rest.len);
    size_t line = end != NULL ? (size_t) (end - rest.data) + 1 : rest.len;

    if (rest.data[len] == ':' &&
        jobsrv__span_is_nocase(jobsrv__span(rest.data, len), name))
      return 1;
    rest = jobsrv__span(rest.data + line, rest.len - line);
  }
  return 0;
}

/* Whoever is told to come again is told when. */
static unsigned int retry_after(const jobsrv__request_t *request, int status) {
  if ((status != 429 && status != 503) || has_header(request, "retry-after"))
    return 0;
  return JOBSRV__RETRY_SOON;
}

int jobsrv_sse_problem(jobsrv_sse_request_t *request,
                       int status,
                       const char *code,
                       const char *format,
                       ...) {
  jobsrv__problem_t problem = { .status = status, .code = code };
  char detail[DETAIL_SIZE];
  va_list args;

  JOBSRV__ASSERT_LOOP(request->sse->srv);
  if (!status_ok(status, 400) || !is_code(code))
    return UV_EINVAL;
  problem.retry_after_s = retry_after(request, status);
  va_start(args, format);
  (void) vsnprintf(detail, sizeof(detail), format, args);
  va_end(args);
  jobsrv__respond_problem(request, &problem, "%s", detail);
  return 0;
}

static void on_gone(jobsrv__request_t *request) {
  jobsrv_sse_gone_cb gone = request->host_gone;

  request->gone = NULL;
  if (gone != NULL)
    gone(request, request->host_data);
}

void jobsrv_sse_answer_later(jobsrv_sse_request_t *request,
                             jobsrv_sse_gone_cb gone,
                             void *data) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  request->host_gone = gone;
  request->host_data = data;
  request->gone = on_gone;
}
