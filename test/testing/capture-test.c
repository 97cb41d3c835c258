/* SPDX-License-Identifier: MIT */

#include "../narration/world.h"

static void it_remembers_and_finds(void **state) {
  jobsrv_capture_t *seen;
  const jobsrv_event_t *event;
  jobsrv_job_t *one, *two;
  world_t world;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  one = begin_job(&world);
  two = begin_job(&world);
  assert_ok(jobsrv_narrate(one, "fetch", "1 of 3"));
  assert_ok(jobsrv_warn(two, "fetch", "2 of 3"));
  assert_ok(jobsrv_narrate_event(one, &(jobsrv_event_t) {
    .actor = "me", .action = "store", .target = "disk", .human = "x" }));

#define COUNT(...)                                                            \
  jobsrv_capture_count(seen, &(jobsrv_match_t) { __VA_ARGS__ })
  assert_int_equal(jobsrv_capture_count(seen, NULL), 7);
  assert_int_equal(COUNT(.action = "fetch"), 2);
  assert_int_equal(COUNT(.action = "fetc"), 0);
  assert_int_equal(COUNT(.action = "fetch", .includes = "2 of"), 1);
  assert_int_equal(COUNT(.job_id = jobsrv_job_id(two, id)), 3);
  assert_int_equal(COUNT(.level = JOBSRV_WARN), 1);
  assert_int_equal(COUNT(.actor = "me"), 1);
  assert_int_equal(COUNT(.target = "disk"), 1);
  assert_int_equal(COUNT(.json = "\"human\":\"1 of 3\""), 1);
  assert_int_equal(COUNT(.has_kind = 1, .kind = JOBSRV_KIND_STATE), 4);
  assert_int_equal(COUNT(.has_kind = 1, .kind = JOBSRV_KIND_NARRATION), 3);
  assert_int_equal(COUNT(.after_server_seq = 5), 2);
#undef COUNT

  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "fetch" }, 1);
  assert_string_equal(event->human, "2 of 3");
  assert_null(event->job);
  assert_null(jobsrv_capture_get(seen, NULL, 7));
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void a_sequence_is_met_in_order_or_not(void **state) {
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  assert_ok(jobsrv_narrate(job, "a", "1"));
  assert_ok(jobsrv_narrate(job, "b", "2"));
  assert_ok(jobsrv_narrate(job, "a", "3"));
  assert_true(jobsrv_capture_sequence(
      seen, (jobsrv_match_t[]) { { .action = "a" }, { .action = "b" },
                                 { .action = "a" } }, 3));
  assert_true(jobsrv_capture_sequence(
      seen, (jobsrv_match_t[]) { { .action = "a" }, { .action = "a" } }, 2));
  assert_false(jobsrv_capture_sequence(
      seen, (jobsrv_match_t[]) { { .action = "b" }, { .action = "b" } }, 2));
  assert_true(jobsrv_capture_sequence(seen, NULL, 0));
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void it_keeps_the_newest_and_counts_the_rest(void **state) {
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 3));
  job = begin_job(&world);
  say(job, 1, 10);
  assert_int_equal(jobsrv_capture_count(seen, NULL), 3);
  assert_string_equal(jobsrv_capture_get(seen, NULL, 0)->human,
                      "line 8 of the story");
  assert_string_equal(jobsrv_capture_get(seen, NULL, 2)->human,
                      "line 10 of the story");
  assert_int_equal(jobsrv_capture_lost(seen), 9);
  jobsrv_capture_clear(seen);
  assert_int_equal(jobsrv_capture_count(seen, NULL), 0);
  say(job, 11, 11);
  assert_int_equal(jobsrv_capture_count(seen, NULL), 1);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void it_may_outlive_its_server(void **state) {
  jobsrv_capture_t *seen;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  say(begin_job(&world), 1, 2);
  jobsrv_close(world.srv, NULL, NULL);
  world.srv = NULL;
  loop_end(&world.loop);
  assert_int_equal(
      jobsrv_capture_count(seen, &(jobsrv_match_t) { .has_kind = 1,
                                                     .kind =
                                                         JOBSRV_KIND_END }),
      1);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void a_dump_is_cut_where_it_must_be(void **state) {
  jobsrv_capture_t *seen;
  char whole[4096];
  char cut[40];
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  say(begin_job(&world), 1, 2);
  assert_contains(jobsrv_capture_dump(seen, whole, sizeof(whole)),
                  "line 2 of the story\n");
  (void) jobsrv_capture_dump(seen, cut, sizeof(cut));
  assert_int_equal(strlen(cut), sizeof(cut) - 1);
  assert_memory_equal(cut, whole, sizeof(cut) - 1);
  cut[0] = 'x';
  (void) jobsrv_capture_dump(seen, cut, 0);
  assert_int_equal(cut[0], 'x');
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void without_memory_events_are_counted_as_lost(void **state) {
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  int err = UV_ENOMEM;

  (void) state;
  world_open(&world);
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv_faults_fail(&world.faults, n, 1);
    err = jobsrv_capture_new(&seen, world.srv, 0);
    assert_int_equal(err, jobsrv_faults_hit(&world.faults) ? UV_ENOMEM : 0);
  }
  jobsrv_faults_fail(&world.faults, 0, 0);
  job = begin_job(&world);
  say(job, 1, 5); /* the log now has room for one more */
  jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
  say(job, 6, 6);
  jobsrv_faults_fail(&world.faults, 0, 0);
  say(job, 7, 7);
  assert_int_equal(jobsrv_capture_lost(seen), 1);
  assert_int_equal(jobsrv_capture_count(seen, NULL), 8);
  jobsrv_capture_free(seen);
  jobsrv_capture_free(NULL);
  world_close(&world);
}

/* One event of everything, between two plain ones. */
static jobsrv_capture_t *seen_with_fields(world_t *world) {
  static const jobsrv_field_t fields[] = {
    { .key = "model_ref", .type = JOBSRV_FIELD_STRING, .as.string = "tiny.en" },
    { .key = "tokens_in", .type = JOBSRV_FIELD_U64, .as.u64 = UINT64_MAX },
    { .key = "my.delta", .type = JOBSRV_FIELD_I64, .as.i64 = -7 },
    { .key = "my.share", .type = JOBSRV_FIELD_DOUBLE, .as.f64 = 0.25 },
    { .key = "my.flag", .type = JOBSRV_FIELD_BOOL, .as.boolean = 1 },
    { .key = "my.json", .type = JOBSRV_FIELD_JSON, .as.string = "[1, 2]" },
    { .key = "zero", .type = JOBSRV_FIELD_I64, .as.i64 = 0 },
  };
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;

  world_open(world);
  assert_ok(jobsrv_capture_new(&seen, world->srv, 0));
  job = begin_job(world);
  assert_ok(jobsrv_narrate(job, "load", "begins"));
  assert_ok(jobsrv_narrate_event(job, &(jobsrv_event_t) {
    .level = JOBSRV_WARN, .actor = "model", .action = "load", .target = "disk",
    .human = "slow disk", .cute = "zzz", .line = 12, .function = "load_it",
    .file = "load.c", .correlation_id = "c-1",
    .fields = fields, .nfields = sizeof(fields) / sizeof(fields[0]) }));
  assert_ok(jobsrv_error(job, "load", "ends"));
  return seen;
}

#define FIELD_COUNT(...)                                                      \
  jobsrv_capture_count(seen, &(jobsrv_match_t) {                              \
    .action = "load", .fields = { __VA_ARGS__ } })

static void a_field_is_compared_by_its_type(void **state) {
  jobsrv_capture_t *seen;
  world_t world;

  (void) state;
  seen = seen_with_fields(&world);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("model_ref", "tiny.en")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("model_ref", "tiny")), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_HOLDS("model_ref", "tiny")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_HOLDS("model_ref", "huge")), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_HAS("model_ref")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_LACKS("model_ref")), 2);
  assert_int_equal(FIELD_COUNT(JOBSRV_HAS("zero")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_LACKS("never")), 3);
  assert_int_equal(FIELD_COUNT(JOBSRV_HAS("never")), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("model_ref", 0, 9)), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("never", -9, 9)), 0);

  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("my.delta", -7, -7)), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("my.delta", -6.5, 0)), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("my.delta", -9, -7.5)), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("my.delta", "-7")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("my.share", 0.25, 0.25)), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("my.share", 0.26, 1)), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("my.share", "0.25")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("my.flag", "true")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("my.flag", "false")), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("my.flag", 0, 1)), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("my.json", "[1, 2]")), 1);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void large_numbers_are_not_rounded(void **state) {
  jobsrv_capture_t *seen;
  world_t world;

  (void) state;
  seen = seen_with_fields(&world);
  assert_int_equal(
      FIELD_COUNT(JOBSRV_IS("tokens_in", "18446744073709551615")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("tokens_in", 0, 1e30)), 1);
  /* 2^64, which the value is below, though it rounds to it */
  assert_int_equal(
      FIELD_COUNT(JOBSRV_WITHIN("tokens_in", 18446744073709551616.0, 1e30)),
      0);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void members_of_the_event_are_fields_as_well(void **state) {
  jobsrv_capture_t *seen;
  world_t world;

  (void) state;
  seen = seen_with_fields(&world);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("human", "slow disk")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_HOLDS("cute", "z")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_HAS("story")), 0);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("line", 12, 12)), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("file", "load.c")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("function", "load_it")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("correlation_id", "c-1")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("level", "warn")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("kind", "narration")), 3);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("seq", 3, 4)), 2);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("server_seq", 3, 3)), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_WITHIN("wall_ns", 1, 1e19)), 3);
  assert_int_equal(FIELD_COUNT(JOBSRV_HOLDS("json", "slow disk")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_LACKS("payload")), 3);
  /* all of them have to be met */
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("human", "slow disk"),
                               JOBSRV_IS("target", "disk"),
                               JOBSRV_HAS("zero")), 1);
  assert_int_equal(FIELD_COUNT(JOBSRV_IS("human", "slow disk"),
                               JOBSRV_LACKS("zero")), 0);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void levels_may_be_a_range(void **state) {
  jobsrv_capture_t *seen;
  world_t world;

  (void) state;
  seen = seen_with_fields(&world);
#define LEVELS(...)                                                           \
  jobsrv_capture_count(seen, &(jobsrv_match_t) { .action = "load",            \
                                                 __VA_ARGS__ })
  assert_int_equal(LEVELS(.min_level = JOBSRV_WARN), 2);
  assert_int_equal(LEVELS(.max_level = JOBSRV_WARN), 2);
  assert_int_equal(LEVELS(.min_level = JOBSRV_WARN,
                          .max_level = JOBSRV_WARN), 1);
  assert_int_equal(LEVELS(.min_level = JOBSRV_FATAL), 0);
#undef LEVELS
  jobsrv_capture_free(seen);
  world_close(&world);
}

