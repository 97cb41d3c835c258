/* SPDX-License-Identifier: MIT */

#include "otlp/internal.h"

#include "base/alloc.h"

#include <string.h>

#include <uv.h>

#define PUT(buf, text) ((void) jobsrv__buf_append(buf, text, sizeof(text) - 1))

/*
 * A span is sent when it is over, so nothing has to be remembered of jobs,
 * whose record has it all, nor of scopes, whose last event says how long they
 * took; only of attempts, when the one that runs began.
 */
typedef struct attempt_s {
  jobsrv__queue_t link;
  uint64_t wall_ns;
  uint32_t number;
} attempt_t;

typedef enum { KIND_INTERNAL = 1, KIND_CONSUMER = 5 } span_kind_t;
typedef enum { STATUS_UNSET, STATUS_OK, STATUS_ERROR } status_t;

typedef struct {
  const char *trace_id;
  const char *span_id;
  const char *parent_id; /* NULL, "": none */
  const char *tracestate;
  const char *name;
  const char *suffix;
  span_kind_t kind;
  uint64_t from_ns;
  uint64_t to_ns;
} span_t;

/* ---- writing one ---- */

static void put_id(jobsrv__buf_t *buf, const char *name, const char *id) {
  if (id == NULL || id[0] == '\0')
    return;
  (void) jobsrv__buf_puts(buf, name);
  jobsrv__otlp_string(buf, id, strlen(id));
}

static void put_head(jobsrv__buf_t *buf, const span_t *span, size_t max) {
  size_t len = strlen(span->name);

  put_id(buf, "{\"traceId\":", span->trace_id);
  put_id(buf, ",\"spanId\":", span->span_id);
  put_id(buf, ",\"traceState\":", span->tracestate);
  put_id(buf, ",\"parentSpanId\":", span->parent_id);
  PUT(buf, ",\"flags\":1,\"name\":");
  jobsrv__otlp_text(buf, span->name, len, max);
  if (span->suffix != NULL) {
    buf->len -= buf->failed == 0; /* into the string again */
    (void) jobsrv__buf_puts(buf, span->suffix);
    (void) jobsrv__buf_putc(buf, '"');
  }
  PUT(buf, ",\"kind\":");
  (void) jobsrv__buf_putu64(buf, span->kind);
  PUT(buf, ",\"startTimeUnixNano\":");
  jobsrv__otlp_u64(buf, span->from_ns);
  PUT(buf, ",\"endTimeUnixNano\":");
  jobsrv__otlp_u64(buf, span->to_ns > span->from_ns ? span->to_ns
                                                    : span->from_ns);
  (void) jobsrv__buf_putc(buf, ',');
}

static void put_status(jobsrv__buf_t *buf,
                       status_t status,
                       const char *message,
                       size_t max) {
  PUT(buf, ",\"status\":{");
  if (status == STATUS_ERROR && message != NULL) {
    PUT(buf, "\"message\":");
    jobsrv__otlp_text(buf, message, strlen(message), max);
    (void) jobsrv__buf_putc(buf, ',');
  }
  if (status != STATUS_UNSET) {
    PUT(buf, "\"code\":");
    (void) jobsrv__buf_putu64(buf, status);
  } else {
    PUT(buf, "\"code\":0");
  }
  PUT(buf, "}}");
}

/* What did not come as an event has not been redacted yet. */
static const char *redacted(jobsrv_otlp_t *otlp, const char *text) {
  jobsrv__buf_t *buf = &otlp->scratch;
  size_t len;
  char *to;

  if (text == NULL || otlp->redactor == NULL ||
      !jobsrv_redacts(otlp->redactor, text, strlen(text)))
    return text;
  jobsrv__buf_reset(buf);
  len = jobsrv_redact(otlp->redactor, text, strlen(text), NULL, 0);
  to = jobsrv__buf_reserve(buf, len + 1);
  if (to == NULL)
    return NULL;
  (void) jobsrv_redact(otlp->redactor, text, strlen(text), to, len);
  to[len] = '\0';
  return to;
}

/* ---- attempts ---- */

static jobsrv__id_t key_of(const jobsrv_event_t *event) {
  jobsrv__id_t id = { 0, 0 };

  (void) jobsrv__id_parse(event->job_id, strlen(event->job_id), &id);
  return id;
}

