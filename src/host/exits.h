/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exits of processes: a thread that waits on their pidfds. A process has exited when its last
 * thread has, reaped or not.
 */
#ifndef HOST_EXITS_H
#define HOST_EXITS_H

#include "ctlfs/tasks.h"

struct exits;

/* procfd is an open /proc, borrowed. */
int exits_new(int procfd, struct exits **ret_exits);
void exits_free(struct exits *x); /* NULL is fine */
/* As the ops of these names in tasks.h. */
void exits_handler(struct exits *x, task_exited *exited, void *data);
int exits_watch(struct exits *x, pid_t pid, uint64_t start);
void exits_unwatch(struct exits *x, pid_t pid, uint64_t start);
void exits_settle(struct exits *x);

/* A pidfd of the process that started at start: -ESRCH if pid is another one by now. */
int exits_pidfd(int procfd, pid_t pid, uint64_t start, int *ret_fd);

#endif
