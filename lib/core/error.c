/* SPDX-License-Identifier: MIT */

#include "jobsrv/error.h"

#include <uv.h>

/* libuv's uv_strerror() allocates for codes it does not know; this does not. */
const char *jobsrv_strerror(int err) {
  switch (err) {
#define XX(name, number, text) case JOBSRV_##name: return text;
    JOBSRV_ERROR_MAP(XX)
#undef XX
#define XX(name, text) case UV_##name: return text;
    UV_ERRNO_MAP(XX)
#undef XX
    case 0: return "success";
    default: return "unknown error";
  }
}

const char *jobsrv_err_name(int err) {
  switch (err) {
#define XX(name, number, text) case JOBSRV_##name: return "JOBSRV_" #name;
    JOBSRV_ERROR_MAP(XX)
#undef XX
#define XX(name, text) case UV_##name: return #name;
    UV_ERRNO_MAP(XX)
#undef XX
    case 0: return "OK";
    default: return "UNKNOWN";
  }
}
