/* SPDX-License-Identifier: MIT */

/*
 * What is copied unread would be an injection: every byte of every length is
 * looked at, by the processor's instructions and without them.
 */

#include "test.h"

#include "narration/plain.h"

#undef __SSE2__
#undef JOBSRV_NARRATION_PLAIN_H_
#define jobsrv__eight_plain other_eight_plain
#define jobsrv__copy_eight other_copy_eight
#define jobsrv__copy_sixteen other_copy_sixteen
#define jobsrv__copy_plain other_copy_plain
#include "narration/plain.h"
#undef jobsrv__copy_plain

#include <stdlib.h>

enum { LONGEST = 70 };

static int is_plain(int c) {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* In blocks of their own length: what reads beyond is seen by a sanitizer. */
static void check(int (*copy)(char *to, const char *p, size_t n)) {
  for (size_t n = 0; n <= LONGEST; n++) {
    char *text = malloc(n + (n == 0));
    char *to = malloc(n + (n == 0));

    assert_non_null(text);
    assert_non_null(to);
    for (size_t i = 0; i < n; i++)
      text[i] = (char) ('a' + i % 26);
    assert_true(copy(to, text, n));
    assert_memory_equal(to, text, n);
    for (size_t i = 0; i < n; i++) {
      char kept = text[i];

      for (int c = 0; c < 256; c++) {
        text[i] = (char) c;
        if (copy(to, text, n) != is_plain(c))
          fail_msg("byte %d at %zu of %zu", c, i, n);
      }
      text[i] = kept;
    }
    free(text);
    free(to);
  }
}

static void every_byte_of_every_length_is_looked_at(void **state) {
  (void) state;
  check(jobsrv__copy_plain);
}

static void the_same_without_the_processors_help(void **state) {
  (void) state;
  check(other_copy_plain);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_byte_of_every_length_is_looked_at),
  cmocka_unit_test(the_same_without_the_processors_help),
};

RUN(tests);
