/* SPDX-License-Identifier: MIT */

#include "collector.h"

#include <fcntl.h>

typedef struct {
  exporter_t *e;
  uint64_t requests;
  uint64_t failures;
  int flushed;
  int err;
  int drained;
} watch_t;

static int has_flushed(void *data) {
  return ((watch_t *) data)->flushed > 0;
}

static int has_drained(void *data) {
  return ((watch_t *) data)->drained;
}

static int has_failed(void *data) {
  watch_t *watch = data;

  return stats_of(watch->e).failures >= watch->failures;
}

static void on_flushed(jobsrv_t *srv, int err, void *data) {
  watch_t *watch = data;

  (void) srv;
  watch->flushed++;
  watch->err = err;
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  ((watch_t *) data)->drained = 1;
}

static jobsrv_job_t *open_logs(exporter_t *e) {
  exporter_init(e);
  e->options.signals = JOBSRV_OTLP_LOGS;
  e->options.filter.action = "say";
  exporter_start(e);
  return begin_job(&e->world);
}

static size_t logs_of(exporter_t *e) {
  json_t *report = collector_report(e->collector);
  size_t n = count_of(report, "logs");

  json_decref(report);
  return n;
}

static void fail_once(exporter_t *e, const char *answer) {
  watch_t watch = { .e = e, .failures = stats_of(e).failures + 1 };
  char command[160];

  snprintf(command, sizeof(command), "{'next': [%s]}", answer);
  collector_tell(e->collector, command);
  world_pass(&e->world, 1000);
  assert_true(run_until(&e->world.loop, has_failed, &watch, 10000));
}

/* ---- flushing ---- */

static void a_flush_waits_for_no_batch_to_fill(void **state) {
  watch_t watch = { 0 };
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 3);
  assert_ok(jobsrv_sinks_flush(e.world.srv, on_flushed, &watch));
  assert_true(run_until(&e.world.loop, has_flushed, &watch, 10000));
  assert_int_equal(watch.err, 0);
  assert_int_equal(stats_of(&e).waiting, 0);
  assert_int_equal(logs_of(&e), 3);
  watch.flushed = 0; /* with nothing there it has nothing to wait for */
  assert_ok(jobsrv_sinks_flush(e.world.srv, on_flushed, &watch));
  assert_true(run_until(&e.world.loop, has_flushed, &watch, 10000));
  assert_int_equal(stats_of(&e).requests, 1);
  exporter_close(&e);
}

static void a_flush_does_not_wait_for_what_comes_behind_it(void **state) {
  watch_t watch = { 0 };
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  assert_ok(jobsrv_sinks_flush(e.world.srv, on_flushed, &watch));
  world_turn(&e.world);
  say(job, 2, 2);
  assert_true(run_until(&e.world.loop, has_flushed, &watch, 10000));
  assert_int_equal(stats_of(&e).waiting, 1);
  exporter_send(&e);
  assert_int_equal(logs_of(&e), 2);
  exporter_close(&e);
}

static void a_flush_ends_a_pause_of_its_own_but_not_the_collectors(
    void **state) {
  watch_t watch = { 0 };
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  fail_once(&e, "{'status': 503}");
  assert_ok(jobsrv_sinks_flush(e.world.srv, on_flushed, &watch));
  assert_true(run_until(&e.world.loop, has_flushed, &watch, 10000));
  assert_int_equal(logs_of(&e), 1);

  watch.flushed = 0;
  say(job, 2, 2);
  fail_once(&e, "{'status': 503, 'headers': {'Retry-After': '3'}}");
  assert_ok(jobsrv_sinks_flush(e.world.srv, on_flushed, &watch));
  world_pass(&e.world, 2999);
  assert_int_equal(stats_of(&e).requests, 3);
  assert_int_equal(watch.flushed, 0);
  world_pass(&e.world, 1);
  assert_true(run_until(&e.world.loop, has_flushed, &watch, 10000));
  assert_int_equal(logs_of(&e), 2);
  exporter_close(&e);
}

