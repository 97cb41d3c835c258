/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "narration/chunk.h"
#include "narration/narration.h"

#include <stdio.h>
#include <string.h>

/*
 * Progress for sinks. A job that has published a value stands in a list until
 * the end of the turn: publishing is the middle of much else, where a sink may
 * not close the server.
 */

enum { NUMBER_SIZE = JOBSRV__DOUBLE_SIZE + 1, FIELDS = 7, HUMAN = 384 };

/* The value as an event, with what it points to. */
typedef struct {
  jobsrv_event_t event;
  jobsrv_field_t fields[FIELDS];
  jobsrv__ids_t ids;
  char id[JOBSRV_ID_SIZE];
  char human[HUMAN];
  char unit[JOBSRV__PROGRESS_TEXT + 1];
  char phase[JOBSRV__PROGRESS_TEXT + 1];
} told_t;

static const char *number(char to[NUMBER_SIZE], double value) {
  to[jobsrv__double_format(to, value)] = '\0';
  return to;
}

static void add_number(told_t *told, const char *key, double value) {
  jobsrv_field_t *field = &told->fields[told->event.nfields++];

  field->key = key;
  field->type = JOBSRV_FIELD_DOUBLE;
  field->as.f64 = value;
}

static void add_text(told_t *told, const char *key, const char *text) {
  jobsrv_field_t *field;

  if (text[0] == '\0')
    return;
  field = &told->fields[told->event.nfields++];
  field->key = key;
  field->type = JOBSRV_FIELD_STRING;
  field->as.string = text;
}

static void copy_text(char *to, const char *text, size_t len) {
  memcpy(to, text, len);
  to[len] = '\0';
}

static int has_percent(const jobsrv__progress_value_t *value) {
  return value->tenths != JOBSRV__PROGRESS_NO_PERCENT;
}

static int has_eta(const jobsrv_job_t *job,
                   const jobsrv__progress_value_t *value) {
  return value->eta_ms != UINT64_MAX && !jobsrv__job_ended(job);
}

static void add_text_to(char *to, const char *format, const char *text) {
  size_t len = strlen(to);

  (void) snprintf(to + len, HUMAN - len, format, text);
}

/* "3 of 12 files (25%), copying, 40 s left", or as much of it as is known. */
static void put_human(told_t *told,
                      const jobsrv_job_t *job,
                      const jobsrv__progress_value_t *value) {
  char *human = told->human;
  uint64_t left = value->eta_ms / 1000 + (value->eta_ms % 1000 != 0);
  char text[NUMBER_SIZE];

  add_text_to(human, "%s", number(text, value->done));
  if (value->total > 0)
    add_text_to(human, " of %s", number(text, value->total));
  if (told->unit[0] != '\0')
    add_text_to(human, " %s", told->unit);
  if (has_percent(value))
    add_text_to(human, " (%s%%)", number(text, (double) value->tenths / 10));
  if (told->phase[0] != '\0')
    add_text_to(human, ", %s", told->phase);
  if (has_eta(job, value)) {
    (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) left);
    add_text_to(human, ", %s s left", text);
  }
}

static void put_fields(told_t *told,
                       const jobsrv_job_t *job,
                       const jobsrv__progress_value_t *value) {
  add_number(told, "done", value->done);
  if (value->total > 0)
    add_number(told, "total", value->total);
  add_text(told, "unit", told->unit);
  add_text(told, "phase", told->phase);
  if (has_percent(value))
    add_number(told, "percent", (double) value->tenths / 10);
  if (value->rate > 0)
    add_number(told, "rate", value->rate);
  if (has_eta(job, value)) {
    jobsrv_field_t *field = &told->fields[told->event.nfields++];

    field->key = "eta_ms";
    field->type = JOBSRV_FIELD_U64;
    field->as.u64 = value->eta_ms;
  }
}

static void make(told_t *told,
                 jobsrv_job_t *job,
                 const jobsrv__progress_value_t *value) {
  jobsrv_event_t *event = &told->event;

  memset(told, 0, sizeof(*told));
  copy_text(told->unit, value->unit, value->unit_len);
  copy_text(told->phase, value->phase, value->phase_len);
  put_human(told, job, value);
  put_fields(told, job, value);
  event->size = sizeof(*event);
  event->kind = JOBSRV_KIND_PROGRESS;
  event->level = JOBSRV_INFO;
  event->action = jobsrv_kind_name(JOBSRV_KIND_PROGRESS);
  event->human = told->human;
  event->fields = told->fields;
  event->job = job;
  event->job_id = jobsrv_job_id(job, told->id);
  jobsrv__event_fill(event, job, job->srv);
  jobsrv__event_trace(event, job, &told->ids);
  event->wall_ns = value->wall_ns;
}

static void deliver(jobsrv_job_t *job, jobsrv__narration_t *narration) {
  jobsrv__progress_frame_t *frame;
  told_t told;

  make(&told, job, &job->log->progress->shown);
  if (!jobsrv__sinks_want(narration, &told.event, job))
    return;
  frame = jobsrv__progress_frame(job->log);
  if (frame != NULL) {
    told.event.json = frame->bytes + frame->json;
    told.event.json_len = frame->json_len;
  }
  jobsrv_job_ref(job);
  jobsrv__sinks_deliver(narration, &told.event);
  if (frame != NULL)
    jobsrv__progress_unref(job->log, frame);
  jobsrv_job_unref(job);
}

static void on_turn(jobsrv_turn_t *turn) {
  jobsrv__narration_t *narration = turn->data;
  jobsrv__progress_state_t *progress;
  jobsrv__queue_t all, *link;

  jobsrv__narration_hold(narration);
  jobsrv__queue_move(&all, &narration->progressed);
  while ((link = jobsrv__queue_pop(&all)) != NULL) {
    progress = JOBSRV__CONTAINER(link, jobsrv__progress_state_t, news);
    if (!narration->closed)
      deliver(progress->log->job, narration);
  }
  jobsrv__narration_let_go(narration);
}

void jobsrv__progress_news(jobsrv_job_t *job) {
  jobsrv__narration_t *narration = jobsrv__narration(job->srv);
  jobsrv__queue_t *news = &job->log->progress->news;

  if (narration->progress_sinks == 0 || jobsrv__queue_linked(news))
    return;
  jobsrv__queue_push_back(&narration->progressed, news);
  narration->progress_turn.data = narration;
  jobsrv_turn_ask(job->srv, &narration->progress_turn, on_turn);
}

void jobsrv__progress_tell(jobsrv_job_t *job) {
  jobsrv__progress_state_t *progress =
      job->log != NULL ? job->log->progress : NULL;

  if (progress == NULL || !jobsrv__queue_linked(&progress->news))
    return;
  jobsrv__queue_remove(&progress->news);
  deliver(job, jobsrv__narration(job->srv));
}
