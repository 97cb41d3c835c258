/* SPDX-License-Identifier: MIT */

#include "mode.h"

#include "jobsrv/sse.h"
#include "jobsrv/sse_auth.h"
#include "jobsrv/testing.h"
#include "jobsrv/testing_sse.h"

#include <stdio.h>
#include <string.h>

/*
 * Every allocation behind a stream of many jobs fails once, and in a second
 * pass everything from some allocation on: nothing crashes, leaks or hangs, and
 * who is cut comes back by its cursor and has the rest, or is told of a gap.
 */

enum { JOBS = 3, BODY = 1 << 18 };

typedef struct {
  loop_t loop;
  jobsrv_manual_clock_t clock;
  jobsrv_faults_t faults;
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  jobsrv_job_t *jobs[JOBS];
  jobsrv_job_t *late;
  char body[BODY];
  size_t len;
  unsigned long long at; /* the newest id */
  unsigned long long had[JOBS + 1]; /* seq, told or told to be missing */
  int has_forgotten; /* so what is missing from now on is told */
  int closed;
} scene_t;

static scene_t s;

static void on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((scene_t *) data)->closed = 1;
}

static int is_closed(void *data) {
  return ((scene_t *) data)->closed;
}

static jobsrv_sse_grant_t allow(jobsrv_sse_request_t *request,
                                jobsrv_sse_verb_t verb,
                                jobsrv_job_t *job,
                                void *data) {
  (void) request;
  (void) verb;
  (void) job;
  (void) data;
  return JOBSRV_SSE_ALLOW;
}

static jobsrv_job_t *begin(void) {
  jobsrv_job_t *job = NULL;
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = "begun";
  if (jobsrv_begin(s.srv, &spec, &job) != 0)
    return NULL;
  return job;
}

static void open_scene(void) {
  jobsrv_options_t options;
  jobsrv_sse_options_t transport;

  memset(&s, 0, sizeof(s));
  loop_open(&s.loop);
  assert_ok(jobsrv_faults_init(&s.faults));
  jobsrv_manual_clock_init(&s.clock);
  jobsrv_options_init(&options);
  options.alloc = &s.faults.alloc;
  options.clock = &s.clock.clock;
  options.max_events_per_job = 24;
  options.max_bytes_per_job = 8192;
  assert_ok(loop_server(&s.loop, &s.srv, &options));
  jobsrv_sse_options_init(&transport);
  transport.all_events = 1;
  assert_ok(jobsrv_sse_new(&s.sse, s.srv, &transport));
  jobsrv_sse_authorise(s.sse, allow, NULL);
  for (int i = 0; i < JOBS; i++) {
    s.jobs[i] = begin();
    assert_non_null(s.jobs[i]);
    assert_ok(jobsrv_narrate(s.jobs[i], "say", "early"));
  }
  run_turns(&s.loop, 3);
}

static void close_scene(void) {
  jobsrv_close(s.srv, on_closed, &s);
  assert_true(run_until(&s.loop, is_closed, &s, 10000));
  run_turns(&s.loop, 3);
  loop_close(&s.loop);
  assert_int_equal(jobsrv_faults_live(&s.faults), 0);
  jobsrv_faults_free(&s.faults);
}

/* ---- the client, who has no faults ---- */

static jobsrv_memory_t *connect_to(int all, int window) {
  jobsrv_memory_t *client = NULL;
  char id[JOBSRV_ID_SIZE];
  char text[700];
  int len;

  if (jobsrv_memory_open(&client, s.sse) != 0)
    return NULL;
  if (window > 0)
    jobsrv_memory_window(client, (size_t) window);
  len = snprintf(text, sizeof(text), "GET /v1/%s", all ? "events?" : "stream");
  for (int i = 0; i < JOBS && !all; i++)
    len += snprintf(text + len, sizeof(text) - (size_t) len, "%s%s",
                    i > 0 ? "," : "?jobs=", jobsrv_job_id(s.jobs[i], id));
  if (s.at > 0)
    len += snprintf(text + len, sizeof(text) - (size_t) len, "&after=g%llu",
                    s.at);
  len += snprintf(text + len, sizeof(text) - (size_t) len,
                  " HTTP/1.1\r\nHost: localhost\r\n\r\n");
  s.len = 0;
  if (jobsrv_memory_feed(client, text, (size_t) len) == 0)
    return client;
  jobsrv_memory_free(client);
  return NULL;
}

static int job_in(const char *frame) {
  char id[JOBSRV_ID_SIZE];

  for (int i = 0; i <= JOBS; i++) {
    jobsrv_job_t *job = i < JOBS ? s.jobs[i] : s.late;

    if (job != NULL && strstr(frame, jobsrv_job_id(job, id)) != NULL)
      return i;
  }
  return -1;
}

