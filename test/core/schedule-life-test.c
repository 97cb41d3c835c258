/* SPDX-License-Identifier: MIT */

/* Rows 13 to 15: schedules inside hooks, with the drain, the close, the loop,
 * and without memory. */

#include "scene.h"

typedef struct {
  jobsrv_hook_t hook;
  scene *scene;
  int at_creation;  /* else at the end of a job */
  int what;
  int calls;
} meddler;

enum { REMOVE, UPDATE, PAUSE, TRIGGER, CLOSE, DRAIN };

static void meddle(jobsrv_hook_t *hook,
                   jobsrv_job_t *job,
                   jobsrv_state_t from,
                   jobsrv_state_t to) {
  meddler *m = (meddler *) (void *) hook;
  scene *s = m->scene;

  (void) job;
  if (m->at_creation ? from != to : !jobsrv_state_terminal(to))
    return;
  if (m->calls++ > 0)
    return;
  switch (m->what) {
    case REMOVE:
      jobsrv_schedule_remove(s->schedule);
      break;
    case UPDATE:
      s->options.every_ms = 500;
      assert_ok(jobsrv_schedule_update(s->schedule, &s->options, NULL));
      break;
    case PAUSE:
      jobsrv_schedule_pause(s->schedule, 1);
      break;
    case TRIGGER:
      (void) jobsrv_schedule_trigger(s->schedule, NULL);
      break;
    case CLOSE:
      jobsrv_close(s->f.srv, fixture_on_closed, &s->f);
      break;
    default:
      assert_ok(jobsrv_drain(s->f.srv, 1000, NULL, NULL));
      break;
  }
}

static void meddler_add(meddler *m, scene *s, int what, int at_creation) {
  memset(m, 0, sizeof(*m));
  m->scene = s;
  m->what = what;
  m->at_creation = at_creation;
  jobsrv_hook_add(s->f.srv, &m->hook, meddle);
}

/* In the middle of ten runs that catch up. */
static void catching_up(scene *s, meddler *m, int what) {
  scene_open(s);
  s->options.overlap = JOBSRV_OVERLAP_ALLOW;
  s->options.misfire = JOBSRV_MISFIRE_CATCH_UP;
  scene_every(s, 60000);
  meddler_add(m, s, what, 1);
  scene_step(s, (int64_t) HOUR);
}

static void a_hook_may_remove_it_while_it_submits(void **state) {
  scene s = { 0 };
  meddler m;

  (void) state;
  catching_up(&s, &m, REMOVE);
  assert_int_equal(fixture_stats(&s.f).created, 1);
  assert_null(jobsrv_schedule_find(s.f.srv, "s"));
  scene_pass(&s, HOUR);
  assert_int_equal(fixture_stats(&s.f).created, 1);
  scene_close(&s);
}

static void a_hook_may_update_it_while_it_submits(void **state) {
  scene s = { 0 };
  meddler m;

  (void) state;
  catching_up(&s, &m, UPDATE);
  assert_int_equal(scene_info(&s).runs, 1); /* the others were the old one's */
  assert_time(scene_info(&s).next_wall_ns, scene_wall(&s) + 500 * MS);
  scene_close(&s);
}

static void a_hook_may_pause_it_while_it_submits(void **state) {
  scene s = { 0 };
  meddler m;

  (void) state;
  catching_up(&s, &m, PAUSE);
  assert_int_equal(scene_info(&s).runs, 1);
  assert_time(scene_info(&s).next_wall_ns, 0);
  scene_close(&s);
}

static void a_hook_may_close_the_server_while_it_submits(void **state) {
  scene s = { 0 };
  meddler m;

  (void) state;
  catching_up(&s, &m, CLOSE);
  assert_true(run_until(&s.f.loop, fixture_is_closed, &s.f, 5000));
  scene_close(&s);
}

static void a_hook_may_drain_the_server_while_it_submits(void **state) {
  scene s = { 0 };
  meddler m;

  (void) state;
  catching_up(&s, &m, DRAIN);
  assert_int_equal(fixture_stats(&s.f).created, 1);
  assert_time(scene_info(&s).next_wall_ns, 0);
  scene_close(&s);
}

