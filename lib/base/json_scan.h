/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_JSON_SCAN_H_
#define JOBSRV_BASE_JSON_SCAN_H_

/* The public half is jobsrv/json.h: jobsrv_json_check, jobsrv_json_locate. */

#include "jobsrv/alloc.h"
#include "jobsrv/json.h"

#include <stddef.h>
#include <stdint.h>

enum {
  JOBSRV__JSON_MAX_DEPTH = 1024 /* whatever the caller allows: scans recurse */
};

/*
 * [any] jobsrv_json_check() that takes its memory from `alloc` (NULL: the C
 * library) and, when `to` is not NULL, also copies the text without its
 * insignificant white space in the same pass. `to` has room for `len` bytes
 * and is not `text`; the result has no NUL and no byte below a space.
 *
 * Returns 0 with the length in `*to_len`, JOBSRV_EJSON with `*error` filled
 * (if it is not NULL), or UV_ENOMEM. On failure the bytes of `to` are
 * undefined and `*to_len` is untouched.
 */
int jobsrv__json_scan(const jobsrv_alloc_t *alloc,
                      char *to,
                      size_t *to_len,
                      const char *text,
                      size_t len,
                      unsigned int max_depth,
                      jobsrv_json_error_t *error);

/* [any] The same with the memory of the C library. */
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
 * [any] The closing quote of the string whose content begins at `p`, in text
 * that has passed the check; `end` if there is none.
 */
const char *jobsrv__json_string_end(const char *p, const char *end);

/*
 * [any] In checked text: over white space; from a quote to behind the closing
 * one; from a value's first byte to behind its last.
 */
const char *jobsrv__json_skip_space(const char *p, const char *end);
const char *jobsrv__json_skip_string(const char *p, const char *end);
const char *jobsrv__json_skip_value(const char *p, const char *end);

/*
 * [any] In checked text: the first byte of what a pointer names, "" being all
 * of it, or of the member of an object that has this name, as it is. NULL when
 * there is none.
 */
const char *jobsrv__json_find(const char *text,
                              size_t len,
                              const char *pointer);
const char *jobsrv__json_find_member(const char *text,
                                     size_t len,
                                     const char *name);

/*
 * A walk over the members of an object in checked text; it begins `at` the
 * object's brace. A name is what stands between its quotes, still escaped.
 */
typedef struct jobsrv__json_walk_s {
  const char *at;    /* behind the value, once there is one */
  const char *name;
  const char *name_end;
  const char *value;
} jobsrv__json_walk_t;

/* [any] To the next member; 0 when there is none left. */
int jobsrv__json_walk(jobsrv__json_walk_t *walk, const char *end);

/*
 * [any] The next character of a checked string's content as a code point, its
 * escape undone. `*p` < `end` moves on.
 */
uint32_t jobsrv__json_string_next(const char **p, const char *end);

/*
 * [any] Orders two checked contents by their characters: whoever means the
 * same, however escaped, is equal. Negative, 0 or positive.
 */
int jobsrv__json_string_compare(const char *a,
                                const char *a_end,
                                const char *b,
                                const char *b_end);

#endif /* JOBSRV_BASE_JSON_SCAN_H_ */
