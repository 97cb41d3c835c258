/* SPDX-License-Identifier: MIT */

/*
 * All jobs read as one. A tail is a number: all up to it was read. What is
 * ahead of it is a heap of jobs by the number that each goes on with, all of
 * them that are unread up to a horizon. It is filled by walking by all jobs,
 * some of them a turn, and beyond that horizon by those that have told
 * something since: logs with news are kept in the order of their newest
 * numbers. Nothing points from a tail into a log, so logs come and go as they
 * like: where to go on in each follows from the number.
 *
 * A job that tells something is referenced until all tails have read it, and
 * only so many of them: what goes all the same is told of by its number.
 */

#include "narration/tail.h"

#include "base/alloc.h"
#include "base/map.h"

#include <string.h>

enum {
  UNREAD_MAX = 1024, /* jobs that are kept for slow tails */
  LOOKS_A_TURN = 4096 /* at jobs, by those who walk by all of them */
};

static void ring_init(jobsrv_tail_t *head) {
  head->next = head;
  head->prev = head;
}

static void ring_add(jobsrv_tail_t *head, jobsrv_tail_t *tail) {
  tail->next = head;
  tail->prev = head->prev;
  head->prev->next = tail;
  head->prev = tail;
}

static void ring_remove(jobsrv_tail_t *tail) {
  tail->prev->next = tail->next;
  tail->next->prev = tail->prev;
  tail->next = NULL;
  tail->prev = NULL;
}

void jobsrv__tails_init(jobsrv__tails_t *tails) {
  ring_init(&tails->all);
  ring_init(&tails->due);
  jobsrv__queue_init(&tails->read);
  jobsrv__queue_init(&tails->unread);
  jobsrv__queue_init(&tails->progressed);
  tails->looks = LOOKS_A_TURN;
}

/* ---- the order of logs ---- */

/* Nearly always it is the last. */
static void put_in_order(jobsrv__queue_t *head, jobsrv__log_t *log) {
  uint64_t number = jobsrv__tails_newest(log);
  jobsrv__queue_t *at = head->prev;

  while (at != head && jobsrv__tails_newest(jobsrv__tails_log(at)) > number)
    at = at->prev;
  jobsrv__queue_push_front(at, &log->in_tails);
}

void jobsrv__tails_wake(jobsrv__logs_t *logs) {
  logs->tails.has_news = 1;
  jobsrv__turn_wanted(logs->srv);
}

/* Out of the order that tails find it by, if they have come and gone. */
static int is_of_interest(const jobsrv__tails_t *tails,
                          const jobsrv_job_t *job) {
  return tails->n > 0 || (job->flags & JOBSRV__JOB_UNREAD) != 0;
}

void jobsrv__tails_news(jobsrv__log_t *log) {
  jobsrv_job_t *job = log->job;
  jobsrv__tails_t *tails;

  if (log->logs == NULL)
    return;
  tails = &log->logs->tails;
  tails->version++;
  if (job->log != log) /* it is being opened, and not the job's yet */
    return;
  jobsrv__queue_remove(&log->in_tails);
  if (!is_of_interest(tails, job))
    return;
  put_in_order(&tails->unread, log);
  if (!(job->flags & JOBSRV__JOB_UNREAD)) {
    job->flags |= JOBSRV__JOB_UNREAD;
    tails->n_unread++;
    jobsrv_job_ref(job);
  }
  jobsrv__tails_wake(log->logs);
}

void jobsrv__tails_progress(jobsrv__log_t *log) {
  jobsrv__tails_t *tails = &log->logs->tails;

  jobsrv__queue_remove(&log->progress->in_tails);
  tails->progress_version++;
  log->progress->tick = ++tails->tick;
  jobsrv__queue_push_back(&tails->progressed, &log->progress->in_tails);
  if (tails->n > 0)
    jobsrv__tails_wake(log->logs);
}

/* Those it is missing to: who has not read that far, and may see the job. */
static int tell_forgotten(jobsrv_tail_t *head,
                          const jobsrv_job_t *job,
                          uint64_t number) {
  int told = 0;

  for (jobsrv_tail_t *tail = head->next; tail != head; tail = tail->next) {
    if (tail->after >= number || tail->gone >= number ||
        (tail->hides != NULL && tail->hides(tail, job)))
      continue;
    tail->gone = number;
    told = 1;
  }
  return told;
}

