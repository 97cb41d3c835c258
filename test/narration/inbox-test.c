/* SPDX-License-Identifier: MIT */

/* Narration that comes from other threads: its memory, its order, its bound. */

#include "world.h"

#include <pthread.h>
#include <stdatomic.h>

static jobsrv_stats_t stats_of(const world_t *world) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(world->srv, &stats);
  return stats;
}

static void run_thread(void *(*run)(void *), void *arg) {
  pthread_t thread;

  assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
  pthread_join(thread, NULL);
}

typedef struct {
  jobsrv_job_t *job;
  int from;
  int count;
  int taken;
  int no_memory;
} talker_t;

static void *talk(void *arg) {
  talker_t *talker = arg;

  for (int i = 0; i < talker->count; i++) {
    int err = jobsrv_narrate(talker->job, "talk", "line %d of what there is",
                             talker->from + i);

    talker->taken += err == 0;
    talker->no_memory += err == UV_ENOMEM;
    (void) jobsrv_progressed(talker->job, i, talker->count, .unit = "lines");
  }
  return NULL;
}

/* ---- memory ---- */

static void nothing_is_allocated_when_the_loop_keeps_up(void **state) {
  talker_t talker = { .count = 50 };
  uint64_t requests = 0;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_per_job = 64 * 1024;
  world_start(&world);
  talker.job = begin_job(&world);
  for (int round = 0; round < 300; round++) {
    if (round == 100)
      requests = jobsrv_faults_requests(&world.faults);
    run_thread(talk, &talker);
    world_turn(&world);
  }
  assert_int_equal(talker.taken, 300 * 50);
  assert_int_equal(jobsrv_faults_requests(&world.faults), requests);
  world_close(&world);
}

static void a_burst_leaves_little_and_rest_leaves_nothing(void **state) {
  talker_t talker = { .count = 20000 };
  talker_t one = { .count = 1 };
  jobsrv_stats_t stats;
  world_t world;

  (void) state;
  world_open(&world);
  one.job = talker.job = begin_job(&world);
  assert_int_equal(stats_of(&world).inbox_memory, 0);
  run_thread(talk, &talker);
  stats = stats_of(&world);
  assert_in_range(stats.inbox_bytes, 20000 * 200, 20000 * 600);
  assert_true(stats.inbox_memory >= stats.inbox_bytes);
  for (int i = 0; i < 20; i++)
    world_turn(&world);
  stats = stats_of(&world);
  assert_int_equal(last_seq(talker.job), 2 + 20000);
  assert_int_equal(stats.inbox_bytes, 0);
  assert_in_range(stats.inbox_memory, 1, 256 * 1024);

  world_pass(&world, 4000);
  run_thread(talk, &one);
  world_turn(&world);
  world_pass(&world, 4000); /* something came in the first five seconds */
  assert_true(stats_of(&world).inbox_memory > 0);
  world_pass(&world, 10000);
  assert_int_equal(stats_of(&world).inbox_memory, 0);
  run_thread(talk, &one);
  world_turn(&world);
  assert_int_equal(last_seq(talker.job), 2 + 20002);
  world_close(&world);
}

static int lines_of(jobsrv_job_t *job, int *dropped) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  int lines = 0;

  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  while (jobsrv_cursor_next(&cursor, &entry, &gap) == JOBSRV_READ_EVENTS) {
    json_t *json = json_loadb(entry.json, entry.json_len, 0, NULL);

    lines += entry.kind == JOBSRV_KIND_NARRATION;
    if (entry.kind == JOBSRV_KIND_DROPPED)
      *dropped += (int) int_of(json, "count");
    json_decref(json);
  }
  jobsrv_cursor_detach(&cursor);
  return lines;
}

/* Each request fails once: on the thread, then on the loop. */
static void what_no_memory_lost_is_announced(void **state) {
  int hit = 1;

  (void) state;
  for (uint64_t after = 0; hit; after++) {
    talker_t talker = { .count = 30 };
    jobsrv_capture_t *seen;
    world_t world;
    int dropped = 0;

    world_open(&world);
    assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
    talker.job = begin_job(&world);
    jobsrv_faults_fail(&world.faults, after, 1);
    run_thread(talk, &talker);
    world_turn(&world);
    hit = jobsrv_faults_hit(&world.faults);
    jobsrv_faults_fail(&world.faults, UINT64_MAX, 0);
    assert_int_equal(talker.taken + talker.no_memory, 30);
    assert_in_range(talker.no_memory, 0, 1);
    assert_ok(jobsrv_narrate(talker.job, "say", "the last"));
    world_turn(&world);
    assert_int_equal(lines_of(talker.job, &dropped) + dropped, 31);
    assert_in_range(dropped, talker.no_memory, 1);
    assert_int_equal(stats_of(&world).dropped, dropped);
    jobsrv_capture_free(seen);
    world_close(&world);
  }
}

