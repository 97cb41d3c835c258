/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_INTERNAL_H_
#define JOBSRV_SSE_INTERNAL_H_

/*
 * The transport object. The HTTP half (listener, conn, request, response)
 * knows nothing of jobs; the other half (route and what it calls) knows
 * nothing of sockets. They meet in request.h, response.h, conn.h and in the
 * calls below.
 */

#include "jobsrv/sse.h"
#include "jobsrv/sse_auth.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/siphash.h"
#include "base/wrong_thread.h"
#include "sse/span.h"

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

/* A debug build stops a call that is not the server's thread's, by its name. */
#ifdef NDEBUG
# define JOBSRV__ASSERT_LOOP(srv) ((void) 0)
#else
# define JOBSRV__ASSERT_LOOP(srv)                                             \
  (jobsrv_on_loop(srv) ? (void) 0 : jobsrv__wrong_thread(__func__))
#endif

typedef struct jobsrv__conn_s jobsrv__conn_t;
typedef struct jobsrv__listener_s jobsrv__listener_t;
typedef struct jobsrv__request_s jobsrv__request_t;
typedef struct jobsrv__proxies_s jobsrv__proxies_t;
typedef struct jobsrv__route_s jobsrv__route_t;
typedef struct jobsrv__middleware_s jobsrv__middleware_t;
typedef struct jobsrv__header_s jobsrv__header_t;
typedef struct jobsrv__fanouts_s jobsrv__fanouts_t;

enum { JOBSRV__STREAM_ENDS = 16 };

/* Of the requests that one route has answered. */
typedef struct jobsrv__route_metrics_s {
  uint64_t answers[5]; /* by the first digit of the status */
  jobsrv_histogram_t duration;
} jobsrv__route_metrics_t;

typedef struct jobsrv__http_metrics_s {
  jobsrv__route_metrics_t unrouted; /* requests that no route was found for */
  uint64_t stream_bytes;            /* of streams that are over */
  uint64_t stream_ends[JOBSRV__STREAM_ENDS]; /* by jobsrv__stream_end_t */
} jobsrv__http_metrics_t;

struct jobsrv_sse_s {
  jobsrv_t *srv;
  const jobsrv_alloc_t *alloc;
  uv_loop_t *loop;
  jobsrv_sse_options_t options; /* every default filled in */
  jobsrv_sse_stats_t stats;     /* `streams` and `streams_opened`: route's */

  jobsrv__http_metrics_t metrics;

  /* The HTTP half's; set up by jobsrv__http_init(). */
  jobsrv__queue_t listeners; /* in order of listening */
  jobsrv__queue_t conns;     /* all but those in `resume` */
  jobsrv__queue_t resume;    /* conns with work for the end of the turn */
  jobsrv_turn_t resume_turn;
  jobsrv_timer_t accept_timer; /* armed while accepting is paused */
  char *read_buffer;           /* JOBSRV__READ_SIZE, for one recv at a time */
  uint32_t max_connections;    /* in force */
  uint32_t turned_away;        /* conns beyond it, only lingering */
  uint32_t handles;            /* uv handles not closed yet */
  uint8_t is_finishing;        /* conns close behind their present answer */
  uint8_t is_finished;  /* and this was told */
  uint8_t is_closing;

