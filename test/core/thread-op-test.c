/* SPDX-License-Identifier: MIT */

#include "core/style.h"

#include <signal.h>
#include <unistd.h>

/* What a job's `run` is to do: its `data`. */
typedef struct work_s {
  int result;
  const char *completes_with; /* a result given by itself */
  const char *fails_with;     /* a code given by itself */
  int polls;                  /* stays until it is asked to stop */
  int gated;                  /* stays until the gate is opened */
  atomic_int open;
  atomic_int inside;
  atomic_int returned;
  pthread_t thread;
  jobsrv_job_t *context;
  sigset_t mask;
} work_t;

static int run(jobsrv_job_t *job, void *data) {
  work_t *work = jobsrv_job_data(job);

  (void) data;
  work->thread = pthread_self();
  work->context = entered;
  pthread_sigmask(SIG_SETMASK, NULL, &work->mask);
  atomic_store(&work->inside, 1);
  while (work->polls && !jobsrv_job_cancelled(job))
    usleep(500);
  while (work->gated && !atomic_load(&work->open))
    usleep(500);
  if (work->completes_with != NULL)
    assert_ok(jobsrv_job_complete(job, work->completes_with, 0));
  if (work->fails_with != NULL)
    assert_ok(jobsrv_job_fail(job, work->fails_with, "said so"));
  atomic_store(&work->returned, 1);
  return work->result;
}

static void on_release(void *data) {
  atomic_fetch_add((atomic_int *) data, 1);
}

static void operation_add(fixture_t *f, atomic_int *released) {
  jobsrv_operation_t operation;

  jobsrv_operation_init(&operation);
  operation.name = "work";
  operation.style = JOBSRV_THREAD;
  operation.run = run;
  operation.data = released;
  operation.release = released != NULL ? on_release : NULL;
  assert_ok(jobsrv_operation_add(f->srv, &operation));
}

static void open_with_work(fixture_t *f) {
  fixture_prepare(f);
  fixture_open(f);
  operation_add(f, NULL);
}

static jobsrv_job_t *run_work(fixture_t *f, work_t *work) {
  jobsrv_job_t *job = submit(f, "work", work);

  assert_true(runs_to_end(f, job, 10000));
  return job;
}

static void wait_for(fixture_t *f, atomic_int *flag) {
  for (int i = 0; i < 2000 && !atomic_load(flag); i++)
    pause_loop(f, 1);
  assert_true(atomic_load(flag));
}

/* A thread that was left behind gives back all it holds, in its own time. */
static void wait_for_memory(fixture_t *f) {
  for (int i = 0; i < 2000 && atomic_load(&f->memory.live) != 0; i++)
    usleep(1000);
  assert_int_equal(atomic_load(&f->memory.live), 0);
}

/* ---- outcomes ---- */

static void returning_zero_completes_the_job(void **state) {
  fixture_t f;
  work_t work = { 0 };
  jobsrv_job_t *job;

  (void) state;
  open_with_work(&f);
  job = run_work(&f, &work);
  assert_state(job, "completed");
  assert_null(info_of(job).result);
  fixture_close(&f);
}

static void returning_a_code_fails_it_by_name(void **state) {
  fixture_t f;
  work_t work = { .result = UV_ENOENT };
  work_t ours = { .result = JOBSRV_ETOOBIG };
  jobsrv_job_t *job;

  (void) state;
  open_with_work(&f);
  job = run_work(&f, &work);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "enoent");
  assert_string_equal(info_of(job).error_message, jobsrv_strerror(UV_ENOENT));
  job = run_work(&f, &ours);
  assert_string_equal(info_of(job).error_code, "etoobig");
  fixture_close(&f);
}

static void stopping_unasked_fails_it_as_cancelled(void **state) {
  fixture_t f;
  work_t work = { .result = JOBSRV_CANCELLED };
  jobsrv_job_t *job;

  (void) state;
  open_with_work(&f);
  job = run_work(&f, &work);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "cancelled");
  fixture_close(&f);
}

