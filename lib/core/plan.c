/* SPDX-License-Identifier: MIT */

#include "core/plan.h"

#include "base/alloc.h"
#include "core/after.h"
#include "core/group.h"
#include "core/server.h"

const jobsrv__limits_t *jobsrv__job_limits(const jobsrv_job_t *job) {
  const jobsrv__plan_t *plan = job->plan;

  if (plan != NULL)
    return &plan->limits;
  return job->operation != NULL ? &job->operation->limits
                                : &job->srv->limits;
}

void jobsrv__plan_take(jobsrv_job_t *job, jobsrv__plan_t *spare) {
  if (spare == NULL)
    return;
  if (job->plan != NULL) {
    jobsrv__free(&job->srv->alloc, spare);
    return;
  }
  spare->limits = *jobsrv__job_limits(job);
  spare->job = job;
  atomic_store_explicit(&job->plan, spare, memory_order_release);
}

jobsrv__plan_t *jobsrv__plan(jobsrv_job_t *job) {
  if (job->plan == NULL)
    jobsrv__plan_take(job, jobsrv__zalloc(&job->srv->alloc,
                                          sizeof(jobsrv__plan_t)));
  return job->plan;
}

void jobsrv__left_set(const jobsrv_alloc_t *alloc,
                      jobsrv__left_t *left,
                      char *data,
                      size_t len) {
  jobsrv__free(alloc, left->data);
  left->data = data;
  left->len = len;
}

void jobsrv__plan_settle(jobsrv_job_t *job) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  jobsrv__plan_t *plan = job->plan;

  if (plan == NULL)
    return;
  jobsrv__left_set(alloc, &plan->checkpoint, NULL, 0);
  jobsrv__left_set(alloc, &plan->last_checkpoint, NULL, 0);
  jobsrv__left_set(alloc, &plan->prompt, NULL, 0);
  jobsrv__left_set(alloc, &plan->input, NULL, 0);
}

void jobsrv__plan_free(jobsrv_job_t *job) {
  if (job->plan == NULL)
    return;
  jobsrv__after_free(job);
  jobsrv__plan_settle(job);
  jobsrv__seat_put(job->srv, job->plan->seat);
  jobsrv__free(&job->srv->alloc, job->plan->group);
  jobsrv__free(&job->srv->alloc, job->plan->unique);
  jobsrv__free(&job->srv->alloc, job->plan);
  job->plan = NULL;
}
