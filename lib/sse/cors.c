/* SPDX-License-Identifier: MIT */

#include "sse/cors.h"

#include "sse/api.h"
#include "sse/route_table.h"

#include <stdio.h>

enum { ASKED_MAX = 1024 }; /* of the headers that a preflight asks for */

/* What a script may read of an answer, besides what it always may. */
static const char EXPOSED[] = "Location, Preference-Applied, Retry-After, "
                              "WWW-Authenticate, X-Correlation-Id, "
                              "X-Request-Id";

/* ---- origins ---- */

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

jobsrv__origin_t jobsrv__origin_of(jobsrv__span_t origin,
                                   jobsrv__span_t host,
                                   jobsrv__span_t port,
                                   char *const *origins) {
  jobsrv__origin_t listed = JOBSRV__ORIGIN_FOREIGN;
  jobsrv__span_t scheme;
  jobsrv__span_t origin_host;
  jobsrv__span_t origin_port;

  for (; origins != NULL && *origins != NULL; origins++) {
    if (jobsrv__span_is(origin, *origins))
      return JOBSRV__ORIGIN_LISTED;
    if (strcmp(*origins, "*") == 0)
      listed = JOBSRV__ORIGIN_ANY;
  }
  if (host.data == NULL ||
      !origin_split(origin, &scheme, &origin_host, &origin_port) ||
      !jobsrv__span_equal_nocase(origin_host, host))
    return listed;
  /* behind a proxy the scheme is not ours, but both took it from one URL */
  if (origin_port.len == 0)
    origin_port = default_port(scheme);
  if (port.len == 0)
    port = default_port(scheme);
  return jobsrv__span_equal_nocase(origin_port, port) ? JOBSRV__ORIGIN_SAME
                                                      : listed;
}

static int entry_ok(const char *entry) {
  jobsrv__span_t origin = jobsrv__span(entry, strlen(entry));
  jobsrv__span_t scheme, host, port;

  if (strcmp(entry, "*") == 0 || strcmp(entry, "null") == 0)
    return 1;
  for (const char *at = entry; *at != '\0'; at++)
    if (*at <= ' ' || *at > '~')
      return 0;
  return origin_split(origin, &scheme, &host, &port) && scheme.len > 0 &&
         memchr(host.data, '/', host.len) == NULL &&
         (port.len == 0 || memchr(port.data, '/', port.len) == NULL);
}

int jobsrv__origins_check(const char *const *origins, int credentials) {
  for (; origins != NULL && *origins != NULL; origins++)
    if (!entry_ok(*origins) || (credentials && strcmp(*origins, "*") == 0))
      return UV_EINVAL;
  return 0;
}

/* ---- preflight ---- */

static int is_preflight(const jobsrv__request_t *request) {
  return request->method == JOBSRV__OPTIONS &&
         jobsrv__request_header(request, "access-control-request-method",
                                NULL).data != NULL;
}

/* Names of fields, commas and blanks: nothing else is sent back. */
static int names_ok(jobsrv__span_t names) {
  static const char more[] = "!#$%&'*+-.^_`|~ ,\t";

  for (size_t i = 0; i < names.len; i++) {
    char c = jobsrv__lower(names.data[i]);

    if (c == '\0' || ((c < 'a' || c > 'z') && (c < '0' || c > '9') &&
                      strchr(more, c) == NULL))
      return 0;
  }
  return names.len <= ASKED_MAX;
}

static void add(jobsrv__header_t *headers,
                size_t *n,
                const char *name,
                jobsrv__span_t value) {
  headers[*n].name = jobsrv__span(name, strlen(name));
  headers[(*n)++].value = value;
}

/* Says which methods and headers may be used; the origin is added as to any
   answer. */
static void answer_preflight(jobsrv__request_t *request) {
  jobsrv__span_t asked = jobsrv__request_header(
      request, "access-control-request-headers", NULL);
  jobsrv__span_t network = jobsrv__request_header(
      request, "access-control-request-private-network", NULL);
  jobsrv__header_t headers[4];
  char methods[256];
  char age[16];
  size_t n = 0;

  jobsrv__routes_allow(request, methods, sizeof(methods));
  (void) snprintf(age, sizeof(age), "%u",
                  request->sse->options.cors_max_age_s);
  add(headers, &n, "Access-Control-Allow-Methods",
      jobsrv__span(methods, strlen(methods)));
  if (asked.data != NULL && names_ok(asked))
    add(headers, &n, "Access-Control-Allow-Headers", asked);
  /* a public page may reach into this network only where it is known by name */
  if (jobsrv__span_is(network, "true") &&
      request->origin == JOBSRV__ORIGIN_LISTED)
    add(headers, &n, "Access-Control-Allow-Private-Network",
        jobsrv__span("true", 4));
  add(headers, &n, "Access-Control-Max-Age", jobsrv__span(age, strlen(age)));
  jobsrv__respond(request, 204, headers, n, NULL, NULL, 0);
}

/* ---- the link ---- */

jobsrv_sse_verdict_t jobsrv__cors_request(void *self,
                                          jobsrv__request_t *request) {
  size_t count = 0;
  jobsrv__span_t origin = jobsrv__request_header(request, "origin", &count);

  (void) self;
  if (count == 0)
    return JOBSRV_SSE_NEXT;
  request->origin = JOBSRV__ORIGIN_FOREIGN;
  if (count == 1)
    request->origin = (uint8_t) jobsrv__origin_of(
        origin, request->host, request->port, request->sse->allow_origins);
  if (request->origin == JOBSRV__ORIGIN_FOREIGN) {
    jobsrv__refuse(request, 403, "forbidden", 0,
                   "requests of this origin are not allowed");
    return JOBSRV_SSE_ANSWERED;
  }
  if (!is_preflight(request))
    return JOBSRV_SSE_NEXT;
  answer_preflight(request);
  return JOBSRV_SSE_ANSWERED;
}

void jobsrv__cors_response(void *self,
                           jobsrv__request_t *request,
                           int status) {
  const jobsrv_sse_t *sse = request->sse;
  jobsrv__span_t origin;

  (void) self;
  (void) status;
  if (sse->allow_origins == NULL)
    return;
  /* a cache must not give one origin's answer to another */
  jobsrv__put_header(request, "Vary", jobsrv__span("Origin", 6));
  if (request->origin != JOBSRV__ORIGIN_LISTED &&
      request->origin != JOBSRV__ORIGIN_ANY)
    return;
  origin = jobsrv__request_header(request, "origin", NULL);
  if (request->origin == JOBSRV__ORIGIN_ANY)
    origin = jobsrv__span("*", 1);
  jobsrv__put_header(request, "Access-Control-Allow-Origin", origin);
  if (sse->options.cors_credentials)
    jobsrv__put_header(request, "Access-Control-Allow-Credentials",
                       jobsrv__span("true", 4));
  if (!is_preflight(request))
    jobsrv__put_header(request, "Access-Control-Expose-Headers",
                       jobsrv__span(EXPOSED, sizeof(EXPOSED) - 1));
}
