/* SPDX-License-Identifier: MIT */

#include "sse/metrics.h"

#include "sse/api.h"
#include "sse/authorise.h"
#include "sse/fanout.h"
#include "sse/gzip.h"
#include "sse/lag.h"
#include "sse/route_table.h"

/* ---- counting ---- */

void jobsrv__http_metrics_answered(const jobsrv__request_t *request,
                                   int status) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__route_metrics_t *metrics =
      request->route != NULL ? request->route->metrics : &sse->metrics.unrouted;
  uint64_t now = jobsrv_now(sse->srv);

  if (status < 100 || status > 599)
    return;
  metrics->answers[status / 100 - 1]++;
  jobsrv_histogram_observe(&metrics->duration, now > request->begun_ns
                                                   ? now - request->begun_ns
                                                   : 0);
}

void jobsrv__http_metrics_stream_end(jobsrv_sse_t *sse,
                                     jobsrv__stream_end_t why,
                                     uint64_t bytes) {
  _Static_assert((int) JOBSRV__STREAM_END_MAX <= (int) JOBSRV__STREAM_ENDS,
                 "each reason has a place");
  sse->metrics.stream_ends[why]++;
  sse->metrics.stream_bytes += bytes;
}

/* ---- writing ---- */

typedef struct counted_s {
  const char *method;
  const char *route;
  const jobsrv__route_metrics_t *metrics;
} counted_t;

typedef void (*write_cb)(jobsrv_metrics_t *to, const counted_t *of);

static void for_each(const jobsrv_sse_t *sse,
                     jobsrv_metrics_t *to,
                     write_cb cb) {
  const counted_t unrouted = { "", "(none)", &sse->metrics.unrouted };
  const jobsrv__route_t *route;
  jobsrv__queue_t *link;

  for (link = jobsrv__queue_front(&sse->routes); link != NULL;
       link = jobsrv__queue_next(&sse->routes, link)) {
    route = JOBSRV__CONTAINER(link, jobsrv__route_t, link);
    cb(to, &(counted_t) { route->method, route->pattern, route->metrics });
  }
  cb(to, &unrouted);
}

static void write_answers(jobsrv_metrics_t *to, const counted_t *of) {
  static const char *const classes[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };

  for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
    const jobsrv_metric_label_t labels[] = {
      { "method", of->method }, { "route", of->route }, { "code", classes[i] }
    };

    if (of->metrics->answers[i] != 0)
      (void) jobsrv_metrics_u64(to, labels, 3, of->metrics->answers[i]);
  }
}

static void write_duration(jobsrv_metrics_t *to, const counted_t *of) {
  const jobsrv_metric_label_t labels[] = { { "method", of->method },
                                           { "route", of->route } };
  uint64_t answers = 0;

  for (size_t i = 0; i < 5; i++)
    answers += of->metrics->answers[i];
  if (answers != 0)
    (void) jobsrv_metrics_histogram(to, labels, 2, &of->metrics->duration);
}

static void write_requests(const jobsrv_sse_t *sse, jobsrv_metrics_t *to) {
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER,
                               "jobsrv_http_requests", NULL,
                               "Requests that were answered.");
  for_each(sse, to, write_answers);
  (void) jobsrv_metrics_family(
      to, JOBSRV_METRIC_HISTOGRAM, "jobsrv_http_request_duration_seconds",
      "seconds", "Time from the head of a request to that of the answer.");
  for_each(sse, to, write_duration);
}

static void write_ends(const jobsrv_sse_t *sse, jobsrv_metrics_t *to) {
  static const char *const reasons[] = {
#define XX(name, text) text,
    JOBSRV__STREAM_END_MAP(XX)
#undef XX
  };

  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER, "jobsrv_stream_ends",
                               NULL, "Streams that are over.");
  for (size_t i = 0; i < JOBSRV__STREAM_END_MAX; i++) {
    const jobsrv_metric_label_t label = { "reason", reasons[i] };

    (void) jobsrv_metrics_u64(to, &label, 1, sse->metrics.stream_ends[i]);
  }
}

static void write_behind(const jobsrv__lag_t *lag, jobsrv_metrics_t *to) {
  static const char *const steps[JOBSRV__LAG_STEPS] = { "1", "10", "100",
                                                        "1000", "10000" };

  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE,
                               "jobsrv_watchers_behind", NULL,
                               "Streams that have not had that many events "
                               "of their jobs yet, or more.");
  for (size_t i = 0; i < JOBSRV__LAG_STEPS; i++) {
    const jobsrv_metric_label_t label = { "events", steps[i] };

    (void) jobsrv_metrics_u64(to, &label, 1, lag->behind[i]);
  }
}

