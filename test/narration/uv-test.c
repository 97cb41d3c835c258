/* SPDX-License-Identifier: MIT */

/* Row 56: libuv's requests and handles, in the context that they are made in. */

#include "world.h"

#include "jobsrv/adapters/uv.h"

#include <fcntl.h>
#include <unistd.h>

typedef struct {
  world_t w;
  jobsrv_context_t context;
  jobsrv_job_t *job;
  jobsrv_capture_t *seen;
} stage_t;

/* A job, with an actor besides, is the context. */
static void stage_open(stage_t *s) {
  memset(s, 0, sizeof(*s));
  world_open(&s->w);
  assert_ok(jobsrv_capture_new(&s->seen, s->w.srv, 0));
  s->job = begin_job(&s->w);
  s->context.job = s->job;
  s->context.actor = "asker";
  jobsrv_context_merge(&s->context);
}

static void stage_leave(stage_t *s) {
  jobsrv_context_leave(&s->context);
  assert_null(jobsrv_context_job());
  jobsrv_wake(s->w.srv);
}

static void stage_close(stage_t *s) {
  jobsrv_capture_free(s->seen);
  world_close(&s->w);
}

static int is_said(void *data) {
  const stage_t *s = data;

  return jobsrv_capture_get(s->seen, &(jobsrv_match_t) { .action = "done" },
                            0) != NULL;
}

/* All events of that action were the job's, and by the actor. */
static void assert_said(const stage_t *s, const char *action, size_t times) {
  char id[JOBSRV_ID_SIZE];

  jobsrv_job_id(s->job, id);
  assert_int_equal(
      jobsrv_capture_count(s->seen, &(jobsrv_match_t) { .job_id = id,
                                                        .actor = "asker",
                                                        .action = action }),
      times);
}

static int handle_closed;

static void on_closed(uv_handle_t *handle) {
  (void) handle;
  handle_closed = 1;
}

static int is_closed(void *data) {
  (void) data;
  return handle_closed;
}

static void wait_closed(stage_t *s) {
  jobsrv_wake(s->w.srv);
  assert_true(run_until(&s->w.loop, is_closed, NULL, 5000));
}

/* ---- work ---- */

static void on_work(jobsrv_uv_work_t *work) {
  assert_int_equal(*(int *) work->req.data, 7);
  (void) jobsrv_info(NULL, "worked", "on a thread of libuv's");
}

static void on_after(jobsrv_uv_work_t *work, int status) {
  assert_ok(status);
  (void) jobsrv_info(NULL, "done", "on the loop");
  free(work);
}

static void work_is_done_in_the_context_it_was_queued_in(void **state) {
  jobsrv_uv_work_t *work = calloc(1, sizeof(*work));
  int seven = 7;
  stage_t s;

  (void) state;
  stage_open(&s);
  work->req.data = &seven;
  assert_ok(jobsrv_uv_queue_work(loop_uv(&s.w.loop), work, on_work, on_after));
  stage_leave(&s);
  assert_true(run_until(&s.w.loop, is_said, &s, 5000));
  assert_said(&s, "worked", 1);
  assert_said(&s, "done", 1);
  stage_close(&s);
}

static void work_needs_no_after(void **state) {
  jobsrv_uv_work_t work = { 0 };
  int seven = 7;
  stage_t s;

  (void) state;
  stage_open(&s);
  work.req.data = &seven;
  assert_ok(jobsrv_uv_queue_work(loop_uv(&s.w.loop), &work, on_work, NULL));
  stage_leave(&s);
  for (int i = 0; i < 500 && uv_loop_alive(loop_uv(&s.w.loop)); i++) {
    world_turn(&s.w);
    if (jobsrv_capture_get(s.seen, &(jobsrv_match_t) { .action = "worked" },
                           0) != NULL)
      break;
    usleep(2000);
  }
  world_turn(&s.w);
  assert_said(&s, "worked", 1);
  stage_close(&s);
}

/* ---- timers ---- */

static void on_once(jobsrv_uv_timer_t *timer) {
  (void) timer;
  (void) jobsrv_info(NULL, "done", "once");
}

static void a_timer_fires_in_the_context_it_was_started_in(void **state) {
  jobsrv_uv_timer_t timer;
  stage_t s;

  (void) state;
  stage_open(&s);
  handle_closed = 0;
  assert_ok(jobsrv_uv_timer_init(loop_uv(&s.w.loop), &timer));
  assert_ok(jobsrv_uv_timer_start(&timer, on_once, 1, 0));
  stage_leave(&s);
  assert_true(run_until(&s.w.loop, is_said, &s, 5000));
  assert_said(&s, "done", 1);
  assert_null(timer.context); /* it keeps nothing any more */
  jobsrv_uv_timer_close(&timer, on_closed);
  wait_closed(&s);
  stage_close(&s);
}

