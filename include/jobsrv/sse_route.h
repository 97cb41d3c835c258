/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_ROUTE_H
#define JOBSRV_SSE_ROUTE_H

/*
 * The host's own part in the transport: routes in the same table as the
 * library's, and middleware that every request passes.
 *
 *   static void get_time(jobsrv_sse_request_t *request, void *data) {
 *     (void) data;
 *     jobsrv_sse_respond(request, 200, "text/plain", "12:00\n", 6);
 *   }
 *
 *   jobsrv_sse_route_t route;
 *   jobsrv_sse_route_init(&route);
 *   route.method = "GET";
 *   route.pattern = "/time";
 *   route.handler = get_time;
 *   err = jobsrv_sse_route(sse, &route);
 *
 * All calls belong to the loop thread.
 */

#include "jobsrv/sse.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A run of bytes of a request, lent as long as that; not NUL-terminated. */
typedef struct jobsrv_sse_text_s {
  const char *data; /* NULL: not there, which is not the same as empty */
  size_t len;
} jobsrv_sse_text_t;

/*
 * One request, from its complete head until it is answered. Every request is
 * answered exactly once: by one of the calls under "answering", from inside
 * the handler or later.
 */
typedef struct jobsrv__request_s jobsrv_sse_request_t;

/* ---- what was asked ---- */

/* The transport it came to. */
JOBSRV_EXTERN jobsrv_sse_t *
jobsrv_sse_request_transport(const jobsrv_sse_request_t *request);

/* "GET", ... as sent. */
JOBSRV_EXTERN jobsrv_sse_text_t
jobsrv_sse_method(const jobsrv_sse_request_t *request);

/* Begins with "/" and is still percent-encoded; "*" for OPTIONS alone. */
JOBSRV_EXTERN jobsrv_sse_text_t
jobsrv_sse_path(const jobsrv_sse_request_t *request);

/* What is behind the "?", still encoded; absent without one. */
JOBSRV_EXTERN jobsrv_sse_text_t
jobsrv_sse_query(const jobsrv_sse_request_t *request);

/* Empty before the handler is called, and for a request without one. */
JOBSRV_EXTERN jobsrv_sse_text_t
jobsrv_sse_body(const jobsrv_sse_request_t *request);

/*
 * The value of the first field of that name, in any case of letters, without
 * blanks around it. `*count`, which may be NULL, gets how many there are.
 */
JOBSRV_EXTERN jobsrv_sse_text_t
jobsrv_sse_header(const jobsrv_sse_request_t *request,
                  const char *name,
                  size_t *count);

/*
 * Decodes what {name} of the route's pattern stood for, or with name "*" what
 * its last "*" did, into `to` with a NUL.
 *
 * Returns the length; UV_ENOENT without such a name; UV_ENOBUFS when `cap` is
 * too small; UV_EINVAL for a broken escape or %00.
 */
JOBSRV_EXTERN int jobsrv_sse_param(const jobsrv_sse_request_t *request,
                                   const char *name,
                                   char *to,
                                   size_t cap);

/*
 * Decodes the first parameter of that name in the query ("a=1&b=2", "+" is a
 * blank). Returns as jobsrv_sse_param().
 */
JOBSRV_EXTERN int jobsrv_sse_query_param(const jobsrv_sse_request_t *request,
                                         const char *name,
                                         char *to,
                                         size_t cap);

/* The pattern of the route that was found, "/v1/jobs/{id}"; NULL: none. */
JOBSRV_EXTERN const char *
jobsrv_sse_pattern(const jobsrv_sse_request_t *request);

/*
 * The ids that go with the request: those it came with, where they are 1 to
 * 128 visible ASCII characters, else made. Both are in the answer. "" without
 * randomness from the kernel.
 */
JOBSRV_EXTERN const char *
jobsrv_sse_request_id(jobsrv_sse_request_t *request);
JOBSRV_EXTERN const char *
jobsrv_sse_correlation_id(jobsrv_sse_request_t *request);

