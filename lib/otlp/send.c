/* SPDX-License-Identifier: MIT */

#include "otlp/internal.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

#define MS UINT64_C(1000000)

/*
 * Batches go in their order, one at a time, so that one that has to be tried
 * again holds up the others: what it waits for holds them up as well.
 */

static void send_next(jobsrv_otlp_t *otlp);

static jobsrv__otlp_batch_t *first(const jobsrv_otlp_t *otlp) {
  jobsrv__queue_t *link = jobsrv__queue_front(&otlp->ready);

  return link != NULL ? JOBSRV__CONTAINER(link, jobsrv__otlp_batch_t, link)
                      : NULL;
}

/* ---- trouble ---- */

/* Texts of others are kept on one line and out of a terminal's reach. */
static void note(jobsrv_otlp_t *otlp, const char *what, const char *why) {
  char *text = otlp->stats.last_error;

  (void) snprintf(text, sizeof(otlp->stats.last_error), "%s%s%s", what,
                  why[0] != '\0' ? ": " : "", why);
  for (; *text != '\0'; text++)
    if ((unsigned char) *text < 0x20 || (unsigned char) *text >= 0x7f)
      *text = '?';
}

static void on_pause_over(jobsrv_timer_t *timer) {
  jobsrv_otlp_t *otlp = timer->data;

  otlp->is_told_when = 0;
  send_next(otlp);
}

/* From half of the delay to all of it. */
static uint64_t backoff_ns(jobsrv_otlp_t *otlp) {
  uint64_t delay = otlp->options.backoff_ms;
  uint64_t random = 0;

  for (uint32_t i = 1;
       i < otlp->failures && delay < otlp->options.max_backoff_ms; i++)
    delay *= 2;
  if (delay > otlp->options.max_backoff_ms)
    delay = otlp->options.max_backoff_ms;
  (void) jobsrv__id_random(&otlp->ids, &random, sizeof(random));
  delay *= MS;
  return delay - random % (delay / 2 + 1);
}

/* Again later, unless it would be too late then. */
static void put_off(jobsrv_otlp_t *otlp, uint64_t told_ms) {
  jobsrv__otlp_batch_t *batch = first(otlp);
  uint64_t now = jobsrv_now(otlp->srv);
  uint64_t delay;

  otlp->failures += otlp->failures < 64;
  otlp->stats.failures++;
  delay = told_ms != 0 ? told_ms * MS : backoff_ns(otlp);
  otlp->is_told_when = told_ms != 0;
  if (batch->failed_ns == 0)
    batch->failed_ns = now;
  if (now + delay - batch->failed_ns > otlp->options.give_up_ms * MS) {
    otlp->stats.dropped_late += batch->records;
    otlp->unsaid += batch->records;
    jobsrv__otlp_batch_pop(otlp);
  }
  jobsrv_timer_arm(otlp->srv, &otlp->pause_timer, now + delay, on_pause_over);
}

/* ---- answers ---- */

static void on_taken(jobsrv_otlp_t *otlp) {
  jobsrv__otlp_batch_t *batch = first(otlp);
  uint64_t rejected;
  char reason[128];

  rejected = jobsrv__otlp_rejected(otlp->client.response.body.data,
                                   otlp->client.response.body.len,
                                   batch->signal, reason, sizeof(reason));
  if (rejected > batch->records)
    rejected = batch->records;
  if (rejected > 0 || reason[0] != '\0')
    note(otlp, rejected > 0 ? "some records were rejected" : "collector",
         reason);
  otlp->stats.rejected += rejected;
  if (batch->signal == JOBSRV__OTLP_LOG)
    otlp->stats.logs += batch->records - rejected;
  else
    otlp->stats.spans += batch->records - rejected;
  otlp->failures = 0;
  jobsrv__otlp_batch_pop(otlp);
}

static void on_refused(jobsrv_otlp_t *otlp, unsigned int status) {
  char what[32];

  otlp->stats.failures++;
  otlp->stats.dropped_refused += first(otlp)->records;
  otlp->unsaid += first(otlp)->records;
  (void) snprintf(what, sizeof(what), "answered %u", status);
  note(otlp, what, "");
  otlp->failures = 0;
  jobsrv__otlp_batch_pop(otlp);
}

