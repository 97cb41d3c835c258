/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_auth.h"

/* Row 63: the hook that sees who asks for what with which job. */

static world w;
static peer_t peer;
static jobsrv_sse_request_t *kept;
static int gone;
static int asked;
static char log_of[400];

/*
 * Who the request is from stands in X-User. A user may do with their own jobs
 * what they like, read those of a "public-" one, and nothing else. "slow" ones
 * are decided later.
 */
static jobsrv_sse_grant_t judge(jobsrv_sse_request_t *request,
                                jobsrv_sse_verb_t verb,
                                jobsrv_job_t *job) {
  const char *user = jobsrv_sse_principal(request);
  const char *owner;

  if (job == NULL)
    return strcmp(user, "guest") == 0 ? JOBSRV_SSE_DENY : JOBSRV_SSE_ALLOW;
  owner = fixture_info(job).principal;
  if (owner != NULL && strcmp(owner, user) == 0)
    return JOBSRV_SSE_ALLOW;
  return verb == JOBSRV_SSE_READ && owner != NULL &&
                 strncmp(owner, "public-", 7) == 0
             ? JOBSRV_SSE_ALLOW
             : JOBSRV_SSE_DENY;
}

static void on_gone(jobsrv_sse_request_t *request, void *data) {
  assert_ptr_equal(data, &gone);
  assert_ptr_equal(request, kept);
  gone++;
}

static jobsrv_sse_grant_t authorise(jobsrv_sse_request_t *request,
                                    jobsrv_sse_verb_t verb,
                                    jobsrv_job_t *job,
                                    void *data) {
  jobsrv_sse_text_t user = jobsrv_sse_header(request, "x-user", NULL);
  const char *operation = jobsrv_sse_operation(request);
  char name[64];

  assert_ptr_equal(data, &asked);
  asked++;
  snprintf(log_of + strlen(log_of), sizeof(log_of) - strlen(log_of), "%s%s%s ",
           jobsrv_sse_verb_name(verb), operation != NULL ? "=" : "",
           operation != NULL ? operation : "");
  if (user.data == NULL)
    return JOBSRV_SSE_UNKNOWN;
  snprintf(name, sizeof(name), "%.*s", (int) user.len, user.data);
  assert_ok(jobsrv_sse_set_principal(request, name));
  if (strcmp(name, "slow") == 0) {
    kept = request;
    jobsrv_sse_undecided(request, on_gone, &gone);
    return JOBSRV_SSE_DECIDE_LATER;
  }
  return judge(request, verb, job);
}

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  kept = NULL;
  gone = 0;
  asked = 0;
  log_of[0] = '\0';
  world_open(&w);
  jobsrv_sse_authorise(w.sse, authorise, &asked);
  peer_open(&peer, w.port);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

static jobsrv_job_t *job_of(const char *user) {
  char fields[200];
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  snprintf(fields, sizeof(fields), JSON_TYPE "X-User: %s\r\n", user);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", fields,
                       "{\"operation\":\"work\"}"), 202);
  assert_true(peer_job_id(&peer, id));
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  log_of[0] = '\0';
  return job;
}

#define ANN "X-User: ann\r\n"
#define BOB "X-User: bob\r\n"

/* ---- creating ---- */

static void a_job_belongs_to_who_has_made_it(void **state) {
  jobsrv_job_t *job = job_of("ann");

  (void) state;
  assert_string_equal(fixture_info(job).principal, "ann");
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), ANN, NULL), 200);
  assert_contains(peer.text, "\"principal\":\"ann\"");
}

static void the_hook_is_told_what_is_to_be_made(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE ANN,
                       "{\"operation\":\"work\"}"), 202);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE ANN,
                       "{\"operation\":\"none\"}"), 422);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE ANN, "{}"), 422);
  assert_string_equal(log_of, "create=work create=none create ");
}

