/* SPDX-License-Identifier: MIT */

#include "base/loop_init.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * With the three held meanwhile, if they are closed: libuv takes what is free,
 * and ends the process when it closes one of those.
 */
int jobsrv__loop_init(uv_loop_t *loop) {
  int held[STDERR_FILENO + 1];
  int n = 0;
  int err;

  for (int fd = 0; fd <= STDERR_FILENO; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      held[n] = open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (held[n] >= 0)
        n++;
    }
  err = uv_loop_init(loop);
  while (n > 0)
    (void) close(held[--n]);
  return err;
}
