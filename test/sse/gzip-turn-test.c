/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/testing_sse.h"
#include "sse/gzip.h"
#include "sse/internal.h"

/*
 * Many who watch compressed streams alone: each has pieces of its own, and the
 * loop is not theirs for all that. Turns are counted, not time.
 */

enum { JOBS = 1200, PIECES_A_TURN = 512 };

static world w;

static uint64_t pieces(void) {
  return jobsrv__packer_stats(w.sse->packer)->made;
}

static jobsrv_memory_t *watch_alone(const jobsrv_job_t *job) {
  jobsrv_memory_t *client;
  char id[JOBSRV_ID_SIZE];
  char text[200];
  int len = snprintf(text, sizeof(text),
                     "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n"
                     "Accept-Encoding: gzip\r\n\r\n",
                     jobsrv_job_id(job, id));

  assert_ok(jobsrv_memory_open(&client, w.sse));
  jobsrv_memory_window(client, SIZE_MAX);
  assert_ok(jobsrv_memory_feed(client, text, (size_t) len));
  return client;
}

static void many_small_pieces_take_turns(void **state) {
  static jobsrv_memory_t *clients[JOBS];
  static jobsrv_job_t *jobs[JOBS];
  uint64_t most = 0;
  uint64_t before;
  uint64_t first;
  int turns = 0;

  (void) state;
  if (!jobsrv__packer_is_built())
    return;
  memset(&w, 0, sizeof(w));
  w.options.gzip = 1;
  w.options.max_connections = JOBS + 20;
  w.options.max_streams = JOBS;
  world_open(&w);
  for (int i = 0; i < JOBS; i++) {
    jobs[i] = fixture_begin(&w.f);
    clients[i] = watch_alone(jobs[i]);
  }
  run_turns(&w.f.loop, 20);
  assert_int_equal(world_stats(&w).streams, JOBS);
  for (int i = 0; i < JOBS; i++)
    assert_ok(jobsrv_narrate(jobs[i], "say", "hello"));
  first = before = pieces();
  for (; before < first + JOBS && turns < 50; turns++) {
    run_turns(&w.f.loop, 1);
    if (pieces() - before > most)
      most = pieces() - before;
    before = pieces();
  }
  assert_int_equal(before, first + JOBS); /* each has its own */
  assert_in_range(most, PIECES_A_TURN / 4, PIECES_A_TURN);
  for (int i = 0; i < JOBS; i++)
    jobsrv_memory_free(clients[i]);
  world_close(&w);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(many_small_pieces_take_turns),
};

RUN(tests);
