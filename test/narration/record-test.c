/* SPDX-License-Identifier: MIT */

#include "world.h"

/* The record as text, malloc'ed, with a NUL behind it. */
static char *record_text(const jobsrv_job_t *job, int flags) {
  size_t len = jobsrv_job_record(job, flags, NULL, 0);
  char *text = malloc(len + 2);

  assert_non_null(text);
  text[len] = '#';
  assert_int_equal(jobsrv_job_record(job, flags, text, len), len);
  assert_int_equal(text[len], '#');
  text[len] = '\0';
  assert_null(strpbrk(text, "\r\n"));
  return text;
}

static json_t *record(const jobsrv_job_t *job, int flags) {
  char *text = record_text(job, flags);
  json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

  assert_non_null(json);
  free(text);
  return json;
}

static void assert_absent(const json_t *json, const char *name) {
  if (json_object_get(json, name) != NULL)
    fail_msg("\"%s\" is there", name);
}

static void a_running_job_says_what_it_is(void **state) {
  jobsrv_tag_t tags[] = { { "team", "blue \"1\"" }, { "run", "7" } };
  char id[JOBSRV_ID_SIZE];
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  jobsrv_spec_init(&spec);
  spec.operation = "copy";
  spec.principal = "ann";
  spec.tags = tags;
  spec.ntags = 2;
  assert_ok(jobsrv_begin(world.srv, &spec, &job));
  world_pass(&world, 1500);
  json = record(job, 0);
  assert_string_equal(text_of(json, "job_id"), jobsrv_job_id(job, id));
  assert_string_equal(text_of(json, "operation"), "copy");
  assert_string_equal(text_of(json, "state"), "running");
  assert_string_equal(text_of(json, "principal"), "ann");
  assert_string_equal(text_of(json, "created_at"),
                      "2026-01-01T00:00:00.000Z");
  assert_string_equal(text_of(json, "queued_at"), "2026-01-01T00:00:00.000Z");
  assert_string_equal(text_of(json, "started_at"),
                      "2026-01-01T00:00:00.000Z");
  assert_int_equal(int_of(json, "duration_ms"), 1500);
  assert_int_equal(int_of(json, "attempt"), 1);
  assert_true(json_is_false(json_object_get(json, "cancel_requested")));
  assert_true(json_is_true(json_object_get(json, "cancellable")));
  assert_string_equal(text_of(json_object_get(json, "tags"), "team"),
                      "blue \"1\"");
  assert_string_equal(text_of(json_object_get(json, "tags"), "run"), "7");
  assert_int_equal(int_of(json_object_get(json, "events"), "first_seq"), 1);
  assert_int_equal(int_of(json_object_get(json, "events"), "last_seq"),
                   last_seq(job));
  assert_absent(json, "finished_at");
  assert_absent(json, "expires_at");
  assert_absent(json, "error");
  assert_absent(json, "result");
  assert_absent(json, "progress");
  assert_absent(json, "cancel_reason");
  assert_absent(json, "queue_position");
  assert_absent(json, "abandoned");
  json_decref(json);
  world_close(&world);
}

static void a_completed_job_has_its_result(void **state) {
  static const char result[] = "{\n  \"n\": 3,\r\n\t\"s\": \"a\\nb\"\n}";
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  world_pass(&world, 250);
  assert_ok(jobsrv_job_complete(job, result, 0));
  json = record(job, JOBSRV_RECORD_BRIEF);
  assert_string_equal(text_of(json, "state"), "completed");
  assert_int_equal(int_of(json_object_get(json, "result"), "n"), 3);
  assert_string_equal(text_of(json_object_get(json, "result"), "s"), "a\nb");
  assert_string_equal(text_of(json, "finished_at"),
                      "2026-01-01T00:00:00.250Z");
  assert_string_equal(text_of(json, "expires_at"),
                      "2026-01-01T00:10:00.250Z");
  assert_int_equal(int_of(json, "duration_ms"), 250);
  assert_int_equal(int_of(json_object_get(json, "events"), "last_seq"),
                   last_seq(job));
  assert_absent(json, "error");
  assert_absent(json, "cancellable");
  json_decref(json);
  world_close(&world);
}

