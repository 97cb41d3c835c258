/* SPDX-License-Identifier: MIT */

#include "narration/chunk.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "narration/encode.h"

#include <string.h>

/* What stands between the two places of the seq in a frame. */
#define TYPE_OF(text) "{\"type\":\"" text "\",\"seq\":"
#define UNNAMED(text) "\ndata: " TYPE_OF(text)
#define NAMED(text) "\nevent: " text "\ndata: " TYPE_OF(text)

typedef struct {
  const char *text;
  uint16_t len;
  uint16_t type_len; /* the part of `len` that is JSON */
} middle_t;

static const middle_t middles[JOBSRV_KIND_MAX] = {
#define XX(name, text)                                                        \
  [JOBSRV_KIND_##name] = { NAMED(text), sizeof(NAMED(text)) - 1,              \
                           sizeof(TYPE_OF(text)) - 1 },
  JOBSRV_KIND_MAP(XX)
#undef XX
};

static const middle_t narration_middle = {
  UNNAMED("narration"),
  sizeof(UNNAMED("narration")) - 1,
  sizeof(TYPE_OF("narration")) - 1,
};

void jobsrv__logs_init(jobsrv__logs_t *logs, jobsrv_t *srv) {
  size_t boot_len = strlen(srv->boot);
  size_t i;

  logs->srv = srv;
  jobsrv__queue_init(&logs->dirty);
  jobsrv__queue_init(&logs->all);
  jobsrv__queue_init(&logs->readers);
  jobsrv__queue_init(&logs->ended);
  for (i = 0; i < JOBSRV__LOG_CLASSES; i++)
    jobsrv__queue_init(&logs->live[i]);
  jobsrv__tails_init(&logs->tails);
  atomic_init(&logs->bytes, 0);
  atomic_init(&logs->spare, NULL);

  memset(logs->id_head, 0, sizeof(logs->id_head));
  memcpy(logs->id_head, "id: ", 4);
  memcpy(logs->id_head + 4, srv->boot, boot_len);
  logs->id_head[4 + boot_len] = '-';
  logs->id_head_len = (uint32_t) (4 + boot_len + 1);
}

/* ---- framing ---- */

static char *put(char *to, const char *from, size_t len) {
  memcpy(to, from, len);
  return to + len;
}

/* The size line counts what follows it, without the last CR LF. */
static char *put_size(char *to, uint32_t len) {
  static const char digits[] = "0123456789abcdef";

  to[0] = digits[len >> 20 & 15];
  to[1] = digits[len >> 16 & 15];
  to[2] = digits[len >> 12 & 15];
  to[3] = digits[len >> 8 & 15];
  to[4] = digits[len >> 4 & 15];
  to[5] = digits[len & 15];
  to[6] = '\r';
  to[7] = '\n';
  return to + JOBSRV_CHUNK_HEAD;
}

/* Counting in text is cheaper than writing each number anew. */
static void count_up(jobsrv__log_t *log) {
  uint32_t i = log->next_len;

  log->last++;
  while (i-- > 0) {
    if (log->next[i] != '9') {
      log->next[i]++;
      return;
    }
    log->next[i] = '0';
  }
  memset(log->next + 1, '0', log->next_len++);
  log->next[0] = '1';
}

typedef struct {
  const middle_t *middle;
  const char *body;
  size_t body_len;
  uint32_t len; /* of the whole frame */
} frame_t;

/* Measures. Returns 0, or JOBSRV_ETOOBIG. */
static int frame_init(frame_t *frame,
                      const jobsrv__log_t *log,
                      jobsrv_kind_t kind,
                      const char *body,
                      size_t len) {
  size_t fixed;

  frame->middle =
      kind == JOBSRV_KIND_NARRATION ? &narration_middle : &middles[kind];
  frame->body = body;
  frame->body_len = len;
  fixed = log->logs->id_head_len + 2 * log->next_len + frame->middle->len + 3;
  if (len > JOBSRV__FRAME_MAX - fixed)
    return JOBSRV_ETOOBIG;
  frame->len =
      (uint32_t) (JOBSRV_CHUNK_HEAD + fixed + len + JOBSRV_CHUNK_TAIL);
  return 0;
}

