/* SPDX-License-Identifier: MIT */

/*
 * The library writes nothing by itself, and reads no environment. A host with
 * jobs of every style, a stream, and sinks is run in a process of its own, in
 * an environment that asks everybody to talk, with its standard descriptors
 * watched, or closed: then nothing that is printed may reach a client.
 */

#include "test.h"

#include "jobsrv/jobsrv.h"
#include "jobsrv/sinks.h"
#include "jobsrv/sse.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

enum { REPORT = 200, CLIENT = 201, PATIENCE_S = 30 };

static const char *const environment[] = {
  "DEBUG=*", "JOBSRV_DEBUG=1", "JOBSRV_LOG=trace", "LOG_LEVEL=trace",
  "RUST_LOG=trace", "G_MESSAGES_DEBUG=all", "NODE_DEBUG=http",
  "UV_THREADPOOL_SIZE=banana", "UV_USE_IO_URING=1", "TZ=../../../dev/stdout",
  "LANG=xx_XX.UTF-8", "LC_ALL=tr_TR.UTF-8", "MALLOC_PERTURB_=165",
  "FORCE_COLOR=1", "CLICOLOR_FORCE=1", "TERM=xterm-256color", "NO_COLOR=",
  "HTTP_PROXY=http://127.0.0.1:1", "OTEL_LOG_LEVEL=debug",
  "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "TRACEPARENT=00-x-y-01",
  "NOTIFY_SOCKET=/dev/null", "LISTEN_FDS=3", "JOURNAL_STREAM=1:1",
  "TMPDIR=nowhere", "HOME=", "PATH=nowhere", NULL,
};

/* ---- the host: here nothing may be asserted, as that prints ---- */

#define need(what)                                                            \
  do {                                                                        \
    if (!(what))                                                              \
      fault(__LINE__, #what);                                                 \
  } while (0)

static void fault(int line, const char *what) {
  dprintf(REPORT, "line %d: %s does not hold", line, what);
  _exit(1);
}

typedef struct {
  uv_loop_t loop;
  int has_loop; /* else the server has its own */
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  int closed;   /* the standard descriptors are */
  char text[1 << 16];
  size_t len;
} host_t;

/* What has been closed stays so. */
static void look_at_descriptors(const host_t *host) {
  for (int fd = 0; host->closed && fd <= 2; fd++)
    need(fcntl(fd, F_GETFD) < 0);
}

static void turn(host_t *host) {
  if (host->has_loop)
    uv_run(&host->loop, UV_RUN_NOWAIT);
  else
    (void) jobsrv_dispatch(host->srv);
  look_at_descriptors(host);
}

static int start(jobsrv_job_t *job, void *data) {
  (void) data;
  (void) jobsrv_error(job, "shout", "password=hunter2 \x1b[2J\n");
  (void) jobsrv_job_fail(job, "odd", "it broke\n");
  return 0;
}

static int run(jobsrv_job_t *job, void *data) {
  (void) data;
  (void) jobsrv_fatal(job, "shout", "from a thread");
  return jobsrv_job_complete(job, "{\"n\":1}", 0);
}

static int prepare(jobsrv_job_t *job, jobsrv_process_t *process, void *data) {
  static const char *const args[] = {
    "sh", "-c", "cat; echo out; echo err >&2; ls -l /proc/self/fd | wc -l",
  };

  (void) job;
  (void) data;
  for (int i = 0; i < 3; i++)
    if (jobsrv_process_arg(process, args[i]) != 0)
      return UV_ENOMEM;
  return 0;
}

static void add(host_t *host, const char *name, jobsrv_style_t style) {
  jobsrv_operation_t operation;

  jobsrv_operation_init(&operation);
  operation.name = name;
  operation.style = style;
  operation.expose = 1;
  if (style == JOBSRV_ASYNC)
    operation.start = start;
  else if (style == JOBSRV_THREAD)
    operation.run = run;
  else
    operation.prepare = prepare;
  need(jobsrv_operation_add(host->srv, &operation) == 0);
}

/* Turns until the peer has closed; each may open and close descriptors. */
static void talk(host_t *host, const char *request) {
  struct sockaddr_in to = { .sin_family = AF_INET };
  ssize_t n = 0;
  int fd = socket(AF_INET, SOCK_STREAM, 0);

  to.sin_port = htons((uint16_t) jobsrv_sse_port(host->sse, 0));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  need(dup2(fd, CLIENT) == CLIENT);
  close(fd);
  need(connect(CLIENT, (struct sockaddr *) &to, sizeof(to)) == 0);
  need(send(CLIENT, request, strlen(request), MSG_NOSIGNAL) > 0);
  host->len = 0;
  for (;;) {
    turn(host);
    n = recv(CLIENT, host->text + host->len,
             sizeof(host->text) - 1 - host->len, MSG_DONTWAIT);
    if (n == 0)
      break;
    if (n > 0)
      host->len += (size_t) n;
    else
      need(errno == EAGAIN || errno == EINTR);
    need(host->len < sizeof(host->text) - 1);
    if (n < 0)
      usleep(200);
  }
  host->text[host->len] = '\0';
  close(CLIENT);
}

/* Makes a job and watches it to its end, which is then in `text`. */
static void job(host_t *host, const char *name) {
  char request[512], body[64], id[JOBSRV_ID_SIZE];
  const char *at;

  snprintf(body, sizeof(body), "{\"operation\":\"%s\"}", name);
  snprintf(request, sizeof(request),
           "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
           strlen(body), body);
  talk(host, request);
  need(strncmp(host->text, "HTTP/1.1 202", 12) == 0);
  at = strstr(host->text, "\"job_id\":\"");
  need(at != NULL);
  snprintf(id, sizeof(id), "%.*s", (int) sizeof(id) - 1, at + 10);
  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n"
           "Connection: close\r\n\r\n", id);
  talk(host, request);
  need(strncmp(host->text, "HTTP/1.1 200", 12) == 0);
  need(strstr(host->text, "event: end") != NULL);
}

