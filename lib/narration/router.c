/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/utf8.h"
#include "core/plan.h"
#include "narration/encode.h"
#include "narration/narration.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include <uv.h>

/*
 * The way of an event into its job's log, from any thread. It is encoded where
 * it is narrated. The loop thread writes it into the log at once, as long as
 * nothing is on its way there that must come before it; everyone else sends it
 * by mail, and so does the loop thread behind other mail, which keeps the order
 * that each thread has called in.
 */

enum { PROGRESS_TEXT = 64 };

/* The header's macros look at the first byte of a job by themselves. */
static_assert(offsetof(jobsrv_job_t, level) == 0 &&
                  sizeof(atomic_uchar) == 1,
              "the level comes first");

/* One block: this, the body behind it, and a copy of the event for sinks. */
typedef struct narrated_s {
  jobsrv__mail_t mail;
  jobsrv_job_t *job;         /* one reference */
  jobsrv_event_t *event;     /* NULL: no sink has asked for it */
  size_t len;                /* of the body */
  size_t reserved;
  unsigned int dropped_before;
  uint8_t kind;
  uint8_t level;
} narrated_t;

typedef struct progressed_s {
  jobsrv__mail_t mail;
  jobsrv_job_t *job;         /* one reference */
  jobsrv_progress_t progress;
  char unit[PROGRESS_TEXT + 1];
  char phase[PROGRESS_TEXT + 1];
} progressed_t;

int jobsrv_narrates(const jobsrv_job_t *job, int level) {
  if (job == NULL)
    job = jobsrv_context_job();
  if (level >= JOBSRV_MUTE)
    return 0;
  if (job == NULL)
    return 1; /* the call itself will say what is wrong */
  return level >= atomic_load_explicit(&job->level, memory_order_relaxed);
}

int jobsrv__narrate_lost(jobsrv_job_t *job, int err) {
  atomic_fetch_add_explicit(&job->dropped, 1, memory_order_relaxed);
  return err;
}

static void parcel_free(jobsrv_job_t *job, void *block, size_t reserved) {
  jobsrv_alloc_t alloc = job->srv->alloc;

  if (reserved > 0)
    jobsrv__mailbox_release(job->srv->mailbox, reserved);
  jobsrv__free(&alloc, block);
  jobsrv_job_unref(job); /* may be the end of the server's memory */
}

static void on_narrated(jobsrv__mail_t *mail, void *owner) {
  narrated_t *said = JOBSRV__CONTAINER(mail, narrated_t, mail);
  jobsrv_job_t *job = said->job;

  if (owner != NULL && jobsrv__job_ended(job)) {
    job->srv->stats.late_events++;
    job->srv->stats.dropped += said->dropped_before; /* nowhere to tell it */
  } else if (owner != NULL) {
    (void) jobsrv__narration_put(job, said->dropped_before,
                                 (jobsrv_kind_t) said->kind, said->level,
                                 (const char *) (said + 1), said->len,
                                 said->event);
  }
  parcel_free(job, said, said->reserved);
}

/* Appends a copy of the event to the block, where the sinks will find it. */
static void attach_copy(jobsrv__buf_t *buf,
                        const jobsrv_event_t *event,
                        size_t human_len,
                        size_t *at) {
  size_t pad = (0 - buf->len) & (_Alignof(max_align_t) - 1);
  size_t room = jobsrv__event_room(event, human_len);
  char *to = jobsrv__buf_reserve(buf, pad + room);

  *at = 0;
  if (to == NULL)
    return;
  *at = buf->len + pad;
  (void) jobsrv__event_copy(to + pad, event, human_len);
  buf->len += pad + room;
}

static int post(jobsrv_job_t *job, jobsrv__buf_t *buf, narrated_t *said) {
  const jobsrv_options_t *options = &job->srv->options;
  int err;

  if (!jobsrv__mailbox_reserve(job->srv->mailbox, buf->len,
                               options->max_inbox_bytes)) {
    jobsrv__buf_free(buf);
    return jobsrv__narrate_lost(job, JOBSRV_EDROPPED);
  }
  said->mail.run = on_narrated;
  said->job = jobsrv_job_ref(job);
  said->reserved = buf->len;
  said->dropped_before =
      atomic_load_explicit(&job->dropped, memory_order_relaxed) != 0
          ? atomic_exchange_explicit(&job->dropped, 0, memory_order_relaxed)
          : 0;
  err = jobsrv__mailbox_post(job->srv->mailbox, &said->mail);
  if (err != 0)
    parcel_free(job, said, said->reserved);
  return err;
}

