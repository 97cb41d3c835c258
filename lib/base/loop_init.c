/* SPDX-License-Identifier: MIT */

#include "base/loop_init.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { TAKES = 6 }; /* descriptors of a loop, and some for its first */

/*
 * All or none: a loop that gets some of its descriptors only leaves one open
 * when it fails. Others may take them in between, which is then no worse.
 */
static int look_for_room(void) {
  int held[TAKES];
  int n = 0;
  int err = 0;

  while (n < TAKES && err == 0) {
    held[n] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (held[n] < 0)
      err = errno == EMFILE || errno == ENFILE ? -errno : 1;
    else
      n++;
  }
  while (n > 0)
    (void) close(held[--n]);
  return err < 0 ? err : 0;
}

/*
 * With the three held meanwhile, if they are closed: libuv takes what is free,
 * and ends the process when it closes one of those.
 */
int jobsrv__loop_init(uv_loop_t *loop) {
  int held[STDERR_FILENO + 1];
  int n = 0;
  int err = look_for_room();

  if (err != 0)
    return err;
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
