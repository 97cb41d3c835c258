/* SPDX-License-Identifier: MIT */

#include "narration/schema.h"
#include "sse/watcher.h"

#include "jobsrv/sse_auth.h"

#include <jansson.h>

/* The document of what is served, and that it is what is served. */

static world w;
static peer_t peer;
static json_t *doc;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  doc = NULL;
  world_open(&w);
  peer_open(&peer, w.port);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  json_decref(doc);
  peer_close(&peer);
  world_close(&w);
  return 0;
}

/* With these options in the place of none. */
static void open_again(const jobsrv_sse_options_t *options) {
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  w.options = *options;
  doc = NULL;
  world_open(&w);
  peer_open(&peer, w.port);
}

static void fetch(const char *fields) {
  assert_int_equal(ask(&w, &peer, "GET /v1/openapi.json", fields, NULL), 200);
  assert_contains(peer.text, "\r\nContent-Type: application/json\r\n");
  json_decref(doc);
  doc = json_loads(answer_body(&peer), JSON_REJECT_DUPLICATES, NULL);
  assert_non_null(doc);
}

/* What is at "a b c" of the document, or NULL. */
static json_t *at(json_t *from, const char *path) {
  char name[64];

  while (from != NULL && *path != '\0') {
    size_t len = strcspn(path, " ");

    snprintf(name, sizeof(name), "%.*s", (int) len, path);
    from = json_object_get(from, name);
    path += len + (path[len] == ' ');
  }
  return from;
}

static json_t *path_of(const char *pattern) {
  return json_object_get(json_object_get(doc, "paths"), pattern);
}

static const char *text_at(json_t *from, const char *path) {
  const char *text = json_string_value(at(from, path));

  return text != NULL ? text : "";
}

static void answer_ok(jobsrv_sse_request_t *request, void *data) {
  (void) data;
  assert_ok(jobsrv_sse_respond(request, 200, "text/plain", "ok\n", 3));
}

static void add(const char *method, const char *pattern, const char *summary) {
  jobsrv_sse_route_t route;

  jobsrv_sse_route_init(&route);
  route.method = method;
  route.pattern = pattern;
  route.handler = answer_ok;
  route.summary = summary;
  assert_ok(jobsrv_sse_route(w.sse, &route));
}

/* ---- what is in it ---- */

static void all_that_is_served_is_in_it(void **state) {
  static const struct {
    const char *pattern;
    const char *methods;
  } routes[] = {
    { "/v1/jobs", "get post" },
    { "/v1/jobs/{id}", "get delete" },
    { "/v1/jobs/{id}/stream", "get" },
    { "/v1/jobs/{id}/events", "get" },
    { "/v1/jobs/{id}/cancel", "post" },
    { "/v1/jobs/{id}/answer", "post" },
    { "/v1/jobs/{id}/ticket", "post" },
    { "/v1/stream", "get" },
    { "/v1/openapi.json", "get" },
    { "/health", "get" },
    { "/ready", "get" },
  };

  (void) state;
  fetch("");
  assert_string_equal(text_at(doc, "openapi"), "3.1.0");
  assert_string_equal(text_at(doc, "info version"), jobsrv_version_string());
  for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
    const char *method = routes[i].methods;
    json_t *item = path_of(routes[i].pattern);
    size_t n = 1; /* for the parameters */

    for (; *method != '\0'; n++) {
      char name[16];
      size_t len = strcspn(method, " ");

      snprintf(name, sizeof(name), "%.*s", (int) len, method);
      if (*text_at(at(item, name), "operationId") == '\0' ||
          *text_at(at(item, name), "summary") == '\0')
        fail_msg("%s %s", name, routes[i].pattern);
      method += len + (method[len] == ' ');
    }
    assert_int_equal(json_object_size(item), n);
  }
  assert_int_equal(json_object_size(json_object_get(doc, "paths")),
                   sizeof(routes) / sizeof(routes[0]));
}

static void what_is_off_is_not_in_it(void **state) {
  jobsrv_sse_options_t options;

  (void) state;
  fetch("");
  assert_null(path_of("/metrics"));
  assert_null(path_of("/v1/events"));
  jobsrv_sse_options_init(&options);
  options.metrics = 1;
  options.all_events = 1;
  open_again(&options);
  fetch("");
  assert_non_null(path_of("/metrics"));
  assert_string_equal(text_at(path_of("/v1/events"), "get operationId"),
                      "streamAll");
  assert_string_equal(text_at(path_of("/metrics"), "get operationId"),
                      "getMetrics");
}

