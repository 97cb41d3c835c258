/* SPDX-License-Identifier: MIT */

#include "sse/watcher.h"

#include "jobsrv/sse_auth.h"

/* Row 66: what the host's sinks are told of requests and streams. */

static world w;
static peer_t peer;
static char told[16][2048]; /* of http */
static unsigned int n_told;
static int closes;

static void on_event(void *self, const jobsrv_event_t *event) {
  (void) self;
  if (event->actor == NULL || strcmp(event->actor, "http") != 0)
    return;
  assert_null(event->job_id);
  snprintf(told[n_told++ % 16], sizeof(told[0]), "%.*s",
           (int) event->json_len, event->json);
  if (closes)
    jobsrv_sse_close(w.sse, NULL, NULL);
}

static void listen_at(int level) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops),
                                         .event = on_event };
  jobsrv_sink_options_t options;

  jobsrv_sink_options_init(&options);
  options.level = level;
  assert_ok(jobsrv_sink_add(w.f.srv, &ops, NULL, &options, NULL));
}

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  closes = 0;
  n_told = 0;
  w.options.bearer_token = "s3cret-token";
  w.options.write_stall_ms = 1000;
  w.options.send_buffer = 4096;
  world_open(&w);
  listen_at(0);
  peer_open(&peer, w.port);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

#define TOKEN "Authorization: Bearer s3cret-token\r\n"

static const char *last(void) {
  assert_true(n_told > 0);
  return told[(n_told - 1) % 16];
}

static jobsrv_job_t *make(void) {
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE TOKEN,
                       "{\"operation\":\"work\"}"), 202);
  assert_true(peer_job_id(&peer, id));
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  return job;
}

/* ---- requests ---- */

static void each_request_is_told_of_once(void **state) {
  char want[64];

  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs/x?wait=1", TOKEN
                       "X-Request-Id: r1\r\nX-Correlation-Id: c1\r\n", NULL),
                   404);
  assert_int_equal(n_told, 1);
  assert_contains(last(), "\"level\":\"info\",\"actor\":\"http\","
                          "\"action\":\"access\",\"target\":"
                          "\"/v1/jobs/{id}\"");
  assert_contains(last(), "\"human\":\"GET /v1/jobs/{id} 404\"");
  assert_contains(last(), "\"request_id\":\"r1\"");
  assert_contains(last(), "\"correlation_id\":\"c1\"");
  assert_contains(last(), "\"method\":\"GET\"");
  assert_contains(last(), "\"route\":\"/v1/jobs/{id}\"");
  assert_contains(last(), "\"status\":404");
  assert_contains(last(), "\"peer\":\"127.0.0.1:");
  assert_null(strstr(last(), "principal"));
  snprintf(want, sizeof(want), "\"bytes\":%zu,", peer.len);
  assert_contains(last(), want);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", TOKEN, NULL), 200);
  assert_int_equal(n_told, 2);
}

static void the_time_it_took_is_told(void **state) {
  jobsrv_job_t *job = make();
  char text[400];

  (void) state;
  snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n" TOKEN
           "\r\n", line_of("GET", job, "?wait=9"));
  peer_send(&peer, text);
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 1234);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 5);
  assert_contains(last(), "\"duration_ms\":1234");
}

static jobsrv_sse_grant_t name(jobsrv_sse_request_t *request,
                               jobsrv_sse_verb_t verb,
                               jobsrv_job_t *job,
                               void *data) {
  (void) verb;
  (void) job;
  (void) data;
  assert_ok(jobsrv_sse_set_principal(request, "ann"));
  return JOBSRV_SSE_ALLOW;
}

static void who_asked_is_told_when_it_is_known(void **state) {
  (void) state;
  jobsrv_sse_authorise(w.sse, name, NULL);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", TOKEN, NULL), 200);
  assert_contains(last(), "\"principal\":\"ann\"");
}

#define FORWARDED "X-Forwarded-For: "

