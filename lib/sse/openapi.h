/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_OPENAPI_H_
#define JOBSRV_SSE_OPENAPI_H_

/* GET P/openapi.json: what is served here, as OpenAPI 3.1 has it. */

#include "sse/request.h"

enum { JOBSRV__DOC_ANSWERS = 4 };

/* What an answer has for a body. */
typedef enum jobsrv__doc_body_e {
  JOBSRV__DOC_NOTHING,
  JOBSRV__DOC_JSON,   /* of `schema` */
  JOBSRV__DOC_STREAM, /* events, one by one */
  JOBSRV__DOC_METRICS,
  JOBSRV__DOC_ANYTHING
} jobsrv__doc_body_t;

typedef struct jobsrv__doc_answer_s {
  int status; /* 0: no more */
  jobsrv__doc_body_t body;
  const char *schema;  /* the name of one of the schemas */
  const char *headers; /* names with commas, besides those of all */
  const char *text;    /* of what it is */
} jobsrv__doc_answer_t;

/* What is told of one of the library's own routes. */
typedef struct jobsrv__doc_s {
  const char *method;
  jobsrv_sse_handler_cb handler; /* with the method, how a route is known */
  const char *name;
  const char *summary;
  const char *parameters; /* names with commas, but for those of the path */
  const char *body;       /* the schema of the request's; NULL: it has none */
  const char *problems;   /* statuses with commas, besides those of all */
  uint8_t is_body_due;
  uint8_t takes_ticket;
  jobsrv__doc_answer_t answers[JOBSRV__DOC_ANSWERS];
} jobsrv__doc_t;

/* NULL for a route of the host's. */
const jobsrv__doc_t *jobsrv__doc_of(const jobsrv__route_t *route);

/*
 * Appends `text` with each ' as ", so that JSON can be read in a literal: what
 * it says in words has no apostrophe.
 */
void jobsrv__doc_put(jobsrv__buf_t *buf, const char *text);

/* Each appends the members of one of the objects in `components`. */
void jobsrv__doc_put_schemas(const jobsrv_sse_t *sse, jobsrv__buf_t *buf);
void jobsrv__doc_put_parameters(jobsrv__buf_t *buf);
void jobsrv__doc_put_headers(jobsrv__buf_t *buf);
void jobsrv__doc_put_problems(const jobsrv_sse_t *sse, jobsrv__buf_t *buf);

/* The schemas of events, which those of jobs are followed by. */
void jobsrv__doc_put_events(jobsrv__buf_t *buf);

/* `,"404":{"$ref":...}` of each status that one of `n` lists with commas has;
   they may be NULL. */
void jobsrv__doc_put_refused(jobsrv__buf_t *buf,
                             const char *const *lists,
                             size_t n);

/*
 * Appends the document of what is served now. Returns `buf->failed`. Its length
 * is that of the routes and of what is always in it, under 64 KiB.
 */
int jobsrv__openapi_write(const jobsrv_sse_t *sse, jobsrv__buf_t *buf);

/* The handler. */
void jobsrv__openapi(jobsrv__request_t *request, void *data);

#endif /* JOBSRV_SSE_OPENAPI_H_ */
