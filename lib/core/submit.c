/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/options.h"
#include "core/after.h"
#include "core/family.h"
#include "core/group.h"
#include "core/labels.h"
#include "core/plan.h"
#include "core/retry.h"
#include "core/spec_check.h"
#include "core/start.h"
#include "core/unique.h"

#include <string.h>

static void set_clocks(jobsrv_job_t *job) {
  job->created_ns = job->since_ns = jobsrv_now(job->srv);
  job->created_wall = jobsrv__wall_at(job->srv, job->since_ns);
  job->priority = jobsrv__job_limits(job)->priority;
}

/* Whether there is more to keep of it than its operation's limits. */
static int needs_plan(const jobsrv_job_t *job, const jobsrv_spec_t *spec) {
  const jobsrv__limits_t *limits = jobsrv__job_limits(job);

  return jobsrv__limits_differ(spec) || jobsrv__start_says(spec) ||
         spec->group != NULL || spec->unique_key != NULL ||
         limits->silence_ns != 0 || limits->last_watcher_grace_ns != 0;
}

/*
 * What the spec says beyond its operation's way. Returns 0, UV_ENOMEM, or what
 * making a wall timer returned.
 */
static int make_plan(jobsrv_job_t *job, const jobsrv_spec_t *spec) {
  int err = jobsrv__after_plan(job, spec);
  jobsrv__plan_t *plan;

  if (err != 0 || !needs_plan(job, spec))
    return err;
  plan = jobsrv__plan(job);
  if (plan == NULL)
    return UV_ENOMEM;
  jobsrv__limits_apply(&plan->limits, spec);
  err = jobsrv__start_plan(job, spec);
  if (err == 0 && spec->unique_key != NULL)
    err = jobsrv__unique_plan(job, spec->unique_key);
  return err == 0 && spec->group != NULL && job->operation != NULL
             ? jobsrv__group_join(job, spec->group)
             : err;
}

/* Whether jobs may come, before anything is looked at or made. */
static int admit(jobsrv_t *srv) {
  if (srv->phase != JOBSRV__OPEN)
    return JOBSRV_EDRAINING;
  return jobsrv__forked(srv) ? JOBSRV_EFORKED : 0;
}

static int has_room(jobsrv_t *srv, int queued) {
  if (srv->live >= srv->options.max_jobs)
    return JOBSRV_EJOBSFULL;
  if (queued && srv->nqueued >= srv->options.max_queued)
    return JOBSRV_EQUEUEFULL;
  return 0;
}

static unsigned char level_of(const jobsrv_t *srv,
                              const jobsrv__operation_t *operation,
                              const jobsrv_spec_t *spec) {
  int level = spec->level;

  if (level == 0 && operation != NULL)
    level = operation->def.level;
  return (unsigned char) (level != 0 ? level : srv->options.level);
}

/* Makes the job; everything that can fail is done before it is seen. */
static int make(jobsrv_t *srv,
                jobsrv__operation_t *operation,
                const jobsrv_spec_t *spec,
                jobsrv_job_t **out) {
  jobsrv__token_above_t *above = NULL;
  jobsrv__labels_t *labels = NULL;
  jobsrv_job_t *job = NULL;
  const jobsrv__plan_t *plan;
  jobsrv_state_t state;
  jobsrv__payload_t *payload = NULL;
  int err;

  err = jobsrv__labels_copy(&srv->alloc, spec,
                            operation == NULL ? spec->operation : NULL,
                            &labels);
  if (err == 0 && spec->payload != NULL) {
    payload = jobsrv__payload_new(&srv->alloc, spec->payload,
                                  spec->payload_len);
    err = payload == NULL ? UV_ENOMEM : 0;
  }
  if (err == 0)
    err = jobsrv__family_join(srv, spec, &above);
  if (err == 0)
    err = jobsrv__registry_add(srv, &job);
  if (err == 0) {
    job->operation = operation;
    err = make_plan(job, spec);
    if (err != 0)
      jobsrv__registry_undo(job);
  }
  if (err != 0) {
    jobsrv__free(&srv->alloc, above);
    jobsrv__payload_drop(&srv->alloc, payload);
    jobsrv__free(&srv->alloc, labels);
    return err;
  }
  if (operation != NULL)
    atomic_fetch_add_explicit(&operation->refs, 1, memory_order_relaxed);
  job->labels = labels;
  atomic_init(&job->payload, payload);
  job->data = spec->data;
  job->release = spec->release;
  job->exit_status = -1;
  if (spec->is_private)
    job->flags |= JOBSRV__JOB_PRIVATE;
  atomic_init(&job->level, level_of(srv, operation, spec));
  atomic_init(&job->cancellable,
              operation == NULL || !operation->def.not_cancellable);
  plan = job->plan;
  state = plan != NULL && plan->holds != 0 ? JOBSRV_STATE_SCHEDULED
                                           : JOBSRV_STATE_QUEUED;
  atomic_init(&job->state, (unsigned char) state);
  set_clocks(job);
  /* one without a parent is not below the server's token: close ends it */
  jobsrv__token_init(&job->token, JOBSRV__TOKEN_JOB,
                     jobsrv__family_token(spec), above);
  jobsrv__family_born(job);
  srv->live++;
  srv->count[state]++;
  srv->stats.created++;
  jobsrv__metrics_created(job);
  jobsrv__keep_alive(srv);
  *out = job;
  return 0;
}

/* It is there: tells so, then whatever its token and clock have to say. */
static void announce(jobsrv_job_t *job) {
  jobsrv_state_t state = jobsrv_job_state(job);

  job->srv->observer->transition(job, state, state);
  jobsrv__hooks_call(job, state, state);
}

