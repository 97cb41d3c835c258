/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_SSE_WATCHER_H
#define JOBSRV_TEST_SSE_WATCHER_H

/*
 * A client of a stream: takes HTTP's framing off and keeps the events, as an
 * EventSource would: an event counts when its empty line has come.
 */

#include "sse/world.h"

#include <poll.h>
#include <sys/mman.h>

enum { WATCHER_EVENTS = 4096 };

typedef struct {
  const char *text; /* its lines, without the last empty one */
  size_t len;
  unsigned long long seq; /* of its id; 0: it has none */
} sse_event_t;

typedef struct {
  int fd;
  int eof;
  int ended;      /* the last chunk was seen, in HTTP/1.0 the end of input */
  int status;
  char *raw;      /* as received */
  size_t raw_len;
  size_t raw_cap;
  size_t parsed;  /* of `raw` */
  char *body;     /* unchunked; events point into it */
  size_t body_len;
  size_t dispatched;
  sse_event_t events[WATCHER_EVENTS];
  size_t n;
  size_t comments;
  char last_id[80];
  unsigned long long doc; /* of record.h */
  char request[1200];
} watcher_t;

enum { WATCHER_RAW = 1 << 25 };

/* Address space only: what is not written costs nothing, which of malloc()
   sanitizers make untrue, as they write down what each byte of it is. */
