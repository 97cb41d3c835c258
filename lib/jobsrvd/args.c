/* SPDX-License-Identifier: MIT */

#include "args.h"

#include "config.h"
#include "console.h"
#include "inherit.h"
#include "limits.h"
#include "logs.h"
#include "switches.h"

#include <stdio.h>
#include <string.h>

enum { USAGE = 2 };

#define MARGIN "                         " /* before what --help says */

static const char default_address[] = "127.0.0.1:7070";

typedef struct given_s {
  jobsrvd_settings_t *settings;
  const char *config;
} given_t;

/* Takes the value of one option; 0, or -1 after a complaint. */
typedef int (*option_cb)(given_t *given, const char *value);

static int on_config(given_t *given, const char *value) {
  if (given->config != NULL) {
    jobsrvd_complain("--config is given twice");
    return -1;
  }
  given->config = value;
  return 0;
}

static int on_listen(given_t *given, const char *value) {
  const char *mistake = jobsrvd_address_mistake(value);

  if (mistake != NULL) {
    jobsrvd_complain("--listen %s: %s", value, mistake);
    return -1;
  }
  jobsrvd_list_add(&given->settings->listen, value);
  return 0;
}

static int on_socket_mode(given_t *given, const char *value) {
  const char *mistake;

  if (jobsrvd_socket_mode(&given->settings->socket, value, &mistake) != 0) {
    jobsrvd_complain("--socket-mode %s: %s", value, mistake);
    return -1;
  }
  given->settings->socket.mode_given = 1;
  return 0;
}

static int on_socket_owner(given_t *given, const char *value) {
  const char *mistake;

  if (jobsrvd_socket_owner(&given->settings->socket, value, &mistake) != 0) {
    jobsrvd_complain("--socket-owner %s: %s", value, mistake);
    return -1;
  }
  given->settings->socket.owner_given = 1;
  return 0;
}

static int on_allow_host(given_t *given, const char *value) {
  const char *mistake = jobsrvd_host_mistake(value);

  if (mistake != NULL) {
    jobsrvd_complain("--allow-host %s: %s", value, mistake);
    return -1;
  }
  jobsrvd_list_add(&given->settings->allow_hosts, value);
  return 0;
}

static int on_allow_origin(given_t *given, const char *value) {
  const char *mistake = jobsrvd_origin_mistake(value);

  if (mistake != NULL) {
    jobsrvd_complain("--allow-origin %s: %s", value, mistake);
    return -1;
  }
  jobsrvd_list_add(&given->settings->allow_origins, value);
  return 0;
}

static int on_limit(given_t *given, const char *value) {
  return jobsrvd_limit_parse(given->settings, value);
}

static int on_trust_proxy(given_t *given, const char *value) {
  const char *mistake = jobsrvd_proxy_mistake(value);

  if (mistake != NULL) {
    jobsrvd_complain("--trust-proxy %s: %s", value, mistake);
    return -1;
  }
  jobsrvd_list_add(&given->settings->trust_proxies, value);
  return 0;
}

static int on_console(given_t *given, const char *value) {
  return jobsrvd_console_form(&given->settings->console, "--console", value);
}

static int on_log(given_t *given, const char *value) {
  return jobsrvd_console_form(&given->settings->console, "--log", value);
}

static int on_voice(given_t *given, const char *value) {
  return jobsrvd_console_voice(&given->settings->console, value);
}

static int on_log_file(given_t *given, const char *value) {
  return jobsrvd_logs_file(&given->settings->logs, value);
}

static int on_syslog(given_t *given, const char *value) {
  return jobsrvd_logs_syslog(&given->settings->logs, value);
}

static int on_journal(given_t *given, const char *value) {
  (void) value;
  return jobsrvd_logs_journal(&given->settings->logs);
}

static int on_demo(given_t *given, const char *value) {
  (void) value;
  given->settings->demo = 1;
  return 0;
}

