/* SPDX-License-Identifier: MIT */

#include "narration/writer.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/queue.h"
#include "jobsrv/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

/*
 * Two buffers a lane: the loop appends to `back`, the thread writes `front` and
 * takes `back` for it when it is empty. The lock is held for copying lines and
 * exchanging buffers, never for writing.
 *
 * Pieces of at most PIPE_BUF after POLLOUT do not block on a pipe or a
 * terminal, unless another process fills it in between.
 */
enum {
  PIECE = 4096,
  STACK = 128 * 1024,
  QUIET_MS = 100, /* at the end: so long without room, and it is given up */
  MAX_LANES = 16
};

static const uint64_t MS = 1000000;

struct jobsrv__lane_s {
  jobsrv__queue_t link;
  jobsrv__writer_t *writer;
  int fd;
  size_t max;
  const char *notice;
  jobsrv__buf_t back;
  jobsrv__buf_t front;      /* the thread's */
  size_t written;           /* of front; the thread's */
  size_t waiting;           /* bytes in both */
  uint64_t dropped;
  uint64_t announced;       /* of those */
  int closed;
  int broken;
};

struct jobsrv__writer_s {
  jobsrv_alloc_t alloc;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  pthread_t thread;
  unsigned int refs;        /* the loop's and the thread's */
  jobsrv__mailbox_t *mailbox;
  jobsrv__queue_t lanes;
  unsigned int nlanes;
  int wake[2];
  int woken;
  int stop;
  int has_ended;
  jobsrv__mail_t flushed;
  int wanted;               /* somebody waits for `flushed` */
  jobsrv__flushed_cb cb;
  void *arg;
};

static void writer_unref(jobsrv__writer_t *writer) {
  jobsrv_alloc_t alloc = writer->alloc;
  jobsrv__mailbox_t *mailbox = writer->mailbox;
  unsigned int refs;

  pthread_mutex_lock(&writer->lock);
  refs = --writer->refs;
  pthread_mutex_unlock(&writer->lock);
  if (refs > 0)
    return;
  close(writer->wake[0]);
  close(writer->wake[1]);
  pthread_cond_destroy(&writer->ended);
  pthread_mutex_destroy(&writer->lock);
  jobsrv__free(&alloc, writer);
  jobsrv__mailbox_unref(mailbox);
}

/* Under the lock. */
static void wake(jobsrv__writer_t *writer) {
  if (writer->woken)
    return;
  writer->woken = 1;
  while (write(writer->wake[1], "", 1) < 0 && errno == EINTR)
    ;
}

/* ---- the thread ---- */

/* Under the lock. */
static void lane_free(jobsrv__lane_t *lane) {
  jobsrv__queue_remove(&lane->link);
  lane->writer->nlanes--;
  close(lane->fd);
  jobsrv__buf_free(&lane->back);
  jobsrv__buf_free(&lane->front);
  jobsrv__free(&lane->writer->alloc, lane);
}

/* Under the lock: how many events were lost goes behind those that were not. */
static void announce(jobsrv__lane_t *lane) {
  char line[96];
  int len;

  if (lane->dropped == lane->announced)
    return;
  len = snprintf(line, sizeof(line), lane->notice,
                 (unsigned long long) (lane->dropped - lane->announced));
  if (jobsrv__buf_append(&lane->back, line, (size_t) len) != 0) {
    lane->back.failed = 0;
    return;
  }
  lane->waiting += (size_t) len;
  lane->announced = lane->dropped;
}

/* Under the lock: 1 if the lane has something to write, in `front`. */
static int lane_ready(jobsrv__lane_t *lane) {
  jobsrv__buf_t swap;

  if (lane->broken)
    return 0;
  if (lane->written < lane->front.len)
    return 1;
  if (lane->back.len == 0)
    announce(lane);
  swap = lane->front;
  lane->front = lane->back;
  lane->back = swap;
  jobsrv__buf_reset(&lane->back);
  lane->written = 0;
  return lane->front.len > 0;
}