static int send_event(jobsrv_job_t *job,
                      const jobsrv_event_t *event,
                      size_t human_len) {
  const jobsrv_t *srv = job->srv;
  size_t at = 0;
  jobsrv__buf_t buf;
  narrated_t *said;
  size_t len;
  int err;

  jobsrv__buf_init(&buf, &srv->alloc, 0);
  if (jobsrv__buf_reserve(&buf, sizeof(*said) +
                                    jobsrv__encode_guess(
                                        event, human_len,
                                        srv->options.max_text)) == NULL)
    return jobsrv__narrate_lost(job, UV_ENOMEM);
  buf.len = sizeof(*said);
  err = jobsrv__encode_event(&buf, job, event, human_len,
                             srv->options.max_text,
                             srv->options.max_event_bytes);
  len = buf.len - sizeof(*said);
  if (err == 0 &&
      jobsrv__sinks_hear(srv, event->level)) {
    attach_copy(&buf, event, strnlen(event->human, human_len), &at);
    err = buf.failed;
  }
  if (err != 0) {
    jobsrv__buf_free(&buf);
    return err == UV_ENOMEM ? jobsrv__narrate_lost(job, err) : err;
  }

  said = (narrated_t *) (void *) buf.data;
  memset(said, 0, sizeof(*said));
  said->event =
      at != 0 ? (jobsrv_event_t *) (void *) (buf.data + at) : NULL;
  said->len = len;
  said->kind = (uint8_t) event->kind;
  said->level = (uint8_t) event->level;
  return post(job, &buf, said);
}

int jobsrv__narrate(jobsrv_job_t *job,
                    jobsrv_event_t *event,
                    size_t human_len) {
  jobsrv_t *srv = job->srv;
  jobsrv__ids_t ids;
  jobsrv__buf_t *buf;
  int err;

  if (jobsrv__job_ended(job))
    return JOBSRV_EENDED;
  jobsrv__job_heard(job);
  jobsrv__event_fill(event, job, srv);
  jobsrv__event_trace(event, job, &ids);
  if (!jobsrv__narration_straight(srv))
    return send_event(job, event, human_len);

  buf = &jobsrv__narration(srv)->body;
  jobsrv__buf_reset(buf);
  err = jobsrv__encode_event(buf, job, event, human_len,
                             srv->options.max_text,
                             srv->options.max_event_bytes);
  if (err == UV_ENOMEM)
    return jobsrv__narrate_lost(job, err);
  if (err != 0)
    return err;
  return jobsrv__narration_put(job, jobsrv__narration_lost(job), event->kind,
                               event->level, buf->data, buf->len, event);
}

/* The innermost frame that has a job tells whose thread this is. */
int jobsrv__narrate_unrouted(jobsrv_event_t *event) {
  jobsrv_t *srv = jobsrv__context_server();

  if (srv == NULL || !jobsrv__on_loop(srv) || srv->narration == NULL)
    return JOBSRV_ENOCONTEXT;
  if (event->level < srv->options.level)
    return 0;
  jobsrv__event_fill(event, NULL, srv);
  jobsrv__narration_unrouted(srv, event);
  return 0;
}

int jobsrv_narrate_event(jobsrv_job_t *job, const jobsrv_event_t *event) {
  jobsrv_event_t mine;

  if (jobsrv__event_read(&mine, event) != 0)
    return UV_EINVAL;
  if (job == NULL)
    job = jobsrv_context_job();
  if (mine.level == JOBSRV_MUTE)
    return 0;
  if (job == NULL)
    return jobsrv__narrate_unrouted(&mine);
  if (!jobsrv_narrates(job, mine.level))
    return 0;
  return jobsrv__narrate(job, &mine, strlen(mine.human));
}

