/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/format.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

static void it_tells_how_long_the_text_is(void **state) {
  char text[8];

  (void) state;
  assert_int_equal(jobsrv__format(text, sizeof(text), "%s-%d", "a", 7), 3);
  assert_string_equal(text, "a-7");
  assert_int_equal(jobsrv__format(text, sizeof(text), "%s", ""), 0);
  assert_string_equal(text, "");
}

static void of_a_text_that_does_not_fit_it_tells_what_is_there(void **state) {
  (void) state;
  for (size_t cap = 1; cap <= 12; cap++) {
    char text[16];
    size_t want = cap <= 10 ? cap - 1 : 10;

    memset(text, '!', sizeof(text));
    assert_int_equal(jobsrv__format(text, cap, "%s", "0123456789"), want);
    assert_memory_equal(text, "0123456789", want);
    assert_int_equal(text[want], '\0');
    for (size_t i = cap; i < sizeof(text); i++)
      assert_int_equal(text[i], '!');
  }
}

/* The C locale has no byte for that character, so it cannot be written. */
static void what_cannot_be_written_leaves_an_empty_text(void **state) {
  char text[16] = "before";

  (void) state;
  assert_non_null(setlocale(LC_ALL, "C"));
  assert_int_equal(jobsrv__format(text, sizeof(text), "a%lc",
                                  (wint_t) 0x20ac), 0);
  assert_string_equal(text, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_tells_how_long_the_text_is),
    cmocka_unit_test(of_a_text_that_does_not_fit_it_tells_what_is_there),
    cmocka_unit_test(what_cannot_be_written_leaves_an_empty_text),
  };

  return cmocka_run_group_tests(tests, NULL, NULL);
}
