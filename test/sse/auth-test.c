/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "sse/api.h"

#include <stdio.h>

static jobsrv__span_t span(const char *text) {
  return jobsrv__span(text, text != NULL ? strlen(text) : 0);
}

static char *hosts[] = { "Jobs.Example", NULL };

static void only_our_names_pass(void **state) {
  static const char *const ours[] = {
    "localhost", "LocalHost", "127.0.0.1", "10.1.2.3", "[::1]",
    "[fe80::1]", "[::ffff:127.0.0.1]", "jobs.example", "JOBS.EXAMPLE",
  };
  static const char *const others[] = {
    "", "evil.example", "localhost.evil.example", "localhost.", "127.1",
    "2130706433", "0x7f.0.0.1", "127.0.0.1.evil.example", "127.0.0.256", "::1",
    "[::1", "[]", "[127.0.0.1]", "[::1%25lo]", "xjobs.example",
    "jobs.example.", "127.0.0.1 ",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
    if (!jobsrv__host_allowed(span(ours[i]), hosts))
      fail_msg("%s is ours", ours[i]);
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
    if (jobsrv__host_allowed(span(others[i]), hosts))
      fail_msg("%s is not ours", others[i]);
  assert_false(jobsrv__host_allowed(span("jobs.example"), NULL));
  assert_false(jobsrv__host_allowed(span(NULL), NULL));
}

static void a_token_matches_only_itself(void **state) {
  (void) state;
  assert_true(jobsrv__token_matches(span("secret"), "secret"));
  assert_false(jobsrv__token_matches(span("secreT"), "secret"));
  assert_false(jobsrv__token_matches(span("secre"), "secret"));
  assert_false(jobsrv__token_matches(span("secretsecret"), "secret"));
  assert_false(jobsrv__token_matches(span(""), "secret"));
  assert_false(jobsrv__token_matches(span("s"), "secret"));
}

static void a_body_must_say_that_it_is_json(void **state) {
  static const char *const yes[] = {
    "application/json", "Application/JSON", "application/json; charset=utf-8",
    "application/json;charset=\"UTF-8\"", "application/json ; a=b ; c=\"d;e\"",
    "application/json;",
  };
  static const char *const no[] = {
    "", "text/plain", "application/jsonp", "application/json, text/plain",
    "application/json;charset=latin1", "application/json;charset=\"utf-16\"",
    "application/problem+json", "application/json; x", "*/*",
    "application/x-www-form-urlencoded", "json",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
    if (!jobsrv__media_is_json(span(yes[i])))
      fail_msg("%s is JSON", yes[i]);
  for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
    if (jobsrv__media_is_json(span(no[i])))
      fail_msg("%s is not JSON", no[i]);
  assert_false(jobsrv__media_is_json(span(NULL)));
}

static void accept_lets_an_event_stream_through_or_not(void **state) {
  static const char *const yes[] = {
    "*/*", "text/*", "text/event-stream", "TEXT/Event-Stream",
    "text/html, text/event-stream;q=0.1", "*/*;q=0.5",
    "text/event-stream;q=1, text/*;q=0", "application/json, */*;q=0.001",
    "text/html;level=\"1,2\", */*", "text/html;level=\"1\\\",2\", */*",
    /* a q that is none counts as 1 */
    "*/*;q=", "*/*;q=0x", "*/*;q=0.x", "*/*;q=00", "*/*;q=two", "*/*;q",
    ", ,*/*", "*/*;q=\"0.5\"",
  };
  static const char *const no[] = {
    "", "application/json", "text/html", "text/event-stream;q=0",
    "text/event-stream; q=0.000, */*", "*/*;q=0", "text/plain, text/*;q=0.0",
    "text/*;q=0, */*",
    "text", "*/event-stream", "application/*", "text/event-streams",
    ",", "text/html;a=\"\\\", */*", "*/*;q=\"0\"",
  };

  (void) state;
  assert_true(jobsrv__media_accepts(span(NULL), "text", "event-stream"));
  for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
    if (!jobsrv__media_accepts(span(yes[i]), "text", "event-stream"))
      fail_msg("%s takes a stream", yes[i]);
  for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
    if (jobsrv__media_accepts(span(no[i]), "text", "event-stream"))
      fail_msg("%s does not take a stream", no[i]);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(only_our_names_pass),
  cmocka_unit_test(a_token_matches_only_itself),
  cmocka_unit_test(a_body_must_say_that_it_is_json),
  cmocka_unit_test(accept_lets_an_event_stream_through_or_not),
};

RUN(tests);