static void a_flush_waits_no_longer_than_it_may(void **state) {
  static const uint32_t bounds[] = { 0, 700 };
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  for (int i = 0; i < 2; i++) {
    watch_t watch = { 0 };
    uint32_t ms = bounds[i] != 0 ? bounds[i] : 5000;

    exporter_init(&e);
    e.options.flush_ms = bounds[i];
    e.options.filter.action = "say";
    exporter_start(&e);
    job = begin_job(&e.world);
    collector_tell(&collector, "{'next': [{'stall': true}]}");
    say(job, 1, 1);
    assert_ok(jobsrv_sinks_flush(e.world.srv, on_flushed, &watch));
    world_turn(&e.world);
    world_pass(&e.world, ms - 1);
    assert_int_equal(watch.flushed, 0);
    world_pass(&e.world, 1);
    assert_true(run_until(&e.world.loop, has_flushed, &watch, 10000));
    assert_int_equal(stats_of(&e).waiting, 1); /* it is still tried */
    exporter_close(&e);
  }
}

static void a_drain_sends_what_is_left(void **state) {
  watch_t watch = { 0 };
  exporter_t e;
  json_t *report;

  (void) state;
  exporter_open(&e);
  say(begin_job(&e.world), 1, 3);
  assert_ok(jobsrv_drain(e.world.srv, 60000, on_drained, &watch));
  world_pass(&e.world, 60000 - 1); /* nobody finishes the job */
  world_pass(&e.world, 1);
  assert_true(run_until(&e.world.loop, has_drained, &watch, 10000));
  report = collector_report(&collector);
  assert_string_equal(attr_text(span_of(report, "work"), "jobsrv.outcome"),
                      "cancelled");
  (void) log_of(report, "line 3 of the story");
  json_decref(report);
  exporter_close(&e);
}

static void a_drain_is_not_held_up_by_a_collector_that_is_away(void **state) {
  watch_t watch = { 0 };
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  collector_tell(&collector, "{'down': true}");
  say(job, 1, 1);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  assert_ok(jobsrv_drain(e.world.srv, 60000, on_drained, &watch));
  for (int ms = 0; ms < 5500 && !watch.drained; ms += 100)
    world_pass(&e.world, 100);
  assert_true(run_until(&e.world.loop, has_drained, &watch, 2000));
  assert_true(stats_of(&e).failures > 0);
  collector_tell(&collector, "{'up': true}");
  exporter_close(&e);
}

/* ---- the end ---- */

static void it_can_be_closed_whatever_it_is_doing(void **state) {
  static const char *const doing[] = {
    "{'stall': true}", "{'slow': 0.05}", "{'status': 503}",
    "{'reset': 'body'}", "{'raw': 'HTTP/1.1 200 OK\\r\\n', 'endless': true}",
  };
  char command[128], endpoint[64];
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  for (size_t i = 0; i < sizeof(doing) / sizeof(doing[0]); i++) {
    for (unsigned int turns = 0; turns < 6; turns++) {
      exporter_init(&e);
      if (i == 1) { /* a name has to be looked up first */
        snprintf(endpoint, sizeof(endpoint), "http://localhost%s%s",
                 strrchr(collector.address, ':'), e.path);
        e.options.endpoint = endpoint;
      }
      exporter_start(&e);
      snprintf(command, sizeof(command), "{'next': [%s]}", doing[i]);
      collector_tell(&collector, command);
      job = begin_job(&e.world);
      say(job, 1, 5);
      jobsrv_manual_clock_advance(&e.world.clock, UINT64_C(1000000000));
      run_turns(&e.world.loop, turns);
      if (turns % 2)
        jobsrv_sink_remove(jobsrv_otlp_sink(e.otlp));
      exporter_close(&e);
    }
  }
}

