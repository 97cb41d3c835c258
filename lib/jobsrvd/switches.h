/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_SWITCHES_H
#define JOBSRVD_SWITCHES_H

/*
 * Settings of one word, each with the same name in the config file ("proxy_
 * header") and on the command line (--proxy-header), whose word counts before
 * the file's. A flag can only be switched on.
 */

#include "place.h"
#include "settings.h"

/* Their names, for the list of what the config file may have. */
#define JOBSRVD_SWITCH_NAMES                                                  \
  "level", "prefix", "token_file", "metrics", "metrics_token_file", "lag",    \
      "all_events", "gzip", "cors_credentials", "proxy_header"

/*
 * Takes one of the command line; `value` is NULL for a flag. Returns 0, or -1
 * after a complaint.
 */
int jobsrvd_switch_take(jobsrvd_settings_t *settings,
                        const char *option,
                        const char *value);

/* Reads those of the config file. Returns 0, or -1 after a complaint. */
int jobsrvd_switches_parse(jobsrvd_settings_t *settings,
                           json_t *root,
                           jobsrvd_place_t *place);

/* Frees their texts. */
void jobsrvd_switches_free(jobsrvd_settings_t *settings);

#endif /* JOBSRVD_SWITCHES_H */
