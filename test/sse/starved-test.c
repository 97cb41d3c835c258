/* SPDX-License-Identifier: MIT */

/*
 * Each call that wants something of the system fails once, wherever it is
 * made: what was asked for is refused or goes on without, nothing leaks or
 * hangs, and the next time all is well.
 */

#include "calls.h"
#include "test.h"

#include "jobsrv/jobsrv.h"
#include "jobsrv/sinks.h"
#include "jobsrv/sse.h"
#include "jobsrv/testing.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { MOST_CALLS = 400, WAIT_MS = 30000 };

static char folder[] = "/tmp/starved-XXXXXX";
static char path[64];

typedef struct {
  uv_loop_t loop;
  jobsrv_faults_t faults;
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  int closed;
  int fds; /* before */
} scene_t;

static int descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  int n = 0;

  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
    n += entry->d_name[0] != '.';
  closedir(dir);
  return n;
}

static void expect_descriptors(int n) {
  if (descriptors() != n)
    fail_msg("%d descriptors where %d were, after %s failed", descriptors(), n,
             atomic_load(&calls_failed));
}

static int start(jobsrv_job_t *job, void *data) {
  (void) data;
  return jobsrv_job_complete(job, NULL, 0);
}

static int run(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static int prepare(jobsrv_job_t *job, jobsrv_process_t *plan, void *data) {
  (void) job;
  (void) data;
  return jobsrv_process_arg(plan, "/bin/true");
}

static void add_operations(jobsrv_t *srv) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = "at_once";
  op.start = start;
  op.expose = 1;
  assert_ok(jobsrv_operation_add(srv, &op));
  jobsrv_operation_init(&op);
  op.name = "thread";
  op.style = JOBSRV_THREAD;
  op.run = run;
  assert_ok(jobsrv_operation_add(srv, &op));
  jobsrv_operation_init(&op);
  op.name = "process";
  op.style = JOBSRV_PROCESS;
  op.prepare = prepare;
  assert_ok(jobsrv_operation_add(srv, &op));
}

static void scene_open(scene_t *s) {
  jobsrv_options_t options;

  memset(s, 0, sizeof(*s));
  s->fds = descriptors();
  assert_ok(uv_loop_init(&s->loop));
  assert_ok(jobsrv_faults_init(&s->faults));
  jobsrv_options_init(&options);
  options.alloc = &s->faults.alloc;
  assert_ok(jobsrv_new(&s->srv, &s->loop, &options));
  add_operations(s->srv);
}

static void on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((scene_t *) data)->closed = 1;
}

static int is_closed(void *data) {
  return ((scene_t *) data)->closed;
}

static void scene_close(scene_t *s) {
  jobsrv_close(s->srv, on_closed, s);
  assert_true(jobsrv_run_until(&s->loop, is_closed, s, WAIT_MS));
  assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
  assert_ok(uv_loop_close(&s->loop));
  assert_int_equal(jobsrv_faults_live(&s->faults), 0);
  jobsrv_faults_free(&s->faults);
  expect_descriptors(s->fds);
}

/* `try` is done until no call is left to fail; at least `least` have. */
static void each_call(void (*try)(long n), int least) {
  long n = 0;

  do {
    if (n == MOST_CALLS)
      fail_msg("%d calls and no end", MOST_CALLS);
    try(n++);
  } while (atomic_load(&calls_hit));
  if (n <= least)
    fail_msg("only %ld calls", n);
}

static void refused_or_done(const char *what, int err, int hit) {
  if (err != 0 && !hit)
    fail_msg("%s: %s", what, jobsrv_strerror(err));
  if (err != 0 && jobsrv_strerror(err) == NULL)
    fail_msg("%s: %d is no error", what, err);
}

/* ---- servers with a thread ---- */

static void try_thread(long n) {
  jobsrv_faults_t faults;
  jobsrv_options_t options;
  jobsrv_t *srv = NULL;
  int before = descriptors();
  int err;

  assert_ok(jobsrv_faults_init(&faults));
  jobsrv_options_init(&options);
  options.alloc = &faults.alloc;
  calls_fail(n);
  err = jobsrv_new(&srv, NULL, &options);
  if (err == 0) {
    err = jobsrv_start(srv);
    if (err != 0) { /* as before */
      refused_or_done("start", err, calls_end());
      err = jobsrv_start(srv);
    }
    assert_ok(err);
    assert_ok(jobsrv_stop(srv, 0));
  }
  refused_or_done("new", err, calls_end());
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
  expect_descriptors(before);
}

