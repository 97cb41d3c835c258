/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_BREAKER_H_
#define JOBSRV_CORE_BREAKER_H_

/* The circuit breaker of an operation. Loop thread. */

#include "core/job.h"
#include "jobsrv/operation.h"

typedef struct jobsrv__breaker_s {
  uint64_t until_ns;   /* open: its end */
  uint64_t opens;
  uint32_t failures;   /* closed: in a row */
  uint32_t under_way;  /* half open: trials of this round */
  uint32_t succeeded;
  uint8_t state;       /* jobsrv_breaker_state_t, as it was last looked at */
  uint8_t round;       /* tells trials from those of a round before */
} jobsrv__breaker_t;

enum {
  JOBSRV__BREAKER_GO,
  JOBSRV__BREAKER_WAIT,  /* all trials are under way */
  JOBSRV__BREAKER_REFUSE /* what would start fails */
};

/* What is to become of an attempt that could start now. */
int jobsrv__breaker_look(jobsrv__operation_t *operation, uint64_t now);

/* An attempt starts, after a look has said GO. */
void jobsrv__breaker_attempt_started(jobsrv_job_t *job);

/*
 * The attempt under way, if any, is over: COMPLETED or FAILED, and for what
 * counts as neither (cancelled, snoozed) CANCELLED. Once for each attempt; more
 * is harmless.
 */
void jobsrv__breaker_attempt_ended(jobsrv_job_t *job, jobsrv_state_t outcome);

#endif /* JOBSRV_CORE_BREAKER_H_ */
