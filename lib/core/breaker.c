/* SPDX-License-Identifier: MIT */

#include "core/breaker.h"

#include "core/server.h"

/*
 * job->breaker_mark: 0 when no attempt is under way, PLAIN for one that began
 * while the breaker was closed, and beyond that the round it is a trial of.
 * A trial that outlives its round says nothing about a later one.
 */
enum { PLAIN = 1, TRIAL, ROUNDS = 62 };

static unsigned int trial_mark(const jobsrv__breaker_t *breaker) {
  return TRIAL + breaker->round % (unsigned int) ROUNDS;
}

static uint32_t trials_of(const jobsrv__operation_t *operation) {
  uint32_t trials = operation->def.breaker.trials;

  return trials != 0 ? trials : 1;
}

static void open_it(jobsrv_t *srv, jobsrv__operation_t *operation) {
  jobsrv__breaker_t *breaker = &operation->breaker;
  uint64_t open_ms = operation->def.breaker.open_ms;

  breaker->state = JOBSRV_BREAKER_OPEN;
  breaker->until_ns = jobsrv__later(
      jobsrv_now(srv), jobsrv__ns_of(open_ms != 0 ? open_ms : 60000));
  breaker->opens++;
  breaker->failures = 0;
}

int jobsrv__breaker_look(jobsrv__operation_t *operation, uint64_t now) {
  jobsrv__breaker_t *breaker = &operation->breaker;

  if (breaker->state == JOBSRV_BREAKER_OPEN) {
    if (now < breaker->until_ns)
      return JOBSRV__BREAKER_REFUSE;
    breaker->state = JOBSRV_BREAKER_HALF_OPEN;
    breaker->under_way = 0;
    breaker->succeeded = 0;
    breaker->round++;
  }
  if (breaker->state == JOBSRV_BREAKER_HALF_OPEN &&
      breaker->under_way >= trials_of(operation) - breaker->succeeded)
    return JOBSRV__BREAKER_WAIT;
  return JOBSRV__BREAKER_GO;
}

void jobsrv__breaker_attempt_started(jobsrv_job_t *job) {
  jobsrv__breaker_t *breaker = &job->operation->breaker;

  if (job->operation->def.breaker.failures == 0)
    return;
  if (breaker->state == JOBSRV_BREAKER_HALF_OPEN) {
    breaker->under_way++;
    job->breaker_mark = trial_mark(breaker) & 63;
  } else {
    job->breaker_mark = PLAIN;
  }
}

static void count_closed(jobsrv_job_t *job, jobsrv_state_t outcome) {
  jobsrv__breaker_t *breaker = &job->operation->breaker;

  if (outcome == JOBSRV_STATE_COMPLETED)
    breaker->failures = 0;
  else if (outcome == JOBSRV_STATE_FAILED &&
           ++breaker->failures >= job->operation->def.breaker.failures)
    open_it(job->srv, job->operation);
}

static void count_trial(jobsrv_job_t *job, jobsrv_state_t outcome) {
  jobsrv__breaker_t *breaker = &job->operation->breaker;

  breaker->under_way--;
  if (outcome == JOBSRV_STATE_FAILED) {
    open_it(job->srv, job->operation);
  } else if (outcome == JOBSRV_STATE_COMPLETED &&
             ++breaker->succeeded >= trials_of(job->operation)) {
    breaker->state = JOBSRV_BREAKER_CLOSED;
    breaker->failures = 0;
  }
  jobsrv__dispatch_wanted(job->srv);
}

void jobsrv__breaker_attempt_ended(jobsrv_job_t *job, jobsrv_state_t outcome) {
  unsigned int mark = job->breaker_mark;

  if (mark == 0)
    return;
  job->breaker_mark = 0;
  if (job->operation->breaker.state == JOBSRV_BREAKER_CLOSED)
    count_closed(job, outcome);
  else if (job->operation->breaker.state == JOBSRV_BREAKER_HALF_OPEN &&
           mark == trial_mark(&job->operation->breaker))
    count_trial(job, outcome);
}