/* Writes the frame at `to` and where its JSON is into the slot. */
static void frame_write(const frame_t *frame,
                        const jobsrv__log_t *log,
                        char *to,
                        jobsrv__slot_t *slot) {
  const jobsrv__logs_t *logs = log->logs;
  const middle_t *middle = frame->middle;
  char *p = to;

  p = put_size(p, frame->len - JOBSRV_CHUNK_HEAD - JOBSRV_CHUNK_TAIL);
  /* a constant length is one store each; the frame is longer than that */
  memcpy(p, logs->id_head, sizeof(logs->id_head));
  p += logs->id_head_len;
  memcpy(p, log->next, sizeof(log->next));
  p = put(p + log->next_len, middle->text, middle->len);
  slot->json = (uint16_t) (p - to - middle->type_len);
  slot->json_len =
      (uint32_t) (middle->type_len + log->next_len + 1 + frame->body_len);
  p = put(p, log->next, log->next_len);
  *p++ = ',';
  p = put(p, frame->body, frame->body_len);
  memcpy(p, "\n\n\r\n", 4);
}

/* ---- appending ---- */

/* A chunk at the tail with `need` bytes to spare. Returns 0 or UV_ENOMEM. */
static int make_room(jobsrv__log_t *log, size_t need) {
  const jobsrv_t *srv = log->logs->srv;
  size_t max = jobsrv__chunk_max(srv);
  size_t size = log->next_size;
  jobsrv__chunk_t *tail = log->tail;
  jobsrv__chunk_t *chunk;

  need = (need + sizeof(*chunk) + 7) & ~(size_t) 7;
  while (size < need && size < max)
    size *= 2;
  if (size > max)
    size = max;
  chunk = jobsrv__chunk_new(log, need > size ? need : size, log->last + 1);
  if (chunk == NULL)
    return UV_ENOMEM;
  chunk->before = jobsrv__log_newest_number(log);

  pthread_mutex_lock(&log->lock);
  log->tail = chunk;
  if (tail != NULL) {
    tail->next = chunk;
    atomic_store_explicit(&tail->state, JOBSRV__CHUNK_SEALED,
                          memory_order_release);
  } else {
    log->head = chunk;
  }
  pthread_mutex_unlock(&log->lock);

  log->bytes += jobsrv__chunk_size(chunk);
  log->next_size = (uint32_t) (size < max / 2 ? size * 2 : max);
  return 0;
}

static int has_room(const jobsrv__log_t *log, uint32_t len) {
  uint64_t written;
  uint64_t used;
  uint32_t events;

  if (log->tail == NULL)
    return 0;
  written = atomic_load_explicit(&log->tail->written, memory_order_relaxed);
  events = jobsrv__written_events(written);
  used = jobsrv__written_bytes(written) +
         ((uint64_t) events + 1) * sizeof(jobsrv__slot_t);
  return used + len <= log->tail->capacity &&
         events < jobsrv__chunk_max_events(log->logs->srv);
}

static void number(jobsrv_job_t *job, jobsrv_kind_t kind, uint64_t *to) {
  (void) jobsrv__job_number(job, to);
  if (job->srv->narration != NULL) /* a sink may have closed the server */
    jobsrv__logs(job->srv)->numbered[kind]++;
}

