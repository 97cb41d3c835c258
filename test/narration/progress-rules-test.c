/* SPDX-License-Identifier: MIT */

/* What progress promises, whatever is reported. */

#include "world.h"

typedef struct {
  world_t world;
  jobsrv_job_t *job;
  jobsrv_cursor_t cursor;
  uint64_t now_ms;
} watch_t;

static void watch_open(watch_t *watch) {
  memset(watch, 0, sizeof(*watch));
  world_open(&watch->world);
  watch->job = begin_job(&watch->world);
  assert_ok(jobsrv_cursor_attach(&watch->cursor, watch->job,
                                 last_seq(watch->job), NULL));
}

static void watch_close(watch_t *watch) {
  jobsrv_cursor_detach(&watch->cursor);
  world_close(&watch->world);
}

static void pass(watch_t *watch, uint64_t ms) {
  watch->now_ms += ms;
  world_pass(&watch->world, ms);
}

/* What is shown now; NULL for nothing new. */
static json_t *take(watch_t *watch) {
  jobsrv_entry_t entry;
  jobsrv_view_t gap;

  if (jobsrv_cursor_next(&watch->cursor, &entry, &gap) !=
      JOBSRV_READ_PROGRESS)
    return NULL;
  return json_loadb(entry.json, entry.json_len, 0, NULL);
}

/* What the record says of it. */
static json_t *recorded(const watch_t *watch) {
  char text[4096];
  size_t len = jobsrv_job_record(watch->job, 0, text, sizeof(text));
  json_t *record = json_loadb(text, len, 0, NULL);
  json_t *progress = json_incref(json_object_get(record, "progress"));

  json_decref(record);
  return progress;
}

/* -1 for a member that is not there. */
static double number(const json_t *json, const char *name) {
  const json_t *value = json_object_get(json, name);

  return value != NULL ? json_number_value(value) : -1;
}

static int is(double a, double b) {
  return a <= b && a >= b;
}

static void assert_shows(const watch_t *watch, const char *name, double want) {
  json_t *json = recorded(watch);
  double got = number(json, name);

  json_decref(json);
  if (!is(got, want))
    fail_msg("%s is %.17g where %.17g was due", name, got, want);
}

#define REPORT(watch, ...)                                                    \
  jobsrv_progress((watch)->job, &(const jobsrv_progress_t) { __VA_ARGS__ })

static uint64_t ignored(const watch_t *watch) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(watch->world.srv, &stats);
  return stats.progress_ignored;
}

/* ---- not backwards ---- */

static void a_smaller_value_in_a_phase_is_ignored_and_counted(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  assert_ok(REPORT(&watch, .done = 5, .total = 10, .unit = "files"));
  assert_ok(REPORT(&watch, .done = 4, .total = 20, .unit = "bytes"));
  assert_shows(&watch, "done", 5);
  assert_shows(&watch, "total", 10);
  assert_int_equal(ignored(&watch), 1);
  assert_ok(REPORT(&watch, .done = 5, .total = 10));
  assert_int_equal(ignored(&watch), 1);
  assert_ok(REPORT(&watch, .done = 1, .total = 10, .phase = "two"));
  assert_int_equal(ignored(&watch), 1);
  assert_shows(&watch, "done", 1);
  watch_close(&watch);
}

static void percent_does_not_fall_with_a_phase_or_a_total(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  assert_ok(REPORT(&watch, .done = 5, .total = 10, .phase = "one"));
  assert_shows(&watch, "percent", 50);
  assert_ok(REPORT(&watch, .done = 6, .total = 100, .phase = "one"));
  assert_shows(&watch, "percent", 50);
  assert_shows(&watch, "total", 100);
  assert_ok(REPORT(&watch, .done = 0, .total = 10, .phase = "two"));
  assert_shows(&watch, "percent", 50);
  assert_shows(&watch, "done", 0);
  assert_ok(REPORT(&watch, .done = 3, .phase = "three"));
  assert_shows(&watch, "percent", -1);
  assert_ok(REPORT(&watch, .done = 4, .total = 10, .phase = "three"));
  assert_shows(&watch, "percent", 50);
  assert_ok(REPORT(&watch, .done = 6, .total = 10, .phase = "three"));
  assert_shows(&watch, "percent", 60);
  watch_close(&watch);
}

