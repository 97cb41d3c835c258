/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_route.h"

/* Row 67: the host's routes in the library's table, and its middleware. */

static world w;
static peer_t peer;
static jobsrv_sse_request_t *kept; /* to be answered later */
static int gone;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  kept = NULL;
  gone = 0;
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

static int add(const char *method,
               const char *pattern,
               jobsrv_sse_handler_cb handler,
               void *data) {
  jobsrv_sse_route_t route;

  jobsrv_sse_route_init(&route);
  route.method = method;
  route.pattern = pattern;
  route.handler = handler;
  route.data = data;
  return jobsrv_sse_route(w.sse, &route);
}

/* Answers with its name. */
static void named(jobsrv_sse_request_t *request, void *data) {
  assert_ok(jobsrv_sse_respond(request, 200, "text/plain", data,
                               strlen(data)));
}

static void ask_is(const char *line, int status, const char *body) {
  int got = ask(&w, &peer, line, "", NULL);

  if (got != status || (body != NULL && strcmp(answer_body(&peer), body) != 0))
    fail_msg("%s: %d %s", line, got, answer_body(&peer));
}

/* ---- which one it is ---- */

static void the_more_definite_route_wins(void **state) {
  (void) state;
  assert_ok(add("GET", "/*", named, "rest"));
  assert_ok(add("GET", "/files/*", named, "files"));
  assert_ok(add("GET", "/files/{name}", named, "one"));
  assert_ok(add("GET", "/files/{name}/raw", named, "raw"));
  assert_ok(add("GET", "/files/index", named, "index"));
  assert_ok(add("GET", "/{any}/index", named, "any"));
  ask_is("GET /files/index", 200, "index");
  ask_is("GET /files/%69ndex", 200, "index");
  ask_is("GET /files/other", 200, "one");
  ask_is("GET /files/other/raw", 200, "raw");
  ask_is("GET /files/other/cooked", 200, "files");
  ask_is("GET /files/", 200, "files");
  ask_is("GET /files", 200, "rest");
  ask_is("GET /more/index", 200, "any");
  ask_is("GET /", 200, "rest");
  ask_is("GET /a/b/c", 200, "rest");
  ask_is("GET /files/%zz", 404, NULL);
  ask_is("GET /files/a%00b", 404, NULL);
}

static void the_order_of_adding_is_of_no_account(void **state) {
  (void) state;
  assert_ok(add("GET", "/files/index", named, "index"));
  assert_ok(add("GET", "/files/{name}", named, "one"));
  assert_ok(add("GET", "/files/*", named, "files"));
  ask_is("GET /files/index", 200, "index");
  ask_is("GET /files/other", 200, "one");
  ask_is("GET /files/other/raw", 200, "files");
}

static void ours_stay_beside_the_hosts(void **state) {
  (void) state;
  assert_ok(add("GET", "/*", named, "rest"));
  ask_is("GET /health", 200, NULL);
  assert_contains(peer.text, "\"status\":\"ok\"");
  ask_is("GET /v1/jobs", 200, NULL);
  assert_contains(peer.text, "\"jobs\":");
  ask_is("GET /v1/jobs/x", 404, NULL);
  assert_problem(&peer, 404, "unknown_job");
  ask_is("GET /v1/other", 200, "rest");
}

static void what_is_taken_is_refused(void **state) {
  (void) state;
  assert_ok(add("GET", "/files/{name}", named, "one"));
  assert_ok(add("PUT", "/files/{name}", named, "put"));
  assert_err(add("GET", "/files/{other}", named, "two"), JOBSRV_EEXISTS);
  assert_err(add("GET", "/v1/jobs", named, "two"), JOBSRV_EEXISTS);
  assert_err(add("GET", "/v1/jobs/{x}/stream", named, "two"), JOBSRV_EEXISTS);
  assert_err(add("GET", "/health", named, "two"), JOBSRV_EEXISTS);
  ask_is("GET /files/a", 200, "one");
  assert_int_equal(ask(&w, &peer, "PUT /files/a", "", ""), 200);
  assert_string_equal(answer_body(&peer), "put");
}

