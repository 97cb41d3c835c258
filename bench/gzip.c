/* SPDX-License-Identifier: MIT */

/*
 * What compressed streams cost: CPU of the loop for each event that is
 * delivered to N watchers of one job, as it is, compressed once for all, and
 * compressed for each (by a filter, which each has rendered for itself; so the
 * same without compression stands beside it). Each has a server of its own;
 * they take turns, and a thread on another core reads. The last column is the
 * usual way, a compressor of each watcher's own that is kept: the deflate
 * alone, nothing sent.
 *
 *   gzip [ROUNDS]
 */

#include "jobsrv/sse.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>
#ifdef JOBSRV__HAVE_ZLIB
# include <zlib.h>
#endif

enum {
  MAX_ROUNDS = 25,
  DELIVERIES = 60000, /* a round */
  WINDOW = 64 * 1024, /* bytes unread in one socket */
  CONTEXTS = 50,      /* of the usual way; each takes 260 kB */
  STUCK_S = 60
};

typedef struct {
  const char *name;
  const char *query;
  int gzip;
} arm_t;

static const arm_t arms[] = {
  { "as it is", "", 0 },
  { "gzip once", "", 1 },
  { "rendered", "?level=debug", 0 },
  { "rendered, gzip", "?level=debug", 1 },
};

enum { ARMS = sizeof(arms) / sizeof(arms[0]) };

typedef struct {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  jobsrv_job_t *job;
  uint64_t events;
  uint64_t base; /* bytes sent before the first round */
} server_t;

static int reader_epoll;
static _Atomic uint64_t received;
static uint64_t sent_before; /* by servers that are gone */

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t cpu_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static void pin(size_t cpu) {
  cpu_set_t set;

  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  (void) sched_setaffinity(0, sizeof(set), &set);
}

/* ---- the reader ---- */

static void *read_all(void *data) {
  static char sink[1 << 16];
  struct epoll_event events[256];

  (void) data;
  pin(1);
  for (;;) {
    int n = epoll_wait(reader_epoll, events, 256, -1);

    for (int i = 0; i < n; i++) {
      ssize_t got = recv(events[i].data.fd, sink, sizeof(sink), MSG_DONTWAIT);

      if (got > 0)
        atomic_fetch_add(&received, (uint64_t) got);
      else if (got == 0)
        close(events[i].data.fd);
    }
  }
  return NULL;
}

static jobsrv_sse_stats_t stats_of(const server_t *server) {
  jobsrv_sse_stats_t stats = { .size = sizeof(stats) };

  jobsrv_sse_stats(server->sse, &stats);
  return stats;
}

static void wait_for_reader(const server_t *servers) {
  uint64_t all = sent_before;

  for (size_t i = 0; i < ARMS; i++)
    all += stats_of(&servers[i]).bytes_sent;
  while (atomic_load(&received) < all)
    sched_yield();
}

/* ---- the servers ---- */

static void open_server(server_t *server, const arm_t *arm, int n) {
  jobsrv_sse_options_t options;
  jobsrv_spec_t spec;
  char request[300];
  char id[JOBSRV_ID_SIZE];
  int err;

  jobsrv_sse_options_init(&options);
  options.gzip = arm->gzip;
  options.max_connections = (uint32_t) n + 8;
  options.max_streams = options.max_streams_per_job = (uint32_t) n + 4;
  jobsrv_spec_init(&spec);
  err = uv_loop_init(&server->loop);
  if (err == 0)
    err = jobsrv_new(&server->srv, &server->loop, NULL);
  if (err == 0)
    err = jobsrv_sse_new(&server->sse, server->srv, &options);
  if (err == 0)
    err = jobsrv_begin(server->srv, &spec, &server->job);
  if (err != 0) {
    fprintf(stderr, "%s: %s\n", arm->name, jobsrv_strerror(err));
    exit(1);
  }
  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream%s HTTP/1.1\r\nHost: localhost\r\n"
           "Accept-Encoding: gzip\r\n\r\n",
           jobsrv_job_id(server->job, id), arm->query);
  for (int i = 0; i < n; i++) {
    struct epoll_event event = { .events = EPOLLIN };
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   pair) != 0)
      die("socketpair");
    event.data.fd = pair[1];
    epoll_ctl(reader_epoll, EPOLL_CTL_ADD, pair[1], &event);
    if (jobsrv_sse_adopt(server->sse, pair[0], request, strlen(request)) != 0)
      die("adopt");
  }
  while (stats_of(server).streams < (uint32_t) n)
    uv_run(&server->loop, UV_RUN_ONCE);
  for (int i = 0; i < 4; i++)
    uv_run(&server->loop, UV_RUN_NOWAIT);
}

static void on_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  (void) data;
}

static void close_server(server_t *server) {
  sent_before += stats_of(server).bytes_sent;
  jobsrv_close(server->srv, on_closed, NULL);
  uv_run(&server->loop, UV_RUN_DEFAULT);
  uv_loop_close(&server->loop);
}

/* As a build prints them. */
static void tell(server_t *server) {
  uint64_t i = server->events++;

  jobsrv_narrate(server->job, "build",
                 "[%3d%%] Building C object lib/%s/file_%llu.c.o in %d ms",
                 (int) (i % 100), i % 3 ? "core" : "narration",
                 (unsigned long long) (i * 7 % 311), (int) (i * 37 % 900));
}

