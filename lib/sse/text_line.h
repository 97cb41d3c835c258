/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_TEXT_LINE_H_
#define JOBSRV_SSE_TEXT_LINE_H_

/*
 * Events as lines for people, made of their JSON: "[actor] action : text". No
 * text acts on who shows it, and none can be taken for a marker.
 */

#include "base/buf.h"
#include "jobsrv/console.h"
#include "jobsrv/log.h"

/* A character, or the escape of one that would act; at most 6 bytes. */
size_t jobsrv__shown(char *to, uint32_t cp);

/*
 * Appends the `data:` lines of an event. A text past 64 KiB is cut, with a
 * mark. With `is_named` they begin with the end of the job's id.
 */
void jobsrv__text_lines(jobsrv__buf_t *buf,
                        const jobsrv_entry_t *entry,
                        jobsrv_voice_t voice,
                        int is_named);

#endif /* JOBSRV_SSE_TEXT_LINE_H_ */
