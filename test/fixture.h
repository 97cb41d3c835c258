/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_FIXTURE_H
#define JOBSRV_TEST_FIXTURE_H

/* A loop, a server on it with time that stands still, and its end. */

#include "mode.h"
#include "test.h"

#include "jobsrv/testing.h"

#include <uv.h>

typedef struct {
  loop_t loop;
  jobsrv_manual_clock_t clock;
  jobsrv_options_t options;
  jobsrv_t *srv;
  int closed;
} fixture;

static inline void fixture_on_closed(jobsrv_t *srv, void *data) {
  fixture *f = data;

  (void) srv;
  f->closed = 1;
}

static inline int fixture_is_closed(void *data) {
  return ((fixture *) data)->closed;
}

/* With the limits that are set in f->options, by default none. */
static inline void fixture_open(fixture *f) {
  loop_open(&f->loop);
  jobsrv_manual_clock_init(&f->clock);
  f->options.size = sizeof(f->options);
  f->options.clock = &f->clock.clock;
  assert_ok(loop_server(&f->loop, &f->srv, &f->options));
  f->closed = 0;
}

static inline void fixture_close(fixture *f) {
  if (!f->closed) {
    jobsrv_close(f->srv, fixture_on_closed, f);
    assert_true(run_until(&f->loop, fixture_is_closed, f, 5000));
  }
  run_turns(&f->loop, 3);
  loop_close(&f->loop);
}

static inline void fixture_ms(fixture *f, uint64_t ms) {
  jobsrv_manual_clock_advance(&f->clock, ms * 1000000);
  run_turns(&f->loop, 3);
}

static inline jobsrv_job_info_t fixture_info(const jobsrv_job_t *job) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(job, &info);
  return info;
}

static inline jobsrv_stats_t fixture_stats(const fixture *f) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(f->srv, &stats);
  return stats;
}

/* An async operation that is started and then left to the test. */
static inline int fixture_start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static inline void fixture_add(fixture *f,
                               const char *name,
                               uint32_t max_running) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = name;
  op.start = fixture_start;
  op.max_running = max_running;
  assert_ok(jobsrv_operation_add(f->srv, &op));
}

static inline jobsrv_job_t *fixture_submit(fixture *f, const char *name) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = name;
  assert_ok(jobsrv_submit(f->srv, &spec, NULL, &job));
  return job;
}

static inline jobsrv_job_t *fixture_begin(fixture *f) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = "begun";
  assert_ok(jobsrv_begin(f->srv, &spec, &job));
  return job;
}

#endif /* JOBSRV_TEST_FIXTURE_H */
