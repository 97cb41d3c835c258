/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_route.h"
#include "sse/cors.h"

/* Row 60: pages of other origins. */

static world w;
static peer_t peer;

static const char *const listed[] = { "https://app.example", "null", NULL };
static const char *const any[] = { "https://app.example", "*", NULL };

static void open_with(const char *const *origins, int credentials) {
  memset(&w, 0, sizeof(w));
  w.options.allow_origins = origins;
  w.options.cors_credentials = credentials;
  w.options.bearer_token = "secret";
  world_open(&w);
  peer_open(&peer, w.port);
}

static int setup(void **state) {
  (void) state;
  open_with(listed, 0);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  peer_close(&peer);
  world_close(&w);
  return 0;
}

static jobsrv__span_t span(const char *text) {
  return jobsrv__span(text, text != NULL ? strlen(text) : 0);
}

typedef struct {
  const char *origin;
  const char *host;
  const char *port;
  int is;
} origin_case;

enum {
  FOREIGN = JOBSRV__ORIGIN_FOREIGN,
  SAME = JOBSRV__ORIGIN_SAME,
  LISTED = JOBSRV__ORIGIN_LISTED,
  ANY = JOBSRV__ORIGIN_ANY
};

static void an_origin_must_be_the_host_itself_or_listed(void **state) {
  static char *origins[] = { "https://app.example", "null", NULL };
  static char *star[] = { "*", NULL };
  static const origin_case cases[] = {
    { "http://localhost:7070", "localhost", "7070", SAME },
    { "http://LOCALHOST:7070", "localhost", "7070", SAME },
    { "http://[::1]:7070", "[::1]", "7070", SAME },
    { "http://[::1]", "[::1]", "", SAME },
    { "https://jobs.example", "jobs.example", "", SAME },
    { "https://jobs.example", "jobs.example", "443", SAME },
    { "https://jobs.example:443", "jobs.example", "", SAME },
    { "http://jobs.example", "jobs.example", "80", SAME },
    { "https://app.example", "localhost", "7070", LISTED },
    { "null", "localhost", "7070", LISTED },
    { "http://localhost:7071", "localhost", "7070", FOREIGN },
    { "http://localhost", "localhost", "7070", FOREIGN },
    { "https://jobs.example", "jobs.example", "80", FOREIGN },
    { "http://evil.example", "localhost", "", FOREIGN },
    { "http://evil.example:7070", "localhost", "7070", FOREIGN },
    { "http://localhost.evil.example:7070", "localhost", "7070", FOREIGN },
    { "https://app.example.evil", "localhost", "7070", FOREIGN },
    { "HTTPS://app.example", "localhost", "7070", FOREIGN },
    { "localhost:7070", "localhost", "7070", FOREIGN },
    { "://", "localhost", "", FOREIGN },
    { "http://", "localhost", "", FOREIGN },
    { "", "localhost", "", FOREIGN },
    { "http://localhost", NULL, NULL, FOREIGN },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const origin_case *c = &cases[i];

    if (jobsrv__origin_of(span(c->origin), span(c->host), span(c->port),
                          origins) != (jobsrv__origin_t) c->is)
      fail_msg("%s at %s:%s", c->origin, c->host, c->port);
  }
  assert_int_equal(jobsrv__origin_of(span("null"), span("localhost"),
                                     span(""), NULL), FOREIGN);
  assert_int_equal(jobsrv__origin_of(span("null"), span("localhost"),
                                     span(""), star), ANY);
  assert_int_equal(jobsrv__origin_of(span("http://localhost"),
                                     span("localhost"), span(""), star), SAME);
}

/* ---- plain requests ---- */

#define TOKEN "Authorization: Bearer secret\r\n"
#define APP "Origin: https://app.example\r\n"

static void a_listed_page_may_read_the_answer(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", APP TOKEN, NULL), 200);
  assert_contains(peer.text, "\r\nVary: Origin\r\n");
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: "
                             "https://app.example\r\n");
  assert_contains(peer.text, "\r\nAccess-Control-Expose-Headers: Location, "
                             "Preference-Applied, Retry-After, "
                             "WWW-Authenticate, X-Correlation-Id, "
                             "X-Request-Id\r\n");
  assert_null(strstr(peer.text, "Allow-Credentials"));
}

