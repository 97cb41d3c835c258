/* SPDX-License-Identifier: MIT */

#include "narration/redact_event.h"

#include "narration/chunk.h"
#include "narration/redact_find.h"

#include <string.h>

#include <uv.h>

/* The texts of an event that may hold anything; the others are our own. */
#define VOICES(XX) XX(human) XX(cute) XX(story)
#define TEXTS(XX)                                                             \
  XX(actor) XX(action) XX(target) VOICES(XX) XX(correlation_id)               \
  XX(request_id) XX(file) XX(function)

void jobsrv__redacted_init(jobsrv__redacted_t *redacted,
                           const jobsrv_alloc_t *alloc) {
  memset(redacted, 0, sizeof(*redacted));
  jobsrv__buf_init(&redacted->fields, alloc, 0);
  jobsrv__buf_init(&redacted->places, alloc, 0);
  jobsrv__buf_init(&redacted->texts, alloc, 0);
  jobsrv__buf_init(&redacted->json, alloc, 0);
  jobsrv__buf_init(&redacted->scratch, alloc, 0);
}

void jobsrv__redacted_free(jobsrv__redacted_t *redacted) {
  jobsrv__redacted_forget(redacted);
  jobsrv__buf_free(&redacted->fields);
  jobsrv__buf_free(&redacted->places);
  jobsrv__buf_free(&redacted->texts);
  jobsrv__buf_free(&redacted->json);
  jobsrv__buf_free(&redacted->scratch);
}

static int text_is_clean(const jobsrv_redactor_t *by, const char *text) {
  return text == NULL || !jobsrv_redacts(by, text, strlen(text));
}

static int is_text(const jobsrv_field_t *field) {
  return (field->type == JOBSRV_FIELD_STRING ||
          field->type == JOBSRV_FIELD_JSON) &&
         field->as.string != NULL;
}

static size_t length_of(const jobsrv_field_t *field) {
  return field->len != 0 ? field->len : strlen(field->as.string);
}

static int field_is_clean(const jobsrv_redactor_t *by,
                          const jobsrv_field_t *field) {
  size_t len = strlen(field->key);

  return !jobsrv_redacts_name(by, field->key, len) &&
         !jobsrv_redacts(by, field->key, len) &&
         (!is_text(field) ||
          !jobsrv_redacts(by, field->as.string, length_of(field)));
}

/* Without JSON of it, and in what that does not hold. */
static int texts_are_clean(const jobsrv_redactor_t *by,
                           const jobsrv_event_t *event) {
  int clean = 1;

#define XX(name) clean = clean && text_is_clean(by, event->name);
  TEXTS(XX)
#undef XX
  for (size_t i = 0; clean && i < event->nfields; i++)
    clean = field_is_clean(by, &event->fields[i]);
  return clean && (event->payload == NULL ||
                   !jobsrv_redacts(by, event->payload, event->payload_len));
}

/* ---- the copy ---- */

/* Where a text stands in a buffer that still moves. */
typedef struct {
  const char **slot;
  size_t at;
} place_t;

enum { OWN_TEXTS = 11 }; /* of an event without fields, which have two */

typedef struct {
  const jobsrv_redactor_t *by;
  jobsrv__buf_t *texts;
  jobsrv__buf_t *scratch;
  place_t *places;
  size_t nplaces;
} copier;

/* `*slot` is the text that begins at `at`, once all is there. */
static void end_text(copier *c, const char **slot, size_t at) {
  (void) jobsrv__buf_putc(c->texts, '\0');
  c->places[c->nplaces++] = (place_t) { slot, at };
}

static size_t put_text(copier *c,
                       const char **slot,
                       const char *text,
                       size_t len) {
  size_t at = c->texts->len;
  size_t out = jobsrv_redact(c->by, text, len, NULL, 0);
  char *room = jobsrv__buf_reserve(c->texts, out);

  if (room != NULL) {
    (void) jobsrv_redact(c->by, text, len, room, out);
    c->texts->len += out;
  }
  end_text(c, slot, at);
  return out;
}

/* JSON stays JSON. */
static size_t put_json(copier *c,
                       const char **slot,
                       const char *json,
                       size_t len) {
  size_t at = c->texts->len;

  if (jobsrv__redact_json(c->by, json, len, c->texts, c->scratch) == 0)
    (void) jobsrv__buf_append(c->texts, json, len);
  len = c->texts->len - at;
  end_text(c, slot, at);
  return len;
}