static void it_knows_the_prefix(void **state) {
  jobsrv_sse_options_t options;

  (void) state;
  jobsrv_sse_options_init(&options);
  options.prefix = "/api/jobs~1";
  open_again(&options);
  assert_int_equal(ask(&w, &peer, "GET /v1/openapi.json", "", NULL), 404);
  assert_int_equal(ask(&w, &peer, "GET /api/jobs~1/openapi.json", "", NULL),
                   200);
  assert_contains(peer.text, "\"/api/jobs~1/jobs/{id}\":{");
  assert_null(strstr(peer.text, "/v1/"));
}

static void the_hosts_routes_are_in_it(void **state) {
  json_t *item;

  (void) state;
  fetch("");
  assert_null(path_of("/time"));
  add("GET", "/time", "What time it is, \"here\"");
  add("POST", "/files/{name}", NULL);
  add("GET", "/files/{which}", "The same paths by another name");
  add("GET", "/tree/{rest}/*", NULL);
  add("PURGE", "/cache", NULL);
  add("PATCH", "/v1/jobs/{job}", NULL);
  fetch("");

  assert_string_equal(text_at(path_of("/time"), "get summary"),
                      "What time it is, \"here\"");
  assert_non_null(at(path_of("/time"), "get responses default"));
  item = path_of("/files/{name}");
  assert_non_null(at(item, "get"));
  assert_non_null(at(item, "post requestBody"));
  assert_string_equal(
      text_at(json_array_get(at(item, "parameters"), 0), "name"), "name");
  assert_null(path_of("/files/{which}"));
  item = path_of("/tree/{rest}/{rest_}");
  assert_non_null(at(item, "get"));
  assert_string_equal(
      text_at(json_array_get(at(item, "parameters"), 1), "name"), "rest_");
  assert_non_null(at(path_of("/cache"), "x-methods PURGE"));
  item = path_of("/v1/jobs/{id}");
  assert_non_null(at(item, "patch"));
  assert_non_null(at(item, "delete operationId"));
}

static void a_host_that_checks_has_answers_of_its_own(void **state) {
  static const char code[] = "content application/problem+json schema "
                             "properties code";
  static const jobsrv_sse_middleware_t nothing = { .size = sizeof(nothing) };

  (void) state;
  fetch("");
  assert_non_null(
      at(at(at(doc, "components responses Gone"), code), "enum"));
  assert_null(at(path_of("/v1/jobs"), "get responses default"));
  assert_ok(jobsrv_sse_use(w.sse, &nothing, NULL));
  fetch("");
  assert_null(at(at(at(doc, "components responses Gone"), code), "enum"));
  assert_non_null(
      at(at(at(doc, "components responses Gone"), code), "examples"));
  assert_non_null(at(path_of("/v1/jobs"), "get responses default"));
}

/* ---- who may have it ---- */

static void it_is_for_those_with_the_token(void **state) {
  static const char right[] = "Authorization: Bearer open-sesame\r\n";
  jobsrv_sse_options_t options;

  (void) state;
  fetch("");
  assert_null(at(doc, "components securitySchemes"));
  assert_null(at(path_of("/v1/jobs"), "get security"));
  jobsrv_sse_options_init(&options);
  options.bearer_token = "open-sesame";
  open_again(&options);
  assert_int_equal(ask(&w, &peer, "GET /v1/openapi.json", "", NULL), 401);
  fetch(right);
  assert_string_equal(text_at(doc, "components securitySchemes bearer scheme"),
                      "bearer");
  assert_int_equal(
      json_array_size(at(path_of("/v1/jobs"), "get security")), 1);
  assert_int_equal(
      json_array_size(at(path_of("/v1/jobs/{id}/stream"), "get security")), 2);
  assert_int_equal(json_array_size(at(path_of("/health"), "get security")), 0);
  assert_true(json_is_array(at(path_of("/health"), "get security")));
}

static void metrics_may_have_a_token_of_their_own(void **state) {
  jobsrv_sse_options_t options;

  (void) state;
  jobsrv_sse_options_init(&options);
  options.metrics = 1;
  options.metrics_token = "open-metrics";
  open_again(&options);
  fetch("");
  assert_non_null(at(doc, "components securitySchemes bearer"));
  assert_int_equal(json_array_size(at(path_of("/metrics"), "get security")),
                   1);
  assert_null(at(path_of("/v1/jobs"), "get security"));
}

