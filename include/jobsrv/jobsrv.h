/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_JOBSRV_H
#define JOBSRV_JOBSRV_H

/* All of libjobsrv; the transport is in sse.h, test help in testing.h. */

#include "jobsrv/alloc.h"
#include "jobsrv/args.h"
#include "jobsrv/console.h"
#include "jobsrv/context.h"
#include "jobsrv/emit.h"
#include "jobsrv/error.h"
#include "jobsrv/export.h"
#include "jobsrv/job.h"
#include "jobsrv/json.h"
#include "jobsrv/list.h"
#include "jobsrv/log.h"
#include "jobsrv/loop.h"
#include "jobsrv/metrics.h"
#include "jobsrv/narrate.h"
#include "jobsrv/operation.h"
#include "jobsrv/process.h"
#include "jobsrv/redact.h"
#include "jobsrv/schedule.h"
#include "jobsrv/sink.h"
#include "jobsrv/sinks.h"
#include "jobsrv/span.h"
#include "jobsrv/timer.h"
#include "jobsrv/token.h"
#include "jobsrv/version.h"
#include "jobsrv/wait.h"
#include "jobsrv/work.h"

#endif /* JOBSRV_JOBSRV_H */
