/* SPDX-License-Identifier: MIT */

#include "core/exec.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- stopping ---- */

static void a_request_to_stop_sends_sigterm_to_the_group(void **state) {
  fixture_t f;
  plan_t plan = SH("sleep 60 & echo $!; echo ready; wait");
  jobsrv_job_t *job;

  (void) state;
  fixture_prepare(&f);
  f.options.grace_ms = 60000;
  fixture_open(&f);
  operation_add(&f);
  job = submit(&f, "exec", &plan);
  wait_for_line(&f, 2);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_state(job, "running");
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "cancelled");
  assert_int_equal(info_of(job).signal, SIGTERM);
  assert_gone(atoi(f.lines[0].text));
  fixture_close(&f);
}

static void a_child_that_succeeds_all_the_same_has_won(void **state) {
  fixture_t f;
  plan_t plan = SH("trap 'echo bye; exit 0' TERM; echo ready;"
                   "while :; do sleep 0.02; done");
  jobsrv_job_t *job;

  (void) state;
  fixture_prepare(&f);
  f.options.grace_ms = 60000;
  fixture_open(&f);
  operation_add(&f);
  job = submit(&f, "exec", &plan);
  wait_for_line(&f, 1);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "completed");
  assert_string_equal(output(&f, 1), "ready|bye|");
  fixture_close(&f);
}

static void a_family_that_ignores_sigterm_is_killed(void **state) {
  fixture_t f;
  plan_t plan = SH("trap '' TERM; (sleep 60; echo no) & echo $!; echo $$;"
                   "while :; do sleep 1; done");
  jobsrv_job_t *job;
  int child, leader;

  (void) state;
  open_with_exec(&f);
  job = submit(&f, "exec", &plan);
  wait_for_line(&f, 2);
  child = atoi(f.lines[0].text);
  leader = atoi(f.lines[1].text);
  assert_ok(jobsrv_job_cancel(job, NULL));
  pause_loop(&f, 10);
  assert_false(is_gone(child));
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "cancelled");
  assert_int_equal(info_of(job).signal, SIGKILL);
  assert_int_equal(info_of(job).abandoned, 0);
  assert_int_equal(kill(leader, 0), -1); /* reaped */
  assert_gone(child);
  fixture_close(&f);
}

static void a_timeout_fails_the_job_when_it_has_stopped(void **state) {
  fixture_t f;
  plan_t plan = SH("trap '' TERM; echo $$; while :; do sleep 1; done");
  jobsrv_job_t *job;

  (void) state;
  fixture_prepare(&f);
  f.options.timeout_ms = 100;
  fixture_open(&f);
  operation_add(&f);
  job = submit(&f, "exec", &plan);
  assert_true(runs_to_end(&f, job, 5000));
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "attempt_timeout");
  assert_int_equal(kill(atoi(f.lines[0].text), 0), -1);
  fixture_close(&f);
}

/* With time by hand: the leader leaves a child behind that holds its output. */
static jobsrv_job_t *start_orphan(fixture_t *f, plan_t *plan) {
  jobsrv_job_t *job;

  fixture_prepare(f);
  f->by_hand = 1;
  fixture_open(f);
  operation_add(f);
  job = submit(f, "exec", plan);
  wait_for_line(f, 1);
  for (int i = 0; i < 200 && !is_gone(jobsrv_job_pid(job)); i++)
    usleep(1000);
  pause_loop(f, 20);
  assert_state(job, "running");
  return job;
}

static void an_orphan_that_holds_the_output_has_two_seconds(void **state) {
  fixture_t f;
  plan_t plan = SH("sleep 60 & echo $!; exit 0");
  jobsrv_job_t *job = start_orphan(&f, &plan);
  int orphan = atoi(f.lines[0].text);

  (void) state;
  advance(&f, 1999);
  assert_state(job, "running");
  assert_false(is_gone(orphan));
  advance(&f, 1);
  assert_state(job, "completed");
  assert_gone(orphan);
  fixture_close(&f);
}

