/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_JOB_H
#define JOBSRV_JOB_H

/*
 * Jobs: one run of an operation each, from creation to one of three ends.
 *
 *   scheduled -> queued | failed | cancelled
 *   queued    -> scheduled | running | retrying | failed | cancelled
 *   running   -> retrying | suspended | completed | failed | cancelled
 *   retrying  -> queued | failed | cancelled
 *   suspended -> queued | running | failed | cancelled
 *
 * A scheduled job waits for its time, for other jobs, or to be watched. From
 * running a job may go to retrying, which waits for its next attempt, or to
 * suspended, which waits for an answer; neither holds a slot (but see
 * keeps_slot), and both come back through queued. From there, too, a job may
 * go to retrying: when its operation's breaker is open. A terminal state is
 * never left. Whoever asks, the end is the same: it is decided once, on the
 * loop, by one function.
 *
 * Threads as in loop.h. [any] calls on a job are for whoever holds a reference
 * or runs inside one of the job's own callbacks.
 */

#include "jobsrv/loop.h"
#include "jobsrv/token.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jobsrv_job_s jobsrv_job_t;
struct jobsrv_mistake_s; /* operation.h */

#define JOBSRV_STATE_MAP(XX)                                                  \
  XX(SCHEDULED, "scheduled")                                                  \
  XX(QUEUED, "queued")                                                        \
  XX(RUNNING, "running")                                                      \
  XX(RETRYING, "retrying")                                                    \
  XX(SUSPENDED, "suspended")                                                  \
  XX(COMPLETED, "completed")                                                  \
  XX(FAILED, "failed")                                                        \
  XX(CANCELLED, "cancelled")

typedef enum {
#define XX(name, text) JOBSRV_STATE_##name,
  JOBSRV_STATE_MAP(XX)
#undef XX
  JOBSRV_STATE_MAX
} jobsrv_state_t;

/* [any] "queued", ...; "unknown" for a number that is none. */
JOBSRV_EXTERN const char *jobsrv_state_name(jobsrv_state_t state);

/* [any] 1 for completed, failed and cancelled. */
JOBSRV_EXTERN int jobsrv_state_terminal(jobsrv_state_t state);

/* [any] 1 if a job may go from one to the other in one step. */
JOBSRV_EXTERN int jobsrv_state_allowed(jobsrv_state_t from, jobsrv_state_t to);

typedef void (*jobsrv_release_cb)(void *data);

/* Bounds: a key 1..64 bytes of [A-Za-z0-9._-], a value up to 256 of UTF-8. */
typedef struct jobsrv_tag_s {
  const char *key;
  const char *value;
} jobsrv_tag_t;

/* Four classes, in each first come, first served; see operation.h. */
#define JOBSRV_PRIORITY_MAP(XX)                                               \
  XX(LOW, 1, "low")                                                           \
  XX(NORMAL, 2, "normal")                                                     \
  XX(HIGH, 3, "high")                                                         \
  XX(CRITICAL, 4, "critical")

typedef enum {
#define XX(name, number, text) JOBSRV_PRIORITY_##name = number,
  JOBSRV_PRIORITY_MAP(XX)
#undef XX
  JOBSRV_PRIORITY_MAX
} jobsrv_priority_t;

/* [any] "low", ...; "unknown" for a number that is none. */
JOBSRV_EXTERN const char *jobsrv_priority_name(int priority);

typedef enum {
  JOBSRV_JITTER_EQUAL = 1, /* from half the delay to all of it */
  JOBSRV_JITTER_FULL,      /* from nothing to all of it */
  JOBSRV_JITTER_NONE
} jobsrv_jitter_t;

/*
 * How often, and after what delay, a failed attempt is followed by another:
 * backoff_ms * factor^(n - 1) after attempt n, at most max_backoff_ms; then the
 * jitter. All of it saturates. A delay that the failure itself names
 * (jobsrv_job_retry_after()) counts instead, without cap or jitter.
 */
typedef struct jobsrv_retry_s {
  uint32_t max_attempts;   /* 0: 1, which is none again */
  uint32_t factor;         /* 0: 2; at most 100 */
  uint64_t backoff_ms;     /* 0: 1,000 */
  uint64_t max_backoff_ms; /* 0: 3,600,000 */
  int jitter;              /* jobsrv_jitter_t; 0: JOBSRV_JITTER_EQUAL */
} jobsrv_retry_t;

