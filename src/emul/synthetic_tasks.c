/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The synthetic task source: each of the ops of tasks.h, answered here or by the base. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <utlist.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "synthetic_inside.h"

#define PAGES(bytes) ((bytes) / CTLFS_PAGE_SIZE * CTLFS_PAGE_SIZE)

#define FORWARD(s, tid, op, ...)                                             \
	if (!is_synthetic(tid))                                              \
		return (s)->base ? (s)->base->ops->op((s)->base, __VA_ARGS__) : -ESRCH

static uint64_t op_now(struct tasks *t)
{
	struct source *s = source_of(t);

	guard_mutex(&s->lock);
	return synthetic_now(s);
}

static unsigned op_cpus(struct tasks *t)
{
	struct source *s = source_of(t);

	return s->base ? s->base->ops->cpus(s->base) : SYNTHETIC_CPUS;
}

static void op_cpu_list(struct tasks *t, struct cpulist *ret_cpus)
{
	struct source *s = source_of(t);

	if (s->base)
		s->base->ops->cpu_list(s->base, ret_cpus);
	else
		cpulist_first(ret_cpus, SYNTHETIC_CPUS);
}

static int op_births(struct tasks *t, uint64_t *ret_births)
{
	struct source *s = source_of(t);
	uint64_t births = 0;
	int r = s->base ? s->base->ops->births(s->base, &births) : 0;

	if (r < 0)
		return r;
	guard_mutex(&s->lock);
	*ret_births = births + s->births;
	return 0;
}

/* What a scan finds, kept while no lock is held over the visits. */
struct seen {
	pid_t pid;
	uint64_t tag;
};

static int gather(struct source *s, uint16_t instance, struct seen **ret_seen, size_t *ret_n)
{
	const struct process *p;
	struct seen *seen;
	size_t n = 0;

	guard_mutex(&s->lock);
	seen = calloc(s->n_live + 1, sizeof *seen);
	if (!seen)
		return -ENOMEM;
	DL_FOREACH(s->processes, p) {
		if (!p->exited && task_tag_valid(p->tag) && task_tag_instance(p->tag) == instance)
			seen[n++] = (struct seen){ p->pid, p->tag };
	}
	*ret_seen = seen;
	*ret_n = n;
	return 0;
}