/* The guard holds for the job that is just being made. */
static void a_hook_may_trigger_it_while_it_submits(void **state) {
  static const struct {
    int overlap;
    unsigned int created, after_end;
  } cases[] = {
    { JOBSRV_OVERLAP_SKIP, 1, 1 },
    { JOBSRV_OVERLAP_ALLOW, 2, 2 },
    { JOBSRV_OVERLAP_QUEUE_ONE, 1, 2 },
    { JOBSRV_OVERLAP_CANCEL_PREVIOUS, 2, 2 },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    jobsrv_page_t page = { 0 };
    jobsrv_job_t *newest;
    scene s = { 0 };
    meddler m;

    scene_open(&s);
    s.options.overlap = cases[i].overlap;
    scene_every(&s, 1000);
    meddler_add(&m, &s, TRIGGER, 1);
    jobsrv_manual_clock_advance(&s.f.clock, SECOND);
    run_turns(&s.f.loop, 3);
    assert_int_equal(fixture_stats(&s.f).created, cases[i].created);
    assert_int_equal(scene_info(&s).runs, cases[i].created);
    assert_int_equal(jobsrv_list(s.f.srv, NULL, &page, &newest, 1), 1);
    assert_ptr_equal(scene_job(&s), newest); /* though the hook made it */
    jobsrv_schedule_pause(s.schedule, 1);
    scene_end_job(&s);
    assert_int_equal(fixture_stats(&s.f).created, cases[i].after_end);
    scene_close(&s);
  }
}

static void a_hook_at_the_end_may_remove_what_waits_for_it(void **state) {
  for (int what = REMOVE; what <= CLOSE; what++) {
    scene s = { 0 };
    meddler m;

    scene_open(&s);
    s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
    scene_every(&s, 1000);
    scene_pass(&s, 2 * SECOND);
    meddler_add(&m, &s, what, 0);
    assert_ok(jobsrv_job_complete(scene_job(&s), NULL, 0));
    run_turns(&s.f.loop, 3);
    if (what == REMOVE || what == PAUSE)
      assert_int_equal(fixture_stats(&s.f).created, 1);
    if (what == UPDATE)
      assert_int_equal(fixture_stats(&s.f).created, 2);
    if (what == CLOSE)
      assert_true(run_until(&s.f.loop, fixture_is_closed, &s.f, 5000));
    scene_close(&s);
  }
  (void) state;
}

/* ---- the server's ---- */

static void a_drain_stops_them_all(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
  scene_every(&s, 1000);
  scene_pass(&s, 2 * SECOND);
  assert_ok(jobsrv_drain(s.f.srv, 60000, NULL, NULL));
  assert_time(scene_info(&s).next_wall_ns, 0);
  scene_end_job(&s); /* what was put off is not submitted */
  scene_pass(&s, 10 * SECOND);
  assert_counts(&s, 1, 0, 0, 0);
  assert_err(jobsrv_schedule_trigger(s.schedule, NULL), JOBSRV_EDRAINING);
  assert_err(jobsrv_schedule_update(s.schedule, &s.options, NULL),
             JOBSRV_EDRAINING);
  s.options.name = "other";
  assert_err(jobsrv_schedule_add(s.f.srv, &s.options, NULL, NULL),
             JOBSRV_EDRAINING);
  jobsrv_schedule_pause(s.schedule, 1);
  jobsrv_schedule_pause(s.schedule, 0);
  scene_step(&s, -(int64_t) DAY);
  assert_time(scene_info(&s).next_wall_ns, 0);
  jobsrv_schedule_remove(s.schedule);
  scene_close(&s);
}

static void close_takes_them_with_it(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.overlap = JOBSRV_OVERLAP_QUEUE_ONE;
  scene_every(&s, 1000);
  s.options.name = "t";
  scene_add(&s);
  scene_pass(&s, 2 * SECOND);
  scene_close(&s);
}

/* On a live clock, so that the loop may sleep. */
static void it_keeps_the_loop_alive_while_it_has_a_time(void **state) {
  scene s = { 0 };

  (void) state;
  assert_ok(uv_loop_init(&s.f.loop.uv));
  assert_ok(jobsrv_new(&s.f.srv, &s.f.loop.uv, NULL));
  fixture_add(&s.f, "op", 0);
  jobsrv_spec_init(&s.spec);
  s.spec.operation = "op";
  jobsrv_schedule_options_init(&s.options);
  s.options.name = "s";
  s.options.spec = &s.spec;
  assert_int_equal(uv_run(&s.f.loop.uv, UV_RUN_NOWAIT), 0);
  scene_every(&s, 3600000);
  assert_int_not_equal(uv_run(&s.f.loop.uv, UV_RUN_NOWAIT), 0);
  jobsrv_schedule_pause(s.schedule, 1);
  assert_int_equal(uv_run(&s.f.loop.uv, UV_RUN_NOWAIT), 0);
  jobsrv_schedule_pause(s.schedule, 0);
  assert_int_not_equal(uv_run(&s.f.loop.uv, UV_RUN_NOWAIT), 0);
  jobsrv_schedule_remove(s.schedule);
  assert_int_equal(uv_run(&s.f.loop.uv, UV_RUN_NOWAIT), 0);
  s.options.every_ms = UINT64_MAX; /* never */
  scene_add(&s);
  assert_int_equal(uv_run(&s.f.loop.uv, UV_RUN_NOWAIT), 0);
  jobsrv_close(s.f.srv, NULL, NULL);
  assert_int_equal(uv_run(&s.f.loop.uv, UV_RUN_DEFAULT), 0);
  assert_ok(uv_loop_close(&s.f.loop.uv));
}

