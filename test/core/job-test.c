/* SPDX-License-Identifier: MIT */

/* Rows 1 and 3: the life of a job, and the hooks on it. */

#include "fixture.h"

static void count_release(void *data) {
  ++*(int *) data;
}

static void a_job_starts_in_the_turn_it_was_submitted_in(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  job = fixture_submit(&f, "op");
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_QUEUED);
  run_turns(&f.loop, 1);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_int_equal(fixture_info(job).attempt, 1);
  fixture_close(&f);
}

static void it_completes_with_a_result(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  jobsrv_job_info_t info;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  job = fixture_submit(&f, "op");
  run_turns(&f.loop, 1);
  fixture_ms(&f, 250);
  assert_err(jobsrv_job_complete(job, "{\"a\":", 0), JOBSRV_EJSON);
  assert_ok(jobsrv_job_complete(job, "{\"a\":1}", 0));
  assert_err(jobsrv_job_complete(job, NULL, 0), JOBSRV_ESETTLED);
  info = fixture_info(job);
  assert_int_equal(info.state, JOBSRV_STATE_COMPLETED);
  assert_int_equal(info.is_begun, 0);
  assert_string_equal(info.result, "{\"a\":1}");
  assert_int_equal(info.duration_ns, 250000000);
  assert_null(info.error_code);
  fixture_close(&f);
}

static void it_fails_with_a_code_and_a_message(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  jobsrv_job_info_t info;

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_ok(jobsrv_job_fail(job, "disk_full", "no room for it"));
  info = fixture_info(job);
  assert_int_equal(info.state, JOBSRV_STATE_FAILED);
  assert_int_equal(info.is_begun, 1);
  assert_string_equal(info.error_code, "disk_full");
  assert_string_equal(info.error_message, "no room for it");
  assert_null(info.cancel_reason);
  fixture_close(&f);
}

static void a_long_message_is_cut_with_a_mark(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  char message[6000];

  (void) state;
  fixture_open(&f);
  memset(message, 'x', sizeof(message) - 1);
  message[sizeof(message) - 1] = '\0';
  job = fixture_begin(&f);
  assert_ok(jobsrv_job_fail(job, NULL, message));
  assert_true(strlen(fixture_info(job).error_message) <= 4096);
  assert_contains(fixture_info(job).error_message, "x ...(+");
  assert_string_equal(fixture_info(job).error_code, "failed");
  fixture_close(&f);
}

static void a_queued_job_cannot_be_finished(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  job = fixture_submit(&f, "op");
  assert_err(jobsrv_job_complete(job, NULL, 0), JOBSRV_ESTATE);
  assert_err(jobsrv_job_fail(job, NULL, NULL), JOBSRV_ESTATE);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_QUEUED);
  fixture_close(&f);
}

static int refuse_to_start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return UV_ENODEV;
}

static void a_start_that_returns_an_error_fails_the_job(void **state) {
  fixture f = { 0 };
  jobsrv_operation_t op;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  jobsrv_operation_init(&op);
  op.name = "op";
  op.start = refuse_to_start;
  assert_ok(jobsrv_operation_add(f.srv, &op));
  job = fixture_submit(&f, "op");
  run_turns(&f.loop, 1);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  assert_string_equal(fixture_info(job).error_code, "start_failed");
  assert_string_equal(fixture_info(job).error_message, "no such device");
  fixture_close(&f);
}

static int complete_at_once(jobsrv_job_t *job, void *data) {
  (void) data;
  return jobsrv_job_complete(job, "1", 0);
}

static void an_operation_may_finish_inside_its_start(void **state) {
  fixture f = { 0 };
  jobsrv_operation_t op;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  jobsrv_operation_init(&op);
  op.name = "op";
  op.start = complete_at_once;
  assert_ok(jobsrv_operation_add(f.srv, &op));
  job = fixture_submit(&f, "op");
  run_turns(&f.loop, 1);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_COMPLETED);
  fixture_close(&f);
}

static void refusals_name_their_cause_and_release_the_data(void **state) {
  fixture f = { .options = { .max_queued = 2, .max_jobs = 3 } };
  jobsrv_spec_t spec;
  jobsrv_mistake_t mistake;
  int released = 0;
  char big[200];

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  memset(big, 'a', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  jobsrv_spec_init(&spec);
  spec.data = &released;
  spec.release = count_release;
  spec.operation = "none";
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_ENOOPERATION);
  assert_int_equal(released, 1);
  spec.operation = "op";
  spec.payload = "[1]";
  assert_err(jobsrv_submit(f.srv, &spec, &mistake, NULL), JOBSRV_EPAYLOAD);
  assert_contains(mistake.detail, "object");
  spec.payload = "{\"a\":\n 1,}";
  assert_err(jobsrv_submit(f.srv, &spec, &mistake, NULL), JOBSRV_EPAYLOAD);
  assert_contains(mistake.detail, "line 2, column 4");
  spec.payload = NULL;
  spec.principal = big;
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_ETOOBIG);
  spec.principal = NULL;
  assert_int_equal(released, 4);
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, NULL));
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, NULL));
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EQUEUEFULL);
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, NULL));
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EJOBSFULL);
  assert_int_equal(released, 6);
  assert_int_equal(fixture_stats(&f).refused, 2);
  fixture_close(&f);
  assert_int_equal(released, 9);
}

