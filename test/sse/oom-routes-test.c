/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_auth.h"
#include "jobsrv/testing_sse.h"

/*
 * Every allocation that answering a request takes fails once, on each of the
 * routes: the client is told 503, or gets an answer that can do without, or
 * nothing at all; never half of one. The same request fares well thereafter.
 */

static world w;
static jobsrv_faults_t faults;

static int at_once(jobsrv_job_t *job, void *data) {
  (void) data;
  return jobsrv_job_complete(job, NULL, 0);
}

static int setup(void **state) {
  jobsrv_operation_t op;

  (void) state;
  memset(&w, 0, sizeof(w));
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  w.options.metrics = 1;
  w.options.all_events = 1;
  w.options.bearer_token = "secret";
  world_open(&w);
  jobsrv_operation_init(&op);
  op.name = "at_once";
  op.start = at_once;
  op.expose = 1;
  assert_ok(jobsrv_operation_add(w.f.srv, &op));
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
  return 0;
}

typedef struct {
  const char *line; /* with a job's id in it, or two times */
  const char *fields;
  const char *body; /* NULL: none */
  int status;
  int suspended; /* the job waits for an answer */
  int ends;      /* and ends while the answer is waited for */
  int is_stream;
} request_t;

#define ACCEPT_STREAM "Accept: text/event-stream\r\n"

static const request_t requests[] = {
  { .line = "GET /v1/jobs/%s", .status = 200 },
  { .line = "GET /v1/jobs/%s?wait=5", .status = 200, .ends = 1 },
  { .line = "GET /v1/jobs/%s/events", .status = 200 },
  { .line = "GET /v1/jobs/%s/events?after=4&wait=5", .status = 200,
    .ends = 1 },
  { .line = "DELETE /v1/jobs/%s", .status = 202 },
  { .line = "POST /v1/jobs/%s/cancel", .fields = JSON_TYPE,
    .body = "{\"reason\":\"not \\u0041ny more\"}", .status = 202 },
  { .line = "POST /v1/jobs/%s/answer", .fields = JSON_TYPE,
    .body = "{\"name\":\"x\"}", .status = 202, .suspended = 1 },
  { .line = "POST /v1/jobs/%s/ticket", .status = 200 },
  { .line = "GET /v1/jobs?state=running&limit=50", .status = 200 },
  { .line = "GET /v1/jobs/%s/stream", .status = 200, .ends = 1,
    .is_stream = 1 },
  { .line = "HEAD /v1/jobs/%s/stream", .status = 200 },
  { .line = "GET /v1/jobs/%s/stream?format=text&level=warn", .status = 200,
    .ends = 1, .is_stream = 1 },
  { .line = "GET /v1/stream?jobs=%s", .status = 200, .ends = 1,
    .is_stream = 1 },
  { .line = "GET /v1/events", .status = 200, .is_stream = 1 },
  { .line = "POST /v1/jobs", .fields = JSON_TYPE "Idempotency-Key: k%s\r\n",
    .body = "{\"operation\":\"work\"}", .status = 202 },
  { .line = "POST /v1/jobs", .fields = JSON_TYPE "Prefer: wait=5\r\n",
    .body = "{\"operation\":\"at_once\"}", .status = 200 },
  { .line = "POST /v1/jobs", .fields = JSON_TYPE ACCEPT_STREAM,
    .body = "{\"operation\":\"at_once\"}", .status = 200, .is_stream = 1 },
  { .line = "POST /v1/jobs", .fields = JSON_TYPE,
    .body = "{\"operation\":\"work\",\"text\":\"\\u00e4\",\"options\":{"
            "\"tags\":{\"a\":\"\\u0062\",\"c\":\"d\"},\"unique_key\":\"%s\","
            "\"on_conflict\":\"existing\",\"run_at\":"
            "\"2099-01-01T00:00:00Z\",\"priority\":\"high\"}}",
    .status = 202 },
  { .line = "POST /v1/jobs", .fields = JSON_TYPE,
    .body = "{\"operation\":\"work\",\"wrong\":1}", .status = 422 },
  { .line = "POST /v1/jobs", .fields = JSON_TYPE, .body = "{\"a\":[1,}",
    .status = 400 },
  { .line = "GET /metrics", .status = 200 },
  { .line = "GET /v1/openapi.json", .status = 200 },
  { .line = "OPTIONS /v1/jobs", .status = 204 },
  { .line = "GET /nowhere", .status = 404 },
};

