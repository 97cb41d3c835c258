/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SINK_H
#define JOBSRV_SINK_H

/*
 * Sinks: where the host wants the narration of all its jobs to go, beside the
 * people who watch single jobs. The library has none unless one is added, and
 * writes nothing by itself.
 */

#include "jobsrv/narrate.h"
#include "jobsrv/redact.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jobsrv_sink_s jobsrv_sink_t;

/*
 * All on the loop thread. Only `event` must be there. Any of them but `open`
 * and `close` may remove the sink, and all of them may call anything else.
 */
typedef struct jobsrv_sink_ops_s {
  size_t size; /* sizeof(jobsrv_sink_ops_t) */
  /*
   * One event, the state changes and ends of jobs included, in the order of
   * their numbers, which progress has none of. Must not block. Lent for the
   * call. The `json` of an end is the job's record, with `type`, `seq` and
   * `time` before it; `json` is NULL when there was no memory for it. What it
   * narrates itself, and what it makes happen, comes after this event for all
   * sinks.
   */
  void (*event)(void *self, const jobsrv_event_t *event);
  /* Nothing more will come: the last call, `self` may be freed in it. */
  void (*close)(void *self);
  /* Events it could not keep or pass on so far. NULL: it loses none. */
  uint64_t (*dropped)(const void *self);
  /*
   * The first call, from inside jobsrv_sink_add(); `sink` stays until `close`.
   * A negative code fails the adding, and `close` is then not called.
   */
  int (*open)(void *self, jobsrv_sink_t *sink);
  /*
   * Pass on all that waits. Returns 1 when nothing waits; else 0, and the sink
   * calls jobsrv_sink_flushed() once what waited now has been passed on, or
   * never can be. Not called again before that, but at the server's close,
   * which waits for nobody. NULL: nothing ever waits.
   */
  int (*flush)(void *self);
} jobsrv_sink_ops_t;

/*
 * Which events a sink gets. NULL lets all pass; a name that ends in '*' stands
 * for all that begin so. An event that belongs to no job has neither id nor
 * operation. Texts are copied.
 */
typedef struct jobsrv_sink_filter_s {
  const char *job_id;
  const char *operation;
  const char *actor;
  const char *action;
} jobsrv_sink_filter_t;

/* What goes when events come faster than a sink can write them. */
typedef enum {
  JOBSRV_OVERFLOW_DROP_NEWEST,
  JOBSRV_OVERFLOW_DROP_OLDEST,
  /* as the first; and of the progress of a job only the newest waits */
  JOBSRV_OVERFLOW_COALESCE_PROGRESS
} jobsrv_overflow_t;

typedef struct jobsrv_sink_options_s {
  size_t size; /* set by jobsrv_sink_options_init() */
  int level;   /* 0: JOBSRV_INFO; events below do not come. State changes and
                  ends are at JOBSRV_INFO */
  jobsrv_sink_filter_t filter;
  jobsrv_redactor_t *redactor; /* what takes secrets out of its events; NULL:
                                  one with all defaults. Referenced */
  int unredacted; /* 1: none does; for a sink that only those read who may see
                     every job's secrets */
  int progress;   /* 1: also the progress of jobs, at JOBSRV_INFO: events
                     without numbers, at most ten a second from each job, what
                     it has reached last before its end. 0: none */
} jobsrv_sink_options_t;

static inline void jobsrv_sink_options_init(jobsrv_sink_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds a sink. `ops` is copied. Events that are on their way from other threads
 * when it is added may not come. `options` and `out` may be NULL.
 *
 * Returns 0, UV_ENOMEM, UV_EINVAL, JOBSRV_ECLOSED, or what `open` returned;
 * when not 0, `close` is not called.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sink_add(jobsrv_t *srv,
                    const jobsrv_sink_ops_t *ops,
                    void *self,
                    const jobsrv_sink_options_t *options,
                    jobsrv_sink_t **out);

/*
 * From the next event on. Returns 0, or UV_EINVAL for a level that is none.
 */
JOBSRV_EXTERN int jobsrv_sink_set_level(jobsrv_sink_t *sink, int level);

/*
 * From the next event on; NULL: all. Returns 0, or UV_ENOMEM: it is as it was.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sink_set_filter(jobsrv_sink_t *sink,
                           const jobsrv_sink_filter_t *filter);

/* Takes it away, also from inside its own `event`. Calls `close`. */
JOBSRV_EXTERN void jobsrv_sink_remove(jobsrv_sink_t *sink);

/* Events this sink has dropped so far; 0 for one that loses none. */
JOBSRV_EXTERN uint64_t jobsrv_sink_dropped(const jobsrv_sink_t *sink);

/* Answers `flush`. Harmless when that was not asked. */
JOBSRV_EXTERN void jobsrv_sink_flushed(jobsrv_sink_t *sink);

/* `err` is 0, or JOBSRV_ECLOSED when the server has closed before. */
typedef void (*jobsrv_sinks_flushed_cb)(jobsrv_t *srv, int err, void *data);

/*
 * Has every sink pass on what this thread has narrated so far and everything
 * before it, then calls `cb` from the loop: once, and not inside this call. It
 * waits for the slowest sink, for one that never answers until that is removed
 * or the server closes; a host that will not wait arms a timer. jobsrv_drain()
 * does the same, within its deadline. The loop is not kept alive by it.
 *
 * Returns 0, UV_ENOMEM, or JOBSRV_ECLOSED; when not 0, `cb` is not called.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sinks_flush(jobsrv_t *srv, jobsrv_sinks_flushed_cb cb, void *data);

/* Lent for the call. On the loop thread, as `event` above. */
typedef void (*jobsrv_event_cb)(const jobsrv_event_t *event, void *data);

/*
 * Adds a sink that is one function. `options` and `out` may be NULL. Returns as
 * jobsrv_sink_add().
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_callback_add(jobsrv_t *srv,
                        jobsrv_event_cb cb,
                        void *data,
                        const jobsrv_sink_options_t *options,
                        jobsrv_sink_t **out);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SINK_H */
