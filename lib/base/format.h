/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_FORMAT_H_
#define JOBSRV_BASE_FORMAT_H_

/*
 * snprintf() tells how long the text would have been, which is not how long it
 * is: who takes that for the length of what stands in `to` reads behind it.
 * These tell what is there. Who needs to know that a text was cut asks
 * snprintf() and looks.
 */

#include "jobsrv/export.h"

#include <stdarg.h>
#include <stddef.h>

/* Writes at most `cap` - 1 bytes, `cap` being 1 or more, and a NUL behind them;
   returns how many bytes stand before that NUL. A format that cannot be written
   leaves an empty text. */
size_t jobsrv__format(char *to, size_t cap, const char *format, ...)
  JOBSRV_PRINTF(3, 4);
size_t jobsrv__vformat(char *to, size_t cap, const char *format, va_list args)
  JOBSRV_PRINTF(3, 0);

#endif /* JOBSRV_BASE_FORMAT_H_ */
