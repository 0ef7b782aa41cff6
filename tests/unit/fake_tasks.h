/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A task source in virtual time: processes that do exactly what a test says. What exits is told of
 * when somebody settles, as a signal sent under the emulator's lock must not call back at once.
 */
#ifndef TESTS_FAKE_TASKS_H
#define TESTS_FAKE_TASKS_H

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/tasks.h"

#ifndef FAKE_TASKS
#define FAKE_TASKS 4096
#endif
#define FAKE_THREADS 8
#define FAKE_FIRST_PID 1000 /* pids count from here */

struct fake_task {
	pid_t pid;
	pid_t inner; /* what an inner pid namespace calls it, 0: not in there */
	uint64_t start, tag;
	uid_t uid;
	uint64_t cgroup_ns; /* 0: the emulator's */
	gid_t groups[4];
	unsigned n_groups;
	bool exited, reaped, kthread, stopped, watched, told;
	bool unkillable; /* stuck in the kernel */
	bool fixed; /* its tag may not be set, nor may it be signalled */
	struct task_sample use;
	int adj; /* oom_score_adj */
	bool job;
	bool late; /* gets no CPU to take a stop signal */
	int stop_pending;
	pid_t tids[FAKE_THREADS]; /* live threads; the first need not be among them */
	unsigned n_tids;
	uint64_t cpus[FAKE_THREADS]; /* of each of tids; 0: all */
	unsigned spread; /* how many the last thread set may use, 0: all */
	unsigned signals[65]; /* how often each was sent */
	unsigned last[65]; /* when it last was, among all signals to anybody; 0: never */
};

struct fake {
	struct tasks tasks;
	struct fake_task task[FAKE_TASKS];
	unsigned n;
	uint64_t now, births;
	uint64_t offline; /* CPUs that are not there */
	unsigned n_cpus, watch_max, n_watched;
	unsigned n_scans, n_samples, n_signals;
	void (*during_scan)(struct fake *f); /* what processes do while they are being looked at */
	task_exited *exited;
	void *data;
};

static inline struct fake_task *fake_find(struct fake *f, pid_t pid)
{
	for (unsigned i = 0; i < f->n; i++) {
		if (f->task[i].pid == pid && !f->task[i].reaped)
			return &f->task[i];
	}
	return NULL;
}

/* The process of a thread. */
static inline struct fake_task *fake_of_tid(struct fake *f, pid_t tid)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct fake_task *t = &f->task[i];

		if (t->reaped)
			continue;
		if (t->pid == tid)
			return t;
		for (unsigned k = 0; k < t->n_tids; k++) {
			if (t->tids[k] == tid)
				return t;
		}
	}
	return NULL;
}

/* --- what a test makes processes do --- */

static inline pid_t fake_spawn_uid(struct fake *f, uid_t uid)
{
	struct fake_task *t = &f->task[f->n];

	ck_assert_uint_lt(f->n, FAKE_TASKS);
	f->births++;
	t->pid = FAKE_FIRST_PID + (pid_t)f->births;
	t->start = f->births;
	t->uid = uid;
	t->use.start = t->start;
	t->use.threads = t->n_tids = 1;
	t->tids[0] = t->pid;
	f->n++;
	return t->pid;
}

static inline pid_t fake_spawn(struct fake *f)
{
	return fake_spawn_uid(f, 0);
}

static inline pid_t fake_fork(struct fake *f, pid_t parent)
{
	const struct fake_task *p = fake_find(f, parent);
	pid_t pid = fake_spawn_uid(f, p->uid);
	struct fake_task *t = fake_find(f, pid);

	t->tag = p->tag;
	t->cpus[0] = p->cpus[0];
	t->use.parent = parent;
	t->spread = p->spread;
	return pid;
}

static inline pid_t fake_thread(struct fake *f, pid_t pid)
{
	struct fake_task *t = fake_find(f, pid);

	ck_assert_uint_lt(t->n_tids, FAKE_THREADS);
	f->births++;
	t->cpus[t->n_tids] = t->cpus[0];
	t->tids[t->n_tids++] = FAKE_FIRST_PID + (pid_t)f->births;
	t->use.threads = t->n_tids;
	return t->tids[t->n_tids - 1];
}

