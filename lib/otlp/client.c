/* SPDX-License-Identifier: MIT */

#include "otlp/client.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <errno.h>
#include <string.h>

#include <netinet/tcp.h>
#include <sys/uio.h>
#include <unistd.h>

/* Outlives its client until libuv has let go of the handle. */
struct jobsrv__otlp_conn_s {
  uv_poll_t poll;
  jobsrv_alloc_t alloc;
  jobsrv__otlp_client_t *client;
  int fd;
};

/* Likewise. */
struct jobsrv__otlp_lookup_s {
  uv_getaddrinfo_t request;
  jobsrv_alloc_t alloc;
  jobsrv__otlp_client_t *client; /* NULL: nobody waits for it any more */
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* ---- the connection ---- */

static void on_closed(uv_handle_t *handle) {
  jobsrv__otlp_conn_t *conn = (void *) handle;
  jobsrv_alloc_t alloc = conn->alloc;

  jobsrv__free(&alloc, conn);
}

static void drop_conn(jobsrv__otlp_client_t *client) {
  jobsrv__otlp_conn_t *conn = client->conn;

  if (conn == NULL)
    return;
  client->conn = NULL;
  conn->client = NULL;
  uv_close((uv_handle_t *) &conn->poll, on_closed);
  close(conn->fd);
}

static void want(jobsrv__otlp_client_t *client, int events) {
  (void) uv_poll_start(&client->conn->poll, events, on_poll);
}

static int make_socket(const jobsrv__otlp_address_t *address, int *err) {
  int on = 1;
  int fd = jobsrv__fd_high(socket(address->u.any.sa_family,
                                  SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                  0));

  if (fd < 0) {
    *err = -errno;
    return -1;
  }
  if (address->u.any.sa_family != AF_UNIX)
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (connect(fd, &address->u.any, address->len) == 0 || errno == EINPROGRESS)
    return fd;
  *err = -errno;
  close(fd);
  return -1;
}

static int open_conn(jobsrv__otlp_client_t *client,
                     const jobsrv__otlp_address_t *address) {
  jobsrv__otlp_conn_t *conn = jobsrv__zalloc(client->alloc, sizeof(*conn));
  int err = 0;

  if (conn == NULL)
    return UV_ENOMEM;
  conn->alloc = *client->alloc;
  conn->fd = make_socket(address, &err);
  if (conn->fd >= 0)
    err = uv_poll_init(client->loop, &conn->poll, conn->fd);
  if (err != 0) {
    if (conn->fd >= 0)
      close(conn->fd);
    jobsrv__free(client->alloc, conn);
    return err;
  }
  conn->client = client;
  client->conn = conn;
  client->is_reused = 0;
  client->state = JOBSRV__OTLP_CONNECTING;
  if (!client->holds_loop)
    uv_unref((uv_handle_t *) &conn->poll);
  want(client, UV_WRITABLE);
  return 0;
}

static int try_next(jobsrv__otlp_client_t *client, int err) {
  drop_conn(client);
  while (client->next_address < client->naddresses) {
    err = open_conn(client, &client->addresses[client->next_address++]);
    if (err == 0)
      return 0;
  }
  return err;
}

/* ---- the end of a request ---- */

static void forget_lookup(jobsrv__otlp_client_t *client) {
  if (client->lookup == NULL)
    return;
  client->lookup->client = NULL;
  (void) uv_cancel((uv_req_t *) &client->lookup->request);
  client->lookup = NULL;
}

static void fail(jobsrv__otlp_client_t *client, int err) {
  jobsrv_timer_disarm(client->srv, &client->timer);
  forget_lookup(client);
  drop_conn(client);
  client->state = JOBSRV__OTLP_IDLE;
  client->done(client, err);
}

static void complete(jobsrv__otlp_client_t *client) {
  jobsrv_timer_disarm(client->srv, &client->timer);
  if (client->response.keeps && client->state == JOBSRV__OTLP_WAITING)
    want(client, UV_READABLE);
  else
    drop_conn(client);
  client->state = JOBSRV__OTLP_IDLE;
  client->done(client, 0);
}

static void on_timeout(jobsrv_timer_t *timer) {
  fail(timer->data, UV_ETIMEDOUT);
}

/* ---- finding the collector ---- */

static void take_addresses(jobsrv__otlp_client_t *client,
                           const struct addrinfo *list) {
  client->naddresses = 0;
  client->next_address = 0;
  for (; list != NULL && client->naddresses < JOBSRV__OTLP_ADDRESSES;
       list = list->ai_next) {
    jobsrv__otlp_address_t *to = &client->addresses[client->naddresses];

    if (list->ai_addrlen > sizeof(to->u))
      continue;
    memcpy(&to->u, list->ai_addr, list->ai_addrlen);
    to->len = list->ai_addrlen;
    client->naddresses++;
  }
}

static void on_looked_up(uv_getaddrinfo_t *request,
                         int status,
                         struct addrinfo *list) {
  jobsrv__otlp_lookup_t *lookup = (void *) request;
  jobsrv__otlp_client_t *client = lookup->client;
  jobsrv_alloc_t alloc = lookup->alloc;

