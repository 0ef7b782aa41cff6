/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CPU time of processes that ended before anybody looked at them, or between looks. Whoever waits
 * for a child has its CPU time added to that of his children, which includes theirs: what is in
 * there and was not counted for a member is counted for the one who waited.
 *
 * Nothing may count twice. What was counted for a member that is gone is taken off its parent's sum
 * of children; if the parent is not known, off everybody's. A member that is gone without our
 * having been told is looked for before anything is added. One that brought children along which
 * are no members is left out. So what is counted is at most what was used.
 */
#include <errno.h>

#include "cgroup.h"

static struct tasks *tasks_of(const struct member *m)
{
	return m->cg->emul->config.tasks;
}

void reaped_join(struct member *m, const struct task_sample *base)
{
	const struct tasks_ops *ops = tasks_of(m)->ops;

	m->reaps = !base || (ops->childless && ops->childless(tasks_of(m), m->pid));
	if (base) {
		m->child_base = base->child_user_ns + base->child_system_ns;
		m->parent = base->parent;
	}
}

/* What whoever waits for m gets and needs not count. */
static uint64_t seen_of(const struct member *m)
{
	return m->last.user_ns + m->last.system_ns + m->child_base + m->seen_below + m->reaped_ns;
}

/* A process that is no member has no use of what it waits for. */
static bool is_outside(const struct member *m, pid_t pid)
{
	struct tasks *t = tasks_of(m);
	struct task_info info;
	uint64_t tag;

	if (!pid)
		return true;
	if (t->ops->info(t, pid, &info) < 0 || info.start > m->start)
		return false;
	return t->ops->get_tag(t, pid, &tag) == -ENOENT;
}

void reaped_leave(struct member *m)
{
	struct emul *e = m->cg->emul;
	struct member *parent;

	HASH_FIND(hh, e->members, &m->parent, sizeof m->parent, parent);
	if (parent && parent->start <= m->start)
		parent->seen_below += seen_of(m);
	else if (seen_of(m) && !is_outside(m, m->parent))
		e->reaped_by_nobody += seen_of(m);
}

static uint64_t seen_of_gone(const struct emul *e, const struct member *but)
{
	struct tasks *t = e->config.tasks;
	struct member *m, *next;
	uint64_t tag, sum = 0;

	HASH_ITER(hh, e->members, m, next) {
		if (m != but && t->ops->get_tag(t, m->pid, &tag) == -ESRCH)
			sum += seen_of(m);
	}
	return sum;
}

uint64_t reaped_sample(struct member *m, const struct task_sample *s, struct usage *d)
{
	const struct emul *e = m->cg->emul;
	uint64_t children = s->child_user_ns + s->child_system_ns;
	uint64_t counted = m->child_base + m->seen_below + m->reaped_ns + e->reaped_by_nobody;
	uint64_t more, user;

	m->parent = s->parent;
	if (!m->reaps || children <= counted)
		return 0;
	counted += seen_of_gone(e, m);
	if (children <= counted)
		return 0;
	more = children - counted;
	user = (uint64_t)((__uint128_t)more * s->child_user_ns / children);
	m->reaped_ns += more;
	d->user_ns += user;
	d->system_ns += more - user;
	return more;
}
