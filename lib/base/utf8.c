/* SPDX-License-Identifier: MIT */

#include "base/utf8.h"

#include <string.h>

enum { REPLACEMENT = 0xfffd };

/*
 * What may follow a first byte: how many bytes in all, and the range of the
 * second one, which is where overlong forms, surrogates and what lies beyond
 * U+10FFFF are told from the rest. 0 for a byte that begins nothing.
 */
static size_t sequence(unsigned char first,
                       unsigned char *low,
                       unsigned char *high) {
  *low = 0x80;
  *high = 0xbf;
  if (first < 0xc2 || first > 0xf4)
    return 0;
  if (first < 0xe0)
    return 2;
  if (first < 0xf0) {
    if (first == 0xe0)
      *low = 0xa0;
    else if (first == 0xed)
      *high = 0x9f;
    return 3;
  }
  if (first == 0xf0)
    *low = 0x90;
  else if (first == 0xf4)
    *high = 0x8f;
  return 4;
}

size_t jobsrv__utf8_next(const char *p, size_t n, uint32_t *cp, int *bad) {
  const unsigned char *b = (const unsigned char *) p;
  unsigned char low, high;
  uint32_t value;
  size_t len, i;

  if (bad != NULL)
    *bad = 0;
  if (b[0] < 0x80) {
    *cp = b[0];
    return 1;
  }

  len = sequence(b[0], &low, &high);
  value = b[0] & (0x7fu >> len);
  for (i = 1; i < len && i < n && b[i] >= low && b[i] <= high; i++) {
    value = value << 6 | (b[i] & 0x3f);
    low = 0x80;
    high = 0xbf;
  }
  if (i == len) {
    *cp = value;
    return len;
  }

  if (bad != NULL)
    *bad = 1;
  *cp = REPLACEMENT;
  return i;
}

size_t jobsrv__utf8_decode(const char *p, size_t n, uint32_t *cp) {
  return n > 0 ? jobsrv__utf8_next(p, n, cp, NULL) : 0;
}

/* The ASCII at the start, eight bytes at a time and then one by one. */
static size_t ascii_span(const char *p, size_t n) {
  uint64_t word;
  size_t i = 0;

  while (n - i >= sizeof(word)) {
    memcpy(&word, p + i, sizeof(word));
    if (word & UINT64_C(0x8080808080808080))
      break;
    i += sizeof(word);
  }
  while (i < n && (unsigned char) p[i] < 0x80)
    i++;
  return i;
}

size_t jobsrv__utf8_span(const char *p, size_t n) {
  size_t i = 0;
  size_t len;
  uint32_t cp;
  int bad;

  while (i < n) {
    i += ascii_span(p + i, n - i);
    for (; i < n && (unsigned char) p[i] >= 0x80; i += len) {
      len = jobsrv__utf8_next(p + i, n - i, &cp, &bad);
      if (bad)
        return i;
    }
  }
  return i;
}

int jobsrv__utf8_valid(const char *p, size_t n) {
  return jobsrv__utf8_span(p, n) == n;
}

size_t jobsrv__utf8_repair(char *to, size_t cap, const char *from, size_t n) {
  size_t len = 0;
  size_t i = 0;
  size_t take;
  uint32_t cp;
  int bad;

  while (i < n) {
    take = jobsrv__utf8_span(from + i, n - i);
    if (take > cap - len)
      take = jobsrv__utf8_cut(from + i, n - i, cap - len);
    if (take > 0)
      memcpy(to + len, from + i, take);
    len += take;
    i += take;
    if (i == n)
      break;

    take = jobsrv__utf8_next(from + i, n - i, &cp, &bad);
    if (!bad || cap - len < 3)
      break;
    len += jobsrv__utf8_encode(to + len, cp);
    i += take;
  }
  return len;
}

size_t jobsrv__utf8_cut(const char *p, size_t n, size_t max) {
  size_t start = max;
  uint32_t cp;
  int bad;

  if (n <= max)
    return n;
  while (start > 0 && max - start < 3 && (p[start] & 0xc0) == 0x80)
    start--;
  if (start == max)
    return max;
  if (start + jobsrv__utf8_next(p + start, n - start, &cp, &bad) > max && !bad)
    return start;
  return max;
}

size_t jobsrv__utf8_encode(char to[4], uint32_t cp) {
  if (cp < 0x80) {
    to[0] = (char) cp;
    return 1;
  }
  if (cp < 0x800) {
    to[0] = (char) (0xc0 | cp >> 6);
    to[1] = (char) (0x80 | (cp & 0x3f));
    return 2;
  }
  if (cp < 0x10000) {
    to[0] = (char) (0xe0 | cp >> 12);
    to[1] = (char) (0x80 | (cp >> 6 & 0x3f));
    to[2] = (char) (0x80 | (cp & 0x3f));
    return 3;
  }
  to[0] = (char) (0xf0 | cp >> 18);
  to[1] = (char) (0x80 | (cp >> 12 & 0x3f));
  to[2] = (char) (0x80 | (cp >> 6 & 0x3f));
  to[3] = (char) (0x80 | (cp & 0x3f));
  return 4;
}