/* Appends one event; numbers it unless it is a note that has its number. */
static int append(jobsrv__log_t *log,
                  jobsrv_kind_t kind,
                  int level,
                  const char *body,
                  size_t len,
                  const jobsrv__note_t *note) {
  jobsrv__logs_t *logs = log->logs;
  jobsrv__slot_t *slot;
  uint64_t written;
  uint32_t offset;
  frame_t frame;
  int grown = 0;
  int err;

  err = frame_init(&frame, log, kind, body, len);
  if (err != 0)
    return err;
  if (!has_room(log, frame.len)) {
    err = make_room(log, frame.len + sizeof(*slot));
    if (err != 0)
      return err;
    grown = 1;
  }

  written = atomic_load_explicit(&log->tail->written, memory_order_relaxed);
  offset = jobsrv__written_bytes(written);
  slot = jobsrv__chunk_slot(log->tail, jobsrv__written_events(written));
  slot->offset = offset;
  slot->kind = (uint8_t) kind;
  slot->level = (uint8_t) level;
  if (note != NULL)
    slot->server_seq = note->server_seq;
  else
    number(log->job, kind, &slot->server_seq);
  frame_write(&frame, log, log->tail->bytes + offset, slot);
  atomic_store_explicit(&log->tail->written,
                        written + ((uint64_t) 1 << 32) + frame.len,
                        memory_order_release);

  count_up(log);
  log->events++;
  if (grown || log->events > logs->srv->options.max_events_per_job)
    jobsrv__log_trim(log);
  jobsrv__tails_news(log);
  jobsrv__log_dirty(log, 1);
  return 0;
}

int jobsrv__log_append(jobsrv_job_t *job,
                       jobsrv_kind_t kind,
                       int level,
                       const char *body,
                       size_t len,
                       const char **json,
                       size_t *json_len) {
  jobsrv_entry_t entry;
  int err;

  err = jobsrv__log_open(job);
  if (err != 0)
    return err;
  if (atomic_load_explicit(&job->log->ended, memory_order_relaxed))
    return JOBSRV_EENDED;
  if (len > JOBSRV__FRAME_MAX)
    return JOBSRV_ETOOBIG;
  err = append(job->log, kind, level, body, len, NULL);
  if (err != 0 || json == NULL)
    return err;

  if (jobsrv__log_newest(job, &entry)) {
    *json = entry.json;
    *json_len = entry.json_len;
  }
  return 0;
}

/* ---- opening ---- */

static jobsrv__log_t *make_log(jobsrv_job_t *job) {
  jobsrv__logs_t *logs = jobsrv__logs(job->srv);
  jobsrv__log_t *log;

  log = jobsrv__zalloc(&job->srv->alloc, sizeof(*log));
  if (log == NULL)
    return NULL;
  if (pthread_mutex_init(&log->lock, NULL) != 0) {
    jobsrv__free(&job->srv->alloc, log);
    return NULL;
  }
  log->logs = logs;
  log->job = job;
  log->alloc = job->srv->alloc;
  log->next[0] = '1';
  log->next_len = 1;
  log->next_size = JOBSRV__CHUNK_MIN;
  jobsrv__id_format(&job->id, log->id);
  jobsrv__queue_push_back(&logs->all, &log->in_all);
  return log;
}

/* From now on it can only become shorter. */
static void finish_log(jobsrv__log_t *log) {
  jobsrv__queue_remove(&log->in_class);
  if (log->head != NULL && log->logs != NULL)
    jobsrv__queue_push_back(&log->logs->ended, &log->in_class);
  atomic_store_explicit(&log->ended, 1, memory_order_release);
}

/* Notes keep what is sent of a time: whole milliseconds. */
static int64_t ms_after_creation(const jobsrv_job_t *job, uint64_t wall_ns) {
  return (int64_t) (wall_ns / 1000000) -
         (int64_t) (job->created_wall / 1000000);
}

static uint64_t note_wall(const jobsrv_job_t *job, unsigned int i) {
  return job->created_wall + (uint64_t) (int64_t) job->note_ms[i] * 1000000;
}

