/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes that exist only as numbers, beside the real ones: a task source (tasks.h) around
 * another one. What is asked of a pid that a kernel cannot have is answered here, the rest there;
 * so the emulator treats both alike. A synthetic process uses CPU and memory at rates that a script
 * sets, from the clock alone: only while it is not stopped, and no more than its threads and their
 * CPUs can.
 *
 * Also the clock: the other source's, or one that stands still until it is moved.
 *
 * Locks itself, innermost; for on_exit and settle see tasks.h.
 */
#ifndef EMUL_SYNTHETIC_H
#define EMUL_SYNTHETIC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctlfs/buf.h"
#include "ctlfs/tasks.h"

/* Kernels give pids below this (PID_MAX_LIMIT of 64-bit kernels). */
#define SYNTHETIC_FIRST 4194304
#define SYNTHETIC_THREADS_MAX 1024
#define SYNTHETIC_MAX 4096 /* processes at a time */

#define PPM 1000000
#define SYNTHETIC_CPUS 8 /* of the machine where there is no base that knows */

/* What one does, each field beginning with the moment when it is set. */
struct synthetic_spec {
	uint64_t anon, file, shmem, swap; /* bytes */
	int64_t grow; /* of anon, bytes a second; never below zero */
	uint64_t user, system; /* CPUs that it wants, in millionths */
	unsigned threads;
	uid_t uid;
	bool nice;
};

/* base is borrowed; NULL: there are no other processes, and the clock stands at 0. died is called
 * with no lock of ours when a process was killed whose exit nobody has been told of yet: settle()
 * tells. */
int synthetic_new(struct tasks *base, void (*died)(void *data), void *data,
		  struct tasks **ret_tasks);

/* A new process, in no cgroup, like a real one that was started outside. -EEXIST if there is a live
 * one of that name, -ENOSPC. */
int synthetic_add(struct tasks *t, const char *name, const struct synthetic_spec *spec,
		  pid_t *ret_pid);
/* A child of a live one with its tag and its spec. */
int synthetic_fork(struct tasks *t, const char *parent, const char *name, pid_t *ret_pid);
int synthetic_find(struct tasks *t, const char *name, pid_t *ret_pid); /* a live one; -ESRCH */
/* What it is now: memory and rates as of this moment. */
int synthetic_get(struct tasks *t, pid_t pid, struct synthetic_spec *ret_spec);
int synthetic_set(struct tasks *t, pid_t pid, const struct synthetic_spec *spec);
int synthetic_exit(struct tasks *t, pid_t pid);
/* Visits live ones in the order in which they came. The lock is held: visit may not call back. */
void synthetic_each(struct tasks *t, void (*visit)(void *data, const char *name, pid_t pid),
		    void *data);

/* The clock stands still at what it reads now, or goes on from there. */
void synthetic_freeze_clock(struct tasks *t, bool freeze);
void synthetic_set_clock(struct tasks *t, uint64_t now); /* a frozen one; never back */

#endif
