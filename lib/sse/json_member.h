/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_JSON_MEMBER_H_
#define JOBSRV_SSE_JSON_MEMBER_H_

/*
 * Walking over the members of one JSON object without building a tree: values
 * stay text, so a payload is handed on as it was spelled, and reading a body
 * allocates nothing. Only for text that has passed jobsrv_json_check().
 */

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__member_s {
  const char *start; /* the whole member, from its name's quote on */
  const char *name;  /* raw, without quotes */
  size_t name_len;
  const char *value; /* with its quotes or brackets */
  size_t value_len;
} jobsrv__member_t;

typedef struct jobsrv__members_s {
  const char *at;
  const char *end;
} jobsrv__members_t;

/* Begins at the first member. 0 when `text` is not an object, else 1. */
int jobsrv__members_init(jobsrv__members_t *members,
                         const char *text,
                         size_t len);

/* The next member; 0 when there is none left. */
int jobsrv__members_next(jobsrv__members_t *members, jobsrv__member_t *member);

/* 1 if the member's name, its escapes undone, is `name`. */
int jobsrv__member_is(const jobsrv__member_t *member, const char *name);

static inline int jobsrv__json_is_string(const char *value) {
  return *value == '"';
}

/*
 * Undoes the escapes of raw string content into `to`, ended by a NUL; the text
 * is never longer than the raw content.
 *
 * Returns 0 with its length in `*out`, JOBSRV_ETOOBIG when it does not fit
 * `cap`, or UV_EINVAL when it holds a NUL.
 */
int jobsrv__json_text(char *to,
                      size_t cap,
                      const char *raw,
                      size_t len,
                      size_t *out);

/*
 * Reads a whole number written without fraction and exponent.
 * Returns 0; JOBSRV_EJSON when the value is not that; JOBSRV_ETOOBIG when it
 * is negative or beyond 64 bits.
 */
int jobsrv__json_u64(const char *value, size_t len, uint64_t *out);

#endif /* JOBSRV_SSE_JSON_MEMBER_H_ */