static void a_spec_of_another_size_is_refused(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;

  (void) state;
  fixture_open(&f);
  memset(&spec, 0, sizeof(spec));
  spec.size = 8;
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EOPTIONS);
  fixture_close(&f);
}

static void a_payload_reads_as_submitted_until_the_end(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  size_t len = 0;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  assert_string_equal(jobsrv_job_payload(fixture_submit(&f, "op"), &len),
                      "{}");
  assert_int_equal(len, 2);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.payload = " {\"big\": 1e400000}";
  assert_err(jobsrv_submit(f.srv, &spec, NULL, &job), JOBSRV_EPAYLOAD);
  spec.payload = " {\"a\": 1.50} and what is behind its length";
  spec.payload_len = 12;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  run_turns(&f.loop, 1);
  assert_string_equal(jobsrv_job_payload(job, &len), " {\"a\": 1.50}");
  assert_int_equal(len, 12);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_string_equal(jobsrv_job_payload(job, NULL), "{}");
  fixture_close(&f);
}

static void tags_beyond_their_bounds_are_refused(void **state) {
  fixture f = { .options = { .max_tags = 1 } };
  jobsrv_tag_t tags[2] = { { "colour", "blue" }, { "size", "l" } };
  jobsrv_tag_t bad = { "a b", "x" };
  jobsrv_spec_t spec;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.tags = tags;
  spec.ntags = 2;
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_ETOOBIG);
  spec.ntags = 1;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, NULL));
  spec.tags = &bad;
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), UV_EINVAL);
  fixture_close(&f);
}

static void a_job_is_found_by_id_until_it_expires(void **state) {
  fixture f = { .options = { .retain_ms = 1000 } };
  jobsrv_job_t *job, *found;
  jobsrv_handle_t handle;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  fixture_open(&f);
  job = fixture_begin(&f);
  jobsrv_job_id(job, id);
  handle = jobsrv_job_handle(job);
  assert_int_equal(strlen(id), 40);
  assert_int_equal(strncmp(id, "job-", 4), 0);
  assert_ok(jobsrv_find(f.srv, id, &found));
  assert_ptr_equal(found, job);
  assert_ptr_equal(jobsrv_job_by_handle(f.srv, handle), job);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  fixture_ms(&f, 999);
  assert_ok(jobsrv_find(f.srv, id, &found));
  fixture_ms(&f, 2);
  assert_err(jobsrv_find(f.srv, id, &found), JOBSRV_EEXPIRED);
  assert_null(jobsrv_job_by_handle(f.srv, handle));
  handle.generation++; /* nobody's yet, but anyone may ask */
  assert_null(jobsrv_job_by_handle(f.srv, handle));
  assert_err(jobsrv_find(f.srv, "job-00000000-0000-4000-8000-000000000000",
                         &found),
             JOBSRV_ENOJOB);
  assert_err(jobsrv_find(f.srv, "nonsense", &found), JOBSRV_ENOJOB);
  fixture_close(&f);
}

static void retention_is_bounded_by_count_and_the_oldest_goes(void **state) {
  fixture f = { .options = { .max_retained = 2, .max_expired = 2 } };
  char ids[5][JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  for (int i = 0; i < 5; i++) {
    job = fixture_begin(&f);
    jobsrv_job_id(job, ids[i]);
    assert_ok(jobsrv_job_complete(job, NULL, 0));
  }
  assert_err(jobsrv_find(f.srv, ids[0], &job), JOBSRV_ENOJOB);
  assert_err(jobsrv_find(f.srv, ids[1], &job), JOBSRV_EEXPIRED);
  assert_err(jobsrv_find(f.srv, ids[2], &job), JOBSRV_EEXPIRED);
  assert_ok(jobsrv_find(f.srv, ids[3], &job));
  assert_ok(jobsrv_find(f.srv, ids[4], &job));
  assert_int_equal(fixture_stats(&f).retained, 2);
  fixture_close(&f);
}

static void a_reference_keeps_a_job_past_its_retention(void **state) {
  fixture f = { .options = { .retain_ms = 10 } };
  jobsrv_job_t *job;
  jobsrv_spec_t spec;
  int released = 0;

  (void) state;
  fixture_open(&f);
  jobsrv_spec_init(&spec);
  spec.data = &released;
  spec.release = count_release;
  assert_ok(jobsrv_begin(f.srv, &spec, &job));
  jobsrv_job_ref(job);
  assert_ok(jobsrv_job_complete(job, "[2]", 0));
  fixture_ms(&f, 20);
  assert_int_equal(released, 0);
  assert_string_equal(fixture_info(job).result, "[2]");
  fixture_close(&f);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_COMPLETED);
  assert_null(jobsrv_job_server(job));
  assert_err(jobsrv_job_cancel(job, NULL), JOBSRV_EENDED);
  jobsrv_job_unref(job);
  assert_int_equal(released, 1);
}

