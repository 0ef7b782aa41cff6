/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the emulator gets processes, CPUs and the clock from: the running kernel
 * (src/host/tasks.c), or a test in virtual time. Pids are as the caller of these functions sees
 * them.
 *
 * A process carries a tag: a number that its children inherit over fork and exec, exactly. The
 * real source keeps it in the soft limit of RLIMIT_RTTIME (no effect on what is not real-time).
 *
 * Every function returns 0 or -errno, leaves ret_ alone on failure, may be called from any thread,
 * and never waits for a process.
 */
#ifndef CTLFS_TASKS_H
#define CTLFS_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctlfs/cpulist.h"

struct tasks;

/* A tag: magic (16 bits), instance of the emulator (16 bits, not 0), number of a cgroup (32 bits).
 */
#define TASK_TAG_MAGIC 0x6374ULL
#define TASK_TAG(instance, number) \
	(TASK_TAG_MAGIC << 48 | (uint64_t)(uint16_t)(instance) << 32 | (uint32_t)(number))

static inline bool task_tag_valid(uint64_t tag)
{
	return tag >> 48 == TASK_TAG_MAGIC;
}

static inline uint16_t task_tag_instance(uint64_t tag)
{
	return (uint16_t)(tag >> 32);
}

static inline uint32_t task_tag_number(uint64_t tag)
{
	return (uint32_t)tag;
}

/* Who a task is. */
struct task_info {
	pid_t pid; /* the process (thread group) it belongs to */
	uint64_t start; /* when the process started, any unit: with pid it names one process ever */
	pid_t parent; /* 0: none that is known */
	uid_t uid; /* real user id of the process */
	bool exited; /* no live thread is left: a zombie */
	bool leader_exited; /* the first thread is dead, others live */
	bool stopped; /* by a signal or a tracer */
	bool kthread; /* a thread of the kernel */
	bool job; /* of a shell with job control, which would take a stop for a Ctrl-Z */
	int stop_pending; /* a stop signal that waits while it is stopped; 0: none */
};

/* What a process has used and uses. */
struct task_sample {
	uint64_t start; /* as in task_info */
	uint64_t user_ns, system_ns; /* CPU time of all its threads, dead ones too */
	bool nice; /* its nice value is above 0 */
	uint64_t anon, file, shmem, swap, pagetables; /* bytes */
	uint64_t minflt, majflt; /* page faults so far */
	unsigned threads; /* live ones; 0 for a zombie */
	bool stopped; /* as in task_info */
	uint64_t rbytes, wbytes; /* read from and written to disks so far */
	pid_t parent;
	uint64_t child_user_ns, child_system_ns; /* of children it has waited for, and of theirs */
};

/* One process with a valid tag; exited: a zombie. Nonzero ends the scan with that value. */
typedef int task_visit(void *data, pid_t pid, uint64_t start, uint64_t tag, bool exited);
typedef int thread_visit(void *data, pid_t tid);

/* Process pid, once started at start, has exited. No lock of the source is held. */
typedef void task_exited(void *data, pid_t pid, uint64_t start);

struct tasks_ops {
	/* Nanoseconds of a clock that never goes back. */
	uint64_t (*now)(struct tasks *t);
	/* CPUs of the machine, at least 1. */
	unsigned (*cpus)(struct tasks *t);
	/* Their numbers. */
	void (*cpu_list)(struct tasks *t, struct cpulist *ret_cpus);

	/* A number that differs from the last one if any process may have been born in between. */
	int (*births)(struct tasks *t, uint64_t *ret_births);
	/* Visits every process that carries a tag of instance. */
	int (*scan)(struct tasks *t, uint16_t instance, task_visit *visit, void *data);
	/* The tag of the process of task tid. -ESRCH; -ENOENT if it carries none. */
	int (*get_tag)(struct tasks *t, pid_t tid, uint64_t *ret_tag);
	/* -ESRCH; -EPERM without rights over the process or if its hard limit is in the way. */
	int (*set_tag)(struct tasks *t, pid_t pid, uint64_t tag);

	int (*info)(struct tasks *t, pid_t tid, struct task_info *ret_info); /* -ESRCH */
	int (*sample)(struct tasks *t, pid_t pid, struct task_sample *ret_sample); /* -ESRCH */
	/* CPU time of all its threads, dead ones too, to the nanosecond, and cheaply. -ESRCH.
	 * NULL: by sample. */
	int (*cpu_time)(struct tasks *t, pid_t pid, uint64_t *ret_ns);
	/* A stop signal that was sent has taken effect: no thread does anything more until SIGCONT.
	 * One in a call that no signal interrupts stops before that returns. */
	bool (*halted)(struct tasks *t, pid_t pid);
	/* Certainly has no children. NULL: never. */
	bool (*childless)(struct tasks *t, pid_t pid);
	/* oom_score_adj, -1000 to 1000. NULL: 0. -ESRCH. */
	int (*oom_adj)(struct tasks *t, pid_t pid, int *ret_adj);
	/* Visits the live threads of a process. -ESRCH. */
	int (*threads)(struct tasks *t, pid_t pid, thread_visit *visit, void *data);

	/* The task that caller means by nr, in caller's pid namespace. -ESRCH. */
	int (*find)(struct tasks *t, pid_t caller, pid_t nr, pid_t *ret_tid);
	/* Replaces each of tids[n] by what reader calls it: 0 if it cannot see it. */
	int (*show)(struct tasks *t, pid_t reader, pid_t *tids, size_t n);

	/* Sends sig to the process, if it is still the one that started at start. -ESRCH, -EPERM.
	 */
	int (*kill)(struct tasks *t, pid_t pid, uint64_t start, int sig);
	/* Thread tid of process pid, or 0: all its threads, may run on now after was. One that is
	 * on a part of was has chosen so, and stays on what now has of it, if anything. -ESRCH,
	 * -EPERM. */
	int (*set_cpus)(struct tasks *t, pid_t pid, pid_t tid, const struct cpulist *was,
			const struct cpulist *now);

	/* Who is told of exits. NULL: nobody; returns only when no call is under way. Must not be
	 * called with a lock held that exited takes. */
	void (*on_exit)(struct tasks *t, task_exited *exited, void *data);
	/* Asks to be told when the process exits; told also if it already has. -ESRCH; -EMFILE if
	 * no more can be watched: the caller looks for itself. */
	int (*watch)(struct tasks *t, pid_t pid, uint64_t start);
	void (*unwatch)(struct tasks *t, pid_t pid, uint64_t start); /* unknown ones are fine */
	/* Returns when all exits before this call have been told. Locks as for on_exit. */
	void (*settle)(struct tasks *t);

	void (*destroy)(struct tasks *t);

	/* The following may be NULL: nothing of the kind is known. */

	/* A number of the task's cgroup namespace, 0: the one of the emulator itself. Numbers of
	 * namespaces that are gone are used again. -ESRCH, -EACCES. */
	int (*cgroup_ns)(struct tasks *t, pid_t tid, uint64_t *ret_ns);
	/* The task's supplementary groups, newly allocated. -ESRCH, -ENOMEM. */
	int (*groups)(struct tasks *t, pid_t tid, gid_t **ret_groups, size_t *ret_n);
};

struct tasks {
	const struct tasks_ops *ops;
};

/* The processes of the running kernel. Owns a thread that waits for exits. -ENOMEM, -errno. */
int tasks_new(struct tasks **ret_tasks);

static inline void tasks_free(struct tasks *t) /* NULL is fine */
{
	if (t)
		t->ops->destroy(t);
}

#endif
