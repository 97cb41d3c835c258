/* SPDX-License-Identifier: MIT */

/* Row 76: the manual clock moves every timer, and none is left on real time. */

#include "sse/world.h"

#include "core/server.h"
#include "core/wall.h"
#include "jobsrv/process.h"
#include "jobsrv/testing_sse.h"

#include <dirent.h>
#include <limits.h>

/* Each its own, so that one cannot stand in for another. */
enum {
  SILENT_MS = 1100,
  HEAD_MS = 1201,
  BODY_MS = 1302,
  IDLE_MS = 1403,
  STALL_MS = 1504,
  BEAT_MS = 1605,
  LINGER_MS = 1000,
  PROGRESS_MS = 100,
  ATTEMPT_MS = 2100,
  DEADLINE_MS = 2201,
  QUEUE_MS = 2302,
  SILENCE_MS = 2403,
  GRACE_MS = 2504,
  DRAIN_MS = 2605,
  RETAIN_MS = 2706,
  WALL_MS = 2807,
  DELAY_MS = 2908,
  BACKOFF_MS = 3009,
  WATCHED_MS = 3110
};

typedef struct {
  world w;
  jobsrv_memory_t *client;
  jobsrv_job_t *job;
  jobsrv_capture_t *seen;
  jobsrv__wall_timer_t wall;
  size_t mark;
  int called;
} scene_t;

typedef struct {
  const char *name;
  void (*prepare)(scene_t *scene);
  uint64_t ms;
  int (*happened)(scene_t *scene);
} case_t;

static void feed(scene_t *scene, const char *text) {
  assert_ok(jobsrv_memory_feed(scene->client, text, strlen(text)));
  run_turns(&scene->w.f.loop, 6);
}

static const char *output(const scene_t *scene) {
  return jobsrv_memory_output(scene->client, NULL);
}

/* ---- the transport's ---- */

static int is_closed(scene_t *scene) {
  return jobsrv_memory_state(scene->client) == JOBSRV_MEMORY_CLOSED;
}

static int is_reset(scene_t *scene) {
  return jobsrv_memory_state(scene->client) == JOBSRV_MEMORY_RESET;
}

static int is_timed_out(scene_t *scene) {
  return strncmp(output(scene), "HTTP/1.1 408", 12) == 0;
}

static int has_more(scene_t *scene) {
  size_t len;

  (void) jobsrv_memory_output(scene->client, &len);
  return len > scene->mark;
}

static void say_nothing(scene_t *scene) {
  (void) scene;
}

static void begin_a_head(scene_t *scene) {
  feed(scene, "GET /hea");
}

static void begin_a_body(scene_t *scene) {
  feed(scene, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
              "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{");
}

static void ask_once(scene_t *scene) {
  feed(scene, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert_contains(output(scene), "HTTP/1.1 200 ");
}

static void be_refused(scene_t *scene) {
  feed(scene, "NONSENSE\r\n\r\n");
  assert_int_equal(jobsrv_memory_state(scene->client), JOBSRV_MEMORY_SHUT);
}

static void watch_job(scene_t *scene) {
  char request[300];
  char id[JOBSRV_ID_SIZE];

  scene->job = jobsrv_job_ref(fixture_begin(&scene->w.f));
  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
           jobsrv_job_id(scene->job, id));
  feed(scene, request);
  (void) jobsrv_memory_output(scene->client, &scene->mark);
}

static void watch_blocked(scene_t *scene) {
  jobsrv_memory_window(scene->client, 0);
  watch_job(scene);
}

static void progress_twice(scene_t *scene) {
  jobsrv_progress_t progress = { .done = 1, .total = 3 };

  watch_job(scene);
  assert_ok(jobsrv_progress(scene->job, &progress));
  run_turns(&scene->w.f.loop, 3);
  progress.done = 2;
  assert_ok(jobsrv_progress(scene->job, &progress));
  run_turns(&scene->w.f.loop, 3);
  (void) jobsrv_memory_output(scene->client, &scene->mark);
}

/* ---- the core's ---- */

static int has_ended(scene_t *scene) {
  return jobsrv_until_ended(scene->job);
}

