/* SPDX-License-Identifier: MIT */

/*
 * Progress is state: only the newest value counts. It becomes visible at most
 * every tenth of a second, in one frame that all watchers of the job share and
 * that is rendered when the first of them asks for it.
 */

#include "narration/chunk.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "core/family.h"
#include "narration/encode.h"
#include "narration/narration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  STRING_SIZE = 6 * JOBSRV__PROGRESS_TEXT + 2,
  MEMBERS_SIZE = 4 * JOBSRV__DOUBLE_SIZE + 2 * STRING_SIZE + 128,
  FRAME_SIZE = MEMBERS_SIZE + 192,
  PER_TENTH = JOBSRV__PROGRESS_WHOLE / 1000 /* of a percent */
};

/* ---- rendering ---- */

static char *put(char *to, const char *text) {
  size_t len = strlen(text);

  memcpy(to, text, len);
  return to + len;
}

static char *put_text(char *to, const char *name, const char *text,
                      size_t len) {
  if (len == 0)
    return to;
  to = put(to, name);
  return to + jobsrv__json_string_to(to, STRING_SIZE, text, len, 0);
}

/* At most MEMBERS_SIZE bytes. What has ended will not take any longer. */
static char *put_members(char *to,
                         const jobsrv__progress_value_t *value,
                         int ended) {
  to = put(to, "\"done\":");
  to += jobsrv__double_format(to, value->done);
  if (value->total > 0) {
    to = put(to, ",\"total\":");
    to += jobsrv__double_format(to, value->total);
  }
  to = put_text(to, ",\"unit\":", value->unit, value->unit_len);
  to = put_text(to, ",\"phase\":", value->phase, value->phase_len);
  if (value->tenths != JOBSRV__PROGRESS_NO_PERCENT) {
    to = put(to, ",\"percent\":");
    to += jobsrv__double_format(to, (double) value->tenths / 10);
  }
  if (value->rate > 0) {
    to = put(to, ",\"rate\":");
    to += jobsrv__double_format(to, value->rate);
  }
  if (value->eta_ms != UINT64_MAX && !ended) {
    to = put(to, ",\"eta_ms\":");
    to += jobsrv__u64_format(to, value->eta_ms);
  }
  return to;
}

size_t jobsrv__log_progress_json(const jobsrv_job_t *job,
                                 char *to,
                                 size_t cap) {
  char text[MEMBERS_SIZE + 16];
  char *p;
  size_t len;

  if (job->log == NULL || job->log->progress == NULL)
    return 0;
  p = put(text, "\"progress\":{");
  p = put_members(p, &job->log->progress->value, jobsrv__job_ended(job));
  *p++ = '}';
  len = (size_t) (p - text);
  memcpy(to, text, len < cap ? len : cap);
  return len;
}

static void render(const jobsrv__log_t *log, jobsrv__progress_frame_t *frame) {
  const jobsrv__progress_value_t *value = &log->progress->shown;
  char time[JOBSRV__RFC3339_SIZE];
  char size_line[JOBSRV_CHUNK_HEAD + 1];
  char *p = frame->bytes + JOBSRV_CHUNK_HEAD;
  const char *json;

  jobsrv__rfc3339(time, value->wall_ns);
  p = put(p, "event: progress\ndata: ");
  json = p;
  p = put(p, "{\"type\":\"progress\",\"time\":\"");
  p = put(p, time);
  p = put(p, "\",\"job_id\":\"");
  p = put(p, log->id);
  p = put(p, "\",");
  p = put_members(p, value,
                  atomic_load_explicit(&log->ended, memory_order_relaxed));
  *p++ = '}';
  frame->json = (uint32_t) (json - frame->bytes);
  frame->json_len = (uint32_t) (p - json);
  p = put(p, "\n\n");
  (void) snprintf(size_line, sizeof(size_line), "%06x\r\n",
                  (unsigned int) (p - frame->bytes - JOBSRV_CHUNK_HEAD) &
                      JOBSRV__FRAME_MAX);
  memcpy(frame->bytes, size_line, JOBSRV_CHUNK_HEAD);
  p = put(p, "\r\n");
  frame->len = (uint32_t) (p - frame->bytes);
}

/* ---- sharing ---- */

void jobsrv__progress_unref(jobsrv__log_t *log,
                            jobsrv__progress_frame_t *frame) {
  if (atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1)
    jobsrv__free(&log->alloc, frame);
}

/* A frame that nobody reads, in the log's hands; NULL without memory. */
static jobsrv__progress_frame_t *writable(jobsrv__log_t *log) {
  jobsrv__progress_frame_t *frame = log->progress->frame;

  if (frame != NULL &&
      atomic_load_explicit(&frame->refs, memory_order_acquire) == 1)
    return frame;
  frame = jobsrv__malloc(&log->alloc, sizeof(*frame) + FRAME_SIZE);
  if (frame == NULL)
    return NULL;
  atomic_init(&frame->refs, 1);
  if (log->progress->frame != NULL)
    jobsrv__progress_unref(log, log->progress->frame);
  log->progress->frame = frame;
  return frame;
}