/*
 * Writes who asks, "127.0.0.1:50412", "[::1]:50412" or "unix", and a NUL; ""
 * when that cannot be told. `cap` is at least 64.
 */
JOBSRV_EXTERN void jobsrv_sse_peer(const jobsrv_sse_request_t *request,
                                   char *to,
                                   size_t cap);

/*
 * Writes the address of who asks, "192.0.2.7" or "2001:db8::7" without a port,
 * and a NUL. `cap` is at least 64. That is who is connected ("unix" for a unix
 * socket, "" when it cannot be told), unless it is one of trust_proxies: then
 * it is whom that speaks for. Addresses in the header (sse.h, proxy_header) are
 * read from the last on: as long as one is such a proxy too, the one before it
 * counts, at most 64; so what a client puts there itself is never believed. Nor
 * is what cannot be read as an address, nor anything before it.
 */
JOBSRV_EXTERN void jobsrv_sse_client(const jobsrv_sse_request_t *request,
                                     char *to,
                                     size_t cap);

/* The process at the other end of a unix socket, as it was when it connected
   (or when it made the pair): the kernel says so, not the client. */
typedef struct jobsrv_sse_credentials_s {
  size_t size; /* set by the caller to sizeof *credentials */
  int64_t pid; /* 0: in another namespace */
  uint32_t uid;
  uint32_t gid;
} jobsrv_sse_credentials_t;

/*
 * Fills as much of `credentials` as its size says.
 * Returns 0; UV_ENOTSUP when the request did not come over a unix socket;
 * UV_ENOTCONN when its connection is gone.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_credentials(const jobsrv_sse_request_t *request,
                           jobsrv_sse_credentials_t *credentials);

/* ---- answering ---- */

/*
 * Adds a header to the answer to come. Framing is the transport's: not
 * Connection, Content-Length, Content-Type, Date, Trailer, Transfer-Encoding
 * or Upgrade.
 *
 * Returns 0; UV_EINVAL for those, a name that is no token, or a value with a
 * control character; UV_ENOMEM.
 */
JOBSRV_EXTERN int jobsrv_sse_add_header(jobsrv_sse_request_t *request,
                                        const char *name,
                                        const char *value);

/*
 * Answers; the request may be gone when this returns. `content_type` may be
 * NULL. What HTTP does not allow in an answer to HEAD, or with 204 and 304, is
 * left out. Texts are copied.
 *
 * Returns 0, or UV_EINVAL for a status outside 200..599, or a content type with
 * a control character: the request is then still to be answered.
 */
JOBSRV_EXTERN int jobsrv_sse_respond(jobsrv_sse_request_t *request,
                                     int status,
                                     const char *content_type,
                                     const void *body,
                                     size_t len);

/*
 * Answers with application/problem+json (RFC 9457), which has the status, a
 * `code` (stable snake_case, at most 64 bytes) and, as `detail`, the formatted
 * text, cut at 1,023 bytes. With 429 and 503 goes Retry-After: 1, unless the
 * host has added one. Returns as jobsrv_sse_respond(), UV_EINVAL also for a
 * status under 400.
 */
JOBSRV_EXTERN JOBSRV_PRINTF(4, 5)
int jobsrv_sse_problem(jobsrv_sse_request_t *request,
                       int status,
                       const char *code,
                       const char *format,
                       ...);

/* The client left first: the request must not be used after this call. */
typedef void (*jobsrv_sse_gone_cb)(jobsrv_sse_request_t *request, void *data);

/*
 * Says that the answer will come later, though not later than
 * answer_timeout_ms: then `gone` is called, and the client told 503. A handler
 * that has neither answered nor called this when it returns has made a
 * mistake, and the client is told 500.
 */
JOBSRV_EXTERN void jobsrv_sse_answer_later(jobsrv_sse_request_t *request,
                                           jobsrv_sse_gone_cb gone,
                                           void *data);

