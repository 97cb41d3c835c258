/* SPDX-License-Identifier: MIT */

#include "narration/redact_find.h"

#include <string.h>
#include <strings.h>

enum {
  MAX_BLANKS = 16,    /* between a name and its sign */
  MAX_NAME = 64,      /* as written */
  MAX_LABEL = 80,     /* of a PEM block */
  LONG_USER = 20,     /* one in a URL that is taken for a token */
  BEARER_MIN = 8,
  JWT_HEAD = 8,
  JWT_BODY = 4
};

typedef struct {
  const jobsrv_redactor_t *redactor;
  const char *text;
  size_t len;
  size_t from;  /* what is before has been dealt with */
  size_t start; /* of what was found */
  size_t end;
} finder;

static int is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int is_blank(char c) {
  return c == ' ' || c == '\t';
}

static int is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 1 if a word begins at `at`. */
static int word_begins(const finder *f, size_t at) {
  return at >= f->from && (at == 0 || !is_word(f->text[at - 1]));
}

static int has(const finder *f, size_t at, const char *what) {
  size_t n = strlen(what);

  return f->len - at >= n && memcmp(f->text + at, what, n) == 0;
}

static int found(finder *f, size_t start, size_t end) {
  if (start < f->from || start >= end)
    return 0;
  f->start = start;
  f->end = end;
  return 1;
}

/* ---- names ---- */

size_t jobsrv__redact_plain(char to[JOBSRV__REDACT_NAME],
                            const char *name,
                            size_t len) {
  char back[JOBSRV__REDACT_NAME];
  size_t n = 0;

  while (len > 0 && n < sizeof(back)) {
    char c = name[--len];

    if (c == '-' || c == '_')
      continue;
    back[n++] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
  }
  for (size_t i = 0; i < n; i++)
    to[i] = back[n - 1 - i];
  return n;
}

const jobsrv__redact_name_t *
jobsrv__redact_name(const jobsrv_redactor_t *redactor,
                    const char *plain,
                    size_t len) {
  for (size_t i = 0; i < redactor->nnames; i++) {
    const jobsrv__redact_name_t *name = &redactor->names[i];

    if (name->len <= len && name->plain[name->len - 1] == plain[len - 1] &&
        memcmp(name->plain, plain + len - name->len, name->len) == 0)
      return name;
  }
  return NULL;
}

/* The listed name before the sign at `at`, quoted or not, or NULL. */
static const jobsrv__redact_name_t *name_before(const finder *f, size_t at) {
  char plain[JOBSRV__REDACT_NAME];
  size_t end = at;
  size_t begin, n;

  while (end > f->from && at - end < MAX_BLANKS && is_blank(f->text[end - 1]))
    end--;
  if (end > f->from && (f->text[end - 1] == '"' || f->text[end - 1] == '\'')) {
    end--;
    if (end > f->from && f->text[end - 1] == '\\')
      end--;
  }
  if (end == f->from ||
      !f->redactor->name_ends[(unsigned char) f->text[end - 1]])
    return NULL;
  begin = end;
  while (begin > f->from && end - begin < MAX_NAME &&
         is_word(f->text[begin - 1]))
    begin--;
  n = jobsrv__redact_plain(plain, f->text + begin, end - begin);
  return n > 0 ? jobsrv__redact_name(f->redactor, plain, n) : NULL;
}

/* ---- values ---- */

/* A quoted one ends at its quote, escaped ones aside; without one, at the end.
   In JSON inside of a text the quotes themselves are escaped. */
static size_t quoted_end(const finder *f, size_t at, char quote, int escaped) {
  while (at < f->len) {
    if (escaped && has(f, at, "\\\""))
      return at;
    if (!escaped && f->text[at] == quote)
      return at;
    at += f->text[at] == '\\' && at + 1 < f->len ? 2 : 1;
  }
  return f->len;
}

static int ends_value(char c) {
  return (c >= 0 && c <= ' ') || c == 0x7f ||
         strchr(",;&)]}\"'<>|`", c) != NULL;
}

