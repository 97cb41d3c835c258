/* SPDX-License-Identifier: MIT */

/*
 * What jobs and timers cost by themselves, at 10^3 to 10^6 of them. Prints a
 * table of nanoseconds a step, the median of several rounds, and the spread
 * between the best and the worst round; never fails.
 *
 *   add + remove      the registry's part alone, which is what a map of jobs
 *                     does elsewhere: a slot, a random id, a place in the map
 *   create, cancel,   a whole job by the public calls: submitted and queued;
 *   expire            cancelled, ended and retained; forgotten but for its id.
 *                     In batches of 1,000, so that each is seen by itself
 *
 *   registry [ROUNDS]
 */

#include "core/server.h"
#include "jobsrv/jobsrv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

enum { MAX_ROUNDS = 31, STEPS = 100000, BATCH = 1000, RETAIN_MS = 60000 };

typedef struct {
  uv_loop_t loop;
  jobsrv_clock_t clock; /* the machine's, and on by what it has been moved */
  uint64_t moved_ns;
  jobsrv_clock_watch_t *watch;
  jobsrv_t *srv;
  jobsrv_job_t **jobs;
  size_t live;
} world;

static uint64_t bytes_in_use;

/* Counts what the server takes; the size stands before each block. */
static void *count_malloc(void *ctx, size_t size) {
  size_t *block = malloc(size + 16);

  (void) ctx;
  if (block == NULL)
    return NULL;
  *block = size;
  bytes_in_use += size;
  return block + 2;
}

static void count_free(void *ctx, void *ptr) {
  (void) ctx;
  if (ptr == NULL)
    return;
  bytes_in_use -= ((size_t *) ptr)[-2];
  free((size_t *) ptr - 2);
}

static void *count_realloc(void *ctx, void *ptr, size_t size) {
  size_t *block = ptr != NULL ? (size_t *) ptr - 2 : NULL;

  (void) ctx;
  if (block != NULL)
    bytes_in_use -= *block;
  block = realloc(block, size + 16);
  if (block == NULL)
    return NULL;
  *block = size;
  bytes_in_use += size;
  return block + 2;
}

static const jobsrv_alloc_t counting = { count_malloc, count_realloc,
                                         count_free, NULL };

static uint64_t clock_read(clockid_t id) {
  struct timespec t;

  clock_gettime(id, &t);
  return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static uint64_t moved_monotonic(const jobsrv_clock_t *clock) {
  return clock_read(CLOCK_MONOTONIC) + ((world *) clock->data)->moved_ns;
}

static uint64_t moved_wall(const jobsrv_clock_t *clock) {
  return clock_read(CLOCK_REALTIME) + ((world *) clock->data)->moved_ns;
}

static void watch_attach(jobsrv_clock_t *clock, jobsrv_clock_watch_t *watch) {
  ((world *) clock->data)->watch = watch;
}

static void watch_detach(jobsrv_clock_t *clock, jobsrv_clock_watch_t *watch) {
  (void) clock;
  (void) watch;
}

static int never_start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static jobsrv_job_t *submit(world *w) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job = NULL;

  jobsrv_spec_init(&spec);
  spec.operation = "none";
  if (jobsrv_submit(w->srv, &spec, NULL, &job) != 0) {
    fprintf(stderr, "submit failed\n");
    exit(1);
  }
  return job;
}

static void open_world(world *w, size_t live) {
  jobsrv_options_t options;
  jobsrv_operation_t op;
  uint64_t before;

  uv_loop_init(&w->loop);
  jobsrv_options_init(&options);
  options.alloc = &counting;
  options.max_jobs = 4000000;
  options.max_queued = 4000000;
  options.max_retained = 4000000;
  options.retain_ms = RETAIN_MS;
  options.max_running = 1;
  w->moved_ns = 0;
  w->clock = (jobsrv_clock_t) { moved_monotonic, moved_wall, watch_attach,
                                watch_detach, w };
  options.clock = &w->clock;
  if (jobsrv_new(&w->srv, &w->loop, &options) != 0)
    exit(1);
  jobsrv_operation_init(&op);
  op.name = "none";
  op.start = never_start;
  if (jobsrv_operation_add(w->srv, &op) != 0)
    exit(1);
  w->jobs = calloc(live, sizeof(*w->jobs));
  if (w->jobs == NULL)
    exit(1);
  w->live = live;
  before = bytes_in_use;
  for (size_t i = 0; i < live; i++)
    w->jobs[i] = submit(w);
  printf("%8zu live jobs: %.0f bytes a queued job, map included\n", live,
         (double) (bytes_in_use - before) / (double) live);
}

static void close_world(world *w) {
  jobsrv_close(w->srv, NULL, NULL);
  uv_run(&w->loop, UV_RUN_DEFAULT);
  uv_loop_close(&w->loop);
  free(w->jobs);
}

static void add_and_remove(world *w, size_t steps) {
  jobsrv_job_t *job;

  for (size_t i = 0; i < steps; i++) {
    if (jobsrv__registry_add(w->srv, &job) != 0)
      exit(1);
    jobsrv__registry_undo(job);
  }
}

