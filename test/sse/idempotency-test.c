/* SPDX-License-Identifier: MIT */

#include "sse/world.h"

#include "jobsrv/sse_auth.h"
#include "sse/internal.h"

/* Row 65: the same request sent twice makes one job. */

static world w;
static peer_t peer;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
  w.f.options.retain_ms = 1000;
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

#define KEY JSON_TYPE "Idempotency-Key: one\r\n"
#define WORK "{\"operation\":\"work\"}"

static int make(const char *fields, const char *body, char *id) {
  int status = ask(&w, &peer, "POST /v1/jobs", fields, body);

  if (id != NULL)
    assert_true(peer_job_id(&peer, id));
  return status;
}

static void the_same_again_is_the_same_job(void **state) {
  char first[JOBSRV_ID_SIZE];
  char second[JOBSRV_ID_SIZE];

  (void) state;
  assert_int_equal(make(KEY, WORK, first), 202);
  assert_int_equal(make(KEY, WORK, second), 200);
  assert_string_equal(first, second);
  assert_contains(peer.text, "\r\nLocation: /v1/jobs/job-");
  assert_int_equal(fixture_stats(&w.f).created, 1);
}

static void without_a_key_each_is_new(void **state) {
  (void) state;
  assert_int_equal(make(JSON_TYPE, WORK, NULL), 202);
  assert_int_equal(make(JSON_TYPE, WORK, NULL), 202);
  assert_int_equal(fixture_stats(&w.f).created, 2);
}

static void another_body_is_a_mistake(void **state) {
  (void) state;
  assert_int_equal(make(KEY, WORK, NULL), 202);
  make(KEY, "{\"operation\":\"work\" }", NULL); /* every byte counts */
  assert_problem(&peer, 422, "idempotency_mismatch");
  make(KEY, "{\"operation\":\"none\"}", NULL); /* looked at first */
  assert_problem(&peer, 422, "idempotency_mismatch");
  assert_int_equal(fixture_stats(&w.f).created, 1);
}

static void a_key_holds_in_any_state_while_retained(void **state) {
  char id[JOBSRV_ID_SIZE];
  char again[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  assert_int_equal(make(KEY, WORK, id), 202);
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  fixture_ms(&w.f, 999);
  assert_int_equal(make(KEY, WORK, again), 200);
  assert_string_equal(again, id);
  fixture_ms(&w.f, 2);
  assert_int_equal(fixture_stats(&w.f).retained, 0);
  assert_int_equal(make(KEY, WORK, again), 202);
  assert_string_not_equal(again, id);
  assert_int_equal(make(KEY, WORK, id), 200);
  assert_string_equal(again, id);
}

static void a_refusal_is_not_remembered(void **state) {
  (void) state;
  assert_int_equal(make(KEY, "{\"operation\":\"none\"}", NULL), 422);
  assert_int_equal(make(KEY, WORK, NULL), 202);
}

static void a_key_that_is_none_is_refused(void **state) {
  static char fields[400];

  (void) state;
  make(JSON_TYPE "Idempotency-Key: \r\n", WORK, NULL);
  assert_problem(&peer, 400, "bad_request");
  make(JSON_TYPE "Idempotency-Key: a b\r\n", WORK, NULL);
  assert_problem(&peer, 400, "bad_request");
  make(JSON_TYPE "Idempotency-Key: \xc3\xa9\r\n", WORK, NULL);
  assert_problem(&peer, 400, "bad_request");
  make(KEY "Idempotency-Key: one\r\n", WORK, NULL);
  assert_problem(&peer, 400, "bad_request");
  snprintf(fields, sizeof(fields), JSON_TYPE "Idempotency-Key: %0129d\r\n", 7);
  make(fields, WORK, NULL);
  assert_problem(&peer, 400, "bad_request");
  snprintf(fields, sizeof(fields), JSON_TYPE "Idempotency-Key: %0128d\r\n", 7);
  assert_int_equal(make(fields, WORK, NULL), 202);
  assert_int_equal(make(fields, WORK, NULL), 200);
}

static jobsrv_sse_grant_t name(jobsrv_sse_request_t *request,
                               jobsrv_sse_verb_t verb,
                               jobsrv_job_t *job,
                               void *data) {
  jobsrv_sse_text_t user = jobsrv_sse_header(request, "x-user", NULL);
  char text[40];

  (void) verb;
  (void) job;
  (void) data;
  snprintf(text, sizeof(text), "%.*s", (int) user.len, user.data);
  assert_ok(jobsrv_sse_set_principal(request, text));
  return JOBSRV_SSE_ALLOW;
}

static void a_key_is_its_principals(void **state) {
  char ann[JOBSRV_ID_SIZE];
  char bob[JOBSRV_ID_SIZE];

  (void) state;
  jobsrv_sse_authorise(w.sse, name, NULL);
  assert_int_equal(make(KEY "X-User: ann\r\n", WORK, ann), 202);
  assert_int_equal(make(KEY "X-User: bob\r\n", WORK, bob), 202);
  assert_string_not_equal(ann, bob);
  assert_int_equal(make(KEY "X-User: ann\r\n", WORK, bob), 200);
  assert_string_equal(ann, bob);
  /* a name and a key run together are not another's */
  assert_int_equal(make(JSON_TYPE "Idempotency-Key: none\r\nX-User: an\r\n",
                        WORK, bob), 202);
}

static void it_goes_together_with_a_unique_key(void **state) {
  static const char body[] =
      "{\"operation\":\"work\",\"options\":{\"unique_key\":\"k\"}}";
  char first[JOBSRV_ID_SIZE];
  char second[JOBSRV_ID_SIZE];

  (void) state;
  assert_int_equal(make(JSON_TYPE, body, first), 202);
  assert_int_equal(make(KEY, body, second), 200);
  assert_string_equal(first, second);
  make(KEY, WORK, NULL);
  assert_problem(&peer, 422, "idempotency_mismatch");
}

static void it_goes_together_with_waiting(void **state) {
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  assert_int_equal(make(KEY, WORK, id), 202);
  assert_ok(jobsrv_find(w.f.srv, id, &job));
  assert_ok(jobsrv_job_complete(job, "1", 1));
  run_turns(&w.f.loop, 3);
  assert_int_equal(make(KEY "Prefer: wait=5\r\n", WORK, NULL), 200);
  assert_contains(peer.text, "\"result\":1");
}

/* What is kept of keys goes with their jobs. */
static void keys_do_not_pile_up(void **state) {
  char fields[100];
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  for (int i = 0; i < 300; i++) {
    snprintf(fields, sizeof(fields), JSON_TYPE "Idempotency-Key: %d\r\n", i);
    assert_int_equal(make(fields, WORK, id), 202);
    assert_ok(jobsrv_find(w.f.srv, id, &job));
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    fixture_ms(&w.f, 1001);
  }
  assert_true(w.sse->keys_by_hash.count <= 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(the_same_again_is_the_same_job),
  CASE(without_a_key_each_is_new),
  CASE(another_body_is_a_mistake),
  CASE(a_key_holds_in_any_state_while_retained),
  CASE(a_refusal_is_not_remembered),
  CASE(a_key_that_is_none_is_refused),
  CASE(a_key_is_its_principals),
  CASE(it_goes_together_with_a_unique_key),
  CASE(it_goes_together_with_waiting),
  CASE(keys_do_not_pile_up),
};

RUN(tests);
