/* SPDX-License-Identifier: MIT */

#include "jobsrv/testing_sse.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

/*
 * Both directions are buffers. `turn` stands in for the poll: it is asked for
 * as long as something holds that the transport wants. The memory is the C
 * library's: a test that fails the server's does not fail its client.
 */
struct jobsrv_memory_s {
  jobsrv_t *srv;
  jobsrv_sse_conn_t *conn; /* NULL once closed */
  jobsrv_turn_t turn;
  jobsrv__buf_t in;
  size_t in_at;            /* of `in`, read by the server */
  jobsrv__buf_t out;
  size_t window;
  int wanted;
  int is_ended;
  jobsrv_memory_state_t state;
};

static size_t unread(const jobsrv_memory_t *memory) {
  return memory->in.len - memory->in_at;
}

/* What holds now of what is wanted. */
static int holding(const jobsrv_memory_t *memory) {
  int events = 0;

  if (unread(memory) > 0 || memory->is_ended)
    events |= JOBSRV_SSE_READABLE;
  if (memory->window > 0)
    events |= JOBSRV_SSE_WRITABLE;
  if (memory->is_ended)
    events |= JOBSRV_SSE_DISCONNECT;
  return events & memory->wanted;
}

static void on_turn(jobsrv_turn_t *turn);

static void look(jobsrv_memory_t *memory) {
  if (memory->state < JOBSRV_MEMORY_CLOSED && holding(memory) != 0)
    jobsrv_turn_ask(memory->srv, &memory->turn, on_turn);
}

/* Asks first: a callback of the host may free us from within the last call. */
static void on_turn(jobsrv_turn_t *turn) {
  jobsrv_memory_t *memory = turn->data;
  int events = holding(memory);

  look(memory);
  if (events != 0)
    jobsrv_sse_conn_ready(memory->conn, events);
}

/* ---- as the transport sees it ---- */

static int64_t on_read(void *self, void *to, size_t cap) {
  jobsrv_memory_t *memory = self;
  size_t n = unread(memory) < cap ? unread(memory) : cap;

  if (n == 0)
    return memory->is_ended ? UV_EOF : 0;
  memcpy(to, memory->in.data + memory->in_at, n);
  memory->in_at += n;
  if (memory->in_at == memory->in.len) {
    jobsrv__buf_consume(&memory->in, memory->in_at);
    memory->in_at = 0;
  }
  return (int64_t) n;
}

static int64_t on_write(void *self, const void *data, size_t len) {
  jobsrv_memory_t *memory = self;
  size_t n = memory->window < len ? memory->window : len;
  char *to;

  if (n == 0)
    return 0;
  to = jobsrv__buf_reserve(&memory->out, n + 1);
  if (to == NULL)
    return UV_ENOBUFS;
  memcpy(to, data, n);
  to[n] = '\0';
  memory->out.len += n;
  if (memory->window != SIZE_MAX)
    memory->window -= n;
  return (int64_t) n;
}

static void on_want(void *self, int events) {
  jobsrv_memory_t *memory = self;

  memory->wanted = events;
  look(memory);
}

static void on_shut(void *self) {
  ((jobsrv_memory_t *) self)->state = JOBSRV_MEMORY_SHUT;
}

static void on_close(void *self, int is_reset) {
  jobsrv_memory_t *memory = self;

  jobsrv_turn_cancel(&memory->turn);
  memory->conn = NULL;
  memory->state = is_reset ? JOBSRV_MEMORY_RESET : JOBSRV_MEMORY_CLOSED;
}

static void on_peer(void *self, char *to, size_t cap) {
  static const char name[] = "memory";

  (void) self;
  if (cap >= sizeof(name))
    memcpy(to, name, sizeof(name));
}

static const jobsrv_sse_io_t io = {
  .size = sizeof(io),
  .read = on_read,
  .write = on_write,
  .want = on_want,
  .shut = on_shut,
  .close = on_close,
  .peer = on_peer,
};

/* ---- as the client sees it ---- */

int jobsrv_memory_open(jobsrv_memory_t **out, jobsrv_sse_t *sse) {
  jobsrv_t *srv = jobsrv_sse_server(sse);
  jobsrv_memory_t *memory = calloc(1, sizeof(*memory));
  int err;

  if (memory == NULL)
    return UV_ENOMEM;
  memory->srv = srv;
  memory->turn.data = memory;
  memory->window = SIZE_MAX;
  jobsrv__buf_init(&memory->in, NULL, 0);
  jobsrv__buf_init(&memory->out, NULL, 0);
  err = jobsrv_sse_conn_new(&memory->conn, sse, &io, memory);
  if (err != 0) {
    free(memory);
    return err;
  }
  *out = memory;
  return 0;
}

void jobsrv_memory_free(jobsrv_memory_t *memory) {
  if (memory == NULL)
    return;
  jobsrv_memory_abort(memory);
  jobsrv__buf_free(&memory->in);
  jobsrv__buf_free(&memory->out);
  free(memory);
}

int jobsrv_memory_feed(jobsrv_memory_t *memory, const void *data, size_t len) {
  if (memory->is_ended || memory->state >= JOBSRV_MEMORY_CLOSED)
    return UV_EPIPE;
  if (jobsrv__buf_append(&memory->in, data, len) != 0) {
    memory->in.failed = 0; /* what is in it is whole */
    return UV_ENOMEM;
  }
  look(memory);
  return 0;
}

size_t jobsrv_memory_unread(const jobsrv_memory_t *memory) {
  return unread(memory);
}

const char *jobsrv_memory_output(const jobsrv_memory_t *memory, size_t *len) {
  if (len != NULL)
    *len = memory->out.len;
  return memory->out.len > 0 ? memory->out.data : "";
}

void jobsrv_memory_take(jobsrv_memory_t *memory, size_t n) {
  jobsrv__buf_consume(&memory->out, n);
  if (memory->out.len > 0)
    memory->out.data[memory->out.len] = '\0';
}

void jobsrv_memory_window(jobsrv_memory_t *memory, size_t n) {
  memory->window = n;
  look(memory);
}

void jobsrv_memory_end(jobsrv_memory_t *memory) {
  memory->is_ended = 1;
  look(memory);
}

void jobsrv_memory_abort(jobsrv_memory_t *memory) {
  memory->is_ended = 1;
  if (memory->conn != NULL)
    jobsrv_sse_conn_cut(memory->conn);
}

jobsrv_memory_state_t jobsrv_memory_state(const jobsrv_memory_t *memory) {
  return memory->state;
}

int jobsrv_memory_until_closed(void *memory) {
  return ((jobsrv_memory_t *) memory)->state >= JOBSRV_MEMORY_CLOSED;
}
