/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ARGS_H
#define JOBSRV_ARGS_H

/*
 * Reading a job's payload without a JSON library. `name` is the name of a
 * member of the payload, as it is, or, when it begins with '/', a JSON Pointer
 * (RFC 6901) into it; "" is the payload itself.
 *
 *   const char *path;
 *   int64_t depth = 3;
 *   err = jobsrv_job_arg_string(job, "path", &path, NULL);
 *   if (err == 0)
 *     err = jobsrv_job_arg_i64(job, "depth", &depth);
 *
 * [any while running], like jobsrv_job_payload(). All return 0; JOBSRV_ENOARG
 * when there is no such member, so that what `out` held before can be a
 * default; JOBSRV_EARGTYPE when it is of another type, or a number that the
 * type cannot hold exactly; UV_EINVAL for a pointer that is none.
 */

#include "jobsrv/job.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The text, unescaped and NUL-terminated, lent as the payload is. One with a
 * NUL inside is JOBSRV_EARGTYPE when `len` is NULL. Also UV_ENOMEM, at the
 * first text of a payload.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_arg_string(const jobsrv_job_t *job,
                          const char *name,
                          const char **out,
                          size_t *len);

/* 3, 3.0 and 3e0 are all the integer 3. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_arg_i64(const jobsrv_job_t *job, const char *name, int64_t *out);

/* Any finite number; the nearest double, whatever the locale. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_arg_double(const jobsrv_job_t *job,
                          const char *name,
                          double *out);

/* 1 for true, 0 for false. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_arg_bool(const jobsrv_job_t *job, const char *name, int *out);

/* Any value, as it stands in the payload: `len` bytes, no NUL. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_arg_json(const jobsrv_job_t *job,
                        const char *name,
                        const char **out,
                        size_t *len);

/*
 * [any while running] Takes the payload away from the job: `*out` is the
 * caller's, NUL-terminated, to be freed with jobsrv_payload_free(). From then
 * on, in later attempts too, the job's payload is "{}", and what was lent of it
 * is void. Returns 0, or JOBSRV_ENOARG when there is none (any more).
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_payload_take(jobsrv_job_t *job, char **out, size_t *len);

/* [any] With the job it was taken from, which the caller still holds. */
JOBSRV_EXTERN void jobsrv_payload_free(const jobsrv_job_t *job, char *payload);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_ARGS_H */
