/* SPDX-License-Identifier: MIT */

#include "args.h"
#include "daemon.h"
#include "inherit.h"

#include <fcntl.h>
#include <unistd.h>

/*
 * Started with a standard descriptor closed, the daemon would get a socket or
 * a file in its place and print into that.
 */
static int hold_descriptors(void) {
  int fd;

  do {
    fd = open("/dev/null", O_RDWR);
    if (fd < 0)
      return -1;
  } while (fd <= STDERR_FILENO);
  return close(fd);
}

int main(int argc, char **argv) {
  jobsrvd_settings_t settings;
  int status;

  if (hold_descriptors() != 0) {
    jobsrvd_complain("cannot open /dev/null");
    return 1;
  }
  jobsrvd_settings_init(&settings);
  status = 1;
  if (jobsrvd_inherit(&settings) == 0)
    status = jobsrvd_args_read(&settings, argc, argv);
  if (status == JOBSRVD_GO_ON)
    status = jobsrvd_run(&settings);
  jobsrvd_settings_free(&settings);
  return status;
}