int jobsrv_data_event(jobsrv_job_t *job,
                      const char *action,
                      const char *json,
                      size_t len) {
  jobsrv_event_t event = {
    .size = sizeof(event),
    .level = JOBSRV_INFO,
    .kind = JOBSRV_KIND_DATA,
    .action = action != NULL ? action : "data",
    .human = "",
    .payload = json,
    .payload_len = len,
  };

  if (job == NULL)
    job = jobsrv_context_job();
  if (job == NULL)
    return JOBSRV_ENOCONTEXT;
  if (json == NULL)
    return JOBSRV_EJSON;
  if (len == 0)
    event.payload_len = strlen(json);
  if (!jobsrv_narrates(job, event.level))
    return 0;
  return jobsrv__narrate(job, &event, 0);
}

int jobsrv_job_set_level(jobsrv_job_t *job, int level) {
  if (level < JOBSRV_TRACE || level > JOBSRV_MUTE)
    return UV_EINVAL;
  atomic_store_explicit(&job->level, (unsigned char) level,
                        memory_order_relaxed);
  return 0;
}

int jobsrv_job_level(const jobsrv_job_t *job) {
  return atomic_load_explicit(&job->level, memory_order_relaxed);
}

int jobsrv_job_watched(const jobsrv_job_t *job) {
  return atomic_load_explicit(&job->lookers, memory_order_relaxed) > 0;
}

/* ---- progress ---- */

static void on_progressed(jobsrv__mail_t *mail, void *owner) {
  progressed_t *said = JOBSRV__CONTAINER(mail, progressed_t, mail);
  jobsrv_job_t *job = said->job;

  if (owner != NULL && !jobsrv__job_ended(job))
    (void) jobsrv__log_progress(job, &said->progress);
  parcel_free(job, said, sizeof(*said));
}

static const char *short_text(char to[PROGRESS_TEXT + 1], const char *text) {
  size_t len;

  if (text == NULL)
    return NULL;
  len = strnlen(text, PROGRESS_TEXT + 4);
  len = jobsrv__utf8_cut(text, len, PROGRESS_TEXT);
  memcpy(to, text, len);
  to[len] = '\0';
  return to;
}

static int send_progress(jobsrv_job_t *job, const jobsrv_progress_t *progress) {
  const jobsrv_t *srv = job->srv;
  progressed_t *said;
  int err;

  if (!jobsrv__mailbox_reserve(job->srv->mailbox, sizeof(*said),
                               srv->options.max_inbox_bytes))
    return JOBSRV_EDROPPED;
  said = jobsrv__malloc(&srv->alloc, sizeof(*said));
  if (said == NULL) {
    jobsrv__mailbox_release(job->srv->mailbox, sizeof(*said));
    return UV_ENOMEM;
  }
  said->mail.run = on_progressed;
  said->job = jobsrv_job_ref(job);
  said->progress = *progress;
  said->progress.unit = short_text(said->unit, progress->unit);
  said->progress.phase = short_text(said->phase, progress->phase);
  err = jobsrv__mailbox_post(job->srv->mailbox, &said->mail);
  if (err != 0)
    parcel_free(job, said, sizeof(*said));
  return err;
}

static int progress_ok(const jobsrv_progress_t *progress) {
  double to = progress->to > 0 ? progress->to : 100;

  return isfinite(progress->done) && isfinite(progress->total) &&
         progress->done >= 0 && progress->total >= 0 &&
         isfinite(progress->from) && isfinite(progress->to) &&
         progress->from >= 0 && progress->to >= 0 && to <= 100 &&
         progress->from <= to;
}

int jobsrv_progress(jobsrv_job_t *job, const jobsrv_progress_t *progress) {
  if (job == NULL)
    job = jobsrv_context_job();
  if (job == NULL)
    return JOBSRV_ENOCONTEXT;
  if (!progress_ok(progress))
    return UV_EINVAL;
  if (jobsrv__job_ended(job))
    return JOBSRV_EENDED;
  jobsrv__job_heard(job);
  if (!jobsrv__narration_straight(job->srv))
    return send_progress(job, progress);
  return jobsrv__log_progress(job, progress);
}