static inline void fake_exit(struct fake *f, pid_t pid)
{
	struct fake_task *t = fake_find(f, pid);

	t->exited = true;
	t->n_tids = t->use.threads = 0;
	t->use.anon = t->use.file = t->use.shmem = t->use.swap = t->use.pagetables = 0;
}

/* One thread ends; the last one ends the process. */
static inline void fake_thread_exit(struct fake *f, pid_t tid)
{
	struct fake_task *t = fake_of_tid(f, tid);

	for (unsigned i = 0; i < t->n_tids; i++) {
		if (t->tids[i] != tid)
			continue;
		memmove(&t->tids[i], &t->tids[i + 1], (t->n_tids - i - 1) * sizeof *t->tids);
		memmove(&t->cpus[i], &t->cpus[i + 1], (t->n_tids - i - 1) * sizeof *t->cpus);
		t->n_tids--;
		break;
	}
	t->use.threads = t->n_tids;
	if (!t->n_tids)
		fake_exit(f, t->pid);
}

/* The parent has waited for it: a watch of it stays, as a pidfd does. */
static inline void fake_reap(struct fake *f, pid_t pid)
{
	fake_find(f, pid)->reaped = true;
}

static inline void fake_end(struct fake *f, pid_t pid)
{
	fake_exit(f, pid);
	fake_reap(f, pid);
}

/* --- the ops --- */

static inline struct fake *fake_of(struct tasks *t)
{
	return (struct fake *)t;
}

static inline uint64_t fake_now(struct tasks *t)
{
	return fake_of(t)->now;
}

static inline unsigned fake_cpus(struct tasks *t)
{
	return fake_of(t)->n_cpus;
}

static inline int fake_births(struct tasks *t, uint64_t *ret_births)
{
	*ret_births = fake_of(t)->births;
	return 0;
}

static inline int fake_scan(struct tasks *t, uint16_t instance, task_visit *visit, void *data)
{
	struct fake *f = fake_of(t);
	unsigned n = f->n;
	int r = 0;

	f->n_scans++;
	for (unsigned i = 0; i < n && r == 0; i++) {
		const struct fake_task *task = &f->task[i];

		if (i == n / 2 && f->during_scan)
			f->during_scan(f);
		if (!task->reaped && task_tag_valid(task->tag) &&
		    task_tag_instance(task->tag) == instance)
			r = visit(data, task->pid, task->start, task->tag, task->exited);
	}
	return r;
}

static inline int fake_get_tag(struct tasks *t, pid_t tid, uint64_t *ret_tag)
{
	const struct fake_task *task = fake_of_tid(fake_of(t), tid);

	if (!task)
		return -ESRCH;
	if (!task_tag_valid(task->tag))
		return -ENOENT;
	*ret_tag = task->tag;
	return 0;
}

static inline int fake_set_tag(struct tasks *t, pid_t pid, uint64_t tag)
{
	struct fake_task *task = fake_find(fake_of(t), pid);

	if (!task)
		return -ESRCH;
	if (task->fixed)
		return -EPERM;
	task->tag = tag;
	return 0;
}

static inline int fake_info(struct tasks *t, pid_t tid, struct task_info *ret_info)
{
	const struct fake_task *task = fake_of_tid(fake_of(t), tid);

	if (!task)
		return -ESRCH;
	*ret_info = (struct task_info){
		.pid = task->pid,
		.parent = task->use.parent,
		.start = task->start,
		.uid = task->uid,
		.exited = task->exited,
		.leader_exited = task->n_tids && task->tids[0] != task->pid,
		.stopped = task->stopped,
		.kthread = task->kthread,
		.job = task->job,
		.stop_pending = task->stop_pending,
	};
	return 0;
}

