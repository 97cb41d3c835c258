/* SPDX-License-Identifier: MIT */

#include "narration/sink.h"

#include "base/alloc.h"

#include <string.h>

/* An event that came while another was being delivered. */
typedef struct later_s {
  jobsrv__queue_t link;
  jobsrv_event_t *event;
} later_t;

static int wants(const jobsrv_sink_t *sink,
                 const jobsrv_event_t *event,
                 const jobsrv_job_t *job) {
  return event->level >= sink->level &&
         (event->kind != JOBSRV_KIND_PROGRESS || sink->progress) &&
         (sink->filter == NULL ||
          jobsrv__filter_passes(sink->filter, event, job));
}

int jobsrv__sinks_want(const jobsrv__narration_t *narration,
                       const jobsrv_event_t *event,
                       const jobsrv_job_t *job) {
  const jobsrv__queue_t *head = &narration->sinks;
  const jobsrv__queue_t *link = head->next;

  if (narration->delivering)
    return 1; /* whoever is there when its turn comes */
  for (; link != head; link = link->next)
    if (wants(JOBSRV__CONTAINER(link, jobsrv_sink_t, link), event, job))
      return 1;
  return 0;
}

/* A mark of our own keeps the place, whatever a sink adds or removes. */
static void deliver(jobsrv__narration_t *narration,
                    const jobsrv_event_t *event) {
  jobsrv__queue_t *head = &narration->sinks;
  jobsrv__queue_t *at = head->next;
  jobsrv__queue_t *mark = &narration->mark;
  jobsrv_sink_t *sink;

  narration->delivery++;
  while (at != head && !narration->closed) {
    sink = JOBSRV__CONTAINER(at, jobsrv_sink_t, link);
    jobsrv__queue_push_front(at, mark); /* behind `at` */
    if (wants(sink, event, event->job) &&
        sink->born_in != narration->delivery &&
        (event->server_seq == 0 || event->server_seq > sink->born))
      sink->ops.event(sink->self,
                      sink->redactor != NULL
                          ? jobsrv__redacted(&narration->redacted,
                                             sink->redactor, event)
                          : event);
    at = mark->next;
    jobsrv__queue_remove(mark);
  }
  jobsrv__redacted_forget(&narration->redacted);
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
  jobsrv__narration_hold(narration);
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
  jobsrv__narration_let_go(narration);
}
