/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_TICKET_H_
#define JOBSRV_SSE_TICKET_H_

/*
 * A ticket lets whoever has it watch one job, for EventSource, which cannot
 * send headers. It says when it was made and proves it with a key that is new
 * in each transport. It has to be used first within its time; from then on it
 * holds as long as the job is there.
 */

#include "sse/request.h"

enum {
  JOBSRV__TICKET_LEN = 48, /* hex digits: 16 of the time, 32 of the proof */
  JOBSRV__TICKET_SIZE = JOBSRV__TICKET_LEN + 1
};

void jobsrv__tickets_free(jobsrv_sse_t *sse);

void jobsrv__ticket_make(const jobsrv_sse_t *sse,
                         const jobsrv_job_t *job,
                         char to[JOBSRV__TICKET_SIZE]);

/* A link of the chain: looks for a ticket where one may be. */
jobsrv_sse_verdict_t jobsrv__ticket_request(void *self,
                                            jobsrv__request_t *request);

/* POST P/jobs/{id}/ticket */
void jobsrv__jobs_ticket(jobsrv__request_t *request, void *data);

#endif /* JOBSRV_SSE_TICKET_H_ */
