/* SPDX-License-Identifier: MIT */

#include "otlp/internal.h"

#include "base/decimal.h"
#include "base/utf8.h"

#include <string.h>

enum { DEPTH = 32 };

/* As protobuf's JSON has them: a string of digits, or a number. */
static uint64_t number_at(const char *json, size_t len, const char *name) {
  char digits[24];
  int64_t value = 0;

  if (jobsrv_json_i64(json, len, name, &value) == 0)
    return value > 0 ? (uint64_t) value : 0;
  if (jobsrv_json_string(json, len, name, digits, sizeof(digits), NULL) != 0 ||
      digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits) ||
      jobsrv__decimal_i64(digits, strlen(digits), &value) != 0)
    return 0;
  return (uint64_t) value;
}

uint64_t jobsrv__otlp_rejected(const char *body,
                               size_t len,
                               int signal,
                               char *reason,
                               size_t cap) {
  const char *value;
  size_t value_len;

  reason[0] = '\0';
  if (len == 0 || jobsrv_json_check(body, len, DEPTH, NULL) != 0)
    return 0;
  if (jobsrv_json_string(body, len, "/partialSuccess/errorMessage", reason,
                         cap, NULL) == JOBSRV_ETOOBIG &&
      jobsrv_json_value(body, len, "/partialSuccess/errorMessage", &value,
                        &value_len) == 0) {
    value_len = jobsrv__utf8_cut(value + 1, value_len - 2, cap - 1);
    memcpy(reason, value + 1, value_len); /* escapes and all */
    reason[value_len] = '\0';
  }
  return number_at(body, len,
                   signal == JOBSRV__OTLP_LOG
                       ? "/partialSuccess/rejectedLogRecords"
                       : "/partialSuccess/rejectedSpans");
}
