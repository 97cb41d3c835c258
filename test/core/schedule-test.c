/* SPDX-License-Identifier: MIT */

/* Rows 13 and 14: schedules; their times, and those that went by unseen. */

#include "scene.h"

static void it_submits_its_job_at_each_time(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_cron(&s, "0 6,18 * * *");
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 6 * HOUR);
  assert_time(scene_info(&s).last_wall_ns, 0);
  scene_pass(&s, 6 * HOUR - 1);
  assert_counts(&s, 0, 0, 0, 0);
  scene_pass(&s, 1);
  assert_counts(&s, 1, 0, 0, 0);
  assert_time(scene_info(&s).last_wall_ns, MIDNIGHT + 6 * HOUR);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 18 * HOUR);
  assert_int_equal(jobsrv_job_state(scene_job(&s)), JOBSRV_STATE_RUNNING);
  scene_pass(&s, 10 * DAY);
  assert_counts(&s, 21, 0, 0, 0);
  scene_close(&s);
}

static void a_zone_counts_its_local_time(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.zone = "Europe/Berlin";
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_cron(&s, "30 2 * * *");
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 90 * MINUTE);
  scene_pass(&s, 87 * DAY); /* 29 March, in the gap: at its end */
  assert_int_equal(scene_info(&s).runs, 87);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 87 * DAY + HOUR);
  scene_pass(&s, 2 * DAY);
  assert_int_equal(scene_info(&s).runs, 89);
  assert_time(scene_info(&s).next_wall_ns,
              MIDNIGHT + 89 * DAY + 30 * MINUTE);
  scene_close(&s);
}

static void the_servers_folder_is_where_zones_are(void **state) {
  char folder[] = "/usr/share/zoneinfo/Europe";
  scene s = { 0 };

  (void) state;
  s.f.options.zoneinfo = folder;
  scene_open(&s);
  assert_string_equal(jobsrv_options(s.f.srv)->zoneinfo, folder);
  folder[0] = 'x'; /* it was copied */
  s.options.cron = "@daily";
  s.options.zone = "Europe/Berlin";
  assert_err(jobsrv_schedule_add(s.f.srv, &s.options, NULL, NULL),
             JOBSRV_EZONE);
  s.options.zone = "Berlin";
  scene_add(&s);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 23 * HOUR);
  scene_close(&s);
}

static void the_default_folder_is_the_systems(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  assert_string_equal(jobsrv_options(s.f.srv)->zoneinfo,
                      "/usr/share/zoneinfo");
  scene_close(&s);
}

static void an_interval_counts_from_its_creation_without_drift(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_pass(&s, 12 * MS);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_every(&s, 1001);
  for (uint64_t i = 1; i <= 100; i++) {
    assert_time(scene_info(&s).next_wall_ns,
                MIDNIGHT + (12 + i * 1001) * MS);
    scene_pass(&s, 1001 * MS + 7); /* seen a little late, each time more */
    assert_int_equal(scene_info(&s).runs, i);
  }
  scene_close(&s);
}

static void an_interval_beyond_time_never_comes(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, UINT64_MAX);
  assert_time(scene_info(&s).next_wall_ns, 0);
  scene_pass(&s, 1000 * DAY);
  assert_counts(&s, 0, 0, 0, 0);
  scene_close(&s);
}

/* ---- the wall clock ---- */

static void a_clock_set_forward_has_missed_what_it_jumped(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_cron(&s, "0 * * * *");
  scene_step(&s, (int64_t) (5 * HOUR + 30 * MINUTE));
  assert_counts(&s, 1, 0, 4, 0); /* once for all five */
  assert_time(scene_info(&s).last_wall_ns, MIDNIGHT + 5 * HOUR);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 6 * HOUR);
  scene_close(&s);
}

static void a_clock_set_back_far_has_times_come_again(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_cron(&s, "0 6 * * *");
  scene_pass(&s, 7 * HOUR);
  assert_int_equal(scene_info(&s).runs, 1);
  scene_step(&s, -(int64_t) (2 * DAY));
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT - DAY + 6 * HOUR);
  scene_pass(&s, 23 * HOUR);
  assert_counts(&s, 2, 0, 0, 0);
  /* to a time after the last one that was looked at: nothing is new */
  scene_pass(&s, 6 * HOUR);
  scene_step(&s, -(int64_t) (5 * HOUR));
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 6 * HOUR);
  scene_close(&s);
}

