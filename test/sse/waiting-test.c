/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "sse/hold.h"

/* Rows 10, 43, 65: answers that wait for a job, and answers to one. */

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

/* Sends a request and takes what comes within the turn. */
static void begin(const char *line, const char *fields, const char *body) {
  char text[1000];

  snprintf(text, sizeof(text),
           "%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n%s",
           line, fields, strlen(body), body);
  peer.len = 0;
  peer.text[0] = '\0';
  peer_send(&peer, text);
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
}

static int status(void) {
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  return peer.len > 9 ? atoi(peer.text + 9) : 0;
}

/* ---- ?wait= ---- */

static void a_record_may_be_waited_for(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  begin(line_of("GET", job, "?wait=60"), "", "");
  assert_int_equal(status(), 0);
  fixture_ms(&w.f, 59999);
  assert_int_equal(status(), 0);
  assert_ok(jobsrv_job_complete(job, "7", 1));
  assert_int_equal(status(), 200);
  assert_contains(peer.text, "\"state\":\"completed\"");
  assert_contains(peer.text, "\"result\":7");
}

static void it_comes_as_it_is_when_the_time_is_over(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  begin(line_of("GET", job, "?wait=2"), "", "");
  fixture_ms(&w.f, 1999);
  assert_int_equal(status(), 0);
  fixture_ms(&w.f, 1);
  assert_int_equal(status(), 200);
  assert_contains(peer.text, "\"state\":\"running\"");
}

static void it_comes_at_once_when_the_state_is_another(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  begin(line_of("GET", job, "?wait=9&state=queued"), "", "");
  assert_int_equal(status(), 200);
  begin(line_of("GET", job, "?wait=9&state=running"), "", "");
  assert_int_equal(status(), 0);
  assert_ok(jobsrv_job_suspend(job, "\"more?\"", 7));
  assert_int_equal(status(), 200);
  assert_contains(peer.text, "\"state\":\"suspended\"");
}

static void a_job_that_has_ended_is_not_waited_for(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 3);
  begin(line_of("GET", job, "?wait=9"), "", "");
  assert_int_equal(status(), 200);
  begin(line_of("GET", job, "?wait=9&state=completed"), "", "");
  assert_int_equal(status(), 200);
}

static void several_may_wait_for_one(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  jobsrv_job_t *other = post_job(&w, &peer, "work");
  static peer_t peers[4];

  (void) state;
  for (size_t i = 0; i < 4; i++) {
    char text[400];

    peer_open(&peers[i], w.port);
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
             line_of("GET", i < 3 ? job : other, "?wait=9"));
    peer_send(&peers[i], text);
  }
  run_turns(&w.f.loop, 5);
  peer_close(&peers[1]); /* one leaves, neither the first nor the last */
  run_turns(&w.f.loop, 5);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 5);
  for (size_t i = 0; i < 4; i++) {
    if (i == 1)
      continue;
    peer_recv(&peers[i]);
    assert_int_equal(peers[i].len != 0, i != 3);
    peer_close(&peers[i]);
  }
  run_turns(&w.f.loop, 5);
}

/* In whatever order they come and go. */
static void those_who_break_off_are_not_waited_with(void **state) {
  static peer_t peers[4];
  struct linger at_once = { .l_onoff = 1 };
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  char text[300];

  (void) state;
  snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
           line_of("GET", job, "?wait=60"));
  for (int i = 0; i < 4; i++) {
    peer_open(&peers[i], w.port);
    peer_send(&peers[i], text);
    run_turns(&w.f.loop, 5);
  }
  for (int i = 1; i < 4; i += 2) { /* one between others, and the last */
    assert_int_equal(setsockopt(peers[i].fd, SOL_SOCKET, SO_LINGER, &at_once,
                                sizeof(at_once)), 0);
    peer_close(&peers[i]);
    run_turns(&w.f.loop, 10);
  }
  assert_int_equal(world_stats(&w).connections, 3);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  for (int i = 0; i < 4; i += 2) {
    assert_true(peer_wait(&peers[i], &w.f.loop, "\"completed\"", 5000));
    peer_close(&peers[i]);
  }
}

static void what_is_no_wait_is_refused(void **state) {
  static const char *const queries[] = {
    "?wait=0", "?wait=61", "?wait=", "?wait=x", "?wait=-1", "?wait=1.5",
    "?wait=1000", "?wait=9&state=", "?wait=9&state=none",
  };
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
    ask(&w, &peer, line_of("GET", job, queries[i]), "", NULL);
    assert_problem(&peer, 400, "bad_request");
  }
}

static void a_transport_may_close_while_one_waits(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  begin(line_of("GET", job, "?wait=9"), "", "");
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 5);
}

static void nothing_is_waited_for_past_the_time_for_an_answer(void **state) {
  jobsrv_job_t *job;

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.answer_timeout_ms = 500;
  world_open(&w);
  peer_open(&peer, w.port);
  job = post_job(&w, &peer, "work");
  begin(line_of("GET", job, "?wait=9"), "", "");
  fixture_ms(&w.f, 498);
  assert_int_equal(status(), 0);
  fixture_ms(&w.f, 1);
  assert_int_equal(status(), 200);
}

/* ---- Prefer ---- */

#define WORK "{\"operation\":\"work\"}"

static jobsrv_job_t *newest(void) {
  jobsrv_filter_t filter;
  jobsrv_page_t page = { 0 };
  jobsrv_job_t *job = NULL;

  jobsrv_filter_init(&filter);
  assert_int_equal(jobsrv_list(w.f.srv, &filter, &page, &job, 1), 1);
  return job;
}