static void on_again(jobsrv_uv_timer_t *timer) {
  int *left = timer->timer.data;

  --*left;
  (void) jobsrv_info(NULL, *left > 0 ? "again" : "done", "%d", *left);
  if (*left == 0)
    assert_ok(jobsrv_uv_timer_stop(timer));
}

static void a_repeating_one_each_time_and_may_stop_itself(void **state) {
  jobsrv_uv_timer_t timer;
  int left = 3;
  stage_t s;

  (void) state;
  stage_open(&s);
  handle_closed = 0;
  assert_ok(jobsrv_uv_timer_init(loop_uv(&s.w.loop), &timer));
  timer.timer.data = &left;
  assert_ok(jobsrv_uv_timer_start(&timer, on_again, 1, 1));
  stage_leave(&s);
  assert_true(run_until(&s.w.loop, is_said, &s, 5000));
  assert_said(&s, "again", 2);
  assert_said(&s, "done", 1);
  jobsrv_uv_timer_close(&timer, on_closed);
  wait_closed(&s);
  stage_close(&s);
}

static void on_never(jobsrv_uv_timer_t *timer) {
  (void) timer;
  fail();
}

static void a_timer_started_anew_has_a_new_one(void **state) {
  jobsrv_context_t context;
  jobsrv_uv_timer_t timer;
  jobsrv_job_t *other;
  stage_t s;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  stage_open(&s);
  handle_closed = 0;
  other = begin_job(&s.w);
  assert_ok(jobsrv_uv_timer_init(loop_uv(&s.w.loop), &timer));
  assert_ok(jobsrv_uv_timer_start(&timer, on_never, 1000000, 0));
  jobsrv_context_enter(&context, other);
  assert_ok(jobsrv_uv_timer_start(&timer, on_once, 1, 0));
  jobsrv_context_leave(&context);
  stage_leave(&s);
  assert_true(run_until(&s.w.loop, is_said, &s, 5000));
  assert_int_equal(
      jobsrv_capture_count(s.seen,
                           &(jobsrv_match_t) {
                               .job_id = jobsrv_job_id(other, id),
                               .action = "done" }),
      1);
  jobsrv_uv_timer_close(&timer, on_closed);
  wait_closed(&s);
  stage_close(&s);
}

static void one_that_is_closed_while_armed_lets_go(void **state) {
  jobsrv_uv_timer_t timer;
  stage_t s;

  (void) state;
  stage_open(&s);
  handle_closed = 0;
  assert_ok(jobsrv_uv_timer_init(loop_uv(&s.w.loop), &timer));
  assert_ok(jobsrv_uv_timer_start(&timer, on_never, 1000000, 0));
  stage_leave(&s);
  jobsrv_uv_timer_close(&timer, on_closed);
  wait_closed(&s);
  stage_close(&s); /* nothing is left allocated */
}

/* ---- asyncs ---- */

static void on_async(jobsrv_uv_async_t *async) {
  (void) async;
  (void) jobsrv_info(NULL, "done", "woken");
}

static void an_async_wakes_in_the_context_it_was_made_in(void **state) {
  jobsrv_uv_async_t async;
  stage_t s;

  (void) state;
  stage_open(&s);
  handle_closed = 0;
  assert_ok(jobsrv_uv_async_init(loop_uv(&s.w.loop), &async, on_async));
  stage_leave(&s);
  assert_ok(uv_async_send(&async.async));
  assert_true(run_until(&s.w.loop, is_said, &s, 5000));
  assert_said(&s, "done", 1);
  jobsrv_uv_async_close(&async, on_closed);
  wait_closed(&s);
  stage_close(&s);
}

/* ---- processes ---- */

static void on_exit_event(uv_process_t *process, int64_t status, int signal) {
  (void) process;
  (void) jobsrv_info(NULL, "done", "%d %d", (int) status, signal);
}

/* What a child that prints its environment says. */
static void spawn_env(stage_t *s, char **env, char *to, size_t cap) {
  char *args[] = { (char *) "/usr/bin/env", NULL };
  uv_stdio_container_t stdio[2] = { { .flags = UV_IGNORE },
                                    { .flags = UV_INHERIT_FD } };
  uv_process_options_t options = {
    .exit_cb = on_exit_event, .file = args[0], .args = args, .env = env,
    .stdio_count = 2, .stdio = stdio,
  };
  jobsrv_uv_process_t process;
  ssize_t n = 0, got;
  int fds[2];

  handle_closed = 0;
  assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
  stdio[1].data.fd = fds[1];
  assert_ok(jobsrv_uv_spawn(loop_uv(&s->w.loop), &process, &options));
  close(fds[1]);
  stage_leave(s);
  assert_true(run_until(&s->w.loop, is_said, s, 5000));
  while ((got = read(fds[0], to + n, cap - 1 - (size_t) n)) > 0)
    n += got;
  to[n] = '\0';
  close(fds[0]);
  jobsrv_uv_process_close(&process, on_closed);
  wait_closed(s);
}

