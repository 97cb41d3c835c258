/* SPDX-License-Identifier: MIT */

/* Row 74: a server in a GLib main context. */

#include "adapters/work.h"

#include "jobsrv/adapters/glib.h"

static gboolean on_timeout(gpointer data) {
  work_submit(data);
  return G_SOURCE_REMOVE;
}

static gboolean on_late(gpointer data) {
  *(int *) data = 1;
  return G_SOURCE_REMOVE;
}

static void jobs_run_in_a_main_context(void **state) {
  GMainContext *context = g_main_context_default();
  GSource *source;
  int late = 0;
  guint alarm;
  work_t work;

  (void) state;
  work_open(&work);
  source = jobsrv_glib_source(work.srv);
  g_source_attach(source, NULL);
  g_timeout_add(20, on_timeout, &work);
  alarm = g_timeout_add(WORK_LATE_MS, on_late, &late);
  while (!work.closed && !late)
    g_main_context_iteration(context, TRUE);
  if (!late)
    g_source_remove(alarm);
  work_check(&work);
  assert_true(g_source_is_destroyed(source));
  g_source_unref(source);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(jobs_run_in_a_main_context),
};

RUN(tests);