static void phases_are_parts_of_the_whole(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  assert_ok(REPORT(&watch, .done = 5, .total = 10, .phase = "a", .to = 20));
  assert_shows(&watch, "percent", 10);
  assert_ok(REPORT(&watch, .done = 9999, .total = 10000, .phase = "a",
                   .to = 20));
  assert_shows(&watch, "percent", 19.9);
  assert_ok(REPORT(&watch, .done = 3, .phase = "b", .from = 20, .to = 80));
  assert_shows(&watch, "percent", 20);
  assert_ok(REPORT(&watch, .done = 7, .total = 9, .phase = "b", .from = 20,
                   .to = 80));
  assert_shows(&watch, "percent", 66.6);
  assert_ok(REPORT(&watch, .done = 9, .total = 9, .phase = "b", .from = 20,
                   .to = 80));
  assert_shows(&watch, "percent", 80);
  assert_ok(REPORT(&watch, .done = 1, .total = 2, .phase = "c", .from = 80));
  assert_shows(&watch, "percent", 90);
  assert_ok(REPORT(&watch, .done = 2, .total = 2, .phase = "c", .from = 80));
  assert_shows(&watch, "percent", 100);
  watch_close(&watch);
}

static void a_part_that_is_none_is_refused(void **state) {
  static const double zero = 0;
  watch_t watch;

  (void) state;
  watch_open(&watch);
  assert_err(REPORT(&watch, .from = -1, .to = 5), UV_EINVAL);
  assert_err(REPORT(&watch, .from = 6, .to = 5), UV_EINVAL);
  assert_err(REPORT(&watch, .from = 101), UV_EINVAL);
  assert_err(REPORT(&watch, .to = 100.5), UV_EINVAL);
  assert_err(REPORT(&watch, .to = -5), UV_EINVAL);
  assert_err(REPORT(&watch, .from = zero / zero), UV_EINVAL);
  assert_err(REPORT(&watch, .to = 1 / zero), UV_EINVAL);
  assert_err(REPORT(&watch, .done = zero / zero), UV_EINVAL);
  assert_err(REPORT(&watch, .total = 1 / zero), UV_EINVAL);
  assert_null(recorded(&watch));
  assert_ok(REPORT(&watch, .done = 1, .total = 1, .from = 50, .to = 50));
  assert_shows(&watch, "percent", 50);
  watch_close(&watch);
}

