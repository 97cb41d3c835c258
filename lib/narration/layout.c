/* SPDX-License-Identifier: MIT */

#include "narration/layout.h"

#include "base/clock.h"
#include "base/width.h"
#include "narration/narration.h"
#include "narration/show.h"
#include "narration/table.h"

#include <string.h>

#include <uv.h>

enum { SHORT_ID = 6, ACTOR = 10, ACTION = 15, NAME = 40, BLOCK_ACTION = 20 };

static void put_text(jobsrv__buf_t *buf, const char *text) {
  if (text != NULL)
    jobsrv__show(buf, text, strlen(text));
}

/* At least `width` columns. */
static void put_padded(jobsrv__buf_t *buf, const char *text, size_t width) {
  size_t from = buf->len;
  size_t used;

  put_text(buf, text);
  if (buf->failed != 0)
    return;
  for (used = jobsrv__width(buf->data + from, buf->len - from); used < width;
       used++)
    (void) jobsrv__buf_putc(buf, ' ');
}

static void put_code(const jobsrv__layout_t *layout,
                     jobsrv__buf_t *buf,
                     const char *code) {
  if (layout->colour)
    (void) jobsrv__buf_puts(buf, code);
}

static const char *colour_of(int level) {
  switch (level) {
  case JOBSRV_TRACE:
  case JOBSRV_DEBUG:
    return "\x1b[2m";
  case JOBSRV_INFO:
    return "\x1b[32m";
  case JOBSRV_WARN:
    return "\x1b[33m";
  default:
    return "\x1b[31m";
  }
}

static const char bold[] = "\x1b[1m";
static const char dim[] = "\x1b[2m";
static const char plain[] = "\x1b[0m";

void jobsrv__short_id(jobsrv__buf_t *buf, const char *id) {
  const char *at = id + strlen(id);
  int n = 0;

  while (at > id && n < SHORT_ID)
    n += ((unsigned char) *--at & 0xc0) != 0x80; /* where characters begin */
  if (at > id)
    (void) jobsrv__buf_puts(buf, "...");
  put_text(buf, at);
}

/* ---- the text and what goes with it ---- */

static const char *said(const jobsrv__layout_t *layout,
                        const jobsrv_event_t *event) {
  if (layout->voice == JOBSRV_VOICE_CUTE && event->cute != NULL)
    return event->cute;
  if (layout->voice == JOBSRV_VOICE_STORY && event->story != NULL)
    return event->story;
  if (event->human[0] == '\0' && event->target != NULL)
    return event->target;
  return event->human;
}

/* How a span has ended, which its text need not say. */
static void put_outcome(jobsrv__buf_t *buf, const jobsrv_event_t *event) {
  const jobsrv_field_t *outcome =
      jobsrv__event_field(event, "outcome", JOBSRV_FIELD_STRING);
  const jobsrv_field_t *duration =
      jobsrv__event_field(event, "duration_ms", JOBSRV_FIELD_U64);

  if (outcome == NULL || outcome->as.string == NULL)
    return;
  (void) jobsrv__buf_puts(buf, " (");
  jobsrv__show(buf, outcome->as.string,
               outcome->len != 0 ? outcome->len : strlen(outcome->as.string));
  if (duration != NULL)
    (void) jobsrv__buf_printf(buf, ", %llu ms",
                              (unsigned long long) duration->as.u64);
  (void) jobsrv__buf_putc(buf, ')');
}

static void put_table(jobsrv__buf_t *buf, const jobsrv_event_t *event) {
  const jobsrv_field_t *field =
      jobsrv__event_field(event, "table", JOBSRV_FIELD_JSON);
  const char *json = field != NULL ? field->as.string : NULL;
  size_t from = buf->len;

  if (json == NULL)
    return;
  (void) jobsrv__buf_putc(buf, '\n');
  if (jobsrv__table_put(buf, json,
                        field->len != 0 ? field->len : strlen(json),
                        "  ") != 0)
    buf->len = from;
}

