/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_JOB_H_
#define JOBSRV_CORE_JOB_H_

/*
 * The job slot: what a jobsrv_job_t points to. It lives in a slab block that
 * never moves. Fields belong to the loop thread unless they are atomic or said
 * not to change.
 */

#include "base/id.h"
#include "base/mailbox.h"
#include "base/queue.h"
#include "core/payload.h"
#include "core/token.h"
#include "jobsrv/job.h"
#include "jobsrv/narrate.h"

#include <stdatomic.h>

typedef struct jobsrv__operation_s jobsrv__operation_t;
typedef struct jobsrv__plan_s jobsrv__plan_t;
typedef struct jobsrv__attempt_s jobsrv__attempt_t;
typedef struct jobsrv__log_s jobsrv__log_t;
typedef struct jobsrv__trace_s jobsrv__trace_t;

/* What the work came to, made on the thread that says so. */
typedef struct jobsrv__finish_s {
  char *text; /* the result or the message; NUL-terminated */
  const char *code; /* owned, or one of the library's constants */
  uint32_t len; /* of a result */
  uint8_t owns_code;
  uint8_t completed;
  uint8_t how;    /* bits below */
  uint8_t reason; /* a clock's: its jobsrv_reason_code_t and 1; 0: none */
} jobsrv__finish_t;

enum {
  JOBSRV__FAIL_PERMANENT = 1 << 0,
  JOBSRV__FAIL_DELAYED = 1 << 1, /* `code` stands in a jobsrv__delayed_t */
  JOBSRV__FAIL_SNOOZE = 1 << 2   /* is none: to come again, with a delay */
};

/* A code that has the delay of the next attempt before it. */
typedef struct jobsrv__delayed_s {
  uint64_t delay_ms;
  char code[];
} jobsrv__delayed_t;

/* Texts that most jobs do not have: made at submit, do not change. */
typedef struct jobsrv__labels_s {
  char *principal;
  char *correlation_id;
  char *request_id;
  char *name; /* of a begun job */
  jobsrv__trace_t *trace; /* NULL: the job's own */
  size_t ntags;
  jobsrv_tag_t tags[];
} jobsrv__labels_t;

/* A transition that was made before there was a log to put it into. */
typedef struct jobsrv__note_s {
  uint64_t server_seq : 52;
  uint64_t from : 4;
  uint64_t to : 4;
  uint64_t cancel_requested : 1;
  uint64_t attempted : 1; /* it was the first attempt's */
} jobsrv__note_t;

enum { JOBSRV__NOTES = 3 }; /* created, running, asked to stop */

/* How a finish stands: claimed once an attempt, by whoever is first. */
enum {
  JOBSRV__FINISH_OPEN,
  JOBSRV__FINISH_CLAIMED,  /* one thread is writing job->finish */
  JOBSRV__FINISH_SAID,     /* written; a mail is on its way or held back */
  JOBSRV__FINISH_CLOSED,   /* let go: too late */
  JOBSRV__FINISH_ABANDONED, /* too late, and the first to come is counted */
  JOBSRV__FINISH_HELD      /* waits for an answer, or is about to */
};

enum {
  JOBSRV__JOB_BEGUN = 1 << 0,     /* run by the host */
  JOBSRV__JOB_ABANDONED = 1 << 1,
  JOBSRV__JOB_PRIVATE = 1 << 2,
  JOBSRV__JOB_FINISHED = 1 << 3, /* `finish` was said in time and counts */
  JOBSRV__JOB_TOLD = 1 << 4,      /* the request to stop has been acted on */
  JOBSRV__JOB_IN_REGISTRY = 1 << 5,
  JOBSRV__JOB_HOLDS_SLOT = 1 << 6, /* counted in running */
  JOBSRV__JOB_KILLED = 1 << 7, /* its process was sent SIGKILL */
  JOBSRV__JOB_STARTED = 1 << 8, /* its operation knows of this attempt */
  JOBSRV__JOB_TOLD_ATTEMPT = 1 << 9, /* told to stop this attempt only */
  JOBSRV__JOB_OVERRIDDEN = 1 << 10,  /* then asked to stop for good */
  JOBSRV__JOB_PERMANENT = 1 << 11,   /* failed as another attempt would */
  JOBSRV__JOB_SNOOZED = 1 << 12,     /* the next attempt has this number */
  JOBSRV__JOB_PAUSED = 1 << 13,  /* its attempt waits, for answer or slot */
  JOBSRV__JOB_HOLDS_GROUP = 1 << 14, /* nobody else of its group may start */
  JOBSRV__JOB_UNREAD = 1 << 15   /* referenced for who reads all jobs */
};

