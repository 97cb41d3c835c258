/* SPDX-License-Identifier: MIT */

/* Spans that are begun, entered and ended on many threads at once. */

#include "world.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 200 };

typedef struct {
  jobsrv_job_t *mine;
  jobsrv_job_t *shared;
  jobsrv_span_t *to_end; /* begun by another thread */
  const jobsrv_span_t *root;
  int n;
} worker_t;

/* Its own job and one that all share, by turns, one inside the other. */
static void *work(void *arg) {
  worker_t *worker = arg;
  jobsrv_context_t outer, inner;
  jobsrv_span_t a, b;

  for (int i = 0; i < ROUNDS; i++) {
    assert_ok(jobsrv_span_begin(&a, worker->mine, "mine"));
    jobsrv_span_enter(&outer, &a);
    assert_ok(jobsrv_info(NULL, "of_mine", "%d", worker->n));
    assert_ok(jobsrv_span_begin_in(&b, worker->root, "shared"));
    jobsrv_span_enter(&inner, &b);
    assert_ok(jobsrv_info(NULL, "of_shared", "%d", worker->n));
    jobsrv_context_leave(&inner);
    assert_ok(jobsrv_span_end(&a, JOBSRV_SPAN_OK, NULL));
    assert_ok(jobsrv_span_end(&b, JOBSRV_SPAN_CANCELLED, NULL));
    jobsrv_context_leave(&outer);
  }
  assert_ok(jobsrv_span_end(worker->to_end, JOBSRV_SPAN_OK, "elsewhere"));
  return NULL;
}

static uint32_t open_spans(const jobsrv_job_t *job) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(job, &info);
  return info.open_spans;
}

static size_t count(jobsrv_capture_t *seen,
                    const char *action,
                    const char *job_id) {
  return jobsrv_capture_count(
      seen, &(jobsrv_match_t) { .action = action, .job_id = job_id });
}

static int compare(const void *a, const void *b) {
  return memcmp(a, b, 17);
}

/* No id of a job's spans comes twice; what is inside of one is the job's. */
static void check_ids(jobsrv_capture_t *seen,
                      const char *job_id,
                      const char *inside,
                      size_t n) {
  char(*ids)[17] = calloc(n, sizeof(*ids));
  const jobsrv_match_t begins = { .action = "span_begin", .job_id = job_id };
  const jobsrv_match_t others = { .action = inside, .job_id = job_id };

  assert_non_null(ids);
  for (size_t i = 0; i < n; i++) {
    const jobsrv_event_t *event = jobsrv_capture_get(seen, &begins, i);

    assert_non_null(event);
    memcpy(ids[i], event->span_id, 17);
  }
  qsort(ids, n, sizeof(*ids), compare);
  for (size_t i = 1; i < n; i++)
    assert_string_not_equal(ids[i], ids[i - 1]);
  for (size_t i = 0; i < n; i += 37) {
    const jobsrv_event_t *event = jobsrv_capture_get(seen, &others, i);

    if (event != NULL)
      assert_non_null(
          bsearch(event->span_id, ids, n, sizeof(*ids), compare));
  }
  free(ids);
}

static void eight_threads_do_not_mix(void **state) {
  char shared_id[JOBSRV_ID_SIZE], id[JOBSRV_ID_SIZE];
  jobsrv_span_t root, begun[THREADS];
  worker_t workers[THREADS];
  pthread_t threads[THREADS];
  jobsrv_capture_t *seen;
  jobsrv_job_t *shared;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 100000));
  shared = begin_job(&world);
  jobsrv_job_id(shared, shared_id);
  assert_ok(jobsrv_job_set_level(shared, JOBSRV_DEBUG));
  assert_ok(jobsrv_span_begin(&root, shared, "root"));
  for (int i = 0; i < THREADS; i++) {
    workers[i] = (worker_t) { .mine = begin_job(&world), .shared = shared,
                              .to_end = &begun[i], .root = &root, .n = i };
    assert_ok(jobsrv_job_set_level(workers[i].mine, JOBSRV_DEBUG));
    assert_ok(jobsrv_span_begin(&begun[i], shared, "handed over"));
  }
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  for (int i = 0; i < 200; i++)
    world_turn(&world);
  assert_int_equal(open_spans(shared), 1);
  assert_ok(jobsrv_span_end(&root, JOBSRV_SPAN_OK, NULL));
  assert_int_equal(open_spans(shared), 0);
  assert_int_equal(count(seen, "span_begin", shared_id),
                   1 + THREADS + THREADS * ROUNDS);
  assert_int_equal(count(seen, "span_end", shared_id),
                   1 + THREADS + THREADS * ROUNDS);
  assert_int_equal(count(seen, "of_shared", shared_id), THREADS * ROUNDS);
  assert_int_equal(count(seen, "of_mine", shared_id), 0);
  check_ids(seen, shared_id, "of_shared", 1 + THREADS + THREADS * ROUNDS);
  for (int i = 0; i < THREADS; i++) {
    jobsrv_job_id(workers[i].mine, id);
    assert_int_equal(count(seen, "span_begin", id), ROUNDS);
    assert_int_equal(count(seen, "span_end", id), ROUNDS);
    assert_int_equal(count(seen, "of_mine", id), ROUNDS);
    assert_int_equal(count(seen, "of_shared", id), 0);
  }
  jobsrv_capture_free(seen);
  world_close(&world);
}

/* All end the same ones: each has one winner. */
typedef struct {
  jobsrv_span_t *spans;
  int won;
} racer_t;

static void *race(void *arg) {
  racer_t *racer = arg;

  for (int i = 0; i < ROUNDS; i++)
    if (jobsrv_span_end(&racer->spans[i], JOBSRV_SPAN_OK, NULL) !=
        JOBSRV_ESETTLED)
      racer->won++;
  return NULL;
}

static void of_many_that_end_one_wins(void **state) {
  jobsrv_span_t spans[ROUNDS];
  racer_t racers[THREADS];
  pthread_t threads[THREADS];
  jobsrv_job_t *job;
  world_t world;
  int won = 0;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_job_set_level(job, JOBSRV_DEBUG));
  for (int i = 0; i < ROUNDS; i++)
    assert_ok(jobsrv_span_begin(&spans[i], job, "race"));
  for (int i = 0; i < THREADS; i++) {
    racers[i] = (racer_t) { .spans = spans };
    assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
  }
  if (loop_mode() != LOOP_THREAD) /* the job's own end races with them */
    assert_ok(jobsrv_job_complete(job, NULL, 0));
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    won += racers[i].won;
  }
  assert_int_equal(won, ROUNDS);
  for (int i = 0; i < 50; i++)
    world_turn(&world);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(eight_threads_do_not_mix),
  cmocka_unit_test(of_many_that_end_one_wins),
};

RUN(tests);
