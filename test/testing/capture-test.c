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

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_remembers_and_finds),
  cmocka_unit_test(a_sequence_is_met_in_order_or_not),
  cmocka_unit_test(it_keeps_the_newest_and_counts_the_rest),
  cmocka_unit_test(it_may_outlive_its_server),
  cmocka_unit_test(a_dump_is_cut_where_it_must_be),
  cmocka_unit_test(without_memory_events_are_counted_as_lost),
};

RUN(tests);
