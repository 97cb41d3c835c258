/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/loop_init.h"
#include "core/server.h"

#include <signal.h>

/*
 * A loop of the server's own, which a thread of its own runs (jobsrv_start) or
 * some other loop drives (jobsrv_dispatch). It holds the server's memory until
 * it is gone itself: its handles are closed from inside its last run.
 *
 * Whoever drives it sleeps for as long as it was told. What is armed while the
 * loop does not run was not in that figure, and libuv registers descriptors
 * only when it polls: so one wake goes out, and the next run sees to it all.
 * Nothing wakes inside a run, after which the figure is asked for anew.
 */
struct jobsrv__own_s {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv__mailbox_t *mailbox; /* its reference keeps srv */
  int running;                /* what is armed needs no wake */
  int closes_next;            /* the next run closes the server's handles */
  int closed;                 /* they are all closed */
  pthread_t thread;
  uv_sem_t started;
  jobsrv__mail_t stop;
  uint64_t stop_ms;
};

/* ---- making and unmaking ---- */

int jobsrv__own_new(jobsrv_t *srv) {
  jobsrv__own_t *own = jobsrv__zalloc(&srv->alloc, sizeof(*own));
  int err;

  if (own == NULL)
    return UV_ENOMEM;
  err = jobsrv__loop_init(&own->loop);
  if (err != 0) {
    jobsrv__free(&srv->alloc, own);
    return err;
  }
  own->srv = srv;
  srv->own = own;
  srv->loop = &own->loop;
  return 0;
}

void jobsrv__own_keep(jobsrv_t *srv) {
  srv->own->mailbox = jobsrv__mailbox_ref(srv->mailbox);
  atomic_store(&srv->attached, JOBSRV__UNSTARTED);
}

void jobsrv__own_drop(jobsrv_t *srv) {
  if (srv->own == NULL)
    return;
  (void) uv_loop_close(&srv->own->loop);
  jobsrv__free(&srv->alloc, srv->own);
  srv->own = NULL;
}

/* The loop is closed: let go of its memory, and of the server's. */
static void own_free(jobsrv__own_t *own) {
  jobsrv__mailbox_t *mailbox = own->mailbox;
  jobsrv_t *srv = own->srv;

  srv->own = NULL;
  jobsrv__free(&srv->alloc, own);
  jobsrv__mailbox_unref(mailbox);
}

void jobsrv__own_closed(jobsrv_t *srv) {
  if (srv->own != NULL)
    srv->own->closed = 1;
}

static void close_left(uv_handle_t *handle, void *arg) {
  (void) arg;
  if (!uv_is_closing(handle))
    uv_close(handle, NULL);
}

/*
 * 1 when the server is closed and its loop as well. What the host has put into
 * the loop is waited for; what it has forgotten there unreferenced is closed.
 */
static int own_over(jobsrv__own_t *own) {
  if (!own->closed || uv_loop_alive(&own->loop))
    return 0;
  if (uv_loop_close(&own->loop) == 0)
    return 1;
  uv_walk(&own->loop, close_left, NULL);
  return 0;
}

/* ---- the wake ---- */

void jobsrv__own_armed(jobsrv_t *srv) {
  if (!srv->own->running)
    jobsrv__mailbox_wake(srv->mailbox);
}

/*
 * Closing takes the mailbox out of the epoll set at once, and with it the means
 * to wake: outside a run it waits for the next.
 */
int jobsrv__own_closes_later(jobsrv_t *srv) {
  if (srv->own == NULL || srv->own->running)
    return 0;
  srv->own->closes_next = 1;
  jobsrv__own_armed(srv);
  return 1;
}

static void own_begin(jobsrv__own_t *own) {
  own->running = 1;
  if (!own->closes_next)
    return;
  own->closes_next = 0;
  jobsrv__loop_close_handles(own->srv);
}

void jobsrv_wake(jobsrv_t *srv) {
  JOBSRV__ASSERT_LOOP(srv);
  jobsrv__armed(srv);
}

/* ---- a thread of its own ---- */

static void *own_main(void *arg) {
  jobsrv__own_t *own = arg;

  atomic_store(&own->srv->thread, pthread_self());
  uv_sem_post(&own->started);
  own_begin(own);
  do
    (void) uv_run(&own->loop, UV_RUN_DEFAULT);
  while (!own_over(own));
  return NULL;
}

