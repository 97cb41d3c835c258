/* SPDX-License-Identifier: MIT */

#include "sse/fanout.h"

#include "base/loop_init.h"

#include <errno.h>

#include <sys/socket.h>

enum { MAILS_A_TURN = 256 };

static jobsrv_t *server_of(const jobsrv__fanout_t *fanout) {
  return fanout->sse->srv;
}

/* ---- time ---- */

static void on_stream_timer(jobsrv_timer_t *timer) {
  jobsrv__lent_t *lent = JOBSRV__CONTAINER(timer, jobsrv__lent_t, timer);
  uint64_t deadline_ns = lent->deadline_ns;

  if (lent->fanout->now_ns < deadline_ns)
    jobsrv__fanout_deadline(lent, deadline_ns);
  else
    jobsrv__fanout_timeout(lent);
}

/* A deadline moves on with every write: the timer finds out when it fires. */
void jobsrv__fanout_deadline(jobsrv__lent_t *lent, uint64_t deadline_ns) {
  lent->deadline_ns = deadline_ns;
  if (jobsrv__wheel_armed(&lent->timer) && lent->armed_ns <= deadline_ns)
    return;
  lent->armed_ns = deadline_ns;
  jobsrv__wheel_arm(&lent->fanout->wheel, &lent->timer, deadline_ns,
                    on_stream_timer);
}

static void on_timer(uv_timer_t *timer);

/* Has this thread come by when the next of its timers is due. */
static void arm(jobsrv__fanout_t *fanout) {
  uint64_t next = jobsrv__wheel_next(&fanout->wheel);
  uint64_t ns;

  if (fanout->watch.next != NULL) {
    atomic_store(&fanout->due_ns, next);
    if (next <= jobsrv_now(server_of(fanout))) /* moved on meanwhile */
      jobsrv__mailbox_wake(fanout->mailbox);
    return;
  }
  if (next >= fanout->armed_ns)
    return;
  fanout->armed_ns = next;
  ns = next > fanout->now_ns ? next - fanout->now_ns : 0;
  (void) uv_timer_start(&fanout->timer, on_timer, ns / 1000000 + 1, 0);
}

/* A new turn begins, or goes on. */
static void look(jobsrv__fanout_t *fanout) {
  fanout->now_ns = jobsrv_now(server_of(fanout));
}

static void run_timers(jobsrv__fanout_t *fanout) {
  look(fanout);
  (void) jobsrv__wheel_run(&fanout->wheel, fanout->now_ns);
}

static void on_timer(uv_timer_t *timer) {
  jobsrv__fanout_t *fanout = timer->data;

  fanout->armed_ns = UINT64_MAX;
  run_timers(fanout);
  arm(fanout);
}

/* ---- going home ---- */

static void post_home(jobsrv__lent_t *lent) {
  /* not closed while anything is away */
  (void) jobsrv__mailbox_post(lent->fanout->all->home, &lent->mail);
}

static void on_closed(uv_handle_t *handle) {
  post_home(handle->data);
}

void jobsrv__fanout_home(jobsrv__lent_t *lent, int why) {
  jobsrv__fanout_t *fanout = lent->fanout;

  lent->is_leaving = 1;
  lent->why = (uint8_t) why;
  jobsrv_cursor_give(&lent->stream->cursor);
  jobsrv__wheel_disarm(&fanout->wheel, &lent->timer);
  jobsrv__queue_remove(&lent->link);
  fanout->streams--;
  /* its memory is the handle's until the loop has let go of it */
  uv_close((uv_handle_t *) &lent->poll, on_closed);
}

/* ---- the socket ---- */

