/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_DECIMAL_H_
#define JOBSRV_BASE_DECIMAL_H_

/*
 * Reading the numbers of JSON exactly, whatever the locale: strtod() wants a
 * NUL behind the text and the host's point inside it.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * [any] `len` bytes that are a number of JSON. Returns 0 with the nearest
 * double (of two equally near, the even one), or -1 when that is infinite.
 */
int jobsrv__decimal_double(const char *text, size_t len, double *out);

/*
 * [any] The same number when it is an integer of 64 bits, however it is
 * written. Returns 0, or -1 when it is not.
 */
int jobsrv__decimal_i64(const char *text, size_t len, int64_t *out);

#endif /* JOBSRV_BASE_DECIMAL_H_ */
