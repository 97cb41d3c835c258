/* SPDX-License-Identifier: MIT */

#include "world.h"

typedef struct {
  world_t world;
  jobsrv_job_t *job;
  jobsrv_cursor_t cursor;
  int told;
} watch_t;

static void on_told(jobsrv_cursor_t *cursor) {
  watch_t *watch = cursor->data;

  watch->told++;
}

static void watch_open(watch_t *watch) {
  memset(watch, 0, sizeof(*watch));
  world_open(&watch->world);
  watch->job = begin_job(&watch->world);
  watch->cursor.data = watch;
  assert_ok(jobsrv_cursor_attach(&watch->cursor, watch->job,
                                 last_seq(watch->job), on_told));
}

static void watch_close(watch_t *watch) {
  jobsrv_cursor_detach(&watch->cursor);
  world_close(&watch->world);
}

static void set(watch_t *watch, double done, double total) {
  jobsrv_progress_t progress = { .done = done, .total = total };

  assert_ok(jobsrv_progress(watch->job, &progress));
}

/* The frame that comes next, or NULL. */
static json_t *take(jobsrv_cursor_t *cursor) {
  bytes_t bytes = { 0 };
  jobsrv_view_t view;
  json_t *json;
  size_t at = 0;
  char id[64];

  if (jobsrv_cursor_peek(cursor, &view) != JOBSRV_READ_PROGRESS)
    return NULL;
  bytes_add(&bytes, view.data, view.len);
  jobsrv_cursor_advance(cursor, view.len);
  json = next_frame(&bytes, &at, id);
  assert_int_equal(at, bytes.len);
  assert_string_equal(id, "");
  assert_contains(bytes.data, "\r\nevent: progress\ndata: {");
  assert_string_equal(text_of(json, "type"), "progress");
  bytes_free(&bytes);
  return json;
}

static void assert_done(watch_t *watch, double done) {
  json_t *json = take(&watch->cursor);

  assert_non_null(json);
  assert_true(json_number_value(json_object_get(json, "done")) == done);
  json_decref(json);
}

static void assert_nothing(watch_t *watch) {
  jobsrv_view_t view;

  assert_int_equal(jobsrv_cursor_peek(&watch->cursor, &view),
                   JOBSRV_READ_NOTHING);
}

static void a_value_is_a_frame_without_a_number(void **state) {
  jobsrv_progress_t progress = {
    .done = 3.5, .total = 10, .unit = "files", .phase = "copy \"all\"\n"
  };
  char id[JOBSRV_ID_SIZE];
  watch_t watch;
  json_t *json;

  (void) state;
  watch_open(&watch);
  assert_ok(jobsrv_progress(watch.job, &progress));
  world_turn(&watch.world);
  assert_int_equal(watch.told, 1);
  json = take(&watch.cursor);
  assert_non_null(json);
  assert_string_equal(text_of(json, "job_id"),
                      jobsrv_job_id(watch.job, id));
  assert_string_equal(text_of(json, "time"), "2026-01-01T00:00:00.000Z");
  assert_string_equal(text_of(json, "unit"), "files");
  assert_string_equal(text_of(json, "phase"), "copy \"all\"\n");
  assert_true(json_real_value(json_object_get(json, "done")) == 3.5);
  assert_int_equal(int_of(json, "total"), 10);
  assert_int_equal(int_of(json, "percent"), 35);
  assert_null(json_object_get(json, "seq"));
  json_decref(json);
  assert_nothing(&watch);
  watch_close(&watch);
}

static void many_values_in_a_moment_are_two_frames(void **state) {
  watch_t watch;
  int i;

  (void) state;
  watch_open(&watch);
  for (i = 1; i <= 50; i++)
    set(&watch, i, 100);
  world_turn(&watch.world);
  assert_int_equal(watch.told, 1);
  assert_done(&watch, 1);
  assert_nothing(&watch);
  world_pass(&watch.world, 99);
  assert_int_equal(watch.told, 1);
  assert_nothing(&watch);
  world_pass(&watch.world, 2);
  assert_int_equal(watch.told, 2);
  assert_done(&watch, 50);
  assert_nothing(&watch);
  world_pass(&watch.world, 1000);
  assert_int_equal(watch.told, 2);
  set(&watch, 51, 100);
  assert_done(&watch, 51);
  watch_close(&watch);
}