/* Frightened by what is no HTTP. */
static void refuse(host_t *host) {
  talk(host, "GET / HTTP/9.9\r\n\r\n");
  talk(host, "\x16\x03\x01\x02");
  talk(host, "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nConnection: close"
             "\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{");
}

static void on_done(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data += 1;
}

static void run_host(host_t *host) {
  jobsrv_file_options_t file;
  jobsrv_sse_options_t options;
  int done = 0;

  need(jobsrv_new(&host->srv, host->has_loop ? &host->loop : NULL, NULL) == 0);
  look_at_descriptors(host);
  jobsrv_file_options_init(&file);
  file.path = "log";
  need(jobsrv_file_add(host->srv, &file, NULL) == 0);
  add(host, "async", JOBSRV_ASYNC);
  add(host, "thread", JOBSRV_THREAD);
  add(host, "process", JOBSRV_PROCESS);
  jobsrv_sse_options_init(&options);
  need(jobsrv_sse_new(&host->sse, host->srv, &options) == 0);
  need(jobsrv_sse_listen(host->sse, "127.0.0.1:0") == 0);
  look_at_descriptors(host);

  job(host, "async");
  need(strstr(host->text, "hunter2") != NULL);
  need(strstr(host->text, "[ERROR] it broke") != NULL);
  job(host, "thread");
  need(strstr(host->text, "from a thread") != NULL);
  job(host, "process");
  need(strstr(host->text, "\"human\":\"out\"") != NULL);
  need(strstr(host->text, "\"human\":\"err\"") != NULL);
  need(strstr(host->text, "[DONE]") != NULL);
  refuse(host);
  (void) jobsrv_narrate(NULL, "lost", "belongs to nobody");
  need(jobsrv_drain(host->srv, 5000, on_done, &done) == 0);
  while (!done)
    turn(host);
  jobsrv_close(host->srv, on_done, &done);
  while (done < 2)
    turn(host);
  if (host->has_loop) {
    uv_run(&host->loop, UV_RUN_DEFAULT);
    need(uv_loop_close(&host->loop) == 0);
  }
}

static void close_all(host_t *host) {
  host->closed = 1;
  close(0);
  close(1);
  close(2);
}

static int host_main(const char *how) {
  static host_t host;

  alarm(PATIENCE_S);
  if (strcmp(how, "closed, no loop") == 0) {
    close_all(&host);
  } else {
    host.has_loop = 1;
    need(uv_loop_init(&host.loop) == 0);
    if (strcmp(how, "closed") == 0)
      close_all(&host);
  }
  run_host(&host);
  look_at_descriptors(&host);
  dprintf(REPORT, "ok");
  return 0;
}

/* ---- the test ---- */

typedef struct {
  char text[4096];
  size_t len;
} heard_t;

static void hear(int fd, heard_t *heard) {
  ssize_t n;

  heard->len = 0;
  while ((n = read(fd, heard->text + heard->len,
                   sizeof(heard->text) - 1 - heard->len)) > 0)
    heard->len += (size_t) n;
  heard->text[heard->len] = '\0';
  close(fd);
}

/* Runs the host in a folder of its own; what it left there is looked at. */
static void assert_silent(const char *how) {
  char folder[] = "silence-test.XXXXXX";
  char program[1024];
  int out[2], report[2], status;
  heard_t said, told;
  struct dirent *entry;
  char path[64];
  ssize_t n;
  DIR *dir;
  pid_t pid;

  n = readlink("/proc/self/exe", program, sizeof(program) - 1);
  assert_true(n > 0);
  program[n] = '\0';
  assert_non_null(mkdtemp(folder));
  assert_int_equal(pipe2(out, O_CLOEXEC), 0);
  assert_int_equal(pipe2(report, O_CLOEXEC), 0);
  fflush(NULL);
  pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (chdir(folder) != 0 || dup2(null, 0) < 0 || dup2(out[1], 1) < 0 ||
        dup2(out[1], 2) < 0 || dup2(report[1], REPORT) < 0)
      _exit(2);
    execle(program, program, how, (char *) NULL, environment);
    _exit(3);
  }
  close(out[1]);
  close(report[1]);
  hear(out[0], &said);
  hear(report[0], &told);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_string_equal(told.text, "ok");
  assert_int_equal(status, 0);
  assert_string_equal(said.text, "");
  assert_int_equal(said.len, 0);

  dir = opendir(folder);
  assert_non_null(dir);
  while ((entry = readdir(dir)) != NULL)
    if (entry->d_name[0] != '.')
      assert_string_equal(entry->d_name, "log");
  closedir(dir);
  snprintf(path, sizeof(path), "%s/log", folder);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(folder), 0);
}

static void a_host_hears_nothing_whatever_its_environment(void **state) {
  (void) state;
  assert_silent("open");
}

static void a_closed_descriptor_does_not_become_one_of_ours(void **state) {
  (void) state;
  assert_silent("closed");
}

static void nor_one_of_the_loop_that_a_server_has_itself(void **state) {
  (void) state;
  assert_silent("closed, no loop");
}

int main(int argc, char **argv) {
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_host_hears_nothing_whatever_its_environment),
    cmocka_unit_test(a_closed_descriptor_does_not_become_one_of_ours),
    cmocka_unit_test(nor_one_of_the_loop_that_a_server_has_itself),
  };

  if (argc > 1)
    return host_main(argv[1]);
  return RUN_GROUP(tests) != 0;
}
