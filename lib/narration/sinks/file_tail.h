/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_SINKS_FILE_TAIL_H_
#define JOBSRV_NARRATION_SINKS_FILE_TAIL_H_

#include "jobsrv/alloc.h"

#include <sys/types.h>

/*
 * The end of a file of lines that has just been opened: a last line without an
 * end gets one, if it is whole JSON, or is removed; not while another writer
 * has the file, whose line it may be. Marks the file as being written.
 * Returns 1 if a part of a line is left there.
 */
int jobsrv__file_repair(int fd, const jobsrv_alloc_t *alloc);

/*
 * Cuts the file from `end`, where it has to end, to `to`, unless others write
 * it too. Returns 1 if it did.
 */
int jobsrv__file_cut(int fd, off_t end, off_t to);

#endif /* JOBSRV_NARRATION_SINKS_FILE_TAIL_H_ */
