/* SPDX-License-Identifier: MIT */

#include "sse/conn_state.h"

#include "base/alloc.h"
#include "sse/address.h"
#include "sse/listener.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int64_t on_read(jobsrv__conn_t *conn, void *to, size_t cap) {
  ssize_t n;

  do
    n = recv(conn->fd, to, cap, 0);
  while (n < 0 && errno == EINTR);
  if (n > 0)
    return n;
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  return UV_EOF;
}

int64_t jobsrv__socket_send(int fd, const void *data, size_t len) {
  ssize_t n;

  do
    n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  return n;
}

static int64_t on_write(jobsrv__conn_t *conn, const void *data, size_t len) {
  return jobsrv__socket_send(conn->fd, data, len);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  jobsrv__conn_t *conn = poll->data;

  if (status < 0) { /* the peer reset, or the network did; libuv has stopped */
    conn->events = 0;
    jobsrv__conn_close(conn);
    return;
  }
  jobsrv__conn_on_ready(conn, events);
}

static void on_want(jobsrv__conn_t *conn, int events) {
  if (events == 0)
    uv_poll_stop(&conn->handle.poll);
  else
    uv_poll_start(&conn->handle.poll, events, on_poll);
}

static void on_shut(jobsrv__conn_t *conn) {
  (void) shutdown(conn->fd, SHUT_WR);
}

static void on_close(jobsrv__conn_t *conn, int is_reset) {
  struct linger now = {1, 0};

  if (is_reset)
    (void) setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(conn->fd);
  conn->fd = -1;
}

static void on_peer(const jobsrv__conn_t *conn, char *to, size_t cap) {
  jobsrv__address_t address;
  char text[128];

  if (conn->is_unix) {
    snprintf(to, cap, "unix");
    return;
  }
  memset(&address, 0, sizeof(address));
  address.len = sizeof(address.u);
  if (getpeername(conn->fd, &address.u.any, &address.len) != 0 ||
      jobsrv__address_format(&address, text, sizeof(text)) != 0)
    return;
  snprintf(to, cap, "%s", text + strlen("http://"));
}

static const jobsrv__io_t socket_io = {
  .read = on_read,
  .write = on_write,
  .want = on_want,
  .shut = on_shut,
  .close = on_close,
  .peer = on_peer,
};

static void set_options(const jobsrv_sse_t *sse, int fd, int is_unix) {
  int on = 1;
  int size = (int) sse->options.send_buffer;

  if (!is_unix)
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (size > 0)
    (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Still to be begun; freed as one block. */
static int make(jobsrv_sse_t *sse, int fd, int is_unix, jobsrv__conn_t **out) {
  jobsrv__conn_t *conn = jobsrv__zalloc(sse->alloc, sizeof(*conn));
  int err = UV_ENOMEM;

  if (conn != NULL)
    err = uv_poll_init(sse->loop, &conn->handle.poll, fd);
  if (err != 0) {
    jobsrv__free(sse->alloc, conn);
    return err;
  }
  conn->io = &socket_io;
  conn->sse = sse;
  conn->fd = fd;
  conn->is_unix = is_unix != 0;
  set_options(sse, fd, is_unix);
  *out = conn;
  return 0;
}

int jobsrv__conn_accept(jobsrv_sse_t *sse, int fd, int is_unix,
                        int is_turned_away) {
  jobsrv__conn_t *conn;
  int err = make(sse, fd, is_unix, &conn);

  if (err != 0)
    close(fd);
  else
    jobsrv__conn_begin(conn, sse, is_turned_away);
  return err;
}

/* What was read is held before there is a handle that would have to be closed
   by the loop. */
static int hold_bytes(jobsrv_sse_t *sse,
                      const void *bytes,
                      size_t len,
                      jobsrv__exchange_t **out) {
  jobsrv__conn_t holder;

  *out = NULL;
  if (len == 0)
    return 0;
  memset(&holder, 0, sizeof(holder));
  holder.sse = sse;
  if (jobsrv__exchange_get(&holder) == NULL)
    return UV_ENOMEM;
  if (jobsrv__buf_append(&holder.exchange->in, bytes, len) != 0) {
    jobsrv__exchange_free(&holder);
    return UV_ENOMEM;
  }
  *out = holder.exchange;
  return 0;
}

static void drop_bytes(jobsrv_sse_t *sse, jobsrv__exchange_t *held) {
  jobsrv__conn_t holder;

  memset(&holder, 0, sizeof(holder));
  holder.sse = sse;
  holder.exchange = held;
  jobsrv__exchange_free(&holder);
}

int jobsrv__conn_adopt(jobsrv_sse_t *sse,
                       int fd,
                       int is_unix,
                       const void *bytes,
                       size_t len) {
  jobsrv_sse_stats_t before = sse->stats;
  jobsrv__exchange_t *held;
  jobsrv__conn_t *conn;
  int how = JOBSRV__ADMIT_NOT;
  int err = hold_bytes(sse, bytes, len, &held);

  if (err == 0) {
    how = jobsrv__http_admit(sse);
    err = how == JOBSRV__ADMIT_NOT ? UV_EMFILE : 0;
  }
  if (err == 0) {
    err = make(sse, fd, is_unix, &conn);
    if (err != 0) /* it has not come */
      sse->stats = before;
  }
  if (err != 0) {
    drop_bytes(sse, held);
    return err;
  }
  if (how == JOBSRV__ADMIT_TOLD) { /* whatever it has asked */
    drop_bytes(sse, held);
    held = NULL;
  }
  conn->exchange = held;
  jobsrv__conn_begin(conn, sse, how == JOBSRV__ADMIT_TOLD);
  if (held != NULL)
    jobsrv__conn_resume_later(conn);
  return 0;
}

int jobsrv__conn_credentials(const jobsrv__conn_t *conn,
                             jobsrv_sse_credentials_t *credentials) {
  struct ucred peer;
  socklen_t len = sizeof(peer);

  if (conn->stage == JOBSRV__CONN_CLOSED)
    return UV_ENOTCONN;
  if (!conn->is_unix)
    return UV_ENOTSUP;
  if (getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
    return UV_ENOTSUP;
  credentials->pid = peer.pid;
  credentials->uid = peer.uid;
  credentials->gid = peer.gid;
  return 0;
}
