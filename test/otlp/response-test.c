/* SPDX-License-Identifier: MIT */

#include "otlp/internal.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

typedef jobsrv__otlp_response_t response_t;

/* In pieces of `step` bytes; returns what the last of them did. */
static int feed(response_t *r, const char *text, size_t len, size_t step) {
  int rc = 0;

  jobsrv__otlp_response_reset(r);
  for (size_t at = 0; at < len && rc == 0; at += step)
    rc = jobsrv__otlp_response_feed(r, text + at,
                                    len - at < step ? len - at : step);
  return rc;
}

static int feed_text(response_t *r, const char *text) {
  return feed(r, text, strlen(text), strlen(text));
}

static const char good[] =
    "HTTP/1.1 100 Continue\r\nRetry-After: 9\r\n\r\n"
    "HTTP/1.1 503 Busy\r\nServer: x\r\nretry-AFTER:  12 \r\n"
    "Transfer-Encoding: chunked\r\n\r\n3;a=b\r\n{\"a\r\n2\r\n\":\r\n"
    "2\r\n1}\r\n0\r\nX: y\r\n\r\n";

static void an_answer_may_come_in_any_pieces(void **state) {
  response_t r;

  (void) state;
  jobsrv__otlp_response_init(&r, NULL);
  for (size_t step = 1; step < sizeof(good); step++) {
    assert_int_equal(feed(&r, good, sizeof(good) - 1, step), 1);
    assert_int_equal(r.status, 503);
    assert_int_equal(r.keeps, 1);
    assert_true(strncmp(r.retry_after, "12", 2) == 0);
    assert_bytes(r.body.data, r.body.len, "{\"a\":1}");
  }
  for (size_t len = 0; len < sizeof(good) - 1; len++)
    assert_int_equal(feed(&r, good, len, 7), 0);
  jobsrv__otlp_response_free(&r);
}

static void the_end_of_a_connection_can_end_a_body(void **state) {
  response_t r;

  (void) state;
  jobsrv__otlp_response_init(&r, NULL);
  assert_int_equal(feed_text(&r, "HTTP/1.1 200 OK\r\n\r\n{}"), 0);
  assert_int_equal(jobsrv__otlp_response_end(&r), 1);
  assert_int_equal(r.status, 200);
  assert_int_equal(r.keeps, 0);
  assert_bytes(r.body.data, r.body.len, "{}");
  jobsrv__otlp_response_reset(&r);
  assert_int_equal(jobsrv__otlp_response_end(&r), UV_EOF);
  assert_int_equal(feed_text(&r, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
                                 "{}"), 0);
  assert_int_equal(jobsrv__otlp_response_end(&r), UV_EOF);
  assert_int_equal(feed_text(&r, "HTTP/1.1 200 OK\r\nContent-"), 0);
  assert_int_equal(jobsrv__otlp_response_end(&r), UV_EOF);
  jobsrv__otlp_response_free(&r);
}

