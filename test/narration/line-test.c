/* SPDX-License-Identifier: MIT */

#include "world.h"

#include "narration/narration.h"

/* What core says of a child's output, without the child. */
static void line(jobsrv_job_t *job, int stream, int part, const char *text,
                 size_t len) {
  jobsrv__narration_observer.line(job, stream, JOBSRV_OUTPUT_AUTO, part, text,
                                  len);
}

static void a_line_is_narration_by_its_stream(void **state) {
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  line(job, 1, 0, "out and more", 3);
  line(job, 2, 0, "err", 3);
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "stdout" },
                             0);
  assert_non_null(event);
  assert_int_equal(event->level, JOBSRV_INFO);
  assert_string_equal(event->human, "out");
  assert_string_equal(event->actor, "work");
  assert_int_equal(event->nfields, 0);
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "stderr" },
                             0);
  assert_non_null(event);
  assert_int_equal(event->level, JOBSRV_WARN);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void a_cut_line_says_that_it_continues(void **state) {
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  line(job, 1, 1, "first", 5);
  line(job, 1, 2, "middle", 6);
  line(job, 1, 3, "last", 4);
  assert_true(jobsrv_capture_sequence(
      seen,
      (jobsrv_match_t[]) {
        { .includes = "first", .json = "\"fields\":{\"continues\":true}" },
        { .includes = "middle", .json = "\"fields\":{\"continues\":true}" },
        { .includes = "last", .json = "\"fields\":{\"continues\":false}" } },
      3));
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void its_bytes_are_kept_as_far_as_json_can(void **state) {
  static const char text[] = "a\0b\xff\x1b[0m\r[DONE]";
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  json_t *json, *human;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  line(job, 1, 0, text, sizeof(text) - 1);
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "stdout" },
                             0);
  assert_non_null(event);
  assert_string_equal(event->human,
                      "a\xef\xbf\xbd" "b\xff\x1b[0m\r[DONE]");
  json = json_loads(event->json, JSON_ALLOW_NUL, NULL);
  human = json_object_get(json, "human");
  assert_bytes(json_string_value(human) + 2, json_string_length(human) - 2,
               "b\xef\xbf\xbd\x1b[0m\r[DONE]");
  assert_memory_equal(json_string_value(human), "a\0b", 3);
  json_decref(json);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void under_the_level_or_after_the_end_there_is_none(void **state) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv_job_t *job;
  world_t world;
  uint64_t before;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_WARN;
  world_start(&world);
  job = begin_job(&world);
  before = last_seq(job);
  line(job, 1, 0, "x", 1);
  assert_int_equal(last_seq(job), before);
  line(job, 2, 0, "x", 1);
  assert_int_equal(last_seq(job), before + 1);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&world);
  before = last_seq(job);
  line(job, 2, 0, "x", 1);
  assert_int_equal(last_seq(job), before);
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(stats.late_events, 1);
  world_close(&world);
}

/* ---- the life of the child ---- */

static jobsrv_job_t *begin_at_debug(world_t *world, jobsrv_capture_t **seen) {
  jobsrv_job_t *job;

  world_init(world);
  world->options.level = JOBSRV_DEBUG;
  world_start(world);
  assert_ok(jobsrv_capture_new(seen, world->srv, 0));
  job = begin_job(world);
  jobsrv_capture_clear(*seen);
  return job;
}

static void an_exit_of_which_nothing_is_known_says_so(void **state) {
  jobsrv_capture_t *seen;
  world_t world;
  jobsrv_job_t *job;

  (void) state;
  job = begin_at_debug(&world, &seen);
  jobsrv__narration_observer.exited(job, UINT64_C(1234999999));
  assert_non_null(jobsrv_capture_get(
      seen,
      &(jobsrv_match_t) { .action = "process_exited",
                          .includes = "its exit status was lost",
                          .json = "\"duration_ms\":1234}" }, 0));
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void what_there_is_no_memory_for_is_counted_as_dropped(void **state) {
  jobsrv_capture_t *seen;
  world_t world;
  jobsrv_job_t *job;

  (void) state;
  job = begin_at_debug(&world, &seen);
  jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
  jobsrv__narration_observer.started(job, 7, "program");
  jobsrv_faults_fail(&world.faults, 0, 0);
  assert_int_equal(jobsrv_capture_count(seen, NULL), 0);
  jobsrv__narration_observer.started(job, 8, "program");
  assert_true(jobsrv_capture_sequence(
      seen,
      (jobsrv_match_t[]) {
        { .has_kind = 1, .kind = JOBSRV_KIND_DROPPED,
          .json = "\"count\":1}" },
        { .action = "process_started", .target = "program",
          .json = "\"fields\":{\"pid\":8}" } },
      2));
  jobsrv_capture_free(seen);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_line_is_narration_by_its_stream),
  cmocka_unit_test(a_cut_line_says_that_it_continues),
  cmocka_unit_test(its_bytes_are_kept_as_far_as_json_can),
  cmocka_unit_test(under_the_level_or_after_the_end_there_is_none),
  cmocka_unit_test(an_exit_of_which_nothing_is_known_says_so),
  cmocka_unit_test(what_there_is_no_memory_for_is_counted_as_dropped),
};

RUN(tests);
