/* SPDX-License-Identifier: MIT */

#include "core/token.h"

#include "base/alloc.h"
#include "core/server.h"

#include <assert.h>

/*
 * A child is nothing more than one more watch on its parent, so the tree needs
 * no list of its own: cancelling runs down it as watches fire, on the loop.
 * Other threads need not wait for that: a token without a reason looks upward,
 * along parents that never change.
 *
 * A reason belongs to the token it was set on, or to nobody when it has no
 * text. A token that inherits one points to its ancestor's, which its
 * reference keeps.
 */
typedef struct owned_reason_s {
  jobsrv_reason_t reason;
  const jobsrv_token_t *owner;
  char texts[];
} owned_reason;

/* A token that is its own: nothing else is before it in its memory. */
typedef struct own_token_s {
  jobsrv_token_t token;
  jobsrv_token_watch_t on_parent;
} own_token;

enum { MAX_TEXT = 1024, MAX_ACTOR = 128 };

static const jobsrv_reason_t bare[JOBSRV_REASON_MAX] = {
#define XX(name, text) { JOBSRV_REASON_##name, NULL, NULL },
  JOBSRV_REASON_MAP(XX)
#undef XX
};

/* Stands in a token that can no longer be set. */
static const jobsrv_reason_t sealed = { JOBSRV_REASON_MAX, NULL, NULL };

static const char *const names[JOBSRV_REASON_MAX] = {
#define XX(name, text) text,
  JOBSRV_REASON_MAP(XX)
#undef XX
};

const char *jobsrv_reason_name(jobsrv_reason_code_t code) {
  return (unsigned int) code < JOBSRV_REASON_MAX ? names[code] : "unknown";
}

static int is_bare(const jobsrv_reason_t *reason) {
  for (size_t i = 0; i < JOBSRV_REASON_MAX; i++)
    if (reason == &bare[i])
      return 1;
  return reason == &sealed;
}

static const jobsrv_alloc_t *alloc_of(const jobsrv_token_t *token) {
  return &token->srv->alloc;
}

static void reason_free(const jobsrv_token_t *token) {
  const jobsrv_reason_t *reason = atomic_load(&token->reason);
  owned_reason *owned;

  if (reason == NULL || is_bare(reason))
    return;
  owned = JOBSRV__CONTAINER(reason, owned_reason, reason);
  if (owned->owner == token)
    jobsrv__free(alloc_of(token), owned);
}

static void watch_unlink(jobsrv_token_watch_t *watch) {
  assert(watch->next != NULL && watch->prev != NULL);
  watch->prev->next = watch->next;
  watch->next->prev = watch->prev;
  watch->next = NULL;
  watch->prev = NULL;
}

static void on_parent_cancelled(jobsrv_token_watch_t *watch,
                                const jobsrv_reason_t *reason) {
  jobsrv_token_t *token = watch->data;

  (void) reason;
  jobsrv__token_adopt(token);
  if (token->job != NULL)
    jobsrv__job_look(token->job);
  else
    jobsrv__token_fire(token);
}

void jobsrv__token_init(jobsrv_token_t *token,
                        jobsrv_t *srv,
                        struct jobsrv_job_s *job,
                        jobsrv_token_t *parent,
                        jobsrv_token_watch_t *on_parent) {
  memset(token, 0, sizeof(*token));
  atomic_init(&token->reason, NULL);
  atomic_init(&token->refs, 1);
  token->srv = srv;
  token->job = job;
  token->watches.next = &token->watches;
  token->watches.prev = &token->watches;
  if (parent == NULL)
    return;
  token->parent = jobsrv_token_ref(parent);
  token->on_parent = on_parent;
  on_parent->data = token;
  if (jobsrv_token_watch(parent, on_parent, on_parent_cancelled))
    jobsrv__token_adopt(token);
}

void jobsrv__token_clear(jobsrv_token_t *token) {
  jobsrv_token_t *parent = token->parent;

  if (token->on_parent != NULL)
    jobsrv_token_unwatch(token->on_parent);
  while (token->watches.next != &token->watches)
    watch_unlink(token->watches.next);
  reason_free(token);
  token->parent = NULL;
  if (parent != NULL)
    jobsrv_token_unref(parent);
}

int jobsrv_token_new(jobsrv_token_t **out,
                     jobsrv_t *srv,
                     jobsrv_token_t *parent) {
  own_token *own = jobsrv__zalloc(&srv->alloc, sizeof(*own));

  if (own == NULL)
    return UV_ENOMEM;
  jobsrv__mailbox_ref(srv->mailbox);
  jobsrv__token_init(&own->token, srv, NULL,
                     parent != NULL ? parent : &srv->root, &own->on_parent);
  *out = &own->token;
  return 0;
}

jobsrv_token_t *jobsrv_token_ref(jobsrv_token_t *token) {
  if (token->job != NULL)
    jobsrv_job_ref(token->job);
  else
    atomic_fetch_add_explicit(&token->refs, 1, memory_order_relaxed);
  return token;
}

void jobsrv_token_unref(jobsrv_token_t *token) {
  jobsrv_token_t *parent;
  jobsrv__mailbox_t *mailbox;

  /* A loop, not recursion: a long chain may come apart here all at once. */
  while (token != NULL) {
    if (token->job != NULL) {
      jobsrv_job_unref(token->job);
      return;
    }
    if (atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) != 1 ||
        token == &token->srv->root)
      return;
    parent = token->parent;
    if (parent == &token->srv->root)
      parent = NULL; /* not counted, and may go with the mailbox below */
    mailbox = token->srv->mailbox;
    token->parent = NULL;
    jobsrv__token_clear(token);
    jobsrv__free(alloc_of(token), token);
    jobsrv__mailbox_unref(mailbox);
    token = parent;
  }
}

