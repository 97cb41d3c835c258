/* SPDX-License-Identifier: MIT */

#include "base/json_scan.h"

#include "base/alloc.h"
#include "base/json_token.h"
#include "base/utf8.h"
#include "jobsrv/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

/*
 * One recursive pass. Each container is a level on the C stack, so that the
 * path to a mistake is there when it is needed and costs nothing before. The
 * member names of all open objects lie on one stack: few of them are compared
 * as they come, those of a large object are sorted when it ends.
 */
typedef struct level_s level_t;
typedef struct name_s name_t;
typedef struct scan_s scan_t;

enum {
  FEW = 64,       /* names in one object that are compared one by one */
  FIXED = 4 * FEW /* names in all open objects before memory is asked for */
};

struct level_s {
  const level_t *up;
  int inside; /* in a value of it, which `name` or else `index` tells */
  const char *name;
  const char *name_end;
  size_t index;
};

struct name_s {
  const char *begin;
  const char *end;
  uint32_t hash;
};

struct scan_s {
  const jobsrv_alloc_t *alloc;
  const char *text;
  const char *end;
  const char *p;
  char *out;
  size_t out_len;
  const char *uncopied; /* from here to `p` is still to go to `out` */
  const level_t *level;
  unsigned int depth;
  unsigned int max_depth;
  size_t count;
  size_t cap;
  name_t *names;
  jobsrv_json_error_t *error;
  name_t fixed[FIXED];
};

/* "/" and the token, 0 when it does not fit or holds a NUL. */
static size_t put_token(const level_t *level, char *to, size_t room) {
  const char *p = level->name;
  size_t len = 1;
  char bytes[4];
  uint32_t cp;
  size_t n;
  int written;

  if (p == NULL) {
    written = snprintf(to, room, "/%zu", level->index);
    return (size_t) written < room ? (size_t) written : 0;
  }
  to[0] = '/';
  while (p < level->name_end) {
    cp = jobsrv__json_string_next(&p, level->name_end);
    n = jobsrv__utf8_encode(bytes, cp);
    if (cp == '~' || cp == '/') {
      bytes[0] = '~';
      bytes[1] = cp == '~' ? '0' : '1';
      n = 2;
    }
    if (cp == 0 || len + n >= room)
      return 0;
    memcpy(to + len, bytes, n);
    len += n;
  }
  return len;
}

/* Writes the path from the outside in. 1 while all of it has fitted. */
static int put_path(const level_t *level, char *to, size_t cap, size_t *len) {
  size_t n;

  if (level == NULL)
    return 1;
  if (!put_path(level->up, to, cap, len))
    return 0;
  if (!level->inside)
    return 1;
  n = cap - *len > 1 ? put_token(level, to + *len, cap - *len) : 0;
  *len += n;
  return n > 0;
}

static int fail(scan_t *scan, const char *at, const char *fmt, ...)
    JOBSRV_PRINTF(3, 4);

static int fail(scan_t *scan, const char *at, const char *fmt, ...) {
  jobsrv_json_error_t *error = scan->error;
  size_t len = 0;
  va_list args;

  if (error == NULL)
    return JOBSRV_EJSON;

  memset(error, 0, sizeof(*error));
  error->offset = (size_t) (at - scan->text);
  jobsrv__json_place(scan->text, (size_t) (scan->end - scan->text), error);
  (void) put_path(scan->level, error->pointer, sizeof(error->pointer), &len);
  error->pointer[len] = '\0';
  va_start(args, fmt);
  (void) vsnprintf(error->message, sizeof(error->message), fmt, args);
  va_end(args);
  return JOBSRV_EJSON;
}

static void copy_up_to(scan_t *scan, const char *p) {
  size_t n = (size_t) (p - scan->uncopied);

  if (scan->out == NULL || n == 0)
    return;
  memcpy(scan->out + scan->out_len, scan->uncopied, n);
  scan->out_len += n;
}

