/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which processes are in which cgroup. The truth is the tag each process carries; what is kept here
 * is brought up to date when somebody asks: a process that was born is found by a scan, and a scan
 * is made only if one may have been born; one that has exited is told of by the task source.
 * Processes without a tag of this emulator belong to no cgroup: the root does not list them.
 * A tag whose cgroup is gone counts as none.
 */
#include <errno.h>
#include <signal.h>

#include "affinity.h"
#include "cgroup.h"
#include "ctlfs/cleanup.h"

#define SCANS_MAX 8 /* scans in a row while processes are born during each */

static struct tasks *tasks_of(const struct emul *e)
{
	return e->config.tasks;
}

/* --- what cgroup.events says --- */

static void tell_populated(struct cgroup *cg)
{
	for (int i = 0; i < CTRL_COUNT; i++) {
		const struct controller *c = emul_controllers[i];

		if (c && c->populated && cg->css[i])
			c->populated(cg, cg->css[i]);
	}
}

void events_update(struct cgroup *cg)
{
	for (; cg; cg = cg->parent) {
		bool populated = cg->nr_tasks > 0;
		bool frozen = cg->e_freeze && !cg->nr_running;

		if (populated == cg->populated && frozen == cg->frozen)
			continue;
		cg->frozen = frozen;
		if (populated != cg->populated) {
			cg->populated = populated;
			tell_populated(cg);
		}
		if (cg->parent && !cg->dead)
			emul_notify(cg, SLOT_CORE_EVENTS);
	}
}

void tasks_count(struct cgroup *cg, int tasks, int running)
{
	for (struct cgroup *at = cg; at; at = at->parent) {
		bool before = at->nr_tasks > 0;
		bool after;

		at->nr_tasks += (unsigned)tasks;
		at->nr_running += (unsigned)running;
		after = at->nr_tasks > 0;
		if (before != after && at->parent && !at->threaded)
			at->parent->nr_populated_domains += after ? 1u : -1u;
	}
	events_update(cg);
}

/* --- single members --- */

static void list_append(struct cgroup *cg, struct member *m)
{
	m->cg = cg;
	m->prev = cg->last;
	m->next = NULL;
	if (cg->last)
		cg->last->next = m;
	else
		cg->first = m;
	cg->last = m;
	cg->n_members++;
}

static void list_take(struct member *m)
{
	struct cgroup *cg = m->cg;

	if (m->prev)
		m->prev->next = m->next;
	else
		cg->first = m->next;
	if (m->next)
		m->next->prev = m->prev;
	else
		cg->last = m->prev;
	cg->n_members--;
}

struct member *member_numbered(const struct emul *e, pid_t pid)
{
	struct member *m;

	HASH_FIND(hh, e->members, &pid, sizeof pid, m);
	return m;
}

struct member *member_find(const struct emul *e, pid_t pid, uint64_t start)
{
	struct member *m = member_numbered(e, pid);

	return m && m->start == start ? m : NULL;
}

int member_add(struct cgroup *cg, pid_t pid, uint64_t start, const struct task_sample *base)
{
	struct emul *e = cg->emul;
	struct member *m = calloc(1, sizeof *m);
	int r;

	if (!m)
		return -ENOMEM;
	m->pid = pid;
	m->start = start;
	m->scan = e->scans;
	if (base) {
		m->last = *base;
		m->ran_ns = base->user_ns + base->system_ns;
	}
	r = tasks_of(e)->ops->watch(tasks_of(e), pid, start);
	if (r == -ESRCH) {
		free(m);
		return r;
	}
	m->watched = r == 0;
	HASH_ADD(hh, e->members, pid, sizeof m->pid, m);
	if (!m->hh.tbl) {
		tasks_of(e)->ops->unwatch(tasks_of(e), pid, start);
		free(m);
		return -ENOMEM;
	}
	e->n_members++;
	e->n_unwatched += !m->watched;
	list_append(cg, m);
	reaped_join(m, base);
	usage_join(m, cg);
	tasks_count(cg, 1, 1);
	freeze_member(m);
	return 0;
}

void member_move(struct member *m, struct cgroup *to)
{
	struct cgroup *from = m->cg;
	int running = member_runs(m);

	if (to == from)
		return;
	usage_leave(m, from);
	member_left(m);
	list_take(m);
	list_append(to, m);
	usage_join(m, to);
	tasks_count(to, 1, running); /* first in: a common ancestor sees no change */
	tasks_count(from, -1, -running);
	freeze_member(m);
}

static void member_free(struct member *m)
{
	struct emul *e = m->cg->emul;

	tasks_of(e)->ops->unwatch(tasks_of(e), m->pid, m->start);
	HASH_DEL(e->members, m);
	e->n_members--;
	e->n_unwatched -= !m->watched;
	free(m->cpus);
	free(m);
}

void member_remove(struct member *m)
{
	struct cgroup *cg = m->cg;
	int running = member_runs(m);

	member_gone(m);
	reaped_leave(m);
	threads_drop(m);
	dead_note(m);
	usage_leave(m, cg);
	list_take(m);
	member_free(m);
	tasks_count(cg, -1, -running);
}

void members_free(struct emul *e)
{
	struct member *m, *next;

	HASH_ITER(hh, e->members, m, next)
		member_let_go(m);
	HASH_ITER(hh, e->members, m, next) {
		threads_drop(m);
		member_free(m);
	}
}