/* When a new job becomes runnable, beside its time and what it waits for. */
typedef enum {
  JOBSRV_START_NOW,
  JOBSRV_START_ON_STREAM /* when it is first watched: jobsrv_job_watch() */
} jobsrv_start_t;

/* What becomes of a job when its last watcher leaves. */
typedef enum {
  JOBSRV_LAST_WATCHER_DEFAULT, /* the operation's; its default is CONTINUE */
  JOBSRV_LAST_WATCHER_CONTINUE,
  JOBSRV_LAST_WATCHER_CANCEL   /* after last_watcher_grace_ms, if still so */
} jobsrv_last_watcher_t;

/* What a second job with the unique key of a live one comes to. */
typedef enum {
  JOBSRV_CONFLICT_EXISTING, /* submit gives the one there is, and succeeds */
  JOBSRV_CONFLICT_REJECT,   /* submit returns JOBSRV_ECONFLICT */
  JOBSRV_CONFLICT_REPLACE   /* the one there is gets cancelled (REPLACED); the
                               new one is scheduled until it has let go */
} jobsrv_conflict_t;

/* What to run. All is copied but `data`; jobs and tokens are referenced. */
typedef struct jobsrv_spec_s {
  size_t size;               /* set by jobsrv_spec_init() */
  const char *operation;     /* registered name; NULL only for begin */
  const char *payload;       /* JSON text of an object; NULL: {} */
  size_t payload_len;        /* 0 with a payload: its strlen */

  /* when; of these two at most one is set */
  uint64_t delay_ms;         /* runnable this long after creation */
  uint64_t run_at_wall_ns;   /* runnable at this wall time, UTC; past: now */
  int start;                 /* jobsrv_start_t */
  uint64_t start_within_ms;  /* 0: 60,000; not watched by then: it fails
                                ("not_watched") */
  jobsrv_job_t *const *after;  /* runnable when all of them have completed; one
                                that ends otherwise fails this job
                                ("dependency_failed") */
  size_t nafter;             /* at most 64 */
  int after_any_end;         /* 1: completed or not */

  /* in what order and company; 0 and NULL: the operation's */
  int priority;              /* jobsrv_priority_t */
  uint32_t weight;           /* counted against max_running; up to 65,535 */
  const char *group;         /* jobs of one group run one at a time, whatever
                                their operation; a suspended one still has it,
                                a retrying one does not; at most 64 bytes */
  const char *unique_key;    /* NULL: none; at most 128 bytes; its scope is the
                                operation and its live jobs */
  int on_conflict;           /* jobsrv_conflict_t */

  /* for how long; 0: the operation's */
  uint64_t queue_ms;         /* runnable without being started */
  uint64_t timeout_ms;       /* one attempt */
  uint64_t deadline_ms;      /* from creation to the end */
  uint64_t silence_ms;       /* running without narration or progress */
  uint64_t retain_ms;        /* after the end, whatever it was */
  jobsrv_retry_t retry;      /* each field 0: the operation's */

  jobsrv_token_t *parent;    /* NULL: none but the server's close */
  jobsrv_job_t *parent_job;  /* NULL: none. Cancelled (PARENT) when that is
                                asked to stop, or ends without completing; its
                                progress folds into that one's (narrate.h);
                                never refused: that is no user's request.
                                Not with `parent` */
  uint32_t progress_weight;  /* 0: 1; this job's share in its parent's; at most
                                1,000,000 */
  int on_last_watcher;       /* jobsrv_last_watcher_t */
  uint64_t last_watcher_grace_ms;  /* 0: the operation's */
  const jobsrv_tag_t *tags;
  size_t ntags;
  const char *principal;     /* who it belongs to; at most 128 bytes */
  const char *correlation_id;  /* on every event; at most 128 bytes each; NULL:
                                  the parent job's */
  const char *request_id;
  int is_private;            /* 1: not readable over a transport */
  void *data;                /* jobsrv_job_data() */
  jobsrv_release_cb release; /* of `data`, exactly once: when the job is gone,
                                or before a refused submit returns */
  int level;                 /* jobsrv_level_t; 0: the operation's, else the
                                server's */
  const char *traceparent;   /* W3C Trace Context: what the job is part of.
                                NULL: of its parent job, else of nothing */
  const char *tracestate;    /* only with that; at most 512 bytes */
} jobsrv_spec_t;

