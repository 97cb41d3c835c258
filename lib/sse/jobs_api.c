/* SPDX-License-Identifier: MIT */

#include "jobsrv/list.h"
#include "sse/api.h"
#include "sse/authorise.h"
#include "sse/frames.h"
#include "sse/job_body.h"
#include "sse/job_options.h"
#include "sse/ticket.h"
#include "sse/trace.h"

#include <stdio.h>
#include <string.h>

/* ---- what goes wrong ---- */

static void refuse_at(jobsrv__request_t *request,
                      const char *code,
                      const jobsrv_mistake_t *mistake) {
  jobsrv__problem_t problem = {
    .status = 422,
    .code = code,
    .pointer = mistake->pointer,
  };

  jobsrv__respond_problem(request, &problem, "%s%s%s", mistake->pointer,
                          *mistake->pointer != '\0' ? " " : "",
                          mistake->detail);
}

static void refuse_json(jobsrv__request_t *request,
                        const jobsrv_json_error_t *error) {
  jobsrv__problem_t problem = {
    .status = 400,
    .code = "bad_json",
    .pointer = error->pointer,
    .line = error->line,
    .column = error->column,
  };

  jobsrv__respond_problem(request, &problem, "line %u, column %u: %s",
                          error->line, error->column, error->message);
}

static void refuse_media(jobsrv__request_t *request) {
  jobsrv__refuse(request, 415, "unsupported_media_type", 0,
                 "the body must be application/json in UTF-8");
}

/* What jobsrv_submit() returned. */
static void refuse_submit(jobsrv__request_t *request,
                          int err,
                          const jobsrv_mistake_t *mistake) {
  switch (err) {
  case JOBSRV_EPAYLOAD:
    refuse_at(request, "invalid_payload", mistake);
    return;
  case JOBSRV_ENOOPERATION:
    jobsrv__refuse(request, 422, "unknown_operation", 0,
                   "there is no such operation");
    return;
  case JOBSRV_ETOOBIG:
    jobsrv__refuse(request, 413, "too_large", 0, "the payload is too large");
    return;
  case JOBSRV_EQUEUEFULL:
    jobsrv__refuse(request, 429, "queue_full", JOBSRV__RETRY_SOON,
                   "too many jobs are waiting");
    return;
  case JOBSRV_EJOBSFULL:
    jobsrv__refuse(request, 503, "too_many_jobs", JOBSRV__RETRY_SOON,
                   "too many jobs are live");
    return;
  case JOBSRV_EDRAINING:
    jobsrv__refuse_draining(request);
    return;
  case UV_ENOMEM:
    jobsrv__refuse_no_memory(request);
    return;
  default:
    jobsrv__refuse(request, 500, "internal", 0, jobsrv_strerror(err));
  }
}

/* Checks that the body is JSON. Returns 1, or 0 when it has answered. */
static int check_json(jobsrv__request_t *request) {
  jobsrv_json_error_t error;
  int err = jobsrv_json_check(request->body.data, request->body.len,
                              request->sse->options.max_json_depth, &error);

  if (err == 0)
    return 1;
  if (err == UV_ENOMEM)
    jobsrv__refuse_no_memory(request);
  else
    refuse_json(request, &error);
  return 0;
}

jobsrv_job_t *jobsrv__jobs_find(jobsrv__request_t *request) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  char id[JOBSRV__SEGMENT_SIZE];
  jobsrv_job_t *job;
  int err = JOBSRV_ENOJOB;

  if (jobsrv__route_id(request, id))
    err = jobsrv_find(request->sse->srv, id, &job);
  if (err == JOBSRV_EEXPIRED) {
    jobsrv__problem_t problem = { .status = 410, .code = "expired",
                                  .job_id = id };

    jobsrv__respond_problem(request, &problem,
                            "the job's retention has ended");
    return NULL;
  }
  if (err == 0) {
    jobsrv_job_info(job, &info);
    if (!info.is_private)
      return job;
  }
  jobsrv__refuse_unknown_job(request);
  return NULL;
}

