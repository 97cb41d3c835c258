/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_auth.h"
#include "sse/internal.h"

/* Row 63: a ticket for one job, for clients that cannot send headers. */

enum { TICKET_LEN = 48 };

static world w;
static peer_t peer;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.bearer_token = "secret";
  w.f.options.retain_ms = 1000;
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

#define TOKEN "Authorization: Bearer secret\r\n"

static void member(const char *name, char to[TICKET_LEN + 1]) {
  char want[40];
  const char *at;

  snprintf(want, sizeof(want), "\"%s\":\"", name);
  at = strstr(answer_body(&peer), want);
  assert_non_null(at);
  snprintf(to, TICKET_LEN + 1, "%.*s", (int) strcspn(at + strlen(want), "\""),
           at + strlen(want));
}

static jobsrv_job_t *make(char ticket[TICKET_LEN + 1]) {
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE TOKEN,
                       "{\"operation\":\"work\"}"), 202);
  assert_true(peer_job_id(&peer, id));
  member("ticket", ticket);
  assert_int_equal(strlen(ticket), TICKET_LEN);
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  return job;
}

/* HEAD does all that GET does before it attaches. */
static int watch(const jobsrv_job_t *job, const char *ticket) {
  char rest[200];

  snprintf(rest, sizeof(rest), "/stream?ticket=%s", ticket);
  return ask(&w, &peer, line_of("HEAD", job, rest), "", NULL);
}

static void a_ticket_lets_its_holder_watch(void **state) {
  char ticket[TICKET_LEN + 1];
  jobsrv_job_t *job = make(ticket);

  (void) state;
  assert_int_equal(ask(&w, &peer, line_of("HEAD", job, "/stream"), "", NULL),
                   401);
  assert_int_equal(watch(job, ticket), 200);
  assert_int_equal(watch(job, ticket), 200);
}

static void it_is_for_that_job_and_for_watching_alone(void **state) {
  char ticket[TICKET_LEN + 1];
  char other[TICKET_LEN + 1];
  jobsrv_job_t *job = make(ticket);
  char rest[200];

  (void) state;
  assert_int_equal(watch(make(other), ticket), 401);
  snprintf(rest, sizeof(rest), "?ticket=%s", ticket);
  assert_int_equal(ask(&w, &peer, line_of("GET", job, rest), "", NULL), 401);
  assert_int_equal(ask(&w, &peer, line_of("DELETE", job, rest), "", NULL),
                   401);
  snprintf(rest, sizeof(rest), "/cancel?ticket=%s", ticket);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, rest), "", ""), 401);
  snprintf(rest, sizeof(rest), "/ticket?ticket=%s", ticket);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, rest), "", ""), 401);
}

static void a_changed_ticket_is_worth_nothing(void **state) {
  char ticket[TICKET_LEN + 1];
  char longer[TICKET_LEN + 2];
  jobsrv_job_t *job = make(ticket);

  (void) state;
  for (size_t i = 0; i < TICKET_LEN; i++) {
    char changed[TICKET_LEN + 1];

    memcpy(changed, ticket, sizeof(changed));
    changed[i] = changed[i] == 'f' ? '0' : 'f';
    assert_int_equal(watch(job, changed), 401);
    changed[i] = 'g';
    assert_int_equal(watch(job, changed), 401);
    changed[i] = '\0';
    assert_int_equal(watch(job, changed), 401);
  }
  snprintf(longer, sizeof(longer), "%s0", ticket);
  assert_int_equal(watch(job, longer), 401);
}

/* Ids that are none are looked up as any other, whatever their length. */
static void without_a_job_it_is_worth_nothing(void **state) {
  static const char digits[] =
      "000000000000000000000000000000000000000000000000";
  char line[400];

  (void) state;
  for (int len = 1; len <= 140; len++) {
    snprintf(line, sizeof(line), "HEAD /v1/jobs/%0*d/stream?ticket=%s", len, 6,
             digits);
    assert_int_equal(ask(&w, &peer, line, "", NULL), 401);
  }
}

