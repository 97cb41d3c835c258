/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_LIMITS_H_
#define JOBSRV_CORE_LIMITS_H_

/*
 * What bounds a job: how long it may take, how often it is tried, in what order
 * it starts. Resolved once for each operation, from its own settings and the
 * server's; a job has a copy of its own only if its spec says something else.
 */

#include "jobsrv/operation.h"

typedef struct jobsrv__limits_s {
  uint64_t queue_ns;    /* 0: none, of this and the next three */
  uint64_t timeout_ns;
  uint64_t deadline_ns; /* from creation */
  uint64_t silence_ns;
  uint64_t grace_ns;
  uint64_t last_watcher_grace_ns;
  uint64_t retain_ns[3]; /* completed, failed, cancelled */
  jobsrv_retry_t retry;  /* every default filled in */
  uint32_t weight;
  uint8_t priority;
  uint8_t on_last_watcher;
} jobsrv__limits_t;

/* Milliseconds to nanoseconds; saturates. */
static inline uint64_t jobsrv__ns_of(uint64_t ms) {
  return ms < UINT64_MAX / 1000000 ? ms * 1000000 : UINT64_MAX;
}

/* Saturating. */
static inline uint64_t jobsrv__later(uint64_t from, uint64_t ns) {
  return ns < UINT64_MAX - from ? from + ns : UINT64_MAX;
}

/* Of an operation; of jobs without one, with a zeroed `def`. */
void jobsrv__limits_of(jobsrv__limits_t *limits,
                       const jobsrv_operation_t *def,
                       const jobsrv_options_t *options);

/*
 * Whether what an operation, spec or edit says can be: known numbers, factor in
 * range. Returns 0 or UV_EINVAL.
 */
int jobsrv__retry_check(const jobsrv_retry_t *retry);
int jobsrv__priority_check(int priority);
int jobsrv__last_watcher_check(int policy);

/* 1 if the spec says anything else than the limits it would get. */
int jobsrv__limits_differ(const jobsrv_spec_t *spec);

/* Puts what a spec says over an operation's limits. */
void jobsrv__limits_apply(jobsrv__limits_t *limits, const jobsrv_spec_t *spec);

#endif /* JOBSRV_CORE_LIMITS_H_ */
