/* SPDX-License-Identifier: MIT */

#include "narration/sink.h"

#include "base/alloc.h"
#include "narration/writer.h"

#include <uv.h>

/*
 * Flushes are numbered. A sink, and the writer for all that write through it,
 * is asked for the newest of them and says later that it is done; asked for one
 * more meanwhile, it is asked again after that. A flush has ended when all have
 * done one with its number or a later one; a sink that was added behind it has
 * nothing to do with it.
 */

struct jobsrv__flush_s {
  jobsrv_alloc_t alloc;
  jobsrv__queue_t link;
  jobsrv_sinks_flushed_cb cb;
  void *data;
  uint64_t number; /* 0: still behind what was narrated before it */
  int posted;      /* its mail is under way, and frees it if it has ended */
  int ended;
};

typedef struct jobsrv__flush_s flush_t;

/* ---- those who do it ---- */

int jobsrv__sink_flush(jobsrv_sink_t *sink) {
  int done = 1;
  int removed;

  if (sink->asked && sink->narration->logs.srv->phase != JOBSRV__CLOSING)
    return 1;
  sink->flushing = sink->narration->flush_number;
  sink->asked = 1;
  sink->pins++;
  if (sink->ops.flush != NULL)
    done = sink->ops.flush(sink->self);
  if (done != 0 && sink->asked) {
    sink->asked = 0;
    sink->flushed = sink->flushing;
  }
  removed = sink->removed;
  jobsrv__sink_let_go(sink);
  return !removed;
}

static void on_writer_flushed(void *arg);

static void writer_flush(jobsrv__narration_t *narration) {
  uint64_t number = narration->flush_number;

  if (narration->writer_asked || narration->writer_flushed == number)
    return;
  if (narration->writer == NULL ||
      jobsrv__writer_flush(narration->writer, on_writer_flushed, narration)) {
    narration->writer_flushed = number;
    return;
  }
  narration->writer_asked = 1;
  narration->writer_flushing = number;
}

static void on_writer_flushed(void *arg) {
  jobsrv__narration_t *narration = arg;

  narration->writer_asked = 0;
  narration->writer_flushed = narration->writer_flushing;
  writer_flush(narration);
  jobsrv__flushes_look(narration);
}

/* The first that has not been asked for the newest flush. */
static jobsrv_sink_t *next_to_ask(jobsrv__narration_t *narration) {
  jobsrv__queue_t *link = jobsrv__queue_front(&narration->sinks);

  for (; link != NULL; link = jobsrv__queue_next(&narration->sinks, link)) {
    jobsrv_sink_t *sink = JOBSRV__CONTAINER(link, jobsrv_sink_t, link);

    if (link != &narration->mark && !sink->asked &&
        sink->flushed < narration->flush_number)
      return sink;
  }
  return NULL;
}

/* From the front each time: a sink may add and remove others meanwhile. */
static void ask_all(jobsrv__narration_t *narration) {
  jobsrv_sink_t *sink;

  jobsrv__narration_hold(narration);
  while (!narration->closed && (sink = next_to_ask(narration)) != NULL)
    (void) jobsrv__sink_flush(sink);
  if (!narration->closed) {
    writer_flush(narration);
    jobsrv__flushes_look(narration);
  }
  jobsrv__narration_let_go(narration);
}

void jobsrv_sink_flushed(jobsrv_sink_t *sink) {
  jobsrv__narration_t *narration = sink->narration;

  JOBSRV__ASSERT_LOOP(narration->logs.srv);
  if (!sink->asked)
    return;
  sink->asked = 0;
  sink->flushed = sink->flushing;
  if (sink->removed || narration->logs.srv->phase == JOBSRV__CLOSING)
    return;
  if (sink->flushed < narration->flush_number)
    ask_all(narration);
  else
    jobsrv__flushes_look(narration);
}

/* ---- those who wait ---- */

/* The newest flush that all have done. */
static uint64_t done_by_all(const jobsrv__narration_t *narration) {
  jobsrv__queue_t *link = jobsrv__queue_front(&narration->sinks);
  uint64_t done = narration->writer_flushed;

  for (; link != NULL; link = jobsrv__queue_next(&narration->sinks, link)) {
    jobsrv_sink_t *sink = JOBSRV__CONTAINER(link, jobsrv_sink_t, link);

    if (link != &narration->mark && sink->flushed < done)
      done = sink->flushed;
  }
  return done;
}

