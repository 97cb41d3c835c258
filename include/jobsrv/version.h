/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_VERSION_H
#define JOBSRV_VERSION_H

#include "jobsrv/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What these headers belong to. CMake reads the numbers from here. */
#define JOBSRV_VERSION_MAJOR 0
#define JOBSRV_VERSION_MINOR 1
#define JOBSRV_VERSION_PATCH 0

/* 0xMMmmpp, for comparisons at compile time. */
#define JOBSRV_VERSION_HEX                                                    \
  ((JOBSRV_VERSION_MAJOR << 16) | (JOBSRV_VERSION_MINOR << 8) |               \
   JOBSRV_VERSION_PATCH)

/* [any] JOBSRV_VERSION_HEX of the library that is running. */
JOBSRV_EXTERN unsigned int jobsrv_version(void);

/* [any] The same as text: "0.1.0". */
JOBSRV_EXTERN const char *jobsrv_version_string(void);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_VERSION_H */
