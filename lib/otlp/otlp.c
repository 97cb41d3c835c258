/* SPDX-License-Identifier: MIT */

#include "otlp/internal.h"

#include "base/alloc.h"
#include "base/options.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include <uv.h>

enum { RESOURCE_MAX = 64, HEADERS_MAX = 32 };

/* field, default, least, most */
#define LIMIT_MAP(XX)                                                         \
  XX(max_batch, 512, 1, 1u << 20)                                             \
  XX(max_batch_bytes, 1u << 20, 1, 1u << 26)                                  \
  XX(delay_ms, 1000, 1, INT_MAX)                                              \
  XX(max_queue_bytes, 8u << 20, 1, 1u << 30)                                  \
  XX(timeout_ms, 10000, 1, INT_MAX)                                           \
  XX(backoff_ms, 1000, 1, INT_MAX)                                            \
  XX(max_backoff_ms, 30000, 1, INT_MAX)                                       \
  XX(give_up_ms, 300000, 1, INT_MAX)                                          \
  XX(flush_ms, 5000, 1, INT_MAX)

/* ---- as a sink ---- */

/* The note itself is none of what was lost. */
static void say_dropped(jobsrv_otlp_t *otlp) {
  jobsrv_otlp_stats_t before = otlp->stats;
  uint64_t unsaid = otlp->unsaid;
  jobsrv__buf_t *buf = jobsrv__otlp_record_begin(otlp, JOBSRV__OTLP_LOG);

  if (buf != NULL) {
    jobsrv__otlp_log_dropped(otlp, buf);
    jobsrv__otlp_record_end(otlp, JOBSRV__OTLP_LOG);
  }
  if (otlp->unsaid == unsaid) {
    otlp->unsaid = 0;
    return;
  }
  otlp->unsaid = unsaid;
  otlp->stats.dropped_full = before.dropped_full;
  otlp->stats.dropped_memory = before.dropped_memory;
}

static void on_event(void *self, const jobsrv_event_t *event) {
  jobsrv_otlp_t *otlp = self;
  int is_span = 0;

  if (otlp->options.signals & JOBSRV_OTLP_SPANS) {
    jobsrv__otlp_spans(otlp, event);
    is_span = jobsrv__otlp_is_scope(event);
  }
  if (!(otlp->options.signals & JOBSRV_OTLP_LOGS) || is_span ||
      event->level < otlp->options.level)
    return;
  if (otlp->unsaid > 0)
    say_dropped(otlp);
  jobsrv__otlp_log(otlp, event);
}

static void otlp_free(jobsrv_otlp_t *otlp) {
  jobsrv_alloc_t alloc = otlp->alloc;

  jobsrv__otlp_batches_free(otlp);
  jobsrv__otlp_attempts_free(otlp);
  for (int signal = 0; signal < JOBSRV__OTLP_SIGNALS; signal++)
    jobsrv__buf_free(&otlp->prefix[signal]);
  jobsrv__buf_free(&otlp->headers);
  jobsrv__buf_free(&otlp->head);
  jobsrv__buf_free(&otlp->scratch);
  if (otlp->redactor != NULL)
    jobsrv_redactor_unref(otlp->redactor);
  jobsrv__free(&alloc, otlp);
}

static void on_close(void *self) {
  jobsrv_otlp_t *otlp = self;

  jobsrv__otlp_send_close(otlp);
  otlp_free(otlp);
}

static uint64_t on_dropped(const void *self) {
  const jobsrv_otlp_stats_t *stats = &((const jobsrv_otlp_t *) self)->stats;

  return stats->dropped_full + stats->dropped_memory +
         stats->dropped_refused + stats->dropped_late + stats->rejected;
}

static int on_open(void *self, jobsrv_sink_t *sink) {
  ((jobsrv_otlp_t *) self)->sink = sink;
  return 0;
}

static int on_flush(void *self) {
  return jobsrv__otlp_flush(self);
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
  .dropped = on_dropped,
  .open = on_open,
  .flush = on_flush,
};

/* ---- options ---- */

static int set_limit(uint32_t *limit,
                     uint32_t fallback,
                     uint32_t least,
                     uint32_t most) {
  if (*limit == 0)
    *limit = fallback;
  return *limit >= least && *limit <= most ? 0 : UV_EINVAL;
}

static int options_read(jobsrv_otlp_options_t *to,
                        const jobsrv_otlp_options_t *from) {
  jobsrv_otlp_options_init(to);
  if (from != NULL &&
      jobsrv__options_read(to, sizeof(*to), sizeof(*to), from) != 0)
    return JOBSRV_EOPTIONS;
  if (to->signals == 0)
    to->signals = JOBSRV_OTLP_LOGS | JOBSRV_OTLP_SPANS;
  if (to->signals & ~(unsigned int) (JOBSRV_OTLP_LOGS | JOBSRV_OTLP_SPANS))
    return UV_EINVAL;
  if (to->level == 0)
    to->level = JOBSRV_INFO;
  if (to->level < JOBSRV_TRACE || to->level > JOBSRV_MUTE ||
      (to->unredacted && to->redactor != NULL))
    return UV_EINVAL;
#define XX(field, fallback, least, most)                                      \
  if (set_limit(&to->field, fallback, least, most) != 0)                      \
    return UV_EINVAL;
  LIMIT_MAP(XX)
#undef XX
  if (to->nresource > RESOURCE_MAX || to->nheaders > HEADERS_MAX)
    return JOBSRV_ETOOBIG;
  return 0;
}

