/* SPDX-License-Identifier: MIT */

#include "base/ring.h"

#include "base/alloc.h"
#include "jobsrv/error.h"

#include <assert.h>
#include <string.h>

#include <uv.h>

/*
 * SHUT: there are no places. AGAIN: somebody has shut it since the owner last
 * began to open it. They share the word with the position, so a producer that
 * has looked at both takes its place only if neither has changed.
 */
enum {
  SHUT = 1,
  AGAIN = 2,
  SMALLEST_SHIFT = 6, /* 4 KiB */
  USUAL_SHIFT = 9,    /* 32 KiB */
  MOST_PLACES = 8192,
  FETCHED = 10        /* units that are brought near at once */
};

struct jobsrv__ring_segment_s {
  char *bytes; /* aligned to the unit */
  _Atomic uint64_t flags[];
};

typedef struct {
  uint32_t units;
  uint32_t skip; /* 1: the end of a segment, which nothing fitted in */
  uint64_t at;
} head_t;

static_assert(sizeof(head_t) <= JOBSRV__RING_HEAD, "a head has its room");

void jobsrv__ring_init(jobsrv__ring_t *ring, const jobsrv_alloc_t *alloc) {
  memset(ring, 0, sizeof(*ring));
  ring->alloc = alloc;
  atomic_init(&ring->tail, SHUT);
  atomic_init(&ring->bound, 0);
  atomic_init(&ring->places, NULL);
  atomic_init(&ring->freed, 0);
  atomic_init(&ring->memory, 0);
}

/* One place more than the limit needs: the segment at `freed` keeps its own. */
void jobsrv__ring_limit(jobsrv__ring_t *ring, size_t bytes) {
  uint64_t places = 2;

  ring->limit = bytes / JOBSRV__RING_UNIT;
  if (ring->limit == 0)
    return;
  ring->shift = SMALLEST_SHIFT;
  while (ring->shift < USUAL_SHIFT && ring->limit >> ring->shift > 2)
    ring->shift++;
  while (ring->limit >> ring->shift > MOST_PLACES - 2)
    ring->shift++;
  while (places < (ring->limit >> ring->shift) + 2)
    places *= 2;
  ring->nplaces = (uint32_t) places;
  atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
}

static size_t segment_size(const jobsrv__ring_t *ring) {
  size_t units = (size_t) 1 << ring->shift;

  return sizeof(jobsrv__ring_segment_t) + units * sizeof(uint64_t) +
         (units + 1) * JOBSRV__RING_UNIT;
}

static jobsrv__ring_segment_t *segment_new(jobsrv__ring_t *ring) {
  size_t units = (size_t) 1 << ring->shift;
  jobsrv__ring_segment_t *segment =
      jobsrv__malloc(ring->alloc, segment_size(ring));
  uintptr_t bytes;

  if (segment == NULL)
    return NULL;
  for (size_t i = 0; i < units; i++)
    atomic_init(&segment->flags[i], 0);
  segment->bytes = (char *) (segment->flags + units);
  bytes = (uintptr_t) segment->bytes;
  segment->bytes += (0 - bytes) & (JOBSRV__RING_UNIT - 1);
  atomic_fetch_add_explicit(&ring->memory, segment_size(ring),
                            memory_order_relaxed);
  return segment;
}

static void segment_free(jobsrv__ring_t *ring,
                         jobsrv__ring_segment_t *segment) {
  if (segment == NULL)
    return;
  atomic_fetch_sub_explicit(&ring->memory, segment_size(ring),
                            memory_order_relaxed);
  jobsrv__free(ring->alloc, segment);
}

void jobsrv__ring_free(jobsrv__ring_t *ring) {
  jobsrv__ring_place_t *places =
      atomic_load_explicit(&ring->places, memory_order_acquire);

  if (places == NULL)
    return;
  for (uint32_t i = 0; i < ring->nplaces; i++)
    segment_free(ring, atomic_load_explicit(&places[i], memory_order_acquire));
  jobsrv__free(ring->alloc, places);
}