static void it_has_to_be_used_in_time(void **state) {
  char first[TICKET_LEN + 1];
  char second[TICKET_LEN + 1];
  jobsrv_job_t *a = make(first);
  jobsrv_job_t *b = make(second);

  (void) state;
  fixture_ms(&w.f, 60000);
  peer_close(&peer); /* idle for so long, it was closed */
  peer_open(&peer, w.port);
  assert_int_equal(watch(a, first), 200);
  fixture_ms(&w.f, 1);
  assert_int_equal(watch(b, second), 401);
  assert_int_equal(watch(a, first), 200); /* it was used */
}

static void once_used_it_holds_as_long_as_the_job(void **state) {
  char ticket[TICKET_LEN + 1];
  jobsrv_job_t *job = make(ticket);
  char id[JOBSRV_ID_SIZE];
  char line[300];

  (void) state;
  assert_int_equal(watch(job, ticket), 200);
  for (int i = 0; i < 20; i++) {
    fixture_ms(&w.f, 59000);
    assert_int_equal(watch(job, ticket), 200);
  }
  jobsrv_job_id(job, id);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 3);
  assert_int_equal(watch(job, ticket), 200);
  fixture_ms(&w.f, 1001);
  snprintf(line, sizeof(line), "HEAD /v1/jobs/%s/stream?ticket=%s", id,
           ticket);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 401);
}

static void one_can_be_asked_for(void **state) {
  char ticket[TICKET_LEN + 1];
  char fresh[TICKET_LEN + 1];
  jobsrv_job_t *job = make(ticket);
  char url[200];
  const char *at;

  (void) state;
  fixture_ms(&w.f, 59999);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, "/ticket"), TOKEN, ""),
                   200);
  member("ticket", fresh);
  assert_string_not_equal(fresh, ticket);
  assert_contains(peer.text, "\"ttl_ms\":60000");
  at = strstr(peer.text, "\"sse_url\":\"");
  assert_non_null(at);
  snprintf(url, sizeof(url), "HEAD %.*s", (int) strcspn(at + 11, "\""),
           at + 11);
  fixture_ms(&w.f, 59999);
  assert_int_equal(ask(&w, &peer, url, "", NULL), 200);
  assert_int_equal(watch(job, ticket), 401);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, "/ticket"), "", ""),
                   401);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs/job-0/ticket", TOKEN, ""),
                   404);
}

static void its_time_is_the_hosts(void **state) {
  char ticket[TICKET_LEN + 1];
  jobsrv_job_t *job;

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.bearer_token = "secret";
  w.options.ticket_ttl_ms = 70;
  world_open(&w);
  peer_open(&peer, w.port);
  job = make(ticket);
  fixture_ms(&w.f, 71);
  assert_int_equal(watch(job, ticket), 401);
}

static void another_transport_does_not_know_it(void **state) {
  char ticket[TICKET_LEN + 1];
  jobsrv_job_t *job = make(ticket);
  jobsrv_sse_t *other;

  (void) state;
  assert_ok(jobsrv_sse_new(&other, w.f.srv, &w.options));
  assert_ok(jobsrv_sse_listen(other, "127.0.0.1:0"));
  peer_close(&peer);
  peer_open(&peer, jobsrv_sse_port(other, 0));
  assert_int_equal(watch(job, ticket), 401);
}

/* ---- with the hook ---- */

static jobsrv_sse_grant_t deny_streams(jobsrv_sse_request_t *request,
                                       jobsrv_sse_verb_t verb,
                                       jobsrv_job_t *job,
                                       void *data) {
  (void) request;
  (void) job;
  (void) data;
  return verb == JOBSRV_SSE_STREAM ? JOBSRV_SSE_DENY : JOBSRV_SSE_ALLOW;
}

static void the_hook_decides_on_tickets_and_not_on_their_use(void **state) {
  char ticket[TICKET_LEN + 1];
  jobsrv_job_t *job = make(ticket);

  (void) state;
  jobsrv_sse_authorise(w.sse, deny_streams, NULL);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, "/ticket"), TOKEN, ""),
                   403);
  assert_int_equal(ask(&w, &peer, line_of("HEAD", job, "/stream"), TOKEN,
                       NULL), 403);
  assert_int_equal(watch(job, ticket), 200);
}

