/* SPDX-License-Identifier: MIT */

/*
 * Fan-out of one job to N watchers: CPU of the server for each delivered
 * event, beside a bare epoll server that sends one ready frame of the same
 * size to N sockets. Both live at the same time, each in a process of its own
 * on one core, and take turns; the reader has the other core. A window of
 * events is sent, then the server waits until all of it has been read; windows
 * are as long as the buffers of the sockets allow. Prints a table (and JSON
 * with a file name); never fails for being slow, but gives up when stuck.
 *
 * With --loops our server has that many fan-out loops, and what its own loop
 * and each of them take is told apart. They share the server's core where there
 * are fewer than four, so that this is then all there is to see of them;
 * elsewhere each takes a core, and the time of a window is told too.
 *
 *   fanout [--loops N] [ROUNDS [JSON-FILE]]
 */

#include "jobsrv/sse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

enum {
  MAX_ROUNDS = 25,
  MAX_BATCH = 16,
  MAX_FRAME = 1024,
  DELIVERIES = 100000,           /* a round, in as many whole windows */
  SOCKET_BYTES = 32 * 1024,      /* a window leaves unread in one socket */
  WINDOW_BYTES = 16 * 1024 * 1024, /* and in all of them */
  STUCK_S = 30                   /* no step of the run takes as long */
};

/* What the reader tells a server to do. */
typedef struct {
  uint32_t turns;
  uint32_t batch;
  uint32_t frame; /* bytes, for the bare server */
} order_t;

/* What the server answers: all it ever sent, and the CPU of this window, the
   loop's own part of it, and how long it took. */
typedef struct {
  uint64_t sent;
  uint64_t cpu_ns;
  uint64_t loop_ns;
  uint64_t wall_ns;
} report_t;

/* A round, for each delivered event. */
typedef struct {
  double cpu;
  double loop;
  double wall;
} cost_t;

typedef struct {
  pid_t pid;
  int control;
  int port;
  int epoll;
  int *fds;
  uint64_t received;
} peer_t;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint32_t loops;

static uint64_t now_of(clockid_t clock) {
  struct timespec t;

  clock_gettime(clock, &t);
  return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static uint64_t cpu_ns(void) {
  return now_of(CLOCK_PROCESS_CPUTIME_ID);
}

static void pin(size_t cpu) {
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void) sched_setaffinity(0, sizeof(set), &set);
}

static int read_all(int fd, void *to, size_t len) {
  for (size_t at = 0; at < len;) {
    ssize_t n = read(fd, (char *) to + at, len - at);

    if (n <= 0)
      return -1;
    at += (size_t) n;
  }
  return 0;
}

static void write_all(int fd, const void *from, size_t len) {
  if (write(fd, from, len) != (ssize_t) len)
    die("control");
}

/* ---- the bare server ---- */

static void bare_accept(int listener, int *fds, int n, int epoll) {
  for (int i = 0; i < n; i++) {
    struct epoll_event event = { .events = EPOLLIN };
    char drop[512];
    int on = 1;

    fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fds[i] < 0)
      die("accept");
    if (recv(fds[i], drop, sizeof(drop), 0) <= 0)
      die("request");
    fcntl(fds[i], F_SETFL, O_NONBLOCK);
    /* an event is for now: a frame held back to save work is no comparison */
    setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    event.data.fd = fds[i];
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
  }
}

static void bare_server(int control, int n) {
  struct sockaddr_in address = { .sin_family = AF_INET };
  socklen_t len = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  int *fds = calloc((size_t) n, sizeof(*fds));
  static char frames[MAX_BATCH * MAX_FRAME];
  report_t report = { 0 };
  order_t order;
  int port;

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fds == NULL || listen(listener, 4096) != 0 ||
      getsockname(listener, (struct sockaddr *) &address, &len) != 0)
    die("listen");
  port = ntohs(address.sin_port);
  write_all(control, &port, sizeof(port));
  bare_accept(listener, fds, n, epoll);
  memset(frames, 'x', sizeof(frames));
  write_all(control, &report, sizeof(report));
  while (read_all(control, &order, sizeof(order)) == 0) {
    size_t size = (size_t) order.batch * order.frame;
    uint64_t start = cpu_ns();

    for (uint32_t turn = 0; turn < order.turns; turn++) {
      struct epoll_event events[64];

      (void) epoll_wait(epoll, events, 64, 0);
      for (int i = 0; i < n; i++) {
        ssize_t sent = send(fds[i], frames, size, MSG_NOSIGNAL);

        if (sent > 0)
          report.sent += (uint64_t) sent;
      }
    }
    report.cpu_ns = cpu_ns() - start;
    write_all(control, &report, sizeof(report));
  }
  _exit(0);
}