/*
 * A check or a hook of the host may close the transport, and the request with
 * it, while we are inside the call that made the job or asks it to stop.
 */
static void on_gone(jobsrv__request_t *request) {
  *(int *) request->data = 1;
}

static void guard(jobsrv__request_t *request, int *is_gone) {
  *is_gone = 0;
  request->data = is_gone;
  request->gone = on_gone;
}

/* 1 if the request is still there to be answered. */
static int unguard(jobsrv__request_t *request, const int *is_gone) {
  if (*is_gone)
    return 0;
  request->gone = NULL;
  request->data = NULL;
  return 1;
}

/* ---- POST P/jobs ---- */

int jobsrv__jobs_precheck(jobsrv__request_t *request, void *data) {
  (void) data;
  if (!jobsrv__media_is_json(
          jobsrv__request_header(request, "content-type", NULL))) {
    refuse_media(request);
    return 0;
  }
  if (jobsrv_draining(request->sse->srv)) {
    jobsrv__refuse_draining(request);
    return 0;
  }
  return 1;
}

/* Where everybody may watch, nobody needs one. */
static int needs_tickets(const jobsrv_sse_t *sse) {
  return sse->token != NULL || sse->authorise != NULL;
}

static void respond_created(jobsrv__request_t *request,
                            int status,
                            jobsrv_job_t *job) {
  const char *prefix = request->sse->prefix;
  char links[JOBSRV__LINKS_MAX];
  char ticket[JOBSRV__TICKET_SIZE];
  char location[JOBSRV__PREFIX_MAX + JOBSRV_ID_SIZE + 8];
  char json[2 * JOBSRV__LINKS_MAX];
  char id[JOBSRV_ID_SIZE];
  int len;

  jobsrv_job_id(job, id);
  (void) jobsrv__links(prefix, job, links);
  (void) snprintf(location, sizeof(location), "%s/jobs/%s", prefix, id);
  len = snprintf(json, sizeof(json),
                 "{\"job_id\":\"%s\",\"sse_url\":\"%s/stream\","
                 "\"state\":\"%s\",",
                 id, location, jobsrv_state_name(jobsrv_job_state(job)));
  if (needs_tickets(request->sse)) {
    jobsrv__ticket_make(request->sse, job, ticket);
    len += snprintf(json + len, sizeof(json) - (size_t) len,
                    "\"ticket\":\"%s\",", ticket);
  }
  len += snprintf(json + len, sizeof(json) - (size_t) len, "%s}", links);
  jobsrv__respond_json(request, status, location, json, (size_t) len);
}

/* What the spec borrows from while the job is made. */
typedef struct {
  jobsrv__job_body_t body;
  jobsrv__buf_t payload;
  jobsrv__job_options_t options;
  char request_id[JOBSRV__REQUEST_ID_MAX + 1];
  char correlation_id[JOBSRV__REQUEST_ID_MAX + 1];
  jobsrv__given_trace_t trace;
} lent_t;

