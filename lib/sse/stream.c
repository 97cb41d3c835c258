/* SPDX-License-Identifier: MIT */

#include "sse/access.h"
#include "sse/api.h"
#include "sse/authorise.h"
#include "sse/frames.h"

#include "base/alloc.h"

#include <string.h>

/*
 * GET P/jobs/{id}/stream: one watcher, a cursor on a job's log and a
 * connection. It sends what the log holds as it lies there, and between that,
 * never inside a frame of it, its own frames: opening, gap, heartbeat, end.
 *
 * It reads until there is nothing left (then the cursor tells it), until the
 * socket is full (then the connection does), or until it has had its share of
 * the turn (then it asks for another).
 */

enum {
  SHARE = 256 * 1024, /* bytes a turn */
  CURSOR_SIZE = 129
};

/* What the socket did not take of a frame that cannot be had again. */
typedef struct {
  uint32_t len;
  uint32_t sent;
  char bytes[];
} rest_t;

typedef struct {
  jobsrv_cursor_t cursor; /* its `data` is the job */
  jobsrv_sse_t *sse;
  jobsrv__conn_t *conn;
  jobsrv__queue_t link;   /* in sse->streams */
  jobsrv_turn_t turn;
  rest_t *rest;           /* NULL: none */
  uint64_t opened_ns;
  uint64_t bytes;         /* sent, HTTP's head left out */
  uint32_t left;          /* HTTP/1.0: of the begun frame's content */
  uint32_t end_sent;      /* of the end's bytes, which can be had again */
  uint8_t chunked;
  uint8_t watches;        /* the job knows of it, and is referenced */
} stream_t;

/* ---- how many watch a job ---- */

static jobsrv__id_t watched_key(const jobsrv_job_t *job) {
  jobsrv__id_t key = { (uint64_t) (uintptr_t) job, 0 };

  return key;
}

static uint64_t watchers(const jobsrv_sse_t *sse, const jobsrv_job_t *job) {
  uint64_t *count = jobsrv__map_get(&sse->streams_by_job, watched_key(job));

  return count != NULL ? *count : 0;
}

static int watchers_add(jobsrv_sse_t *sse, const jobsrv_job_t *job) {
  uint64_t *count = jobsrv__map_get(&sse->streams_by_job, watched_key(job));

  if (count == NULL)
    return jobsrv__map_put(&sse->streams_by_job, watched_key(job), 1);
  (*count)++;
  return 0;
}

static void watchers_remove(jobsrv_sse_t *sse, const jobsrv_job_t *job) {
  uint64_t *count = jobsrv__map_get(&sse->streams_by_job, watched_key(job));

  if (count != NULL && --*count == 0)
    (void) jobsrv__map_del(&sse->streams_by_job, watched_key(job));
}

/* ---- life ---- */

static jobsrv__frames_t frames_of(const stream_t *stream) {
  jobsrv__frames_t frames = {
    .srv = stream->sse->srv,
    .job = stream->cursor.data,
    .prefix = stream->sse->prefix,
    .chunked = stream->chunked,
  };

  return frames;
}

/* What an unwatched job comes to may call the host, and so close us. */
void jobsrv__streams_leave(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;
  jobsrv_job_t *job;
  stream_t *stream;

  while ((link = jobsrv__queue_pop(&sse->leaving)) != NULL) {
    stream = JOBSRV__CONTAINER(link, stream_t, link);
    job = stream->cursor.data;
    jobsrv__free(sse->alloc, stream);
    jobsrv_job_unwatch(job);
    jobsrv_job_unref(job);
  }
}

static void on_leave_turn(jobsrv_turn_t *turn) {
  jobsrv__streams_leave(JOBSRV__CONTAINER(turn, jobsrv_sse_t, leave_turn));
}

/*
 * The connection does not know the stream any more. Its job is told in a turn
 * of its own: who calls may be anywhere.
 */
static void stream_free(stream_t *stream, jobsrv__stream_end_t why) {
  jobsrv_sse_t *sse = stream->sse;

  if (stream->watches)
    jobsrv__access_stream_end(sse, stream->cursor.data, why,
                              stream->opened_ns, stream->bytes);
  jobsrv_turn_cancel(&stream->turn);
  watchers_remove(sse, stream->cursor.data);
  jobsrv_cursor_detach(&stream->cursor);
  jobsrv__queue_remove(&stream->link);
  jobsrv__free(sse->alloc, stream->rest);
  sse->stats.streams--;
  if (stream->watches) {
    jobsrv__queue_push_back(&sse->leaving, &stream->link);
    jobsrv_turn_ask(sse->srv, &sse->leave_turn, on_leave_turn);
  } else {
    jobsrv__free(sse->alloc, stream);
  }
}

