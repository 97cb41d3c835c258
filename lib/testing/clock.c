/* SPDX-License-Identifier: MIT */

#include "jobsrv/testing.h"

#include <string.h>

/* Timers that fire again without time going by are given so many rounds. */
enum { ROUNDS = 1000 };

#define MS UINT64_C(1000000)
#define START_NS UINT64_C(1000000000)
#define START_WALL UINT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */

/* `clock` is the first member. */
static const jobsrv_manual_clock_t *manual(const jobsrv_clock_t *clock) {
  return (const jobsrv_manual_clock_t *) clock;
}

/* Other threads read while the loop's thread moves it. In one order with what
   they want to be ticked for: see late_ticks(). */
static uint64_t get(const uint64_t *time) {
  return __atomic_load_n(time, __ATOMIC_SEQ_CST);
}

static void set(uint64_t *time, uint64_t to) {
  __atomic_store_n(time, to, __ATOMIC_SEQ_CST);
}

static uint64_t monotonic_ns(const jobsrv_clock_t *clock) {
  return get(&manual(clock)->monotonic_ns);
}

static uint64_t wall_ns(const jobsrv_clock_t *clock) {
  return get(&manual(clock)->wall_ns);
}

static void attach(jobsrv_clock_t *clock, jobsrv_clock_watch_t *watch) {
  jobsrv_clock_watch_t *head = &((jobsrv_manual_clock_t *) clock)->head;

  watch->link[0] = head;
  watch->link[1] = head->link[1];
  watch->link[1]->link[0] = watch;
  head->link[1] = watch;
}

static void detach(jobsrv_clock_t *clock, jobsrv_clock_watch_t *watch) {
  (void) clock;
  if (watch->link[0] == NULL)
    return;
  watch->link[0]->link[1] = watch->link[1];
  watch->link[1]->link[0] = watch->link[0];
  watch->link[0] = NULL;
  watch->link[1] = NULL;
}

void jobsrv_manual_clock_init(jobsrv_manual_clock_t *clock) {
  memset(clock, 0, sizeof(*clock));
  clock->clock.monotonic_ns = monotonic_ns;
  clock->clock.wall_ns = wall_ns;
  clock->clock.attach = attach;
  clock->clock.detach = detach;
  clock->monotonic_ns = START_NS;
  clock->wall_ns = START_WALL;
  clock->head.link[0] = &clock->head;
  clock->head.link[1] = &clock->head;
}

/* Who wants to be ticked first, and when; NULL when nobody does. */
static jobsrv_clock_watch_t *first_due(jobsrv_manual_clock_t *clock,
                                       uint64_t *when) {
  jobsrv_clock_watch_t *first = NULL;
  jobsrv_clock_watch_t *watch;

  *when = UINT64_MAX;
  for (watch = clock->head.link[0]; watch != &clock->head;
       watch = watch->link[0]) {
    uint64_t next = watch->next(watch);

    if (next < *when) {
      *when = next;
      first = watch;
    }
  }
  return first;
}

static void move(jobsrv_manual_clock_t *clock, uint64_t to) {
  uint64_t now = get(&clock->monotonic_ns);

  if (to <= now)
    return;
  set(&clock->wall_ns, get(&clock->wall_ns) + (to - now));
  set(&clock->monotonic_ns, to);
}

/*
 * A watch of another thread may have been set while the clock moved over it: it
 * is seen here, or the thread sees that the time it has set is over.
 */
static void late_ticks(jobsrv_manual_clock_t *clock, uint64_t end) {
  unsigned int rounds = 0;
  jobsrv_clock_watch_t *watch;
  uint64_t when;

  while (rounds++ < ROUNDS && (watch = first_due(clock, &when)) != NULL &&
         when <= end)
    watch->tick(watch);
}

void jobsrv_manual_clock_advance(jobsrv_manual_clock_t *clock, uint64_t ns) {
  uint64_t now = get(&clock->monotonic_ns);
  uint64_t end = ns < UINT64_MAX - now ? now + ns : UINT64_MAX - 1;
  unsigned int rounds = 0;
  jobsrv_clock_watch_t *watch;
  uint64_t when;

  while ((watch = first_due(clock, &when)) != NULL && when <= end) {
    now = get(&clock->monotonic_ns);
    rounds = when > now ? 0 : rounds + 1;
    if (rounds > ROUNDS) {
      rounds = 0;
      when = now + MS;
      if (when > end) {
        move(clock, end);
        return;
      }
    }
    move(clock, when);
    watch->tick(watch);
  }
  move(clock, end);
  late_ticks(clock, end);
}

int jobsrv_manual_clock_step(jobsrv_manual_clock_t *clock) {
  jobsrv_clock_watch_t *watch;
  unsigned int rounds = 0;
  uint64_t when, now;

  watch = first_due(clock, &when);
  if (watch == NULL)
    return 0;
  move(clock, when);
  now = get(&clock->monotonic_ns);
  do
    watch->tick(watch);
  while (++rounds < ROUNDS && (watch = first_due(clock, &when)) != NULL &&
         when <= now);
  return 1;
}

static uint64_t never(jobsrv_clock_watch_t *watch) {
  (void) watch;
  return UINT64_MAX;
}

static void nothing(jobsrv_clock_watch_t *watch) {
  (void) watch;
}

/*
 * Everybody looks, whether or not the new time is one they wait for: a clock
 * that was set back is news as well. A mark of our own keeps the place while
 * servers come and go.
 */
void jobsrv_manual_clock_set_wall(jobsrv_manual_clock_t *clock,
                                  uint64_t wall) {
  jobsrv_clock_watch_t here = { .next = never, .tick = nothing };
  jobsrv_clock_watch_t *watch = clock->head.link[0];

  set(&clock->wall_ns, wall);
  while (watch != &clock->head) {
    here.link[0] = watch->link[0];
    here.link[1] = watch;
    here.link[0]->link[1] = &here;
    here.link[1]->link[0] = &here;
    watch->tick(watch);
    watch = here.link[0];
    detach(&clock->clock, &here);
  }
}
