/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_SHOW_H_
#define JOBSRV_NARRATION_SHOW_H_

/* Text for people, in renderings that are text and not JSON. */

#include "base/buf.h"

/*
 * Appends `text` as it may stand in one line on a terminal. Escaped as \x1b or
 * \u202e are controls, line ends of every kind, what turns the direction of
 * writing, and what takes no room and so could hide; bytes that are not UTF-8
 * come as U+FFFD. Emoji stay whole: joined ones, with their selectors, skin
 * tones, keycaps, and flags.
 */
void jobsrv__show(jobsrv__buf_t *buf, const char *text, size_t len);

/*
 * Appends `text` as a JSON string with its quotes, in which what takes no room
 * is escaped too, by the same rule; it reads back the same.
 */
void jobsrv__show_quoted(jobsrv__buf_t *buf, const char *text, size_t len);

#endif /* JOBSRV_NARRATION_SHOW_H_ */
