/* SPDX-License-Identifier: MIT */

/* The trace of a job: given, inherited, or its own; on its events and in its
   record. */

#include "world.h"

#define TRACE "0123456789abcdef0011223344556677"
#define SPAN "00f067aa0ba902b7"
#define PARENT "00-" TRACE "-" SPAN "-01"

static jobsrv_trace_t trace_of(const jobsrv_job_t *job) {
  jobsrv_trace_t trace = { .size = sizeof(trace) };

  jobsrv_job_trace(job, &trace);
  return trace;
}

static jobsrv_job_t *begin_in(world_t *world,
                              const char *traceparent,
                              const char *tracestate,
                              jobsrv_job_t *parent) {
  jobsrv_job_t *job = NULL;
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.traceparent = traceparent;
  spec.tracestate = tracestate;
  spec.parent_job = parent;
  assert_ok(jobsrv_begin(world->srv, &spec, &job));
  return job;
}

static json_t *record_of(const jobsrv_job_t *job) {
  char text[4096];
  size_t len = jobsrv_job_record(job, 0, text, sizeof(text));
  json_t *json = json_loadb(text, len, 0, NULL);

  assert_non_null(json);
  return json;
}

/* The event of that action, as sinks and watchers have it. */
static const jobsrv_event_t *seen_event(jobsrv_capture_t *seen,
                                        const char *action,
                                        json_t **json) {
  const jobsrv_event_t *event =
      jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = action }, 0);

  assert_non_null(event);
  *json = json_loads(event->json, 0, NULL);
  assert_non_null(*json);
  return event;
}

static void a_job_alone_has_a_trace_of_its_own(void **state) {
  jobsrv_trace_t trace, again;
  char id[JOBSRV_ID_SIZE];
  char digits[33] = "";
  size_t n = 0;
  world_t world;
  jobsrv_job_t *job;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  jobsrv_job_id(job, id);
  for (const char *at = id + 4; *at != '\0'; at++)
    if (*at != '-')
      digits[n++] = *at;
  trace = trace_of(job);
  assert_string_equal(trace.trace_id, digits);
  assert_int_equal(strlen(trace.span_id), 16);
  assert_int_equal(strlen(trace.attempt_span_id), 16);
  assert_string_not_equal(trace.span_id, trace.attempt_span_id);
  assert_string_equal(trace.parent_span_id, "");
  assert_null(trace.tracestate);
  assert_true(trace.sampled);
  assert_false(trace.is_given);
  again = trace_of(job);
  assert_memory_equal(&trace, &again, sizeof(trace));
  assert_string_not_equal(trace_of(begin_job(&world)).span_id, trace.span_id);
  world_close(&world);
}

