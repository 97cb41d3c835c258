/* SPDX-License-Identifier: MIT */

#include "program.h"

#include "payload.h"
#include "policy.h"
#include "template.h"

#include <jobsrv/process.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { MAX_ARGUMENTS = 1024 };

typedef struct variable_s {
  char *name;
  char *value;
} variable_t;

struct jobsrvd_program_s {
  char *name;
  jobsrvd_member_t *members;
  size_t n_members;
  jobsrvd_template_t *argv;
  size_t n_argv;
  variable_t *env;
  size_t n_env;
  char *cwd;   /* NULL: the daemon's */
  jobsrv_output_t output;
  char *group; /* of `options` */
  jobsrv_operation_t options;
  jobsrvd_program_t *next;
};

static const char *const program_names[] = {
  "argv", "members", "env", "set_env", "cwd", "output",
  JOBSRVD_POLICY_NAMES, NULL
};

/* ---- from the config file ---- */

static int parse_members(jobsrvd_program_t *program,
                         json_t *spec,
                         jobsrvd_place_t *place) {
  json_t *members = json_object_get(spec, "members");
  size_t mark, inner;
  const char *name;
  json_t *value;
  int err = 0;

  if (members == NULL)
    return 0;
  if (!json_is_object(members))
    return jobsrvd_place_error_in(place, "members",
                                  "expected an object, not %s",
                                  jobsrvd_type_name(members));
  program->members = jobsrvd_must_alloc(json_object_size(members),
                                        sizeof(*program->members));
  mark = jobsrvd_place_enter(place, "members");
  json_object_foreach(members, name, value) {
    inner = jobsrvd_place_enter(place, name);
    err = jobsrvd_member_parse(&program->members[program->n_members++], name,
                               value, place);
    jobsrvd_place_leave(place, inner);
    if (err != 0)
      break;
  }
  jobsrvd_place_leave(place, mark);
  return err;
}

static int parse_argument(jobsrvd_program_t *program,
                          const json_t *value,
                          const jobsrvd_place_t *place) {
  jobsrvd_template_t *argument = &program->argv[program->n_argv++];
  const char *text = NULL;

  if (jobsrvd_place_string(place, value, &text) != 0 ||
      jobsrvd_template_parse(argument, text, program->members,
                             program->n_members, place) != 0)
    return -1;
  if (program->n_argv > 1)
    return 0;
  if (text[0] == '\0')
    return jobsrvd_place_error(place, "expected the name of a program");
  if (jobsrvd_template_varies(argument))
    return jobsrvd_place_error(
        place, "expected the name of a program without \"${\"");
  return 0;
}

static int parse_argv(jobsrvd_program_t *program,
                      json_t *spec,
                      jobsrvd_place_t *place) {
  json_t *argv = json_object_get(spec, "argv");
  size_t mark, inner;
  int err = 0;

  if (argv == NULL)
    return jobsrvd_place_error(place, "expected a member \"argv\"");
  if (!json_is_array(argv) || json_array_size(argv) == 0 ||
      json_array_size(argv) > MAX_ARGUMENTS)
    return jobsrvd_place_error_in(place, "argv",
                                  "expected an array of 1 to %d strings",
                                  (int) MAX_ARGUMENTS);
  program->argv =
      jobsrvd_must_alloc(json_array_size(argv), sizeof(*program->argv));
  mark = jobsrvd_place_enter(place, "argv");
  for (size_t i = 0; i < json_array_size(argv) && err == 0; i++) {
    inner = jobsrvd_place_enter_index(place, i);
    err = parse_argument(program, json_array_get(argv, i), place);
    jobsrvd_place_leave(place, inner);
  }
  jobsrvd_place_leave(place, mark);
  return err;
}

static int check_members_used(const jobsrvd_program_t *program,
                              jobsrvd_place_t *place) {
  size_t mark = jobsrvd_place_enter(place, "members");
  int err = 0;

  for (size_t i = 0; i < program->n_members && err == 0; i++)
    if (!program->members[i].used)
      err = jobsrvd_place_error_in(
          place, program->members[i].name,
          "expected \"${%s}\" somewhere in \"argv\"", program->members[i].name);
  jobsrvd_place_leave(place, mark);
  return err;
}

static int variable_ok(const char *name) {
  return name[0] != '\0' && strchr(name, '=') == NULL;
}

static void add_variable(jobsrvd_program_t *program,
                         const char *name,
                         const char *value) {
  variable_t *variable = &program->env[program->n_env++];

  variable->name = jobsrvd_must_copy(name, strlen(name));
  variable->value = jobsrvd_must_copy(value, strlen(value));
}

static int has_variable(const jobsrvd_program_t *program, const char *name) {
  for (size_t i = 0; i < program->n_env; i++)
    if (strcmp(program->env[i].name, name) == 0)
      return 1;
  return 0;
}

