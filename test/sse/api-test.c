/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

/* Making jobs, their records, and asking them to stop. */

static world w;
static peer_t peer;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

/* ---- making jobs ---- */

static void a_job_is_made_and_told_where_it_is(void **state) {
  char want[400];
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"n\":1}"), 202);
  assert_true(peer_job_id(&peer, id));
  snprintf(want, sizeof(want),
           "{\"job_id\":\"%s\",\"sse_url\":\"/v1/jobs/%s/stream\","
           "\"state\":\"queued\",\"links\":{\"self\":\"/v1/jobs/%s\","
           "\"stream\":\"/v1/jobs/%s/stream\","
           "\"cancel\":\"/v1/jobs/%s/cancel\"}}",
           id, id, id, id, id);
  assert_string_equal(answer_body(&peer), want);
  snprintf(want, sizeof(want), "\r\nLocation: /v1/jobs/%s\r\n", id);
  assert_contains(peer.text, want);
  assert_contains(peer.text, "\r\nContent-Type: application/json\r\n");
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  assert_string_equal(jobsrv_job_payload(job, NULL), "{\"n\":1}");
}

static void the_options_count(void **state) {
  char id[JOBSRV_ID_SIZE];
  char line[100];

  (void) state;
  assert_int_equal(post(&w, &peer,
                        "{\"options\":{\"timeout_ms\":1000,"
                        "\"tags\":{\"who\":\"me\"}},\"operation\":\"work\"}"),
                   202);
  assert_true(peer_job_id(&peer, id));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 1001);
  fixture_ms(&w.f, 6000);
  snprintf(line, sizeof(line), "GET /v1/jobs/%s", id);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  assert_contains(peer.text, "\"state\":\"failed\"");
  assert_contains(peer.text, "attempt_timeout");
  assert_contains(peer.text, "\"tags\":{\"who\":\"me\"}");
}

/* The record of the job that the last answer named has this part. */
static void the_record_has(const char *part) {
  char id[JOBSRV_ID_SIZE];
  char line[100];

  assert_true(peer_job_id(&peer, id));
  snprintf(line, sizeof(line), "GET /v1/jobs/%s", id);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  assert_contains(peer.text, part);
}

static void it_may_start_later_or_when_watched(void **state) {
  (void) state;
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                                   "{\"delay_ms\":1000}}"),
                   202);
  assert_contains(peer.text, "\"state\":\"scheduled\"");
  fixture_ms(&w.f, 999);
  the_record_has("\"state\":\"scheduled\"");
  fixture_ms(&w.f, 1);
  the_record_has("\"state\":\"running\"");
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                                   "{\"run_at\":\"2100-01-01T00:00:00Z\"}}"),
                   202);
  the_record_has("\"state\":\"scheduled\"");
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                                   "{\"start\":\"on_stream\","
                                   "\"start_within_ms\":50}}"),
                   202);
  fixture_ms(&w.f, 49);
  the_record_has("\"state\":\"scheduled\"");
  fixture_ms(&w.f, 1);
  the_record_has("not_watched");
}

static void a_second_job_with_a_key_comes_to_the_first(void **state) {
  char first[JOBSRV_ID_SIZE], id[JOBSRV_ID_SIZE];
  char want[100];

  (void) state;
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                                   "{\"unique_key\":\"k\"}}"),
                   202);
  assert_true(peer_job_id(&peer, first));
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                                   "{\"unique_key\":\"k\"}}"),
                   200);
  assert_true(peer_job_id(&peer, id));
  assert_string_equal(id, first);
  snprintf(want, sizeof(want), "\r\nLocation: /v1/jobs/%s\r\n", first);
  assert_contains(peer.text, want);
  assert_int_equal(fixture_stats(&w.f).created, 1);
}

static void or_is_refused_or_takes_its_place(void **state) {
  char first[JOBSRV_ID_SIZE], id[JOBSRV_ID_SIZE];
  char want[100];
  jobsrv_job_t *job;

  (void) state;
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                                   "{\"unique_key\":\"k\","
                                   "\"on_conflict\":\"reject\"}}"),
                   202);
  assert_true(peer_job_id(&peer, first));
  post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                  "{\"unique_key\":\"k\",\"on_conflict\":\"reject\"}}");
  assert_problem(&peer, 409, "conflict");
  snprintf(want, sizeof(want), "\"job_id\":\"%s\"", first);
  assert_contains(peer.text, want);

  assert_ok(jobsrv_find(w.f.srv, first, &job));
  jobsrv_job_cancellable(job, 0);
  post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                  "{\"unique_key\":\"k\",\"on_conflict\":\"replace\"}}");
  assert_problem(&peer, 409, "not_cancellable");
  assert_contains(peer.text, want);
  jobsrv_job_cancellable(job, 1);
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                                   "{\"unique_key\":\"k\","
                                   "\"on_conflict\":\"replace\"}}"),
                   202);
  assert_true(peer_job_id(&peer, id));
  assert_string_not_equal(id, first);
  assert_true(jobsrv_job_cancelled(job));
  assert_int_equal(fixture_stats(&w.f).created, 2);
}