  /* The other half's. */
  jobsrv_part_t part;
  jobsrv__id_pool_t ids;
  jobsrv__queue_t routes;      /* in order of adding */
  jobsrv__queue_t chain;       /* of middleware */
  jobsrv__queue_t streams;
  jobsrv__map_t streams_by_job;
  jobsrv__fanouts_t *fanouts;  /* NULL: none; see fanout.h */
  jobsrv__queue_t leaving;     /* streams that are over: see stream.c */
  jobsrv_turn_t leave_turn;
  char *scratch; /* where ends are rendered, so that ending allocates nothing */
  size_t scratch_cap;
  jobsrv__buf_t render; /* of one stream at a time */
  struct jobsrv__packer_s *packer; /* NULL: nothing was compressed yet */
  jobsrv_turn_t packer_turn;
  char *prefix;
  size_t prefix_len;
  char **allow_hosts;
  char **allow_origins;
  jobsrv_sse_authorise_cb authorise; /* NULL: everything is allowed */
  void *authorise_data;
  unsigned char ticket_key[JOBSRV__SIPHASH_KEY];
  jobsrv__queue_t tickets;     /* those that were used, see ticket.c */
  jobsrv__map_t tickets_by_proof;
  unsigned char keys_secret[JOBSRV__SIPHASH_KEY];
  jobsrv__queue_t keys;        /* Idempotency-Keys, see idempotency.c */
  jobsrv__map_t keys_by_hash;
  void *spare_key;
  jobsrv__map_t holds_by_job;  /* answers that wait, see hold.c */
  jobsrv__queue_t holds_due;
  jobsrv_turn_t holds_turn;
  jobsrv_hook_t holds_hook;
  char *token;
  size_t token_len;
  char *metrics_token;
  jobsrv__proxies_t *proxies; /* NULL: none is believed */
  jobsrv_sse_close_cb close_cb;
  void *close_data;
  uint8_t is_part_done;
};

enum {
  JOBSRV__READ_SIZE = 64 * 1024
};

/*
 * Sets up the HTTP half's fields; srv, alloc, loop and options are there.
 *
 * Returns 0 or UV_ENOMEM, nothing to undo.
 */
int jobsrv__http_init(jobsrv_sse_t *sse);

/* Opens a listener: what jobsrv_sse_listen_with() promises but for draining. */
int jobsrv__http_listen(jobsrv_sse_t *sse,
                        const jobsrv_sse_listen_options_t *options);

/* The listener that was opened as number `index`, or NULL. */
const jobsrv__listener_t *jobsrv__http_listener(const jobsrv_sse_t *sse,
                                                size_t index);

/*
 * In good order: listeners close, idle connections close, others behind the
 * answer they are owed; streams are not touched. jobsrv__http_finished() is
 * called when no connection is left, maybe from within this call.
 */
void jobsrv__http_finish(jobsrv_sse_t *sse);

/*
 * At once: every listener and connection is closed. Streams get their `gone`
 * and unanswered requests theirs from within this call. When the last handle is
 * closed, jobsrv__http_closed() is called, always later than this call, from
 * the loop. A second call is ignored.
 */
void jobsrv__http_close(jobsrv_sse_t *sse);

/* Frees what jobsrv__http_init() made: in jobsrv__http_closed(), or when no
   listener was ever opened. */
void jobsrv__http_free(jobsrv_sse_t *sse);

/*
 * Provided by fanout.c. Every connection that is with another thread comes back
 * from within this call, and those threads are gone.
 */
void jobsrv__fanouts_stop(jobsrv_sse_t *sse);

/* Provided by sse.c; the first is called at most once, after finish. */
void jobsrv__http_finished(jobsrv_sse_t *sse);
void jobsrv__http_closed(jobsrv_sse_t *sse);

/*
 * Provided by route.c. The head of `request` is complete and well-formed, its
 * body is still to come.
 *
 * JOBSRV_SSE_NEXT: the body is read and jobsrv__route_body() called (right
 * after this call when there is no body). JOBSRV_SSE_ANSWERED: it has called
 * jobsrv__respond() or one of its kin, and a body is read and thrown away.
 * JOBSRV_SSE_LATER: `request->gone` is set, and an answer or
 * jobsrv__conn_pass() will come.
 */
jobsrv_sse_verdict_t jobsrv__route_head(jobsrv__request_t *request);

/*
 * Provided by route.c. The whole of `request` is there. Answers by
 * jobsrv__respond() and its kin or by jobsrv__conn_stream(), now or later; if
 * later, it sets `request->gone` first.
 */
void jobsrv__route_body(jobsrv__request_t *request);

/*
 * Provided by route.c. Appends the header lines ("Name: value\r\n") that every
 * response carries, whatever it is. Called once for each response, also for
 * what could not be parsed: `request->has_head` is 0 then.
 */
void jobsrv__route_headers(jobsrv__request_t *request,
                           int status,
                           jobsrv__buf_t *head);

#endif /* JOBSRV_SSE_INTERNAL_H_ */
