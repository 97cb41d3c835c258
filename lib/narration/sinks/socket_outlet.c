/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/fd.h"
#include "base/format.h"
#include "base/queue.h"
#include "narration/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <uv.h>

enum { FIRST_RETRY_MS = 50, LAST_RETRY_MS = 5000 };

typedef struct socket_s {
  jobsrv__outlet_t outlet;
  jobsrv__socket_options_t options;
  struct sockaddr_un address;
  dev_t dev;       /* of what is open: somebody else may have closed it */
  ino_t ino;
  int is_stream;
  size_t sent;     /* of the record's length and the record */
  _Alignas(max_align_t) char identity[];
} socket_t;

static socket_t *socket_of(jobsrv__outlet_t *outlet) {
  return JOBSRV__CONTAINER(outlet, socket_t, outlet);
}

/* ---- the connection ---- */

static int is_ours(const socket_t *self) {
  struct stat info;

  return self->outlet.fd >= 0 && fstat(self->outlet.fd, &info) == 0 &&
         info.st_dev == self->dev && info.st_ino == self->ino;
}

static void disconnect(socket_t *self) {
  if (is_ours(self))
    close(self->outlet.fd);
  self->outlet.fd = -1;
  self->sent = 0;
}

static int connect_as(socket_t *self, int type) {
  int fd = jobsrv__fd_high(
      socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  struct stat info = { .st_ino = 0 };
  int err = 0;

  fd = fd < 0 ? -errno : jobsrv__descriptor_above(fd);
  if (fd < 0)
    return fd;
  if (connect(fd, (const struct sockaddr *) &self->address,
              sizeof(self->address)) != 0 ||
      fstat(fd, &info) != 0)
    err = -errno;
  if (err != 0) {
    close(fd);
    return err;
  }
  self->outlet.fd = fd;
  self->dev = info.st_dev;
  self->ino = info.st_ino;
  self->is_stream = type == SOCK_STREAM;
  self->sent = 0;
  return 0;
}

static int connect_to(socket_t *self) {
  int err = connect_as(self, SOCK_DGRAM);

  if (err == -EPROTOTYPE && self->options.counted)
    err = connect_as(self, SOCK_STREAM);
  return err;
}

static ssize_t fail(socket_t *self, int err) {
  uint32_t ms = self->outlet.retry_ms * 2;

  disconnect(self);
  self->outlet.error = err;
  self->outlet.retry_ms = ms < FIRST_RETRY_MS  ? FIRST_RETRY_MS
                          : ms > LAST_RETRY_MS ? LAST_RETRY_MS
                                               : ms;
  return JOBSRV__PUT_LATER;
}

/* ---- sending ---- */

static ssize_t send_message(int fd, const struct msghdr *message) {
  ssize_t n;

  do
    n = sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static int write_all(int fd, const char *data, size_t len) {
  ssize_t n;

  for (; len > 0; data += n, len -= (size_t) n) {
    n = write(fd, data, len);
    if (n < 0 && errno != EINTR)
      return -errno;
    if (n < 0)
      n = 0;
  }
  return 0;
}

static int send_fd(int fd, int file) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {
    .msg_control = &control,
    .msg_controllen = sizeof(control.room),
  };
  ssize_t n;

  memset(&control, 0, sizeof(control));
  control.head.cmsg_level = SOL_SOCKET;
  control.head.cmsg_type = SCM_RIGHTS;
  control.head.cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(&control.head), &file, sizeof(file));
  n = send_message(fd, &message);
  return n < 0 ? (int) n : 0;
}