/* Fills the spec from the request; 0 when it has answered. */
static int read_create(jobsrv__request_t *request,
                       lent_t *lent,
                       jobsrv_spec_t *spec) {
  const jobsrv_sse_t *sse = request->sse;
  jobsrv_mistake_t mistake = { .pointer = "" };
  int err = jobsrv__job_body_read(&lent->body, &lent->payload,
                                  request->body.data, request->body.len,
                                  &mistake);

  if (err == 0 && !jobsrv_operation_exposed(sse->srv, lent->body.operation))
    err = JOBSRV_ENOOPERATION;
  if (err != 0) {
    refuse_submit(request, err, &mistake);
    return 0;
  }
  if (lent->body.options != NULL)
    err = jobsrv__job_options_read(&lent->options, spec, sse->alloc,
                                   lent->body.options, lent->body.options_len,
                                   jobsrv_options(sse->srv)->max_tags,
                                   &mistake);
  if (err == JOBSRV_EPAYLOAD)
    refuse_at(request, "invalid_options", &mistake);
  else if (err != 0)
    refuse_submit(request, err, &mistake);
  if (err != 0)
    return 0;

  jobsrv__request_ids(request);
  memcpy(lent->request_id, request->request_id, sizeof(lent->request_id));
  memcpy(lent->correlation_id, request->correlation_id,
         sizeof(lent->correlation_id));
  spec->operation = lent->body.operation;
  spec->payload = lent->payload.data;
  spec->payload_len = lent->payload.len;
  if (request->principal[0] != '\0')
    spec->principal = request->principal;
  if (lent->request_id[0] != '\0')
    spec->request_id = lent->request_id;
  if (lent->correlation_id[0] != '\0')
    spec->correlation_id = lent->correlation_id;
  jobsrv__trace_read(request, &lent->trace, spec);
  return 1;
}

/* The job that has the unique key of the spec; `id` is "" without one. */
static jobsrv_job_t *find_holder(jobsrv__request_t *request,
                                 const jobsrv_spec_t *spec,
                                 char id[JOBSRV_ID_SIZE]) {
  jobsrv_job_t *job;

  *id = '\0';
  if (spec->unique_key == NULL ||
      jobsrv_find_unique(request->sse->srv, spec->operation, spec->unique_key,
                         &job) != 0)
    return NULL;
  if (jobsrv__may_read(request, job))
    jobsrv_job_id(job, id);
  return job;
}

/* Another job is in the way; its id is told to whom may see it. */
static void refuse_conflict(jobsrv__request_t *request,
                            int err,
                            const char *id) {
  jobsrv__problem_t problem = { .status = 409, .code = "conflict" };

  if (err == JOBSRV_ENOTCANCELLABLE)
    problem.code = "not_cancellable";
  if (*id != '\0')
    problem.job_id = id;
  jobsrv__respond_problem(request, &problem,
                          err == JOBSRV_ENOTCANCELLABLE
                              ? "the job with this unique_key cannot be "
                                "cancelled now"
                              : "a live job has this unique_key");
}

static void create(jobsrv__request_t *request, const jobsrv_spec_t *spec) {
  jobsrv_mistake_t mistake = { .pointer = "" };
  char holder_id[JOBSRV_ID_SIZE];
  jobsrv_job_t *holder = find_holder(request, spec, holder_id);
  jobsrv_job_t *job;
  int is_gone;
  int err;

  if (holder != NULL && *holder_id == '\0') {
    refuse_conflict(request, JOBSRV_ECONFLICT, holder_id);
    return;
  }
  guard(request, &is_gone);
  err = jobsrv_submit(request->sse->srv, spec, &mistake, &job);
  if (!unguard(request, &is_gone))
    return;
  if (err == 0 && job == NULL) /* a hook has ended it, and it is forgotten */
    jobsrv__refuse(request, 410, "expired", 0,
                   "the job's retention has ended");
  else if (err == 0)
    respond_created(request, job == holder ? 200 : 202, job);
  else if (err == JOBSRV_ECONFLICT || err == JOBSRV_ENOTCANCELLABLE)
    refuse_conflict(request, err, holder_id);
  else
    refuse_submit(request, err, &mistake);
}

static void on_create_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  const jobsrv_alloc_t *alloc = request->sse->alloc;
  jobsrv_spec_t spec;
  lent_t lent;

  (void) job;
  request->operation = NULL;
  memset(&lent.options, 0, sizeof(lent.options));
  jobsrv_spec_init(&spec);
  jobsrv__buf_init(&lent.payload, alloc, 0);
  if (read_create(request, &lent, &spec))
    create(request, &spec);
  jobsrv__buf_free(&lent.payload);
  jobsrv__job_options_free(&lent.options, alloc);
}

