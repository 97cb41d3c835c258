/* SPDX-License-Identifier: MIT */

/* Row 67: what a transport is put on, when it does not open that itself. */

#include "world.h"

#include "jobsrv/sse_auth.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static world w;
static peer_t peer;
static peer_t other;
static char folder[64];
static char path[100];
static char address[110];
static struct {
  int rc;
  jobsrv_sse_credentials_t by;
} seen;

static const char *linked; /* what the new owner of a file has it point at */

/* In place of the C library's, for all that is linked into this program. */
int lchown(const char *name, uid_t uid, gid_t gid) {
  if (linked == NULL)
    return fchownat(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
  return unlink(name) != 0 || symlink(linked, name) != 0 ? -1 : 0;
}

static void whoami(jobsrv_sse_request_t *request, void *data) {
  char text[64];

  (void) data;
  memset(&seen, 0, sizeof(seen));
  seen.by.size = sizeof(seen.by);
  seen.rc = jobsrv_sse_credentials(request, &seen.by);
  jobsrv_sse_peer(request, text, sizeof(text));
  assert_ok(jobsrv_sse_respond(request, 200, "text/plain", text, strlen(text)));
}

static int setup(void **state) {
  jobsrv_sse_route_t route;

  (void) state;
  memset(&w, 0, sizeof(w));
  world_open(&w);
  jobsrv_sse_route_init(&route);
  route.method = "GET";
  route.pattern = "/whoami";
  route.handler = whoami;
  assert_ok(jobsrv_sse_route(w.sse, &route));
  snprintf(folder, sizeof(folder), "./mount-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/sock", folder);
  snprintf(address, sizeof(address), "unix:%s", path);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&w);
  (void) unlink(path);
  assert_int_equal(rmdir(folder), 0);
  return 0;
}

static void peer_take(peer_t *to, int fd) {
  to->fd = fd;
  to->eof = 0;
  to->len = 0;
  to->text[0] = '\0';
}

static void open_unix(peer_t *to_open, const char *name, size_t len) {
  struct sockaddr_un to = { .sun_family = AF_UNIX };

  memcpy(to.sun_path, name, len);
  peer_take(to_open, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  assert_int_equal(
      connect(to_open->fd, (struct sockaddr *) &to,
              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)), 0);
}

/* ---- socket files ---- */

static jobsrv_sse_listen_options_t at(const char *where) {
  jobsrv_sse_listen_options_t options;

  jobsrv_sse_listen_options_init(&options);
  options.address = where;
  return options;
}

static void a_socket_file_has_the_mode_it_was_given(void **state) {
  jobsrv_sse_listen_options_t options = at(address);
  mode_t mask = umask(077);
  struct stat st;

  (void) state;
  options.mode = 0666;
  assert_ok(jobsrv_sse_listen_with(w.sse, &options));
  umask(mask);
  assert_int_equal(lstat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0666);
  open_unix(&peer, path, strlen(path) + 1);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
}

/* Without privileges it can only be given to oneself. */
static void a_socket_file_belongs_to_whom_it_was_given(void **state) {
  jobsrv_sse_listen_options_t options = at(address);
  uint32_t uid = geteuid() == 0 ? 12345 : geteuid();
  uint32_t gid = geteuid() == 0 ? 23456 : getegid();
  struct stat st;

  (void) state;
  options.set_owner = 1;
  options.uid = uid;
  options.gid = gid;
  assert_ok(jobsrv_sse_listen_with(w.sse, &options));
  assert_int_equal(lstat(path, &st), 0);
  assert_int_equal(st.st_uid, uid);
  assert_int_equal(st.st_gid, gid);
  assert_int_equal(st.st_mode & 07777, 0600);
}

