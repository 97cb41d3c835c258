/* SPDX-License-Identifier: MIT */

#include "core/schedule.h"

#include "base/alloc.h"
#include "base/options.h"

#include <string.h>

static int name_ok(const char *name) {
  size_t len = name != NULL ? strlen(name) : 0;

  return len >= 1 && len <= 64 &&
         strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789._-") == len;
}

static jobsrv_schedule_t *of(jobsrv__queue_t *link) {
  return link != NULL ? JOBSRV__CONTAINER(link, jobsrv_schedule_t, in_server)
                      : NULL;
}

static void schedule_free(jobsrv_schedule_t *schedule) {
  const jobsrv_alloc_t *alloc = &schedule->srv->alloc;

  jobsrv__timetable_unref(schedule->srv, schedule->table);
  jobsrv__free(alloc, schedule->name);
  jobsrv__free(alloc, schedule);
}

void jobsrv__schedule_enter(jobsrv_schedule_t *schedule) {
  schedule->busy++;
}

void jobsrv__schedule_leave(jobsrv_schedule_t *schedule) {
  if (--schedule->busy == 0 && schedule->removed)
    schedule_free(schedule);
}

/* ---- adding and updating ---- */

/* Options whatever their age; what both calls refuse alike. */
static int options_read(jobsrv_t *srv,
                        jobsrv_schedule_options_t *to,
                        const jobsrv_schedule_options_t *from) {
  int err = jobsrv__options_read(to, sizeof(*to), sizeof(*to), from);

  if (err != 0)
    return err;
  if (!name_ok(to->name))
    return UV_EINVAL;
  return srv->phase == JOBSRV__OPEN ? 0 : JOBSRV_EDRAINING;
}

/* An interval counts from now on. */
static void begin(jobsrv_schedule_t *schedule, int paused) {
  uint64_t now = jobsrv_wall_now(schedule->srv);
  uint64_t every = schedule->table->every_ns;

  schedule->paused = paused;
  schedule->grid_ns = every <= UINT64_MAX - now ? now + every : 0;
  if (paused)
    jobsrv__schedule_halt(schedule);
  else
    jobsrv__schedule_reckon(schedule);
}

int jobsrv_schedule_add(jobsrv_t *srv,
                        const jobsrv_schedule_options_t *options,
                        jobsrv_cron_error_t *mistake,
                        jobsrv_schedule_t **out) {
  jobsrv_schedule_options_t mine;
  jobsrv__timetable_t *table;
  jobsrv_schedule_t *schedule;
  int err = options_read(srv, &mine, options);

  JOBSRV__ASSERT_LOOP(srv);
  if (err == 0 && jobsrv_schedule_find(srv, mine.name) != NULL)
    err = JOBSRV_EEXISTS;
  if (err == 0)
    err = jobsrv__wall_open(srv);
  if (err == 0)
    err = jobsrv__timetable_new(&table, srv, &mine, mistake);
  if (err != 0)
    return err;

  schedule = jobsrv__zalloc(&srv->alloc, sizeof(*schedule));
  if (schedule != NULL)
    schedule->name = jobsrv__strdup(&srv->alloc, mine.name);
  if (schedule == NULL || schedule->name == NULL) {
    jobsrv__free(&srv->alloc, schedule);
    jobsrv__timetable_unref(srv, table);
    return UV_ENOMEM;
  }
  schedule->srv = srv;
  schedule->table = table;
  jobsrv__queue_push_back(&srv->schedules, &schedule->in_server);
  begin(schedule, mine.paused != 0);
  if (out != NULL)
    *out = schedule;
  return 0;
}

int jobsrv_schedule_update(jobsrv_schedule_t *schedule,
                           const jobsrv_schedule_options_t *options,
                           jobsrv_cron_error_t *mistake) {
  jobsrv_schedule_options_t mine;
  jobsrv__timetable_t *table;
  jobsrv_t *srv = schedule->srv;
  int err = options_read(srv, &mine, options);

  JOBSRV__ASSERT_LOOP(srv);
  if (err == 0 && strcmp(mine.name, schedule->name) != 0)
    err = UV_EINVAL;
  if (err == 0)
    err = jobsrv__timetable_new(&table, srv, &mine, mistake);
  if (err != 0)
    return err;
  jobsrv__timetable_unref(srv, schedule->table);
  schedule->table = table;
  begin(schedule, mine.paused != 0);
  jobsrv__schedule_review(schedule);
  return 0;
}