static attempt_t *attempt_get(const jobsrv_otlp_t *otlp,
                              const jobsrv_event_t *event) {
  uint64_t *value = jobsrv__map_get(&otlp->attempts, key_of(event));

  return value != NULL ? (attempt_t *) (uintptr_t) *value : NULL;
}

static void attempt_forget(jobsrv_otlp_t *otlp,
                           const jobsrv_event_t *event,
                           attempt_t *attempt) {
  (void) jobsrv__map_del(&otlp->attempts, key_of(event));
  jobsrv__queue_remove(&attempt->link);
  jobsrv__free(&otlp->alloc, attempt);
}

void jobsrv__otlp_attempts_free(jobsrv_otlp_t *otlp) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_pop(&otlp->running)) != NULL)
    jobsrv__free(&otlp->alloc, JOBSRV__CONTAINER(link, attempt_t, link));
  jobsrv__map_free(&otlp->attempts);
}

/* Coming back from a pause, or from a snooze, it is the same one. */
static void attempt_begin(jobsrv_otlp_t *otlp,
                          const jobsrv_event_t *event,
                          uint32_t number) {
  attempt_t *attempt = attempt_get(otlp, event);

  if (attempt != NULL) {
    if (attempt->number == number)
      return;
    attempt_forget(otlp, event, attempt);
  }
  attempt = jobsrv__malloc(&otlp->alloc, sizeof(*attempt));
  if (attempt != NULL) {
    *attempt = (attempt_t) { { NULL, NULL }, event->wall_ns, number };
    if (jobsrv__map_put(&otlp->attempts, key_of(event),
                        (uint64_t) (uintptr_t) attempt) == 0) {
      jobsrv__queue_push_back(&otlp->running, &attempt->link);
      return;
    }
  }
  jobsrv__free(&otlp->alloc, attempt);
  otlp->stats.dropped_memory++;
}

/* ---- the end of a job, or of one of its attempts ---- */

static void put_error(jobsrv_otlp_t *otlp,
                      jobsrv__otlp_attrs_t *attrs,
                      const jobsrv_job_info_t *info) {
  jobsrv__otlp_attr_text(attrs, "error.type",
                         redacted(otlp, info->error_code));
  if (info->exit_status >= 0)
    jobsrv__otlp_attr_i64(attrs, "process.exit.code", info->exit_status);
  if (info->signal != 0)
    jobsrv__otlp_attr_i64(attrs, "jobsrv.signal", info->signal);
  if (info->abandoned)
    jobsrv__otlp_attr_bool(attrs, "jobsrv.abandoned", 1);
}

static void put_tag(jobsrv_otlp_t *otlp,
                    jobsrv__otlp_attrs_t *attrs,
                    const jobsrv_tag_t *tag) {
  char key[11 + 65] = "jobsrv.tag.";
  const char *value = tag->value;

  strncat(key, tag->key, 64);
  if (otlp->redactor != NULL &&
      jobsrv_redacts_name(otlp->redactor, tag->key, strlen(tag->key)))
    value = jobsrv_redactor_replacement(otlp->redactor);
  else
    value = redacted(otlp, value);
  jobsrv__otlp_attr_text(attrs, key, value);
}

static void put_job(jobsrv_otlp_t *otlp,
                    jobsrv__otlp_attrs_t *attrs,
                    const jobsrv_event_t *event,
                    const jobsrv_job_info_t *info) {
  jobsrv__otlp_attr_text(attrs, "jobsrv.job_id", event->job_id);
  jobsrv__otlp_attr_text(attrs, "jobsrv.operation",
                         jobsrv_job_operation(event->job));
  jobsrv__otlp_attr_text(attrs, "jobsrv.outcome",
                         jobsrv_state_name(info->state));
  jobsrv__otlp_attr_u64(attrs, "jobsrv.attempts", info->attempt);
  put_error(otlp, attrs, info);
  if (info->cancel_reason != NULL)
    jobsrv__otlp_attr_text(attrs, "jobsrv.cancel_reason",
                           jobsrv_reason_name(info->cancel_reason->code));
  jobsrv__otlp_attr_text(attrs, "jobsrv.priority",
                         jobsrv_priority_name(info->priority));
  jobsrv__otlp_attr_text(attrs, "jobsrv.group", redacted(otlp, info->group));
  jobsrv__otlp_attr_text(attrs, "jobsrv.principal",
                         redacted(otlp, info->principal));
  jobsrv__otlp_attr_text(attrs, "jobsrv.correlation_id",
                         redacted(otlp, info->correlation_id));
  jobsrv__otlp_attr_text(attrs, "jobsrv.request_id",
                         redacted(otlp, info->request_id));
  if (info->started_wall_ns != 0)
    jobsrv__otlp_attr_u64(attrs, "jobsrv.duration_ms",
                          info->duration_ns / 1000000);
  for (size_t i = 0; i < info->ntags; i++)
    put_tag(otlp, attrs, &info->tags[i]);
}

