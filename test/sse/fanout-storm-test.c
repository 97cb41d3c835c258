/* SPDX-License-Identifier: MIT */

/*
 * All at once: threads that narrate, logs that are trimmed, streams that come,
 * read a little, stand still, leave and end, on two loops of their own.
 */

#include "sse/watcher.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { JOBS = 3, THREADS = 4, WATCHERS = 12, ROUNDS = 120 };

static world w;
static jobsrv_job_t *jobs[JOBS];
static watcher_t *watchers[WATCHERS];
static _Atomic(jobsrv_job_t *) told; /* what the threads narrate to */
static atomic_int stops;
static sem_t rounds_due;
static atomic_int readers;
static uint64_t seed = 20261123;

static unsigned int dice(unsigned int sides) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (unsigned int) (seed >> 33) % sides;
}

/* The job is not let go of while it is being taken. */
static jobsrv_job_t *take_told(void) {
  jobsrv_job_t *job;

  atomic_fetch_add(&readers, 1);
  job = jobsrv_job_ref(atomic_load(&told));
  atomic_fetch_sub(&readers, 1);
  return job;
}

static void *narrate(void *arg) {
  unsigned int n = 0;

  (void) arg;
  for (;;) {
    jobsrv_job_t *job;

    while (sem_wait(&rounds_due) != 0)
      ;
    if (atomic_load(&stops))
      break;
    job = take_told();

    for (int i = 0; i < 10; i++)
      (void) jobsrv_narrate(job, "say", "%u from a thread", n++);
    jobsrv_job_unref(job);
  }
  return NULL;
}

static void new_job(int i) {
  jobsrv_job_t *old = jobs[i];
  jobsrv_job_t *none;

  jobs[i] = jobsrv_job_ref(fixture_begin(&w.f));
  if (old == NULL)
    return;
  none = atomic_load(&told);
  if (none == old) {
    atomic_store(&told, jobs[i]);
    while (atomic_load(&readers) > 0)
      ;
  }
  jobsrv_job_unref(old);
}

/* Whole numbers from the first to the last, or told of as gone. */
static void assert_in_order(const watcher_t *watcher) {
  uint64_t seq = 0;

  for (size_t i = 0; i < watcher->n; i++) {
    const sse_event_t *event = &watcher->events[i];
    const char *from = strstr(event->text, "\"missed_from\":");

    if (is_opening(event) || is_end(event) || event->seq == 0)
      continue;
    if (strncmp(strchr(event->text, '\n'), "\ndata: [", 8) == 0)
      return; /* the marker */
    if (is_gap(event))
      assert_int_equal(strtoull(from + 14, NULL, 10), seq + 1);
    else
      assert_int_equal(event->seq, seq + 1);
    seq = event->seq;
  }
}

static void replace(int i) {
  if (watchers[i] != NULL) {
    assert_in_order(watchers[i]);
    watcher_free(watchers[i]);
  }
  watchers[i] = watcher_open(&w, dice(2) ? 4096 : 0);
  watcher_ask(watchers[i], jobs[dice(JOBS)], 1, "",
              dice(8) == 0 ? "Connection: close\r\n" : "");
}

static void do_something(int i) {
  watcher_t *watcher = watchers[i];

  switch (dice(16)) {
  case 0:
    replace(i);
    return;
  case 1:
    (void) send(watcher->fd, "GET /health HTTP/1.1\r\n", 22, MSG_NOSIGNAL);
    break;
  case 2:
    (void) shutdown(watcher->fd, SHUT_WR);
    break;
  case 3:
  case 4: /* stands still */
    break;
  default:
    watcher_read(watcher, watcher->raw_len + dice(60000));
    if (watcher->eof || watcher->ended || watcher->n > WATCHER_EVENTS / 2)
      replace(i);
    break;
  }
}

static void end_job(int i) {
  if (dice(2))
    assert_ok(jobsrv_job_complete(jobs[i], NULL, 0));
  else
    (void) jobsrv_job_cancel(jobs[i], NULL);
  new_job(i);
}

static void run(int rounds) {
  jobsrv_progress_t progress = { .total = ROUNDS };

  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < THREADS; i++)
      sem_post(&rounds_due);
    for (int i = 0; i < WATCHERS; i++)
      do_something(i);
    for (int i = 0; i < JOBS; i++) {
      for (unsigned int k = dice(20); k > 0; k--)
        (void) jobsrv_narrate(jobs[i], "say", "%0*d", (int) dice(500), round);
      progress.done = round;
      (void) jobsrv_progress(jobs[i], &progress);
    }
    if (dice(20) == 0)
      end_job((int) dice(JOBS));
    fixture_ms(&w.f, dice(50));
  }
}

static void streams_on_threads_survive_everything(void **state) {
  pthread_t threads[THREADS];

  (void) state;
  memset(&w, 0, sizeof(w));
  memset(jobs, 0, sizeof(jobs));
  memset(watchers, 0, sizeof(watchers));
  atomic_store(&stops, 0);
  assert_int_equal(sem_init(&rounds_due, 0, 0), 0);
  w.f.options.max_events_per_job = 128;
  w.f.options.max_bytes_total = 128 * 1024;
  w.options.send_buffer = 8192;
  w.options.heartbeat_ms = 100;
  w.options.write_stall_ms = 2000;
  w.options.max_stream_ms = 9000;
  w.options.fanout_loops = 2;
  world_open(&w);
  for (int i = 0; i < JOBS; i++)
    new_job(i);
  atomic_store(&told, jobs[0]);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, narrate, NULL), 0);
  for (int i = 0; i < WATCHERS; i++)
    replace(i);
  run(ROUNDS);
  atomic_store(&stops, 1);
  for (int i = 0; i < THREADS; i++)
    sem_post(&rounds_due);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_true(world_stats(&w).streams_opened > WATCHERS);
  world_close(&w);
  for (int i = 0; i < WATCHERS; i++) {
    assert_in_order(watchers[i]);
    watcher_free(watchers[i]);
  }
  for (int i = 0; i < JOBS; i++)
    jobsrv_job_unref(jobs[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(streams_on_threads_survive_everything),
  };

  return RUN_GROUP(tests);
}
