/* SPDX-License-Identifier: MIT */

#include "jobsrv/list.h"
#include "sse/api.h"
#include "sse/authorise.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/*
 * GET P/jobs. A page is taken job by job, so that one whose records are long
 * can end early; a cursor is where jobsrv_list() goes on, and the boot.
 */

enum {
  LIMIT_DEFAULT = 50,
  LIMIT_MAX = 1000,
  VALUE_SIZE = 512,        /* of a parameter, with the NUL */
  NAME_MAX_LEN = 128,      /* of an operation */
  PAGE_BYTES = 1024 * 1024, /* of records; one at least */
  LOOKS = 10000             /* at jobs that are not the caller's to see */
};

typedef struct {
  jobsrv_filter_t filter;
  jobsrv_page_t page;
  unsigned int limit;
  char operation[VALUE_SIZE];
  char tag[VALUE_SIZE];
} query_t;

static int refuse(jobsrv__request_t *request,
                  const char *code,
                  const char *detail) {
  jobsrv__refuse(request, 400, code, 0, detail);
  return 0;
}

/* How often a query has a parameter of that name. */
static int times(jobsrv__span_t query, const char *name) {
  const char *at = query.data;
  const char *end = query.data != NULL ? at + query.len : at;
  size_t len = strlen(name);
  const char *next;
  int n = 0;

  for (; at < end; at = next + 1) {
    next = memchr(at, '&', (size_t) (end - at));
    if (next == NULL)
      next = end;
    n += (size_t) (next - at) >= len && memcmp(at, name, len) == 0 &&
         (at + len == next || at[len] == '=');
  }
  return n;
}

/* 1 with the value; 0 without one; -1 for one that cannot be right. */
static int value_of(const jobsrv__request_t *request,
                    const char *name,
                    char *to,
                    size_t *len) {
  int found = jobsrv__query_find(request->query, name, to, VALUE_SIZE);

  if (found == UV_ENOENT)
    return 0;
  if (found < 0 || times(request->query, name) > 1)
    return -1;
  *len = (size_t) found;
  return 1;
}

/* Returns the bit of one name, 0 for what is no state. */
static uint32_t state_bit(const char *name, size_t len) {
  for (int i = 0; i < JOBSRV_STATE_MAX; i++) {
    const char *text = jobsrv_state_name((jobsrv_state_t) i);

    if (strlen(text) == len && memcmp(text, name, len) == 0)
      return JOBSRV_STATE_BIT(i);
  }
  return 0;
}

static int read_states(uint32_t *states, const char *text) {
  for (;;) {
    size_t len = strcspn(text, ",");
    uint32_t bit = state_bit(text, len);

    if (bit == 0)
      return 0;
    *states |= bit;
    if (text[len] == '\0')
      return 1;
    text += len + 1;
  }
}

