/* SPDX-License-Identifier: MIT */

#include "sse/hold.h"

#include "base/alloc.h"
#include "sse/response.h"

#include <string.h>

/* One answer that waits. */
typedef struct held_s {
  jobsrv__queue_t link;   /* in sse->holds_due, or alone */
  struct held_s *next;    /* of the same job; the map holds the first */
  jobsrv__request_t *request;
  jobsrv_sse_t *sse;
  jobsrv_job_t *job;      /* referenced */
  jobsrv_timer_t timer;
  jobsrv_state_t seen;
  jobsrv__held_cb cb;
} held_t;

/* ---- which wait for a job ---- */

static jobsrv__id_t key_of(const jobsrv_job_t *job) {
  jobsrv__id_t key = { (uint64_t) (uintptr_t) job, 0 };

  return key;
}

static held_t *first_of(const jobsrv_sse_t *sse, const jobsrv_job_t *job) {
  const uint64_t *first = jobsrv__map_get(&sse->holds_by_job, key_of(job));

  return first != NULL ? (held_t *) (uintptr_t) *first : NULL;
}

static int list_add(held_t *held) {
  jobsrv__map_t *map = &held->sse->holds_by_job;
  uint64_t *first = jobsrv__map_get(map, key_of(held->job));

  if (first == NULL)
    return jobsrv__map_put(map, key_of(held->job),
                           (uint64_t) (uintptr_t) held);
  held->next = (held_t *) (uintptr_t) *first;
  *first = (uint64_t) (uintptr_t) held;
  return 0;
}

static void list_remove(held_t *held) {
  jobsrv__map_t *map = &held->sse->holds_by_job;
  uint64_t *first = jobsrv__map_get(map, key_of(held->job));
  held_t *at = (held_t *) (uintptr_t) *first;

  if (at == held && held->next == NULL) {
    (void) jobsrv__map_del(map, key_of(held->job));
  } else if (at == held) {
    *first = (uint64_t) (uintptr_t) held->next;
  } else {
    while (at->next != held)
      at = at->next;
    at->next = held->next;
  }
}

/* ---- the end of waiting ---- */

static void held_free(held_t *held) {
  list_remove(held);
  jobsrv_timer_disarm(held->sse->srv, &held->timer);
  jobsrv__queue_remove(&held->link);
  jobsrv_job_unref(held->job);
  jobsrv__free(held->sse->alloc, held);
}

static void on_gone(jobsrv__request_t *request) {
  held_free(request->data);
  request->data = NULL;
}

static void on_due(jobsrv_turn_t *turn) {
  jobsrv_sse_t *sse = turn->data;
  jobsrv__request_t *request;
  jobsrv__queue_t *link;
  jobsrv__held_cb cb;
  jobsrv_job_t *job;
  held_t *held;

  while ((link = jobsrv__queue_front(&sse->holds_due)) != NULL) {
    held = JOBSRV__CONTAINER(link, held_t, link);
    request = held->request;
    job = jobsrv_job_ref(held->job);
    cb = held->cb;
    request->gone = NULL;
    request->data = NULL;
    held_free(held);
    cb(request, job);
    jobsrv_job_unref(job);
  }
}

/* Who has brought it about may be anywhere: the answer comes with the turn. */
static void make_due(held_t *held) {
  jobsrv__queue_remove(&held->link);
  jobsrv__queue_push_back(&held->sse->holds_due, &held->link);
  jobsrv_turn_ask(held->sse->srv, &held->sse->holds_turn, on_due);
}

static void on_timer(jobsrv_timer_t *timer) {
  make_due(timer->data);
}

static int is_over(const held_t *held, jobsrv_state_t now) {
  return jobsrv_state_terminal(now) ||
         (held->seen != JOBSRV_STATE_MAX && held->seen != now);
}

static void on_transition(jobsrv_hook_t *hook,
                          jobsrv_job_t *job,
                          jobsrv_state_t from,
                          jobsrv_state_t to) {
  const jobsrv_sse_t *sse = hook->data;
  held_t *held;

  (void) from;
  if (sse->holds_by_job.count == 0)
    return;
  for (held = first_of(sse, job); held != NULL; held = held->next)
    if (is_over(held, to))
      make_due(held);
}

/* ---- waiting ---- */

