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
  jobsrv_t *srv;
  jobsrv__token_above_t above;
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

/* The containers of what may not be changed through the pointer at hand. */
#define CONST_CONTAINER(ptr, type, member)                                    \
  ((const type *) (const void *) ((const char *) (ptr) -                      \
                                  offsetof(type, member)))

jobsrv_job_t *jobsrv__token_job(const jobsrv_token_t *token) {
  return (jobsrv_job_t *) (uintptr_t) CONST_CONTAINER(token, jobsrv_job_t,
                                                      token);
}

jobsrv_t *jobsrv__token_server(const jobsrv_token_t *token) {
  switch (token->kind) {
    case JOBSRV__TOKEN_JOB: return jobsrv__token_job(token)->srv;
    case JOBSRV__TOKEN_OWN:
      return CONST_CONTAINER(token, own_token, token)->srv;
    default:
      return (jobsrv_t *) (uintptr_t) CONST_CONTAINER(token, jobsrv_t, root);
  }
}

static const jobsrv_alloc_t *alloc_of(const jobsrv_token_t *token) {
  return &jobsrv__token_server(token)->alloc;
}

static jobsrv_token_t *parent_of(const jobsrv_token_t *token) {
  return token->above != NULL ? token->above->parent : NULL;
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

static void link_remove(jobsrv_token_link_t *link) {
  assert(link->next != NULL && link->prev != NULL);
  link->prev->next = link->next;
  link->next->prev = link->prev;
  link->next = NULL;
  link->prev = NULL;
}

static void on_parent_cancelled(jobsrv_token_watch_t *watch,
                                const jobsrv_reason_t *reason) {
  jobsrv_token_t *token = watch->data;

  (void) reason;
  jobsrv__token_adopt(token);
  if (token->kind == JOBSRV__TOKEN_JOB)
    jobsrv__job_look(jobsrv__token_job(token));
  else
    jobsrv__token_fire(token);
}

void jobsrv__token_init(jobsrv_token_t *token,
                        unsigned int kind,
                        jobsrv_token_t *parent,
                        jobsrv__token_above_t *above) {
  memset(token, 0, sizeof(*token));
  atomic_init(&token->reason, NULL);
  atomic_init(&token->refs, 1);
  token->kind = kind;
  token->watches.next = &token->watches;
  token->watches.prev = &token->watches;
  if (parent == NULL)
    return;
  token->above = above;
  above->parent = jobsrv_token_ref(parent);
  above->watch.data = token;
  if (jobsrv_token_watch(parent, &above->watch, on_parent_cancelled))
    jobsrv__token_adopt(token);
}

void jobsrv__token_detach(jobsrv_token_t *token) {
  if (token->above != NULL)
    jobsrv_token_unwatch(&token->above->watch);
}

void jobsrv__token_clear(jobsrv_token_t *token) {
  jobsrv_token_t *parent = parent_of(token);

  jobsrv__token_detach(token);
  while (token->watches.next != &token->watches)
    link_remove(token->watches.next);
  reason_free(token);
  token->above = NULL;
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
  own->srv = srv;
  jobsrv__token_init(&own->token, JOBSRV__TOKEN_OWN,
                     parent != NULL ? parent : &srv->root, &own->above);
  *out = &own->token;
  return 0;
}

jobsrv_token_t *jobsrv_token_ref(jobsrv_token_t *token) {
  if (token->kind == JOBSRV__TOKEN_JOB)
    jobsrv_job_ref(jobsrv__token_job(token));
  else
    atomic_fetch_add_explicit(&token->refs, 1, memory_order_relaxed);
  return token;
}

void jobsrv_token_unref(jobsrv_token_t *token) {
  jobsrv_token_t *parent;
  jobsrv__mailbox_t *mailbox;

  /* A loop, not recursion: a long chain may come apart here all at once. */
  while (token != NULL) {
    if (token->kind == JOBSRV__TOKEN_JOB) {
      jobsrv_job_unref(jobsrv__token_job(token));
      return;
    }
    if (atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) != 1 ||
        token->kind == JOBSRV__TOKEN_ROOT)
      return;
    parent = parent_of(token);
    if (parent != NULL && parent->kind == JOBSRV__TOKEN_ROOT)
      parent = NULL; /* not counted, and may go with the mailbox below */
    mailbox = jobsrv__token_server(token)->mailbox;
    jobsrv__token_detach(token);
    token->above = NULL;
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

  if (token->above != NULL)
    above = jobsrv_token_reason(token->above->parent);
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
    watch = JOBSRV__CONTAINER(token->watches.next, jobsrv_token_watch_t, link);
    link_remove(&watch->link);
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

  if (token->kind == JOBSRV__TOKEN_JOB)
    return jobsrv_job_cancel(jobsrv__token_job(token), reason);
  err = jobsrv__token_set(token, alloc_of(token), reason);
  if (err != 0)
    return err;
  if (jobsrv__on_loop(jobsrv__token_server(token))) {
    jobsrv__token_fire(token);
    return 0;
  }
  jobsrv_token_ref(token);
  token->look.run = on_look;
  if (jobsrv__mailbox_post(jobsrv__token_server(token)->mailbox,
                           &token->look) != 0)
    jobsrv_token_unref(token);
  return 0;
}

const jobsrv_reason_t *jobsrv_token_reason(const jobsrv_token_t *token) {
  const jobsrv_reason_t *reason;

  for (; token != NULL; token = parent_of(token)) {
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
  watch->link.next = NULL;
  watch->link.prev = NULL;
  if (jobsrv_token_reason(token) != NULL)
    return JOBSRV_ESETTLED;

  watch->link.next = &token->watches;
  watch->link.prev = token->watches.prev;
  watch->link.prev->next = &watch->link;
  watch->link.next->prev = &watch->link;
  return 0;
}

void jobsrv_token_unwatch(jobsrv_token_watch_t *watch) {
  if (watch->link.next != NULL)
    link_remove(&watch->link);
}
