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

#endif
