/* SPDX-License-Identifier: MIT */

#include "core/group.h"
#include "core/server.h"
#include "core/wait.h"

/*
 * The end of a server, in phases: jobs end, by policy and at the deadline
 * whether they will or not; then parts and observer finish, with half a second
 * more at the most; then the host is told. jobsrv_close() cuts all that short.
 */

enum { PART_ATTACHED, PART_FINISHING, PART_DONE };

static const uint64_t NS_PER_MS = 1000000;
static const uint64_t FINISH_NS = 500 * 1000000ull;

int jobsrv_draining(const jobsrv_t *srv) {
  JOBSRV__ASSERT_LOOP(srv);
  return srv->phase != JOBSRV__OPEN;
}

/* ---- every live job, whatever callbacks do meanwhile ---- */

typedef void (*job_cb)(jobsrv_job_t *job);

/*
 * Goes round the queue once, and once more behind another that came by inside
 * a callback. The jobs stay where whoever else asks will find them.
 */
static void each_of(jobsrv_t *srv, jobsrv__queue_t *head, job_cb act) {
  uint32_t sweep = ++srv->sweeps;
  jobsrv__queue_t *link;
  jobsrv_job_t *job;

  while ((link = jobsrv__queue_front(head)) != NULL) {
    job = JOBSRV__CONTAINER(link, jobsrv_job_t, in_state);
    if (job->sweep == sweep)
      return;
    job->sweep = sweep;
    jobsrv__queue_remove(link);
    jobsrv__queue_push_back(head, link);
    jobsrv_job_ref(job);
    act(job);
    jobsrv_job_unref(job);
  }
}

/* A closed server's job: ended now, whatever its operation is doing. */
static void end_at_once(jobsrv_job_t *job) {
  jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
  if (!jobsrv__job_ended(job) && job->attempt != NULL &&
      job->operation->def.style == JOBSRV_PROCESS)
    jobsrv__process_close(job);
  jobsrv__job_abandon(job);
}

/* A seat goes with its last job, and an operation with its server. */
static void each_queued(jobsrv_t *srv,
                        jobsrv__operation_t *operation,
                        job_cb act) {
  uint32_t sweep = ++srv->sweeps;
  jobsrv__seat_t *seat;

  atomic_fetch_add_explicit(&operation->refs, 1, memory_order_relaxed);
  while (!atomic_load(&srv->closed)) {
    seat = JOBSRV__CONTAINER(jobsrv__queue_front(&operation->seats),
                             jobsrv__seat_t, in_operation);
    if (seat->sweep == sweep)
      break;
    seat->sweep = sweep;
    seat->refs++;
    jobsrv__queue_remove(&seat->in_operation);
    jobsrv__queue_push_back(&operation->seats, &seat->in_operation);
    for (int i = 0; i < JOBSRV__CLASSES; i++)
      each_of(srv, &seat->lanes[i].jobs, act);
    jobsrv__seat_put(srv, seat);
  }
  jobsrv__operation_unref(operation);
}

static void each_live(jobsrv_t *srv, job_cb act) {
  jobsrv__queue_t *link, *next;

  each_of(srv, &srv->running, act);
  if (!atomic_load(&srv->closed)) /* by a callback */
    each_of(srv, &srv->waiting, act);
  for (link = jobsrv__queue_front(&srv->operations);
       link != NULL && !atomic_load(&srv->closed); link = next) {
    each_queued(srv, JOBSRV__CONTAINER(link, jobsrv__operation_t, in_server),
                act);
    if (atomic_load(&srv->closed))
      return;
    next = jobsrv__queue_next(&srv->operations, link);
  }
}

/* What waits for a time, for others or for an answer may wait too long. */
static void by_policy(jobsrv_job_t *job) {
  jobsrv_on_drain_t policy = JOBSRV_DRAIN_CANCEL;
  jobsrv_state_t state = jobsrv_job_state(job);

  if (job->operation != NULL)
    policy = job->operation->def.on_drain;
  if (policy == JOBSRV_DRAIN_FINISH && state != JOBSRV_STATE_SCHEDULED &&
      state != JOBSRV_STATE_SUSPENDED)
    return;
  if (policy == JOBSRV_DRAIN_LEAVE && state == JOBSRV_STATE_RUNNING)
    return;
  jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
}

