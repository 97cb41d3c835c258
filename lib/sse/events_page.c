/* SPDX-License-Identifier: MIT */

#include "sse/authorise.h"
#include "sse/hold.h"
#include "sse/stream.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

/*
 * GET P/jobs/{id}/events: what the stream would send, a page at a time, for
 * who polls. Progress is no event and is in the record.
 */

enum {
  LIMIT = 100,
  LIMIT_MAX = 1000,
  PAGE_BYTES = 1024 * 1024, /* enough: the next page has the rest */
  NUMBER_SIZE = 8
};

typedef struct {
  jobsrv__resume_t resume;
  unsigned int limit;
  unsigned int wait;
  uint8_t level;
} ask_t;

/* A request that waits for something to be told. */
typedef struct {
  jobsrv_cursor_t cursor; /* its `data` is the job */
  jobsrv_timer_t timer;
  jobsrv__request_t *request;
  ask_t ask;
  int is_answering; /* a sink that closes the server has cursors told */
} waiting_t;

/* ---- what is asked for ---- */

/* A whole number; 0 without the parameter, -1 for what is none. */
static int number(const jobsrv__request_t *request,
                  const char *name,
                  int most) {
  char text[NUMBER_SIZE];
  int len = jobsrv__query_find(request->query, name, text, sizeof(text));
  int value = 0;

  if (len == UV_ENOENT)
    return 0;
  for (int i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return -1;
    value = value * 10 + (text[i] - '0');
  }
  return len > 0 && value >= 1 && value <= most ? value : -1;
}

/* Returns 1, or 0 when it has answered. */
static int read_ask(jobsrv__request_t *request,
                    const jobsrv_job_t *job,
                    ask_t *ask) {
  int limit = number(request, "limit", LIMIT_MAX);
  int wait = number(request, "wait", JOBSRV__HOLD_MAX_S);

  if (limit < 0 || wait < 0) {
    jobsrv__refuse(request, 400, "bad_request", 0,
                   limit < 0 ? "limit: must be from 1 to 1000"
                             : "wait: must be whole seconds from 1 to 60");
    return 0;
  }
  ask->limit = limit > 0 ? (unsigned int) limit : LIMIT;
  ask->wait = (unsigned int) wait;
  return jobsrv__view_read_level(request, &ask->level) &&
         jobsrv__resume_read(request, job, &ask->resume);
}

/* ---- the page ---- */

typedef struct {
  jobsrv__frames_t frames;
  jobsrv__view_t view;
  jobsrv__buf_t json;
  unsigned int count;
  uint64_t next_after;
  int ended;
} page_t;

static void put(page_t *page, const char *json, size_t len) {
  if (page->count++ > 0)
    (void) jobsrv__buf_putc(&page->json, ',');
  (void) jobsrv__buf_append(&page->json, json, len);
}

static void put_end(page_t *page, char *scratch) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(page->frames.job, &info);
  if (page->next_after < info.last_seq)
    put(page, scratch, jobsrv__json_end(&page->frames, scratch));
  page->next_after = info.last_seq;
  page->ended = 1;
}

/* Reads until there are enough or no more. */
static void read_events(page_t *page,
                        jobsrv_cursor_t *cursor,
                        unsigned int limit,
                        char *scratch) {
  jobsrv_entry_t entry;
  jobsrv_view_t gap;

  while (page->count < limit && page->json.len < PAGE_BYTES &&
         !page->json.failed) {
    switch (jobsrv_cursor_next(cursor, &entry, &gap)) {
    case JOBSRV_READ_EVENTS:
      if (jobsrv__view_passes(&page->view, &entry))
        put(page, entry.json, entry.json_len);
      page->next_after = entry.seq;
      break;
    case JOBSRV_READ_GAP:
      put(page, scratch,
          jobsrv__json_trimmed(&page->frames, gap.missed_from, gap.missed_to,
                               scratch));
      page->next_after = gap.missed_to;
      break;
    case JOBSRV_READ_PROGRESS:
      break;
    case JOBSRV_READ_END:
      put_end(page, scratch);
      return;
    default:
      return;
    }
  }
}

/*
 * Answers from where the cursor stands. With `must_have` a page without events
 * of a job that goes on is not sent: returns 0 then, else 1.
 */
