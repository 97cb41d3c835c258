/* SPDX-License-Identifier: MIT */

/* Row 67: a connection that the host has accepted, and read some of. */

#include "world.h"

#include "jobsrv/sse_route.h"

#include <fcntl.h>

static world w;
static peer_t peer;
static peer_t other;
static jobsrv_faults_t faults;
static struct {
  int rc;
  jobsrv_sse_credentials_t by;
} seen;

static void whoami(jobsrv_sse_request_t *request, void *data) {
  char text[64];

  (void) data;
  memset(&seen, 0, sizeof(seen));
  seen.by.size = sizeof(seen.by);
  seen.rc = jobsrv_sse_credentials(request, &seen.by);
  jobsrv_sse_peer(request, text, sizeof(text));
  assert_ok(jobsrv_sse_respond(request, 200, "text/plain", text, strlen(text)));
}

static int setup(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  memset(&w, 0, sizeof(w));
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  w.options.max_connections = 4;
  world_open(&w);
  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/whoami";
  route.handler = whoami;
  assert_ok(jobsrv_sse_route(w.sse, &route));
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  jobsrv_faults_free(&faults);
  return 0;
}

static void peer_take(peer_t *to, int fd) {
  to->fd = fd;
  to->eof = 0;
  to->len = 0;
  to->text[0] = '\0';
}

static int bound_inet(int backlog) {
  struct sockaddr_in to = { .sin_family = AF_INET };
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_int_equal(bind(fd, (struct sockaddr *) &to, sizeof(to)), 0);
  assert_int_equal(listen(fd, backlog), 0);
  return fd;
}

static int is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

static int one_pair(void) {
  int fds[2];

  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  peer_take(&peer, fds[0]);
  return fds[1];
}

static int adopt(int fd, const char *bytes) {
  return jobsrv_sse_adopt(w.sse, fd, bytes, strlen(bytes));
}

static void expect_status(peer_t *from, int status, const char *part) {
  char line[32];

  snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
  if (!peer_wait(from, &w.f.loop, part, 5000))
    fail_msg("no %s: %.400s", part, from->text);
  assert_int_equal(strncmp(from->text, line, strlen(line)), 0);
}

#define HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define WHOAMI "GET /whoami HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void what_the_host_has_read_is_answered(void **state) {
  int fd = one_pair();

  (void) state;
  assert_ok(adopt(fd, HEALTH));
  peer_recv(&peer);
  assert_int_equal(peer.len, 0); /* not from within */
  expect_status(&peer, 200, "\"version\"");
  assert_int_equal(world_stats(&w).connections, 1);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
}

static void it_may_be_cut_anywhere(void **state) {
  static const char request[] =
      "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
      "Content-Length: 20\r\n\r\n{\"operation\":\"work\"}";

  (void) state;
  for (size_t cut = 0; cut < sizeof(request); cut++) {
    int fd = one_pair();

    assert_ok(jobsrv_sse_adopt(w.sse, fd, request, cut));
    run_turns(&w.f.loop, 2);
    peer_send(&peer, request + cut);
    expect_status(&peer, 202, "\"job_id\"");
    peer_close(&peer);
    run_turns(&w.f.loop, 3);
  }
  assert_int_equal(world_stats(&w).accepted, sizeof(request));
}

static void several_requests_may_have_been_read(void **state) {
  (void) state;
  assert_ok(adopt(one_pair(), HEALTH WHOAMI "GET /nothing HTTP/1.1\r\n"));
  peer_send(&peer, "Host: localhost\r\n\r\n");
  expect_status(&peer, 200, "not_found");
  assert_contains(peer.text, "\r\n\r\nunixHTTP/1.1 404 ");
  peer_close(&peer);
}

static void what_is_malformed_is_refused_as_ever(void **state) {
  (void) state;
  assert_ok(adopt(one_pair(), "GET / HTTP/1.1\nHost: localhost\n\n"));
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 5000));
  assert_problem(&peer, 400, "bad_request");
  peer_close(&peer);
}

static void without_bytes_the_silence_is_timed(void **state) {
  (void) state;
  assert_ok(jobsrv_sse_adopt(w.sse, one_pair(), NULL, 0));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 9999);
  peer_recv(&peer);
  assert_false(peer.eof);
  fixture_ms(&w.f, 1);
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 5000));
  assert_int_equal(peer.len, 0);
  peer_close(&peer);
}

static void a_head_that_began_with_the_host_is_timed_from_here(void **state) {
  (void) state;
  assert_ok(adopt(one_pair(), "GET /health HTTP/1.1\r\n"));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 9999);
  peer_recv(&peer);
  assert_int_equal(peer.len, 0);
  fixture_ms(&w.f, 1);
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 5000));
  assert_problem(&peer, 408, "timeout");
  peer_close(&peer);
}

static void a_tcp_connection_is_adopted_too(void **state) {
  int listener = bound_inet(8);
  struct sockaddr_in to;
  socklen_t len = sizeof(to);
  char due[64];
  int fd;

  (void) state;
  assert_int_equal(getsockname(listener, (struct sockaddr *) &to, &len), 0);
  peer_open(&peer, ntohs(to.sin_port));
  fd = accept4(listener, NULL, NULL, 0);
  assert_int_equal(getpeername(fd, (struct sockaddr *) &to, &len), 0);
  assert_ok(adopt(fd, WHOAMI));
  snprintf(due, sizeof(due), "127.0.0.1:%d", ntohs(to.sin_port));
  expect_status(&peer, 200, due);
  assert_err(seen.rc, UV_ENOTSUP);
  assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
  peer_close(&peer);
  close(listener);
}