static void caps_hold_and_the_rest_wait_in_order(void **state) {
  fixture f = { .options = { .max_running = 2 } };
  jobsrv_job_t *job[4];

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "one", 1);
  fixture_add(&f, "any", 0);
  job[0] = fixture_submit(&f, "one");
  job[1] = fixture_submit(&f, "one");
  job[2] = fixture_submit(&f, "any");
  job[3] = fixture_submit(&f, "any");
  assert_int_equal(fixture_info(job[3]).queue_position, 4);
  run_turns(&f.loop, 1);
  assert_int_equal(jobsrv_job_state(job[0]), JOBSRV_STATE_RUNNING);
  assert_int_equal(jobsrv_job_state(job[1]), JOBSRV_STATE_QUEUED);
  assert_int_equal(jobsrv_job_state(job[2]), JOBSRV_STATE_RUNNING);
  assert_int_equal(fixture_info(job[1]).queue_position, 1);
  assert_int_equal(fixture_info(job[3]).queue_position, 2);
  assert_ok(jobsrv_job_complete(job[2], NULL, 0));
  run_turns(&f.loop, 1);
  assert_int_equal(jobsrv_job_state(job[1]), JOBSRV_STATE_QUEUED);
  assert_int_equal(jobsrv_job_state(job[3]), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_complete(job[0], NULL, 0));
  run_turns(&f.loop, 1);
  assert_int_equal(jobsrv_job_state(job[1]), JOBSRV_STATE_RUNNING);
  assert_int_equal(fixture_info(job[1]).queue_position, 0);
  fixture_close(&f);
}

typedef struct {
  jobsrv_hook_t hook;
  jobsrv_hook_t *victim;
  char *log;
  char mark;
} listener;

static void on_transition(jobsrv_hook_t *hook,
                          jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  listener *l = hook->data;
  size_t len = strlen(l->log);

  (void) job;
  l->log[len] = l->mark;
  l->log[len + 1] = (char) ('0' + from);
  l->log[len + 2] = (char) ('0' + to);
  l->log[len + 3] = '\0';
  if (l->victim != NULL)
    jobsrv_hook_remove(l->victim);
}

static void hooks_see_every_transition_and_may_remove_each_other(void **state) {
  fixture f = { 0 };
  char log[64] = "";
  listener a = { .log = log, .mark = 'a' }, b = { .log = log, .mark = 'b' };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  a.hook.data = &a;
  b.hook.data = &b;
  jobsrv_hook_add(f.srv, &a.hook, on_transition);
  jobsrv_hook_add(f.srv, &b.hook, on_transition);
  job = fixture_begin(&f);
  assert_string_equal(log, "a11b11a12b12");
  a.victim = &b.hook;
  b.victim = NULL;
  log[0] = '\0';
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_string_equal(log, "a25");
  jobsrv_hook_remove(&a.hook);
  fixture_close(&f);
}

static void on_submitted(jobsrv_t *srv,
                         jobsrv_job_t *job,
                         int err,
                         void *data) {
  (void) srv;
  *(int *) data = err == 0 && job != NULL ? 1 : err;
}

static int is_set(void *data) {
  return *(int *) data != 0;
}

typedef struct {
  jobsrv_t *srv;
  int *result;
} sender;

static void send_spec(void *arg) {
  sender *s = arg;
  char name[] = "op", payload[] = "{\"x\":1}";
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = name;
  spec.payload = payload;
  assert_ok(jobsrv_submit_from(s->srv, &spec, on_submitted, s->result));
  memset(name, 0, sizeof(name));
  memset(payload, 0, sizeof(payload));
}

static void a_thread_may_submit_and_is_called_back_on_the_loop(void **state) {
  fixture f = { 0 };
  int result = 0;
  sender s;
  uv_thread_t thread;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  s.srv = f.srv;
  s.result = &result;
  assert_ok(uv_thread_create(&thread, send_spec, &s));
  assert_ok(uv_thread_join(&thread));
  assert_int_equal(result, 0);
  assert_true(run_until(&f.loop, is_set, &result, 2000));
  assert_int_equal(result, 1);
  fixture_close(&f);
}

