/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TOKEN_H
#define JOBSRV_TOKEN_H

/*
 * Cancellation tokens: a reason that is absent until somebody sets it, once,
 * and is then there for good. Tokens form a tree; cancelling one cancels
 * everything below it. Every job has one.
 *
 * Threads: a call marked [any] may be made from any thread that holds, or
 * knows to be held, a reference. All others belong to the loop thread.
 */

#include "jobsrv/export.h"
#include "jobsrv/timer.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Why something was asked to stop. The first five end a job cancelled, the
 * others failed, with the same word as the error code.
 */
#define JOBSRV_REASON_MAP(XX)                                                 \
  XX(REQUESTED, "requested")                                                  \
  XX(REPLACED, "replaced")                                                    \
  XX(LAST_WATCHER, "last_watcher")                                            \
  XX(SHUTDOWN, "shutdown")                                                    \
  XX(PARENT, "parent")                                                        \
  XX(QUEUE_TIMEOUT, "queue_timeout")                                          \
  XX(ATTEMPT_TIMEOUT, "attempt_timeout")                                      \
  XX(DEADLINE, "deadline")                                                    \
  XX(SILENCE, "silence")

typedef enum {
#define XX(name, text) JOBSRV_REASON_##name,
  JOBSRV_REASON_MAP(XX)
#undef XX
  JOBSRV_REASON_MAX
} jobsrv_reason_code_t;

/* [any] "requested", ...; "unknown" for a number that is none. */
JOBSRV_EXTERN const char *jobsrv_reason_name(jobsrv_reason_code_t code);

/* `text` (for people) and `actor` (who asked) may be NULL. */
typedef struct jobsrv_reason_s {
  jobsrv_reason_code_t code;
  const char *text;  /* at most 1,024 bytes are kept */
  const char *actor; /* at most 128 bytes are kept */
} jobsrv_reason_t;

typedef struct jobsrv_token_s jobsrv_token_t;
typedef struct jobsrv_token_watch_s jobsrv_token_watch_t;

/*
 * Called once, on the loop thread. The watch is already off the token: it may
 * be freed or used again in here. `reason` is lent for the call.
 */
typedef void (*jobsrv_token_watch_cb)(jobsrv_token_watch_t *watch,
                                      const jobsrv_reason_t *reason);

/* Private: a place in the ring of a token's watches. */
typedef struct jobsrv_token_link_s {
  struct jobsrv_token_link_s *next;
  struct jobsrv_token_link_s *prev;
} jobsrv_token_link_t;

/* Lives in the caller's own struct; watching allocates nothing. Zero it. */
struct jobsrv_token_watch_s {
  /* public */
  void *data;
  /* private */
  jobsrv_token_watch_cb cb;
  jobsrv_token_link_t link;
};

/*
 * Makes a token with one reference, owned by the caller. It is cancelled when
 * `parent` is (at once, if that has happened) and keeps a reference to it;
 * NULL means the server's own token, which close cancels.
 *
 * Returns 0, or UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_token_new(jobsrv_token_t **out,
                     jobsrv_t *srv,
                     jobsrv_token_t *parent);

/* Adds a reference; returns `token`. */
JOBSRV_EXTERN jobsrv_token_t *jobsrv_token_ref(jobsrv_token_t *token);

/* Drops one; the last frees the token and drops its watches uncalled. */
JOBSRV_EXTERN void jobsrv_token_unref(jobsrv_token_t *token);

/*
 * [any] Sets the token; NULL stands for {JOBSRV_REASON_REQUESTED}. The reason
 * is copied and readable everywhere below at once. Watches are called on the
 * loop thread, oldest first, a child token being a watch as old as the child:
 * before this returns when called there, else in one of its next turns.
 *
 * Returns 0; JOBSRV_ESETTLED if this token was set before; UV_ENOMEM, only
 * possible for a reason with text or actor; UV_EINVAL for an unknown code.
 */
JOBSRV_EXTERN int jobsrv_token_cancel(jobsrv_token_t *token,
                                      const jobsrv_reason_t *reason);

/*
 * [any] NULL while neither the token nor anything above it is set, afterwards
 * the reason, valid as long as the token. What is above a child job is its
 * parent: its reason shows as PARENT, with that one's text and actor.
 */
JOBSRV_EXTERN const jobsrv_reason_t *
jobsrv_token_reason(const jobsrv_token_t *token);

