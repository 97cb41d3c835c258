/* SPDX-License-Identifier: MIT */

/*
 * While as much is written as sockets take, whoever else wants something of
 * the loop gets it within a few turns, and no turn writes more than its share.
 * Turns are counted, not time.
 */

#include "world.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
  WATCHERS = 64,
  TURN_BYTES = 8 << 20, /* of all streams */
  SOON = 6              /* turns */
};

static world w;
static peer_t peer;
static int watchers[WATCHERS];
static jobsrv_job_t *flood;
static jobsrv_timer_t ticker;
static unsigned int ticks;
static uint64_t sent;  /* at the last look */
static uint64_t most;  /* sent in one turn */
static uint64_t turns; /* in which all were busy */

static void send_text(int fd, const char *text) {
  assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
                   (ssize_t) strlen(text));
}

/* Takes all there is; the kernel throws it away. */
static uint64_t drain(int fd) {
  uint64_t got = 0;
  ssize_t n;

  while ((n = recv(fd, NULL, 1 << 20, MSG_DONTWAIT | MSG_TRUNC)) > 0)
    got += (uint64_t) n;
  return got;
}

static void on_tick(jobsrv_timer_t *timer) {
  ticks++;
  jobsrv_timer_arm(w.f.srv, timer, jobsrv_now(w.f.srv) + 1000000, on_tick);
}

/* A turn of the loop in which a millisecond passes. */
static void turn(void) {
  uint64_t now;

  jobsrv_manual_clock_advance(&w.f.clock, 1000000);
  run_turns(&w.f.loop, 1);
  now = world_stats(&w).bytes_sent;
  if (now - sent > most)
    most = now - sent;
  turns += now - sent > TURN_BYTES / 2;
  sent = now;
  for (int i = 0; i < WATCHERS; i++)
    (void) drain(watchers[i]);
}

static int connect_to(int port) {
  struct sockaddr_in to = { .sin_family = AF_INET,
                            .sin_port = htons((uint16_t) port) };
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_true(fd >= 0);
  assert_int_equal(connect(fd, (struct sockaddr *) &to, sizeof(to)), 0);
  return fd;
}

static int all_watch(void *data) {
  (void) data;
  return world_stats(&w).streams == WATCHERS;
}

/* What all watch, and how. */
typedef struct {
  const char *before; /* the job's id */
  const char *after;  /* it; NULL: it is not in the target */
  const char *fields;
  int gzip;
} way_t;

static const way_t plain = { "/v1/jobs/", "/stream", "", 0 };

static void ask_for_it(int fd, const way_t *way) {
  char request[300];
  char id[JOBSRV_ID_SIZE];

  snprintf(request, sizeof(request),
           "GET %s%s%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", way->before,
           way->after != NULL ? jobsrv_job_id(flood, id) : "",
           way->after != NULL ? way->after : "", way->fields);
  send_text(fd, request);
}

/* Everybody is behind by all that there is. */
static void open_flood(const way_t *way, size_t events) {

  memset(&w, 0, sizeof(w));
  w.f.options.max_bytes_per_job = 64u << 20;
  w.f.options.max_events_per_job = 1u << 20;
  w.options.send_buffer = 4u << 20;
  w.options.max_connections = WATCHERS + 20;
  w.options.max_streams = WATCHERS;
  w.options.all_events = 1;
  w.options.gzip = way->gzip;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  flood = fixture_begin(&w.f);
  for (int i = 0; i < WATCHERS; i++) {
    watchers[i] = connect_to(w.port);
    ask_for_it(watchers[i], way);
  }
  assert_true(run_until(&w.f.loop, all_watch, NULL, 20000));
  for (size_t i = 0; i < events; i++)
    assert_ok(jobsrv_narrate(flood, "say", "%0900zu", i));
  memset(&ticker, 0, sizeof(ticker));
  ticks = 0;
  most = 0;
  turns = 0;
  sent = world_stats(&w).bytes_sent;
  jobsrv_timer_arm(w.f.srv, &ticker, jobsrv_now(w.f.srv) + 1000000, on_tick);
}

static void close_flood(void) {
  jobsrv_timer_disarm(w.f.srv, &ticker);
  for (int i = 0; i < WATCHERS; i++)
    close(watchers[i]);
  peer_close(&peer);
  world_close(&w);
}

/* How many turns it takes until `part` is there. */
static int turns_until(peer_t *who, const char *part) {
  for (int n = 1; n <= 200; n++) {
    turn();
    peer_recv(who);
    if (strstr(who->text, part) != NULL)
      return n;
  }
  fail_msg("not within 200 turns: %.200s", who->text);
  return 0;
}

static void ask_in(peer_t *who, const char *request, const char *part) {
  who->len = 0;
  who->text[0] = '\0';
  peer_send(who, request);
  assert_in_range(turns_until(who, part), 1, SOON);
}

#define HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST                                                                  \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE                   \
  "Content-Length: 20\r\n\r\n{\"operation\":\"work\"}"

static void look_around(void) {
  static peer_t late;
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;
  unsigned int before = ticks;

  turn();
  assert_int_equal(ticks, before + 1); /* a timer is not late */
  ask_in(&peer, HEALTH, "\"status\":\"ok\"");
  ask_in(&peer, POST, "\"job_id\"");
  assert_true(peer_job_id(&peer, id));
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  for (int n = 0; n < SOON && jobsrv_job_state(job) != JOBSRV_STATE_RUNNING;
       n++)
    turn();
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  peer_open(&late, w.port);
  ask_in(&late, HEALTH, "\"status\":\"ok\"");
  peer_close(&late);
}

