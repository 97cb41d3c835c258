/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_LOGS_H
#define JOBSRVD_LOGS_H

/* The narration of all jobs in a file, in syslog, in the journal. */

#include "place.h"
#include "settings.h"

#include <jobsrv/sinks.h>

/* From the command line; each returns 0, or -1 after a complaint. */
int jobsrvd_logs_file(jobsrvd_logs_t *logs, const char *path);
int jobsrvd_logs_syslog(jobsrvd_logs_t *logs, const char *facility);
int jobsrvd_logs_journal(jobsrvd_logs_t *logs);

/*
 * Reads "log_file", "syslog" and "journal" of the config file; what the command
 * line has said stays. Returns 0, or -1 after a complaint.
 */
int jobsrvd_logs_parse(jobsrvd_logs_t *logs,
                       json_t *root,
                       jobsrvd_place_t *place);

/*
 * Adds them to a server, whose trouble with them is complained about; 0, or a
 * negative code after a complaint. `*file` is the file's, NULL for none.
 */
int jobsrvd_logs_add(const jobsrvd_logs_t *logs,
                     jobsrv_t *srv,
                     jobsrv_sink_t **file);

void jobsrvd_logs_free(jobsrvd_logs_t *logs);

#endif /* JOBSRVD_LOGS_H */
