/* SPDX-License-Identifier: MIT */

#include "core/registry.h"

#include "base/alloc.h"
#include "core/plan.h"
#include "core/server.h"
#include "core/start.h"

enum { EXPIRED = 1 }; /* no slot has that address */

void jobsrv__registry_init(jobsrv_t *srv, uint64_t seed) {
  jobsrv__registry_t *registry = &srv->registry;

  registry->slab.alloc = &srv->alloc;
  registry->slab.slot_size = sizeof(jobsrv_job_t);
  jobsrv__map_init(&registry->by_id, &srv->alloc, seed);
  for (int i = 0; i < 3; i++)
    jobsrv__queue_init(&registry->retained[i]);
  jobsrv__queue_init(&registry->all);
}

void jobsrv__registry_close(jobsrv_t *srv) {
  jobsrv__registry_t *registry = &srv->registry;
  jobsrv__queue_t *link;

  for (int i = 0; i < 3; i++)
    while ((link = jobsrv__queue_front(&registry->retained[i])) != NULL)
      jobsrv__registry_expire(JOBSRV__CONTAINER(link, jobsrv_job_t, in_state));
  jobsrv__map_free(&registry->by_id);
  jobsrv__free(&srv->alloc, srv->uniques.buckets);
  srv->uniques = (jobsrv__uniques_t) { 0 };
  jobsrv__free(&srv->alloc, registry->expired);
  registry->expired = NULL;
  registry->expired_count = 0;
}

/* Made one ahead, so that its place in the map is there when it is used. */
static int take_id(jobsrv_t *srv, jobsrv__id_t *id) {
  jobsrv__registry_t *registry = &srv->registry;
  int err = 0;

  if (!registry->has_next_id)
    err = jobsrv__id_make(&srv->ids, &registry->next_id);
  if (err != 0)
    return err;
  *id = registry->next_id;
  registry->has_next_id = jobsrv__id_make(&srv->ids, &registry->next_id) == 0;
  if (registry->has_next_id)
    jobsrv__map_prefetch(&registry->by_id, registry->next_id);
  return 0;
}

int jobsrv__registry_add(jobsrv_t *srv, jobsrv_job_t **out) {
  jobsrv__registry_t *registry = &srv->registry;
  jobsrv_job_t *job = jobsrv__slab_take(&registry->slab);
  int err;

  if (job == NULL)
    return UV_ENOMEM;
  err = take_id(srv, &job->id);
  if (err == 0)
    err = jobsrv__map_put(&registry->by_id, job->id, (uintptr_t) job);
  if (err != 0) {
    jobsrv__slab_give(&registry->slab, job);
    return err;
  }
  job->srv = srv;
  jobsrv__mailbox_ref(srv->mailbox);
  job->flags = JOBSRV__JOB_IN_REGISTRY;
  job->number = ++registry->number;
  jobsrv__queue_push_back(&registry->all, &job->in_all);
  atomic_init(&job->refs, 1);
  *out = job;
  return 0;
}

void jobsrv__registry_undo(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;

  jobsrv__start_clear(job);
  jobsrv__plan_free(job);
  jobsrv__map_del(&srv->registry.by_id, job->id);
  jobsrv__queue_remove(&job->in_all);
  srv->registry.number--;
  jobsrv__slab_give(&srv->registry.slab, job);
  jobsrv__mailbox_unref(srv->mailbox);
}

/* Remembers an id as long as there is room for it. */
static void remember(jobsrv_t *srv, jobsrv__id_t id) {
  jobsrv__registry_t *registry = &srv->registry;
  uint32_t max = srv->options.max_expired;
  uint64_t *value = jobsrv__map_get(&registry->by_id, id);

  if (registry->expired == NULL)
    registry->expired = jobsrv__malloc(&srv->alloc,
                                       max * sizeof(*registry->expired));
  if (registry->expired == NULL) { /* then it is only unknown */
    jobsrv__map_del(&registry->by_id, id);
    return;
  }
  *value = EXPIRED;
  if (registry->expired_count == max)
    jobsrv__map_del(&registry->by_id,
                    registry->expired[registry->expired_at]);
  else
    registry->expired_count++;
  registry->expired[registry->expired_at] = id;
  registry->expired_at = (registry->expired_at + 1) % max;
  if (registry->expired_count == max) /* the next that has to leave the map */
    jobsrv__map_prefetch(&registry->by_id,
                         registry->expired[registry->expired_at]);
}

