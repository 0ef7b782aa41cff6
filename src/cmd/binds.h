/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a container binds over files of its own, and whether this process may mount at all. */
#ifndef CTLFS_CMD_BINDS_H
#define CTLFS_CMD_BINDS_H

#include <stdbool.h>
#include <stdint.h>

#define BINDS_TREE "sys/fs/cgroup" /* where the tree goes */

struct bind {
	const char *target; /* "proc/meminfo", below the container's root directory; static */
	bool writable; /* takes commands: the tree, triggers of pressure */
	char source[128]; /* "view/7/proc/meminfo", below the mount of ctlfs */
};

/* Number n of container id's binds: the tree is number 0, the views follow. False past the end.
 * With id 0 the views are those of whoever reads, and the tree is the whole. */
bool binds_get(uint64_t id, unsigned n, struct bind *ret_bind);

bool binds_is_tree(const char *target); /* rather than that of a view */
bool binds_may_mount(void); /* CAP_SYS_ADMIN */

#endif