/* ---- what all requests have ---- */

static int is_token(const char *text) {
  static const char more[] = "!#$%&'*+-.^_`|~";

  if (text == NULL || text[0] == '\0')
    return 0;
  for (; *text != '\0'; text++)
    if ((*text < 'a' || *text > 'z') && (*text < 'A' || *text > 'Z') &&
        (*text < '0' || *text > '9') && strchr(more, *text) == NULL)
      return 0;
  return 1;
}

/* Those that say how the request is framed are ours. */
static int is_ours(const char *name) {
  static const char *const ours[] = {
    "host", "content-length", "content-type", "content-encoding",
    "transfer-encoding", "connection", "expect", "te", "trailer", "upgrade",
  };

  for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
    if (strcasecmp(ours[i], name) == 0)
      return 1;
  return 0;
}

static int put_headers(jobsrv_otlp_t *otlp,
                       const jobsrv_otlp_options_t *options) {
  jobsrv__buf_t *buf = &otlp->headers;

  (void) jobsrv__buf_printf(buf,
                            " HTTP/1.1\r\nHost: %s\r\n"
                            "User-Agent: jobsrv-otlp/%s\r\n"
                            "Content-Type: application/json\r\n",
                            otlp->endpoint.authority,
                            jobsrv_version_string());
  for (size_t i = 0; i < options->nheaders; i++) {
    const char *value = options->headers[i].value;

    if (!is_token(options->headers[i].key) ||
        is_ours(options->headers[i].key) || value == NULL)
      return UV_EINVAL;
    for (const char *p = value; *p != '\0'; p++)
      if (((unsigned char) *p < 0x20 && *p != '\t') || *p == 0x7f)
        return UV_EINVAL;
    (void) jobsrv__buf_printf(buf, "%s: %s\r\n", options->headers[i].key,
                              value);
  }
  return buf->failed;
}

/* Those that are said by an option, or by us. */
static int is_taken(const jobsrv_field_t *fields, size_t i) {
  const char *key = fields[i].key;

  for (size_t k = 0; k < i; k++)
    if (strcmp(fields[k].key, key) == 0)
      return 1;
  return strcmp(key, "service.name") == 0 ||
         strcmp(key, "service.version") == 0 ||
         strcmp(key, "service.instance.id") == 0 ||
         strncmp(key, "telemetry.sdk.", 14) == 0;
}

static int field_ok(const jobsrv_field_t *field) {
  size_t len;

  if (!is_token(field->key) || (unsigned int) field->type > JOBSRV_FIELD_JSON)
    return 0;
  if (field->type != JOBSRV_FIELD_JSON)
    return 1;
  if (field->as.string == NULL)
    return 0;
  len = field->len != 0 ? field->len : strlen(field->as.string);
  return jobsrv_json_check(field->as.string, len, 64, NULL) == 0;
}

static int put_resource(jobsrv_otlp_t *otlp,
                        jobsrv__buf_t *buf,
                        const jobsrv_otlp_options_t *options) {
  jobsrv__otlp_attrs_t attrs;

  jobsrv__otlp_attrs_begin(&attrs, buf, otlp->max_text);
  jobsrv__otlp_attr_text(&attrs, "service.name",
                         options->service_name != NULL ? options->service_name
                                                       : "unknown_service");
  jobsrv__otlp_attr_text(&attrs, "service.version", options->service_version);
  jobsrv__otlp_attr_text(&attrs, "service.instance.id",
                         options->service_instance_id != NULL
                             ? options->service_instance_id
                             : jobsrv_boot(otlp->srv));
  jobsrv__otlp_attr_text(&attrs, "telemetry.sdk.name", "jobsrv");
  jobsrv__otlp_attr_text(&attrs, "telemetry.sdk.language", "c");
  jobsrv__otlp_attr_text(&attrs, "telemetry.sdk.version",
                         jobsrv_version_string());
  for (size_t i = 0; i < options->nresource; i++) {
    if (!field_ok(&options->resource[i]) || is_taken(options->resource, i))
      return UV_EINVAL;
    jobsrv__otlp_attr_field(&attrs, &options->resource[i]);
  }
  jobsrv__otlp_attrs_end(&attrs);
  return buf->failed;
}

static int put_prefix(jobsrv_otlp_t *otlp,
                      int signal,
                      const jobsrv_otlp_options_t *options) {
  jobsrv__buf_t *buf = &otlp->prefix[signal];
  int is_log = signal == JOBSRV__OTLP_LOG;
  int err;

  (void) jobsrv__buf_printf(buf, "{\"%s\":[{\"resource\":{",
                            is_log ? "resourceLogs" : "resourceSpans");
  err = put_resource(otlp, buf, options);
  if (err != 0)
    return err;
  return jobsrv__buf_printf(buf,
                            "},\"%s\":[{\"scope\":{\"name\":\"jobsrv\","
                            "\"version\":\"%s\"},\"%s\":[",
                            is_log ? "scopeLogs" : "scopeSpans",
                            jobsrv_version_string(),
                            is_log ? "logRecords" : "spans");
}

