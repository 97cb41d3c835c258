/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATE_H
#define JOBSRV_NARRATE_H

/*
 * Narration: what a job says while it runs. One line of code becomes a
 * numbered, structured event in the log of the job it belongs to, and reaches
 * whoever watches that job and the sinks the host has added; nobody else. The
 * one-line forms with fields, voices, tables and data are in emit.h.
 *
 * Every call here is [any]. From one thread, the order of calls is kept, the
 * finish included. Text is taken as UTF-8, repaired where it is not.
 */

#include "jobsrv/context.h"
#include "jobsrv/work.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An event at MUTE reaches nobody; a filter at MUTE lets nothing through. */
#define JOBSRV_LEVEL_MAP(XX)                                                  \
  XX(TRACE, 1, "trace")                                                       \
  XX(DEBUG, 2, "debug")                                                       \
  XX(INFO, 3, "info")                                                         \
  XX(WARN, 4, "warn")                                                         \
  XX(ERROR, 5, "error")                                                       \
  XX(FATAL, 6, "fatal")                                                       \
  XX(MUTE, 7, "mute")

typedef enum {
#define XX(name, number, text) JOBSRV_##name = number,
  JOBSRV_LEVEL_MAP(XX)
#undef XX
  JOBSRV_LEVEL_MAX
} jobsrv_level_t;

/* "info", ...; "unknown" for a number that is none. */
JOBSRV_EXTERN const char *jobsrv_level_name(int level);

/* Calls of the macros below that are under this level are compiled away. */
#ifndef JOBSRV_LEVEL_FLOOR
# define JOBSRV_LEVEL_FLOOR JOBSRV_TRACE
#endif

/* What an event is. Those after DATA are made by the library alone. */
#define JOBSRV_KIND_MAP(XX)                                                   \
  XX(NARRATION, "narration")                                                  \
  XX(DATA, "data")                                                            \
  XX(STATE, "state")                                                          \
  XX(DROPPED, "dropped")                                                      \
  XX(PROGRESS, "progress")                                                    \
  XX(GAP, "gap")                                                              \
  XX(END, "end")

typedef enum {
#define XX(name, text) JOBSRV_KIND_##name,
  JOBSRV_KIND_MAP(XX)
#undef XX
  JOBSRV_KIND_MAX
} jobsrv_kind_t;

/* "narration", ...; "unknown" for a number that is none. */
JOBSRV_EXTERN const char *jobsrv_kind_name(jobsrv_kind_t kind);

typedef enum {
  JOBSRV_FIELD_STRING,
  JOBSRV_FIELD_I64,
  JOBSRV_FIELD_U64,
  JOBSRV_FIELD_DOUBLE,
  JOBSRV_FIELD_BOOL,
  JOBSRV_FIELD_JSON
} jobsrv_field_type_t;

/*
 * A typed extra. One whose key is in JOBSRV_WELL_KNOWN_MAP and whose type is
 * the one given there stands at the top level of the event's JSON; the others
 * stand under "fields". NaN and infinities become null.
 */
typedef struct jobsrv_field_s {
  const char *key; /* 1..64 bytes of [A-Za-z0-9_.-] */
  jobsrv_field_type_t type;
  union {
    const char *string; /* also JSON text: validated and minified */
    int64_t i64;
    uint64_t u64;
    double f64;
    int boolean;
  } as;
  size_t len; /* of `string`; 0: its strlen */
} jobsrv_field_t;

#define JOBSRV_WELL_KNOWN_MAP(XX)                                             \
  XX(session_id, STRING)                                                      \
  XX(task_id, STRING)                                                         \
  XX(pool_id, STRING)                                                         \
  XX(replica_id, STRING)                                                      \
  XX(worker_id, STRING)                                                       \
  XX(hive_id, STRING)                                                         \
  XX(operation, STRING)                                                       \
  XX(error_kind, STRING)                                                      \
  XX(retry_after_ms, U64)                                                     \
  XX(backoff_ms, U64)                                                         \
  XX(duration_ms, U64)                                                        \
  XX(predicted_start_ms, U64)                                                 \
  XX(queue_position, U64)                                                     \
  XX(engine, STRING)                                                          \
  XX(engine_version, STRING)                                                  \
  XX(model_ref, STRING)                                                       \
  XX(device, STRING)                                                          \
  XX(tokens_in, U64)                                                          \
  XX(tokens_out, U64)                                                         \
  XX(decode_time_ms, U64)                                                     \
  XX(emitted_by, STRING)                                                      \
  XX(emitted_at_ms, U64)                                                      \
  XX(table, JSON)                                                             \
  XX(suppressed, U64)                                                         \
  XX(span, STRING)                                                            \
  XX(outcome, STRING)

