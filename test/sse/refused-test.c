/* SPDX-License-Identifier: MIT */

/* What must be refused, through a whole connection, and what each refusal
   says. */

#include "refused.h"
#include "refusing.h"

#include "jobsrv/sse_auth.h"

static world w;

static const refused_t refused_chunks[] = {
    {400, "\r\n", 0},
    {400, "\n", 0},
    {400, ";\r\n", 0},
    {400, "+3\r\nabc\r\n", 0},
    {400, "-3\r\nabc\r\n", 0},
    {400, "0x3\r\nabc\r\n", 0},
    {400, " 3\r\nabc\r\n", 0},
    {400, "\t3\r\nabc\r\n", 0},
    {400, "3 \r\nabc\r\n", 0},
    {400, "3 ;a\r\nabc\r\n", 0},
    {400, "3,3\r\nabc\r\n", 0},
    {400, "3g\r\nabc\r\n", 0},
    {400, "g\r\n", 0},
    {400, "3\nabc\r\n", 0},
    {400, "3\rabc\r\n", 0},
    {400, "3\r\rabc\r\n", 0},
    {400, "3\rX\nabc\r\n", 0},
    {400, "3\r\nabcd\r\n", 0},
    {400, "3\r\nabc\n0\r\n\r\n", 0},
    {400, "3\r\nabc\rX0\r\n\r\n", 0},
    {400, "3\r\nabc0\r\n\r\n", 0},
    {400, "3\r\nabc\r\n\r\n", 0},
    {400, "3\r\nabcXX0\r\n\r\n", 0},
    {400, "00000000000000003\r\nabc\r\n", 0},
    {400, "10000000000000003\r\nabc\r\n", 0},
    {400, "3;a\nb\r\nabc\r\n", 0},
    {400, "3;a\rb\r\nabc\r\n", 0},
    {400, "3;a\x01\r\nabc\r\n", 0},
    {400, "0\r\n\n", 0},
    {400, "0\r\n\rX", 0},
    {400, "0\r\nX: y\n\r\n", 0},
    {400, "0\r\nX: y\r\n\n", 0},
    {400, "0\r\nX: a\rb\r\n\r\n", 0},
    {400, "0\r\nX: a\x1b\r\n\r\n", 0},
    {400, "0\r\nX : y\r\n\r\n", 0},
    {400, "0\r\n X: y\r\n\r\n", 0},
    {400, "0\r\nA: b\r\n c\r\n\r\n", 0},
    {400, "0\r\n: y\r\n\r\n", 0},
    {400, "0\r\nX\r\n\r\n", 0},
    {400, "0\r\nContent-Length: 3\r\n\r\n", 0},
    {400, "0\r\nTRANSFER-ENCODING: chunked\r\n\r\n", 0},
    {400, "0\r\nhost: a\r\n\r\n", 0},
};

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  return 0;
}

static const char *code_of(int status) {
  switch (status) {
  case 501:
    return "not_implemented";
  case 505:
    return "version_not_supported";
  default:
    return "bad_request";
  }
}

static void heads_that_must_be_refused_are(void **state) {
  (void) state;
  for (size_t i = 0; i < sizeof(refused_heads) / sizeof(refused_heads[0]);
       i++) {
    const refused_t *it = &refused_heads[i];
    due_t due = { it->head, it->status, code_of(it->status), 1 };

    expect_everywhere(&w, &due, it->head,
                      it->len != 0 ? it->len : strlen(it->head));
  }
}

static void chunks_that_must_be_refused_are(void **state) {
  static const char before[] =
      "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n" JSON_TYPE
      "Transfer-Encoding: chunked\r\n\r\n";

  (void) state;
  for (size_t i = 0; i < sizeof(refused_chunks) / sizeof(refused_chunks[0]);
       i++) {
    const refused_t *it = &refused_chunks[i];
    due_t due = { it->head, it->status, code_of(it->status), 1 };
    char request[400];

    snprintf(request, sizeof(request), "%s%s", before, it->head);
    expect_everywhere(&w, &due, request, strlen(request));
  }
}

/* The answer is given before the body: a second one would be wrong. */
static void malformed_chunks_of_an_unwanted_body_are_no_second_answer(
    void **state) {
  static const char before[] =
      "POST /nothing HTTP/1.1\r\nHost: localhost\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";

  (void) state;
  for (size_t i = 0; i < sizeof(refused_chunks) / sizeof(refused_chunks[0]);
       i++) {
    char request[400];

    for (size_t step = 1; step <= 512; step *= 512) {
      jobsrv_memory_t *client;
      const char *at;
      const char *text;

      snprintf(request, sizeof(request), "%s%s" HEALTH, before,
               refused_chunks[i].head);
      assert_ok(jobsrv_memory_open(&client, w.sse));
      feed_all(&w, client, request, strlen(request), step);
      at = jobsrv_memory_output(client, NULL);
      assert_int_equal(next_answer(&at, &text), 404);
      if (*at != '\0' ||
          jobsrv_memory_state(client) != JOBSRV_MEMORY_SHUT)
        fail_msg("%s by %zu: %s", refused_chunks[i].head, step, text);
      jobsrv_memory_free(client);
    }
  }
}