static int has_run_twice(void *data) {
  return scene_info(data).runs >= 2;
}

static void a_live_loop_runs_it_in_time(void **state) {
  scene s = { 0 };
  uint64_t begin;

  (void) state;
  loop_open(&s.f.loop);
  assert_ok(loop_server(&s.f.loop, &s.f.srv, NULL));
  fixture_add(&s.f, "op", 0);
  jobsrv_spec_init(&s.spec);
  s.spec.operation = "op";
  jobsrv_schedule_options_init(&s.options);
  s.options.name = "s";
  s.options.spec = &s.spec;
  s.options.overlap = JOBSRV_OVERLAP_ALLOW;
  begin = jobsrv_wall_now(s.f.srv);
  scene_every(&s, 20);
  assert_true(run_until(&s.f.loop, has_run_twice, &s, 5000));
  assert_true(jobsrv_wall_now(s.f.srv) >= begin + 40 * MS);
  jobsrv_schedule_remove(s.schedule);
  fixture_close(&s.f);
}

/* ---- no memory ---- */

static void each_allocation_may_fail(void **state) {
  jobsrv_schedule_t *untouched = NULL;
  jobsrv_tag_t tag = { "k", "v" };
  jobsrv_faults_t faults;
  uint64_t n;
  scene s = { 0 };

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  s.f.options.alloc = &faults.alloc;
  scene_open(&s);
  s.spec.payload = "{}";
  s.spec.tags = &tag;
  s.spec.ntags = 1;
  s.options.cron = "0 6 * * *";
  s.options.zone = "Europe/Berlin";
  for (n = 0;; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    if (jobsrv_schedule_add(s.f.srv, &s.options, NULL, &untouched) == 0)
      break;
    assert_true(jobsrv_faults_hit(&faults));
    assert_null(untouched);
    assert_null(jobsrv_schedule_next(s.f.srv, NULL));
  }
  assert_false(jobsrv_faults_hit(&faults));
  assert_int_equal(n, 5); /* wall timers first, and then no more */
  s.schedule = untouched;
  s.options.cron = "0 7 * * *";
  for (n = 0;; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    if (jobsrv_schedule_update(s.schedule, &s.options, NULL) == 0)
      break;
    assert_true(jobsrv_faults_hit(&faults));
    assert_string_equal(scene_info(&s).cron, "0 6 * * *");
  }
  assert_int_equal(n, 3);

  /* what a time submits may find none: it is counted, and goes on */
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  jobsrv_manual_clock_advance(&s.f.clock, 6 * HOUR);
  jobsrv_faults_fail(&faults, 0, 0);
  assert_counts(&s, 0, 0, 0, 1);
  assert_int_equal(scene_info(&s).last_error, UV_ENOMEM);
  scene_pass(&s, DAY);
  assert_counts(&s, 1, 0, 0, 1);
  scene_close(&s);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void a_server_without_memory_for_its_folder_is_not_made(void **state) {
  jobsrv_options_t options;
  jobsrv_faults_t faults;
  jobsrv_t *srv = NULL;
  uv_loop_t loop;
  uint64_t n;

  (void) state;
  assert_ok(uv_loop_init(&loop));
  assert_ok(jobsrv_faults_init(&faults));
  jobsrv_options_init(&options);
  options.alloc = &faults.alloc;
  options.zoneinfo = "/usr/share/zoneinfo";
  for (n = 0;; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    if (jobsrv_new(&srv, &loop, &options) == 0)
      break;
    assert_int_equal(jobsrv_faults_live(&faults), 0);
  }
  jobsrv_close(srv, NULL, NULL);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_ok(uv_loop_close(&loop));
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_hook_may_remove_it_while_it_submits),
  cmocka_unit_test(a_hook_may_update_it_while_it_submits),
  cmocka_unit_test(a_hook_may_pause_it_while_it_submits),
  cmocka_unit_test(a_hook_may_close_the_server_while_it_submits),
  cmocka_unit_test(a_hook_may_drain_the_server_while_it_submits),
  cmocka_unit_test(a_hook_may_trigger_it_while_it_submits),
  cmocka_unit_test(a_hook_at_the_end_may_remove_what_waits_for_it),
  cmocka_unit_test(a_drain_stops_them_all),
  cmocka_unit_test(close_takes_them_with_it),
  ONE_MODE(it_keeps_the_loop_alive_while_it_has_a_time),
  cmocka_unit_test(a_live_loop_runs_it_in_time),
  cmocka_unit_test(each_allocation_may_fail),
  ONE_MODE(a_server_without_memory_for_its_folder_is_not_made),
};

RUN(tests);
