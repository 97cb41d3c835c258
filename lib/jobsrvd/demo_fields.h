/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_DEMO_FIELDS_H
#define JOBSRVD_DEMO_FIELDS_H

/* What the payload of a demo operation holds. */

#include "payload.h"

typedef enum {
  JOBSRVD_FIELD_INTEGER,
  JOBSRVD_FIELD_TEXT,
  JOBSRVD_FIELD_LINES, /* an array of strings */
  JOBSRVD_FIELD_ANY
} jobsrvd_field_type_t;

typedef struct jobsrvd_field_s {
  const char *name; /* NULL ends an array of fields */
  jobsrvd_field_type_t type;
  json_int_t min, max; /* of an integer; most elements of lines */
  json_int_t fallback; /* of an integer; -1: has to be given, as all others */
} jobsrvd_field_t;

/* An operation's check, with its fields as `data`. */
int jobsrvd_fields_check(const char *payload,
                         size_t len,
                         jobsrv_mistake_t *mistake,
                         void *data);

/* The payload of a job that has passed the check; 0 or a negative code. */
int jobsrvd_fields_load(json_t **out, const jobsrv_job_t *job);

/* The integer of this name, or what stands in for it. */
uint64_t jobsrvd_fields_u64(const jobsrvd_field_t *fields,
                            const json_t *payload,
                            const char *name);

#endif /* JOBSRVD_DEMO_FIELDS_H */
