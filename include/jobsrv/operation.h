/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_OPERATION_H
#define JOBSRV_OPERATION_H

/*
 * Operations: what jobs are runs of. Registered by name before work comes.
 *
 *   async    `start` is called on the loop and must not block; whoever does
 *            the work calls jobsrv_job_complete() or _fail() when it has let go
 *   thread   `run` is called on a thread of the server's pool and may block;
 *            what it returns is the outcome
 *   process  `prepare` says what to execute; the exit status is the outcome
 *            (process.h)
 *
 * Which job starts next, when there is room in the server's cap: the highest
 * priority that has one that may start, in it the one that has been runnable
 * longest (or was given this priority first). If that one is too heavy for the
 * room there is, nothing starts until it fits. Caps count the weights of the
 * jobs that hold a slot; a job that is heavier than a cap runs alone in it.
 *
 * A job may start when its group is free and its operation
 *
 *   - is below its cap, and has no other job in front of this one, by priority
 *     and then by time, that waits for enough room in it
 *   - has a token of its rate
 *   - if it is a thread operation, has an idle thread or may make one
 *   - is not waiting for its breaker's trials to end
 *
 * So only these let others pass a job by. A suspended attempt that goes on
 * needs the first alone: it has its token, its thread and its group.
 *
 * So that no priority starves, one that has been passed over by 16 starts of
 * higher ones, while it had a job that may start, has the next; of several the
 * highest. No priority with a job that may start waits for more than 18 starts
 * of others. Nor does a job starve in its operation: if 16 of it that have a
 * higher priority start while it is the first of its priority that may start,
 * or waits for room in the cap, then none of a higher priority may start before
 * it; of several such the highest counts. A count begins anew with each start
 * of the priority, and when it has nothing queued.
 */

#include "jobsrv/work.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  JOBSRV_ASYNC,
  JOBSRV_THREAD,
  JOBSRV_PROCESS
} jobsrv_style_t;

/*
 * What a drain does with a job of this operation; what waits for a time, for
 * others or for an answer is cancelled whatever the policy.
 */
typedef enum {
  JOBSRV_DRAIN_CANCEL, /* ask it to stop */
  JOBSRV_DRAIN_FINISH, /* let queued, running and retrying ones finish */
  JOBSRV_DRAIN_LEAVE   /* let a running one finish, cancel queued ones */
} jobsrv_on_drain_t;

/* Which member of a payload is wrong, and how. */
typedef struct jobsrv_mistake_s {
  char pointer[128]; /* RFC 6901, "" for the whole payload */
  char detail[256];
} jobsrv_mistake_t;

typedef struct jobsrv_process_s jobsrv_process_t;

/*
 * async, on the loop: returns 0 when the work has been started (or is already
 * finished), or a negative code, which fails the job.
 * thread, on a pool thread: returns 0 for completed, JOBSRV_CANCELLED when it
 * stopped because it was asked to, or another negative code for failed. If it
 * has called jobsrv_job_complete() or _fail(), that counts instead.
 */
typedef int (*jobsrv_run_cb)(jobsrv_job_t *job, void *data);

/* process, on the loop: fills `process`; a negative code fails the job. */
typedef int (*jobsrv_prepare_cb)(jobsrv_job_t *job,
                                 jobsrv_process_t *process,
                                 void *data);

/*
 * On the loop, in submit: looks at the payload (JSON text, an object). Returns
 * 0, or JOBSRV_EPAYLOAD with `*mistake` filled; the job is then not made.
 */
typedef int (*jobsrv_check_cb)(const char *payload,
                               size_t len,
                               jobsrv_mistake_t *mistake,
                               void *data);

/* async, on the loop, once an attempt, when it is asked to stop. */
typedef void (*jobsrv_stop_cb)(jobsrv_job_t *job,
                               const jobsrv_reason_t *reason,
                               void *data);

/* async, on the loop: a job that was suspended runs again. */
typedef void (*jobsrv_resume_cb)(jobsrv_job_t *job, void *data);

/*
 * On the loop, when an attempt has failed and another is possible: 1 to have
 * it, 0 for a failure that another attempt would only repeat. `code` is the
 * failure's, "attempt_timeout" and "silence" among them. The job is running.
 */
typedef int (*jobsrv_retryable_cb)(jobsrv_job_t *job,
                                   const char *code,
                                   const char *message,
                                   void *data);

/*
 * On the loop, when an attempt that was asked to stop has not let go at the end
 * of its grace (and, for a process, of SIGKILL): 0 to abandon it, else that
 * many milliseconds more, after which this is called again, 10 times at most.
 * A drain's deadline and close do not wait for that.
 */
typedef uint64_t (*jobsrv_stuck_cb)(jobsrv_job_t *job, void *data);

/*
 * Token bucket: `count` starts at once, refilled evenly in `per_ms`. Each
 * attempt takes one; the first moment with a token is on time to the ns.
 */
typedef struct jobsrv_rate_s {
  uint32_t count;  /* 0: no limit */
  uint64_t per_ms; /* 0: 1,000 */
} jobsrv_rate_t;

