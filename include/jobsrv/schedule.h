/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SCHEDULE_H
#define JOBSRV_SCHEDULE_H

/*
 * Schedules: objects that submit a job again and again, at an interval or by a
 * cron expression, in UTC or in the local time of a named zone. They follow the
 * wall clock, also when it is set or the machine was asleep. One that has a
 * next time keeps the loop alive; a drain stops them all.
 *
 * When the clock is set forward, what it has jumped over is missed, as by a
 * sleep. When it is set back by up to three hours, an expression's times that
 * have come do not come again, unless its hour field begins with a star; by
 * more, they do. An interval's next time moves back with the clock, so that
 * the time in between stays what it is.
 *
 * A cron expression has five fields, minute hour day month weekday, or six with
 * seconds in front. A field is a list, with commas, of: a star, a value, a
 * range a-b, each with an optional step /n (a value with a step goes on to the
 * field's end). Months and weekdays also have names (jan, MON); Sunday is 0 or
 * 7, and with a name may end a range (fri-sun). As in crontab(5), when both day
 * and weekday are restricted (neither begins with a star), a time matches if
 * either does. Also @yearly, @annually, @monthly, @weekly, @daily, @midnight
 * and @hourly.
 *
 * Where local time jumps forward, a time of day in the gap is run once, at the
 * end of the gap; where it is set back, a time of day that comes twice is run
 * at its first coming only. An expression whose hour field begins with a star
 * runs by elapsed time through both: nothing is moved or left out.
 */

#include "jobsrv/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jobsrv_schedule_s jobsrv_schedule_t;

/*
 * What to do about times that went by unseen: the machine was asleep, a turn of
 * the loop took long, or the clock was set forward.
 */
typedef enum {
  JOBSRV_MISFIRE_ONCE,    /* one run now for all that were missed */
  JOBSRV_MISFIRE_SKIP,    /* none */
  JOBSRV_MISFIRE_CATCH_UP /* one for each, but at most max_catch_up */
} jobsrv_misfire_t;

/*
 * What to do when a time comes and the job of the last one is still live. The
 * schedule remembers that job across update, pause and trigger. No more than
 * one is ever put off.
 */
typedef enum {
  JOBSRV_OVERLAP_SKIP,
  JOBSRV_OVERLAP_ALLOW,
  JOBSRV_OVERLAP_QUEUE_ONE, /* one more, submitted when that has ended */
  JOBSRV_OVERLAP_CANCEL_PREVIOUS /* it is cancelled (REPLACED); the new one is
                                    submitted when it has let go */
} jobsrv_overlap_t;

/* All is copied. */
typedef struct jobsrv_schedule_options_s {
  size_t size;               /* set by jobsrv_schedule_options_init() */
  const char *name;          /* 1..64 of [A-Za-z0-9._-], its own */
  const char *cron;          /* exactly one of cron and every_ms is set */
  uint64_t every_ms;         /* from the creation on, without drift */
  const char *zone;          /* NULL: UTC; "Europe/Berlin", ...; only with
                                cron. Its file is read once, now */
  const jobsrv_spec_t *spec; /* what to submit; without data, release, parents,
                                after, delay_ms and run_at_wall_ns */
  int misfire;               /* jobsrv_misfire_t */
  uint32_t max_catch_up;     /* 0: 10; at most 10,000 */
  uint64_t misfire_after_ms; /* 0: 1,000; later than this is a misfire */
  int overlap;               /* jobsrv_overlap_t */
  int paused;                /* 1: until jobsrv_schedule_pause(.., 0) */
} jobsrv_schedule_options_t;