static void on_flushed_remove(jobsrv_t *srv, int err, void *data) {
  watch_t *watch = data;

  on_flushed(srv, err, data);
  jobsrv_sink_remove(jobsrv_otlp_sink(watch->e->otlp));
}

static void it_can_be_removed_when_it_has_flushed(void **state) {
  exporter_t e;
  watch_t watch = { .e = &e };

  (void) state;
  say(open_logs(&e), 1, 1);
  assert_ok(jobsrv_sinks_flush(e.world.srv, on_flushed_remove, &watch));
  assert_true(run_until(&e.world.loop, has_flushed, &watch, 10000));
  assert_int_equal(logs_of(&e), 1);
  exporter_close(&e);
}

static int has_come(void *data) {
  return logs_of(data) == 2;
}

static void its_close_sends_what_one_write_takes(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  uv_loop_t loop;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  exporter_send(&e);
  say(job, 2, 2);
  exporter_close(&e);
  assert_ok(uv_loop_init(&loop));
  assert_true(jobsrv_run_until(&loop, has_come, &e, 20000));
  assert_ok(uv_loop_close(&loop));
}

static void it_does_not_keep_the_loop_alive(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  exporter_send(&e);
  collector_tell(&collector, "{'next': [{'stall': true}]}");
  say(job, 2, 2);
  world_pass(&e.world, 1000);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&e.world);
  assert_int_equal(stats_of(&e).requests, 2);
  assert_int_equal(uv_loop_alive(&e.world.loop.uv), 0);
  exporter_close(&e);
}

static void a_drain_keeps_it_alive_until_all_is_sent(void **state) {
  watch_t watch = { 0 };
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  collector_tell(&collector, "{'next': [{'slow': 0.1}]}");
  assert_ok(jobsrv_drain(e.world.srv, 1000, on_drained, &watch));
  assert_int_equal(uv_run(&e.world.loop.uv, UV_RUN_DEFAULT), 0);
  assert_true(watch.drained);
  assert_int_equal(stats_of(&e).logs, 1);
  exporter_close(&e);
}

/* ---- what it is made with ---- */

static int add_with(exporter_t *e) {
  return jobsrv_otlp_add(e->world.srv, &e->options, NULL);
}

#define REFUSED(what, code)                                                   \
  do {                                                                        \
    jobsrv_otlp_options_init(&e.options);                                     \
    e.options.what;                                                           \
    assert_err(add_with(&e), code);                                           \
  } while (0)