/* ---- ours ---- */

static uint64_t bytes_sent(const jobsrv_sse_t *sse) {
  jobsrv_sse_stats_t stats = { .size = sizeof(stats) };

  jobsrv_sse_stats(sse, &stats);
  return stats.bytes_sent;
}

/* How many bytes of the log a watcher is to be sent since it was last asked. */
static uint64_t bytes_due(jobsrv_cursor_t *cursor) {
  jobsrv_view_t view;
  uint64_t bytes = 0;

  while (jobsrv_cursor_peek(cursor, &view) == JOBSRV_READ_EVENTS) {
    bytes += view.len;
    jobsrv_cursor_advance(cursor, view.len);
  }
  return bytes;
}

/* Other loops send when they come to it; sleeping takes next to no CPU. */
static void wait_sent(const jobsrv_sse_t *sse, uint64_t sent) {
  const struct timespec nap = { .tv_nsec = 50000 };

  while (bytes_sent(sse) < sent)
    nanosleep(&nap, NULL);
}

static uint32_t streams(const jobsrv_sse_t *sse) {
  jobsrv_sse_stats_t stats = { .size = sizeof(stats) };

  jobsrv_sse_stats(sse, &stats);
  return stats.streams;
}

static void our_server(int control, int n) {
  /* 150 bytes of data, as the bare frame will have them too */
  static const char text[] = "a line of the size that a build prints";
  uv_loop_t *loop = uv_default_loop();
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_sse_options_t sse_options;
  jobsrv_options_t options;
  jobsrv_spec_t spec;
  report_t report = { 0 };
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *job;
  jobsrv_sse_t *sse;
  jobsrv_t *srv;
  order_t order;
  int port;

  jobsrv_options_init(&options);
  jobsrv_sse_options_init(&sse_options);
  sse_options.max_connections = (uint32_t) n + 8;
  sse_options.max_streams = (uint32_t) n + 4;
  sse_options.max_streams_per_job = (uint32_t) n + 4;
  sse_options.fanout_loops = loops;
  jobsrv_spec_init(&spec);
  if (jobsrv_new(&srv, loop, &options) != 0 ||
      jobsrv_sse_new(&sse, srv, &sse_options) != 0 ||
      jobsrv_sse_listen(sse, "127.0.0.1:0") != 0 ||
      jobsrv_begin(srv, &spec, &job) != 0 ||
      jobsrv_cursor_attach(&cursor, job, 0, NULL) != 0)
    die("server");
  port = jobsrv_sse_port(sse, 0);
  write_all(control, &port, sizeof(port));
  write_all(control, jobsrv_job_id(job, id), sizeof(id));
  while (streams(sse) < (uint32_t) n)
    uv_run(loop, UV_RUN_ONCE);
  for (int i = 0; i < 4; i++)
    uv_run(loop, UV_RUN_NOWAIT);
  (void) bytes_due(&cursor);
  usleep(loops > 0 ? 300000 : 0); /* heads, and what else is on its way */
  report.sent = bytes_sent(sse);
  write_all(control, &report, sizeof(report));
  while (read_all(control, &order, sizeof(order)) == 0) {
    uint64_t start = cpu_ns();
    uint64_t loop_start = now_of(CLOCK_THREAD_CPUTIME_ID);
    uint64_t wall_start = now_of(CLOCK_MONOTONIC);

    for (uint32_t turn = 0; turn < order.turns; turn++) {
      for (uint32_t i = 0; i < order.batch; i++)
        jobsrv_narrate(job, "build", "%s", text);
      uv_run(loop, UV_RUN_NOWAIT);
      if (loops > 0) { /* as many sends as there are turns */
        report.sent += (uint64_t) n * bytes_due(&cursor);
        wait_sent(sse, report.sent);
      }
    }
    uv_run(loop, UV_RUN_NOWAIT);
    report.cpu_ns = cpu_ns() - start;
    report.loop_ns = now_of(CLOCK_THREAD_CPUTIME_ID) - loop_start;
    report.wall_ns = now_of(CLOCK_MONOTONIC) - wall_start;
    report.sent = bytes_sent(sse);
    write_all(control, &report, sizeof(report));
  }
  _exit(0);
}

