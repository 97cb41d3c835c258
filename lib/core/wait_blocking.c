/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/plan.h"
#include "core/server.h"
#include "core/wait.h"
#include "jobsrv/wait.h"

#include <pthread.h>
#include <time.h>

/*
 * A thread that waits sends an entry to the loop, which puts it into the job's
 * list or finds that the job has ended: so nothing can end unseen in between,
 * and a job nobody waits for pays nothing. A thread that gives up sends a
 * second mail behind the first, to have the entry taken out again.
 */

typedef struct blocked_s {
  jobsrv__waiter_t waiter;
  jobsrv__mail_t arrive;
  jobsrv__mail_t leave;
  jobsrv_job_t *job; /* referenced */
  atomic_uint refs;  /* the thread; `arrive`, then the list; `leave` */
  pthread_mutex_t lock;
  pthread_cond_t over;
  int is_over;
  int err;
} blocked;

static void blocked_unref(blocked *b) {
  jobsrv_job_t *job = b->job;

  if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
    return;
  pthread_cond_destroy(&b->over);
  pthread_mutex_destroy(&b->lock);
  jobsrv__free(&job->srv->alloc, b);
  jobsrv_job_unref(job);
}

static void wake(blocked *b, int err) {
  pthread_mutex_lock(&b->lock);
  b->is_over = 1;
  b->err = err;
  pthread_cond_signal(&b->over);
  pthread_mutex_unlock(&b->lock);
  blocked_unref(b);
}

static void on_ended(jobsrv__waiter_t *waiter) {
  wake(JOBSRV__CONTAINER(waiter, blocked, waiter), 0);
}

static void on_arrive(jobsrv__mail_t *mail, void *owner) {
  blocked *b = JOBSRV__CONTAINER(mail, blocked, arrive);

  if (owner == NULL || jobsrv__job_ended(b->job))
    wake(b, 0); /* a server that has closed has ended all its jobs */
  else if (jobsrv__plan(b->job) == NULL)
    wake(b, UV_ENOMEM);
  else
    jobsrv__waits_add(b->job, &b->waiter);
}

static void on_leave(jobsrv__mail_t *mail, void *owner) {
  blocked *b = JOBSRV__CONTAINER(mail, blocked, leave);

  if (owner != NULL && b->waiter.prev != NULL) {
    jobsrv__waits_remove(&b->waiter);
    blocked_unref(b);
  }
  blocked_unref(b);
}

static blocked *blocked_new(jobsrv_job_t *job) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  blocked *b = jobsrv__zalloc(alloc, sizeof(*b));
  pthread_condattr_t attr;
  int err;

  if (b == NULL)
    return NULL;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  err = pthread_cond_init(&b->over, &attr);
  pthread_condattr_destroy(&attr);
  if (err != 0) {
    jobsrv__free(alloc, b);
    return NULL;
  }
  pthread_mutex_init(&b->lock, NULL);
  atomic_init(&b->refs, 2);
  b->job = jobsrv_job_ref(job);
  b->waiter.ended = on_ended;
  b->arrive.run = on_arrive;
  b->leave.run = on_leave;
  return b;
}

/* 0 for a time that is too far to be reached. */
static int moment(struct timespec *at, uint64_t ms) {
  enum { FAR = 1000000000 }; /* seconds */

  if (ms / 1000 >= FAR)
    return 0;
  clock_gettime(CLOCK_MONOTONIC, at);
  at->tv_sec += (time_t) (ms / 1000);
  at->tv_nsec += (long) (ms % 1000) * 1000000;
  if (at->tv_nsec >= 1000000000) {
    at->tv_sec++;
    at->tv_nsec -= 1000000000;
  }
  return 1;
}

int jobsrv_job_wait(jobsrv_job_t *job, uint64_t timeout_ms) {
  struct timespec until;
  int timed = moment(&until, timeout_ms);
  int late = 0;
  int err;
  blocked *b;

  if (jobsrv__on_loop(job->srv))
    return JOBSRV_EONLOOP;
  if (jobsrv__job_ended(job))
    return 0;
  if (timeout_ms == 0)
    return UV_ETIMEDOUT;
  b = blocked_new(job);
  if (b == NULL)
    return UV_ENOMEM;
  if (jobsrv__mailbox_post(job->srv->mailbox, &b->arrive) != 0)
    wake(b, 0); /* closed: as on_arrive() */

  pthread_mutex_lock(&b->lock);
  while (!b->is_over && !late)
    late = timed ? pthread_cond_timedwait(&b->over, &b->lock, &until) != 0
                 : pthread_cond_wait(&b->over, &b->lock) != 0;
  err = b->is_over ? b->err : UV_ETIMEDOUT;
  pthread_mutex_unlock(&b->lock);
  if (err == UV_ETIMEDOUT) {
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    if (jobsrv__mailbox_post(job->srv->mailbox, &b->leave) != 0)
      blocked_unref(b);
  }
  blocked_unref(b);
  return err;
}
