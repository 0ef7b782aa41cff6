/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A task that somebody names by a number, which the kernel gives to another as soon as it ends. */
#ifndef CTLFS_KERNEL_TASK_H
#define CTLFS_KERNEL_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctlfs/buf.h"

struct kernel;

struct task {
	pid_t pid; /* as we see it; its own as long as task_lives() */
	int proc; /* its directory in /proc, which never becomes another's */
};

/* The task that has the number now. -ESRCH if nobody has. */
int task_open(pid_t pid, struct task *ret_task);
void task_close(struct task *t); /* fine if proc is -1 */
#define cleanup_task __attribute__((cleanup(task_close)))

/* Also true of a zombie: whether the number has been its own all the time since task_open(). */
bool task_lives(const struct task *t);

/* The directory of its cgroup. -ESRCH if it is gone, -ENOENT if it is outside the tree. */
int task_cgroup(struct kernel *k, const struct task *t, uint64_t *ret_dir);

/* Where it was made, however it has been moved since: /proc/PID/cgroup of its parent, or if only a
 * thread was moved of its process. -ESRCH. */
int task_origin(const struct task *t, bool thread, struct buf *ret_text);

#endif