/* A key of a tag, a colon, its value. */
static int read_tag(jobsrv_filter_t *filter, char *text) {
  static const char allowed[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  char *colon = strchr(text, ':');
  size_t len = colon != NULL ? (size_t) (colon - text) : 0;

  if (len == 0 || len > 64 || strspn(text, allowed) != len ||
      strlen(colon + 1) > 256)
    return 0;
  *colon = '\0';
  filter->tag_key = text;
  filter->tag_value = colon + 1;
  return 1;
}

static int read_limit(unsigned int *limit, const char *text, size_t len) {
  unsigned int n = 0;

  if (len == 0 || len > 4 || strspn(text, "0123456789") != len)
    return 0;
  while (*text != '\0')
    n = n * 10 + (unsigned int) (*text++ - '0');
  *limit = n;
  return n >= 1 && n <= LIMIT_MAX;
}

/* ---- cursors ---- */

enum { CURSOR_SIZE = 80 };

static void cursor_write(char to[CURSOR_SIZE],
                         const jobsrv_t *srv,
                         const jobsrv_page_t *page) {
  (void) snprintf(to, CURSOR_SIZE, "%s-%" PRIx64 "-%" PRIx32 "-%" PRIx32,
                  jobsrv_boot(srv), page->number, page->job.index,
                  page->job.generation);
}

static int take_hex(const char **at, size_t digits, uint64_t *to) {
  static const char hex[] = "0123456789abcdef";
  size_t len;

  if (**at != '-')
    return 0;
  len = strspn(++*at, hex);
  if (len == 0 || len > digits)
    return 0;
  for (*to = 0; len > 0; len--)
    *to = *to << 4 | (uint64_t) (strchr(hex, *(*at)++) - hex);
  return 1;
}

/* One of another boot is as wrong as any other: its jobs are not here. */
static int cursor_read(const jobsrv_t *srv,
                       const char *text,
                       jobsrv_page_t *page) {
  size_t boot = strlen(jobsrv_boot(srv));
  uint64_t index, generation;

  if (strncmp(text, jobsrv_boot(srv), boot) != 0)
    return 0;
  text += boot;
  if (!take_hex(&text, 16, &page->number) || !take_hex(&text, 8, &index) ||
      !take_hex(&text, 8, &generation) || *text != '\0')
    return 0;
  page->job.index = (uint32_t) index;
  page->job.generation = (uint32_t) generation;
  return page->number != 0;
}

/* ---- the whole query; 0 when it has answered ---- */

static int read_query(jobsrv__request_t *request, query_t *query) {
  char value[VALUE_SIZE];
  size_t len = 0;
  int has;

  jobsrv_filter_init(&query->filter);
  memset(&query->page, 0, sizeof(query->page));
  query->filter.public_only = 1;
  query->limit = LIMIT_DEFAULT;

  has = value_of(request, "state", value, &len);
  if (has < 0 || (has && !read_states(&query->filter.states, value)))
    return refuse(request, "bad_request",
                  "state: must be one or more states, with commas");
  has = value_of(request, "operation", query->operation, &len);
  if (has < 0 || (has && (len == 0 || len > NAME_MAX_LEN)))
    return refuse(request, "bad_request",
                  "operation: must be the name of one");
  if (has)
    query->filter.operation = query->operation;
  has = value_of(request, "tag", query->tag, &len);
  if (has < 0 || (has && !read_tag(&query->filter, query->tag)))
    return refuse(request, "bad_request", "tag: must be a key:value");
  has = value_of(request, "limit", value, &len);
  if (has < 0 || (has && !read_limit(&query->limit, value, len)))
    return refuse(request, "bad_request",
                  "limit: must be a whole number from 1 to 1000");
  has = value_of(request, "cursor", value, &len);
  if (has < 0 ||
      (has && !cursor_read(request->sse->srv, value, &query->page)))
    return refuse(request, "bad_cursor",
                  "cursor: must be the next_cursor of an earlier page, since "
                  "the server was started");
  return 1;
}

/* ---- the answer ---- */

/* Returns 1 if it is the caller's to see: it is then there, or `failed` is. */
static int put_job(jobsrv__request_t *request,
                   jobsrv_job_t *job,
                   int is_first,
                   jobsrv__buf_t *json) {
  int may;

  jobsrv_job_ref(job); /* whatever the hook does to it */
  may = jobsrv__may_read(request, job);
  if (may && !is_first)
    (void) jobsrv__buf_putc(json, ',');
  if (may)
    (void) jobsrv__jobs_put_record(request, job, JOBSRV_RECORD_BRIEF, json);
  jobsrv_job_unref(job);
  return may;
}

/* Fills the page; `page` is then where the next one goes on, or zero. */
static void put_jobs(jobsrv__request_t *request,
                     query_t *query,
                     jobsrv__buf_t *json) {
  const jobsrv_t *srv = request->sse->srv;
  unsigned int looks = 0;
  unsigned int n = 0;
  jobsrv_page_t before;
  jobsrv_job_t *job;
  size_t len;

  /* the hook may close the transport, and the server too */
  while (n < query->limit && looks < LOOKS && !request->sse->is_closing) {
    before = query->page;
    if (jobsrv_list(srv, &query->filter, &query->page, &job, 1) == 0)
      return;
    len = json->len;
    if (!put_job(request, job, n == 0, json)) {
      looks++;
    } else if (json->failed != 0) {
      return;
    } else if (n > 0 && json->len > PAGE_BYTES) { /* it begins the next page */
      json->len = len;
      query->page = before;
      return;
    } else {
      n++;
    }
    if (query->page.number == 0)
      return;
  }
}

static void on_list_allowed(jobsrv__request_t *request, jobsrv_job_t *none) {
  char cursor[CURSOR_SIZE];
  jobsrv__buf_t json;
  query_t query;

  (void) none;
  if (!read_query(request, &query))
    return;
  jobsrv__buf_init(&json, request->sse->alloc, 0);
  (void) jobsrv__buf_puts(&json, "{\"jobs\":[");
  put_jobs(request, &query, &json);
  (void) jobsrv__buf_putc(&json, ']');
  if (query.page.number != 0) {
    cursor_write(cursor, request->sse->srv, &query.page);
    (void) jobsrv__buf_printf(&json, ",\"next_cursor\":\"%s\"", cursor);
  }
  (void) jobsrv__buf_putc(&json, '}');
  if (json.failed != 0)
    jobsrv__refuse_no_memory(request);
  else
    jobsrv__respond_json(request, 200, NULL, json.data, json.len);
  jobsrv__buf_free(&json);
}

void jobsrv__jobs_list(jobsrv__request_t *request, void *data) {
  (void) data;
  jobsrv__authorise(request, JOBSRV_SSE_LIST, NULL, on_list_allowed);
}
