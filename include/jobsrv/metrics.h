/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_METRICS_H
#define JOBSRV_METRICS_H

/*
 * What the server counts and measures, as text for a collector to scrape, and
 * the host's own figures among it.
 *
 *   static void write_cache(jobsrv_collector_t *collector,
 *                           jobsrv_metrics_t *to) {
 *     const struct cache *cache = collector->data;
 *     const jobsrv_metric_label_t hit = { "result", "hit" };
 *     const jobsrv_metric_label_t miss = { "result", "miss" };
 *
 *     jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER, "app_cache_lookups",
 *                           NULL, "Lookups in the cache.");
 *     jobsrv_metrics_u64(to, &hit, 1, cache->hits);
 *     jobsrv_metrics_u64(to, &miss, 1, cache->misses);
 *   }
 *
 *   cache->collector.data = cache;
 *   jobsrv_collector_add(srv, &cache->collector, write_cache);
 *
 * Measuring allocates nothing. No label has an id: there is a series for each
 * operation (the first 128; the others share "(other)", jobs of the host's own
 * have "(begun)"), state and outcome, whatever the number of jobs.
 *
 *   jobsrv_build_info{version}         jobsrv_jobs{state}
 *   jobsrv_jobs_submitted_total{operation}
 *   jobsrv_jobs_finished_total{operation,outcome}
 *   jobsrv_job_queue_seconds{operation}  runnable, until started; each attempt
 *   jobsrv_job_run_seconds{operation}    from the first start to the end
 *   jobsrv_cancel_latency_seconds{operation}  from the request to the end
 *   jobsrv_jobs_refused_total          jobsrv_jobs_expired_total
 *   jobsrv_jobs_abandoned_total        jobsrv_job_retries_total
 *   jobsrv_late_finishes_total         jobsrv_progress_ignored_total
 *   jobsrv_events_total{kind}          jobsrv_events_dropped_total{reason}
 *   jobsrv_events_trimmed_total        jobsrv_sink_events_dropped_total
 *   jobsrv_sinks                       jobsrv_open_spans
 *   jobsrv_memory_bytes{pool}          jobsrv_threads{state}
 *   jobsrv_draining                    jobsrv_loop_wakes_total{cause}
 *   jobsrv_loop_lag_seconds            how late a timer found the loop
 *
 * All calls belong to the loop thread.
 */

#include "jobsrv/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  JOBSRV_METRICS_TEXT,       /* Prometheus text format 0.0.4 */
  JOBSRV_METRICS_OPENMETRICS /* OpenMetrics 1.0 */
} jobsrv_metrics_format_t;

/* [any] What Content-Type has to say of it. */
JOBSRV_EXTERN const char *
jobsrv_metrics_content_type(jobsrv_metrics_format_t format);

/* Takes the next piece, which is lent. Not 0: stops the writing. */
typedef int (*jobsrv_metrics_cb)(const char *text, size_t len, void *data);

/*
 * Writes all there is, in pieces of at most 4 KiB.
 * Returns 0, UV_EINVAL for an unknown format, or what `cb` returned.
 */
JOBSRV_EXTERN int jobsrv_metrics_write(jobsrv_t *srv,
                                       jobsrv_metrics_format_t format,
                                       jobsrv_metrics_cb cb,
                                       void *data);

/* ---- times ---- */

enum { JOBSRV_HISTOGRAM_BUCKETS = 18 };

/*
 * How many times were how long: up to 100 us, 300 us, 1 ms, 3 ms, and so on to
 * 10,000 s, and beyond. Zero it once; it belongs to one thread at a time.
 */
typedef struct jobsrv_histogram_s {
  /* private */
  uint64_t bucket[JOBSRV_HISTOGRAM_BUCKETS];
  uint64_t seconds; /* the sum, in two parts */
  uint64_t ns;
} jobsrv_histogram_t;

/* [any] Counts one. */
JOBSRV_EXTERN void jobsrv_histogram_observe(jobsrv_histogram_t *histogram,
                                            uint64_t ns);

/* ---- the host's own ---- */

/* The text while it is being written. */
typedef struct jobsrv_metrics_s jobsrv_metrics_t;

typedef struct jobsrv_collector_s jobsrv_collector_t;

/* Lives in the caller's own struct. Zero it once. */
struct jobsrv_collector_s {
  /* public */
  void *data;
  /* private */
  void (*cb)(jobsrv_collector_t *collector, jobsrv_metrics_t *to);
  jobsrv_collector_t *next;
  jobsrv_collector_t *prev;
};

/*
 * Has `cb` called for each text, behind the library's own figures. It writes
 * whole families with the calls below, each family once over all collectors,
 * and must not close the server; it may remove itself or others.
 */
JOBSRV_EXTERN void
jobsrv_collector_add(jobsrv_t *srv,
                     jobsrv_collector_t *collector,
                     void (*cb)(jobsrv_collector_t *collector,
                                jobsrv_metrics_t *to));

/* Harmless for one that is not there. */
JOBSRV_EXTERN void jobsrv_collector_remove(jobsrv_collector_t *collector);

typedef enum {
  JOBSRV_METRIC_COUNTER,   /* only grows; "_total" is put behind its name */
  JOBSRV_METRIC_GAUGE,
  JOBSRV_METRIC_HISTOGRAM,
  JOBSRV_METRIC_INFO       /* 1, for its labels; "_info" is put behind */
} jobsrv_metric_type_t;

typedef struct jobsrv_metric_label_s {
  const char *name;
  const char *value; /* UTF-8; escaped here */
} jobsrv_metric_label_t;

/*
 * Begins a family; what follows are its samples. `unit` is a base unit
 * ("seconds", "bytes"), which the name then ends in, or NULL. Names are
 * [A-Za-z_:][A-Za-z0-9_:]*, and do not end in what types and samples are told
 * by: _total, _info, _sum, _count, _bucket, _created. Those that begin with
 * "jobsrv_" are the library's.
 *
 * Returns 0 or UV_EINVAL; the family is then left out with all its samples.
 */
JOBSRV_EXTERN int jobsrv_metrics_family(jobsrv_metrics_t *to,
                                        jobsrv_metric_type_t type,
                                        const char *name,
                                        const char *unit,
                                        const char *help);

/*
 * One sample; `labels` may be NULL with `n` 0. Names of labels are
 * [A-Za-z_][A-Za-z0-9_]*, do not begin with "__" and are not "le".
 *
 * Returns 0, or UV_EINVAL for a bad label, a sample that is none of this type
 * of family, or a counter below 0, NaN or infinite; it is then left out.
 */
JOBSRV_EXTERN int jobsrv_metrics_u64(jobsrv_metrics_t *to,
                                     const jobsrv_metric_label_t *labels,
                                     size_t n,
                                     uint64_t value);
JOBSRV_EXTERN int jobsrv_metrics_double(jobsrv_metrics_t *to,
                                        const jobsrv_metric_label_t *labels,
                                        size_t n,
                                        double value);
JOBSRV_EXTERN int
jobsrv_metrics_histogram(jobsrv_metrics_t *to,
                         const jobsrv_metric_label_t *labels,
                         size_t n,
                         const jobsrv_histogram_t *histogram);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_METRICS_H */