/* The whole request, the id put in wherever it is asked for. */
static void write_request(char *to,
                          size_t cap,
                          const request_t *request,
                          const char *id) {
  char line[300];
  char fields[300];
  char body[300];

  snprintf(line, sizeof(line), request->line, id);
  snprintf(fields, sizeof(fields),
           request->fields != NULL ? request->fields : "", id);
  snprintf(body, sizeof(body), request->body != NULL ? request->body : "", id);
  snprintf(to, cap,
           "%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer secret\r\n"
           "%sContent-Length: %zu\r\n\r\n%s",
           line, fields, strlen(body), body);
}

/* Its head, and all of its body if that has a length. */
static int is_whole(const char *answer) {
  const char *end = strstr(answer, "\r\n\r\n");
  const char *length = strstr(answer, "\r\nContent-Length: ");

  return end != NULL && (length == NULL || length > end ||
                         strlen(end + 4) >= (size_t) atol(length + 18));
}

static int status_of(const char *answer) {
  return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static void expect(const request_t *request, uint64_t n, const char *answer) {
  int status = status_of(answer);

  if (status == request->status || *answer == '\0')
    return;
  if (status == 503 && strstr(answer, "\"code\":\"no_memory\"") != NULL)
    return;
  if (status == 503 && strncmp(request->line, "HEAD ", 5) == 0)
    return;
  /* with no memory even for that */
  if (status == 503 && strstr(answer, "Content-Length: 0\r\n") != NULL)
    return;
  /* whoever cannot wait is told what there is */
  if (status == 202 && request->status == 200 && request->body != NULL)
    return;
  fail_msg("%s, %d: %.700s", request->line, (int) n, answer);
}

static void ask_once(const request_t *request, uint64_t n, int *hit) {
  char text[1200];
  char id[JOBSRV_ID_SIZE];
  jobsrv_memory_t *client = NULL;
  jobsrv_job_t *job = fixture_begin(&w.f);
  const char *answer;

  jobsrv_job_ref(job);
  assert_ok(jobsrv_narrate(job, "say", "a word"));
  assert_ok(jobsrv_data_event(job, "rows", "[1]", 0));
  if (request->suspended)
    assert_ok(jobsrv_job_suspend(job, "{\"ask\":1}", 0));
  write_request(text, sizeof(text), request, jobsrv_job_id(job, id));
  assert_ok(jobsrv_memory_open(&client, w.sse));
  run_turns(&w.f.loop, 2);
  jobsrv_faults_fail(&faults, n, 1);
  assert_ok(jobsrv_memory_feed(client, text, strlen(text)));
  run_turns(&w.f.loop, 4);
  if (request->ends && jobsrv_job_complete(job, NULL, 0) != 0)
    assert_ok(jobsrv_job_complete(job, NULL, 0)); /* that was the one */
  run_turns(&w.f.loop, 4);
  *hit = jobsrv_faults_hit(&faults);
  jobsrv_faults_fail(&faults, 0, 0);
  answer = jobsrv_memory_output(client, NULL);
  if (!*hit && (status_of(answer) != request->status || !is_whole(answer)))
    fail_msg("%s: %.700s", request->line, answer);
  if (*answer != '\0' && !is_whole(answer) && !request->is_stream &&
      strncmp(request->line, "HEAD", 4) != 0)
    fail_msg("%s, %d: half an answer: %.700s", request->line, (int) n, answer);
  expect(request, n, answer);
  jobsrv_memory_free(client);
  if (jobsrv_job_state(job) == JOBSRV_STATE_SUSPENDED)
    assert_ok(jobsrv_job_answer(job, NULL, 0));
  if (!jobsrv_state_terminal(jobsrv_job_state(job)))
    assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&w.f.loop, 2);
  jobsrv_job_unref(job);
}

static void any_request_may_meet_the_end_of_memory(void **state) {
  uint64_t failed = 0;

  (void) state;
  for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
    uint64_t n = 0;
    int hit;

    do
      ask_once(&requests[i], n++, &hit);
    while (hit);
    failed += n;
  }
  assert_true(failed > 100);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_setup_teardown(any_request_may_meet_the_end_of_memory,
                                  setup, teardown),
};

RUN(tests);
