/* SPDX-License-Identifier: MIT */

/* Rows 10, 19 and 27 for thread operations: asking, retrying, waiting. */

#include "core/style.h"

/* What a job's `run` is to do: its `data`. */
typedef struct asking_s {
  const char *prompt;
  int asks;             /* how often */
  int hangs;            /* after it was told to stop, until let go */
  int fails;            /* attempts that fail, before one that does not */
  int snoozes;
  atomic_int let_go;
  atomic_int runs;
  atomic_int answered;
  atomic_int stopped;
  int result;           /* of the last question */
  char input[64];
} asking_t;

static int ask(jobsrv_job_t *job, asking_t *a) {
  const char *input;

  a->result = jobsrv_job_ask(job, a->prompt, 0);
  if (a->result != 0) {
    atomic_store(&a->stopped, 1);
    while (a->hangs && !atomic_load(&a->let_go))
      usleep(500);
    return a->result;
  }
  input = jobsrv_job_input(job, NULL);
  snprintf(a->input, sizeof(a->input), "%s", input != NULL ? input : "none");
  atomic_fetch_add(&a->answered, 1);
  return 0;
}

static int run(jobsrv_job_t *job, void *data) {
  asking_t *a = jobsrv_job_data(job);
  int n = atomic_fetch_add(&a->runs, 1) + 1;
  int err = 0;

  (void) data;
  assert_int_equal(jobsrv_job_attempt(job), (uint32_t) n);
  if (n <= a->fails)
    return UV_EIO;
  if (a->snoozes > 0) {
    a->snoozes--;
    atomic_fetch_sub(&a->runs, 1);
    return jobsrv_job_snooze(job, 10);
  }
  for (int i = 0; i < a->asks && err == 0; i++)
    err = ask(job, a);
  return err;
}

static void add(fixture_t *f, uint32_t max_running, int keeps_slot) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = "ask";
  op.style = JOBSRV_THREAD;
  op.run = run;
  op.max_running = max_running;
  op.keeps_slot = keeps_slot;
  op.retry = (jobsrv_retry_t) { .max_attempts = 3, .backoff_ms = 1 };
  assert_ok(jobsrv_operation_add(f->srv, &op));
}

static void open_with(fixture_t *f, uint32_t max_running, int keeps_slot) {
  fixture_prepare(f);
  f->options.max_threads = 2;
  fixture_open(f);
  add(f, max_running, keeps_slot);
}

static void wait_for_state(fixture_t *f, jobsrv_job_t *job, const char *name) {
  for (int i = 0; i < 2000 &&
                  strcmp(jobsrv_state_name(jobsrv_job_state(job)), name) != 0;
       i++)
    pause_loop(f, 1);
  assert_state(job, name);
}

static void wait_for(fixture_t *f, atomic_int *flag) {
  for (int i = 0; i < 2000 && !atomic_load(flag); i++)
    pause_loop(f, 1);
  assert_true(atomic_load(flag));
}

static void a_thread_waits_for_its_answer(void **state) {
  fixture_t f;
  asking_t a = { .prompt = "\"who?\"", .asks = 2 };
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, 0, 0);
  job = submit(&f, "ask", &a);
  wait_for_state(&f, job, "suspended");
  assert_string_equal(info_of(job).prompt, "\"who?\"");
  assert_err(jobsrv_job_suspend(job, NULL, 0), JOBSRV_ESTATE);
  assert_err(jobsrv_job_ask(job, NULL, 0), JOBSRV_ESTATE); /* not its thread */
  assert_ok(jobsrv_job_answer(job, "\"me\"", 0));
  wait_for(&f, &a.answered);
  wait_for_state(&f, job, "suspended");
  assert_string_equal(a.input, "\"me\"");
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  assert_true(runs_to_end(&f, job, 10000));
  assert_state(job, "completed");
  assert_string_equal(a.input, "none");
  assert_int_equal(atomic_load(&a.runs), 1);
  fixture_close(&f);
}

static void its_slot_is_free_meanwhile_but_not_its_thread(void **state) {
  fixture_t f;
  asking_t a[3] = { { .asks = 1 }, { .asks = 1 }, { 0 } };
  jobsrv_job_t *job[3];

  (void) state;
  open_with(&f, 1, 0);
  for (int i = 0; i < 3; i++)
    job[i] = submit(&f, "ask", &a[i]);
  wait_for_state(&f, job[0], "suspended");
  wait_for_state(&f, job[1], "suspended");
  assert_int_equal(f.srv->stats.threads, 2);
  pause_loop(&f, 20);
  assert_state(job[2], "queued"); /* for want of a thread */
  /* the one that has a thread does not wait behind the one that needs it */
  assert_ok(jobsrv_job_answer(job[1], NULL, 0));
  assert_true(runs_to_end(&f, job[1], 10000));
  assert_true(runs_to_end(&f, job[2], 10000));
  assert_state(job[2], "completed");
  assert_ok(jobsrv_job_answer(job[0], NULL, 0));
  assert_true(runs_to_end(&f, job[0], 10000));
  fixture_close(&f);
}

