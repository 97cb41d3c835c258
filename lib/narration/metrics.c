/* SPDX-License-Identifier: MIT */

#include "narration/metrics.h"

#include "narration/sink.h"

static void write_of(jobsrv_metrics_t *to,
                     const char *name,
                     const char *text,
                     uint64_t value) {
  const jobsrv_metric_label_t label = { name, text };

  (void) jobsrv_metrics_u64(to, &label, 1, value);
}

static void write_sinks(const jobsrv__narration_t *narration,
                        jobsrv_metrics_t *to) {
  const jobsrv__queue_t *head = &narration->sinks;
  const jobsrv__queue_t *link = head->next;
  uint64_t lost = narration->lost;
  uint64_t n = 0;

  for (; link != head; link = link->next) {
    if (link == &narration->mark)
      continue;
    lost += jobsrv_sink_dropped(JOBSRV__CONTAINER(link, jobsrv_sink_t, link));
    n++;
  }
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_GAUGE, "jobsrv_sinks", NULL,
                               "Sinks that events go to.");
  (void) jobsrv_metrics_u64(to, NULL, 0, n);
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER,
                               "jobsrv_sink_events_dropped", NULL,
                               "Events that some sink could not keep.");
  (void) jobsrv_metrics_u64(to, NULL, 0, lost);
}

static void on_collect(jobsrv_collector_t *collector, jobsrv_metrics_t *to) {
  static const jobsrv_kind_t kinds[] = {
    JOBSRV_KIND_NARRATION, JOBSRV_KIND_DATA, JOBSRV_KIND_STATE,
    JOBSRV_KIND_DROPPED, JOBSRV_KIND_END
  };
  const jobsrv__narration_t *narration = collector->data;
  const jobsrv_t *srv = narration->logs.srv;

  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER, "jobsrv_events",
                               NULL, "Events that were numbered.");
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
    write_of(to, "kind", jobsrv_kind_name(kinds[i]),
             narration->logs.numbered[kinds[i]]);
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER,
                               "jobsrv_events_dropped", NULL,
                               "Events that no log has.");
  write_of(to, "reason", "no_room", srv->stats.dropped);
  write_of(to, "reason", "late", srv->stats.late_events);
  write_of(to, "reason", "no_job", srv->stats.unrouted);
  (void) jobsrv_metrics_family(to, JOBSRV_METRIC_COUNTER,
                               "jobsrv_events_trimmed", NULL,
                               "Events that logs have lost to their bounds.");
  (void) jobsrv_metrics_u64(to, NULL, 0, narration->logs.trimmed);
  write_sinks(narration, to);
}

void jobsrv__narration_metrics_add(jobsrv__narration_t *narration) {
  narration->collector.data = narration;
  jobsrv_collector_add(narration->logs.srv, &narration->collector, on_collect);
}