static void skip_space(scan_t *scan) {
  const char *p = scan->p;

  while (p < scan->end &&
         (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  if (p == scan->p)
    return;
  copy_up_to(scan, scan->p);
  scan->uncopied = p;
  scan->p = p;
}

/* Takes `c` and the space behind it if it comes next. */
static int take(scan_t *scan, char c) {
  if (scan->p == scan->end || *scan->p != c)
    return 0;
  scan->p++;
  skip_space(scan);
  return 1;
}

static int scan_string(scan_t *scan) {
  const char *message = jobsrv__json_token_string(&scan->p, scan->end);

  return message == NULL ? 0 : fail(scan, scan->p, "%s", message);
}

static int scan_number(scan_t *scan) {
  const char *message = jobsrv__json_token_number(&scan->p, scan->end);

  return message == NULL ? 0 : fail(scan, scan->p, "%s", message);
}

static int scan_word(scan_t *scan, const char *word) {
  size_t len = strlen(word);

  if ((size_t) (scan->end - scan->p) < len ||
      memcmp(scan->p, word, len) != 0)
    return fail(scan, scan->p, "expected '%s'", word);
  scan->p += len;
  return 0;
}

static int scan_value(scan_t *scan, const char *expected);

/* Enters the container whose bracket comes next. */
static int enter(scan_t *scan, const level_t *level) {
  if (scan->depth == scan->max_depth)
    return fail(scan, scan->p, "nesting deeper than %u", scan->max_depth);
  scan->depth++;
  scan->level = level;
  scan->p++;
  skip_space(scan);
  return 0;
}

/* Leaves it when its closing bracket comes next. */
static int leave(scan_t *scan, char bracket) {
  if (scan->p == scan->end || *scan->p != bracket)
    return 0;
  scan->p++;
  scan->depth--;
  scan->level = scan->level->up;
  return 1;
}

static int scan_array(scan_t *scan) {
  const char *expected = "expected a value or ']'";
  level_t level = { .up = scan->level };
  int err;

  err = enter(scan, &level);
  if (err || leave(scan, ']'))
    return err;
  for (;;) {
    /* What is missing behind the bracket is missing in the array itself. */
    level.inside = level.index > 0 || scan->p < scan->end;
    err = scan_value(scan, expected);
    if (err)
      return err;
    level.inside = 0;
    skip_space(scan);
    if (leave(scan, ']'))
      return 0;
    if (!take(scan, ','))
      return fail(scan, scan->p, "expected ',' or ']'");
    level.index++;
    expected = "expected a value";
  }
}

static int grow_names(scan_t *scan) {
  size_t cap = scan->cap * 2;
  name_t *old = scan->names != scan->fixed ? scan->names : NULL;
  name_t *names;

  names = jobsrv__realloc(scan->alloc, old, cap * sizeof(*names));
  if (names == NULL)
    return UV_ENOMEM;
  if (old == NULL)
    memcpy(names, scan->fixed, sizeof(scan->fixed));
  scan->names = names;
  scan->cap = cap;
  return 0;
}

static int fail_twice(scan_t *scan, const name_t *name) {
  size_t len = (size_t) (name->end - name->begin);
  size_t shown = jobsrv__utf8_cut(name->begin, len, 64);

  return fail(scan, name->begin - 1, "duplicate name \"%.*s%s\"", (int) shown,
              name->begin, shown < len ? "..." : "");
}

/* Adds the name just read, `first` being where its object's begin. */
static int add_name(scan_t *scan, size_t first, const char *begin) {
  const char *p = begin;
  name_t name = { .begin = begin, .end = scan->p - 1, .hash = 2166136261u };
  size_t i;

  while (p < name.end) {
    name.hash ^= jobsrv__json_string_next(&p, name.end);
    name.hash *= 16777619u;
  }
  for (i = first; i < scan->count && scan->count - first < FEW; i++)
    if (scan->names[i].hash == name.hash &&
        jobsrv__json_string_compare(scan->names[i].begin, scan->names[i].end,
                                    name.begin, name.end) == 0)
      return fail_twice(scan, &name);

  if (scan->count == scan->cap && grow_names(scan))
    return UV_ENOMEM;
  scan->names[scan->count++] = name;
  return 0;
}

static int compare_names(const void *a, const void *b) {
  const name_t *x = a;
  const name_t *y = b;
  int order =
      jobsrv__json_string_compare(x->begin, x->end, y->begin, y->end);

  if (order != 0)
    return order;
  return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Forgets an object's names; of a large one it compares them first. */
static int end_names(scan_t *scan, size_t first) {
  name_t *names = scan->names + first;
  size_t count = scan->count - first;
  const name_t *twice = NULL;
  size_t i;

  scan->count = first;
  if (count <= FEW)
    return 0;
  qsort(names, count, sizeof(*names), compare_names);
  for (i = 1; i < count; i++)
    if (jobsrv__json_string_compare(names[i - 1].begin, names[i - 1].end,
                                    names[i].begin, names[i].end) == 0 &&
        (twice == NULL || names[i].begin < twice->begin))
      twice = &names[i];
  return twice == NULL ? 0 : fail_twice(scan, twice);
}

static int scan_member(scan_t *scan, level_t *level, size_t first) {
  const char *name = scan->p + 1;
  int err;

  err = scan_string(scan);
  if (err)
    return err;
  err = add_name(scan, first, name);
  if (err)
    return err;
  level->name = name;
  level->name_end = scan->p - 1;
  skip_space(scan);
  if (!take(scan, ':'))
    return fail(scan, scan->p, "expected ':'");

  level->inside = 1;
  err = scan_value(scan, "expected a value");
  if (err)
    return err;
  level->inside = 0;
  skip_space(scan);
  return 0;
}

static int scan_object(scan_t *scan) {
  const char *expected = "expected a name or '}'";
  size_t first = scan->count;
  level_t level = { .up = scan->level };
  int err;

  err = enter(scan, &level);
  if (err || leave(scan, '}'))
    return err;
  for (;;) {
    if (scan->p == scan->end || *scan->p != '"')
      return fail(scan, scan->p, "%s", expected);
    err = scan_member(scan, &level, first);
    if (err)
      return err;
    if (scan->p < scan->end && *scan->p == '}')
      break;
    if (!take(scan, ','))
      return fail(scan, scan->p, "expected ',' or '}'");
    expected = "expected a name";
  }

  err = end_names(scan, first);
  if (err == 0)
    (void) leave(scan, '}');
  return err;
}

static int scan_value(scan_t *scan, const char *expected) {
  if (scan->p == scan->end)
    return fail(scan, scan->p, "%s", expected);
  switch (*scan->p) {
    case '{':
      return scan_object(scan);
    case '[':
      return scan_array(scan);
    case '"':
      return scan_string(scan);
    case 't':
      return scan_word(scan, "true");
    case 'f':
      return scan_word(scan, "false");
    case 'n':
      return scan_word(scan, "null");
    default:
      if (*scan->p != '-' && (*scan->p < '0' || *scan->p > '9'))
        return fail(scan, scan->p, "%s", expected);
      return scan_number(scan);
  }
}

static int scan_text(scan_t *scan) {
  int err;

  if (scan->end - scan->p >= 3 && memcmp(scan->p, "\xef\xbb\xbf", 3) == 0)
    return fail(scan, scan->p, "the text begins with a byte order mark");
  skip_space(scan);
  err = scan_value(scan, "expected a value");
  if (err)
    return err;
  skip_space(scan);
  if (scan->p != scan->end)
    return fail(scan, scan->p, "expected the end of the text");
  copy_up_to(scan, scan->end);
  return 0;
}

int jobsrv__json_scan(const jobsrv_alloc_t *alloc,
                      char *to,
                      size_t *to_len,
                      const char *text,
                      size_t len,
                      unsigned int max_depth,
                      jobsrv_json_error_t *error) {
  scan_t scan;
  int err;

  memset(&scan, 0, offsetof(scan_t, fixed));
  scan.alloc = jobsrv__alloc(alloc);
  scan.text = text;
  scan.end = text + len;
  scan.p = text;
  scan.out = to;
  scan.uncopied = text;
  scan.max_depth = max_depth < JOBSRV__JSON_MAX_DEPTH ? max_depth
                                                      : JOBSRV__JSON_MAX_DEPTH;
  scan.cap = FIXED;
  scan.names = scan.fixed;
  scan.error = error;

  err = scan_text(&scan);
  if (err == 0 && to != NULL)
    *to_len = scan.out_len;
  if (scan.names != scan.fixed)
    jobsrv__free(scan.alloc, scan.names);
  return err;
}

int jobsrv__json_minify(char *to,
                        size_t *to_len,
                        const char *text,
                        size_t len,
                        unsigned int max_depth,
                        jobsrv_json_error_t *error) {
  return jobsrv__json_scan(NULL, to, to_len, text, len, max_depth, error);
}

int jobsrv_json_check(const char *text,
                      size_t len,
                      unsigned int max_depth,
                      jobsrv_json_error_t *error) {
  return jobsrv__json_scan(NULL, NULL, NULL, text, len, max_depth, error);
}
