/* SPDX-License-Identifier: MIT */

/* Row 46: narration in one line, and who decides whether it is made at all. */

#include "world.h"

#include <pthread.h>

/* The newest numbered event of the job. */
static json_t *newest(jobsrv_job_t *job) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  json_t *json = NULL;

  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  while (jobsrv_cursor_next(&cursor, &entry, &gap) == JOBSRV_READ_EVENTS) {
    json_decref(json);
    json = json_loadb(entry.json, entry.json_len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
  }
  jobsrv_cursor_detach(&cursor);
  return json;
}

/* ---- voices ---- */

static void assert_voices(jobsrv_job_t *job,
                          const char *human,
                          const char *cute,
                          const char *story) {
  json_t *json = newest(job);

  assert_string_equal(text_of(json, "action"), "fetch");
  assert_string_equal(text_of(json, "human"), human);
  if (cute != NULL)
    assert_string_equal(text_of(json, "cute"), cute);
  else
    assert_null(json_object_get(json, "cute"));
  if (story != NULL)
    assert_string_equal(text_of(json, "story"), story);
  else
    assert_null(json_object_get(json, "story"));
  assert_contains(text_of(json, "source"), "emit-test.c:");
  assert_string_equal(text_of(json, "fn_name"),
                      "each_voice_is_written_from_the_same_arguments");
  json_decref(json);
}

static void each_voice_is_written_from_the_same_arguments(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_info_cute(job, "fetch", "got %d %s", "yay %d %s!", 3, "a"));
  assert_voices(job, "got 3 a", "yay 3 a!", NULL);
  assert_ok(jobsrv_info_story(job, "fetch", "got %d", "\"%d,\" it said", 4));
  assert_voices(job, "got 4", NULL, "\"4,\" it said");
  assert_ok(jobsrv_info_voices(job, "fetch", "h%d", "c%d", "s%d", 5));
  assert_voices(job, "h5", "c5", "s5");
  assert_ok(jobsrv_info_voices(job, "fetch", "h", "c", "s"));
  assert_voices(job, "h", "c", "s");
  world_close(&world);
}

