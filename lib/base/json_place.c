/* SPDX-License-Identifier: MIT */

#include "base/json_scan.h"

#include "base/utf8.h"

#include <string.h>

/*
 * Where things are in JSON text that has been checked. Nothing here looks
 * beyond the end, whatever the text.
 */

void jobsrv__json_place(const char *text,
                        size_t len,
                        jobsrv_json_error_t *where) {
  const char *end = text + (where->offset < len ? where->offset : len);
  const char *p = text;
  const char *lf;
  uint32_t cp;

  where->line = 1;
  while (p < end && (lf = memchr(p, '\n', (size_t) (end - p))) != NULL) {
    where->line++;
    p = lf + 1;
  }
  where->column = 1;
  while (p < end) {
    p += jobsrv__utf8_decode(p, (size_t) (text + len - p), &cp);
    where->column++;
  }
}

const char *jobsrv__json_string_end(const char *p, const char *end) {
  while (p < end && *p != '"')
    p += *p == '\\' && end - p > 1 ? 2 : 1;
  return p;
}

static uint32_t hex4(const char *p) {
  uint32_t value = 0;
  int i;

  for (i = 0; i < 4; i++)
    value = value << 4 |
            (uint32_t) (p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
  return value;
}

uint32_t jobsrv__json_string_next(const char **p, const char *end) {
  static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  uint32_t cp, low;
  size_t i;

  if (**p != '\\' || end - *p < 2) {
    *p += jobsrv__utf8_decode(*p, (size_t) (end - *p), &cp);
    return cp;
  }
  if ((*p)[1] != 'u' || end - *p < 6) {
    cp = (unsigned char) (*p)[1];
    for (i = 0; i < sizeof(escapes) - 1; i += 2)
      if ((*p)[1] == escapes[i])
        cp = (unsigned char) escapes[i + 1];
    *p += 2;
    return cp;
  }

  cp = hex4(*p + 2);
  *p += 6;
  if (cp < 0xd800 || cp > 0xdbff || end - *p < 6)
    return cp;
  low = hex4(*p + 2);
  *p += 6;
  return 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
}

int jobsrv__json_string_compare(const char *a,
                                const char *a_end,
                                const char *b,
                                const char *b_end) {
  uint32_t x, y;

  while (a < a_end && b < b_end) {
    x = jobsrv__json_string_next(&a, a_end);
    y = jobsrv__json_string_next(&b, b_end);
    if (x != y)
      return x < y ? -1 : 1;
  }
  return (a < a_end) - (b < b_end);
}

const char *jobsrv__json_skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  return p;
}

const char *jobsrv__json_skip_string(const char *p, const char *end) {
  p = jobsrv__json_string_end(p + 1, end);
  return p < end ? p + 1 : end;
}

const char *jobsrv__json_skip_value(const char *p, const char *end) {
  size_t depth = 0;

  if (p < end && *p == '"')
    return jobsrv__json_skip_string(p, end);
  while (p < end) {
    if (*p == '"') {
      p = jobsrv__json_skip_string(p, end);
      continue;
    }
    if (depth == 0 && strchr(",]} \t\r\n", *p) != NULL)
      return p;
    if (*p == '{' || *p == '[')
      depth++;
    else if ((*p == '}' || *p == ']') && --depth == 0)
      return p + 1;
    p++;
  }
  return p;
}

/* Whether a member's name is this token of a pointer. */
static int name_is(const char *name,
                   const char *name_end,
                   const char *token,
                   const char *token_end) {
  uint32_t cp, want;

  while (name < name_end && token < token_end) {
    cp = jobsrv__json_string_next(&name, name_end);
    token += jobsrv__utf8_decode(token, (size_t) (token_end - token), &want);
    if (want == '~' && token < token_end && (*token == '0' || *token == '1'))
      want = *token++ == '0' ? '~' : '/';
    if (cp != want)
      return 0;
  }
  return name == name_end && token == token_end;
}

/* The same for a name as it is. */
static int name_is_plain(const char *name,
                         const char *name_end,
                         const char *want) {
  const char *want_end = want + strlen(want);
  uint32_t cp;

  while (name < name_end && want < want_end) {
    want += jobsrv__utf8_decode(want, (size_t) (want_end - want), &cp);
    if (cp != jobsrv__json_string_next(&name, name_end))
      return 0;
  }
  return name == name_end && want == want_end;
}

