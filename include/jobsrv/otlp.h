/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_OTLP_H
#define JOBSRV_OTLP_H

/*
 * A sink that sends to an OpenTelemetry collector, by OTLP/HTTP with JSON: each
 * event as a log record, and each job, attempt and scope as a span. In a
 * library of its own, libjobsrv-otlp.
 *
 *   Logs     `human` is the body, the payload that of a data event. What else
 *            an event has are attributes: its fixed members and well-known
 *            fields as jobsrv.NAME, source as code.*, the host's own fields by
 *            their names. It carries the ids of the span that it belongs to.
 *   Jobs     from creation to end, named by the operation; of kind CONSUMER,
 *            or INTERNAL for one that the host began itself. What a job is
 *            part of is its parent (see jobsrv_trace_t). A job that completed
 *            has status OK; one that failed ERROR, with its message; a
 *            cancelled one has none, but jobsrv.outcome.
 *   Attempts from running to where it let go, inside the job's.
 *   Scopes   as they end. Their events begin at JOBSRV_DEBUG, so they are made
 *            only for jobs whose level lets that pass; they become spans, and
 *            are no logs.
 *
 * A trace that its maker chose not to sample gets no spans. A record has at
 * most 128 attributes and says how many were left out.
 *
 * Events are collected in batches and sent over one connection that stays. Of
 * what the collector could not take yet (429, 502, 503, 504, no connection, no
 * answer) each batch is sent again: after the delay that the answer names, else
 * with exponential backoff and jitter. What it refuses is not. All of it
 * happens in the server's loop, which is never blocked nor kept alive by it,
 * but while a flush is under way. There is no TLS: point it at a collector on
 * this machine, which does that, and all else, better.
 */

#include "jobsrv/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jobsrv_otlp_s jobsrv_otlp_t;

enum {
  JOBSRV_OTLP_LOGS = 1 << 0,
  JOBSRV_OTLP_SPANS = 1 << 1
};

/* All is copied. Zero is always the default named beside it. */
typedef struct jobsrv_otlp_options_s {
  size_t size;                 /* set by jobsrv_otlp_options_init() */
  const char *endpoint;        /* NULL: "http://127.0.0.1:4318". Also
                                  "http://NAME:PORT/PATH", "unix:PATH"; what is
                                  sent to is PATH/v1/logs and PATH/v1/traces */
  unsigned int signals;        /* of the above; 0: both */

  /* whose telemetry it is */
  const char *service_name;    /* NULL: "unknown_service" */
  const char *service_version; /* NULL: absent */
  const char *service_instance_id;  /* NULL: jobsrv_boot() */
  const jobsrv_field_t *resource;   /* more attributes of it, none of these nor
                                       one twice; at most 64 */
  size_t nresource;
  const jobsrv_tag_t *headers; /* of each request, an API key for example; at
                                  most 32 */
  size_t nheaders;

  /* which events; spans of a job need those that `filter` may keep away */
  int level;                   /* of logs; 0: JOBSRV_INFO */
  jobsrv_sink_filter_t filter;
  jobsrv_redactor_t *redactor; /* as of a sink; spans are redacted likewise */
  int unredacted;

  /* how much at once, and how much waits */
  uint32_t max_batch;          /* 0: 512 records in a request */
  uint32_t max_batch_bytes;    /* 0: 1 MiB; past it the batch is closed */
  uint32_t delay_ms;           /* 0: 1,000; so long a batch waits for more */
  uint32_t max_queue_bytes;    /* 0: 8 MiB waiting or on its way; past it the
                                  newest is dropped, and a log record says how
                                  many were when there is room again */

  /* until when it is tried */
  uint32_t timeout_ms;         /* 0: 10,000 for a request: to find the address,
                                  connect, send it and get the answer */
  uint32_t backoff_ms;         /* 0: 1,000 after the first failure, doubled with
                                  each; from half of it to all of it */
  uint32_t max_backoff_ms;     /* 0: 30,000 */
  uint32_t give_up_ms;         /* 0: 300,000 after its first failure a batch is
                                  dropped */
  uint32_t flush_ms;           /* 0: 5,000; a flush, also that of a drain,
                                  waits no longer for a collector that takes
                                  nothing */
} jobsrv_otlp_options_t;

static inline void jobsrv_otlp_options_init(jobsrv_otlp_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds the exporter; it connects when there is something to send. `options` and
 * `out` may be NULL. It goes with its sink: jobsrv_sink_remove() or the
 * server's close, which send what one write takes on a connection that is open
 * and drop the rest; jobsrv_drain() and jobsrv_sinks_flush() wait for it.
 *
 * Returns 0; UV_EINVAL for an endpoint, header, attribute or number that is
 * none; UV_EPROTONOSUPPORT for https; UV_ENAMETOOLONG; JOBSRV_ETOOBIG for more
 * attributes or headers than that; UV_ENOMEM; JOBSRV_EOPTIONS; JOBSRV_ECLOSED.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_otlp_add(jobsrv_t *srv,
                    const jobsrv_otlp_options_t *options,
                    jobsrv_otlp_t **out);

/*
 * What it is added as; to be removed, for example. Its level is that of all it
 * is given, JOBSRV_DEBUG or lower for the sake of spans; `level` above is one
 * more for logs.
 */
JOBSRV_EXTERN jobsrv_sink_t *jobsrv_otlp_sink(const jobsrv_otlp_t *otlp);

/* Counters since it was added, and gauges of this moment; all in records. */
typedef struct jobsrv_otlp_stats_s {
  size_t size;               /* set by the caller to sizeof *stats */
  uint64_t logs, spans;      /* taken by the collector */
  uint64_t dropped_full;     /* no room in the queue */
  uint64_t dropped_memory;
  uint64_t dropped_refused;  /* by an answer that is not to be retried */
  uint64_t dropped_late;     /* not taken in give_up_ms */
  uint64_t rejected;         /* out of batches that were taken otherwise */
  uint64_t waiting;          /* in the queue, or on their way */
  uint64_t waiting_bytes;
  uint64_t requests;         /* begun */
  uint64_t retries;          /* those of a batch that had been tried before */
  uint64_t failures;         /* those that came to nothing */
  uint64_t connects;         /* connections made */
  unsigned int last_status;  /* of the last answer; 0: none yet */
  char last_error[160];      /* what the last trouble was; "": none yet */
} jobsrv_otlp_stats_t;

/* Fills as much of `stats` as its size says. */
JOBSRV_EXTERN void jobsrv_otlp_stats(const jobsrv_otlp_t *otlp,
                                     jobsrv_otlp_stats_t *stats);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_OTLP_H */
