/* SPDX-License-Identifier: MIT */

#include "world.h"

#include <pthread.h>

static void frames_nest_and_may_blank_the_job(void **state) {
  jobsrv_context_t a, b, none;
  jobsrv_job_t *one, *two;
  world_t world;

  (void) state;
  world_open(&world);
  one = begin_job(&world);
  two = begin_job(&world);
  assert_null(jobsrv_context_job());
  jobsrv_context_enter(&a, one);
  assert_ptr_equal(jobsrv_context_job(), one);
  jobsrv_context_enter(&b, two);
  assert_ptr_equal(jobsrv_context_job(), two);
  jobsrv_context_enter(&none, NULL);
  assert_null(jobsrv_context_job());
  jobsrv_context_leave(&none);
  assert_ptr_equal(jobsrv_context_job(), two);
  jobsrv_context_leave(&b);
  jobsrv_context_leave(&a);
  assert_null(jobsrv_context_job());
  world_close(&world);
}

static void without_a_job_anywhere_it_is_refused(void **state) {
  jobsrv_progress_t progress = { .done = 1 };

  (void) state;
  assert_err(jobsrv_narrate(NULL, "x", "y"), JOBSRV_ENOCONTEXT);
  assert_err(jobsrv_narrate_event(NULL, &(jobsrv_event_t) { 0 }),
             JOBSRV_ENOCONTEXT);
  assert_err(jobsrv_data_event(NULL, "x", "1", 0), JOBSRV_ENOCONTEXT);
  assert_err(jobsrv_progress(NULL, &progress), JOBSRV_ENOCONTEXT);
}

static void null_stands_for_the_job_of_the_context(void **state) {
  jobsrv_progress_t progress = { .done = 1 };
  jobsrv_context_t context;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  jobsrv_context_enter(&context, job);
  assert_true(jobsrv_narrates(NULL, JOBSRV_INFO));
  assert_false(jobsrv_narrates(NULL, JOBSRV_DEBUG));
  assert_ok(jobsrv_narrate(NULL, "x", "y"));
  assert_ok(jobsrv_narrate_event(NULL, &(jobsrv_event_t) { 0 }));
  assert_ok(jobsrv_data_event(NULL, "x", "1", 0));
  assert_ok(jobsrv_progress(NULL, &progress));
  jobsrv_context_leave(&context);
  assert_int_equal(last_seq(job), 5);
  world_close(&world);
}

static void an_event_of_no_job_goes_to_sinks_only(void **state) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv_context_t context, none;
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  jobsrv_context_enter(&context, job);
  jobsrv_context_enter(&none, NULL);
  assert_ok(jobsrv_narrate(NULL, "tick", "of nobody"));
  assert_ok(jobsrv_debug(NULL, "tick", "under the level"));
  jobsrv_context_leave(&none);
  jobsrv_context_leave(&context);

  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "tick" }, 0);
  assert_non_null(event);
  assert_null(event->job_id);
  assert_int_equal(event->seq, 0);
  json = json_loads(event->json, 0, NULL);
  assert_string_equal(text_of(json, "human"), "of nobody");
  assert_null(json_object_get(json, "job_id"));
  json_decref(json);
  assert_int_equal(
      jobsrv_capture_count(seen, &(jobsrv_match_t) { .action = "tick" }), 1);
  assert_int_equal(last_seq(job), 2);
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(stats.unrouted, 1);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static int start(jobsrv_job_t *job, void *data) {
  *(int *) data += jobsrv_context_job() == job;
  (void) jobsrv_narrate(NULL, "start", "inside");
  return 0;
}

static void stop(jobsrv_job_t *job, const jobsrv_reason_t *reason, void *data) {
  (void) reason;
  *(int *) data += jobsrv_context_job() == job;
  (void) jobsrv_narrate(NULL, "stop", "inside");
  (void) jobsrv_job_fail(job, NULL, NULL);
}

static int run(jobsrv_job_t *job, void *data) {
  *(int *) data += jobsrv_context_job() == job;
  (void) jobsrv_narrate(NULL, "run", "inside");
  return 0;
}

static jobsrv_job_t *submit(world_t *world, jobsrv_operation_t *operation) {
  jobsrv_job_t *job = NULL;
  jobsrv_spec_t spec;

  assert_ok(jobsrv_operation_add(world->srv, operation));
  jobsrv_spec_init(&spec);
  spec.operation = operation->name;
  assert_ok(jobsrv_submit(world->srv, &spec, NULL, &job));
  return job;
}

static void it_is_set_around_every_callback_of_an_operation(void **state) {
  jobsrv_operation_t operation;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  int inside = 0;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  jobsrv_operation_init(&operation);
  operation.name = "async";
  operation.start = start;
  operation.stop = stop;
  operation.data = &inside;
  job = submit(&world, &operation);
  world_turn(&world);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(run_until(&world.loop, jobsrv_until_ended, job, 5000));
  assert_int_equal(inside, 2);
  assert_null(jobsrv_context_job());
  jobsrv_job_id(job, id);
  assert_int_equal(jobsrv_capture_count(
                       seen, &(jobsrv_match_t) { .job_id = id,
                                                 .includes = "inside" }), 2);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void it_is_set_on_the_thread_of_an_operation(void **state) {
  jobsrv_operation_t operation;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  int inside = 0;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  jobsrv_operation_init(&operation);
  operation.name = "thread";
  operation.style = JOBSRV_THREAD;
  operation.run = run;
  operation.data = &inside;
  job = submit(&world, &operation);
  assert_true(run_until(&world.loop, jobsrv_until_ended, job, 5000));
  assert_int_equal(inside, 1);
  assert_int_equal(
      jobsrv_capture_count(seen, &(jobsrv_match_t) { .action = "run" }), 1);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void *other_thread(void *arg) {
  (void) arg;
  return jobsrv_context_job();
}

static void each_thread_has_its_own(void **state) {
  jobsrv_context_t context;
  pthread_t thread;
  world_t world;
  void *there = &world;

  (void) state;
  world_open(&world);
  jobsrv_context_enter(&context, begin_job(&world));
  assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
  pthread_join(thread, &there);
  assert_null(there);
  jobsrv_context_leave(&context);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(frames_nest_and_may_blank_the_job),
  cmocka_unit_test(without_a_job_anywhere_it_is_refused),
  cmocka_unit_test(null_stands_for_the_job_of_the_context),
  cmocka_unit_test(an_event_of_no_job_goes_to_sinks_only),
  cmocka_unit_test(it_is_set_around_every_callback_of_an_operation),
  cmocka_unit_test(it_is_set_on_the_thread_of_an_operation),
  cmocka_unit_test(each_thread_has_its_own),
};

RUN(tests);