static void submit(scene_t *scene, const jobsrv_spec_t *spec) {
  assert_ok(jobsrv_submit(scene->w.f.srv, spec, NULL, &scene->job));
  jobsrv_job_ref(scene->job);
  run_turns(&scene->w.f.loop, 3);
}

static void run_with_timeout(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "heedful",
                                   .timeout_ms = ATTEMPT_MS });
}

static void run_with_deadline(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "heedful",
                                   .deadline_ms = DEADLINE_MS });
}

static void run_with_silence(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "heedful",
                                   .silence_ms = SILENCE_MS });
}

static void wait_in_queue(scene_t *scene) {
  jobsrv_spec_t spec = { .size = sizeof(spec), .operation = "heedful" };

  submit(scene, &spec);
  jobsrv_job_unref(scene->job);
  spec.queue_ms = QUEUE_MS;
  submit(scene, &spec);
  assert_int_equal(jobsrv_job_state(scene->job), JOBSRV_STATE_QUEUED);
}

static int is_running(scene_t *scene) {
  return jobsrv_job_state(scene->job) == JOBSRV_STATE_RUNNING;
}

static void wait_for_its_time(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "work",
                                   .delay_ms = DELAY_MS });
}

static void wait_to_be_retried(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "work",
                                   .retry = { .max_attempts = 2,
                                              .backoff_ms = BACKOFF_MS,
                                              .jitter = JOBSRV_JITTER_NONE } });
  assert_ok(jobsrv_job_fail(scene->job, "once", NULL));
  run_turns(&scene->w.f.loop, 3);
}

static void wait_to_be_watched(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "work",
                                   .start = JOBSRV_START_ON_STREAM,
                                   .start_within_ms = WATCHED_MS });
}

static void be_stubborn(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "work" });
  assert_ok(jobsrv_job_cancel(scene->job, NULL));
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  ((scene_t *) data)->called = 1;
}

static void drain(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "finisher" });
  assert_ok(jobsrv_drain(scene->w.f.srv, DRAIN_MS, on_drained, scene));
}

static void retain(scene_t *scene) {
  submit(scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                   .operation = "work",
                                   .retain_ms = RETAIN_MS });
  assert_ok(jobsrv_job_complete(scene->job, NULL, 0));
}

static int is_expired(scene_t *scene) {
  jobsrv_job_t *job;
  char id[JOBSRV_ID_SIZE];

  return jobsrv_find(scene->w.f.srv, jobsrv_job_id(scene->job, id), &job) ==
         JOBSRV_EEXPIRED;
}

static void on_wall(jobsrv__wall_timer_t *timer) {
  ((scene_t *) timer->data)->called = 1;
}

static void wait_for_wall(scene_t *scene) {
  scene->wall.data = scene;
  assert_ok(jobsrv__wall_arm(scene->w.f.srv, &scene->wall,
                             jobsrv_wall_now(scene->w.f.srv) +
                                 WALL_MS * UINT64_C(1000000), on_wall));
}

static int was_called(scene_t *scene) {
  return scene->called;
}

static const case_t cases[] = {
  { "silent_timeout_ms", say_nothing, SILENT_MS, is_closed },
  { "head_timeout_ms", begin_a_head, HEAD_MS, is_timed_out },
  { "body_timeout_ms", begin_a_body, BODY_MS, is_timed_out },
  { "keepalive_idle_ms", ask_once, IDLE_MS, is_closed },
  { "the lingering close", be_refused, LINGER_MS, is_closed },
  { "heartbeat_ms", watch_job, BEAT_MS, has_more },
  { "write_stall_ms", watch_blocked, STALL_MS, is_reset },
  { "the pace of progress", progress_twice, PROGRESS_MS, has_more },
  { "timeout_ms", run_with_timeout, ATTEMPT_MS, has_ended },
  { "deadline_ms", run_with_deadline, DEADLINE_MS, has_ended },
  { "queue_ms", wait_in_queue, QUEUE_MS, has_ended },
  { "silence_ms", run_with_silence, SILENCE_MS, has_ended },
  { "delay_ms", wait_for_its_time, DELAY_MS, is_running },
  { "backoff_ms", wait_to_be_retried, BACKOFF_MS, is_running },
  { "start_within_ms", wait_to_be_watched, WATCHED_MS, has_ended },
  { "grace_ms", be_stubborn, GRACE_MS, has_ended },
  { "a drain", drain, DRAIN_MS, has_ended },
  { "retain_ms", retain, RETAIN_MS, is_expired },
  { "a wall time", wait_for_wall, WALL_MS, was_called },
};

