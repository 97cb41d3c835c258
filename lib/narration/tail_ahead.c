/* SPDX-License-Identifier: MIT */

/* What a tail has ahead of it: see tail.c. */

#include "narration/tail.h"

#include "base/alloc.h"

#include <string.h>

enum {
  OPENING_COSTS = 8,   /* looks */
  SCAN_MOST = 1024,    /* logs with news; for more all jobs are walked by */
  TOPS_MOST = 4096,    /* jobs that have gone or were trimmed, in one go */
  KEPT = 64            /* of the heap, by who has read all */
};

/* ---- where it goes on in one job ---- */

/* The first behind the number. Returns 0 when there is none. */
static int find_next(jobsrv__log_t *log, uint64_t after, jobsrv__place_t *to) {
  jobsrv__chunk_t *chunk = log->head;
  uint64_t end = jobsrv__tails_newest(log);

  memset(to, 0, sizeof(*to));
  if (end <= after)
    return 0;
  to->log = log;
  if (log->trimmed_server_seq > after) {
    to->number = log->trimmed_server_seq;
    return 1;
  }
  if (log->tail != NULL && log->tail->before <= after)
    chunk = log->tail;
  while (chunk != NULL && chunk->next != NULL && chunk->next->before <= after)
    chunk = chunk->next;
  if (chunk != NULL) {
    to->i = (uint32_t) (jobsrv__chunk_seq_at(chunk, after) + 1 -
                        chunk->first_seq);
    if (to->i < jobsrv__written_events(jobsrv__chunk_load(chunk))) {
      to->chunk = chunk;
      to->number = jobsrv__chunk_slot(chunk, to->i)->server_seq;
      return 1;
    }
  }
  to->number = end;
  to->is_end = 1;
  return 1;
}

/* The one behind it, of an event. */
static int step(jobsrv__place_t *place) {
  jobsrv__chunk_t *chunk = place->chunk;
  jobsrv__log_t *log = place->log;

  if (++place->i == jobsrv__written_events(jobsrv__chunk_load(chunk))) {
    place->chunk = chunk = chunk->next;
    place->i = 0;
  }
  if (chunk != NULL) {
    place->number = jobsrv__chunk_slot(chunk, place->i)->server_seq;
    return 1;
  }
  place->is_end = 1;
  place->number = jobsrv__tails_newest(log);
  return atomic_load_explicit(&log->ended, memory_order_relaxed);
}

/* Who is no longer retained, and not kept either, is not there. */
static int is_there(const jobsrv_job_t *job) {
  return (job->flags & (JOBSRV__JOB_IN_REGISTRY | JOBSRV__JOB_UNREAD)) != 0;
}

static jobsrv__log_t *log_at(const jobsrv_t *srv, uint32_t index) {
  const jobsrv_job_t *job = jobsrv__slab_at(&srv->registry.slab, index);

  return job != NULL && is_there(job) ? job->log : NULL;
}

/* ---- the heap ---- */

