/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_FD_H_
#define JOBSRV_BASE_FD_H_

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * A new descriptor of ours, moved above the three that programs print to: a
 * host that has closed those would write into a client's stream. `fd` may be
 * -1. Returns it, another, or -1 with `errno`, the given one then being closed.
 */
static inline int jobsrv__fd_high(int fd) {
  int high, err;

  if (fd < 0 || fd > STDERR_FILENO)
    return fd;
  high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  err = errno;
  (void) close(fd);
  errno = err;
  return high;
}

#endif /* JOBSRV_BASE_FD_H_ */
