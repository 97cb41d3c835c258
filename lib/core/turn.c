/* SPDX-License-Identifier: MIT */

#include "core/server.h"

/*
 * The end of a turn. Whatever has to happen before the loop can block again
 * starts the idle handle, so that the next poll cannot block, and is done in
 * check: starts, then those who asked for a turn, then the observer's flush.
 * On a libuv that runs timers after check, what a timer narrates is flushed in
 * the next, unblocked round.
 */

static void on_idle(uv_idle_t *handle) {
  (void) handle;
}

void jobsrv__turn_wanted(jobsrv_t *srv) {
  if (srv->phase == JOBSRV__CLOSING)
    return;
  uv_idle_start(&srv->idle, on_idle);
  jobsrv__armed(srv);
}

void jobsrv__dispatch_wanted(jobsrv_t *srv) {
  srv->dispatch_wanted = 1;
  jobsrv__turn_wanted(srv);
}

/* Only those that had asked before: what asks now has the next turn. */
static void run_turns(jobsrv_t *srv) {
  jobsrv_turn_t due;
  jobsrv_turn_t *turn;

  if (srv->turns.next == &srv->turns)
    return;
  due.next = srv->turns.next;
  due.prev = srv->turns.prev;
  due.next->prev = &due;
  due.prev->next = &due;
  srv->turns.next = &srv->turns;
  srv->turns.prev = &srv->turns;
  while (due.next != &due) {
    turn = due.next;
    jobsrv_turn_cancel(turn);
    turn->cb(turn);
  }
}

void jobsrv__on_check(uv_check_t *handle) {
  jobsrv_t *srv = handle->data;

  srv->has_wall_offset = 0;
  if (!uv_is_active((uv_handle_t *) &srv->idle))
    return;
  uv_idle_stop(&srv->idle);
  if (srv->lingers)
    jobsrv__inbox_read(srv);
  if (srv->phase != JOBSRV__CLOSING && srv->dispatch_wanted)
    jobsrv__dispatch(srv);
  run_turns(srv);
  if (srv->phase != JOBSRV__CLOSING)
    srv->observer->turn(srv);
}

void jobsrv_turn_ask(jobsrv_t *srv,
                     jobsrv_turn_t *turn,
                     void (*cb)(jobsrv_turn_t *turn)) {
  JOBSRV__ASSERT_LOOP(srv);
  turn->cb = cb;
  if (turn->next != NULL)
    return;
  turn->next = &srv->turns;
  turn->prev = srv->turns.prev;
  turn->prev->next = turn;
  turn->next->prev = turn;
  jobsrv__turn_wanted(srv);
}

void jobsrv_turn_cancel(jobsrv_turn_t *turn) {
  if (turn->next == NULL)
    return;
  turn->prev->next = turn->next;
  turn->next->prev = turn->prev;
  turn->next = NULL;
  turn->prev = NULL;
}
