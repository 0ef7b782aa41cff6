/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The v1 backend: the hierarchies of cgroup v1, and a hybrid host's cgroup v2, as one tree for the
 * views. It has names and texts of v2, and can only be read: -EROFS for everything else.
 *
 * A cgroup of this tree is a place in each hierarchy. Most have one path that holds everywhere;
 * where a hierarchy does not have it, its nearest ancestor there counts, and the files of that
 * hierarchy are found in the cgroup above that has it. A process whose paths fit no such cgroup is
 * in one of its own, which nobody lists: its cgroup.procs has the processes of its descendants, too.
 *
 * Numbers: of a cgroup that the memory hierarchy has, the inode number there; of others, that in
 * the first one that has it, and above 2^36 which one that is.
 */
#ifndef CTLFS_V1_H
#define CTLFS_V1_H

#include <stdbool.h>
#include <stddef.h>

#include "ctlfs/buf.h"
#include "ctlfs/tree.h"

/* What is read, and so what a hierarchy may be there for, in the order of precedence. */
enum v1_role {
	V1_MEMORY,
	V1_CPU,
	V1_CPUACCT,
	V1_CPUSET,
	V1_PIDS,
	V1_IO,
	V1_SYSTEMD, /* name=systemd: no controller, but tells who belongs together */
	V1_ROLES
};

/* Its name on cgroup v1: "memory", "blkio", "name=systemd". */
const char *v1_role_name(enum v1_role role);

/* A hierarchy: a tree with the names and texts of its own version. */
struct v1_hierarchy {
	struct tree *tree;
	unsigned roles; /* 1 << enum v1_role */
	bool v2;
};

/* Over hierarchies[n], which have different roles, at most one of them v2's. Takes the trees over,
 * also on failure: -ENOMEM. */
int v1_new_over(const struct v1_hierarchy *hierarchies, size_t n, struct tree **ret_tree);

/* Is memory, cpu, cpuacct or cpuset mounted as cgroup v1? */
bool v1_mounted(void);

/* Over what is mounted in this mount namespace. Appends to told where each controller is read from
 * and what is not there, in words. -ENOENT if there is nothing to read; the reason is noted. */
int v1_new(struct buf *told, struct tree **ret_tree);

#endif