static void a_child_is_told_and_its_exit_comes_in_context(void **state) {
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  char *env[] = { (char *) "A=1", (char *) "JOBSRV_JOB_ID=mine", NULL };
  char said[4096], want[200];
  stage_t s;

  (void) state;
  stage_open(&s);
  spawn_env(&s, env, said, sizeof(said));
  jobsrv_job_trace(s.job, &trace);
  snprintf(want, sizeof(want), "TRACEPARENT=00-%s-%s-01\nA=1\n"
           "JOBSRV_JOB_ID=mine\n", trace.trace_id, trace.attempt_span_id);
  assert_string_equal(said, want);
  assert_said(&s, "done", 1);
  stage_close(&s);
}

static void what_it_inherits_gives_way(void **state) {
  char said[1 << 16], want[100], id[JOBSRV_ID_SIZE];
  stage_t s;

  (void) state;
  assert_int_equal(setenv("JOBSRV_JOB_ID", "the host's", 1), 0);
  assert_int_equal(setenv("JOBSRV_INHERITED", "yes", 1), 0);
  stage_open(&s);
  spawn_env(&s, NULL, said, sizeof(said));
  unsetenv("JOBSRV_JOB_ID");
  unsetenv("JOBSRV_INHERITED");
  snprintf(want, sizeof(want), "JOBSRV_JOB_ID=%s\n", jobsrv_job_id(s.job, id));
  assert_contains(said, want);
  assert_contains(said, "JOBSRV_INHERITED=yes\n");
  assert_null(strstr(said, "the host's"));
  stage_close(&s);
}

static void a_program_that_is_not_there_leaves_nothing(void **state) {
  char *args[] = { (char *) "/no/such/program", NULL };
  uv_process_options_t options = { .file = args[0], .args = args };
  jobsrv_uv_process_t process;
  stage_t s;

  (void) state;
  stage_open(&s);
  handle_closed = 0;
  assert_err(jobsrv_uv_spawn(loop_uv(&s.w.loop), &process, &options),
             UV_ENOENT);
  stage_leave(&s);
  jobsrv_uv_process_close(&process, on_closed);
  wait_closed(&s);
  stage_close(&s);
}

static void no_memory_is_told(void **state) {
  jobsrv_uv_work_t work = { 0 };
  jobsrv_uv_timer_t timer;
  jobsrv_uv_async_t async;
  jobsrv_uv_process_t process;
  uv_process_options_t options = { 0 };
  uv_loop_t *loop;
  stage_t s;

  (void) state;
  stage_open(&s);
  handle_closed = 0;
  loop = loop_uv(&s.w.loop);
  assert_ok(jobsrv_uv_timer_init(loop, &timer));
  jobsrv_faults_fail(&s.w.faults, 0, UINT64_MAX);
  assert_err(jobsrv_uv_queue_work(loop, &work, on_work, NULL), UV_ENOMEM);
  assert_err(jobsrv_uv_timer_start(&timer, on_never, 1, 0), UV_ENOMEM);
  assert_err(jobsrv_uv_async_init(loop, &async, on_async), UV_ENOMEM);
  assert_err(jobsrv_uv_spawn(loop, &process, &options), UV_ENOMEM);
  jobsrv_faults_fail(&s.w.faults, 0, 0);
  stage_leave(&s);
  jobsrv_uv_timer_close(&timer, on_closed);
  wait_closed(&s);
  stage_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(work_is_done_in_the_context_it_was_queued_in),
  cmocka_unit_test(work_needs_no_after),
  cmocka_unit_test(a_timer_fires_in_the_context_it_was_started_in),
  cmocka_unit_test(a_repeating_one_each_time_and_may_stop_itself),
  cmocka_unit_test(a_timer_started_anew_has_a_new_one),
  cmocka_unit_test(one_that_is_closed_while_armed_lets_go),
  cmocka_unit_test(an_async_wakes_in_the_context_it_was_made_in),
  cmocka_unit_test(a_child_is_told_and_its_exit_comes_in_context),
  cmocka_unit_test(what_it_inherits_gives_way),
  cmocka_unit_test(a_program_that_is_not_there_leaves_nothing),
  cmocka_unit_test(no_memory_is_told),
};

RUN(tests);