static void what_run_has_said_itself_counts(void **state) {
  fixture_t f;
  work_t done = { .completes_with = "{\"n\":1}", .result = UV_EIO };
  work_t failed = { .fails_with = "odd_day", .result = 0 };
  jobsrv_job_t *job;

  (void) state;
  open_with_work(&f);
  job = run_work(&f, &done);
  assert_state(job, "completed");
  assert_string_equal(info_of(job).result, "{\"n\":1}");
  job = run_work(&f, &failed);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "odd_day");
  assert_string_equal(info_of(job).error_message, "said so");
  fixture_close(&f);
}

static void a_finish_takes_effect_when_run_returns(void **state) {
  fixture_t f;
  work_t work = { .gated = 1 };
  jobsrv_job_t *job;

  (void) state;
  open_with_work(&f);
  job = submit(&f, "work", &work);
  wait_for(&f, &work.inside);
  assert_ok(jobsrv_job_complete(job, "1", 1)); /* by somebody else even */
  pause_loop(&f, 20);
  assert_state(job, "running");
  atomic_store(&work.open, 1);
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "completed");
  fixture_close(&f);
}

static void run_is_in_the_jobs_context_on_another_thread(void **state) {
  fixture_t f;
  work_t work = { 0 };
  jobsrv_job_t *job;

  (void) state;
  open_with_work(&f);
  job = run_work(&f, &work);
  assert_ptr_equal(work.context, job);
  assert_false(pthread_equal(work.thread, pthread_self()));
  fixture_close(&f);
}

static void pool_threads_block_all_signals(void **state) {
  static const int some[] = { SIGTERM, SIGINT, SIGPIPE, SIGCHLD, SIGUSR1 };
  fixture_t f;
  work_t work = { 0 };
  sigset_t before, after;

  (void) state;
  open_with_work(&f);
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  (void) run_work(&f, &work);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
    assert_int_equal(sigismember(&work.mask, some[i]), 1);
    assert_int_equal(sigismember(&after, some[i]),
                     sigismember(&before, some[i])); /* and only they do */
  }
  fixture_close(&f);
}

/* ---- stopping ---- */

static void a_request_to_stop_is_seen_inside(void **state) {
  fixture_t f;
  work_t work = { .polls = 1, .result = JOBSRV_CANCELLED };
  jobsrv_job_t *job;

  (void) state;
  fixture_prepare(&f);
  f.options.grace_ms = 60000;
  fixture_open(&f);
  operation_add(&f, NULL);
  job = submit(&f, "work", &work);
  wait_for(&f, &work.inside);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "cancelled");
  assert_int_equal(info_of(job).abandoned, 0);
  assert_int_equal(f.srv->stats.threads, 1);
  fixture_close(&f);
}

static void success_after_a_request_to_stop_has_won(void **state) {
  fixture_t f;
  work_t work = { .polls = 1, .result = 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_prepare(&f);
  f.options.grace_ms = 60000;
  fixture_open(&f);
  operation_add(&f, NULL);
  job = submit(&f, "work", &work);
  wait_for(&f, &work.inside);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "completed");
  fixture_close(&f);
}

static void an_abandoned_thread_is_replaced(void **state) {
  fixture_t f;
  work_t stuck = { .gated = 1 };
  work_t next = { 0 };
  jobsrv_job_t *job, *after;

  (void) state;
  fixture_prepare(&f);
  f.options.max_threads = 1;
  fixture_open(&f);
  operation_add(&f, NULL);
  job = submit(&f, "work", &stuck);
  wait_for(&f, &stuck.inside);
  after = submit(&f, "work", &next);
  pause_loop(&f, 20);
  assert_state(after, "queued");
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, after, 5000));
  assert_state(after, "completed");
  assert_state(job, "cancelled");
  assert_int_equal(info_of(job).abandoned, 1);
  assert_int_equal(f.srv->stats.threads, 2);
  assert_int_equal(f.srv->stats.lost_threads, 1);

  atomic_store(&stuck.open, 1); /* it returns after all */
  for (int i = 0; i < 500 && f.srv->stats.lost_threads != 0; i++)
    pause_loop(&f, 10);
  assert_int_equal(f.srv->stats.threads, 1);
  assert_int_equal(f.srv->stats.lost_threads, 0);
  assert_int_equal(f.srv->late_finishes, 1);
  assert_state(job, "cancelled");
  server_close(&f);
  wait_for_memory(&f);
}

