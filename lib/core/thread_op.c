/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/queue.h"
#include "core/attempt.h"
#include "core/server.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/*
 * The pool. Which worker is idle, busy or lost is known to the loop alone; a
 * worker shares with it only what its lock guards: the hand-over of a job, and
 * the word to leave. A worker that has returned from `run` goes home by mail
 * and waits for that word or for the next job, which only the loop gives it.
 *
 * Worker and pool are counted, since nobody waits for anybody: a worker is
 * held by the loop's list, by its thread and by its mail while that is on the
 * way, the pool by the server and by each worker. So a thread that is inside
 * `run` when the server closes finds all it needs afterwards, and frees it.
 */

enum { MIN_STACK = 256 * 1024 };

struct jobsrv__pool_s {
  jobsrv_alloc_t alloc;
  jobsrv__mailbox_t *mailbox;
  const jobsrv__observer_t *observer;
  atomic_uint refs;
  /* the loop's */
  jobsrv__queue_t workers;
  jobsrv__queue_t idle;
  uint32_t threads; /* lost ones included */
  uint32_t lost;
  int closed;
};

typedef struct worker_s {
  jobsrv__attempt_t attempt;
  jobsrv__pool_t *pool;
  atomic_uint refs;
  pthread_t thread;
  jobsrv__mail_t home;
  jobsrv_job_t *job; /* referenced; the loop's but between go and home */
  /* the loop's */
  jobsrv__queue_t in_pool;
  jobsrv__queue_t in_idle;
  int lost;
  /* under the lock */
  pthread_mutex_t lock;
  pthread_cond_t told;
  int go;
  int leave;
  int asks;
} worker_t;

/* How a question of a worker stands. */
enum { ASKS_NOTHING, ASKS, IS_ANSWERED, IS_TO_STOP };

/* The worker that this thread is, while it is inside `run`. */
static _Thread_local worker_t *inside;

static void pool_unref(jobsrv__pool_t *pool) {
  jobsrv_alloc_t alloc = pool->alloc;

  if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
    return;
  jobsrv__mailbox_unref(pool->mailbox);
  jobsrv__free(&alloc, pool);
}

static void worker_ref(worker_t *worker) {
  atomic_fetch_add_explicit(&worker->refs, 1, memory_order_relaxed);
}

static void worker_unref(worker_t *worker) {
  jobsrv__pool_t *pool = worker->pool;

  if (atomic_fetch_sub_explicit(&worker->refs, 1, memory_order_acq_rel) != 1)
    return;
  pthread_cond_destroy(&worker->told);
  pthread_mutex_destroy(&worker->lock);
  jobsrv__free(&pool->alloc, worker);
  pool_unref(pool);
}

static void worker_tell(worker_t *worker, int *what) {
  pthread_mutex_lock(&worker->lock);
  *what = 1;
  pthread_cond_signal(&worker->told);
  pthread_mutex_unlock(&worker->lock);
}

/* 1 when there is a job to run, 0 to leave. */
static int worker_wait(worker_t *worker) {
  int go;

  pthread_mutex_lock(&worker->lock);
  while (!worker->go && !worker->leave)
    pthread_cond_wait(&worker->told, &worker->lock);
  go = worker->go;
  worker->go = 0;
  pthread_mutex_unlock(&worker->lock);
  return go;
}

void *jobsrv__asker(const jobsrv_job_t *job) {
  return inside != NULL && inside->job == job ? inside : NULL;
}

void jobsrv__asker_begin(void *asker) {
  worker_t *worker = asker;

  pthread_mutex_lock(&worker->lock);
  worker->asks = ASKS;
  pthread_mutex_unlock(&worker->lock);
}

int jobsrv__asker_wait(void *asker) {
  worker_t *worker = asker;
  int stop;

  pthread_mutex_lock(&worker->lock);
  while (worker->asks == ASKS)
    pthread_cond_wait(&worker->told, &worker->lock);
  stop = worker->asks == IS_TO_STOP;
  worker->asks = ASKS_NOTHING;
  pthread_mutex_unlock(&worker->lock);
  return stop;
}

