/* SPDX-License-Identifier: MIT */

#include "fixture.h"

#include "sse/frames.h"

#include <stdio.h>
#include <stdlib.h>

/* What a stream sends besides the log, rendered and looked at. */

typedef struct {
  fixture f;
  jobsrv_job_t *job;
  char id[JOBSRV_ID_SIZE];
  jobsrv__frames_t frames;
  char text[JOBSRV__FRAMES_MAX + 1];
  char before[JOBSRV__FRAMES_MAX + 1];
} world;

static void world_open(world *w) {
  memset(w, 0, sizeof(*w));
  fixture_open(&w->f);
  w->job = fixture_begin(&w->f);
  jobsrv_job_id(w->job, w->id);
  w->frames = (jobsrv__frames_t) {
    .srv = w->f.srv, .job = w->job, .prefix = "/v1", .chunked = 1
  };
}

static world *setup(void) {
  world *w = malloc(sizeof(*w));

  assert_non_null(w);
  world_open(w);
  return w;
}

static void done(world *w) {
  fixture_close(&w->f);
  free(w);
}

/* Checks the chunk that `text` begins with; returns its content's length. */
static size_t chunk(const char *text, size_t len) {
  char *end;
  size_t size;

  assert_true(len >= JOBSRV_CHUNK_HEAD + JOBSRV_CHUNK_TAIL);
  size = strtoul(text, &end, 16);
  assert_int_equal(end - text, 6);
  assert_memory_equal(end, "\r\n", 2);
  assert_true(JOBSRV_CHUNK_HEAD + size + JOBSRV_CHUNK_TAIL <= len);
  assert_memory_equal(text + JOBSRV_CHUNK_HEAD + size, "\r\n", 2);
  return size;
}

static void wrap_up(world *w, size_t len) {
  assert_true(len < sizeof(w->text));
  w->text[len] = '\0';
  assert_int_equal(strlen(w->text), len);
}

/* An event is lines without a CR and one empty line at its end. */
static void is_one_event(const char *text, size_t len) {
  assert_true(len > 2);
  assert_memory_equal(text + len - 2, "\n\n", 2);
  assert_null(memmem(text, len - 2, "\n\n", 2));
  assert_null(memchr(text, '\r', len));
}

static void is_json(const char *text, size_t len) {
  jobsrv_json_error_t error;

  if (jobsrv_json_check(text, len, 64, &error) != 0)
    fail_msg("%s at %zu in %.*s", error.message, error.offset, (int) len,
             text);
}

static void the_opening_is_a_state_with_the_record(void **state) {
  world *w = setup();
  char id[64];
  size_t len = jobsrv__frame_opening(&w->frames, 7, 2500, w->text);
  size_t size;
  const char *data;

  (void) state;
  wrap_up(w, len);
  size = chunk(w->text, len);
  assert_int_equal(size + JOBSRV_CHUNK_HEAD + JOBSRV_CHUNK_TAIL, len);
  is_one_event(w->text + JOBSRV_CHUNK_HEAD, size);
  assert_contains(w->text, "\r\nevent: state\nretry: 2500\n");
  snprintf(id, sizeof(id), "\nid: %s-7\n", jobsrv_boot(w->f.srv));
  assert_contains(w->text, id);
  data = strstr(w->text, "\ndata: ") + 7;
  is_json(data, len - (size_t) (data - w->text) - 4);
  assert_memory_equal(data, "{\"type\":\"state\",\"time\":\"2026-01-01T", 35);
  assert_contains(data, w->id);
  assert_contains(data, "\"state\":\"running\"");
  assert_contains(data, "\"links\":{\"self\":\"/v1/jobs/job-");
  assert_contains(data, "/cancel\"}}\n\n\r\n");
  done(w);
}

static void plain_frames_are_the_chunks_without_their_framing(void **state) {
  world *w = setup();
  size_t chunked = jobsrv__frame_opening(&w->frames, 0, 2000, w->before);
  size_t plain;

  (void) state;
  w->frames.chunked = 0;
  plain = jobsrv__frame_opening(&w->frames, 0, 2000, w->text);
  assert_int_equal(plain + JOBSRV_CHUNK_HEAD + JOBSRV_CHUNK_TAIL, chunked);
  assert_memory_equal(w->text, w->before + JOBSRV_CHUNK_HEAD, plain);

  plain = jobsrv__frame_heartbeat(&w->frames, NULL, w->text);
  assert_bytes(w->text, plain, ":\n\n");
  w->frames.chunked = 1;
  chunked = jobsrv__frame_heartbeat(&w->frames, NULL, w->text);
  assert_int_equal(chunk(w->text, chunked), 3);
  assert_memory_equal(w->text + JOBSRV_CHUNK_HEAD, ":\n\n", 3);
  done(w);
}

static void gaps_say_what_is_missing(void **state) {
  world *w = setup();
  char id[64];
  size_t len = jobsrv__frame_trimmed(&w->frames, 3, 90, w->text);
  const char *data;

  (void) state;
  wrap_up(w, len);
  is_one_event(w->text + JOBSRV_CHUNK_HEAD, chunk(w->text, len));
  snprintf(id, sizeof(id), "event: gap\nid: %s-90\n", jobsrv_boot(w->f.srv));
  assert_contains(w->text, id);
  data = strstr(w->text, "\ndata: ") + 7;
  is_json(data, len - (size_t) (data - w->text) - 4);
  assert_contains(data, "{\"type\":\"gap\",\"time\":\"");
  assert_contains(data, w->id);
  assert_contains(
      data, "\"missed_from\":3,\"missed_to\":90,\"reason\":\"trimmed\"}");

  len = jobsrv__frame_restart(&w->frames, w->text);
  wrap_up(w, len);
  is_one_event(w->text + JOBSRV_CHUNK_HEAD, chunk(w->text, len));
  snprintf(id, sizeof(id), "event: gap\nid: %s-0\n", jobsrv_boot(w->f.srv));
  assert_contains(w->text, id);
  assert_contains(w->text, ",\"reason\":\"restart\"}");
  done(w);
}