static void every_form_is_there_for_every_level(void **state) {
  static const char *const names[] = { "trace", "debug", "info", "warn",
                                       "error", "fatal" };
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_TRACE;
  world_start(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
#define ALL(form, ...)                                                        \
  assert_ok(jobsrv_trace_##form(job, __VA_ARGS__));                           \
  assert_ok(jobsrv_debug_##form(job, __VA_ARGS__));                           \
  assert_ok(jobsrv_info_##form(job, __VA_ARGS__));                            \
  assert_ok(jobsrv_warn_##form(job, __VA_ARGS__));                            \
  assert_ok(jobsrv_error_##form(job, __VA_ARGS__));                           \
  assert_ok(jobsrv_fatal_##form(job, __VA_ARGS__))
  ALL(cute, "cute", "h", "c");
  ALL(story, "story", "h", "s");
  ALL(voices, "voices", "h", "c", "s");
  ALL(with, (.action = "with"), "h");
  ALL(limited, (1, 1), "limited", "h");
#undef ALL
  assert_ok(jobsrv_info(job, "plain", "h"));
  for (int level = JOBSRV_TRACE; level < JOBSRV_MUTE; level++)
    for (size_t i = 0; i < 5; i++) {
      static const char *const forms[] = { "cute", "story", "voices", "with",
                                           "limited" };
      const jobsrv_event_t *event =
          jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = forms[i] },
                             (size_t) level - 1);

      assert_non_null(event);
      assert_string_equal(jobsrv_level_name(event->level), names[level - 1]);
    }
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void long_voices_are_cut_like_any_text(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_init(&world);
  world.options.max_text = 2000;
  world_start(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_info_voices(job, "fetch", "h%01500d", "c%01800d", "s%02500d",
                               1));
  json = newest(job);
  assert_int_equal(strlen(text_of(json, "human")), 1501);
  assert_int_equal(strlen(text_of(json, "cute")), 1801);
  assert_contains(text_of(json, "story"), " \xe2\x80\xa6(+501 bytes)");
  json_decref(json);
  world_close(&world);
}

/* ---- fields ---- */

static void a_line_carries_fields_of_every_type(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json, *fields;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_warn_with(
      job,
      (.action = "fetch", .target = "a,b", .cute = "its own",
       JOBSRV_FIELDS(jobsrv_field_string("s", "x\ty"),
                     jobsrv_field_text("t", "abcdef", 3),
                     jobsrv_field_text("none", "abcdef", 0),
                     jobsrv_field_string("null", NULL),
                     jobsrv_field_i64("i", -7), jobsrv_field_u64("u", 1u << 31),
                     jobsrv_field_f64("f", 0.5), jobsrv_field_bool("b", 1),
                     jobsrv_field_json("j", "[1, {}]"),
                     jobsrv_field_u64("duration_ms", 9))),
      "%d of %d", 1, 2));
  json = newest(job);
  assert_string_equal(text_of(json, "level"), "warn");
  assert_string_equal(text_of(json, "target"), "a,b");
  assert_string_equal(text_of(json, "human"), "1 of 2");
  assert_string_equal(text_of(json, "cute"), "its own");
  assert_int_equal(int_of(json, "duration_ms"), 9);
  fields = json_object_get(json, "fields");
  assert_int_equal(json_object_size(fields), 9);
  assert_string_equal(text_of(fields, "s"), "x\ty");
  assert_string_equal(text_of(fields, "t"), "abc");
  assert_string_equal(text_of(fields, "none"), "");
  assert_true(json_is_null(json_object_get(fields, "null")));
  assert_int_equal(int_of(fields, "i"), -7);
  assert_int_equal(int_of(fields, "u"), 1u << 31);
  assert_true(json_real_value(json_object_get(fields, "f")) == 0.5);
  assert_true(json_is_true(json_object_get(fields, "b")));
  assert_int_equal(json_array_size(json_object_get(fields, "j")), 2);
  json_decref(json);
  world_close(&world);
}

static void keys_are_of_some_characters_only(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  for (int c = 1; c < 256; c++) {
    const char key[] = { 'k', (char) c, '\0' };
    int good = c < 128 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
                                 "abcdefghijklmnopqrstuvwxyz", c) != NULL;
    int err = jobsrv_info_with(
        job, (.action = "x", JOBSRV_FIELDS(jobsrv_field_i64(key, c))), "y");

    assert_int_equal(err, good ? 0 : UV_EINVAL);
  }
  assert_int_equal(last_seq(job), 2 + 26 + 26 + 10 + 3);
  world_close(&world);
}

static void a_table_arrives_as_json(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_table(job, "models", "[{\"name\": \"a\"}, {}]", "%d are", 2));
  json = newest(job);
  assert_string_equal(text_of(json, "human"), "2 are");
  assert_string_equal(
      text_of(json_array_get(json_object_get(json, "table"), 0), "name"), "a");
  json_decref(json);
  assert_err(jobsrv_table(job, "models", "[{]", "%d are", 2), JOBSRV_EJSON);
  world_close(&world);
}

static void data_is_made_of_fields(void **state) {
  jobsrv_field_t twice[] = { jobsrv_field_i64("a", 1),
                             jobsrv_field_i64("a", 2) };
  jobsrv_job_t *job;
  char text[3001];
  world_t world;
  json_t *json, *payload;

  (void) state;
  memset(text, 'x', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  world_init(&world);
  world.options.max_text = 1000;
  world_start(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_tell(job, "loaded", jobsrv_field_string("model", "q\"4"),
                        jobsrv_field_u64("tokens_in", 12),
                        jobsrv_field_string("text", text)));
  json = newest(job);
  assert_string_equal(text_of(json, "type"), "data");
  assert_string_equal(text_of(json, "action"), "loaded");
  payload = json_object_get(json, "payload");
  assert_int_equal(json_object_size(payload), 3);
  assert_string_equal(text_of(payload, "model"), "q\"4");
  assert_int_equal(int_of(payload, "tokens_in"), 12);
  assert_string_equal(text_of(payload, "text"), text);
  json_decref(json);
  assert_ok(jobsrv_data_fields(job, NULL, NULL, 0));
  json = newest(job);
  assert_string_equal(text_of(json, "action"), "data");
  assert_int_equal(json_object_size(json_object_get(json, "payload")), 0);
  json_decref(json);
  assert_err(jobsrv_data_fields(job, "x", twice, 2), UV_EINVAL);
  assert_err(jobsrv_tell(job, "x", jobsrv_field_json("a", "{")), JOBSRV_EJSON);
  assert_err(jobsrv_tell(NULL, "x", jobsrv_field_i64("a", 1)),
             JOBSRV_ENOCONTEXT);
  assert_ok(jobsrv_job_set_level(job, JOBSRV_WARN));
  assert_ok(jobsrv_data_fields(job, "x", twice, 2));
  world_close(&world);
}

static void progress_takes_one_line(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  size_t files = 3, at = 0;
  bytes_t bytes = { 0 };
  jobsrv_view_t view;
  jobsrv_job_t *job;
  char id[64];
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_progressed(job, 1, 10));
  assert_ok(jobsrv_progressed(job, files, files + 1, .unit = "files",
                              .phase = "copying"));
  assert_ok(jobsrv_cursor_attach(&cursor, job, last_seq(job), NULL));
  world_pass(&world, 200);
  assert_int_equal(jobsrv_cursor_peek(&cursor, &view), JOBSRV_READ_PROGRESS);
  bytes_add(&bytes, view.data, view.len);
  jobsrv_cursor_detach(&cursor);
  json = next_frame(&bytes, &at, id);
  assert_string_equal(text_of(json, "type"), "progress");
  assert_true(json_number_value(json_object_get(json, "done")) == 3);
  assert_true(json_number_value(json_object_get(json, "total")) == 4);
  assert_string_equal(text_of(json, "unit"), "files");
  assert_string_equal(text_of(json, "phase"), "copying");
  json_decref(json);
  bytes_free(&bytes);
  world_close(&world);
}

/* ---- levels ---- */

static int asked;

static int ask(void) {
  return ++asked;
}

static void nothing_is_evaluated_under_the_level(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  asked = 0;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_debug(job, "x", "%d", ask()));
  assert_ok(jobsrv_debug_voices(job, "x", "%d", "%d", "%d", ask()));
  assert_ok(jobsrv_debug_with(
      job, (.action = "x", JOBSRV_FIELDS(jobsrv_field_i64("a", ask()))), "y"));
  assert_ok(jobsrv_job_set_level(job, JOBSRV_WARN));
  assert_ok(jobsrv_tell(job, "x", jobsrv_field_i64("a", ask())));
  assert_ok(jobsrv_table(job, "x", "[]", "%d", ask()));
  assert_int_equal(asked, 0);
  assert_int_equal(last_seq(job), 2);
  assert_ok(jobsrv_warn(job, "x", "%d", ask()));
  assert_int_equal(asked, 1);
  world_close(&world);
}

static void a_level_may_change_while_the_job_runs(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_int_equal(jobsrv_job_level(job), JOBSRV_INFO);
  assert_ok(jobsrv_debug(job, "x", "unheard"));
  assert_int_equal(last_seq(job), 2);
  assert_ok(jobsrv_job_set_level(job, JOBSRV_DEBUG));
  assert_int_equal(jobsrv_job_level(job), JOBSRV_DEBUG);
  assert_ok(jobsrv_debug(job, "x", "heard"));
  assert_int_equal(last_seq(job), 3);
  assert_ok(jobsrv_job_set_level(job, JOBSRV_MUTE));
  assert_ok(jobsrv_fatal(job, "x", "unheard"));
  assert_ok(jobsrv_narrate_event(job, &(jobsrv_event_t) {
                                          .level = JOBSRV_FATAL }));
  assert_int_equal(last_seq(job), 3);
  assert_err(jobsrv_job_set_level(job, 0), UV_EINVAL);
  assert_err(jobsrv_job_set_level(job, JOBSRV_MUTE + 1), UV_EINVAL);
  assert_int_equal(jobsrv_job_level(job), JOBSRV_MUTE);
  world_close(&world);
}

static void an_event_at_mute_reaches_nobody(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_TRACE;
  world_start(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_narrate_event(job, &(jobsrv_event_t) {
                                          .level = JOBSRV_MUTE }));
  assert_ok(JOBSRV_NARRATE_(job, JOBSRV_MUTE, "x", "%d", ask()));
  assert_int_equal(last_seq(job), 2);
  world_close(&world);
}

static int start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void submit_sent(jobsrv_t *srv, jobsrv_job_t *job, int err, void *data) {
  (void) srv;
  assert_ok(err);
  *(int *) data = jobsrv_job_level(job);
}

static void a_job_begins_with_its_spec_s_level_or_its_operation_s(
    void **state) {
  static const int want[][3] = { /* the operation's, the spec's, it is */
    { 0, 0, JOBSRV_ERROR },
    { JOBSRV_DEBUG, 0, JOBSRV_DEBUG },
    { 0, JOBSRV_TRACE, JOBSRV_TRACE },
    { JOBSRV_DEBUG, JOBSRV_MUTE, JOBSRV_MUTE },
  };
  jobsrv_operation_t operation;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  char name[8];
  world_t world;
  int level = 0;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_ERROR;
  world_start(&world);
  jobsrv_operation_init(&operation);
  operation.name = name;
  operation.start = start;
  jobsrv_spec_init(&spec);
  spec.operation = name;
  for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
    snprintf(name, sizeof(name), "op%zu", i);
    operation.level = want[i][0];
    spec.level = want[i][1];
    assert_ok(jobsrv_operation_add(world.srv, &operation));
    assert_ok(jobsrv_submit(world.srv, &spec, NULL, &job));
    assert_int_equal(jobsrv_job_level(job), want[i][2]);
  }
  spec.level = JOBSRV_WARN;
  assert_ok(jobsrv_submit_from(world.srv, &spec, submit_sent, &level));
  world_turn(&world);
  assert_int_equal(level, JOBSRV_WARN);

  spec.level = JOBSRV_MUTE + 1;
  assert_err(jobsrv_submit(world.srv, &spec, NULL, &job), UV_EINVAL);
  assert_err(jobsrv_begin(world.srv, &spec, &job), UV_EINVAL);
  spec.level = -1;
  assert_err(jobsrv_submit(world.srv, &spec, NULL, &job), UV_EINVAL);
  operation.name = "wrong";
  operation.level = JOBSRV_MUTE + 1;
  assert_err(jobsrv_operation_add(world.srv, &operation), UV_EINVAL);
  operation.level = -1;
  assert_err(jobsrv_operation_add(world.srv, &operation), UV_EINVAL);
  world_close(&world);
}

/* ---- who looks ---- */

static void *is_watched(void *job) {
  return jobsrv_job_watched(job) ? job : NULL;
}

static void a_job_knows_whether_somebody_watches(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  pthread_t thread;
  void *said = NULL;
  jobsrv_job_t *job, *other;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  other = begin_job(&world);
  assert_false(jobsrv_job_watched(job));
  jobsrv_job_watch(job);
  jobsrv_job_watch(job);
  assert_true(jobsrv_job_watched(job));
  assert_false(jobsrv_job_watched(other));
  jobsrv_job_unwatch(job);
  assert_true(jobsrv_job_watched(job));
  jobsrv_job_unwatch(job);
  assert_false(jobsrv_job_watched(job));

  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  assert_int_equal(pthread_create(&thread, NULL, is_watched, job), 0);
  pthread_join(thread, &said);
  assert_ptr_equal(said, job);
  jobsrv_cursor_detach(&cursor);
  assert_false(jobsrv_job_watched(job));
  jobsrv_cursor_detach(&cursor);
  assert_false(jobsrv_job_watched(job));
  world_close(&world);
}

/* ---- how often ---- */

static int often(jobsrv_job_t *job, int times) {
  int err = 0;

  while (times-- > 0 && err == 0)
    err = jobsrv_warn_limited(job, (3, 1000), "slow", "%d", ask());
  return err;
}

static void a_line_is_written_so_often_and_no_more(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  asked = 0;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(often(job, 10));
  assert_int_equal(last_seq(job), 2 + 3);
  json = newest(job);
  assert_string_equal(text_of(json, "human"), "3");
  assert_null(json_object_get(json, "suppressed"));
  json_decref(json);

  world_pass(&world, 333);
  assert_ok(often(job, 1));
  assert_int_equal(last_seq(job), 5);
  world_pass(&world, 1);
  assert_ok(often(job, 2));
  assert_int_equal(last_seq(job), 6);
  json = newest(job);
  assert_string_equal(text_of(json, "level"), "warn");
  assert_int_equal(int_of(json, "suppressed"), 8);
  json_decref(json);

  world_pass(&world, 3600 * 1000);
  assert_ok(often(job, 10));
  assert_int_equal(last_seq(job), 9);
  json = newest(job);
  assert_null(json_object_get(json, "suppressed"));
  json_decref(json);
  world_close(&world);
}

static void a_site_has_defaults_and_is_for_any_clock(void **state) {
  jobsrv_site_t site = JOBSRV_SITE(0, 0);
  jobsrv_event_t event = { .action = "x",
                           JOBSRV_FIELDS(jobsrv_field_i64("a", 1)) };
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  world_pass(&world, 999);
  assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  assert_int_equal(last_seq(job), 3);
  world_pass(&world, 1);
  assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  assert_int_equal(last_seq(job), 4);
  json = newest(job);
  assert_int_equal(int_of(json, "suppressed"), 1);
  assert_int_equal(int_of(json_object_get(json, "fields"), "a"), 1);
  json_decref(json);

  /* what another clock has left in it, far ahead of this one's time */
  site.next_ns += UINT64_C(1) << 50;
  assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  assert_int_equal(last_seq(job), 5);

  assert_ok(jobsrv_job_set_level(job, JOBSRV_ERROR));
  assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  assert_int_equal(site.suppressed, 0);
  event.level = 99;
  assert_err(jobsrv_narrate_limited(job, &site, &event, "y"), UV_EINVAL);
  assert_err(jobsrv_narrate_limited(NULL, &site, &(jobsrv_event_t) { 0 }, "y"),
             JOBSRV_ENOCONTEXT);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&world);
  assert_ok(jobsrv_job_set_level(job, JOBSRV_INFO));
  assert_err(jobsrv_narrate_limited(job, &site, &(jobsrv_event_t) { 0 }, "y"),
             JOBSRV_EENDED);
  world_close(&world);
}

