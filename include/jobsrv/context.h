/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CONTEXT_H
#define JOBSRV_CONTEXT_H

/*
 * Context: for which job a thread is at work, and what else its events say.
 * Each thread has a stack of frames; a frame holds all that is in force in it.
 * Who narrates names no job, and reaches the right one.
 *
 * The library enters the job around each callback that it makes for it (`start`
 * and `run`, `stop`, `resume`, `retryable`, `stuck`, `prepare`, hooks, watches
 * on the job's token). What was in force when they were asked for is entered
 * again around the callbacks of jobsrv_post(), jobsrv_submit_from() and
 * jobsrv_wait(). jobsrv_timer_t and jobsrv_turn_t live in the host's memory and
 * arming them costs nothing, so they capture nothing: a snapshot does, and for
 * libuv's requests the wrappers of adapters/uv.h. A spec's `release` is called
 * outside of all context: its job is gone. What a sink is called in is whatever
 * is in force where the event is delivered: it names the job it narrates into.
 */

#include "jobsrv/job.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the trace that a job belongs to ---- */

/*
 * As in W3C Trace Context. A job's trace is the one its spec was given, else
 * its parent job's, else one of its own, whose id is that of the job. The job
 * is a span of it, each attempt a span in that one. Numbers are lower case hex.
 */
typedef struct jobsrv_trace_s {
  size_t size;               /* set by the caller to sizeof *trace */
  char trace_id[33];
  char span_id[17];          /* of the job */
  char parent_span_id[17];   /* what the job is inside of; "": nothing */
  char attempt_span_id[17];  /* of the present or last attempt; "": none yet */
  int sampled;               /* that flag; 1 in a trace of the job's own */
  int is_given;              /* 1: by the spec, or the parent job's */
  const char *tracestate;    /* lent by the job; NULL: none */
} jobsrv_trace_t;

/* [any] Fills as much of `trace` as its size says. */
JOBSRV_EXTERN void jobsrv_job_trace(const jobsrv_job_t *job,
                                    jobsrv_trace_t *trace);

/* [any] The span id of a job's attempt, from 1; 0 for the job itself. */
JOBSRV_EXTERN const char *jobsrv_attempt_span_id(const jobsrv_job_t *job,
                                                 uint32_t attempt,
                                                 char to[17]);

/* ---- frames ---- */

typedef struct jobsrv_context_s jobsrv_context_t;

struct jobsrv_context_s {
  /* what is in force in this frame; NULL: nothing */
  jobsrv_job_t *job;
  const char *correlation_id;  /* in place of the job's */
  const char *request_id;
  const char *actor;           /* in place of the operation's name */
  jobsrv_t *srv;               /* whose sinks get what belongs to no job */
  /* private */
  uint64_t span_id;
  uint64_t parent_span_id;
  uint32_t attempt;
  jobsrv_context_t *outer;
};

/* [any] The job of this thread's context, or NULL. */
JOBSRV_EXTERN jobsrv_job_t *jobsrv_context_job(void);

/* [any] The innermost frame, or NULL. */
JOBSRV_EXTERN const jobsrv_context_t *jobsrv_context_current(void);

/*
 * [any] Makes `job` the context of this thread until the matching leave, for a
 * callback that the host makes itself. `context` lives in the caller's frame;
 * leave in the reverse order of entering, on the same thread. The caller holds
 * a reference. Inside a context of the same job, all else that is in force
 * stays; one of another job begins with nothing. NULL stands for no job, until
 * left: only `srv` stays.
 */
JOBSRV_EXTERN void jobsrv_context_enter(jobsrv_context_t *context,
                                        jobsrv_job_t *job);

/*
 * [any] The same, for a frame that the caller has zeroed and then given what is
 * to be another than further out, member by member:
 *
 *   jobsrv_context_t context = { .actor = "indexer" };
 *   jobsrv_context_merge(&context);
 *
 * Texts are lent until it is left. `srv` makes events that belong to no job go
 * to that server's sinks, also from threads that are not its own.
 */
JOBSRV_EXTERN void jobsrv_context_merge(jobsrv_context_t *context);

/* [any] */
JOBSRV_EXTERN void jobsrv_context_leave(jobsrv_context_t *context);

/* ---- snapshots ---- */

/* A context to be entered again: later, elsewhere, any number of times. */
typedef struct jobsrv_snapshot_s jobsrv_snapshot_t;

/*
 * [any] Keeps what is in force on this thread: a reference to the job, copies
 * of the texts, the span. `*out` is NULL, which all calls below take, when
 * nothing is. Returns 0 or UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_context_capture(jobsrv_snapshot_t **out);

/* [any] Adds a reference; returns `snapshot`. */
JOBSRV_EXTERN jobsrv_snapshot_t *
jobsrv_snapshot_ref(jobsrv_snapshot_t *snapshot);

/* [any] Drops one; the last lets go of the job. */
JOBSRV_EXTERN void jobsrv_snapshot_unref(jobsrv_snapshot_t *snapshot);

/*
 * [any] Enters what was kept, and nothing of what is in force here, until
 * jobsrv_context_leave(context). The caller holds a reference until then.
 */
JOBSRV_EXTERN void jobsrv_snapshot_enter(jobsrv_context_t *context,
                                         const jobsrv_snapshot_t *snapshot);

/* ---- what belongs to no job ---- */

/* A place that has narrated with no job in force. Texts are lent. */
typedef struct jobsrv_unrouted_s {
  const char *file;   /* its last 63 bytes; "": it did not say */
  int line;
  const char *action; /* its first 31 bytes */
  uint64_t count;
} jobsrv_unrouted_t;

/*
 * Fills up to `cap` of the places whose events belonged to no job, the worst
 * first, and returns how many there are. 64 are told apart; those of all others
 * together are the last, with neither file nor action. Lent until the next
 * event without a job. What is narrated with no context at all is refused
 * (JOBSRV_ENOCONTEXT) and not counted: there is nobody to count it.
 */
JOBSRV_EXTERN size_t jobsrv_unrouted(const jobsrv_t *srv,
                                     jobsrv_unrouted_t *to,
                                     size_t cap);

/* ---- child processes ---- */

typedef void (*jobsrv_env_cb)(void *data, const char *name, const char *value);

/*
 * [any] Calls `cb` for each environment variable that tells a child process
 * what it is part of, those without a value left out: TRACEPARENT, TRACESTATE,
 * JOBSRV_JOB_ID, JOBSRV_CORRELATION_ID, JOBSRV_REQUEST_ID. By this thread's
 * context; without a job there is none. A process operation's child is given
 * them by itself (process.h).
 */
JOBSRV_EXTERN void jobsrv_context_env(jobsrv_env_cb cb, void *data);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_CONTEXT_H */
