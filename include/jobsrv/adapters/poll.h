/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ADAPTERS_POLL_H
#define JOBSRV_ADAPTERS_POLL_H
/*
 * A server that was made without a loop, in a loop around poll(2):
 *
 *   struct pollfd fds[3] = { { 0 }, mine, another };
 *   while (jobsrv_poll(srv, fds, 3, -1) == 1)
 *     ... look at fds[1] and fds[2] ...
 *
 * The first is the server's and filled in here. Waits `ms` at the most, -1 for
 * as long as it takes, then dispatches. Returns 1; 0 when the server has closed
 * and is gone, nothing else is to be freed; or a negative errno. A signal ends
 * the wait with no other descriptor ready.
 */
#include "jobsrv/loop.h"
#include <errno.h>
#include <poll.h>

static inline int jobsrv_poll(jobsrv_t *srv, struct pollfd *fds, nfds_t n,
                              int ms) {
  int wait = jobsrv_timeout_ms(srv);

  if (wait < 0 || (ms >= 0 && ms < wait))
    wait = ms;
  fds[0].fd = jobsrv_fd(srv);
  fds[0].events = POLLIN;
  if (poll(fds, n, wait) < 0) {
    if (errno != EINTR)
      return -errno;
    while (n > 0)
      fds[--n].revents = 0;
  }
  return jobsrv_dispatch(srv);
}
#endif /* JOBSRV_ADAPTERS_POLL_H */
