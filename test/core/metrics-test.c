/* SPDX-License-Identifier: MIT */

#include "exposition.h"
#include "fixture.h"

#include "jobsrv/metrics.h"

/* Row 52: what is counted and measured, and how it is told. */

static fixture f;
static char text[1 << 21];
static size_t text_len;
static size_t longest; /* piece */

static int setup(void **state) {
  (void) state;
  memset(&f, 0, sizeof(f));
  fixture_open(&f);
  fixture_add(&f, "work", 1);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  fixture_close(&f);
  return 0;
}

static int take(const char *piece, size_t len, void *data) {
  (void) data;
  assert_true(len > 0 && text_len + len < sizeof(text));
  memcpy(text + text_len, piece, len);
  text_len += len;
  text[text_len] = '\0';
  if (len > longest)
    longest = len;
  return 0;
}

static const char *write_as(jobsrv_metrics_format_t format) {
  text_len = longest = 0;
  text[0] = '\0';
  assert_ok(jobsrv_metrics_write(f.srv, format, take, NULL));
  return text;
}

#define assert_value(series, value)                                           \
  assert_float_equal(exposition_value(write_as(JOBSRV_METRICS_TEXT),          \
                                      (series)), (value), 1e-9)

/* ---- jobs ---- */

static void jobs_are_counted_by_state_operation_and_outcome(void **state) {
  jobsrv_job_t *first = fixture_submit(&f, "work");
  jobsrv_job_t *second = fixture_submit(&f, "work");

  (void) state;
  run_turns(&f.loop, 3);
  assert_value("jobsrv_jobs{state=\"running\"}", 1);
  assert_value("jobsrv_jobs{state=\"queued\"}", 1);
  assert_value("jobsrv_jobs_submitted_total{operation=\"work\"}", 2);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  assert_ok(jobsrv_job_cancel(second, NULL));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_jobs{state=\"running\"}", 0);
  assert_value("jobsrv_jobs{state=\"completed\"}", 1);
  assert_value("jobsrv_jobs{state=\"cancelled\"}", 1);
  assert_value("jobsrv_jobs_finished_total{operation=\"work\","
               "outcome=\"completed\"}", 1);
  assert_value("jobsrv_jobs_finished_total{operation=\"work\","
               "outcome=\"cancelled\"}", 1);
  assert_value("jobsrv_jobs_finished_total{operation=\"work\","
               "outcome=\"failed\"}", 0);
}

static void jobs_of_the_hosts_own_are_counted_together(void **state) {
  jobsrv_job_t *job;

  (void) state;
  assert_null(strstr(write_as(JOBSRV_METRICS_TEXT), "(begun)"));
  job = fixture_begin(&f);
  fixture_ms(&f, 200);
  assert_ok(jobsrv_job_fail(job, "broken", NULL));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_jobs_finished_total{operation=\"(begun)\","
               "outcome=\"failed\"}", 1);
  assert_value("jobsrv_job_run_seconds_sum{operation=\"(begun)\"}", 0.2);
  assert_value("jobsrv_job_queue_seconds_count{operation=\"(begun)\"}", 0);
}

static void no_id_is_in_it(void **state) {
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job = fixture_submit(&f, "work");

  (void) state;
  run_turns(&f.loop, 3);
  assert_null(strstr(write_as(JOBSRV_METRICS_TEXT), jobsrv_job_id(job, id)));
}

static void operations_beyond_a_number_share_their_figures(void **state) {
  char name[40];

  (void) state;
  for (int i = 2; i <= 130; i++) { /* with "work" */
    snprintf(name, sizeof(name), "op-%d", i);
    fixture_add(&f, name, 0);
  }
  (void) fixture_submit(&f, "op-128");
  (void) fixture_submit(&f, "op-129");
  (void) fixture_submit(&f, "op-130");
  assert_value("jobsrv_jobs_submitted_total{operation=\"op-128\"}", 1);
  assert_value("jobsrv_jobs_submitted_total{operation=\"(other)\"}", 2);
  assert_null(strstr(text, "op-129"));
}

/* ---- times ---- */

