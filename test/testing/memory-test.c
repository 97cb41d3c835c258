/* SPDX-License-Identifier: MIT */

/* Row 76: the transport without a network. */

#include "sse/world.h"

#include "jobsrv/testing_sse.h"
#include "sse/conn_state.h"

#include <dirent.h>

/* A world without a listener, whose ids follow from a seed. */
typedef struct {
  world w;
  jobsrv_seeded_random_t random;
  jobsrv_memory_t *client;
} memory_world;

static void open_seeded(memory_world *m) {
  jobsrv_options_init(&m->w.f.options);
  jobsrv_seeded_random_init(&m->random, 76, &m->w.f.options);
  m->w.options.size = sizeof(m->w.options);
  fixture_open(&m->w.f);
  world_add(&m->w, "work", 1, 0);
  assert_ok(jobsrv_sse_new(&m->w.sse, m->w.f.srv, &m->w.options));
}

static void open_memory(memory_world *m) {
  open_seeded(m);
  assert_ok(jobsrv_memory_open(&m->client, m->w.sse));
}

static void close_memory(memory_world *m) {
  jobsrv_memory_free(m->client);
  fixture_close(&m->w.f);
}

static void turns(memory_world *m) {
  run_turns(&m->w.f.loop, 6);
}

static void feed(memory_world *m, jobsrv_memory_t *client, const char *text) {
  assert_ok(jobsrv_memory_feed(client, text, strlen(text)));
  turns(m);
}

#define POST                                                                  \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r1\r\n"         \
  "Content-Type: application/json\r\nContent-Length: 20\r\n\r\n"              \
  "{\"operation\":\"work\"}"

#define HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

static const char *output(jobsrv_memory_t *client) {
  return jobsrv_memory_output(client, NULL);
}

static jobsrv_job_t *find_job(memory_world *m, const char *answer) {
  const char *at = strstr(answer, "{\"job_id\":\"");
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  assert_non_null(at);
  snprintf(id, sizeof(id), "%.40s", at + 11);
  assert_ok(jobsrv_find(m->w.f.srv, id, &job));
  return job;
}

/* POST over `client`, whose answer is taken. */
static jobsrv_job_t *post_over(memory_world *m, jobsrv_memory_t *client) {
  jobsrv_job_t *job;

  feed(m, client, POST);
  job = find_job(m, output(client));
  jobsrv_memory_take(client, SIZE_MAX);
  return job;
}

static const char *stream_of(const jobsrv_job_t *job) {
  static char text[300];
  char id[JOBSRV_ID_SIZE];

  snprintf(text, sizeof(text),
           "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n"
           "X-Request-Id: r2\r\nX-Correlation-Id: c2\r\n\r\n",
           jobsrv_job_id(job, id));
  return text;
}

/* Some time, some events, and the end. */
static void work(memory_world *m, jobsrv_job_t *job, int events) {
  for (int i = 0; i < events; i++) {
    jobsrv_manual_clock_advance(&m->w.f.clock, 1000000);
    jobsrv_narrate(job, "step", "step %d of %d", i + 1, events);
    if (i % 7 == 0)
      turns(m);
  }
  assert_ok(jobsrv_job_complete(job, "{\"ok\":true}", 11));
  turns(m);
}

static int descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  int n = 0;

  if (dir == NULL)
    return 0;
  while (readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
}

