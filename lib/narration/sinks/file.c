/* SPDX-License-Identifier: MIT */

#include "base/options.h"
#include "narration/sink.h"
#include "narration/sinks/kept.h"

#include <uv.h>

enum { MODE = 0640, KEEP = 5 };

static void encode(void *format,
                   jobsrv__buf_t *buf,
                   const jobsrv_event_t *event) {
  (void) format;
  (void) jobsrv__buf_append(buf, event->json, event->json_len);
  (void) jobsrv__buf_putc(buf, '\n');
}

static int options_read(jobsrv_file_options_t *mine,
                        const jobsrv_file_options_t *options) {
  if (options == NULL ||
      jobsrv__options_read(mine, sizeof(*mine), sizeof(*mine), options) != 0 ||
      mine->path == NULL || mine->path[0] == '\0' || mine->mode > 07777)
    return UV_EINVAL;
  if (mine->mode == 0)
    mine->mode = MODE;
  if (mine->keep == 0)
    mine->keep = KEEP;
  return 0;
}

int jobsrv_file_add(jobsrv_t *srv,
                    const jobsrv_file_options_t *options,
                    jobsrv_sink_t **out) {
  jobsrv_file_options_t mine;
  jobsrv__kept_options_t how;
  jobsrv__outlet_t *outlet;
  int err = options_read(&mine, options);

  JOBSRV__ASSERT_LOOP(srv);
  if (err == 0)
    err = jobsrv__kept_check(srv, mine.overflow);
  if (err == 0)
    err = jobsrv__file_outlet(&outlet, &srv->alloc, mine.path, mine.mode,
                              mine.max_bytes, mine.keep);
  if (err != 0)
    return err;
  how = (jobsrv__kept_options_t) {
    .encode = encode,
    .sink = mine.sink,
    .overflow = mine.overflow,
    .max_queue = mine.max_queue,
    .on_trouble = mine.on_trouble,
    .data = mine.data,
  };
  return jobsrv__kept_add(srv, outlet, &how, out);
}

int jobsrv_file_reopen(jobsrv_sink_t *sink) {
  jobsrv__lane_t *lane;

  JOBSRV__ASSERT_LOOP(sink->narration->logs.srv);
  lane = jobsrv__kept_lane(sink, encode);
  if (lane == NULL)
    return UV_EINVAL;
  jobsrv__lane_poke(lane);
  return 0;
}
