/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_LIMITS_H
#define JOBSRVD_LIMITS_H

/* Every limit of the server and of its transport, by the name it has there. */

#include "settings.h"

#include <stdio.h>

typedef struct jobsrvd_limit_s {
  const char *name;
  size_t offset; /* in jobsrv_options_t or jobsrv_sse_options_t */
  size_t width;  /* 4 or 8 bytes */
  int in_sse;
  uint64_t min;
  uint64_t max;
  const char *fallback; /* what holds when nothing is said, for people */
} jobsrvd_limit_t;

/* NULL when there is none of that name. */
const jobsrvd_limit_t *jobsrvd_limit_find(const char *name);

/*
 * Sets one; `value` is in its range. What the command line gave stays, when
 * the config file says otherwise.
 */
void jobsrvd_limit_set(jobsrvd_settings_t *settings,
                       const jobsrvd_limit_t *limit,
                       uint64_t value,
                       int from_command_line);

/* NAME=VALUE of the command line; 0, or -1 after a complaint. */
int jobsrvd_limit_parse(jobsrvd_settings_t *settings, const char *text);

/* All names, and what holds without. */
void jobsrvd_limits_list(FILE *to);

#endif /* JOBSRVD_LIMITS_H */
