/* SPDX-License-Identifier: MIT */

/* Connections as such: order, keeping, closing, and what cuts them. */

#include "world.h"

#define GET_HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n"

static peer_t peer;
static peer_t other;

static size_t count(const char *text, const char *part) {
  size_t n = 0;

  for (; (text = strstr(text, part)) != NULL; text += strlen(part))
    n++;
  return n;
}

typedef struct {
  peer_t *peer;
  const char *part;
  size_t n;
} count_wait_t;

static int has_count(void *data) {
  count_wait_t *wait = data;

  peer_recv(wait->peer);
  return wait->peer->eof || count(wait->peer->text, wait->part) >= wait->n;
}

/* Waits until `part` has come `n` times. */
static void expect_count(world *w, peer_t *p, const char *part, size_t n) {
  count_wait_t wait = { p, part, n };

  (void) run_until(&w->f.loop, has_count, &wait, 5000);
  assert_int_equal(count(p->text, part), n);
}

static void expect_eof(world *w, peer_t *p) {
  if (!peer_wait(p, &w->f.loop, NULL, 5000))
    fail_msg("still open: %.300s", p->text);
}

static int has_no_connections(void *data) {
  return world_stats(data).connections == 0;
}

static void expect_no_connections(world *w) {
  assert_true(run_until(&w->f.loop, has_no_connections, w, 5000));
}

static void a_connection_serves_request_after_request(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  for (int i = 0; i < 5; i++)
    assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_int_equal(world_stats(&w).accepted, 1);
  assert_int_equal(world_stats(&w).requests, 5);
  assert_null(strstr(peer.text, "Connection:"));
  peer_close(&peer);
  expect_no_connections(&w);
  world_close(&w);
}

static void who_asks_for_close_gets_it(void **state) {
  static const char *const requests[] = {
    GET_HEALTH "Connection: close\r\n\r\n" GET_HEALTH "\r\n",
    "GET /health HTTP/1.0\r\n\r\n" GET_HEALTH "\r\n",
    "HEAD /health HTTP/1.0\r\nHost: localhost\r\n\r\n",
  };
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  for (size_t i = 0; i < 3; i++) {
    peer_open(&peer, w.port);
    peer_send(&peer, requests[i]);
    expect_eof(&w, &peer);
    assert_int_equal(count(peer.text, "HTTP/1.1 200"), 1);
    assert_contains(peer.text, "\r\nConnection: close\r\n");
    peer_close(&peer);
  }
  expect_no_connections(&w);
  world_close(&w);
}

static void http_1_0_keeps_the_connection_when_asked_to(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(ask_raw(&w, &peer, "GET /health HTTP/1.0\r\n"
                                        "Connection: keep-alive\r\n\r\n"),
                     200);
    assert_contains(peer.text, "\r\nConnection: keep-alive\r\n");
  }
  peer_close(&peer);
  world_close(&w);
}

/* More than are handled in one turn, each with a name of its own. */
static void pipelined_requests_are_answered_in_order(void **state) {
  enum { N = 90 };
  static char all[N * 100];
  static world w;
  const char *at;
  char id[32];

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  all[0] = '\0';
  for (int i = 0; i < N; i++)
    sprintf(all + strlen(all), GET_HEALTH "X-Request-Id: no-%d-\r\n\r\n", i);
  peer_open(&peer, w.port);
  peer_send(&peer, all);
  expect_count(&w, &peer, "HTTP/1.1 200", N);
  at = peer.text;
  for (int i = 0; i < N; i++) {
    snprintf(id, sizeof(id), "no-%d-", i);
    at = strstr(at, id);
    assert_non_null(at);
  }
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
  world_close(&w);
}

static void a_request_may_come_byte_by_byte(void **state) {
  static const char request[] =
      "\r\nPOST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
      "Transfer-Encoding: chunked\r\n\r\n"
      "4;x=y\r\n{\"op\r\n13\r\neration\": \"work\"}  \r\n0\r\nA: b\r\n\r\n";
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  for (size_t i = 0; i < sizeof(request) - 1; i++) {
    char byte[2] = { request[i], '\0' };

    peer_send(&peer, byte);
    run_turns(&w.f.loop, 2);
  }
  assert_true(peer_wait(&peer, &w.f.loop, "HTTP/1.1 202", 5000));
  peer_close(&peer);
  world_close(&w);
}

static void an_error_answer_comes_behind_those_due_and_is_the_last(void **s) {
  static world w;

  (void) s;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  peer_send(&peer, GET_HEALTH "\r\n" GET_HEALTH "\r\n"
                   "GET /health HTTP/1.1\r\n\r\n" GET_HEALTH "\r\n");
  expect_eof(&w, &peer);
  assert_int_equal(count(peer.text, "HTTP/1.1 "), 3);
  assert_int_equal(count(peer.text, "HTTP/1.1 200"), 2);
  assert_contains(strstr(peer.text, "HTTP/1.1 400"), "\"bad_request\"");
  peer_close(&peer);
  expect_no_connections(&w);
  world_close(&w);
}