static void a_clock_set_back_a_little_runs_nothing_twice(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_cron(&s, "0 6 * * *");
  scene_pass(&s, 6 * HOUR);
  scene_step(&s, -(int64_t) (3 * HOUR));
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 30 * HOUR);
  scene_pass(&s, 26 * HOUR);
  assert_counts(&s, 1, 0, 0, 0);
  scene_step(&s, -(int64_t) (23 * HOUR)); /* twice makes it far */
  scene_step(&s, -(int64_t) (2 * HOUR));
  scene_step(&s, -(int64_t) (2 * HOUR));
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 6 * HOUR);
  scene_close(&s);
}

static void a_star_for_the_hour_comes_again(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_cron(&s, "0 * * * *");
  scene_pass(&s, 6 * HOUR);
  scene_step(&s, -(int64_t) MINUTE);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 6 * HOUR);
  scene_pass(&s, MINUTE);
  assert_counts(&s, 7, 0, 0, 0);
  scene_close(&s);
}

static void a_clock_set_back_does_not_stretch_an_interval(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_every(&s, 3600000);
  scene_pass(&s, 20 * MINUTE);
  scene_step(&s, -(int64_t) (10 * DAY));
  assert_time(scene_info(&s).next_wall_ns,
              MIDNIGHT - 10 * DAY + 60 * MINUTE);
  scene_pass(&s, 40 * MINUTE - 1);
  assert_int_equal(scene_info(&s).runs, 0);
  scene_pass(&s, 1);
  assert_int_equal(scene_info(&s).runs, 1);
  scene_pass(&s, HOUR);
  assert_counts(&s, 2, 0, 0, 0);
  scene_close(&s);
}

static void a_clock_set_back_meanwhile_shortens_no_pause(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 3600000);
  jobsrv_schedule_pause(s.schedule, 1);
  scene_step(&s, -(int64_t) (10 * DAY));
  assert_time(scene_info(&s).next_wall_ns, 0);
  jobsrv_schedule_pause(s.schedule, 0);
  assert_true(scene_info(&s).next_wall_ns > scene_wall(&s));
  assert_true(scene_info(&s).next_wall_ns <= scene_wall(&s) + HOUR);
  scene_close(&s);
}

/* ---- misfires ---- */

static void miss(scene *s, int misfire, const char *cron, uint64_t every_ms) {
  scene_open(s);
  s->options.misfire = misfire;
  s->options.overlap = JOBSRV_OVERLAP_ALLOW;
  s->options.cron = cron;
  s->options.every_ms = every_ms;
  scene_add(s);
  scene_step(s, (int64_t) (25 * MINUTE + 30 * SECOND));
}

static void once_is_one_run_for_all(void **state) {
  scene s = { 0 };

  (void) state;
  miss(&s, JOBSRV_MISFIRE_ONCE, "* * * * *", 0);
  assert_counts(&s, 1, 0, 24, 0);
  assert_time(scene_info(&s).last_wall_ns, MIDNIGHT + 25 * MINUTE);
  scene_close(&s);
}

static void skip_is_none(void **state) {
  scene s = { 0 };

  (void) state;
  miss(&s, JOBSRV_MISFIRE_SKIP, "* * * * *", 0);
  assert_counts(&s, 0, 0, 25, 0);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 26 * MINUTE);
  scene_pass(&s, 30 * SECOND);
  assert_counts(&s, 1, 0, 25, 0);
  scene_close(&s);
}

static void catch_up_is_one_each_up_to_ten(void **state) {
  scene s = { 0 };

  (void) state;
  miss(&s, JOBSRV_MISFIRE_CATCH_UP, "* * * * *", 0);
  assert_counts(&s, 10, 0, 15, 0);
  scene_close(&s);
}

static void catch_up_has_a_bound_of_its_own(void **state) {
  scene s = { 0 };

  (void) state;
  s.options.max_catch_up = 0;
  scene_open(&s);
  s.options.misfire = JOBSRV_MISFIRE_CATCH_UP;
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  s.options.max_catch_up = 20;
  scene_every(&s, 60000);
  scene_step(&s, (int64_t) (25 * MINUTE + 30 * SECOND));
  assert_counts(&s, 20, 0, 5, 0);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 26 * MINUTE);
  scene_close(&s);
}