static void write_stats(const jobsrv_sse_t *sse,
                        const jobsrv__lag_t *lag,
                        jobsrv_metrics_t *to) {
  const jobsrv_sse_stats_t *stats = &sse->stats;
  const struct {
    jobsrv_metric_type_t type;
    const char *name;
    const char *unit;
    const char *help;
    uint64_t value;
  } table[] = {
    { JOBSRV_METRIC_GAUGE, "jobsrv_watchers", NULL, "Streams that are open.",
      stats->streams },
    { JOBSRV_METRIC_GAUGE, "jobsrv_watchers_limit", NULL,
      "How many streams there may be.", sse->options.max_streams },
    { JOBSRV_METRIC_GAUGE, "jobsrv_watcher_lag_events", NULL,
      "Events that the stream furthest behind has not had yet.", lag->most },
    { JOBSRV_METRIC_COUNTER, "jobsrv_streams_opened", NULL,
      "Streams that were opened.", stats->streams_opened },
    { JOBSRV_METRIC_COUNTER, "jobsrv_stream_bytes", "bytes",
      "What streams have sent.", sse->metrics.stream_bytes + lag->bytes },
    { JOBSRV_METRIC_GAUGE, "jobsrv_http_connections", NULL,
      "Connections that are open.", stats->connections },
    { JOBSRV_METRIC_GAUGE, "jobsrv_http_connections_limit", NULL,
      "How many connections there may be.", sse->max_connections },
    { JOBSRV_METRIC_COUNTER, "jobsrv_http_connections_accepted", NULL,
      "Connections that were accepted.", stats->accepted },
    { JOBSRV_METRIC_COUNTER, "jobsrv_http_connections_refused", NULL,
      "Connections over the limit.", stats->refused },
    { JOBSRV_METRIC_COUNTER, "jobsrv_http_accept_pauses", NULL,
      "Times that there were no descriptors.", stats->accept_pauses },
    { JOBSRV_METRIC_COUNTER, "jobsrv_http_connections_stalled", NULL,
      "Connections that were cut for not reading.", stats->stalled },
    { JOBSRV_METRIC_COUNTER, "jobsrv_http_sent_bytes", "bytes",
      "What connections have sent.", jobsrv__fanouts_sent(sse) },
  };

  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    (void) jobsrv_metrics_family(to, table[i].type, table[i].name,
                                 table[i].unit, table[i].help);
    (void) jobsrv_metrics_u64(to, NULL, 0, table[i].value);
  }
}

static void write_gzip(const jobsrv_sse_t *sse, jobsrv_metrics_t *to) {
  static const jobsrv__packer_stats_t none;
  static const jobsrv_metric_label_t made = { "how", "made" };
  static const jobsrv_metric_label_t shared = { "how", "shared" };
  const jobsrv__packer_stats_t *stats =
      sse->packer != NULL ? jobsrv__packer_stats(sse->packer) : &none;

  if (!sse->options.gzip)
    return;
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER,
                               "jobsrv_stream_gzip_pieces", NULL,
                               "Pieces that were compressed, or sent again.");
  (void) jobsrv_metrics_u64(to, &made, 1, stats->made);
  (void) jobsrv_metrics_u64(to, &shared, 1, stats->shared);
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER,
                               "jobsrv_stream_gzip_plain_bytes", "bytes",
                               "What was sent compressed, before it was.");
  (void) jobsrv_metrics_u64(to, NULL, 0, stats->plain_bytes);
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER,
                               "jobsrv_stream_gzip_packed_bytes", "bytes",
                               "What was sent compressed, after it was.");
  (void) jobsrv_metrics_u64(to, NULL, 0, stats->packed_bytes);
}

static void on_collect(jobsrv_collector_t *collector, jobsrv_metrics_t *to) {
  const jobsrv_sse_t *sse = collector->data;
  jobsrv__lag_t lag;

  jobsrv__lag_look(sse, &lag);
  write_requests(sse, to);
  write_stats(sse, &lag, to);
  write_behind(&lag, to);
  write_ends(sse, to);
  write_gzip(sse, to);
}

int jobsrv_sse_metrics_write(jobsrv_sse_t *sse,
                             jobsrv_metrics_format_t format,
                             jobsrv_metrics_cb cb,
                             void *data) {
  /* only for now: another transport of the server has families of its own */
  jobsrv_collector_t mine = { .data = sse };
  int err;

  JOBSRV__ASSERT_LOOP(sse->srv);
  jobsrv_collector_add(sse->srv, &mine, on_collect);
  err = jobsrv_metrics_write(sse->srv, format, cb, data);
  jobsrv_collector_remove(&mine);
  return err;
}

/* ---- the route ---- */

/* OpenMetrics for who names it and does not like plain text better. */
static jobsrv_metrics_format_t format_of(const jobsrv__request_t *request) {
  jobsrv__span_t accept = jobsrv__request_header(request, "accept", NULL);
  int open = jobsrv__media_weight(accept, "application", "openmetrics-text");
  int text = jobsrv__media_weight(accept, "text", "plain");

  /* a quality, and in the two lowest bits how exactly it is named */
  return open % 4 == 3 && open / 4 >= text / 4 ? JOBSRV_METRICS_OPENMETRICS
                                               : JOBSRV_METRICS_TEXT;
}

static int append(const char *text, size_t len, void *data) {
  return jobsrv__buf_append(data, text, len);
}

static void on_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  static const jobsrv__header_t headers[] = {
    JOBSRV__HEADER("Cache-Control", "no-store"),
    JOBSRV__HEADER("Vary", "Accept"),
  };
  jobsrv_metrics_format_t format = format_of(request);
  jobsrv__buf_t text;

  (void) job;
  jobsrv__buf_init(&text, request->sse->alloc, 0);
  if (jobsrv_sse_metrics_write(request->sse, format, append, &text) != 0)
    jobsrv__refuse_no_memory(request);
  else
    jobsrv__respond(request, 200, headers, 2,
                    jobsrv_metrics_content_type(format), text.data, text.len);
  jobsrv__buf_free(&text);
}

void jobsrv__metrics(jobsrv__request_t *request, void *data) {
  (void) data;
  jobsrv__authorise(request, JOBSRV_SSE_METRICS, NULL, on_allowed);
}
