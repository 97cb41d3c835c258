/* SPDX-License-Identifier: MIT */

#include "sse/conn_state.h"

#include "base/alloc.h"
#include "sse/access.h"

#include <string.h>

int64_t jobsrv__conn_push(jobsrv__conn_t *conn, const void *data, size_t len) {
  int64_t n = conn->io->write(conn, data, len);

  if (n > 0)
    conn->sse->stats.bytes_sent += (uint64_t) n;
  return n;
}

static int keep(jobsrv__conn_t *conn, const char *data, size_t len) {
  jobsrv__out_t *old = conn->out;
  size_t kept = old != NULL ? old->len - old->sent : 0;
  jobsrv__out_t *out = jobsrv__malloc(conn->sse->alloc,
                                      sizeof(*out) + kept + len);

  if (out == NULL)
    return UV_ENOMEM;
  out->len = kept + len;
  out->sent = 0;
  if (kept > 0)
    memcpy(out->data, old->data + old->sent, kept);
  memcpy(out->data + kept, data, len);
  jobsrv__free(conn->sse->alloc, old);
  conn->out = out;
  jobsrv__conn_deadline_in(conn, conn->sse->options.write_stall_ms);
  return 0;
}

int jobsrv__conn_write(jobsrv__conn_t *conn, const void *data, size_t len) {
  const char *bytes = data;
  int64_t n = 0;
  int err = 0;

  if (conn->out == NULL)
    n = jobsrv__conn_push(conn, bytes, len);
  if (n < 0)
    err = (int) n;
  else if ((size_t) n < len)
    err = keep(conn, bytes + n, len - (size_t) n);
  if (err != 0)
    jobsrv__conn_close(conn);
  return err;
}

int jobsrv__conn_flush(jobsrv__conn_t *conn) {
  jobsrv__out_t *out = conn->out;
  int64_t n = jobsrv__conn_push(conn, out->data + out->sent,
                                out->len - out->sent);

  if (n < 0) {
    jobsrv__conn_close(conn);
    return (int) n;
  }
  out->sent += (size_t) n;
  if (out->sent == out->len) {
    conn->out = NULL;
    jobsrv__free(conn->sse->alloc, out);
    if (conn->stage != JOBSRV__CONN_BODY) /* its clock goes on */
      jobsrv__conn_deadline(conn, UINT64_MAX);
  } else if (n > 0) {
    jobsrv__conn_deadline_in(conn, conn->sse->options.write_stall_ms);
  }
  return 0;
}

int jobsrv__conn_closes(const jobsrv__request_t *request) {
  const jobsrv__conn_t *conn = request->conn;
  const jobsrv__exchange_t *exchange = conn->exchange;

  if (request->must_close || !request->keeps || conn->sse->is_finishing)
    return 1;
  /* Nobody can tell whether the body will come that was not asked for. */
  return exchange != NULL && exchange->awaits_continue;
}

void jobsrv__conn_answer(jobsrv__request_t *request,
                         int status,
                         const void *data,
                         size_t len,
                         int closes) {
  jobsrv__conn_t *conn = request->conn;

  if (request->is_answered)
    return;
  request->is_answered = 1;
  if (status >= 400)
    conn->sse->stats.problems++;
  if (conn->stage == JOBSRV__CONN_CLOSED)
    return;
  jobsrv__access_answered(request, status, len);
  if (conn->stage == JOBSRV__CONN_CLOSED) /* a sink may close us */
    return;
  conn->closes = closes != 0;
  conn->stage = JOBSRV__CONN_HANDLING;
  if (jobsrv__conn_write(conn, data, len) != 0)
    return;
  if (!conn->is_processing)
    jobsrv__conn_resume_later(conn);
}

void jobsrv__conn_linger(jobsrv__conn_t *conn) {
  if (conn->stage == JOBSRV__CONN_CLOSED)
    return;
  conn->stage = JOBSRV__CONN_LINGER;
  if (!conn->is_processing)
    jobsrv__exchange_free(conn);
  jobsrv__conn_linger_on(conn);
  jobsrv__conn_watch(conn);
}

void jobsrv__conn_linger_on(jobsrv__conn_t *conn) {
  if (conn->out != NULL)
    return;
  if (conn->has_eof || conn->lingered >= JOBSRV__LINGER_MAX) {
    jobsrv__conn_close(conn);
    return;
  }
  if (conn->is_shut)
    return;
  conn->is_shut = 1;
  conn->io->shut(conn);
  jobsrv__conn_deadline_in(conn, JOBSRV__LINGER_MS);
}