static void a_job_is_posted_streamed_and_ended_without_a_descriptor(
    void **state) {
  memory_world m = { .client = NULL };
  jobsrv_job_t *job;
  const char *text;
  int before;

  (void) state;
  open_seeded(&m);
  before = descriptors();
  assert_ok(jobsrv_memory_open(&m.client, m.w.sse));
  feed(&m, m.client, POST);
  assert_contains(output(m.client), "HTTP/1.1 202 Accepted\r\n");
  job = find_job(&m, output(m.client));
  jobsrv_memory_take(m.client, SIZE_MAX);
  feed(&m, m.client, stream_of(job));
  text = output(m.client);
  assert_contains(text, "HTTP/1.1 200 OK\r\n");
  assert_contains(text, "event: state\n");
  work(&m, job, 3);
  text = output(m.client);
  assert_contains(text, "step 1 of 3");
  assert_contains(text, "step 3 of 3");
  assert_contains(text, "data: [DONE]\n");
  assert_contains(text, "\r\n0\r\n\r\n");
  assert_int_equal(descriptors(), before);

  jobsrv_memory_take(m.client, SIZE_MAX); /* the connection goes on */
  feed(&m, m.client, HEALTH);
  assert_contains(output(m.client), "HTTP/1.1 200 OK\r\n");
  close_memory(&m);
}

static char *copy_output(jobsrv_memory_t *client) {
  char *copy = strdup(output(client));

  assert_non_null(copy);
  return copy;
}

static char *answer_when_cut_at(size_t cut) {
  static const char requests[] = POST HEALTH;
  memory_world m = { .client = NULL };
  char *answer;

  open_memory(&m);
  assert_ok(jobsrv_memory_feed(m.client, requests, cut));
  turns(&m);
  assert_int_equal(jobsrv_memory_unread(m.client), 0);
  feed(&m, m.client, requests + cut);
  answer = copy_output(m.client);
  close_memory(&m);
  return answer;
}

static void every_cut_of_a_request_gets_the_same_bytes(void **state) {
  char *whole = answer_when_cut_at(0);

  (void) state;
  assert_contains(whole, "HTTP/1.1 202 Accepted\r\n");
  for (size_t cut = 1; cut < sizeof(POST HEALTH); cut++) {
    char *answer = answer_when_cut_at(cut);

    assert_string_equal(answer, whole);
    free(answer);
  }
  free(whole);
}

static void one_byte_at_a_time_is_enough(void **state) {
  static const char requests[] = POST HEALTH;
  memory_world m = { .client = NULL };
  char *whole = answer_when_cut_at(0);

  (void) state;
  open_memory(&m);
  for (size_t i = 0; i + 1 < sizeof(requests); i++) {
    assert_ok(jobsrv_memory_feed(m.client, requests + i, 1));
    run_turns(&m.w.f.loop, 1);
  }
  turns(&m);
  assert_string_equal(output(m.client), whole);
  free(whole);
  close_memory(&m);
}

static void pipelined_requests_are_answered_in_order(void **state) {
  memory_world m = { .client = NULL };
  const char *text, *second, *third;

  (void) state;
  open_memory(&m);
  feed(&m, m.client,
       HEALTH "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n" POST);
  text = output(m.client);
  second = strstr(text, "HTTP/1.1 404");
  third = strstr(text, "HTTP/1.1 202");
  assert_int_equal(strncmp(text, "HTTP/1.1 200", 12), 0);
  assert_non_null(second);
  assert_non_null(third);
  assert_true(second < third);
  close_memory(&m);
}

/* ---- slow readers ---- */

static void a_narrow_window_delays_and_loses_nothing(void **state) {
  memory_world m = { .client = NULL };
  jobsrv_memory_t *slow;
  jobsrv_job_t *job;
  size_t step = 1, before, len;

  (void) state;
  open_memory(&m);
  assert_ok(jobsrv_memory_open(&slow, m.w.sse));
  job = post_over(&m, m.client);
  feed(&m, m.client, stream_of(job));
  jobsrv_memory_window(slow, 0);
  feed(&m, slow, stream_of(job));
  assert_string_equal(output(slow), "");
  work(&m, job, 50);
  assert_contains(output(m.client), "data: [DONE]\n");
  assert_string_equal(output(slow), "");

  do {
    (void) jobsrv_memory_output(slow, &before);
    jobsrv_memory_window(slow, step);
    turns(&m);
    (void) jobsrv_memory_output(slow, &len);
    assert_true(len - before <= step);
    step = step % 97 + 1;
  } while (len > before);
  assert_string_equal(output(slow), output(m.client));
  jobsrv_memory_free(slow);
  close_memory(&m);
}

