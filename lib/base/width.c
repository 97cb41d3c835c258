/* SPDX-License-Identifier: MIT */

#include "base/width.h"

#include "base/utf8.h"
#include "base/width_table.h"

enum { JOINER = 0x200d, AS_EMOJI = 0xfe0f, FIRST_SYMBOL = 0x2190 };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int inside(const uint32_t (*table)[2], size_t n, uint32_t cp) {
  size_t from = 0;

  while (from < n) {
    size_t middle = from + (n - from) / 2;

    if (cp > table[middle][1])
      from = middle + 1;
    else if (cp < table[middle][0])
      n = middle;
    else
      return 1;
  }
  return 0;
}

unsigned int jobsrv__width_of(uint32_t cp) {
  if (cp < 0x300)
    return 1;
  if (inside(zero, COUNT(zero), cp))
    return 0;
  return inside(wide, COUNT(wide), cp) ? 2 : 1;
}

/* What can be shown as a picture though it is one column wide. */
static int may_be_emoji(uint32_t cp) {
  return cp >= FIRST_SYMBOL || cp == 0xa9 || cp == 0xae || cp == 0x203c ||
         cp == 0x2049 || cp == 0x2122 || cp == 0x2139 || cp == '#' ||
         cp == '*' || (cp >= '0' && cp <= '9');
}

static int is_flag_half(uint32_t cp) {
  return cp >= 0x1f1e6 && cp <= 0x1f1ff;
}

static int is_skin(uint32_t cp) {
  return cp >= 0x1f3fb && cp <= 0x1f3ff;
}

size_t jobsrv__width_next(const char *text, size_t len, unsigned int *width) {
  uint32_t base, cp, before;
  size_t at = jobsrv__utf8_next(text, len, &base, NULL);
  size_t step;

  *width = jobsrv__width_of(base);
  if (base < 0x20 || base == 0x7f)
    return at;
  for (before = base; at < len; at += step, before = cp) {
    step = jobsrv__utf8_next(text + at, len - at, &cp, NULL);
    if (is_flag_half(base)) {
      if (!is_flag_half(cp) || before != base || *width == 2)
        return at;
      *width = 2;
    } else if (cp == AS_EMOJI || is_skin(cp)) {
      if (is_skin(cp) && base < FIRST_SYMBOL)
        return at;
      if (may_be_emoji(base))
        *width = 2;
    } else if (before == JOINER && base >= FIRST_SYMBOL) {
      if (cp < FIRST_SYMBOL)
        return at;
    } else if (jobsrv__width_of(cp) != 0) {
      return at;
    }
  }
  return at;
}

size_t jobsrv__width_cut(const char *text,
                         size_t len,
                         size_t max,
                         size_t *width) {
  unsigned int one;
  size_t at = 0;

  *width = 0;
  while (at < len) {
    size_t step = jobsrv__width_next(text + at, len - at, &one);

    if (one > max - *width)
      break;
    *width += one;
    at += step;
  }
  return at;
}

size_t jobsrv__width(const char *text, size_t len) {
  size_t width;

  (void) jobsrv__width_cut(text, len, SIZE_MAX, &width);
  return width;
}
