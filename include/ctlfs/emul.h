/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulator: a cgroup v2 tree with the kernel's semantics over real processes, without root and
 * without a kernel cgroup. Knows no FUSE; tasks and clock are injected (tasks.h).
 */
#ifndef CTLFS_EMUL_H
#define CTLFS_EMUL_H

#include <stdbool.h>

#include "ctlfs/tree.h"

struct tasks;

/* Which kernel is emulated. Zero is the default. */
enum emul_version { EMUL_6_12, EMUL_6_1, EMUL_6_18 };

struct emul_config {
	struct tasks *tasks; /* borrowed; outlives the tree; NULL: synthetic processes only, and
			      * virtual time from 0 on */
	enum emul_version version;
	bool observe; /* never act on members for a limit: only account (--no-enforce) */
	bool clock; /* a thread of the tree's own runs what is due; else emul_run_due() does */
	uid_t uid; /* owner of the root and its files */
	gid_t gid;
	uint64_t sample_ns; /* how old usage may be that is read; 0: sampled for each read */
	bool spread; /* keep members on as many CPUs as cpu.max pays for (sched_setaffinity) */
	/* What the machine has: words with blanks between, read by emul_new() only. NULL: none. */
	/* Block devices: "MAJ:MIN"; "MAJ:MIN/mq" or, if it does not rotate, "MAJ:MIN/ssd" of one
	 * that io.cost.* may be set for. */
	const char *devices;
	const char *misc; /* of the misc controller: "NAME=CAPACITY" */
	const char *rdma; /* names of devices */
	const char *dmem; /* regions of device memory: "NAME=BYTES"; from EMUL_6_18 on */
	/* What the kernel is built with: "memory", "memory/v1" of one that cgroup v1 has taken.
	 * NULL: all controllers of its version. */
	const char *controllers;
};

/* A new hierarchy with just the root. -ENOMEM, -EINVAL for words of config that are none, or what
 * the task source answered. */
int emul_new(const struct emul_config *config, struct tree **ret_tree);

/* Task tid, which waits for the answer, is about to fork or to make a thread; pending other ones
 * that were allowed to may not have done it yet. 0: it may; -EAGAIN: not, for a pids.max, which is
 * counted in pids.events; -EBUSY: ask again when fewer are pending. Waits for no process. */
int emul_may_fork(struct tree *t, pid_t tid, unsigned pending);

/* No limit stops process pid, a member, and it takes its children's stops for nothing: process 1 of
 * `ctlfs run`, which passes on the SIGCONT that would follow. -ESRCH: it is no member. */
int emul_spare(struct tree *t, pid_t pid);

/* Runs what is due by the clock of the task source: throttling, growth over limits, pressure. Gives
 * when it next wants to be called, in nanoseconds of that clock; UINT64_MAX: never, unless
 * something is done to the tree. Only for trees without config.clock. */
uint64_t emul_run_due(struct tree *t);

/* Made for tests: usage, events, pressure, faults, synthetic processes and time as text says, one
 * command a line (docs/inject.md); with the rights of the tree itself. Lines take effect one by
 * one, up to the first that is wrong: -EINVAL, or the -errno of what it did, with the reason noted
 * (why.h). May be called from any thread, with no lock that a change (tree.changed) takes. */
int emul_inject(struct tree *t, const char *text);

/* The same for a scenario: nothing takes effect unless all lines are right, and reasons name file
 * and line. name: of the file, for messages. */
int emul_scenario(struct tree *t, const char *name, const char *text);

/* Appends what stands: the clock, synthetic processes, faults, what is to come, what has failed. */
int emul_inject_show(struct tree *t, struct buf *out);

#endif
