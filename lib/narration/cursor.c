/* SPDX-License-Identifier: MIT */

/*
 * A cursor stands in one chunk and holds it. Where it is: `after` events have
 * been read whole, and `offset` bytes of the chunk. From a chunk that has been
 * trimmed away it comes back through the head of the log, at a frame boundary,
 * and finds a gap only when numbers are missing in between.
 */

#include "narration/chunk.h"

#include <string.h>

enum {
  TOLD = JOBSRV__CURSOR_TOLD,
  AT_GAP = 1 << 1,   /* events are missing before `chunk`, or up to the last */
  INSIDE = 1 << 2,   /* an event's frame */
  BORN = JOBSRV__CURSOR_BORN,
  SEEN_END = 1 << 4
};

/* ---- where to read ---- */

/* Finds the event behind `after`; the log's mutex is held. */
static void enter(jobsrv_cursor_t *cursor) {
  jobsrv__log_t *log = cursor->log;
  jobsrv__chunk_t *chunk = log->head;
  uint64_t next = cursor->after + 1;
  uint64_t written;

  cursor->chunk = NULL;
  cursor->offset = 0;
  if (chunk == NULL) {
    if (next <= log->last)
      cursor->flags |= AT_GAP;
    return;
  }
  if (chunk->first_seq > next) {
    cursor->flags |= AT_GAP;
  } else {
    while (chunk->next != NULL && chunk->next->first_seq <= next)
      chunk = chunk->next;
    written = jobsrv__chunk_load(chunk);
    if (next - chunk->first_seq < jobsrv__written_events(written))
      cursor->offset =
          jobsrv__chunk_slot(chunk, (uint32_t) (next - chunk->first_seq))
              ->offset;
    else
      cursor->offset = jobsrv__written_bytes(written);
  }
  jobsrv__chunk_ref(chunk);
  cursor->chunk = chunk;
}

/* All of the chunk was read and it is not the one being written. */
static void step(jobsrv_cursor_t *cursor) {
  jobsrv__log_t *log = cursor->log;
  jobsrv__chunk_t *from = cursor->chunk;

  pthread_mutex_lock(&log->lock);
  if (from != NULL && from->next != NULL) {
    cursor->chunk = from->next;
    cursor->offset = 0;
    jobsrv__chunk_ref(cursor->chunk);
  } else {
    enter(cursor);
  }
  pthread_mutex_unlock(&log->lock);
  if (from != NULL)
    jobsrv__chunk_unref(log, from);
}

/* Finds unread bytes. Returns how many there are; 0 at a gap and at the end. */
static uint32_t find_bytes(jobsrv_cursor_t *cursor) {
  while (!(cursor->flags & AT_GAP)) {
    jobsrv__chunk_t *chunk = cursor->chunk;
    unsigned int state;
    uint32_t bytes;

    if (chunk == NULL) {
      step(cursor);
      if (cursor->chunk == NULL)
        return 0;
      continue;
    }
    /* what is not open any more has all its bytes: ask in this order */
    state = atomic_load_explicit(&chunk->state, memory_order_acquire);
    bytes = jobsrv__written_bytes(jobsrv__chunk_load(chunk));
    if (cursor->offset < bytes)
      return bytes - cursor->offset;
    if (state == JOBSRV__CHUNK_OPEN)
      return 0;
    step(cursor);
  }
  return 0;
}

static void drop_frame(jobsrv_cursor_t *cursor) {
  if (cursor->frame == NULL)
    return;
  jobsrv__progress_unref(cursor->log, cursor->frame);
  cursor->frame = NULL;
  cursor->frame_offset = 0;
}

/* ---- reading ---- */

/*
 * The same each time: the first chunk there was keeps its numbers, and without
 * one the log has ended.
 */
static jobsrv_read_t peek_gap(const jobsrv_cursor_t *cursor,
                              jobsrv_view_t *view) {
  view->missed_from = cursor->after + 1;
  if (cursor->chunk != NULL) {
    view->missed_to = cursor->chunk->first_seq - 1;
    view->server_seq = cursor->chunk->before;
  } else {
    view->missed_to = cursor->log->last;
    view->server_seq = cursor->log->trimmed_server_seq;
  }
  return JOBSRV_READ_GAP;
}

