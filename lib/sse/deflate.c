/* SPDX-License-Identifier: MIT */

#include "sse/deflate.h"

#ifdef JOBSRV__HAVE_ZLIB

# include "base/alloc.h"

# include <limits.h>

# include <uv.h>

# define ZLIB_CONST
# include <zlib.h>

enum {
  WINDOW_BITS = -15, /* raw: header and trailer are the stream's */
  MEMORY_LEVEL = 8,
  FLUSH_ROOM = 64    /* for the marks of a flush, which the bound leaves out */
};

struct jobsrv__deflater_s {
  z_stream z;
  const jobsrv_alloc_t *alloc;
};

int jobsrv__deflater_is_built(void) {
  return 1;
}

/* Zeroed, as zlib looks at some of it before it has written there. */
static voidpf on_alloc(voidpf opaque, uInt items, uInt size) {
  return jobsrv__zalloc(opaque, (size_t) items * size);
}

static void on_free(voidpf opaque, voidpf address) {
  jobsrv__free(opaque, address);
}

jobsrv__deflater_t *jobsrv__deflater_new(const jobsrv_alloc_t *alloc) {
  jobsrv__deflater_t *deflater = jobsrv__zalloc(alloc, sizeof(*deflater));

  if (deflater == NULL)
    return NULL;
  deflater->alloc = alloc;
  deflater->z.zalloc = on_alloc;
  deflater->z.zfree = on_free;
  deflater->z.opaque = (voidpf) (uintptr_t) alloc; /* it is only handed back */
  if (deflateInit2(&deflater->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS,
                   MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
    return deflater;
  jobsrv__free(alloc, deflater);
  return NULL;
}

void jobsrv__deflater_free(jobsrv__deflater_t *deflater) {
  if (deflater == NULL)
    return;
  (void) deflateEnd(&deflater->z);
  jobsrv__free(deflater->alloc, deflater);
}

void jobsrv__deflater_reset(jobsrv__deflater_t *deflater) {
  (void) deflateReset(&deflater->z);
}

size_t jobsrv__deflater_bound(jobsrv__deflater_t *deflater, size_t len) {
  return deflateBound(&deflater->z, (uLong) len) + FLUSH_ROOM;
}

int jobsrv__deflater_put(jobsrv__deflater_t *deflater,
                        const char *data,
                        size_t len,
                        int is_last,
                        jobsrv__buf_t *to) {
  size_t room = jobsrv__deflater_bound(deflater, len);
  z_stream *z = &deflater->z;
  char *at;

  if (room > UINT_MAX)
    return to->failed = UV_ENOMEM;
  z->next_in = (const Bytef *) data;
  z->avail_in = (uInt) len;
  do {
    at = jobsrv__buf_reserve(to, room);
    if (at == NULL)
      return to->failed;
    z->next_out = (Bytef *) at;
    z->avail_out = (uInt) room;
    (void) deflate(z, is_last ? Z_FULL_FLUSH : Z_NO_FLUSH);
    to->len += room - z->avail_out;
  } while (z->avail_out == 0);
  return 0;
}

uint32_t jobsrv__crc_add(uint32_t crc, const char *data, size_t len) {
  return (uint32_t) crc32_z(crc, (const Bytef *) data, len);
}

uint32_t jobsrv__crc_shift(size_t len) {
  return (uint32_t) crc32_combine_gen((z_off_t) len);
}

uint32_t jobsrv__crc_join(uint32_t crc, uint32_t next, uint32_t shift) {
  return (uint32_t) crc32_combine_op(crc, next, shift);
}

#else

/* Nothing is made, so nothing of the rest is ever called. */

int jobsrv__deflater_is_built(void) {
  return 0;
}

jobsrv__deflater_t *jobsrv__deflater_new(const jobsrv_alloc_t *alloc) {
  (void) alloc;
  return NULL;
}

void jobsrv__deflater_free(jobsrv__deflater_t *deflater) {
  (void) deflater;
}

void jobsrv__deflater_reset(jobsrv__deflater_t *deflater) {
  (void) deflater;
}

size_t jobsrv__deflater_bound(jobsrv__deflater_t *deflater, size_t len) {
  (void) deflater;
  return len;
}

int jobsrv__deflater_put(jobsrv__deflater_t *deflater,
                        const char *data,
                        size_t len,
                        int is_last,
                        jobsrv__buf_t *to) {
  (void) deflater;
  (void) data;
  (void) len;
  (void) is_last;
  return to->failed;
}

uint32_t jobsrv__crc_add(uint32_t crc, const char *data, size_t len) {
  (void) data;
  (void) len;
  return crc;
}

uint32_t jobsrv__crc_shift(size_t len) {
  (void) len;
  return 0;
}

uint32_t jobsrv__crc_join(uint32_t crc, uint32_t next, uint32_t shift) {
  (void) next;
  (void) shift;
  return crc;
}

#endif
