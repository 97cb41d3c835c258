/* SPDX-License-Identifier: MIT */

#include "sse/stream.h"

#include "base/alloc.h"
#include "sse/fanout.h"

/* Bytes that a stream may send a turn, so that all together leave the loop
   time to accept, read and look at its timers. */
enum {
  TURN = 8 * 1024 * 1024,
  SHARE_LEAST = 16 * 1024,
  SHARE_MOST = 256 * 1024
};

/* ---- how many watch a job ---- */

static jobsrv__id_t watched_key(const jobsrv_job_t *job) {
  jobsrv__id_t key = { (uint64_t) (uintptr_t) job, 0 };

  return key;
}

uint64_t jobsrv__stream_watchers(const jobsrv_sse_t *sse,
                                 const jobsrv_job_t *job) {
  uint64_t *count = jobsrv__map_get(&sse->streams_by_job, watched_key(job));

  return count != NULL ? *count : 0;
}

int jobsrv__watchers_add(jobsrv_sse_t *sse, const jobsrv_job_t *job) {
  uint64_t *count = jobsrv__map_get(&sse->streams_by_job, watched_key(job));

  if (count == NULL)
    return jobsrv__map_put(&sse->streams_by_job, watched_key(job), 1);
  (*count)++;
  return 0;
}

void jobsrv__watchers_remove(jobsrv_sse_t *sse, const jobsrv_job_t *job) {
  uint64_t *count = jobsrv__map_get(&sse->streams_by_job, watched_key(job));

  if (count != NULL && --*count == 0)
    (void) jobsrv__map_del(&sse->streams_by_job, watched_key(job));
}

/* ---- life ---- */

jobsrv__frames_t jobsrv__stream_frames(const jobsrv__stream_t *stream) {
  jobsrv__frames_t frames = {
    .srv = stream->sse->srv,
    .job = stream->cursor.data,
    .prefix = stream->sse->prefix,
    .chunked = stream->chunked && stream->gzip == NULL,
    .form = (jobsrv__form_t) stream->view.form,
    .is_global = stream->many != NULL,
  };

  return frames;
}

/* What an unwatched job comes to may call the host, and so close us. */
void jobsrv__streams_leave(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;
  jobsrv_job_t *job;
  jobsrv__stream_t *stream;

  while ((link = jobsrv__queue_pop(&sse->leaving)) != NULL) {
    stream = JOBSRV__CONTAINER(link, jobsrv__stream_t, link);
    job = stream->cursor.data;
    if (stream->many != NULL)
      jobsrv__many_free(sse->alloc, stream->many, 1);
    jobsrv__free(sse->alloc, stream);
    if (job == NULL)
      continue;
    jobsrv_job_unwatch(job);
    jobsrv_job_unref(job);
  }
}

static void on_leave_turn(jobsrv_turn_t *turn) {
  jobsrv__streams_leave(JOBSRV__CONTAINER(turn, jobsrv_sse_t, leave_turn));
}

/* Its job is told in a turn of its own: who calls may be anywhere. */
void jobsrv__stream_free(jobsrv__stream_t *stream, jobsrv__stream_end_t why) {
  jobsrv_sse_t *sse = stream->sse;

  stream->is_gone = 1;
  if (stream->watches)
    jobsrv__access_stream_end(sse, stream->cursor.data, why,
                              stream->opened_ns, stream->bytes);
  jobsrv_turn_cancel(&stream->turn);
  if (stream->many != NULL)
    jobsrv__many_detach(sse, stream->many);
  else
    jobsrv__watchers_remove(sse, stream->cursor.data);
  jobsrv_cursor_detach(&stream->cursor);
  jobsrv__queue_remove(&stream->link);
  jobsrv__free(sse->alloc, stream->rest);
  jobsrv__gzip_drop(sse->packer, stream->gzip);
  sse->stats.streams--;
  if (stream->watches) {
    jobsrv__queue_push_back(&sse->leaving, &stream->link);
    jobsrv_turn_ask(sse->srv, &sse->leave_turn, on_leave_turn);
  } else {
    if (stream->many != NULL)
      jobsrv__many_free(sse->alloc, stream->many, 0);
    jobsrv__free(sse->alloc, stream);
  }
}

