/* SPDX-License-Identifier: MIT */

#include "world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

static peer_t peer;

/* A folder of its own for socket files. */
typedef struct {
  world w;
  char folder[64];
  char path[100];
  char address[110];
} place_t;

static place_t *open_place(void) {
  static place_t p;

  memset(&p, 0, sizeof(p));
  world_open(&p.w);
  snprintf(p.folder, sizeof(p.folder), "./listener-test-XXXXXX");
  assert_non_null(mkdtemp(p.folder));
  snprintf(p.path, sizeof(p.path), "%s/sock", p.folder);
  snprintf(p.address, sizeof(p.address), "unix:%s", p.path);
  return &p;
}

static void close_place(place_t *p) {
  world_close(&p->w);
  (void) unlink(p->path);
  assert_int_equal(rmdir(p->folder), 0);
}

static int exists(const char *path) {
  struct stat st;

  return lstat(path, &st) == 0;
}

static struct sockaddr_un unix_address(const char *path) {
  struct sockaddr_un to = { .sun_family = AF_UNIX };

  snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
  return to;
}

/* Binds a socket there as somebody else would. */
static int other_socket(const char *path, int listens) {
  struct sockaddr_un to = unix_address(path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  assert_int_equal(bind(fd, (struct sockaddr *) &to, sizeof(to)), 0);
  if (listens)
    assert_int_equal(listen(fd, 1), 0);
  return fd;
}

static void open_unix(peer_t *to_open, const char *path) {
  struct sockaddr_un to = unix_address(path);

  to_open->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(to_open->fd, (struct sockaddr *) &to, sizeof(to)),
                   0);
  to_open->eof = 0;
  to_open->len = 0;
}

