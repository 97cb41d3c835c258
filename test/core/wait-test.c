/* SPDX-License-Identifier: MIT */

/* Row 5: waiting for one job, for all or for any of several. */

#include "fixture.h"

#include "jobsrv/wait.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef struct {
  jobsrv_wait_t wait;
  int calls;
  int status;
  jobsrv_job_t *job;
} waited;

static void on_wait(jobsrv_wait_t *wait, int status, jobsrv_job_t *job) {
  waited *w = wait->data;

  w->calls++;
  w->status = status;
  w->job = job;
}

static int begin_wait(fixture *f,
                      waited *w,
                      jobsrv_wait_for_t what,
                      jobsrv_job_t *const *jobs,
                      size_t n,
                      uint64_t timeout_ms) {
  w->calls = 0;
  w->status = 1;
  w->job = NULL;
  w->wait.data = w;
  return jobsrv_wait(f->srv, &w->wait, what, jobs, n, timeout_ms, on_wait);
}

static void complete(jobsrv_job_t *job) {
  assert_ok(jobsrv_job_complete(job, NULL, 0));
}

static void all_waits_for_the_last(void **state) {
  jobsrv_job_t *jobs[3];
  fixture f = { 0 };
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 3; i++)
    jobs[i] = fixture_begin(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, jobs, 3, UINT64_MAX));
  complete(jobs[2]);
  complete(jobs[0]);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 0);
  assert_ok(jobsrv_job_fail(jobs[1], NULL, NULL));
  assert_int_equal(w.calls, 0); /* later than the call that ends it */
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  assert_int_equal(w.status, 0);
  assert_ptr_equal(w.job, jobs[1]);
  fixture_close(&f);
  assert_int_equal(w.calls, 1);
}

static void any_waits_for_the_first(void **state) {
  jobsrv_job_t *jobs[3];
  fixture f = { 0 };
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 3; i++)
    jobs[i] = fixture_begin(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ANY, jobs, 3, 1000));
  complete(jobs[1]);
  complete(jobs[0]);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  assert_int_equal(w.status, 0);
  assert_ptr_equal(w.job, jobs[1]);
  fixture_ms(&f, 2000);
  assert_int_equal(w.calls, 1);
  fixture_close(&f);
}

static void what_has_ended_before_is_told_later_than_the_call(void **state) {
  jobsrv_job_t *jobs[4];
  fixture f = { 0 };
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 3; i++)
    jobs[i] = fixture_begin(&f);
  jobs[3] = jobs[1]; /* twice */
  complete(jobs[1]);
  complete(jobs[2]);
  complete(jobs[0]);
  for (uint64_t timeout_ms = 0; timeout_ms < 2; timeout_ms++) {
    assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, jobs, 4, timeout_ms));
    assert_int_equal(w.calls, 0);
    run_turns(&f.loop, 2);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.status, 0);
    assert_ptr_equal(w.job, jobs[0]);
    assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ANY, jobs, 4, timeout_ms));
    run_turns(&f.loop, 2);
    assert_int_equal(w.calls, 1);
    assert_int_equal(w.status, 0);
    assert_ptr_equal(w.job, jobs[1]);
  }
  fixture_close(&f);
}

static void the_same_job_twice_is_one_end(void **state) {
  jobsrv_job_t *jobs[3];
  fixture f = { 0 };
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  jobs[0] = jobs[1] = jobs[2] = fixture_begin(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, jobs, 3, UINT64_MAX));
  complete(jobs[0]);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  assert_int_equal(w.status, 0);
  fixture_close(&f);
}

static void none_to_wait_for_is_all_of_them(void **state) {
  fixture f = { 0 };
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, NULL, 0, 0));
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  assert_int_equal(w.status, 0);
  assert_null(w.job);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ANY, NULL, 0, 0));
  run_turns(&f.loop, 2);
  assert_int_equal(w.status, UV_ETIMEDOUT);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ANY, NULL, 0, 50));
  fixture_ms(&f, 49);
  assert_int_equal(w.calls, 0);
  fixture_ms(&f, 1);
  assert_int_equal(w.calls, 1);
  assert_int_equal(w.status, UV_ETIMEDOUT);
  fixture_close(&f);
}

static void it_times_out_at_its_time(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, &job, 1, 0));
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  assert_int_equal(w.status, UV_ETIMEDOUT);
  assert_null(w.job);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, &job, 1, 100));
  fixture_ms(&f, 99);
  assert_int_equal(w.calls, 0);
  fixture_ms(&f, 1);
  assert_int_equal(w.calls, 1);
  assert_int_equal(w.status, UV_ETIMEDOUT);
  complete(job);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  fixture_close(&f);
}

