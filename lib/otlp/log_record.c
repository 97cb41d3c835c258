/* SPDX-License-Identifier: MIT */

#include "otlp/internal.h"

#include <string.h>

#define PUT(buf, text) ((void) jobsrv__buf_append(buf, text, sizeof(text) - 1))

/* ---- to which span it belongs ---- */

int jobsrv__otlp_id(char *to, const char *from, size_t digits) {
  int is_zero = 1;

  to[0] = '\0';
  if (from == NULL || strnlen(from, digits + 1) != digits)
    return 0;
  for (size_t i = 0; i < digits; i++) {
    char c = from[i];

    if (c >= 'A' && c <= 'F')
      c = (char) (c + 32);
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
      to[0] = '\0';
      return 0;
    }
    is_zero = is_zero && c == '0';
    to[i] = c;
  }
  to[is_zero ? 0 : digits] = '\0';
  return !is_zero;
}

/* What a job itself goes through is the job's, what it says the attempt's. */
static const char *span_of(const jobsrv_event_t *event,
                           const jobsrv_trace_t *trace) {
  if (event->kind == JOBSRV_KIND_STATE || event->kind == JOBSRV_KIND_END ||
      trace->attempt_span_id[0] == '\0')
    return trace->span_id;
  return trace->attempt_span_id;
}

void jobsrv__otlp_place(const jobsrv_event_t *event,
                        jobsrv__otlp_place_t *place) {
  jobsrv_trace_t trace = { .size = sizeof(trace), .sampled = 1 };
  const char *span = NULL;

  if (event->job != NULL) {
    jobsrv_job_trace(event->job, &trace);
    span = span_of(event, &trace);
  }
  place->sampled = trace.sampled;
  if (jobsrv__otlp_id(place->trace_id, event->trace_id, 32))
    span = event->span_id; /* of another trace perhaps */
  else
    (void) jobsrv__otlp_id(place->trace_id, trace.trace_id, 32);
  if (!jobsrv__otlp_id(place->span_id, event->span_id, 16))
    (void) jobsrv__otlp_id(place->span_id, span, 16);
}

int jobsrv__otlp_is_scope(const jobsrv_event_t *event) {
  return event->kind == JOBSRV_KIND_NARRATION && event->span_id != NULL &&
         event->action != NULL &&
         (strcmp(event->action, "span_begin") == 0 ||
          strcmp(event->action, "span_end") == 0);
}

/* ---- the record ---- */

static int severity(int level) {
  return level >= JOBSRV_TRACE && level <= JOBSRV_FATAL ? level * 4 - 3 : 0;
}

static void put_head(jobsrv__buf_t *buf, uint64_t wall_ns, int level) {
  PUT(buf, "{\"timeUnixNano\":");
  jobsrv__otlp_u64(buf, wall_ns);
  PUT(buf, ",\"observedTimeUnixNano\":");
  jobsrv__otlp_u64(buf, wall_ns);
  PUT(buf, ",\"severityNumber\":");
  (void) jobsrv__buf_putu64(buf, (uint64_t) severity(level));
  PUT(buf, ",\"severityText\":\"");
  (void) jobsrv__buf_puts(buf, jobsrv_level_name(level));
  PUT(buf, "\",\"body\":");
}

static void put_members(jobsrv__otlp_attrs_t *attrs,
                        const jobsrv_event_t *event,
                        const jobsrv__otlp_place_t *place) {
  jobsrv__otlp_attr_text(attrs, "jobsrv.kind", jobsrv_kind_name(event->kind));
  if (event->seq != 0)
    jobsrv__otlp_attr_u64(attrs, "jobsrv.seq", event->seq);
  if (event->server_seq != 0)
    jobsrv__otlp_attr_u64(attrs, "jobsrv.server_seq", event->server_seq);
  jobsrv__otlp_attr_text(attrs, "jobsrv.job_id", event->job_id);
  jobsrv__otlp_attr_text(attrs, "jobsrv.actor", event->actor);
  jobsrv__otlp_attr_text(attrs, "jobsrv.action", event->action);
  jobsrv__otlp_attr_text(attrs, "jobsrv.target", event->target);
  jobsrv__otlp_attr_text(attrs, "jobsrv.cute", event->cute);
  jobsrv__otlp_attr_text(attrs, "jobsrv.story", event->story);
  jobsrv__otlp_attr_text(attrs, "jobsrv.correlation_id",
                         event->correlation_id);
  jobsrv__otlp_attr_text(attrs, "jobsrv.request_id", event->request_id);
  jobsrv__otlp_attr_text(attrs, "jobsrv.parent_span_id",
                         event->parent_span_id);
  if (place->trace_id[0] == '\0') /* no ids then, but not lost */
    jobsrv__otlp_attr_text(attrs, "jobsrv.trace_id", event->trace_id);
  if (place->trace_id[0] == '\0' || place->span_id[0] == '\0')
    jobsrv__otlp_attr_text(attrs, "jobsrv.span_id", event->span_id);
  jobsrv__otlp_attr_text(attrs, "code.function.name", event->function);
  jobsrv__otlp_attr_text(attrs, "code.file.path", event->file);
  if (event->file != NULL && event->line > 0)
    jobsrv__otlp_attr_i64(attrs, "code.line.number", event->line);
}

