/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ERROR_H
#define JOBSRV_ERROR_H

#include "jobsrv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Every fallible call returns 0 or a negative code. Codes from libuv
 * (UV_ENOMEM, UV_EINVAL, ...) pass through untouched; the library's own start
 * at -5001, below everything libuv uses. A published number never changes.
 *
 * A call that fails has no effect: what it was to fill is untouched.
 */
#define JOBSRV_ERROR_MAP(XX)                                                  \
  XX(ESETTLED, -5001, "already settled by an earlier call")                   \
  XX(ESTATE, -5002, "not allowed in the job's present state")                 \
  XX(ENOJOB, -5003, "no such job")                                            \
  XX(EEXPIRED, -5004, "the job's retention has ended")                        \
  XX(ECLOSED, -5005, "the server is closed")                                  \
  XX(EDRAINING, -5006, "the server is draining and takes no new work")        \
  XX(EOPTIONS, -5007, "options struct has an unknown size or setting")        \
  XX(EENDED, -5008, "the job has ended")                                      \
  XX(ENOOPERATION, -5009, "no such operation")                                \
  XX(EQUEUEFULL, -5010, "the queue is full")                                  \
  XX(EJOBSFULL, -5011, "too many live jobs")                                  \
  XX(EPAYLOAD, -5012, "the operation refused the payload")                    \
  XX(EJSON, -5013, "not valid JSON")                                          \
  XX(EFORKED, -5014, "the process has forked since the server was made")      \
  XX(ENOTCANCELLABLE, -5015, "the operation cannot be cancelled now")         \
  XX(CANCELLED, -5016, "cancelled")                                           \
  XX(EDROPPED, -5017, "dropped: the inbox is full")                           \
  XX(EEXISTS, -5018, "the name is taken")                                     \
  XX(EBADCURSOR, -5019, "cursor malformed or beyond the last event")          \
  XX(ETOOBIG, -5020, "larger than its limit")                                 \
  XX(ENOCONTEXT, -5021, "no job given and none in this thread's context")     \
  XX(ECONFLICT, -5022, "a live job holds the unique key")                     \
  XX(ECYCLE, -5023, "the jobs would wait for each other")                     \
  XX(ENOARG, -5024, "the payload has no such member")                         \
  XX(EARGTYPE, -5025, "the member of the payload has another type")           \
  XX(ECRON, -5026, "not a cron expression")                                   \
  XX(EZONE, -5027, "no such time zone")                                       \
  XX(EONLOOP, -5028, "would block the loop thread")                           \
  XX(ERUNNING, -5029, "the server's own thread is running it")

enum {
#define XX(name, number, text) JOBSRV_##name = number,
  JOBSRV_ERROR_MAP(XX)
#undef XX
  JOBSRV_OK = 0
};

/* [any] A constant string for any code, ours or libuv's. Never NULL. */
JOBSRV_EXTERN const char *jobsrv_strerror(int err);

/* [any] "JOBSRV_ESTATE", "ENOMEM", ...; "UNKNOWN" for a code nobody defines. */
JOBSRV_EXTERN const char *jobsrv_err_name(int err);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_ERROR_H */