/* Of the fields those that a person reading would miss, or all. */
static void put_said(const jobsrv__layout_t *layout,
                     jobsrv__buf_t *buf,
                     const jobsrv_event_t *event) {
  const jobsrv_field_t *suppressed =
      jobsrv__event_field(event, "suppressed", JOBSRV_FIELD_U64);

  if (event->payload != NULL)
    jobsrv__show(buf, event->payload, event->payload_len);
  else
    put_text(buf, said(layout, event));
  if (layout->fields) {
    jobsrv__logfmt_fields(buf, event);
  } else {
    put_outcome(buf, event);
    if (suppressed != NULL)
      (void) jobsrv__buf_printf(buf, " (suppressed %llu)",
                                (unsigned long long) suppressed->as.u64);
  }
  put_table(buf, event);
}

/* ---- the forms ---- */

static void put_line(const jobsrv__layout_t *layout,
                     jobsrv__buf_t *buf,
                     const jobsrv_event_t *event) {
  char time[JOBSRV__RFC3339_SIZE];

  jobsrv__rfc3339(time, event->wall_ns);
  (void) jobsrv__buf_puts(buf, time);
  (void) jobsrv__buf_putc(buf, ' ');
  put_code(layout, buf, colour_of(event->level));
  (void) jobsrv__buf_printf(buf, "%-5s", jobsrv_level_name(event->level));
  put_code(layout, buf, plain);
  (void) jobsrv__buf_putc(buf, ' ');
  if (event->job_id != NULL)
    jobsrv__short_id(buf, event->job_id);
  else
    (void) jobsrv__buf_putc(buf, '-');
  (void) jobsrv__buf_putc(buf, ' ');
  if (event->actor != NULL && event->actor[0] != '\0') {
    put_text(buf, event->actor);
    (void) jobsrv__buf_putc(buf, ' ');
  }
  put_text(buf, event->action);
  (void) jobsrv__buf_puts(buf, ": ");
  put_said(layout, buf, event);
}

static void put_brackets(const jobsrv__layout_t *layout,
                         jobsrv__buf_t *buf,
                         const jobsrv_event_t *event) {
  put_code(layout, buf, colour_of(event->level));
  (void) jobsrv__buf_putc(buf, '[');
  put_padded(buf, event->actor, ACTOR);
  (void) jobsrv__buf_putc(buf, ']');
  put_code(layout, buf, plain);
  (void) jobsrv__buf_putc(buf, ' ');
  put_padded(buf, event->action, ACTION);
  (void) jobsrv__buf_puts(buf, ": ");
  put_said(layout, buf, event);
}

static void put_block(const jobsrv__layout_t *layout,
                      jobsrv__buf_t *buf,
                      const jobsrv_event_t *event) {
  put_code(layout, buf, bold);
  put_padded(buf, event->function != NULL ? event->function : event->actor,
             NAME);
  put_code(layout, buf, plain);
  (void) jobsrv__buf_putc(buf, ' ');
  put_code(layout, buf, dim);
  put_padded(buf, event->action, BLOCK_ACTION);
  put_code(layout, buf, plain);
  (void) jobsrv__buf_putc(buf, '\n');
  put_said(layout, buf, event);
}

int jobsrv__layout_put(const jobsrv__layout_t *layout,
                       jobsrv__buf_t *buf,
                       const jobsrv_event_t *event) {
  switch (layout->form) {
  case JOBSRV_CONSOLE_JSON:
    if (event->json == NULL)
      return UV_ENOMEM;
    (void) jobsrv__buf_append(buf, event->json, event->json_len);
    break;
  case JOBSRV_CONSOLE_BRACKETS:
    put_brackets(layout, buf, event);
    break;
  case JOBSRV_CONSOLE_BLOCK:
    put_block(layout, buf, event);
    break;
  case JOBSRV_CONSOLE_LOGFMT:
    jobsrv__logfmt_put(buf, event);
    break;
  case JOBSRV_CONSOLE_MESSAGE:
    put_said(layout, buf, event);
    break;
  default:
    put_line(layout, buf, event);
    break;
  }
  return jobsrv__buf_putc(buf, '\n');
}
