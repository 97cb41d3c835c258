/* SPDX-License-Identifier: MIT */

#include "args.h"
#include "daemon.h"

int main(int argc, char **argv) {
  jobsrvd_settings_t settings;
  int status;

  jobsrvd_settings_init(&settings);
  status = jobsrvd_args_read(&settings, argc, argv);
  if (status == JOBSRVD_GO_ON)
    status = jobsrvd_run(&settings);
  jobsrvd_settings_free(&settings);
  return status;
}
