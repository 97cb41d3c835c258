/* SPDX-License-Identifier: MIT */

#include "narration/narration.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "core/plan.h"
#include "narration/encode.h"
#include "narration/metrics.h"
#include "narration/writer.h"

#include <stdio.h>
#include <string.h>

jobsrv__narration_t *jobsrv__narration_new(const jobsrv_alloc_t *alloc) {
  jobsrv__narration_t *narration = jobsrv__zalloc(alloc, sizeof(*narration));

  if (narration == NULL)
    return NULL;
  jobsrv__queue_init(&narration->sinks);
  jobsrv__queue_init(&narration->later);
  jobsrv__queue_init(&narration->progressed);
  jobsrv__queue_init(&narration->flushes);
  return narration;
}

void jobsrv__narration_attach(jobsrv__narration_t *narration, jobsrv_t *srv) {
  srv->narration = narration;
  srv->observer = &jobsrv__narration_observer;
  atomic_store_explicit(&srv->sink_level, JOBSRV_MUTE, memory_order_relaxed);
  jobsrv__logs_init(&narration->logs, srv);
  jobsrv__buf_init(&narration->body, &srv->alloc, 0);
  jobsrv__buf_init(&narration->text, &srv->alloc, 0);
  jobsrv__buf_init(&narration->said, &srv->alloc, 0);
  jobsrv__buf_init(&narration->json, &srv->alloc, 0);
  jobsrv__redacted_init(&narration->redacted, &srv->alloc);
  jobsrv__mailbox_carry(srv->mailbox, srv->options.max_inbox_bytes,
                        jobsrv__narration_read);
  jobsrv__narration_metrics_add(narration);
}

void jobsrv__narration_free(jobsrv__narration_t *narration,
                            const jobsrv_alloc_t *alloc) {
  jobsrv__buf_free(&narration->body);
  jobsrv__buf_free(&narration->text);
  jobsrv__buf_free(&narration->said);
  jobsrv__buf_free(&narration->json);
  jobsrv__redacted_free(&narration->redacted);
  if (narration->redactor != NULL)
    jobsrv_redactor_unref(narration->redactor);
  jobsrv__free(alloc, narration->unrouted);
  jobsrv__free(alloc, narration);
}

int jobsrv__narration_straight(const jobsrv_t *srv) {
  return jobsrv__on_loop(srv) && srv->narration != NULL &&
         jobsrv__mailbox_empty(srv->mailbox) &&
         !jobsrv__narration(srv)->delivering;
}

/* An event of the library's own, for sinks. */
static jobsrv_event_t own_event(const jobsrv_job_t *job, jobsrv_kind_t kind) {
  jobsrv_event_t event = {
    .size = sizeof(event),
    .level = kind == JOBSRV_KIND_DROPPED ? JOBSRV_WARN : JOBSRV_INFO,
    .kind = kind,
    .action = jobsrv_kind_name(kind),
  };

  jobsrv__event_fill(&event, job, job->srv);
  return event;
}

/* The job's newest event, as it was numbered, to the sinks. */
static void deliver(jobsrv_job_t *job,
                    const jobsrv_event_t *event,
                    const char *json,
                    size_t json_len) {
  jobsrv_event_t mine;
  jobsrv__ids_t ids;
  char id[JOBSRV_ID_SIZE];

  if (!jobsrv__sinks_want(job->srv->narration, event, job))
    return;
  mine = *event;
  if (event->kind != JOBSRV_KIND_NARRATION && event->kind != JOBSRV_KIND_DATA)
    jobsrv__event_trace(&mine, job, &ids); /* those have been asked */
  mine.seq = job->seq;
  mine.server_seq = job->srv->server_seq;
  mine.job = job;
  mine.job_id = jobsrv_job_id(job, id);
  mine.json = json;
  mine.json_len = json_len;
  jobsrv__sinks_deliver(job->srv->narration, &mine);
}

static unsigned int take_dropped(jobsrv_job_t *job) {
  if (atomic_load_explicit(&job->dropped, memory_order_relaxed) == 0)
    return 0;
  return atomic_exchange_explicit(&job->dropped, 0, memory_order_relaxed);
}

