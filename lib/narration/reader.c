/* SPDX-License-Identifier: MIT */

/*
 * Cursors on other threads. The loop thread tells loans, not cursors: it pushes
 * each loan of a log with news into its reader's queue, once until the reader
 * has taken it out, and wakes the reader at the end of the turn. The reader
 * clears the mark first and looks at the cursors then, so what comes meanwhile
 * is told again rather than missed.
 */

#include "narration/chunk.h"

#include "base/alloc.h"

#include <string.h>

enum { OF_THE_LOOP = JOBSRV__CURSOR_TOLD | JOBSRV__CURSOR_BORN };

static void unref(jobsrv__loan_t *loan) {
  if (atomic_fetch_sub_explicit(&loan->refs, 1, memory_order_acq_rel) == 1)
    jobsrv__free(&loan->reader->alloc, loan);
}

/* ---- the reader ---- */

int jobsrv_reader_new(jobsrv_reader_t **out,
                      jobsrv_t *srv,
                      jobsrv_reader_cb wake,
                      void *data) {
  jobsrv_reader_t *reader;

  JOBSRV__ASSERT_LOOP(srv);
  if (srv->narration == NULL)
    return JOBSRV_ECLOSED;
  reader = jobsrv__zalloc(&srv->alloc, sizeof(*reader));
  if (reader == NULL)
    return UV_ENOMEM;
  jobsrv__mpsc_init(&reader->told);
  reader->srv = srv;
  reader->alloc = srv->alloc;
  reader->wake = wake;
  reader->data = data;
  jobsrv__queue_push_back(&jobsrv__logs(srv)->readers, &reader->link);
  *out = reader;
  return 0;
}

/* Takes out what is told by now, in order. */
static jobsrv__loan_t *take_told(jobsrv_reader_t *reader) {
  jobsrv__loan_t *first = NULL;
  jobsrv__loan_t **end = &first;
  jobsrv__mpsc_node_t *node;

  while ((node = jobsrv__mpsc_pop(&reader->told)) != NULL) {
    *end = JOBSRV__CONTAINER(node, jobsrv__loan_t, node);
    (*end)->due = NULL;
    end = &(*end)->due;
  }
  return first;
}

void jobsrv_reader_free(jobsrv_reader_t *reader) {
  jobsrv_alloc_t alloc = reader->alloc;
  jobsrv__loan_t *loan = take_told(reader);
  jobsrv__loan_t *next;

  JOBSRV__ASSERT_LOOP(reader->srv);
  for (; loan != NULL; loan = next) {
    next = loan->due;
    unref(loan);
  }
  jobsrv__queue_remove(&reader->link);
  jobsrv__free(&alloc, reader);
}

/* ---- telling ---- */

void jobsrv__loans_tell(jobsrv__log_t *log) {
  jobsrv__loan_t *loan;

  if (!log->news)
    return;
  for (loan = log->loans; loan != NULL; loan = loan->next) {
    if (atomic_exchange_explicit(&loan->is_told, 1, memory_order_acq_rel))
      continue;
    loan->reader->is_due = 1;
    atomic_fetch_add_explicit(&loan->refs, 1, memory_order_relaxed);
    jobsrv__mpsc_push(&loan->reader->told, &loan->node);
  }
}

void jobsrv__readers_wake(jobsrv__logs_t *logs) {
  jobsrv__queue_t *link = jobsrv__queue_front(&logs->readers);

  for (; link != NULL; link = jobsrv__queue_next(&logs->readers, link)) {
    jobsrv_reader_t *reader = JOBSRV__CONTAINER(link, jobsrv_reader_t, link);

    if (!reader->is_due)
      continue;
    reader->is_due = 0;
    reader->wake(reader, reader->data);
  }
}

