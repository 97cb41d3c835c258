/* SPDX-License-Identifier: MIT */

#include "fixture.h"
#include "peer.h"

#include "jobsrv/sse.h"

/*
 * Every allocation from making the server to the end of a stream fails once,
 * and in a second pass everything from some allocation on for a while: each
 * time nothing crashes, leaks or hangs, and the server serves the next client.
 */

typedef struct {
  loop_t loop;
  jobsrv_faults_t faults;
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  int port;
  int closed;
} world;

static int talk(jobsrv_job_t *job, void *data) {
  (void) data;
  for (int i = 0; i < 40; i++)
    (void) jobsrv_narrate(job, "count", "%d of 40 %0100d", i, i);
  (void) jobsrv_progress(job, &(jobsrv_progress_t) { .done = 1, .total = 2 });
  (void) jobsrv_data_event(job, "rows", "[1, 2]", 0);
  if (jobsrv_job_complete(job, "{\"ok\":true}", 0) != 0)
    (void) jobsrv_job_fail(job, NULL, NULL);
  return 0;
}

static void on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((world *) data)->closed = 1;
}

static int is_closed(void *data) {
  return ((world *) data)->closed;
}

/* 0, or what one of the calls returned: then all is closed again. */
static int open_world(world *w) {
  const char *fanout = getenv("JOBSRV_TEST_FANOUT");
  jobsrv_sse_options_t sse_options;
  jobsrv_options_t options;
  jobsrv_operation_t op;
  int err;

  jobsrv_options_init(&options);
  jobsrv_sse_options_init(&sse_options);
  sse_options.fanout_loops = fanout != NULL ? (uint32_t) atoi(fanout) : 0;
  options.alloc = &w->faults.alloc;
  w->srv = NULL;
  w->sse = NULL;
  w->closed = 0;
  err = loop_server(&w->loop, &w->srv, &options);
  if (err != 0)
    return err;
  jobsrv_operation_init(&op);
  op.name = "talk";
  op.start = talk;
  op.expose = 1;
  err = jobsrv_operation_add(w->srv, &op);
  if (err == 0)
    err = jobsrv_sse_new(&w->sse, w->srv, &sse_options);
  if (err == 0)
    err = jobsrv_sse_listen(w->sse, "127.0.0.1:0");
  if (err == 0)
    w->port = jobsrv_sse_port(w->sse, 0);
  return err;
}

static void close_world(world *w) {
  if (w->srv == NULL)
    return;
  jobsrv_close(w->srv, on_closed, w);
  assert_true(run_until(&w->loop, is_closed, w, 5000));
  run_turns(&w->loop, 3);
}

/* POST, stream, end. 1 when all of it came; 0 when some answer said no. */
static int whole_story(world *w) {
  static peer_t peer;
  char id[JOBSRV_ID_SIZE];
  uint64_t start = uv_hrtime();
  int whole = 0;

  peer_open(&peer, w->port);
  peer_post(&peer, "{\"operation\":\"talk\",\"text\":\"hello\"}");
  if (peer_wait(&peer, &w->loop, "\r\n\r\n", 5000) &&
      peer_wait(&peer, &w->loop, "}", 5000) && peer_job_id(&peer, id)) {
    peer_close(&peer);
    peer_open(&peer, w->port);
    peer_stream(&peer, id);
    whole = peer_wait(&peer, &w->loop, "\r\n\r\n", 5000) &&
            strncmp(peer.text, "HTTP/1.1 503", 12) != 0 &&
            peer_wait(&peer, &w->loop, "0\r\n\r\n", 5000) &&
            strstr(peer.text, "data: [DONE]") != NULL &&
            strstr(peer.text, "39 of 40") != NULL &&
            strstr(peer.text, "\"type\":\"dropped\"") == NULL;
  }
  peer_close(&peer);
  run_turns(&w->loop, 5);
  assert_true(uv_hrtime() - start < 20000000000u); /* refused, but not hung */
  return whole;
}

static void run_with(uint64_t count, int *hits) {
  int hit = 1;

  for (uint64_t n = 0; hit; n++) {
    world w = { 0 };
    int err;

    loop_open(&w.loop);
    assert_ok(jobsrv_faults_init(&w.faults));
    jobsrv_faults_fail(&w.faults, n, count);
    err = open_world(&w);
    if (err != 0) {
      assert_int_equal(err, UV_ENOMEM);
      assert_true(jobsrv_faults_hit(&w.faults));
    } else {
      int whole = whole_story(&w);

      hit = jobsrv_faults_hit(&w.faults);
      assert_true(whole || hit);
      jobsrv_faults_fail(&w.faults, 0, 0);
      assert_true(whole_story(&w));
    }
    close_world(&w);
    *hits += hit;
    loop_close(&w.loop);
    assert_int_equal(jobsrv_faults_live(&w.faults), 0);
    jobsrv_faults_free(&w.faults);
  }
}

static void each_allocation_may_fail_once(void **state) {
  int hits = 0;

  (void) state;
  run_with(1, &hits);
  print_message("%d allocations failed in turn\n", hits);
  assert_true(hits > 20);
}

static void each_may_begin_a_time_without_memory(void **state) {
  int hits = 0;

  (void) state;
  run_with(UINT64_MAX, &hits);
  assert_true(hits > 5);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(each_allocation_may_fail_once),
  cmocka_unit_test(each_may_begin_a_time_without_memory),
};

RUN(tests);
