/* SPDX-License-Identifier: MIT */

/*
 * What is unusual and right, through a whole connection in every way that it
 * may come: strictness must break nobody. The request behind each is answered
 * too, so that its end was found where it is.
 */

#include "refusing.h"

#define HOST "Host: localhost\r\n"
#define GET "GET /health HTTP/1.1\r\n"
#define END "\r\n"
#define WORK "{\"operation\":\"work\"}" /* 20, which is 0x14 */
#define POST "POST /v1/jobs HTTP/1.1\r\n" HOST JSON_TYPE
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define JSON(type) "POST /v1/jobs HTTP/1.1\r\n" HOST "Content-Type: " type    \
  "\r\nContent-Length: 20\r\n\r\n" WORK

typedef struct {
  int status;
  const char *request;
  int closes;
} accepted_t;

static const accepted_t request_lines[] = {
  { 200, GET HOST END, 0 },
  { 200, "\r\n" GET HOST END, 0 },
  { 200, "GET /health? HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET /health?? HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET /health?a=b&c&&=d&e=%20+ HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET /health?%zz%0d%0a HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET /health?http://x/?y:@!$'()*,;[]{}|\\^`<>\" HTTP/1.1\r\n" HOST END,
    0 },
  { 200, "GET /%68ealth HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET /%68%65%61%6C%74%68 HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET http://localhost/health HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET HTTP://LOCALHOST/health HTTP/1.1\r\n" HOST END, 0 },
  { 200, "GET http://localhost:80/health?a HTTP/1.1\r\n"
         "Host: localhost:80\r\n\r\n", 0 },
  { 404, "GET http://localhost HTTP/1.1\r\n" HOST END, 0 },
  { 404, "GET http://localhost?a HTTP/1.1\r\n" HOST END, 0 },
  { 404, "GET //health HTTP/1.1\r\n" HOST END, 0 },
  { 404, "GET /health/ HTTP/1.1\r\n" HOST END, 0 },
  { 404, "GET /./health HTTP/1.1\r\n" HOST END, 0 },
  { 404, "GET /../../etc/passwd HTTP/1.1\r\n" HOST END, 0 },
  { 404, "GET /%2e%2e/health HTTP/1.1\r\n" HOST END, 0 },
  { 404, "GET /*a HTTP/1.1\r\n" HOST END, 0 },
  { 204, "OPTIONS * HTTP/1.1\r\n" HOST END, 0 },
  { 204, "OPTIONS /health HTTP/1.1\r\n" HOST END, 0 },
  { 405, "PATCH /health HTTP/1.1\r\n" HOST END, 0 },
  { 405, "get /health HTTP/1.1\r\n" HOST END, 0 },
  { 405, "X /health HTTP/1.1\r\n" HOST END, 0 },
  { 405, "BREW /health HTTP/1.1\r\n" HOST END, 0 },
  { 405, "M-SEARCH /health HTTP/1.1\r\n" HOST END, 0 },
  { 405, "TRACE /health HTTP/1.1\r\n" HOST END, 0 },
  { 405, "!#$%&'*+-.^_`|~ /health HTTP/1.1\r\n" HOST END, 0 },
};

