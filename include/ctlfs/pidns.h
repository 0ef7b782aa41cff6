/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers of processes and threads in other pid namespaces. "As we see it" means in the namespace
 * of this process, whose procfs is at /proc. Nothing is remembered that a reused number could make
 * wrong. All are thread-safe and return 0 or -errno: -ESRCH if there is no such task, -EACCES if
 * its namespace may not be looked at. Source: the NS_GET_*_PIDNS ioctls of 6.12, before that NSpid
 * of /proc/PID/status.
 */
#ifndef CTLFS_PIDNS_H
#define CTLFS_PIDNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The number in reader's namespace of pid (both as we see them), 0 if it is invisible there or
 * gone. -ESRCH is about the reader. */
int pidns_show(pid_t reader, pid_t pid, pid_t *ret_nr);

/* The same for pids[n], in place; on failure some may have been replaced. */
int pidns_show_all(pid_t reader, pid_t *pids, size_t n);

/* The task, as we see it, that has number nr in caller's namespace; any thread's number will do, as
 * for the kernel. -ESRCH if there is none (or no caller). */
int pidns_find(pid_t caller, pid_t nr, pid_t *ret_pid);

/* The inode number of pid's namespace, which names it while it lives. */
int pidns_id(pid_t pid, uint64_t *ret_ino);

/* The process, as we see it, that is number 1 in pid's namespace. */
int pidns_init(pid_t pid, pid_t *ret_init);

/* The same of the namespace in which that one was made. -ENOENT if that is ours. */
int pidns_parent_init(pid_t pid, pid_t *ret_init);

/* The process (its first thread) that thread tid belongs to. */
int host_process(pid_t tid, pid_t *ret_pid);

/* When a task was started, in clock ticks since boot (field 22 of /proc/PID/stat): with the pid it
 * names a task for good. */
int host_start_time(pid_t pid, uint64_t *ret_ticks);

#endif
