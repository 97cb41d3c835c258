/* SPDX-License-Identifier: MIT */

/* Row 12: run at, run after; and a start when somebody watches. */

#include "core/work.h"

static const uint64_t MS = 1000000;

static void open_with(fixture *f, work *w) {
  fixture_open(f);
  work_init(w);
  work_add(f, w);
}

static void a_delayed_job_is_scheduled_until_its_time(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;
  uint64_t wall;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.delay_ms = 1000;
  job = work_run(&f, &spec);
  wall = jobsrv_wall_now(f.srv);
  assert_in(job, "scheduled");
  assert_int_equal(fixture_info(job).run_at_wall_ns, wall + 1000 * MS);
  assert_int_equal(fixture_info(job).queued_wall_ns, 0);
  assert_int_equal(fixture_info(job).queue_position, 0);
  assert_int_equal(fixture_stats(&f).scheduled, 1);
  fixture_ms(&f, 999);
  assert_in(job, "scheduled");
  fixture_ms(&f, 1);
  assert_in(job, "running");
  assert_int_equal(fixture_info(job).queued_wall_ns, wall + 1000 * MS);
  assert_int_equal(fixture_info(job).run_at_wall_ns, 0);
  fixture_close(&f);
}

static void a_delay_does_not_follow_the_wall_clock(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.delay_ms = 1000;
  job = work_run(&f, &spec);
  jobsrv_manual_clock_set_wall(&f.clock,
                               jobsrv_wall_now(f.srv) + 5000 * MS);
  fixture_ms(&f, 999);
  assert_in(job, "scheduled");
  fixture_ms(&f, 1);
  assert_in(job, "running");
  fixture_close(&f);
}

static void a_time_of_day_follows_the_wall_clock(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job, *other;
  uint64_t wall;

  (void) state;
  open_with(&f, &w);
  wall = jobsrv_wall_now(f.srv);
  jobsrv_spec_init(&spec);
  spec.run_at_wall_ns = wall + 1000 * MS;
  job = work_run(&f, &spec);
  assert_in(job, "scheduled");
  assert_int_equal(fixture_info(job).run_at_wall_ns, wall + 1000 * MS);
  fixture_ms(&f, 999);
  assert_in(job, "scheduled");
  fixture_ms(&f, 1);
  assert_in(job, "running");

  spec.run_at_wall_ns = wall + 3600000 * MS;
  other = work_run(&f, &spec);
  jobsrv_manual_clock_set_wall(&f.clock, wall + 3600000 * MS);
  fixture_ms(&f, 1);
  assert_in(other, "running");
  fixture_close(&f);
}

static void a_time_that_has_passed_is_now(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.run_at_wall_ns = jobsrv_wall_now(f.srv);
  assert_in(work_run(&f, &spec), "running");
  spec.run_at_wall_ns = 1;
  assert_in(work_run(&f, &spec), "running");
  fixture_close(&f);
}

static void a_scheduled_job_ends_at_once_when_it_is_cancelled(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.run_at_wall_ns = jobsrv_wall_now(f.srv) + 1000 * MS;
  job = work_run(&f, &spec);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_in(job, "cancelled");
  fixture_ms(&f, 2000);
  assert_int_equal(w.starts, 0);
  fixture_close(&f);
}

/* The one that would wait does not count in the queue, but with all jobs. */
static void what_waits_for_its_time_takes_no_place_in_the_queue(
    void **state) {
  fixture f = { .options = { .max_queued = 1, .max_jobs = 4,
                             .max_running = 1 } };
  jobsrv_spec_t spec;
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  work_run(&f, &spec);
  work_run(&f, &spec);
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EQUEUEFULL);
  spec.run_at_wall_ns = 1;
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EQUEUEFULL);
  spec.run_at_wall_ns = 0;
  spec.delay_ms = 10;
  job = work_run(&f, &spec);
  work_run(&f, &spec);
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EJOBSFULL);
  fixture_ms(&f, 10);
  assert_in(job, "queued");
  assert_int_equal(fixture_info(job).queue_position, 2);
  fixture_close(&f);
}

/* ---- watched ---- */

static jobsrv_job_t *on_stream(fixture *f, uint64_t within, uint64_t delay) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.start = JOBSRV_START_ON_STREAM;
  spec.start_within_ms = within;
  spec.delay_ms = delay;
  return work_run(f, &spec);
}

