/* SPDX-License-Identifier: MIT */

/* Rows 26 and 75: one winner, whichever thread is faster. */

#include "test.h"

#include "jobsrv/testing.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <uv.h>

/*
 * Complete, fail, cancel and timeout against each other: three threads and the
 * loop's clock let go at the same moment, round after round. Whoever wins, the
 * job ends once, and everybody who asks hears the same.
 */

enum { BATCH = 50, RACERS = 3 };

typedef struct {
  jobsrv_job_t *job[BATCH];
  int result[RACERS][BATCH];
  int ends[BATCH];
  jobsrv_state_t end[BATCH];
  atomic_int gate;
  int number;
  int left;
} round_t;

typedef struct {
  round_t *round;
  int who;
} racer;

static int rounds(void) {
  const char *text = getenv("JOBSRV_RACE_ROUNDS");
  int n = text != NULL ? atoi(text) : 0;

  return n > 0 ? n : 100000;
}

static void race(void *arg) {
  racer *r = arg;
  round_t *round = r->round;

  atomic_fetch_add(&round->gate, 1);
  while (atomic_load(&round->gate) < RACERS)
    sched_yield();
  if (round->number % 4 == 0) /* late enough for timeout and grace to win */
    uv_sleep(1 + (unsigned int) (round->number / 4 + r->who) % 8);
  for (int i = 0; i < BATCH; i++) {
    int at = r->who == 1 ? BATCH - 1 - i : i;
    jobsrv_job_t *job = round->job[at];
    int *result = &round->result[r->who][at];

    if (r->who == 0)
      *result = jobsrv_job_complete(job, "1", 1);
    else if (r->who == 1)
      *result = jobsrv_job_fail(job, "lost", "the other one");
    else
      *result = jobsrv_job_cancel(job, NULL);
    jobsrv_job_unref(job);
  }
}

static void on_transition(jobsrv_hook_t *hook,
                          jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  round_t *round = hook->data;
  int at = *(int *) jobsrv_job_data(job);

  if (from == to || !jobsrv_state_terminal(to))
    return;
  round->ends[at]++;
  round->end[at] = to;
  round->left--;
}

static int all_ended(void *data) {
  return ((round_t *) data)->left == 0;
}

static void check(const round_t *round,
                  int i,
                  const jobsrv_job_info_t *info) {
  int completed = round->result[0][i], failed = round->result[1][i];
  int cancelled = round->result[2][i];

  assert_int_equal(round->ends[i], 1);
  assert_int_equal(round->end[i], info->state);
  assert_true(completed == 0 || completed == JOBSRV_ESETTLED);
  assert_true(failed == 0 || failed == JOBSRV_ESETTLED);
  assert_true((completed == 0) + (failed == 0) <= 1);
  assert_true(cancelled == 0 || cancelled == JOBSRV_ESETTLED ||
              cancelled == JOBSRV_EENDED);
  if (completed == 0) {
    assert_int_equal(info->state, JOBSRV_STATE_COMPLETED);
  } else if (failed == 0) {
    if (cancelled == 0)
      assert_int_equal(info->state, JOBSRV_STATE_CANCELLED);
    else
      assert_int_equal(info->state, JOBSRV_STATE_FAILED);
  } else {
    assert_true(info->abandoned); /* the timeout's grace was first */
  }
  if (cancelled == 0)
    assert_int_equal(info->cancel_reason->code, JOBSRV_REASON_REQUESTED);
  else if (info->cancel_reason != NULL)
    assert_int_equal(info->cancel_reason->code,
                     JOBSRV_REASON_ATTEMPT_TIMEOUT);
}

static void one_round(jobsrv_t *srv, uv_loop_t *loop, round_t *round) {
  static int numbers[BATCH];
  uv_thread_t threads[RACERS];
  racer racers[RACERS];
  jobsrv_spec_t spec;

  for (int i = 0; i < BATCH; i++) {
    numbers[i] = i;
    round->ends[i] = 0;
    jobsrv_spec_init(&spec);
    spec.timeout_ms = (uint64_t) (1 + i % 2);
    spec.data = &numbers[i];
    assert_ok(jobsrv_begin(srv, &spec, &round->job[i]));
    for (int who = 0; who <= RACERS; who++)
      jobsrv_job_ref(round->job[i]);
  }
  round->left = BATCH;
  round->number++;
  atomic_store(&round->gate, 0);
  for (int who = 0; who < RACERS; who++) {
    racers[who] = (racer) { round, who };
    assert_ok(uv_thread_create(&threads[who], race, &racers[who]));
  }
  assert_true(jobsrv_run_until(loop, all_ended, round, 20000));
  for (int who = 0; who < RACERS; who++)
    assert_ok(uv_thread_join(&threads[who]));
  for (int i = 0; i < BATCH; i++) {
    jobsrv_job_info_t info = { .size = sizeof(info) };

    jobsrv_job_info(round->job[i], &info);
    check(round, i, &info);
    jobsrv_job_unref(round->job[i]);
  }
}

static void every_race_has_one_winner_and_one_end(void **state) {
  jobsrv_options_t options;
  jobsrv_hook_t hook = { 0 };
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  round_t *round = calloc(1, sizeof(*round));
  uv_loop_t loop;
  jobsrv_t *srv;
  int n = (rounds() + BATCH - 1) / BATCH;

  (void) state;
  assert_non_null(round);
  assert_ok(uv_loop_init(&loop));
  jobsrv_options_init(&options);
  options.grace_ms = 1;
  options.max_retained = BATCH;
  assert_ok(jobsrv_new(&srv, &loop, &options));
  hook.data = round;
  jobsrv_hook_add(srv, &hook, on_transition);
  for (int i = 0; i < n; i++)
    one_round(srv, &loop, round);
  jobsrv_stats(srv, &stats);
  print_message("%d races: %llu completed, %llu failed, %llu cancelled, "
                "%llu abandoned\n",
                n * BATCH, (unsigned long long) stats.completed,
                (unsigned long long) stats.failed,
                (unsigned long long) stats.cancelled,
                (unsigned long long) stats.abandoned);
  assert_int_equal(stats.completed + stats.failed + stats.cancelled,
                   n * BATCH);
  assert_int_equal(stats.live, 0);
  assert_true(stats.completed > 0 && stats.failed > 0 && stats.cancelled > 0);
  assert_true(stats.abandoned > 0);
  jobsrv_hook_remove(&hook);
  jobsrv_close(srv, NULL, NULL);
  jobsrv_run_turns(&loop, 5);
  assert_ok(uv_loop_close(&loop));
  free(round);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_race_has_one_winner_and_one_end),
};

RUN(tests);