/* An event follows the one before it, or a gap that tells what is missing. */
static void look_at(const char *frame) {
  const char *from = strstr(frame, "\"missed_from\":");
  const char *seq = strstr(frame, "\"seq\":");
  int i = job_in(frame);

  if (strstr(frame, "\"reason\":\"forgotten\"") != NULL) {
    s.has_forgotten = 1;
  } else if (from != NULL) {
    assert_in_range(i, 0, JOBS);
    assert_true(strtoull(from + 14, NULL, 10) <= s.had[i] + 1);
    s.had[i] = strtoull(strstr(from, "_to\":") + 5, NULL, 10);
  } else if (seq != NULL) {
    assert_in_range(i, 0, JOBS);
    if (!s.has_forgotten)
      assert_int_equal(strtoull(seq + 6, NULL, 10), s.had[i] + 1);
    s.had[i] = strtoull(seq + 6, NULL, 10);
  }
}

/* Whole frames; what an id is given to is had. */
static void take(jobsrv_memory_t *client) {
  const char *bytes;
  char *frame;
  char *end;
  size_t len;

  if (client == NULL)
    return;
  bytes = jobsrv_memory_output(client, &len);
  assert_true(s.len + len < BODY);
  memcpy(s.body + s.len, bytes, len);
  s.len += len;
  s.body[s.len] = '\0';
  jobsrv_memory_take(client, len);
  frame = s.body;
  while ((end = strstr(frame, "\n\n")) != NULL) {
    char *id;

    *end = '\0';
    id = strstr(frame, "id: ");
    look_at(frame);
    if (id != NULL) {
      unsigned long long at = strtoull(strstr(id, "-g") + 2, NULL, 10);

      assert_true(at >= s.at);
      s.at = at;
    }
    frame = end + 2;
  }
  s.len -= (size_t) (frame - s.body);
  memmove(s.body, frame, s.len + 1);
}

/* ---- the story ---- */

static void tell(void) {
  for (int i = 0; i < 10; i++)
    for (int k = 0; k < JOBS; k++)
      (void) jobsrv_narrate(s.jobs[k], "say", "%0150d", i);
  (void) jobsrv_progress(s.jobs[0],
                         &(jobsrv_progress_t) { .done = 1, .total = 2 });
}

static void story(int all, jobsrv_memory_t **client) {
  *client = connect_to(all, 3000);
  run_turns(&s.loop, 4);
  tell();
  run_turns(&s.loop, 4);
  take(*client);
  tell(); /* trimmed before it is read */
  tell();
  run_turns(&s.loop, 4);
  s.late = begin();
  if (s.late != NULL)
    (void) jobsrv_narrate(s.late, "say", "late");
  if (*client != NULL)
    jobsrv_memory_window(*client, SIZE_MAX);
  run_turns(&s.loop, 8);
  for (int k = 0; k < JOBS; k++)
    (void) jobsrv_job_complete(s.jobs[k], NULL, 0);
  run_turns(&s.loop, 4);
  take(*client);
}

/* Without faults: what is left comes, and it all fits. */
static void rest_of_it(int all, jobsrv_memory_t *client) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  for (int k = 0; k < JOBS; k++)
    if (!jobsrv_state_terminal(jobsrv_job_state(s.jobs[k])))
      assert_ok(jobsrv_job_complete(s.jobs[k], NULL, 0));
  run_turns(&s.loop, 10);
  take(client);
  if (client == NULL || jobsrv_memory_state(client) != JOBSRV_MEMORY_OPEN ||
      strncmp(s.body, "HTTP/1.1 503", 12) == 0 ||
      strstr(s.body, "0\r\n\r\n") != NULL) {
    jobsrv_memory_free(client);
    client = connect_to(all, 0);
    assert_non_null(client);
    run_turns(&s.loop, 10);
    take(client);
  }
  jobsrv_memory_free(client);
  for (int k = 0; k < JOBS; k++) {
    jobsrv_job_info(s.jobs[k], &info);
    if (!s.has_forgotten)
      assert_int_equal(s.had[k], info.last_seq);
  }
}

static void run_with(int all, uint64_t count, int *hits) {
  int hit = 1;

  for (uint64_t n = 0; hit; n++) {
    jobsrv_memory_t *client = NULL;

    open_scene();
    jobsrv_faults_fail(&s.faults, n, count);
    story(all, &client);
    hit = jobsrv_faults_hit(&s.faults);
    jobsrv_faults_fail(&s.faults, 0, 0);
    run_turns(&s.loop, 4);
    rest_of_it(all, client);
    close_scene();
    *hits += hit;
  }
}

static void each_allocation_of_one_of_all_may_fail(void **state) {
  int hits = 0;

  (void) state;
  run_with(1, 1, &hits);
  assert_true(hits > 20);
  run_with(1, UINT64_MAX, &hits);
  print_message("%d allocations failed in turn\n", hits);
}

static void each_allocation_of_one_of_many_may_fail(void **state) {
  int hits = 0;

  (void) state;
  run_with(0, 1, &hits);
  assert_true(hits > 20);
  run_with(0, UINT64_MAX, &hits);
  print_message("%d allocations failed in turn\n", hits);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(each_allocation_of_one_of_all_may_fail),
  cmocka_unit_test(each_allocation_of_one_of_many_may_fail),
};

RUN(tests);
