/* SPDX-License-Identifier: MIT */

#include "sse/listener.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "sse/bind.h"
#include "sse/conn_state.h"

#include <errno.h>

#include <sys/socket.h>
#include <unistd.h>

enum {
  ACCEPTS_A_TURN = 64,
  PAUSE_MS = 100,
  TURNED_AWAY_MAX = 32 /* told why; more than these are only closed */
};

static void on_pause_over(jobsrv_timer_t *timer) {
  jobsrv__listeners_start(timer->data);
}

/* Out of descriptors or memory: whoever waits stays in the backlog. */
static void pause_accepting(jobsrv_sse_t *sse) {
  sse->stats.accept_pauses++;
  jobsrv__listeners_stop(sse);
  jobsrv_timer_arm(sse->srv, &sse->accept_timer,
                   jobsrv_now(sse->srv) + PAUSE_MS * UINT64_C(1000000),
                   on_pause_over);
}

int jobsrv__http_admit(jobsrv_sse_t *sse) {
  sse->stats.accepted++;
  if (sse->stats.connections < sse->max_connections)
    return JOBSRV__ADMIT_IN;
  sse->stats.refused++;
  return sse->turned_away < TURNED_AWAY_MAX ? JOBSRV__ADMIT_TOLD
                                            : JOBSRV__ADMIT_NOT;
}

static int take(jobsrv__listener_t *listener, int fd) {
  jobsrv_sse_t *sse = listener->sse;
  int is_unix = listener->address.u.any.sa_family == AF_UNIX;
  int how = jobsrv__http_admit(sse);

  if (how != JOBSRV__ADMIT_NOT)
    return jobsrv__conn_accept(sse, fd, is_unix, how == JOBSRV__ADMIT_TOLD);
  close(fd);
  return 0;
}

/* Errors that concern one connection and not the next. */
static int is_passing(int err) {
  switch (err) {
  case EINTR:
  case ECONNABORTED:
  case EPROTO:
  case EPERM:
  case ENETDOWN:
  case ENETUNREACH:
  case EHOSTDOWN:
  case EHOSTUNREACH:
  case ENONET:
  case ENOPROTOOPT:
    return 1;
  default:
    return 0;
  }
}

static void on_acceptable(uv_poll_t *poll, int status, int events) {
  jobsrv__listener_t *listener = poll->data;
  jobsrv_sse_t *sse = listener->sse;
  int taken = 0;
  int i;

  (void) events;
  if (status < 0) { /* libuv has stopped the handle */
    pause_accepting(sse);
    return;
  }
  for (i = 0; i < ACCEPTS_A_TURN && listener->fd >= 0; i++) {
    int fd = jobsrv__fd_high(accept4(listener->fd, NULL, NULL,
                                     SOCK_NONBLOCK | SOCK_CLOEXEC));

    if (fd < 0 && is_passing(errno))
      continue;
    if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return;
    if (fd < 0 || take(listener, fd) != 0) {
      pause_accepting(sse);
      return;
    }
    taken++;
  }
  if (taken == 0) /* it does not pass after all */
    pause_accepting(sse);
}

void jobsrv__listeners_start(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;

  for (link = jobsrv__queue_front(&sse->listeners); link != NULL;
       link = jobsrv__queue_next(&sse->listeners, link)) {
    jobsrv__listener_t *listener =
        JOBSRV__CONTAINER(link, jobsrv__listener_t, link);

    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
  }
  jobsrv_wake(sse->srv);
}

void jobsrv__listeners_stop(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;

  for (link = jobsrv__queue_front(&sse->listeners); link != NULL;
       link = jobsrv__queue_next(&sse->listeners, link))
    uv_poll_stop(&JOBSRV__CONTAINER(link, jobsrv__listener_t, link)->poll);
}

/* Waits for nothing yet. */
static int begin(jobsrv__listener_t *listener,
                 const jobsrv_sse_listen_options_t *options,
                 int given) {
  int err;

  if (given >= 0)
    err = jobsrv__bind_given(listener, given);
  else
    err = jobsrv__bind(listener, options);
  if (err != 0)
    return err;
  err = uv_poll_init(listener->sse->loop, &listener->poll, listener->fd);
  if (given >= 0) {
    jobsrv__fd_settle(given, listener->fd, err == 0);
  } else if (err != 0) {
    jobsrv__bind_remove(listener);
    close(listener->fd);
  }
  return err;
}

int jobsrv__listener_new(jobsrv_sse_t *sse,
                         const jobsrv_sse_listen_options_t *options,
                         const jobsrv__address_t *address,
                         int given) {
  jobsrv__listener_t *listener = jobsrv__zalloc(sse->alloc,
                                                sizeof(*listener));
  int err;

  if (listener == NULL)
    return UV_ENOMEM;
  listener->sse = sse;
  if (given < 0)
    listener->address = *address;
  err = begin(listener, options, given);
  if (err != 0) {
    jobsrv__free(sse->alloc, listener);
    return err;
  }
  listener->poll.data = listener;
  sse->handles++;
  jobsrv__queue_push_back(&sse->listeners, &listener->link);
  if (!jobsrv_timer_armed(&sse->accept_timer))
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
  jobsrv_wake(sse->srv);
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  jobsrv__listener_t *listener = handle->data;
  jobsrv_sse_t *sse = listener->sse;

  jobsrv__free(sse->alloc, listener);
  sse->handles--;
  jobsrv__http_handle_closed(sse);
}

void jobsrv__listener_close(jobsrv__listener_t *listener) {
  jobsrv__queue_remove(&listener->link);
  jobsrv__bind_remove(listener);
  uv_close((uv_handle_t *) &listener->poll, on_closed);
  jobsrv_wake(listener->sse->srv);
  close(listener->fd);
  listener->fd = -1;
}
