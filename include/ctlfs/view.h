/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The views: virtual files of /proc and /sys for one container (a cgroup of a tree). One row per
 * file (view_rows in src/view/rows.c), one snapshot per rendering, pure renderers.
 *
 * Entries of the view directory are named by slots, stable across restarts: 0 is the top (which
 * holds "proc" and "sys"), small numbers are rows, and CPUs have slots computed from their number.
 */
#ifndef CTLFS_VIEW_H
#define CTLFS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctlfs/buf.h"
#include "ctlfs/tree.h"

#define VIEW_TOP 0
#define VIEW_SLOTS (1u << 20)

struct view;

/* Over tree, which is borrowed and outlives the view. */
int view_new(struct tree *tree, struct view **ret_view);
void view_free(struct view *v); /* NULL is fine */

/* The container that a process (pid as the daemon sees it, 0 = unknown: the root) sees: the cgroup
 * of the init of its pid namespace, unless its own cgroup lies outside; a trailing "init.scope" is
 * not the container; a process outside the tree sees the root. */
int view_container(struct view *v, pid_t pid, uint64_t *ret_container);

/* The container that a process is in, for somebody else, who knows that it is in one: what it sees,
 * but its own cgroup instead of the whole machine, which containers in the host's pid namespace
 * see. -ENOENT if it is outside the tree, -ESRCH. */
int view_container_of(struct view *v, pid_t pid, uint64_t *ret_container);

struct view_entry {
	char name[32];
	unsigned slot;
	bool dir;
	bool writable; /* takes commands, as /proc/pressure/cpu does */
	bool varies; /* exists for some containers only (cpuN): may not be cached for callers */
};

/* Entry name of directory dir. -ENOENT, -ENOTDIR. */
int view_find(struct view *v, uint64_t container, unsigned dir, const char *name,
	      struct view_entry *ret_entry);
/* Entry number n (from 0) of directory dir; -ENOENT past the end. */
int view_list(struct view *v, uint64_t container, unsigned dir, size_t n,
	      struct view_entry *ret_entry);
/* What slot is: -ENOENT if it is no slot, or not one of this container. The parent of a slot. */
int view_stat(struct view *v, uint64_t container, unsigned slot, struct view_entry *ret_entry);
unsigned view_parent(unsigned slot);

/* The file of the tree that the file at slot stands for (pressure): whoever opens the one opens the
 * other. -ENOENT if it is rendered, -EOPNOTSUPP if the container has no such file, -ENODEV. */
int view_relay(struct view *v, uint64_t container, unsigned slot, uint64_t *ret_node);

/* Whether a file that is only read may be opened for writing by who has the right to, as in procfs,
 * where the write is then an error; in sysfs it may not. */
bool view_opens_to_write(unsigned slot);

/* Appends the text of the file at slot, of one moment. -ENODEV if the container is gone; a failed
 * read is an error, never an empty file or a host value. */
int view_render(struct view *v, uint64_t container, unsigned slot, struct buf *out);

/* Paths of the files and directories a container should bind over its own, NULL-terminated:
 * "proc/meminfo", ..., "sys/devices/system/cpu". Static. */
const char *const *view_binds(void);

#endif
