/* SPDX-License-Identifier: MIT */

#include "collector.h"

#include "jobsrv/span.h"

/* An async operation whose jobs the test finishes. */
static int on_start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void add_operation(exporter_t *e) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = "index";
  op.start = on_start;
  assert_ok(jobsrv_operation_add(e->world.srv, &op));
}

static jobsrv_job_t *submit(exporter_t *e, jobsrv_spec_t *spec) {
  jobsrv_job_t *job;

  spec->operation = "index";
  assert_ok(jobsrv_submit(e->world.srv, spec, NULL, &job));
  world_turn(&e->world);
  return job;
}

static uint64_t number_of(const json_t *record, const char *name) {
  return strtoull(text_of(record, name), NULL, 10);
}

static uint64_t ms_between(const json_t *span) {
  return (number_of(span, "endTimeUnixNano") -
          number_of(span, "startTimeUnixNano")) / 1000000;
}

static void a_job_is_a_span_with_its_attempt_inside(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  jobsrv_tag_t tag = { "place", "here" };
  jobsrv_job_t *job;
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  json_t *report, *span, *attempt, *log;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  exporter_open(&e);
  add_operation(&e);
  jobsrv_spec_init(&spec);
  spec.delay_ms = 100;
  spec.tags = &tag;
  spec.ntags = 1;
  spec.correlation_id = "corr-1";
  spec.principal = "ann";
  job = jobsrv_job_ref(submit(&e, &spec));
  world_pass(&e.world, 100);
  assert_ok(jobsrv_narrate(job, "a", "inside"));
  world_pass(&e.world, 250);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  jobsrv_job_trace(job, &trace);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "spans"), 2);
  span = span_of(report, "index");
  assert_string_equal(text_of(span, "traceId"), trace.trace_id);
  assert_string_equal(text_of(span, "spanId"), trace.span_id);
  assert_null(text_of(span, "parentSpanId"));
  assert_null(text_of(span, "traceState"));
  assert_int_equal(int_of(span, "kind"), 5);
  assert_int_equal(ms_between(span), 350);
  assert_int_equal(status_of(span), 1);
  assert_attr(span, "jobsrv.job_id", jobsrv_job_id(job, id));
  assert_attr(span, "jobsrv.operation", "index");
  assert_attr(span, "jobsrv.outcome", "completed");
  assert_attr(span, "jobsrv.attempts", "1");
  assert_attr(span, "jobsrv.priority", "normal");
  assert_attr(span, "jobsrv.correlation_id", "corr-1");
  assert_attr(span, "jobsrv.principal", "ann");
  assert_attr(span, "jobsrv.tag.place", "here");
  assert_attr(span, "jobsrv.duration_ms", "250");
  assert_null(attr(span, "error.type"));
  attempt = span_of(report, "index attempt");
  assert_string_equal(text_of(attempt, "parentSpanId"), trace.span_id);
  assert_string_equal(text_of(attempt, "spanId"), trace.attempt_span_id);
  assert_int_equal(int_of(attempt, "kind"), 1);
  assert_int_equal(ms_between(attempt), 250);
  assert_int_equal(status_of(attempt), 1);
  assert_attr(attempt, "jobsrv.attempt", "1");
  assert_string_equal(text_of(log_of(report, "inside"), "spanId"),
                      trace.attempt_span_id);
  log = log_of(report, "completed");
  assert_string_equal(text_of(log, "spanId"), trace.span_id);
  assert_attr(log, "jobsrv.state", "completed");
  assert_attr(log, "jobsrv.attempt", "1");
  log = log_of(report, "running, was queued");
  assert_attr(log, "jobsrv.state", "running");
  assert_attr(log, "jobsrv.previous", "queued");
  json_decref(report);
  jobsrv_job_unref(job);
  exporter_close(&e);
}

