/* SPDX-License-Identifier: MIT */

#include "sse/openapi.h"

#include "sse/api.h"
#include "sse/metrics.h"
#include "sse/route_table.h"
#include "sse/ticket.h"

#include <string.h>

/* What the library's own routes take and answer. */

#define OF_VIEW "after,level,format,mode,lag,Last-Event-ID"

static const jobsrv__doc_t docs[] = {
  { .method = "GET", .handler = jobsrv__jobs_list, .name = "listJobs",
    .summary = "Jobs, the newest first, a page at a time",
    .parameters = "state,operation,tag,limit,cursor",
    .answers = { { 200, JOBSRV__DOC_JSON, "JobPage", "Cache-Control",
                   "A page; the last one has no next_cursor." } } },
  { .method = "POST", .handler = jobsrv__jobs_create, .name = "createJob",
    .summary = "Creates a job; with a stream in Accept, and streams it",
    .parameters = "level,format,mode,lag,Idempotency-Key,Prefer,traceparent,"
                  "tracestate",
    .body = "NewJob", .is_body_due = 1,
    .problems = "406,409,410,411,415,422,429",
    .answers = { { 202, JOBSRV__DOC_JSON, "JobMade",
                   "Cache-Control,Location,Preference-Applied",
                   "The job is made, or goes on beyond the time to wait." },
                 { 200, JOBSRV__DOC_STREAM, "JobMadeOrEnded",
                   "Cache-Control,Location,Preference-Applied",
                   "The job that was there before (by Idempotency-Key or "
                   "unique_key), the record of one that has ended within the "
                   "time to wait, or the stream that was asked for." },
                 { 204, JOBSRV__DOC_NOTHING, NULL, NULL,
                   "The job that was there before has ended, and a stream "
                   "from its end was asked for." } } },
  { .method = "GET", .handler = jobsrv__jobs_record, .name = "getJob",
    .summary = "A record of the job; with wait=, once its state has changed",
    .parameters = "wait,seen", .problems = "404,410",
    .answers = { { 200, JOBSRV__DOC_JSON, "Job", "Cache-Control",
                   "The record." } } },
  { .method = "DELETE", .handler = jobsrv__jobs_cancel, .name = "deleteJob",
    .summary = "Asks the job to stop", .problems = "404,409,410",
    .answers = { { 200, JOBSRV__DOC_JSON, "Job", "Cache-Control",
                   "The job has ended, whatever its outcome." },
                 { 202, JOBSRV__DOC_JSON, "Job", "Cache-Control",
                   "The job is about to stop." } } },
  { .method = "POST", .handler = jobsrv__jobs_cancel, .name = "cancelJob",
    .summary = "Asks the job to stop, with a reason",
    .body = "CancelRequest", .problems = "404,409,410,415,422",
    .answers = { { 200, JOBSRV__DOC_JSON, "Job", "Cache-Control",
                   "The job has ended, whatever its outcome." },
                 { 202, JOBSRV__DOC_JSON, "Job", "Cache-Control",
                   "The job is about to stop." } } },
  { .method = "POST", .handler = jobsrv__jobs_answer, .name = "answerJob",
    .summary = "Input for a job that waits for it",
    .body = "Answer", .problems = "404,409,410,415,422",
    .answers = { { 202, JOBSRV__DOC_JSON, "Job", "Cache-Control",
                   "The job has it and goes on." } } },
  { .method = "POST", .handler = jobsrv__jobs_ticket, .name = "getTicket",
    .summary = "Lets a page watch the job that can send no credentials",
    .problems = "404,410",
    .answers = { { 200, JOBSRV__DOC_JSON, "Ticket", "Cache-Control",
                   "The ticket, and where it lets in." } } },
  { .method = "GET", .handler = jobsrv__jobs_stream, .name = "streamJob",
    .summary = "What the job tells, from a cursor on and live",
    .parameters = OF_VIEW, .problems = "404,406,410,429", .takes_ticket = 1,
    .answers = { { 200, JOBSRV__DOC_STREAM, NULL,
                   "Cache-Control,X-Accel-Buffering", "Events." },
                 { 204, JOBSRV__DOC_NOTHING, NULL, NULL,
                   "The cursor is at the end of a job that has ended." } } },
  { .method = "GET", .handler = jobsrv__jobs_many, .name = "streamJobs",
    .summary = "What many jobs tell, in the order of the server",
    .parameters = "jobs," OF_VIEW, .problems = "404,406,410,429",
    .answers = { { 200, JOBSRV__DOC_STREAM, NULL,
                   "Cache-Control,X-Accel-Buffering", "Events." },
                 { 204, JOBSRV__DOC_NOTHING, NULL, NULL,
                   "All of these jobs have ended before the cursor." } } },
  { .method = "GET", .handler = jobsrv__jobs_all, .name = "streamAll",
    .summary = "What all jobs tell that the caller may see, and those to come",
    .parameters = OF_VIEW, .problems = "406",
    .answers = { { 200, JOBSRV__DOC_STREAM, NULL,
                   "Cache-Control,X-Accel-Buffering",
                   "Events, without end." } } },
  { .method = "GET", .handler = jobsrv__jobs_events, .name = "listEvents",
    .summary = "What the job has told, a page at a time",
    .parameters = "after,page_limit,page_wait,level,Last-Event-ID",
    .problems = "404,410",
    .answers = { { 200, JOBSRV__DOC_JSON, "EventPage", "Cache-Control",
                   "A page; its next_after is the cursor of the next." } } },
  { .method = "GET", .handler = jobsrv__openapi, .name = "getOpenapi",
    .summary = "This document",
    .answers = { { 200, JOBSRV__DOC_JSON, "Anything", "Cache-Control",
                   "An OpenAPI 3.1 document." } } },
  { .method = "GET", .handler = jobsrv__health, .name = "getHealth",
    .summary = "Whether the server is alive",
    .answers = { { 200, JOBSRV__DOC_JSON, "Health", "Cache-Control",
                   "It is." } } },
  { .method = "GET", .handler = jobsrv__ready, .name = "getReady",
    .summary = "Whether the server takes work",
    .answers = { { 200, JOBSRV__DOC_JSON, "Ready", "Cache-Control",
                   "It does." } } },
  { .method = "GET", .handler = jobsrv__metrics, .name = "getMetrics",
    .summary = "What is counted and measured",
    .answers = { { 200, JOBSRV__DOC_METRICS, NULL, "Cache-Control",
                   "Prometheus text, or by Accept OpenMetrics." } } },
};

const jobsrv__doc_t *jobsrv__doc_of(const jobsrv__route_t *route) {
  for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++)
    if (docs[i].handler == route->handler &&
        strcmp(docs[i].method, route->method) == 0)
      return &docs[i];
  return NULL;
}