static void put_told_text(jobsrv__otlp_attrs_t *attrs,
                          const jobsrv_event_t *event,
                          const char *name,
                          const char *key) {
  char text[32];

  if (jobsrv_json_string(event->json, event->json_len, name, text,
                         sizeof(text), NULL) == 0)
    jobsrv__otlp_attr_text(attrs, key, text);
}

static void put_told_number(jobsrv__otlp_attrs_t *attrs,
                            const jobsrv_event_t *event,
                            const char *name,
                            const char *key) {
  int64_t value;

  if (jobsrv_json_i64(event->json, event->json_len, name, &value) == 0)
    jobsrv__otlp_attr_i64(attrs, key, value);
}

/* What the library's own events say stands in their JSON alone. */
static void put_told(jobsrv__otlp_attrs_t *attrs, const jobsrv_event_t *event) {
  if (event->json == NULL)
    return;
  if (event->kind == JOBSRV_KIND_STATE || event->kind == JOBSRV_KIND_END) {
    put_told_text(attrs, event, "state", "jobsrv.state");
    put_told_number(attrs, event, "attempt", "jobsrv.attempt");
  }
  if (event->kind == JOBSRV_KIND_STATE)
    put_told_text(attrs, event, "previous", "jobsrv.previous");
  if (event->kind == JOBSRV_KIND_DROPPED)
    put_told_number(attrs, event, "count", "jobsrv.count");
}

static void put_ids(jobsrv__buf_t *buf, const jobsrv__otlp_place_t *place) {
  if (place->trace_id[0] == '\0')
    return;
  PUT(buf, ",\"flags\":");
  (void) jobsrv__buf_putc(buf, place->sampled ? '1' : '0');
  PUT(buf, ",\"traceId\":\"");
  (void) jobsrv__buf_append(buf, place->trace_id, 32);
  if (place->span_id[0] != '\0') {
    PUT(buf, "\",\"spanId\":\"");
    (void) jobsrv__buf_append(buf, place->span_id, 16);
  }
  (void) jobsrv__buf_putc(buf, '"');
}

void jobsrv__otlp_log(jobsrv_otlp_t *otlp, const jobsrv_event_t *event) {
  jobsrv__buf_t *buf = jobsrv__otlp_record_begin(otlp, JOBSRV__OTLP_LOG);
  const char *human = event->human != NULL ? event->human : "";
  jobsrv__otlp_attrs_t attrs;
  jobsrv__otlp_place_t place;

  if (buf == NULL)
    return;
  jobsrv__otlp_place(event, &place);
  put_head(buf, event->wall_ns, event->level);
  if (event->payload != NULL)
    jobsrv__otlp_any(buf, event->payload, event->payload_len);
  else
    jobsrv__otlp_any_text(buf, human, strlen(human), otlp->max_text);
  (void) jobsrv__buf_putc(buf, ',');
  jobsrv__otlp_attrs_begin(&attrs, buf, otlp->max_text);
  put_members(&attrs, event, &place);
  put_told(&attrs, event);
  for (size_t i = 0; i < event->nfields; i++)
    jobsrv__otlp_attr_field(&attrs, &event->fields[i]);
  jobsrv__otlp_attrs_end(&attrs);
  put_ids(buf, &place);
  (void) jobsrv__buf_putc(buf, '}');
  jobsrv__otlp_record_end(otlp, JOBSRV__OTLP_LOG);
}

void jobsrv__otlp_log_dropped(jobsrv_otlp_t *otlp, jobsrv__buf_t *buf) {
  jobsrv__otlp_attrs_t attrs;

  put_head(buf, jobsrv_wall_now(otlp->srv), JOBSRV_WARN);
  PUT(buf, "{\"stringValue\":\"");
  (void) jobsrv__buf_putu64(buf, otlp->unsaid);
  PUT(buf, " records were dropped\"},");
  jobsrv__otlp_attrs_begin(&attrs, buf, otlp->max_text);
  jobsrv__otlp_attr_text(&attrs, "jobsrv.kind", "dropped");
  jobsrv__otlp_attr_u64(&attrs, "jobsrv.count", otlp->unsaid);
  jobsrv__otlp_attrs_end(&attrs);
  (void) jobsrv__buf_putc(buf, '}');
}
