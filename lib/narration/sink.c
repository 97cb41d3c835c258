/* SPDX-License-Identifier: MIT */

#include "narration/narration.h"

#include "base/alloc.h"
#include "base/options.h"

#include <string.h>

#include <uv.h>

/* An event that came while another was being delivered. */
typedef struct later_s {
  jobsrv__queue_t link;
  jobsrv_event_t *event;
} later_t;

/* ---- which events ---- */

static size_t size_of(const char *text) {
  return text != NULL ? strlen(text) + 1 : 0;
}

static const char *put(char **at, const char *text) {
  char *here = *at;

  if (text == NULL)
    return NULL;
  memcpy(here, text, size_of(text));
  *at += size_of(text);
  return here;
}

/* One block; NULL for a filter that lets all pass. */
static int filter_copy(const jobsrv_alloc_t *alloc,
                       const jobsrv_sink_filter_t *from,
                       jobsrv_sink_filter_t **out) {
  size_t texts = size_of(from->job_id) + size_of(from->operation) +
                 size_of(from->actor) + size_of(from->action);
  jobsrv_sink_filter_t *to;
  char *at;

  *out = NULL;
  if (texts == 0)
    return 0;
  to = jobsrv__malloc(alloc, sizeof(*to) + texts);
  if (to == NULL)
    return UV_ENOMEM;
  at = (char *) (to + 1);
  to->job_id = put(&at, from->job_id);
  to->operation = put(&at, from->operation);
  to->actor = put(&at, from->actor);
  to->action = put(&at, from->action);
  *out = to;
  return 0;
}

static int name_passes(const char *pattern, const char *name) {
  size_t len;

  if (pattern == NULL)
    return 1;
  if (name == NULL)
    return 0;
  len = strlen(pattern);
  if (len > 0 && pattern[len - 1] == '*')
    return strncmp(pattern, name, len - 1) == 0;
  return strcmp(pattern, name) == 0;
}

static int passes(const jobsrv_sink_filter_t *filter,
                  const jobsrv_event_t *event) {
  return filter == NULL ||
         (name_passes(filter->job_id, event->job_id) &&
          name_passes(filter->operation,
                      event->job != NULL ? jobsrv_job_operation(event->job)
                                         : NULL) &&
          name_passes(filter->actor, event->actor) &&
          name_passes(filter->action, event->action));
}

static int level_ok(int level) {
  return level >= JOBSRV_TRACE && level <= JOBSRV_MUTE;
}

int jobsrv_sink_set_level(jobsrv_sink_t *sink, int level) {
  JOBSRV__ASSERT_LOOP(sink->narration->logs.srv);
  if (level == 0)
    level = JOBSRV_INFO;
  if (!level_ok(level))
    return UV_EINVAL;
  sink->level = level;
  return 0;
}

int jobsrv_sink_set_filter(jobsrv_sink_t *sink,
                           const jobsrv_sink_filter_t *filter) {
  static const jobsrv_sink_filter_t all;
  const jobsrv_alloc_t *alloc = &sink->narration->logs.srv->alloc;
  jobsrv_sink_filter_t *mine;
  int err;

  JOBSRV__ASSERT_LOOP(sink->narration->logs.srv);
  err = filter_copy(alloc, filter != NULL ? filter : &all, &mine);
  if (err != 0)
    return err;
  jobsrv__free(alloc, sink->filter);
  sink->filter = mine;
  return 0;
}

/* ---- what they may see of them ---- */

/* The one that goes with the options, with a reference; NULL: none. */
static int redactor_for(jobsrv__narration_t *narration,
                        const jobsrv_sink_options_t *options,
                        jobsrv_redactor_t **out) {
  jobsrv_redactor_t *redactor = options->redactor;
  int err = 0;

  *out = NULL;
  if (options->unredacted)
    return redactor != NULL ? UV_EINVAL : 0;
  if (redactor == NULL && narration->redactor == NULL)
    err = jobsrv_redactor_new(&narration->redactor,
                              &narration->logs.srv->alloc, NULL);
  if (err != 0)
    return err;
  if (redactor == NULL)
    redactor = narration->redactor;
  *out = jobsrv_redactor_ref(redactor);
  return 0;
}

/* ---- coming and going ---- */

int jobsrv_sink_add(jobsrv_t *srv,
                    const jobsrv_sink_ops_t *ops,
                    void *self,
                    const jobsrv_sink_options_t *options,
                    jobsrv_sink_t **out) {
  jobsrv__narration_t *narration = srv->narration;
  jobsrv_sink_options_t how;
  jobsrv_sink_ops_t mine;
  jobsrv_sink_t *sink;
  int err;

  JOBSRV__ASSERT_LOOP(srv);
  if (narration == NULL || srv->phase == JOBSRV__CLOSING)
    return JOBSRV_ECLOSED;
  jobsrv_sink_options_init(&how);
  if (options != NULL &&
      jobsrv__options_read(&how, sizeof(how), sizeof(how), options) != 0)
    return UV_EINVAL;
  if (how.level == 0)
    how.level = JOBSRV_INFO;
  if (jobsrv__options_read(&mine, sizeof(mine), sizeof(mine), ops) != 0 ||
      mine.event == NULL || !level_ok(how.level))
    return UV_EINVAL;
  sink = jobsrv__zalloc(&srv->alloc, sizeof(*sink));
  if (sink == NULL)
    return UV_ENOMEM;
  err = filter_copy(&srv->alloc, &how.filter, &sink->filter);
  if (err == 0)
    err = redactor_for(narration, &how, &sink->redactor);
  if (err != 0) {
    jobsrv__free(&srv->alloc, sink->filter);
    jobsrv__free(&srv->alloc, sink);
    return err;
  }

  sink->narration = narration;
  sink->ops = mine;
  sink->self = self;
  sink->level = how.level;
  sink->born = srv->server_seq;
  jobsrv__queue_push_back(&narration->sinks, &sink->link);
  atomic_fetch_add_explicit(&srv->sinks, 1, memory_order_relaxed);
  if (out != NULL)
    *out = sink;
  return 0;
}

