/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

#include <sys/syscall.h>

/*
 * Sockets that take a few bytes of every write: whatever a stream sends may be
 * cut anywhere, and arrives whole all the same.
 */

static world w;
static size_t limit;     /* of a write; 0: none */
static unsigned int calls;

/* In place of the C library's, for all that is linked into this program. */
ssize_t send(int fd, const void *data, size_t len, int flags) {
  /* only the server asks not to wait */
  if (limit > 0 && (flags & MSG_DONTWAIT) != 0) {
    if (++calls % 3 == 0) {
      errno = EAGAIN;
      return -1;
    }
    len = len < limit ? len : limit;
  }
  return syscall(SYS_sendto, fd, data, len, flags, NULL, 0);
}

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  limit = 0;
  w.f.options.max_events_per_job = 40;
  world_open(&w);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  limit = 0;
  world_close(&w);
  return 0;
}

static jobsrv_job_t *trimmed_job(void) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  jobsrv_progress_t progress = { .done = 1, .total = 2, .unit = "files" };

  for (int i = 0; i < 200; i++)
    assert_ok(jobsrv_narrate(job, "count", "line %d", i));
  assert_ok(jobsrv_progress(job, &progress));
  assert_ok(jobsrv_job_fail(job, NULL, "a\nb"));
  return job;
}

static void times_are_alike(watcher_t *a, watcher_t *b, size_t i) {
  assert_int_equal(a->events[i].len, b->events[i].len);
  assert_string_equal(a->events[i].text, b->events[i].text);
}

/* Time stands still, so even the frames that are no log's are the same. */
static void every_frame_survives(int minor, const char *fields) {
  static const size_t limits[] = { 1, 2, 3, 7, 8, 10, 13, 64, 301 };
  jobsrv_job_t *job = trimmed_job();
  watcher_t *whole = watcher_open(&w, 0);

  watcher_ask(whole, job, minor, "", fields);
  watcher_wait(&w, whole, 0);
  assert_true(whole->n > 20);
  for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
    watcher_t *part = watcher_open(&w, 0);

    limit = limits[i];
    watcher_ask(part, job, minor, "", fields);
    watcher_wait(&w, part, 0);
    assert_int_equal(part->n, whole->n);
    assert_int_equal(part->body_len, whole->body_len);
    for (size_t k = 0; k < whole->n; k++)
      times_are_alike(part, whole, k);
    watcher_free(part);
    limit = 0;
  }
  watcher_free(whole);
}

static void every_frame_survives_in_chunks(void **state) {
  (void) state;
  every_frame_survives(1, "");
}

static void every_frame_survives_without_chunks(void **state) {
  (void) state;
  every_frame_survives(0, "");
}

static void every_frame_survives_after_a_restart(void **state) {
  (void) state;
  every_frame_survives(1, "Last-Event-ID: zzz-1\r\n");
  every_frame_survives(0, "Last-Event-ID: zzz-1\r\n");
}

static int has_beaten(void *data) {
  watcher_t *watcher = data;

  watcher_read(watcher, WATCHER_RAW);
  return watcher->comments > 0;
}

static void a_beat_survives_and_what_follows(void **state) {
  (void) state;
  for (int minor = 0; minor < 2; minor++) {
    jobsrv_job_t *job = fixture_begin(&w.f);
    watcher_t *watcher = watcher_open(&w, 0);

    watcher_ask(watcher, job, minor, "", "");
    watcher_wait(&w, watcher, 3);
    limit = 2;
    fixture_ms(&w.f, 15000);
    /* behind what is left of the comment */
    assert_ok(jobsrv_narrate(job, "count", "line"));
    watcher_wait(&w, watcher, 4);
    assert_true(run_until(&w.f.loop, has_beaten, watcher, 2000));
    assert_int_equal(watcher->comments, 1);
    assert_int_equal(watcher->events[3].seq, 3);
    watcher_free(watcher);
    limit = 0;
  }
}

static void answers_survive_too(void **state) {
  static const size_t limits[] = { 1, 5, 100 };
  peer_t *whole = calloc(1, sizeof(*whole));
  peer_t *part = calloc(1, sizeof(*part));
  jobsrv_job_t *job = fixture_begin(&w.f);
  const char *fields = "X-Request-Id: a\r\nX-Correlation-Id: b\r\n";

  (void) state;
  peer_open(whole, w.port);
  peer_open(part, w.port);
  assert_int_equal(ask(&w, whole, line_of("GET", job, ""), fields, NULL), 200);
  for (size_t i = 0; i < 3; i++) {
    limit = limits[i];
    assert_int_equal(ask(&w, part, line_of("GET", job, ""), fields, NULL),
                     200);
    assert_string_equal(part->text, whole->text);
    limit = 0;
  }
  peer_close(whole);
  peer_close(part);
  free(whole);
  free(part);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(every_frame_survives_in_chunks),
  CASE(every_frame_survives_without_chunks),
  CASE(every_frame_survives_after_a_restart),
  CASE(a_beat_survives_and_what_follows),
  CASE(answers_survive_too),
};

RUN(tests);
