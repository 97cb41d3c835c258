/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/width.h"

static void assert_width(const char *text, size_t want) {
  if (jobsrv__width(text, strlen(text)) != want)
    fail_msg("\"%s\" is %zu wide, not %zu", text,
             jobsrv__width(text, strlen(text)), want);
}

/* The first character as it is seen takes `bytes` and `columns`. */
static void assert_first(const char *text, size_t bytes, unsigned int columns) {
  unsigned int width;
  size_t got = jobsrv__width_next(text, strlen(text), &width);

  if (got != bytes || width != columns)
    fail_msg("\"%s\": %zu bytes, %u wide", text, got, width);
}

static void letters_are_one_or_two_columns(void **state) {
  (void) state;
  assert_width("", 0);
  assert_width("abc", 3);
  assert_width("\xc3\xa9", 1);                         /* e acute */
  assert_width("\xe6\x97\xa5\xe6\x9c\xac", 4);         /* two kanji */
  assert_width("\xef\xbd\xb1", 1);                     /* a half-width kana */
  assert_width("\xef\xbc\xa1", 2);                     /* a full-width A */
  assert_width("\xed\x95\x9c", 2);                     /* a hangul syllable */
  assert_width("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", 2); /* it, in parts */
  assert_width("\xf0\xa0\x80\x80", 2);                 /* a rare ideograph */
  assert_width("\xe2\x94\x82", 1);                     /* a bar */
  assert_width("\xc2\xad", 1);                         /* soft hyphen */
}

static void marks_take_no_column(void **state) {
  (void) state;
  assert_width("e\xcc\x81", 1);
  assert_first("e\xcc\x81x", 3, 1);
  assert_width("e\xcc\x81\xcc\xa3z", 2);
  assert_width("\xe0\xa4\x95\xe0\xa5\x8d", 1);         /* ka with virama */
  assert_width("a\xe2\x80\x8b" "b", 2);                /* zero width space */
  assert_width("\xcc\x81", 0);                         /* without a letter */
}

static void emoji_are_one_picture_of_two_columns(void **state) {
  (void) state;
  assert_width("\xf0\x9f\x98\x80", 2);                 /* a face */
  assert_first("\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd!", 8, 2); /* thumb, skin */
  assert_first("\xe2\x98\x9d\xf0\x9f\x8f\xbd", 7, 2);  /* finger, skin */
  /* a family of three, joined */
  assert_first("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d"
               "\xf0\x9f\x91\xa6x", 18, 2);
  assert_first("\xe2\x9d\xa4x", 3, 1);                 /* a heart, as text */
  assert_first("\xe2\x9d\xa4\xef\xb8\x8fx", 6, 2);     /* as a picture */
  assert_first("1\xef\xb8\x8f\xe2\x83\xa3x", 7, 2);    /* a keycap */
  assert_first("\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa"
               "\xf0\x9f\x87\xab\xf0\x9f\x87\xb7", 8, 2); /* two flags */
  assert_first("\xf0\x9f\x87\xa9\xf0\x9f\x87\xa9"
               "\xf0\x9f\x87\xa9", 8, 2);              /* the same twice */
  assert_first("\xf0\x9f\x87\xa9x", 4, 1);             /* half a flag */
  assert_first("a\xef\xb8\x8f", 4, 1);                 /* a is no picture */
  assert_first("a\xf0\x9f\x8f\xbd", 1, 1);             /* nor has it a skin */
  assert_first("a\xe2\x80\x8d\xf0\x9f\x98\x80", 4, 1);
}

static void a_cut_keeps_whole_characters(void **state) {
  const char *text = "a\xe6\x97\xa5" "e\xcc\x81!";
  size_t width;

  (void) state;
  assert_int_equal(jobsrv__width_cut(text, 8, 0, &width), 0);
  assert_int_equal(jobsrv__width_cut(text, 8, 2, &width), 1);
  assert_int_equal(width, 1);
  assert_int_equal(jobsrv__width_cut(text, 8, 3, &width), 4);
  assert_int_equal(width, 3);
  assert_int_equal(jobsrv__width_cut(text, 8, 4, &width), 7);
  assert_int_equal(jobsrv__width_cut(text, 8, 9, &width), 8);
  assert_int_equal(width, 5);
}

static void what_is_no_text_has_a_width_too(void **state) {
  unsigned int width;

  (void) state;
  assert_width("\xff\xc0", 2);
  assert_width("\xe6\x97", 1);
  assert_int_equal(jobsrv__width_next("\0\xcc\x81", 3, &width), 1);
  assert_int_equal(width, 1);
  for (uint32_t cp = 0; cp < 0x110000; cp++)
    assert_true(jobsrv__width_of(cp) <= 2);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(letters_are_one_or_two_columns),
  cmocka_unit_test(marks_take_no_column),
  cmocka_unit_test(emoji_are_one_picture_of_two_columns),
  cmocka_unit_test(a_cut_keeps_whole_characters),
  cmocka_unit_test(what_is_no_text_has_a_width_too),
};

RUN(tests);