static int start_nothing(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

/* A job of an operation, in its first attempt of two. */
static void watch_an_attempt(watch_t *watch) {
  jobsrv_operation_t operation;
  jobsrv_spec_t spec;

  memset(watch, 0, sizeof(*watch));
  world_open(&watch->world);
  jobsrv_operation_init(&operation);
  operation.name = "again";
  operation.start = start_nothing;
  operation.retry.max_attempts = 2;
  operation.retry.backoff_ms = 1;
  assert_ok(jobsrv_operation_add(watch->world.srv, &operation));
  jobsrv_spec_init(&spec);
  spec.operation = "again";
  assert_ok(jobsrv_submit(watch->world.srv, &spec, NULL, &watch->job));
  assert_ok(jobsrv_cursor_attach(&watch->cursor, watch->job, 0, NULL));
  pass(watch, 1);
}

static void another_attempt_begins_anew(void **state) {
  watch_t watch;

  (void) state;
  watch_an_attempt(&watch);
  assert_ok(REPORT(&watch, .done = 9, .total = 10));
  assert_ok(jobsrv_job_fail(watch.job, "once", NULL));
  pass(&watch, 1000);
  assert_string_equal(jobsrv_state_name(jobsrv_job_state(watch.job)),
                      "running");
  assert_shows(&watch, "percent", 90);
  assert_ok(REPORT(&watch, .done = 1, .total = 10));
  assert_shows(&watch, "percent", 10);
  assert_shows(&watch, "done", 1);
  assert_int_equal(ignored(&watch), 0);
  watch_close(&watch);
}

/* ---- rate and what is left ---- */

static void rate_and_eta_tell_of_a_steady_job(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  assert_ok(REPORT(&watch, .done = 0, .total = 1000));
  for (int i = 1; i <= 100; i++) {
    pass(&watch, 500);
    assert_ok(REPORT(&watch, .done = 2 * i, .total = 1000));
    assert_shows(&watch, "rate", i < 2 ? -1 : 4);
  }
  assert_shows(&watch, "eta_ms", 200000);
  watch_close(&watch);
}

static void the_frame_and_the_record_say_the_same(void **state) {
  static const char *const names[] = {
    "done", "total", "percent", "rate", "eta_ms",
  };
  watch_t watch;
  json_t *frame, *record;

  (void) state;
  watch_open(&watch);
  for (int i = 0; i <= 40; i++) {
    assert_ok(REPORT(&watch, .done = 3 * i, .total = 1000, .to = 40));
    pass(&watch, 700);
    frame = take(&watch);
    record = recorded(&watch);
    assert_non_null(frame);
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
      assert_true(is(number(frame, names[n]), number(record, names[n])));
    assert_int_equal(number(frame, "eta_ms") >= 0, i > 1);
    json_decref(frame);
    json_decref(record);
  }
  watch_close(&watch);
}

static void what_comes_behind_a_phase_counts_by_its_part(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  for (int i = 0; i <= 25; i++) {
    assert_ok(REPORT(&watch, .done = i, .total = 50, .to = 50));
    pass(&watch, 1000);
  }
  assert_shows(&watch, "percent", 25);
  assert_shows(&watch, "eta_ms", 75000);
  watch_close(&watch);
}

static void a_total_that_grows_makes_the_wait_longer(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  for (int i = 0; i <= 50; i++) {
    assert_ok(REPORT(&watch, .done = i, .total = 100));
    pass(&watch, 1000);
  }
  assert_shows(&watch, "eta_ms", 50000);
  assert_ok(REPORT(&watch, .done = 51, .total = 1051));
  assert_shows(&watch, "eta_ms", 1000000);
  assert_shows(&watch, "percent", 50);
  watch_close(&watch);
}

static void a_phase_has_a_rate_of_its_own(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  for (int i = 0; i <= 10; i++) {
    assert_ok(REPORT(&watch, .done = i * 100, .phase = "fast"));
    pass(&watch, 1000);
  }
  assert_shows(&watch, "rate", 100);
  assert_shows(&watch, "eta_ms", -1);
  for (int i = 0; i <= 10; i++) {
    assert_ok(REPORT(&watch, .done = i, .total = 20, .phase = "slow"));
    if (i == 0)
      assert_shows(&watch, "rate", -1);
    pass(&watch, 1000);
  }
  assert_shows(&watch, "rate", 1);
  assert_shows(&watch, "eta_ms", 10000);
  watch_close(&watch);
}

static void an_eta_beyond_all_use_is_not_said(void **state) {
  watch_t watch;

  (void) state;
  watch_open(&watch);
  for (int i = 0; i <= 10; i++) {
    assert_ok(REPORT(&watch, .done = i * 1e-9, .total = 1e300));
    pass(&watch, 1000);
  }
  assert_shows(&watch, "eta_ms", -1);
  watch_close(&watch);
}

static void what_has_ended_takes_no_longer(void **state) {
  watch_t watch;
  json_t *json;

  (void) state;
  watch_open(&watch);
  for (int i = 0; i <= 10; i++) {
    assert_ok(REPORT(&watch, .done = i, .total = 20));
    pass(&watch, 1000);
  }
  assert_shows(&watch, "eta_ms", 10000);
  json = take(&watch);
  assert_true(is(number(json, "eta_ms"), 10000));
  json_decref(json);
  assert_ok(REPORT(&watch, .done = 11, .total = 20));
  assert_ok(REPORT(&watch, .done = 12, .total = 20));
  assert_ok(jobsrv_job_complete(watch.job, NULL, 0));
  assert_shows(&watch, "eta_ms", -1);
  assert_shows(&watch, "rate", 1);
  json = take(&watch);
  assert_true(is(number(json, "done"), 12));
  assert_true(is(number(json, "eta_ms"), -1));
  json_decref(json);
  watch_close(&watch);
}

/* ---- anything at all ---- */

enum { LOOK_MS = 5 };

typedef struct {
  uint32_t seed;
  double done, total, from, to;
  int phase;
  char name[24];
} story_t;

static uint32_t draw(story_t *story, uint32_t n) {
  story->seed = story->seed * 1664525 + 1013904223;
  return (story->seed >> 8) % n;
}

/* A report of a job that goes on, goes back, starves, bursts, and moves on. */
static void tell(story_t *story, watch_t *watch) {
  static const double huge[] = { 5e-324, 1e-9, 1, 1e18, 1e300, 1.7e308 };
  double done;

  switch (draw(story, 12)) {
  case 0:
    snprintf(story->name, sizeof(story->name), "phase %d", ++story->phase);
    story->done = draw(story, 3);
    story->total = draw(story, 4) == 0 ? 0 : draw(story, 1000);
    story->from = draw(story, 3) == 0 ? 0 : draw(story, 100);
    story->to = story->from + draw(story, (uint32_t) (101 - story->from));
    break;
  case 1:
    if (story->total < 1e300)
      story->total *= 3;
    break;
  case 2:
    story->done = huge[draw(story, 6)];
    story->total = huge[draw(story, 6)];
    break;
  default:
    story->done += draw(story, 20);
  }
  done = draw(story, 8) == 0 ? story->done / 2 : story->done;
  assert_ok(REPORT(watch, .done = done, .total = story->total,
                   .phase = story->name, .from = story->from,
                   .to = story->to));
  if (done >= story->done)
    story->done = done;
}

typedef struct {
  double percent;
  double done;
  char phase[24];
  uint64_t at_ms[11]; /* of the last frames, a ring */
  unsigned int n;
} seen_t;

static void look(watch_t *watch, seen_t *seen) {
  json_t *json = take(watch);
  const char *phase;
  double percent;

  if (json == NULL)
    return;
  percent = number(json, "percent");
  assert_true(percent <= 100 && (percent < 0 || percent >= seen->percent));
  if (percent >= 0)
    seen->percent = percent;
  phase = text_of(json, "phase");
  if (phase != NULL && strcmp(phase, seen->phase) == 0)
    assert_true(number(json, "done") >= seen->done);
  seen->done = number(json, "done");
  snprintf(seen->phase, sizeof(seen->phase), "%s", phase != NULL ? phase : "");
  assert_true(number(json, "rate") >= -1);
  assert_true(number(json, "eta_ms") < 1e12);
  seen->at_ms[seen->n % 11] = watch->now_ms;
  seen->n++;
  if (seen->n > 10) /* ten in any second, as far as we look often enough */
    assert_true(watch->now_ms - seen->at_ms[seen->n % 11] + LOOK_MS > 1000);
  assert_null(take(watch));
  json_decref(json);
}

/* In steps as long as something may become due, so that we see when. */
static void wait_a_while(story_t *story, watch_t *watch, seen_t *seen) {
  int stalls = draw(story, 40) == 0;
  uint32_t n = stalls ? 25 : draw(story, 30);

  for (; n > 0; n--) {
    pass(watch, LOOK_MS);
    look(watch, seen);
  }
  if (stalls)
    pass(watch, 30000);
}

static void assert_last_is_shown(watch_t *watch) {
  json_t *want = recorded(watch);
  json_t *last = NULL;
  json_t *json;

  assert_ok(jobsrv_job_complete(watch->job, NULL, 0));
  world_turn(&watch->world);
  while ((json = take(watch)) != NULL) {
    json_decref(last);
    last = json;
  }
  if (last != NULL) /* else it has been shown before */
    assert_true(is(number(last, "done"), number(want, "done")));
  json_decref(last);
  json_decref(want);
}

static void whatever_is_reported_the_promises_hold(void **state) {
  uint64_t blocks = 0;

  (void) state;
  for (uint32_t seed = 1; seed <= 60; seed++) {
    story_t story = { .seed = seed * 7919, .total = 100 };
    seen_t seen = { .done = 0 };
    watch_t watch;

    watch_open(&watch);
    for (int i = 0; i < 400; i++) {
      tell(&story, &watch);
      look(&watch, &seen);
      if (draw(&story, 3) == 0)
        wait_a_while(&story, &watch, &seen);
      if (i == 0)
        blocks = jobsrv_faults_live(&watch.world.faults);
      assert_int_equal(jobsrv_faults_live(&watch.world.faults), blocks);
    }
    assert_true(seen.n > 20);
    assert_last_is_shown(&watch);
    watch_close(&watch);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_smaller_value_in_a_phase_is_ignored_and_counted),
  cmocka_unit_test(percent_does_not_fall_with_a_phase_or_a_total),
  cmocka_unit_test(phases_are_parts_of_the_whole),
  cmocka_unit_test(a_part_that_is_none_is_refused),
  cmocka_unit_test(another_attempt_begins_anew),
  cmocka_unit_test(rate_and_eta_tell_of_a_steady_job),
  cmocka_unit_test(the_frame_and_the_record_say_the_same),
  cmocka_unit_test(what_comes_behind_a_phase_counts_by_its_part),
  cmocka_unit_test(a_total_that_grows_makes_the_wait_longer),
  cmocka_unit_test(a_phase_has_a_rate_of_its_own),
  cmocka_unit_test(an_eta_beyond_all_use_is_not_said),
  cmocka_unit_test(what_has_ended_takes_no_longer),
  cmocka_unit_test(whatever_is_reported_the_promises_hold),
};

RUN(tests);
