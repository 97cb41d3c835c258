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
 */

#include "jobsrv/job.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  JOBSRV_ASYNC,
  JOBSRV_THREAD,
  JOBSRV_PROCESS
} jobsrv_style_t;

/* What a drain does with a job of this operation. */
typedef enum {
  JOBSRV_DRAIN_CANCEL, /* ask it to stop */
  JOBSRV_DRAIN_FINISH, /* let queued and running ones finish */
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

/* async, on the loop, once, when a running job is asked to stop. */
typedef void (*jobsrv_stop_cb)(jobsrv_job_t *job,
                               const jobsrv_reason_t *reason,
                               void *data);

typedef struct jobsrv_operation_s {
  size_t size;               /* set by jobsrv_operation_init() */
  const char *name;          /* copied; 1..64 of [A-Za-z0-9._-] */
  jobsrv_style_t style;
  jobsrv_run_cb start;       /* async */
  jobsrv_run_cb run;         /* thread */
  jobsrv_prepare_cb prepare; /* process */
  jobsrv_stop_cb stop;       /* async; NULL: it polls or watches the token */
  jobsrv_check_cb check;     /* NULL: any object will do */
  void *data;                /* handed to all of the above */
  jobsrv_release_cb release; /* of `data`, once, when the server has closed and
                                no thread is left in `run`; also on refusal */
  uint32_t max_running;      /* 0: no cap of its own */
  uint64_t timeout_ms;       /* 0: the server's; one attempt */
  uint64_t deadline_ms;      /* 0: the server's; from creation to the end */
  uint64_t grace_ms;         /* 0: the server's */
  uint64_t retain_ms;        /* 0: the server's */
  jobsrv_on_drain_t on_drain;
  int expose;                /* 1: may be created over a transport */
  int not_cancellable;       /* 1: users' requests to cancel are refused */
} jobsrv_operation_t;

static inline void jobsrv_operation_init(jobsrv_operation_t *operation) {
  memset(operation, 0, sizeof(*operation));
  operation->size = sizeof(*operation);
}

/*
 * Registers an operation for as long as the server lives.
 *
 * Returns 0; UV_EINVAL for a bad name or a missing callback of its style;
 * JOBSRV_EEXISTS; JOBSRV_EOPTIONS; UV_ENOMEM; JOBSRV_EDRAINING.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_operation_add(jobsrv_t *srv, const jobsrv_operation_t *operation);

/* 1 if an operation of that name is registered and `expose`d. */
JOBSRV_EXTERN int jobsrv_operation_exposed(const jobsrv_t *srv,
                                           const char *name);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_OPERATION_H */
