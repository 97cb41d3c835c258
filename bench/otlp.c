/* SPDX-License-Identifier: MIT */

/*
 * What exporting costs the loop: the processor time of its thread for each
 * event with twelve fields, with a sink that does nothing and with an exporter
 * that sends all of them to a collector in another thread, which reads and
 * answers; and for each job with its attempt. Medians of rounds that take
 * turns, and their spread. Never fails.
 */

#include "jobsrv/jobsrv.h"
#include "jobsrv/otlp.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

enum { ROUNDS = 11, EVENTS = 20000, JOBS = 2000, STEP = 500 };

typedef struct {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv_job_t *job;
  jobsrv_otlp_t *otlp; /* NULL: the other sink */
} bench_t;

/* ---- the collector ---- */

static size_t body_of(const char *head) {
  const char *at = strstr(head, "Content-Length: ");

  return at != NULL ? strtoul(at + 16, NULL, 10) : 0;
}

/* Requests come one after the other, heads whole or nearly so. */
static void serve(int fd) {
  static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
  static char bytes[1 << 20];
  size_t have = 0, left;
  ssize_t n;
  char *end;

  for (;;) {
    bytes[have] = '\0';
    end = strstr(bytes, "\r\n\r\n");
    if (end != NULL) {
      left = body_of(bytes);
      have -= (size_t) (end + 4 - bytes);
      left = left > have ? left - have : 0;
      while (left > 0) {
        n = recv(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), 0);
        if (n <= 0)
          return;
        left -= (size_t) n;
      }
      have = 0;
      if (send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL) < 0)
        return;
    }
    n = recv(fd, bytes + have, 4096, 0);
    if (n <= 0)
      return;
    have += (size_t) n;
  }
}

static void *collect(void *arg) {
  int listener = *(int *) arg;
  int fd;

  while ((fd = accept(listener, NULL, NULL)) >= 0) {
    serve(fd);
    close(fd);
  }
  return NULL;
}

static int listen_anywhere(char endpoint[64]) {
  struct sockaddr_in at = { .sin_family = AF_INET };
  socklen_t len = sizeof(at);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *) &at, sizeof(at)) != 0 ||
      listen(fd, 4) != 0 || getsockname(fd, (struct sockaddr *) &at, &len) != 0)
    return -1;
  (void) snprintf(endpoint, 64, "http://127.0.0.1:%d", ntohs(at.sin_port));
  return fd;
}

/* ---- what is measured ---- */

static double now_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static uint64_t waiting(const bench_t *bench) {
  jobsrv_otlp_stats_t stats = { .size = sizeof(stats) };

  if (bench->otlp == NULL)
    return 0;
  jobsrv_otlp_stats(bench->otlp, &stats);
  return stats.waiting;
}

static void on_flushed(jobsrv_t *srv, int err, void *data) {
  (void) srv;
  (void) err;
  *(int *) data = 1;
}

static void finish(bench_t *bench) {
  int done = 0;

  if (jobsrv_sinks_flush(bench->srv, on_flushed, &done) != 0)
    return;
  while (!done && uv_run(&bench->loop, UV_RUN_ONCE) != 0)
    ;
}

static void turn(bench_t *bench) {
  (void) uv_run(&bench->loop, UV_RUN_NOWAIT);
  while (waiting(bench) > 4 * STEP)
    (void) uv_run(&bench->loop, UV_RUN_ONCE);
}

static double events(bench_t *bench) {
  double start = now_ns();

  for (int i = 0; i < EVENTS; i++) {
    (void) jobsrv_narrate_event(bench->job, &(const jobsrv_event_t) {
      .level = JOBSRV_INFO, .actor = "downloader", .action = "fetch",
      .target = "layer-17", .human = "got one of seven layers of the image",
      .correlation_id = "corr-6f1a2b3c4d5e", .request_id = "req-0042",
      .file = "bench/otlp.c", .line = 42, .function = "say",
      JOBSRV_FIELDS(jobsrv_field_string("worker_id", "worker-3"),
                    jobsrv_field_u64("duration_ms", (uint64_t) i),
                    jobsrv_field_i64("bytes", 4194304)),
    });
    if (i % STEP == STEP - 1)
      turn(bench);
  }
  finish(bench);
  return (now_ns() - start) / EVENTS;
}