/* An operation that lets go when it is asked to. */
static void on_stop(jobsrv_job_t *job,
                    const jobsrv_reason_t *reason,
                    void *data) {
  (void) reason;
  (void) data;
  assert_ok(jobsrv_job_fail(job, "stopped", NULL));
}

static void add_operation(scene_t *scene,
                          const char *name,
                          jobsrv_on_drain_t on_drain,
                          int heeds) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = name;
  op.start = fixture_start;
  op.on_drain = on_drain;
  op.max_running = heeds;
  if (heeds)
    op.stop = on_stop;
  assert_ok(jobsrv_operation_add(scene->w.f.srv, &op));
}

static void scene_open(scene_t *scene) {
  memset(scene, 0, sizeof(*scene));
  scene->w.options.size = sizeof(scene->w.options);
  scene->w.options.silent_timeout_ms = SILENT_MS;
  scene->w.options.head_timeout_ms = HEAD_MS;
  scene->w.options.body_timeout_ms = BODY_MS;
  scene->w.options.keepalive_idle_ms = IDLE_MS;
  scene->w.options.write_stall_ms = STALL_MS;
  scene->w.options.heartbeat_ms = BEAT_MS;
  scene->w.f.options.grace_ms = GRACE_MS;
  world_open(&scene->w);
  add_operation(scene, "heedful", JOBSRV_DRAIN_CANCEL, 1);
  add_operation(scene, "finisher", JOBSRV_DRAIN_FINISH, 1);
  assert_ok(jobsrv_memory_open(&scene->client, scene->w.sse));
}

static void scene_close(scene_t *scene) {
  jobsrv_memory_free(scene->client);
  if (scene->job != NULL)
    jobsrv_job_unref(scene->job);
  world_close(&scene->w);
}

/* ---- what the loop waits for ---- */

static void on_handle(uv_handle_t *handle, void *data) {
  if (handle->type == UV_TIMER && uv_is_active(handle))
    ++*(int *) data;
}

static int timers_of_the_loop(const scene_t *scene) {
  int n = 0;

  uv_walk(jobsrv_loop(scene->w.f.srv), on_handle, &n);
  return n;
}

static int timers_of_the_kernel(void) {
  DIR *dir = opendir("/proc/self/fd");
  const struct dirent *entry;
  char path[64], what[PATH_MAX];
  ssize_t len;
  int n = 0;

  while (dir != NULL && (entry = readdir(dir)) != NULL) {
    snprintf(path, sizeof(path), "/proc/self/fd/%.20s", entry->d_name);
    len = readlink(path, what, sizeof(what) - 1);
    what[len > 0 ? len : 0] = '\0';
    n += strstr(what, "timerfd") != NULL;
  }
  if (dir != NULL)
    closedir(dir);
  return n;
}

static void expect_no_real_timer(const scene_t *scene, const char *name) {
  if (timers_of_the_loop(scene) != 0 || timers_of_the_kernel() != 0)
    fail_msg("%s: a timer is armed on real time", name);
}

static void every_deadline_is_met_on_the_millisecond(void **state) {
  static scene_t scene;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const case_t *test = &cases[i];

    scene_open(&scene);
    test->prepare(&scene);
    expect_no_real_timer(&scene, test->name);
    fixture_ms(&scene.w.f, test->ms - 1);
    if (test->happened(&scene))
      fail_msg("%s: too early", test->name);
    expect_no_real_timer(&scene, test->name);
    fixture_ms(&scene.w.f, 1);
    if (!test->happened(&scene))
      fail_msg("%s: not in time", test->name);
    expect_no_real_timer(&scene, test->name);
    scene_close(&scene);
  }
}

