/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_JOB_BODY_H_
#define JOBSRV_SSE_JOB_BODY_H_

/* The body of POST P/jobs, taken apart. */

#include "base/buf.h"
#include "jobsrv/operation.h"
#include "sse/json_member.h"

enum {
  JOBSRV__OPERATION_SIZE = 65, /* with the NUL */
  JOBSRV__REASON_SIZE = 1025
};

typedef struct jobsrv__job_body_s {
  char operation[JOBSRV__OPERATION_SIZE];
  const char *options; /* JSON text of any kind, lent; NULL: none */
  size_t options_len;
} jobsrv__job_body_t;

/*
 * Takes `text`, which has passed jobsrv_json_check(), apart. `payload` gets
 * the object without `operation` and `options`, the other members spelled and
 * ordered as they were.
 *
 * Returns 0; JOBSRV_EPAYLOAD with `*mistake` when it is not an object or has
 * no `operation` that is a string; JOBSRV_ENOOPERATION when that cannot be the
 * name of one; UV_ENOMEM.
 */
int jobsrv__job_body_read(jobsrv__job_body_t *body,
                          jobsrv__buf_t *payload,
                          const char *text,
                          size_t len,
                          jobsrv_mistake_t *mistake);

/*
 * Reads the operation's name alone. Returns 1, or 0 when there is none that
 * could be one.
 */
int jobsrv__job_body_operation(char to[JOBSRV__OPERATION_SIZE],
                               const char *text,
                               size_t len);

/*
 * Reads the body of a request to cancel, `{"reason":"text"}`, which has passed
 * jobsrv_json_check(). `reason` gets the text, or "" when there is none.
 *
 * Returns 0, or JOBSRV_EPAYLOAD with `*mistake`.
 */
int jobsrv__cancel_body_read(char reason[JOBSRV__REASON_SIZE],
                             const char *text,
                             size_t len,
                             jobsrv_mistake_t *mistake);

/*
 * Writes a mistake: the pointer made of `parent` and, when `name` is not NULL,
 * of one more token, raw from JSON, its escapes undone and ~ and / escaped.
 * Returns JOBSRV_EPAYLOAD.
 */
int jobsrv__mistake(jobsrv_mistake_t *mistake,
                    const char *parent,
                    const jobsrv__member_t *name,
                    const char *detail);

#endif /* JOBSRV_SSE_JOB_BODY_H_ */
