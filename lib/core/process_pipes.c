/* SPDX-License-Identifier: MIT */

#include "core/process_pipes.h"

#include "base/alloc.h"

#include <errno.h>
#include <unistd.h>

/*
 * A line may make a sink of the host's close the server, so every walk over
 * bytes is made with the child held, and looks again after each read.
 */

enum {
  TURN_BUDGET = 64 * 1024,   /* of one output, in one turn of the loop */
  DRAIN_BUDGET = 1024 * 1024 /* what an unprivileged pipe holds at most */
};

void jobsrv__child_unref(jobsrv__child_t *child) {
  const jobsrv_alloc_t *alloc = &child->srv->alloc;

  if (--child->refs != 0)
    return;
  for (int i = 0; i < 2; i++)
    jobsrv__lines_free(&child->outputs[i].lines, alloc);
  jobsrv__free(alloc, child);
}

int jobsrv__child_watch(jobsrv__child_t *child, uv_poll_t *poll, int fd) {
  int err = uv_poll_init(child->srv->loop, poll, fd);

  if (err != 0)
    return err;
  /* A live job keeps the loop alive; one that was abandoned must not. */
  uv_unref((uv_handle_t *) poll);
  poll->data = child;
  child->refs++;
  child->srv->handles++;
  jobsrv__armed(child->srv);
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  jobsrv__child_t *child = handle->data;
  jobsrv_t *srv = child->srv;

  jobsrv__child_unref(child);
  jobsrv__handle_closed(srv);
}

void jobsrv__child_unwatch(uv_poll_t *poll) {
  uv_close((uv_handle_t *) poll, on_closed);
  jobsrv__armed(((jobsrv__child_t *) poll->data)->srv);
}

static void on_line(void *arg, int part, const char *text, size_t len) {
  jobsrv__output_t *output = arg;
  jobsrv__child_t *child = output->child;

  if (child->flags & JOBSRV__CHILD_DISPOSED || jobsrv__job_ended(child->job))
    return;
  child->srv->observer->line(child->job, output->stream, child->format, part,
                             text, len);
}

/* Reads up to `budget` bytes. Returns 1 at the end of the output. */
static int read_some(jobsrv__output_t *output, size_t budget) {
  size_t room;
  char *to;
  ssize_t n;

  while (budget > 0) {
    to = jobsrv__lines_room(&output->lines, &room);
    n = read(output->fd, to, room < budget ? room : budget);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return 0;
    if (n <= 0)
      return 1;
    jobsrv__lines_added(&output->lines, (size_t) n);
    if (output->fd < 0)
      return 0; /* disposed of by what a line set off */
    budget -= (size_t) n;
  }
  return 0;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  jobsrv__output_t *output = JOBSRV__CONTAINER(poll, jobsrv__output_t, poll);
  jobsrv__child_t *child = output->child;

  (void) status; /* read() says it better */
  (void) events;
  child->refs++;
  if (read_some(output, TURN_BUDGET)) {
    jobsrv__lines_end(&output->lines);
    jobsrv__output_close(output);
    jobsrv__child_look(child);
  } else if (status < 0 && output->fd >= 0) {
    (void) uv_poll_start(poll, UV_READABLE, on_readable);
  }
  jobsrv__child_unref(child);
}

int jobsrv__output_open(jobsrv__output_t *output, int fd) {
  jobsrv__child_t *child = output->child;
  int err = jobsrv__lines_init(&output->lines, &child->srv->alloc, on_line,
                               output);

  if (err == 0)
    err = jobsrv__child_watch(child, &output->poll, fd);
  if (err == 0)
    output->fd = fd;
  else
    close(fd);
  return err;
}

void jobsrv__output_start(jobsrv__output_t *output) {
  /* Cannot fail: the handle is new and the event is a known one. */
  (void) uv_poll_start(&output->poll, UV_READABLE, on_readable);
}

void jobsrv__output_drain(jobsrv__output_t *output) {
  if (output->fd < 0)
    return;
  (void) read_some(output, DRAIN_BUDGET);
  jobsrv__lines_end(&output->lines);
  jobsrv__output_close(output);
}

void jobsrv__output_close(jobsrv__output_t *output) {
  if (output->fd < 0)
    return;
  jobsrv__child_unwatch(&output->poll);
  close(output->fd);
  output->fd = -1;
}
