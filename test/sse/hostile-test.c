/* SPDX-License-Identifier: MIT */

/* Row 54: hostile texts from a job to a client, over a socket. */

#include "hostile.h"
#include "sse/watcher.h"

static world w;

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

static void narrate_all(jobsrv_job_t *job) {
  for (size_t i = 0; i < HOSTILE; i++) {
    jobsrv_field_t field = { .key = "text", .type = JOBSRV_FIELD_STRING,
                             .as.string = hostile[i].text };
    jobsrv_event_t event = { .target = hostile[i].text,
                             .human = hostile[i].text,
                             .fields = &field,
                             .nfields = 1 };

    assert_ok(jobsrv_narrate_event(job, &event));
  }
}

/* The object of an event whose lines are `id:`, maybe `event:`, and `data:`. */
static json_t *json_of(const sse_event_t *event) {
  const char *data = strstr(event->text, "data: ");
  json_t *json;

  assert_non_null(data);
  assert_null(strpbrk(data, "\r\n"));
  hostile_harmless(data, strlen(data));
  json = json_loads(data + 6, 0, NULL);
  assert_non_null(json);
  return json;
}

static void a_stream_has_each_in_an_event_of_its_own(void **state) {
  jobsrv_job_t *job = fixture_begin(&w.f);
  watcher_t *live = watch(&w, job, "", "");
  watcher_t *late;
  size_t i = 0;

  (void) state;
  watcher_wait(&w, live, 3);
  narrate_all(job);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  watcher_wait(&w, live, 0);
  late = watch(&w, job, "", "");
  watcher_wait(&w, late, 0);
  assert_same_events(live, late);
  for (size_t k = 0; k < live->n; k++) {
    const sse_event_t *event = &live->events[k];
    json_t *json;

    if (strstr(event->text, "\"type\":\"narration\"") == NULL)
      continue;
    json = json_of(event);
    hostile_is(json, "human", i);
    hostile_is(json, "target", i);
    hostile_is(json_object_get(json, "fields"), "text", i);
    json_decref(json);
    i++;
  }
  assert_int_equal(i, HOSTILE);
  assert_true(is_end(&live->events[live->n - 2]));
  watcher_free(live);
  watcher_free(late);
}

/* What a job failed of stands in its end, in its record, and in the marker. */
static void an_end_says_any_of_them_and_ends_once(void **state) {
  (void) state;
  for (size_t i = 0; i < HOSTILE; i++) {
    jobsrv_job_t *job = fixture_begin(&w.f);
    watcher_t *watcher = watch(&w, job, "", "");
    const sse_event_t *end, *marker;
    char line[128], id[JOBSRV_ID_SIZE];
    json_t *json;
    peer_t peer;

    watcher_wait(&w, watcher, 3);
    assert_ok(jobsrv_job_fail(job, "odd", hostile[i].text));
    watcher_wait(&w, watcher, 0);
    end = &watcher->events[watcher->n - 2];
    marker = &watcher->events[watcher->n - 1];
    assert_true(is_end(end));
    json = json_of(end);
    hostile_is(json_object_get(json, "error"), "message", i);
    json_decref(json);
    assert_non_null(strstr(marker->text, "data: [ERROR]"));
    assert_null(strpbrk(strstr(marker->text, "data: "), "\r\n"));
    hostile_harmless(strstr(marker->text, "data: "),
                     strlen(strstr(marker->text, "data: ")));
    watcher_free(watcher);

    snprintf(line, sizeof(line), "GET /v1/jobs/%s", jobsrv_job_id(job, id));
    peer_open(&peer, w.port);
    assert_int_equal(ask(&w, &peer, line, "", NULL), 200);
    json = json_loads(answer_body(&peer), 0, NULL);
    assert_non_null(json);
    hostile_is(json_object_get(json, "error"), "message", i);
    json_decref(json);
    peer_close(&peer);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_stream_has_each_in_an_event_of_its_own,
                                    setup, teardown),
    cmocka_unit_test_setup_teardown(an_end_says_any_of_them_and_ends_once,
                                    setup, teardown),
  };

  return RUN_GROUP(tests);
}
