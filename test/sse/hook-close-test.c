/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_auth.h"

/* A host whose hooks close the server in the middle of a request. */

static world w;
static peer_t peer;
static int calls;
static int closes_at;
static int grant;

static void shut(void) {
  jobsrv_close(w.f.srv, fixture_on_closed, &w.f);
}

static jobsrv_sse_grant_t closing(jobsrv_sse_request_t *request,
                                  jobsrv_sse_verb_t verb,
                                  jobsrv_job_t *job,
                                  void *data) {
  (void) request;
  (void) verb;
  (void) job;
  (void) data;
  if (++calls == closes_at)
    shut();
  return (jobsrv_sse_grant_t) grant;
}

static const char keyed[] =
    "{\"operation\":\"work\",\"options\":{\"unique_key\":\"k\"}}";

static void run(const char *line, const char *fields, const char *body,
                int nth, jobsrv_sse_grant_t how, int by_id) {
  char text[300];
  char id[JOBSRV_ID_SIZE];

  memset(&w, 0, sizeof(w));
  w.options.all_events = 1;
  world_open(&w);
  peer_open(&peer, w.port);
  for (int i = 0; i < 3; i++)
    assert_int_equal(post(&w, &peer, "{\"operation\":\"work\"}"), 202);
  assert_int_equal(post(&w, &peer, keyed), 202);
  assert_true(peer_job_id(&peer, id));
  snprintf(text, sizeof(text), line, by_id ? id : "");
  calls = 0;
  closes_at = nth;
  grant = (int) how;
  jobsrv_sse_authorise(w.sse, closing, NULL);
  assert_int_equal(ask(&w, &peer, text, fields, body), 0);
  assert_int_equal(calls >= nth, 1);
  peer_close(&peer);
  world_close(&w);
}

static void the_hook_may_close_the_server(void **state) {
  (void) state;
  for (int how = JOBSRV_SSE_DENY; how <= JOBSRV_SSE_UNKNOWN; how++) {
    run("GET /v1/jobs", "", NULL, 1, how, 0);
    run("POST /v1/jobs", JSON_TYPE, "{\"operation\":\"work\"}", 1, how, 0);
    run("GET /v1/jobs/%s", "", NULL, 1, how, 1);
    run("GET /v1/jobs/%s?wait=5", "", NULL, 1, how, 1);
    run("GET /v1/jobs/%s/stream", "", NULL, 1, how, 1);
    run("GET /v1/stream?jobs=%s", "", NULL, 1, how, 1);
    run("GET /v1/events", "", NULL, 1, how, 0);
    run("POST /v1/jobs/%s/cancel", "", "", 1, how, 1);
    run("DELETE /v1/jobs/%s", "", NULL, 1, how, 1);
    run("POST /v1/jobs/%s/answer", JSON_TYPE, "{}", 1, how, 1);
    run("POST /v1/jobs/%s/ticket", JSON_TYPE, "{}", 1, how, 1);
  }
  for (int nth = 2; nth < 5; nth++)
    run("GET /v1/jobs", "", NULL, nth, JOBSRV_SSE_ALLOW, 0);
  run("POST /v1/jobs", JSON_TYPE, keyed, 2, JOBSRV_SSE_ALLOW, 0);
  run("POST /v1/jobs", JSON_TYPE "Prefer: wait=5\r\n",
      "{\"operation\":\"work\"}", 1, JOBSRV_SSE_ALLOW, 0);
  run("POST /v1/jobs/%s/cancel", "", "", 2, JOBSRV_SSE_DENY, 1);
}

/* ---- middleware ---- */

static int at_request, at_response;

static jobsrv_sse_verdict_t on_request(void *self,
                                       jobsrv_sse_request_t *request) {
  (void) self;
  (void) request;
  if (at_request)
    shut();
  return JOBSRV_SSE_NEXT;
}

static void on_response(void *self,
                        jobsrv_sse_request_t *request,
                        int status) {
  (void) self;
  (void) request;
  (void) status;
  if (at_response)
    shut();
}

static void run_link(const char *line, const char *body) {
  static const jobsrv_sse_middleware_t ops = {
    .size = sizeof(ops),
    .request = on_request,
    .response = on_response,
    .for_open = 1,
  };
  char text[300];
  char id[JOBSRV_ID_SIZE];

  memset(&w, 0, sizeof(w));
  at_request ^= 1;
  at_response ^= 1;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(post(&w, &peer, keyed), 202);
  assert_true(peer_job_id(&peer, id));
  snprintf(text, sizeof(text), line, id);
  assert_ok(jobsrv_sse_use(w.sse, &ops, NULL));
  assert_ok(jobsrv_sse_use(w.sse, &ops, NULL));
  assert_int_equal(ask(&w, &peer, text, JSON_TYPE, body), 0);
  peer_close(&peer);
  world_close(&w);
}

static void a_link_may_close_the_server(void **state) {
  (void) state;
  at_response = 1;
  for (int i = 0; i < 2; i++) {
    run_link("GET /v1/jobs%.0s", NULL);
    run_link("GET /v1/jobs%.0s", NULL);
    run_link("GET /health%.0s", NULL);
    run_link("GET /v1/jobs/%s/stream", NULL);
    run_link("GET /v1/jobs/%s/stream", NULL);
    run_link("POST /v1/jobs%.0s", "{\"operation\":\"work\"}");
    run_link("POST /v1/jobs%.0s", "{\"operation\":\"work\"}");
    run_link("POST /v1/jobs%.0s", "{\"oper");
    run_link("POST /v1/jobs%.0s", "{\"oper");
    run_link("GET /nothing%.0s", NULL);
    run_link("GET /nothing%.0s", NULL);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_hook_may_close_the_server),
  cmocka_unit_test(a_link_may_close_the_server),
};

RUN(tests);
