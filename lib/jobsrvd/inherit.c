/* SPDX-License-Identifier: MIT */

#include "inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  FIRST = 3,      /* where they begin */
  MOST = 1024
};

static const char *const variables[] = {
  "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"
};

/* A whole number in decimal, at most `most`; or -1. */
static int64_t number_of(const char *text, int64_t most) {
  int64_t number = 0;

  if (*text == '\0')
    return -1;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9')
      return -1;
    number = number * 10 + (*text - '0');
    if (number > most)
      return -1;
  }
  return number;
}

static int take(jobsrvd_settings_t *settings, int fd, const char *name) {
  char address[32];

  if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    jobsrvd_complain("LISTEN_FDS: descriptor %d (%s): %s", fd, name,
                     strerror(errno));
    return -1;
  }
  snprintf(address, sizeof(address), "fd:%d", fd);
  jobsrvd_list_add(&settings->inherited, address);
  jobsrvd_list_add(&settings->inherited_names, name);
  return 0;
}

static int take_all(jobsrvd_settings_t *settings,
                    const char *count_text,
                    const char *names) {
  int64_t count = number_of(count_text, MOST);
  int err = 0;

  if (count < 0) {
    jobsrvd_complain("LISTEN_FDS=%s: expected a number of at most %d",
                     count_text, (int) MOST);
    return -1;
  }
  for (int i = 0; i < count && err == 0; i++) {
    size_t len = names != NULL ? strcspn(names, ":") : 0;
    char *name = len > 0 ? jobsrvd_must_copy(names, len)
                         : jobsrvd_must_copy("unknown", strlen("unknown"));

    err = take(settings, FIRST + i, name);
    free(name);
    if (names != NULL)
      names = names[len] == ':' ? names + len + 1 : NULL;
  }
  return err;
}

int jobsrvd_inherit(jobsrvd_settings_t *settings) {
  const char *pid = getenv("LISTEN_PID");
  const char *count = getenv("LISTEN_FDS");
  int err = 0;

  if (pid != NULL && count != NULL &&
      number_of(pid, INT32_MAX) == (int64_t) getpid())
    err = take_all(settings, count, getenv("LISTEN_FDNAMES"));
  for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
    (void) unsetenv(variables[i]);
  return err;
}

int jobsrvd_socket_mode(jobsrvd_socket_t *socket,
                        const char *text,
                        const char **mistake) {
  size_t len = strlen(text);
  unsigned long mode = strtoul(text, NULL, 8);

  *mistake = "expected a mode such as 0660";
  if (len < 3 || len > 4 || strspn(text, "01234567") != len || mode == 0 ||
      mode > 0777)
    return -1;
  socket->mode = (uint32_t) mode;
  return 0;
}

static int user_of(const char *name, uint32_t *uid, uint32_t *gid) {
  int64_t number = number_of(name, UINT32_MAX - 1);
  const struct passwd *user;

  if (number >= 0) {
    *uid = (uint32_t) number;
    return 0;
  }
  user = getpwnam(name);
  if (user == NULL)
    return -1;
  *uid = user->pw_uid;
  *gid = user->pw_gid;
  return 0;
}

static int group_of(const char *name, uint32_t *gid) {
  int64_t number = number_of(name, UINT32_MAX - 1);
  const struct group *group;

  if (number >= 0) {
    *gid = (uint32_t) number;
    return 0;
  }
  group = getgrnam(name);
  if (group == NULL)
    return -1;
  *gid = group->gr_gid;
  return 0;
}

int jobsrvd_socket_owner(jobsrvd_socket_t *socket,
                         const char *text,
                         const char **mistake) {
  size_t len = strcspn(text, ":");
  char *user = jobsrvd_must_copy(text, len);
  uint32_t uid = UINT32_MAX;
  uint32_t gid = UINT32_MAX;
  int err = 0;

  *mistake = "expected USER, USER:GROUP or :GROUP that are known here";
  if (len > 0)
    err = user_of(user, &uid, &gid);
  else if (text[0] == '\0')
    err = -1;
  free(user);
  if (err == 0 && text[len] == ':')
    err = group_of(text + len + 1, &gid);
  if (err != 0)
    return -1;
  socket->set_owner = 1;
  socket->uid = uid;
  socket->gid = gid;
  return 0;
}