static void its_events_and_record_do_not_repeat_it(void **state) {
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  assert_ok(jobsrv_narrate(job, "hello", "there"));
  event = seen_event(seen, "hello", &json);
  assert_null(event->trace_id);
  assert_null(json_object_get(json, "trace_id"));
  assert_null(json_object_get(json, "span_id"));
  json_decref(json);
  json = record_of(job);
  assert_null(json_object_get(json, "trace_id"));
  json_decref(json);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void a_trace_that_is_given_is_on_events_and_record(void **state) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_trace_t trace;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_in(&world, PARENT, "a=1,b=2", NULL);
  trace = trace_of(job);
  assert_string_equal(trace.trace_id, TRACE);
  assert_string_equal(trace.parent_span_id, SPAN);
  assert_string_equal(trace.tracestate, "a=1,b=2");
  assert_true(trace.sampled);
  assert_true(trace.is_given);

  assert_ok(jobsrv_narrate(job, "hello", "there"));
  event = seen_event(seen, "hello", &json);
  assert_string_equal(event->trace_id, TRACE);
  assert_string_equal(event->span_id, trace.attempt_span_id);
  assert_string_equal(event->parent_span_id, trace.span_id);
  assert_string_equal(text_of(json, "trace_id"), TRACE);
  assert_string_equal(text_of(json, "span_id"), trace.attempt_span_id);
  assert_string_equal(text_of(json, "parent_span_id"), trace.span_id);
  json_decref(json);

  json = record_of(job);
  assert_string_equal(text_of(json, "trace_id"), TRACE);
  assert_string_equal(text_of(json, "parent_span_id"), SPAN);
  json_decref(json);
  jobsrv_job_info(job, &info);
  assert_string_equal(info.trace_id, TRACE);
  assert_string_equal(info.parent_span_id, SPAN);
  assert_string_equal(info.tracestate, "a=1,b=2");
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void what_the_library_says_of_it_is_in_the_trace(void **state) {
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_trace_t trace;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_in(&world, PARENT, NULL, NULL);
  trace = trace_of(job);
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "state" }, 0);
  assert_non_null(event); /* it was created: no attempt yet */
  assert_string_equal(event->trace_id, TRACE);
  assert_string_equal(event->span_id, trace.span_id);
  assert_string_equal(event->parent_span_id, SPAN);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "end" }, 0);
  assert_non_null(event);
  assert_string_equal(event->trace_id, TRACE);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void an_event_keeps_the_ids_it_brings(void **state) {
  static const jobsrv_event_t mine = {
    .action = "hello",
    .trace_id = "ffffffffffffffffffffffffffffffff",
    .span_id = "eeeeeeeeeeeeeeee",
  };
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  assert_ok(jobsrv_narrate_event(begin_in(&world, PARENT, NULL, NULL), &mine));
  event = seen_event(seen, "hello", &json);
  assert_string_equal(event->trace_id, mine.trace_id);
  assert_string_equal(event->span_id, mine.span_id);
  assert_null(event->parent_span_id);
  json_decref(json);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void the_flag_is_kept_and_passed_down(void **state) {
  jobsrv_trace_t trace;
  world_t world;
  jobsrv_job_t *job;

  (void) state;
  world_open(&world);
  job = begin_in(&world, "00-" TRACE "-" SPAN "-00", NULL, NULL);
  assert_false(trace_of(job).sampled);
  trace = trace_of(begin_in(&world, NULL, NULL, job));
  assert_false(trace.sampled);
  world_close(&world);
}

static void a_child_is_in_its_parents_trace(void **state) {
  jobsrv_trace_t above, trace;
  jobsrv_job_t *parent, *child;
  world_t world;

  (void) state;
  world_open(&world);
  parent = begin_in(&world, PARENT, "a=1", NULL);
  above = trace_of(parent);
  child = begin_in(&world, NULL, NULL, parent);
  trace = trace_of(child);
  assert_string_equal(trace.trace_id, TRACE);
  assert_string_equal(trace.parent_span_id, above.attempt_span_id);
  assert_string_equal(trace.tracestate, "a=1");
  assert_true(trace.is_given);
  world_close(&world);
}

static void also_when_that_stands_alone(void **state) {
  jobsrv_trace_t above, trace;
  jobsrv_job_t *parent, *child, *grandchild;
  world_t world;

  (void) state;
  world_open(&world);
  parent = begin_job(&world);
  above = trace_of(parent);
  child = begin_in(&world, NULL, NULL, parent);
  trace = trace_of(child);
  assert_string_equal(trace.trace_id, above.trace_id);
  assert_string_equal(trace.parent_span_id, above.attempt_span_id);
  assert_true(trace.sampled);
  grandchild = begin_in(&world, NULL, NULL, child);
  assert_string_equal(trace_of(grandchild).trace_id, above.trace_id);
  assert_string_equal(trace_of(grandchild).parent_span_id,
                      trace.attempt_span_id);
  world_close(&world);
}

static void its_own_spec_counts_before_its_parent(void **state) {
  jobsrv_job_t *parent, *child;
  world_t world;

  (void) state;
  world_open(&world);
  parent = begin_in(&world, NULL, NULL, NULL);
  child = begin_in(&world, PARENT, NULL, parent);
  assert_string_equal(trace_of(child).trace_id, TRACE);
  assert_string_equal(trace_of(child).parent_span_id, SPAN);
  world_close(&world);
}

static void a_child_has_its_parents_ids_unless_given(void **state) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_job_t *parent, *child;
  jobsrv_spec_t spec;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_spec_init(&spec);
  spec.correlation_id = "cor";
  spec.request_id = "req";
  spec.principal = "me";
  assert_ok(jobsrv_begin(world.srv, &spec, &parent));
  child = begin_in(&world, NULL, NULL, parent);
  jobsrv_job_info(child, &info);
  assert_string_equal(info.correlation_id, "cor");
  assert_string_equal(info.request_id, "req");
  assert_null(info.principal);

  jobsrv_spec_init(&spec);
  spec.parent_job = parent;
  spec.request_id = "other";
  assert_ok(jobsrv_begin(world.srv, &spec, &child));
  jobsrv_job_info(child, &info);
  assert_string_equal(info.correlation_id, "cor");
  assert_string_equal(info.request_id, "other");
  world_close(&world);
}

