/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "jobsrv/testing.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

enum { MAX = 4096 };

/* A ring of copies, each a block of its own. */
struct jobsrv_capture_s {
  jobsrv_alloc_t alloc;
  jobsrv_sink_t *sink;      /* NULL: its server has closed */
  jobsrv_event_t **events;
  size_t max;
  size_t first;
  size_t count;
  uint64_t lost;
};

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

static jobsrv_event_t **slot(const jobsrv_capture_t *capture, size_t i) {
  return &capture->events[(capture->first + i) % capture->max];
}

static void on_event(void *self, const jobsrv_event_t *event) {
  jobsrv_capture_t *capture = self;
  jobsrv_event_t *kept = copy(&capture->alloc, event);

  if (kept == NULL) {
    capture->lost++;
    return;
  }
  if (capture->count == capture->max) {
    jobsrv__free(&capture->alloc, *slot(capture, 0));
    capture->first = (capture->first + 1) % capture->max;
    capture->count--;
    capture->lost++;
  }
  *slot(capture, capture->count++) = kept;
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
                                             .level = JOBSRV_TRACE };
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

static int same(const char *want, const char *is) {
  return want == NULL || (is != NULL && strcmp(want, is) == 0);
}

static int holds(const char *part, const char *text) {
  return part == NULL || (text != NULL && strstr(text, part) != NULL);
}

static int matches(const jobsrv_match_t *match, const jobsrv_event_t *event) {
  if (match == NULL)
    return 1;
  return same(match->job_id, event->job_id) &&
         same(match->actor, event->actor) &&
         same(match->action, event->action) &&
         same(match->target, event->target) &&
         holds(match->includes, event->human) &&
         holds(match->json, event->json) &&
         (match->level == 0 || match->level == event->level) &&
         (!match->has_kind || match->kind == event->kind) &&
         (match->after_server_seq == 0 ||
          event->server_seq > match->after_server_seq);
}

size_t jobsrv_capture_count(const jobsrv_capture_t *capture,
                            const jobsrv_match_t *match) {
  size_t n = 0;

  for (size_t i = 0; i < capture->count; i++)
    n += (size_t) matches(match, *slot(capture, i));
  return n;
}

const jobsrv_event_t *jobsrv_capture_get(const jobsrv_capture_t *capture,
                                         const jobsrv_match_t *match,
                                         size_t index) {
  for (size_t i = 0; i < capture->count; i++)
    if (matches(match, *slot(capture, i)) && index-- == 0)
      return *slot(capture, i);
  return NULL;
}

int jobsrv_capture_sequence(const jobsrv_capture_t *capture,
                            const jobsrv_match_t *patterns,
                            size_t n) {
  size_t met = 0;

  for (size_t i = 0; i < capture->count && met < n; i++)
    met += (size_t) matches(&patterns[met], *slot(capture, i));
  return met == n;
}

uint64_t jobsrv_capture_lost(const jobsrv_capture_t *capture) {
  return capture->lost;
}

void jobsrv_capture_clear(jobsrv_capture_t *capture) {
  for (size_t i = 0; i < capture->count; i++)
    jobsrv__free(&capture->alloc, *slot(capture, i));
  capture->first = 0;
  capture->count = 0;
}

const char *jobsrv_capture_dump(const jobsrv_capture_t *capture,
                                char *to,
                                size_t cap) {
  size_t used = 0;

  if (cap == 0)
    return to;
  to[0] = '\0';
  for (size_t i = 0; i < capture->count && used < cap; i++) {
    const jobsrv_event_t *event = *slot(capture, i);
    int n = snprintf(to + used, cap - used, "%llu %s %s %s %s %s: %s\n",
                     (unsigned long long) event->seq,
                     jobsrv_kind_name(event->kind),
                     jobsrv_level_name(event->level),
                     event->actor != NULL ? event->actor : "-",
                     event->action != NULL ? event->action : "-",
                     event->target != NULL ? event->target : "-",
                     event->human != NULL ? event->human : "");

    if (n < 0)
      break;
    used += (size_t) n;
  }
  return to;
}