/* Renders the end twice and checks its form; returns the marker's line. */
static const char *the_end(world *w) {
  size_t len = jobsrv__frames_end(&w->frames, w->before);
  char id[64];
  size_t first;
  size_t second;
  char *data;

  fixture_ms(&w->f, 1234);
  assert_int_equal(jobsrv__frames_end(&w->frames, w->text), len);
  assert_memory_equal(w->text, w->before, len);
  wrap_up(w, len);

  first = chunk(w->text, len);
  is_one_event(w->text + JOBSRV_CHUNK_HEAD, first);
  assert_memory_equal(w->text + JOBSRV_CHUNK_HEAD, "event: end\ndata: ", 17);
  data = w->text + JOBSRV_CHUNK_HEAD + 17;
  is_json(data, first - 17 - 2);
  assert_contains(data, "{\"type\":\"end\",\"seq\":");
  first += JOBSRV_CHUNK_HEAD + JOBSRV_CHUNK_TAIL;
  second = chunk(w->text + first, len - first);
  is_one_event(w->text + first + JOBSRV_CHUNK_HEAD, second);
  snprintf(id, sizeof(id), "id: %s-%llu\ndata: ", jobsrv_boot(w->f.srv),
           (unsigned long long) fixture_info(w->job).last_seq);
  assert_memory_equal(w->text + first + JOBSRV_CHUNK_HEAD, id, strlen(id));
  data = w->text + first + JOBSRV_CHUNK_HEAD + strlen(id);
  first += second + JOBSRV_CHUNK_HEAD + JOBSRV_CHUNK_TAIL;
  assert_string_equal(w->text + first, "0\r\n\r\n");
  *strchr(data, '\n') = '\0';
  return data;
}

static void a_completed_job_ends_with_done(void **state) {
  world *w = setup();

  (void) state;
  assert_ok(jobsrv_job_complete(w->job, "{\"n\":1}", 0));
  assert_string_equal(the_end(w), "[DONE]");
  assert_contains(w->before, "\"result\":{\"n\":1}");
  done(w);
}

static void a_cancelled_job_ends_with_cancelled(void **state) {
  world *w = setup();

  (void) state;
  assert_ok(jobsrv_job_cancel(w->job, NULL));
  assert_ok(jobsrv_job_fail(w->job, NULL, NULL));
  assert_string_equal(the_end(w), "[CANCELLED]");
  done(w);
}

static void a_failed_job_ends_with_its_message(void **state) {
  world *w = setup();

  (void) state;
  assert_ok(jobsrv_job_fail(w->job, "disk_full", "no space left"));
  assert_string_equal(the_end(w), "[ERROR] no space left");
  done(w);
}

static void a_failure_without_words_is_told_by_its_code(void **state) {
  world *w = setup();

  (void) state;
  assert_ok(jobsrv_job_fail(w->job, "disk_full", NULL));
  assert_string_equal(the_end(w), "[ERROR] disk_full");
  done(w);
}

static void a_message_cannot_forge_anything(void **state) {
  world *w = setup();

  (void) state;
  assert_ok(jobsrv_job_fail(w->job, NULL,
                            "a\r\n\r\nid: x-9\ndata: [DONE]\n\n"
                            "\x1b[31m\x07\x7f\xc2\x9b" "2J \xc3\xa9\xff."));
  assert_string_equal(the_end(w),
                      "[ERROR] a    id: x-9 data: [DONE]  "
                      "\\x1b[31m\\x07\\x7f\\x9b" "2J \xc3\xa9\xef\xbf\xbd.");
  done(w);
}

static void the_longest_message_fits(void **state) {
  world *w = setup();
  char message[6000];

  (void) state;
  memset(message, 1, sizeof(message) - 1);
  message[sizeof(message) - 1] = '\0';
  assert_ok(jobsrv_job_fail(w->job, NULL, message));
  assert_contains(the_end(w), "[ERROR] \\x01\\x01");
  done(w);
}

static void a_plain_end_closes_nothing(void **state) {
  world *w = setup();
  size_t len;

  (void) state;
  assert_ok(jobsrv_job_complete(w->job, NULL, 0));
  w->frames.chunked = 0;
  len = jobsrv__frames_end(&w->frames, w->text);
  wrap_up(w, len);
  assert_memory_equal(w->text, "event: end\ndata: {", 18);
  assert_string_equal(w->text + len - 14, "data: [DONE]\n\n");
  done(w);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_opening_is_a_state_with_the_record),
  cmocka_unit_test(plain_frames_are_the_chunks_without_their_framing),
  cmocka_unit_test(gaps_say_what_is_missing),
  cmocka_unit_test(a_completed_job_ends_with_done),
  cmocka_unit_test(a_cancelled_job_ends_with_cancelled),
  cmocka_unit_test(a_failed_job_ends_with_its_message),
  cmocka_unit_test(a_failure_without_words_is_told_by_its_code),
  cmocka_unit_test(a_message_cannot_forge_anything),
  cmocka_unit_test(the_longest_message_fits),
  cmocka_unit_test(a_plain_end_closes_nothing),
};

RUN(tests);