/* Says how many were lost, in the place where they were. */
static void announce(jobsrv_job_t *job, unsigned int count) {
  char body[JOBSRV__STATE_BODY];
  char human[64];
  jobsrv_event_t event;
  const char *json = NULL;
  size_t json_len = 0;
  size_t len;

  if (count == 0)
    return;
  event = own_event(job, JOBSRV_KIND_DROPPED);
  len = jobsrv__encode_dropped(body, job, event.wall_ns, count);
  if (jobsrv__log_append(job, JOBSRV_KIND_DROPPED, JOBSRV_WARN, body, len,
                         &json, &json_len) != 0) {
    atomic_fetch_add_explicit(&job->dropped, count, memory_order_relaxed);
    return;
  }
  job->srv->stats.dropped += count;
  if (!jobsrv__sinks_hear(job->srv, event.level))
    return;
  (void) snprintf(human, sizeof(human), "%u events were dropped", count);
  event.human = human;
  deliver(job, &event, json, json_len);
}

int jobsrv__narration_put(jobsrv_job_t *job,
                          unsigned int dropped_before,
                          jobsrv_kind_t kind,
                          int level,
                          const char *body,
                          size_t len,
                          const jobsrv_event_t *event) {
  const char *json = NULL;
  size_t json_len = 0;
  int err;

  announce(job, dropped_before);
  if (!jobsrv__sinks_hear(job->srv, level))
    event = NULL;
  err = jobsrv__log_append(job, kind, level, body, len,
                           event != NULL ? &json : NULL, &json_len);
  if (err == UV_ENOMEM)
    atomic_fetch_add_explicit(&job->dropped, 1, memory_order_relaxed);
  if (err == 0 && event != NULL)
    deliver(job, event, json, json_len);
  return err;
}

unsigned int jobsrv__narration_lost(jobsrv_job_t *job) {
  return jobsrv__mailbox_empty(job->srv->mailbox) ? take_dropped(job) : 0;
}

/* ---- what core tells ---- */

static void on_transition(jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  uint64_t before;
  char human[96];
  jobsrv_entry_t entry;
  jobsrv_event_t event;

  if (job->seq == 0 && job->token.above != NULL)
    jobsrv__progress_born(job);
  if (!jobsrv__sinks_hear(job->srv, JOBSRV_INFO)) {
    jobsrv__log_transition(job, from, to);
    return;
  }
  (void) jobsrv__log_open(job); /* so that there is JSON of it */
  announce(job, jobsrv__narration_lost(job));
  before = job->seq;
  jobsrv__log_transition(job, from, to);
  if (job->seq == before)
    return;

  event = own_event(job, JOBSRV_KIND_STATE);
  if (before == 0)
    (void) snprintf(human, sizeof(human), "created, %s",
                    jobsrv_state_name(to));
  else if (from == to)
    (void) snprintf(human, sizeof(human), "asked to stop");
  else
    (void) snprintf(human, sizeof(human), "%s, was %s", jobsrv_state_name(to),
                    jobsrv_state_name(from));
  event.human = human;
  memset(&entry, 0, sizeof(entry));
  if (!jobsrv__log_newest(job, &entry) || entry.seq != job->seq)
    entry.json = NULL;
  deliver(job, &event, entry.json, entry.json != NULL ? entry.json_len : 0);
}

/* `{"type":"end","seq":N,"time":"...",` and then the record's members. */
static void encode_end(jobsrv__buf_t *buf, const jobsrv_job_t *job) {
  char time[JOBSRV__RFC3339_SIZE];
  char *to;
  size_t len;

  jobsrv__buf_reset(buf);
  jobsrv__rfc3339(time, job->finished_wall);
  (void) jobsrv__buf_puts(buf, "{\"type\":\"end\",\"seq\":");
  (void) jobsrv__buf_putu64(buf, job->seq);
  (void) jobsrv__buf_puts(buf, ",\"time\":\"");
  (void) jobsrv__buf_puts(buf, time);
  (void) jobsrv__buf_puts(buf, "\",");
  len = jobsrv_job_record(job, JOBSRV_RECORD_BRIEF, NULL, 0);
  to = jobsrv__buf_reserve(buf, len);
  if (to == NULL)
    return;
  (void) jobsrv_job_record(job, JOBSRV_RECORD_BRIEF, to, len);
  memmove(to, to + 1, len - 1); /* its brace is there already */
  buf->len += len - 1;
}

enum { MAX_WHY = 480 };

