/* SPDX-License-Identifier: MIT */

/* Closing behind a refusal, so that whoever is still sending can read it. */

#include "refusing.h"

enum { LINGER_BYTES = 256 * 1024 };

static world w;
static jobsrv_memory_t *client;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  assert_ok(jobsrv_memory_open(&client, w.sse));
  return 0;
}

static int teardown(void **state) {
  (void) state;
  jobsrv_memory_free(client);
  world_close(&w);
  return 0;
}

static void feed(const char *text) {
  assert_ok(jobsrv_memory_feed(client, text, strlen(text)));
  run_turns(&w.f.loop, 5);
}

static void feed_junk(size_t n) {
  static char junk[LINGER_BYTES];

  memset(junk, 'x', sizeof(junk));
  assert_ok(jobsrv_memory_feed(client, junk, n));
  run_turns(&w.f.loop, 20);
}

static void state_is(jobsrv_memory_state_t due) {
  assert_int_equal(jobsrv_memory_state(client), due);
}

static int has_come(const char *part) {
  return strstr(jobsrv_memory_output(client, NULL), part) != NULL;
}

/* ---- how long ---- */

static void it_lasts_a_second(void **state) {
  (void) state;
  feed("BAD\r\n\r\n");
  assert_true(has_come("\"bad_request\""));
  state_is(JOBSRV_MEMORY_SHUT);
  fixture_ms(&w.f, 999);
  state_is(JOBSRV_MEMORY_SHUT);
  fixture_ms(&w.f, 1);
  state_is(JOBSRV_MEMORY_CLOSED);
}

static void who_trickles_gets_no_more(void **state) {
  (void) state;
  feed("BAD\r\n\r\n");
  for (int i = 0; i < 9; i++) {
    fixture_ms(&w.f, 100);
    feed("x");
    state_is(JOBSRV_MEMORY_SHUT);
  }
  fixture_ms(&w.f, 100);
  state_is(JOBSRV_MEMORY_CLOSED);
}

static void its_clock_starts_when_all_is_written(void **state) {
  (void) state;
  jobsrv_memory_window(client, 10);
  feed("BAD\r\n\r\n");
  fixture_ms(&w.f, 5000);
  state_is(JOBSRV_MEMORY_OPEN);
  jobsrv_memory_window(client, 10); /* it moves, so it is not stuck */
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 19999);
  state_is(JOBSRV_MEMORY_OPEN);
  jobsrv_memory_window(client, SIZE_MAX);
  run_turns(&w.f.loop, 5);
  assert_true(has_come("\"bad_request\""));
  state_is(JOBSRV_MEMORY_SHUT);
  fixture_ms(&w.f, 999);
  state_is(JOBSRV_MEMORY_SHUT);
  fixture_ms(&w.f, 1);
  state_is(JOBSRV_MEMORY_CLOSED);
}

static void who_never_takes_the_answer_is_cut(void **state) {
  (void) state;
  jobsrv_memory_window(client, 10);
  feed("BAD\r\n\r\n");
  fixture_ms(&w.f, 19999);
  state_is(JOBSRV_MEMORY_OPEN);
  fixture_ms(&w.f, 1);
  state_is(JOBSRV_MEMORY_RESET);
  assert_int_equal(world_stats(&w).stalled, 1);
}

static void it_ends_when_the_client_does(void **state) {
  (void) state;
  feed("BAD\r\n\r\n");
  state_is(JOBSRV_MEMORY_SHUT);
  jobsrv_memory_end(client);
  run_turns(&w.f.loop, 5);
  state_is(JOBSRV_MEMORY_CLOSED);
}

/* ---- how much ---- */

static void so_much_is_read_and_no_more(void **state) {
  (void) state;
  feed("BAD\r\n\r\n");
  feed_junk(LINGER_BYTES - 1);
  state_is(JOBSRV_MEMORY_SHUT);
  assert_int_equal(jobsrv_memory_unread(client), 0);
  feed("x");
  state_is(JOBSRV_MEMORY_CLOSED);
}

/* Before the answer is taken none of it is of use. */
static void what_is_too_much_waits_for_the_answer_to_be_taken(void **state) {
  (void) state;
  jobsrv_memory_window(client, 10);
  feed("BAD\r\n\r\n");
  feed_junk(LINGER_BYTES);
  feed_junk(LINGER_BYTES);
  state_is(JOBSRV_MEMORY_OPEN);
  assert_true(jobsrv_memory_unread(client) > 0);
  jobsrv_memory_window(client, SIZE_MAX);
  run_turns(&w.f.loop, 5);
  assert_true(has_come("\"bad_request\""));
  state_is(JOBSRV_MEMORY_CLOSED);
}

static void nothing_behind_it_is_taken_for_a_request(void **state) {
  (void) state;
  feed("BAD\r\n\r\n");
  feed(HEALTH HEALTH);
  assert_int_equal(world_stats(&w).requests, 0);
  assert_int_equal(world_stats(&w).problems, 1);
  state_is(JOBSRV_MEMORY_SHUT);
}

/* ---- on sockets ---- */

#define POST                                                                  \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE

typedef struct {
  peer_t peer;
  size_t left;
} sender_t;

/* Sends as much as it can, without ever reading. */
static int has_sent_all(void *data) {
  static const char junk[16384] = "x";
  sender_t *sender = data;

  while (sender->left > 0) {
    size_t len = sender->left < sizeof(junk) ? sender->left : sizeof(junk);
    ssize_t n = send(sender->peer.fd, junk, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
      return 0;
    if (n < 0) /* it is told, and looks why */
      sender->left = 0;
    else
      sender->left -= (size_t) n;
  }
  return 1;
}

/* What is read behind all that was sent. */
static void who_sends_a_mebibyte_behind_it_reads_why(void **state) {
  static const struct {
    const char *head;
    int status;
    const char *code;
  } cases[] = {
    { "BAD\r\n\r\n", 400, "bad_request" },
    { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version_not_supported" },
    { POST "Content-Length: 1048577\r\n\r\n", 413, "content_too_large" },
    { POST "Transfer-Encoding: chunked\r\n\r\n100001\r\n", 413,
      "content_too_large" },
    { POST "Transfer-Encoding: gzip\r\n\r\n", 501, "not_implemented" },
    { POST "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 413,
      "content_too_large" },
  };
  static sender_t sender;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    peer_open(&sender.peer, w.port);
    peer_send(&sender.peer, cases[i].head);
    sender.left = 1 << 20;
    assert_true(run_until(&w.f.loop, has_sent_all, &sender, 20000));
    assert_true(peer_wait(&sender.peer, &w.f.loop, NULL, 20000));
    assert_problem(&sender.peer, cases[i].status, cases[i].code);
    peer_close(&sender.peer);
  }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(it_lasts_a_second),
  CASE(who_trickles_gets_no_more),
  CASE(its_clock_starts_when_all_is_written),
  CASE(who_never_takes_the_answer_is_cut),
  CASE(it_ends_when_the_client_does),
  CASE(so_much_is_read_and_no_more),
  CASE(what_is_too_much_waits_for_the_answer_to_be_taken),
  CASE(nothing_behind_it_is_taken_for_a_request),
  CASE(who_sends_a_mebibyte_behind_it_reads_why),
};

RUN(tests);
