/* SPDX-License-Identifier: MIT */

#include "sse/authorise.h"
#include "sse/stream.h"

#include <string.h>

/* GET P/jobs/{id}/stream, and the stream that answers POST P/jobs. */

/* ---- the cursor ---- */

int jobsrv__cursor_text(jobsrv__request_t *request,
                        char after[JOBSRV__CURSOR_SIZE],
                        jobsrv__span_t *text) {
  size_t count = 0;
  int len;

  *text = jobsrv__request_header(request, "last-event-id", &count);
  if (count > 1 || text->len >= JOBSRV__CURSOR_SIZE)
    return JOBSRV_EBADCURSOR;
  if (count == 1)
    return 0;
  *text = jobsrv__span(NULL, 0);
  len = jobsrv__query_find(request->query, "after", after,
                           JOBSRV__CURSOR_SIZE);
  if (len >= 0)
    *text = jobsrv__span(after, (size_t) len);
  return len >= 0 || len == UV_ENOENT ? 0 : JOBSRV_EBADCURSOR;
}

/* Returns 0, or JOBSRV_EBADCURSOR. */
static int read_cursor(jobsrv__request_t *request, jobsrv__resume_t *resume) {
  char after[JOBSRV__CURSOR_SIZE];
  jobsrv__span_t text;
  int err;

  memset(resume, 0, sizeof(*resume));
  err = jobsrv__cursor_text(request, after, &text);
  if (err != 0 || text.data == NULL)
    return err;
  err = jobsrv_event_id_parse(request->sse->srv, text.data, text.len,
                              &resume->after);
  if (err != 1)
    return err;
  resume->after = 0;
  resume->is_restart = 1;
  return 0;
}

static void refuse_cursor(jobsrv__request_t *request) {
  jobsrv__refuse(request, 400, "bad_cursor", 0,
                 "the cursor is malformed, or beyond the job's last event");
}

int jobsrv__resume_read(jobsrv__request_t *request,
                        const jobsrv_job_t *job,
                        jobsrv__resume_t *resume) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(job, &info);
  if (read_cursor(request, resume) == 0 && resume->after <= info.last_seq)
    return 1;
  refuse_cursor(request);
  return 0;
}

/* ---- the head ---- */

enum { HEADERS = JOBSRV__STREAM_HEADERS };

size_t jobsrv__stream_headers(const jobsrv__view_t *view,
                              const char *location,
                              jobsrv__header_t to[HEADERS]) {
  static const jobsrv__header_t all[HEADERS] = {
    JOBSRV__HEADER("Content-Type", "text/event-stream"),
    JOBSRV__HEADER("Cache-Control", "no-store, no-transform"),
    JOBSRV__HEADER("Vary", "Accept"),
    JOBSRV__HEADER("X-Accel-Buffering", "no"),
    JOBSRV__HEADER("Content-Encoding", "gzip"),
    JOBSRV__HEADER("Location", ""),
  };
  static const char ndjson[] = "application/x-ndjson";
  static const char vary[] = "Accept, Accept-Encoding";
  size_t n = HEADERS - 2;

  memcpy(to, all, sizeof(all));
  if (view->form == JOBSRV__FORM_NDJSON)
    to[0].value = jobsrv__span(ndjson, sizeof(ndjson) - 1);
  if (view->coding != JOBSRV__CODING_NONE)
    to[2].value = jobsrv__span(vary, sizeof(vary) - 1);
  if (view->coding == JOBSRV__CODING_GZIP)
    n++;
  if (location != NULL) {
    to[n] = all[HEADERS - 1];
    to[n++].value = jobsrv__span(location, strlen(location));
  }
  return n;
}

/* ---- opening ---- */

int jobsrv__stream_has_room(jobsrv__request_t *request) {
  const jobsrv_sse_t *sse = request->sse;

  if (sse->stats.streams < sse->options.max_streams)
    return 1;
  jobsrv__refuse(request, 503, "too_many_streams", JOBSRV__RETRY_LATER,
                 "too many streams are open");
  return 0;
}

/*
 * What can be said before anything is attached.
 * Returns 1 to open a stream, 0 when it has answered.
 */
