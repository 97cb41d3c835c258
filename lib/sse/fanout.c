/* SPDX-License-Identifier: MIT */

#include "sse/fanout.h"

#include "base/alloc.h"
#include "sse/listener.h"

#include <signal.h>

enum { HOME_A_TURN = 256 };

/* ---- streams that go ---- */

int jobsrv__fanout_wants(const jobsrv__stream_t *stream) {
  return stream->sse->fanouts != NULL && stream->many == NULL &&
         stream->gzip == NULL && stream->chunked &&
         jobsrv__view_is_raw(&stream->view);
}

static jobsrv__fanout_t *least(jobsrv__fanouts_t *all) {
  jobsrv__fanout_t *least = &all->loops[0];

  for (uint32_t i = 1; i < all->n; i++)
    if (all->loops[i].lent < least->lent)
      least = &all->loops[i];
  return least;
}

static void count(jobsrv__fanout_t *fanout, int change) {
  jobsrv__fanouts_t *all = fanout->all;

  fanout->lent += (uint32_t) change;
  all->lent += (uint32_t) change;
  if (all->lent > 0)
    uv_ref((uv_handle_t *) &all->poll);
  else
    uv_unref((uv_handle_t *) &all->poll);
}

static void fill(jobsrv__lent_t *lent,
                 jobsrv__stream_t *stream,
                 jobsrv__fanout_t *fanout) {
  uint64_t beat_ns =
      stream->sse->options.heartbeat_ms * UINT64_C(1000000);

  lent->mail.run = jobsrv__fanout_on_lent;
  lent->fanout = fanout;
  lent->stream = stream;
  lent->last_write_ns = jobsrv__conn_last_write_ns(stream->conn);
  lent->deadline_ns = lent->last_write_ns + beat_ns;
  atomic_init(&lent->bytes, 0);
  atomic_init(&lent->seq, jobsrv_cursor_seq(&stream->cursor));
}

int jobsrv__fanout_lend(jobsrv__stream_t *stream) {
  jobsrv_sse_t *sse = stream->sse;
  jobsrv__fanout_t *fanout = least(sse->fanouts);
  jobsrv__lent_t *lent;

  if (sse->fanouts->is_stopped || !jobsrv__conn_may_lend(stream->conn))
    return 0;
  stream->may_go = 0; /* whatever comes of it */
  lent = jobsrv__zalloc(sse->alloc, sizeof(*lent));
  if (lent == NULL)
    return 0;
  if (jobsrv_cursor_lend(&stream->cursor, fanout->reader) != 0) {
    jobsrv__free(sse->alloc, lent);
    return 0;
  }
  fill(lent, stream, fanout);
  lent->fd = jobsrv__conn_lend(stream->conn);
  stream->lent = lent;
  jobsrv_turn_cancel(&stream->turn);
  count(fanout, 1);
  /* not closed before it is stopped */
  (void) jobsrv__mailbox_post(fanout->mailbox, &lent->mail);
  return 1;
}

/* ---- and come home ---- */

/* Last, as it may end the stream and call the host. */
static void go_on(jobsrv__stream_t *stream, int why) {
  switch (why) {
  case JOBSRV__HOME_CLIENT:
    jobsrv__conn_leave(stream->conn);
    break;
  case JOBSRV__HOME_STALLED:
    jobsrv__conn_stall(stream->conn);
    break;
  case JOBSRV__HOME_NO_MEMORY:
    jobsrv__stream_cut(stream);
    break;
  default:
    jobsrv__stream_go_on(stream);
    break;
  }
}

static void on_home(jobsrv__mail_t *mail, void *owner) {
  jobsrv__lent_t *lent = JOBSRV__CONTAINER(mail, jobsrv__lent_t, mail);
  jobsrv__stream_t *stream = lent->stream;
  int why = lent->why;

  (void) owner;
  count(lent->fanout, -1);
  stream->lent = NULL;
  stream->bytes += jobsrv__fanout_bytes(lent);
  jobsrv__stream_returned(stream, lent->last_write_ns,
                          lent->is_blocked ? lent->deadline_ns : 0);
  jobsrv__free(stream->sse->alloc, lent);
  go_on(stream, why);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  jobsrv_sse_t *sse = poll->data;

  (void) status;
  (void) events;
  jobsrv__mailbox_drain(sse->fanouts->home, sse, HOME_A_TURN, NULL);
}

/* ---- what is known of them meanwhile ---- */

uint64_t jobsrv__fanout_bytes(const jobsrv__lent_t *lent) {
  return atomic_load_explicit(&lent->bytes, memory_order_relaxed);
}

uint64_t jobsrv__fanout_lag(const jobsrv__lent_t *lent) {
  uint64_t seq = atomic_load_explicit(&lent->seq, memory_order_relaxed);
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(lent->stream->cursor.data, &info);
  /* it may have sent what is numbered only now */
  return info.last_seq > seq ? info.last_seq - seq : 0;
}

uint64_t jobsrv__fanouts_sent(const jobsrv_sse_t *sse) {
  uint64_t sent = sse->stats.bytes_sent;

  for (uint32_t i = 0; sse->fanouts != NULL && i < sse->fanouts->n; i++)
    sent += atomic_load_explicit(&sse->fanouts->loops[i].sent,
                                 memory_order_relaxed);
  return sent;
}

/* ---- the threads ---- */

static void on_wake(jobsrv_reader_t *reader, void *data) {
  jobsrv__fanout_t *fanout = data;

  (void) reader;
  jobsrv__mailbox_wake(fanout->mailbox);
}

static uint64_t on_watch_next(jobsrv_clock_watch_t *watch) {
  jobsrv__fanout_t *fanout = JOBSRV__CONTAINER(watch, jobsrv__fanout_t, watch);

  return atomic_load(&fanout->due_ns);
}