/* Through the table of members or through the cgroups, whichever is less. */
int members_each(struct cgroup *cg, int (*visit)(struct member *m, void *data), void *data)
{
	struct member *m, *next;
	int r;

	if (cg->emul->n_members <= cg->nr_descendants) {
		HASH_ITER(hh, cg->emul->members, m, next) {
			r = cgroup_inside(m->cg, cg) ? visit(m, data) : 0;
			if (r)
				return r;
		}
		return 0;
	}
	for (struct cgroup *at = cg; at; at = cgroup_next(at, cg)) {
		for (m = at->first; m; m = next) {
			next = m->next;
			r = visit(m, data);
			if (r)
				return r;
		}
	}
	return 0;
}

/* --- scans --- */

void found_free(struct found *found)
{
	free(found->tasks);
	*found = (struct found){ 0 };
}

static int on_found(void *data, pid_t pid, uint64_t start, uint64_t tag, bool exited)
{
	struct found *found = data;

	if (found->n == found->cap) {
		size_t cap = found->cap ? 2 * found->cap : 64;
		struct found_task *grown = reallocarray(found->tasks, cap, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		found->tasks = grown;
		found->cap = cap;
	}
	found->tasks[found->n++] = (struct found_task){ pid, start, tag, exited };
	return 0;
}

int members_scan(const struct emul *e, struct found *found)
{
	found->n = 0;
	return tasks_of(e)->ops->scan(tasks_of(e), e->instance, on_found, found);
}

bool members_stale(const struct emul *e, uint64_t births)
{
	return !e->complete || e->births != births || e->n_unwatched;
}

static void apply_one(struct emul *e, const struct found_task *task)
{
	struct cgroup *cg = cgroup_by_id(e, task_tag_number(task->tag));
	struct member *m;

	HASH_FIND(hh, e->members, &task->pid, sizeof task->pid, m);
	if (m && m->start != task->start) {
		member_remove(m);
		m = NULL;
	}
	if (!cg)
		return; /* removed meanwhile: nobody's */
	if (task->exited) {
		if (!m) /* else it is about to be found missing */
			dead_add(cg, task->pid, task->start);
		return;
	}
	if (!m) {
		if (member_add(cg, task->pid, task->start, NULL) == 0)
			member_affinity_found(cg->last);
		return;
	}
	m->scan = e->scans;
	if (m->cg != cg) { /* it gave itself another tag: the tag is the truth */
		process_move(m, cg);
		threads_drop(m);
		member_affinity(m);
	}
}

/* Members that could not be watched when they were found: others may have ended since. */
static void watch_more(struct emul *e)
{
	struct member *m, *next;

	if (!e->n_unwatched)
		return;
	HASH_ITER(hh, e->members, m, next) {
		if (m->watched)
			continue;
		if (tasks_of(e)->ops->watch(tasks_of(e), m->pid, m->start) < 0)
			return;
		m->watched = true;
		e->n_unwatched--;
	}
}

bool members_apply(struct emul *e, const struct found *found, uint64_t births, bool force)
{
	struct member *m, *next;
	uint64_t now = births;
	bool unseen = false;

	e->scans++;
	for (size_t i = 0; i < found->n; i++)
		apply_one(e, &found->tasks[i]);
	HASH_ITER(hh, e->members, m, next)
		unseen |= m->scan != e->scans;
	tasks_of(e)->ops->births(tasks_of(e), &now);
	if (unseen && now != births && !force)
		return false;
	if (unseen) {
		HASH_ITER(hh, e->members, m, next) {
			if (m->scan == e->scans)
				continue;
			usage_sample(m); /* if it is a zombie, the last time */
			member_remove(m);
		}
	}
	watch_more(e);
	e->alone = !e->n_members && now == births;
	e->births = births;
	e->complete = true;
	return true;
}

int members_refresh(struct emul *e, bool exact)
{
	struct found found __attribute__((cleanup(found_free))) = { 0 };
	struct tasks *t = tasks_of(e);
	uint64_t births;
	int r = e->alone ? 0 : t->ops->births(t, &births);

	if (r < 0)
		return r;
	if (!e->alone && members_stale(e, births)) {
		for (int i = 1; i <= SCANS_MAX; i++) {
			bool done;
			uint64_t after;

			r = members_scan(e, &found);
			if (r < 0)
				return r;
			done = members_apply(e, &found, births, i == SCANS_MAX);
			r = t->ops->births(t, &after);
			if (r < 0)
				return r;
			if (done && (!exact || after == births))
				break;
			births = after;
		}
	}
	dead_prune(e);
	e->fresh = e->moment;
	return 0;
}

/* A child may have outlived the last process known: look before the cgroup seems empty. */
void members_on_exit(void *data, pid_t pid, uint64_t start)
{
	struct emul *e = data;
	struct member *m;

	guard_mutex(&e->lock);
	e->moment++;
	e->sample++;
	m = member_find(e, pid, start);
	if (m && m->cg->first == m && m->cg->last == m) {
		members_refresh(e, true);
		m = member_find(e, pid, start);
	}
	if (!m)
		return;
	usage_sample(m); /* a zombie still tells its CPU time */
	member_remove(m);
}