/* A job that was there already may be somebody else's. */
static void a_job_that_is_found_has_one_for_who_may_watch_it(void **state) {
  static const char work[] = "{\"operation\":\"work\","
                             "\"options\":{\"unique_key\":\"one\"}}";

  (void) state;
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", TOKEN JSON_TYPE, work), 202);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", TOKEN JSON_TYPE, work), 200);
  assert_contains(peer.text, "\"ticket\":");
  jobsrv_sse_authorise(w.sse, deny_streams, NULL);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", TOKEN JSON_TYPE, work), 200);
  assert_null(strstr(peer.text, "ticket"));
}

static void a_key_that_comes_again_brings_none_to_who_may_not_watch(
    void **state) {
  static const char fields[] = TOKEN JSON_TYPE "Idempotency-Key: k\r\n";
  static const char work[] = "{\"operation\":\"work\"}";

  (void) state;
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", fields, work), 202);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", fields, work), 200);
  assert_contains(peer.text, "\"ticket\":");
  jobsrv_sse_authorise(w.sse, deny_streams, NULL);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", fields, work), 200);
  assert_null(strstr(peer.text, "ticket"));
}

static jobsrv_sse_grant_t deny_reading(jobsrv_sse_request_t *request,
                                       jobsrv_sse_verb_t verb,
                                       jobsrv_job_t *job,
                                       void *data) {
  (void) request;
  (void) job;
  (void) data;
  return verb == JOBSRV_SSE_READ ? JOBSRV_SSE_DENY : JOBSRV_SSE_ALLOW;
}

/* Nor what has become of the job, to who may not read that. */
static void a_key_that_comes_again_does_not_show_the_record(void **state) {
  static const char fields[] =
      TOKEN JSON_TYPE "Idempotency-Key: k\r\nPrefer: wait=9\r\n";
  static const char work[] = "{\"operation\":\"work\"}";
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs",
                       TOKEN JSON_TYPE "Idempotency-Key: k\r\n", work), 202);
  assert_true(peer_job_id(&peer, id));
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  assert_ok(jobsrv_job_complete(job, "{\"a\":\"mine\"}", 12));
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", fields, work), 200);
  assert_contains(peer.text, "mine");
  assert_contains(peer.text, "Preference-Applied");
  jobsrv_sse_authorise(w.sse, deny_reading, NULL);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", fields, work), 200);
  assert_contains(peer.text, id);
  assert_null(strstr(peer.text, "mine"));
  assert_null(strstr(peer.text, "Preference-Applied"));
}

static void where_all_may_watch_there_are_none_in_the_answer(void **state) {
  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\"}"), 202);
  assert_null(strstr(peer.text, "ticket"));
}

/* What is kept of used tickets goes with their jobs. */
static void used_tickets_do_not_pile_up(void **state) {
  char ticket[TICKET_LEN + 1];

  (void) state;
  for (int i = 0; i < 300; i++) {
    jobsrv_job_t *job = make(ticket);

    assert_int_equal(watch(job, ticket), 200);
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    fixture_ms(&w.f, 1001);
  }
  assert_true(w.sse->tickets_by_proof.count <= 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_ticket_lets_its_holder_watch),
  CASE(it_is_for_that_job_and_for_watching_alone),
  CASE(a_changed_ticket_is_worth_nothing),
  CASE(without_a_job_it_is_worth_nothing),
  CASE(it_has_to_be_used_in_time),
  CASE(once_used_it_holds_as_long_as_the_job),
  CASE(one_can_be_asked_for),
  CASE(its_time_is_the_hosts),
  CASE(another_transport_does_not_know_it),
  CASE(the_hook_decides_on_tickets_and_not_on_their_use),
  CASE(a_job_that_is_found_has_one_for_who_may_watch_it),
  CASE(a_key_that_comes_again_brings_none_to_who_may_not_watch),
  CASE(a_key_that_comes_again_does_not_show_the_record),
  CASE(where_all_may_watch_there_are_none_in_the_answer),
  CASE(used_tickets_do_not_pile_up),
};

RUN(tests);