static void the_end_of_the_grace_comes_first_if_it_is_earlier(void **state) {
  fixture_t f;
  plan_t plan = SH("trap '' TERM; sleep 60 & echo $!; exit 0");
  jobsrv_job_t *job = start_orphan(&f, &plan);
  int orphan = atoi(f.lines[0].text);

  (void) state;
  assert_ok(jobsrv_job_cancel(job, NULL));
  advance(&f, 49);
  pause_loop(&f, 10);
  assert_state(job, "running");
  advance(&f, 1);
  assert_true(runs_to_end(&f, job, 1000));
  assert_state(job, "completed"); /* the leader had succeeded */
  assert_gone(orphan);
  fixture_close(&f);
}

static void what_is_left_of_the_group_goes_with_the_leader(void **state) {
  fixture_t f;
  plan_t plan = SH("sleep 60 >/dev/null 2>&1 & echo $!; exit 0");
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_state(job, "completed");
  assert_gone(atoi(f.lines[0].text));
  fixture_close(&f);
}

static void the_last_words_before_the_kill_are_kept(void **state) {
  fixture_t f;
  plan_t plan = SH("trap '' TERM; echo $$; printf tail;"
                   "while :; do sleep 1; done");
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = submit(&f, "exec", &plan);
  wait_for_line(&f, 1);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 5000));
  assert_string_equal(f.lines[f.nlines - 1].text, "tail");
  fixture_close(&f);
}

static void a_close_takes_the_processes_along(void **state) {
  fixture_t f;
  plan_t plan = SH("trap '' TERM; sleep 60 & echo $!; echo $$;"
                   "while :; do sleep 1; done");
  jobsrv_job_t *job;
  int before = descriptors();
  int child, leader;

  (void) state;
  open_with_exec(&f);
  job = jobsrv_job_ref(submit(&f, "exec", &plan));
  wait_for_line(&f, 2);
  child = atoi(f.lines[0].text);
  leader = atoi(f.lines[1].text);
  server_close(&f);
  assert_state(job, "cancelled");
  assert_int_equal(kill(leader, 0), -1);
  assert_gone(child);
  jobsrv_job_unref(job);
  lines_forget(&f);
  assert_int_equal(atomic_load(&f.memory.live), 0);
  assert_int_equal(descriptors(), before);
}

static void an_abandoned_child_is_still_reaped(void **state) {
  fixture_t f;
  plan_t plan = SH("echo $$; exec sleep 60");
  jobsrv_job_t *job;
  int leader;

  (void) state;
  open_with_exec(&f);
  job = submit(&f, "exec", &plan);
  wait_for_line(&f, 1);
  leader = atoi(f.lines[0].text);
  jobsrv__job_abandon(job);
  assert_int_equal(kill(leader, SIGKILL), 0);
  for (int i = 0; i < 100 && kill(leader, 0) == 0; i++)
    pause_loop(&f, 10);
  assert_int_equal(kill(leader, 0), -1);
  assert_int_equal(info_of(job).signal, 0);
  assert_int_equal(f.srv->late_finishes, 1);
  fixture_close(&f);
}

static void a_close_finds_an_abandoned_child(void **state) {
  fixture_t f;
  plan_t plan = SH("echo $$; exec sleep 60");
  jobsrv_job_t *job;
  int leader;

  (void) state;
  open_with_exec(&f);
  job = submit(&f, "exec", &plan);
  wait_for_line(&f, 1);
  leader = atoi(f.lines[0].text);
  jobsrv__job_abandon(job);
  fixture_close(&f);
  assert_int_equal(kill(leader, 0), -1);
}

static void a_job_that_was_reaped_by_the_host_still_ends(void **state) {
  fixture_t f;
  plan_t plan = SH("echo $$; exit 0");
  jobsrv_job_t *job;
  int status;

  (void) state;
  open_with_exec(&f);
  job = submit(&f, "exec", &plan);
  for (int i = 0; i < 200 && jobsrv_job_pid(job) == 0; i++)
    run_turns(&f.loop, 1);
  assert_int_equal(waitpid(jobsrv_job_pid(job), &status, 0),
                   jobsrv_job_pid(job));
  assert_true(runs_to_end(&f, job, 5000));
  assert_string_equal(info_of(job).error_code, "exit_status_lost");
  fixture_close(&f);
}

