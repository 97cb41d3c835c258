/* SPDX-License-Identifier: MIT */

/* One step past each bound of the HTTP half, and one short of it. */

#include "world.h"

#include "sse/conn_state.h"

#include <fcntl.h>
#include <sys/resource.h>

static peer_t peer;
static peer_t other;

static world *open_world(const jobsrv_sse_options_t *options) {
  static world w;

  memset(&w, 0, sizeof(w));
  w.options = *options;
  world_open(&w);
  peer_open(&peer, w.port);
  return &w;
}

static void close_world(world *w) {
  peer_close(&peer);
  world_close(w);
}

/* The last answer refuses, and the connection ends with it. */
static void expect_refusal(world *w, int status, const char *code) {
  if (!peer_wait(&peer, &w->f.loop, NULL, 5000))
    fail_msg("still open: %.300s", peer.text);
  assert_problem(&peer, status, code);
  assert_contains(peer.text, "\r\nConnection: close\r\n");
  assert_int_equal(world_stats(w).problems, 1);
}

static void a_request_line_past_its_limit_is_414(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_request_line = 32 });

  (void) state;
  /* "GET /health?" and " HTTP/1.1" are 21 */
  assert_int_equal(ask(w, &peer, "GET /health?12345678901", "", NULL), 200);
  peer_send(&peer, "GET /health?123456789012 HTTP/1.1");
  peer.len = 0;
  expect_refusal(w, 414, "uri_too_long");
  close_world(w);
}

static void header_bytes_past_their_limit_are_431(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_header_bytes = 64 });

  (void) state;
  /* "Host: localhost" is 17 with its end, "X: " and an end 5 */
  assert_int_equal(
      ask(w, &peer, "GET /health",
          "X: 123456789012345678901234567890123456789012\r\n", NULL), 200);
  peer.len = 0;
  peer_send(&peer, "GET /health HTTP/1.1\r\nHost: localhost\r\n"
                   "X: 1234567890123456789012345678901234567890123");
  expect_refusal(w, 431, "header_too_large");
  close_world(w);
}

static void header_fields_past_their_limit_are_431(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_header_fields = 3 });

  (void) state;
  assert_int_equal(ask(w, &peer, "GET /health", "A: 1\r\nB: 2\r\n", NULL), 200);
  peer.len = 0;
  peer_send(&peer, "GET /health HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n"
                   "C: 3\r\n");
  expect_refusal(w, 431, "header_too_large");
  close_world(w);
}

#define WORK "{\"operation\":\"work\"}" /* 20 bytes */

static void a_body_past_its_limit_is_413_before_it_is_read(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_body = 20 });

  (void) state;
  assert_int_equal(post(w, &peer, WORK), 202);
  peer.len = 0;
  peer_send(&peer, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
                   "Expect: 100-continue\r\nContent-Length: 21\r\n\r\n");
  expect_refusal(w, 413, "content_too_large");
  close_world(w);
}

#define CHUNKED                                                               \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE                   \
  "Transfer-Encoding: chunked\r\n\r\n"

static void chunks_past_the_limit_are_413(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_body = 20 });

  (void) state;
  assert_int_equal(ask_raw(w, &peer, CHUNKED "14\r\n" WORK "\r\n0\r\n\r\n"),
                   202);
  peer.len = 0;
  peer_send(&peer, CHUNKED "14\r\n" WORK "\r\n1\r\n");
  expect_refusal(w, 413, "content_too_large");
  close_world(w);
}

static void chunk_extensions_past_their_limit_are_413(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_chunk_extension = 4 });

  (void) state;
  assert_int_equal(
      ask_raw(w, &peer, CHUNKED "14;ab\r\n" WORK "\r\n0;cd\r\n\r\n"), 202);
  peer.len = 0;
  peer_send(&peer, CHUNKED "14;ab\r\n" WORK "\r\n0;cde");
  expect_refusal(w, 413, "content_too_large");
  close_world(w);
}

