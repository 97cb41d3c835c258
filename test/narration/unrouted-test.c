/* SPDX-License-Identifier: MIT */

/* Events that belong to no job: counted by their places, for sinks only. */

#include "world.h"

#include <pthread.h>

static world_t world;
static jobsrv_context_t context;

static int setup(void **state) {
  (void) state;
  world_open(&world);
  context = (jobsrv_context_t) { .srv = world.srv };
  jobsrv_context_merge(&context);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  jobsrv_context_leave(&context);
  world_close(&world);
  return 0;
}

static int at(const char *file, int line, const char *action) {
  return jobsrv_narrate_event(NULL, &(jobsrv_event_t) { .file = file,
                                                        .line = line,
                                                        .action = action,
                                                        .human = "lost" });
}

static void places_are_counted_the_worst_first(void **state) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv_unrouted_t sites[4];

  (void) state;
  assert_int_equal(jobsrv_unrouted(world.srv, NULL, 0), 0);
  assert_ok(at("a.c", 1, "x"));
  for (int i = 0; i < 3; i++)
    assert_ok(at("b.c", 2, "y"));
  for (int i = 0; i < 2; i++)
    assert_ok(jobsrv_info(NULL, "z", "%d", i));
  assert_ok(jobsrv_debug(NULL, "z", "under the level"));
  assert_int_equal(jobsrv_unrouted(world.srv, NULL, 0), 3);
  assert_int_equal(jobsrv_unrouted(world.srv, sites, 1), 3);
  assert_string_equal(sites[0].file, "b.c");
  assert_int_equal(jobsrv_unrouted(world.srv, sites, 4), 3);
  assert_string_equal(sites[0].file, "b.c");
  assert_int_equal(sites[0].line, 2);
  assert_string_equal(sites[0].action, "y");
  assert_int_equal(sites[0].count, 3);
  assert_contains(sites[1].file, "unrouted-test.c");
  assert_string_equal(sites[1].action, "z");
  assert_int_equal(sites[1].count, 2);
  assert_string_equal(sites[2].file, "a.c");
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(stats.unrouted, 6);
  assert_ok(at("a.c", 1, "x"));
  assert_ok(at("a.c", 1, "x"));
  assert_ok(at("a.c", 1, "x"));
  assert_int_equal(jobsrv_unrouted(world.srv, sites, 4), 3);
  assert_string_equal(sites[0].file, "a.c");
  assert_int_equal(sites[0].count, 4);
}

static void places_differ_by_file_line_and_action(void **state) {
  char one[100], two[100];
  jobsrv_unrouted_t sites[8];

  (void) state;
  memset(one, 'd', sizeof(one));
  memset(two, 'd', sizeof(two));
  strcpy(one + 80, "/one.c");
  strcpy(two + 80, "/two.c");
  assert_ok(at(one, 1, "a"));
  assert_ok(at(two, 1, "a"));
  assert_ok(at(one, 2, "a"));
  assert_ok(at(one, 1, "b"));
  assert_ok(at(NULL, 0, "an action that is longer than is kept of one, a"));
  assert_ok(at(NULL, 0, "an action that is longer than is kept of one, b"));
  assert_int_equal(jobsrv_unrouted(world.srv, sites, 8), 5);
  assert_int_equal(sites[0].count, 2);
  assert_string_equal(sites[0].file, "");
  assert_int_equal(strlen(sites[0].action), 31);
  for (int i = 1; i < 5; i++) {
    assert_int_equal(sites[i].count, 1);
    assert_int_equal(strlen(sites[i].file), 63);
    assert_non_null(strstr(sites[i].file, ".c"));
  }
}

static void there_is_room_for_64_and_a_place_for_the_rest(void **state) {
  jobsrv_unrouted_t sites[66];

  (void) state;
  for (int i = 1; i <= 70; i++)
    for (int k = 0; k < i; k++)
      assert_ok(at("a.c", i, "x"));
  assert_int_equal(jobsrv_unrouted(world.srv, sites, 66), 65);
  for (int i = 0; i < 64; i++) {
    assert_int_equal(sites[i].line, 64 - i);
    assert_int_equal(sites[i].count, 64 - i);
  }
  assert_null(sites[64].file);
  assert_null(sites[64].action);
  assert_int_equal(sites[64].count, 65 + 66 + 67 + 68 + 69 + 70);
}

static void *narrate_there(void *data) {
  jobsrv_context_t there = { .srv = world.srv, .correlation_id = "cor" };

  (void) data;
  assert_err(jobsrv_info(NULL, "there", "no context"), JOBSRV_ENOCONTEXT);
  jobsrv_context_merge(&there);
  assert_ok(jobsrv_info_with(NULL,
                             (.action = "there",
                              JOBSRV_FIELDS(jobsrv_field_u64("n", 7))),
                             "from another thread"));
  assert_err(jobsrv_info_with(NULL, (JOBSRV_FIELDS(jobsrv_field_u64("", 7))),
                              "bad"),
             UV_EINVAL);
  jobsrv_context_leave(&there);
  return NULL;
}

