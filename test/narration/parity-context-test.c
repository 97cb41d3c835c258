/* SPDX-License-Identifier: MIT */

#include "parity.h"

#include <pthread.h>

static jobsrv_job_t *begin_with(const char *correlation_id) {
  jobsrv_job_t *job;
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = "other";
  spec.correlation_id = correlation_id;
  assert_ok(jobsrv_begin(p.world.srv, &spec, &job));
  return job;
}

/* N-31: under a scope, what is said is of its job, with its correlation id. */
static void what_is_said_under_a_scope_is_routed_by_it(void **state) {
  jobsrv_job_t *job = begin_with("corr-1");
  jobsrv_context_t scope;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  jobsrv_context_enter(&scope, job);
  assert_ok(jobsrv_narrate(NULL, "scoped", "x"));
  jobsrv_context_leave(&scope);
  assert_string_equal(said("scoped")->job_id, jobsrv_job_id(job, id));
  assert_string_equal(said("scoped")->correlation_id, "corr-1");
  assert_string_equal(said("scoped")->actor, "other");
}

static void a_scope_is_restored_by_the_end_of_an_inner_one(void **state) {
  jobsrv_context_t outer, inner;
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job = begin_with(NULL);

  (void) state;
  jobsrv_context_enter(&outer, p.job);
  jobsrv_context_enter(&inner, job);
  assert_ok(jobsrv_narrate(NULL, "inner", "x"));
  jobsrv_context_leave(&inner);
  assert_ok(jobsrv_narrate(NULL, "outer", "x"));
  jobsrv_context_leave(&outer);
  assert_string_equal(said("inner")->job_id, jobsrv_job_id(job, id));
  assert_string_equal(said("outer")->job_id, p.id);
  assert_null(jobsrv_context_job());
}

/*
 * N-31. Differs: there an inner scope replaces the outer one, so that one with
 * only a correlation id hides the job. Ours is merged, member by member.
 */
static void an_inner_scope_hides_only_what_it_names(void **state) {
  jobsrv_job_t *job = begin_with("corr-1");
  jobsrv_context_t outer;
  jobsrv_context_t inner = { .correlation_id = "corr-2" };
  jobsrv_context_t innermost = { .actor = "indexer", .request_id = "req-3" };
  char id[JOBSRV_ID_SIZE];

  (void) state;
  jobsrv_job_id(job, id);
  jobsrv_context_enter(&outer, job);
  jobsrv_context_merge(&inner);
  assert_ok(jobsrv_narrate(NULL, "inner", "x"));
  jobsrv_context_merge(&innermost);
  assert_ok(jobsrv_narrate(NULL, "innermost", "x"));
  jobsrv_context_leave(&innermost);
  jobsrv_context_leave(&inner);
  assert_ok(jobsrv_narrate(NULL, "outer", "x"));
  jobsrv_context_leave(&outer);

  assert_string_equal(said("inner")->job_id, id);
  assert_string_equal(said("inner")->correlation_id, "corr-2");
  assert_string_equal(said("inner")->actor, "other");
  assert_null(said("inner")->request_id);
  assert_string_equal(said("innermost")->job_id, id);
  assert_string_equal(said("innermost")->correlation_id, "corr-2");
  assert_string_equal(said("innermost")->request_id, "req-3");
  assert_string_equal(said("innermost")->actor, "indexer");
  assert_string_equal(said("outer")->correlation_id, "corr-1");
  assert_string_equal(said("outer")->actor, "other");
}

/* ---- N-31: it survives where the job waits, and keeps jobs apart ---- */

typedef struct {
  jobsrv_timer_t timer;
  jobsrv_job_t *job;
  int steps;
} walker_t;

static void step(jobsrv_timer_t *timer);

static void arm(walker_t *walker) {
  jobsrv_timer_arm(p.world.srv, &walker->timer,
                   jobsrv_now(p.world.srv) + 1000000, step);
}

/* As a task that awaits between its steps: each is a callback of its own. */
static void step(jobsrv_timer_t *timer) {
  walker_t *walker = timer->data;
  jobsrv_context_t scope;

  jobsrv_context_enter(&scope, walker->job);
  assert_ok(jobsrv_narrate(NULL, "step", "%d", ++walker->steps));
  jobsrv_context_leave(&scope);
  if (walker->steps < 10)
    arm(walker);
}

