/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/options.h"
#include "jobsrv/console.h"
#include "narration/layout.h"
#include "narration/narration.h"
#include "narration/writer.h"

#include <uv.h>

enum { MAX_BYTES = 1024 * 1024, OUT = 2 };

typedef struct console_s {
  jobsrv_alloc_t alloc;
  jobsrv__lane_t *lane;
  jobsrv__buf_t line;
  jobsrv__layout_t layout;
} console_t;

/* Of the progress of a job, the newest stands for all that wait. */
static uint64_t key_of(const jobsrv_event_t *event) {
  return event->kind == JOBSRV_KIND_PROGRESS ? event->job->id.lo | 1 : 0;
}

static void on_event(void *self, const jobsrv_event_t *event) {
  console_t *console = self;
  jobsrv__buf_t *buf = &console->line;

  jobsrv__buf_reset(buf);
  if (jobsrv__layout_put(&console->layout, buf, event) == 0)
    jobsrv__lane_put(console->lane, buf->data, buf->len, key_of(event),
                     event->wall_ns);
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
                         const jobsrv_console_options_t *options,
                         jobsrv_sink_options_t *how) {
  jobsrv_console_options_init(mine);
  jobsrv_sink_options_init(how);
  if (options != NULL &&
      jobsrv__options_read(mine, sizeof(*mine),
                           offsetof(jobsrv_console_options_t, voice),
                           options) != 0)
    return UV_EINVAL;
  if (mine->sink != NULL &&
      jobsrv__options_read(how, sizeof(*how),
                           offsetof(jobsrv_sink_options_t, progress),
                           mine->sink) != 0)
    return UV_EINVAL;
  how->size = sizeof(*how); /* this copy's */
  if (mine->level != 0)
    how->level = mine->level;
  if (mine->fd == 0)
    mine->fd = OUT;
  if (mine->max_bytes == 0)
    mine->max_bytes = MAX_BYTES;
  if (mine->fd < 0 || (unsigned int) mine->form > JOBSRV_CONSOLE_MESSAGE ||
      (unsigned int) mine->voice > JOBSRV_VOICE_STORY ||
      (unsigned int) mine->overflow > JOBSRV_OVERFLOW_COALESCE_PROGRESS)
    return UV_EINVAL;
  return 0;
}

static const char *notice_of(jobsrv_console_form_t form) {
  if (form == JOBSRV_CONSOLE_JSON)
    return "{\"type\":\"dropped\",\"count\":%llu}\n";
  if (form == JOBSRV_CONSOLE_LOGFMT)
    return "type=dropped count=%llu\n";
  return "... dropped %llu events\n";
}

static int open_lane(jobsrv_t *srv,
                     const jobsrv_console_options_t *options,
                     jobsrv__lane_t **out) {
  jobsrv__lane_options_t how = { .max = options->max_bytes,
                                 .overflow = options->overflow };
  jobsrv__outlet_t *outlet;
  int err = jobsrv__descriptor_outlet(&outlet, &srv->alloc, options->fd,
                                      notice_of(options->form));

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
  int err = options_check(&mine, options, &how);

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
  console->layout.form = mine.form;
  console->layout.voice = mine.voice;
  console->layout.colour = mine.colour;
  console->layout.fields = mine.fields;
  jobsrv__buf_init(&console->line, &console->alloc, 0);
  err = jobsrv_sink_add(srv, &ops, console, &how, out);
  if (err != 0)
    on_close(console);
  return err;
}