static void tell(jobsrv__loan_t *loan) {
  jobsrv_cursor_t *cursor;

  (void) atomic_exchange_explicit(&loan->is_told, 0, memory_order_acq_rel);
  loan->walk = loan->first;
  while ((cursor = loan->walk) != NULL) {
    loan->walk = cursor->next;
    if (cursor->flags & JOBSRV__CURSOR_TOLD)
      continue;
    cursor->flags |= JOBSRV__CURSOR_TOLD;
    cursor->notify(cursor);
  }
}

/* What is told again meanwhile has the next run. */
void jobsrv_reader_run(jobsrv_reader_t *reader) {
  jobsrv__loan_t *loan = take_told(reader);
  jobsrv__loan_t *next;

  for (; loan != NULL; loan = next) {
    next = loan->due;
    tell(loan);
    unref(loan);
  }
}

/* ---- there and back ---- */

static jobsrv__loan_t *loan_for(jobsrv__log_t *log, jobsrv_reader_t *reader) {
  jobsrv__loan_t *loan;

  for (loan = log->loans; loan != NULL; loan = loan->next)
    if (loan->reader == reader)
      return loan;
  loan = jobsrv__zalloc(&reader->alloc, sizeof(*loan));
  if (loan == NULL)
    return NULL;
  atomic_init(&loan->refs, 1);
  atomic_init(&loan->is_told, 0);
  loan->reader = reader;
  loan->next = log->loans;
  log->loans = loan;
  return loan;
}

int jobsrv_cursor_lend(jobsrv_cursor_t *cursor, jobsrv_reader_t *reader) {
  jobsrv__log_t *log = cursor->log;
  jobsrv__loan_t *loan;

  JOBSRV__ASSERT_LOOP(log->job->srv);
  loan = loan_for(log, reader);
  if (loan == NULL)
    return UV_ENOMEM;
  loan->cursors++;
  jobsrv__cursor_unlink(log, cursor);
  cursor->loan = loan;
  cursor->notify = NULL;
  cursor->flags &= (uint8_t) ~OF_THE_LOOP;
  return 0;
}

void jobsrv_cursor_take(jobsrv_cursor_t *cursor, jobsrv_cursor_cb notify) {
  jobsrv__loan_t *loan = cursor->loan;

  cursor->notify = notify;
  cursor->next = NULL;
  cursor->prev = loan->newest;
  if (loan->newest != NULL)
    loan->newest->next = cursor;
  else
    loan->first = cursor;
  loan->newest = cursor;
}

void jobsrv_cursor_give(jobsrv_cursor_t *cursor) {
  jobsrv__loan_t *loan = cursor->loan;

  if (loan->walk == cursor)
    loan->walk = cursor->next;
  if (cursor->next != NULL)
    cursor->next->prev = cursor->prev;
  else
    loan->newest = cursor->prev;
  if (cursor->prev != NULL)
    cursor->prev->next = cursor->next;
  else
    loan->first = cursor->next;
}

void jobsrv__loan_end(jobsrv_cursor_t *cursor) {
  jobsrv__log_t *log = cursor->log;
  jobsrv__loan_t *loan = cursor->loan;
  jobsrv__loan_t **at = &log->loans;

  cursor->loan = NULL;
  /* chunks that it has let go of elsewhere are not in there yet */
  if (log->logs != NULL)
    log->logs->srv->stats.log_bytes =
        atomic_load_explicit(&log->logs->bytes, memory_order_relaxed);
  if (--loan->cursors > 0)
    return;
  while (*at != loan)
    at = &(*at)->next;
  *at = loan->next;
  unref(loan);
}

void jobsrv_cursor_return(jobsrv_cursor_t *cursor, jobsrv_cursor_cb notify) {
  jobsrv__log_t *log = cursor->log;

  JOBSRV__ASSERT_LOOP(log->job->srv);
  jobsrv__loan_end(cursor);
  cursor->notify = notify;
  cursor->flags &= (uint8_t) ~OF_THE_LOOP;
  jobsrv__cursor_link(log, cursor);
  jobsrv__log_dirty(log, 0);
}
