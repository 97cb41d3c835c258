/* SPDX-License-Identifier: MIT */

#include "sse/openapi.h"

#include "sse/api.h"
#include "sse/authorise.h"
#include "sse/chain.h"
#include "sse/metrics.h"
#include "sse/problem.h"
#include "sse/route_table.h"

#include <string.h>

/*
 * The document is made of the table of routes each time that it is asked for:
 * what the host adds later is in it, and nothing is kept meanwhile.
 */

/* What any request may come to, and what those do that are not open. */
#define OF_ALL "400,403,408,413,414,417,431,500,501,503,505"
#define OF_GUARDED "401,421"

/* ---- paths ---- */

/* The methods that a path item has a place for. */
static int is_common(const char *method) {
  static const char *const methods[] = { "GET",  "PUT",     "POST", "DELETE",
                                         "HEAD", "OPTIONS", "PATCH", "TRACE" };

  for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
    if (strcmp(methods[i], method) == 0)
      return 1;
  return 0;
}

/* A name for the rest of a path which no segment of it has. */
static void rest_name(const char *pattern, char to[JOBSRV__PATTERN_MAX + 8]) {
  size_t len = 6;

  memcpy(to, "{rest}", len + 1);
  while (strstr(pattern, to) != NULL)
    memcpy(to + len++ - 1, "_}", 3);
}

/* `"/files/{rest}":` of "/files" and a "*". */
static void put_path(jobsrv__buf_t *buf, const jobsrv__route_t *route) {
  size_t len = strlen(route->pattern);
  char rest[JOBSRV__PATTERN_MAX + 8] = "";
  size_t from = buf->len;

  if (route->rank[strlen(route->rank) - 1] == JOBSRV__SEGMENT_REST) {
    rest_name(route->pattern, rest);
    len--; /* without the "*" */
  }
  (void) jobsrv__problem_string(buf, route->pattern, len);
  if (buf->failed != 0 || buf->len == from)
    return;
  buf->len--; /* into the string again */
  (void) jobsrv__buf_puts(buf, rest);
  (void) jobsrv__buf_puts(buf, "\":");
}

static void put_path_parameter(jobsrv__buf_t *buf,
                               const char *name,
                               size_t len,
                               int is_job) {
  (void) jobsrv__buf_printf(
      buf, "{\"name\":\"%.*s\",\"in\":\"path\",\"required\":true,\"schema\":",
      (int) len, name);
  jobsrv__doc_put(buf, is_job ? "{'$ref':'#/components/schemas/JobId'}},"
                              : "{'type':'string'}},");
}

/* All operations of a path have the names of the route that is first. */
static void put_path_parameters(jobsrv__buf_t *buf,
                                const jobsrv__route_t *route) {
  jobsrv__span_t rest =
      jobsrv__span(route->pattern, strlen(route->pattern));
  int is_own = jobsrv__doc_of(route) != NULL;
  char name[JOBSRV__PATTERN_MAX + 8];
  jobsrv__span_t segment;

  (void) jobsrv__buf_puts(buf, "\"parameters\":[");
  for (const char *rank = route->rank; *rank != '\0'; rank++) {
    (void) jobsrv__path_next(&rest, &segment);
    if (*rank == JOBSRV__SEGMENT_NAME)
      put_path_parameter(buf, segment.data + 1, segment.len - 2, is_own);
    if (*rank == JOBSRV__SEGMENT_REST) {
      rest_name(route->pattern, name);
      put_path_parameter(buf, name + 1, strlen(name) - 2, 0);
    }
  }
  jobsrv__doc_put(buf, "{'$ref':'#/components/parameters/X-Request-Id'},"
                       "{'$ref':'#/components/parameters/X-Correlation-Id'}]");
}

/* ---- operations ---- */

/* A list of references to what the names with commas stand for. */
static void put_parameters(jobsrv__buf_t *buf, const char *names) {
  const char *before = ",\"parameters\":[";

  if (names == NULL)
    return;
  while (*names != '\0') {
    size_t len = strcspn(names, ",");

    (void) jobsrv__buf_printf(
        buf, "%s{\"$ref\":\"#/components/parameters/%.*s\"}", before,
        (int) len, names);
    before = ",";
    names += len + (names[len] == ',');
  }
  (void) jobsrv__buf_putc(buf, ']');
}

static void put_body(jobsrv__buf_t *buf, const jobsrv__doc_t *doc) {
  if (doc->body != NULL)
    (void) jobsrv__buf_printf(
        buf,
        ",\"requestBody\":{\"required\":%s,\"content\":{\"application/json\":"
        "{\"schema\":{\"$ref\":\"#/components/schemas/%s\"}}}}",
        doc->is_body_due ? "true" : "false", doc->body);
}

