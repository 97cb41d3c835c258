/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

/* The trace of a request: its headers, what of them counts, where it shows. */

#define TRACE "0123456789abcdef0011223344556677"
#define SPAN "00f067aa0ba902b7"
#define PARENT "traceparent: 00-" TRACE "-" SPAN "-01\r\n"

static world w;
static peer_t peer;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

/* Of the job that a request with these headers makes. */
static jobsrv_trace_t made_with(const char *headers) {
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  char id[JOBSRV_ID_SIZE];
  char all[1024];
  jobsrv_job_t *job;

  snprintf(all, sizeof(all), JSON_TYPE "%s", headers);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", all,
                       "{\"operation\":\"work\"}"),
                   202);
  assert_true(peer_job_id(&peer, id));
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  jobsrv_job_trace(job, &trace);
  return trace;
}

static void a_request_brings_its_trace(void **state) {
  jobsrv_trace_t trace = made_with(PARENT "tracestate: a=1\r\n");
  char id[JOBSRV_ID_SIZE];
  char line[100];

  (void) state;
  assert_string_equal(trace.trace_id, TRACE);
  assert_string_equal(trace.parent_span_id, SPAN);
  assert_string_equal(trace.tracestate, "a=1");
  assert_true(trace.sampled);
  assert_null(strstr(peer.text, "raceparent"));
  assert_true(peer_job_id(&peer, id));
  snprintf(line, sizeof(line), "GET /v1/jobs/%s", id);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  assert_contains(peer.text, "\"trace_id\":\"" TRACE "\"");
  assert_contains(peer.text, "\"parent_span_id\":\"" SPAN "\"");
}

static void headers_go_by_any_case_and_blanks_around(void **state) {
  jobsrv_trace_t trace =
      made_with("TraceParent: \t 00-" TRACE "-" SPAN "-00 \t\r\n");

  (void) state;
  assert_string_equal(trace.trace_id, TRACE);
  assert_false(trace.sampled);
}

static void a_bad_parent_is_not_there_nor_what_comes_with_it(void **state) {
  static const char *const bad[] = {
    "traceparent: \r\ntracestate: a=1\r\n",
    "traceparent: 00-" TRACE "-" SPAN "-01.\r\ntracestate: a=1\r\n",
    "traceparent: ff-" TRACE "-" SPAN "-01\r\ntracestate: a=1\r\n",
    "trace-parent: 00-" TRACE "-" SPAN "-01\r\ntracestate: a=1\r\n",
    PARENT PARENT "tracestate: a=1\r\n",
    "tracestate: a=1\r\n",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    jobsrv_trace_t trace = made_with(bad[i]);

    assert_false(trace.is_given);
    assert_string_not_equal(trace.trace_id, TRACE);
    assert_null(trace.tracestate);
  }
}

static void a_bad_state_goes_alone(void **state) {
  static const char *const bad[] = {
    PARENT "tracestate: \r\n",
    PARENT "tracestate: A=1\r\n",
    PARENT "tracestate: a=1\r\ntracestate: b\r\n",
  };
  char text[700];

  (void) state;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    jobsrv_trace_t trace = made_with(bad[i]);

    assert_string_equal(trace.trace_id, TRACE);
    assert_null(trace.tracestate);
  }
  snprintf(text, sizeof(text), PARENT "tracestate: a=%0200d,b=%0200d,c=%0104d"
           "\r\n", 1, 1, 1);
  assert_int_equal(strlen(made_with(text).tracestate), 512);
  snprintf(text, sizeof(text), PARENT "tracestate: a=%0200d,b=%0200d,c=%0105d"
           "\r\n", 1, 1, 1);
  assert_null(made_with(text).tracestate);
  snprintf(text, sizeof(text), PARENT "tracestate: a=%0200d\r\n"
           "tracestate: b=%0200d\r\ntracestate: c=%0105d\r\n", 1, 1, 1);
  assert_null(made_with(text).tracestate);
}

static void states_are_joined_in_order(void **state) {
  (void) state;
  assert_string_equal(made_with(PARENT "tracestate: a=1\r\nX: y\r\n"
                                "Tracestate: b=2,c=3\r\ntracestate:\r\n")
                          .tracestate,
                      "a=1,b=2,c=3,");
}

static const struct CMUnitTest tests[] = {
#define XX(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
  XX(a_request_brings_its_trace),
  XX(headers_go_by_any_case_and_blanks_around),
  XX(a_bad_parent_is_not_there_nor_what_comes_with_it),
  XX(a_bad_state_goes_alone),
  XX(states_are_joined_in_order),
#undef XX
};

RUN(tests);
