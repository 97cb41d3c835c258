/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_MODEL_H
#define JOBSRV_TEST_CORE_MODEL_H

/*
 * A job server small and slow enough to be seen to be right: arrays, and walks
 * over all of them. Written from the headers and the rules of what happens
 * when; it calls nothing of the library's. Time is in milliseconds since the
 * episode began, 0 in a clock's place means that it is not set.
 */

#include "jobsrv/jobsrv.h"

enum {
  MODEL_JOBS = 1200, /* an episode ends when they are used up */
  MODEL_LIVE = 64,   /* more than can be at once */
  MODEL_OPS = 5,
  MODEL_AFTER = 8,
  MODEL_WAITS = 6,
  MODEL_WAITED = 4,
  MODEL_TOKENS = 3,
  MODEL_TRAIL = 4096
};

/* What steps there are; all of them are in MODEL_ALL. */
enum {
  F_CLOCKS = 1 << 0,   /* queue, attempt, deadline, silence */
  F_DELAY = 1 << 1,    /* delay_ms, run_at */
  F_ORDER = 1 << 2,    /* priorities, weights, groups */
  F_RETRY = 1 << 3,    /* attempts, retry_after, fail_permanently, snooze */
  F_AFTER = 1 << 4,    /* after, jobsrv_job_after() */
  F_PARENT = 1 << 5,   /* parent jobs and tokens */
  F_UNIQUE = 1 << 6,
  F_WATCH = 1 << 7,    /* on_stream, last watcher */
  F_EDIT = 1 << 8,
  F_SUSPEND = 1 << 9,
  F_WAIT = 1 << 10,
  F_LIST = 1 << 11,
  F_STUCK = 1 << 12,   /* the stuck hook */
  F_RETAIN = 1 << 13,  /* retention per outcome */
  F_DRAIN = 1 << 14,
  F_BURST = 1 << 15,   /* several calls in one turn of the loop */
  F_RATE = 1 << 16,
  F_WALL = 1 << 17,    /* the wall clock is set */
  F_FROM = 1 << 18,    /* jobsrv_submit_from() */
  F_INFO = 1 << 19,    /* more members of the info, more refusals */
  MODEL_ALL = (1 << 20) - 1,
  MODEL_FEATURES = MODEL_ALL
};

/* What an operation does when it is started, and when asked to stop. */
typedef enum {
  START_LEAVES,     /* to later steps */
  START_COMPLETES,
  START_FAILS,      /* by the call */
  START_RETURNS     /* a negative code */
} mstart;

typedef enum {
  STOP_IGNORES,
  STOP_LETS_GO,
  STOP_COMPLETES
} mstop;

typedef enum {
  T_TIME,      /* delay_ms */
  T_WATCHED,   /* start_within_ms */
  T_QUEUE,
  T_ATTEMPT,
  T_DEADLINE,
  T_SILENCE,
  T_GRACE,
  T_RETRY,
  T_LAST,      /* last_watcher_grace_ms */
  T_EXPIRE,
  T_MAX
} mtimer_kind;

typedef struct {
  uint64_t at;    /* 0: not armed */
  uint64_t order; /* of arming */
} mtimer;

typedef struct {
  uint32_t max, factor;
  uint64_t backoff, cap;
} mretry;

/* How an operation was registered, or what server options are. */
typedef struct {
  uint32_t max_running, weight;
  int priority;
  int group; /* 0: none */
  uint32_t rate_count;
  uint64_t rate_ms;
  mretry retry;
  uint64_t queue, timeout, deadline, silence, grace;
  uint64_t retain, retain_failed, retain_cancelled;
  int on_drain, last_policy;
  uint64_t last_grace;
  int keeps_slot, not_cancellable, has_stop, has_stuck;
  int refuses_retry; /* `retryable` answers no */
  uint64_t stuck_ms;
  /* of the bucket: milliseconds' worth of what is in it, and since when */
  uint64_t bucket, bucket_at;
} mop;

typedef struct {
  uint32_t max_jobs, max_queued, max_running;
  uint32_t max_retained, max_of[3], max_expired;
  uint64_t queue, timeout, deadline, silence, grace;
  uint64_t retain, retain_failed, retain_cancelled;
} moptions;

