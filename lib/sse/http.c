/* SPDX-License-Identifier: MIT */

#include "sse/internal.h"

#include "base/alloc.h"
#include "sse/address.h"
#include "sse/conn_state.h"
#include "sse/listener.h"

#include <sys/resource.h>

enum {
  KEPT_DESCRIPTORS = 64 /* for everything else in the host */
};

static uint32_t connections_in_force(uint32_t wanted) {
  struct rlimit limit;

  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
      limit.rlim_cur == RLIM_INFINITY)
    return wanted;
  if (limit.rlim_cur <= KEPT_DESCRIPTORS)
    return 1;
  if (limit.rlim_cur - KEPT_DESCRIPTORS < wanted)
    return (uint32_t) (limit.rlim_cur - KEPT_DESCRIPTORS);
  return wanted;
}

int jobsrv__http_init(jobsrv_sse_t *sse) {
  sse->read_buffer = jobsrv__malloc(sse->alloc, JOBSRV__READ_SIZE);
  if (sse->read_buffer == NULL)
    return UV_ENOMEM;
  jobsrv__queue_init(&sse->listeners);
  jobsrv__queue_init(&sse->conns);
  jobsrv__queue_init(&sse->resume);
  sse->resume_turn.data = sse;
  sse->accept_timer.data = sse;
  sse->max_connections = connections_in_force(sse->options.max_connections);
  return 0;
}

void jobsrv__http_free(jobsrv_sse_t *sse) {
  jobsrv__free(sse->alloc, sse->read_buffer);
  sse->read_buffer = NULL;
}

/* What belongs to a file, and there is none. */
static int wants_file(const jobsrv_sse_listen_options_t *options) {
  return options->mode != 0 || options->set_owner;
}

int jobsrv__http_listen(jobsrv_sse_t *sse,
                        const jobsrv_sse_listen_options_t *options) {
  jobsrv__address_t address;
  int is_fd;
  int err;

  if (options->address == NULL || options->mode > 0777)
    return UV_EINVAL;
  is_fd = jobsrv__address_is_fd(options->address);
  err = is_fd ? jobsrv__address_fd(options->address)
              : jobsrv__address_parse(options->address, &address);
  if (err < 0)
    return err;
  if ((is_fd || address.u.any.sa_family != AF_UNIX) && wants_file(options))
    return UV_EINVAL;
  return jobsrv__listener_new(sse, options, is_fd ? NULL : &address,
                              is_fd ? err : -1);
}

const jobsrv__listener_t *jobsrv__http_listener(const jobsrv_sse_t *sse,
                                                size_t index) {
  const jobsrv__queue_t *link = jobsrv__queue_front(&sse->listeners);

  for (; link != NULL && index > 0; index--)
    link = jobsrv__queue_next(&sse->listeners, link);
  if (link == NULL)
    return NULL;
  return JOBSRV__CONTAINER(link, jobsrv__listener_t, link);
}

static void close_listeners(jobsrv_sse_t *sse) {
  jobsrv__queue_t *link;

  jobsrv_timer_disarm(sse->srv, &sse->accept_timer);
  while ((link = jobsrv__queue_front(&sse->listeners)) != NULL)
    jobsrv__listener_close(JOBSRV__CONTAINER(link, jobsrv__listener_t, link));
}

static void tell_if_finished(jobsrv_sse_t *sse) {
  if (!sse->is_finishing || sse->is_finished || sse->is_closing ||
      sse->stats.connections > 0)
    return;
  sse->is_finished = 1;
  jobsrv__http_finished(sse);
}

/* Closing one that is idle calls nobody, so the list holds still. */
static void wind_up(jobsrv__queue_t *conns) {
  jobsrv__queue_t *link = jobsrv__queue_front(conns);
  jobsrv__queue_t *next;

  for (; link != NULL; link = next) {
    next = jobsrv__queue_next(conns, link);
    jobsrv__conn_wind_up(JOBSRV__CONTAINER(link, jobsrv__conn_t, link));
  }
}

void jobsrv__http_finish(jobsrv_sse_t *sse) {
  if (sse->is_finishing || sse->is_closing)
    return;
  sse->is_finishing = 1;
  close_listeners(sse);
  wind_up(&sse->conns);
  wind_up(&sse->resume);
  tell_if_finished(sse);
}

/* Each may close others in turn: always the first that is left. */
static void close_conns(jobsrv__queue_t *conns) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_front(conns)) != NULL)
    jobsrv__conn_close(JOBSRV__CONTAINER(link, jobsrv__conn_t, link));
}

void jobsrv__http_close(jobsrv_sse_t *sse) {
  if (sse->is_closing)
    return;
  sse->is_closing = 1;
  close_listeners(sse);
  jobsrv__fanouts_stop(sse); /* all connections are here again */
  close_conns(&sse->conns);
  close_conns(&sse->resume);
  jobsrv_turn_cancel(&sse->resume_turn);
}

void jobsrv__http_handle_closed(jobsrv_sse_t *sse) {
  tell_if_finished(sse);
  if (sse->handles == 0 && sse->is_closing)
    jobsrv__http_closed(sse);
}
