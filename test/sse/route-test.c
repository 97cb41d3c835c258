/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

/* Which path leads where, who may take it, and when no more. */

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

/* ---- paths and methods ---- */

static void a_path_that_leads_nowhere_is_not_found(void **state) {
  static const char *const lines[] = {
    "GET /", "GET /v1", "GET /v1/", "GET /v1/jobs/", "GET /v2/jobs",
    "GET /jobs", "POST /v1/jobsx", "GET /v1/jobs/a/b", "GET /v1//jobs",
    "GET /v1/jobs/a/stream/", "GET /health/", "GET /v1/health",
    "GET /v1/jobs/%zz", "GET /v1/jobs/%00", "GET //v1/jobs",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    int status = ask(&w, &peer, lines[i], "", NULL);

    if (status != 404)
      fail_msg("%s: %d", lines[i], status);
  }
  ask(&w, &peer, "GET /", "", NULL);
  assert_problem(&peer, 404, "not_found");
}

static void a_path_may_be_spelled_in_escapes(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  char line[200];
  char id[JOBSRV_ID_SIZE];

  (void) state;
  jobsrv_job_id(job, id);
  snprintf(line, sizeof(line), "GET /%%76%%31/job%%73/%%6a%s", id + 1);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  snprintf(line, sizeof(line), "GET /v1/jobs%%2f%s", id);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 404);
}

static void another_method_is_told_what_is_allowed(void **state) {
  (void) state;
  ask(&w, &peer, "DELETE /v1/jobs", "", NULL);
  assert_problem(&peer, 405, "method_not_allowed");
  assert_contains(peer.text, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
  ask(&w, &peer, "PUT /v1/jobs/x", "", "");
  assert_problem(&peer, 405, "method_not_allowed");
  assert_contains(peer.text, "\r\nAllow: GET, HEAD, DELETE, OPTIONS\r\n");
  ask(&w, &peer, "POST /health", "", "");
  assert_problem(&peer, 405, "method_not_allowed");
  ask(&w, &peer, "PATCH /v1/jobs/x/cancel", "", "");
  assert_problem(&peer, 405, "method_not_allowed");
  assert_contains(peer.text, "\r\nAllow: POST, OPTIONS\r\n");
}

static void options_says_what_is_allowed(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs/x/stream", "", NULL), 204);
  assert_contains(peer.text, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
  assert_int_equal(ask(&w, &peer, "OPTIONS *", "", NULL), 204);
  assert_contains(peer.text, "\r\nAllow: GET, HEAD, POST, DELETE, OPTIONS\r\n");
  assert_int_equal(ask(&w, &peer, "OPTIONS /nowhere", "", NULL), 404);
}

static void head_is_get_without_the_body(void **state) {
  static const char *const paths[] = { "/health", "/ready", "/v1/jobs/x",
                                       "/nowhere" };
  static char head[4000];

  (void) state;
  for (size_t i = 0; i < 4; i++) {
    char line[100];
    char *end;

    snprintf(line, sizeof(line), "GET %s", paths[i]);
    ask(&w, &peer, line, "X-Request-Id: a\r\nX-Correlation-Id: b\r\n", NULL);
    end = strstr(peer.text, "\r\n\r\n") + 4;
    snprintf(head, sizeof(head), "%.*s", (int) (end - peer.text), peer.text);
    snprintf(line, sizeof(line), "HEAD %s", paths[i]);
    ask(&w, &peer, line, "X-Request-Id: a\r\nX-Correlation-Id: b\r\n", NULL);
    run_turns(&w.f.loop, 2);
    peer_recv(&peer);
    assert_string_equal(peer.text, head);
  }
}

static void the_prefix_is_the_hosts(void **state) {
  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.prefix = "/api/jobs~1";
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "POST /api/jobs~1/jobs", JSON_TYPE,
                       "{\"operation\":\"work\"}"),
                   202);
  assert_contains(peer.text, "\r\nLocation: /api/jobs~1/jobs/job-");
  assert_contains(peer.text, "\"sse_url\":\"/api/jobs~1/jobs/job-");
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\"}"), 404);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
}