typedef struct mjob mjob;

typedef struct {
  int op;               /* -1: begun */
  uint64_t delay;
  uint64_t run_at;      /* wall, in ms of wall time; 0: none */
  int on_stream;
  uint64_t start_within;
  mjob *after[MODEL_AFTER];
  size_t nafter;
  int any_end;
  int priority;
  uint32_t weight;
  int group, key, conflict;
  uint64_t queue, timeout, deadline, silence, retain;
  mretry retry;
  mjob *parent;
  int token;            /* 0: none, else from 1 */
  int last_policy;
  uint64_t last_grace;
  int is_private, tag, principal;
  mstart start;
  mstop stop;
  int stuck;            /* how often its stuck hook asks for more time */
} mspec;

/* What a job waits for before it is runnable. */
enum { H_TIME = 1, H_WALL = 2, H_WATCH = 4, H_AFTER = 8, H_REPLACE = 16 };

typedef struct {
  uint64_t n, hash;
} mtrail;

struct mjob {
  int number;
  mspec spec;           /* with every default filled in */
  int state;
  int known;            /* in the registry: live or retained */
  uint32_t attempt;
  int resumed;          /* queued to go on, not to begin an attempt */
  int snoozed;
  uint64_t created, started, queued, finished;  /* + 1; 0: not yet */
  uint64_t wall_created, wall_started, wall_queued, wall_finished;
  uint64_t run_at;      /* wall ms, of what is scheduled; 0: none */
  uint64_t order;       /* in its class of the queue */
  uint64_t end_order;
  uint64_t gone;        /* when it was forgotten */
  int hold;
  mtimer timers[T_MAX];
  uint64_t left_attempt, left_silence;  /* while suspended */
  int asked;            /* reason + 1; 0: not asked to stop */
  int attempt_asked;    /* the same, for this attempt only */
  uint64_t told, asked_in, ended_in; /* in which turn, last */
  int asking;           /* its attempt is being asked to stop */
  int deadline_over;    /* while the attempt was to stop */
  int stuck_calls;
  int abandoned, cancellable, answered, late;
  const char *code;     /* of the error; NULL: none */
  int retryable;        /* -1: either */
  uint32_t watchers;
  int checkpoint, checkpoint_seen;  /* 0: none */
  int prompt, input;
  uint64_t seq;
  mjob *replaces[3];    /* all that have to let go before */
  mtrail want;
  /* the driver's: what it saw and holds */
  mtrail seen;
  uint64_t seen_seq;
  jobsrv_job_t *job;
  int held;             /* references of the driver's own */
  int released;
  int seen_stuck, seen_end;
  jobsrv_handle_t handle;
  char id[JOBSRV_ID_SIZE];
};

typedef struct {
  int in_use, what;
  mjob *jobs[MODEL_WAITED];
  size_t n;
  int settled_at_call;  /* it was met when it was asked for */
  mtimer timer;
  int calls, status;    /* what is to be */
  mjob *by;             /* NULL: any of its jobs, or none */
  int seen_calls, seen_status;
  mjob *seen_by;
  jobsrv_wait_t wait;
} mwait;

typedef struct {
  mjob *job;
  int from, to;
} mhook;

typedef struct {
  uint64_t created, completed, failed, cancelled, expired, abandoned, refused;
  uint64_t late, events, retries;
} mstats;

