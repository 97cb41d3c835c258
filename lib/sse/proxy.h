/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_PROXY_H_
#define JOBSRV_SSE_PROXY_H_

/* Which proxies are believed, and whom they say that they speak for. */

#include "sse/request.h"

enum {
  JOBSRV__CLIENT_SIZE = 64, /* of an address as text, and of any peer */
  JOBSRV__HOPS_MAX = 64     /* that are looked at */
};

/* An IPv4 address has 4 bytes, as one that is mapped into IPv6 has. */
typedef struct jobsrv__ip_s {
  unsigned char bytes[16];
  uint8_t len; /* 4 or 16 */
} jobsrv__ip_t;

typedef struct jobsrv__network_s {
  jobsrv__ip_t ip;
  uint8_t bits;
} jobsrv__network_t;

struct jobsrv__proxies_s {
  uint8_t has_unix;
  size_t n;
  jobsrv__network_t networks[];
};

/*
 * Reads "unix", "192.0.2.1", "10.0.0.0/8", "2001:db8::/32", ... of a NULL-ended
 * list, which may be NULL; `*out` is then NULL.
 *
 * Returns 0; UV_EINVAL for another form; UV_ENOMEM.
 */
int jobsrv__proxies_new(jobsrv__proxies_t **out,
                        const jobsrv_alloc_t *alloc,
                        const char *const *list);

/*
 * Reads an address as it stands in a header: "192.0.2.7", "192.0.2.7:80",
 * "2001:db8::7", "[2001:db8::7]" or "[2001:db8::7]:80". Returns 1, or 0 for
 * anything else.
 */
int jobsrv__ip_read(jobsrv__ip_t *to, jobsrv__span_t text);

/*
 * Writes who asks: behind proxies that are believed whom they speak for, else
 * who is connected; without a port. Returns 1 when a proxy was believed.
 */
int jobsrv__client(const jobsrv__request_t *request,
                   char to[JOBSRV__CLIENT_SIZE]);

#endif /* JOBSRV_SSE_PROXY_H_ */
