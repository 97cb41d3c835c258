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

/* ---- members ---- */

static void members_are_merged_one_by_one(void **state) {
  jobsrv_context_t a, b = { .actor = "b" }, c = { .request_id = "c" };
  const jobsrv_context_t *now;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_null(jobsrv_context_current());
  jobsrv_context_enter(&a, job);
  jobsrv_context_merge(&b);
  jobsrv_context_merge(&c);
  now = jobsrv_context_current();
  assert_ptr_equal(now, &c);
  assert_ptr_equal(now->job, job); /* what is not set is as further out */
  assert_string_equal(now->actor, "b");
  assert_string_equal(now->request_id, "c");
  assert_null(now->correlation_id);
  assert_ptr_equal(now->srv, world.srv);
  jobsrv_context_leave(&c);
  assert_null(jobsrv_context_current()->request_id);
  jobsrv_context_leave(&b);
  assert_null(jobsrv_context_current()->actor);
  jobsrv_context_leave(&a);
  assert_null(jobsrv_context_current());
  world_close(&world);
}

static void another_job_begins_with_nothing(void **state) {
  jobsrv_context_t a = { .actor = "a", .correlation_id = "x" }, b, c;
  jobsrv_context_t d = { 0 };
  jobsrv_job_t *one, *two;
  world_t world;

  (void) state;
  world_open(&world);
  one = begin_job(&world);
  two = begin_job(&world);
  a.job = one;
  jobsrv_context_merge(&a);
  jobsrv_context_enter(&b, two);
  assert_null(jobsrv_context_current()->actor);
  assert_null(jobsrv_context_current()->correlation_id);
  d.job = one;
  jobsrv_context_merge(&d);
  assert_null(jobsrv_context_current()->actor);
  jobsrv_context_leave(&d);
  jobsrv_context_leave(&b);
  jobsrv_context_enter(&c, one);
  assert_string_equal(jobsrv_context_current()->actor, "a");
  jobsrv_context_leave(&c);
  jobsrv_context_leave(&a);
  world_close(&world);
}

static void events_say_what_is_in_force_for_their_job(void **state) {
  jobsrv_context_t context = { .actor = "me", .correlation_id = "cor",
                               .request_id = "req" };
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *other;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  context.job = begin_job(&world);
  other = begin_job(&world);
  jobsrv_context_merge(&context);
  assert_ok(jobsrv_info(NULL, "mine", "x"));
  assert_ok(jobsrv_info(other, "others", "x"));
  assert_ok(jobsrv_info_with(NULL, (.action = "own", .actor = "you",
                                    .request_id = "mine"), "x"));
  jobsrv_context_leave(&context);
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "mine" }, 0);
  assert_string_equal(event->actor, "me");
  assert_string_equal(event->correlation_id, "cor");
  assert_string_equal(event->request_id, "req");
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "others" }, 0);
  assert_string_equal(event->actor, "work");
  assert_null(event->correlation_id);
  assert_null(event->request_id);
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "own" }, 0);
  assert_string_equal(event->actor, "you");
  assert_string_equal(event->correlation_id, "cor");
  assert_string_equal(event->request_id, "mine");
  jobsrv_capture_free(seen);
  world_close(&world);
}

/* ---- snapshots ---- */

static void a_snapshot_keeps_what_was_in_force(void **state) {
  char actor[] = "me";
  jobsrv_context_t context = { .actor = actor }, other, again;
  jobsrv_snapshot_t *snapshot;
  world_t world;

  (void) state;
  world_open(&world);
  context.job = begin_job(&world);
  jobsrv_context_merge(&context);
  assert_ok(jobsrv_context_capture(&snapshot));
  jobsrv_context_leave(&context);
  memset(actor, 'x', sizeof(actor) - 1);

  jobsrv_context_enter(&other, begin_job(&world));
  jobsrv_snapshot_enter(&again, snapshot);
  assert_ptr_equal(jobsrv_context_job(), context.job);
  assert_string_equal(jobsrv_context_current()->actor, "me");
  assert_ok(jobsrv_info(NULL, "x", "y"));
  jobsrv_context_leave(&again);
  jobsrv_snapshot_enter(&again, NULL);
  assert_null(jobsrv_context_job());
  jobsrv_context_leave(&again);
  assert_ptr_not_equal(jobsrv_context_job(), context.job);
  jobsrv_context_leave(&other);
  jobsrv_snapshot_unref(jobsrv_snapshot_ref(snapshot));
  jobsrv_snapshot_unref(snapshot);
  world_close(&world);
}

