/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "sse/address.h"

#include <uv.h>

static void addresses_are_read_and_written_back(void **state) {
  static const char *const cases[][2] = {
      {"127.0.0.1:7070", "http://127.0.0.1:7070"},
      {"0.0.0.0:0", "http://0.0.0.0:0"},
      {"10.1.2.3:65535", "http://10.1.2.3:65535"},
      {"[::1]:7070", "http://[::1]:7070"},
      {"[::]:0", "http://[::]:0"},
      {"[2001:DB8:0:0::1]:80", "http://[2001:db8::1]:80"},
      {"unix:/run/jobs.sock", "unix:/run/jobs.sock"},
      {"unix:rel ative", "unix:rel ative"},
  };
  jobsrv__address_t address;
  char text[128];

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    assert_ok(jobsrv__address_parse(cases[i][0], &address));
    assert_ok(jobsrv__address_format(&address, text, sizeof(text)));
    assert_string_equal(text, cases[i][1]);
  }
}

static void the_port_is_told(void **state) {
  jobsrv__address_t address;

  (void) state;
  assert_ok(jobsrv__address_parse("127.0.0.1:7070", &address));
  assert_int_equal(jobsrv__address_port(&address), 7070);
  assert_ok(jobsrv__address_parse("[::1]:443", &address));
  assert_int_equal(jobsrv__address_port(&address), 443);
  assert_ok(jobsrv__address_parse("unix:x", &address));
  assert_int_equal(jobsrv__address_port(&address), 0);
}

static void other_forms_are_refused(void **state) {
  static const char *const cases[] = {
      "", ":", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
      "127.0.0.1:65536", "127.0.0.1:99999999999999999999", "127.0.0.1:-1",
      "127.0.0.1:+1", "127.0.0.1: 80", "127.0.0.1:080", "127.0.0.1:00",
      "127.1:80", "256.0.0.1:80", "localhost:80", "*:80", "::1:80", "::1",
      "[::1]", "[::1]80", "[::1]:", "[::g]:80", "[]:80", "[::1:80",
      "[fe80::1%lo]:80", "[127.0.0.1]:80", "::1]:80", "[:80", "unix:",
      "UNIX:/x", "http://127.0.0.1:80",
      "[1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111]:80"};
  jobsrv__address_t address;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
    if (jobsrv__address_parse(cases[i], &address) != UV_EINVAL)
      fail_msg("taken: %s", cases[i]);
}

static void a_path_must_fit_a_socket_address(void **state) {
  jobsrv__address_t address;
  char text[200];

  (void) state;
  memset(text, 'a', sizeof(text));
  memcpy(text, "unix:", 5);
  text[5 + 107] = '\0';
  assert_ok(jobsrv__address_parse(text, &address));
  text[5 + 107] = 'a';
  text[5 + 108] = '\0';
  assert_err(jobsrv__address_parse(text, &address), UV_ENAMETOOLONG);
}

static void a_short_buffer_is_told(void **state) {
  jobsrv__address_t address;
  char text[22];

  (void) state;
  assert_ok(jobsrv__address_parse("127.0.0.1:7070", &address));
  assert_ok(jobsrv__address_format(&address, text, 22));
  assert_err(jobsrv__address_format(&address, text, 21), UV_ENOBUFS);
}

static void descriptors_are_read(void **state) {
  (void) state;
  assert_true(jobsrv__address_is_fd("fd:3"));
  assert_false(jobsrv__address_is_fd("fd3"));
  assert_int_equal(jobsrv__address_fd("fd:0"), 0);
  assert_int_equal(jobsrv__address_fd("fd:2147483647"), 2147483647);
  assert_err(jobsrv__address_fd("fd:2147483648"), UV_EINVAL);
  assert_err(jobsrv__address_fd("fd:"), UV_EINVAL);
  assert_err(jobsrv__address_fd("fd: 3"), UV_EINVAL);
  assert_err(jobsrv__address_fd("fd:+3"), UV_EINVAL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(addresses_are_read_and_written_back),
    cmocka_unit_test(the_port_is_told),
    cmocka_unit_test(other_forms_are_refused),
    cmocka_unit_test(a_path_must_fit_a_socket_address),
    cmocka_unit_test(a_short_buffer_is_told),
    cmocka_unit_test(descriptors_are_read),
};

RUN(tests);
