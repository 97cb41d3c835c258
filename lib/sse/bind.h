/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_BIND_H_
#define JOBSRV_SSE_BIND_H_

#include "sse/listener.h"

/*
 * Opens the socket of `listener` at its `address` as `options` say and has it
 * listen: fills `fd`, the port that was picked, and what the file is known by.
 * Returns 0 or what jobsrv_sse_listen() promises, nothing to undo.
 */
int jobsrv__bind(jobsrv__listener_t *listener,
                 const jobsrv_sse_listen_options_t *options);

/*
 * Takes over a socket that listens already; `given` is untouched if this fails.
 * `fd` is it or, where that is one that programs print to, another: the caller
 * closes `given` then, when nothing can fail any more.
 */
int jobsrv__bind_given(jobsrv__listener_t *listener, int given);

/* Removes the socket's file if it is still ours. */
void jobsrv__bind_remove(const jobsrv__listener_t *listener);

/*
 * A descriptor of the host's that is to be ours: itself, or a copy above the
 * three that programs print to. Returns it or a negative code.
 */
int jobsrv__fd_given(int given);

/* Undoes that, or ends it: closes whichever of the two is not kept. */
void jobsrv__fd_settle(int given, int own, int is_taken);

#endif /* JOBSRV_SSE_BIND_H_ */
