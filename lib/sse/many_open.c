/* SPDX-License-Identifier: MIT */

#include "sse/many.h"

#include "base/alloc.h"
#include "sse/authorise.h"

#include <string.h>

/* GET P/stream?jobs=a,b,c. */

/* ---- the jobs that are named ---- */

typedef struct {
  char *text; /* of the parameter, decoded */
  char *rest; /* what has not been looked at */
} names_t;

/* Returns 1, or 0 when it has answered. */
static int names_open(names_t *names, jobsrv__request_t *request) {
  const jobsrv_alloc_t *alloc = request->sse->alloc;
  size_t cap = request->query.len + 1;
  int len;

  names->text = jobsrv__malloc(alloc, cap);
  names->rest = names->text;
  if (names->text == NULL) {
    jobsrv__refuse_no_memory(request);
    return 0;
  }
  len = jobsrv__query_find(request->query, "jobs", names->text, cap);
  if (len > 0)
    return 1;
  jobsrv__free(alloc, names->text);
  jobsrv__refuse(request, 400, "bad_request", 0,
                 "jobs: must be the ids of jobs, with commas between them");
  return 0;
}

/* The next one, or NULL. */
static const char *names_next(names_t *names) {
  char *name = names->rest;
  char *comma;

  if (name == NULL)
    return NULL;
  comma = strchr(name, ',');
  if (comma != NULL)
    *comma++ = '\0';
  names->rest = comma;
  return name;
}

static size_t names_count(const names_t *names) {
  size_t n = 1;

  for (const char *p = names->text; *p != '\0'; p++)
    n += *p == ',';
  return n;
}

/* NULL when it has answered. */
static jobsrv_job_t *find(jobsrv__request_t *request, const char *name) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  char id[JOBSRV_ID_SIZE] = "";
  jobsrv__problem_t problem = { .status = 410, .code = "expired",
                                .job_id = id };
  jobsrv_job_t *job;
  int err = jobsrv_find(request->sse->srv, name, &job);

  if (err == 0) {
    jobsrv_job_info(job, &info);
    if (!info.is_private)
      return job;
  }
  if (err == JOBSRV_EEXPIRED && strlen(name) < sizeof(id)) {
    memcpy(id, name, strlen(name) + 1);
    jobsrv__respond_problem(request, &problem,
                            "the job's retention has ended");
  } else {
    jobsrv__refuse(request, 404, "unknown_job", 0,
                   "there is no such job as one of these");
  }
  return NULL;
}

/* ---- from where ---- */

static int is_bare(jobsrv__span_t text) {
  return text.len > 0 && text.data[0] != 'g' &&
         memchr(text.data, '-', text.len) == NULL;
}

int jobsrv__many_read_after(jobsrv__request_t *request,
                            int is_marked,
                            jobsrv__resume_t *resume) {
  const jobsrv_t *srv = request->sse->srv;
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  char after[JOBSRV__CURSOR_SIZE];
  jobsrv__span_t text;
  int err = jobsrv__cursor_text(request, after, &text);

  memset(resume, 0, sizeof(*resume));
  jobsrv_stats(srv, &stats);
  if (err == 0 && text.data != NULL && is_marked && is_bare(text))
    err = JOBSRV_EBADCURSOR;
  if (err == 0 && text.data != NULL)
    err = jobsrv_server_id_parse(srv, text.data, text.len, &resume->after);
  if (err == 1) {
    resume->after = 0;
    resume->is_restart = 1;
  }
  if (err >= 0 && resume->after <= stats.events)
    return 1;
  jobsrv__refuse(request, 400, "bad_cursor", 0,
                 "the cursor is malformed, or beyond the last event");
  return 0;
}

/* ---- opening ---- */

static void on_notify(jobsrv_cursor_t *cursor) {
  if (cursor->data != NULL)
    jobsrv__stream_told(cursor->data);
}

static int has_job(const jobsrv__many_t *many, const jobsrv_job_t *job) {
  for (size_t i = 0; i < many->n; i++)
    if (many->sources[i].job == job)
      return 1;
  return 0;
}

/* Takes a job in. Returns 1, or 0 when it has answered. */
static int add(jobsrv__request_t *request,
               jobsrv__many_t *many,
               jobsrv_job_t *job) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__source_t *source = &many->sources[many->n];
  jobsrv_job_info_t info = { .size = sizeof(info) };

  if (has_job(many, job))
    return 1;
  if (jobsrv__stream_watchers(sse, job) >= sse->options.max_streams_per_job) {
    jobsrv__refuse(request, 429, "too_many_watchers", JOBSRV__RETRY_LATER,
                   "too many streams watch one of these jobs");
    return 0;
  }
  source->job = jobsrv_job_ref(job);
  many->n++;
  if (jobsrv__watchers_add(sse, job) != 0) {
    jobsrv__refuse_no_memory(request);
    return 0;
  }
  source->is_counted = 1;
  if (jobsrv_cursor_attach_behind(&source->cursor, job, many->after,
                                  on_notify) != 0) {
    jobsrv__refuse_no_memory(request);
    return 0;
  }
  jobsrv_job_info(job, &info);
  source->is_done = jobsrv_state_terminal(info.state) &&
                    jobsrv_cursor_seq(&source->cursor) == info.last_seq;
  return 1;
}

