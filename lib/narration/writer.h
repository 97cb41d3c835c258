/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_WRITER_H_
#define JOBSRV_NARRATION_WRITER_H_

/*
 * The one thread of a server that writes where writing may block. Sinks give
 * it whole records, each sink to a lane of its own: a bounded queue in front of
 * an outlet. A lane that stands still holds up nobody. Calls are the loop
 * thread's.
 */

#include "base/mailbox.h"
#include "jobsrv/alloc.h"
#include "jobsrv/sink.h"
#include "narration/outlet.h"

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__writer_s jobsrv__writer_t;
typedef struct jobsrv__lane_s jobsrv__lane_t;

/* How long a close waits for records that nobody takes. */
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

/* ---- lanes ---- */

typedef struct jobsrv__lane_options_s {
  size_t max; /* bytes waiting, what they need beside their text included */
  jobsrv_overflow_t overflow;
  /*
   * The outlet began to fail with `err`, or (0) is well again after `lost`
   * records were lost. On the loop thread, not after the lane's close; may be
   * NULL.
   */
  void (*trouble)(void *arg, int err, uint64_t lost);
  void *arg;
} jobsrv__lane_options_t;

/*
 * A lane to `outlet`, which it owns from here on. Returns 0, UV_ENOMEM, or
 * UV_EMFILE past 16 lanes, with `*out` untouched and the outlet the caller's.
 */
int jobsrv__lane_new(jobsrv__lane_t **out,
                     jobsrv__writer_t *writer,
                     jobsrv__outlet_t *outlet,
                     const jobsrv__lane_options_t *options);

/*
 * Queues a record, or drops and counts it, or older ones for it, as the lane's
 * overflow says; how many were lost is told in their place. Of records with the
 * same `key`, if it is not 0, a lane that coalesces keeps the newest alone.
 */
void jobsrv__lane_put(jobsrv__lane_t *lane,
                      const char *data,
                      size_t len,
                      uint64_t key,
                      uint64_t wall_ns);

/* Counts an event that could not be made into a record. */
void jobsrv__lane_drop(jobsrv__lane_t *lane, uint64_t wall_ns);

uint64_t jobsrv__lane_dropped(const jobsrv__lane_t *lane);

/* Has the outlet's `poke` called. */
void jobsrv__lane_poke(jobsrv__lane_t *lane);

/* Nothing more will come; the thread frees it when its queue is empty. */
void jobsrv__lane_close(jobsrv__lane_t *lane);

/* ---- narration.c ---- */

/*
 * A lane of the server's writer, which the first one starts. Returns as
 * jobsrv__writer_new() and jobsrv__lane_new(); when not 0, the outlet is
 * closed.
 */
int jobsrv__narration_lane(jobsrv_t *srv,
                           jobsrv__outlet_t *outlet,
                           const jobsrv__lane_options_t *options,
                           jobsrv__lane_t **out);

#endif /* JOBSRV_NARRATION_WRITER_H_ */
