/* SPDX-License-Identifier: MIT */

#include "narration/layout.h"

#include "base/clock.h"
#include "narration/encode.h"
#include "narration/show.h"

#include <math.h>
#include <string.h>

/* What needs no quotes: visible ASCII without what has a meaning here. */
static int is_bare(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '=' ||
        text[i] == '\\')
      return 0;
  return len > 0;
}

static void put_key(jobsrv__buf_t *buf, const char *key) {
  if (buf->len > 0 && buf->data[buf->len - 1] != '\n')
    (void) jobsrv__buf_putc(buf, ' ');
  (void) jobsrv__buf_puts(buf, key);
  (void) jobsrv__buf_putc(buf, '=');
}

static void put_text(jobsrv__buf_t *buf,
                     const char *key,
                     const char *text,
                     size_t len) {
  put_key(buf, key);
  if (is_bare(text, len))
    (void) jobsrv__buf_append(buf, text, len);
  else
    jobsrv__show_quoted(buf, text, len);
}

static void put(jobsrv__buf_t *buf, const char *key, const char *text) {
  if (text != NULL)
    put_text(buf, key, text, strlen(text));
}

static void put_double(jobsrv__buf_t *buf, double value) {
  char text[JOBSRV__DOUBLE_SIZE];

  if (isfinite(value))
    (void) jobsrv__buf_append(buf, text, jobsrv__double_format(text, value));
  else
    (void) jobsrv__buf_puts(buf, "null");
}

static void put_field(jobsrv__buf_t *buf, const jobsrv_field_t *field) {
  char room[JOBSRV__FLAT_NAME];
  const char *key = jobsrv__field_flat_name(field, room);
  const char *text;

  switch (field->type) {
  case JOBSRV_FIELD_STRING:
  case JOBSRV_FIELD_JSON:
    text = field->as.string != NULL ? field->as.string : "null";
    put_text(buf, key, text,
             field->as.string != NULL && field->len != 0 ? field->len
                                                         : strlen(text));
    return;
  case JOBSRV_FIELD_I64:
    put_key(buf, key);
    (void) jobsrv__buf_puti64(buf, field->as.i64);
    return;
  case JOBSRV_FIELD_U64:
    put_key(buf, key);
    (void) jobsrv__buf_putu64(buf, field->as.u64);
    return;
  case JOBSRV_FIELD_DOUBLE:
    put_key(buf, key);
    put_double(buf, field->as.f64);
    return;
  case JOBSRV_FIELD_BOOL:
    put_key(buf, key);
    (void) jobsrv__buf_puts(buf, field->as.boolean ? "true" : "false");
    return;
  }
}

/* Ids of jobs are as they are; the empty actor of no job is left out. */
static void put_members(jobsrv__buf_t *buf, const jobsrv_event_t *event) {
  put(buf, "level", jobsrv_level_name(event->level));
  if (event->actor != NULL && event->actor[0] != '\0')
    put(buf, "actor", event->actor);
  put(buf, "action", event->action);
  put(buf, "target", event->target);
  put(buf, "human", event->human);
  put(buf, "cute", event->cute);
  put(buf, "story", event->story);
#define XX(name) put(buf, #name, event->name);
  XX(correlation_id) XX(request_id) XX(trace_id) XX(span_id) XX(parent_span_id)
#undef XX
  if (event->file != NULL) {
    put_key(buf, "source");
    jobsrv__show_quoted(buf, event->file, strlen(event->file));
    if (buf->failed == 0)
      buf->len--; /* the quote: the line comes before it */
    (void) jobsrv__buf_printf(buf, ":%d\"", event->line);
  }
  put(buf, "fn_name", event->function);
  if (event->payload != NULL)
    put_text(buf, "payload", event->payload, event->payload_len);
}

void jobsrv__logfmt_put(jobsrv__buf_t *buf, const jobsrv_event_t *event) {
  char time[JOBSRV__RFC3339_SIZE];

  jobsrv__rfc3339(time, event->wall_ns);
  put(buf, "time", time);
  put(buf, "type", jobsrv_kind_name(event->kind));
  put(buf, "job_id", event->job_id);
  if (event->seq != 0) {
    put_key(buf, "seq");
    (void) jobsrv__buf_putu64(buf, event->seq);
  }
  put_members(buf, event);
  for (size_t i = 0; i < event->nfields; i++)
    put_field(buf, &event->fields[i]);
}

void jobsrv__logfmt_fields(jobsrv__buf_t *buf, const jobsrv_event_t *event) {
  for (size_t i = 0; i < event->nfields; i++)
    if (strcmp(event->fields[i].key, "table") != 0)
      put_field(buf, &event->fields[i]);
}