/* Who owns a file may replace it, even where nobody else may. */
static void a_new_owner_does_not_choose_what_has_the_mode(void **state) {
  jobsrv_sse_listen_options_t options = at(address);
  char secret[100];
  struct stat st;

  (void) state;
  snprintf(secret, sizeof(secret), "%s/secret", folder);
  assert_int_equal(mknod(secret, S_IFREG | 0600, 0), 0);
  options.mode = 0666;
  options.set_owner = 1;
  options.uid = geteuid();
  options.gid = getegid();
  linked = "secret";
  assert_ok(jobsrv_sse_listen_with(w.sse, &options));
  linked = NULL;
  assert_int_equal(stat(secret, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(unlink(secret), 0);
}

static void an_owner_may_be_left_as_it_is(void **state) {
  jobsrv_sse_listen_options_t options = at(address);
  struct stat st;

  (void) state;
  options.set_owner = 1;
  options.uid = (uint32_t) -1;
  options.gid = (uint32_t) -1;
  assert_ok(jobsrv_sse_listen_with(w.sse, &options));
  assert_int_equal(lstat(path, &st), 0);
  assert_int_equal(st.st_uid, geteuid());
}

static void what_is_no_socket_file_has_neither_mode_nor_owner(void **state) {
  jobsrv_sse_listen_options_t options = at("127.0.0.1:0");

  (void) state;
  options.mode = 0600;
  assert_err(jobsrv_sse_listen_with(w.sse, &options), UV_EINVAL);
  options.mode = 0;
  options.set_owner = 1;
  assert_err(jobsrv_sse_listen_with(w.sse, &options), UV_EINVAL);
  options = at(address);
  options.mode = 01000;
  assert_err(jobsrv_sse_listen_with(w.sse, &options), UV_EINVAL);
  options.mode = 0777;
  assert_ok(jobsrv_sse_listen_with(w.sse, &options));
  options = at(NULL);
  assert_err(jobsrv_sse_listen_with(w.sse, &options), UV_EINVAL);
  options = at("127.0.0.1:0");
  options.size = 1;
  assert_err(jobsrv_sse_listen_with(w.sse, &options), JOBSRV_EOPTIONS);
}

/* ---- sockets that are passed in ---- */

static int bound(int family, const void *to, socklen_t len, int backlog) {
  int fd = socket(family, SOCK_STREAM, 0);

  assert_true(fd >= 0);
  assert_int_equal(bind(fd, to, len), 0);
  if (backlog > 0)
    assert_int_equal(listen(fd, backlog), 0);
  return fd;
}

static int bound_inet(int backlog) {
  struct sockaddr_in to = { .sin_family = AF_INET };

  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return bound(AF_INET, &to, sizeof(to), backlog);
}

static int listen_fd(int fd) {
  char text[32];

  snprintf(text, sizeof(text), "fd:%d", fd);
  return jobsrv_sse_listen(w.sse, text);
}

static int is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

static void a_socket_that_listens_is_taken_over(void **state) {
  int fd = bound_inet(8);
  char text[100];
  int port;

  (void) state;
  assert_ok(listen_fd(fd));
  assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
  port = jobsrv_sse_port(w.sse, 1);
  assert_true(port > 0 && port != w.port);
  assert_ok(jobsrv_sse_address(w.sse, 1, text, sizeof(text)));
  peer_open(&peer, port);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
}

static void it_is_closed_with_the_transport_and_its_file_stays(void **state) {
  struct sockaddr_un to = { .sun_family = AF_UNIX };
  char text[120];
  struct stat st;
  int fd;

  (void) state;
  snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
  fd = bound(AF_UNIX, &to, sizeof(to), 8);
  assert_ok(listen_fd(fd));
  assert_ok(jobsrv_sse_address(w.sse, 1, text, sizeof(text)));
  assert_string_equal(text, address);
  open_unix(&peer, path, strlen(path) + 1);
  assert_int_equal(ask(&w, &peer, "GET /whoami", "", NULL), 200);
  assert_string_equal(answer_body(&peer), "unix");
  peer_close(&peer);
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_false(is_open(fd));
  assert_int_equal(lstat(path, &st), 0);
}

static void an_abstract_name_is_told(void **state) {
  struct sockaddr_un to = { .sun_family = AF_UNIX };
  char text[120];
  char due[120];
  size_t len;
  int fd;

  (void) state;
  snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "mount-test-%ld",
           (long) getpid());
  len = strlen(to.sun_path + 1) + 1;
  fd = bound(AF_UNIX, &to,
             (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len), 8);
  snprintf(due, sizeof(due), "unix:@%s", to.sun_path + 1);
  assert_ok(listen_fd(fd));
  assert_ok(jobsrv_sse_address(w.sse, 1, text, sizeof(text)));
  assert_string_equal(text, due);
  open_unix(&peer, to.sun_path, len);
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_close(&peer);
}

static void what_does_not_listen_is_left_to_the_host(void **state) {
  int fd = bound_inet(0);
  int flags = fcntl(fd, F_GETFL);
  int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  int file = open("/dev/null", O_RDONLY);

  (void) state;
  assert_err(listen_fd(fd), UV_EINVAL);
  assert_int_equal(fcntl(fd, F_GETFL), flags);
  assert_int_equal(fcntl(fd, F_GETFD), 0);
  assert_err(listen_fd(datagrams), UV_EINVAL);
  assert_err(listen_fd(file), UV_ENOTSOCK);
  assert_true(is_open(file));
  close(file);
  assert_err(listen_fd(file), UV_EBADF);
  assert_err(jobsrv_sse_listen(w.sse, "fd:"), UV_EINVAL);
  assert_err(jobsrv_sse_listen(w.sse, "fd:-1"), UV_EINVAL);
  assert_err(jobsrv_sse_listen(w.sse, "fd:03"), UV_EINVAL);
  assert_err(jobsrv_sse_listen(w.sse, "fd:3x"), UV_EINVAL);
  assert_err(jobsrv_sse_listen(w.sse, "fd:2147483648"), UV_EINVAL);
  assert_err(jobsrv_sse_listen(w.sse, "fd:99999999999999999999"), UV_EINVAL);
  assert_int_equal(jobsrv_sse_port(w.sse, 1), 0);
  close(datagrams);
  close(fd);
}

/* ---- who is at the other end ---- */

static void a_unix_socket_says_whose_process_asks(void **state) {
  (void) state;
  assert_ok(jobsrv_sse_listen(w.sse, address));
  open_unix(&peer, path, strlen(path) + 1);
  assert_int_equal(ask(&w, &peer, "GET /whoami", "", NULL), 200);
  assert_ok(seen.rc);
  assert_int_equal(seen.by.pid, getpid());
  assert_int_equal(seen.by.uid, geteuid());
  assert_int_equal(seen.by.gid, getegid());
  peer_close(&peer);
  peer_open(&peer, w.port);
  assert_int_equal(ask(&w, &peer, "GET /whoami", "", NULL), 200);
  assert_err(seen.rc, UV_ENOTSUP);
  peer_close(&peer);
}

/* Strangers may look and not touch. */
static jobsrv_sse_grant_t decide(jobsrv_sse_request_t *request,
                                 jobsrv_sse_verb_t verb,
                                 jobsrv_job_t *job,
                                 void *data) {
  jobsrv_sse_credentials_t by = { .size = sizeof(by) };
  char name[32];

  (void) job;
  (void) data;
  if (jobsrv_sse_credentials(request, &by) != 0)
    return verb == JOBSRV_SSE_READ ? JOBSRV_SSE_ALLOW : JOBSRV_SSE_DENY;
  snprintf(name, sizeof(name), "uid-%u", (unsigned int) by.uid);
  assert_ok(jobsrv_sse_set_principal(request, name));
  return JOBSRV_SSE_ALLOW;
}

static void the_authorise_hook_may_go_by_it(void **state) {
  char name[32];
  jobsrv_job_t *job;

  (void) state;
  jobsrv_sse_authorise(w.sse, decide, NULL);
  assert_ok(jobsrv_sse_listen(w.sse, address));
  open_unix(&peer, path, strlen(path) + 1);
  job = post_job(&w, &peer, "work");
  snprintf(name, sizeof(name), "uid-%u", (unsigned int) geteuid());
  assert_string_equal(fixture_info(job).principal, name);
  peer_close(&peer);
  peer_open(&peer, w.port);
  assert_int_equal(post(&w, &peer, "{\"operation\":\"work\"}"), 403);
  assert_int_equal(ask(&w, &peer, line_of("GET", job, ""), "", NULL), 200);
  peer_close(&peer);
}

/* ---- several on one server ---- */

/* Whose answer it is has to be known to who holds it against a document. */
static int ask_of(jobsrv_sse_t *sse, const char *line, const char *fields) {
  jobsrv_sse_t *first = w.sse;
  int status;

  w.sse = sse;
  status = ask(&w, &other, line, fields, NULL);
  w.sse = first;
  return status;
}

static void transports_on_one_server_share_its_jobs(void **state) {
  jobsrv_sse_options_t options;
  jobsrv_sse_t *second;
  jobsrv_job_t *job;
  char line[200];
  char id[JOBSRV_ID_SIZE];

  (void) state;
  jobsrv_sse_options_init(&options);
  options.prefix = "/api";
  options.bearer_token = "secret";
  assert_ok(jobsrv_sse_new(&second, w.f.srv, &options));
  assert_ok(jobsrv_sse_listen(second, "127.0.0.1:0"));
  peer_open(&peer, w.port);
  peer_open(&other, jobsrv_sse_port(second, 0));
  job = post_job(&w, &peer, "work");
  snprintf(line, sizeof(line), "GET /api/jobs/%s", jobsrv_job_id(job, id));
  assert_int_equal(ask_of(second, line, ""), 401);
  assert_int_equal(ask_of(second, line, "Authorization: Bearer secret\r\n"),
                   200);
  assert_contains(other.text, "\"/api/jobs/");
  assert_int_equal(ask_of(second, line_of("GET", job, ""),
                          "Authorization: Bearer secret\r\n"), 404);
  jobsrv_sse_close(w.sse, NULL, NULL);
  assert_int_equal(ask_of(second, "GET /health", ""), 200);
  peer_close(&peer);
  peer_close(&other);
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static int is_set(void *data) {
  return *(int *) data;
}

static void a_drain_waits_for_all_of_them(void **state) {
  jobsrv_sse_t *second;
  int drained = 0;

  (void) state;
  assert_ok(jobsrv_sse_new(&second, w.f.srv, NULL));
  assert_ok(jobsrv_sse_listen(second, "127.0.0.1:0"));
  peer_open(&peer, w.port);
  peer_open(&other, jobsrv_sse_port(second, 0));
  assert_int_equal(ask(&w, &peer, "GET /health", "", NULL), 200);
  peer_send(&other, "GET /health HTTP/1.1\r\n"); /* half a head */
  run_turns(&w.f.loop, 3);
  (void) jobsrv_drain(w.f.srv, 5000, on_drained, &drained);
  run_turns(&w.f.loop, 10);
  assert_true(peer_wait(&peer, &w.f.loop, NULL, 5000));
  assert_int_equal(drained, 0);
  peer_send(&other, "Host: localhost\r\n\r\n");
  assert_true(peer_wait(&other, &w.f.loop, NULL, 5000));
  assert_contains(other.text, "HTTP/1.1 200 ");
  peer_close(&peer);
  peer_close(&other);
  assert_true(run_until(&w.f.loop, is_set, &drained, 5000));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(a_socket_file_has_the_mode_it_was_given),
  CASE(a_socket_file_belongs_to_whom_it_was_given),
  CASE(a_new_owner_does_not_choose_what_has_the_mode),
  CASE(an_owner_may_be_left_as_it_is),
  CASE(what_is_no_socket_file_has_neither_mode_nor_owner),
  CASE(a_socket_that_listens_is_taken_over),
  CASE(it_is_closed_with_the_transport_and_its_file_stays),
  CASE(an_abstract_name_is_told),
  CASE(what_does_not_listen_is_left_to_the_host),
  CASE(a_unix_socket_says_whose_process_asks),
  CASE(the_authorise_hook_may_go_by_it),
  CASE(transports_on_one_server_share_its_jobs),
  CASE(a_drain_waits_for_all_of_them),
};

RUN(tests);
