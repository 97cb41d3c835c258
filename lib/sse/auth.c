/* SPDX-License-Identifier: MIT */

#include "sse/api.h"
#include "sse/metrics.h"
#include "sse/route_table.h"

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

static int is_metrics(const jobsrv__request_t *request) {
  return request->route != NULL && request->route->handler == jobsrv__metrics;
}

static int is_asked_for(const jobsrv__request_t *request) {
  const jobsrv_sse_t *sse = request->sse;

  if (request->has_ticket)
    return 0;
  return sse->token != NULL ||
         (sse->metrics_token != NULL && is_metrics(request));
}

/* Both are compared, whichever it is. */
static int is_right(const jobsrv__request_t *request, jobsrv__span_t given) {
  const jobsrv_sse_t *sse = request->sse;
  int is_one = sse->token != NULL && jobsrv__token_matches(given, sse->token);
  int is_other = is_metrics(request) && sse->metrics_token != NULL &&
                 jobsrv__token_matches(given, sse->metrics_token);

  return is_one || is_other;
}

int jobsrv__auth_token(jobsrv__request_t *request) {
  jobsrv__problem_t problem = {
    .status = 401,
    .code = "unauthorized",
    .header_name = "WWW-Authenticate",
    .header_value = "Bearer",
  };
  jobsrv__span_t given;
  size_t count = 0;

  if (!is_asked_for(request))
    return 1;
  given = jobsrv__request_header(request, "authorization", &count);
  if (count == 1 && given.len > 7 &&
      jobsrv__span_is_nocase(jobsrv__span(given.data, 7), "bearer ")) {
    given = jobsrv__span(given.data + 7, given.len - 7);
    while (given.len > 0 && *given.data == ' ')
      given = jobsrv__span(given.data + 1, given.len - 1);
    if (is_right(request, given))
      return 1;
  }
  jobsrv__respond_problem(request, &problem, "%s",
                          count == 0 ? "a bearer token is needed"
                                     : "the bearer token is not right");
  return 0;
}