static void bad_routes_are_refused(void **state) {
  static const char *const patterns[] = {
    "", "a", "*", "/{", "/}", "/a{b}", "/{b}a", "/{}", "/{a b}", "/{a}/{a}",
    "/a b", "/a?b", "/a#b", "/a%62", "/a\n", "/{a", "/a}",
  };
  static const char *const methods[] = { "", "HEAD", "G T", "GET\r\n", "G{" };
  char long_one[600];

  (void) state;
  for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
    if (add("GET", patterns[i], named, "x") != UV_EINVAL)
      fail_msg("pattern %s", patterns[i]);
  for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
    if (add(methods[i], "/a", named, "x") != UV_EINVAL)
      fail_msg("method %s", methods[i]);
  assert_err(add("GET", NULL, named, "x"), UV_EINVAL);
  assert_err(add(NULL, "/a", named, "x"), UV_EINVAL);
  assert_err(add("GET", "/a", NULL, "x"), UV_EINVAL);
  memset(long_one, 'a', sizeof(long_one));
  long_one[0] = '/';
  long_one[512] = '\0';
  assert_ok(add("GET", long_one, named, "x"));
  long_one[512] = 'a';
  long_one[513] = '\0';
  assert_err(add("GET", long_one, named, "x"), UV_EINVAL);
}

static void any_method_may_be_served(void **state) {
  (void) state;
  assert_ok(add("PROPFIND", "/dav/*", named, "dav"));
  assert_ok(add("GET", "/dav/*", named, "get"));
  assert_ok(add("OPTIONS", "/own", named, "own"));
  ask_is("PROPFIND /dav/x", 200, "dav");
  ask_is("DELETE /dav/x", 405, NULL);
  assert_contains(peer.text, "\r\nAllow: PROPFIND, GET, HEAD, OPTIONS\r\n");
  ask_is("OPTIONS /dav/x", 204, NULL);
  assert_contains(peer.text, "\r\nAllow: PROPFIND, GET, HEAD, OPTIONS\r\n");
  ask_is("OPTIONS /own", 200, "own");
  assert_int_equal(ask(&w, &peer, "HEAD /dav/x", "", NULL), 200);
  assert_contains(peer.text, "\r\nContent-Length: 3\r\n");
  assert_string_equal(answer_body(&peer), "");
}

/* ---- what a handler sees ---- */

static void seen(jobsrv_sse_request_t *request, void *data) {
  char name[32];
  char rest[32];
  char query[32];
  char peer_name[64];
  char text[400];
  size_t count;
  jobsrv_sse_text_t field = jobsrv_sse_header(request, "X-Field", &count);
  jobsrv_sse_text_t body = jobsrv_sse_body(request);
  jobsrv_sse_text_t path = jobsrv_sse_path(request);
  jobsrv_sse_text_t method = jobsrv_sse_method(request);
  jobsrv_sse_text_t all = jobsrv_sse_query(request);

  (void) data;
  assert_int_equal(jobsrv_sse_param(request, "name", name, sizeof(name)), 3);
  assert_int_equal(jobsrv_sse_param(request, "*", rest, sizeof(rest)), 5);
  assert_int_equal(jobsrv_sse_query_param(request, "q", query, sizeof(query)),
                   3);
  assert_err(jobsrv_sse_param(request, "other", name, 1), UV_ENOENT);
  assert_err(jobsrv_sse_param(request, "name", text, 3), UV_ENOBUFS);
  assert_err(jobsrv_sse_query_param(request, "none", text, 9), UV_ENOENT);
  assert_null(jobsrv_sse_header(request, "X-None", NULL).data);
  jobsrv_sse_peer(request, peer_name, sizeof(peer_name));
  assert_memory_equal(peer_name, "127.0.0.1:", 10);
  assert_ptr_equal(jobsrv_sse_request_transport(request), w.sse);
  snprintf(text, sizeof(text), "%.*s %.*s %.*s %s %s %s %.*s*%zu %.*s %s %s %s",
           (int) method.len, method.data, (int) path.len, path.data,
           (int) all.len, all.data, name, rest, query, (int) field.len,
           field.data, count, (int) body.len, body.data,
           jobsrv_sse_pattern(request), jobsrv_sse_request_id(request),
           jobsrv_sse_correlation_id(request));
  assert_ok(jobsrv_sse_respond(request, 200, "text/plain", text,
                               strlen(text)));
}

static void a_handler_sees_all_of_its_request(void **state) {
  (void) state;
  assert_ok(add("POST", "/see/{name}/*", seen, NULL));
  assert_int_equal(ask(&w, &peer, "POST /see/a%20b/c/d%2fe?q=x+y&r",
                       "x-fIELD:  one \r\nX-Field: two\r\n"
                       "X-Request-Id: r\r\nX-Correlation-Id: c\r\n",
                       "body"),
                   200);
  assert_string_equal(answer_body(&peer),
                      "POST /see/a%20b/c/d%2fe q=x+y&r a b c/d/e x y one*2 "
                      "body /see/{name}/* r c");
  assert_contains(peer.text, "\r\nX-Request-Id: r\r\n");
}

