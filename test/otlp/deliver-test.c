/* SPDX-License-Identifier: MIT */

#include "collector.h"

#include <sys/resource.h>

/* ---- waiting for what happens ---- */

typedef struct {
  exporter_t *e;
  uint64_t failures;
  uint64_t requests;
} wait_t;

static int has_failed(void *data) {
  wait_t *wait = data;

  return stats_of(wait->e).failures >= wait->failures;
}

static void wait_failures(exporter_t *e, uint64_t n) {
  wait_t wait = { e, n, 0 };

  if (!run_until(&e->world.loop, has_failed, &wait, 10000))
    fail_msg("%d failures", (int) stats_of(e).failures);
  assert_int_equal(stats_of(e).failures, n);
}

static int has_asked(void *data) {
  wait_t *wait = data;

  return stats_of(wait->e).requests >= wait->requests;
}

static void wait_requests(exporter_t *e, uint64_t n) {
  wait_t wait = { e, 0, n };

  assert_true(run_until(&e->world.loop, has_asked, &wait, 10000));
  assert_int_equal(stats_of(e).requests, n);
}

static void wait_sent(exporter_t *e) {
  if (!run_until(&e->world.loop, all_is_sent, e, 10000))
    fail_msg("%d still wait: %s", (int) stats_of(e).waiting,
             stats_of(e).last_error);
}

/* Milliseconds until the next request, in steps in which no request ages. */
static uint64_t until_request(exporter_t *e) {
  uint64_t n = stats_of(e).requests;
  uint64_t ms = 0;

  for (; stats_of(e).requests == n && ms < 60000; ms += 100)
    world_pass(&e->world, 100);
  assert_int_equal(stats_of(e).requests, n + 1);
  return ms;
}

/* ---- exporters of logs alone, one record a line ---- */

static void init(exporter_t *e) {
  exporter_init(e);
  e->options.signals = JOBSRV_OTLP_LOGS;
  e->options.filter.action = "say";
}

static jobsrv_job_t *start(exporter_t *e) {
  exporter_start(e);
  return begin_job(&e->world);
}

static jobsrv_job_t *open_logs(exporter_t *e) {
  init(e);
  return start(e);
}

static size_t logs_of(exporter_t *e) {
  json_t *report = collector_report(e->collector);
  size_t n = count_of(report, "logs");

  json_decref(report);
  return n;
}

static json_int_t number_of(exporter_t *e, const char *what) {
  json_t *report = collector_report(e->collector);
  json_int_t n = json_is_array(json_object_get(report, what))
                     ? (json_int_t) count_of(report, what)
                     : int_of(report, what);

  json_decref(report);
  return n;
}

/* ---- batches ---- */

static void a_batch_waits_for_more(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  for (uint32_t delay_ms = 0; delay_ms <= 50; delay_ms += 50) {
    init(&e);
    e.options.delay_ms = delay_ms;
    job = start(&e);
    say(job, 1, 2);
    world_pass(&e.world, (delay_ms != 0 ? delay_ms : 1000) - 1);
    say(job, 3, 3);
    world_turn(&e.world);
    assert_int_equal(stats_of(&e).requests, 0);
    assert_int_equal(stats_of(&e).waiting, 3);
    assert_true(stats_of(&e).waiting_bytes > 100);
    world_pass(&e.world, 1);
    wait_sent(&e);
    assert_int_equal(stats_of(&e).requests, 1);
    assert_int_equal(stats_of(&e).logs, 3);
    assert_int_equal(stats_of(&e).spans, 0);
    assert_int_equal(stats_of(&e).waiting_bytes, 0);
    assert_int_equal(stats_of(&e).last_status, 200);
    assert_int_equal(logs_of(&e), 3);
    exporter_close(&e);
  }
}

static void a_full_batch_goes_at_once(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  init(&e);
  e.options.max_batch = 3;
  job = start(&e);
  say(job, 1, 7);
  world_turn(&e.world);
  wait_requests(&e, 2);
  exporter_send(&e);
  assert_int_equal(stats_of(&e).requests, 3);
  assert_int_equal(logs_of(&e), 7);
  exporter_close(&e);
}

