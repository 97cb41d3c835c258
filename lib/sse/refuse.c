/* SPDX-License-Identifier: MIT */

#include "sse/refuse.h"

#include "sse/api.h"

void jobsrv__refuse(jobsrv__request_t *request,
                    int status,
                    const char *code,
                    unsigned int retry_after_s,
                    const char *detail) {
  jobsrv__problem_t problem = {
    .status = status,
    .code = code,
    .retry_after_s = retry_after_s,
  };

  jobsrv__respond_problem(request, &problem, "%s", detail);
}

void jobsrv__refuse_unknown_job(jobsrv__request_t *request) {
  jobsrv__refuse(request, 404, "unknown_job", 0, "there is no such job");
}

void jobsrv__refuse_no_memory(jobsrv__request_t *request) {
  jobsrv__refuse(request, 503, "no_memory", JOBSRV__RETRY_SOON,
                 "there is no memory for this now");
}

void jobsrv__refuse_draining(jobsrv__request_t *request) {
  jobsrv__refuse(request, 503, "draining", JOBSRV__RETRY_LATER,
                 "the server is shutting down and takes no new work");
}

void jobsrv__refuse_at(jobsrv__request_t *request,
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

void jobsrv__refuse_media(jobsrv__request_t *request) {
  jobsrv__refuse(request, 415, "unsupported_media_type", 0,
                 "the body must be application/json in UTF-8");
}

/* What jobsrv_submit() returned. */
void jobsrv__refuse_submit(jobsrv__request_t *request,
                           int err,
                           const jobsrv_mistake_t *mistake) {
  switch (err) {
  case JOBSRV_EPAYLOAD:
    jobsrv__refuse_at(request, "invalid_payload", mistake);
    return;
  case JOBSRV_ENOOPERATION:
    jobsrv__refuse(request, 422, "unknown_operation", 0,
                   "there is no such operation");
    return;
  case JOBSRV_ETOOBIG:
    jobsrv__refuse(request, 413, "content_too_large", 0,
                   "the payload is too large");
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
int jobsrv__check_json(jobsrv__request_t *request) {
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
