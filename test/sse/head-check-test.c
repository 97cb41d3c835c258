/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/alloc.h"
#include "sse/head_check.h"
#include "sse/request_parse.h"

#include <stdio.h>

#define HOST "Host: localhost\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST /v1/jobs HTTP/1.1\r\n" HOST
#define END "\r\n"

typedef struct case_s {
  int status; /* 0: must pass */
  const char *head;
  size_t len; /* 0: a string */
} case_t;

#define RAW(status, text) {status, text, sizeof(text) - 1}

static const jobsrv__head_limits_t usual = {8192, 32768, 100};

static const case_t refused[] = {
    /* line endings and folding */
    {400, "GET / HTTP/1.1\nHost: localhost\n\n", 0},
    {400, "GET / HTTP/1.1\r\nHost: localhost\n\r\n", 0},
    {400, "GET / HTTP/1.1\r\nHost: localhost\r\n\n", 0},
    {400, "GET / HTTP/1.1\nHost: localhost\r\n\r\n", 0},
    {400, GET "Host: local\rhost\r\n\r\n", 0},
    {400, "GET /\r HTTP/1.1\r\n" HOST END, 0},
    {400, "\rGET / HTTP/1.1\r\n" HOST END, 0},
    {400, "\nGET / HTTP/1.1\r\n" HOST END, 0},
    {400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST END, 0},
    {400, "\r\n\n", 0},
    {400, "GET / HTTP/1.1\r\r\n" HOST END, 0},
    {400, GET HOST "\rX: y\r\n\r\n", 0},
    {400, GET HOST "X: y\r\r\n\r\n", 0},
    {400, GET HOST "X: a\r\n b\r\n\r\n", 0},
    {400, GET HOST "X: a\r\n\tb\r\n\r\n", 0},
    {400, GET " " HOST END, 0},
    {400, GET "\t" HOST END, 0},
    {400, GET HOST " \r\n\r\n", 0},
    {400, GET HOST "Transfer-Encoding:\r\n chunked\r\n\r\n", 0},

    /* control bytes */
    RAW(400, GET HOST "X: a\0b\r\n\r\n"),
    RAW(400, GET HOST "X\0: b\r\n\r\n"),
    RAW(400, "GET /\0 HTTP/1.1\r\n" HOST END),
    RAW(400, "\0GET / HTTP/1.1\r\n" HOST END),
    {400, GET HOST "X: a\x01\r\n\r\n", 0},
    {400, GET HOST "X: a\x0b" "b\r\n\r\n", 0},
    {400, GET HOST "X: a\x0c" "b\r\n\r\n", 0},
    {400, GET HOST "X: a\x1b[31m\r\n\r\n", 0},
    {400, GET HOST "X: a\x7f\r\n\r\n", 0},
    {400, GET HOST "Transfer-Encoding: \x0b" "chunked\r\n\r\n", 0},

    /* field names */
    {400, GET HOST "X : a\r\n\r\n", 0},
    {400, GET HOST "X\t: a\r\n\r\n", 0},
    {400, GET HOST "X Y: a\r\n\r\n", 0},
    {400, GET HOST ": a\r\n\r\n", 0},
    {400, GET HOST ":\r\n\r\n", 0},
    {400, GET HOST "X\r\n\r\n", 0},
    {400, GET HOST "no colon here\r\n\r\n", 0},
    {400, GET HOST "X(Y): a\r\n\r\n", 0},
    {400, GET HOST "X@Y: a\r\n\r\n", 0},
    {400, GET HOST "X\"Y: a\r\n\r\n", 0},
    {400, GET HOST "X/Y: a\r\n\r\n", 0},
    {400, GET HOST "X\xc3\xa4: a\r\n\r\n", 0},
    {400, GET "Host : localhost\r\n\r\n", 0},
    {400, POST "Content-Length : 3\r\n\r\n", 0},
    {400, POST "Transfer-Encoding : chunked\r\n\r\n", 0},
    {400, POST "Content Length: 3\r\n\r\n", 0},

    /* request lines */
    {400, "GET /\r\n\r\n", 0},
    {400, "GET\r\n\r\n", 0},
    {400, "GET \r\n\r\n", 0},
    {400, "GET / \r\n" HOST END, 0},
    {400, "GET  / HTTP/1.1\r\n" HOST END, 0},
    {400, "GET /  HTTP/1.1\r\n" HOST END, 0},
    {400, "GET / HTTP/1.1 \r\n" HOST END, 0},
    {400, " GET / HTTP/1.1\r\n" HOST END, 0},
    {400, "GET\t/ HTTP/1.1\r\n" HOST END, 0},
    {400, "GET /\tHTTP/1.1\r\n" HOST END, 0},
    {400, "GET /a b HTTP/1.1\r\n" HOST END, 0},
    {400, "GET  HTTP/1.1\r\n" HOST END, 0},
    {400, "/ HTTP/1.1\r\n" HOST END, 0},
    {400, "G@T / HTTP/1.1\r\n" HOST END, 0},
    {400, "GET: / HTTP/1.1\r\n" HOST END, 0},
    {400, "HTTP/1.1 200 OK\r\n" HOST END, 0},
    {400, "GET / http/1.1\r\n" HOST END, 0},
    {400, "GET / HTTP/1\r\n" HOST END, 0},
    {400, "GET / HTTP/1.\r\n" HOST END, 0},
    {400, "GET / HTTP/.1\r\n" HOST END, 0},
    {400, "GET / HTTP/11\r\n" HOST END, 0},
    {400, "GET / HTTP/1.10\r\n" HOST END, 0},
    {400, "GET / HTTP/01.1\r\n" HOST END, 0},
    {400, "GET / HTTP/1,1\r\n" HOST END, 0},
    {400, "GET / HTTP/1.x\r\n" HOST END, 0},
    {400, "GET / HTTP1.1\r\n" HOST END, 0},
    {400, "GET / HTTPS/1.1\r\n" HOST END, 0},
    {400, "GET / XTTP/1.1\r\n" HOST END, 0},
    {400, "GET / RTSP/1.0\r\n" HOST END, 0},
    {400, "SOURCE / ICE/1.0\r\n" HOST END, 0},
    {400, "GET / ICE/1.0\r\n" HOST END, 0},
    {505, "GET / HTTP/0.9\r\n" HOST END, 0},
    {505, "GET / HTTP/1.2\r\n" HOST END, 0},
    {505, "GET / HTTP/2.0\r\n" HOST END, 0},
    {505, "GET / HTTP/3.0\r\n" HOST END, 0},
    {505, "GET / HTTP/9.9\r\n" HOST END, 0},
    {400, "GET / HTTP/2\r\n" HOST END, 0},
    {400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
    {400, "DESCRIBE rtsp://x/y RTSP/1.0\r\n\r\n", 0},
    {400, "ANNOUNCE / HTTP/1.1\r\n" HOST END, 0},
    {400, "SETUP / HTTP/1.1\r\n" HOST END, 0},
    {400, "PLAY / HTTP/1.1\r\n" HOST END, 0},
    {400, "TEARDOWN / HTTP/1.1\r\n" HOST END, 0},
    {400, "RECORD / HTTP/1.1\r\n" HOST END, 0},
    {400, "FLUSH / HTTP/1.1\r\n" HOST END, 0},
    {400, "SOURCE / HTTP/1.1\r\n" HOST END, 0},
    RAW(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    RAW(400, "\x80\x2e\x01\x00\x02\x00\x15"),
    RAW(400, "SSH-2.0-OpenSSH_9.2p1\r\n"),
    RAW(400, "\x05\x01\x00"),

    /* targets */
    {400, "GET v1/jobs HTTP/1.1\r\n" HOST END, 0},
    {400, "GET ? HTTP/1.1\r\n" HOST END, 0},
    {400, "GET * HTTP/1.1\r\n" HOST END, 0},
    {400, "OPTIONS ** HTTP/1.1\r\n" HOST END, 0},
    {400, "OPTIONS *?a HTTP/1.1\r\n" HOST END, 0},
    {400, "GET /a#b HTTP/1.1\r\n" HOST END, 0},
    {400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST END, 0},
    {400, "GET /\x7f HTTP/1.1\r\n" HOST END, 0},
    {400, "GET /\x1b HTTP/1.1\r\n" HOST END, 0},
    {400, "CONNECT localhost:80 HTTP/1.1\r\n" HOST END, 0},
    {400, "CONNECT / HTTP/1.1\r\n" HOST END, 0},
    {400, "GET https://localhost/ HTTP/1.1\r\n" HOST END, 0},
    {400, "GET ftp://localhost/ HTTP/1.1\r\n" HOST END, 0},
    {400, "GET http:/localhost/ HTTP/1.1\r\n" HOST END, 0},
    {400, "GET http:///x HTTP/1.1\r\n" HOST END, 0},
    {400, "GET http:// HTTP/1.1\r\n" HOST END, 0},
    {400, "GET http://other/ HTTP/1.1\r\n" HOST END, 0},
    {400, "GET http://localhost:1/ HTTP/1.1\r\n" HOST END, 0},
    {400, "GET http://u:p@localhost/ HTTP/1.1\r\n" HOST END, 0},
    {400, "GET http://localhost/ HTTP/1.1\r\n\r\n", 0},
    {400, "GET localhost:80 HTTP/1.1\r\n" HOST END, 0},

    /* transfer codings */
    {400, POST "Transfer-Encoding:\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: ,\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: chunked, chunked\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: chunked,\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: ,chunked\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: chunked;q=1\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: chunked\r\n"
               "Transfer-Encoding: chunked\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: chunked\r\n"
               "Transfer-Encoding: identity\r\n\r\n", 0},
    {400, POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 0},
    {400, POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    {400, POST "Content-Length: 0\r\nTransfer-Encoding: gzip\r\n\r\n", 0},
    {400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 0},
    {501, POST "Transfer-Encoding: gzip\r\n\r\n", 0},
    {501, POST "Transfer-Encoding: identity\r\n\r\n", 0},
    {501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n", 0},
    {501, POST "Transfer-Encoding: chunked, identity\r\n\r\n", 0},
    {501, POST "Transfer-Encoding: xchunked\r\n\r\n", 0},
    {501, POST "Transfer-Encoding: chunkedx\r\n\r\n", 0},
    {501, POST "Transfer-Encoding: chunked chunkey\r\n\r\n", 0},

    /* lengths */
    {400, POST "Content-Length:\r\n\r\n", 0},
    {400, POST "Content-Length: \t \r\n\r\n", 0},
    {400, POST "Content-Length: +3\r\n\r\n", 0},
    {400, POST "Content-Length: -3\r\n\r\n", 0},
    {400, POST "Content-Length: 0x3\r\n\r\n", 0},
    {400, POST "Content-Length: 3a\r\n\r\n", 0},
    {400, POST "Content-Length: a\r\n\r\n", 0},
    {400, POST "Content-Length: 3 3\r\n\r\n", 0},
    {400, POST "Content-Length: 3, 3\r\n\r\n", 0},
    {400, POST "Content-Length: 3,3\r\n\r\n", 0},
    {400, POST "Content-Length: 3,\r\n\r\n", 0},
    {400, POST "Content-Length: 3.0\r\n\r\n", 0},
    {400, POST "Content-Length: 1e3\r\n\r\n", 0},
    {400, POST "Content-Length: \"3\"\r\n\r\n", 0},
    {400, POST "Content-Length: 3_0\r\n\r\n", 0},
    {400, POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 0},
    {400, POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 0},
    {400, POST "content-length: 3\r\nCONTENT-LENGTH: 3\r\n\r\n", 0},
    {400, POST "Content-Length: 18446744073709551616\r\n\r\n", 0},
    {400, POST "Content-Length: 00000000000000000003\r\n\r\n", 0},

    /* Host */
    {400, GET "\r\n", 0},
    {400, GET "X: y\r\n\r\n", 0},
    {400, GET "Host:\r\n\r\n", 0},
    {400, GET HOST HOST END, 0},
    {400, GET "Host: a\r\nhost: b\r\n\r\n", 0},
    {400, "GET / HTTP/1.0\r\n" HOST HOST END, 0},
    {400, GET "Host: a b\r\n\r\n", 0},
    {400, GET "Host: a,b\r\n\r\n", 0},
    {400, GET "Host: a/b\r\n\r\n", 0},
    {400, GET "Host: a?b\r\n\r\n", 0},
    {400, GET "Host: a#b\r\n\r\n", 0},
    {400, GET "Host: a\\b\r\n\r\n", 0},
    {400, GET "Host: u@a\r\n\r\n", 0},
    {400, GET "Host: u:p@a\r\n\r\n", 0},
    {400, GET "Host: http://a\r\n\r\n", 0},
    {400, GET "Host: :80\r\n\r\n", 0},
    {400, GET "Host: a:b\r\n\r\n", 0},
    {400, GET "Host: a:80:80\r\n\r\n", 0},
    {400, GET "Host: a:-1\r\n\r\n", 0},
    {400, GET "Host: a:65536\r\n\r\n", 0},
    {400, GET "Host: a%\r\n\r\n", 0},
    {400, GET "Host: a%2\r\n\r\n", 0},
    {400, GET "Host: a%zz\r\n\r\n", 0},
    {400, GET "Host: \xc3\xa4\r\n\r\n", 0},
    {400, GET "Host: ::1\r\n\r\n", 0},
    {400, GET "Host: [::1\r\n\r\n", 0},
    {400, GET "Host: []\r\n\r\n", 0},
    {400, GET "Host: [::1]80\r\n\r\n", 0},
    {400, GET "Host: [::g]\r\n\r\n", 0},
    {400, GET "Host: [fe80::1%eth0]\r\n\r\n", 0},
    {400, GET "Host: [127.0.0.1]\r\n\r\n", 0},
    {400, GET "Host: <a>\r\n\r\n", 0},
};

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
  for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
    for (step = 1; step <= 4096; step *= 4) {
      int rc = check_in_steps(&head, &refused[i], step);

      if (rc != JOBSRV__HEAD_REFUSED || head.status != refused[i].status)
        fail_msg("%zu by %zu: result %d, status %d, due %d: %s", i, step, rc,
                 rc == JOBSRV__HEAD_REFUSED ? head.status : 0,
                 refused[i].status, refused[i].head);
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
  assert_true(sizeof(refused) / sizeof(refused[0]) >= 120);
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
