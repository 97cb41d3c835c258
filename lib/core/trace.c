/* SPDX-License-Identifier: MIT */

#include "core/trace.h"

#include "core/server.h"

#include <string.h>

int jobsrv__trace_check(const jobsrv_spec_t *spec) {
  jobsrv__traceparent_t ignored;

  if (spec->traceparent == NULL)
    return spec->tracestate == NULL ? 0 : UV_EINVAL;
  if (spec->tracestate != NULL &&
      !jobsrv__tracestate_ok(spec->tracestate,
                             strnlen(spec->tracestate,
                                     JOBSRV__TRACESTATE_MAX + 1)))
    return UV_EINVAL;
  return jobsrv__traceparent_read(spec->traceparent,
                                  strlen(spec->traceparent), &ignored);
}

/* Where in its parent a new job is: in a scope if this thread is in one. */
static uint64_t span_in(const jobsrv_job_t *parent) {
  uint64_t span = parent->srv->observer->span(parent);

  return span != 0 ? span
                   : jobsrv__trace_span(parent, jobsrv__job_attempt(parent));
}

int jobsrv__trace_given(const jobsrv_spec_t *spec, jobsrv__trace_t *to) {
  const jobsrv_job_t *parent = spec->parent_job;

  to->state = spec->tracestate;
  if (spec->traceparent != NULL)
    return jobsrv__traceparent_read(spec->traceparent,
                                    strlen(spec->traceparent),
                                    &to->above) == 0;
  if (parent == NULL)
    return 0;
  to->above = jobsrv__trace_above(parent);
  to->above.span = span_in(parent);
  if (parent->labels != NULL && parent->labels->trace != NULL)
    to->state = parent->labels->trace->state;
  return 1;
}

jobsrv__traceparent_t jobsrv__trace_above(const jobsrv_job_t *job) {
  if (job->labels != NULL && job->labels->trace != NULL)
    return job->labels->trace->above;
  return (jobsrv__traceparent_t) {
    .hi = job->id.hi,
    .lo = job->id.lo,
    .flags = JOBSRV__TRACE_SAMPLED,
  };
}

static void put_span(char to[17], uint64_t span) {
  *jobsrv__hex64(to, span) = '\0';
}

static void fill(const jobsrv_job_t *job, jobsrv_trace_t *trace) {
  jobsrv__traceparent_t above = jobsrv__trace_above(job);
  uint32_t attempt = jobsrv__job_attempt(job);

  *jobsrv__hex64(jobsrv__hex64(trace->trace_id, above.hi), above.lo) = '\0';
  put_span(trace->span_id, jobsrv__trace_span(job, 0));
  if (above.span != 0)
    put_span(trace->parent_span_id, above.span);
  if (attempt != 0)
    put_span(trace->attempt_span_id, jobsrv__trace_span(job, attempt));
  trace->sampled = above.flags & JOBSRV__TRACE_SAMPLED;
  if (job->labels == NULL || job->labels->trace == NULL)
    return;
  trace->is_given = 1;
  trace->tracestate = job->labels->trace->state;
}

void jobsrv_job_trace(const jobsrv_job_t *job, jobsrv_trace_t *trace) {
  jobsrv_trace_t all = { 0 };
  size_t size = trace->size < sizeof(all) ? trace->size : sizeof(all);

  fill(job, &all);
  all.size = trace->size;
  memcpy(trace, &all, size);
}

const char *jobsrv_attempt_span_id(const jobsrv_job_t *job,
                                   uint32_t attempt,
                                   char to[17]) {
  put_span(to, jobsrv__trace_span(job, attempt));
  return to;
}

void jobsrv__trace_env(const jobsrv_job_t *job,
                       uint64_t span,
                       const char *correlation_id,
                       const char *request_id,
                       jobsrv_env_cb cb,
                       void *data) {
  jobsrv__traceparent_t at = jobsrv__trace_above(job);
  char text[JOBSRV__TRACEPARENT_SIZE];
  char id[JOBSRV_ID_SIZE];

  at.span = span;
  jobsrv__traceparent_write(text, &at);
  cb(data, "TRACEPARENT", text);
  if (job->labels != NULL && job->labels->trace != NULL &&
      job->labels->trace->state != NULL)
    cb(data, "TRACESTATE", job->labels->trace->state);
  cb(data, "JOBSRV_JOB_ID", jobsrv_job_id(job, id));
  if (correlation_id == NULL && job->labels != NULL)
    correlation_id = job->labels->correlation_id;
  if (correlation_id != NULL)
    cb(data, "JOBSRV_CORRELATION_ID", correlation_id);
  if (request_id == NULL && job->labels != NULL)
    request_id = job->labels->request_id;
  if (request_id != NULL)
    cb(data, "JOBSRV_REQUEST_ID", request_id);
}
