/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TESTING_H
#define JOBSRV_TESTING_H

/*
 * For the unit tests of a host's operations: time that moves by hand, ids that
 * can be foretold, a sink that remembers, memory that runs out, and a loop that
 * runs until something is true; jobsrv/testing_sse.h has HTTP without a
 * network. Nothing here aborts or prints; it fits any test framework.
 *
 * A whole test, of an operation that greets three times, a second apart. Built
 * with `cc test.c greet.c $(pkg-config --cflags --libs jobsrv-testing libuv)`
 * it ends with 0, or the line that failed:
 *
 *   #include <jobsrv/testing.h>
 *   #include <uv.h>
 *   #define CHECK(that) if (!(that)) return __LINE__
 *   extern const jobsrv_operation_t greet;
 *
 *   int main(void) {
 *     jobsrv_manual_clock_t clock;
 *     jobsrv_options_t options = { sizeof(options), .clock = &clock.clock };
 *     jobsrv_spec_t spec = { sizeof(spec), .operation = "greet" };
 *     jobsrv_capture_t *seen;
 *     jobsrv_job_t *job;
 *     jobsrv_t *srv;
 *     uv_loop_t loop;
 *
 *     jobsrv_manual_clock_init(&clock);
 *     CHECK(uv_loop_init(&loop) == 0);
 *     CHECK(jobsrv_new(&srv, &loop, &options) == 0);
 *     CHECK(jobsrv_capture_new(&seen, srv, 0) == 0);
 *     CHECK(jobsrv_operation_add(srv, &greet) == 0);
 *     CHECK(jobsrv_submit(srv, &spec, NULL, &job) == 0);
 *     jobsrv_run_turns(&loop, 2);
 *     jobsrv_manual_clock_advance(&clock, 2 * UINT64_C(1000000000));
 *     CHECK(jobsrv_run_until(&loop, jobsrv_until_ended, job, 2000));
 *     CHECK(jobsrv_job_state(job) == JOBSRV_STATE_COMPLETED);
 *     CHECK(jobsrv_capture_count(seen, &(jobsrv_match_t) {
 *             .action = "greet", .includes = "hello" }) == 3);
 *     jobsrv_capture_free(seen);
 *     jobsrv_close(srv, NULL, NULL);
 *     return uv_run(&loop, UV_RUN_DEFAULT) != 0 || uv_loop_close(&loop) != 0;
 *   }
 *
 * Every deadline of the library and of its transport is a timer on the server's
 * clock, so the manual one moves them all. What blocks a thread goes by real
 * time: a wait for a job from another thread (jobsrv/wait.h), in jobsrv_close()
 * the wait for a console that does not take its last lines (a second at most)
 * and for a killed process to be reaped, and jobsrv_run_until() itself.
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
 * Moves time on to the next deadline of any server that uses the clock, and no
 * further; what is due then is called before this returns. Returns 1, or 0 when
 * nothing waits for time: it has not moved then. A timer that only looks
 * whether its deadline has been put off is stopped at as well.
 */
JOBSRV_EXTERN int jobsrv_manual_clock_step(jobsrv_manual_clock_t *clock);

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

/* How a field is compared; see the macros below. */
typedef enum {
  JOBSRV_MATCH_HOW_NONE,
  JOBSRV_MATCH_HOW_HAS,
  JOBSRV_MATCH_HOW_LACKS,
  JOBSRV_MATCH_HOW_IS,
  JOBSRV_MATCH_HOW_HOLDS,
  JOBSRV_MATCH_HOW_WITHIN
} jobsrv_match_how_t;

/*
 * One field by its name: that of an extra, well-known or the host's own, or of
 * a member of jobsrv_event_t ("human", "trace_id", "line", "seq", "wall_ns",
 * "payload", ...; "level" and "kind" read as their names).
 */
typedef struct jobsrv_match_field_s {
  const char *name; /* NULL: none */
  jobsrv_match_how_t how;
  const char *text;
  double least;
  double most;
} jobsrv_match_field_t;