static void bad_settings_are_refused(void **state) {
  static const char *const prefixes[] = {
    "", "/", "v1", "/v1/", "/a//b", "/a b", "/a?b", "/a%62", "/a\"",
    "/\xc3\xa9",
  };
  jobsrv_sse_options_t options;
  jobsrv_sse_t *sse;

  (void) state;
  for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
    jobsrv_sse_options_init(&options);
    options.prefix = prefixes[i];
    assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  }
  jobsrv_sse_options_init(&options);
  options.retry_ms = 999;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.retry_ms = 60001;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.retry_ms = 0;
  options.max_json_depth = 1025;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.max_json_depth = 0;
  options.bearer_token = "";
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.bearer_token = "a b";
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
  options.bearer_token = NULL;
  options.size = 8;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), JOBSRV_EOPTIONS);
}

/* ---- who may call ---- */

static void a_name_that_is_not_ours_is_misdirected(void **state) {
  (void) state;
  ask_raw(&w, &peer, "GET /v1/jobs/x HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  assert_problem(&peer, 421, "misdirected");
  ask_raw(&w, &peer, "GET /nowhere HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  assert_problem(&peer, 421, "misdirected");
  assert_int_equal(
      ask_raw(&w, &peer, "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
      200);
  assert_int_equal(
      ask_raw(&w, &peer, "GET /ready HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
      200);
  assert_int_equal(ask_raw(&w, &peer,
                           "GET /v1/jobs/x HTTP/1.1\r\nHost: [::1]:9\r\n\r\n"),
                   404);
}

static void names_and_origins_may_be_added(void **state) {
  static const char *const hosts[] = { "jobs.example", NULL };
  static const char *const origins[] = { "https://app.example", NULL };

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.allow_hosts = hosts;
  w.options.allow_origins = origins;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(
      ask_raw(&w, &peer, "GET /v1/jobs/x HTTP/1.1\r\nHost: JOBS.example:1\r\n"
                         "Origin: https://app.example\r\n\r\n"),
      404);
}

static void a_foreign_origin_is_forbidden(void **state) {
  (void) state;
  ask(&w, &peer, "POST /v1/jobs", JSON_TYPE "Origin: http://evil.example\r\n",
      "{\"operation\":\"work\"}");
  assert_problem(&peer, 403, "forbidden");
  ask(&w, &peer, "GET /health", "Origin: null\r\n", NULL);
  assert_problem(&peer, 403, "forbidden");
  ask(&w, &peer, "GET /health", "Origin: a\r\nOrigin: a\r\n", NULL);
  assert_problem(&peer, 403, "forbidden");
  assert_int_equal(
      ask(&w, &peer, "GET /health", "Origin: http://localhost\r\n", NULL), 200);
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

static void a_token_is_asked_for(void **state) {
  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.bearer_token = "open-sesame";
  world_open(&w);
  peer_open(&peer, w.port);
  post(&w, &peer, "{\"operation\":\"work\"}");
  assert_problem(&peer, 401, "unauthorized");
  assert_contains(peer.text, "\r\nWWW-Authenticate: Bearer\r\n");
  ask(&w, &peer, "GET /nowhere", "Authorization: Bearer open-sesam\r\n", NULL);
  assert_problem(&peer, 401, "unauthorized");
  ask(&w, &peer, "GET /nowhere", "Authorization: Basic open-sesame\r\n", NULL);
  assert_problem(&peer, 401, "unauthorized");
  ask(&w, &peer, "GET /nowhere",
      "Authorization: Bearer open-sesame\r\n"
      "Authorization: Bearer open-sesame\r\n", NULL);
  assert_problem(&peer, 401, "unauthorized");
  assert_int_equal(ask(&w, &peer, "GET /nowhere",
                       "authorization: bearer  open-sesame\r\n", NULL), 404);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_int_equal(ask(&w, &peer, "GET /ready", "", NULL), 200);
}

/* ---- ids of requests ---- */

static const char *field(const char *name, char to[200]) {
  const char *at = strstr(peer.text, name);

  assert_non_null(at);
  at += strlen(name);
  snprintf(to, 200, "%.*s", (int) strcspn(at, "\r"), at);
  return to;
}

static void ids_are_taken_or_made_and_go_with_the_job(void **state) {
  char made[200];
  char again[200];
  char line[400];
  jobsrv_job_info_t info;

  (void) state;
  ask(&w, &peer, "GET /health", "", NULL);
  assert_int_equal(strlen(field("\r\nX-Request-Id: ", made)), 32);
  ask(&w, &peer, "GET /health", "", NULL);
  assert_string_not_equal(field("\r\nX-Request-Id: ", again), made);
  assert_int_equal(strlen(field("\r\nX-Correlation-Id: ", again)), 32);

  assert_int_equal(ask(&w, &peer, "POST /v1/jobs",
                       JSON_TYPE "X-Request-Id: r~1\r\n"
                                 "X-Correlation-Id: c!\r\n",
                       "{\"operation\":\"work\"}"),
                   202);
  assert_string_equal(field("\r\nX-Request-Id: ", made), "r~1");
  assert_string_equal(field("\r\nX-Correlation-Id: ", made), "c!");
  {
    char id[JOBSRV_ID_SIZE];
    jobsrv_job_t *job;

    assert_true(peer_job_id(&peer, id));
    assert_ok(jobsrv_find(w.f.srv, id, &job));
    info = fixture_info(job);
  }
  assert_string_equal(info.request_id, "r~1");
  assert_string_equal(info.correlation_id, "c!");

  snprintf(line, sizeof(line), "X-Request-Id: %0128d\r\n", 1);
  ask(&w, &peer, "GET /health", line, NULL);
  assert_int_equal(strlen(field("\r\nX-Request-Id: ", made)), 128);
  snprintf(line, sizeof(line), "X-Request-Id: %0129d\r\n", 1);
  ask(&w, &peer, "GET /health", line, NULL);
  assert_int_equal(strlen(field("\r\nX-Request-Id: ", made)), 32);
  ask(&w, &peer, "GET /health", "X-Request-Id: a b\r\n", NULL);
  assert_int_equal(strlen(field("\r\nX-Request-Id: ", made)), 32);
  ask(&w, &peer, "GET /health", "X-Request-Id: a\r\nX-Request-Id: b\r\n", NULL);
  assert_int_equal(strlen(field("\r\nX-Request-Id: ", made)), 32);
}

/* ---- health, drain, close ---- */

static void health_names_version_and_boot(void **state) {
  char want[100];

  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  snprintf(want, sizeof(want),
           "{\"status\":\"ok\",\"version\":\"%s\",\"boot\":\"%s\"}",
           jobsrv_version_string(), jobsrv_boot(w.f.srv));
  assert_string_equal(answer_body(&peer), want);
  assert_int_equal(ask(&w, &peer, "GET /ready", "", NULL), 200);
  assert_string_equal(answer_body(&peer), "{\"status\":\"ready\"}");
}

static void a_draining_server_refuses_work_and_is_not_ready(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");

  (void) state;
  run_turns(&w.f.loop, 3);
  assert_ok(jobsrv_drain(w.f.srv, 60000, NULL, NULL));
  run_turns(&w.f.loop, 3);
  post(&w, &peer, "{\"operation\":\"work\"}");
  assert_problem(&peer, 503, "draining");
  ask(&w, &peer, "GET /ready", "", NULL);
  assert_problem(&peer, 503, "draining");
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), "", NULL), 200);
  assert_contains(peer.text, "\"cancel_requested\":true");
  assert_err(jobsrv_sse_listen(w.sse, "127.0.0.1:0"), JOBSRV_EDRAINING);
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static int flag_is_set(void *data) {
  return *(int *) data;
}

static void a_drain_closes_idle_connections_and_listeners(void **state) {
  int drained = 0;
  peer_t *late = malloc(sizeof(*late));

  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_ok(jobsrv_drain(w.f.srv, 1000, on_drained, &drained));
  run_turns(&w.f.loop, 5);
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 2000));
  peer_close(&peer);
  assert_true(run_until(&w.f.loop, flag_is_set, &drained, 2000));
  {
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t) w.port) };

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    late->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_not_equal(
        connect(late->fd, (struct sockaddr *) &to, sizeof(to)), 0);
    close(late->fd);
  }
  free(late);
  peer.fd = dup(0);
}