static void batches_are_of_512_records_unless_said(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 511);
  world_turn(&e.world);
  assert_int_equal(stats_of(&e).requests, 0);
  say(job, 512, 512);
  wait_sent(&e);
  assert_int_equal(stats_of(&e).requests, 1);
  exporter_close(&e);
}

static void a_batch_is_closed_by_its_bytes_too(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;

  (void) state;
  init(&e);
  e.options.max_batch_bytes = 3000;
  job = start(&e);
  say(job, 1, 20);
  exporter_send(&e);
  report = collector_report(&collector);
  assert_true(count_of(report, "requests") >= 3);
  for (size_t i = 0; i < count_of(report, "requests"); i++)
    assert_true(int_of(json_array_get(json_object_get(report, "requests"), i),
                       "bytes") < 4000);
  assert_int_equal(count_of(report, "logs"), 20);
  json_decref(report);
  exporter_close(&e);
}

static void a_large_batch_goes_through_a_small_socket(void **state) {
  static char text[60000];
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  init(&e);
  e.options.max_batch_bytes = 8u << 20;
  e.options.max_queue_bytes = 16u << 20;
  job = start(&e);
  memset(text, 'x', sizeof(text) - 1);
  for (int i = 0; i < 100; i++)
    assert_ok(jobsrv_narrate(job, "say", "%s", text));
  exporter_send(&e);
  assert_int_equal(stats_of(&e).requests, 1);
  assert_int_equal(logs_of(&e), 100);
  exporter_close(&e);
}

/* ---- connections ---- */

static void one_connection_carries_all(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  for (int i = 1; i <= 5; i++) {
    say(job, i, i);
    exporter_send(&e);
  }
  assert_int_equal(number_of(&e, "requests"), 5);
  assert_int_equal(number_of(&e, "connections"), 1);
  assert_int_equal(stats_of(&e).connects, 1);
  exporter_close(&e);
}

static void a_connection_that_went_is_made_anew(void **state) {
  static const char *const how[] = { "close", "close_silently" };
  char command[64];
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  for (int i = 0; i < 2; i++) {
    job = open_logs(&e);
    snprintf(command, sizeof(command), "{'next': [{'%s': true}]}", how[i]);
    collector_tell(&collector, command);
    for (int k = 1; k <= 3; k++) {
      say(job, k, k);
      exporter_send(&e);
    }
    assert_int_equal(number_of(&e, "connections"), 2);
    assert_int_equal(stats_of(&e).failures, 0);
    assert_int_equal(logs_of(&e), 3);
    exporter_close(&e);
  }
}

static void a_collector_that_restarts_is_found_again(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  exporter_send(&e);
  collector_tell(&collector, "{'down': true}");
  say(job, 2, 2);
  world_pass(&e.world, 1000);
  wait_failures(&e, 1);
  assert_contains(stats_of(&e).last_error, "no answer: connection refused");
  say(job, 3, 3);
  world_pass(&e.world, 1000);
  wait_failures(&e, 2);
  assert_int_equal(stats_of(&e).waiting, 2);
  collector_tell(&collector, "{'up': true}");
  world_pass(&e.world, 2000);
  wait_sent(&e);
  assert_int_equal(logs_of(&e), 3);
  assert_int_equal(stats_of(&e).logs, 3);
  assert_int_equal(stats_of(&e).retries, 2);
  exporter_close(&e);
}

static void a_name_is_looked_up(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  char endpoint[64];

  (void) state;
  init(&e);
  snprintf(endpoint, sizeof(endpoint), "http://localhost%s%s",
           strrchr(collector.address, ':'), e.path);
  e.options.endpoint = endpoint;
  job = start(&e);
  say(job, 1, 1);
  exporter_send(&e);
  assert_int_equal(logs_of(&e), 1);
  exporter_close(&e);
}

static void a_unix_socket_will_do(void **state) {
  char where[] = "unix:otlp-XXXXXX", *dir = where + 5;
  char path[64];
  collector_t mine;
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  assert_non_null(mkdtemp(dir));
  snprintf(path, sizeof(path), "%s/socket", where);
  collector_start(&mine, path);
  init(&e);
  e.collector = &mine;
  e.path[0] = '\0';
  e.options.endpoint = path;
  job = start(&e);
  say(job, 1, 1);
  exporter_send(&e);
  assert_int_equal(logs_of(&e), 1);
  exporter_close(&e);
  collector_stop(&mine);
  unlink(path + 5);
  rmdir(dir);
}