static inline void jobsrv_spec_init(jobsrv_spec_t *spec) {
  memset(spec, 0, sizeof(*spec));
  spec->size = sizeof(*spec);
}

/*
 * Creates a job; it starts in a later part of this turn of the loop, when it
 * is runnable and there is room for it. `*out`, when asked for, is lent: use
 * jobsrv_job_ref() to keep it past the job's retention. It is NULL when a hook
 * has ended the job and the server has already forgotten it. `mistake` may be
 * NULL. When a live job holds the unique key and that is to be kept, `*out` is
 * that job, nothing is created, and the spec's `release` has been called; who
 * has to know asks jobsrv_find_unique() before.
 *
 * Returns 0; JOBSRV_ENOOPERATION; JOBSRV_EPAYLOAD, with `*mistake` (struct
 * jobsrv_mistake_s of operation.h) filled by the operation's check or by the
 * library's own (not a JSON object); JOBSRV_ETOOBIG for a payload, id,
 * principal, key, group, tag or list over its bound; UV_EINVAL for a tag key
 * with other characters, a trace that is none, an unknown priority, start,
 * policy, jitter or level, two times to run at, two parents, or a weight or
 * factor out of range;
 * JOBSRV_ECONFLICT; JOBSRV_ENOTCANCELLABLE when what is to be replaced cannot
 * be; JOBSRV_EJOBSFULL; JOBSRV_EQUEUEFULL; JOBSRV_EDRAINING; JOBSRV_EFORKED;
 * JOBSRV_EOPTIONS; UV_ENOMEM; or what the kernel's random source returned. A
 * parent job that has ended, or was asked to stop, cancels the new one at once;
 * a job to wait for that has already failed fails it.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_submit(jobsrv_t *srv,
                  const jobsrv_spec_t *spec,
                  struct jobsrv_mistake_s *mistake,
                  jobsrv_job_t **out);

/* `job` is NULL when `err` is not 0. */
typedef void (*jobsrv_submit_cb)(jobsrv_t *srv,
                                 jobsrv_job_t *job,
                                 int err,
                                 void *data);

/*
 * [any] Copies the spec and submits it on the loop thread, then calls `cb`
 * there, with what jobsrv_submit() would have returned; `srv` is NULL if it
 * closed first (the spec's `release` has then been called). `parent`,
 * `parent_job` and `after` are not allowed here.
 *
 * Returns 0, UV_ENOMEM, UV_EINVAL, JOBSRV_ETOOBIG, JOBSRV_EOPTIONS or
 * JOBSRV_ECLOSED; when not 0, `cb` is never called and `release` has been.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_submit_from(jobsrv_t *srv,
                       const jobsrv_spec_t *spec,
                       jobsrv_submit_cb cb,
                       void *data);

/*
 * Creates a job that the host runs by itself: it is running at once, takes no
 * slot of the queue, and ends by jobsrv_job_complete(), _fail() or, asked to
 * stop, when it lets go or its grace is over. `spec->operation` is only a
 * name to show, of at most 128 bytes, or NULL. What says when, in what order or
 * how often to run is not allowed: UV_EINVAL. Else returns as jobsrv_submit().
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_begin(jobsrv_t *srv,
                 const jobsrv_spec_t *spec,
                 jobsrv_job_t **out);

/*
 * Finds a job by the text of its id and lends it.
 * Returns 0, JOBSRV_ENOJOB, or JOBSRV_EEXPIRED when it was here once.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_find(const jobsrv_t *srv, const char *id, jobsrv_job_t **out);

/* A weak handle: costs nothing, keeps nothing. Zero is no job's. */
typedef struct jobsrv_handle_s {
  uint32_t index;
  uint32_t generation;
} jobsrv_handle_t;

/* [any] */
JOBSRV_EXTERN jobsrv_handle_t jobsrv_job_handle(const jobsrv_job_t *job);

/* The job, lent, or NULL when it has gone. */
JOBSRV_EXTERN jobsrv_job_t *jobsrv_job_by_handle(const jobsrv_t *srv,
                                                 jobsrv_handle_t handle);

/* [any] Adds a reference; returns `job`. */
JOBSRV_EXTERN jobsrv_job_t *jobsrv_job_ref(jobsrv_job_t *job);

