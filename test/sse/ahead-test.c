/* SPDX-License-Identifier: MIT */

/* What a client sends ahead of the answers that it is owed. */

#include "sse/world.h"

#include "jobsrv/testing_sse.h"

enum {
  AHEAD = 40 * 1024,   /* more than is kept behind a stream */
  FLOOD = 300 * 1024   /* more than is ever read in one go */
};

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

static void feed(const char *text, size_t len) {
  assert_ok(jobsrv_memory_feed(client, text, len));
}

static void feed_line(const char *line) {
  char text[400];
  int len = snprintf(text, sizeof(text),
                     "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", line);

  feed(text, (size_t) len);
}

/* The head and a part of the body of a request that never becomes whole. */
static void feed_upload(size_t len) {
  static const char head[] =
      "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
      "Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n";
  char *junk = malloc(len);

  assert_non_null(junk);
  memset(junk, 'x', len);
  feed(head, sizeof(head) - 1);
  feed(junk, len);
  free(junk);
}

/*
 * One answer waits for room, and behind it a stream and much of an upload. As
 * the room comes, so does more of the upload: with the stream begun there is
 * no place for that.
 */
static void a_stream_takes_no_more_than_its_share_at_once(void **state) {
  static char flood[FLOOD];
  jobsrv_job_t *job = fixture_begin(&w.f);

  (void) state;
  jobsrv_memory_window(client, 0);
  feed_line("GET /health");
  run_turns(&w.f.loop, 3);
  feed_line(line_of("GET", job, "/stream"));
  feed_upload(AHEAD);
  run_turns(&w.f.loop, 3);
  assert_int_equal(jobsrv_memory_unread(client), 0);

  memset(flood, 'x', sizeof(flood));
  jobsrv_memory_window(client, SIZE_MAX);
  feed(flood, sizeof(flood));
  run_turns(&w.f.loop, 3);
  assert_contains(jobsrv_memory_output(client, NULL), "event: state");
  assert_int_equal(jobsrv_memory_unread(client), FLOOD);

  /* and nothing of it is lost */
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 20);
  assert_contains(jobsrv_memory_output(client, NULL), "[DONE]");
  assert_int_equal(jobsrv_memory_unread(client), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_stream_takes_no_more_than_its_share_at_once),
};

RUN(tests);
