/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "narration/lane.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <uv.h>

enum {
  STACK = 128 * 1024,
  POKE_MS = 250, /* between one that was put off and the next */
  QUIET_MS = 100 /* at the end: so long without room, and it is given up */
};

static const uint64_t MS = 1000000;

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

void jobsrv__writer_wake(jobsrv__writer_t *writer) {
  if (writer->woken)
    return;
  writer->woken = 1;
  while (write(writer->wake[1], "", 1) < 0 && errno == EINTR)
    ;
}

/* ---- the thread ---- */

/* When the thread goes, once it has been told to stop. */
typedef struct {
  uint64_t end_ns;   /* 0: not told yet */
  uint64_t quiet_ns; /* unless something is taken before */
} last_t;

/* One lane in a round. */
typedef struct {
  jobsrv__lane_t *lane;
  int poke;
  int again;         /* it is to be poked later */
  int put;           /* there is a piece, and no time to be waited for */
  int always;        /* whatever poll says: it has nothing to be polled */
  ssize_t took;
} turn_t;

typedef struct {
  struct pollfd fds[JOBSRV__MAX_LANES + 1];
  turn_t turns[JOBSRV__MAX_LANES + 1];
  nfds_t n;          /* the wake included */
  int waiting;       /* lanes that could still be written */
  int timeout_ms;    /* -1: none */
  jobsrv__queue_t gone;
} round_t;

static uint64_t now_ns(void) {
  return jobsrv__now(jobsrv__clock_system());
}

static void wait_until(round_t *round, uint64_t at_ns, uint64_t now) {
  uint64_t ms = at_ns > now ? (at_ns - now + MS - 1) / MS : 0;

  if (ms > 60000)
    ms = 60000;
  if (round->timeout_ms < 0 || ms < (uint64_t) round->timeout_ms)
    round->timeout_ms = (int) ms;
}

/* Under the lock: what is to be done for a lane. */
static void gather_lane(round_t *round, jobsrv__lane_t *lane, uint64_t now) {
  turn_t turn = { .lane = lane };
  int waits = jobsrv__lane_waits(lane);

  if (lane->poked && now >= lane->poke_ns) {
    lane->poked = 0;
    turn.poke = 1;
  } else if (lane->poked) {
    wait_until(round, lane->poke_ns, now);
  }
  if (waits && lane->later && now < lane->retry_ns)
    wait_until(round, lane->retry_ns, now);
  else if (waits)
    turn.put = jobsrv__lane_next(lane);
  if (!turn.put && !turn.poke)
    return;
  turn.always = lane->outlet->fd < 0;
  if (turn.poke || turn.always)
    wait_until(round, now, now);
  round->fds[round->n] = (struct pollfd) {
    .fd = lane->outlet->fd,
    .events = turn.put ? POLLOUT : 0,
  };
  round->turns[round->n++] = turn;
}

/* Under the lock. 1 if there is something to tell the loop. */
static int gather(jobsrv__writer_t *writer, round_t *round) {
  jobsrv__queue_t *link = jobsrv__queue_front(&writer->lanes);
  jobsrv__queue_t *next;
  uint64_t now = now_ns();
  int news = 0;

  round->n = 1;
  round->waiting = 0;
  round->timeout_ms = -1;
  round->fds[0] = (struct pollfd) { .fd = writer->wake[0], .events = POLLIN };
  jobsrv__queue_init(&round->gone);
  for (; link != NULL; link = next) {
    jobsrv__lane_t *lane = JOBSRV__CONTAINER(link, jobsrv__lane_t, link);
    int hopeless = lane->later && lane->tried;
    int idle = !jobsrv__lane_waits(lane) || hopeless;

    next = jobsrv__queue_next(&writer->lanes, link);
    if (lane->closed && idle) {
      jobsrv__queue_remove(link);
      jobsrv__queue_push_back(&round->gone, link);
      writer->nlanes--;
      continue;
    }
    round->waiting += !idle;
    gather_lane(round, lane, now);
  }
  if (round->waiting == 0 && writer->flush_wanted) {
    writer->flush_wanted = 0;
    writer->flushed = 1;
    news = 1;
  }
  return news;
}

/*
 * Under the lock, but in posting, which may find the mailbox closed and end
 * the mail here.
 */
