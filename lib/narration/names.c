/* SPDX-License-Identifier: MIT */

#include "jobsrv/narrate.h"

static const char *const levels[JOBSRV_LEVEL_MAX] = {
#define XX(name, number, text) [number] = text,
  JOBSRV_LEVEL_MAP(XX)
#undef XX
};

static const char *const kinds[JOBSRV_KIND_MAX] = {
#define XX(name, text) [JOBSRV_KIND_##name] = text,
  JOBSRV_KIND_MAP(XX)
#undef XX
};

const char *jobsrv_level_name(int level) {
  if (level <= 0 || level >= JOBSRV_LEVEL_MAX)
    return "unknown";
  return levels[level];
}

const char *jobsrv_kind_name(jobsrv_kind_t kind) {
  return (unsigned int) kind < JOBSRV_KIND_MAX ? kinds[kind] : "unknown";
}