/* The names of "env": what the daemon does not have, the child has not. */
static int parse_env(jobsrvd_program_t *program,
                     const json_t *names,
                     const json_t *set,
                     jobsrvd_place_t *place) {
  size_t mark = jobsrvd_place_enter(place, "env");
  const char *name = NULL;
  const char *value;
  size_t inner;
  int err = 0;

  for (size_t i = 0; i < json_array_size(names) && err == 0; i++) {
    inner = jobsrvd_place_enter_index(place, i);
    err = jobsrvd_place_string(place, json_array_get(names, i), &name);
    if (err == 0 && !variable_ok(name))
      err = jobsrvd_place_error(place, "expected the name of a variable");
    if (err == 0 && json_object_get(set, name) != NULL)
      err = jobsrvd_place_error(place, "\"%s\" is in \"set_env\" too", name);
    if (err == 0 && has_variable(program, name))
      err = jobsrvd_place_error(place, "\"%s\" is listed twice", name);
    value = err == 0 ? getenv(name) : NULL;
    if (value != NULL)
      add_variable(program, name, value);
    jobsrvd_place_leave(place, inner);
  }
  jobsrvd_place_leave(place, mark);
  return err;
}

static int parse_set_env(jobsrvd_program_t *program,
                         json_t *set,
                         jobsrvd_place_t *place) {
  size_t mark = jobsrvd_place_enter(place, "set_env");
  const char *name;
  const char *text = "";
  json_t *value;
  size_t inner;
  int err = 0;

  json_object_foreach(set, name, value) {
    inner = jobsrvd_place_enter(place, name);
    if (!variable_ok(name))
      err = jobsrvd_place_error(place, "expected the name of a variable");
    else
      err = jobsrvd_place_string(place, value, &text);
    if (err == 0)
      add_variable(program, name, text);
    jobsrvd_place_leave(place, inner);
    if (err != 0)
      break;
  }
  jobsrvd_place_leave(place, mark);
  return err;
}

static int parse_environment(jobsrvd_program_t *program,
                             json_t *spec,
                             jobsrvd_place_t *place) {
  json_t *names = json_object_get(spec, "env");
  json_t *set = json_object_get(spec, "set_env");

  if (names != NULL && !json_is_array(names))
    return jobsrvd_place_error_in(place, "env",
                                  "expected an array of names, not %s",
                                  jobsrvd_type_name(names));
  if (set != NULL && !json_is_object(set))
    return jobsrvd_place_error_in(place, "set_env",
                                  "expected an object of strings, not %s",
                                  jobsrvd_type_name(set));
  program->env = jobsrvd_must_alloc(
      json_array_size(names) + json_object_size(set), sizeof(*program->env));
  if (parse_env(program, names, set, place) != 0)
    return -1;
  return parse_set_env(program, set, place);
}

static int parse_cwd(jobsrvd_program_t *program,
                     json_t *spec,
                     jobsrvd_place_t *place) {
  const char *cwd = NULL;

  if (jobsrvd_place_text(place, spec, "cwd", &cwd) != 0)
    return -1;
  if (cwd == NULL)
    return 0;
  if (cwd[0] != '/')
    return jobsrvd_place_error_in(place, "cwd", "expected an absolute path");
  program->cwd = jobsrvd_must_copy(cwd, strlen(cwd));
  return 0;
}

static int parse_output(jobsrvd_program_t *program,
                        json_t *spec,
                        jobsrvd_place_t *place) {
  static const char *const words[] = {
#define XX(name, text) text,
    JOBSRV_OUTPUT_MAP(XX)
#undef XX
  };
  const char *word = NULL;

  if (jobsrvd_place_text(place, spec, "output", &word) != 0)
    return -1;
  if (word == NULL)
    return 0;
  for (int i = 0; i < JOBSRV_OUTPUT_MAX; i++)
    if (strcmp(words[i], word) == 0) {
      program->output = (jobsrv_output_t) i;
      return 0;
    }
  return jobsrvd_place_error_in(
      place, "output",
      "expected \"auto\", \"plain\", \"json\" or \"bracket\"");
}

static int parse_policy(jobsrvd_program_t *program,
                        json_t *spec,
                        jobsrvd_place_t *place) {
  const char *group;

  if (jobsrvd_policy_parse(&program->options, spec, place) != 0)
    return -1;
  group = program->options.group;
  if (group != NULL)
    program->group = jobsrvd_must_copy(group, strlen(group));
  program->options.group = program->group;
  return 0;
}

static int name_ok(const char *name) {
  size_t len = strlen(name);

  return len >= 1 && len <= 64 &&
         strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789._-") == len;
}

int jobsrvd_program_parse(jobsrvd_program_t **list,
                          const char *name,
                          json_t *spec,
                          jobsrvd_place_t *place) {
  jobsrvd_program_t *program = jobsrvd_must_alloc(1, sizeof(*program));

  while (*list != NULL)
    list = &(*list)->next;
  *list = program;
  program->name = jobsrvd_must_copy(name, strlen(name));
  jobsrv_operation_init(&program->options);
  if (!name_ok(name))
    return jobsrvd_place_error(
        place, "expected an operation's name of 1 to 64 letters, digits, '.', "
               "'_' and '-'");
  if (jobsrvd_place_only(place, spec, program_names) != 0 ||
      parse_members(program, spec, place) != 0 ||
      parse_argv(program, spec, place) != 0 ||
      check_members_used(program, place) != 0 ||
      parse_environment(program, spec, place) != 0 ||
      parse_cwd(program, spec, place) != 0 ||
      parse_output(program, spec, place) != 0)
    return -1;
  return parse_policy(program, spec, place);
}

