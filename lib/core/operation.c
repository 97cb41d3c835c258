/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/options.h"
#include "core/group.h"
#include "core/spec_check.h"

#include <string.h>

jobsrv__operation_t *jobsrv__operation_find(const jobsrv_t *srv,
                                            const char *name) {
  jobsrv__operation_t *operation;

  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->operations);
       link != NULL; link = jobsrv__queue_next(&srv->operations, link)) {
    operation = JOBSRV__CONTAINER(link, jobsrv__operation_t, in_server);
    if (strcmp(operation->def.name, name) == 0)
      return operation;
  }
  return NULL;
}

/* What is its own of the definition. Returns 0 or UV_ENOMEM. */
static int copy(jobsrv_t *srv, jobsrv__operation_t *operation) {
  jobsrv_operation_t *def = &operation->def;
  const char *group = def->group;

  def->name = jobsrv__strdup(&srv->alloc, def->name);
  def->group = jobsrv__strdup(&srv->alloc, group);
  if (def->name == NULL || (def->group == NULL && group != NULL))
    return UV_ENOMEM;
  return group != NULL
             ? jobsrv__seat_get(srv, operation, group, &operation->seat)
             : 0;
}

static void operation_free(const jobsrv_alloc_t *alloc,
                           jobsrv__operation_t *operation) {
  jobsrv__free(alloc, (char *) (uintptr_t) operation->def.name);
  jobsrv__free(alloc, (char *) (uintptr_t) operation->def.group);
  jobsrv__free(alloc, operation);
}

static int add(jobsrv_t *srv, const jobsrv_operation_t *def) {
  jobsrv__operation_t *operation;
  int err = jobsrv__operation_check(def);

  if (err != 0)
    return err;
  if (srv->phase != JOBSRV__OPEN)
    return JOBSRV_EDRAINING;
  if (jobsrv__operation_find(srv, def->name) != NULL)
    return JOBSRV_EEXISTS;

  operation = jobsrv__zalloc(&srv->alloc, sizeof(*operation));
  if (operation == NULL)
    return UV_ENOMEM;
  operation->def = *def;
  operation->srv = srv;
  operation->alloc = srv->alloc;
  jobsrv__order_init(operation);
  err = copy(srv, operation);
  if (err != 0) {
    operation_free(&srv->alloc, operation);
    return err;
  }
  jobsrv__limits_of(&operation->limits, def, &srv->options);
  jobsrv__rate_init(&operation->rate, &def->rate);
  operation->metrics = jobsrv__metrics_of(srv, &operation->own_metrics);
  atomic_init(&operation->refs, 1);
  jobsrv__queue_push_back(&srv->operations, &operation->in_server);
  return 0;
}

int jobsrv_operation_add(jobsrv_t *srv, const jobsrv_operation_t *operation) {
  jobsrv_operation_t def;
  int err = jobsrv__options_read(&def, sizeof(def), sizeof(def), operation);

  JOBSRV__ASSERT_LOOP(srv);
  if (err != 0) {
    if (operation->size >= sizeof(*operation) && operation->release != NULL)
      operation->release(operation->data);
    return err;
  }
  err = add(srv, &def);
  if (err != 0 && def.release != NULL)
    def.release(def.data);
  return err;
}

int jobsrv_operation_exposed(const jobsrv_t *srv, const char *name) {
  const jobsrv__operation_t *operation = jobsrv__operation_find(srv, name);

  JOBSRV__ASSERT_LOOP(srv);
  return operation != NULL && operation->def.expose;
}

void jobsrv__operation_unref(jobsrv__operation_t *operation) {
  jobsrv_alloc_t alloc = operation->alloc;

  if (atomic_fetch_sub_explicit(&operation->refs, 1, memory_order_acq_rel) != 1)
    return;
  if (operation->def.release != NULL)
    operation->def.release(operation->def.data);
  operation_free(&alloc, operation);
}

int jobsrv_operation_stats(const jobsrv_t *srv,
                           const char *name,
                           jobsrv_operation_stats_t *stats) {
  jobsrv__operation_t *operation = jobsrv__operation_find(srv, name);
  size_t size = stats->size < sizeof(*stats) ? stats->size : sizeof(*stats);
  jobsrv_operation_stats_t all = { 0 };
  uint64_t now = jobsrv_now(srv);

  JOBSRV__ASSERT_LOOP(srv);
  if (operation == NULL)
    return JOBSRV_ENOOPERATION;
  all.size = stats->size;
  all.queued = operation->nqueued;
  all.running_weight = operation->running;
  all.starts = operation->starts;
  if (operation->def.rate.count != 0)
    all.tokens = jobsrv__rate_tokens(&operation->rate, now);
  (void) jobsrv__breaker_look(operation, now);
  all.breaker = operation->breaker.state;
  all.breaker_opens = operation->breaker.opens;
  if (all.breaker == JOBSRV_BREAKER_OPEN)
    all.breaker_open_ns = operation->breaker.until_ns - now;
  memcpy(stats, &all, size);
  return 0;
}
