/* SPDX-License-Identifier: MIT */

/*
 * Reads and writes that fail, or do less than they were asked to: what passes
 * is tried again, what does not ends that connection, and no other.
 */

#include "sse/watcher.h"

#include <dirent.h>
#include <sys/syscall.h>

typedef struct {
  int error; /* 0: calls do not fail */
  int after; /* so many go well before */
  int times; /* so many fail then */
  size_t most; /* bytes at once; 0: any number */
  int failed;
} fault_t;

static world w;
static peer_t peer;
static peer_t other;
static fault_t reading, writing;

static int must_fail(fault_t *fault) {
  if (fault->error == 0)
    return 0;
  if (fault->after > 0) {
    fault->after--;
    return 0;
  }
  if (fault->times == 0)
    return 0;
  fault->times--;
  fault->failed++;
  errno = fault->error;
  return 1;
}

static size_t at_most(const fault_t *fault, size_t len) {
  return fault->most > 0 && fault->most < len ? fault->most : len;
}

/* In place of the C library's. The server alone reads with no flags, and asks
   not to wait where it writes. */
ssize_t recv(int fd, void *to, size_t len, int flags) {
  if (flags == 0 && must_fail(&reading))
    return -1;
  if (flags == 0)
    len = at_most(&reading, len);
  return syscall(SYS_recvfrom, fd, to, len, flags, NULL, NULL);
}

ssize_t send(int fd, const void *data, size_t len, int flags) {
  int is_servers = (flags & MSG_DONTWAIT) != 0;

  if (is_servers && must_fail(&writing))
    return -1;
  if (is_servers)
    len = at_most(&writing, len);
  return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

static void go_well(void) {
  memset(&reading, 0, sizeof(reading));
  memset(&writing, 0, sizeof(writing));
}

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  go_well();
  world_open(&w);
  peer_open(&peer, w.port);
  peer_open(&other, w.port);
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  go_well();
  if (peer.fd >= 0)
    peer_close(&peer);
  peer_close(&other);
  world_close(&w);
  return 0;
}

#define GET "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST                                                                  \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE                   \
  "Content-Length: 20\r\n\r\n{\"operation\":\"work\"}"

static unsigned int descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  unsigned int n = 0;

  assert_non_null(folder);
  while (readdir(folder) != NULL)
    n++;
  closedir(folder);
  return n;
}

static int is_alone(void *data) {
  (void) data;
  return world_stats(&w).connections == 1;
}

/* `peer` is let go of, with all that it had; `other` is not. */
static void expect_gone(void) {
  if (!peer_wait(&peer, &w.f.loop, NULL, 20000))
    fail_msg("still open: %.300s", peer.text);
  assert_true(run_until(&w.f.loop, is_alone, NULL, 20000));
  run_turns(&w.f.loop, 3);
  go_well();
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
}

static const int passing[] = { EINTR, EAGAIN };
static const int fatal[] = { ECONNRESET, EPIPE, ETIMEDOUT, ENOTCONN, ENOBUFS,
                             ENOMEM, EIO, EHOSTUNREACH, ENETDOWN };

enum {
  PASSING = sizeof(passing) / sizeof(passing[0]),
  FATAL = sizeof(fatal) / sizeof(fatal[0])
};

/* ---- what passes ---- */

static void a_read_that_is_put_off_is_done_again(void **state) {
  (void) state;
  for (int i = 0; i < PASSING; i++) {
    reading = (fault_t) { .error = passing[i], .times = 5 };
    assert_int_equal(ask_raw(&w, &peer, POST), 202);
    assert_int_equal(reading.failed, 5);
  }
}

static void a_write_that_is_put_off_is_done_again(void **state) {
  (void) state;
  for (int i = 0; i < PASSING; i++) {
    writing = (fault_t) { .error = passing[i], .times = 5 };
    assert_int_equal(ask_raw(&w, &peer, POST), 202);
    assert_int_equal(writing.failed, 5);
  }
}