static void a_private_job_in_the_way_is_not_named(void **state) {
  jobsrv_spec_t spec;

  (void) state;
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.unique_key = "k";
  spec.is_private = 1;
  assert_ok(jobsrv_submit(w.f.srv, &spec, NULL, NULL));
  post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                  "{\"unique_key\":\"k\"}}");
  assert_problem(&peer, 409, "conflict");
  assert_null(strstr(peer.text, "job_id"));
  post(&w, &peer, "{\"operation\":\"work\",\"options\":"
                  "{\"unique_key\":\"k\",\"on_conflict\":\"replace\"}}");
  assert_problem(&peer, 409, "conflict");
  assert_int_equal(fixture_stats(&w.f).created, 1);
}

static void a_body_that_is_no_json_is_placed(void **state) {
  (void) state;
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\",\n  \"a\": x}"),
                   400);
  assert_problem(&peer, 400, "bad_json");
  assert_contains(peer.text, "\"line\":2");
  assert_contains(peer.text, "\"column\":8");
  assert_contains(peer.text, "line 2, column 8: ");
  assert_int_equal(post(&w, &peer, ""), 400);
  assert_problem(&peer, 400, "bad_json");
  assert_int_equal(
      post(&w, &peer, "{\"operation\":\"work\",\"operation\":\"work\"}"), 400);
  assert_problem(&peer, 400, "bad_json");
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

static void nesting_is_bounded(void **state) {
  char body[300] = "{\"operation\":\"work\",\"a\":";
  size_t n = strlen(body);

  (void) state;
  memset(body + n, '[', 63);
  memset(body + n + 63, ']', 63);
  memcpy(body + n + 126, "}", 2);
  assert_int_equal(post(&w, &peer, body), 202);
  memset(body + n, '[', 64);
  memset(body + n + 64, ']', 64);
  memcpy(body + n + 128, "}", 2);
  assert_int_equal(post(&w, &peer, body), 400);
  assert_problem(&peer, 400, "bad_json");
}

