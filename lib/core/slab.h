/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_SLAB_H_
#define JOBSRV_CORE_SLAB_H_

/* Job slots in blocks that never move. Belongs to the loop thread. */

#include "core/job.h"

typedef struct jobsrv__slab_s {
  const jobsrv_alloc_t *alloc;
  size_t slot_size; /* not a constant: the C library clears faster than
                       what compilers put in place of a known length */
  jobsrv_job_t **blocks;
  uint32_t nblocks;
  uint32_t cap;
  jobsrv_job_t *free; /* linked by `data` */
} jobsrv__slab_t;

/* A zeroed slot but for index and generation; NULL without memory. */
jobsrv_job_t *jobsrv__slab_take(jobsrv__slab_t *slab);

/* Handles to it are void from now on. */
void jobsrv__slab_give(jobsrv__slab_t *slab, jobsrv_job_t *job);

/* The slot, in use or not, or NULL for an index there never was. */
jobsrv_job_t *jobsrv__slab_at(const jobsrv__slab_t *slab, uint32_t index);

size_t jobsrv__slab_bytes(const jobsrv__slab_t *slab);

/* Frees the blocks: no slot is referenced any more. */
void jobsrv__slab_free(jobsrv__slab_t *slab);

#endif /* JOBSRV_CORE_SLAB_H_ */
