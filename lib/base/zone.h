/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_ZONE_H_
#define JOBSRV_BASE_ZONE_H_

/*
 * Local time of a zone of the zoneinfo database, read from its compiled files
 * (TZif, RFC 8536) in a folder that the caller names. Nothing is cached, and
 * nothing of the C library's notion of a zone is used or changed.
 *
 * Civil times are as in civil.h; all times are whole seconds, of the years
 * 1800 to 3000. A zone that is NULL is UTC.
 */

#include "jobsrv/alloc.h"

#include <stddef.h>
#include <stdint.h>

#define JOBSRV__ZONEINFO "/usr/share/zoneinfo"

typedef struct jobsrv__zone_s jobsrv__zone_t;

/*
 * [any] Reads the file of `name`, which may have [A-Za-z0-9._+/-], no "..", no
 * "/" in front. A file that is not sound, or counts leap seconds, is as good
 * as none. `alloc` may be NULL.
 *
 * Returns 0, JOBSRV_EZONE or UV_ENOMEM.
 */
int jobsrv__zone_load(jobsrv__zone_t **out,
                      const jobsrv_alloc_t *alloc,
                      const char *folder,
                      const char *name);

/* [any] The same of a file's bytes. */
int jobsrv__zone_read(jobsrv__zone_t **out,
                      const jobsrv_alloc_t *alloc,
                      const void *bytes,
                      size_t len);

/* NULL is harmless. */
void jobsrv__zone_free(jobsrv__zone_t *zone);

/* A stretch of time with one offset: begin <= utc < end. */
typedef struct jobsrv__zone_span_s {
  int64_t begin;  /* INT64_MIN: ever since */
  int64_t end;    /* INT64_MAX: for ever */
  int64_t offset; /* seconds east of Greenwich; civil time is utc + offset */
} jobsrv__zone_span_t;

/* [any] The stretch that `utc` is in. */
void jobsrv__zone_span(const jobsrv__zone_t *zone,
                       int64_t utc,
                       jobsrv__zone_span_t *span);

typedef enum {
  JOBSRV__CIVIL_ONCE,
  JOBSRV__CIVIL_NEVER, /* jumped over */
  JOBSRV__CIVIL_TWICE  /* or more often: the clock was set back over it */
} jobsrv__civil_t;

/*
 * [any] When a civil time comes: `*first` and `*last`, the same if it comes
 * once. Both are the end of the gap for one that never comes.
 */
jobsrv__civil_t jobsrv__zone_when(const jobsrv__zone_t *zone,
                                  int64_t civil,
                                  int64_t *first,
                                  int64_t *last);

#endif /* JOBSRV_BASE_ZONE_H_ */