static void an_operation_must_be_known_and_exposed(void **state) {
  (void) state;
  post(&w, &peer, "{\"operation\":\"nobody\"}");
  assert_problem(&peer, 422, "unknown_operation");
  post(&w, &peer, "{\"operation\":\"hidden\"}");
  assert_problem(&peer, 422, "unknown_operation");
  post(&w, &peer, "{\"operation\":\"\"}");
  assert_problem(&peer, 422, "unknown_operation");
  post(&w, &peer, "{\"operation\":7}");
  assert_problem(&peer, 422, "invalid_payload");
  assert_contains(peer.text, "\"pointer\":\"/operation\"");
  post(&w, &peer, "{}");
  assert_problem(&peer, 422, "invalid_payload");
  assert_contains(peer.text, "\"pointer\":\"\"");
  post(&w, &peer, "[]");
  assert_problem(&peer, 422, "invalid_payload");
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

static void what_the_operation_refuses_is_pointed_at(void **state) {
  (void) state;
  post(&w, &peer, "{\"operation\":\"work\",\"wrong\":1}");
  assert_problem(&peer, 422, "invalid_payload");
  assert_contains(peer.text, "\"pointer\":\"/wrong\"");
  assert_contains(peer.text, "\"detail\":\"/wrong is \\\"not\\\" known\"");
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

static void a_wrong_option_is_pointed_at_and_nothing_made(void **state) {
  (void) state;
  post(&w, &peer, "{\"operation\":\"work\",\"options\":{\"timeout_ms\":0}}");
  assert_problem(&peer, 422, "invalid_options");
  assert_contains(peer.text, "\"pointer\":\"/options/timeout_ms\"");
  post(&w, &peer, "{\"operation\":\"work\",\"options\":{\"speed\":1}}");
  assert_problem(&peer, 422, "invalid_options");
  assert_contains(peer.text, "\"pointer\":\"/options/speed\"");
  post(&w, &peer, "{\"operation\":\"work\",\"options\":1}");
  assert_problem(&peer, 422, "invalid_options");
  assert_contains(peer.text, "\"pointer\":\"/options\"");
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

static void a_body_must_be_declared_json(void **state) {
  (void) state;
  ask(&w, &peer, "POST /v1/jobs", "", "{\"operation\":\"work\"}");
  assert_problem(&peer, 415, "unsupported_media_type");
  ask(&w, &peer, "POST /v1/jobs", "Content-Type: text/plain\r\n",
      "{\"operation\":\"work\"}");
  assert_problem(&peer, 415, "unsupported_media_type");
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs",
                       "Content-Type: application/json; charset=UTF-8\r\n",
                       "{\"operation\":\"work\"}"),
                   202);
}

static void a_payload_over_the_servers_bound_is_too_large(void **state) {
  static char body[4000];

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.f.options.max_payload = 1000;
  world_open(&w);
  peer_open(&peer, w.port);
  snprintf(body, sizeof(body), "{\"operation\":\"work\",\"a\":\"%0990d\"}", 0);
  assert_int_equal(post(&w, &peer, body), 202);
  snprintf(body, sizeof(body), "{\"operation\":\"work\",\"a\":\"%01010d\"}", 0);
  assert_int_equal(post(&w, &peer, body), 413);
}

static void a_full_queue_and_a_full_server_say_so(void **state) {
  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.f.options.max_queued = 2;
  w.f.options.max_running = 1;
  world_open(&w);
  peer_open(&peer, w.port);
  (void) post_job(&w, &peer, "work");
  run_turns(&w.f.loop, 3);
  (void) post_job(&w, &peer, "work");
  (void) post_job(&w, &peer, "work");
  post(&w, &peer, "{\"operation\":\"work\"}");
  assert_problem(&peer, 429, "queue_full");
  teardown(NULL);

  memset(&w, 0, sizeof(w));
  w.f.options.max_jobs = 1;
  world_open(&w);
  peer_open(&peer, w.port);
  (void) post_job(&w, &peer, "work");
  post(&w, &peer, "{\"operation\":\"work\"}");
  assert_problem(&peer, 503, "too_many_jobs");
}

/* ---- the record ---- */

static void the_record_is_the_jobs_with_links(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  char id[JOBSRV_ID_SIZE];
  jobsrv_json_error_t error;
  char want[200];

  (void) state;
  run_turns(&w.f.loop, 3);
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), "", NULL), 200);
  assert_ok(jobsrv_json_check(answer_body(&peer), strlen(answer_body(&peer)),
                              8, &error));
  snprintf(want, sizeof(want), "{\"job_id\":\"%s\"", jobsrv_job_id(job, id));
  assert_contains(answer_body(&peer), want);
  assert_contains(peer.text, "\"state\":\"running\"");
  snprintf(want, sizeof(want), ",\"links\":{\"self\":\"/v1/jobs/%s\",", id);
  assert_contains(peer.text, want);
  assert_contains(peer.text, "\r\nCache-Control: no-store\r\n");
}

static void a_large_result_is_in_the_record(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  static char result[200001];
  jobsrv_json_error_t error;

  (void) state;
  run_turns(&w.f.loop, 3);
  snprintf(result, sizeof(result), "\"%0199998d\"", 5);
  assert_ok(jobsrv_job_complete(job, result, 0));
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), "", NULL), 200);
  assert_contains(answer_body(&peer), result);
  assert_ok(jobsrv_json_check(answer_body(&peer), strlen(answer_body(&peer)),
                              8, &error));
}

static void a_job_nobody_knows_is_not_found(void **state) {
  (void) state;
  ask(&w, &peer, "GET /v1/jobs/job-00000000-0000-4000-8000-000000000000", "",
      NULL);
  assert_problem(&peer, 404, "unknown_job");
  ask(&w, &peer, "GET /v1/jobs/x", "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  ask(&w, &peer, "DELETE /v1/jobs/%22%0d%0a", "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  ask(&w, &peer, "GET /v1/jobs/x/stream", "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  ask(&w, &peer, "POST /v1/jobs/x/cancel", "", "");
  assert_problem(&peer, 404, "unknown_job");
}

static void an_expired_job_is_gone(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  char line[100];
  char id[JOBSRV_ID_SIZE];

  (void) state;
  snprintf(line, sizeof(line), "GET /v1/jobs/%s", jobsrv_job_id(job, id));
  run_turns(&w.f.loop, 3);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  peer_close(&peer);
  fixture_ms(&w.f, 600001);
  peer_open(&peer, w.port);
  ask(&w, &peer, line, "", NULL);
  assert_problem(&peer, 410, "expired");
  assert_contains(answer_body(&peer), id);
}

static void a_private_job_is_not_seen(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.is_private = 1;
  assert_ok(jobsrv_submit(w.f.srv, &spec, NULL, &job));
  ask(&w, &peer, line_of("GET", job, ""), "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  ask(&w, &peer, line_of("GET", job, "/stream"), "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  ask(&w, &peer, line_of("DELETE", job, ""), "", NULL);
  assert_problem(&peer, 404, "unknown_job");
  assert_false(jobsrv_job_cancelled(job));
}

/* ---- cancel ---- */

static void a_running_job_is_asked_to_stop(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  const jobsrv_reason_t *reason;

  (void) state;
  run_turns(&w.f.loop, 3);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, "/cancel"), JSON_TYPE,
                       "{\"reason\":\"no \\u006donger needed\"}"),
                   202);
  assert_contains(peer.text, "\"cancel_requested\":true");
  assert_contains(peer.text, "\"links\":{");
  reason = fixture_info(job).cancel_reason;
  assert_int_equal(reason->code, JOBSRV_REASON_REQUESTED);
  assert_string_equal(reason->text, "no monger needed");
  assert_string_equal(reason->actor, "http");

  /* again, by the other way: the first counts */
  assert_int_equal(ask(&w, &peer, line_of("DELETE", job, ""), "", NULL), 202);
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_int_equal(ask(&w, &peer, line_of("DELETE", job, ""), "", NULL), 200);
  assert_contains(peer.text, "\"state\":\"cancelled\"");
}