static void without_descriptors_it_tries_again(void **state) {
  struct rlimit before, none;
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  none.rlim_cur = 3;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  world_pass(&e.world, 1000);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(stats_of(&e).failures, 1);
  assert_contains(stats_of(&e).last_error, "too many open files");
  world_pass(&e.world, 1000);
  wait_sent(&e);
  assert_int_equal(logs_of(&e), 1);
  exporter_close(&e);
}

/* ---- answers ---- */

static void what_is_retryable_is_sent_again(void **state) {
  static const int codes[] = { 429, 502, 503, 504 };
  char command[64];
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  for (int i = 0; i < 4; i++) {
    snprintf(command, sizeof(command), "{'next': [{'status': %d}]}", codes[i]);
    collector_tell(&collector, command);
    say(job, i, i);
    world_pass(&e.world, 1000);
    wait_failures(&e, (uint64_t) i + 1);
    assert_int_equal(stats_of(&e).last_status, codes[i]);
    assert_int_equal(stats_of(&e).waiting, 1);
    world_pass(&e.world, 1000);
    wait_sent(&e);
  }
  assert_int_equal(logs_of(&e), 4);
  assert_int_equal(stats_of(&e).retries, 4);
  assert_int_equal(jobsrv_sink_dropped(jobsrv_otlp_sink(e.otlp)), 0);
  exporter_close(&e);
}

static void what_is_refused_is_dropped_and_told(void **state) {
  static const int codes[] = { 301, 400, 401, 404, 408, 413, 500, 501 };
  enum { N = sizeof(codes) / sizeof(codes[0]) };
  char command[64];
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *log;

  (void) state;
  job = open_logs(&e);
  for (int i = 0; i < N; i++) {
    snprintf(command, sizeof(command), "{'next': [{'status': %d}]}", codes[i]);
    collector_tell(&collector, command);
    say(job, 1, 2);
    exporter_send(&e);
    assert_int_equal(stats_of(&e).last_status, codes[i]);
    snprintf(command, sizeof(command), "answered %d", codes[i]);
    assert_string_equal(stats_of(&e).last_error, command);
  }
  assert_int_equal(stats_of(&e).retries, 0);
  assert_int_equal(stats_of(&e).failures, N);
  /* each but the first batch began with a note of the one before */
  assert_int_equal(stats_of(&e).dropped_refused, 2 * N + N - 1);
  assert_int_equal(jobsrv_sink_dropped(jobsrv_otlp_sink(e.otlp)), 3 * N - 1);
  say(job, 3, 3);
  report = exporter_report(&e);
  log = log_of(report, "3 records were dropped");
  assert_attr(log, "jobsrv.kind", "dropped");
  assert_attr(log, "jobsrv.count", "3");
  assert_int_equal(int_of(log, "severityNumber"), 13);
  json_decref(report);
  exporter_close(&e);
}

static void it_waits_as_long_as_it_is_told(void **state) {
  static const struct {
    const char *value;
    uint64_t ms;
  } rows[] = {
    { "7", 7000 }, { "Thu, 01 Jan 2026 00:00:31 GMT", 30000 },
  };
  char command[128];
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  for (int i = 0; i < 2; i++) {
    job = open_logs(&e);
    snprintf(command, sizeof(command),
             "{'next': [{'status': 503, 'headers': {'Retry-After': '%s'}}]}",
             rows[i].value);
    collector_tell(&collector, command);
    say(job, 1, 1);
    world_pass(&e.world, 1000);
    wait_failures(&e, 1);
    world_pass(&e.world, rows[i].ms - 1);
    assert_int_equal(stats_of(&e).requests, 1);
    world_pass(&e.world, 1);
    wait_sent(&e);
    assert_int_equal(stats_of(&e).requests, 2);
    exporter_close(&e);
  }
}