static void of_nothing_there_is_none(void **state) {
  jobsrv_snapshot_t *snapshot = (jobsrv_snapshot_t *) 1;
  jobsrv_context_t context = { .actor = "nobody's" };

  (void) state;
  assert_ok(jobsrv_context_capture(&snapshot));
  assert_null(snapshot);
  assert_null(jobsrv_snapshot_ref(NULL));
  jobsrv_snapshot_unref(NULL);
  jobsrv_context_merge(&context);
  snapshot = (jobsrv_snapshot_t *) 1;
  assert_ok(jobsrv_context_capture(&snapshot));
  assert_null(snapshot);
  jobsrv_context_leave(&context);
}

static void a_snapshot_may_outlive_job_and_server(void **state) {
  jobsrv_snapshot_t *snapshot, *of_server;
  jobsrv_context_t context = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  context.job = begin_job(&world);
  jobsrv_context_merge(&context);
  assert_ok(jobsrv_context_capture(&snapshot));
  jobsrv_context_leave(&context);
  memset(&context, 0, sizeof(context));
  context.srv = world.srv;
  jobsrv_context_merge(&context);
  assert_ok(jobsrv_context_capture(&of_server));
  jobsrv_context_leave(&context);
  jobsrv_close(world.srv, NULL, NULL);
  loop_end(&world.loop);
  world.srv = NULL;
  jobsrv_snapshot_enter(&context, snapshot);
  assert_err(jobsrv_info(NULL, "x", "y"), JOBSRV_EENDED);
  jobsrv_context_leave(&context);
  jobsrv_snapshot_enter(&context, of_server);
  assert_true(jobsrv_info(NULL, "x", "y") < 0);
  jobsrv_context_leave(&context);
  jobsrv_snapshot_unref(of_server);
  jobsrv_snapshot_unref(snapshot);
  world_close(&world);
}

static void no_memory_for_a_snapshot_is_told(void **state) {
  jobsrv_snapshot_t *snapshot = NULL;
  jobsrv_context_t context;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_context_enter(&context, begin_job(&world));
  jobsrv_faults_fail(&world.faults, 0, 1);
  assert_err(jobsrv_context_capture(&snapshot), UV_ENOMEM);
  assert_null(snapshot);
  jobsrv_faults_fail(&world.faults, 0, 0);
  jobsrv_context_leave(&context);
  world_close(&world);
}

/* ---- callbacks that are asked for ---- */

typedef struct {
  jobsrv_job_t *job; /* in whose context it was asked for */
  int calls;
} asked_t;

static void check_context(void *data) {
  asked_t *asked = data;

  asked->calls++;
  assert_ptr_equal(jobsrv_context_job(), asked->job);
  if (asked->job != NULL)
    assert_string_equal(jobsrv_context_current()->actor, "asker");
}

static void on_post(jobsrv_t *srv, void *data) {
  (void) srv;
  check_context(data);
}

static void on_submitted(jobsrv_t *srv, jobsrv_job_t *job, int err, void *data) {
  (void) srv;
  (void) job;
  (void) err;
  check_context(data);
}

static void on_waited(jobsrv_wait_t *wait, int status, jobsrv_job_t *job) {
  (void) status;
  (void) job;
  check_context(wait->data);
}

static void ask_for_all(world_t *world, asked_t *asked, jobsrv_wait_t *wait) {
  jobsrv_spec_t spec;
  jobsrv_job_t *done = begin_job(world);

  jobsrv_spec_init(&spec);
  spec.operation = "none";
  assert_ok(jobsrv_post(world->srv, on_post, asked));
  assert_ok(jobsrv_submit_from(world->srv, &spec, on_submitted, asked));
  memset(wait, 0, sizeof(*wait));
  wait->data = asked;
  assert_ok(jobsrv_wait(world->srv, wait, JOBSRV_WAIT_ALL, &done, 1,
                        UINT64_MAX, on_waited));
  assert_ok(jobsrv_job_complete(done, NULL, 0));
}

static void they_come_in_the_context_they_were_asked_for_in(void **state) {
  jobsrv_context_t context = { .actor = "asker" };
  asked_t nobody = { 0 }, asked = { 0 };
  jobsrv_wait_t wait, other;
  world_t world;

  (void) state;
  world_open(&world);
  asked.job = context.job = begin_job(&world);
  jobsrv_context_merge(&context);
  ask_for_all(&world, &asked, &wait);
  jobsrv_context_leave(&context);
  ask_for_all(&world, &nobody, &other);
  world_turn(&world);
  world_turn(&world);
  assert_int_equal(asked.calls, 3);
  assert_int_equal(nobody.calls, 3);
  world_close(&world);
}

