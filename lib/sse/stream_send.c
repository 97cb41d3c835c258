/* SPDX-License-Identifier: MIT */

#include "sse/stream.h"

#include "base/alloc.h"

#include <string.h>

enum {
  BATCH = 16 * 1024,      /* rendered in one go, one event at least */
  RENDER_KEEP = 256 * 1024
};

int64_t jobsrv__stream_put(jobsrv__stream_t *stream,
                           const void *data,
                           size_t len) {
  int64_t taken = jobsrv__conn_send(stream->conn, data, len);

  if (taken < 0)
    jobsrv__stream_free(stream, JOBSRV__STREAM_CLIENT);
  else
    stream->bytes += (uint64_t) taken;
  return taken;
}

void jobsrv__stream_cut(jobsrv__stream_t *stream) {
  jobsrv__conn_cut(stream->conn);
  jobsrv__stream_free(stream, JOBSRV__STREAM_NO_MEMORY);
}

/* ---- what is the stream's own ---- */

int jobsrv__stream_send_own(jobsrv__stream_t *stream,
                            const char *data,
                            size_t len) {
  jobsrv__span_t wire = jobsrv__span(data, len);
  jobsrv__rest_t *rest;
  int64_t taken;
  size_t left;

  if (jobsrv__stream_pack(stream, stream->is_over, &wire) != 0) {
    jobsrv__stream_cut(stream);
    return 0;
  }
  taken = jobsrv__stream_put(stream, wire.data, wire.len);
  if (taken < 0)
    return 0;
  left = wire.len - (size_t) taken;
  if (left == 0)
    return 1;

  rest = jobsrv__malloc(stream->sse->alloc, sizeof(*rest) + left);
  if (rest == NULL) {
    jobsrv__stream_cut(stream);
    return 0;
  }
  rest->len = (uint32_t) left;
  rest->sent = 0;
  memcpy(rest->bytes, wire.data + taken, left);
  stream->rest = rest;
  return 0;
}

int jobsrv__stream_send_rest(jobsrv__stream_t *stream) {
  jobsrv__rest_t *rest = stream->rest;
  int64_t taken;

  if (rest == NULL)
    return jobsrv__stream_send_piece(stream);
  taken = jobsrv__stream_put(stream, rest->bytes + rest->sent,
                             rest->len - rest->sent);
  if (taken < 0)
    return 0;
  rest->sent += (uint32_t) taken;
  if (rest->sent < rest->len)
    return 0;
  stream->rest = NULL;
  jobsrv__free(stream->sse->alloc, rest);
  return 1;
}

int jobsrv__stream_break(jobsrv__stream_t *stream, jobsrv__stream_end_t why) {
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  char text[JOBSRV__HEARTBEAT_MAX];
  size_t len = jobsrv__frames_break(&frames,
                                    jobsrv__stream_after(stream),
                                    stream->sse->options.retry_ms, text);

  stream->is_over = 1;
  stream->why = (uint8_t) why;
  return jobsrv__stream_send_own(stream, text, len);
}

int jobsrv__stream_close(jobsrv__stream_t *stream, jobsrv__stream_end_t why) {
  static const char last_chunk[] = "0\r\n\r\n";
  int is_bare = stream->gzip != NULL || !stream->chunked;

  stream->is_over = 1;
  stream->why = (uint8_t) why;
  return jobsrv__stream_send_own(stream, last_chunk,
                                 is_bare ? 0 : sizeof(last_chunk) - 1);
}

/* Whoever does not keep up may be told to come back. */
static int breaks_at_gap(const jobsrv__stream_t *stream) {
  return stream->has_read && stream->view.lag == JOBSRV_SSE_LAG_BREAK;
}

static int send_gap(jobsrv__stream_t *stream, const jobsrv_view_t *view) {
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  char *scratch = stream->sse->scratch;
  size_t len;

  if (breaks_at_gap(stream))
    return jobsrv__stream_break(stream, JOBSRV__STREAM_LAGGED);
  len = jobsrv__frame_trimmed(&frames, view->missed_from, view->missed_to,
                              scratch);
  /* first, as a failed send ends the stream */
  jobsrv_cursor_advance(&stream->cursor, 0);
  stream->has_read = 1;
  return jobsrv__stream_send_own(stream, scratch, len);
}

/*
 * The end's bytes are the same each time they are rendered, so a socket that
 * takes a part of them costs no memory.
 */
