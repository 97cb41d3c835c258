/* SPDX-License-Identifier: MIT */

/*
 * Row 21: timers on a live loop, by the system's clock. How late a timer is
 * depends on the machine too, which may give the processor to others: what the
 * scheduler says this thread has waited for one does not count, and of several
 * rounds the best does, in it 99 timers in a hundred. That none is early holds
 * in every round, for every timer.
 */

#include "test.h"

#include "jobsrv/jobsrv.h"
#include "jobsrv/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

#define MS UINT64_C(1000000)

enum { TIMERS = 10000, ROUNDS = 3, SPAN_MS = 400, IDLE_MS = 300, SAMPLES = 64 };

typedef struct {
  jobsrv_timer_t timer;
  uint64_t deadline;
  uint64_t late;
  int fired;
} fuse;

typedef struct {
  uint64_t when;
  uint64_t waited; /* for a processor, until then */
} sample;

typedef struct {
  uv_loop_t loop;
  jobsrv_t *srv;
  fuse *timers;
  int left;
  int early;
  int schedstat;           /* descriptor; -1: there is none */
  sample samples[SAMPLES]; /* before the loop slept, the newest ones */
  size_t nsamples;
  uint64_t seed;
  uint64_t iterations;
  int closed;
} world;

static uint64_t next_random(world *w) {
  w->seed ^= w->seed << 13;
  w->seed ^= w->seed >> 7;
  w->seed ^= w->seed << 17;
  return w->seed;
}

static void on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((world *) data)->closed = 1;
}

static int is_closed(void *data) {
  return ((world *) data)->closed;
}

static int open_world(void **state) {
  world *w = calloc(1, sizeof(*w));

  assert_non_null(w);
  w->seed = UINT64_C(0x9e3779b97f4a7c15);
  assert_ok(uv_loop_init(&w->loop));
  assert_ok(jobsrv_new(&w->srv, &w->loop, NULL));
  jobsrv_run_turns(&w->loop, 5);
  *state = w;
  return 0;
}

static int close_world(void **state) {
  world *w = *state;

  jobsrv_close(w->srv, on_closed, w);
  assert_true(jobsrv_run_until(&w->loop, is_closed, w, 20000));
  jobsrv_run_turns(&w->loop, 3);
  assert_ok(uv_loop_close(&w->loop));
  free(w->timers);
  free(w);
  return 0;
}

/* ---- ten thousand ---- */

/* For how long this thread was ready to run and did not, ever. */
static uint64_t waited(const world *w) {
  unsigned long long ran, ready;
  char text[96];
  ssize_t n = pread(w->schedstat, text, sizeof(text) - 1, 0);

  if (n <= 0)
    return 0;
  text[n] = '\0';
  return sscanf(text, "%llu %llu", &ran, &ready) == 2 ? ready : 0;
}

static void on_handle_closed(uv_handle_t *handle) {
  ((world *) handle->data)->left--;
}

static void before_sleep(uv_prepare_t *prepare) {
  world *w = prepare->data;

  w->samples[w->nsamples++ % SAMPLES] = (sample) { jobsrv_now(w->srv),
                                                   waited(w) };
}

/* How much of the time since then this thread was kept from running. */
static uint64_t kept_since(const world *w, uint64_t deadline) {
  size_t n = w->nsamples;

  while (n > 0 && w->nsamples - n < SAMPLES - 1 &&
         w->samples[(n - 1) % SAMPLES].when > deadline)
    n--;
  return n == 0 ? 0 : waited(w) - w->samples[(n - 1) % SAMPLES].waited;
}

static void on_timer(jobsrv_timer_t *timer) {
  world *w = timer->data;
  fuse *t = (fuse *) (void *) timer;
  uint64_t now = jobsrv_now(w->srv);

  t->fired++;
  w->early += now < t->deadline;
  t->late = now - t->deadline;
  if (t->late > 2 * MS) {
    uint64_t kept = kept_since(w, t->deadline);

    t->late -= kept < t->late ? kept : t->late;
  }
  w->left--;
}

static int none_is_left(void *data) {
  return ((world *) data)->left == 0;
}

static int by_lateness(const void *a, const void *b) {
  const fuse *x = a, *y = b;

  return x->late < y->late ? -1 : x->late > y->late;
}

