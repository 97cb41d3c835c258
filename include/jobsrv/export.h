/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_EXPORT_H
#define JOBSRV_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
# define JOBSRV_EXTERN __attribute__((visibility("default")))
# define JOBSRV_NODISCARD __attribute__((warn_unused_result))
# define JOBSRV_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
# define JOBSRV_EXTERN
# define JOBSRV_NODISCARD
# define JOBSRV_PRINTF(f, a)
#endif

#endif /* JOBSRV_EXPORT_H */
