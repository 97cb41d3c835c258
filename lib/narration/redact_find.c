/* SPDX-License-Identifier: MIT */

#include "narration/redact_find.h"

#include "narration/pem.h"

#include <string.h>
#include <strings.h>

enum {
  MAX_BLANKS = 16,    /* between a name and its sign */
  MAX_NAME = 64,      /* as written */
  LONG_USER = 20,     /* one in a URL that is taken for a token */
  BEARER_MIN = 8,
  JWT_HEAD = 8,
  JWT_BODY = 4,
  JWT_PARTS = 5       /* of an encrypted one; a signed one has 3 */
};

typedef struct {
  const jobsrv_redactor_t *redactor;
  const char *text;
  size_t len;
  size_t cut;   /* where the text was cut, which may be inside of a secret */
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

/* 1 if a word begins at `at`, which may be right behind a secret. */
static int word_begins(const finder *f, size_t at) {
  return at == f->from || (at > f->from && !is_word(f->text[at - 1]));
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

static int has_mask(const finder *f, size_t at) {
  return has(f, at, f->redactor->replacement);
}

static size_t skip_blanks(const finder *f, size_t at) {
  while (at < f->len && is_blank(f->text[at]))
    at++;
  return at;
}

/* Behind `name=value`, the value quoted or not; `at` itself if it is none. */
static size_t param_end(const finder *f, size_t at) {
  size_t from = at;
  size_t end, value;
  int escaped;

  while (from < f->len && is_word(f->text[from]))
    from++;
  if (from == at || from == f->len || f->text[from] != '=')
    return at;
  value = from + 1;
  escaped = has(f, value, "\\\"");
  if (escaped || has(f, value, "\"")) {
    end = quoted_end(f, value + 1 + (size_t) escaped, '"', escaped);
    end = end < f->len ? end + 1 + (size_t) escaped : end;
    while (end < f->len && !ends_value(f->text[end])) /* as if it had none */
      end++;
    return end;
  }
  for (end = value; end < f->len && !ends_value(f->text[end]);)
    end++;
  return end > value && f->text[value] != '=' ? end : at;
}

/* Some schemes have many of those behind them, with commas in between. */
static size_t params_end(const finder *f, size_t at) {
  size_t next = at;
  size_t end;

  while ((end = param_end(f, next)) > next) {
    at = end;
    next = skip_blanks(f, at);
    if (next == f->len || f->text[next] != ',')
      return at;
    next = skip_blanks(f, next + 1);
  }
  return at;
}

/* The same behind a scheme; `at` if there are none. */
static size_t credentials_end(const finder *f, size_t at) {
  size_t scheme = at;
  size_t from, end;

  while (scheme < f->len && is_word(f->text[scheme]))
    scheme++;
  from = skip_blanks(f, scheme);
  if (scheme == at || from == scheme)
    return at;
  end = params_end(f, from);
  return end > from ? end : at;
}

static size_t plain_end(const finder *f, size_t at, uint8_t until) {
  size_t scheme = at;
  size_t end;

  if (until == JOBSRV__UNTIL_LINE) {
    while (at < f->len && f->text[at] != '\n' && f->text[at] != '\r')
      at++;
    return at;
  }
  if (until == JOBSRV__UNTIL_CREDENTIALS) {
    end = credentials_end(f, at);
    if (end > at)
      return end;
    while (scheme < f->len && is_letter(f->text[scheme]))
      scheme++;
    if (scheme > at && scheme < f->len && is_blank(f->text[scheme]))
      at = skip_blanks(f, scheme);
    if (has_mask(f, at))
      at += f->redactor->replacement_len;
  }
  while (at < f->len && !ends_value(f->text[at]))
    at++;
  return at;
}

static int ends_argument(char c) {
  return (c >= 0 && c <= ' ') || c == 0x7f || c == '"' || c == '\'' ||
         c == '`';
}

/* A value may be a key in PEM or end in one, which has blanks. */
static size_t skip_keys(const finder *f,
                        size_t at,
                        size_t end,
                        int (*ends)(char c)) {
  static const char begin[] = "-----BEGIN";
  size_t n = sizeof(begin) - 1;
  size_t key;
  int open;

  while ((f->redactor->classes & JOBSRV_REDACT_PEM) && end - at >= n &&
         memcmp(f->text + end - n, begin, n) == 0) {
    key = jobsrv__pem_end(f->text, f->len, end - n, &open);
    if (key <= end)
      break;
    for (at = end = key; end < f->len && !ends(f->text[end]);)
      end++;
  }
  return end;
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
  int escaped = 0;
  size_t from, end;

  at = skip_blanks(f, at);
  if (!has_mask(f, at)) { /* which may begin with a quote itself */
    escaped = has(f, at, "\\\"");
    at += (size_t) escaped;
    if (at < f->len && (f->text[at] == '"' || f->text[at] == '\''))
      quote = f->text[at++];
  }
  from = has_mask(f, at) ? at + f->redactor->replacement_len : at;
  end = quote != '\0'
            ? quoted_end(f, from, quote, escaped)
            : plain_end(f, from,
                        from > at && name->until == JOBSRV__UNTIL_CREDENTIALS
                            ? JOBSRV__UNTIL_DELIMITER
                            : name->until);
  if (from > at && end == from)
    return 0; /* it has been here */
  if (quote == '\0' && is_literal(f->text + at, end - at))
    return 0;
  return found(f, at,
               quote == '\0' ? skip_keys(f, at, end, ends_value) : end);
}

static int ends_authority(char c) {
  switch (c) {
  case '/': case '?': case '#': case '"': case '\'':
  case '<': case '>': case '`': case '|': case '\\':
    return 1;
  default:
    return (c >= 0 && c <= ' ') || c == 0x7f;
  }
}

/* 1 if the value behind the sign at `at` is a mask and no more: what it hides
   may have ended the authority, so it ends it too. */
static int is_masked_value(const finder *f, size_t at) {
  size_t end = at + 1 + f->redactor->replacement_len;

  return (f->text[at] == ':' || f->text[at] == '=') && has_mask(f, at + 1) &&
         (end == f->len || ends_value(f->text[end])) &&
         f->redactor->nnames > 0 && name_before(f, at) != NULL;
}

/* Behind the character at `at`, or the key in PEM that begins there. */
static size_t skip_char(const finder *f, size_t at) {
  size_t end = 0;
  int open;

  if (f->text[at] == '-' && (f->redactor->classes & JOBSRV_REDACT_PEM))
    end = jobsrv__pem_end(f->text, f->len, at, &open);
  return end > 0 ? end : at + 1;
}

/* scheme://user:password@host, from its colon; a password may have an @. */
static int url(finder *f, size_t at) {
  size_t start = at + 3;
  size_t user_end = start;
  size_t end, colon = SIZE_MAX;
  size_t mask = f->redactor->replacement_len;

  for (end = start; end < f->len && !ends_authority(f->text[end]) &&
                    !is_masked_value(f, end);
       end = skip_char(f, end)) {
    if (f->text[end] == '@')
      user_end = end;
    else if (f->text[end] == ':' && colon == SIZE_MAX)
      colon = end;
  }
  if (end == f->cut && user_end == start && colon != SIZE_MAX)
    user_end = end; /* an @ may have been there */
  if (user_end == start ||
      (colon > user_end && user_end - start < LONG_USER) ||
      (has_mask(f, start) && start + mask == user_end))
    return 0;
  return found(f, start, user_end);
}

static int on_value(finder *f, size_t at) {
  const jobsrv__redact_name_t *name;

  if (f->text[at] == ':' && f->len - at > 2 && f->text[at + 1] == '/' &&
      f->text[at + 2] == '/')
    return (f->redactor->classes & JOBSRV_REDACT_URL) && url(f, at);
  name = f->redactor->nnames > 0 ? name_before(f, at) : NULL;
  if (name == NULL)
    return 0;
  return value_of(f, at + (has(f, at, "=>") ? 2 : 1), name);
}

/* ---- the others ---- */

static int is_token(char c) {
  return is_word(c) || c == '.' || c == '~' || c == '+' || c == '/' || c == '=';
}

static int on_bearer(finder *f, size_t at) {
  size_t start = at + 6;
  int digit = 0;
  size_t end;

  if (f->len - at < 8 || (f->text[at + 1] | 0x20) != 'e' ||
      !word_begins(f, at) || strncasecmp(f->text + at, "bearer", 6) != 0 ||
      !is_blank(f->text[start]))
    return 0;
  while (start < f->len && is_blank(f->text[start]))
    start++;
  for (end = start; end < f->len && is_token(f->text[end]); end++)
    digit |= f->text[end] >= '0' && f->text[end] <= '9';
  return (digit || end - start >= BEARER_MIN || end == f->cut) &&
         found(f, start, end);
}

static int on_jwt(finder *f, size_t at) {
  size_t start = at - 2;
  size_t part[JWT_PARTS] = { 0 };
  size_t end = start;
  int n = 0;

  if (at < 2 || f->text[at - 1] != 'y' || f->text[start] != 'e' ||
      !word_begins(f, start))
    return 0;
  while (n < JWT_PARTS) {
    size_t from = end;

    while (end < f->len && is_word(f->text[end]))
      end++;
    part[n++] = end - from;
    if (n == JWT_PARTS || f->len - end < 2 || f->text[end] != '.' ||
        (n > 2 && !is_word(f->text[end + 1])))
      break;
    end++;
  }
  if (part[0] < JWT_HEAD || ((n < 3 || part[1] < JWT_BODY) && end != f->cut))
    return 0;
  return found(f, start, end);
}

static int pem(finder *f, size_t at) {
  size_t end;
  int open;

  if (f->len - at < 2 || f->text[at + 1] != '-')
    return 0; /* what most are */
  end = jobsrv__pem_end(f->text, f->len, at, &open);
  return end > 0 && found(f, at, end);
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

/* ---- the value of an option, a word behind its name ---- */

/* 1 if at `at` is an option, and not a value that begins like one. */
static int is_option(const finder *f, size_t at) {
  int last = at + 2 >= f->len || ends_value(f->text[at + 2]);

  if (at + 2 > f->len || f->text[at] != '-')
    return 0;
  return f->text[at + 1] == '-' ? last || is_letter(f->text[at + 2])
                                : last && is_letter(f->text[at + 1]);
}

/* As a program is given it: what else ends a value belongs to it. */
static size_t argument_end(const finder *f, size_t at) {
  while (at < f->len && !ends_argument(f->text[at]))
    at++;
  return at;
}

/* Behind "Bearer ", and behind any scheme where one is due. */
static size_t skip_scheme(const finder *f,
                          size_t at,
                          const jobsrv__redact_name_t *name) {
  size_t end = at;

  while (end < f->len && is_letter(f->text[end]))
    end++;
  if (end == at || end == f->len || !is_blank(f->text[end]) ||
      (name->until != JOBSRV__UNTIL_CREDENTIALS &&
       (end - at != 6 || strncasecmp(f->text + at, "bearer", 6) != 0)))
    return at;
  end = skip_blanks(f, end);
  return end < f->len && !is_option(f, end) ? end : at;
}

static int argument_of(finder *f,
                       size_t at,
                       const jobsrv__redact_name_t *name) {
  size_t quote = (size_t) has(f, at, "\\\"") * 2;
  size_t mask = f->redactor->replacement_len;
  size_t end, list = at;

  if (has_mask(f, at)) {
    end = argument_end(f, at + mask);
    return end > at + mask &&
           found(f, at, skip_keys(f, at, end, ends_argument));
  }
  if (f->text[at] == '"' || f->text[at] == '\'')
    quote = 1;
  if (f->text[at] == '=' || f->text[at] == ':' || is_option(f, at + quote))
    return 0;
  if (quote > 0)
    return value_of(f, at, name);
  end = argument_end(f, at);
  if (jobsrv__redact_prose(f->text + at, end - at) ||
      is_literal(f->text + at, end - at))
    return 0;
  if (name->until == JOBSRV__UNTIL_CREDENTIALS)
    list = credentials_end(f, at);
  end = argument_end(f, list > at ? list : skip_scheme(f, at, name));
  return found(f, at, skip_keys(f, at, end, ends_argument));
}

/* Behind the quote of an option that is quoted by itself, and a comma. */
static size_t skip_quote(const finder *f, size_t option, size_t at) {
  char quote = option > 0 ? f->text[option - 1] : '\0';

  if (quote != '"' && quote != '\'')
    return at;
  if (has(f, at, "\\\""))
    at++;
  if (at == f->len || f->text[at] != quote)
    return at;
  at++;
  return at < f->len && f->text[at] == ',' ? at + 1 : at;
}

/* "--password VALUE"; with '=' or ':' it is a name like others. */
static int option(finder *f, size_t at) {
  char plain[JOBSRV__REDACT_NAME];
  const jobsrv__redact_name_t *name;
  size_t begin = at + 2;
  size_t end = begin;
  size_t least, n;

  if (f->len - at < 4 || f->text[at + 1] != '-' || !is_letter(f->text[begin]) ||
      !word_begins(f, at))
    return 0;
  while (end < f->len && end - begin < MAX_NAME && is_word(f->text[end]))
    end++;
  if (!f->redactor->name_ends[(unsigned char) f->text[end - 1]])
    return 0;
  n = jobsrv__redact_plain(plain, f->text + begin, end - begin);
  name = n > 0 ? jobsrv__redact_name(f->redactor, plain, n) : NULL;
  if (name == NULL)
    return 0;
  end = skip_quote(f, at, end);
  least = f->text[end - 1] == ',' ? 0 : 1; /* of blanks behind it */
  at = end;
  while (at < f->len && at - end < MAX_BLANKS && is_blank(f->text[at]))
    at++;
  return at >= end + least && at < f->len && at < f->cut &&
         argument_of(f, at, name);
}

static int on_dash(finder *f, size_t at) {
  unsigned int classes = f->redactor->classes;

  return (f->redactor->nnames > 0 && option(f, at)) ||
         ((classes & JOBSRV_REDACT_PEM) && pem(f, at)) ||
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
    if (end - start - pattern->len >= pattern->min || end == f->cut)
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

/* Where the mark of a cut begins, " \xe2\x80\xa6(+N bytes)"; else SIZE_MAX. */
static size_t cut_of(const char *text, size_t len) {
  size_t at = len;

  if (len < 15 || memcmp(text + len - 7, " bytes)", 7) != 0)
    return SIZE_MAX;
  for (at = len - 7; at > 6 && text[at - 1] >= '0' && text[at - 1] <= '9';)
    at--;
  return memcmp(text + at - 6, " \xe2\x80\xa6(+", 6) == 0 ? at - 6 : SIZE_MAX;
}

int jobsrv__redact_find(const jobsrv_redactor_t *redactor,
                        const char *text,
                        size_t len,
                        size_t from,
                        size_t *start,
                        size_t *end) {
  const uint8_t *signs = redactor->signs;
  finder f = { redactor, text, len, cut_of(text, len), from, 0, 0 };
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