static size_t plain_end(const finder *f, size_t at, uint8_t until) {
  size_t scheme = at;

  if (until == JOBSRV__UNTIL_LINE) {
    while (at < f->len && f->text[at] != '\n' && f->text[at] != '\r')
      at++;
    return at;
  }
  if (until == JOBSRV__UNTIL_CREDENTIALS) {
    while (scheme < f->len && is_letter(f->text[scheme]))
      scheme++;
    if (scheme > at && scheme < f->len && is_blank(f->text[scheme])) {
      while (scheme < f->len && is_blank(f->text[scheme]))
        scheme++;
      at = scheme;
    }
  }
  while (at < f->len && !ends_value(f->text[at]))
    at++;
  return at;
}

static int is_literal(const char *text, size_t len) {
  return (len == 4 && (memcmp(text, "null", 4) == 0 ||
                       memcmp(text, "true", 4) == 0)) ||
         (len == 5 && memcmp(text, "false", 5) == 0);
}

static int value_of(finder *f,
                    size_t at,
                    const jobsrv__redact_name_t *name) {
  char quote = '\0';
  int escaped;
  size_t end;

  while (at < f->len && is_blank(f->text[at]))
    at++;
  escaped = has(f, at, "\\\"");
  at += (size_t) escaped;
  if (at < f->len && (f->text[at] == '"' || f->text[at] == '\''))
    quote = f->text[at++];
  /* it has been here: before the end is looked for, which may be far */
  if (has(f, at, f->redactor->replacement))
    return 0;
  end = quote != '\0' ? quoted_end(f, at, quote, escaped)
                      : plain_end(f, at, name->until);
  if (quote == '\0' && is_literal(f->text + at, end - at))
    return 0;
  return found(f, at, end);
}

/* scheme://user:password@host, from its colon. */
static int url(finder *f, size_t at) {
  size_t start = at + 3;
  size_t end = start;
  int colon = 0;

  while (end < f->len && f->text[end] != '@') {
    char c = f->text[end];

    if (ends_value(c) || c == '/' || c == '?' || c == '#')
      return 0;
    colon |= c == ':';
    end++;
  }
  if (end == f->len || (!colon && end - start < LONG_USER))
    return 0;
  return found(f, start, end);
}

static int on_value(finder *f, size_t at) {
  const jobsrv__redact_name_t *name;

  if (f->text[at] == ':' && has(f, at, "://"))
    return (f->redactor->classes & JOBSRV_REDACT_URL) && url(f, at);
  name = f->redactor->nnames > 0 ? name_before(f, at) : NULL;
  return name != NULL && value_of(f, at + 1, name);
}

/* ---- the others ---- */

