/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_JOB_OPTIONS_H_
#define JOBSRV_SSE_JOB_OPTIONS_H_

/* The member `options` of POST P/jobs. */

#include "base/buf.h"
#include "jobsrv/operation.h"

/* The longest time that a request may ask for, 366 days. */
#define JOBSRV__OPTION_MS_MAX UINT64_C(31622400000)

enum {
  JOBSRV__OPTION_ATTEMPTS_MAX = 10000,
  JOBSRV__OPTION_KEY_SIZE = 129 /* of a unique key, with the NUL */
};

/* What a spec borrows from until the job is made. Zero it once. */
typedef struct jobsrv__job_options_s {
  jobsrv_tag_t *tags; /* and their texts behind them */
  char unique_key[JOBSRV__OPTION_KEY_SIZE];
} jobsrv__job_options_t;

/*
 * Reads `text`, a JSON value that has passed jobsrv_json_check(), into `spec`,
 * which borrows from `own` then.
 *
 * Returns 0; JOBSRV_EPAYLOAD with `*mistake`, its pointer counted from the
 * body's top; UV_ENOMEM. When not 0, `own` holds nothing and `spec` is not to
 * be used.
 */
int jobsrv__job_options_read(jobsrv__job_options_t *own,
                             jobsrv_spec_t *spec,
                             const jobsrv_alloc_t *alloc,
                             const char *text,
                             size_t len,
                             uint32_t max_tags,
                             jobsrv_mistake_t *mistake);

/*
 * Appends the JSON Schema of what is read, made from the same table; what only
 * stands together is not in it. Returns `buf->failed`.
 */
int jobsrv__job_options_schema(jobsrv__buf_t *buf, uint32_t max_tags);

void jobsrv__job_options_free(jobsrv__job_options_t *own,
                              const jobsrv_alloc_t *alloc);

#endif /* JOBSRV_SSE_JOB_OPTIONS_H_ */
