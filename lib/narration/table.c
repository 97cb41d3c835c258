/* SPDX-License-Identifier: MIT */

#include "narration/table.h"

#include "base/json_scan.h"
#include "base/utf8.h"
#include "base/width.h"
#include "narration/encode.h"
#include "narration/show.h"

#include <string.h>

/* Of checked text: a value, or a key with its quotes. */
typedef struct span_s {
  const char *at;
  const char *end;
} span_t;

typedef struct column_s {
  span_t key; /* as it was first seen */
  size_t width;
} column_t;

typedef struct table_s {
  jobsrv__buf_t *out;
  jobsrv__buf_t cell; /* the text of the one that is looked at */
  jobsrv__buf_t text; /* of a string, before it is made harmless */
  const char *indent;
  column_t columns[JOBSRV__TABLE_COLUMNS];
  size_t ncolumns;
  size_t rows;
  size_t hidden_rows;
  int hidden_columns;
} table_t;

#define PUT(buf, text) jobsrv__buf_append(buf, text, sizeof(text) - 1)

/* ---- over members and elements ---- */

/* The next key and value; `*p` is behind the `{` or the last value. */
static int next_member(const char **p,
                       const char *end,
                       span_t *key,
                       span_t *value) {
  *p = jobsrv__json_skip_space(*p, end);
  if (*p < end && **p == ',')
    *p = jobsrv__json_skip_space(*p + 1, end);
  if (*p == end || **p == '}')
    return 0;
  key->at = *p;
  key->end = *p = jobsrv__json_skip_string(*p, end);
  *p = jobsrv__json_skip_space(*p, end) + 1; /* the colon */
  value->at = *p = jobsrv__json_skip_space(*p, end);
  value->end = *p = jobsrv__json_skip_value(*p, end);
  return 1;
}

static int next_element(const char **p, const char *end, span_t *value) {
  *p = jobsrv__json_skip_space(*p, end);
  if (*p < end && **p == ',')
    *p = jobsrv__json_skip_space(*p + 1, end);
  if (*p == end || **p == ']')
    return 0;
  value->at = *p;
  value->end = *p = jobsrv__json_skip_value(*p, end);
  return 1;
}

static unsigned int count_of(span_t value) {
  const char *p = value.at + 1;
  unsigned int n = 0;
  span_t key, one;

  if (*value.at == '{')
    while (next_member(&p, value.end, &key, &one))
      n++;
  else
    while (next_element(&p, value.end, &one))
      n++;
  return n;
}

static int same_key(span_t a, span_t b) {
  return jobsrv__json_string_compare(a.at + 1, a.end - 1, b.at + 1,
                                     b.end - 1) == 0;
}

/* ---- cells ---- */

/* A string's content, about as much as can be shown of it. */
static void put_string(table_t *table, const char *p, const char *end) {
  enum { ENOUGH = JOBSRV__TABLE_CELL * 64 };
  jobsrv__buf_t *text = &table->text;
  char bytes[4];

  jobsrv__buf_reset(text);
  while (p < end && text->len < ENOUGH && text->failed == 0)
    (void) jobsrv__buf_append(
        text, bytes,
        jobsrv__utf8_encode(bytes, jobsrv__json_string_next(&p, end)));
  if (text->len > 0)
    jobsrv__show(&table->cell, text->data, text->len);
  if (text->failed != 0)
    table->cell.failed = text->failed;
}

/* Puts the value's text into `cell`, cut; returns its width. */
static size_t cell(table_t *table, span_t value) {
  jobsrv__buf_t *buf = &table->cell;
  size_t kept, width;

  jobsrv__buf_reset(buf);
  if (value.at == NULL)
    (void) jobsrv__buf_putc(buf, '-');
  else if (*value.at == '"')
    put_string(table, value.at + 1, value.end - 1);
  else if (*value.at == '[')
    (void) jobsrv__buf_printf(buf, "[%u]", count_of(value));
  else if (*value.at == '{')
    (void) jobsrv__buf_printf(buf, "{%u}", count_of(value));
  else
    (void) jobsrv__buf_append(buf, value.at, (size_t) (value.end - value.at));
  if (buf->failed != 0) {
    table->out->failed = buf->failed;
    return 0;
  }
  kept = jobsrv__width_cut(buf->data, buf->len, JOBSRV__TABLE_CELL, &width);
  if (kept == buf->len)
    return width;
  buf->len = jobsrv__width_cut(buf->data, buf->len, JOBSRV__TABLE_CELL - 1,
                               &width);
  (void) PUT(buf, "\xe2\x80\xa6");
  if (buf->failed != 0)
    table->out->failed = buf->failed;
  return width + 1;
}

/* A cell that there was no memory for was taken for one without width. */
static void put_pad(jobsrv__buf_t *buf, size_t used, size_t width) {
  for (; used < width; used++)
    (void) jobsrv__buf_putc(buf, ' ');
}

/* The cell, filled up to `width`; what ends a line is not. */
static void put_cell(table_t *table, span_t value, size_t width, int last) {
  size_t used = cell(table, value);

  (void) jobsrv__buf_append(table->out, table->cell.data, table->cell.len);
  if (last)
    return;
  put_pad(table->out, used, width);
  (void) PUT(table->out, " \xe2\x94\x82 ");
}