static void one_that_keeps_its_slot_runs_on_at_once(void **state) {
  fixture_t f;
  asking_t a = { .asks = 1 }, b = { 0 };
  jobsrv_job_t *job, *other;

  (void) state;
  open_with(&f, 1, 1);
  job = submit(&f, "ask", &a);
  wait_for_state(&f, job, "suspended");
  other = submit(&f, "ask", &b);
  pause_loop(&f, 20);
  assert_state(other, "queued");
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  assert_state(job, "running");
  assert_true(runs_to_end(&f, other, 10000));
  assert_state(job, "completed");
  fixture_close(&f);
}

static void a_request_to_stop_wakes_it_and_it_lets_go_by_itself(
    void **state) {
  fixture_t f;
  asking_t a = { .asks = 1, .hangs = 1 };
  jobsrv_job_t *job;

  (void) state;
  fixture_prepare(&f);
  f.options.grace_ms = 60000;
  fixture_open(&f);
  add(&f, 0, 0);
  job = submit(&f, "ask", &a);
  wait_for_state(&f, job, "suspended");
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_state(job, "running");
  wait_for(&f, &a.stopped);
  assert_state(job, "running");
  assert_err(jobsrv_job_answer(job, NULL, 0), JOBSRV_ESTATE);
  assert_int_equal(a.result, JOBSRV_CANCELLED);
  atomic_store(&a.let_go, 1);
  assert_true(runs_to_end(&f, job, 10000));
  assert_state(job, "cancelled");
  assert_int_equal(info_of(job).abandoned, 0);
  fixture_close(&f);
}

static void one_answered_that_waits_for_its_slot_is_woken_too(void **state) {
  fixture_t f;
  asking_t a = { .asks = 1 }, b = { .asks = 1 };
  jobsrv_job_t *job, *other;

  (void) state;
  open_with(&f, 1, 0);
  job = submit(&f, "ask", &a);
  wait_for_state(&f, job, "suspended");
  other = submit(&f, "ask", &b);
  wait_for_state(&f, other, "suspended");
  assert_ok(jobsrv_job_answer(other, NULL, 0));
  assert_ok(jobsrv_job_answer(job, NULL, 0));
  assert_state(job, "queued");
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 10000));
  assert_true(runs_to_end(&f, other, 10000));
  assert_state(job, "cancelled");
  assert_state(other, "completed");
  fixture_close(&f);
}

static void one_that_will_not_let_go_is_abandoned_after_its_grace(
    void **state) {
  fixture_t f;
  asking_t a = { .asks = 1, .hangs = 1 };
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, 0, 0);
  job = submit(&f, "ask", &a);
  wait_for_state(&f, job, "suspended");
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 10000));
  assert_state(job, "cancelled");
  assert_int_equal(info_of(job).abandoned, 1);
  atomic_store(&a.let_go, 1);
  pause_loop(&f, 20);
  fixture_close(&f);
}

static void closing_the_server_wakes_it(void **state) {
  fixture_t f;
  asking_t a = { .asks = 1 };

  (void) state;
  open_with(&f, 0, 0);
  wait_for_state(&f, submit(&f, "ask", &a), "suspended");
  server_close(&f);
  for (int i = 0; i < 20000 && atomic_load(&f.memory.live) != 0; i++)
    usleep(1000);
  assert_int_equal(atomic_load(&f.memory.live), 0);
  assert_int_equal(a.result, JOBSRV_CANCELLED);
}

static void a_failed_run_is_run_again_on_any_thread(void **state) {
  fixture_t f;
  asking_t a = { .fails = 2 };
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, 0, 0);
  job = submit(&f, "ask", &a);
  assert_true(runs_to_end(&f, job, 10000));
  assert_state(job, "completed");
  assert_int_equal(info_of(job).attempt, 3);
  assert_int_equal(f.srv->stats.retries, 2);
  fixture_close(&f);
}

static void a_run_may_snooze_and_come_back(void **state) {
  fixture_t f;
  asking_t a = { .snoozes = 3 };
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, 0, 0);
  job = submit(&f, "ask", &a);
  assert_true(runs_to_end(&f, job, 10000));
  assert_state(job, "completed");
  assert_int_equal(info_of(job).attempt, 1);
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_thread_waits_for_its_answer),
  cmocka_unit_test(its_slot_is_free_meanwhile_but_not_its_thread),
  cmocka_unit_test(one_that_keeps_its_slot_runs_on_at_once),
  cmocka_unit_test(a_request_to_stop_wakes_it_and_it_lets_go_by_itself),
  cmocka_unit_test(one_answered_that_waits_for_its_slot_is_woken_too),
  cmocka_unit_test(one_that_will_not_let_go_is_abandoned_after_its_grace),
  cmocka_unit_test(closing_the_server_wakes_it),
  cmocka_unit_test(a_failed_run_is_run_again_on_any_thread),
  cmocka_unit_test(a_run_may_snooze_and_come_back),
};

RUN(tests);