/* ---- the reader ---- */

static int connect_one(const peer_t *peer, const char *request) {
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t) peer->port) };
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
    die("connect");
  if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
    die("request");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

static void drain_until(peer_t *peer, uint64_t total) {
  static char sink[1 << 16];
  struct epoll_event events[256];

  while (peer->received < total) {
    int n = epoll_wait(peer->epoll, events, 256, 5000);

    if (n <= 0) {
      fprintf(stderr, "reader starved at %llu of %llu bytes\n",
              (unsigned long long) peer->received, (unsigned long long) total);
      exit(1);
    }
    for (int i = 0; i < n; i++) {
      ssize_t got = recv(events[i].data.fd, sink, sizeof(sink), 0);

      if (got > 0)
        peer->received += (uint64_t) got;
      else if (got == 0)
        epoll_ctl(peer->epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
    }
  }
}

static void start(peer_t *peer, int ours, int n) {
  int pair[2];
  char request[256], id[JOBSRV_ID_SIZE];
  report_t report;

  memset(peer, 0, sizeof(*peer));
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    die("socketpair");
  fflush(NULL);
  peer->pid = fork();
  if (peer->pid < 0)
    die("fork");
  if (peer->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(pair[0]);
    if (!ours || loops == 0 || sysconf(_SC_NPROCESSORS_ONLN) < 4)
      pin(0);
    if (ours)
      our_server(pair[1], n);
    bare_server(pair[1], n);
  }
  close(pair[1]);
  peer->control = pair[0];
  peer->epoll = epoll_create1(EPOLL_CLOEXEC);
  peer->fds = calloc((size_t) n, sizeof(*peer->fds));
  if (peer->fds == NULL ||
      read_all(peer->control, &peer->port, sizeof(peer->port)) != 0)
    die("start");
  snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  if (ours) {
    if (read_all(peer->control, id, sizeof(id)) != 0)
      die("id");
    snprintf(request, sizeof(request),
             "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
  }
  for (int i = 0; i < n; i++) {
    struct epoll_event event = { .events = EPOLLIN };

    peer->fds[i] = connect_one(peer, request);
    event.data.fd = peer->fds[i];
    epoll_ctl(peer->epoll, EPOLL_CTL_ADD, peer->fds[i], &event);
  }
  if (read_all(peer->control, &report, sizeof(report)) != 0)
    die("ready");
  drain_until(peer, report.sent);
}

static void stop(peer_t *peer, int n) {
  /* a close alone does not reach it: the later peer has a copy */
  shutdown(peer->control, SHUT_RDWR);
  close(peer->control);
  for (int i = 0; i < n; i++)
    close(peer->fds[i]);
  close(peer->epoll);
  free(peer->fds);
  waitpid(peer->pid, NULL, 0);
}

/* Turns of a window; the guess is for the round that measures `frame`. */
static uint32_t turns_of(int n, uint32_t batch, uint32_t frame) {
  uint64_t bytes = (uint64_t) batch * (frame != 0 ? frame : MAX_FRAME);
  uint64_t turns = SOCKET_BYTES / bytes;

  if (turns > WINDOW_BYTES / (bytes * (uint64_t) n))
    turns = WINDOW_BYTES / (bytes * (uint64_t) n);
  return turns > 0 ? (uint32_t) turns : 1;
}

/* One round: nanoseconds of CPU for each delivered event; bytes of one. */
static cost_t round_of(peer_t *peer,
                       int n,
                       uint32_t batch,
                       uint32_t frame,
                       double *bytes) {
  order_t order = { turns_of(n, batch, frame), batch, frame };
  uint64_t per_window = (uint64_t) n * order.turns * batch;
  uint64_t windows = DELIVERIES / per_window + 1;
  double events = (double) (windows * per_window);
  cost_t cost = { 0 };
  uint64_t before = peer->received;
  report_t report;

  alarm(STUCK_S);
  for (uint64_t i = 0; i < windows; i++) {
    write_all(peer->control, &order, sizeof(order));
    if (read_all(peer->control, &report, sizeof(report)) != 0)
      die("report");
    drain_until(peer, report.sent);
    cost.cpu += (double) report.cpu_ns / events;
    cost.loop += (double) report.loop_ns / events;
    cost.wall += (double) report.wall_ns / events;
  }
  *bytes = (double) (peer->received - before) / events;
  return cost;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double median(double *of, int n) {
  qsort(of, (size_t) n, sizeof(of[0]), by_value);
  return of[n / 2];
}

static void print_loops(double *loop, double *wall, double ours, int rounds) {
  double own = median(loop, rounds);

  printf("%42s own loop %.0f ns, each of %u others %.0f ns", "", own, loops,
         (ours - own) / loops);
  if (sysconf(_SC_NPROCESSORS_ONLN) >= 4)
    printf("; %.0f ns by the clock", median(wall, rounds));
  printf("\n");
}

static void compare(int n, uint32_t batch, int rounds, FILE *json) {
  double bare[MAX_ROUNDS], ours[MAX_ROUNDS], of_bare[MAX_ROUNDS], bytes, ratio;
  double loop[MAX_ROUNDS], wall[MAX_ROUNDS];
  peer_t a, b;
  uint32_t frame;

  alarm(STUCK_S);
  start(&a, 0, n);
  start(&b, 1, n);
  (void) round_of(&b, n, batch, 0, &bytes);
  frame = (uint32_t) (bytes + 0.5);
  (void) round_of(&a, n, batch, frame, &bytes);
  for (int i = 0; i < rounds; i++) {
    double ignored;
    cost_t cost;

    bare[i] = round_of(&a, n, batch, frame, &ignored).cpu;
    cost = round_of(&b, n, batch, frame, &bytes);
    ours[i] = cost.cpu;
    loop[i] = cost.loop;
    wall[i] = cost.wall;
    of_bare[i] = bare[i] / ours[i];
  }
  stop(&a, n);
  stop(&b, n);
  ratio = median(bare, rounds) / median(ours, rounds);
  (void) median(of_bare, rounds);
  printf("%6d %6u %7.0f %10.0f %10.0f %8.2f   %.2f..%.2f\n", n, batch, bytes,
         bare[rounds / 2], ours[rounds / 2], ratio, of_bare[0],
         of_bare[rounds - 1]);
  if (loops > 0)
    print_loops(loop, wall, ours[rounds / 2], rounds);
  fflush(stdout);
  if (json != NULL)
    fprintf(json,
            "{\"watchers\":%d,\"batch\":%u,\"loops\":%u,\"bytes\":%.0f,"
            "\"bare_ns\":%.1f,\"jobsrv_ns\":%.1f,\"own_loop_ns\":%.1f,"
            "\"of_bare\":%.3f}\n",
            n, batch, loops, bytes, bare[rounds / 2], ours[rounds / 2],
            loops > 0 ? loop[rounds / 2] : ours[rounds / 2], ratio);
}

int main(int argc, char **argv) {
  static const int watchers[] = { 100, 1000, 5000 };
  int with_loops = argc > 2 && strcmp(argv[1], "--loops") == 0;
  int rounds;
  FILE *json;
  struct rlimit limit;

  loops = with_loops ? (uint32_t) atoi(argv[2]) : 0;
  argc -= with_loops ? 2 : 0;
  argv += with_loops ? 2 : 0;
  rounds = argc > 1 ? atoi(argv[1]) : 5;
  json = argc > 2 ? fopen(argv[2], "w") : NULL;
  if (rounds < 1 || rounds > MAX_ROUNDS)
    rounds = 5;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  pin(1);
  if (loops > 0 && sysconf(_SC_NPROCESSORS_ONLN) < 4)
    printf("fewer than four cores: all of a server's threads share one\n");
  printf("CPU of the server for each delivered event, median of %d rounds\n"
         "%6s %6s %7s %10s %10s %8s   %s\n",
         rounds, "N", "a turn", "bytes", "bare ns", "jobsrv ns", "of bare",
         "spread");
  for (size_t i = 0; i < sizeof(watchers) / sizeof(watchers[0]); i++) {
    if (limit.rlim_cur < (rlim_t) watchers[i] * 2 + 128) {
      printf("%6d   left out: needs %d descriptors, the limit is %llu\n",
             watchers[i], watchers[i] * 2 + 128,
             (unsigned long long) limit.rlim_cur);
      continue;
    }
    compare(watchers[i], 1, rounds, json);
    compare(watchers[i], 16, rounds, json);
  }
  if (json != NULL)
    fclose(json);
  return 0;
}