static void by_force(jobsrv_job_t *job) {
  jobsrv__job_stop(job, JOBSRV_REASON_SHUTDOWN);
}

/* ---- parts ---- */

void jobsrv_part_attach(jobsrv_t *srv, jobsrv_part_t *part) {
  JOBSRV__ASSERT_LOOP(srv);
  part->srv = srv;
  part->state = PART_ATTACHED;
  part->next = &srv->parts;
  part->prev = srv->parts.prev;
  part->prev->next = part;
  part->next->prev = part;
}

void jobsrv_part_done(jobsrv_part_t *part) {
  if (part->state == PART_DONE)
    return;
  part->state = PART_DONE;
  if (part->next == NULL)
    return;
  JOBSRV__ASSERT_LOOP(part->srv);
  jobsrv__drain_look(part->srv);
}

void jobsrv_part_detach(jobsrv_part_t *part) {
  if (part->next == NULL)
    return;
  JOBSRV__ASSERT_LOOP(part->srv);
  part->prev->next = part->next;
  part->next->prev = part->prev;
  part->next = NULL;
  part->prev = NULL;
  jobsrv__drain_look(part->srv);
}

static void parts_tell_draining(jobsrv_t *srv) {
  jobsrv_part_t *next;

  for (jobsrv_part_t *part = srv->parts.next; part != &srv->parts;
       part = next) {
    next = part->next; /* only a part's own callback may detach it here */
    if (part->draining != NULL)
      part->draining(part);
  }
}

static void parts_tell_finishing(jobsrv_t *srv) {
  jobsrv_part_t *part = srv->parts.next;

  while (part != &srv->parts) {
    if (part->state != PART_ATTACHED) {
      part = part->next;
      continue;
    }
    part->state = PART_FINISHING;
    if (part->finishing != NULL)
      part->finishing(part);
    else
      part->state = PART_DONE;
    part = srv->parts.next; /* whatever has happened, from the front again */
  }
}

static int parts_done(const jobsrv_t *srv) {
  for (const jobsrv_part_t *part = srv->parts.next; part != &srv->parts;
       part = part->next)
    if (part->state != PART_DONE)
      return 0;
  return 1;
}

/* ---- drain ---- */

static void drained(jobsrv_t *srv) {
  jobsrv_close_cb cb = srv->drain_cb;

  jobsrv__wheel_disarm(&srv->wheel, &srv->drain_timer);
  srv->phase = JOBSRV__DRAINED;
  srv->drain_cb = NULL;
  jobsrv__keep_alive(srv);
  if (cb != NULL)
    cb(srv, srv->drain_data);
  if (srv->closes_when_drained)
    jobsrv_close(srv, NULL, NULL);
}

static void on_drain_turn(jobsrv_turn_t *turn);

void jobsrv__observer_done(jobsrv_t *srv) {
  srv->observer_done = 1;
  jobsrv__drain_look(srv);
}

/* Not here and now: whoever calls is in the middle of something. */
void jobsrv__drain_look(jobsrv_t *srv) {
  if (srv->phase == JOBSRV__DRAINING || srv->phase == JOBSRV__FINISHING)
    jobsrv_turn_ask(srv, &srv->drain_turn, on_drain_turn);
}

static void on_finish_deadline(jobsrv_timer_t *timer) {
  drained(JOBSRV__CONTAINER(timer, jobsrv_t, drain_timer));
}

static void arm_finish(jobsrv_t *srv) {
  uint64_t until = srv->drain_deadline;
  uint64_t now = jobsrv_now(srv);

  if (until < now)
    until = now;
  if (until < UINT64_MAX - FINISH_NS) /* else it was asked to wait for ever */
    jobsrv_timer_arm(srv, &srv->drain_timer, until + FINISH_NS,
                     on_finish_deadline);
}

static void finish(jobsrv_t *srv) {
  srv->phase = JOBSRV__FINISHING;
  arm_finish(srv);
  srv->observer->turn(srv);
  parts_tell_finishing(srv);
  if (srv->phase == JOBSRV__FINISHING)
    srv->observer->finish(srv);
}

