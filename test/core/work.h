/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_WORK_H
#define JOBSRV_TEST_CORE_WORK_H

/* An async operation whose callbacks are counted and do what they are told. */

#include "fixture.h"

typedef struct {
  jobsrv_operation_t op;
  int starts, stops, resumes, asked, stuck_calls;
  uint32_t attempt;             /* of the last start */
  jobsrv_reason_code_t stopped; /* why, the last time */
  jobsrv_run_cb in_start;       /* what else, NULL: nothing */
  jobsrv_run_cb in_stop;
  int retryable;
  char code[64];                /* of what was asked about */
  uint64_t stuck_ms;
} work;

static inline int work_start(jobsrv_job_t *job, void *data) {
  work *w = data;

  w->starts++;
  w->attempt = jobsrv_job_attempt(job);
  assert_ptr_equal(jobsrv_context_job(), job);
  return w->in_start != NULL ? w->in_start(job, data) : 0;
}

static inline void work_stop(jobsrv_job_t *job,
                             const jobsrv_reason_t *reason,
                             void *data) {
  work *w = data;

  w->stops++;
  w->stopped = reason->code;
  if (w->in_stop != NULL)
    (void) w->in_stop(job, data);
}

static inline void work_resume(jobsrv_job_t *job, void *data) {
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  assert_ptr_equal(jobsrv_context_job(), job);
  ((work *) data)->resumes++;
}

static inline int work_retryable(jobsrv_job_t *job,
                                 const char *code,
                                 const char *message,
                                 void *data) {
  work *w = data;

  (void) message;
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  w->asked++;
  (void) snprintf(w->code, sizeof(w->code), "%s", code);
  return w->retryable;
}

static inline uint64_t work_stuck(jobsrv_job_t *job, void *data) {
  work *w = data;

  assert_true(jobsrv_job_cancelled(job));
  w->stuck_calls++;
  return w->stuck_ms;
}

/* Named "work"; what else it is is set in w->op before work_add(). */
static inline void work_init(work *w) {
  memset(w, 0, sizeof(*w));
  jobsrv_operation_init(&w->op);
  w->retryable = 1;
  w->op.name = "work";
  w->op.start = work_start;
  w->op.stop = work_stop;
  w->op.resume = work_resume;
  w->op.data = w;
}

static inline void work_add(fixture *f, const work *w) {
  assert_ok(jobsrv_operation_add(f->srv, &w->op));
}

/* Submitted, and started if there is room. */
static inline jobsrv_job_t *work_run(fixture *f, jobsrv_spec_t *spec) {
  jobsrv_job_t *job;

  spec->operation = "work";
  assert_ok(jobsrv_submit(f->srv, spec, NULL, &job));
  run_turns(&f->loop, 1);
  return job;
}

static inline jobsrv_job_t *work_now(fixture *f) {
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  return work_run(f, &spec);
}

#define assert_in(job, name)                                                  \
  assert_string_equal(jobsrv_state_name(jobsrv_job_state(job)), (name))

#endif /* JOBSRV_TEST_CORE_WORK_H */