/* In memory, and nobody can change it any more. */
static int send_as_file(const socket_t *self, const char *data, size_t len) {
  int file = memfd_create("jobsrv", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  int err;

  if (file < 0)
    return -errno;
  err = write_all(file, data, len);
  if (err == 0 && fcntl(file, F_ADD_SEALS,
                        F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE |
                            F_SEAL_SEAL) != 0)
    err = -errno;
  if (err == 0)
    err = send_fd(self->outlet.fd, file);
  close(file);
  return err;
}

/* `len`, 0 for not now, PUT_NEVER, or an error of the connection. */
static ssize_t send_datagram(socket_t *self, const char *data, size_t len) {
  struct iovec part = { (void *) (uintptr_t) data, len };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
  ssize_t n = send_message(self->outlet.fd, &message);

  if (n == -EMSGSIZE)
    n = self->options.files ? send_as_file(self, data, len)
                            : JOBSRV__PUT_NEVER;
  if (n == -EAGAIN)
    return 0;
  return n >= 0 ? (ssize_t) len : n;
}

/* Likewise. */
static ssize_t send_counted(socket_t *self, const char *data, size_t len) {
  char head[32];
  size_t head_len = jobsrv__format(head, sizeof(head), "%zu ", len);
  struct iovec parts[2];
  struct msghdr message = { .msg_iov = parts };
  ssize_t n;

  while (self->sent < head_len + len) {
    size_t from = self->sent > head_len ? self->sent - head_len : 0;

    message.msg_iovlen = 0;
    if (self->sent < head_len)
      parts[message.msg_iovlen++] = (struct iovec) {
        head + self->sent, head_len - self->sent
      };
    parts[message.msg_iovlen++] = (struct iovec) {
      (void *) (uintptr_t) (data + from), len - from
    };
    n = send_message(self->outlet.fd, &message);
    if (n < 0)
      return n == -EAGAIN ? 0 : n;
    self->sent += (size_t) n;
  }
  self->sent = 0;
  return (ssize_t) len;
}

/* A daemon that was started again is found at once. */
static ssize_t put(jobsrv__outlet_t *outlet, const char *data, size_t len) {
  socket_t *self = socket_of(outlet);
  ssize_t n = -ENOTCONN;

  for (int i = 0; i < 2; i++) {
    if (!is_ours(self)) {
      int err;

      disconnect(self);
      err = connect_to(self);
      if (err != 0)
        return fail(self, err);
    }
    n = self->is_stream ? send_counted(self, data, len)
                        : send_datagram(self, data, len);
    if (n >= 0 || n == JOBSRV__PUT_NEVER)
      break;
    disconnect(self);
  }
  if (n > 0) {
    outlet->error = 0;
    outlet->retry_ms = 0;
  }
  return n < 0 && n != JOBSRV__PUT_NEVER ? fail(self, (int) n) : n;
}

static size_t notice(const jobsrv__outlet_t *outlet,
                     char to[JOBSRV__NOTICE_MAX],
                     uint64_t count,
                     uint64_t wall_ns) {
  const socket_t *self = JOBSRV__CONTAINER(outlet, socket_t, outlet);

  return self->options.notice(self->identity, to, count, wall_ns);
}

static void close_it(jobsrv__outlet_t *outlet) {
  socket_t *self = socket_of(outlet);
  jobsrv_alloc_t alloc = outlet->alloc;

  disconnect(self);
  jobsrv__free(&alloc, self);
}

static const jobsrv__outlet_ops_t ops = {
  .whole = 1,
  .put = put,
  .notice = notice,
  .close = close_it,
};

int jobsrv__socket_outlet(jobsrv__outlet_t **out,
                          const jobsrv_alloc_t *alloc,
                          const jobsrv__socket_options_t *options) {
  size_t len = strlen(options->path);
  socket_t *self;

  if (len >= sizeof(self->address.sun_path))
    return UV_ENAMETOOLONG;
  self = jobsrv__zalloc(alloc, sizeof(*self) + options->identity_size);
  if (self == NULL)
    return UV_ENOMEM;
  self->outlet.ops = &ops;
  self->outlet.alloc = *alloc;
  self->outlet.fd = -1;
  self->options = *options;
  self->options.path = NULL;     /* the caller's */
  self->options.identity = NULL;
  self->address.sun_family = AF_UNIX;
  memcpy(self->address.sun_path, options->path, len);
  memcpy(self->identity, options->identity, options->identity_size);
  *out = &self->outlet;
  return 0;
}
