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

enum { PROGRESS_TEXT = 64, STACK_BODY = 4096 };

/* The header's macros look at the first byte of a job by themselves. */
static_assert(offsetof(jobsrv_job_t, level) == 0 &&
                  sizeof(atomic_uchar) == 1,
              "the level comes first");

/*
 * What goes to the loop, in a parcel: this, then for SAID the body and a copy
 * of the event for sinks. The job is known by its generation: one that is gone
 * when the loop comes to it had ended, for a live one is the registry's.
 */
typedef struct parcel_s {
  jobsrv_job_t *job;
  uint32_t generation;
  unsigned int dropped_before;
  uint32_t len;              /* of the body */
  uint32_t event_at;         /* 0: no sink has asked for it */
  uint8_t what;
  uint8_t kind;
  uint8_t level;
} parcel_t;

enum { SAID, PROGRESSED };

/* When there is no room for parcels: the same as a block of its own. */
typedef struct block_s {
  jobsrv__mail_t mail;
  jobsrv_t *srv;             /* there as long as there is mail for it */
  size_t reserved;
  _Alignas(max_align_t) char parcel[];
} block_t;

/* In a parcel, behind its head. */
typedef struct progressed_s {
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

static void parcel_said(jobsrv_t *srv, const parcel_t *parcel) {
  jobsrv_job_t *job = parcel->job;
  const char *bytes = (const char *) parcel;
  const jobsrv_event_t *event = NULL;

  if (job->generation != parcel->generation || jobsrv__job_ended(job)) {
    srv->stats.late_events++;
    srv->stats.dropped += parcel->dropped_before; /* nowhere to tell it */
    return;
  }
  if (parcel->event_at != 0)
    event = (const jobsrv_event_t *) (const void *) (bytes + parcel->event_at);
  (void) jobsrv__narration_put(job, parcel->dropped_before,
                               (jobsrv_kind_t) parcel->kind, parcel->level,
                               bytes + sizeof(*parcel), parcel->len, event);
}

static void parcel_progressed(const parcel_t *parcel) {
  const progressed_t *said = (const progressed_t *) (const void *) (parcel + 1);
  jobsrv_progress_t progress = said->progress;
  jobsrv_job_t *job = parcel->job;

  if (job->generation != parcel->generation || jobsrv__job_ended(job))
    return;
  progress.unit = progress.unit != NULL ? said->unit : NULL;
  progress.phase = progress.phase != NULL ? said->phase : NULL;
  (void) jobsrv__log_progress(job, &progress);
}

void jobsrv__narration_read(void *owner, void *bytes) {
  const parcel_t *parcel = bytes;

  if (parcel->what == SAID)
    parcel_said(owner, parcel);
  else
    parcel_progressed(parcel);
}

static void on_block(jobsrv__mail_t *mail, void *owner) {
  block_t *block = JOBSRV__CONTAINER(mail, block_t, mail);
  jobsrv_t *srv = block->srv;
  jobsrv_alloc_t alloc = srv->alloc;

  if (owner != NULL)
    jobsrv__narration_read(owner, block->parcel);
  jobsrv__mailbox_release(srv->mailbox, block->reserved);
  jobsrv__free(&alloc, block);
}

/* ---- sending ---- */

/*
 * A parcel's bytes to be: in the inbox, or in a block. The head is in place,
 * zeroed but for the job. Returns 0, JOBSRV_EDROPPED or UV_ENOMEM.
 */
typedef struct room_s {
  parcel_t *parcel;
  block_t *block; /* NULL: in the inbox */
} room_t;

static int room_get(room_t *room, jobsrv_job_t *job, size_t size) {
  jobsrv_t *srv = job->srv;
  void *bytes = NULL;
  int err = jobsrv__mailbox_room(srv->mailbox, size, &bytes);

  room->block = NULL;
  if (err == UV_EAGAIN || err == JOBSRV_ETOOBIG) {
    size += sizeof(block_t);
    if (!jobsrv__mailbox_reserve(srv->mailbox, size,
                                 srv->options.max_inbox_bytes))
      return JOBSRV_EDROPPED;
    room->block = jobsrv__malloc(&srv->alloc, size);
    if (room->block == NULL) {
      jobsrv__mailbox_release(srv->mailbox, size);
      return UV_ENOMEM;
    }
    room->block->mail.run = on_block;
    room->block->srv = srv;
    room->block->reserved = size;
    bytes = room->block->parcel;
  } else if (err != 0) {
    return err;
  }
  room->parcel = bytes;
  memset(room->parcel, 0, sizeof(*room->parcel));
  room->parcel->job = job;
  room->parcel->generation = job->generation;
  return 0;
}

/* Returns 0 or JOBSRV_ECLOSED. */
static int room_send(const room_t *room, jobsrv_t *srv) {
  jobsrv_alloc_t alloc;
  int err;

  if (room->block == NULL) {
    jobsrv__mailbox_send(srv->mailbox, room->parcel);
    return 0;
  }
  err = jobsrv__mailbox_post(srv->mailbox, &room->block->mail);
  if (err == 0)
    return 0;
  alloc = srv->alloc;
  jobsrv__mailbox_release(srv->mailbox, room->block->reserved);
  jobsrv__free(&alloc, room->block);
  return err;
}

static int send_encoded(jobsrv_job_t *job,
                        const jobsrv_event_t *event,
                        size_t human_len,
                        const char *body,
                        size_t len) {
  jobsrv_t *srv = job->srv;
  size_t size = sizeof(parcel_t) + len;
  size_t at = 0;
  parcel_t *parcel;
  room_t room;
  int err;

  if (jobsrv__sinks_hear(srv, event->level)) {
    human_len = strnlen(event->human, human_len);
    at = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    size = at + jobsrv__event_room(event, human_len);
  }
  err = room_get(&room, job, size);
  if (err != 0)
    return jobsrv__narrate_lost(job, err);

  parcel = room.parcel;
  parcel->what = SAID;
  parcel->kind = (uint8_t) event->kind;
  parcel->level = (uint8_t) event->level;
  parcel->len = (uint32_t) len;
  parcel->event_at = (uint32_t) at;
  memcpy(parcel + 1, body, len);
  if (at != 0)
    (void) jobsrv__event_copy((char *) parcel + at, event, human_len);
  if (atomic_load_explicit(&job->dropped, memory_order_relaxed) != 0)
    parcel->dropped_before =
        atomic_exchange_explicit(&job->dropped, 0, memory_order_relaxed);
  return room_send(&room, srv);
}

/* Of a buffer in memory of the caller's: there is none beyond it. */
static void *no_more(void *ctx, void *p, size_t size) {
  (void) ctx;
  (void) p;
  (void) size;
  return NULL;
}

static int send_event(jobsrv_job_t *job,
                      const jobsrv_event_t *event,
                      size_t human_len) {
  static const jobsrv_alloc_t none = { .realloc = no_more };
  const jobsrv_t *srv = job->srv;
  char stack[STACK_BODY];
  jobsrv__buf_t buf = {
    .alloc = &none, .data = stack, .cap = sizeof(stack), .max = SIZE_MAX
  };
  int err;

  jobsrv__mailbox_expect(srv->mailbox);
  err = jobsrv__encode_event(&buf, job, event, human_len,
                             srv->options.max_text,
                             srv->options.max_event_bytes);
  if (err == UV_ENOMEM) {
    jobsrv__buf_init(&buf, &srv->alloc, 0);
    err = jobsrv__encode_event(&buf, job, event, human_len,
                               srv->options.max_text,
                               srv->options.max_event_bytes);
  }
  if (err == 0)
    err = send_encoded(job, event, human_len, buf.data, buf.len);
  else if (err == UV_ENOMEM)
    err = jobsrv__narrate_lost(job, err);
  if (buf.data != stack)
    jobsrv__buf_free(&buf);
  return err;
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
  progressed_t *said;
  room_t room;
  int err = room_get(&room, job, sizeof(parcel_t) + sizeof(*said));

  if (err != 0)
    return err;
  room.parcel->what = PROGRESSED;
  said = (progressed_t *) (void *) (room.parcel + 1);
  said->progress = *progress;
  said->progress.unit = short_text(said->unit, progress->unit);
  said->progress.phase = short_text(said->phase, progress->phase);
  return room_send(&room, job->srv);
}

int jobsrv__progress_ok(const jobsrv_progress_t *progress) {
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
  if (!jobsrv__progress_ok(progress))
    return UV_EINVAL;
  if (jobsrv__job_ended(job))
    return JOBSRV_EENDED;
  jobsrv__job_heard(job);
  if (!jobsrv__narration_straight(job->srv))
    return send_progress(job, progress);
  return jobsrv__log_progress(job, progress);
}