static void the_wait_and_the_run_are_measured(void **state) {
  jobsrv_job_t *first = fixture_submit(&f, "work");
  jobsrv_job_t *second = fixture_submit(&f, "work");

  (void) state;
  run_turns(&f.loop, 3);
  fixture_ms(&f, 2000);
  assert_ok(jobsrv_job_complete(first, NULL, 0));
  run_turns(&f.loop, 3);
  fixture_ms(&f, 500);
  assert_ok(jobsrv_job_complete(second, NULL, 0));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_job_queue_seconds_count{operation=\"work\"}", 2);
  assert_value("jobsrv_job_queue_seconds_sum{operation=\"work\"}", 2);
  assert_value("jobsrv_job_queue_seconds_bucket{operation=\"work\","
               "le=\"0.0001\"}", 1);
  assert_value("jobsrv_job_queue_seconds_bucket{operation=\"work\","
               "le=\"1.0\"}", 1);
  assert_value("jobsrv_job_queue_seconds_bucket{operation=\"work\","
               "le=\"3.0\"}", 2);
  assert_value("jobsrv_job_run_seconds_count{operation=\"work\"}", 2);
  assert_value("jobsrv_job_run_seconds_sum{operation=\"work\"}", 2.5);
}

static void each_attempt_has_its_wait(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.retry.max_attempts = 2;
  spec.retry.backoff_ms = 1000;
  spec.retry.jitter = JOBSRV_JITTER_NONE;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  run_turns(&f.loop, 3);
  assert_ok(jobsrv_job_fail(job, "broken", NULL));
  run_turns(&f.loop, 3);
  fixture_ms(&f, 1000);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  /* what it waits to be tried again is no time in the queue */
  assert_value("jobsrv_job_queue_seconds_count{operation=\"work\"}", 2);
  assert_value("jobsrv_job_queue_seconds_sum{operation=\"work\"}", 0);
  assert_value("jobsrv_job_retries_total", 1);
}

static void a_request_to_cancel_is_measured_up_to_the_end(void **state) {
  jobsrv_job_t *job = fixture_submit(&f, "work");

  (void) state;
  run_turns(&f.loop, 3);
  assert_ok(jobsrv_job_cancel(job, NULL));
  run_turns(&f.loop, 3);
  fixture_ms(&f, 700);
  assert_value("jobsrv_cancel_latency_seconds_count{operation=\"work\"}", 0);
  assert_ok(jobsrv_job_fail(job, "cancelled", NULL));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_cancel_latency_seconds_count{operation=\"work\"}", 1);
  assert_value("jobsrv_cancel_latency_seconds_sum{operation=\"work\"}", 0.7);
}

static void a_timeout_is_no_request_to_cancel(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.deadline_ms = 100;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  run_turns(&f.loop, 3);
  fixture_ms(&f, 100);
  fixture_ms(&f, 6000);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_FAILED);
  assert_value("jobsrv_cancel_latency_seconds_count{operation=\"work\"}", 0);
  assert_value("jobsrv_jobs_abandoned_total", 1);
}

static void a_time_counts_in_the_first_bucket_that_holds_it(void **state) {
  jobsrv_histogram_t times = { 0 };

  (void) state;
  jobsrv_histogram_observe(&times, 0);
  jobsrv_histogram_observe(&times, 100000);
  assert_int_equal(times.bucket[0], 2);
  jobsrv_histogram_observe(&times, 100001);
  assert_int_equal(times.bucket[1], 1);
  jobsrv_histogram_observe(&times, UINT64_C(10000000000000));
  assert_int_equal(times.bucket[JOBSRV_HISTOGRAM_BUCKETS - 2], 1);
  jobsrv_histogram_observe(&times, UINT64_C(10000000000001));
  jobsrv_histogram_observe(&times, UINT64_MAX);
  assert_int_equal(times.bucket[JOBSRV_HISTOGRAM_BUCKETS - 1], 2);
}

/* A clock that leaps while the loop waits for a timer. */
typedef struct {
  jobsrv_clock_t clock;
  _Atomic uint64_t ahead;
} leaping_t;

static uint64_t leaping_now(const jobsrv_clock_t *clock) {
  leaping_t *leaping = clock->data;

  return uv_hrtime() + leaping->ahead;
}

static void on_timer(jobsrv_timer_t *timer) {
  *(int *) timer->data = 1;
}

static int is_set(void *data) {
  return *(int *) data;
}