static void put_field(copier *c, jobsrv_field_t *field) {
  size_t len = strlen(field->key);
  int secret = jobsrv_redacts_name(c->by, field->key, len);

  if (jobsrv_redacts(c->by, field->key, len))
    (void) put_text(c, &field->key, field->key, len);
  if (secret) {
    field->type = JOBSRV_FIELD_STRING;
    field->as.string = c->by->replacement;
    field->len = c->by->replacement_len;
  } else if (is_text(field)) {
    field->len = field->type == JOBSRV_FIELD_JSON
                     ? put_json(c, &field->as.string, field->as.string,
                                length_of(field))
                     : put_text(c, &field->as.string, field->as.string,
                                length_of(field));
  }
}

static int copy(jobsrv__redacted_t *redacted,
                const jobsrv_event_t *from,
                int hide) {
  copier c = { .by = redacted->by,
               .texts = &redacted->texts,
               .scratch = &redacted->scratch };
  jobsrv_event_t *to = &redacted->event;
  size_t size = from->nfields * sizeof(jobsrv_field_t);
  jobsrv_field_t *fields;

  jobsrv__buf_reset(&redacted->texts);
  jobsrv__buf_reset(&redacted->fields);
  jobsrv__buf_reset(&redacted->places);
  fields = (void *) jobsrv__buf_reserve(&redacted->fields, size);
  c.places = (void *) jobsrv__buf_reserve(
      &redacted->places, (OWN_TEXTS + 2 * from->nfields) * sizeof(place_t));
  if (fields == NULL || c.places == NULL)
    return UV_ENOMEM;
  *to = *from;
#define XX(name)                                                              \
  if (hide && to->name != NULL)                                               \
    to->name = redacted->by->replacement;
  VOICES(XX)
#undef XX
#define XX(name)                                                              \
  if (to->name != NULL)                                                       \
    (void) put_text(&c, &to->name, to->name, strlen(to->name));
  TEXTS(XX)
#undef XX
  if (to->payload != NULL)
    to->payload_len = put_json(&c, &to->payload, to->payload, to->payload_len);
  if (size > 0)
    memcpy(fields, from->fields, size);
  to->fields = fields;
  for (size_t i = 0; i < to->nfields; i++)
    put_field(&c, &fields[i]);
  for (size_t i = 0; i < c.nplaces; i++)
    *c.places[i].slot = c.texts->data + c.places[i].at;
  return c.texts->failed;
}

/* No more than what may be said of any event. */
static void withhold(jobsrv__redacted_t *redacted, const jobsrv_event_t *from) {
  jobsrv_event_t *to = &redacted->event;

  *to = *from;
  to->actor = to->action = to->human = redacted->by->replacement;
  to->target = to->cute = to->story = NULL;
  to->correlation_id = to->request_id = NULL;
  to->file = to->function = NULL;
  to->nfields = 0;
  to->payload = NULL;
  to->payload_len = 0;
  to->json = NULL;
  to->json_len = 0;
}

static const jobsrv_event_t *make(jobsrv__redacted_t *redacted,
                                  const jobsrv_event_t *event) {
  jobsrv_event_t *to = &redacted->event;
  int hide = redacted->hide && (redacted->by->classes & JOBSRV_REDACT_PEM);
  int changed = 0;

  jobsrv__buf_reset(&redacted->json);
  if (event->json != NULL)
    changed = jobsrv__redact_event_json(redacted->by, event, hide,
                                        &redacted->json, &redacted->scratch);
  if (changed == 0 && !hide && texts_are_clean(redacted->by, event))
    return event;
  if (changed < 0 || copy(redacted, event, hide) != 0) {
    withhold(redacted, event);
  } else if (changed) {
    to->json = jobsrv__buf_str(&redacted->json);
    to->json_len = to->json != NULL ? redacted->json.len : 0;
  }
  return to;
}

/* Each event once, whatever redactors look at it. */
static void follow(jobsrv__redacted_t *redacted, const jobsrv_event_t *event) {
  jobsrv__log_t *log = event->job != NULL ? event->job->log : NULL;

  redacted->followed = 1;
  redacted->hide = 0;
  if (event->kind == JOBSRV_KIND_NARRATION)
    redacted->hide = jobsrv__pem_follow(
        log != NULL ? &log->pem : &redacted->no_job, event);
}

const jobsrv_event_t *jobsrv__redacted(jobsrv__redacted_t *redacted,
                                       jobsrv_redactor_t *by,
                                       const jobsrv_event_t *event) {
  if (!redacted->followed)
    follow(redacted, event);
  if (redacted->of != event || redacted->by != by) {
    jobsrv__redacted_forget(redacted);
    redacted->followed = 1; /* it is still the same event */
    redacted->of = event;
    redacted->by = jobsrv_redactor_ref(by);
    redacted->made = make(redacted, event);
  }
  return redacted->made;
}

void jobsrv__redacted_forget(jobsrv__redacted_t *redacted) {
  if (redacted->by != NULL)
    jobsrv_redactor_unref(redacted->by);
  redacted->by = NULL;
  redacted->of = NULL;
  redacted->followed = 0;
}
