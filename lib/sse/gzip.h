/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_GZIP_H_
#define JOBSRV_SSE_GZIP_H_

/*
 * Streams as gzip (RFC 1952). What a stream is sent in one go is a piece: it
 * refers to nothing before it, a reader has all of it once it has the piece,
 * and it ends with a whole byte. So pieces can stand behind one another whoever
 * made them, and those who watch the same log and stand at the same place are
 * sent the same one, made once. A stream itself keeps a checksum and a length,
 * both of which can be added to, and no compressor.
 *
 * Who stands elsewhere, or has something of its own to be sent, has a piece
 * made for it; as all read to the end of what there is, it stands where the
 * others do after that.
 */

#include "base/buf.h"
#include "base/id.h"
#include "sse/span.h"

/* One of a loop: a compressor, and the pieces that were made last. */
typedef struct jobsrv__packer_s jobsrv__packer_t;

/* What can be sent to more than one; not written again. */
typedef struct jobsrv__gzip_piece_s {
  uint32_t refs;
  uint32_t log_len;   /* how much of the log is in it, framing included */
  jobsrv__id_t job;   /* whose log; of what is in no log: zero */
  uint64_t after;     /* the event that it begins behind */
  uint32_t plain_len;
  uint32_t crc;       /* of what is in it */
  uint32_t shift;     /* and jobsrv__crc_shift() of its length */
  uint32_t len;
  const char *plain;  /* of what is in no log: what it is told by */
  char bytes[];       /* one chunk of HTTP/1.1 */
} jobsrv__gzip_piece_t;

/* What one stream needs to know. */
typedef struct jobsrv__gzip_s {
  jobsrv__id_t job;
  jobsrv__gzip_piece_t *piece; /* being sent, referenced; NULL: none */
  uint32_t sent;          /* of its bytes */
  uint32_t crc;           /* of all before it and it, */
  uint32_t len;           /* and how long that is, modulo 2^32 */
  uint8_t has_begun;      /* gzip's own header is sent */
  uint8_t is_counted;     /* so is its end */
} jobsrv__gzip_t;

typedef struct jobsrv__packer_stats_s {
  uint64_t made;         /* pieces, */
  uint64_t shared;       /* and times that one was sent once more */
  uint64_t plain_bytes;  /* of streams */
  uint64_t packed_bytes; /* that these were sent as, framing left out */
} jobsrv__packer_stats_t;

/*
 * Or NULL: there is no memory, or no zlib. `alloc` must outlive it. Packing
 * never fails for `largest` bytes of one stream's own.
 */
jobsrv__packer_t *jobsrv__packer_new(const jobsrv_alloc_t *alloc,
                                     size_t largest);
void jobsrv__packer_free(jobsrv__packer_t *packer);

/* 1 when there can be one. */
int jobsrv__packer_is_built(void);

/*
 * Of what is sent once to each, compressing is most of the work. 1 when it has
 * done as much as a turn of the loop should have; until the next is begun.
 */
int jobsrv__packer_is_tired(const jobsrv__packer_t *packer);
void jobsrv__packer_rested(jobsrv__packer_t *packer);

const jobsrv__packer_stats_t *jobsrv__packer_stats(
    const jobsrv__packer_t *packer);

/*
 * Packs what is one stream's own, without framing, and frames it; `is_last`:
 * what ends gzip's and HTTP's body follows. Then, and only then, `gzip` stays
 * as it was, so that the same can be had again.
 *
 * The result is lent until the next call. Returns 0, or UV_ENOMEM.
 */
int jobsrv__gzip_pack(jobsrv__packer_t *packer,
                      jobsrv__gzip_t *gzip,
                      jobsrv__span_t plain,
                      int chunked,
                      int is_last,
                      jobsrv__span_t *out);

/*
 * Begins to send what comes next: `log` is a run of whole frames of a log, as
 * they lie there, behind the event `after`; it takes the first or more of them.
 * With `is_progress` it is one frame that is in no log.
 *
 * Returns 0, or UV_ENOMEM. Afterwards there is a piece.
 */
int jobsrv__gzip_take(jobsrv__packer_t *packer,
                      jobsrv__gzip_t *gzip,
                      jobsrv__span_t log,
                      uint64_t after,
                      int is_progress);

/* What is left of its piece. */
jobsrv__span_t jobsrv__gzip_rest(const jobsrv__gzip_t *gzip, int chunked);

/* It is sent, or will not be. NULL and having none are harmless. */
void jobsrv__gzip_drop(jobsrv__packer_t *packer, jobsrv__gzip_t *gzip);

#endif /* JOBSRV_SSE_GZIP_H_ */