static void a_failed_job_has_its_error(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json;
  json_t *error;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_job_fail(job, "disk_full", "no \"room\"\nleft \xff"));
  json = record(job, JOBSRV_RECORD_BRIEF);
  error = json_object_get(json, "error");
  assert_string_equal(text_of(json, "state"), "failed");
  assert_string_equal(text_of(error, "code"), "disk_full");
  assert_string_equal(text_of(error, "message"),
                      "no \"room\"\nleft \xef\xbf\xbd");
  assert_absent(error, "exit_status");
  assert_absent(error, "signal");
  assert_absent(json, "result");
  json_decref(json);
  world_close(&world);
}

static int prepare(jobsrv_job_t *job, jobsrv_process_t *process, void *data) {
  (void) job;
  assert_ok(jobsrv_process_arg(process, "/bin/sh"));
  assert_ok(jobsrv_process_arg(process, "-c"));
  assert_ok(jobsrv_process_arg(process, data));
  return 0;
}

static json_t *record_of_script(const char *script) {
  jobsrv_operation_t operation;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  world_open(&world);
  jobsrv_operation_init(&operation);
  operation.name = "script";
  operation.style = JOBSRV_PROCESS;
  operation.prepare = prepare;
  operation.data = (void *) (uintptr_t) script;
  assert_ok(jobsrv_operation_add(world.srv, &operation));
  jobsrv_spec_init(&spec);
  spec.operation = "script";
  assert_ok(jobsrv_submit(world.srv, &spec, NULL, &job));
  assert_true(run_until(&world.loop, jobsrv_until_ended, job, 10000));
  json = record(job, 0);
  world_close(&world);
  return json;
}

static void a_failed_process_has_its_status_or_signal(void **state) {
  json_t *json;
  json_t *error;

  (void) state;
  json = record_of_script("exit 3");
  error = json_object_get(json, "error");
  assert_string_equal(text_of(json, "state"), "failed");
  assert_int_equal(int_of(error, "exit_status"), 3);
  assert_absent(error, "signal");
  json_decref(json);

  json = record_of_script("kill -9 $$");
  error = json_object_get(json, "error");
  assert_string_equal(text_of(error, "signal"), "SIGKILL");
  assert_absent(error, "exit_status");
  json_decref(json);

  json = record_of_script("kill -40 $$");
  error = json_object_get(json, "error");
  assert_string_equal(text_of(error, "signal"), "SIG40");
  json_decref(json);
}

static int start_nothing(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void a_queued_job_has_its_place(void **state) {
  jobsrv_operation_t operation;
  jobsrv_spec_t spec;
  jobsrv_job_t *jobs[3];
  world_t world;
  json_t *json;
  int i;

  (void) state;
  world_open(&world);
  jobsrv_operation_init(&operation);
  operation.name = "wait";
  operation.start = start_nothing;
  operation.max_running = 1;
  assert_ok(jobsrv_operation_add(world.srv, &operation));
  jobsrv_spec_init(&spec);
  spec.operation = "wait";
  for (i = 0; i < 3; i++)
    assert_ok(jobsrv_submit(world.srv, &spec, NULL, &jobs[i]));
  world_turn(&world);
  json = record(jobs[2], 0);
  assert_string_equal(text_of(json, "state"), "queued");
  assert_int_equal(int_of(json, "queue_position"), 2);
  assert_int_equal(int_of(json, "attempt"), 0);
  assert_absent(json, "started_at");
  assert_absent(json, "duration_ms");
  json_decref(json);
  world_close(&world);
}

static void a_cancelled_job_says_why_and_by_whom(void **state) {
  jobsrv_reason_t reason = { JOBSRV_REASON_REPLACED, "a newer one", "bob" };
  jobsrv_job_t *job;
  world_t world;
  json_t *json;
  json_t *why;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_job_cancel(job, &reason));
  json = record(job, 0);
  assert_string_equal(text_of(json, "state"), "running");
  assert_true(json_is_true(json_object_get(json, "cancel_requested")));
  json_decref(json);

  assert_ok(jobsrv_job_fail(job, "cancelled", NULL));
  json = record(job, 0);
  why = json_object_get(json, "cancel_reason");
  assert_string_equal(text_of(json, "state"), "cancelled");
  assert_string_equal(text_of(why, "code"), "replaced");
  assert_string_equal(text_of(why, "text"), "a newer one");
  assert_string_equal(text_of(why, "actor"), "bob");
  assert_absent(json, "error");
  json_decref(json);
  world_close(&world);
}

