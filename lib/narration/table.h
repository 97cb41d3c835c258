/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_TABLE_H_
#define JOBSRV_NARRATION_TABLE_H_

/*
 * JSON as a table for people who read text with letters of one width:
 *
 *   name    | size            name | big
 *   --------+-----            size | 12
 *   big     | 12              tags | [3]
 *   small   | -
 *
 * (with lines for the bars). An array has a row for each object in it, a column
 * for each key, in the order of their appearance; what is not an object is left
 * out. An object has a row for each member. Strings stand without quotes,
 * arrays and objects as their counts, `[2]` and `{2}`; what is missing is `-`.
 * "(empty)" stands for nothing at all, "(no keys)" for rows without any.
 */

#include "base/buf.h"

/* Columns a cell may take, then an ellipsis; rows and columns of a table. */
enum {
  JOBSRV__TABLE_CELL = 40,
  JOBSRV__TABLE_ROWS = 100,
  JOBSRV__TABLE_COLUMNS = 16
};

/*
 * Lines with LF between them and none at the end, each behind `indent`. What is
 * beyond the bounds is told in a line of its own. Controls are shown escaped.
 * Returns 0, JOBSRV_EJSON, UV_ENOMEM or what the buffer returned; `buf` is
 * then as it was.
 */
int jobsrv__table_put(jobsrv__buf_t *buf,
                      const char *json,
                      size_t len,
                      const char *indent);

#endif /* JOBSRV_NARRATION_TABLE_H_ */
