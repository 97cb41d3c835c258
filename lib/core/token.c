/* SPDX-License-Identifier: MIT */

#include "core/token.h"

#include "base/alloc.h"
#include "core/server.h"

#include <assert.h>

/*
 * A child is nothing more than one more watch on its parent, so the tree needs
 * no list of its own: cancelling runs down it as watches fire, on the loop.
 * Other threads need not wait for that: a token without a reason looks upward,
 * along parents that never change, while there are reasons in the server that
 * the loop has not yet taken down to all that is below them.
 *
 * A reason belongs to the token it was set on, or to nobody when it has no
 * text. A token that inherits one points to its ancestor's, which its
 * reference keeps. What a child job is told stands beside what was said to its
 * parent from the first, so that telling it needs no memory.
 */
typedef struct told_s {
  jobsrv_reason_t reason;
  const jobsrv_token_t *owner; /* NULL: whoever owns what is beside it */
} told;

typedef struct owned_reason_s {
  told own;
  told family; /* the same text and actor, as a parent's fate */
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

/* Of one attempt only: each gives way to a request to cancel the job. */
static const jobsrv_reason_t of_attempt[] = {
  { JOBSRV_REASON_ATTEMPT_TIMEOUT, NULL, NULL },
  { JOBSRV_REASON_SILENCE, NULL, NULL },
};

/* Stands in a token that can no longer be set. */
static const jobsrv_reason_t sealed = { JOBSRV_REASON_MAX, NULL, NULL };

/* The same, of a job that has failed without anybody's asking it to stop. */
static const jobsrv_reason_t lapsed = { JOBSRV_REASON_MAX, NULL, NULL };

static const char *const names[JOBSRV_REASON_MAX] = {
#define XX(name, text) text,
  JOBSRV_REASON_MAP(XX)
#undef XX
};

const char *jobsrv_reason_name(jobsrv_reason_code_t code) {
  return (unsigned int) code < JOBSRV_REASON_MAX ? names[code] : "unknown";
}

int jobsrv__reason_of_attempt(const jobsrv_reason_t *reason) {
  return reason == &of_attempt[0] || reason == &of_attempt[1];
}

/* Whether what stands in a token lets a reason of that code take its place. */
static int gives_way(const jobsrv_reason_t *there, jobsrv_reason_code_t code) {
  return there == NULL ||
         (jobsrv__reason_of_attempt(there) && code <= JOBSRV_REASON_PARENT);
}

static int is_sealed(const jobsrv_reason_t *reason) {
  return reason == &sealed || reason == &lapsed;
}

static int is_bare(const jobsrv_reason_t *reason) {
  for (size_t i = 0; i < JOBSRV_REASON_MAX; i++)
    if (reason == &bare[i])
      return 1;
  return is_sealed(reason) || jobsrv__reason_of_attempt(reason);
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

/* What a parent's child jobs are told of its reason. */
static const jobsrv_reason_t *for_family(const jobsrv_reason_t *reason) {
  const told *own = CONST_CONTAINER(reason, told, reason);

  if (reason->code == JOBSRV_REASON_PARENT)
    return reason;
  if (is_bare(reason))
    return &bare[JOBSRV_REASON_PARENT];
  return &CONST_CONTAINER(own, owned_reason, own)->family.reason;
}

static void reason_free(const jobsrv_token_t *token) {
  const jobsrv_reason_t *reason = atomic_load(&token->reason);
  const told *own;

  if (reason == NULL || is_bare(reason))
    return;
  own = CONST_CONTAINER(reason, told, reason);
  if (own->owner == token)
    jobsrv__free(alloc_of(token),
                 (void *) (uintptr_t) CONST_CONTAINER(own, owned_reason, own));
}

static void link_remove(jobsrv_token_link_t *link) {
  assert(link->next != NULL && link->prev != NULL);
  link->prev->next = link->next;
  link->next->prev = link->prev;
  link->next = NULL;
  link->prev = NULL;
}

/* Known by its address: to go down to a child is the walk's own business. */
static void on_above(jobsrv_token_watch_t *watch,
                     const jobsrv_reason_t *reason) {
  (void) watch;
  (void) reason;
}

static jobsrv_token_t *child_of(const jobsrv_token_watch_t *watch) {
  return watch->cb == on_above ? watch->data : NULL;
}

void jobsrv__token_init(jobsrv_token_t *token,
                        unsigned int kind,
                        jobsrv_token_t *parent,
                        jobsrv__token_above_t *above) {
  memset(token, 0, sizeof(*token));
  atomic_init(&token->reason, NULL);
  atomic_init(&token->refs, 1);
  token->kind = (uint8_t) kind;
  token->watches.next = &token->watches;
  token->watches.prev = &token->watches;
  if (parent == NULL)
    return;
  token->above = above;
  above->parent = jobsrv_token_ref(parent);
  above->watch.data = token;
  if (above->is_family && is_sealed(atomic_load(&parent->reason)))
    atomic_init(&token->reason, &bare[JOBSRV_REASON_PARENT]);
  else if (jobsrv_token_watch(parent, &above->watch, on_above))
    jobsrv__token_adopt(token);
}

void jobsrv__token_detach(jobsrv_token_t *token) {
  if (token->above != NULL)
    jobsrv_token_unwatch(&token->above->watch);
}

jobsrv_token_t *jobsrv__token_clear(jobsrv_token_t *token) {
  jobsrv_token_t *parent = parent_of(token);

  jobsrv__token_detach(token);
  while (token->watches.next != &token->watches)
    link_remove(token->watches.next);
  reason_free(token);
  token->above = NULL;
  return parent;
}

int jobsrv_token_new(jobsrv_token_t **out,
                     jobsrv_t *srv,
                     jobsrv_token_t *parent) {
  JOBSRV__ASSERT_LOOP(srv);
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

/* Drops a reference; returns the parent, to be dropped next, or NULL. */
static jobsrv_token_t *own_drop(jobsrv_token_t *token) {
  jobsrv__mailbox_t *mailbox;
  jobsrv_token_t *parent;

  if (atomic_fetch_sub_explicit(&token->refs, 1, memory_order_acq_rel) != 1 ||
      token->kind == JOBSRV__TOKEN_ROOT)
    return NULL;
  mailbox = jobsrv__token_server(token)->mailbox;
  parent = jobsrv__token_clear(token);
  if (parent != NULL && parent->kind == JOBSRV__TOKEN_ROOT)
    parent = NULL; /* not counted, and may go with the mailbox below */
  jobsrv__free(alloc_of(token), token);
  jobsrv__mailbox_unref(mailbox);
  return parent;
}

void jobsrv_token_unref(jobsrv_token_t *token) {
  /* A loop, not recursion: a long chain may come apart here all at once. */
  while (token != NULL)
    token = token->kind == JOBSRV__TOKEN_JOB
                ? jobsrv__job_drop(jobsrv__token_job(token))
                : own_drop(token);
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
  owned->own.owner = token;
  owned->own.reason.code = from->code;
  if (from->text != NULL) {
    memcpy(owned->texts, from->text, text);
    owned->own.reason.text = owned->texts;
  }
  if (from->actor != NULL) {
    memcpy(owned->texts + text + 1, from->actor, actor);
    owned->own.reason.actor = owned->texts + text + 1;
  }
  owned->family.reason = owned->own.reason;
  owned->family.reason.code = JOBSRV_REASON_PARENT;
  return &owned->own.reason;
}

int jobsrv__token_set(jobsrv_token_t *token,
                      const jobsrv_alloc_t *alloc,
                      const jobsrv_reason_t *reason) {
  jobsrv_t *srv = jobsrv__token_server(token);
  const jobsrv_reason_t *mine;
  const jobsrv_reason_t *there = NULL;

  if (reason == NULL)
    reason = &bare[JOBSRV_REASON_REQUESTED];
  if ((unsigned int) reason->code >= JOBSRV_REASON_MAX)
    return UV_EINVAL;
  jobsrv__token_adopt(token); /* what is set above was first */
  there = atomic_load_explicit(&token->reason, memory_order_acquire);
  if (!gives_way(there, reason->code))
    return is_sealed(there) ? JOBSRV_EENDED : JOBSRV_ESETTLED;
  mine = &bare[reason->code];
  if (reason->text != NULL || reason->actor != NULL)
    mine = reason_copy(token, alloc, reason);
  if (mine == NULL)
    return UV_ENOMEM;

  /* from before it is set, or one below might not look up and miss it */
  atomic_fetch_add_explicit(&srv->unheard, 1, memory_order_relaxed);
  while (gives_way(there, mine->code))
    if (atomic_compare_exchange_strong_explicit(&token->reason, &there, mine,
                                                memory_order_acq_rel,
                                                memory_order_acquire))
      return 0;
  atomic_fetch_sub_explicit(&srv->unheard, 1, memory_order_release);
  if (!is_bare(mine))
    jobsrv__free(alloc, (void *) (uintptr_t) CONST_CONTAINER(
                            CONST_CONTAINER(mine, told, reason), owned_reason,
                            own));
  return is_sealed(there) ? JOBSRV_EENDED : JOBSRV_ESETTLED;
}

/* What comes to a token from above. */
static const jobsrv_reason_t *inherited(const jobsrv_token_t *token) {
  const jobsrv_token_t *parent = parent_of(token);
  const jobsrv_reason_t *reason;

  if (parent == NULL)
    return NULL;
  reason = jobsrv_token_reason(parent);
  if (token->above->is_family) {
    if (reason == NULL && atomic_load(&parent->reason) == &lapsed)
      return &bare[JOBSRV_REASON_PARENT];
    return reason != NULL ? for_family(reason) : NULL;
  }
  /* what is below an attempt has only that one */
  return jobsrv__reason_of_attempt(reason) ? &bare[reason->code] : reason;
}

void jobsrv__token_adopt(jobsrv_token_t *token) {
  const jobsrv_reason_t *above = inherited(token);
  const jobsrv_reason_t *there;

  if (above == NULL)
    return;
  there = atomic_load_explicit(&token->reason, memory_order_acquire);
  while (gives_way(there, above->code))
    if (atomic_compare_exchange_strong(&token->reason, &there, above))
      return;
}

void jobsrv__token_seal(jobsrv_token_t *token) {
  const jobsrv_reason_t *there =
      atomic_load_explicit(&token->reason, memory_order_acquire);

  /* mostly there is one, and looking is far cheaper than trying */
  while (there == NULL || jobsrv__reason_of_attempt(there))
    if (atomic_compare_exchange_strong(
            &token->reason, &there,
            there == NULL ? &sealed : &bare[there->code]))
      return;
}

void jobsrv__token_set_attempt(jobsrv_token_t *token,
                               jobsrv_reason_code_t code) {
  const jobsrv_reason_t *none = NULL;

  atomic_compare_exchange_strong(
      &token->reason, &none,
      &of_attempt[code == JOBSRV_REASON_SILENCE]);
}

int jobsrv__token_reset_attempt(jobsrv_token_t *token) {
  const jobsrv_reason_t *there =
      atomic_load_explicit(&token->reason, memory_order_acquire);

  if (jobsrv__reason_of_attempt(there) &&
      atomic_compare_exchange_strong(&token->reason, &there, NULL))
    there = NULL;
  return there == NULL;
}

/* The first watch, taken off; NULL when there is none. */
static jobsrv_token_watch_t *take_watch(jobsrv_token_t *token) {
  jobsrv_token_watch_t *watch;

  if (token->watches.next == &token->watches)
    return NULL;
  watch = JOBSRV__CONTAINER(token->watches.next, jobsrv_token_watch_t, link);
  link_remove(&watch->link);
  return watch;
}

/* One more level down, which the walk comes back from over `above`. */
static void enter(jobsrv_token_t *token) {
  (void) jobsrv_token_ref(token);
  token->walked = 1;
  jobsrv__token_adopt(token);
  if (token->kind == JOBSRV__TOKEN_JOB)
    jobsrv__job_look(jobsrv__token_job(token));
}

/* In the context of the job whose token it is, if it is one's. */
static void call(jobsrv_token_watch_t *watch, const jobsrv_token_t *token) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(token);

  if (token->kind == JOBSRV__TOKEN_JOB)
    JOBSRV__WITHIN(jobsrv__token_job(token), watch->cb(watch, reason));
  else
    watch->cb(watch, reason);
}

void jobsrv__token_fire(jobsrv_token_t *token) {
  jobsrv_t *srv = jobsrv__token_server(token);
  jobsrv_token_t *at = token;
  jobsrv_token_watch_t *watch;
  jobsrv_token_t *up;

  if (token->walked || token->watches.next == &token->watches)
    return;
  /* Taken one at a time from the front, since a callback may unwatch any of
   * the others; held on to, since it may drop the caller's reference. Not by
   * recursion: the tree may be deeper than the stack. */
  atomic_fetch_add_explicit(&srv->unheard, 1, memory_order_relaxed);
  (void) jobsrv_token_ref(token);
  token->walked = 1;
  for (;;) {
    watch = take_watch(at);
    if (watch == NULL) {
      at->walked = 0;
      if (at == token)
        break;
      up = parent_of(at);
      jobsrv_token_unref(at);
      at = up;
    } else if (child_of(watch) == NULL) {
      call(watch, at);
    } else if (!child_of(watch)->walked) {
      at = child_of(watch);
      enter(at);
    }
  }
  atomic_fetch_sub_explicit(&srv->unheard, 1, memory_order_release);
  jobsrv_token_unref(token);
}

void jobsrv__token_tell(jobsrv_token_t *token) {
  uint8_t walked = token->walked;

  (void) jobsrv_token_ref(token);
  token->walked = 0;
  jobsrv__token_fire(token);
  token->walked = walked;
  jobsrv_token_unref(token);
}

void jobsrv__token_heard(jobsrv_token_t *token) {
  (void) jobsrv_token_ref(token); /* it keeps the server's memory, too */
  jobsrv__token_fire(token);
  atomic_fetch_sub_explicit(&jobsrv__token_server(token)->unheard, 1,
                            memory_order_release);
  jobsrv_token_unref(token);
}

static void link_move(jobsrv_token_link_t *to, jobsrv_token_link_t *link) {
  link_remove(link);
  link->next = to;
  link->prev = to->prev;
  link->prev->next = link;
  to->prev = link;
}

void jobsrv__token_lapse(jobsrv_token_t *token) {
  const jobsrv_reason_t *expected = &sealed;
  jobsrv_token_link_t others = { &others, &others };
  jobsrv_token_link_t *link, *next;
  const jobsrv_token_t *child;

  if (!atomic_compare_exchange_strong(&token->reason, &expected, &lapsed) ||
      token->watches.next == &token->watches)
    return;
  for (link = token->watches.next; link != &token->watches; link = next) {
    next = link->next;
    child = child_of(JOBSRV__CONTAINER(link, jobsrv_token_watch_t, link));
    if (child == NULL || !child->above->is_family)
      link_move(&others, link);
  }
  jobsrv__token_fire(token);
  while (others.next != &others)
    link_move(&token->watches, others.next);
}

static void on_look(jobsrv__mail_t *mail, void *owner) {
  jobsrv_token_t *token = JOBSRV__CONTAINER(mail, jobsrv_token_t, look);

  if (owner != NULL)
    jobsrv__token_heard(token);
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
    jobsrv__token_heard(token);
    return 0;
  }
  jobsrv_token_ref(token);
  token->look.run = on_look;
  if (jobsrv__mailbox_post(jobsrv__token_server(token)->mailbox,
                           &token->look) != 0)
    jobsrv_token_unref(token);
  return 0;
}

/* The reason of a token whose ancestors the loop has not looked at yet. */
static const jobsrv_reason_t *look_up(const jobsrv_token_t *token) {
  const jobsrv_reason_t *of_this = NULL; /* attempt, if nothing else is set */
  const jobsrv_reason_t *reason;
  int is_family = 0;

  for (; token != NULL; token = parent_of(token)) {
    reason = atomic_load_explicit(&token->reason, memory_order_acquire);
    if (reason == &lapsed && is_family)
      return &bare[JOBSRV_REASON_PARENT];
    if (is_sealed(reason))
      break;
    if (reason != NULL && is_family)
      return for_family(reason);
    if (jobsrv__reason_of_attempt(reason))
      of_this = of_this != NULL ? of_this : reason;
    else if (reason != NULL)
      return reason;
    is_family |= token->above != NULL && token->above->is_family;
  }
  return of_this;
}

const jobsrv_reason_t *jobsrv_token_reason(const jobsrv_token_t *token) {
  const jobsrv_reason_t *reason;
  unsigned int unheard = 0;

  if (token->above != NULL) /* before its own: see jobsrv__token_set() */
    unheard = atomic_load_explicit(&jobsrv__token_server(token)->unheard,
                                   memory_order_acquire);
  reason = atomic_load_explicit(&token->reason, memory_order_acquire);
  if (is_sealed(reason))
    return NULL;
  if (unheard == 0 || (reason != NULL && !jobsrv__reason_of_attempt(reason)))
    return reason;
  return look_up(token);
}

int jobsrv_token_watch(jobsrv_token_t *token,
                       jobsrv_token_watch_t *watch,
                       jobsrv_token_watch_cb cb) {
  JOBSRV__ASSERT_LOOP(jobsrv__token_server(token));
  assert(cb != NULL);

  watch->cb = cb;
  watch->link.next = NULL;
  watch->link.prev = NULL;
  if (jobsrv_token_reason(token) != NULL)
    return JOBSRV_ESETTLED;
  if (is_sealed(atomic_load(&token->reason)))
    return 0; /* of a job that has ended, whose children may be going down */

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
