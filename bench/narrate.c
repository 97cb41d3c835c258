/* SPDX-License-Identifier: MIT */

/*
 * What a line of narration costs: one that is under the level, one with twelve
 * fields on the loop thread that nobody watches, the same from another thread
 * while the loop takes it in, and what GLib's structured log takes for the same
 * twelve fields with a writer that drops them, where GLib is there. Medians of
 * rounds that take turns, and their spread. Never fails.
 */

#include "jobsrv/jobsrv.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef HAVE_GLIB
# define G_LOG_USE_STRUCTURED
# define G_LOG_DOMAIN "bench"
# include <glib.h>
#endif

#include <uv.h>

enum { ROUNDS = 15, DISABLED = 2000000, EVENTS = 20000, LOG = 256 * 1024 };

typedef struct {
  const char *name;
  double ns[ROUNDS];
  double mallocs[ROUNDS]; /* for each event; below 0: not counted */
} figure_t;

typedef struct {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv_job_t *job;
  atomic_int done;
  double ns;
} bench_t;

/* ---- memory that is counted ---- */

static atomic_ulong mallocs;

static void *count_malloc(void *ctx, size_t size) {
  (void) ctx;
  atomic_fetch_add_explicit(&mallocs, 1, memory_order_relaxed);
  return malloc(size);
}

static void *count_realloc(void *ctx, void *p, size_t size) {
  (void) ctx;
  atomic_fetch_add_explicit(&mallocs, 1, memory_order_relaxed);
  return realloc(p, size);
}

static void count_free(void *ctx, void *p) {
  (void) ctx;
  free(p);
}

/* Of this thread alone, so that other load matters less. */
static double now_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

/* Hides a value from the compiler, which may then assume nothing of it. */
#define OPAQUE(p) __asm__ volatile("" : "+r"(p))

/* ---- what is measured ---- */

static double empty(bench_t *bench) {
  jobsrv_job_t *job = bench->job;
  double start = now_ns();

  for (int i = 0; i < DISABLED; i++)
    OPAQUE(job);
  return (now_ns() - start) / DISABLED;
}

static double disabled(bench_t *bench) {
  jobsrv_job_t *job = bench->job;
  double start = now_ns();

  for (int i = 0; i < DISABLED; i++) {
    OPAQUE(job);
    (void) jobsrv_debug(job, "fetch", "got %d of %d", i, DISABLED);
  }
  return (now_ns() - start) / DISABLED;
}

static int say(jobsrv_job_t *job, int i) {
  const jobsrv_event_t event = {
    .level = JOBSRV_INFO, .actor = "downloader", .action = "fetch",
    .target = "layer-17", .human = "got one of seven layers of the image",
    .correlation_id = "corr-6f1a2b3c4d5e", .request_id = "req-0042",
    .file = "bench/narrate.c", .line = 42, .function = "say",
    JOBSRV_FIELDS(jobsrv_field_string("worker_id", "worker-3"),
                  jobsrv_field_u64("duration_ms", (uint64_t) i),
                  jobsrv_field_i64("bytes", 4194304)),
  };

  return jobsrv_narrate_event(job, &event);
}

static double on_the_loop(bench_t *bench) {
  double start = now_ns();

  for (int i = 0; i < EVENTS; i++)
    (void) say(bench->job, i);
  return (now_ns() - start) / EVENTS;
}

static void *produce(void *arg) {
  bench_t *bench = arg;
  double start = now_ns();

  for (int i = 0; i < EVENTS; i++)
    while (say(bench->job, i) == JOBSRV_EDROPPED)
      sched_yield();
  bench->ns = (now_ns() - start) / EVENTS;
  atomic_store(&bench->done, 1);
  return NULL;
}

/* The inbox holds all of a round, which the loop takes in afterwards. */
static double off_the_loop(bench_t *bench) {
  pthread_t thread;

  atomic_store(&bench->done, 0);
  if (pthread_create(&thread, NULL, produce, bench) != 0)
    return 0;
  pthread_join(thread, NULL);
  while (uv_run(&bench->loop, UV_RUN_NOWAIT) != 0 && uv_backend_timeout(
             &bench->loop) == 0)
    ;
  return bench->ns;
}

#ifdef HAVE_GLIB
static GLogWriterOutput drop(GLogLevelFlags level,
                             const GLogField *fields,
                             gsize n,
                             gpointer data) {
  (void) level;
  (void) fields;
  (void) n;
  (void) data;
  return G_LOG_WRITER_HANDLED;
}

static double glib(bench_t *bench) {
  double start = now_ns();

  (void) bench;
  for (int i = 0; i < EVENTS; i++)
    g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "ACTOR", "downloader",
                     "ACTION", "fetch", "TARGET", "layer-17", "CORRELATION",
                     "corr-6f1a2b3c4d5e", "REQUEST", "req-0042", "WORKER",
                     "worker-3", "BYTES", "4194304", "MESSAGE",
                     "got one of seven layers of the image, %d", i);
  return (now_ns() - start) / EVENTS;
}
#endif

static double (*const runs[])(bench_t *) = {
  empty, disabled, on_the_loop, off_the_loop,
#ifdef HAVE_GLIB
  glib,
#endif
};

static figure_t figures[] = {
  { .name = "an empty loop" },
  { .name = "under the level" },
  { .name = "12 fields, on the loop" },
  { .name = "12 fields, from another thread" },
#ifdef HAVE_GLIB
  { .name = "12 fields, g_log_structured, dropped" },
#endif
};

enum { N = sizeof(figures) / sizeof(figures[0]) };

/* ---- the table ---- */

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static void print(figure_t *figure) {
  double most = 0;

  for (int r = 1; r < ROUNDS; r++) /* the first warms up */
    if (figure->mallocs[r] > most)
      most = figure->mallocs[r];
  qsort(figure->ns, ROUNDS, sizeof(figure->ns[0]), by_value);
  printf("%-38s %8.2f ns   (%.2f .. %.2f)   %.4f allocations\n", figure->name,
         figure->ns[ROUNDS / 2], figure->ns[0], figure->ns[ROUNDS - 1], most);
}

static int begin(bench_t *bench) {
  static const jobsrv_alloc_t alloc = { .malloc = count_malloc,
                                        .realloc = count_realloc,
                                        .free = count_free };
  jobsrv_options_t options;
  jobsrv_spec_t spec;

  jobsrv_options_init(&options);
  options.alloc = &alloc;
  options.max_bytes_per_job = LOG;
  options.max_inbox_bytes = 64u << 20;
  jobsrv_spec_init(&spec);
  if (uv_loop_init(&bench->loop) != 0 ||
      jobsrv_new(&bench->srv, &bench->loop, &options) != 0)
    return -1;
  return jobsrv_begin(bench->srv, &spec, &bench->job);
}

int main(void) {
  bench_t bench = { 0 };
  unsigned long before;

  if (begin(&bench) != 0)
    return 0;
#ifdef HAVE_GLIB
  g_log_set_writer_func(drop, NULL, NULL);
#endif
  for (int r = 0; r < ROUNDS; r++)
    for (int f = 0; f < N; f++) {
      before = atomic_load(&mallocs);
      figures[f].ns[r] = runs[f](&bench);
      figures[f].mallocs[r] = (double) (atomic_load(&mallocs) - before) / EVENTS;
      (void) uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
  for (int f = 0; f < N; f++)
    print(&figures[f]);
  jobsrv_close(bench.srv, NULL, NULL);
  (void) uv_run(&bench.loop, UV_RUN_DEFAULT);
  (void) uv_loop_close(&bench.loop);
  return 0;
}