/* What the client sends is for the server's loop, and its end is the end. */
static void on_readable(jobsrv__lent_t *lent) {
  char byte;
  ssize_t n;

  do
    n = recv(lent->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
    return;
  jobsrv__fanout_home(lent, n > 0 ? JOBSRV__HOME_GO_ON : JOBSRV__HOME_CLIENT);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  jobsrv__lent_t *lent = poll->data;

  if (status < 0) {
    jobsrv__fanout_home(lent, JOBSRV__HOME_CLIENT);
    return;
  }
  look(lent->fanout);
  if (events & UV_WRITABLE)
    jobsrv__fanout_writable(lent);
  if (!lent->is_leaving && (events & UV_READABLE))
    on_readable(lent);
  if (!lent->is_leaving)
    jobsrv__fanout_watch(lent);
}

void jobsrv__fanout_watch(jobsrv__lent_t *lent) {
  int events = UV_READABLE | (lent->is_blocked ? UV_WRITABLE : 0);

  if (events == lent->events)
    return;
  lent->events = (uint8_t) events;
  (void) uv_poll_start(&lent->poll, events, on_ready);
}

/* ---- streams that come ---- */

static void on_told(jobsrv_cursor_t *cursor) {
  jobsrv__lent_t *lent =
      JOBSRV__CONTAINER(cursor, jobsrv__stream_t, cursor)->lent;

  if (!lent->is_blocked)
    jobsrv__fanout_pump(lent);
}

void jobsrv__fanout_on_lent(jobsrv__mail_t *mail, void *owner) {
  jobsrv__lent_t *lent = JOBSRV__CONTAINER(mail, jobsrv__lent_t, mail);
  jobsrv__fanout_t *fanout = owner;

  lent->mail.run = fanout->all->on_home;
  lent->poll.data = lent;
  if (uv_poll_init(&fanout->loop, &lent->poll, lent->fd) != 0) {
    post_home(lent); /* never taken: it goes on there */
    return;
  }
  fanout->streams++;
  jobsrv__queue_push_back(&fanout->lents, &lent->link);
  jobsrv_cursor_take(&lent->stream->cursor, on_told);
  jobsrv__fanout_watch(lent);
  jobsrv__fanout_deadline(lent, lent->deadline_ns);
  jobsrv__fanout_pump(lent);
}

static void on_idle(uv_idle_t *idle) {
  (void) idle; /* the loop does not block while there is one */
}

void jobsrv__fanout_again(jobsrv__lent_t *lent) {
  jobsrv__fanout_t *fanout = lent->fanout;

  jobsrv__queue_remove(&lent->link);
  jobsrv__queue_push_back(&fanout->again, &lent->link);
  (void) uv_idle_start(&fanout->idle, on_idle);
}

static void run_again(jobsrv__fanout_t *fanout) {
  jobsrv__queue_t due;
  jobsrv__queue_t *link;

  (void) uv_idle_stop(&fanout->idle);
  jobsrv__queue_move(&due, &fanout->again);
  while ((link = jobsrv__queue_pop(&due)) != NULL) {
    jobsrv__lent_t *lent = JOBSRV__CONTAINER(link, jobsrv__lent_t, link);

    jobsrv__queue_push_back(&fanout->lents, link);
    if (!lent->is_blocked)
      jobsrv__fanout_pump(lent);
  }
}

/* ---- the thread ---- */

static void on_wake(uv_poll_t *poll, int status, int events) {
  jobsrv__fanout_t *fanout = poll->data;

  (void) status;
  (void) events;
  look(fanout);
  jobsrv__mailbox_drain(fanout->mailbox, fanout, MAILS_A_TURN, NULL);
  jobsrv_reader_run(fanout->reader);
}

static void on_check(uv_check_t *check) {
  jobsrv__fanout_t *fanout = check->data;

  run_timers(fanout);
  run_again(fanout);
  arm(fanout);
}

static void send_all_home(jobsrv__queue_t *lents) {
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_front(lents)) != NULL)
    jobsrv__fanout_home(JOBSRV__CONTAINER(link, jobsrv__lent_t, link),
                        JOBSRV__HOME_GO_ON);
}

static void close_handles(jobsrv__fanout_t *fanout) {
  uv_close((uv_handle_t *) &fanout->wake, NULL);
  uv_close((uv_handle_t *) &fanout->timer, NULL);
  uv_close((uv_handle_t *) &fanout->idle, NULL);
  uv_close((uv_handle_t *) &fanout->check, NULL);
}

void jobsrv__fanout_on_stop(jobsrv__mail_t *mail, void *owner) {
  jobsrv__fanout_t *fanout = owner;

  (void) mail;
  send_all_home(&fanout->again);
  send_all_home(&fanout->lents);
  close_handles(fanout);
}

void *jobsrv__fanout_main(void *arg) {
  jobsrv__fanout_t *fanout = arg;

  (void) uv_run(&fanout->loop, UV_RUN_DEFAULT);
  return NULL;
}

int jobsrv__fanout_open(jobsrv__fanout_t *fanout) {
  int err = jobsrv__loop_init(&fanout->loop);

  if (err != 0)
    return err;
  err = uv_poll_init(&fanout->loop, &fanout->wake,
                     jobsrv__mailbox_fd(fanout->mailbox));
  if (err != 0) {
    (void) uv_loop_close(&fanout->loop);
    return err;
  }
  fanout->has_loop = 1;
  fanout->wake.data = fanout;
  fanout->timer.data = fanout;
  fanout->check.data = fanout;
  fanout->armed_ns = UINT64_MAX;
  look(fanout);
  jobsrv__wheel_init(&fanout->wheel, fanout->now_ns);
  jobsrv__queue_init(&fanout->lents);
  jobsrv__queue_init(&fanout->again);
  (void) uv_poll_start(&fanout->wake, UV_READABLE, on_wake);
  (void) uv_timer_init(&fanout->loop, &fanout->timer);
  (void) uv_idle_init(&fanout->loop, &fanout->idle);
  (void) uv_check_init(&fanout->loop, &fanout->check);
  (void) uv_check_start(&fanout->check, on_check);
  return 0;
}

void jobsrv__fanout_unopen(jobsrv__fanout_t *fanout) {
  close_handles(fanout);
  (void) uv_run(&fanout->loop, UV_RUN_DEFAULT);
}
