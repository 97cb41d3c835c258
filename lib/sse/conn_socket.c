/* SPDX-License-Identifier: MIT */

#include "sse/conn_state.h"

#include "base/alloc.h"
#include "sse/address.h"

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

static int64_t on_write(jobsrv__conn_t *conn, const void *data, size_t len) {
  ssize_t n;

  do
    n = send(conn->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  return n;
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

int jobsrv__conn_accept(jobsrv_sse_t *sse, int fd, int is_unix,
                        int is_turned_away) {
  jobsrv__conn_t *conn = jobsrv__zalloc(sse->alloc, sizeof(*conn));
  int err = UV_ENOMEM;

  if (conn != NULL)
    err = uv_poll_init(sse->loop, &conn->handle.poll, fd);
  if (err != 0) {
    jobsrv__free(sse->alloc, conn);
    close(fd);
    return err;
  }
  conn->io = &socket_io;
  conn->fd = fd;
  conn->is_unix = is_unix != 0;
  set_options(sse, fd, is_unix);
  jobsrv__conn_begin(conn, sse, is_turned_away);
  return 0;
}
