/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_LOOP_H
#define JOBSRV_LOOP_H

/*
 * The server: made on a loop, fed with work, drained and closed.
 *
 * It attaches in one of three ways:
 *
 *   A  to the host's uv loop: jobsrv_new() with that loop; the host runs it
 *   B  to a thread of the library's own: jobsrv_new() without a loop, then
 *      jobsrv_start(), at the end jobsrv_stop()
 *   C  to any other loop: jobsrv_new() without a loop; the host polls
 *      jobsrv_fd() for as long as jobsrv_timeout_ms() says and then calls
 *      jobsrv_dispatch(); adapters in jobsrv/adapters/
 *
 * One server belongs to the one thread that runs its loop, which must be the
 * thread that made it, or after jobsrv_start() its own. Calls marked [any] may
 * come from any thread, at any time until jobsrv_close() has called back, and
 * after that wherever a reference to a job keeps its mailbox alive; they never
 * block. All others belong to the loop thread, and a debug build aborts one
 * that does not.
 *
 * The library keeps the loop alive only while jobs are live or a schedule has a
 * next time (and, with a transport, while it listens).
 */

#include "jobsrv/alloc.h"
#include "jobsrv/error.h"
#include "jobsrv/timer.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

/* All fields are copied. Zero is always the default named beside it. */
typedef struct jobsrv_options_s {
  size_t size;                /* set by jobsrv_options_init() */
  const jobsrv_alloc_t *alloc;  /* NULL: the C library */
  jobsrv_clock_t *clock;      /* NULL: the system's; must outlive the server */
  void *data;                 /* jobsrv_data() */

  uint32_t max_jobs;          /* 0: 10,000 live; past it JOBSRV_EJOBSFULL */
  uint32_t max_queued;        /* 0: 1,024; past it JOBSRV_EQUEUEFULL */
  uint32_t max_running;       /* 0: no cap */
  uint32_t max_threads;       /* 0: 8 for thread operations */
  uint32_t max_lost_threads;  /* 0: 16 abandoned ones are replaced */
  uint32_t max_payload;       /* 0: 1 MiB; past it JOBSRV_ETOOBIG */
  uint32_t max_result;        /* 0: 256 KiB; past it JOBSRV_ETOOBIG */
  uint32_t max_tags;          /* 0: 16 a job; past it JOBSRV_ETOOBIG */

  uint64_t queue_ms;          /* 0: none, runnable without being started */
  uint64_t timeout_ms;        /* 0: none, for one attempt */
  uint64_t deadline_ms;       /* 0: none, from creation to the end */
  uint64_t silence_ms;        /* 0: none, running without a word */
  uint64_t grace_ms;          /* 0: 5,000 to let go after a request to stop */

  uint64_t retain_ms;         /* 0: 600,000 after the end */
  uint64_t retain_failed_ms;  /* 0: retain_ms */
  uint64_t retain_cancelled_ms;  /* 0: retain_ms */
  uint32_t max_retained;      /* 0: 1,000 ended jobs; the oldest goes */
  uint32_t max_retained_completed;  /* 0: only max_retained */
  uint32_t max_retained_failed;     /* 0: only max_retained */
  uint32_t max_retained_cancelled;  /* 0: only max_retained */
  uint32_t max_expired;       /* 0: 65,536 ids still told apart from unknown */

  int level;                  /* 0: JOBSRV_INFO; events below are not made */
  uint32_t max_text;          /* 0: 64 KiB a text field, then cut with a mark */
  uint32_t max_event_bytes;   /* 0: 256 KiB encoded; at most 8 MiB */
  uint32_t max_events_per_job;  /* 0: 8,192; then the oldest go */
  uint32_t max_bytes_per_job; /* 0: 1 MiB; then the oldest go */
  uint64_t max_bytes_total;   /* 0: 256 MiB over all logs */
  uint32_t max_inbox_bytes;   /* 0: 16 MiB of narration on its way from other
                                 threads; past it events are dropped */

  const char *zoneinfo;       /* NULL: "/usr/share/zoneinfo"; see schedule.h */

  /* Fills `to` with `len` bytes for ids, boot and jitter, on the loop thread.
     NULL: the kernel's random source. Only for tests: ids can then be foretold,
     see jobsrv_seeded_random_t in testing.h. */
  void (*random)(void *random_data, void *to, size_t len);
  void *random_data;
} jobsrv_options_t;