static void each_attempt_has_a_span(void **state) {
  char first[17], second[17], job_span[17];
  jobsrv_trace_t trace;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  trace = trace_of(job);
  assert_string_equal(jobsrv_attempt_span_id(job, 0, job_span), trace.span_id);
  assert_string_equal(jobsrv_attempt_span_id(job, 1, first),
                      trace.attempt_span_id);
  assert_string_not_equal(jobsrv_attempt_span_id(job, 2, second), first);
  world_close(&world);
}

static int try(jobsrv_job_t *job, void *data) {
  (void) data;
  (void) jobsrv_info(NULL, "try", "attempt");
  return jobsrv_job_fail(job, "no", NULL);
}

static int run(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return jobsrv_info(NULL, "try", "on a thread");
}

static jobsrv_job_t *submit_traced(world_t *world,
                                   jobsrv_operation_t *operation) {
  jobsrv_job_t *job = NULL;
  jobsrv_spec_t spec;

  operation->name = "op";
  assert_ok(jobsrv_operation_add(world->srv, operation));
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.traceparent = PARENT;
  assert_ok(jobsrv_submit(world->srv, &spec, NULL, &job));
  return job;
}

static void events_are_in_the_attempt_that_says_them(void **state) {
  jobsrv_operation_t operation;
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  char span[17];

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  jobsrv_operation_init(&operation);
  operation.start = try;
  operation.retry = (jobsrv_retry_t) { .max_attempts = 3, .backoff_ms = 1 };
  job = submit_traced(&world, &operation);
  for (int i = 0; i < 5; i++)
    world_pass(&world, 1000);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  for (uint32_t i = 0; i < 3; i++) {
    event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "try" }, i);
    assert_non_null(event);
    assert_string_equal(event->span_id,
                        jobsrv_attempt_span_id(job, i + 1, span));
    assert_string_equal(event->parent_span_id, trace_of(job).span_id);
  }
  assert_string_equal(trace_of(job).attempt_span_id, span);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void so_are_those_of_a_thread(void **state) {
  jobsrv_operation_t operation;
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  jobsrv_operation_init(&operation);
  operation.style = JOBSRV_THREAD;
  operation.run = run;
  job = submit_traced(&world, &operation);
  assert_true(run_until(&world.loop, jobsrv_until_ended, job, 5000));
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "try" }, 0);
  assert_non_null(event);
  assert_string_equal(event->trace_id, TRACE);
  assert_string_equal(event->span_id, trace_of(job).attempt_span_id);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static int submit_in(jobsrv_t *srv,
                     const char *traceparent,
                     const char *tracestate) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.traceparent = traceparent;
  spec.tracestate = tracestate;
  return jobsrv_begin(srv, &spec, &job);
}

static void what_is_no_trace_is_refused(void **state) {
  char longest[514];
  world_t world;

  (void) state;
  memset(longest, 'x', sizeof(longest));
  memcpy(longest, "a=", 2);
  for (int i = 200; i < 513; i += 200)
    memcpy(longest + i, ",b=", 3);
  longest[512] = '\0';
  world_open(&world);
  assert_err(submit_in(world.srv, "", NULL), UV_EINVAL);
  assert_err(submit_in(world.srv, PARENT " ", NULL), UV_EINVAL);
  assert_err(submit_in(world.srv, PARENT, ""), UV_EINVAL);
  assert_err(submit_in(world.srv, PARENT, "A=1"), UV_EINVAL);
  assert_err(submit_in(world.srv, NULL, "a=1"), UV_EINVAL);
  assert_ok(submit_in(world.srv, PARENT, longest));
  longest[512] = 'x';
  longest[513] = '\0';
  assert_err(submit_in(world.srv, PARENT, longest), UV_EINVAL);
  world_close(&world);
}

