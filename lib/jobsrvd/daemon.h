/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_DAEMON_H
#define JOBSRVD_DAEMON_H

#include "settings.h"

/*
 * Serves until SIGTERM or SIGINT and returns the status to exit with: 0 after
 * a drain, 1 after a complaint.
 */
int jobsrvd_run(const jobsrvd_settings_t *settings);

#endif /* JOBSRVD_DAEMON_H */
