/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_SSE_WORLD_H
#define JOBSRV_TEST_SSE_WORLD_H

/* A server with time that stands still, a transport, and clients of it. */

#include "fixture.h"
#include "peer.h"
#include "sse/record.h"

#include "jobsrv/sse.h"

#include <stdarg.h>

typedef struct {
  fixture f;
  jobsrv_sse_options_t options;
  jobsrv_sse_t *sse;
  int port;
} world;

/* A member named wrong is a mistake. */
static inline int world_check(const char *payload,
                              size_t len,
                              jobsrv_mistake_t *mistake,
                              void *data) {
  (void) data;
  if (memmem(payload, len, "\"wrong\"", 7) == NULL)
    return 0;
  snprintf(mistake->pointer, sizeof(mistake->pointer), "/wrong");
  snprintf(mistake->detail, sizeof(mistake->detail), "is \"not\" known");
  return JOBSRV_EPAYLOAD;
}

static inline void world_add(world *w,
                             const char *name,
                             int expose,
                             int not_cancellable) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = name;
  op.start = fixture_start;
  op.check = world_check;
  op.expose = expose;
  op.not_cancellable = not_cancellable;
  assert_ok(jobsrv_operation_add(w->f.srv, &op));
}

/* With the limits that are set in w->options and w->f.options. */
static inline void world_open(world *w) {
  const char *fanout = getenv("JOBSRV_TEST_FANOUT");

  w->options.size = sizeof(w->options);
  if (fanout != NULL)
    w->options.fanout_loops = (uint32_t) atoi(fanout);
  fixture_open(&w->f);
  world_add(w, "work", 1, 0);
  world_add(w, "stubborn", 1, 1);
  world_add(w, "hidden", 0, 0);
  assert_ok(jobsrv_sse_new(&w->sse, w->f.srv, &w->options));
  assert_ok(jobsrv_sse_listen(w->sse, "127.0.0.1:0"));
  w->port = jobsrv_sse_port(w->sse, 0);
}

static inline void world_close(world *w) {
  fixture_close(&w->f);
}

static inline jobsrv_sse_stats_t world_stats(const world *w) {
  jobsrv_sse_stats_t stats = { .size = sizeof(stats) };

  jobsrv_sse_stats(w->sse, &stats);
  return stats;
}

/* ---- answers ---- */

static inline const char *answer_body(const peer_t *peer) {
  const char *end = strstr(peer->text, "\r\n\r\n");

  return end != NULL ? end + 4 : NULL;
}

typedef struct {
  peer_t *peer;
  int no_body;
} answer_wait_t;

static inline int answer_is_whole(void *data) {
  answer_wait_t *wait = data;
  const char *body;
  const char *length;

  peer_recv(wait->peer);
  body = answer_body(wait->peer);
  if (body == NULL)
    return wait->peer->eof;
  length = strstr(wait->peer->text, "Content-Length: ");
  if (wait->no_body || length == NULL || length > body)
    return 1;
  return wait->peer->eof ||
         wait->peer->len - (size_t) (body - wait->peer->text) >=
             (size_t) atol(length + 16);
}

/* Sends these bytes and takes one answer; returns its status, 0 for none. */
static inline int ask_raw(world *w, peer_t *peer, const char *request) {
  answer_wait_t wait = { peer, strncmp(request, "HEAD ", 5) == 0 };
  unsigned long long doc = record_doc(w->sse);

  peer->len = 0;
  peer->text[0] = '\0';
  peer_send(peer, request);
  if (!run_until(&w->f.loop, answer_is_whole, &wait, 5000))
    fail_msg("no answer to %.60s: %.300s", request, peer->text);
  record_answer(doc, request, peer->text, peer->len);
  return strncmp(peer->text, "HTTP/1.1 ", 9) == 0 ? atoi(peer->text + 9) : 0;
}

/*
 * One request. `fields` are whole field lines; with a body that is not NULL
 * Content-Length is added, and a Host always.
 */
static inline int ask(world *w,
                      peer_t *peer,
                      const char *line,
                      const char *fields,
                      const char *body) {
  static char request[1 << 17];

  if (body != NULL)
    snprintf(request, sizeof(request),
             "%s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %zu\r\n\r\n"
             "%s",
             line, fields, strlen(body), body);
  else
    snprintf(request, sizeof(request),
             "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line, fields);
  return ask_raw(w, peer, request);
}

#define JSON_TYPE "Content-Type: application/json\r\n"

static inline int post(world *w, peer_t *peer, const char *body) {
  return ask(w, peer, "POST /v1/jobs", JSON_TYPE, body);
}

/* The last answer was a problem of this code, well formed. */
static inline void assert_problem(const peer_t *peer,
                                  int status,
                                  const char *code) {
  char text[100];
  jobsrv_json_error_t error;
  const char *body = answer_body(peer);

  assert_non_null(body);
  if (status != atoi(peer->text + 9))
    fail_msg("%d %s was due: %s", status, code, peer->text);
  assert_contains(peer->text, "\r\nContent-Type: application/problem+json\r\n");
  assert_ok(jobsrv_json_check(body, strlen(body), 4, &error));
  snprintf(text, sizeof(text), "\"status\":%d", status);
  assert_contains(body, text);
  snprintf(text, sizeof(text), "\"code\":\"%s\"", code);
  assert_contains(body, text);
  assert_contains(body, "\"type\":");
  assert_contains(body, "\"title\":");
  assert_contains(body, "\"detail\":");
  if (status == 429 || status == 503)
    assert_contains(peer->text, "\r\nRetry-After: ");
}

/* Makes a job over HTTP and finds it. */
static inline jobsrv_job_t *post_job(world *w, peer_t *peer, const char *name) {
  char body[100];
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  snprintf(body, sizeof(body), "{\"operation\":\"%s\"}", name);
  assert_int_equal(post(w, peer, body), 202);
  assert_true(peer_job_id(peer, id));
  assert_ok(jobsrv_find(w->f.srv, id, &job));
  return job;
}

/* "METHOD /v1/jobs/<id><rest>" in one of a few places. */
static inline const char *line_of(const char *method,
                                  const jobsrv_job_t *job,
                                  const char *rest) {
  static char lines[4][600];
  static unsigned int next;
  char *line = lines[next++ % 4];
  char id[JOBSRV_ID_SIZE];

  snprintf(line, sizeof(lines[0]), "%s /v1/jobs/%s%s", method,
           jobsrv_job_id(job, id), rest);
  return line;
}

#endif /* JOBSRV_TEST_SSE_WORLD_H */
