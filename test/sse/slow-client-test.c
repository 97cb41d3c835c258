/* SPDX-License-Identifier: MIT */

/* Clients that do not stop sending, and clients that do not read. */

#include "world.h"

#define GET_HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n"

static peer_t peer;

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

/* ---- lingering ---- */

static void a_refused_client_may_go_on_sending_and_reads_why(void **state) {
  static char junk[60000];
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  memset(junk, 'x', sizeof(junk) - 1);
  peer_open(&peer, w.port);
  peer_send(&peer, "BAD\r\n\r\n");
  for (int i = 0; i < 3; i++) {
    run_turns(&w.f.loop, 4);
    peer_send(&peer, junk);
  }
  run_turns(&w.f.loop, 4);
  assert_int_equal(world_stats(&w).connections, 1);
  assert_true(peer_wait(&peer, &w.f.loop, "\"bad_request\"", 5000));
  expect_eof(&w, &peer); /* its half */
  peer_close(&peer);
  expect_no_connections(&w);
  world_close(&w);
}

static void lingering_ends_after_a_second(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  peer_send(&peer, "BAD\r\n\r\n");
  expect_eof(&w, &peer);
  fixture_ms(&w.f, 999);
  assert_int_equal(world_stats(&w).connections, 1);
  fixture_ms(&w.f, 1);
  expect_no_connections(&w);
  peer_close(&peer);
  world_close(&w);
}

static int has_accepted(void *data) {
  return world_stats(data).connections == 1;
}

static int send_some(void *data) {
  static const char junk[4096] = "x";
  world *w = data;

  for (int i = 0; i < 8; i++)
    if (send(peer.fd, junk, sizeof(junk), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
      break;
  return world_stats(w).connections == 0;
}

static void lingering_reads_only_so_much(void **state) {
  static world w;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  assert_true(run_until(&w.f.loop, has_accepted, &w, 5000));
  peer_send(&peer, "BAD\r\n\r\n");
  assert_true(run_until(&w.f.loop, send_some, &w, 5000));
  peer_close(&peer);
  world_close(&w);
}

/* ---- who does not read ---- */

/* Sends requests without reading until the server takes no more. */
static size_t stuff(world *w, peer_t *p) {
  static const char request[] = GET_HEALTH "X-Pad: 0123456789abcdef\r\n\r\n";
  const size_t len = sizeof(request) - 1;
  size_t sent = 0;
  int quiet = 0;

  while (quiet < 20) {
    size_t at = sent % len;
    ssize_t n = send(p->fd, request + at, len - at,
                     MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0) {
      sent += (size_t) n;
      quiet = 0;
      continue;
    }
    run_turns(&w->f.loop, 2);
    quiet++;
  }
  return sent / len;
}

static int has_something(void *data) {
  peer_t *p = data;

  peer_recv(p);
  return p->len > 0 || p->eof;
}

/* Every answer of these has one brace that opens, whatever piece it is in. */
static size_t braces(const peer_t *p) {
  size_t n = 0;

  for (size_t i = 0; i < p->len; i++)
    n += p->text[i] == '{';
  return n;
}

static void who_does_not_read_is_not_read_from(void **state) {
  static world w;
  size_t answers = 0;
  size_t sent;
  uint64_t handled;
  int size = 4096;

  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.send_buffer = 4096;
  world_open(&w);
  peer_open(&peer, w.port);
  setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  sent = stuff(&w, &peer);
  handled = world_stats(&w).requests;
  assert_true(handled < sent);
  run_turns(&w.f.loop, 20);
  assert_int_equal(world_stats(&w).requests, handled);

  size = 1 << 20; /* from here on in a hurry */
  setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  while (answers < sent) {
    peer.len = 0;
    assert_true(run_until(&w.f.loop, has_something, &peer, 5000));
    assert_false(peer.eof);
    answers += braces(&peer);
  }
  assert_int_equal(answers, sent);
  peer_close(&peer);
  expect_no_connections(&w);
  world_close(&w);
}

static void an_answer_that_is_not_taken_is_cut_in_time(void **state) {
  static world w;
  int size = 4096;

  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.send_buffer = 4096;
  w.options.write_stall_ms = 5000;
  world_open(&w);
  peer_open(&peer, w.port);
  setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
  (void) stuff(&w, &peer);
  fixture_ms(&w.f, 4999);
  assert_int_equal(world_stats(&w).stalled, 0);
  fixture_ms(&w.f, 1);
  expect_no_connections(&w);
  assert_int_equal(world_stats(&w).stalled, 1);
  peer_close(&peer);
  world_close(&w);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_refused_client_may_go_on_sending_and_reads_why),
  cmocka_unit_test(lingering_ends_after_a_second),
  cmocka_unit_test(lingering_reads_only_so_much),
  cmocka_unit_test(who_does_not_read_is_not_read_from),
  cmocka_unit_test(an_answer_that_is_not_taken_is_cut_in_time),
};

RUN(tests);