static inline void
jobsrv_schedule_options_init(jobsrv_schedule_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/* Where in a cron expression a mistake is, and what. */
typedef struct jobsrv_cron_error_s {
  size_t offset;     /* of the offending character, from 0 */
  char message[128]; /* "hour 24 is not in 0..23" */
} jobsrv_cron_error_t;

/*
 * Adds a schedule. `*out`, when asked for, is lent until it is removed or the
 * server closes. `mistake` may be NULL.
 *
 * Returns 0; JOBSRV_ECRON with `*mistake`; JOBSRV_EZONE for a zone that is not
 * in the server's zoneinfo folder; JOBSRV_EEXISTS; JOBSRV_ENOOPERATION;
 * UV_EINVAL for a bad name, none or both of cron and every_ms, a zone without
 * cron, an unknown policy, max_catch_up out of range, no spec, or one with what
 * it may not have; JOBSRV_EOPTIONS; UV_ENOMEM;
 * JOBSRV_EDRAINING; or what making a timer descriptor returned. The spec's
 * payload and bounds are looked at when it is submitted; what jobsrv_submit()
 * then refuses is counted and kept in the schedule's info.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_schedule_add(jobsrv_t *srv,
                        const jobsrv_schedule_options_t *options,
                        jobsrv_cron_error_t *mistake,
                        jobsrv_schedule_t **out);

/*
 * The same for one that is there: times count anew, its last job is still
 * known. The name must be its own. Returns as jobsrv_schedule_add().
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_schedule_update(jobsrv_schedule_t *schedule,
                           const jobsrv_schedule_options_t *options,
                           jobsrv_cron_error_t *mistake);

/* Its jobs are not touched. Also from inside a hook. */
JOBSRV_EXTERN void jobsrv_schedule_remove(jobsrv_schedule_t *schedule);

/*
 * 1 stops it until 0; the times in between are not misfires. What a time has
 * put off is left out, what a trigger has put off is not.
 */
JOBSRV_EXTERN void jobsrv_schedule_pause(jobsrv_schedule_t *schedule, int yes);

/*
 * Submits its job now, out of turn, paused or not; the overlap policy counts.
 * `*out`, when asked for, is lent, and NULL when the policy has put it off.
 * Returns 0, JOBSRV_ECONFLICT when the policy skips it, or as jobsrv_submit().
 */
JOBSRV_EXTERN int jobsrv_schedule_trigger(jobsrv_schedule_t *schedule,
                                          jobsrv_job_t **out);

/* By name; NULL: none. */
JOBSRV_EXTERN jobsrv_schedule_t *jobsrv_schedule_find(const jobsrv_t *srv,
                                                      const char *name);

/* One after another, in order of adding; NULL begins, NULL: no more. */
JOBSRV_EXTERN jobsrv_schedule_t *
jobsrv_schedule_next(const jobsrv_t *srv, const jobsrv_schedule_t *schedule);

typedef struct jobsrv_schedule_info_s {
  size_t size;           /* set by the caller to sizeof *info */
  const char *name, *cron, *zone, *operation; /* NULL where there is none */
  uint64_t every_ms;
  uint64_t next_wall_ns; /* 0: paused, or never again */
  uint64_t last_wall_ns; /* the time last acted on; 0: none yet */
  uint64_t runs;         /* jobs submitted */
  uint64_t skipped;      /* times left out by overlap */
  uint64_t missed;       /* times left out by misfire; of an expression's at
                            most 10,000 are counted at once */
  uint64_t refused;      /* submits that failed */
  int last_error;        /* of the last of them; 0: none */
  int paused;
  jobsrv_handle_t last_job;  /* zero: none yet */
} jobsrv_schedule_info_t;

/* Fills as much of `info` as its size says; texts are lent. */
JOBSRV_EXTERN void jobsrv_schedule_info(const jobsrv_schedule_t *schedule,
                                        jobsrv_schedule_info_t *info);

/*
 * [any] The first time after `after_wall_ns` (both UTC nanoseconds) that `cron`
 * matches in `zone` (NULL: UTC), whose file is under `zoneinfo` (NULL:
 * "/usr/share/zoneinfo"). `mistake` may be NULL.
 *
 * Returns 0; JOBSRV_ECRON with `*mistake`, also for a day that never comes
 * ("0 0 30 2 *"); JOBSRV_EZONE; UV_ENOMEM; or JOBSRV_ENOJOB when it does not
 * match again before the end of 64-bit time.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_cron_next(const char *cron,
                     const char *zone,
                     const char *zoneinfo,
                     uint64_t after_wall_ns,
                     jobsrv_cron_error_t *mistake,
                     uint64_t *wall_ns);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SCHEDULE_H */
