/* SPDX-License-Identifier: MIT */

/* A request that there is no memory for. */

#include "sse/world.h"

#include "jobsrv/testing_sse.h"

/* As long as the memory that its bytes are kept in: what is behind it is not
   the server's. */
enum { LEN = 128 };

static world w;
static jobsrv_faults_t faults;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  assert_ok(jobsrv_faults_init(&faults));
  w.f.options.alloc = &faults.alloc;
  world_open(&w);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  jobsrv_faults_free(&faults);
  return 0;
}

static void write_request(char to[LEN + 1], const char *method) {
  int len = snprintf(to, LEN + 1, "%s /health HTTP/1.1\r\nHost: localhost\r\nX: ",
                     method);

  memset(to + len, 'x', (size_t) (LEN - 4 - len));
  memcpy(to + LEN - 4, "\r\n\r\n", 5);
}

/* Returns 1 if a request for memory was refused. */
static int ask_without(uint64_t nth, const char *method, int *refused) {
  char request[LEN + 1];
  jobsrv_memory_t *client;
  const char *body;
  int hit;

  write_request(request, method);
  assert_ok(jobsrv_memory_open(&client, w.sse));
  assert_ok(jobsrv_memory_feed(client, request, LEN));
  jobsrv_faults_fail(&faults, nth, 1);
  run_turns(&w.f.loop, 4);
  hit = jobsrv_faults_hit(&faults);
  jobsrv_faults_fail(&faults, 0, 0);
  body = strstr(jobsrv_memory_output(client, NULL), "\r\n\r\n");
  if (body != NULL) {
    *refused += strstr(jobsrv_memory_output(client, NULL), " 503 ") != NULL;
    if (strcmp(method, "HEAD") == 0)
      assert_string_equal(body, "\r\n\r\n");
    else
      assert_contains(body, "{");
  }
  jobsrv_memory_free(client);
  run_turns(&w.f.loop, 2);
  return hit;
}

static void try_all(const char *method) {
  int refused = 0;
  uint64_t nth = 0;

  while (ask_without(nth, method, &refused))
    nth++;
  assert_true(nth >= 3);
  assert_true(refused >= 2);
}

static void a_head_has_no_body_whatever_there_is_no_memory_for(void **state) {
  (void) state;
  try_all("HEAD");
}

static void all_others_are_told(void **state) {
  (void) state;
  try_all("GET");
  try_all("POST");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_head_has_no_body_whatever_there_is_no_memory_for),
  CASE(all_others_are_told),
};

RUN(tests);