/* [any] Drops one; the last gives the slot back. */
JOBSRV_EXTERN void jobsrv_job_unref(jobsrv_job_t *job);

/* ---- what anyone may ask of it ---- */

/*
 * [any] Asks a job to stop; NULL stands for {JOBSRV_REASON_REQUESTED}. One
 * request per job counts, the first. A queued job ends at once, a running one
 * when it has let go, or at the end of its grace, abandoned.
 *
 * Returns 0; JOBSRV_ESETTLED if it had been asked before; JOBSRV_EENDED if it
 * has ended; JOBSRV_ENOTCANCELLABLE; UV_ENOMEM, only possible for a reason
 * with text or actor; UV_EINVAL for an unknown code.
 */
JOBSRV_EXTERN int jobsrv_job_cancel(jobsrv_job_t *job,
                                    const jobsrv_reason_t *reason);

/*
 * [any] 1 once this attempt is to stop: the job, or a token above it, has been
 * asked to, or a clock of the job has run out.
 */
JOBSRV_EXTERN int jobsrv_job_cancelled(const jobsrv_job_t *job);

/*
 * [any] Changes whether requests to cancel are honoured, for this job only,
 * even while it runs. Timeouts, shutdown, what a token above is cancelled with
 * and what a parent job has come to are none in this sense.
 */
JOBSRV_EXTERN void jobsrv_job_cancellable(jobsrv_job_t *job, int yes);

/*
 * [any] The job's own token, lent. A timeout or silence that ends an attempt
 * but not the job sets it for that attempt only; a request to stop that comes
 * before the attempt has let go takes its place.
 */
JOBSRV_EXTERN jobsrv_token_t *jobsrv_job_token(jobsrv_job_t *job);

/*
 * A watcher has come, or gone; each that came goes once. Who serves jobs to
 * clients calls these: the first releases a job that starts on its stream, the
 * last to go sets its last-watcher policy in motion. Reading a page of events
 * is no watching.
 */
JOBSRV_EXTERN void jobsrv_job_watch(jobsrv_job_t *job);
JOBSRV_EXTERN void jobsrv_job_unwatch(jobsrv_job_t *job);

/*
 * Changes a job that has not been started: scheduled, queued or retrying. Zero
 * and NULL leave a thing as it is. A new priority puts it behind those of that
 * priority; a new time moves a queued job back to scheduled, a past one has it
 * runnable now if nothing else holds it. Clocks count from where they did.
 */
typedef struct jobsrv_edit_s {
  size_t size;             /* set by jobsrv_edit_init() */
  int priority;
  uint32_t weight;
  uint64_t run_at_wall_ns;
  uint64_t queue_ms, timeout_ms, deadline_ms, silence_ms, retain_ms;
  jobsrv_retry_t retry;
  const char *payload;     /* a whole new one; checked as at submit */
  size_t payload_len;
} jobsrv_edit_t;

static inline void jobsrv_edit_init(jobsrv_edit_t *edit) {
  memset(edit, 0, sizeof(*edit));
  edit->size = sizeof(*edit);
}

/*
 * All of it or nothing. Returns 0; JOBSRV_ESTATE when the job has been started
 * (or was asked to stop), or for a time to come while the server drains; or
 * what jobsrv_submit() says of the same values.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_edit(jobsrv_job_t *job,
                    const jobsrv_edit_t *edit,
                    struct jobsrv_mistake_s *mistake);

/*
 * Has a job that has not been started wait for one more, as `after` of its
 * spec; a queued one goes back to scheduled. Returns 0; JOBSRV_ECYCLE when
 * `other` waits for `job`, itself or through others; JOBSRV_ESTATE;
 * JOBSRV_ETOOBIG past 64; UV_EINVAL for a job of another server; UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_after(jobsrv_job_t *job, jobsrv_job_t *other);

/* The parent job, lent, or NULL: there is none, or its retention is over. */
JOBSRV_EXTERN jobsrv_job_t *jobsrv_job_parent(const jobsrv_job_t *job);

/* ---- what anyone may know ---- */

#define JOBSRV_ID_SIZE 41 /* "job-" + 36 + NUL */

/* [any] Writes the id's text; returns `to`. */
JOBSRV_EXTERN const char *jobsrv_job_id(const jobsrv_job_t *job,
                                        char to[JOBSRV_ID_SIZE]);