static void the_last_value_comes_before_the_end(void **state) {
  jobsrv_view_t view;
  bytes_t bytes = { 0 };
  watch_t watch;

  (void) state;
  watch_open(&watch);
  set(&watch, 1, 100);
  assert_done(&watch, 1);
  set(&watch, 99, 100);
  say(watch.job, 1, 1);
  set(&watch, 100, 100);
  assert_ok(jobsrv_job_complete(watch.job, NULL, 0));
  world_turn(&watch.world);
  assert_int_equal(read_events(&watch.cursor, &bytes), JOBSRV_READ_PROGRESS);
  assert_done(&watch, 100);
  assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &view),
                   JOBSRV_READ_END);
  world_pass(&watch.world, 500);
  assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &view),
                   JOBSRV_READ_END);
  bytes_free(&bytes);
  watch_close(&watch);
}

static void after_the_end_there_is_no_more(void **state) {
  jobsrv_progress_t progress = { .done = 1 };
  watch_t watch;

  (void) state;
  watch_open(&watch);
  assert_ok(jobsrv_job_complete(watch.job, NULL, 0));
  assert_err(jobsrv_progress(watch.job, &progress), JOBSRV_EENDED);
  watch_close(&watch);
}

static void a_late_watcher_gets_the_present_value_once(void **state) {
  jobsrv_cursor_t late = { 0 };
  jobsrv_view_t view;
  bytes_t bytes = { 0 };
  watch_t watch;
  json_t *json;

  (void) state;
  watch_open(&watch);
  set(&watch, 7, 9);
  assert_done(&watch, 7);
  world_pass(&watch.world, 5000);
  assert_ok(jobsrv_cursor_attach(&late, watch.job, 0, NULL));
  assert_int_equal(read_events(&late, &bytes), JOBSRV_READ_PROGRESS);
  json = take(&late);
  assert_int_equal(int_of(json, "done"), 7);
  json_decref(json);
  assert_int_equal(jobsrv_cursor_peek(&late, &view), JOBSRV_READ_NOTHING);
  jobsrv_cursor_detach(&late);

  assert_ok(jobsrv_job_complete(watch.job, NULL, 0));
  assert_ok(jobsrv_cursor_attach(&late, watch.job, last_seq(watch.job),
                                 NULL));
  assert_int_equal(jobsrv_cursor_peek(&late, &view), JOBSRV_READ_END);
  jobsrv_cursor_detach(&late);
  bytes_free(&bytes);
  watch_close(&watch);
}

/* Cut anywhere: what was begun is finished as it was, then the newest comes. */
static void a_frame_that_was_begun_does_not_change(void **state) {
  size_t cut;

  (void) state;
  for (cut = 1; cut < 150; cut += 13) {
    bytes_t bytes = { 0 };
    jobsrv_view_t view;
    watch_t watch;
    json_t *json;
    size_t at = 0;
    char id[64];

    watch_open(&watch);
    set(&watch, 1, 100);
    assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &view),
                     JOBSRV_READ_PROGRESS);
    bytes_add(&bytes, view.data, cut);
    jobsrv_cursor_advance(&watch.cursor, cut);
    assert_true(jobsrv_cursor_inside(&watch.cursor));
    world_pass(&watch.world, 200);
    set(&watch, 12345678, 99999999);
    say(watch.job, 1, 1);
    assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &view),
                     JOBSRV_READ_PROGRESS);
    bytes_add(&bytes, view.data, view.len);
    jobsrv_cursor_advance(&watch.cursor, view.len);
    assert_false(jobsrv_cursor_inside(&watch.cursor));
    json = next_frame(&bytes, &at, id);
    assert_int_equal(at, bytes.len);
    assert_int_equal(int_of(json, "done"), 1);
    json_decref(json);
    assert_int_equal(read_events(&watch.cursor, &bytes),
                     JOBSRV_READ_PROGRESS);
    assert_done(&watch, 12345678);
    bytes_free(&bytes);
    watch_close(&watch);
  }
}