/* ---- many, and too many ---- */

static void fifty_run_at_once(void **state) {
  enum { N = 50 };
  fixture_t f;
  plan_t plan = SH("sleep 0.05; echo one; exit 7");
  jobsrv_job_t *jobs[N];
  int before = descriptors();

  (void) state;
  open_with_exec(&f);
  for (int i = 0; i < N; i++)
    jobs[i] = submit(&f, "exec", &plan);
  for (int i = 0; i < N; i++) {
    assert_true(runs_to_end(&f, jobs[i], 20000));
    assert_int_equal(info_of(jobs[i]).exit_status, 7);
  }
  assert_int_equal(f.nlines, N);
  assert_int_equal(f.srv->processes, 0);
  fixture_close(&f);
  assert_int_equal(descriptors(), before);
}

static void too_few_descriptors_fail_the_job_and_no_more(void **state) {
  fixture_t f;
  plan_t plan = SH("exit 0");
  struct rlimit before, few;
  jobsrv_job_t *job;
  rlim_t free_fd;
  int open_then;

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed"); /* all that is lazy is there */
  open_then = descriptors();
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  free_fd = (rlim_t) dup(0);
  close((int) free_fd);
  /* Four are enough: those that the child has been given are closed again. */
  for (rlim_t n = 0; n < 4; n++) {
    few = before;
    few.rlim_cur = free_fd + n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    job = run(&f, &plan);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_state(job, "failed");
    assert_string_equal(info_of(job).error_code, "spawn_failed");
    assert_int_equal(descriptors(), open_then);
    assert_int_equal(f.srv->processes, 0);
  }
  assert_state(run(&f, &plan), "completed");
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none was forgotten */
  fixture_close(&f);
}

static void any_allocation_may_fail(void **state) {
  fixture_t f;
  plan_t plan = { .argv = { "sh", "-c", "echo x; exit 0" },
                  .env = { "A", "b", "PATH", "/no:/bin" },
                  .cwd = "/" };
  jobsrv_job_t *job;
  jobsrv_spec_t spec;
  int hits = 0;
  int err;

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  for (long n = 0;; n++) {
    int open_then = descriptors();

    atomic_store(&f.memory.requests, 0);
    atomic_store(&f.memory.fail_at, n);
    jobsrv_spec_init(&spec);
    spec.operation = "exec";
    spec.data = &plan;
    err = jobsrv_submit(f.srv, &spec, NULL, &job);
    if (err == 0)
      assert_true(runs_to_end(&f, job, 5000));
    err = atomic_load(&f.memory.requests) <= n;
    atomic_store(&f.memory.fail_at, -1);
    assert_int_equal(descriptors(), open_then);
    if (err)
      break;
    hits++;
  }
  assert_true(hits > 5);
  assert_state(run(&f, &plan), "completed");
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_request_to_stop_sends_sigterm_to_the_group),
  cmocka_unit_test(a_child_that_succeeds_all_the_same_has_won),
  cmocka_unit_test(a_family_that_ignores_sigterm_is_killed),
  cmocka_unit_test(a_timeout_fails_the_job_when_it_has_stopped),
  cmocka_unit_test(an_orphan_that_holds_the_output_has_two_seconds),
  cmocka_unit_test(the_end_of_the_grace_comes_first_if_it_is_earlier),
  cmocka_unit_test(what_is_left_of_the_group_goes_with_the_leader),
  cmocka_unit_test(the_last_words_before_the_kill_are_kept),
  cmocka_unit_test(a_close_takes_the_processes_along),
  cmocka_unit_test(an_abandoned_child_is_still_reaped),
  cmocka_unit_test(a_close_finds_an_abandoned_child),
  cmocka_unit_test(a_job_that_was_reaped_by_the_host_still_ends),
  cmocka_unit_test(fifty_run_at_once),
  cmocka_unit_test(too_few_descriptors_fail_the_job_and_no_more),
  cmocka_unit_test(any_allocation_may_fail),
};

RUN(tests);