jobsrv__progress_frame_t *jobsrv__progress_frame(jobsrv__log_t *log) {
  jobsrv__progress_frame_t *frame;
  uint32_t version;

  pthread_mutex_lock(&log->lock);
  version = jobsrv__progress_version(log);
  frame = log->progress->frame;
  if (frame == NULL || frame->version != version) {
    frame = writable(log);
    if (frame != NULL) {
      render(log, frame);
      frame->version = version;
    }
  }
  if (frame != NULL)
    atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
  pthread_mutex_unlock(&log->lock);
  return frame;
}

/* ---- the value ---- */

void jobsrv__progress_publish(jobsrv__progress_state_t *progress) {
  jobsrv__log_t *log = progress->log;

  if (progress->version == jobsrv__progress_version(log))
    return;
  pthread_mutex_lock(&log->lock);
  progress->shown = progress->value;
  atomic_store_explicit(&progress->published, progress->version,
                        memory_order_release);
  pthread_mutex_unlock(&log->lock);
  progress->published_ns = jobsrv__now(log->logs->srv->clock);
  jobsrv__tails_progress(log);
  jobsrv__log_dirty(log, 1);
  jobsrv__progress_news(log->job);
}

static uint8_t keep_text(char *to, const char *text) {
  size_t len;

  if (text == NULL)
    return 0;
  len = jobsrv__utf8_cut(text, strlen(text), JOBSRV__PROGRESS_TEXT);
  memcpy(to, text, len);
  return (uint8_t) len;
}

/* ---- what it comes to ---- */

/* How much of `part` is done, without ever overflowing; never more. */
static double share(double part, double done, double total) {
  double of;

  if (done >= total)
    return part;
  of = done < 1e300 ? done * part / total : done / total * part;
  return of < part ? of : part;
}

/*
 * Percent in tenths, rounded down: the end of a phase is said of what is done,
 * and of that alone. What has been shown is not taken back.
 */
static void measure_percent(jobsrv__progress_state_t *progress) {
  jobsrv__progress_value_t *value = &progress->value;
  double from = progress->from * 10;
  double part = progress->to * 10 - from;
  double tenths = from;
  double millionths = from * PER_TENTH;

  value->tenths = JOBSRV__PROGRESS_NO_PERCENT;
  value->millionths = progress->floor_millionths;
  if (value->total > 0) {
    tenths += share(part, value->done, value->total);
    if (value->done < value->total && tenths >= from + part)
      tenths = from + part - 1;
    millionths += share(part * PER_TENTH, value->done, value->total);
  } else if (from <= 0 && progress->to >= 100) {
    return;
  }
  if (tenths > progress->floor_tenths)
    progress->floor_tenths = (uint16_t) tenths;
  if (millionths > progress->floor_millionths)
    progress->floor_millionths = (uint32_t) millionths;
  value->tenths = progress->floor_tenths;
  value->millionths = progress->floor_millionths;
}

/* Beyond this many milliseconds, some thirty years, nothing is foretold. */
static const double eta_most = 1e12;

/*
 * What is left of the phase at its rate; what comes behind the phase is taken
 * to go as fast as the phase does, percent for percent.
 */
static void measure_pace(jobsrv__progress_state_t *progress) {
  jobsrv__progress_value_t *value = &progress->value;
  double rate = jobsrv__pace_rate(&progress->pace);
  double left, eta;

  value->rate = progress->is_own ? jobsrv__pace_round(rate) : 0;
  value->eta_ms = UINT64_MAX;
  if (value->total <= 0)
    return;
  left = value->done < value->total ? value->total - value->done : 0;
  if (progress->to < 100 && progress->to > progress->from)
    left += (100 - progress->to) / (progress->to - progress->from) *
            value->total;
  else if (progress->to < 100)
    return;
  if (left <= 0 || rate <= 0)
    return;
  eta = left / rate * 1000;
  if (eta < eta_most)
    value->eta_ms = (uint64_t) eta;
}

static void measure(const jobsrv_job_t *job,
                    jobsrv__progress_state_t *progress,
                    int anew) {
  uint64_t now = jobsrv__now(job->srv->clock);

  if (anew)
    jobsrv__pace_begin(&progress->pace, now, progress->value.done);
  else
    jobsrv__pace_step(&progress->pace, now, progress->value.done);
  measure_percent(progress);
  measure_pace(progress);
}

/* ---- up the family ---- */

static void fold_up(jobsrv_job_t *job, uint32_t millionths);

static void on_timer(jobsrv_timer_t *timer) {
  jobsrv__progress_state_t *progress = timer->data;

  jobsrv__progress_publish(progress);
  fold_up(progress->log->job, progress->value.millionths);
}

/* There is a new value. Returns 1 when it has become visible, else 0. */
static int changed(jobsrv_job_t *job, jobsrv__progress_state_t *progress) {
  uint64_t due = progress->published_ns + JOBSRV__PROGRESS_EVERY_NS;

  progress->value.wall_ns = jobsrv__wall(job->srv->clock);
  if (++progress->version == 0)
    progress->version = 1;
  if (jobsrv__progress_version(job->log) == 0 ||
      jobsrv__now(job->srv->clock) >= due) {
    jobsrv__progress_publish(progress);
    return 1;
  }
  if (!jobsrv_timer_armed(&progress->timer))
    jobsrv_timer_arm(job->srv, &progress->timer, due, on_timer);
  return 0;
}

