/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_route.h"

#include <jansson.h>

/* What a host's own handler may say in a problem, and ask of its request. */

static world w;
static peer_t peer;
static char seen[8];

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

static void add(jobsrv_sse_handler_cb handler, const void *data) {
  jobsrv_sse_route_t route;

  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/mine";
  route.handler = handler;
  route.data = (void *) (uintptr_t) data;
  assert_ok(jobsrv_sse_route(w.sse, &route));
}

static void tell(jobsrv_sse_request_t *request, void *data) {
  assert_ok(jobsrv_sse_problem(request, 422, "odd", "%s", (char *) data));
}

/* The `detail` of the answer, as a client reads it. */
static json_t *detail(void) {
  json_t *all;
  json_t *text;

  assert_int_equal(ask(&w, &peer, "GET /mine", "", NULL), 422);
  assert_problem(&peer, 422, "odd");
  all = json_loads(answer_body(&peer), 0, NULL);
  assert_non_null(all);
  text = json_incref(json_object_get(all, "detail"));
  assert_true(json_is_string(text));
  json_decref(all);
  return text;
}

static void any_text_may_be_a_detail(void **state) {
  static char text[300];
  static const char repaired[] =
      "\xe2\x82\xac \xef\xbf\xbd \xef\xbf\xbdz";
  size_t n = 0;
  json_t *got;

  (void) state;
  for (int c = 1; c < 0x80; c++)
    text[n++] = (char) c;
  memcpy(text + n, "\xe2\x82\xac \xff \xe2\x82z", 10);
  add(tell, text);
  got = detail();
  assert_int_equal(json_string_length(got), n + sizeof(repaired) - 1);
  assert_memory_equal(json_string_value(got), text, n);
  assert_string_equal(json_string_value(got) + n, repaired);
  json_decref(got);
}

static void a_long_detail_is_cut(void **state) {
  static char text[3000];
  json_t *got;

  (void) state;
  memset(text, 'x', sizeof(text) - 1);
  add(tell, text);
  got = detail();
  assert_int_equal(json_string_length(got), 1023);
  json_decref(got);
}

static void busy(jobsrv_sse_request_t *request, void *data) {
  assert_ok(jobsrv_sse_add_header(request, "X-First", "1"));
  assert_ok(jobsrv_sse_add_header(request, "Retry-Afterwards", "2"));
  if (data != NULL)
    assert_ok(jobsrv_sse_add_header(request, data, "77"));
  assert_ok(jobsrv_sse_problem(request, 503, "busy", "later"));
}

static void when_to_come_again_is_the_hosts_to_say(void **state) {
  (void) state;
  add(busy, "retry-AFTER");
  assert_int_equal(ask(&w, &peer, "GET /mine", "", NULL), 503);
  assert_contains(peer.text, "\r\nretry-AFTER: 77\r\n");
  assert_null(strstr(peer.text, "Retry-After: "));
}

static void or_else_it_is_soon(void **state) {
  (void) state;
  add(busy, NULL);
  assert_int_equal(ask(&w, &peer, "GET /mine", "", NULL), 503);
  assert_contains(peer.text, "\r\nRetry-After: 1\r\n");
}

static void who(jobsrv_sse_request_t *request, void *data) {
  (void) data;
  jobsrv_sse_client(request, seen, sizeof(seen));
  assert_ok(jobsrv_sse_respond(request, 200, NULL, NULL, 0));
}

static void a_client_is_cut_to_the_room_there_is(void **state) {
  (void) state;
  add(who, NULL);
  assert_int_equal(ask(&w, &peer, "GET /mine", "", NULL), 200);
  assert_string_equal(seen, "127.0.0");
}

static void routes_of_another_size_are_refused(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  jobsrv_sse_route_init(&route);
  route.size = 1;
  assert_err(jobsrv_sse_route(w.sse, &route), JOBSRV_EOPTIONS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(any_text_may_be_a_detail),
  CASE(a_long_detail_is_cut),
  CASE(when_to_come_again_is_the_hosts_to_say),
  CASE(or_else_it_is_soon),
  CASE(a_client_is_cut_to_the_room_there_is),
  CASE(routes_of_another_size_are_refused),
};

RUN(tests);