static void what_it_cannot_honour_is_refused(void **state) {
  jobsrv_field_t fields[65];
  jobsrv_tag_t headers[33];
  jobsrv_redactor_t *redactor;
  exporter_t e;

  (void) state;
  exporter_open(&e);
  REFUSED(endpoint = "localhost:4318", UV_EINVAL);
  REFUSED(endpoint = "https://localhost", UV_EPROTONOSUPPORT);
  REFUSED(signals = 4, UV_EINVAL);
  REFUSED(level = 8, UV_EINVAL);
  REFUSED(level = -1, UV_EINVAL);
  REFUSED(max_batch = (1u << 20) + 1, UV_EINVAL);
  REFUSED(max_batch_bytes = (1u << 26) + 1, UV_EINVAL);
  REFUSED(max_queue_bytes = (1u << 30) + 1, UV_EINVAL);
  REFUSED(delay_ms = UINT32_MAX, UV_EINVAL);
  REFUSED(timeout_ms = UINT32_MAX, UV_EINVAL);
  REFUSED(backoff_ms = UINT32_MAX, UV_EINVAL);
  REFUSED(max_backoff_ms = UINT32_MAX, UV_EINVAL);
  REFUSED(give_up_ms = UINT32_MAX, UV_EINVAL);
  REFUSED(flush_ms = UINT32_MAX, UV_EINVAL);
  REFUSED(size = 8, JOBSRV_EOPTIONS);
  assert_ok(jobsrv_redactor_new(&redactor, NULL, NULL));
  jobsrv_otlp_options_init(&e.options);
  e.options.redactor = redactor;
  e.options.unredacted = 1;
  assert_err(add_with(&e), UV_EINVAL);
  jobsrv_redactor_unref(redactor);

  for (int i = 0; i < 65; i++)
    fields[i] = jobsrv_field_i64("a", i);
  jobsrv_otlp_options_init(&e.options);
  e.options.resource = fields;
  e.options.nresource = 65;
  assert_err(add_with(&e), JOBSRV_ETOOBIG);
  e.options.nresource = 1;
  fields[0] = jobsrv_field_json("a", "{");
  assert_err(add_with(&e), UV_EINVAL);
  fields[0] = jobsrv_field_i64("", 1);
  assert_err(add_with(&e), UV_EINVAL);
  fields[0] = jobsrv_field_string("service.name", "x");
  assert_err(add_with(&e), UV_EINVAL);
  fields[0] = jobsrv_field_string("telemetry.sdk.name", "x");
  assert_err(add_with(&e), UV_EINVAL);
  fields[0] = fields[1];
  e.options.nresource = 2;
  assert_err(add_with(&e), UV_EINVAL);
  for (int i = 0; i < 33; i++)
    headers[i] = (jobsrv_tag_t) { "X-A", "b" };
  jobsrv_otlp_options_init(&e.options);
  e.options.headers = headers;
  e.options.nheaders = 33;
  assert_err(add_with(&e), JOBSRV_ETOOBIG);
  e.options.nheaders = 32;
  assert_ok(add_with(&e));
  exporter_close(&e);
}

static void headers_can_break_nothing(void **state) {
  static const jobsrv_tag_t bad[] = {
    { "", "x" }, { NULL, "x" }, { "A B", "x" }, { "A:", "x" }, { "A", NULL },
    { "A", "x\r\nB: y" }, { "A", "x\n" }, { "A\n", "x" },
    { "A", "\x7f" }, { "Host", "x" },
    { "content-length", "1" }, { "Content-Type", "x" },
    { "Transfer-Encoding", "chunked" }, { "Connection", "close" },
    { "Expect", "100-continue" },
  };
  exporter_t e;

  (void) state;
  exporter_open(&e);
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    jobsrv_otlp_options_init(&e.options);
    e.options.headers = &bad[i];
    e.options.nheaders = 1;
    if (add_with(&e) != UV_EINVAL)
      fail_msg("header %d was taken", (int) i);
  }
  exporter_close(&e);
}

static void nothing_has_to_be_said(void **state) {
  exporter_t e;

  (void) state;
  exporter_open(&e);
  assert_ok(jobsrv_otlp_add(e.world.srv, NULL, NULL));
  assert_int_equal(stats_of(&e).requests, 0);
  exporter_close(&e);
}

static void a_newer_hosts_stats_are_filled_as_far_as_known(void **state) {
  struct {
    jobsrv_otlp_stats_t stats;
    uint64_t newer;
  } future = { .newer = 7 };
  jobsrv_otlp_stats_t past = { .size = offsetof(jobsrv_otlp_stats_t, spans),
                               .spans = 7 };
  exporter_t e;

  (void) state;
  exporter_open(&e);
  future.stats.size = sizeof(future);
  jobsrv_otlp_stats(e.otlp, &future.stats);
  assert_int_equal(future.stats.size, sizeof(future));
  assert_int_equal(future.newer, 7);
  jobsrv_otlp_stats(e.otlp, &past);
  assert_int_equal(past.spans, 7);
  exporter_close(&e);
}

/* ---- memory that runs out ---- */