static void a_server_starts_or_is_as_before(void **state) {
  (void) state;
  each_call(try_thread, 6);
}

/* ---- the transport ---- */

static int listen_at_path(jobsrv_sse_t *sse) {
  jobsrv_sse_listen_options_t options;
  char address[80];

  jobsrv_sse_listen_options_init(&options);
  snprintf(address, sizeof(address), "unix:%s", path);
  options.address = address;
  options.mode = 0660;
  options.set_owner = 1;
  options.uid = (uint32_t) -1;
  options.gid = (uint32_t) -1;
  return jobsrv_sse_listen_with(sse, &options);
}

/* A file that whoever listened there has left behind. */
static void leave_stale(void) {
  struct sockaddr_un at = { .sun_family = AF_UNIX };
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  assert_true(fd >= 0);
  snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
  assert_int_equal(bind(fd, (struct sockaddr *) &at, sizeof(at)), 0);
  close(fd);
}

static void try_transport(long n) {
  scene_t s;
  jobsrv_sse_options_t options;
  int err;

  scene_open(&s);
  (void) unlink(path);
  leave_stale();
  jobsrv_sse_options_init(&options);
  options.fanout_loops = 1;
  calls_fail(n);
  err = jobsrv_sse_new(&s.sse, s.srv, &options);
  if (err == 0)
    err = jobsrv_sse_listen(s.sse, "127.0.0.1:0");
  if (err == 0)
    err = jobsrv_sse_listen(s.sse, "[::1]:0");
  if (err == 0)
    err = listen_at_path(s.sse);
  refused_or_done("listen", err, calls_end());
  scene_close(&s);
}

static void a_listener_is_there_or_not(void **state) {
  (void) state;
  each_call(try_transport, 25);
}

static int listener(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  assert_true(fd >= 0);
  assert_int_equal(listen(fd, 5), 0);
  return fd;
}

/* Given descriptors stay the host's until they are taken. */
static void try_given(long n) {
  scene_t s;
  jobsrv_sse_options_t options;
  jobsrv_sse_listen_options_t given;
  char address[30];
  int ends[2] = { -1, -1 };
  int fd;
  int err;

  scene_open(&s);
  fd = listener();
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  jobsrv_sse_options_init(&options);
  assert_ok(jobsrv_sse_new(&s.sse, s.srv, &options));
  jobsrv_sse_listen_options_init(&given);
  snprintf(address, sizeof(address), "fd:%d", fd);
  given.address = address;
  calls_fail(n);
  err = jobsrv_sse_listen_with(s.sse, &given);
  if (err != 0)
    close(fd);
  refused_or_done("listen", err, atomic_load(&calls_hit));
  err = jobsrv_sse_adopt(s.sse, ends[0], NULL, 0);
  if (err != 0)
    close(ends[0]);
  refused_or_done("adopt", err, calls_end());
  close(ends[1]);
  scene_close(&s);
}

static void a_given_descriptor_is_taken_or_left(void **state) {
  (void) state;
  each_call(try_given, 8);
}

/* As a super-server hands it over: whoever takes it leaves 0 to 2 alone. */
static void try_standard_input(long n) {
  jobsrv_sse_options_t options;
  scene_t s;
  int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
  int fd = listener();
  int ends[2];
  int err;

  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  scene_open(&s);
  jobsrv_sse_options_init(&options);
  assert_ok(jobsrv_sse_new(&s.sse, s.srv, &options));
  assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
  calls_fail(n);
  err = jobsrv_sse_listen(s.sse, "fd:0");
  refused_or_done("listen", err, atomic_load(&calls_hit));
  assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
  err = jobsrv_sse_adopt(s.sse, STDIN_FILENO, NULL, 0);
  refused_or_done("adopt", err, calls_end());
  (void) close(STDIN_FILENO); /* taken or not */
  if (saved >= 0)
    assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
  scene_close(&s);
  close(ends[0]);
  close(ends[1]);
  close(fd);
  if (saved >= 0)
    close(saved);
}

static void standard_input_is_taken_or_left(void **state) {
  (void) state;
  each_call(try_standard_input, 8);
}

/* ---- a stream ---- */

typedef struct {
  int fd;
  int eof;
  char text[20000];
  size_t len;
} client_t;