static void it_holds_what_it_waits_for(void **state) {
  fixture f = { .options = { .retain_ms = 1, .max_retained = 1 } };
  jobsrv_job_t *jobs[3];
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 3; i++)
    jobs[i] = fixture_begin(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, jobs, 3, UINT64_MAX));
  for (int i = 0; i < 3; i++) {
    complete(jobs[i]);
    if (i < 2)
      fixture_ms(&f, 5);
  }
  assert_int_equal(fixture_stats(&f).expired, 2);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  assert_ptr_equal(w.job, jobs[2]);
  fixture_close(&f);
}

static void one_in_use_is_refused_and_goes_on(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, &job, 1, UINT64_MAX));
  assert_err(jobsrv_wait(f.srv, &w.wait, JOBSRV_WAIT_ALL, &job, 1, 5, on_wait),
             JOBSRV_ESETTLED);
  complete(job);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  fixture_close(&f);
}

static void one_that_is_taken_back_is_not_called(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  waited w = { 0 };

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  jobsrv_wait_cancel(&w.wait);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, &job, 1, 10));
  jobsrv_wait_cancel(&w.wait);
  fixture_ms(&f, 20);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ALL, &job, 1, 10));
  complete(job);
  jobsrv_wait_cancel(&w.wait); /* decided, but not yet told */
  jobsrv_wait_cancel(&w.wait);
  fixture_ms(&f, 20);
  assert_int_equal(w.calls, 0);
  fixture_close(&f);
}

/* ---- callbacks that do things ---- */

static void on_wait_again(jobsrv_wait_t *wait, int status, jobsrv_job_t *job) {
  fixture *f = wait->data;

  if (status == 0)
    assert_ok(jobsrv_wait(f->srv, wait, JOBSRV_WAIT_ALL, &job, 1, 0,
                          on_wait_again));
  else
    assert_int_equal(status, JOBSRV_ECLOSED);
}

static void on_wait_free(jobsrv_wait_t *wait, int status, jobsrv_job_t *job) {
  (void) job;
  assert_int_equal(status, 0);
  ++*(int *) wait->data;
  free(wait);
}

static void on_wait_close(jobsrv_wait_t *wait, int status, jobsrv_job_t *job) {
  fixture *f = wait->data;

  (void) job;
  assert_int_equal(status, 0);
  jobsrv_close(f->srv, fixture_on_closed, f);
}

static void its_callback_may_wait_again(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  jobsrv_wait_t wait = { .data = &f };

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  complete(job);
  assert_ok(jobsrv_wait(f.srv, &wait, JOBSRV_WAIT_ANY, &job, 1, UINT64_MAX,
                        on_wait_again));
  run_turns(&f.loop, 5);
  assert_non_null(wait.state);
  jobsrv_wait_cancel(&wait);
  fixture_close(&f);
}

static void its_callback_may_free_it(void **state) {
  jobsrv_wait_t *wait = calloc(1, sizeof(*wait));
  fixture f = { 0 };
  jobsrv_job_t *job;
  int calls = 0;

  (void) state;
  assert_non_null(wait);
  fixture_open(&f);
  job = fixture_begin(&f);
  wait->data = &calls;
  assert_ok(jobsrv_wait(f.srv, wait, JOBSRV_WAIT_ALL, &job, 1, UINT64_MAX,
                        on_wait_free));
  complete(job);
  run_turns(&f.loop, 2);
  assert_int_equal(calls, 1);
  fixture_close(&f);
}

static void its_callback_may_close_the_server(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *jobs[2];
  jobsrv_wait_t closer = { .data = &f };
  waited before = { 0 }, decided = { 0 };

  (void) state;
  fixture_open(&f);
  jobs[0] = fixture_begin(&f);
  jobs[1] = fixture_begin(&f);
  assert_ok(begin_wait(&f, &before, JOBSRV_WAIT_ALL, jobs, 2, UINT64_MAX));
  assert_ok(jobsrv_wait(f.srv, &closer, JOBSRV_WAIT_ANY, jobs, 1, UINT64_MAX,
                        on_wait_close));
  complete(jobs[0]);
  assert_ok(begin_wait(&f, &decided, JOBSRV_WAIT_ANY, jobs, 2, UINT64_MAX));
  run_turns(&f.loop, 1);
  assert_int_equal(before.calls, 1);
  assert_int_equal(before.status, JOBSRV_ECLOSED);
  assert_null(before.job);
  assert_int_equal(decided.calls, 1);
  assert_int_equal(decided.status, 0);
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 5000));
  fixture_close(&f);
}

