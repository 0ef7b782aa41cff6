/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which container a process is in: the cgroup of the init of its pid namespace. Where the process
 * lives outside that cgroup (pods that share a pid namespace), and where the init is in none of the
 * tree's cgroups or may not be looked at, it is the process' own cgroup. A cgroup named init.scope
 * stands for its parent.
 */
#ifndef CTLFS_CONTAINER_H
#define CTLFS_CONTAINER_H

#include <stdint.h>
#include <sys/types.h>

struct host;
struct tree;
struct containers;

/* Both are borrowed and outlive it. -ENOMEM. */
int containers_new(struct tree *t, struct host *h, struct containers **ret_containers);
void containers_free(struct containers *c); /* NULL is fine */

/* The container of pid, as this process sees it (> 0). -ESRCH; -ENOENT if it is in none of the
 * tree's cgroups. Thread-safe. */
int containers_find(struct containers *c, pid_t pid, uint64_t *ret_container);

/* The container whose processes are in directory dir of t: dir, or its parent if it is an
 * init.scope. */
int container_at(struct tree *t, uint64_t dir, uint64_t *ret_container);

#endif