static int close_in_check(const char *payload,
                          size_t len,
                          jobsrv_mistake_t *mistake,
                          void *data) {
  (void) payload;
  (void) len;
  (void) mistake;
  jobsrv_sse_close(*(jobsrv_sse_t **) data, NULL, NULL);
  return 0;
}

static void a_check_may_close_the_transport(void **state) {
  jobsrv_operation_t op;

  (void) state;
  jobsrv_operation_init(&op);
  op.name = "closer";
  op.start = fixture_start;
  op.check = close_in_check;
  op.data = &w.sse;
  op.expose = 1;
  assert_ok(jobsrv_operation_add(w.f.srv, &op));
  peer.len = 0;
  peer_post(&peer, "{\"operation\":\"closer\"}");
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 2000));
  assert_int_equal(peer.len, 0);
  run_turns(&w.f.loop, 5);
  assert_int_equal(fixture_stats(&w.f).created, 1);
}

static void on_hook(jobsrv_hook_t *hook,
                    jobsrv_job_t *job,
                    jobsrv_state_t from,
                    jobsrv_state_t to) {
  (void) job;
  if (from == to && from == JOBSRV_STATE_RUNNING)
    jobsrv_close(hook->data, NULL, NULL);
}

static void a_hook_may_close_the_server(void **state) {
  jobsrv_job_t *job = post_job(&w, &peer, "work");
  jobsrv_hook_t hook = { .data = w.f.srv };
  char request[200];

  (void) state;
  run_turns(&w.f.loop, 3);
  jobsrv_hook_add(w.f.srv, &hook, on_hook);
  snprintf(request, sizeof(request),
           "%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
           line_of("DELETE", job, ""));
  peer.len = 0;
  peer_send(&peer, request);
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 2000));
  run_turns(&w.f.loop, 5);
  w.f.closed = 1;
}