uint64_t jobsrv__stream_after(const jobsrv__stream_t *stream) {
  return stream->many != NULL ? jobsrv__many_after(stream->many)
                              : jobsrv_cursor_seq(&stream->cursor);
}

/* ---- reading ---- */

static void on_turn(jobsrv_turn_t *turn);

/* Known only when something is sent or would be: no stream needs a timer. */
static int is_old(const jobsrv__stream_t *stream) {
  uint64_t ms = stream->sse->options.max_stream_ms;

  return ms > 0 && jobsrv_now(stream->sse->srv) - stream->opened_ns >=
                       ms * UINT64_C(1000000);
}

size_t jobsrv__stream_share(size_t streams) {
  size_t share = TURN / streams;

  if (share > SHARE_MOST)
    return SHARE_MOST;
  return share < SHARE_LEAST ? SHARE_LEAST : share;
}

static void pump(jobsrv__stream_t *stream) {
  size_t share = jobsrv__stream_share(stream->sse->stats.streams);
  int go_on;

  if (stream->may_go && !stream->is_over && stream->end_sent == 0 &&
      jobsrv__fanout_lend(stream))
    return;
  go_on = jobsrv__stream_send_rest(stream);

  while (go_on) {
    if (stream->is_over) {
      jobsrv__conn_finish(stream->conn);
      jobsrv__stream_free(stream, (jobsrv__stream_end_t) stream->why);
      return;
    }
    if (is_old(stream) && stream->end_sent == 0 &&
        !jobsrv_cursor_inside(&stream->cursor)) {
      go_on = jobsrv__stream_break(stream, JOBSRV__STREAM_ROTATED);
      continue;
    }
    if (share == 0) {
      jobsrv_turn_ask(stream->sse->srv, &stream->turn, on_turn);
      return;
    }
    go_on = jobsrv__stream_send_next(stream, &share);
  }
}

static void on_turn(jobsrv_turn_t *turn) {
  jobsrv__stream_t *stream = JOBSRV__CONTAINER(turn, jobsrv__stream_t, turn);

  jobsrv__stream_go_on(stream);
}

static void on_notify(jobsrv_cursor_t *cursor) {
  jobsrv__stream_told(JOBSRV__CONTAINER(cursor, jobsrv__stream_t, cursor));
}

void jobsrv__stream_ask(jobsrv__stream_t *stream) {
  jobsrv_turn_ask(stream->sse->srv, &stream->turn, on_turn);
}

/* A hook that closes the server has it told even before its head is sent. */
void jobsrv__stream_told(jobsrv__stream_t *stream) {
  if (stream->watches)
    jobsrv__stream_go_on(stream);
}

void jobsrv__stream_go_on(jobsrv__stream_t *stream) {
  if (!jobsrv__conn_blocked(stream->conn))
    pump(stream);
}

void jobsrv__stream_returned(jobsrv__stream_t *stream,
                             uint64_t last_write_ns,
                             uint64_t stalls_ns) {
  jobsrv_cursor_return(&stream->cursor, on_notify);
  jobsrv__conn_return(stream->conn, last_write_ns, stalls_ns);
}

static void on_writable(void *data) {
  pump(data);
}

/* Who is not sent everything is told how far it has come. */
static int leaves_out(const jobsrv__stream_t *stream) {
  return stream->view.level > JOBSRV_TRACE ||
         (stream->many != NULL && (stream->view.form == JOBSRV__FORM_NDJSON ||
                                   jobsrv__many_is_all(stream->many)));
}

static void on_idle(void *data) {
  jobsrv__stream_t *stream = data;
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  uint64_t after = jobsrv__stream_after(stream);
  char text[JOBSRV__HEARTBEAT_MAX];
  size_t len;

  /* the turn ended inside a frame of the log; its rest is a sign of life */
  if (jobsrv_cursor_inside(&stream->cursor))
    return;
  if (is_old(stream)) {
    pump(stream);
    return;
  }
  len = jobsrv__frame_heartbeat(
      &frames, leaves_out(stream) ? &after : NULL, text);
  (void) jobsrv__stream_send_own(stream, text, len);
}

static void on_gone(void *data) {
  jobsrv__stream_t *stream = data;

  jobsrv__stream_free(stream, jobsrv__conn_has_stalled(stream->conn)
                                  ? JOBSRV__STREAM_STALLED
                                  : stream->sse->is_closing
                                        ? JOBSRV__STREAM_CLOSED
                                        : JOBSRV__STREAM_CLIENT);
}