static const accepted_t old_ones[] = {
  { 200, "GET /health HTTP/1.0\r\n\r\n", 1 },
  { 200, "GET /health HTTP/1.0\r\n" HOST END, 1 },
  { 200, "GET /health HTTP/1.0\r\nConnection: close\r\n\r\n", 1 },
  { 200, "GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0 },
  { 200, "GET /health HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 0 },
  { 200, "GET /health HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", 1 },
  { 200, "GET /health HTTP/1.0\r\nExpect: anything\r\n\r\n", 1 },
  { 202, "POST /v1/jobs HTTP/1.0\r\n" JSON_TYPE "Content-Length: 20\r\n\r\n"
         WORK, 1 },
};

static const accepted_t fields[] = {
  { 200, GET "host: localhost\r\n\r\n", 0 },
  { 200, GET "HOST: localhost\r\n\r\n", 0 },
  { 200, GET "Host:localhost\r\n\r\n", 0 },
  { 200, GET "Host: \t localhost \t \r\n\r\n", 0 },
  { 200, GET "Host: LOCALHOST\r\n\r\n", 0 },
  { 200, GET "Host: localhost:\r\n\r\n", 0 },
  { 200, GET "Host: localhost:65535\r\n\r\n", 0 },
  { 200, GET "Host: 127.0.0.1:8080\r\n\r\n", 0 },
  { 200, GET "Host: [::1]\r\n\r\n", 0 },
  { 200, GET "Host: [::1]:7070\r\n\r\n", 0 },
  { 200, GET "Host: [2001:DB8::a:b]\r\n\r\n", 0 },
  { 200, GET "Host: [::ffff:127.0.0.1]\r\n\r\n", 0 },
  { 200, GET "Host: a-b_c.d~e.example\r\n\r\n", 0 },
  { 200, GET "Host: %61.example\r\n\r\n", 0 },
  { 200, GET HOST "X:\r\n\r\n", 0 },
  { 200, GET HOST "X: \t \r\n\r\n", 0 },
  { 200, GET HOST "X: a\tb  c\r\n\r\n", 0 },
  { 200, GET HOST "X: \xc3\xa4\xff\x80\r\n\r\n", 0 },
  { 200, GET HOST "X: :::\r\n\r\n", 0 },
  { 200, GET HOST "X: \"quoted \\\" text\" (comment)\r\n\r\n", 0 },
  { 200, GET HOST "!#$%&'*+-.^_`|~09azAZ: y\r\n\r\n", 0 },
  { 200, GET HOST "X: 1\r\nX: 2\r\nx: 3\r\n\r\n", 0 },
  { 200, GET HOST "Cookie: a=b; c=d\r\nCookie: e=f\r\n\r\n", 0 },
  { 200, GET HOST "Connection: keep-alive\r\n\r\n", 0 },
  { 200, GET HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
         "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 0 },
  { 200, GET HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 0 },
  { 200, GET HOST "Connection: close\r\n\r\n", 1 },
  { 200, GET HOST "connection: CLOSE\r\n\r\n", 1 },
  { 200, GET HOST "Connection: ,, te , close ,\r\n\r\n", 1 },
  { 200, GET HOST "Connection: te\r\nConnection: close\r\n\r\n", 1 },
  { 200, GET HOST "Connection: not-close, closed\r\n\r\n", 0 },
  { 200, GET HOST "TE: trailers, deflate;q=0.5\r\n\r\n", 0 },
  { 200, GET HOST "Range: bytes=0-1\r\nIf-None-Match: *\r\n\r\n", 0 },
  { 200, GET HOST "Accept: text/*;q=0.1, */*;q=0\r\n\r\n", 0 },
  { 200, GET HOST "Max-Forwards: 0\r\nVia: 1.0 fred\r\n"
         "Forwarded: for=\"[2001:db8::1]\"\r\n\r\n", 0 },
  { 200, GET HOST "Expect: 100-continue\r\n\r\n", 0 },
  { 200, GET HOST "Trailer: X\r\nKeep-Alive: timeout=5\r\n\r\n", 0 },
  { 200, GET HOST "Last-Event-ID: \r\n\r\n", 0 },
  { 200, GET HOST "Authorization: Basic \r\n\r\n", 0 },
};

static const accepted_t bodies[] = {
  { 200, GET HOST "Content-Length: 0\r\n\r\n", 0 },
  { 200, GET HOST "Content-Length: 000\r\n\r\n", 0 },
  { 200, GET HOST "Content-Length: 3\r\n\r\nabc", 0 },
  { 200, GET HOST "Content-Length: 50\r\n\r\n"
         "GET /nothing HTTP/1.1\r\nHost: somebody.example\r\n\r\nx", 0 },
  { 200, GET HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    0 },
  { 404, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 0 },
  { 404, "PUT /nothing HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n0\r\n\r\n", 0 },
  { 202, POST "Content-Length: 20\r\n\r\n" WORK, 0 },
  { 202, POST "content-length:\t20 \r\n\r\n" WORK, 0 },
  { 202, POST "Content-Length: \t20 \t\r\n\r\n" WORK, 0 },
  { 202, POST "Content-Length: 0000000000000000020\r\n\r\n" WORK, 0 },
  { 202, POST "Content-Length: 22\r\n\r\n" WORK "\r\n", 0 },
  { 202, POST "Content-Length: 24\r\n\r\n \t\r\n" WORK, 0 },
  { 202, POST "Expect: 100-continue\r\nContent-Length: 20\r\n\r\n" WORK, 0 },
  { 202, POST "Expect: 100-CONTINUE\r\nContent-Length: 20\r\n\r\n" WORK, 0 },
  { 202, JSON("application/json"), 0 },
  { 202, JSON("APPLICATION/JSON"), 0 },
  { 202, JSON("application/json;charset=utf-8"), 0 },
  { 202, JSON("application/json ; charset=\"UTF-8\""), 0 },
  { 202, POST "Content-Length: 52\r\n\r\n"
         "{\"operation\":\"w\\u006Frk\",\"a\":[1e2,-0.5E-3,\"\\u00e4\"]}", 0 },
  { 202, CHUNKED "14\r\n" WORK "\r\n0\r\n\r\n", 0 },
  { 202, CHUNKED "0000000000000014\r\n" WORK "\r\n0000\r\n\r\n", 0 },
  { 202, CHUNKED "a\r\n{\"operatio\r\nA\r\nn\":\"work\"}\r\n0\r\n\r\n", 0 },
  { 202, CHUNKED "14;a\r\n" WORK "\r\n0;b\r\n\r\n", 0 },
  { 202, CHUNKED "14;a=b;c=\"d;\\\"e\"\r\n" WORK "\r\n0\r\n\r\n", 0 },
  { 202, CHUNKED "14;\r\n" WORK "\r\n0\r\n\r\n", 0 },
  { 202, CHUNKED "14; a = b\r\n" WORK "\r\n0\r\n\r\n", 0 },
  { 202, CHUNKED "14\r\n" WORK "\r\n0\r\nX: y\r\n\r\n", 0 },
  { 202, CHUNKED "14\r\n" WORK "\r\n0\r\nX:\r\nY: \xc3\xa4\r\nX: z\r\n\r\n",
    0 },
  { 202, POST "Transfer-Encoding: CHUNKED\r\n\r\n14\r\n" WORK
         "\r\n0\r\n\r\n", 0 },
  { 202, POST "Transfer-Encoding:\tchunked \t\r\n\r\n14\r\n" WORK
         "\r\n0\r\n\r\n", 0 },
  { 202, POST "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
         "14\r\n" WORK "\r\n0\r\n\r\n", 0 },
};

static world w;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static void expect_all(const accepted_t *all, size_t n) {
  for (size_t i = 0; i < n; i++) {
    due_t due = { all[i].request, all[i].status, NULL, all[i].closes };

    expect_everywhere(&w, &due, all[i].request, strlen(all[i].request));
  }
}

#define ACCEPTED(all)                                                         \
  static void all##_may_be_unusual(void **state) {                            \
    (void) state;                                                             \
    expect_all(all, sizeof(all) / sizeof(all[0]));                            \
  }

ACCEPTED(request_lines)
ACCEPTED(old_ones)
ACCEPTED(fields)
ACCEPTED(bodies)

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(request_lines_may_be_unusual),
  CASE(old_ones_may_be_unusual),
  CASE(fields_may_be_unusual),
  CASE(bodies_may_be_unusual),
};

RUN(tests);
