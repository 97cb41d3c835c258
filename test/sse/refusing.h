/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_SSE_REFUSING_H
#define JOBSRV_TEST_SSE_REFUSING_H

/*
 * One request on a connection in memory, in every way that it may come: whole
 * and byte by byte, as the first of its connection, as a later one, and right
 * behind one that is still to be answered.
 */

#include "world.h"

#include "jobsrv/testing_sse.h"

#include "base/buf.h"

#define HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

typedef enum { FRESH, KEPT, BEHIND, PLACES } place_in_t;

typedef struct {
  const char *what; /* for messages */
  int status;
  const char *code; /* of a problem; NULL: none */
  int closes;       /* the connection, behind the answer */
} due_t;

/* The next answer in what was sent; moves `*at` behind it. 0: none. */
static inline int next_answer(const char **at, const char **text) {
  const char *end = strstr(*at, "\r\n\r\n");
  const char *length;
  int status;

  if (end == NULL || strncmp(*at, "HTTP/1.1 ", 9) != 0)
    return 0;
  *text = *at;
  status = atoi(*at + 9);
  length = strstr(*at, "Content-Length: ");
  *at = end + 4;
  if (status >= 200 && length != NULL && length < end)
    *at += atol(length + 16);
  return status;
}

static inline void feed_all(world *w,
                            jobsrv_memory_t *client,
                            const char *data,
                            size_t len,
                            size_t step) {
  for (size_t at = 0; at < len; at += step) {
    size_t n = len - at < step ? len - at : step;

    /* what has been refused need not be taken any more */
    if (jobsrv_memory_feed(client, data + at, n) != 0)
      break;
    run_turns(&w->f.loop, 1);
  }
  run_turns(&w->f.loop, 5);
}

static inline void expect_problem(const due_t *due,
                                  const char *answer,
                                  const char *from) {
  char code[80];

  snprintf(code, sizeof(code), "\"code\":\"%s\"", due->code);
  if (strstr(answer, "\r\nContent-Type: application/problem+json\r\n") ==
          NULL ||
      strstr(answer, code) == NULL || strstr(answer, "\"detail\":\"") == NULL)
    fail_msg("%s, %s: no problem %s: %.600s", due->what, from, due->code,
             answer);
  if ((due->status == 429 || due->status == 503) &&
      strstr(answer, "\r\nRetry-After: ") == NULL)
    fail_msg("%s, %s: no Retry-After: %.600s", due->what, from, answer);
}

/* Behind what closes nothing more is answered; else the next request is. */
static inline void expect_after(world *w,
                                jobsrv_memory_t *client,
                                const due_t *due,
                                const char *answer,
                                const char *rest,
                                const char *from) {
  const char *text;

  if (due->closes) {
    if (strstr(answer, "\r\nConnection: close\r\n") == NULL || *rest != '\0' ||
        jobsrv_memory_state(client) == JOBSRV_MEMORY_OPEN)
      fail_msg("%s, %s: not closed: %.900s", due->what, from, answer);
    fixture_ms(&w->f, 1001);
    assert_int_equal(jobsrv_memory_state(client), JOBSRV_MEMORY_CLOSED);
    return;
  }
  if (next_answer(&rest, &text) != 200 || strstr(text, "\"boot\"") == NULL ||
      *rest != '\0')
    fail_msg("%s, %s: the next request was not answered: %.900s", due->what,
             from, answer);
}

/* One way of its coming. Once it is answered, another request follows. */
static inline void expect_one(world *w,
                              const due_t *due,
                              const char *request,
                              size_t len,
                              place_in_t place,
                              size_t step) {
  static const char *const places[PLACES] = {"fresh", "kept", "behind"};
  char from[60];
  jobsrv_memory_t *client;
  jobsrv__buf_t all;
  const char *at;
  const char *text = "";
  int status;

  snprintf(from, sizeof(from), "%s by %zu", places[place], step);
  assert_ok(jobsrv_memory_open(&client, w->sse));
  jobsrv__buf_init(&all, NULL, 0);
  if (place == KEPT)
    feed_all(w, client, HEALTH, strlen(HEALTH), SIZE_MAX);
  if (place == BEHIND)
    jobsrv__buf_append(&all, HEALTH, strlen(HEALTH));
  jobsrv__buf_append(&all, request, len);
  jobsrv__buf_append(&all, HEALTH, strlen(HEALTH));
  assert_int_equal(all.failed, 0);
  feed_all(w, client, all.data, all.len, step);
  at = jobsrv_memory_output(client, NULL);
  if (place != FRESH)
    assert_int_equal(next_answer(&at, &text), 200);
  status = next_answer(&at, &text);
  if (status == 100)
    status = next_answer(&at, &text);
  if (status != due->status)
    fail_msg("%s, %s: %d where %d was due: %.600s", due->what, from, status,
             due->status, text);
  if (due->code != NULL)
    expect_problem(due, text, from);
  expect_after(w, client, due, text, at, from);
  jobsrv__buf_free(&all);
  jobsrv_memory_free(client);
}

static inline void expect_everywhere(world *w,
                                     const due_t *due,
                                     const char *request,
                                     size_t len) {
  for (int place = 0; place < PLACES; place++) {
    expect_one(w, due, request, len, (place_in_t) place, SIZE_MAX);
    expect_one(w, due, request, len, (place_in_t) place, 1);
  }
}

#endif /* JOBSRV_TEST_SSE_REFUSING_H */
