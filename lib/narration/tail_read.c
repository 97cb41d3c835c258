/* SPDX-License-Identifier: MIT */

/* How a tail reads: see tail.c. */

#include "narration/tail.h"

#include <string.h>

/* What was peeked, beside jobsrv_read_t. */
enum {
  LAST_PROGRESS = JOBSRV_READ_END + 1, /* right before the job's end */
  FORGOTTEN
};

/* ---- progress ---- */

static jobsrv__progress_state_t *progress_of(jobsrv__queue_t *link) {
  return JOBSRV__CONTAINER(link, jobsrv__progress_state_t, in_tails);
}

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

/*
 * The first that was told since, or the queue's head. Found from the newest on,
 * which is near for who has read; and known for as long as none is told anew.
 */
static jobsrv__queue_t *first_progress(const jobsrv_tail_t *tail) {
  jobsrv__tails_t *tails = &tail->logs->tails;
  jobsrv__queue_t *head = &tails->progressed;
  jobsrv__queue_t *link = head;

  if (tail->ahead->progress != NULL &&
      tail->ahead->progress_version == tails->progress_version)
    return tail->ahead->progress;
  while (link->prev != head && progress_of(link->prev)->tick >
                                   tail->progress_after)
    link = link->prev;
  return link;
}

/* Of all that have told of theirs since, the one that did so first. */
static jobsrv_read_t peek_progress(jobsrv_tail_t *tail,
                                   jobsrv_job_t **job,
                                   jobsrv_entry_t *entry) {
  jobsrv__tails_t *tails = &tail->logs->tails;
  jobsrv__queue_t *head = &tails->progressed;

  tail->ahead->progress = first_progress(tail);
  tail->ahead->progress_version = tails->progress_version;
  while (tail->ahead->progress != head) {
    jobsrv__progress_state_t *progress = progress_of(tail->ahead->progress);

    tail->number = progress->tick;
    if (!jobsrv__job_ended(progress->log->job) &&
        fill_progress(progress->log, entry)) {
      *job = progress->log->job;
      tail->what = JOBSRV_READ_PROGRESS;
      return JOBSRV_READ_PROGRESS;
    }
    tail->ahead->progress = tail->ahead->progress->next;
  }
  tail->progress_after = tails->tick;
  return JOBSRV_READ_NOTHING;
}

/* Behind the one that was peeked, if that is where it was. */
static void step_progress(jobsrv_tail_t *tail) {
  jobsrv__ahead_t *ahead = tail->ahead;

  tail->progress_after = tail->number;
  if (ahead->progress_version == tail->logs->tails.progress_version)
    ahead->progress = ahead->progress->next;
}

/* ---- reading ---- */

static void fill_gap(const jobsrv_tail_t *tail,
                     const jobsrv__place_t *place,
                     jobsrv_view_t *gap) {
  memset(gap, 0, sizeof(*gap));
  gap->missed_from = jobsrv__tail_missed(tail, place->log);
  gap->missed_to = jobsrv__log_first(place->log) - 1;
  gap->server_seq = place->number;
}

/* It is told again, in the next turn. */
static jobsrv_read_t peek_later(jobsrv_tail_t *tail) {
  tail->flags = JOBSRV__TAIL_FRESH;
  jobsrv__tails_wake(tail->logs);
  return JOBSRV_READ_NOTHING;
}

static jobsrv_read_t peek_nothing(jobsrv_tail_t *tail) {
  jobsrv__logs_t *logs = tail->logs;

  tail->after = logs->srv->server_seq;
  tail->flags &= (uint8_t) ~JOBSRV__TAIL_TOLD;
  jobsrv__tail_forget_missed(tail);
  jobsrv__ahead_rest(tail);
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
  const jobsrv__place_t *top;
  jobsrv__look_t look;

  *job = NULL;
  tail->what = JOBSRV_READ_NOTHING;
  if (tail->logs == NULL)
    return JOBSRV_READ_NOTHING;
  JOBSRV__ASSERT_LOOP(tail->logs->srv);
  look = jobsrv__ahead_look(tail);
  if (look == JOBSRV__AHEAD_LATER)
    return peek_later(tail);
  if (tail->gone > tail->after && tail->gone > tail->forgotten) {
    memset(gap, 0, sizeof(*gap));
    gap->server_seq = tail->number = tail->gone;
    tail->what = FORGOTTEN;
    return JOBSRV_READ_GAP;
  }
  if (look == JOBSRV__AHEAD_NONE)
    return peek_progress(tail, job, entry) == JOBSRV_READ_PROGRESS
               ? JOBSRV_READ_PROGRESS
               : peek_nothing(tail);

  top = &tail->ahead->top;
  *job = top->log->job;
  tail->number = top->number;
  if (top->is_end)
    return peek_end(tail, top->log, entry);
  if (top->chunk == NULL) {
    fill_gap(tail, top, gap);
    tail->what = JOBSRV_READ_GAP;
  } else {
    jobsrv__chunk_entry(top->chunk, top->i, entry);
    tail->what = JOBSRV_READ_EVENTS;
  }
  return (jobsrv_read_t) tail->what;
}

void jobsrv_tail_advance(jobsrv_tail_t *tail) {
  if (tail->logs == NULL)
    return;
  JOBSRV__ASSERT_LOOP(tail->logs->srv);
  switch (tail->what) {
  case JOBSRV_READ_EVENTS:
  case JOBSRV_READ_GAP:
  case JOBSRV_READ_END:
    tail->after = tail->number;
    jobsrv__ahead_step(tail);
    break;
  case JOBSRV_READ_PROGRESS:
    step_progress(tail);
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

