/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_ID_H_
#define JOBSRV_BASE_ID_H_

/*
 * Ids are 128-bit UUIDs (version 4); text exists only where it is read or
 * written. Randomness is the kernel's, asked for a page at a time.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__id_s jobsrv__id_t;
typedef struct jobsrv__id_pool_s jobsrv__id_pool_t;

/* Fills `buf` with `len` bytes in the kernel's place: repeatable ids. */
typedef void (*jobsrv__random_cb)(void *ctx, void *buf, size_t len);

enum {
  JOBSRV__ID_LEN = 40, /* "job-" and 36 characters of UUID */
  JOBSRV__ID_SIZE = JOBSRV__ID_LEN + 1
};

struct jobsrv__id_s {
  uint64_t hi; /* the first eight bytes of the UUID, most significant first */
  uint64_t lo;
};

/* One thread's. It does not notice a fork: the owner wipes it after one. */
struct jobsrv__id_pool_s {
  jobsrv__random_cb source;
  void *ctx;
  size_t left;
  unsigned char bytes[4096];
};

/* Asks for nothing yet. A `source` of NULL is the kernel. */
void jobsrv__id_pool_init(jobsrv__id_pool_t *pool,
                          jobsrv__random_cb source,
                          void *ctx);

/* Forgets the randomness in store; the pool can be used on. */
void jobsrv__id_pool_wipe(jobsrv__id_pool_t *pool);

/*
 * Raw random bytes. What was handed out is wiped from the pool.
 *
 * Returns 0, or a negative errno of the kernel with `to` untouched.
 */
int jobsrv__id_random(jobsrv__id_pool_t *pool, void *to, size_t len);

/*
 * A new id.
 *
 * Returns 0, or a negative errno of the kernel with `*id` untouched.
 */
int jobsrv__id_make(jobsrv__id_pool_t *pool, jobsrv__id_t *id);

/* [any] "job-xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx" in lower case and a NUL. */
void jobsrv__id_format(const jobsrv__id_t *id, char to[JOBSRV__ID_SIZE]);

/*
 * [any] Reads exactly what jobsrv__id_format() writes: `len` is 40, lower
 * case, version 4.
 *
 * Returns 0, or UV_EINVAL with `*id` untouched.
 */
int jobsrv__id_parse(const char *text, size_t len, jobsrv__id_t *id);

/* [any] */
static inline int jobsrv__id_equal(jobsrv__id_t a, jobsrv__id_t b) {
  return a.hi == b.hi && a.lo == b.lo;
}

#endif /* JOBSRV_BASE_ID_H_ */