static void one_that_would_not_stop_is_abandoned(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_job_cancel(job, NULL));
  world_pass(&world, 6000);
  json = record(job, 0);
  assert_string_equal(text_of(json, "state"), "cancelled");
  assert_true(json_is_true(json_object_get(json, "abandoned")));
  json_decref(json);
  world_close(&world);
}

static void a_large_result_is_left_out_of_the_brief_one(void **state) {
  static char result[16 * 1024 + 2];
  jobsrv_job_t *job;
  world_t world;
  json_t *json;
  size_t len;

  (void) state;
  for (len = 16 * 1024; len <= 16 * 1024 + 1; len++) {
    int large = len > 16 * 1024;

    world_open(&world);
    memset(result, 'r', sizeof(result));
    result[0] = result[len - 1] = '"';
    job = begin_job(&world);
    assert_ok(jobsrv_job_complete(job, result, len));
    json = record(job, JOBSRV_RECORD_BRIEF);
    assert_int_equal(json_is_true(json_object_get(json, "result_omitted")),
                     large);
    assert_int_equal(json_object_get(json, "result") == NULL, large);
    json_decref(json);
    json = record(job, 0);
    assert_int_equal(strlen(text_of(json, "result")), len - 2);
    assert_absent(json, "result_omitted");
    json_decref(json);
    world_close(&world);
  }
}

static void a_brief_one_never_passes_its_bound(void **state) {
  static char value[257];
  static char message[4096];
  jobsrv_tag_t tags[200];
  char keys[200][16];
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;
  int i;

  (void) state;
  world_init(&world);
  world.options.max_tags = 200;
  world_start(&world);
  memset(value, 1, sizeof(value) - 1);
  memset(message, 2, sizeof(message) - 1);
  for (i = 0; i < 200; i++) {
    snprintf(keys[i], sizeof(keys[i]), "key%d", i);
    tags[i] = (jobsrv_tag_t) { keys[i], value };
  }
  jobsrv_spec_init(&spec);
  spec.tags = tags;
  spec.ntags = 200;
  assert_ok(jobsrv_begin(world.srv, &spec, &job));
  assert_ok(jobsrv_job_fail(job, NULL, message));
  assert_true(jobsrv_job_record(job, 0, NULL, 0) > JOBSRV_RECORD_MAX);
  assert_true(jobsrv_job_record(job, JOBSRV_RECORD_BRIEF, NULL, 0) <=
              JOBSRV_RECORD_MAX);
  json = record(job, JOBSRV_RECORD_BRIEF);
  assert_true(json_is_true(json_object_get(json, "tags_omitted")));
  assert_string_equal(text_of(json_object_get(json, "error"), "message"),
                      message);
  json_decref(json);
  world_close(&world);
}

