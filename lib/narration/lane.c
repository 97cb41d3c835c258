/* SPDX-License-Identifier: MIT */

#include "narration/lane.h"

#include "base/alloc.h"

#include <string.h>

#include <uv.h>

/*
 * Records wait one by one, so that any of them can be dropped or replaced; the
 * thread takes several into one piece, and what is in that is its alone. The
 * lock is held for exchanging records, never for copying or writing.
 *
 * What was lost is counted in the record that comes behind it, or in the lane
 * when there is none yet, and becomes a notice when its turn comes: that needs
 * no memory.
 */
struct jobsrv__record_s {
  jobsrv__queue_t link;
  jobsrv__queue_t keyed;
  uint64_t key;
  uint64_t lost;    /* before it */
  uint64_t lost_ns;
  size_t len;
  char data[];
};

static size_t cost_of(const jobsrv__record_t *record) {
  return sizeof(*record) + record->len;
}

static jobsrv__record_t *record_of(jobsrv__queue_t *link) {
  return link != NULL ? JOBSRV__CONTAINER(link, jobsrv__record_t, link) : NULL;
}

/* ---- what is lost ---- */

/* `count` were lost before `next`, or behind all that wait. */
static void lose(jobsrv__lane_t *lane,
                 jobsrv__record_t *next,
                 uint64_t count,
                 uint64_t wall_ns) {
  uint64_t *lost = next != NULL ? &next->lost : &lane->lost;
  uint64_t *at = next != NULL ? &next->lost_ns : &lane->lost_ns;

  if (count == 0)
    return;
  *lost += count;
  if (wall_ns > *at)
    *at = wall_ns;
}

static void drop_new(jobsrv__lane_t *lane, uint64_t wall_ns) {
  lane->dropped++;
  lose(lane, NULL, 1, wall_ns);
}

static void record_remove(jobsrv__lane_t *lane, jobsrv__record_t *record) {
  jobsrv__queue_remove(&record->link);
  jobsrv__queue_remove(&record->keyed);
  lane->bytes -= cost_of(record);
}

/* Out of the queue; what was lost before it, and `more`, stays told. */
static void discard(jobsrv__lane_t *lane,
                    jobsrv__record_t *record,
                    uint64_t more,
                    uint64_t wall_ns) {
  jobsrv__record_t *next =
      record_of(jobsrv__queue_next(&lane->waiting, &record->link));

  lose(lane, next, record->lost, record->lost_ns);
  lose(lane, next, more, wall_ns);
  lane->dropped += more;
  record_remove(lane, record);
  jobsrv__free(&lane->writer->alloc, record);
}

/* ---- the loop's side ---- */

static int fits(const jobsrv__lane_t *lane, size_t cost) {
  return cost <= lane->options.max && lane->bytes <= lane->options.max - cost;
}

static jobsrv__queue_t *list_of(jobsrv__lane_t *lane, uint64_t key) {
  return &lane->keyed[key % JOBSRV__KEY_LISTS];
}

/* An unsent record of this key is no longer worth sending. */
static void replace(jobsrv__lane_t *lane, uint64_t key) {
  jobsrv__queue_t *list = list_of(lane, key);
  jobsrv__queue_t *link;

  for (link = jobsrv__queue_front(list); link != NULL;
       link = jobsrv__queue_next(list, link)) {
    jobsrv__record_t *record =
        JOBSRV__CONTAINER(link, jobsrv__record_t, keyed);

    if (record->key == key) {
      discard(lane, record, 0, 0);
      return;
    }
  }
}

static void make_room(jobsrv__lane_t *lane, size_t cost, uint64_t wall_ns) {
  jobsrv__record_t *oldest;

  while (cost <= lane->options.max && !fits(lane, cost)) {
    oldest = record_of(jobsrv__queue_front(&lane->waiting));
    if (oldest == NULL)
      return;
    discard(lane, oldest, 1, wall_ns);
  }
}

static void push(jobsrv__lane_t *lane,
                 const char *data,
                 size_t len,
                 uint64_t key) {
  jobsrv__record_t *record =
      jobsrv__malloc(&lane->writer->alloc, sizeof(*record) + len);

  if (record == NULL)
    return;
  memset(record, 0, sizeof(*record));
  record->key = key;
  record->len = len;
  memcpy(record->data, data, len);
  record->lost = lane->lost;
  record->lost_ns = lane->lost_ns;
  lane->lost = 0;
  lane->lost_ns = 0;
  jobsrv__queue_push_back(&lane->waiting, &record->link);
  if (key != 0)
    jobsrv__queue_push_back(list_of(lane, key), &record->keyed);
  lane->bytes += cost_of(record);
}