static jobsrv__ring_place_t *place_of(const jobsrv__ring_t *ring,
                                      jobsrv__ring_place_t *places,
                                      uint64_t at) {
  return &places[at >> ring->shift & (ring->nplaces - 1)];
}

static uint64_t inside(const jobsrv__ring_t *ring, uint64_t at) {
  return at & (((uint64_t) 1 << ring->shift) - 1);
}

static head_t *head_at(const jobsrv__ring_t *ring,
                       jobsrv__ring_segment_t *segment,
                       uint64_t at) {
  return (head_t *) (void *) (segment->bytes +
                              inside(ring, at) * JOBSRV__RING_UNIT);
}

/* ---- producers ---- */

static jobsrv__ring_place_t *make_places(jobsrv__ring_t *ring) {
  jobsrv__ring_place_t *mine =
      jobsrv__malloc(ring->alloc, ring->nplaces * sizeof(*mine));
  jobsrv__ring_place_t *places = NULL;

  if (mine == NULL)
    return NULL;
  for (uint32_t i = 0; i < ring->nplaces; i++)
    atomic_init(&mine[i], NULL);
  if (atomic_compare_exchange_strong_explicit(&ring->places, &places, mine,
                                              memory_order_acq_rel,
                                              memory_order_acquire))
    return mine;
  jobsrv__free(ring->alloc, mine);
  return places;
}

/* The segment that `at` is in, made if need be. */
static jobsrv__ring_segment_t *need_segment(jobsrv__ring_t *ring, uint64_t at) {
  jobsrv__ring_place_t *places =
      atomic_load_explicit(&ring->places, memory_order_acquire);
  jobsrv__ring_segment_t *segment;
  jobsrv__ring_segment_t *mine;
  jobsrv__ring_place_t *place;

  if (places == NULL)
    places = make_places(ring);
  if (places == NULL)
    return NULL;
  place = place_of(ring, places, at);
  segment = atomic_load_explicit(place, memory_order_acquire);
  if (segment != NULL)
    return segment;
  mine = segment_new(ring);
  if (mine == NULL)
    return NULL;
  if (atomic_compare_exchange_strong_explicit(place, &segment, mine,
                                              memory_order_acq_rel,
                                              memory_order_acquire))
    return mine;
  segment_free(ring, mine);
  return segment;
}

/*
 * The owner's word is asked for only when the last answer does not do: else
 * each parcel would bring its line over.
 */
static int has_room(jobsrv__ring_t *ring, uint64_t end, size_t other) {
  uint64_t bound = atomic_load_explicit(&ring->bound, memory_order_acquire);
  uint64_t less = (other + JOBSRV__RING_UNIT - 1) / JOBSRV__RING_UNIT;

  if (less == 0 && end <= bound)
    return 1;
  bound = atomic_load_explicit(&ring->freed, memory_order_acquire) +
          ring->limit;
  atomic_store_explicit(&ring->bound, bound, memory_order_release);
  return end + less <= bound;
}

/* What is not filled of the segment before counts as a parcel of its own. */
static void skip(jobsrv__ring_t *ring, uint64_t at, uint64_t units) {
  jobsrv__ring_segment_t *segment = atomic_load_explicit(
      place_of(ring, atomic_load_explicit(&ring->places, memory_order_acquire),
               at),
      memory_order_acquire);
  head_t *head = head_at(ring, segment, at);

  head->units = (uint32_t) units;
  head->skip = 1;
  atomic_store_explicit(&segment->flags[inside(ring, at)], at + 1,
                        memory_order_release);
}

