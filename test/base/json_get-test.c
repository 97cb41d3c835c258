/* SPDX-License-Identifier: MIT */

/* Row 4: what a check reads of a payload, without a JSON library. */

#include "test.h"

#include "jobsrv/json.h"

#include <uv.h>

static const char text[] =
    " {\"path\" : \"a\\u00e9\\n\\ud83d\\ude00\", \"depth\":3.0,"
    "\"half\":0.5,\"yes\":true,\"no\":false,\"none\":null,"
    "\"list\":[10,[20,\"x\"],{}],\"\":1,\"a/b\":2,\"m~n\":3,\"\\u0041\":4,"
    "\"nul\":\"a\\u0000b\",\"big\":18446744073709551615,\"obj\":{\"k\":{}}} ";

enum { LEN = sizeof(text) - 1 };

static void value_is(const char *name, const char *want) {
  const char *value = NULL;
  size_t len = 0;

  assert_ok(jobsrv_json_value(text, LEN, name, &value, &len));
  assert_bytes(value, len, want);
}

static void a_member_is_found_by_its_name_as_it_is(void **state) {
  (void) state;
  value_is("depth", "3.0");
  value_is("a/b", "2");
  value_is("m~n", "3");
  value_is("A", "4");
  value_is("none", "null");
  value_is("list", "[10,[20,\"x\"],{}]");
}

static void a_pointer_reaches_into_it(void **state) {
  (void) state;
  value_is("/depth", "3.0");
  value_is("/a~1b", "2");
  value_is("/m~0n", "3");
  value_is("/", "1");
  value_is("/list/0", "10");
  value_is("/list/1/1", "\"x\"");
  value_is("/list/2", "{}");
  value_is("/obj/k", "{}");
}

static void an_empty_name_is_the_whole_text(void **state) {
  const char *value;
  size_t len;

  (void) state;
  assert_ok(jobsrv_json_value(text, LEN, "", &value, &len));
  assert_ptr_equal(value, text + 1);
  assert_int_equal(len, LEN - 2);
}

static void what_is_not_there_leaves_the_default(void **state) {
  static const char *const names[] = {
    "missing", "dep", "depths", "/missing", "/list/3", "/list/01", "/list/-",
    "/list/x", "/depth/x", "/list/0/0", "/obj/k/z",
  };
  int64_t number = 42;
  double real = 4.5;
  char string[8] = "same";
  int boolean = 7;

  (void) state;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    assert_err(jobsrv_json_i64(text, LEN, names[i], &number), JOBSRV_ENOARG);
    assert_err(jobsrv_json_double(text, LEN, names[i], &real), JOBSRV_ENOARG);
    assert_err(jobsrv_json_bool(text, LEN, names[i], &boolean), JOBSRV_ENOARG);
    assert_err(jobsrv_json_string(text, LEN, names[i], string, 8, NULL),
               JOBSRV_ENOARG);
  }
  assert_err(jobsrv_json_i64("[1]", 3, "x", &number), JOBSRV_ENOARG);
  assert_int_equal(number, 42);
  assert_true(real == 4.5);
  assert_int_equal(boolean, 7);
  assert_string_equal(string, "same");
}

static void a_pointer_that_is_none_is_refused(void **state) {
  int64_t number = 42;

  (void) state;
  assert_err(jobsrv_json_i64(text, LEN, "/a~2", &number), UV_EINVAL);
  assert_err(jobsrv_json_i64(text, LEN, "/a~", &number), UV_EINVAL);
  assert_err(jobsrv_json_i64(text, LEN, "/x/~a", &number), UV_EINVAL);
  assert_int_equal(number, 42);
}

static void each_type_is_read_as_itself_alone(void **state) {
  int64_t number = 42;
  double real = 4.5;
  int boolean = 7;
  char string[16];

  (void) state;
  assert_ok(jobsrv_json_i64(text, LEN, "depth", &number));
  assert_int_equal(number, 3);
  assert_ok(jobsrv_json_double(text, LEN, "depth", &real));
  assert_true(real == 3);
  assert_ok(jobsrv_json_double(text, LEN, "half", &real));
  assert_true(real == 0.5);
  assert_ok(jobsrv_json_double(text, LEN, "big", &real));
  assert_true(real == 18446744073709551616.0);
  assert_ok(jobsrv_json_bool(text, LEN, "yes", &boolean));
  assert_int_equal(boolean, 1);
  assert_ok(jobsrv_json_bool(text, LEN, "no", &boolean));
  assert_int_equal(boolean, 0);
  assert_err(jobsrv_json_i64(text, LEN, "half", &number), JOBSRV_EARGTYPE);
  assert_err(jobsrv_json_i64(text, LEN, "big", &number), JOBSRV_EARGTYPE);
  assert_err(jobsrv_json_i64(text, LEN, "yes", &number), JOBSRV_EARGTYPE);
  assert_err(jobsrv_json_double(text, LEN, "path", &real), JOBSRV_EARGTYPE);
  assert_err(jobsrv_json_bool(text, LEN, "none", &boolean), JOBSRV_EARGTYPE);
  assert_err(jobsrv_json_bool(text, LEN, "depth", &boolean), JOBSRV_EARGTYPE);
  assert_err(jobsrv_json_string(text, LEN, "depth", string, 16, NULL),
             JOBSRV_EARGTYPE);
  assert_err(jobsrv_json_string(text, LEN, "none", string, 16, NULL),
             JOBSRV_EARGTYPE);
}

static void a_text_is_unescaped_into_the_callers_room(void **state) {
  char string[16] = "?";
  size_t len = 0;

  (void) state;
  assert_ok(jobsrv_json_string(text, LEN, "path", string, 9, &len));
  assert_int_equal(len, 8);
  assert_string_equal(string, "a\xc3\xa9\n\xf0\x9f\x98\x80");
  strcpy(string, "same");
  assert_err(jobsrv_json_string(text, LEN, "path", string, 8, &len),
             JOBSRV_ETOOBIG);
  assert_err(jobsrv_json_string(text, LEN, "path", string, 0, &len),
             JOBSRV_ETOOBIG);
  assert_string_equal(string, "same");
  assert_ok(jobsrv_json_string(text, LEN, "/list/1/1", string, 2, NULL));
  assert_string_equal(string, "x");
}

static void a_nul_inside_is_told_by_the_length_alone(void **state) {
  char string[16] = "same";
  size_t len = 0;

  (void) state;
  assert_err(jobsrv_json_string(text, LEN, "nul", string, 16, NULL),
             JOBSRV_EARGTYPE);
  assert_string_equal(string, "same");
  assert_ok(jobsrv_json_string(text, LEN, "nul", string, 16, &len));
  assert_int_equal(len, 3);
  assert_memory_equal(string, "a\0b", 4);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_member_is_found_by_its_name_as_it_is),
  cmocka_unit_test(a_pointer_reaches_into_it),
  cmocka_unit_test(an_empty_name_is_the_whole_text),
  cmocka_unit_test(what_is_not_there_leaves_the_default),
  cmocka_unit_test(a_pointer_that_is_none_is_refused),
  cmocka_unit_test(each_type_is_read_as_itself_alone),
  cmocka_unit_test(a_text_is_unescaped_into_the_callers_room),
  cmocka_unit_test(a_nul_inside_is_told_by_the_length_alone),
};

RUN(tests);
