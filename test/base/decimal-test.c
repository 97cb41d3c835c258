/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/decimal.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Repeatable, and different enough. */
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static void agrees(const char *text) {
  double want = strtod(text, NULL);
  double got = -1;
  int err = jobsrv__decimal_double(text, strlen(text), &got);

  if (isinf(want)) {
    if (err != -1)
      fail_msg("%.60s: %a where it is infinite", text, got);
    return;
  }
  if (err != 0 || memcmp(&got, &want, sizeof(got)) != 0)
    fail_msg("%.60s: %a where %a was due", text, got, want);
}

static void known_numbers_are_read_exactly(void **state) {
  static const char *const texts[] = {
    "0", "-0", "0.0", "0e5", "0e-400", "-0.000", "1", "-1", "10", "0.1", "0.3",
    "123456789012345678901234567890", "18446744073709551615", "1e22", "1e23",
    "9007199254740993", "9007199254740992.5", "9007199254740993.0",
    "4.9406564584124654e-324", "2.4703282292062327e-324",
    "2.4703282292062328e-324", "2.47032822920623272e-324",
    "2.2250738585072014e-308", "2.2250738585072011e-308",
    "2.225073858507201136057409796709131975934819546351645648023426109724822"
    "22e-308", "1.7976931348623157e308", "1.7976931348623158e308",
    "1.7976931348623159e308", "1e308", "1e309", "1e-323", "1e-324", "1e-400",
    "1E+5", "1.5E-5", "0.000000000000000000000000000000000000000000000001e48",
    "1000000000000000000000000000000000000000000000000000000e-54",
    "6.631236846766476e-316", "3.237883913302901e-319", "5e-324", "8.5e-324",
    "6929495644600919.5", "3.2378839133029012895883524125015321748630376694231"
    "08059901297049552301970670676565786835742587799557860615776559838283435514"
    "3910841531692526891905643964595773946180389283653051434639551003566966656"
    "2920201733e-319", "1e999999999999999999999", "1e-999999999999999999999",
    "0e999999999999999999999",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    agrees(texts[i]);
}

static void any_double_comes_back_from_its_text(void **state) {
  char text[64];
  double value, got;
  uint64_t bits;

  (void) state;
  for (int i = 0; i < 100000; i++) {
    bits = next_random();
    memcpy(&value, &bits, sizeof(value));
    if (!isfinite(value))
      continue;
    snprintf(text, sizeof(text), "%.17g", value);
    assert_int_equal(jobsrv__decimal_double(text, strlen(text), &got), 0);
    if (memcmp(&value, &got, sizeof(value)) != 0)
      fail_msg("%s: %a where %a was due", text, got, value);
  }
}

static void random_texts_are_read_as_the_c_library_reads_them(void **state) {
  char text[1200];
  size_t len, digits;

  (void) state;
  for (int i = 0; i < 60000; i++) {
    len = 0;
    digits = 1 + next_random() % (i % 50 == 0 ? 900 : i % 5 == 0 ? 40 : 19);
    if (next_random() % 2)
      text[len++] = '-';
    text[len++] = (char) ('1' + next_random() % 9);
    for (size_t k = 1; k < digits; k++) {
      if (k == digits / 3)
        text[len++] = '.';
      text[len++] = (char) ('0' + next_random() % 10);
    }
    snprintf(text + len, 16, "e%d", (int) (next_random() % 700) - 350);
    agrees(text);
  }
}

/* The exact middle of two doubles, a hair below it and a hair above. */
static void the_middle_of_two_doubles_goes_to_the_even_one(void **state) {
  char text[2400];
  double value, next;
  uint64_t bits;
  int len;

  (void) state;
  for (int i = 0; i < 3000; i++) {
    bits = next_random() >> 1;
    if (i % 4 == 0)
      bits &= (UINT64_C(1) << 53) - 1; /* subnormals and the smallest others */
    memcpy(&value, &bits, sizeof(value));
    bits++;
    memcpy(&next, &bits, sizeof(next));
    if (!isfinite(value) || !isfinite(next))
      continue;
    /* long double holds one bit more, and prints it exactly */
    len = snprintf(text, sizeof(text), "%.1100Lf",
                   ((long double) value + (long double) next) / 2);
    agrees(text);
    text[len - 1]++; /* its last digits are zeros */
    agrees(text);
    while (text[len - 1] == '0' || text[len - 1] == '1')
      len--;
    if (text[len - 1] == '.')
      continue;
    text[len - 1]--;
    snprintf(text + len, 8, "999");
    agrees(text);
  }
}

static void digits_beyond_any_number_still_count(void **state) {
  static char text[20000];
  double got;

  (void) state;
  memset(text, '0', sizeof(text));
  memcpy(text, "9007199254740993.", 17);
  text[sizeof(text) - 1] = '\0';
  agrees(text);
  text[sizeof(text) - 2] = '1';
  assert_int_equal(jobsrv__decimal_double(text, strlen(text), &got), 0);
  assert_true(got == 9007199254740994.0);
  agrees(text);
  memset(text, '0', sizeof(text) - 1);
  memcpy(text, "0.", 2);
  memcpy(text + sizeof(text) - 10, "125e19994", 10);
  agrees(text);
}

static void the_locale_does_not_matter(void **state) {
  double got;

  (void) state;
  assert_non_null(setlocale(LC_NUMERIC, "de_DE.UTF-8"));
  assert_int_equal(jobsrv__decimal_double("1.5", 3, &got), 0);
  assert_true(got == 1.5);
  assert_int_equal(jobsrv__decimal_double("123456789.123456789012345", 25,
                                          &got), 0);
  assert_true(got == 123456789.123456789012345);
  (void) setlocale(LC_NUMERIC, "C");
}

static void is_integer(const char *text, int64_t want) {
  int64_t got = -77;

  if (jobsrv__decimal_i64(text, strlen(text), &got) != 0 || got != want)
    fail_msg("%s: %lld", text, (long long) got);
}

static void is_no_integer(const char *text) {
  int64_t got = -77;

  if (jobsrv__decimal_i64(text, strlen(text), &got) != -1 || got != -77)
    fail_msg("%s: %lld", text, (long long) got);
}

static void integers_are_told_by_value_not_by_spelling(void **state) {
  (void) state;
  is_integer("3", 3);
  is_integer("3.0", 3);
  is_integer("3e0", 3);
  is_integer("0.3e1", 3);
  is_integer("300e-2", 3);
  is_integer("-3.000", -3);
  is_integer("0", 0);
  is_integer("-0.0", 0);
  is_integer("0e999999999999", 0);
  is_integer("1e18", 1000000000000000000);
  is_integer("9223372036854775807", INT64_MAX);
  is_integer("9223372036854775807.0", INT64_MAX);
  is_integer("-9223372036854775808", INT64_MIN);
  is_integer("-922337203685477580.8e1", INT64_MIN);
  is_no_integer("9223372036854775808");
  is_no_integer("-9223372036854775809");
  is_no_integer("18446744073709551615");
  is_no_integer("99999999999999999999");
  is_no_integer("1e19");
  is_no_integer("1e999999999999");
  is_no_integer("0.5");
  is_no_integer("3.0000000000000000000000000000001");
  is_no_integer("1e-1");
  is_no_integer("1e-999999999999");
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(known_numbers_are_read_exactly),
  cmocka_unit_test(any_double_comes_back_from_its_text),
  cmocka_unit_test(random_texts_are_read_as_the_c_library_reads_them),
  cmocka_unit_test(the_middle_of_two_doubles_goes_to_the_even_one),
  cmocka_unit_test(digits_beyond_any_number_still_count),
  cmocka_unit_test(the_locale_does_not_matter),
  cmocka_unit_test(integers_are_told_by_value_not_by_spelling),
};

RUN(tests);