/* One scenario; returns whether memory was asked for that was not there. */
static int without(exporter_t *e, uint64_t after, uint64_t count) {
  jobsrv_job_t *job = NULL;
  jobsrv_spec_t spec;
  int hit;

  exporter_init(e);
  exporter_reset(e, "");
  world_start(&e->world);
  jobsrv_faults_fail(&e->world.faults, after, count);
  e->otlp = NULL;
  if (jobsrv_otlp_add(e->world.srv, &e->options, &e->otlp) == 0) {
    jobsrv_spec_init(&spec);
    spec.operation = "work";
    if (jobsrv_begin(e->world.srv, &spec, &job) == 0) {
      (void) jobsrv_narrate(job, "say", "token=%0200d", 7);
      if (jobsrv_job_complete(job, "{}", 0) != 0)
        (void) jobsrv_job_fail(job, NULL, NULL);
    }
    world_turn(&e->world);
    for (int i = 0; i < 4; i++) {
      world_pass(&e->world, 1000);
      (void) run_until(&e->world.loop, all_is_sent, e, 30);
    }
  }
  hit = jobsrv_faults_hit(&e->world.faults);
  jobsrv_faults_fail(&e->world.faults, 0, 0);
  if (e->otlp != NULL) { /* with memory it goes on */
    say(begin_job(&e->world), 1, 1);
    for (int i = 0; i < 40 && stats_of(e).waiting > 0; i++) {
      world_pass(&e->world, 1000);
      (void) run_until(&e->world.loop, all_is_sent, e, 100);
    }
    assert_int_equal(stats_of(e).waiting, 0);
    json_decref(collector_ask(e->collector, "{'report': true}"));
  }
  exporter_close(e);
  return hit;
}

static void every_allocation_may_fail(void **state) {
  exporter_t e;
  uint64_t n = 0;

  (void) state;
  while (without(&e, n, 1))
    n++;
  assert_true(n > 15);
  for (uint64_t after = 0; after < n; after += 3)
    (void) without(&e, after, 5);
}

static void a_record_that_finds_no_memory_is_counted(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  job = open_logs(&e);
  world_turn(&e.world);
  for (int i = 0; i < 200 && stats_of(&e).dropped_memory == 0; i++) {
    jobsrv_faults_fail(&e.world.faults, (uint64_t) i % 5, UINT64_MAX);
    (void) jobsrv_narrate(job, "say", "%0900d", i);
    jobsrv_faults_fail(&e.world.faults, 0, 0);
  }
  assert_int_equal(stats_of(&e).dropped_memory, 1);
  assert_int_equal(jobsrv_sink_dropped(jobsrv_otlp_sink(e.otlp)), 1);
  say(job, 1, 1);
  report = exporter_report(&e);
  (void) log_of(report, "1 records were dropped");
  json_decref(report);
  exporter_close(&e);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_flush_waits_for_no_batch_to_fill),
  cmocka_unit_test(a_flush_does_not_wait_for_what_comes_behind_it),
  cmocka_unit_test(a_flush_ends_a_pause_of_its_own_but_not_the_collectors),
  cmocka_unit_test(a_flush_waits_no_longer_than_it_may),
  cmocka_unit_test(a_drain_sends_what_is_left),
  cmocka_unit_test(a_drain_is_not_held_up_by_a_collector_that_is_away),
  cmocka_unit_test(it_can_be_closed_whatever_it_is_doing),
  cmocka_unit_test(it_can_be_removed_when_it_has_flushed),
  cmocka_unit_test(its_close_sends_what_one_write_takes),
  ONE_MODE(it_does_not_keep_the_loop_alive),
  ONE_MODE(a_drain_keeps_it_alive_until_all_is_sent),
  cmocka_unit_test(what_it_cannot_honour_is_refused),
  cmocka_unit_test(headers_can_break_nothing),
  cmocka_unit_test(nothing_has_to_be_said),
  cmocka_unit_test(a_newer_hosts_stats_are_filled_as_far_as_known),
  cmocka_unit_test(every_allocation_may_fail),
  cmocka_unit_test(a_record_that_finds_no_memory_is_counted),
};

RUN_WITH_COLLECTOR(tests);
