/* SPDX-License-Identifier: MIT */

/* Each limit of what a client may send: one below it, at it, one above it. */

#include "refusing.h"

#define JSON                                                                  \
  "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE

static world w;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.options.max_request_line = 64;
  w.options.max_header_bytes = 160;
  w.options.max_header_fields = 6;
  w.options.max_body = 64;
  w.options.max_chunk_extension = 16;
  w.options.max_trailer_bytes = 32;
  w.options.max_json_depth = 4;
  world_open(&w);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static void put(jobsrv__buf_t *to, const char *text) {
  jobsrv__buf_append(to, text, strlen(text));
}

static void fill(jobsrv__buf_t *to, char c, size_t n) {
  while (n-- > 0)
    jobsrv__buf_append(to, &c, 1);
}

/* ---- the head ---- */

static void with_line(jobsrv__buf_t *to, size_t n) {
  put(to, "GET /health?");
  fill(to, 'x', n - strlen("GET /health? HTTP/1.1"));
  put(to, " HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void with_long_method(jobsrv__buf_t *to, size_t n) {
  fill(to, 'X', n - strlen(" /health HTTP/1.1"));
  put(to, " /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

static void with_field_bytes(jobsrv__buf_t *to, size_t n) {
  put(to, "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ");
  fill(to, 'x', n - strlen("Host: localhost\r\nX: \r\n"));
  put(to, "\r\n\r\n");
}

static void with_a_long_name(jobsrv__buf_t *to, size_t n) {
  put(to, "GET /health HTTP/1.1\r\nHost: localhost\r\n");
  fill(to, 'X', n - strlen("Host: localhost\r\n:\r\n"));
  put(to, ":\r\n\r\n");
}

static void with_fields(jobsrv__buf_t *to, size_t n) {
  put(to, "GET /health HTTP/1.1\r\nHost: localhost\r\n");
  for (size_t i = 1; i < n; i++)
    put(to, "A: b\r\n");
  put(to, "\r\n");
}

/* ---- the body ---- */

static void put_size(jobsrv__buf_t *to, const char *format, size_t n) {
  char line[64];

  snprintf(line, sizeof(line), format, n);
  put(to, line);
}

#define WORK "{\"operation\":\"work\"}"

/* Blanks behind it make it as long as wanted. */
static void put_work(jobsrv__buf_t *to, size_t n) {
  put(to, WORK);
  fill(to, ' ', n - strlen(WORK));
}

static void with_length(jobsrv__buf_t *to, size_t n) {
  put(to, JSON);
  put_size(to, "Content-Length: %zu\r\n\r\n", n);
  put_work(to, n);
}

static void with_a_length_awaiting_us(jobsrv__buf_t *to, size_t n) {
  put(to, JSON "Expect: 100-continue\r\n");
  put_size(to, "Content-Length: %zu\r\n\r\n", n);
  put_work(to, n);
}

#define CHUNKED JSON "Transfer-Encoding: chunked\r\n\r\n"

static void with_one_chunk(jobsrv__buf_t *to, size_t n) {
  put(to, CHUNKED);
  put_size(to, "%zx\r\n", n);
  put_work(to, n);
  put(to, "\r\n0\r\n\r\n");
}

static void with_small_chunks(jobsrv__buf_t *to, size_t n) {
  put(to, CHUNKED);
  put_size(to, "%zx\r\n", strlen(WORK));
  put(to, WORK "\r\n");
  for (size_t i = strlen(WORK); i < n; i++)
    put(to, "1\r\n \r\n");
  put(to, "0\r\n\r\n");
}

static void with_an_extension(jobsrv__buf_t *to, size_t n) {
  put(to, CHUNKED "14;"); /* which is not counted */
  fill(to, 'x', n);
  put(to, "\r\n" WORK "\r\n0\r\n\r\n");
}

static void with_extensions(jobsrv__buf_t *to, size_t n) {
  put(to, CHUNKED "14;abc\r\n" WORK "\r\n0;");
  fill(to, 'x', n - strlen("abc"));
  put(to, "\r\n\r\n");
}

static void with_a_trailer(jobsrv__buf_t *to, size_t n) {
  put(to, CHUNKED "14\r\n" WORK "\r\n0\r\nX: ");
  fill(to, 'x', n - strlen("X: \r\n"));
  put(to, "\r\n\r\n");
}

static void with_trailers(jobsrv__buf_t *to, size_t n) {
  put(to, CHUNKED "14\r\n" WORK "\r\n0\r\nA: b\r\nX: ");
  fill(to, 'x', n - strlen("A: b\r\nX: \r\n"));
  put(to, "\r\n\r\n");
}

static void with_depth(jobsrv__buf_t *to, size_t n) {
  static const char before[] = "{\"operation\":\"work\",\"a\":";

  put(to, JSON);
  put_size(to, "Content-Length: %zu\r\n\r\n", strlen(before) + 2 * n - 1);
  put(to, before);
  fill(to, '[', n - 1);
  fill(to, ']', n - 1);
  put(to, "}");
}

static const struct {
  const char *name;
  void (*make)(jobsrv__buf_t *to, size_t n);
  size_t limit;
  int within; /* the status up to the limit */
  int above;
  const char *code;
  int closes;
} limits[] = {
  { "max_request_line", with_line, 64, 200, 414, "uri_too_long", 1 },
  { "max_request_line, a method", with_long_method, 64, 405, 414,
    "uri_too_long", 1 },
  { "max_header_bytes", with_field_bytes, 160, 200, 431, "header_too_large",
    1 },
  { "max_header_bytes, a name", with_a_long_name, 160, 200, 431,
    "header_too_large", 1 },
  { "max_header_fields", with_fields, 6, 200, 431, "header_too_large", 1 },
  { "max_body", with_length, 64, 202, 413, "content_too_large", 1 },
  { "max_body, expectant", with_a_length_awaiting_us, 64, 202, 413,
    "content_too_large", 1 },
  { "max_body, one chunk", with_one_chunk, 64, 202, 413, "content_too_large",
    1 },
  { "max_body, chunks", with_small_chunks, 64, 202, 413, "content_too_large",
    1 },
  { "max_chunk_extension", with_an_extension, 16, 202, 413,
    "content_too_large", 1 },
  { "max_chunk_extension, two", with_extensions, 16, 202, 413,
    "content_too_large", 1 },
  { "max_trailer_bytes", with_a_trailer, 32, 202, 431, "header_too_large", 1 },
  { "max_trailer_bytes, two", with_trailers, 32, 202, 431, "header_too_large",
    1 },
  { "max_json_depth", with_depth, 4, 202, 400, "bad_json", 0 },
};

enum { LIMITS = sizeof(limits) / sizeof(limits[0]) };

static void try_at(size_t i, int beside) {
  size_t n = limits[i].limit + (size_t) beside;
  char what[80];
  due_t due = { what, limits[i].within, NULL, 0 };
  jobsrv__buf_t request;

  snprintf(what, sizeof(what), "%s at %zu", limits[i].name, n);
  if (beside > 0) {
    due.status = limits[i].above;
    due.code = limits[i].code;
    due.closes = limits[i].closes;
  }
  jobsrv__buf_init(&request, NULL, 0);
  limits[i].make(&request, n);
  assert_int_equal(request.failed, 0);
  expect_everywhere(&w, &due, request.data, request.len);
  jobsrv__buf_free(&request);
}

static void below_a_limit_all_is_well(void **state) {
  (void) state;
  for (size_t i = 0; i < LIMITS; i++)
    try_at(i, -1);
}

static void at_a_limit_all_is_well(void **state) {
  (void) state;
  for (size_t i = 0; i < LIMITS; i++)
    try_at(i, 0);
}

static void above_a_limit_it_is_refused(void **state) {
  (void) state;
  for (size_t i = 0; i < LIMITS; i++)
    try_at(i, 1);
}

static void far_above_a_limit_it_is_refused(void **state) {
  (void) state;
  for (size_t i = 0; i < LIMITS; i++)
    try_at(i, limits[i].closes ? 1000 : 10);
}

/* ---- the defaults ---- */

/* A large one comes in one piece: byte by byte takes too long. */
static void try_default(void (*make)(jobsrv__buf_t *to, size_t n),
                        size_t limit,
                        int within,
                        int above,
                        const char *code) {
  due_t due = { "a default", within, NULL, 0 };
  jobsrv__buf_t request;

  for (size_t n = limit; n <= limit + 1; n++) {
    if (n > limit) {
      due.status = above;
      due.code = code;
      due.closes = above != 400;
    }
    jobsrv__buf_init(&request, NULL, 0);
    make(&request, n);
    assert_int_equal(request.failed, 0);
    expect_one(&w, &due, request.data, request.len, FRESH, 1 << 16);
    expect_one(&w, &due, request.data, request.len, KEPT, 4093);
    jobsrv__buf_free(&request);
  }
}

static int setup_defaults(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  return 0;
}

static void the_defaults_are_those_that_are_named(void **state) {
  (void) state;
  try_default(with_line, 8u << 10, 200, 414, "uri_too_long");
  try_default(with_field_bytes, 32u << 10, 200, 431, "header_too_large");
  try_default(with_fields, 100, 200, 431, "header_too_large");
  try_default(with_length, 1u << 20, 202, 413, "content_too_large");
  try_default(with_one_chunk, 1u << 20, 202, 413, "content_too_large");
  try_default(with_an_extension, 16u << 10, 202, 413, "content_too_large");
  try_default(with_a_trailer, 8u << 10, 202, 431, "header_too_large");
  try_default(with_depth, 64, 202, 400, "bad_json");
}

/* ---- time ---- */

/* A clock runs from the first byte of what is late, whatever came before. */
static void expect_timeout(place_in_t place, const char *part, uint64_t ms) {
  jobsrv_memory_t *client;
  const char *at;
  const char *text = "";

  assert_ok(jobsrv_memory_open(&client, w.sse));
  if (place == KEPT) {
    feed_all(&w, client, HEALTH, strlen(HEALTH), SIZE_MAX);
    fixture_ms(&w.f, 7000); /* idle */
  }
  if (place == BEHIND)
    assert_ok(jobsrv_memory_feed(client, HEALTH, strlen(HEALTH)));
  feed_all(&w, client, part, strlen(part), SIZE_MAX);
  at = jobsrv_memory_output(client, NULL);
  if (place != FRESH)
    assert_int_equal(next_answer(&at, &text), 200);
  assert_int_equal(*at, '\0');
  fixture_ms(&w.f, ms - 1);
  feed_all(&w, client, " ", 1, 1); /* which does not set it back */
  at = jobsrv_memory_output(client, NULL);
  if (place != FRESH)
    assert_int_equal(next_answer(&at, &text), 200);
  assert_int_equal(*at, '\0');
  fixture_ms(&w.f, 1);
  at = jobsrv_memory_output(client, NULL);
  if (place != FRESH)
    assert_int_equal(next_answer(&at, &text), 200);
  assert_int_equal(next_answer(&at, &text), 408);
  assert_contains(text, "\"code\":\"timeout\"");
  assert_contains(text, "\r\nConnection: close\r\n");
  assert_int_equal(jobsrv_memory_state(client), JOBSRV_MEMORY_SHUT);
  jobsrv_memory_free(client);
}

static void what_is_late_is_so_on_any_connection(void **state) {
  (void) state;
  for (int place = 0; place < PLACES; place++) {
    expect_timeout((place_in_t) place, "GET /health HTTP/1.1\r\nX:", 10000);
    expect_timeout((place_in_t) place, JSON "Content-Length: 20\r\n\r\n{",
                   30000);
    expect_timeout((place_in_t) place,
                   JSON "Transfer-Encoding: chunked\r\n\r\n14\r\n{", 30000);
  }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(below_a_limit_all_is_well),
  CASE(at_a_limit_all_is_well),
  CASE(above_a_limit_it_is_refused),
  CASE(far_above_a_limit_it_is_refused),
  cmocka_unit_test_setup_teardown(the_defaults_are_those_that_are_named,
                                  setup_defaults, teardown),
  cmocka_unit_test_setup_teardown(what_is_late_is_so_on_any_connection,
                                  setup_defaults, teardown),
};

RUN(tests);