static void one_that_starts_on_its_stream_waits_for_a_watcher(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = on_stream(&f, 0, 0);
  assert_in(job, "scheduled");
  fixture_ms(&f, 1000);
  assert_in(job, "scheduled");
  jobsrv_job_watch(job);
  assert_in(job, "queued");
  run_turns(&f.loop, 1);
  assert_in(job, "running");
  jobsrv_job_unwatch(job);
  assert_in(job, "running");
  fixture_close(&f);
}

static void nobody_within_a_minute_fails_it(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = on_stream(&f, 0, 0);
  fixture_ms(&f, 59999);
  assert_in(job, "scheduled");
  fixture_ms(&f, 1);
  assert_in(job, "failed");
  assert_string_equal(fixture_info(job).error_code, "not_watched");
  assert_string_equal(fixture_info(job).error_message,
                      "nobody came to watch it");
  assert_false(fixture_info(job).error_retryable);
  assert_null(fixture_info(job).cancel_reason);
  jobsrv_job_watch(job); /* too late, and harmless */
  jobsrv_job_unwatch(job);
  fixture_close(&f);
}

static void how_long_to_wait_for_a_watcher_can_be_said(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = on_stream(&f, 50, 0);
  fixture_ms(&f, 49);
  assert_in(job, "scheduled");
  fixture_ms(&f, 1);
  assert_in(job, "failed");
  fixture_close(&f);
}

static void a_time_and_a_watcher_are_both_waited_for(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *early, *late;

  (void) state;
  open_with(&f, &w);
  early = on_stream(&f, 500, 100);
  late = on_stream(&f, 500, 100);
  jobsrv_job_watch(early);
  assert_in(early, "scheduled");
  fixture_ms(&f, 100);
  assert_in(early, "running");
  assert_in(late, "scheduled");
  fixture_ms(&f, 300);
  jobsrv_job_watch(late);
  run_turns(&f.loop, 1);
  assert_in(late, "running");
  fixture_close(&f);
}

static void a_watcher_counts_who_left_before_the_time_came(void **state) {
  fixture f = { 0 };
  work w;
  jobsrv_job_t *job;

  (void) state;
  open_with(&f, &w);
  job = on_stream(&f, 50, 100);
  jobsrv_job_watch(job);
  jobsrv_job_unwatch(job);
  fixture_ms(&f, 100);
  assert_in(job, "running");
  fixture_close(&f);
}

/* Each allocation of the making fails once: nothing is left of it. */
static void a_submit_without_memory_leaves_nothing_behind(void **state) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  jobsrv_spec_t spec;
  work w;
  int err, n;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  open_with(&f, &w);
  jobsrv_spec_init(&spec);
  spec.operation = "work";
  spec.run_at_wall_ns = jobsrv_wall_now(f.srv) + 1000 * MS;
  spec.start = JOBSRV_START_ON_STREAM;
  for (n = 0; n < 100; n++) {
    jobsrv_faults_fail(&faults, (uint64_t) n, 1);
    err = jobsrv_submit(f.srv, &spec, NULL, NULL);
    if (err == 0 && !jobsrv_faults_hit(&faults))
      break;
    jobsrv_faults_fail(&faults, 0, 0);
    assert_true(err == 0 || err == UV_ENOMEM);
    assert_int_equal(fixture_stats(&f).live, err == 0);
    if (err == 0)
      break; /* the first job is there: it had to do without a cached id */
  }
  assert_true(n > 2 && n < 100);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_delayed_job_is_scheduled_until_its_time),
  cmocka_unit_test(a_delay_does_not_follow_the_wall_clock),
  cmocka_unit_test(a_time_of_day_follows_the_wall_clock),
  cmocka_unit_test(a_time_that_has_passed_is_now),
  cmocka_unit_test(a_scheduled_job_ends_at_once_when_it_is_cancelled),
  cmocka_unit_test(what_waits_for_its_time_takes_no_place_in_the_queue),
  cmocka_unit_test(one_that_starts_on_its_stream_waits_for_a_watcher),
  cmocka_unit_test(nobody_within_a_minute_fails_it),
  cmocka_unit_test(how_long_to_wait_for_a_watcher_can_be_said),
  cmocka_unit_test(a_time_and_a_watcher_are_both_waited_for),
  cmocka_unit_test(a_watcher_counts_who_left_before_the_time_came),
  cmocka_unit_test(a_submit_without_memory_leaves_nothing_behind),
};

RUN(tests);
