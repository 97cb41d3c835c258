/* SPDX-License-Identifier: MIT */

#include "core/order.h"

#include "core/group.h"
#include "core/server.h"

/* ---- the tree of lanes: a treap, by key ---- */

static uint64_t rank(const jobsrv__lane_t *lane) {
  uint64_t bits = lane->key * UINT64_C(0x9e3779b97f4a7c15);

  return bits ^ bits >> 29;
}

static void tree_add(jobsrv__lane_t **at, jobsrv__lane_t *lane) {
  jobsrv__lane_t **left = &lane->left, **right = &lane->right;
  jobsrv__lane_t *rest;

  while (*at != NULL && rank(*at) >= rank(lane))
    at = lane->key < (*at)->key ? &(*at)->left : &(*at)->right;
  rest = *at;
  *at = lane;
  while (rest != NULL) {
    if (rest->key < lane->key) {
      *left = rest;
      left = &rest->right;
      rest = rest->right;
    } else {
      *right = rest;
      right = &rest->left;
      rest = rest->left;
    }
  }
  *left = NULL;
  *right = NULL;
}

static void tree_del(jobsrv__lane_t **at, const jobsrv__lane_t *lane) {
  jobsrv__lane_t *left = lane->left, *right = lane->right;

  while (*at != lane)
    at = lane->key < (*at)->key ? &(*at)->left : &(*at)->right;
  while (left != NULL && right != NULL) {
    if (rank(left) >= rank(right)) {
      *at = left;
      at = &left->right;
      left = left->right;
    } else {
      *at = right;
      at = &right->left;
      right = right->left;
    }
  }
  *at = left != NULL ? left : right;
}

static const jobsrv__lane_t *tree_first(const jobsrv__lane_t *lane) {
  while (lane != NULL && lane->left != NULL)
    lane = lane->left;
  return lane;
}

/* ---- lanes and seats ---- */

static jobsrv_job_t *lane_front(const jobsrv__lane_t *lane) {
  jobsrv__queue_t *link = jobsrv__queue_front(&lane->jobs);

  return link != NULL ? JOBSRV__CONTAINER(link, jobsrv_job_t, in_state) : NULL;
}

static void lane_open(jobsrv__seat_t *seat, int class) {
  jobsrv__lane_t *lane = &seat->lanes[class];
  const jobsrv_job_t *front = lane_front(lane);

  if (lane->key != 0 || front == NULL)
    return;
  lane->key = front->ticket;
  tree_add(&seat->operation->open[class], lane);
}

static void lane_shut(jobsrv__seat_t *seat, int class) {
  jobsrv__lane_t *lane = &seat->lanes[class];

  if (lane->key == 0)
    return;
  tree_del(&seat->operation->open[class], lane);
  lane->key = 0;
}

void jobsrv__seat_open(jobsrv__seat_t *seat) {
  for (int class = 0; class < JOBSRV__CLASSES; class++)
    lane_open(seat, class);
}

void jobsrv__seat_shut(jobsrv__seat_t *seat) {
  for (int class = 0; class < JOBSRV__CLASSES; class++)
    lane_shut(seat, class);
}

void jobsrv__seat_init(jobsrv__seat_t *seat,
                       jobsrv__operation_t *operation,
                       jobsrv__group_t *group) {
  seat->operation = operation;
  seat->group = group;
  seat->refs = 1;
  for (int class = 0; class < JOBSRV__CLASSES; class++)
    jobsrv__queue_init(&seat->lanes[class].jobs);
  jobsrv__queue_push_back(&operation->seats, &seat->in_operation);
}

void jobsrv__order_init(jobsrv__operation_t *operation) {
  jobsrv__queue_init(&operation->seats);
  jobsrv__seat_init(&operation->plain, operation, NULL);
  jobsrv__seat_init(&operation->resumed, operation, NULL);
  operation->seat = &operation->plain;
}

