/* SPDX-License-Identifier: MIT */

/*
 * UTF-8 against a reader made of bits alone, and text as it is shown to people.
 */

#include "fuzz.h"

#include "base/utf8.h"
#include "base/width.h"
#include "narration/encode.h"
#include "narration/show.h"

/* The length of the valid sequence at `p`, or 0. */
static size_t valid_at(const uint8_t *p, size_t n, uint32_t *cp) {
  static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  size_t len = p[0] < 0x80               ? 1
               : (p[0] & 0xe0) == 0xc0 ? 2
               : (p[0] & 0xf0) == 0xe0 ? 3
               : (p[0] & 0xf8) == 0xf0 ? 4
                                       : 0;

  if (len == 0 || len > n)
    return 0;
  *cp = len == 1 ? p[0] : p[0] & (0xffu >> (len + 1));
  for (size_t i = 1; i < len; i++) {
    if ((p[i] & 0xc0) != 0x80)
      return 0;
    *cp = *cp << 6 | (p[i] & 0x3f);
  }
  return *cp < least[len] || *cp > 0x10ffff ||
                 (*cp >= 0xd800 && *cp <= 0xdfff)
             ? 0
             : len;
}

static void check_characters(const char *text, size_t len) {
  size_t span = jobsrv__utf8_span(text, len);
  int seen_bad = 0;
  uint32_t cp, want = 0;
  char back[4];
  int bad;

  for (size_t at = 0; at < len;) {
    size_t step = jobsrv__utf8_next(text + at, len - at, &cp, &bad);
    size_t valid = valid_at((const uint8_t *) text + at, len - at, &want);

    fuzz_check(step >= 1 && step <= 4 && step <= len - at);
    fuzz_check(bad == (valid == 0));
    if (!bad) {
      fuzz_check(step == valid && cp == want);
      fuzz_check(jobsrv__utf8_encode(back, cp) == step);
      fuzz_check(memcmp(back, text + at, step) == 0);
    } else {
      fuzz_check(cp == 0xfffd);
      if (!seen_bad)
        fuzz_check(span == at);
      seen_bad = 1;
    }
    at += step;
  }
  if (!seen_bad)
    fuzz_check(span == len);
}

static void check_repair(const char *text, size_t len, size_t cap) {
  char *once = malloc(3 * len + 1);
  char *some = malloc(cap + 1);
  size_t n, m;

  fuzz_check(once != NULL && some != NULL);
  n = jobsrv__utf8_repair(once, 3 * len, text, len);
  fuzz_check(jobsrv__utf8_valid(once, n));
  if (jobsrv__utf8_valid(text, len))
    fuzz_check(n == len && memcmp(once, text, n) == 0);
  m = jobsrv__utf8_repair(some, cap, text, len);
  fuzz_check(m <= cap && m <= n && memcmp(some, once, m) == 0);
  fuzz_check(jobsrv__utf8_valid(some, m));
  fuzz_check(m == n || cap - m < 4);
  m = jobsrv__utf8_cut(once, n, cap);
  fuzz_check(m <= cap || m == n);
  fuzz_check(jobsrv__utf8_valid(once, m));
  free(once);
  free(some);
}

static void check_shown(const char *text, size_t len) {
  jobsrv__buf_t once, twice;
  uint32_t cp;
  int bad;

  jobsrv__buf_init(&once, NULL, 0);
  jobsrv__buf_init(&twice, NULL, 0);
  jobsrv__show(&once, text, len);
  for (size_t at = 0; at < once.len;) {
    at += jobsrv__utf8_next(once.data + at, once.len - at, &cp, &bad);
    fuzz_check(!bad && !jobsrv__text_risky(cp) && cp != 0x200b && cp != 0xfeff);
  }
  jobsrv__show(&twice, once.data, once.len);
  fuzz_check(twice.len == once.len &&
             (once.len == 0 || memcmp(once.data, twice.data, once.len) == 0));
  jobsrv__buf_free(&once);
  jobsrv__buf_free(&twice);
}

static void check_width(const char *text, size_t len, size_t max) {
  size_t whole = jobsrv__width(text, len);
  size_t width;
  size_t cut = jobsrv__width_cut(text, len, max, &width);

  fuzz_check(whole <= 2 * len);
  fuzz_check(cut <= len && width <= max && width <= whole);
  if (whole <= max)
    fuzz_check(cut == len && width == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  size_t some = fuzz_byte(&in) % 64;
  char *text = fuzz_copy((const char *) in.p, in.n);

  check_characters(text, in.n);
  check_repair(text, in.n, some);
  check_shown(text, in.n);
  check_width(text, in.n, some);
  free(text);
  return 0;
}