/* ---- order ---- */

static void *talk_at_length(void *arg) {
  static const size_t sizes[] = { 10, 3000, 20, 5000, 9000, 30, 60000, 40,
                                  40000, 31000, 50 };
  jobsrv_job_t *job = arg;
  char *text = malloc(60001);

  for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
    size_t len = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];

    memset(text, 'a' + (int) i, len);
    text[len] = '\0';
    if (jobsrv_narrate_event(job, &(jobsrv_event_t) { .human = text }) != 0)
      break;
  }
  free(text);
  return NULL;
}

static void long_ones_keep_their_place(void **state) {
  jobsrv_capture_t *seen;
  jobsrv_match_t said = { .action = "say" };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  run_thread(talk_at_length, job);
  world_turn(&world);
  assert_int_equal(jobsrv_capture_count(seen, &said), 22);
  for (size_t i = 0; i < 22; i++)
    assert_int_equal(jobsrv_capture_get(seen, &said, i)->human[0],
                     'a' + (int) i);
  jobsrv_capture_free(seen);
  world_close(&world);
}

enum { THREADS = 4, JOBS = 300, LINES = 7 };

typedef struct {
  jobsrv_job_t *jobs[JOBS];
  atomic_int *left;
} worker_t;

/* A job's lines, then its end, then the next job's. */
static void *work(void *arg) {
  worker_t *worker = arg;

  for (int i = 0; i < JOBS; i++) {
    talker_t talker = { .job = worker->jobs[i], .count = LINES };

    talk(&talker);
    (void) jobsrv_job_complete(worker->jobs[i], NULL, 0);
    if (talker.taken != LINES)
      abort();
  }
  atomic_fetch_sub(worker->left, 1);
  return NULL;
}

static int is_over(void *data) {
  return atomic_load((atomic_int *) data) == 0;
}

static void what_is_said_before_a_finish_comes_before_the_end(void **state) {
  static worker_t workers[THREADS];
  pthread_t threads[THREADS];
  atomic_int left = THREADS;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_retained = THREADS * JOBS;
  world_start(&world);
  for (int i = 0; i < THREADS; i++) {
    workers[i].left = &left;
    for (int k = 0; k < JOBS; k++)
      workers[i].jobs[k] = begin_job(&world);
  }
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  assert_true(run_until(&world.loop, is_over, &left, 60000));
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  for (int i = 0; i < 20; i++)
    world_turn(&world);
  for (int i = 0; i < THREADS; i++)
    for (int k = 0; k < JOBS; k++) {
      assert_true(jobsrv_until_ended(workers[i].jobs[k]));
      assert_int_equal(last_seq(workers[i].jobs[k]), 2 + LINES + 1);
    }
  assert_int_equal(stats_of(&world).late_events, 0);
  world_close(&world);
}

/* Nothing keeps a job for what is on its way: gone, it had ended. */
static void words_to_a_slot_that_is_anothers_are_late(void **state) {
  talker_t talker = { .count = 3 };
  jobsrv_handle_t handle;
  jobsrv_job_t *next;
  jobsrv_spec_t spec;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.retain_ms = 10;
  world_start(&world);
  jobsrv_spec_init(&spec);
  spec.deadline_ms = 10;
  assert_ok(jobsrv_begin(world.srv, &spec, &talker.job));
  handle = jobsrv_job_handle(talker.job);
  run_thread(talk, &talker);
  assert_int_equal(talker.taken, 3);
  /* the clocks are looked at before the inbox */
  jobsrv_manual_clock_advance(&world.clock, 11 * 1000000);
  jobsrv_manual_clock_advance(&world.clock, UINT64_C(5001) * 1000000);
  jobsrv_manual_clock_advance(&world.clock, 11 * 1000000);
  assert_null(jobsrv_job_by_handle(world.srv, handle));
  next = begin_job(&world);
  assert_ptr_equal(next, talker.job);
  world_turn(&world);
  assert_int_equal(stats_of(&world).late_events, 3);
  assert_int_equal(last_seq(next), 2);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(nothing_is_allocated_when_the_loop_keeps_up),
  cmocka_unit_test(a_burst_leaves_little_and_rest_leaves_nothing),
  cmocka_unit_test(what_no_memory_lost_is_announced),
  cmocka_unit_test(long_ones_keep_their_place),
  cmocka_unit_test(what_is_said_before_a_finish_comes_before_the_end),
  cmocka_unit_test(words_to_a_slot_that_is_anothers_are_late),
};

RUN(tests);
