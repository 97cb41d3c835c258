/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "failing.h"

#include "base/json_scan.h"

#include <math.h>
#include <stdio.h>
#include <uv.h>

typedef struct {
  const char *text;
  unsigned int line;
  unsigned int column;
  const char *pointer;
  const char *message;
} bad_t;

static int check(const char *text) {
  jobsrv_json_error_t error;

  return jobsrv_json_check(text, strlen(text), 64, &error);
}

static void what_is_json_passes(void **state) {
  static const char *const good[] = {
    "{}", "[]", "0", "-0", "-1", "12", "1.5", "0.0", "1e5", "1E+5", "1e-5",
    "0e0", "\"\"", "true", "false", "null", " \t\r\n1 \t\r\n", "[1,2]",
    "[[],[[]],{}]", "{\"a\":1,\"b\":{\"a\":[{\"a\":null}]}}", "\"\\u0000\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"\\ud83d\\ude00\"",
    "\"\\uD83D\\uDE00\"", "\"\x7f\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    "18446744073709551615", "-9223372036854775808", "1e308",
    "-1.7976931348623157e308", "1.7976931348623158e308",
    "1e-999999999999999999",
    "0e999999999999999999999", "0.0000e400", "{\"\":1}",
    "{\"a\":1,\"A\":1,\"\\u0061b\":1,\"b\":1}", "[\"\\\"]\",\"}\"]",
  };
  size_t i;

  (void) state;
  for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
    if (check(good[i]) != 0)
      fail_msg("%s was refused", good[i]);
}

