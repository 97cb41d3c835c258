/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_OTLP_COLLECTOR_PROCESS_H
#define JOBSRV_TEST_OTLP_COLLECTOR_PROCESS_H

/* collector.py as a process, and what it says has come. */

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  pid_t pid;
  FILE *to;
  FILE *from;
  char address[160];
} collector_t;

/* The one of most cases. */
static collector_t collector;

extern char **environ;

/* `where` is NULL for a port of its own. */
static inline void collector_start(collector_t *c, const char *where) {
  const char *source = getenv("SOURCE_DIR");
  posix_spawn_file_actions_t actions;
  char script[512];
  char *argv[] = { (char *) "python3", (char *) "-B", script,
                   (char *) (uintptr_t) where, NULL };
  int in[2], out[2];

  snprintf(script, sizeof(script), "%s/test/otlp/collector.py",
           source != NULL ? source : ".");
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
    abort();
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  if (posix_spawnp(&c->pid, "python3", &actions, NULL, argv, environ) != 0)
    abort();
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  c->to = fdopen(in[1], "w");
  c->from = fdopen(out[0], "r");
  if (fgets(c->address, sizeof(c->address), c->from) == NULL)
    abort();
  c->address[strcspn(c->address, "\n")] = '\0';
}

static inline void collector_stop(collector_t *c) {
  int status;

  fclose(c->to);
  fclose(c->from);
  (void) kill(c->pid, SIGKILL); /* some of its threads may never end */
  while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
    ;
}

/* The answer to a command; 'is written for ". */
static inline json_t *collector_ask(collector_t *c, const char *text) {
  char *line = strdup(text);
  char *answer = NULL;
  size_t cap = 0;
  json_t *json;

  assert_non_null(line);
  for (char *p = line; *p != '\0'; p++)
    *p = *p == '\'' ? '"' : *p;
  fprintf(c->to, "%s\n", line);
  fflush(c->to);
  free(line);
  assert_true(getline(&answer, &cap, c->from) > 0);
  json = json_loads(answer, JSON_ALLOW_NUL, NULL);
  free(answer);
  assert_non_null(json);
  return json;
}

static inline void collector_tell(collector_t *c, const char *text) {
  json_decref(collector_ask(c, text));
}

static inline json_t *collector_report(collector_t *c) {
  json_t *report = collector_ask(c, "{'report': true}");
  json_t *faults = json_object_get(report, "faults");

  if (json_array_size(faults) > 0)
    fail_msg("the collector objects: %s",
             json_string_value(json_array_get(faults, 0)));
  return report;
}

/* The last lines of a file: main(), with a collector around it. */
#define RUN_WITH_COLLECTOR(tests)                                             \
  int main(void) {                                                            \
    int failed;                                                               \
                                                                              \
    collector_start(&collector, NULL);                                        \
    failed = RUN_GROUP(tests);                                                \
    collector_stop(&collector);                                               \
    return failed != 0;                                                       \
  }                                                                           \
  extern int run_takes_a_semicolon_

#endif /* JOBSRV_TEST_OTLP_COLLECTOR_PROCESS_H */
