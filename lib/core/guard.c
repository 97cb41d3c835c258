/* SPDX-License-Identifier: MIT */

#include "core/server.h"

#include <assert.h>

jobsrv_drop_guard_t jobsrv_token_drop_guard(jobsrv_token_t *token) {
  return (jobsrv_drop_guard_t) { .token = jobsrv_token_ref(token) };
}

static jobsrv_token_t *take(jobsrv_drop_guard_t *guard) {
  jobsrv_token_t *token = guard->token;

  guard->token = NULL;
  return token;
}

void jobsrv_drop_guard_disarm(jobsrv_drop_guard_t *guard) {
  jobsrv_token_unref(take(guard));
}

void jobsrv_drop_guard_drop(jobsrv_drop_guard_t *guard) {
  jobsrv_token_t *token = take(guard);

  if (token == NULL)
    return;
  (void) jobsrv_token_cancel(token, NULL); /* or it has been, or has ended */
  jobsrv_token_unref(token);
}

/* ---- work against a token ---- */

/* Whoever calls back has let go of `race` before: it may be gone then. */
static void end(jobsrv_race_t *race,
                const jobsrv_reason_t *reason,
                int result) {
  jobsrv_token_t *token = race->token;

  jobsrv_token_unwatch(&race->watch);
  race->token = NULL;
  race->cb(race, reason, result);
  jobsrv_token_unref(token);
}

static void on_cancelled(jobsrv_token_watch_t *watch,
                         const jobsrv_reason_t *reason) {
  end(watch->data, reason, JOBSRV_CANCELLED);
}

int jobsrv_run_until_cancelled(jobsrv_race_t *race,
                               jobsrv_token_t *token,
                               jobsrv_race_cb cb) {
  int err;

  JOBSRV__ASSERT_LOOP(jobsrv__token_server(token));
  assert(cb != NULL);
  race->cb = cb;
  race->watch.data = race;
  race->token = NULL;
  err = jobsrv_token_watch(token, &race->watch, on_cancelled);
  if (err == 0)
    race->token = jobsrv_token_ref(token);
  return err;
}

int jobsrv_race_done(jobsrv_race_t *race, int result) {
  const jobsrv_reason_t *reason;

  if (race->token == NULL)
    return JOBSRV_ESETTLED;
  JOBSRV__ASSERT_LOOP(jobsrv__token_server(race->token));
  /* another thread may have set it, and the loop not have heard of it yet */
  reason = jobsrv_token_reason(race->token);
  end(race, reason, reason != NULL ? JOBSRV_CANCELLED : result);
  return reason != NULL ? JOBSRV_ESETTLED : 0;
}

void jobsrv_race_stop(jobsrv_race_t *race) {
  jobsrv_token_t *token = race->token;

  if (token == NULL)
    return;
  JOBSRV__ASSERT_LOOP(jobsrv__token_server(token));
  jobsrv_token_unwatch(&race->watch);
  race->token = NULL;
  jobsrv_token_unref(token);
}
