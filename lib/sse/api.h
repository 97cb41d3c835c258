/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_API_H_
#define JOBSRV_SSE_API_H_

/* The half of the transport that knows jobs. */

#include "sse/conn.h"
#include "sse/frames.h"
#include "sse/refuse.h"
#include "sse/response.h"

/* What Retry-After says, in seconds. */
enum {
  JOBSRV__RETRY_SOON = 1,  /* a queue moves, memory comes back */
  JOBSRV__RETRY_LATER = 5  /* watchers leave, a successor takes over */
};

/* ---- route.c ---- */

enum { JOBSRV__SEGMENT_SIZE = 129 };

/* Puts the library's own routes in. Returns 0 or UV_ENOMEM. */
int jobsrv__routes_init(jobsrv_sse_t *sse);

/* Decodes the {id} of the path. Returns 1, or 0 when it is too long for one. */
int jobsrv__route_id(const jobsrv__request_t *request,
                     char id[JOBSRV__SEGMENT_SIZE]);

/* A JSON answer that nobody may keep, HEAD included. */
void jobsrv__respond_json(jobsrv__request_t *request,
                          int status,
                          const char *location,
                          const char *json,
                          size_t len);

/* Fills the request's two ids, if they are not yet: taken or made. */
void jobsrv__request_ids(jobsrv__request_t *request);

/* ---- auth.c ---- */

/* Each returns 1 when the request may pass, 0 when it has answered. */
int jobsrv__auth_host(jobsrv__request_t *request);
int jobsrv__auth_token(jobsrv__request_t *request);

/* 1 for localhost, an IP literal, or one of `hosts` (NULL-ended, or NULL). */
int jobsrv__host_allowed(jobsrv__span_t host, char *const *hosts);

/* 1 when `given` is `token`, in a time that does not tell how much of it is. */
int jobsrv__token_matches(jobsrv__span_t given, const char *token);

/* ---- media.c ---- */

/* 1 for application/json, in UTF-8 if it says so. */
int jobsrv__media_is_json(jobsrv__span_t content_type);

/* 1 when an Accept field lets `type`/`subtype` through; data NULL is any. */
int jobsrv__media_accepts(jobsrv__span_t accept,
                          const char *type,
                          const char *subtype);

/*
 * How much an Accept field wants `type`/`subtype`, 0: not at all. Of two that
 * it wants alike, the one it names more exactly comes first.
 */
int jobsrv__media_weight(jobsrv__span_t accept,
                         const char *type,
                         const char *subtype);

/*
 * 1 when Accept-Encoding asks for gzip, and for nothing rather: what does not
 * name it, or is not there, does not.
 */
int jobsrv__media_wants_gzip(const jobsrv__request_t *request);

/* ---- the handlers ---- */

int jobsrv__jobs_precheck(jobsrv__request_t *request, void *data);
void jobsrv__jobs_create(jobsrv__request_t *request, void *data);
void jobsrv__jobs_list(jobsrv__request_t *request, void *data);
void jobsrv__jobs_record(jobsrv__request_t *request, void *data);
void jobsrv__jobs_cancel(jobsrv__request_t *request, void *data);
void jobsrv__jobs_answer(jobsrv__request_t *request, void *data);
void jobsrv__jobs_stream(jobsrv__request_t *request, void *data);
void jobsrv__jobs_many(jobsrv__request_t *request, void *data);
void jobsrv__jobs_all(jobsrv__request_t *request, void *data);
void jobsrv__jobs_events(jobsrv__request_t *request, void *data);
void jobsrv__health(jobsrv__request_t *request, void *data);
void jobsrv__ready(jobsrv__request_t *request, void *data);

/*
 * Appends the job's record with its links; `flags` as of jobsrv_job_record().
 * Returns `json->failed`.
 */
int jobsrv__jobs_put_record(const jobsrv__request_t *request,
                            const jobsrv_job_t *job,
                            int flags,
                            jobsrv__buf_t *json);

/* Answers with the record; `location` may be NULL. */
void jobsrv__respond_record(jobsrv__request_t *request,
                            int status,
                            const char *location,
                            const jobsrv_job_t *job);

enum {
  JOBSRV__LOCATION_SIZE = JOBSRV__PREFIX_MAX + JOBSRV_ID_SIZE + 8
};

/* Writes the path of the job. */
void jobsrv__locate(const jobsrv__request_t *request,
                    const jobsrv_job_t *job,
                    char to[JOBSRV__LOCATION_SIZE]);

/* ---- creating and streaming in one ---- */

/* 1 when the answer to a POST is to be a stream rather than JSON. */
int jobsrv__wants_stream(const jobsrv__request_t *request);

/* Before anything is created: 1, or 0 when it has answered. */
int jobsrv__may_stream(jobsrv__request_t *request);

/* Answers with the stream of the job that was created. */
void jobsrv__stream_created(jobsrv__request_t *request, jobsrv_job_t *job);

/* The server has drained: streams that never end by themselves do. */
void jobsrv__streams_finish(jobsrv_sse_t *sse);

/* Streams that are over let go of their jobs, which may have them cancelled. */
void jobsrv__streams_leave(jobsrv_sse_t *sse);

/*
 * The job that the path's {id} names, lent; NULL when it has answered 404 or
 * 410.
 */
jobsrv_job_t *jobsrv__jobs_find(jobsrv__request_t *request);

#endif /* JOBSRV_SSE_API_H_ */
