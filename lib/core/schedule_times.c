/* SPDX-License-Identifier: MIT */

#include "core/schedule.h"

/*
 * When a schedule is due, and what has been missed. `next_ns` is always the
 * first time after `base_ns`, the moment it was last looked for. So a clock
 * that is set back matters only when it goes behind that moment: then the next
 * time may be an earlier one.
 */

enum {
  MAX_COUNTED = 10000, /* times of an expression that are counted as missed */
  MAX_AT_ONCE = 1000   /* times of one look that are acted on */
};

static const uint64_t LITTLE_NS = UINT64_C(3) * 3600 * 1000000000;

/* ---- the grid of an interval ---- */

/* The first of its times after `after`; they go on both ways. */
static uint64_t grid_after(uint64_t grid, uint64_t every, uint64_t after) {
  uint64_t steps;

  if (grid > after)
    return grid - (grid - after - 1) / every * every;
  steps = (after - grid) / every + 1;
  return steps <= (UINT64_MAX - grid) / every ? grid + steps * every : 0;
}

uint64_t jobsrv__schedule_after(const jobsrv_schedule_t *schedule,
                                uint64_t after) {
  const jobsrv__timetable_t *table = schedule->table;
  uint64_t next;

  if (table->cron == NULL)
    return schedule->grid_ns == 0
               ? 0
               : grid_after(schedule->grid_ns, table->every_ns, after);
  return jobsrv__cron_after_ns(&table->sets, table->zone, after, &next) ? next
                                                                        : 0;
}

/* ---- waiting ---- */

static void count_awaited(jobsrv_schedule_t *schedule, int awaited) {
  jobsrv_t *srv = schedule->srv;

  if (schedule->awaited == awaited)
    return;
  schedule->awaited = awaited;
  if (awaited)
    srv->schedules_awaited++;
  else
    srv->schedules_awaited--;
  jobsrv__keep_alive(srv);
}

static void on_time(jobsrv_timer_t *timer);

/* The descriptor is there since the schedule was added: this cannot fail. */
static void await(jobsrv_schedule_t *schedule) {
  if (schedule->next_ns == 0)
    jobsrv__wall_disarm(schedule->srv, &schedule->timer);
  else
    (void) jobsrv__wall_arm(schedule->srv, &schedule->timer, schedule->next_ns,
                            on_time);
  count_awaited(schedule, schedule->next_ns != 0);
}

static void set_base(jobsrv_schedule_t *schedule, uint64_t now) {
  schedule->base_ns = now;
  schedule->base_mono_ns = jobsrv_now(schedule->srv);
}

void jobsrv__schedule_reckon(jobsrv_schedule_t *schedule) {
  if (schedule->srv->phase != JOBSRV__OPEN) {
    jobsrv__schedule_halt(schedule);
    return;
  }
  schedule->epoch++;
  set_base(schedule, jobsrv_wall_now(schedule->srv));
  schedule->next_ns = jobsrv__schedule_after(schedule, schedule->base_ns);
  await(schedule);
}

void jobsrv__schedule_halt(jobsrv_schedule_t *schedule) {
  schedule->epoch++;
  schedule->next_ns = 0;
  await(schedule);
}

/*
 * An interval's grid goes back with the clock, so that as much time goes by
 * until its next time as would have without. Returns whether it did.
 */
static int grid_back(jobsrv_schedule_t *schedule, uint64_t now) {
  uint64_t elapsed = jobsrv_now(schedule->srv) - schedule->base_mono_ns;
  uint64_t expected = schedule->base_ns + elapsed;
  uint64_t next = schedule->next_ns;

  if (next == 0 || now >= expected)
    return 0;
  schedule->grid_ns = now + (next > expected ? next - expected : 1);
  return 1;
}

/* A little correction has no time of day run twice, a great one does. */
static int comes_again(const jobsrv_schedule_t *schedule, uint64_t now) {
  return now < schedule->base_ns &&
         (schedule->table->sets.elapsed ||
          schedule->base_ns - now > LITTLE_NS);
}

void jobsrv__schedules_set_back(jobsrv_t *srv, uint64_t now) {
  jobsrv_schedule_t *schedule;

  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->schedules);
       link != NULL; link = jobsrv__queue_next(&srv->schedules, link)) {
    schedule = JOBSRV__CONTAINER(link, jobsrv_schedule_t, in_server);
    if (schedule->paused)
      continue;
    if (schedule->table->cron == NULL ? grid_back(schedule, now)
                                      : comes_again(schedule, now))
      jobsrv__schedule_reckon(schedule);
  }
}

/* ---- a time has come ---- */

/*
 * How many times, from the next on, lie before `horizon`; the newest of them,
 * and the schedule then stands at the first that does not.
 */
static uint64_t pass_missed(jobsrv_schedule_t *schedule,
                            uint64_t horizon,
                            uint64_t *newest) {
  uint64_t every = schedule->table->every_ns;
  uint64_t missed = 0;

  if (schedule->next_ns == 0 || schedule->next_ns >= horizon)
    return 0;
  if (schedule->table->cron == NULL) {
    missed = (horizon - 1 - schedule->next_ns) / every + 1;
    *newest = schedule->next_ns + (missed - 1) * every;
  } else {
    while (schedule->next_ns != 0 && schedule->next_ns < horizon &&
           missed < MAX_COUNTED) {
      missed++;
      *newest = schedule->next_ns;
      schedule->next_ns = jobsrv__schedule_after(schedule, *newest);
    }
  }
  if (schedule->next_ns != 0 && schedule->next_ns < horizon)
    schedule->next_ns = jobsrv__schedule_after(schedule, horizon - 1);
  return missed;
}

static uint64_t owed(const jobsrv__timetable_t *table, uint64_t missed) {
  uint64_t most = 0;

  if (table->misfire == JOBSRV_MISFIRE_ONCE)
    most = 1;
  else if (table->misfire == JOBSRV_MISFIRE_CATCH_UP)
    most = table->max_catch_up;
  return missed < most ? missed : most;
}

/* 0 when the schedule has become another in the meantime, or is gone. */
static int act(jobsrv_schedule_t *schedule, uint64_t time, uint64_t epoch) {
  schedule->last_wall_ns = time;
  if (jobsrv__schedule_act(schedule, JOBSRV__PUT_OFF_TIME, NULL) ==
      JOBSRV_ECONFLICT)
    schedule->skipped++;
  return schedule->epoch == epoch;
}

static void run_due(jobsrv_schedule_t *schedule, uint64_t now) {
  uint64_t late = schedule->table->misfire_after_ns;
  uint64_t epoch = schedule->epoch;
  uint64_t newest = 0, missed, runs, time;

  missed = pass_missed(schedule, now > late ? now - late : 0, &newest);
  runs = owed(schedule->table, missed);
  schedule->missed += missed - runs;
  for (; runs > 0; runs--)
    if (!act(schedule, newest, epoch))
      return;
  for (int n = 0; n < MAX_AT_ONCE && schedule->next_ns != 0 &&
                  schedule->next_ns <= now;
       n++) {
    time = schedule->next_ns;
    schedule->next_ns = jobsrv__schedule_after(schedule, time);
    if (!act(schedule, time, epoch))
      return;
  }
  set_base(schedule, now);
  await(schedule);
}

static void on_time(jobsrv_timer_t *timer) {
  jobsrv_schedule_t *schedule =
      JOBSRV__CONTAINER(timer, jobsrv_schedule_t, timer);

  jobsrv__schedule_enter(schedule);
  run_due(schedule, jobsrv_wall_now(schedule->srv));
  jobsrv__schedule_leave(schedule);
}