static void else_it_backs_off_between_half_and_all_of_a_doubled_delay(
    void **state) {
  static const uint64_t delays[] = { 100, 200, 400, 500, 500 };
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  init(&e);
  e.options.backoff_ms = 100;
  e.options.max_backoff_ms = 500;
  job = start(&e);
  collector_tell(&collector,
                 "{'next': [{'status': 503}, {'status': 503}, "
                 "{'status': 503}, {'status': 503}, {'status': 503}]}");
  say(job, 1, 1);
  world_pass(&e.world, 1000);
  for (uint64_t i = 0; i < 5; i++) {
    wait_failures(&e, i + 1);
    world_pass(&e.world, delays[i] / 2 - 1);
    assert_int_equal(stats_of(&e).requests, i + 1);
    world_pass(&e.world, delays[i] / 2 + 1);
    wait_requests(&e, i + 2);
  }
  wait_sent(&e);
  /* the next trouble begins anew */
  collector_tell(&collector, "{'next': [{'status': 503}]}");
  say(job, 2, 2);
  world_pass(&e.world, 1000);
  wait_failures(&e, 6);
  world_pass(&e.world, 100);
  wait_sent(&e);
  exporter_close(&e);
}

static void backoff_begins_with_a_second_and_ends_at_thirty(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  uint64_t ms;

  (void) state;
  job = open_logs(&e);
  collector_tell(&collector, "{'next': [{'status': 503}, {'status': 503}, "
                 "{'status': 503}, {'status': 503}, {'status': 503}, "
                 "{'status': 503}, {'status': 503}, {'status': 503}]}");
  say(job, 1, 1);
  world_pass(&e.world, 1000);
  for (uint64_t i = 1; i <= 8; i++) {
    uint64_t most = i < 6 ? 1000u << (i - 1) : 30000;

    wait_failures(&e, i);
    ms = until_request(&e);
    assert_in_range(ms, most / 2, most);
  }
  wait_sent(&e);
  exporter_close(&e);
}

static void a_batch_is_given_up_after_a_time(void **state) {
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report;
  uint64_t n = 0;

  (void) state;
  init(&e);
  e.options.give_up_ms = 10000;
  e.options.max_backoff_ms = 1000;
  job = start(&e);
  collector_tell(&collector, "{'down': true}");
  say(job, 1, 3);
  world_pass(&e.world, 1000);
  while (stats_of(&e).waiting > 0 && n < 40) {
    wait_failures(&e, ++n);
    world_pass(&e.world, 1000);
  }
  assert_in_range(n, 10, 22);
  assert_int_equal(stats_of(&e).dropped_late, 3);
  assert_int_equal(jobsrv_sink_dropped(jobsrv_otlp_sink(e.otlp)), 3);
  collector_tell(&collector, "{'up': true}");
  say(job, 4, 4);
  world_pass(&e.world, 1000);
  report = exporter_report(&e);
  (void) log_of(report, "3 records were dropped");
  (void) log_of(report, "line 4 of the story");
  assert_int_equal(count_of(report, "logs"), 2);
  json_decref(report);
  exporter_close(&e);
}

static void what_was_rejected_of_a_batch_is_counted(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  collector_tell(&collector,
                 "{'next': [{'body': '{\\'partialSuccess\\':"
                 "{\\'rejectedLogRecords\\':\\'2\\',"
                 "\\'errorMessage\\':\\'too \\\\u001bold\\'}}'}]}");
  say(job, 1, 5);
  exporter_send(&e);
  assert_int_equal(stats_of(&e).rejected, 2);
  assert_int_equal(stats_of(&e).logs, 3);
  assert_int_equal(stats_of(&e).retries, 0);
  assert_int_equal(jobsrv_sink_dropped(jobsrv_otlp_sink(e.otlp)), 2);
  assert_string_equal(stats_of(&e).last_error,
                      "some records were rejected: too ?old");
  exporter_close(&e);
}

static void chunks_and_a_hundred_are_understood(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  collector_tell(&collector, "{'next': [{'chunked': true, 'body': "
                             "'{\\'partialSuccess\\':{}}'}]}");
  for (int i = 1; i <= 2; i++) {
    say(job, i, i);
    exporter_send(&e);
  }
  assert_int_equal(stats_of(&e).failures, 0);
  assert_int_equal(number_of(&e, "connections"), 1);
  assert_int_equal(logs_of(&e), 2);
  exporter_close(&e);
}