static void tell(jobsrv__writer_t *writer) {
  int err;

  if (writer->posted)
    return;
  writer->posted = 1;
  writer->refs++;
  pthread_mutex_unlock(&writer->lock);
  err = jobsrv__mailbox_post(writer->mailbox, &writer->mail);
  pthread_mutex_lock(&writer->lock);
  writer->refs -= err != 0; /* the thread's own is left */
}

static void read_wake(jobsrv__writer_t *writer) {
  char bytes[16];

  while (read(writer->wake[0], bytes, sizeof(bytes)) > 0)
    ;
}

/* Without the lock. 1 if something was taken. */
static int round_run(round_t *round) {
  int moved = 0;

  for (nfds_t i = 1; i < round->n; i++) {
    turn_t *turn = &round->turns[i];
    jobsrv__lane_t *lane = turn->lane;

    if (turn->poke)
      turn->again = lane->outlet->ops->poke(lane->outlet) != 0;
    turn->put = turn->put && (turn->always || round->fds[i].revents != 0);
    if (!turn->put)
      continue;
    jobsrv__lane_load(lane);
    turn->took = lane->outlet->ops->put(lane->outlet,
                                        lane->piece + lane->piece_at,
                                        lane->piece_len - lane->piece_at);
    moved |= turn->took > 0;
  }
  return moved;
}

/* Under the lock. 1 if there is something to tell the loop. */
static int round_end(const round_t *round) {
  uint64_t now = now_ns();
  int news = 0;

  for (nfds_t i = 1; i < round->n; i++) {
    const turn_t *turn = &round->turns[i];
    jobsrv__lane_t *lane = turn->lane;

    if (turn->again && !lane->poked) {
      lane->poked = 1;
      lane->poke_ns = now + POKE_MS * MS;
    }
    if (turn->put)
      jobsrv__lane_took(lane, turn->took, now);
    news |= jobsrv__lane_look(lane);
  }
  return news;
}

static void bury(round_t *round) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_pop(&round->gone)) != NULL)
    jobsrv__lane_free(JOBSRV__CONTAINER(link, jobsrv__lane_t, link));
}

/* One round, under the lock but in waiting. Returns 0 when it is time to go. */
static int serve(jobsrv__writer_t *writer, last_t *last) {
  round_t round;
  int moved;

  if (gather(writer, &round))
    tell(writer);
  if (writer->stop && last->end_ns == 0) {
    last->end_ns = now_ns() + (JOBSRV__WRITER_LAST_MS - QUIET_MS) * MS;
    last->quiet_ns = now_ns() + QUIET_MS * MS;
  }
  pthread_mutex_unlock(&writer->lock);
  bury(&round);
  if (last->end_ns != 0 &&
      (round.waiting == 0 || now_ns() >= last->end_ns ||
       now_ns() >= last->quiet_ns)) {
    pthread_mutex_lock(&writer->lock);
    return 0;
  }

  if (last->end_ns != 0 &&
      (round.timeout_ms < 0 || round.timeout_ms > QUIET_MS))
    round.timeout_ms = QUIET_MS;
  (void) poll(round.fds, round.n, round.timeout_ms);
  read_wake(writer);
  moved = round_run(&round);
  pthread_mutex_lock(&writer->lock);
  writer->woken = 0;
  if (round_end(&round))
    tell(writer);
  if (moved)
    last->quiet_ns = now_ns() + QUIET_MS * MS;
  return 1;
}

static void *writer_main(void *arg) {
  jobsrv__writer_t *writer = arg;
  round_t last_round;
  last_t last = { 0, 0 };

  pthread_mutex_lock(&writer->lock);
  while (serve(writer, &last))
    ;
  jobsrv__queue_move(&last_round.gone, &writer->lanes);
  pthread_mutex_unlock(&writer->lock);
  bury(&last_round); /* all have been closed */
  pthread_mutex_lock(&writer->lock);
  writer->has_ended = 1;
  pthread_cond_signal(&writer->ended);
  pthread_mutex_unlock(&writer->lock);
  writer_unref(writer);
  return NULL;
}

/* ---- the loop ---- */

/*
 * Under the lock but in calling, behind which the lane may be gone: one thing
 * at a time.
 */
static void tell_trouble(jobsrv__writer_t *writer, jobsrv__lane_t *lane) {
  jobsrv__lane_options_t options = lane->options;
  int begins = lane->first_error != 0 && !lane->told;
  int err = begins ? lane->first_error : 0;
  uint64_t lost = begins ? 0 : lane->lost_in_it;

  lane->first_error = 0;
  lane->news = begins && lane->error == 0; /* its end is to be told as well */
  if (!begins && lane->error != 0)
    return; /* it has ended and begun again */
  lane->told = begins;
  if (options.trouble == NULL)
    return;
  pthread_mutex_unlock(&writer->lock);
  options.trouble(options.arg, err, lost);
  pthread_mutex_lock(&writer->lock);
}

