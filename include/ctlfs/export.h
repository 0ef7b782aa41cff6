/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots of a tree as plain files, which may be looked at, edited, kept and compared, and trees
 * made from them. A snapshot is a directory for each cgroup, with a file for each interface file
 * that could be read; ".ctlfs-export" at its top holds owners and modes, one line for each node:
 * MODE UID GID PATH.
 *
 * All return 0 or -errno with the reason, which names the path, noted (why.h).
 */
#ifndef CTLFS_EXPORT_H
#define CTLFS_EXPORT_H

#include "ctlfs/tree.h"

/* Any directory as a tree that can only be read: a snapshot, a cgroup of cgroupfs, of a FUSE mount.
 * Nothing outside it is read: no symbolic link is followed, and where there is one, or anything
 * else that is neither a directory nor a file, listing fails with -ELOOP. Bounded: -EFBIG for a
 * file of more than a MiB, -EOVERFLOW for too many nodes or too deep ones. */
int plain_new(const char *dir, struct tree **ret_tree);

/* Writes a snapshot of t to dir, which is made, or is empty. Cgroups and files that vanish
 * meanwhile are left out. */
int tree_export(struct tree *t, const char *dir);

/* What could not be taken over: one line, without a newline. */
typedef void import_notice(void *data, const char *text);

/* Makes in t the cgroups of from, a snapshot or another tree, with their types, controllers,
 * limits, weights, and where from tells them owners and modes. What does not exist in t or depends
 * on another machine (a controller, a device, CPUs) is left out, and notice told; so are processes,
 * usage and counters, in one line for all. What t refuses otherwise ends it, half done. */
int tree_import(struct tree *t, struct tree *from, import_notice *notice, void *data);

#endif
