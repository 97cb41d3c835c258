/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_SERVER_H_
#define JOBSRV_CORE_SERVER_H_

/* The server, as core sees it. Belongs to the loop thread. */

#include "base/id.h"
#include "base/mailbox.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/wheel.h"
#include "base/wrong_thread.h"
#include "core/breaker.h"
#include "core/job.h"
#include "core/limits.h"
#include "core/metrics.h"
#include "core/observer.h"
#include "core/order.h"
#include "core/rate.h"
#include "core/registry.h"
#include "core/unique.h"
#include "core/wheel_wake.h"
#include "jobsrv/json.h"
#include "jobsrv/operation.h"

#include <pthread.h>
#include <sys/types.h>

#include <uv.h>

typedef struct jobsrv__pool_s jobsrv__pool_t;
typedef struct jobsrv__wall_s jobsrv__wall_t;
typedef struct jobsrv__own_s jobsrv__own_t;

/* An operation as registered, with its own queue. */
struct jobsrv__operation_s {
  jobsrv_operation_t def;      /* def.name and def.group are ours */
  jobsrv__limits_t limits;
  jobsrv__queue_t in_server;
  jobsrv_t *srv;

  /* order.c */
  jobsrv__queue_t in_busy;     /* while it has jobs queued */
  jobsrv__queue_t seats;       /* where they are */
  jobsrv__seat_t plain;
  jobsrv__seat_t resumed;
  jobsrv__seat_t *seat;        /* of its group, else `plain` */
  jobsrv__lane_t *open[JOBSRV__CLASSES];  /* lanes of free groups */
  uint32_t in_class[JOBSRV__CLASSES];     /* queued */
  uint32_t nqueued;

  /* dispatch.c */
  uint8_t passed[JOBSRV__CLASSES];  /* by its own jobs of higher classes */
  uint64_t running;            /* weights of jobs that hold a slot */
  uint64_t starts;
  jobsrv__rate_t rate;
  jobsrv_timer_t rate_timer;   /* armed while jobs wait for a token */
  jobsrv__breaker_t breaker;
  jobsrv__job_metrics_t *metrics;  /* its own, or shared with others */
  jobsrv__job_metrics_t own_metrics;
  atomic_uint refs;            /* the server, and each thread inside `run` */
  jobsrv_alloc_t alloc;
};

void jobsrv__operation_unref(jobsrv__operation_t *operation); /* [any] */

enum {
  JOBSRV__OPEN,
  JOBSRV__DRAINING,   /* jobs are ending */
  JOBSRV__FINISHING,  /* parts and sinks are ending */
  JOBSRV__DRAINED,
  JOBSRV__CLOSING
};

/* Who runs the loop: see loop_modes.c. */
enum {
  JOBSRV__HOSTED,     /* the host, whose loop it is */
  JOBSRV__UNSTARTED,  /* its own: jobsrv_dispatch() does */
  JOBSRV__STARTED,    /* its own: a thread of its own does */
  JOBSRV__STOPPED,    /* so, and somebody has called jobsrv_stop() */
  JOBSRV__GONE        /* dispatched to its end */
};

struct jobsrv_s {
  uv_loop_t *loop;
  jobsrv__own_t *own;          /* NULL on the host's loop */
  atomic_int attached;
  _Atomic(pthread_t) thread;   /* of the loop */
  pid_t pid;
  char *fork_mark;             /* 1; a forked child sees 0 */
  atomic_int closed;           /* 1: only its memory is left */
  atomic_int sink_level;       /* other threads copy events from it on */
  atomic_uint unheard;         /* token.c: reasons on their way down */
  atomic_uint open_spans;      /* span.c: of all jobs, ended ones too */
  _Atomic uint64_t late_finishes;
  jobsrv_alloc_t alloc;
  jobsrv_options_t options;    /* defaults filled in */
  jobsrv__limits_t limits;     /* of jobs without an operation */
  jobsrv_clock_t *clock;
  char boot[17];

  jobsrv__mailbox_t *mailbox;
  jobsrv__id_pool_t ids;
  jobsrv__registry_t registry;
  jobsrv__wheel_t wheel;
  jobsrv__wall_t *wall;        /* wall.c; NULL until the first */
  jobsrv__queue_t schedules;
  uint32_t schedules_awaited;  /* that have a next time */
  jobsrv_token_t root;

