/* SPDX-License-Identifier: MIT */

#include "sse/many.h"

#include "base/alloc.h"
#include "sse/authorise.h"

/* GET P/events. */

static void on_notify(jobsrv_tail_t *tail) {
  if (tail->data != NULL)
    jobsrv__stream_told(tail->data);
}

static int on_hides(const jobsrv_tail_t *tail, const jobsrv_job_t *job) {
  return jobsrv__all_hides(JOBSRV__CONTAINER(tail, jobsrv__all_t, tail), job);
}

static void discard(jobsrv_sse_t *sse, jobsrv__many_t *many) {
  jobsrv__many_detach(sse, many);
  jobsrv__many_free(sse->alloc, many, 0);
}

/* NULL when it has answered. */
static jobsrv__many_t *many_new(jobsrv__request_t *request, uint64_t after) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv__many_t *many = jobsrv__zalloc(sse->alloc, sizeof(*many));

  if (many != NULL)
    many->all = jobsrv__zalloc(sse->alloc, sizeof(*many->all));
  if (many != NULL && many->all != NULL)
    many->all->tail.hides = on_hides;
  if (many != NULL && many->all != NULL &&
      jobsrv_tail_attach(&many->all->tail, sse->srv, after, on_notify) == 0) {
    jobsrv_stats(sse->srv, &stats);
    many->all->opened_at = stats.events;
    return many;
  }
  if (many != NULL && many->all != NULL)
    jobsrv__all_free(sse->alloc, many->all);
  jobsrv__free(sse->alloc, many);
  jobsrv__refuse_no_memory(request);
  return NULL;
}

/* All that there is is told at the end of the turn, from the first on. */
static void begin(jobsrv__request_t *request,
                  const jobsrv__view_t *view,
                  const jobsrv__resume_t *resume) {
  jobsrv_sse_t *sse = request->sse;
  jobsrv__header_t headers[JOBSRV__STREAM_HEADERS];
  size_t n = jobsrv__stream_headers(view, NULL, headers);
  jobsrv__many_t *many = many_new(request, resume->after);
  jobsrv__frames_t frames;
  jobsrv__stream_t *stream;
  size_t len;

  if (many == NULL)
    return;
  if (jobsrv__stream_new_of_many(&stream, request, many, view) != 0) {
    discard(sse, many);
    jobsrv__refuse_no_memory(request);
    return;
  }
  frames = jobsrv__stream_frames(stream);
  len = jobsrv__frame_begin(&frames, resume->after, sse->options.retry_ms,
                            sse->scratch);
  if (resume->is_restart)
    len += jobsrv__frame_restart(&frames, sse->scratch + len);
  if (!jobsrv__stream_begin(stream, request, headers, n, len))
    return;
  many->all->tail.data = stream;
  jobsrv__request_keep(&many->all->kept, request);
}

static void on_allowed(jobsrv__request_t *request, jobsrv_job_t *job) {
  jobsrv__header_t headers[JOBSRV__STREAM_HEADERS];
  jobsrv__resume_t resume;
  jobsrv__view_t view;

  (void) job;
  if (!jobsrv__view_read(request, &view) ||
      !jobsrv__many_read_after(request, 1, &resume) ||
      !jobsrv__stream_has_room(request))
    return;
  if (request->method == JOBSRV__HEAD)
    jobsrv__respond_stream_head(request, headers,
                                jobsrv__stream_headers(&view, NULL, headers));
  else
    begin(request, &view, &resume);
}

void jobsrv__jobs_all(jobsrv__request_t *request, void *data) {
  (void) data;
  jobsrv__authorise(request, JOBSRV_SSE_EVENTS, NULL, on_allowed);
}