/* The frame is pinned before it is begun: it is lent until the next call. */
static int peek_progress(jobsrv_cursor_t *cursor, jobsrv_view_t *view) {
  uint32_t version = jobsrv__progress_version(cursor->log);

  if (cursor->frame == NULL) {
    if (version == cursor->progress_seen)
      return 0;
    cursor->frame = jobsrv__progress_frame(cursor->log);
    cursor->frame_offset = 0;
  }
  if (cursor->frame == NULL) {
    /* no memory: this value is not shown, the record has it */
    cursor->progress_seen = version;
    return 0;
  }
  view->data = cursor->frame->bytes + cursor->frame_offset;
  view->len = cursor->frame->len - cursor->frame_offset;
  return 1;
}

jobsrv_read_t jobsrv_cursor_peek(jobsrv_cursor_t *cursor,
                                 jobsrv_view_t *view) {
  jobsrv__log_t *log = cursor->log;
  uint32_t bytes;
  int ended;

  memset(view, 0, sizeof(*view));
  if (log == NULL)
    return JOBSRV_READ_NOTHING;
  if (cursor->frame_offset > 0) {
    (void) peek_progress(cursor, view);
    return JOBSRV_READ_PROGRESS;
  }
  drop_frame(cursor);

  /* before looking for bytes: nothing is appended to what has ended */
  ended = atomic_load_explicit(&log->ended, memory_order_acquire);
  bytes = find_bytes(cursor);
  if (cursor->flags & AT_GAP)
    return peek_gap(cursor, view);
  if (bytes > 0) {
    view->data = cursor->chunk->bytes + cursor->offset;
    view->len = bytes;
    return JOBSRV_READ_EVENTS;
  }
  if (peek_progress(cursor, view))
    return JOBSRV_READ_PROGRESS;
  if (ended) {
    cursor->flags |= SEEN_END;
    return JOBSRV_READ_END;
  }
  cursor->flags &= (uint8_t) ~TOLD;
  return JOBSRV_READ_NOTHING;
}

/* Counts the frames that end at or before `offset`. */
static void settle(jobsrv_cursor_t *cursor) {
  jobsrv__chunk_t *chunk = cursor->chunk;
  uint64_t written = jobsrv__chunk_load(chunk);
  uint32_t low = (uint32_t) (cursor->after + 1 - chunk->first_seq);
  uint32_t high = jobsrv__written_events(written);

  cursor->flags &= (uint8_t) ~INSIDE;
  if (cursor->offset == jobsrv__written_bytes(written)) {
    cursor->after = chunk->first_seq + high - 1;
    return;
  }
  /* the last slot that begins at or before the offset */
  while (high - low > 1) {
    uint32_t middle = low + (high - low) / 2;

    if (jobsrv__chunk_slot(chunk, middle)->offset <= cursor->offset)
      low = middle;
    else
      high = middle;
  }
  cursor->after = chunk->first_seq + low - 1;
  if (jobsrv__chunk_slot(chunk, low)->offset != cursor->offset)
    cursor->flags |= INSIDE;
}

void jobsrv_cursor_advance(jobsrv_cursor_t *cursor, size_t len) {
  jobsrv_view_t gap;
  uint32_t left;

  if (cursor->log == NULL)
    return;
  if (cursor->frame != NULL) {
    left = cursor->frame->len - cursor->frame_offset;
    cursor->frame_offset += len < left ? (uint32_t) len : left;
    if (len >= left) {
      cursor->progress_seen = cursor->frame->version;
      drop_frame(cursor);
    }
    return;
  }
  if (cursor->flags & AT_GAP) {
    (void) peek_gap(cursor, &gap);
    cursor->after = gap.missed_to;
    cursor->flags &= (uint8_t) ~AT_GAP;
    return;
  }
  if (cursor->chunk == NULL || len == 0)
    return;
  left = jobsrv__written_bytes(jobsrv__chunk_load(cursor->chunk)) -
         cursor->offset;
  if (left == 0)
    return;
  cursor->offset += len < left ? (uint32_t) len : left;
  settle(cursor);
}

