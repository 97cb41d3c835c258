/* SPDX-License-Identifier: MIT */

#include "world.h"

#include "narration/log.h"

static void an_event_is_one_chunk_around_one_event_of_a_stream(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_view_t view;
  jobsrv_job_t *job;
  world_t world;
  char want[128];

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_cursor_attach(&cursor, job, last_seq(job), NULL));
  assert_ok(jobsrv_narrate(job, "fetch", "one"));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_EVENTS);
  bytes_add(&bytes, view.data, view.len);

  snprintf(want, sizeof(want),
           "%06zx\r\nid: %s-%llu\ndata: {\"type\":\"narration\",\"seq\":%llu,",
           view.len - 10, jobsrv_boot(world.srv),
           (unsigned long long) last_seq(job),
           (unsigned long long) last_seq(job));
  assert_memory_equal(bytes.data, want, strlen(want));
  assert_frames(&world, &bytes, last_seq(job));
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void all_but_narration_is_named(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_data_event(job, "sum", "{\"a\":1}", 0));
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
  assert_contains(bytes.data, "-1\nevent: state\ndata: {\"type\":\"state\"");
  assert_contains(bytes.data, "\nevent: data\ndata: {\"type\":\"data\"");
  assert_int_equal(assert_frames(&world, &bytes, 1), last_seq(job) + 1);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void transitions_made_before_the_log_are_in_it(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_int_equal(world_log_bytes(&world), 0);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
  assert_int_equal(assert_frames(&world, &bytes, 1), last_seq(job) + 1);
  assert_contains(bytes.data, "\"state\":\"running\"");
  assert_int_not_equal(world_log_bytes(&world), 0);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void numbers_run_on_over_many_chunks(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  say(job, 1, 1500);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
  assert_true(bytes.len > 3 * 32 * 1024);
  assert_int_equal(assert_frames(&world, &bytes, 1), last_seq(job) + 1);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

/* Sizes around the ends of chunks of every size. */
static void every_size_of_event_comes_back_whole(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;
  char *text;
  size_t len;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  text = malloc(130 * 1024);
  assert_non_null(text);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  for (len = 3; len < 128 * 1024; len += len / 7 + 1) {
    memset(text, 'x', len);
    text[0] = text[len - 1] = '"';
    assert_ok(jobsrv_data_event(job, "blob", text, len));
    assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
    assert_int_equal(jobsrv_cursor_seq(&cursor), last_seq(job));
  }
  assert_int_equal(assert_frames(&world, &bytes, 1), last_seq(job) + 1);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  free(text);
  world_close(&world);
}

/* The first chunk is small whatever comes next, and 12,496 no power of two. */
static void a_large_event_may_come_early(void **state) {
  static char text[40000];
  size_t len;

  (void) state;
  memset(text, '5', sizeof(text));
  for (len = 700; len < sizeof(text); len = len * 3 / 2) {
    jobsrv_cursor_t cursor = { 0 };
    bytes_t bytes = { 0 };
    jobsrv_job_t *job;
    world_t world;

    world_init(&world);
    world.options.max_bytes_per_job = 100000;
    world_start(&world);
    job = begin_job(&world);
    assert_ok(jobsrv_narrate(job, "say", "%.*s", (int) len, text));
    say(job, 1, 80);
    assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
    assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
    assert_int_equal(assert_frames(&world, &bytes, 1), last_seq(job) + 1);
    jobsrv_cursor_detach(&cursor);
    bytes_free(&bytes);
    world_close(&world);
  }
}

static void past_the_bound_of_events_the_oldest_go(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_view_t view;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 16;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 100);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 3, NULL));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_GAP);
  assert_int_equal(view.missed_from, 4);
  assert_in_range(last_seq(job) - view.missed_to, 14, 16);
  jobsrv_cursor_advance(&cursor, 0);
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
  assert_int_equal(assert_frames(&world, &bytes, view.missed_to + 1),
                   last_seq(job) + 1);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void past_the_bound_of_bytes_the_oldest_go(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_per_job = 64 * 1024;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 3000);
  assert_in_range(world_log_bytes(&world), 48 * 1024, 64 * 1024);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  world_close(&world);
}

static void a_log_holds_its_newest_event_whatever_its_size(void **state) {
  static char text[40000];
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_view_t view;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_per_job = 4096;
  world_start(&world);
  job = begin_job(&world);
  memset(text, '7', sizeof(text) - 1);
  say(job, 1, 3);
  assert_ok(jobsrv_narrate(job, "say", "%s", text));
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_GAP);
  assert_int_equal(view.missed_to, last_seq(job) - 1);
  jobsrv_cursor_advance(&cursor, 0);
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
  assert_frames(&world, &bytes, last_seq(job));
  assert_contains(bytes.data, text);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

