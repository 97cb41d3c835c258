/* SPDX-License-Identifier: MIT */

#include "narration/chunk.h"

#include "base/alloc.h"

uint32_t jobsrv__chunk_max(const jobsrv_t *srv) {
  uint32_t size = srv->options.max_bytes_per_job / 8;

  if (size > JOBSRV__CHUNK_MAX)
    return JOBSRV__CHUNK_MAX;
  if (size < JOBSRV__CHUNK_MIN)
    return JOBSRV__CHUNK_MIN;
  return size & ~(uint32_t) 7;
}

uint32_t jobsrv__chunk_max_events(const jobsrv_t *srv) {
  uint32_t events = srv->options.max_events_per_job / 8;

  return events > 0 ? events : 1;
}

/*
 * A server keeps one chunk of the usual size: a log that is at its bound takes
 * it for its new tail and gives back its old head, again and again.
 */
static jobsrv__chunk_t *take_spare(jobsrv__log_t *log, size_t size) {
  if (size != jobsrv__chunk_max(log->logs->srv))
    return NULL;
  return atomic_exchange_explicit(&log->logs->spare, NULL,
                                  memory_order_acquire);
}

static int give_spare(jobsrv__log_t *log, jobsrv__chunk_t *chunk) {
  jobsrv__chunk_t *none = NULL;

  if (jobsrv__chunk_size(chunk) != jobsrv__chunk_max(log->logs->srv))
    return 0;
  return atomic_compare_exchange_strong_explicit(
      &log->logs->spare, &none, chunk, memory_order_release,
      memory_order_relaxed);
}

/* Adds to the memory of all logs; subtracts by wrapping round. */
static void account(jobsrv__logs_t *logs, uint64_t more) {
  uint64_t bytes =
      atomic_fetch_add_explicit(&logs->bytes, more, memory_order_relaxed) +
      more;

  if (jobsrv__on_loop(logs->srv))
    logs->srv->stats.log_bytes = bytes;
}

jobsrv__chunk_t *jobsrv__chunk_new(jobsrv__log_t *log,
                                   size_t size,
                                   uint64_t first_seq) {
  jobsrv__chunk_t *chunk = take_spare(log, size);

  if (chunk == NULL)
    chunk = jobsrv__malloc(&log->alloc, size);
  if (chunk == NULL)
    return NULL;

  atomic_init(&chunk->refs, 1);
  atomic_init(&chunk->state, JOBSRV__CHUNK_OPEN);
  atomic_init(&chunk->written, 0);
  chunk->first_seq = first_seq;
  chunk->next = NULL;
  chunk->capacity = (uint32_t) (size - sizeof(*chunk));
  account(log->logs, size);
  return chunk;
}

void jobsrv__chunk_ref(jobsrv__chunk_t *chunk) {
  atomic_fetch_add_explicit(&chunk->refs, 1, memory_order_relaxed);
}

void jobsrv__chunk_unref(jobsrv__log_t *log, jobsrv__chunk_t *chunk) {
  if (atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) != 1)
    return;
  if (log->logs != NULL) {
    account(log->logs, 0 - jobsrv__chunk_size(chunk));
    if (give_spare(log, chunk))
      return;
  }
  jobsrv__free(&log->alloc, chunk);
}

void jobsrv__chunk_entry(jobsrv__chunk_t *chunk,
                         uint32_t i,
                         jobsrv_entry_t *entry) {
  const jobsrv__slot_t *slot = jobsrv__chunk_slot(chunk, i);

  entry->kind = (jobsrv_kind_t) slot->kind;
  entry->level = slot->level;
  entry->seq = chunk->first_seq + i;
  entry->server_seq = slot->server_seq;
  entry->json = chunk->bytes + slot->offset + slot->json;
  entry->json_len = slot->json_len;
}