static size_t bounded(const char *text, size_t max) {
  return text != NULL ? strnlen(text, max) : 0;
}

/* Copies reason and texts into one block. */
static const jobsrv_reason_t *reason_copy(const jobsrv_token_t *token,
                                          const jobsrv_alloc_t *alloc,
                                          const jobsrv_reason_t *from) {
  size_t text = bounded(from->text, MAX_TEXT);
  size_t actor = bounded(from->actor, MAX_ACTOR);
  owned_reason *owned = jobsrv__zalloc(alloc,
                                       sizeof(*owned) + text + actor + 2);

  if (owned == NULL)
    return NULL;
  owned->owner = token;
  owned->reason.code = from->code;
  if (from->text != NULL) {
    memcpy(owned->texts, from->text, text);
    owned->reason.text = owned->texts;
  }
  if (from->actor != NULL) {
    memcpy(owned->texts + text + 1, from->actor, actor);
    owned->reason.actor = owned->texts + text + 1;
  }
  return &owned->reason;
}

int jobsrv__token_set(jobsrv_token_t *token,
                      const jobsrv_alloc_t *alloc,
                      const jobsrv_reason_t *reason) {
  const jobsrv_reason_t *mine;
  const jobsrv_reason_t *there = NULL;

  if (reason == NULL)
    reason = &bare[JOBSRV_REASON_REQUESTED];
  if ((unsigned int) reason->code >= JOBSRV_REASON_MAX)
    return UV_EINVAL;
  jobsrv__token_adopt(token); /* what is set above was first */
  there = atomic_load_explicit(&token->reason, memory_order_acquire);
  if (there != NULL)
    return there == &sealed ? JOBSRV_EENDED : JOBSRV_ESETTLED;
  mine = &bare[reason->code];
  if (reason->text != NULL || reason->actor != NULL)
    mine = reason_copy(token, alloc, reason);
  if (mine == NULL)
    return UV_ENOMEM;

  if (atomic_compare_exchange_strong_explicit(&token->reason, &there, mine,
                                              memory_order_acq_rel,
                                              memory_order_acquire))
    return 0;
  if (!is_bare(mine))
    jobsrv__free(alloc, JOBSRV__CONTAINER(mine, owned_reason, reason));
  return there == &sealed ? JOBSRV_EENDED : JOBSRV_ESETTLED;
}

void jobsrv__token_adopt(jobsrv_token_t *token) {
  const jobsrv_reason_t *none = NULL;
  const jobsrv_reason_t *above = NULL;

  if (token->parent != NULL)
    above = jobsrv_token_reason(token->parent);
  if (above != NULL)
    atomic_compare_exchange_strong(&token->reason, &none, above);
}

void jobsrv__token_seal(jobsrv_token_t *token) {
  const jobsrv_reason_t *none = NULL;

  /* mostly there is one, and looking is far cheaper than trying */
  if (atomic_load_explicit(&token->reason, memory_order_acquire) == NULL)
    atomic_compare_exchange_strong(&token->reason, &none, &sealed);
}

void jobsrv__token_fire(jobsrv_token_t *token) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(token);
  jobsrv_token_watch_t *watch;

  if (token->watches.next == &token->watches)
    return;
  /* Taken one at a time from the front, since a callback may unwatch any of
   * the others; held on to, since it may drop the caller's reference. */
  jobsrv_token_ref(token);
  while (token->watches.next != &token->watches) {
    watch = token->watches.next;
    watch_unlink(watch);
    watch->cb(watch, reason);
  }
  jobsrv_token_unref(token);
}

static void on_look(jobsrv__mail_t *mail, void *owner) {
  jobsrv_token_t *token = JOBSRV__CONTAINER(mail, jobsrv_token_t, look);

  if (owner != NULL)
    jobsrv__token_fire(token);
  jobsrv_token_unref(token);
}

int jobsrv_token_cancel(jobsrv_token_t *token, const jobsrv_reason_t *reason) {
  int err;

  if (token->job != NULL)
    return jobsrv_job_cancel(token->job, reason);
  err = jobsrv__token_set(token, alloc_of(token), reason);
  if (err != 0)
    return err;
  if (jobsrv__on_loop(token->srv)) {
    jobsrv__token_fire(token);
    return 0;
  }
  jobsrv_token_ref(token);
  token->look.run = on_look;
  if (jobsrv__mailbox_post(token->srv->mailbox, &token->look) != 0)
    jobsrv_token_unref(token);
  return 0;
}

const jobsrv_reason_t *jobsrv_token_reason(const jobsrv_token_t *token) {
  const jobsrv_reason_t *reason;

  for (; token != NULL; token = token->parent) {
    reason = atomic_load_explicit(&token->reason, memory_order_acquire);
    if (reason == &sealed)
      return NULL;
    if (reason != NULL)
      return reason;
  }
  return NULL;
}

int jobsrv_token_watch(jobsrv_token_t *token,
                       jobsrv_token_watch_t *watch,
                       jobsrv_token_watch_cb cb) {
  assert(cb != NULL);

  watch->cb = cb;
  watch->next = NULL;
  watch->prev = NULL;
  if (jobsrv_token_reason(token) != NULL)
    return JOBSRV_ESETTLED;

  watch->next = &token->watches;
  watch->prev = token->watches.prev;
  watch->prev->next = watch;
  watch->next->prev = watch;
  return 0;
}

void jobsrv_token_unwatch(jobsrv_token_watch_t *watch) {
  if (watch->next != NULL)
    watch_unlink(watch);
}
