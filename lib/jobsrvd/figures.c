/* SPDX-License-Identifier: MIT */

#include "figures.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* By the names that these have with everybody who scrapes. */

static void write_one(jobsrv_metrics_t *to,
                      jobsrv_metric_type_t type,
                      const char *name,
                      const char *unit,
                      const char *help,
                      double value) {
  (void) jobsrv_metrics_family(to, type, name, unit, help);
  (void) jobsrv_metrics_double(to, NULL, 0, value);
}

static double seconds_of(struct timeval time) {
  return (double) time.tv_sec + (double) time.tv_usec / 1e6;
}

static void write_times(const jobsrvd_figures_t *figures,
                        jobsrv_metrics_t *to) {
  struct rusage usage;

  write_one(to, JOBSRV_METRIC_GAUGE, "process_start_time_seconds", "seconds",
            "When the process was started, since 1970.", figures->started);
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    write_one(to, JOBSRV_METRIC_COUNTER, "process_cpu_seconds", "seconds",
              "What the process has used of the processors.",
              seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
}

/* Of Linux; elsewhere it is left out. */
static void write_memory(jobsrv_metrics_t *to) {
  FILE *file = fopen("/proc/self/statm", "re");
  unsigned long long all, resident;
  double page = (double) sysconf(_SC_PAGESIZE);
  int found;

  if (file == NULL)
    return;
  found = fscanf(file, "%20llu %20llu", &all, &resident);
  (void) fclose(file);
  if (found != 2)
    return;
  write_one(to, JOBSRV_METRIC_GAUGE, "process_virtual_memory_bytes", "bytes",
            "Address space in use.", (double) all * page);
  write_one(to, JOBSRV_METRIC_GAUGE, "process_resident_memory_bytes", "bytes",
            "Memory in use.", (double) resident * page);
}

/* That of looking is not counted. */
static double open_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  const struct dirent *entry;
  double count = -1;

  if (folder == NULL)
    return -1;
  while ((entry = readdir(folder)) != NULL)
    count += entry->d_name[0] != '.';
  (void) closedir(folder);
  return count;
}

static void write_descriptors(jobsrv_metrics_t *to) {
  struct rlimit limit;
  double open = open_descriptors();

  if (open >= 0)
    write_one(to, JOBSRV_METRIC_GAUGE, "process_open_fds", NULL,
              "Descriptors that are open.", open);
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    write_one(to, JOBSRV_METRIC_GAUGE, "process_max_fds", NULL,
              "How many there may be.", (double) limit.rlim_cur);
}

static void on_collect(jobsrv_collector_t *collector, jobsrv_metrics_t *to) {
  write_times(collector->data, to);
  write_memory(to);
  write_descriptors(to);
}

void jobsrvd_figures_add(jobsrvd_figures_t *figures, jobsrv_t *srv) {
  struct timespec now = { 0 };

  (void) clock_gettime(CLOCK_REALTIME, &now);
  figures->started = (double) now.tv_sec + (double) now.tv_nsec / 1e9;
  figures->collector.data = figures;
  jobsrv_collector_add(srv, &figures->collector, on_collect);
}