static void on_sse_closed(jobsrv_sse_t *sse, void *data) {
  (void) sse;
  *(int *) data = 1;
}

static void a_transport_that_never_listened_can_be_closed(void **state) {
  jobsrv_sse_t *sse;
  int closed = 0;

  (void) state;
  assert_ok(jobsrv_sse_new(&sse, w.f.srv, NULL));
  jobsrv_sse_close(sse, on_sse_closed, &closed);
  assert_true(run_until(&w.f.loop, flag_is_set, &closed, 1000));
}

static void a_transport_says_where_it_listens(void **state) {
  char text[64];
  char want[64];

  (void) state;
  snprintf(want, sizeof(want), "http://127.0.0.1:%d", w.port);
  assert_ok(jobsrv_sse_address(w.sse, 0, text, sizeof(text)));
  assert_string_equal(text, want);
  assert_err(jobsrv_sse_address(w.sse, 1, text, sizeof(text)), UV_ENOENT);
  assert_err(jobsrv_sse_address(w.sse, 0, text, 5), UV_ENOBUFS);
  assert_int_equal(jobsrv_sse_port(w.sse, 1), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_path_that_leads_nowhere_is_not_found),
  CASE(a_path_may_be_spelled_in_escapes),
  CASE(another_method_is_told_what_is_allowed),
  CASE(options_says_what_is_allowed),
  CASE(head_is_get_without_the_body),
  CASE(the_prefix_is_the_hosts),
  CASE(bad_settings_are_refused),
  CASE(a_name_that_is_not_ours_is_misdirected),
  CASE(names_and_origins_may_be_added),
  CASE(a_foreign_origin_is_forbidden),
  CASE(a_token_is_asked_for),
  CASE(ids_are_taken_or_made_and_go_with_the_job),
  CASE(health_names_version_and_boot),
  CASE(a_draining_server_refuses_work_and_is_not_ready),
  CASE(a_drain_closes_idle_connections_and_listeners),
  CASE(a_check_may_close_the_transport),
  CASE(a_hook_may_close_the_server),
  CASE(a_transport_that_never_listened_can_be_closed),
  CASE(a_transport_says_where_it_listens),
};

RUN(tests);
