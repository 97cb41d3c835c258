/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_PROGRAM_H
#define JOBSRVD_PROGRAM_H

/* An operation of the config file: a program that is run for each job. */

#include "place.h"
#include "settings.h"

/*
 * Reads one and adds it to the end of the list. Returns 0, or -1 after a
 * complaint.
 */
int jobsrvd_program_parse(jobsrvd_program_t **list,
                          const char *name,
                          json_t *spec,
                          jobsrvd_place_t *place);

void jobsrvd_programs_free(jobsrvd_program_t *list);

/* Registers all of them; they have to outlive the server. */
int jobsrvd_programs_add(jobsrv_t *srv, jobsrvd_program_t *list);

#endif /* JOBSRVD_PROGRAM_H */