static jobsrv_sse_grant_t authorise(jobsrv_sse_request_t *request,
                                    jobsrv_sse_verb_t verb,
                                    jobsrv_job_t *job,
                                    void *data) {
  (void) request;
  assert_null(job);
  *(int *) data = (int) verb;
  return JOBSRV_SSE_DENY;
}

static void the_hook_is_asked(void **state) {
  int verb = -1;

  (void) state;
  jobsrv_sse_authorise(w.sse, authorise, &verb);
  ask(&w, &peer, "GET /v1/openapi.json", "", NULL);
  assert_problem(&peer, 403, "forbidden");
  assert_int_equal(verb, JOBSRV_SSE_DESCRIBE);
  assert_string_equal(jobsrv_sse_verb_name(JOBSRV_SSE_DESCRIBE), "describe");
}

/* ---- that it is so ---- */

/* "METHOD /path" with "x" for each name. */
static const char *line_for(const char *method, const char *pattern) {
  static char line[300];
  size_t len = (size_t) snprintf(line, sizeof(line), "%s ", method);

  for (; *pattern != '\0'; pattern++) {
    if (*pattern == '{')
      pattern += strcspn(pattern, "}");
    line[len++] = *pattern == '}' ? 'x' : *pattern;
  }
  line[len] = '\0';
  return line;
}

static int is_in(json_t *item, const char *method) {
  char lower[16];
  size_t i = 0;

  for (; method[i] != '\0' && i + 1 < sizeof(lower); i++)
    lower[i] = method[i] >= 'A' && method[i] <= 'Z'
                   ? (char) (method[i] - 'A' + 'a')
                   : method[i];
  lower[i] = '\0';
  return at(item, lower) != NULL || at(at(item, "x-methods"), method) != NULL;
}

/* One request on a connection of its own: some open streams. */
static int try_line(const char *line) {
  peer_close(&peer);
  peer_open(&peer, w.port);
  return ask(&w, &peer, line, JSON_TYPE, "");
}

/* What Allow has to say, whatever the order. */
static void check_allow(const char *line, json_t *item) {
  static const char *const methods[] = { "GET", "PUT", "POST", "DELETE",
                                         "PATCH", "PURGE", "TRACE" };
  const char *field = strstr(peer.text, "\r\nAllow: ");
  char allow[200];
  size_t commas = 0;
  size_t n = 1; /* OPTIONS */

  if (field == NULL)
    fail_msg("%s: no Allow", line);
  snprintf(allow, sizeof(allow), ", %.*s,", (int) strcspn(field + 9, "\r"),
           field + 9);
  for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
    char word[16];

    snprintf(word, sizeof(word), ", %s,", methods[i]);
    if ((strstr(allow, word) != NULL) != is_in(item, methods[i]))
      fail_msg("%s: %s", line, allow);
    n += (size_t) is_in(item, methods[i]);
  }
  if (is_in(item, "GET")) {
    assert_contains(allow, ", HEAD,");
    n++;
  }
  assert_contains(allow, ", OPTIONS,");
  for (const char *c = allow; *c != '\0'; c++)
    commas += *c == ',';
  assert_int_equal(commas, n + 1);
}

static void check_method(json_t *item, const char *pattern,
                         const char *method) {
  const char *line = line_for(method, pattern);
  int is_get = strcmp(method, "HEAD") == 0 ? is_in(item, "GET")
                                           : is_in(item, method);
  int status = try_line(line);

  if (strcmp(method, "OPTIONS") == 0) {
    if (status != 204)
      fail_msg("%s: %d", line, status);
    check_allow(line, item);
  } else if (is_get) {
    if (status == 405 || strstr(peer.text, "\"code\":\"not_found\"") != NULL)
      fail_msg("%s is in it: %.400s", line, peer.text);
  } else {
    if (status != 405)
      fail_msg("%s is not in it: %.400s", line, peer.text);
    check_allow(line, item);
    if (strcmp(method, "HEAD") != 0)
      assert_problem(&peer, 405, "method_not_allowed");
    else
      assert_string_equal(answer_body(&peer), "");
  }
}

