/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/alloc.h"
#include "sse/request_parse.h"

#include <uv.h>

typedef struct parsed_s {
  jobsrv__request_t request;
  void *memory;
} parsed_t;

static void parse(parsed_t *parsed, const char *text) {
  static const jobsrv__head_limits_t limits = {8192, 32768, 100};
  jobsrv__head_t head = {0};

  memset(parsed, 0, sizeof(*parsed));
  assert_int_equal(jobsrv__head_check(&head, text, strlen(text), &limits),
                   JOBSRV__HEAD_DONE);
  assert_ok(jobsrv__request_parse(&parsed->request, jobsrv__alloc(NULL), &head,
                                  text, &parsed->memory));
}

static void release(parsed_t *parsed) {
  jobsrv__free(jobsrv__alloc(NULL), parsed->memory);
}

static void fields_are_found_by_lower_case_name(void **state) {
  parsed_t p;
  jobsrv__span_t value;
  size_t n = 9;

  (void) state;
  parse(&p, "GET /a/b?c=d HTTP/1.1\r\nHOST: localhost:1\r\n"
            "X-Thing:  one \t\r\nx-thing: two\r\nEmpty:\r\n\r\n");
  assert_int_equal(p.request.method, JOBSRV__GET);
  assert_true(jobsrv__span_is(p.request.path, "/a/b"));
  assert_true(jobsrv__span_is(p.request.query, "c=d"));
  assert_true(jobsrv__span_is(p.request.host, "localhost"));
  assert_true(jobsrv__span_is(p.request.port, "1"));
  value = jobsrv__request_header(&p.request, "x-thing", &n);
  assert_bytes(value.data, value.len, "one");
  assert_int_equal(n, 2);
  value = jobsrv__request_header(&p.request, "empty", &n);
  assert_non_null(value.data);
  assert_int_equal(value.len, 0);
  value = jobsrv__request_header(&p.request, "none", &n);
  assert_null(value.data);
  assert_int_equal(n, 0);
  release(&p);
}

static void keeping_the_connection_follows_version_and_header(void **state) {
  static const struct {
    const char *text;
    int keeps;
  } cases[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 0},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", 0},
      {"GET / HTTP/1.0\r\n\r\n", 0},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 1},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", 0},
  };
  parsed_t p;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    parse(&p, cases[i].text);
    assert_int_equal(p.request.keeps, cases[i].keeps);
    release(&p);
  }
}

static void methods_that_are_not_served_keep_their_text(void **state) {
  parsed_t p;

  (void) state;
  parse(&p, "BREW http://pot HTTP/1.1\r\nHost: POT\r\n\r\n");
  assert_int_equal(p.request.method, JOBSRV__OTHER);
  assert_true(jobsrv__span_is(p.request.method_text, "BREW"));
  assert_true(jobsrv__span_is(p.request.path, "/"));
  assert_null(p.request.query.data);
  assert_true(jobsrv__span_is(p.request.host, "pot"));
  release(&p);
  parse(&p, "DELETE / HTTP/1.0\r\n\r\n");
  assert_int_equal(p.request.method, JOBSRV__DELETE);
  assert_null(p.request.host.data);
  release(&p);
}

static void a_path_is_taken_segment_by_segment(void **state) {
  jobsrv__span_t rest = jobsrv__span("/v1//x/", 7);
  jobsrv__span_t segment;

  (void) state;
  assert_true(jobsrv__path_next(&rest, &segment));
  assert_bytes(segment.data, segment.len, "v1");
  assert_true(jobsrv__path_next(&rest, &segment));
  assert_int_equal(segment.len, 0);
  assert_true(jobsrv__path_next(&rest, &segment));
  assert_bytes(segment.data, segment.len, "x");
  assert_true(jobsrv__path_next(&rest, &segment));
  assert_int_equal(segment.len, 0);
  assert_false(jobsrv__path_next(&rest, &segment));
}

static int decode(const char *text, char *to, size_t cap) {
  return jobsrv__percent_decode(jobsrv__span(text, strlen(text)), to, cap);
}

static void escapes_are_undone_or_refused(void **state) {
  char to[8];

  (void) state;
  assert_int_equal(decode("a%2Fb+%c3%A4", to, sizeof(to)), 6);
  assert_string_equal(to, "a/b+\xc3\xa4");
  assert_int_equal(decode("", to, sizeof(to)), 0);
  assert_int_equal(decode("1234567", to, sizeof(to)), 7);
  assert_err(decode("12345678", to, sizeof(to)), UV_ENOBUFS);
  assert_err(decode("%", to, sizeof(to)), UV_EINVAL);
  assert_err(decode("%4", to, sizeof(to)), UV_EINVAL);
  assert_err(decode("%4g", to, sizeof(to)), UV_EINVAL);
  assert_err(decode("a%00", to, sizeof(to)), UV_EINVAL);
}

static int find(const char *query, const char *name, char *to, size_t cap) {
  return jobsrv__query_find(jobsrv__span(query, strlen(query)), name, to, cap);
}

static void parameters_are_found_by_their_decoded_name(void **state) {
  char to[16];

  (void) state;
  assert_int_equal(find("a=1&after=b0-7&after=9", "after", to, 16), 4);
  assert_string_equal(to, "b0-7");
  assert_int_equal(find("a%66ter=x+y%2B", "after", to, 16), 4);
  assert_string_equal(to, "x y+");
  assert_int_equal(find("after", "after", to, 16), 0);
  assert_int_equal(find("&&after=&", "after", to, 16), 0);
  assert_err(find("afte=1&xafter=2", "after", to, 16), UV_ENOENT);
  assert_err(find("", "after", to, 16), UV_ENOENT);
  assert_err(find("after=%", "after", to, 16), UV_EINVAL);
  assert_err(find("after=0123456789abcdef", "after", to, 16), UV_ENOBUFS);
  assert_err(jobsrv__query_find(jobsrv__span(NULL, 0), "a", to, 16),
             UV_ENOENT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(fields_are_found_by_lower_case_name),
    cmocka_unit_test(keeping_the_connection_follows_version_and_header),
    cmocka_unit_test(methods_that_are_not_served_keep_their_text),
    cmocka_unit_test(a_path_is_taken_segment_by_segment),
    cmocka_unit_test(escapes_are_undone_or_refused),
    cmocka_unit_test(parameters_are_found_by_their_decoded_name),
};

RUN(tests);