/* ---- what is well-formed and refused ---- */

#define AT(method, path, fields)                                              \
  method " " path " HTTP/1.1\r\nHost: localhost\r\n" fields "\r\n"
#define POSTED(fields, size, body)                                            \
  AT("POST", "/v1/jobs", fields "Content-Length: " size "\r\n") body
#define NO_JOB "job-00000000-0000-4000-8000-000000000000"
#define X32 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128 X32 X32 X32 X32

static const struct {
  int status;
  const char *code;
  int closes;
  const char *request;
} errors[] = {
  { 400, "bad_json", 0, POSTED(JSON_TYPE, "1", "{") },
  { 400, "bad_json", 0, POSTED(JSON_TYPE, "0", "") },
  { 411, "length_required", 0, AT("POST", "/v1/jobs", JSON_TYPE) },
  { 400, "bad_json", 0, POSTED(JSON_TYPE, "13", "{\"a\":1,\"a\":2}") },
  { 400, "bad_json", 0, POSTED(JSON_TYPE, "4", "\"\xff\xff\"") },
  { 400, "bad_cursor", 0, AT("GET", "/v1/jobs?cursor=x", "") },
  { 400, "bad_cursor", 0, AT("GET", "/v1/jobs?cursor=" X128 "x", "") },
  { 400, "bad_request", 0,
    POSTED(JSON_TYPE "Idempotency-Key: " X128 "x\r\n", "20",
           "{\"operation\":\"work\"}") },
  { 403, "forbidden", 0,
    AT("GET", "/v1/jobs", "Origin: http://example.org\r\n") },
  { 403, "forbidden", 0, AT("GET", "/v1/jobs", "Origin: null\r\n") },
  { 403, "forbidden", 0,
    AT("DELETE", "/v1/jobs/" NO_JOB, "Origin: http://localhost:1\r\n") },
  { 404, "not_found", 0, AT("GET", "/", "") },
  { 404, "not_found", 0, AT("GET", "/v1", "") },
  { 404, "not_found", 0, AT("POST", "/v2/jobs", "") },
  { 404, "unknown_job", 0, AT("GET", "/v1/jobs/" NO_JOB, "") },
  { 404, "unknown_job", 0, AT("GET", "/v1/jobs/" X128, "") },
  { 404, "unknown_job", 0, AT("GET", "/v1/jobs/" X128 "x", "") },
  { 404, "unknown_job", 0, AT("DELETE", "/v1/jobs/" NO_JOB, "") },
  { 404, "unknown_job", 0, AT("GET", "/v1/jobs/" NO_JOB "/stream", "") },
  { 404, "not_found", 0, AT("GET", "/v1/jobs/%00", "") },
  { 405, "method_not_allowed", 0, AT("PUT", "/v1/jobs", "") },
  { 405, "method_not_allowed", 0, AT("POST", "/health", "") },
  { 415, "unsupported_media_type", 0,
    POSTED("", "20", "{\"operation\":\"work\"}") },
  { 415, "unsupported_media_type", 0,
    POSTED("Content-Type: text/plain\r\n", "20",
           "{\"operation\":\"work\"}") },
  { 415, "unsupported_media_type", 0,
    POSTED("Content-Type: application/x-www-form-urlencoded\r\n", "3",
           "a=b") },
  { 417, "expectation_failed", 1,
    POSTED(JSON_TYPE "Expect: a-lot\r\n", "2", "{}") },
  { 421, "misdirected", 0,
    "GET /v1/jobs HTTP/1.1\r\nHost: example.org\r\n\r\n" },
  { 421, "misdirected", 0,
    "GET /v1/jobs HTTP/1.1\r\nHost: 127.1\r\n\r\n" },
  { 421, "misdirected", 0,
    "GET /v1/jobs HTTP/1.1\r\nHost: localhost.example.org\r\n\r\n" },
  { 422, "unknown_operation", 0,
    POSTED(JSON_TYPE, "18", "{\"operation\":\"no\"}") },
  { 422, "unknown_operation", 0,
    POSTED(JSON_TYPE, "22", "{\"operation\":\"hidden\"}") },
  { 422, "invalid_payload", 0,
    POSTED(JSON_TYPE, "30", "{\"operation\":\"work\",\"wrong\":1}") },
  { 422, "invalid_options", 0,
    POSTED(JSON_TYPE, "42",
           "{\"operation\":\"work\",\"options\":{\"wrong\":1}}") },
};

static void each_refusal_has_its_status_and_code(void **state) {
  (void) state;
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
    due_t due = { errors[i].request, errors[i].status, errors[i].code,
                  errors[i].closes };

    expect_everywhere(&w, &due, errors[i].request,
                      strlen(errors[i].request));
  }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(heads_that_must_be_refused_are),
  CASE(chunks_that_must_be_refused_are),
  CASE(malformed_chunks_of_an_unwanted_body_are_no_second_answer),
  CASE(each_refusal_has_its_status_and_code),
};

RUN(tests);