static void who_may_not_make_one_learns_nothing(void **state) {
  static const char *const bodies[] = { "{\"operation\":\"work\"}",
                                        "{\"operation\":\"none\"}", "{}" };

  (void) state;
  for (size_t i = 0; i < 3; i++) {
    ask(&w, &peer, "POST /v1/jobs", JSON_TYPE "X-User: guest\r\n", bodies[i]);
    assert_problem(&peer, 403, "forbidden");
    ask(&w, &peer, "POST /v1/jobs", JSON_TYPE, bodies[i]);
    assert_problem(&peer, 401, "unauthorized");
    assert_contains(peer.text, "\r\nWWW-Authenticate: Bearer\r\n");
  }
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

/* ---- one job ---- */

static void a_job_of_somebody_else_is_not_there(void **state) {
  static const char *const methods[] = { "GET", "GET", "DELETE", "POST",
                                         "HEAD" };
  static const char *const rests[] = { "", "/stream", "", "/cancel",
                                       "/stream" };
  jobsrv_job_t *job = job_of("ann");

  (void) state;
  for (size_t i = 0; i < 5; i++) {
    assert_int_equal(ask(&w, &peer, line_of(methods[i], job, rests[i]), BOB,
                         strcmp(methods[i], "POST") == 0 ? "" : NULL), 404);
    if (strcmp(methods[i], "HEAD") != 0)
      assert_problem(&peer, 404, "unknown_job");
  }
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_string_equal(log_of, "read stream read cancel read cancel read "
                              "stream read ");
}

static void what_may_be_read_may_be_refused_openly(void **state) {
  jobsrv_job_t *job = job_of("public-x");

  (void) state;
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), BOB, NULL), 200);
  ask(&w, &peer, line_of("DELETE", job, ""), BOB, NULL);
  assert_problem(&peer, 403, "forbidden");
  ask(&w, &peer, line_of("GET", job, "/stream"), BOB, NULL);
  assert_problem(&peer, 403, "forbidden");
  assert_string_equal(log_of, "read cancel read stream read ");
  assert_null(fixture_info(job).cancel_reason);
}

static void who_cancels_is_said(void **state) {
  jobsrv_job_t *job = job_of("ann");

  (void) state;
  assert_int_equal(ask(&w, &peer, line_of("DELETE", job, ""), ANN, NULL), 202);
  assert_contains(peer.text, "\"actor\":\"ann\"");
}

static void who_cannot_be_told_is_unauthorized(void **state) {
  jobsrv_job_t *job = job_of("ann");

  (void) state;
  ask(&w, &peer, line_of("GET", job, ""), "", NULL);
  assert_problem(&peer, 401, "unauthorized");
  ask(&w, &peer, "GET /v1/jobs", "", NULL);
  assert_problem(&peer, 401, "unauthorized");
}

static void nobody_is_asked_about_health(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_int_equal(ask(&w, &peer, "GET /ready", "", NULL), 200);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs/x", "", NULL), 404);
  assert_int_equal(asked, 0);
}

/* ---- several ---- */

static void a_list_shows_what_may_be_read(void **state) {
  char mine[JOBSRV_ID_SIZE], theirs[JOBSRV_ID_SIZE], open[JOBSRV_ID_SIZE];

  (void) state;
  jobsrv_job_id(job_of("ann"), mine);
  jobsrv_job_id(job_of("bob"), theirs);
  jobsrv_job_id(job_of("public-x"), open);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", ANN, NULL), 200);
  assert_contains(peer.text, mine);
  assert_contains(peer.text, open);
  assert_null(strstr(peer.text, theirs));
  assert_string_equal(log_of, "list read read read ");
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs?limit=1", BOB, NULL), 200);
  assert_contains(peer.text, open);
  assert_contains(peer.text, "next_cursor");
  ask(&w, &peer, "GET /v1/jobs", "X-User: guest\r\n", NULL);
  assert_problem(&peer, 403, "forbidden");
}

static void a_holder_of_the_key_is_told_to_whom_may_see_it(void **state) {
  static const char body[] =
      "{\"operation\":\"work\",\"options\":{\"unique_key\":\"k\"}}";

  (void) state;
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE ANN, body), 202);
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE ANN, body), 200);
  ask(&w, &peer, "POST /v1/jobs", JSON_TYPE BOB, body);
  assert_problem(&peer, 409, "conflict");
  assert_null(strstr(peer.text, "job_id"));
}

/* ---- later ---- */

static void begin_slow(const jobsrv_job_t *job, const char *method,
                       const char *rest) {
  char text[500];

  snprintf(text, sizeof(text),
           "%s HTTP/1.1\r\nHost: localhost\r\nX-User: slow\r\n\r\n",
           line_of(method, job, rest));
  peer.len = 0;
  peer.text[0] = '\0';
  peer_send(&peer, text);
  run_turns(&w.f.loop, 5);
  assert_non_null(kept);
  peer_recv(&peer);
  assert_int_equal(peer.len, 0);
}

static int answered(void) {
  answer_wait_t wait = { &peer, 0 };

  assert_true(run_until(&w.f.loop, answer_is_whole, &wait, 5000));
  return atoi(peer.text + 9);
}