static void trailers_past_their_limit_are_431(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_trailer_bytes = 8 });

  (void) state;
  assert_int_equal(
      ask_raw(w, &peer, CHUNKED "14\r\n" WORK "\r\n0\r\nA: bcd\r\n\r\n"), 202);
  peer.len = 0;
  peer_send(&peer, CHUNKED "14\r\n" WORK "\r\n0\r\nA: bcde");
  expect_refusal(w, 431, "header_too_large");
  close_world(w);
}

static void what_is_not_spoken_here_is_told(void **state) {
  static const struct {
    const char *request;
    int status;
    const char *code;
  } cases[] = {
    { "GET / HTTP/2.0\r\n\r\n", 505, "version_not_supported" },
    { "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
      501, "not_implemented" },
    { "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: more\r\n\r\n", 417,
      "expectation_failed" },
    { "\x16\x03\x01", 400, "bad_request" },
    { "GET / HTTP/1.1\nHost: localhost\n\n", 400, "bad_request" },
    { CHUNKED "+1\r\n", 400, "bad_request" },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    world *w = open_world(&(jobsrv_sse_options_t){ 0 });

    peer_send(&peer, cases[i].request);
    expect_refusal(w, cases[i].status, cases[i].code);
    close_world(w);
  }
}

/* ---- time ---- */

static void expect_open(world *w) {
  run_turns(&w->f.loop, 3);
  peer_recv(&peer);
  assert_false(peer.eof);
  assert_int_equal(peer.len, 0);
}

static void expect_silent_end(world *w) {
  assert_true(peer_wait(&peer, &w->f.loop, NULL, 5000));
  assert_int_equal(peer.len, 0);
}

static void who_says_nothing_is_closed_without_a_word(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .silent_timeout_ms = 700 });

  (void) state;
  run_turns(&w->f.loop, 3);
  fixture_ms(&w->f, 699);
  expect_open(w);
  fixture_ms(&w->f, 1);
  expect_silent_end(w);
  close_world(w);
}

static void a_head_that_trickles_in_is_408(void **state) {
  static const char head[] = "GET /health HTTP/1.1\r\n";
  world *w = open_world(&(jobsrv_sse_options_t){ .head_timeout_ms = 1000 });

  (void) state;
  for (int i = 0; i < 10; i++) { /* each byte in good time after the last */
    char byte[2] = { head[i], '\0' };

    peer_send(&peer, byte);
    expect_open(w);
    fixture_ms(&w->f, i < 9 ? 100 : 99);
  }
  expect_open(w);
  fixture_ms(&w->f, 1);
  expect_refusal(w, 408, "timeout");
  close_world(w);
}

static void the_clock_of_a_head_starts_with_its_first_byte(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .head_timeout_ms = 1000,
                                                 .keepalive_idle_ms = 5000 });

  (void) state;
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
  peer.len = 0;
  fixture_ms(&w->f, 4000);
  peer_send(&peer, "G");
  expect_open(w);
  fixture_ms(&w->f, 999);
  expect_open(w);
  fixture_ms(&w->f, 1);
  expect_refusal(w, 408, "timeout");
  close_world(w);
}

static void a_body_that_trickles_in_is_408(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .body_timeout_ms = 1000 });

  (void) state;
  peer_send(&peer, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
                   "Content-Length: 20\r\n\r\n");
  for (int i = 0; i < 10; i++) {
    peer_send(&peer, " ");
    expect_open(w);
    fixture_ms(&w->f, i < 9 ? 100 : 99);
  }
  expect_open(w);
  fixture_ms(&w->f, 1);
  expect_refusal(w, 408, "timeout");
  close_world(w);
}

static void an_unwanted_body_that_trickles_in_is_no_second_answer(void **s) {
  world *w = open_world(&(jobsrv_sse_options_t){ .body_timeout_ms = 1000 });

  (void) s;
  assert_int_equal(ask_raw(w, &peer, "POST /nothing HTTP/1.1\r\n"
                                     "Host: localhost\r\n"
                                     "Content-Length: 20\r\n\r\n"),
                   404);
  peer.len = 0;
  fixture_ms(&w->f, 999);
  expect_open(w);
  fixture_ms(&w->f, 1);
  expect_silent_end(w);
  close_world(w);
}

