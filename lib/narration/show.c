/* SPDX-License-Identifier: MIT */

#include "narration/show.h"

#include "base/utf8.h"
#include "narration/encode.h"

#include <stdint.h>

enum {
  JOINER = 0x200d,
  KEYCAP = 0x20e3,
  AS_TEXT = 0xfe0e,
  AS_EMOJI = 0xfe0f,
  BLACK_FLAG = 0x1f3f4, /* which tags turn into another */
  TAG = 0xe0000,        /* and the ASCII it stands for */
  LAST_TAG = 0xe007f,
  MIN_TAGS = 3,
  MAX_TAGS = 6
};

typedef struct {
  uint32_t first, last;
} range_t;

/* What can be shown as a picture and joined with others. */
static const range_t pictures[] = {
  { 0xa9, 0xa9 },       { 0xae, 0xae },       { 0x203c, 0x203c },
  { 0x2049, 0x2049 },   { 0x2122, 0x2122 },   { 0x2139, 0x2139 },
  { 0x2194, 0x21aa },   { 0x231a, 0x2328 },   { 0x23cf, 0x23f3 },
  { 0x23f8, 0x23fa },   { 0x24c2, 0x24c2 },   { 0x25aa, 0x25fe },
  { 0x2600, 0x27bf },   { 0x2934, 0x2935 },   { 0x2b05, 0x2b55 },
  { 0x3030, 0x303d },   { 0x3297, 0x3299 },   { 0x1f000, 0x1f1e5 },
  { 0x1f200, 0x1faff },
};

/* What takes no room, beside what jobsrv__text_risky() knows. */
static const range_t hidden[] = {
  { 0xad, 0xad },       { 0x34f, 0x34f },     { 0x115f, 0x1160 },
  { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200d },
  { 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },
  { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },
  { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

#define IN(table, cp) inside(table, sizeof(table) / sizeof((table)[0]), cp)

static int inside(const range_t *table, size_t n, uint32_t cp) {
  size_t i = 0;

  while (i < n && table[i].last < cp)
    i++;
  return i < n && table[i].first <= cp;
}

/* The character that is looked at, and what decides whether it may hide. */
typedef struct {
  const char *p; /* behind it */
  const char *end;
  uint32_t cp;
  uint32_t before;  /* 0: none, or one that was escaped */
  int in_picture;   /* `before` is one, or belongs to one */
  unsigned int tags; /* so many more belong to a flag, its end included */
} place_t;

static uint32_t peek(const char *p, const char *end) {
  uint32_t cp = 0;

  (void) jobsrv__utf8_decode(p, (size_t) (end - p), &cp);
  return cp;
}

/* How many tags there are behind a black flag, if they are those of another. */
static unsigned int tags_ahead(const place_t *at) {
  const char *p = at->p;
  unsigned int n = 0;
  uint32_t cp;

  while (p < at->end && n <= MAX_TAGS) {
    p += jobsrv__utf8_decode(p, (size_t) (at->end - p), &cp);
    if (cp == LAST_TAG)
      return n >= MIN_TAGS ? n + 1 : 0;
    if (!(cp >= TAG + '0' && cp <= TAG + '9') &&
        !(cp >= TAG + 'a' && cp <= TAG + 'z'))
      return 0;
    n++;
  }
  return 0;
}

static int is_skin(uint32_t cp) {
  return cp >= 0x1f3fb && cp <= 0x1f3ff;
}

static int takes_keycap(uint32_t cp) {
  return cp == '#' || cp == '*' || (cp >= '0' && cp <= '9');
}

/* 1 if what takes no room is a part of an emoji here. */
static int belongs(const place_t *at) {
  if (at->cp == AS_EMOJI && takes_keycap(at->before))
    return peek(at->p, at->end) == KEYCAP;
  if (at->cp == AS_EMOJI || at->cp == AS_TEXT)
    return IN(pictures, at->before) && !is_skin(at->before);
  if (at->cp == JOINER)
    return at->in_picture && at->before != AS_TEXT &&
           IN(pictures, peek(at->p, at->end));
  return at->tags > 0;
}

/* 1 if it is to be escaped; takes note of it for the next. */
static int hides(place_t *at) {
  uint32_t cp = at->cp;

  if (jobsrv__text_risky(cp) || (IN(hidden, cp) && !belongs(at))) {
    at->before = 0;
    at->in_picture = 0;
    at->tags = 0;
    return 1;
  }
  if (cp == BLACK_FLAG)
    at->tags = tags_ahead(at);
  else if (at->tags > 0)
    at->tags--;
  if (cp != AS_EMOJI && cp != AS_TEXT && cp < TAG)
    at->in_picture = IN(pictures, cp);
  at->before = cp;
  return 0;
}

static int is_plain(char c) {
  return c >= 0x20 && c < 0x7f;
}

/* Goes past the next character; 1 if that is not to be as it is. */
static int step(place_t *at, int *bad) {
  *bad = 0;
  if (is_plain(*at->p)) {
    at->before = (unsigned char) *at->p++;
    at->in_picture = 0;
    at->tags = 0;
    return 0;
  }
  at->p += jobsrv__utf8_next(at->p, (size_t) (at->end - at->p), &at->cp, bad);
  return hides(at);
}

void jobsrv__show(jobsrv__buf_t *buf, const char *text, size_t len) {
  place_t at = { .p = text };
  const char *shown = text; /* what is before it has been */
  const char *begin;
  int bad;

  if (len == 0)
    return;
  at.end = text + len;
  while (at.p < at.end) {
    begin = at.p;
    if (!step(&at, &bad) && !bad)
      continue;
    (void) jobsrv__buf_append(buf, shown, (size_t) (begin - shown));
    if (bad)
      (void) jobsrv__buf_append(buf, "\xef\xbf\xbd", 3);
    else
      (void) jobsrv__buf_printf(buf, at.cp < 0x100 ? "\\x%02x" : "\\u%04x",
                                (unsigned int) at.cp);
    shown = at.p;
  }
  (void) jobsrv__buf_append(buf, shown, (size_t) (at.end - shown));
}

static void put_hidden(jobsrv__buf_t *buf, uint32_t cp) {
  if (cp < 0x10000)
    (void) jobsrv__buf_printf(buf, "\\u%04x", (unsigned int) cp);
  else
    (void) jobsrv__buf_printf(buf, "\\u%04x\\u%04x",
                              (unsigned int) (0xd7c0 + (cp >> 10)),
                              (unsigned int) (0xdc00 + (cp & 0x3ff)));
}

/* What is risky, or no UTF-8, is known to the JSON itself. */
void jobsrv__show_quoted(jobsrv__buf_t *buf, const char *text, size_t len) {
  place_t at = { .p = text };
  const char *shown = text;
  const char *begin;
  int bad;

  (void) jobsrv__buf_putc(buf, '"');
  at.end = len > 0 ? text + len : text;
  while (at.p < at.end) {
    begin = at.p;
    if (!step(&at, &bad) || jobsrv__text_risky(at.cp))
      continue;
    jobsrv__json_escaped(buf, shown, (size_t) (begin - shown));
    put_hidden(buf, at.cp);
    shown = at.p;
  }
  jobsrv__json_escaped(buf, shown, (size_t) (at.end - shown));
  (void) jobsrv__buf_putc(buf, '"');
}