static void who_does_not_read_is_cut_on_the_millisecond(void **state) {
  memory_world m = { .client = NULL };
  jobsrv_job_t *job;

  (void) state;
  m.w.options.write_stall_ms = 700;
  open_memory(&m);
  job = post_over(&m, m.client);
  jobsrv_memory_window(m.client, 10);
  feed(&m, m.client, stream_of(job));
  fixture_ms(&m.w.f, 699);
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_OPEN);
  fixture_ms(&m.w.f, 1);
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_RESET);
  assert_int_equal(world_stats(&m.w).stalled, 1);
  assert_err(jobsrv_memory_feed(m.client, "x", 1), UV_EPIPE);
  close_memory(&m);
}

static void unread_input_waits_behind_a_stream(void **state) {
  static char much[100000];
  memory_world m = { .client = NULL };
  jobsrv_job_t *job;

  (void) state;
  open_memory(&m);
  job = post_over(&m, m.client);
  feed(&m, m.client, stream_of(job));
  memset(much, 'x', sizeof(much));
  assert_ok(jobsrv_memory_feed(m.client, much, sizeof(much)));
  turns(&m);
  assert_int_equal(jobsrv_memory_unread(m.client),
                   sizeof(much) - JOBSRV__STREAM_INPUT_MAX);
  close_memory(&m);
}

/* ---- watchers ---- */

static void three_watchers_get_the_same_bytes(void **state) {
  memory_world m = { .client = NULL };
  jobsrv_memory_t *watchers[3];
  jobsrv_job_t *job;

  (void) state;
  open_memory(&m);
  job = post_over(&m, m.client);
  for (int i = 0; i < 3; i++) {
    assert_ok(jobsrv_memory_open(&watchers[i], m.w.sse));
    feed(&m, watchers[i], stream_of(job));
  }
  assert_int_equal(world_stats(&m.w).streams, 3);
  work(&m, job, 40);
  assert_contains(output(watchers[0]), "step 40 of 40");
  assert_contains(output(watchers[0]), "data: [DONE]\n");
  assert_string_equal(output(watchers[1]), output(watchers[0]));
  assert_string_equal(output(watchers[2]), output(watchers[0]));
  for (int i = 0; i < 3; i++)
    jobsrv_memory_free(watchers[i]);
  close_memory(&m);
}

static void who_aborts_is_gone_within_the_call(void **state) {
  memory_world m = { .client = NULL };
  jobsrv_job_t *job;

  (void) state;
  open_memory(&m);
  job = post_over(&m, m.client);
  feed(&m, m.client, stream_of(job));
  assert_int_equal(world_stats(&m.w).streams, 1);
  jobsrv_memory_abort(m.client);
  assert_int_equal(world_stats(&m.w).streams, 0);
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_CLOSED);
  close_memory(&m);
}

static void a_client_that_ends_its_side_is_answered_first(void **state) {
  memory_world m = { .client = NULL };

  (void) state;
  open_memory(&m);
  assert_ok(jobsrv_memory_feed(m.client, HEALTH, strlen(HEALTH)));
  jobsrv_memory_end(m.client);
  assert_err(jobsrv_memory_feed(m.client, "x", 1), UV_EPIPE);
  assert_int_equal(jobsrv_memory_until_closed(m.client), 0);
  assert_true(run_until(&m.w.f.loop, jobsrv_memory_until_closed,
                        m.client, 5000));
  assert_contains(output(m.client), "HTTP/1.1 200 OK\r\n");
  close_memory(&m);
}

