/* SPDX-License-Identifier: MIT */

/* Progress, sinks of one function, and many of them at once. */

#include "world.h"

enum { MAX = 32 };

/* Keeps what came, in a few words each. */
typedef struct {
  char lines[MAX][160];
  uint64_t seqs[MAX];
  int n;
  jobsrv_sink_t *sink;
} kept_t;

static void keep(const jobsrv_event_t *event, void *data) {
  kept_t *kept = data;

  assert_true(kept->n < MAX);
  (void) snprintf(kept->lines[kept->n], sizeof(kept->lines[0]), "%s %s: %s",
                  jobsrv_kind_name(event->kind), event->action, event->human);
  kept->seqs[kept->n++] = event->seq;
}

static void add(world_t *world, kept_t *kept,
                const jobsrv_sink_options_t *options) {
  assert_ok(
      jobsrv_callback_add(world->srv, keep, kept, options, &kept->sink));
}

static void add_progress(world_t *world, kept_t *kept) {
  jobsrv_sink_options_t options;

  jobsrv_sink_options_init(&options);
  options.progress = 1;
  add(world, kept, &options);
}

static int report(jobsrv_job_t *job, double done, double total) {
  jobsrv_progress_t progress = { .done = done,
                                 .total = total,
                                 .unit = "files",
                                 .phase = "copying" };

  return jobsrv_progress(job, &progress);
}

static void one_function_is_a_sink(void **state) {
  jobsrv_job_t *job;
  kept_t kept = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  add(&world, &kept, NULL);
  job = begin_job(&world);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_string_equal(kept.lines[2], "narration a: b");
  jobsrv_sink_remove(kept.sink);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_int_equal(kept.n, 3);
  assert_err(jobsrv_callback_add(world.srv, NULL, NULL, NULL, NULL),
             UV_EINVAL);
  world_close(&world);
}

static void one_function_may_be_refused_for_want_of_memory(void **state) {
  kept_t kept = { 0 };
  int err = UV_ENOMEM;
  world_t world;

  (void) state;
  world_open(&world);
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv_faults_fail(&world.faults, n, 1);
    err = jobsrv_callback_add(world.srv, keep, &kept, NULL, NULL);
    assert_int_equal(err, jobsrv_faults_hit(&world.faults) ? UV_ENOMEM : 0);
  }
  world_close(&world);
}

static void a_job_says_so(void *arg) {
  for (int i = 0; i < 8; i++)
    assert_ok(jobsrv_narrate(arg, "n", "%d", i));
}

static void what_other_threads_say_comes_in_their_order(void **state) {
  kept_t kept = { 0 };
  uv_thread_t thread;
  char want[32];
  world_t world;
  jobsrv_job_t *job;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &kept, NULL);
  assert_int_equal(uv_thread_create(&thread, a_job_says_so, job), 0);
  uv_thread_join(&thread);
  assert_ok(jobsrv_narrate(job, "n", "8"));
  world_turn(&world);
  assert_int_equal(kept.n, 9);
  for (int i = 0; i < 9; i++) {
    (void) snprintf(want, sizeof(want), "narration n: %d", i);
    assert_string_equal(kept.lines[i], want);
    assert_int_equal(kept.seqs[i], i + 3);
  }
  world_close(&world);
}

static void progress_comes_to_those_who_ask(void **state) {
  kept_t asks = { 0 }, plain = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add_progress(&world, &asks);
  add(&world, &plain, NULL);
  assert_ok(report(job, 3, 12));
  assert_int_equal(asks.n, 0); /* at the end of the turn */
  world_turn(&world);
  assert_int_equal(asks.n, 1);
  assert_string_equal(asks.lines[0],
                      "progress progress: 3 of 12 files (25%), copying");
  assert_int_equal(asks.seqs[0], 0);
  assert_int_equal(plain.n, 0);
  world_close(&world);
}

static void what_is_not_known_is_left_out(void **state) {
  jobsrv_progress_t progress = { .done = 2.5 };
  kept_t kept = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add_progress(&world, &kept);
  assert_ok(jobsrv_progress(job, &progress));
  world_turn(&world);
  assert_string_equal(kept.lines[0], "progress progress: 2.5");
  world_pass(&world, 100);
  progress.unit = "MB";
  assert_ok(jobsrv_progress(job, &progress));
  world_turn(&world);
  assert_string_equal(kept.lines[1], "progress progress: 2.5 MB");
  world_close(&world);
}

static void progress_comes_at_the_rate_it_is_published(void **state) {
  kept_t kept = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add_progress(&world, &kept);
  for (int i = 1; i <= 40; i++) {
    assert_ok(report(job, i, 50));
    world_pass(&world, 10);
  }
  assert_in_range(kept.n, 4, 5);
  assert_ok(report(job, 49, 50));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&world);
  assert_string_equal(kept.lines[kept.n - 2],
                      "progress progress: 49 of 50 files (98%), copying");
  assert_string_equal(kept.lines[kept.n - 1], "end end: completed");
  world_close(&world);
}

