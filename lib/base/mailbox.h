/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_MAILBOX_H_
#define JOBSRV_BASE_MAILBOX_H_

/*
 * The way into a loop from any thread. The owner polls jobsrv__mailbox_fd()
 * for reading and drains when it is readable. The mailbox is counted and
 * outlives its owner: whoever posts holds a reference, and after close finds
 * it shut instead of gone. Nobody ever waits for anybody.
 */

#include "base/mpsc.h"
#include "jobsrv/alloc.h"

#include <stddef.h>
#include <stdint.h>

typedef struct jobsrv__mailbox_s jobsrv__mailbox_t;
typedef struct jobsrv__mail_s jobsrv__mail_t;

/*
 * Called once for each mail that was posted. With `owner`, on the owner's
 * thread, in order. With NULL, the mailbox was closed before its turn came:
 * only free what it holds; this may be any thread that was posting. The node
 * is the callee's again in both cases.
 */
typedef void (*jobsrv__mail_cb)(jobsrv__mail_t *mail, void *owner);

/* One parcel, on the owner's thread. Those left at close are not told of. */
typedef void (*jobsrv__parcel_cb)(void *owner, void *parcel);

/* Lives in the sender's own struct; posting allocates nothing. */
struct jobsrv__mail_s {
  jobsrv__mpsc_node_t node;
  jobsrv__mail_cb run;
};

/*
 * One reference, the caller's. `alloc` (NULL: the C library) is copied.
 *
 * Returns 0, UV_ENOMEM, or a negative errno (UV_EMFILE) with `*out` untouched.
 */
int jobsrv__mailbox_new(jobsrv__mailbox_t **out, const jobsrv_alloc_t *alloc);

/* [any] Returns `mailbox`. */
jobsrv__mailbox_t *jobsrv__mailbox_ref(jobsrv__mailbox_t *mailbox);

/*
 * [any] The last one closes the mailbox if need be and its descriptor, calls
 * the last hook, then frees the memory.
 */
void jobsrv__mailbox_unref(jobsrv__mailbox_t *mailbox);

/*
 * Has `finally(arg)` called from the last unref, on whichever thread that is.
 * Owner only, before the mailbox is shared or from its own thread while it
 * holds a reference.
 */
void jobsrv__mailbox_finally(jobsrv__mailbox_t *mailbox,
                             void (*finally)(void *arg),
                             void *arg);

/*
 * Lets it carry parcels, `max` bytes at once with what is counted below; each
 * is read by `read`. Owner only, before the mailbox is shared.
 */
void jobsrv__mailbox_carry(jobsrv__mailbox_t *mailbox,
                           size_t max,
                           jobsrv__parcel_cb read);

/* Non-blocking, close-on-exec; readable when there may be mail. */
int jobsrv__mailbox_fd(const jobsrv__mailbox_t *mailbox);

/*
 * [any] Queues a mail and wakes the owner if nobody has yet. Never waits.
 *
 * Returns 0, or JOBSRV_ECLOSED; then the mail was not taken and its `run` is
 * not called.
 */
int jobsrv__mailbox_post(jobsrv__mailbox_t *mailbox, jobsrv__mail_t *mail);

/*
 * [any] Room for a parcel of `size` bytes, which comes in order with mails. It
 * must be sent, soon, while the caller holds something that keeps the mailbox.
 *
 * Returns 0; JOBSRV_EDROPPED past the bound; UV_ENOMEM; UV_EAGAIN or
 * JOBSRV_ETOOBIG: it has to come as a mail, which says whether it is closed.
 */
int jobsrv__mailbox_room(jobsrv__mailbox_t *mailbox,
                         size_t size,
                         void **room);

/* [any] Sends what is in the room. */
void jobsrv__mailbox_send(jobsrv__mailbox_t *mailbox, void *room);

/* [any] A parcel is about to be made: has its room brought near. */
void jobsrv__mailbox_expect(jobsrv__mailbox_t *mailbox);

/* [any] Makes the descriptor readable once, as a mail would; also when
 * closed. */
void jobsrv__mailbox_wake(jobsrv__mailbox_t *mailbox);

/*
 * Owner only. Clears the wake and runs up to `max` parcels and mails with
 * `owner`, which is not NULL. When `max` ends it the mailbox wakes itself
 * again. A mail may post, close the mailbox (the rest is dropped then), or
 * drain in turn.
 *
 * `*lingers`, which may be missing and is 0 at first, is more for some time
 * after parcels: the owner must then come again with it before it blocks, for
 * nobody wakes it.
 *
 * Returns how many ran, those that a mail drained in turn aside.
 */
size_t jobsrv__mailbox_drain(jobsrv__mailbox_t *mailbox,
                             void *owner,
                             size_t max,
                             int *lingers);

/* Owner only. Gives back what parcels took, if there are none. */
void jobsrv__mailbox_trim(jobsrv__mailbox_t *mailbox);

/* Owner only. 0 as soon as any thread's post has taken its place, 1 once
 * closed. */
int jobsrv__mailbox_empty(const jobsrv__mailbox_t *mailbox);

/*
 * Owner only. Posts from now on get JOBSRV_ECLOSED; what is queued is dropped
 * here, or by the last post that was under way. Harmless when closed.
 */
void jobsrv__mailbox_close(jobsrv__mailbox_t *mailbox);

/*
 * [any] Bounds what is in flight: counts `bytes` if all that is counted then
 * stays within `max`. Each success is released once.
 *
 * Returns 1 when counted, else 0.
 */
int jobsrv__mailbox_reserve(jobsrv__mailbox_t *mailbox,
                            size_t bytes,
                            size_t max);

/* [any] */
void jobsrv__mailbox_release(jobsrv__mailbox_t *mailbox, size_t bytes);

/* [any] Bytes reserved now, parcels included; and what they are kept in. */
size_t jobsrv__mailbox_held(const jobsrv__mailbox_t *mailbox);
size_t jobsrv__mailbox_memory(const jobsrv__mailbox_t *mailbox);

/* [any] Mails taken, and wakes written to the descriptor, so far. */
uint64_t jobsrv__mailbox_posts(const jobsrv__mailbox_t *mailbox);
uint64_t jobsrv__mailbox_wakes(const jobsrv__mailbox_t *mailbox);

#endif /* JOBSRV_BASE_MAILBOX_H_ */