static flush_t *first_done(const jobsrv__narration_t *narration) {
  jobsrv__queue_t *link = jobsrv__queue_front(&narration->flushes);
  flush_t *flush;

  if (link == NULL)
    return NULL;
  flush = JOBSRV__CONTAINER(link, flush_t, link);
  return flush->number != 0 && flush->number <= done_by_all(narration) ? flush
                                                                       : NULL;
}

static void end(jobsrv__narration_t *narration, flush_t *flush, int err) {
  jobsrv_sinks_flushed_cb cb = flush->cb;
  void *data = flush->data;
  jobsrv_alloc_t alloc = flush->alloc;

  jobsrv__queue_remove(&flush->link);
  flush->ended = 1;
  if (!flush->posted)
    jobsrv__free(&alloc, flush);
  cb(narration->logs.srv, err, data);
}

static void on_turn(jobsrv_turn_t *turn) {
  jobsrv__narration_t *narration = turn->data;
  flush_t *flush;

  jobsrv__narration_hold(narration);
  while (!narration->closed && (flush = first_done(narration)) != NULL)
    end(narration, flush, 0);
  jobsrv__narration_let_go(narration);
}

void jobsrv__flushes_look(jobsrv__narration_t *narration) {
  jobsrv_t *srv = narration->logs.srv;

  if (srv->phase == JOBSRV__CLOSING || first_done(narration) == NULL)
    return;
  narration->flush_turn.data = narration;
  jobsrv_turn_ask(srv, &narration->flush_turn, on_turn);
}

void jobsrv__flushes_close(jobsrv__narration_t *narration) {
  jobsrv__queue_t *link;

  jobsrv_turn_cancel(&narration->flush_turn);
  while ((link = jobsrv__queue_pop(&narration->flushes)) != NULL)
    end(narration, JOBSRV__CONTAINER(link, flush_t, link), JOBSRV_ECLOSED);
}

/* All that this thread has narrated before it has been delivered. */
static void on_posted(jobsrv_t *srv, void *data) {
  flush_t *flush = data;
  jobsrv_alloc_t alloc = flush->alloc;

  flush->posted = 0;
  if (flush->ended) { /* the server has closed */
    jobsrv__free(&alloc, flush);
    return;
  }
  flush->number = ++jobsrv__narration(srv)->flush_number;
  ask_all(srv->narration);
}

static flush_t *flush_new(jobsrv__narration_t *narration,
                          jobsrv_sinks_flushed_cb cb,
                          void *data) {
  const jobsrv_alloc_t *alloc = &narration->logs.srv->alloc;
  flush_t *flush = jobsrv__zalloc(alloc, sizeof(*flush));

  if (flush == NULL)
    return NULL;
  flush->alloc = *alloc;
  flush->cb = cb;
  flush->data = data;
  return flush;
}

int jobsrv_sinks_flush(jobsrv_t *srv, jobsrv_sinks_flushed_cb cb, void *data) {
  jobsrv__narration_t *narration = srv->narration;
  flush_t *flush;
  int err;

  JOBSRV__ASSERT_LOOP(srv);
  if (narration == NULL || srv->phase == JOBSRV__CLOSING)
    return JOBSRV_ECLOSED;
  flush = flush_new(narration, cb, data);
  if (flush == NULL)
    return UV_ENOMEM;
  err = jobsrv_post(srv, on_posted, flush);
  if (err != 0) {
    jobsrv__free(&srv->alloc, flush);
    return err;
  }
  flush->posted = 1;
  jobsrv__queue_push_back(&narration->flushes, &flush->link);
  return 0;
}

static void on_last(jobsrv_t *srv, int err, void *data) {
  (void) data;
  if (err == 0)
    jobsrv__observer_done(srv);
}

void jobsrv__sinks_finish(jobsrv__narration_t *narration) {
  jobsrv_t *srv = narration->logs.srv;
  flush_t *flush = flush_new(narration, on_last, NULL);

  if (flush == NULL) { /* then without waiting */
    jobsrv__observer_done(srv);
    return;
  }
  jobsrv__queue_push_back(&narration->flushes, &flush->link);
  flush->number = ++narration->flush_number;
  ask_all(narration);
}