static inline int fake_sample(struct tasks *t, pid_t pid, struct task_sample *ret_sample)
{
	struct fake *f = fake_of(t);
	const struct fake_task *task = fake_find(f, pid);

	f->n_samples++;
	if (!task)
		return -ESRCH;
	*ret_sample = task->use;
	ret_sample->stopped = task->stopped;
	return 0;
}

static inline bool fake_halted(struct tasks *t, pid_t pid)
{
	const struct fake_task *task = fake_find(fake_of(t), pid);

	return !task || (task->stopped && !task->late);
}

static inline bool fake_childless(struct tasks *t, pid_t pid)
{
	struct fake *f = fake_of(t);

	for (unsigned i = 0; i < f->n; i++) {
		if (f->task[i].use.parent == pid && !f->task[i].reaped)
			return false;
	}
	return true;
}

static inline int fake_oom_adj(struct tasks *t, pid_t pid, int *ret_adj)
{
	const struct fake_task *task = fake_find(fake_of(t), pid);

	if (!task)
		return -ESRCH;
	*ret_adj = task->adj;
	return 0;
}

static inline int fake_threads(struct tasks *t, pid_t pid, thread_visit *visit, void *data)
{
	const struct fake_task *task = fake_find(fake_of(t), pid);
	int r = task ? 0 : -ESRCH;

	for (unsigned i = 0; r == 0 && i < task->n_tids; i++)
		r = visit(data, task->tids[i]);
	return r;
}

static inline int fake_find_nr(struct tasks *t, pid_t caller, pid_t nr, pid_t *ret_tid)
{
	struct fake *f = fake_of(t);
	const struct fake_task *who = fake_of_tid(f, caller);

	if (!who || !who->inner) {
		if (!fake_of_tid(f, nr))
			return -ESRCH;
		*ret_tid = nr;
		return 0;
	}
	for (unsigned i = 0; i < f->n; i++) {
		if (f->task[i].inner == nr && !f->task[i].reaped) {
			*ret_tid = f->task[i].pid;
			return 0;
		}
	}
	return -ESRCH;
}

static inline int fake_show(struct tasks *t, pid_t reader, pid_t *tids, size_t n)
{
	struct fake *f = fake_of(t);
	const struct fake_task *who = fake_of_tid(f, reader);

	for (size_t i = 0; i < n && who && who->inner; i++) {
		const struct fake_task *task = fake_find(f, tids[i]);

		tids[i] = task ? task->inner : 0;
	}
	return 0;
}

static inline int fake_kill(struct tasks *t, pid_t pid, uint64_t start, int sig)
{
	struct fake *f = fake_of(t);
	struct fake_task *task = fake_find(f, pid);

	if (!task || task->start != start)
		return -ESRCH;
	if (task->fixed)
		return -EPERM;
	task->signals[sig]++;
	task->last[sig] = ++f->n_signals;
	if (task->exited)
		return 0;
	if (sig == SIGSTOP || sig == SIGTSTP) {
		task->stop_pending = task->stopped ? sig : task->stop_pending;
		task->stopped = true;
	} else if (sig == SIGCONT) {
		task->stopped = false;
		task->stop_pending = 0;
	} else if (sig == SIGKILL && !task->unkillable) {
		fake_exit(f, pid);
	}
	return 0;
}

static inline uint64_t fake_all_cpus(const struct fake *f)
{
	return (f->n_cpus < 64 ? (1ULL << f->n_cpus) - 1 : UINT64_MAX) & ~f->offline;
}

static inline void fake_cpu_list(struct tasks *t, struct cpulist *ret_cpus)
{
	cpulist_first(ret_cpus, fake_of(t)->n_cpus);
	ret_cpus->bits[0] &= ~fake_of(t)->offline;
}

