/* SPDX-License-Identifier: MIT */

/* What the record of a job says that waits: for its turn, its next attempt, or
   an answer; and how it says what may be tried again. */

#include "world.h"

static world_t world;

static int start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void add(const char *name, uint32_t max_attempts) {
  jobsrv_operation_t operation;

  jobsrv_operation_init(&operation);
  operation.name = name;
  operation.start = start;
  operation.retry.max_attempts = max_attempts;
  operation.retry.backoff_ms = 1500;
  operation.retry.jitter = JOBSRV_JITTER_NONE;
  assert_ok(jobsrv_operation_add(world.srv, &operation));
}

static int setup(void **state) {
  (void) state;
  world_open(&world);
  add("once", 0);
  add("again", 3);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&world);
  return 0;
}

static jobsrv_job_t *submit(const char *name, int priority) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = name;
  spec.priority = priority;
  assert_ok(jobsrv_submit(world.srv, &spec, NULL, &job));
  world_turn(&world);
  return job;
}

static json_t *record(const jobsrv_job_t *job, int flags) {
  static char text[1 << 17];
  size_t len = jobsrv_job_record(job, flags, text, sizeof(text));
  json_t *json;

  assert_true(len < sizeof(text));
  json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
  assert_non_null(json);
  return json;
}

static void assert_absent(const json_t *json, const char *name) {
  if (json_object_get(json, name) != NULL)
    fail_msg("\"%s\" is there", name);
}

static void it_has_its_priority(void **state) {
#define XX(name, number, text) { JOBSRV_PRIORITY_##name, text },
  static const struct {
    int priority;
    const char *text;
  } want[] = { JOBSRV_PRIORITY_MAP(XX) { 0, "normal" } };
#undef XX
  json_t *json;

  (void) state;
  for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
    json = record(submit("once", want[i].priority), 0);
    assert_string_equal(text_of(json, "priority"), want[i].text);
    json_decref(json);
  }
}

static void it_has_how_often_it_may_be_tried(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  json_t *json;

  (void) state;
  json = record(submit("once", 0), 0);
  assert_int_equal(int_of(json, "max_attempts"), 1);
  json_decref(json);
  json = record(submit("again", 0), 0);
  assert_int_equal(int_of(json, "max_attempts"), 3);
  assert_int_equal(int_of(json, "attempt"), 1);
  json_decref(json);
  jobsrv_spec_init(&spec);
  spec.operation = "again";
  spec.retry.max_attempts = 7;
  assert_ok(jobsrv_submit(world.srv, &spec, NULL, &job));
  json = record(job, 0);
  assert_int_equal(int_of(json, "max_attempts"), 7);
  json_decref(json);
}

static void one_that_is_retrying_says_when_and_why(void **state) {
  jobsrv_job_t *job = submit("again", 0);
  json_t *json;
  json_t *error;

  (void) state;
  json = record(job, 0);
  assert_absent(json, "next_attempt_at");
  json_decref(json);
  assert_ok(jobsrv_job_fail(job, "busy", "come again"));
  world_turn(&world);
  json = record(job, 0);
  error = json_object_get(json, "error");
  assert_string_equal(text_of(json, "state"), "retrying");
  assert_string_equal(text_of(json, "next_attempt_at"),
                      "2026-01-01T00:00:01.500Z");
  assert_int_equal(int_of(json, "attempt"), 1);
  assert_string_equal(text_of(error, "code"), "busy");
  assert_string_equal(text_of(error, "message"), "come again");
  assert_true(json_is_true(json_object_get(error, "retryable")));
  assert_absent(json, "finished_at");
  json_decref(json);

  world_pass(&world, 1500);
  json = record(job, 0);
  assert_string_equal(text_of(json, "state"), "running");
  assert_int_equal(int_of(json, "attempt"), 2);
  assert_absent(json, "next_attempt_at");
  assert_absent(json, "error");
  json_decref(json);
}

static void a_failure_says_whether_to_try_again(void **state) {
  jobsrv_job_t *job = submit("once", 0);
  json_t *json;

  (void) state;
  assert_ok(jobsrv_job_fail(job, "busy", NULL));
  world_turn(&world);
  json = record(job, JOBSRV_RECORD_BRIEF);
  assert_true(json_is_true(json_object_get(json_object_get(json, "error"),
                                           "retryable")));
  assert_absent(json, "next_attempt_at");
  json_decref(json);

  job = submit("again", 0);
  assert_ok(jobsrv_job_fail_permanently(job, "wrong", NULL));
  world_turn(&world);
  json = record(job, JOBSRV_RECORD_BRIEF);
  assert_string_equal(text_of(json, "state"), "failed");
  assert_true(json_is_false(json_object_get(json_object_get(json, "error"),
                                            "retryable")));
  json_decref(json);
}

static void a_suspended_job_has_its_prompt_until_it_is_answered(void **state) {
  jobsrv_job_t *job = submit("once", 0);
  json_t *json;

  (void) state;
  assert_ok(jobsrv_job_suspend(job, "{\n \"ask\" : \"na\\nme\"}", 0));
  json = record(job, 0);
  assert_string_equal(text_of(json, "state"), "suspended");
  assert_string_equal(text_of(json_object_get(json, "prompt"), "ask"),
                      "na\nme");
  json_decref(json);
  assert_ok(jobsrv_job_answer(job, "1", 0));
  world_turn(&world);
  json = record(job, 0);
  assert_absent(json, "prompt");
  json_decref(json);
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  json = record(job, 0);
  assert_string_equal(text_of(json, "state"), "suspended");
  assert_absent(json, "prompt");
  json_decref(json);
}

static void a_large_prompt_is_left_out_of_the_brief_one(void **state) {
  jobsrv_job_t *job = submit("once", 0);
  static char prompt[20000];
  json_t *json;

  (void) state;
  memset(prompt, 'x', sizeof(prompt) - 1);
  prompt[0] = prompt[sizeof(prompt) - 2] = '"';
  assert_ok(jobsrv_job_suspend(job, prompt, 0));
  json = record(job, 0);
  assert_int_equal(strlen(text_of(json, "prompt")), sizeof(prompt) - 3);
  assert_absent(json, "prompt_omitted");
  json_decref(json);
  json = record(job, JOBSRV_RECORD_BRIEF);
  assert_absent(json, "prompt");
  assert_true(json_is_true(json_object_get(json, "prompt_omitted")));
  json_decref(json);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
  CASE(it_has_its_priority),
  CASE(it_has_how_often_it_may_be_tried),
  CASE(one_that_is_retrying_says_when_and_why),
  CASE(a_failure_says_whether_to_try_again),
  CASE(a_suspended_job_has_its_prompt_until_it_is_answered),
  CASE(a_large_prompt_is_left_out_of_the_brief_one),
};

RUN(tests);
