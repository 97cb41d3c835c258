/* SPDX-License-Identifier: MIT */

/*
 * What a line of narration costs: one under the level; one with twelve fields,
 * encoded and no more, then on the loop thread without and with a sink, then
 * from other threads while the loop sleeps and while it reads. Beside it what
 * GLib's structured log, with a writer that drops, and spdlog's asynchronous
 * one, with a sink that does, take for the same twelve, where they are there.
 * Medians of rounds that take turns, and their spread; of the callers' threads
 * alone. Then how often the loop is woken. Never fails.
 */

#include "jobsrv/jobsrv.h"
#include "narration/encode.h"
#include "narration/narration.h"

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

#ifdef HAVE_SPDLOG
int bench_spdlog_open(unsigned long queue);
void bench_spdlog_say(int i);
void bench_spdlog_close(void);
#endif

enum {
  ROUNDS = 15,
  DISABLED = 2000000,
  EVENTS = 20000,
  THREADS = 8,
  LOG = 256 * 1024
};

typedef struct {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv_job_t *job;
  jobsrv__buf_t buf;
  atomic_int left;   /* producers */
} bench_t;

typedef struct {
  const char *name;
  double (*run)(bench_t *bench, int threads);
  int threads;
  double ns[ROUNDS];
  double mallocs[ROUNDS]; /* for each event */
  double wakes[ROUNDS];   /* for each 1,000 */
} figure_t;

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

static double empty(bench_t *bench, int threads) {
  jobsrv_job_t *job = bench->job;
  double start = now_ns();

  (void) threads;
  for (int i = 0; i < DISABLED; i++)
    OPAQUE(job);
  return (now_ns() - start) / DISABLED;
}

static double disabled(bench_t *bench, int threads) {
  jobsrv_job_t *job = bench->job;
  double start = now_ns();

  (void) threads;
  for (int i = 0; i < DISABLED; i++) {
    OPAQUE(job);
    (void) jobsrv_debug(job, "fetch", "got %d of %d", i, DISABLED);
  }
  return (now_ns() - start) / DISABLED;
}

static const char human[] = "got one of seven layers of the image";

/* What is narrated: the same for all of ours. */
#define EVENT(i)                                                              \
  {                                                                           \
    .level = JOBSRV_INFO, .actor = "downloader", .action = "fetch",           \
    .target = "layer-17", .human = human,                                     \
    .correlation_id = "corr-6f1a2b3c4d5e", .request_id = "req-0042",          \
    .file = "bench/narrate.c", .line = 42, .function = "say",                 \
    JOBSRV_FIELDS(jobsrv_field_string("worker_id", "worker-3"),               \
                  jobsrv_field_u64("duration_ms", (uint64_t) (i)),            \
                  jobsrv_field_i64("bytes", 4194304)),                        \
  }

static int say(jobsrv_job_t *job, int i) {
  const jobsrv_event_t event = EVENT(i);

  return jobsrv_narrate_event(job, &event);
}

/* All that happens before an event has a place to go to. */
static int encode(bench_t *bench, int i) {
  const jobsrv_event_t event = EVENT(i);
  jobsrv_event_t mine;
  jobsrv__ids_t ids;

  jobsrv__buf_reset(&bench->buf);
  if (jobsrv__event_read(&mine, &event) != 0)
    return -1;
  jobsrv__event_fill(&mine, bench->job, bench->srv);
  jobsrv__event_trace(&mine, bench->job, &ids);
  return jobsrv__encode_event(&bench->buf, bench->job, &mine,
                              sizeof(human) - 1, 65536, 262144);
}

static double encoding(bench_t *bench, int threads) {
  double start = now_ns();

  (void) threads;
  for (int i = 0; i < EVENTS; i++)
    (void) encode(bench, i);
  return (now_ns() - start) / EVENTS;
}

static double on_the_loop(bench_t *bench, int threads) {
  double start = now_ns();

  (void) threads;
  for (int i = 0; i < EVENTS; i++)
    (void) say(bench->job, i);
  return (now_ns() - start) / EVENTS;
}

static void forget(void *self, const jobsrv_event_t *event) {
  OPAQUE(event);
  (void) self;
}

static double with_sink(bench_t *bench, int unredacted) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops),
                                         .event = forget };
  jobsrv_sink_options_t options;
  jobsrv_sink_t *sink = NULL;
  double ns;

  jobsrv_sink_options_init(&options);
  options.unredacted = unredacted;
  if (jobsrv_sink_add(bench->srv, &ops, bench, &options, &sink) != 0)
    return 0;
  ns = on_the_loop(bench, 0);
  jobsrv_sink_remove(sink);
  return ns;
}

typedef struct {
  bench_t *bench;
  double ns;
} producer_t;

static void on_done(jobsrv_t *srv, void *data) {
  (void) srv;
  (void) data;
}

static void *produce(void *arg) {
  producer_t *mine = arg;
  double start = now_ns();

  for (int i = 0; i < EVENTS; i++)
    while (say(mine->bench->job, i) == JOBSRV_EDROPPED)
      sched_yield();
  mine->ns = (now_ns() - start) / EVENTS;
  atomic_fetch_sub(&mine->bench->left, 1);
  while (jobsrv_post(mine->bench->srv, on_done, NULL) == UV_ENOMEM)
    ; /* it may be asleep, and has to look */
  return NULL;
}

