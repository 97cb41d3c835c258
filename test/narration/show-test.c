/* SPDX-License-Identifier: MIT */

/* Text in renderings for people. */

#include "test.h"

#include "narration/show.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_shown_n(const char *text, size_t len, const char *want) {
  char *exact = malloc(len + 1); /* a read behind it is seen by sanitizers */
  jobsrv__buf_t buf;

  assert_non_null(exact);
  exact = realloc(exact, len > 0 ? len : 1);
  memcpy(exact, text, len);
  jobsrv__buf_init(&buf, NULL, 0);
  jobsrv__show(&buf, exact, len);
  assert_string_equal(jobsrv__buf_str(&buf), want);
  jobsrv__buf_free(&buf);
  free(exact);
}

static void assert_shown(const char *text, const char *want) {
  assert_shown_n(text, strlen(text), want);
}

static void assert_kept(const char *text) {
  assert_shown(text, text);
}

#define WOMAN "\xf0\x9f\x91\xa9"
#define LAPTOP "\xf0\x9f\x92\xbb"
#define SKIN "\xf0\x9f\x8f\xbd"
#define HEART "\xe2\x9d\xa4"
#define FLAG "\xf0\x9f\x8f\xb4"
#define ZWJ "\xe2\x80\x8d"
#define VS15 "\xef\xb8\x8e"
#define VS16 "\xef\xb8\x8f"
#define KEYCAP "\xe2\x83\xa3"
#define TAG(c) "\xf3\xa0\x81" c
#define G TAG("\xa7")
#define B TAG("\xa2")
#define E TAG("\xa5")
#define N TAG("\xae")
#define LAST TAG("\xbf")

static void plain_text_of_any_script_stays(void **state) {
  (void) state;
  assert_kept("");
  assert_kept("plain text \\ with \"quotes\" and %s ~");
  assert_kept("gr\xc3\xbc\xc3\x9f" "e \xd0\xb6 \xe6\x97\xa5\xe6\x9c\xac "
              "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d e\xcc\x81");
}

static void every_control_is_escaped(void **state) {
  char want[8];
  char text[3];

  (void) state;
  for (unsigned int c = 0; c < 0xa0; c++) {
    if (c >= 0x20 && c < 0x7f)
      continue;
    snprintf(want, sizeof(want), "\\x%02x", c);
    text[0] = c < 0x80 ? (char) c : (char) 0xc2;
    text[1] = (char) c;
    assert_shown_n(text, c < 0x80 ? 1 : 2, want);
  }
  assert_shown_n("a\0b\r\n", 5, "a\\x00b\\x0d\\x0a");
}

static void what_turns_or_ends_a_line_is_escaped(void **state) {
  (void) state;
  assert_shown("a\xe2\x80\xa8" "b\xe2\x80\xa9", "a\\u2028b\\u2029");
  assert_shown("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae",
               "\\u202a\\u202b\\u202c\\u202d\\u202e");
  assert_shown("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9",
               "\\u2066\\u2067\\u2068\\u2069");
  assert_shown("\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "\\u200e\\u200f\\u061c");
}

static void what_takes_no_room_is_escaped(void **state) {
  (void) state;
  assert_shown("pass\xe2\x80\x8bword", "pass\\u200bword");
  assert_shown("a\xe2\x80\x8c" "b" ZWJ "c", "a\\u200cb\\u200dc");
  assert_shown("\xef\xbb\xbf" "bom\xc2\xad", "\\ufeffbom\\xad");
  assert_shown("\xe2\x81\xa0\xe3\x85\xa4\xef\xbe\xa0\xcd\x8f",
               "\\u2060\\u3164\\uffa0\\u034f");
  assert_shown("x" VS16 "y" VS15, "x\\ufe0fy\\ufe0e");
  assert_shown("x" G B, "x\\ue0067\\ue0062");
}

static void emoji_stay_whole(void **state) {
  (void) state;
  assert_kept(WOMAN ZWJ LAPTOP);
  assert_kept(WOMAN SKIN ZWJ LAPTOP);
  assert_kept(WOMAN ZWJ HEART VS16 ZWJ WOMAN " two");
  assert_kept(HEART VS16 HEART VS15);
  assert_kept("1" VS16 KEYCAP "#" VS16 KEYCAP);
  assert_kept("\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa");
  assert_kept(FLAG G B E N G LAST);
  assert_kept("\xc2\xa9" VS16);
}

static void a_half_emoji_hides_nothing(void **state) {
  (void) state;
  assert_shown(WOMAN ZWJ, WOMAN "\\u200d");
  assert_shown(WOMAN ZWJ "x", WOMAN "\\u200dx");
  assert_shown(ZWJ WOMAN, "\\u200d" WOMAN);
  assert_shown(WOMAN ZWJ ZWJ LAPTOP, WOMAN "\\u200d\\u200d" LAPTOP);
  assert_shown(HEART VS16 VS16, HEART VS16 "\\ufe0f");
  assert_shown("1" VS16 "2", "1\\ufe0f2");
  assert_shown(FLAG G B E N G, FLAG "\\ue0067\\ue0062\\ue0065\\ue006e\\ue0067");
  assert_shown(FLAG G LAST, FLAG "\\ue0067\\ue007f");
  assert_shown(FLAG G G G G G G G LAST,
               FLAG "\\ue0067\\ue0067\\ue0067\\ue0067\\ue0067\\ue0067\\ue0067"
                    "\\ue007f");
  assert_shown(FLAG G B E LAST G, FLAG G B E LAST "\\ue0067");
}

static void what_is_not_utf8_is_replaced(void **state) {
  (void) state;
  assert_shown("\xff \xe2\x82 \xc0\xaf",
               "\xef\xbf\xbd \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd");
  assert_shown(WOMAN "\xe2\x80", WOMAN "\xef\xbf\xbd");
  assert_shown("\xed\xa0\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(plain_text_of_any_script_stays),
  cmocka_unit_test(every_control_is_escaped),
  cmocka_unit_test(what_turns_or_ends_a_line_is_escaped),
  cmocka_unit_test(what_takes_no_room_is_escaped),
  cmocka_unit_test(emoji_stay_whole),
  cmocka_unit_test(a_half_emoji_hides_nothing),
  cmocka_unit_test(what_is_not_utf8_is_replaced),
};

RUN(tests);
