/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_JSON_SCAN_H_
#define JOBSRV_BASE_JSON_SCAN_H_

/* The public half is jobsrv/json.h: jobsrv_json_check, jobsrv_json_locate. */

#include "jobsrv/json.h"

#include <stddef.h>

enum {
  JOBSRV__JSON_MAX_DEPTH = 1024 /* whatever the caller allows: scans recurse */
};

/*
 * [any] jobsrv_json_check() that also copies the text without its
 * insignificant white space, in the same pass. `to` has room for `len` bytes
 * and is not `text`; the result has no NUL, no line break, no control byte.
 *
 * Returns 0 with the length in `*to_len`, JOBSRV_EJSON with `*error` filled
 * (if it is not NULL), or UV_ENOMEM. On failure the bytes of `to` are
 * undefined and `*to_len` untouched.
 */
int jobsrv__json_minify(char *to,
                        size_t *to_len,
                        const char *text,
                        size_t len,
                        unsigned int max_depth,
                        jobsrv_json_error_t *error);

/*
 * [any] Fills `line` and `column` of `*where` from its `offset`. Lines end
 * with LF; columns count characters, and one for each bad subpart.
 */
void jobsrv__json_place(const char *text,
                        size_t len,
                        jobsrv_json_error_t *where);

/*
 * [any] The end of the string that begins behind the quote before `p`, without
 * its closing quote, in text that has passed the check; `end` if there is none.
 */
const char *jobsrv__json_string_end(const char *p, const char *end);

/*
 * [any] The next character of a checked string's raw content, escapes undone,
 * as a code point. `*p` < `end` moves on.
 */
unsigned long jobsrv__json_string_next(const char **p, const char *end);

#endif /* JOBSRV_BASE_JSON_SCAN_H_ */