static void how_late_a_timer_finds_the_loop_is_measured(void **state) {
  leaping_t leaping = { .clock = { .monotonic_ns = leaping_now,
                                   .wall_ns = leaping_now } };
  fixture mine = { 0 };
  jobsrv_timer_t timer = { 0 };
  const char *from;
  int fired = 0;

  (void) state;
  leaping.clock.data = &leaping;
  loop_open(&mine.loop);
  mine.options.size = sizeof(mine.options);
  mine.options.clock = &leaping.clock;
  assert_ok(loop_server(&mine.loop, &mine.srv, &mine.options));
  timer.data = &fired;
  jobsrv_timer_arm(mine.srv, &timer, jobsrv_now(mine.srv) + 2000000, on_timer);
  leaping.ahead = UINT64_C(4000000000);
  assert_true(run_until(&mine.loop, is_set, &fired, 5000));
  text_len = 0;
  assert_ok(jobsrv_metrics_write(mine.srv, JOBSRV_METRICS_TEXT, take, NULL));
  from = text;
  assert_true(exposition_value(from, "jobsrv_loop_lag_seconds_bucket"
                                     "{le=\"3.0\"}") <
              exposition_value(from, "jobsrv_loop_lag_seconds_bucket"
                                     "{le=\"10.0\"}"));
  fixture_close(&mine);
}

/* ---- events ---- */

static void events_are_counted_by_kind(void **state) {
  jobsrv_job_t *job = fixture_submit(&f, "work");

  (void) state;
  run_turns(&f.loop, 3);
  jobsrv_info(job, "say", "one");
  jobsrv_info(job, "say", "two");
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_events_total{kind=\"narration\"}", 2);
  assert_value("jobsrv_events_total{kind=\"state\"}", 2);
  assert_value("jobsrv_events_total{kind=\"end\"}", 1);
  assert_int_equal(fixture_stats(&f).events, 5);
  assert_true(exposition_value(text, "jobsrv_memory_bytes{pool=\"slots\"}") >
              0);
}

/* The log keeps what is in its last chunk, and may keep some before it. */
static void events_that_a_log_has_lost_are_counted(void **state) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_job_t *job;

  (void) state;
  memset(&f, 0, sizeof(f));
  f.options.max_events_per_job = 16;
  fixture_open(&f);
  job = fixture_begin(&f);
  assert_value("jobsrv_events_trimmed_total", 0);
  for (int i = 0; i < 500; i++)
    jobsrv_info(job, "say", "%d", i);
  jobsrv_job_info(job, &info);
  assert_true(info.first_seq > 400);
  assert_value("jobsrv_events_trimmed_total", (double) info.first_seq - 1);
  fixture_close(&f);
}

static void what_is_cut_down_to_one_event_has_lost_the_others(void **state) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_job_t *job;

  (void) state;
  memset(&f, 0, sizeof(f));
  f.options.max_bytes_total = 1;
  fixture_open(&f);
  job = fixture_begin(&f);
  for (int i = 0; i < 5; i++)
    jobsrv_info(job, "say", "%d", i);
  jobsrv_job_info(job, &info);
  assert_true(info.first_seq > 1);
  assert_value("jobsrv_events_trimmed_total", (double) info.first_seq - 1);
  fixture_close(&f);
}

static void on_no_event(void *self, const jobsrv_event_t *event) {
  (void) self;
  (void) event;
}

static uint64_t seven(const void *self) {
  (void) self;
  return 7;
}

static void what_sinks_have_lost_is_counted_and_not_forgotten(void **state) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops),
                                         .event = on_no_event,
                                         .dropped = seven };
  jobsrv_sink_t *first;
  jobsrv_sink_t *second;

  (void) state;
  assert_value("jobsrv_sinks", 0);
  assert_ok(jobsrv_sink_add(f.srv, &ops, NULL, NULL, &first));
  assert_ok(jobsrv_sink_add(f.srv, &ops, NULL, NULL, &second));
  assert_value("jobsrv_sinks", 2);
  assert_value("jobsrv_sink_events_dropped_total", 14);
  jobsrv_sink_remove(first);
  assert_value("jobsrv_sinks", 1);
  assert_value("jobsrv_sink_events_dropped_total", 14);
  jobsrv_sink_remove(second);
  assert_value("jobsrv_sink_events_dropped_total", 14);
}

static void progress_that_goes_back_is_counted(void **state) {
  jobsrv_job_t *job = fixture_begin(&f);

  (void) state;
  assert_ok(jobsrv_progressed(job, 5, 10));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_progress_ignored_total", 0);
  (void) jobsrv_progressed(job, 4, 10);
  run_turns(&f.loop, 3);
  assert_value("jobsrv_progress_ignored_total", 1);
}

static void open_spans_and_the_drain_are_told(void **state) {
  jobsrv_job_t *job = fixture_begin(&f);
  const jobsrv_span_options_t options = { .name = "part",
                                          .level = JOBSRV_INFO };
  jobsrv_span_t span;

  (void) state;
  assert_value("jobsrv_open_spans", 0);
  assert_value("jobsrv_draining", 0);
  assert_ok(jobsrv_span_begin_with(&span, job, &options));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_open_spans", 1);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  run_turns(&f.loop, 3);
  assert_value("jobsrv_open_spans", 0);
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  assert_value("jobsrv_draining", 1);
}

