/* SPDX-License-Identifier: MIT */

/* Real children, from the pipe to the log. */

#include "world.h"

#include <signal.h>

typedef struct {
  world_t world;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  const char *script;
  jobsrv_output_t output;
} child_t;

static int prepare(jobsrv_job_t *job, jobsrv_process_t *process, void *data) {
  child_t *child = data;

  (void) job;
  assert_err(jobsrv_process_output(process, JOBSRV_OUTPUT_MAX), UV_EINVAL);
  assert_ok(jobsrv_process_output(process, child->output));
  assert_ok(jobsrv_process_arg(process, "/bin/sh"));
  assert_ok(jobsrv_process_arg(process, "-c"));
  return jobsrv_process_arg(process, child->script);
}

static int has_ended(void *data) {
  return jobsrv_state_terminal(jobsrv_job_state(data));
}

static void child_start(child_t *child, const char *script, int level) {
  jobsrv_operation_t operation;
  jobsrv_spec_t spec;

  child->script = script;
  world_init(&child->world);
  child->world.options.clock = NULL;
  world_start(&child->world);
  assert_ok(jobsrv_capture_new(&child->seen, child->world.srv, 0));
  jobsrv_operation_init(&operation);
  operation.name = "script";
  operation.style = JOBSRV_PROCESS;
  operation.prepare = prepare;
  operation.data = child;
  operation.level = level;
  assert_ok(jobsrv_operation_add(child->world.srv, &operation));
  jobsrv_spec_init(&spec);
  spec.operation = "script";
  assert_ok(jobsrv_submit(child->world.srv, &spec, NULL, &child->job));
}

static void child_run(child_t *child, const char *script, int level) {
  child_start(child, script, level);
  assert_true(run_until(&child->world.loop, has_ended, child->job, 10000));
}

static void child_close(child_t *child) {
  jobsrv_capture_free(child->seen);
  world_close(&child->world);
}

static void assert_record(const child_t *child, const char *part) {
  char record[4096];
  size_t len = jobsrv_job_record(child->job, 0, record, sizeof(record) - 1);

  record[len] = '\0';
  assert_contains(record, part);
}

static void its_life_is_told_around_its_lines(void **state) {
  const jobsrv_event_t *event;
  child_t child = { .output = JOBSRV_OUTPUT_AUTO };
  json_t *json;

  (void) state;
  child_run(&child, "printf 'first\\nlast'; exit 3", JOBSRV_DEBUG);
  assert_true(jobsrv_capture_sequence(
      child.seen,
      (jobsrv_match_t[]) {
        { .json = "\"state\":\"running\"" },
        { .action = "process_started", .target = "/bin/sh",
          .level = JOBSRV_DEBUG },
        { .action = "stdout", .includes = "first" },
        { .action = "stdout", .includes = "last" },
        { .action = "process_exited", .level = JOBSRV_DEBUG,
          .includes = "exited with status 3", .json = "\"code\":3" },
        { .has_kind = 1, .kind = JOBSRV_KIND_END,
          .json = "\"process\":{\"exit_status\":3}" },
      },
      6));
  event = jobsrv_capture_get(
      child.seen, &(jobsrv_match_t) { .action = "process_exited" }, 0);
  json = json_loadb(event->json, event->json_len, 0, NULL);
  assert_true(json_is_integer(json_object_get(json, "duration_ms")));
  assert_true(int_of(json, "duration_ms") < 10000);
  json_decref(json);
  event = jobsrv_capture_get(
      child.seen, &(jobsrv_match_t) { .action = "process_started" }, 0);
  json = json_loadb(event->json, event->json_len, 0, NULL);
  assert_true(int_of(json_object_get(json, "fields"), "pid") > 1);
  json_decref(json);
  assert_record(&child, "\"exit_status\":3}");
  child_close(&child);
}

static void under_the_level_its_life_is_not_told(void **state) {
  child_t child = { .output = JOBSRV_OUTPUT_AUTO };

  (void) state;
  child_run(&child, "exit 0", JOBSRV_INFO);
  assert_null(jobsrv_capture_get(
      child.seen, &(jobsrv_match_t) { .action = "process_started" }, 0));
  assert_null(jobsrv_capture_get(
      child.seen, &(jobsrv_match_t) { .action = "process_exited" }, 0));
  assert_record(&child, "\"process\":{\"exit_status\":0}");
  child_close(&child);
}

static void a_signal_has_its_name(void **state) {
  child_t child = { .output = JOBSRV_OUTPUT_AUTO };

  (void) state;
  child_run(&child, "kill -USR1 $$", JOBSRV_DEBUG);
  assert_non_null(jobsrv_capture_get(
      child.seen,
      &(jobsrv_match_t) { .action = "process_exited",
                          .includes = "killed by SIGUSR1",
                          .json = "\"signal\":\"SIGUSR1\"" }, 0));
  assert_record(&child, "\"process\":{\"signal\":\"SIGUSR1\"}");
  child_close(&child);
}

static void every_signal_has_its_name(void **state) {
  static const char *const names[] = {
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "SEGV",
    "USR2", "PIPE", "ALRM", "TERM", "XCPU", "XFSZ", "SYS", "VTALRM", "PROF",
    "34" /* or its number */
  };
  char script[60];
  char part[60];

  (void) state;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    child_t child = { .output = JOBSRV_OUTPUT_AUTO };

    snprintf(script, sizeof(script), "ulimit -c 0; kill -%s $$", names[i]);
    child_run(&child, script, JOBSRV_DEBUG);
    snprintf(part, sizeof(part), "\"process\":{\"signal\":\"SIG%s\"}",
             names[i]);
    assert_record(&child, part);
    child_close(&child);
  }
}

