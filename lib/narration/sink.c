/* SPDX-License-Identifier: MIT */

#include "narration/sink.h"

#include "base/alloc.h"
#include "base/options.h"

#include <string.h>

#include <uv.h>

/* ---- which events ---- */

static size_t size_of(const char *text) {
  return text != NULL ? strlen(text) + 1 : 0;
}

static void put(char **at, jobsrv__pattern_t *to, const char *text) {
  if (text == NULL)
    return;
  memcpy(*at, text, size_of(text));
  to->text = *at;
  to->len = strlen(text);
  to->open = to->len > 0 && text[to->len - 1] == '*';
  to->len -= (size_t) to->open;
  *at += size_of(text);
}

/* One block; NULL for a filter that lets all pass. */
static int filter_copy(const jobsrv_alloc_t *alloc,
                       const jobsrv_sink_filter_t *from,
                       jobsrv__filter_t **out) {
  size_t texts = size_of(from->job_id) + size_of(from->operation) +
                 size_of(from->actor) + size_of(from->action);
  jobsrv__filter_t *to;
  char *at;

  *out = NULL;
  if (texts == 0)
    return 0;
  to = jobsrv__zalloc(alloc, sizeof(*to) + texts);
  if (to == NULL)
    return UV_ENOMEM;
  at = (char *) (to + 1);
  put(&at, &to->job_id, from->job_id);
  put(&at, &to->operation, from->operation);
  put(&at, &to->actor, from->actor);
  put(&at, &to->action, from->action);
  to->one_job = from->job_id != NULL &&
                jobsrv__id_parse(from->job_id, strlen(from->job_id),
                                 &to->id) == 0;
  *out = to;
  return 0;
}

/* Most that do not pass differ where they begin. */
static inline int name_passes(const jobsrv__pattern_t *pattern,
                              const char *name) {
  if (pattern->text == NULL)
    return 1;
  if (name == NULL || (pattern->len > 0 && name[0] != pattern->text[0]))
    return 0;
  return strncmp(pattern->text, name, pattern->len) == 0 &&
         (pattern->open || name[pattern->len] == '\0');
}

/* Ids are compared as what they are: making their text costs more. */
static int job_passes(const jobsrv__filter_t *filter, const jobsrv_job_t *job) {
  char id[JOBSRV_ID_SIZE];

  if (filter->job_id.text == NULL)
    return 1;
  if (job == NULL)
    return 0;
  if (filter->one_job)
    return jobsrv__id_equal(filter->id, job->id);
  return name_passes(&filter->job_id, jobsrv_job_id(job, id));
}

int jobsrv__filter_passes(const jobsrv__filter_t *filter,
                          const jobsrv_event_t *event,
                          const jobsrv_job_t *job) {
  return name_passes(&filter->actor, event->actor) &&
         name_passes(&filter->action, event->action) &&
         (filter->operation.text == NULL ||
          name_passes(&filter->operation,
                      job != NULL ? jobsrv_job_operation(job) : NULL)) &&
         job_passes(filter, job);
}

static int level_ok(int level) {
  return level >= JOBSRV_TRACE && level <= JOBSRV_MUTE;
}

/* What none of them would get is not even looked at. */
static void count_in(jobsrv__narration_t *narration) {
  jobsrv__queue_t *head = &narration->sinks;
  jobsrv__queue_t *link = head->next;
  int level = JOBSRV_MUTE;

  narration->progress_sinks = 0;
  for (; link != head; link = link->next) {
    jobsrv_sink_t *sink = JOBSRV__CONTAINER(link, jobsrv_sink_t, link);

    if (link == &narration->mark)
      continue;
    narration->progress_sinks += sink->progress && sink->level <= JOBSRV_INFO;
    if (sink->level < level)
      level = sink->level;
  }
  atomic_store_explicit(&narration->logs.srv->sink_level, level,
                        memory_order_relaxed);
}

int jobsrv_sink_set_level(jobsrv_sink_t *sink, int level) {
  JOBSRV__ASSERT_LOOP(sink->narration->logs.srv);
  if (level == 0)
    level = JOBSRV_INFO;
  if (!level_ok(level))
    return UV_EINVAL;
  sink->level = level;
  count_in(sink->narration);
  return 0;
}

