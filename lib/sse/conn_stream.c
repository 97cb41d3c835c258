/* SPDX-License-Identifier: MIT */

#include "sse/conn_state.h"

#include "sse/access.h"

#include <uv.h>

static void wait_for_idle(jobsrv__conn_t *conn) {
  uint64_t beat_ns = conn->sse->options.heartbeat_ms * UINT64_C(1000000);

  jobsrv__conn_deadline(conn, conn->last_write_ns + beat_ns);
}

static void wait_for_room(jobsrv__conn_t *conn) {
  conn->is_blocked = 1;
  jobsrv__conn_deadline_in(conn, conn->sse->options.write_stall_ms);
  jobsrv__conn_watch(conn);
}

int jobsrv__conn_stream(jobsrv__request_t *request,
                        const jobsrv__header_t *headers,
                        size_t n,
                        const void *first,
                        size_t first_len,
                        const jobsrv__stream_ops_t *ops,
                        void *stream) {
  jobsrv__conn_t *conn = request->conn;
  int closes = jobsrv__conn_closes(request) || request->minor == 0;
  jobsrv__buf_t buf;
  int err;

  if (conn->stage == JOBSRV__CONN_CLOSED || request->is_answered)
    return UV_ECONNRESET;
  jobsrv__buf_init(&buf, conn->sse->alloc, 0);
  jobsrv__stream_head_write(request, headers, n, closes, &buf);
  err = jobsrv__buf_append(&buf, first, first_len);
  if (err == 0) {
    request->is_answered = 1;
    jobsrv__access_answered(request, 200, buf.len);
    if (conn->stage == JOBSRV__CONN_CLOSED) { /* a sink may close us */
      jobsrv__buf_free(&buf);
      return UV_ECONNRESET;
    }
    conn->closes = closes != 0;
    err = jobsrv__conn_write(conn, buf.data, buf.len);
    if (err == UV_ENOMEM) /* the connection is closed all the same */
      err = UV_ECONNABORTED;
  }
  jobsrv__buf_free(&buf);
  if (err != 0)
    return err;
  conn->stage = JOBSRV__CONN_STREAM;
  conn->ops = ops;
  conn->stream = stream;
  conn->last_write_ns = jobsrv_now(conn->sse->srv);
  if (conn->out != NULL)
    wait_for_room(conn);
  else
    wait_for_idle(conn);
  if (!conn->is_processing)
    jobsrv__conn_resume_later(conn); /* the request goes then */
  return 0;
}

int64_t jobsrv__conn_send(jobsrv__conn_t *conn, const void *data, size_t len) {
  int64_t n;

  if (conn->out != NULL || conn->is_blocked || len == 0)
    return 0;
  n = jobsrv__conn_push(conn, data, len);
  if (n < 0) {
    conn->ops = NULL;
    jobsrv__conn_close(conn);
    return n;
  }
  if (n > 0)
    conn->last_write_ns = jobsrv_now(conn->sse->srv);
  if ((size_t) n < len)
    wait_for_room(conn);
  else
    wait_for_idle(conn);
  return n;
}

int jobsrv__conn_blocked(const jobsrv__conn_t *conn) {
  return conn->out != NULL || conn->is_blocked;
}

void jobsrv__conn_stream_writable(jobsrv__conn_t *conn) {
  if (!conn->is_blocked)
    return;
  conn->is_blocked = 0;
  conn->last_write_ns = jobsrv_now(conn->sse->srv);
  wait_for_idle(conn);
  conn->ops->writable(conn->stream);
}

void jobsrv__conn_stall(jobsrv__conn_t *conn) {
  conn->sse->stats.stalled++;
  conn->has_stalled = 1;
  jobsrv__conn_reset(conn);
}

void jobsrv__conn_leave(jobsrv__conn_t *conn) {
  jobsrv__conn_close(conn);
}

int jobsrv__conn_may_lend(const jobsrv__conn_t *conn) {
  return conn->fd >= 0 && conn->stage == JOBSRV__CONN_STREAM &&
         !jobsrv__conn_blocked(conn) && conn->exchange == NULL &&
         !conn->is_processing && !conn->has_eof;
}

int jobsrv__conn_lend(jobsrv__conn_t *conn) {
  jobsrv_timer_disarm(conn->sse->srv, &conn->timer);
  conn->deadline_ns = UINT64_MAX;
  conn->events = 0;
  conn->io->want(conn, 0);
  conn->is_lent = 1;
  return conn->fd;
}

void jobsrv__conn_return(jobsrv__conn_t *conn,
                         uint64_t last_write_ns,
                         uint64_t stalls_ns) {
  conn->is_lent = 0;
  conn->last_write_ns = last_write_ns;
  conn->is_blocked = stalls_ns != 0;
  if (conn->is_blocked)
    jobsrv__conn_deadline(conn, stalls_ns);
  else
    wait_for_idle(conn);
  jobsrv__conn_watch(conn);
}

void jobsrv__conn_stream_timeout(jobsrv__conn_t *conn) {
  if (jobsrv__conn_blocked(conn)) {
    jobsrv__conn_stall(conn);
    return;
  }
  jobsrv__conn_deadline_in(conn, conn->sse->options.heartbeat_ms);
  conn->ops->idle(conn->stream);
}

void jobsrv__conn_finish(jobsrv__conn_t *conn) {
  if (conn->ops == NULL || conn->stage != JOBSRV__CONN_STREAM)
    return;
  conn->ops = NULL;
  conn->stream = NULL;
  conn->is_blocked = 0;
  conn->closes |= conn->sse->is_finishing;
  conn->stage = JOBSRV__CONN_FLUSH;
  if (conn->out == NULL)
    jobsrv__conn_deadline(conn, UINT64_MAX);
  if (!conn->is_processing)
    jobsrv__conn_resume_later(conn);
}

void jobsrv__conn_cut(jobsrv__conn_t *conn) {
  if (conn->ops == NULL)
    return;
  conn->ops = NULL;
  conn->stream = NULL;
  jobsrv__conn_reset(conn);
}

uint64_t jobsrv__conn_last_write_ns(const jobsrv__conn_t *conn) {
  return conn->last_write_ns;
}