typedef struct {
  uint64_t now;         /* ms of the episode */
  uint64_t wall;        /* ms of wall time at `now` */
  int wall_set;         /* it has been moved: foretold times are not exact */
  uint64_t orders, turns, end_orders;
  int features;
  int crossed;          /* the order of a cascade matters in this step */
  int ambiguous;        /* two readings: nothing more to compare */
  moptions options;
  mop ops[MODEL_OPS];
  mjob *jobs;           /* MODEL_JOBS of them, all that there were */
  int first, njobs;     /* known ones are in between */
  mjob **ended;         /* retained, oldest first */
  int nended;
  mjob *fresh[2 * MODEL_LIVE]; /* ended, not yet among them */
  int nfresh;
  int *gone;            /* numbers of expired ones, oldest first */
  int ngone;
  /* By how many starts a class was passed over: at least, and at most. */
  uint32_t passed[JOBSRV_PRIORITY_MAX], waited[JOBSRV_PRIORITY_MAX];
  uint32_t op_waited[MODEL_OPS][JOBSRV_PRIORITY_MAX]; /* by its own */
  int tokens[MODEL_TOKENS + 1];  /* reason + 1 */
  mwait waits[MODEL_WAITS];
  mtimer drain;
  int draining, drained, closed;
  mstats stats;
  mhook trail[MODEL_TRAIL];  /* of this step */
  int ntrail;
  /* What the library did meanwhile: the order of many, where none is promised,
     is its own. */
  const mhook *seen;
  int seen_from, started, *nseen; /* `started`: those before it are told */
} model;

typedef int (*m_which)(const mjob *j, const mjob *of);

/* Those live ones, in the order in which the library took them. */
/* What the library did with it next was to ask it to stop. */
int m_is_asked(const model *m, const mjob *j);
/* Where in `seen` that is; *nseen when there is none. */
int m_told_next(const model *m, const mjob *j);
int m_several(model *m, mjob **to, m_which which, const mjob *of);

int m_terminal(int state);
int m_live(const mjob *j);
uint64_t m_later(uint64_t at, uint64_t ms);
uint32_t m_count(const model *m, int state);
uint32_t m_position(const model *m, const mjob *j);
mjob *m_holder(model *m, int op, int key);
int m_waits_for(const mjob *j, const mjob *other);

/* The next time at which something comes by itself; UINT64_MAX: never. */
uint64_t m_next(const model *m);
/* Time has come to `now`, which is not beyond m_next(). */
void m_tick(model *m, uint64_t now);
void m_set_wall(model *m, uint64_t wall);
/* What later parts of the turn bring: starts, calls back. */
void m_settle(model *m);
/* A wait that is met is decided, though its call may come later. */
void m_settle_waits(model *m);
void m_time_out(model *m, mwait *w);

/* Calls. What returns int gives what the library's is to return. */
void m_create(model *m, mjob *j, const mspec *spec);
int m_cancel(model *m, mjob *j, int reason);
int m_ask(model *m, mjob *j, int reason);
int m_token_cancel(model *m, int token, int reason);

typedef enum { GO_COMPLETE, GO_FAIL, GO_PERMANENT, GO_AFTER, GO_SNOOZE } mgo;

void m_let_go(model *m, mjob *j, mgo how, const char *code, uint64_t delay);
void m_end(model *m, mjob *j, int outcome, const char *code, int retryable);
void m_left_class(model *m, int op, int priority);
void m_abandon(model *m, mjob *j);
void m_move(model *m, mjob *j, int to);
void m_hook(model *m, mjob *j, int from, int to);
void m_arm(model *m, mjob *j, mtimer_kind kind, uint64_t at);
void m_disarm(mjob *j, mtimer_kind kind);
void m_release(model *m, mjob *j, int hold);
void m_enqueue(model *m, mjob *j);
void m_after(model *m, mjob *j, mjob *other);
void m_heartbeat(model *m, mjob *j);
void m_watch(model *m, mjob *j);
void m_unwatch(model *m, mjob *j);
void m_suspend(model *m, mjob *j, int prompt);
void m_answer(model *m, mjob *j, int answer);
void m_drain(model *m, uint64_t deadline);
void m_sweep(model *m, mjob **all, int n, int reason, int abandon);
void m_close(model *m);
void m_resume(model *m, mjob *j);
void m_start(model *m, mjob *j);
void m_dispatch(model *m);
uint64_t m_next_rate(const model *m);
void m_expire(model *m, mjob *j);
void m_retain(model *m);
/* Its order of being asked and told with others matters: see there. */
void m_cross(model *m, const mjob *parent);
uint64_t m_queue_order(model *m, const mjob *j);

#endif /* JOBSRV_TEST_CORE_MODEL_H */