static void they_let_go_of_it_when_they_never_come(void **state) {
  jobsrv_context_t context = { .actor = "asker" };
  jobsrv_wait_t wait;
  asked_t asked = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  asked.job = context.job = begin_job(&world);
  jobsrv_context_merge(&context);
  memset(&wait, 0, sizeof(wait));
  assert_ok(jobsrv_wait(world.srv, &wait, JOBSRV_WAIT_ALL, &asked.job, 1,
                        UINT64_MAX, on_waited));
  jobsrv_wait_cancel(&wait);
  /* no memory, each time at another point */
  for (uint64_t i = 0; i < 2; i++) {
    jobsrv_faults_fail(&world.faults, i, 1);
    assert_err(jobsrv_post(world.srv, on_post, &asked), UV_ENOMEM);
    jobsrv_faults_fail(&world.faults, i, 1);
    assert_err(jobsrv_wait(world.srv, &wait, JOBSRV_WAIT_ALL, &asked.job, 1,
                           UINT64_MAX, on_waited),
               UV_ENOMEM);
  }
  jobsrv_faults_fail(&world.faults, 0, 0);
  jobsrv_context_leave(&context);
  assert_int_equal(asked.calls, 0);
  world_close(&world);
}

static void on_token(jobsrv_token_watch_t *watch,
                     const jobsrv_reason_t *reason) {
  (void) reason;
  *(jobsrv_job_t **) watch->data = jobsrv_context_job();
}

static void a_watch_on_a_jobs_token_is_called_in_its_context(void **state) {
  jobsrv_token_watch_t watch = { 0 };
  jobsrv_job_t *job, *inside = NULL;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  watch.data = &inside;
  assert_ok(jobsrv_token_watch(jobsrv_job_token(job), &watch, on_token));
  assert_ok(jobsrv_job_cancel(job, NULL));
  world_turn(&world);
  assert_ptr_equal(inside, job);
  world_close(&world);
}

static void on_release(void *data) {
  *(const jobsrv_context_t **) data = jobsrv_context_current();
  assert_null(jobsrv_context_job());
}

static void a_release_is_called_outside_of_all(void **state) {
  const jobsrv_context_t *there = NULL;
  jobsrv_context_t context;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.retain_ms = 1;
  world_start(&world);
  jobsrv_spec_init(&spec);
  spec.data = &there;
  spec.release = on_release;
  assert_ok(jobsrv_begin(world.srv, &spec, &job));
  jobsrv_job_ref(job);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_pass(&world, 10);
  jobsrv_context_enter(&context, begin_job(&world));
  jobsrv_job_unref(job);
  jobsrv_context_leave(&context);
  assert_non_null(there);
  world_close(&world);
}

/* ---- child processes ---- */

typedef struct {
  char text[1024];
} env_t;

static void on_env(void *data, const char *name, const char *value) {
  env_t *env = data;
  size_t len = strlen(env->text);

  snprintf(env->text + len, sizeof(env->text) - len, "%s=%s|", name, value);
}

static void a_child_is_told_what_it_is_part_of(void **state) {
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  jobsrv_context_t context = { .request_id = "mine" };
  char want[1024], id[JOBSRV_ID_SIZE];
  jobsrv_spec_t spec;
  env_t env = { "" };
  world_t world;

  (void) state;
  jobsrv_context_env(on_env, &env);
  assert_string_equal(env.text, "");
  world_open(&world);
  jobsrv_spec_init(&spec);
  spec.traceparent = "00-0123456789abcdef0011223344556677-00f067aa0ba902b7-00";
  spec.tracestate = "a=1";
  spec.correlation_id = "cor";
  spec.request_id = "req";
  assert_ok(jobsrv_begin(world.srv, &spec, &context.job));
  jobsrv_job_trace(context.job, &trace);
  jobsrv_context_merge(&context);
  jobsrv_context_env(on_env, &env);
  jobsrv_context_leave(&context);
  snprintf(want, sizeof(want),
           "TRACEPARENT=00-%s-%s-00|TRACESTATE=a=1|JOBSRV_JOB_ID=%s|"
           "JOBSRV_CORRELATION_ID=cor|JOBSRV_REQUEST_ID=mine|",
           trace.trace_id, trace.attempt_span_id,
           jobsrv_job_id(context.job, id));
  assert_string_equal(env.text, want);
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
  cmocka_unit_test(members_are_merged_one_by_one),
  cmocka_unit_test(another_job_begins_with_nothing),
  cmocka_unit_test(events_say_what_is_in_force_for_their_job),
  cmocka_unit_test(a_snapshot_keeps_what_was_in_force),
  cmocka_unit_test(of_nothing_there_is_none),
  cmocka_unit_test(a_snapshot_may_outlive_job_and_server),
  cmocka_unit_test(no_memory_for_a_snapshot_is_told),
  cmocka_unit_test(they_come_in_the_context_they_were_asked_for_in),
  cmocka_unit_test(they_let_go_of_it_when_they_never_come),
  cmocka_unit_test(a_watch_on_a_jobs_token_is_called_in_its_context),
  cmocka_unit_test(a_release_is_called_outside_of_all),
  cmocka_unit_test(a_child_is_told_what_it_is_part_of),
};

RUN(tests);
