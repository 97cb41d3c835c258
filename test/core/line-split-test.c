/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/alloc.h"
#include "core/line_split.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct out_s {
  char text[1024]; /* part:text| of short ones, part:*len| of long ones */
  size_t total;
  int pieces;
} out_t;

static void on_line(void *arg, int part, const char *text, size_t len) {
  out_t *out = arg;
  size_t at = strlen(out->text);

  assert_true(len <= JOBSRV__LINE_MAX);
  out->pieces++;
  out->total += len;
  if (at > sizeof(out->text) - 64)
    return;
  if (len < 32)
    snprintf(out->text + at, sizeof(out->text) - at, "%d:%.*s|", part,
             (int) len, text);
  else
    snprintf(out->text + at, sizeof(out->text) - at, "%d:*%zu|", part, len);
}

static void feed(jobsrv__lines_t *lines, const char *text, size_t len,
                 size_t step) {
  size_t room, n;
  char *to;

  while (len > 0) {
    to = jobsrv__lines_room(lines, &room);
    assert_true(room >= JOBSRV__LINE_ROOM);
    n = len < step ? len : step;
    n = n < room ? n : room;
    memcpy(to, text, n);
    jobsrv__lines_added(lines, n);
    text += n;
    len -= n;
  }
}

static out_t split(const char *text, size_t len, size_t step) {
  const jobsrv_alloc_t *alloc = jobsrv__alloc(NULL);
  jobsrv__lines_t lines;
  out_t out;

  memset(&out, 0, sizeof(out));
  assert_ok(jobsrv__lines_init(&lines, alloc, on_line, &out));
  feed(&lines, text, len, step);
  jobsrv__lines_end(&lines);
  jobsrv__lines_free(&lines, alloc);
  return out;
}

/* The same however the bytes arrive. */
static void assert_split(const char *text, size_t len, const char *expected) {
  static const size_t steps[] = { 1, 2, 3, 7, 4096, 65536, 1 << 20 };
  out_t out;

  for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
    out = split(text, len, steps[i]);
    assert_string_equal(out.text, expected);
  }
}

static void lines_end_at_a_line_feed(void **state) {
  (void) state;
  assert_split("a\nbc\n\nd\n", 8, "0:a|0:bc|0:|0:d|");
}

static void a_last_line_without_end_comes_at_the_end(void **state) {
  (void) state;
  assert_split("a\nrest", 6, "0:a|0:rest|");
  assert_split("", 0, "");
  assert_split("\n", 1, "0:|");
}

static void one_carriage_return_before_the_end_is_taken_off(void **state) {
  (void) state;
  assert_split("a\r\nb\r\r\nc\rd\n\r\n", 13, "0:a|0:b\r|0:c\rd|0:|");
  assert_split("a\r", 2, "0:a\r|");
}

static void nul_is_a_byte_like_any_other(void **state) {
  out_t out = split("a\0b\nc\0", 6, 1);

  (void) state;
  assert_int_equal(out.pieces, 2);
  assert_int_equal(out.total, 5);
}

/* `n` times 'x', then `tail`. */
static void assert_long(size_t n, const char *tail, const char *expected) {
  char *text = malloc(n + strlen(tail));

  assert_non_null(text);
  memset(text, 'x', n);
  memcpy(text + n, tail, strlen(tail));
  assert_split(text, n + strlen(tail), expected);
  free(text);
}

static void a_line_of_exactly_the_cap_is_whole(void **state) {
  (void) state;
  assert_long(65536, "\n", "0:*65536|");
  assert_long(65536, "\r\nb\n", "0:*65536|0:b|");
  assert_long(65536, "", "0:*65536|");
}

static void a_longer_line_goes_on_in_parts(void **state) {
  (void) state;
  assert_long(65537, "\n", "1:*65536|3:x|");
  assert_long(65537, "\r\n", "1:*65536|3:x|");
  assert_long(65537, "", "1:*65536|3:x|");
  assert_long(65536 * 2, "\nb\n", "1:*65536|3:*65536|0:b|");
  assert_long(65536 * 3 + 5, "\nb", "1:*65536|2:*65536|2:*65536|3:xxxxx|0:b|");
  assert_long(65536, "\rz\n", "1:*65536|3:\rz|");
}

static void a_part_does_not_end_inside_a_character(void **state) {
  (void) state;
  assert_long(65535, "\xc3\xa9\n", "1:*65535|3:\xc3\xa9|");
  assert_long(65534, "\xe2\x82\xac\n", "1:*65534|3:\xe2\x82\xac|");
  assert_long(65533, "\xe2\x82\xac.\n", "1:*65536|3:.|");
  /* stray bytes are no characters */
  assert_long(65534, "\x82\x82\x82\n", "1:*65536|3:\x82|");
}

static void nothing_is_lost_of_any_length(void **state) {
  char *text = malloc(70000);
  out_t out;

  (void) state;
  assert_non_null(text);
  for (size_t n = 65530; n < 65545; n++) {
    memset(text, 'y', n);
    text[n] = '\n';
    out = split(text, n + 1, 16384);
    assert_int_equal(out.total, n);
    assert_int_equal(out.pieces, n > 65536 ? 2 : 1);
  }
  free(text);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(lines_end_at_a_line_feed),
  cmocka_unit_test(a_last_line_without_end_comes_at_the_end),
  cmocka_unit_test(one_carriage_return_before_the_end_is_taken_off),
  cmocka_unit_test(nul_is_a_byte_like_any_other),
  cmocka_unit_test(a_line_of_exactly_the_cap_is_whole),
  cmocka_unit_test(a_longer_line_goes_on_in_parts),
  cmocka_unit_test(a_part_does_not_end_inside_a_character),
  cmocka_unit_test(nothing_is_lost_of_any_length),
};

RUN(tests);