/* Zeroes `options` and sets its size. */
static inline void jobsrv_options_init(jobsrv_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Makes a server on `loop`, NULL for one of its own; the calling thread is its
 * loop thread from now on. `options` may be NULL.
 *
 * Returns 0; UV_ENOMEM; JOBSRV_EOPTIONS for an options struct whose size is
 * unknown or that has a setting this library does not know; UV_EINVAL for a
 * limit out of range; or what making a descriptor returned (UV_EMFILE, ...).
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_new(jobsrv_t **out,
               struct uv_loop_s *loop,
               const jobsrv_options_t *options);

typedef void (*jobsrv_close_cb)(jobsrv_t *srv, void *data);

/*
 * Stops in good order. From now on new work is refused (JOBSRV_EDRAINING);
 * jobs end as their operation's `on_drain` says: those that finish are waited
 * for, the others are cancelled with JOBSRV_REASON_SHUTDOWN; then attached
 * parts (transports) and sinks finish. What is left after `deadline_ms` ends
 * cancelled. A second call cancels at once whatever is still being waited for
 * and can only bring the deadline nearer. `cb`, which may be NULL, is called
 * once, within `deadline_ms` + 1 s; the server is then still there to be
 * asked, and to be closed.
 *
 * Returns 0, JOBSRV_ESETTLED when it had finished draining (`cb` is not
 * called), or JOBSRV_ECLOSED. Only the first call's `cb` is kept.
 */
JOBSRV_EXTERN int jobsrv_drain(jobsrv_t *srv,
                               uint64_t deadline_ms,
                               jobsrv_close_cb cb,
                               void *data);

/* 1 from the first jobsrv_drain() or jobsrv_close() on. */
JOBSRV_EXTERN int jobsrv_draining(const jobsrv_t *srv);

/*
 * Ends the server now. Every live job ends cancelled (JOBSRV_REASON_SHUTDOWN;
 * processes are killed, threads still inside an operation are left behind and
 * clean up after themselves), handles are closed, then `cb` is called from the
 * loop and `srv` is gone. References to jobs stay valid. `cb` may be NULL.
 * A second call is ignored.
 */
JOBSRV_EXTERN void jobsrv_close(jobsrv_t *srv, jobsrv_close_cb cb, void *data);

/*
 * Mode B. Hands a server that was made without a loop to a thread of the
 * library's own, which runs it and blocks all signals. What has to be added
 * (operations, sinks, transports) is best added before; afterwards every
 * loop-only call goes through jobsrv_post().
 *
 * Returns 0; UV_EINVAL for a server on the host's loop; JOBSRV_ERUNNING when it
 * was started before; JOBSRV_EFORKED; UV_ENOMEM or UV_EAGAIN when there is no
 * thread to be had.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_start(jobsrv_t *srv);

/*
 * [any but the loop thread] Drains a started server with that deadline, closes
 * it, waits for its thread and joins it; `srv` is then gone, and the jobs that
 * references keep belong to the calling thread. A drain that is under way is
 * hurried as by a second jobsrv_drain(); a server that a callback has closed is
 * only waited for, and is not gone before this call.
 *
 * Returns 0; JOBSRV_ESETTLED, at once, when another thread is in this call or
 * was; JOBSRV_EONLOOP on the loop thread; UV_EINVAL when it was never started;
 * JOBSRV_EFORKED.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_stop(jobsrv_t *srv, uint64_t deadline_ms);

/*
 * Mode C, for a server that was made without a loop and not started.
 *
 * A descriptor that is readable when there is something to do, the same for as
 * long as the server lives; and for how many milliseconds at most to wait for
 * that, -1 for ever. Ask anew after each dispatch. A call that needs
 * dispatching earlier than was said makes the descriptor readable.
 *
 * Both, and jobsrv_dispatch(), return UV_EINVAL for a server on the host's loop
 * and JOBSRV_ERUNNING for one that was started.
 */
JOBSRV_EXTERN int jobsrv_fd(const jobsrv_t *srv);
JOBSRV_EXTERN int jobsrv_timeout_ms(const jobsrv_t *srv);

/*
 * Does what there is to do, without waiting; from inside a callback of the
 * library it does nothing. Returns 1, or 0 when the server has been closed: it
 * is gone then, and its descriptor too.
 */
JOBSRV_EXTERN int jobsrv_dispatch(jobsrv_t *srv);

/*
 * Mode C, harmless in the others: has jobsrv_fd() become readable, once, for a
 * handle that the host itself has started, stopped or closed in jobsrv_loop()
 * outside jobsrv_dispatch(). The library's own calls do that by themselves.
 */
JOBSRV_EXTERN void jobsrv_wake(jobsrv_t *srv);

/*
 * [any] The loop given to jobsrv_new(), or the one of its own; what the host
 * puts into that has to be closed before the server is gone.
 */
JOBSRV_EXTERN struct uv_loop_s *jobsrv_loop(const jobsrv_t *srv);

/* [any] 1 on the thread that may make the loop-only calls, else 0. */
JOBSRV_EXTERN int jobsrv_on_loop(const jobsrv_t *srv);

/* [any] The `data` of the options. */
JOBSRV_EXTERN void *jobsrv_data(const jobsrv_t *srv);

/* [any] The allocator in use; transports take theirs from here. */
JOBSRV_EXTERN const jobsrv_alloc_t *jobsrv_allocator(const jobsrv_t *srv);

/* [any] The options in force, every default filled in. */
JOBSRV_EXTERN const jobsrv_options_t *jobsrv_options(const jobsrv_t *srv);

/*
 * [any] Names this server object among all there ever were: 1 to 16 of
 * [0-9a-z]. It is the first part of every event id.
 */
JOBSRV_EXTERN const char *jobsrv_boot(const jobsrv_t *srv);

typedef void (*jobsrv_post_cb)(jobsrv_t *srv, void *data);

/*
 * [any] Calls `cb` once on the loop thread, in order with everything else this
 * thread has sent there. If the server closes first, `cb` is called with
 * `srv` NULL, on whatever thread notices: free `data` and do nothing else.
 *
 * Returns 0, UV_ENOMEM, or JOBSRV_ECLOSED (then `cb` is never called).
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_post(jobsrv_t *srv, jobsrv_post_cb cb, void *data);

/* Counters since the server was made, and gauges of this moment. */
typedef struct jobsrv_stats_s {
  size_t size;               /* set by the caller to sizeof(jobsrv_stats_t) */
  uint64_t created, completed, failed, cancelled, expired, abandoned;
  uint64_t refused;          /* submits that a limit or a drain turned away */
  uint64_t late_finishes;    /* of abandoned attempts, ignored */
  uint64_t events;           /* numbered, the ends included */
  uint64_t dropped;          /* events lost to a full inbox or no memory */
  uint64_t unrouted;         /* narrated with no job */
  uint64_t late_events;      /* narrated after the end was decided */
  uint64_t wakes;            /* of the loop from outside it */
  uint64_t timer_wakes;      /* of the loop by the wheel */
  uint64_t log_bytes;        /* memory of all logs */
  uint64_t retries;          /* attempts after a job's first */
  uint32_t live;             /* of all states below but retained */
  uint32_t scheduled, queued, running, retrying, suspended;
  uint32_t retained;
  uint32_t threads, lost_threads;
  uint64_t progress_ignored; /* reports that went back inside a phase */
  uint64_t inbox_bytes;      /* of narration on its way from other threads */
  uint64_t inbox_memory;     /* kept for that; given back when none comes */
  uint32_t open_spans;       /* begun and not ended, those of ended jobs too */
} jobsrv_stats_t;

/* Fills as much of `stats` as its size says. */
JOBSRV_EXTERN void jobsrv_stats(const jobsrv_t *srv, jobsrv_stats_t *stats);

/*
 * Something that serves this server's jobs and has to let go before it does: a
 * transport. Lives in the part's own struct. Callbacks come on the loop
 * thread, each at most once, in this order.
 */
typedef struct jobsrv_part_s jobsrv_part_t;

struct jobsrv_part_s {
  /* public; all but `closing` may be NULL */
  void *data;
  /* New work is refused from now on. */
  void (*draining)(jobsrv_part_t *part);
  /* All jobs have ended: send what is left, then jobsrv_part_done(). */
  void (*finishing)(jobsrv_part_t *part);
  /* The server goes now, in this call's turn: detach, let go of all of it. */
  void (*closing)(jobsrv_part_t *part);
  /* private */
  jobsrv_t *srv;
  jobsrv_part_t *next;
  jobsrv_part_t *prev;
  int state;
};

JOBSRV_EXTERN void jobsrv_part_attach(jobsrv_t *srv, jobsrv_part_t *part);

/* Answers `finishing`. */
JOBSRV_EXTERN void jobsrv_part_done(jobsrv_part_t *part);

/* Counts as done if `finishing` was still unanswered. */
JOBSRV_EXTERN void jobsrv_part_detach(jobsrv_part_t *part);

/*
 * Asks for one call of `cb` at the end of this turn of the loop, before it can
 * block again, after everything that is being narrated in it. The turn is
 * zeroed by the caller once and stays in place until it has run or was
 * cancelled; asking twice is asking once.
 */
typedef struct jobsrv_turn_s jobsrv_turn_t;

struct jobsrv_turn_s {
  /* public */
  void *data;
  /* private */
  void (*cb)(jobsrv_turn_t *turn);
  jobsrv_turn_t *next;
  jobsrv_turn_t *prev;
};

JOBSRV_EXTERN void jobsrv_turn_ask(jobsrv_t *srv,
                                   jobsrv_turn_t *turn,
                                   void (*cb)(jobsrv_turn_t *turn));
JOBSRV_EXTERN void jobsrv_turn_cancel(jobsrv_turn_t *turn);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_LOOP_H */
