/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/utf8.h"

#include <stdio.h>

static void every_scalar_value_survives(void **state) {
  uint32_t cp, back;
  char bytes[4];
  size_t len;
  int bad;

  (void) state;
  for (cp = 0; cp <= 0x10ffff; cp++) {
    if (cp == 0xd800)
      cp = 0xe000;
    len = jobsrv__utf8_encode(bytes, cp);
    if (jobsrv__utf8_next(bytes, len, &back, &bad) != len || bad ||
        back != cp || !jobsrv__utf8_valid(bytes, len))
      fail_msg("U+%04X", cp);
  }
}

/* What is valid, told in another way: by decoding freely, then judging. */
static int is_valid_sequence(const unsigned char *b, size_t n) {
  static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
  uint32_t cp;
  size_t i, len;

  len = b[0] < 0x80             ? 1
        : (b[0] & 0xe0) == 0xc0 ? 2
        : (b[0] & 0xf0) == 0xe0 ? 3
        : (b[0] & 0xf8) == 0xf0 ? 4
                                : 0;
  if (len != n)
    return 0;
  cp = len == 1 ? b[0] : b[0] & (0x7fu >> len);
  for (i = 1; i < len; i++) {
    if ((b[i] & 0xc0) != 0x80)
      return 0;
    cp = cp << 6 | (b[i] & 0x3f);
  }
  return cp >= least[len] && cp <= 0x10ffff && (cp < 0xd800 || cp > 0xdfff);
}

static void all_sequences_of_up_to_four_bytes_are_judged_right(void **state) {
  /* Every first and second byte; of the others the borders. */
  static const unsigned char border[] = { 0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90,
                                          0xbf, 0xc0, 0xe2, 0xff };
  unsigned char b[4];
  int x, y;
  size_t i, j, n;

  (void) state;
  for (x = 0; x < 256; x++)
    for (y = 0; y < 256; y++)
      for (i = 0; i < sizeof(border); i++)
        for (j = 0; j < sizeof(border); j++) {
          b[0] = (unsigned char) x;
          b[1] = (unsigned char) y;
          b[2] = border[i];
          b[3] = border[j];
          for (n = 1; n <= 4; n++) {
            uint32_t cp;
            int bad, want = is_valid_sequence(b, n);
            size_t len = jobsrv__utf8_next((char *) b, n, &cp, &bad);

            assert_in_range(len, 1, n);
            if (want && (bad || len != n))
              fail_msg("%02x %02x %02x %02x refused", b[0], b[1], b[2], b[3]);
            if (!bad && !is_valid_sequence(b, len))
              fail_msg("%02x %02x %02x %02x taken", b[0], b[1], b[2], b[3]);
            if (bad)
              assert_int_equal(cp, 0xfffd);
          }
        }
}

static void repair(const char *from, size_t n, const char *want) {
  char to[256];
  size_t len = jobsrv__utf8_repair(to, sizeof(to), from, n);

  assert_bytes(to, len, want);
  assert_true(jobsrv__utf8_valid(to, len));
}

#define R "\xef\xbf\xbd"
#define REPAIR(from, want) repair(from, sizeof(from) - 1, want)

static void each_bad_subpart_becomes_one_replacement(void **state) {
  (void) state;
  REPAIR("", "");
  REPAIR("plain ASCII text, longer than a word",
         "plain ASCII text, longer than a word");
  REPAIR("gr\xc3\xbc\xc3\x9f " R " \xf0\x9f\x98\x80",
         "gr\xc3\xbc\xc3\x9f " R " \xf0\x9f\x98\x80");
  /* The table of the Unicode standard, 3.9. */
  REPAIR("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A");
  REPAIR("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A");
  REPAIR("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B");
  REPAIR("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A");
  /* Cut off at the end. */
  REPAIR("a\xc3", "a" R);
  REPAIR("a\xe2\x82", "a" R);
  REPAIR("a\xf0\x9f\x98", "a" R);
  REPAIR("12345678\xff" "12345678\xff", "12345678" R "12345678" R);
}

static void repair_fills_the_room_with_whole_characters(void **state) {
  static const char from[] = "a\xc3\xa9\xff\xe2\x82\xac\xf0\x9f\x98\x80z";
  static const char want[] = "a\xc3\xa9" R "\xe2\x82\xac\xf0\x9f\x98\x80z";
  static const size_t ends[] = { 0, 1, 3, 6, 9, 13, 14 };
  char to[32];
  size_t cap, len, i;

  (void) state;
  for (cap = 0; cap <= 20; cap++) {
    memset(to, '#', sizeof(to));
    len = jobsrv__utf8_repair(to, cap, from, sizeof(from) - 1);
    for (i = 6; ends[i] > cap; i--)
      ;
    assert_int_equal(len, ends[i]);
    assert_memory_equal(to, want, len);
    assert_int_equal(to[len], '#');
  }
}

static void the_span_ends_where_the_first_mistake_is(void **state) {
  char text[64];
  size_t at;

  (void) state;
  for (at = 0; at < sizeof(text); at++) {
    memset(text, 'x', sizeof(text));
    text[at] = (char) 0xff;
    assert_int_equal(jobsrv__utf8_span(text, sizeof(text)), at);
    assert_false(jobsrv__utf8_valid(text, sizeof(text)));
    text[at] = (char) 0xc3;
    assert_int_equal(jobsrv__utf8_span(text, sizeof(text)), at);
    assert_true(jobsrv__utf8_valid(text, at));
  }
}

static void a_cut_never_splits_a_character(void **state) {
  static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
  static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };
  size_t max;

  (void) state;
  for (max = 0; max < sizeof(want) / sizeof(want[0]); max++)
    assert_int_equal(jobsrv__utf8_cut(text, sizeof(text) - 1, max), want[max]);
}

static void a_cut_goes_on_through_what_is_not_utf8(void **state) {
  static const char text[] = "\x80\x80\x80\x80\x80\x80\xff\xff\xc3\x28\xe2\x82";
  size_t max;

  (void) state;
  for (max = 0; max <= sizeof(text) - 1; max++)
    assert_int_equal(jobsrv__utf8_cut(text, sizeof(text) - 1, max), max);
}

static void no_bytes_are_no_character(void **state) {
  uint32_t cp = 7;

  (void) state;
  assert_int_equal(jobsrv__utf8_decode("x", 0, &cp), 0);
  assert_int_equal(cp, 7);
  assert_int_equal(jobsrv__utf8_decode("\xff", 1, &cp), 1);
  assert_int_equal(cp, 0xfffd);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_scalar_value_survives),
  cmocka_unit_test(all_sequences_of_up_to_four_bytes_are_judged_right),
  cmocka_unit_test(each_bad_subpart_becomes_one_replacement),
  cmocka_unit_test(repair_fills_the_room_with_whole_characters),
  cmocka_unit_test(the_span_ends_where_the_first_mistake_is),
  cmocka_unit_test(a_cut_never_splits_a_character),
  cmocka_unit_test(a_cut_goes_on_through_what_is_not_utf8),
  cmocka_unit_test(no_bytes_are_no_character),
};

RUN(tests);