static int has_ended(void *data) {
  client_t *client = data;
  ssize_t n;

  do {
    n = recv(client->fd, client->text + client->len,
             sizeof(client->text) - 1 - client->len, MSG_DONTWAIT);
    if (n > 0)
      client->len += (size_t) n;
  } while (n > 0 && client->len + 1 < sizeof(client->text));
  client->text[client->len] = '\0';
  client->eof = n == 0 || (n < 0 && errno != EAGAIN);
  return client->eof || strstr(client->text, "data: [DONE]") != NULL;
}

static void ask_for_stream(client_t *client, scene_t *s, jobsrv_job_t *job) {
  struct sockaddr_in to = { .sin_family = AF_INET };
  char id[JOBSRV_ID_SIZE];
  char request[200];

  memset(client, 0, sizeof(*client));
  to.sin_port = htons((uint16_t) jobsrv_sse_port(s->sse, 0));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(client->fd, (struct sockaddr *) &to, sizeof(to)), 0);
  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
           jobsrv_job_id(job, id));
  assert_true(send(client->fd, request, strlen(request), MSG_NOSIGNAL) > 0);
}

static int is_lent_or_over(void *data) {
  client_t *client = data;

  return has_ended(client) ||
         strstr(client->text, "event: state\n") != NULL;
}

static void try_stream(long n) {
  scene_t s;
  client_t client;
  jobsrv_sse_options_t options;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  int hit;

  scene_open(&s);
  jobsrv_sse_options_init(&options);
  options.fanout_loops = 1;
  assert_ok(jobsrv_sse_new(&s.sse, s.srv, &options));
  assert_ok(jobsrv_sse_listen(s.sse, "127.0.0.1:0"));
  jobsrv_spec_init(&spec);
  spec.operation = "begun";
  assert_ok(jobsrv_begin(s.srv, &spec, &job));
  ask_for_stream(&client, &s, job);
  calls_fail(n);
  assert_true(jobsrv_run_until(&s.loop, is_lent_or_over, &client, WAIT_MS));
  jobsrv_run_turns(&s.loop, 5);
  assert_ok(jobsrv_narrate(job, "say", "after it"));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_true(jobsrv_run_until(&s.loop, has_ended, &client, WAIT_MS));
  hit = calls_end();
  /* a connection that could not be had is gone; a stream never is */
  if (client.len > 0)
    assert_contains(client.text, "data: [DONE]");
  else
    assert_true(hit);
  close(client.fd);
  scene_close(&s);
}

static void a_stream_goes_on_wherever_it_can(void **state) {
  (void) state;
  each_call(try_stream, 2);
}

/* ---- operations ---- */

static int has_job_ended(void *data) {
  return jobsrv_state_terminal(jobsrv_job_state(data));
}

static void try_operation(const char *name, long n) {
  scene_t s;
  jobsrv_spec_t spec;
  jobsrv_job_t *job = NULL;
  jobsrv_job_info_t info = { .size = sizeof(info) };
  int err;

  scene_open(&s);
  jobsrv_spec_init(&spec);
  spec.operation = name;
  calls_fail(n);
  err = jobsrv_submit(s.srv, &spec, NULL, &job);
  refused_or_done(name, err, atomic_load(&calls_hit));
  if (err == 0) {
    jobsrv_job_ref(job);
    assert_true(jobsrv_run_until(&s.loop, has_job_ended, job, WAIT_MS));
    jobsrv_job_info(job, &info);
    if (info.state != JOBSRV_STATE_COMPLETED && !calls_end())
      fail_msg("%s failed: %s", name, info.error_message);
    jobsrv_job_unref(job);
  }
  (void) calls_end();
  /* the next one fares well */
  assert_ok(jobsrv_submit(s.srv, &spec, NULL, &job));
  jobsrv_job_ref(job);
  assert_true(jobsrv_run_until(&s.loop, has_job_ended, job, WAIT_MS));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_COMPLETED);
  jobsrv_job_unref(job);
  scene_close(&s);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* and no child is left */
  assert_int_equal(errno, ECHILD);
}

static void try_thread_operation(long n) {
  try_operation("thread", n);
}

static void try_process_operation(long n) {
  try_operation("process", n);
}

static void a_thread_operation_ends_all_the_same(void **state) {
  (void) state;
  each_call(try_thread_operation, 3);
}

static void a_process_operation_ends_all_the_same(void **state) {
  (void) state;
  each_call(try_process_operation, 10);
}

/* ---- times of day, waits ---- */

