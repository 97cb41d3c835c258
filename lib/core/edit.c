/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/options.h"
#include "core/plan.h"
#include "core/spec_check.h"
#include "core/start.h"

#include <string.h>

/*
 * All that can fail comes before anything is seen: checks, then memory, then
 * the wall timer, for which the rest may have to be put back.
 */

/* A spec that says what the edit says, for those who check and apply specs. */
static void as_spec(jobsrv_spec_t *spec, const jobsrv_edit_t *edit) {
  jobsrv_spec_init(spec);
  spec->priority = edit->priority;
  spec->weight = edit->weight;
  spec->run_at_wall_ns = edit->run_at_wall_ns;
  spec->queue_ms = edit->queue_ms;
  spec->timeout_ms = edit->timeout_ms;
  spec->deadline_ms = edit->deadline_ms;
  spec->silence_ms = edit->silence_ms;
  spec->retain_ms = edit->retain_ms;
  spec->retry = edit->retry;
  spec->payload = edit->payload;
  spec->payload_len = edit->payload_len;
  if (edit->payload != NULL && edit->payload_len == 0)
    spec->payload_len = strlen(edit->payload);
}

/* Not started, and nobody has asked it to stop. */
static int is_editable(const jobsrv_job_t *job) {
  if (job->operation == NULL) /* begun, and seen by the hook of its creation */
    return 0;
  switch (jobsrv_job_state(job)) {
    case JOBSRV_STATE_SCHEDULED:
    case JOBSRV_STATE_QUEUED:
    case JOBSRV_STATE_RETRYING:
      break;
    default:
      return 0;
  }
  /* a suspended attempt that is queued to go on has been started */
  return !(job->flags & JOBSRV__JOB_STARTED) && !jobsrv_job_cancelled(job);
}

/* What waits for a time would only be cancelled by a drain. */
static int is_too_late(const jobsrv_job_t *job, uint64_t wall_ns) {
  return job->srv->phase != JOBSRV__OPEN &&
         wall_ns > jobsrv_wall_now(job->srv);
}

static void swap_payload(jobsrv_job_t *job, jobsrv__payload_t **payload) {
  *payload = atomic_exchange(&job->payload, *payload);
}

/* The last that can fail, and the first that is seen. */
static int set_time(jobsrv_job_t *job, uint64_t wall_ns) {
  return wall_ns != 0 ? jobsrv__start_at(job, wall_ns) : 0;
}

static void settle(jobsrv_job_t *job, const jobsrv_edit_t *edit) {
  if (!is_editable(job)) /* a hook has ended it */
    return;
  if (edit->priority != 0)
    jobsrv__dispatch_reprioritise(job, (uint8_t) edit->priority);
  jobsrv__job_clock(job);
  jobsrv__dispatch_wanted(job->srv); /* a lighter one may fit */
}

static int apply(jobsrv_job_t *job,
                 const jobsrv_edit_t *edit,
                 const jobsrv_spec_t *spec) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  jobsrv__payload_t *payload = NULL;
  jobsrv__plan_t *plan = jobsrv__plan(job);
  jobsrv__limits_t before;
  int err;

  if (plan == NULL)
    return UV_ENOMEM;
  if (spec->payload != NULL) {
    payload = jobsrv__payload_new(alloc, spec->payload, spec->payload_len);
    if (payload == NULL)
      return UV_ENOMEM;
    swap_payload(job, &payload);
  }
  before = plan->limits;
  jobsrv__limits_apply(&plan->limits, spec);
  jobsrv_job_ref(job);
  err = set_time(job, spec->run_at_wall_ns);
  if (err == 0) {
    settle(job, edit);
  } else {
    plan->limits = before;
    if (spec->payload != NULL)
      swap_payload(job, &payload);
  }
  jobsrv__payload_drop(alloc, payload);
  jobsrv_job_unref(job);
  return err;
}

int jobsrv_job_edit(jobsrv_job_t *job,
                    const jobsrv_edit_t *edit,
                    struct jobsrv_mistake_s *mistake) {
  jobsrv_edit_t mine;
  jobsrv_spec_t spec;
  int err = jobsrv__options_read(&mine, sizeof(mine), sizeof(mine), edit);

  JOBSRV__ASSERT_LOOP(job->srv);
  if (err != 0)
    return err;
  if (!is_editable(job) || is_too_late(job, mine.run_at_wall_ns))
    return JOBSRV_ESTATE;
  as_spec(&spec, &mine);
  err = jobsrv__spec_check(job->srv, &spec, 0);
  if (err == 0 && spec.payload != NULL) {
    jobsrv_job_ref(job);
    err = jobsrv__payload_check(job->srv, &job->operation->def, spec.payload,
                                spec.payload_len, mistake);
    if (err == 0 && (!is_editable(job) || /* since the check was called */
                     is_too_late(job, mine.run_at_wall_ns)))
      err = JOBSRV_ESTATE;
    jobsrv_job_unref(job);
  }
  return err == 0 ? apply(job, &mine, &spec) : err;
}
