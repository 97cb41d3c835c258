/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_PAYLOAD_H
#define JOBSRVD_PAYLOAD_H

#include <jobsrv/operation.h>

#include <jansson.h>

/*
 * Parses a payload. Returns 0 with an object of the caller's; JOBSRV_EPAYLOAD
 * with `*mistake` filled; or UV_ENOMEM.
 */
int jobsrvd_payload_load(json_t **out,
                         const char *text,
                         size_t len,
                         jobsrv_mistake_t *mistake);

/*
 * Says that member `name` is wrong; a `detail` of NULL is there already.
 * Returns JOBSRV_EPAYLOAD.
 */
int jobsrvd_payload_mistake(jobsrv_mistake_t *mistake,
                            const char *name,
                            const char *detail);

#endif /* JOBSRVD_PAYLOAD_H */