int jobsrv__log_open(jobsrv_job_t *job) {
  char body[JOBSRV__STATE_BODY];
  jobsrv__log_t *log;
  unsigned int i;

  if (job->log != NULL)
    return 0;
  log = make_log(job);
  if (log == NULL)
    return UV_ENOMEM;

  for (i = 0; i < job->nnotes; i++) {
    const jobsrv__note_t *note = &job->notes[i];
    size_t len = jobsrv__encode_state(body, job, note, note_wall(job, i),
                                      note->attempted, i == 0);
    int err = append(log, JOBSRV_KIND_STATE, JOBSRV_INFO, body, len, note);

    if (err != 0) {
      jobsrv__log_destroy(log);
      return err;
    }
  }
  job->log = log;
  job->nnotes = 0;
  log->first_at_end = 1;
  if (jobsrv__job_ended(job) && job->end_server_seq != 0)
    finish_log(log);
  return 0;
}

/* ---- what happens to a job ---- */

/* Most have been stamped already: a clock is not for nothing. */
static uint64_t time_of(const jobsrv_job_t *job,
                        jobsrv_state_t from,
                        jobsrv_state_t to) {
  if (job->seq == 0)
    return job->created_wall;
  if (from != to && to == JOBSRV_STATE_RUNNING &&
      job->since_ns == job->started_ns)
    return job->started_wall;
  if (from == to && !(job->flags & JOBSRV__JOB_OVERRIDDEN))
    return jobsrv__wall_at(job->srv, job->stop_ns);
  return jobsrv__wall_at(job->srv, jobsrv_now(job->srv));
}

/* Whoever reads all jobs reads logs: what is in none is lost to them. */
static void open_for_tails(jobsrv_job_t *job) {
  if (job->log == NULL && job->srv->narration != NULL &&
      jobsrv__logs(job->srv)->tails.n > 0)
    (void) jobsrv__log_open(job);
}

void jobsrv__log_transition(jobsrv_job_t *job,
                            jobsrv_state_t from,
                            jobsrv_state_t to) {
  int first = job->seq == 0;
  uint64_t wall_ns = time_of(job, from, to);
  int64_t ms = ms_after_creation(job, wall_ns);
  uint64_t server_seq = 0;
  char body[JOBSRV__STATE_BODY];
  jobsrv__note_t note;
  size_t len;
  int waits;

  open_for_tails(job);
  waits = job->log == NULL && job->nnotes < JOBSRV__NOTES &&
          job->attempt_no <= 1 && ms >= INT32_MIN && ms <= INT32_MAX;
  if (waits)
    number(job, JOBSRV_KIND_STATE, &server_seq);
  note = (jobsrv__note_t) {
    .server_seq = server_seq & ((1ull << 52) - 1),
    .from = from & 15u,
    .to = to & 15u,
    .cancel_requested = jobsrv_token_reason(&job->token) != NULL,
    .attempted = job->attempt_no > 0,
  };
  if (waits) {
    job->note_ms[job->nnotes] = (int32_t) ms;
    job->notes[job->nnotes++] = note;
    if (job->srv->narration != NULL && jobsrv__logs(job->srv)->tails.n > 0)
      jobsrv__tails_forgotten(job, server_seq);
    return;
  }
  len = jobsrv__encode_state(body, job, &note, wall_ns, job->attempt_no,
                             first);
  if (jobsrv__log_append(job, JOBSRV_KIND_STATE, JOBSRV_INFO, body, len, NULL,
                         NULL) == 0)
    return;
  atomic_fetch_add_explicit(&job->dropped, 1, memory_order_relaxed);
}

void jobsrv__log_end(jobsrv_job_t *job) {
  jobsrv__log_t *log;

  open_for_tails(job);
  number(job, JOBSRV_KIND_END, &job->end_server_seq);

  log = job->log;
  if (log == NULL) {
    if (job->srv->narration != NULL && jobsrv__logs(job->srv)->tails.n > 0)
      jobsrv__tails_forgotten(job, job->end_server_seq);
    return;
  }
  log->first_at_end = jobsrv__log_first(log);
  if (log->progress != NULL) {
    jobsrv__progress_publish(log->progress);
    jobsrv__progress_stop(log);
  }
  finish_log(log);
  jobsrv__tails_news(log);
  jobsrv__log_dirty(log, 1);
}

