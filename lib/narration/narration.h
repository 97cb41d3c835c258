/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_NARRATION_H_
#define JOBSRV_NARRATION_NARRATION_H_

/*
 * The narration's part of a server: its logs, its sinks, its writer thread. On
 * the loop thread alone. Every event of a job comes through here, so that the
 * sinks get them in the order of their numbers.
 */

#include "base/buf.h"
#include "jobsrv/sink.h"
#include "narration/log.h"
#include "narration/redact_event.h"

#include <stdarg.h>

typedef struct jobsrv__writer_s jobsrv__writer_t;
typedef struct jobsrv__narration_s jobsrv__narration_t;
typedef struct jobsrv__unrouted_s jobsrv__unrouted_t;

struct jobsrv__narration_s {
  jobsrv__logs_t logs;        /* the first */
  jobsrv__queue_t sinks;      /* in order of adding */
  jobsrv__queue_t later;      /* events that came while one was delivered */
  int delivering;
  uint64_t delivery;          /* the number of the newest */
  jobsrv__queue_t mark;       /* the place among the sinks meanwhile */
  unsigned int holds;         /* by whoever comes back to it after a callback */
  int closed;                 /* freed with the last of them */
  jobsrv_collector_t collector; /* metrics.c */
  uint64_t lost;              /* by sinks that were removed */
  unsigned int progress_sinks; /* that want progress */
  jobsrv__queue_t progressed; /* whose newest progress no sink has seen */
  jobsrv_turn_t progress_turn;
  jobsrv__queue_t flushes;    /* that were asked for and have not ended */
  uint64_t flush_number;      /* of the newest */
  jobsrv_turn_t flush_turn;
  int writer_asked;           /* as for a sink */
  uint64_t writer_flushed;
  uint64_t writer_flushing;
  jobsrv__buf_t body;         /* of the event that is being made */
  jobsrv__buf_t text;         /* of a child's line, for sinks */
  jobsrv__buf_t said;         /* what has been read in it */
  jobsrv__buf_t json;         /* of the event that is being delivered */
  jobsrv__writer_t *writer;   /* NULL until the first sink that blocks */
  jobsrv_redactor_t *redactor; /* with all defaults; NULL until one needs it */
  jobsrv__redacted_t redacted;
  jobsrv__unrouted_t *unrouted; /* NULL until there is one */
};

static inline jobsrv__narration_t *jobsrv__narration(const jobsrv_t *srv) {
  return srv->narration;
}

/* Made before its server, which it is given when that is there. */
jobsrv__narration_t *jobsrv__narration_new(const jobsrv_alloc_t *alloc);
void jobsrv__narration_attach(jobsrv__narration_t *narration, jobsrv_t *srv);

/* For one that was never attached, or is closed. */
void jobsrv__narration_free(jobsrv__narration_t *narration,
                            const jobsrv_alloc_t *alloc);

extern const jobsrv__observer_t jobsrv__narration_observer;

/* Around whatever may close the server and is not at its end then. */
static inline void jobsrv__narration_hold(jobsrv__narration_t *narration) {
  narration->holds++;
}

static inline void jobsrv__narration_let_go(jobsrv__narration_t *narration) {
  if (--narration->holds == 0 && narration->closed)
    jobsrv__narration_free(narration, &narration->logs.srv->alloc);
}

/*
 * An encoded event into the job's log and, when `event` is not NULL, to the
 * sinks, behind the news that `dropped_before` were lost. Returns as
 * jobsrv__log_append().
 */
int jobsrv__narration_put(jobsrv_job_t *job,
                          unsigned int dropped_before,
                          jobsrv_kind_t kind,
                          int level,
                          const char *body,
                          size_t len,
                          const jobsrv_event_t *event);

/*
 * How many were lost before what the loop appends now: none while there is
 * mail, which may have been sent before they were.
 */
unsigned int jobsrv__narration_lost(jobsrv_job_t *job);

/* 1 if this thread may write `srv`'s logs at once, keeping its own order. */
int jobsrv__narration_straight(const jobsrv_t *srv);

/* ---- router.c ---- */

/* What another thread has said, in a parcel. */
void jobsrv__narration_read(void *owner, void *bytes);

/*
 * An event that has been read and is not under the level, into `job`. `human`
 * need not end where it has `human_len` bytes. Any thread.
 */
int jobsrv__narrate(jobsrv_job_t *job,
                    jobsrv_event_t *event,
                    size_t human_len);


/* Counts an event that was lost; returns `err`. */
int jobsrv__narrate_lost(jobsrv_job_t *job, int err);

/* 1 if a report of these values may be. */
int jobsrv__progress_ok(const jobsrv_progress_t *progress);

/* ---- child.c ---- */

/* As the observer's. */
void jobsrv__child_line(jobsrv_job_t *job,
                        int stream,
                        jobsrv_output_t format,
                        int part,
                        const char *text,
                        size_t len);