static void an_interval_misses_as_an_expression_does(void **state) {
  scene s = { 0 };

  (void) state;
  miss(&s, JOBSRV_MISFIRE_ONCE, NULL, 60000);
  assert_counts(&s, 1, 0, 24, 0);
  assert_time(scene_info(&s).last_wall_ns, MIDNIGHT + 25 * MINUTE);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 26 * MINUTE);
  scene_close(&s);
}

/* Late by a second is in time, by more it is not. */
static void late_by_more_than_a_second_is_missed(void **state) {
  for (int late = 0; late < 2; late++) {
    scene s = { 0 };

    scene_open(&s);
    s.options.misfire = JOBSRV_MISFIRE_SKIP;
    scene_cron(&s, "0 * * * *");
    scene_step(&s, (int64_t) (HOUR + SECOND + (uint64_t) late));
    assert_counts(&s, !late, 0, late, 0);
    assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 2 * HOUR);
    scene_close(&s);
  }
  (void) state;
}

static void how_late_is_missed_can_be_said(void **state) {
  for (int late = 0; late < 2; late++) {
    scene s = { 0 };

    scene_open(&s);
    s.options.misfire = JOBSRV_MISFIRE_SKIP;
    s.options.misfire_after_ms = 90000;
    s.options.overlap = JOBSRV_OVERLAP_ALLOW;
    scene_cron(&s, "* * * * *");
    scene_step(&s, (int64_t) (10 * MINUTE + 30 * SECOND + (uint64_t) late));
    assert_counts(&s, 2 - late, 0, 8 + late, 0); /* 9 and 10 minutes */
    scene_close(&s);
  }
  (void) state;
}

static void a_turn_that_took_long_is_seen_as_that(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  s.options.misfire_after_ms = UINT64_MAX; /* nothing is ever too late */
  scene_every(&s, 1);
  scene_step(&s, (int64_t) (5 * SECOND));
  jobsrv_manual_clock_advance(&s.f.clock, 0);
  assert_int_equal(scene_info(&s).runs + scene_info(&s).refused, 5000);
  assert_counts(&s, scene_info(&s).runs, 0, 0, scene_info(&s).refused);
  scene_close(&s);
}

/* From 1970 to now: counted up to a bound, and quickly. */
static void half_a_century_is_missed_in_no_time(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  jobsrv_manual_clock_set_wall(&s.f.clock, 0);
  scene_cron(&s, "* * * * * *");
  jobsrv_manual_clock_set_wall(&s.f.clock, MIDNIGHT + 500 * MS);
  run_turns(&s.f.loop, 3);
  assert_int_equal(scene_info(&s).missed, 9999);
  assert_true(scene_info(&s).runs >= 1);
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + SECOND);
  scene_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(it_submits_its_job_at_each_time),
  cmocka_unit_test(a_zone_counts_its_local_time),
  cmocka_unit_test(the_servers_folder_is_where_zones_are),
  cmocka_unit_test(the_default_folder_is_the_systems),
  cmocka_unit_test(an_interval_counts_from_its_creation_without_drift),
  cmocka_unit_test(an_interval_beyond_time_never_comes),
  cmocka_unit_test(a_clock_set_forward_has_missed_what_it_jumped),
  cmocka_unit_test(a_clock_set_back_far_has_times_come_again),
  cmocka_unit_test(a_clock_set_back_a_little_runs_nothing_twice),
  cmocka_unit_test(a_star_for_the_hour_comes_again),
  cmocka_unit_test(a_clock_set_back_does_not_stretch_an_interval),
  cmocka_unit_test(a_clock_set_back_meanwhile_shortens_no_pause),
  cmocka_unit_test(once_is_one_run_for_all),
  cmocka_unit_test(skip_is_none),
  cmocka_unit_test(catch_up_is_one_each_up_to_ten),
  cmocka_unit_test(catch_up_has_a_bound_of_its_own),
  cmocka_unit_test(an_interval_misses_as_an_expression_does),
  cmocka_unit_test(late_by_more_than_a_second_is_missed),
  cmocka_unit_test(how_late_is_missed_can_be_said),
  cmocka_unit_test(a_turn_that_took_long_is_seen_as_that),
  cmocka_unit_test(half_a_century_is_missed_in_no_time),
};

RUN(tests);
