/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_ADAPTERS_WORK_H
#define JOBSRV_TEST_ADAPTERS_WORK_H

/*
 * What every adapter has to see through: a job on a thread runs to its end, a
 * timer cancels another that waits, and then the server drains and closes. The
 * jobs are submitted by work_submit(), from a callback of the foreign loop
 * while the server sleeps in it.
 */

#include "test.h"

#include "jobsrv/jobsrv.h"

#include <time.h>

enum { WORK_LATE_MS = 5000 };

typedef struct {
  jobsrv_t *srv;
  jobsrv_job_t *run;
  jobsrv_job_t *waiting;
  jobsrv_hook_t hook;
  jobsrv_timer_t timer;
  int ended;
  int closed;
} work_t;

static inline int work_sleep(jobsrv_job_t *job, void *data) {
  struct timespec nap = { 0, 20000000 };

  (void) data;
  nanosleep(&nap, NULL);
  (void) jobsrv_narrate(job, "sleep", "slept well");
  return jobsrv_job_complete(job, "7", 1);
}

static inline int work_wait(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static inline void work_stop(jobsrv_job_t *job,
                             const jobsrv_reason_t *reason,
                             void *data) {
  (void) reason;
  (void) data;
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
}

static inline void work_on_timer(jobsrv_timer_t *timer) {
  work_t *work = timer->data;

  assert_ok(jobsrv_job_cancel(work->waiting, NULL));
}

static inline void work_on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((work_t *) data)->closed = 1;
}

static inline void work_on_drained(jobsrv_t *srv, void *data) {
  jobsrv_close(srv, work_on_closed, data);
}

static inline void work_on_transition(jobsrv_hook_t *hook,
                                      jobsrv_job_t *job,
                                      jobsrv_state_t from,
                                      jobsrv_state_t to) {
  work_t *work = hook->data;

  (void) job;
  if (from != to && jobsrv_state_terminal(to) && ++work->ended == 2)
    assert_ok(jobsrv_drain(work->srv, 1000, work_on_drained, work));
}

static inline void work_open(work_t *work) {
  jobsrv_operation_t op;

  memset(work, 0, sizeof(*work));
  assert_ok(jobsrv_new(&work->srv, NULL, NULL));
  jobsrv_operation_init(&op);
  op.name = "sleep";
  op.style = JOBSRV_THREAD;
  op.run = work_sleep;
  assert_ok(jobsrv_operation_add(work->srv, &op));
  jobsrv_operation_init(&op);
  op.name = "wait";
  op.start = work_wait;
  op.stop = work_stop;
  assert_ok(jobsrv_operation_add(work->srv, &op));
  work->hook.data = work;
  jobsrv_hook_add(work->srv, &work->hook, work_on_transition);
}

static inline jobsrv_job_t *work_submit_one(work_t *work, const char *name) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = name;
  assert_ok(jobsrv_submit(work->srv, &spec, NULL, &job));
  return jobsrv_job_ref(job);
}

static inline void work_submit(work_t *work) {
  work->run = work_submit_one(work, "sleep");
  work->waiting = work_submit_one(work, "wait");
  work->timer.data = work;
  jobsrv_timer_arm(work->srv, &work->timer,
                   jobsrv_now(work->srv) + 30000000, work_on_timer);
}

/* The foreign loop has come to its end: by what was to happen, or too late. */
static inline void work_check(work_t *work) {
  assert_int_equal(work->closed, 1);
  assert_int_equal(jobsrv_job_state(work->run), JOBSRV_STATE_COMPLETED);
  assert_int_equal(jobsrv_job_state(work->waiting), JOBSRV_STATE_CANCELLED);
  jobsrv_job_unref(work->run);
  jobsrv_job_unref(work->waiting);
}

#endif /* JOBSRV_TEST_ADAPTERS_WORK_H */