/* In how many nanoseconds after their time 99 in a hundred have fired. */
static uint64_t one_round(world *w) {
  uint64_t start = jobsrv_now(w->srv) + 20 * MS, late;

  memset(w->timers, 0, TIMERS * sizeof(*w->timers));
  w->left = TIMERS;
  for (int i = 0; i < TIMERS; i++) {
    fuse *t = &w->timers[i];

    t->timer.data = w;
    t->deadline = start + next_random(w) % (SPAN_MS * MS);
    jobsrv_timer_arm(w->srv, &t->timer, t->deadline, on_timer);
  }
  assert_true(jobsrv_run_until(&w->loop, none_is_left, w, 20000));
  assert_int_equal(w->early, 0);
  for (int i = 0; i < TIMERS; i++)
    assert_int_equal(w->timers[i].fired, 1);

  qsort(w->timers, TIMERS, sizeof(*w->timers), by_lateness);
  late = w->timers[TIMERS * 99 / 100].late;
  print_message("late: half %llu us, 99 %% %llu us, all %llu us\n",
                (unsigned long long) w->timers[TIMERS / 2].late / 1000,
                (unsigned long long) late / 1000,
                (unsigned long long) w->timers[TIMERS - 1].late / 1000);
  return late;
}

static void ten_thousand_timers_fire_within_two_milliseconds(void **state) {
  world *w = *state;
  uv_prepare_t prepare = { .data = w };
  uint64_t best = UINT64_MAX;

  w->schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  assert_ok(uv_prepare_init(&w->loop, &prepare));
  assert_ok(uv_prepare_start(&prepare, before_sleep));
  w->timers = calloc(TIMERS, sizeof(*w->timers));
  assert_non_null(w->timers);
  for (int i = 0; i < ROUNDS && best > 2 * MS; i++) {
    uint64_t late = one_round(w);

    best = late < best ? late : best;
  }
  w->left = 1;
  uv_close((uv_handle_t *) &prepare, on_handle_closed);
  assert_true(jobsrv_run_until(&w->loop, none_is_left, w, 20000));
  if (w->schedstat >= 0)
    close(w->schedstat);
  assert_true(best <= 2 * MS);
}

/* ---- and none at all ---- */

static void on_prepare(uv_prepare_t *prepare) {
  ((world *) prepare->data)->iterations++;
}

static void on_enough(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

/* Runs the loop for a while in which nobody wants anything of it. */
static void idle(world *w) {
  uv_prepare_t prepare = { .data = w };
  uv_timer_t timer = { .data = w };

  w->iterations = 0;
  w->left = 2;
  assert_ok(uv_prepare_init(&w->loop, &prepare));
  assert_ok(uv_timer_init(&w->loop, &timer));
  assert_ok(uv_prepare_start(&prepare, on_prepare));
  uv_update_time(&w->loop);
  assert_ok(uv_timer_start(&timer, on_enough, IDLE_MS, 0));
  uv_run(&w->loop, UV_RUN_DEFAULT);
  uv_close((uv_handle_t *) &prepare, on_handle_closed);
  uv_close((uv_handle_t *) &timer, on_handle_closed);
  assert_true(jobsrv_run_until(&w->loop, none_is_left, w, 20000));
}

static jobsrv_stats_t stats_of(const world *w) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(w->srv, &stats);
  return stats;
}

static void an_idle_server_never_wakes_up(void **state) {
  world *w = *state;
  jobsrv_stats_t before = stats_of(w), after;

  idle(w);
  after = stats_of(w);
  assert_int_equal(after.wakes, before.wakes);
  assert_int_equal(after.timer_wakes, before.timer_wakes);
  /* The one that waits, and at most one more when our own timer is early by
     the loop's millisecond. */
  assert_true(w->iterations >= 1 && w->iterations <= 2);
}

/* What has run and is kept for ten minutes is no reason to wake up before. */
static void a_retained_job_wakes_nobody(void **state) {
  world *w = *state;
  jobsrv_stats_t before, after;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  assert_ok(jobsrv_begin(w->srv, &spec, &job));
  jobsrv_run_turns(&w->loop, 3);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  jobsrv_run_turns(&w->loop, 5);

  before = stats_of(w);
  assert_int_equal(before.retained, 1);
  idle(w);
  after = stats_of(w);
  assert_int_equal(after.wakes, before.wakes);
  /* A far deadline may be looked at once on its way down the wheel. */
  assert_true(after.timer_wakes <= before.timer_wakes + 1);
  assert_true(w->iterations >= 1 && w->iterations <= 3);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_setup_teardown(
      ten_thousand_timers_fire_within_two_milliseconds, open_world,
      close_world),
  cmocka_unit_test_setup_teardown(an_idle_server_never_wakes_up, open_world,
                                  close_world),
  cmocka_unit_test_setup_teardown(a_retained_job_wakes_nobody, open_world,
                                  close_world),
};

RUN(tests);
