/* SPDX-License-Identifier: MIT */

#include "base/mailbox.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "base/ring.h"
#include "jobsrv/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
# include <sys/eventfd.h>
#endif

#include <uv.h>

/*
 * `gate` decides who may touch the queue, in one word: whether the mailbox is
 * closed, whether what was left in it is taken, and how many posts are under
 * way. Posts that came before the close push and are counted; whoever brings
 * the word to (closed, none under way) is the only one left, and drops.
 *
 * `awake` is set from the first post after a drain to the next drain: only
 * the post that sets it writes to the descriptor.
 *
 * Parcels go in a ring beside the queue, which is read first. Whoever posts a
 * mail shuts the ring behind it, and the ring is only opened again when it and
 * the queue are empty: what is in the ring never comes after a mail, for
 * anyone who knows of both. Parcels that find the ring shut come as mails.
 */
struct jobsrv__mailbox_s {
  jobsrv__ring_t ring;
  jobsrv__mpsc_t queue;
  jobsrv__parcel_cb read;
  unsigned int depth; /* of drains, inside each other */
  size_t spell;       /* parcels since the last wake */
  int busy;           /* there were many after the one before */
  int may_be_shut;    /* by a mail that was run since the ring was open */
  _Atomic uint64_t gate;
  _Atomic uint64_t posts;
  atomic_int awake;
  _Atomic uint64_t wakes;
  _Atomic size_t held;
  _Atomic size_t refs;
  int fds[2]; /* read, write: the same one for an eventfd */
  void (*finally)(void *arg);
  void *arg;
  jobsrv_alloc_t alloc;
};

enum {
  CLOSED = 1,
  TAKEN = 2,
  ONE_POST = 4, /* the count begins at this bit */
  SETTLES_AFTER = 64, /* parcels: their room is the senders' again */
  LEAST_PATIENCE = 4, /* drains in vain */
  MOST_PATIENCE = 64,
  MUCH = 8            /* parcels after a wake */
};

