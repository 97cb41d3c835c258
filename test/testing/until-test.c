/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "jobsrv/testing.h"

#include <pthread.h>
#include <stdatomic.h>

#include <uv.h>

static int is_set(void *data) {
  return atomic_load((atomic_int *) data);
}

static void on_timer(uv_timer_t *timer) {
  atomic_store((atomic_int *) timer->data, 1);
}

static void open_timer(uv_loop_t *loop, uv_timer_t *timer, atomic_int *flag) {
  assert_int_equal(uv_loop_init(loop), 0);
  uv_timer_init(loop, timer);
  atomic_init(flag, 0);
  timer->data = flag;
}

static void close_timer(uv_loop_t *loop, uv_timer_t *timer) {
  uv_close((uv_handle_t *) timer, NULL);
  uv_run(loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(loop), 0);
}

static void it_runs_until_it_is_true(void **state) {
  uv_loop_t loop;
  uv_timer_t timer;
  atomic_int flag;

  (void) state;
  open_timer(&loop, &timer, &flag);
  uv_timer_start(&timer, on_timer, 20, 0);
  assert_int_equal(jobsrv_run_until(&loop, is_set, &flag, 20000), 1);
  close_timer(&loop, &timer);
}

static void it_gives_up_in_time(void **state) {
  uv_loop_t loop;
  uv_timer_t timer;
  atomic_int flag;
  uint64_t start = uv_hrtime();

  (void) state;
  open_timer(&loop, &timer, &flag);
  uv_timer_start(&timer, on_timer, 60000, 0);
  assert_int_equal(jobsrv_run_until(&loop, is_set, &flag, 30), 0);
  assert_true(uv_hrtime() - start >= 29000000);
  assert_true(uv_hrtime() - start < 20000000000);
  assert_int_equal(jobsrv_run_until(&loop, is_set, &flag, 0), 0);
  close_timer(&loop, &timer);
}

static void it_sees_what_does_not_keep_the_loop_alive(void **state) {
  uv_loop_t loop;
  uv_timer_t timer;
  atomic_int flag;

  (void) state;
  open_timer(&loop, &timer, &flag);
  uv_timer_start(&timer, on_timer, 5, 0);
  uv_unref((uv_handle_t *) &timer);
  assert_int_equal(jobsrv_run_until(&loop, is_set, &flag, 20000), 1);
  close_timer(&loop, &timer);
}

static void *set_it(void *arg) {
  atomic_store((atomic_int *) arg, 1);
  return NULL;
}

static void it_sees_what_another_thread_does(void **state) {
  uv_loop_t loop;
  pthread_t thread;
  atomic_int flag;

  (void) state;
  atomic_init(&flag, 0);
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_int_equal(pthread_create(&thread, NULL, set_it, &flag), 0);
  assert_int_equal(jobsrv_run_until(&loop, is_set, &flag, 20000), 1);
  pthread_join(thread, NULL);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void on_check(uv_check_t *check) {
  ++*(int *) check->data;
}

static void it_runs_so_many_turns(void **state) {
  uv_loop_t loop;
  uv_check_t check;
  int turns = 0;

  (void) state;
  assert_int_equal(uv_loop_init(&loop), 0);
  uv_check_init(&loop, &check);
  check.data = &turns;
  uv_check_start(&check, on_check);
  uv_unref((uv_handle_t *) &check);
  jobsrv_run_turns(&loop, 0);
  assert_int_equal(turns, 0);
  jobsrv_run_turns(&loop, 1);
  assert_int_equal(turns, 1);
  jobsrv_run_turns(&loop, 4);
  assert_int_equal(turns, 5);
  uv_close((uv_handle_t *) &check, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- with a server ---- */

static int sleep_a_bit(jobsrv_job_t *job, void *data) {
  (void) data;
  uv_sleep(20);
  return jobsrv_job_complete(job, NULL, 0);
}

static jobsrv_job_t *open_server(jobsrv_t **srv, uv_loop_t *loop) {
  jobsrv_operation_t op;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  assert_ok(jobsrv_new(srv, loop, NULL));
  jobsrv_operation_init(&op);
  op.name = "sleep";
  op.style = JOBSRV_THREAD;
  op.run = sleep_a_bit;
  assert_ok(jobsrv_operation_add(*srv, &op));
  jobsrv_spec_init(&spec);
  spec.operation = "sleep";
  assert_ok(jobsrv_submit(*srv, &spec, NULL, &job));
  return jobsrv_job_ref(job);
}

static void set_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  atomic_store((atomic_int *) data, 1);
}

static void it_runs_a_server_on_the_hosts_loop(void **state) {
  uv_loop_t loop;
  jobsrv_job_t *job;
  jobsrv_t *srv;

  (void) state;
  assert_int_equal(uv_loop_init(&loop), 0);
  job = open_server(&srv, &loop);
  assert_int_equal(jobsrv_run_until_srv(srv, jobsrv_until_ended, job, 20000),
                   1);
  jobsrv_job_unref(job);
  jobsrv_close(srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void it_dispatches_a_server_without_one(void **state) {
  atomic_int never, closed;
  jobsrv_job_t *job;
  uint64_t start;
  jobsrv_t *srv;

  (void) state;
  atomic_init(&never, 0);
  atomic_init(&closed, 0);
  job = open_server(&srv, NULL);
  assert_int_equal(jobsrv_run_until_srv(srv, jobsrv_until_ended, job, 20000),
                   1);
  jobsrv_job_unref(job);
  start = uv_hrtime();
  assert_int_equal(jobsrv_run_until_srv(srv, is_set, &never, 30), 0);
  assert_true(uv_hrtime() - start >= 29000000);
  jobsrv_close(srv, set_closed, &closed);
  assert_int_equal(jobsrv_run_until_srv(srv, is_set, &never, 60000), 0);
  assert_int_equal(atomic_load(&closed), 1); /* and did not wait so long */
  assert_true(uv_hrtime() - start < 30000000000);
}

static void it_waits_for_a_server_that_was_started(void **state) {
  jobsrv_job_t *job;
  jobsrv_t *srv;

  (void) state;
  job = open_server(&srv, NULL);
  assert_ok(jobsrv_start(srv));
  assert_int_equal(jobsrv_run_until_srv(srv, jobsrv_until_ended, job, 20000),
                   1);
  jobsrv_job_unref(job);
  assert_ok(jobsrv_stop(srv, 1000));
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_runs_until_it_is_true),
  cmocka_unit_test(it_gives_up_in_time),
  cmocka_unit_test(it_sees_what_does_not_keep_the_loop_alive),
  cmocka_unit_test(it_sees_what_another_thread_does),
  cmocka_unit_test(it_runs_so_many_turns),
  cmocka_unit_test(it_runs_a_server_on_the_hosts_loop),
  cmocka_unit_test(it_dispatches_a_server_without_one),
  cmocka_unit_test(it_waits_for_a_server_that_was_started),
};

RUN(tests);
