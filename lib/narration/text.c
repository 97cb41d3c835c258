/* SPDX-License-Identifier: MIT */

#include "base/utf8.h"
#include "narration/encode.h"
#include "narration/plain.h"

#include <string.h>

static const char hex[] = "0123456789abcdef";

static int eight_plain(const char *p) {
  uint64_t v;

  memcpy(&v, p, sizeof(v));
  return jobsrv__eight_plain(v);
}

static int plain_byte(char c) {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* How many bytes from the start may stand in a JSON string as they are. */
static size_t plain_run(const char *p, size_t n) {
  size_t at = 0;
  size_t step;
  uint32_t cp;
  int bad;

  while (at < n) {
    if (n - at >= 8 && eight_plain(p + at)) {
      at += 8;
      continue;
    }
    if (n - at < 8 && n >= 8 && eight_plain(p + n - 8))
      return n; /* the last eight, whatever of them was looked at before */
    if (plain_byte(p[at])) {
      at++;
      continue;
    }
    step = jobsrv__utf8_next(p + at, n - at, &cp, &bad);
    if (bad || cp == '"' || cp == '\\' || jobsrv__text_risky(cp))
      break;
    at += step;
  }
  return at;
}

/* The next character, escaped or repaired; returns how many bytes it took. */
static size_t escape_next(const char *p, size_t n, char to[6], size_t *len) {
  uint32_t cp;
  int bad;
  size_t step = jobsrv__utf8_next(p, n, &cp, &bad);
  const char *brief = cp < 0x80 ? strchr("\bb\tt\nn\ff\rr\"\"\\\\", (int) cp)
                                : NULL;

  if (bad) {
    memcpy(to, "\xef\xbf\xbd", 3);
    *len = 3;
    return step;
  }
  if (brief != NULL && cp != 0 && (cp < 0x20 || cp == '"' || cp == '\\')) {
    to[0] = '\\';
    to[1] = brief[1];
    *len = 2;
    return step;
  }
  to[0] = '\\';
  to[1] = 'u';
  to[2] = hex[(cp >> 12) & 15];
  to[3] = hex[(cp >> 8) & 15];
  to[4] = hex[(cp >> 4) & 15];
  to[5] = hex[cp & 15];
  *len = 6;
  return step;
}

size_t jobsrv__cut_mark(char to[JOBSRV__CUT_MARK], size_t cut) {
  size_t len;

  memcpy(to, " \xe2\x80\xa6(+", 6);
  len = 6 + jobsrv__u64_format(to + 6, cut);
  memcpy(to + len, " bytes)", 7);
  return len + 7;
}

/* How much of the text is kept; the mark for the rest, empty for none. */
static size_t cut_text(const char *text,
                       size_t len,
                       size_t max,
                       char mark[JOBSRV__CUT_MARK],
                       size_t *mark_len) {
  size_t kept;

  *mark_len = 0;
  if (max == 0 || len <= max)
    return len;
  kept = jobsrv__utf8_cut(text, len - max > 4 ? max + 4 : len, max);
  *mark_len = jobsrv__cut_mark(mark, len - kept);
  return kept;
}

int jobsrv__cut_marked(char mark[JOBSRV__CUT_MARK],
                       const char *text,
                       size_t max) {
  size_t mark_len;
  size_t kept = cut_text(text, strlen(text), max, mark, &mark_len);

  mark[mark_len] = '\0';
  return (int) kept;
}

void jobsrv__json_escaped(jobsrv__buf_t *buf, const char *text, size_t len) {
  char one[6];
  size_t n, at = 0;

  while (at < len && buf->failed == 0) {
    n = plain_run(text + at, len - at);
    (void) jobsrv__buf_append(buf, text + at, n);
    at += n;
    if (at == len)
      break;
    at += escape_next(text + at, len - at, one, &n);
    (void) jobsrv__buf_append(buf, one, n);
  }
}

void jobsrv__json_string(jobsrv__buf_t *buf,
                         const char *text,
                         size_t len,
                         size_t max) {
  char mark[JOBSRV__CUT_MARK];
  size_t mark_len;

  len = cut_text(text, len, max, mark, &mark_len);
  (void) jobsrv__buf_putc(buf, '"');
  jobsrv__json_escaped(buf, text, len);
  (void) jobsrv__buf_append(buf, mark, mark_len);
  (void) jobsrv__buf_putc(buf, '"');
}

size_t jobsrv__json_string_to(char *to,
                              size_t cap,
                              const char *text,
                              size_t len,
                              size_t max) {
  char mark[JOBSRV__CUT_MARK];
  char one[6];
  size_t mark_len, n, step, at = 0, used = 1;

  if (cap < 2)
    return 0;
  len = cut_text(text, len, max, mark, &mark_len);
  cap--; /* of the closing quote */
  to[0] = '"';
  while (at < len) {
    n = plain_run(text + at, len - at);
    if (n > cap - used)
      n = jobsrv__utf8_cut(text + at, n, cap - used);
    memcpy(to + used, text + at, n);
    used += n;
    at += n;
    if (at == len)
      break;
    step = escape_next(text + at, len - at, one, &n);
    if (n > cap - used)
      break;
    memcpy(to + used, one, n);
    used += n;
    at += step;
  }
  if (mark_len <= cap - used && at == len) {
    memcpy(to + used, mark, mark_len);
    used += mark_len;
  }
  to[used] = '"';
  return used + 1;
}