jobsrv_read_t jobsrv_cursor_next(jobsrv_cursor_t *cursor,
                                 jobsrv_entry_t *entry,
                                 jobsrv_view_t *gap) {
  jobsrv_view_t view;
  jobsrv_read_t what = jobsrv_cursor_peek(cursor, &view);
  uint64_t written;
  uint32_t i;

  if (what == JOBSRV_READ_GAP) {
    *gap = view;
    jobsrv_cursor_advance(cursor, 0);
  } else if (what == JOBSRV_READ_PROGRESS) {
    /* stays pinned, not begun: the next call lets go of it */
    memset(entry, 0, sizeof(*entry));
    entry->kind = JOBSRV_KIND_PROGRESS;
    entry->json = cursor->frame->bytes + cursor->frame->json;
    entry->json_len = cursor->frame->json_len;
    cursor->progress_seen = cursor->frame->version;
  } else if (what == JOBSRV_READ_EVENTS) {
    written = jobsrv__chunk_load(cursor->chunk);
    i = (uint32_t) (cursor->after + 1 - cursor->chunk->first_seq);
    jobsrv__chunk_entry(cursor->chunk, i, entry);
    cursor->after++;
    cursor->offset = i + 1 < jobsrv__written_events(written)
                         ? jobsrv__chunk_slot(cursor->chunk, i + 1)->offset
                         : jobsrv__written_bytes(written);
    cursor->flags &= (uint8_t) ~INSIDE;
  } else if (what == JOBSRV_READ_END) {
    memset(entry, 0, sizeof(*entry));
    entry->kind = JOBSRV_KIND_END;
    entry->seq = cursor->log->job->seq;
    entry->server_seq = cursor->log->job->end_server_seq;
  }
  return what;
}

uint64_t jobsrv_cursor_seq(const jobsrv_cursor_t *cursor) {
  return cursor->after;
}

uint64_t jobsrv_cursor_lag(const jobsrv_cursor_t *cursor) {
  const jobsrv__log_t *log = cursor->log;

  if (log == NULL)
    return 0;
  if (log->logs != NULL)
    JOBSRV__ASSERT_LOOP(log->logs->srv);
  return log->job->seq - cursor->after;
}

int jobsrv_cursor_inside(const jobsrv_cursor_t *cursor) {
  return (cursor->flags & INSIDE) != 0 || cursor->frame_offset > 0;
}

/* ---- being told ---- */

static int readable(const jobsrv_cursor_t *cursor) {
  const jobsrv__log_t *log = cursor->log;

  return cursor->after < log->last || cursor->frame_offset > 0 ||
         jobsrv__progress_version(log) != cursor->progress_seen ||
         (atomic_load_explicit(&log->ended, memory_order_relaxed) &&
          !(cursor->flags & SEEN_END));
}

void jobsrv__cursor_link(jobsrv__log_t *log, jobsrv_cursor_t *cursor) {
  cursor->next = NULL;
  cursor->prev = log->newest;
  if (log->newest != NULL)
    log->newest->next = cursor;
  else
    log->first = cursor;
  log->newest = cursor;
  if (log->fresh == NULL)
    log->fresh = cursor;
  if (log->walking) {
    cursor->flags |= BORN;
    if (log->walk == NULL)
      log->walk = cursor;
  }
}

void jobsrv__cursor_unlink(jobsrv__log_t *log, jobsrv_cursor_t *cursor) {
  if (log->walk == cursor)
    log->walk = cursor->next;
  if (log->fresh == cursor)
    log->fresh = cursor->next;
  if (cursor->next != NULL)
    cursor->next->prev = cursor->prev;
  else
    log->newest = cursor->prev;
  if (cursor->prev != NULL)
    cursor->prev->next = cursor->next;
  else
    log->first = cursor->next;
}

void jobsrv__cursors_tell(jobsrv__log_t *log) {
  jobsrv_job_t *job = jobsrv_job_ref(log->job);
  jobsrv_cursor_t *cursor;

  log->walk = log->news ? log->first : log->fresh;
  log->news = 0;
  log->fresh = NULL;
  log->walking = 1;
  while ((cursor = log->walk) != NULL && !(cursor->flags & BORN)) {
    log->walk = cursor->next;
    if ((cursor->flags & TOLD) || !readable(cursor))
      continue;
    cursor->flags |= TOLD;
    if (cursor->notify != NULL)
      cursor->notify(cursor);
  }
  log->walking = 0;
  log->walk = NULL;
  for (cursor = log->fresh; cursor != NULL; cursor = cursor->next)
    cursor->flags &= (uint8_t) ~BORN;
  jobsrv_job_unref(job);
}

