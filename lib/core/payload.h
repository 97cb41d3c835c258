/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_PAYLOAD_H_
#define JOBSRV_CORE_PAYLOAD_H_

/*
 * A job's payload: checked JSON text and, from the first text that is read out
 * of it on, a copy in which the texts have been unescaped where they stand.
 */

#include "jobsrv/alloc.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__payload_s {
  _Atomic(char *) plain; /* NULL until it is needed; made once */
  uint32_t len;
  char text[];
} jobsrv__payload_t;

/* A copy of `len` bytes, NUL-terminated; NULL without memory. */
jobsrv__payload_t *jobsrv__payload_new(const jobsrv_alloc_t *alloc,
                                       const char *text,
                                       size_t len);

/* Harmless on NULL. */
void jobsrv__payload_drop(const jobsrv_alloc_t *alloc,
                          jobsrv__payload_t *payload);

#endif /* JOBSRV_CORE_PAYLOAD_H_ */
