/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_NARRATION_DAEMON_H
#define JOBSRV_TEST_NARRATION_DAEMON_H

/* A daemon behind a unix socket, in the test's own process. */

#include "world.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
  world_t world;
  char folder[64];
  char path[96];
  int fd;              /* -1: the daemon is not there */
  jobsrv_sink_t *sink;
  jobsrv_job_t *job;
  int troubles;
  int err;
  uint64_t lost;
  char data[300000];   /* the last message */
  size_t len;
} daemon_t;

static inline void daemon_start(daemon_t *d, int type) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  snprintf(address.sun_path, sizeof(address.sun_path), "%s", d->path);
  (void) unlink(d->path);
  d->fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  assert_true(d->fd >= 0);
  assert_int_equal(bind(d->fd, (struct sockaddr *) &address,
                        sizeof(address)), 0);
  if (type == SOCK_STREAM)
    assert_int_equal(listen(d->fd, 4), 0);
}

static inline void daemon_stop(daemon_t *d) {
  close(d->fd);
  d->fd = -1;
  (void) unlink(d->path);
}

static inline void daemon_open(daemon_t *d) {
  memset(d, 0, sizeof(*d));
  world_open(&d->world);
  snprintf(d->folder, sizeof(d->folder), "daemon-test.XXXXXX");
  assert_non_null(mkdtemp(d->folder));
  snprintf(d->path, sizeof(d->path), "%s/socket", d->folder);
  d->fd = -1;
  d->job = begin_job(&d->world);
}

static inline void daemon_close(daemon_t *d) {
  world_close(&d->world);
  if (d->fd >= 0)
    daemon_stop(d);
  assert_int_equal(rmdir(d->folder), 0);
}

static inline void daemon_on_trouble(jobsrv_sink_t *sink,
                                     int err,
                                     uint64_t lost,
                                     void *data) {
  daemon_t *d = data;

  assert_ptr_equal(sink, d->sink);
  d->troubles++;
  d->err = err;
  d->lost = lost;
}

static inline int daemon_has_trouble(void *data) {
  return ((daemon_t *) data)->troubles > 0;
}

static inline int daemon_is_well(void *data) {
  return ((daemon_t *) data)->troubles > 1;
}

static inline void daemon_await(int fd) {
  struct pollfd ready = { .fd = fd, .events = POLLIN };

  assert_int_equal(poll(&ready, 1, 5000), 1);
}

/* The next datagram, ended by a NUL. */
static inline void daemon_receive(daemon_t *d) {
  ssize_t n;

  daemon_await(d->fd);
  n = recv(d->fd, d->data, sizeof(d->data) - 1, 0);
  assert_true(n > 0);
  d->len = (size_t) n;
  d->data[n] = '\0';
}

static inline int daemon_is_set(void *data) {
  return *(int *) data;
}

static inline void daemon_on_flushed(jobsrv_t *srv, int err, void *data) {
  (void) srv;
  (void) err;
  *(int *) data = 1;
}

/* All of what there can be, in all members that text can be in. */
static inline jobsrv_event_t full_event(const char *text) {
  return (jobsrv_event_t) {
    .size = sizeof(jobsrv_event_t),
    .level = JOBSRV_ERROR,
    .actor = text,
    .action = text,
    .target = text,
    .human = text,
    .cute = text,
    .story = text,
    .correlation_id = text,
    .request_id = text,
    .file = text,
    .line = 7,
    .function = text,
  };
}

#endif /* JOBSRV_TEST_NARRATION_DAEMON_H */
