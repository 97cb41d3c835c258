/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_SPEC_CHECK_H_
#define JOBSRV_CORE_SPEC_CHECK_H_

/* What a spec, an edit or an operation may say, in one place. */

#include "core/server.h"

/*
 * Everything a spec for submit says but the payload, also what only submit
 * reads; `begun` is for one that is to begin. Returns 0, UV_EINVAL or
 * JOBSRV_ETOOBIG.
 */
int jobsrv__spec_check(const jobsrv_t *srv,
                       const jobsrv_spec_t *spec,
                       int begun);

/*
 * A payload, `text` NULL for none; `def` NULL when begun, `mistake` may be
 * NULL. Returns as jobsrv_submit() does.
 */
int jobsrv__payload_check(const jobsrv_t *srv,
                          const jobsrv_operation_t *def,
                          const char *text,
                          size_t len,
                          struct jobsrv_mistake_s *mistake);

/* Returns as jobsrv_operation_add() does of the same values. */
int jobsrv__operation_check(const jobsrv_operation_t *def);

#endif /* JOBSRV_CORE_SPEC_CHECK_H_ */
