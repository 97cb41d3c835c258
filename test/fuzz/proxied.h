/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_FUZZ_PROXIED_H
#define JOBSRV_TEST_FUZZ_PROXIED_H

/*
 * Whom a proxy says that it speaks for. One more proxy that is believed, in the
 * same field or in the next, changes nothing but where the list could not be
 * read: there it is who asks.
 */

#include "fuzz.h"

#include "base/alloc.h"
#include "sse/conn_state.h"
#include "sse/proxy.h"

#include <arpa/inet.h>

enum { PROXIED_COMMAS = JOBSRV__HOPS_MAX - 4 };

static inline void proxied_peer(const jobsrv__conn_t *conn, char *to,
                                size_t cap) {
  (void) conn;
  fuzz_check(cap >= 5);
  memcpy(to, "unix", 5);
}

/* Of the fields given; `to` is an address if anybody was believed. */
static inline int proxied_client(jobsrv__request_t *request,
                                 size_t n,
                                 char to[JOBSRV__CLIENT_SIZE]) {
  unsigned char address[16];
  int is_believed;

  request->n_headers = n;
  is_believed = jobsrv__client(request, to);
  fuzz_check(is_believed ? inet_pton(AF_INET, to, address) == 1 ||
                               inet_pton(AF_INET6, to, address) == 1
                         : strcmp(to, "unix") == 0);
  return is_believed;
}

/* `p` is what can be a field's value. */
static inline void proxied_check(const char *p, size_t n, int is_forwarded) {
  static const char *const list[] = { "unix", "10.0.0.0/8", "2001:db8::/32",
                                      NULL };
  static const jobsrv__io_t io = { .peer = proxied_peer };
  const char *name = is_forwarded ? "forwarded" : "x-forwarded-for";
  const char *more = is_forwarded ? "for=10.0.0.1" : "10.0.0.1";
  char one[JOBSRV__CLIENT_SIZE], two[JOBSRV__CLIENT_SIZE];
  jobsrv__header_t fields[2];
  jobsrv__conn_t conn = { .io = &io, .stage = JOBSRV__CONN_HANDLING };
  jobsrv__request_t request;
  jobsrv_sse_t sse;
  size_t commas = 0;
  int is_believed;
  char *joined;

  memset(&request, 0, sizeof(request));
  memset(&sse, 0, sizeof(sse));
  sse.options.proxy_header = is_forwarded ? JOBSRV_SSE_FORWARDED : 0;
  fuzz_check(jobsrv__proxies_new(&sse.proxies, jobsrv__alloc(NULL), list) == 0);
  request.sse = &sse;
  request.conn = &conn;
  request.headers = fields;
  fields[0].name = fields[1].name = jobsrv__span(name, strlen(name));
  fields[0].value = jobsrv__span(p, n);
  fields[1].value = jobsrv__span(more, strlen(more));
  is_believed = proxied_client(&request, 1, one);
  for (size_t i = 0; i < n; i++)
    commas += p[i] == ',';
  if (commas < PROXIED_COMMAS) {
    fuzz_check(proxied_client(&request, 2, two));
    fuzz_check(strcmp(two, is_believed ? one : "10.0.0.1") == 0);
    joined = calloc(n + 2 + strlen(more), 1);
    fuzz_check(joined != NULL);
    if (n > 0)
      memcpy(joined, p, n);
    memcpy(joined + n, ", ", 2);
    memcpy(joined + n + 2, more, strlen(more));
    fields[0].value = jobsrv__span(joined, n + 2 + strlen(more));
    fuzz_check(proxied_client(&request, 1, one));
    fuzz_check(strcmp(one, two) == 0);
    free(joined);
  }
  jobsrv__free(jobsrv__alloc(NULL), sse.proxies);
}

#endif /* JOBSRV_TEST_FUZZ_PROXIED_H */
