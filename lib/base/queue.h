/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_QUEUE_H_
#define JOBSRV_BASE_QUEUE_H_

/*
 * An intrusive ring. The same struct is the head of a queue and the link
 * inside each member; a link that is zeroed is in no queue.
 */

#include <stddef.h>

/* The struct of `type` whose `member` is what `ptr` points to. */
#define JOBSRV__CONTAINER(ptr, type, member)                                  \
  ((type *) (void *) ((char *) (ptr) - offsetof(type, member)))

typedef struct jobsrv__queue_s jobsrv__queue_t;

struct jobsrv__queue_s {
  jobsrv__queue_t *next;
  jobsrv__queue_t *prev;
};

/* Makes an empty queue of a head. A member's link is zeroed instead. */
static inline void jobsrv__queue_init(jobsrv__queue_t *head) {
  head->next = head;
  head->prev = head;
}

static inline int jobsrv__queue_empty(const jobsrv__queue_t *head) {
  return head->next == head;
}

/* Whether a member is in a queue, whichever. */
static inline int jobsrv__queue_linked(const jobsrv__queue_t *link) {
  return link->next != NULL;
}

/* `link` must be in no queue. */
static inline void jobsrv__queue_push_back(jobsrv__queue_t *head,
                                           jobsrv__queue_t *link) {
  link->next = head;
  link->prev = head->prev;
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a ring has no end */
  head->prev->next = link;
  head->prev = link;
}

/* `link` must be in no queue. */
static inline void jobsrv__queue_push_front(jobsrv__queue_t *head,
                                            jobsrv__queue_t *link) {
  link->next = head->next;
  link->prev = head;
  head->next->prev = link;
  head->next = link;
}

/* Harmless on a link that is in no queue. */
static inline void jobsrv__queue_remove(jobsrv__queue_t *link) {
  if (link->next == NULL)
    return;
  link->prev->next = link->next;
  link->next->prev = link->prev;
  link->next = NULL;
  link->prev = NULL;
}

/* The first member, still in the queue; NULL when there is none. */
static inline jobsrv__queue_t *jobsrv__queue_front(
    const jobsrv__queue_t *head) {
  return head->next != head ? head->next : NULL;
}

/* The last one. */
static inline jobsrv__queue_t *jobsrv__queue_back(const jobsrv__queue_t *head) {
  return head->prev != head ? head->prev : NULL;
}

/* The member behind `link`, NULL at the end. */
static inline jobsrv__queue_t *jobsrv__queue_next(const jobsrv__queue_t *head,
                                                  const jobsrv__queue_t *link) {
  return link->next != head ? link->next : NULL;
}

/* Takes the first member out; NULL when there is none. */
static inline jobsrv__queue_t *jobsrv__queue_pop(jobsrv__queue_t *head) {
  jobsrv__queue_t *link = jobsrv__queue_front(head);

  if (link != NULL)
    jobsrv__queue_remove(link);
  return link;
}

/*
 * All members of `from`, in their order, become the members of `to`, whatever
 * `to` held before (a head need not be initialised). `from` is empty after it.
 */
static inline void jobsrv__queue_move(jobsrv__queue_t *to,
                                      jobsrv__queue_t *from) {
  jobsrv__queue_init(to);
  if (jobsrv__queue_empty(from))
    return;
  to->next = from->next;
  to->prev = from->prev;
  /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a ring has no end */
  to->next->prev = to;
  to->prev->next = to;
  jobsrv__queue_init(from);
}

#endif /* JOBSRV_BASE_QUEUE_H_ */
