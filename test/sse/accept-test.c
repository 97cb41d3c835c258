/* SPDX-License-Identifier: MIT */

/*
 * System calls that fail where connections are taken on: the server pauses,
 * says so, does not spin, goes on with the connections that it has, and takes
 * on whoever has waited.
 */

#include "sse/watcher.h"

#include <sys/epoll.h>
#include <sys/syscall.h>

static world w;
static peer_t peer;
static peer_t other;

/* Of the calls in the C library's place, for all that is in this program. */
static struct {
  int error;      /* 0: they do not fail */
  int times;      /* so many do */
  int takes_away; /* and the client is lost with it */
  int calls;
} on_accept, on_add, on_socket, on_bind, on_listen;

#define FAILS(call)                                                           \
  ((call).calls++, (call).error != 0 && (call).times > 0                      \
                       ? ((call).times--, errno = (call).error, 1)            \
                       : 0)

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags) {
  int got;

  if (!FAILS(on_accept))
    return (int) syscall(SYS_accept4, fd, addr, len, flags);
  if (on_accept.takes_away) {
    got = (int) syscall(SYS_accept4, fd, NULL, NULL, SOCK_CLOEXEC);
    if (got >= 0)
      close(got);
    errno = on_accept.error;
  }
  return -1;
}

/* Each libuv of the system reaches the kernel by this one. */
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event) {
  if (op == EPOLL_CTL_ADD && FAILS(on_add))
    return -1;
  return (int) syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

int socket(int domain, int type, int protocol) {
  if (FAILS(on_socket))
    return -1;
  return (int) syscall(SYS_socket, domain, type, protocol);
}

int bind(int fd, const struct sockaddr *addr, socklen_t len) {
  if (FAILS(on_bind))
    return -1;
  return (int) syscall(SYS_bind, fd, addr, len);
}

int listen(int fd, int backlog) {
  if (FAILS(on_listen))
    return -1;
  return (int) syscall(SYS_listen, fd, backlog);
}

static void accepts_fail(int error, int times) {
  on_accept.error = error;
  on_accept.times = times;
  on_accept.takes_away = 0;
  on_accept.calls = 0;
}

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  accepts_fail(0, 0);
  on_add.error = 0;
  on_socket.error = 0;
  on_bind.error = 0;
  on_listen.error = 0;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

/* ---- a machine that is out of something ---- */

static int connects(void *data) {
  (void) data;
  return on_accept.calls > 0;
}

/* It is out of it from now on until told otherwise, and somebody comes. */
static void run_out(int error) {
  accepts_fail(error, INT32_MAX);
  peer_open(&other, w.port);
  assert_true(run_until(&w.f.loop, connects, NULL, 20000));
}

static void each_want_of_resources_pauses_once(void **state) {
  static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, EINVAL };

  (void) state;
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    uint64_t pauses = world_stats(&w).accept_pauses;

    run_out(errors[i]);
    run_turns(&w.f.loop, 50);
    assert_int_equal(on_accept.calls, 1);
    assert_int_equal(world_stats(&w).accept_pauses, pauses + 1);
    fixture_ms(&w.f, 99);
    assert_int_equal(on_accept.calls, 1);
    fixture_ms(&w.f, 1);
    assert_int_equal(on_accept.calls, 2);
    run_turns(&w.f.loop, 50);
    assert_int_equal(on_accept.calls, 2);
    assert_int_equal(world_stats(&w).accept_pauses, pauses + 2);

    accepts_fail(0, 0); /* there is room again: in good time it is taken on */
    fixture_ms(&w.f, 100);
    assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
    assert_int_equal(world_stats(&w).accept_pauses, pauses + 2);
    assert_int_equal(world_stats(&w).refused, 0);
    peer_close(&other);
    run_turns(&w.f.loop, 5);
  }
}

/* A loop that is asked how long it may sleep must not say "not at all". */
static void a_paused_server_lets_its_loop_sleep(void **state) {
  (void) state;
  run_out(EMFILE);
  run_turns(&w.f.loop, 5);
  if (loop_mode() != LOOP_THREAD) /* where the test itself keeps it awake */
    assert_int_not_equal(uv_backend_timeout(loop_uv(&w.f.loop)), 0);
  peer_close(&other);
}

static void those_that_are_connected_go_on_meanwhile(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *watcher = watch(&w, job, "", "");

  (void) state;
  watcher_wait(&w, watcher, 3);
  run_out(ENFILE);
  assert_ok(jobsrv_narrate(job, "say", "still here"));
  watcher_wait(&w, watcher, 4);
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\"}"), 202);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_int_equal(on_accept.calls, 1);
  watcher_free(watcher);
  peer_close(&other);
}

static void all_who_have_waited_are_taken_on(void **state) {
  enum { N = 5 };
  static peer_t late[N];

  (void) state;
  run_out(EMFILE);
  for (int i = 0; i < N; i++)
    peer_open(&late[i], w.port);
  run_turns(&w.f.loop, 5);
  assert_int_equal(on_accept.calls, 1);
  accepts_fail(0, 0);
  fixture_ms(&w.f, 100);
  for (int i = 0; i < N; i++) {
    assert_int_equal(ask(&w, &late[i], "GET /health", "", NULL), 200);
    peer_close(&late[i]);
  }
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
  peer_close(&other);
}