static void levels_and_filters_hold_for_progress(void **state) {
  jobsrv_sink_options_t options;
  kept_t high = { 0 }, other = { 0 }, one = { 0 };
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  jobsrv_sink_options_init(&options);
  options.progress = 1;
  options.level = JOBSRV_WARN;
  add(&world, &high, &options);
  options.level = 0;
  options.filter.action = "fetch";
  add(&world, &other, &options);
  options.filter.action = "prog*";
  options.filter.job_id = jobsrv_job_id(job, id);
  add(&world, &one, &options);
  assert_ok(report(job, 1, 2));
  assert_ok(report(begin_job(&world), 1, 2));
  world_turn(&world);
  assert_int_equal(high.n, 0);
  assert_int_equal(other.n, 0);
  assert_int_equal(one.n, 1);
  assert_ok(jobsrv_sink_set_level(high.sink, JOBSRV_INFO));
  world_pass(&world, 100);
  assert_ok(report(job, 2, 2));
  world_turn(&world);
  assert_int_equal(high.n, 1);
  world_close(&world);
}

static void look(const jobsrv_event_t *event, void *data) {
  json_t *json;

  if (event->kind != JOBSRV_KIND_PROGRESS)
    return;
  ++*(int *) data;
  assert_int_equal(event->nfields, 5);
  assert_string_equal(event->fields[0].key, "done");
  assert_true(event->fields[1].as.f64 == 12.0);
  assert_string_equal(event->actor, "work");
  assert_non_null(event->job_id);
  assert_true(event->wall_ns > 0);
  json = json_loadb(event->json, event->json_len, 0, NULL);
  assert_non_null(json);
  assert_string_equal(text_of(json, "type"), "progress");
  assert_string_equal(text_of(json, "job_id"), event->job_id);
  assert_int_equal(int_of(json, "done"), 3);
  assert_string_equal(text_of(json, "phase"), "copying");
  json_decref(json);
}

static void progress_brings_its_json_and_its_fields(void **state) {
  jobsrv_sink_options_t options;
  int seen = 0;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_sink_options_init(&options);
  options.progress = 1;
  assert_ok(jobsrv_callback_add(world.srv, look, &seen, &options, NULL));
  assert_ok(report(begin_job(&world), 3, 12));
  world_turn(&world);
  assert_int_equal(seen, 1);
  world_close(&world);
}

static void close_on_progress(const jobsrv_event_t *event, void *data) {
  world_t *world = data;

  if (event->kind != JOBSRV_KIND_PROGRESS)
    return;
  jobsrv_close(world->srv, NULL, NULL);
  world->srv = NULL;
}

static void keep_progress(const jobsrv_event_t *event, void *data) {
  if (event->kind == JOBSRV_KIND_PROGRESS)
    keep(event, data);
}

static void progress_tells_how_long_it_will_take(void **state) {
  jobsrv_sink_options_t options;
  kept_t kept = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_sink_options_init(&options);
  options.progress = 1;
  assert_ok(jobsrv_callback_add(world.srv, keep_progress, &kept, &options,
                                NULL));
  job = begin_job(&world);
  for (int i = 0; i <= 4; i++) {
    assert_ok(report(job, i, 10));
    world_pass(&world, 500);
  }
  assert_string_equal(kept.lines[4], "progress progress: 4 of 10 files (40%), "
                                     "copying, 3 s left");
  assert_ok(report(job, 5, 10));
  assert_ok(report(job, 6, 10)); /* not published before the end */
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  world_turn(&world);
  assert_string_equal(kept.lines[kept.n - 1],
                      "progress progress: 6 of 10 files (60%), copying");
  world_close(&world);
}

/* At the end of a turn, and right before the end of the job. */
static void progress_may_close_the_server(void **state) {
  jobsrv_sink_options_t options;
  jobsrv_job_t *job, *other;
  world_t world;

  (void) state;
  jobsrv_sink_options_init(&options);
  options.progress = 1;
  for (int at_end = 0; at_end < 2; at_end++) {
    world_open(&world);
    assert_ok(jobsrv_callback_add(world.srv, close_on_progress, &world,
                                  &options, NULL));
    job = begin_job(&world);
    other = begin_job(&world);
    assert_ok(report(job, 1, 2));
    assert_ok(report(other, 1, 2));
    if (at_end)
      assert_ok(jobsrv_job_complete(job, NULL, 0));
    world_turn(&world);
    assert_null(world.srv);
    world_close(&world);
  }
}

static void a_closed_server_forgets_its_progress(void **state) {
  kept_t kept = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  add_progress(&world, &kept);
  job = jobsrv_job_ref(begin_job(&world));
  assert_ok(report(job, 1, 2));
  jobsrv_sink_remove(kept.sink); /* before it is told */
  assert_int_equal(kept.n, 2);
  jobsrv_close(world.srv, NULL, NULL);
  jobsrv_job_unref(job);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(one_function_is_a_sink),
  cmocka_unit_test(one_function_may_be_refused_for_want_of_memory),
  cmocka_unit_test(what_other_threads_say_comes_in_their_order),
  cmocka_unit_test(progress_comes_to_those_who_ask),
  cmocka_unit_test(what_is_not_known_is_left_out),
  cmocka_unit_test(progress_comes_at_the_rate_it_is_published),
  cmocka_unit_test(levels_and_filters_hold_for_progress),
  cmocka_unit_test(progress_brings_its_json_and_its_fields),
  cmocka_unit_test(progress_tells_how_long_it_will_take),
  cmocka_unit_test(progress_may_close_the_server),
  cmocka_unit_test(a_closed_server_forgets_its_progress),
};

RUN(tests);
