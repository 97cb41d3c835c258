/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "failing.h"

#include "base/buf.h"

#include <uv.h>

static void appends_follow_each_other(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  assert_ok(jobsrv__buf_append(&buf, "a\0b", 3));
  assert_ok(jobsrv__buf_append(&buf, NULL, 0));
  assert_ok(jobsrv__buf_puts(&buf, "cd"));
  assert_ok(jobsrv__buf_putc(&buf, 'e'));
  assert_ok(jobsrv__buf_printf(&buf, "%d-%s", 42, "x"));
  assert_int_equal(buf.len, 10);
  assert_memory_equal(buf.data, "a\0bcde42-x", 10);
  jobsrv__buf_free(&buf);
  assert_null(buf.data);
  assert_ok(jobsrv__buf_puts(&buf, "again"));
  assert_bytes(buf.data, buf.len, "again");
  jobsrv__buf_free(&buf);
}

static void growing_keeps_what_is_there(void **state) {
  jobsrv__buf_t buf;
  size_t i;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  for (i = 0; i < 100000; i++)
    assert_ok(jobsrv__buf_putc(&buf, (char) ('a' + i % 26)));
  assert_int_equal(buf.len, 100000);
  for (i = 0; i < 100000; i++)
    assert_int_equal(buf.data[i], 'a' + i % 26);
  jobsrv__buf_free(&buf);
}

static void printf_of_any_length_is_whole(void **state) {
  jobsrv__buf_t buf;
  char text[300];
  int len;

  (void) state;
  memset(text, 'x', sizeof(text));
  for (len = 0; len < 300; len++) {
    jobsrv__buf_init(&buf, NULL, 0);
    assert_ok(jobsrv__buf_puts(&buf, "<"));
    assert_ok(jobsrv__buf_printf(&buf, "%.*s", len, text));
    assert_ok(jobsrv__buf_puts(&buf, ">"));
    assert_int_equal(buf.len, len + 2);
    assert_memory_equal(buf.data + 1, text, (size_t) len);
    assert_int_equal(buf.data[len + 1], '>');
    jobsrv__buf_free(&buf);
  }
}

static void decimals_cover_all_64_bits(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  jobsrv__buf_putu64(&buf, 0);
  jobsrv__buf_putc(&buf, ' ');
  jobsrv__buf_putu64(&buf, UINT64_MAX);
  jobsrv__buf_putc(&buf, ' ');
  jobsrv__buf_puti64(&buf, INT64_MIN);
  jobsrv__buf_putc(&buf, ' ');
  jobsrv__buf_puti64(&buf, -10);
  jobsrv__buf_putc(&buf, ' ');
  jobsrv__buf_puti64(&buf, INT64_MAX);
  assert_string_equal(jobsrv__buf_str(&buf),
                      "0 18446744073709551615 -9223372036854775808 -10 "
                      "9223372036854775807");
  jobsrv__buf_free(&buf);
}

static void every_count_of_digits_is_right(void **state) {
  uint64_t power = 1;

  (void) state;
  for (int digits = 1; digits <= 20; digits++, power *= 10) {
    const uint64_t values[] = { power - 1, power, power + 1, power * 9 / 7,
                                digits < 20 ? power * 10 - 1 : UINT64_MAX };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
      char want[32], got[20];
      int len = snprintf(want, sizeof(want), "%llu",
                         (unsigned long long) values[i]);

      assert_int_equal(jobsrv__u64_format(got, values[i]), len);
      assert_memory_equal(got, want, (size_t) len);
    }
  }
}

static void a_number_that_does_not_fit_leaves_no_part(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 4);
  assert_err(jobsrv__buf_putu64(&buf, 12345), JOBSRV_ETOOBIG);
  jobsrv__buf_reset(&buf);
  assert_err(jobsrv__buf_puti64(&buf, -1234), JOBSRV_ETOOBIG);
  assert_int_equal(buf.len, 0);
  jobsrv__buf_reset(&buf);
  assert_ok(jobsrv__buf_puti64(&buf, -123));
  assert_bytes(buf.data, buf.len, "-123");
  jobsrv__buf_free(&buf);
}

static void the_bound_is_exact_and_sticks(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 5);
  assert_ok(jobsrv__buf_puts(&buf, "12345"));
  assert_string_equal(jobsrv__buf_str(&buf), "12345");
  assert_err(jobsrv__buf_putc(&buf, '6'), JOBSRV_ETOOBIG);
  assert_int_equal(buf.failed, JOBSRV_ETOOBIG);
  assert_bytes(buf.data, buf.len, "12345");

  jobsrv__buf_reset(&buf);
  assert_ok(jobsrv__buf_puts(&buf, "123"));
  assert_err(jobsrv__buf_puts(&buf, "456"), JOBSRV_ETOOBIG);
  assert_err(jobsrv__buf_puts(&buf, ""), JOBSRV_ETOOBIG);
  assert_err(jobsrv__buf_printf(&buf, "4"), JOBSRV_ETOOBIG);
  assert_null(jobsrv__buf_reserve(&buf, 0));
  assert_null(jobsrv__buf_str(&buf));
  assert_bytes(buf.data, buf.len, "123");

  jobsrv__buf_reset(&buf);
  assert_ok(jobsrv__buf_printf(&buf, "%d", 12345));
  jobsrv__buf_reset(&buf);
  assert_err(jobsrv__buf_printf(&buf, "%d", 123456), JOBSRV_ETOOBIG);
  assert_int_equal(buf.len, 0);
  jobsrv__buf_free(&buf);
}