/* ---- how it answers ---- */

static void answering(jobsrv_sse_request_t *request, void *data) {
  (void) data;
  assert_err(jobsrv_sse_add_header(request, "Bad Name", "x"), UV_EINVAL);
  assert_err(jobsrv_sse_add_header(request, "", "x"), UV_EINVAL);
  assert_err(jobsrv_sse_add_header(request, "X", "a\r\nSet-Cookie: b"),
             UV_EINVAL);
  assert_err(jobsrv_sse_add_header(request, "content-LENGTH", "1"), UV_EINVAL);
  assert_err(jobsrv_sse_add_header(request, "Connection", "close"), UV_EINVAL);
  assert_err(jobsrv_sse_respond(request, 199, NULL, NULL, 0), UV_EINVAL);
  assert_err(jobsrv_sse_respond(request, 600, NULL, NULL, 0), UV_EINVAL);
  assert_err(jobsrv_sse_respond(request, 200, "a\nb", NULL, 0), UV_EINVAL);
  assert_err(jobsrv_sse_problem(request, 399, "code", "x"), UV_EINVAL);
  assert_err(jobsrv_sse_problem(request, 400, "Bad code", "x"), UV_EINVAL);
  assert_ok(jobsrv_sse_add_header(request, "X-One", "1"));
  assert_ok(jobsrv_sse_add_header(request, "X-Two", "\ttwo \xc3\xa9"));
  assert_ok(jobsrv_sse_problem(request, 418, "teapot", "I am \"%d\"\n", 7));
}

static void an_answer_has_what_the_host_adds(void **state) {
  (void) state;
  assert_ok(add("GET", "/tea", answering, NULL));
  ask_is("GET /tea", 418, NULL);
  assert_contains(peer.text, "\r\nX-One: 1\r\nX-Two: \ttwo \xc3\xa9\r\n");
  assert_contains(peer.text, "\"code\":\"teapot\"");
  assert_contains(peer.text, "\"detail\":\"I am \\\"7\\\"\\n\"");
  ask_is("GET /health", 200, NULL);
  assert_null(strstr(peer.text, "X-One"));
}

static void silent(jobsrv_sse_request_t *request, void *data) {
  (void) request;
  (void) data;
}

static void a_handler_that_forgets_is_answered_for(void **state) {
  (void) state;
  assert_ok(add("GET", "/forget", silent, NULL));
  ask_is("GET /forget", 500, NULL);
  assert_problem(&peer, 500, "internal");
  ask_is("GET /health", 200, NULL);
}

static void on_gone(jobsrv_sse_request_t *request, void *data) {
  assert_ptr_equal(request, kept);
  assert_ptr_equal(data, &gone);
  gone++;
}

static void later(jobsrv_sse_request_t *request, void *data) {
  (void) data;
  kept = request;
  jobsrv_sse_answer_later(request, on_gone, &gone);
}

