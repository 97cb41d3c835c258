/* SPDX-License-Identifier: MIT */

#include "base/format.h"

#include <stdio.h>

size_t jobsrv__vformat(char *to,
                       size_t cap,
                       const char *format,
                       va_list args) {
  int len = vsnprintf(to, cap, format, args);

  if (len < 0) {
    to[0] = '\0';
    return 0;
  }
  return (size_t) len < cap ? (size_t) len : cap - 1;
}

size_t jobsrv__format(char *to, size_t cap, const char *format, ...) {
  va_list args;
  size_t len;

  va_start(args, format);
  len = jobsrv__vformat(to, cap, format, args);
  va_end(args);
  return len;
}