struct jobsrv_job_s {
  /* for any thread; `level` first: narrate.h looks at it by itself */
  atomic_uchar level;          /* events below are not made */
  atomic_uchar state;          /* jobsrv_state_t; written by job_move alone */
  atomic_uchar finish_state;
  atomic_uchar cancellable;
  atomic_uint refs;

  /* these do not change while the slot is in use; the plan, which any thread
     may look at, is made once, on the loop */
  jobsrv__id_t id;
  jobsrv_t *srv;               /* kept by a reference to its mailbox */
  jobsrv__operation_t *operation;  /* NULL when begun */
  jobsrv__labels_t *labels;    /* NULL: none */
  _Atomic(jobsrv__plan_t *) plan;  /* NULL: all as the operation has it */
  void *data;
  jobsrv_release_cb release;
  uint32_t index;              /* in the slab */
  uint32_t generation;

  /* for any thread again */
  atomic_uint lookers;         /* watchers, and cursors that are attached */
  atomic_uint dropped;         /* events lost since the last one that was not */
  atomic_uint spans_begun;     /* span.c */
  atomic_uint spans_open;
  jobsrv__mail_t mail;         /* of the finish, later of the last unref */
  jobsrv__token_t token;       /* has its own mail for "look at the token" */

  uint16_t flags;
  uint8_t nnotes : 2;
  uint8_t breaker_mark : 6;    /* breaker.c */
  uint8_t priority;
  atomic_uint attempt_no;      /* written on the loop */
  uint32_t watchers;
  uint32_t sweep;              /* the last that has come by: drain.c */
  uint64_t number;             /* order of creation, from 1 */
  union {
    uint64_t ticket;           /* queued: its place in the order; else 0 */
    uint64_t taken;            /* holding a slot: what it is counted with */
    uint64_t end_server_seq;   /* ended, once that is numbered */
  };
  jobsrv__queue_t in_state;    /* queued: its operation's; live; retained */
  jobsrv__queue_t in_all;      /* the registry's, in order of creation */
  jobsrv_timer_t timer;        /* whatever is next: see jobsrv__job_clock() */
  uint64_t created_ns;
  uint64_t stop_ns;            /* 0: not told to stop; when told */
  uint64_t since_ns;           /* of its present wait or attempt */
  uint64_t started_ns;         /* of its first attempt */
  uint64_t finished_ns;
  uint64_t created_wall;
  uint64_t started_wall;
  uint64_t finished_wall;

  _Atomic(jobsrv__payload_t *) payload; /* NULL: {}; may be taken away */
  jobsrv__finish_t finish;     /* owned by the claimer until SAID */
  int16_t exit_status;         /* -1: none */
  int16_t signal;              /* 0: none */
  int32_t note_ms[JOBSRV__NOTES];  /* from created_wall on */
  jobsrv__attempt_t *attempt;  /* of the style's: thread or process */

  uint64_t seq;                /* of the last numbered event */
  jobsrv__note_t notes[JOBSRV__NOTES];
  jobsrv__log_t *log;          /* the observer's */
};

/* What bounds it: its own plan's, or its operation's. */
const struct jobsrv__limits_s *jobsrv__job_limits(const jobsrv_job_t *job);

/* ---- clocks.c ---- */

/* For how long an ended one is kept. */
uint64_t jobsrv__job_retain_ns(const jobsrv_job_t *job);

/* Arms the job's one timer for whatever comes next in its life. */
void jobsrv__job_clock(jobsrv_job_t *job);

/* ---- stop.c ---- */

/* Asks a job to stop for a reason without text; cannot fail. Loop thread. */
void jobsrv__job_stop(jobsrv_job_t *job, jobsrv_reason_code_t code);

/* The token of the job, or one above it, may have been set: act on it. */
void jobsrv__job_look(jobsrv_job_t *job);