static void on_drain_turn(jobsrv_turn_t *turn) {
  jobsrv_t *srv = JOBSRV__CONTAINER(turn, jobsrv_t, drain_turn);

  if (srv->phase == JOBSRV__DRAINING && srv->live == 0)
    finish(srv);
  if (srv->phase == JOBSRV__FINISHING && srv->observer_done &&
      parts_done(srv))
    drained(srv);
}

static void on_drain_deadline(jobsrv_timer_t *timer) {
  jobsrv_t *srv = JOBSRV__CONTAINER(timer, jobsrv_t, drain_timer);

  each_live(srv, end_at_once);
  jobsrv__drain_look(srv);
}

int jobsrv_drain(jobsrv_t *srv,
                 uint64_t deadline_ms,
                 jobsrv_close_cb cb,
                 void *data) {
  uint64_t now = jobsrv_now(srv);
  uint64_t deadline = UINT64_MAX;

  JOBSRV__ASSERT_LOOP(srv);
  if (srv->phase == JOBSRV__CLOSING)
    return JOBSRV_ECLOSED;
  if (srv->phase == JOBSRV__DRAINED)
    return JOBSRV_ESETTLED;
  if (deadline_ms < (UINT64_MAX - now) / NS_PER_MS)
    deadline = now + deadline_ms * NS_PER_MS;
  if (srv->phase == JOBSRV__OPEN) {
    srv->phase = JOBSRV__DRAINING;
    srv->drain_cb = cb;
    srv->drain_data = data;
    srv->drain_deadline = UINT64_MAX;
    jobsrv__schedules_stop(srv);
    jobsrv__keep_alive(srv);
    parts_tell_draining(srv);
    each_live(srv, by_policy);
  } else if (srv->phase == JOBSRV__DRAINING) {
    each_live(srv, by_force);
  }
  if (deadline < srv->drain_deadline) {
    srv->drain_deadline = deadline;
    if (srv->phase == JOBSRV__DRAINING)
      jobsrv_timer_arm(srv, &srv->drain_timer, deadline, on_drain_deadline);
    else if (srv->phase == JOBSRV__FINISHING)
      arm_finish(srv);
  }
  jobsrv__drain_look(srv);
  return 0;
}

/* ---- close ---- */

void jobsrv_close(jobsrv_t *srv, jobsrv_close_cb cb, void *data) {
  jobsrv__queue_t *link;
  jobsrv_part_t *part;

  JOBSRV__ASSERT_LOOP(srv);
  if (srv->phase == JOBSRV__CLOSING)
    return;
  srv->phase = JOBSRV__CLOSING;
  srv->close_cb = cb;
  srv->close_data = data;
  srv->handles++; /* not gone before this call has ended */

  jobsrv__schedules_stop(srv);
  each_live(srv, end_at_once);
  srv->observer->turn(srv); /* the ends reach who can still be told */
  jobsrv__waits_close(srv);
  while ((part = srv->parts.next) != &srv->parts) {
    part->closing(part);
    if (srv->parts.next == part)
      jobsrv_part_detach(part);
  }
  srv->observer->close(srv);
  jobsrv_turn_cancel(&srv->drain_turn);
  jobsrv__wheel_disarm(&srv->wheel, &srv->drain_timer);
  jobsrv__wheel_disarm(&srv->wheel, &srv->inbox_timer);
  jobsrv__dispatch_close(srv);
  jobsrv__pool_close(srv);
  jobsrv__registry_close(srv);
  (void) jobsrv_token_cancel(
      &srv->root, &(jobsrv_reason_t) { .code = JOBSRV_REASON_SHUTDOWN });
  atomic_store(&srv->closed, 1);
  jobsrv__mailbox_close(srv->mailbox);
  jobsrv__groups_close(srv);
  jobsrv__schedules_close(srv);
  while ((link = jobsrv__queue_pop(&srv->operations)) != NULL)
    jobsrv__operation_unref(
        JOBSRV__CONTAINER(link, jobsrv__operation_t, in_server));
  jobsrv__loop_close(srv);
  jobsrv__handle_closed(srv);
}
