/* What a set of processes has used of the machine, from /proc. */
#ifndef PROCESS_H
#define PROCESS_H

typedef struct {
  double cpu_s;        /* user and system */
  double resident_mib; /* the sum */
} Usage;

/* `pids` is a list separated by commas. Processes that have ended count as nothing. */
Usage usage_of(const char *pids);

/* CPU seconds of this process. */
double own_cpu_s(void);

#endif
