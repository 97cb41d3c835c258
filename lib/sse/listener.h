/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_LISTENER_H_
#define JOBSRV_SSE_LISTENER_H_

#include "sse/address.h"
#include "sse/internal.h"

#include <sys/types.h>

struct jobsrv__listener_s {
  jobsrv__queue_t link; /* in sse->listeners */
  uv_poll_t poll;
  jobsrv_sse_t *sse;
  jobsrv__address_t address; /* with the port that was picked */
  int fd;                    /* -1 once closed */
  dev_t dev;                 /* of a socket file: it may be somebody else's */
  ino_t ino;                 /* by the time we close */
};

/*
 * Opens one, or takes over `given` if that is not -1, and puts it last in the
 * list. Returns 0 or what jobsrv_sse_listen() promises.
 */
int jobsrv__listener_new(jobsrv_sse_t *sse,
                         const jobsrv_sse_listen_options_t *options,
                         const jobsrv__address_t *address,
                         int given);

/* Has all listeners wait for connections, or stop doing so. */
void jobsrv__listeners_start(jobsrv_sse_t *sse);
void jobsrv__listeners_stop(jobsrv_sse_t *sse);

/* Stops accepting and closes, out of the list; freed by the loop. */
void jobsrv__listener_close(jobsrv__listener_t *listener);

enum {
  JOBSRV__ADMIT_IN,
  JOBSRV__ADMIT_TOLD, /* that there are too many */
  JOBSRV__ADMIT_NOT   /* not even told */
};

/* What becomes of one more connection; it is counted. */
int jobsrv__http_admit(jobsrv_sse_t *sse);

/* http.c: called when a handle is closed and `handles` counted down. */
void jobsrv__http_handle_closed(jobsrv_sse_t *sse);

/* conn.c: goes on with the conns that had asked for it. */
void jobsrv__http_resume(jobsrv_turn_t *turn);

#endif /* JOBSRV_SSE_LISTENER_H_ */