static void discard(jobsrv_sse_t *sse, jobsrv__many_t *many) {
  jobsrv__many_detach(sse, many);
  jobsrv__many_free(sse->alloc, many, 0);
}

/* NULL when it has answered. */
static jobsrv__many_t *many_new(jobsrv__request_t *request,
                                const jobsrv__resume_t *resume) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__many_t *many;
  jobsrv_job_t *job;
  const char *name;
  names_t names;

  if (!names_open(&names, request))
    return NULL;
  many = jobsrv__zalloc(sse->alloc,
                        sizeof(*many) +
                            names_count(&names) * sizeof(many->sources[0]));
  if (many == NULL)
    jobsrv__refuse_no_memory(request);
  else
    many->after = resume->after;
  while (many != NULL && (name = names_next(&names)) != NULL) {
    job = find(request, name);
    if (job != NULL && add(request, many, job))
      continue;
    discard(sse, many);
    many = NULL;
  }
  jobsrv__free(sse->alloc, names.text);
  return many;
}

static int is_over(const jobsrv__many_t *many) {
  for (size_t i = 0; i < many->n; i++)
    if (!many->sources[i].is_done)
      return 0;
  return 1;
}

static void begin(jobsrv__request_t *request,
                  jobsrv__many_t *many,
                  const jobsrv__view_t *view,
                  const jobsrv__resume_t *resume) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__header_t headers[JOBSRV__STREAM_HEADERS];
  size_t n = jobsrv__stream_headers(view, NULL, headers);
  jobsrv__frames_t frames;
  jobsrv__stream_t *stream;
  size_t len = 0;

  if (jobsrv__stream_new_of_many(&stream, request, many, view) != 0) {
    discard(sse, many);
    jobsrv__refuse_no_memory(request);
    return;
  }
  frames = jobsrv__stream_frames(stream);
  if (resume->is_restart)
    len = jobsrv__frame_restart(&frames, sse->scratch);
  if (!jobsrv__stream_begin(stream, request, headers, n, len))
    return;
  for (size_t i = 0; i < many->n; i++)
    many->sources[i].cursor.data = stream;
  jobsrv__stream_ask(stream);
  /* last: a hook may close us, which frees none of this before a turn */
  for (size_t i = 0; i < many->n; i++)
    jobsrv_job_watch(many->sources[i].job);
}

static void open_stream(jobsrv__request_t *request) {
  jobsrv__header_t headers[JOBSRV__STREAM_HEADERS];
  jobsrv_sse_t *sse = request->sse;
  jobsrv__resume_t resume;
  jobsrv__many_t *many;
  jobsrv__view_t view;

  if (!jobsrv__view_read(request, &view) ||
      !jobsrv__many_read_after(request, 0, &resume) ||
      !jobsrv__stream_has_room(request))
    return;
  many = many_new(request, &resume);
  if (many == NULL)
    return;
  if (is_over(many)) {
    discard(sse, many);
    jobsrv__respond(request, 204, NULL, 0, NULL, NULL, 0);
  } else if (request->method == JOBSRV__HEAD) {
    discard(sse, many);
    jobsrv__respond_stream_head(request, headers,
                                jobsrv__stream_headers(&view, NULL, headers));
  } else {
    begin(request, many, &view, &resume);
  }
}

/* ---- the handler: each job is asked about, one after the other ---- */

static void ask_next(jobsrv__request_t *request, size_t done);

/* How many have been allowed is all that is kept meanwhile. */
static void on_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  (void) job;
  request->job_id[0] = '\0'; /* what may follow is about the next */
  ask_next(request, (size_t) (uintptr_t) request->data);
}

static void ask_next(jobsrv__request_t *request, size_t done) {
  jobsrv_job_t *job = NULL;
  const char *name = NULL;
  names_t names;
  size_t n;

  if (!names_open(&names, request))
    return;
  n = names_count(&names);
  for (size_t i = 0; i <= done && i < n; i++)
    name = names_next(&names);
  if (n > request->sse->options.max_jobs_per_stream)
    jobsrv__refuse(request, 400, "bad_request", 0, "jobs: are too many");
  else if (done < n)
    job = find(request, name);
  jobsrv__free(request->sse->alloc, names.text);
  if (job != NULL) {
    if (done == 0)
      request->asked.extra_len = request->extra.len;
    jobsrv__asked_before(request, request->asked.extra_len);
    request->data = (void *) (uintptr_t) (done + 1);
    jobsrv__authorise(request, JOBSRV_SSE_STREAM, job, on_allowed);
  } else if (done == n) {
    request->data = NULL;
    open_stream(request);
  }
}

void jobsrv__jobs_many(jobsrv__request_t *request, void *data) {
  (void) data;
  ask_next(request, 0);
}