static int op_scan(struct tasks *t, uint16_t instance, task_visit *visit, void *data)
{
	struct source *s = source_of(t);
	cleanup_free struct seen *seen = NULL;
	size_t n = 0;
	int r = s->base ? s->base->ops->scan(s->base, instance, visit, data) : 0;

	if (r == 0)
		r = gather(s, instance, &seen, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = visit(data, seen[i].pid, (uint64_t)seen[i].pid, seen[i].tag, false);
	return r;
}

static int op_get_tag(struct tasks *t, pid_t tid, uint64_t *ret_tag)
{
	struct source *s = source_of(t);
	const struct process *p;

	FORWARD(s, tid, get_tag, tid, ret_tag);
	guard_mutex(&s->lock);
	p = synthetic_live(s, tid);
	if (!p)
		return -ESRCH;
	if (!task_tag_valid(p->tag))
		return -ENOENT;
	*ret_tag = p->tag;
	return 0;
}

static int op_set_tag(struct tasks *t, pid_t pid, uint64_t tag)
{
	struct source *s = source_of(t);
	struct process *p;

	FORWARD(s, pid, set_tag, pid, tag);
	guard_mutex(&s->lock);
	p = synthetic_live(s, pid);
	if (!p)
		return -ESRCH;
	p->tag = tag;
	return 0;
}

static int op_info(struct tasks *t, pid_t tid, struct task_info *ret_info)
{
	struct source *s = source_of(t);
	const struct process *p;

	FORWARD(s, tid, info, tid, ret_info);
	guard_mutex(&s->lock);
	p = synthetic_any(s, tid);
	if (!p)
		return -ESRCH;
	*ret_info = (struct task_info){
		.pid = p->pid,
		.start = (uint64_t)p->pid,
		.uid = p->spec.uid,
		.exited = p->exited,
		.stopped = p->stopped,
	};
	return 0;
}

static int op_sample(struct tasks *t, pid_t pid, struct task_sample *ret_sample)
{
	struct source *s = source_of(t);
	const struct process *p;
	struct process used;

	FORWARD(s, pid, sample, pid, ret_sample);
	guard_mutex(&s->lock);
	p = synthetic_any(s, pid);
	if (!p)
		return -ESRCH;
	synthetic_used(p, synthetic_now(s), &used);
	*ret_sample = (struct task_sample){
		.start = (uint64_t)p->pid,
		.user_ns = used.user_ns,
		.system_ns = used.system_ns,
		.nice = p->spec.nice,
		.anon = PAGES(used.spec.anon),
		.file = PAGES(p->spec.file),
		.shmem = PAGES(p->spec.shmem),
		.swap = PAGES(p->spec.swap),
		.threads = p->spec.threads,
		.stopped = p->stopped,
	};
	return 0;
}

static int op_cpu_time(struct tasks *t, pid_t pid, uint64_t *ret_ns)
{
	struct source *s = source_of(t);
	struct task_sample used;
	int r;

	if (s->base && s->base->ops->cpu_time)
		FORWARD(s, pid, cpu_time, pid, ret_ns);
	r = op_sample(t, pid, &used);
	if (r == 0)
		*ret_ns = used.user_ns + used.system_ns;
	return r;
}

static bool op_halted(struct tasks *t, pid_t pid)
{
	struct source *s = source_of(t);
	struct task_info info;

	if (!is_synthetic(pid))
		return !s->base || s->base->ops->halted(s->base, pid);
	return op_info(t, pid, &info) < 0 || info.stopped;
}

/* A script's processes wait for nobody. */
static bool op_childless(struct tasks *t, pid_t pid)
{
	struct source *s = source_of(t);

	if (is_synthetic(pid))
		return true;
	return s->base && s->base->ops->childless && s->base->ops->childless(s->base, pid);
}

/* A script's processes have none. */
static int op_oom_adj(struct tasks *t, pid_t pid, int *ret_adj)
{
	struct source *s = source_of(t);

	if (s->base && s->base->ops->oom_adj)
		FORWARD(s, pid, oom_adj, pid, ret_adj);
	*ret_adj = 0;
	return 0;
}

static int gather_threads(struct source *s, pid_t pid, pid_t **ret_tids, size_t *ret_n)
{
	const struct process *p;
	const struct thread *th;
	pid_t *tids;
	size_t n = 0;

	guard_mutex(&s->lock);
	p = synthetic_live(s, pid);
	if (!p)
		return -ESRCH;
	tids = calloc(p->spec.threads, sizeof *tids);
	if (!tids)
		return -ENOMEM;
	DL_FOREACH(p->threads, th)
		tids[n++] = th->tid;
	*ret_tids = tids;
	*ret_n = n;
	return 0;
}

static int op_threads(struct tasks *t, pid_t pid, thread_visit *visit, void *data)
{
	struct source *s = source_of(t);
	cleanup_free pid_t *tids = NULL;
	size_t n = 0;
	int r;

	FORWARD(s, pid, threads, pid, visit, data);
	r = gather_threads(s, pid, &tids, &n);
	for (size_t i = 0; i < n && r == 0; i++)
		r = visit(data, tids[i]);
	return r;
}

/* Synthetic ones have the same number in every pid namespace. */
static int op_find(struct tasks *t, pid_t caller, pid_t nr, pid_t *ret_tid)
{
	struct source *s = source_of(t);

	FORWARD(s, nr, find, caller, nr, ret_tid);
	guard_mutex(&s->lock);
	if (!synthetic_live(s, nr))
		return -ESRCH;
	*ret_tid = nr;
	return 0;
}

static int op_show(struct tasks *t, pid_t reader, pid_t *tids, size_t n)
{
	struct source *s = source_of(t);
	cleanup_free pid_t *real = calloc(n + 1, sizeof *real);
	size_t n_real = 0;
	int r = 0;

	if (!real)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!is_synthetic(tids[i]))
			real[n_real++] = tids[i];
	}
	if (s->base && n_real)
		r = s->base->ops->show(s->base, reader, real, n_real);
	if (r < 0)
		return r;
	n_real = 0;
	for (size_t i = 0; i < n; i++) {
		if (!is_synthetic(tids[i]))
			tids[i] = real[n_real++];
	}
	return 0;
}

static int kill_locked(struct source *s, pid_t pid, int sig)
{
	struct process *p = synthetic_live(s, pid);

	if (!p)
		return synthetic_any(s, pid) ? 0 : -ESRCH; /* a zombie takes every signal */
	if (sig == SIGKILL) {
		synthetic_end(s, p);
	} else if (sig == SIGSTOP || sig == SIGCONT) {
		synthetic_settle(s, p);
		p->stopped = sig == SIGSTOP;
	}
	return 0;
}

static void tell_death(struct source *s)
{
	bool untold;

	pthread_mutex_lock(&s->lock);
	untold = s->n_untold;
	pthread_mutex_unlock(&s->lock);
	if (untold)
		s->died(s->died_data);
}

static int op_kill(struct tasks *t, pid_t pid, uint64_t start, int sig)
{
	struct source *s = source_of(t);
	int r;

	FORWARD(s, pid, kill, pid, start, sig);
	pthread_mutex_lock(&s->lock);
	r = kill_locked(s, pid, sig);
	pthread_mutex_unlock(&s->lock);
	if (sig == SIGKILL)
		tell_death(s);
	return r;
}