static void send_end(jobsrv__stream_t *stream) {
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  char *scratch = stream->sse->scratch;
  jobsrv__span_t end = jobsrv__span(scratch,
                                    jobsrv__frames_end(&frames, scratch));
  int64_t taken;

  if (jobsrv__stream_pack(stream, 1, &end) != 0) {
    jobsrv__stream_cut(stream);
    return;
  }
  taken = jobsrv__stream_put(stream, end.data + stream->end_sent,
                             end.len - stream->end_sent);
  if (taken < 0)
    return;
  stream->end_sent += (uint32_t) taken;
  if (stream->end_sent < end.len)
    return;
  jobsrv__conn_finish(stream->conn);
  jobsrv__stream_free(stream, JOBSRV__STREAM_DONE);
}

/* ---- the log as it is ---- */

/* Frames of the log as they are. `*share` is what may still be sent. */
static int send_chunks(jobsrv__stream_t *stream,
                       const jobsrv_view_t *view,
                       size_t *share) {
  size_t len = view->len < *share ? view->len : *share;
  int64_t taken = jobsrv__stream_put(stream, view->data, len);

  if (taken < 0)
    return 0;
  if (taken > 0)
    jobsrv_cursor_advance(&stream->cursor, (size_t) taken);
  *share -= (size_t) taken;
  return (size_t) taken == len;
}

/* One frame of the log without its chunk's head and tail. */
static int send_plain(jobsrv__stream_t *stream,
                      const jobsrv_view_t *view,
                      size_t *share) {
  const char *content = view->data;
  size_t skip = 0;
  int64_t taken;
  size_t len;

  if (stream->left == 0) {
    stream->left = (uint32_t) jobsrv__chunk_len(content);
    skip = JOBSRV_CHUNK_HEAD;
    content += skip;
  }
  len = stream->left < *share ? stream->left : *share;
  taken = jobsrv__stream_put(stream, content, len);
  if (taken < 0)
    return 0;
  stream->left -= (uint32_t) taken;
  if (stream->left == 0)
    skip += JOBSRV_CHUNK_TAIL;
  jobsrv_cursor_advance(&stream->cursor, skip + (size_t) taken);
  *share -= (size_t) taken;
  return (size_t) taken == len;
}

static int send_raw(jobsrv__stream_t *stream, size_t *share) {
  jobsrv_view_t view;

  jobsrv_read_t what = jobsrv_cursor_peek(&stream->cursor, &view);

  switch (what) {
  case JOBSRV_READ_EVENTS:
  case JOBSRV_READ_PROGRESS:
    stream->has_read = 1;
    if (stream->gzip != NULL)
      return jobsrv__stream_send_packed(
          stream, &view, what == JOBSRV_READ_PROGRESS, share);
    return stream->chunked ? send_chunks(stream, &view, share)
                           : send_plain(stream, &view, share);
  case JOBSRV_READ_GAP:
    return send_gap(stream, &view);
  case JOBSRV_READ_END:
    send_end(stream);
    return 0;
  default:
    stream->has_read = 1;
    return 0;
  }
}

/* ---- the log rendered ---- */

/* Renders events for as long as there are some next. */
static void render(jobsrv__stream_t *stream,
                   jobsrv__buf_t *buf,
                   size_t *share) {
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  jobsrv_entry_t entry;
  jobsrv_view_t view;
  jobsrv_read_t what;

  while (*share > 0 && buf->len < BATCH && !buf->failed) {
    what = jobsrv_cursor_peek(&stream->cursor, &view);
    if (what != JOBSRV_READ_EVENTS && what != JOBSRV_READ_PROGRESS)
      return;
    if (jobsrv_cursor_next(&stream->cursor, &entry, &view) != what)
      return;
    stream->has_read = 1;
    *share -= entry.json_len < *share ? entry.json_len : *share;
    if (jobsrv__view_passes(&stream->view, &entry))
      jobsrv__view_put(&stream->view, &frames, &entry, buf);
  }
}

static int send_rendered(jobsrv__stream_t *stream, size_t *share) {
  jobsrv__buf_t *buf = &stream->sse->render;
  size_t before = *share;
  int go_on = 1;

  jobsrv__buf_reset(buf);
  render(stream, buf, share);
  if (buf->failed) {
    jobsrv__stream_cut(stream);
    go_on = 0;
  } else if (buf->len > 0) {
    go_on = jobsrv__stream_send_own(stream, buf->data, buf->len);
  } else if (*share == before) {
    go_on = send_raw(stream, share); /* no event is next */
  }
  if (buf->cap > RENDER_KEEP)
    jobsrv__buf_free(buf);
  return go_on;
}

int jobsrv__stream_send_next(jobsrv__stream_t *stream, size_t *share) {
  if (!jobsrv__stream_may_pack(stream))
    return 0;
  if (stream->many != NULL)
    return jobsrv__many_send(stream, share);
  return jobsrv__view_is_raw(&stream->view) ? send_raw(stream, share)
                                            : send_rendered(stream, share);
}
