/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes that have ended and are still there, in the cgroup where they ended: zombies, which
 * nobody lists and pids.current counts until they are reaped; and first threads whose process lives
 * on in other threads, which are left behind and still listed when these move.
 */
#include "cgroup.h"

#define SURELY_FEW 64
#define PAUSE_NS 250000ULL /* for each of many: looking takes about a tenth of it */

struct dead {
	UT_hash_handle hh;
	pid_t pid;
	uint64_t start;
	struct cgroup *cg; /* pinned */
	bool leader; /* other threads of the process live */
	uint64_t serial; /* of the latest controller when it ended */
};

static bool still_there(const struct emul *e, pid_t pid, uint64_t start, struct task_info *ret_info)
{
	struct tasks *t = e->config.tasks;

	return t->ops->info(t, pid, ret_info) == 0 && ret_info->start == start;
}

static struct dead *find(const struct emul *e, pid_t pid, uint64_t start)
{
	struct dead *d;

	HASH_FIND(hh, e->dead, &pid, sizeof pid, d);
	return d && d->start == start ? d : NULL;
}

struct cgroup *dead_cgroup(const struct emul *e, pid_t pid, uint64_t start)
{
	const struct dead *d = find(e, pid, start);

	return d ? d->cg : NULL;
}

static void drop(struct dead *d)
{
	struct emul *e = d->cg->emul;

	HASH_DEL(e->dead, d);
	e->n_dead--;
	usage_threads(d->cg, -1);
	cgroup_unpin(d->cg);
	free(d);
}

void dead_prune(struct emul *e)
{
	struct dead *d, *next;

	if (e->n_dead > SURELY_FEW) {
		uint64_t now = emul_now(e);

		if (now < e->dead_next_ns)
			return;
		e->dead_next_ns = now + e->n_dead * PAUSE_NS;
	}
	HASH_ITER(hh, e->dead, d, next) {
		struct task_info info;

		if (!still_there(e, d->pid, d->start, &info))
			drop(d);
	}
	e->dead_enough = 2 * e->n_dead + SURELY_FEW;
}

void dead_free(struct emul *e)
{
	struct dead *d, *next;

	HASH_ITER(hh, e->dead, d, next)
		drop(d);
}

static bool add(struct cgroup *cg, pid_t pid, uint64_t start, bool leader)
{
	struct emul *e = cg->emul;
	struct dead *d;

	HASH_FIND(hh, e->dead, &pid, sizeof pid, d);
	if (d && d->start == start)
		return false;
	if (d)
		drop(d); /* the number was used again */
	d = calloc(1, sizeof *d);
	if (!d)
		return false;
	*d = (struct dead){ .pid = pid,
			    .start = start,
			    .cg = cg,
			    .leader = leader,
			    .serial = e->next_serial };
	HASH_ADD(hh, e->dead, pid, sizeof d->pid, d);
	if (!d->hh.tbl) {
		free(d);
		return false;
	}
	cgroup_pin(cg);
	usage_threads(cg, 1);
	/* Nobody tells of reaping: whoever reads looks, and if nobody does, we do. */
	if (++e->n_dead > e->dead_enough)
		dead_prune(e);
	return true;
}

void dead_add(struct cgroup *cg, pid_t pid, uint64_t start)
{
	add(cg, pid, start, false);
}

void dead_leave(struct member *m)
{
	struct task_info info;

	if (m->leader_away || !still_there(m->cg->emul, m->pid, m->start, &info) ||
	    !info.leader_exited)
		return;
	m->leader_away = add(m->cg, m->pid, m->start, true);
	if (m->leader_away)
		usage_threads(m->cg, -1);
}

void dead_note(struct member *m)
{
	struct dead *d = m->leader_away ? find(m->cg->emul, m->pid, m->start) : NULL;
	struct task_info info;

	if (m->leader_away)
		usage_threads(m->cg, 1);
	if (d)
		d->leader = false;
	else if (!m->leader_away && still_there(m->cg->emul, m->pid, m->start, &info) &&
		 info.exited)
		add(m->cg, m->pid, m->start, false);
}

unsigned dead_before(const struct cgroup *cg, const struct css *css)
{
	unsigned n = 0;

	for (const struct dead *d = cg->emul->dead; d; d = d->hh.next)
		n += d->serial < css->serial && cgroup_inside(d->cg, cg);
	return n;
}

void dead_list(const struct cgroup *cg, struct pid_list *list)
{
	for (const struct dead *d = cg->emul->dead; d; d = d->hh.next) {
		if (d->cg == cg && d->leader && list->error == 0)
			list->error = pid_list_add(list, d->pid);
	}
}
