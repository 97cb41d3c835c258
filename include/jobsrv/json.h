/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_JSON_H
#define JOBSRV_JSON_H

/*
 * Checking JSON text before a parser sees it, telling a person where in a text
 * a mistake is, and reading single values without a parser. RFC 8259, stricter
 * where it leaves a choice: duplicate names, lone surrogates, invalid UTF-8 and
 * integers beyond 64 bits are refused. Pointers are RFC 6901.
 */

#include "jobsrv/export.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where and what. Lines and columns count from 1, columns in characters. */
typedef struct jobsrv_json_error_s {
  size_t offset;
  unsigned int line;
  unsigned int column;
  char pointer[128]; /* innermost value it is in, "" for the whole text;
                        cut at a token when it would not fit */
  char message[96];  /* "expected ',' or '}'" */
} jobsrv_json_error_t;

/*
 * [any] Checks that `text` is one JSON value nested no deeper than `max_depth`
 * (an object or array is one level; never more than 1,024). Allocates nothing
 * while no object has more than 64 names and the objects open at one place
 * have no more than 256 together; more take memory of the C library.
 *
 * Returns 0, JOBSRV_EJSON with `*error` filled, or UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_json_check(const char *text,
                      size_t len,
                      unsigned int max_depth,
                      jobsrv_json_error_t *error);

/*
 * [any] Finds the value that `pointer` names in text that has passed
 * jobsrv_json_check() and fills `offset`, `line`, `column` and `pointer` of
 * `*where`. When the value is not there, the innermost part of the path that
 * is stands in for it, so a missing member is reported at its object.
 *
 * Returns 1 when the value itself was found, else 0.
 */
JOBSRV_EXTERN int jobsrv_json_locate(const char *text,
                                     size_t len,
                                     const char *pointer,
                                     jobsrv_json_error_t *where);

/*
 * Reading one value out of text that has passed jobsrv_json_check(), such as
 * what an operation's `check` is given. `name` is the name of a member of the
 * object that the text is, as it is, or, when it begins with '/', a pointer
 * into it; "" is the whole text. Nothing is allocated; each call reads the
 * text up to the value.
 *
 * [any] All return 0; JOBSRV_ENOARG when there is no such value, so that what
 * `out` held before can be a default; JOBSRV_EARGTYPE when it is of another
 * type, or a number that the type cannot hold exactly; UV_EINVAL for a pointer
 * that is none.
 */

/* Any value, as it stands in the text. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_json_value(const char *text,
                      size_t text_len,
                      const char *name,
                      const char **out,
                      size_t *len);

/*
 * A text, unescaped, into `to`, with a NUL behind it; `len` may be NULL, and
 * one with a NUL inside is then JOBSRV_EARGTYPE. JOBSRV_ETOOBIG when it does
 * not fit `cap` bytes with its NUL: room for `text_len` bytes always will do.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_json_string(const char *text,
                       size_t text_len,
                       const char *name,
                       char *to,
                       size_t cap,
                       size_t *len);

/* 3, 3.0 and 3e0 are all the integer 3. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_json_i64(const char *text,
                    size_t text_len,
                    const char *name,
                    int64_t *out);

/* Any finite number; the nearest double, whatever the locale. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_json_double(const char *text,
                       size_t text_len,
                       const char *name,
                       double *out);

/* 1 for true, 0 for false. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_json_bool(const char *text,
                     size_t text_len,
                     const char *name,
                     int *out);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_JSON_H */