static void an_adopted_connection_may_stream(void **state) {
  jobsrv_job_t *job;
  char request[200];
  char id[JOBSRV_ID_SIZE];

  (void) state;
  peer_open(&other, w.port);
  job = post_job(&w, &other, "work");
  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
           jobsrv_job_id(job, id));
  assert_ok(adopt(one_pair(), request));
  expect_status(&peer, 200, "event: state");
  assert_int_equal(world_stats(&w).streams, 1);
  peer_close(&peer);
  peer_close(&other);
}

static void adopted_connections_are_bounded_as_others_are(void **state) {
  peer_t *in = calloc(4, sizeof(*in));

  (void) state;
  assert_non_null(in);
  for (int i = 0; i < 4; i++) {
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    peer_take(&in[i], fds[0]);
    assert_ok(jobsrv_sse_adopt(w.sse, fds[1], NULL, 0));
  }
  assert_ok(adopt(one_pair(), HEALTH));
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 5000));
  assert_problem(&peer, 503, "too_many_connections");
  peer_close(&peer);
  peer_close(&in[0]);
  run_turns(&w.f.loop, 3);
  assert_ok(adopt(one_pair(), HEALTH));
  expect_status(&peer, 200, "\"version\"");
  peer_close(&peer);
  for (int i = 1; i < 4; i++)
    peer_close(&in[i]);
  free(in);
}

static void what_cannot_be_adopted_is_left_to_the_host(void **state) {
  int listener = bound_inet(8);
  int alone = socket(AF_INET, SOCK_STREAM, 0);
  int file = open("/dev/null", O_RDONLY);

  (void) state;
  assert_err(adopt(listener, HEALTH), UV_EINVAL);
  assert_err(adopt(alone, HEALTH), UV_ENOTCONN);
  assert_err(adopt(file, HEALTH), UV_ENOTSOCK);
  assert_int_equal(fcntl(alone, F_GETFL) & O_NONBLOCK, 0);
  close(file);
  assert_err(adopt(file, HEALTH), UV_EBADF);
  close(listener);
  close(alone);
  assert_int_equal(world_stats(&w).accepted, 0);
  alone = one_pair();
  (void) jobsrv_drain(w.f.srv, 1000, NULL, NULL);
  run_turns(&w.f.loop, 5);
  assert_err(adopt(alone, HEALTH), JOBSRV_EDRAINING);
  assert_true(is_open(alone));
  assert_int_equal(fcntl(alone, F_GETFL) & O_NONBLOCK, 0);
  close(alone);
  peer_close(&peer);
}

static void adopting_fails_whole(void **state) {
  int err = UV_ENOMEM;
  int fd = one_pair();

  (void) state;
  for (uint64_t n = 0; err != 0 && n < 20; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    err = adopt(fd, HEALTH);
    jobsrv_faults_fail(&faults, 0, 0);
    assert_true(err == 0 || err == UV_ENOMEM);
    if (err != 0)
      assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(world_stats(&w).accepted, err == 0);
  }
  expect_status(&peer, 200, "\"version\"");
  peer_close(&peer);
}

static int later_rc;

static void on_gone(jobsrv_sse_request_t *request, void *data) {
  jobsrv_sse_credentials_t by = { .size = sizeof(by) };

  (void) data;
  later_rc = jobsrv_sse_credentials(request, &by);
}

static void later(jobsrv_sse_request_t *request, void *data) {
  (void) data;
  jobsrv_sse_answer_later(request, on_gone, NULL);
}

static void who_has_left_cannot_be_told(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/later";
  route.handler = later;
  assert_ok(jobsrv_sse_route(w.sse, &route));
  later_rc = 1;
  assert_ok(adopt(one_pair(), "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  run_turns(&w.f.loop, 3);
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_err(later_rc, UV_ENOTCONN);
  peer_close(&peer);
}

static void as_much_is_told_as_the_host_knows_of(void **state) {
  (void) state;
  assert_ok(adopt(one_pair(), WHOAMI));
  expect_status(&peer, 200, "unix");
  assert_int_equal(seen.by.size, sizeof(seen.by));
  assert_int_equal(seen.by.uid, geteuid());
  peer_close(&peer);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(what_the_host_has_read_is_answered),
  CASE(it_may_be_cut_anywhere),
  CASE(several_requests_may_have_been_read),
  CASE(what_is_malformed_is_refused_as_ever),
  CASE(without_bytes_the_silence_is_timed),
  CASE(a_head_that_began_with_the_host_is_timed_from_here),
  CASE(a_tcp_connection_is_adopted_too),
  CASE(an_adopted_connection_may_stream),
  CASE(adopted_connections_are_bounded_as_others_are),
  CASE(what_cannot_be_adopted_is_left_to_the_host),
  CASE(adopting_fails_whole),
  CASE(who_has_left_cannot_be_told),
  CASE(as_much_is_told_as_the_host_knows_of),
};

RUN(tests);