/* [any] The name of the operation, "" if there is none. */
JOBSRV_EXTERN const char *jobsrv_job_operation(const jobsrv_job_t *job);

/*
 * [any while running] The payload as it was submitted, NUL-terminated; "{}" if
 * there was none, and once the job has ended. `len` may be NULL.
 */
JOBSRV_EXTERN const char *jobsrv_job_payload(const jobsrv_job_t *job,
                                             size_t *len);

/* [any] The spec's `data`. */
JOBSRV_EXTERN void *jobsrv_job_data(const jobsrv_job_t *job);

/* [any] The server, NULL once it has closed. */
JOBSRV_EXTERN jobsrv_t *jobsrv_job_server(const jobsrv_job_t *job);

/* [any] The state at this moment. */
JOBSRV_EXTERN jobsrv_state_t jobsrv_job_state(const jobsrv_job_t *job);

/* Times are 0 when they do not apply yet. `wall` ones are nanoseconds UTC. */
typedef struct jobsrv_job_info_s {
  size_t size;                /* set by the caller to sizeof *info */
  jobsrv_state_t state;
  uint32_t attempt;           /* from 1; 0 while it never ran */
  uint32_t max_attempts;      /* at least 1 */
  uint32_t queue_position;    /* from 1, by priority and time; what lets others
                                 pass (operation.h) is not foreseen; 0 when it
                                 is not queued */
  int priority;
  uint32_t weight;
  uint32_t watchers;
  uint64_t created_wall_ns, started_wall_ns, finished_wall_ns;
  uint64_t queued_wall_ns;    /* when it last became runnable */
  uint64_t run_at_wall_ns;    /* of a scheduled job, when it has a time */
  uint64_t next_attempt_wall_ns;  /* of a retrying job */
  uint64_t expires_wall_ns;   /* of an ended one */
  uint64_t duration_ns;       /* from first start to end, or so far */
  uint64_t first_seq;         /* of the oldest event that is retained */
  uint64_t last_seq;          /* of the newest, the end included; 0: none */
  const jobsrv_reason_t *cancel_reason;  /* NULL: not asked to stop */
  const char *error_code;     /* NULL unless failed, or retrying: the last */
  const char *error_message;  /* likewise */
  int error_retryable;        /* 1: another attempt might have come to more */
  int exit_status;            /* -1 when there is none */
  int signal;                 /* 0 when there is none */
  int abandoned;
  int cancellable;
  int is_private;
  const char *result;         /* NULL: none */
  size_t result_len;
  const char *principal;      /* NULL: none */
  const char *correlation_id;
  const char *request_id;
  const char *group;          /* NULL: none */
  const char *unique_key;     /* NULL: none */
  const char *prompt;         /* of a suspended job; NULL: none */
  size_t prompt_len;
  const jobsrv_tag_t *tags;
  size_t ntags;
  const char *tracestate;     /* NULL: none */
  char trace_id[33];          /* see jobsrv_job_trace() */
  char parent_span_id[17];    /* "": none */
  uint32_t open_spans;        /* begun, not ended; of an ended job: by then */
  int is_begun;               /* 1: by jobsrv_begin() */
} jobsrv_job_info_t;

/* Fills as much of `info` as its size says; texts are lent by the job. */
JOBSRV_EXTERN void jobsrv_job_info(const jobsrv_job_t *job,
                                   jobsrv_job_info_t *info);

/* ---- hooks ---- */

typedef struct jobsrv_hook_s jobsrv_hook_t;

/*
 * Called on every transition, after it, in order of adding; `from` equals `to`
 * at creation and at a request to cancel. May call anything, remove itself or
 * others included.
 */
typedef void (*jobsrv_hook_cb)(jobsrv_hook_t *hook,
                               jobsrv_job_t *job,
                               jobsrv_state_t from,
                               jobsrv_state_t to);

/* Lives in the caller's own struct. Zero it once. */
struct jobsrv_hook_s {
  /* public */
  void *data;
  /* private */
  jobsrv_hook_cb cb;
  jobsrv_hook_t *next;
  jobsrv_hook_t *prev;
};

JOBSRV_EXTERN void jobsrv_hook_add(jobsrv_t *srv,
                                   jobsrv_hook_t *hook,
                                   jobsrv_hook_cb cb);
JOBSRV_EXTERN void jobsrv_hook_remove(jobsrv_hook_t *hook);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_JOB_H */
