/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TESTING_H
#define JOBSRV_TESTING_H

/*
 * For the unit tests of a host's operations: time that moves by hand, a sink
 * that remembers, memory that runs out, and a loop that runs until something
 * is true. Nothing here aborts or prints; it fits any test framework.
 *
 *   jobsrv_manual_clock_t clock;
 *   jobsrv_capture_t *seen;
 *
 *   jobsrv_manual_clock_init(&clock);
 *   options.clock = &clock.clock;
 *   ... jobsrv_new(), jobsrv_capture_new(&seen, srv, 0), jobsrv_submit() ...
 *   jobsrv_run_until(&loop, job_has_ended, job, 2000);
 *   assert(jobsrv_capture_count(seen, &(jobsrv_match_t){
 *            .action = "fetch", .includes = "2 of 3" }) == 1);
 */

#include "jobsrv/jobsrv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a clock that stands still ---- */

/* Lives in the caller's memory, longer than the servers that use it. */
typedef struct jobsrv_manual_clock_s {
  jobsrv_clock_t clock;        /* for jobsrv_options_t */
  /* private */
  uint64_t monotonic_ns;
  uint64_t wall_ns;
  jobsrv_clock_watch_t head;
} jobsrv_manual_clock_t;

/* Starts at 1 s of monotonic time and 2026-01-01T00:00:00Z. */
JOBSRV_EXTERN void jobsrv_manual_clock_init(jobsrv_manual_clock_t *clock);

/*
 * Moves time on by `ns`, stopping at every deadline on the way: each timer
 * sees the time it asked for. On the servers' loop thread. Work that becomes
 * due is done by the next turns of the loop.
 */
JOBSRV_EXTERN void jobsrv_manual_clock_advance(jobsrv_manual_clock_t *clock,
                                               uint64_t ns);

/*
 * Moves only the wall clock, to any time, as an operator would; what waited for
 * a wall time that has come is called before this returns. On the servers'
 * loop thread.
 */
JOBSRV_EXTERN void jobsrv_manual_clock_set_wall(jobsrv_manual_clock_t *clock,
                                                uint64_t wall_ns);

/* ---- ids that can be foretold ---- */

/* Lives in the caller's memory, longer than the server that uses it. */
typedef struct jobsrv_seeded_random_s {
  /* private */
  uint64_t state;
} jobsrv_seeded_random_t;

/*
 * Makes a server's ids, boot, jitter and request ids follow from `seed`: sets
 * `random` and `random_data` of the options it is to be made with. Two servers
 * with the same seed, each with a source of its own, that are called in the
 * same order have the same ids.
 */
JOBSRV_EXTERN void jobsrv_seeded_random_init(jobsrv_seeded_random_t *random,
                                             uint64_t seed,
                                             jobsrv_options_t *options);

/* ---- a sink that remembers ---- */

typedef struct jobsrv_capture_s jobsrv_capture_t;

/* What to look for; a field left zero matches everything. */
typedef struct jobsrv_match_s {
  const char *job_id;
  const char *actor;
  const char *action;
  const char *target;
  const char *includes;    /* a part of `human` */
  const char *json;        /* a part of the event's JSON text */
  int level;               /* exactly this one */
  int has_kind;            /* 1: `kind` counts */
  jobsrv_kind_t kind;
  uint64_t after_server_seq;  /* only events numbered above it */
} jobsrv_match_t;

/*
 * Adds a capture sink: keeps copies of the newest `max` events (0: 4,096) of
 * every level. Owned by the caller; it may outlive the server.
 * Returns 0, UV_ENOMEM, JOBSRV_ECLOSED.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_capture_new(jobsrv_capture_t **out, jobsrv_t *srv, size_t max);

/* Takes it off its server, if that is still there, and frees it. */
JOBSRV_EXTERN void jobsrv_capture_free(jobsrv_capture_t *capture);

/* How many events match; NULL: how many there are. */
JOBSRV_EXTERN size_t jobsrv_capture_count(const jobsrv_capture_t *capture,
                                          const jobsrv_match_t *match);

/*
 * The `index`-th event that matches, oldest first, or NULL. Lent until the
 * capture sees another event or is cleared. Its `job` is NULL; fields are kept.
 */
JOBSRV_EXTERN const jobsrv_event_t *
jobsrv_capture_get(const jobsrv_capture_t *capture,
                   const jobsrv_match_t *match,
                   size_t index);

/* 1 if every one of `n` patterns is met, each by an event after the last's. */
JOBSRV_EXTERN int jobsrv_capture_sequence(const jobsrv_capture_t *capture,
                                          const jobsrv_match_t *patterns,
                                          size_t n);

/* Events lost to the bound or to want of memory. */
JOBSRV_EXTERN uint64_t jobsrv_capture_lost(const jobsrv_capture_t *capture);

JOBSRV_EXTERN void jobsrv_capture_clear(jobsrv_capture_t *capture);

/*
 * Writes what was seen, an event a line, for a failure message; returns `to`,
 * always NUL-terminated, cut when it does not fit.
 */
JOBSRV_EXTERN const char *jobsrv_capture_dump(const jobsrv_capture_t *capture,
                                              char *to,
                                              size_t cap);

/* ---- memory that runs out ---- */

typedef struct jobsrv_faults_s jobsrv_faults_t;

/* An allocator that counts and fails on request; [any], thread-safe. */
struct jobsrv_faults_s {
  jobsrv_alloc_t alloc;     /* for jobsrv_options_t */
  /* private */
  void *state;
};

/* Returns 0 or UV_ENOMEM. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_faults_init(jobsrv_faults_t *faults);

/* Frees its own memory; `faults` must have no live allocation. */
JOBSRV_EXTERN void jobsrv_faults_free(jobsrv_faults_t *faults);

/*
 * Lets the next `after` requests pass and fails the `count` that follow
 * (UINT64_MAX: all of them). `count` 0 ends failing. Starts counting anew.
 */
JOBSRV_EXTERN void jobsrv_faults_fail(jobsrv_faults_t *faults,
                                      uint64_t after,
                                      uint64_t count);

/* [any] Requests since the last jobsrv_faults_fail(), live blocks and bytes. */
JOBSRV_EXTERN uint64_t jobsrv_faults_requests(const jobsrv_faults_t *faults);
JOBSRV_EXTERN uint64_t jobsrv_faults_live(const jobsrv_faults_t *faults);
JOBSRV_EXTERN uint64_t jobsrv_faults_bytes(const jobsrv_faults_t *faults);

/* [any] 1 if a request was failed since the last jobsrv_faults_fail(). */
JOBSRV_EXTERN int jobsrv_faults_hit(const jobsrv_faults_t *faults);

/* ---- a loop that runs until ---- */

typedef int (*jobsrv_until_cb)(void *data);

/*
 * Runs the loop, on the calling thread, until `done` says 1 or `real_ms` of
 * real time have gone by, and one turn more. Returns 1 or 0 accordingly. Work
 * that does not keep the loop alive is waited for as well.
 */
JOBSRV_EXTERN int jobsrv_run_until(struct uv_loop_s *loop,
                                   jobsrv_until_cb done,
                                   void *data,
                                   uint64_t real_ms);

/* A `done` for one job (`data`): 1 once it has ended. */
JOBSRV_EXTERN int jobsrv_until_ended(void *data);

/* Runs what is ready now, `turns` turns of the loop, without blocking. */
JOBSRV_EXTERN void jobsrv_run_turns(struct uv_loop_s *loop, unsigned int turns);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_TESTING_H */
