/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/clock.h"
#include "base/options.h"
#include "jobsrv/console.h"
#include "narration/narration.h"
#include "narration/show.h"
#include "narration/table.h"
#include "narration/writer.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

enum { MAX_BYTES = 1024 * 1024, SHORT_ID = 6, OUT = 2 };

typedef struct console_s {
  jobsrv_alloc_t alloc;
  jobsrv__lane_t *lane;
  jobsrv__buf_t line;
  jobsrv_console_form_t form;
  int colour;
} console_t;

static void put_text(jobsrv__buf_t *buf, const char *text) {
  if (text != NULL)
    jobsrv__show(buf, text, strlen(text));
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

/* Of the fields only those that a person reading would miss. */
static void put_extras(jobsrv__buf_t *buf, const jobsrv_event_t *event) {
  const jobsrv_field_t *field =
      jobsrv__event_field(event, "suppressed", JOBSRV_FIELD_U64);
  const char *json;
  size_t from;

  if (field != NULL)
    (void) jobsrv__buf_printf(buf, " (suppressed %llu)",
                              (unsigned long long) field->as.u64);
  field = jobsrv__event_field(event, "table", JOBSRV_FIELD_JSON);
  json = field != NULL ? field->as.string : NULL;
  if (json == NULL)
    return;
  from = buf->len;
  (void) jobsrv__buf_putc(buf, '\n');
  if (jobsrv__table_put(buf, json,
                        field->len != 0 ? field->len : strlen(json),
                        "  ") != 0)
    buf->len = from;
}

static void put_line(console_t *console, const jobsrv_event_t *event) {
  jobsrv__buf_t *buf = &console->line;
  char time[JOBSRV__RFC3339_SIZE];
  size_t id_len = event->job_id != NULL ? strlen(event->job_id) : 0;

  jobsrv__rfc3339(time, event->wall_ns);
  (void) jobsrv__buf_puts(buf, time);
  (void) jobsrv__buf_printf(buf, " %s%-5s%s ",
                            console->colour ? colour_of(event->level) : "",
                            jobsrv_level_name(event->level),
                            console->colour ? "\x1b[0m" : "");
  if (id_len > SHORT_ID)
    (void) jobsrv__buf_printf(buf, "...%s ",
                              event->job_id + id_len - SHORT_ID);
  else
    (void) jobsrv__buf_puts(buf, "- ");
  if (event->actor != NULL && event->actor[0] != '\0') {
    put_text(buf, event->actor);
    (void) jobsrv__buf_putc(buf, ' ');
  }
  put_text(buf, event->action);
  (void) jobsrv__buf_puts(buf, ": ");
  if (event->payload != NULL)
    put_text(buf, event->payload);
  else
    put_text(buf, event->human);
  put_extras(buf, event);
}

static void on_event(void *self, const jobsrv_event_t *event) {
  console_t *console = self;
  jobsrv__buf_t *buf = &console->line;

  jobsrv__buf_reset(buf);
  if (console->form == JOBSRV_CONSOLE_TEXT)
    put_line(console, event);
  else if (event->json != NULL)
    (void) jobsrv__buf_append(buf, event->json, event->json_len);
  else
    buf->failed = UV_ENOMEM;
  if (jobsrv__buf_putc(buf, '\n') == 0)
    jobsrv__lane_put(console->lane, buf->data, buf->len, 0, event->wall_ns);
  else
    jobsrv__lane_drop(console->lane, event->wall_ns);
}

static void on_close(void *self) {
  console_t *console = self;
  jobsrv_alloc_t alloc = console->alloc;

  jobsrv__lane_close(console->lane);
  jobsrv__buf_free(&console->line);
  jobsrv__free(&alloc, console);
}

static uint64_t dropped(const void *self) {
  return jobsrv__lane_dropped(((const console_t *) self)->lane);
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
  .dropped = dropped,
};

static int options_check(jobsrv_console_options_t *mine,
                         const jobsrv_console_options_t *options) {
  jobsrv_console_options_init(mine);
  if (options != NULL &&
      jobsrv__options_read(mine, sizeof(*mine), sizeof(*mine), options) != 0)
    return UV_EINVAL;
  if (mine->fd == 0)
    mine->fd = OUT;
  if (mine->max_bytes == 0)
    mine->max_bytes = MAX_BYTES;
  if (mine->fd < 0 || mine->level < 0 || mine->level > JOBSRV_MUTE ||
      (unsigned int) mine->form > JOBSRV_CONSOLE_JSON)
    return UV_EINVAL;
  return 0;
}

static int open_lane(jobsrv_t *srv,
                     const jobsrv_console_options_t *options,
                     jobsrv__lane_t **out) {
  jobsrv__lane_options_t how = { .max = options->max_bytes };
  jobsrv__outlet_t *outlet;
  int err = jobsrv__descriptor_outlet(&outlet, &srv->alloc, options->fd,
                                      options->form == JOBSRV_CONSOLE_JSON
                                          ? "{\"type\":\"dropped\","
                                            "\"count\":%llu}\n"
                                          : "... dropped %llu events\n");

  if (err != 0)
    return err;
  return jobsrv__narration_lane(srv, outlet, &how, out);
}

int jobsrv_console_add(jobsrv_t *srv,
                       const jobsrv_console_options_t *options,
                       jobsrv_sink_t **out) {
  jobsrv_console_options_t mine;
  jobsrv_sink_options_t how;
  console_t *console;
  int err = options_check(&mine, options);

  JOBSRV__ASSERT_LOOP(srv);
  if (err != 0)
    return err;
  if (srv->narration == NULL || srv->phase == JOBSRV__CLOSING)
    return JOBSRV_ECLOSED;
  console = jobsrv__zalloc(&srv->alloc, sizeof(*console));
  if (console == NULL)
    return UV_ENOMEM;
  err = open_lane(srv, &mine, &console->lane);
  if (err != 0) {
    jobsrv__free(&srv->alloc, console);
    return err;
  }

  console->alloc = srv->alloc;
  console->form = mine.form;
  console->colour = mine.colour;
  jobsrv__buf_init(&console->line, &console->alloc, 0);
  jobsrv_sink_options_init(&how);
  how.level = mine.level;
  err = jobsrv_sink_add(srv, &ops, console, &how, out);
  if (err != 0)
    on_close(console);
  return err;
}
