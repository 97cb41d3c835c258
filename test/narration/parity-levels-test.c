/* SPDX-License-Identifier: MIT */

#include "parity.h"

static void narrate_at(int level) {
  assert_ok(jobsrv_narrate_event(p.job, &(jobsrv_event_t) {
                                            .level = level,
                                            .action = "levelled" }));
}

/*
 * N-4. Differs: mute is the highest number, not the lowest, so that one rule,
 * own level >= filter, is right for all of them (N-6); and the level is on the
 * wire.
 */
static void there_are_seven_levels_and_info_is_the_default(void **state) {
  static const char *const names[] = { "trace", "debug", "info", "warn",
                                       "error", "fatal", "mute" };
  json_t *json;

  (void) state;
  assert_int_equal(JOBSRV_LEVEL_MAX - JOBSRV_TRACE, 7);
  for (int level = JOBSRV_TRACE; level < JOBSRV_LEVEL_MAX; level++)
    assert_string_equal(jobsrv_level_name(level), names[level - 1]);
  assert_ok(jobsrv_narrate_event(p.job, &(jobsrv_event_t) {
                                            .action = "default" }));
  assert_int_equal(said("default")->level, JOBSRV_INFO);
  json = said_json("default");
  assert_string_equal(text_of(json, "level"), "info");
  json_decref(json);
}

/* N-5. */
static void a_mute_event_is_discarded_before_every_reader(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  size_t before = jobsrv_capture_count(p.seen, NULL);

  (void) state;
  assert_ok(jobsrv_cursor_attach(&cursor, p.job, last_seq(p.job), NULL));
  narrate_at(JOBSRV_MUTE);
  world_turn(&p.world);
  assert_int_equal(jobsrv_capture_count(p.seen, NULL), before);
  assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                   JOBSRV_READ_NOTHING);
  jobsrv_cursor_detach(&cursor);
}

static void every_other_level_passes(void **state) {
  (void) state;
  for (int level = JOBSRV_TRACE; level < JOBSRV_MUTE; level++) {
    narrate_at(level);
    assert_int_equal(SEEN(.action = "levelled", .level = level), 1);
  }
}

/*
 * N-6. Differs: the original never asks its filter, its mute filter lets all
 * through and a mute event passes it. Ours is in force, and neither happens.
 */
static void an_event_passes_at_or_above_the_filter(void **state) {
  (void) state;
  for (int filter = JOBSRV_TRACE; filter <= JOBSRV_MUTE; filter++)
    for (int level = JOBSRV_TRACE; level <= JOBSRV_MUTE; level++) {
      size_t passes = level >= filter && level != JOBSRV_MUTE;

      jobsrv_capture_clear(p.seen);
      assert_ok(jobsrv_job_set_level(p.job, filter));
      assert_int_equal(jobsrv_narrates(p.job, level), passes);
      narrate_at(level);
      assert_int_equal(SEEN(.action = "levelled"), passes);
    }
}

static void count_event(void *self, const jobsrv_event_t *event) {
  *(size_t *) self += event->kind == JOBSRV_KIND_NARRATION;
}

/* N-9: the same for each sink, of which one does not change another. */
static void every_sink_has_a_filter_of_its_own(void **state) {
  const jobsrv_sink_ops_t ops = { .size = sizeof(ops), .event = count_event };
  jobsrv_sink_options_t options;
  jobsrv_sink_t *sink;
  size_t count;

  (void) state;
  jobsrv_sink_options_init(&options);
  for (int filter = JOBSRV_TRACE; filter <= JOBSRV_MUTE; filter++) {
    options.level = filter;
    jobsrv_capture_clear(p.seen);
    count = 0;
    assert_ok(jobsrv_sink_add(p.world.srv, &ops, &count, &options, &sink));
    for (int level = JOBSRV_TRACE; level <= JOBSRV_MUTE; level++)
      narrate_at(level);
    jobsrv_sink_remove(sink);
    assert_int_equal(count, JOBSRV_MUTE - filter);
    assert_int_equal(SEEN(.action = "levelled"), 6);
  }
}

/* N-7. Differs: the original's macro can only emit info. */
static void the_one_line_form_is_there_for_every_level(void **state) {
  (void) state;
  assert_ok(jobsrv_trace(p.job, "one", "%d", 1));
  assert_ok(jobsrv_debug(p.job, "one", "%d", 2));
  assert_ok(jobsrv_info(p.job, "one", "%d", 3));
  assert_ok(jobsrv_warn(p.job, "one", "%d", 4));
  assert_ok(jobsrv_error(p.job, "one", "%d", 5));
  assert_ok(jobsrv_fatal(p.job, "one", "%d", 6));
  for (int level = JOBSRV_TRACE; level < JOBSRV_MUTE; level++)
    assert_int_equal(SEEN(.action = "one", .level = level), 1);
}

/* N-8, a wish there. */
static void a_section_of_code_may_be_silent(void **state) {
  int level = jobsrv_job_level(p.job);

  (void) state;
  assert_ok(jobsrv_narrate(p.job, "before", "x"));
  assert_ok(jobsrv_job_set_level(p.job, JOBSRV_MUTE));
  assert_ok(jobsrv_fatal(p.job, "inside", "x"));
  assert_ok(jobsrv_job_set_level(p.job, level));
  assert_ok(jobsrv_narrate(p.job, "behind", "x"));
  assert_int_equal(SEEN(.action = "before"), 1);
  assert_int_equal(SEEN(.action = "inside"), 0);
  assert_int_equal(SEEN(.action = "behind"), 1);
}

static const struct CMUnitTest tests[] = {
  CASE(there_are_seven_levels_and_info_is_the_default),
  CASE(a_mute_event_is_discarded_before_every_reader),
  CASE(every_other_level_passes),
  CASE(an_event_passes_at_or_above_the_filter),
  CASE(every_sink_has_a_filter_of_its_own),
  CASE(the_one_line_form_is_there_for_every_level),
  CASE(a_section_of_code_may_be_silent),
};

RUN(tests);
