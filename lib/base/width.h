/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_WIDTH_H_
#define JOBSRV_BASE_WIDTH_H_

/*
 * How many columns text takes on a terminal, character by character as a reader
 * sees them: a letter with its marks is one, an emoji with its modifiers or a
 * flag is one of two columns. Controls count as one; show them escaped.
 */

#include <stddef.h>
#include <stdint.h>

/* 0, 1 or 2, of one code point alone. */
unsigned int jobsrv__width_of(uint32_t cp);

/*
 * One character of what is seen. `len` is at least 1. Returns its bytes; what
 * is not UTF-8 counts as U+FFFD.
 */
size_t jobsrv__width_next(const char *text, size_t len, unsigned int *width);

/* Of all of it. */
size_t jobsrv__width(const char *text, size_t len);

/*
 * The bytes of the longest start that takes at most `max` columns, whole
 * characters only; `*width` is what it takes.
 */
size_t jobsrv__width_cut(const char *text,
                         size_t len,
                         size_t max,
                         size_t *width);

#endif /* JOBSRV_BASE_WIDTH_H_ */
