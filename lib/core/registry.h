/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_REGISTRY_H_
#define JOBSRV_CORE_REGISTRY_H_

/*
 * All jobs: found by id or by handle, kept for a while after their end, and
 * then remembered as expired. One map holds both kinds of id, so expiring
 * neither inserts nor removes anything.
 */

#include "base/map.h"
#include "base/queue.h"
#include "core/slab.h"

typedef struct jobsrv__registry_s {
  jobsrv__slab_t slab;
  jobsrv__map_t by_id;     /* a slot's address, or 1 for an expired id */
  jobsrv__queue_t all;     /* live and retained, oldest first, by in_all */
  uint64_t number;         /* of the newest */
  jobsrv__queue_t retained[3];  /* ended jobs, by in_state: for each outcome
                                   those that ended first in front */
  uint32_t nretained_of[3];
  uint32_t nretained;      /* of all three */
  jobsrv__id_t next_id;    /* of the next job, on its way to the cache */
  int has_next_id;
  jobsrv__id_t *expired;   /* ring of max_expired ids, made with the first */
  uint32_t expired_at;
  uint32_t expired_count;
} jobsrv__registry_t;

void jobsrv__registry_init(jobsrv_t *srv, uint64_t seed);

/* Forgets every ended job; the slots stay as long as they are referenced. */
void jobsrv__registry_close(jobsrv_t *srv);

/*
 * A slot with an id, one reference (the registry's) and its mailbox reference.
 * Returns 0, UV_ENOMEM, or what the random source returned.
 */
int jobsrv__registry_add(jobsrv_t *srv, jobsrv_job_t **out);

/* Takes back what was added, with its plan, before anybody has seen it. */
void jobsrv__registry_undo(jobsrv_job_t *job);

/* Retention: the job has ended; keeps it by age and count. */
void jobsrv__registry_retain(jobsrv_job_t *job);

/* Forgets an ended job: its id answers "expired", the reference goes. */
void jobsrv__registry_expire(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_REGISTRY_H_ */