int jobsrv_sink_set_filter(jobsrv_sink_t *sink,
                           const jobsrv_sink_filter_t *filter) {
  static const jobsrv_sink_filter_t all;
  const jobsrv_alloc_t *alloc = &sink->narration->logs.srv->alloc;
  jobsrv__filter_t *mine;
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

static int options_read(jobsrv_sink_options_t *how,
                        const jobsrv_sink_options_t *options,
                        jobsrv_sink_ops_t *mine,
                        const jobsrv_sink_ops_t *ops) {
  jobsrv_sink_options_init(how);
  if (options != NULL &&
      jobsrv__options_read(how, sizeof(*how),
                           offsetof(jobsrv_sink_options_t, progress),
                           options) != 0)
    return UV_EINVAL;
  if (how->level == 0)
    how->level = JOBSRV_INFO;
  if (jobsrv__options_read(mine, sizeof(*mine),
                           offsetof(jobsrv_sink_ops_t, open), ops) != 0 ||
      mine->event == NULL || !level_ok(how->level))
    return UV_EINVAL;
  return 0;
}

static void sink_free(jobsrv_sink_t *sink) {
  const jobsrv_alloc_t *alloc = &sink->narration->logs.srv->alloc;

  if (sink->redactor != NULL)
    jobsrv_redactor_unref(sink->redactor);
  jobsrv__free(alloc, sink->filter);
  jobsrv__free(alloc, sink);
}

void jobsrv__sink_let_go(jobsrv_sink_t *sink) {
  if (--sink->pins == 0)
    sink_free(sink);
}

static int make(jobsrv__narration_t *narration,
                const jobsrv_sink_options_t *how,
                jobsrv_sink_t **out) {
  const jobsrv_alloc_t *alloc = &narration->logs.srv->alloc;
  jobsrv_sink_t *sink = jobsrv__zalloc(alloc, sizeof(*sink));
  int err;

  if (sink == NULL)
    return UV_ENOMEM;
  sink->narration = narration;
  sink->pins = 1;
  err = filter_copy(alloc, &how->filter, &sink->filter);
  if (err == 0)
    err = redactor_for(narration, how, &sink->redactor);
  if (err != 0) {
    sink_free(sink);
    return err;
  }
  sink->level = how->level;
  sink->progress = how->progress != 0;
  *out = sink;
  return 0;
}

/* Which may close the server. */
static int sink_open(jobsrv_sink_t *sink) {
  int err = sink->ops.open != NULL ? sink->ops.open(sink->self, sink) : 0;

  return err >= 0 && sink->narration->closed ? JOBSRV_ECLOSED : err;
}

static void join(jobsrv__narration_t *narration, jobsrv_sink_t *sink) {
  sink->born = narration->logs.srv->server_seq;
  sink->born_in = narration->delivering ? narration->delivery : 0;
  sink->flushed = narration->flush_number;
  jobsrv__queue_push_back(&narration->sinks, &sink->link);
  count_in(narration);
}

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
  err = options_read(&how, options, &mine, ops);
  if (err == 0)
    err = make(narration, &how, &sink);
  if (err != 0)
    return err;
  sink->ops = mine;
  sink->self = self;
  jobsrv__narration_hold(narration);
  err = sink_open(sink);
  if (err < 0) {
    sink_free(sink);
  } else {
    join(narration, sink);
    if (out != NULL)
      *out = sink;
  }
  jobsrv__narration_let_go(narration);
  return err < 0 ? err : 0;
}

void jobsrv_sink_remove(jobsrv_sink_t *sink) {
  jobsrv__narration_t *narration = sink->narration;

  JOBSRV__ASSERT_LOOP(narration->logs.srv);
  narration->lost += jobsrv_sink_dropped(sink);
  jobsrv__queue_remove(&sink->link);
  sink->removed = 1;
  count_in(narration);
  jobsrv__narration_hold(narration);
  if (sink->ops.close != NULL)
    sink->ops.close(sink->self);
  jobsrv__flushes_look(narration);
  jobsrv__sink_let_go(sink);
  jobsrv__narration_let_go(narration);
}

uint64_t jobsrv_sink_dropped(const jobsrv_sink_t *sink) {
  JOBSRV__ASSERT_LOOP(sink->narration->logs.srv);
  return sink->ops.dropped != NULL ? sink->ops.dropped(sink->self) : 0;
}

void jobsrv__sinks_close(jobsrv__narration_t *narration) {
  jobsrv__queue_t *link;
  jobsrv_sink_t *sink;

  while ((link = jobsrv__queue_back(&narration->sinks)) != NULL) {
    if (link == &narration->mark) {
      jobsrv__queue_remove(link);
      continue;
    }
    sink = JOBSRV__CONTAINER(link, jobsrv_sink_t, link);
    if (jobsrv__sink_flush(sink))
      jobsrv_sink_remove(sink);
  }
}