static int is_token(char c) {
  return is_word(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

static int on_bearer(finder *f, size_t at) {
  size_t start = at + 6;
  int digit = 0;
  size_t end;

  if (!word_begins(f, at) || f->len - at < 8 ||
      strncasecmp(f->text + at, "bearer", 6) != 0 || !is_blank(f->text[start]))
    return 0;
  while (start < f->len && is_blank(f->text[start]))
    start++;
  for (end = start; end < f->len && is_token(f->text[end]); end++)
    digit |= f->text[end] >= '0' && f->text[end] <= '9';
  return (digit || end - start >= BEARER_MIN) && found(f, start, end);
}

static int on_jwt(finder *f, size_t at) {
  size_t start = at - 2;
  size_t part[3] = { 0 };
  size_t end = start;

  if (at < 2 || f->text[at - 1] != 'y' || f->text[start] != 'e' ||
      !word_begins(f, start))
    return 0;
  for (int i = 0; i < 3; i++) {
    size_t from = end;

    while (end < f->len && is_word(f->text[end]))
      end++;
    part[i] = end - from;
    if (i < 2) {
      if (end == f->len || f->text[end] != '.')
        return 0;
      end++;
    }
  }
  return part[0] >= JWT_HEAD && part[1] >= JWT_BODY && found(f, start, end);
}

static int is_label(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ';
}

/* The length of `-----BEGIN ... PRIVATE KEY...-----`, 0 if it is none. */
static size_t pem_head(const finder *f, size_t at) {
  static const char key[] = "PRIVATE KEY";
  size_t end = at + 11;
  int secret = 0;

  if (!has(f, at, "-----BEGIN "))
    return 0;
  while (end < f->len && end - at < MAX_LABEL && is_label(f->text[end])) {
    secret |= has(f, end, key);
    end++;
  }
  return secret && end < f->len && has(f, end, "-----") ? end + 5 - at : 0;
}

static int pem(finder *f, size_t at) {
  size_t head = pem_head(f, at);
  size_t end = at + head;
  const char *dash;

  if (head == 0)
    return 0;
  while ((dash = memchr(f->text + end, '-', f->len - end)) != NULL) {
    end = (size_t) (dash - f->text);
    if (has(f, end, "-----END ")) {
      end += 9;
      while (end < f->len && f->text[end] != '-' && f->text[end] != '\n')
        end++;
      while (end < f->len && f->text[end] == '-')
        end++;
      return found(f, at, end);
    }
    end++;
  }
  return found(f, at, f->len);
}

static int is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
         (c >= 'A' && c <= 'F');
}

/* From its first dash. */
static int uuid(finder *f, size_t at) {
  size_t start = at - 8;

  if (at < 8 || f->len - start < 36 || !word_begins(f, start) ||
      (f->len - start > 36 && is_word(f->text[start + 36])))
    return 0;
  for (size_t i = 0; i < 36; i++) {
    int dash = i == 8 || i == 13 || i == 18 || i == 23;

    if (dash ? f->text[start + i] != '-' : !is_hex(f->text[start + i]))
      return 0;
  }
  return found(f, start, start + 36);
}

static int on_dash(finder *f, size_t at) {
  unsigned int classes = f->redactor->classes;

  return ((classes & JOBSRV_REDACT_PEM) && pem(f, at)) ||
         ((classes & JOBSRV_REDACT_UUID) && uuid(f, at));
}

static int may_have(const jobsrv__redact_prefix_t *pattern, char c) {
  unsigned char byte = (unsigned char) c;

  return (pattern->chars[byte / 32] >> (byte % 32)) & 1;
}

static int on_pattern(finder *f, size_t at) {
  size_t i = f->redactor->pattern_at[(unsigned char) f->text[at]];

  for (; i != 0; i = f->redactor->next_pattern[i - 1]) {
    const jobsrv__redact_prefix_t *pattern = &f->redactor->patterns[i - 1];
    size_t start, end;

    if (at < pattern->sign ||
        f->text[at - pattern->sign] != pattern->text[0])
      continue;
    start = at - pattern->sign;
    if (f->len - start < pattern->len || !word_begins(f, start) ||
        memcmp(f->text + start, pattern->text, pattern->len) != 0)
      continue;
    end = start + pattern->len;
    while (end < f->len && may_have(pattern, f->text[end]))
      end++;
    if (end - start - pattern->len >= pattern->min)
      return found(f, start, end);
  }
  return 0;
}

static int look(finder *f, size_t at, uint8_t sign) {
  return ((sign & JOBSRV__SIGN_VALUE) && on_value(f, at)) ||
         ((sign & JOBSRV__SIGN_BEARER) && on_bearer(f, at)) ||
         ((sign & JOBSRV__SIGN_JWT) && on_jwt(f, at)) ||
         ((sign & JOBSRV__SIGN_DASH) && on_dash(f, at)) ||
         ((sign & JOBSRV__SIGN_PATTERN) && on_pattern(f, at));
}

int jobsrv__redact_find(const jobsrv_redactor_t *redactor,
                        const char *text,
                        size_t len,
                        size_t from,
                        size_t *start,
                        size_t *end) {
  const uint8_t *signs = redactor->signs;
  finder f = { redactor, text, len, from, 0, 0 };
  size_t at = from;

  for (;;) {
    while (at + 4 <= len &&
           !(signs[(unsigned char) text[at]] |
             signs[(unsigned char) text[at + 1]] |
             signs[(unsigned char) text[at + 2]] |
             signs[(unsigned char) text[at + 3]]))
      at += 4;
    while (at < len && signs[(unsigned char) text[at]] == 0)
      at++;
    if (at >= len)
      return 0;
    if (look(&f, at, signs[(unsigned char) text[at]])) {
      *start = f.start;
      *end = f.end;
      return 1;
    }
    at++;
  }
}