static void a_pause_is_counted_where_it_is_looked_for(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  memset(&w, 0, sizeof(w));
  w.options.metrics = 1;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 200);
  assert_contains(peer.text, "\njobsrv_http_accept_pauses_total 0\n");
  run_out(EMFILE);
  assert_int_equal(ask(&w, &peer, "GET /metrics", "", NULL), 200);
  assert_contains(peer.text, "\njobsrv_http_accept_pauses_total 1\n");
  peer_close(&other);
}

static void a_server_may_close_in_a_pause(void **state) {
  (void) state;
  run_out(EMFILE);
  peer_close(&other);
}

static void a_drain_in_a_pause_takes_nobody_on(void **state) {
  (void) state;
  run_out(EMFILE);
  assert_ok(jobsrv_drain(w.f.srv, 1000, NULL, NULL));
  run_turns(&w.f.loop, 5);
  accepts_fail(0, 0);
  fixture_ms(&w.f, 100);
  assert_int_equal(on_accept.calls, 0);
  peer_close(&other);
}

/* Nobody else can be taken on then, not even by another way in. */
static void every_listener_pauses(void **state) {
  (void) state;
  run_out(EMFILE);
  assert_ok(jobsrv_sse_listen(w.sse, "127.0.0.1:0"));
  peer_close(&other);
  peer_open(&other, jobsrv_sse_port(w.sse, 1));
  run_turns(&w.f.loop, 20);
  assert_int_equal(on_accept.calls, 1);
  accepts_fail(0, 0);
  fixture_ms(&w.f, 100);
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
  peer_close(&other);
}

/* ---- one connection that came to nothing ---- */

static const int passing[] = { EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN,
                               ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET,
                               ENOPROTOOPT };

static void what_concerns_one_connection_pauses_nothing(void **state) {
  (void) state;
  for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
    accepts_fail(passing[i], 3);
    peer_open(&other, w.port);
    assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
    assert_int_equal(on_accept.times, 0);
    peer_close(&other);
  }
  assert_int_equal(world_stats(&w).accept_pauses, 0);
}

static void who_gave_up_is_passed_over(void **state) {
  peer_t *gone = calloc(1, sizeof(*gone));

  (void) state;
  peer_open(gone, w.port);
  accepts_fail(ECONNABORTED, 1);
  on_accept.takes_away = 1;
  peer_open(&other, w.port);
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
  assert_true(peer_wait(gone, &w.f.loop, NULL, 20000));
  assert_int_equal(world_stats(&w).accept_pauses, 0);
  peer_close(&other);
  peer_close(gone);
  free(gone);
}

/* A filter that refuses every accept, say, must not burn a core. */
static void what_does_not_pass_after_all_pauses(void **state) {
  (void) state;
  for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
    uint64_t pauses = world_stats(&w).accept_pauses;

    run_out(passing[i]);
    run_turns(&w.f.loop, 50);
    assert_in_range(on_accept.calls, 1, 64);
    assert_int_equal(world_stats(&w).accept_pauses, pauses + 1);
    accepts_fail(0, 0);
    fixture_ms(&w.f, 100);
    assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
    peer_close(&other);
  }
}

/* ---- what comes before and after ---- */

/* The one that was accepted is lost; the next ones are not. */
static void a_socket_that_cannot_be_watched_pauses(void **state) {
  (void) state;
  on_add.error = ENOSPC;
  on_add.times = 1;
  peer_open(&other, w.port);
  assert_true(peer_wait(&other, &w.f.loop, NULL, 20000));
  assert_int_equal(on_add.times, 0);
  assert_int_equal(world_stats(&w).accept_pauses, 1);
  assert_int_equal(world_stats(&w).connections, 1);
  peer_close(&other);
  peer_open(&other, w.port);
  fixture_ms(&w.f, 100);
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
  peer_close(&other);
}

static void a_listener_that_cannot_be_made_changes_nothing(void **state) {
  (void) state;
#define FAILS_WITH(call, code)                                                \
  (call).error = code;                                                        \
  (call).times = 1;                                                           \
  assert_err(jobsrv_sse_listen(w.sse, "127.0.0.1:0"), -(code));               \
  (call).error = 0
  FAILS_WITH(on_socket, EMFILE);
  FAILS_WITH(on_socket, ENFILE);
  FAILS_WITH(on_socket, EAFNOSUPPORT);
  FAILS_WITH(on_bind, EACCES);
  FAILS_WITH(on_bind, EADDRINUSE);
  FAILS_WITH(on_listen, EADDRINUSE);
  FAILS_WITH(on_add, ENOSPC);
#undef FAILS_WITH
  assert_int_equal(jobsrv_sse_port(w.sse, 1), 0);
  assert_ok(jobsrv_sse_listen(w.sse, "127.0.0.1:0"));
  peer_open(&other, jobsrv_sse_port(w.sse, 1));
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
  peer_close(&other);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(each_want_of_resources_pauses_once),
  CASE(a_paused_server_lets_its_loop_sleep),
  CASE(those_that_are_connected_go_on_meanwhile),
  CASE(all_who_have_waited_are_taken_on),
  CASE(a_pause_is_counted_where_it_is_looked_for),
  CASE(a_server_may_close_in_a_pause),
  CASE(a_drain_in_a_pause_takes_nobody_on),
  CASE(every_listener_pauses),
  CASE(what_concerns_one_connection_pauses_nothing),
  CASE(who_gave_up_is_passed_over),
  CASE(what_does_not_pass_after_all_pauses),
  CASE(a_socket_that_cannot_be_watched_pauses),
  CASE(a_listener_that_cannot_be_made_changes_nothing),
};

RUN(tests);