static void only_so_many_lost_threads_are_replaced(void **state) {
  fixture_t f;
  work_t stuck[2] = { { .gated = 1 }, { .gated = 1 } };
  work_t next = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_prepare(&f);
  f.options.max_threads = 1;
  f.options.max_lost_threads = 1;
  fixture_open(&f);
  operation_add(&f, NULL);
  for (int i = 0; i < 2; i++) {
    job = submit(&f, "work", &stuck[i]);
    wait_for(&f, &stuck[i].inside);
    assert_ok(jobsrv_job_cancel(job, NULL));
    assert_true(runs_to_end(&f, job, 5000));
  }
  assert_int_equal(f.srv->stats.lost_threads, 2);
  job = submit(&f, "work", &next);
  pause_loop(&f, 20);
  assert_state(job, "queued");
  atomic_store(&stuck[0].open, 1); /* one comes back: there is room again */
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "completed");
  atomic_store(&stuck[1].open, 1);
  server_close(&f);
  wait_for_memory(&f);
}

static void a_late_return_after_the_close_is_harmless(void **state) {
  fixture_t f;
  work_t stuck = { .gated = 1, .result = UV_EIO };
  atomic_int released;
  jobsrv_job_t *job;

  (void) state;
  atomic_init(&released, 0);
  fixture_prepare(&f);
  fixture_open(&f);
  operation_add(&f, &released);
  job = submit(&f, "work", &stuck);
  wait_for(&f, &stuck.inside);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 5000));
  server_close(&f);
  assert_int_equal(atomic_load(&released), 0);
  atomic_store(&stuck.open, 1);
  wait_for_memory(&f);
  assert_int_equal(atomic_load(&released), 1);
}

static void a_close_does_not_wait_for_what_is_running(void **state) {
  enum { N = 4 };
  fixture_t f;
  work_t stuck[N];
  work_t idle = { 0 };
  atomic_int released;
  jobsrv_job_t *job = NULL;

  (void) state;
  memset(stuck, 0, sizeof(stuck));
  atomic_init(&released, 0);
  fixture_prepare(&f);
  fixture_open(&f);
  operation_add(&f, &released);
  for (int i = 0; i < N; i++) {
    stuck[i].gated = 1;
    job = submit(&f, "work", &stuck[i]);
    wait_for(&f, &stuck[i].inside);
  }
  (void) run_work(&f, &idle);
  assert_int_equal(f.srv->stats.threads, N + 1);
  jobsrv_job_ref(job);
  server_close(&f);
  assert_state(job, "cancelled");
  assert_int_equal(atomic_load(&released), 0);
  jobsrv_job_unref(job);
  for (int i = 0; i < N; i++)
    atomic_store(&stuck[i].open, 1);
  wait_for_memory(&f);
  assert_int_equal(atomic_load(&released), 1);
}

static void a_close_may_meet_threads_on_their_way_home(void **state) {
  (void) state;
  for (int round = 0; round < 200; round++) {
    fixture_t f;
    work_t work[4];

    memset(work, 0, sizeof(work));
    open_with_work(&f);
    for (int i = 0; i < 4; i++)
      (void) submit(&f, "work", &work[i]);
    for (int i = 0; i <= round % 5; i++)
      run_turns(&f.loop, 1);
    server_close(&f);
    wait_for_memory(&f);
  }
}

/* ---- the pool ---- */

static void no_thread_is_made_before_it_is_needed(void **state) {
  fixture_t f;

  (void) state;
  open_with_work(&f);
  pause_loop(&f, 5);
  assert_null(f.srv->pool);
  assert_int_equal(f.srv->stats.threads, 0);
  fixture_close(&f);
}

static void an_idle_thread_is_used_again(void **state) {
  fixture_t f;
  work_t work = { 0 };

  (void) state;
  open_with_work(&f);
  for (int i = 0; i < 20; i++)
    (void) run_work(&f, &work);
  assert_int_equal(f.srv->stats.threads, 1);
  fixture_close(&f);
}

