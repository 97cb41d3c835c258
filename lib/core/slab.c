/* SPDX-License-Identifier: MIT */

#include "core/slab.h"

#include "base/alloc.h"

#include <string.h>

#include <uv.h>

#if defined(__SANITIZE_ADDRESS__)
# define POISONS 1
#elif defined(__has_feature)
# if __has_feature(address_sanitizer)
#  define POISONS 1
# endif
#endif
#ifdef POISONS
# include <sanitizer/asan_interface.h>
#endif

enum { PER_BLOCK = 64 };

/*
 * The memory of a slot is never freed while there is a server, so that handles
 * can be looked up; with an address sanitizer all else of a slot that is not
 * in use is out of bounds, as if it had been.
 */
#ifdef POISONS
static void poison(jobsrv_job_t *job) {
  __asan_poison_memory_region(job, sizeof(*job));
  __asan_unpoison_memory_region(&job->data, sizeof(job->data));
  __asan_unpoison_memory_region(&job->index, sizeof(job->index));
  __asan_unpoison_memory_region(&job->generation, sizeof(job->generation));
  __asan_unpoison_memory_region(&job->flags, sizeof(job->flags));
}

static void unpoison(jobsrv_job_t *job, size_t count) {
  __asan_unpoison_memory_region(job, count * sizeof(*job));
}
#else
static void poison(const jobsrv_job_t *job) {
  (void) job;
}

static void unpoison(const jobsrv_job_t *job, size_t count) {
  (void) job;
  (void) count;
}
#endif

static int slab_grow(jobsrv__slab_t *slab) {
  jobsrv_job_t *block;
  jobsrv_job_t **blocks;
  uint32_t cap;

  if (slab->nblocks == slab->cap) {
    cap = slab->cap != 0 ? slab->cap * 2 : 16;
    blocks = jobsrv__realloc(slab->alloc, slab->blocks, cap * sizeof(*blocks));
    if (blocks == NULL)
      return UV_ENOMEM;
    slab->blocks = blocks;
    slab->cap = cap;
  }
  block = jobsrv__zalloc(slab->alloc, PER_BLOCK * sizeof(*block));
  if (block == NULL)
    return UV_ENOMEM;
  for (uint32_t i = PER_BLOCK; i-- > 0;) {
    block[i].index = slab->nblocks * PER_BLOCK + i;
    block[i].generation = 1;
    block[i].data = slab->free;
    slab->free = &block[i];
  }
  slab->blocks[slab->nblocks++] = block;
  return 0;
}

jobsrv_job_t *jobsrv__slab_take(jobsrv__slab_t *slab) {
  jobsrv_job_t *job;
  uint32_t index, generation;

  if (slab->free == NULL && slab_grow(slab) != 0)
    return NULL;
  job = slab->free;
  slab->free = job->data;
  unpoison(job, 1);
  index = job->index;
  generation = job->generation;
  memset(job, 0, slab->slot_size);
  job->index = index;
  job->generation = generation;
  return job;
}

void jobsrv__slab_give(jobsrv__slab_t *slab, jobsrv_job_t *job) {
  job->generation++;
  if (job->generation == 0)
    job->generation = 1; /* {0, 0} is no job's handle */
  job->flags = 0;
  job->data = slab->free;
  slab->free = job;
  poison(job);
}

jobsrv_job_t *jobsrv__slab_at(const jobsrv__slab_t *slab, uint32_t index) {
  if (index / PER_BLOCK >= slab->nblocks)
    return NULL;
  return &slab->blocks[index / PER_BLOCK][index % PER_BLOCK];
}

size_t jobsrv__slab_bytes(const jobsrv__slab_t *slab) {
  return (size_t) slab->nblocks * PER_BLOCK * slab->slot_size;
}

void jobsrv__slab_free(jobsrv__slab_t *slab) {
  for (uint32_t i = 0; i < slab->nblocks; i++) {
    unpoison(slab->blocks[i], PER_BLOCK);
    jobsrv__free(slab->alloc, slab->blocks[i]);
  }
  jobsrv__free(slab->alloc, slab->blocks);
}
