/* SPDX-License-Identifier: MIT */

#include "core/trace.h"

#include "narration/narration.h"

static int is_given(const jobsrv_job_t *job) {
  return job->labels != NULL && job->labels->trace != NULL;
}

void jobsrv__event_in_span(jobsrv_event_t *event,
                           const jobsrv_job_t *job,
                           uint64_t span,
                           uint64_t parent,
                           jobsrv__ids_t *ids) {
  jobsrv__traceparent_t above = jobsrv__trace_above(job);

  *jobsrv__hex64(jobsrv__hex64(ids->trace, above.hi), above.lo) = '\0';
  *jobsrv__hex64(ids->span, span) = '\0';
  *jobsrv__hex64(ids->parent, parent) = '\0';
  event->trace_id = ids->trace;
  event->span_id = ids->span;
  event->parent_span_id = parent != 0 ? ids->parent : NULL;
}

void jobsrv__event_trace(jobsrv_event_t *event,
                         const jobsrv_job_t *job,
                         jobsrv__ids_t *ids) {
  const jobsrv_context_t *context = jobsrv__innermost;
  uint32_t attempt;

  if (event->trace_id != NULL || event->span_id != NULL)
    return;
  if (context != NULL && context->job != job)
    context = NULL;
  if (context != NULL && context->span_id != 0) {
    jobsrv__event_in_span(event, job, context->span_id,
                          context->parent_span_id, ids);
    return;
  }
  if (!is_given(job))
    return;
  attempt = context != NULL ? context->attempt : jobsrv__job_attempt(job);
  jobsrv__event_in_span(event, job, jobsrv__trace_span(job, attempt),
                        attempt != 0 ? jobsrv__trace_span(job, 0)
                                     : job->labels->trace->above.span,
                        ids);
}
