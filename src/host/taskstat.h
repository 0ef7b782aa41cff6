/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What procfs says of one process, parsed. dirfd is an open /proc. All fail with -ESRCH if the
 * process is gone. */
#ifndef HOST_TASKSTAT_H
#define HOST_TASKSTAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/stat: of the whole process. */
struct taskstat {
	char state; /* of its first thread */
	pid_t parent, group, session;
	int tty; /* of the session, 0: none */
	uint64_t flags; /* PF_* */
	uint64_t minflt, majflt;
	uint64_t utime, stime; /* clock ticks */
	uint64_t cutime, cstime; /* ... of children that were waited for */
	int64_t nice;
	uint64_t threads; /* 1 also for a zombie */
	uint64_t start; /* clock ticks since boot */
};

int taskstat_read(int dirfd, pid_t pid, struct taskstat *ret_stat);

/* The first thread is dead; others may live. */
static inline bool taskstat_dead(const struct taskstat *st)
{
	return st->state == 'Z' || st->state == 'X';
}

/* No thread is left that could run. */
static inline bool taskstat_exited(const struct taskstat *st)
{
	return taskstat_dead(st) && st->threads <= 1;
}

/* /proc/PID/status: process and real user of any thread. */
struct taskowner {
	pid_t pid;
	uid_t uid;
	uint64_t pending; /* signals that wait for a stopped process: bit N - 1 is signal N */
};

int taskstat_owner(int dirfd, pid_t tid, struct taskowner *ret_owner);

/* /proc/PID/status: supplementary groups, newly allocated. */
int taskstat_groups(int dirfd, pid_t tid, gid_t **ret_groups, size_t *ret_n);

/* /proc/PID/status: memory in kB; 0 where a process has none (zombies, kernel threads). */
struct taskmem {
	uint64_t anon, file, shmem, swap, pagetables;
};

int taskstat_memory(int dirfd, pid_t pid, struct taskmem *ret_mem);

/* /proc/PID/io: bytes that went from and to disks. -EACCES. */
int taskstat_io(int dirfd, pid_t pid, uint64_t *ret_rbytes, uint64_t *ret_wbytes);
/* /proc/PID/oom_score_adj */
int taskstat_oom_adj(int dirfd, pid_t pid, int *ret_adj);

/* /proc/PID/limits: the soft limit of RLIMIT_RTTIME, RLIM_INFINITY if there is none. Anybody's may
 * be read. */
int taskstat_rttime(int dirfd, pid_t pid, uint64_t *ret_usec);

#endif
