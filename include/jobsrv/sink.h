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

/* All on the loop thread. Only `event` must be there. */
typedef struct jobsrv_sink_ops_s {
  size_t size; /* sizeof(jobsrv_sink_ops_t) */
  /*
   * One numbered event, the state changes and ends of jobs included, in the
   * order of their numbers. Must not block. Lent for the call. The `json` of
   * an end is the job's record, with `type`, `seq` and `time` before it; `json`
   * is NULL when there was no memory for it. What it narrates itself, and what
   * it makes happen, comes after this event for all sinks.
   */
  void (*event)(void *self, const jobsrv_event_t *event);
  /* Nothing more will come: the last call, `self` may be freed in it. */
  void (*close)(void *self);
  /* Events it could not keep or pass on so far. NULL: it loses none. */
  uint64_t (*dropped)(const void *self);
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
} jobsrv_sink_options_t;

static inline void jobsrv_sink_options_init(jobsrv_sink_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds a sink. `ops` is copied. Events that are on their way from other threads
 * when it is added may not come. `options` and `out` may be NULL.
 *
 * Returns 0, UV_ENOMEM, UV_EINVAL, or JOBSRV_ECLOSED; when not 0, `close` is
 * not called.
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

typedef enum {
  /* 2026-11-23T09:44:49.123Z info  ...e3f1 actor action human */
  JOBSRV_CONSOLE_TEXT,
  JOBSRV_CONSOLE_JSON  /* the event's JSON object, one a line */
} jobsrv_console_form_t;

typedef struct jobsrv_console_options_s {
  size_t size;                /* set by jobsrv_console_options_init() */
  int fd;                     /* duplicated; 0 means 2 */
  jobsrv_console_form_t form;
  int level;                  /* 0: JOBSRV_INFO */
  int colour;                 /* 1: ANSI colours in the text form */
  uint32_t max_bytes;         /* 0: 1 MiB waiting; past it events are dropped */
} jobsrv_console_options_t;

static inline void
jobsrv_console_options_init(jobsrv_console_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds the console sink: one line an event, controls shown as \x1b; in the text
 * form the table of an event follows in lines that begin with two spaces. All
 * is written by the server's writer thread, so a terminal that stands still
 * stops nobody; what does not fit its bound is dropped and counted, and a line
 * says how many when there is room again. Drain and close wait for what is
 * queued, as long as the descriptor takes it. `options` may be NULL.
 *
 * Returns as jobsrv_sink_add(), or what making the thread returned.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_console_add(jobsrv_t *srv,
                       const jobsrv_console_options_t *options,
                       jobsrv_sink_t **out);

/* Events this sink has dropped so far; 0 for one that loses none. */
JOBSRV_EXTERN uint64_t jobsrv_sink_dropped(const jobsrv_sink_t *sink);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SINK_H */