static const bad_t bad[] = {
  /* what was expected */
  { "", 1, 1, "", "expected a value" },
  { "  \n ", 2, 2, "", "expected a value" },
  { "x", 1, 1, "", "expected a value" },
  { "+1", 1, 1, "", "expected a value" },
  { "'a'", 1, 1, "", "expected a value" },
  { "NaN", 1, 1, "", "expected a value" },
  { "tru", 1, 1, "", "expected 'true'" },
  { "[fals]", 1, 2, "/0", "expected 'false'" },
  { "nul", 1, 1, "", "expected 'null'" },
  { "truex", 1, 5, "", "expected the end of the text" },
  { "{} {}", 1, 4, "", "expected the end of the text" },
  { "1 2", 1, 3, "", "expected the end of the text" },
  { "1,", 1, 2, "", "expected the end of the text" },
  { "}", 1, 1, "", "expected a value" },
  { "\xef\xbb\xbf{}", 1, 1, "", "the text begins with a byte order mark" },
  /* objects */
  { "{", 1, 2, "", "expected a name or '}'" },
  { "{a:1}", 1, 2, "", "expected a name or '}'" },
  { "{,}", 1, 2, "", "expected a name or '}'" },
  { "{\"a\":1,}", 1, 8, "", "expected a name" },
  { "{\"a\":1,b}", 1, 8, "", "expected a name" },
  { "{\"a\"}", 1, 5, "", "expected ':'" },
  { "{\"a\" 1}", 1, 6, "", "expected ':'" },
  { "{\"a\":}", 1, 6, "/a", "expected a value" },
  { "{\"a\":", 1, 6, "/a", "expected a value" },
  { "{\"a\":1", 1, 7, "", "expected ',' or '}'" },
  { "{\"a\":1 \"b\":2}", 1, 8, "", "expected ',' or '}'" },
  { "{\"a\":1]", 1, 7, "", "expected ',' or '}'" },
  { "{\n  \"a\": {\n    \"b\": 1\n    \"c\": 2\n  }\n}", 4, 5, "/a",
    "expected ',' or '}'" },
  /* arrays */
  { "[", 1, 2, "", "expected a value or ']'" },
  { "[,1]", 1, 2, "/0", "expected a value or ']'" },
  { "[1,]", 1, 4, "/1", "expected a value" },
  { "[1,,2]", 1, 4, "/1", "expected a value" },
  { "[1 2]", 1, 4, "", "expected ',' or ']'" },
  { "[1", 1, 3, "", "expected ',' or ']'" },
  { "[1}", 1, 3, "", "expected ',' or ']'" },
  { "{\"a\":[0,1,{\"b\":[x]}]}", 1, 17, "/a/2/b/0",
    "expected a value or ']'" },
  /* numbers */
  { "-", 1, 2, "", "expected a digit" },
  { "-a", 1, 2, "", "expected a digit" },
  { "01", 1, 1, "", "a number may not begin with 0" },
  { "[-01]", 1, 3, "/0", "a number may not begin with 0" },
  { "1.", 1, 3, "", "expected a digit after '.'" },
  { "1.e5", 1, 3, "", "expected a digit after '.'" },
  { ".5", 1, 1, "", "expected a value" },
  { "1e", 1, 3, "", "expected a digit in the exponent" },
  { "1e+", 1, 4, "", "expected a digit in the exponent" },
  { "1e+-5", 1, 4, "", "expected a digit in the exponent" },
  { "0x10", 1, 2, "", "expected the end of the text" },
  { "{\"n\": 18446744073709551616}", 1, 7, "/n", "integer beyond 64 bits" },
  { "-9223372036854775809", 1, 1, "", "integer beyond 64 bits" },
  { "100000000000000000000", 1, 1, "", "integer beyond 64 bits" },
  { "[1e309]", 1, 2, "/0", "number beyond the range of a double" },
  { "-1e999999999999999999999", 1, 1, "",
    "number beyond the range of a double" },
  { "1.7976931348623159e308", 1, 1, "",
    "number beyond the range of a double" },
  { "17976931348623159000e289", 1, 1, "",
    "number beyond the range of a double" },
  { "0.00017976931348623159e312", 1, 1, "",
    "number beyond the range of a double" },
  /* strings */
  { "\"abc", 1, 1, "", "unterminated string" },
  { "\"abc\\", 1, 1, "", "unterminated string" },
  { "\"abc\\\"", 1, 1, "", "unterminated string" },
  { "\"\\u12", 1, 1, "", "unterminated string" },
  { "{\"a", 1, 2, "", "unterminated string" },
  { "\"a\nb\"", 1, 3, "", "line break in a string" },
  { "\"a\tb\"", 1, 3, "", "tab in a string" },
  { "\"12345678\x01\"", 1, 10, "", "control character in a string" },
  { "\"\\x\"", 1, 2, "", "invalid escape" },
  { "\"\\u12g4\"", 1, 2, "", "expected four hex digits after \\u" },
  { "\"a\\ud800\"", 1, 3, "", "lone surrogate" },
  { "\"\\ud800\\u0041\"", 1, 2, "", "lone surrogate" },
  { "\"\\ude00\"", 1, 2, "", "lone surrogate" },
  { "\"\\ud83d\\ud83d\"", 1, 2, "", "lone surrogate" },
  { "\"\xff\"", 1, 2, "", "invalid UTF-8" },
  { "\"\xc3\"", 1, 2, "", "invalid UTF-8" },
  { "\"\xc0\x80\"", 1, 2, "", "invalid UTF-8" },
  { "\"\xed\xa0\x80\"", 1, 2, "", "invalid UTF-8" },
  /* columns are characters, lines end with LF */
  { "[\"\xc3\xa9\xf0\x9f\x98\x80\", x]", 1, 8, "/1", "expected a value" },
  { "[1,\r\n\r\n x]", 3, 2, "/1", "expected a value" },
  /* names */
  { "{\"x\":1,\"x\":2}", 1, 8, "", "duplicate name \"x\"" },
  { "{\"a\":1,\"\\u0061\":2}", 1, 8, "", "duplicate name \"\\u0061\"" },
  { "{\"\\/\":1,\"/\":2}", 1, 9, "", "duplicate name \"/\"" },
  { "{\"\":1,\"\":2}", 1, 7, "", "duplicate name \"\"" },
  { "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 1, 19, "",
    "duplicate name \"\xf0\x9f\x98\x80\"" },
  { "[0,{\"k\":{\"y\":1,\"z\":2,\"y\":3}}]", 1, 22, "/1/k",
    "duplicate name \"y\"" },
  { "{\"0123456789012345678901234567890123456789012345678901234567890123456789"
    "\":1,\"0123456789012345678901234567890123456789012345678901234567890123456"
    "789\":1}", 1, 77, "", "duplicate name \"0123456789012345678901234567890123"
    "456789012345678901234567890123...\"" },
  /* pointers are escaped */
  { "{\"a/b~c\":[{\"\\u00e9\\n\":x}]}", 1, 23, "/a~1b~0c/0/\xc3\xa9\n",
    "expected a value" },
};

