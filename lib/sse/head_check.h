/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_HEAD_CHECK_H_
#define JOBSRV_SSE_HEAD_CHECK_H_

/*
 * Judges the raw head of a request before any parser sees it: what RFC 9112
 * leaves to taste, and what two parsers might read in two ways, is refused.
 * Pure; bytes may come in any pieces, each is looked at once.
 */

#include "sse/span.h"

#include <stdint.h>

typedef struct jobsrv__head_s jobsrv__head_t;
typedef struct jobsrv__head_limits_s jobsrv__head_limits_t;
typedef struct jobsrv__piece_s jobsrv__piece_t;

/* A part of the head, by its place, as the bytes may move meanwhile. */
struct jobsrv__piece_s {
  uint32_t at;
  uint32_t len;
};

struct jobsrv__head_limits_s {
  uint32_t max_line;   /* request line without its CRLF; past it 414 */
  uint32_t max_bytes;  /* field lines with their CRLFs; past it 431 */
  uint32_t max_fields; /* past it 431 */
};

enum {
  JOBSRV__HEAD_MORE = 0, /* all well so far */
  JOBSRV__HEAD_DONE,     /* `len` bytes are the head */
  JOBSRV__HEAD_REFUSED   /* `status` and `detail` say why */
};

/* Zeroed for each request. */
struct jobsrv__head_s {
  /* how far it is */
  uint32_t pos;   /* bytes looked at */
  uint32_t line;  /* where the present line begins */
  uint32_t start; /* where the request line begins: an empty one may precede */
  uint32_t fields_at;
  uint16_t n_hosts;
  uint16_t n_lengths;
  uint16_t n_codings;
  uint8_t stage;

  /* of HEAD_REFUSED */
  uint16_t status;
  const char *detail; /* a constant */

  /* of HEAD_DONE */
  uint32_t len;      /* with the empty line */
  uint32_t n_fields;
  jobsrv__piece_t method;
  jobsrv__piece_t path;  /* len 0 stands for "/" */
  jobsrv__piece_t query; /* at 0 when there is no "?" */
  jobsrv__piece_t host;  /* without port; at 0 when there is none */
  jobsrv__piece_t port;  /* at 0 when there is no ":" */
  uint64_t content_length; /* 0 without one */
  uint8_t minor;           /* of HTTP/1.x */
  uint8_t is_chunked;
  uint8_t has_length;
  uint8_t says_close;      /* Connection: close */
  uint8_t says_keep;       /* Connection: keep-alive */
  uint8_t expects_continue;
  uint8_t expects_other;   /* an expectation nobody knows */

  /* private */
  jobsrv__piece_t authority; /* of an absolute target */
  jobsrv__piece_t host_field;
  jobsrv__piece_t length_field;
  jobsrv__piece_t coding_field;
};

/*
 * Looks at what is new in `data`, which holds all bytes from the first call on
 * and perhaps those of later requests.
 */
int jobsrv__head_check(jobsrv__head_t *head,
                       const char *data,
                       size_t len,
                       const jobsrv__head_limits_t *limits);

/*
 * The rules for one field line without its CRLF, which trailers share.
 * Returns NULL, or what is wrong with it.
 */
const char *jobsrv__field_check(const char *line, size_t len, size_t *name_len);

/* 1 for a character of a token (RFC 9110, 5.6.2). */
int jobsrv__is_token_char(unsigned char c);

#endif /* JOBSRV_SSE_HEAD_CHECK_H_ */