static void put_answer_headers(jobsrv__buf_t *buf, const char *names) {
  jobsrv__doc_put(buf, "'headers':{"
                       "'X-Request-Id':{'$ref':"
                       "'#/components/headers/X-Request-Id'},"
                       "'X-Correlation-Id':{'$ref':"
                       "'#/components/headers/X-Correlation-Id'}");
  while (names != NULL && *names != '\0') {
    int len = (int) strcspn(names, ",");

    (void) jobsrv__buf_printf(
        buf, ",\"%.*s\":{\"$ref\":\"#/components/headers/%.*s\"}", len, names,
        len, names);
    names += len;
    names += *names == ',';
  }
  (void) jobsrv__buf_putc(buf, '}');
}

static void put_answer_content(jobsrv__buf_t *buf,
                               const jobsrv__doc_answer_t *answer) {
  static const char events[] =
      "'text/event-stream':{'schema':{'type':'string'},"
      "'x-itemSchema':{'$ref':'#/components/schemas/Event'}},"
      "'application/x-ndjson':{'schema':{'type':'string'},"
      "'x-itemSchema':{'$ref':'#/components/schemas/Event'}}";

  if (answer->body == JOBSRV__DOC_NOTHING)
    return;
  (void) jobsrv__buf_puts(buf, ",\"content\":{");
  if (answer->schema != NULL)
    (void) jobsrv__buf_printf(
        buf,
        "\"application/json\":{\"schema\":{\"$ref\":"
        "\"#/components/schemas/%s\"}}%s",
        answer->schema, answer->body == JOBSRV__DOC_STREAM ? "," : "");
  if (answer->body == JOBSRV__DOC_STREAM)
    jobsrv__doc_put(buf, events);
  if (answer->body == JOBSRV__DOC_METRICS)
    jobsrv__doc_put(buf, "'text/plain':{'schema':{'type':'string'}},"
                         "'application/openmetrics-text':{'schema':"
                         "{'type':'string'}}");
  (void) jobsrv__buf_putc(buf, '}');
}

static void put_answers(jobsrv__buf_t *buf, const jobsrv__doc_t *doc) {
  for (size_t i = 0; i < JOBSRV__DOC_ANSWERS && doc->answers[i].status; i++) {
    const jobsrv__doc_answer_t *answer = &doc->answers[i];

    (void) jobsrv__buf_printf(buf, "%s\"%d\":{\"description\":\"%s\",",
                              i > 0 ? "," : "", answer->status, answer->text);
    put_answer_headers(buf, answer->headers);
    put_answer_content(buf, answer);
    (void) jobsrv__buf_putc(buf, '}');
  }
}

static int has_credentials(const jobsrv_sse_t *sse) {
  return sse->token != NULL || sse->authorise != NULL;
}

static int is_guarded(const jobsrv_sse_t *sse, const jobsrv__route_t *route) {
  return has_credentials(sse) || (route->handler == jobsrv__metrics &&
                                  sse->metrics_token != NULL);
}

static void put_security(const jobsrv_sse_t *sse,
                         jobsrv__buf_t *buf,
                         const jobsrv__route_t *route,
                         const jobsrv__doc_t *doc) {
  if (!is_guarded(sse, route))
    return;
  if (route->is_open)
    jobsrv__doc_put(buf, ",'security':[]");
  else if (doc != NULL && doc->takes_ticket)
    jobsrv__doc_put(buf, ",'security':[{'bearer':[]},{'ticket':[]}]");
  else
    jobsrv__doc_put(buf, ",'security':[{'bearer':[]}]");
}

/* The host has not said what its own routes answer. */
static void put_hosts(jobsrv__buf_t *buf, const jobsrv__route_t *route) {
  (void) jobsrv__buf_puts(buf, "\"summary\":");
  (void) jobsrv__problem_string(buf, route->summary, strlen(route->summary));
  if (strcmp(route->method, "POST") == 0 ||
      strcmp(route->method, "PUT") == 0 || strcmp(route->method, "PATCH") == 0)
    jobsrv__doc_put(buf, ",'requestBody':{'content':{'*/*':{}}}");
  jobsrv__doc_put(buf, ",'responses':{'default':{'description':'What the host "
                       "answers.','content':{'*/*':{}}}}");
}

static void put_own(const jobsrv_sse_t *sse,
                    jobsrv__buf_t *buf,
                    const jobsrv__route_t *route,
                    const jobsrv__doc_t *doc) {
  const char *refused[] = { OF_ALL, route->is_open ? "" : OF_GUARDED,
                            doc->problems };

  (void) jobsrv__buf_printf(buf, "\"operationId\":\"%s\",\"summary\":\"%s\"",
                            doc->name, doc->summary);
  put_parameters(buf, doc->parameters);
  put_body(buf, doc);
  (void) jobsrv__buf_puts(buf, ",\"responses\":{");
  put_answers(buf, doc);
  jobsrv__doc_put_refused(buf, refused, 3);
  if (jobsrv__chain_has_hosts(sse))
    jobsrv__doc_put(buf, ",'default':{'description':'What a check of the "
                         "host answers.','content':{'*/*':{}}}");
  (void) jobsrv__buf_putc(buf, '}');
}