  jobsrv__queue_t operations;
  jobsrv__queue_t running;     /* jobs, by in_state */
  jobsrv__queue_t waiting;     /* scheduled, retrying and suspended ones */
  jobsrv__queue_t waits;       /* wait.c */
  jobsrv__uniques_t uniques;   /* unique.c */
  jobsrv__queue_t busy;        /* operations that have jobs queued */
  uint32_t nqueued;
  uint32_t in_class[JOBSRV__CLASSES];  /* queued jobs */
  uint8_t passed[JOBSRV__CLASSES];     /* starts of higher classes meanwhile */
  uint64_t weight;             /* of jobs that hold a slot */
  jobsrv__map_t groups;        /* group.c: by their names */
  uint32_t live;
  uint32_t count[JOBSRV_STATE_MAX];  /* live jobs by state */
  jobsrv__queue_t settling;    /* after.c: ends that others wait for */
  int is_settling;
  uint64_t after_mark;
  uint64_t ticket;
  uint64_t server_seq;
  jobsrv_hook_t hooks;         /* head of a ring */
  jobsrv_stats_t stats;
  jobsrv__metrics_t metrics;

  /* the loop: see loop.c and turn.c */
  uv_poll_t wake;
  jobsrv__wheel_wake_t wheel_wake;
  uv_idle_t idle;
  uv_check_t check;
  int handles;                 /* still open */
  uint64_t wall_offset;        /* see jobsrv__wall_at() */
  int has_wall_offset;
  uint64_t armed_ns;           /* what wheel_wake is set to */
  jobsrv_clock_watch_t watch;  /* with a clock that is driven by hand */
  jobsrv_turn_t turns;         /* head of a ring */
  int dispatch_wanted;
  int lingers;                   /* the inbox is read again in check */
  int inbox_used;                /* since its timer was armed */
  jobsrv_timer_t inbox_timer;    /* gives back what the inbox does not use */

  /* drain.c */
  int phase;
  jobsrv_part_t parts;         /* head of a ring */
  jobsrv_turn_t drain_turn;
  jobsrv_timer_t drain_timer;
  uint64_t drain_deadline;
  uint32_t sweeps;
  jobsrv_close_cb drain_cb;
  void *drain_data;
  int observer_done;
  int closes_when_drained;     /* jobsrv_stop() waits for it */
  jobsrv_close_cb close_cb;
  void *close_data;

  jobsrv__pool_t *pool;        /* thread_op.c; NULL until the first */
  uint32_t processes;          /* process_op.c: attempts not yet reaped */

  const jobsrv__observer_t *observer;
  void *narration;             /* the observer's */
};

/* 1 on the thread the server belongs to. [any] */
static inline int jobsrv__on_loop(const jobsrv_t *srv) {
  return pthread_equal(atomic_load_explicit(&srv->thread,
                                            memory_order_relaxed),
                       pthread_self());
}

/* A debug build stops a call that is not this thread's, with its name. */
#ifdef NDEBUG
# define JOBSRV__ASSERT_LOOP(srv) ((void) 0)
#else
# define JOBSRV__ASSERT_LOOP(srv)                                             \
  (jobsrv__on_loop(srv) ? (void) 0 : jobsrv__wrong_thread(__func__))
#endif

/* 1 in a child that was forked after the server was made. */
int jobsrv__forked(const jobsrv_t *srv);

/* The composition (lib/jobsrv.c) gives core its observer. */
int jobsrv__server_new(jobsrv_t **out,
                       struct uv_loop_s *loop,
                       const jobsrv_options_t *options);

/*
 * The wall time of a monotonic one. With the system's clock the distance of the
 * two is taken once a turn: reading clocks is most of what a stamp costs.
 */
uint64_t jobsrv__wall_at(jobsrv_t *srv, uint64_t now_ns);

/*
 * 64 bits for what need not be secret (jitter): from the options' source or the
 * kernel, or made of the time should the kernel have none.
 */
uint64_t jobsrv__random_u64(jobsrv_t *srv);

/* Has the loop come round to its check before it can block again. */
void jobsrv__turn_wanted(jobsrv_t *srv);

/* Runs what other threads have sent, for a turn. */
void jobsrv__inbox_read(jobsrv_t *srv);

/* The end of a turn: the check handle's callback. */
void jobsrv__on_check(uv_check_t *handle);

/* Starts what may start, at the end of this turn. */
void jobsrv__dispatch_wanted(jobsrv_t *srv);

/* One handle less; at 0 while closing, the server is gone. */
void jobsrv__handle_closed(jobsrv_t *srv);

/* Keeps the loop alive while there is something to wait for. */
void jobsrv__keep_alive(jobsrv_t *srv);

/* loop.c: the loop's handles. */
int jobsrv__loop_open(jobsrv_t *srv);
void jobsrv__loop_close(jobsrv_t *srv);
void jobsrv__loop_close_handles(jobsrv_t *srv);

/*
 * loop_modes.c: a loop of the server's own. `keep` once the server is made,
 * `drop` if it could not be; `closed` when its handles are. `closes_later` says
 * 1 if the next run is to close them, not this call.
 */
int jobsrv__own_new(jobsrv_t *srv);
void jobsrv__own_keep(jobsrv_t *srv);
void jobsrv__own_drop(jobsrv_t *srv);
void jobsrv__own_closed(jobsrv_t *srv);
int jobsrv__own_closes_later(jobsrv_t *srv);
void jobsrv__own_armed(jobsrv_t *srv);