static void try_time(long n) {
  scene_t s;
  jobsrv_spec_t spec;
  jobsrv_job_t *job = NULL;
  int err;

  scene_open(&s);
  jobsrv_spec_init(&spec);
  spec.operation = "at_once";
  spec.run_at_wall_ns = jobsrv_wall_now(s.srv) + UINT64_C(3600000000000);
  calls_fail(n);
  err = jobsrv_submit(s.srv, &spec, NULL, &job);
  refused_or_done("submit", err, calls_end());
  if (err != 0)
    assert_ok(jobsrv_submit(s.srv, &spec, NULL, &job));
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_SCHEDULED);
  scene_close(&s);
}

static void a_time_of_day_is_kept_or_refused(void **state) {
  (void) state;
  each_call(try_time, 2);
}

/* What is refused has changed nothing. */
static void try_edit(long n) {
  scene_t s;
  jobsrv_edit_t edit;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  size_t len;
  int err;

  scene_open(&s);
  jobsrv_spec_init(&spec);
  spec.operation = "at_once";
  spec.delay_ms = 3600000;
  spec.payload = "{\"a\":1}";
  assert_ok(jobsrv_submit(s.srv, &spec, NULL, &job));
  jobsrv_edit_init(&edit);
  edit.run_at_wall_ns = jobsrv_wall_now(s.srv) + UINT64_C(7200000000000);
  edit.payload = "{\"b\":22}";
  calls_fail(n);
  err = jobsrv_job_edit(job, &edit, NULL);
  refused_or_done("edit", err, calls_end());
  assert_string_equal(jobsrv_job_payload(job, &len),
                      err == 0 ? "{\"b\":22}" : "{\"a\":1}");
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_SCHEDULED);
  assert_ok(jobsrv_job_edit(job, &edit, NULL));
  assert_string_equal(jobsrv_job_payload(job, &len), "{\"b\":22}");
  scene_close(&s);
}

static void an_edit_is_made_whole_or_not_at_all(void **state) {
  (void) state;
  each_call(try_edit, 2);
}

/* ---- sinks that block ---- */

static void try_sinks(long n) {
  scene_t s;
  jobsrv_file_options_t file;
  jobsrv_syslog_options_t syslog;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  char log[80];
  int err;

  scene_open(&s);
  jobsrv_file_options_init(&file);
  snprintf(log, sizeof(log), "%s/log", folder);
  file.path = log;
  jobsrv_syslog_options_init(&syslog);
  syslog.path = path; /* nobody is there */
  calls_fail(n);
  err = jobsrv_file_add(s.srv, &file, NULL);
  if (err == 0)
    err = jobsrv_syslog_add(s.srv, &syslog, NULL);
  refused_or_done("sink", err, atomic_load(&calls_hit));
  jobsrv_spec_init(&spec);
  spec.operation = "begun";
  assert_ok(jobsrv_begin(s.srv, &spec, &job));
  assert_ok(jobsrv_narrate(job, "say", "x"));
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  jobsrv_run_turns(&s.loop, 5);
  scene_close(&s);
  (void) calls_end();
}

static void a_sink_is_there_or_not(void **state) {
  (void) state;
  each_call(try_sinks, 8);
}

/* libuv makes what the whole program shares once, and cannot do without. */
static int group_setup(void **state) {
  uv_loop_t loop;

  (void) state;
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/socket", folder);
  assert_ok(uv_loop_init(&loop));
  return uv_loop_close(&loop);
}

static int group_teardown(void **state) {
  char log[80];

  (void) state;
  snprintf(log, sizeof(log), "%s/log", folder);
  (void) unlink(log);
  (void) unlink(path);
  return rmdir(folder);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_server_starts_or_is_as_before),
  cmocka_unit_test(a_listener_is_there_or_not),
  cmocka_unit_test(a_given_descriptor_is_taken_or_left),
  cmocka_unit_test(standard_input_is_taken_or_left),
  cmocka_unit_test(a_stream_goes_on_wherever_it_can),
  cmocka_unit_test(a_thread_operation_ends_all_the_same),
  cmocka_unit_test(a_process_operation_ends_all_the_same),
  cmocka_unit_test(a_time_of_day_is_kept_or_refused),
  cmocka_unit_test(an_edit_is_made_whole_or_not_at_all),
  cmocka_unit_test(a_sink_is_there_or_not),
};

int main(void) {
  return cmocka_run_group_tests(tests, group_setup, group_teardown) != 0;
}