void jobsrv__asker_wake(void *asker, int stop) {
  worker_t *worker = asker;

  if (worker == NULL)
    return;
  pthread_mutex_lock(&worker->lock);
  if (worker->asks == ASKS) {
    worker->asks = stop ? IS_TO_STOP : IS_ANSWERED;
    pthread_cond_signal(&worker->told);
  }
  pthread_mutex_unlock(&worker->lock);
}

static void count(jobsrv_t *srv, const jobsrv__pool_t *pool) {
  srv->stats.threads = pool->threads;
  srv->stats.lost_threads = pool->lost;
}

/* Takes a worker off the books; its thread may be anywhere. */
static void worker_dismiss(worker_t *worker) {
  jobsrv__queue_remove(&worker->in_pool);
  jobsrv__queue_remove(&worker->in_idle);
  worker_tell(worker, &worker->leave);
  (void) pthread_detach(worker->thread);
  worker_unref(worker);
}

/* The run is over, on the loop: the worker is idle again, or was lost. */
static void come_home(worker_t *worker, jobsrv_job_t *job) {
  jobsrv__pool_t *pool = worker->pool;
  jobsrv_t *srv = job->srv;

  if (job->attempt == &worker->attempt)
    job->attempt = NULL;
  if (!pool->closed) {
    if (worker->lost) {
      pool->threads--;
      pool->lost--;
      worker_dismiss(worker);
    } else {
      jobsrv__queue_push_front(&pool->idle, &worker->in_idle);
    }
    count(srv, pool);
    jobsrv__dispatch_wanted(srv);
  }
  jobsrv__job_let_go(job);
}

static void on_home(jobsrv__mail_t *mail, void *owner) {
  worker_t *worker = JOBSRV__CONTAINER(mail, worker_t, home);
  jobsrv_job_t *job = worker->job;

  worker->job = NULL;
  if (owner != NULL)
    come_home(worker, job);
  jobsrv_job_unref(job);
  worker_unref(worker);
}

static void worker_run(worker_t *worker) {
  const jobsrv__observer_t *observer = worker->pool->observer;
  jobsrv_job_t *job = worker->job;
  const jobsrv_operation_t *def = &job->operation->def;
  jobsrv_context_t context;
  int result;

  observer->enter(&context, job);
  inside = worker;
  result = def->run(job, def->data);
  inside = NULL;
  observer->leave(&context);
  jobsrv__attempt_say(job, result);

  worker_ref(worker);
  if (jobsrv__mailbox_post(worker->pool->mailbox, &worker->home) != 0)
    on_home(&worker->home, NULL);
}

static void *worker_main(void *arg) {
  worker_t *worker = arg;

  while (worker_wait(worker))
    worker_run(worker);
  worker_unref(worker);
  return NULL;
}

