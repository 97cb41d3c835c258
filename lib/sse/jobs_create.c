/* SPDX-License-Identifier: MIT */

#include "base/format.h"
#include "sse/api.h"
#include "sse/authorise.h"
#include "sse/frames.h"
#include "sse/guard.h"
#include "sse/hold.h"
#include "sse/idempotency.h"
#include "sse/job_body.h"
#include "sse/job_options.h"
#include "sse/ticket.h"
#include "sse/trace.h"

#include <stdio.h>
#include <string.h>

/* POST P/jobs. */

int jobsrv__jobs_precheck(jobsrv__request_t *request, void *data) {
  (void) data;
  if (!jobsrv__media_is_json(
          jobsrv__request_header(request, "content-type", NULL))) {
    jobsrv__refuse_media(request);
    return 0;
  }
  if (!request->has_body &&
      jobsrv__request_header(request, "content-length", NULL).data == NULL) {
    jobsrv__refuse(request, 411, "length_required", 0,
                   "a job is made of a body, of Content-Length or in chunks");
    return 0;
  }
  if (jobsrv_draining(request->sse->srv)) {
    jobsrv__refuse_draining(request);
    return 0;
  }
  return 1;
}

void jobsrv__locate(const jobsrv__request_t *request,
                    const jobsrv_job_t *job,
                    char to[JOBSRV__LOCATION_SIZE]) {
  char id[JOBSRV_ID_SIZE];

  (void) snprintf(to, JOBSRV__LOCATION_SIZE, "%s/jobs/%s", request->sse->prefix,
                  jobsrv_job_id(job, id));
}

/*
 * Where everybody may watch, nobody needs one. A job that was there already may
 * be somebody else's: a ticket would say that its stream may be watched.
 */
static int gets_ticket(jobsrv__request_t *request, jobsrv_job_t *job) {
  const jobsrv_sse_t *sse = request->sse;

  if (sse->token == NULL && sse->authorise == NULL)
    return 0;
  return request->has_made || jobsrv__may_watch(request, job);
}

static void respond_created(jobsrv__request_t *request,
                            int status,
                            jobsrv_job_t *job) {
  const char *prefix = request->sse->prefix;
  char links[JOBSRV__LINKS_MAX];
  char ticket[JOBSRV__TICKET_SIZE];
  char location[JOBSRV__LOCATION_SIZE];
  char json[2 * JOBSRV__LINKS_MAX];
  char id[JOBSRV_ID_SIZE];
  int has_ticket;
  size_t len;

  jobsrv_job_ref(job); /* whatever the hook does to it */
  has_ticket = gets_ticket(request, job);
  jobsrv_job_id(job, id);
  (void) jobsrv__links(prefix, job, links);
  jobsrv__locate(request, job, location);
  len = jobsrv__format(json, sizeof(json),
                       "{\"job_id\":\"%s\",\"sse_url\":\"%s/stream\","
                       "\"state\":\"%s\",",
                       id, location, jobsrv_state_name(jobsrv_job_state(job)));
  if (has_ticket) {
    jobsrv__ticket_make(request->sse, job, ticket);
    len += jobsrv__format(json + len, sizeof(json) - len,
                          "\"ticket\":\"%s\",", ticket);
  }
  len += jobsrv__format(json + len, sizeof(json) - len, "%s}", links);
  jobsrv__respond_json(request, status, location, json, len);
  jobsrv_job_unref(job);
}

/* The time that was to be waited is over, or the job. */
static void on_waited(jobsrv__request_t *request, jobsrv_job_t *job) {
  char location[JOBSRV__LOCATION_SIZE];

  if (!jobsrv_state_terminal(jobsrv_job_state(job))) {
    respond_created(request, 202, job);
    return;
  }
  jobsrv__locate(request, job, location);
  jobsrv__respond_record(request, 200, location, job);
}

/* Answers now, or as the client prefers when the job has ended, which is told
   by its record: of one that was there, to who may read it. */
static void respond_or_wait(jobsrv__request_t *request,
                            int status,
                            jobsrv_job_t *job) {
  unsigned int seconds = jobsrv__prefer_wait(request);
  char applied[24];
  size_t len;

  if (jobsrv__wants_stream(request)) {
    jobsrv__stream_created(request, job);
    return;
  }
  jobsrv_job_ref(job); /* whatever the hook does to it */
  len = jobsrv__format(applied, sizeof(applied), "wait=%u", seconds);
  if (seconds == 0 || !(request->has_made || jobsrv__may_read(request, job)) ||
      jobsrv__put_header(request, "Preference-Applied",
                         jobsrv__span(applied, len)) != 0 ||
      jobsrv__hold(request, job, JOBSRV_STATE_MAX, seconds, on_waited) != 0)
    respond_created(request, status, job); /* a preference, no more */
  jobsrv_job_unref(job);
}

