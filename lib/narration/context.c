/* SPDX-License-Identifier: MIT */

#include "narration/narration.h"

/*
 * One stack per thread, its frames in the callers' own. Nothing is counted and
 * nothing allocated: who enters a context holds the job.
 */
static _Thread_local jobsrv_context_t *innermost;

jobsrv_job_t *jobsrv_context_job(void) {
  return innermost != NULL ? innermost->job : NULL;
}

void jobsrv_context_enter(jobsrv_context_t *context, jobsrv_job_t *job) {
  context->job = job;
  context->outer = innermost;
  innermost = context;
}

void jobsrv_context_leave(jobsrv_context_t *context) {
  innermost = context->outer;
}

jobsrv_t *jobsrv__context_server(void) {
  const jobsrv_context_t *context = innermost;

  while (context != NULL && context->job == NULL)
    context = context->outer;
  return context != NULL ? context->job->srv : NULL;
}
