/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_PROCESS_PIPES_H_
#define JOBSRV_CORE_PROCESS_PIPES_H_

/* A child and its two outputs, which become lines of its job's narration. */

#include "core/attempt.h"
#include "core/line_split.h"
#include "core/server.h"
#include "jobsrv/process.h"

typedef struct jobsrv__child_s jobsrv__child_t;

typedef struct jobsrv__output_s {
  uv_poll_t poll;
  jobsrv__child_t *child;
  int fd;     /* -1 once it is at its end */
  int stream; /* 1 or 2 */
  jobsrv__lines_t lines;
} jobsrv__output_t;

enum {
  JOBSRV__CHILD_EXITED = 1 << 0,   /* the leader; a zombie until it is reaped */
  JOBSRV__CHILD_LOST = 1 << 1,     /* somebody else has reaped it */
  JOBSRV__CHILD_KILLED = 1 << 2,   /* the grace is over */
  JOBSRV__CHILD_DISPOSED = 1 << 3, /* no part of a job any more */
  JOBSRV__CHILD_TURN = 1 << 4      /* a turn has been asked for */
};

struct jobsrv__child_s {
  jobsrv__attempt_t attempt;
  jobsrv_t *srv;
  jobsrv_job_t *job;      /* referenced until disposed */
  unsigned int refs;      /* its being alive, each handle, each call inside */
  unsigned int flags;
  pid_t pid;              /* 0: nothing spawned */
  int pidfd;              /* -1: none */
  jobsrv_output_t format; /* as what its lines are read */
  uint64_t started_ns;
  uv_poll_t exit;
  jobsrv__output_t outputs[2];
  jobsrv_timer_t linger;  /* for the outputs, once the leader has exited */
  jobsrv_turn_t turn;
  jobsrv_part_t part;     /* so that the server's close finds it */
};

void jobsrv__child_unref(jobsrv__child_t *child);

/* Watches `fd` with a handle of the child's that is not yet one. */
int jobsrv__child_watch(jobsrv__child_t *child, uv_poll_t *poll, int fd);

/* The handle holds the child until it is closed. */
void jobsrv__child_unwatch(uv_poll_t *poll);

/* Nothing is left to be read: see whether that was the last thing. */
void jobsrv__child_look(jobsrv__child_t *child);

/* Begins to read `fd`, which is the output's from now on, also on failure. */
int jobsrv__output_open(jobsrv__output_t *output, int fd);

/* Starts, once there is a child. */
void jobsrv__output_start(jobsrv__output_t *output);

/* Takes what can be read at this moment, and the rest of a line, and ends. */
void jobsrv__output_drain(jobsrv__output_t *output);

/* Ends it. Harmless on one that has ended. */
void jobsrv__output_close(jobsrv__output_t *output);

#endif /* JOBSRV_CORE_PROCESS_PIPES_H_ */
