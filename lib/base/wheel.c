/* SPDX-License-Identifier: MIT */

#include "base/wheel.h"

#include <assert.h>
#include <string.h>

/*
 * Time is counted in ticks of a millisecond, and a tick written in base 64
 * says where a timer is: on the level of the highest digit in which its tick
 * differs from that of the last run, in the slot of that digit. So everything
 * on a level is earlier than everything on the levels above, no slot ever
 * holds two rounds, and where time passes is found from its digits alone,
 * whether it passed by a millisecond or by a century.
 *
 * Two lists more: PAST takes what is due when it is armed, DUE what a run has
 * gathered and not yet fired. Lists are last in, first out (a timer's arming
 * then touches one neighbour) and are reversed when they are emptied. What is
 * due is sorted anyway; the order of a list only makes that quick.
 */
#define NS_PER_TICK UINT64_C(1000000)

enum {
  MASK = JOBSRV__WHEEL_SLOTS - 1,
  PAST = JOBSRV__WHEEL_LISTS - 2,
  DUE = JOBSRV__WHEEL_LISTS - 1
};

/* The tick in which a deadline has passed, so rounded up. */
static uint64_t tick_of_deadline(uint64_t ns) {
  return ns / NS_PER_TICK + (ns % NS_PER_TICK != 0);
}

/* The last tick that has begun. The end of time has no tick of its own but
 * ends the last one, so that even the last deadline can be reached. */
static uint64_t tick_of_now(uint64_t ns) {
  return ns == UINT64_MAX ? tick_of_deadline(ns) : ns / NS_PER_TICK;
}

static uint64_t ns_of_tick(uint64_t tick) {
  return tick <= UINT64_MAX / NS_PER_TICK ? tick * NS_PER_TICK : UINT64_MAX;
}

static unsigned int lowest_bit(uint64_t bits) {
  return (unsigned int) __builtin_ctzll(bits);
}

/* `differ` is not 0. */
static unsigned int level_of(uint64_t differ) {
  return (63 - (unsigned int) __builtin_clzll(differ)) / JOBSRV__WHEEL_BITS;
}

static unsigned int digit(uint64_t tick, unsigned int level) {
  return (unsigned int) (tick >> (level * JOBSRV__WHEEL_BITS)) & MASK;
}

static void link_timer(jobsrv__wheel_t *wheel,
                       jobsrv_timer_t *timer,
                       unsigned int list) {
  timer->place = (uint16_t) (list + 1);
  timer->prev = NULL;
  timer->next = wheel->lists[list];
  if (timer->next != NULL)
    timer->next->prev = timer;
  wheel->lists[list] = timer;
}

/* The list that a deadline belongs to. */
static unsigned int list_of(const jobsrv__wheel_t *wheel, uint64_t deadline) {
  uint64_t tick = tick_of_deadline(deadline);
  unsigned int level;

  if (tick <= wheel->now)
    return PAST;
  level = level_of(tick ^ wheel->now);
  return level * JOBSRV__WHEEL_SLOTS + digit(tick, level);
}

static void place(jobsrv__wheel_t *wheel,
                  jobsrv_timer_t *timer,
                  unsigned int list) {
  unsigned int level = list / JOBSRV__WHEEL_SLOTS;

  link_timer(wheel, timer, list);
  if (list == PAST)
    return;
  wheel->used[level] |= UINT64_C(1) << (list & MASK);
  wheel->levels |= 1u << level;
}

static void mark_empty(jobsrv__wheel_t *wheel, unsigned int list) {
  unsigned int level = list / JOBSRV__WHEEL_SLOTS;

  if (list >= PAST)
    return;
  wheel->used[level] &= ~(UINT64_C(1) << (list & MASK));
  if (wheel->used[level] == 0)
    wheel->levels &= ~(1u << level);
}

static void unlink_timer(jobsrv__wheel_t *wheel, jobsrv_timer_t *timer) {
  unsigned int list = timer->place - 1u;

  if (timer->next != NULL)
    timer->next->prev = timer->prev;
  if (timer->prev != NULL) {
    timer->prev->next = timer->next;
  } else {
    wheel->lists[list] = timer->next;
    if (timer->next == NULL)
      mark_empty(wheel, list);
  }
  timer->next = NULL;
  timer->prev = NULL;
  timer->place = 0;
}

