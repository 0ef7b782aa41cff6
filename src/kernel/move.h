/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Moving a task for somebody, by a write to cgroup.procs or cgroup.threads. */
#ifndef CTLFS_KERNEL_MOVE_H
#define CTLFS_KERNEL_MOVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctlfs/tree.h"

struct kernel;
struct party;

struct move {
	int fd; /* the open file, */
	uint64_t dir; /* its directory */
	const char *name; /* and its name */
	const struct caller *writer;
	const struct party *parties[2]; /* who has to be let: the writer and who opened the file */
	bool asked; /* the result: the kernel answered */
};

/* The writer names the task by text, which is cut up. 0 or -errno; the reason is noted where the
 * kernel was not asked. */
int move_task(struct kernel *k, struct move *m, char *text, size_t len);

#endif