void jobsrv__lane_put(jobsrv__lane_t *lane,
                      const char *data,
                      size_t len,
                      uint64_t key,
                      uint64_t wall_ns) {
  jobsrv__writer_t *writer = lane->writer;
  size_t cost = sizeof(jobsrv__record_t) + len;
  size_t before;

  pthread_mutex_lock(&writer->lock);
  before = lane->bytes;
  if (lane->options.overflow != JOBSRV_OVERFLOW_COALESCE_PROGRESS)
    key = 0;
  if (!lane->broken && key != 0)
    replace(lane, key);
  if (!lane->broken && lane->options.overflow == JOBSRV_OVERFLOW_DROP_OLDEST)
    make_room(lane, cost, wall_ns);
  if (!lane->broken && fits(lane, cost)) {
    size_t had = lane->bytes;

    push(lane, data, len, key);
    if (lane->bytes == had)
      drop_new(lane, wall_ns);
  } else {
    drop_new(lane, wall_ns);
  }
  /* else the thread is at it, or knows when it will be */
  if (before == 0 && !lane->broken)
    jobsrv__writer_wake(writer);
  pthread_mutex_unlock(&writer->lock);
}

void jobsrv__lane_drop(jobsrv__lane_t *lane, uint64_t wall_ns) {
  pthread_mutex_lock(&lane->writer->lock);
  drop_new(lane, wall_ns);
  jobsrv__writer_wake(lane->writer);
  pthread_mutex_unlock(&lane->writer->lock);
}

uint64_t jobsrv__lane_dropped(const jobsrv__lane_t *lane) {
  uint64_t dropped;

  pthread_mutex_lock(&lane->writer->lock);
  dropped = lane->dropped;
  pthread_mutex_unlock(&lane->writer->lock);
  return dropped;
}

/* ---- the thread's side ---- */

int jobsrv__lane_waits(const jobsrv__lane_t *lane) {
  return !lane->broken &&
         (lane->piece_at < lane->piece_len || lane->lost > 0 ||
          !jobsrv__queue_empty(&lane->waiting));
}

/* A piece that tells of these instead of records. */
static int take_notice(jobsrv__lane_t *lane, uint64_t *lost, uint64_t *at) {
  lane->piece = lane->notice;
  lane->piece_len =
      lane->outlet->ops->notice(lane->outlet, lane->notice, *lost, *at);
  *lost = 0;
  *at = 0;
  return 1;
}

static void take_held(jobsrv__lane_t *lane, jobsrv__record_t *record) {
  lane->piece_bytes = cost_of(record);
  record_remove(lane, record);
  lane->bytes += lane->piece_bytes; /* until it is put */
  lane->held = record;
  lane->piece = record->data;
  lane->piece_len = record->len;
  lane->ends[0] = record->len;
  lane->nends = 1;
}

/* They are copied when the lock is not held: see jobsrv__lane_load(). */
static void take_several(jobsrv__lane_t *lane) {
  jobsrv__record_t *record;
  size_t cost;

  lane->piece = lane->front;
  while ((record = record_of(jobsrv__queue_front(&lane->waiting))) != NULL) {
    if (record->lost > 0 || lane->nends == JOBSRV__PIECE_RECORDS ||
        record->len > lane->outlet->ops->batch - lane->piece_len)
      return;
    lane->piece_len += record->len;
    lane->ends[lane->nends++] = lane->piece_len;
    cost = cost_of(record);
    record_remove(lane, record);
    lane->bytes += cost;
    lane->piece_bytes += cost;
    jobsrv__queue_push_back(&lane->taken, &record->link);
  }
}

void jobsrv__lane_load(jobsrv__lane_t *lane) {
  char *to = lane->front;
  jobsrv__record_t *record;

  while ((record = record_of(jobsrv__queue_pop(&lane->taken))) != NULL) {
    memcpy(to, record->data, record->len);
    to += record->len;
    jobsrv__free(&lane->writer->alloc, record);
  }
}

int jobsrv__lane_next(jobsrv__lane_t *lane) {
  jobsrv__record_t *record = record_of(jobsrv__queue_front(&lane->waiting));

  if (lane->piece_at < lane->piece_len)
    return 1;
  if (record == NULL)
    return lane->lost > 0 ? take_notice(lane, &lane->lost, &lane->lost_ns) : 0;
  if (record->lost > 0)
    return take_notice(lane, &record->lost, &record->lost_ns);
  if (lane->front == NULL || record->len > lane->outlet->ops->batch)
    take_held(lane, record);
  else
    take_several(lane);
  return 1;
}