static void bytes_may_come_and_go_one_by_one(void **state) {
  (void) state;
  reading.most = 1;
  writing.most = 1;
  assert_int_equal(ask_raw(&w, &peer, POST), 202);
  assert_int_equal(ask_raw(&w, &peer, GET), 200);
  assert_int_equal(ask_raw(&w, &peer, "GET / HTTP/1.1\nHost: a\n\n"), 400);
  assert_problem(&peer, 400, "bad_request");
}

static void a_stream_survives_what_passes(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *watcher;

  (void) state;
  writing.most = 7;
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 3);
  for (int i = 0; i < 20; i++) {
    writing = (fault_t) { .error = passing[i % PASSING], .times = 2,
                          .after = i % 3, .most = 7 };
    assert_ok(jobsrv_narrate(job, "count", "%d", i));
    watcher_wait(&w, watcher, (size_t) i + 4);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, watcher, 0);
  assert_true(watcher->ended);
  assert_int_equal(watcher->n, 25);
  watcher_free(watcher);
}

/* ---- what does not ---- */

static void expect_read_failure(const char *before, const char *then) {
  for (int i = 0; i < FATAL; i++) {
    unsigned int start;

    peer_send(&peer, before);
    run_turns(&w.f.loop, 5);
    start = descriptors();
    reading = (fault_t) { .error = fatal[i], .times = 1 };
    peer_send(&peer, then);
    expect_gone();
    assert_int_equal(descriptors(), start - 1);
    peer_close(&peer);
    peer_open(&peer, w.port);
  }
}

static void a_failed_read_ends_its_connection(void **state) {
  (void) state;
  expect_read_failure("", GET);
  expect_read_failure("GET /hea", "lth");
  expect_read_failure(GET, GET);
  expect_read_failure("POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
                      "Content-Length: 20\r\n\r\n{", "\"");
  expect_read_failure("BAD\r\n\r\n", "more"); /* while it lingers */
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

static void a_failed_write_ends_its_connection(void **state) {
  static const char *const requests[] = { GET, POST, "BAD\r\n\r\n" };

  (void) state;
  for (int i = 0; i < FATAL; i++) {
    for (size_t k = 0; k < sizeof(requests) / sizeof(requests[0]); k++) {
      writing = (fault_t) { .error = fatal[i], .times = 1 };
      peer_send(&peer, requests[k]);
      expect_gone();
      assert_int_equal(peer.len, 0);
      peer_close(&peer);
      peer_open(&peer, w.port);
    }
  }
}

/* Of an answer that is half sent. */
static void a_failed_write_of_the_rest_does_too(void **state) {
  (void) state;
  for (int i = 0; i < FATAL; i++) {
    writing = (fault_t) { .error = fatal[i], .times = 1, .after = 2,
                          .most = 40 };
    peer_send(&peer, GET);
    expect_gone();
    assert_int_equal(peer.len, 80);
    peer_close(&peer);
    peer_open(&peer, w.port);
  }
}

static int has_no_stream(void *data) {
  (void) data;
  return world_stats(&w).streams == 0;
}

static void a_failed_write_ends_one_stream_of_many(void **state) {
  (void) state;
  for (int i = 0; i < FATAL; i++) {
    jobsrv_job_t *job = fixture_begin(&w.f);
    watcher_t *a = watch(&w, job, "", "");
    watcher_t *b = watch(&w, job, "", "");

    watcher_wait(&w, a, 3);
    watcher_wait(&w, b, 3);
    assert_int_equal(world_stats(&w).streams, 2);
    writing = (fault_t) { .error = fatal[i], .times = 1 };
    assert_ok(jobsrv_narrate(job, "say", "one of you hears this"));
    run_turns(&w.f.loop, 5);
    assert_int_equal(world_stats(&w).streams, 1);
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    watcher_wait(&w, a, 0);
    watcher_wait(&w, b, 0);
    assert_int_equal(a->ended + b->ended, 1);
    assert_int_equal(a->eof + b->eof, 1);
    assert_int_equal((a->ended ? a : b)->n, 6);
    assert_true(run_until(&w.f.loop, has_no_stream, NULL, 20000));
    watcher_free(a);
    watcher_free(b);
    run_turns(&w.f.loop, 5);
  }
}

/* The opening of it, too. */
static void a_stream_whose_head_fails_is_none(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);

  (void) state;
  for (int i = 0; i < FATAL; i++) {
    watcher_t *watcher;

    writing = (fault_t) { .error = fatal[i], .times = 1 };
    watcher = watch(&w, job, "", "");
    watcher_wait(&w, watcher, 0);
    assert_true(watcher->eof);
    assert_int_equal(watcher->raw_len, 0);
    assert_int_equal(world_stats(&w).streams, 0);
    watcher_free(watcher);
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
}

static void a_failed_read_ends_its_stream(void **state) {
  (void) state;
  for (int i = 0; i < FATAL; i++) {
    jobsrv_job_t *job = fixture_begin(&w.f);
    watcher_t *watcher = watch(&w, job, "", "");

    watcher_wait(&w, watcher, 3);
    reading = (fault_t) { .error = fatal[i], .times = 1 };
    assert_int_equal(send(watcher->fd, "x", 1, MSG_NOSIGNAL), 1);
    assert_true(run_until(&w.f.loop, has_no_stream, NULL, 20000));
    go_well();
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    watcher_free(watcher);
  }
}

/* ---- what the network says ---- */

static void reset(int fd) {
  struct linger now = { 1, 0 };

  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
                   0);
  close(fd);
}

