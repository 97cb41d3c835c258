/* SPDX-License-Identifier: MIT */

#include "jobsrv/version.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

unsigned int jobsrv_version(void) {
  return JOBSRV_VERSION_HEX;
}

const char *jobsrv_version_string(void) {
  return TEXT(JOBSRV_VERSION_MAJOR) "." TEXT(JOBSRV_VERSION_MINOR) "." TEXT(
      JOBSRV_VERSION_PATCH);
}
