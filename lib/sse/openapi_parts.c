/* SPDX-License-Identifier: MIT */

#include "sse/openapi.h"

#include "sse/chain.h"
#include "sse/response.h"

#include <stdio.h>
#include <string.h>

/* Parameters, headers and problems, which the routes name. */

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
  { "Allow", "always", NULL, "The methods that there are.",
    "{'type':'string'}" },
};

static const struct {
  int status;
  const char *code;
  const char *when;
} problems[] = {
#define XX(status, code, when) { status, #code, when },
  JOBSRV_SSE_PROBLEM_MAP(XX)
#undef XX
};

enum { PROBLEMS = sizeof(problems) / sizeof(problems[0]) };

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

/* ---- problems ---- */

/* Where those of the same status, which stand together, end. */
static size_t group_end(size_t from) {
  size_t end = from + 1;

  while (end < PROBLEMS && problems[end].status == problems[from].status)
    end++;
  return end;
}

static const char *header_of(int status) {
  switch (status) {
  case 401:
    return "WWW-Authenticate";
  case 405:
    return "Allow";
  case 429:
  case 503:
    return "Retry-After";
  default:
    return NULL;
  }
}

/* Links of the host's in the chain have codes of their own. */
static void put_group(const jobsrv_sse_t *sse,
                      jobsrv__buf_t *buf,
                      size_t from,
                      size_t end) {
  const char *header = header_of(problems[from].status);

  (void) jobsrv__buf_putc(buf, '"');
  put_title(buf, problems[from].status);
  (void) jobsrv__buf_puts(buf, "\":{\"description\":\"");
  for (size_t i = from; i < end; i++)
    (void) jobsrv__buf_printf(buf, "%s%s: %s.", i > from ? " " : "",
                              problems[i].code, problems[i].when);
  (void) jobsrv__buf_puts(buf, "\",");
  if (header != NULL)
    (void) jobsrv__buf_printf(
        buf,
        "\"headers\":{\"%s\":{\"$ref\":\"#/components/headers/%s\"}},",
        header, header);
  jobsrv__doc_put(buf, "'content':{'application/problem+json':{'schema':"
                       "{'allOf':[{'$ref':'#/components/schemas/Problem'}],"
                       "'properties':{'status':{'const':");
  (void) jobsrv__buf_printf(
      buf, "%d},\"code\":{\"%s\":", problems[from].status,
      jobsrv__chain_has_hosts(sse) ? "examples" : "enum");
  for (size_t i = from; i < end; i++)
    (void) jobsrv__buf_printf(buf, "%c\"%s\"", i > from ? ',' : '[',
                              problems[i].code);
  (void) jobsrv__buf_puts(buf, "]}}}}}}");
}

void jobsrv__doc_put_problems(const jobsrv_sse_t *sse, jobsrv__buf_t *buf) {
  size_t end;

  for (size_t from = 0; from < PROBLEMS; from = end) {
    end = group_end(from);
    put_group(sse, buf, from, end);
    if (end < PROBLEMS)
      (void) jobsrv__buf_putc(buf, ',');
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
  for (size_t i = 0; i < PROBLEMS; i = group_end(i)) {
    int status = problems[i].status;

    if (!is_listed(status, lists, n))
      continue;
    (void) jobsrv__buf_printf(
        buf, ",\"%d\":{\"$ref\":\"#/components/responses/", status);
    put_title(buf, status);
    (void) jobsrv__buf_puts(buf, "\"}");
  }
}