  if (client != NULL) {
    client->lookup = NULL;
    take_addresses(client, list);
  }
  uv_freeaddrinfo(list);
  jobsrv__free(&alloc, lookup);
  if (client == NULL)
    return;
  if (status == 0)
    status = try_next(client, UV_EAI_NODATA);
  if (status != 0)
    fail(client, status);
}

static int look_up(jobsrv__otlp_client_t *client) {
  struct addrinfo hints = { .ai_family = AF_UNSPEC,
                            .ai_socktype = SOCK_STREAM };
  jobsrv__otlp_lookup_t *lookup;
  int err;

  lookup = jobsrv__zalloc(client->alloc, sizeof(*lookup));
  if (lookup == NULL)
    return UV_ENOMEM;
  lookup->alloc = *client->alloc;
  lookup->client = client;
  err = uv_getaddrinfo(client->loop, &lookup->request, on_looked_up,
                       client->endpoint->host, client->endpoint->port, &hints);
  if (err != 0) {
    jobsrv__free(client->alloc, lookup);
    return err;
  }
  client->lookup = lookup;
  client->state = JOBSRV__OTLP_LOOKUP;
  return 0;
}

static int begin(jobsrv__otlp_client_t *client) {
  drop_conn(client);
  client->sent = 0;
  if (client->endpoint->address.len == 0)
    return look_up(client);
  client->addresses[0] = client->endpoint->address;
  client->naddresses = 1;
  client->next_address = 0;
  return try_next(client, 0);
}

/* ---- sending and receiving ---- */

/* 0, or a negative code. */
static int write_some(jobsrv__otlp_client_t *client) {
  size_t all = client->head_len + client->body_len;
  struct iovec parts[2];
  struct msghdr message = { .msg_iov = parts };
  size_t in_body;
  ssize_t n;

  while (client->sent < all) {
    in_body = client->sent > client->head_len
                  ? client->sent - client->head_len : 0;
    message.msg_iovlen = 0;
    if (client->sent < client->head_len)
      parts[message.msg_iovlen++] = (struct iovec) {
        (void *) (uintptr_t) (client->head + client->sent),
        client->head_len - client->sent
      };
    parts[message.msg_iovlen++] = (struct iovec) {
      (void *) (uintptr_t) (client->body + in_body),
      client->body_len - in_body
    };
    n = sendmsg(client->conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      want(client, UV_READABLE | UV_WRITABLE);
      return 0;
    }
    if (n < 0)
      return -errno;
    client->sent += (size_t) n;
  }
  client->state = JOBSRV__OTLP_WAITING;
  want(client, UV_READABLE);
  return 0;
}

/* The connection is no more, before the answer was complete. */
static void lost(jobsrv__otlp_client_t *client, int err) {
  if (client->is_reused && !client->response.has_begun) {
    err = begin(client);
    if (err == 0)
      return;
  }
  fail(client, err);
}

enum { READ_SIZE = 8 * 1024, READS = 8 };

/* 1 when the answer is complete, 0 when more may come, else why not. */
static int read_some(jobsrv__otlp_client_t *client) {
  char bytes[READ_SIZE];
  int rc = 0;
  ssize_t n;

  for (int i = 0; i < READS && rc == 0; i++) {
    n = recv(client->conn->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
    if (n == 0)
      return jobsrv__otlp_response_end(&client->response);
    rc = jobsrv__otlp_response_feed(&client->response, bytes, (size_t) n);
  }
  return rc;
}

static void on_connected(jobsrv__otlp_client_t *client) {
  socklen_t len = sizeof(int);
  int err = 0;

  if (getsockopt(client->conn->fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0)
    err = errno;
  if (err != 0) {
    err = try_next(client, -err);
    if (err != 0)
      fail(client, err);
    return;
  }
  client->connects++;
  client->state = JOBSRV__OTLP_SENDING;
  err = write_some(client);
  if (err != 0)
    lost(client, err);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  jobsrv__otlp_conn_t *conn = (void *) poll;
  jobsrv__otlp_client_t *client = conn->client;
  int rc = 0;

  if (client->state == JOBSRV__OTLP_CONNECTING) {
    on_connected(client);
    return;
  }
  if (client->state == JOBSRV__OTLP_IDLE) { /* nothing is to come any more */
    drop_conn(client);
    return;
  }
  if (status < 0 || (events & UV_READABLE))
    rc = read_some(client);
  if (rc == 0 && status < 0) /* libuv has stopped looking */
    rc = UV_ECONNRESET;
  if (rc == 0 && (events & UV_WRITABLE) &&
      client->state == JOBSRV__OTLP_SENDING)
    rc = write_some(client);
  if (rc > 0)
    complete(client);
  else if (rc < 0)
    lost(client, rc);
}

/* ---- what the owner calls ---- */

void jobsrv__otlp_client_init(jobsrv__otlp_client_t *client) {
  client->timer.data = client;
  jobsrv__otlp_response_init(&client->response, client->alloc);
}

void jobsrv__otlp_client_close(jobsrv__otlp_client_t *client) {
  jobsrv_timer_disarm(client->srv, &client->timer);
  forget_lookup(client);
  drop_conn(client);
  jobsrv__otlp_response_free(&client->response);
}

int jobsrv__otlp_client_send(jobsrv__otlp_client_t *client,
                             const char *head,
                             size_t head_len,
                             const char *body,
                             size_t body_len) {
  int err = UV_ENOTCONN;

  client->head = head;
  client->head_len = head_len;
  client->body = body;
  client->body_len = body_len;
  client->sent = 0;
  jobsrv__otlp_response_reset(&client->response);
  client->is_reused = client->conn != NULL;
  if (client->is_reused) {
    client->state = JOBSRV__OTLP_SENDING;
    err = write_some(client);
  }
  if (err != 0)
    err = begin(client);
  if (err != 0) {
    drop_conn(client);
    client->state = JOBSRV__OTLP_IDLE;
    return err;
  }
  jobsrv_timer_arm(client->srv, &client->timer,
                   jobsrv_now(client->srv) +
                       client->timeout_ms * UINT64_C(1000000),
                   on_timeout);
  return 0;
}

void jobsrv__otlp_client_hold(jobsrv__otlp_client_t *client, int yes) {
  client->holds_loop = yes;
  if (client->conn == NULL)
    return;
  if (yes)
    uv_ref((uv_handle_t *) &client->conn->poll);
  else
    uv_unref((uv_handle_t *) &client->conn->poll);
}