static void a_job_that_the_host_begins_is_internal(void **state) {
  exporter_t e;
  json_t *report;

  (void) state;
  exporter_open(&e);
  assert_ok(jobsrv_job_complete(begin_job(&e.world), NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(int_of(span_of(report, "work"), "kind"), 1);
  assert_int_equal(ms_between(span_of(report, "work attempt")), 0);
  json_decref(report);
  exporter_close(&e);
}

static void a_failure_is_an_error_with_its_message(void **state) {
  exporter_t e;
  json_t *report, *span;

  (void) state;
  exporter_open(&e);
  assert_ok(jobsrv_job_fail(begin_job(&e.world), "disk_full", "no room left"));
  world_turn(&e.world);
  report = exporter_report(&e);
  span = span_of(report, "work");
  assert_int_equal(status_of(span), 2);
  assert_string_equal(text_of(json_object_get(span, "status"), "message"),
                      "no room left");
  assert_attr(span, "error.type", "disk_full");
  assert_attr(span, "jobsrv.outcome", "failed");
  assert_int_equal(status_of(span_of(report, "work attempt")), 2);
  json_decref(report);
  exporter_close(&e);
}

static void a_cancelled_job_has_a_reason_and_no_status(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *span;

  (void) state;
  exporter_open(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_job_cancel(job, NULL));
  world_turn(&e.world);
  assert_ok(jobsrv_job_fail(job, "cancelled", NULL));
  world_turn(&e.world);
  report = exporter_report(&e);
  span = span_of(report, "work");
  assert_int_equal(status_of(span), 0);
  assert_attr(span, "jobsrv.outcome", "cancelled");
  assert_attr(span, "jobsrv.cancel_reason", "requested");
  json_decref(report);
  exporter_close(&e);
}

static void a_job_that_never_ran_has_no_attempt(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  json_t *report;

  (void) state;
  exporter_open(&e);
  add_operation(&e);
  jobsrv_spec_init(&spec);
  spec.delay_ms = 60000;
  assert_ok(jobsrv_job_cancel(submit(&e, &spec), NULL));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "spans"), 1);
  assert_attr(span_of(report, "index"), "jobsrv.attempts", "0");
  json_decref(report);
  exporter_close(&e);
}

static void each_attempt_is_a_span_of_its_own(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  json_t *report, *one, *two;

  (void) state;
  exporter_open(&e);
  add_operation(&e);
  jobsrv_spec_init(&spec);
  spec.retry.max_attempts = 3;
  spec.retry.jitter = JOBSRV_JITTER_NONE;
  job = submit(&e, &spec);
  world_pass(&e.world, 10);
  assert_ok(jobsrv_job_fail(job, "busy", "not yet"));
  world_turn(&e.world);
  world_pass(&e.world, 1000);
  world_pass(&e.world, 20);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "spans"), 3);
  one = record_at(report, "spans", "index attempt", 0);
  two = record_at(report, "spans", "index attempt", 1);
  assert_attr(one, "jobsrv.attempt", "1");
  assert_attr(one, "error.type", "busy");
  assert_int_equal(status_of(one), 2);
  assert_int_equal(ms_between(one), 10);
  assert_attr(two, "jobsrv.attempt", "2");
  assert_null(attr(two, "error.type"));
  assert_int_equal(status_of(two), 1);
  assert_int_equal(ms_between(two), 20);
  assert_attr(span_of(report, "index"), "jobsrv.attempts", "2");
  json_decref(report);
  exporter_close(&e);
}

static void pauses_and_snoozes_do_not_end_an_attempt(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  exporter_open(&e);
  add_operation(&e);
  jobsrv_spec_init(&spec);
  job = submit(&e, &spec);
  assert_ok(jobsrv_job_snooze(job, 500));
  world_turn(&e.world);
  world_pass(&e.world, 500);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "spans"), 2);
  assert_int_equal(ms_between(span_of(report, "index attempt")), 500);
  json_decref(report);
  exporter_close(&e);
}