static void on_wait_refused(jobsrv_wait_t *wait,
                            int status,
                            jobsrv_job_t *job) {
  fixture *f = wait->data;

  (void) job;
  assert_int_equal(status, JOBSRV_ECLOSED);
  assert_int_equal(fixture_stats(f).live, 0);
  assert_err(jobsrv_wait(f->srv, wait, JOBSRV_WAIT_ALL, NULL, 0, 0,
                         on_wait_refused),
             JOBSRV_ECLOSED);
  wait->data = NULL;
}

static void a_server_that_closes_ends_every_wait(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  jobsrv_wait_t wait = { .data = &f };
  waited none = { 0 };

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_ok(jobsrv_wait(f.srv, &wait, JOBSRV_WAIT_ALL, &job, 1, 1000,
                        on_wait_refused));
  assert_ok(begin_wait(&f, &none, JOBSRV_WAIT_ANY, NULL, 0, UINT64_MAX));
  fixture_close(&f);
  assert_null(wait.data);
  assert_int_equal(none.calls, 1);
  assert_int_equal(none.status, JOBSRV_ECLOSED);
  jobsrv_wait_cancel(&wait);
}

static void on_end_hook(jobsrv_hook_t *hook,
                        jobsrv_job_t *job,
                        jobsrv_state_t from,
                        jobsrv_state_t to) {
  waited *w = hook->data;

  (void) job;
  (void) from;
  if (jobsrv_state_terminal(to))
    assert_int_equal(w->calls, 0);
}

