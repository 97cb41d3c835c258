/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ADAPTERS_UV_H
#define JOBSRV_ADAPTERS_UV_H
/*
 * Requests and handles of libuv that keep the context they are made in, and
 * have it entered around their callbacks, on whatever thread those run. Each
 * begins with the one it wraps, whose `data` stays the host's. A snapshot that
 * is kept keeps its job; it is let go when the request is done, the timer
 * stopped or the handle closed, which has to be done with the calls here.
 * Calls return what libuv returns, or UV_ENOMEM.
 */
#include "jobsrv/context.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- work on libuv's threads ---- */

typedef struct jobsrv_uv_work_s jobsrv_uv_work_t;
struct jobsrv_uv_work_s {
  uv_work_t req;
  /* private */
  void (*work)(jobsrv_uv_work_t *work);
  void (*after)(jobsrv_uv_work_t *work, int status);
  jobsrv_snapshot_t *context;
};

static inline void jobsrv_uv_on_work(uv_work_t *req) {
  jobsrv_uv_work_t *work = (jobsrv_uv_work_t *) (void *) req;
  jobsrv_context_t context;

  jobsrv_snapshot_enter(&context, work->context);
  work->work(work);
  jobsrv_context_leave(&context);
}

static inline void jobsrv_uv_on_after_work(uv_work_t *req, int status) {
  jobsrv_uv_work_t *work = (jobsrv_uv_work_t *) (void *) req;
  jobsrv_snapshot_t *kept = work->context;
  jobsrv_context_t context;

  jobsrv_snapshot_enter(&context, kept);
  if (work->after != NULL)
    work->after(work, status); /* it may be gone behind this */
  jobsrv_context_leave(&context);
  jobsrv_snapshot_unref(kept);
}

/* As uv_queue_work(); `after` may be NULL, and may free `work`. */
static inline int
jobsrv_uv_queue_work(uv_loop_t *loop, jobsrv_uv_work_t *work,
                     void (*cb)(jobsrv_uv_work_t *work),
                     void (*after)(jobsrv_uv_work_t *work, int status)) {
  int err = jobsrv_context_capture(&work->context);

  if (err != 0)
    return err;
  work->work = cb;
  work->after = after;
  err = uv_queue_work(loop, &work->req, jobsrv_uv_on_work,
                      jobsrv_uv_on_after_work);
  if (err != 0)
    jobsrv_snapshot_unref(work->context);
  return err;
}

/* ---- timers ---- */

typedef struct jobsrv_uv_timer_s jobsrv_uv_timer_t;
struct jobsrv_uv_timer_s {
  uv_timer_t timer;
  /* private */
  void (*cb)(jobsrv_uv_timer_t *timer);
  jobsrv_snapshot_t *context;
};

static inline int jobsrv_uv_timer_init(uv_loop_t *loop,
                                       jobsrv_uv_timer_t *timer) {
  timer->cb = NULL;
  timer->context = NULL;
  return uv_timer_init(loop, &timer->timer);
}

static inline void jobsrv_uv_timer_forget(jobsrv_uv_timer_t *timer) {
  jobsrv_snapshot_t *kept = timer->context;

  timer->context = NULL;
  jobsrv_snapshot_unref(kept);
}

static inline void jobsrv_uv_on_timer(uv_timer_t *handle) {
  jobsrv_uv_timer_t *timer = (jobsrv_uv_timer_t *) (void *) handle;
  jobsrv_snapshot_t *kept = jobsrv_snapshot_ref(timer->context);
  jobsrv_context_t context;

  if (uv_timer_get_repeat(handle) == 0)
    jobsrv_uv_timer_forget(timer);
  jobsrv_snapshot_enter(&context, kept);
  timer->cb(timer);
  jobsrv_context_leave(&context);
  jobsrv_snapshot_unref(kept);
}

/* As uv_timer_start(): in the context of this call until started anew. */
static inline int jobsrv_uv_timer_start(jobsrv_uv_timer_t *timer,
                                        void (*cb)(jobsrv_uv_timer_t *timer),
                                        uint64_t timeout_ms,
                                        uint64_t repeat_ms) {
  jobsrv_snapshot_t *kept = NULL;
  int err = jobsrv_context_capture(&kept);

  if (err == 0)
    err = uv_timer_start(&timer->timer, jobsrv_uv_on_timer, timeout_ms,
                         repeat_ms);
  if (err != 0) {
    jobsrv_snapshot_unref(kept);
    return err;
  }
  jobsrv_uv_timer_forget(timer);
  timer->context = kept;
  timer->cb = cb;
  return 0;
}

static inline int jobsrv_uv_timer_stop(jobsrv_uv_timer_t *timer) {
  jobsrv_uv_timer_forget(timer);
  return uv_timer_stop(&timer->timer);
}

static inline void jobsrv_uv_timer_close(jobsrv_uv_timer_t *timer,
                                         uv_close_cb cb) {
  jobsrv_uv_timer_forget(timer);
  uv_close((uv_handle_t *) (void *) &timer->timer, cb);
}

/* ---- wakes from other threads ---- */

typedef struct jobsrv_uv_async_s jobsrv_uv_async_t;
struct jobsrv_uv_async_s {
  uv_async_t async; /* uv_async_send() as ever, from any thread */
  /* private */
  void (*cb)(jobsrv_uv_async_t *async);
  jobsrv_snapshot_t *context;
};

static inline void jobsrv_uv_on_async(uv_async_t *handle) {
  jobsrv_uv_async_t *async = (jobsrv_uv_async_t *) (void *) handle;
  jobsrv_snapshot_t *kept = jobsrv_snapshot_ref(async->context);
  jobsrv_context_t context;

  jobsrv_snapshot_enter(&context, kept);
  async->cb(async);
  jobsrv_context_leave(&context);
  jobsrv_snapshot_unref(kept);
}

