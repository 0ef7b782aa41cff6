/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulator: a cgroup v2 tree with the kernel's semantics over real processes, without root and
 * without a kernel cgroup. Knows no FUSE; tasks and clock are injected (tasks.h).
 */
#ifndef CTLFS_EMUL_H
#define CTLFS_EMUL_H

#include <stdbool.h>

#include "ctlfs/tree.h"

struct tasks;

struct emul_config {
	struct tasks *tasks; /* borrowed; outlives the tree */
	uid_t uid; /* owner of the root and its files */
	gid_t gid;
	uint64_t sample_ns; /* how old usage may be that is read; 0: sampled for each read */
	bool spread; /* keep members on as many CPUs as cpu.max pays for (sched_setaffinity) */
};

/* A new hierarchy with just the root, controllers cpu, memory and pids available. -ENOMEM, or what
 * the task source answered. Emulates 6.12. */
int emul_new(const struct emul_config *config, struct tree **ret_tree);

#endif