/* The first number a cursor from the start is given. */
static uint64_t first_left(jobsrv_job_t *job) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_view_t view;
  uint64_t first = 1;

  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  if (jobsrv_cursor_peek(&cursor, &view) == JOBSRV_READ_GAP)
    first = view.missed_to + 1;
  jobsrv_cursor_detach(&cursor);
  return first;
}

static void over_the_total_the_oldest_ended_log_goes_first(void **state) {
  jobsrv_job_t *jobs[3];
  jobsrv_job_t *live;
  world_t world;
  int i;

  (void) state;
  world_init(&world);
  world.options.max_bytes_total = 640 * 1024;
  world_start(&world);
  live = begin_job(&world);
  say(live, 1, 500);
  for (i = 0; i < 3; i++) {
    jobs[i] = begin_job(&world);
    say(jobs[i], 1, 300);
  }
  assert_ok(jobsrv_job_complete(jobs[1], NULL, 0));
  assert_ok(jobsrv_job_complete(jobs[0], NULL, 0));
  assert_int_equal(first_left(jobs[1]), 1);
  for (i = 501; first_left(jobs[1]) == 1; i++)
    say(live, i, i);
  assert_int_equal(first_left(jobs[1]), last_seq(jobs[1]));
  assert_int_equal(first_left(jobs[0]), 1);
  assert_int_equal(first_left(live), 1);
  for (; first_left(jobs[0]) == 1; i++)
    say(live, i, i);
  assert_int_equal(first_left(jobs[2]), 1);
  world_close(&world);
}

static void then_the_head_of_the_largest_live_log_goes(void **state) {
  jobsrv_job_t *large;
  jobsrv_job_t *small;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_total = 256 * 1024;
  world_start(&world);
  small = begin_job(&world);
  large = begin_job(&world);
  say(small, 1, 200);
  say(large, 1, 3000);
  assert_true(first_left(large) > 1);
  assert_int_equal(first_left(small), 1);
  assert_true(world_log_bytes(&world) <= 256 * 1024);
  world_close(&world);
}

static void when_no_log_has_another_chunk_one_is_cut_to_its_newest(
    void **state) {
  jobsrv_job_t *jobs[64];
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_view_t view;
  world_t world;
  int i;

  (void) state;
  world_init(&world);
  world.options.max_bytes_total = 48 * 1024;
  world_start(&world);
  for (i = 0; i < 64; i++) {
    jobs[i] = begin_job(&world);
    say(jobs[i], 1, 1);
  }
  assert_true(world_log_bytes(&world) <= 48 * 1024);
  assert_ok(jobsrv_cursor_attach(&cursor, jobs[0], 0, NULL));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_GAP);
  assert_int_equal(view.missed_to, last_seq(jobs[0]) - 1);
  jobsrv_cursor_advance(&cursor, 0);
  for (i = 2; i <= 20; i++) {
    say(jobs[0], i, i);
    assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
  }
  assert_int_equal(assert_frames(&world, &bytes, view.missed_to + 1),
                   last_seq(jobs[0]) + 1);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void at_its_bound_a_log_needs_no_more_memory(void **state) {
  static const char body[] = "\"time\":\"2026-01-01T00:00:00.000Z\"}";
  jobsrv_job_t *job;
  world_t world;
  int i;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  for (i = 0; i < 20000; i++) {
    if (i == 10000)
      jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
    assert_ok(jobsrv__log_append(job, JOBSRV_KIND_NARRATION, JOBSRV_INFO, body,
                                 sizeof(body) - 1, NULL, NULL));
  }
  assert_int_equal(jobsrv_faults_requests(&world.faults), 0);
  jobsrv_faults_fail(&world.faults, 0, 0);
  world_close(&world);
}

static void what_was_dropped_is_announced_before_what_follows(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  world_t world;
  size_t at = 0;
  json_t *json;
  char id[64];

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_cursor_attach(&cursor, job, last_seq(job), NULL));
  atomic_fetch_add(&job->dropped, 7);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_int_equal(read_events(&cursor, &bytes), JOBSRV_READ_NOTHING);
  json = next_frame(&bytes, &at, id);
  assert_string_equal(text_of(json, "type"), "dropped");
  assert_int_equal(int_of(json, "count"), 7);
  json_decref(json);
  json = next_frame(&bytes, &at, id);
  assert_string_equal(text_of(json, "type"), "narration");
  json_decref(json);
  assert_int_equal(at, bytes.len);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void a_body_too_large_for_a_frame_is_refused(void **state) {
  size_t len = 0x1000000;
  jobsrv_job_t *job;
  uint64_t before;
  world_t world;
  char *body;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  body = calloc(1, len);
  assert_non_null(body);
  before = last_seq(job);
  assert_err(jobsrv__log_append(job, JOBSRV_KIND_DATA, JOBSRV_INFO, body, len,
                                NULL, NULL), JOBSRV_ETOOBIG);
  assert_int_equal(last_seq(job), before);
  free(body);
  world_close(&world);
}

