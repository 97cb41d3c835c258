/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_JSON_H
#define JOBSRV_JSON_H

/*
 * Checking JSON text before a parser sees it, and telling a person where in a
 * text a mistake is. RFC 8259, stricter where it leaves a choice: duplicate
 * names, lone surrogates, invalid UTF-8 and integers beyond 64 bits are
 * refused. Pointers are RFC 6901.
 */

#include "jobsrv/export.h"

#include <stddef.h>

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

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_JSON_H */