static void who_resets_is_gone_wherever_it_stands(void **state) {
  static const char *const sent[] = {
    "", "GET / HT", GET,
    "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    "BAD\r\n\r\n",
  };
  unsigned int start;

  (void) state;
  peer_close(&peer);
  run_turns(&w.f.loop, 5);
  start = descriptors();
  for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
    peer_open(&peer, w.port);
    peer_send(&peer, sent[i]);
    run_turns(&w.f.loop, 5);
    reset(peer.fd);
    peer.fd = -1;
    assert_true(run_until(&w.f.loop, is_alone, NULL, 20000));
    run_turns(&w.f.loop, 3);
    assert_int_equal(descriptors(), start);
  }
  assert_int_equal(ask(&w, &other, "GET /health", "", NULL), 200);
}

static void who_resets_leaves_the_stream(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *stays = watch(&w, job, "", "");

  (void) state;
  watcher_wait(&w, stays, 3);
  for (int i = 0; i < 5; i++) {
    watcher_t *leaves = watch(&w, job, "", "");

    watcher_wait(&w, leaves, 3);
    reset(leaves->fd);
    leaves->fd = -1;
    watcher_free(leaves);
    assert_ok(jobsrv_narrate(job, "say", "%d", i));
    watcher_wait(&w, stays, (size_t) i + 4);
  }
  run_turns(&w.f.loop, 5);
  assert_int_equal(world_stats(&w).streams, 1);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, stays, 0);
  watcher_free(stays);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_read_that_is_put_off_is_done_again),
  CASE(a_write_that_is_put_off_is_done_again),
  CASE(bytes_may_come_and_go_one_by_one),
  CASE(a_stream_survives_what_passes),
  CASE(a_failed_read_ends_its_connection),
  CASE(a_failed_write_ends_its_connection),
  CASE(a_failed_write_of_the_rest_does_too),
  CASE(a_failed_write_ends_one_stream_of_many),
  CASE(a_stream_whose_head_fails_is_none),
  CASE(a_failed_read_ends_its_stream),
  CASE(who_resets_is_gone_wherever_it_stands),
  CASE(who_resets_leaves_the_stream),
};

RUN(tests);
