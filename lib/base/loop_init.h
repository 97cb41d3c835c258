/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_LOOP_INIT_H_
#define JOBSRV_BASE_LOOP_INIT_H_

#include <uv.h>

/*
 * uv_loop_init() for a loop of ours: none of its descriptors is one of the
 * three that programs print to, even when the host has closed those.
 */
int jobsrv__loop_init(uv_loop_t *loop);

#endif /* JOBSRV_BASE_LOOP_INIT_H_ */