/* ---- making ---- */

static void init(jobsrv_otlp_t *otlp, jobsrv_t *srv) {
  uint64_t seed = 0;

  otlp->alloc = *jobsrv_allocator(srv);
  otlp->srv = srv;
  otlp->max_text = jobsrv_options(srv)->max_text;
  otlp->batch_timer.data = otlp;
  for (int signal = 0; signal < JOBSRV__OTLP_SIGNALS; signal++)
    jobsrv__buf_init(&otlp->prefix[signal], &otlp->alloc, 0);
  jobsrv__buf_init(&otlp->headers, &otlp->alloc, 0);
  jobsrv__buf_init(&otlp->head, &otlp->alloc, 0);
  jobsrv__buf_init(&otlp->scratch, &otlp->alloc, 0);
  jobsrv__queue_init(&otlp->ready);
  jobsrv__queue_init(&otlp->running);
  jobsrv__id_pool_init(&otlp->ids, jobsrv_options(srv)->random,
                       jobsrv_options(srv)->random_data);
  (void) jobsrv__id_random(&otlp->ids, &seed, sizeof(seed));
  jobsrv__map_init(&otlp->attempts, &otlp->alloc, seed);
}

/* What a span takes from the job itself is redacted by the same rules. */
static int set_redactor(jobsrv_otlp_t *otlp,
                        const jobsrv_otlp_options_t *options) {
  if (options->unredacted)
    return 0;
  if (options->redactor != NULL) {
    otlp->redactor = jobsrv_redactor_ref(options->redactor);
    return 0;
  }
  return jobsrv_redactor_new(&otlp->redactor, &otlp->alloc, NULL);
}

static int prepare(jobsrv_otlp_t *otlp, const jobsrv_otlp_options_t *options) {
  int err = jobsrv__otlp_endpoint_parse(options->endpoint != NULL
                                            ? options->endpoint
                                            : "http://127.0.0.1:4318",
                                        &otlp->endpoint);

  if (err == 0)
    err = put_headers(otlp, options);
  if (err == 0)
    err = set_redactor(otlp, options);
  for (int signal = 0; err == 0 && signal < JOBSRV__OTLP_SIGNALS; signal++)
    err = put_prefix(otlp, signal, options);
  return err;
}

/* Spans need the states of jobs and what scopes say, whatever logs need. */
static int add(jobsrv_otlp_t *otlp, const jobsrv_otlp_options_t *options) {
  jobsrv_sink_options_t how;

  jobsrv_sink_options_init(&how);
  how.level = options->level;
  if (options->signals & JOBSRV_OTLP_SPANS && how.level > JOBSRV_DEBUG)
    how.level = JOBSRV_DEBUG;
  how.filter = options->filter;
  how.redactor = otlp->redactor;
  how.unredacted = options->unredacted;
  return jobsrv_sink_add(otlp->srv, &ops, otlp, &how, NULL);
}

int jobsrv_otlp_add(jobsrv_t *srv,
                    const jobsrv_otlp_options_t *options,
                    jobsrv_otlp_t **out) {
  jobsrv_otlp_options_t read;
  jobsrv_otlp_t *otlp;
  int err;

  JOBSRV__ASSERT_LOOP(srv);
  err = options_read(&read, options);
  if (err != 0)
    return err;
  otlp = jobsrv__zalloc(jobsrv_allocator(srv), sizeof(*otlp));
  if (otlp == NULL)
    return UV_ENOMEM;
  init(otlp, srv);
  otlp->options = read;
  err = prepare(otlp, &read);
  if (err == 0) {
    jobsrv__otlp_send_init(otlp);
    err = add(otlp, &read);
  }
  if (err != 0) {
    otlp_free(otlp);
    return err;
  }

  /* the caller's own are not ours to keep */
  otlp->options.endpoint = NULL;
  otlp->options.service_name = NULL;
  otlp->options.service_version = NULL;
  otlp->options.service_instance_id = NULL;
  otlp->options.resource = NULL;
  otlp->options.headers = NULL;
  otlp->options.redactor = NULL;
  memset(&otlp->options.filter, 0, sizeof(otlp->options.filter));
  if (out != NULL)
    *out = otlp;
  return 0;
}

jobsrv_sink_t *jobsrv_otlp_sink(const jobsrv_otlp_t *otlp) {
  JOBSRV__ASSERT_LOOP(otlp->srv);
  return otlp->sink;
}

void jobsrv_otlp_stats(const jobsrv_otlp_t *otlp, jobsrv_otlp_stats_t *stats) {
  jobsrv_otlp_stats_t all = otlp->stats;
  size_t size = stats->size < sizeof(all) ? stats->size : sizeof(all);

  JOBSRV__ASSERT_LOOP(otlp->srv);
  all.size = stats->size;
  all.connects = otlp->client.connects;
  memcpy(stats, &all, size);
}
