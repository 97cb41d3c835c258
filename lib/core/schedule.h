/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_SCHEDULE_H_
#define JOBSRV_CORE_SCHEDULE_H_

/* Schedules: what is in one. What they promise is in jobsrv/schedule.h. */

#include "core/cron.h"
#include "core/server.h"
#include "core/wall.h"
#include "jobsrv/schedule.h"

/*
 * What a schedule was told, read and copied. It does not change; an update puts
 * another in its place, and a submit that is under way keeps the one it has.
 */
typedef struct jobsrv__timetable_s {
  uint32_t refs;
  jobsrv_spec_t spec;
  const char *cron;       /* NULL: an interval */
  const char *zone_name;  /* NULL: UTC */
  jobsrv__cron_t sets;
  jobsrv__zone_t *zone;
  uint64_t every_ms;
  uint64_t every_ns;
  int misfire;
  int overlap;
  uint32_t max_catch_up;
  uint64_t misfire_after_ns;
} jobsrv__timetable_t;

/* What is put off until the last job has ended, and by whom. */
enum {
  JOBSRV__PUT_OFF_NONE,
  JOBSRV__PUT_OFF_TIME,
  JOBSRV__PUT_OFF_TRIGGER
};

struct jobsrv_schedule_s {
  jobsrv__queue_t in_server;
  jobsrv_t *srv;
  char *name;
  jobsrv__timetable_t *table;
  uint64_t epoch;         /* counts whatever makes `next_ns` another's */
  int paused;
  int busy;               /* calls that are inside: freed after the last */
  int removed;

  /* when */
  jobsrv__wall_timer_t timer;
  int awaited;            /* counted in srv->schedules_awaited */
  uint64_t next_ns;       /* 0: none */
  uint64_t grid_ns;       /* of an interval: one of its times */
  uint64_t base_ns;       /* `next_ns` is the first after it */
  uint64_t base_mono_ns;  /* the same moment of the other clock */

  /* the guard */
  jobsrv_handle_t last_job;
  uint64_t submits;
  int submitting;         /* calls of jobsrv_submit() that are inside */
  int put_off;
  jobsrv_hook_t hook;     /* while something is put off */
  jobsrv_turn_t turn;

  uint64_t last_wall_ns;
  uint64_t runs, skipped, missed, refused;
  int last_error;
};

/* schedule_table.c: checks the options and copies what they say. */
int jobsrv__timetable_new(jobsrv__timetable_t **out,
                          jobsrv_t *srv,
                          const jobsrv_schedule_options_t *options,
                          jobsrv_cron_error_t *mistake);
void jobsrv__timetable_unref(jobsrv_t *srv, jobsrv__timetable_t *table);

/* schedule_times.c: the first time after `after`, 0 for none. */
uint64_t jobsrv__schedule_after(const jobsrv_schedule_t *schedule,
                                uint64_t after);

/* Counts times from now on, with the grid as it is, and waits for the next. */
void jobsrv__schedule_reckon(jobsrv_schedule_t *schedule);

/* Waits for nothing. */
void jobsrv__schedule_halt(jobsrv_schedule_t *schedule);

/* The wall clock has been set back, to `now`: see whether that is news. */
void jobsrv__schedules_set_back(jobsrv_t *srv, uint64_t now);

/*
 * schedule_run.c: a time has come, or somebody asks: submits, puts off, or
 * returns JOBSRV_ECONFLICT. `by` is one of PUT_OFF.
 */
int jobsrv__schedule_act(jobsrv_schedule_t *schedule,
                         int by,
                         jobsrv_job_t **out);

/* Forgets what was put off. */
void jobsrv__schedule_take_back(jobsrv_schedule_t *schedule);

/* Its options are others now: what was put off may be due. */
void jobsrv__schedule_review(jobsrv_schedule_t *schedule);

/* schedule.c: around whatever may call the host. */
void jobsrv__schedule_enter(jobsrv_schedule_t *schedule);
void jobsrv__schedule_leave(jobsrv_schedule_t *schedule);

#endif /* JOBSRV_CORE_SCHEDULE_H_ */
