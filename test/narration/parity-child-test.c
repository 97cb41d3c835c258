/* SPDX-License-Identifier: MIT */

/* Capturing child processes: with real ones, which the original's are not. */

#include "parity.h"

#include "schema.h"

typedef struct {
  const char *argv[8];
  const char *env[4];
} plan_t;

static int prepare(jobsrv_job_t *job, jobsrv_process_t *process, void *data) {
  const plan_t *plan = jobsrv_job_data(job);
  int err = 0;

  (void) data;
  for (int i = 0; plan->argv[i] != NULL && err == 0; i++)
    err = jobsrv_process_arg(process, plan->argv[i]);
  if (plan->env[0] != NULL && err == 0)
    err = jobsrv_process_env(process, plan->env[0], plan->env[1]);
  return err;
}

static char id[JOBSRV_ID_SIZE];

/* Runs it to its end. */
static jobsrv_job_t *run(plan_t *plan) {
  jobsrv_operation_t operation;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_operation_init(&operation);
  operation.name = "child";
  operation.style = JOBSRV_PROCESS;
  operation.prepare = prepare;
  assert_ok(jobsrv_operation_add(p.world.srv, &operation));
  jobsrv_spec_init(&spec);
  spec.operation = "child";
  spec.data = plan;
  assert_ok(jobsrv_submit(p.world.srv, &spec, NULL, &job));
  jobsrv_job_id(job, id);
  assert_true(run_until(&p.world.loop, jobsrv_until_ended, job, 10000));
  return job;
}

static jobsrv_job_t *sh(const char *script) {
  plan_t plan = { .argv = { "/bin/sh", "-c", script } };

  return run(&plan);
}

static jobsrv_state_t state_of(const jobsrv_job_t *job) {
  return jobsrv_job_state(job);
}

/*
 * N-61. Differs: the original says it again as another (actor `proc-cap`,
 * action `reemit`, level info) and, N-63, loses it on the way, having no job.
 * Here actor and action are the child's own, and it reaches who watches.
 */
static void a_line_in_brackets_is_an_event_of_its_job(void **state) {
  const jobsrv_event_t *event;

  (void) state;
  (void) sh("echo '[fetcher] fetch : 3 of 10 files'");
  event = said("fetch");
  assert_string_equal(event->actor, "fetcher");
  assert_string_equal(event->human, "3 of 10 files");
  assert_string_equal(event->job_id, id);
  assert_int_equal(event->level, JOBSRV_INFO);
}

/* N-62. */
static void blanks_may_vary(void **state) {
  (void) state;
  (void) sh("echo '[a]one:x'; echo '[a]   two   :   y'; "
            "printf '[a]\\tthree\\t:\\tz\\n'");
  assert_string_equal(said("one")->human, "x");
  assert_string_equal(said("two")->human, "y");
  assert_string_equal(said("three")->human, "z");
}

static void the_message_may_have_emoji(void **state) {
  (void) state;
  (void) sh("echo '[bee] buzz : \xf0\x9f\x90\x9d woke \xe2\x9c\xa8'");
  assert_string_equal(said("buzz")->human,
                      "\xf0\x9f\x90\x9d woke \xe2\x9c\xa8");
}

/* Differs: what is none of it goes to the host's standard error there. */
static void what_is_no_such_line_is_plain_text(void **state) {
  static const char *const lines[] = {
    "[a] no colon", "a] b : c", "[] b : c", "[a] : c", "[a b : c",
    "[a] b :", "[an_actor_of_16_b] b : c", "[a] b c : d", "",
  };
  char script[600] = "";
  char all[20];

  (void) state;
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
    snprintf(script + strlen(script), sizeof(script) - strlen(script),
             "echo '%s';", lines[i]);
  (void) sh(script);
  for (size_t i = 0; i + 1 < sizeof(lines) / sizeof(lines[0]); i++)
    if (SEEN(.action = "stdout", .actor = "child",
             .fields = { JOBSRV_IS("human", lines[i]) }) != 1)
      fail_msg("\"%s\" is no plain text", lines[i]);
  snprintf(all, sizeof(all), "%zu", SEEN(.action = "stdout"));
  assert_string_equal(all, "9");
}

static void each_output_has_its_name_and_level(void **state) {
  (void) state;
  (void) sh("echo out; echo err >&2");
  assert_int_equal(SEEN(.action = "stdout", .includes = "out",
                        .level = JOBSRV_INFO, .job_id = id), 1);
  assert_int_equal(SEEN(.action = "stderr", .includes = "err",
                        .level = JOBSRV_WARN, .job_id = id), 1);
}

