/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_TRACE_H_
#define JOBSRV_CORE_TRACE_H_

/*
 * The trace of a job. Nothing is stored and nothing drawn for one of its own:
 * its id is the job's, and span ids are a mix of that and a number. [any] but
 * where it says not.
 */

#include "base/traceparent.h"
#include "core/job.h"
#include "jobsrv/context.h"

/* One that was given, in the block of the job's labels. */
struct jobsrv__trace_s {
  jobsrv__traceparent_t above; /* its span is what the job is inside of */
  const char *state;           /* NULL: none */
};

/* Of scopes: behind the numbers of all attempts. */
#define JOBSRV__SPAN_SCOPES (UINT64_C(1) << 32)

/* Returns 0 or UV_EINVAL. */
int jobsrv__trace_check(const jobsrv_spec_t *spec);

/*
 * The trace that a spec, which has been checked, gives its job, directly or by
 * the parent job: 1, or 0 for none. `to->state` is lent. Loop thread, if there
 * is a parent job.
 */
int jobsrv__trace_given(const jobsrv_spec_t *spec, jobsrv__trace_t *to);

/* Trace id and flags, and the span the job is inside of; 0: none. */
jobsrv__traceparent_t jobsrv__trace_above(const jobsrv_job_t *job);

/* The job's own span for `n` 0, else that of an attempt or scope. */
static inline uint64_t jobsrv__trace_span(const jobsrv_job_t *job,
                                          uint64_t n) {
  return jobsrv__span_id(job->id.hi, job->id.lo, n);
}

static inline uint32_t jobsrv__job_attempt(const jobsrv_job_t *job) {
  return atomic_load_explicit(&job->attempt_no, memory_order_relaxed);
}

/* What is told to a child process inside of `span`. */
void jobsrv__trace_env(const jobsrv_job_t *job,
                       uint64_t span,
                       const char *correlation_id,
                       const char *request_id,
                       jobsrv_env_cb cb,
                       void *data);

#endif /* JOBSRV_CORE_TRACE_H_ */
