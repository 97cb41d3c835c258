/* SPDX-License-Identifier: MIT */

#include "otlp/endpoint.h"

#include "test.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <uv.h>

static void an_address_in_numbers_needs_no_looking_up(void **state) {
  jobsrv__otlp_endpoint_t e;
  char text[64];

  (void) state;
  assert_ok(jobsrv__otlp_endpoint_parse("http://127.0.0.1:4318", &e));
  assert_int_equal(e.address.len, sizeof(struct sockaddr_in));
  assert_int_equal(e.address.u.any.sa_family, AF_INET);
  assert_int_equal(ntohs(e.address.u.v4.sin_port), 4318);
  inet_ntop(AF_INET, &e.address.u.v4.sin_addr, text, sizeof(text));
  assert_string_equal(text, "127.0.0.1");
  assert_string_equal(e.authority, "127.0.0.1:4318");
  assert_string_equal(e.path, "");

  assert_ok(jobsrv__otlp_endpoint_parse("http://[::1]:1/", &e));
  assert_int_equal(e.address.len, sizeof(struct sockaddr_in6));
  assert_int_equal(ntohs(e.address.u.v6.sin6_port), 1);
  assert_string_equal(e.authority, "[::1]:1");
  assert_string_equal(e.path, "");
}

static void a_name_is_left_to_be_looked_up(void **state) {
  jobsrv__otlp_endpoint_t e;

  (void) state;
  assert_ok(jobsrv__otlp_endpoint_parse("http://otel.example_1.net/a/b//",
                                        &e));
  assert_int_equal(e.address.len, 0);
  assert_string_equal(e.host, "otel.example_1.net");
  assert_string_equal(e.port, "80");
  assert_string_equal(e.authority, "otel.example_1.net:80");
  assert_string_equal(e.path, "/a/b");
}

static void a_unix_socket_has_a_path(void **state) {
  jobsrv__otlp_endpoint_t e;

  (void) state;
  assert_ok(jobsrv__otlp_endpoint_parse("unix:/run/otel.sock", &e));
  assert_int_equal(e.address.u.any.sa_family, AF_UNIX);
  assert_string_equal(e.address.u.un.sun_path, "/run/otel.sock");
  assert_string_equal(e.authority, "localhost");
  assert_string_equal(e.path, "");
}

static void what_is_no_endpoint_is_refused(void **state) {
  static const char *const texts[] = {
    "", "127.0.0.1:4318", "http:/127.0.0.1", "HTTP://a", "ftp://a", "http://",
    "http:///v1", "http://:4318", "http://a:", "http://a:0", "http://a:01",
    "http://a:65536", "http://a:99999999999", "http://a:+1", "http://a:1x",
    "http://a b", "http://a\r\nX: y", "http://u:p@a", "http://a/x y",
    "http://a/x?q", "http://a/x#f", "http://a/\x01", "http://[::1", "http://[]",
    "http://[::1]x", "http://[::1]:", "http://[127.0.0.1]:1", "http://::1:1",
    "http://[a]:1", "unix:", "http://a?b", "http://\xc3\xa9:1",
  };
  jobsrv__otlp_endpoint_t e;

  (void) state;
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    if (jobsrv__otlp_endpoint_parse(texts[i], &e) != UV_EINVAL)
      fail_msg("%s was taken", texts[i]);
  assert_err(jobsrv__otlp_endpoint_parse("https://a:4318", &e),
             UV_EPROTONOSUPPORT);
}

static void what_is_too_long_is_told_apart(void **state) {
  char text[2048];
  jobsrv__otlp_endpoint_t e;

  (void) state;
  memset(text, 'a', sizeof(text));
  text[sizeof(text) - 1] = '\0';
  memcpy(text, "unix:", 5);
  assert_err(jobsrv__otlp_endpoint_parse(text, &e), UV_ENAMETOOLONG);
  memcpy(text, "http://", 7);
  assert_err(jobsrv__otlp_endpoint_parse(text, &e), UV_ENAMETOOLONG);
  text[10] = '/';
  assert_err(jobsrv__otlp_endpoint_parse(text, &e), UV_ENAMETOOLONG);
  text[10 + JOBSRV__OTLP_PATH - 1] = '\0';
  assert_ok(jobsrv__otlp_endpoint_parse(text, &e));
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_address_in_numbers_needs_no_looking_up),
  cmocka_unit_test(a_name_is_left_to_be_looked_up),
  cmocka_unit_test(a_unix_socket_has_a_path),
  cmocka_unit_test(what_is_no_endpoint_is_refused),
  cmocka_unit_test(what_is_too_long_is_told_apart),
};

RUN(tests);