static status_t status_of(jobsrv_state_t state) {
  return state == JOBSRV_STATE_COMPLETED  ? STATUS_OK
         : state == JOBSRV_STATE_CANCELLED ? STATUS_UNSET
                                           : STATUS_ERROR;
}

static const char *name_of(const jobsrv_event_t *event) {
  const char *name = jobsrv_job_operation(event->job);

  return name[0] != '\0' ? name : "job";
}

static void attempt_end(jobsrv_otlp_t *otlp,
                        const jobsrv_event_t *event,
                        const jobsrv_trace_t *trace,
                        const jobsrv_job_info_t *info,
                        attempt_t *attempt) {
  jobsrv__buf_t *buf = jobsrv__otlp_record_begin(otlp, JOBSRV__OTLP_SPAN);
  jobsrv__otlp_attrs_t attrs;
  char span_id[17];
  span_t span = {
    .trace_id = trace->trace_id,
    .span_id = jobsrv_attempt_span_id(event->job, attempt->number, span_id),
    .parent_id = trace->span_id,
    .tracestate = trace->tracestate,
    .name = name_of(event),
    .suffix = " attempt",
    .kind = KIND_INTERNAL,
    .from_ns = attempt->wall_ns,
    .to_ns = event->wall_ns,
  };

  if (buf == NULL)
    return;
  put_head(buf, &span, otlp->max_text);
  jobsrv__otlp_attrs_begin(&attrs, buf, otlp->max_text);
  jobsrv__otlp_attr_text(&attrs, "jobsrv.job_id", event->job_id);
  jobsrv__otlp_attr_u64(&attrs, "jobsrv.attempt", attempt->number);
  put_error(otlp, &attrs, info);
  jobsrv__otlp_attrs_end(&attrs);
  put_status(buf, status_of(info->state),
             redacted(otlp, info->error_message), otlp->max_text);
  jobsrv__otlp_record_end(otlp, JOBSRV__OTLP_SPAN);
}

static void job_end(jobsrv_otlp_t *otlp,
                    const jobsrv_event_t *event,
                    const jobsrv_trace_t *trace,
                    const jobsrv_job_info_t *info) {
  jobsrv__buf_t *buf = jobsrv__otlp_record_begin(otlp, JOBSRV__OTLP_SPAN);
  jobsrv__otlp_attrs_t attrs;
  span_t span = {
    .trace_id = trace->trace_id,
    .span_id = trace->span_id,
    .parent_id = trace->parent_span_id,
    .tracestate = trace->tracestate,
    .name = name_of(event),
    .kind = info->is_begun ? KIND_INTERNAL : KIND_CONSUMER,
    .from_ns = info->created_wall_ns,
    .to_ns = info->finished_wall_ns,
  };

  if (buf == NULL)
    return;
  put_head(buf, &span, otlp->max_text);
  jobsrv__otlp_attrs_begin(&attrs, buf, otlp->max_text);
  put_job(otlp, &attrs, event, info);
  jobsrv__otlp_attrs_end(&attrs);
  put_status(buf, status_of(info->state),
             redacted(otlp, info->error_message), otlp->max_text);
  jobsrv__otlp_record_end(otlp, JOBSRV__OTLP_SPAN);
}

static void on_end(jobsrv_otlp_t *otlp, const jobsrv_event_t *event) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  attempt_t *attempt = attempt_get(otlp, event);

  jobsrv_job_info(event->job, &info);
  jobsrv_job_trace(event->job, &trace);
  if (attempt != NULL && trace.sampled)
    attempt_end(otlp, event, &trace, &info, attempt);
  if (attempt != NULL)
    attempt_forget(otlp, event, attempt);
  if (trace.sampled)
    job_end(otlp, event, &trace, &info);
}

/* One that merely was not due yet has no error, and will go on. */
static void on_retrying(jobsrv_otlp_t *otlp, const jobsrv_event_t *event) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  attempt_t *attempt = attempt_get(otlp, event);

  jobsrv_job_info(event->job, &info);
  if (attempt == NULL || info.error_code == NULL)
    return;
  jobsrv_job_trace(event->job, &trace);
  if (trace.sampled)
    attempt_end(otlp, event, &trace, &info, attempt);
  attempt_forget(otlp, event, attempt);
}

