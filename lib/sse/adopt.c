/* SPDX-License-Identifier: MIT */

#include "jobsrv/sse.h"

#include "sse/address.h"
#include "sse/bind.h"
#include "sse/conn_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <sys/socket.h>

/* Of a connected stream socket: its family, or a negative code. */
static int family_of(int fd) {
  jobsrv__address_t address;
  int is_listening = 0;
  int type = 0;
  socklen_t len = sizeof(int);

  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
    return -errno;
  len = sizeof(int);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0)
    return -errno;
  if (type != SOCK_STREAM || is_listening)
    return UV_EINVAL;
  memset(&address, 0, sizeof(address));
  address.len = sizeof(address.u);
  if (getpeername(fd, &address.u.any, &address.len) != 0)
    return -errno;
  switch (address.u.any.sa_family) {
  case AF_INET:
  case AF_INET6:
  case AF_UNIX:
    return address.u.any.sa_family;
  default:
    return UV_EAFNOSUPPORT;
  }
}

/* Not for children of the host, and nobody waits in it. */
static int take_flags(int fd, int *status, int *descriptor) {
  *status = fcntl(fd, F_GETFL);
  *descriptor = fcntl(fd, F_GETFD);
  if (*status < 0 || *descriptor < 0 ||
      fcntl(fd, F_SETFL, *status | O_NONBLOCK) != 0 ||
      fcntl(fd, F_SETFD, *descriptor | FD_CLOEXEC) != 0)
    return -errno;
  return 0;
}

int jobsrv_sse_adopt(jobsrv_sse_t *sse,
                     int fd,
                     const void *bytes,
                     size_t len) {
  int family, own, err;
  int status = -1;
  int descriptor = -1;

  JOBSRV__ASSERT_LOOP(sse->srv);
  if (sse->is_closing || sse->is_finishing)
    return JOBSRV_EDRAINING;
  family = family_of(fd);
  if (family < 0)
    return family;
  own = jobsrv__fd_given(fd);
  if (own < 0)
    return own;
  err = take_flags(own, &status, &descriptor);
  if (err == 0)
    err = jobsrv__conn_adopt(sse, own, family == AF_UNIX, bytes, len);
  if (err != 0 && status >= 0 && descriptor >= 0) {
    (void) fcntl(own, F_SETFL, status);
    (void) fcntl(own, F_SETFD, descriptor);
  }
  jobsrv__fd_settle(fd, own, err == 0);
  return err;
}
