/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of a container between two readings: a bounded table, the longest unread goes
 * first. Thread-safe; no call does I/O, and none waits for one that does. */
#ifndef VIEW_STATES_H
#define VIEW_STATES_H

#include "cputimes.h"
#include "load.h"
#include "snapshot.h"

#define STATES_MAX 1024

struct states;

int states_new(size_t max, struct states **ret_states); /* -ENOMEM */
void states_free(struct states *s); /* NULL is fine */

/* When the container's first process was started: the earliest that was told, so that an age never
 * falls. START_UNKNOWN if nobody has told yet. Tell start, or START_UNKNOWN. -ENOMEM. */
int states_start(struct states *s, uint64_t id, uint64_t start, uint64_t *ret_start);

/* The boot time in seconds: stays the same unless it is off by more than a second. */
int states_btime(struct states *s, uint64_t id, uint64_t btime_ns, uint64_t *ret_btime);

/* Counts in what was read; ret_times is a copy that the caller frees (cpus). */
int states_times(struct states *s, uint64_t id, const struct usage *u, struct times *ret_times);

/* The last count of tasks, if it is fresh: younger than ten times what the counting took, so that
 * counting costs a tenth of a CPU at most. */
bool states_tally(struct states *s, uint64_t id, uint64_t now, struct tally *ret_tally);
/* Keeps a count that took from begun to now. */
int states_tallied(struct states *s, uint64_t id, const struct tally *tally, uint64_t begun,
		   uint64_t now);
/* The most threads that were ever counted at once. */
int states_forks(struct states *s, uint64_t id, uint64_t *ret_forks);

int states_load(struct states *s, uint64_t id, const struct tally *tally, uint64_t now,
		struct load *ret_load);

#endif
