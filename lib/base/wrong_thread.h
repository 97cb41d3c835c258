/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_WRONG_THREAD_H_
#define JOBSRV_BASE_WRONG_THREAD_H_

/* Names the call on standard error and aborts; debug builds only. */
void jobsrv__wrong_thread(const char *call);

#endif /* JOBSRV_BASE_WRONG_THREAD_H_ */
