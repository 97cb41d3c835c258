/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_DEFLATE_H_
#define JOBSRV_SSE_DEFLATE_H_

/* All that is needed of zlib, which a build may do without. */

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__deflater_s jobsrv__deflater_t;

/* 1 when this library was built with zlib. */
int jobsrv__deflater_is_built(void);

/* A compressor with all the memory that it will ever need, or NULL. */
jobsrv__deflater_t *jobsrv__deflater_new(const jobsrv_alloc_t *alloc);
void jobsrv__deflater_free(jobsrv__deflater_t *deflater);

/* From here on it refers to nothing that came before. */
void jobsrv__deflater_reset(jobsrv__deflater_t *deflater);

/*
 * Appends raw deflate (RFC 1951). After what is the last, all that was put in
 * can be had from what came out, which ends with a whole byte. The same bytes
 * each time. Returns `to->failed`.
 */
int jobsrv__deflater_put(jobsrv__deflater_t *deflater,
                        const char *data,
                        size_t len,
                        int is_last,
                        jobsrv__buf_t *to);

/* As much as the deflate of `len` bytes, put in one go, can have. */
size_t jobsrv__deflater_bound(jobsrv__deflater_t *deflater, size_t len);

/* Goes on with a CRC-32, that of nothing being 0. */
uint32_t jobsrv__crc_add(uint32_t crc, const char *data, size_t len);

/*
 * The CRC of what has `crc` and, behind it, of what has `next`: `shift` is
 * jobsrv__crc_shift() of the length of the latter.
 */
uint32_t jobsrv__crc_shift(size_t len);
uint32_t jobsrv__crc_join(uint32_t crc, uint32_t next, uint32_t shift);

#endif /* JOBSRV_SSE_DEFLATE_H_ */