/*
 * Asks for `cb` when the token is set. The caller keeps `watch` in place until
 * it has fired or jobsrv_token_unwatch() has been called on it.
 *
 * Returns 0, or JOBSRV_ESETTLED without ever calling `cb`.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_token_watch(jobsrv_token_t *token,
                       jobsrv_token_watch_t *watch,
                       jobsrv_token_watch_cb cb);

/* Harmless on a watch that has fired, or was zeroed and never used. */
JOBSRV_EXTERN void jobsrv_token_unwatch(jobsrv_token_watch_t *watch);

/* ---- a guard ---- */

/*
 * Cancels a token (REQUESTED) when it is dropped, unless it was disarmed: who
 * leaves early, by whatever return, leaves no work behind that nobody waits
 * for. It lives in the caller's frame or struct and keeps a reference; nothing
 * of it can fail. Zeroed, it is a guard that has been dropped.
 *
 *   int fetch_both(jobsrv_token_t *token) {
 *     JOBSRV_DROP_GUARD(guard, token);
 *
 *     if (fetch_one(token) != 0 || fetch_other(token) != 0)
 *       return -1;              (both are told to stop)
 *     jobsrv_drop_guard_disarm(&guard);
 *     return 0;
 *   }
 *
 * [any] with the token of a job, else on the loop thread.
 */
typedef struct jobsrv_drop_guard_s {
  /* private */
  jobsrv_token_t *token;
} jobsrv_drop_guard_t;

/* [any], as above. A guard of `token`, armed. */
JOBSRV_EXTERN JOBSRV_NODISCARD
jobsrv_drop_guard_t jobsrv_token_drop_guard(jobsrv_token_t *token);

/* [any], as above. Lets go without cancelling. Harmless when it has. */
JOBSRV_EXTERN void jobsrv_drop_guard_disarm(jobsrv_drop_guard_t *guard);

/* [any], as above. Cancels the token and lets go. Harmless when it has. */
JOBSRV_EXTERN void jobsrv_drop_guard_drop(jobsrv_drop_guard_t *guard);

/*
 * Where the compiler can do that (GCC, Clang), declares a guard that is dropped
 * at the end of its scope. Elsewhere it does not exist: drop it by hand.
 */
#if defined(__GNUC__)
# define JOBSRV_DROP_GUARD(name, token)                                       \
  __attribute__((cleanup(jobsrv_drop_guard_drop)))                            \
  jobsrv_drop_guard_t name = jobsrv_token_drop_guard(token)
#endif

/* ---- work against a token ---- */

typedef struct jobsrv_race_s jobsrv_race_t;

/*
 * Called exactly once, on the loop thread, with what came first: the work
 * (`reason` is NULL, `result` the one that was said) or the token (`result` is
 * JOBSRV_CANCELLED; the work is then the callee's to stop, and is heard no
 * longer). The race is over: it may be freed or run again in here.
 */
typedef void (*jobsrv_race_cb)(jobsrv_race_t *race,
                               const jobsrv_reason_t *reason,
                               int result);

/* Lives in the caller's own struct; racing allocates nothing. Zero it. */
struct jobsrv_race_s {
  /* public */
  void *data;
  /* private */
  jobsrv_race_cb cb;
  jobsrv_token_t *token;  /* referenced; NULL: it does not run */
  jobsrv_token_watch_t watch;
};

/*
 * Runs an asynchronous piece of work until `token` is set:
 *
 *   err = jobsrv_run_until_cancelled(&lookup->race, token, on_looked_up);
 *   if (err == 0)
 *     begin_lookup(lookup);   (which ends in jobsrv_race_done())
 *
 * Returns 0, or JOBSRV_ESETTLED when the token is set already: then `cb` is
 * never called, and there is nothing to begin.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_run_until_cancelled(jobsrv_race_t *race,
                               jobsrv_token_t *token,
                               jobsrv_race_cb cb);

/*
 * The work is done: calls back before it returns, unless that has been. Returns
 * 0 when the work was first; JOBSRV_ESETTLED when the token was, even if the
 * loop hears of it only now, or when the race does not run.
 */
JOBSRV_EXTERN int jobsrv_race_done(jobsrv_race_t *race, int result);

/* Ends the race without calling back. Harmless when it does not run. */
JOBSRV_EXTERN void jobsrv_race_stop(jobsrv_race_t *race);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_TOKEN_H */