static void a_replay_to_many_leaves_the_loop_to_others(void **state) {
  (void) state;
  open_flood(&plain, 2000);
  for (int i = 0; i < 2; i++)
    look_around();
  assert_true(turns > 5); /* it was one */
  /* and the answers, and what the last frame of a share is cut at */
  assert_in_range(most, TURN_BYTES / 2, TURN_BYTES + 65536);
  close_flood();
}

/* However it is rendered: a share is what is read. */
static void a_replay_of_any_kind_does(void **state) {
  static const way_t ways[] = {
    { "/v1/jobs/", "/stream", "Accept: application/x-ndjson\r\n", 0 },
    { "/v1/jobs/", "/stream?format=text", "", 0 },
    { "/v1/stream?jobs=", "", "", 0 },
    { "/v1/events", NULL, "", 0 },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
    open_flood(&ways[i], 500);
    look_around();
    assert_true(turns > 1);
    assert_in_range(most, TURN_BYTES / 2, 2 * TURN_BYTES);
    close_flood();
  }
}

/* It may have been left out of the library. */
static int has_gzip(void) {
  jobsrv_sse_options_t options = { .size = sizeof(options), .gzip = 1 };
  fixture f;
  jobsrv_sse_t *sse;
  int err;

  memset(&f, 0, sizeof(f));
  fixture_open(&f);
  err = jobsrv_sse_new(&sse, f.srv, &options);
  fixture_close(&f);
  return err == 0;
}

/* Where little or nothing of what is read is sent. */
static void what_is_left_out_or_packed_costs_turns_too(void **state) {
  static const way_t ways[] = {
    { "/v1/jobs/", "/stream?level=warn", "", 0 },
    { "/v1/jobs/", "/stream", "Accept-Encoding: gzip\r\n", 1 },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
    way_t way = ways[i];

    way.gzip = way.gzip && has_gzip();
    open_flood(&way, 500);
    look_around();
    close_flood();
  }
}

/* Which narrates 64 KiB each turn, too. */
static void what_comes_meanwhile_adds_nothing_to_a_turn(void **state) {
  (void) state;
  open_flood(&plain, 2000);
  for (int i = 0; i < 10; i++) {
    for (int k = 0; k < 64; k++)
      assert_ok(jobsrv_narrate(flood, "say", "%0900d", k));
    turn();
  }
  assert_true(turns > 5);
  assert_in_range(most, TURN_BYTES / 2, TURN_BYTES + 65536);
  close_flood();
}

/* ---- from other threads ---- */

static atomic_int stop;

static void *shout(void *data) {
  jobsrv_job_t *job = data;

  while (!atomic_load(&stop))
    (void) jobsrv_narrate(job, "shout", "%d", 1);
  return NULL;
}

static uint64_t last_seq(const jobsrv_job_t *job) {
  return fixture_info(job).last_seq;
}

static void threads_that_shout_leave_the_loop_to_others(void **state) {
  pthread_t threads[2];
  uint64_t start = uv_hrtime();
  uint64_t before;
  uint64_t most_events = 0;

  (void) state;
  open_flood(&plain, 0);
  atomic_store(&stop, 0);
  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, shout, flood), 0);
  before = last_seq(flood);
  while (before < 20000) {
    uint64_t now;

    assert_true(uv_hrtime() - start < UINT64_C(60000000000));
    turn();
    now = last_seq(flood);
    if (now - before > most_events)
      most_events = now - before;
    before = now;
  }
  for (int i = 0; i < 3; i++)
    look_around();
  atomic_store(&stop, 1);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  assert_in_range(most_events, 1, 2 * 4096);
  run_turns(&w.f.loop, 200);
  close_flood();
}

/* Requests in one heap on many connections. */
static void those_who_ask_without_end_leave_the_loop_to_others(void **state) {
  enum { HEAP = 500 };
  static char heap[HEAP * sizeof(HEALTH)];
  uint64_t before;
  uint64_t most_requests = 0;

  (void) state;
  open_flood(&plain, 0);
  for (int i = 0; i < HEAP; i++)
    memcpy(heap + (size_t) i * (sizeof(HEALTH) - 1), HEALTH, sizeof(HEALTH));
  for (int i = 0; i < WATCHERS; i++) {
    close(watchers[i]);
    watchers[i] = -1;
  }
  run_turns(&w.f.loop, 10);
  for (int i = 0; i < 16; i++) {
    watchers[i] = connect_to(w.port);
    send_text(watchers[i], heap);
  }
  before = world_stats(&w).requests;
  for (int i = 0; i < 5; i++) {
    uint64_t now;

    turn();
    now = world_stats(&w).requests;
    if (now - before > most_requests)
      most_requests = now - before;
    before = now;
  }
  look_around();
  assert_in_range(most_requests, 32, 16 * 64);
  close_flood();
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_replay_to_many_leaves_the_loop_to_others),
  cmocka_unit_test(a_replay_of_any_kind_does),
  cmocka_unit_test(what_is_left_out_or_packed_costs_turns_too),
  cmocka_unit_test(what_comes_meanwhile_adds_nothing_to_a_turn),
  cmocka_unit_test(threads_that_shout_leave_the_loop_to_others),
  cmocka_unit_test(those_who_ask_without_end_leave_the_loop_to_others),
};

RUN(tests);
