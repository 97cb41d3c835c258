/* SPDX-License-Identifier: MIT */

/* Rows 9, 10, 26 and 75: what puts a job off races with what ends it. */

#include "test.h"

#include "jobsrv/testing.h"

#include <stdlib.h>
#include <time.h>

#include <uv.h>

/*
 * Four threads complete, fail, suspend and cancel the same jobs, each once. One
 * that failed is tried again, one that is suspended is answered by the loop,
 * and both then complete; so whoever wins, there is one end, and it is that of
 * the one call that was told 0.
 */

enum { BATCH = 40, COMPLETE = 0, FAIL, SUSPEND, CANCEL, RACERS };

typedef struct {
  jobsrv_job_t *job[BATCH];
  int result[RACERS][BATCH];
  int completed[BATCH]; /* by the loop: how often it was told 0 */
  int ends[BATCH];
  int numbers[BATCH];
  uv_barrier_t gate;
  int number;
  int left;
  int retried, suspended;
} round_t;

typedef struct {
  round_t *round;
  int who;
} racer_t;

static int rounds(void) {
  const char *text = getenv("JOBSRV_RACE_ROUNDS");
  int n = text != NULL ? atoi(text) : 0;

  return (n > 0 ? n : 100000) / BATCH + 1;
}

static int act(int who, jobsrv_job_t *job) {
  switch (who) {
  case COMPLETE:
    return jobsrv_job_complete(job, "1", 1);
  case FAIL:
    return jobsrv_job_fail(job, "lost", "the other one");
  case SUSPEND:
    return jobsrv_job_suspend(job, "1", 1);
  default:
    return jobsrv_job_cancel(job, NULL);
  }
}

/* Sleeps for no time: who only yields, on a busy machine, does so to all that
   others want to compute, and a hundred thousand races take minutes. */
static void let_others(void) {
  nanosleep(&(struct timespec) { 0, 1 }, NULL);
}

static void race(void *arg) {
  racer_t *r = arg;
  round_t *round = r->round;

  uv_barrier_wait(&round->gate);
  for (int i = 0; i < BATCH; i++) {
    int at = (i + (r->who + round->number) % RACERS * (BATCH / RACERS)) % BATCH;

    if ((i + r->who) % 8 == round->number % 8)
      let_others();
    round->result[r->who][at] = act(r->who, round->job[at]);
  }
}

/* ---- the operation, on the loop ---- */

static void complete(jobsrv_job_t *job, round_t *round) {
  int at = *(int *) jobsrv_job_data(job);

  round->completed[at] += jobsrv_job_complete(job, NULL, 0) == 0;
}

static int start(jobsrv_job_t *job, void *data) {
  if (jobsrv_job_attempt(job) > 1)
    complete(job, data);
  return 0;
}

static void stop(jobsrv_job_t *job, const jobsrv_reason_t *reason, void *data) {
  (void) reason;
  (void) data;
  (void) jobsrv_job_fail(job, "cancelled", NULL);
}

static void resume(jobsrv_job_t *job, void *data) {
  complete(job, data);
}

static void on_transition(jobsrv_hook_t *hook,
                          jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  round_t *round = hook->data;

  if (from == to)
    return;
  round->retried += to == JOBSRV_STATE_RETRYING;
  if (to == JOBSRV_STATE_SUSPENDED) {
    round->suspended++;
    assert_ok(jobsrv_job_answer(job, "true", 0));
  }
  if (!jobsrv_state_terminal(to))
    return;
  round->ends[*(int *) jobsrv_job_data(job)]++;
  round->left--;
}

static int all_ended(void *data) {
  return ((round_t *) data)->left == 0;
}

static int all_run(void *data) {
  round_t *round = data;

  for (int i = 0; i < BATCH; i++)
    if (jobsrv_job_state(round->job[i]) != JOBSRV_STATE_RUNNING)
      return 0;
  return 1;
}

/* ---- a round ---- */

