/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_ARGS_H
#define JOBSRVD_ARGS_H

#include "settings.h"

enum { JOBSRVD_GO_ON = -1 };

/*
 * Reads the command line, and the config file that it names, into initialised
 * settings. Returns JOBSRVD_GO_ON, or the status to exit with: 0 after --help
 * and --version, 2 after a complaint.
 */
int jobsrvd_args_read(jobsrvd_settings_t *settings, int argc, char **argv);

#endif /* JOBSRVD_ARGS_H */