static void it_is_called_after_the_hooks(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  waited w = { 0 };
  jobsrv_hook_t hook = { .data = &w };

  (void) state;
  fixture_open(&f);
  jobsrv_hook_add(f.srv, &hook, on_end_hook);
  job = fixture_begin(&f);
  assert_ok(begin_wait(&f, &w, JOBSRV_WAIT_ANY, &job, 1, UINT64_MAX));
  complete(job);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static void without_memory_nothing_is_waited_for(void **state) {
  fixture f = { 0 };
  jobsrv_faults_t faults;
  jobsrv_job_t *jobs[3];
  waited w = { 0 };
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  fixture_open(&f);
  for (int i = 0; i < 3; i++)
    jobs[i] = fixture_begin(&f);
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    err = begin_wait(&f, &w, JOBSRV_WAIT_ALL, jobs, 3, UINT64_MAX);
    jobsrv_faults_fail(&faults, 0, 0);
    if (err != 0) {
      assert_int_equal(err, UV_ENOMEM);
      assert_null(w.wait.state);
    }
    assert_true(n < 10);
  }
  for (int i = 0; i < 3; i++)
    complete(jobs[i]);
  run_turns(&f.loop, 2);
  assert_int_equal(w.calls, 1);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

/* ---- from other threads ---- */

typedef struct {
  jobsrv_job_t *job;
  uint64_t timeout_ms;
  atomic_int begun;
  atomic_int done;
  int err;
  int ended;
  uint64_t took_ms;
} sleeper;

static void *sleep_on(void *arg) {
  sleeper *s = arg;
  uint64_t start = uv_hrtime();

  atomic_store(&s->begun, 1);
  s->err = jobsrv_job_wait(s->job, s->timeout_ms);
  s->took_ms = (uv_hrtime() - start) / 1000000;
  s->ended = jobsrv_state_terminal(jobsrv_job_state(s->job));
  jobsrv_job_unref(s->job);
  atomic_store(&s->done, 1);
  return NULL;
}

static int is_done(void *data) {
  return atomic_load(&((sleeper *) data)->done);
}

static pthread_t sleep_in_thread(sleeper *s,
                                 jobsrv_job_t *job,
                                 uint64_t timeout_ms) {
  pthread_t thread;

  s->job = jobsrv_job_ref(job);
  s->timeout_ms = timeout_ms;
  assert_int_equal(pthread_create(&thread, NULL, sleep_on, s), 0);
  return thread;
}

static void a_thread_sleeps_until_the_job_ends(void **state) {
  fixture f = { 0 };
  sleeper s = { 0 }, again = { 0 };
  jobsrv_job_t *job;
  pthread_t thread;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_err(jobsrv_job_wait(job, 5), JOBSRV_EONLOOP);
  thread = sleep_in_thread(&s, job, UINT64_MAX);
  assert_false(run_until(&f.loop, is_done, &s, 30));
  complete(job);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(s.err, 0);
  assert_true(s.ended);
  /* one that has ended needs no loop that runs */
  thread = sleep_in_thread(&again, job, 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(again.err, 0);
  fixture_close(&f);
}

static void a_thread_gives_up_in_real_time_whatever_the_loop(void **state) {
  fixture f = { 0 };
  sleeper s = { 0 }, look = { 0 };
  jobsrv_job_t *job;
  pthread_t thread;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  thread = sleep_in_thread(&look, job, 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(look.err, UV_ETIMEDOUT);
  /* the loop stands still, and so does the server's clock */
  thread = sleep_in_thread(&s, job, 40);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(s.err, UV_ETIMEDOUT);
  assert_true(s.took_ms >= 40);
  complete(job);
  fixture_close(&f);
}

static void a_thread_is_woken_by_the_close(void **state) {
  fixture f = { 0 };
  sleeper seen = { 0 }, unseen = { 0 };
  pthread_t threads[2];
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  threads[0] = sleep_in_thread(&seen, job, UINT64_MAX);
  assert_false(run_until(&f.loop, is_done, &seen, 20));
  threads[1] = sleep_in_thread(&unseen, job, UINT64_MAX);
  while (!atomic_load(&unseen.begun))
    sched_yield();
  fixture_close(&f);
  for (int i = 0; i < 2; i++)
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  assert_int_equal(seen.err, 0);
  assert_int_equal(unseen.err, 0);
  assert_true(seen.ended);
  assert_true(unseen.ended);
}

enum { RACERS = 4, ROUNDS = 90 };

/* Ends, timeouts and the last unref meet at all distances. */
static void ends_and_timeouts_race_safely(void **state) {
  fixture f = { .options = { .max_retained = 1, .max_expired = 1 } };
  jobsrv_faults_t faults;
  sleeper s[RACERS];
  pthread_t threads[RACERS];
  int late = 0;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  fixture_open(&f);
  for (int round = 0; round < ROUNDS; round++) {
    jobsrv_job_t *job = fixture_begin(&f);
    uint64_t end = uv_hrtime() + (uint64_t) (round % 30) * 100000;

    memset(s, 0, sizeof(s));
    for (int i = 0; i < RACERS; i++)
      threads[i] = sleep_in_thread(&s[i], job, i == 0 ? UINT64_MAX : 1);
    while (uv_hrtime() < end)
      run_turns(&f.loop, 1);
    complete(job);
    for (int i = 0; i < RACERS; i++) {
      assert_true(run_until(&f.loop, is_done, &s[i], 10000));
      assert_int_equal(pthread_join(threads[i], NULL), 0);
      assert_true(s[i].err == 0 || (i > 0 && s[i].err == UV_ETIMEDOUT));
      assert_true(s[i].err != 0 || s[i].ended);
      late += s[i].err != 0;
    }
  }
  assert_true(late > 0);
  assert_true(late < (RACERS - 1) * ROUNDS);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void a_thread_without_memory_says_so(void **state) {
  fixture f = { 0 };
  jobsrv_faults_t faults;
  sleeper s;
  pthread_t thread;
  jobsrv_job_t *job;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  fixture_open(&f);
  job = fixture_begin(&f);
  for (uint64_t n = 0; n < 2; n++) { /* its own, then the job's list */
    memset(&s, 0, sizeof(s));
    jobsrv_faults_fail(&faults, n, 1);
    thread = sleep_in_thread(&s, job, UINT64_MAX);
    assert_true(run_until(&f.loop, is_done, &s, 5000));
    jobsrv_faults_fail(&faults, 0, 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(s.err, UV_ENOMEM);
  }
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(all_waits_for_the_last),
  cmocka_unit_test(any_waits_for_the_first),
  cmocka_unit_test(what_has_ended_before_is_told_later_than_the_call),
  cmocka_unit_test(the_same_job_twice_is_one_end),
  cmocka_unit_test(none_to_wait_for_is_all_of_them),
  cmocka_unit_test(it_times_out_at_its_time),
  cmocka_unit_test(it_holds_what_it_waits_for),
  cmocka_unit_test(one_in_use_is_refused_and_goes_on),
  cmocka_unit_test(one_that_is_taken_back_is_not_called),
  cmocka_unit_test(its_callback_may_wait_again),
  cmocka_unit_test(its_callback_may_free_it),
  cmocka_unit_test(its_callback_may_close_the_server),
  cmocka_unit_test(a_server_that_closes_ends_every_wait),
  cmocka_unit_test(it_is_called_after_the_hooks),
  cmocka_unit_test(without_memory_nothing_is_waited_for),
  cmocka_unit_test(a_thread_sleeps_until_the_job_ends),
  cmocka_unit_test(a_thread_gives_up_in_real_time_whatever_the_loop),
  cmocka_unit_test(a_thread_is_woken_by_the_close),
  cmocka_unit_test(ends_and_timeouts_race_safely),
  cmocka_unit_test(a_thread_without_memory_says_so),
};

RUN(tests);
