/* SPDX-License-Identifier: MIT */

#include "core/metrics_write.h"

#include "core/server.h"
#include "jobsrv/version.h"

/* What the library itself tells, and all of it together. */

/* ---- by operation ---- */

static const jobsrv__operation_t *next_of(const jobsrv_t *srv,
                                          const jobsrv__operation_t *last) {
  jobsrv__queue_t *link =
      last == NULL ? jobsrv__queue_front(&srv->operations)
                   : jobsrv__queue_next(&srv->operations, &last->in_server);

  return link != NULL
             ? JOBSRV__CONTAINER(link, jobsrv__operation_t, in_server)
             : NULL;
}

typedef struct counted_s {
  const char *operation;
  const jobsrv__job_metrics_t *metrics;
} counted_t;

typedef void (*write_cb)(jobsrv_metrics_t *to, const counted_t *of);

/* A family's samples: each operation that has figures of its own, then those
   that share theirs, as far as there is anything to share. */
static void for_each(const jobsrv_t *srv, jobsrv_metrics_t *to, write_cb cb) {
  const jobsrv__operation_t *operation = NULL;
  counted_t of;

  while ((operation = next_of(srv, operation)) != NULL) {
    of = (counted_t) { operation->def.name, operation->metrics };
    if (of.metrics != &srv->metrics.other)
      cb(to, &of);
  }
  of = (counted_t) { "(other)", &srv->metrics.other };
  if (of.metrics->submitted != 0)
    cb(to, &of);
  of = (counted_t) { "(begun)", &srv->metrics.begun };
  if (of.metrics->submitted != 0)
    cb(to, &of);
}

static void write_submitted(jobsrv_metrics_t *to, const counted_t *of) {
  const jobsrv_metric_label_t label = { "operation", of->operation };

  (void) jobsrv_metrics_u64(to, &label, 1, of->metrics->submitted);
}

static void write_finished(jobsrv_metrics_t *to, const counted_t *of) {
  for (int i = 0; i < 3; i++) {
    const jobsrv_metric_label_t labels[] = {
      { "operation", of->operation },
      { "outcome",
        jobsrv_state_name((jobsrv_state_t) (JOBSRV_STATE_COMPLETED + i)) },
    };

    (void) jobsrv_metrics_u64(to, labels, 2, of->metrics->ended[i]);
  }
}

static void write_times(jobsrv_metrics_t *to,
                        const counted_t *of,
                        const jobsrv_histogram_t *times) {
  const jobsrv_metric_label_t label = { "operation", of->operation };

  (void) jobsrv_metrics_histogram(to, &label, 1, times);
}

static void write_queue(jobsrv_metrics_t *to, const counted_t *of) {
  write_times(to, of, &of->metrics->queue);
}

static void write_run(jobsrv_metrics_t *to, const counted_t *of) {
  write_times(to, of, &of->metrics->run);
}

static void write_cancel(jobsrv_metrics_t *to, const counted_t *of) {
  write_times(to, of, &of->metrics->cancel);
}

static void write_operations(const jobsrv_t *srv, jobsrv_metrics_t *to) {
  static const struct {
    jobsrv_metric_type_t type;
    const char *name;
    const char *unit;
    const char *help;
    write_cb cb;
  } table[] = {
    { JOBSRV_METRIC_COUNTER, "jobsrv_jobs_submitted", NULL,
      "Jobs that were made.", write_submitted },
    { JOBSRV_METRIC_COUNTER, "jobsrv_jobs_finished", NULL,
      "Jobs that have ended.", write_finished },
    { JOBSRV_METRIC_HISTOGRAM, "jobsrv_job_queue_seconds", "seconds",
      "Time from being runnable to the start of the attempt.", write_queue },
    { JOBSRV_METRIC_HISTOGRAM, "jobsrv_job_run_seconds", "seconds",
      "Time from a job's first start to its end.", write_run },
    { JOBSRV_METRIC_HISTOGRAM, "jobsrv_cancel_latency_seconds", "seconds",
      "Time from a request to cancel to the end of the job.", write_cancel },
  };

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    (void) jobsrv_metrics_family(to, table[i].type, table[i].name,
                                 table[i].unit, table[i].help);
    for_each(srv, to, table[i].cb);
  }
}

/* ---- of the whole server ---- */

static void write_counter(jobsrv_metrics_t *to,
                          const char *name,
                          const char *help,
                          uint64_t value) {
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER, name, NULL, help);
  (void) jobsrv_metrics_u64(to, NULL, 0, value);
}

static void write_of(jobsrv_metrics_t *to,
                     const char *name,
                     const char *text,
                     uint64_t value) {
  const jobsrv_metric_label_t label = { name, text };

  (void) jobsrv_metrics_u64(to, &label, 1, value);
}

static void write_build(jobsrv_metrics_t *to) {
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_INFO, "jobsrv_build", NULL,
                               "The library.");
  write_of(to, "version", jobsrv_version_string(), 1);
}