/* It says when it wants the next one, when it has seen to this. */
static void on_watch_tick(jobsrv_clock_watch_t *watch) {
  jobsrv__fanout_t *fanout = JOBSRV__CONTAINER(watch, jobsrv__fanout_t, watch);

  atomic_store(&fanout->due_ns, UINT64_MAX);
  jobsrv__mailbox_wake(fanout->mailbox);
}

static void watch_clock(jobsrv__fanout_t *fanout) {
  jobsrv_clock_t *clock = jobsrv_options(fanout->sse->srv)->clock;

  atomic_init(&fanout->due_ns, UINT64_MAX);
  if (clock == NULL || clock->attach == NULL)
    return;
  fanout->watch.next = on_watch_next;
  fanout->watch.tick = on_watch_tick;
  clock->attach(clock, &fanout->watch);
}

static void unwatch_clock(jobsrv__fanout_t *fanout) {
  jobsrv_clock_t *clock = jobsrv_options(fanout->sse->srv)->clock;

  if (fanout->watch.next != NULL)
    clock->detach(clock, &fanout->watch);
}

/* With all signals blocked: they are the host's threads' business. */
static int thread_create(jobsrv__fanout_t *fanout) {
  sigset_t all, before;
  int err;

  sigfillset(&all);
  err = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (err != 0)
    return -err;
  err = pthread_create(&fanout->thread, NULL, jobsrv__fanout_main, fanout);
  (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
  return -err;
}

static int start(jobsrv__fanout_t *fanout) {
  jobsrv_sse_t *sse = fanout->sse;
  int err = jobsrv__mailbox_new(&fanout->mailbox, sse->alloc);

  if (err == 0)
    err = jobsrv_reader_new(&fanout->reader, sse->srv, on_wake, fanout);
  if (err == 0)
    err = jobsrv__fanout_open(fanout);
  if (err != 0)
    return err;
  watch_clock(fanout);
  err = thread_create(fanout);
  if (err == 0)
    fanout->has_thread = 1;
  else
    jobsrv__fanout_unopen(fanout);
  return err;
}

/* All have been told before any is waited for. */
static void end_threads(jobsrv__fanouts_t *all) {
  for (uint32_t i = 0; i < all->n; i++) {
    jobsrv__fanout_t *fanout = &all->loops[i];

    fanout->stop.run = jobsrv__fanout_on_stop;
    if (fanout->has_thread)
      (void) jobsrv__mailbox_post(fanout->mailbox, &fanout->stop);
  }
  for (uint32_t i = 0; i < all->n; i++) {
    jobsrv__fanout_t *fanout = &all->loops[i];

    unwatch_clock(fanout);
    if (fanout->has_thread)
      (void) pthread_join(fanout->thread, NULL);
    fanout->has_thread = 0;
    if (fanout->has_loop)
      (void) uv_loop_close(&fanout->loop);
    fanout->has_loop = 0;
  }
}

static int start_all(jobsrv_sse_t *sse) {
  jobsrv__fanouts_t *all = sse->fanouts;
  int err = jobsrv__mailbox_new(&all->home, sse->alloc);

  for (uint32_t i = 0; err == 0 && i < all->n; i++)
    err = start(&all->loops[i]);
  if (err == 0)
    err = uv_poll_init(sse->loop, &all->poll, jobsrv__mailbox_fd(all->home));
  return err;
}

int jobsrv__fanouts_init(jobsrv_sse_t *sse) {
  uint32_t n = sse->options.fanout_loops;
  jobsrv__fanouts_t *all;
  int err;

  if (n == 0)
    return 0;
  all = jobsrv__zalloc(sse->alloc, sizeof(*all) + n * sizeof(all->loops[0]));
  if (all == NULL)
    return UV_ENOMEM;
  all->n = n;
  all->on_home = on_home;
  for (uint32_t i = 0; i < n; i++) {
    all->loops[i].sse = sse;
    all->loops[i].all = all;
  }
  sse->fanouts = all;
  err = start_all(sse);
  if (err != 0) {
    end_threads(all);
    return err;
  }
  all->poll.data = sse;
  (void) uv_poll_start(&all->poll, UV_READABLE, on_poll);
  uv_unref((uv_handle_t *) &all->poll);
  sse->handles++;
  jobsrv_wake(sse->srv);
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  jobsrv_sse_t *sse = handle->data;

  sse->handles--;
  jobsrv__http_handle_closed(sse);
}

void jobsrv__fanouts_stop(jobsrv_sse_t *sse) {
  jobsrv__fanouts_t *all = sse->fanouts;

  if (all == NULL || all->is_stopped)
    return;
  all->is_stopped = 1;
  end_threads(all);
  jobsrv__mailbox_drain(all->home, sse, SIZE_MAX, NULL);
  for (uint32_t i = 0; i < all->n; i++) {
    jobsrv_reader_free(all->loops[i].reader);
    all->loops[i].reader = NULL;
  }
  uv_close((uv_handle_t *) &all->poll, on_closed);
  jobsrv_wake(sse->srv);
}

void jobsrv__fanouts_free(jobsrv_sse_t *sse) {
  jobsrv__fanouts_t *all = sse->fanouts;

  if (all == NULL)
    return;
  for (uint32_t i = 0; i < all->n; i++) {
    if (all->loops[i].reader != NULL) /* init has failed */
      jobsrv_reader_free(all->loops[i].reader);
    if (all->loops[i].mailbox != NULL)
      jobsrv__mailbox_unref(all->loops[i].mailbox);
  }
  if (all->home != NULL)
    jobsrv__mailbox_unref(all->home);
  jobsrv__free(sse->alloc, all);
  sse->fanouts = NULL;
}