static void a_client_may_prefer_to_wait_for_the_end(void **state) {
  (void) state;
  begin("POST /v1/jobs", JSON_TYPE "Prefer: wait=5\r\n", WORK);
  assert_int_equal(status(), 0);
  assert_ok(jobsrv_job_complete(newest(), "\"out\"", 5));
  assert_int_equal(status(), 200);
  assert_contains(peer.text, "\r\nPreference-Applied: wait=5\r\n");
  assert_contains(peer.text, "\r\nLocation: /v1/jobs/job-");
  assert_contains(peer.text, "\"result\":\"out\"");
  assert_contains(peer.text, "\"state\":\"completed\"");
}

static void if_it_takes_longer_the_job_is_accepted(void **state) {
  (void) state;
  begin("POST /v1/jobs", JSON_TYPE "Prefer: wait=5\r\n", WORK);
  fixture_ms(&w.f, 5000);
  assert_int_equal(status(), 202);
  assert_contains(peer.text, "\r\nPreference-Applied: wait=5\r\n");
  assert_contains(peer.text, "{\"job_id\":\"job-");
}

static void preferences_are_read_as_they_may_be_written(void **state) {
  static const struct {
    const char *fields;
    const char *applied; /* NULL: none */
  } cases[] = {
    { "Prefer: wait=1\r\n", "wait=1" },
    { "prefer: respond-async, WAIT = 2\r\n", "wait=2" },
    { "Prefer: respond-async\r\nPrefer: wait=3\r\n", "wait=3" },
    { "Prefer: wait=\"4\"\r\n", "wait=4" },
    { "Prefer: wait=5; x=y, wait=6\r\n", "wait=5" },
    { "Prefer: wait=100\r\n", "wait=60" },
    { "Prefer: wait=99999999999999999999\r\n", "wait=60" },
    { "Prefer: wait\r\n", NULL },
    { "Prefer: wait=0\r\n", NULL },
    { "Prefer: wait=-1\r\n", NULL },
    { "Prefer: wait=1x\r\n", NULL },
    { "Prefer: wait=\"1\r\n", NULL },
    { "Prefer: waits=1\r\n", NULL },
    { "Prefer: \r\n", NULL },
    { "Prefer: ,,\r\n", NULL },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    char fields[200];
    char want[60];

    snprintf(fields, sizeof(fields), JSON_TYPE "%s", cases[i].fields);
    begin("POST /v1/jobs", fields, WORK);
    if (cases[i].applied != NULL)
      fixture_ms(&w.f, 60000);
    if (status() != 202)
      fail_msg("%s: %s", cases[i].fields, peer.text);
    snprintf(want, sizeof(want), "Preference-Applied: %s\r\n",
             cases[i].applied != NULL ? cases[i].applied : "");
    if ((strstr(peer.text, "Preference-Applied") != NULL) !=
            (cases[i].applied != NULL) ||
        (cases[i].applied != NULL && strstr(peer.text, want) == NULL))
      fail_msg("%s: %s", cases[i].fields, peer.text);
    peer_close(&peer);
    peer_open(&peer, w.port);
  }
}

/* ---- answers to a job that asks ---- */

static void a_job_that_asks_is_answered(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  assert_ok(jobsrv_job_suspend(job, "\"many?\"", 7));
  run_turns(&w.f.loop, 3);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, "/answer"), JSON_TYPE,
                       "{\"many\":3}"), 202);
  assert_contains(peer.text, "\"job_id\":");
  run_turns(&w.f.loop, 3);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_string_equal(jobsrv_job_input(job, NULL), "{\"many\":3}");
}

static void an_empty_answer_merely_resumes(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  run_turns(&w.f.loop, 3);
  assert_int_equal(ask(&w, &peer, line_of("POST", job, "/answer"), "", ""),
                   202);
  run_turns(&w.f.loop, 3);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_null(jobsrv_job_input(job, NULL));
}

static void who_does_not_ask_is_not_answered(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  ask(&w, &peer, line_of("POST", job, "/answer"), JSON_TYPE, "1");
  assert_problem(&peer, 409, "conflict");
  assert_ok(jobsrv_job_suspend(job, NULL, 0));
  run_turns(&w.f.loop, 3);
  ask(&w, &peer, line_of("POST", job, "/answer"), JSON_TYPE, "{1}");
  assert_problem(&peer, 400, "bad_json");
  ask(&w, &peer, line_of("POST", job, "/answer"), "", "1");
  assert_problem(&peer, 415, "unsupported_media_type");
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_SUSPENDED);
  ask(&w, &peer, "POST /v1/jobs/job-0/answer", JSON_TYPE, "1");
  assert_problem(&peer, 404, "unknown_job");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_record_may_be_waited_for),
  CASE(it_comes_as_it_is_when_the_time_is_over),
  CASE(it_comes_at_once_when_the_state_is_another),
  CASE(a_job_that_has_ended_is_not_waited_for),
  CASE(several_may_wait_for_one),
  CASE(those_who_break_off_are_not_waited_with),
  CASE(what_is_no_wait_is_refused),
  CASE(a_transport_may_close_while_one_waits),
  CASE(nothing_is_waited_for_past_the_time_for_an_answer),
  CASE(a_client_may_prefer_to_wait_for_the_end),
  CASE(if_it_takes_longer_the_job_is_accepted),
  CASE(preferences_are_read_as_they_may_be_written),
  CASE(a_job_that_asks_is_answered),
  CASE(an_empty_answer_merely_resumes),
  CASE(who_does_not_ask_is_not_answered),
};

RUN(tests);
