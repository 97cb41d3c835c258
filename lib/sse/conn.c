/* SPDX-License-Identifier: MIT */

#include "sse/conn_state.h"

#include "sse/listener.h"
#include "sse/response.h"

#include "base/alloc.h"

#include <assert.h>

static uint64_t now_of(const jobsrv__conn_t *conn) {
  return jobsrv_now(conn->sse->srv);
}

static void time_out_head(jobsrv__conn_t *conn) {
  if (conn->exchange == NULL || !conn->exchange->has_begun)
    jobsrv__conn_close(conn); /* silent from the start, or idle */
  else
    jobsrv__conn_refuse(conn, 408, "timeout", 0,
                        "the head of the request did not come in time");
}

static void time_out_body(jobsrv__conn_t *conn) {
  jobsrv__request_t *request = &conn->exchange->request;
  jobsrv__problem_t problem = {.status = 408, .code = "timeout",
                               .must_close = 1};

  if (request->is_answered) {
    jobsrv__conn_linger(conn);
    return;
  }
  jobsrv__respond_problem(request, &problem,
                          "the body of the request did not come in time");
  jobsrv__conn_process(conn);
}

/* Whoever wanted to answer later is told before the client is. */
static void time_out_answer(jobsrv__conn_t *conn) {
  jobsrv__request_t *request = &conn->exchange->request;
  jobsrv__problem_t problem = {.status = 503, .code = "timeout",
                               .retry_after_s = 1};

  if (request->is_answered)
    return;
  if (request->gone != NULL)
    request->gone(request);
  jobsrv__respond_problem(request, &problem,
                          "the answer did not come in time");
}

static void on_deadline(jobsrv__conn_t *conn) {
  conn->deadline_ns = UINT64_MAX;
  switch (conn->stage) {
  case JOBSRV__CONN_HEAD:
    time_out_head(conn);
    break;
  case JOBSRV__CONN_BODY:
    time_out_body(conn);
    break;
  case JOBSRV__CONN_HANDLING:
    time_out_answer(conn);
    break;
  case JOBSRV__CONN_STREAM:
    jobsrv__conn_stream_timeout(conn);
    break;
  case JOBSRV__CONN_FLUSH:
  case JOBSRV__CONN_LINGER:
    if (conn->out != NULL) {
      conn->sse->stats.stalled++;
      jobsrv__conn_reset(conn);
    } else {
      jobsrv__conn_close(conn);
    }
    break;
  default:
    break;
  }
}

/* Deadlines that move on with every write would re-arm all the time: the timer
   stays where it is and finds out when it fires. */
static void on_timer(jobsrv_timer_t *timer) {
  jobsrv__conn_t *conn = timer->data;
  uint64_t deadline_ns = conn->deadline_ns;

  if (deadline_ns == UINT64_MAX)
    return;
  if (now_of(conn) < deadline_ns)
    jobsrv__conn_deadline(conn, deadline_ns);
  else
    on_deadline(conn);
}

void jobsrv__conn_deadline(jobsrv__conn_t *conn, uint64_t deadline_ns) {
  if (conn->stage == JOBSRV__CONN_CLOSED)
    return;
  conn->deadline_ns = deadline_ns;
  if (deadline_ns == UINT64_MAX)
    return;
  if (jobsrv_timer_armed(&conn->timer) && conn->armed_ns <= deadline_ns)
    return;
  conn->armed_ns = deadline_ns;
  jobsrv_timer_arm(conn->sse->srv, &conn->timer, deadline_ns, on_timer);
}

void jobsrv__conn_deadline_in(jobsrv__conn_t *conn, uint64_t ms) {
  if (conn->stage != JOBSRV__CONN_CLOSED)
    jobsrv__conn_deadline(conn, now_of(conn) + ms * 1000000u);
}

static void on_writable(jobsrv__conn_t *conn) {
  if (conn->out != NULL && jobsrv__conn_flush(conn) != 0)
    return;
  if (conn->out != NULL)
    return;
  if (conn->stage == JOBSRV__CONN_STREAM)
    jobsrv__conn_stream_writable(conn);
  else if (conn->stage == JOBSRV__CONN_LINGER)
    jobsrv__conn_linger_on(conn);
  else
    jobsrv__conn_process(conn);
}

/* What has just been written may have left no room for more: a stream that has
   begun keeps less of what comes than an answer does. */
static void on_readable(jobsrv__conn_t *conn) {
  if (!jobsrv__conn_has_room(conn))
    return;
  if (conn->stage == JOBSRV__CONN_STREAM)
    jobsrv__conn_stream_readable(conn);
  else
    jobsrv__conn_on_readable(conn);
}

/* Told only when reading is paused; what was sent before is still to be read,
   except by a stream, whose watcher is gone. */
static void on_hang_up(jobsrv__conn_t *conn) {
  conn->has_hung_up = 1;
  if (conn->stage == JOBSRV__CONN_STREAM || conn->stage == JOBSRV__CONN_LINGER)
    jobsrv__conn_close(conn);
}

void jobsrv__conn_on_ready(jobsrv__conn_t *conn, int events) {
  if (events & UV_WRITABLE)
    on_writable(conn);
  if (conn->is_lent) /* what has come is seen there */
    return;
  if (conn->stage != JOBSRV__CONN_CLOSED && (events & UV_READABLE))
    on_readable(conn);
  else if (conn->stage != JOBSRV__CONN_CLOSED && (events & UV_DISCONNECT))
    on_hang_up(conn);
  jobsrv__conn_watch(conn);
}

