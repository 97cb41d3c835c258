/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_WRITER_H_
#define JOBSRV_NARRATION_WRITER_H_

/*
 * The one thread of a server that writes where writing may block. Sinks give
 * it whole lines, each sink to a lane of its own with a bounded queue; a lane
 * that stands still holds up nobody. Calls are the loop thread's.
 */

#include "base/mailbox.h"
#include "jobsrv/alloc.h"

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__writer_s jobsrv__writer_t;
typedef struct jobsrv__lane_s jobsrv__lane_t;

/* How long a close waits for lines that nobody takes. */
enum { JOBSRV__WRITER_LAST_MS = 1000 };

/*
 * Starts the thread, with all signals blocked. Returns 0, UV_ENOMEM, or what
 * making a descriptor or a thread returned, with `*out` untouched.
 */
int jobsrv__writer_new(jobsrv__writer_t **out,
                       const jobsrv_alloc_t *alloc,
                       jobsrv__mailbox_t *mailbox);

/*
 * Stops the thread when it has written what is taken without delay; waits for
 * that about a second at most. A thread that is stuck in a write is left to
 * itself, with the memory that it needs.
 */
void jobsrv__writer_close(jobsrv__writer_t *writer);

/* Called on the loop thread, unless the server has closed by then. */
typedef void (*jobsrv__flushed_cb)(void *arg);

/*
 * Has `cb` called once all that is queued now has been written, or cannot be.
 * Returns 1 when that is so already; `cb` is then not called. One at a time.
 */
int jobsrv__writer_flush(jobsrv__writer_t *writer,
                         jobsrv__flushed_cb cb,
                         void *arg);

/*
 * A lane to a duplicate of `fd`, with at most `max` bytes waiting. `notice`, a
 * format with one %llu, is the line that tells how many were dropped; constant.
 * Returns 0, UV_ENOMEM, UV_EMFILE (also past 16 lanes) or UV_EBADF, with
 * `*out` untouched.
 */
int jobsrv__lane_new(jobsrv__lane_t **out,
                     jobsrv__writer_t *writer,
                     int fd,
                     size_t max,
                     const char *notice);

/* Queues a line, its end included, or drops and counts it. */
void jobsrv__lane_write(jobsrv__lane_t *lane, const char *line, size_t len);

/* Counts an event that could not be made into a line. */
void jobsrv__lane_drop(jobsrv__lane_t *lane);

uint64_t jobsrv__lane_dropped(const jobsrv__lane_t *lane);

/* Nothing more will come; the thread frees it when its queue is empty. */
void jobsrv__lane_close(jobsrv__lane_t *lane);

#endif /* JOBSRV_NARRATION_WRITER_H_ */