/* An attempt that goes on has its group, if any, already. */
static jobsrv__seat_t *seat_of(const jobsrv_job_t *job) {
  return jobsrv__goes_on(job) ? &job->operation->resumed
                              : jobsrv__job_seat(job);
}

void jobsrv__order_put(jobsrv_job_t *job) {
  jobsrv__operation_t *operation = job->operation;
  jobsrv__seat_t *seat = seat_of(job);
  jobsrv_t *srv = job->srv;
  int class = jobsrv__class(job);

  job->ticket = ++srv->ticket;
  jobsrv__queue_push_back(&seat->lanes[class].jobs, &job->in_state);
  if (seat->group != NULL && !jobsrv__group_taken(seat->group))
    lane_open(seat, class);
  if (operation->nqueued++ == 0)
    jobsrv__queue_push_back(&srv->busy, &operation->in_busy);
  operation->in_class[class]++;
  srv->in_class[class]++;
  srv->nqueued++;
}

void jobsrv__order_take(jobsrv_job_t *job) {
  jobsrv__operation_t *operation = job->operation;
  jobsrv__seat_t *seat = seat_of(job);
  jobsrv_t *srv = job->srv;
  int class = jobsrv__class(job);

  jobsrv__queue_remove(&job->in_state);
  if (seat->lanes[class].key == job->ticket) {
    lane_shut(seat, class);
    lane_open(seat, class);
  }
  job->ticket = 0;
  /* who waits anew has not been passed by yet */
  if (--operation->in_class[class] == 0)
    operation->passed[class] = 0;
  if (--srv->in_class[class] == 0)
    srv->passed[class] = 0;
  srv->nqueued--;
  if (--operation->nqueued == 0)
    jobsrv__queue_remove(&operation->in_busy);
}

jobsrv_job_t *jobsrv__order_front(const jobsrv__operation_t *operation,
                                  int class,
                                  int starts) {
  jobsrv_job_t *best = lane_front(&operation->resumed.lanes[class]);
  const jobsrv__lane_t *lanes[2];
  jobsrv_job_t *job;

  if (!starts)
    return best;
  lanes[0] = &operation->plain.lanes[class];
  lanes[1] = tree_first(operation->open[class]);
  for (int i = 0; i < 2; i++) {
    job = lanes[i] != NULL ? lane_front(lanes[i]) : NULL;
    if (job != NULL && (best == NULL || job->ticket < best->ticket))
      best = job;
  }
  return best;
}

static uint32_t lane_ahead(const jobsrv__lane_t *lane, uint64_t ticket) {
  uint32_t n = 0;

  for (jobsrv__queue_t *link = jobsrv__queue_front(&lane->jobs);
       link != NULL &&
       JOBSRV__CONTAINER(link, jobsrv_job_t, in_state)->ticket < ticket;
       link = jobsrv__queue_next(&lane->jobs, link))
    n++;
  return n;
}

uint32_t jobsrv__order_position(const jobsrv_job_t *job) {
  const jobsrv_t *srv = job->srv;
  const jobsrv__operation_t *operation;
  int class = jobsrv__class(job);
  uint32_t position = 1;

  if (jobsrv_job_state(job) != JOBSRV_STATE_QUEUED || job->ticket == 0)
    return 0;
  for (int higher = class + 1; higher < JOBSRV__CLASSES; higher++)
    position += srv->in_class[higher];
  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->busy); link != NULL;
       link = jobsrv__queue_next(&srv->busy, link)) {
    operation = JOBSRV__CONTAINER(link, jobsrv__operation_t, in_busy);
    if (operation->in_class[class] == 0)
      continue;
    for (jobsrv__queue_t *at = jobsrv__queue_front(&operation->seats);
         at != NULL; at = jobsrv__queue_next(&operation->seats, at))
      position += lane_ahead(
          &JOBSRV__CONTAINER(at, jobsrv__seat_t, in_operation)->lanes[class],
          job->ticket);
  }
  return position;
}
