/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/width.h"
#include "jobsrv/jobsrv.h"
#include "jobsrv/testing.h"
#include "narration/table.h"

#include <stdio.h>

#include <uv.h>

#define BAR " \xe2\x94\x82 "
#define CROSS "\xe2\x94\x80\xe2\x94\xbc\xe2\x94\x80"
#define RULE "\xe2\x94\x80"
#define DOTS "\xe2\x80\xa6"

static void assert_table(const char *json, const char *want) {
  jobsrv__buf_t buf;

  jobsrv__buf_init(&buf, NULL, 0);
  assert_ok(jobsrv__table_put(&buf, json, strlen(json), ""));
  assert_bytes(buf.data, buf.len, want);
  jobsrv__buf_free(&buf);
}

static void rows_stand_under_the_keys_of_all_of_them(void **state) {
  (void) state;
  assert_table("[{\"name\": \"big\", \"size\": 12}, 7,"
               " {\"size\": 3, \"ok\": true}]",
               "name" BAR "size" BAR "ok\n"
               RULE RULE RULE RULE CROSS RULE RULE RULE RULE CROSS RULE RULE
               RULE RULE "\n"
               "big " BAR "12  " BAR "-\n"
               "-   " BAR "3   " BAR "true");
}

static void an_object_has_a_row_for_each_member(void **state) {
  (void) state;
  assert_table("{\"model\": \"tiny\", \"n\": -1.5e3, \"tags\": [1,[2,3],{}],"
               " \"more\": {\"a\":1,\"b\":{}}, \"none\": null, \"e\": []}",
               "model" BAR "tiny\n"
               "n    " BAR "-1.5e3\n"
               "tags " BAR "[3]\n"
               "more " BAR "{2}\n"
               "none " BAR "null\n"
               "e    " BAR "[0]");
}

static void what_holds_nothing_says_so(void **state) {
  (void) state;
  assert_table("[]", "(empty)");
  assert_table(" [ ] ", "(empty)");
  assert_table("{}", "(empty)");
  assert_table("[1, \"x\"]", "(no keys)");
  assert_table("[{}, {}]", "(no keys)");
  assert_table("\"just\\ttext\"", "just\\x09text");
  assert_table("true", "true");
}

static void columns_line_up_whatever_the_letters(void **state) {
  (void) state;
  /* kanji, e with a mark, a thumb with a skin */
  assert_table("[{\"k\":\"\xe6\x97\xa5\xe6\x9c\xac\",\"v\":1},"
               "{\"k\":\"e\xcc\x81\",\"v\":2},"
               "{\"k\":\"\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd\",\"v\":3}]",
               "k   " BAR "v\n"
               RULE RULE RULE RULE CROSS RULE "\n"
               "\xe6\x97\xa5\xe6\x9c\xac" BAR "1\n"
               "e\xcc\x81   " BAR "2\n"
               "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd  " BAR "3");
}

static void nothing_in_a_cell_breaks_its_line(void **state) {
  (void) state;
  assert_table("{\"a\\nb\": \"\\r\\u001b[31m\\u202e\\u0000\"}",
               "a\\x0ab" BAR "\\x0d\\x1b[31m\\u202e\\x00");
}

static void a_long_cell_ends_with_an_ellipsis(void **state) {
  char json[400], want[400], text[200];
  const char *kanji = "\xe6\x97\xa5";

  (void) state;
  memset(text, 'x', sizeof(text));
  snprintf(json, sizeof(json), "{\"k\":\"%.40s\"}", text);
  snprintf(want, sizeof(want), "k" BAR "%.40s", text);
  assert_table(json, want);
  snprintf(json, sizeof(json), "{\"k\":\"%.41s\"}", text);
  snprintf(want, sizeof(want), "k" BAR "%.39s" DOTS, text);
  assert_table(json, want);

  /* a letter of two columns that does not fit is left out whole */
  strcpy(json, "{\"k\":\"");
  strcpy(want, "k" BAR);
  for (int i = 0; i < 30; i++)
    strcat(json, kanji);
  for (int i = 0; i < 19; i++)
    strcat(want, kanji);
  strcat(json, "\"}");
  strcat(want, DOTS);
  assert_table(json, want);
}

/* How many lines, and the last of them. */
static size_t last_line(const jobsrv__buf_t *buf, const char **last) {
  size_t lines = 1;

  *last = buf->data;
  for (size_t i = 0; i < buf->len; i++)
    if (buf->data[i] == '\n') {
      lines++;
      *last = buf->data + i + 1;
    }
  return lines;
}

