/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/traceparent.h"

#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#define TRACE "0123456789abcdef0011223344556677"
#define SPAN "00f067aa0ba902b7"
#define GOOD "00-" TRACE "-" SPAN "-01"

static int reads(const char *text) {
  jobsrv__traceparent_t read;

  return jobsrv__traceparent_read(text, strlen(text), &read) == 0;
}

static void a_parent_is_read_and_written(void **state) {
  jobsrv__traceparent_t read;
  char text[JOBSRV__TRACEPARENT_SIZE];

  (void) state;
  assert_ok(jobsrv__traceparent_read(GOOD, strlen(GOOD), &read));
  assert_int_equal(read.hi, UINT64_C(0x0123456789abcdef));
  assert_int_equal(read.lo, UINT64_C(0x0011223344556677));
  assert_int_equal(read.span, UINT64_C(0x00f067aa0ba902b7));
  assert_int_equal(read.flags, JOBSRV__TRACE_SAMPLED);
  jobsrv__traceparent_write(text, &read);
  assert_string_equal(text, GOOD);
  read.flags = 0;
  jobsrv__traceparent_write(text, &read);
  assert_string_equal(text, "00-" TRACE "-" SPAN "-00");
}

static void flags_that_are_not_known_are_not_passed_on(void **state) {
  jobsrv__traceparent_t read;
  char text[JOBSRV__TRACEPARENT_SIZE];

  (void) state;
  assert_ok(jobsrv__traceparent_read("00-" TRACE "-" SPAN "-ff", 55, &read));
  assert_int_equal(read.flags, 1);
  assert_ok(jobsrv__traceparent_read("00-" TRACE "-" SPAN "-fe", 55, &read));
  assert_int_equal(read.flags, 0);
  read.flags = 0xff;
  jobsrv__traceparent_write(text, &read);
  assert_string_equal(text, GOOD);
}