void jobsrv__wheel_init(jobsrv__wheel_t *wheel, uint64_t now_ns) {
  memset(wheel, 0, sizeof(*wheel));
  wheel->now = tick_of_now(now_ns);
}

void jobsrv__wheel_arm(jobsrv__wheel_t *wheel,
                       jobsrv_timer_t *timer,
                       uint64_t deadline_ns,
                       jobsrv_timer_cb cb) {
  unsigned int list = list_of(wheel, deadline_ns);

  assert(cb != NULL);

  timer->cb = cb;
  timer->deadline_ns = deadline_ns;
  timer->order = ++wheel->order;
  /* A timer that is put off a little mostly stays where it is. */
  if (timer->place == list + 1)
    return;
  if (timer->place != 0)
    unlink_timer(wheel, timer);
  else
    wheel->count++;
  place(wheel, timer, list);
}

void jobsrv__wheel_disarm(jobsrv__wheel_t *wheel, jobsrv_timer_t *timer) {
  if (timer->place == 0)
    return;
  unlink_timer(wheel, timer);
  wheel->count--;
}

uint64_t jobsrv__wheel_next(const jobsrv__wheel_t *wheel) {
  unsigned int level, slot, below;
  uint64_t above;

  if (wheel->lists[PAST] != NULL || wheel->lists[DUE] != NULL)
    return ns_of_tick(wheel->now);
  if (wheel->levels == 0)
    return UINT64_MAX;

  level = lowest_bit(wheel->levels);
  slot = lowest_bit(wheel->used[level]);
  below = level * JOBSRV__WHEEL_BITS;
  above = wheel->now >> (below + JOBSRV__WHEEL_BITS) << JOBSRV__WHEEL_BITS;
  return ns_of_tick((above | slot) << below);
}

uint64_t jobsrv__wheel_due(const jobsrv__wheel_t *wheel) {
  const jobsrv_timer_t *timer;
  unsigned int level;
  uint64_t first = UINT64_MAX;
  uint64_t tick;

  if (wheel->lists[PAST] != NULL || wheel->lists[DUE] != NULL)
    return ns_of_tick(wheel->now);
  if (wheel->levels == 0)
    return UINT64_MAX;

  level = lowest_bit(wheel->levels);
  timer = wheel->lists[level * JOBSRV__WHEEL_SLOTS +
                       lowest_bit(wheel->used[level])];
  for (; timer != NULL; timer = timer->next) {
    tick = tick_of_deadline(timer->deadline_ns);
    if (tick < first)
      first = tick;
  }
  return ns_of_tick(first);
}

/* Moves a list, oldest first, onto `tail`; returns the new tail. */
static jobsrv_timer_t **gather(jobsrv__wheel_t *wheel,
                               unsigned int list,
                               jobsrv_timer_t **tail) {
  jobsrv_timer_t *newest = wheel->lists[list];
  jobsrv_timer_t *oldest = NULL;
  jobsrv_timer_t *timer, *next;

  if (newest == NULL)
    return tail;
  wheel->lists[list] = NULL;
  mark_empty(wheel, list);
  for (timer = newest; timer != NULL; timer = next) {
    next = timer->next;
    timer->next = oldest;
    oldest = timer;
  }
  *tail = oldest;
  return &newest->next;
}

/*
 * Everything that may be due when the tick moves on to `tick`: of the levels
 * below the one where the two differ all, of that level what lies up to the
 * new digit. Only what lies at that digit may turn out to be not yet due.
 */
static jobsrv_timer_t *collect(jobsrv__wheel_t *wheel, uint64_t tick) {
  jobsrv_timer_t *all = NULL;
  jobsrv_timer_t **tail = gather(wheel, PAST, &all);
  unsigned int top, level, slot;
  uint64_t bits;

  if (tick > wheel->now) {
    top = level_of(tick ^ wheel->now);
    for (level = 0; level <= top; level++) {
      bits = wheel->used[level];
      if (level == top)
        bits &= ~UINT64_C(0) >> (MASK - digit(tick, level));
      for (; bits != 0; bits &= bits - 1) {
        slot = lowest_bit(bits);
        tail = gather(wheel, level * JOBSRV__WHEEL_SLOTS + slot, tail);
      }
    }
    wheel->now = tick;
  }
  *tail = NULL;
  return all;
}