static void a_count_that_could_not_be_told_is_told_later(void **state) {
  jobsrv_site_t site = JOBSRV_SITE(1, 10);
  jobsrv_event_t event = { .action = "x" };
  jobsrv_event_t wrong = {
    .action = "x", JOBSRV_FIELDS(jobsrv_field_json("a", "{")) };
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  for (int i = 0; i < 4; i++)
    assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  world_pass(&world, 10);
  assert_err(jobsrv_narrate_limited(job, &site, &wrong, "y"), JOBSRV_EJSON);
  assert_int_equal(site.suppressed, 3);
  world_pass(&world, 10);
  jobsrv_faults_fail(&world.faults, 0, 1);
  assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  assert_true(jobsrv_faults_hit(&world.faults));
  jobsrv_faults_fail(&world.faults, 0, 0);
  json = newest(job);
  assert_null(json_object_get(json, "suppressed"));
  json_decref(json);
  world_pass(&world, 10);
  assert_ok(jobsrv_narrate_limited(job, &site, &event, "y"));
  json = newest(job);
  assert_int_equal(int_of(json, "suppressed"), 3);
  json_decref(json);
  world_close(&world);
}

enum { SHOUTERS = 4, SHOUTS = 2000, HEARD = 5 };

typedef struct {
  jobsrv_job_t *job;
  jobsrv_site_t *site;
  int failed;
} shouter_t;

