/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_JOB_H
#define JOBSRV_JOB_H

/*
 * Jobs: one run of an operation each, from creation to one of three ends.
 *
 *   queued -> running -> completed | failed | cancelled
 *
 * A terminal state is never left. Whoever asks, the end is the same: it is
 * decided once, on the loop, by one function.
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

/* What to run. Everything but `data` and `parent` is copied. */
typedef struct jobsrv_spec_s {
  size_t size;               /* set by jobsrv_spec_init() */
  const char *operation;     /* registered name; NULL only for begin */
  const char *payload;       /* JSON text of an object; NULL: {} */
  size_t payload_len;        /* 0 with a payload: its strlen */
  uint64_t timeout_ms;       /* 0: the operation's; one attempt */
  uint64_t deadline_ms;      /* 0: the operation's; from creation to the end */
  uint64_t retain_ms;        /* 0: the operation's */
  jobsrv_token_t *parent;    /* NULL: the server's own; referenced */
  const jobsrv_tag_t *tags;
  size_t ntags;
  const char *principal;     /* who it belongs to; at most 128 bytes */
  const char *correlation_id;  /* on every event; at most 128 bytes each */
  const char *request_id;
  int is_private;            /* 1: not readable over a transport */
  void *data;                /* jobsrv_job_data() */
  jobsrv_release_cb release; /* of `data`, exactly once: when the job is gone,
                                or before a refused submit returns */
} jobsrv_spec_t;

static inline void jobsrv_spec_init(jobsrv_spec_t *spec) {
  memset(spec, 0, sizeof(*spec));
  spec->size = sizeof(*spec);
}

/*
 * Creates a job; it starts in a later part of this turn of the loop, when
 * there is room for it. `*out`, when asked for, is lent: use jobsrv_job_ref()
 * to keep it past the job's retention. It is NULL when a hook has ended the job
 * and the server has already forgotten it. `mistake` may be NULL.
 *
 * Returns 0; JOBSRV_ENOOPERATION; JOBSRV_EPAYLOAD, with `*mistake` (struct
 * jobsrv_mistake_s of operation.h) filled by the operation's check or by the
 * library's own (not a JSON object); JOBSRV_ETOOBIG for a payload, id,
 * principal or tag over its bound; UV_EINVAL for a tag key with other
 * characters; JOBSRV_EJOBSFULL; JOBSRV_EQUEUEFULL; JOBSRV_EDRAINING;
 * JOBSRV_EFORKED; JOBSRV_EOPTIONS; UV_ENOMEM; or what the kernel's random
 * source returned.
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
 * closed first (the spec's `release` has then been called). A `parent` token
 * is not allowed here.
 *
 * Returns 0, UV_ENOMEM, UV_EINVAL, JOBSRV_EOPTIONS or JOBSRV_ECLOSED; when
 * not 0, `cb` is never called and `release` has been.
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
 * name to show, of at most 128 bytes, or NULL. Returns as jobsrv_submit().
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

JOBSRV_EXTERN jobsrv_handle_t jobsrv_job_handle(const jobsrv_job_t *job);

/* The job, lent, or NULL when it has gone. */
JOBSRV_EXTERN jobsrv_job_t *jobsrv_job_by_handle(const jobsrv_t *srv,
                                                 jobsrv_handle_t handle);

/* [any] Adds a reference; returns `job`. */
JOBSRV_EXTERN jobsrv_job_t *jobsrv_job_ref(jobsrv_job_t *job);

/* [any] Drops one; the last gives the slot back. */
JOBSRV_EXTERN void jobsrv_job_unref(jobsrv_job_t *job);

/* ---- what the one who does the work says ---- */

/*
 * [any] The work is done and the job's resources are let go. `result` is JSON
 * text or NULL, copied. In a thread operation it takes effect when `run`
 * returns; a process operation cannot say it (JOBSRV_ESTATE).
 *
 * Returns 0; JOBSRV_ESETTLED when the work was finished before or abandoned;
 * JOBSRV_ESTATE when the job is not running; JOBSRV_EJSON; JOBSRV_ETOOBIG for
 * a result over its bound; UV_ENOMEM. When not 0, the job is untouched and
 * still has to be finished.
 */
JOBSRV_EXTERN int jobsrv_job_complete(jobsrv_job_t *job,
                                      const char *result,
                                      size_t len);

/*
 * [any] The work has failed and its resources are let go. `code` is a stable
 * snake_case word of at most 64 bytes, NULL means "failed"; `message` is for
 * people, may be NULL, and is cut with a mark at 4 KiB. After a request to
 * stop, this is how an operation says that it has stopped. Returns as
 * jobsrv_job_complete(); cannot fail for want of memory when `message` is NULL
 * and `code` is NULL or "cancelled".
 */
JOBSRV_EXTERN int jobsrv_job_fail(jobsrv_job_t *job,
                                  const char *code,
                                  const char *message);

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

/* [any] 1 once the job, or a token above it, has been asked to stop. */
JOBSRV_EXTERN int jobsrv_job_cancelled(const jobsrv_job_t *job);

/*
 * Changes whether requests to cancel are honoured, for this job only, even
 * while it runs. Timeouts and shutdown are not requests in this sense.
 */
JOBSRV_EXTERN void jobsrv_job_cancellable(jobsrv_job_t *job, int yes);

/* [any] The job's own token, lent. */
JOBSRV_EXTERN jobsrv_token_t *jobsrv_job_token(jobsrv_job_t *job);

/* ---- what anyone may ask ---- */

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
  uint32_t queue_position;    /* from 1; 0 when it is not queued */
  uint64_t created_wall_ns, started_wall_ns, finished_wall_ns;
  uint64_t duration_ns;       /* from start to end, or so far */
  uint64_t first_seq;         /* of the oldest event that is retained */
  uint64_t last_seq;          /* of the newest, the end included; 0: none */
  const jobsrv_reason_t *cancel_reason;  /* NULL: not asked to stop */
  const char *error_code;     /* NULL unless failed */
  const char *error_message;  /* NULL unless failed */
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