/* The same by steps: each stops at a deadline, none is passed over. */
static void stepping_meets_them_all_as_well(void **state) {
  static scene_t scene;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const case_t *test = &cases[i];
    uint64_t from;

    scene_open(&scene);
    test->prepare(&scene);
    from = jobsrv_now(scene.w.f.srv);
    while (!test->happened(&scene)) {
      assert_int_equal(jobsrv_manual_clock_step(&scene.w.f.clock), 1);
      run_turns(&scene.w.f.loop, 3);
    }
    if (jobsrv_now(scene.w.f.srv) - from != test->ms * 1000000)
      fail_msg("%s: after %llu ns", test->name,
               (unsigned long long) (jobsrv_now(scene.w.f.srv) - from));
    scene_close(&scene);
  }
}

/* ---- processes ---- */

static int prepare_deaf(jobsrv_job_t *job,
                        jobsrv_process_t *process,
                        void *data) {
  (void) job;
  (void) data;
  assert_ok(jobsrv_process_arg(process, "/bin/sh"));
  assert_ok(jobsrv_process_arg(process, "-c"));
  return jobsrv_process_arg(process,
                            "trap '' TERM; echo ready; while :; do :; done");
}

static void the_grace_of_a_process_is_met_as_well(void **state) {
  static scene_t scene;
  jobsrv_captured_t ready = { .match = { .action = "stdout",
                                         .includes = "ready" } };
  jobsrv_operation_t op;

  (void) state;
  scene_open(&scene);
  jobsrv_operation_init(&op);
  op.name = "deaf";
  op.style = JOBSRV_PROCESS;
  op.prepare = prepare_deaf;
  assert_ok(jobsrv_operation_add(scene.w.f.srv, &op));
  assert_ok(jobsrv_capture_new(&scene.seen, scene.w.f.srv, 0));
  ready.capture = scene.seen;
  submit(&scene, &(jobsrv_spec_t) { .size = sizeof(jobsrv_spec_t),
                                    .operation = "deaf" });
  assert_true(run_until(&scene.w.f.loop, jobsrv_until_captured, &ready,
                        10000));
  assert_ok(jobsrv_job_cancel(scene.job, NULL));
  fixture_ms(&scene.w.f, GRACE_MS - 1);
  expect_no_real_timer(&scene, "the grace of a process");
  assert_false(run_until(&scene.w.f.loop, jobsrv_until_ended, scene.job, 50));
  fixture_ms(&scene.w.f, 1);
  assert_true(run_until(&scene.w.f.loop, jobsrv_until_ended, scene.job,
                        10000));
  assert_int_equal(jobsrv_job_state(scene.job), JOBSRV_STATE_CANCELLED);
  expect_no_real_timer(&scene, "the end of a process");
  jobsrv_capture_free(scene.seen);
  scene_close(&scene);
}

/* The walk above would see one: without a manual clock it does. */
static void without_a_manual_clock_there_is_a_timer(void **state) {
  jobsrv_timer_t timer = { .data = NULL };
  jobsrv_t *srv;
  uv_loop_t loop;
  scene_t scene;

  (void) state;
  assert_ok(uv_loop_init(&loop));
  assert_ok(jobsrv_new(&srv, &loop, NULL));
  scene.w.f.srv = srv;
  jobsrv_timer_arm(srv, &timer, jobsrv_now(srv) + 60000000000, on_wall);
#ifndef __linux__
  assert_int_equal(timers_of_the_loop(&scene), 1);
#else
  assert_int_equal(timers_of_the_kernel(), 1);
  memset(&scene.wall, 0, sizeof(scene.wall));
  assert_ok(jobsrv__wall_arm(srv, &scene.wall,
                             jobsrv_wall_now(srv) + 60000000000, on_wall));
  assert_int_equal(timers_of_the_kernel(), 2);
#endif
  jobsrv_close(srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_ok(uv_loop_close(&loop));
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_deadline_is_met_on_the_millisecond),
  cmocka_unit_test(stepping_meets_them_all_as_well),
  ONE_MODE(the_grace_of_a_process_is_met_as_well),
  ONE_MODE(without_a_manual_clock_there_is_a_timer),
};

RUN(tests);
