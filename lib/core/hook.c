/* SPDX-License-Identifier: MIT */

#include "core/server.h"

void jobsrv_hook_add(jobsrv_t *srv, jobsrv_hook_t *hook, jobsrv_hook_cb cb) {
  JOBSRV__ASSERT_LOOP(srv);
  hook->cb = cb;
  hook->next = &srv->hooks;
  hook->prev = srv->hooks.prev;
  hook->prev->next = hook;
  hook->next->prev = hook;
}

void jobsrv_hook_remove(jobsrv_hook_t *hook) {
  if (hook->next == NULL)
    return;
  hook->prev->next = hook->next;
  hook->next->prev = hook->prev;
  hook->next = NULL;
  hook->prev = NULL;
}

void jobsrv__hooks_call(jobsrv_job_t *job,
                        jobsrv_state_t from,
                        jobsrv_state_t to) {
  jobsrv_hook_t *head = &job->srv->hooks;
  jobsrv_hook_t *hook = head->next;
  jobsrv_hook_t here = { 0 };

  if (hook == head)
    return;
  /* A mark of our own keeps the place, whatever a hook adds or removes. */
  while (hook != head) {
    here.prev = hook;
    here.next = hook->next;
    here.prev->next = &here;
    here.next->prev = &here;
    if (hook->cb != NULL) /* else the mark of a call further out */
      JOBSRV__WITHIN(job, hook->cb(hook, job, from, to));
    hook = here.next;
    jobsrv_hook_remove(&here);
  }
}