/*
 * Whoever has started, stopped or closed a handle of the loop, or armed its
 * timer, says so: a host that drives the loop may be about to sleep.
 */
static inline void jobsrv__armed(jobsrv_t *srv) {
  if (srv->own != NULL)
    jobsrv__own_armed(srv);
}

/* Runs the starts that are possible, some at a time. */
void jobsrv__dispatch(jobsrv_t *srv);

/*
 * Queues a job behind those of its priority. One whose attempt is under way,
 * suspended, is not started anew: jobsrv__pause_resume() is called.
 */
void jobsrv__enqueue(jobsrv_job_t *job);

/*
 * Takes a job out of whatever queue and slot it is in. Its group it keeps until
 * it is retried or ends.
 */
void jobsrv__dequeue(jobsrv_job_t *job);

/* A queued job goes behind those of that priority; others only have it. */
void jobsrv__dispatch_reprioritise(jobsrv_job_t *job, uint8_t priority);

/* The timers of an operation, when the server closes. */
void jobsrv__dispatch_close(jobsrv_t *srv);

/*
 * A copy of the host's spec, whatever its age, with every size filled in. One
 * that is refused has been released.
 */
int jobsrv__spec_read(jobsrv_spec_t *to, const jobsrv_spec_t *from);

/* A registered operation, or NULL. */
jobsrv__operation_t *jobsrv__operation_find(const jobsrv_t *srv,
                                            const char *name);

/* Calls the hooks, in order. */
void jobsrv__hooks_call(jobsrv_job_t *job,
                        jobsrv_state_t from,
                        jobsrv_state_t to);

/* Live jobs, handles and phases have changed: see whether the drain goes on. */
void jobsrv__drain_look(jobsrv_t *srv);

/* schedule.c: with the drain, or the close; later, when no job is left. */
void jobsrv__schedules_stop(jobsrv_t *srv);
void jobsrv__schedules_close(jobsrv_t *srv);

/* Calls into the operation, inside the job's context. */
#define JOBSRV__WITHIN(job, call)                                             \
  do {                                                                        \
    jobsrv_context_t context_;                                                \
    const jobsrv__observer_t *observer_ = (job)->srv->observer;               \
    observer_->enter(&context_, (job));                                       \
    call;                                                                     \
    observer_->leave(&context_);                                              \
  } while (0)

/* A callback in the context that it was asked for in; then lets go of that. */
#define JOBSRV__RESUMED(observer, snapshot, call)                             \
  do {                                                                        \
    jobsrv_context_t context_;                                                \
    jobsrv_snapshot_t *snapshot_ = (snapshot);                                \
    const jobsrv__observer_t *observer_ = (observer);                         \
    observer_->resume(&context_, snapshot_);                                  \
    call;                                                                     \
    observer_->leave(&context_);                                              \
    observer_->forget(snapshot_);                                             \
  } while (0)

/* ---- the styles ---- */

/*
 * thread_op.c. `room` says whether a thread is idle or may be made. `start`
 * hands the job to one: 0, or a negative code (the job then fails). The
 * attempt holds a reference to the job; when `run` has returned it comes home
 * by mail and calls jobsrv__job_let_go(). `abandon` writes the thread off.
 */
int jobsrv__thread_room(jobsrv_t *srv);
int jobsrv__thread_start(jobsrv_job_t *job);
void jobsrv__thread_abandon(jobsrv_job_t *job);
/*
 * A thread that waits for an answer inside `run`: itself, NULL when the caller
 * is not the one that runs the job; then, in this order, its beginning to wait
 * and its waiting, which returns 1 when it was woken to stop. [thread]
 */
void *jobsrv__asker(const jobsrv_job_t *job);
void jobsrv__asker_begin(void *asker);
int jobsrv__asker_wait(void *asker);
/* Wakes it, if it waits; NULL is none. */
void jobsrv__asker_wake(void *asker, int stop);
/* No more work: idle threads leave; those inside `run` clean up after us. */
void jobsrv__pool_close(jobsrv_t *srv);

/*
 * process_op.c. `start` spawns: 0, or a negative code with jobsrv__job_say()
 * called ("spawn_failed"). `stop` sends SIGTERM to the group. `kill` sends
 * SIGKILL at the end of the grace: the job then ends when it is reaped.
 * `close` kills and reaps what is left, at once, for jobsrv_close().
 */
int jobsrv__process_start(jobsrv_job_t *job);
void jobsrv__process_stop(jobsrv_job_t *job);
void jobsrv__process_kill(jobsrv_job_t *job);
void jobsrv__process_close(jobsrv_job_t *job);

#endif /* JOBSRV_CORE_SERVER_H_ */
