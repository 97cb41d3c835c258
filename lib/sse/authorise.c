/* SPDX-License-Identifier: MIT */

#include "sse/authorise.h"

#include "base/utf8.h"
#include "sse/api.h"

const char *jobsrv_sse_verb_name(jobsrv_sse_verb_t verb) {
  static const char *const names[] = {
#define XX(name, text) text,
    JOBSRV_SSE_VERB_MAP(XX)
#undef XX
  };

  return (unsigned int) verb < JOBSRV_SSE_VERB_MAX ? names[verb] : "unknown";
}

/* ---- asking ---- */

/* The request is over, one way or the other, or goes on without us. */
static jobsrv_job_t *let_go(jobsrv__request_t *request) {
  jobsrv_job_t *job = request->asked.job;

  request->asked.job = NULL;
  request->asked.then = NULL;
  request->gone = NULL;
  return job;
}

static void on_gone(jobsrv__request_t *request) {
  jobsrv_sse_gone_cb gone = request->host_gone;
  jobsrv_job_t *job = let_go(request);

  request->host_gone = NULL;
  if (gone != NULL)
    gone(request, request->host_data);
  if (job != NULL)
    jobsrv_job_unref(job);
}

static void refuse_unknown(jobsrv__request_t *request) {
  jobsrv__problem_t problem = {
    .status = 401,
    .code = "unauthorized",
    .header_name = "WWW-Authenticate",
    .header_value = "Bearer",
  };

  jobsrv__respond_problem(request, &problem, "%s",
                          "this needs credentials, or others than these");
}

static void settle(jobsrv__request_t *request, jobsrv_sse_grant_t grant);

/* The hook may close the transport, and so take the request away. */
static void ask(jobsrv__request_t *request) {
  const jobsrv_sse_t *sse = request->sse;
  jobsrv_sse_grant_t grant;

  request->gone = on_gone;
  request->host_gone = NULL;
  grant = sse->authorise(request, request->asked.verb, request->asked.job,
                         sse->authorise_data);
  if (!request->is_answered && grant != JOBSRV_SSE_DECIDE_LATER)
    settle(request, grant);
}

/* A job that may be read may be known to be there. */
static void denied(jobsrv__request_t *request) {
  jobsrv_job_t *job = request->asked.job;

  if (job != NULL && request->asked.verb != JOBSRV_SSE_READ) {
    request->asked.is_denied = 1;
    request->asked.verb = JOBSRV_SSE_READ;
    ask(request);
    return;
  }
  (void) let_go(request);
  if (job == NULL)
    jobsrv__refuse(request, 403, "forbidden", 0, "this is not allowed");
  else
    jobsrv__refuse_unknown_job(request);
  if (job != NULL)
    jobsrv_job_unref(job);
}

/* From here on the caller knows that there is such a job. */
static void note_job(jobsrv__request_t *request, const jobsrv_job_t *job) {
  if (job != NULL)
    jobsrv_job_id(job, request->job_id);
}

static void allowed(jobsrv__request_t *request) {
  jobsrv__allowed_cb then = request->asked.then;
  int is_denied = request->asked.is_denied;
  jobsrv_job_t *job = let_go(request);

  note_job(request, job);
  if (is_denied)
    jobsrv__refuse(request, 403, "forbidden", 0,
                   "this is not allowed on this job");
  else
    then(request, job);
  if (job != NULL)
    jobsrv_job_unref(job);
}

static void settle(jobsrv__request_t *request, jobsrv_sse_grant_t grant) {
  jobsrv_job_t *job;

  switch (grant) {
  case JOBSRV_SSE_ALLOW:
    allowed(request);
    return;
  case JOBSRV_SSE_UNKNOWN:
    job = let_go(request);
    refuse_unknown(request);
    if (job != NULL)
      jobsrv_job_unref(job);
    return;
  default:
    denied(request);
  }
}

void jobsrv__authorise(jobsrv__request_t *request,
                       jobsrv_sse_verb_t verb,
                       jobsrv_job_t *job,
                       jobsrv__allowed_cb then) {
  if (request->sse->authorise == NULL || request->has_ticket) {
    note_job(request, job);
    then(request, job);
    return;
  }
  request->asked.verb = verb;
  request->asked.job = job != NULL ? jobsrv_job_ref(job) : NULL;
  request->asked.then = then;
  request->asked.is_denied = 0;
  ask(request);
}

/* It was asked where nobody can wait: what it has begun is of no use. */
static void forget(jobsrv__request_t *request) {
  jobsrv_sse_gone_cb gone = request->host_gone;

  request->host_gone = NULL;
  if (gone != NULL)
    gone(request, request->host_data);
}

void jobsrv__asked_before(jobsrv__request_t *request, size_t extra_len) {
  if (request->extra.len > extra_len)
    request->extra.len = extra_len;
}

static int may(jobsrv__request_t *request,
               jobsrv_sse_verb_t verb,
               jobsrv_job_t *job) {
  const jobsrv_sse_t *sse = request->sse;
  size_t extra_len = request->extra.len;
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_sse_grant_t grant;

  jobsrv_job_info(job, &info);
  if (info.is_private)
    return 0;
  if (sse->authorise == NULL)
    return 1;
  request->host_gone = NULL;
  jobsrv_job_ref(job); /* whatever the hook does to it */
  grant = sse->authorise(request, verb, job, sse->authorise_data);
  if (grant == JOBSRV_SSE_DECIDE_LATER)
    forget(request);
  jobsrv__asked_before(request, extra_len);
  jobsrv_job_unref(job);
  return grant == JOBSRV_SSE_ALLOW;
}

int jobsrv__may_read(jobsrv__request_t *request, jobsrv_job_t *job) {
  return may(request, JOBSRV_SSE_READ, job);
}

int jobsrv__may_watch(jobsrv__request_t *request, jobsrv_job_t *job) {
  return may(request, JOBSRV_SSE_STREAM, job);
}

/* ---- public ---- */

void jobsrv_sse_authorise(jobsrv_sse_t *sse,
                          jobsrv_sse_authorise_cb authorise,
                          void *data) {
  JOBSRV__ASSERT_LOOP(sse->srv);
  sse->authorise = authorise;
  sse->authorise_data = data;
}

void jobsrv_sse_decide(jobsrv_sse_request_t *request,
                       jobsrv_sse_grant_t grant) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  if (request->asked.then != NULL && grant != JOBSRV_SSE_DECIDE_LATER)
    settle(request, grant);
}

void jobsrv_sse_undecided(jobsrv_sse_request_t *request,
                          jobsrv_sse_gone_cb gone,
                          void *data) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  request->host_gone = gone;
  request->host_data = data;
}

int jobsrv_sse_set_principal(jobsrv_sse_request_t *request,
                             const char *principal) {
  size_t len = strlen(principal);

  JOBSRV__ASSERT_LOOP(request->sse->srv);
  if (len > JOBSRV__PRINCIPAL_MAX || !jobsrv__utf8_valid(principal, len))
    return UV_EINVAL;
  memcpy(request->principal, principal, len + 1);
  return 0;
}

const char *jobsrv_sse_principal(const jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return request->principal;
}

const char *jobsrv_sse_operation(const jobsrv_sse_request_t *request) {
  JOBSRV__ASSERT_LOOP(request->sse->srv);
  return request->operation;
}
