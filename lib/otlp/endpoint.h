/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_OTLP_ENDPOINT_H_
#define JOBSRV_OTLP_ENDPOINT_H_

#include <stddef.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
  JOBSRV__OTLP_HOST = 256, /* with the NUL */
  JOBSRV__OTLP_PATH = 1024
};

typedef struct jobsrv__otlp_address_s {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
  } u;
  socklen_t len;
} jobsrv__otlp_address_t;

typedef struct jobsrv__otlp_endpoint_s {
  char host[JOBSRV__OTLP_HOST];    /* to look up; "" for a unix socket */
  char port[8];
  char authority[JOBSRV__OTLP_HOST + 16]; /* as the Host header has it */
  char path[JOBSRV__OTLP_PATH];    /* before /v1/..., no '/' at its end */
  jobsrv__otlp_address_t address;  /* `len` is 0 when it has to be looked up */
} jobsrv__otlp_endpoint_t;

/*
 * Reads "http://HOST[:PORT][/PATH]", HOST a name, an IPv4 address or an IPv6
 * one in brackets, the port 80 if none is given; or "unix:PATH".
 *
 * Returns 0; UV_EPROTONOSUPPORT for https; UV_EINVAL for another form;
 * UV_ENAMETOOLONG. On failure `*out` is undefined.
 */
int jobsrv__otlp_endpoint_parse(const char *text,
                                jobsrv__otlp_endpoint_t *out);

#endif /* JOBSRV_OTLP_ENDPOINT_H_ */
