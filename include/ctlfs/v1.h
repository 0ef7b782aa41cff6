/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The v1 backend: the hierarchies of cgroup v1, and a hybrid host's cgroup v2, as one tree for the
 * views. It has names and texts of v2, and can only be read: -EROFS for everything else.
 *
 * A cgroup of this tree is a place in each hierarchy. Most have one path that holds everywhere;
 * where a hierarchy does not have it, its nearest ancestor there counts, and the files of that
 * hierarchy are found in the cgroup above that has it. A process whose paths fit no such cgroup is
 * in one of its own, which nobody lists: its cgroup.procs has those of its descendants, too.
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
	V1_HUGETLB,
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

/* Where things come from. */
struct v1_source {
	struct v1_hierarchy hierarchies[V1_ROLES];
	size_t n;
	/* Where pid is, read once for all hierarchies, and what of it a hierarchy means. NULL: each
	 * one's own locate(). */
	int (*read_places)(pid_t pid, struct buf *text);
	int (*locate)(struct tree *t, const char *text, uint64_t *ret_dir);
	uint64_t moment_ns; /* directories that were found are not looked for again so soon */
};

/* The hierarchies have different roles, and at most one is v2's. Takes the trees over, also on
 * failure: -ENOMEM. */
int v1_new_over(const struct v1_source *source, struct tree **ret_tree);

/* 0 if memory, cpu, cpuacct or cpuset is mounted as cgroup v1 in this mount namespace and can be
 * read; else -errno, with the reason noted. */
int v1_usable(void);

/* Over what is mounted in this mount namespace. Appends to told where each controller is read from
 * and what is not there, in words. Fails as v1_usable() does. */
int v1_new(struct buf *told, struct tree **ret_tree);

#endif