/* Without the lock. Returns bytes written, 0 for not now, or an error. */
static ssize_t lane_put(const jobsrv__lane_t *lane) {
  size_t len = lane->front.len - lane->written;
  ssize_t n;

  do
    n = write(lane->fd, lane->front.data + lane->written,
              len < PIECE ? len : PIECE);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  return n;
}

static uint64_t count_lines(const jobsrv__buf_t *buf, size_t from) {
  uint64_t n = 0;

  for (; from < buf->len; from++)
    n += buf->data[from] == '\n';
  return n;
}

/* Under the lock. What a descriptor will never take is dropped, and counted. */
static void lane_took(jobsrv__lane_t *lane, ssize_t n) {
  if (n < 0) {
    lane->broken = 1;
    lane->waiting = 0;
    lane->dropped += count_lines(&lane->front, lane->written) +
                     count_lines(&lane->back, 0);
    return;
  }
  lane->written += (size_t) n;
  lane->waiting -= (size_t) n;
}

/* Under the lock: what is to be polled. Returns how many, the wake included. */
static nfds_t gather(jobsrv__writer_t *writer,
                     struct pollfd *fds,
                     jobsrv__lane_t **lanes) {
  jobsrv__queue_t *link = jobsrv__queue_front(&writer->lanes);
  jobsrv__queue_t *next;
  nfds_t n = 1;

  fds[0] = (struct pollfd) { .fd = writer->wake[0], .events = POLLIN };
  for (; link != NULL; link = next) {
    jobsrv__lane_t *lane = JOBSRV__CONTAINER(link, jobsrv__lane_t, link);

    next = jobsrv__queue_next(&writer->lanes, link);
    if (lane_ready(lane)) {
      fds[n] = (struct pollfd) { .fd = lane->fd, .events = POLLOUT };
      lanes[n++] = lane;
    } else if (lane->closed) {
      lane_free(lane);
    }
  }
  return n;
}

/*
 * Under the lock, but in posting, which may find the mailbox closed and end
 * the mail here: who waited for the queues to be empty is told.
 */
static void tell_flushed(jobsrv__writer_t *writer) {
  int err;

  if (!writer->wanted)
    return;
  writer->wanted = 0;
  writer->refs++;
  pthread_mutex_unlock(&writer->lock);
  err = jobsrv__mailbox_post(writer->mailbox, &writer->flushed);
  pthread_mutex_lock(&writer->lock);
  writer->refs -= err != 0; /* the thread's own is left */
}

static void read_wake(jobsrv__writer_t *writer) {
  char bytes[16];

  while (read(writer->wake[0], bytes, sizeof(bytes)) > 0)
    ;
}

/* When the thread goes, once it has been told to stop. */
typedef struct {
  uint64_t end_ns;   /* 0: not told yet */
  uint64_t quiet_ns; /* unless something is taken before */
} last_t;

static uint64_t now_ns(void) {
  return jobsrv__now(jobsrv__clock_system());
}

/* One round, under the lock but in waiting. Returns 0 when it is time to go. */
static int serve(jobsrv__writer_t *writer, last_t *last) {
  struct pollfd fds[MAX_LANES + 1];
  jobsrv__lane_t *lanes[MAX_LANES + 1];
  ssize_t took[MAX_LANES + 1];
  nfds_t n = gather(writer, fds, lanes);
  int moved = 0;

  if (n == 1)
    tell_flushed(writer);
  if (writer->stop && last->end_ns == 0) {
    last->end_ns = now_ns() + (JOBSRV__WRITER_LAST_MS - QUIET_MS) * MS;
    last->quiet_ns = now_ns() + QUIET_MS * MS;
  }
  if (writer->stop && (n == 1 || now_ns() >= last->end_ns ||
                       now_ns() >= last->quiet_ns))
    return 0;

  pthread_mutex_unlock(&writer->lock);
  (void) poll(fds, n, last->end_ns != 0 ? QUIET_MS : -1);
  read_wake(writer);
  for (nfds_t i = 1; i < n; i++) {
    took[i] = fds[i].revents != 0 ? lane_put(lanes[i]) : 0;
    moved |= took[i] > 0;
  }
  pthread_mutex_lock(&writer->lock);
  writer->woken = 0;
  for (nfds_t i = 1; i < n; i++)
    lane_took(lanes[i], took[i]);
  if (moved)
    last->quiet_ns = now_ns() + QUIET_MS * MS;
  return 1;
}

