/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_PLACE_H
#define JOBSRVD_PLACE_H

/*
 * Where in the config file its reader is, so that every mistake can be told as
 * FILE:LINE:COLUMN: the parsed values know no positions, the text does, and a
 * JSON Pointer leads from one to the other.
 */

#include <jobsrv/export.h>
#include <jobsrv/json.h>

#include <jansson.h>

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrvd_place_s {
  const char *file;
  const char *text;
  size_t len;
  char pointer[512];
  size_t used;
} jobsrvd_place_t;

void jobsrvd_place_init(jobsrvd_place_t *place,
                        const char *file,
                        const char *text,
                        size_t len);

/* Steps into a member or an element; returns what leave takes back. */
size_t jobsrvd_place_enter(jobsrvd_place_t *place, const char *name);
size_t jobsrvd_place_enter_index(jobsrvd_place_t *place, size_t index);
void jobsrvd_place_leave(jobsrvd_place_t *place, size_t mark);

/* Complains about the value at this place, or its member; returns -1. */
JOBSRV_PRINTF(2, 3)
int jobsrvd_place_error(const jobsrvd_place_t *place, const char *format, ...);
JOBSRV_PRINTF(3, 4)
int jobsrvd_place_error_in(jobsrvd_place_t *place,
                           const char *name,
                           const char *format,
                           ...);

/* "a string", "an array", ... */
const char *jobsrvd_type_name(const json_t *value);

/* The value is an object with members of these names (NULL-ended) alone. */
int jobsrvd_place_only(jobsrvd_place_t *place,
                       json_t *object,
                       const char *const *names);

/* The value is a string without U+0000, lent in `*out`. */
int jobsrvd_place_string(const jobsrvd_place_t *place,
                         const json_t *value,
                         const char **out);

/* Members that may be missing: `*out` is then untouched. 0 or -1. */
int jobsrvd_place_text(jobsrvd_place_t *place,
                       const json_t *object,
                       const char *name,
                       const char **out);
int jobsrvd_place_u64(jobsrvd_place_t *place,
                      const json_t *object,
                      const char *name,
                      uint64_t min,
                      uint64_t max,
                      uint64_t *out);
int jobsrvd_place_flag(jobsrvd_place_t *place,
                       const json_t *object,
                       const char *name,
                       int *out);

#endif /* JOBSRVD_PLACE_H */
