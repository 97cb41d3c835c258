/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_SCENE_H
#define JOBSRV_TEST_CORE_SCENE_H

/* A server with an operation "op" on a clock that stands still, which starts
 * at midnight; what schedule tests have in common. */

#include "fixture.h"

#include "jobsrv/schedule.h"

#define MS UINT64_C(1000000)
#define SECOND (UINT64_C(1000) * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIDNIGHT UINT64_C(1767225600000000000) /* 2026-01-01, a Thursday */

typedef struct {
  fixture f;
  jobsrv_spec_t spec;
  jobsrv_schedule_options_t options;
  jobsrv_schedule_t *schedule;
} scene;

/* With what is set in s->f.options. The options are those of a schedule "s"
 * without a time. */
static inline void scene_open(scene *s) {
  fixture_open(&s->f);
  fixture_add(&s->f, "op", 0);
  jobsrv_spec_init(&s->spec);
  s->spec.operation = "op";
  jobsrv_schedule_options_init(&s->options);
  s->options.name = "s";
  s->options.spec = &s->spec;
}

static inline void scene_add(scene *s) {
  assert_ok(jobsrv_schedule_add(s->f.srv, &s->options, NULL, &s->schedule));
}

static inline void scene_cron(scene *s, const char *cron) {
  s->options.cron = cron;
  scene_add(s);
}

static inline void scene_every(scene *s, uint64_t ms) {
  s->options.every_ms = ms;
  scene_add(s);
}

static inline void scene_close(scene *s) {
  fixture_close(&s->f);
}

static inline void scene_pass(scene *s, uint64_t ns) {
  jobsrv_manual_clock_advance(&s->f.clock, ns);
  run_turns(&s->f.loop, 3);
}

static inline uint64_t scene_wall(const scene *s) {
  return jobsrv_wall_now(s->f.srv);
}

/* Sets the wall clock, from what it says now. */
static inline void scene_step(scene *s, int64_t ns) {
  jobsrv_manual_clock_set_wall(&s->f.clock, scene_wall(s) + (uint64_t) ns);
  run_turns(&s->f.loop, 3);
}

static inline jobsrv_schedule_info_t scene_info(const scene *s) {
  jobsrv_schedule_info_t info = { .size = sizeof(info) };

  jobsrv_schedule_info(s->schedule, &info);
  return info;
}

static inline jobsrv_job_t *scene_job(const scene *s) {
  return jobsrv_job_by_handle(s->f.srv, scene_info(s).last_job);
}

/* Ends the last job, and gives what waited for it its turn. */
static inline void scene_end_job(scene *s) {
  run_turns(&s->f.loop, 2);
  assert_ok(jobsrv_job_complete(scene_job(s), NULL, 0));
  run_turns(&s->f.loop, 3);
}

#define assert_counts(s, runs_, skipped_, missed_, refused_)                  \
  do {                                                                        \
    jobsrv_schedule_info_t info_ = scene_info(s);                             \
    assert_int_equal(info_.runs, runs_);                                      \
    assert_int_equal(info_.skipped, skipped_);                                \
    assert_int_equal(info_.missed, missed_);                                  \
    assert_int_equal(info_.refused, refused_);                                \
  } while (0)

#define assert_time(a, b) assert_true((uint64_t) (a) == (uint64_t) (b))

#endif /* JOBSRV_TEST_CORE_SCENE_H */