/* ---- what is no answer ---- */

static void a_connection_that_breaks_is_no_answer(void **state) {
  static const char *const when[] = { "before", "head", "body" };
  char command[64];
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  for (int i = 0; i < 3; i++) {
    job = open_logs(&e);
    snprintf(command, sizeof(command), "{'next': [{'reset': '%s'}]}", when[i]);
    collector_tell(&collector, command);
    say(job, 1, 1);
    world_pass(&e.world, 1000);
    wait_failures(&e, 1);
    world_pass(&e.world, 1000);
    wait_sent(&e);
    assert_int_equal(logs_of(&e), 1);
    exporter_close(&e);
  }
}

static void one_that_was_dead_already_is_made_anew_at_once(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  say(job, 1, 1);
  exporter_send(&e);
  collector_tell(&collector, "{'next': [{'reset': 'before'}]}");
  say(job, 2, 2);
  exporter_send(&e);
  assert_int_equal(stats_of(&e).failures, 0);
  assert_int_equal(stats_of(&e).connects, 2);
  assert_int_equal(logs_of(&e), 2);
  exporter_close(&e);
}

static void nonsense_is_no_answer(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  collector_tell(&collector,
                 "{'next': [{'raw': '\\u0016\\u0003\\u0001 what?'}, "
                 "{'raw': 'HTTP/1.1 200 OK\\r\\nX: ', 'endless': true}]}");
  say(job, 1, 1);
  world_pass(&e.world, 1000);
  wait_failures(&e, 1);
  assert_contains(stats_of(&e).last_error, "no answer: protocol error");
  world_pass(&e.world, 1000);
  wait_failures(&e, 2);
  world_pass(&e.world, 2000);
  wait_sent(&e);
  assert_int_equal(logs_of(&e), 1);
  exporter_close(&e);
}

/* As of servers that speak HTTP/1.0: the end of the connection is its end. */
static void an_answer_may_end_with_its_connection(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  collector_tell(&collector,
                 "{'next': [{'raw': 'HTTP/1.0 200 OK\\r\\n"
                 "Content-Type: application/json\\r\\n\\r\\n{}'}]}");
  say(job, 1, 1);
  exporter_send(&e);
  assert_int_equal(stats_of(&e).failures, 0);
  assert_int_equal(stats_of(&e).logs, 1);
  say(job, 2, 2);
  exporter_send(&e);
  assert_int_equal(stats_of(&e).failures, 0);
  assert_int_equal(stats_of(&e).connects, 2);
  exporter_close(&e);
}

static void an_answer_without_an_end_is_cut(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  job = open_logs(&e);
  collector_tell(&collector,
                 "{'next': [{'raw': 'HTTP/1.1 200 OK\\r\\n"
                 "Content-Length: 999999999\\r\\n\\r\\n', 'endless': true}]}");
  say(job, 1, 1);
  exporter_send(&e);
  assert_int_equal(stats_of(&e).logs, 1);
  say(job, 2, 2);
  exporter_send(&e);
  assert_int_equal(stats_of(&e).connects, 2);
  assert_int_equal(logs_of(&e), 1);
  exporter_close(&e);
}

static int has_arrived(void *data) {
  return number_of(data, "requests") == 1;
}

static void silence_is_no_answer_in_the_end(void **state) {
  exporter_t e;
  jobsrv_job_t *job;

  (void) state;
  for (uint32_t ms = 0; ms <= 300; ms += 300) {
    init(&e);
    e.options.timeout_ms = ms;
    job = start(&e);
    collector_tell(&collector, "{'next': [{'stall': true}]}");
    say(job, 1, 1);
    world_pass(&e.world, 1000);
    assert_true(run_until(&e.world.loop, has_arrived, &e, 10000));
    world_pass(&e.world, (ms != 0 ? ms : 10000) - 1);
    assert_int_equal(stats_of(&e).failures, 0);
    world_pass(&e.world, 1);
    assert_int_equal(stats_of(&e).failures, 1);
    assert_contains(stats_of(&e).last_error, "no answer: connection timed out");
    (void) until_request(&e);
    wait_sent(&e);
    assert_int_equal(logs_of(&e), 1);
    exporter_close(&e);
  }
}