/*
 * Circuit breaker. `failures` failed attempts in a row open it: for `open_ms`
 * no attempt starts, and what would have been started fails at once with
 * "circuit_open" (and is retried, not before the end of that time, if it could
 * have been after a failed attempt; it has used none). Then `trials` attempts
 * are let in at once, and the others wait; all of them have to complete for it
 * to close, one failure opens it again. An attempt that ends cancelled or
 * snoozed counts for neither. What was started before it opened, or for an
 * earlier round of trials, no longer matters to it until it is closed.
 */
typedef struct jobsrv_breaker_s {
  uint32_t failures; /* 0: no breaker */
  uint32_t trials;   /* 0: 1 */
  uint64_t open_ms;  /* 0: 60,000 */
} jobsrv_breaker_t;

typedef struct jobsrv_operation_s {
  size_t size;               /* set by jobsrv_operation_init() */
  const char *name;          /* copied; 1..64 of [A-Za-z0-9._-] */
  jobsrv_style_t style;
  jobsrv_run_cb start;       /* async */
  jobsrv_run_cb run;         /* thread */
  jobsrv_prepare_cb prepare; /* process */
  jobsrv_stop_cb stop;       /* async; NULL: it polls or watches the token */
  jobsrv_resume_cb resume;   /* async; NULL: it looks at the state, or hooks */
  jobsrv_check_cb check;     /* NULL: any object will do */
  jobsrv_retryable_cb retryable;  /* NULL: all that are not permanent */
  jobsrv_stuck_cb stuck;     /* NULL: abandon at once */
  void *data;                /* handed to all of the above */
  jobsrv_release_cb release; /* of `data`, once, when the server has closed and
                                no thread is left in `run`; also on refusal */

  /* in what order and company */
  uint32_t max_running;      /* 0: no cap of its own; in weights of jobs */
  uint32_t weight;           /* 0: 1; up to 65,535 */
  int priority;              /* jobsrv_priority_t; 0: NORMAL */
  const char *group;         /* copied; NULL: none; see jobsrv_spec_t */
  jobsrv_rate_t rate;        /* of starts; those over it stay queued */
  jobsrv_breaker_t breaker;
  jobsrv_retry_t retry;

  /* for how long; 0: the server's */
  uint64_t queue_ms;         /* runnable without being started */
  uint64_t timeout_ms;       /* one attempt */
  uint64_t deadline_ms;      /* from creation to the end */
  uint64_t silence_ms;       /* running without narration, progress or output;
                                narration below the level is none */
  uint64_t grace_ms;         /* to let go after a request to stop */
  uint64_t retain_ms;        /* after the end */
  uint64_t retain_failed_ms;    /* 0: retain_ms, the server's if that is 0 */
  uint64_t retain_cancelled_ms; /* likewise */

  jobsrv_on_drain_t on_drain;
  int on_last_watcher;       /* jobsrv_last_watcher_t; 0: CONTINUE */
  uint64_t last_watcher_grace_ms;  /* 0: at once */
  int keeps_slot;            /* 1: a suspended job holds its slot */
  int expose;                /* 1: may be created over a transport */
  int not_cancellable;       /* 1: users' requests to cancel are refused */
  int level;                 /* jobsrv_level_t; 0: the server's */
} jobsrv_operation_t;

static inline void jobsrv_operation_init(jobsrv_operation_t *operation) {
  memset(operation, 0, sizeof(*operation));
  operation->size = sizeof(*operation);
}

/*
 * Registers an operation for as long as the server lives.
 *
 * Returns 0; UV_EINVAL for a bad name, a missing callback of its style, an
 * unknown priority, policy, jitter or level, or a factor out of range;
 * JOBSRV_ETOOBIG for a group over 64 bytes; JOBSRV_EEXISTS; JOBSRV_EOPTIONS;
 * UV_ENOMEM; JOBSRV_EDRAINING.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_operation_add(jobsrv_t *srv, const jobsrv_operation_t *operation);

typedef enum {
  JOBSRV_BREAKER_CLOSED,    /* attempts start */
  JOBSRV_BREAKER_OPEN,      /* none does */
  JOBSRV_BREAKER_HALF_OPEN  /* trials do */
} jobsrv_breaker_state_t;

typedef struct jobsrv_operation_stats_s {
  size_t size;              /* set by the caller to sizeof *stats */
  uint64_t starts;          /* of attempts, so far */
  uint64_t running_weight;  /* of the jobs that hold a slot */
  uint32_t queued;
  uint32_t tokens;          /* for how many starts there are some now; 0
                               without a rate */
  jobsrv_breaker_state_t breaker;
  uint64_t breaker_opens;   /* so far */
  uint64_t breaker_open_ns; /* for how long it is still open */
} jobsrv_operation_stats_t;

/* Fills as much of `stats` as its size says. Returns 0, JOBSRV_ENOOPERATION. */
JOBSRV_EXTERN int jobsrv_operation_stats(const jobsrv_t *srv,
                                         const char *name,
                                         jobsrv_operation_stats_t *stats);

/* 1 if an operation of that name is registered and `expose`d. */
JOBSRV_EXTERN int jobsrv_operation_exposed(const jobsrv_t *srv,
                                           const char *name);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_OPERATION_H */