static void only_a_whole_parent_is_one(void **state) {
  static const char *const refused[] = {
    "",
    "00",
    "00-" TRACE "-" SPAN,
    "00-" TRACE "-" SPAN "-",
    "00-" TRACE "-" SPAN "-0",
    "00-" TRACE "-" SPAN "-011",
    "00-" TRACE "-" SPAN "-01-",
    "00-" TRACE "-" SPAN "-01-extra",
    "00-" TRACE "-" SPAN "-01 ",
    " 00-" TRACE "-" SPAN "-01",
    "00 " TRACE "-" SPAN "-01",
    "00-" TRACE " " SPAN "-01",
    "00-" TRACE "-" SPAN " 01",
    "00-" TRACE "-" SPAN "-0x",
    "00-" TRACE "-" SPAN "-0A",
    "00-0123456789ABCDEF0011223344556677-" SPAN "-01",
    "00-" TRACE "-00F067AA0BA902B7-01",
    "00-0123456789abcdeg0011223344556677-" SPAN "-01",
    "00-0123456789abcdef001122334455667g-" SPAN "-01",
    "00-" TRACE "-00f067aa0ba902b.-01",
    "00-00000000000000000000000000000000-" SPAN "-01",
    "00-" TRACE "-0000000000000000-01",
    "00-" TRACE "0-" SPAN "-01",
    "00-" TRACE "-" SPAN "0-01",
    "0--" TRACE "-" SPAN "-01",
    "0G-" TRACE "-" SPAN "-01",
    "0A-" TRACE "-" SPAN "-01",
    "ff-" TRACE "-" SPAN "-01",
    "ff-" TRACE "-" SPAN "-01-more",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
    if (reads(refused[i]))
      fail_msg("\"%s\" was taken", refused[i]);
  assert_true(reads("00-" TRACE "-" SPAN "-00"));
  assert_true(reads("00-00000000000000000000000000000001-" SPAN "-01"));
  assert_true(reads("00-10000000000000000000000000000000-" SPAN "-01"));
  assert_true(reads("00-" TRACE "-0000000000000001-01"));
}

static void a_refused_parent_leaves_what_was_there(void **state) {
  jobsrv__traceparent_t read = { .hi = 7, .lo = 8, .span = 9, .flags = 1 };

  (void) state;
  assert_err(jobsrv__traceparent_read("00-" TRACE "-" SPAN "-0x", 55, &read),
             UV_EINVAL);
  assert_int_equal(read.hi, 7);
  assert_int_equal(read.span, 9);
}

static void every_byte_of_a_parent_counts(void **state) {
  char text[sizeof(GOOD)];

  (void) state;
  for (size_t i = 0; i < strlen(GOOD); i++) {
    static const char wrong[] = { 'g', 'A', ' ', '\0', '\x80', '_' };

    for (size_t k = 0; k < sizeof(wrong); k++) {
      jobsrv__traceparent_t read;

      memcpy(text, GOOD, sizeof(GOOD));
      text[i] = wrong[k];
      assert_err(jobsrv__traceparent_read(text, strlen(GOOD), &read),
                 UV_EINVAL);
    }
  }
}

static void a_later_version_is_read_as_far_as_it_is_known(void **state) {
  (void) state;
  assert_true(reads("01-" TRACE "-" SPAN "-01"));
  assert_true(reads("cc-" TRACE "-" SPAN "-01-what-the-future-brings"));
  assert_true(reads("fe-" TRACE "-" SPAN "-01-"));
  assert_false(reads("cc-" TRACE "-" SPAN "-01.what"));
  assert_false(reads("cc-" TRACE "-" SPAN "-012"));
  assert_false(reads("cc-" TRACE "-" SPAN "-0"));
  assert_false(reads("cc-00000000000000000000000000000000-" SPAN "-01"));
}

/* ---- tracestate ---- */

static int passes(const char *text) {
  return jobsrv__tracestate_ok(text, strlen(text));
}

static void lists_of_the_grammar_pass(void **state) {
  static const char *const good[] = {
    "foo=1",
    "foo=1,bar=2",
    "foo=1 , bar=2",
    "foo=1\t,\tbar=2",
    " foo=1 ",
    "foo=1,,bar=2",
    "foo=1,",
    ",foo=1",
    "foo= 1",
    "foo=a b",
    "foo=!\"#$%&'()*+-./:;<>?@[]^_`{|}~",
    "f=1",
    "f-_*/0=1",
    "0t@v=1",
    "fw529a3039@dt=FfAAAAAAAAAAA",
    "t-_*/0@v-_*/0=1",
    "foo=1,foo=2",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
    if (!passes(good[i]))
      fail_msg("\"%s\" was refused", good[i]);
}

static void others_do_not(void **state) {
  static const char *const bad[] = {
    "", " ", ",", " , ,\t", "foo", "foo=", "foo= ", "=1", "foo=1,bar", "foo =1",
    "foo=1=2", "Foo=1", "0foo=1", "_foo=1", "foo.=1", "fo o=1",
    "@v=1", "t@=1", "t@v@w=1", "t@0=1", "t@V=1", "T@v=1", "_t@v=1", "foo=\x01",
    "foo=a\tb", "foo=\x7f", "foo=\xc3\xa9", "foo=1\n", "f\xc3\xb6=1",
    "foo@=1,bar=2", "foo@bar@baz=1,bar=2",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    if (passes(bad[i]))
      fail_msg("\"%s\" passed", bad[i]);
  }
  assert_false(jobsrv__tracestate_ok("foo=1\0", 6));
}

/* `a` and `b` letters, an "@" between them if there is a `b`, a value of `v`. */
static int passes_sizes(size_t a, size_t b, size_t v) {
  char text[1024];
  size_t len = 0;

  memset(text, 'k', a);
  len += a;
  if (b > 0) {
    text[len++] = '@';
    memset(text + len, 'v', b);
    len += b;
  }
  text[len++] = '=';
  memset(text + len, 'x', v);
  return jobsrv__tracestate_ok(text, len + v);
}

static void sizes_have_their_bounds(void **state) {
  (void) state;
  assert_true(passes_sizes(255, 0, 1));
  assert_true(passes_sizes(256, 0, 1));
  assert_false(passes_sizes(257, 0, 1));
  assert_true(passes_sizes(241, 1, 1));
  assert_false(passes_sizes(242, 1, 1));
  assert_true(passes_sizes(1, 14, 1));
  assert_false(passes_sizes(1, 15, 1));
  assert_true(passes_sizes(1, 0, 256));
  assert_false(passes_sizes(1, 0, 257));
  assert_true(passes_sizes(255, 0, 256));  /* 512 */
  assert_false(passes_sizes(256, 0, 256)); /* 513 */
}

static void members_are_counted(void **state) {
  char text[300] = "";

  (void) state;
  for (int i = 0; i < 32; i++)
    sprintf(text + strlen(text), "%sa=%d", i == 0 ? "" : ",", i);
  assert_true(passes(text));
  strcat(text, ",");
  assert_true(passes(text));
  strcat(text, "b=1");
  assert_false(passes(text));
}

/* ---- span ids ---- */

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

  return (x > y) - (x < y);
}

static void no_span_id_comes_twice_or_is_nothing(void **state) {
  enum { N = 100000 };
  uint64_t *ids = calloc(N, sizeof(*ids));

  (void) state;
  assert_non_null(ids);
  for (uint64_t i = 0; i < N; i++) /* of several things, neighbours too */
    ids[i] = jobsrv__span_id(i % 4, i / 4 % 25, i / 100);
  qsort(ids, N, sizeof(*ids), compare);
  assert_true(ids[0] != 0);
  for (size_t i = 1; i < N; i++)
    assert_true(ids[i] != ids[i - 1]);
  free(ids);
  assert_true(jobsrv__span_id(0, 0, 0) != 0);
  assert_int_equal(jobsrv__span_id(1, 2, 3), jobsrv__span_id(1, 2, 3));
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_parent_is_read_and_written),
  cmocka_unit_test(flags_that_are_not_known_are_not_passed_on),
  cmocka_unit_test(only_a_whole_parent_is_one),
  cmocka_unit_test(a_refused_parent_leaves_what_was_there),
  cmocka_unit_test(every_byte_of_a_parent_counts),
  cmocka_unit_test(a_later_version_is_read_as_far_as_it_is_known),
  cmocka_unit_test(lists_of_the_grammar_pass),
  cmocka_unit_test(others_do_not),
  cmocka_unit_test(sizes_have_their_bounds),
  cmocka_unit_test(members_are_counted),
  cmocka_unit_test(no_span_id_comes_twice_or_is_nothing),
};

RUN(tests);
