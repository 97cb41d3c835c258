/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_HOST_CHECK_H_
#define JOBSRV_SSE_HOST_CHECK_H_

#include <stddef.h>

/*
 * host [ ":" port ] as RFC 3986 has it, without user information and without a
 * comma, which in a field value would make it a list. On success `*host_len`
 * counts the host, an IPv6 literal with its brackets; the port may be empty.
 * Returns 1 when it is well-formed, else 0.
 */
int jobsrv__host_check(const char *text, size_t len, size_t *host_len);

#endif /* JOBSRV_SSE_HOST_CHECK_H_ */