/* One allocation fails, whichever; what was numbered is there all the same. */
static void a_failed_allocation_leaves_the_numbers_whole(void **state) {
  static const char body[] = "\"time\":\"2026-01-01T00:00:00.000Z\"}";
  uint64_t n;
  int hit = 1;

  (void) state;
  for (n = 0; hit; n++) {
    jobsrv_progress_t progress = { .done = 1, .total = 4 };
    jobsrv_cursor_t cursor = { 0 };
    bytes_t bytes = { 0 };
    jobsrv_view_t view;
    jobsrv_job_t *job;
    world_t world;
    int err;
    int i;

    world_open(&world);
    job = begin_job(&world);
    jobsrv_faults_fail(&world.faults, n, 1);
    err = jobsrv_cursor_attach(&cursor, job, 0, NULL);
    if (err != 0) {
      assert_int_equal(err, UV_ENOMEM);
      assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
    }
    for (i = 0; i < 200; i++) {
      err = jobsrv__log_append(job, JOBSRV_KIND_NARRATION, JOBSRV_INFO, body,
                               sizeof(body) - 1, NULL, NULL);
      assert_true(err == 0 || err == UV_ENOMEM);
    }
    err = jobsrv__log_progress(job, &progress);
    assert_true(err == 0 || err == UV_ENOMEM);
    (void) read_events(&cursor, &bytes);
    if (jobsrv_cursor_peek(&cursor, &view) == JOBSRV_READ_PROGRESS)
      jobsrv_cursor_advance(&cursor, view.len);
    hit = jobsrv_faults_hit(&world.faults);
    jobsrv_faults_fail(&world.faults, 0, 0);

    assert_ok(jobsrv_job_complete(job, NULL, 0));
    while (read_events(&cursor, &bytes) == JOBSRV_READ_PROGRESS) {
      (void) jobsrv_cursor_peek(&cursor, &view);
      jobsrv_cursor_advance(&cursor, view.len);
    }
    assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_END);
    assert_int_equal(assert_frames(&world, &bytes, 1), last_seq(job));
    jobsrv_cursor_detach(&cursor);
    bytes_free(&bytes);
    world_close(&world);
  }
  assert_true(n > 4);
}

static void close_its_server(jobsrv_cursor_t *cursor) {
  jobsrv_close(cursor->data, NULL, NULL);
}

static void a_reader_may_close_the_server_when_it_is_told(void **state) {
  jobsrv_cursor_t cursors[3] = { { 0 } };
  world_t world;
  int i;

  (void) state;
  world_open(&world);
  for (i = 0; i < 3; i++) {
    jobsrv_job_t *job = begin_job(&world);

    cursors[i].data = world.srv;
    assert_ok(jobsrv_cursor_attach(&cursors[i], job, 0, close_its_server));
    say(job, 1, 3);
  }
  world_turn(&world);
  world.srv = NULL;
  for (i = 0; i < 3; i++)
    jobsrv_cursor_detach(&cursors[i]);
  world_close(&world);
}

static void the_first_number_a_job_tells_is_the_first_it_retains(
    void **state) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_view_t view;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_events_per_job = 16;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 100);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_GAP);
  jobsrv_job_info(job, &info);
  assert_int_equal(info.first_seq, view.missed_to + 1);
  jobsrv_cursor_detach(&cursor);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_event_is_one_chunk_around_one_event_of_a_stream),
  cmocka_unit_test(all_but_narration_is_named),
  cmocka_unit_test(transitions_made_before_the_log_are_in_it),
  cmocka_unit_test(numbers_run_on_over_many_chunks),
  cmocka_unit_test(every_size_of_event_comes_back_whole),
  cmocka_unit_test(a_large_event_may_come_early),
  cmocka_unit_test(past_the_bound_of_events_the_oldest_go),
  cmocka_unit_test(past_the_bound_of_bytes_the_oldest_go),
  cmocka_unit_test(a_log_holds_its_newest_event_whatever_its_size),
  cmocka_unit_test(over_the_total_the_oldest_ended_log_goes_first),
  cmocka_unit_test(then_the_head_of_the_largest_live_log_goes),
  cmocka_unit_test(when_no_log_has_another_chunk_one_is_cut_to_its_newest),
  cmocka_unit_test(at_its_bound_a_log_needs_no_more_memory),
  cmocka_unit_test(what_was_dropped_is_announced_before_what_follows),
  cmocka_unit_test(a_body_too_large_for_a_frame_is_refused),
  cmocka_unit_test(a_failed_allocation_leaves_the_numbers_whole),
  cmocka_unit_test(a_reader_may_close_the_server_when_it_is_told),
  cmocka_unit_test(the_first_number_a_job_tells_is_the_first_it_retains),
};

RUN(tests);
