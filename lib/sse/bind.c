/* SPDX-License-Identifier: MIT */

#include "sse/bind.h"

#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  BACKLOG = 511,
  OWNERS_ALONE = 0600
};

/* 1 for a socket file that nobody listens on. */
static int is_stale(const jobsrv__address_t *address) {
  struct stat st;
  int err;
  int fd;

  if (lstat(address->u.un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
    return 0;
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return 0;
  err = connect(fd, &address->u.any, address->len) == 0 ? 0 : errno;
  close(fd);
  return err == ECONNREFUSED;
}

/*
 * Nobody comes in before we listen, so the mode may come first. It has to: once
 * the file is somebody else's they may put a link in its place, and the mode
 * would be that of what it points at.
 */
static int hand_over(const char *path,
                     const jobsrv_sse_listen_options_t *options) {
  if (options->mode != 0 && chmod(path, options->mode) != 0)
    return -errno;
  if (options->set_owner && lchown(path, options->uid, options->gid) != 0)
    return -errno;
  return 0;
}

static int bind_unix(int fd,
                     jobsrv__listener_t *listener,
                     const jobsrv_sse_listen_options_t *options) {
  const jobsrv__address_t *address = &listener->address;
  struct stat st;

  /* before the file is there, so without a window */
  if (fchmod(fd, OWNERS_ALONE) != 0)
    return -errno;
  if (bind(fd, &address->u.any, address->len) != 0) {
    if (errno != EADDRINUSE)
      return -errno;
    if (!is_stale(address))
      return UV_EADDRINUSE;
    if (unlink(address->u.un.sun_path) != 0 ||
        bind(fd, &address->u.any, address->len) != 0)
      return -errno;
  }
  if (lstat(address->u.un.sun_path, &st) == 0) {
    listener->dev = st.st_dev;
    listener->ino = st.st_ino;
  }
  return hand_over(address->u.un.sun_path, options);
}

static int bind_inet(int fd, jobsrv__listener_t *listener) {
  jobsrv__address_t *address = &listener->address;
  int on = 1;

  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
    return -errno;
  if (address->u.any.sa_family == AF_INET6 &&
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
    return -errno;
  if (bind(fd, &address->u.any, address->len) != 0 ||
      getsockname(fd, &address->u.any, &address->len) != 0)
    return -errno;
  return 0;
}

void jobsrv__bind_remove(const jobsrv__listener_t *listener) {
  const char *path = listener->address.u.un.sun_path;
  struct stat st;

  if (listener->address.u.any.sa_family == AF_UNIX && listener->ino != 0 &&
      lstat(path, &st) == 0 && st.st_dev == listener->dev &&
      st.st_ino == listener->ino)
    (void) unlink(path);
}

int jobsrv__bind(jobsrv__listener_t *listener,
                 const jobsrv_sse_listen_options_t *options) {
  int family = listener->address.u.any.sa_family;
  int fd = jobsrv__fd_high(
      socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int err;

  if (fd < 0)
    return -errno;
  if (family == AF_UNIX)
    err = bind_unix(fd, listener, options);
  else
    err = bind_inet(fd, listener);
  if (err == 0 && listen(fd, BACKLOG) != 0)
    err = -errno;
  if (err != 0) {
    jobsrv__bind_remove(listener);
    close(fd);
    return err;
  }
  listener->fd = fd;
  return 0;
}

int jobsrv__fd_given(int given) {
  int own = given;

  if (given <= STDERR_FILENO)
    own = fcntl(given, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return own < 0 ? -errno : own;
}

void jobsrv__fd_settle(int given, int own, int is_taken) {
  if (own != given)
    close(is_taken ? given : own);
}

/* 0 for a stream socket that listens. */
static int check_listening(int fd) {
  int is_listening = 0;
  int type = 0;
  socklen_t len = sizeof(int);

  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
    return -errno;
  len = sizeof(int);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0)
    return -errno;
  return type == SOCK_STREAM && is_listening ? 0 : UV_EINVAL;
}

int jobsrv__bind_given(jobsrv__listener_t *listener, int given) {
  jobsrv__address_t *address = &listener->address;
  int err = check_listening(given);
  int own;
  int flags;

  if (err != 0)
    return err;
  memset(address, 0, sizeof(*address));
  address->len = sizeof(address->u);
  if (getsockname(given, &address->u.any, &address->len) != 0)
    return -errno;
  if (address->u.any.sa_family != AF_INET &&
      address->u.any.sa_family != AF_INET6 &&
      address->u.any.sa_family != AF_UNIX)
    return UV_EAFNOSUPPORT;
  own = jobsrv__fd_given(given);
  if (own < 0)
    return own;
  flags = fcntl(own, F_GETFL);
  if (flags < 0 || fcntl(own, F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(own, F_SETFD, FD_CLOEXEC) != 0) {
    err = -errno;
    jobsrv__fd_settle(given, own, 0);
    return err;
  }
  listener->fd = own;
  return 0;
}