static void more_rows_and_columns_than_fit_are_told(void **state) {
  enum { N = JOBSRV__TABLE_ROWS + 7 };
  jobsrv__buf_t json, buf;
  const char *last;

  (void) state;
  jobsrv__buf_init(&json, NULL, 0);
  jobsrv__buf_init(&buf, NULL, 0);
  for (int i = 0; i < N; i++)
    jobsrv__buf_printf(&json, "%s{\"a\":%d}", i == 0 ? "[" : ",", i);
  jobsrv__buf_putc(&json, ']');
  assert_ok(jobsrv__table_put(&buf, json.data, json.len, ""));
  assert_int_equal(last_line(&buf, &last), 2 + JOBSRV__TABLE_ROWS + 1);
  assert_bytes(last, buf.data + buf.len - last, DOTS " and 7 more");

  jobsrv__buf_reset(&json);
  jobsrv__buf_reset(&buf);
  for (int i = 0; i < N; i++)
    jobsrv__buf_printf(&json, "%s\"k%d\":%d", i == 0 ? "{" : ",", i, i);
  jobsrv__buf_putc(&json, '}');
  assert_ok(jobsrv__table_put(&buf, json.data, json.len, "> "));
  assert_int_equal(last_line(&buf, &last), JOBSRV__TABLE_ROWS + 1);
  assert_bytes(last, buf.data + buf.len - last, "> " DOTS " and 7 more");

  jobsrv__buf_reset(&json);
  jobsrv__buf_reset(&buf);
  for (int i = 0; i <= JOBSRV__TABLE_COLUMNS; i++)
    jobsrv__buf_printf(&json, "%s\"k%d\":%d", i == 0 ? "[{" : ",", i, i);
  jobsrv__buf_puts(&json, "}]");
  assert_ok(jobsrv__table_put(&buf, json.data, json.len, ""));
  assert_int_equal(last_line(&buf, &last), 4);
  assert_bytes(last, buf.data + buf.len - last, DOTS " and more columns");
  jobsrv__buf_free(&json);
  jobsrv__buf_free(&buf);
}

static void what_is_no_json_leaves_the_buffer_alone(void **state) {
  const char *json = "[{\"a\": \"some text that is long enough for memory\"},"
                     "{\"b\": [1, 2, 3]}]";
  jobsrv_faults_t faults;
  jobsrv__buf_t buf;
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv__buf_init(&buf, &faults.alloc, 0);
    assert_ok(jobsrv__buf_puts(&buf, "before"));
    assert_err(jobsrv__table_put(&buf, "[{]", 3, ""), JOBSRV_EJSON);
    assert_err(jobsrv__table_put(&buf, "", 0, ""), JOBSRV_EJSON);
    assert_bytes(buf.data, buf.len, "before");
    jobsrv_faults_fail(&faults, n, UINT64_MAX);
    err = jobsrv__table_put(&buf, json, strlen(json), "  ");
    jobsrv_faults_fail(&faults, 0, 0);
    if (err != 0) {
      assert_err(err, UV_ENOMEM);
      assert_bytes(buf.data, buf.len, "before");
      assert_ok(jobsrv__buf_putc(&buf, '.'));
    }
    jobsrv__buf_free(&buf);
    assert_int_equal(jobsrv_faults_live(&faults), 0);
    assert_true(n < 100);
  }
  jobsrv_faults_free(&faults);
}

static void memory_may_be_missing_for_a_moment(void **state) {
  const char *tables[] = {
    "[{\"a\": \"a text that is long enough for memory of its own\",\"b\": 1}]",
    "{\"a key that is long enough for memory of its own\": 1,\"b\": 2}",
  };
  jobsrv_faults_t faults;
  jobsrv__buf_t buf;
  int err;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  for (size_t i = 0; i < 2; i++)
    for (uint64_t n = 0, hit = 1; hit; n++) {
      jobsrv__buf_init(&buf, &faults.alloc, 0);
      assert_ok(jobsrv__buf_puts(&buf, "before"));
      jobsrv_faults_fail(&faults, n, 1);
      err = jobsrv__table_put(&buf, tables[i], strlen(tables[i]), "");
      hit = (uint64_t) jobsrv_faults_hit(&faults);
      jobsrv_faults_fail(&faults, 0, 0);
      assert_err(err, hit ? UV_ENOMEM : 0);
      jobsrv__buf_free(&buf);
      assert_true(n < 100);
    }
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(memory_may_be_missing_for_a_moment),
  cmocka_unit_test(rows_stand_under_the_keys_of_all_of_them),
  cmocka_unit_test(an_object_has_a_row_for_each_member),
  cmocka_unit_test(what_holds_nothing_says_so),
  cmocka_unit_test(columns_line_up_whatever_the_letters),
  cmocka_unit_test(nothing_in_a_cell_breaks_its_line),
  cmocka_unit_test(a_long_cell_ends_with_an_ellipsis),
  cmocka_unit_test(more_rows_and_columns_than_fit_are_told),
  cmocka_unit_test(what_is_no_json_leaves_the_buffer_alone),
};

RUN(tests);