void jobsrv__tails_forgotten(const jobsrv_job_t *job, uint64_t number) {
  jobsrv__logs_t *logs = jobsrv__logs(job->srv);
  int told;

  if (number > logs->tails.forgotten)
    logs->tails.forgotten = number;
  told = tell_forgotten(&logs->tails.all, job, number);
  told |= tell_forgotten(&logs->tails.due, job, number);
  if (told && number <= logs->srv->server_seq)
    jobsrv__tails_wake(logs);
}

void jobsrv__tails_expired(const jobsrv_job_t *job) {
  if (job->srv->narration != NULL && !(job->flags & JOBSRV__JOB_UNREAD))
    jobsrv__tails_forgotten(job, job->end_server_seq);
}

static void no_longer_unread(jobsrv__tails_t *tails, jobsrv_job_t *job) {
  job->flags &= (uint16_t) ~JOBSRV__JOB_UNREAD;
  tails->n_unread--;
  if (!(job->flags & JOBSRV__JOB_IN_REGISTRY))
    jobsrv__tails_forgotten(job, job->end_server_seq);
  jobsrv_job_unref(job);
}

/* Those that all tails have read, and those that are too many. */
static void let_go(jobsrv_t *srv) {
  jobsrv__tails_t *tails = &jobsrv__logs(srv)->tails;
  uint64_t least = UINT64_MAX;
  jobsrv__queue_t *link;
  jobsrv__log_t *log;

  for (const jobsrv_tail_t *t = tails->all.next; t != &tails->all; t = t->next)
    if (t->after < least)
      least = t->after;
  while ((link = jobsrv__queue_front(&tails->unread)) != NULL) {
    log = jobsrv__tails_log(link);
    if (jobsrv__tails_newest(log) > least && tails->n_unread <= UNREAD_MAX)
      return;
    jobsrv__queue_remove(link);
    put_in_order(&tails->read, log);
    no_longer_unread(tails, log->job); /* which may call the host */
    if (srv->narration == NULL)
      return;
  }
}

/* ---- what was trimmed ---- */

static jobsrv__id_t key_of(const jobsrv__log_t *log) {
  return (jobsrv__id_t) { (uint64_t) (uintptr_t) log, 0 };
}

void jobsrv__tail_forget_missed(jobsrv_tail_t *tail) {
  const jobsrv_alloc_t *alloc = &tail->logs->srv->alloc;

  if (tail->missed == NULL)
    return;
  jobsrv__map_free(tail->missed);
  jobsrv__free(alloc, tail->missed);
  tail->missed = NULL;
}

/* Without memory for it more is said to be missing than is. */
static void keep_missed(jobsrv_tail_t *tail,
                        const jobsrv__log_t *log,
                        uint64_t from) {
  const jobsrv_alloc_t *alloc = &log->logs->srv->alloc;
  uint64_t *kept;

  if (tail->missed == NULL) {
    tail->missed = jobsrv__zalloc(alloc, sizeof(*tail->missed));
    if (tail->missed == NULL)
      return;
    jobsrv__map_init(tail->missed, alloc, log->logs->srv->server_seq);
  }
  kept = jobsrv__map_get(tail->missed, key_of(log));
  if (kept != NULL)
    *kept = from;
  else
    (void) jobsrv__map_put(tail->missed, key_of(log), from);
}

static void keep_missed_of(jobsrv_tail_t *head,
                           const jobsrv__log_t *log,
                           jobsrv__chunk_t *chunk,
                           uint64_t number) {
  for (jobsrv_tail_t *tail = head->next; tail != head; tail = tail->next)
    if (tail->after < number && tail->after >= log->trimmed_server_seq)
      keep_missed(tail, log, jobsrv__chunk_seq_at(chunk, tail->after) + 1);
}

void jobsrv__tails_trimming(jobsrv__log_t *log,
                            jobsrv__chunk_t *chunk,
                            uint64_t number) {
  jobsrv__tails_t *tails = &log->logs->tails;

  tails->version++;
  keep_missed_of(&tails->all, log, chunk, number);
  keep_missed_of(&tails->due, log, chunk, number);
}

static void forget_missed_of(jobsrv_tail_t *head, const jobsrv__log_t *log) {
  for (jobsrv_tail_t *tail = head->next; tail != head; tail = tail->next)
    if (tail->missed != NULL)
      (void) jobsrv__map_del(tail->missed, key_of(log));
}

void jobsrv__tails_leave(jobsrv__log_t *log) {
  jobsrv__queue_remove(&log->in_tails);
  if (log->progress != NULL)
    jobsrv__queue_remove(&log->progress->in_tails);
  if (log->logs == NULL)
    return;
  /* another log may come to lie where it was */
  forget_missed_of(&log->logs->tails.all, log);
  forget_missed_of(&log->logs->tails.due, log);
  log->logs->tails.version++;
  log->logs->tails.progress_version++;
}

