/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SPAN_H
#define JOBSRV_SPAN_H

/*
 * Spans: named parts of a job, inside of one another, each with a duration and
 * an outcome. A job and its attempts are spans by themselves (context.h).
 *
 * A span is told by two events: action "span_begin" and "span_end", the name as
 * their target and as the well-known field "span"; the end has "outcome",
 * "duration_ms" and the extra "duration_ns". Both have its trace_id, span_id
 * and parent_span_id, and so has every event that is narrated in a context
 * which has entered it.
 *
 * All calls are [any]. A span lives in the caller's memory and is begun,
 * entered and ended on whatever threads; no stack of a thread has to be left
 * for it to end. It keeps its job until then.
 *
 *   jobsrv_span_t span;
 *
 *   jobsrv_span_begin(&span, job, "fetch");
 *   ... later, in some callback, on some thread ...
 *   jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL);
 *
 * The level decides once, at the beginning, and is DEBUG if nothing is said: a
 * span under it is not told, costs next to nothing, and what is begun inside of
 * it is inside of whatever that was inside of.
 */

#include "jobsrv/emit.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JOBSRV_OUTCOME_MAP(XX)                                                \
  XX(OK, "ok")                                                                \
  XX(ERROR, "error")                                                          \
  XX(CANCELLED, "cancelled")

typedef enum {
#define XX(name, text) JOBSRV_SPAN_##name,
  JOBSRV_OUTCOME_MAP(XX)
#undef XX
  JOBSRV_OUTCOME_MAX
} jobsrv_outcome_t;

/* [any] "ok", ...; "unknown" for a number that is none. */
JOBSRV_EXTERN const char *jobsrv_outcome_name(int outcome);

typedef struct jobsrv_span_s jobsrv_span_t;

struct jobsrv_span_s {
  /* private */
  uint32_t state;  /* 0: it is not told */
  uint32_t attempt;
  jobsrv_job_t *job;
  uint64_t id;     /* of it, or else of what it is inside of */
  uint64_t parent_id;
  uint64_t began_ns;
  const char *name;
  const char *actor;
  const char *file;
  const char *function;
  int line;
  int level;
};

typedef struct jobsrv_span_options_s {
  size_t size;        /* sizeof(jobsrv_span_options_t); 0 is taken as that */
  const char *name;   /* lent until the end, as all texts here */
  int level;          /* 0: JOBSRV_DEBUG */
  const jobsrv_span_t *parent;  /* NULL: the one this thread is in, if it is in
                                   one of the job, else the attempt */
  const char *actor;  /* NULL: as of any event */
  const jobsrv_field_t *fields; /* of the beginning; at most 28 */
  size_t nfields;
  const char *file;
  int line;
  const char *function;
} jobsrv_span_options_t;

/*
 * Begins a span of `job`; NULL stands for the job of the context. `span` need
 * not be initialised, and may be used again when it has ended.
 *
 * Returns 0, also when it is under the level or its event was lost on the way
 * (counted as dropped); JOBSRV_ENOCONTEXT; JOBSRV_EENDED; JOBSRV_ECLOSED;
 * JOBSRV_ETOOBIG for too many fields; UV_EINVAL without a name, for a bad level
 * or size; or what jobsrv_narrate_event() says of the fields. When not 0 it has
 * not begun, and entering and ending it are harmless.
 */
JOBSRV_EXTERN int
jobsrv_span_begin_with(jobsrv_span_t *span,
                       jobsrv_job_t *job,
                       const jobsrv_span_options_t *options);

/* What the macros call for one under the level. Returns as the above. */
JOBSRV_EXTERN int jobsrv_span_pass(jobsrv_span_t *span,
                                   jobsrv_job_t *job,
                                   const jobsrv_span_t *parent);

/*
 * Ends it; from any thread, and whatever it is inside of may have ended before.
 * An error is told at JOBSRV_WARN at least. `message` may be NULL; of a longer
 * one 1,000 bytes are told, and how many more there were. `fields` are put with
 * the end's own.
 *
 * Returns 0; JOBSRV_ESETTLED when it had ended before; JOBSRV_EENDED when the
 * job has, and nobody is told; UV_EINVAL for an outcome that is none, and it
 * goes on; else as jobsrv_narrate_event(). After that it has ended.
 */