static void a_stream_ends_with_its_client(void **state) {
  memory_world m = { .client = NULL };
  jobsrv_job_t *job;

  (void) state;
  open_memory(&m);
  job = post_over(&m, m.client);
  feed(&m, m.client, stream_of(job));
  jobsrv_memory_end(m.client);
  turns(&m);
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_CLOSED);
  assert_int_equal(world_stats(&m.w).streams, 0);
  close_memory(&m);
}

static void the_server_ends_its_side_after_a_refusal(void **state) {
  memory_world m = { .client = NULL };

  (void) state;
  open_memory(&m);
  feed(&m, m.client, "NONSENSE\r\n\r\n");
  assert_contains(output(m.client), "HTTP/1.1 400 ");
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_SHUT);
  feed(&m, m.client, "more of it");
  assert_int_equal(jobsrv_memory_unread(m.client), 0);
  fixture_ms(&m.w.f, JOBSRV__LINGER_MS);
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_CLOSED);
  close_memory(&m);
}

static void it_counts_as_a_connection(void **state) {
  memory_world m = { .client = NULL };
  jobsrv_memory_t *second;

  (void) state;
  m.w.options.max_connections = 1;
  open_memory(&m);
  assert_ok(jobsrv_memory_open(&second, m.w.sse));
  turns(&m);
  assert_contains(output(second), "HTTP/1.1 503 ");
  assert_contains(output(second), "too_many_connections");
  assert_int_equal(world_stats(&m.w).connections, 1);
  assert_int_equal(world_stats(&m.w).accepted, 2);
  assert_int_equal(world_stats(&m.w).refused, 1);
  jobsrv_memory_free(second);
  close_memory(&m);
}

static void it_may_outlive_its_server(void **state) {
  memory_world m = { .client = NULL };

  (void) state;
  open_memory(&m);
  feed(&m, m.client, HEALTH);
  fixture_close(&m.w.f);
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_CLOSED);
  assert_err(jobsrv_memory_feed(m.client, "x", 1), UV_EPIPE);
  assert_contains(output(m.client), "HTTP/1.1 200 OK\r\n");
  jobsrv_memory_free(m.client);
}

static void a_drained_server_takes_no_more(void **state) {
  memory_world m = { .client = NULL };
  jobsrv_memory_t *late = NULL;

  (void) state;
  open_memory(&m);
  assert_ok(jobsrv_drain(m.w.f.srv, 0, NULL, NULL));
  turns(&m);
  assert_int_equal(jobsrv_memory_state(m.client), JOBSRV_MEMORY_CLOSED);
  assert_err(jobsrv_memory_open(&late, m.w.sse), JOBSRV_EDRAINING);
  assert_null(late);
  close_memory(&m);
}

static void its_peer_is_memory(void **state) {
  memory_world m = { .client = NULL };
  const jobsrv__conn_t *conn;
  char peer[64];

  (void) state;
  open_memory(&m);
  conn = JOBSRV__CONTAINER(jobsrv__queue_front(&m.w.sse->conns),
                           jobsrv__conn_t, link);
  jobsrv__conn_peer(conn, peer, sizeof(peer));
  assert_string_equal(peer, "memory");
  assert_int_equal(jobsrv__conn_is_unix(conn), 0);
  close_memory(&m);
}

/* ---- the same over a socket ---- */

