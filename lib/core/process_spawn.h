/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_PROCESS_SPAWN_H_
#define JOBSRV_CORE_PROCESS_SPAWN_H_

/* What to execute, and executing it: no job, no loop. */

#include "base/buf.h"
#include "jobsrv/process.h"

#include <sys/types.h>

/* What `prepare` fills. */
struct jobsrv_process_s {
  const jobsrv_alloc_t *alloc;
  jobsrv__buf_t args; /* strings, one behind the other, each with its NUL */
  jobsrv__buf_t env;  /* likewise, NAME=VALUE */
  char *cwd;
  jobsrv_output_t output;
  int failed;         /* a text could not be kept: nothing may be run */
};

void jobsrv__plan_init(jobsrv_process_t *plan, const jobsrv_alloc_t *alloc);
void jobsrv__process_plan_free(jobsrv_process_t *plan);

/* Tells the child what it is part of, where `prepare` has not said it. */
void jobsrv__process_identify(jobsrv_process_t *process,
                              const jobsrv_job_t *job);

/*
 * A pipe whose ends are close-on-exec and above the three that the child is
 * given; the reading end does not block. Returns 0 or a negative errno.
 */
int jobsrv__pipe_open(int fds[2]);

/*
 * Executes the plan in a process group of its own, with `outputs` as standard
 * output and error. The caller still has to reap it.
 *
 * Returns 0; UV_ENOMEM; or the negative errno of what could not be done: the
 * lookup, the change of folder, the execution.
 */
int jobsrv__spawn(const jobsrv_process_t *plan,
                  const int outputs[2],
                  pid_t *pid);

/*
 * For a child that has been sent SIGKILL: reaps it, waiting for up to 100 ms.
 * `pidfd` may be -1. One that the kernel cannot end by then (it hangs in a
 * device) is left; it is the host's child and becomes a zombie of the host.
 */
void jobsrv__reap_soon(pid_t pid, int pidfd);

#endif /* JOBSRV_CORE_PROCESS_SPAWN_H_ */