static void one_inside_an_old_frame_does_not_hold_up_another(void **state) {
  jobsrv_cursor_t other = { 0 };
  jobsrv_view_t view;
  watch_t watch;
  json_t *json;
  char old[64];
  int i;

  (void) state;
  watch_open(&watch);
  set(&watch, 1, 100);
  assert_ok(jobsrv_cursor_attach(&other, watch.job, last_seq(watch.job),
                                 NULL));
  (void) jobsrv_cursor_peek(&watch.cursor, &view);
  jobsrv_cursor_advance(&watch.cursor, view.len - sizeof(old));
  (void) jobsrv_cursor_peek(&watch.cursor, &view);
  assert_int_equal(view.len, sizeof(old));
  memcpy(old, view.data, sizeof(old));
  for (i = 2; i < 6; i++) {
    world_pass(&watch.world, 200);
    set(&watch, i, 50);
    json = take(&other);
    assert_int_equal(int_of(json, "done"), i);
    json_decref(json);
  }
  (void) jobsrv_cursor_peek(&watch.cursor, &view);
  assert_int_equal(view.len, sizeof(old));
  assert_memory_equal(old, view.data, sizeof(old));
  jobsrv_cursor_detach(&other);
  watch_close(&watch);
}

static void a_frame_that_was_not_begun_gives_way_to_the_newest(void **state) {
  jobsrv_view_t view;
  watch_t watch;

  (void) state;
  watch_open(&watch);
  set(&watch, 1, 100);
  assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &view),
                   JOBSRV_READ_PROGRESS);
  world_pass(&watch.world, 200);
  set(&watch, 2, 100);
  assert_done(&watch, 2);
  assert_nothing(&watch);
  watch_close(&watch);
}

static void next_gives_the_value_alone(void **state) {
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  watch_t watch;
  json_t *json;

  (void) state;
  watch_open(&watch);
  set(&watch, 4, 8);
  assert_int_equal(jobsrv_cursor_next(&watch.cursor, &entry, &gap),
                   JOBSRV_READ_PROGRESS);
  json = json_loadb(entry.json, entry.json_len, 0, NULL);
  assert_int_equal(int_of(json, "percent"), 50);
  json_decref(json);
  assert_int_equal(jobsrv_cursor_next(&watch.cursor, &entry, &gap),
                   JOBSRV_READ_NOTHING);
  watch_close(&watch);
}

/* `done` and `total` as they are given, and what they look like. */
static const struct {
  double done, total;
  const char *json;
} values[] = {
  { 0, 0, "\"done\":0}" },
  { 5, 0, "\"done\":5}" },
  { 1, 3, "\"done\":1,\"total\":3,\"percent\":33.3}" },
  { 2, 3, "\"done\":2,\"total\":3,\"percent\":66.6}" },
  { 29, 100, "\"done\":29,\"total\":100,\"percent\":29}" },
  { 9999, 10000, "\"done\":9999,\"total\":10000,\"percent\":99.9}" },
  { 12, 10, "\"done\":12,\"total\":10,\"percent\":100}" },
  { 0.1, 0.5, "\"done\":0.1,\"total\":0.5,\"percent\":20}" },
  { 1e300, 2e300, "\"done\":1e+300,\"total\":2e+300,\"percent\":50}" },
  { 0.30000000000000004, 0, "\"done\":0.30000000000000004}" },
};

static void numbers_have_no_more_digits_than_they_need(void **state) {
  size_t i;

  (void) state;
  for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    bytes_t bytes = { 0 };
    jobsrv_view_t view;
    watch_t watch;

    watch_open(&watch);
    set(&watch, values[i].done, values[i].total);
    assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &view),
                     JOBSRV_READ_PROGRESS);
    bytes_add(&bytes, view.data, view.len);
    assert_contains(bytes.data, values[i].json);
    bytes_free(&bytes);
    watch_close(&watch);
  }
}