static void no_method_but_those_in_it_is_served(void **state) {
  static const char *const methods[] = { "GET",    "HEAD",    "POST",  "PUT",
                                         "DELETE", "OPTIONS", "PATCH", "TRACE",
                                         "PURGE" };
  jobsrv_sse_options_t options;
  const char *pattern;
  json_t *item;

  (void) state;
  jobsrv_sse_options_init(&options);
  options.metrics = 1;
  options.all_events = 1;
  open_again(&options);
  add("GET", "/time", NULL);
  add("PURGE", "/cache", NULL);
  add("PUT", "/files/{name}/raw", NULL);
  add("GET", "/tree/*", NULL);
  add("PATCH", "/v1/jobs/{id}", NULL);
  fetch("");
  json_object_foreach(json_object_get(doc, "paths"), pattern, item)
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
      check_method(item, pattern, methods[i]);
}

static void what_is_not_in_it_is_not_found(void **state) {
  static const char *const methods[] = { "GET", "POST", "DELETE", "OPTIONS",
                                         "PATCH", "PURGE" };
  static const char *const paths[] = { "/", "/v1", "/metrics", "/v1/jobs/",
                                       "/v1/openapi", "/v1/jobs/x/y",
                                       "/openapi.json", "/v1/stream/x" };

  (void) state;
  for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
    for (size_t k = 0; k < sizeof(methods) / sizeof(methods[0]); k++) {
      const char *line = line_for(methods[k], paths[i]);

      if (try_line(line) != 404)
        fail_msg("%s: %.300s", line, peer.text);
      assert_problem(&peer, 404, "not_found");
    }
}

/* The head of the answer, but for its length: what is counted goes on. */
static void head_of(const char *line, char *to, size_t cap) {
  const char *end;
  char *length;

  peer_close(&peer);
  peer_open(&peer, w.port);
  ask(&w, &peer, line, "X-Request-Id: a\r\nX-Correlation-Id: b\r\n", NULL);
  end = strstr(peer.text, "\r\n\r\n");
  assert_non_null(end);
  snprintf(to, cap, "%.*s", (int) (end - peer.text), peer.text);
  length = strstr(to, "Content-Length: ");
  if (length != NULL) {
    length += 16;
    memmove(length, length + strspn(length, "0123456789"),
            strlen(length + strspn(length, "0123456789")) + 1);
  }
  if (strncmp(line, "HEAD ", 5) == 0) {
    run_turns(&w.f.loop, 3);
    peer_recv(&peer);
    assert_string_equal(answer_body(&peer), "");
  }
}

/* "/v1/jobs/{id}" of this job; the stream of many is of it alone. */
static void put_line(char *to,
                     size_t cap,
                     const char *method,
                     const char *pattern,
                     const char *id) {
  const char *name = strstr(pattern, "{id}");

  if (name != NULL)
    snprintf(to, cap, "%s %.*s%s%s", method, (int) (name - pattern), pattern,
             id, name + 4);
  else
    snprintf(to, cap, "%s %s%s%s", method, pattern,
             strcmp(pattern, "/v1/stream") == 0 ? "?jobs=" : "",
             strcmp(pattern, "/v1/stream") == 0 ? id : "");
}

static void head_is_the_head_of_get_on_every_route(void **state) {
  static char heads[2][4000];
  jobsrv_sse_options_t options;
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *jobs[2];
  const char *pattern;
  size_t n = 0;
  json_t *item;
  char line[300];

  (void) state;
  jobsrv_sse_options_init(&options);
  options.metrics = 1;
  options.all_events = 1;
  open_again(&options);
  jobs[0] = fixture_begin(&w.f);
  jobs[1] = fixture_begin(&w.f);
  assert_ok(jobsrv_job_complete(jobs[1], NULL, 0));
  fetch("");
  for (size_t i = 0; i < 2; i++)
    json_object_foreach(json_object_get(doc, "paths"), pattern, item) {
      if (!is_in(item, "GET"))
        continue;
      put_line(line, sizeof(line), "GET", pattern, jobsrv_job_id(jobs[i], id));
      head_of(line, heads[0], sizeof(heads[0]));
      put_line(line, sizeof(line), "HEAD", pattern, id);
      head_of(line, heads[1], sizeof(heads[1]));
      if (strcmp(heads[0], heads[1]) != 0 || atoi(heads[0] + 9) != 200)
        fail_msg("%s: %s, but of GET: %s", line, heads[1], heads[0]);
      n++;
    }
  assert_int_equal(n, 2 * 10);
}

static void head_is_get_without_the_document(void **state) {
  char length[60];

  (void) state;
  fetch("");
  snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n",
           strlen(answer_body(&peer)));
  assert_int_equal(ask(&w, &peer, "HEAD /v1/openapi.json", "", NULL), 200);
  assert_contains(peer.text, length);
  assert_string_equal(answer_body(&peer), "");
}