void jobsrv__holds_begin(jobsrv_sse_t *sse) {
  sse->holds_turn.data = sse;
  sse->holds_hook.data = sse;
  jobsrv_hook_add(sse->srv, &sse->holds_hook, on_transition);
}

void jobsrv__holds_free(jobsrv_sse_t *sse) {
  jobsrv_hook_remove(&sse->holds_hook);
  jobsrv_turn_cancel(&sse->holds_turn);
  jobsrv__map_free(&sse->holds_by_job);
}

int jobsrv__hold(jobsrv__request_t *request,
                 jobsrv_job_t *job,
                 jobsrv_state_t seen,
                 unsigned int seconds,
                 jobsrv__held_cb cb) {
  jobsrv_sse_t *sse = request->sse;
  held_t *held = jobsrv__zalloc(sse->alloc, sizeof(*held));
  uint64_t ms = seconds * UINT64_C(1000);
  int err;

  if (held == NULL)
    return UV_ENOMEM;
  held->sse = sse;
  held->job = job;
  err = list_add(held);
  if (err != 0) {
    jobsrv__free(sse->alloc, held);
    return err;
  }
  jobsrv_job_ref(job);
  jobsrv__queue_init(&held->link);
  held->request = request;
  held->seen = seen;
  held->cb = cb;
  held->timer.data = held;
  request->data = held;
  request->gone = on_gone;
  if (ms >= sse->options.answer_timeout_ms) /* else that would come first */
    ms = sse->options.answer_timeout_ms - 1;
  if (is_over(held, jobsrv_job_state(job)))
    make_due(held);
  else
    jobsrv_timer_arm(sse->srv, &held->timer,
                     jobsrv_now(sse->srv) + ms * 1000000, on_timer);
  return 0;
}

/* ---- Prefer ---- */

static void skip_blanks(jobsrv__span_t *text) {
  while (text->len > 0 && (*text->data == ' ' || *text->data == '\t'))
    *text = jobsrv__span(text->data + 1, text->len - 1);
}

/* One preference: wait, "=", digits, quoted or not. */
static unsigned int wait_of(jobsrv__span_t one) {
  unsigned int seconds = 0;
  int quoted;

  skip_blanks(&one);
  if (one.len < 5 || !jobsrv__span_is_nocase(jobsrv__span(one.data, 4), "wait"))
    return 0;
  one = jobsrv__span(one.data + 4, one.len - 4);
  skip_blanks(&one);
  if (one.len == 0 || *one.data != '=')
    return 0;
  one = jobsrv__span(one.data + 1, one.len - 1);
  skip_blanks(&one);
  quoted = one.len > 0 && *one.data == '"';
  if (quoted)
    one = jobsrv__span(one.data + 1, one.len - 1);
  if (one.len == 0 || *one.data < '0' || *one.data > '9')
    return 0;
  for (; one.len > 0 && *one.data >= '0' && *one.data <= '9';
       one = jobsrv__span(one.data + 1, one.len - 1))
    if (seconds < 10000)
      seconds = seconds * 10 + (unsigned int) (*one.data - '0');
  if (quoted && (one.len == 0 || *one.data != '"'))
    return 0;
  if (quoted)
    one = jobsrv__span(one.data + 1, one.len - 1);
  skip_blanks(&one);
  if (one.len > 0 && *one.data != ';')
    return 0;
  return seconds < JOBSRV__HOLD_MAX_S ? seconds : JOBSRV__HOLD_MAX_S;
}

unsigned int jobsrv__prefer_wait(const jobsrv__request_t *request) {
  unsigned int seconds = 0;

  for (size_t i = 0; i < request->n_headers && seconds == 0; i++) {
    jobsrv__span_t rest = request->headers[i].value;

    if (!jobsrv__span_is(request->headers[i].name, "prefer"))
      continue;
    while (rest.len > 0 && seconds == 0) {
      const char *comma = memchr(rest.data, ',', rest.len);
      size_t len = comma != NULL ? (size_t) (comma - rest.data) : rest.len;

      seconds = wait_of(jobsrv__span(rest.data, len));
      if (comma == NULL)
        break;
      rest = jobsrv__span(comma + 1, rest.len - len - 1);
    }
  }
  return seconds;
}
