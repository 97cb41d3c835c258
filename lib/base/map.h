/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_MAP_H_
#define JOBSRV_BASE_MAP_H_

/*
 * From 128-bit keys to 64-bit values. Any key and any value will do, zero
 * included. Memory grows with the number of keys and stays until free.
 */

#include "base/id.h"
#include "jobsrv/alloc.h"

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__map_s jobsrv__map_t;
typedef struct jobsrv__map_slot_s jobsrv__map_slot_t;

struct jobsrv__map_s {
  const jobsrv_alloc_t *alloc;
  jobsrv__map_slot_t *slots;
  size_t mask;
  size_t count; /* all keys */
  size_t limit; /* grows when there are as many in the slots */
  uint64_t seed[2];
  uint64_t zero; /* value of the all-zero key, which marks an empty slot */
  int has_zero;
};

/*
 * Allocates nothing. `alloc` (NULL: the C library) must outlive the map.
 * `seed` should be random: who does not know it cannot choose keys that meet
 * in one place.
 */
void jobsrv__map_init(jobsrv__map_t *map,
                      const jobsrv_alloc_t *alloc,
                      uint64_t seed);

/* Gives the memory back; the map is empty and may be used again. */
void jobsrv__map_free(jobsrv__map_t *map);

/*
 * Room for `count` keys in all, so that putting up to that many cannot fail.
 *
 * Returns 0, or UV_ENOMEM with the map unchanged.
 */
int jobsrv__map_reserve(jobsrv__map_t *map, size_t count);

/*
 * Adds a key.
 *
 * Returns 0, UV_EEXIST when it is there, or UV_ENOMEM; the map is unchanged
 * in both cases.
 */
int jobsrv__map_put(jobsrv__map_t *map, jobsrv__id_t key, uint64_t value);

/* The key's value, in place until the next put or del; NULL without. */
uint64_t *jobsrv__map_get(const jobsrv__map_t *map, jobsrv__id_t key);

/* Returns 1 when the key was there, else 0. */
int jobsrv__map_del(jobsrv__map_t *map, jobsrv__id_t key);

/*
 * Fetches the memory where `key` is, or would be put, ahead of its use: random
 * keys are never in the cache by themselves.
 */
void jobsrv__map_prefetch(const jobsrv__map_t *map, jobsrv__id_t key);

static inline size_t jobsrv__map_count(const jobsrv__map_t *map) {
  return map->count;
}

#endif /* JOBSRV_BASE_MAP_H_ */
