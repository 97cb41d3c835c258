/* SPDX-License-Identifier: MIT */

#include "sse/fanout.h"

#include "base/alloc.h"

#include <string.h>

/*
 * As stream_send.c for a stream of one job whose log is sent as it lies there.
 * Each returns 1 to go on; 0 to wait for the socket, or when it has gone home.
 */

enum { GAP_MAX = 2048 };

#define MS UINT64_C(1000000)

static const jobsrv_sse_options_t *options_of(const jobsrv__lent_t *lent) {
  return &lent->fanout->sse->options;
}

static uint64_t relaxed(const _Atomic uint64_t *value) {
  return atomic_load_explicit(value, memory_order_relaxed);
}

static void set(_Atomic uint64_t *value, uint64_t to) {
  atomic_store_explicit(value, to, memory_order_relaxed);
}

/* ---- one send ---- */

static void wait_for_room(jobsrv__lent_t *lent) {
  lent->is_blocked = 1;
  jobsrv__fanout_deadline(lent, lent->fanout->now_ns +
                                    options_of(lent)->write_stall_ms * MS);
  jobsrv__fanout_watch(lent);
}

static void wait_for_idle(jobsrv__lent_t *lent) {
  jobsrv__fanout_deadline(lent, lent->last_write_ns +
                                    options_of(lent)->heartbeat_ms * MS);
}

/* Bytes taken; after a negative code it has gone home. */
static int64_t put(jobsrv__lent_t *lent, const void *data, size_t len) {
  jobsrv__fanout_t *fanout = lent->fanout;
  int64_t taken = jobsrv__socket_send(lent->fd, data, len);

  if (taken < 0) {
    jobsrv__fanout_home(lent, JOBSRV__HOME_CLIENT);
    return taken;
  }
  if (taken > 0) {
    lent->last_write_ns = fanout->now_ns;
    set(&lent->bytes, relaxed(&lent->bytes) + (uint64_t) taken);
    set(&fanout->sent, relaxed(&fanout->sent) + (uint64_t) taken);
  }
  if ((size_t) taken < len)
    wait_for_room(lent);
  else
    wait_for_idle(lent);
  return taken;
}

/* What cannot be had again: all of it. */
static int send_own(jobsrv__lent_t *lent, const char *data, size_t len) {
  int64_t taken = put(lent, data, len);
  jobsrv__rest_t *rest;
  size_t left;

  if (taken < 0)
    return 0;
  left = len - (size_t) taken;
  if (left == 0)
    return 1;
  rest = jobsrv__malloc(lent->fanout->sse->alloc, sizeof(*rest) + left);
  if (rest == NULL) {
    jobsrv__fanout_home(lent, JOBSRV__HOME_NO_MEMORY);
    return 0;
  }
  rest->len = (uint32_t) left;
  rest->sent = 0;
  memcpy(rest->bytes, data + taken, left);
  lent->stream->rest = rest;
  return 0;
}

static int send_rest(jobsrv__lent_t *lent) {
  jobsrv__rest_t *rest = lent->stream->rest;
  int64_t taken;

  if (rest == NULL)
    return 1;
  taken = put(lent, rest->bytes + rest->sent, rest->len - rest->sent);
  if (taken < 0)
    return 0;
  rest->sent += (uint32_t) taken;
  if (rest->sent < rest->len)
    return 0;
  lent->stream->rest = NULL;
  jobsrv__free(lent->fanout->sse->alloc, rest);
  return 1;
}

/* ---- the log ---- */

static int send_gap(jobsrv__lent_t *lent, const jobsrv_view_t *view) {
  jobsrv__stream_t *stream = lent->stream;
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  char text[GAP_MAX];
  size_t len;

  if (stream->has_read && stream->view.lag == JOBSRV_SSE_LAG_BREAK) {
    jobsrv__fanout_home(lent, JOBSRV__HOME_GO_ON);
    return 0;
  }
  len = jobsrv__frame_trimmed(&frames, view->missed_from, view->missed_to,
                              text);
  jobsrv_cursor_advance(&stream->cursor, 0);
  stream->has_read = 1;
  return send_own(lent, text, len);
}

static int send_chunks(jobsrv__lent_t *lent,
                       const jobsrv_view_t *view,
                       size_t *share) {
  size_t len = view->len < *share ? view->len : *share;
  int64_t taken = put(lent, view->data, len);

  if (taken < 0)
    return 0;
  if (taken > 0)
    jobsrv_cursor_advance(&lent->stream->cursor, (size_t) taken);
  *share -= (size_t) taken;
  return (size_t) taken == len;
}

static int send_next(jobsrv__lent_t *lent, size_t *share) {
  jobsrv__stream_t *stream = lent->stream;
  jobsrv_view_t view;

  switch (jobsrv_cursor_peek(&stream->cursor, &view)) {
  case JOBSRV_READ_EVENTS:
  case JOBSRV_READ_PROGRESS:
    stream->has_read = 1;
    return send_chunks(lent, &view, share);
  case JOBSRV_READ_GAP:
    return send_gap(lent, &view);
  case JOBSRV_READ_END: /* it is told from the record */
    jobsrv__fanout_home(lent, JOBSRV__HOME_GO_ON);
    return 0;
  default:
    stream->has_read = 1;
    return 0;
  }
}

/* Then it breaks off, at home. */
static int is_old(const jobsrv__lent_t *lent) {
  uint64_t ms = options_of(lent)->max_stream_ms;

  return ms > 0 && lent->fanout->now_ns >= lent->stream->opened_ns + ms * MS &&
         !jobsrv_cursor_inside(&lent->stream->cursor);
}

void jobsrv__fanout_pump(jobsrv__lent_t *lent) {
  size_t share = jobsrv__stream_share(lent->fanout->streams);
  int go_on = send_rest(lent);

  while (go_on) {
    if (is_old(lent)) {
      jobsrv__fanout_home(lent, JOBSRV__HOME_GO_ON);
      return;
    }
    if (share == 0) {
      jobsrv__fanout_again(lent);
      break;
    }
    go_on = send_next(lent, &share);
  }
  if (!lent->is_leaving)
    set(&lent->seq, jobsrv_cursor_seq(&lent->stream->cursor));
}

/* ---- waiting ---- */

void jobsrv__fanout_writable(jobsrv__lent_t *lent) {
  if (!lent->is_blocked)
    return;
  lent->is_blocked = 0;
  lent->last_write_ns = lent->fanout->now_ns;
  wait_for_idle(lent);
  jobsrv__fanout_pump(lent);
}

void jobsrv__fanout_timeout(jobsrv__lent_t *lent) {
  jobsrv__frames_t frames;
  char text[JOBSRV__HEARTBEAT_MAX];

  if (lent->is_blocked) {
    jobsrv__fanout_home(lent, JOBSRV__HOME_STALLED);
    return;
  }
  jobsrv__fanout_deadline(lent, lent->fanout->now_ns +
                                    options_of(lent)->heartbeat_ms * MS);
  if (jobsrv_cursor_inside(&lent->stream->cursor))
    return;
  if (is_old(lent)) {
    jobsrv__fanout_home(lent, JOBSRV__HOME_GO_ON);
    return;
  }
  frames = jobsrv__stream_frames(lent->stream);
  (void) send_own(lent, text, jobsrv__frame_heartbeat(&frames, NULL, text));
}
