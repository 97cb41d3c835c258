/* SPDX-License-Identifier: MIT */

#include "sse/conn_state.h"

#include "base/alloc.h"
#include "base/options.h"
#include "sse/listener.h"

#include <string.h>

/* `conn` is first: it is freed as this block. */
struct jobsrv_sse_conn_s {
  jobsrv__conn_t conn;
  jobsrv_sse_io_t io;
  void *self;
};

_Static_assert((int) JOBSRV_SSE_READABLE == (int) UV_READABLE &&
               (int) JOBSRV_SSE_WRITABLE == (int) UV_WRITABLE &&
               (int) JOBSRV_SSE_DISCONNECT == (int) UV_DISCONNECT,
               "events are handed on as they are");

static const jobsrv_sse_conn_t *host(const jobsrv__conn_t *conn) {
  return (const jobsrv_sse_conn_t *) (const void *) conn;
}

static int64_t on_read(jobsrv__conn_t *conn, void *to, size_t cap) {
  return host(conn)->io.read(host(conn)->self, to, cap);
}

static int64_t on_write(jobsrv__conn_t *conn, const void *data, size_t len) {
  return host(conn)->io.write(host(conn)->self, data, len);
}

static void on_want(jobsrv__conn_t *conn, int events) {
  host(conn)->io.want(host(conn)->self, events);
}

static void on_shut(jobsrv__conn_t *conn) {
  host(conn)->io.shut(host(conn)->self);
}

static void on_close(jobsrv__conn_t *conn, int is_reset) {
  host(conn)->io.close(host(conn)->self, is_reset);
}

static void on_peer(const jobsrv__conn_t *conn, char *to, size_t cap) {
  if (host(conn)->io.peer != NULL)
    host(conn)->io.peer(host(conn)->self, to, cap);
}

static const jobsrv__io_t host_io = {
  .read = on_read,
  .write = on_write,
  .want = on_want,
  .shut = on_shut,
  .close = on_close,
  .peer = on_peer,
};

int jobsrv_sse_conn_new(jobsrv_sse_conn_t **out,
                        jobsrv_sse_t *sse,
                        const jobsrv_sse_io_t *io,
                        void *self) {
  jobsrv_sse_conn_t *conn;
  int how;
  int err;

  JOBSRV__ASSERT_LOOP(sse->srv);
  if (sse->is_closing || sse->is_finishing)
    return JOBSRV_EDRAINING;
  conn = jobsrv__zalloc(sse->alloc, sizeof(*conn));
  if (conn == NULL)
    return UV_ENOMEM;
  err = jobsrv__options_read(&conn->io, sizeof(conn->io), sizeof(conn->io), io);
  how = err == 0 ? jobsrv__http_admit(sse) : JOBSRV__ADMIT_NOT;
  if (how == JOBSRV__ADMIT_NOT) {
    jobsrv__free(sse->alloc, conn);
    return err != 0 ? err : UV_EMFILE;
  }
  (void) uv_idle_init(sse->loop, &conn->conn.handle.idle);
  conn->conn.io = &host_io;
  conn->conn.fd = -1;
  conn->self = self;
  *out = conn;
  jobsrv__conn_begin(&conn->conn, sse, how == JOBSRV__ADMIT_TOLD);
  return 0;
}

void jobsrv_sse_conn_ready(jobsrv_sse_conn_t *conn, int events) {
  JOBSRV__ASSERT_LOOP(conn->conn.sse->srv);
  events &= conn->conn.events;
  if (events != 0)
    jobsrv__conn_on_ready(&conn->conn, events);
}

void jobsrv_sse_conn_cut(jobsrv_sse_conn_t *conn) {
  JOBSRV__ASSERT_LOOP(conn->conn.sse->srv);
  jobsrv__conn_close(&conn->conn);
}
