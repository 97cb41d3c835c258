/* SPDX-License-Identifier: MIT */

#include "narration/sinks/kept.h"

#include "base/alloc.h"
#include "narration/sink.h"

#include <uv.h>

enum { MAX_QUEUE = 4 * 1024 * 1024 };

struct jobsrv__kept_s {
  jobsrv_alloc_t alloc;
  jobsrv__kept_options_t options;
  jobsrv__lane_t *lane;
  jobsrv__buf_t record;
  jobsrv_sink_t *sink;
};

/* Of all events of a job only its progress has one: the hash of its id. */
static uint64_t key_of(const jobsrv_event_t *event) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);

  if (event->kind != JOBSRV_KIND_PROGRESS || event->job_id == NULL)
    return 0;
  for (const char *p = event->job_id; *p != '\0'; p++)
    hash = (hash ^ (unsigned char) *p) * UINT64_C(0x100000001b3);
  return hash | 1;
}

static void on_event(void *self, const jobsrv_event_t *event) {
  jobsrv__kept_t *kept = self;
  jobsrv__buf_t *buf = &kept->record;

  jobsrv__buf_reset(buf);
  if (event->json == NULL)
    buf->failed = UV_ENOMEM;
  else
    kept->options.encode(kept->options.format, buf, event);
  if (buf->failed == 0)
    jobsrv__lane_put(kept->lane, buf->data, buf->len, key_of(event),
                     event->wall_ns);
  else
    jobsrv__lane_drop(kept->lane, event->wall_ns);
}

static void free_format(const jobsrv__kept_options_t *options,
                        const jobsrv_alloc_t *alloc) {
  if (options->free_format != NULL)
    options->free_format(options->format, alloc);
}

static void on_close(void *self) {
  jobsrv__kept_t *kept = self;
  jobsrv_alloc_t alloc = kept->alloc;

  jobsrv__lane_close(kept->lane);
  jobsrv__buf_free(&kept->record);
  free_format(&kept->options, &alloc);
  jobsrv__free(&alloc, kept);
}

static uint64_t dropped(const void *self) {
  return jobsrv__lane_dropped(((const jobsrv__kept_t *) self)->lane);
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
  .dropped = dropped,
};

static void on_trouble(void *arg, int err, uint64_t lost) {
  jobsrv__kept_t *kept = arg;

  if (kept->options.on_trouble != NULL)
    kept->options.on_trouble(kept->sink, err, lost, kept->options.data);
}

int jobsrv__kept_check(const jobsrv_t *srv, jobsrv_overflow_t overflow) {
  if ((unsigned int) overflow > JOBSRV_OVERFLOW_COALESCE_PROGRESS)
    return UV_EINVAL;
  if (srv->narration == NULL || srv->phase == JOBSRV__CLOSING)
    return JOBSRV_ECLOSED;
  return 0;
}

static int open_lane(jobsrv__kept_t *kept,
                     jobsrv_t *srv,
                     jobsrv__outlet_t *outlet) {
  jobsrv__lane_options_t options = {
    .max = kept->options.max_queue != 0 ? kept->options.max_queue : MAX_QUEUE,
    .overflow = kept->options.overflow,
    .trouble = on_trouble,
    .arg = kept,
  };

  return jobsrv__narration_lane(srv, outlet, &options, &kept->lane);
}

int jobsrv__kept_add(jobsrv_t *srv,
                     jobsrv__outlet_t *outlet,
                     const jobsrv__kept_options_t *options,
                     jobsrv_sink_t **out) {
  jobsrv__kept_t *kept = jobsrv__zalloc(&srv->alloc, sizeof(*kept));
  int err;

  if (kept == NULL) {
    outlet->ops->close(outlet);
    free_format(options, &srv->alloc);
    return UV_ENOMEM;
  }
  kept->alloc = srv->alloc;
  kept->options = *options;
  jobsrv__buf_init(&kept->record, &kept->alloc, 0);
  err = open_lane(kept, srv, outlet);
  if (err != 0) {
    free_format(options, &srv->alloc);
    jobsrv__free(&srv->alloc, kept);
    return err;
  }
  err = jobsrv_sink_add(srv, &ops, kept, options->sink, &kept->sink);
  if (err != 0)
    on_close(kept);
  else if (out != NULL)
    *out = kept->sink;
  return err;
}

jobsrv__lane_t *jobsrv__kept_lane(jobsrv_sink_t *sink,
                                  void (*encode)(void *format,
                                                 jobsrv__buf_t *buf,
                                                 const jobsrv_event_t *event)) {
  jobsrv__kept_t *kept = sink->self;

  return sink->ops.event == on_event && kept->options.encode == encode
             ? kept->lane
             : NULL;
}
