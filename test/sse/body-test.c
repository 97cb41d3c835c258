/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "sse/body.h"

typedef struct case_s {
  int status; /* 0: whole and well-formed, 1: more is due */
  const char *text;
  const char *says;
  size_t left; /* bytes behind the body */
} case_t;

static const jobsrv__body_limits_t usual = {1024, 64, 64};

static const case_t chunked[] = {
    {0, "0\r\n\r\n", "", 0},
    {0, "3\r\nabc\r\n0\r\n\r\n", "abc", 0},
    {0, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET", "abcde", 3},
    {0, "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0},
    {0, "a\r\n0123456789\r\n00\r\n\r\n", "0123456789", 0},
    {0, "0000000000000003\r\nabc\r\n0\r\n\r\n", "abc", 0},
    {0, "3\r\na\r\n\r\n0\r\n\r\n", "a\r\n", 0},
    {0, "3;a=b\r\nabc\r\n0;last\r\n\r\n", "abc", 0},
    {0, "3;a=\"b c\";\td\r\nabc\r\n0\r\n\r\n", "abc", 0},
    {0, "0\r\nX: y\r\nZ:\r\n\r\n", "", 0},
    {0, "0\r\nX-Sum: a\tb\xc3\xa4\r\n\r\nrest", "", 4},
    {1, "", "", 0},
    {1, "3\r\nabc", "abc", 0},
    {1, "3\r\nabc\r\n0\r\n", "abc", 0},
    {1, "0\r\nX: y\r\n", "", 0},

    {400, "\r\n", "", 0},
    {400, "\n", "", 0},
    {400, ";\r\n", "", 0},
    {400, "+3\r\nabc\r\n", "", 0},
    {400, "-3\r\nabc\r\n", "", 0},
    {400, "0x3\r\nabc\r\n", "", 0},
    {400, " 3\r\nabc\r\n", "", 0},
    {400, "\t3\r\nabc\r\n", "", 0},
    {400, "3 \r\nabc\r\n", "", 0},
    {400, "3 ;a\r\nabc\r\n", "", 0},
    {400, "3,3\r\nabc\r\n", "", 0},
    {400, "3g\r\nabc\r\n", "", 0},
    {400, "g\r\n", "", 0},
    {400, "3\nabc\r\n", "", 0},
    {400, "3\rabc\r\n", "", 0},
    {400, "3\r\rabc\r\n", "", 0},
    {400, "3\rX\nabc\r\n", "", 0},
    {400, "3\r\nabcd\r\n", "abc", 0},
    {400, "3\r\nabc\n0\r\n\r\n", "abc", 0},
    {400, "3\r\nabc\rX0\r\n\r\n", "abc", 0},
    {400, "3\r\nabc0\r\n\r\n", "abc", 0},
    {400, "3\r\nabc\r\n\r\n", "abc", 0},
    {400, "3\r\nabcXX0\r\n\r\n", "abc", 0},
    {400, "00000000000000003\r\nabc\r\n", "", 0},
    {400, "10000000000000003\r\nabc\r\n", "", 0},
    {400, "3;a\nb\r\nabc\r\n", "", 0},
    {400, "3;a\rb\r\nabc\r\n", "", 0},
    {400, "3;a\x01\r\nabc\r\n", "", 0},
    {400, "0\r\n\n", "", 0},
    {400, "0\r\n\rX", "", 0},
    {400, "0\r\nX: y\n\r\n", "", 0},
    {400, "0\r\nX: y\r\n\n", "", 0},
    {400, "0\r\nX: a\rb\r\n\r\n", "", 0},
    {400, "0\r\nX: a\x1b\r\n\r\n", "", 0},
    {400, "0\r\nX : y\r\n\r\n", "", 0},
    {400, "0\r\n X: y\r\n\r\n", "", 0},
    {400, "0\r\nA: b\r\n c\r\n\r\n", "", 0},
    {400, "0\r\n: y\r\n\r\n", "", 0},
    {400, "0\r\nX\r\n\r\n", "", 0},
    {400, "0\r\nContent-Length: 3\r\n\r\n", "", 0},
    {400, "0\r\nTRANSFER-ENCODING: chunked\r\n\r\n", "", 0},
    {400, "0\r\nhost: a\r\n\r\n", "", 0},

    {413, "401\r\n", "", 0},
    {413, "ffffffffffffffff\r\n", "", 0},
    {413, "3\r\nabc\r\nffffffffffffffff\r\n", "abc", 0},
    {413, "3\r\nabc\r\n3fe\r\n", "abc", 0},
};

static int feed(const case_t *c, size_t step, jobsrv__body_t *body,
                jobsrv__buf_t *says, size_t *used) {
  jobsrv__head_t head = {.is_chunked = 1};
  size_t len = strlen(c->text);
  size_t n;
  int rc = jobsrv__body_init(body, &head, &usual);

  *used = 0;
  while (rc == JOBSRV__BODY_MORE && *used < len) {
    size_t piece = len - *used < step ? len - *used : step;

    rc = jobsrv__body_feed(body, c->text + *used, piece, &n, says);
    *used += n;
    assert_true(n == piece || rc != JOBSRV__BODY_MORE);
  }
  return rc;
}

static void chunks_are_read_to_the_letter_in_any_pieces(void **state) {
  jobsrv__body_t body;
  jobsrv__buf_t says;
  size_t used;

  (void) state;
  for (size_t i = 0; i < sizeof(chunked) / sizeof(chunked[0]); i++) {
    for (size_t step = 1; step <= 64; step++) {
      const case_t *c = &chunked[i];
      int rc;
      int due = c->status == 0   ? JOBSRV__BODY_DONE
                : c->status == 1 ? JOBSRV__BODY_MORE
                                 : JOBSRV__BODY_REFUSED;

      jobsrv__buf_init(&says, NULL, 0);
      rc = feed(c, step, &body, &says, &used);
      if (rc != due || (rc == JOBSRV__BODY_REFUSED && body.status != c->status))
        fail_msg("%zu by %zu: result %d, status %d: %s", i, step, rc,
                 body.status, c->text);
      assert_bytes(says.data != NULL ? says.data : "", says.len, c->says);
      if (rc == JOBSRV__BODY_DONE)
        assert_int_equal(strlen(c->text) - used, c->left);
      jobsrv__buf_free(&says);
    }
  }
}

static void a_length_is_taken_to_its_byte(void **state) {
  jobsrv__head_t head = {.has_length = 1, .content_length = 5};
  jobsrv__body_t body;
  jobsrv__buf_t says;
  size_t used;

  (void) state;
  jobsrv__buf_init(&says, NULL, 0);
  assert_int_equal(jobsrv__body_init(&body, &head, &usual), JOBSRV__BODY_MORE);
  assert_int_equal(jobsrv__body_feed(&body, "abc", 3, &used, &says),
                   JOBSRV__BODY_MORE);
  assert_int_equal(used, 3);
  assert_int_equal(jobsrv__body_feed(&body, "deGET", 5, &used, &says),
                   JOBSRV__BODY_DONE);
  assert_int_equal(used, 2);
  assert_bytes(says.data, says.len, "abcde");
  jobsrv__buf_free(&says);
}

static void without_an_announced_body_there_is_none(void **state) {
  jobsrv__head_t head = {0};
  jobsrv__body_t body;
  size_t used = 9;

  (void) state;
  assert_int_equal(jobsrv__body_init(&body, &head, &usual), JOBSRV__BODY_DONE);
  assert_int_equal(jobsrv__body_feed(&body, "x", 1, &used, NULL),
                   JOBSRV__BODY_DONE);
  assert_int_equal(used, 0);
}

static void a_length_beyond_the_limit_is_refused_unread(void **state) {
  jobsrv__head_t head = {.has_length = 1};
  jobsrv__body_t body;

  (void) state;
  for (uint64_t length = 1023; length <= 1025; length++) {
    head.content_length = length;
    assert_int_equal(jobsrv__body_init(&body, &head, &usual),
                     length <= 1024 ? JOBSRV__BODY_MORE : JOBSRV__BODY_REFUSED);
  }
  assert_int_equal(body.status, 413);
}

static int feed_limited(const char *text, jobsrv__body_limits_t limits,
                        int *status) {
  jobsrv__head_t head = {.is_chunked = 1};
  jobsrv__body_t body;
  size_t used;
  int rc;

  (void) jobsrv__body_init(&body, &head, &limits);
  rc = jobsrv__body_feed(&body, text, strlen(text), &used, NULL);
  *status = body.status;
  return rc;
}

static void chunks_may_sum_up_to_the_limit(void **state) {
  int status;

  (void) state;
  for (uint64_t max = 4; max <= 6; max++)
    assert_int_equal(feed_limited("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
                                  (jobsrv__body_limits_t){max, 0, 0}, &status),
                     max >= 5 ? JOBSRV__BODY_DONE : JOBSRV__BODY_REFUSED);
  assert_int_equal(feed_limited("5\r\n", (jobsrv__body_limits_t){4, 0, 0},
                                &status),
                   JOBSRV__BODY_REFUSED);
  assert_int_equal(status, 413);
}

static void extensions_of_all_chunks_count_together(void **state) {
  static const char text[] = "1;abc\r\nx\r\n1;de\r\ny\r\n0\r\n\r\n";
  int status;

  (void) state;
  for (uint32_t max = 6; max >= 5; max--)
    assert_int_equal(feed_limited(text, (jobsrv__body_limits_t){9, max, 0},
                                  &status),
                     JOBSRV__BODY_DONE);
  assert_int_equal(feed_limited(text, (jobsrv__body_limits_t){9, 4, 0},
                                &status),
                   JOBSRV__BODY_REFUSED);
  assert_int_equal(status, 413);
}

static void trailers_may_be_as_large_as_their_limit(void **state) {
  static const char text[] = "0\r\nA: b\r\nC: d\r\n\r\n";
  int status;

  (void) state;
  for (uint32_t max = 13; max >= 12; max--)
    assert_int_equal(feed_limited(text, (jobsrv__body_limits_t){9, 0, max},
                                  &status),
                     JOBSRV__BODY_DONE);
  assert_int_equal(feed_limited(text, (jobsrv__body_limits_t){9, 0, 11},
                                &status),
                   JOBSRV__BODY_REFUSED);
  assert_int_equal(status, 431);
}

static void a_body_nobody_wants_is_held_to_the_same_rules(void **state) {
  int status;

  (void) state;
  assert_int_equal(feed_limited("3\r\nabc\n", usual, &status),
                   JOBSRV__BODY_REFUSED);
  assert_int_equal(status, 400);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(chunks_are_read_to_the_letter_in_any_pieces),
    cmocka_unit_test(a_length_is_taken_to_its_byte),
    cmocka_unit_test(without_an_announced_body_there_is_none),
    cmocka_unit_test(a_length_beyond_the_limit_is_refused_unread),
    cmocka_unit_test(chunks_may_sum_up_to_the_limit),
    cmocka_unit_test(extensions_of_all_chunks_count_together),
    cmocka_unit_test(trailers_may_be_as_large_as_their_limit),
    cmocka_unit_test(a_body_nobody_wants_is_held_to_the_same_rules),
};

RUN(tests);
