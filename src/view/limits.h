/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container may use, resolved over all its ancestors. An inner cgroup may lack a controller:
 * a file that is not there is no limit at that level. */
#ifndef VIEW_LIMITS_H
#define VIEW_LIMITS_H

#include "snapshot.h"

/* A container and its ancestors, innermost first; without the root of the hierarchy, which has no
 * limits and is the machine. */
struct lineage {
	struct tree *tree;
	uint64_t *dirs; /* owned */
	size_t n, cap;
	/* No file of its own was read (since one was not there): it may be gone. */
	bool doubtful;
};

int lineage_new(const struct source *src, uint64_t container, struct lineage *ret_lineage);
void lineage_free(struct lineage *l);
#define cleanup_lineage __attribute__((cleanup(lineage_free)))

/* memory from the innermost cgroup that accounts memory; *memory as it is for the machine. */
int limits_memory(struct lineage *l, struct memory *memory);
/* Of the innermost cgroup that accounts memory; as it is where none does. */
int limits_oom_kills(struct lineage *l, uint64_t *kills);
/* *huge as the machine has them, of size bytes each, made smaller; as it is where no cgroup
 * accounts them. */
int limits_hugetlb(struct lineage *l, uint64_t size, struct huge_pages *huge);
/* *swap as the machine has it, made smaller. Without swap accounting it stays as it is. */
int limits_swap(struct lineage *l, struct swap *swap);
/* *cpus as many as are online, made smaller by cpusets and quotas; at least 1. */
int limits_cpus(struct lineage *l, unsigned *cpus);
/* What the innermost cgroup that has an io.stat says there: nothing if none has. */
int limits_disks(struct lineage *l, struct disks *ret_disks);
/* What the innermost cgroup that has a cpu.stat says there, in microseconds; 0 if none has. */
int limits_usage(struct lineage *l, struct cputime *ret_used);

#endif
