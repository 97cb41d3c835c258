/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_PLAIN_H_
#define JOBSRV_NARRATION_PLAIN_H_

/*
 * Texts with nothing to escape, which nearly all are: looked through and copied
 * in one pass. Plain is printable ASCII other than \ and ".
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
# include <emmintrin.h>
#endif

/* Eight bytes at once: 1 if all are plain. */
static inline int jobsrv__eight_plain(uint64_t v) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  const uint64_t tops = ones << 7;
  uint64_t quote = v ^ (ones * '"');
  uint64_t slash = v ^ (ones * '\\');
  uint64_t del = v ^ (ones * 0x7f);
  uint64_t low = v - ones * 0x20;

  quote = (quote - ones) & ~quote;
  slash = (slash - ones) & ~slash;
  del = (del - ones) & ~del;
  return ((v | low | quote | slash | del) & tops) == 0;
}

static inline int jobsrv__copy_eight(char *to, const char *p) {
  uint64_t v;

  memcpy(&v, p, sizeof(v));
  memcpy(to, &v, sizeof(v));
  return jobsrv__eight_plain(v);
}

#ifdef __SSE2__
/* As signed bytes, what is not ASCII is below all that is. */
static inline int jobsrv__copy_sixteen(char *to, const char *p) {
  __m128i v = _mm_loadu_si128((const __m128i *) (const void *) p);
  __m128i odd = _mm_or_si128(
      _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
                   _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))),
      _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                   _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));

  _mm_storeu_si128((__m128i *) (void *) to, v);
  return _mm_movemask_epi8(odd) == 0;
}
#else
static inline int jobsrv__copy_sixteen(char *to, const char *p) {
  return jobsrv__copy_eight(to, p) && jobsrv__copy_eight(to + 8, p + 8);
}
#endif

/*
 * Copies `n` bytes, the last ones of a length that is not a multiple together
 * with some before them once more. Returns 1 if all are plain; else 0, and what
 * is at `to` says nothing.
 */
static inline int jobsrv__copy_plain(char *to, const char *p, size_t n) {
  uint32_t first, last;
  size_t at;

  if (n >= 16) {
    for (at = 0; at + 16 <= n; at += 16)
      if (!jobsrv__copy_sixteen(to + at, p + at))
        return 0;
    return at == n || jobsrv__copy_sixteen(to + n - 16, p + n - 16);
  }
  if (n >= 8)
    return jobsrv__copy_eight(to, p) &
           jobsrv__copy_eight(to + n - 8, p + n - 8);
  if (n >= 4) {
    memcpy(&first, p, 4);
    memcpy(&last, p + n - 4, 4);
    memcpy(to, &first, 4);
    memcpy(to + n - 4, &last, 4);
    return jobsrv__eight_plain((uint64_t) first << 32 | last);
  }
  for (at = 0; at < n; at++) {
    if (p[at] < 0x20 || p[at] >= 0x7f || p[at] == '"' || p[at] == '\\')
      return 0;
    to[at] = p[at];
  }
  return 1;
}

#endif /* JOBSRV_NARRATION_PLAIN_H_ */