static void the_client_behind_a_proxy_is_told(void **state) {
  static const struct {
    const char *headers;
    const char *want; /* NULL: nothing */
  } cases[] = {
    { FORWARDED "192.0.2.7\r\n", "192.0.2.7" },
    { FORWARDED "2001:db8::7\r\n", "2001:db8::7" },
    { FORWARDED "[2001:DB8::7]:4711\r\n", "[2001:DB8::7]:4711" },
    /* what is before the last is of the client's making */
    { FORWARDED "10.9.9.9, 192.0.2.7\r\n", "192.0.2.7" },
    { FORWARDED "10.9.9.9,192.0.2.7 \r\n", "192.0.2.7" },
    { FORWARDED "10.9.9.9\r\n" FORWARDED "192.0.2.7\r\n", "192.0.2.7" },
    { FORWARDED "192.0.2.7\r\n" FORWARDED "secret\r\n", NULL },
    { FORWARDED "192.0.2.7, \r\n", NULL },
    { FORWARDED "unknown\r\n", NULL },
    { FORWARDED "x192.0.2.7\r\n", NULL },
    { FORWARDED "\r\n", NULL },
    { FORWARDED "0000000000000000000000000000000000000000000000000000000000"
                "00000\r\n", "00000000000000000000000000000000000000000000"
                "0000000000000000000" }, /* 63 */
    { FORWARDED "0000000000000000000000000000000000000000000000000000000000"
                "000000\r\n", NULL },
    { "", NULL },
  };
  char headers[400];
  char want[120];

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    snprintf(headers, sizeof(headers), TOKEN "%s", cases[i].headers);
    assert_int_equal(ask(&w, &peer, "GET /v1/jobs", headers, NULL), 200);
    assert_contains(last(), "\"peer\":\"127.0.0.1:");
    if (cases[i].want == NULL) {
      assert_null(strstr(last(), "forwarded_for"));
      continue;
    }
    snprintf(want, sizeof(want), "\"forwarded_for\":\"%s\"",
             cases[i].want);
    assert_contains(last(), want);
  }
}

static void who_asked_and_for_whom_are_told_together(void **state) {
  (void) state;
  jobsrv_sse_authorise(w.sse, name, NULL);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", TOKEN FORWARDED
                       "192.0.2.7\r\n", NULL), 200);
  assert_contains(last(), "\"principal\":\"ann\","
                          "\"forwarded_for\":\"192.0.2.7\"");
}

static void neither_query_nor_header_is_told(void **state) {
  char rest[120];
  jobsrv_job_t *job = make();
  const char *at = strstr(peer.text, "\"ticket\":\"");
  char ticket[49];

  (void) state;
  assert_non_null(at);
  snprintf(ticket, sizeof(ticket), "%s", at + 10);
  snprintf(rest, sizeof(rest), "/stream?ticket=%s", ticket);
  assert_int_equal(ask(&w, &peer, line_of("HEAD", job, rest), "", NULL), 200);
  assert_int_equal(ask(&w, &peer, "GET /v1/hidden?secret=1", TOKEN, NULL),
                   404);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs?tag=secret", TOKEN, NULL),
                   400);
  assert_int_equal(n_told, 4);
  for (unsigned int i = 0; i < n_told; i++) {
    assert_null(strstr(told[i], "s3cret"));
    assert_null(strstr(told[i], "secret"));
    assert_null(strstr(told[i], "hidden"));
    assert_null(strstr(told[i], ticket));
    assert_null(strchr(told[i], '?'));
  }
  assert_contains(told[2], "\"route\":\"-\"");
}

static void what_could_not_be_read_is_told_too(void **state) {
  (void) state;
  assert_int_equal(ask_raw(&w, &peer, "GARBAGE\r\n\r\n"), 400);
  assert_int_equal(n_told, 1);
  assert_contains(last(), "\"method\":\"-\"");
  assert_contains(last(), "\"status\":400");
}

static void looks_at_health_are_told_to_who_wants_detail(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_int_equal(n_told, 0);
}

static void silent(jobsrv_sse_request_t *request, void *data) {
  (void) request;
  (void) data;
}

static void trouble_is_told_as_a_warning(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/forgets";
  route.handler = silent;
  assert_ok(jobsrv_sse_route(w.sse, &route));
  assert_int_equal(ask(&w, &peer, "GET /forgets", TOKEN, NULL), 500);
  assert_contains(last(), "\"level\":\"warn\"");
  assert_contains(last(), "\"status\":500");
}