static void a_unix_socket_is_the_owners_alone_and_goes_at_close(void **state) {
  place_t *p = open_place();
  struct stat st;

  (void) state;
  assert_ok(jobsrv_sse_listen(p->w.sse, p->address));
  assert_int_equal(lstat(p->path, &st), 0);
  assert_true(S_ISSOCK(st.st_mode));
  assert_int_equal(st.st_mode & 07777, 0600);
  open_unix(&peer, p->path);
  assert_int_equal(ask(&p->w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
  world_close(&p->w);
  assert_false(exists(p->path));
  assert_int_equal(rmdir(p->folder), 0);
}

static void a_socket_file_nobody_listens_on_is_replaced(void **state) {
  place_t *p = open_place();

  (void) state;
  close(other_socket(p->path, 1));
  assert_true(exists(p->path));
  assert_ok(jobsrv_sse_listen(p->w.sse, p->address));
  open_unix(&peer, p->path);
  assert_int_equal(ask(&p->w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
  close_place(p);
}

static void a_live_socket_is_left_alone(void **state) {
  place_t *p = open_place();
  int fd = other_socket(p->path, 1);

  (void) state;
  assert_err(jobsrv_sse_listen(p->w.sse, p->address), UV_EADDRINUSE);
  assert_err(jobsrv_sse_listen(p->w.sse, p->address), UV_EADDRINUSE);
  assert_true(exists(p->path));
  close(fd);
  close_place(p);
}

static void a_file_that_is_no_socket_is_left_alone(void **state) {
  place_t *p = open_place();
  int fd = open(p->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

  (void) state;
  assert_int_equal(write(fd, "x", 1), 1);
  close(fd);
  assert_err(jobsrv_sse_listen(p->w.sse, p->address), UV_EADDRINUSE);
  world_close(&p->w);
  assert_true(exists(p->path));
  assert_int_equal(unlink(p->path), 0);
  assert_int_equal(rmdir(p->folder), 0);
}

static void a_socket_that_became_somebody_elses_is_not_removed(void **state) {
  place_t *p = open_place();
  int fd;

  (void) state;
  assert_ok(jobsrv_sse_listen(p->w.sse, p->address));
  assert_int_equal(unlink(p->path), 0);
  fd = other_socket(p->path, 1);
  world_close(&p->w);
  assert_true(exists(p->path));
  close(fd);
  assert_int_equal(unlink(p->path), 0);
  assert_int_equal(rmdir(p->folder), 0);
}

static void listeners_are_told_apart_by_their_order(void **state) {
  place_t *p = open_place();
  char text[150];
  char due[150];

  (void) state;
  assert_ok(jobsrv_sse_listen(p->w.sse, p->address));
  snprintf(due, sizeof(due), "http://127.0.0.1:%d", p->w.port);
  assert_true(p->w.port > 0);
  assert_ok(jobsrv_sse_address(p->w.sse, 0, text, sizeof(text)));
  assert_string_equal(text, due);
  assert_ok(jobsrv_sse_address(p->w.sse, 1, text, sizeof(text)));
  assert_string_equal(text, p->address);
  assert_int_equal(jobsrv_sse_port(p->w.sse, 1), 0);
  assert_err(jobsrv_sse_address(p->w.sse, 2, text, sizeof(text)), UV_ENOENT);
  assert_err(jobsrv_sse_address(p->w.sse, 0, text, 5), UV_ENOBUFS);
  close_place(p);
}

static void a_port_in_use_is_told_and_changes_nothing(void **state) {
  place_t *p = open_place();
  char text[64];

  (void) state;
  snprintf(text, sizeof(text), "127.0.0.1:%d", p->w.port);
  assert_err(jobsrv_sse_listen(p->w.sse, text), UV_EADDRINUSE);
  assert_err(jobsrv_sse_listen(p->w.sse, "nowhere:1"), UV_EINVAL);
  assert_err(jobsrv_sse_listen(p->w.sse, "unix:/no/such/folder/x"), UV_ENOENT);
  assert_int_equal(jobsrv_sse_port(p->w.sse, 1), 0);
  peer_open(&peer, p->w.port);
  assert_int_equal(ask(&p->w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
  close_place(p);
}

static void ipv6_is_only_that(void **state) {
  place_t *p = open_place();
  int err = jobsrv_sse_listen(p->w.sse, "[::]:0");
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                             .sin6_addr = IN6ADDR_LOOPBACK_INIT };
  struct sockaddr_in v4 = { .sin_family = AF_INET };
  int fd;

  (void) state;
  fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) { /* a machine without IPv6 says so, and nothing is opened */
    assert_int_equal(err, -errno);
    assert_int_equal(jobsrv_sse_port(p->w.sse, 1), 0);
    close_place(p);
    return;
  }
  close(fd);
  assert_ok(err);
  v6.sin6_port = htons((uint16_t) jobsrv_sse_port(p->w.sse, 1));
  v4.sin_port = v6.sin6_port;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, (struct sockaddr *) &v4, sizeof(v4)), -1);
  close(fd);
  peer.fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(peer.fd, (struct sockaddr *) &v6, sizeof(v6)), 0);
  peer.eof = 0;
  assert_int_equal(ask(&p->w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
  close_place(p);
}

static void nothing_is_opened_while_draining(void **state) {
  place_t *p = open_place();

  (void) state;
  (void) jobsrv_drain(p->w.f.srv, 1000, NULL, NULL);
  assert_err(jobsrv_sse_listen(p->w.sse, p->address), JOBSRV_EDRAINING);
  close_place(p);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_unix_socket_is_the_owners_alone_and_goes_at_close),
  cmocka_unit_test(a_socket_file_nobody_listens_on_is_replaced),
  cmocka_unit_test(a_live_socket_is_left_alone),
  cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
  cmocka_unit_test(a_socket_that_became_somebody_elses_is_not_removed),
  cmocka_unit_test(listeners_are_told_apart_by_their_order),
  cmocka_unit_test(a_port_in_use_is_told_and_changes_nothing),
  cmocka_unit_test(ipv6_is_only_that),
  cmocka_unit_test(nothing_is_opened_while_draining),
};

RUN(tests);