/* On all of the machine's they may use more than it has: a script says what it wants anywhere. */
static int op_set_cpus(struct tasks *t, pid_t pid, pid_t tid, const struct cpulist *was,
		       const struct cpulist *now)
{
	struct source *s = source_of(t);
	unsigned cpus = cpulist_count(now);
	struct process *p;
	struct thread *th;

	FORWARD(s, pid, set_cpus, pid, tid, was, now);
	if (cpus >= op_cpus(t))
		cpus = 0;
	guard_mutex(&s->lock);
	p = synthetic_live(s, pid);
	if (!p)
		return -ESRCH;
	synthetic_settle(s, p);
	DL_FOREACH(p->threads, th) {
		if (!tid || th->tid == tid)
			th->cpus = cpus;
	}
	return 0;
}

/* --- exits ---------------------------------------------------------------------------------- */

static void op_on_exit(struct tasks *t, task_exited *exited, void *data)
{
	struct source *s = source_of(t);

	pthread_mutex_lock(&s->telling);
	s->exited = exited;
	s->exited_data = data;
	pthread_mutex_unlock(&s->telling);
	if (s->base)
		s->base->ops->on_exit(s->base, exited, data);
}

static int op_watch(struct tasks *t, pid_t pid, uint64_t start)
{
	struct source *s = source_of(t);
	struct process *p;

	FORWARD(s, pid, watch, pid, start);
	guard_mutex(&s->lock);
	p = synthetic_live(s, pid);
	if (!p)
		return -ESRCH;
	p->watched = true;
	return 0;
}

static void op_unwatch(struct tasks *t, pid_t pid, uint64_t start)
{
	struct source *s = source_of(t);
	struct process *p;

	if (!is_synthetic(pid)) {
		if (s->base)
			s->base->ops->unwatch(s->base, pid, start);
		return;
	}
	guard_mutex(&s->lock);
	p = synthetic_any(s, pid);
	if (!p || !p->watched)
		return;
	p->watched = false;
	if (!p->exited)
		return;
	s->n_untold -= !p->told;
	synthetic_free(s, p);
}

/* One whose exit is to be told now; 0: none. */
static pid_t next_untold(struct source *s)
{
	struct process *p;

	guard_mutex(&s->lock);
	if (!s->n_untold)
		return 0;
	DL_FOREACH(s->processes, p) {
		if (p->exited && !p->told) {
			p->told = true;
			s->n_untold--;
			return p->pid;
		}
	}
	return 0;
}

static void op_settle(struct tasks *t)
{
	struct source *s = source_of(t);
	pid_t pid;

	if (s->base)
		s->base->ops->settle(s->base);
	guard_mutex(&s->telling);
	while ((pid = next_untold(s))) {
		if (s->exited)
			s->exited(s->exited_data, pid, (uint64_t)pid);
	}
}

/* Those that open files are real. */
static int op_cgroup_ns(struct tasks *t, pid_t tid, uint64_t *ret_ns)
{
	struct tasks *base = source_of(t)->base;

	return base && base->ops->cgroup_ns ? base->ops->cgroup_ns(base, tid, ret_ns) : -ESRCH;
}

static int op_groups(struct tasks *t, pid_t tid, gid_t **ret_groups, size_t *ret_n)
{
	struct tasks *base = source_of(t)->base;

	return base && base->ops->groups ? base->ops->groups(base, tid, ret_groups, ret_n) : -ESRCH;
}

static void op_destroy(struct tasks *t)
{
	struct source *s = source_of(t);
	struct process *p, *next;

	DL_FOREACH_SAFE(s->processes, p, next)
		synthetic_free(s, p);
	pthread_mutex_destroy(&s->lock);
	pthread_mutex_destroy(&s->telling);
	free(s);
}

static const struct tasks_ops synthetic_ops = {
	.now = op_now,
	.cpus = op_cpus,
	.cpu_list = op_cpu_list,
	.births = op_births,
	.scan = op_scan,
	.get_tag = op_get_tag,
	.set_tag = op_set_tag,
	.info = op_info,
	.sample = op_sample,
	.cpu_time = op_cpu_time,
	.oom_adj = op_oom_adj,
	.halted = op_halted,
	.childless = op_childless,
	.threads = op_threads,
	.find = op_find,
	.show = op_show,
	.kill = op_kill,
	.set_cpus = op_set_cpus,
	.on_exit = op_on_exit,
	.watch = op_watch,
	.unwatch = op_unwatch,
	.settle = op_settle,
	.destroy = op_destroy,
	.cgroup_ns = op_cgroup_ns,
	.groups = op_groups,
};

int synthetic_new(struct tasks *base, void (*died)(void *data), void *data,
		  struct tasks **ret_tasks)
{
	struct source *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->tasks.ops = &synthetic_ops;
	s->base = base;
	s->died = died;
	s->died_data = data;
	s->next_tid = SYNTHETIC_FIRST;
	s->frozen = !base;
	pthread_mutex_init(&s->lock, NULL);
	pthread_mutex_init(&s->telling, NULL);
	*ret_tasks = &s->tasks;
	return 0;
}