static void stream_cut(stream_t *stream) {
  jobsrv__conn_cut(stream->conn);
  stream_free(stream, JOBSRV__STREAM_NO_MEMORY);
}

/* ---- sending; 1: go on, 0: wait for the socket or gone ---- */

/* Returns as jobsrv__conn_send(); after a negative code the stream is gone. */
static int64_t put(stream_t *stream, const void *data, size_t len) {
  int64_t taken = jobsrv__conn_send(stream->conn, data, len);

  if (taken < 0)
    stream_free(stream, JOBSRV__STREAM_CLIENT);
  else
    stream->bytes += (uint64_t) taken;
  return taken;
}

/* All of a frame that cannot be had again. */
static int send_own(stream_t *stream, const char *data, size_t len) {
  int64_t taken = put(stream, data, len);
  size_t left;

  if (taken < 0)
    return 0;
  left = len - (size_t) taken;
  if (left == 0)
    return 1;

  stream->rest =
      jobsrv__malloc(stream->sse->alloc, sizeof(*stream->rest) + left);
  if (stream->rest == NULL) {
    stream_cut(stream);
    return 0;
  }
  stream->rest->len = (uint32_t) left;
  stream->rest->sent = 0;
  memcpy(stream->rest->bytes, data + taken, left);
  return 0;
}

static int send_rest(stream_t *stream) {
  rest_t *rest = stream->rest;
  int64_t taken;

  if (rest == NULL)
    return 1;
  taken = put(stream, rest->bytes + rest->sent, rest->len - rest->sent);
  if (taken < 0)
    return 0;
  rest->sent += (uint32_t) taken;
  if (rest->sent < rest->len)
    return 0;
  stream->rest = NULL;
  jobsrv__free(stream->sse->alloc, rest);
  return 1;
}

/* Frames of the log as they are. `*share` is what may still be sent. */
static int send_chunks(stream_t *stream,
                       const jobsrv_view_t *view,
                       size_t *share) {
  size_t len = view->len < *share ? view->len : *share;
  int64_t taken = put(stream, view->data, len);

  if (taken < 0)
    return 0;
  if (taken > 0)
    jobsrv_cursor_advance(&stream->cursor, (size_t) taken);
  *share -= (size_t) taken;
  return (size_t) taken == len;
}