/* It is there; it is not. A number that is 0 is there. */
#define JOBSRV_HAS(name) { name, JOBSRV_MATCH_HOW_HAS, NULL, 0, 0 }
#define JOBSRV_LACKS(name) { name, JOBSRV_MATCH_HOW_LACKS, NULL, 0, 0 }
/* It reads as `text`: numbers in decimal, "true", "false", JSON as given. */
#define JOBSRV_IS(name, text) { name, JOBSRV_MATCH_HOW_IS, text, 0, 0 }
/* It has `text` in it. */
#define JOBSRV_HOLDS(name, text) { name, JOBSRV_MATCH_HOW_HOLDS, text, 0, 0 }
/* It is a number, least <= it <= most, compared exactly. */
#define JOBSRV_WITHIN(name, least, most)                                      \
  { name, JOBSRV_MATCH_HOW_WITHIN, NULL, (double) (least), (double) (most) }

enum { JOBSRV_MATCH_FIELDS = 6 };

/*
 * What to look for; a member left zero matches everything.
 *
 *   { .action = "load", .min_level = JOBSRV_WARN,
 *     .fields = { JOBSRV_IS("model_ref", "tiny"),
 *                 JOBSRV_WITHIN("tokens_in", 1, 4096) } }
 */
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
  int min_level;           /* this one or above */
  int max_level;           /* this one or below */
  jobsrv_match_field_t fields[JOBSRV_MATCH_FIELDS];
  int (*where)(const jobsrv_event_t *event, void *data);  /* 1: it matches */
  void *data;              /* of `where` */
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

/*
 * 1 if an event matches `from`, a later one `to`, and none between the first of
 * the one and the next of the other matches `match`. NULL for `from` is the
 * beginning, for `to` the end. 0 too when one of them was not seen.
 */
JOBSRV_EXTERN int jobsrv_capture_absent(const jobsrv_capture_t *capture,
                                        const jobsrv_match_t *match,
                                        const jobsrv_match_t *from,
                                        const jobsrv_match_t *to);

/*
 * For a failure message: what `match` asks for, how many events meet it, and
 * all that were seen, each that does not with what it fails by. NUL-terminated,
 * cut when it does not fit; returns `to`.
 */
JOBSRV_EXTERN const char *
jobsrv_capture_explain(const jobsrv_capture_t *capture,
                       const jobsrv_match_t *match,
                       char *to,
                       size_t cap);

/* The same for a sequence: how far it came, and what it then asked for. */
JOBSRV_EXTERN const char *
jobsrv_capture_explain_sequence(const jobsrv_capture_t *capture,
                                const jobsrv_match_t *patterns,
                                size_t n,
                                char *to,
                                size_t cap);

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

/*
 * Fails every `n`-th request from now on, a realloc that shrinks included; 0
 * ends failing. Starts counting anew.
 */
JOBSRV_EXTERN void jobsrv_faults_every(jobsrv_faults_t *faults, uint64_t n);

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

/*
 * The same for a server, whichever way it is attached: runs the host's loop, or
 * dispatches; a server that was started is only waited for, from another thread
 * than its own. When the server closes meanwhile and is gone, that is the end.
 */
JOBSRV_EXTERN int jobsrv_run_until_srv(jobsrv_t *srv,
                                       jobsrv_until_cb done,
                                       void *data,
                                       uint64_t real_ms);

/* A `done` for one job (`data`): 1 once it has ended. */
JOBSRV_EXTERN int jobsrv_until_ended(void *data);

/* What jobsrv_until_captured() waits for. */
typedef struct jobsrv_captured_s {
  const jobsrv_capture_t *capture;
  jobsrv_match_t match;
  size_t count;  /* 0: 1 */
} jobsrv_captured_t;

/* A `done` for a jobsrv_captured_t: 1 once `count` events match. */
JOBSRV_EXTERN int jobsrv_until_captured(void *data);

/* Runs what is ready now, `turns` turns of the loop, without blocking. */
JOBSRV_EXTERN void jobsrv_run_turns(struct uv_loop_s *loop, unsigned int turns);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_TESTING_H */
