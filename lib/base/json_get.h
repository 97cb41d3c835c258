/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_JSON_GET_H_
#define JOBSRV_BASE_JSON_GET_H_

/* The public half is in jobsrv/json.h: jobsrv_json_value and what follows. */

#include <stddef.h>

/* A string where it stands: what is between its quotes, still escaped. */
typedef struct jobsrv__json_raw_s {
  const char *text;
  size_t len;
  size_t plain_len; /* without escapes */
  int has_nul;
} jobsrv__json_raw_t;

/* [any] Finds a string. Returns as the public calls. */
int jobsrv__json_get_raw(const char *text,
                         size_t text_len,
                         const char *name,
                         jobsrv__json_raw_t *out);

/*
 * [any] Undoes the escapes of checked content into `to`, which is no shorter
 * than it. Returns the length, of which there is never more.
 */
size_t jobsrv__json_unescape(char *to, const char *raw, size_t raw_len);

#endif /* JOBSRV_BASE_JSON_GET_H_ */