/* The first lane with something to tell. 0 for none. */
static int tell_lane(jobsrv__writer_t *writer) {
  jobsrv__queue_t *link = jobsrv__queue_front(&writer->lanes);

  for (; link != NULL; link = jobsrv__queue_next(&writer->lanes, link)) {
    jobsrv__lane_t *lane = JOBSRV__CONTAINER(link, jobsrv__lane_t, link);

    if (lane->closed || !lane->news)
      continue;
    tell_trouble(writer, lane);
    return 1; /* behind it the lane may be gone */
  }
  return 0;
}

static void on_mail(jobsrv__mail_t *mail, void *owner) {
  jobsrv__writer_t *writer = JOBSRV__CONTAINER(mail, jobsrv__writer_t, mail);
  jobsrv__flushed_cb cb = NULL;
  void *arg = NULL;

  if (owner != NULL) {
    pthread_mutex_lock(&writer->lock);
    writer->posted = 0;
    while (tell_lane(writer))
      ;
    if (writer->flushed && !writer->stop) { /* what was told may close it */
      writer->flushed = 0;
      cb = writer->cb;
      arg = writer->arg;
    }
    pthread_mutex_unlock(&writer->lock);
    if (cb != NULL)
      cb(arg);
  }
  writer_unref(writer);
}

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
  if (err == EINVAL) /* the host's thread-local memory does not fit in there */
    err = pthread_create(&writer->thread, NULL, writer_main, writer);
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

static int open_wake(int wake[2]) {
  int err;

  if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0)
    return -errno;
  wake[0] = jobsrv__fd_high(wake[0]);
  err = wake[0] < 0 ? -errno : 0;
  wake[1] = jobsrv__fd_high(wake[1]);
  if (err == 0 && wake[1] < 0)
    err = -errno;
  if (err == 0)
    return 0;
  for (int i = 0; i < 2; i++)
    if (wake[i] >= 0)
      (void) close(wake[i]);
  return err;
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
  writer->mail.run = on_mail;
  jobsrv__queue_init(&writer->lanes);
  err = open_wake(writer->wake);
  if (err != 0) {
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

/* Under the lock: what is waited for is tried once more, now. */
static int hurry(jobsrv__lane_t *lane) {
  lane->tried = 0;
  lane->retry_ns = 0;
  return jobsrv__lane_waits(lane);
}

static int hurry_all(jobsrv__writer_t *writer) {
  jobsrv__queue_t *link = jobsrv__queue_front(&writer->lanes);
  int busy = 0;

  for (; link != NULL; link = jobsrv__queue_next(&writer->lanes, link))
    busy |= hurry(JOBSRV__CONTAINER(link, jobsrv__lane_t, link));
  jobsrv__writer_wake(writer);
  return busy;
}

void jobsrv__writer_close(jobsrv__writer_t *writer) {
  struct timespec until;
  int err = 0;

  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += JOBSRV__WRITER_LAST_MS / 1000;
  pthread_mutex_lock(&writer->lock);
  writer->stop = 1;
  (void) hurry_all(writer);
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

int jobsrv__writer_flush(jobsrv__writer_t *writer,
                         jobsrv__flushed_cb cb,
                         void *arg) {
  int busy;

  pthread_mutex_lock(&writer->lock);
  busy = hurry_all(writer);
  writer->flushed = 0;
  writer->flush_wanted = busy;
  writer->cb = cb;
  writer->arg = arg;
  pthread_mutex_unlock(&writer->lock);
  return !busy;
}

void jobsrv__lane_poke(jobsrv__lane_t *lane) {
  pthread_mutex_lock(&lane->writer->lock);
  lane->poked = 1;
  lane->poke_ns = 0;
  jobsrv__writer_wake(lane->writer);
  pthread_mutex_unlock(&lane->writer->lock);
}

void jobsrv__lane_close(jobsrv__lane_t *lane) {
  jobsrv__writer_t *writer = lane->writer;

  pthread_mutex_lock(&writer->lock);
  lane->closed = 1;
  (void) hurry(lane);
  jobsrv__writer_wake(writer);
  pthread_mutex_unlock(&writer->lock);
}