static void a_malformed_head_gets_a_head_only_if_it_was_a_head(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  peer_send(&peer, "HEAD /health HTTP/1.1\r\n\r\n");
  expect_eof(&w, &peer);
  assert_contains(peer.text, "HTTP/1.1 400");
  assert_string_equal(answer_body(&peer), "");
  peer_close(&peer);
  world_close(&w);
}

static void a_body_nobody_wants_is_read_off(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "POST /v1/nothing", "", "GET / HTTP/1.1\r\n"),
                   404);
  assert_int_equal(ask(&w, &peer, "GET /health", "", "{\"a\":1}"), 200);
  assert_int_equal(ask_raw(&w, &peer, "POST /v1/nothing HTTP/1.1\r\n"
                                      "Host: localhost\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n"
                                      "3\r\nabc\r\n"),
                   404);
  peer.len = 0;
  peer.text[0] = '\0';
  peer_send(&peer, "2\r\nde\r\n0\r\n\r\n" GET_HEALTH "\r\n");
  assert_true(peer_wait(&peer, &w.f.loop, "HTTP/1.1 200", 5000));
  peer_close(&peer);
  world_close(&w);
}

static void an_unwanted_body_that_is_malformed_gets_no_second_answer(void **s) {
  static world w;

  (void) s;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  peer_send(&peer, "POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\n"
                   "Transfer-Encoding: chunked\r\n\r\nxyz\r\n");
  expect_eof(&w, &peer);
  assert_int_equal(count(peer.text, "HTTP/1.1 "), 1);
  assert_contains(peer.text, "HTTP/1.1 404");
  peer_close(&peer);
  world_close(&w);
}

#define EXPECTING                                                             \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"     \
  "Content-Length: 20\r\n"

static void an_accepted_head_is_told_to_continue(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  peer_send(&peer, EXPECTING JSON_TYPE "\r\n");
  assert_true(peer_wait(&peer, &w.f.loop, "HTTP/1.1 100 Continue\r\n\r\n",
                        5000));
  assert_int_equal(peer.len, 25);
  peer_send(&peer, "{\"operation\":\"work\"}");
  assert_true(peer_wait(&peer, &w.f.loop, "HTTP/1.1 202", 5000));
  assert_null(strstr(peer.text, "\r\nConnection: close\r\n"));
  run_turns(&w.f.loop, 3);
  peer_recv(&peer);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
  world_close(&w);
}

static void a_refused_head_is_not_told_to_continue(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  peer_send(&peer, EXPECTING "Content-Type: text/plain\r\n\r\n");
  expect_eof(&w, &peer);
  assert_null(strstr(peer.text, "100 Continue"));
  assert_int_equal(count(peer.text, "HTTP/1.1 "), 1);
  assert_contains(peer.text, "HTTP/1.1 415");
  assert_contains(peer.text, "\r\nConnection: close\r\n");
  peer_close(&peer);
  world_close(&w);
}

static void a_client_that_ends_its_side_still_gets_its_answers(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  peer_send(&peer, GET_HEALTH "\r\n" GET_HEALTH "\r\n");
  assert_int_equal(shutdown(peer.fd, SHUT_WR), 0);
  expect_eof(&w, &peer);
  assert_int_equal(count(peer.text, "HTTP/1.1 200"), 2);
  peer_close(&peer);
  expect_no_connections(&w);
  world_close(&w);
}

static void a_client_that_leaves_halfway_is_let_go(void **state) {
  static const char *const starts[] = {
    "GET /hea",
    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
    "Content-Length: 9\r\n\r\n{",
  };
  struct linger reset = { 1, 0 };
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  for (int i = 0; i < 4; i++) {
    peer_open(&peer, w.port);
    peer_send(&peer, starts[i % 2]);
    run_turns(&w.f.loop, 3);
    assert_int_equal(world_stats(&w).connections, 1);
    if (i >= 2)
      setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    peer_close(&peer);
    expect_no_connections(&w);
  }
  assert_int_equal(world_stats(&w).problems, 0);
  world_close(&w);
}

/* ---- streams ---- */

static void requests_behind_a_stream_are_answered_after_it(void **state) {
  static world w;
  jobsrv_job_t *job;
  const char *at;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&other, w.port);
  job = post_job(&w, &other, "work");
  peer_open(&peer, w.port);
  peer_send(&peer, line_of("GET", job, "/stream HTTP/1.1\r\n"));
  peer_send(&peer, "Host: localhost\r\n\r\n" GET_HEALTH "\r\n");
  assert_true(peer_wait(&peer, &w.f.loop, "event: state", 5000));
  run_turns(&w.f.loop, 5);
  peer_send(&peer, GET_HEALTH "\r\n");
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_int_equal(count(peer.text, "HTTP/1.1 200"), 1);
  assert_int_equal(world_stats(&w).streams, 1);

  assert_ok(jobsrv_job_complete(job, NULL, 0));
  expect_count(&w, &peer, "HTTP/1.1 200", 3);
  at = strstr(peer.text, "data: [DONE]");
  assert_non_null(at);
  assert_non_null(strstr(at, "\r\n0\r\n\r\nHTTP/1.1 200"));
  assert_int_equal(world_stats(&w).streams, 0);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
  peer_close(&other);
  world_close(&w);
}