static int is_retryable(unsigned int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

static void on_answer(jobsrv_otlp_t *otlp) {
  const jobsrv__otlp_response_t *response = &otlp->client.response;
  char what[32];

  otlp->stats.last_status = response->status;
  if (response->status >= 200 && response->status < 300) {
    on_taken(otlp);
  } else if (is_retryable(response->status)) {
    (void) snprintf(what, sizeof(what), "answered %u", response->status);
    note(otlp, what, "");
    put_off(otlp, jobsrv__otlp_retry_after(response->retry_after,
                                           jobsrv_wall_now(otlp->srv)));
  } else {
    on_refused(otlp, response->status);
  }
}

/* ---- flushing ---- */

/* 1 if a flush is over now; who calls tells the sink, last of all. */
static int flush_is_over(jobsrv_otlp_t *otlp) {
  const jobsrv__otlp_batch_t *batch = first(otlp);

  if (!otlp->is_flushing ||
      (batch != NULL && batch->number <= otlp->flush_number))
    return 0;
  otlp->is_flushing = 0;
  jobsrv_timer_disarm(otlp->srv, &otlp->flush_timer);
  jobsrv__otlp_client_hold(&otlp->client, 0);
  return 1;
}

static void on_flush_late(jobsrv_timer_t *timer) {
  jobsrv_otlp_t *otlp = timer->data;

  otlp->flush_number = 0;
  if (flush_is_over(otlp))
    jobsrv_sink_flushed(otlp->sink);
}

int jobsrv__otlp_flush(jobsrv_otlp_t *otlp) {
  jobsrv__otlp_batches_close(otlp);
  if (jobsrv__queue_empty(&otlp->ready))
    return 1;
  otlp->flush_number = otlp->numbers;
  otlp->is_flushing = 1;
  jobsrv_timer_arm(otlp->srv, &otlp->flush_timer,
                   jobsrv_now(otlp->srv) + otlp->options.flush_ms * MS,
                   on_flush_late);
  if (!otlp->is_told_when) { /* a pause of our own is over */
    jobsrv_timer_disarm(otlp->srv, &otlp->pause_timer);
    otlp->failures = 0;
  }
  jobsrv__otlp_client_hold(&otlp->client, 1);
  send_next(otlp);
  return 0;
}

/* ---- sending ---- */

static void on_done(jobsrv__otlp_client_t *client, int err) {
  jobsrv_otlp_t *otlp = client->data;

  if (err == 0) {
    on_answer(otlp);
  } else {
    note(otlp, "no answer", jobsrv_strerror(err));
    put_off(otlp, 0);
  }
  if (flush_is_over(otlp)) {
    jobsrv__otlp_send_later(otlp);
    jobsrv_sink_flushed(otlp->sink); /* may take it all away */
    return;
  }
  send_next(otlp);
}

static int put_head(jobsrv_otlp_t *otlp, const jobsrv__otlp_batch_t *batch) {
  jobsrv__buf_t *head = &otlp->head;

  jobsrv__buf_reset(head);
  (void) jobsrv__buf_puts(head, "POST ");
  (void) jobsrv__buf_puts(head, otlp->endpoint.path);
  (void) jobsrv__buf_puts(head, batch->signal == JOBSRV__OTLP_LOG
                                    ? "/v1/logs" : "/v1/traces");
  (void) jobsrv__buf_append(head, otlp->headers.data, otlp->headers.len);
  (void) jobsrv__buf_puts(head, "Content-Length: ");
  (void) jobsrv__buf_putu64(head, batch->body.len);
  return jobsrv__buf_puts(head, "\r\n\r\n");
}

static void send_next(jobsrv_otlp_t *otlp) {
  jobsrv__otlp_batch_t *batch = first(otlp);
  int err;

  if (batch == NULL || otlp->client.state != JOBSRV__OTLP_IDLE ||
      jobsrv_timer_armed(&otlp->pause_timer))
    return;
  otlp->stats.requests++;
  otlp->stats.retries += batch->tried;
  batch->tried = 1;
  err = put_head(otlp, batch);
  if (err == 0)
    err = jobsrv__otlp_client_send(&otlp->client, otlp->head.data,
                                   otlp->head.len, batch->body.data,
                                   batch->body.len);
  if (err == 0) {
    jobsrv_wake(otlp->srv); /* a loop of others' could not know of it */
    return;
  }
  note(otlp, "cannot send", jobsrv_strerror(err));
  put_off(otlp, 0);
}

static void on_turn(jobsrv_turn_t *turn) {
  send_next(turn->data);
}

void jobsrv__otlp_send_later(jobsrv_otlp_t *otlp) {
  if (otlp->client.state == JOBSRV__OTLP_IDLE &&
      !jobsrv_timer_armed(&otlp->pause_timer))
    jobsrv_turn_ask(otlp->srv, &otlp->turn, on_turn);
}

void jobsrv__otlp_send_init(jobsrv_otlp_t *otlp) {
  otlp->client.alloc = &otlp->alloc;
  otlp->client.srv = otlp->srv;
  otlp->client.loop = jobsrv_loop(otlp->srv);
  otlp->client.endpoint = &otlp->endpoint;
  otlp->client.timeout_ms = otlp->options.timeout_ms;
  otlp->client.done = on_done;
  otlp->client.data = otlp;
  otlp->turn.data = otlp;
  otlp->pause_timer.data = otlp;
  otlp->flush_timer.data = otlp;
  jobsrv__otlp_client_init(&otlp->client);
}

void jobsrv__otlp_send_close(jobsrv_otlp_t *otlp) {
  jobsrv_timer_disarm(otlp->srv, &otlp->pause_timer);
  jobsrv_timer_disarm(otlp->srv, &otlp->flush_timer);
  jobsrv_turn_cancel(&otlp->turn);
  jobsrv__otlp_client_close(&otlp->client);
}