static inline int fake_set_cpus(struct tasks *t, pid_t pid, pid_t tid, const struct cpulist *was,
				const struct cpulist *now)
{
	const struct fake *f = fake_of(t);
	struct fake_task *task = fake_find(fake_of(t), pid);
	uint64_t all = fake_all_cpus(f);

	if (!task)
		return -ESRCH;
	for (unsigned i = 0; i < task->n_tids; i++) {
		uint64_t on = task->cpus[i] ? task->cpus[i] : all;
		bool chosen = on != was->bits[0] && !(on & ~was->bits[0]) &&
			      (on & now->bits[0]);

		if (tid && task->tids[i] != tid)
			continue;
		on = chosen ? on & now->bits[0] : now->bits[0];
		ck_assert_uint_ne(on, 0);
		task->cpus[i] = on == all ? 0 : on;
		task->spread = (unsigned)__builtin_popcountll(task->cpus[i]);
	}
	return 0;
}

static inline void fake_on_exit(struct tasks *t, task_exited *exited, void *data)
{
	fake_of(t)->exited = exited;
	fake_of(t)->data = data;
}

static inline int fake_watch(struct tasks *t, pid_t pid, uint64_t start)
{
	struct fake *f = fake_of(t);
	struct fake_task *task = fake_find(f, pid);

	if (!task || task->start != start)
		return -ESRCH;
	if (!task->watched && f->n_watched >= f->watch_max)
		return -EMFILE;
	f->n_watched += !task->watched;
	task->watched = true;
	return 0;
}

static inline void fake_unwatch(struct tasks *t, pid_t pid, uint64_t start)
{
	struct fake *f = fake_of(t);

	for (unsigned i = 0; i < f->n; i++) {
		struct fake_task *task = &f->task[i];

		if (task->pid == pid && task->start == start && task->watched) {
			task->watched = false;
			f->n_watched--;
		}
	}
}

static inline void fake_settle(struct tasks *t)
{
	struct fake *f = fake_of(t);

	for (unsigned i = 0; i < f->n; i++) {
		struct fake_task *task = &f->task[i];

		if (!task->exited || !task->watched || task->told)
			continue;
		task->told = true;
		if (f->exited)
			f->exited(f->data, task->pid, task->start);
	}
}

static inline int fake_cgroup_ns(struct tasks *t, pid_t tid, uint64_t *ret_ns)
{
	const struct fake_task *task = fake_of_tid(fake_of(t), tid);

	if (!task)
		return -ESRCH;
	*ret_ns = task->cgroup_ns;
	return 0;
}

static inline int fake_groups(struct tasks *t, pid_t tid, gid_t **ret_groups, size_t *ret_n)
{
	const struct fake_task *task = fake_of_tid(fake_of(t), tid);

	if (!task)
		return -ESRCH;
	*ret_n = task->n_groups;
	*ret_groups = malloc(sizeof task->groups);
	memcpy(*ret_groups, task->groups, sizeof task->groups);
	return 0;
}

static inline void fake_destroy(struct tasks *t)
{
	ck_assert_uint_eq(fake_of(t)->n_watched, 0); /* whoever watches unwatches */
	free(t);
}

static inline struct fake *fake_new(void)
{
	static const struct tasks_ops ops = {
		.now = fake_now,
		.cpus = fake_cpus,
		.cpu_list = fake_cpu_list,
		.births = fake_births,
		.scan = fake_scan,
		.get_tag = fake_get_tag,
		.set_tag = fake_set_tag,
		.info = fake_info,
		.halted = fake_halted,
		.sample = fake_sample,
		.childless = fake_childless,
		.oom_adj = fake_oom_adj,
		.threads = fake_threads,
		.find = fake_find_nr,
		.show = fake_show,
		.kill = fake_kill,
		.set_cpus = fake_set_cpus,
		.on_exit = fake_on_exit,
		.watch = fake_watch,
		.unwatch = fake_unwatch,
		.settle = fake_settle,
		.destroy = fake_destroy,
		.cgroup_ns = fake_cgroup_ns,
		.groups = fake_groups,
	};
	struct fake *f = calloc(1, sizeof *f);

	ck_assert_ptr_nonnull(f);
	f->tasks.ops = &ops;
	f->n_cpus = 8;
	f->watch_max = FAKE_TASKS;
	return f;
}

#endif