/* ---- the rest of its life ---- */

static void stop(jobsrv_schedule_t *schedule) {
  jobsrv__schedule_halt(schedule);
  jobsrv__schedule_take_back(schedule);
}

void jobsrv_schedule_remove(jobsrv_schedule_t *schedule) {
  JOBSRV__ASSERT_LOOP(schedule->srv);
  if (schedule->removed)
    return;
  stop(schedule);
  jobsrv__queue_remove(&schedule->in_server);
  schedule->removed = 1;
  jobsrv__schedule_enter(schedule);
  jobsrv__schedule_leave(schedule);
}

/* What a time has put off is left out; what somebody asked for is not. */
void jobsrv_schedule_pause(jobsrv_schedule_t *schedule, int yes) {
  JOBSRV__ASSERT_LOOP(schedule->srv);
  if (schedule->paused == (yes != 0))
    return;
  schedule->paused = yes != 0;
  if (!schedule->paused) {
    jobsrv__schedule_reckon(schedule);
    return;
  }
  jobsrv__schedule_halt(schedule);
  if (schedule->put_off == JOBSRV__PUT_OFF_TIME) {
    jobsrv__schedule_take_back(schedule);
    schedule->skipped++;
  }
}

int jobsrv_schedule_trigger(jobsrv_schedule_t *schedule, jobsrv_job_t **out) {
  int err;

  JOBSRV__ASSERT_LOOP(schedule->srv);
  jobsrv__schedule_enter(schedule);
  err = jobsrv__schedule_act(schedule, JOBSRV__PUT_OFF_TRIGGER, out);
  jobsrv__schedule_leave(schedule);
  return err;
}

void jobsrv__schedules_stop(jobsrv_t *srv) {
  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->schedules);
       link != NULL; link = jobsrv__queue_next(&srv->schedules, link))
    stop(of(link));
}

void jobsrv__schedules_close(jobsrv_t *srv) {
  jobsrv_schedule_t *schedule;

  while ((schedule = of(jobsrv__queue_front(&srv->schedules))) != NULL)
    jobsrv_schedule_remove(schedule);
}

/* ---- asking ---- */

jobsrv_schedule_t *jobsrv_schedule_find(const jobsrv_t *srv,
                                        const char *name) {
  jobsrv_schedule_t *schedule = NULL;

  JOBSRV__ASSERT_LOOP(srv);
  while ((schedule = jobsrv_schedule_next(srv, schedule)) != NULL)
    if (strcmp(schedule->name, name) == 0)
      return schedule;
  return NULL;
}

jobsrv_schedule_t *jobsrv_schedule_next(const jobsrv_t *srv,
                                        const jobsrv_schedule_t *schedule) {
  JOBSRV__ASSERT_LOOP(srv);
  return of(schedule != NULL
                ? jobsrv__queue_next(&srv->schedules, &schedule->in_server)
                : jobsrv__queue_front(&srv->schedules));
}

void jobsrv_schedule_info(const jobsrv_schedule_t *schedule,
                          jobsrv_schedule_info_t *info) {
  const jobsrv__timetable_t *table = schedule->table;
  jobsrv_schedule_info_t all = {
    .size = info->size,
    .name = schedule->name,
    .cron = table->cron,
    .zone = table->zone_name,
    .operation = table->spec.operation,
    .every_ms = table->every_ms,
    .next_wall_ns = schedule->next_ns,
    .last_wall_ns = schedule->last_wall_ns,
    .runs = schedule->runs,
    .skipped = schedule->skipped,
    .missed = schedule->missed,
    .refused = schedule->refused,
    .last_error = schedule->last_error,
    .paused = schedule->paused,
    .last_job = schedule->last_job,
  };

  JOBSRV__ASSERT_LOOP(schedule->srv);
  memcpy(info, &all, info->size < sizeof(all) ? info->size : sizeof(all));
}
