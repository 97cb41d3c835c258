/* SPDX-License-Identifier: MIT */

#include "otlp/internal.h"

#include "base/alloc.h"

#include <string.h>

static const char tail[] = "]}]}]}";

enum { TAIL = sizeof(tail) - 1 };

/* One timer for both signals: what is younger goes a little early. */
static void on_batch_timer(jobsrv_timer_t *timer) {
  jobsrv_otlp_t *otlp = timer->data;

  jobsrv__otlp_batches_close(otlp);
  jobsrv__otlp_send_later(otlp);
}

static void batch_free(jobsrv_otlp_t *otlp, jobsrv__otlp_batch_t *batch) {
  if (batch == NULL)
    return;
  jobsrv__buf_free(&batch->body);
  jobsrv__free(&otlp->alloc, batch);
}

/* The spare one's memory is that of the last body, mostly large enough. */
static jobsrv__otlp_batch_t *batch_new(jobsrv_otlp_t *otlp, int signal) {
  jobsrv__otlp_batch_t *batch = otlp->spare;
  jobsrv__buf_t body;

  otlp->spare = NULL;
  if (batch == NULL) {
    batch = jobsrv__zalloc(&otlp->alloc, sizeof(*batch));
    if (batch == NULL)
      return NULL;
    jobsrv__buf_init(&batch->body, &otlp->alloc, 0);
  }
  body = batch->body;
  memset(batch, 0, sizeof(*batch));
  batch->body = body;
  batch->signal = (uint8_t) signal;
  jobsrv__buf_reset(&batch->body);
  if (jobsrv__buf_append(&batch->body, otlp->prefix[signal].data,
                         otlp->prefix[signal].len) == 0)
    return batch;
  batch_free(otlp, batch);
  return NULL;
}

static void batch_close(jobsrv_otlp_t *otlp, int signal) {
  jobsrv__otlp_batch_t *batch = otlp->filling[signal];

  if (batch == NULL || batch->records == 0)
    return;
  otlp->filling[signal] = NULL;
  (void) jobsrv__buf_append(&batch->body, tail, TAIL); /* there is room */
  otlp->stats.waiting_bytes += TAIL;
  batch->number = ++otlp->numbers;
  jobsrv__queue_push_back(&otlp->ready, &batch->link);
}

void jobsrv__otlp_batches_close(jobsrv_otlp_t *otlp) {
  for (int signal = 0; signal < JOBSRV__OTLP_SIGNALS; signal++)
    batch_close(otlp, signal);
  jobsrv_timer_disarm(otlp->srv, &otlp->batch_timer);
}

void jobsrv__otlp_batch_pop(jobsrv_otlp_t *otlp) {
  jobsrv__queue_t *link = jobsrv__queue_pop(&otlp->ready);
  jobsrv__otlp_batch_t *batch =
      JOBSRV__CONTAINER(link, jobsrv__otlp_batch_t, link);

  otlp->stats.waiting -= batch->records;
  otlp->stats.waiting_bytes -= batch->body.len;
  if (otlp->spare == NULL)
    otlp->spare = batch;
  else
    batch_free(otlp, batch);
}

void jobsrv__otlp_batches_free(jobsrv_otlp_t *otlp) {
  jobsrv__queue_t *link;

  jobsrv_timer_disarm(otlp->srv, &otlp->batch_timer);
  while ((link = jobsrv__queue_pop(&otlp->ready)) != NULL)
    batch_free(otlp, JOBSRV__CONTAINER(link, jobsrv__otlp_batch_t, link));
  for (int signal = 0; signal < JOBSRV__OTLP_SIGNALS; signal++)
    batch_free(otlp, otlp->filling[signal]);
  batch_free(otlp, otlp->spare);
}

/* ---- records ---- */

static void lose(jobsrv_otlp_t *otlp, uint64_t *counter) {
  ++*counter;
  otlp->unsaid++;
}

jobsrv__buf_t *jobsrv__otlp_record_begin(jobsrv_otlp_t *otlp, int signal) {
  jobsrv__otlp_batch_t *batch = otlp->filling[signal];

  if (otlp->stats.waiting_bytes + TAIL > otlp->options.max_queue_bytes) {
    lose(otlp, &otlp->stats.dropped_full);
    return NULL;
  }
  if (batch == NULL) {
    batch = batch_new(otlp, signal);
    if (batch == NULL) {
      lose(otlp, &otlp->stats.dropped_memory);
      return NULL;
    }
    otlp->filling[signal] = batch;
  }
  if (batch->records > 0)
    (void) jobsrv__buf_putc(&batch->body, ',');
  return &batch->body;
}

void jobsrv__otlp_record_cancel(jobsrv_otlp_t *otlp, int signal) {
  jobsrv__otlp_batch_t *batch = otlp->filling[signal];

  batch->body.failed = 0;
  batch->body.len = batch->records > 0 ? batch->counted
                                       : otlp->prefix[signal].len;
}

void jobsrv__otlp_record_end(jobsrv_otlp_t *otlp, int signal) {
  jobsrv__otlp_batch_t *batch = otlp->filling[signal];
  size_t added = batch->body.len - batch->counted;

  if (jobsrv__buf_reserve(&batch->body, TAIL) == NULL) {
    jobsrv__otlp_record_cancel(otlp, signal);
    lose(otlp, &otlp->stats.dropped_memory);
    return;
  }
  if (otlp->stats.waiting_bytes + added + TAIL >
      otlp->options.max_queue_bytes) {
    jobsrv__otlp_record_cancel(otlp, signal);
    lose(otlp, &otlp->stats.dropped_full);
    return;
  }
  batch->records++;
  batch->counted = batch->body.len;
  otlp->stats.waiting++;
  otlp->stats.waiting_bytes += added;
  if (batch->records >= otlp->options.max_batch ||
      batch->body.len >= otlp->options.max_batch_bytes) {
    batch_close(otlp, signal);
    jobsrv__otlp_send_later(otlp);
  } else if (!jobsrv_timer_armed(&otlp->batch_timer)) {
    jobsrv_timer_arm(otlp->srv, &otlp->batch_timer,
                     jobsrv_now(otlp->srv) +
                         otlp->options.delay_ms * UINT64_C(1000000),
                     on_batch_timer);
  }
}
