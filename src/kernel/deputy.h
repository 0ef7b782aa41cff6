/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Doing something for somebody else with no more rights than he has himself. */
#ifndef CTLFS_KERNEL_DEPUTY_H
#define CTLFS_KERNEL_DEPUTY_H

#include <stdbool.h>

#include "ctlfs/tree.h"

/* May this process take on other people's ids? Asked once, at the start. */
bool deputy_privileged(void);

/*
 * Calls fn(arg) in a thread that has who's ids, groups, umask, cgroup namespace and those of his
 * capabilities that we have too, and returns what it returned (0 or -errno). &TREE_SELF stays as it
 * is. Without privilege only the daemon's own user is served. Never falls back to more rights:
 * -EINTR if who is gone, -EACCES if his rights cannot be had; the reason is noted. A reason noted
 * by fn is lost.
 */
int deputy_run(bool privileged, const struct caller *who, int (*fn)(void *arg), void *arg);

/* 1 if pid is in other's cgroup namespace (0: in ours), 0 if not, or -errno: -ESRCH, -EACCES. */
int deputy_same_cgroup_ns(pid_t pid, pid_t other);

/* Calls fn(arg) in a thread that has pid's cgroup namespace and is otherwise as we are. Returns
 * what it returned, or -errno: -ESRCH, -EACCES, -EPERM. */
int deputy_in_cgroup_ns(pid_t pid, int (*fn)(void *arg), void *arg);

#endif