static void an_idle_connection_is_closed(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .keepalive_idle_ms = 3000 });

  (void) state;
  for (int i = 0; i < 2; i++) {
    assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
    peer.len = 0;
    fixture_ms(&w->f, 2999);
    expect_open(w);
  }
  fixture_ms(&w->f, 1);
  expect_silent_end(w);
  close_world(w);
}

/* ---- how many ---- */

static int is_refused(void *data) {
  return world_stats(data).refused == 1;
}

static void connections_past_their_limit_are_told_to_come_back(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_connections = 1 });

  (void) state;
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
  peer_open(&other, w->port);
  assert_true(run_until(&w->f.loop, is_refused, w, 5000));
  peer_send(&other, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert_true(peer_wait(&other, &w->f.loop, NULL, 5000));
  assert_problem(&other, 503, "too_many_connections");
  assert_int_equal(world_stats(w).connections, 1);
  peer_close(&other);

  peer_close(&peer);
  run_turns(&w->f.loop, 5);
  peer_open(&peer, w->port);
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
  close_world(w);
}

static void those_turned_away_are_bounded_too(void **state) {
  enum { N = 60 };
  static int fds[N];
  struct sockaddr_in to = { .sin_family = AF_INET };
  world *w = open_world(&(jobsrv_sse_options_t){ .max_connections = 1 });

  (void) state;
  to.sin_port = htons((uint16_t) w->port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
  for (int i = 0; i < N; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fds[i], (struct sockaddr *) &to, sizeof(to)), 0);
  }
  run_turns(&w->f.loop, 10);
  assert_int_equal(world_stats(w).refused, N);
  assert_int_equal(world_stats(w).problems, 32);
  fixture_ms(&w->f, 1000); /* they do not stay */
  for (int i = 0; i < N; i++)
    close(fds[i]);
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
  close_world(w);
}

/* What a connection holds unread, as a read would have left it. */
typedef struct {
  jobsrv__conn_t conn;
  jobsrv__exchange_t exchange;
} held_t;

static void hold(held_t *held, world *w, uint8_t stage, size_t pad) {
  static const char request[] = "GET / HTTP/1.1\r\n\r\n";

  memset(held, 0, sizeof(*held));
  held->conn.sse = w->sse;
  held->conn.stage = stage;
  held->conn.exchange = &held->exchange;
  jobsrv__buf_init(&held->exchange.in, NULL, 0);
  for (int i = 0; i < 2; i++)
    assert_ok(jobsrv__buf_puts(&held->exchange.in, request));
  assert_non_null(jobsrv__buf_reserve(&held->exchange.in, pad));
  memset(held->exchange.in.data + held->exchange.in.len, 'x', pad);
  held->exchange.in.len += pad;
}

static void reading_pauses_when_enough_requests_wait(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ .max_pipelined = 3 });
  held_t held;

  (void) state;
  hold(&held, w, JOBSRV__CONN_FLUSH, 0);
  assert_true(jobsrv__conn_has_room(&held.conn));
  assert_ok(jobsrv__buf_puts(&held.exchange.in, "GET / HTTP/1.1\r\n\r"));
  assert_true(jobsrv__conn_has_room(&held.conn));
  assert_ok(jobsrv__buf_puts(&held.exchange.in, "\n"));
  assert_false(jobsrv__conn_has_room(&held.conn));
  held.exchange.at = 18; /* the first is handled */
  assert_true(jobsrv__conn_has_room(&held.conn));
  jobsrv__buf_free(&held.exchange.in);
  close_world(w);
}