/* Narrates a request to cancel, once, before anything else comes of it. */
void jobsrv__job_note_stop(jobsrv_job_t *job);

/* Calls or signals what runs, to have it stop, if there is anything. */
void jobsrv__job_tell(jobsrv_job_t *job);

/* What a job comes to that was asked to stop. */
jobsrv_state_t jobsrv__job_stopped_as(const jobsrv_job_t *job);

/* Its grace is over: what comes next of kill, hook and abandoning. */
void jobsrv__job_grace_over(jobsrv_job_t *job);
uint64_t jobsrv__job_grace_end(const jobsrv_job_t *job);

/* The job will not let go: ends it as it was asked to, without waiting. */
void jobsrv__job_abandon(jobsrv_job_t *job);

/* Code and message of a failed or retrying job; NULL otherwise. */
const char *jobsrv__job_error_code(const jobsrv_job_t *job);
const char *jobsrv__job_error_message(const jobsrv_job_t *job);
int jobsrv__job_error_retryable(const jobsrv_job_t *job);

/*
 * From now on it is too late to finish; before the outcome is judged, so that
 * whoever was told 0 is heard. Returns 1 when a finish was said in time.
 */
int jobsrv__job_close_finish(jobsrv_job_t *job);

/* Frees what a finish holds and zeroes it. */
void jobsrv__finish_clear(const jobsrv_alloc_t *alloc,
                          jobsrv__finish_t *finish);

/* Numbers one event of the job: the next seq, and the next of the server. */
uint64_t jobsrv__job_number(jobsrv_job_t *job, uint64_t *server_seq);

/* 1 once the end is visible. [any] */
static inline int jobsrv__job_ended(const jobsrv_job_t *job) {
  return atomic_load_explicit(&job->state, memory_order_acquire) >=
         JOBSRV_STATE_COMPLETED;
}

/* The only writer of `state`: moves, notes, tells observer and hooks. */
void jobsrv__job_move(jobsrv_job_t *job, jobsrv_state_t to);

/* The one function that ends a job. Harmless on one that has ended. */
void jobsrv__job_end(jobsrv_job_t *job, jobsrv_state_t how);

/*
 * [any] Drops a reference. Returns the token above the job's when that was the
 * last one: a reference to it is the caller's to drop now. Else NULL.
 */
jobsrv_token_t *jobsrv__job_drop(jobsrv_job_t *job);

/*
 * The operation has let go: judges by finish and token, then ends the job or
 * has it tried again. Thread and process attempts call it when the thread has
 * returned or the process has been reaped; harmless (counted as late) after an
 * abandon.
 */
void jobsrv__job_let_go(jobsrv_job_t *job);

/* The same, and there is no other attempt. */
void jobsrv__job_judge(jobsrv_job_t *job);

/*
 * Says what the work came to, for the styles that learn it by themselves. On
 * the loop or the attempt's own thread; keeps an earlier finish, and returns 0
 * then, else 1. `code` must be a constant or NULL when memory must not be
 * needed; `message` likewise may be NULL. Texts are copied; if that fails they
 * are left out.
 */
int jobsrv__job_say(jobsrv_job_t *job,
                    int completed,
                    const char *code,
                    const char *message);

/*
 * Puts a failure in place of the last attempt's, of a job that has none under
 * way: so nobody can be writing one. `code` is a constant, `message` is copied
 * and may be NULL.
 */
void jobsrv__finish_set(jobsrv_job_t *job,
                        const char *code,
                        const char *message);

/* Fails a live job that has no attempt under way. */
void jobsrv__job_fail_waiting(jobsrv_job_t *job,
                              const char *code,
                              const char *message,
                              int retryable);

/* The work has said what it came to: there is nothing to stop. [any] */
static inline int jobsrv__job_has_said(const jobsrv_job_t *job) {
  unsigned char state = atomic_load(&job->finish_state);

  return state != JOBSRV__FINISH_OPEN && state != JOBSRV__FINISH_HELD;
}

/* Spans that are open, or were when it ended. [any] */
static inline uint32_t jobsrv__job_open_spans(const jobsrv_job_t *job) {
  return atomic_load_explicit(&job->spans_open, memory_order_relaxed) &
         INT32_MAX; /* the highest bit says that it has ended */
}

#endif /* JOBSRV_CORE_JOB_H_ */
