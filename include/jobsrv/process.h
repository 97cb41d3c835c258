/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_PROCESS_H
#define JOBSRV_PROCESS_H

/*
 * Process operations: a program is executed without a shell, in a process
 * group of its own, with standard input from the null device, no descriptor
 * above 2, an empty signal mask and default dispositions. Both outputs become
 * narration line by line: level info for standard output, warn for standard
 * error, action "stdout" or "stderr". Lines are cut at 64 KiB and go on in the
 * next event, which says so; bytes that are not UTF-8 are replaced.
 *
 * A request to stop sends SIGTERM to the group, and SIGKILL after the grace.
 * The job ends when the leader has exited and both pipes are at end of file,
 * at most 2 s after the exit or at the end of the grace, whichever is first;
 * what is left of the group is killed before the leader is reaped. A
 * descendant that leaves the group is not chased.
 */

#include "jobsrv/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

/* These are for use inside `prepare`. Texts are copied. */

/*
 * Adds one argument; the first is the program: a path, or a name looked up in
 * the PATH of the environment given to the child, else of /usr/bin:/bin.
 * Returns 0 or UV_ENOMEM.
 */
JOBSRV_EXTERN int jobsrv_process_arg(jobsrv_process_t *process,
                                     const char *arg);

/*
 * Sets one variable of the child's environment. The library reads none of the
 * host's: beside these the child is given only what tells it what it is part
 * of, each unless it is set here. TRACEPARENT (with the attempt as the parent)
 * and TRACESTATE of W3C Trace Context, JOBSRV_JOB_ID, JOBSRV_CORRELATION_ID and
 * JOBSRV_REQUEST_ID. Returns 0, UV_ENOMEM, or UV_EINVAL for an empty name or
 * one with '='.
 */
JOBSRV_EXTERN int jobsrv_process_env(jobsrv_process_t *process,
                                     const char *name,
                                     const char *value);

/* The folder to run in; without it, the host's. Returns 0 or UV_ENOMEM. */
JOBSRV_EXTERN int jobsrv_process_cwd(jobsrv_process_t *process,
                                     const char *path);

/* The process id of a running process job, else 0. */
JOBSRV_EXTERN int jobsrv_job_pid(const jobsrv_job_t *job);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_PROCESS_H */
