/* SPDX-License-Identifier: MIT */

#include "base/map.h"

#include "base/alloc.h"

#include <string.h>

#include <uv.h>

/*
 * Linear probing in a table of a power of two slots. Removal shifts the slots
 * behind back, so there are no tombstones and the cost does not depend on
 * history. The key of zero marks an empty slot and lives outside the table.
 */
struct jobsrv__map_slot_s {
  jobsrv__id_t key;
  uint64_t value;
};

enum { FEWEST = 16 };

static uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= UINT64_C(0xbf58476d1ce4e5b9);
  x ^= x >> 27;
  x *= UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

/*
 * The bits of a UUID are not spread evenly (version, variant, whatever made
 * it), and used raw they gather. Both halves go through one wide product.
 */
#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 wide_t;

static size_t home(const jobsrv__map_t *map, jobsrv__id_t key) {
  wide_t product =
      (wide_t) (key.hi ^ map->seed[0]) * (key.lo ^ map->seed[1]);
  uint64_t folded = (uint64_t) product ^ (uint64_t) (product >> 64);

  return (size_t) (folded ^ folded >> 32) & map->mask;
}
#else
static size_t home(const jobsrv__map_t *map, jobsrv__id_t key) {
  return (size_t) mix(mix(key.hi ^ map->seed[0]) ^ key.lo ^ map->seed[1]) &
         map->mask;
}
#endif

static int is_zero(jobsrv__id_t key) {
  return (key.hi | key.lo) == 0;
}

/* Keys in the table, the zero key aside. */
static size_t in_slots(const jobsrv__map_t *map) {
  return map->count - (size_t) map->has_zero;
}

void jobsrv__map_init(jobsrv__map_t *map,
                      const jobsrv_alloc_t *alloc,
                      uint64_t seed) {
  memset(map, 0, sizeof(*map));
  map->alloc = jobsrv__alloc(alloc);
  map->seed[0] = mix(seed + UINT64_C(0x9e3779b97f4a7c15));
  map->seed[1] = mix(map->seed[0] + UINT64_C(0x9e3779b97f4a7c15));
}

void jobsrv__map_prefetch(const jobsrv__map_t *map, jobsrv__id_t key) {
#if defined(__GNUC__) || defined(__clang__)
  if (map->slots != NULL)
    __builtin_prefetch(&map->slots[home(map, key)], 1);
#else
  (void) map;
  (void) key;
#endif
}

void jobsrv__map_free(jobsrv__map_t *map) {
  jobsrv__free(map->alloc, map->slots);
  map->slots = NULL;
  map->mask = 0;
  map->count = 0;
  map->limit = 0;
  map->has_zero = 0;
}

/* The slot that has `key`, or else the empty one where it would go. */
static jobsrv__map_slot_t *probe(const jobsrv__map_t *map, jobsrv__id_t key) {
  size_t at = home(map, key);

  while (!is_zero(map->slots[at].key) &&
         !jobsrv__id_equal(map->slots[at].key, key))
    at = (at + 1) & map->mask;
  return &map->slots[at];
}

static size_t limit_of(size_t slots) {
  return slots / 4 * 3;
}

static int rehash(jobsrv__map_t *map, size_t slots) {
  jobsrv__map_slot_t *old = map->slots;
  size_t left = in_slots(map);
  jobsrv__map_slot_t *from;

  if (slots > SIZE_MAX / sizeof(*old))
    return UV_ENOMEM;
  from = jobsrv__zalloc(map->alloc, slots * sizeof(*old));
  if (from == NULL)
    return UV_ENOMEM;

  map->slots = from;
  map->mask = slots - 1;
  map->limit = limit_of(slots);
  for (from = old; left > 0; from++) {
    if (is_zero(from->key))
      continue;
    *probe(map, from->key) = *from;
    left--;
  }
  jobsrv__free(map->alloc, old);
  return 0;
}

int jobsrv__map_reserve(jobsrv__map_t *map, size_t count) {
  size_t slots = FEWEST;

  if (count <= map->limit)
    return 0;
  while (limit_of(slots) < count) {
    if (slots > SIZE_MAX / 2)
      return UV_ENOMEM;
    slots *= 2;
  }
  return rehash(map, slots);
}

int jobsrv__map_put(jobsrv__map_t *map, jobsrv__id_t key, uint64_t value) {
  jobsrv__map_slot_t *slot;

  if (is_zero(key)) {
    if (map->has_zero)
      return UV_EEXIST;
    map->has_zero = 1;
    map->zero = value;
    map->count++;
    return 0;
  }

  if (in_slots(map) == map->limit) {
    if (jobsrv__map_get(map, key) != NULL)
      return UV_EEXIST;
    if (rehash(map, map->limit > 0 ? (map->mask + 1) * 2 : FEWEST))
      return UV_ENOMEM;
  }
  slot = probe(map, key);
  if (!is_zero(slot->key))
    return UV_EEXIST;
  slot->key = key;
  slot->value = value;
  map->count++;
  return 0;
}

uint64_t *jobsrv__map_get(const jobsrv__map_t *map, jobsrv__id_t key) {
  jobsrv__map_slot_t *slot;

  /* The value may be written through what is returned; the map itself is
   * const here because asking changes nothing. */
  if (is_zero(key))
    return map->has_zero ? (uint64_t *) &map->zero : NULL;
  if (map->slots == NULL)
    return NULL;
  slot = probe(map, key);
  return is_zero(slot->key) ? NULL : &slot->value;
}

int jobsrv__map_del(jobsrv__map_t *map, jobsrv__id_t key) {
  jobsrv__map_slot_t *slots = map->slots;
  size_t hole, at, from_home;

  if (is_zero(key)) {
    if (!map->has_zero)
      return 0;
    map->has_zero = 0;
    map->count--;
    return 1;
  }
  if (slots == NULL)
    return 0;
  hole = (size_t) (probe(map, key) - slots);
  if (is_zero(slots[hole].key))
    return 0;

  /* Whoever behind may stand in the hole without being before its home moves
   * there, until nothing is behind. */
  for (at = (hole + 1) & map->mask; !is_zero(slots[at].key);
       at = (at + 1) & map->mask) {
    from_home = (at - home(map, slots[at].key)) & map->mask;
    if (from_home >= ((at - hole) & map->mask)) {
      slots[hole] = slots[at];
      hole = at;
    }
  }
  memset(&slots[hole], 0, sizeof(slots[hole]));
  map->count--;
  return 1;
}
