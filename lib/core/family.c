/* SPDX-License-Identifier: MIT */

#include "core/family.h"

#include "base/alloc.h"
#include "core/plan.h"
#include "core/server.h"

/* Sums of millionths stay exact for 16 million children of the largest. */
enum { WHOLE = 1000000, MAX_WEIGHT = 1000000 };

static jobsrv_job_t *parent_of(const jobsrv_job_t *job) {
  const jobsrv__token_above_t *above = job->token.above;

  return above != NULL && above->is_family ? jobsrv__token_job(above->parent)
                                           : NULL;
}

jobsrv_job_t *jobsrv_job_parent(const jobsrv_job_t *job) {
  jobsrv_job_t *parent = parent_of(job);

  JOBSRV__ASSERT_LOOP(job->srv);
  return parent != NULL && (parent->flags & JOBSRV__JOB_IN_REGISTRY) ? parent
                                                                     : NULL;
}

jobsrv_token_t *jobsrv__family_token(const jobsrv_spec_t *spec) {
  return spec->parent_job != NULL ? &spec->parent_job->token : spec->parent;
}

int jobsrv__family_join(jobsrv_t *srv,
                        const jobsrv_spec_t *spec,
                        jobsrv__token_above_t **out) {
  jobsrv__token_above_t *above;

  if (spec->progress_weight > MAX_WEIGHT ||
      (spec->parent_job != NULL &&
       (spec->parent != NULL || spec->parent_job->srv != srv)))
    return UV_EINVAL;
  if (jobsrv__family_token(spec) == NULL)
    return 0;
  if (spec->parent_job != NULL && jobsrv__plan(spec->parent_job) == NULL)
    return UV_ENOMEM;
  above = jobsrv__zalloc(&srv->alloc, sizeof(*above));
  if (above == NULL)
    return UV_ENOMEM;
  above->is_family = spec->parent_job != NULL;
  above->weight = spec->progress_weight != 0 ? spec->progress_weight : 1;
  *out = above;
  return 0;
}

void jobsrv__family_born(const jobsrv_job_t *job) {
  jobsrv_job_t *parent = parent_of(job);

  if (parent != NULL)
    parent->plan->fold.total += job->token.above->weight;
}

jobsrv_job_t *jobsrv__family_report(jobsrv_job_t *job, uint32_t millionths) {
  jobsrv__token_above_t *above = job->token.above;
  jobsrv_job_t *parent = parent_of(job);

  if (parent == NULL || millionths <= above->millionths)
    return NULL;
  parent->plan->fold.done +=
      (uint64_t) (millionths - above->millionths) * above->weight;
  above->millionths = millionths;
  return jobsrv__job_ended(parent) ? NULL : parent;
}

int jobsrv__family_fold(const jobsrv_job_t *job, double *done, double *total) {
  jobsrv__plan_t *plan = job->plan;
  double fraction;

  if (plan == NULL || plan->fold.total == 0)
    return 0;
  *total = (double) plan->fold.total;
  *done = (double) plan->fold.done / WHOLE;
  fraction = *done / *total;
  if (fraction < plan->fold.floor)
    *done = plan->fold.floor * *total; /* a child has come since */
  else
    plan->fold.floor = fraction;
  return 1;
}