/* In place of a new one; the spec has done what it came for. */
static void give_existing(jobsrv_job_t *job,
                          const jobsrv_spec_t *spec,
                          jobsrv_job_t **out) {
  jobsrv_t *srv = job->srv;
  jobsrv_handle_t handle = jobsrv_job_handle(job);

  if (spec->release != NULL)
    spec->release(spec->data);
  if (out != NULL)
    *out = jobsrv_job_by_handle(srv, handle);
}

static int submit(jobsrv_t *srv,
                  const jobsrv_spec_t *spec,
                  struct jobsrv_mistake_s *mistake,
                  jobsrv_job_t **out) {
  jobsrv__operation_t *operation = NULL;
  int queued = !jobsrv__start_waits(srv, spec) && !jobsrv__after_says(spec);
  jobsrv_handle_t handle;
  jobsrv_job_t *job = NULL;
  int err = admit(srv);

  /* one that may come to a job there is already needs no room: looked below */
  if (err == 0 && spec->unique_key == NULL)
    err = has_room(srv, queued);
  if (err != 0)
    return err;
  if (spec->operation != NULL)
    operation = jobsrv__operation_find(srv, spec->operation);
  if (operation == NULL)
    return JOBSRV_ENOOPERATION;
  err = jobsrv__spec_check(srv, spec, 0);
  if (err == 0)
    err = jobsrv__payload_check(srv, &operation->def, spec->payload,
                                spec->payload_len, mistake);
  if (err == 0) /* its check may have closed the server, or drained it */
    err = admit(srv);
  if (err == 0 && spec->unique_key != NULL) {
    err = jobsrv__unique_look(srv, operation, spec, &job);
    if (err == 0 && job != NULL) {
      give_existing(job, spec, out);
      return 0;
    }
    if (err == 0)
      err = has_room(srv, queued);
  }
  if (err == 0)
    err = make(srv, operation, spec, &job);
  if (err != 0)
    return err;

  jobsrv__unique_take(job);
  if (jobsrv_job_state(job) == JOBSRV_STATE_QUEUED)
    jobsrv__enqueue(job);
  else
    jobsrv__queue_push_back(&srv->waiting, &job->in_state);
  handle = jobsrv_job_handle(job);
  jobsrv_job_ref(job); /* sinks and hooks may have the registry forget it */
  announce(job);
  if (!jobsrv__job_ended(job)) {
    jobsrv__job_clock(job);
    jobsrv__job_look(job);
    jobsrv__after_look(job);
  }
  jobsrv__unique_replace(job);
  jobsrv_job_unref(job);
  if (out != NULL)
    *out = jobsrv_job_by_handle(srv, handle);
  return 0;
}

static int begin(jobsrv_t *srv, const jobsrv_spec_t *spec, jobsrv_job_t **out) {
  jobsrv_handle_t handle;
  jobsrv_job_t *job;
  int err = admit(srv);

  if (err == 0)
    err = has_room(srv, 0);
  if (err == 0)
    err = jobsrv__spec_check(srv, spec, 1);
  if (err == 0)
    err = jobsrv__payload_check(srv, NULL, spec->payload, spec->payload_len,
                                NULL);
  if (err == 0)
    err = make(srv, NULL, spec, &job);
  if (err != 0)
    return err;

  job->flags |= JOBSRV__JOB_BEGUN;
  jobsrv_job_ref(job);
  jobsrv__queue_push_back(&srv->running, &job->in_state);
  announce(job);
  if (!jobsrv__job_ended(job)) {
    jobsrv__attempt_open(job);
    jobsrv__job_move(job, JOBSRV_STATE_RUNNING);
  }
  if (!jobsrv__job_ended(job)) {
    jobsrv__job_clock(job);
    jobsrv__job_look(job);
  }
  handle = jobsrv_job_handle(job);
  jobsrv_job_unref(job);
  *out = jobsrv_job_by_handle(srv, handle);
  return 0;
}

int jobsrv__spec_read(jobsrv_spec_t *to, const jobsrv_spec_t *from) {
  int err = jobsrv__options_read(to, sizeof(*to), sizeof(*to), from);

  if (err == 0 && to->payload != NULL && to->payload_len == 0)
    to->payload_len = strlen(to->payload);
  /* refused for what is unknown behind what is known */
  if (err != 0 && from->size >= sizeof(*from) && from->release != NULL)
    from->release(from->data);
  return err;
}

static int refused(jobsrv_t *srv, const jobsrv_spec_t *spec, int err) {
  if (err == JOBSRV_EJOBSFULL || err == JOBSRV_EQUEUEFULL ||
      err == JOBSRV_EDRAINING)
    srv->stats.refused++;
  if (err != 0 && spec->release != NULL)
    spec->release(spec->data);
  return err;
}

int jobsrv_submit(jobsrv_t *srv,
                  const jobsrv_spec_t *spec,
                  struct jobsrv_mistake_s *mistake,
                  jobsrv_job_t **out) {
  jobsrv_spec_t mine;
  int err = jobsrv__spec_read(&mine, spec);

  JOBSRV__ASSERT_LOOP(srv);
  if (err != 0)
    return err;
  return refused(srv, &mine, submit(srv, &mine, mistake, out));
}

int jobsrv_begin(jobsrv_t *srv, const jobsrv_spec_t *spec, jobsrv_job_t **out) {
  jobsrv_spec_t mine;
  int err = jobsrv__spec_read(&mine, spec);

  JOBSRV__ASSERT_LOOP(srv);
  if (err != 0)
    return err;
  return refused(srv, &mine, begin(srv, &mine, out));
}