/* The inbox holds all of a round, which the loop takes in afterwards. */
static double while_it_sleeps(bench_t *bench, int threads) {
  producer_t producer = { bench, 0 };
  pthread_t thread;

  (void) threads;
  if (pthread_create(&thread, NULL, produce, &producer) != 0)
    return 0;
  pthread_join(thread, NULL);
  return producer.ns;
}

static double while_it_reads(bench_t *bench, int threads) {
  producer_t producers[THREADS];
  pthread_t ids[THREADS];
  double sum = 0;
  int n = 0;

  atomic_store(&bench->left, threads);
  for (; n < threads; n++) {
    producers[n] = (producer_t) { bench, 0 };
    if (pthread_create(&ids[n], NULL, produce, &producers[n]) != 0) {
      atomic_fetch_sub(&bench->left, threads - n);
      break;
    }
  }
  while (atomic_load(&bench->left) > 0)
    (void) uv_run(&bench->loop, UV_RUN_ONCE);
  for (int i = 0; i < n; i++) {
    pthread_join(ids[i], NULL);
    sum += producers[i].ns;
  }
  return n > 0 ? sum / n : 0;
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

static double glib(bench_t *bench, int threads) {
  double start = now_ns();

  (void) bench;
  (void) threads;
  for (int i = 0; i < EVENTS; i++)
    g_log_structured(G_LOG_DOMAIN, G_LOG_LEVEL_INFO, "ACTOR", "downloader",
                     "ACTION", "fetch", "TARGET", "layer-17", "CORRELATION",
                     "corr-6f1a2b3c4d5e", "REQUEST", "req-0042", "WORKER",
                     "worker-3", "BYTES", "4194304", "MESSAGE",
                     "got one of seven layers of the image, %d", i);
  return (now_ns() - start) / EVENTS;
}
#endif

#ifdef HAVE_SPDLOG
static double spdlog(bench_t *bench, int threads) {
  double start;

  (void) bench;
  (void) threads;
  if (bench_spdlog_open(2 * EVENTS) != 0)
    return 0;
  start = now_ns();
  for (int i = 0; i < EVENTS; i++)
    bench_spdlog_say(i);
  start = (now_ns() - start) / EVENTS;
  bench_spdlog_close();
  return start;
}
#endif

static figure_t figures[] = {
  { .name = "an empty loop", .run = empty },
  { .name = "under the level", .run = disabled },
  { .name = "12 fields, encoded", .run = encoding },
  { .name = "  on the loop", .run = on_the_loop },
  { .name = "  with a sink", .run = with_sink, .threads = 1 },
  { .name = "  with a sink, redacted", .run = with_sink },
  { .name = "  from a thread, the loop sleeps", .run = while_it_sleeps,
    .threads = 1 },
  { .name = "  from a thread, the loop reads", .run = while_it_reads,
    .threads = 1 },
  { .name = "  from 2 threads", .run = while_it_reads, .threads = 2 },
  { .name = "  from 8 threads", .run = while_it_reads, .threads = 8 },
#ifdef HAVE_GLIB
  { .name = "  g_log_structured, dropped", .run = glib },
#endif
#ifdef HAVE_SPDLOG
  { .name = "  spdlog, asynchronous, dropped", .run = spdlog },
#endif
};

enum { N = sizeof(figures) / sizeof(figures[0]) };

/* ---- the table ---- */

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double median(double values[ROUNDS]) {
  qsort(values, ROUNDS, sizeof(values[0]), by_value);
  return values[ROUNDS / 2];
}

static void print(figure_t *figure) {
  double mallocs = median(figure->mallocs);
  double ns = median(figure->ns);

  printf("%-34s %8.2f ns  (%.2f .. %.2f)  %.4f allocations", figure->name,
         ns, figure->ns[0], figure->ns[ROUNDS - 1], mallocs);
  if (figure->run == while_it_reads)
    printf("  %.2f wakes a 1,000", median(figure->wakes));
  printf("\n");
}

static uint64_t wakes_of(const bench_t *bench) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(bench->srv, &stats);
  return stats.wakes;
}

static void round_of(bench_t *bench, figure_t *figure, int r) {
  double events = (double) EVENTS * (figure->run == while_it_reads
                                         ? figure->threads : 1);
  unsigned long mallocs_before = atomic_load(&mallocs);
  uint64_t wakes_before = wakes_of(bench);

  figure->ns[r] = figure->run(bench, figure->threads);
  figure->mallocs[r] =
      (double) (atomic_load(&mallocs) - mallocs_before) / events;
  figure->wakes[r] =
      (double) (wakes_of(bench) - wakes_before) / events * 1000;
  do
    (void) uv_run(&bench->loop, UV_RUN_NOWAIT);
  while (uv_backend_timeout(&bench->loop) == 0);
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

  if (begin(&bench) != 0)
    return 0;
  jobsrv__buf_init(&bench.buf, NULL, 0);
#ifdef HAVE_GLIB
  g_log_set_writer_func(drop, NULL, NULL);
#endif
  for (int r = 0; r < ROUNDS; r++)
    for (int f = 0; f < N; f++)
      round_of(&bench, &figures[f], r);
  for (int f = 0; f < N; f++)
    print(&figures[f]);
  jobsrv__buf_free(&bench.buf);
  jobsrv_close(bench.srv, NULL, NULL);
  (void) uv_run(&bench.loop, UV_RUN_DEFAULT);
  (void) uv_loop_close(&bench.loop);
  return 0;
}