static void put_line(table_t *table) {
  (void) jobsrv__buf_putc(table->out, '\n');
  (void) jobsrv__buf_puts(table->out, table->indent);
}

/* ---- an array of objects ---- */

static void see_cell(table_t *table, span_t key, span_t value) {
  column_t *column = NULL;
  size_t width;

  for (size_t i = 0; column == NULL && i < table->ncolumns; i++)
    if (same_key(table->columns[i].key, key))
      column = &table->columns[i];
  if (column == NULL && table->ncolumns == JOBSRV__TABLE_COLUMNS) {
    table->hidden_columns = 1;
    return;
  }
  if (column == NULL) {
    column = &table->columns[table->ncolumns++];
    column->key = key;
    column->width = cell(table, key);
  }
  width = cell(table, value);
  if (width > column->width)
    column->width = width;
}

static void see_rows(table_t *table, span_t array) {
  const char *p = array.at + 1;
  span_t row, key, value;

  while (next_element(&p, array.end, &row)) {
    const char *q = row.at + 1;

    if (*row.at != '{')
      continue;
    if (table->rows == JOBSRV__TABLE_ROWS) {
      table->hidden_rows++;
      continue;
    }
    table->rows++;
    while (next_member(&q, row.end, &key, &value))
      see_cell(table, key, value);
  }
}

static void put_head(table_t *table) {
  for (size_t i = 0; i < table->ncolumns; i++)
    put_cell(table, table->columns[i].key, table->columns[i].width,
             i + 1 == table->ncolumns);
  put_line(table);
  for (size_t i = 0; i < table->ncolumns; i++) {
    for (size_t n = 0; n < table->columns[i].width; n++)
      (void) PUT(table->out, "\xe2\x94\x80");
    if (i + 1 < table->ncolumns)
      (void) PUT(table->out, "\xe2\x94\x80\xe2\x94\xbc\xe2\x94\x80");
  }
}

static void put_row(table_t *table, span_t row) {
  span_t key, value;

  for (size_t i = 0; i < table->ncolumns; i++) {
    const column_t *column = &table->columns[i];
    const char *p = row.at + 1;
    int found = 0;

    while (!found && next_member(&p, row.end, &key, &value))
      found = same_key(key, column->key);
    if (!found)
      value.at = value.end = NULL;
    put_cell(table, value, column->width, i + 1 == table->ncolumns);
  }
}

static void put_array(table_t *table, span_t array) {
  const char *p = array.at + 1;
  size_t left;
  span_t row;

  if (!next_element(&p, array.end, &row)) {
    (void) PUT(table->out, "(empty)");
    return;
  }
  see_rows(table, array);
  if (table->ncolumns == 0) {
    (void) PUT(table->out, "(no keys)");
    return;
  }
  put_head(table);
  p = array.at + 1;
  left = table->rows;
  while (left > 0 && next_element(&p, array.end, &row)) {
    if (*row.at != '{')
      continue;
    put_line(table);
    put_row(table, row);
    left--;
  }
}

/* ---- an object ---- */

static void put_object(table_t *table, span_t object) {
  const char *p = object.at + 1;
  span_t key, value;
  size_t width = 0, used;

  for (; next_member(&p, object.end, &key, &value); table->rows++) {
    used = cell(table, key);
    if (table->rows < JOBSRV__TABLE_ROWS && used > width)
      width = used;
  }
  if (table->rows == 0) {
    (void) PUT(table->out, "(empty)");
    return;
  }
  if (table->rows > JOBSRV__TABLE_ROWS) {
    table->hidden_rows = table->rows - JOBSRV__TABLE_ROWS;
    table->rows = JOBSRV__TABLE_ROWS;
  }
  p = object.at + 1;
  for (size_t i = 0;
       i < table->rows && next_member(&p, object.end, &key, &value); i++) {
    if (i > 0)
      put_line(table);
    put_cell(table, key, width, 0);
    put_cell(table, value, 0, 1);
  }
}

int jobsrv__table_put(jobsrv__buf_t *buf,
                      const char *json,
                      size_t len,
                      const char *indent) {
  table_t table = { .out = buf, .indent = indent };
  size_t from = buf->len;
  span_t all;
  int err = jobsrv_json_check(json, len, JOBSRV__FIELD_DEPTH, NULL);

  if (err == 0)
    err = buf->failed;
  if (err != 0)
    return err;
  jobsrv__buf_init(&table.cell, buf->alloc, 0);
  jobsrv__buf_init(&table.text, buf->alloc, 0);
  all.at = jobsrv__json_skip_space(json, json + len);
  all.end = jobsrv__json_skip_value(all.at, json + len);
  (void) jobsrv__buf_puts(buf, indent);
  if (*all.at == '[')
    put_array(&table, all);
  else if (*all.at == '{')
    put_object(&table, all);
  else
    put_cell(&table, all, 0, 1);
  if (table.hidden_rows > 0) {
    put_line(&table);
    (void) jobsrv__buf_printf(buf, "\xe2\x80\xa6 and %zu more",
                              table.hidden_rows);
  }
  if (table.hidden_columns) {
    put_line(&table);
    (void) PUT(buf, "\xe2\x80\xa6 and more columns");
  }
  jobsrv__buf_free(&table.cell);
  jobsrv__buf_free(&table.text);
  err = buf->failed;
  if (err != 0) {
    buf->len = from;
    buf->failed = 0;
  }
  return err;
}
