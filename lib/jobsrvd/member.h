/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_MEMBER_H
#define JOBSRVD_MEMBER_H

/* One declared member of a payload: what it may be, and how it is written. */

#include "place.h"

#include <regex.h>

typedef enum {
  JOBSRVD_STRING,
  JOBSRVD_INTEGER,
  JOBSRVD_NUMBER,
  JOBSRVD_BOOLEAN
} jobsrvd_type_t;

typedef struct jobsrvd_member_s {
  char *name;
  jobsrvd_type_t type;
  json_t *choices;     /* array, or NULL */
  json_t *fallback;    /* NULL: the member has to be given */
  json_t *minimum;     /* NULL: none */
  json_t *maximum;
  uint64_t min_length; /* in characters */
  uint64_t max_length;
  regex_t pattern;
  int has_pattern;
  int dash;            /* may begin with '-' */
  int used;            /* by an argument */
} jobsrvd_member_t;

/*
 * Reads a declaration into a zeroed `member`, which is to be freed in either
 * case. Returns 0, or -1 after a complaint.
 */
int jobsrvd_member_parse(jobsrvd_member_t *member,
                         const char *name,
                         json_t *spec,
                         jobsrvd_place_t *place);

void jobsrvd_member_free(jobsrvd_member_t *member);

/* Returns 0, or -1 with what was expected in `detail`. */
int jobsrvd_member_check(const jobsrvd_member_t *member,
                         const json_t *value,
                         char *detail,
                         size_t cap);

/* The text of a checked value, for free(); NULL for want of memory. */
char *jobsrvd_member_text(const json_t *value);

#endif /* JOBSRVD_MEMBER_H */