static void an_answer_may_come_later(void **state) {
  answer_wait_t wait = { &peer, 0 };

  (void) state;
  assert_ok(add("GET", "/later", later, NULL));
  peer_send(&peer, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n"
                   "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_int_equal(peer.len, 0);
  assert_non_null(kept);
  assert_ok(jobsrv_sse_respond(kept, 200, NULL, "then", 4));
  assert_true(run_until(&w.f.loop, answer_is_whole, &wait, 5000));
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_contains(peer.text, "\r\n\r\nthenHTTP/1.1 200 OK\r\n");
  assert_int_equal(gone, 0);
}

static void a_client_that_leaves_is_told(void **state) {
  (void) state;
  assert_ok(add("GET", "/later", later, NULL));
  peer_send(&peer, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_int_equal(gone, 1);
  run_turns(&w.f.loop, 5);
}

static void an_answer_does_not_come_never(void **state) {
  answer_wait_t wait = { &peer, 0 };

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.answer_timeout_ms = 700;
  world_open(&w);
  peer_open(&peer, w.port);
  assert_ok(add("GET", "/later", later, NULL));
  peer_send(&peer, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 699);
  assert_int_equal(gone, 0);
  fixture_ms(&w.f, 1);
  assert_int_equal(gone, 1);
  assert_true(run_until(&w.f.loop, answer_is_whole, &wait, 5000));
  assert_problem(&peer, 503, "timeout");
  ask_is("GET /health", 200, NULL);
}

static void two_minutes_are_allowed_unless_told(void **state) {
  (void) state;
  assert_ok(add("GET", "/later", later, NULL));
  peer_send(&peer, "GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 119999);
  assert_int_equal(gone, 0);
  fixture_ms(&w.f, 1);
  assert_int_equal(gone, 1);
}

/* ---- the head ---- */

static int no_more_than_ten(jobsrv_sse_request_t *request, void *data) {
  jobsrv_sse_text_t length = jobsrv_sse_header(request, "content-length",
                                               NULL);

  (void) data;
  assert_int_equal(jobsrv_sse_body(request).len, 0);
  if (length.data != NULL && length.len < 2)
    return 1;
  assert_ok(jobsrv_sse_problem(request, 413, "too_much", "no more than ten"));
  return 0;
}

static void a_route_may_refuse_by_the_head(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  jobsrv_sse_route_init(&route);
  route.method = "POST";
  route.pattern = "/small";
  route.handler = named;
  route.data = "small";
  route.head = no_more_than_ten;
  assert_ok(jobsrv_sse_route(w.sse, &route));
  assert_int_equal(ask(&w, &peer, "POST /small", "", "123456789"), 200);
  assert_int_equal(ask(&w, &peer, "POST /small", "", "1234567890"), 413);
  assert_int_equal(ask(&w, &peer, "POST /small", "", "1"), 200);
}

/* A server that asks for a token, but for one route. */
static void open_for_get(const char *pattern) {
  jobsrv_sse_route_t route;

  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options.bearer_token = "secret";
  world_open(&w);
  peer_open(&peer, w.port);
  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = pattern;
  route.handler = named;
  route.data = "open";
  route.is_open = 1;
  assert_ok(jobsrv_sse_route(w.sse, &route));
}

static void an_open_route_asks_for_no_token(void **state) {
  (void) state;
  open_for_get("/open");
  assert_ok(add("GET", "/closed", named, "closed"));
  ask_is("GET /open", 200, "open");
  ask_is("GET /closed", 401, NULL);
  assert_int_equal(ask_raw(&w, &peer,
                           "GET /open HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
                   200);
}

static void open_is_each_method_by_itself(void **state) {
  (void) state;
  open_for_get("/hooks/{name}");
  assert_ok(add("POST", "/hooks/{name}", named, "same path"));
  assert_ok(add("DELETE", "/hooks/*", named, "more paths"));
  ask_is("GET /hooks/a", 200, "open");
  ask_is("POST /hooks/a", 401, NULL);
  ask_is("DELETE /hooks/a", 401, NULL);
  ask_is("PUT /hooks/a", 405, NULL); /* which is no secret there */
  ask_is("PUT /hooks/a/b", 401, NULL);
}

/* ---- middleware ---- */

typedef struct {
  const char *name;
  jobsrv_sse_verdict_t verdict;
  int requests;
  int closed;
} link_t;

static char order[64];

static jobsrv_sse_verdict_t on_request(void *self,
                                       jobsrv_sse_request_t *request) {
  link_t *mine = self;

  mine->requests++;
  strcat(order, mine->name);
  if (mine->verdict == JOBSRV_SSE_LATER) {
    kept = request;
    jobsrv_sse_answer_later(request, on_gone, &gone);
  } else if (mine->verdict == JOBSRV_SSE_ANSWERED) {
    assert_ok(jobsrv_sse_problem(request, 402, "pay", "first"));
  }
  return mine->verdict;
}

static void on_response(void *self,
                        jobsrv_sse_request_t *request,
                        int status) {
  link_t *mine = self;
  char value[32];

  snprintf(value, sizeof(value), "%s%d", mine->name, status);
  assert_ok(jobsrv_sse_add_header(request, "X-Chain", value));
}

static void on_close(void *self) {
  link_t *mine = self;

  mine->closed++;
}

static void use(link_t *mine, int for_open) {
  jobsrv_sse_middleware_t ops = {
    .size = sizeof(ops),
    .request = on_request,
    .response = on_response,
    .close = on_close,
    .for_open = for_open,
  };

  assert_ok(jobsrv_sse_use(w.sse, &ops, mine));
}

static void links_are_passed_in_order(void **state) {
  static link_t a = { "a", JOBSRV_SSE_NEXT, 0, 0 };
  static link_t b = { "b", JOBSRV_SSE_NEXT, 0, 0 };

  (void) state;
  order[0] = '\0';
  use(&a, 0);
  use(&b, 1);
  ask_is("GET /v1/jobs", 200, NULL);
  assert_string_equal(order, "ab");
  assert_contains(peer.text, "\r\nX-Chain: a200\r\nX-Chain: b200\r\n");
  ask_is("GET /nowhere", 404, NULL);
  assert_string_equal(order, "abab");
  assert_contains(peer.text, "\r\nX-Chain: a404\r\nX-Chain: b404\r\n");
  ask_is("GET /health", 200, NULL); /* open: only for who wants those too */
  assert_string_equal(order, "ababb");
  world_close(&w);
  assert_int_equal(a.closed, 1);
  assert_int_equal(b.closed, 1);
  world_open(&w);
}

static void a_request_without_fields_is_answered_through_links(void **state) {
  static link_t a = { "a", JOBSRV_SSE_NEXT, 0, 0 };

  (void) state;
  use(&a, 0);
  assert_int_equal(ask_raw(&w, &peer, "GET /health HTTP/1.0\r\n\r\n"), 200);
  assert_contains(peer.text, "\r\nX-Chain: a200\r\n");
}

static void a_link_may_answer(void **state) {
  static link_t a = { "a", JOBSRV_SSE_ANSWERED, 0, 0 };
  static link_t b = { "b", JOBSRV_SSE_NEXT, 0, 0 };

  (void) state;
  order[0] = '\0';
  use(&a, 0);
  use(&b, 0);
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\"}"), 402);
  assert_problem(&peer, 402, "pay");
  assert_string_equal(order, "a");
  assert_contains(peer.text, "X-Chain: b402");
  assert_int_equal(fixture_stats(&w.f).created, 0);
}

static void a_link_may_take_its_time(void **state) {
  static link_t a = { "a", JOBSRV_SSE_LATER, 0, 0 };
  static link_t b = { "b", JOBSRV_SSE_NEXT, 0, 0 };
  answer_wait_t wait = { &peer, 0 };

  (void) state;
  order[0] = '\0';
  use(&a, 0);
  use(&b, 0);
  peer_send(&peer, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
                   "Expect: 100-continue\r\nContent-Length: 20\r\n\r\n");
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_int_equal(peer.len, 0); /* not even asked to go on */
  assert_string_equal(order, "a");
  jobsrv_sse_next(kept);
  assert_string_equal(order, "ab");
  run_turns(&w.f.loop, 5);
  peer_recv(&peer);
  assert_contains(peer.text, "HTTP/1.1 100 Continue\r\n\r\n");
  peer.len = 0;
  peer.text[0] = '\0';
  peer_send(&peer, "{\"operation\":\"work\"}");
  assert_true(run_until(&w.f.loop, answer_is_whole, &wait, 5000));
  assert_int_equal(atoi(peer.text + 9), 202);
  assert_int_equal(gone, 0);
}

static void a_link_that_takes_too_long_is_not_waited_for(void **state) {
  static link_t a = { "a", JOBSRV_SSE_LATER, 0, 0 };
  answer_wait_t wait = { &peer, 0 };

  (void) state;
  use(&a, 0);
  peer_send(&peer, "GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  fixture_ms(&w.f, 120000);
  assert_int_equal(gone, 1);
  assert_true(run_until(&w.f.loop, answer_is_whole, &wait, 5000));
  assert_problem(&peer, 503, "timeout");
}

static void a_link_sees_what_was_found(void **state) {
  static link_t a = { "a", JOBSRV_SSE_LATER, 0, 0 };

  (void) state;
  use(&a, 0);
  peer_send(&peer, "GET /v1/jobs/x/stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  run_turns(&w.f.loop, 5);
  assert_string_equal(jobsrv_sse_pattern(kept), "/v1/jobs/{id}/stream");
  assert_ok(jobsrv_sse_respond(kept, 204, NULL, NULL, 0));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(the_more_definite_route_wins),
  CASE(the_order_of_adding_is_of_no_account),
  CASE(ours_stay_beside_the_hosts),
  CASE(what_is_taken_is_refused),
  CASE(bad_routes_are_refused),
  CASE(any_method_may_be_served),
  CASE(a_handler_sees_all_of_its_request),
  CASE(an_answer_has_what_the_host_adds),
  CASE(a_handler_that_forgets_is_answered_for),
  CASE(an_answer_may_come_later),
  CASE(a_client_that_leaves_is_told),
  CASE(an_answer_does_not_come_never),
  CASE(two_minutes_are_allowed_unless_told),
  CASE(a_route_may_refuse_by_the_head),
  CASE(an_open_route_asks_for_no_token),
  CASE(open_is_each_method_by_itself),
  CASE(links_are_passed_in_order),
  CASE(a_request_without_fields_is_answered_through_links),
  CASE(a_link_may_answer),
  CASE(a_link_may_take_its_time),
  CASE(a_link_that_takes_too_long_is_not_waited_for),
  CASE(a_link_sees_what_was_found),
};

RUN(tests);