static void it_may_read_what_goes_wrong_too(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", APP, NULL), 401);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: "
                             "https://app.example\r\n");
  assert_int_equal(ask(&w, &peer, "GET /v1/nowhere", APP TOKEN, NULL), 404);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: ");
}

static void a_page_without_origin_may_be_listed(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", "Origin: null\r\n" TOKEN,
                       NULL), 200);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: null\r\n");
}

static void a_foreign_page_is_refused_by_every_method(void **state) {
  static const char *const lines[] = {
    "GET /v1/jobs", "POST /v1/jobs", "DELETE /v1/jobs/x",
    "OPTIONS /v1/jobs", "PUT /v1/jobs", "GET /health",
  };

  (void) state;
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    ask(&w, &peer, lines[i], "Origin: https://evil.example\r\n" TOKEN
        "Access-Control-Request-Method: POST\r\n", NULL);
    assert_problem(&peer, 403, "forbidden");
    assert_null(strstr(peer.text, "Access-Control-"));
    assert_contains(peer.text, "\r\nVary: Origin\r\n");
  }
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", APP APP TOKEN, NULL), 403);
}

static void our_own_page_needs_no_permission(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs",
                       "Origin: http://localhost\r\n" TOKEN, NULL), 200);
  assert_null(strstr(peer.text, "Access-Control-"));
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", TOKEN, NULL), 200);
  assert_null(strstr(peer.text, "Access-Control-"));
  assert_contains(peer.text, "\r\nVary: Origin\r\n");
}

static void without_a_list_nothing_is_said_of_it(void **state) {
  (void) state;
  teardown(NULL);
  open_with(NULL, 0);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", TOKEN, NULL), 200);
  assert_null(strstr(peer.text, "Vary"));
  assert_null(strstr(peer.text, "Access-Control-"));
}

static void a_stream_says_it_too(void **state) {
  char line[300];
  char id[JOBSRV_ID_SIZE];

  (void) state;
  assert_int_equal(ask(&w, &peer, "POST /v1/jobs", JSON_TYPE APP TOKEN,
                       "{\"operation\":\"work\"}"), 202);
  assert_true(peer_job_id(&peer, id));
  snprintf(line, sizeof(line), "HEAD /v1/jobs/%s/stream", id);
  assert_int_equal(ask(&w, &peer, line, APP TOKEN, NULL), 200);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: "
                             "https://app.example\r\n");
}

/* ---- preflight ---- */

static void a_preflight_needs_no_token(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs",
                       APP "Access-Control-Request-Method: POST\r\n"
                       "Access-Control-Request-Headers: authorization, "
                       "content-type,x-b\r\n", NULL), 204);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: "
                             "https://app.example\r\n");
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Methods: GET, HEAD, "
                             "POST, OPTIONS\r\n");
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Headers: "
                             "authorization, content-type,x-b\r\n");
  assert_contains(peer.text, "\r\nAccess-Control-Max-Age: 600\r\n");
  assert_contains(peer.text, "\r\nVary: Origin\r\n");
  assert_null(strstr(peer.text, "Allow-Private-Network"));
  assert_null(strstr(peer.text, "Expose-Headers"));
}

static void a_public_page_may_reach_into_the_network_when_listed(
    void **state) {
  static const char fields[] =
      APP "Access-Control-Request-Method: GET\r\n"
      "Access-Control-Request-Private-Network: true\r\n";
  static const char other[] =
      "Origin: https://other.example\r\nAccess-Control-Request-Method: GET\r\n"
      "Access-Control-Request-Private-Network: true\r\n";

  (void) state;
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs", fields, NULL), 204);
  assert_contains(peer.text,
                  "\r\nAccess-Control-Allow-Private-Network: true\r\n");
  teardown(NULL);
  open_with(any, 0);
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs", other, NULL), 204);
  assert_null(strstr(peer.text, "Private-Network"));
}

