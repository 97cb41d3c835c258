/* SPDX-License-Identifier: MIT */

#include "core/group.h"

#include "base/alloc.h"
#include "core/plan.h"
#include "core/server.h"

#include <string.h>

struct jobsrv__group_s {
  jobsrv__id_t key;         /* in the server's map */
  jobsrv__group_t *next;    /* another with the same key */
  jobsrv__queue_t seats;
  int taken;
  char name[];
};

/* Good enough to find by: who looks compares the names as well. */
static jobsrv__id_t key_of(const char *name) {
  jobsrv__id_t key = { UINT64_C(0xcbf29ce484222325), 0 };

  for (; *name != '\0'; name++) {
    key.hi = (key.hi ^ (unsigned char) *name) * UINT64_C(0x100000001b3);
    key.lo = (key.lo + (unsigned char) *name) * UINT64_C(0x9e3779b97f4a7c15);
  }
  return key;
}

static jobsrv__group_t *group_find(const jobsrv_t *srv,
                                   jobsrv__id_t key,
                                   const char *name) {
  const uint64_t *value = jobsrv__map_get(&srv->groups, key);
  jobsrv__group_t *group;

  if (value == NULL)
    return NULL;
  group = (jobsrv__group_t *) (uintptr_t) *value;
  while (group != NULL && strcmp(group->name, name) != 0)
    group = group->next;
  return group;
}

static jobsrv__group_t *group_new(jobsrv_t *srv,
                                  jobsrv__id_t key,
                                  const char *name) {
  size_t size = strlen(name) + 1;
  jobsrv__group_t *group =
      jobsrv__zalloc(&srv->alloc, sizeof(*group) + size);
  uint64_t *value;

  if (group == NULL)
    return NULL;
  group->key = key;
  memcpy(group->name, name, size);
  jobsrv__queue_init(&group->seats);
  value = jobsrv__map_get(&srv->groups, key);
  if (value != NULL) {
    group->next = (jobsrv__group_t *) (uintptr_t) *value;
    *value = (uintptr_t) group;
  } else if (jobsrv__map_put(&srv->groups, key, (uintptr_t) group) != 0) {
    jobsrv__free(&srv->alloc, group);
    return NULL;
  }
  return group;
}

static void group_drop(jobsrv_t *srv, jobsrv__group_t *group) {
  uint64_t *value = jobsrv__map_get(&srv->groups, group->key);
  jobsrv__group_t *first, **at = &first;

  if (!jobsrv__queue_empty(&group->seats))
    return;
  if (value != NULL) { /* else the server has closed in between */
    first = (jobsrv__group_t *) (uintptr_t) *value;
    while (*at != group)
      at = &(*at)->next;
    *at = group->next;
    *value = (uintptr_t) first;
    if (first == NULL)
      (void) jobsrv__map_del(&srv->groups, group->key);
  }
  jobsrv__free(&srv->alloc, group);
}

static jobsrv__seat_t *seat_find(const jobsrv__group_t *group,
                                 const jobsrv__operation_t *operation) {
  jobsrv__seat_t *seat;

  for (jobsrv__queue_t *link = jobsrv__queue_front(&group->seats);
       link != NULL; link = jobsrv__queue_next(&group->seats, link)) {
    seat = JOBSRV__CONTAINER(link, jobsrv__seat_t, in_group);
    if (seat->operation == operation)
      return seat;
  }
  return NULL;
}

int jobsrv__seat_get(jobsrv_t *srv,
                     jobsrv__operation_t *operation,
                     const char *group,
                     jobsrv__seat_t **out) {
  jobsrv__id_t key = key_of(group);
  jobsrv__group_t *found = group_find(srv, key, group);
  jobsrv__seat_t *seat;

  if (found == NULL)
    found = group_new(srv, key, group);
  if (found == NULL)
    return UV_ENOMEM;
  seat = seat_find(found, operation);
  if (seat != NULL) {
    seat->refs++;
    *out = seat;
    return 0;
  }
  seat = jobsrv__zalloc(&srv->alloc, sizeof(*seat));
  if (seat == NULL) {
    group_drop(srv, found);
    return UV_ENOMEM;
  }
  jobsrv__seat_init(seat, operation, found);
  jobsrv__queue_push_back(&found->seats, &seat->in_group);
  *out = seat;
  return 0;
}

void jobsrv__seat_put(jobsrv_t *srv, jobsrv__seat_t *seat) {
  if (seat == NULL || seat->group == NULL || --seat->refs > 0)
    return;
  jobsrv__queue_remove(&seat->in_operation);
  jobsrv__queue_remove(&seat->in_group);
  group_drop(srv, seat->group);
  jobsrv__free(&srv->alloc, seat);
}

int jobsrv__group_join(jobsrv_job_t *job, const char *name) {
  job->plan->group = jobsrv__strdup(&job->srv->alloc, name);
  return job->plan->group != NULL
             ? jobsrv__seat_get(job->srv, job->operation, name,
                                &job->plan->seat)
             : UV_ENOMEM;
}

jobsrv__seat_t *jobsrv__job_seat(const jobsrv_job_t *job) {
  return job->plan != NULL && job->plan->seat != NULL ? job->plan->seat
                                                      : job->operation->seat;
}

int jobsrv__group_taken(const jobsrv__group_t *group) {
  return group->taken;
}

static void each_seat(const jobsrv__group_t *group,
                      void (*act)(jobsrv__seat_t *seat)) {
  for (jobsrv__queue_t *link = jobsrv__queue_front(&group->seats);
       link != NULL; link = jobsrv__queue_next(&group->seats, link))
    act(JOBSRV__CONTAINER(link, jobsrv__seat_t, in_group));
}

void jobsrv__group_enter(jobsrv_job_t *job) {
  jobsrv__group_t *group = jobsrv__job_seat(job)->group;

  if (group == NULL || (job->flags & JOBSRV__JOB_HOLDS_GROUP))
    return;
  job->flags |= JOBSRV__JOB_HOLDS_GROUP;
  group->taken = 1;
  each_seat(group, jobsrv__seat_shut);
}

void jobsrv__group_leave(jobsrv_job_t *job) {
  jobsrv__group_t *group;

  if (!(job->flags & JOBSRV__JOB_HOLDS_GROUP))
    return;
  job->flags &= (uint16_t) ~JOBSRV__JOB_HOLDS_GROUP;
  group = jobsrv__job_seat(job)->group;
  group->taken = 0;
  each_seat(group, jobsrv__seat_open);
  jobsrv__dispatch_wanted(job->srv);
}

void jobsrv__group_part(jobsrv_job_t *job) {
  jobsrv__group_leave(job);
  if (job->plan == NULL)
    return;
  jobsrv__seat_put(job->srv, job->plan->seat);
  job->plan->seat = NULL;
}

const char *jobsrv__group_name(const jobsrv_job_t *job) {
  if (job->plan != NULL && job->plan->group != NULL)
    return job->plan->group;
  return job->operation != NULL ? job->operation->def.group : NULL;
}

void jobsrv__groups_close(jobsrv_t *srv) {
  jobsrv__operation_t *operation;

  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->operations);
       link != NULL; link = jobsrv__queue_next(&srv->operations, link)) {
    operation = JOBSRV__CONTAINER(link, jobsrv__operation_t, in_server);
    jobsrv__seat_put(srv, operation->seat);
    operation->seat = &operation->plain;
  }
  jobsrv__map_free(&srv->groups);
}
