/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/format.h"
#include "base/queue.h"
#include "narration/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <uv.h>

/*
 * Pieces of at most PIPE_BUF after POLLOUT do not block on a pipe or a
 * terminal, unless another process fills it in between.
 */
enum { PIECE = 4096 };

typedef struct descriptor_s {
  jobsrv__outlet_t outlet;
  const char *notice;
} descriptor_t;

static ssize_t put(jobsrv__outlet_t *outlet, const char *data, size_t len) {
  ssize_t n;

  do
    n = write(outlet->fd, data, len < PIECE ? len : PIECE);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  return n;
}

static size_t notice(const jobsrv__outlet_t *outlet,
                     char to[JOBSRV__NOTICE_MAX],
                     uint64_t count,
                     uint64_t wall_ns) {
  const descriptor_t *self = JOBSRV__CONTAINER(outlet, descriptor_t, outlet);

  (void) wall_ns;
  return jobsrv__format(to, JOBSRV__NOTICE_MAX, self->notice,
                        (unsigned long long) count);
}

static void close_it(jobsrv__outlet_t *outlet) {
  jobsrv_alloc_t alloc = outlet->alloc;

  close(outlet->fd);
  jobsrv__free(&alloc, JOBSRV__CONTAINER(outlet, descriptor_t, outlet));
}

static const jobsrv__outlet_ops_t ops = {
  .batch = PIECE,
  .put = put,
  .notice = notice,
  .close = close_it,
};

int jobsrv__descriptor_above(int fd) {
  int high;

  if (fd > 2)
    return fd;
  high = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* not where programs print to */
  if (high < 0)
    high = -errno;
  close(fd);
  return high;
}

int jobsrv__descriptor_outlet(jobsrv__outlet_t **out,
                              const jobsrv_alloc_t *alloc,
                              int fd,
                              const char *format) {
  descriptor_t *self = jobsrv__zalloc(alloc, sizeof(*self));

  if (self == NULL)
    return UV_ENOMEM;
  self->outlet.ops = &ops;
  self->outlet.alloc = *alloc;
  self->notice = format;
  self->outlet.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (self->outlet.fd < 0) {
    int err = -errno;

    jobsrv__free(alloc, self);
    return err;
  }
  *out = &self->outlet;
  return 0;
}
