/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_REQUEST_H_
#define JOBSRV_SSE_REQUEST_H_

#include "sse/internal.h"
#include "sse/job_body.h"

typedef enum jobsrv__method_e {
  JOBSRV__GET = 1,
  JOBSRV__HEAD,
  JOBSRV__POST,
  JOBSRV__PUT,
  JOBSRV__DELETE,
  JOBSRV__OPTIONS,
  JOBSRV__OTHER /* see method_text */
} jobsrv__method_t;

enum {
  JOBSRV__REQUEST_ID_MAX = 128,
  JOBSRV__PRINCIPAL_MAX = 128
};

/* One field line. In a request the name is in lower case. */
struct jobsrv__header_s {
  jobsrv__span_t name;
  jobsrv__span_t value; /* without blanks around it */
};

/*
 * One request, alive from its complete head until it is answered (for
 * jobsrv__conn_stream(): until jobsrv__route_body() has returned). Spans point
 * into memory of its own that does not move.
 */
struct jobsrv__request_s {
  jobsrv__conn_t *conn;
  jobsrv_sse_t *sse;

  jobsrv__method_t method;
  jobsrv__span_t method_text;
  jobsrv__span_t path;  /* begins with "/", still percent-encoded; "*" only for
                           OPTIONS */
  jobsrv__span_t query; /* behind the "?", data NULL without one */
  int minor;            /* of HTTP/1.x: 0 or 1 */
  jobsrv__span_t host;  /* syntax checked, without port, an IPv6 literal with
                           its brackets; data NULL in HTTP/1.0 without Host */
  jobsrv__span_t port;  /* digits of the Host header, may be empty */

  jobsrv__header_t *headers;
  size_t n_headers;

  jobsrv__span_t body; /* whole in jobsrv__route_body(); ends with a NUL that is
                          not counted */

  /* Set any time before the answer: the connection closes behind it. */
  uint8_t must_close;
  uint8_t is_answered; /* read only */
  uint8_t has_head;    /* read only: it could be parsed */
  uint8_t has_body;    /* read only: one was announced */
  uint8_t keeps;       /* read only: the client lets the connection stay */

  /* For who answers later: the connection went first, do not answer any more.
     The request is freed behind this call. */
  void (*gone)(jobsrv__request_t *request);
  void *data;

  uint64_t begun_ns; /* when its head was complete */

  /* route's: what was found, and how far the chain has been passed. */
  const jobsrv__route_t *route;       /* NULL: none */
  const jobsrv__middleware_t *passed; /* NULL: nothing yet */
  uint8_t is_open;
  uint8_t origin;                     /* jobsrv__origin_t, of a request that has
                                         one */
  jobsrv__buf_t extra;                /* header lines of the host */
  jobsrv_sse_gone_cb host_gone;
  void *host_data;

  /* authorise's: what the host's hook is being asked */
  struct {
    void (*then)(jobsrv__request_t *request, jobsrv_job_t *job);
    jobsrv_job_t *job; /* referenced */
    jobsrv_sse_verb_t verb;
    uint8_t is_denied; /* what is asked now is whether it may be known of */
    size_t extra_len;  /* of header lines, before the first of many jobs */
  } asked;
  const char *operation; /* to be created, while that is decided */
  char operation_text[JOBSRV__OPERATION_SIZE];
  uint8_t has_ticket;    /* which allows what is asked */
  uint8_t has_made;      /* the job that it is answered with */
  char principal[JOBSRV__PRINCIPAL_MAX + 1];
  char job_id[JOBSRV_ID_SIZE]; /* what problems are about; "" for none, or when
                                  the caller may not know of it */

  /* the ids that go with the answer and the job */
  char request_id[JOBSRV__REQUEST_ID_MAX + 1];
  char correlation_id[JOBSRV__REQUEST_ID_MAX + 1];
};

/*
 * The value of the first field of that name, given in lower case; data NULL
 * without one. `*count`, if given, is how many there are.
 */
jobsrv__span_t jobsrv__request_header(const jobsrv__request_t *request,
                                      const char *name,
                                      size_t *count);

/*
 * Takes the next segment off a path: for "/a/b" in `*rest` gives "a" and leaves
 * "/b". Still percent-encoded.
 *
 * Returns 1, or 0 when `*rest` does not begin with "/".
 */
int jobsrv__path_next(jobsrv__span_t *rest, jobsrv__span_t *segment);

/*
 * Undoes percent-encoding into `to`, `cap` bytes, with a NUL; "+" stays.
 *
 * Returns the length; UV_EINVAL for a broken escape or %00; UV_ENOBUFS when it
 * does not fit.
 */
int jobsrv__percent_decode(jobsrv__span_t from, char *to, size_t cap);

/*
 * The first parameter of that name in a query ("a=1&b=2"), decoded into `to`
 * with a NUL; here "+" is a blank.
 *
 * Returns the length; UV_ENOENT without such a parameter; UV_EINVAL or
 * UV_ENOBUFS as above.
 */
int jobsrv__query_find(jobsrv__span_t query,
                       const char *name,
                       char *to,
                       size_t cap);

#endif /* JOBSRV_SSE_REQUEST_H_ */
