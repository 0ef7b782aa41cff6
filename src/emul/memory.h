/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What memory.c and oom.c share. */
#ifndef EMUL_MEMORY_H
#define EMUL_MEMORY_H

#include "emul.h"

struct memory_watch;

/* The most a value was, ever and since some open files were last written to. */
struct peak {
	uint64_t ever;
	struct peak_since *resets;
};

/* An open file's own beginning. */
struct peak_since {
	uint64_t most;
	struct peak *of; /* whose list it is in; NULL once that is gone */
	struct peak_since *prev, *next;
};

struct memory {
	struct css css;
	uint64_t min, low, high, max; /* bytes, UINT64_MAX: no limit */
	uint64_t swap_high, swap_max, zswap_max;
	bool oom_group, zswap_writeback;
	struct peak peak, swap_peak;
	uint64_t events[MEMORY_EVENTS], events_local[MEMORY_EVENTS];
	uint64_t swap_events[SWAP_EVENTS];
	struct memory_watch *watch; /* oom.c; NULL: nothing was to be watched so far */
};

static inline struct memory *memory_of(const struct cgroup *cg)
{
	return (struct memory *)cgroup_css(cg, CTRL_MEMORY);
}

static inline uint64_t memory_used(const struct usage *u)
{
	return u->anon + u->file + u->shmem;
}

/* --- oom.c --- */

/* memory.max was set: kills until usage is below it. */
void memory_enforce_max(struct cgroup *cg);
/* Limits or population of cg changed: watches it, or no more. */
void memory_watch(struct cgroup *cg);
void memory_watch_free(struct memory *m);

#endif