void jobsrv__child_started(jobsrv_job_t *job, int pid, const char *program);
void jobsrv__child_exited(jobsrv_job_t *job, uint64_t duration_ns);

/* ---- say.c ---- */

/* What an event says; the first is always there. */
enum { JOBSRV__HUMAN, JOBSRV__CUTE, JOBSRV__STORY, JOBSRV__VOICES };

/*
 * Narrates an event that has been read and is not under the level, with texts
 * of these formats in place of its own; a NULL one leaves it as it is. `job`
 * may be NULL.
 */
int jobsrv__say(jobsrv_job_t *job,
                jobsrv_event_t *event,
                const char *const formats[JOBSRV__VOICES],
                va_list args);

/* ---- unrouted.c ---- */

/*
 * An event that has been read and belongs to no job: to the sinks of the server
 * that this thread's context names. Any thread.
 */
int jobsrv__narrate_unrouted(jobsrv_event_t *event);

/* ---- context.c ---- */

/* The innermost frame of this thread, or NULL: one word, without a call. */
#if defined(__GNUC__) || defined(__clang__)
__attribute__((tls_model("initial-exec")))
#endif
extern _Thread_local const jobsrv_context_t *jobsrv__innermost;

/*
 * Whose callback this thread is in, or whose sinks a host has named. NULL:
 * none.
 */
jobsrv_t *jobsrv__context_server(void);

/* The span of the job that this thread is inside of; 0: none. */
uint64_t jobsrv__context_span(const jobsrv_job_t *job);

/* ---- trace.c ---- */

/* Where the ids of an event are while it is narrated. */
typedef struct jobsrv__ids_s {
  char trace[33];
  char span[17];
  char parent[17];
} jobsrv__ids_t;

/*
 * Gives an event of the job that has none its trace, span and parent: those of
 * this thread's span, else of the attempt. A job that stands alone, outside of
 * a span, has none to tell: they would only repeat its id.
 */
void jobsrv__event_trace(jobsrv_event_t *event,
                         const jobsrv_job_t *job,
                         jobsrv__ids_t *ids);

/* The same for a span of the job, whatever the event has. */
void jobsrv__event_in_span(jobsrv_event_t *event,
                           const jobsrv_job_t *job,
                           uint64_t span,
                           uint64_t parent,
                           jobsrv__ids_t *ids);

/* ---- sink.c ---- */

/* [any] 1 if an event of this level may be for some sink. */
static inline int jobsrv__sinks_hear(const jobsrv_t *srv, int level) {
  return level >= atomic_load_explicit(&srv->sink_level, memory_order_relaxed);
}

/* Flushes and closes them all, newest first; also from inside their events. */
void jobsrv__sinks_close(jobsrv__narration_t *narration);

/* ---- deliver.c ---- */

/*
 * 1 if some sink lets the event pass, of which only the level, kind, actor and
 * action are looked at. `job` may be NULL.
 */
int jobsrv__sinks_want(const jobsrv__narration_t *narration,
                       const jobsrv_event_t *event,
                       const jobsrv_job_t *job);

/* To every sink that wants it; behind the one that is being delivered. */
void jobsrv__sinks_deliver(jobsrv__narration_t *narration,
                           const jobsrv_event_t *event);

/* ---- flush.c ---- */

/* Has sinks and writer pass on what waits, then tells core. */
void jobsrv__sinks_finish(jobsrv__narration_t *narration);

/* Calls back who waits still. */
void jobsrv__flushes_close(jobsrv__narration_t *narration);

/* ---- progress_event.c ---- */

/* A job has published a value: sinks see it at the end of the turn. */
void jobsrv__progress_news(jobsrv_job_t *job);

/* They see it now, if they have not yet. */
void jobsrv__progress_tell(jobsrv_job_t *job);

/* ---- span.c ---- */

/* The job has ended: those that are open now are what its record tells. */
void jobsrv__spans_freeze(jobsrv_job_t *job);

/* ---- event.c ---- */

/* Reads a caller's event of any size and fills in its defaults. */
int jobsrv__event_read(jobsrv_event_t *to, const jobsrv_event_t *from);

/* The extra of that name and type, or NULL. */
const jobsrv_field_t *jobsrv__event_field(const jobsrv_event_t *event,
                                          const char *key,
                                          jobsrv_field_type_t type);

/* What is the job's own to say. */
void jobsrv__event_fill(jobsrv_event_t *event,
                        const jobsrv_job_t *job,
                        const jobsrv_t *srv);

/*
 * A copy that stands alone in `room` bytes, aligned as malloc does; `json` and
 * `payload` are copied too, `human_len` bytes of `human` at most.
 */
size_t jobsrv__event_room(const jobsrv_event_t *event, size_t human_len);
jobsrv_event_t *jobsrv__event_copy(void *room,
                                   const jobsrv_event_t *event,
                                   size_t human_len);

#endif /* JOBSRV_NARRATION_NARRATION_H_ */