static void a_decision_may_come_later(void **state) {
  jobsrv_job_t *job = job_of("ann");

  (void) state;
  begin_slow(job, "GET", "");
  jobsrv_sse_decide(kept, JOBSRV_SSE_ALLOW);
  assert_int_equal(answered(), 200);
  assert_contains(peer.text, "\"principal\":\"ann\"");

  begin_slow(job, "GET", "");
  jobsrv_sse_decide(kept, JOBSRV_SSE_UNKNOWN);
  assert_int_equal(answered(), 401);

  begin_slow(job, "DELETE", ""); /* and whether it may be known of, too */
  jobsrv_sse_decide(kept, JOBSRV_SSE_DENY);
  run_turns(&w.f.loop, 3);
  peer_recv(&peer);
  assert_int_equal(peer.len, 0);
  jobsrv_sse_decide(kept, JOBSRV_SSE_DENY);
  assert_int_equal(answered(), 404);
  assert_int_equal(gone, 0);
}

static void a_stream_may_be_decided_on_later(void **state) {
  jobsrv_job_t *job = job_of("ann");
  answer_wait_t wait = { &peer, 1 };

  (void) state;
  begin_slow(job, "GET", "/stream");
  jobsrv_sse_decide(kept, JOBSRV_SSE_ALLOW);
  assert_true(run_until(&w.f.loop, answer_is_whole, &wait, 5000));
  assert_contains(peer.text, "\r\nContent-Type: text/event-stream\r\n");
  assert_contains(peer.text, "event: state\n");
}

/* A list waits for nobody, and says so. */
static void what_a_list_cannot_wait_for_is_of_no_interest(void **state) {
  (void) state;
  (void) job_of("ann");
  (void) job_of("bob");
  peer_send(&peer, "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
                   "X-User: slow\r\n\r\n");
  run_turns(&w.f.loop, 5);
  assert_non_null(kept);
  assert_int_equal(gone, 0);
  peer.len = 0;
  jobsrv_sse_decide(kept, JOBSRV_SSE_ALLOW);
  assert_int_equal(answered(), 200);
  assert_string_equal(answer_body(&peer), "{\"jobs\":[]}");
  assert_int_equal(gone, 2);
}

static void a_job_may_be_forgotten_meanwhile(void **state) {
  jobsrv_job_t *job;

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.f.options.retain_ms = 1000;
  world_open(&w);
  jobsrv_sse_authorise(w.sse, authorise, &asked);
  peer_open(&peer, w.port);
  job = job_of("ann");
  begin_slow(job, "GET", "");
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 3);
  fixture_ms(&w.f, 1001);
  assert_int_equal(fixture_stats(&w.f).retained, 0);
  jobsrv_sse_decide(kept, JOBSRV_SSE_ALLOW);
  assert_int_equal(answered(), 200);
  assert_contains(peer.text, "\"state\":\"completed\"");
}

static void a_decision_that_never_comes_is_not_waited_for(void **state) {
  jobsrv_job_t *job = job_of("ann");

  (void) state;
  begin_slow(job, "GET", "");
  fixture_ms(&w.f, 120000);
  assert_int_equal(gone, 1);
  assert_int_equal(answered(), 503);
}

static void a_client_may_leave_before_the_decision(void **state) {
  jobsrv_job_t *job = job_of("ann");

  (void) state;
  begin_slow(job, "GET", "");
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_int_equal(gone, 1);
  run_turns(&w.f.loop, 5);
}

static jobsrv_sse_grant_t closing(jobsrv_sse_request_t *request,
                                  jobsrv_sse_verb_t verb,
                                  jobsrv_job_t *job,
                                  void *data) {
  (void) request;
  (void) verb;
  (void) job;
  (void) data;
  asked++;
  jobsrv_sse_close(w.sse, NULL, NULL);
  return JOBSRV_SSE_ALLOW;
}

static void the_hook_may_close_the_transport(void **state) {
  static const char *const lines[] = { "GET /v1/jobs", "POST /v1/jobs" };

  for (size_t i = 0; i < 2; i++) {
    jobsrv_sse_authorise(w.sse, closing, NULL);
    asked = 0;
    assert_int_equal(ask(&w, &peer, lines[i], JSON_TYPE,
                         i == 0 ? NULL : "{\"operation\":\"work\"}"), 0);
    assert_int_equal(asked, 1);
    assert_int_equal(fixture_stats(&w.f).created, 0);
    teardown(state);
    setup(state);
  }
}