static int outcome_of(const jobsrv_job_t *job) {
  return (int) jobsrv_job_state(job) - JOBSRV_STATE_COMPLETED;
}

void jobsrv__registry_expire(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;

  jobsrv__wheel_disarm(&srv->wheel, &job->timer);
  jobsrv__queue_remove(&job->in_state);
  jobsrv__queue_remove(&job->in_all);
  srv->registry.nretained_of[outcome_of(job)]--;
  srv->registry.nretained--;
  srv->stats.expired++;
  job->flags &= (uint16_t) ~JOBSRV__JOB_IN_REGISTRY;
  remember(srv, job->id);
  srv->observer->expired(job);
  jobsrv_job_unref(job);
}

/* By the time of the end, those of the same moment in the order they ended. */
static int ended_before(const jobsrv_job_t *a, const jobsrv_job_t *b) {
  return a->finished_ns != b->finished_ns
             ? a->finished_ns < b->finished_ns
             : a->end_server_seq < b->end_server_seq;
}

/*
 * Nearly always it is the last. Only one whose hooks have ended others, which
 * are here already, goes in front of these.
 */
static void put_in_order(jobsrv__queue_t *head, jobsrv_job_t *job) {
  jobsrv__queue_t *at = head->prev;

  while (at != head &&
         ended_before(job, JOBSRV__CONTAINER(at, jobsrv_job_t, in_state)))
    at = at->prev;
  jobsrv__queue_push_front(at, &job->in_state);
}

static jobsrv_job_t *oldest_of(const jobsrv__registry_t *registry, int i) {
  jobsrv__queue_t *front = jobsrv__queue_front(&registry->retained[i]);

  return front != NULL ? JOBSRV__CONTAINER(front, jobsrv_job_t, in_state)
                       : NULL;
}

static jobsrv_job_t *oldest(const jobsrv__registry_t *registry) {
  jobsrv_job_t *best = NULL;

  for (int i = 0; i < 3; i++) {
    jobsrv_job_t *job = oldest_of(registry, i);

    if (job != NULL && (best == NULL || ended_before(job, best)))
      best = job;
  }
  return best;
}

static uint32_t max_retained(const jobsrv_t *srv, int of) {
  switch (of) {
    case 0: return srv->options.max_retained_completed;
    case 1: return srv->options.max_retained_failed;
    default: return srv->options.max_retained_cancelled;
  }
}

void jobsrv__registry_retain(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;
  jobsrv__registry_t *registry = &srv->registry;
  int of = outcome_of(job);

  if (atomic_load(&srv->closed)) { /* by a hook, before it was told the end */
    job->flags &= (uint16_t) ~JOBSRV__JOB_IN_REGISTRY;
    jobsrv__queue_remove(&job->in_all);
    jobsrv_job_unref(job);
    return;
  }
  put_in_order(&registry->retained[of], job);
  registry->nretained_of[of]++;
  registry->nretained++;
  jobsrv__job_clock(job);
  while (registry->nretained_of[of] > max_retained(srv, of))
    jobsrv__registry_expire(oldest_of(registry, of));
  while (registry->nretained > srv->options.max_retained)
    jobsrv__registry_expire(oldest(registry));
}

int jobsrv_find(const jobsrv_t *srv, const char *id, jobsrv_job_t **out) {
  jobsrv__id_t key;
  uint64_t *value;

  JOBSRV__ASSERT_LOOP(srv);
  if (jobsrv__id_parse(id, strlen(id), &key) != 0)
    return JOBSRV_ENOJOB;
  value = jobsrv__map_get(&srv->registry.by_id, key);
  if (value == NULL)
    return JOBSRV_ENOJOB;
  if (*value == EXPIRED)
    return JOBSRV_EEXPIRED;
  *out = (jobsrv_job_t *) (uintptr_t) *value;
  return 0;
}

jobsrv_handle_t jobsrv_job_handle(const jobsrv_job_t *job) {
  return (jobsrv_handle_t) { job->index, job->generation };
}

jobsrv_job_t *jobsrv_job_by_handle(const jobsrv_t *srv,
                                   jobsrv_handle_t handle) {
  jobsrv_job_t *job = jobsrv__slab_at(&srv->registry.slab, handle.index);

  JOBSRV__ASSERT_LOOP(srv);
  if (handle.generation == 0 || job == NULL ||
      job->generation != handle.generation ||
      !(job->flags & JOBSRV__JOB_IN_REGISTRY))
    return NULL;
  return job;
}