/* Who may not create is not told what could be. */
void jobsrv__jobs_create(jobsrv__request_t *request, void *data) {
  (void) data;
  if (!check_json(request))
    return;
  if (jobsrv__job_body_operation(request->operation_text, request->body.data,
                                 request->body.len))
    request->operation = request->operation_text;
  jobsrv__authorise(request, JOBSRV_SSE_CREATE, NULL, on_create_allowed);
}

/* ---- the record ---- */

int jobsrv__jobs_put_record(const jobsrv__request_t *request,
                            const jobsrv_job_t *job,
                            int flags,
                            jobsrv__buf_t *json) {
  size_t room = 2048;
  size_t len;
  char *to;

  for (;;) {
    to = jobsrv__buf_reserve(json, room + JOBSRV__LINKS_MAX + 2);
    if (to == NULL)
      return json->failed;
    len = jobsrv_job_record(job, flags, to, room);
    if (len <= room)
      break;
    room = len;
  }
  /* over the closing brace */
  to[len - 1] = ',';
  len += jobsrv__links(request->sse->prefix, job, to + len);
  to[len++] = '}';
  json->len += len;
  return 0;
}

static void respond_record(jobsrv__request_t *request,
                           int status,
                           const jobsrv_job_t *job) {
  jobsrv__buf_t json;

  jobsrv__buf_init(&json, request->sse->alloc, 0);
  if (jobsrv__jobs_put_record(request, job, 0, &json) != 0)
    jobsrv__refuse_no_memory(request);
  else
    jobsrv__respond_json(request, status, NULL, json.data, json.len);
  jobsrv__buf_free(&json);
}

static void on_read_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  respond_record(request, 200, job);
}

void jobsrv__jobs_record(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_READ, job, on_read_allowed);
}

/* ---- cancel ---- */

/* Reads the reason of a POST; 0 when it has answered. */
static int read_reason(jobsrv__request_t *request, char *text) {
  jobsrv_mistake_t mistake;

  text[0] = '\0';
  if (request->method != JOBSRV__POST || request->body.len == 0)
    return 1;
  if (!jobsrv__media_is_json(
          jobsrv__request_header(request, "content-type", NULL))) {
    refuse_media(request);
    return 0;
  }
  if (!check_json(request))
    return 0;
  if (jobsrv__cancel_body_read(text, request->body.data, request->body.len,
                               &mistake) == 0)
    return 1;
  refuse_at(request, "invalid_payload", &mistake);
  return 0;
}

static void on_cancel_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  char id[JOBSRV_ID_SIZE];
  jobsrv__problem_t refused = { .status = 409, .code = "not_cancellable",
                                .job_id = id };
  char text[JOBSRV__REASON_SIZE];
  jobsrv_reason_t reason = { JOBSRV_REASON_REQUESTED, NULL, "http" };
  int is_gone;
  int err;

  if (!read_reason(request, text))
    return;
  jobsrv_job_id(job, id);
  if (request->principal[0] != '\0')
    reason.actor = request->principal;
  if (text[0] != '\0')
    reason.text = text;

  jobsrv_job_ref(job);
  guard(request, &is_gone);
  err = jobsrv_job_cancel(job, &reason);
  if (!unguard(request, &is_gone))
    (void) err;
  else if (err == JOBSRV_ENOTCANCELLABLE)
    jobsrv__respond_problem(request, &refused,
                            "the operation cannot be cancelled now");
  else if (err == UV_ENOMEM)
    jobsrv__refuse_no_memory(request);
  else
    respond_record(
        request, jobsrv_state_terminal(jobsrv_job_state(job)) ? 200 : 202,
        job);
  jobsrv_job_unref(job);
}

void jobsrv__jobs_cancel(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_CANCEL, job, on_cancel_allowed);
}