#ifdef __linux__
static int open_fds(int fds[2]) {
  fds[0] = jobsrv__fd_high(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  fds[1] = fds[0];
  return fds[0] >= 0 ? 0 : -errno;
}
#else
static int open_fds(int fds[2]) {
  int err;
  int i;

  if (pipe(fds))
    return -errno;
  for (i = 0; i < 2; i++)
    if (fcntl(fds[i], F_SETFL, O_NONBLOCK) ||
        fcntl(fds[i], F_SETFD, FD_CLOEXEC)) {
      err = -errno;
      close(fds[0]);
      close(fds[1]);
      return err;
    }
  return 0;
}
#endif

int jobsrv__mailbox_new(jobsrv__mailbox_t **out, const jobsrv_alloc_t *alloc) {
  jobsrv__mailbox_t *mailbox;
  int err;

  alloc = jobsrv__alloc(alloc);
  mailbox = jobsrv__zalloc(alloc, sizeof(*mailbox));
  if (mailbox == NULL)
    return UV_ENOMEM;
  err = open_fds(mailbox->fds);
  if (err) {
    jobsrv__free(alloc, mailbox);
    return err;
  }

  mailbox->alloc = *alloc;
  jobsrv__ring_init(&mailbox->ring, &mailbox->alloc);
  jobsrv__mpsc_init(&mailbox->queue);
  atomic_init(&mailbox->gate, 0);
  atomic_init(&mailbox->posts, 0);
  atomic_init(&mailbox->awake, 0);
  atomic_init(&mailbox->wakes, 0);
  atomic_init(&mailbox->held, 0);
  atomic_init(&mailbox->refs, 1);
  *out = mailbox;
  return 0;
}

jobsrv__mailbox_t *jobsrv__mailbox_ref(jobsrv__mailbox_t *mailbox) {
  atomic_fetch_add_explicit(&mailbox->refs, 1, memory_order_relaxed);
  return mailbox;
}

void jobsrv__mailbox_unref(jobsrv__mailbox_t *mailbox) {
  jobsrv_alloc_t alloc;

  if (atomic_fetch_sub_explicit(&mailbox->refs, 1, memory_order_acq_rel) != 1)
    return;

  /* What is dropped here may hold and drop references itself. */
  atomic_store_explicit(&mailbox->refs, SIZE_MAX / 2, memory_order_relaxed);
  jobsrv__mailbox_close(mailbox);

  close(mailbox->fds[0]);
  if (mailbox->fds[1] != mailbox->fds[0])
    close(mailbox->fds[1]);
  if (mailbox->finally != NULL)
    mailbox->finally(mailbox->arg);
  jobsrv__ring_free(&mailbox->ring);
  alloc = mailbox->alloc;
  jobsrv__free(&alloc, mailbox);
}

void jobsrv__mailbox_finally(jobsrv__mailbox_t *mailbox,
                             void (*finally)(void *arg),
                             void *arg) {
  mailbox->finally = finally;
  mailbox->arg = arg;
}

void jobsrv__mailbox_carry(jobsrv__mailbox_t *mailbox,
                           size_t max,
                           jobsrv__parcel_cb read) {
  mailbox->read = read;
  jobsrv__ring_limit(&mailbox->ring, max);
}

int jobsrv__mailbox_fd(const jobsrv__mailbox_t *mailbox) {
  return mailbox->fds[0];
}

void jobsrv__mailbox_wake(jobsrv__mailbox_t *mailbox) {
  const uint64_t one = 1;
  ssize_t n;

  if (atomic_exchange_explicit(&mailbox->awake, 1, memory_order_acq_rel))
    return;
  atomic_fetch_add_explicit(&mailbox->wakes, 1, memory_order_relaxed);
  /* A full pipe or counter is a wake that is there already. */
  do
    n = write(mailbox->fds[1], &one, sizeof(one));
  while (n < 0 && errno == EINTR);
}

/* Before `awake` is cleared: a post that comes in between finds that set and is
 * seen by the drain; the other way round its write would be eaten. */
static void clear_fd(jobsrv__mailbox_t *mailbox) {
  uint64_t count[8];
  ssize_t n;

  do
    n = read(mailbox->fds[0], count, sizeof(count));
  while ((n < 0 && errno == EINTR) || n == (ssize_t) sizeof(count));
}

static int is_closed(const jobsrv__mailbox_t *mailbox) {
  return (atomic_load_explicit(&mailbox->gate, memory_order_relaxed) &
          CLOSED) != 0;
}

static jobsrv__mail_t *take(jobsrv__mailbox_t *mailbox) {
  return (jobsrv__mail_t *) (void *) jobsrv__mpsc_pop(&mailbox->queue);
}

/* Called by whoever has seen the gate closed with no post under way. */
static void drop_rest(jobsrv__mailbox_t *mailbox) {
  jobsrv__mail_t *mail;

  if (atomic_fetch_or_explicit(&mailbox->gate, TAKEN, memory_order_acq_rel) &
      TAKEN)
    return;
  while ((mail = take(mailbox)) != NULL)
    mail->run(mail, NULL);
}

/* Ends a post. The caller's reference keeps the mailbox through the drop. */
static void leave(jobsrv__mailbox_t *mailbox) {
  uint64_t before = atomic_fetch_sub_explicit(&mailbox->gate,
                                              ONE_POST,
                                              memory_order_acq_rel);

  if (before - ONE_POST == CLOSED)
    drop_rest(mailbox);
}

int jobsrv__mailbox_post(jobsrv__mailbox_t *mailbox, jobsrv__mail_t *mail) {
  uint64_t before = atomic_fetch_add_explicit(&mailbox->gate,
                                              ONE_POST,
                                              memory_order_acq_rel);

  if (before & CLOSED) {
    leave(mailbox);
    return JOBSRV_ECLOSED;
  }
  atomic_fetch_add_explicit(&mailbox->posts, 1, memory_order_relaxed);
  jobsrv__mpsc_push(&mailbox->queue, &mail->node);
  jobsrv__ring_shut(&mailbox->ring);
  jobsrv__mailbox_wake(mailbox);
  leave(mailbox);
  return 0;
}

int jobsrv__mailbox_room(jobsrv__mailbox_t *mailbox,
                         size_t size,
                         void **room) {
  return jobsrv__ring_reserve(
      &mailbox->ring, size,
      atomic_load_explicit(&mailbox->held, memory_order_relaxed), room);
}

void jobsrv__mailbox_expect(jobsrv__mailbox_t *mailbox) {
  jobsrv__ring_prefetch(&mailbox->ring);
}

void jobsrv__mailbox_send(jobsrv__mailbox_t *mailbox, void *room) {
  jobsrv__ring_publish(&mailbox->ring, room);
  if (!atomic_load(&mailbox->awake))
    jobsrv__mailbox_wake(mailbox);
}

/*
 * One parcel, or one mail when all parcels before it have been read. Returns 1,
 * or 0 when there is nothing that may be had: then its sender will wake.
 */
static int run_one(jobsrv__mailbox_t *mailbox, void *owner, size_t *parcels) {
  void *parcel = jobsrv__ring_take(&mailbox->ring);
  jobsrv__mail_t *mail;

  if (parcel != NULL) {
    mailbox->read(owner, parcel);
    if (++*parcels % SETTLES_AFTER == 0 && mailbox->depth == 1)
      jobsrv__ring_settle(&mailbox->ring);
    return 1;
  }
  /* The ring's own word is the senders': not to be looked at for nothing. */
  if (!mailbox->may_be_shut && jobsrv__mpsc_empty(&mailbox->queue))
    return 0;
  if (!jobsrv__ring_over(&mailbox->ring))
    return 0;
  mailbox->may_be_shut = 1;
  mail = take(mailbox);
  if (mail != NULL) {
    mail->run(mail, owner);
    return 1;
  }
  jobsrv__ring_ready(&mailbox->ring);
  if (jobsrv__mpsc_empty(&mailbox->queue) &&
      jobsrv__ring_open(&mailbox->ring))
    mailbox->may_be_shut = 0;
  return 0;
}

/* Runs up to `max`. Returns how many; the caller holds a reference. */
static size_t run(jobsrv__mailbox_t *mailbox,
                  void *owner,
                  size_t max,
                  size_t *parcels) {
  size_t ran = 0;

  mailbox->depth++;
  while (ran < max && !is_closed(mailbox) &&
         run_one(mailbox, owner, parcels))
    ran++;
  if (mailbox->depth == 1)
    jobsrv__ring_settle(&mailbox->ring);
  mailbox->depth--;
  return ran;
}

/*
 * While parcels come, a wake for each would cost more than they do: whoever
 * sends finds `awake` set until the owner has come by in vain for some times.
 * Then it is to be woken again, after one last look for what came in between.
 * A wake can take its sender longer than it takes the owner to come by often:
 * when there was much after the last one, more patience is had from the start.
 */
static int patience_of(jobsrv__mailbox_t *mailbox,
                       int patience,
                       size_t parcels) {
  if (parcels > 0) {
    if (mailbox->spell < MUCH)
      mailbox->spell += parcels;
    return patience > 0 || mailbox->busy ? MOST_PATIENCE : LEAST_PATIENCE;
  }
  if (patience > 1)
    return patience - 1;
  mailbox->busy = mailbox->spell >= MUCH;
  mailbox->spell = 0;
  return 0;
}

size_t jobsrv__mailbox_drain(jobsrv__mailbox_t *mailbox,
                             void *owner,
                             size_t max,
                             int *lingers) {
  int patience = lingers != NULL ? *lingers : 0;
  size_t parcels = 0;
  size_t ran = 0;

  if (lingers != NULL)
    *lingers = 0;
  if (is_closed(mailbox))
    return 0;

  /* A mail may close the mailbox and drop its owner's reference. */
  jobsrv__mailbox_ref(mailbox);
  if (patience == 0)
    clear_fd(mailbox);
  if (lingers != NULL) {
    ran = run(mailbox, owner, max, &parcels);
    patience = patience_of(mailbox, patience, parcels);
  }
  if (patience == 0) {
    atomic_exchange(&mailbox->awake, 0);
    ran += run(mailbox, owner, max - ran, &parcels);
    if (parcels > 0)
      patience = patience_of(mailbox, 0, parcels);
  }

  if (lingers != NULL && patience > 0 && !is_closed(mailbox)) {
    atomic_exchange(&mailbox->awake, 1);
    *lingers = patience;
  } else if (ran == max && !is_closed(mailbox) &&
             !jobsrv__mailbox_empty(mailbox)) {
    /* What a half-done push hides is not waited for: its post wakes. */
    jobsrv__mailbox_wake(mailbox);
  }
  jobsrv__mailbox_unref(mailbox);
  return ran;
}

/* Once closed the queue is whoever drops it: not to be looked at. */
int jobsrv__mailbox_empty(const jobsrv__mailbox_t *mailbox) {
  return is_closed(mailbox) || (jobsrv__mpsc_empty(&mailbox->queue) &&
                                jobsrv__ring_empty(&mailbox->ring));
}

void jobsrv__mailbox_trim(jobsrv__mailbox_t *mailbox) {
  if (mailbox->depth == 0 && !is_closed(mailbox))
    jobsrv__ring_trim(&mailbox->ring);
}

void jobsrv__mailbox_close(jobsrv__mailbox_t *mailbox) {
  uint64_t before = atomic_fetch_or_explicit(&mailbox->gate,
                                             CLOSED,
                                             memory_order_acq_rel);

  jobsrv__ring_shut(&mailbox->ring);
  if (before == 0)
    drop_rest(mailbox);
}

int jobsrv__mailbox_reserve(jobsrv__mailbox_t *mailbox,
                            size_t bytes,
                            size_t max) {
  size_t held = atomic_load_explicit(&mailbox->held, memory_order_relaxed);
  size_t used = jobsrv__ring_used(&mailbox->ring);

  max = max > used ? max - used : 0;

  do
    if (held > max || bytes > max - held)
      return 0;
  while (!atomic_compare_exchange_weak_explicit(&mailbox->held,
                                                &held,
                                                held + bytes,
                                                memory_order_relaxed,
                                                memory_order_relaxed));
  return 1;
}

void jobsrv__mailbox_release(jobsrv__mailbox_t *mailbox, size_t bytes) {
  atomic_fetch_sub_explicit(&mailbox->held, bytes, memory_order_relaxed);
}

size_t jobsrv__mailbox_held(const jobsrv__mailbox_t *mailbox) {
  return atomic_load_explicit(&mailbox->held, memory_order_relaxed) +
         jobsrv__ring_used(&mailbox->ring);
}

size_t jobsrv__mailbox_memory(const jobsrv__mailbox_t *mailbox) {
  return jobsrv__ring_memory(&mailbox->ring);
}

uint64_t jobsrv__mailbox_posts(const jobsrv__mailbox_t *mailbox) {
  return atomic_load_explicit(&mailbox->posts, memory_order_relaxed);
}

uint64_t jobsrv__mailbox_wakes(const jobsrv__mailbox_t *mailbox) {
  return atomic_load_explicit(&mailbox->wakes, memory_order_relaxed);
}