static void what_is_not_json_is_told_with_its_place(void **state) {
  jobsrv_json_error_t error;
  size_t i;

  (void) state;
  for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    const bad_t *b = &bad[i];

    memset(&error, 0x55, sizeof(error));
    if (jobsrv_json_check(b->text, strlen(b->text), 64, &error) !=
        JOBSRV_EJSON)
      fail_msg("%s was taken", b->text);
    if (error.line != b->line || error.column != b->column ||
        strcmp(error.pointer, b->pointer) != 0 ||
        strcmp(error.message, b->message) != 0)
      fail_msg("%s: %u:%u \"%s\" %s", b->text, error.line, error.column,
               error.pointer, error.message);
  }
}

static void a_nul_is_no_end(void **state) {
  static const char text[] = "{}\0{}";
  jobsrv_json_error_t error;

  (void) state;
  assert_err(jobsrv_json_check(text, 5, 64, &error), JOBSRV_EJSON);
  assert_int_equal(error.offset, 2);
  assert_err(jobsrv_json_check("\"\0\"", 3, 64, &error), JOBSRV_EJSON);
  assert_string_equal(error.message, "control character in a string");
}

static void the_error_may_be_left_out(void **state) {
  (void) state;
  assert_err(jobsrv_json_check("{\"a\":1,\"a\":1}", 13, 64, NULL),
             JOBSRV_EJSON);
}

static void nesting_is_bounded_exactly(void **state) {
  jobsrv_json_error_t error;
  char text[4096];
  unsigned int i;

  (void) state;
  for (i = 0; i < 64; i++)
    text[i] = '[';
  memset(text + 64, ']', 64);
  assert_ok(jobsrv_json_check(text, 128, 64, &error));
  assert_err(jobsrv_json_check(text, 128, 63, &error), JOBSRV_EJSON);
  assert_int_equal(error.offset, 63);
  assert_string_equal(error.message, "nesting deeper than 63");
  assert_true(strncmp(error.pointer, "/0/0/0/0", 8) == 0);
  assert_true(strlen(error.pointer) % 2 == 0);

  assert_ok(jobsrv_json_check("1", 1, 0, &error));
  assert_err(jobsrv_json_check("[]", 2, 0, &error), JOBSRV_EJSON);

  /* Whatever the caller allows, the stack has an end. */
  memset(text, '[', sizeof(text));
  assert_err(jobsrv_json_check(text, sizeof(text), 1000000, &error),
             JOBSRV_EJSON);
  assert_string_equal(error.message, "nesting deeper than 1024");
}

static void a_pointer_that_does_not_fit_is_cut_at_a_token(void **state) {
  jobsrv_json_error_t error;
  char text[1024] = "";
  int i;

  (void) state;
  for (i = 0; i < 20; i++)
    strcat(text, "{\"abcdefgh\":");
  assert_err(jobsrv_json_check(text, strlen(text), 64, &error), JOBSRV_EJSON);
  assert_int_equal(strlen(error.pointer), 126); /* 14 tokens of 9 bytes */

  text[0] = '\0';
  for (i = 0; i < 10; i++)
    strcat(text, "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\u0000b\":");
  assert_err(jobsrv_json_check(text, strlen(text), 64, &error), JOBSRV_EJSON);
  assert_string_equal(error.pointer, "");
}

/* An object of `count` names, the last of them a second "n<twice>". */
static size_t big_object(char *to, unsigned int count, int twice) {
  size_t len = (size_t) sprintf(to, "{");
  unsigned int i;

  for (i = 0; i < count; i++)
    len += (size_t) sprintf(to + len, "%s\"n%u\":{\"n0\":%u}", i ? "," : "", i,
                            i);
  if (twice >= 0)
    len += (size_t) sprintf(to + len, ",\"n%d\":0,\"x\":1", twice);
  return len + (size_t) sprintf(to + len, "}");
}

