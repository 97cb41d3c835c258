/* SPDX-License-Identifier: MIT */

#include "sse/api.h"
#include "sse/authorise.h"
#include "sse/frames.h"
#include "sse/guard.h"
#include "sse/hold.h"
#include "sse/job_body.h"

#include <stdio.h>
#include <string.h>

/* What there is to one job besides its stream. */

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

void jobsrv__respond_record(jobsrv__request_t *request,
                            int status,
                            const char *location,
                            const jobsrv_job_t *job) {
  jobsrv__buf_t json;

  jobsrv__buf_init(&json, request->sse->alloc, 0);
  if (jobsrv__jobs_put_record(request, job, 0, &json) != 0)
    jobsrv__refuse_no_memory(request);
  else
    jobsrv__respond_json(request, status, location, json.data, json.len);
  jobsrv__buf_free(&json);
}

static void on_waited(jobsrv__request_t *request, jobsrv_job_t *job) {
  jobsrv__respond_record(request, 200, NULL, job);
}

/* Whole seconds from 1 to 60; 0 without the parameter, -1 for anything else. */
static int read_wait(const jobsrv__request_t *request) {
  char text[4];
  int len = jobsrv__query_find(request->query, "wait", text, sizeof(text));
  int seconds = 0;

  if (len == UV_ENOENT)
    return 0;
  for (int i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return -1;
    seconds = seconds * 10 + (text[i] - '0');
  }
  return len > 0 && seconds >= 1 && seconds <= JOBSRV__HOLD_MAX_S ? seconds
                                                                  : -1;
}

/* The state that is known to the client, else the job's own; MAX for none. */
static jobsrv_state_t read_seen(const jobsrv__request_t *request,
                                const jobsrv_job_t *job) {
  char text[16];
  int len = jobsrv__query_find(request->query, "state", text, sizeof(text));

  if (len == UV_ENOENT)
    return jobsrv_job_state(job);
  for (int i = 0; len > 0 && i < JOBSRV_STATE_MAX; i++)
    if (strcmp(text, jobsrv_state_name((jobsrv_state_t) i)) == 0)
      return (jobsrv_state_t) i;
  return JOBSRV_STATE_MAX;
}

static void on_read_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  int seconds = read_wait(request);
  jobsrv_state_t seen = read_seen(request, job);

  if (seconds < 0)
    jobsrv__refuse(request, 400, "bad_request", 0,
                   "wait: must be whole seconds from 1 to 60");
  else if (seen == JOBSRV_STATE_MAX)
    jobsrv__refuse(request, 400, "bad_request", 0, "state: must be a state");
  else if (seconds == 0)
    jobsrv__respond_record(request, 200, NULL, job);
  else if (jobsrv__hold(request, job, seen, (unsigned int) seconds,
                        on_waited) != 0)
    jobsrv__refuse_no_memory(request);
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
    jobsrv__refuse_media(request);
    return 0;
  }
  if (!jobsrv__check_json(request))
    return 0;
  if (jobsrv__cancel_body_read(text, request->body.data, request->body.len,
                               &mistake) == 0)
    return 1;
  jobsrv__refuse_at(request, "invalid_payload", &mistake);
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
  jobsrv__guard(request, &is_gone);
  err = jobsrv_job_cancel(job, &reason);
  if (!jobsrv__unguard(request, &is_gone))
    (void) err;
  else if (err == JOBSRV_ENOTCANCELLABLE)
    jobsrv__respond_problem(request, &refused,
                            "the operation cannot be cancelled now");
  else if (err == UV_ENOMEM)
    jobsrv__refuse_no_memory(request);
  else
    jobsrv__respond_record(
        request, jobsrv_state_terminal(jobsrv_job_state(job)) ? 200 : 202,
        NULL, job);
  jobsrv_job_unref(job);
}

void jobsrv__jobs_cancel(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_CANCEL, job, on_cancel_allowed);
}

/* ---- answer ---- */

static void on_answer_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  static const jobsrv_mistake_t none = { .pointer = "" };
  char id[JOBSRV_ID_SIZE];
  jobsrv__problem_t refused = { .status = 409, .code = "conflict",
                                .job_id = id };
  size_t len = request->body.len;
  int is_gone;
  int err;

  if (len > 0 && !jobsrv__media_is_json(
                     jobsrv__request_header(request, "content-type", NULL))) {
    jobsrv__refuse_media(request);
    return;
  }
  if (len > 0 && !jobsrv__check_json(request))
    return;
  jobsrv_job_id(job, id);
  jobsrv_job_ref(job);
  jobsrv__guard(request, &is_gone);
  err = jobsrv_job_answer(job, len > 0 ? request->body.data : NULL, len);
  if (!jobsrv__unguard(request, &is_gone))
    (void) err;
  else if (err == JOBSRV_ESTATE)
    jobsrv__respond_problem(request, &refused,
                            "the job is not waiting for an answer");
  else if (err != 0)
    jobsrv__refuse_submit(request, err, &none);
  else
    jobsrv__respond_record(request, 202, NULL, job);
  jobsrv_job_unref(job);
}

void jobsrv__jobs_answer(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_ANSWER, job, on_answer_allowed);
}