static void *writer_main(void *arg) {
  jobsrv__writer_t *writer = arg;
  jobsrv__queue_t *link;
  last_t last = { 0, 0 };

  pthread_mutex_lock(&writer->lock);
  while (serve(writer, &last))
    ;
  while ((link = jobsrv__queue_front(&writer->lanes)) != NULL)
    lane_free(JOBSRV__CONTAINER(link, jobsrv__lane_t, link));
  writer->has_ended = 1;
  pthread_cond_signal(&writer->ended);
  pthread_mutex_unlock(&writer->lock);
  writer_unref(writer);
  return NULL;
}

/* ---- the loop ---- */

static int thread_start(jobsrv__writer_t *writer) {
  pthread_attr_t attr;
  sigset_t all, before;
  int err = pthread_attr_init(&attr);

  if (err != 0)
    return -err;
  (void) pthread_attr_setstacksize(&attr, STACK);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  err = pthread_create(&writer->thread, &attr, writer_main, writer);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  return -err;
}

static int ended_init(pthread_cond_t *ended) {
  pthread_condattr_t attr;
  int err = pthread_condattr_init(&attr);

  if (err != 0)
    return -err;
  (void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  err = pthread_cond_init(ended, &attr);
  pthread_condattr_destroy(&attr);
  return -err;
}

int jobsrv__writer_new(jobsrv__writer_t **out,
                       const jobsrv_alloc_t *alloc,
                       jobsrv__mailbox_t *mailbox) {
  jobsrv__writer_t *writer = jobsrv__zalloc(alloc, sizeof(*writer));
  int err;

  if (writer == NULL)
    return UV_ENOMEM;
  writer->alloc = *alloc;
  writer->refs = 1;
  jobsrv__queue_init(&writer->lanes);
  if (pipe2(writer->wake, O_CLOEXEC | O_NONBLOCK) != 0) {
    err = -errno;
    jobsrv__free(alloc, writer);
    return err;
  }
  writer->mailbox = jobsrv__mailbox_ref(mailbox);
  (void) pthread_mutex_init(&writer->lock, NULL); /* cannot fail: no attr */
  err = ended_init(&writer->ended);
  if (err == 0) {
    writer->refs = 2;
    err = thread_start(writer);
    if (err != 0)
      writer->refs = 1;
  }
  if (err != 0) {
    writer_unref(writer);
    return err;
  }
  *out = writer;
  return 0;
}

void jobsrv__writer_close(jobsrv__writer_t *writer) {
  struct timespec until;
  int err = 0;

  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += JOBSRV__WRITER_LAST_MS / 1000;
  pthread_mutex_lock(&writer->lock);
  writer->stop = 1;
  wake(writer);
  while (!writer->has_ended && err == 0)
    err = pthread_cond_timedwait(&writer->ended, &writer->lock, &until);
  err = writer->has_ended;
  pthread_mutex_unlock(&writer->lock);
  if (err)
    pthread_join(writer->thread, NULL);
  else
    pthread_detach(writer->thread);
  writer_unref(writer);
}

static void on_flushed(jobsrv__mail_t *mail, void *owner) {
  jobsrv__writer_t *writer = JOBSRV__CONTAINER(mail, jobsrv__writer_t, flushed);
  jobsrv__flushed_cb cb;
  void *arg;

  if (owner != NULL) {
    pthread_mutex_lock(&writer->lock);
    cb = writer->cb;
    arg = writer->arg;
    pthread_mutex_unlock(&writer->lock);
    cb(arg);
  }
  writer_unref(writer);
}

int jobsrv__writer_flush(jobsrv__writer_t *writer,
                         jobsrv__flushed_cb cb,
                         void *arg) {
  jobsrv__queue_t *link;
  int busy = 0;

  pthread_mutex_lock(&writer->lock);
  for (link = jobsrv__queue_front(&writer->lanes); link != NULL;
       link = jobsrv__queue_next(&writer->lanes, link)) {
    jobsrv__lane_t *lane = JOBSRV__CONTAINER(link, jobsrv__lane_t, link);

    busy |= !lane->broken &&
            (lane->waiting > 0 || lane->dropped != lane->announced);
  }
  if (busy) {
    writer->flushed.run = on_flushed;
    writer->wanted = 1;
    writer->cb = cb;
    writer->arg = arg;
    wake(writer);
  }
  pthread_mutex_unlock(&writer->lock);
  return !busy;
}

int jobsrv__lane_new(jobsrv__lane_t **out,
                     jobsrv__writer_t *writer,
                     int fd,
                     size_t max,
                     const char *notice) {
  jobsrv__lane_t *lane;
  int err;

  pthread_mutex_lock(&writer->lock);
  err = writer->nlanes < MAX_LANES ? 0 : UV_EMFILE;
  pthread_mutex_unlock(&writer->lock);
  if (err != 0)
    return err;
  lane = jobsrv__zalloc(&writer->alloc, sizeof(*lane));
  if (lane == NULL)
    return UV_ENOMEM;
  lane->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (lane->fd < 0) {
    err = -errno;
    jobsrv__free(&writer->alloc, lane);
    return err;
  }
  lane->writer = writer;
  lane->max = max;
  lane->notice = notice;
  jobsrv__buf_init(&lane->back, &writer->alloc, 0);
  jobsrv__buf_init(&lane->front, &writer->alloc, 0);
  pthread_mutex_lock(&writer->lock);
  jobsrv__queue_push_back(&writer->lanes, &lane->link);
  writer->nlanes++; /* only the loop adds */
  pthread_mutex_unlock(&writer->lock);
  *out = lane;
  return 0;
}

void jobsrv__lane_write(jobsrv__lane_t *lane, const char *line, size_t len) {
  jobsrv__writer_t *writer = lane->writer;

  pthread_mutex_lock(&writer->lock);
  if (lane->broken || len > lane->max || lane->waiting > lane->max - len) {
    lane->dropped++;
  } else {
    announce(lane);
    if (lane->announced != lane->dropped ||
        jobsrv__buf_append(&lane->back, line, len) != 0) {
      lane->back.failed = 0;
      lane->dropped++;
    } else {
      lane->waiting += len;
    }
    wake(writer);
  }
  pthread_mutex_unlock(&writer->lock);
}

void jobsrv__lane_drop(jobsrv__lane_t *lane) {
  pthread_mutex_lock(&lane->writer->lock);
  lane->dropped++;
  pthread_mutex_unlock(&lane->writer->lock);
}

uint64_t jobsrv__lane_dropped(const jobsrv__lane_t *lane) {
  uint64_t dropped;

  pthread_mutex_lock(&lane->writer->lock);
  dropped = lane->dropped;
  pthread_mutex_unlock(&lane->writer->lock);
  return dropped;
}

void jobsrv__lane_close(jobsrv__lane_t *lane) {
  jobsrv__writer_t *writer = lane->writer;

  pthread_mutex_lock(&writer->lock);
  lane->closed = 1;
  wake(writer);
  pthread_mutex_unlock(&writer->lock);
}