/*
 * One event. Whoever narrates fills what they have by designated initialisers
 * and leaves the rest zero; a sink finds everything filled, texts as they were
 * given: what is no UTF-8 is mended in `json` alone. All are lent for the call.
 * `size` of 0 is taken as the size of this library's struct.
 */
typedef struct jobsrv_event_s {
  size_t size;
  int level;                  /* 0: JOBSRV_INFO */
  const char *actor;          /* who acts; NULL: the operation's name */
  const char *action;         /* what is done; NULL: "say" */
  const char *target;         /* what it is done to; NULL: absent */
  const char *human;          /* plain words; NULL: as cute, story, or "" */
  const char *cute;           /* the other two voices; NULL: absent */
  const char *story;
  const char *correlation_id; /* NULL: the job's */
  const char *request_id;     /* NULL: the job's */
  const char *trace_id;       /* 32 hex digits; NULL: the job's, if that was
                                 given or this thread is in a span of it */
  const char *span_id;        /* 16 hex digits; NULL: where this thread is */
  const char *parent_span_id;
  const char *file;           /* shown as "source":"file:line" */
  int line;
  const char *function;       /* shown as "fn_name" */
  const jobsrv_field_t *fields;
  size_t nfields;
  const char *payload;        /* jobsrv_data_event()'s JSON text */
  size_t payload_len;         /* there need be no NUL behind it */
  /* set by the library for sinks, ignored from callers */
  jobsrv_kind_t kind;
  uint64_t seq;               /* in the job, from 1; 0: belongs to no job, or
                                 is progress */
  uint64_t server_seq;        /* over all jobs of the server */
  uint64_t wall_ns;
  const char *job_id;         /* NULL: belongs to no job */
  jobsrv_job_t *job;          /* lent; NULL: belongs to no job */
  const char *json;           /* the event's own JSON object, as on the wire */
  size_t json_len;
} jobsrv_event_t;

/*
 * Narrates `event` into `job`; NULL stands for the job in whose callback or
 * thread operation this thread is. An event with no job at all is counted, by
 * its place (jobsrv_unrouted()), and goes to the sinks only of the server that
 * this thread's context names; without one it is refused.
 *
 * Returns 0, also for an event under the level; JOBSRV_EENDED when the job is
 * seen to have ended; JOBSRV_EDROPPED when the inbox is full (counted, and
 * announced in the job's log); JOBSRV_EJSON for a JSON field that is none;
 * JOBSRV_ETOOBIG when it would not fit max_event_bytes even with its texts cut;
 * UV_EINVAL for a bad key, level or size; UV_ENOMEM (counted as dropped);
 * JOBSRV_ENOCONTEXT; JOBSRV_ECLOSED.
 */
JOBSRV_EXTERN int jobsrv_narrate_event(jobsrv_job_t *job,
                                       const jobsrv_event_t *event);

/*
 * Narrates what belongs to no job, but to the server or its host: to the
 * server's sinks alone. Returns as jobsrv_narrate_event(), without EENDED and
 * ENOCONTEXT.
 */
JOBSRV_EXTERN int jobsrv_narrate_server(jobsrv_t *srv,
                                        const jobsrv_event_t *event);

/* 1 if there is a sink that may want an event of `level` of that kind. */
JOBSRV_EXTERN int jobsrv_server_narrates(const jobsrv_t *srv, int level);

/*
 * 1 if an event of `level` for `job` (NULL: from the context) would be made.
 * The macros ask before they evaluate their arguments.
 */
JOBSRV_EXTERN int jobsrv_narrates(const jobsrv_job_t *job, int level);

/* The same in line, for the macros alone: a job begins with its level. */
#if defined(__GNUC__) || defined(__clang__)
static inline int jobsrv_narrates_(const jobsrv_job_t *job, int level) {
  if (job == NULL)
    return jobsrv_narrates(job, level);
  return level < JOBSRV_MUTE &&
         level >= __atomic_load_n((const unsigned char *) job,
                                  __ATOMIC_RELAXED);
}
#else
# define jobsrv_narrates_(job, level) jobsrv_narrates(job, level)
#endif

/*
 * Changes which events of this job are made, from now on: none below `level`,
 * none at all at JOBSRV_MUTE. A job begins with its spec's level, else its
 * operation's, else the server's. Returns 0, or UV_EINVAL for a level that is
 * none.
 */
JOBSRV_EXTERN int jobsrv_job_set_level(jobsrv_job_t *job, int level);
JOBSRV_EXTERN int jobsrv_job_level(const jobsrv_job_t *job);

/*
 * 1 while somebody watches the job: a client of a transport, or a cursor that
 * is attached. So that costly detail is made only when somebody looks; what
 * was not made is missing for who comes later, and for sinks.
 */
JOBSRV_EXTERN int jobsrv_job_watched(const jobsrv_job_t *job);

