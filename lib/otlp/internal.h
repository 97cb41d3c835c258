/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_OTLP_INTERNAL_H_
#define JOBSRV_OTLP_INTERNAL_H_

/*
 * The exporter: events become records (log_record.c, span.c), records are
 * collected in batches of their signal (batch.c), batches are sent one after
 * the other (send.c) by the client.
 */

#include "jobsrv/otlp.h"

#include "jobsrv/context.h"
#include "jobsrv/json.h"
#include "jobsrv/version.h"

#include "base/buf.h"
#include "base/id.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/wrong_thread.h"
#include "otlp/client.h"
#include "otlp/json.h"

#include <stdint.h>

/* A debug build stops a call that is not the server's thread's, by its name. */
#ifdef NDEBUG
# define JOBSRV__ASSERT_LOOP(srv) ((void) 0)
#else
# define JOBSRV__ASSERT_LOOP(srv)                                             \
  (jobsrv_on_loop(srv) ? (void) 0 : jobsrv__wrong_thread(__func__))
#endif

enum { JOBSRV__OTLP_LOG, JOBSRV__OTLP_SPAN, JOBSRV__OTLP_SIGNALS };

/* A request's body, complete but for its tail while it is being filled. */
typedef struct jobsrv__otlp_batch_s {
  jobsrv__queue_t link;
  jobsrv__buf_t body;
  uint64_t number;     /* of all that were closed, from 1 */
  uint64_t failed_ns;  /* when it first could not be sent; 0: never */
  size_t counted;      /* of the body; behind it a record is being made */
  uint32_t records;
  uint8_t signal;
  uint8_t tried;
} jobsrv__otlp_batch_t;

struct jobsrv_otlp_s {
  jobsrv_alloc_t alloc;
  jobsrv_t *srv;
  jobsrv_sink_t *sink;
  jobsrv_otlp_options_t options; /* every default filled in, texts NULL */
  jobsrv__otlp_endpoint_t endpoint;
  jobsrv_redactor_t *redactor;   /* NULL: none */
  size_t max_text;
  jobsrv_otlp_stats_t stats;

  jobsrv__buf_t prefix[JOBSRV__OTLP_SIGNALS]; /* what a body begins with */
  jobsrv__buf_t headers;         /* the lines that all requests have */
  jobsrv__otlp_batch_t *filling[JOBSRV__OTLP_SIGNALS];
  jobsrv__otlp_batch_t *spare;
  jobsrv__queue_t ready;         /* closed, in the order of their numbers */
  uint64_t numbers;
  uint64_t unsaid;               /* dropped, and no record says so yet */
  jobsrv_timer_t batch_timer;

  jobsrv__map_t attempts;        /* by job, of those that run: span.c */
  jobsrv__queue_t running;       /* the same */
  jobsrv__buf_t scratch;         /* for redacting */

  jobsrv__otlp_client_t client;
  jobsrv__buf_t head;            /* of the request under way */
  jobsrv_turn_t turn;
  jobsrv_timer_t pause_timer;
  uint32_t failures;             /* in a row */
  int is_told_when;              /* the pause is the collector's wish */
  jobsrv__id_pool_t ids;
  jobsrv_timer_t flush_timer;
  uint64_t flush_number;         /* up to this batch */
  int is_flushing;
};

/* ---- batch.c ---- */

/*
 * A record is appended between these two. The first returns where to, or NULL
 * (counted); the second counts and closes what is full.
 */
jobsrv__buf_t *jobsrv__otlp_record_begin(jobsrv_otlp_t *otlp, int signal);
void jobsrv__otlp_record_end(jobsrv_otlp_t *otlp, int signal);

/* Takes back what was appended since the first. */
void jobsrv__otlp_record_cancel(jobsrv_otlp_t *otlp, int signal);

/* Moves what is being filled behind what is ready. */
void jobsrv__otlp_batches_close(jobsrv_otlp_t *otlp);

/* The first batch is done with. */
void jobsrv__otlp_batch_pop(jobsrv_otlp_t *otlp);

void jobsrv__otlp_batches_free(jobsrv_otlp_t *otlp);

/* ---- log_record.c and span.c ---- */

/* What an event belongs to; "" where there is none. */
typedef struct jobsrv__otlp_place_s {
  char trace_id[33];
  char span_id[17];
  int sampled;
} jobsrv__otlp_place_t;

/*
 * 1 if `from` is an id of so many digits; `to`, which has room for them and a
 * NUL, is then it in lower case, else "".
 */
int jobsrv__otlp_id(char *to, const char *from, size_t digits);

void jobsrv__otlp_place(const jobsrv_event_t *event,
                        jobsrv__otlp_place_t *place);

/* 1 for an event that begins or ends a scope. */
int jobsrv__otlp_is_scope(const jobsrv_event_t *event);

void jobsrv__otlp_log(jobsrv_otlp_t *otlp, const jobsrv_event_t *event);

/* A log record that says that `unsaid` events are missing. */
void jobsrv__otlp_log_dropped(jobsrv_otlp_t *otlp, jobsrv__buf_t *buf);

void jobsrv__otlp_spans(jobsrv_otlp_t *otlp, const jobsrv_event_t *event);
void jobsrv__otlp_attempts_free(jobsrv_otlp_t *otlp);

/* ---- send.c ---- */

void jobsrv__otlp_send_init(jobsrv_otlp_t *otlp);
void jobsrv__otlp_send_close(jobsrv_otlp_t *otlp);

/* At the end of this turn of the loop, if nothing is under way. */
void jobsrv__otlp_send_later(jobsrv_otlp_t *otlp);

/* As the `flush` of a sink. */
int jobsrv__otlp_flush(jobsrv_otlp_t *otlp);

/* ---- partial.c ---- */

/*
 * How many records an answer says were not taken, and why (`reason`, cut, ""
 * without). 0 for a body that is no such answer.
 */
uint64_t jobsrv__otlp_rejected(const char *body,
                               size_t len,
                               int signal,
                               char *reason,
                               size_t cap);

#endif /* JOBSRV_OTLP_INTERNAL_H_ */