static void a_principal_has_its_bounds(void **state) {
  jobsrv_job_t *job = job_of("ann");
  char name[140];

  (void) state;
  begin_slow(job, "GET", "");
  memset(name, 'a', sizeof(name));
  name[129] = '\0';
  assert_err(jobsrv_sse_set_principal(kept, name), UV_EINVAL);
  assert_string_equal(jobsrv_sse_principal(kept), "slow");
  name[128] = '\0';
  assert_ok(jobsrv_sse_set_principal(kept, name));
  assert_err(jobsrv_sse_set_principal(kept, "\xff"), UV_EINVAL);
  assert_string_equal(jobsrv_sse_principal(kept), name);
  jobsrv_sse_decide(kept, JOBSRV_SSE_ALLOW);
  assert_int_equal(answered(), 200);
}

/* ---- headers ---- */

static jobsrv_sse_grant_t add_header(jobsrv_sse_request_t *request,
                                     jobsrv_sse_verb_t verb,
                                     jobsrv_job_t *job,
                                     void *data) {
  char about[JOBSRV_ID_SIZE] = "none";

  (void) data;
  asked++;
  if (job != NULL)
    jobsrv_job_id(job, about);
  assert_ok(jobsrv_sse_add_header(request, "X-Asked", jobsrv_sse_verb_name(
                                                          verb)));
  assert_ok(jobsrv_sse_add_header(request, "X-About", about));
  return JOBSRV_SSE_ALLOW;
}

static size_t count_of(const char *part) {
  size_t n = 0;

  for (const char *at = peer.text; (at = strstr(at, part)) != NULL; at++)
    n++;
  return n;
}

static void headers_for_single_jobs_do_not_pile_up(void **state) {
  jobsrv_job_t *a = fixture_begin(&w.f);
  jobsrv_job_t *b = fixture_begin(&w.f);
  char id_a[JOBSRV_ID_SIZE];
  char id_b[JOBSRV_ID_SIZE];
  char line[200];

  (void) state;
  jobsrv_job_id(a, id_a);
  jobsrv_job_id(b, id_b);
  jobsrv_sse_authorise(w.sse, add_header, NULL);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", "", NULL), 200);
  assert_int_equal(asked, 3);
  assert_int_equal(count_of("\r\nX-Asked: "), 1);
  assert_contains(peer.text, "\r\nX-Asked: list\r\nX-About: none\r\n");
  snprintf(line, sizeof(line), "HEAD /v1/stream?jobs=%s,%s", id_a, id_b);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  assert_int_equal(asked, 5);
  assert_int_equal(count_of("\r\nX-Asked: stream\r\n"), 1);
  assert_int_equal(count_of("\r\nX-About: "), 1);
  assert_contains(peer.text, id_b);
  snprintf(line, sizeof(line), "HEAD /v1/stream?jobs=%s,none", id_a);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 404);
  assert_int_equal(count_of("\r\nX-Asked: "), 1);
}

static void verbs_have_names(void **state) {
  (void) state;
  assert_string_equal(jobsrv_sse_verb_name(JOBSRV_SSE_CREATE), "create");
  assert_string_equal(jobsrv_sse_verb_name(JOBSRV_SSE_METRICS), "metrics");
  assert_string_equal(jobsrv_sse_verb_name(JOBSRV_SSE_VERB_MAX), "unknown");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_job_belongs_to_who_has_made_it),
  CASE(the_hook_is_told_what_is_to_be_made),
  CASE(who_may_not_make_one_learns_nothing),
  CASE(a_job_of_somebody_else_is_not_there),
  CASE(what_may_be_read_may_be_refused_openly),
  CASE(who_cancels_is_said),
  CASE(who_cannot_be_told_is_unauthorized),
  CASE(nobody_is_asked_about_health),
  CASE(a_list_shows_what_may_be_read),
  CASE(a_holder_of_the_key_is_told_to_whom_may_see_it),
  CASE(a_decision_may_come_later),
  CASE(a_stream_may_be_decided_on_later),
  CASE(what_a_list_cannot_wait_for_is_of_no_interest),
  CASE(a_job_may_be_forgotten_meanwhile),
  CASE(a_decision_that_never_comes_is_not_waited_for),
  CASE(a_client_may_leave_before_the_decision),
  CASE(the_hook_may_close_the_transport),
  CASE(a_principal_has_its_bounds),
  CASE(headers_for_single_jobs_do_not_pile_up),
  CASE(verbs_have_names),
};

RUN(tests);
