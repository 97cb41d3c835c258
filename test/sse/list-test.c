/* SPDX-License-Identifier: MIT */

/* Row 6 over HTTP: GET P/jobs. */

#include "sse/world.h"

static world w;
static peer_t peer;

static int setup(void **state) {
  (void) state;
  memset(&w, 0, sizeof(w));
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

static jobsrv_job_t *submit(const char *operation,
                            const char *key,
                            const char *value,
                            int is_private) {
  jobsrv_tag_t tag = { key, value };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = operation;
  spec.tags = &tag;
  spec.ntags = key != NULL;
  spec.is_private = is_private;
  assert_ok(jobsrv_submit(w.f.srv, &spec, NULL, &job));
  return job;
}

/* The answer to a list, 200; how many records it has. */
static int list(const char *query) {
  char line[600];
  const char *at;
  jobsrv_json_error_t error;
  int n = 0;

  snprintf(line, sizeof(line), "GET /v1/jobs%s", query);
  assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
  at = answer_body(&peer);
  assert_ok(jobsrv_json_check(at, strlen(at), 64, &error));
  assert_int_equal(strncmp(at, "{\"jobs\":[", 9), 0);
  while ((at = strstr(at, "{\"job_id\":\"")) != NULL) {
    at++;
    n++;
  }
  return n;
}

/* The cursor of the last answer; 0 when it has none. */
static int next_cursor(char *to, size_t cap) {
  const char *at = strstr(peer.text, "],\"next_cursor\":\"");

  if (at == NULL)
    return 0;
  at += strlen("],\"next_cursor\":\"");
  snprintf(to, cap, "%.*s", (int) strcspn(at, "\""), at);
  assert_string_equal(at + strlen(to), "\"}");
  return 1;
}

static void refused(const char *query, const char *code, const char *name) {
  char line[1400];

  snprintf(line, sizeof(line), "GET /v1/jobs?%s", query);
  ask(&w, &peer, line, "", NULL);
  assert_problem(&peer, 400, code);
  snprintf(line, sizeof(line), "\"detail\":\"%s: ", name);
  assert_contains(peer.text, line);
}

static void none_is_an_empty_list(void **state) {
  (void) state;
  assert_int_equal(list(""), 0);
  assert_string_equal(answer_body(&peer), "{\"jobs\":[]}");
  assert_contains(peer.text, "\r\nContent-Type: application/json\r\n");
  assert_contains(peer.text, "\r\nCache-Control: no-store\r\n");
}

static void whole_records_with_links_newest_first(void **state) {
  char first[JOBSRV_ID_SIZE], second[JOBSRV_ID_SIZE];
  char want[200];
  const char *at;

  (void) state;
  jobsrv_job_id(submit("work", NULL, NULL, 0), first);
  jobsrv_job_id(submit("work", NULL, NULL, 0), second);
  assert_int_equal(list(""), 2);
  at = strstr(peer.text, second);
  assert_non_null(at);
  assert_true(at < strstr(peer.text, first));
  snprintf(want, sizeof(want), "\"links\":{\"self\":\"/v1/jobs/%s\"", first);
  assert_contains(peer.text, want);
  assert_contains(peer.text, "\"operation\":\"work\",\"state\":\"running\"");
  assert_null(strstr(peer.text, "next_cursor"));
}

static void a_page_has_fifty_unless_asked_otherwise(void **state) {
  char cursor[100], query[150];
  int sum = 0;

  (void) state;
  for (int i = 0; i < 51; i++)
    submit("work", NULL, NULL, 0);
  assert_int_equal(list(""), 50);
  assert_true(next_cursor(cursor, sizeof(cursor)));
  snprintf(query, sizeof(query), "?cursor=%s", cursor);
  assert_int_equal(list(query), 1);
  assert_false(next_cursor(cursor, sizeof(cursor)));
  assert_int_equal(list("?limit=51"), 51);
  assert_false(next_cursor(cursor, sizeof(cursor)));
  assert_int_equal(list("?limit=1000"), 51);
  /* those that come meanwhile are before the first page */
  snprintf(query, sizeof(query), "?limit=10");
  for (;;) {
    sum += list(query);
    submit("work", NULL, NULL, 0);
    if (!next_cursor(cursor, sizeof(cursor)))
      break;
    snprintf(query, sizeof(query), "?limit=10&cursor=%s", cursor);
  }
  assert_int_equal(sum, 51);
}

static void each_filter_counts(void **state) {
  (void) state;
  submit("work", "colour", "light blue", 0);
  submit("work", "colour", "red", 0);
  submit("stubborn", "size", "a:b", 0);
  assert_ok(jobsrv_job_cancel(submit("work", NULL, NULL, 0), NULL));
  assert_int_equal(list(""), 4);
  assert_int_equal(list("?operation=work"), 3);
  assert_int_equal(list("?operation=nobody"), 0);
  assert_int_equal(list("?state=running"), 3);
  assert_int_equal(list("?state=running,cancelled"), 4);
  assert_int_equal(list("?state=queued"), 0);
  assert_int_equal(list("?tag=colour:red"), 1);
  assert_int_equal(list("?tag=colour:light+blue"), 1);
  assert_int_equal(list("?tag=colour:light%20blue"), 1);
  assert_int_equal(list("?tag=size:a:b"), 1);
  assert_int_equal(list("?tag=colour:"), 0);
  assert_int_equal(list("?state=cancelled&operation=work&limit=1"), 1);
}

static void private_ones_are_left_out(void **state) {
  (void) state;
  submit("hidden", NULL, NULL, 0); /* made in C: to be read by all */
  submit("work", NULL, NULL, 1);
  assert_int_equal(list(""), 1);
  assert_contains(peer.text, "\"operation\":\"hidden\"");
}

static void what_cannot_be_is_named(void **state) {
  char long_one[1200] = "operation=";

  (void) state;
  submit("work", NULL, NULL, 0);
  refused("state=asleep", "bad_request", "state");
  refused("state=", "bad_request", "state");
  refused("state=queued,", "bad_request", "state");
  refused("state=queued&state=failed", "bad_request", "state");
  refused("operation=", "bad_request", "operation");
  memset(long_one + 10, 'x', 1000);
  refused(long_one, "bad_request", "operation");
  long_one[10 + 129] = '\0';
  refused(long_one, "bad_request", "operation");
  long_one[10 + 128] = '\0';
  long_one[0] = 'o';
  assert_int_equal(list("?operation=x"), 0);
  refused("tag=colour", "bad_request", "tag");
  refused("tag=:red", "bad_request", "tag");
  refused("tag=a%20b:red", "bad_request", "tag");
  refused("tag=%00", "bad_request", "tag");
  refused("limit=0", "bad_request", "limit");
  refused("limit=1001", "bad_request", "limit");
  refused("limit=ten", "bad_request", "limit");
  refused("limit=", "bad_request", "limit");
  refused("limit=-1", "bad_request", "limit");
  refused("cursor=", "bad_cursor", "cursor");
  refused("cursor=x", "bad_cursor", "cursor");
  refused("cursor=%5b", "bad_cursor", "cursor");
}

static void only_a_cursor_of_this_server_goes_on(void **state) {
  char cursor[100], query[200];

  (void) state;
  submit("work", NULL, NULL, 0);
  submit("work", NULL, NULL, 0);
  assert_int_equal(list("?limit=1"), 1);
  assert_true(next_cursor(cursor, sizeof(cursor)));
  snprintf(query, sizeof(query), "?limit=1&cursor=%s", cursor);
  assert_int_equal(list(query), 1);
  snprintf(query, sizeof(query), "cursor=%s0", cursor);
  assert_int_equal(list("?limit=1"), 1);
  snprintf(query, sizeof(query), "cursor=other%s", strchr(cursor, '-'));
  refused(query, "bad_cursor", "cursor");
  snprintf(query, sizeof(query), "cursor=%s-1-2", jobsrv_boot(w.f.srv));
  refused(query, "bad_cursor", "cursor");
  snprintf(query, sizeof(query), "cursor=%s-0-0-0", jobsrv_boot(w.f.srv));
  refused(query, "bad_cursor", "cursor");
  snprintf(query, sizeof(query), "cursor=%s-1-2-3x", jobsrv_boot(w.f.srv));
  refused(query, "bad_cursor", "cursor");
}

static void head_and_options_and_other_methods(void **state) {
  (void) state;
  submit("work", NULL, NULL, 0);
  assert_int_equal(ask(&w, &peer, "HEAD /v1/jobs?limit=1", "", NULL), 200);
  assert_contains(peer.text, "\r\nContent-Length: ");
  assert_string_equal(answer_body(&peer), "");
  assert_int_equal(ask(&w, &peer, "HEAD /v1/jobs?limit=0", "", NULL), 400);
  assert_int_equal(ask(&w, &peer, "OPTIONS /v1/jobs", "", NULL), 204);
  assert_contains(peer.text, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
  assert_int_equal(ask(&w, &peer, "DELETE /v1/jobs", "", NULL), 405);
  assert_contains(peer.text, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n");
}

/* ---- a page that would be too long ---- */

typedef struct {
  size_t length; /* of the body; 0: the head is still to come */
  size_t seen;
} long_answer;

/* Forgets all but the end of what has come. */
static int is_whole(void *data) {
  long_answer *answer = data;
  const char *body, *length;

  peer_recv(&peer);
  if (answer->length == 0) {
    body = answer_body(&peer);
    if (body == NULL)
      return 0;
    length = strstr(peer.text, "Content-Length: ");
    assert_non_null(length);
    answer->length = (size_t) atol(length + 16);
    answer->seen = peer.len - (size_t) (body - peer.text);
  } else {
    answer->seen += peer.len - 200;
  }
  if (peer.len > 200) {
    memmove(peer.text, peer.text + peer.len - 200, 201);
    peer.len = 200;
  }
  return answer->seen >= answer->length;
}

static void a_page_of_long_records_ends_early(void **state) {
  static char result[15000];
  char cursor[100], request[200];
  long_answer answer;
  size_t sum = 0, pages = 0;

  (void) state;
  memset(result, 'x', sizeof(result) - 1);
  result[0] = result[sizeof(result) - 2] = '"';
  for (int i = 0; i < 200; i++) {
    jobsrv_job_t *job = submit("work", NULL, NULL, 0);

    run_turns(&w.f.loop, 1);
    assert_ok(jobsrv_job_complete(job, result, 0));
  }
  cursor[0] = '\0';
  do {
    snprintf(request, sizeof(request),
             "GET /v1/jobs?limit=1000%s%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
             cursor[0] != '\0' ? "&cursor=" : "", cursor);
    peer.len = 0;
    peer.text[0] = '\0';
    memset(&answer, 0, sizeof(answer));
    peer_send(&peer, request);
    assert_true(run_until(&w.f.loop, is_whole, &answer, 5000));
    assert_int_equal(answer.seen, answer.length);
    assert_true(answer.length <= 1024 * 1024 + 200);
    sum += answer.length;
    pages++;
  } while (next_cursor(cursor, sizeof(cursor)));
  assert_true(pages >= 3 && pages <= 4);
  assert_true(sum > 200 * sizeof(result));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(none_is_an_empty_list),
  CASE(whole_records_with_links_newest_first),
  CASE(a_page_has_fifty_unless_asked_otherwise),
  CASE(each_filter_counts),
  CASE(private_ones_are_left_out),
  CASE(what_cannot_be_is_named),
  CASE(only_a_cursor_of_this_server_goes_on),
  CASE(head_and_options_and_other_methods),
  CASE(a_page_of_long_records_ends_early),
};

RUN(tests);
