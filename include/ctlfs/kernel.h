/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel backend: an existing cgroup v2 directory presented as a tree. */
#ifndef CTLFS_KERNEL_H
#define CTLFS_KERNEL_H

#include "ctlfs/buf.h"
#include "ctlfs/tree.h"

struct policy;

/* The tree below path, a directory of a cgroup2 mount. The policy is taken over, also on failure;
 * NULL is the default one. -ENOENT, -ENOTDIR; -EMEDIUMTYPE if it is not on cgroup2. The reason is
 * noted (why.h). */
int kernel_new(const char *path, struct policy *policy, struct tree **ret_tree);

/* Appends the mount point of cgroup2 in this mount namespace (preferring /sys/fs/cgroup).
 * -ENOENT if there is none. */
int kernel_mountpoint(struct buf *out);

/* One of several hierarchies of a machine with cgroup v1. */
struct kernel_hierarchy {
	const char *path; /* where it is mounted */
	const char *device; /* "MAJ:MIN" of what is expected there */
	const char *controller; /* a word of its line in /proc/PID/cgroup: "cpu", "name=systemd";
				   NULL: the hierarchy of cgroup v2 */
	unsigned share; /* how many there are: fds and memory are bounded for all together */
};

/* Its directories and files as a tree, with the names and texts of its version. It is for reading:
 * rights to write are checked as on cgroup v2. -ENOENT, -EACCES, -EMEDIUMTYPE; -EXDEV if it cannot
 * be known where processes are. The reason is noted. */
int kernel_hierarchy_new(const struct kernel_hierarchy *h, struct tree **ret_tree);

/* Appends /proc/PID/cgroup: where the process is in all hierarchies. -ESRCH. */
int kernel_read_places(pid_t pid, struct buf *text);
/* The directory of that text that is in the hierarchy. -ENOENT if it lies outside. */
int kernel_hierarchy_locate(struct tree *t, const char *text, uint64_t *ret_dir);

#endif
