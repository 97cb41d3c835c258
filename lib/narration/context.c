/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/server.h"
#include "core/trace.h"
#include "narration/narration.h"

#include <string.h>

/*
 * One stack per thread, its frames in the callers' own. Nothing is counted and
 * nothing allocated: who enters a context holds the job. What is in force is
 * merged on entering, so that who narrates looks at one frame.
 */
_Thread_local const jobsrv_context_t *jobsrv__innermost;

jobsrv_job_t *jobsrv_context_job(void) {
  return jobsrv__innermost != NULL ? jobsrv__innermost->job : NULL;
}

const jobsrv_context_t *jobsrv_context_current(void) {
  return jobsrv__innermost;
}

/* A frame that begins with nothing but the job. */
static void begin(jobsrv_context_t *context, jobsrv_job_t *job) {
  *context = (jobsrv_context_t) {
    .job = job,
    .srv = job->srv,
    .attempt = jobsrv__job_attempt(job),
  };
}

static void push(jobsrv_context_t *context, const jobsrv_context_t *outer) {
  /* frames further out are not touched: the caller has them as they were */
  context->outer = (jobsrv_context_t *) (uintptr_t) outer;
  jobsrv__innermost = context;
}

void jobsrv_context_enter(jobsrv_context_t *context, jobsrv_job_t *job) {
  const jobsrv_context_t *outer = jobsrv__innermost;

  if (job == NULL)
    *context = (jobsrv_context_t) { .srv = outer != NULL ? outer->srv : NULL };
  else if (outer != NULL && outer->job == job)
    *context = *outer;
  else
    begin(context, job);
  push(context, outer);
}

void jobsrv_context_merge(jobsrv_context_t *context) {
  const jobsrv_context_t *outer = jobsrv__innermost;
  jobsrv_context_t set = *context;

  if (set.job != NULL && (outer == NULL || outer->job != set.job))
    begin(context, set.job);
  else if (outer != NULL)
    *context = *outer;
  if (set.correlation_id != NULL)
    context->correlation_id = set.correlation_id;
  if (set.request_id != NULL)
    context->request_id = set.request_id;
  if (set.actor != NULL)
    context->actor = set.actor;
  if (set.srv != NULL && context->job == NULL)
    context->srv = set.srv;
  push(context, outer);
}

void jobsrv_context_leave(jobsrv_context_t *context) {
  jobsrv__innermost = context->outer;
}

jobsrv_t *jobsrv__context_server(void) {
  return jobsrv__innermost != NULL ? jobsrv__innermost->srv : NULL;
}

uint64_t jobsrv__context_span(const jobsrv_job_t *job) {
  const jobsrv_context_t *at = jobsrv__innermost;

  return at != NULL && at->job == job ? at->span_id : 0;
}

/* ---- snapshots ---- */

struct jobsrv_snapshot_s {
  atomic_uint refs;
  jobsrv__mailbox_t *mailbox; /* keeps the server's memory */
  jobsrv_context_t context;
  char texts[];
};

static size_t size_of(const char *text) {
  return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text) {
  char *here = *at;
  size_t size = size_of(text);

  if (text == NULL)
    return NULL;
  memcpy(here, text, size);
  *at += size;
  return here;
}

int jobsrv_context_capture(jobsrv_snapshot_t **out) {
  const jobsrv_context_t *from = jobsrv__innermost;
  jobsrv_snapshot_t *snapshot;
  char *at;

  /* without a server there is nobody whose memory it could be in */
  if (from == NULL || from->srv == NULL) {
    *out = NULL;
    return 0;
  }
  snapshot = jobsrv__malloc(&from->srv->alloc,
                            sizeof(*snapshot) + size_of(from->actor) +
                                size_of(from->correlation_id) +
                                size_of(from->request_id));
  if (snapshot == NULL)
    return UV_ENOMEM;
  atomic_init(&snapshot->refs, 1);
  snapshot->mailbox = jobsrv__mailbox_ref(from->srv->mailbox);
  snapshot->context = *from;
  snapshot->context.outer = NULL;
  at = snapshot->texts;
  snapshot->context.actor = put(&at, from->actor);
  snapshot->context.correlation_id = put(&at, from->correlation_id);
  snapshot->context.request_id = put(&at, from->request_id);
  if (from->job != NULL)
    (void) jobsrv_job_ref(from->job);
  *out = snapshot;
  return 0;
}

jobsrv_snapshot_t *jobsrv_snapshot_ref(jobsrv_snapshot_t *snapshot) {
  if (snapshot != NULL)
    atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
  return snapshot;
}

void jobsrv_snapshot_unref(jobsrv_snapshot_t *snapshot) {
  jobsrv__mailbox_t *mailbox;
  jobsrv_alloc_t alloc;
  jobsrv_job_t *job;

  if (snapshot == NULL ||
      atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1)
    return;
  mailbox = snapshot->mailbox;
  job = snapshot->context.job;
  alloc = snapshot->context.srv->alloc;
  jobsrv__free(&alloc, snapshot);
  if (job != NULL)
    jobsrv_job_unref(job);
  jobsrv__mailbox_unref(mailbox); /* may be the end of the server's memory */
}

void jobsrv_snapshot_enter(jobsrv_context_t *context,
                           const jobsrv_snapshot_t *snapshot) {
  if (snapshot != NULL)
    *context = snapshot->context;
  else
    *context = (jobsrv_context_t) { 0 };
  push(context, jobsrv__innermost);
}

/* ---- child processes ---- */

void jobsrv_context_env(jobsrv_env_cb cb, void *data) {
  const jobsrv_context_t *at = jobsrv__innermost;

  if (at == NULL || at->job == NULL)
    return;
  jobsrv__trace_env(at->job,
                    at->span_id != 0
                        ? at->span_id
                        : jobsrv__trace_span(at->job, at->attempt),
                    at->correlation_id, at->request_id, cb, data);
}