int jobsrv__log_newest(const jobsrv_job_t *job, jobsrv_entry_t *entry) {
  jobsrv__chunk_t *tail = job->log != NULL ? job->log->tail : NULL;
  uint32_t events;

  if (tail == NULL)
    return 0;
  events = jobsrv__written_events(jobsrv__chunk_load(tail));
  if (events == 0)
    return 0;
  jobsrv__chunk_entry(tail, events - 1, entry);
  return 1;
}

void jobsrv__log_range(const jobsrv_job_t *job,
                       uint64_t *first,
                       uint64_t *last) {
  *first = job->log != NULL ? jobsrv__log_first(job->log) : 1;
  *last = job->log != NULL ? job->log->last : job->nnotes;
}

/* ---- telling ---- */

void jobsrv__log_dirty(jobsrv__log_t *log, int news) {
  if (news)
    log->news = 1;
  if ((log->first == NULL && log->loans == NULL) || log->logs == NULL ||
      jobsrv__queue_linked(&log->in_dirty))
    return;
  jobsrv__queue_push_back(&log->logs->dirty, &log->in_dirty);
  jobsrv__turn_wanted(log->logs->srv);
}

void jobsrv__logs_flush(jobsrv_t *srv) {
  jobsrv__logs_t *logs = jobsrv__logs(srv);
  jobsrv__queue_t dirty;
  jobsrv__queue_t *link;

  /* what a callback makes dirty has the next turn */
  jobsrv__queue_move(&dirty, &logs->dirty);
  while ((link = jobsrv__queue_pop(&dirty)) != NULL) {
    jobsrv__log_t *log = JOBSRV__CONTAINER(link, jobsrv__log_t, in_dirty);

    jobsrv__loans_tell(log);
    jobsrv__cursors_tell(log);
  }
  jobsrv__tails_tell(srv);
  /* a callback may have closed the server, and the logs with it */
  if (srv->narration == NULL)
    return;
  jobsrv__readers_wake(logs);
  if (!jobsrv__queue_empty(&logs->dirty))
    jobsrv__turn_wanted(srv);
}

/* ---- going ---- */

void jobsrv__log_destroy(jobsrv__log_t *log) {
  jobsrv_alloc_t alloc = log->alloc;
  jobsrv__chunk_t *chunk;

  jobsrv__tails_leave(log);
  jobsrv__progress_free(log);
  while ((chunk = log->head) != NULL) {
    log->head = chunk->next;
    jobsrv__chunk_unref(log, chunk);
  }
  jobsrv__queue_remove(&log->in_dirty);
  jobsrv__queue_remove(&log->in_all);
  jobsrv__queue_remove(&log->in_class);
  pthread_mutex_destroy(&log->lock);
  jobsrv__free(&alloc, log);
}

void jobsrv__log_free(jobsrv_job_t *job) {
  jobsrv__log_t *log = job->log;

  if (log == NULL)
    return;
  job->log = NULL;
  jobsrv__log_destroy(log);
}

void jobsrv__logs_close(jobsrv_t *srv) {
  jobsrv__logs_t *logs = jobsrv__logs(srv);
  jobsrv__queue_t *link;

  jobsrv__logs_flush(srv);
  jobsrv__tails_close(logs);
  while (jobsrv__queue_pop(&logs->readers) != NULL) {
    /* each is freed by whoever made it, after this */
  }
  while ((link = jobsrv__queue_pop(&logs->all)) != NULL) {
    jobsrv__log_t *log = JOBSRV__CONTAINER(link, jobsrv__log_t, in_all);

    jobsrv__queue_remove(&log->in_dirty);
    jobsrv__queue_remove(&log->in_class);
    jobsrv__tails_leave(log);
    jobsrv__progress_stop(log);
    log->logs = NULL; /* it goes with its job */
  }
  jobsrv__free(&srv->alloc,
               atomic_exchange_explicit(&logs->spare, NULL,
                                        memory_order_acquire));
}
