/* SPDX-License-Identifier: MIT */

#include "narration/narration.h"

#include "base/clock.h"
#include "base/options.h"

#include <string.h>

#include <uv.h>

int jobsrv__event_read(jobsrv_event_t *to, const jobsrv_event_t *from) {
  if (from->size == 0 || from->size == sizeof(*from))
    *to = *from;
  else if (jobsrv__options_read(to, sizeof(*to),
                                offsetof(jobsrv_event_t, kind), from) != 0)
    return UV_EINVAL;

  to->size = sizeof(*to);
  if (to->level == 0)
    to->level = JOBSRV_INFO;
  if (to->level < JOBSRV_TRACE || to->level > JOBSRV_MUTE ||
      (to->fields == NULL && to->nfields > 0))
    return UV_EINVAL;
  if (to->action == NULL)
    to->action = "say";
  if (to->human == NULL) /* whoever reads plain words reads something */
    to->human = to->cute != NULL ? to->cute : to->story;
  if (to->human == NULL)
    to->human = "";
  to->kind = JOBSRV_KIND_NARRATION;
  to->payload = NULL;
  to->payload_len = 0;
  to->seq = 0;
  to->server_seq = 0;
  to->job_id = NULL;
  to->job = NULL;
  to->json = NULL;
  to->json_len = 0;
  return 0;
}

const jobsrv_field_t *jobsrv__event_field(const jobsrv_event_t *event,
                                          const char *key,
                                          jobsrv_field_type_t type) {
  for (size_t i = 0; i < event->nfields; i++)
    if (event->fields[i].type == type &&
        strcmp(event->fields[i].key, key) == 0)
      return &event->fields[i];
  return NULL;
}

void jobsrv__event_fill(jobsrv_event_t *event,
                        const jobsrv_job_t *job,
                        const jobsrv_t *srv) {
  const jobsrv_context_t *context = jobsrv__innermost;

  event->wall_ns = jobsrv__wall(srv->clock);
  if (context != NULL && context->job == job) {
    if (event->actor == NULL)
      event->actor = context->actor;
    if (event->correlation_id == NULL)
      event->correlation_id = context->correlation_id;
    if (event->request_id == NULL)
      event->request_id = context->request_id;
  }
  if (event->actor == NULL)
    event->actor = job != NULL ? jobsrv_job_operation(job) : "";
  if (job == NULL || job->labels == NULL)
    return;
  if (event->correlation_id == NULL)
    event->correlation_id = job->labels->correlation_id;
  if (event->request_id == NULL)
    event->request_id = job->labels->request_id;
}

/* The texts of an event that end with a NUL; `human` is the odd one. */
#define TEXTS(XX)                                                             \
  XX(actor) XX(action) XX(target) XX(cute) XX(story) XX(correlation_id)       \
  XX(request_id) XX(trace_id) XX(span_id) XX(parent_span_id) XX(file)         \
  XX(function) XX(job_id)

static size_t field_len(const jobsrv_field_t *field) {
  if ((field->type != JOBSRV_FIELD_STRING &&
       field->type != JOBSRV_FIELD_JSON) ||
      field->as.string == NULL)
    return 0;
  return field->len != 0 ? field->len : strlen(field->as.string);
}

size_t jobsrv__event_room(const jobsrv_event_t *event, size_t human_len) {
  size_t room = sizeof(*event) + event->nfields * sizeof(jobsrv_field_t);

  room += human_len + 1 + event->payload_len + 1 + event->json_len + 1;
#define XX(name) room += event->name != NULL ? strlen(event->name) + 1 : 0;
  TEXTS(XX)
#undef XX
  for (size_t i = 0; i < event->nfields; i++)
    room += strlen(event->fields[i].key) + 1 + field_len(&event->fields[i]) + 1;
  return room;
}

static const char *put(char **at, const char *text, size_t len) {
  char *here = *at;

  if (text == NULL)
    return NULL;
  memcpy(here, text, len);
  here[len] = '\0';
  *at += len + 1;
  return here;
}

jobsrv_event_t *jobsrv__event_copy(void *room,
                                   const jobsrv_event_t *event,
                                   size_t human_len) {
  jobsrv_event_t *copy = room;
  jobsrv_field_t *fields = (jobsrv_field_t *) (void *) (copy + 1);
  char *at = (char *) (fields + event->nfields);

  *copy = *event;
  copy->fields = fields;
#define XX(name)                                                              \
  copy->name = put(&at, event->name,                                          \
                   event->name != NULL ? strlen(event->name) : 0);
  TEXTS(XX)
#undef XX
  copy->human = put(&at, event->human, human_len);
  copy->payload = put(&at, event->payload, event->payload_len);
  copy->json = put(&at, event->json, event->json_len);
  for (size_t i = 0; i < event->nfields; i++) {
    size_t len = field_len(&event->fields[i]);

    fields[i] = event->fields[i];
    fields[i].key = put(&at, fields[i].key, strlen(fields[i].key));
    if (len > 0 || fields[i].type == JOBSRV_FIELD_STRING) {
      fields[i].as.string = put(&at, fields[i].as.string, len);
      fields[i].len = len;
    }
  }
  return copy;
}