static void tasks_that_interleave_do_not_mix(void **state) {
  walker_t walkers[10] = { 0 };
  char id[JOBSRV_ID_SIZE];

  (void) state;
  for (int i = 0; i < 10; i++) {
    walkers[i].job = begin_with(NULL);
    walkers[i].timer.data = &walkers[i];
    arm(&walkers[i]);
  }
  for (int ms = 0; ms < 10; ms++)
    world_pass(&p.world, 1);
  for (int i = 0; i < 10; i++)
    assert_int_equal(SEEN(.action = "step",
                          .job_id = jobsrv_job_id(walkers[i].job, id)), 10);
}

static int resumed(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return jobsrv_narrate(NULL, "started", "attempt");
}

static void answered(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  (void) jobsrv_narrate(NULL, "resumed", "after the answer");
}

static jobsrv_job_t *submit(jobsrv_operation_t *operation) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  assert_ok(jobsrv_operation_add(p.world.srv, operation));
  jobsrv_spec_init(&spec);
  spec.operation = operation->name;
  assert_ok(jobsrv_submit(p.world.srv, &spec, NULL, &job));
  return job;
}

static void it_survives_a_suspension(void **state) {
  jobsrv_operation_t operation;
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  jobsrv_operation_init(&operation);
  operation.name = "asks";
  operation.start = resumed;
  operation.resume = answered;
  job = submit(&operation);
  world_turn(&p.world);
  assert_ok(jobsrv_job_suspend(job, "\"go on?\"", 0));
  world_turn(&p.world);
  assert_ok(jobsrv_job_answer(job, "true", 0));
  world_turn(&p.world);
  jobsrv_job_id(job, id);
  assert_int_equal(SEEN(.action = "started", .job_id = id), 1);
  assert_int_equal(SEEN(.action = "resumed", .job_id = id), 1);
}

/*
 * N-32. Differs: a thread that the library starts for a job has the job's
 * context by itself. One that the host starts has none until it enters one, and
 * then its own.
 */
static int on_thread(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return jobsrv_narrate(NULL, "on_thread", "x");
}

static void a_thread_of_the_library_s_inherits_it(void **state) {
  jobsrv_operation_t operation;
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;

  (void) state;
  jobsrv_operation_init(&operation);
  operation.name = "threaded";
  operation.style = JOBSRV_THREAD;
  operation.run = on_thread;
  job = submit(&operation);
  assert_true(run_until(&p.world.loop, jobsrv_until_ended, job, 5000));
  assert_int_equal(SEEN(.action = "on_thread",
                        .job_id = jobsrv_job_id(job, id)), 1);
}

static void *without(void *result) {
  *(int *) result = jobsrv_narrate(NULL, "spawned", "nobody's");
  return result;
}

static void *with(void *job) {
  jobsrv_context_t scope;
  int err;

  jobsrv_context_enter(&scope, job);
  err = jobsrv_narrate(NULL, "spawned", "the job's");
  jobsrv_context_leave(&scope);
  return err == 0 ? job : NULL;
}