uint64_t jobsrv__tail_missed(const jobsrv_tail_t *tail,
                             const jobsrv__log_t *log) {
  const uint64_t *from =
      tail->missed != NULL ? jobsrv__map_get(tail->missed, key_of(log)) : NULL;

  return from != NULL ? *from : 1;
}

/* ---- being told ---- */

static int readable(const jobsrv_tail_t *tail) {
  const jobsrv__logs_t *logs = tail->logs;

  return (tail->flags & JOBSRV__TAIL_FRESH) != 0 ||
         tail->after < logs->srv->server_seq ||
         tail->progress_after < logs->tails.tick;
}

/* When the turn's looks were used up: who had them is not the first to have
   the next turn's. */
static void let_others_look_first(jobsrv__tails_t *tails) {
  jobsrv_tail_t *first = tails->all.next;

  if (tails->looks > 0 || first == &tails->all)
    return;
  ring_remove(first);
  ring_add(&tails->all, first);
}

void jobsrv__tails_tell(jobsrv_t *srv) {
  jobsrv__tails_t *tails;
  jobsrv_tail_t *tail;

  if (srv->narration == NULL)
    return;
  tails = &jobsrv__logs(srv)->tails;
  tails->looks = LOOKS_A_TURN;
  if (!tails->has_news)
    return;
  tails->has_news = 0;
  tails->telling = 1;
  while ((tail = tails->all.next) != &tails->all) {
    ring_remove(tail);
    ring_add(&tails->due, tail);
  }
  while (srv->narration != NULL && (tail = tails->due.next) != &tails->due) {
    ring_remove(tail);
    ring_add(&tails->all, tail);
    if ((tail->flags & JOBSRV__TAIL_TOLD) || !readable(tail))
      continue;
    tail->flags = JOBSRV__TAIL_TOLD;
    if (tail->notify != NULL)
      tail->notify(tail);
  }
  if (srv->narration == NULL)
    return;
  tails->telling = 0;
  let_others_look_first(tails);
  let_go(srv);
}

/* ---- attaching ---- */

int jobsrv_tail_attach(jobsrv_tail_t *tail,
                       jobsrv_t *srv,
                       uint64_t server_after,
                       jobsrv_tail_cb notify) {
  jobsrv__logs_t *logs;
  jobsrv_tail_t ours;
  int err;

  JOBSRV__ASSERT_LOOP(srv);
  if (srv->phase == JOBSRV__CLOSING || srv->narration == NULL)
    return JOBSRV_ECLOSED;
  if (server_after > srv->server_seq)
    return JOBSRV_EBADCURSOR;
  logs = jobsrv__logs(srv);
  memset(&ours, 0, sizeof(ours));
  ours.data = tail->data;
  ours.hides = tail->hides;
  ours.notify = notify;
  ours.logs = logs;
  ours.after = server_after;
  /* who begins anew has not missed what was there before */
  ours.gone = server_after > 0 ? logs->tails.forgotten : 0;
  ours.flags = JOBSRV__TAIL_FRESH;
  err = jobsrv__ahead_new(&ours);
  if (err != 0)
    return err;
  *tail = ours;
  ring_add(&logs->tails.all, tail);
  logs->tails.n++;
  jobsrv__tails_wake(logs);
  return 0;
}

void jobsrv_tail_detach(jobsrv_tail_t *tail) {
  jobsrv__logs_t *logs = tail->logs;
  jobsrv_t *srv;

  if (logs == NULL)
    return;
  srv = logs->srv;
  JOBSRV__ASSERT_LOOP(srv);
  ring_remove(tail);
  jobsrv__tail_forget_missed(tail);
  jobsrv__ahead_free(tail);
  tail->logs = NULL;
  logs->tails.n--;
  logs->tails.has_news = 1;
  jobsrv__turn_wanted(srv); /* what was kept for it is let go of */
}

void jobsrv__tails_close(jobsrv__logs_t *logs) {
  jobsrv__tails_t *tails = &logs->tails;
  jobsrv__queue_t *link;

  while (tails->all.next != &tails->all)
    jobsrv_tail_detach(tails->all.next);
  while (tails->due.next != &tails->due)
    jobsrv_tail_detach(tails->due.next);
  while ((link = jobsrv__queue_pop(&tails->unread)) != NULL) {
    jobsrv_job_t *job = jobsrv__tails_log(link)->job;

    job->flags &= (uint16_t) ~JOBSRV__JOB_UNREAD;
    tails->n_unread--;
    jobsrv_job_unref(job);
  }
}
