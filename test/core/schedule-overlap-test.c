/* SPDX-License-Identifier: MIT */

/* Row 15: what a schedule does while its last job is still live. */

#include "scene.h"

static void skip_is_the_default_and_leaves_times_out(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 1000);
  scene_pass(&s, 5 * SECOND);
  assert_counts(&s, 1, 4, 0, 0);
  scene_end_job(&s);
  assert_counts(&s, 1, 4, 0, 0);
  scene_pass(&s, SECOND);
  assert_counts(&s, 2, 4, 0, 0);
  scene_close(&s);
}

static void allow_has_several_at_once(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  scene_every(&s, 1000);
  scene_pass(&s, 5 * SECOND);
  assert_counts(&s, 5, 0, 0, 0);
  assert_int_equal(fixture_stats(&s.f).running, 5);
  scene_close(&s);
}

static void queue_one_puts_off_one(void **state) {
  jobsrv_job_t *first;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
  scene_every(&s, 1000);
  scene_pass(&s, 5 * SECOND);
  assert_counts(&s, 1, 3, 0, 0); /* the fifth finds one put off */
  first = scene_job(&s);
  scene_end_job(&s);
  assert_counts(&s, 2, 3, 0, 0);
  assert_ptr_not_equal(scene_job(&s), first);
  scene_end_job(&s);
  assert_counts(&s, 2, 3, 0, 0);
  scene_close(&s);
}

static void cancel_previous_waits_until_it_has_let_go(void **state) {
  jobsrv_job_t *first;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_CANCEL_PREVIOUS;
  scene_every(&s, 1000);
  scene_pass(&s, SECOND);
  first = scene_job(&s);
  scene_pass(&s, SECOND);
  assert_true(jobsrv_job_cancelled(first));
  assert_int_equal(fixture_info(first).cancel_reason->code,
                   JOBSRV_REASON_REPLACED);
  assert_counts(&s, 1, 0, 0, 0);
  assert_ok(jobsrv_job_fail(first, NULL, NULL));
  assert_int_equal(jobsrv_job_state(first), JOBSRV_STATE_CANCELLED);
  run_turns(&s.f.loop, 3);
  assert_counts(&s, 2, 0, 0, 0);
  assert_ptr_not_equal(scene_job(&s), first);
  scene_close(&s);
}

static void what_ends_at_once_is_followed_at_once(void **state) {
  jobsrv_job_t *first;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  fixture_add(&s.f, "narrow", 1);
  (void) fixture_submit(&s.f, "narrow"); /* has the only slot */
  s.spec.operation = "narrow";
  s.options.overlap = JOBSRV_OVERLAP_CANCEL_PREVIOUS;
  scene_every(&s, 1000);
  scene_pass(&s, SECOND);
  first = scene_job(&s);
  assert_int_equal(jobsrv_job_state(first), JOBSRV_STATE_QUEUED);
  scene_pass(&s, SECOND);
  assert_int_equal(jobsrv_job_state(first), JOBSRV_STATE_CANCELLED);
  assert_counts(&s, 2, 0, 0, 0);
  scene_close(&s);
}

static void one_that_cannot_be_cancelled_is_waited_for(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_CANCEL_PREVIOUS;
  scene_every(&s, 1000);
  scene_pass(&s, SECOND);
  jobsrv_job_cancellable(scene_job(&s), 0);
  scene_pass(&s, 10 * SECOND);
  assert_counts(&s, 1, 9, 0, 0);
  scene_end_job(&s);
  assert_counts(&s, 2, 9, 0, 0);
  scene_close(&s);
}

/* ---- trigger ---- */

static void a_trigger_submits_now_and_lends_the_job(void **state) {
  jobsrv_job_t *job = NULL;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.paused = 1; /* paused or not */
  scene_every(&s, 1000);
  assert_ok(jobsrv_schedule_trigger(s.schedule, &job));
  assert_ptr_equal(job, scene_job(&s));
  assert_counts(&s, 1, 0, 0, 0);
  assert_time(scene_info(&s).last_wall_ns, 0); /* it was no time */
  assert_err(jobsrv_schedule_trigger(s.schedule, &job), JOBSRV_ECONFLICT);
  assert_ptr_equal(job, scene_job(&s));
  assert_counts(&s, 1, 0, 0, 0);
  scene_end_job(&s);
  assert_ok(jobsrv_schedule_trigger(s.schedule, NULL));
  assert_counts(&s, 2, 0, 0, 0);
  scene_close(&s);
}

