#define _GNU_SOURCE
#include "process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double cpu_s(const char *pid) {
  char path[64], line[2048];
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  unsigned long user = 0, system = 0;
  if (fgets(line, sizeof line, file)) {
    char *after_name = strrchr(line, ')'); /* the name may hold spaces */
    if (after_name)
      sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  }
  fclose(file);
  return (double)(user + system) / sysconf(_SC_CLK_TCK);
}

static double resident_mib(const char *pid) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%s/status", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  long kib = 0;
  while (fgets(line, sizeof line, file) && sscanf(line, "VmRSS: %ld", &kib) != 1) continue;
  fclose(file);
  return kib / 1024.0;
}

Usage usage_of(const char *pids) {
  Usage usage = {0};
  char list[1024];
  snprintf(list, sizeof list, "%s", pids);
  for (char *pid = strtok(list, ","); pid; pid = strtok(NULL, ",")) {
    usage.cpu_s += cpu_s(pid);
    usage.resident_mib += resident_mib(pid);
  }
  return usage;
}

double own_cpu_s(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