static void sift_down(jobsrv__ahead_t *ahead) {
  jobsrv__next_t *heap = ahead->heap;
  jobsrv__next_t moving = heap[0];
  size_t at = 0;
  size_t child;

  while ((child = 2 * at + 1) < ahead->n) {
    if (child + 1 < ahead->n && heap[child + 1].number < heap[child].number)
      child++;
    if (heap[child].number >= moving.number)
      break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = moving;
}

static void sift_up(jobsrv__ahead_t *ahead, size_t at) {
  jobsrv__next_t *heap = ahead->heap;
  jobsrv__next_t moving = heap[at];

  while (at > 0 && heap[(at - 1) / 2].number > moving.number) {
    heap[at] = heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  heap[at] = moving;
}

static void pop(jobsrv__ahead_t *ahead) {
  ahead->heap[0] = ahead->heap[--ahead->n];
  if (ahead->n > 0)
    sift_down(ahead);
}

static int grow(const jobsrv_alloc_t *alloc, jobsrv__ahead_t *ahead) {
  size_t cap = 2 * ahead->cap;
  jobsrv__next_t *heap = jobsrv__malloc(alloc, cap * sizeof(*heap));

  if (heap == NULL)
    return 0;
  memcpy(heap, ahead->heap, ahead->n * sizeof(*heap));
  if (ahead->heap != ahead->first)
    jobsrv__free(alloc, ahead->heap);
  ahead->heap = heap;
  ahead->cap = cap;
  return 1;
}

/*
 * Without memory for one more, one that is not the first is left out, and what
 * is ahead is known only up to it.
 */
static void leave_one_out(jobsrv__ahead_t *ahead, jobsrv__next_t next) {
  jobsrv__next_t *last = &ahead->heap[ahead->n - 1];
  uint64_t number = next.number;

  if (number < last->number) {
    number = last->number;
    *last = next;
    sift_up(ahead, ahead->n - 1);
  }
  ahead->lacks = 1;
  if (number - 1 < ahead->horizon)
    ahead->horizon = number - 1;
}

static void put_place(const jobsrv_tail_t *tail,
                      const jobsrv__place_t *place,
                      jobsrv__next_t *next) {
  next->number = place->number;
  next->version = tail->logs->tails.version;
  next->chunk = place->chunk;
  next->i = place->i;
}

static void push(jobsrv_tail_t *tail,
                 const jobsrv__place_t *place,
                 uint32_t index) {
  jobsrv__ahead_t *ahead = tail->ahead;
  jobsrv__next_t next = { .index = index };

  if (place->number > ahead->horizon)
    return;
  put_place(tail, place, &next);
  if (ahead->n == ahead->cap && !grow(&tail->logs->srv->alloc, ahead)) {
    leave_one_out(ahead, next);
    return;
  }
  ahead->heap[ahead->n++] = next;
  sift_up(ahead, ahead->n - 1);
}

/* ---- walking by all jobs ---- */

static void begin_walk(const jobsrv_t *srv, jobsrv__ahead_t *ahead) {
  ahead->n = 0;
  ahead->top.log = NULL;
  ahead->horizon = srv->server_seq;
  ahead->lacks = 0;
  ahead->is_walking = 1;
  ahead->walked = 0;
}

/* Of a job without a log. */
static uint64_t newest_note(const jobsrv_job_t *job) {
  if (job->end_server_seq != 0)
    return job->end_server_seq;
  return job->nnotes > 0 ? job->notes[job->nnotes - 1].server_seq : 0;
}

/* Returns 0 when it has none and nothing for the tail, or no memory. */
static int open_log(jobsrv_tail_t *tail, jobsrv_job_t *job) {
  jobsrv__tails_t *tails = &tail->logs->tails;
  uint64_t newest;

  if (job->log != NULL)
    return 1;
  newest = newest_note(job);
  if (newest <= tail->after)
    return 0;
  tails->looks -= tails->looks < OPENING_COSTS ? tails->looks : OPENING_COSTS;
  if (jobsrv__log_open(job) == 0)
    return 1;
  if (newest > tail->gone && (tail->hides == NULL || !tail->hides(tail, job)))
    tail->gone = newest; /* others may have memory for it */
  return 0;
}

/* Returns 1 when it has come to the end. */
static int walk(jobsrv_tail_t *tail) {
  jobsrv_t *srv = tail->logs->srv;
  jobsrv__tails_t *tails = &tail->logs->tails;
  jobsrv__ahead_t *ahead = tail->ahead;
  jobsrv__place_t place;
  jobsrv_job_t *job;

  while ((job = jobsrv__slab_at(&srv->registry.slab, ahead->walked)) != NULL) {
    if (tails->looks == 0)
      return 0;
    tails->looks--;
    ahead->walked++;
    if (is_there(job) && open_log(tail, job) &&
        find_next(job->log, tail->after, &place))
      push(tail, &place, job->index);
  }
  ahead->is_walking = 0;
  return 1;
}

/* ---- looking at those with news ---- */

static int scan_from(jobsrv_tail_t *tail, jobsrv__queue_t *head, int *left) {
  jobsrv__place_t place;

  for (jobsrv__queue_t *link = head->prev; link != head; link = link->prev) {
    jobsrv__log_t *log = jobsrv__tails_log(link);

    if (jobsrv__tails_newest(log) <= tail->after)
      return 1;
    if ((*left)-- == 0)
      return 0;
    if (is_there(log->job) && find_next(log, tail->after, &place))
      push(tail, &place, log->job->index);
  }
  return 1;
}

/*
 * All up to the horizon is read: what is unread now was told since, by logs
 * that are in order by what they have told last.
 */
static void look_beyond(jobsrv_tail_t *tail) {
  jobsrv_t *srv = tail->logs->srv;
  jobsrv__tails_t *tails = &tail->logs->tails;
  jobsrv__ahead_t *ahead = tail->ahead;
  int lacked = ahead->lacks;
  int left = SCAN_MOST;

  begin_walk(srv, ahead);
  if (lacked)
    return;
  ahead->is_walking = 0;
  if (!scan_from(tail, &tails->unread, &left) ||
      !scan_from(tail, &tails->read, &left))
    begin_walk(srv, ahead);
}

/* ---- for who reads ---- */

/* Returns 0 when the job that is next has nothing, or is not there any more. */
static int find_place(const jobsrv_tail_t *tail,
                      const jobsrv__next_t *next,
                      jobsrv__place_t *place) {
  jobsrv__log_t *log = log_at(tail->logs->srv, next->index);

  if (log == NULL)
    return 0;
  if (next->chunk == NULL || next->version != tail->logs->tails.version)
    return find_next(log, tail->after, place);
  *place = (jobsrv__place_t) {
    .log = log,
    .chunk = next->chunk,
    .number = next->number,
    .i = next->i,
  };
  return 1;
}

/* Numbers in the heap are low enough, not right: logs change. */
static jobsrv__look_t find_top(jobsrv_tail_t *tail) {
  jobsrv__ahead_t *ahead = tail->ahead;
  jobsrv__next_t *next = ahead->heap;
  jobsrv__place_t *top = &ahead->top;
  uint64_t number;
  int left = TOPS_MOST;

  if (top->log != NULL && top->version == tail->logs->tails.version)
    return JOBSRV__AHEAD_TOP;
  while (ahead->n > 0 && next->number <= ahead->horizon) {
    if (left-- == 0)
      break;
    if (!find_place(tail, next, top)) {
      pop(ahead);
      continue;
    }
    number = next->number;
    put_place(tail, top, next);
    top->version = next->version;
    if (top->number == number)
      return JOBSRV__AHEAD_TOP;
    sift_down(ahead);
  }
  top->log = NULL;
  return left < 0 ? JOBSRV__AHEAD_LATER : JOBSRV__AHEAD_NONE;
}

jobsrv__look_t jobsrv__ahead_look(jobsrv_tail_t *tail) {
  const jobsrv_t *srv = tail->logs->srv;
  jobsrv__ahead_t *ahead = tail->ahead;
  jobsrv__look_t look;

  for (;;) {
    if (ahead->is_walking && !walk(tail))
      return JOBSRV__AHEAD_LATER;
    look = find_top(tail);
    if (look != JOBSRV__AHEAD_NONE)
      return look;
    if (!ahead->lacks && ahead->horizon >= srv->server_seq)
      return JOBSRV__AHEAD_NONE;
    look_beyond(tail);
  }
}

void jobsrv__ahead_step(jobsrv_tail_t *tail) {
  jobsrv__ahead_t *ahead = tail->ahead;
  jobsrv__place_t *top = &ahead->top;
  int more = 0;

  if (top->log == NULL || top->version != tail->logs->tails.version) {
    top->log = NULL; /* found anew by what is read now */
    return;
  }
  if (top->chunk != NULL)
    more = step(top);
  else if (!top->is_end)
    more = find_next(top->log, tail->after, top);
  top->version = tail->logs->tails.version;
  if (!more || top->number > ahead->horizon) {
    top->log = NULL;
    pop(ahead);
    return;
  }
  put_place(tail, top, ahead->heap);
  sift_down(ahead);
  if (ahead->heap[0].number != top->number)
    top->log = NULL;
}

void jobsrv__ahead_rest(jobsrv_tail_t *tail) {
  jobsrv__ahead_t *ahead = tail->ahead;

  if (ahead->cap <= KEPT)
    return;
  jobsrv__free(&tail->logs->srv->alloc, ahead->heap);
  ahead->heap = ahead->first;
  ahead->cap = sizeof(ahead->first) / sizeof(ahead->first[0]);
  ahead->n = 0;
}

int jobsrv__ahead_new(jobsrv_tail_t *tail) {
  jobsrv_t *srv = tail->logs->srv;
  jobsrv__ahead_t *ahead = jobsrv__zalloc(&srv->alloc, sizeof(*ahead));

  if (ahead == NULL)
    return UV_ENOMEM;
  ahead->heap = ahead->first;
  ahead->cap = sizeof(ahead->first) / sizeof(ahead->first[0]);
  begin_walk(srv, ahead);
  ahead->is_walking = tail->after < srv->server_seq;
  tail->ahead = ahead;
  return 0;
}

void jobsrv__ahead_free(jobsrv_tail_t *tail) {
  const jobsrv_alloc_t *alloc = &tail->logs->srv->alloc;
  jobsrv__ahead_t *ahead = tail->ahead;

  if (ahead->heap != ahead->first)
    jobsrv__free(alloc, ahead->heap);
  jobsrv__free(alloc, ahead);
  tail->ahead = NULL;
}