static int respond_page(jobsrv__request_t *request,
                        jobsrv_cursor_t *cursor,
                        const ask_t *ask,
                        int must_have) {
  jobsrv_sse_t *sse = request->sse;
  page_t page = {
    .frames = { .srv = sse->srv, .job = cursor->data, .prefix = sse->prefix },
    .view = { .level = ask->level },
    .next_after = jobsrv_cursor_seq(cursor),
  };
  int is_sent = 1;

  jobsrv__buf_init(&page.json, sse->alloc, 0);
  (void) jobsrv__buf_puts(&page.json, "{\"events\":[");
  if (ask->resume.is_restart)
    put(&page, sse->scratch, jobsrv__json_restart(&page.frames, sse->scratch));
  read_events(&page, cursor, ask->limit, sse->scratch);
  (void) jobsrv__buf_printf(&page.json,
                            "],\"next_after\":%" PRIu64 ",\"ended\":%s}",
                            page.next_after, page.ended ? "true" : "false");
  if (page.json.failed)
    jobsrv__refuse_no_memory(request);
  else if (must_have && page.count == 0 && !page.ended)
    is_sent = 0;
  else
    jobsrv__respond_json(request, 200, NULL, page.json.data, page.json.len);
  jobsrv__buf_free(&page.json);
  return is_sent;
}

/* ---- waiting ---- */

static void waiting_free(jobsrv_sse_t *sse, waiting_t *waiting) {
  jobsrv_timer_disarm(sse->srv, &waiting->timer);
  jobsrv_cursor_detach(&waiting->cursor);
  jobsrv__free(sse->alloc, waiting);
}

static void on_gone(jobsrv__request_t *request) {
  waiting_free(request->sse, request->data);
  request->data = NULL;
}

/* An answer may take the request away. */
static void go_on(waiting_t *waiting, int must_have) {
  jobsrv__request_t *request = waiting->request;
  jobsrv_sse_t *sse = request->sse;

  request->gone = NULL;
  request->data = NULL;
  waiting->is_answering = 1;
  if (respond_page(request, &waiting->cursor, &waiting->ask, must_have)) {
    waiting_free(sse, waiting);
    return;
  }
  waiting->is_answering = 0;
  request->gone = on_gone;
  request->data = waiting;
}

static void on_notify(jobsrv_cursor_t *cursor) {
  waiting_t *waiting = JOBSRV__CONTAINER(cursor, waiting_t, cursor);

  if (!waiting->is_answering)
    go_on(waiting, 1);
}

static void on_timer(jobsrv_timer_t *timer) {
  go_on(timer->data, 0);
}

static void wait_for_events(jobsrv__request_t *request,
                            jobsrv_job_t *job,
                            const ask_t *ask) {
  jobsrv_sse_t *sse = request->sse;
  waiting_t *waiting = jobsrv__zalloc(sse->alloc, sizeof(*waiting));
  uint64_t ms = ask->wait * UINT64_C(1000);

  if (waiting == NULL ||
      jobsrv_cursor_attach(&waiting->cursor, job, ask->resume.after,
                           on_notify) != 0) {
    jobsrv__free(sse->alloc, waiting);
    jobsrv__refuse_no_memory(request);
    return;
  }
  waiting->cursor.data = job;
  waiting->timer.data = waiting;
  waiting->request = request;
  waiting->ask = *ask;
  if (ms >= sse->options.answer_timeout_ms) /* else that would come first */
    ms = sse->options.answer_timeout_ms - 1;
  jobsrv_timer_arm(sse->srv, &waiting->timer,
                   jobsrv_now(sse->srv) + ms * 1000000, on_timer);
  go_on(waiting, 1);
}

/* ---- the handler ---- */

static void on_events_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  jobsrv_cursor_t cursor = { .data = job };
  ask_t ask;

  if (!read_ask(request, job, &ask))
    return;
  if (ask.wait > 0) {
    wait_for_events(request, job, &ask);
    return;
  }
  jobsrv_job_ref(job);
  if (jobsrv_cursor_attach(&cursor, job, ask.resume.after, NULL) != 0)
    jobsrv__refuse_no_memory(request);
  else
    (void) respond_page(request, &cursor, &ask, 0);
  jobsrv_cursor_detach(&cursor);
  jobsrv_job_unref(job);
}

void jobsrv__jobs_events(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_STREAM, job, on_events_allowed);
}
