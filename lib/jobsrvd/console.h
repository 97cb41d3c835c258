/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_CONSOLE_H
#define JOBSRVD_CONSOLE_H

/* The narration of all jobs on standard error. */

#include "place.h"
#include "settings.h"

/* From the command line; each returns 0, or -1 after a complaint. */
int jobsrvd_console_form(jobsrvd_console_t *console,
                         const char *option,
                         const char *name);
int jobsrvd_console_voice(jobsrvd_console_t *console, const char *name);

/*
 * Reads "console" of the config file; what the command line has said stays.
 * Returns 0, or -1 after a complaint.
 */
int jobsrvd_console_parse(jobsrvd_console_t *console,
                          json_t *root,
                          jobsrvd_place_t *place);

/* "level" of an object, if it is there: a jobsrv_level_t. Likewise. */
int jobsrvd_level_parse(json_t *object, jobsrvd_place_t *place, int *level);

/* Adds it to a server, unless there is to be none. 0 or a negative code. */
int jobsrvd_console_add(const jobsrvd_console_t *console, jobsrv_t *srv);

#endif /* JOBSRVD_CONSOLE_H */
