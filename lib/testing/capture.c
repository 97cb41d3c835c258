/* SPDX-License-Identifier: MIT */

#include "testing/capture.h"

#include "base/alloc.h"

#include <string.h>

#include <uv.h>

enum { MAX = 4096 };

/* Where the texts of an event stand in it; all end with a NUL. */
static const size_t texts[] = {
#define XX(name) offsetof(jobsrv_event_t, name)
  XX(actor), XX(action), XX(target), XX(human), XX(cute), XX(story),
  XX(correlation_id), XX(request_id), XX(trace_id), XX(span_id),
  XX(parent_span_id), XX(file), XX(function), XX(job_id),
#undef XX
};

enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static const char **text_at(jobsrv_event_t *event, size_t i) {
  return (const char **) (void *) ((char *) event + texts[i]);
}

static size_t field_len(const jobsrv_field_t *field) {
  if ((field->type != JOBSRV_FIELD_STRING &&
       field->type != JOBSRV_FIELD_JSON) ||
      field->as.string == NULL)
    return 0;
  return field->len != 0 ? field->len : strlen(field->as.string);
}

/* Moves `*text` into the block, or only measures when `*to` is NULL. */
static size_t take(char **to, const char **text, size_t len) {
  if (*text == NULL)
    return 0;
  if (*to != NULL) {
    memcpy(*to, *text, len);
    (*to)[len] = '\0';
    *text = *to;
    *to += len + 1;
  }
  return len + 1;
}

/* With `to`, moves all that the event points to there; returns how much. */
static size_t take_all(jobsrv_event_t *event,
                       jobsrv_field_t *fields,
                       char *to) {
  size_t sum = 0;
  const char *text;
  jobsrv_field_t field;

  for (size_t i = 0; i < TEXTS; i++) {
    text = *text_at(event, i);
    sum += take(&to, &text, text != NULL ? strlen(text) : 0);
    *text_at(event, i) = text;
  }
  sum += take(&to, &event->payload, event->payload_len);
  sum += take(&to, &event->json, event->json_len);
  for (size_t i = 0; i < event->nfields; i++) {
    field = event->fields[i];
    sum += take(&to, &field.key, strlen(field.key));
    if (field.type == JOBSRV_FIELD_STRING || field.type == JOBSRV_FIELD_JSON) {
      field.len = field_len(&field);
      text = field.as.string;
      sum += take(&to, &text, field.len);
      field.as.string = text;
    }
    if (fields != NULL)
      fields[i] = field;
  }
  return sum;
}

static jobsrv_event_t *copy(const jobsrv_alloc_t *alloc,
                            const jobsrv_event_t *event) {
  jobsrv_event_t mine = *event;
  size_t size = sizeof(mine) + mine.nfields * sizeof(jobsrv_field_t);
  jobsrv_event_t *kept =
      jobsrv__malloc(alloc, size + take_all(&mine, NULL, NULL));
  jobsrv_field_t *fields;

  if (kept == NULL)
    return NULL;
  *kept = *event;
  fields = (jobsrv_field_t *) (void *) (kept + 1);
  (void) take_all(kept, fields, (char *) kept + size);
  kept->fields = fields;
  kept->job = NULL;
  return kept;
}

static void on_event(void *self, const jobsrv_event_t *event) {
  jobsrv_capture_t *capture = self;
  jobsrv_event_t *kept = copy(&capture->alloc, event);

  if (kept == NULL) {
    capture->lost++;
    return;
  }
  if (capture->count == capture->max) {
    jobsrv__free(&capture->alloc, *jobsrv__capture_slot(capture, 0));
    capture->first = (capture->first + 1) % capture->max;
    capture->count--;
    capture->lost++;
  }
  *jobsrv__capture_slot(capture, capture->count++) = kept;
}

static void on_close(void *self) {
  ((jobsrv_capture_t *) self)->sink = NULL;
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
};

int jobsrv_capture_new(jobsrv_capture_t **out, jobsrv_t *srv, size_t max) {
  static const jobsrv_sink_options_t all = { .size = sizeof(all),
                                             .level = JOBSRV_TRACE,
                                             .unredacted = 1 };
  const jobsrv_alloc_t *alloc = jobsrv_allocator(srv);
  jobsrv_capture_t *capture = jobsrv__zalloc(alloc, sizeof(*capture));
  int err = UV_ENOMEM;

  if (capture == NULL)
    return err;
  capture->alloc = *alloc;
  capture->max = max > 0 ? max : MAX;
  if (capture->max <= SIZE_MAX / sizeof(*capture->events))
    capture->events =
        jobsrv__malloc(alloc, capture->max * sizeof(*capture->events));
  if (capture->events != NULL)
    err = jobsrv_sink_add(srv, &ops, capture, &all, &capture->sink);
  if (err != 0) {
    jobsrv__free(alloc, capture->events);
    jobsrv__free(alloc, capture);
    return err;
  }
  *out = capture;
  return 0;
}

void jobsrv_capture_free(jobsrv_capture_t *capture) {
  jobsrv_alloc_t alloc;

  if (capture == NULL)
    return;
  alloc = capture->alloc;
  if (capture->sink != NULL)
    jobsrv_sink_remove(capture->sink);
  jobsrv_capture_clear(capture);
  jobsrv__free(&alloc, capture->events);
  jobsrv__free(&alloc, capture);
}

uint64_t jobsrv_capture_lost(const jobsrv_capture_t *capture) {
  return capture->lost;
}

void jobsrv_capture_clear(jobsrv_capture_t *capture) {
  for (size_t i = 0; i < capture->count; i++)
    jobsrv__free(&capture->alloc, *jobsrv__capture_slot(capture, i));
  capture->first = 0;
  capture->count = 0;
}
