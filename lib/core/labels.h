/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_LABELS_H_
#define JOBSRV_CORE_LABELS_H_

/*
 * The texts a job is given at its making: whose it is, ids, tags, the trace it
 * is part of. [any], but for a spec with a parent job.
 */

#include "core/job.h"

/*
 * Returns 0, JOBSRV_ETOOBIG, or UV_EINVAL for the characters of a tag's key and
 * a trace that is none.
 */
int jobsrv__labels_check(const jobsrv_t *srv, const jobsrv_spec_t *spec);

/*
 * All labels in one block; `name` may be NULL. `*out` is NULL when there is
 * none to keep. Returns 0 or UV_ENOMEM.
 */
int jobsrv__labels_copy(const jobsrv_alloc_t *alloc,
                        const jobsrv_spec_t *spec,
                        const char *name,
                        jobsrv__labels_t **out);

#endif /* JOBSRV_CORE_LABELS_H_ */