/* ---- attaching ---- */

int jobsrv_cursor_attach(jobsrv_cursor_t *cursor,
                         jobsrv_job_t *job,
                         uint64_t after,
                         jobsrv_cursor_cb notify) {
  jobsrv__log_t *log;
  int err;

  JOBSRV__ASSERT_LOOP(job->srv);
  if (jobsrv_job_server(job) == NULL)
    return JOBSRV_ECLOSED;
  if (after > job->seq)
    return JOBSRV_EBADCURSOR;
  err = jobsrv__log_open(job);
  if (err != 0)
    return err;

  log = job->log;
  jobsrv_job_ref(job);
  cursor->notify = notify;
  cursor->log = log;
  cursor->frame = NULL;
  cursor->loan = NULL;
  cursor->frame_offset = 0;
  cursor->after = after;
  cursor->flags = 0;
  /* who has read the end has read all that came before it */
  cursor->progress_seen =
      after > log->last ? jobsrv__progress_version(log) : 0;

  pthread_mutex_lock(&log->lock);
  enter(cursor);
  pthread_mutex_unlock(&log->lock);
  jobsrv__cursor_link(log, cursor);
  atomic_fetch_add_explicit(&job->lookers, 1, memory_order_relaxed);
  if (readable(cursor))
    jobsrv__log_dirty(log, 0);
  return 0;
}

uint64_t jobsrv__chunk_seq_at(jobsrv__chunk_t *chunk, uint64_t n) {
  uint32_t events = jobsrv__written_events(jobsrv__chunk_load(chunk));
  uint32_t low = 0;
  uint32_t middle;

  while (low < events) {
    middle = low + (events - low) / 2;
    if (jobsrv__chunk_slot(chunk, middle)->server_seq <= n)
      low = middle + 1;
    else
      events = middle;
  }
  return chunk->first_seq + low - 1;
}

static uint64_t seq_behind(const jobsrv_job_t *job, uint64_t n) {
  const jobsrv__log_t *log = job->log;
  jobsrv__chunk_t *chunk = log->head;

  if (jobsrv__job_ended(job) && job->end_server_seq != 0 &&
      job->end_server_seq <= n)
    return job->seq;
  if (log->trimmed_server_seq > n)
    return 0;
  if (chunk == NULL)
    return log->last;
  while (chunk->next != NULL &&
         jobsrv__chunk_slot(chunk->next, 0)->server_seq <= n)
    chunk = chunk->next;
  return jobsrv__chunk_seq_at(chunk, n);
}

int jobsrv_cursor_attach_behind(jobsrv_cursor_t *cursor,
                                jobsrv_job_t *job,
                                uint64_t server_after,
                                jobsrv_cursor_cb notify) {
  int err;

  JOBSRV__ASSERT_LOOP(job->srv);
  if (jobsrv_job_server(job) == NULL)
    return JOBSRV_ECLOSED;
  if (server_after > job->srv->server_seq)
    return JOBSRV_EBADCURSOR;
  err = jobsrv__log_open(job);
  if (err != 0)
    return err;
  return jobsrv_cursor_attach(cursor, job, seq_behind(job, server_after),
                              notify);
}

void jobsrv_cursor_detach(jobsrv_cursor_t *cursor) {
  jobsrv__log_t *log = cursor->log;
  jobsrv_job_t *job;

  if (log == NULL)
    return;
  job = log->job;
  JOBSRV__ASSERT_LOOP(job->srv);
  atomic_fetch_sub_explicit(&job->lookers, 1, memory_order_relaxed);
  if (cursor->loan != NULL)
    jobsrv__loan_end(cursor);
  else
    jobsrv__cursor_unlink(log, cursor);
  drop_frame(cursor);
  if (cursor->chunk != NULL)
    jobsrv__chunk_unref(log, cursor->chunk);
  cursor->chunk = NULL;
  cursor->log = NULL;
  jobsrv_job_unref(job);
}