/* ---- routes ---- */

/* The whole request is there. */
typedef void (*jobsrv_sse_handler_cb)(jobsrv_sse_request_t *request,
                                      void *data);

/*
 * The head is there, the body not yet. Returns 1 to have it read, or 0 when it
 * has answered.
 */
typedef int (*jobsrv_sse_head_cb)(jobsrv_sse_request_t *request, void *data);

typedef struct jobsrv_sse_route_s {
  size_t size;                   /* set by jobsrv_sse_route_init() */
  const char *method;            /* "GET" serves HEAD too */
  const char *pattern;
  jobsrv_sse_handler_cb handler;
  jobsrv_sse_head_cb head;       /* NULL: none */
  void *data;
  int is_open; /* 1: like /health, for anyone who can connect: no token and no
                  known Host name is asked for */
  const char *summary; /* NULL: none; told in openapi.json, of UTF-8 */
} jobsrv_sse_route_t;

static inline void jobsrv_sse_route_init(jobsrv_sse_route_t *route) {
  memset(route, 0, sizeof(*route));
  route->size = sizeof(*route);
}

/*
 * Adds a route, for the requests that come from now on, and to openapi.json;
 * texts are copied. A pattern is a path of at most 512 bytes whose segments
 * stand for themselves, are {name} (any one segment that is not empty), or, as
 * the last, "*" (all that is left, nothing too). The prefix is not put before
 * it.
 *
 * Of several that fit, the one wins that is more definite in the first segment
 * where they differ: a fixed segment before {name} before "*". A path that only
 * other methods fit is answered 405 with Allow, OPTIONS likewise unless there
 * is a route for it.
 *
 * Returns 0; UV_EINVAL for a pattern, a name in it or a method that is none, or
 * without a handler; JOBSRV_EEXISTS when one of the same method fits exactly
 * the same paths; JOBSRV_EOPTIONS; UV_ENOMEM; JOBSRV_ECLOSED.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_route(jobsrv_sse_t *sse, const jobsrv_sse_route_t *route);

/* ---- middleware ---- */

typedef enum {
  JOBSRV_SSE_ANSWERED = 0, /* it has answered */
  JOBSRV_SSE_NEXT = 1,     /* goes on with the next */
  JOBSRV_SSE_LATER = 2     /* jobsrv_sse_next() or an answer will come */
} jobsrv_sse_verdict_t;

/* All may be NULL. */
typedef struct jobsrv_sse_middleware_s {
  size_t size; /* sizeof(jobsrv_sse_middleware_t) */
  /*
   * The head of a request is there, its body not yet. For JOBSRV_SSE_LATER it
   * calls jobsrv_sse_answer_later() first.
   */
  jobsrv_sse_verdict_t (*request)(void *self, jobsrv_sse_request_t *request);
  /* An answer is about to be sent: may add headers. For every request whose
     head could be read, whoever answers. */
  void (*response)(void *self, jobsrv_sse_request_t *request, int status);
  /* The last call: the transport is gone. */
  void (*close)(void *self);
  int for_open; /* 1: `request` is called for open routes too */
} jobsrv_sse_middleware_t;

/*
 * Adds a link to the end of the chain that requests pass before a route is
 * asked for its `head`. The library's own come first: the name of the host,
 * the origin, the token. `ops` is copied.
 *
 * Returns 0; UV_ENOMEM; JOBSRV_EOPTIONS; JOBSRV_ECLOSED; when not 0, `close` is
 * not called.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_use(jobsrv_sse_t *sse,
                   const jobsrv_sse_middleware_t *ops,
                   void *self);

/* Goes on after JOBSRV_SSE_LATER; not from inside `request`. */
JOBSRV_EXTERN void jobsrv_sse_next(jobsrv_sse_request_t *request);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SSE_ROUTE_H */
