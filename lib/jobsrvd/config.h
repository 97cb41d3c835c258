/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_CONFIG_H
#define JOBSRVD_CONFIG_H

#include "settings.h"

/*
 * Reads the config file. What the command line has given is kept: addresses
 * and limits stand in place of the file's, allowed names beside them.
 * Returns 0, or -1 after a complaint "FILE:LINE:COLUMN: what was expected".
 */
int jobsrvd_config_load(jobsrvd_settings_t *settings, const char *path);

#endif /* JOBSRVD_CONFIG_H */