static void on_submitted(jobsrv_t *srv, jobsrv_job_t *job, int err, void *data) {
  (void) srv;
  assert_ok(err);
  *(jobsrv_job_t **) data = job;
}

static int start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void it_is_copied_on_its_way_from_other_threads(void **state) {
  char parent[] = PARENT, text[] = "a=1";
  jobsrv_operation_t operation;
  jobsrv_job_t *job = NULL;
  jobsrv_spec_t spec;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_operation_init(&operation);
  operation.name = "op";
  operation.start = start;
  assert_ok(jobsrv_operation_add(world.srv, &operation));
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.traceparent = parent;
  spec.tracestate = text;
  assert_ok(jobsrv_submit_from(world.srv, &spec, on_submitted, &job));
  memset(parent, 'x', sizeof(parent) - 1);
  memset(text, 'x', sizeof(text) - 1);
  world_turn(&world);
  assert_non_null(job);
  assert_string_equal(trace_of(job).trace_id, TRACE);
  assert_string_equal(trace_of(job).tracestate, "a=1");
  spec.traceparent = "00";
  assert_err(jobsrv_submit_from(world.srv, &spec, on_submitted, &job),
             UV_EINVAL);
  world_close(&world);
}

static void no_memory_for_it_is_told(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  world_t world;
  int err = UV_ENOMEM;
  int tries = 0;

  (void) state;
  world_open(&world);
  jobsrv_spec_init(&spec);
  spec.traceparent = PARENT;
  spec.tracestate = "a=1";
  for (; err == UV_ENOMEM; tries++) {
    jobsrv_faults_fail(&world.faults, (uint64_t) tries, 1);
    err = jobsrv_begin(world.srv, &spec, &job);
  }
  jobsrv_faults_fail(&world.faults, 0, 0);
  assert_ok(err);
  assert_true(tries > 1);
  assert_string_equal(trace_of(job).tracestate, "a=1");
  world_close(&world);
}

static void less_is_filled_for_who_knows_less(void **state) {
  jobsrv_trace_t trace;
  world_t world;

  (void) state;
  world_open(&world);
  memset(&trace, '?', sizeof(trace));
  trace.size = offsetof(jobsrv_trace_t, span_id);
  jobsrv_job_trace(begin_job(&world), &trace);
  assert_int_equal(strlen(trace.trace_id), 32);
  assert_int_equal(trace.span_id[0], '?');
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_job_alone_has_a_trace_of_its_own),
  cmocka_unit_test(its_events_and_record_do_not_repeat_it),
  cmocka_unit_test(a_trace_that_is_given_is_on_events_and_record),
  cmocka_unit_test(what_the_library_says_of_it_is_in_the_trace),
  cmocka_unit_test(an_event_keeps_the_ids_it_brings),
  cmocka_unit_test(the_flag_is_kept_and_passed_down),
  cmocka_unit_test(a_child_is_in_its_parents_trace),
  cmocka_unit_test(also_when_that_stands_alone),
  cmocka_unit_test(its_own_spec_counts_before_its_parent),
  cmocka_unit_test(a_child_has_its_parents_ids_unless_given),
  cmocka_unit_test(each_attempt_has_a_span),
  cmocka_unit_test(events_are_in_the_attempt_that_says_them),
  cmocka_unit_test(so_are_those_of_a_thread),
  cmocka_unit_test(what_is_no_trace_is_refused),
  cmocka_unit_test(it_is_copied_on_its_way_from_other_threads),
  cmocka_unit_test(no_memory_for_it_is_told),
  cmocka_unit_test(less_is_filled_for_who_knows_less),
};

RUN(tests);
