/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The namespaces of a task: the files of /proc/PID/ns. kind is a name there, such as "user"; proc
 * is a directory of procfs, or AT_FDCWD: /proc. -ESRCH if there is no such task, -EACCES if it may
 * not be looked at.
 */
#ifndef CTLFS_NS_H
#define CTLFS_NS_H

#include <stdint.h>
#include <sys/types.h>

#define NS_SELF (-1) /* for a pid: this process, also where the procfs is another namespace's */

/* The inode number, which names it while it lives. 0 or -errno. */
int ns_id(int proc, pid_t pid, const char *kind, uint64_t *ret_ino);
/* A descriptor, or -errno. */
int ns_open(int proc, pid_t pid, const char *kind);
/* The inode number of what is open. 0 or -errno. */
int ns_of(int fd, uint64_t *ret_ino);

#endif
