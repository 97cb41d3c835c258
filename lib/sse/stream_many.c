/* SPDX-License-Identifier: MIT */

#include "sse/many.h"

#include "base/alloc.h"

enum {
  BATCH = 16 * 1024,      /* rendered in one go, one event at least */
  RENDER_KEEP = 256 * 1024
};

int jobsrv__many_is_all(const jobsrv__many_t *many) {
  return many->all != NULL;
}

uint64_t jobsrv__many_after(const jobsrv__many_t *many) {
  return many->all != NULL ? jobsrv_tail_after(&many->all->tail)
                           : many->after;
}

/* ---- letting go ---- */

void jobsrv__many_detach(jobsrv_sse_t *sse, jobsrv__many_t *many) {
  if (many->all != NULL)
    jobsrv_tail_detach(&many->all->tail);
  for (size_t i = 0; i < many->n; i++) {
    jobsrv__source_t *source = &many->sources[i];

    jobsrv_cursor_detach(&source->cursor);
    if (source->is_counted)
      jobsrv__watchers_remove(sse, source->job);
    source->is_counted = 0;
  }
}

void jobsrv__many_free(const jobsrv_alloc_t *alloc,
                       jobsrv__many_t *many,
                       int watches) {
  for (size_t i = 0; i < many->n; i++) {
    if (watches)
      jobsrv_job_unwatch(many->sources[i].job);
    jobsrv_job_unref(many->sources[i].job);
  }
  if (many->all != NULL)
    jobsrv__all_free(alloc, many->all);
  jobsrv__free(alloc, many);
}

/* ---- what is next ---- */

static void look(jobsrv__source_t *source) {
  if (source->is_done || source->what != JOBSRV_READ_NOTHING)
    return;
  source->what = (uint8_t) jobsrv_cursor_next(&source->cursor, &source->entry,
                                              &source->gap);
  if (source->what != JOBSRV_READ_GAP)
    source->has_read = 1;
}

/* Its place among all; progress has none and goes first. */
static uint64_t place_of(const jobsrv__source_t *source) {
  if (source->what == JOBSRV_READ_PROGRESS)
    return 0;
  return source->what == JOBSRV_READ_GAP ? source->gap.server_seq
                                         : source->entry.server_seq;
}

/*
 * Nothing is told while this looks, as both are the loop's: what the sources
 * have is all that there is up to now, and the lowest of it comes next.
 */
static jobsrv__source_t *lowest(jobsrv__many_t *many) {
  jobsrv__source_t *best = NULL;

  for (size_t i = 0; i < many->n; i++) {
    jobsrv__source_t *source = &many->sources[i];

    look(source);
    if (!source->is_done && source->what != JOBSRV_READ_NOTHING &&
        (best == NULL || place_of(source) < place_of(best)))
      best = source;
  }
  return best;
}

static int all_done(const jobsrv__many_t *many) {
  for (size_t i = 0; i < many->n; i++)
    if (!many->sources[i].is_done)
      return 0;
  return 1;
}

/* ---- sending ---- */

static int breaks_at(const jobsrv__stream_t *stream,
                     const jobsrv__source_t *source) {
  return source->what == JOBSRV_READ_GAP && source->has_read &&
         stream->view.lag == JOBSRV_SSE_LAG_BREAK;
}

void jobsrv__many_put(const jobsrv__stream_t *stream,
                      jobsrv_job_t *job,
                      jobsrv_read_t what,
                      const jobsrv_entry_t *entry,
                      const jobsrv_view_t *gap,
                      jobsrv__buf_t *buf) {
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  char *scratch = stream->sse->scratch;
  size_t len = 0;

  frames.job = job;
  if (what == JOBSRV_READ_GAP && job == NULL)
    len = jobsrv__frame_forgotten(&frames, jobsrv__stream_after(stream),
                                  scratch);
  else if (what == JOBSRV_READ_GAP)
    len = jobsrv__frame_trimmed_at(&frames, gap->missed_from, gap->missed_to,
                                   gap->server_seq, scratch);
  else if (what == JOBSRV_READ_END)
    len = jobsrv__frame_end_of(&frames, entry->server_seq, scratch);
  else if (jobsrv__view_passes(&stream->view, entry))
    jobsrv__view_put(&stream->view, &frames, entry, buf);
  (void) jobsrv__buf_append(buf, scratch, len);
}

static void put_opening(const jobsrv__stream_t *stream, jobsrv__buf_t *buf) {
  jobsrv__frames_t frames = jobsrv__stream_frames(stream);
  jobsrv__many_t *many = stream->many;
  char *scratch = stream->sse->scratch;
  size_t len;

  frames.job = many->sources[many->opened++].job;
  len = jobsrv__frame_opening(&frames, many->after,
                              stream->sse->options.retry_ms, scratch);
  (void) jobsrv__buf_append(buf, scratch, len);
}

/* What was read costs, or what it is rendered as, if that is more. */
void jobsrv__many_charge(size_t *share, size_t read, size_t rendered) {
  size_t cost = read > rendered ? read : rendered;

  *share -= cost < *share ? cost : *share;
}

/* Renders what comes next. Returns 1 when the stream is to break off. */
static int render(jobsrv__stream_t *stream,
                  jobsrv__buf_t *buf,
                  size_t *share) {
  jobsrv__many_t *many = stream->many;
  jobsrv__source_t *source;
  size_t before;

  while (*share > 0 && buf->len < BATCH && !buf->failed) {
    before = buf->len;
    if (many->opened < many->n) {
      put_opening(stream, buf);
      jobsrv__many_charge(share, 0, buf->len - before);
      continue;
    }
    source = lowest(many);
    if (source == NULL)
      return 0;
    if (breaks_at(stream, source))
      return 1;
    jobsrv__many_put(stream, source->job, (jobsrv_read_t) source->what,
                     &source->entry, &source->gap, buf);
    jobsrv__many_charge(
        share, source->what == JOBSRV_READ_EVENTS ? source->entry.json_len : 1,
        buf->len - before);
    if (place_of(source) != 0)
      many->after = place_of(source);
    source->is_done = source->what == JOBSRV_READ_END;
    source->has_read = 1;
    source->what = JOBSRV_READ_NOTHING;
  }
  return 0;
}

int jobsrv__many_send(jobsrv__stream_t *stream, size_t *share) {
  jobsrv__buf_t *buf = &stream->sse->render;
  size_t before = *share;
  int breaks;
  int go_on;

  if (stream->many->all != NULL)
    return jobsrv__all_send(stream, share);
  jobsrv__buf_reset(buf);
  breaks = render(stream, buf, share);
  if (buf->failed) {
    jobsrv__stream_cut(stream);
    return 0;
  }
  if (buf->len > 0) {
    go_on = jobsrv__stream_send_own(stream, buf->data, buf->len);
    if (buf->cap > RENDER_KEEP)
      jobsrv__buf_free(buf);
    return go_on;
  }
  if (breaks)
    return jobsrv__stream_break(stream, JOBSRV__STREAM_LAGGED);
  if (*share < before)
    return 1;
  if (!all_done(stream->many))
    return 0;
  return jobsrv__stream_close(stream, JOBSRV__STREAM_DONE);
}
