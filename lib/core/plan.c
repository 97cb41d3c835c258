/* SPDX-License-Identifier: MIT */

#include "core/plan.h"

#include "base/alloc.h"
#include "core/group.h"
#include "core/server.h"

const jobsrv__limits_t *jobsrv__job_limits(const jobsrv_job_t *job) {
  if (job->plan != NULL)
    return &job->plan->limits;
  return job->operation != NULL ? &job->operation->limits
                                : &job->srv->limits;
}

jobsrv__plan_t *jobsrv__plan(jobsrv_job_t *job) {
  jobsrv__plan_t *plan = job->plan;

  if (plan != NULL)
    return plan;
  plan = jobsrv__zalloc(&job->srv->alloc, sizeof(*plan));
  if (plan == NULL)
    return NULL;
  plan->limits = *jobsrv__job_limits(job);
  job->plan = plan;
  return plan;
}

void jobsrv__plan_free(jobsrv_job_t *job) {
  if (job->plan == NULL)
    return;
  jobsrv__seat_put(job->srv, job->plan->seat);
  jobsrv__free(&job->srv->alloc, job->plan->group);
  jobsrv__free(&job->srv->alloc, job->plan);
  job->plan = NULL;
}
