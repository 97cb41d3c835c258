/* SPDX-License-Identifier: MIT */

/* What is told wrongly, to nobody, or when there is no memory to carry it. */

#include "world.h"

#include "jobsrv/sinks.h"

#include <pthread.h>

static void what_has_no_level_is_refused(void **state) {
  jobsrv_event_t event = { .size = sizeof(event), .human = "x" };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_err(jobsrv_narrate_at(job, 0, NULL, 0, NULL, "say", "x"), UV_EINVAL);
  event.level = JOBSRV_MUTE + 1;
  assert_err(jobsrv_narrate_event(job, &event), UV_EINVAL);
  assert_err(jobsrv_narrate_with(job, &event, "x"), UV_EINVAL);
  assert_err(jobsrv_narrate_server(world.srv, &event), UV_EINVAL);
  event.level = JOBSRV_INFO;
  event.nfields = 1; /* and none there */
  assert_err(jobsrv_narrate_with(job, &event, "x"), UV_EINVAL);
  event.nfields = 0;
  event.size = 1;
  assert_err(jobsrv_narrate_event(job, &event), UV_EINVAL);
  assert_err(jobsrv_narrate_server(world.srv, &event), UV_EINVAL);
  world_close(&world);
}

static void under_the_level_data_is_not_told(void **state) {
  jobsrv_capture_t *seen;
  jobsrv_event_t event = { .size = sizeof(event), .human = "x" };
  jobsrv_job_t *job;
  world_t world;
  size_t before;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_ERROR;
  world_start(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  before = jobsrv_capture_count(seen, NULL);
  assert_ok(jobsrv_data_event(job, "rows", "[1]", 0));
  assert_ok(jobsrv_narrate_with(job, &event, "x"));
  assert_ok(jobsrv_narrate_server(world.srv, &event));
  world_turn(&world);
  assert_int_equal(jobsrv_capture_count(seen, NULL), before);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void sinks_of_another_size_or_kind_are_refused(void **state) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops) };
  jobsrv_sink_options_t options;
  jobsrv_file_options_t file;
  jobsrv_syslog_options_t syslog;
  jobsrv_sink_t *sink;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_sink_options_init(&options);
  options.size = 1;
  assert_err(jobsrv_sink_add(world.srv, &ops, NULL, &options, &sink),
             UV_EINVAL);
  jobsrv_file_options_init(&file);
  file.path = "/nowhere/at/all";
  file.overflow = (jobsrv_overflow_t) 9;
  assert_err(jobsrv_file_add(world.srv, &file, &sink), UV_EINVAL);
  file.overflow = JOBSRV_OVERFLOW_DROP_OLDEST;
  assert_err(jobsrv_file_add(world.srv, &file, &sink), UV_ENOENT);
  jobsrv_syslog_options_init(&syslog);
  syslog.overflow = (jobsrv_overflow_t) 9;
  assert_err(jobsrv_syslog_add(world.srv, &syslog, &sink), UV_EINVAL);
  world_close(&world);
}

/* ---- memory ---- */

typedef struct {
  jobsrv_t *srv;
  int ok;
  int no_memory;
} teller_t;

static void *tell(void *data) {
  teller_t *teller = data;
  jobsrv_event_t event = { .size = sizeof(event), .action = "say",
                           .human = "to whom it concerns" };

  for (int i = 0; i < 5; i++) {
    int err = jobsrv_narrate_server(teller->srv, &event);

    teller->ok += err == 0;
    teller->no_memory += err == UV_ENOMEM;
  }
  return NULL;
}

/* Each request fails once: on the thread that tells, then on the loop. */
static void what_is_told_of_the_server_may_find_no_memory(void **state) {
  int refused = 0;
  int hit = 1;

  (void) state;
  for (uint64_t n = 0; hit; n++) {
    teller_t teller = { .ok = 0 };
    jobsrv_capture_t *seen;
    pthread_t thread;
    world_t world;
    size_t got;

    world_open(&world);
    assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
    teller.srv = world.srv;
    jobsrv_faults_fail(&world.faults, n, 1);
    assert_int_equal(pthread_create(&thread, NULL, tell, &teller), 0);
    pthread_join(thread, NULL);
    world_turn(&world);
    hit = jobsrv_faults_hit(&world.faults);
    jobsrv_faults_fail(&world.faults, 0, 0);
    assert_int_equal(teller.ok + teller.no_memory, 5);
    got = jobsrv_capture_count(seen, &(jobsrv_match_t) { .action = "say" });
    assert_in_range(got, (unsigned) (teller.ok - hit), (unsigned) teller.ok);
    refused += teller.no_memory;
    assert_ok(jobsrv_narrate_server(
        world.srv, &(jobsrv_event_t) { .human = "and then", .action = "say" }));
    world_turn(&world);
    assert_int_equal(
        jobsrv_capture_count(seen, &(jobsrv_match_t) { .action = "say" }),
        got + 1);
    jobsrv_capture_free(seen);
    world_close(&world);
  }
  assert_true(refused >= 5);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(what_has_no_level_is_refused),
  cmocka_unit_test(under_the_level_data_is_not_told),
  cmocka_unit_test(sinks_of_another_size_or_kind_are_refused),
  cmocka_unit_test(what_is_told_of_the_server_may_find_no_memory),
};

RUN(tests);