/* ---- the formats ---- */

static void both_formats_keep_their_rules(void **state) {
  (void) state;
  (void) fixture_begin(&f);
  (void) fixture_submit(&f, "work");
  run_turns(&f.loop, 3);
  exposition_check(write_as(JOBSRV_METRICS_TEXT), 0);
  assert_contains(text, "# TYPE jobsrv_jobs_submitted_total counter\n");
  assert_contains(text, "# TYPE jobsrv_build_info gauge\n");
  exposition_check(write_as(JOBSRV_METRICS_OPENMETRICS), 1);
  assert_contains(text, "# TYPE jobsrv_jobs_submitted counter\n");
  assert_contains(text, "# TYPE jobsrv_build info\n");
  assert_contains(text, "# UNIT jobsrv_job_run_seconds seconds\n");
  assert_true(longest <= 4096 && text_len > 4096);
  assert_string_equal(jobsrv_metrics_content_type(JOBSRV_METRICS_TEXT),
                      "text/plain; version=0.0.4; charset=utf-8");
  assert_string_equal(
      jobsrv_metrics_content_type(JOBSRV_METRICS_OPENMETRICS),
      "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

static int stop(const char *piece, size_t len, void *data) {
  (void) piece;
  (void) len;
  ++*(int *) data;
  return -77;
}

static void who_takes_it_may_stop_it(void **state) {
  int calls = 0;

  (void) state;
  assert_err(jobsrv_metrics_write(f.srv, JOBSRV_METRICS_TEXT, stop, &calls),
             -77);
  assert_int_equal(calls, 1);
  assert_err(jobsrv_metrics_write(f.srv, (jobsrv_metrics_format_t) 2, take,
                                  NULL), UV_EINVAL);
}

/* ---- the host's own ---- */

static jobsrv_collector_t collector;

static void add(void (*cb)(jobsrv_collector_t *, jobsrv_metrics_t *)) {
  memset(&collector, 0, sizeof(collector));
  jobsrv_collector_add(f.srv, &collector, cb);
}

static void write_all(jobsrv_collector_t *self, jobsrv_metrics_t *to) {
  static const jobsrv_metric_label_t odd[] = { { "path", "a\\b\"c\nd" },
                                               { "_x1", "\xc3\xa9" } };
  jobsrv_histogram_t times = { 0 };

  (void) self;
  jobsrv_histogram_observe(&times, 1500000000);
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "app:heat", NULL,
                                  "a\\b\n\"c\""));
  assert_ok(jobsrv_metrics_double(to, odd, 2, -0.5));
  assert_ok(jobsrv_metrics_double(to, odd, 1, (double) INFINITY));
  assert_ok(jobsrv_metrics_double(to, NULL, 0, (double) NAN));
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER, "app_sent_bytes",
                                  "bytes", "Sent."));
  assert_ok(jobsrv_metrics_u64(to, NULL, 0, UINT64_MAX));
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_HISTOGRAM,
                                  "app_wait_seconds", "seconds", "Waits."));
  assert_ok(jobsrv_metrics_histogram(to, NULL, 0, &times));
  assert_ok(jobsrv_metrics_histogram(to, odd, 2, &times));
}

static void the_host_adds_its_own(void **state) {
  (void) state;
  add(write_all);
  exposition_check(write_as(JOBSRV_METRICS_OPENMETRICS), 1);
  exposition_check(write_as(JOBSRV_METRICS_TEXT), 0);
  assert_contains(text, "# HELP app:heat a\\\\b\\n\"c\"\n");
  assert_contains(text, "app:heat{path=\"a\\\\b\\\"c\\nd\",_x1=\"\xc3\xa9\"} "
                        "-0.5\n");
  assert_contains(text, "\napp_sent_bytes_total 18446744073709551615\n");
  assert_contains(text, "\napp_wait_seconds_sum 1.500000000\n");
  jobsrv_collector_remove(&collector);
  jobsrv_collector_remove(&collector);
  assert_null(strstr(write_as(JOBSRV_METRICS_TEXT), "app"));
}

#define REFUSED(call) assert_err(call, UV_EINVAL)

