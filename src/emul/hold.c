/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members kept stopped by SIGSTOP: by cgroup.freeze, by a quota of CPU time that is used up, by
 * memory.high. They are stopped once, and continued when the last reason is gone; a process that
 * was found stopped, or that somebody stopped meanwhile, stays stopped. What came meanwhile is told
 * by a stop signal that waits: one sent to a stopped process does, until SIGCONT throws it away.
 */
#include <signal.h>

#include "cgroup.h"

#define STALLED 1000000 /* ppm: all the time */

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

int member_stop(struct member *m)
{
	struct task_info info;
	int r;

	if (m->cont)
		return 0;
	r = tasks_of(m)->ops->info(tasks_of(m), m->pid, &info);
	if (r < 0 || info.stopped)
		return r;
	r = member_signal(m, SIGSTOP);
	m->cont = r == 0;
	return r;
}

void member_cont(struct member *m)
{
	struct task_info info = { 0 };

	if (!m->cont || m->stopped || is_held(m))
		return;
	m->cont = false;
	tasks_of(m)->ops->info(tasks_of(m), m->pid, &info);
	if (info.stop_pending == SIGSTOP)
		return;
	member_signal(m, SIGCONT);
	if (info.stop_pending) /* it may be caught, or stop the process after all */
		member_signal(m, info.stop_pending);
}

/* One that a shell waits for as a job would become a stopped job. */
bool member_hold(struct member *m, enum hold why, struct cgroup *by)
{
	struct task_info info;

	if (m->stopped || m->held_by[why])
		return false;
	if (!m->cont && (tasks_of(m)->ops->info(tasks_of(m), m->pid, &info) < 0 ||
			 info.stopped || info.exited || info.job || member_stop(m) < 0))
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

void member_unhold(struct member *m)
{
	for (int i = 0; i < HOLDS; i++)
		unhold(m, i);
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

void member_left(struct member *m)
{
	for (int i = 0; i < HOLDS; i++)
		member_release(m, i);
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
