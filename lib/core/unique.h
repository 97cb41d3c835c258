/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_UNIQUE_H_
#define JOBSRV_CORE_UNIQUE_H_

/*
 * Unique keys: which live jobs have which key of their operation. The newest
 * holds it; those before it have been asked to stop and have yet to let go.
 * Loop thread.
 */

#include "core/job.h"

typedef struct jobsrv__unique_s jobsrv__unique_t;

typedef struct jobsrv__uniques_s {
  jobsrv__unique_t **buckets; /* of the newest of each key */
  size_t nbuckets;            /* 0, or a power of two */
  size_t count;               /* keys */
  uint64_t seed;
} jobsrv__uniques_t;

/* The live job that holds a key, or NULL. */
jobsrv_job_t *jobsrv__unique_find(const jobsrv_t *srv,
                                  const jobsrv__operation_t *operation,
                                  const char *key);

/*
 * What a spec with a key comes to, before anything is made.
 *
 * Returns 0 with `*holder` NULL (make it) or the job to give instead of a new
 * one; JOBSRV_ECONFLICT; or JOBSRV_ENOTCANCELLABLE.
 */
int jobsrv__unique_look(const jobsrv_t *srv,
                        const jobsrv__operation_t *operation,
                        const jobsrv_spec_t *spec,
                        jobsrv_job_t **holder);

/*
 * Has a job that is not seen yet, and has its operation and a plan, keep the
 * key of its spec for jobsrv__unique_take(). Returns 0 or UV_ENOMEM.
 */
int jobsrv__unique_plan(jobsrv_job_t *job, const char *key);

/*
 * Nothing can fail any more: the key is the job's. It is held if another that
 * has it is still live.
 */
void jobsrv__unique_take(jobsrv_job_t *job);

/* The job has been seen: asks the one it takes the key from to stop. */
void jobsrv__unique_replace(jobsrv_job_t *job);

/* The job ends: it has the key no more. Before anybody is told. */
void jobsrv__unique_drop(jobsrv_job_t *job);

/* All have been told that it has ended: lets the next in line go. */
void jobsrv__unique_next(jobsrv_job_t *job);

/* The job's key, also after its end; NULL: none. */
const char *jobsrv__unique_key(const jobsrv_job_t *job);

#endif /* JOBSRV_CORE_UNIQUE_H_ */