static void a_queued_job_is_cancelled_at_once(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.f.options.max_running = 1;
  world_open(&w);
  peer_open(&peer, w.port);
  (void) fixture_submit(&w.f, "work");
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  assert_ok(jobsrv_submit(w.f.srv, &spec, NULL, &job));
  run_turns(&w.f.loop, 3);
  assert_int_equal(
      ask(&w, &peer, line_of("POST", job, "/cancel"), "", NULL), 200);
  assert_contains(peer.text, "\"state\":\"cancelled\"");
}

static void cancelling_what_has_ended_reports_the_outcome(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  run_turns(&w.f.loop, 3);
  assert_ok(jobsrv_job_complete(job, "[1]", 0));
  assert_int_equal(ask(&w, &peer, line_of("DELETE", job, ""), "", NULL), 200);
  assert_contains(peer.text, "\"state\":\"completed\"");
  assert_contains(peer.text, "\"result\":[1]");
}

static void what_cannot_be_cancelled_conflicts(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "stubborn");
  char id[JOBSRV_ID_SIZE];

  (void) state;
  run_turns(&w.f.loop, 3);
  ask(&w, &peer, line_of("DELETE", job, ""), "", NULL);
  assert_problem(&peer, 409, "not_cancellable");
  assert_contains(answer_body(&peer), jobsrv_job_id(job, id));
  assert_false(jobsrv_job_cancelled(job));
}

static void a_bad_reason_cancels_nothing(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  ask(&w, &peer, line_of("POST", job, "/cancel"), JSON_TYPE, "{\"reason\":1}");
  assert_problem(&peer, 422, "invalid_payload");
  assert_contains(peer.text, "\"pointer\":\"/reason\"");
  ask(&w, &peer, line_of("POST", job, "/cancel"), JSON_TYPE, "{\"reason\"}");
  assert_problem(&peer, 400, "bad_json");
  ask(&w, &peer, line_of("POST", job, "/cancel"), "", "{}");
  assert_problem(&peer, 415, "unsupported_media_type");
  assert_false(jobsrv_job_cancelled(job));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_job_is_made_and_told_where_it_is),
  CASE(the_options_count),
  CASE(it_may_start_later_or_when_watched),
  CASE(a_second_job_with_a_key_comes_to_the_first),
  CASE(or_is_refused_or_takes_its_place),
  CASE(a_private_job_in_the_way_is_not_named),
  CASE(a_body_that_is_no_json_is_placed),
  CASE(nesting_is_bounded),
  CASE(an_operation_must_be_known_and_exposed),
  CASE(what_the_operation_refuses_is_pointed_at),
  CASE(a_wrong_option_is_pointed_at_and_nothing_made),
  CASE(a_body_must_be_declared_json),
  CASE(a_payload_over_the_servers_bound_is_too_large),
  CASE(a_full_queue_and_a_full_server_say_so),
  CASE(the_record_is_the_jobs_with_links),
  CASE(a_large_result_is_in_the_record),
  CASE(a_job_nobody_knows_is_not_found),
  CASE(an_expired_job_is_gone),
  CASE(a_private_job_is_not_seen),
  CASE(a_running_job_is_asked_to_stop),
  CASE(a_queued_job_is_cancelled_at_once),
  CASE(cancelling_what_has_ended_reports_the_outcome),
  CASE(what_cannot_be_cancelled_conflicts),
  CASE(a_bad_reason_cancels_nothing),
};

RUN(tests);