static void on_state(jobsrv_otlp_t *otlp, const jobsrv_event_t *event) {
  char state[16];
  int64_t attempt;

  if (event->json == NULL ||
      jobsrv_json_string(event->json, event->json_len, "state", state,
                         sizeof(state), NULL) != 0 ||
      jobsrv_json_i64(event->json, event->json_len, "attempt", &attempt) != 0)
    return;
  if (strcmp(state, "retrying") == 0)
    on_retrying(otlp, event);
  else if (strcmp(state, "running") == 0)
    attempt_begin(otlp, event, attempt > 0 ? (uint32_t) attempt : 1);
}

/* ---- scopes ---- */

static const jobsrv_field_t *field_of(const jobsrv_event_t *event,
                                      const char *key) {
  for (size_t i = 0; i < event->nfields; i++)
    if (strcmp(event->fields[i].key, key) == 0)
      return &event->fields[i];
  return NULL;
}

static uint64_t duration_of(const jobsrv_event_t *event) {
  const jobsrv_field_t *field = field_of(event, "duration_ns");

  return field != NULL && field->type == JOBSRV_FIELD_U64 &&
                 field->as.u64 < event->wall_ns
             ? field->as.u64 : 0;
}

static status_t scope_status(const jobsrv_event_t *event) {
  const jobsrv_field_t *field = field_of(event, "outcome");

  if (field == NULL || field->type != JOBSRV_FIELD_STRING ||
      field->as.string == NULL)
    return STATUS_UNSET;
  return strcmp(field->as.string, "ok") == 0      ? STATUS_OK
         : strcmp(field->as.string, "error") == 0 ? STATUS_ERROR
                                                  : STATUS_UNSET;
}

static void scope_end(jobsrv_otlp_t *otlp, const jobsrv_event_t *event) {
  jobsrv__otlp_attrs_t attrs;
  jobsrv__otlp_place_t place;
  jobsrv__buf_t *buf;
  char parent_id[17];
  span_t span = {
    .trace_id = place.trace_id,
    .span_id = place.span_id,
    .parent_id = parent_id,
    .name = event->target != NULL ? event->target : "scope",
    .kind = KIND_INTERNAL,
    .from_ns = event->wall_ns - duration_of(event),
    .to_ns = event->wall_ns,
  };

  (void) jobsrv__otlp_id(parent_id, event->parent_span_id, 16);
  jobsrv__otlp_place(event, &place);
  if (place.trace_id[0] == '\0' || place.span_id[0] == '\0' || !place.sampled)
    return;
  buf = jobsrv__otlp_record_begin(otlp, JOBSRV__OTLP_SPAN);
  if (buf == NULL)
    return;
  put_head(buf, &span, otlp->max_text);
  jobsrv__otlp_attrs_begin(&attrs, buf, otlp->max_text);
  jobsrv__otlp_attr_text(&attrs, "jobsrv.job_id", event->job_id);
  jobsrv__otlp_attr_text(&attrs, "jobsrv.actor", event->actor);
  jobsrv__otlp_attr_text(&attrs, "code.function.name", event->function);
  jobsrv__otlp_attr_text(&attrs, "code.file.path", event->file);
  if (event->file != NULL && event->line > 0)
    jobsrv__otlp_attr_i64(&attrs, "code.line.number", event->line);
  for (size_t i = 0; i < event->nfields; i++)
    jobsrv__otlp_attr_field(&attrs, &event->fields[i]);
  jobsrv__otlp_attrs_end(&attrs);
  put_status(buf, scope_status(event), event->human, otlp->max_text);
  jobsrv__otlp_record_end(otlp, JOBSRV__OTLP_SPAN);
}

/* ---- what comes ---- */

void jobsrv__otlp_spans(jobsrv_otlp_t *otlp, const jobsrv_event_t *event) {
  if (jobsrv__otlp_is_scope(event)) {
    if (strcmp(event->action, "span_end") == 0)
      scope_end(otlp, event);
  } else if (event->job == NULL) {
    return;
  } else if (event->kind == JOBSRV_KIND_STATE) {
    on_state(otlp, event);
  } else if (event->kind == JOBSRV_KIND_END) {
    on_end(otlp, event);
  }
}