void jobsrv__conn_watch(jobsrv__conn_t *conn) {
  int events = 0;

  if (conn->stage == JOBSRV__CONN_CLOSED || conn->is_lent)
    return;
  if (!conn->has_eof && jobsrv__conn_has_room(conn))
    events |= UV_READABLE;
  else if (!conn->has_eof && !conn->has_hung_up)
    events |= UV_DISCONNECT;
  if (conn->out != NULL || conn->is_blocked)
    events |= UV_WRITABLE;
  if (events == conn->events)
    return;
  conn->events = (uint8_t) events;
  conn->io->want(conn, events);
  jobsrv_wake(conn->sse->srv);
}

void jobsrv__conn_begin(jobsrv__conn_t *conn,
                        jobsrv_sse_t *sse,
                        int is_turned_away) {
  conn->handle.any.data = conn;
  conn->timer.data = conn;
  conn->sse = sse;
  conn->is_turned_away = is_turned_away != 0;
  conn->deadline_ns = UINT64_MAX;
  sse->handles++;
  jobsrv__queue_push_back(&sse->conns, &conn->link);
  if (is_turned_away)
    sse->turned_away++;
  else
    sse->stats.connections++;
  if (is_turned_away)
    jobsrv__conn_refuse(conn, 503, "too_many_connections", 1,
                        "there are too many connections at this moment");
  else
    jobsrv__conn_deadline_in(conn, sse->options.silent_timeout_ms);
  jobsrv__conn_watch(conn);
}

static void on_closed(uv_handle_t *handle) {
  jobsrv__conn_t *conn = handle->data;
  jobsrv_sse_t *sse = conn->sse;

  jobsrv__exchange_free(conn);
  jobsrv__free(sse->alloc, conn->out);
  jobsrv__free(sse->alloc, conn);
  sse->handles--;
  jobsrv__http_handle_closed(sse);
}

/* The handle's memory stays until the loop's turn: whoever is calling us from
   further up may look at `stage`. */
static void drop(jobsrv__conn_t *conn, int is_reset) {
  jobsrv_sse_t *sse = conn->sse;

  assert(!conn->is_lent); /* its descriptor is in use */
  jobsrv_timer_disarm(sse->srv, &conn->timer);
  jobsrv__queue_remove(&conn->link);
  conn->stage = JOBSRV__CONN_CLOSED;
  uv_close(&conn->handle.any, on_closed);
  conn->io->close(conn, is_reset);
  jobsrv_wake(sse->srv);
  if (conn->is_turned_away)
    sse->turned_away--;
  else
    sse->stats.connections--;
}

static void tell_gone(jobsrv__conn_t *conn) {
  const jobsrv__stream_ops_t *ops = conn->ops;
  jobsrv__request_t *request;

  conn->ops = NULL;
  if (ops != NULL) {
    ops->gone(conn->stream);
    return;
  }
  request = conn->exchange != NULL ? &conn->exchange->request : NULL;
  if (request != NULL && request->gone != NULL && !request->is_answered) {
    request->is_answered = 1;
    request->gone(request);
  }
}

static void end(jobsrv__conn_t *conn, int is_reset) {
  if (conn->stage == JOBSRV__CONN_CLOSED)
    return;
  drop(conn, is_reset);
  tell_gone(conn);
}

void jobsrv__conn_close(jobsrv__conn_t *conn) {
  end(conn, 0);
}

void jobsrv__conn_reset(jobsrv__conn_t *conn) {
  end(conn, 1);
}

void jobsrv__conn_resume_later(jobsrv__conn_t *conn) {
  jobsrv_sse_t *sse = conn->sse;

  if (conn->stage == JOBSRV__CONN_CLOSED)
    return;
  jobsrv__queue_remove(&conn->link);
  jobsrv__queue_push_back(&sse->resume, &conn->link);
  jobsrv_turn_ask(sse->srv, &sse->resume_turn, jobsrv__http_resume);
}

/* Whoever comes in meanwhile asks for another turn; by then the queue itself
   may have been emptied by a close. */
void jobsrv__http_resume(jobsrv_turn_t *turn) {
  jobsrv_sse_t *sse = turn->data;
  jobsrv__queue_t *link;
  size_t due = 0;

  for (link = jobsrv__queue_front(&sse->resume); link != NULL;
       link = jobsrv__queue_next(&sse->resume, link))
    due++;
  for (; due > 0 && (link = jobsrv__queue_pop(&sse->resume)) != NULL; due--) {
    jobsrv__conn_t *conn = JOBSRV__CONTAINER(link, jobsrv__conn_t, link);

    jobsrv__queue_push_back(&sse->conns, link);
    jobsrv__conn_process(conn);
    jobsrv__conn_watch(conn);
  }
}

void jobsrv__conn_wind_up(jobsrv__conn_t *conn) {
  if (conn->stage == JOBSRV__CONN_HEAD &&
      (conn->exchange == NULL || !conn->exchange->has_begun))
    jobsrv__conn_close(conn);
}

int jobsrv__conn_has_stalled(const jobsrv__conn_t *conn) {
  return conn->has_stalled;
}

int jobsrv__conn_is_unix(const jobsrv__conn_t *conn) {
  return conn->is_unix;
}

void jobsrv__conn_peer(const jobsrv__conn_t *conn, char *to, size_t cap) {
  to[0] = '\0';
  if (conn->stage != JOBSRV__CONN_CLOSED)
    conn->io->peer(conn, to, cap);
}