static void headers_that_are_none_are_not_sent_back(void **state) {
  static char fields[1400];

  (void) state;
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs",
                       APP "Access-Control-Request-Method: POST\r\n"
                       "Access-Control-Request-Headers: a\"b\r\n", NULL), 204);
  assert_null(strstr(peer.text, "Allow-Headers"));
  snprintf(fields, sizeof(fields), APP "Access-Control-Request-Method: POST\r\n"
           "Access-Control-Request-Headers: %01025d\r\n", 0);
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs", fields, NULL), 204);
  assert_null(strstr(peer.text, "Allow-Headers"));
}

static void options_alone_is_no_preflight(void **state) {
  (void) state;
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs", APP TOKEN, NULL), 204);
  assert_contains(peer.text, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
  assert_null(strstr(peer.text, "Allow-Methods"));
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs", APP, NULL), 401);
}

static void never(jobsrv_sse_request_t *request, void *data) {
  (void) request;
  (void) data;
  fail();
}

static void the_hosts_routes_are_told_of(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  jobsrv_sse_route_init(&route);
  route.method = "PUT";
  route.pattern = "/files/{name}";
  route.handler = never;
  assert_ok(jobsrv_sse_route(w.sse, &route));
  assert_int_equal(ask(&w, &peer, "OPTIONS /files/x",
                       APP "Access-Control-Request-Method: PUT\r\n", NULL),
                   204);
  assert_contains(peer.text,
                  "\r\nAccess-Control-Allow-Methods: PUT, OPTIONS\r\n");
}

/* ---- settings ---- */

static void all_may_call_without_credentials(void **state) {
  (void) state;
  teardown(NULL);
  open_with(any, 0);
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs",
                       "Origin: https://evil.example\r\n" TOKEN, NULL), 200);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: *\r\n");
  assert_int_equal(ask(&w, &peer, "GET /v1/jobs", APP TOKEN, NULL), 200);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Origin: "
                             "https://app.example\r\n");
}

static void credentials_and_age_are_the_hosts(void **state) {
  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.allow_origins = listed;
  w.options.cors_credentials = 1;
  w.options.cors_max_age_s = 7;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs",
                       APP "Access-Control-Request-Method: POST\r\n", NULL),
                   204);
  assert_contains(peer.text, "\r\nAccess-Control-Allow-Credentials: true\r\n");
  assert_contains(peer.text, "\r\nAccess-Control-Max-Age: 7\r\n");
}

static void what_is_unsafe_or_no_origin_is_refused(void **state) {
  static const char *const entries[] = {
    "", "app.example", "https://", "https://app.example/", "://app.example",
    "https://app.example:1/", "https://a b", "https://\xc3\xa9", "**",
  };
  jobsrv_sse_options_t options;
  jobsrv_sse_t *sse;

  (void) state;
  for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
    const char *const list[] = { entries[i], NULL };

    jobsrv_sse_options_init(&options);
    options.allow_origins = list;
    if (jobsrv_sse_new(&sse, w.f.srv, &options) != UV_EINVAL)
      fail_msg("%s", entries[i]);
  }
  jobsrv_sse_options_init(&options);
  options.allow_origins = any;
  options.cors_credentials = 1;
  assert_err(jobsrv_sse_new(&sse, w.f.srv, &options), UV_EINVAL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(an_origin_must_be_the_host_itself_or_listed),
  CASE(a_listed_page_may_read_the_answer),
  CASE(it_may_read_what_goes_wrong_too),
  CASE(a_page_without_origin_may_be_listed),
  CASE(a_foreign_page_is_refused_by_every_method),
  CASE(our_own_page_needs_no_permission),
  CASE(without_a_list_nothing_is_said_of_it),
  CASE(a_stream_says_it_too),
  CASE(a_preflight_needs_no_token),
  CASE(a_public_page_may_reach_into_the_network_when_listed),
  CASE(headers_that_are_none_are_not_sent_back),
  CASE(options_alone_is_no_preflight),
  CASE(the_hosts_routes_are_told_of),
  CASE(all_may_call_without_credentials),
  CASE(credentials_and_age_are_the_hosts),
  CASE(what_is_unsafe_or_no_origin_is_refused),
};

RUN(tests);
