/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_BODY_H_
#define JOBSRV_SSE_BODY_H_

/*
 * Takes the body of a request out of the bytes behind its head, by length or
 * by chunks. Chunk framing is read to the letter: hexadecimal size, extensions,
 * CR, LF and nothing else. Pure; bytes may come in any pieces.
 */

#include "base/buf.h"
#include "sse/head_check.h"

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__body_s jobsrv__body_t;
typedef struct jobsrv__body_limits_s jobsrv__body_limits_t;

struct jobsrv__body_limits_s {
  uint64_t max_body;      /* past it 413 */
  uint32_t max_extension; /* of all chunks together; past it 413 */
  uint32_t max_trailer;   /* trailer lines with their CRLFs; past it 431 */
};

enum {
  JOBSRV__BODY_MORE = 0,
  JOBSRV__BODY_DONE,
  JOBSRV__BODY_REFUSED /* `status` and `detail` say why */
};

enum {
  JOBSRV__BODY_NAME_MAX = 24 /* no trailer name of interest is longer */
};

struct jobsrv__body_s {
  jobsrv__body_limits_t limits;
  uint64_t left;  /* of the body, or of the present chunk */
  uint64_t total; /* taken or announced so far */
  uint32_t extension;
  uint32_t trailer;
  uint8_t stage;
  uint8_t digits;
  uint8_t name_len;
  char name[JOBSRV__BODY_NAME_MAX]; /* of a trailer field, in lower case */
  uint16_t status;
  const char *detail; /* a constant */
};

/*
 * Begins with the body that a checked head announces.
 *
 * Returns BODY_MORE, BODY_DONE when there is none, or BODY_REFUSED (413) when
 * its length is beyond the limit.
 */
int jobsrv__body_init(jobsrv__body_t *body,
                      const jobsrv__head_t *head,
                      const jobsrv__body_limits_t *limits);

/*
 * Reads from `data`; `*used` is how much of it belongs to the body. What the
 * body says goes behind `to`, unless that is NULL. When `to` fails, its code is
 * there and the result means nothing.
 */
int jobsrv__body_feed(jobsrv__body_t *body,
                      const char *data,
                      size_t len,
                      size_t *used,
                      jobsrv__buf_t *to);

#endif /* JOBSRV_SSE_BODY_H_ */