static void put_operation(const jobsrv_sse_t *sse,
                          jobsrv__buf_t *buf,
                          const jobsrv__route_t *route) {
  const jobsrv__doc_t *doc = jobsrv__doc_of(route);

  (void) jobsrv__buf_putc(buf, '"');
  for (const char *c = route->method; *c != '\0'; c++)
    (void) jobsrv__buf_putc(
        buf, is_common(route->method) ? jobsrv__lower(*c) : *c);
  (void) jobsrv__buf_puts(buf, "\":{");
  if (doc != NULL)
    put_own(sse, buf, route, doc);
  else
    put_hosts(buf, route);
  put_security(sse, buf, route, doc);
  (void) jobsrv__buf_putc(buf, '}');
}

/* What fits the same paths as `first`: of the usual methods, or the others. */
static void put_operations(const jobsrv_sse_t *sse,
                           jobsrv__buf_t *buf,
                           const jobsrv__route_t *first,
                           int common) {
  const jobsrv__route_t *route = NULL;
  const char *before = common ? "," : ",\"x-methods\":{";
  int any = 0;

  while ((route = jobsrv__routes_next(sse, route)) != NULL) {
    if (!jobsrv__routes_same(first, route) ||
        is_common(route->method) != common)
      continue;
    (void) jobsrv__buf_puts(buf, before);
    put_operation(sse, buf, route);
    before = ",";
    any = 1;
  }
  if (any && !common)
    (void) jobsrv__buf_putc(buf, '}');
}

static int is_first(const jobsrv_sse_t *sse, const jobsrv__route_t *route) {
  const jobsrv__route_t *other = jobsrv__routes_next(sse, NULL);

  while (!jobsrv__routes_same(other, route))
    other = jobsrv__routes_next(sse, other);
  return other == route;
}

static void put_paths(const jobsrv_sse_t *sse, jobsrv__buf_t *buf) {
  const jobsrv__route_t *route = NULL;
  const char *before = "";

  while ((route = jobsrv__routes_next(sse, route)) != NULL) {
    if (!is_first(sse, route))
      continue;
    (void) jobsrv__buf_puts(buf, before);
    before = ",";
    put_path(buf, route);
    (void) jobsrv__buf_putc(buf, '{');
    put_path_parameters(buf, route);
    put_operations(sse, buf, route, 1);
    put_operations(sse, buf, route, 0);
    (void) jobsrv__buf_putc(buf, '}');
  }
}

/* ---- the whole ---- */

static void put_components(const jobsrv_sse_t *sse, jobsrv__buf_t *buf) {
  (void) jobsrv__buf_puts(buf, "},\"components\":{\"schemas\":{");
  jobsrv__doc_put_schemas(sse, buf);
  (void) jobsrv__buf_puts(buf, "},\"parameters\":{");
  jobsrv__doc_put_parameters(buf);
  (void) jobsrv__buf_puts(buf, "},\"headers\":{");
  jobsrv__doc_put_headers(buf);
  (void) jobsrv__buf_puts(buf, "},\"responses\":{");
  jobsrv__doc_put_problems(sse, buf);
  (void) jobsrv__buf_putc(buf, '}');
  if (has_credentials(sse) || sse->metrics_token != NULL)
    jobsrv__doc_put(buf, ",'securitySchemes':{'bearer':{'type':'http',"
                         "'scheme':'bearer'},'ticket':{'type':'apiKey',"
                         "'in':'query','name':'ticket'}}");
  (void) jobsrv__buf_putc(buf, '}');
}

int jobsrv__openapi_write(const jobsrv_sse_t *sse, jobsrv__buf_t *buf) {
  (void) jobsrv__buf_printf(buf,
                            "{\"openapi\":\"3.1.0\",\"info\":{\"title\":"
                            "\"Jobs\",\"version\":\"%s\",\"description\":",
                            jobsrv_version_string());
  jobsrv__doc_put(buf, "'GET serves HEAD too, and OPTIONS is answered "
                       "everywhere; another method than those of a path is "
                       "told 405 with Allow.'},"
                       "'servers':[{'url':'/'}],'paths':{");
  put_paths(sse, buf);
  put_components(sse, buf);
  return jobsrv__buf_putc(buf, '}');
}

static void on_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  jobsrv__buf_t json;

  (void) job;
  jobsrv__buf_init(&json, request->sse->alloc, 0);
  if (jobsrv__openapi_write(request->sse, &json) != 0)
    jobsrv__refuse_no_memory(request);
  else
    jobsrv__respond_json(request, 200, NULL, json.data, json.len);
  jobsrv__buf_free(&json);
}

void jobsrv__openapi(jobsrv__request_t *request, void *data) {
  (void) data;
  jobsrv__authorise(request, JOBSRV_SSE_DESCRIBE, NULL, on_allowed);
}
