/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mounted ctlfs that a container's views come from, and which of them are the container's. */
#ifndef CTLFS_CMD_SOURCE_H
#define CTLFS_CMD_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "binds.h"
#include "ctlfs/buf.h"
#include "mounttable.h"

struct source {
	char *mount; /* where it is mounted */
	int dir; /* the same */
	uint64_t id; /* of the container */
	bool tree; /* there is one */
	struct buf path; /* the container's cgroup in it: "/" is the root; "" without a tree */
	struct mounttable mounts; /* those of this namespace */
	const struct mountinfo *row; /* the ctlfs among them */
};

#define SOURCE_INIT ((struct source){ .dir = -1 })

/* The ctlfs at mount, or, if that is NULL, the one there is (mounts_choose()), and the container of
 * process pid in it. 0, or -errno with the reason noted. */
int source_open(const char *mount, int proc, pid_t pid, struct source *ret_source);
/* What is bound, as a mount of its own that nobody sees yet: an O_PATH descriptor. */
int source_clone(const struct source *s, const struct bind *bind, int *ret_fd);
void source_close(struct source *s);
#define cleanup_source __attribute__((cleanup(source_close)))

#endif