static int is_before(const jobsrv_timer_t *a, const jobsrv_timer_t *b) {
  if (a->deadline_ns != b->deadline_ns)
    return a->deadline_ns < b->deadline_ns;
  return a->order < b->order;
}

static jobsrv_timer_t *merge(jobsrv_timer_t *a, jobsrv_timer_t *b) {
  jobsrv_timer_t *all = NULL;
  jobsrv_timer_t **tail = &all;

  while (a != NULL && b != NULL) {
    if (is_before(b, a)) {
      *tail = b;
      b = b->next;
    } else {
      *tail = a;
      a = a->next;
    }
    tail = &(*tail)->next;
  }
  *tail = a != NULL ? a : b;
  return all;
}

/* Merges the runs that are there already: one pass when the timers were armed
 * in order of their deadlines, as equal timeouts are. */
static jobsrv_timer_t *sort(jobsrv_timer_t *list) {
  jobsrv_timer_t *bins[64] = { NULL };
  jobsrv_timer_t *run, *end;
  unsigned int i, used = 0;

  while (list != NULL) {
    run = list;
    for (end = run; end->next != NULL && is_before(end, end->next);)
      end = end->next;
    list = end->next;
    end->next = NULL;

    for (i = 0; bins[i] != NULL; i++) {
      run = merge(bins[i], run);
      bins[i] = NULL;
    }
    bins[i] = run;
    if (i >= used)
      used = i + 1;
  }

  for (run = NULL, i = 0; i < used; i++)
    run = merge(bins[i], run);
  return run;
}

/* What is not due yet goes back, in order of arming; the rest becomes DUE. */
static void sift(jobsrv__wheel_t *wheel, jobsrv_timer_t *all) {
  jobsrv_timer_t *due = NULL;
  jobsrv_timer_t **tail = &due;
  jobsrv_timer_t *timer, *next, *prev = NULL;

  for (timer = all; timer != NULL; timer = next) {
    next = timer->next;
    if (tick_of_deadline(timer->deadline_ns) > wheel->now) {
      place(wheel, timer, list_of(wheel, timer->deadline_ns));
      continue;
    }
    *tail = timer;
    tail = &timer->next;
  }
  *tail = NULL;

  wheel->lists[DUE] = sort(due);
  for (timer = wheel->lists[DUE]; timer != NULL; timer = timer->next) {
    timer->place = DUE + 1;
    timer->prev = prev;
    prev = timer;
  }
}

size_t jobsrv__wheel_run(jobsrv__wheel_t *wheel, uint64_t now_ns) {
  jobsrv_timer_t *timer;
  size_t fired = 0;

  if (wheel->running)
    return 0;
  wheel->running = 1;
  sift(wheel, collect(wheel, tick_of_now(now_ns)));
  while ((timer = wheel->lists[DUE]) != NULL) {
    jobsrv__wheel_disarm(wheel, timer);
    fired++;
    timer->cb(timer);
  }
  wheel->running = 0;
  return fired;
}

void jobsrv__wheel_set_back(jobsrv__wheel_t *wheel, uint64_t now_ns) {
  uint64_t tick = tick_of_now(now_ns);
  jobsrv_timer_t *all = NULL;
  jobsrv_timer_t **tail = &all;
  jobsrv_timer_t *timer, *next;
  unsigned int level;
  uint64_t bits;

  if (tick >= wheel->now)
    return;
  tail = gather(wheel, PAST, tail);
  for (level = 0; level < JOBSRV__WHEEL_LEVELS; level++)
    for (bits = wheel->used[level]; bits != 0; bits &= bits - 1)
      tail = gather(wheel, level * JOBSRV__WHEEL_SLOTS + lowest_bit(bits),
                    tail);
  *tail = NULL;

  wheel->now = tick;
  for (timer = all; timer != NULL; timer = next) {
    next = timer->next;
    place(wheel, timer, list_of(wheel, timer->deadline_ns));
  }
}