/* More than is kept, less than the kernel holds: its end arrives behind it. */
static void a_watcher_that_leaves_is_noticed_with_input_unread(void **state) {
  static char junk[48 * 1024];
  static world w;
  jobsrv_job_t *job;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&other, w.port);
  job = post_job(&w, &other, "work");
  peer_open(&peer, w.port);
  peer_send(&peer, line_of("GET", job, "/stream HTTP/1.1\r\n"));
  peer_send(&peer, "Host: localhost\r\n\r\n");
  assert_true(peer_wait(&peer, &w.f.loop, "event: state", 5000));
  memset(junk, 'x', sizeof(junk) - 1);
  peer_send(&peer, junk);
  run_turns(&w.f.loop, 20);
  assert_int_equal(world_stats(&w).streams, 1);
  peer_close(&peer);
  run_turns(&w.f.loop, 20);
  assert_int_equal(world_stats(&w).streams, 0);
  assert_int_equal(world_stats(&w).connections, 1);
  peer_close(&other);
  world_close(&w);
}

static void a_client_that_ends_its_side_leaves_its_stream(void **state) {
  static world w;
  jobsrv_job_t *job;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&other, w.port);
  job = post_job(&w, &other, "work");
  peer_open(&peer, w.port);
  peer_send(&peer, line_of("GET", job, "/stream HTTP/1.1\r\n"));
  peer_send(&peer, "Host: localhost\r\n\r\n");
  shutdown(peer.fd, SHUT_WR); /* before the request is even looked at */
  expect_eof(&w, &peer);
  assert_int_equal(world_stats(&w).streams, 0);
  peer_close(&peer);
  peer_close(&other);
  world_close(&w);
}

static void a_close_with_everything_open_lets_all_go(void **state) {
  static world w;
  jobsrv_job_t *job;
  peer_t *peers[2] = { &peer, &other };

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&other, w.port);
  job = post_job(&w, &other, "work");
  peer_open(&peer, w.port);
  peer_send(&peer, line_of("GET", job, "/stream HTTP/1.1\r\n"));
  peer_send(&peer, "Host: localhost\r\n\r\n");
  assert_true(peer_wait(&peer, &w.f.loop, "event: state", 5000));
  peer_send(&other, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
                    "Content-Length: 9\r\n\r\n{");
  run_turns(&w.f.loop, 3);
  world_close(&w);
  for (int i = 0; i < 2; i++) {
    peer_recv(peers[i]);
    assert_true(peers[i]->eof);
    peer_close(peers[i]);
  }
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static int is_set(void *data) {
  return *(int *) data;
}

static void a_drain_closes_what_is_idle_and_waits_for_the_rest(void **state) {
  static world w;
  int drained = 0;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_open(&other, w.port);
  peer_send(&other, "GET /health HTTP/1.1\r\nHo");
  run_turns(&w.f.loop, 5);
  assert_ok(jobsrv_drain(w.f.srv, 5000, on_drained, &drained));
  run_turns(&w.f.loop, 5);
  expect_eof(&w, &peer);
  assert_false(drained);
  peer_send(&other, "st: localhost\r\n\r\n");
  expect_eof(&w, &other);
  assert_contains(other.text, "HTTP/1.1 200");
  assert_contains(other.text, "\r\nConnection: close\r\n");
  peer_close(&other);
  assert_true(run_until(&w.f.loop, is_set, &drained, 5000));
  peer_close(&peer);
  world_close(&w);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_connection_serves_request_after_request),
  cmocka_unit_test(who_asks_for_close_gets_it),
  cmocka_unit_test(http_1_0_keeps_the_connection_when_asked_to),
  cmocka_unit_test(pipelined_requests_are_answered_in_order),
  cmocka_unit_test(a_request_may_come_byte_by_byte),
  cmocka_unit_test(an_error_answer_comes_behind_those_due_and_is_the_last),
  cmocka_unit_test(a_malformed_head_gets_a_head_only_if_it_was_a_head),
  cmocka_unit_test(a_body_nobody_wants_is_read_off),
  cmocka_unit_test(an_unwanted_body_that_is_malformed_gets_no_second_answer),
  cmocka_unit_test(an_accepted_head_is_told_to_continue),
  cmocka_unit_test(a_refused_head_is_not_told_to_continue),
  cmocka_unit_test(a_client_that_ends_its_side_still_gets_its_answers),
  cmocka_unit_test(a_client_that_leaves_halfway_is_let_go),
  cmocka_unit_test(requests_behind_a_stream_are_answered_after_it),
  cmocka_unit_test(a_watcher_that_leaves_is_noticed_with_input_unread),
  cmocka_unit_test(a_client_that_ends_its_side_leaves_its_stream),
  cmocka_unit_test(a_close_with_everything_open_lets_all_go),
  cmocka_unit_test(a_drain_closes_what_is_idle_and_waits_for_the_rest),
};

RUN(tests);
