/* SPDX-License-Identifier: MIT */

#include "sse/openapi.h"

#include "sse/chain.h"
#include "sse/response.h"

#include <stdio.h>
#include <string.h>

/* Parameters, headers and refusals, which the routes name. */

typedef struct {
  const char *key;
  const char *in; /* of a parameter; of a header whether it is always there */
  const char *name;
  const char *text;
  const char *schema;
} part_t;

static const part_t parameters[] = {
  { "after", "query", "after",
    "The cursor: what comes behind it is sent. Last-Event-ID wins.",
    "{'type':'string','maxLength':128}" },
  { "Last-Event-ID", "header", "Last-Event-ID",
    "The cursor, as an EventSource sends it.",
    "{'type':'string','maxLength':128}" },
  { "level", "query", "level", "The least level; ends are always sent.",
    "{'enum':['trace','debug','info','warn','error','fatal'],"
    "'default':'trace'}" },
  { "format", "query", "format",
    "text: lines for people in the place of JSON.",
    "{'enum':['json','text'],'default':'json'}" },
  { "mode", "query", "mode", "The voice of lines for people.",
    "{'enum':['human','cute','story'],'default':'human'}" },
  { "lag", "query", "lag",
    "What who is too slow is told: the gap, or by a break to come back.",
    "{'enum':['gap','break']}" },
  { "jobs", "query", "jobs", "Ids of jobs with commas between them.",
    "{'type':'string','minLength':1}" },
  { "wait", "query", "wait",
    "Seconds to wait at most for another state.",
    "{'type':'integer','minimum':1,'maximum':60}" },
  { "seen", "query", "state",
    "The state that is known already; without it, the one it has now.",
    "{'$ref':'#/components/schemas/State'}" },
  { "page_wait", "query", "wait",
    "Seconds to wait at most for the first event.",
    "{'type':'integer','minimum':1,'maximum':60}" },
  { "page_limit", "query", "limit", "How many events at most.",
    "{'type':'integer','minimum':1,'maximum':1000,'default':100}" },
  { "limit", "query", "limit", "How many jobs at most.",
    "{'type':'integer','minimum':1,'maximum':1000,'default':50}" },
  { "cursor", "query", "cursor", "The next_cursor of the page before.",
    "{'type':'string'}" },
  { "state", "query", "state", "States with commas between them.",
    "{'type':'string'}" },
  { "operation", "query", "operation", "Of this operation alone.",
    "{'type':'string','minLength':1,'maxLength':128}" },
  { "tag", "query", "tag", "With this tag, as key:value.",
    "{'type':'string'}" },
  { "Idempotency-Key", "header", "Idempotency-Key",
    "What is sent twice with the same key makes one job.",
    "{'type':'string','minLength':1,'maxLength':128}" },
  { "Prefer", "header", "Prefer",
    "wait=SECONDS: the answer is the record, if the job ends in time.",
    "{'type':'string'}" },
  { "traceparent", "header", "traceparent", "W3C Trace Context.",
    "{'type':'string'}" },
  { "tracestate", "header", "tracestate", "W3C Trace Context.",
    "{'type':'string'}" },
  { "X-Request-Id", "header", "X-Request-Id",
    "Goes with the answer and the job; without one it is made.",
    "{'type':'string','minLength':1,'maxLength':128}" },
  { "X-Correlation-Id", "header", "X-Correlation-Id",
    "Goes with the answer and the job; without one it is made.",
    "{'type':'string','minLength':1,'maxLength':128}" },
};

static const part_t headers[] = {
  { "X-Request-Id", "", NULL, "The id of the request.", "{'type':'string'}" },
  { "X-Correlation-Id", "", NULL, "The id of what it is a part of.",
    "{'type':'string'}" },
  { "Cache-Control", "always", NULL, "Nobody may keep the answer.",
    "{'type':'string','pattern':'^no-store'}" },
  { "Location", "", NULL, "The path of the job.", "{'type':'string'}" },
  { "Preference-Applied", "", NULL, "The wait that was granted.",
    "{'type':'string','pattern':'^wait=[0-9]+$'}" },
  { "X-Accel-Buffering", "always", NULL, "Told to proxies.",
    "{'const':'no'}" },
  { "Retry-After", "always", NULL, "Seconds until it makes sense again.",
    "{'type':'integer','minimum':1}" },
  { "WWW-Authenticate", "always", NULL, "What to come with.",
    "{'type':'string'}" },
};

typedef struct {
  int status;
  const char *codes; /* with commas */
  const char *header;
} refusal_t;