static void what_a_job_is_part_of_is_its_parent(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  json_t *report, *span;

  (void) state;
  exporter_open(&e);
  exporter_reset(&e, "'b7ad6b7169203331'");
  add_operation(&e);
  jobsrv_spec_init(&spec);
  spec.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  spec.tracestate = "vendor=a:b";
  assert_ok(jobsrv_job_complete(submit(&e, &spec), NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  span = span_of(report, "index");
  assert_string_equal(text_of(span, "traceId"),
                      "0af7651916cd43dd8448eb211c80319c");
  assert_string_equal(text_of(span, "parentSpanId"), "b7ad6b7169203331");
  assert_string_equal(text_of(span, "traceState"), "vendor=a:b");
  assert_int_equal(count_of(report, "spans"), 2);
  json_decref(report);
  exporter_close(&e);
}

static void what_is_not_sampled_has_logs_but_no_spans(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  json_t *report;

  (void) state;
  exporter_open(&e);
  add_operation(&e);
  jobsrv_spec_init(&spec);
  spec.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  assert_ok(jobsrv_job_complete(submit(&e, &spec), NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "spans"), 0);
  assert_int_equal(int_of(log_of(report, "completed"), "flags"), 0);
  assert_string_equal(text_of(log_of(report, "completed"), "traceId"),
                      "0af7651916cd43dd8448eb211c80319c");
  json_decref(report);
  exporter_close(&e);
}

static void child_jobs_are_in_the_tree_of_their_parent(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  jobsrv_job_t *parent, *child;
  json_t *report;

  (void) state;
  exporter_open(&e);
  add_operation(&e);
  parent = begin_job(&e.world);
  jobsrv_spec_init(&spec);
  spec.parent_job = parent;
  child = submit(&e, &spec);
  assert_ok(jobsrv_job_complete(child, NULL, 0));
  world_turn(&e.world);
  assert_ok(jobsrv_job_complete(parent, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e); /* which follows the links */
  assert_int_equal(count_of(report, "spans"), 4);
  assert_string_equal(text_of(span_of(report, "index"), "traceId"),
                      text_of(span_of(report, "work"), "traceId"));
  assert_string_equal(text_of(span_of(report, "index"), "parentSpanId"),
                      text_of(span_of(report, "work attempt"), "spanId"));
  json_decref(report);
  exporter_close(&e);
}

static void scopes_are_spans_where_they_were(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *outer, *inner, *log;

  (void) state;
  exporter_init(&e);
  e.world.options.level = JOBSRV_DEBUG;
  e.options.level = JOBSRV_TRACE;
  exporter_start(&e);
  job = begin_job(&e.world);
  JOBSRV_SPAN(scope, job, "parse") {
    world_pass(&e.world, 10);
    JOBSRV_SPAN(within, job, "read") {
      world_pass(&e.world, 5);
      assert_ok(jobsrv_narrate(job, "a", "in the inner"));
      within.outcome = JOBSRV_SPAN_ERROR;
      within.message = "no such file";
    }
    assert_ok(jobsrv_narrate(job, "a", "in the outer"));
  }
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "spans"), 4);
  outer = span_of(report, "parse");
  inner = span_of(report, "read");
  assert_string_equal(text_of(outer, "parentSpanId"),
                      text_of(span_of(report, "work attempt"), "spanId"));
  assert_string_equal(text_of(inner, "parentSpanId"),
                      text_of(outer, "spanId"));
  assert_string_equal(text_of(inner, "traceId"), text_of(outer, "traceId"));
  assert_int_equal(ms_between(outer), 15);
  assert_int_equal(ms_between(inner), 5);
  assert_int_equal(int_of(inner, "kind"), 1);
  assert_int_equal(status_of(outer), 1);
  assert_int_equal(status_of(inner), 2);
  assert_contains(text_of(json_object_get(inner, "status"), "message"),
                  "no such file");
  assert_attr(inner, "jobsrv.outcome", "error");
  assert_attr(inner, "jobsrv.duration_ms", "5");
  assert_attr(inner, "duration_ns", "5000000");
  assert_attr(inner, "code.function.name", __func__);
  log = log_of(report, "in the inner");
  assert_string_equal(text_of(log, "spanId"), text_of(inner, "spanId"));
  log = log_of(report, "in the outer");
  assert_string_equal(text_of(log, "spanId"), text_of(outer, "spanId"));
  /* what tells of scopes is told as spans alone: state, narration, end */
  assert_int_equal(count_of(report, "logs"), 2 + 2 + 1);
  json_decref(report);
  exporter_close(&e);
}

static void scopes_are_logs_where_there_are_no_spans(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *log;
  size_t i, n = 0;

  (void) state;
  exporter_init(&e);
  e.world.options.level = JOBSRV_DEBUG;
  e.options.level = JOBSRV_DEBUG;
  e.options.signals = JOBSRV_OTLP_LOGS;
  exporter_start(&e);
  job = begin_job(&e.world);
  JOBSRV_SPAN(scope, job, "parse") {
    world_turn(&e.world);
  }
  report = exporter_report(&e);
  json_array_foreach(json_object_get(report, "logs"), i, log)
    n += strncmp(attr_text(log, "jobsrv.action"), "span_", 5) == 0;
  assert_int_equal(n, 2);
  json_decref(report);
  exporter_close(&e);
}

static void a_scope_that_somebody_else_tells_has_to_have_ids(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  exporter_open(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_narrate_event(job, &(const jobsrv_event_t) {
    .action = "span_end", .target = "theirs", .span_id = "B7AD6B7169203331",
    .parent_span_id = "no id" }));
  assert_ok(jobsrv_narrate_event(job, &(const jobsrv_event_t) {
    .action = "span_end", .span_id = "00f067aa0ba902b7" }));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e); /* which knows an id */
  assert_string_equal(text_of(span_of(report, "theirs"), "spanId"),
                      "b7ad6b7169203331");
  assert_null(text_of(span_of(report, "theirs"), "parentSpanId"));
  (void) span_of(report, "scope");
  json_decref(report);
  exporter_close(&e);
}