static void duplicates_are_found_among_any_number_of_names(void **state) {
  static const unsigned int counts[] = { 1, 2, 62, 63, 64, 65, 66, 255, 256,
                                         257, 1000 };
  static char text[64 * 1024];
  jobsrv_json_error_t error;
  char want[64];
  size_t i, len;
  int twice;

  (void) state;
  for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
    len = big_object(text, counts[i], -1);
    assert_ok(jobsrv_json_check(text, len, 64, &error));
    for (twice = 0; twice < (int) counts[i]; twice += 1 + twice / 3) {
      len = big_object(text, counts[i], twice);
      assert_err(jobsrv_json_check(text, len, 64, &error), JOBSRV_EJSON);
      sprintf(want, "duplicate name \"n%d\"", twice);
      assert_string_equal(error.message, want);
      assert_string_equal(error.pointer, "");
      sprintf(want, "\"n%d\":0,\"x\":1}", twice);
      assert_int_equal(error.offset, len - strlen(want));
    }
  }
}

static void the_first_of_many_duplicates_is_told(void **state) {
  static char text[16 * 1024];
  jobsrv_json_error_t error;
  size_t len = (size_t) sprintf(text, "[{");
  size_t first = 0;
  unsigned int i;

  (void) state;
  for (i = 0; i < 300; i++) {
    if (i == 200)
      first = len + 1;
    len += (size_t) sprintf(text + len, "%s\"%u\":0", i ? "," : "",
                            i < 200 ? i : 399 - i);
  }
  len += (size_t) sprintf(text + len, "}]");
  assert_err(jobsrv_json_check(text, len, 64, &error), JOBSRV_EJSON);
  assert_int_equal(error.offset, first);
  assert_string_equal(error.pointer, "/0");
  assert_string_equal(error.message, "duplicate name \"199\"");
}

static void running_out_of_memory_is_told_and_leaves_nothing(void **state) {
  static char text[64 * 1024];
  failing_t failing;
  jobsrv_alloc_t alloc;
  jobsrv_json_error_t error;
  size_t len = big_object(text, 1000, -1);
  size_t small = big_object(text + 32 * 1024, 64, -1);
  int fail_at, err;

  (void) state;
  for (fail_at = 0;; fail_at++) {
    alloc = failing_alloc(&failing, fail_at);
    memset(&error, 0x55, sizeof(error));
    err = jobsrv__json_scan(&alloc, NULL, NULL, text, len, 64, &error);
    assert_int_equal(failing.live, 0);
    if (err == 0)
      break;
    assert_err(err, UV_ENOMEM);
    assert_int_equal(error.offset, (size_t) 0x5555555555555555);
  }
  assert_true(fail_at >= 1);

  alloc = failing_alloc(&failing, 0);
  assert_ok(jobsrv__json_scan(&alloc, NULL, NULL, text + 32 * 1024, small, 64,
                              &error));
  assert_int_equal(failing.calls, 0);
}

static void minify(const char *text, const char *want) {
  char *to = malloc(strlen(text) + 1);
  jobsrv_json_error_t error;
  size_t len = 0;

  assert_non_null(to);
  assert_ok(jobsrv__json_minify(to, &len, text, strlen(text), 64, &error));
  assert_bytes(to, len, want);
  free(to);
}

static void minifying_strips_space_outside_strings_only(void **state) {
  (void) state;
  minify("1", "1");
  minify(" 1 ", "1");
  minify("{}", "{}");
  minify("{ }", "{}");
  minify("[ ]", "[]");
  minify("\n{ \"a b\" : [ 1 , 2.50 , \" \\n \" ] ,\r\n\t\"c\" : null } \n",
         "{\"a b\":[1,2.50,\" \\n \"],\"c\":null}");
  minify("[1,2,{\"a\":\"\xc3\xa9\"}]", "[1,2,{\"a\":\"\xc3\xa9\"}]");
  minify("[ [ [ ] ] , { \"x\" : { } } ]", "[[[]],{\"x\":{}}]");
}

static void a_failed_minify_leaves_the_length(void **state) {
  jobsrv_json_error_t error;
  size_t len = 77;
  char to[16];

  (void) state;
  assert_err(jobsrv__json_minify(to, &len, "{ \"a\" : }", 9, 64, &error),
             JOBSRV_EJSON);
  assert_int_equal(len, 77);
  assert_string_equal(error.pointer, "/a");
}

/* Every start of a text, and every text with one byte changed: nothing is read
 * beyond the end (the memory is exactly as long), and what is taken is taken
 * again after minifying. */