static void a_trigger_may_be_put_off(void **state) {
  jobsrv_job_t *job = NULL;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
  s.options.paused = 1;
  scene_every(&s, 1000);
  assert_ok(jobsrv_schedule_trigger(s.schedule, &job));
  assert_non_null(job);
  assert_ok(jobsrv_schedule_trigger(s.schedule, &job));
  assert_null(job);
  assert_err(jobsrv_schedule_trigger(s.schedule, &job), JOBSRV_ECONFLICT);
  scene_end_job(&s); /* still paused */
  assert_counts(&s, 2, 0, 0, 0);
  scene_close(&s);
}

static void a_trigger_that_is_refused_says_why(void **state) {
  scene s = { 0 };

  (void) state;
  s.f.options.max_jobs = 1;
  scene_open(&s);
  scene_every(&s, 1000);
  (void) fixture_submit(&s.f, "op");
  assert_err(jobsrv_schedule_trigger(s.schedule, NULL), JOBSRV_EJOBSFULL);
  assert_counts(&s, 0, 0, 0, 1);
  assert_int_equal(scene_info(&s).last_error, JOBSRV_EJOBSFULL);
  scene_close(&s);
}

/* ---- pause and update ---- */

static void paused_times_are_no_misfires(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  s.options.misfire = JOBSRV_MISFIRE_CATCH_UP;
  scene_every(&s, 60000);
  scene_pass(&s, MINUTE);
  jobsrv_schedule_pause(s.schedule, 1);
  jobsrv_schedule_pause(s.schedule, 1);
  assert_int_equal(scene_info(&s).paused, 1);
  assert_time(scene_info(&s).next_wall_ns, 0);
  scene_pass(&s, HOUR + 30 * SECOND);
  jobsrv_schedule_pause(s.schedule, 0);
  assert_int_equal(scene_info(&s).paused, 0);
  assert_counts(&s, 1, 0, 0, 0);
  /* on its old grid */
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + HOUR + 2 * MINUTE);
  scene_pass(&s, 30 * SECOND);
  assert_counts(&s, 2, 0, 0, 0);
  scene_close(&s);
}

static void it_may_begin_paused(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.paused = 1;
  scene_cron(&s, "* * * * *");
  assert_int_equal(scene_info(&s).paused, 1);
  scene_pass(&s, HOUR);
  assert_counts(&s, 0, 0, 0, 0);
  jobsrv_schedule_pause(s.schedule, 0);
  scene_pass(&s, MINUTE);
  assert_counts(&s, 1, 0, 0, 0);
  scene_close(&s);
}

static void a_pause_takes_back_what_a_time_put_off(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
  scene_every(&s, 1000);
  scene_pass(&s, 2 * SECOND);
  assert_counts(&s, 1, 0, 0, 0);
  jobsrv_schedule_pause(s.schedule, 1);
  assert_counts(&s, 1, 1, 0, 0);
  scene_end_job(&s);
  assert_counts(&s, 1, 1, 0, 0);
  scene_close(&s);
}

static void the_guard_survives_a_pause(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 1000);
  scene_pass(&s, SECOND);
  jobsrv_schedule_pause(s.schedule, 1);
  jobsrv_schedule_pause(s.schedule, 0);
  scene_pass(&s, SECOND);
  assert_counts(&s, 1, 1, 0, 0);
  scene_close(&s);
}

static void the_guard_survives_an_update(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 1000);
  scene_pass(&s, SECOND);
  s.options.every_ms = 0;
  s.options.cron = "*/10 * * * * *";
  assert_ok(jobsrv_schedule_update(s.schedule, &s.options, NULL));
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 10 * SECOND);
  scene_pass(&s, 10 * SECOND);
  assert_counts(&s, 1, 1, 0, 0);
  assert_err(jobsrv_schedule_trigger(s.schedule, NULL), JOBSRV_ECONFLICT);
  scene_end_job(&s);
  scene_pass(&s, 10 * SECOND);
  assert_counts(&s, 2, 1, 0, 0);
  scene_close(&s);
}