/* Returns 0, JOBSRV_EENDED or UV_ENOMEM. */
static int progress_of(jobsrv_job_t *job, jobsrv__progress_state_t **out) {
  jobsrv__progress_state_t *progress;
  jobsrv__log_t *log;
  int err = jobsrv__log_open(job);

  if (err != 0)
    return err;
  log = job->log;
  if (atomic_load_explicit(&log->ended, memory_order_relaxed))
    return JOBSRV_EENDED;
  progress = log->progress;
  if (progress == NULL) {
    progress = jobsrv__zalloc(&log->alloc, sizeof(*progress));
    if (progress == NULL)
      return UV_ENOMEM;
    progress->log = log;
    progress->attempt = job->attempt_no;
    progress->to = 100;
    progress->timer.data = progress;
    log->progress = progress;
  }
  *out = progress;
  return 0;
}

/* The job shows its children's sum, if it may. Returns 1 when it is visible. */
static int show_fold(jobsrv_job_t *job, uint32_t *millionths) {
  jobsrv__progress_state_t *progress;
  double done, total;

  if (!jobsrv__family_fold(job, &done, &total) ||
      progress_of(job, &progress) != 0 || progress->is_own)
    return 0;
  /* A child that has come moves both without anything being done. */
  if (total > progress->value.total)
    progress->pace.done += done - progress->value.done;
  progress->value.done = done;
  progress->value.total = total;
  measure(job, progress, progress->version == 0);
  if (!changed(job, progress))
    return 0; /* its timer goes on from here */
  *millionths = progress->value.millionths;
  return 1;
}

/* Each level is passed at most as often as it is shown. */
static void fold_up(jobsrv_job_t *job, uint32_t millionths) {
  while ((job = jobsrv__family_report(job, millionths)) != NULL)
    if (job->srv->narration == NULL || !show_fold(job, &millionths))
      return;
}

void jobsrv__progress_born(const jobsrv_job_t *job) {
  jobsrv_job_t *parent = jobsrv_job_parent(job);
  uint32_t ignored;

  if (parent != NULL && !jobsrv__job_ended(parent) && parent->log != NULL &&
      parent->log->progress != NULL)
    (void) show_fold(parent, &ignored);
}

void jobsrv__progress_ended(jobsrv_job_t *job) {
  if (job->token.above == NULL)
    return;
  if (jobsrv_job_state(job) == JOBSRV_STATE_COMPLETED)
    fold_up(job, JOBSRV__PROGRESS_WHOLE);
  else if (job->log != NULL && job->log->progress != NULL)
    fold_up(job, job->log->progress->value.millionths);
}

static int is_same(double a, double b) {
  return a <= b && a >= b;
}

/* 1 if it goes on with the phase that was reported last. */
static int same_phase(const jobsrv__progress_state_t *progress,
                      const jobsrv_progress_t *given,
                      double to) {
  const jobsrv__progress_value_t *value = &progress->value;
  char phase[JOBSRV__PROGRESS_TEXT];
  uint8_t len = keep_text(phase, given->phase);

  return progress->is_own && len == value->phase_len &&
         memcmp(phase, value->phase, len) == 0 &&
         is_same(progress->from, given->from) && is_same(progress->to, to);
}

int jobsrv__log_progress(jobsrv_job_t *job, const jobsrv_progress_t *given) {
  jobsrv__progress_state_t *progress;
  double to = given->to > 0 ? given->to : 100;
  int same;
  int err = progress_of(job, &progress);

  if (err != 0)
    return err;
  same = same_phase(progress, given, to);
  if (progress->attempt != job->attempt_no) {
    progress->attempt = job->attempt_no;
    progress->floor_tenths = 0;
    progress->floor_millionths = 0;
    same = 0;
  }
  if (same && given->done < progress->value.done) {
    job->srv->stats.progress_ignored++;
    return 0;
  }
  progress->is_own = 1;
  progress->from = given->from;
  progress->to = to;
  progress->value.done = given->done;
  progress->value.total = given->total;
  progress->value.unit_len = keep_text(progress->value.unit, given->unit);
  progress->value.phase_len = keep_text(progress->value.phase, given->phase);
  measure(job, progress, !same);
  if (changed(job, progress))
    fold_up(job, progress->value.millionths);
  return 0;
}

void jobsrv__progress_stop(jobsrv__log_t *log) {
  if (log->progress != NULL && log->logs != NULL)
    jobsrv_timer_disarm(log->logs->srv, &log->progress->timer);
}

void jobsrv__progress_free(jobsrv__log_t *log) {
  if (log->progress == NULL)
    return;
  jobsrv__progress_stop(log);
  jobsrv__queue_remove(&log->progress->news);
  if (log->progress->frame != NULL)
    jobsrv__progress_unref(log, log->progress->frame);
  jobsrv__free(&log->alloc, log->progress);
  log->progress = NULL;
}