void jobsrvd_programs_free(jobsrvd_program_t *list) {
  jobsrvd_program_t *next;

  for (; list != NULL; list = next) {
    next = list->next;
    for (size_t i = 0; i < list->n_members; i++)
      jobsrvd_member_free(&list->members[i]);
    for (size_t i = 0; i < list->n_argv; i++)
      jobsrvd_template_free(&list->argv[i]);
    for (size_t i = 0; i < list->n_env; i++) {
      free(list->env[i].name);
      free(list->env[i].value);
    }
    free(list->members);
    free(list->argv);
    free(list->env);
    free(list->cwd);
    free(list->group);
    free(list->name);
    free(list);
  }
}

/* ---- at work ---- */

static const jobsrvd_member_t *find_member(const jobsrvd_program_t *program,
                                           const char *name) {
  for (size_t i = 0; i < program->n_members; i++)
    if (strcmp(program->members[i].name, name) == 0)
      return &program->members[i];
  return NULL;
}

static int check_values(const jobsrvd_program_t *program,
                        json_t *payload,
                        jobsrv_mistake_t *mistake) {
  const jobsrvd_member_t *member;
  const json_t *value;
  const char *name;
  json_t *given;

  json_object_foreach(payload, name, given)
    if (find_member(program, name) == NULL)
      return jobsrvd_payload_mistake(mistake, name, "unknown member");
  for (size_t i = 0; i < program->n_members; i++) {
    member = &program->members[i];
    value = json_object_get(payload, member->name);
    if (value == NULL && member->fallback == NULL)
      return jobsrvd_payload_mistake(mistake, member->name, "is missing");
    if (value != NULL &&
        jobsrvd_member_check(member, value, mistake->detail,
                             sizeof(mistake->detail)) != 0)
      return jobsrvd_payload_mistake(mistake, member->name, NULL);
  }
  return 0;
}

static int on_check(const char *text,
                    size_t len,
                    jobsrv_mistake_t *mistake,
                    void *data) {
  json_t *payload;
  int err = jobsrvd_payload_load(&payload, text, len, mistake);

  if (err != 0)
    return err;
  err = check_values(data, payload, mistake);
  json_decref(payload);
  return err;
}

static int add_arguments(jobsrv_process_t *process,
                         const jobsrvd_program_t *program,
                         char *const *values) {
  char *argument;
  int err = 0;

  for (size_t i = 0; i < program->n_argv && err == 0; i++) {
    argument = jobsrvd_template_expand(&program->argv[i], values);
    if (argument == NULL)
      return UV_ENOMEM;
    err = jobsrv_process_arg(process, argument);
    free(argument);
  }
  return err;
}

static int add_values(jobsrv_process_t *process,
                      const jobsrvd_program_t *program,
                      const json_t *payload) {
  const jobsrvd_member_t *member;
  const json_t *value;
  char **values = calloc(program->n_members + 1, sizeof(*values));
  int err = values != NULL ? 0 : UV_ENOMEM;

  for (size_t i = 0; i < program->n_members && err == 0; i++) {
    member = &program->members[i];
    value = json_object_get(payload, member->name);
    values[i] = jobsrvd_member_text(value != NULL ? value : member->fallback);
    if (values[i] == NULL)
      err = UV_ENOMEM;
  }
  if (err == 0)
    err = add_arguments(process, program, values);
  for (size_t i = 0; values != NULL && i < program->n_members; i++)
    free(values[i]);
  free(values);
  return err;
}

static int on_prepare(jobsrv_job_t *job,
                      jobsrv_process_t *process,
                      void *data) {
  const jobsrvd_program_t *program = data;
  jobsrv_mistake_t mistake;
  json_t *payload;
  size_t len;
  const char *text = jobsrv_job_payload(job, &len);
  int err = jobsrvd_payload_load(&payload, text, len, &mistake);

  if (err != 0)
    return err;
  err = add_values(process, program, payload);
  json_decref(payload);
  for (size_t i = 0; i < program->n_env && err == 0; i++)
    err = jobsrv_process_env(process, program->env[i].name,
                             program->env[i].value);
  if (err == 0 && program->cwd != NULL)
    err = jobsrv_process_cwd(process, program->cwd);
  if (err == 0)
    err = jobsrv_process_output(process, program->output);
  return err;
}

int jobsrvd_programs_add(jobsrv_t *srv, jobsrvd_program_t *list) {
  jobsrv_operation_t operation;
  int err = 0;

  for (; list != NULL && err == 0; list = list->next) {
    operation = list->options;
    operation.name = list->name;
    operation.style = JOBSRV_PROCESS;
    operation.check = on_check;
    operation.prepare = on_prepare;
    operation.data = list;
    operation.expose = 1;
    err = jobsrv_operation_add(srv, &operation);
  }
  return err;
}