static void *shout(void *arg) {
  shouter_t *shouter = arg;

  for (int i = 0; i < SHOUTS; i++)
    shouter->failed += jobsrv_narrate_limited(shouter->job, shouter->site,
                                              &(jobsrv_event_t) { 0 },
                                              "%d", i) != 0;
  return NULL;
}

static void threads_share_a_site(void **state) {
  jobsrv_site_t site = JOBSRV_SITE(HEARD, 1000);
  shouter_t shouters[SHOUTERS];
  pthread_t threads[SHOUTERS];
  uint64_t told;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  for (int i = 0; i < SHOUTERS; i++) {
    shouters[i] = (shouter_t) { job, &site, 0 };
    assert_int_equal(pthread_create(&threads[i], NULL, shout, &shouters[i]),
                     0);
  }
  for (int i = 0; i < SHOUTERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(shouters[i].failed, 0);
  }
  world_turn(&world);
  assert_int_equal(last_seq(job), 2 + HEARD);
  /* those that passed may have told of some already */
  told = SHOUTERS * SHOUTS - HEARD - site.suppressed;
  for (uint64_t seq = 3; told > 0 && seq < 3 + HEARD; seq++) {
    jobsrv_cursor_t cursor = { 0 };
    jobsrv_entry_t entry;
    jobsrv_view_t gap;

    assert_ok(jobsrv_cursor_attach(&cursor, job, seq - 1, NULL));
    assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                     JOBSRV_READ_EVENTS);
    json = json_loadb(entry.json, entry.json_len, 0, NULL);
    told -= (uint64_t) int_of(json, "suppressed");
    json_decref(json);
    jobsrv_cursor_detach(&cursor);
  }
  assert_int_equal(told, 0);
  world_close(&world);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state) {
  char big[2000];
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  memset(big, 'b', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  for (uint64_t n = 0;; n++) {
    int err, data;

    world_open(&world);
    job = begin_job(&world);
    jobsrv_faults_fail(&world.faults, n, UINT64_MAX);
    err = jobsrv_info_voices(job, "x", "h%s", "c%s", "s%s", big);
    data = jobsrv_tell(job, "x", jobsrv_field_string("a", big));
    jobsrv_faults_fail(&world.faults, 0, 0);
    assert_true(err == 0 || err == UV_ENOMEM);
    assert_true(data == 0 || data == UV_ENOMEM);
    assert_ok(jobsrv_narrate(job, "x", "y"));
    world_close(&world);
    if (err == 0 && data == 0) {
      assert_true(n > 3);
      return;
    }
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(each_voice_is_written_from_the_same_arguments),
  cmocka_unit_test(every_form_is_there_for_every_level),
  cmocka_unit_test(long_voices_are_cut_like_any_text),
  cmocka_unit_test(a_line_carries_fields_of_every_type),
  cmocka_unit_test(keys_are_of_some_characters_only),
  cmocka_unit_test(a_table_arrives_as_json),
  cmocka_unit_test(data_is_made_of_fields),
  cmocka_unit_test(progress_takes_one_line),
  cmocka_unit_test(nothing_is_evaluated_under_the_level),
  cmocka_unit_test(a_level_may_change_while_the_job_runs),
  cmocka_unit_test(an_event_at_mute_reaches_nobody),
  cmocka_unit_test(a_job_begins_with_its_spec_s_level_or_its_operation_s),
  cmocka_unit_test(a_job_knows_whether_somebody_watches),
  cmocka_unit_test(a_line_is_written_so_often_and_no_more),
  cmocka_unit_test(a_site_has_defaults_and_is_for_any_clock),
  cmocka_unit_test(a_count_that_could_not_be_told_is_told_later),
  cmocka_unit_test(threads_share_a_site),
  cmocka_unit_test(every_allocation_may_fail),
};

RUN(tests);
