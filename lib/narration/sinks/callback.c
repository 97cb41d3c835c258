/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "narration/narration.h"

#include <uv.h>

typedef struct callback_s {
  jobsrv_alloc_t alloc;
  jobsrv_event_cb cb;
  void *data;
} callback_t;

static void on_event(void *self, const jobsrv_event_t *event) {
  const callback_t *callback = self;

  callback->cb(event, callback->data);
}

static void on_close(void *self) {
  jobsrv_alloc_t alloc = ((callback_t *) self)->alloc;

  jobsrv__free(&alloc, self);
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
};

int jobsrv_callback_add(jobsrv_t *srv,
                        jobsrv_event_cb cb,
                        void *data,
                        const jobsrv_sink_options_t *options,
                        jobsrv_sink_t **out) {
  callback_t *callback;
  int err;

  JOBSRV__ASSERT_LOOP(srv);
  if (cb == NULL)
    return UV_EINVAL;
  callback = jobsrv__malloc(&srv->alloc, sizeof(*callback));
  if (callback == NULL)
    return UV_ENOMEM;
  callback->alloc = srv->alloc;
  callback->cb = cb;
  callback->data = data;
  err = jobsrv_sink_add(srv, &ops, callback, options, out);
  if (err != 0)
    jobsrv__free(&srv->alloc, callback);
  return err;
}
