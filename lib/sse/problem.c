/* SPDX-License-Identifier: MIT */

#include "sse/problem.h"

#include "base/utf8.h"

#include <string.h>

static void put_escaped(jobsrv__buf_t *buf, unsigned char c) {
  switch (c) {
  case '"':
    (void) jobsrv__buf_puts(buf, "\\\"");
    break;
  case '\\':
    (void) jobsrv__buf_puts(buf, "\\\\");
    break;
  case '\n':
    (void) jobsrv__buf_puts(buf, "\\n");
    break;
  case '\r':
    (void) jobsrv__buf_puts(buf, "\\r");
    break;
  case '\t':
    (void) jobsrv__buf_puts(buf, "\\t");
    break;
  default:
    (void) jobsrv__buf_printf(buf, "\\u%04x", (unsigned int) c);
    break;
  }
}

int jobsrv__problem_string(jobsrv__buf_t *buf, const char *text, size_t len) {
  size_t i = 0;
  size_t from = 0;

  (void) jobsrv__buf_putc(buf, '"');
  while (i < len) {
    unsigned char c = (unsigned char) text[i];
    uint32_t cp;
    int bad = 0;
    size_t n = 1;

    if (c >= 0x80)
      n = jobsrv__utf8_next(text + i, len - i, &cp, &bad);
    if (bad || c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
      (void) jobsrv__buf_append(buf, text + from, i - from);
      if (bad)
        (void) jobsrv__buf_puts(buf, "\xef\xbf\xbd");
      else
        put_escaped(buf, c);
      from = i + n;
    }
    i += n;
  }
  (void) jobsrv__buf_append(buf, text + from, len - from);
  return jobsrv__buf_putc(buf, '"');
}

static void put_member(jobsrv__buf_t *buf, const char *name,
                       const char *value) {
  if (value == NULL)
    return;
  (void) jobsrv__buf_printf(buf, ",\"%s\":", name);
  (void) jobsrv__problem_string(buf, value, strlen(value));
}

int jobsrv__problem_write(jobsrv__buf_t *buf,
                          const jobsrv__problem_t *problem,
                          const char *detail,
                          size_t detail_len) {
  (void) jobsrv__buf_printf(buf,
                            "{\"type\":\"about:blank\",\"title\":\"%s\","
                            "\"status\":%d,\"detail\":",
                            jobsrv__status_text(problem->status),
                            problem->status);
  (void) jobsrv__problem_string(buf, detail, detail_len);
  put_member(buf, "code", problem->code);
  put_member(buf, "job_id", problem->job_id);
  put_member(buf, "pointer", problem->pointer);
  if (problem->line != 0)
    (void) jobsrv__buf_printf(buf, ",\"line\":%u,\"column\":%u", problem->line,
                              problem->column);
  return jobsrv__buf_putc(buf, '}');
}
