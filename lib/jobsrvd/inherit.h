/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_INHERIT_H
#define JOBSRVD_INHERIT_H

/* Sockets that come from outside, and socket files that others may use. */

#include "settings.h"

/*
 * Takes the sockets that a service manager passes (LISTEN_PID, LISTEN_FDS,
 * LISTEN_FDNAMES, as sd_listen_fds(3)) into `settings->inherited`, and those
 * variables out of the environment, which is that of children too.
 *
 * Returns 0, also when there are none or they are somebody else's; -1 after a
 * complaint.
 */
int jobsrvd_inherit(jobsrvd_settings_t *settings);

/* Each returns 0, or -1 with what was expected in `*mistake`. */
int jobsrvd_socket_mode(jobsrvd_socket_t *socket,
                        const char *text,
                        const char **mistake);
int jobsrvd_socket_owner(jobsrvd_socket_t *socket,
                         const char *text,
                         const char **mistake);

#endif /* JOBSRVD_INHERIT_H */
