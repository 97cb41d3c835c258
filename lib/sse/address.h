/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_ADDRESS_H_
#define JOBSRV_SSE_ADDRESS_H_

#include <stddef.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>

typedef struct jobsrv__address_s jobsrv__address_t;

struct jobsrv__address_s {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
  } u;
  socklen_t len;
};

/*
 * Reads "127.0.0.1:7070", "[::1]:7070" or "unix:PATH". The port is 0..65535 in
 * decimal without a sign or leading zeros; names are not looked up.
 *
 * Returns 0; UV_EINVAL for another form; UV_ENAMETOOLONG for a path that does
 * not fit a socket address. On failure `*out` is untouched.
 */
int jobsrv__address_parse(const char *text, jobsrv__address_t *out);

/* 1 for "fd:" and anything. */
int jobsrv__address_is_fd(const char *text);

/* The N of such a text, in decimal, or UV_EINVAL. */
int jobsrv__address_fd(const char *text);

/*
 * Writes "http://127.0.0.1:7070", "http://[::1]:7070", "unix:PATH", or
 * "unix:@NAME" for an abstract one.
 * Returns 0, or UV_ENOBUFS when `cap` is too small.
 */
int jobsrv__address_format(const jobsrv__address_t *address,
                           char *to,
                           size_t cap);

/* The port, 0 for a unix socket. */
int jobsrv__address_port(const jobsrv__address_t *address);

#endif /* JOBSRV_SSE_ADDRESS_H_ */