static uint32_t chunk_size(const char *head) {
  uint32_t size = 0;

  for (int i = 0; i < JOBSRV_CHUNK_HEAD - 2; i++) {
    char c = head[i];

    size = size << 4 | (uint32_t) (c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return size;
}

/* One frame of the log without its chunk's head and tail. */
static int send_plain(stream_t *stream,
                      const jobsrv_view_t *view,
                      size_t *share) {
  const char *content = view->data;
  size_t skip = 0;
  int64_t taken;
  size_t len;

  if (stream->left == 0) {
    stream->left = chunk_size(content);
    skip = JOBSRV_CHUNK_HEAD;
    content += skip;
  }
  len = stream->left < *share ? stream->left : *share;
  taken = put(stream, content, len);
  if (taken < 0)
    return 0;
  stream->left -= (uint32_t) taken;
  if (stream->left == 0)
    skip += JOBSRV_CHUNK_TAIL;
  jobsrv_cursor_advance(&stream->cursor, skip + (size_t) taken);
  *share -= (size_t) taken;
  return (size_t) taken == len;
}

static int send_gap(stream_t *stream, const jobsrv_view_t *view) {
  jobsrv__frames_t frames = frames_of(stream);
  char *scratch = stream->sse->scratch;
  size_t len = jobsrv__frame_trimmed(&frames, view->missed_from,
                                     view->missed_to, scratch);

  /* first, as a failed send ends the stream */
  jobsrv_cursor_advance(&stream->cursor, 0);
  return send_own(stream, scratch, len);
}

/*
 * The end's bytes are the same each time they are rendered, so a socket that
 * takes a part of them costs no memory.
 */
static void send_end(stream_t *stream) {
  jobsrv__frames_t frames = frames_of(stream);
  char *scratch = stream->sse->scratch;
  size_t len = jobsrv__frames_end(&frames, scratch);
  int64_t taken = put(stream, scratch + stream->end_sent,
                      len - stream->end_sent);

  if (taken < 0)
    return;
  stream->end_sent += (uint32_t) taken;
  if (stream->end_sent < len)
    return;
  jobsrv__conn_finish(stream->conn);
  stream_free(stream, JOBSRV__STREAM_DONE);
}

/* ---- reading ---- */

static void on_turn(jobsrv_turn_t *turn);

static void pump(stream_t *stream) {
  size_t share = SHARE;
  jobsrv_view_t view;
  int go_on = send_rest(stream);

  while (go_on) {
    if (share == 0) {
      jobsrv_turn_ask(stream->sse->srv, &stream->turn, on_turn);
      return;
    }
    switch (jobsrv_cursor_peek(&stream->cursor, &view)) {
    case JOBSRV_READ_EVENTS:
    case JOBSRV_READ_PROGRESS:
      go_on = stream->chunked ? send_chunks(stream, &view, &share)
                              : send_plain(stream, &view, &share);
      break;
    case JOBSRV_READ_GAP:
      go_on = send_gap(stream, &view);
      break;
    case JOBSRV_READ_END:
      send_end(stream);
      return;
    default:
      return;
    }
  }
}

static void on_turn(jobsrv_turn_t *turn) {
  stream_t *stream = JOBSRV__CONTAINER(turn, stream_t, turn);

  if (!jobsrv__conn_blocked(stream->conn))
    pump(stream);
}

/* A hook that closes the server has it told even before its head is sent. */
static void on_notify(jobsrv_cursor_t *cursor) {
  stream_t *stream = JOBSRV__CONTAINER(cursor, stream_t, cursor);

  if (stream->watches && !jobsrv__conn_blocked(stream->conn))
    pump(stream);
}

static void on_writable(void *data) {
  pump(data);
}

static void on_idle(void *data) {
  stream_t *stream = data;
  char comment[JOBSRV__HEARTBEAT_MAX];
  size_t len;

  /* the turn ended inside a frame of the log; its rest is a sign of life */
  if (jobsrv_cursor_inside(&stream->cursor))
    return;
  len = jobsrv__frame_heartbeat(stream->chunked, comment);
  (void) send_own(stream, comment, len);
}

static void on_gone(void *data) {
  stream_t *stream = data;

  stream_free(stream, jobsrv__conn_has_stalled(stream->conn)
                          ? JOBSRV__STREAM_STALLED
                          : stream->sse->is_closing ? JOBSRV__STREAM_CLOSED
                                                    : JOBSRV__STREAM_CLIENT);
}

static const jobsrv__stream_ops_t ops = {
  .writable = on_writable,
  .idle = on_idle,
  .gone = on_gone,
};

/* ---- opening ---- */

static const jobsrv__header_t headers[] = {
  JOBSRV__HEADER("Content-Type", "text/event-stream"),
  JOBSRV__HEADER("Cache-Control", "no-store, no-transform"),
  JOBSRV__HEADER("X-Accel-Buffering", "no"),
};

enum { HEADERS = sizeof(headers) / sizeof(headers[0]) };

/* Where a request wants to resume. */
typedef struct {
  uint64_t after;
  int is_restart; /* the cursor is of another server object */
} resume_t;

/* Returns 0, or JOBSRV_EBADCURSOR. */
static int read_cursor(jobsrv__request_t *request, resume_t *resume) {
  size_t count = 0;
  jobsrv__span_t text =
      jobsrv__request_header(request, "last-event-id", &count);
  char after[CURSOR_SIZE];
  int len;
  int err;

  memset(resume, 0, sizeof(*resume));
  if (count > 1 || text.len >= CURSOR_SIZE)
    return JOBSRV_EBADCURSOR;
  if (count == 0) {
    len = jobsrv__query_find(request->query, "after", after, sizeof(after));
    if (len == UV_ENOENT)
      return 0;
    if (len < 0)
      return JOBSRV_EBADCURSOR;
    text = jobsrv__span(after, (size_t) len);
  }
  err = jobsrv_event_id_parse(request->sse->srv, text.data, text.len,
                              &resume->after);
  if (err != 1)
    return err;
  resume->after = 0;
  resume->is_restart = 1;
  return 0;
}

static void refuse_cursor(jobsrv__request_t *request) {
  jobsrv__refuse(request, 400, "bad_cursor", 0,
                 "the cursor is malformed, or beyond the job's last event");
}

/*
 * What can be said before anything is attached.
 * Returns 1 to open a stream, 0 when it has answered.
 */
static int may_open(jobsrv__request_t *request,
                    const jobsrv_job_t *job,
                    resume_t *resume) {
  const jobsrv_sse_t *sse = request->sse;
  jobsrv_job_info_t info = { .size = sizeof(info) };

  if (!jobsrv__media_accepts(jobsrv__request_header(request, "accept", NULL),
                             "text", "event-stream")) {
    jobsrv__refuse(request, 406, "not_acceptable", 0,
                   "a stream is text/event-stream");
    return 0;
  }
  jobsrv_job_info(job, &info);
  if (read_cursor(request, resume) != 0 || resume->after > info.last_seq) {
    refuse_cursor(request);
    return 0;
  }
  if (jobsrv_state_terminal(info.state) && !resume->is_restart &&
      resume->after == info.last_seq) {
    jobsrv__respond(request, 204, NULL, 0, NULL, NULL, 0);
    return 0;
  }
  if (sse->stats.streams >= sse->options.max_streams) {
    jobsrv__refuse(request, 503, "too_many_streams", JOBSRV__RETRY_LATER,
                   "too many streams are open");
    return 0;
  }
  if (watchers(sse, job) >= sse->options.max_streams_per_job) {
    jobsrv__refuse(request, 429, "too_many_watchers", JOBSRV__RETRY_LATER,
                   "too many streams watch this job");
    return 0;
  }
  return 1;
}

/* Returns 0, UV_ENOMEM or JOBSRV_EBADCURSOR. */
static int stream_new(stream_t **out,
                      jobsrv__request_t *request,
                      jobsrv_job_t *job,
                      const resume_t *resume) {
  jobsrv_sse_t *sse = request->sse;
  stream_t *stream = jobsrv__zalloc(sse->alloc, sizeof(*stream));
  int err;

  if (stream == NULL)
    return UV_ENOMEM;
  err = watchers_add(sse, job);
  if (err != 0) {
    jobsrv__free(sse->alloc, stream);
    return err;
  }
  err = jobsrv_cursor_attach(&stream->cursor, job, resume->after, on_notify);
  if (err != 0) {
    watchers_remove(sse, job);
    jobsrv__free(sse->alloc, stream);
    return err;
  }
  stream->cursor.data = job;
  stream->sse = sse;
  stream->conn = request->conn;
  stream->chunked = request->minor == 1;
  jobsrv__queue_push_back(&sse->streams, &stream->link);
  sse->stats.streams++;
  *out = stream;
  return 0;
}

static void open_stream(jobsrv__request_t *request,
                        jobsrv_job_t *job,
                        const resume_t *resume) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__frames_t frames;
  stream_t *stream;
  size_t len;
  int err;

  err = stream_new(&stream, request, job, resume);
  if (err == JOBSRV_EBADCURSOR) {
    refuse_cursor(request);
    return;
  }
  if (err != 0) {
    jobsrv__refuse_no_memory(request);
    return;
  }

  frames = frames_of(stream);
  len = jobsrv__frame_opening(&frames, resume->after, sse->options.retry_ms,
                              sse->scratch);
  if (resume->is_restart)
    len += jobsrv__frame_restart(&frames, sse->scratch + len);
  err = jobsrv__conn_stream(request, headers, HEADERS, sse->scratch, len, &ops,
                            stream);
  if (err != 0) {
    stream_free(stream, JOBSRV__STREAM_CLIENT);
    if (err == UV_ENOMEM)
      jobsrv__refuse_no_memory(request);
    return;
  }
  /* the cursor tells what there is at the end of this turn */
  sse->stats.streams_opened++;
  stream->opened_ns = jobsrv_now(sse->srv);
  stream->bytes = len;
  stream->watches = 1;
  jobsrv_job_watch(jobsrv_job_ref(job)); /* last: a hook may close us */
}

static void on_stream_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  resume_t resume;

  if (!may_open(request, job, &resume))
    return;
  if (request->method == JOBSRV__HEAD)
    jobsrv__respond_stream_head(request, headers, HEADERS);
  else
    open_stream(request, job, &resume);
}

void jobsrv__jobs_stream(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_STREAM, job, on_stream_allowed);
}