static int is_running_a_process(void *data) {
  return jobsrv_job_pid(data) > 0;
}

static void one_that_was_cancelled_says_how_it_went_too(void **state) {
  child_t child = { .output = JOBSRV_OUTPUT_AUTO };

  (void) state;
  child_start(&child, "exec sleep 100", JOBSRV_DEBUG);
  assert_true(run_until(&child.world.loop, is_running_a_process, child.job,
                        5000));
  assert_ok(jobsrv_job_cancel(child.job, NULL));
  assert_true(run_until(&child.world.loop, has_ended, child.job, 10000));
  assert_non_null(jobsrv_capture_get(
      child.seen,
      &(jobsrv_match_t) { .action = "process_exited",
                          .includes = "killed by SIGTERM" }, 0));
  assert_record(&child, "\"process\":{\"signal\":\"SIGTERM\"}");
  assert_string_equal(jobsrv_state_name(jobsrv_job_state(child.job)),
                      "cancelled");
  child_close(&child);
}

/* Both pipes at once, and lines in pieces: each pipe's order is kept. */
static void each_pipe_keeps_its_order_and_lines_stay_whole(void **state) {
  child_t child = { .output = JOBSRV_OUTPUT_AUTO };
  int next[2] = { 0, 0 };

  (void) state;
  child_run(&child,
            "i=0; while [ $i -lt 300 ]; do"
            " printf '{\"action\":\"out\",'; printf '\"human\":\"%d\"}\\r\\n'"
            " $i; printf '[err] err :' >&2; printf ' %d\\n' $i >&2;"
            " i=$((i+1)); done", JOBSRV_INFO);
  for (size_t i = 0; i < jobsrv_capture_count(child.seen, NULL); i++) {
    const jobsrv_event_t *event = jobsrv_capture_get(child.seen, NULL, i);
    int err = strcmp(event->action, "err") == 0;

    if (event->kind != JOBSRV_KIND_NARRATION)
      continue;
    assert_string_equal(event->action, err ? "err" : "out");
    assert_int_equal(event->level, err ? JOBSRV_WARN : JOBSRV_INFO);
    assert_int_equal(atoi(event->human), next[err]++);
  }
  assert_int_equal(next[0], 300);
  assert_int_equal(next[1], 300);
  child_close(&child);
}

static void a_last_line_without_an_end_is_read(void **state) {
  child_t child = { .output = JOBSRV_OUTPUT_AUTO };

  (void) state;
  child_run(&child, "printf '{\"action\":\"last\",\"human\":\"x\"}'",
            JOBSRV_INFO);
  assert_non_null(jobsrv_capture_get(
      child.seen, &(jobsrv_match_t) { .action = "last" }, 0));
  child_close(&child);
}

static void what_prepare_has_chosen_counts(void **state) {
  child_t child = { .output = JOBSRV_OUTPUT_PLAIN };

  (void) state;
  child_run(&child, "echo '{\"action\":\"go\"}'", JOBSRV_INFO);
  assert_non_null(jobsrv_capture_get(
      child.seen,
      &(jobsrv_match_t) { .action = "stdout",
                          .includes = "{\"action\":\"go\"}" }, 0));
  child_close(&child);
}

/* ---- a sink that closes the server in the middle of it ---- */

typedef struct {
  child_t child;
  const char *action;
  int closed;
} closer_t;

static void on_event(void *self, const jobsrv_event_t *event) {
  closer_t *closer = self;

  if (closer->closed || strcmp(event->action, closer->action) != 0)
    return;
  closer->closed = 1;
  jobsrv_close(closer->child.world.srv, NULL, NULL);
}

static int has_closed(void *data) {
  return ((closer_t *) data)->closed;
}

static void the_server_may_be_closed_by_what_is_told(void **state) {
  static const char *const actions[] = {
    "process_started", "stdout", "process_exited",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
    jobsrv_sink_ops_t ops = { .size = sizeof(ops), .event = on_event };
    closer_t closer = { .action = actions[i] };
    jobsrv_sink_options_t options;
    jobsrv_sink_t *sink;

    child_start(&closer.child, "echo line; exit 1", JOBSRV_DEBUG);
    jobsrv_sink_options_init(&options);
    options.level = JOBSRV_TRACE;
    assert_ok(jobsrv_sink_add(closer.child.world.srv, &ops, &closer, &options,
                              &sink));
    assert_true(run_until(&closer.child.world.loop, has_closed, &closer,
                          10000));
    closer.child.world.srv = NULL;
    child_close(&closer.child);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(its_life_is_told_around_its_lines),
  cmocka_unit_test(under_the_level_its_life_is_not_told),
  cmocka_unit_test(a_signal_has_its_name),
  cmocka_unit_test(every_signal_has_its_name),
  cmocka_unit_test(one_that_was_cancelled_says_how_it_went_too),
  cmocka_unit_test(each_pipe_keeps_its_order_and_lines_stay_whole),
  cmocka_unit_test(a_last_line_without_an_end_is_read),
  cmocka_unit_test(what_prepare_has_chosen_counts),
  cmocka_unit_test(the_server_may_be_closed_by_what_is_told),
};

RUN(tests);