int jobsrv__json_walk(jobsrv__json_walk_t *w, const char *end) {
  const char *p = w->at;

  if (p < end && (*p == '{' || *p == ','))
    p = jobsrv__json_skip_space(p + 1, end);
  if (p == end || *p != '"')
    return 0;
  w->name = p + 1;
  w->name_end = jobsrv__json_string_end(p + 1, end);
  p = jobsrv__json_skip_space(jobsrv__json_skip_string(p, end), end);
  w->value = jobsrv__json_skip_space(p < end ? p + 1 : end, end); /* : */
  if (w->value == end)
    return 0;
  w->at = jobsrv__json_skip_value(w->value, end);
  w->at = jobsrv__json_skip_space(w->at, end);
  return 1;
}

static const char *find_member(const char *p,
                               const char *end,
                               const char *token,
                               const char *token_end) {
  jobsrv__json_walk_t w = { .at = p };

  while (jobsrv__json_walk(&w, end))
    if (name_is(w.name, w.name_end, token, token_end))
      return w.value;
  return NULL;
}

static const char *find_element(const char *p,
                                const char *end,
                                const char *token,
                                const char *token_end) {
  size_t index = 0;

  if (token == token_end || token_end - token > 18 ||
      (*token == '0' && token_end - token > 1))
    return NULL;
  for (; token < token_end; token++) {
    if (*token < '0' || *token > '9')
      return NULL;
    index = index * 10 + (size_t) (*token - '0');
  }

  p = jobsrv__json_skip_space(p + 1, end);
  for (; p < end && *p != ']'; index--) {
    if (index == 0)
      return p;
    p = jobsrv__json_skip_space(jobsrv__json_skip_value(p, end), end);
    if (p == end || *p == ']')
      return NULL;
    p = jobsrv__json_skip_space(p + 1, end);
  }
  return NULL;
}

/* One token of a pointer down from `value`; NULL when there is nothing. */
static const char *descend(const char *value,
                           const char *end,
                           const char *token,
                           const char *token_end) {
  if (*value == '{')
    return find_member(value, end, token, token_end);
  return *value == '[' ? find_element(value, end, token, token_end) : NULL;
}

const char *jobsrv__json_find(const char *text,
                              size_t len,
                              const char *pointer) {
  const char *end = text + len;
  const char *value = jobsrv__json_skip_space(text, end);
  const char *token_end;

  while (*pointer == '/' && value != NULL && value < end) {
    token_end = pointer + 1 + strcspn(pointer + 1, "/");
    value = descend(value, end, pointer + 1, token_end);
    pointer = token_end;
  }
  return value != NULL && value < end ? value : NULL;
}

const char *jobsrv__json_find_member(const char *text,
                                     size_t len,
                                     const char *name) {
  const char *end = text + len;
  const char *object = jobsrv__json_skip_space(text, end);
  jobsrv__json_walk_t w = { .at = object };

  if (object == end || *object != '{')
    return NULL;
  while (jobsrv__json_walk(&w, end))
    if (name_is_plain(w.name, w.name_end, name))
      return w.value;
  return NULL;
}

int jobsrv_json_locate(const char *text,
                       size_t len,
                       const char *pointer,
                       jobsrv_json_error_t *where) {
  const char *end = text + len;
  const char *value = jobsrv__json_skip_space(text, end);
  const char *at = pointer;
  const char *fits = pointer;
  const char *found, *token_end;

  while (*at == '/' && value < end) {
    token_end = at + 1 + strcspn(at + 1, "/");
    found = descend(value, end, at + 1, token_end);
    if (found == NULL)
      break;

    if (fits == at && (size_t) (token_end - pointer) < sizeof(where->pointer))
      fits = token_end;
    value = found;
    at = token_end;
  }

  where->offset = (size_t) (value - text);
  memcpy(where->pointer, pointer, (size_t) (fits - pointer));
  where->pointer[fits - pointer] = '\0';
  jobsrv__json_place(text, len, where);
  return *at == '\0' && value < end;
}
