/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_UTF8_H_
#define JOBSRV_BASE_UTF8_H_

/*
 * UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above
 * U+10FFFF. What is not UTF-8 is replaced by the rule all browsers follow: one
 * U+FFFD for each maximal subpart, that is for each longest start of a
 * sequence that could have become valid, and for each byte that is none.
 */

#include <stddef.h>
#include <stdint.h>

/*
 * One character. `n` is at least 1.
 *
 * Returns how many bytes it takes, 1 to 4. For a bad subpart `*cp` is U+FFFD
 * and `*bad`, if given, is 1; else 0.
 */
size_t jobsrv__utf8_next(const char *p, size_t n, uint32_t *cp, int *bad);

/* The same without telling bad from a U+FFFD that was there; 0 for no bytes. */
size_t jobsrv__utf8_decode(const char *p, size_t n, uint32_t *cp);

/* How many bytes from the start are valid and whole. */
size_t jobsrv__utf8_span(const char *p, size_t n);

/* 1 when all of it is valid, else 0. */
int jobsrv__utf8_valid(const char *p, size_t n);

/*
 * Copies, with EF BF BD in place of each bad subpart, as many whole characters
 * as fit into `cap`; 3 * `n` is always enough. No NUL. The two do not overlap.
 *
 * Returns the length written.
 */
size_t jobsrv__utf8_repair(char *to, size_t cap, const char *from, size_t n);

/*
 * The length of the longest start of at most `max` bytes that does not end
 * inside a character. Bytes that are not UTF-8 may be cut anywhere.
 */
size_t jobsrv__utf8_cut(const char *p, size_t n, size_t max);

/* Returns the length, 1 to 4; `cp` is a Unicode scalar value. */
size_t jobsrv__utf8_encode(char to[4], uint32_t cp);

#endif /* JOBSRV_BASE_UTF8_H_ */