static void the_same_bytes_over_a_socket_get_the_same_answer(void **state) {
  static peer_t peer;
  memory_world m = { .client = NULL };
  memory_world s = { .client = NULL };
  jobsrv_job_t *job;
  char *answer;

  (void) state;
  open_memory(&m);
  feed(&m, m.client, HEALTH POST);
  job = find_job(&m, output(m.client));
  feed(&m, m.client, stream_of(job));
  work(&m, job, 30);
  feed(&m, m.client, HEALTH);
  assert_contains(output(m.client), "data: [DONE]\n");
  answer = copy_output(m.client);
  close_memory(&m);

  open_seeded(&s);
  assert_ok(jobsrv_sse_listen(s.w.sse, "127.0.0.1:0"));
  peer_open(&peer, jobsrv_sse_port(s.w.sse, 0));
  peer_send(&peer, HEALTH POST);
  assert_true(peer_wait(&peer, &s.w.f.loop, "{\"job_id\":\"", 5000));
  job = find_job(&s, peer.text);
  peer_send(&peer, stream_of(job));
  assert_true(peer_wait(&peer, &s.w.f.loop, "event: state\n", 5000));
  work(&s, job, 30);
  assert_true(peer_wait(&peer, &s.w.f.loop, "\r\n0\r\n\r\n", 5000));
  peer_send(&peer, HEALTH);
  assert_true(peer_wait(&peer, &s.w.f.loop, "\r\n0\r\n\r\nHTTP/1.1 200", 5000));
  (void) peer_wait(&peer, &s.w.f.loop, "}\n\r\n0\r\n", 20);
  assert_string_equal(peer.text, answer);
  free(answer);
  peer_close(&peer);
  close_memory(&s);
}

/* ---- memory that runs out ---- */

static void every_allocation_behind_a_connection_may_fail(void **state) {
  jobsrv_faults_t faults;
  uint64_t after = 0;
  int hit;

  (void) state;
  do {
    memory_world m = { .client = NULL };

    assert_ok(jobsrv_faults_init(&faults));
    m.w.f.options.alloc = &faults.alloc;
    jobsrv_options_init(&m.w.f.options);
    m.w.f.options.alloc = &faults.alloc;
    m.w.options.size = sizeof(m.w.options);
    fixture_open(&m.w.f);
    world_add(&m.w, "work", 1, 0);
    assert_ok(jobsrv_sse_new(&m.w.sse, m.w.f.srv, &m.w.options));
    jobsrv_faults_fail(&faults, after++, 1);
    if (jobsrv_memory_open(&m.client, m.w.sse) == 0) {
      assert_ok(jobsrv_memory_feed(m.client, POST, strlen(POST)));
      turns(&m);
    }
    hit = jobsrv_faults_hit(&faults);
    jobsrv_faults_fail(&faults, 0, 0);
    if (!hit)
      assert_contains(output(m.client), "HTTP/1.1 202 ");

    jobsrv_memory_free(m.client); /* and the server lives */
    assert_ok(jobsrv_memory_open(&m.client, m.w.sse));
    feed(&m, m.client, HEALTH);
    assert_contains(output(m.client), "HTTP/1.1 200 ");
    close_memory(&m);
    assert_int_equal(jobsrv_faults_live(&faults), 0);
    jobsrv_faults_free(&faults);
  } while (hit);
  assert_true(after > 4);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_job_is_posted_streamed_and_ended_without_a_descriptor),
  cmocka_unit_test(every_cut_of_a_request_gets_the_same_bytes),
  cmocka_unit_test(one_byte_at_a_time_is_enough),
  cmocka_unit_test(pipelined_requests_are_answered_in_order),
  cmocka_unit_test(a_narrow_window_delays_and_loses_nothing),
  cmocka_unit_test(who_does_not_read_is_cut_on_the_millisecond),
  cmocka_unit_test(unread_input_waits_behind_a_stream),
  cmocka_unit_test(three_watchers_get_the_same_bytes),
  cmocka_unit_test(who_aborts_is_gone_within_the_call),
  cmocka_unit_test(a_client_that_ends_its_side_is_answered_first),
  cmocka_unit_test(a_stream_ends_with_its_client),
  cmocka_unit_test(the_server_ends_its_side_after_a_refusal),
  cmocka_unit_test(it_counts_as_a_connection),
  cmocka_unit_test(it_may_outlive_its_server),
  cmocka_unit_test(a_drained_server_takes_no_more),
  cmocka_unit_test(its_peer_is_memory),
  cmocka_unit_test(the_same_bytes_over_a_socket_get_the_same_answer),
  cmocka_unit_test(every_allocation_behind_a_connection_may_fail),
};

RUN(tests);
