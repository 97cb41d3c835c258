/* SPDX-License-Identifier: MIT */

/* How a tail reads: see tail.c. */

#include "narration/tail.h"

#include <string.h>

/* What was peeked, beside jobsrv_read_t. */
enum {
  LAST_PROGRESS = JOBSRV_READ_END + 1, /* right before the job's end */
  FORGOTTEN
};

/* ---- merging ---- */

void jobsrv__tails_sift(jobsrv__tails_t *tails, size_t at) {
  jobsrv__next_t *heap = tails->heap;
  jobsrv__next_t moving = heap[at];
  size_t child;

  while ((child = 2 * at + 1) < tails->heap_n) {
    if (child + 1 < tails->heap_n &&
        heap[child + 1].number < heap[child].number)
      child++;
    if (heap[child].number >= moving.number)
      break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moving;
}

void jobsrv__tails_heapify(jobsrv__tails_t *tails) {
  for (size_t i = tails->heap_n / 2; i-- > 0;)
    jobsrv__tails_sift(tails, i);
}

/* The first behind the number. Returns 0 when there is none. */
static int find_next(jobsrv__log_t *log, uint64_t after, jobsrv__next_t *to) {
  jobsrv__chunk_t *chunk = log->head;
  uint64_t end = jobsrv__tails_newest(log);

  memset(to, 0, sizeof(*to));
  to->log = log;
  if (end <= after)
    return 0;
  if (log->trimmed_server_seq > after) {
    to->number = log->trimmed_server_seq;
    return 1;
  }
  if (log->tail != NULL && log->tail->before <= after)
    chunk = log->tail;
  while (chunk != NULL && chunk->next != NULL && chunk->next->before <= after)
    chunk = chunk->next;
  if (chunk != NULL) {
    to->i = (uint32_t) (jobsrv__chunk_seq_at(chunk, after) + 1 -
                        chunk->first_seq);
    if (to->i < jobsrv__written_events(jobsrv__chunk_load(chunk))) {
      to->chunk = chunk;
      to->number = jobsrv__chunk_slot(chunk, to->i)->server_seq;
      return 1;
    }
  }
  to->number = end;
  to->is_end = 1;
  return 1;
}

/* The one behind it, of an event. */
static int step(jobsrv__next_t *next) {
  jobsrv__chunk_t *chunk = next->chunk;
  jobsrv__log_t *log = next->log;

  if (++next->i == jobsrv__written_events(jobsrv__chunk_load(chunk))) {
    next->chunk = chunk = chunk->next;
    next->i = 0;
  }
  if (chunk != NULL) {
    next->number = jobsrv__chunk_slot(chunk, next->i)->server_seq;
    return 1;
  }
  next->is_end = 1;
  next->number = jobsrv__tails_newest(log);
  return atomic_load_explicit(&log->ended, memory_order_relaxed);
}

/* Who is no longer retained, and not kept either, is not there. */
static int is_there(const jobsrv__log_t *log) {
  return log->unread || (log->job->flags & JOBSRV__JOB_IN_REGISTRY) != 0;
}

static void collect_from(jobsrv__logs_t *logs,
                        jobsrv__queue_t *head,
                        uint64_t after) {
  jobsrv__tails_t *tails = &logs->tails;

  for (jobsrv__queue_t *link = head->prev; link != head; link = link->prev) {
    jobsrv__log_t *log = jobsrv__tails_log(link);

    if (jobsrv__tails_newest(log) <= after)
      return;
    if (!is_there(log))
      jobsrv__tails_forgotten(logs, jobsrv__tails_newest(log));
    else if (find_next(log, after, &tails->heap[tails->heap_n]))
      tails->heap_n++;
  }
}

static void collect(jobsrv_tail_t *tail) {
  jobsrv__tails_t *tails = &tail->logs->tails;

  if (tails->collector == tail && tails->collected == tails->version)
    return;
  tails->collector = tail;
  tails->collected = tails->version;
  tails->heap_n = 0;
  collect_from(tail->logs, &tails->unread, tail->after);
  collect_from(tail->logs, &tails->read, tail->after);
  jobsrv__tails_heapify(tails);
}

/* ---- progress ---- */

static int has_progress(const jobsrv_tail_t *tail, const jobsrv__log_t *log) {
  return log->progress != NULL && log->progress->tick > tail->progress_after;
}

/* Returns 0 when there is no memory for it: the record has it. */
static int fill_progress(jobsrv__log_t *log, jobsrv_entry_t *entry) {
  jobsrv__progress_frame_t *frame = jobsrv__progress_frame(log);

  if (frame == NULL)
    return 0;
  memset(entry, 0, sizeof(*entry));
  entry->kind = JOBSRV_KIND_PROGRESS;
  entry->json = frame->bytes + frame->json;
  entry->json_len = frame->json_len;
  jobsrv__progress_unref(log, frame); /* the log has it still */
  return 1;
}

/* Of all that have told of theirs since, the one that did so first. */
static jobsrv_read_t peek_progress(jobsrv_tail_t *tail,
                                   jobsrv_job_t **job,
                                   jobsrv_entry_t *entry) {
  jobsrv__tails_t *tails = &tail->logs->tails;
  jobsrv__queue_t *head = &tails->progressed;
  jobsrv__queue_t *link = head;
  jobsrv__progress_state_t *progress;

  while (link->prev != head &&
         JOBSRV__CONTAINER(link->prev, jobsrv__progress_state_t, in_tails)
                 ->tick > tail->progress_after)
    link = link->prev;
  for (; link != head; link = link->next) {
    progress = JOBSRV__CONTAINER(link, jobsrv__progress_state_t, in_tails);
    tail->number = progress->tick;
    if (!jobsrv__job_ended(progress->log->job) && is_there(progress->log) &&
        fill_progress(progress->log, entry)) {
      *job = progress->log->job;
      tail->what = JOBSRV_READ_PROGRESS;
      return JOBSRV_READ_PROGRESS;
    }
  }
  tail->progress_after = tails->tick;
  return JOBSRV_READ_NOTHING;
}

/* ---- reading ---- */

static void fill_gap(const jobsrv_tail_t *tail,
                     const jobsrv__next_t *next,
                     jobsrv_view_t *gap) {
  memset(gap, 0, sizeof(*gap));
  gap->missed_from = jobsrv__tail_missed(tail, next->log);
  gap->missed_to = jobsrv__log_first(next->log) - 1;
  gap->server_seq = next->number;
}

static jobsrv_read_t peek_nothing(jobsrv_tail_t *tail) {
  jobsrv__logs_t *logs = tail->logs;

  tail->after = logs->srv->server_seq;
  tail->flags &= (uint8_t) ~JOBSRV__TAIL_TOLD;
  jobsrv__tail_forget_missed(tail);
  if (logs->tails.n_unread > 0 && !logs->tails.telling)
    jobsrv__tails_wake(logs); /* so that they are let go of */
  return JOBSRV_READ_NOTHING;
}

static jobsrv_read_t peek_end(jobsrv_tail_t *tail,
                              jobsrv__log_t *log,
                              jobsrv_entry_t *entry) {
  const jobsrv_job_t *job = log->job;

  if (tail->ending != job->end_server_seq && has_progress(tail, log) &&
      fill_progress(log, entry)) {
    tail->what = LAST_PROGRESS;
    return JOBSRV_READ_PROGRESS;
  }
  memset(entry, 0, sizeof(*entry));
  entry->kind = JOBSRV_KIND_END;
  entry->seq = job->seq;
  entry->server_seq = job->end_server_seq;
  tail->what = JOBSRV_READ_END;
  return JOBSRV_READ_END;
}

jobsrv_read_t jobsrv_tail_peek(jobsrv_tail_t *tail,
                               jobsrv_job_t **job,
                               jobsrv_entry_t *entry,
                               jobsrv_view_t *gap) {
  jobsrv__tails_t *tails;
  const jobsrv__next_t *next;

  *job = NULL;
  tail->what = JOBSRV_READ_NOTHING;
  if (tail->logs == NULL)
    return JOBSRV_READ_NOTHING;
  JOBSRV__ASSERT_LOOP(tail->logs->srv);
  tails = &tail->logs->tails;
  collect(tail);
  if (tails->forgotten > tail->after && tails->forgotten > tail->forgotten) {
    memset(gap, 0, sizeof(*gap));
    gap->server_seq = tail->number = tails->forgotten;
    tail->what = FORGOTTEN;
    return JOBSRV_READ_GAP;
  }
  if (tails->heap_n == 0)
    return peek_progress(tail, job, entry) == JOBSRV_READ_PROGRESS
               ? JOBSRV_READ_PROGRESS
               : peek_nothing(tail);

  next = &tails->heap[0];
  *job = next->log->job;
  tail->number = next->number;
  if (next->is_end)
    return peek_end(tail, next->log, entry);
  if (next->chunk == NULL) {
    fill_gap(tail, next, gap);
    tail->what = JOBSRV_READ_GAP;
  } else {
    jobsrv__chunk_entry(next->chunk, next->i, entry);
    tail->what = JOBSRV_READ_EVENTS;
  }
  return (jobsrv_read_t) tail->what;
}

/* What was collected stays good when it is known what follows. */
static void move_on(jobsrv_tail_t *tail) {
  jobsrv__tails_t *tails = &tail->logs->tails;
  jobsrv__next_t *next = tails->heap;
  int more = 0;

  tail->after = tail->number;
  if (tails->collector != tail || tails->collected != tails->version)
    return;
  if (next->chunk != NULL)
    more = step(next);
  else if (!next->is_end)
    more = find_next(next->log, tail->after, next);
  if (!more)
    *next = tails->heap[--tails->heap_n];
  if (tails->heap_n > 0)
    jobsrv__tails_sift(tails, 0);
}

void jobsrv_tail_advance(jobsrv_tail_t *tail) {
  if (tail->logs == NULL)
    return;
  JOBSRV__ASSERT_LOOP(tail->logs->srv);
  switch (tail->what) {
  case JOBSRV_READ_EVENTS:
  case JOBSRV_READ_GAP:
  case JOBSRV_READ_END:
    move_on(tail);
    break;
  case JOBSRV_READ_PROGRESS:
    tail->progress_after = tail->number;
    break;
  case LAST_PROGRESS:
    tail->ending = tail->number;
    break;
  case FORGOTTEN:
    tail->forgotten = tail->number;
    break;
  default:
    break;
  }
  tail->what = JOBSRV_READ_NOTHING;
}

uint64_t jobsrv_tail_after(const jobsrv_tail_t *tail) {
  return tail->after;
}