int jobsrv__ring_reserve(jobsrv__ring_t *ring,
                         size_t size,
                         size_t other,
                         void **room) {
  uint64_t units = (JOBSRV__RING_HEAD + size + JOBSRV__RING_UNIT - 1) /
                   JOBSRV__RING_UNIT;
  uint64_t whole = (uint64_t) 1 << ring->shift;
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
  jobsrv__ring_segment_t *segment;
  uint64_t at, rest;
  head_t *head;

  if (units > whole)
    return JOBSRV_ETOOBIG;
  do {
    if (tail & SHUT)
      return UV_EAGAIN;
    at = tail >> 2;
    rest = inside(ring, at) + units > whole ? whole - inside(ring, at) : 0;
    if (!has_room(ring, at + rest + units, other))
      return JOBSRV_EDROPPED;
    segment = need_segment(ring, at + rest);
    if (segment == NULL)
      return UV_ENOMEM;
  } while (!atomic_compare_exchange_weak_explicit(
      &ring->tail, &tail, (at + rest + units) << 2, memory_order_acq_rel,
      memory_order_acquire));

  if (rest > 0)
    skip(ring, at, rest);
  head = head_at(ring, segment, at + rest);
  head->units = (uint32_t) units;
  head->skip = 0;
  head->at = at + rest;
  *room = (char *) head + JOBSRV__RING_HEAD;
  return 0;
}

/* Like the owner's look at it a part of one order with the look at, and the
 * change of, whatever says that the owner sleeps. */
void jobsrv__ring_publish(jobsrv__ring_t *ring, void *room) {
  head_t *head = (head_t *) (void *) ((char *) room - JOBSRV__RING_HEAD);
  uint64_t at = head->at;
  jobsrv__ring_segment_t *segment = atomic_load_explicit(
      place_of(ring, atomic_load_explicit(&ring->places, memory_order_acquire),
               at),
      memory_order_acquire);

  atomic_store(&segment->flags[inside(ring, at)], at + 1);
}

void jobsrv__ring_prefetch(jobsrv__ring_t *ring) {
  uint64_t at = atomic_load_explicit(&ring->tail, memory_order_relaxed) >> 2;
  jobsrv__ring_place_t *places =
      atomic_load_explicit(&ring->places, memory_order_acquire);
  uint64_t i = inside(ring, at);
  uintptr_t from;

  if (places == NULL)
    return;
  /* Only an address is made of it: the segment itself may be gone. */
  from = (uintptr_t) atomic_load_explicit(place_of(ring, places, at),
                                          memory_order_relaxed);
  from += sizeof(jobsrv__ring_segment_t);
  __builtin_prefetch((const void *) (from + i * sizeof(uint64_t)), 1);
  from += sizeof(uint64_t) << ring->shift;
  from = (from + JOBSRV__RING_UNIT - 1) & ~(uintptr_t) (JOBSRV__RING_UNIT - 1);
  from += i * JOBSRV__RING_UNIT;
  for (int line = 0; line < FETCHED; line++, from += JOBSRV__RING_UNIT)
    __builtin_prefetch((const void *) from, 1);
}

void jobsrv__ring_shut(jobsrv__ring_t *ring) {
  if (ring->limit > 0)
    atomic_fetch_or_explicit(&ring->tail, SHUT | AGAIN, memory_order_acq_rel);
}

/* ---- the owner ---- */

int jobsrv__ring_over(const jobsrv__ring_t *ring) {
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

  return (tail & SHUT) && tail >> 2 == ring->head;
}

void jobsrv__ring_ready(jobsrv__ring_t *ring) {
  if (ring->limit > 0)
    atomic_fetch_and_explicit(&ring->tail, ~(uint64_t) AGAIN,
                              memory_order_acq_rel);
}

int jobsrv__ring_open(jobsrv__ring_t *ring) {
  uint64_t tail = ring->head << 2 | SHUT;

  return ring->limit > 0 &&
         atomic_compare_exchange_strong_explicit(
             &ring->tail, &tail, ring->head << 2, memory_order_acq_rel,
             memory_order_relaxed);
}