static double jobs(bench_t *bench) {
  double start = now_ns();
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.retain_ms = 1;
  for (int i = 0; i < JOBS; i++) {
    if (jobsrv_begin(bench->srv, &spec, &job) == 0)
      (void) jobsrv_job_complete(job, NULL, 0);
    if (i % 50 == 49)
      turn(bench);
  }
  finish(bench);
  return (now_ns() - start) / JOBS;
}

/* ---- the table ---- */

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double print(const char *name, double *ns) {
  qsort(ns + 1, ROUNDS - 1, sizeof(*ns), by_value); /* the first warms up */
  printf("%-38s %8.0f ns   (%.0f .. %.0f)\n", name, ns[ROUNDS / 2], ns[1],
         ns[ROUNDS - 1]);
  return ns[ROUNDS / 2];
}

static void ignore(const jobsrv_event_t *event, void *data) {
  (void) event;
  (void) data;
}

static int begin(bench_t *bench, const char *endpoint) {
  jobsrv_otlp_options_t options;
  jobsrv_options_t of_server;
  jobsrv_spec_t spec;

  jobsrv_options_init(&of_server);
  of_server.max_bytes_per_job = 256 * 1024;
  jobsrv_spec_init(&spec);
  if (uv_loop_init(&bench->loop) != 0 ||
      jobsrv_new(&bench->srv, &bench->loop, &of_server) != 0)
    return -1;
  jobsrv_otlp_options_init(&options);
  options.endpoint = endpoint;
  options.max_queue_bytes = 256u << 20;
  if (endpoint != NULL ? jobsrv_otlp_add(bench->srv, &options, &bench->otlp)
                       : jobsrv_callback_add(bench->srv, ignore, NULL, NULL,
                                             NULL))
    return -1;
  return jobsrv_begin(bench->srv, &spec, &bench->job);
}

static void end(bench_t *bench) {
  jobsrv_close(bench->srv, NULL, NULL);
  (void) uv_run(&bench->loop, UV_RUN_DEFAULT);
  (void) uv_loop_close(&bench->loop);
}

int main(void) {
  static double figures[4][ROUNDS];
  static bench_t with, without;
  jobsrv_otlp_stats_t stats = { .size = sizeof(stats) };
  char endpoint[64];
  pthread_t thread;
  int listener = listen_anywhere(endpoint);
  double each;

  if (listener < 0 || pthread_create(&thread, NULL, collect, &listener) != 0 ||
      begin(&with, endpoint) != 0 || begin(&without, NULL) != 0)
    return 0;
  for (int r = 0; r < ROUNDS; r++) {
    figures[0][r] = events(&without);
    figures[1][r] = events(&with);
    figures[2][r] = jobs(&without);
    figures[3][r] = jobs(&with);
  }
  each = print("12 fields, a sink that does nothing", figures[0]);
  each = print("12 fields, exported", figures[1]) - each;
  printf("%-38s %8.0f ns\n", "  so exporting an event costs", each);
  each = print("a job, a sink that does nothing", figures[2]);
  each = print("a job, exported: 2 spans, 3 logs", figures[3]) - each;
  printf("%-38s %8.0f ns\n", "  so exporting a job costs", each);
  jobsrv_otlp_stats(with.otlp, &stats);
  printf("%llu logs and %llu spans in %llu requests, %llu lost\n",
         (unsigned long long) stats.logs, (unsigned long long) stats.spans,
         (unsigned long long) stats.requests,
         (unsigned long long) (stats.dropped_full + stats.dropped_memory));
  end(&with);
  end(&without);
  (void) shutdown(listener, SHUT_RDWR);
  pthread_join(thread, NULL);
  close(listener);
  return 0;
}
