/* SPDX-License-Identifier: MIT */

/*
 * Keeping logs within bounds. Whole chunks go, from the head, whatever they
 * hold; a cursor that stands in one keeps it until it has read it. The chunk
 * that is being written stays, unless all logs together are over their bound
 * and none has another: then one is cut down to its newest event.
 */

#include "narration/chunk.h"

#include <string.h>

/* Enough of a class to find a large one in; bounds the work of an append. */
enum { LOOKED_AT = 64 };

static unsigned int class_of(uint64_t bytes) {
  unsigned int log_class = 0;

  for (bytes /= JOBSRV__CHUNK_MIN; bytes > 1; bytes /= 2)
    log_class++;
  return log_class < JOBSRV__LOG_CLASSES ? log_class : JOBSRV__LOG_CLASSES - 1;
}

void jobsrv__log_classify(jobsrv__log_t *log) {
  unsigned int log_class = class_of(log->bytes);

  if (atomic_load_explicit(&log->ended, memory_order_relaxed))
    return;
  if (jobsrv__queue_linked(&log->in_class)) {
    if (log->log_class == log_class && log->bytes > 0)
      return;
    jobsrv__queue_remove(&log->in_class);
  }
  if (log->bytes == 0)
    return;
  log->log_class = (uint8_t) log_class;
  jobsrv__queue_push_back(&log->logs->live[log_class], &log->in_class);
}

/*
 * Takes the head out. `with` stands in its place, with its newest event, if it
 * was the only one.
 */
static void drop_head(jobsrv__log_t *log, jobsrv__chunk_t *with) {
  jobsrv__chunk_t *chunk = log->head;
  uint32_t events = jobsrv__written_events(jobsrv__chunk_load(chunk));
  uint32_t gone = with != NULL ? events - 1 : events;
  uint64_t number = 0;

  if (gone > 0) {
    number = jobsrv__chunk_slot(chunk, gone - 1)->server_seq;
    jobsrv__tails_trimming(log, chunk, number);
  }

  pthread_mutex_lock(&log->lock);
  log->head = chunk->next != NULL ? chunk->next : with;
  if (log->tail == chunk)
    log->tail = with;
  chunk->next = NULL;
  atomic_store_explicit(&chunk->state, JOBSRV__CHUNK_SEVERED,
                        memory_order_release);
  /* who finds no chunk at all looks here */
  if (gone > 0)
    log->trimmed_server_seq = number;
  pthread_mutex_unlock(&log->lock);

  log->bytes -= jobsrv__chunk_size(chunk);
  log->events -= events;
  log->logs->trimmed += gone;
  jobsrv__chunk_unref(log, chunk);
}

/* Cuts the only chunk down to its newest event. Returns 0 if it cannot. */
static int cut_down(jobsrv__log_t *log) {
  jobsrv__chunk_t *from = log->tail;
  uint64_t written = jobsrv__chunk_load(from);
  uint32_t events = jobsrv__written_events(written);
  const jobsrv__slot_t *slot;
  jobsrv__chunk_t *to;
  uint32_t len;
  size_t size;

  if (events < 2)
    return 0;
  slot = jobsrv__chunk_slot(from, events - 1);
  len = jobsrv__written_bytes(written) - slot->offset;
  size = (sizeof(*to) + len + sizeof(*slot) + 7) & ~(size_t) 7;
  if (size >= jobsrv__chunk_size(from))
    return 0;
  to = jobsrv__chunk_new(log, size, log->last);
  if (to == NULL)
    return 0;
  to->before = jobsrv__chunk_slot(from, events - 2)->server_seq;

  memcpy(to->bytes, from->bytes + slot->offset, len);
  *jobsrv__chunk_slot(to, 0) = *slot;
  jobsrv__chunk_slot(to, 0)->offset = 0;
  atomic_store_explicit(&to->written, (uint64_t) 1 << 32 | len,
                        memory_order_release);
  log->bytes += size;
  log->events++;
  drop_head(log, to);
  log->next_size = JOBSRV__CHUNK_MIN;
  return 1;
}

/* Drops the head of the largest of a class. Returns 0 when none has another. */
static int drop_largest(jobsrv__queue_t *logs) {
  jobsrv__log_t *largest = NULL;
  jobsrv__queue_t *link;
  int looked = 0;

  for (link = logs->next; link != logs && looked < LOOKED_AT;
       link = link->next) {
    jobsrv__log_t *log = JOBSRV__CONTAINER(link, jobsrv__log_t, in_class);

    looked++;
    if (log->head != log->tail && (!largest || log->bytes > largest->bytes))
      largest = log;
  }
  if (largest == NULL)
    return 0;
  drop_head(largest, NULL);
  jobsrv__log_classify(largest);
  return 1;
}

static int cut_one(jobsrv__queue_t *logs) {
  jobsrv__queue_t *link;
  int looked = 0;

  for (link = logs->next; link != logs && looked < LOOKED_AT;
       link = link->next) {
    jobsrv__log_t *log = JOBSRV__CONTAINER(link, jobsrv__log_t, in_class);

    looked++;
    if (log->head == log->tail && cut_down(log)) {
      jobsrv__log_classify(log);
      return 1;
    }
  }
  return 0;
}

static int shrink_largest(jobsrv__logs_t *logs) {
  int i;

  for (i = JOBSRV__LOG_CLASSES - 1; i >= 0; i--)
    if (drop_largest(&logs->live[i]))
      return 1;
  for (i = JOBSRV__LOG_CLASSES - 1; i >= 0; i--)
    if (cut_one(&logs->live[i]))
      return 1;
  return 0;
}

void jobsrv__log_drop(jobsrv__log_t *log) {
  while (log->head != NULL)
    drop_head(log, NULL);
  jobsrv__queue_remove(&log->in_class);
}

static void trim_all(jobsrv__logs_t *logs) {
  uint64_t max = logs->srv->options.max_bytes_total;

  while (atomic_load_explicit(&logs->bytes, memory_order_relaxed) > max) {
    jobsrv__queue_t *link = jobsrv__queue_front(&logs->ended);

    if (link != NULL)
      jobsrv__log_drop(JOBSRV__CONTAINER(link, jobsrv__log_t, in_class));
    else if (!shrink_largest(logs))
      return;
  }
}

void jobsrv__log_trim(jobsrv__log_t *log) {
  const jobsrv_options_t *options = &log->logs->srv->options;

  while (log->head != log->tail &&
         (log->bytes > options->max_bytes_per_job ||
          log->events > options->max_events_per_job))
    drop_head(log, NULL);
  jobsrv__log_classify(log);
  trim_all(log->logs);
}