/* ---- more than can be sent ---- */

static void a_flood_is_bounded_and_what_is_lost_is_told(void **state) {
  enum { BOUND = 64 * 1024, EVENTS = 5000 };
  exporter_t e;
  jobsrv_job_t *job;
  json_t *report, *log;
  jobsrv_otlp_stats_t stats;
  uint64_t before;
  size_t i, noted = 0;

  (void) state;
  init(&e);
  e.options.max_queue_bytes = BOUND;
  e.options.max_batch = 20;
  e.world.options.max_events_per_job = 16;
  e.world.options.max_bytes_per_job = 4096;
  job = start(&e);
  collector_tell(&collector, "{'next': [{'slow': 0.2}]}");
  say(job, 1, 1);
  before = jobsrv_faults_bytes(&e.world.faults);
  for (int n = 2; n <= EVENTS; n += 10) {
    say(job, n, n + 9 < EVENTS ? n + 9 : EVENTS);
    run_turns(&e.world.loop, 1);
    assert_true(stats_of(&e).waiting_bytes <= BOUND);
    assert_true(jobsrv_faults_bytes(&e.world.faults) < before + 8 * BOUND);
  }
  stats = stats_of(&e);
  assert_true(stats.dropped_full > 0);
  exporter_send(&e);
  say(job, EVENTS + 1, EVENTS + 1);
  report = exporter_report(&e);
  stats = stats_of(&e);
  json_array_foreach(json_object_get(report, "logs"), i, log)
    if (strcmp(attr_text(log, "jobsrv.kind"), "dropped") == 0)
      noted += strtoul(attr_int(log, "jobsrv.count"), NULL, 10);
  assert_int_equal(noted, stats.dropped_full);
  assert_int_equal(jobsrv_sink_dropped(jobsrv_otlp_sink(e.otlp)),
                   stats.dropped_full);
  json_array_foreach(json_object_get(report, "logs"), i, log)
    if (strcmp(attr_text(log, "jobsrv.kind"), "dropped") == 0)
      noted++;
  assert_int_equal(count_of(report, "logs"),
                   EVENTS + 1 - stats.dropped_full + noted -
                       stats.dropped_full);
  json_decref(report);
  exporter_close(&e);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_batch_waits_for_more),
  cmocka_unit_test(a_full_batch_goes_at_once),
  cmocka_unit_test(batches_are_of_512_records_unless_said),
  cmocka_unit_test(a_batch_is_closed_by_its_bytes_too),
  cmocka_unit_test(a_large_batch_goes_through_a_small_socket),
  cmocka_unit_test(one_connection_carries_all),
  cmocka_unit_test(a_connection_that_went_is_made_anew),
  cmocka_unit_test(a_collector_that_restarts_is_found_again),
  cmocka_unit_test(a_name_is_looked_up),
  cmocka_unit_test(a_unix_socket_will_do),
  cmocka_unit_test(without_descriptors_it_tries_again),
  cmocka_unit_test(what_is_retryable_is_sent_again),
  cmocka_unit_test(what_is_refused_is_dropped_and_told),
  cmocka_unit_test(it_waits_as_long_as_it_is_told),
  cmocka_unit_test(
      else_it_backs_off_between_half_and_all_of_a_doubled_delay),
  cmocka_unit_test(backoff_begins_with_a_second_and_ends_at_thirty),
  cmocka_unit_test(a_batch_is_given_up_after_a_time),
  cmocka_unit_test(what_was_rejected_of_a_batch_is_counted),
  cmocka_unit_test(chunks_and_a_hundred_are_understood),
  cmocka_unit_test(a_connection_that_breaks_is_no_answer),
  cmocka_unit_test(one_that_was_dead_already_is_made_anew_at_once),
  cmocka_unit_test(nonsense_is_no_answer),
  cmocka_unit_test(an_answer_may_end_with_its_connection),
  cmocka_unit_test(an_answer_without_an_end_is_cut),
  cmocka_unit_test(silence_is_no_answer_in_the_end),
  cmocka_unit_test(a_flood_is_bounded_and_what_is_lost_is_told),
};

RUN_WITH_COLLECTOR(tests);