/* With all signals blocked: they are the host's threads' business. */
static int thread_create(jobsrv__own_t *own) {
  sigset_t all, before;
  int err;

  sigfillset(&all);
  err = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (err != 0)
    return -err;
  err = pthread_create(&own->thread, NULL, own_main, own);
  (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -err;
}

int jobsrv_start(jobsrv_t *srv) {
  int attached = atomic_load(&srv->attached);
  jobsrv__own_t *own = srv->own;
  int err;

  if (attached == JOBSRV__HOSTED)
    return UV_EINVAL;
  if (attached != JOBSRV__UNSTARTED)
    return JOBSRV_ERUNNING;
  JOBSRV__ASSERT_LOOP(srv);
  if (jobsrv__forked(srv))
    return JOBSRV_EFORKED;
  err = uv_sem_init(&own->started, 0);
  if (err != 0)
    return err;
  atomic_store(&srv->attached, JOBSRV__STARTED);
  err = thread_create(own);
  if (err == 0)
    uv_sem_wait(&own->started);
  else
    atomic_store(&srv->attached, JOBSRV__UNSTARTED);
  uv_sem_destroy(&own->started);
  return err;
}

/* A drain that is under way already is hurried. */
static void on_stop(jobsrv__mail_t *mail, void *owner) {
  jobsrv__own_t *own = JOBSRV__CONTAINER(mail, jobsrv__own_t, stop);
  jobsrv_t *srv = owner;

  if (srv == NULL)
    return;
  srv->closes_when_drained = 1;
  if (jobsrv_drain(srv, own->stop_ms, NULL, NULL) == JOBSRV_ESETTLED)
    jobsrv_close(srv, NULL, NULL);
}

int jobsrv_stop(jobsrv_t *srv, uint64_t deadline_ms) {
  int attached = atomic_load(&srv->attached);
  jobsrv__own_t *own;

  if (attached == JOBSRV__STOPPED)
    return JOBSRV_ESETTLED;
  if (attached != JOBSRV__STARTED)
    return UV_EINVAL;
  if (jobsrv__on_loop(srv))
    return JOBSRV_EONLOOP;
  if (jobsrv__forked(srv))
    return JOBSRV_EFORKED;
  if (!atomic_compare_exchange_strong(&srv->attached, &attached,
                                      JOBSRV__STOPPED))
    return JOBSRV_ESETTLED;
  own = srv->own;
  own->stop.run = on_stop;
  own->stop_ms = deadline_ms;
  (void) jobsrv__mailbox_post(own->mailbox, &own->stop); /* or it closes now */
  pthread_join(own->thread, NULL);
  atomic_store(&srv->thread, pthread_self());
  own_free(own);
  return 0;
}

/* ---- another loop ---- */

/* 0, or what the calls of such a host say when it is not one. */
static int foreign_check(const jobsrv_t *srv) {
  switch (atomic_load(&srv->attached)) {
  case JOBSRV__HOSTED:
    return UV_EINVAL;
  case JOBSRV__UNSTARTED:
    return 0;
  case JOBSRV__GONE:
    return JOBSRV_ECLOSED;
  default:
    return JOBSRV_ERUNNING;
  }
}

int jobsrv_fd(const jobsrv_t *srv) {
  int err = foreign_check(srv);

  if (err != 0)
    return err;
  JOBSRV__ASSERT_LOOP(srv);
  return uv_backend_fd(srv->loop);
}

int jobsrv_timeout_ms(const jobsrv_t *srv) {
  int err = foreign_check(srv);

  if (err != 0)
    return err;
  JOBSRV__ASSERT_LOOP(srv);
  if (srv->own->closes_next)
    return 0;
  uv_update_time(srv->loop); /* it counts from there */
  return uv_backend_timeout(srv->loop);
}

int jobsrv_dispatch(jobsrv_t *srv) {
  int err = foreign_check(srv);
  jobsrv__own_t *own = srv->own;

  if (err != 0)
    return err == JOBSRV_ECLOSED ? 0 : err;
  JOBSRV__ASSERT_LOOP(srv);
  if (own->running)
    return 1;
  own_begin(own);
  (void) uv_run(&own->loop, UV_RUN_NOWAIT);
  own->running = 0;
  if (!own_over(own))
    return 1;
  atomic_store(&srv->attached, JOBSRV__GONE);
  own_free(own);
  return 0;
}