static void a_post_that_loses_to_close_is_told_so(void **state) {
  fixture f = { 0 };
  int result = 0;
  jobsrv_spec_t spec;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  assert_ok(jobsrv_submit_from(f.srv, &spec, on_submitted, &result));
  fixture_close(&f);
  assert_int_equal(result, JOBSRV_ECLOSED);
}

static void the_name_of_a_begun_job_is_bounded(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  char name[130];

  (void) state;
  fixture_open(&f);
  memset(name, 'n', sizeof(name));
  jobsrv_spec_init(&spec);
  spec.operation = name;
  name[129] = '\0';
  assert_err(jobsrv_begin(f.srv, &spec, &job), JOBSRV_ETOOBIG);
  name[128] = '\0';
  assert_ok(jobsrv_begin(f.srv, &spec, &job));
  assert_string_equal(jobsrv_job_operation(job), name);
  fixture_close(&f);
}

static void a_spec_with_unknown_settings_is_refused_and_released(
    void **state) {
  fixture f = { 0 };
  struct {
    jobsrv_spec_t spec;
    uint64_t newer;
  } future;
  jobsrv_job_t *job;
  int released = 0;

  (void) state;
  fixture_open(&f);
  memset(&future, 0, sizeof(future));
  future.spec.size = sizeof(future);
  future.spec.data = &released;
  future.spec.release = count_release;
  future.newer = 1;
  assert_err(jobsrv_submit(f.srv, &future.spec, NULL, NULL), JOBSRV_EOPTIONS);
  assert_int_equal(released, 1);
  assert_err(jobsrv_begin(f.srv, &future.spec, &job), JOBSRV_EOPTIONS);
  assert_int_equal(released, 2);
  assert_err(jobsrv_submit_from(f.srv, &future.spec, NULL, NULL),
             JOBSRV_EOPTIONS);
  assert_int_equal(released, 3);
  fixture_close(&f);
}

static void in_hooks_the_context_is_the_job_they_are_called_for(
    jobsrv_hook_t *hook,
    jobsrv_job_t *job,
    jobsrv_state_t from,
    jobsrv_state_t to) {
  (void) from;
  (void) to;
  ++*(int *) hook->data;
  assert_ptr_equal(jobsrv_context_job(), job);
}

static void a_hook_is_called_in_the_context_of_its_job(void **state) {
  fixture f = { 0 };
  int calls = 0;
  jobsrv_hook_t hook = { .data = &calls };
  jobsrv_context_t context;
  jobsrv_job_t *outer;

  (void) state;
  fixture_open(&f);
  outer = fixture_begin(&f);
  jobsrv_hook_add(f.srv, &hook,
                  in_hooks_the_context_is_the_job_they_are_called_for);
  jobsrv_context_enter(&context, outer);
  (void) fixture_begin(&f);
  assert_ptr_equal(jobsrv_context_job(), outer);
  jobsrv_context_leave(&context);
  assert_int_equal(calls, 2);
  jobsrv_hook_remove(&hook);
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_job_starts_in_the_turn_it_was_submitted_in),
  cmocka_unit_test(it_completes_with_a_result),
  cmocka_unit_test(it_fails_with_a_code_and_a_message),
  cmocka_unit_test(a_long_message_is_cut_with_a_mark),
  cmocka_unit_test(a_queued_job_cannot_be_finished),
  cmocka_unit_test(a_start_that_returns_an_error_fails_the_job),
  cmocka_unit_test(an_operation_may_finish_inside_its_start),
  cmocka_unit_test(refusals_name_their_cause_and_release_the_data),
  cmocka_unit_test(a_spec_of_another_size_is_refused),
  cmocka_unit_test(a_payload_reads_as_submitted_until_the_end),
  cmocka_unit_test(tags_beyond_their_bounds_are_refused),
  cmocka_unit_test(a_job_is_found_by_id_until_it_expires),
  cmocka_unit_test(retention_is_bounded_by_count_and_the_oldest_goes),
  cmocka_unit_test(a_reference_keeps_a_job_past_its_retention),
  cmocka_unit_test(caps_hold_and_the_rest_wait_in_order),
  cmocka_unit_test(hooks_see_every_transition_and_may_remove_each_other),
  cmocka_unit_test(a_thread_may_submit_and_is_called_back_on_the_loop),
  cmocka_unit_test(a_post_that_loses_to_close_is_told_so),
  cmocka_unit_test(the_name_of_a_begun_job_is_bounded),
  cmocka_unit_test(a_spec_with_unknown_settings_is_refused_and_released),
  cmocka_unit_test(a_hook_is_called_in_the_context_of_its_job),
};

RUN(tests);