static void a_cancelled_scope_has_no_status(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  jobsrv_span_t span;
  json_t *report;

  (void) state;
  exporter_init(&e);
  e.world.options.level = JOBSRV_DEBUG;
  exporter_start(&e);
  job = begin_job(&e.world);
  assert_ok(jobsrv_span_begin(&span, job, "wait"));
  world_pass(&e.world, 3);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_CANCELLED, NULL));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(status_of(span_of(report, "wait")), 0);
  assert_int_equal(ms_between(span_of(report, "wait")), 3);
  json_decref(report);
  exporter_close(&e);
}

static void a_job_made_in_a_scope_is_inside_of_it(void **state) {
  exporter_t e;
  jobsrv_spec_t spec;
  jobsrv_job_t *parent, *child;
  json_t *report;

  (void) state;
  exporter_init(&e);
  e.world.options.level = JOBSRV_DEBUG;
  exporter_start(&e);
  add_operation(&e);
  parent = begin_job(&e.world);
  JOBSRV_SPAN(scope, parent, "fan out") {
    jobsrv_spec_init(&spec);
    spec.parent_job = parent;
    child = submit(&e, &spec);
    assert_ok(jobsrv_job_complete(child, NULL, 0));
    world_turn(&e.world);
  }
  assert_ok(jobsrv_job_complete(parent, NULL, 0));
  world_turn(&e.world);
  report = exporter_report(&e);
  assert_int_equal(count_of(report, "spans"), 5);
  assert_string_equal(text_of(span_of(report, "index"), "parentSpanId"),
                      text_of(span_of(report, "fan out"), "spanId"));
  json_decref(report);
  exporter_close(&e);
}

static void jobs_that_run_when_the_server_closes_leave_nothing(void **state) {
  exporter_t e;

  (void) state;
  exporter_open(&e);
  (void) begin_job(&e.world);
  (void) begin_job(&e.world);
  jobsrv_sink_remove(jobsrv_otlp_sink(e.otlp));
  exporter_close(&e); /* counts what was not freed */
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_job_is_a_span_with_its_attempt_inside),
  cmocka_unit_test(a_job_that_the_host_begins_is_internal),
  cmocka_unit_test(a_failure_is_an_error_with_its_message),
  cmocka_unit_test(a_cancelled_job_has_a_reason_and_no_status),
  cmocka_unit_test(a_job_that_never_ran_has_no_attempt),
  cmocka_unit_test(each_attempt_is_a_span_of_its_own),
  cmocka_unit_test(pauses_and_snoozes_do_not_end_an_attempt),
  cmocka_unit_test(what_a_job_is_part_of_is_its_parent),
  cmocka_unit_test(what_is_not_sampled_has_logs_but_no_spans),
  cmocka_unit_test(child_jobs_are_in_the_tree_of_their_parent),
  cmocka_unit_test(scopes_are_spans_where_they_were),
  cmocka_unit_test(scopes_are_logs_where_there_are_no_spans),
  cmocka_unit_test(a_scope_that_somebody_else_tells_has_to_have_ids),
  cmocka_unit_test(a_cancelled_scope_has_no_status),
  cmocka_unit_test(a_job_made_in_a_scope_is_inside_of_it),
  cmocka_unit_test(jobs_that_run_when_the_server_closes_leave_nothing),
};

RUN_WITH_COLLECTOR(tests);
