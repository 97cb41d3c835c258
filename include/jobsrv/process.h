/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_PROCESS_H
#define JOBSRV_PROCESS_H

/*
 * Process operations: a program is executed without a shell, in a process
 * group of its own, with standard input from the null device, no descriptor
 * above 2, an empty signal mask and default dispositions. Both outputs become
 * narration line by line, in the order of their coming; it begins with
 * "process_started" (pid) and ends with "process_exited" (code or signal, and
 * duration_ms), both of level debug. The record has the status in "process".
 *
 * A line that says nothing else is plain text: level info for standard output,
 * warn for standard error, action "stdout" or "stderr". Lines are cut at 64 KiB
 * and go on in the next event, which says so; bytes that are not UTF-8 are
 * replaced. A program in any language says more by printing whole lines of
 *
 *   {"action":"fetch","human":"3 of 10 files","level":"debug","files":3}
 *   {"type":"progress","done":3,"total":10,"unit":"files","phase":"copying"}
 *   {"type":"data","action":"found","payload":{"path":"a.txt"}}
 *   [fetcher] fetch : 3 of 10 files
 *
 * The first is an event: actor, action, target, human (or message, or msg),
 * cute, story, level, source, fn_name and the well-known fields of narrate.h
 * are what they are there; all other members are fields, with their types, and
 * so are those of an object "fields". It has at least an action or a text. Who
 * it is about is not the program's to say: a job_id, seq, time, correlation_id
 * or any other type becomes a field like others. Only a span_id is taken, when
 * the trace_id beside it is that of the TRACEPARENT that the program was given.
 * Progress has the members of jobsrv_progress_t; of data, action and payload
 * are kept. In the last form the actor has 1 to 15 and the action 1 to 30 of
 * [A-Za-z0-9_-]. Whatever is not quite one of these is plain, JSON too that
 * jobsrv_json_check() refuses at a depth of 64.
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

#define JOBSRV_OUTPUT_MAP(XX)                                                 \
  XX(AUTO, "auto")                                                            \
  XX(PLAIN, "plain")                                                          \
  XX(JSON, "json")                                                            \
  XX(BRACKET, "bracket")

/* As what lines are read: any of the forms above, none, or one of them. */
typedef enum {
#define XX(name, text) JOBSRV_OUTPUT_##name,
  JOBSRV_OUTPUT_MAP(XX)
#undef XX
  JOBSRV_OUTPUT_MAX
} jobsrv_output_t;

/* Without it, AUTO. Returns 0, or UV_EINVAL for one that is none. */
JOBSRV_EXTERN int jobsrv_process_output(jobsrv_process_t *process,
                                        jobsrv_output_t output);

/* The process id of a running process job, else 0. */
JOBSRV_EXTERN int jobsrv_job_pid(const jobsrv_job_t *job);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_PROCESS_H */
