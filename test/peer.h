/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_PEER_H
#define JOBSRV_TEST_PEER_H

/* A client's end of a connection, in the same thread as the server's loop. */

#include "mode.h"
#include "test.h"

#include "jobsrv/testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

typedef struct {
  int fd;
  int eof; /* the server has closed, or cut, the connection */
  char text[1 << 18];
  size_t len;
} peer_t;

static inline void peer_open(peer_t *peer, int port) {
  struct sockaddr_in to = { .sin_family = AF_INET,
                            .sin_port = htons((uint16_t) port) };

  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(peer->fd >= 0);
  assert_int_equal(connect(peer->fd, (struct sockaddr *) &to, sizeof(to)), 0);
  peer->eof = 0;
  peer->len = 0;
  peer->text[0] = '\0';
}

static inline void peer_close(peer_t *peer) {
  close(peer->fd);
  peer->fd = -1;
}

static inline void peer_send(peer_t *peer, const char *text) {
  if (send(peer->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
    peer->eof = 1;
}

static inline void peer_recv(peer_t *peer) {
  ssize_t n;

  while (!peer->eof && peer->len + 1 < sizeof(peer->text)) {
    n = recv(peer->fd, peer->text + peer->len,
             sizeof(peer->text) - 1 - peer->len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
      break;
    if (n <= 0) {
      peer->eof = 1;
      break;
    }
    peer->len += (size_t) n;
    peer->text[peer->len] = '\0';
  }
}

typedef struct {
  peer_t *peer;
  const char *part;
  size_t seen; /* of the text: where `part` does not begin */
  int found;
} peer_wait_t;

/* Only in what has come since, as there can be much. */
static inline void peer_search(peer_wait_t *wait) {
  const char *text = wait->peer->text;
  size_t len = wait->peer->len;
  size_t size = strlen(wait->part);

  wait->found = memmem(text + wait->seen, len - wait->seen, wait->part,
                       size) != NULL;
  if (len - wait->seen >= size)
    wait->seen = len - size + (size > 0);
}

static inline int peer_has_it(void *data) {
  peer_wait_t *wait = data;

  peer_recv(wait->peer);
  if (wait->part != NULL && !wait->found)
    peer_search(wait);
  return wait->peer->eof || wait->found;
}

/* 1 when `part` has come; 0 when the connection ended, or after `ms`. */
static inline int peer_wait(peer_t *peer,
                            loop_t *loop,
                            const char *part,
                            uint64_t ms) {
  peer_wait_t wait = { peer, part, 0, 0 };

  (void) run_until(loop, peer_has_it, &wait, ms);
  return part != NULL ? wait.found : peer->eof;
}

static inline void peer_post(peer_t *peer, const char *body) {
  char request[2048];

  snprintf(request, sizeof(request),
           "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\n"
           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
           strlen(body), body);
  peer_send(peer, request);
}

static inline void peer_stream(peer_t *peer, const char *id) {
  char request[256];

  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
  peer_send(peer, request);
}

/* Copies the job's id out of the answer to a POST; 0 if it is not there. */
static inline int peer_job_id(const peer_t *peer, char to[JOBSRV_ID_SIZE]) {
  const char *at = strstr(peer->text, "{\"job_id\":\"");

  if (at == NULL || strlen(at) < 11 + JOBSRV_ID_SIZE)
    return 0;
  memcpy(to, at + 11, JOBSRV_ID_SIZE - 1);
  to[JOBSRV_ID_SIZE - 1] = '\0';
  return 1;
}

#endif /* JOBSRV_TEST_PEER_H */