static void any_room_gets_the_beginning_and_the_whole_length(void **state) {
  jobsrv_progress_t progress = {
    .done = 1, .total = 8, .unit = "files", .phase = "one"
  };
  jobsrv_job_t *job;
  world_t world;
  char *whole;
  char *part;
  size_t len;
  size_t cap;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_progress(job, &progress));
  assert_ok(jobsrv_job_fail(job, "broken", "it broke"));
  whole = record_text(job, 0);
  len = strlen(whole);
  part = malloc(len + 1);
  assert_non_null(part);
  for (cap = 0; cap <= len; cap++) {
    memset(part, '#', len + 1);
    assert_int_equal(jobsrv_job_record(job, 0, part, cap), len);
    assert_memory_equal(part, whole, cap);
    assert_int_equal(part[cap], '#');
  }
  free(part);
  free(whole);
  world_close(&world);
}

/* Time, the parent's end and trimming: nothing of it shows. */
static void after_the_end_it_stays_the_same(void **state) {
  jobsrv_token_t *parent;
  jobsrv_cursor_t late = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *other;
  jobsrv_job_t *job;
  world_t world;
  char *before;
  char *after;

  (void) state;
  world_init(&world);
  world.options.max_bytes_total = 96 * 1024;
  world.options.max_events_per_job = 64;
  world_start(&world);
  assert_ok(jobsrv_token_new(&parent, world.srv, NULL));
  jobsrv_spec_init(&spec);
  spec.parent = parent;
  assert_ok(jobsrv_begin(world.srv, &spec, &job));
  say(job, 1, 200);
  assert_ok(jobsrv_job_complete(job, "1", 0));
  before = record_text(job, JOBSRV_RECORD_BRIEF);

  world_pass(&world, 3000);
  assert_ok(jobsrv_token_cancel(parent, NULL));
  (void) jobsrv_job_cancel(job, NULL);
  jobsrv_job_cancellable(job, 0);
  other = begin_job(&world);
  say(other, 1, 1000);
  assert_ok(jobsrv_cursor_attach(&late, job, 0, NULL));
  after = record_text(job, JOBSRV_RECORD_BRIEF);
  assert_string_equal(before, after);
  jobsrv_cursor_detach(&late);
  jobsrv_token_unref(parent);
  free(before);
  free(after);
  world_close(&world);
}

static void it_is_the_same_with_a_log_opened_late(void **state) {
  jobsrv_cursor_t late = { 0 };
  jobsrv_job_t *job;
  world_t world;
  char *before;
  char *after;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  before = record_text(job, 0);
  assert_ok(jobsrv_cursor_attach(&late, job, 0, NULL));
  after = record_text(job, 0);
  assert_string_equal(before, after);
  jobsrv_cursor_detach(&late);
  free(before);
  free(after);
  world_close(&world);
}

static void it_is_the_same_after_the_server_has_closed(void **state) {
  jobsrv_progress_t progress = { .done = 3, .total = 4 };
  jobsrv_job_t *job;
  world_t world;
  char *before;
  char *after;

  (void) state;
  world_open(&world);
  job = jobsrv_job_ref(begin_job(&world));
  assert_ok(jobsrv_progress(job, &progress));
  assert_ok(jobsrv_job_complete(job, "[1]", 0));
  before = record_text(job, 0);
  jobsrv_close(world.srv, NULL, NULL);
  loop_end(&world.loop);
  world.srv = NULL;
  after = record_text(job, 0);
  assert_string_equal(before, after);
  jobsrv_job_unref(job);
  free(before);
  free(after);
  world_close(&world);
}

/* ---- event ids ---- */

