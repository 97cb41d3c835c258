/* SPDX-License-Identifier: MIT */

#include "core/errand.h"
#include "core/server.h"
#include "jobsrv/work.h"

static void on_arrived(jobsrv__errand_t *errand, int closed) {
  jobsrv_job_t *job = errand->job;
  jobsrv__plan_t *plan = job->plan;

  if (closed || jobsrv__job_ended(job))
    return;
  jobsrv__left_set(&job->srv->alloc, &plan->checkpoint, errand->text.data,
                   errand->text.len);
  errand->text.data = NULL;
}

int jobsrv_job_checkpoint(jobsrv_job_t *job, const char *json, size_t len) {
  jobsrv__errand_t *errand;
  int err;

  if (jobsrv_job_state(job) != JOBSRV_STATE_RUNNING)
    return JOBSRV_ESTATE;
  if (json == NULL)
    return JOBSRV_EJSON;
  err = jobsrv__json_fits(json, &len, job->srv->options.max_result);
  if (err != 0)
    return err;
  errand = jobsrv__errand_new(job, on_arrived, json, len);
  if (errand == NULL)
    return UV_ENOMEM;
  return jobsrv__errand_go(errand) != 0 ? JOBSRV_ESTATE : 0;
}

static const char *lent(const jobsrv__left_t *left, size_t *len) {
  size_t n = left != NULL && left->data != NULL ? left->len : 0;

  if (len != NULL)
    *len = n;
  return left != NULL ? left->data : NULL;
}

const char *jobsrv_job_last_checkpoint(const jobsrv_job_t *job, size_t *len) {
  const jobsrv__plan_t *plan = job->plan;

  return lent(plan != NULL ? &plan->last_checkpoint : NULL, len);
}

const char *jobsrv_job_input(const jobsrv_job_t *job, size_t *len) {
  const jobsrv__plan_t *plan = job->plan;

  return lent(plan != NULL ? &plan->input : NULL, len);
}

uint32_t jobsrv_job_attempt(const jobsrv_job_t *job) {
  return job->attempt_no;
}