static void a_connection_is_kept_only_when_both_sides_agree(void **state) {
  static const struct {
    const char *text;
    int keeps;
  } rows[] = {
    { "HTTP/1.1 204 No\r\n\r\n", 1 },
    { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1 },
    { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore", 0 },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 0 },
    { "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 0 },
  };
  response_t r;

  (void) state;
  jobsrv__otlp_response_init(&r, NULL);
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    assert_int_equal(feed_text(&r, rows[i].text), 1);
    if (r.keeps != rows[i].keeps)
      fail_msg("%d: %s", r.keeps, rows[i].text);
  }
  jobsrv__otlp_response_free(&r);
}

static void what_is_no_answer_is_an_error(void **state) {
  static const char *const texts[] = {
    "\x16\x03\x01 hello", "SSH-2.0-x\r\n", "HTTP/9.9 200 OK\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
    "HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
  };
  response_t r;

  (void) state;
  jobsrv__otlp_response_init(&r, NULL);
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    for (size_t step = 1; step < 9; step++)
      if (feed(&r, texts[i], strlen(texts[i]), step) != UV_EPROTO)
        fail_msg("taken: %s", texts[i]);
  jobsrv__otlp_response_free(&r);
}

static void heads_and_bodies_have_bounds(void **state) {
  enum { LONG = 100 * 1024 };
  char *text = malloc(LONG);
  response_t r;
  int n;

  (void) state;
  assert_non_null(text);
  jobsrv__otlp_response_init(&r, NULL);
  memset(text, 'a', LONG);
  n = snprintf(text, 32, "HTTP/1.1 200 OK\r\nX: ");
  text[n] = 'a';
  assert_int_equal(feed(&r, text, LONG, 1000), UV_EPROTO);
  memset(text, '\n', LONG);
  assert_int_equal(feed(&r, text, LONG, 1000), UV_EPROTO);
  n = snprintf(text, 64, "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n");
  text[n] = 'a';
  assert_int_equal(feed(&r, text, LONG, 1000), 1);
  assert_int_equal(r.status, 200);
  assert_int_equal(r.keeps, 0);
  assert_int_equal(r.body.len, JOBSRV__OTLP_BODY_MAX);
  jobsrv__otlp_response_free(&r);
  free(text);
}

static void a_long_retry_after_is_cut(void **state) {
  char text[512], digits[200];
  response_t r;

  (void) state;
  memset(digits, '1', sizeof(digits) - 1);
  digits[sizeof(digits) - 1] = '\0';
  snprintf(text, sizeof(text),
           "HTTP/1.1 429 No\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
           digits);
  jobsrv__otlp_response_init(&r, NULL);
  assert_int_equal(feed_text(&r, text), 1);
  assert_int_equal(strlen(r.retry_after), sizeof(r.retry_after) - 1);
  jobsrv__otlp_response_free(&r);
}

/* 1994-11-06T08:49:37Z is 784111777. */
static void when_to_come_again_is_read_in_every_form(void **state) {
  static const struct {
    const char *text;
    uint64_t ms;
  } rows[] = {
    { "0", 0 }, { "1", 1000 }, { "120", 120000 }, { "86399", 86399000 },
    { "86400", 86400000 }, { "99999999999999999999", 86400000 },
    { "Sun, 06 Nov 1994 08:49:37 GMT", 7000 },
    { "Sunday, 06-Nov-94 08:49:37 GMT", 7000 },
    { "Sun Nov  6 08:49:37 1994", 7000 },
    { "Sun, 06 Nov 1994 08:49:30 GMT", 0 },
    { "Sun, 06 Nov 1994 08:49:29 GMT", 0 },
    { "Mon, 06 Nov 2034 08:49:29 GMT", 86400000 },
    { "Monday, 06-Nov-34 08:49:29 GMT", 86400000 },
    { "", 0 }, { "-1", 0 }, { "1.5", 0 }, { "soon", 0 }, { "12 x", 0 },
    { "Sun, 06 Nox 1994 08:49:37 GMT", 0 },
    { "Sun, 06 Nov 1994 08:49:37 GMT+1", 0 },
    { "Sun, 06 Nov 1994 08:49:37 UTC", 0 },
    { "Sun, 99 Nov 1994 08:49:37 GMT", 0 },
    { "Sun, 06 Nov 1994 24:49:37 GMT", 0 },
    { "Sun, 06 Nov 0001 08:49:37 GMT", 0 },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    uint64_t ms = jobsrv__otlp_retry_after(
        rows[i].text, UINT64_C(784111770) * 1000000000);

    if (ms != rows[i].ms)
      fail_msg("%s: %llu", rows[i].text, (unsigned long long) ms);
  }
}

static void what_was_rejected_is_read_with_care(void **state) {
  static const struct {
    const char *body;
    uint64_t n;
    const char *reason;
  } rows[] = {
    { "", 0, "" },
    { "{}", 0, "" },
    { "{\"partialSuccess\":{}}", 0, "" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":\"3\","
      "\"errorMessage\":\"too old\"}}", 3, "too old" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":3}}", 3, "" },
    { "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}", 0, "" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":\"-3\"}}", 0, "" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":-3}}", 0, "" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":\"\"}}", 0, "" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":\"0x3\"}}", 0, "" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":[3]}}", 0, "" },
    { "{\"partialSuccess\":{\"rejectedLogRecords\":"
      "\"99999999999999999999999\"}}", 0, "" },
    { "{\"partialSuccess\":{\"errorMessage\":\"be careful\"}}", 0,
      "be careful" },
    { "{\"partialSuccess\":{\"errorMessage\":7}}", 0, "" },
    { "{\"partialSuccess\":{\"errorMessage\":"
      "\"a reason that is much longer than the room\"}}", 0,
      "a reason that i" },
    { "{\"partialSuccess\":", 0, "" }, { "<html>", 0, "" }, { "[3]", 0, "" },
    { "null", 0, "" },
  };
  char reason[16];

  (void) state;
  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
    uint64_t n = jobsrv__otlp_rejected(rows[i].body, strlen(rows[i].body),
                                       JOBSRV__OTLP_LOG, reason,
                                       sizeof(reason));

    if (n != rows[i].n || strcmp(reason, rows[i].reason) != 0)
      fail_msg("%s: %d, %s", rows[i].body, (int) n, reason);
  }
  assert_int_equal(jobsrv__otlp_rejected(rows[5].body, strlen(rows[5].body),
                                         JOBSRV__OTLP_SPAN, reason,
                                         sizeof(reason)), 3);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_answer_may_come_in_any_pieces),
  cmocka_unit_test(the_end_of_a_connection_can_end_a_body),
  cmocka_unit_test(a_connection_is_kept_only_when_both_sides_agree),
  cmocka_unit_test(what_is_no_answer_is_an_error),
  cmocka_unit_test(heads_and_bodies_have_bounds),
  cmocka_unit_test(a_long_retry_after_is_cut),
  cmocka_unit_test(when_to_come_again_is_read_in_every_form),
  cmocka_unit_test(what_was_rejected_is_read_with_care),
};

RUN(tests);