static void on_ended(jobsrv_job_t *job, jobsrv_state_t from) {
  jobsrv__narration_t *narration = jobsrv__narration(job->srv);
  jobsrv_state_t state = jobsrv_job_state(job);
  jobsrv_job_info_t info = { .size = sizeof(info) };
  jobsrv_event_t event;
  jobsrv__buf_t mine, *json;
  char human[MAX_WHY + 128];
  char mark[JOBSRV__CUT_MARK];
  const char *why = NULL;
  int kept;

  (void) from;
  jobsrv__spans_freeze(job);
  announce(job, take_dropped(job));
  jobsrv__log_end(job);
  jobsrv__progress_ended(job);
  jobsrv__progress_tell(job);
  if (job->srv->narration == NULL || /* a sink has closed the server */
      !jobsrv__sinks_hear(job->srv, JOBSRV_INFO))
    return;

  event = own_event(job, JOBSRV_KIND_END);
  jobsrv_job_info(job, &info);
  if (state == JOBSRV_STATE_FAILED)
    why = info.error_message != NULL ? info.error_message : info.error_code;
  else if (state == JOBSRV_STATE_CANCELLED && info.cancel_reason != NULL)
    why = info.cancel_reason->text;
  /* marked, for half a secret is known by that */
  kept = jobsrv__cut_marked(mark, why != NULL ? why : "", MAX_WHY);
  (void) snprintf(human, sizeof(human), "%s%s%.*s%s", jobsrv_state_name(state),
                  why != NULL ? ": " : "", kept, why != NULL ? why : "", mark);
  event.human = human;
  event.wall_ns = job->finished_wall;
  /* inside of a sink, `body` may be of an event that is still to be put */
  jobsrv__buf_init(&mine, &job->srv->alloc, 0);
  json = narration->delivering ? &mine : &narration->body;
  encode_end(json, job);
  deliver(job, &event, jobsrv__buf_str(json), json->len);
  jobsrv__buf_free(&mine);
}

static void on_expired(jobsrv_job_t *job) {
  jobsrv__tails_expired(job);
}

static void on_gone(jobsrv_job_t *job) {
  jobsrv__log_free(job);
}

static void on_turn(jobsrv_t *srv) {
  if (srv->narration != NULL)
    jobsrv__logs_flush(srv);
}

int jobsrv__narration_lane(jobsrv_t *srv,
                           jobsrv__outlet_t *outlet,
                           const jobsrv__lane_options_t *options,
                           jobsrv__lane_t **out) {
  jobsrv__narration_t *narration = jobsrv__narration(srv);
  int err = 0;

  if (narration->writer == NULL)
    err = jobsrv__writer_new(&narration->writer, &srv->alloc, srv->mailbox);
  if (err == 0)
    err = jobsrv__lane_new(out, narration->writer, outlet, options);
  if (err != 0)
    outlet->ops->close(outlet);
  return err;
}

static void on_finish(jobsrv_t *srv) {
  jobsrv__sinks_finish(srv->narration);
}

static void on_close(jobsrv_t *srv) {
  jobsrv__narration_t *narration = jobsrv__narration(srv);

  jobsrv__narration_hold(narration);
  jobsrv_turn_cancel(&narration->progress_turn);
  while (jobsrv__queue_pop(&narration->progressed) != NULL)
    ;
  jobsrv_collector_remove(&narration->collector);
  jobsrv__sinks_close(narration);
  jobsrv__flushes_close(narration);
  if (narration->writer != NULL)
    jobsrv__writer_close(narration->writer);
  jobsrv__logs_close(srv);
  srv->narration = NULL;
  narration->closed = 1;
  jobsrv__narration_let_go(narration);
}

const jobsrv__observer_t jobsrv__narration_observer = {
  .transition = on_transition,
  .ended = on_ended,
  .expired = on_expired,
  .gone = on_gone,
  .enter = jobsrv_context_enter,
  .leave = jobsrv_context_leave,
  .capture = jobsrv_context_capture,
  .resume = jobsrv_snapshot_enter,
  .forget = jobsrv_snapshot_unref,
  .span = jobsrv__context_span,
  .line = jobsrv__child_line,
  .started = jobsrv__child_started,
  .exited = jobsrv__child_exited,
  .turn = on_turn,
  .finish = on_finish,
  .range = jobsrv__log_range,
  .close = on_close,
};