static void reading_pauses_when_enough_bytes_wait(void **state) {
  static const struct {
    uint8_t stage;
    size_t max;
  } cases[] = {
    { JOBSRV__CONN_FLUSH, JOBSRV__WAITING_MAX },
    { JOBSRV__CONN_HANDLING, JOBSRV__WAITING_MAX },
    { JOBSRV__CONN_STREAM, JOBSRV__STREAM_INPUT_MAX },
  };
  world *w = open_world(&(jobsrv_sse_options_t){ 0 });
  held_t held;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    hold(&held, w, cases[i].stage, cases[i].max - 36 - 1);
    assert_true(jobsrv__conn_has_room(&held.conn));
    assert_ok(jobsrv__buf_putc(&held.exchange.in, 'x'));
    assert_false(jobsrv__conn_has_room(&held.conn));
    jobsrv__buf_free(&held.exchange.in);
  }
  close_world(w);
}

/* The descriptor that would be next, which is how many are in use or more. */
static rlim_t next_descriptor(void) {
  int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

  assert_true(fd >= 0);
  close(fd);
  return (rlim_t) fd;
}

static void without_descriptors_accepting_pauses(void **state) {
  world *w = open_world(&(jobsrv_sse_options_t){ 0 });
  struct rlimit before;
  struct rlimit none;

  (void) state;
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
  peer_open(&other, w->port);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  none.rlim_cur = next_descriptor();
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  run_turns(&w->f.loop, 20);
  assert_int_equal(world_stats(w).accept_pauses, 1); /* and does not spin */
  fixture_ms(&w->f, 99);
  assert_int_equal(world_stats(w).accept_pauses, 1);
  fixture_ms(&w->f, 1);
  assert_int_equal(world_stats(w).accept_pauses, 2);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);

  fixture_ms(&w->f, 100);
  assert_int_equal(ask(w, &other, "GET /health", "", NULL), 200);
  assert_int_equal(world_stats(w).refused, 0);
  peer_close(&other);
  close_world(w);
}

static void connections_stay_below_the_descriptor_limit(void **state) {
  struct rlimit before;
  struct rlimit low;
  world *w;

  (void) state;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  low = before;
  low.rlim_cur = 65;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
  w = open_world(&(jobsrv_sse_options_t){ 0 });
  assert_int_equal(ask(w, &peer, "GET /health", "", NULL), 200);
  peer_open(&other, w->port);
  assert_true(peer_wait(&other, &w->f.loop, NULL, 5000));
  assert_problem(&other, 503, "too_many_connections");
  peer_close(&other);
  close_world(w);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_request_line_past_its_limit_is_414),
  cmocka_unit_test(header_bytes_past_their_limit_are_431),
  cmocka_unit_test(header_fields_past_their_limit_are_431),
  cmocka_unit_test(a_body_past_its_limit_is_413_before_it_is_read),
  cmocka_unit_test(chunks_past_the_limit_are_413),
  cmocka_unit_test(chunk_extensions_past_their_limit_are_413),
  cmocka_unit_test(trailers_past_their_limit_are_431),
  cmocka_unit_test(what_is_not_spoken_here_is_told),
  cmocka_unit_test(who_says_nothing_is_closed_without_a_word),
  cmocka_unit_test(a_head_that_trickles_in_is_408),
  cmocka_unit_test(the_clock_of_a_head_starts_with_its_first_byte),
  cmocka_unit_test(a_body_that_trickles_in_is_408),
  cmocka_unit_test(an_unwanted_body_that_trickles_in_is_no_second_answer),
  cmocka_unit_test(an_idle_connection_is_closed),
  cmocka_unit_test(connections_past_their_limit_are_told_to_come_back),
  cmocka_unit_test(those_turned_away_are_bounded_too),
  cmocka_unit_test(reading_pauses_when_enough_requests_wait),
  cmocka_unit_test(reading_pauses_when_enough_bytes_wait),
  cmocka_unit_test(without_descriptors_accepting_pauses),
  cmocka_unit_test(connections_stay_below_the_descriptor_limit),
};

RUN(tests);
