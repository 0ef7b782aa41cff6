/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members kept stopped by SIGSTOP: by cgroup.freeze, by a quota of CPU time that is used up, by
 * memory.high. They are stopped once, and continued when the last reason is gone; a process that
 * was found stopped, or that somebody stopped meanwhile, stays stopped. What came meanwhile is told
 * by a stop signal that waits: one sent to a stopped process does, until SIGCONT throws it away.
 *
 * A parent may wait to see its child stop (WUNTRACED): a shell takes it for a suspended job, others
 * (nsenter, sudo) stop themselves, and nobody would continue them. So whoever is stopped has his
 * parent stopped before him and continued after him, where the parent is below the same cgroup. A
 * parent that gets no CPU takes its SIGSTOP late: until it is seen to have, its child's is due.
 */
#include <errno.h>
#include <signal.h>

#include "cgroup.h"

#define STALLED 1000000 /* ppm: all the time */
#define PARENTS_MAX 32 /* generations that are stopped in order */

/* Who is held waits for what he would have: the kernel counts him as it does who is throttled. */
static const enum psi_resource waits_for[HOLDS] = {
	[HOLD_CPU] = PSI_CPU,
	[HOLD_HIGH] = PSI_MEMORY,
};

static struct tasks *tasks_of(const struct member *m)
{
	return m->cg->emul->config.tasks;
}

int member_signal(const struct member *m, int sig)
{
	return tasks_of(m)->ops->kill(tasks_of(m), m->pid, m->start, sig);
}

static bool is_held(const struct member *m)
{
	for (int i = 0; i < HOLDS; i++) {
		if (m->held_by[i])
			return true;
	}
	return false;
}

static int stop(struct member *m, struct cgroup *by, bool jobs, unsigned generation);

/* False: somebody else has stopped it, or it must not be. */
static bool stop_parent(struct member *parent, struct cgroup *by, bool jobs, unsigned generation)
{
	if (generation == PARENTS_MAX || stop(parent, by, jobs, generation + 1) < 0 ||
	    !(parent->cont || parent->due))
		return false;
	parent->children_kept++;
	return true;
}

/* Sees nothing more of its children until it is continued. */
static bool has_halted(const struct member *m)
{
	return !m->due && tasks_of(m)->ops->halted(tasks_of(m), m->pid);
}

/* m's parent may go on, unless there is more that keeps it. */
static void release_parent(struct member *m)
{
	struct member *parent = m->kept_before;

	m->kept_before = NULL;
	if (parent && !--parent->children_kept)
		member_cont(parent);
}

static struct member *parent_below(const struct cgroup *by, pid_t pid)
{
	struct member *parent = member_numbered(by->emul, pid);

	return parent && cgroup_inside(parent->cg, by) ? parent : NULL;
}

static int stop_now(struct member *m)
{
	int r = member_signal(m, SIGSTOP);

	m->cont = r == 0;
	if (r < 0)
		release_parent(m);
	return r;
}

static void set_due(struct member *m, bool due)
{
	struct emul *e = m->cg->emul;

	if (m->due == due)
		return;
	m->due = due;
	e->n_due += due ? 1u : -1u;
}

/* A job of a shell that is not stopped itself would become a stopped job: -EBUSY without jobs. */
static int stop(struct member *m, struct cgroup *by, bool jobs, unsigned generation)
{
	struct member *parent;
	struct task_info info;
	int r;

	if (m->cont || m->due)
		return 0;
	r = tasks_of(m)->ops->info(tasks_of(m), m->pid, &info);
	if (r < 0 || info.stopped || info.exited)
		return r;
	parent = parent_below(by, info.parent);
	if (parent && parent->spared)
		info.job = false;
	else if (parent && stop_parent(parent, by, jobs, generation))
		m->kept_before = parent;
	if (info.job && !jobs && !m->kept_before)
		return -EBUSY;
	if (!m->kept_before || has_halted(m->kept_before))
		return stop_now(m);
	set_due(m, true);
	ticker_hurry(by->emul);
	return 0;
}

int member_stop(struct member *m)
{
	struct cgroup *by = m->cg;

	while (by->parent && by->parent->e_freeze)
		by = by->parent;
	return stop(m, by, true, 0);
}