static void an_id_or_a_bare_number_is_a_place(void **state) {
  uint64_t seq = 0;
  world_t world;
  char id[64];

  (void) state;
  world_open(&world);
  snprintf(id, sizeof(id), "%s-42", jobsrv_boot(world.srv));
  assert_int_equal(jobsrv_event_id_parse(world.srv, id, strlen(id), &seq), 0);
  assert_int_equal(seq, 42);
  assert_int_equal(jobsrv_event_id_parse(world.srv, "7", 1, &seq), 0);
  assert_int_equal(seq, 7);
  assert_int_equal(jobsrv_event_id_parse(world.srv, "0", 1, &seq), 0);
  assert_int_equal(seq, 0);
  assert_int_equal(
      jobsrv_event_id_parse(world.srv, "9999999999999999999", 19, &seq), 0);
  assert_true(seq == 9999999999999999999u);
  world_close(&world);
}

static void another_boot_is_told_apart(void **state) {
  uint64_t seq = 0;
  world_t world;
  char id[64];

  (void) state;
  world_open(&world);
  assert_int_equal(jobsrv_event_id_parse(world.srv, "0-5", 3, &seq), 1);
  assert_int_equal(seq, 5);
  snprintf(id, sizeof(id), "%sx-6", jobsrv_boot(world.srv));
  assert_int_equal(jobsrv_event_id_parse(world.srv, id, strlen(id), &seq), 1);
  assert_int_equal(seq, 6);
  world_close(&world);
}

static const char *const malformed[] = {
  "", "-", "-1", "+1", " 1", "1 ", "01", "00", "1x", "0x1",
  "12345678901234567890", "a-", "a--1", "a-01", "a-g5", "A-1", "a_b-1",
  "abcdefghijklmnopq-1", "a-1-2", "a-1\n", "a-+1", "a- 1", "\xc3\xa9-1",
};

static void all_else_is_no_cursor(void **state) {
  uint64_t seq = 77;
  world_t world;
  size_t i;

  (void) state;
  world_open(&world);
  for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
    assert_err(jobsrv_event_id_parse(world.srv, malformed[i],
                                     strlen(malformed[i]), &seq),
               JOBSRV_EBADCURSOR);
  assert_err(jobsrv_event_id_parse(world.srv, "1\0002", 3, &seq),
             JOBSRV_EBADCURSOR);
  assert_int_equal(seq, 77);
  world_close(&world);
}

static void one_that_is_kept_for_ever_does_not_say_until_when(void **state) {
  jobsrv_job_t *job;
  jobsrv_spec_t spec;
  world_t world;
  char text[2048];
  size_t len;

  (void) state;
  world_open(&world);
  jobsrv_spec_init(&spec);
  spec.retain_ms = UINT64_MAX;
  assert_ok(jobsrv_begin(world.srv, &spec, &job));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  len = jobsrv_job_record(job, 0, text, sizeof(text) - 1);
  assert_true(len < sizeof(text));
  text[len] = '\0';
  assert_contains(text, "finished_at");
  assert_null(strstr(text, "expires_at"));
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_running_job_says_what_it_is),
  cmocka_unit_test(a_completed_job_has_its_result),
  cmocka_unit_test(a_failed_job_has_its_error),
  cmocka_unit_test(a_failed_process_has_its_status_or_signal),
  cmocka_unit_test(a_queued_job_has_its_place),
  cmocka_unit_test(a_cancelled_job_says_why_and_by_whom),
  cmocka_unit_test(one_that_would_not_stop_is_abandoned),
  cmocka_unit_test(a_large_result_is_left_out_of_the_brief_one),
  cmocka_unit_test(a_brief_one_never_passes_its_bound),
  cmocka_unit_test(any_room_gets_the_beginning_and_the_whole_length),
  cmocka_unit_test(after_the_end_it_stays_the_same),
  cmocka_unit_test(it_is_the_same_with_a_log_opened_late),
  cmocka_unit_test(it_is_the_same_after_the_server_has_closed),
  cmocka_unit_test(an_id_or_a_bare_number_is_a_place),
  cmocka_unit_test(another_boot_is_told_apart),
  cmocka_unit_test(all_else_is_no_cursor),
  cmocka_unit_test(one_that_is_kept_for_ever_does_not_say_until_when),
};

RUN(tests);