static int is_even(const jobsrv_event_t *event, void *data) {
  ++*(int *) data;
  return event->seq % 2 == 0;
}

static void a_host_may_decide_itself(void **state) {
  jobsrv_capture_t *seen;
  world_t world;
  int asked = 0;

  (void) state;
  seen = seen_with_fields(&world);
  assert_int_equal(
      jobsrv_capture_count(seen, &(jobsrv_match_t) {
        .action = "load", .where = is_even, .data = &asked }), 1);
  assert_int_equal(asked, 3); /* of those that meet the rest */
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void absence_is_told_between_two_that_were_seen(void **state) {
  static const jobsrv_match_t a = { .action = "a" }, b = { .action = "b" };
  static const jobsrv_match_t c = { .action = "c" }, d = { .action = "d" };
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  for (const char *at = "abcab"; *at != '\0'; at++)
    assert_ok(jobsrv_narrate_event(job, &(jobsrv_event_t) {
      .action = (char[]) { *at, '\0' } }));
  assert_true(jobsrv_capture_absent(seen, &c, &a, &b));
  assert_false(jobsrv_capture_absent(seen, &b, &a, &c));
  assert_true(jobsrv_capture_absent(seen, &c, NULL, &b));
  assert_false(jobsrv_capture_absent(seen, &a, NULL, &b));
  assert_true(jobsrv_capture_absent(seen, &d, NULL, NULL));
  assert_false(jobsrv_capture_absent(seen, &c, &b, NULL));
  assert_true(jobsrv_capture_absent(seen, &b, &b, &c)); /* neither counts */
  assert_false(jobsrv_capture_absent(seen, &c, &d, NULL)); /* not seen */
  assert_false(jobsrv_capture_absent(seen, &d, &a, &d));
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void on_say_later(jobsrv_timer_t *timer) {
  (void) jobsrv_narrate(timer->data, "late", "here");
}

static void a_loop_runs_until_it_is_seen(void **state) {
  jobsrv_captured_t captured = { .match = { .action = "late" } };
  jobsrv_timer_t timer = { .data = NULL };
  jobsrv_capture_t *seen;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  captured.capture = seen;
  timer.data = begin_job(&world);
  jobsrv_timer_arm(world.srv, &timer, jobsrv_now(world.srv) + 5000000,
                   on_say_later);
  assert_false(run_until(&world.loop, jobsrv_until_captured, &captured,
                                1));
  jobsrv_manual_clock_advance(&world.clock, 5000000);
  assert_true(run_until(&world.loop, jobsrv_until_captured, &captured,
                               5000));
  captured.count = 2;
  assert_int_equal(jobsrv_until_captured(&captured), 0);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void a_failure_is_explained(void **state) {
  jobsrv_match_t steps[] = {
    { .action = "load", .includes = "begins" },
    { .action = "load", .min_level = JOBSRV_WARN,
      .fields = { JOBSRV_IS("model_ref", "huge"),
                  JOBSRV_WITHIN("tokens_in", 1, 9.5), JOBSRV_HAS("zero"),
                  JOBSRV_LACKS("x"), JOBSRV_HOLDS("human", "slow") } },
  };
  jobsrv_capture_t *seen;
  char text[4096];
  world_t world;

  (void) state;
  seen = seen_with_fields(&world);
  (void) jobsrv_capture_explain(seen, &steps[1], text, sizeof(text));
  assert_contains(text, "0 of 5 events match { action is \"load\" level from "
                        "warn model_ref is \"huge\" tokens_in within 1..9.5 "
                        "zero is there x is not there human holds \"slow\" "
                        "}\n");
  assert_contains(text, "begins  (not by level)\n");
  assert_contains(text, "slow disk  (not by model_ref)\n");
  (void) jobsrv_capture_explain(seen, &steps[0], text, sizeof(text));
  assert_contains(text, "1 of 5 events match");
  assert_contains(text, "\n* 3 narration info work load -: begins\n");
  (void) jobsrv_capture_explain(seen, NULL, text, sizeof(text));
  assert_contains(text, "5 of 5 events match { anything }\n");

  (void) jobsrv_capture_explain_sequence(seen, steps, 2, text, sizeof(text));
  assert_contains(text, "1 of 2 steps are met; nothing behind them matches {");
  assert_null(strstr(text, "begins"));
  assert_contains(text, "slow disk  (not by model_ref)\n");
  (void) jobsrv_capture_explain_sequence(seen, steps, 1, text, sizeof(text));
  assert_string_equal(text, "1 of 1 steps are met\n");
  (void) jobsrv_capture_explain(
      seen,
      &(jobsrv_match_t) { .job_id = "job-1", .actor = "a", .target = "t",
                          .json = "{", .level = JOBSRV_INFO,
                          .max_level = JOBSRV_ERROR, .has_kind = 1,
                          .kind = JOBSRV_KIND_DATA, .after_server_seq = 7,
                          .where = is_even },
      text, sizeof(text));
  assert_contains(text, "{ job_id is \"job-1\" actor is \"a\" target is \"t\" "
                        "json holds \"{\" level is info level to error kind "
                        "is data server_seq above 7 where says so }\n");
  memset(text, 'x', sizeof(text));
  (void) jobsrv_capture_explain(seen, &steps[1], text, 10);
  assert_string_equal(text, "0 of 5 ev");
  assert_int_equal(text[10], 'x');
  jobsrv_capture_free(seen);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_field_is_compared_by_its_type),
  cmocka_unit_test(large_numbers_are_not_rounded),
  cmocka_unit_test(members_of_the_event_are_fields_as_well),
  cmocka_unit_test(levels_may_be_a_range),
  cmocka_unit_test(a_host_may_decide_itself),
  cmocka_unit_test(absence_is_told_between_two_that_were_seen),
  cmocka_unit_test(a_loop_runs_until_it_is_seen),
  cmocka_unit_test(a_failure_is_explained),
  cmocka_unit_test(it_remembers_and_finds),
  cmocka_unit_test(a_sequence_is_met_in_order_or_not),
  cmocka_unit_test(it_keeps_the_newest_and_counts_the_rest),
  cmocka_unit_test(it_may_outlive_its_server),
  cmocka_unit_test(a_dump_is_cut_where_it_must_be),
  cmocka_unit_test(without_memory_events_are_counted_as_lost),
};

RUN(tests);