static void find_by_id(world *w, size_t steps) {
  char (*ids)[JOBSRV_ID_SIZE] = malloc(1024 * sizeof(*ids));
  jobsrv_job_t *job;
  size_t found = 0;

  if (ids == NULL)
    return;
  for (size_t i = 0; i < 1024; i++)
    jobsrv_job_id(w->jobs[i * 7919 % w->live], ids[i]);
  for (size_t i = 0; i < steps; i++)
    found += jobsrv_find(w->srv, ids[i % 1024], &job) == 0;
  if (found != steps)
    printf("lost %zu\n", steps - found);
  free(ids);
}

static void find_by_handle(world *w, size_t steps) {
  static jobsrv_handle_t handles[1024];
  size_t found = 0;

  for (size_t i = 0; i < 1024; i++)
    handles[i] = jobsrv_job_handle(w->jobs[i * 7919 % w->live]);
  for (size_t i = 0; i < steps; i++)
    found += jobsrv_job_by_handle(w->srv, handles[i % 1024]) != NULL;
  if (found != steps)
    printf("lost %zu\n", steps - found);
}

static void on_timer(jobsrv_timer_t *timer) {
  (void) timer;
}

static jobsrv_timer_t *timers;
static uint64_t base_ns;

static void arm_and_disarm(world *w, size_t steps) {
  static jobsrv_timer_t timer;

  for (size_t i = 0; i < steps; i++) {
    jobsrv_timer_arm(w->srv, &timer, base_ns + (i % 977) * 50000000, on_timer);
    jobsrv_timer_disarm(w->srv, &timer);
  }
}

static void rearm(world *w, size_t steps) {
  for (size_t i = 0; i < steps; i++)
    jobsrv_timer_arm(w->srv, &timers[i * 7919 % w->live],
                     base_ns + (i % 977) * 50000000, on_timer);
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static void print(const char *what, double *ns, int rounds) {
  qsort(ns, (size_t) rounds, sizeof(ns[0]), by_value);
  printf("  %-22s %8.1f ns   (%.1f .. %.1f)\n", what, ns[rounds / 2], ns[0],
         ns[rounds - 1]);
}

static void measure(const char *what,
                    world *w,
                    int rounds,
                    void (*step)(world *w, size_t steps)) {
  double ns[MAX_ROUNDS];
  uint64_t start;

  step(w, STEPS / 10);
  for (int i = 0; i < rounds; i++) {
    start = clock_read(CLOCK_MONOTONIC);
    step(w, STEPS);
    ns[i] = (double) (clock_read(CLOCK_MONOTONIC) - start) / STEPS;
  }
  print(what, ns, rounds);
}

/* Adds what each part of one batch takes to `spent`. */
static void batch(world *w, uint64_t spent[3]) {
  static jobsrv_job_t *jobs[BATCH];
  uint64_t at[4];

  at[0] = clock_read(CLOCK_MONOTONIC);
  for (size_t i = 0; i < BATCH; i++)
    jobs[i] = submit(w);
  at[1] = clock_read(CLOCK_MONOTONIC);
  for (size_t i = 0; i < BATCH; i++)
    (void) jobsrv_job_cancel(jobs[i], NULL);
  at[2] = clock_read(CLOCK_MONOTONIC);
  w->moved_ns += (RETAIN_MS + 1000) * 1000000ull;
  w->watch->tick(w->watch);
  at[3] = clock_read(CLOCK_MONOTONIC);
  for (int i = 0; i < 3; i++)
    spent[i] += at[i + 1] - at[i];
}

static void measure_lives(world *w, int rounds) {
  static const char *const parts[] = { "create", "cancel", "expire" };
  double ns[3][MAX_ROUNDS], whole[MAX_ROUNDS];
  uint64_t spent[3];

  batch(w, spent);
  for (int i = 0; i < rounds; i++) {
    memset(spent, 0, sizeof(spent));
    for (int n = 0; n < STEPS / BATCH; n++)
      batch(w, spent);
    for (int part = 0; part < 3; part++)
      ns[part][i] = (double) spent[part] / STEPS;
    whole[i] = ns[0][i] + ns[1][i] + ns[2][i];
  }
  for (int part = 0; part < 3; part++)
    print(parts[part], ns[part], rounds);
  print("all three", whole, rounds);
}

static void at(size_t live, int rounds) {
  world w;

  open_world(&w, live);
  timers = calloc(live, sizeof(*timers));
  if (timers == NULL)
    exit(1);
  base_ns = jobsrv_now(w.srv) + 3600ull * 1000000000;
  for (size_t i = 0; i < live; i++)
    jobsrv_timer_arm(w.srv, &timers[i], base_ns + i * 1000, on_timer);
  measure("add + remove", &w, rounds, add_and_remove);
  measure_lives(&w, rounds);
  measure("find by id", &w, rounds, find_by_id);
  measure("find by handle", &w, rounds, find_by_handle);
  measure("timer arm + disarm", &w, rounds, arm_and_disarm);
  measure("timer re-arm", &w, rounds, rearm);
  for (size_t i = 0; i < live; i++)
    jobsrv_timer_disarm(w.srv, &timers[i]);
  close_world(&w);
  free(timers);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 7;

  if (rounds < 1 || rounds > MAX_ROUNDS)
    rounds = 7;
  for (size_t live = 1000; live <= 1000000; live *= 10)
    at(live, rounds);
  return 0;
}
