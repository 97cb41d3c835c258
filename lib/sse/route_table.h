/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_ROUTE_TABLE_H_
#define JOBSRV_SSE_ROUTE_TABLE_H_

/* One table of all that is served, the library's routes and the host's. */

#include "sse/request.h"

enum {
  JOBSRV__PATTERN_MAX = 512,
  JOBSRV__METHOD_MAX = 32
};

/* How definite each segment of a pattern is; of two, the lesser text wins. */
enum {
  JOBSRV__SEGMENT_FIXED = '0',
  JOBSRV__SEGMENT_NAME = '1',
  JOBSRV__SEGMENT_REST = '2'
};

struct jobsrv__route_s {
  jobsrv__queue_t link;
  jobsrv_sse_handler_cb handler;
  jobsrv_sse_head_cb head;
  void *data;
  const char *method;  /* all four are in the route's own block */
  const char *pattern;
  const char *rank;
  const char *summary;
  jobsrv__route_metrics_t *metrics; /* its own, that a request writes to */
  jobsrv__route_metrics_t own_metrics;
  uint8_t is_open;
};

/* What a path leads to. */
typedef struct jobsrv__found_s {
  const jobsrv__route_t *route; /* for the method; NULL: none */
  const jobsrv__route_t *any;   /* for any method; NULL: nothing is there */
} jobsrv__found_t;

/*
 * What jobsrv_sse_route() promises, but for the prefix: `route->pattern` is put
 * behind `prefix`, which may be "".
 */
int jobsrv__routes_add(jobsrv_sse_t *sse,
                       const char *prefix,
                       const jobsrv_sse_route_t *route);

void jobsrv__routes_free(jobsrv_sse_t *sse);

/* The one behind `route` in order of adding; NULL: the first, or no more. */
const jobsrv__route_t *jobsrv__routes_next(const jobsrv_sse_t *sse,
                                           const jobsrv__route_t *route);

/* 1 when the two fit exactly the same paths. */
int jobsrv__routes_same(const jobsrv__route_t *a, const jobsrv__route_t *b);

jobsrv__found_t jobsrv__routes_find(const jobsrv__request_t *request);

/*
 * "GET, HEAD, POST, OPTIONS": the methods of the routes that fit the path, or
 * of all for "*". At most `cap` bytes with a NUL; what is over is left out.
 */
void jobsrv__routes_allow(const jobsrv__request_t *request,
                          char *to,
                          size_t cap);

/*
 * What {name} of the request's route stands for, still encoded; "*" for the
 * rest. Data NULL: there is no such name.
 */
jobsrv__span_t jobsrv__routes_param(const jobsrv__request_t *request,
                                    const char *name);

#endif /* JOBSRV_SSE_ROUTE_TABLE_H_ */
