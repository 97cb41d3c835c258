/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_MPSC_H_
#define JOBSRV_BASE_MPSC_H_

/*
 * An intrusive queue with many producers and one consumer. Pushing never waits
 * and never fails. One producer's nodes keep their order; across producers the
 * order is that of the exchange inside push.
 */

#include <stdatomic.h>

typedef struct jobsrv__mpsc_s jobsrv__mpsc_t;
typedef struct jobsrv__mpsc_node_s jobsrv__mpsc_node_t;

struct jobsrv__mpsc_node_s {
  _Atomic(jobsrv__mpsc_node_t *) next;
};

struct jobsrv__mpsc_s {
  _Atomic(jobsrv__mpsc_node_t *) newest; /* producers meet here */
  char apart[64 - sizeof(void *)];       /* and not on the consumer's line */
  jobsrv__mpsc_node_t *oldest;
  jobsrv__mpsc_node_t stub;
};

void jobsrv__mpsc_init(jobsrv__mpsc_t *queue);

/* [any] The queue has the node until it is popped. */
void jobsrv__mpsc_push(jobsrv__mpsc_t *queue, jobsrv__mpsc_node_t *node);

/*
 * Consumer only. The oldest node, which is the caller's again. NULL when the
 * queue is empty, or when the next node's push has begun and not ended: its
 * producer must give notice after pushing, or the consumer look again.
 */
jobsrv__mpsc_node_t *jobsrv__mpsc_pop(jobsrv__mpsc_t *queue);

/* Consumer only. 0 from the moment a push has taken its place in the order. */
int jobsrv__mpsc_empty(const jobsrv__mpsc_t *queue);

#endif /* JOBSRV_BASE_MPSC_H_ */