/* What the macros call. Returns as jobsrv_narrate_event(). */
JOBSRV_EXTERN JOBSRV_PRINTF(7, 8)
int jobsrv_narrate_at(jobsrv_job_t *job,
                      int level,
                      const char *file,
                      int line,
                      const char *function,
                      const char *action,
                      const char *format,
                      ...);

/* What a call comes to that is not made: 0, and no warning of it. */
#if defined(__GNUC__) || defined(__clang__)
__attribute__((always_inline))
#endif
static inline int jobsrv_unsaid_(void) {
  return 0;
}

#define JOBSRV_NARRATE_(job, level, action, ...)                              \
  ((level) >= JOBSRV_LEVEL_FLOOR && jobsrv_narrates_((job), (level))          \
       ? jobsrv_narrate_at((job), (level), __FILE__, __LINE__, __func__,      \
                           (action), __VA_ARGS__)                             \
       : jobsrv_unsaid_())

/*
 *   jobsrv_narrate(job, "fetch", "got %zu of %zu files", done, total);
 *
 * `job` may be NULL for the job of the context; the format is checked by the
 * compiler, and neither it nor the arguments are touched under the level.
 * `job` is evaluated twice.
 */
#define jobsrv_narrate(job, action, ...)                                      \
  JOBSRV_NARRATE_(job, JOBSRV_INFO, action, __VA_ARGS__)
#define jobsrv_info(job, action, ...)                                         \
  JOBSRV_NARRATE_(job, JOBSRV_INFO, action, __VA_ARGS__)
#define jobsrv_trace(job, action, ...)                                        \
  JOBSRV_NARRATE_(job, JOBSRV_TRACE, action, __VA_ARGS__)
#define jobsrv_debug(job, action, ...)                                        \
  JOBSRV_NARRATE_(job, JOBSRV_DEBUG, action, __VA_ARGS__)
#define jobsrv_warn(job, action, ...)                                         \
  JOBSRV_NARRATE_(job, JOBSRV_WARN, action, __VA_ARGS__)
#define jobsrv_error(job, action, ...)                                        \
  JOBSRV_NARRATE_(job, JOBSRV_ERROR, action, __VA_ARGS__)
#define jobsrv_fatal(job, action, ...)                                        \
  JOBSRV_NARRATE_(job, JOBSRV_FATAL, action, __VA_ARGS__)

/*
 * For programs that watch: `json` (any JSON value) as the payload of an event
 * of kind data. `len` 0 means strlen. Returns as jobsrv_narrate_event().
 */
JOBSRV_EXTERN int jobsrv_data_event(jobsrv_job_t *job,
                                    const char *action,
                                    const char *json,
                                    size_t len);

/* How far a job is. Texts are cut at 64 bytes. */
typedef struct jobsrv_progress_s {
  double done;       /* not negative */
  double total;      /* 0: unknown */
  const char *unit;  /* NULL: absent */
  const char *phase; /* NULL: absent */
  double from;       /* which part of the whole job `done` of `total` is, in */
  double to;         /* percent: a phase of its own; 0 and 0: all of it; a */
                     /* `to` of 0 is 100 */
} jobsrv_progress_t;

/*
 * Sets the job's progress. It is state, not history: watchers are sent the
 * latest value at most ten times a second, and the last one before the end.
 *
 * It does not go back. A phase is what has the same `phase`, `from` and `to`
 * as the report before it: in there a smaller `done` is ignored and counted
 * (progress_ignored of jobsrv_stats_t). A new phase may begin at 0. What is
 * shown as percent, in tenths rounded down, never falls: not with a new phase,
 * not with a total that grows; only another attempt begins anew. So a job of
 * several phases gives each its part of the whole:
 *
 *   { .done = i, .total = n, .phase = "copying", .from = 20, .to = 80 }
 *
 * Shown with it are `rate`, what gets done in a second, and `eta_ms`, how long
 * the job will still take, both as of this report. The rate is an average over
 * the phase so far in which what lies 10 s back counts half; it is withheld
 * until a second and two steps forward have been seen. Behind this phase the
 * percentage is taken to go on as fast; beyond some thirty years, with no known
 * total, and when all is done there is no `eta_ms`.
 *
 * A job that reports none of its own shows what its child jobs add up to: of
 * the sum of their weights (total), how much is done, each child counting with
 * the fraction it shows itself, a completed one whole. What a child has reached
 * it keeps, also when it fails; a child that is added makes the total larger,
 * but never the fraction smaller. From the job's own first report on, that
 * alone counts.
 *
 * Returns 0; JOBSRV_EENDED; JOBSRV_EDROPPED; JOBSRV_ENOCONTEXT; UV_ENOMEM;
 * JOBSRV_ECLOSED; UV_EINVAL for a value that is negative or not a finite
 * number, and for `from` and `to` that are not in order or above 100.
 */
JOBSRV_EXTERN int jobsrv_progress(jobsrv_job_t *job,
                                  const jobsrv_progress_t *progress);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_NARRATE_H */