static void an_update_counts_an_interval_anew(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 60000);
  scene_pass(&s, 40 * SECOND);
  assert_ok(jobsrv_schedule_update(s.schedule, &s.options, NULL));
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 100 * SECOND);
  s.options.paused = 1;
  assert_ok(jobsrv_schedule_update(s.schedule, &s.options, NULL));
  assert_int_equal(scene_info(&s).paused, 1);
  s.options.paused = 0;
  assert_ok(jobsrv_schedule_update(s.schedule, &s.options, NULL));
  assert_int_equal(scene_info(&s).paused, 0);
  scene_close(&s);
}

static void an_update_that_is_refused_changes_nothing(void **state) {
  jobsrv_cron_error_t mistake;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_cron(&s, "0 6 * * *");
  s.options.cron = "0 6 * *";
  assert_err(jobsrv_schedule_update(s.schedule, &s.options, &mistake),
             JOBSRV_ECRON);
  assert_int_equal(mistake.offset, 7);
  s.options.cron = "0 7 * * *";
  s.options.zone = "Mars";
  assert_err(jobsrv_schedule_update(s.schedule, &s.options, NULL),
             JOBSRV_EZONE);
  s.options.zone = NULL;
  s.spec.operation = "other";
  assert_err(jobsrv_schedule_update(s.schedule, &s.options, NULL),
             JOBSRV_ENOOPERATION);
  s.spec.operation = "op";
  s.options.size = 8;
  assert_err(jobsrv_schedule_update(s.schedule, &s.options, NULL),
             JOBSRV_EOPTIONS);
  assert_string_equal(scene_info(&s).cron, "0 6 * * *");
  assert_time(scene_info(&s).next_wall_ns, MIDNIGHT + 6 * HOUR);
  scene_close(&s);
}

static void what_was_put_off_survives_an_update(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
  scene_every(&s, 1000);
  scene_pass(&s, 2 * SECOND);
  s.options.every_ms = 3600000;
  s.spec.payload = "{\"new\":1}";
  assert_ok(jobsrv_schedule_update(s.schedule, &s.options, NULL));
  assert_counts(&s, 1, 0, 0, 0);
  scene_end_job(&s);
  assert_counts(&s, 2, 0, 0, 0);
  assert_string_equal(jobsrv_job_payload(scene_job(&s), NULL),
                      "{\"new\":1}");
  assert_ok(jobsrv_schedule_trigger(s.schedule, NULL)); /* put off */
  s.options.overlap = JOBSRV_OVERLAP_ALLOW; /* need wait no longer */
  assert_ok(jobsrv_schedule_update(s.schedule, &s.options, NULL));
  run_turns(&s.f.loop, 3);
  assert_counts(&s, 3, 0, 0, 0);
  scene_close(&s);
}

static void removing_leaves_the_jobs_alone(void **state) {
  jobsrv_job_t *job;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
  scene_every(&s, 1000);
  scene_pass(&s, 2 * SECOND);
  job = scene_job(&s);
  jobsrv_schedule_remove(s.schedule); /* and what was put off goes with it */
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  scene_pass(&s, HOUR);
  assert_int_equal(fixture_stats(&s.f).created, 1);
  scene_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(skip_is_the_default_and_leaves_times_out),
  cmocka_unit_test(allow_has_several_at_once),
  cmocka_unit_test(queue_one_puts_off_one),
  cmocka_unit_test(cancel_previous_waits_until_it_has_let_go),
  cmocka_unit_test(what_ends_at_once_is_followed_at_once),
  cmocka_unit_test(one_that_cannot_be_cancelled_is_waited_for),
  cmocka_unit_test(a_trigger_submits_now_and_lends_the_job),
  cmocka_unit_test(a_trigger_may_be_put_off),
  cmocka_unit_test(a_trigger_that_is_refused_says_why),
  cmocka_unit_test(paused_times_are_no_misfires),
  cmocka_unit_test(it_may_begin_paused),
  cmocka_unit_test(a_pause_takes_back_what_a_time_put_off),
  cmocka_unit_test(the_guard_survives_a_pause),
  cmocka_unit_test(the_guard_survives_an_update),
  cmocka_unit_test(an_update_counts_an_interval_anew),
  cmocka_unit_test(an_update_that_is_refused_changes_nothing),
  cmocka_unit_test(what_was_put_off_survives_an_update),
  cmocka_unit_test(removing_leaves_the_jobs_alone),
};

RUN(tests);