static void no_mutilated_text_does_harm(void **state) {
  static const char text[] =
      "{\"a\":[1,-2.5e+3,\"x\\u00e9\\ud83d\\ude00\xc3\xa9\",true,null],"
      "\"b/~\":{\"c\":{},\"d\":[]},\"e\":false}";
  static const char bytes[] = "\"\\{}[],:0-e.\x01\x80\xf0u ";
  const size_t len = sizeof(text) - 1;
  jobsrv_json_error_t error;
  size_t n, at, b, small, again;
  char *copy, *out, *out2;

  (void) state;
  for (n = 0; n < len; n++) {
    copy = malloc(n + 1);
    memcpy(copy, text, n);
    copy = realloc(copy, n > 0 ? n : 1);
    assert_err(jobsrv_json_check(copy, n, 64, &error), JOBSRV_EJSON);
    assert_true(error.offset <= n);
    (void) jobsrv_json_locate(copy, n, "/a/2", &error);
    (void) jobsrv_json_locate(copy, n, "/b~1~0/d/0", &error);
    (void) jobsrv_json_locate(copy, n, "/e", &error);
    free(copy);
  }
  copy = malloc(len);
  out = malloc(len);
  out2 = malloc(len);
  for (at = 0; at < len; at++)
    for (b = 0; b < sizeof(bytes) - 1; b++) {
      memcpy(copy, text, len);
      copy[at] = bytes[b];
      (void) jobsrv_json_locate(copy, len, "/b~1~0/c", &error);
      (void) jobsrv_json_locate(copy, len, "/a/4", &error);
      if (jobsrv__json_minify(out, &small, copy, len, 64, &error))
        continue;
      assert_ok(jobsrv__json_minify(out2, &again, out, small, 64, &error));
      assert_int_equal(again, small);
      assert_memory_equal(out2, out, small);
    }
  free(copy);
  free(out);
  free(out2);
}

/* Around the border, digit by digit, against the C library. */
static void the_border_of_doubles_is_exact(void **state) {
  static const char digits[] =
      "179769313486231580793728971405303415079934132710037826936173778980444968"
      "292764750946649017977587207096330286416692887910946555547851940402630657"
      "488671505820681908902000708383676273854845817711531764475730270069855571"
      "366959622842914819860834936475292719074168444365510704342711559699508093"
      "042880177904174497791";
  jobsrv_json_error_t error;
  char text[400];
  size_t i, len = sizeof(digits) - 1;
  char c;

  (void) state;
  for (i = 0; i < len; i++)
    for (c = '0'; c <= '9'; c++) {
      if (i == 0 && c == '0')
        continue;
      sprintf(text, "%.1s.%se308", digits, digits + 1);
      text[i == 0 ? 0 : i + 1] = c;
      assert_int_equal(
          jobsrv_json_check(text, strlen(text), 1, &error) != 0,
          isinf(strtod(text, NULL)) != 0);
      sprintf(text, "%s.0", digits);
      text[i] = c;
      assert_int_equal(
          jobsrv_json_check(text, strlen(text), 1, &error) != 0,
          isinf(strtod(text, NULL)) != 0);
      sprintf(text, "0.00%s00001e311", digits);
      text[i + 4] = c;
      assert_int_equal(
          jobsrv_json_check(text, strlen(text), 1, &error) != 0,
          isinf(strtod(text, NULL)) != 0);
    }
}

static const char config[] =
    "{\n"
    "  \"operations\": {\n"
    "    \"check sum\": { \"argv\": [\"sh\", {\"x\": \"}\"}, 7], \"n\": 1 },\n"
    "    \"a/b\": \"\xc3\xa9\", \"m~n\": [], \"\\u0061\": { \"\": true }\n"
    "  }\n"
    "}";

static void locate(const char *pointer,
                   int found,
                   const char *starts,
                   unsigned int line,
                   unsigned int column,
                   const char *reached) {
  jobsrv_json_error_t where;
  size_t len = sizeof(config) - 1;

  assert_int_equal(jobsrv_json_locate(config, len, pointer, &where), found);
  assert_true(strncmp(config + where.offset, starts, strlen(starts)) == 0);
  assert_int_equal(where.line, line);
  assert_int_equal(where.column, column);
  assert_string_equal(where.pointer, reached);
}