void jobsrv_sink_remove(jobsrv_sink_t *sink) {
  jobsrv_t *srv = sink->narration->logs.srv;

  JOBSRV__ASSERT_LOOP(srv);
  jobsrv__queue_remove(&sink->link);
  atomic_fetch_sub_explicit(&srv->sinks, 1, memory_order_relaxed);
  if (sink->ops.close != NULL)
    sink->ops.close(sink->self);
  if (sink->redactor != NULL)
    jobsrv_redactor_unref(sink->redactor);
  jobsrv__free(&srv->alloc, sink->filter);
  jobsrv__free(&srv->alloc, sink);
}

uint64_t jobsrv_sink_dropped(const jobsrv_sink_t *sink) {
  return sink->ops.dropped != NULL ? sink->ops.dropped(sink->self) : 0;
}

static int wants(const jobsrv_sink_t *sink, const jobsrv_event_t *event) {
  return event->level >= sink->level &&
         (event->server_seq == 0 || event->server_seq > sink->born) &&
         passes(sink->filter, event);
}

/* A mark of our own keeps the place, whatever a sink adds or removes. */
static void deliver(jobsrv__narration_t *narration,
                    const jobsrv_event_t *event) {
  jobsrv__queue_t *head = &narration->sinks;
  jobsrv__queue_t *at = head->next;
  jobsrv__queue_t *mark = &narration->mark;
  jobsrv_sink_t *sink;

  jobsrv__redacted_forget(&narration->redacted);
  while (at != head && !narration->closed) {
    sink = JOBSRV__CONTAINER(at, jobsrv_sink_t, link);
    jobsrv__queue_push_front(at, mark); /* behind `at` */
    if (wants(sink, event))
      sink->ops.event(sink->self,
                      sink->redactor != NULL
                          ? jobsrv__redacted(&narration->redacted,
                                             sink->redactor, event)
                          : event);
    at = mark->next;
    jobsrv__queue_remove(mark);
  }
}

static void put_off(jobsrv__narration_t *narration,
                    const jobsrv_event_t *event) {
  const jobsrv_alloc_t *alloc = &narration->logs.srv->alloc;
  size_t human_len = strlen(event->human);
  later_t *later =
      jobsrv__malloc(alloc, sizeof(*later) +
                                jobsrv__event_room(event, human_len));

  if (later == NULL) {
    narration->logs.srv->stats.dropped++;
    return;
  }
  memset(later, 0, sizeof(*later));
  later->event = jobsrv__event_copy(later + 1, event, human_len);
  if (event->job != NULL)
    jobsrv_job_ref(event->job);
  jobsrv__queue_push_back(&narration->later, &later->link);
}

/* The bytes of a log may move while its event is being looked at. */
static void keep_json(jobsrv__narration_t *narration, jobsrv_event_t *event) {
  if (event->json == NULL || event->json == narration->json.data)
    return;
  jobsrv__buf_reset(&narration->json);
  (void) jobsrv__buf_append(&narration->json, event->json, event->json_len);
  event->json = jobsrv__buf_str(&narration->json);
  event->json_len = event->json != NULL ? narration->json.len : 0;
}

void jobsrv__sinks_deliver(jobsrv__narration_t *narration,
                           const jobsrv_event_t *event) {
  jobsrv__queue_t *link;
  jobsrv_event_t mine;
  later_t *later;

  if (narration->delivering) {
    put_off(narration, event);
    return;
  }
  mine = *event;
  keep_json(narration, &mine);
  narration->delivering = 1;
  deliver(narration, &mine);
  while ((link = jobsrv__queue_pop(&narration->later)) != NULL) {
    later = JOBSRV__CONTAINER(link, later_t, link);
    deliver(narration, later->event);
    if (later->event->job != NULL)
      jobsrv_job_unref(later->event->job);
    jobsrv__free(&narration->logs.srv->alloc, later);
  }
  narration->delivering = 0;
  if (narration->closed)
    jobsrv__narration_free(narration, &narration->logs.srv->alloc);
}

void jobsrv__sinks_close(jobsrv__narration_t *narration) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_back(&narration->sinks)) != NULL) {
    if (link == &narration->mark)
      jobsrv__queue_remove(link);
    else
      jobsrv_sink_remove(JOBSRV__CONTAINER(link, jobsrv_sink_t, link));
  }
}