static int may_open(jobsrv__request_t *request,
                    const jobsrv_job_t *job,
                    jobsrv__view_t *view,
                    jobsrv__resume_t *resume) {
  const jobsrv_sse_t *sse = request->sse;
  jobsrv_job_info_t info = { .size = sizeof(info) };

  if (!jobsrv__view_read(request, view) ||
      !jobsrv__resume_read(request, job, resume))
    return 0;
  jobsrv_job_info(job, &info);
  if (jobsrv_state_terminal(info.state) && !resume->is_restart &&
      resume->after == info.last_seq) {
    jobsrv__respond(request, 204, NULL, 0, NULL, NULL, 0);
    return 0;
  }
  if (!jobsrv__stream_has_room(request))
    return 0;
  if (jobsrv__stream_watchers(sse, job) >= sse->options.max_streams_per_job) {
    jobsrv__refuse(request, 429, "too_many_watchers", JOBSRV__RETRY_LATER,
                   "too many streams watch this job");
    return 0;
  }
  return 1;
}

static void open_stream(jobsrv__request_t *request,
                        jobsrv_job_t *job,
                        const jobsrv__view_t *view,
                        const jobsrv__resume_t *resume,
                        const char *location) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__header_t headers[HEADERS];
  size_t n = jobsrv__stream_headers(view, location, headers);
  jobsrv__frames_t frames;
  jobsrv__stream_t *stream;
  size_t len;
  int err;

  err = jobsrv__stream_new(&stream, request, job, view, resume->after);
  if (err == JOBSRV_EBADCURSOR) {
    refuse_cursor(request);
    return;
  }
  if (err != 0) {
    jobsrv__refuse_no_memory(request);
    return;
  }

  frames = jobsrv__stream_frames(stream);
  len = jobsrv__frame_opening(&frames, resume->after, sse->options.retry_ms,
                              sse->scratch);
  if (resume->is_restart)
    len += jobsrv__frame_restart(&frames, sse->scratch + len);
  /* the cursor tells what there is at the end of this turn */
  if (jobsrv__stream_begin(stream, request, headers, n, len))
    jobsrv_job_watch(jobsrv_job_ref(job)); /* last: a hook may close us */
}

/* ---- watching a job ---- */

static void on_stream_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  jobsrv__header_t headers[HEADERS];
  jobsrv__resume_t resume;
  jobsrv__view_t view;

  if (!may_open(request, job, &view, &resume))
    return;
  if (request->method == JOBSRV__HEAD)
    jobsrv__respond_stream_head(request, headers,
                                jobsrv__stream_headers(&view, NULL, headers));
  else
    open_stream(request, job, &view, &resume, NULL);
}

void jobsrv__jobs_stream(jobsrv__request_t *request, void *data) {
  jobsrv_job_t *job = jobsrv__jobs_find(request);

  (void) data;
  if (job != NULL)
    jobsrv__authorise(request, JOBSRV_SSE_STREAM, job, on_stream_allowed);
}

/* ---- watching what has just been created ---- */

int jobsrv__wants_stream(const jobsrv__request_t *request) {
  jobsrv__span_t accept = jobsrv__request_header(request, "accept", NULL);
  int json = jobsrv__media_weight(accept, "application", "json");

  return accept.data != NULL &&
         (jobsrv__media_weight(accept, "text", "event-stream") > json ||
          jobsrv__media_weight(accept, "application", "x-ndjson") > json);
}

int jobsrv__may_stream(jobsrv__request_t *request) {
  jobsrv__view_t view;

  return jobsrv__view_read(request, &view) && jobsrv__stream_has_room(request);
}

static void on_created_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  char location[JOBSRV__LOCATION_SIZE];
  jobsrv__resume_t resume;
  jobsrv__view_t view;

  if (!may_open(request, job, &view, &resume))
    return;
  jobsrv__locate(request, job, location);
  open_stream(request, job, &view, &resume, location);
}

void jobsrv__stream_created(jobsrv__request_t *request, jobsrv_job_t *job) {
  jobsrv__authorise(request, JOBSRV_SSE_STREAM, job, on_created_allowed);
}