static void texts_are_cut_at_64_bytes_between_characters(void **state) {
  jobsrv_progress_t progress = { .done = 1 };
  char text[100];
  watch_t watch;
  json_t *json;
  int i;

  (void) state;
  watch_open(&watch);
  for (i = 0; i < 33; i++)
    memcpy(text + 3 * i, "\xe2\x82\xac", 4);
  progress.unit = text;
  progress.phase = "";
  assert_ok(jobsrv_progress(watch.job, &progress));
  json = take(&watch.cursor);
  assert_int_equal(strlen(text_of(json, "unit")), 63);
  assert_memory_equal(text_of(json, "unit"), text, 63);
  assert_null(json_object_get(json, "phase"));
  json_decref(json);
  watch_close(&watch);
}

static void a_thousand_watchers_share_one_frame(void **state) {
  jobsrv_cursor_t *cursors = calloc(1000, sizeof(*cursors));
  jobsrv_view_t first;
  jobsrv_view_t view;
  uint64_t blocks;
  watch_t watch;
  int i;

  (void) state;
  assert_non_null(cursors);
  watch_open(&watch);
  set(&watch, 1, 2);
  assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &first),
                   JOBSRV_READ_PROGRESS);
  blocks = jobsrv_faults_live(&watch.world.faults);
  for (i = 0; i < 1000; i++) {
    assert_ok(jobsrv_cursor_attach(&cursors[i], watch.job,
                                   last_seq(watch.job), NULL));
    assert_int_equal(jobsrv_cursor_peek(&cursors[i], &view),
                     JOBSRV_READ_PROGRESS);
    assert_ptr_equal(view.data, first.data);
  }
  assert_int_equal(jobsrv_faults_live(&watch.world.faults), blocks);
  for (i = 0; i < 1000; i++)
    jobsrv_cursor_detach(&cursors[i]);
  free(cursors);
  watch_close(&watch);
}

static void without_memory_for_the_frame_the_value_is_not_shown(
    void **state) {
  bytes_t record = { 0 };
  jobsrv_view_t view;
  watch_t watch;
  char text[2048];
  size_t len;

  (void) state;
  watch_open(&watch);
  set(&watch, 1, 2);
  jobsrv_faults_fail(&watch.world.faults, 0, UINT64_MAX);
  assert_nothing(&watch);
  jobsrv_faults_fail(&watch.world.faults, 0, 0);
  assert_ok(jobsrv_job_complete(watch.job, NULL, 0));
  assert_int_equal(jobsrv_cursor_peek(&watch.cursor, &view),
                   JOBSRV_READ_END);
  len = jobsrv_job_record(watch.job, 0, text, sizeof(text));
  bytes_add(&record, text, len);
  assert_contains(record.data,
                  "\"progress\":{\"done\":1,\"total\":2,\"percent\":50}");
  bytes_free(&record);
  watch_close(&watch);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_value_is_a_frame_without_a_number),
  cmocka_unit_test(many_values_in_a_moment_are_two_frames),
  cmocka_unit_test(the_last_value_comes_before_the_end),
  cmocka_unit_test(after_the_end_there_is_no_more),
  cmocka_unit_test(a_late_watcher_gets_the_present_value_once),
  cmocka_unit_test(a_frame_that_was_begun_does_not_change),
  cmocka_unit_test(one_inside_an_old_frame_does_not_hold_up_another),
  cmocka_unit_test(a_frame_that_was_not_begun_gives_way_to_the_newest),
  cmocka_unit_test(next_gives_the_value_alone),
  cmocka_unit_test(numbers_have_no_more_digits_than_they_need),
  cmocka_unit_test(texts_are_cut_at_64_bytes_between_characters),
  cmocka_unit_test(a_thousand_watchers_share_one_frame),
  cmocka_unit_test(without_memory_for_the_frame_the_value_is_not_shown),
};

RUN(tests);