static void a_pointer_leads_to_its_value(void **state) {
  static const char sum[] = "/operations/check sum";
  char pointer[64];

  (void) state;
  locate("", 1, "{", 1, 1, "");
  locate("/operations", 1, "{", 2, 17, "/operations");
  locate(sum, 1, "{ \"argv\"", 3, 18, sum);
  sprintf(pointer, "%s/argv/0", sum);
  locate(pointer, 1, "\"sh\"", 3, 29, pointer);
  sprintf(pointer, "%s/argv/1/x", sum);
  locate(pointer, 1, "\"}\"", 3, 41, pointer);
  sprintf(pointer, "%s/argv/2", sum);
  locate(pointer, 1, "7]", 3, 47, pointer);
  sprintf(pointer, "%s/n", sum);
  locate(pointer, 1, "1 }", 3, 56, pointer);
  locate("/operations/a~1b", 1, "\"\xc3\xa9\"", 4, 12, "/operations/a~1b");
  locate("/operations/m~0n", 1, "[]", 4, 24, "/operations/m~0n");
  locate("/operations/a", 1, "{ \"\"", 4, 38, "/operations/a");
  locate("/operations/a/", 1, "true", 4, 44, "/operations/a/");
}

static void a_value_that_is_missing_is_told_at_what_is_there(void **state) {
  static const char sum[] = "/operations/check sum/argv";
  char pointer[64];

  (void) state;
  locate("/nothing", 0, "{", 1, 1, "");
  locate("operations", 0, "{", 1, 1, "");
  locate("/operations/x/y", 0, "{", 2, 17, "/operations");
  locate("/operations/a~1b/c", 0, "\"", 4, 12, "/operations/a~1b");
  locate("/operations/m~0n/0", 0, "[]", 4, 24, "/operations/m~0n");
  sprintf(pointer, "%s/3", sum);
  locate(pointer, 0, "[\"sh\"", 3, 28, sum);
  sprintf(pointer, "%s/-", sum);
  locate(pointer, 0, "[\"sh\"", 3, 28, sum);
  sprintf(pointer, "%s/00", sum);
  locate(pointer, 0, "[\"sh\"", 3, 28, sum);
  sprintf(pointer, "%s/", sum);
  locate(pointer, 0, "[\"sh\"", 3, 28, sum);
  sprintf(pointer, "%s/99999999999999999999", sum);
  locate(pointer, 0, "[\"sh\"", 3, 28, sum);
}

static void the_place_of_any_error_can_be_found_again(void **state) {
  jobsrv_json_error_t error, where;

  (void) state;
  assert_err(jobsrv_json_check("{\"a~\":[1,{\"b/\":01}]}", 20, 64, &error),
             JOBSRV_EJSON);
  assert_string_equal(error.pointer, "/a~0/1/b~1");
  assert_int_equal(jobsrv_json_locate("{\"a~\":[1,{\"b/\":21}]}", 20,
                                      error.pointer, &where), 1);
  assert_int_equal(where.offset, error.offset);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(what_is_json_passes),
  cmocka_unit_test(what_is_not_json_is_told_with_its_place),
  cmocka_unit_test(a_nul_is_no_end),
  cmocka_unit_test(the_error_may_be_left_out),
  cmocka_unit_test(nesting_is_bounded_exactly),
  cmocka_unit_test(a_pointer_that_does_not_fit_is_cut_at_a_token),
  cmocka_unit_test(duplicates_are_found_among_any_number_of_names),
  cmocka_unit_test(the_first_of_many_duplicates_is_told),
  cmocka_unit_test(running_out_of_memory_is_told_and_leaves_nothing),
  cmocka_unit_test(minifying_strips_space_outside_strings_only),
  cmocka_unit_test(a_failed_minify_leaves_the_length),
  cmocka_unit_test(no_mutilated_text_does_harm),
  cmocka_unit_test(the_border_of_doubles_is_exact),
  cmocka_unit_test(a_pointer_leads_to_its_value),
  cmocka_unit_test(a_value_that_is_missing_is_told_at_what_is_there),
  cmocka_unit_test(the_place_of_any_error_can_be_found_again),
};

RUN(tests);