static inline char *watcher_room(void) {
  void *room = mmap(NULL, WATCHER_RAW, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  assert_ptr_not_equal(room, MAP_FAILED);
  return room;
}

static inline watcher_t *watcher_new(void) {
  watcher_t *watcher = calloc(1, sizeof(*watcher));

  assert_non_null(watcher);
  watcher->fd = -1;
  watcher->raw = watcher_room();
  watcher->body = watcher_room();
  return watcher;
}

static inline watcher_t *watcher_open(const world *w, int receive_buffer) {
  watcher_t *watcher = watcher_new();
  struct sockaddr_in to = { .sin_family = AF_INET,
                            .sin_port = htons((uint16_t) w->port) };

  watcher->doc = record_doc(w->sse);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  watcher->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(watcher->fd >= 0);
  if (receive_buffer > 0)
    assert_int_equal(setsockopt(watcher->fd, SOL_SOCKET, SO_RCVBUF,
                                &receive_buffer, sizeof(receive_buffer)), 0);
  assert_int_equal(connect(watcher->fd, (struct sockaddr *) &to, sizeof(to)),
                   0);
  return watcher;
}

static inline void watcher_cut(watcher_t *watcher) {
  if (watcher->fd >= 0)
    close(watcher->fd);
  watcher->fd = -1;
}

static inline void watcher_free(watcher_t *watcher) {
  if (watcher->request[0] != '\0' && watcher->fd >= 0) /* not cut */
    record_answer(watcher->doc, watcher->request, watcher->raw,
                  watcher->raw_len);
  watcher_cut(watcher);
  munmap(watcher->raw, WATCHER_RAW);
  munmap(watcher->body, WATCHER_RAW);
  free(watcher);
}

/* ---- parsing ---- */

static inline void watcher_dispatch(watcher_t *watcher) {
  for (;;) {
    char *from = watcher->body + watcher->dispatched;
    char *end = memmem(from, watcher->body_len - watcher->dispatched, "\n\n",
                       2);
    sse_event_t *event = &watcher->events[watcher->n];
    const char *id;

    if (end == NULL)
      return;
    watcher->dispatched = (size_t) (end + 2 - watcher->body);
    *end = '\0';
    if (from[0] == ':') {
      watcher->comments++;
      continue;
    }
    assert_true(watcher->n < WATCHER_EVENTS);
    event->text = from;
    event->len = (size_t) (end - from);
    event->seq = 0;
    id = strncmp(from, "id: ", 4) == 0 ? from : strstr(from, "\nid: ");
    if (id != NULL) {
      const char *dash;

      id += *id == '\n' ? 5 : 4;
      snprintf(watcher->last_id, sizeof(watcher->last_id), "%.*s",
               (int) strcspn(id, "\n"), id);
      dash = strchr(watcher->last_id, '-');
      assert_non_null(dash);
      event->seq = strtoull(dash + 1, NULL, 10);
    }
    watcher->n++;
  }
}

static inline void watcher_unchunk(watcher_t *watcher) {
  for (;;) {
    const char *at = watcher->raw + watcher->parsed;
    size_t left = watcher->raw_len - watcher->parsed;
    char digits[7] = "";
    size_t size;

    if (left < JOBSRV_CHUNK_HEAD) {
      if (left >= 5 && memcmp(at, "0\r\n\r\n", 5) == 0)
        watcher->ended = 1;
      return;
    }
    memcpy(digits, at, 6); /* sanitizers measure a text that is read from */
    size = strtoul(digits, NULL, 16);
    if (size == 0) {
      assert_memory_equal(at, "0\r\n\r\n", 5);
      watcher->ended = 1;
      return;
    }
    assert_memory_equal(at + 6, "\r\n", 2);
    if (left < JOBSRV_CHUNK_HEAD + size + JOBSRV_CHUNK_TAIL)
      return;
    assert_memory_equal(at + JOBSRV_CHUNK_HEAD + size, "\r\n", 2);
    memcpy(watcher->body + watcher->body_len, at + JOBSRV_CHUNK_HEAD, size);
    watcher->body_len += size;
    watcher->parsed += JOBSRV_CHUNK_HEAD + size + JOBSRV_CHUNK_TAIL;
  }
}

static inline void watcher_parse(watcher_t *watcher) {
  if (watcher->status == 0) {
    const char *end = memmem(watcher->raw, watcher->raw_len, "\r\n\r\n", 4);

    if (end == NULL)
      return;
    watcher->status = atoi(watcher->raw + 9);
    watcher->parsed = (size_t) (end + 4 - watcher->raw);
  }
  if (memmem(watcher->raw, watcher->parsed == 0 ? 0 : 4000 < watcher->raw_len
                                                        ? 4000
                                                        : watcher->raw_len,
             "Transfer-Encoding: chunked\r\n", 28) != NULL) {
    watcher_unchunk(watcher);
  } else {
    size_t left = watcher->raw_len - watcher->parsed;

    memcpy(watcher->body + watcher->body_len, watcher->raw + watcher->parsed,
           left);
    watcher->body_len += left;
    watcher->parsed += left;
    watcher->ended = watcher->eof;
  }
  watcher_dispatch(watcher);
}

/* Takes what is there, up to `max` bytes in all. */
static inline void watcher_read(watcher_t *watcher, size_t max) {
  while (!watcher->eof && watcher->raw_len < max) {
    ssize_t n = recv(watcher->fd, watcher->raw + watcher->raw_len,
                     max - watcher->raw_len, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      break;
    if (n <= 0) {
      watcher->eof = 1;
      break;
    }
    watcher->raw_len += (size_t) n;
  }
  watcher_parse(watcher);
}

/* ---- asking and waiting ---- */

static inline void watcher_send(watcher_t *watcher, const char *request) {
  size_t len = strlen(request);

  assert_true(len < sizeof(watcher->request));
  memcpy(watcher->request, request, len + 1);
  assert_int_equal(send(watcher->fd, request, len, MSG_NOSIGNAL), len);
}

static inline void watcher_ask(watcher_t *watcher,
                               const jobsrv_job_t *job,
                               int minor,
                               const char *query,
                               const char *fields) {
  char request[800];
  char id[JOBSRV_ID_SIZE];

  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream%s HTTP/1.%d\r\nHost: localhost\r\n%s\r\n",
           jobsrv_job_id(job, id), query, minor, fields);
  watcher_send(watcher, request);
}

typedef struct {
  watcher_t *watcher;
  size_t events;
  size_t raw;
} watch_wait_t;

static inline int watch_is_enough(void *data) {
  watch_wait_t *wait = data;
  watcher_t *watcher = wait->watcher;

  watcher_read(watcher, wait->raw);
  if (watcher->eof || watcher->raw_len >= wait->raw)
    return 1;
  if (wait->events > 0)
    return watcher->n >= wait->events;
  return watcher->ended || (watcher->status != 0 && watcher->status != 200);
}

/* Until there are `n` events, or the stream has ended when `n` is 0. */
static inline void watcher_wait(world *w, watcher_t *watcher, size_t n) {
  watch_wait_t wait = { watcher, n, WATCHER_RAW };

  if (!run_until(&w->f.loop, watch_is_enough, &wait, 10000))
    fail_msg("%zu events and no more: %.2000s", watcher->n, watcher->raw);
}

/* Until `n` bytes have been received. */
static inline void watcher_wait_bytes(world *w, watcher_t *watcher, size_t n) {
  watch_wait_t wait = { watcher, WATCHER_EVENTS + 1, n };

  assert_true(run_until(&w->f.loop, watch_is_enough, &wait, 10000));
}

static inline watcher_t *watch(world *w,
                               const jobsrv_job_t *job,
                               const char *query,
                               const char *fields) {
  watcher_t *watcher = watcher_open(w, 0);

  watcher_ask(watcher, job, 1, query, fields);
  return watcher;
}

/* ---- judging ---- */

static inline int is_opening(const sse_event_t *event) {
  return strstr(event->text, "\nretry: ") != NULL;
}

static inline int is_end(const sse_event_t *event) {
  return strncmp(event->text, "event: end\n", 11) == 0;
}

static inline int is_gap(const sse_event_t *event) {
  return strncmp(event->text, "event: gap\n", 11) == 0;
}

static inline int is_progress(const sse_event_t *event) {
  return strncmp(event->text, "event: progress\n", 16) == 0;
}

/* What all watchers of a job must see alike. */
static inline int is_logged(const sse_event_t *event) {
  return !is_opening(event) && !is_progress(event);
}

static inline const sse_event_t *next_logged(const watcher_t *watcher,
                                             size_t *i) {
  while (*i < watcher->n)
    if (is_logged(&watcher->events[(*i)++]))
      return &watcher->events[*i - 1];
  return NULL;
}

static inline void assert_same_events(const watcher_t *a, const watcher_t *b) {
  size_t i = 0;
  size_t k = 0;
  const sse_event_t *x;
  const sse_event_t *y;

  do {
    x = next_logged(a, &i);
    y = next_logged(b, &k);
    if (x == NULL && y == NULL)
      return;
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(x->len, y->len);
    assert_memory_equal(x->text, y->text, x->len);
  } while (1);
}

#endif /* JOBSRV_TEST_SSE_WATCHER_H */