void *jobsrv__ring_take(jobsrv__ring_t *ring) {
  jobsrv__ring_place_t *places =
      atomic_load_explicit(&ring->places, memory_order_acquire);
  jobsrv__ring_segment_t *segment;
  uint64_t at;
  head_t *head;

  if (places == NULL)
    return NULL;
  do {
    at = ring->head;
    segment =
        atomic_load_explicit(place_of(ring, places, at), memory_order_acquire);
    if (segment == NULL ||
        atomic_load(&segment->flags[inside(ring, at)]) != at + 1)
      return NULL;
    head = head_at(ring, segment, at);
    ring->head += head->units;
  } while (head->skip);
  return (char *) head + JOBSRV__RING_HEAD;
}

/*
 * A segment that has been read goes to the first place ahead that has none. A
 * place ahead of the tail is never emptied: a producer may have looked there.
 */
static void hand_on(jobsrv__ring_t *ring,
                    jobsrv__ring_place_t *places,
                    jobsrv__ring_segment_t *segment) {
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire) >> 2;
  uint64_t whole = (uint64_t) 1 << ring->shift;
  jobsrv__ring_segment_t *none;

  if (segment == NULL)
    return;
  for (uint64_t k = 0; k <= JOBSRV__RING_AHEAD && k < ring->nplaces; k++) {
    none = NULL;
    if (atomic_compare_exchange_strong_explicit(
            place_of(ring, places, tail + k * whole), &none, segment,
            memory_order_acq_rel, memory_order_relaxed))
      return;
  }
  segment_free(ring, segment);
}

void jobsrv__ring_settle(jobsrv__ring_t *ring) {
  uint64_t freed = atomic_load_explicit(&ring->freed, memory_order_relaxed);
  uint64_t whole = (uint64_t) 1 << ring->shift;
  jobsrv__ring_place_t *places;

  if (freed == ring->head)
    return;
  places = atomic_load_explicit(&ring->places, memory_order_acquire);
  for (; freed >> ring->shift < ring->head >> ring->shift; freed += whole)
    hand_on(ring, places,
            atomic_exchange_explicit(place_of(ring, places, freed), NULL,
                                     memory_order_acq_rel));
  atomic_store_explicit(&ring->freed, ring->head, memory_order_release);
}

/* It goes on behind the segment it was in: whoever looked at that is late. */
void jobsrv__ring_trim(jobsrv__ring_t *ring) {
  uint64_t tail = ring->head << 2;
  jobsrv__ring_place_t *places =
      atomic_load_explicit(&ring->places, memory_order_acquire);

  if (places == NULL ||
      !atomic_compare_exchange_strong_explicit(&ring->tail, &tail, tail | SHUT,
                                               memory_order_acq_rel,
                                               memory_order_relaxed))
    return;
  ring->head = ((ring->head >> ring->shift) + 1) << ring->shift;
  for (uint32_t i = 0; i < ring->nplaces; i++)
    segment_free(ring, atomic_exchange_explicit(&places[i], NULL,
                                                memory_order_acq_rel));
  atomic_store_explicit(&ring->freed, ring->head, memory_order_release);
  tail |= SHUT;
  if (atomic_compare_exchange_strong_explicit(
          &ring->tail, &tail, ring->head << 2, memory_order_acq_rel,
          memory_order_relaxed))
    return;
  /* somebody has shut it meanwhile, which it stays */
  atomic_store_explicit(&ring->tail, ring->head << 2 | SHUT | AGAIN,
                        memory_order_release);
}

size_t jobsrv__ring_used(const jobsrv__ring_t *ring) {
  uint64_t freed = atomic_load_explicit(&ring->freed, memory_order_acquire);
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire) >> 2;

  return tail > freed ? (size_t) (tail - freed) * JOBSRV__RING_UNIT : 0;
}

size_t jobsrv__ring_memory(const jobsrv__ring_t *ring) {
  return atomic_load_explicit(&ring->memory, memory_order_relaxed);
}
