/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/options.h"
#include "core/server.h"

#include <string.h>

static int name_ok(const char *name) {
  size_t len = name != NULL ? strlen(name) : 0;

  return len >= 1 && len <= 64 &&
         strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789._-") == len;
}

static int callbacks_ok(const jobsrv_operation_t *def) {
  switch (def->style) {
    case JOBSRV_ASYNC: return def->start != NULL;
    case JOBSRV_THREAD: return def->run != NULL;
    case JOBSRV_PROCESS: return def->prepare != NULL;
    default: return 0;
  }
}

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

static int add(jobsrv_t *srv, const jobsrv_operation_t *def) {
  jobsrv__operation_t *operation;

  if (!name_ok(def->name) || !callbacks_ok(def))
    return UV_EINVAL;
  if (srv->phase != JOBSRV__OPEN)
    return JOBSRV_EDRAINING;
  if (jobsrv__operation_find(srv, def->name) != NULL)
    return JOBSRV_EEXISTS;

  operation = jobsrv__zalloc(&srv->alloc, sizeof(*operation));
  if (operation == NULL)
    return UV_ENOMEM;
  operation->def = *def;
  operation->def.name = jobsrv__strdup(&srv->alloc, def->name);
  if (operation->def.name == NULL) {
    jobsrv__free(&srv->alloc, operation);
    return UV_ENOMEM;
  }
  operation->alloc = srv->alloc;
  jobsrv__limits_of(&operation->limits, def, &srv->options);
  atomic_init(&operation->refs, 1);
  jobsrv__queue_init(&operation->queued);
  jobsrv__queue_push_back(&srv->operations, &operation->in_server);
  return 0;
}

int jobsrv_operation_add(jobsrv_t *srv, const jobsrv_operation_t *operation) {
  jobsrv_operation_t def;
  int err = jobsrv__options_read(&def, sizeof(def), sizeof(def), operation);

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

  return operation != NULL && operation->def.expose;
}

void jobsrv__operation_unref(jobsrv__operation_t *operation) {
  jobsrv_alloc_t alloc = operation->alloc;

  if (atomic_fetch_sub_explicit(&operation->refs, 1, memory_order_acq_rel) != 1)
    return;
  if (operation->def.release != NULL)
    operation->def.release(operation->def.data);
  jobsrv__free(&alloc, (char *) (uintptr_t) operation->def.name);
  jobsrv__free(&alloc, operation);
}