static void a_sink_may_close_the_transport(void **state) {
  (void) state;
  closes = 1;
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", TOKEN, NULL), 0);
  run_turns(&w.f.loop, 5);
}

static void a_sink_may_close_it_as_a_stream_opens(void **state) {
  jobsrv_job_t *job = make();
  char text[400];

  (void) state;
  closes = 1;
  snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n" TOKEN
           "\r\n", line_of("GET", job, "/stream"));
  assert_int_equal(ask_raw(&w, &peer, text), 0);
}

/* ---- streams ---- */

static void begin_stream(const jobsrv_job_t *job) {
  char text[400];

  snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: localhost\r\n" TOKEN
           "\r\n", line_of("GET", job, "/stream"));
  peer.len = 0;
  peer_send(&peer, text);
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_contains(peer.text, "event: state");
  n_told = 0;
}

static void the_end_of_a_stream_is_told_with_all_it_sent(void **state) {
  jobsrv_job_t *job = make();
  char id[JOBSRV_ID_SIZE];
  char want[JOBSRV_ID_SIZE + 40];
  size_t body;

  (void) state;
  begin_stream(job);
  fixture_ms(&w.f, 77);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_int_equal(n_told, 1);
  assert_contains(last(), "\"action\":\"stream_end\"");
  assert_contains(last(), "\"reason\":\"done\"");
  assert_contains(last(), "\"duration_ms\":77");
  snprintf(want, sizeof(want), "\"target\":\"%s\"", jobsrv_job_id(job, id));
  assert_contains(last(), want);
  body = peer.len - (size_t) (answer_body(&peer) - peer.text);
  snprintf(want, sizeof(want), "\"bytes\":%zu}", body);
  assert_contains(last(), want);
}

static void a_client_that_leaves_is_told(void **state) {
  (void) state;
  begin_stream(make());
  peer_close(&peer);
  run_turns(&w.f.loop, 5);
  peer_open(&peer, w.port);
  assert_int_equal(n_told, 1);
  assert_contains(last(), "\"reason\":\"client_gone\"");
}

static void a_client_that_does_not_read_is_told(void **state) {
  jobsrv_job_t *job = make();
  static char text[30000];

  (void) state;
  begin_stream(job);
  memset(text, 'a', sizeof(text) - 1);
  for (int i = 0; i < 300; i++) {
    assert_ok(jobsrv_narrate(job, "say", "%s", text));
    run_turns(&w.f.loop, 1);
  }
  fixture_ms(&w.f, 1000);
  run_turns(&w.f.loop, 5);
  assert_int_equal(n_told, 1);
  assert_contains(last(), "\"reason\":\"stalled\"");
}

static void a_transport_that_closes_is_told(void **state) {
  (void) state;
  begin_stream(make());
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_int_equal(n_told, 1);
  assert_contains(last(), "\"reason\":\"closed\"");
  run_turns(&w.f.loop, 5);
}

static void details_come_to_a_sink_that_wants_them(void **state) {
  (void) state;
  world_close(&w);
  memset(&w, 0, sizeof(w));
  w.f.options.level = JOBSRV_DEBUG;
  world_open(&w);
  listen_at(JOBSRV_DEBUG);
  peer_close(&peer);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  assert_int_equal(n_told, 1);
  assert_contains(last(), "\"level\":\"debug\"");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(each_request_is_told_of_once),
  CASE(the_time_it_took_is_told),
  CASE(who_asked_is_told_when_it_is_known),
  CASE(the_client_behind_a_proxy_is_told),
  CASE(who_asked_and_for_whom_are_told_together),
  CASE(neither_query_nor_header_is_told),
  CASE(what_could_not_be_read_is_told_too),
  CASE(looks_at_health_are_told_to_who_wants_detail),
  CASE(trouble_is_told_as_a_warning),
  CASE(a_sink_may_close_the_transport),
  CASE(a_sink_may_close_it_as_a_stream_opens),
  CASE(the_end_of_a_stream_is_told_with_all_it_sent),
  CASE(a_client_that_leaves_is_told),
  CASE(a_client_that_does_not_read_is_told),
  CASE(a_transport_that_closes_is_told),
  CASE(details_come_to_a_sink_that_wants_them),
};

RUN(tests);