static void a_size_that_cannot_be_is_refused(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  assert_ok(jobsrv__buf_puts(&buf, "x"));
  assert_null(jobsrv__buf_reserve(&buf, SIZE_MAX));
  assert_int_equal(buf.failed, JOBSRV_ETOOBIG);
  jobsrv__buf_free(&buf);
}

static void reserved_room_counts_when_the_caller_says_so(void **state) {
  jobsrv__buf_t buf;
  char *room;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  assert_non_null(jobsrv__buf_reserve(&buf, 0));
  assert_ok(jobsrv__buf_puts(&buf, "ab"));
  room = jobsrv__buf_reserve(&buf, 1000);
  assert_non_null(room);
  memset(room, 'z', 1000);
  assert_int_equal(buf.len, 2);
  buf.len += 1;
  assert_bytes(buf.data, buf.len, "abz");
  jobsrv__buf_free(&buf);
}

static void consuming_leaves_the_rest(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  jobsrv__buf_consume(&buf, 3);
  jobsrv__buf_puts(&buf, "abcdef");
  jobsrv__buf_consume(&buf, 0);
  jobsrv__buf_consume(&buf, 2);
  assert_bytes(buf.data, buf.len, "cdef");
  jobsrv__buf_puts(&buf, "gh");
  jobsrv__buf_consume(&buf, 100);
  assert_int_equal(buf.len, 0);
  jobsrv__buf_free(&buf);
}

static void running_out_of_memory_sticks_and_loses_nothing(void **state) {
  failing_t failing;
  jobsrv_alloc_t alloc;
  jobsrv__buf_t buf;
  size_t i, before;
  int fail_at;

  (void) state;
  for (fail_at = 0;; fail_at++) {
    alloc = failing_alloc(&failing, fail_at);
    jobsrv__buf_init(&buf, &alloc, 0);
    before = 0;
    for (i = 0; i < 100 && buf.failed == 0; i++) {
      before = buf.len;
      jobsrv__buf_printf(&buf, "%zu,", i);
      if (buf.failed == 0)
        before = buf.len;
      if (jobsrv__buf_puts(&buf, "0123456789") == 0)
        before = buf.len;
      (void) jobsrv__buf_str(&buf);
    }
    if (buf.failed == 0)
      break;
    assert_int_equal(buf.failed, UV_ENOMEM);
    assert_int_equal(buf.len, before);
    assert_err(jobsrv__buf_puts(&buf, "x"), UV_ENOMEM);
    assert_int_equal(buf.len, before);
    jobsrv__buf_free(&buf);
    assert_int_equal(failing.live, 0);
  }
  assert_true(fail_at >= 4);
  jobsrv__buf_free(&buf);
  assert_int_equal(failing.live, 0);
}

static void a_double_has_the_fewest_digits_that_read_back(void **state) {
  static const struct {
    double value;
    const char *text;
  } cases[] = {
    { 0, "0" },
    { -2.5, "-2.5" },
    { 0.1, "0.1" },
    { 100, "100" },
    { 1e300, "1e+300" },
    { 1.0 / 3, "0.3333333333333333" },
    { 123456789012345, "123456789012345" },
    { 5e-324, "4.94065645841247e-324" },
  };
  char text[JOBSRV__DOUBLE_SIZE];

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    assert_bytes(text, jobsrv__double_format(text, cases[i].value),
                 cases[i].text);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_double_has_the_fewest_digits_that_read_back),
  cmocka_unit_test(appends_follow_each_other),
  cmocka_unit_test(growing_keeps_what_is_there),
  cmocka_unit_test(printf_of_any_length_is_whole),
  cmocka_unit_test(decimals_cover_all_64_bits),
  cmocka_unit_test(every_count_of_digits_is_right),
  cmocka_unit_test(a_number_that_does_not_fit_leaves_no_part),
  cmocka_unit_test(the_bound_is_exact_and_sticks),
  cmocka_unit_test(a_size_that_cannot_be_is_refused),
  cmocka_unit_test(reserved_room_counts_when_the_caller_says_so),
  cmocka_unit_test(consuming_leaves_the_rest),
  cmocka_unit_test(running_out_of_memory_sticks_and_loses_nothing),
};

RUN(tests);
