/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ADAPTERS_GLIB_H
#define JOBSRV_ADAPTERS_GLIB_H
/*
 * A server that was made without a loop, in a GLib main context: attach what
 * jobsrv_glib_source() returns with g_source_attach(), then g_source_unref()
 * it. The context keeps it until the server has closed, and then frees it.
 */
#include "jobsrv/loop.h"
#include <glib.h>

typedef struct jobsrv_glib_s {
  GSource source;
  jobsrv_t *srv;
  gpointer fd;
} jobsrv_glib_t;
static inline gboolean jobsrv_glib_prepare(GSource *source, gint *ms) {
  *ms = jobsrv_timeout_ms(((jobsrv_glib_t *) source)->srv);
  return *ms == 0;
}
static inline gboolean jobsrv_glib_check(GSource *source) {
  return g_source_query_unix_fd(source, ((jobsrv_glib_t *) source)->fd) != 0 ||
         jobsrv_timeout_ms(((jobsrv_glib_t *) source)->srv) == 0;
}
static inline gboolean jobsrv_glib_run(GSource *source, GSourceFunc f,
                                       gpointer d) {
  return (void) f, (void) d,
         jobsrv_dispatch(((jobsrv_glib_t *) source)->srv) == 1;
}
static inline GSource *jobsrv_glib_source(jobsrv_t *srv) {
  static GSourceFuncs funcs = { jobsrv_glib_prepare, jobsrv_glib_check,
                                jobsrv_glib_run, NULL, NULL, NULL };
  GSource *source = g_source_new(&funcs, sizeof(jobsrv_glib_t));
  ((jobsrv_glib_t *) source)->srv = srv;
  ((jobsrv_glib_t *) source)->fd =
      g_source_add_unix_fd(source, jobsrv_fd(srv), G_IO_IN);
  return source;
}
#endif /* JOBSRV_ADAPTERS_GLIB_H */