static void cont(struct member *m)
{
	struct task_info info = { 0 };

	tasks_of(m)->ops->info(tasks_of(m), m->pid, &info);
	if (info.stop_pending == SIGSTOP)
		return;
	member_signal(m, SIGCONT);
	if (info.stop_pending) /* it may be caught, or stop the process after all */
		member_signal(m, info.stop_pending);
}

void member_cont(struct member *m)
{
	if (!(m->cont || m->due) || m->stopped || m->children_kept || is_held(m))
		return;
	if (m->cont)
		cont(m);
	m->cont = false;
	set_due(m, false);
	release_parent(m);
}

bool member_hold(struct member *m, enum hold why, struct cgroup *by)
{
	if (m->spared || m->stopped || m->held_by[why] || stop(m, by, false, 0) < 0 ||
	    !(m->cont || m->due))
		return false;
	m->held_by[why] = by;
	m->cg->n_held[why]++;
	return true;
}

static void unhold(struct member *m, enum hold why)
{
	if (!m->held_by[why])
		return;
	m->held_by[why] = NULL;
	if (!--m->cg->n_held[why])
		psi_stall_by(m->cg, PSI_HELD, waits_for[why], (struct psi_rate){ 0 });
}

void member_release(struct member *m, enum hold why)
{
	if (!m->held_by[why])
		return;
	unhold(m, why);
	member_cont(m);
}

/* Its children no longer keep it stopped. */
static void leave_children(struct member *m)
{
	struct member *child, *next;

	if (!m->children_kept)
		return;
	HASH_ITER(hh, m->cg->emul->members, child, next) {
		if (child->kept_before == m)
			child->kept_before = NULL;
	}
	m->children_kept = 0;
}

void member_gone(struct member *m)
{
	for (int i = 0; i < HOLDS; i++)
		unhold(m, i);
	if (m->cont) /* if it lives, it is ours no more */
		member_signal(m, SIGCONT);
	set_due(m, false);
	release_parent(m);
	leave_children(m);
}

static int runs_since(struct member *m, void *data)
{
	const uint64_t *since = data;

	return !m->stopped && !m->oom_killed && !is_held(m) && m->ran_at >= *since;
}

void members_stall(struct cgroup *by, enum hold why, uint64_t since)
{
	struct psi_rate rate = { .some_ppm = STALLED };

	if (!members_each(by, runs_since, &since))
		rate.full_ppm = STALLED;
	for (struct cgroup *at = by; at; at = cgroup_next(at, by)) {
		if (at->n_held[why])
			psi_stall_by(at, PSI_HELD, waits_for[why], rate);
	}
}

void member_let_go(struct member *m)
{
	m->stopped = false;
	for (int i = 0; i < HOLDS; i++)
		m->held_by[i] = NULL;
	member_cont(m);
}

void member_left(struct member *m)
{
	leave_children(m);
	for (int i = 0; i < HOLDS; i++)
		unhold(m, i);
	member_cont(m);
}

struct releasing {
	struct cgroup *by;
	enum hold why;
};

static int release_one(struct member *m, void *data)
{
	const struct releasing *r = data;

	if (m->held_by[r->why] == r->by)
		member_release(m, r->why);
	return 0;
}

void members_release(struct cgroup *by, enum hold why)
{
	struct releasing r = { by, why };

	members_each(by, release_one, &r);
}

/* --- stops that are due -------------------------------------------------------------------- */

/* It cannot be stopped after all: nothing keeps it. */
static void give_up(struct member *m)
{
	m->stopped = false;
	for (int i = 0; i < HOLDS; i++)
		unhold(m, i);
}

/* True: for a freeze. */
static bool stop_due(struct member *m)
{
	if (!m->due || (m->kept_before && !has_halted(m->kept_before)))
		return false;
	set_due(m, false);
	if (stop_now(m) < 0) {
		give_up(m);
		return false;
	}
	if (m->stopped)
		tasks_count(m->cg, 0, -1);
	return m->stopped;
}

void stops_look(struct emul *e)
{
	struct member *m, *next;
	bool frozen = false;

	if (!e->n_due)
		return;
	HASH_ITER(hh, e->members, m, next)
		frozen |= stop_due(m);
	if (frozen) /* children that it had meanwhile are stopped when they are found */
		members_refresh(e, true);
}