/* With all signals blocked: they are the host's threads' business. */
static int thread_create(worker_t *worker) {
  pthread_attr_t attr;
  sigset_t all, before;
  size_t stack = 0;
  int err = pthread_attr_init(&attr);

  if (err != 0)
    return -err;
  if (pthread_attr_getstacksize(&attr, &stack) == 0 && stack < MIN_STACK)
    (void) pthread_attr_setstacksize(&attr, MIN_STACK);
  sigfillset(&all);
  err = pthread_sigmask(SIG_SETMASK, &all, &before);
  if (err == 0) {
    err = pthread_create(&worker->thread, &attr, worker_main, worker);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  pthread_attr_destroy(&attr);
  return -err;
}

static int worker_locks(worker_t *worker) {
  int err = pthread_mutex_init(&worker->lock, NULL);

  if (err != 0)
    return -err;
  err = pthread_cond_init(&worker->told, NULL);
  if (err != 0)
    pthread_mutex_destroy(&worker->lock);
  return -err;
}

/* An idle one more. */
static int worker_new(jobsrv__pool_t *pool) {
  worker_t *worker = jobsrv__zalloc(&pool->alloc, sizeof(*worker));
  int err;

  if (worker == NULL)
    return UV_ENOMEM;
  worker->attempt.style = JOBSRV_THREAD;
  worker->pool = pool;
  worker->home.run = on_home;
  atomic_init(&worker->refs, 2);
  err = worker_locks(worker);
  if (err != 0) {
    jobsrv__free(&pool->alloc, worker);
    return err;
  }
  err = thread_create(worker);
  if (err != 0) {
    pthread_cond_destroy(&worker->told);
    pthread_mutex_destroy(&worker->lock);
    jobsrv__free(&pool->alloc, worker);
    return err;
  }
  atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
  jobsrv__queue_push_back(&pool->workers, &worker->in_pool);
  jobsrv__queue_push_front(&pool->idle, &worker->in_idle);
  pool->threads++;
  return 0;
}

static int pool_new(jobsrv_t *srv) {
  jobsrv__pool_t *pool = jobsrv__zalloc(&srv->alloc, sizeof(*pool));

  if (pool == NULL)
    return UV_ENOMEM;
  pool->alloc = srv->alloc;
  pool->mailbox = jobsrv__mailbox_ref(srv->mailbox);
  pool->observer = srv->observer;
  atomic_init(&pool->refs, 1);
  jobsrv__queue_init(&pool->workers);
  jobsrv__queue_init(&pool->idle);
  srv->pool = pool;
  return 0;
}

int jobsrv__thread_room(jobsrv_t *srv) {
  const jobsrv__pool_t *pool = srv->pool;
  uint32_t replaced;

  if (pool == NULL || !jobsrv__queue_empty(&pool->idle))
    return 1;
  replaced = pool->lost < srv->options.max_lost_threads
                 ? pool->lost
                 : srv->options.max_lost_threads;
  return pool->threads - replaced < srv->options.max_threads;
}

int jobsrv__thread_start(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;
  worker_t *worker;
  int err = 0;

  if (jobsrv_token_reason(&job->token) != NULL) /* no need to begin */
    return JOBSRV_CANCELLED;
  if (srv->pool == NULL)
    err = pool_new(srv);
  if (err == 0 && jobsrv__queue_empty(&srv->pool->idle))
    err = worker_new(srv->pool);
  if (err != 0)
    return err;

  worker = JOBSRV__CONTAINER(jobsrv__queue_pop(&srv->pool->idle), worker_t,
                             in_idle);
  worker->job = jobsrv_job_ref(job);
  job->attempt = &worker->attempt;
  count(srv, srv->pool);
  worker_tell(worker, &worker->go);
  return 0;
}

void jobsrv__thread_abandon(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;
  worker_t *worker = (worker_t *) (void *) job->attempt;

  job->attempt = NULL;
  jobsrv__asker_wake(worker, 1);
  if (worker == NULL || srv->pool == NULL)
    return;
  worker->lost = 1;
  srv->pool->lost++;
  count(srv, srv->pool);
  jobsrv__dispatch_wanted(srv);
}

void jobsrv__pool_close(jobsrv_t *srv) {
  jobsrv__pool_t *pool = srv->pool;
  jobsrv__queue_t *link;
  worker_t *worker;

  if (pool == NULL)
    return;
  srv->pool = NULL;
  pool->closed = 1;
  while ((link = jobsrv__queue_pop(&pool->idle)) != NULL) {
    worker = JOBSRV__CONTAINER(link, worker_t, in_idle);
    jobsrv__queue_remove(&worker->in_pool);
    worker_tell(worker, &worker->leave);
    (void) pthread_join(worker->thread, NULL);
    worker_unref(worker);
  }
  while ((link = jobsrv__queue_front(&pool->workers)) != NULL)
    worker_dismiss(JOBSRV__CONTAINER(link, worker_t, in_pool));
  srv->stats.threads = 0;
  srv->stats.lost_threads = 0;
  pool_unref(pool);
}