static void check(const round_t *round, int i) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  int completed = round->completed[i] + (round->result[COMPLETE][i] == 0);
  int err = round->result[CANCEL][i];

  jobsrv_job_info(round->job[i], &info);
  assert_int_equal(round->ends[i], 1);
  assert_in_range(completed, 0, 1);
  assert_true(err == 0 || err == JOBSRV_EENDED);
  if (completed) {
    assert_int_equal(info.state, JOBSRV_STATE_COMPLETED);
  } else {
    assert_int_equal(err, 0);
    assert_int_equal(info.state, JOBSRV_STATE_CANCELLED);
  }
  if (err == 0)
    assert_int_equal(info.cancel_reason->code, JOBSRV_REASON_REQUESTED);
  else
    assert_null(info.cancel_reason);
  for (int who = COMPLETE; who < CANCEL; who++) {
    err = round->result[who][i];
    assert_true(err == 0 || err == JOBSRV_ESETTLED || err == JOBSRV_ESTATE ||
                (who == SUSPEND && err == JOBSRV_CANCELLED));
  }
  assert_false(info.abandoned);
  assert_in_range(info.attempt, 1, 2);
  if (round->result[FAIL][i] != 0)
    assert_int_equal(info.attempt, 1);
}

static void one_round(jobsrv_t *srv, uv_loop_t *loop, round_t *round) {
  uv_thread_t threads[RACERS];
  racer_t racers[RACERS];
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = "op";
  for (int i = 0; i < BATCH; i++) {
    round->numbers[i] = i;
    round->ends[i] = round->completed[i] = 0;
    spec.data = &round->numbers[i];
    assert_ok(jobsrv_submit(srv, &spec, NULL, &round->job[i]));
    jobsrv_job_ref(round->job[i]);
  }
  assert_true(jobsrv_run_until(loop, all_run, round, 20000));
  round->left = BATCH;
  round->number++;
  assert_ok(uv_barrier_init(&round->gate, RACERS));
  for (int who = 0; who < RACERS; who++) {
    racers[who] = (racer_t) { round, who };
    assert_ok(uv_thread_create(&threads[who], race, &racers[who]));
  }
  assert_true(jobsrv_run_until(loop, all_ended, round, 20000));
  for (int who = 0; who < RACERS; who++)
    assert_ok(uv_thread_join(&threads[who]));
  uv_barrier_destroy(&round->gate);
  for (int i = 0; i < BATCH; i++) {
    check(round, i);
    jobsrv_job_unref(round->job[i]);
  }
}

static void a_retry_and_a_suspension_race_with_the_ends(void **state) {
  jobsrv_options_t options;
  jobsrv_operation_t op;
  jobsrv_hook_t hook = { 0 };
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  round_t *round = calloc(1, sizeof(*round));
  uv_loop_t loop;
  jobsrv_t *srv;
  int n = rounds();

  (void) state;
  assert_non_null(round);
  assert_ok(uv_loop_init(&loop));
  jobsrv_options_init(&options);
  options.max_retained = BATCH;
  assert_ok(jobsrv_new(&srv, &loop, &options));
  jobsrv_operation_init(&op);
  op.name = "op";
  op.start = start;
  op.stop = stop;
  op.resume = resume;
  op.data = round;
  op.retry.max_attempts = 2;
  op.retry.backoff_ms = 1;
  op.retry.jitter = JOBSRV_JITTER_NONE;
  assert_ok(jobsrv_operation_add(srv, &op));
  hook.data = round;
  jobsrv_hook_add(srv, &hook, on_transition);
  for (int i = 0; i < n; i++)
    one_round(srv, &loop, round);
  jobsrv_stats(srv, &stats);
  print_message("%d races: %llu completed, %llu cancelled, %d times retried, "
                "%d suspended\n",
                n * BATCH, (unsigned long long) stats.completed,
                (unsigned long long) stats.cancelled, round->retried,
                round->suspended);
  assert_int_equal(stats.completed + stats.cancelled, n * BATCH);
  assert_int_equal(stats.live, 0);
  assert_true(stats.completed > 0 && stats.cancelled > 0);
  assert_true(round->retried > 0 && round->suspended > 0);
  jobsrv_hook_remove(&hook);
  jobsrv_close(srv, NULL, NULL);
  jobsrv_run_turns(&loop, 5);
  assert_ok(uv_loop_close(&loop));
  free(round);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_retry_and_a_suspension_race_with_the_ends),
};

RUN(tests);