static void no_more_threads_than_allowed_run(void **state) {
  enum { N = 12, MAX = 3 };
  fixture_t f;
  work_t work[N];
  jobsrv_job_t *jobs[N];

  (void) state;
  memset(work, 0, sizeof(work));
  fixture_prepare(&f);
  f.options.max_threads = MAX;
  fixture_open(&f);
  operation_add(&f, NULL);
  for (int i = 0; i < N; i++) {
    work[i].gated = 1;
    jobs[i] = submit(&f, "work", &work[i]);
  }
  wait_for(&f, &work[MAX - 1].inside);
  pause_loop(&f, 20);
  for (int i = 0; i < N; i++)
    assert_int_equal(atomic_load(&work[i].inside), i < MAX);
  assert_int_equal(f.srv->stats.threads, MAX);
  for (int i = 0; i < N; i++) { /* first come, first served */
    assert_int_equal(atomic_load(&work[i].inside), i < MAX + i);
    atomic_store(&work[i].open, 1);
    assert_true(runs_to_end(&f, jobs[i], 5000));
    assert_state(jobs[i], "completed");
    if (i + MAX < N)
      wait_for(&f, &work[i + MAX].inside);
  }
  assert_int_equal(f.srv->stats.threads, MAX);
  fixture_close(&f);
}

static void a_waiting_job_that_is_cancelled_never_runs(void **state) {
  fixture_t f;
  work_t busy = { .gated = 1 };
  work_t waiting = { 0 };
  jobsrv_job_t *job, *waits;

  (void) state;
  fixture_prepare(&f);
  f.options.max_threads = 1;
  fixture_open(&f);
  operation_add(&f, NULL);
  job = submit(&f, "work", &busy);
  wait_for(&f, &busy.inside);
  waits = submit(&f, "work", &waiting);
  pause_loop(&f, 5);
  assert_ok(jobsrv_job_cancel(waits, NULL));
  assert_state(waits, "cancelled");
  atomic_store(&busy.open, 1);
  assert_true(runs_to_end(&f, job, 5000));
  pause_loop(&f, 5);
  assert_int_equal(atomic_load(&waiting.inside), 0);
  fixture_close(&f);
}

static void any_allocation_may_fail(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  int hits = 0;
  int over = 0;

  (void) state;
  for (long n = 0; !over; n++) { /* a new pool each time */
    fixture_t f;
    work_t work = { 0 };

    open_with_work(&f);
    atomic_store(&f.memory.requests, 0);
    atomic_store(&f.memory.fail_at, n);
    jobsrv_spec_init(&spec);
    spec.operation = "work";
    spec.data = &work;
    if (jobsrv_submit(f.srv, &spec, NULL, &job) == 0) {
      assert_true(runs_to_end(&f, job, 5000));
      if (jobsrv_job_state(job) == JOBSRV_STATE_FAILED)
        assert_string_equal(info_of(job).error_code, "no_memory");
    }
    over = atomic_load(&f.memory.requests) <= n;
    hits += !over;
    atomic_store(&f.memory.fail_at, -1);
    assert_state(run_work(&f, &work), "completed");
    fixture_close(&f);
  }
  assert_true(hits >= 2);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(returning_zero_completes_the_job),
  cmocka_unit_test(returning_a_code_fails_it_by_name),
  cmocka_unit_test(stopping_unasked_fails_it_as_cancelled),
  cmocka_unit_test(what_run_has_said_itself_counts),
  cmocka_unit_test(a_finish_takes_effect_when_run_returns),
  cmocka_unit_test(run_is_in_the_jobs_context_on_another_thread),
  cmocka_unit_test(pool_threads_block_all_signals),
  cmocka_unit_test(a_request_to_stop_is_seen_inside),
  cmocka_unit_test(success_after_a_request_to_stop_has_won),
  cmocka_unit_test(an_abandoned_thread_is_replaced),
  cmocka_unit_test(only_so_many_lost_threads_are_replaced),
  cmocka_unit_test(a_late_return_after_the_close_is_harmless),
  cmocka_unit_test(a_close_does_not_wait_for_what_is_running),
  cmocka_unit_test(a_close_may_meet_threads_on_their_way_home),
  cmocka_unit_test(no_thread_is_made_before_it_is_needed),
  cmocka_unit_test(an_idle_thread_is_used_again),
  cmocka_unit_test(no_more_threads_than_allowed_run),
  cmocka_unit_test(a_waiting_job_that_is_cancelled_never_runs),
  cmocka_unit_test(any_allocation_may_fail),
};

RUN(tests);