/* N-62: a missing program is an error. */
static void a_program_that_is_missing_is_an_error(void **state) {
  plan_t plan = { .argv = { "/nonexistent/program" } };
  jobsrv_job_t *job;
  jobsrv_job_info_t info = { .size = sizeof(info) };

  (void) state;
  job = run(&plan);
  assert_int_equal(state_of(job), JOBSRV_STATE_FAILED);
  jobsrv_job_info(job, &info);
  assert_string_equal(info.error_code, "spawn_failed");
}

/* Differs: by waiting alone there. Here the end of the job says it. */
static void a_status_that_is_not_zero_is_told(void **state) {
  const jobsrv_event_t *end;
  json_t *json;

  (void) state;
  assert_int_equal(state_of(sh("exit 42")), JOBSRV_STATE_FAILED);
  end = jobsrv_capture_get(
      p.seen, &(jobsrv_match_t) { .job_id = id, .has_kind = 1,
                                  .kind = JOBSRV_KIND_END }, 0);
  assert_non_null(end);
  json = json_loadb(end->json, end->json_len, 0, NULL);
  assert_int_equal(int_of(json_object_get(json, "error"), "exit_status"), 42);
  json_decref(json);
  assert_int_equal(SEEN(.action = "process_exited", .level = JOBSRV_DEBUG,
                        .fields = { JOBSRV_IS("code", "42"),
                                    JOBSRV_HAS("duration_ms") }), 1);
}

static void no_output_is_fine(void **state) {
  (void) state;
  assert_int_equal(state_of(sh(":")), JOBSRV_STATE_COMPLETED);
  assert_int_equal(SEEN(.action = "stdout"), 0);
  assert_int_equal(SEEN(.action = "stderr"), 0);
}

static void a_line_of_500_characters_is_fine(void **state) {
  char want[501];

  (void) state;
  memset(want, '0', 500);
  want[500] = '\0';
  (void) sh("printf '%0500d\\n' 0");
  assert_string_equal(said("stdout")->human, want);
}

/* N-64, missing there: a last line without an end, and bytes that are none. */
static void what_was_missing_is_there(void **state) {
  (void) state;
  (void) sh("printf 'one\\377two\\nno end'");
  assert_int_equal(SEEN(.action = "stdout",
                        .json = "one\xef\xbf\xbdtwo"), 1);
  assert_int_equal(SEEN(.action = "stdout", .includes = "no end"), 1);
}

/* ---- one schema: what the library writes, a child may say ---- */

static void a_child_may_say_all_that_an_event_has(void **state) {
  static char text[1 << 14];
  plan_t plan = { .argv = { "/bin/sh", "-c", "printf '%s\\n' \"$EVENT\"" },
                  .env = { "EVENT", text } };
  const jobsrv_event_t *event;
  json_t *said_there, *want, *got;
  char *line;
  schema_t s;

  (void) state;
  (void) schema_event(&s);
  schema_arrived(&s, "job-forged", 9999);
  s.event.action = "an_action";
  want = schema_json(&s);
  said_there = json_deep_copy(want);
  /* differs: a decision that is the library's comes back as a field */
  json_object_del(said_there, "seq");
  json_object_del(said_there, "time");
  json_object_del(said_there, "job_id");
  json_object_del(said_there, "correlation_id");
  json_object_del(said_there, "request_id");
  json_object_del(said_there, "trace_id");
  json_object_del(said_there, "span_id");
  json_object_del(said_there, "parent_span_id");
  line = json_dumps(said_there, JSON_COMPACT | JSON_REAL_PRECISION(17));
  snprintf(text, sizeof(text), "%s", line);
  free(line);
  (void) run(&plan);
  event = said("an_action");
  got = json_loadb(event->json, event->json_len, JSON_REJECT_DUPLICATES, NULL);
  assert_string_equal(text_of(got, "job_id"), id);
  json_object_del(got, "seq");
  json_object_del(got, "time");
  json_object_del(got, "job_id");
  schema_within("child", said_there, got, "was due");
  schema_within("child", got, said_there, "was not due");
  json_decref(want);
  json_decref(got);
  json_decref(said_there);
}

static const struct CMUnitTest tests[] = {
  CASE(a_line_in_brackets_is_an_event_of_its_job),
  CASE(blanks_may_vary),
  CASE(the_message_may_have_emoji),
  CASE(what_is_no_such_line_is_plain_text),
  CASE(each_output_has_its_name_and_level),
  CASE(a_program_that_is_missing_is_an_error),
  CASE(a_status_that_is_not_zero_is_told),
  CASE(no_output_is_fine),
  CASE(a_line_of_500_characters_is_fine),
  CASE(what_was_missing_is_there),
  CASE(a_child_may_say_all_that_an_event_has),
};

RUN(tests);