static const struct option {
  const char *name;
  const char *value; /* what --help calls it; NULL: takes none; in brackets:
                        only behind =, and may be missing */
  option_cb take;    /* NULL: it is one of switches.h */
  const char *help;
} options[] = {
  { "--config", "FILE", on_config,
    "operations, limits and addresses, as JSON" },
  { "--listen", "ADDRESS", on_listen,
    "127.0.0.1:7070, [::1]:7070, unix:PATH or fd:N;\n" MARGIN
    "port 0 picks one; may be repeated" },
  { "--socket-mode", "MODE", on_socket_mode,
    "of socket files; 0600 unless told otherwise" },
  { "--socket-owner", "OWNER", on_socket_owner,
    "of socket files: USER, USER:GROUP or :GROUP" },
  { "--demo", NULL, on_demo,
    "add echo, count, sleep, fail, spin, stuck,\n" MARGIN
    "progress, data and flood" },
  { "--prefix", "PATH", NULL,
    "of all routes but /health, /ready and /metrics; /v1" },
  { "--allow-host", "NAME", on_allow_host,
    "a Host besides localhost and IP addresses" },
  { "--allow-origin", "ORIGIN", on_allow_origin,
    "an Origin besides the Host itself" },
  { "--gzip", NULL, NULL,
    "compress streams for those who ask for it" },
  { "--cors-credentials", NULL, NULL,
    "let pages of those send cookies" },
  { "--trust-proxy", "ADDRESS", on_trust_proxy,
    "10.0.0.1, 10.0.0.0/8 or unix: believed when it says\n" MARGIN
    "for whom it speaks; may be repeated" },
  { "--proxy-header", "NAME", NULL,
    "in which header: x-forwarded-for or forwarded" },
  { "--limit", "NAME=VALUE", on_limit,
    "one of the limits below; may be repeated" },
  { "--lag", "POLICY", NULL,
    "gap or break: what a watcher that is too slow gets" },
  { "--token-file", "FILE", NULL,
    "ask for the bearer token on its first line" },
  { "--all-events", NULL, NULL,
    "serve GET /v1/events: all jobs on one stream" },
  { "--metrics", NULL, NULL,
    "serve GET /metrics, to who has the token if there is" },
  { "--metrics-token-file", "FILE", NULL,
    "the same, with a token that is good for nothing else" },
  { "--level", "LEVEL", NULL,
    "of what jobs say: trace, debug, info, warn, error,\n" MARGIN
    "fatal or mute; what is below is not made" },
  { "--console", "LAYOUT", on_console,
    "narration on standard error: text, json,\n" MARGIN
    "brackets, block, logfmt, message or none" },
  { "--voice", "VOICE", on_voice,
    "which text it shows: human, cute or story" },
  { "--log", "LAYOUT", on_log,
    "the same as --console" },
  { "--log-file", "PATH", on_log_file,
    "narration as JSON lines; SIGHUP opens it again" },
  { "--syslog", "[=FACILITY]", on_syslog,
    "narration to syslog; daemon unless told otherwise" },
  { "--journal", NULL, on_journal,
    "narration to the journal" },
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void help(void) {
  char left[40];

  printf("usage: jobsrvd [OPTION]...\n\n"
         "Runs jobs that are created over HTTP, and streams what they "
         "say.\n\n");
  for (size_t i = 0; i < OPTIONS; i++) {
    snprintf(left, sizeof(left), "%s%s%s", options[i].name,
             options[i].value == NULL || options[i].value[0] == '[' ? "" : " ",
             options[i].value != NULL ? options[i].value : "");
    printf("  %-23s%s%s\n", left, strlen(left) < 23 ? "" : "\n" MARGIN,
           options[i].help);
  }
  printf("  %-23s%s\n  %-23s%s\n", "--help", "this text", "--version",
         "the version");
  printf("\nIt listens on %s unless told otherwise; SIGTERM and SIGINT\n"
         "let it finish. Limits, with what holds when nothing is said:\n\n",
         default_address);
  jobsrvd_limits_list(stdout);
}

static const struct option *find_option(const char *argument, size_t len) {
  for (size_t i = 0; i < OPTIONS; i++)
    if (strlen(options[i].name) == len &&
        memcmp(options[i].name, argument, len) == 0)
      return &options[i];
  return NULL;
}

/* Takes the option at argv[*at] and moves on; 0, or -1 after a complaint. */
static int take(given_t *given, int argc, char **argv, int *at) {
  const char *argument = argv[(*at)++];
  const char *equals = strchr(argument, '=');
  size_t len = equals != NULL ? (size_t) (equals - argument) : strlen(argument);
  const struct option *option = find_option(argument, len);
  const char *value = equals != NULL ? equals + 1 : NULL;

  if (option == NULL) {
    jobsrvd_complain("%s \"%s\"; see jobsrvd --help",
                     argument[0] == '-' ? "unknown option"
                                        : "unexpected argument",
                     argument);
    return -1;
  }
  if (option->value == NULL && value != NULL) {
    jobsrvd_complain("%s takes no value", option->name);
    return -1;
  }
  if (option->value != NULL && option->value[0] != '[' && value == NULL) {
    if (*at == argc) {
      jobsrvd_complain("%s: expected %s", option->name, option->value);
      return -1;
    }
    value = argv[(*at)++];
  }
  return option->take != NULL
             ? option->take(given, value)
             : jobsrvd_switch_take(given->settings, option->name, value);
}

int jobsrvd_args_read(jobsrvd_settings_t *settings, int argc, char **argv) {
  given_t given = { .settings = settings };
  int at = 1;

  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      help();
      return 0;
    }
    if (strcmp(argv[i], "--version") == 0) {
      printf("jobsrvd %s\n", jobsrv_version_string());
      return 0;
    }
  }
  while (at < argc)
    if (take(&given, argc, argv, &at) != 0)
      return USAGE;
  if (given.config != NULL && jobsrvd_config_load(settings, given.config) != 0)
    return USAGE;
  if (settings->token_file != NULL &&
      jobsrvd_token_read(&settings->token, settings->token_file) != 0)
    return USAGE;
  if (settings->metrics_token_file != NULL &&
      jobsrvd_token_read(&settings->metrics_token,
                         settings->metrics_token_file) != 0)
    return USAGE;
  if (settings->listen.count == 0 && settings->inherited.count == 0)
    jobsrvd_list_add(&settings->listen, default_address);
  return JOBSRVD_GO_ON;
}
