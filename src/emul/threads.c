/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads of threaded cgroups. A tag is a process's, so where a single thread is that left its
 * process's cgroup is kept here. A new thread begins in its process's cgroup. When no thread is
 * left there, the process follows one of its threads, and its children start where that is.
 */
#include <errno.h>

#include "affinity.h"
#include "cgroup.h"

int pid_list_add(struct pid_list *list, pid_t pid)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 16;
		pid_t *grown = reallocarray(list->pids, cap, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		list->pids = grown;
		list->cap = cap;
	}
	list->pids[list->n++] = pid;
	return 0;
}

void pid_list_free(struct pid_list *list)
{
	free(list->pids);
	*list = (struct pid_list){ 0 };
}

static int on_thread(void *data, pid_t tid)
{
	return pid_list_add(data, tid);
}

int threads_of(const struct emul *e, pid_t pid, struct pid_list *list)
{
	return e->config.tasks->ops->threads(e->config.tasks, pid, on_thread, list);
}

static struct placed *placed_find(const struct emul *e, pid_t tid)
{
	struct placed *p;

	HASH_FIND(hh, e->placed, &tid, sizeof tid, p);
	return p;
}

struct cgroup *thread_cgroup(const struct member *m, pid_t tid)
{
	struct placed *p = placed_find(m->cg->emul, tid);

	return p && p->process == m ? p->cg : m->cg;
}

static void list_append(struct placed *p, struct cgroup *cg)
{
	p->cg = cg;
	p->prev = cg->placed_last;
	p->next = NULL;
	if (p->prev)
		p->prev->next = p;
	else
		cg->placed_first = p;
	cg->placed_last = p;
	cg->n_placed++;
	usage_threads(cg, 1);
	tasks_count(cg, 1, 0);
}

static void list_take(struct placed *p)
{
	struct cgroup *cg = p->cg;

	if (p->prev)
		p->prev->next = p->next;
	else
		cg->placed_first = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		cg->placed_last = p->prev;
	cg->n_placed--;
	usage_threads(cg, -1);
	tasks_count(cg, -1, 0);
}

/* The thread is with its process again, or gone. */
static void placed_drop(struct placed *p)
{
	struct emul *e = p->cg->emul;

	placed_affinity_end(p);
	usage_threads(p->process->cg, 1);
	p->process->n_placed--;
	list_take(p);
	HASH_DEL(e->placed, p);
	free(p);
}

static int placed_new(struct member *m, pid_t tid, struct cgroup *cg)
{
	struct emul *e = cg->emul;
	struct placed *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->tid = tid;
	p->process = m;
	HASH_ADD(hh, e->placed, tid, sizeof p->tid, p);
	if (!p->hh.tbl) {
		free(p);
		return -ENOMEM;
	}
	m->n_placed++;
	usage_threads(m->cg, -1);
	list_append(p, cg);
	placed_affinity_new(p);
	return 0;
}

void process_move(struct member *m, struct cgroup *to)
{
	int elsewhere;

	dead_leave(m);
	elsewhere = (int)m->n_placed + m->leader_away;
	usage_threads(m->cg, elsewhere);
	usage_threads(to, -elsewhere);
	member_move(m, to);
}

/* Gives the process the cgroup of one of its threads if all have left its own. */
static int follow(struct member *m)
{
	struct pid_list tids __attribute__((cleanup(pid_list_free))) = { 0 };
	struct emul *e = m->cg->emul;
	struct tasks *t = e->config.tasks;
	struct cgroup *to = NULL;
	int r;

	if (!m->n_placed || threads_of(e, m->pid, &tids) < 0)
		return 0;
	for (size_t i = 0; i < tids.n; i++) {
		struct cgroup *cg = thread_cgroup(m, tids.pids[i]);

		if (cg == m->cg)
			return 0;
		if (!to || tids.pids[i] == m->pid)
			to = cg;
	}
	if (!to)
		return 0;
	r = t->ops->set_tag(t, m->pid, TASK_TAG(e->instance, to->id));
	if (r < 0)
		return r;
	e->moves++;
	process_move(m, to);
	member_affinity(m);
	for (size_t i = 0; i < tids.n; i++) {
		struct placed *p = placed_find(e, tids.pids[i]);

		if (p && p->process == m && p->cg == to)
			placed_drop(p);
	}
	return 0;
}

int thread_place(struct member *m, pid_t tid, struct cgroup *cg)
{
	struct placed *p = placed_find(cg->emul, tid);
	int r = 0;

	if (p && p->process != m) {
		placed_drop(p); /* an ended thread's number, used again */
		p = NULL;
	}
	if (cg == m->cg) {
		if (p)
			placed_drop(p);
		return 0;
	}
	if (!p) {
		r = placed_new(m, tid, cg);
	} else if (p->cg != cg) {
		struct cgroup *from = p->cg;

		cgroup_get(from);
		list_take(p);
		list_append(p, cg);
		placed_affinity(p);
		cgroup_put(from);
	}
	return r < 0 ? r : follow(m);
}

void threads_drop(struct member *m)
{
	struct placed *p, *next;

	if (!m->n_placed)
		return;
	HASH_ITER(hh, m->cg->emul->placed, p, next) {
		if (p->process == m)
			placed_drop(p);
	}
}

void threads_prune(struct emul *e)
{
	struct placed *p, *next;

	HASH_ITER(hh, e->placed, p, next) {
		struct member *m = p->process;
		struct task_info info;

		if (e->config.tasks->ops->info(e->config.tasks, p->tid, &info) < 0 ||
		    info.pid != m->pid)
			placed_drop(p);
	}
}
