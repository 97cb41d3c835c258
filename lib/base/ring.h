/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_RING_H_
#define JOBSRV_BASE_RING_H_

/*
 * Parcels of bytes from any thread to one owner, in the order in which they
 * took their place. Their memory comes in segments, which the owner hands on
 * to the producers when it has read them: as long as it keeps up, nothing is
 * allocated. Nobody ever waits for anybody.
 *
 * A producer moves `tail` over what it needs, writes there, and raises the flag
 * of the place, which is its position: no old one is ever taken for it.
 * Positions count units and only grow.
 */

#include "jobsrv/alloc.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__ring_s jobsrv__ring_t;
typedef struct jobsrv__ring_segment_s jobsrv__ring_segment_t;

enum {
  JOBSRV__RING_UNIT = 64,
  JOBSRV__RING_HEAD = 16,  /* of a parcel, before its bytes */
  JOBSRV__RING_AHEAD = 4   /* segments that are kept for what comes next */
};

typedef _Atomic(jobsrv__ring_segment_t *) jobsrv__ring_place_t;

struct jobsrv__ring_s {
  /* the producers' line */
  _Atomic uint64_t tail;    /* position << 2 | bits */
  _Atomic uint64_t bound;   /* up to here there is known to be room */
  _Atomic(jobsrv__ring_place_t *) places; /* NULL until the first parcel */
  char apart[64 - 2 * sizeof(uint64_t) - sizeof(void *)];

  /* the owner's */
  _Atomic uint64_t freed;   /* all before it is read; any thread looks */
  uint64_t head;            /* the next to be read */
  _Atomic size_t memory;    /* bytes of all segments; any thread adds */
  char apart_too[64 - 2 * sizeof(uint64_t) - sizeof(size_t)];

  /* these do not change once it is shared */
  uint64_t limit;           /* units in flight at most; 0: takes none */
  uint32_t shift;           /* a segment is 1 << shift units */
  uint32_t nplaces;         /* a power of two */
  const jobsrv_alloc_t *alloc;
};

/* Takes nothing until it is given a limit. `alloc` must outlive it. */
void jobsrv__ring_init(jobsrv__ring_t *ring, const jobsrv_alloc_t *alloc);

/* Owner only, before it is shared: `bytes` in flight at most. */
void jobsrv__ring_limit(jobsrv__ring_t *ring, size_t bytes);

/* Nobody has a place in it any more. */
void jobsrv__ring_free(jobsrv__ring_t *ring);

/*
 * [any] A place for `size` bytes, aligned as malloc does; what `other` bytes
 * elsewhere take of the limit is not used. It must be sent, and soon: what
 * comes behind it is not read before.
 *
 * Returns 0; JOBSRV_EDROPPED: the limit; JOBSRV_ETOOBIG: longer than any place;
 * UV_EAGAIN: it is shut; UV_ENOMEM.
 */
int jobsrv__ring_reserve(jobsrv__ring_t *ring,
                         size_t size,
                         size_t other,
                         void **room);

/* [any] What `room` was given for is written, and the owner may have it. */
void jobsrv__ring_publish(jobsrv__ring_t *ring, void *room);

/* [any] Has the processor fetch what the next parcel is likely to be put in. */
void jobsrv__ring_prefetch(jobsrv__ring_t *ring);

/* [any] From now on there are no places, until the owner opens it again. */
void jobsrv__ring_shut(jobsrv__ring_t *ring);

/* Owner only. 1 when it is shut and all that was in it has been taken. */
int jobsrv__ring_over(const jobsrv__ring_t *ring);

/*
 * Owner only, in this order: readies a shut one, and opens it if nobody has
 * shut it since. `open` returns 1 when it is open.
 */
void jobsrv__ring_ready(jobsrv__ring_t *ring);
int jobsrv__ring_open(jobsrv__ring_t *ring);

/*
 * Owner only. The next parcel, lent until it is settled; NULL when there is
 * none, or when the next one's writer has not sent it yet.
 */
void *jobsrv__ring_take(jobsrv__ring_t *ring);

/* Owner only. What has been taken is done with. */
void jobsrv__ring_settle(jobsrv__ring_t *ring);

/* Owner only. 0 from the moment a parcel has taken its place. */
static inline int jobsrv__ring_empty(const jobsrv__ring_t *ring) {
  return atomic_load_explicit(&ring->tail, memory_order_acquire) >> 2 ==
         ring->head;
}

/* Owner only. Gives an empty one's memory back; harmless otherwise. */
void jobsrv__ring_trim(jobsrv__ring_t *ring);

/* [any] Bytes in flight, and bytes of memory. */
size_t jobsrv__ring_used(const jobsrv__ring_t *ring);
size_t jobsrv__ring_memory(const jobsrv__ring_t *ring);

#endif /* JOBSRV_BASE_RING_H_ */
