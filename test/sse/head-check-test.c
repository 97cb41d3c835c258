/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/alloc.h"
#include "sse/head_check.h"
#include "sse/request_parse.h"
#include "refused.h"

#include <stdio.h>

typedef refused_t case_t; /* status 0: must pass */

static const jobsrv__head_limits_t usual = {8192, 32768, 100};

static const case_t passing[] = {
    {0, GET HOST END, 0},
    {0, "\r\n" GET HOST END, 0},
    {0, "GET / HTTP/1.0\r\n\r\n", 0},
    {0, "GET / HTTP/1.0\r\n" HOST END, 0},
    {0, "HEAD /v1/jobs HTTP/1.1\r\n" HOST END, 0},
    {0, "PUT /x HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 0},
    {0, "PATCH /x HTTP/1.1\r\n" HOST END, 0},
    {0, "BREW /pot HTTP/1.1\r\n" HOST END, 0},
    {0, "get / HTTP/1.1\r\n" HOST END, 0},
    {0, "X-1!#$%&'*+.^_`|~ / HTTP/1.1\r\n" HOST END, 0},
    {0, "OPTIONS * HTTP/1.1\r\n" HOST END, 0},
    {0, "OPTIONS /v1/jobs HTTP/1.1\r\n" HOST END, 0},
    {0, "DELETE /v1/jobs/x HTTP/1.1\r\n" HOST END, 0},
    {0, "GET /a?b=c&d=%20+ HTTP/1.1\r\n" HOST END, 0},
    {0, "GET /a? HTTP/1.1\r\n" HOST END, 0},
    {0, "GET //a//b HTTP/1.1\r\n" HOST END, 0},
    {0, "GET /a|b\"{}<>\\^` HTTP/1.1\r\n" HOST END, 0},
    {0, "GET http://localhost HTTP/1.1\r\n" HOST END, 0},
    {0, "GET http://localhost/ HTTP/1.1\r\n" HOST END, 0},
    {0, "GET HTTP://LOCALHOST?a=b HTTP/1.1\r\n" HOST END, 0},
    {0, "GET http://localhost/x HTTP/1.0\r\n\r\n", 0},
    {0, POST "Content-Length: 3\r\n\r\nabc", 0},
    {0, POST "Content-Length: 9999999999999999999\r\n\r\n", 0},
    {0, POST "Content-Length:\t 0003 \r\n\r\nabc", 0},
    {0, POST "Transfer-Encoding: chunked\r\n\r\n", 0},
    {0, POST "TRANSFER-ENCODING: Chunked\r\n\r\n", 0},
    {0, POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 0},
    {0, POST "Content-Length: 3\t\r\n\r\n", 0},
    {0, POST "Content-Length:\t \t3 \t \r\n\r\n", 0},
    {0, POST "Transfer-Encoding: chunked\t\r\n\r\n", 0},
    {0, POST "Transfer-Encoding:\t \tchunked \t \r\n\r\n", 0},
    {0, GET "Host: 127.0.0.1:7070\r\n\r\n", 0},
    {0, GET "Host: [::1]:7070\r\n\r\n", 0},
    {0, GET "Host: [::ffff:127.0.0.1]\r\n\r\n", 0},
    {0, GET "Host: localhost:\r\n\r\n", 0},
    {0, GET "Host: a_b.example.org.:65535\r\n\r\n", 0},
    {0, GET "Host: a%20b\r\n\r\n", 0},
    {0, GET "Host:localhost\r\nX:\r\nY:   \r\n\r\n", 0},
    {0, GET HOST "X: tab\tand \xc3\xa4 \xff\r\n\r\n", 0},
    {0, GET HOST "Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n", 0},
    {0, GET HOST "Connection: close\r\n\r\nleft over", 0},
};

static size_t len_of(const case_t *c) {
  return c->len != 0 ? c->len : strlen(c->head);
}

static int check_in_steps(jobsrv__head_t *head,
                          const case_t *c,
                          size_t step) {
  size_t len = len_of(c);
  size_t given = 0;
  int rc = JOBSRV__HEAD_MORE;

  memset(head, 0, sizeof(*head));
  while (rc == JOBSRV__HEAD_MORE && given < len) {
    given = given + step < len ? given + step : len;
    rc = jobsrv__head_check(head, c->head, given, &usual);
  }
  return rc;
}

static void what_must_be_refused_is_refused_in_any_pieces(void **state) {
  jobsrv__head_t head;
  size_t i;
  size_t step;

  (void) state;
  for (i = 0; i < sizeof(refused_heads) / sizeof(refused_heads[0]); i++) {
    for (step = 1; step <= 4096; step *= 4) {
      int rc = check_in_steps(&head, &refused_heads[i], step);

      if (rc != JOBSRV__HEAD_REFUSED || head.status != refused_heads[i].status)
        fail_msg("%zu by %zu: result %d, status %d, due %d: %s", i, step, rc,
                 rc == JOBSRV__HEAD_REFUSED ? head.status : 0,
                 refused_heads[i].status, refused_heads[i].head);
      assert_non_null(head.detail);
    }
  }
}

static void what_is_well_formed_passes_in_any_pieces(void **state) {
  jobsrv__head_t head;
  size_t i;
  size_t step;

  (void) state;
  for (i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
    const char *end = strstr(passing[i].head + 2, "\r\n\r\n") + 4;

    for (step = 1; step <= 4096; step *= 4) {
      int rc = check_in_steps(&head, &passing[i], step);

      if (rc != JOBSRV__HEAD_DONE)
        fail_msg("%zu by %zu: result %d (%s): %s", i, step, rc,
                 head.detail != NULL ? head.detail : "", passing[i].head);
      assert_int_equal(head.len, end - passing[i].head);
    }
  }
}

static void the_parser_agrees_with_what_passes(void **state) {
  const jobsrv_alloc_t *alloc = jobsrv__alloc(NULL);
  jobsrv__request_t request;
  jobsrv__head_t head;
  void *memory;
  size_t i;

  (void) state;
  for (i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
    int err;

    memset(&request, 0, sizeof(request));
    memory = NULL;
    assert_int_equal(check_in_steps(&head, &passing[i], 4096),
                     JOBSRV__HEAD_DONE);
    err = jobsrv__request_parse(&request, alloc, &head, passing[i].head,
                                &memory);
    if (err != 0)
      fail_msg("%zu: %d: %s", i, err, passing[i].head);
    assert_int_equal(request.n_headers, head.n_fields);
    jobsrv__free(alloc, memory);
  }
}

static int check(jobsrv__head_t *head, const char *text) {
  case_t c = {0, text, 0};

  return check_in_steps(head, &c, 4096);
}

static void the_head_tells_what_it_found(void **state) {
  static const char text[] =
      "\r\nPOST http://[::1]:7070?a=b HTTP/1.1\r\nHost: [::1]:7070\r\n"
      "Content-Length: 12\r\nConnection: TE, Close\r\n"
      "Expect: 100-Continue\r\n\r\n";
  jobsrv__head_t head;

  (void) state;
  assert_int_equal(check(&head, text), JOBSRV__HEAD_DONE);
  assert_bytes(text + head.method.at, head.method.len, "POST");
  assert_int_equal(head.path.len, 0);
  assert_bytes(text + head.query.at, head.query.len, "a=b");
  assert_bytes(text + head.host.at, head.host.len, "[::1]");
  assert_bytes(text + head.port.at, head.port.len, "7070");
  assert_int_equal(head.content_length, 12);
  assert_int_equal(head.minor, 1);
  assert_int_equal(head.n_fields, 4);
  assert_true(head.says_close);
  assert_false(head.says_keep);
  assert_true(head.expects_continue);
  assert_false(head.expects_other);
  assert_false(head.is_chunked);
}

static void http_1_0_knows_no_expectations(void **state) {
  jobsrv__head_t head;

  (void) state;
  assert_int_equal(check(&head, "GET / HTTP/1.0\r\nExpect: x\r\n\r\n"),
                   JOBSRV__HEAD_DONE);
  assert_false(head.expects_other);
  assert_int_equal(check(&head, GET HOST "Expect: x\r\n\r\n"),
                   JOBSRV__HEAD_DONE);
  assert_true(head.expects_other);
}

/* `n` bytes of target behind "GET /" and so 14 + n in all. */
static int check_line(jobsrv__head_t *head, uint32_t limit, size_t n) {
  jobsrv__head_limits_t limits = usual;
  char text[512];
  size_t len;

  len = (size_t) snprintf(text, sizeof(text), "GET /%.*s HTTP/1.1\r\n" HOST END,
                          (int) n, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
  limits.max_line = limit;
  memset(head, 0, sizeof(*head));
  return jobsrv__head_check(head, text, len, &limits);
}

static void a_request_line_may_be_as_long_as_its_limit(void **state) {
  jobsrv__head_t head;

  (void) state;
  assert_int_equal(check_line(&head, 34, 19), JOBSRV__HEAD_DONE);
  assert_int_equal(check_line(&head, 34, 20), JOBSRV__HEAD_DONE);
  assert_int_equal(check_line(&head, 34, 21), JOBSRV__HEAD_REFUSED);
  assert_int_equal(head.status, 414);
}

static void a_long_request_line_is_refused_before_it_ends(void **state) {
  jobsrv__head_limits_t limits = usual;
  jobsrv__head_t head = {0};

  (void) state;
  limits.max_line = 8;
  assert_int_equal(jobsrv__head_check(&head, "GET /aaa", 8, &limits),
                   JOBSRV__HEAD_MORE);
  assert_int_equal(jobsrv__head_check(&head, "GET /aaaa", 9, &limits),
                   JOBSRV__HEAD_REFUSED);
  assert_int_equal(head.status, 414);
}

static void field_lines_may_be_as_large_as_their_limit(void **state) {
  static const char text[] = GET HOST "X: 1234567890\r\n\r\n";
  const uint32_t size = 17 + 15; /* both lines with their ends */
  jobsrv__head_limits_t limits = usual;
  jobsrv__head_t head;

  (void) state;
  for (uint32_t i = 0; i < 3; i++) {
    limits.max_bytes = size + 1 - i;
    memset(&head, 0, sizeof(head));
    assert_int_equal(jobsrv__head_check(&head, text, sizeof(text) - 1, &limits),
                     i < 2 ? JOBSRV__HEAD_DONE : JOBSRV__HEAD_REFUSED);
  }
  assert_int_equal(head.status, 431);
}

static void there_may_be_as_many_fields_as_their_limit(void **state) {
  static const char text[] = GET HOST "A: 1\r\nB: 2\r\n\r\n";
  jobsrv__head_limits_t limits = usual;
  jobsrv__head_t head;

  (void) state;
  for (uint32_t i = 0; i < 3; i++) {
    limits.max_fields = 4 - i;
    memset(&head, 0, sizeof(head));
    assert_int_equal(jobsrv__head_check(&head, text, sizeof(text) - 1, &limits),
                     i < 2 ? JOBSRV__HEAD_DONE : JOBSRV__HEAD_REFUSED);
  }
  assert_int_equal(head.status, 431);
}

static uint32_t next_random(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

/* Changes a few bytes for others that mean something to somebody. */
static size_t mutate(char *to, const case_t *c, uint32_t *seed) {
  static const char bytes[] = "\r\n\t :,;/0123xX?#%[]@\"\\\x01\x7f\xff";
  size_t len = len_of(c);
  size_t changes = 1 + next_random(seed) % 3;

  memcpy(to, c->head, len);
  for (; changes > 0; changes--)
    to[next_random(seed) % len] = bytes[next_random(seed) % sizeof(bytes)];
  return len;
}

static void the_verdict_does_not_depend_on_the_pieces(void **state) {
  const jobsrv_alloc_t *alloc = jobsrv__alloc(NULL);
  const size_t n = sizeof(passing) / sizeof(passing[0]);
  uint32_t seed = 1;
  char text[512];

  (void) state;
  for (int i = 0; i < 20000; i++) {
    const case_t *from = &passing[next_random(&seed) % n];
    case_t c = { 0, text, mutate(text, from, &seed) };
    jobsrv__request_t request = { 0 };
    jobsrv__head_t whole;
    jobsrv__head_t pieces;
    void *memory = NULL;
    int rc = check_in_steps(&whole, &c, 4096);

    assert_int_equal(check_in_steps(&pieces, &c, 1), rc);
    assert_int_equal(pieces.status, whole.status);
    assert_int_equal(pieces.len, whole.len);
    if (rc != JOBSRV__HEAD_DONE)
      continue;
    (void) jobsrv__request_parse(&request, alloc, &whole, text, &memory);
    jobsrv__free(alloc, memory);
  }
}

static void tables_are_as_long_as_promised(void **state) {
  (void) state;
  assert_true(sizeof(refused_heads) / sizeof(refused_heads[0]) >= 120);
  assert_true(sizeof(passing) / sizeof(passing[0]) >= 25);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_must_be_refused_is_refused_in_any_pieces),
    cmocka_unit_test(what_is_well_formed_passes_in_any_pieces),
    cmocka_unit_test(the_parser_agrees_with_what_passes),
    cmocka_unit_test(the_head_tells_what_it_found),
    cmocka_unit_test(http_1_0_knows_no_expectations),
    cmocka_unit_test(a_request_line_may_be_as_long_as_its_limit),
    cmocka_unit_test(a_long_request_line_is_refused_before_it_ends),
    cmocka_unit_test(field_lines_may_be_as_large_as_their_limit),
    cmocka_unit_test(there_may_be_as_many_fields_as_their_limit),
    cmocka_unit_test(the_verdict_does_not_depend_on_the_pieces),
    cmocka_unit_test(tables_are_as_long_as_promised),
};

RUN(tests);