static const refusal_t refusals[] = {
  { 400, "bad_request,bad_json,bad_cursor", NULL },
  { 401, "unauthorized", "WWW-Authenticate" },
  { 403, "forbidden", NULL },
  { 404, "unknown_job,not_found", NULL },
  { 406, "not_acceptable", NULL },
  { 408, "timeout", NULL },
  { 409, "not_cancellable,conflict", NULL },
  { 410, "expired", NULL },
  { 411, "length_required", NULL },
  { 413, "content_too_large", NULL },
  { 414, "uri_too_long", NULL },
  { 415, "unsupported_media_type", NULL },
  { 417, "expectation_failed", NULL },
  { 421, "misdirected", NULL },
  { 422, "unknown_operation,invalid_options,idempotency_mismatch,"
         "invalid_payload", NULL },
  { 429, "queue_full,rate_limited,too_many_watchers", "Retry-After" },
  { 431, "header_too_large", NULL },
  { 500, "internal", NULL },
  { 501, "not_" "implemented", NULL },
  { 503, "too_many_jobs,too_many_streams,too_many_connections,draining,"
         "no_memory,lost_threads,timeout", "Retry-After" },
  { 505, "version_not_supported", NULL },
};

/* ---- words ---- */

void jobsrv__doc_put(jobsrv__buf_t *buf, const char *text) {
  size_t len = strlen(text);
  char *to = jobsrv__buf_reserve(buf, len);

  if (to == NULL)
    return;
  for (size_t i = 0; i < len; i++)
    to[i] = text[i] != '\'' ? text[i] : '"';
  buf->len += len;
}

/* "Not Found" as NotFound. */
static void put_title(jobsrv__buf_t *buf, int status) {
  for (const char *c = jobsrv__status_text(status); *c != '\0'; c++)
    if (*c != ' ')
      (void) jobsrv__buf_putc(buf, *c);
}

/* ---- parameters and headers ---- */

void jobsrv__doc_put_parameters(jobsrv__buf_t *buf) {
  for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
    const part_t *part = &parameters[i];

    (void) jobsrv__buf_printf(
        buf,
        "%s\"%s\":{\"name\":\"%s\",\"in\":\"%s\",\"description\":\"%s\"%s,"
        "\"schema\":",
        i > 0 ? "," : "", part->key, part->name, part->in, part->text,
        strcmp(part->key, "jobs") == 0 ? ",\"required\":true" : "");
    jobsrv__doc_put(buf, part->schema);
    (void) jobsrv__buf_putc(buf, '}');
  }
}

void jobsrv__doc_put_headers(jobsrv__buf_t *buf) {
  for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
    const part_t *part = &headers[i];

    (void) jobsrv__buf_printf(buf, "%s\"%s\":{\"description\":\"%s\"%s,"
                                   "\"schema\":",
                              i > 0 ? "," : "", part->key, part->text,
                              *part->in != '\0' ? ",\"required\":true" : "");
    jobsrv__doc_put(buf, part->schema);
    (void) jobsrv__buf_putc(buf, '}');
  }
}

/* ---- refusals ---- */

static void put_codes(jobsrv__buf_t *buf, const char *codes) {
  const char *before = "[\"";

  while (*codes != '\0') {
    size_t len = strcspn(codes, ",");

    (void) jobsrv__buf_printf(buf, "%s%.*s\"", before, (int) len, codes);
    before = ",\"";
    codes += len + (codes[len] == ',');
  }
  (void) jobsrv__buf_putc(buf, ']');
}

/* Links of the host's in the chain have codes of their own. */
static void put_refusal(const jobsrv_sse_t *sse,
                        jobsrv__buf_t *buf,
                        const refusal_t *refusal) {
  (void) jobsrv__buf_putc(buf, '"');
  put_title(buf, refusal->status);
  (void) jobsrv__buf_printf(buf, "\":{\"description\":\"%s\",",
                            jobsrv__status_text(refusal->status));
  if (refusal->header != NULL)
    (void) jobsrv__buf_printf(
        buf,
        "\"headers\":{\"%s\":{\"$ref\":\"#/components/headers/%s\"}},",
        refusal->header, refusal->header);
  jobsrv__doc_put(buf, "'content':{'application/problem+json':{'schema':"
                       "{'allOf':[{'$ref':'#/components/schemas/Problem'}],"
                       "'properties':{'status':{'const':");
  (void) jobsrv__buf_printf(buf, "%d},\"code\":{\"%s\":", refusal->status,
                            jobsrv__chain_has_hosts(sse) ? "examples"
                                                         : "enum");
  put_codes(buf, refusal->codes);
  (void) jobsrv__buf_puts(buf, "}}}}}}");
}

void jobsrv__doc_put_problems(const jobsrv_sse_t *sse, jobsrv__buf_t *buf) {
  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
    if (i > 0)
      (void) jobsrv__buf_putc(buf, ',');
    put_refusal(sse, buf, &refusals[i]);
  }
}

static int is_listed(int status, const char *const *lists, size_t n) {
  char text[8];

  (void) snprintf(text, sizeof(text), "%d", status);
  for (size_t i = 0; i < n; i++)
    if (lists[i] != NULL && strstr(lists[i], text) != NULL)
      return 1;
  return 0;
}

void jobsrv__doc_put_refused(jobsrv__buf_t *buf,
                             const char *const *lists,
                             size_t n) {
  for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
    int status = refusals[i].status;

    if (!is_listed(status, lists, n))
      continue;
    (void) jobsrv__buf_printf(
        buf, ",\"%d\":{\"$ref\":\"#/components/responses/", status);
    put_title(buf, status);
    (void) jobsrv__buf_puts(buf, "\"}");
  }
}