static const jobsrv__stream_ops_t ops = {
  .writable = on_writable,
  .idle = on_idle,
  .gone = on_gone,
};

int jobsrv__stream_begin(jobsrv__stream_t *stream,
                         jobsrv__request_t *request,
                         const jobsrv__header_t *headers,
                         size_t n,
                         size_t len) {
  jobsrv_sse_t *sse = stream->sse;
  jobsrv__span_t first = jobsrv__span(sse->scratch, len);
  int err = jobsrv__stream_pack(stream, 0, &first);

  if (err == 0)
    err = jobsrv__conn_stream(request, headers, n, first.data, first.len, &ops,
                              stream);
  if (err != 0) {
    jobsrv__stream_free(stream, JOBSRV__STREAM_CLIENT);
    if (err == UV_ENOMEM)
      jobsrv__refuse_no_memory(request);
    return 0;
  }
  sse->stats.streams_opened++;
  stream->opened_ns = jobsrv_now(sse->srv);
  stream->bytes = first.len;
  stream->watches = 1;
  stream->may_go = jobsrv__fanout_wants(stream) != 0;
  if (stream->may_go) /* even when there is nothing to send */
    jobsrv__stream_ask(stream);
  return 1;
}

/* No job is left that could keep a stream of all of them. */
void jobsrv__streams_finish(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link = jobsrv__queue_front(&sse->streams);

  for (; link != NULL; link = jobsrv__queue_next(&sse->streams, link)) {
    jobsrv__stream_t *stream = JOBSRV__CONTAINER(link, jobsrv__stream_t, link);

    if (stream->many != NULL && jobsrv__many_is_all(stream->many))
      jobsrv__stream_ask(stream);
  }
}

/* ---- making one ---- */

/* What is asked for less often is not a part of each. */
static jobsrv__stream_t *alloc_stream(const jobsrv_sse_t *sse,
                                      const jobsrv__view_t *view) {
  int is_gzip = view->coding == JOBSRV__CODING_GZIP;
  jobsrv__stream_t *stream =
      jobsrv__zalloc(sse->alloc, sizeof(*stream) +
                                     (is_gzip ? sizeof(jobsrv__gzip_t) : 0));

  if (stream != NULL && is_gzip)
    stream->gzip = (jobsrv__gzip_t *) (void *) (stream + 1);
  return stream;
}

static void take_in(jobsrv__stream_t *stream,
                    jobsrv__request_t *request,
                    const jobsrv__view_t *view) {
  stream->sse = request->sse;
  stream->conn = request->conn;
  stream->view = *view;
  stream->chunked = request->minor == 1;
  jobsrv__queue_push_back(&request->sse->streams, &stream->link);
  request->sse->stats.streams++;
}

int jobsrv__stream_new(jobsrv__stream_t **out,
                       jobsrv__request_t *request,
                       jobsrv_job_t *job,
                       const jobsrv__view_t *view,
                       uint64_t after) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__stream_t *stream = alloc_stream(sse, view);
  char id[JOBSRV_ID_SIZE];
  int err;

  if (stream == NULL)
    return UV_ENOMEM;
  err = jobsrv__watchers_add(sse, job);
  if (err != 0) {
    jobsrv__free(sse->alloc, stream);
    return err;
  }
  err = jobsrv_cursor_attach(&stream->cursor, job, after, on_notify);
  if (err != 0) {
    jobsrv__watchers_remove(sse, job);
    jobsrv__free(sse->alloc, stream);
    return err;
  }
  stream->cursor.data = job;
  if (stream->gzip != NULL)
    (void) jobsrv__id_parse(jobsrv_job_id(job, id), JOBSRV__ID_LEN,
                            &stream->gzip->job);
  take_in(stream, request, view);
  *out = stream;
  return 0;
}

int jobsrv__stream_new_of_many(jobsrv__stream_t **out,
                               jobsrv__request_t *request,
                               jobsrv__many_t *many,
                               const jobsrv__view_t *view) {
  jobsrv__stream_t *stream = alloc_stream(request->sse, view);

  if (stream == NULL)
    return UV_ENOMEM;
  stream->many = many;
  take_in(stream, request, view);
  *out = stream;
  return 0;
}