static void a_thread_of_the_host_s_does_not_until_it_enters(void **state) {
  jobsrv_context_t scope;
  pthread_t thread;
  void *done;
  int err = 0;

  (void) state;
  jobsrv_context_enter(&scope, p.job);
  assert_int_equal(pthread_create(&thread, NULL, without, &err), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_err(err, JOBSRV_ENOCONTEXT);
  assert_int_equal(pthread_create(&thread, NULL, with, p.job), 0);
  assert_int_equal(pthread_join(thread, &done), 0);
  assert_ptr_equal(done, p.job);
  jobsrv_context_leave(&scope);
  world_turn(&p.world);
  assert_int_equal(SEEN(.action = "spawned"), 1);
  assert_string_equal(said("spawned")->job_id, p.id);
}

/* N-32, N-38: what a host spawns is given what is in force, in one call. */
static void *under(void *snapshot) {
  jobsrv_context_t scope;
  int err;

  jobsrv_snapshot_enter(&scope, snapshot);
  err = jobsrv_narrate(NULL, "carried", "x");
  jobsrv_context_leave(&scope);
  return err == 0 ? snapshot : NULL;
}

static void a_scope_is_carried_to_a_thread_by_a_snapshot(void **state) {
  jobsrv_context_t scope;
  jobsrv_context_t more = { .correlation_id = "corr-4", .actor = "indexer" };
  jobsrv_snapshot_t *snapshot;
  pthread_t thread;
  void *done;

  (void) state;
  jobsrv_context_enter(&scope, p.job);
  jobsrv_context_merge(&more);
  assert_ok(jobsrv_context_capture(&snapshot));
  jobsrv_context_leave(&more);
  jobsrv_context_leave(&scope);
  assert_int_equal(pthread_create(&thread, NULL, under, snapshot), 0);
  assert_int_equal(pthread_join(thread, &done), 0);
  assert_ptr_equal(done, snapshot);
  jobsrv_snapshot_unref(snapshot);
  world_turn(&p.world);
  assert_string_equal(said("carried")->job_id, p.id);
  assert_string_equal(said("carried")->correlation_id, "corr-4");
  assert_string_equal(said("carried")->actor, "indexer");
}

/* N-33. Differs: there only the macro reads the context. Ours all do. */
static void the_form_by_hand_is_routed_as_well(void **state) {
  jobsrv_context_t scope;

  (void) state;
  jobsrv_context_enter(&scope, p.job);
  assert_ok(jobsrv_narrate_event(NULL, &(jobsrv_event_t) {
                                           .action = "by_hand" }));
  assert_ok(jobsrv_data_event(NULL, "data", "1", 0));
  assert_ok(jobsrv_tell(NULL, "tell", jobsrv_field_i64("n", 1)));
  jobsrv_context_leave(&scope);
  assert_string_equal(said("by_hand")->job_id, p.id);
  assert_string_equal(said("data")->job_id, p.id);
  assert_string_equal(said("tell")->job_id, p.id);
}

/* N-34: from the call site alone; no stack of names that a thread could mix. */
static int said_elsewhere(jobsrv_job_t *job) {
  return jobsrv_narrate(job, "elsewhere", "x");
}

static void the_function_s_name_is_that_of_the_call(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate(p.job, "here", "x"));
  assert_ok(said_elsewhere(p.job));
  assert_string_equal(said("here")->function, __func__);
  assert_string_equal(said("elsewhere")->function, "said_elsewhere");
  assert_contains(said("here")->file, "parity-context-test.c");
  assert_true(said("here")->line > said("elsewhere")->line);
}

/* N-35. */
static void an_actor_that_is_named_wins(void **state) {
  jobsrv_context_t scope;

  (void) state;
  jobsrv_context_enter(&scope, p.job);
  assert_ok(jobsrv_info_with(NULL, (.action = "named", .actor = "me"), "x"));
  jobsrv_context_leave(&scope);
  assert_string_equal(said("named")->actor, "me");
}

/* N-37, N-59: never to whoever happens to listen. */
static void what_is_nobody_s_reaches_no_job(void **state) {
  uint64_t before = last_seq(p.job);
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv_context_t scope, none;

  (void) state;
  assert_err(jobsrv_narrate(NULL, "lost", "x"), JOBSRV_ENOCONTEXT);
  jobsrv_context_enter(&scope, p.job);
  jobsrv_context_enter(&none, NULL);
  assert_ok(jobsrv_narrate(NULL, "host_s", "x"));
  jobsrv_context_leave(&none);
  jobsrv_context_leave(&scope);
  assert_int_equal(last_seq(p.job), before);
  assert_null(said("host_s")->job_id);
  assert_int_equal(SEEN(.action = "lost"), 0);
  jobsrv_stats(p.world.srv, &stats);
  assert_int_equal(stats.unrouted, 1);
}

static const struct CMUnitTest tests[] = {
  CASE(what_is_said_under_a_scope_is_routed_by_it),
  CASE(a_scope_is_restored_by_the_end_of_an_inner_one),
  CASE(an_inner_scope_hides_only_what_it_names),
  CASE(tasks_that_interleave_do_not_mix),
  CASE(it_survives_a_suspension),
  CASE(a_thread_of_the_library_s_inherits_it),
  CASE(a_thread_of_the_host_s_does_not_until_it_enters),
  CASE(a_scope_is_carried_to_a_thread_by_a_snapshot),
  CASE(the_form_by_hand_is_routed_as_well),
  CASE(the_function_s_name_is_that_of_the_call),
  CASE(an_actor_that_is_named_wins),
  CASE(what_is_nobody_s_reaches_no_job),
};

RUN(tests);