/* Every option that is in it is read, within its bounds and not beyond. */
static void the_options_in_it_are_those_that_are_read(void **state) {
  json_t *options;
  json_t *schema;
  const char *name;
  size_t n = 0;

  (void) state;
  fetch("");
  options = at(doc, "components schemas Options properties");
  json_object_foreach(options, name, schema) {
    json_t *most = at(schema, "maximum");
    json_t *word = json_array_get(at(schema, "enum"), 0);
    char body[200];
    char pointer[80];

    n++;
    if (word != NULL)
      snprintf(body, sizeof(body), "{\"operation\":\"work\",\"options\":{"
               "\"unique_key\":\"u\",\"%s\":\"%s\"}}", name,
               json_string_value(word));
    else if (most != NULL)
      snprintf(body, sizeof(body), "{\"operation\":\"work\",\"options\":{"
               "\"start\":\"on_stream\",\"%s\":%lld}}", name,
               (long long) json_integer_value(most));
    else
      continue;
    if (post(&w, &peer, body) >= 300)
      fail_msg("%s: %s", body, peer.text);
    if (most == NULL)
      continue;
    snprintf(body, sizeof(body), "{\"operation\":\"work\",\"options\":{"
             "\"%s\":%lld}}", name, (long long) json_integer_value(most) + 1);
    snprintf(pointer, sizeof(pointer), "\"pointer\":\"/options/%s\"", name);
    post(&w, &peer, body);
    assert_problem(&peer, 422, "invalid_options");
    assert_contains(peer.text, pointer);
  }
  assert_int_equal(n, 17);
}

/* That it fits its schema is for package/answers-test to say. */
static void what_has_all_that_an_event_can_have_is_sent(void **state) {
  static schema_t all;
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *watcher;

  (void) state;
  assert_ok(jobsrv_narrate_event(job, schema_event(&all)));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher = watch(&w, job, "", "");
  watcher_wait(&w, watcher, 0);
  assert_int_equal(watcher->status, 200);
  fetch("");
#define XX(name, type)                                                        \
  if (at(doc, "components schemas Narration properties " #name) == NULL)      \
    fail_msg("%s is not in it", #name);                                       \
  assert_non_null(memmem(watcher->raw, watcher->raw_len, "\"" #name "\":",    \
                         sizeof(#name) + 2));
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  watcher_free(watcher);
}

static void without_memory_it_is_refused(void **state) {
  static jobsrv_faults_t faults;
  int refused = 0;
  int status = 0;

  (void) state;
  teardown(NULL);
  memset(&w, 0, sizeof(w));
  doc = NULL;
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  world_open(&w);
  peer_open(&peer, w.port);
  for (uint64_t n = 0; status != 200; n++) {
    assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
    peer.len = 0;
    peer.text[0] = '\0';
    jobsrv_faults_fail(&faults, n, 1);
    peer_send(&peer, "GET /v1/openapi.json HTTP/1.1\r\n"
                     "Host: localhost\r\n\r\n");
    run_turns(&w.f.loop, 5);
    jobsrv_faults_fail(&faults, 0, 0);
    peer_recv(&peer);
    status = peer.len > 0 ? atoi(peer.text + 9) : 0;
    assert_true(status == 0 || status == 200 || status == 503);
    refused += status == 503;
    peer_close(&peer);
    peer_open(&peer, w.port);
  }
  assert_true(refused > 2);
  peer_close(&peer);
  world_close(&w);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
  setup(NULL);
}

static void it_has_an_end(void **state) {
  (void) state;
  fetch("");
  assert_true(strlen(answer_body(&peer)) < 64 * 1024);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(all_that_is_served_is_in_it),
  CASE(what_is_off_is_not_in_it),
  CASE(it_knows_the_prefix),
  CASE(the_hosts_routes_are_in_it),
  CASE(a_host_that_checks_has_answers_of_its_own),
  CASE(it_is_for_those_with_the_token),
  CASE(metrics_may_have_a_token_of_their_own),
  CASE(the_hook_is_asked),
  CASE(without_memory_it_is_refused),
  CASE(no_method_but_those_in_it_is_served),
  CASE(what_is_not_in_it_is_not_found),
  CASE(head_is_the_head_of_get_on_every_route),
  CASE(head_is_get_without_the_document),
  CASE(the_options_in_it_are_those_that_are_read),
  CASE(what_has_all_that_an_event_can_have_is_sent),
  CASE(it_has_an_end),
};

RUN(tests);