static void they_come_from_other_threads_too(void **state) {
  const jobsrv_event_t *event;
  jobsrv_unrouted_t site;
  jobsrv_capture_t *seen;
  pthread_t thread;

  (void) state;
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  assert_int_equal(pthread_create(&thread, NULL, narrate_there, NULL), 0);
  pthread_join(thread, NULL);
  world_turn(&world);
  assert_int_equal(jobsrv_unrouted(world.srv, &site, 1), 1);
  assert_int_equal(site.count, 1);
  event = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "there" }, 0);
  assert_non_null(event);
  assert_string_equal(event->human, "from another thread");
  assert_string_equal(event->correlation_id, "cor");
  assert_null(event->job_id);
  assert_contains(event->json, "\"fields\":{\"n\":7}");
  jobsrv_capture_free(seen);
}

static void *flood_there(void *data) {
  jobsrv_context_t there = { .srv = world.srv };
  int err = 0;

  jobsrv_context_merge(&there);
  while (err == 0)
    err = jobsrv_info(NULL, "flood", "%0500d", 1);
  jobsrv_context_leave(&there);
  *(int *) data = err;
  return NULL;
}

static void the_inbox_bounds_them(void **state) {
  pthread_t thread;
  int err = 0;

  (void) state;
  jobsrv_context_leave(&context);
  world_close(&world);
  world_init(&world);
  world.options.max_inbox_bytes = 64 * 1024;
  world_start(&world);
  context = (jobsrv_context_t) { .srv = world.srv };
  jobsrv_context_merge(&context);
  if (loop_mode() != LOOP_THREAD) { /* there the loop goes on meanwhile */
    assert_int_equal(pthread_create(&thread, NULL, flood_there, &err), 0);
    pthread_join(thread, NULL);
    assert_int_equal(err, JOBSRV_EDROPPED);
  }
  world_turn(&world);
}

/* A sink that itself narrates to nobody, while two of them get an event. */
typedef struct {
  char json[512];
  int says;
  int calls;
} parrot_t;

static void parrot_event(void *self, const jobsrv_event_t *event) {
  parrot_t *parrot = self;

  if (strcmp(event->action, "first") != 0)
    return;
  parrot->calls++;
  if (parrot->says)
    (void) jobsrv_info(NULL, "second", "one that is longer than the first");
  snprintf(parrot->json, sizeof(parrot->json), "%s", event->json);
}

static void one_inside_another_leaves_that_as_it_is(void **state) {
  const jobsrv_sink_ops_t ops = { .size = sizeof(ops), .event = parrot_event };
  parrot_t one = { .says = 1 }, two = { 0 };

  (void) state;
  assert_ok(jobsrv_sink_add(world.srv, &ops, &one, NULL, NULL));
  assert_ok(jobsrv_sink_add(world.srv, &ops, &two, NULL, NULL));
  assert_ok(jobsrv_info(NULL, "first", "the first"));
  assert_int_equal(one.calls, 1);
  assert_int_equal(two.calls, 1);
  assert_string_equal(one.json, two.json);
  assert_contains(two.json, "the first");
}

static void json_that_is_none_is_refused_like_a_jobs(void **state) {
  static const char *const bad[] = { "", "{a", "[:", "\"abc", "1 2", NULL };
  jobsrv_capture_t *capture;

  (void) state;
  assert_ok(jobsrv_capture_new(&capture, world.srv, 0));
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    jobsrv_field_t field = jobsrv_field_json("j", bad[i]);
    jobsrv_event_t event = { .human = "a", .fields = &field, .nfields = 1 };

    assert_err(jobsrv_narrate_server(world.srv, &event), JOBSRV_EJSON);
  }
  assert_int_equal(jobsrv_capture_count(capture, NULL), 0);
  jobsrv_capture_free(capture);
}

static void no_memory_only_loses_the_place(void **state) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  (void) state;
  jobsrv_faults_fail(&world.faults, 0, UINT64_MAX);
  assert_ok(at("a.c", 1, "x"));
  jobsrv_faults_fail(&world.faults, 0, 0);
  assert_int_equal(jobsrv_unrouted(world.srv, NULL, 0), 0);
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(stats.unrouted, 1);
}

static const struct CMUnitTest tests[] = {
#define XX(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
  XX(places_are_counted_the_worst_first),
  XX(places_differ_by_file_line_and_action),
  XX(there_is_room_for_64_and_a_place_for_the_rest),
  XX(they_come_from_other_threads_too),
  XX(the_inbox_bounds_them),
  XX(one_inside_another_leaves_that_as_it_is),
  XX(json_that_is_none_is_refused_like_a_jobs),
  XX(no_memory_only_loses_the_place),
#undef XX
};

RUN(tests);