static void write_jobs(const jobsrv_t *srv, jobsrv_metrics_t *to) {
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "jobsrv_jobs", NULL,
                               "Jobs that are live, or ended and retained.");
  for (int i = 0; i < JOBSRV_STATE_COMPLETED; i++)
    write_of(to, "state", jobsrv_state_name((jobsrv_state_t) i),
             srv->count[i]);
  for (int i = 0; i < 3; i++)
    write_of(to, "state",
             jobsrv_state_name((jobsrv_state_t) (JOBSRV_STATE_COMPLETED + i)),
             srv->registry.nretained_of[i]);
}

static void write_stats(jobsrv_metrics_t *to, const jobsrv_stats_t *stats) {
  write_counter(to, "jobsrv_jobs_refused",
                "Submits that a limit or a drain turned away.",
                stats->refused);
  write_counter(to, "jobsrv_jobs_expired", "Ended jobs that were forgotten.",
                stats->expired);
  write_counter(to, "jobsrv_jobs_abandoned",
                "Jobs that did not let go when they were asked to stop.",
                stats->abandoned);
  write_counter(to, "jobsrv_job_retries", "Attempts after a job's first.",
                stats->retries);
  write_counter(to, "jobsrv_late_finishes",
                "Abandoned attempts that let go after all.",
                stats->late_finishes);
  write_counter(to, "jobsrv_progress_ignored",
                "Reports of progress that went back inside a phase.",
                stats->progress_ignored);
}

static void write_gauge(jobsrv_metrics_t *to,
                        const char *name,
                        const char *help,
                        uint64_t value) {
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, name, NULL, help);
  (void) jobsrv_metrics_u64(to, NULL, 0, value);
}

static void write_resources(const jobsrv_t *srv,
                            jobsrv_metrics_t *to,
                            const jobsrv_stats_t *stats) {
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "jobsrv_memory_bytes",
                               "bytes", "Memory in use, by what it is for.");
  write_of(to, "pool", "slots", jobsrv__slab_bytes(&srv->registry.slab));
  write_of(to, "pool", "logs", stats->log_bytes);
  write_of(to, "pool", "inbox", stats->inbox_memory);
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "jobsrv_threads", NULL,
                               "Threads for operations; lost ones are stuck.");
  write_of(to, "state", "usable", stats->threads - stats->lost_threads);
  write_of(to, "state", "lost", stats->lost_threads);
  write_gauge(to, "jobsrv_open_spans", "Spans that have begun and not ended.",
              stats->open_spans);
  write_gauge(to, "jobsrv_draining", "1 while the server takes no new work.",
              (uint64_t) jobsrv_draining(srv));
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER, "jobsrv_loop_wakes",
                               NULL, "What has woken the loop.");
  write_of(to, "cause", "mail", stats->wakes);
  write_of(to, "cause", "timer", stats->timer_wakes);
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_HISTOGRAM,
                               "jobsrv_loop_lag_seconds", "seconds",
                               "How late a timer found the loop.");
  (void) jobsrv_metrics_histogram(to, NULL, 0, &srv->metrics.loop_lag);
}

void jobsrv__metrics_own(const jobsrv_t *srv, jobsrv_metrics_t *to) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(srv, &stats);
  write_build(to);
  write_jobs(srv, to);
  write_operations(srv, to);
  write_stats(to, &stats);
  write_resources(srv, to, &stats);
}

/* ---- all together ---- */

static void call_collectors(jobsrv_t *srv, jobsrv_metrics_t *to) {
  jobsrv_collector_t *head = &srv->metrics.collectors;
  jobsrv_collector_t *collector = head->next;
  jobsrv_collector_t here = { 0 };

  /* A mark of our own keeps the place, whatever one adds or removes. */
  while (collector != head) {
    here.prev = collector;
    here.next = collector->next;
    here.prev->next = &here;
    here.next->prev = &here;
    to->name[0] = '\0'; /* nobody goes on with another's family */
    if (collector->cb != NULL) /* else the mark of a call further out */
      collector->cb(collector, to);
    collector = here.next;
    jobsrv_collector_remove(&here);
  }
}

const char *jobsrv_metrics_content_type(jobsrv_metrics_format_t format) {
  return format == JOBSRV_METRICS_OPENMETRICS
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

int jobsrv_metrics_write(jobsrv_t *srv,
                         jobsrv_metrics_format_t format,
                         jobsrv_metrics_cb cb,
                         void *data) {
  jobsrv_metrics_t to;

  JOBSRV__ASSERT_LOOP(srv);
  if (format != JOBSRV_METRICS_TEXT && format != JOBSRV_METRICS_OPENMETRICS)
    return UV_EINVAL;
  to.format = format;
  to.cb = cb;
  to.data = data;
  to.stopped = 0;
  to.name[0] = '\0';
  to.len = 0;
  jobsrv__metrics_own(srv, &to);
  call_collectors(srv, &to);
  jobsrv__metrics_end(&to);
  return to.stopped;
}
