/* SPDX-License-Identifier: MIT */

#include "base/mpsc.h"

#include <stddef.h>

/*
 * A producer takes its place by one exchange and then links the node before
 * it to its own; between the two, what lies behind is out of the consumer's
 * sight. The stub keeps the list from ever being without a node: it is pushed
 * again whenever the consumer wants the only one there is.
 */
void jobsrv__mpsc_init(jobsrv__mpsc_t *queue) {
  atomic_init(&queue->stub.next, NULL);
  atomic_init(&queue->newest, &queue->stub);
  queue->oldest = &queue->stub;
}

void jobsrv__mpsc_push(jobsrv__mpsc_t *queue, jobsrv__mpsc_node_t *node) {
  jobsrv__mpsc_node_t *before;

  atomic_store_explicit(&node->next, NULL, memory_order_relaxed);
  before = atomic_exchange_explicit(&queue->newest, node, memory_order_acq_rel);
  atomic_store_explicit(&before->next, node, memory_order_release);
}

jobsrv__mpsc_node_t *jobsrv__mpsc_pop(jobsrv__mpsc_t *queue) {
  jobsrv__mpsc_node_t *node = queue->oldest;
  jobsrv__mpsc_node_t *next =
      atomic_load_explicit(&node->next, memory_order_acquire);

  if (node == &queue->stub) {
    if (next == NULL)
      return NULL;
    queue->oldest = next;
    node = next;
    next = atomic_load_explicit(&node->next, memory_order_acquire);
  }
  if (next == NULL) {
    if (atomic_load_explicit(&queue->newest, memory_order_acquire) != node)
      return NULL;
    jobsrv__mpsc_push(queue, &queue->stub);
    next = atomic_load_explicit(&node->next, memory_order_acquire);
    if (next == NULL)
      return NULL;
  }
  queue->oldest = next;
  return node;
}

int jobsrv__mpsc_empty(const jobsrv__mpsc_t *queue) {
  return queue->oldest == &queue->stub &&
         atomic_load_explicit(&queue->newest, memory_order_acquire) ==
             &queue->stub;
}