static void respond_made(jobsrv__request_t *request,
                         jobsrv_job_t *job,
                         int was_there) {
  request->has_made = !was_there;
  respond_or_wait(request, was_there ? 200 : 202, job);
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
    jobsrv__refuse_submit(request, err, &mistake);
    return 0;
  }
  if (lent->body.options != NULL)
    err = jobsrv__job_options_read(&lent->options, spec, sse->alloc,
                                   lent->body.options, lent->body.options_len,
                                   jobsrv_options(sse->srv)->max_tags,
                                   &mistake);
  if (err == JOBSRV_EPAYLOAD)
    jobsrv__refuse_at(request, "invalid_options", &mistake);
  else if (err != 0)
    jobsrv__refuse_submit(request, err, &mistake);
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
  jobsrv_job_id(job, id); /* now, whatever the hook does to it */
  if (!jobsrv__may_read(request, job))
    *id = '\0';
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

static void create(jobsrv__request_t *request,
                   const jobsrv_spec_t *spec,
                   int is_keyed) {
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
  if (is_keyed && jobsrv__key_reserve(request->sse) != 0) {
    jobsrv__refuse_no_memory(request);
    return;
  }
  jobsrv__guard(request, &is_gone);
  err = jobsrv_submit(request->sse->srv, spec, &mistake, &job);
  if (!jobsrv__unguard(request, &is_gone))
    return;
  if (err == 0 && job != NULL && is_keyed)
    jobsrv__key_keep(request, job);
  if (err == 0 && job == NULL) /* a hook has ended it, and it is forgotten */
    jobsrv__refuse(request, 410, "expired", 0,
                   "the job's retention has ended");
  else if (err == 0)
    respond_made(request, job, job == holder);
  else if (err == JOBSRV_ECONFLICT || err == JOBSRV_ENOTCANCELLABLE)
    refuse_conflict(request, err, holder_id);
  else
    jobsrv__refuse_submit(request, err, &mistake);
}

/* 1 to go on, 0 when it has answered: the key has made a job, or is none. */
static int look_at_key(jobsrv__request_t *request, jobsrv__known_t known,
                       jobsrv_job_t *job) {
  switch (known) {
  case JOBSRV__KEY_SAME:
    respond_or_wait(request, 200, job);
    return 0;
  case JOBSRV__KEY_OTHER:
    jobsrv__refuse(request, 422, "idempotency_mismatch", 0,
                   "this Idempotency-Key came with another body before");
    return 0;
  case JOBSRV__KEY_BAD:
    jobsrv__refuse(request, 400, "bad_request", 0,
                   "Idempotency-Key: must be one field of 1 to 128 visible "
                   "ASCII characters");
    return 0;
  default:
    return 1;
  }
}

static void on_create_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  const jobsrv_alloc_t *alloc = request->sse->alloc;
  jobsrv__known_t known = jobsrv__key_find(request, &job);
  jobsrv_spec_t spec;
  lent_t lent;

  request->operation = NULL;
  if (jobsrv__wants_stream(request) && !jobsrv__may_stream(request))
    return;
  if (!look_at_key(request, known, job))
    return;
  memset(&lent.options, 0, sizeof(lent.options));
  jobsrv_spec_init(&spec);
  jobsrv__buf_init(&lent.payload, alloc, 0);
  if (read_create(request, &lent, &spec))
    create(request, &spec, known == JOBSRV__KEY_NEW);
  jobsrv__buf_free(&lent.payload);
  jobsrv__job_options_free(&lent.options, alloc);
}

/* Who may not create is not told what could be. */
void jobsrv__jobs_create(jobsrv__request_t *request, void *data) {
  (void) data;
  if (!jobsrv__check_json(request))
    return;
  if (jobsrv__job_body_operation(request->operation_text, request->body.data,
                                 request->body.len))
    request->operation = request->operation_text;
  jobsrv__authorise(request, JOBSRV_SSE_CREATE, NULL, on_create_allowed);
}