static void write_bad(jobsrv_collector_t *self, jobsrv_metrics_t *to) {
  static const char *const names[] = {
    "", "1a", "a-b", "a b", "a_total", "a_sum", "a_count", "a_bucket",
    "a_created", "a_info", "\xc3\xa9"
  };
  static const jobsrv_metric_label_t bad[] = {
    { "le", "1" }, { "a-b", "x" }, { "", "x" }, { "__x", "x" }, { "1", "x" },
    { "a:b", "x" }, { "a", "\xff" }
  };
  static const jobsrv_metric_label_t twice[] = { { "a", "1" }, { "a", "2" } };
  jobsrv_histogram_t times = { 0 };

  (void) self;
  REFUSED(jobsrv_metrics_u64(to, NULL, 0, 1)); /* no family yet */
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    REFUSED(jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, names[i], NULL,
                                  "x"));
  REFUSED(jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "a_seconds", "bytes",
                                "x"));
  REFUSED(jobsrv_metrics_family(to, (jobsrv_metric_type_t) 4, "a", NULL, "x"));
  REFUSED(jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "a", NULL, "\xff"));
  REFUSED(jobsrv_metrics_u64(to, NULL, 0, 1)); /* of one that was refused */
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER, "app_ok", NULL,
                                  "x"));
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
    REFUSED(jobsrv_metrics_u64(to, &bad[i], 1, 1));
  REFUSED(jobsrv_metrics_u64(to, twice, 2, 1));
  REFUSED(jobsrv_metrics_double(to, NULL, 0, -1));
  REFUSED(jobsrv_metrics_double(to, NULL, 0, (double) NAN));
  REFUSED(jobsrv_metrics_double(to, NULL, 0, (double) INFINITY));
  REFUSED(jobsrv_metrics_histogram(to, NULL, 0, &times));
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_INFO, "app", NULL, "x"));
  REFUSED(jobsrv_metrics_u64(to, NULL, 0, 2));
  REFUSED(jobsrv_metrics_double(to, NULL, 0, 1));
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_HISTOGRAM, "app_t", NULL,
                                  "x"));
  REFUSED(jobsrv_metrics_u64(to, NULL, 0, 1));
}

static void what_would_break_the_text_is_left_out(void **state) {
  (void) state;
  add(write_bad);
  exposition_check(write_as(JOBSRV_METRICS_TEXT), 0);
  exposition_check(write_as(JOBSRV_METRICS_OPENMETRICS), 1);
  jobsrv_collector_remove(&collector);
}

static jobsrv_collector_t late;

static void write_late(jobsrv_collector_t *self, jobsrv_metrics_t *to) {
  (void) self;
  REFUSED(jobsrv_metrics_u64(to, NULL, 0, 1)); /* of another's family */
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "app_late", NULL,
                                  "x"));
  assert_ok(jobsrv_metrics_u64(to, NULL, 0, 1));
}

static void write_and_go(jobsrv_collector_t *self, jobsrv_metrics_t *to) {
  assert_ok(jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "app_once", NULL,
                                  "x"));
  memset(&late, 0, sizeof(late));
  jobsrv_collector_add(f.srv, &late, write_late);
  jobsrv_collector_remove(self);
}

static void a_collector_may_go_and_bring_another(void **state) {
  (void) state;
  add(write_and_go);
  assert_contains(write_as(JOBSRV_METRICS_TEXT), "app_once");
  assert_contains(text, "\napp_late 1\n");
  assert_contains(write_as(JOBSRV_METRICS_TEXT), "\napp_late 1\n");
  assert_null(strstr(text, "app_once"));
  /* the server's close takes it out */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(jobs_are_counted_by_state_operation_and_outcome),
  CASE(jobs_of_the_hosts_own_are_counted_together),
  CASE(no_id_is_in_it),
  CASE(operations_beyond_a_number_share_their_figures),
  CASE(the_wait_and_the_run_are_measured),
  CASE(each_attempt_has_its_wait),
  CASE(a_request_to_cancel_is_measured_up_to_the_end),
  CASE(a_timeout_is_no_request_to_cancel),
  CASE(a_time_counts_in_the_first_bucket_that_holds_it),
  cmocka_unit_test(how_late_a_timer_finds_the_loop_is_measured),
  CASE(events_are_counted_by_kind),
  cmocka_unit_test(events_that_a_log_has_lost_are_counted),
  cmocka_unit_test(what_is_cut_down_to_one_event_has_lost_the_others),
  CASE(what_sinks_have_lost_is_counted_and_not_forgotten),
  CASE(progress_that_goes_back_is_counted),
  CASE(open_spans_and_the_drain_are_told),
  CASE(both_formats_keep_their_rules),
  CASE(who_takes_it_may_stop_it),
  CASE(the_host_adds_its_own),
  CASE(what_would_break_the_text_is_left_out),
  CASE(a_collector_may_go_and_bring_another),
};

RUN(tests);