/* Nanoseconds of the loop's thread for each event that was delivered. */
static double round_of(server_t *servers, size_t arm, int n, int batch) {
  server_t *server = &servers[arm];
  int turns = WINDOW / (batch * 400);
  uint64_t events = 0;
  uint64_t ns = 0;
  uint64_t start;

  if (turns < 1)
    turns = 1;
  alarm(STUCK_S);
  while (events * (uint64_t) n < DELIVERIES) {
    start = cpu_ns();
    for (int turn = 0; turn < turns; turn++) {
      for (int i = 0; i < batch; i++, events++)
        tell(server);
      uv_run(&server->loop, UV_RUN_NOWAIT);
    }
    /* what was too much for one turn is had in the next */
    do
      uv_run(&server->loop, UV_RUN_NOWAIT);
    while (uv_backend_timeout(&server->loop) == 0);
    ns += cpu_ns() - start;
    wait_for_reader(servers);
  }
  return (double) ns / (double) (events * (uint64_t) n);
}

/* ---- the usual way ---- */

#ifdef JOBSRV__HAVE_ZLIB
static double usual_way(int batch) {
  static z_stream contexts[CONTEXTS];
  static char frames[16 * 400];
  static unsigned char out[1 << 15];
  uint64_t events = 0;
  uint64_t ns = 0;

  memset(contexts, 0, sizeof(contexts));
  for (int i = 0; i < CONTEXTS; i++)
    if (deflateInit2(&contexts[i], Z_DEFAULT_COMPRESSION, Z_DEFLATED, 31, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK)
      die("deflateInit2");
  while (events * CONTEXTS < DELIVERIES / 4) {
    uint64_t start;
    size_t len = 0;

    for (int i = 0; i < batch; i++, events++)
      len += (size_t) snprintf(
          frames + len, sizeof(frames) - len,
          "id: 0123456789ab-%llu\ndata: {\"type\":\"narration\",\"seq\":%llu,"
          "\"time\":\"2026-01-01T10:00:00.%03dZ\",\"job_id\":"
          "\"job-00000000-0000-4000-8000-000000000000\",\"level\":\"info\","
          "\"action\":\"build\",\"human\":\"[%3d%%] Building C object "
          "lib/core/file_%llu.c.o in %d ms\"}\n\n",
          (unsigned long long) events, (unsigned long long) events,
          (int) (events % 1000), (int) (events % 100),
          (unsigned long long) (events * 7 % 311), (int) (events * 37 % 900));
    start = cpu_ns();
    for (int i = 0; i < CONTEXTS; i++) {
      contexts[i].next_in = (unsigned char *) frames;
      contexts[i].avail_in = (uInt) len;
      contexts[i].next_out = out;
      contexts[i].avail_out = sizeof(out);
      (void) deflate(&contexts[i], Z_SYNC_FLUSH);
    }
    ns += cpu_ns() - start;
  }
  for (int i = 0; i < CONTEXTS; i++)
    (void) deflateEnd(&contexts[i]);
  return (double) ns / (double) (events * CONTEXTS);
}
#else
static double usual_way(int batch) {
  (void) batch;
  return 0;
}
#endif

/* ---- comparing ---- */

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double bytes_of(const server_t *server, int n) {
  return (double) (stats_of(server).bytes_sent - server->base) /
         ((double) server->events * n);
}

static void compare(int n, int batch, int rounds) {
  static server_t servers[ARMS];
  double ns[ARMS][MAX_ROUNDS];

  memset(servers, 0, sizeof(servers));
  alarm(STUCK_S);
  for (size_t arm = 0; arm < ARMS; arm++)
    open_server(&servers[arm], &arms[arm], n);
  wait_for_reader(servers);
  for (size_t arm = 0; arm < ARMS; arm++) {
    servers[arm].base = stats_of(&servers[arm]).bytes_sent;
    (void) round_of(servers, arm, n, batch);
  }
  for (int i = 0; i < rounds; i++)
    for (size_t arm = 0; arm < ARMS; arm++)
      ns[arm][i] = round_of(servers, arm, n, batch);
  printf("%6d %6d", n, batch);
  for (size_t arm = 0; arm < ARMS; arm++) {
    qsort(ns[arm], (size_t) rounds, sizeof(ns[arm][0]), by_value);
    printf("  %7.0f %4.0f B", ns[arm][rounds / 2], bytes_of(&servers[arm], n));
  }
  printf("  %8.0f\n", usual_way(batch));
  fflush(stdout);
  for (size_t arm = 0; arm < ARMS; arm++)
    close_server(&servers[arm]);
}

int main(int argc, char **argv) {
  static const int watchers[] = { 1, 100, 1000 };
  int rounds = argc > 1 ? atoi(argv[1]) : 5;
  struct rlimit limit;
  pthread_t reader;

  if (rounds < 1 || rounds > MAX_ROUNDS)
    rounds = 5;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  reader_epoll = epoll_create1(EPOLL_CLOEXEC);
  pin(0);
  if (pthread_create(&reader, NULL, read_all, NULL) != 0)
    die("thread");
  printf("CPU of the loop for each event delivered, ns, median of %d rounds, "
         "and bytes sent for it\n%6s %6s",
         rounds, "N", "a turn");
  for (size_t arm = 0; arm < ARMS; arm++)
    printf("  %14s", arms[arm].name);
  printf("  %8s\n", "usual");
  for (size_t i = 0; i < sizeof(watchers) / sizeof(watchers[0]); i++) {
    if (limit.rlim_cur < (rlim_t) watchers[i] * 2 * ARMS + 64) {
      printf("%6d   left out: too few descriptors\n", watchers[i]);
      continue;
    }
    compare(watchers[i], 1, rounds);
    compare(watchers[i], 16, rounds);
  }
  return 0;
}
