/* SPDX-License-Identifier: MIT */

#include "sse/api.h"

#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>

static int is_ip_literal(jobsrv__span_t host) {
  unsigned char address[sizeof(struct in6_addr)];
  char text[INET6_ADDRSTRLEN];
  int v6 = host.len > 2 && host.data[0] == '[' &&
           host.data[host.len - 1] == ']';

  if (v6)
    host = jobsrv__span(host.data + 1, host.len - 2);
  if (host.len >= sizeof(text))
    return 0;
  memcpy(text, host.data, host.len);
  text[host.len] = '\0';
  return inet_pton(v6 ? AF_INET6 : AF_INET, text, address) == 1;
}

int jobsrv__host_allowed(jobsrv__span_t host, char *const *hosts) {
  if (host.data == NULL)
    return 0;
  if (jobsrv__span_is_nocase(host, "localhost") || is_ip_literal(host))
    return 1;
  for (; hosts != NULL && *hosts != NULL; hosts++)
    if (jobsrv__span_is_nocase(host, *hosts))
      return 1;
  return 0;
}

/* The port that a scheme has when none is written. */
static jobsrv__span_t default_port(jobsrv__span_t scheme) {
  if (jobsrv__span_is_nocase(scheme, "http"))
    return jobsrv__span("80", 2);
  if (jobsrv__span_is_nocase(scheme, "https"))
    return jobsrv__span("443", 3);
  return jobsrv__span("", 0);
}

/* scheme "://" host [":" port]; the host keeps the brackets of IPv6. */
static int origin_split(jobsrv__span_t origin,
                        jobsrv__span_t *scheme,
                        jobsrv__span_t *host,
                        jobsrv__span_t *port) {
  const char *end = origin.data + origin.len;
  const char *sep = memmem(origin.data, origin.len, "://", 3);
  const char *at;
  const char *colon;

  if (sep == NULL)
    return 0;
  at = sep + 3;
  *scheme = jobsrv__span(origin.data, (size_t) (sep - origin.data));
  colon = memrchr(at, ':', (size_t) (end - at));
  if (colon != NULL && memchr(colon, ']', (size_t) (end - colon)) != NULL)
    colon = NULL;
  *host = jobsrv__span(at, (size_t) ((colon != NULL ? colon : end) - at));
  *port = colon != NULL
              ? jobsrv__span(colon + 1, (size_t) (end - colon - 1))
              : jobsrv__span("", 0);
  return host->len != 0;
}

int jobsrv__origin_allowed(jobsrv__span_t origin,
                           jobsrv__span_t host,
                           jobsrv__span_t port,
                           char *const *origins) {
  jobsrv__span_t scheme;
  jobsrv__span_t origin_host;
  jobsrv__span_t origin_port;

  for (; origins != NULL && *origins != NULL; origins++)
    if (jobsrv__span_is(origin, *origins))
      return 1;
  if (host.data == NULL ||
      !origin_split(origin, &scheme, &origin_host, &origin_port) ||
      !jobsrv__span_equal_nocase(origin_host, host))
    return 0;
  /* behind a proxy the scheme is not ours, but both took it from one URL */
  if (origin_port.len == 0)
    origin_port = default_port(scheme);
  if (port.len == 0)
    port = default_port(scheme);
  return jobsrv__span_equal_nocase(origin_port, port);
}

int jobsrv__token_matches(jobsrv__span_t given, const char *token) {
  size_t len = strlen(token);
  unsigned int differ = given.len != len;

  for (size_t i = 0; i < given.len; i++)
    differ |= (unsigned char) given.data[i] ^
              (unsigned int) (unsigned char) token[len != 0 ? i % len : 0];
  return differ == 0;
}

int jobsrv__auth_host(jobsrv__request_t *request) {
  jobsrv__problem_t problem = { .status = 421, .code = "misdirected" };

  /* without a name there is nothing that could have been rebound */
  if (request->host.data == NULL || jobsrv__conn_is_unix(request->conn) ||
      jobsrv__host_allowed(request->host, request->sse->allow_hosts))
    return 1;
  jobsrv__respond_problem(request, &problem,
                          "this server does not answer for the name %.*s",
                          (int) request->host.len, request->host.data);
  return 0;
}

int jobsrv__auth_origin(jobsrv__request_t *request) {
  size_t count = 0;
  jobsrv__span_t origin = jobsrv__request_header(request, "origin", &count);

  if (count == 0)
    return 1;
  if (count == 1 &&
      jobsrv__origin_allowed(origin, request->host, request->port,
                             request->sse->allow_origins))
    return 1;
  jobsrv__refuse(request, 403, "forbidden", 0,
                 "requests of this origin are not allowed");
  return 0;
}

int jobsrv__auth_token(jobsrv__request_t *request) {
  jobsrv__problem_t problem = {
    .status = 401,
    .code = "unauthorized",
    .header_name = "WWW-Authenticate",
    .header_value = "Bearer",
  };
  const char *token = request->sse->token;
  jobsrv__span_t given;
  size_t count = 0;

  if (token == NULL)
    return 1;
  given = jobsrv__request_header(request, "authorization", &count);
  if (count == 1 && given.len > 7 &&
      jobsrv__span_is_nocase(jobsrv__span(given.data, 7), "bearer ")) {
    given = jobsrv__span(given.data + 7, given.len - 7);
    while (given.len > 0 && *given.data == ' ')
      given = jobsrv__span(given.data + 1, given.len - 1);
    if (jobsrv__token_matches(given, token))
      return 1;
  }
  jobsrv__respond_problem(request, &problem, "%s",
                          count == 0 ? "a bearer token is needed"
                                     : "the bearer token is not right");
  return 0;
}