static void piece_end(jobsrv__lane_t *lane) {
  jobsrv__free(&lane->writer->alloc, lane->held);
  lane->held = NULL;
  lane->bytes -= lane->piece_bytes;
  lane->piece_bytes = 0;
  lane->piece_len = 0;
  lane->piece_at = 0;
  lane->nends = 0;
}

static uint64_t piece_unsent(const jobsrv__lane_t *lane) {
  uint64_t n = 0;

  for (unsigned int i = 0; i < lane->nends; i++)
    n += lane->ends[i] > lane->piece_at;
  return n;
}

/* What an outlet will never take is dropped, and counted. */
static void give_up(jobsrv__lane_t *lane) {
  jobsrv__record_t *record;

  lane->broken = 1;
  lane->dropped += piece_unsent(lane);
  piece_end(lane);
  while ((record = record_of(jobsrv__queue_front(&lane->waiting))) != NULL)
    discard(lane, record, 1, 0);
  lane->lost = 0;
}

void jobsrv__lane_took(jobsrv__lane_t *lane, ssize_t n, uint64_t now_ns) {
  jobsrv__record_t *next = record_of(jobsrv__queue_front(&lane->waiting));

  lane->later = n == JOBSRV__PUT_LATER;
  if (lane->later) {
    lane->tried = 1;
    lane->retry_ns = now_ns + lane->outlet->retry_ms * UINT64_C(1000000);
  } else if (n == JOBSRV__PUT_NEVER) {
    lane->dropped += piece_unsent(lane);
    lose(lane, next, piece_unsent(lane), 0);
    piece_end(lane);
  } else if (n < 0) {
    lane->outlet->error = (int) n;
    give_up(lane);
  } else {
    lane->piece_at += (size_t) n;
    if (lane->piece_at == lane->piece_len)
      piece_end(lane);
  }
}

int jobsrv__lane_look(jobsrv__lane_t *lane) {
  int was = lane->error;

  lane->error = lane->outlet->error;
  if ((was != 0) == (lane->error != 0))
    return 0;
  if (was == 0) {
    lane->first_error = lane->error;
    lane->dropped_before = lane->dropped;
  } else {
    lane->lost_in_it = lane->dropped - lane->dropped_before;
  }
  lane->news = 1;
  return 1;
}

/* ---- coming and going ---- */

int jobsrv__lane_new(jobsrv__lane_t **out,
                     jobsrv__writer_t *writer,
                     jobsrv__outlet_t *outlet,
                     const jobsrv__lane_options_t *options) {
  jobsrv__lane_t *lane;
  int err;

  pthread_mutex_lock(&writer->lock);
  err = writer->nlanes < JOBSRV__MAX_LANES ? 0 : UV_EMFILE;
  pthread_mutex_unlock(&writer->lock);
  if (err != 0)
    return err;
  lane = jobsrv__zalloc(&writer->alloc, sizeof(*lane));
  if (lane == NULL)
    return UV_ENOMEM;
  if (!outlet->ops->whole) {
    lane->front = jobsrv__malloc(&writer->alloc, outlet->ops->batch);
    if (lane->front == NULL) {
      jobsrv__free(&writer->alloc, lane);
      return UV_ENOMEM;
    }
  }
  lane->writer = writer;
  lane->outlet = outlet;
  lane->options = *options;
  jobsrv__queue_init(&lane->waiting);
  jobsrv__queue_init(&lane->taken);
  for (size_t i = 0; i < JOBSRV__KEY_LISTS; i++)
    jobsrv__queue_init(&lane->keyed[i]);
  pthread_mutex_lock(&writer->lock);
  jobsrv__queue_push_back(&writer->lanes, &lane->link);
  writer->nlanes++; /* only the loop adds */
  pthread_mutex_unlock(&writer->lock);
  *out = lane;
  return 0;
}

void jobsrv__lane_free(jobsrv__lane_t *lane) {
  const jobsrv_alloc_t *alloc = &lane->writer->alloc;
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_pop(&lane->waiting)) != NULL ||
         (link = jobsrv__queue_pop(&lane->taken)) != NULL)
    jobsrv__free(alloc, record_of(link));
  jobsrv__free(alloc, lane->held);
  jobsrv__free(alloc, lane->front);
  lane->outlet->ops->close(lane->outlet);
  jobsrv__free(alloc, lane);
}