JOBSRV_EXTERN int jobsrv_span_end_with(jobsrv_span_t *span,
                                       jobsrv_outcome_t outcome,
                                       const char *message,
                                       const jobsrv_field_t *fields,
                                       size_t nfields);

static inline int jobsrv_span_end(jobsrv_span_t *span,
                                  jobsrv_outcome_t outcome,
                                  const char *message) {
#if defined(__GNUC__) || defined(__clang__)
  if (__atomic_load_n(&span->state, __ATOMIC_RELAXED) == 0)
    return 0;
#endif
  return jobsrv_span_end_with(span, outcome, message, NULL, 0);
}

/*
 * Makes the span, and its job, the context of this thread until
 * jobsrv_context_leave(context). Any number of threads may be in one, and a
 * thread in one of several that are under way. It may end meanwhile; then the
 * caller holds a reference to the job, as with jobsrv_context_enter().
 */
JOBSRV_EXTERN void jobsrv_span_enter(jobsrv_context_t *context,
                                     const jobsrv_span_t *span);

/* ---- one line; for C, the calls above are for everyone ---- */

#define JOBSRV_SPAN_(span, job, up, text)                                     \
  (JOBSRV_DEBUG >= JOBSRV_LEVEL_FLOOR && jobsrv_narrates_((job), JOBSRV_DEBUG)\
       ? jobsrv_span_begin_with((span), (job),                                \
                                &(const jobsrv_span_options_t) {              \
                                    .name = (text),                           \
                                    .parent = (up),                           \
                                    .file = __FILE__,                         \
                                    .line = __LINE__,                         \
                                    .function = __func__ })                   \
       : jobsrv_span_pass((span), (job), (up)))

/* With a name; `job` is evaluated twice. */
#define jobsrv_span_begin(span, job, text)                                    \
  JOBSRV_SPAN_(span, job, NULL, text)

/* Inside of another, which is evaluated more than once. */
#define jobsrv_span_begin_in(span, parent, text)                              \
  JOBSRV_SPAN_(span, (parent)->job, parent, text)

/* ---- a block ---- */

/* What JOBSRV_SPAN() declares. */
typedef struct jobsrv_scope_s {
  /* set these inside the block, for its end */
  jobsrv_outcome_t outcome;
  const char *message;
  /* read only */
  jobsrv_span_t span;
  /* private */
  jobsrv_context_t context;
  int entered;
} jobsrv_scope_t;

#if !defined(__cplusplus) && (defined(__GNUC__) || defined(__clang__))
static inline int jobsrv_scope_once_(jobsrv_scope_t *scope) {
  return scope->entered ? 0 : (scope->entered = 1);
}

static inline void jobsrv_scope_leave_(jobsrv_scope_t *scope) {
  if (!scope->entered)
    return;
  jobsrv_context_leave(&scope->context);
  (void) jobsrv_span_end(&scope->span, scope->outcome, scope->message);
}

/*
 * A span for one block, which is its context, and ends however the block is
 * left but by longjmp(): at its end, by break or continue (which both leave the
 * block), goto or return. What it came to is set in the scope.
 *
 *   JOBSRV_SPAN(scope, job, "parse") {
 *     if (parse(text) != 0) {
 *       scope.outcome = JOBSRV_SPAN_ERROR;
 *       return UV_EINVAL;
 *     }
 *   }
 */
# define JOBSRV_SPAN(scope, job, text)                                        \
  for (jobsrv_scope_t scope                                                   \
           __attribute__((__cleanup__(jobsrv_scope_leave_))) =                \
               { .outcome = JOBSRV_SPAN_OK };                                 \
       jobsrv_scope_once_(&scope) &&                                          \
       (jobsrv_span_begin(&scope.span, job, text),                            \
        jobsrv_span_enter(&scope.context, &scope.span), 1);)
#endif

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SPAN_H */