/* In the context of this call, whoever sends. */
static inline int jobsrv_uv_async_init(uv_loop_t *loop,
                                       jobsrv_uv_async_t *async,
                                       void (*cb)(jobsrv_uv_async_t *async)) {
  int err = jobsrv_context_capture(&async->context);

  if (err != 0)
    return err;
  async->cb = cb;
  err = uv_async_init(loop, &async->async, jobsrv_uv_on_async);
  if (err != 0)
    jobsrv_snapshot_unref(async->context);
  return err;
}

static inline void jobsrv_uv_async_close(jobsrv_uv_async_t *async,
                                         uv_close_cb cb) {
  jobsrv_snapshot_t *kept = async->context;

  async->context = NULL;
  uv_close((uv_handle_t *) (void *) &async->async, cb);
  jobsrv_snapshot_unref(kept);
}

/* ---- child processes ---- */

typedef struct jobsrv_uv_process_s jobsrv_uv_process_t;
struct jobsrv_uv_process_s {
  uv_process_t process;
  /* private */
  uv_exit_cb cb;
  jobsrv_snapshot_t *context;
};

typedef struct jobsrv_uv_env_s {
  char **list;  /* NULL: only counted */
  size_t n;     /* of the entries so far */
  char *to;     /* where the next text goes */
  size_t size;  /* of all texts */
  char **given;
  int counts;   /* what is in `given` */
} jobsrv_uv_env_t;

static inline void jobsrv_uv_on_env(void *data, const char *name,
                                    const char *value) {
  jobsrv_uv_env_t *env = (jobsrv_uv_env_t *) data;
  size_t name_len = strlen(name), len = name_len + strlen(value) + 2;
  size_t i;

  for (i = 0; env->given != NULL && env->given[i] != NULL; i++)
    if (env->counts && strncmp(env->given[i], name, name_len) == 0 &&
        env->given[i][name_len] == '=')
      return;
  env->size += len;
  if (env->list != NULL) {
    memcpy(env->to, name, name_len);
    env->to[name_len] = '=';
    memcpy(env->to + name_len + 1, value, len - name_len - 1);
    env->list[env->n] = env->to;
    env->to += len;
  }
  env->n++;
}

/* Whether one of the context's entries has the name of this one. */
static inline int jobsrv_uv_env_has(const jobsrv_uv_env_t *env,
                                    const char *entry) {
  size_t len = strcspn(entry, "=") + 1;
  size_t i;

  for (i = 0; i < env->n; i++)
    if (strncmp(env->list[i], entry, len) == 0)
      return 1;
  return 0;
}

/* The entries of `given` and the context's in one block; NULL: no memory. */
static inline char **jobsrv_uv_env(char **given, int counts) {
  jobsrv_uv_env_t env = { NULL, 0, NULL, 0, given, counts };
  size_t i, n = 0;

  while (given != NULL && given[n] != NULL)
    n++;
  jobsrv_context_env(jobsrv_uv_on_env, &env);
  env.list = (char **) malloc((env.n + n + 1) * sizeof(char *) + env.size);
  if (env.list == NULL)
    return NULL;
  env.to = (char *) (env.list + env.n + n + 1);
  env.n = 0;
  jobsrv_context_env(jobsrv_uv_on_env, &env);
  n = env.n;
  for (i = 0; given != NULL && given[i] != NULL; i++)
    if (!jobsrv_uv_env_has(&env, given[i]))
      env.list[n++] = given[i];
  env.list[n] = NULL;
  return env.list;
}

static inline void jobsrv_uv_on_exit(uv_process_t *handle, int64_t status,
                                     int term_signal) {
  jobsrv_uv_process_t *process = (jobsrv_uv_process_t *) (void *) handle;
  jobsrv_snapshot_t *kept = process->context;
  jobsrv_context_t context;

  process->context = NULL;
  jobsrv_snapshot_enter(&context, kept);
  if (process->cb != NULL)
    process->cb(handle, status, term_signal);
  jobsrv_context_leave(&context);
  jobsrv_snapshot_unref(kept);
}

/*
 * As uv_spawn(), with what jobsrv_context_env() tells added to the environment:
 * a variable that `options->env` sets stays as it is; without one the child
 * inherits the host's environment, where the context's count.
 */
static inline int jobsrv_uv_spawn(uv_loop_t *loop,
                                  jobsrv_uv_process_t *process,
                                  const uv_process_options_t *options) {
  uv_process_options_t mine = *options;
  int err = jobsrv_context_capture(&process->context);

  if (err != 0)
    return err;
  mine.env = jobsrv_uv_env(mine.env != NULL ? mine.env : environ,
                           mine.env != NULL);
  process->cb = options->exit_cb;
  mine.exit_cb = jobsrv_uv_on_exit;
  err = mine.env != NULL ? uv_spawn(loop, &process->process, &mine)
                         : UV_ENOMEM;
  free(mine.env);
  if (err != 0) {
    jobsrv_snapshot_unref(process->context);
    process->context = NULL;
  }
  return err;
}

/* Also of one that has not exited: its callback does not come then. */
static inline void jobsrv_uv_process_close(jobsrv_uv_process_t *process,
                                           uv_close_cb cb) {
  jobsrv_snapshot_t *kept = process->context;

  process->context = NULL;
  uv_close((uv_handle_t *) (void *) &process->process, cb);
  jobsrv_snapshot_unref(kept);
}

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_ADAPTERS_UV_H */
